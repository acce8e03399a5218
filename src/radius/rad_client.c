#include "radius/rad_client.h"

#include <stdio.h>

#include "base/crypto.h"
#include "base/list.h"
#include "base/panic.h"
#include "base/wheel.h"
#include "radius/rad_auth.h"

enum {
	IDS = 256, /* per channel */
	MAP_WORDS = RAD_SOCKETS_MAX / 64,
	NO_SERVER = 255,
	DEAD_AFTER = 3, /* timeouts in a row before a server is dead */
	TIMER_REQUEST = 1,
	TIMER_SOCKET,
	LATENCY_BUCKETS = 26, /* bucket b: below 2^b microseconds, the last one all above */
	DELAY_ATTR = 6,	      /* bytes of Acct-Delay-Time */
	PROBE_AGAIN_S = 1,    /* when there was no identifier for one */
};

/* The identifiers of one socket toward one server and kind. */
struct channel {
	uint16_t used;
	uint8_t next_id; /* where the search starts: an id rests as long as it can */
	struct rad_request *by_id[IDS];
};

/* One address and port that requests go to. */
struct target {
	struct channel *channels[RAD_SOCKETS_MAX]; /* NULL: nothing was sent from that socket */
	uint64_t full[MAP_WORDS];		   /* sockets whose 256 are all used */
};

/* What one server did with requests of one kind. */
struct traffic {
	uint32_t under_way; /* requests that wait for its answer */
	uint64_t sent, answered, timeouts;
	uint32_t latency[LATENCY_BUCKETS];
	uint64_t refused[RAD_REFUSALS];
};

enum server_state {
	SERVER_ALIVE,
	SERVER_DEAD,  /* passed over until dead_until */
	SERVER_PROBE, /* something has been sent to see whether it is back */
};

struct server {
	struct rad_server_conf conf;
	enum server_state state;
	uint8_t silent;	    /* timeouts since its last valid reply */
	nsec last_reply;    /* when that came */
	bool told_unsigned; /* it was logged that its replies have no Message-Authenticator */
	nsec dead_until;
	struct target *targets[RAD_KINDS];
	struct traffic traffic[RAD_KINDS];
};

struct sock {
	struct wheel_timer idle; /* first, as in a request */
	uint32_t used;		 /* identifiers of all channels */
	uint16_t index;
	bool open; /* something was sent from it */
};

/* Where a request stands at one server. */
struct binding {
	uint16_t sock;
	uint8_t id;
	bool held;
	uint32_t delay_s; /* Acct-Delay-Time as told to this server */
};

struct rad_request {
	struct wheel_timer timer; /* first: what expires is cast to its request */
	struct list_head all;
	struct list_head waiting; /* linked while no server has room for it */
	uint64_t cookie;
	nsec asked_at;
	uint32_t delay_s; /* when it was asked for */
	uint8_t kind;
	bool under_way; /* counted at `server` */
	uint8_t server; /* asked last; NO_SERVER: it is gone from the list */
	uint8_t tries;
	bool has_password;
	bool probe;	  /* it belongs to nobody and goes to `server` only */
	nsec sent_at;	  /* last */
	uint32_t wait_ms; /* of the running timer, without jitter of the next */
	struct binding at[RAD_SERVERS_MAX];
	uint8_t authenticator[RAD_AUTHENTICATOR];
	uint16_t password_n, attrs_n;
	uint8_t bytes[]; /* password, attributes */
};

struct rad_client {
	struct rad_client_env env;
	struct rad_client_conf conf;
	struct server servers[RAD_SERVERS_MAX]; /* conf.n_servers of them */
	struct sock *socks[RAD_SOCKETS_MAX];
	uint32_t outstanding, open_socks, n_waiting;
	uint32_t n_probes; /* among the outstanding ones */
	struct list_head requests;
	struct list_head waiting[RAD_KINDS]; /* oldest first */
	struct wheel wheel;
	uint8_t packet[RAD_PACKET_MAX]; /* being encoded; wiped after use */
	uint8_t over[RAD_PACKET_MAX];	/* attributes of the request that ended last */
};

/* ---- sockets and identifiers ----------------------------------------------------------------- */

/* The lowest socket with a free identifier, or max_sockets. */
static unsigned target_free_sock(const struct target *t, unsigned max_sockets)
{
	for (unsigned w = 0; w * 64 < max_sockets; w++) {
		if (t->full[w] != UINT64_MAX) {
			unsigned s = w * 64 + (unsigned)__builtin_ctzll(~t->full[w]);
			return s < max_sockets ? s : max_sockets;
		}
	}
	return max_sockets;
}

static struct sock *sock_get(struct rad_client *c, unsigned s)
{
	if (!c->socks[s]) {
		c->socks[s] = alloc_get(c->env.alloc, sizeof(struct sock));
		if (!c->socks[s])
			return NULL;
		c->socks[s]->idle.kind = TIMER_SOCKET;
		c->socks[s]->index = (uint16_t)s;
		c->open_socks++;
	}
	return c->socks[s];
}

static void sock_used(struct rad_client *c, unsigned s, nsec now)
{
	struct sock *k = c->socks[s];

	if (k->used == 0)
		wheel_start(&c->wheel, &k->idle, nsec_add(now, NSEC_MS(c->conf.idle_ms)));
}

