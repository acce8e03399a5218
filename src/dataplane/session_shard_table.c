#include "dataplane/session_shard_priv.h"

#include "base/crypto.h"
#include "base/hash.h"

static uint64_t id_hash(uint16_t tid, uint16_t sid)
{
	return hash_u64((uint64_t)tid << 16 | sid);
}

struct session *session_find(const struct session_shard *s, uint16_t tid, uint16_t sid)
{
	struct hmap_node *n = hmap_first(&s->by_id, id_hash(tid, sid));

	for (; n; n = hmap_next(n)) {
		struct session *x = container_of(n, struct session, node);
		if (x->key.tid == tid && x->key.sid == sid)
			return x;
	}
	return NULL;
}

struct session *session_find_key(struct session_shard *s, struct sess_key key)
{
	struct session *x = session_find(s, key.tid, key.sid);

	if (x && sess_key_equal(x->key, key))
		return x;
	counter_add(s->env.counters, C_STALE_MESSAGES, 1);
	return NULL;
}

/* ---- tunnels ------------------------------------------------------------------------------- */

struct shard_tunnel *shard_tunnel_find(const struct session_shard *s, uint16_t tid)
{
	struct hmap_node *n = hmap_first(&s->tunnels, hash_u64(tid));

	for (; n; n = hmap_next(n)) {
		struct shard_tunnel *t = container_of(n, struct shard_tunnel, node);
		if (t->tid == tid)
			return t;
	}
	return NULL;
}

static struct shard_tunnel *tunnel_new(struct session_shard *s, uint16_t tid)
{
	struct shard_tunnel *t = alloc_get(s->env.alloc, sizeof(*t));
	if (!t)
		return NULL;
	t->tid = tid;
	list_init(&t->sessions);
	if (!hmap_insert(&s->tunnels, &t->node, hash_u64(tid))) {
		alloc_put(s->env.alloc, t, sizeof(*t));
		return NULL;
	}
	return t;
}

/* A tunnel without sessions is forgotten: the next call brings its path again. */
static void tunnel_put(struct session_shard *s, struct shard_tunnel *t)
{
	if (!list_empty(&t->sessions))
		return;
	hmap_remove(&s->tunnels, &t->node);
	alloc_put(s->env.alloc, t, sizeof(*t));
}

/* ---- sessions ------------------------------------------------------------------------------ */

static bool proxy_is_empty(const struct msg_proxy *p)
{
	return p->auth_type == 0 && p->first_rx_confreq_len == 0 && p->last_tx_confreq_len == 0 &&
	       p->last_rx_confreq_len == 0;
}

/* Few LACs send the proxy AVPs, so they have memory of their own. Without it we do without them. */
static struct msg_proxy *proxy_keep(struct session_shard *s, const struct msg_proxy *p)
{
	if (proxy_is_empty(p))
		return NULL;
	struct msg_proxy *copy = alloc_get(s->env.alloc, sizeof(*copy));
	if (copy)
		*copy = *p;
	return copy;
}

static void proxy_free(struct session_shard *s, struct msg_proxy *p)
{
	if (!p)
		return;
	mem_wipe(p, sizeof(*p)); /* may hold a password */
	alloc_put(s->env.alloc, p, sizeof(*p));
}

/* Puts the session into the tables. */
static bool session_enter(struct session_shard *s, struct session *x, const struct l2tp_path *path)
{
	struct shard_tunnel *t = shard_tunnel_find(s, x->key.tid);

	if (!t)
		t = tunnel_new(s, x->key.tid);
	if (!t)
		return false;
	if (!hmap_insert(&s->by_id, &x->node, id_hash(x->key.tid, x->key.sid))) {
		tunnel_put(s, t);
		return false;
	}
	t->path = *path;
	x->tunnel = t;
	list_add_tail(&t->sessions, &x->in_tunnel);
	return true;
}

struct session *session_new(struct session_shard *s, const struct msg_call_up *call)
{
	struct session *x = alloc_get(s->env.alloc, sizeof(*x));
	if (!x)
		return NULL;
	x->key = call->key;
	x->peer_tid = call->peer_tid;
	x->peer_sid = call->peer_sid;
	x->timer_at = x->expires = NSEC_NEVER;
	list_init(&x->in_tunnel);
	ppp_link_init(&x->link);
	x->slot = dp_slot_take_own(s->env.tables, s->env.self);
	if (x->slot == DP_SLOT_NONE)
		goto out;
	if (!session_enter(s, x, &call->path)) {
		dp_slot_free_own(s->env.tables, s->env.self, x->slot);
		goto out;
	}
	x->proxy = proxy_keep(s, &call->proxy);
	return x;
out:
	alloc_put(s->env.alloc, x, sizeof(*x));
	return NULL;
}

/* Into the grace list; it is in by_id no more. */
static void leave(struct session_shard *s, struct session *x)
{
	struct shard_tunnel *t = x->tunnel;

	LNS_ASSERT(t != NULL);
	list_del(&x->in_tunnel);
	x->tunnel = NULL;
	tunnel_put(s, t);
	wheel_stop(&s->wheel, &x->timer);
	if (x->service)
		dp_service_clear(s->env.services, x->service);
	list_add_tail(&s->grace, &x->in_tunnel);
	s->n_grace++;
}

void session_retire(struct session_shard *s, struct session *x)
{
	hmap_remove(&s->by_id, &x->node);
	leave(s, x);
}

/* Not by hmap_each(): it would look at all empty buckets again for each session. */
void session_retire_all(struct session_shard *s)
{
	struct hmap_node *n;

	while ((n = hmap_pop(&s->by_id)) != NULL)
		leave(s, container_of(n, struct session, node));
}

void session_free(struct session_shard *s, struct session *x)
{
	LNS_ASSERT(x->tunnel == NULL);
	list_del(&x->in_tunnel);
	s->n_grace--;
	proxy_free(s, x->proxy);
	dp_service_free(s->env.services, x->service);
	mem_wipe(&x->link, sizeof(x->link));
	alloc_put(s->env.alloc, x, sizeof(*x));
}
