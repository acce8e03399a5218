#include "dataplane/dp_shaper.h"

#include "base/panic.h"

enum {
	FRACTION_BITS = 16, /* of a nanosecond */
	SMALL_MAX = 300,    /* bytes of a packet that may take the fast lane */
	FAST_MAX = 4096,    /* bytes in the fast lane; more waits with bulk, where CoDel is */
	MTU = 1500,
	QUEUE_MS = 40,	     /* longest queue */
	QUEUE_MIN = 8 * MTU, /* a flow needs some packets to recover from a loss */
	QUEUE_MAX = 1536 * 1024,
	PACKETS_MAX = 4096, /* of QUEUE_MAX, should all be tiny */
	SHARE_BYTES = 375,  /* of the limit for each packet, once places become few */
	BURST_MIN_MS = 10,  /* the worker may be late: it must not cost the subscriber */
	TARGET_MS = 5,
	INTERVAL_MS = 100,
	CODEL_FORGET = 16, /* intervals; RFC 8289 5.6 */
};

static const int64_t TIME_MAX = INT64_C(1) << 62;

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* ---- settings -------------------------------------------------------------------------------- */

/* What n bytes cost, at most TIME_MAX. */
static int64_t price(const struct dp_shaper *s, uint64_t n)
{
	int64_t t;

	if (__builtin_mul_overflow(s->cost, n, &t))
		return TIME_MAX;
	return least(t, TIME_MAX);
}

static uint32_t queue_limit(uint64_t rate)
{
	uint64_t bytes = rate / 8 / (1000 / QUEUE_MS);

	if (bytes < QUEUE_MIN)
		return QUEUE_MIN;
	return bytes > QUEUE_MAX ? QUEUE_MAX : (uint32_t)bytes;
}

static void set_depth(struct dp_shaper *s, uint32_t burst, uint32_t burst_ms)
{
	int64_t least_depth = NSEC_MS(BURST_MIN_MS) << FRACTION_BITS;

	s->depth = burst ? price(s, burst) : NSEC_MS(burst_ms) << FRACTION_BITS;
	s->depth = most(s->depth, least_depth);
}

/* Two packets must not count as a queue that is too long, however slow the link (RFC 8289 4.4). */
static void set_codel(struct dp_shaper *s)
{
	int64_t two = least(price(s, UINT64_C(2) * MTU) >> FRACTION_BITS, NSEC_S(60));

	s->target_ns = most(NSEC_MS(TARGET_MS), two);
	s->interval_ns = most(NSEC_MS(INTERVAL_MS), 2 * s->target_ns);
}

void dp_shaper_init(struct dp_shaper *s)
{
	memset(s, 0, sizeof(*s));
	s->fast = s->bulk = (struct dp_lane){DP_HELD_NONE, DP_HELD_NONE};
	s->fast_left = FAST_MAX;
}

void dp_shaper_set(struct dp_shaper *s, uint64_t rate, uint32_t burst, uint32_t burst_ms, nsec now)
{
	const uint64_t second = (uint64_t)NSEC_S(8) << FRACTION_BITS;

	s->cost = rate ? second / rate : 0;
	s->limit = queue_limit(rate);
	set_depth(s, burst, burst_ms);
	set_codel(s);
	s->credit = s->depth;
	s->updated = now;
}

/* ---- the bucket ------------------------------------------------------------------------------ */

static void refill(struct dp_shaper *s, nsec now)
{
	int64_t passed = nsec_sub(now, s->updated);

	if (passed <= 0)
		return;
	s->updated = now;
	if (passed >= TIME_MAX >> FRACTION_BITS)
		s->credit = s->depth;
	else
		s->credit = least(s->credit + (passed << FRACTION_BITS), s->depth);
}

/* Overdrawn by one packet at most, but that may be long ago at a very low rate. */
static void pay(struct dp_shaper *s, uint32_t n)
{
	s->credit = most(s->credit - price(s, n), -TIME_MAX);
}

static void stat_add(_Atomic uint64_t *stat, uint64_t n)
{
	uint64_t v = atomic_load_explicit(stat, memory_order_relaxed);

	atomic_store_explicit(stat, v + n, memory_order_relaxed);
}