static void channel_free(struct rad_client *c, struct target *t, unsigned s)
{
	alloc_put(c->env.alloc, t->channels[s], sizeof(struct channel));
	t->channels[s] = NULL;
}

/* Nothing has been outstanding on it for a while: its memory and its port go back. */
static void sock_close(struct rad_client *c, unsigned s)
{
	struct sock *k = c->socks[s];

	LNS_ASSERT(k->used == 0);
	for (unsigned i = 0; i < c->conf.n_servers; i++) {
		for (unsigned kind = 0; kind < RAD_KINDS; kind++) {
			if (c->servers[i].targets[kind])
				channel_free(c, c->servers[i].targets[kind], s);
		}
	}
	if (k->open)
		c->env.close(c->env.ctx, s);
	wheel_stop(&c->wheel, &k->idle);
	alloc_put(c->env.alloc, k, sizeof(*k));
	c->socks[s] = NULL;
	c->open_socks--;
}

static struct target *target_get(struct rad_client *c, struct server *srv, unsigned kind)
{
	if (!srv->targets[kind])
		srv->targets[kind] = alloc_get(c->env.alloc, sizeof(struct target));
	return srv->targets[kind];
}

static uint8_t channel_take_id(struct channel *ch, struct rad_request *r)
{
	uint8_t id = ch->next_id;

	LNS_ASSERT(ch->used < IDS);
	while (ch->by_id[id])
		id++; /* wraps at 256; one is free */
	ch->by_id[id] = r;
	ch->used++;
	ch->next_id = (uint8_t)(id + 1);
	return id;
}

/* Gives the request an identifier at server i. False: none is free, or no memory. */
static bool hold_id(struct rad_client *c, struct rad_request *r, unsigned i, nsec now)
{
	struct binding *b = &r->at[i];
	if (b->held)
		return true;

	struct target *t = target_get(c, &c->servers[i], r->kind);
	if (!t)
		return false;
	unsigned s = target_free_sock(t, c->conf.max_sockets);
	if (s == c->conf.max_sockets)
		return false;
	struct sock *k = sock_get(c, s);
	if (!k)
		return false;
	if (!t->channels[s]) {
		t->channels[s] = alloc_get(c->env.alloc, sizeof(struct channel));
		if (!t->channels[s]) {
			sock_used(c, s, now); /* may be new and unused: let it end */
			return false;
		}
	}
	struct channel *ch = t->channels[s];
	*b = (struct binding){.sock = (uint16_t)s,
			      .id = channel_take_id(ch, r),
			      .held = true,
			      .delay_s = r->delay_s + nsec_age_s(r->asked_at, now)};
	if (ch->used == IDS)
		t->full[s / 64] |= 1ull << s % 64;
	k->used++;
	wheel_stop(&c->wheel, &k->idle);
	return true;
}

static void release_id(struct rad_client *c, struct rad_request *r, unsigned i, nsec now)
{
	struct binding *b = &r->at[i];
	if (!b->held)
		return;

	struct target *t = c->servers[i].targets[r->kind];
	struct channel *ch = t->channels[b->sock];
	LNS_ASSERT(ch->by_id[b->id] == r);
	ch->by_id[b->id] = NULL;
	ch->used--;
	t->full[b->sock / 64] &= ~(1ull << b->sock % 64);
	b->held = false;
	c->socks[b->sock]->used--;
	sock_used(c, b->sock, now);
}

/* ---- requests -------------------------------------------------------------------------------- */

static size_t request_size(const struct rad_request *r)
{
	return sizeof(*r) + r->password_n + r->attrs_n;
}

/* It does not wait for an answer of its server any more. */
static void request_back(struct rad_client *c, struct rad_request *r)
{
	if (r->under_way)
		c->servers[r->server].traffic[r->kind].under_way--;
	r->under_way = false;
}

static void request_queue(struct rad_client *c, struct rad_request *r)
{
	list_add_tail(&c->waiting[r->kind], &r->waiting);
	c->n_waiting++;
}

static void request_unqueue(struct rad_client *c, struct rad_request *r)
{
	if (list_empty(&r->waiting))
		return;
	list_del(&r->waiting);
	c->n_waiting--;
}

static void request_free(struct rad_client *c, struct rad_request *r, nsec now)
{
	request_back(c, r);
	request_unqueue(c, r);
	/* A probe that ends without an answer must not leave its server in doubt for ever. */
	if (r->server != NO_SERVER && c->servers[r->server].state == SERVER_PROBE) {
		c->servers[r->server].state = SERVER_DEAD;
		c->servers[r->server].dead_until = now;
	}
	for (unsigned i = 0; i < c->conf.n_servers; i++)
		release_id(c, r, i, now);
	wheel_stop(&c->wheel, &r->timer);
	list_del(&r->all);
	size_t n = request_size(r);
	mem_wipe(r, n);
	alloc_put(c->env.alloc, r, n);
	c->outstanding--;
}

static void probe_free(struct rad_client *c, struct rad_request *r, nsec now)
{
	c->n_probes--;
	request_free(c, r, now);
}

