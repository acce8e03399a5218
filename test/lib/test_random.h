/*
 * test_random.h - numbers for tests that repeat: the same seed gives the same run on every machine
 * (splitmix64). Also in the shape that struct shard_env and core_env ask for.
 */
#ifndef LNS_TEST_RANDOM_H
#define LNS_TEST_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct test_random {
	uint64_t state;
};

static inline uint64_t test_random_u64(struct test_random *r)
{
	uint64_t v = r->state += 0x9E3779B97F4A7C15u;
	v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9u;
	v = (v ^ v >> 27) * 0x94D049BB133111EBu;
	return v ^ v >> 31;
}

/* 0 .. n-1; n > 0. */
static inline uint64_t test_random_below(struct test_random *r, uint64_t n)
{
	return test_random_u64(r) % n;
}

static inline void test_random_fill(struct test_random *r, void *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)out)[i] = (uint8_t)test_random_u64(r);
}

#endif
