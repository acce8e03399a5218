#include "bgp/bgp_fsm_priv.h"

#include "base/panic.h"

enum {
	TX_RESERVE = 8 * 1024, /* for what is no UPDATE */
	STALL_MIN_S = 480,     /* RFC 9687: send hold timer */
	FEED_EVERY_MS = 50,    /* changes wait so long for others to share a message with */
	REFRESH_EVERY_S = 5,
};

/* Most of a family's kind of UPDATE, while it is collected. */
struct batch {
	struct wbuf prefixes;
	size_t room; /* bytes of prefixes that one message takes */
};

/* ---- what waits to be sent ------------------------------------------------------------------- */

bool bgp_conn_room(struct bgp_conn *c, size_t n)
{
	if (c->tx_start > 0 && BGP_TX_BYTES - c->tx_start - c->tx_n < n) {
		memmove(c->tx, c->tx + c->tx_start, c->tx_n);
		c->tx_start = 0;
	}
	return BGP_TX_BYTES - c->tx_start - c->tx_n >= n;
}

struct wbuf bgp_conn_tail(struct bgp_conn *c)
{
	size_t used = c->tx_start + c->tx_n;
	return wbuf_of(c->tx + used, BGP_TX_BYTES - used);
}

static void restart_stall(const struct bgp_peer *p, struct bgp_conn *c, nsec now)
{
	int64_t s = 2 * (int64_t)p->hold_s;
	c->stall_at = nsec_add(now, NSEC_S(s > STALL_MIN_S ? s : STALL_MIN_S));
}

/* The send hold timer runs while bytes wait. */
void bgp_conn_commit(struct bgp_peer *p, struct bgp_conn *c, const struct wbuf *w,
		     enum bgp_type type, nsec now)
{
	LNS_ASSERT(!w->bad);
	if (c->tx_n == 0)
		restart_stall(p, c, now);
	c->tx_n += w->n;
	p->stats.tx[type]++;
	counter_add(p->env->counters, C_BGP_SENT, 1);
}

struct span bgp_peer_pending(const struct bgp_peer *p, enum bgp_side side)
{
	const struct bgp_conn *c = &p->conns[side];
	return c->tx_n ? span_of(c->tx + c->tx_start, c->tx_n) : span_of(NULL, 0);
}

void bgp_peer_sent(struct bgp_peer *p, enum bgp_side side, size_t n, nsec now)
{
	struct bgp_conn *c = &p->conns[side];

	LNS_ASSERT(n <= c->tx_n);
	c->tx_n -= n;
	c->tx_start = c->tx_n ? c->tx_start + n : 0;
	if (c->tx_n)
		restart_stall(p, c, now);
	else
		c->stall_at = NSEC_NEVER;
}

/* ---- prefixes -------------------------------------------------------------------------------- */

/* An address of ours that the neighbour can send to: configured, else this end of the session. */
static struct ip_addr next_hop_of(const struct bgp_peer *p, enum bgp_family f)
{
	const struct bgp_conn *c = &p->conns[p->up];
	uint8_t family = f == BGP_IPV4 ? 4 : 6;

	if (ip_addr_is_set(&p->conf.policy.next_hop[f]))
		return p->conf.policy.next_hop[f];
	if (c->local.family == family)
		return c->local;
	return f == BGP_IPV4 ? p->id : (struct ip_addr){0};
}

static void attrs_of(const struct bgp_peer *p, struct bgp_attrs *a)
{
	const struct bgp_policy *policy = &p->conf.policy;

	*a = (struct bgp_attrs){
		.internal = bgp_peer_is_internal(p),
		.as4 = bgp_conn_is_as4(&p->conns[p->up]),
		.has_med = true,
		.prepend = policy->prepend,
		.n_communities = policy->n_communities,
		.as = p->as,
		.med = policy->med,
		.local_pref = policy->local_pref,
	};
	memcpy(a->communities, policy->communities, sizeof(a->communities));
	for (enum bgp_family f = 0; f < BGP_FAMILIES; f++)
		a->next_hop[f] = next_hop_of(p, f);
}

enum verdict { VERDICT_SKIP, VERDICT_ANNOUNCE, VERDICT_WITHDRAW };

struct filler {
	struct bgp_peer *p;
	struct bgp_conn *c;
	struct bgp_attrs attrs;
	bool spoken[BGP_FAMILIES]; /* negotiated */
	nsec now;
	struct batch batches[BGP_FAMILIES][2]; /* announce, withdraw */
};

