#include <stdlib.h>

#include "base/wbuf.h"
#include "dataplane/worker.h"

enum { DATA_HEADER = 6, FLAG_PRIORITY = 0x0100, VERSION = 2 };

static void env_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	arc4random_buf(out, n);
}

static struct io_udp *socket_of(struct worker *w, const struct l2tp_path *path)
{
	if (path->local < w->common->n_locals)
		return w->udp[path->local];
	counter_drop(&w->counters, DROP_SOCKET_SEND, 1);
	return NULL;
}

static void env_send_control(void *ctx, const struct l2tp_path *path, struct span datagram)
{
	struct worker *w = ctx;
	struct io_udp *u = socket_of(w, path);

	if (u)
		io_udp_send(u, path, datagram, span_of(NULL, 0));
}

/* RFC 2661 3.1: P asks the peer to prefer this packet, for echoes and the like. */
static void env_send_frame(void *ctx, const struct l2tp_path *path, uint16_t peer_tid,
			   uint16_t peer_sid, bool priority, struct span frame)
{
	struct worker *w = ctx;
	struct io_udp *u = socket_of(w, path);
	uint8_t bytes[DATA_HEADER];
	struct wbuf header = wbuf_of(bytes, sizeof(bytes));

	wbuf_u16(&header, (uint16_t)(VERSION | (priority ? FLAG_PRIORITY : 0)));
	wbuf_u16(&header, peer_tid);
	wbuf_u16(&header, peer_sid);
	if (u)
		io_udp_send(u, path, wbuf_written(&header), frame);
}

static void env_post(void *ctx, unsigned dst, const struct msg *m)
{
	struct worker *w = ctx;
	unsigned to = dst == MSG_TO_CONTROL ? mail_control(w->common->mail) : dst;

	mail_send(w->common->mail, w->self, to, m, span_of(NULL, 0), &w->counters);
}

static uint32_t env_sessions_of(void *ctx, unsigned other)
{
	struct worker *w = ctx;

	LNS_ASSERT(other < w->common->n_workers);
	return atomic_load_explicit(&w->common->workers[other].n_sessions, memory_order_relaxed);
}

static void env_log(void *ctx, enum log_level level, uint16_t tid, uint16_t sid, const char *text)
{
	struct worker *w = ctx;

	w->common->log(w->common->log_ctx, level, tid, sid, text);
}

void worker_env_init(struct worker *w)
{
	w->env = (struct shard_env){
		.self = w->self,
		.n_workers = w->common->n_workers,
		.alloc = w->common->alloc,
		.counters = &w->counters,
		.tables = w->common->tables,
		.services = w->world.services,
		.ctx = w,
		.random = env_random,
		.send_control = env_send_control,
		.send_frame = env_send_frame,
		.post = env_post,
		.sessions_of = env_sessions_of,
		.log = env_log,
	};
}
