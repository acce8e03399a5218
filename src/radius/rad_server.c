/* The client's servers: which one is asked, when one counts as dead, and the probes that find out
 * that it is back (Status-Server, RFC 5997, or the login of a test user). */
#include "radius/rad_client_priv.h"

#include <stdio.h>

enum {
	DEAD_AFTER = 3,	   /* timeouts in a row before a server is dead */
	PROBE_AGAIN_S = 1, /* when there was no identifier for one */
};

struct span rad_server_secret(const struct server *s)
{
	return span_str(s->conf.secret);
}

void rad_server_log(struct rad_client *c, enum log_level level, const struct server *s,
		    const char *what)
{
	char addr[SOCK_ADDR_TEXT], line[256];

	snprintf(line, sizeof(line), "RADIUS server %s %s",
		 sock_addr_text(&s->conf.addr[RAD_AUTH], addr), what);
	c->env.log(c->env.ctx, level, line);
}

bool rad_server_serves(const struct server *s, unsigned kind)
{
	return !s->conf.not_for[kind];
}

/* May a request be sent to it? Unless it has probes of its own, the first one after the dead time
 * becomes the probe. */
bool rad_server_usable(const struct server *s, nsec now)
{
	return s->state == SERVER_ALIVE ||
	       (s->state == SERVER_DEAD && s->conf.probe == RAD_PROBE_REQUEST &&
		nsec_reached(s->dead_until, now));
}

/* The next server of that kind, from `first` on in the order of the list; n_servers: none. */
unsigned rad_server_next(const struct rad_client *c, unsigned kind, unsigned first)
{
	unsigned n = c->conf.n_servers;

	for (unsigned k = 0; k < n; k++) {
		unsigned i = (first + k) % n;
		if (rad_server_serves(&c->servers[i], kind))
			return i;
	}
	return n;
}

/* The one to ask: the next that may be sent to; if all are dead, the next. */
unsigned rad_server_choose(const struct rad_client *c, unsigned kind, unsigned first, nsec now)
{
	unsigned n = c->conf.n_servers;

	for (unsigned k = 0; k < n; k++) {
		unsigned i = (first + k) % n;
		if (rad_server_serves(&c->servers[i], kind) &&
		    rad_server_usable(&c->servers[i], now))
			return i;
	}
	return rad_server_next(c, kind, first);
}

/* A request got no answer. That the server answered others meanwhile means that it is only busy. */
void rad_server_silent(struct rad_client *c, const struct rad_request *r, nsec now)
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
		rad_server_log(c, LOG_ERROR, s, "does not answer; it is asked last for a while");
	if (s->state != SERVER_DEAD || nsec_reached(s->dead_until, now))
		s->dead_until = nsec_add(now, NSEC_MS(rad_request_jitter(c, c->conf.dead_time_ms)));
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

void rad_server_answered(struct rad_client *c, struct server *s, const struct rad_request *r,
			 nsec now)
{
	s->traffic[r->kind].answered++;
	if (r->tries == 1)
		note_latency(&s->traffic[r->kind], nsec_sub(now, r->sent_at));
	if (s->state != SERVER_ALIVE)
		rad_server_log(c, LOG_WARN, s, "answers again");
	s->state = SERVER_ALIVE;
	s->silent = 0;
	s->last_reply = now;
}

bool rad_server_has_room(const struct rad_client *c, unsigned i, unsigned kind)
{
	return c->conf.window == 0 || c->servers[i].traffic[kind].under_way < c->conf.window;
}

/* ---- probes ---------------------------------------------------------------------------------- */

void rad_probe_free(struct rad_client *c, struct rad_request *r, nsec now)
{
	c->n_probes--;
	rad_request_free(c, r, now);
}

static bool is_probing(const struct server *s)
{
	return s->state == SERVER_DEAD && s->conf.probe != RAD_PROBE_REQUEST;
}

/* Status-Server is asked of the port that counts more; a test user only logs in. */
static void probe_send(struct rad_client *c, unsigned i, nsec now)
{
	struct server *s = &c->servers[i];
	bool auth = rad_server_serves(s, RAD_AUTH);
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
	struct rad_request *r = rad_request_new(c, &ask, now);
	if (!r)
		return;
	r->probe = true;
	c->n_probes++;
	if (!rad_ids_hold(c, r, i, now)) {
		rad_probe_free(c, r, now);
		return;
	}
	s->state = SERVER_PROBE;
	rad_request_start(c, r, i, now);
}

void rad_probes_turn(struct rad_client *c, nsec now)
{
	for (unsigned i = 0; i < c->conf.n_servers; i++) {
		struct server *s = &c->servers[i];
		if (is_probing(s) && nsec_reached(s->dead_until, now))
			probe_send(c, i, now);
	}
}

/* When the next one is due. */
nsec rad_probes_next(const struct rad_client *c)
{
	nsec next = NSEC_NEVER;

	for (unsigned i = 0; i < c->conf.n_servers; i++) {
		if (is_probing(&c->servers[i]))
			next = nsec_min(next, c->servers[i].dead_until);
	}
	return next;
}

/* Before the list of servers changes: the new one has probes of its own. */
void rad_probes_end(struct rad_client *c, nsec now)
{
	struct list_head *it, *after;

	list_each_safe (it, after, &c->requests) {
		struct rad_request *r = container_of(it, struct rad_request, all);
		if (r->probe)
			rad_probe_free(c, r, now);
	}
}
