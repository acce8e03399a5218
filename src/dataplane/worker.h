/*
 * worker.h - one forwarding thread: its sockets, its TUN queue, its share of tunnels and sessions,
 * and the loop around them. What is in here belongs to the thread once it runs, except what is
 * marked atomic. Shell; only dp.c and worker*.c include this.
 */
#ifndef LNS_WORKER_H
#define LNS_WORKER_H

#include <pthread.h>

#include "dataplane/dp.h"
#include "dataplane/dp_down.h"
#include "dataplane/dp_hook.h"
#include "dataplane/dp_merge.h"
#include "dataplane/dp_service.h"
#include "dataplane/dp_spread.h"
#include "dataplane/dp_up.h"
#include "dataplane/express_set.h"
#include "dataplane/io_copy.h"
#include "dataplane/io_tun.h"
#include "dataplane/io_udp.h"
#include "dataplane/io_xsk.h"
#include "dataplane/session_shard.h"
#include "dataplane/tun.h"
#include "dataplane/tunnel_shard.h"
#include "dataplane/worker_lane.h"
#include "dataplane/worker_mail.h"

enum { WORKER_EXPRESS_MAX = 64 };

/* A published configuration and the number that workers report when they use it. */
struct worker_conf {
	struct shard_conf shard;
	uint64_t number;
	struct worker_conf *older; /* to be freed once all workers report a later number */
};

/* What all workers see. Written by control only. */
struct worker_common {
	const struct alloc *alloc;
	unsigned n_workers, n_locals;
	struct dp_tables *tables;
	struct dp_routes *routes;
	struct mail *mail;
	struct lanes *lanes;
	_Atomic(struct worker_conf *) conf;
	_Atomic(const struct dp_hooks *) hooks; /* NULL: no plugin sees packets */
	_Atomic bool stopping;
	struct worker *workers;
	void (*log)(void *ctx, enum log_level level, uint16_t tid, uint16_t sid, const char *text);
	void *log_ctx;
	const struct tun *tun; /* the device, for its counters */
};

struct worker {
	/* Written by the thread, read by others. */
	_Alignas(64) _Atomic uint32_t n_sessions;
	_Atomic uint32_t n_tunnels;
	_Atomic bool busy; /* control messages wait for their acknowledgement */
	_Atomic uint64_t conf_number;
	_Atomic uint64_t busy_ns; /* time spent in turns that had something to do */
	_Atomic uint64_t cpu_ns;  /* of this thread, a little old */
	struct counters counters;

	struct worker_common *common;
	unsigned self;
	pthread_t thread;
	int cpu; /* bound to it; -1: to none */
	int epoll_fd;
	struct io_udp *udp[DP_LOCALS_MAX];
	struct io_tun *tun;
	unsigned n_express;
	struct worker_express {
		struct io_xsk *socket;
		struct express *of; /* the interface; only its `gone` is written */
	} express[WORKER_EXPRESS_MAX];
	struct tunnel_shard *tunnels;
	struct session_shard *sessions;
	struct shard_env env;
	nsec now;
	bool worked;	  /* the last turn had something to do */
	nsec worked_last; /* until when */
	nsec count_next;  /* drops that the kernel counted; worker 0 counts the TUN device's */
	uint64_t tun_dropped;
	const struct worker_conf *conf; /* in use by the shards */
	struct dp_world world;
	struct dp_down down;
	struct dp_up_result up[DP_BATCH];
	struct dp_merge merge;
	struct dp_spread spread;
	uint32_t flushes;   /* of merge */
	uint64_t handed_to; /* workers who got packets since the last flush */
	nsec cpu_read, balanced;
	struct {
		uint64_t busy_ns, cpu_ns;
	} seen[LNS_WORKERS_MAX]; /* of each worker, when it was balanced */
	struct dp_release release;
	struct io_copy *copies; /* to collectors */
	struct dp_tap tap;
};

/* worker.c: life. Sockets, queue and common are set by the caller; the shards are made here. */
bool worker_init(struct worker *w);
void worker_fini(struct worker *w);
bool worker_start(struct worker *w);
void worker_join(struct worker *w);
/* To its CPU. False: no such one, or not ours (errno). */
bool worker_bind(const struct worker *w);

/* worker_env.c: the world as the shards of this worker see it. */
void worker_env_init(struct worker *w);

/* worker_rx.c: packets. worker_rx_init() once, with the TUN queue there; each other one returns
 * whether there was any. */
void worker_rx_init(struct worker *w, struct io_features features);
bool worker_receive(struct worker *w, struct io_udp *u);
bool worker_receive_tun(struct worker *w);
bool worker_receive_mail(struct worker *w);
/* Packets for subscribers, to their sessions. */
void worker_take_from_core(struct worker *w, const struct dp_packet *in, unsigned n);
/* Sends and flushes datagrams of our sessions. */
void worker_send_down(struct worker *w, const struct dp_tx *tx, unsigned n_tx,
		      const uint16_t *order);

/* worker_express.c: packets from the core that come past the kernel. Open, before the threads run:
 * queues of these interfaces go to workers in turn; what does not work is logged and stays with
 * the kernel. `mtu` is the TUN device's. */
void worker_open_express(struct worker_common *c, struct express_set *set, const char *const *names,
			 unsigned n, size_t mtu);
bool worker_receive_express(struct worker *w, struct io_xsk *x);
/* Counts what was lost, notes interfaces that are gone; now and then. */
void worker_check_express(struct worker *w);

/* worker_service.c: packets of sessions with a policy. Init: false = out of memory or sockets. */
bool worker_service_init(struct worker *w);
void worker_service_fini(struct worker *w);
/* What dp_down could not do goes to the sessions' workers. */
void worker_send_away(struct worker *w);
void worker_take_tun_packet(struct worker *w, struct msg_tun_packet *m);
/* Sends what waited long enough; once per turn. */
void worker_release(struct worker *w);
/* Sends the copies for collectors; at the end of each turn. */
void worker_service_flush(struct worker *w);

/* worker_spread.c: inner packets between workers. worker_forward() is for a packet that is to leave
 * by the TUN device, here or elsewhere; its bytes stay until worker_forward_flush(). */
void worker_spread_init(struct worker *w, enum dp_spread_mode mode);
void worker_forward(struct worker *w, const struct dp_up_result *r);
void worker_forward_flush(struct worker *w);
bool worker_receive_lanes(struct worker *w);
void worker_balance(struct worker *w);

#endif