static void count_passed(struct dp_shaper *s, uint32_t n)
{
	stat_add(&s->stats.passed_packets, 1);
	stat_add(&s->stats.passed_bytes, n);
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static uint16_t *flow_count(struct dp_shaper *s, uint32_t flow)
{
	return &s->flows[(flow ^ flow >> 16) % DP_SHAPER_FLOWS];
}

static void lane_append(struct dp_lane *l, const struct dp_hold *hold, uint32_t place)
{
	if (l->first == DP_HELD_NONE)
		l->first = place;
	else
		dp_hold_at(hold, l->last)->next = place;
	l->last = place;
}

static void lane_drop_first(struct dp_lane *l, const struct dp_hold *hold)
{
	l->first = dp_hold_at(hold, l->first)->next;
}

static uint32_t length(const struct dp_held *x)
{
	return (uint32_t)x->n - x->skip;
}

static void count_queued(struct dp_shaper *s)
{
	atomic_store_explicit(&s->stats.queued, s->queued, memory_order_relaxed);
}

static void enqueue(struct dp_shaper *s, struct dp_hold *hold, uint32_t place)
{
	const struct dp_held *x = dp_hold_at(hold, place);
	uint32_t n = length(x);
	uint16_t *in_bulk = flow_count(s, x->flow);

	if (n <= SMALL_MAX && *in_bulk == 0 && s->fast_left >= (int32_t)n) {
		s->fast_left -= (int32_t)n;
		lane_append(&s->fast, hold, place);
	} else {
		++*in_bulk;
		lane_append(&s->bulk, hold, place);
	}
	s->queued++;
	s->bytes += n;
	count_queued(s);
}

/* Takes the first packet of a lane out of the books; its place stays the caller's. */
static uint32_t dequeue(struct dp_shaper *s, const struct dp_hold *hold, struct dp_lane *l)
{
	uint32_t place = l->first;
	const struct dp_held *x = dp_hold_at(hold, place);
	uint32_t n = length(x);

	lane_drop_first(l, hold);
	s->queued--;
	s->bytes -= n;
	if (l == &s->bulk)
		--*flow_count(s, x->flow);
	if (s->bulk.first == DP_HELD_NONE) /* what is left waits in the fast lane */
		s->fast_left = FAST_MAX - (int32_t)s->bytes;
	return place;
}

void dp_shaper_clear(struct dp_shaper *s, struct dp_hold *hold)
{
	while (s->fast.first != DP_HELD_NONE)
		dp_hold_free(hold, dequeue(s, hold, &s->fast));
	while (s->bulk.first != DP_HELD_NONE)
		dp_hold_free(hold, dequeue(s, hold, &s->bulk));
	LNS_ASSERT(s->queued == 0 && s->bytes == 0);
	s->codel = (struct dp_codel){.count = 0};
	count_queued(s);
}

static void drop_first(struct dp_shaper *s, struct dp_hold *hold, unsigned *dropped)
{
	dp_hold_free(hold, dequeue(s, hold, &s->bulk));
	stat_add(&s->stats.dropped_packets, 1);
	++*dropped;
}

/* ---- in -------------------------------------------------------------------------------------- */

/* Tiny packets fill places long before they fill the queue: who has more of them than others need
 * gets no more of the second half. */
static bool beyond_share(const struct dp_shaper *s, const struct dp_hold *hold)
{
	return hold->held >= hold->n / 2 && s->queued >= s->limit / SHARE_BYTES;
}

/* A full queue loses its oldest packets, not the newest: the senders hear of it sooner, and who
 * comes late in a burst is not always the one who loses. */
static void make_room(struct dp_shaper *s, struct dp_hold *hold, unsigned *dropped)
{
	while (s->bulk.first != DP_HELD_NONE && (s->bytes >= s->limit || s->queued >= PACKETS_MAX))
		drop_first(s, hold, dropped);
	if (s->bulk.first != DP_HELD_NONE && beyond_share(s, hold))
		drop_first(s, hold, dropped);
}

static enum dp_shaped hold_packet(struct dp_shaper *s, struct dp_hold *hold,
				  const struct dp_shaper_packet *p, nsec now, unsigned *dropped)
{
	make_room(s, hold, dropped);
	uint32_t place = dp_hold_put(hold, p->head, p->body);
	if (place == DP_HELD_NONE) {
		stat_add(&s->stats.dropped_packets, 1);
		return DP_SHAPED_NO_ROOM;
	}
	struct dp_held *x = dp_hold_at(hold, place);
	x->flow = p->flow;
	x->since = now;
	x->skip = p->skip;
	x->is_v6 = p->is_v6;
	enqueue(s, hold, place);
	stat_add(&s->stats.delayed_packets, 1);
	return DP_SHAPED_HELD;
}

enum dp_shaped dp_shaper_put(struct dp_shaper *s, struct dp_hold *hold,
			     const struct dp_shaper_packet *p, nsec now, unsigned *dropped)
{
	refill(s, now);
	if (s->queued || s->credit <= 0)
		return hold_packet(s, hold, p, now, dropped);
	uint32_t n = (uint32_t)(p->head.n + p->body.n) - p->skip;
	pay(s, n);
	count_passed(s, n);
	return DP_SHAPED_PASS;
}

/* ---- CoDel (RFC 8289 5) ---------------------------------------------------------------------- */

static uint32_t root(uint32_t n)
{
	uint32_t r = 0;

	for (uint32_t bit = 1u << 15; bit; bit >>= 1)
		if ((uint64_t)(r | bit) * (r | bit) <= n)
			r |= bit;
	return r;
}

/* interval / sqrt(count), the root with four more bits than an integer has. */
static nsec control_law(const struct dp_shaper *s, nsec t)
{
	uint32_t count = s->codel.count < 1u << 20 ? s->codel.count : 1u << 20;

	return nsec_add(t, s->interval_ns * 16 / root((count ? count : 1) << 8));
}

/* Whether the first packet of the bulk lane has waited too long for too long. */
static bool should_drop(struct dp_shaper *s, const struct dp_hold *hold, nsec now)
{
	const struct dp_held *x = dp_hold_at(hold, s->bulk.first);

	if (nsec_sub(now, x->since) < s->target_ns || s->bytes <= MTU) {
		s->codel.first_above = NSEC_ZERO;
		return false;
	}
	if (s->codel.first_above.ns == 0) {
		s->codel.first_above = nsec_add(now, s->interval_ns);
		return false;
	}
	return nsec_reached(s->codel.first_above, now);
}

static bool start_dropping(struct dp_shaper *s, nsec now)
{
	struct dp_codel *c = &s->codel;
	uint32_t delta = c->count - c->last_count;
	bool lately = nsec_sub(now, c->drop_next) < CODEL_FORGET * s->interval_ns;

	c->dropping = true;
	c->count = delta > 1 && lately ? delta : 1;
	c->last_count = c->count;
	c->drop_next = control_law(s, now);
	return true;
}

/* Drops what is to be dropped from the front of the bulk lane, which may be empty then. */
static void codel(struct dp_shaper *s, struct dp_hold *hold, nsec now, unsigned *dropped)
{
	struct dp_codel *c = &s->codel;
	bool over = should_drop(s, hold, now);

	if (!c->dropping) {
		if (!over)
			return;
		drop_first(s, hold, dropped);
		start_dropping(s, now);
		return;
	}
	if (!over)
		c->dropping = false;
	while (c->dropping && nsec_reached(c->drop_next, now)) {
		drop_first(s, hold, dropped);
		c->count++;
		if (s->bulk.first == DP_HELD_NONE || !should_drop(s, hold, now))
			c->dropping = false;
		else
			c->drop_next = control_law(s, c->drop_next);
	}
}

/* ---- out ------------------------------------------------------------------------------------- */

static uint32_t take_next(struct dp_shaper *s, struct dp_hold *hold, nsec now, unsigned *dropped)
{
	if (s->fast.first != DP_HELD_NONE)
		return dequeue(s, hold, &s->fast);
	codel(s, hold, now, dropped);
	if (s->bulk.first == DP_HELD_NONE)
		return DP_HELD_NONE;
	int64_t n = length(dp_hold_at(hold, s->bulk.first));
	s->fast_left = (int32_t)least(s->fast_left + n, FAST_MAX);
	return dequeue(s, hold, &s->bulk);
}

uint32_t dp_shaper_take(struct dp_shaper *s, struct dp_hold *hold, nsec now, unsigned *dropped)
{
	refill(s, now);
	if (s->queued == 0 || s->credit <= 0)
		return DP_HELD_NONE;
	uint32_t place = take_next(s, hold, now, dropped);
	count_queued(s);
	if (place == DP_HELD_NONE)
		return place;
	uint32_t n = length(dp_hold_at(hold, place));
	pay(s, n);
	count_passed(s, n);
	return place;
}

nsec dp_shaper_next(const struct dp_shaper *s)
{
	if (s->queued == 0)
		return NSEC_NEVER;
	if (s->credit > 0)
		return s->updated;
	return nsec_add(s->updated, (-s->credit >> FRACTION_BITS) + 1);
}
