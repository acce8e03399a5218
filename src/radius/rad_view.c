/* What the client shows of itself: servers, their latency, and the requests that are outstanding.
 */
#include "radius/rad_client_priv.h"

#include "base/panic.h"

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
	return (uint32_t)c->conf.max_sockets * RAD_IDS;
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
					.serves = rad_server_serves(s, kind),
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