static struct span server_secret(const struct server *s)
{
	return span_str(s->conf.secret);
}

static void encode_auth(struct wbuf *w, const struct rad_request *r, uint8_t id, struct span secret)
{
	/* First of all attributes, so that no prefix of the packet can be computed without
	 * the secret. */
	bool status = r->probe && !r->has_password;
	rad_put_header(w, status ? RAD_STATUS_SERVER : RAD_ACCESS_REQUEST, id, r->authenticator);
	rad_put_message_authenticator(w);
	wbuf_bytes(w, r->bytes + r->password_n, r->attrs_n);
	if (r->has_password)
		rad_put_password(w, span_of(r->bytes, r->password_n), secret, r->authenticator);
	rad_put_end(w, 0);
	if (!rad_sign_message(w, 0, secret, r->authenticator))
		w->bad = true;
}

static void encode_acct(struct wbuf *w, const struct rad_request *r, const struct binding *b,
			struct span secret)
{
	static const uint8_t zeros[RAD_AUTHENTICATOR];

	rad_put_header(w, RAD_ACCOUNTING_REQUEST, b->id, zeros);
	wbuf_bytes(w, r->bytes + r->password_n, r->attrs_n);
	rad_put_u32(w, RAD_ACCT_DELAY_TIME, b->delay_s);
	rad_put_end(w, 0);
	rad_sign_accounting(w, 0, secret);
}

static void request_send(struct rad_client *c, struct rad_request *r)
{
	struct server *s = &c->servers[r->server];
	const struct binding *b = &r->at[r->server];
	struct wbuf w = wbuf_of(c->packet, sizeof(c->packet));

	/* Status-Server has a random authenticator on the accounting port too (RFC 5997 3). */
	if (r->kind == RAD_AUTH || r->probe)
		encode_auth(&w, r, b->id, server_secret(s));
	else
		encode_acct(&w, r, b, server_secret(s));
	struct span packet = wbuf_written(&w);
	LNS_ASSERT(!packet.bad); /* rad_client_ask checked that it fits */
	c->socks[b->sock]->open = true;
	s->traffic[r->kind].sent++;
	c->env.send(c->env.ctx, b->sock, &s->conf.addr[r->kind], &s->conf.source, packet);
	mem_wipe(c->packet, packet.n);
}

/* A value of ms within 10% (RFC 5080 2.2.1: RAND is uniform between -0.1 and +0.1). */
static uint32_t jittered(struct rad_client *c, uint32_t ms)
{
	uint32_t random;

	c->env.random(c->env.ctx, &random, sizeof(random));
	uint64_t spread = ms / 5u;
	return (uint32_t)(ms - spread / 2 + (spread * random >> 32));
}

static void request_wait(struct rad_client *c, struct rad_request *r, nsec now)
{
	const struct rad_client_conf *conf = &c->conf;
	uint32_t wait = r->tries <= 1 ? conf->timeout_ms : 2 * r->wait_ms;

	if (wait > conf->timeout_max_ms)
		wait = conf->timeout_max_ms;
	r->wait_ms = jittered(c, wait);
	wheel_start(&c->wheel, &r->timer, nsec_add(now, NSEC_MS(r->wait_ms)));
}

/* A new request that is known to the client but not sent; NULL: no memory. */
static struct rad_request *request_new(struct rad_client *c, const struct rad_ask *ask, nsec now)
{
	struct rad_request *r =
		alloc_get(c->env.alloc, sizeof(*r) + ask->password.n + ask->attrs.n);
	if (!r)
		return NULL;
	r->timer.kind = TIMER_REQUEST;
	r->cookie = ask->cookie;
	r->kind = (uint8_t)ask->kind;
	r->has_password = ask->password.p != NULL;
	r->password_n = (uint16_t)ask->password.n;
	r->attrs_n = (uint16_t)ask->attrs.n;
	memcpy(r->authenticator, ask->authenticator, RAD_AUTHENTICATOR);
	struct wbuf w = wbuf_of(r->bytes, ask->password.n + ask->attrs.n);
	wbuf_span(&w, ask->password);
	wbuf_span(&w, ask->attrs);
	r->server = NO_SERVER;
	r->asked_at = now;
	r->delay_s = ask->delay_s;
	list_init(&r->waiting);
	list_add_tail(&c->requests, &r->all);
	c->outstanding++;
	return r;
}

/* Sends it to server i, where it holds an identifier. */
static void request_start(struct rad_client *c, struct rad_request *r, unsigned i, nsec now)
{
	r->server = (uint8_t)i;
	r->under_way = true;
	c->servers[i].traffic[r->kind].under_way++;
	r->tries++;
	r->sent_at = now;
	request_send(c, r);
	request_wait(c, r, now);
}

/* ---- servers --------------------------------------------------------------------------------- */

static void server_log(struct rad_client *c, enum log_level level, const struct server *s,
		       const char *what)
{
	char addr[SOCK_ADDR_TEXT], line[256];

	snprintf(line, sizeof(line), "RADIUS server %s %s",
		 sock_addr_text(&s->conf.addr[RAD_AUTH], addr), what);
	c->env.log(c->env.ctx, level, line);
}

