/*
 * test_dp_fake.h - the part of dp_table.h that a session shard uses, without RCU: the test says
 * when grace periods end, and every rule of the owner is checked. Include it in one file, in place
 * of the real dp_table.c.
 */
#ifndef LNS_TEST_DP_FAKE_H
#define LNS_TEST_DP_FAKE_H

#include <stdlib.h>

#include "dataplane/dp_table.h"

enum { FAKE_SLOTS = 64 };

static struct {
	enum { FAKE_FREE, FAKE_TAKEN, FAKE_PUBLISHED, FAKE_LEAVING } state[FAKE_SLOTS];
	struct dp_session_spec spec[FAKE_SLOTS];
	struct dp_counters counters[FAKE_SLOTS];
	unsigned publish_fails; /* so many times from now on */
	bool grace_over;	/* of all that left */
} fake_dp;

static inline void fake_check(bool ok)
{
	if (!ok)
		abort();
}

uint32_t dp_slot_take_own(struct dp_tables *t, unsigned self)
{
	(void)t;
	(void)self;
	for (uint32_t i = 0; i < FAKE_SLOTS; i++)
		if (fake_dp.state[i] == FAKE_FREE) {
			fake_dp.state[i] = FAKE_TAKEN;
			memset(&fake_dp.counters[i], 0, sizeof(fake_dp.counters[i]));
			return i;
		}
	return DP_SLOT_NONE;
}

uint8_t dp_slot_generation(const struct dp_tables *t, uint32_t slot)
{
	(void)t;
	fake_check(fake_dp.state[slot] != FAKE_FREE);
	return 1;
}

bool dp_publish_own(struct dp_tables *t, unsigned self, uint32_t slot,
		    const struct dp_session_spec *spec)
{
	(void)t;
	(void)self;
	fake_check(fake_dp.state[slot] == FAKE_TAKEN || fake_dp.state[slot] == FAKE_PUBLISHED);
	for (uint32_t i = 0; i < FAKE_SLOTS; i++) /* one record for an id at most */
		fake_check(i == slot || fake_dp.state[i] != FAKE_PUBLISHED ||
			   fake_dp.spec[i].key.tid != spec->key.tid ||
			   fake_dp.spec[i].key.sid != spec->key.sid);
	if (fake_dp.publish_fails) {
		fake_dp.publish_fails--;
		return false;
	}
	fake_dp.state[slot] = FAKE_PUBLISHED;
	fake_dp.spec[slot] = *spec;
	return true;
}

void dp_unpublish_own(struct dp_tables *t, unsigned self, uint32_t slot)
{
	(void)t;
	(void)self;
	if (fake_dp.state[slot] != FAKE_PUBLISHED)
		return;
	fake_dp.state[slot] = FAKE_LEAVING;
	fake_dp.grace_over = false;
}

bool dp_slot_gone_own(struct dp_tables *t, unsigned self, uint32_t slot)
{
	(void)t;
	(void)self;
	fake_check(fake_dp.state[slot] == FAKE_TAKEN || fake_dp.state[slot] == FAKE_LEAVING);
	return fake_dp.state[slot] == FAKE_TAKEN || fake_dp.grace_over;
}

void dp_slot_free_own(struct dp_tables *t, unsigned self, uint32_t slot)
{
	fake_check(dp_slot_gone_own(t, self, slot));
	fake_dp.state[slot] = FAKE_FREE;
}

const struct dp_counters *dp_slot_counters(const struct dp_tables *t, uint32_t slot)
{
	(void)t;
	fake_check(fake_dp.state[slot] != FAKE_FREE);
	return &fake_dp.counters[slot];
}

void dp_counters_read(const struct dp_counters *c, struct sess_counters *out)
{
	out->up_packets = atomic_load(&c->up_packets);
	out->up_bytes = atomic_load(&c->up_bytes);
	out->down_packets = atomic_load(&c->down_packets);
	out->down_bytes = atomic_load(&c->down_bytes);
}

/* Nothing waits in a shaper there. */
const struct dp_session *dp_session_at_rcu(const struct dp_tables *t, uint32_t slot)
{
	(void)t;
	(void)slot;
	return NULL;
}

static inline unsigned fake_dp_used(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < FAKE_SLOTS; i++)
		n += fake_dp.state[i] != FAKE_FREE;
	return n;
}

#endif
