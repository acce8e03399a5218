/*
 * Receiving costs the receiver about one part of a packet's cost and forwarding two, measured (see
 * docs/performance.md); only the latter can be given away. The estimate need not be good: what is
 * moved is half of what would make both even, so that errors die out within a few rounds.
 */
#include "dataplane/dp_spread.h"

#include <string.h>

enum {
	WORTH_IT = 50, /* a worker with less to do keeps it: handing over costs, too */
	NO_WORK = 20,  /* of all together, */
	QUIET = 40,    /* so many times in a row: everything goes home */
	MARGIN = 4,    /* a smaller difference is noise */
	MARGIN_PART = 25,
	FORWARD_PARTS = 2, /* of the cost of a packet, receiving being one */
};

void dp_spread_init(struct dp_spread *s, enum dp_spread_mode mode, unsigned self,
		    unsigned n_workers)
{
	memset(s, 0, sizeof(*s));
	s->self = self;
	s->n_workers = n_workers;
	s->mode = mode;
	for (unsigned i = 0; i < DP_SPREAD_BUCKETS; i++)
		s->bucket[i].at = s->bucket[i].wanted = (uint8_t)self;
}

/* What this receiver gave to each worker, itself included. */
struct shares {
	uint64_t of[UINT8_MAX + 1];
	uint64_t all;
};

static void count(const struct dp_spread *s, struct shares *sh)
{
	memset(sh, 0, sizeof(*sh));
	for (unsigned i = 0; i < DP_SPREAD_BUCKETS; i++) {
		sh->of[s->bucket[i].wanted] += s->bucket[i].packets;
		sh->all += s->bucket[i].packets;
	}
}

static void age(struct dp_spread *s)
{
	for (unsigned i = 0; i < DP_SPREAD_BUCKETS; i++)
		s->bucket[i].packets /= 2;
}

static void all_home(struct dp_spread *s)
{
	for (unsigned i = 0; i < DP_SPREAD_BUCKETS; i++)
		s->bucket[i].wanted = (uint8_t)s->self;
}

/* What forwarding n packets costs, in the unit of busy. */
static uint64_t cost(const struct dp_spread *s, const struct shares *sh, const uint32_t *busy,
		     uint64_t n)
{
	uint64_t parts = sh->all + FORWARD_PARTS * sh->of[s->self];

	return parts ? FORWARD_PARTS * n * busy[s->self] / parts : 0;
}

/* Moves buckets from one worker to another, up to `room`; the lightest one in any case if that
 * leaves them more even than they are. */
static void move(struct dp_spread *s, const struct shares *sh, const uint32_t *busy, unsigned from,
		 unsigned to, uint64_t gap)
{
	uint64_t room = gap / 4;
	struct dp_spread_bucket *lightest = NULL;
	bool moved = false;

	for (unsigned i = 0; i < DP_SPREAD_BUCKETS; i++) {
		struct dp_spread_bucket *b = &s->bucket[i];
		uint64_t c = cost(s, sh, busy, b->packets);
		if (b->wanted != from || b->packets == 0)
			continue;
		if (!lightest || b->packets < lightest->packets)
			lightest = b;
		if (c > room)
			continue;
		b->wanted = (uint8_t)to;
		room -= c;
		moved = true;
	}
	if (!moved && lightest && cost(s, sh, busy, lightest->packets) < gap * 3 / 4)
		lightest->wanted = (uint8_t)to;
}

void dp_spread_balance(struct dp_spread *s, const uint32_t *busy)
{
	unsigned most = s->self, least = 0;
	uint64_t sum = 0;
	struct shares sh;

	if (s->mode != DP_SPREAD_LOAD)
		return;
	count(s, &sh);
	for (unsigned i = 0; i < s->n_workers; i++) {
		sum += busy[i];
		if (busy[i] < busy[least])
			least = i;
		if (sh.of[i] && (busy[i] > busy[most] || !sh.of[most]))
			most = i;
	}
	uint32_t gap = busy[most] > busy[least] ? busy[most] - busy[least] : 0;
	s->quiet = sum < NO_WORK ? s->quiet + 1 : 0;
	if (s->quiet >= QUIET)
		all_home(s);
	else if (sh.all && busy[most] >= WORTH_IT && gap > MARGIN && gap > busy[most] / MARGIN_PART)
		move(s, &sh, busy, most, least, gap);
	age(s);
}
