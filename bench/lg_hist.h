/*
 * lg_hist.h - histogram of durations with about 3% resolution from 1 us to an hour, constant
 * size, for percentiles of millions of samples.
 */
#ifndef LG_HIST_H
#define LG_HIST_H

#include <stdint.h>

enum { LG_HIST_SUB = 32, LG_HIST_BUCKETS = 32 * LG_HIST_SUB };

struct lg_hist {
	uint64_t n;
	uint64_t max_us;
	uint64_t bucket[LG_HIST_BUCKETS];
};

/* The first 32 buckets are 1 us wide, then each power of two is cut into 32. */
static inline unsigned lg_hist_index(uint64_t us)
{
	if (us < LG_HIST_SUB)
		return (unsigned)us;
	unsigned power = 63u - (unsigned)__builtin_clzll(us);
	unsigned at = (power - 4) * LG_HIST_SUB + (unsigned)(us >> (power - 5)) - LG_HIST_SUB;
	return at < LG_HIST_BUCKETS ? at : LG_HIST_BUCKETS - 1;
}

static inline uint64_t lg_hist_value(unsigned at)
{
	if (at < LG_HIST_SUB)
		return at;
	unsigned power = at / LG_HIST_SUB + 4;
	return (uint64_t)(LG_HIST_SUB + at % LG_HIST_SUB) << (power - 5);
}

static inline void lg_hist_add(struct lg_hist *h, int64_t ns)
{
	uint64_t us = ns < 0 ? 0 : (uint64_t)ns / 1000;
	h->bucket[lg_hist_index(us)]++;
	h->n++;
	if (us > h->max_us)
		h->max_us = us;
}

/* In milliseconds; q is 0..1. */
static inline double lg_hist_ms(const struct lg_hist *h, double q)
{
	uint64_t want = (uint64_t)(q * (double)h->n), seen = 0;
	for (unsigned i = 0; i < LG_HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > want)
			return (double)lg_hist_value(i) / 1000.0;
	}
	return (double)h->max_us / 1000.0;
}

#endif
