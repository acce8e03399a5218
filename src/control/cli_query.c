#include "control/cli_query.h"

#include <pthread.h>
#include <stdlib.h>

enum { QUERY_TIMEOUT_S = 4 }; /* control promises an answer in 2 */

/*
 * A question that control passes on to a worker. On the heap, since the answer may come when this
 * thread has given up; the last of the two frees it.
 */
struct worker_query {
	pthread_mutex_t lock; /* of answered and abandoned */
	pthread_cond_t changed;
	bool answered, abandoned;
	struct sess_key key;
	uint16_t tid;
	struct worker_answer answer;
};

static struct worker_query *query_new(void)
{
	struct worker_query *q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&q->lock, NULL);
	return q;
}

static void query_free(struct worker_query *q)
{
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* On the control thread. */
static void query_answered(struct worker_query *q)
{
	pthread_mutex_lock(&q->lock);
	q->answered = true;
	bool abandoned = q->abandoned;
	pthread_cond_signal(&q->changed);
	pthread_mutex_unlock(&q->lock);
	if (abandoned)
		query_free(q);
}

static void session_answered(void *arg, const struct msg_session_info *info)
{
	struct worker_query *q = arg;
	q->answer.session = *info;
	query_answered(q);
}

static void tunnel_answered(void *arg, const struct msg_tunnel_info *info)
{
	struct worker_query *q = arg;
	q->answer.tunnel = *info;
	query_answered(q);
}

static void pong(void *arg, const struct msg_session_pong *info)
{
	struct worker_query *q = arg;
	q->answer.pong = *info;
	query_answered(q);
}

static void query_session(struct core *core, nsec now, void *arg)
{
	struct worker_query *q = arg;
	core_query_session(core, q->key, session_answered, q, now);
}

static void query_tunnel(struct core *core, nsec now, void *arg)
{
	struct worker_query *q = arg;
	core_query_tunnel(core, q->tid, tunnel_answered, q, now);
}

static void query_ping(struct core *core, nsec now, void *arg)
{
	struct worker_query *q = arg;
	core_ping_session(core, q->key, pong, q, now);
}

/* Asks and waits. False: there was no answer, and *q is no longer the caller's. */
static bool wait_for_answer(struct cli_conn *conn, struct worker_query *q,
			    void (*fn)(struct core *core, nsec now, void *arg))
{
	struct timespec until;

	if (!conn_ask(conn, fn, q)) {
		query_free(q); /* never reached control */
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += QUERY_TIMEOUT_S;
	pthread_mutex_lock(&q->lock);
	while (!q->answered)
		if (pthread_cond_timedwait(&q->changed, &q->lock, &until) != 0)
			break;
	bool answered = q->answered;
	q->abandoned = !answered;
	pthread_mutex_unlock(&q->lock);
	return answered;
}

static bool ask(struct cli_conn *conn, struct sess_key key, uint16_t tid,
		void (*fn)(struct core *core, nsec now, void *arg), struct worker_answer *out)
{
	struct worker_query *q = query_new();

	if (!q)
		return false;
	q->key = key;
	q->tid = tid;
	if (!wait_for_answer(conn, q, fn))
		return false;
	*out = q->answer;
	query_free(q);
	return true;
}

bool cli_query_session(struct cli_conn *conn, struct sess_key key, struct worker_answer *out)
{
	return ask(conn, key, 0, query_session, out);
}

bool cli_query_tunnel(struct cli_conn *conn, uint16_t tid, struct worker_answer *out)
{
	return ask(conn, (struct sess_key){0}, tid, query_tunnel, out);
}

bool cli_query_ping(struct cli_conn *conn, struct sess_key key, struct worker_answer *out)
{
	return ask(conn, key, 0, query_ping, out);
}
