/*
 * Receiving costs the receiver about one part of a packet's cost and forwarding two, measured (see
 * docs/performance.md); only the latter can be given away. The estimate need not be good: what is
 * moved is three quarters of what would make both even, so that errors die out within a few rounds.
 * A large difference is acted upon at once; a small one only when it lasts, for the load of a short
 * time is noisy.
 */
#include "dataplane/dp_spread.h"

#include <string.h>

enum {
	WORTH_IT = 50, /* a worker with less to do keeps it: handing over costs, too; */
	NO_WORK = 20,  /* but what was begun goes on until there is hardly any, of all together; */
	QUIET = 40,    /* after so many times in a row everything goes home */
	LONG = 6,      /* intervals: from so many on their mean is good */
	LONGEST = 12,
	MARGIN = 8, /* a smaller difference, of the sums, is noise, */
	MARGIN_PART = 5,
	MARGIN_PART_LONG = 32, /* or such a part of the larger load */
	FINE = 1024,
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

/* What forwarding n packets costs, in FINE parts of the unit of the sums: a bucket may cost less
 * than one of them. */
static uint64_t cost(const struct dp_spread *s, const struct shares *sh, uint64_t n)
{
	uint64_t parts = sh->all + FORWARD_PARTS * sh->of[s->self];

	return parts ? FORWARD_PARTS * n * s->sum[s->self] * FINE / parts : 0;
}

/* Moves buckets from one worker to another, up to `room`; the lightest one in any case if that
 * leaves them more even than they are. */
static void move(struct dp_spread *s, const struct shares *sh, unsigned from, unsigned to)
{
	uint64_t gap = (uint64_t)(s->sum[from] - s->sum[to]) * FINE, room = gap * 3 / 8;
	struct dp_spread_bucket *lightest = NULL;
	bool moved = false;

	for (unsigned i = 0; i < DP_SPREAD_BUCKETS; i++) {
		struct dp_spread_bucket *b = &s->bucket[i];
		uint64_t c = cost(s, sh, b->packets);
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
	if (!moved && lightest && cost(s, sh, lightest->packets) < gap * 3 / 4)
		lightest->wanted = (uint8_t)to;
}

/* Begins to add up the loads anew: they are about another distribution. */
static void forget(struct dp_spread *s)
{
	memset(s->sum, 0, sizeof(s->sum));
	s->n_sums = 0;
}

/* Half of it is as good as a beginning, and follows a load that changes. */
static void halve(struct dp_spread *s)
{
	for (unsigned i = 0; i < s->n_workers; i++)
		s->sum[i] /= 2;
	s->n_sums /= 2;
}

static void add_up(struct dp_spread *s, const uint32_t *busy)
{
	if (s->n_sums == LONGEST)
		halve(s);
	for (unsigned i = 0; i < s->n_workers; i++)
		s->sum[i] += busy[i];
	s->n_sums++;
}

static bool is_uneven(const struct dp_spread *s, const struct shares *sh, uint32_t most,
		      uint32_t least)
{
	uint32_t gap = most > least ? most - least : 0;
	uint32_t worth = sh->of[s->self] < sh->all ? NO_WORK : WORTH_IT;
	uint32_t part = s->n_sums < LONG ? MARGIN_PART : MARGIN_PART_LONG;

	return most >= worth * s->n_sums && gap > MARGIN && gap > most / part;
}

void dp_spread_balance(struct dp_spread *s, const uint32_t *busy)
{
	unsigned most = s->self, least = 0;
	uint64_t all = 0;
	struct shares sh;

	if (s->mode != DP_SPREAD_LOAD)
		return;
	count(s, &sh);
	add_up(s, busy);
	for (unsigned i = 0; i < s->n_workers; i++) {
		all += busy[i];
		if (s->sum[i] < s->sum[least])
			least = i;
		if (sh.of[i] && (s->sum[i] > s->sum[most] || !sh.of[most]))
			most = i;
	}
	s->quiet = all < NO_WORK ? s->quiet + 1 : 0;
	if (s->quiet >= QUIET) {
		all_home(s);
	} else if (sh.all && is_uneven(s, &sh, s->sum[most], s->sum[least])) {
		move(s, &sh, most, least);
		forget(s);
	}
	age(s);
}