/* Withdrawing what was never announced does no harm, but what died before the session was new. */
static enum verdict wanted(const struct bgp_peer *p, const struct bgp_rib_entry *e)
{
	if (p->suspended)
		return p->withdrawing ? VERDICT_WITHDRAW : VERDICT_SKIP;
	if (bgp_rib_is_announced(e))
		return VERDICT_ANNOUNCE;
	return e->serial > p->fresh_below ? VERDICT_WITHDRAW : VERDICT_SKIP;
}

/* What cannot be announced, for want of a next hop, may have been until now. */
static enum verdict verdict_of(const struct filler *fill, const struct bgp_rib_entry *e,
			       enum bgp_family f)
{
	enum verdict v = fill->spoken[f] ? wanted(fill->p, e) : VERDICT_SKIP;

	if (v == VERDICT_ANNOUNCE && !ip_addr_is_set(&fill->attrs.next_hop[f]))
		v = VERDICT_WITHDRAW;
	return v == VERDICT_WITHDRAW && !fill->p->told[f] ? VERDICT_SKIP : v;
}

static void flush(struct filler *fill, enum bgp_family f, bool withdraw)
{
	struct batch *b = &fill->batches[f][withdraw];

	if (b->prefixes.n == 0)
		return;
	struct wbuf w = bgp_conn_tail(fill->c);
	if (withdraw)
		bgp_withdraw_encode(&w, f, wbuf_written(&b->prefixes));
	else
		bgp_announce_encode(&w, &fill->attrs, f, wbuf_written(&b->prefixes));
	bgp_conn_commit(fill->p, fill->c, &w, BGP_UPDATE, fill->now);
	b->prefixes.n = 0;
}

static void count(struct bgp_peer *p, bool withdraw)
{
	if (withdraw)
		p->stats.prefixes_withdrawn++;
	else
		p->stats.prefixes_announced++;
	counter_add(p->env->counters, withdraw ? C_BGP_WITHDRAWN : C_BGP_ANNOUNCED, 1);
}

static void collect(struct filler *fill, const struct bgp_rib_entry *e)
{
	enum bgp_family f = e->prefix.addr.family == 6 ? BGP_IPV6 : BGP_IPV4;
	enum verdict v = verdict_of(fill, e, f);

	if (v == VERDICT_SKIP)
		return;
	bool withdraw = v == VERDICT_WITHDRAW;
	struct batch *b = &fill->batches[f][withdraw];
	if (b->prefixes.n + BGP_PREFIX_MAX > b->room)
		flush(fill, f, withdraw);
	bgp_prefix_encode(&b->prefixes, &e->prefix);
	fill->p->told[f] |= !withdraw;
	count(fill->p, withdraw);
}

/* `bytes`: room for one message of `max` bytes in each batch. */
static void prepare(struct filler *fill, uint8_t *bytes, size_t max)
{
	const struct bgp_conn *c = fill->c;

	attrs_of(fill->p, &fill->attrs);
	for (enum bgp_family f = 0; f < BGP_FAMILIES; f++) {
		fill->spoken[f] = (f == BGP_IPV4 || !c->plain) && c->theirs.family[f];
		for (unsigned withdraw = 0; withdraw < 2; withdraw++) {
			struct batch *b = &fill->batches[f][withdraw];
			b->prefixes = wbuf_of(bytes + (2 * f + withdraw) * max, max);
			b->room = max - (withdraw ? (size_t)BGP_WITHDRAW_OVERHEAD
						  : bgp_announce_overhead(&fill->attrs, f));
		}
	}
}

/* RFC 4724 section 2: told after the first complete walk. */
static void send_end_of_rib(struct filler *fill)
{
	for (enum bgp_family f = 0; f < BGP_FAMILIES; f++) {
		if (!fill->spoken[f])
			continue;
		struct wbuf w = bgp_conn_tail(fill->c);
		bgp_withdraw_encode(&w, f, span_of(NULL, 0));
		bgp_conn_commit(fill->p, fill->c, &w, BGP_UPDATE, fill->now);
	}
	fill->p->end_of_rib_owed = false;
}

/* Up to four begun messages may have to go out at the end, and one within. */
static size_t room_needed(const struct bgp_conn *c)
{
	size_t max = bgp_conn_is_extended(c) ? BGP_EXTENDED_MAX : BGP_MESSAGE_MAX;
	return 5 * max + TX_RESERVE;
}