static bool server_serves(const struct server *s, unsigned kind)
{
	return !s->conf.not_for[kind];
}

/* May a request be sent to it? Unless it has probes of its own, the first one after the dead time
 * becomes the probe. */
static bool server_usable(const struct server *s, nsec now)
{
	return s->state == SERVER_ALIVE ||
	       (s->state == SERVER_DEAD && s->conf.probe == RAD_PROBE_REQUEST &&
		nsec_reached(s->dead_until, now));
}

/* The next server of that kind, from `first` on in the order of the list; n_servers: none. */
static unsigned server_next(const struct rad_client *c, unsigned kind, unsigned first)
{
	unsigned n = c->conf.n_servers;

	for (unsigned k = 0; k < n; k++) {
		unsigned i = (first + k) % n;
		if (server_serves(&c->servers[i], kind))
			return i;
	}
	return n;
}

/* The one to ask: the next that may be sent to; if all are dead, the next. */
static unsigned server_choose(const struct rad_client *c, unsigned kind, unsigned first, nsec now)
{
	unsigned n = c->conf.n_servers;

	for (unsigned k = 0; k < n; k++) {
		unsigned i = (first + k) % n;
		if (server_serves(&c->servers[i], kind) && server_usable(&c->servers[i], now))
			return i;
	}
	return server_next(c, kind, first);
}

/* A request got no answer. That the server answered others meanwhile means that it is only busy. */
static void server_silent(struct rad_client *c, const struct rad_request *r, nsec now)
{
	struct server *s = &c->servers[r->server];

	s->traffic[r->kind].timeouts++;
	if (nsec_before(r->sent_at, s->last_reply))
		return;
	if (s->silent < UINT8_MAX)
		s->silent++;
	if (c->conf.dead_time_ms == 0) {
		s->state = SERVER_ALIVE; /* it may have been dead when that was set */
		return;
	}
	if (s->silent < DEAD_AFTER)
		return;
	if (s->state == SERVER_ALIVE)
		server_log(c, LOG_ERROR, s, "does not answer; it is asked last for a while");
	if (s->state != SERVER_DEAD || nsec_reached(s->dead_until, now))
		s->dead_until = nsec_add(now, NSEC_MS(jittered(c, c->conf.dead_time_ms)));
	s->state = SERVER_DEAD;
}

/* Answers to a request that was repeated meanwhile say nothing about the time they took. */
static void note_latency(struct traffic *t, int64_t ns)
{
	unsigned b = 0;

	for (uint64_t us = (uint64_t)ns / 1000; us > 0 && b + 1 < LATENCY_BUCKETS; us >>= 1)
		b++;
	t->latency[b]++;
}

static void server_answered(struct rad_client *c, struct server *s, const struct rad_request *r,
			    nsec now)
{
	s->traffic[r->kind].answered++;
	if (r->tries == 1)
		note_latency(&s->traffic[r->kind], nsec_sub(now, r->sent_at));
	if (s->state != SERVER_ALIVE)
		server_log(c, LOG_WARN, s, "answers again");
	s->state = SERVER_ALIVE;
	s->silent = 0;
	s->last_reply = now;
}

static bool server_has_room(const struct rad_client *c, unsigned i, unsigned kind)
{
	return c->conf.window == 0 || c->servers[i].traffic[kind].under_way < c->conf.window;
}

/* How long a request may wait for its turn: as long as one that nobody answers is repeated. */
static nsec waiting_end(const struct rad_client *c, const struct rad_request *r)
{
	uint64_t total = 0, wait = c->conf.timeout_ms;

	for (unsigned k = 0; k < c->conf.tries; k++) {
		total += wait < c->conf.timeout_max_ms ? wait : c->conf.timeout_max_ms;
		wait *= 2;
	}
	return nsec_add(r->asked_at, NSEC_MS((int64_t)total));
}

/* Sends the request to the first usable server from `first` on, or lets it wait for room there.
 * False: no identifier. */
static bool request_try(struct rad_client *c, struct rad_request *r, unsigned first, nsec now)
{
	unsigned n = c->conf.n_servers;
	unsigned i = server_choose(c, r->kind, first, now);

	if (i == n)
		return false;
	if (!server_has_room(c, i, r->kind)) {
		request_queue(c, r);
		wheel_start(&c->wheel, &r->timer, waiting_end(c, r));
		return true;
	}
	for (unsigned k = 0; k < n && !hold_id(c, r, i, now); k++) {
		i = server_next(c, r->kind, i + 1);
		if (k + 1 == n)
			return false;
	}
	struct server *s = &c->servers[i];
	if (s->state == SERVER_DEAD && server_usable(s, now))
		s->state = SERVER_PROBE;
	request_start(c, r, i, now);
	return true;
}

/* A record is told with its attributes, which the request takes along otherwise. */
static struct rad_answer answer_of(struct rad_client *c, const struct rad_request *r, nsec now)
{
	struct rad_answer a = {.kind = r->kind,
			       .cookie = r->cookie,
			       .asked_at = r->asked_at,
			       .sent = r->tries > 0};

