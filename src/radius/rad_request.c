/* One request of the client: as a packet with the secret of the server that is asked, and the time
 * that is waited for its answer (RFC 5080 2.2.1). */
#include "radius/rad_client_priv.h"

#include "base/crypto.h"
#include "base/panic.h"
#include "radius/rad_auth.h"

static size_t request_size(const struct rad_request *r)
{
	return sizeof(*r) + r->password_n + r->attrs_n;
}

/* It does not wait for an answer of its server any more. */
void rad_request_back(struct rad_client *c, struct rad_request *r)
{
	if (r->under_way)
		c->servers[r->server].traffic[r->kind].under_way--;
	r->under_way = false;
}

void rad_request_queue(struct rad_client *c, struct rad_request *r)
{
	list_add_tail(&c->waiting[r->kind], &r->waiting);
	c->n_waiting++;
}

void rad_request_unqueue(struct rad_client *c, struct rad_request *r)
{
	if (list_empty(&r->waiting))
		return;
	list_del(&r->waiting);
	c->n_waiting--;
}

void rad_request_free(struct rad_client *c, struct rad_request *r, nsec now)
{
	rad_request_back(c, r);
	rad_request_unqueue(c, r);
	/* A probe that ends without an answer must not leave its server in doubt for ever. */
	if (r->server != NO_SERVER && c->servers[r->server].state == SERVER_PROBE) {
		c->servers[r->server].state = SERVER_DEAD;
		c->servers[r->server].dead_until = now;
	}
	for (unsigned i = 0; i < c->conf.n_servers; i++)
		rad_ids_release(c, r, i, now);
	wheel_stop(&c->wheel, &r->timer);
	list_del(&r->all);
	size_t n = request_size(r);
	mem_wipe(r, n);
	alloc_put(c->env.alloc, r, n);
	c->outstanding--;
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

void rad_request_encode_acct(struct wbuf *w, const struct rad_request *r, const struct binding *b,
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
		encode_auth(&w, r, b->id, rad_server_secret(s));
	else
		rad_request_encode_acct(&w, r, b, rad_server_secret(s));
	struct span packet = wbuf_written(&w);
	LNS_ASSERT(!packet.bad); /* rad_client_ask checked that it fits */
	c->socks[b->sock]->open = true;
	s->traffic[r->kind].sent++;
	c->env.send(c->env.ctx, b->sock, &s->conf.addr[r->kind], &s->conf.source, packet);
	mem_wipe(c->packet, packet.n);
}

/* A value of ms within 10% (RFC 5080 2.2.1: RAND is uniform between -0.1 and +0.1). */
uint32_t rad_request_jitter(struct rad_client *c, uint32_t ms)
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
	r->wait_ms = rad_request_jitter(c, wait);
	wheel_start(&c->wheel, &r->timer, nsec_add(now, NSEC_MS(r->wait_ms)));
}

/* A new request that is known to the client but not sent; NULL: no memory. */
struct rad_request *rad_request_new(struct rad_client *c, const struct rad_ask *ask, nsec now)
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
void rad_request_start(struct rad_client *c, struct rad_request *r, unsigned i, nsec now)
{
	r->server = (uint8_t)i;
	r->under_way = true;
	c->servers[i].traffic[r->kind].under_way++;
	r->tries++;
	r->sent_at = now;
	request_send(c, r);
	request_wait(c, r, now);
}
