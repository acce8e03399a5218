#include "dataplane/dp_retire.h"

#include <stddef.h>

#include "base/panic.h"

void dp_retire_init(struct dp_retire *r)
{
	*r = (struct dp_retire){.epoch = 1};
}

void dp_retire_add(struct dp_retire *r, struct dp_retired *object)
{
	object->next = r->open;
	r->open = object;
}

uint32_t dp_retire_epoch(struct dp_retire *r)
{
	r->open_wanted = true;
	return r->epoch;
}

bool dp_retire_is_over(const struct dp_retire *r, uint32_t epoch)
{
	return (int32_t)(r->epoch_done - epoch) >= 0;
}

static void start(struct dp_retire *r)
{
	LNS_ASSERT(!r->under_way && !r->waiting);
	r->waiting = r->open;
	r->open = NULL;
	r->open_wanted = false;
	r->under_way = true;
	r->epoch++;
	rcu_grace_start(&r->grace);
}

static struct dp_retired *finish(struct dp_retire *r)
{
	struct dp_retired *done = r->waiting;

	r->waiting = NULL;
	r->under_way = false;
	r->epoch_done = r->epoch - 1;
	return done;
}

struct dp_retired *dp_retire_turn(struct dp_retire *r)
{
	struct dp_retired *done = NULL;

	if (r->under_way && rcu_grace_done(&r->grace))
		done = finish(r);
	if (!r->under_way && (r->open || r->open_wanted))
		start(r);
	return done;
}

/* Puts list b behind list a. */
static struct dp_retired *join(struct dp_retired *a, struct dp_retired *b)
{
	if (!a)
		return b;
	struct dp_retired *last = a;
	while (last->next)
		last = last->next;
	last->next = b;
	return a;
}

struct dp_retired *dp_retire_drain(struct dp_retire *r)
{
	struct dp_retired *done = NULL;

	if (r->under_way) {
		/* The back end may still write into the grace period. */
		while (!rcu_grace_done(&r->grace))
			rcu_wait();
		done = finish(r);
	}
	done = join(done, r->open);
	r->open = NULL;
	return done;
}
