/*
 * dp_hold.h - packets that wait in a shaper: a fixed number of places per worker (setting
 * throttle_memory), made when the first session needs them, so that holding a packet asks for no
 * memory. Packets are copied in. A place that was never used was never touched. Owned by its
 * worker; pure.
 */
#ifndef LNS_DP_HOLD_H
#define LNS_DP_HOLD_H

#include "base/alloc.h"
#include "base/nsec.h"

enum {
	DP_HELD_BYTES = 2016,	    /* of one packet, our header before it included */
	DP_HOLD_PER_MB = 512,	    /* places */
	DP_HELD_NONE = 0xFFFFFFFF,
};

struct dp_held {
	uint32_t next; /* in its lane, or among the free ones; DP_HELD_NONE ends */
	uint32_t flow; /* packets of one flow have one number */
	nsec since;    /* when it came */
	uint16_t n;    /* bytes, `skip` included */
	uint8_t skip;  /* header bytes that do not count as the subscriber's */
	uint8_t is_v6;
	uint8_t bytes[DP_HELD_BYTES];
};

struct dp_hold {
	struct alloc alloc;
	struct dp_held *places;
	uint32_t n;    /* places in all */
	uint32_t used; /* places from here on were never used */
	uint32_t free; /* first of the returned ones */
	uint32_t held; /* in use now */
};

/* No places yet. */
void dp_hold_init(struct dp_hold *h, const struct alloc *a, uint32_t n);
void dp_hold_fini(struct dp_hold *h);
/* Makes the places, if there are none yet. False: out of memory. */
bool dp_hold_open(struct dp_hold *h);

/* Copies head and body into a place; DP_HELD_NONE: none is free, or the packet is too long. */
uint32_t dp_hold_put(struct dp_hold *h, struct span head, struct span body);
void dp_hold_free(struct dp_hold *h, uint32_t place);

static inline struct dp_held *dp_hold_at(const struct dp_hold *h, uint32_t place)
{
	return &h->places[place];
}

#endif
