/*
 * dp.h - the workers as the control thread sees them: starts and stops them, carries messages to
 * and from them, hands them configurations, owns the tables that both sides share. All functions
 * are for the control thread unless said otherwise.
 */
#ifndef LNS_DP_H
#define LNS_DP_H

#include "base/alloc.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/msg.h"
#include "dataplane/dp_hook.h"
#include "dataplane/dp_route.h"
#include "dataplane/dp_table.h"
#include "dataplane/dp_tap.h"
#include "dataplane/express.h"
#include "dataplane/shard_conf.h"
#include "dataplane/worker_view.h"

enum { DP_LOCALS_MAX = 4, DP_TUN_ADDRS_MAX = 8, DP_L2TP_PORT = 1701 };

struct dp;

struct dp_start_conf {
	const struct alloc *alloc;		/* thread-safe */
	unsigned n_workers;			/* 1..LNS_WORKERS_MAX */
	unsigned n_locals;			/* 1..DP_LOCALS_MAX */
	struct sock_addr locals[DP_LOCALS_MAX]; /* IPv4; 0.0.0.0 = any; port 0 = 1701 */
	const char *tun_name;			/* "" = the kernel chooses */
	uint16_t tun_mtu;
	unsigned n_tun_addrs;
	struct ip_prefix tun_addrs[DP_TUN_ADDRS_MAX]; /* with their host bits, e.g. /32 */
	const char *io_backend;			      /* auto, full, nouso, novnet, plain */
	const char *steering;			      /* auto, session, address */
	const char *tun_steering;		      /* auto, map, flow */
	const char *tun_napi;			      /* auto, yes, no */
	unsigned n_express;
	const char *express[EXPRESS_INTERFACES_MAX]; /* names of interfaces */
	unsigned n_cpus;			     /* 0 = the scheduler chooses */
	uint16_t cpus[LNS_WORKERS_MAX];		     /* worker i is bound to cpus[i % n_cpus] */
	uint32_t socket_bytes;			     /* of each direction of each L2TP socket */
	uint32_t tun_queue;			     /* packets */
	const struct shard_conf *shard;		     /* copied */
	/* Any thread: one line for the log. */
	void (*log)(void *ctx, enum log_level level, uint16_t tid, uint16_t sid, const char *text);
	void *log_ctx;
};

/* Opens everything and starts the threads. NULL: could not, the reason was logged. The caller is
 * registered for RCU (rcu_thread_start). */
struct dp *dp_start(const struct dp_start_conf *conf);
/* Ends the threads and frees all; what they still had to send is sent. */
void dp_stop(struct dp *dp);

struct dp_tables *dp_tables(struct dp *dp);
struct dp_routes *dp_routes(struct dp *dp);

/* To worker w; waits in an unbounded list while its ring is full. */
void dp_post(struct dp *dp, unsigned w, const struct msg *m);
/* Readable when messages for control may have come. Then call dp_control_next until NULL. */
int dp_control_fd(const struct dp *dp);
/* The next message for control and who sent it; valid until the next call. */
const struct msg *dp_control_next(struct dp *dp, unsigned *worker);
/* Once per turn of control: moves waiting messages on, frees what is not used any more. Returns
 * when to call again at the latest. */
nsec dp_turn(struct dp *dp, nsec now);

/* Publishes a copy; the old one goes when every worker has taken the new one, with its access
 * lists, which are ours from here on. False = memory. */
bool dp_set_conf(struct dp *dp, const struct shard_conf *conf);

/* From now on packets go through these (NULL: none). Returns when no worker uses the ones before
 * any more, which takes one of its turns. The struct stays in place until the next call. */
void dp_set_hooks(struct dp *dp, const struct dp_hooks *hooks);

/* Copies of watched sessions' packets that worker w forwarded; for one consumer thread. */
struct dp_tap *dp_tap_of(struct dp *dp, unsigned w);

/* Counters of worker w; any thread may read them. */
const struct counters *dp_counters(const struct dp *dp, unsigned w);
unsigned dp_n_workers(const struct dp *dp);
/* Of the last full second. */
const struct worker_view *dp_worker_view(const struct dp *dp, unsigned w);
/* True while control messages wait for the peers' acknowledgements, or messages for control or
 * workers wait in rings. */
bool dp_busy(struct dp *dp);

/* Names for `show version` and the log. */
const char *dp_backend_name(const struct dp *dp);
const char *dp_steering_name(const struct dp *dp);
const char *dp_tun_steering_name(const struct dp *dp);
bool dp_tun_has_napi(const struct dp *dp);
/* "core, eth1": where packets come past the kernel; "none". */
const char *dp_express_names(const struct dp *dp);
/* Interfaces or addresses of this machine are others now. */
void dp_places_changed(struct dp *dp);
unsigned dp_tun_ifindex(const struct dp *dp);
/* "2 workers, I/O full, steering address, tun0"; cut to n bytes. Returns buf. */
const char *dp_describe(const struct dp *dp, char *buf, size_t n);

#endif
