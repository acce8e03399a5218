/*
 * dp_spread.h - which worker forwards what one worker receives. A LAC's packets all reach one
 * worker (its receiver); when that one has more to do than others, it gives whole buckets of
 * sessions away. A bucket changes its worker only when the one before has finished all packets of
 * it, so that no flow is ever reordered. Pure; owned by the receiver's thread.
 */
#ifndef LNS_DP_SPREAD_H
#define LNS_DP_SPREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/facts.h"
#include "base/hash.h"

enum {
	DP_SPREAD_BUCKETS = 256,
	DP_SPREAD_INTERVAL_MS = 50, /* between two calls of dp_spread_balance */
};

enum dp_spread_mode {
	DP_SPREAD_NONE,	    /* one worker */
	DP_SPREAD_SESSIONS, /* the kernel brings them to worker sid % n; strays go there */
	DP_SPREAD_LOAD,	    /* by what each worker has to do */
};

struct dp_spread_bucket {
	uint8_t at, wanted; /* workers: who has its packets, who shall get them */
	uint32_t mark;	    /* place behind the last one given to `at` */
	uint32_t packets;   /* lately */
};

struct dp_spread {
	unsigned self, n_workers;
	enum dp_spread_mode mode;
	unsigned quiet;	 /* calls of dp_spread_balance in a row with hardly any work */
	unsigned n_sums; /* of them since a bucket was moved, or the last few */
	uint32_t sum[LNS_WORKERS_MAX]; /* of what each worker had to do in those */
	/* Whether `worker` has finished everything before this place. */
	bool (*passed)(void *ctx, unsigned worker, uint32_t mark);
	void *ctx;
	struct dp_spread_bucket bucket[DP_SPREAD_BUCKETS];
};

void dp_spread_init(struct dp_spread *s, enum dp_spread_mode mode, unsigned self,
		    unsigned n_workers);

/* The bucket of a session, and the worker that forwards its next packet. */
static inline struct dp_spread_bucket *dp_spread_bucket(struct dp_spread *s, uint16_t tid,
							uint16_t sid)
{
	return &s->bucket[hash_u64((uint64_t)tid << 16 | sid) % DP_SPREAD_BUCKETS];
}
static inline unsigned dp_spread_worker(struct dp_spread *s, struct dp_spread_bucket *b)
{
	b->packets++;
	if (b->at != b->wanted && s->passed(s->ctx, b->at, b->mark))
		b->at = b->wanted;
	return b->at;
}

/* Decides which buckets shall move. busy: of each worker, what part of the time since the last
 * call it worked, in thousandths. */
void dp_spread_balance(struct dp_spread *s, const uint32_t *busy);

#endif