/* Entries in the order of their changes, until there is no more room; how many those were. */
static unsigned fill_room(struct filler *fill, unsigned most)
{
	struct bgp_peer *p = fill->p;
	const struct bgp_rib_entry *e;
	unsigned n = 0;

	while (n < most && bgp_conn_room(fill->c, room_needed(fill->c)) &&
	       (e = bgp_rib_next(&p->reader, p->rib))) {
		collect(fill, e);
		n++;
	}
	for (enum bgp_family f = 0; f < BGP_FAMILIES; f++) {
		flush(fill, f, true);
		flush(fill, f, false);
	}
	return n;
}

/* Everything has been told. */
static void walk_is_complete(struct filler *fill)
{
	struct bgp_peer *p = fill->p;

	p->withdrawing = false;
	if (p->end_of_rib_owed)
		send_end_of_rib(fill);
	p->feed_at = nsec_add(fill->now, NSEC_MS(FEED_EVERY_MS));
}

/* Prefixes, of both families, are told once more: what has changed since is among them. */
static void begin_refresh(struct bgp_peer *p, nsec now)
{
	p->refresh_owed = false;
	p->refresh_at = nsec_add(now, NSEC_S(REFRESH_EVERY_S));
	bgp_rib_rewind(p->rib, &p->reader);
}

static bool has_work(const struct bgp_peer *p)
{
	return bgp_rib_has_next(&p->reader, p->rib) || p->end_of_rib_owed;
}

static unsigned feed(struct bgp_peer *p, unsigned most, nsec now)
{
	struct filler fill = {.p = p, .c = &p->conns[p->up], .now = now};
	size_t max = bgp_conn_is_extended(fill.c) ? BGP_EXTENDED_MAX : BGP_MESSAGE_MAX;
	uint8_t *bytes = alloc_get(p->env->alloc, BGP_FAMILIES * 2 * max);

	if (!bytes) {
		p->feed_at = nsec_add(now, NSEC_MS(FEED_EVERY_MS));
		return 0;
	}
	prepare(&fill, bytes, max);
	unsigned n = fill_room(&fill, most);
	if (!bgp_rib_has_next(&p->reader, p->rib))
		walk_is_complete(&fill);
	alloc_put(p->env->alloc, bytes, BGP_FAMILIES * 2 * max);
	return n;
}

unsigned bgp_peer_feed(struct bgp_peer *p, unsigned most, nsec now)
{
	if (!nsec_reached(bgp_peer_feed_at(p), now) || most == 0)
		return 0;
	if (!has_work(p))
		begin_refresh(p, now);
	return feed(p, most, now);
}

nsec bgp_peer_feed_at(const struct bgp_peer *p)
{
	if (p->up == BGP_SIDES ||
	    BGP_TX_BYTES - p->conns[p->up].tx_n < room_needed(&p->conns[p->up]))
		return NSEC_NEVER;
	if (has_work(p))
		return p->feed_at;
	return p->refresh_owed ? nsec_max(p->feed_at, p->refresh_at) : NSEC_NEVER;
}

bool bgp_peer_is_idle(const struct bgp_peer *p)
{
	return p->up == BGP_SIDES || (!has_work(p) && p->conns[p->up].tx_n == 0);
}

/* ---- orders ---------------------------------------------------------------------------------- */

void bgp_feed_begin(struct bgp_peer *p, nsec now)
{
	p->end_of_rib_owed = true;
	p->refresh_owed = p->withdrawing = false;
	p->told[BGP_IPV4] = p->told[BGP_IPV6] = false;
	p->fresh_below = p->rib->serial;
	p->feed_at = now;
	p->refresh_at = now;
	bgp_rib_rewind(p->rib, &p->reader);
}

/* A neighbour that asks over and over gets all once in a while, and what is new in between. */
void bgp_feed_refresh(struct bgp_peer *p, struct span body)
{
	enum bgp_family f;

	p->refresh_owed |= bgp_refresh_decode(body, &f);
}

void bgp_peer_policy(struct bgp_peer *p, const struct bgp_policy *policy)
{
	if (memcmp(&p->conf.policy, policy, sizeof(*policy)) == 0)
		return;
	p->conf.policy = *policy;
	if (p->up == BGP_SIDES)
		return;
	bgp_rib_rewind(p->rib, &p->reader);
}

void bgp_peer_suspend(struct bgp_peer *p, bool suspend)
{
	if (p->suspended == suspend)
		return;
	p->suspended = suspend;
	if (p->up == BGP_SIDES)
		return;
	p->withdrawing = suspend;
	bgp_rib_rewind(p->rib, &p->reader);
}
