/*
 * LCP frames that overtake their call: the frame comes straight from the receiving worker, the call
 * by way of the tunnel's worker. A peer that starts LCP right behind its ICCN would otherwise lose
 * its first Configure-Request and a restart timer with it. A small table, a few places per hash:
 * junk can push out a kept frame, never grow anything.
 */
#include "base/hash.h"
#include "base/wbuf.h"
#include "dataplane/session_shard_priv.h"

enum { EARLY_KEPT_MS = 200, WAYS = 8 };

/* The first of the places that frames of this session may stand in. */
static struct early_frame *places_of(struct session_shard *s, uint16_t tid, uint16_t sid)
{
	return &s->early[hash_u64((uint64_t)tid << 16 | sid) % (EARLY_FRAMES / WAYS) * WAYS];
}

static bool is_of(const struct early_frame *e, uint16_t tid, uint16_t sid)
{
	return e->n && e->tid == tid && e->sid == sid;
}

/* Where a new frame goes: over an older one of its session, else a free place, else the one that
 * has waited longest. */
static struct early_frame *place_for(struct session_shard *s, uint16_t tid, uint16_t sid)
{
	struct early_frame *places = places_of(s, tid, sid), *best = places;

	for (unsigned i = 0; i < WAYS; i++) {
		struct early_frame *e = &places[i];
		if (is_of(e, tid, sid))
			return e;
		if (best->n && (!e->n || nsec_before(e->until, best->until)))
			best = e;
	}
	return best;
}

void session_shard_early(struct session_shard *s, uint16_t tid, uint16_t sid,
			 const struct l2tp_path *path, struct span frame, nsec now)
{
	struct early_frame *e = place_for(s, tid, sid);

	if (frame.n > sizeof(e->bytes)) {
		counter_drop(s->env.counters, DROP_NO_SESSION, 1);
		return;
	}
	if (e->n)
		counter_drop(s->env.counters, DROP_NO_SESSION, 1);
	struct wbuf w = wbuf_of(e->bytes, sizeof(e->bytes));
	wbuf_span(&w, frame);
	e->n = (uint8_t)w.n;
	e->tid = tid;
	e->sid = sid;
	e->path = *path;
	e->until = nsec_add(now, NSEC_MS(EARLY_KEPT_MS));
}

void session_early_deliver(struct session_shard *s, struct sess_key key, nsec now)
{
	struct early_frame *e = places_of(s, key.tid, key.sid);
	const struct session *x = session_find(s, key.tid, key.sid);
	unsigned left = WAYS;

	while (left && !is_of(e, key.tid, key.sid)) {
		e++;
		left--;
	}
	if (!left || !x)
		return;
	uint8_t n = e->n;
	e->n = 0;
	if (nsec_reached(e->until, now) || !l2tp_path_equal(&e->path, &x->tunnel->path))
		counter_drop(s->env.counters, DROP_NO_SESSION, 1);
	else
		session_shard_frame(s, e->tid, e->sid, span_of(e->bytes, n), now);
}
