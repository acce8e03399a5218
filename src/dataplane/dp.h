/*
 * dp.h - the data plane as the control loop sees it: starts the workers with their sockets, TUN
 * queues and rings, and carries messages, configuration and counters. All functions are for the
 * control thread.
 */
#ifndef LNS_DP_H
#define LNS_DP_H

#include "base/counters.h"
#include "base/log.h"
#include "base/msg.h"
#include "dataplane/dp_route.h"
#include "dataplane/dp_table.h"
#include "dataplane/shard_conf.h"

enum { DP_LOCAL_MAX = 4 };

struct dp;

struct dp_start_conf {
	unsigned n_workers;
	uint16_t port;			     /* L2TP, 1701 */
	uint8_t n_local;		     /* addresses to listen on, 1..DP_LOCAL_MAX */
	struct ip_addr local[DP_LOCAL_MAX];  /* unset = any address */
	const char *tun_name;		     /* "" = the kernel's choice */
	uint16_t tun_mtu;
	struct ip_addr tun_address;	     /* unset = none */
	const char *io_backend, *steering;   /* as the variables; "auto" by default */
	const struct alloc *alloc;	     /* any thread may call it */
	void *ctx;			     /* of log */
	/* Any thread. */
	void (*log)(void *ctx, enum log_level level, uint16_t tid, uint16_t sid, const char *text);
	const struct shard_conf *shard;	     /* copied */
};

/* Everything up and running, or NULL with a reason and nothing left behind. */
struct dp *dp_start(const struct dp_start_conf *conf, char reason[static 160]);
/* Ends the workers' threads and closes sockets and TUN; tables stay readable until dp_free. */
void dp_stop_workers(struct dp *dp);
void dp_free(struct dp *dp);

unsigned dp_workers(const struct dp *dp);
const char *dp_tun_name(const struct dp *dp); /* as the kernel named it */
const char *dp_io_backend(const struct dp *dp);
const char *dp_steering(const struct dp *dp);
/* One line for the log: workers, back end, steering, device. */
const char *dp_describe(const struct dp *dp);
struct dp_tables *dp_tables(struct dp *dp);
struct dp_routes *dp_routes(struct dp *dp);
const struct counters *dp_counters(const struct dp *dp, unsigned worker);

/* Copies the message to the worker; waits in a list when the ring is full. */
void dp_post(struct dp *dp, unsigned worker, const struct msg *m);
/* Becomes readable when a worker posted to MSG_TO_CONTROL while control slept. */
int dp_control_fd(const struct dp *dp);
/* Before blocking: false when messages are there already. After blocking: dp_control_awake. */
bool dp_control_sleep(struct dp *dp);
void dp_control_awake(struct dp *dp);
/* The next message of any worker, valid until dp_control_pop; NULL when there is none. */
const struct msg *dp_control_next(struct dp *dp, unsigned *worker);
void dp_control_pop(struct dp *dp);
/* Once per turn of control: moves waiting messages on, frees what no reader can see. */
void dp_control_turn(struct dp *dp);

/* Publishes a copy of the snapshot to all workers. */
void dp_set_conf(struct dp *dp, const struct shard_conf *shard);
/* True while L2TP control messages of any worker wait for an acknowledgement. */
bool dp_busy(const struct dp *dp);

#endif