	if (r->kind != RAD_ACCT)
		return a;
	memcpy(c->over, r->bytes + r->password_n, r->attrs_n);
	a.attrs = span_of(c->over, r->attrs_n);
	a.delay_s = r->delay_s + nsec_age_s(r->asked_at, now);
	return a;
}

/* The timer of a request ran out. True: it is over, *out is filled. */
static bool request_timeout(struct rad_client *c, struct rad_request *r, nsec now,
			    struct rad_answer *out)
{
	unsigned next = 0;
	bool waited = !list_empty(&r->waiting);

	if (r->probe) {
		server_silent(c, r, now);
		probe_free(c, r, now);
		return false;
	}
	if (r->server != NO_SERVER && !waited) {
		server_silent(c, r, now);
		next = r->server + 1u;
	}
	request_back(c, r);
	request_unqueue(c, r);
	if (!waited && r->tries < c->conf.tries && request_try(c, r, next, now)) {
		counter_add(c->env.counters, C_RADIUS_RETRIES, 1);
		return false;
	}
	counter_add(c->env.counters, C_RADIUS_TIMEOUTS, 1);
	*out = answer_of(c, r, now);
	out->timeout = true;
	request_free(c, r, now);
	return true;
}

/* Sends what waits, in order, as far as there is room. */
static void waiting_send(struct rad_client *c, nsec now)
{
	for (unsigned kind = 0; kind < RAD_KINDS; kind++) {
		struct list_head *it;
		while ((it = list_first(&c->waiting[kind])) != NULL) {
			unsigned i = server_choose(c, kind, 0, now);
			if (i == c->conf.n_servers || !server_has_room(c, i, kind))
				break;
			struct rad_request *r = container_of(it, struct rad_request, waiting);
			request_unqueue(c, r);
			if (request_try(c, r, 0, now))
				continue;
			/* No identifier: the next turn gives it up. */
			r->tries = (uint8_t)c->conf.tries;
			wheel_start(&c->wheel, &r->timer, now);
		}
	}
}

/* ---- probes ---------------------------------------------------------------------------------- */

static bool is_probing(const struct server *s)
{
	return s->state == SERVER_DEAD && s->conf.probe != RAD_PROBE_REQUEST;
}

/* Status-Server is asked of the port that counts more; a test user only logs in. */
static void probe_send(struct rad_client *c, unsigned i, nsec now)
{
	struct server *s = &c->servers[i];
	bool auth = server_serves(s, RAD_AUTH);
	uint8_t attrs[2 * (2 + RAD_NAS_TEXT)];
	struct wbuf w = wbuf_of(attrs, sizeof(attrs));
	struct rad_ask ask = {.kind = auth ? RAD_AUTH : RAD_ACCT};

	s->dead_until = nsec_add(now, NSEC_S(PROBE_AGAIN_S));
	if (auth && s->conf.probe == RAD_PROBE_USER) {
		rad_put_text(&w, RAD_USER_NAME, s->conf.probe_user);
		ask.password = span_str("");
	}
	if (c->conf.nas[0] != '\0')
		rad_put_text(&w, RAD_NAS_IDENTIFIER, c->conf.nas);
	ask.attrs = wbuf_written(&w);
	c->env.random(c->env.ctx, ask.authenticator, sizeof(ask.authenticator));
	struct rad_request *r = request_new(c, &ask, now);
	if (!r)
		return;
	r->probe = true;
	c->n_probes++;
	if (!hold_id(c, r, i, now)) {
		probe_free(c, r, now);
		return;
	}
	s->state = SERVER_PROBE;
	request_start(c, r, i, now);
}

static void probes_turn(struct rad_client *c, nsec now)
{
	for (unsigned i = 0; i < c->conf.n_servers; i++) {
		struct server *s = &c->servers[i];
		if (is_probing(s) && nsec_reached(s->dead_until, now))
			probe_send(c, i, now);
	}
}

/* When the next one is due. */
static nsec probes_next(const struct rad_client *c)
{
	nsec next = NSEC_NEVER;

	for (unsigned i = 0; i < c->conf.n_servers; i++) {
		if (is_probing(&c->servers[i]))
			next = nsec_min(next, c->servers[i].dead_until);
	}
	return next;
}

/* Before the list of servers changes: the new one has probes of its own. */
static void probes_end(struct rad_client *c, nsec now)
{
	struct list_head *it, *after;

	list_each_safe (it, after, &c->requests) {
		struct rad_request *r = container_of(it, struct rad_request, all);
		if (r->probe)
			probe_free(c, r, now);
	}
}

/* ---- replies --------------------------------------------------------------------------------- */

static bool code_answers(uint8_t code, unsigned kind)
{
	if (kind == RAD_ACCT)
		return code == RAD_ACCOUNTING_RESPONSE;
	return code == RAD_ACCESS_ACCEPT || code == RAD_ACCESS_REJECT ||
	       code == RAD_ACCESS_CHALLENGE;
}

/* The request that a datagram from that address claims to answer, or NULL; then *traffic is that of
 * the server who has the address, or NULL. */
