/*
 * dp_retire.h - what was taken out of a table that readers see, waiting for them to let go of it.
 * Collects objects in one open batch while the batch before it sits out its grace period; the
 * owner calls dp_retire_turn once per turn and frees what comes back. Never blocks.
 */
#ifndef LNS_DP_RETIRE_H
#define LNS_DP_RETIRE_H

#include <stdint.h>

#include "base/rcu.h"

/* Embedded in the object, in a place that readers never look at. */
struct dp_retired {
	struct dp_retired *next;
};

struct dp_retire {
	struct dp_retired *open;    /* unpublished since the last grace period began */
	struct dp_retired *waiting; /* of the grace period under way */
	bool open_wanted;	    /* somebody asked for an epoch, also without an object */
	bool under_way;
	uint32_t epoch;	     /* of the open batch */
	uint32_t epoch_done; /* every batch up to this one is beyond any reader */
	struct rcu_grace grace;
};

void dp_retire_init(struct dp_retire *r);
void dp_retire_add(struct dp_retire *r, struct dp_retired *object);
/* The epoch after which nothing that was unpublished before this call is seen by anybody. */
uint32_t dp_retire_epoch(struct dp_retire *r);
bool dp_retire_is_over(const struct dp_retire *r, uint32_t epoch);
/* Starts and finishes grace periods; returns a list of objects to free, or NULL. */
struct dp_retired *dp_retire_turn(struct dp_retire *r);
/* Everything still held, when no reader exists any more. Waits for a grace period under way. */
struct dp_retired *dp_retire_drain(struct dp_retire *r);

#endif
