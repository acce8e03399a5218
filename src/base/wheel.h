/*
 * wheel.h - hierarchical timing wheel: start, stop and expiry are O(1), a million timers cost their
 * own bytes only. Intrusive: embed a struct wheel_timer. One owner thread; no clock, no callback:
 * the owner asks which timers expired. Resolution 1 ms (a timer never fires early, at most one
 * tick late), range 40 days; longer ones are clipped.
 */
#ifndef LNS_WHEEL_H
#define LNS_WHEEL_H

#include <stddef.h>

#include "base/nsec.h"

enum { WHEEL_BITS = 8, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 4 };

struct wheel_timer {
	struct wheel_timer *next, *prev; /* both NULL when idle */
	uint64_t tick;			 /* when it expires */
	uint32_t kind;			 /* for the owner, to tell what embeds it */
};

struct wheel {
	uint64_t tick;	/* all ticks up to and including this one have been handled */
	uint32_t armed; /* timers in the wheel */
	uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
	struct wheel_timer slots[WHEEL_LEVELS][WHEEL_SLOTS]; /* list heads */
	struct wheel_timer expired;			     /* list head */
};

void wheel_init(struct wheel *w, nsec now);
/* Arms or re-arms; NSEC_NEVER stops it. */
void wheel_start(struct wheel *w, struct wheel_timer *t, nsec when);
void wheel_stop(struct wheel *w, struct wheel_timer *t);
static inline bool wheel_is_armed(const struct wheel_timer *t)
{
	return t->next != NULL;
}
/* Next timer that has expired at `now` (disarmed already), or NULL. Call until NULL. */
struct wheel_timer *wheel_expired(struct wheel *w, nsec now);
/* A time not later than the next expiry (it may be earlier); NSEC_NEVER when nothing is armed. */
nsec wheel_next(const struct wheel *w);

#endif