static struct rad_request *find_asked(struct rad_client *c, unsigned sock,
				      const struct sock_addr *from, uint8_t id, unsigned *server,
				      struct traffic **traffic)
{
	*traffic = NULL;
	for (unsigned i = 0; i < c->conf.n_servers; i++) {
		struct server *s = &c->servers[i];
		for (unsigned kind = 0; kind < RAD_KINDS; kind++) {
			const struct target *t = s->targets[kind];
			if (!sock_addr_equal(&s->conf.addr[kind], from))
				continue;
			*traffic = &s->traffic[kind];
			struct channel *ch = t && sock < RAD_SOCKETS_MAX ? t->channels[sock] : NULL;
			if (!ch || !ch->by_id[id])
				continue;
			*server = i;
			return ch->by_id[id];
		}
	}
	return NULL;
}

/* Old servers do not sign what they send; whoever runs one has to find out why nobody gets in. */
static void tell_unsigned(struct rad_client *c, struct server *s)
{
	if (!s->told_unsigned)
		server_log(c, LOG_ERROR, s,
			   "answers without Message-Authenticator, which is refused; configure it "
			   "to send one, or see radius_require_message_authenticator");
	s->told_unsigned = true;
}

/* RAD_REFUSALS: it is good. */
static enum rad_refusal reply_check(struct rad_client *c, const struct rad_request *r,
				    const struct rad_packet *p, struct server *s,
				    const uint8_t *authenticator)
{
	if (!code_answers(p->code, r->kind))
		return RAD_REFUSED_CODE;
	switch (rad_reply_check(p, server_secret(s), authenticator)) {
	case RAD_CHECK_GOOD:
		return RAD_REFUSALS;
	case RAD_CHECK_MESSAGE_MISSING:
		if (r->kind == RAD_ACCT || !s->conf.need_message_authenticator)
			return RAD_REFUSALS;
		tell_unsigned(c, s);
		return RAD_REFUSED_UNSIGNED;
	case RAD_CHECK_MESSAGE_FORGED:
		return RAD_REFUSED_MESSAGE;
	case RAD_CHECK_FORGED:
		break;
	}
	return RAD_REFUSED_AUTHENTICATOR;
}

/* What the server computed its reply with: for accounting, the authenticator that was sent. */
static void sent_authenticator(struct rad_client *c, struct rad_request *r, unsigned server,
			       uint8_t out[static RAD_AUTHENTICATOR])
{
	if (r->kind == RAD_AUTH || r->probe) {
		memcpy(out, r->authenticator, RAD_AUTHENTICATOR);
		return;
	}
	struct wbuf w = wbuf_of(c->packet, sizeof(c->packet));
	encode_acct(&w, r, &r->at[server], server_secret(&c->servers[server]));
	struct rad_packet p;
	bool ok = rad_packet_decode(wbuf_written(&w), &p);
	LNS_ASSERT(ok);
	memcpy(out, p.authenticator, RAD_AUTHENTICATOR);
}

/* ---- entry points ---------------------------------------------------------------------------- */

static bool conf_is_sane(const struct rad_client_conf *conf)
{
	return conf->n_servers <= RAD_SERVERS_MAX && conf->max_sockets >= 1 &&
	       conf->max_sockets <= RAD_SOCKETS_MAX && conf->tries >= 1 && conf->timeout_ms >= 1;
}

struct rad_client *rad_client_new(const struct rad_client_env *env,
				  const struct rad_client_conf *conf, nsec now)
{
	LNS_ASSERT(conf_is_sane(conf));

	struct rad_client *c = alloc_get(env->alloc, sizeof(*c));
	if (!c)
		return NULL;
	c->env = *env;
	c->conf = *conf;
	for (unsigned i = 0; i < conf->n_servers; i++)
		c->servers[i].conf = conf->servers[i];
	list_init(&c->requests);
	for (unsigned kind = 0; kind < RAD_KINDS; kind++)
		list_init(&c->waiting[kind]);
	wheel_init(&c->wheel, now);
	return c;
}

static void server_fini(struct rad_client *c, struct server *s)
{
	for (unsigned kind = 0; kind < RAD_KINDS; kind++) {
		struct target *t = s->targets[kind];
		for (unsigned sock = 0; t && sock < RAD_SOCKETS_MAX; sock++)
			channel_free(c, t, sock);
		alloc_put(c->env.alloc, t, sizeof(*t));
	}
	mem_wipe(s, sizeof(*s));
}

void rad_client_free(struct rad_client *c)
{
	if (!c)
		return;
	struct list_head *it, *after;
	list_each_safe (it, after, &c->requests)
		request_free(c, container_of(it, struct rad_request, all), NSEC_ZERO);
	for (unsigned s = 0; s < RAD_SOCKETS_MAX; s++) {
		if (c->socks[s])
			sock_close(c, s);
	}
	for (unsigned i = 0; i < c->conf.n_servers; i++)
		server_fini(c, &c->servers[i]);
	LNS_ASSERT(c->outstanding == 0);
	const struct alloc *a = c->env.alloc;
	mem_wipe(c, sizeof(*c));
	alloc_put(a, c, sizeof(*c));
}

