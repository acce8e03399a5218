/*
 * worker_lane.h - inner packets on their way from the worker that received them to the one that
 * forwards them: one bounded ring per ordered pair of workers, apart from the rings of messages, so
 * that data never fills the way of control. Shell.
 */
#ifndef LNS_WORKER_LANE_H
#define LNS_WORKER_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/span.h"

struct lanes;

enum { LANE_PACKETS = 4096 };

/* NULL: out of memory. */
struct lanes *lanes_new(const struct alloc *a, unsigned n_workers);
void lanes_free(struct lanes *l);

/* Worker `from`: copies the packet; false = the lane is full: of bytes or, so that nothing waits
 * for long, of LANE_PACKETS packets. */
bool lanes_push(struct lanes *l, unsigned from, unsigned to, struct span packet);
/* Worker `from`: the lane is more than half full, of packets or of bytes. */
bool lanes_are_crowded(const struct lanes *l, unsigned from, unsigned to);
/* Worker `from`: the place behind the last one, and whether all before a place were forwarded. */
uint32_t lanes_mark(const struct lanes *l, unsigned from, unsigned to);
bool lanes_passed(const struct lanes *l, unsigned from, unsigned to, uint32_t mark);

/* Worker `to`: *at starts as lanes_first(); the next packet, empty = none. The packets stay until
 * lanes_done(), which is told how many they were and tells `from` that they were forwarded. */
uint32_t lanes_first(const struct lanes *l, unsigned from, unsigned to);
struct span lanes_next(struct lanes *l, unsigned from, unsigned to, uint32_t *at);
void lanes_done(struct lanes *l, unsigned from, unsigned to, uint32_t at, unsigned packets);
/* Any thread; the answer may be old. */
bool lanes_are_empty(const struct lanes *l, unsigned to);

#endif
