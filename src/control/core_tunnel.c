#include "control/core_priv.h"

#include "base/panic.h"

static struct core_tunnel *tunnel_get(struct core *c, uint16_t tid, nsec now)
{
	struct core_tunnel *t = c->tunnels[tid];
	if (t)
		return t;
	t = alloc_get(c->env.alloc, sizeof(*t));
	if (!t)
		return NULL;
	t->tid = tid;
	t->opened = now;
	t->state = TUNNEL_FREE;
	c->tunnels[tid] = t;
	c->n_tunnel_records++;
	return t;
}

static void tunnel_free(struct core *c, struct core_tunnel *t)
{
	c->tunnels[t->tid] = NULL;
	c->n_tunnel_records--;
	bstr_free(c->env.alloc, t->host_name);
	bstr_free(c->env.alloc, t->vendor);
	alloc_put(c->env.alloc, t, sizeof(*t));
}

static void tunnel_free_if_done(struct core *c, struct core_tunnel *t)
{
	if (t->state == TUNNEL_FREE && t->sessions == 0)
		tunnel_free(c, t);
}

/* Replaces a text when it differs; keeps the old one without memory. */
static void text_set(struct core *c, struct bstr **to, const struct msg_text *from)
{
	size_t n = from->n < sizeof(from->s) ? from->n : sizeof(from->s);
	struct span text = span_of(from->s, n);

	if (n == 0 || span_equal(bstr_span(*to), text))
		return;
	struct bstr *copy = bstr_new(c->env.alloc, text);
	if (!copy)
		return;
	bstr_free(c->env.alloc, *to);
	*to = copy;
}

void core_tunnel_msg(struct core *c, const struct msg_tunnel_state *m, nsec now)
{
	bool gone = m->state == TUNNEL_FREE;
	if (gone && !c->tunnels[m->tid])
		return;
	struct core_tunnel *t = tunnel_get(c, m->tid, now);
	if (!t)
		return; /* its sessions work all the same, it is only not shown */

	bool was_there = t->state != TUNNEL_FREE;
	if (was_there && gone)
		c->n_tunnels--;
	if (!was_there && !gone) {
		c->n_tunnels++;
		t->opened = now;
	}
	t->state = m->state;
	t->peer_tid = m->peer_tid;
	t->peer_window = m->peer_window;
	t->path = m->path;
	text_set(c, &t->host_name, &m->host_name);
	text_set(c, &t->vendor, &m->vendor);
	tunnel_free_if_done(c, t);
}

bool core_tunnel_add_session(struct core *c, const struct msg_session_new *m, nsec now)
{
	struct core_tunnel *t = tunnel_get(c, m->key.tid, now);
	if (!t)
		return false;
	text_set(c, &t->host_name, &m->lac_name);
	t->sessions++;
	return true;
}

void core_tunnel_del_session(struct core *c, uint16_t tid)
{
	struct core_tunnel *t = c->tunnels[tid];

	LNS_ASSERT(t && t->sessions > 0);
	t->sessions--;
	tunnel_free_if_done(c, t);
}

void core_tunnels_free(struct core *c)
{
	for (unsigned tid = 0; tid < CORE_TIDS && c->n_tunnel_records > 0; tid++) {
		if (c->tunnels[tid])
			tunnel_free(c, c->tunnels[tid]);
	}
}