/* Where each present server is in the new list; NO_SERVER: it is not. */
static void server_map(const struct rad_client *c, const struct rad_client_conf *conf,
		       uint8_t map[static RAD_SERVERS_MAX])
{
	bool taken[RAD_SERVERS_MAX] = {0};

	for (unsigned i = 0; i < c->conf.n_servers; i++) {
		const struct sock_addr *old = c->servers[i].conf.addr;
		map[i] = NO_SERVER;
		for (unsigned k = 0; k < conf->n_servers && map[i] == NO_SERVER; k++) {
			const struct sock_addr *new = conf->servers[k].addr;
			if (!taken[k] && sock_addr_equal(&old[RAD_AUTH], &new[RAD_AUTH]) &&
			    sock_addr_equal(&old[RAD_ACCT], &new[RAD_ACCT])) {
				map[i] = (uint8_t)k;
				taken[k] = true;
			}
		}
	}
}

/* Moves what a request holds at the servers; what it held at others has been released. */
static void request_remap(struct rad_client *c, struct rad_request *r, unsigned n_old,
			  const uint8_t *map, nsec now)
{
	struct binding at[RAD_SERVERS_MAX] = {0};

	for (unsigned i = 0; i < n_old; i++) {
		if (map[i] != NO_SERVER)
			at[map[i]] = r->at[i];
	}
	memcpy(r->at, at, sizeof(r->at));
	if (r->server != NO_SERVER)
		r->server = map[r->server];
	if (r->server != NO_SERVER)
		return;
	r->under_way = false; /* what counted it is gone */
	if (list_empty(&r->waiting))
		wheel_start(&c->wheel, &r->timer, now); /* to another one, at the next turn */
}

void rad_client_conf(struct rad_client *c, const struct rad_client_conf *conf, nsec now)
{
	LNS_ASSERT(conf_is_sane(conf));

	uint8_t map[RAD_SERVERS_MAX];
	struct server servers[RAD_SERVERS_MAX] = {0};
	unsigned n_old = c->conf.n_servers;
	struct list_head *it;

	probes_end(c, now);
	server_map(c, conf, map);
	for (unsigned i = 0; i < n_old; i++) {
		list_each (it, &c->requests) {
			if (map[i] == NO_SERVER)
				release_id(c, container_of(it, struct rad_request, all), i, now);
		}
		if (map[i] == NO_SERVER)
			server_fini(c, &c->servers[i]);
		else
			servers[map[i]] = c->servers[i];
	}
	for (unsigned k = 0; k < conf->n_servers; k++)
		servers[k].conf = conf->servers[k];
	memcpy(c->servers, servers, sizeof(c->servers));
	mem_wipe(servers, sizeof(servers));
	c->conf = *conf;
	list_each (it, &c->requests)
		request_remap(c, container_of(it, struct rad_request, all), n_old, map, now);
	waiting_send(c, now);
}

struct rad_request *rad_client_ask(struct rad_client *c, const struct rad_ask *ask, nsec now)
{
	enum { FIXED = RAD_HEADER + 18 + 2 + RAD_PASSWORD_MAX + DELAY_ATTR };

	if (ask->attrs.n + FIXED > RAD_PACKET_MAX || ask->password.n > RAD_PASSWORD_MAX)
		return NULL;
	struct rad_request *r = request_new(c, ask, now);
	if (!r)
		return NULL;
	if (!request_try(c, r, 0, now)) {
		request_free(c, r, now);
		return NULL;
	}
	return r;
}

void rad_client_cancel(struct rad_client *c, struct rad_request *r, nsec now)
{
	request_free(c, r, now);
	waiting_send(c, now);
}

static const struct {
	enum counter counter;
	const char *name;
} refusals[RAD_REFUSALS] = {
	[RAD_REFUSED_ID] = {C_RADIUS_BAD_ID, "unknown identifier"},
	[RAD_REFUSED_CODE] = {C_RADIUS_BAD_CODE, "wrong code"},
	[RAD_REFUSED_AUTHENTICATOR] = {C_RADIUS_BAD_AUTHENTICATOR, "wrong authenticator"},
	[RAD_REFUSED_MESSAGE] = {C_RADIUS_BAD_MESSAGE, "wrong Message-Authenticator"},
	[RAD_REFUSED_UNSIGNED] = {C_RADIUS_BAD_UNSIGNED, "no Message-Authenticator"},
};

const char *rad_refusal_name(enum rad_refusal why)
{
	return refusals[why].name;
}

/* The request stays: the right answer may still come. */
static bool refuse(struct rad_client *c, enum counter why)
{
	counter_add(c->env.counters, C_RADIUS_BAD_REPLIES, 1);
	counter_add(c->env.counters, why, 1);
	return false;
}

static bool refuse_of(struct rad_client *c, struct traffic *t, enum rad_refusal why)
{
	t->refused[why]++;
	return refuse(c, refusals[why].counter);
}

bool rad_client_rx(struct rad_client *c, unsigned sock, const struct sock_addr *from,
		   struct span datagram, nsec now, struct rad_answer *out)
{
	struct rad_packet p;
	uint8_t authenticator[RAD_AUTHENTICATOR];
	struct traffic *t;
	unsigned i;

