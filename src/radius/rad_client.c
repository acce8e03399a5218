/* The life of a request: asked, repeated at the next server, answered or given up (RFC 2865 2.5);
 * the checks of what claims to be an answer, and a list of servers that changes meanwhile. */
#include "radius/rad_client_priv.h"

#include "base/crypto.h"
#include "base/panic.h"
#include "radius/rad_auth.h"

enum { DELAY_ATTR = 6 /* bytes of Acct-Delay-Time */ };

/* ---- asking -------------------------------------------------------------------------------- */

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
	unsigned i = rad_server_choose(c, r->kind, first, now);

	if (i == n)
		return false;
	if (!rad_server_has_room(c, i, r->kind)) {
		rad_request_queue(c, r);
		wheel_start(&c->wheel, &r->timer, waiting_end(c, r));
		return true;
	}
	for (unsigned k = 0; k < n && !rad_ids_hold(c, r, i, now); k++) {
		i = rad_server_next(c, r->kind, i + 1);
		if (k + 1 == n)
			return false;
	}
	struct server *s = &c->servers[i];
	if (s->state == SERVER_DEAD && rad_server_usable(s, now))
		s->state = SERVER_PROBE;
	rad_request_start(c, r, i, now);
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
		rad_server_silent(c, r, now);
		rad_probe_free(c, r, now);
		return false;
	}
	if (r->server != NO_SERVER && !waited) {
		rad_server_silent(c, r, now);
		next = r->server + 1u;
	}
	rad_request_back(c, r);
	rad_request_unqueue(c, r);
	if (!waited && r->tries < c->conf.tries && request_try(c, r, next, now)) {
		counter_add(c->env.counters, C_RADIUS_RETRIES, 1);
		return false;
	}
	counter_add(c->env.counters, C_RADIUS_TIMEOUTS, 1);
	*out = answer_of(c, r, now);
	out->timeout = true;
	rad_request_free(c, r, now);
	return true;
}

/* Sends what waits, in order, as far as there is room. */
static void waiting_send(struct rad_client *c, nsec now)
{
	for (unsigned kind = 0; kind < RAD_KINDS; kind++) {
		struct list_head *it;
		while ((it = list_first(&c->waiting[kind])) != NULL) {
			unsigned i = rad_server_choose(c, kind, 0, now);
			if (i == c->conf.n_servers || !rad_server_has_room(c, i, kind))
				break;
			struct rad_request *r = container_of(it, struct rad_request, waiting);
			rad_request_unqueue(c, r);
			if (request_try(c, r, 0, now))
				continue;
			/* No identifier: the next turn gives it up. */
			r->tries = (uint8_t)c->conf.tries;
			wheel_start(&c->wheel, &r->timer, now);
		}
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
		rad_server_log(
			c, LOG_ERROR, s,
			"answers without Message-Authenticator, which is refused; configure it "
			"to send one, or see radius_require_message_authenticator");
	s->told_unsigned = true;
}

/* RAD_REFUSALS: it is good. An answer to a probe lets nobody in, and FreeRADIUS before 3.2.5 does
 * not sign those to Status-Server. */
static enum rad_refusal reply_check(struct rad_client *c, const struct rad_request *r,
				    const struct rad_packet *p, struct server *s,
				    const uint8_t *authenticator)
{
	if (!code_answers(p->code, r->kind))
		return RAD_REFUSED_CODE;
	switch (rad_reply_check(p, rad_server_secret(s), authenticator)) {
	case RAD_CHECK_GOOD:
		return RAD_REFUSALS;
	case RAD_CHECK_MESSAGE_MISSING:
		if (r->kind == RAD_ACCT || r->probe || !s->conf.need_message_authenticator)
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
	rad_request_encode_acct(&w, r, &r->at[server], rad_server_secret(&c->servers[server]));
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
	for (unsigned kind = 0; kind < RAD_KINDS; kind++)
		rad_ids_target_free(c, s->targets[kind]);
	mem_wipe(s, sizeof(*s));
}

void rad_client_free(struct rad_client *c)
{
	if (!c)
		return;
	struct list_head *it, *after;
	list_each_safe (it, after, &c->requests)
		rad_request_free(c, container_of(it, struct rad_request, all), NSEC_ZERO);
	for (unsigned s = 0; s < RAD_SOCKETS_MAX; s++) {
		if (c->socks[s])
			rad_ids_close(c, s);
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

	rad_probes_end(c, now);
	server_map(c, conf, map);
	for (unsigned i = 0; i < n_old; i++) {
		list_each (it, &c->requests) {
			if (map[i] == NO_SERVER)
				rad_ids_release(c, container_of(it, struct rad_request, all), i,
						now);
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
	struct rad_request *r = rad_request_new(c, ask, now);
	if (!r)
		return NULL;
	if (!request_try(c, r, 0, now)) {
		rad_request_free(c, r, now);
		return NULL;
	}
	return r;
}

void rad_client_cancel(struct rad_client *c, struct rad_request *r, nsec now)
{
	rad_request_free(c, r, now);
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

	rad_server_answered(c, &c->servers[i], r, now);
	if (r->probe) {
		rad_probe_free(c, r, now);
		waiting_send(c, now);
		return false;
	}
	*out = answer_of(c, r, now);
	out->server = *from;
	out->secret = rad_server_secret(&c->servers[i]);
	memcpy(out->authenticator, r->authenticator, RAD_AUTHENTICATOR);
	out->packet = p;
	rad_request_free(c, r, now);
	waiting_send(c, now);
	return true;
}

bool rad_client_turn(struct rad_client *c, nsec now, struct rad_answer *out)
{
	struct wheel_timer *t;

	while ((t = wheel_expired(&c->wheel, now))) {
		if (t->kind == TIMER_SOCKET)
			rad_ids_close(c, ((struct sock *)(void *)t)->index);
		else if (request_timeout(c, (struct rad_request *)(void *)t, now, out))
			return true;
	}
	rad_probes_turn(c, now);
	waiting_send(c, now);
	return false;
}

nsec rad_client_next(const struct rad_client *c)
{
	return nsec_min(wheel_next(&c->wheel), rad_probes_next(c));
}
