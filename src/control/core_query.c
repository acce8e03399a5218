#include "control/core_priv.h"

#include "base/hash.h"
#include "base/panic.h"

enum { QUERY_WAIT_S = 2 };

struct core_query {
	struct hmap_node by_cookie;
	struct list_head by_age;
	uint64_t cookie;
	nsec deadline;
	struct sess_key key;
	uint16_t tid;
	void (*session_done)(void *arg, const struct msg_session_info *info); /* one of the three */
	void (*tunnel_done)(void *arg, const struct msg_tunnel_info *info);
	void (*pong)(void *arg, const struct msg_session_pong *pong);
	void *arg;
};

static struct core_query *query_new(struct core *c, nsec now)
{
	struct core_query *q = alloc_get(c->env.alloc, sizeof(*q));
	if (!q)
		return NULL;
	q->cookie = ++c->query_cookie;
	q->deadline = nsec_add(now, NSEC_S(QUERY_WAIT_S));
	if (!hmap_insert(&c->queries, &q->by_cookie, hash_u64(q->cookie))) {
		alloc_put(c->env.alloc, q, sizeof(*q));
		return NULL;
	}
	list_add_tail(&c->queries_by_age, &q->by_age);
	return q;
}

static struct core_query *query_find(const struct core *c, uint64_t cookie)
{
	struct hmap_node *node = hmap_first(&c->queries, hash_u64(cookie));

	for (; node; node = hmap_next(node)) {
		struct core_query *q = container_of(node, struct core_query, by_cookie);
		if (q->cookie == cookie)
			return q;
	}
	return NULL;
}

/* Takes the query out, so that `done` may ask again. */
static struct core_query query_take(struct core *c, struct core_query *q)
{
	struct core_query copy = *q;

	hmap_remove(&c->queries, &q->by_cookie);
	list_del(&q->by_age);
	alloc_put(c->env.alloc, q, sizeof(*q));
	return copy;
}

static void not_found(const struct core_query *q)
{
	if (q->session_done) {
		struct msg_session_info i = MSG_INIT(MSG_SESSION_INFO, struct msg_session_info);
		i.key = q->key;
		q->session_done(q->arg, &i);
	} else if (q->pong) {
		struct msg_session_pong i = MSG_INIT(MSG_SESSION_PONG, struct msg_session_pong);
		i.key = q->key;
		i.sent = true;
		q->pong(q->arg, &i);
	} else {
		struct msg_tunnel_info i = MSG_INIT(MSG_TUNNEL_INFO, struct msg_tunnel_info);
		i.tid = q->tid;
		q->tunnel_done(q->arg, &i);
	}
}

void core_query_session(struct core *c, struct sess_key key,
			void (*done)(void *arg, const struct msg_session_info *info), void *arg,
			nsec now)
{
	struct core_query *q = query_new(c, now);

	if (!q) {
		struct core_query none = {.key = key, .session_done = done, .arg = arg};
		not_found(&none);
		return;
	}
	q->key = key;
	q->session_done = done;
	q->arg = arg;
	struct msg_session_query m = MSG_INIT(MSG_SESSION_QUERY, struct msg_session_query);
	m.key = key;
	m.cookie = q->cookie;
	c->env.post(c->env.ctx, key.sid % c->env.n_workers, &m.msg);
}

void core_ping_session(struct core *c, struct sess_key key,
		       void (*done)(void *arg, const struct msg_session_pong *pong), void *arg,
		       nsec now)
{
	struct core_query *q = query_new(c, now);

	if (!q) {
		struct core_query none = {.key = key, .pong = done, .arg = arg};
		not_found(&none);
		return;
	}
	q->key = key;
	q->pong = done;
	q->arg = arg;
	struct msg_session_ping m = MSG_INIT(MSG_SESSION_PING, struct msg_session_ping);
	m.key = key;
	m.cookie = q->cookie;
	c->env.post(c->env.ctx, key.sid % c->env.n_workers, &m.msg);
}

void core_query_tunnel(struct core *c, uint16_t tid,
		       void (*done)(void *arg, const struct msg_tunnel_info *info), void *arg,
		       nsec now)
{
	struct core_query *q = query_new(c, now);

	if (!q) {
		struct core_query none = {.tid = tid, .tunnel_done = done, .arg = arg};
		not_found(&none);
		return;
	}
	q->tid = tid;
	q->tunnel_done = done;
	q->arg = arg;
	struct msg_tunnel_query m = MSG_INIT(MSG_TUNNEL_QUERY, struct msg_tunnel_query);
	m.tid = tid;
	m.cookie = q->cookie;
	c->env.post(c->env.ctx, tid % c->env.n_workers, &m.msg);
}

void core_query_session_info(struct core *c, const struct msg_session_info *m)
{
	struct core_query *q = query_find(c, m->cookie);

	if (!q || !q->session_done) {
		counter_add(c->env.counters, C_STALE_MESSAGES, 1);
		return;
	}
	struct core_query copy = query_take(c, q);
	copy.session_done(copy.arg, m);
}

void core_query_tunnel_info(struct core *c, const struct msg_tunnel_info *m)
{
	struct core_query *q = query_find(c, m->cookie);

	if (!q || !q->tunnel_done) {
		counter_add(c->env.counters, C_STALE_MESSAGES, 1);
		return;
	}
	struct core_query copy = query_take(c, q);
	copy.tunnel_done(copy.arg, m);
}

void core_query_pong(struct core *c, const struct msg_session_pong *m)
{
	struct core_query *q = query_find(c, m->cookie);

	if (!q || !q->pong) {
		counter_add(c->env.counters, C_STALE_MESSAGES, 1);
		return;
	}
	struct core_query copy = query_take(c, q);
	copy.pong(copy.arg, m);
}

/* The oldest has the earliest deadline: all wait equally long. */
static struct core_query *query_oldest(const struct core *c)
{
	struct list_head *first = list_first(&c->queries_by_age);
	return first ? container_of(first, struct core_query, by_age) : NULL;
}

void core_queries_turn(struct core *c, nsec now)
{
	struct core_query *q;

	while ((q = query_oldest(c)) && nsec_reached(q->deadline, now)) {
		struct core_query copy = query_take(c, q);
		not_found(&copy);
	}
}

nsec core_queries_next(const struct core *c)
{
	const struct core_query *q = query_oldest(c);
	return q ? q->deadline : NSEC_NEVER;
}

void core_queries_free(struct core *c)
{
	struct core_query *q;

	while ((q = query_oldest(c))) {
		struct core_query copy = query_take(c, q);
		not_found(&copy);
	}
}
