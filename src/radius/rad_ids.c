/* Sockets and identifiers of the client: 256 per socket, server and kind, the one that rested
 * longest first (RFC 5080 2.2.2); a socket is given back when nothing was outstanding on it for a
 * while. */
#include "radius/rad_client_priv.h"

#include "base/panic.h"

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
void rad_ids_close(struct rad_client *c, unsigned s)
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

	LNS_ASSERT(ch->used < RAD_IDS);
	while (ch->by_id[id])
		id++; /* wraps at 256; one is free */
	ch->by_id[id] = r;
	ch->used++;
	ch->next_id = (uint8_t)(id + 1);
	return id;
}

/* Gives the request an identifier at server i. False: none is free, or no memory. */
bool rad_ids_hold(struct rad_client *c, struct rad_request *r, unsigned i, nsec now)
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
	if (ch->used == RAD_IDS)
		t->full[s / 64] |= 1ull << s % 64;
	k->used++;
	wheel_stop(&c->wheel, &k->idle);
	return true;
}

void rad_ids_release(struct rad_client *c, struct rad_request *r, unsigned i, nsec now)
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

void rad_ids_target_free(struct rad_client *c, struct target *t)
{
	for (unsigned s = 0; t && s < RAD_SOCKETS_MAX; s++)
		channel_free(c, t, s);
	alloc_put(c->env.alloc, t, sizeof(*t));
}
