#include "bgp/bgp_fsm_priv.h"

#include <stdio.h>

#include "base/panic.h"

enum {
	RX_BYTES = BGP_EXTENDED_MAX,
	OPEN_HOLD_S = 240, /* RFC 4271 section 8.2.2: while no hold time is negotiated */
	BACKOFF_FIRST_S = 2,
	BACKOFF_MAX_S = 120,
	LASTED_S = 60, /* a session this long was a good one */
	LATE_COLLISION_S = 5,
	ACCEPT_BURST_S = 5, /* a neighbour may come so often at once, then once a second */
	LOG_TEXT = 400,
};

static void say(struct bgp_peer *p, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct bgp_peer *p, enum log_level level, const char *format, ...)
{
	char text[LOG_TEXT];
	va_list args;

	int n = snprintf(text, sizeof(text), "bgp: %.200s: ", p->conf.name);
	va_start(args, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
	va_end(args);
	p->env->log(p->env->ctx, level, text);
}

const char *bgp_state_name(enum bgp_state s)
{
	static const char *const names[] = {"Disabled", "Idle",	       "Connect",    "Active",
					    "OpenSent", "OpenConfirm", "Established"};
	return names[s];
}

bool bgp_peer_is_internal(const struct bgp_peer *p)
{
	return p->conf.session.remote_as == 0 || p->conf.session.remote_as == p->as;
}

static uint32_t remote_as(const struct bgp_peer *p)
{
	return bgp_peer_is_internal(p) ? p->as : p->conf.session.remote_as;
}

/* RFC 4271 section 10: three quarters of it to all of it. */
static int64_t jitter(const struct bgp_peer *p, int64_t ns)
{
	return ns / 4 * 3 + ns / 4 / 1024 * (int64_t)(p->env->random(p->env->ctx) % 1024);
}

static int64_t backoff(const struct bgp_peer *p)
{
	unsigned doublings = p->failures > 0 ? p->failures - 1 : 0;
	int64_t s = doublings > 6 ? BACKOFF_MAX_S : BACKOFF_FIRST_S << doublings;

	return jitter(p, NSEC_S(s > BACKOFF_MAX_S ? BACKOFF_MAX_S : s));
}

/* ---- one connection -------------------------------------------------------------------------- */

static bool conn_begin(struct bgp_peer *p, struct bgp_conn *c, const struct ip_addr *local)
{
	const struct alloc *a = p->env->alloc;

	c->rx = alloc_get(a, RX_BYTES);
	c->tx = alloc_get(a, BGP_TX_BYTES);
	if (!c->rx || !c->tx) {
		alloc_put(a, c->rx, RX_BYTES);
		alloc_put(a, c->tx, BGP_TX_BYTES);
		c->rx = c->tx = NULL;
		return false;
	}
	c->rx_n = c->tx_start = c->tx_n = 0;
	c->local = *local;
	return true;
}

static void conn_forget(struct bgp_peer *p, struct bgp_conn *c)
{
	alloc_put(p->env->alloc, c->rx, RX_BYTES);
	alloc_put(p->env->alloc, c->tx, BGP_TX_BYTES);
	*c = (struct bgp_conn){.state = BGP_STATE_IDLE,
			       .hold_at = NSEC_NEVER,
			       .keepalive_at = NSEC_NEVER,
			       .stall_at = NSEC_NEVER};
}

/* ---- the end of a connection ----------------------------------------------------------------- */

static bool any_conn(const struct bgp_peer *p)
{
	return p->conns[BGP_OUT].state != BGP_STATE_IDLE ||
	       p->conns[BGP_IN].state != BGP_STATE_IDLE;
}

static void session_down(struct bgp_peer *p, nsec now)
{
	bool lasted = nsec_age_s(p->up_at, now) >= LASTED_S;

	say(p, LOG_WARN, "session down");
	p->up = BGP_SIDES;
	p->hold_s = p->keepalive_s = 0;
	p->plain_open = false; /* it may have learned meanwhile */
	counter_add(p->env->counters, C_BGP_SESSIONS_ENDED, 1);
	bgp_rib_reader_off(p->rib, &p->reader);
	if (lasted)
		p->failures = 0;
}

/* Forgets a connection that is closed; the next attempt follows after a while. */
static void conn_gone(struct bgp_peer *p, enum bgp_side side, nsec now)
{
	bool was_up = p->up == side;

	conn_forget(p, &p->conns[side]);
	if (was_up)
		session_down(p, now);
	if (any_conn(p) || p->stopped)
		return;
	p->failures++;
	p->retry_at = nsec_add(now, backoff(p));
}

static void remember_error(struct bgp_peer *p, const struct bgp_error *e, bool sent)
{
	char text[BGP_ERROR_DATA + 1];

	p->last_error = *e;
	p->last_error_sent = sent;
	counter_add(p->env->counters, sent ? C_BGP_ERRORS_SENT : C_BGP_ERRORS_RECEIVED, 1);
	bgp_notification_text(e, text);
	say(p, LOG_WARN, "NOTIFICATION %s %u/%u: %s%s%s", sent ? "sent" : "received", e->code,
	    e->subcode, bgp_error_text(e->code, e->subcode), text[0] ? ": " : "", text);
}

/* Closes it, with a NOTIFICATION unless `e` is NULL. */
static void drop(struct bgp_peer *p, enum bgp_side side, const struct bgp_error *e, nsec now)
{
	struct bgp_conn *c = &p->conns[side];

	if (c->state == BGP_STATE_IDLE)
		return;
	if (e && c->state > BGP_STATE_ACTIVE && bgp_conn_room(c, BGP_MESSAGE_MAX)) {
		struct wbuf w = bgp_conn_tail(c);
		bgp_notification_encode(&w, e);
		bgp_conn_commit(p, c, &w, BGP_NOTIFICATION, now);
		remember_error(p, e, true);
	}
	p->env->close(p->env->ctx, p, side);
	conn_gone(p, side, now);
}

static void fail(struct bgp_peer *p, enum bgp_side side, enum bgp_error_id id, nsec now)
{
	struct bgp_error e;
	bgp_error_set(&e, id, span_of(NULL, 0));
	drop(p, side, &e, now);
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static void send_open(struct bgp_peer *p, enum bgp_side side, nsec now)
{
	struct bgp_conn *c = &p->conns[side];
	const struct bgp_session_conf *s = &p->conf.session;
	bool restarting = s->restart_s > 0 && !nsec_reached(p->restarting_until, now);
	struct bgp_open open = {
		.as = p->as,
		.hold_s = s->hold_s,
		.id = p->id,
		.family = {true, true},
		.as4 = true,
		.refresh = true,
		.extended = true,
		.graceful = s->restart_s > 0,
		.restarting = restarting,
		.restart_s = s->restart_s,
		.kept = {restarting, restarting},
	};
	struct wbuf w = bgp_conn_tail(c);

	c->plain = p->plain_open;
	bgp_open_encode(&w, &open, c->plain);
	bgp_conn_commit(p, c, &w, BGP_OPEN, now);
	c->state = BGP_STATE_OPEN_SENT;
	c->hold_at = nsec_add(now, NSEC_S(OPEN_HOLD_S));
}

static void send_keepalive(struct bgp_peer *p, struct bgp_conn *c, nsec now)
{
	if (!bgp_conn_room(c, BGP_HEADER))
		return; /* the neighbour does not read: its own timer will tell it */
	struct wbuf w = bgp_conn_tail(c);
	bgp_keepalive_encode(&w);
	bgp_conn_commit(p, c, &w, BGP_KEEPALIVE, now);
}

static uint16_t negotiated_hold(const struct bgp_peer *p, const struct bgp_conn *c)
{
	uint16_t ours = p->conf.session.hold_s;
	return c->theirs.hold_s < ours ? c->theirs.hold_s : ours;
}

static uint16_t negotiated_keepalive(const struct bgp_peer *p, const struct bgp_conn *c)
{
	uint16_t third = negotiated_hold(p, c) / 3;
	uint16_t ours = p->conf.session.keepalive_s;
	return third < ours ? third : ours;
}

/* Both timers anew; with a hold time of 0 there are none (RFC 4271 section 4.2). */
static void restart_hold(struct bgp_peer *p, struct bgp_conn *c, nsec now)
{
	uint16_t hold_s = negotiated_hold(p, c);
	c->hold_at = hold_s ? nsec_add(now, NSEC_S(hold_s)) : NSEC_NEVER;
}

static void restart_keepalive(struct bgp_peer *p, struct bgp_conn *c, nsec now)
{
	uint16_t s = negotiated_keepalive(p, c);
	c->keepalive_at = s ? nsec_add(now, jitter(p, NSEC_S(s))) : NSEC_NEVER;
}

/* ---- collisions, RFC 4271 section 6.8 and RFC 6286 ----------------------------------------- */

/* True when the connection that we began is the one to keep. */
static bool ours_wins(const struct bgp_peer *p, const struct bgp_open *theirs)
{
	uint32_t local = ip_addr_u32(&p->id), remote = ip_addr_u32(&theirs->id);
	return local != remote ? local > remote : p->as > theirs->as;
}

/* RFC 4724 section 4.2: a new connection of a neighbour that knows graceful restart is the end of
 * the old one, which nobody noticed. Right after the session came up it is a late collision. */
static bool has_come_back(const struct bgp_peer *p, const struct bgp_conn *c, nsec now)
{
	return c->theirs.restarting || nsec_age_s(p->up_at, now) >= LATE_COLLISION_S;
}

/* An OPEN came on `side`. False: that connection lost and is closed. */
static bool collision_survived(struct bgp_peer *p, enum bgp_side side, nsec now)
{
	enum bgp_side other = side == BGP_OUT ? BGP_IN : BGP_OUT;
	const struct bgp_conn *c = &p->conns[side], *o = &p->conns[other];

	if (o->state < BGP_STATE_OPEN_CONFIRM)
		return true;
	if (o->state == BGP_STATE_ESTABLISHED) {
		if (o->theirs.graceful && has_come_back(p, c, now)) {
			drop(p, other, NULL, now);
			return true;
		}
		fail(p, side, BGP_ERR_CEASE_COLLISION, now);
		return false;
	}
	bool keep_out = ours_wins(p, &c->theirs);
	enum bgp_side loser = keep_out ? BGP_IN : BGP_OUT;
	fail(p, loser, BGP_ERR_CEASE_COLLISION, now);
	return loser != side;
}

/* ---- what arrives ---------------------------------------------------------------------------- */

static bool open_is_wanted(const struct bgp_peer *p, const struct bgp_open *o, struct bgp_error *e)
{
	if (o->as != remote_as(p))
		return bgp_error_set(e, BGP_ERR_OPEN_AS, span_of(NULL, 0));
	/* RFC 6286: unique within an AS. */
	if (bgp_peer_is_internal(p) && ip_addr_equal(&o->id, &p->id))
		return bgp_error_set(e, BGP_ERR_OPEN_ID, span_of(NULL, 0));
	return true;
}

static void rx_open(struct bgp_peer *p, enum bgp_side side, struct span body, nsec now)
{
	struct bgp_conn *c = &p->conns[side];
	struct bgp_error e;

	if (!bgp_open_decode(body, &c->theirs, &e) || !open_is_wanted(p, &c->theirs, &e)) {
		drop(p, side, &e, now);
		return;
	}
	if (!collision_survived(p, side, now))
		return;
	c->state = BGP_STATE_OPEN_CONFIRM;
	send_keepalive(p, c, now);
	restart_hold(p, c, now);
	restart_keepalive(p, c, now);
}

static void established(struct bgp_peer *p, enum bgp_side side, nsec now)
{
	enum bgp_side other = side == BGP_OUT ? BGP_IN : BGP_OUT;
	struct bgp_conn *c = &p->conns[side];

	if (p->conns[other].state != BGP_STATE_IDLE)
		fail(p, other, BGP_ERR_CEASE_COLLISION, now);
	c->state = BGP_STATE_ESTABLISHED;
	p->up = side;
	p->up_at = now;
	p->retry_at = NSEC_NEVER;
	p->hold_s = negotiated_hold(p, c);
	p->keepalive_s = negotiated_keepalive(p, c);
	p->stats.established++;
	p->stats.prefixes_announced = p->stats.prefixes_withdrawn = 0;
	p->stats.prefixes_ignored = 0;
	counter_add(p->env->counters, C_BGP_SESSIONS, 1);
	bgp_feed_begin(p, now);
	say(p, LOG_WARN, "session established, hold time %u s", p->hold_s);
}

/* We learn no routes. */
static void ignore(struct bgp_peer *p, uint64_t prefixes)
{
	p->stats.prefixes_ignored += prefixes;
	counter_add(p->env->counters, C_BGP_IGNORED, prefixes);
}

static void rx_update(struct bgp_peer *p, enum bgp_side side, struct span body, nsec now)
{
	struct bgp_conn *c = &p->conns[side];
	struct bgp_update_facts facts;
	struct bgp_error e;

	if (!bgp_update_check(body, bgp_conn_is_as4(c), bgp_peer_is_internal(p), &facts, &e))
		drop(p, side, &e, now);
	else
		ignore(p, (uint64_t)facts.announced[BGP_IPV4] + facts.announced[BGP_IPV6]);
}

static void rx_notification(struct bgp_peer *p, enum bgp_side side, struct span body, nsec now)
{
	struct bgp_error e;

	bgp_notification_decode(body, &e);
	remember_error(p, &e, false);
	unsigned id = (unsigned)e.code << 8 | e.subcode;
	bool capabilities = id == BGP_ERR_OPEN_PARAMETER || id == BGP_ERR_OPEN_CAPABILITY;
	bool again = capabilities && !p->conns[side].plain;
	/* RFC 5492 section 3: without them, then; refused without them too, with them again. */
	if (capabilities)
		p->plain_open = again;
	drop(p, side, NULL, now);
	if (again && !any_conn(p))
		p->retry_at = now;
}

static void rx_unexpected(struct bgp_peer *p, enum bgp_side side, nsec now)
{
	switch (p->conns[side].state) {
	case BGP_STATE_OPEN_SENT:
		fail(p, side, BGP_ERR_FSM_OPEN_SENT, now);
		break;
	case BGP_STATE_OPEN_CONFIRM:
		fail(p, side, BGP_ERR_FSM_OPEN_CONFIRM, now);
		break;
	default:
		fail(p, side, BGP_ERR_FSM_ESTABLISHED, now);
		break;
	}
}

/* Which messages a state takes, RFC 4271 section 8.2.2. */
static bool is_expected(enum bgp_state state, enum bgp_type type)
{
	switch (state) {
	case BGP_STATE_OPEN_SENT:
		return type == BGP_OPEN;
	case BGP_STATE_OPEN_CONFIRM:
		return type == BGP_KEEPALIVE;
	default:
		return type != BGP_OPEN;
	}
}

static void rx_message(struct bgp_peer *p, enum bgp_side side, const struct bgp_frame *f, nsec now)
{
	struct bgp_conn *c = &p->conns[side];

	p->stats.rx[f->type]++;
	counter_add(p->env->counters, C_BGP_RECEIVED, 1);
	if (f->type == BGP_NOTIFICATION) {
		rx_notification(p, side, f->body, now);
		return;
	}
	if (!is_expected(c->state, f->type)) {
		rx_unexpected(p, side, now);
		return;
	}
	if (f->type == BGP_OPEN) {
		rx_open(p, side, f->body, now);
		return;
	}
	restart_hold(p, c, now);
	if (c->state == BGP_STATE_OPEN_CONFIRM)
		established(p, side, now);
	else if (f->type == BGP_UPDATE)
		rx_update(p, side, f->body, now);
	else if (f->type == BGP_ROUTE_REFRESH)
		bgp_feed_refresh(p, f->body);
}

/* Every whole message in the buffer; what is left moves to its front. */
static void rx_messages(struct bgp_peer *p, enum bgp_side side, nsec now)
{
	struct bgp_conn *c = &p->conns[side];
	struct span in = span_of(c->rx, c->rx_n);
	struct bgp_frame frame;
	struct bgp_error e;

	for (;;) {
		enum bgp_framing got = bgp_frame_next(&in, bgp_conn_is_extended(c), &frame, &e);
		if (got == BGP_FRAME_MORE)
			break;
		if (got == BGP_FRAME_BAD) {
			drop(p, side, &e, now);
			return;
		}
		rx_message(p, side, &frame, now);
		if (c->state == BGP_STATE_IDLE)
			return;
	}
	if (in.n > 0)
		memmove(c->rx, in.p, in.n);
	c->rx_n = in.n;
}

void bgp_peer_rx(struct bgp_peer *p, enum bgp_side side, struct span bytes, nsec now)
{
	struct bgp_conn *c = &p->conns[side];

	while (c->state > BGP_STATE_ACTIVE && bytes.n > 0) {
		size_t room = RX_BYTES - c->rx_n;
		struct span part = span_sub(&bytes, bytes.n < room ? bytes.n : room);
		memcpy(c->rx + c->rx_n, part.p, part.n);
		c->rx_n += part.n;
		rx_messages(p, side, now);
	}
}

/* ---- TCP ------------------------------------------------------------------------------------- */

void bgp_peer_connected(struct bgp_peer *p, const struct ip_addr *local, nsec now)
{
	struct bgp_conn *c = &p->conns[BGP_OUT];

	LNS_ASSERT(c->state == BGP_STATE_CONNECT);
	if (!conn_begin(p, c, local)) {
		drop(p, BGP_OUT, NULL, now);
		return;
	}
	send_open(p, BGP_OUT, now);
}

/* A neighbour that connects over and over costs us memory and lines of the log. */
static bool may_come(struct bgp_peer *p, nsec now)
{
	if (nsec_sub(p->come_until, now) > NSEC_S(ACCEPT_BURST_S - 1))
		return false;
	p->come_until = nsec_add(nsec_max(p->come_until, now), NSEC_S(1));
	return true;
}

/* What it began before is over: it gave up on that, or lost its power over it. The latter is heard
 * of only with graceful restart (RFC 4724 section 5), else a session that is up stays. */
static bool make_way(struct bgp_peer *p, nsec now)
{
	struct bgp_conn *c = &p->conns[BGP_IN];

	if (c->state != BGP_STATE_ESTABLISHED)
		fail(p, BGP_IN, BGP_ERR_CEASE_REJECTED, now);
	else if (c->theirs.graceful && nsec_age_s(p->up_at, now) >= LATE_COLLISION_S)
		drop(p, BGP_IN, NULL, now);
	else
		return false;
	return true;
}

bool bgp_peer_accepted(struct bgp_peer *p, const struct ip_addr *local, nsec now)
{
	struct bgp_conn *c = &p->conns[BGP_IN];

	if (p->stopped || !may_come(p, now) || !make_way(p, now))
		return false;
	if (!conn_begin(p, c, local))
		return false;
	send_open(p, BGP_IN, now);
	return true;
}

void bgp_peer_closed(struct bgp_peer *p, enum bgp_side side, nsec now)
{
	if (p->conns[side].state == BGP_STATE_IDLE)
		return;
	if (p->up == side)
		say(p, LOG_WARN, "connection lost");
	conn_gone(p, side, now);
}

/* ---- orders ---------------------------------------------------------------------------------- */

void bgp_peer_init(struct bgp_peer *p, const struct bgp_env *env, struct bgp_rib *rib)
{
	memset(p, 0, sizeof(*p));
	p->env = env;
	p->rib = rib;
	p->up = BGP_SIDES;
	p->retry_at = NSEC_NEVER;
	p->stopped = true;
	list_init(&p->of_speaker);
	bgp_rib_reader_init(&p->reader);
	conn_forget(p, &p->conns[BGP_OUT]);
	conn_forget(p, &p->conns[BGP_IN]);
}

void bgp_peer_fini(struct bgp_peer *p)
{
	bgp_peer_stop(p, NULL);
}

void bgp_peer_start(struct bgp_peer *p, nsec at)
{
	p->stopped = !ip_addr_is_set(&p->conf.session.addr);
	p->failures = 0;
	p->plain_open = false;
	p->retry_at = p->stopped ? NSEC_NEVER : at;
}

void bgp_peer_stop(struct bgp_peer *p, const struct bgp_error *why)
{
	p->stopped = true;
	p->retry_at = NSEC_NEVER;
	drop(p, BGP_OUT, why, NSEC_ZERO);
	drop(p, BGP_IN, why, NSEC_ZERO);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void conn_turn(struct bgp_peer *p, enum bgp_side side, nsec now)
{
	struct bgp_conn *c = &p->conns[side];

	if (nsec_reached(c->stall_at, now)) {
		fail(p, side, BGP_ERR_SEND_HOLD, now);
	} else if (nsec_reached(c->hold_at, now)) {
		if (c->state == BGP_STATE_CONNECT)
			drop(p, side, NULL, now); /* TCP takes too long */
		else
			fail(p, side, BGP_ERR_HOLD, now);
	} else if (nsec_reached(c->keepalive_at, now)) {
		send_keepalive(p, c, now);
		restart_keepalive(p, c, now);
	}
}

static void try_to_connect(struct bgp_peer *p, nsec now)
{
	struct bgp_conn *c = &p->conns[BGP_OUT];
	int64_t again = jitter(p, NSEC_S(p->conf.session.connect_retry_s));

	p->retry_at = nsec_add(now, again);
	if (p->conf.session.passive || any_conn(p))
		return;
	c->state = BGP_STATE_CONNECT;
	c->hold_at = nsec_add(now, NSEC_S(p->conf.session.connect_retry_s));
	p->retry_at = NSEC_NEVER; /* conn_gone() sets it */
	p->env->connect(p->env->ctx, p);
}

nsec bgp_peer_turn(struct bgp_peer *p, nsec now)
{
	conn_turn(p, BGP_OUT, now);
	conn_turn(p, BGP_IN, now);
	if (!p->stopped && nsec_reached(p->retry_at, now))
		try_to_connect(p, now);
	nsec next = p->retry_at;
	for (enum bgp_side s = 0; s < BGP_SIDES; s++) {
		const struct bgp_conn *c = &p->conns[s];
		next = nsec_min(next, nsec_min(c->hold_at, nsec_min(c->keepalive_at, c->stall_at)));
	}
	return next;
}

enum bgp_state bgp_peer_state(const struct bgp_peer *p)
{
	enum bgp_state out = p->conns[BGP_OUT].state, in = p->conns[BGP_IN].state;
	enum bgp_state best = out > in ? out : in;

	if (best != BGP_STATE_IDLE)
		return best;
	if (!ip_addr_is_set(&p->conf.session.addr))
		return BGP_STATE_DISABLED;
	if (p->stopped)
		return BGP_STATE_IDLE;
	return p->conf.session.passive ? BGP_STATE_ACTIVE : BGP_STATE_IDLE;
}
