/*
 * LCP frames that overtake their call: the frame comes straight from the receiving worker, the call
 * by way of the tunnel's worker. A peer that starts LCP right behind its ICCN would otherwise lose
 * its first Configure-Request and a restart timer with it. A small table, one place per hash: junk
 * can push out a kept frame, never grow anything.
 */
#include "base/hash.h"
#include "base/wbuf.h"
#include "dataplane/session_shard_priv.h"

enum { EARLY_KEPT_MS = 200 };

static struct early_frame *place_of(struct session_shard *s, uint16_t tid, uint16_t sid)
{
	return &s->early[hash_u64((uint64_t)tid << 16 | sid) % EARLY_FRAMES];
}

void session_shard_early(struct session_shard *s, uint16_t tid, uint16_t sid,
			 const struct l2tp_path *path, struct span frame, nsec now)
{
	struct early_frame *e = place_of(s, tid, sid);

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
	struct early_frame *e = place_of(s, key.tid, key.sid);
	const struct session *x = session_find(s, key.tid, key.sid);

	if (!e->n || e->tid != key.tid || e->sid != key.sid || !x)
		return;
	uint8_t n = e->n;
	e->n = 0;
	if (nsec_reached(e->until, now) || !l2tp_path_equal(&e->path, &x->tunnel->path))
		counter_drop(s->env.counters, DROP_NO_SESSION, 1);
	else
		session_shard_frame(s, e->tid, e->sid, span_of(e->bytes, n), now);
}