	if (!rad_packet_decode(datagram, &p))
		return refuse(c, C_RADIUS_BAD_PACKET);
	struct rad_request *r = find_asked(c, sock, from, p.id, &i, &t);
	if (!r)
		return t ? refuse_of(c, t, RAD_REFUSED_ID) : refuse(c, C_RADIUS_BAD_SOURCE);
	sent_authenticator(c, r, i, authenticator);
	enum rad_refusal why = reply_check(c, r, &p, &c->servers[i], authenticator);
	if (why != RAD_REFUSALS)
		return refuse_of(c, t, why);

	server_answered(c, &c->servers[i], r, now);
	if (r->probe) {
		probe_free(c, r, now);
		waiting_send(c, now);
		return false;
	}
	*out = answer_of(c, r, now);
	out->server = *from;
	out->secret = server_secret(&c->servers[i]);
	memcpy(out->authenticator, r->authenticator, RAD_AUTHENTICATOR);
	out->packet = p;
	request_free(c, r, now);
	waiting_send(c, now);
	return true;
}

bool rad_client_turn(struct rad_client *c, nsec now, struct rad_answer *out)
{
	struct wheel_timer *t;

	while ((t = wheel_expired(&c->wheel, now))) {
		if (t->kind == TIMER_SOCKET)
			sock_close(c, ((struct sock *)(void *)t)->index);
		else if (request_timeout(c, (struct rad_request *)(void *)t, now, out))
			return true;
	}
	probes_turn(c, now);
	waiting_send(c, now);
	return false;
}

nsec rad_client_next(const struct rad_client *c)
{
	return nsec_min(wheel_next(&c->wheel), probes_next(c));
}

uint32_t rad_client_outstanding(const struct rad_client *c)
{
	return c->outstanding - c->n_probes;
}

uint32_t rad_client_sockets(const struct rad_client *c)
{
	return c->open_socks;
}

uint32_t rad_client_identifiers(const struct rad_client *c)
{
	return (uint32_t)c->conf.max_sockets * IDS;
}

bool rad_client_server_alive(const struct rad_client *c, unsigned server)
{
	LNS_ASSERT(server < c->conf.n_servers);
	return c->servers[server].state == SERVER_ALIVE;
}

/* The upper end of the bucket in which that share of the answers is complete. */
static uint32_t latency_us(const struct traffic *t, unsigned percent)
{
	uint64_t total = 0, sum = 0;

	for (unsigned b = 0; b < LATENCY_BUCKETS; b++)
		total += t->latency[b];
	for (unsigned b = 0; b < LATENCY_BUCKETS && total > 0; b++) {
		sum += t->latency[b];
		if (sum * 100 >= total * percent)
			return 1u << b;
	}
	return 0;
}

unsigned rad_client_servers(const struct rad_client *c)
{
	return c->conf.n_servers;
}

void rad_client_server_view(const struct rad_client *c, unsigned server, enum rad_kind kind,
			    struct rad_server_view *out)
{
	LNS_ASSERT(server < c->conf.n_servers && kind < RAD_KINDS);

	const struct server *s = &c->servers[server];
	const struct traffic *t = &s->traffic[kind];
	*out = (struct rad_server_view){.addr = s->conf.addr[kind],
					.serves = server_serves(s, kind),
					.alive = s->state == SERVER_ALIVE,
					.under_way = t->under_way,
					.sent = t->sent,
					.answered = t->answered,
					.timeouts = t->timeouts,
					.p50_us = latency_us(t, 50),
					.p99_us = latency_us(t, 99)};
	memcpy(out->refused, t->refused, sizeof(out->refused));
}

uint32_t rad_client_waiting(const struct rad_client *c)
{
	return c->n_waiting;
}

static uint32_t status_type_of(const struct rad_request *r)
{
	struct span attrs = span_of(r->bytes + r->password_n, r->attrs_n);
	struct rad_attr a;

	while (rad_attr_next(&attrs, &a)) {
		if (a.number == RAD_ACCT_STATUS_TYPE)
			return span_u32(&a.value);
	}
	return 0;
}

static void request_view(const struct rad_client *c, const struct rad_request *r, nsec now,
			 struct rad_request_view *out)
{
	nsec due = nsec_add(r->sent_at, NSEC_MS(r->wait_ms));

	*out = (struct rad_request_view){.kind = r->kind,
					 .cookie = r->cookie,
					 .waiting = !list_empty(&r->waiting),
					 .tries = r->tries,
					 .chap = r->kind == RAD_AUTH && !r->has_password};
	if (r->kind == RAD_ACCT)
		out->status_type = status_type_of(r);
	if (out->waiting || r->server == NO_SERVER)
		return;
	out->server = c->servers[r->server].conf.addr[r->kind];
	out->sock = r->at[r->server].sock;
	out->id = r->at[r->server].id;
	if (nsec_before(now, due))
		out->retry_ms = (uint32_t)(nsec_sub(due, now) / NSEC_MS(1));
}

unsigned rad_client_requests(const struct rad_client *c, nsec now, struct rad_request_view *out,
			     unsigned max)
{
	const struct list_head *it;
	unsigned n = 0;

	list_each (it, &c->requests) {
		const struct rad_request *r = container_of(it, struct rad_request, all);
		if (n == max)
			break;
		if (!r->probe)
			request_view(c, r, now, &out[n++]);
	}
	return n;
}
