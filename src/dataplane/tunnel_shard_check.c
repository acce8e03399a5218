/*
 * Invariants of the tunnel shard, for tests: every table says the same.
 */
#include "dataplane/tunnel_shard_int.h"

static bool sid_is_taken(const struct tunnel_shard *s, const struct tunnel *t, uint16_t sid)
{
	uint32_t n = s->env->n_workers, stride = (uint32_t)UINT16_MAX / n + 1;
	uint32_t bit = sid % n * stride + sid / n;
	const uint64_t *chunk = t->sids ? t->sids->chunk[bit / SID_CHUNK_BITS] : NULL;

	return chunk && chunk[bit % SID_CHUNK_BITS / 64] >> bit % 64 & 1;
}

static bool call_check(const struct tunnel_shard *s, const struct tunnel *t, const struct call *c)
{
	return c->tunnel == t && c->gen != 0 && c->sid != 0 && sid_is_taken(s, t, c->sid) &&
	       call_find(s, t->tid, c->sid) == c;
}

static bool calls_check(const struct tunnel_shard *s, const struct tunnel *t, uint32_t *setups)
{
	struct list_head *at;
	uint32_t n = 0;

	list_each (at, &t->calls) {
		const struct call *c = container_of(at, struct call, in_tunnel);
		bool waits = c->state == L2TP_CALL_WAIT_CONNECT;
		if (!call_check(s, t, c) || c->state == L2TP_CALL_RESTING ||
		    (waits && !wheel_is_armed(&c->setup->timer)))
			return false;
		*setups += waits;
		n++;
	}
	list_each (at, &t->resting) {
		const struct call *c = container_of(at, struct call, in_tunnel);
		if (!call_check(s, t, c) || c->state != L2TP_CALL_RESTING)
			return false;
	}
	return n == t->n_calls;
}

static bool tunnel_check(const struct tunnel_shard *s, const struct tunnel *t)
{
	bool closed = t->state == L2TP_TUNNEL_CLOSED;
	bool half_open = !t->was_open && !closed;

	return t->tid != 0 && t->peer_tid != 0 && tunnel_find(s, t->tid) == t &&
	       (t->source != NULL) == half_open && !list_empty(&t->closed) == closed &&
	       l2tp_chan_check(&t->chan) &&
	       (t->n_calls == 0 || t->state == L2TP_TUNNEL_ESTABLISHED) &&
	       (!t->chan.ack_due || !list_empty(&t->dirty)) &&
	       /* nobody waits for ever */
	       (t->state == L2TP_TUNNEL_ESTABLISHED || wheel_is_armed(&t->timer));
}

static uint32_t half_open_of_sources(const struct tunnel_shard *s)
{
	const struct hmap_node *n = NULL;
	uint32_t sum = 0;

	while ((n = hmap_each(&s->sources, n)) != NULL)
		sum += container_of(n, struct source, node)->half_open;
	return sum;
}

bool tunnel_shard_check(const struct tunnel_shard *s)
{
	struct list_head *at;
	uint32_t live = 0, half_open = 0, closed = 0, calls = 0, setups = 0, pending = 0;
	uint32_t busy = 0;

	list_each (at, &s->all) {
		const struct tunnel *t = container_of(at, struct tunnel, all);
		if (!tunnel_check(s, t) || !calls_check(s, t, &setups))
			return false;
		live += t->state != L2TP_TUNNEL_CLOSED;
		closed += t->state == L2TP_TUNNEL_CLOSED;
		half_open += t->source != NULL;
		calls += t->n_calls;
		busy += !l2tp_chan_idle(&t->chan);
	}
	for (unsigned w = 0; w < s->env->n_workers; w++)
		pending += s->pending[w];
	return live == s->n_live && half_open == s->n_half_open && closed == s->n_closed &&
	       calls == s->n_calls && busy == s->n_busy && setups == pending &&
	       hmap_count(&s->calls_by_peer) == calls &&
	       hmap_count(&s->tunnels_by_peer) == live + closed &&
	       half_open_of_sources(s) == half_open;
}
