/*
 * shard_env.h - the world as a shard sees it: what the worker's shell lends to the tunnel shard
 * and the session shard. Functions only queue or send; none of them re-enters a shard, and a
 * message posted to oneself is delivered after the current call returned.
 */
#ifndef LNS_SHARD_ENV_H
#define LNS_SHARD_ENV_H

#include "base/alloc.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/msg.h"
#include "base/nsec.h"

struct dp_tables;   /* dataplane/dp_table.h */
struct dp_services; /* dataplane/dp_service.h */

struct shard_env {
	unsigned self;	    /* index of this worker */
	unsigned n_workers; /* N: tid % N and sid % N name owners */
	const struct alloc *alloc;
	struct counters *counters; /* of this thread */
	struct dp_tables *tables;  /* forwarding records; this worker writes only its own shard */
	struct dp_services *services; /* of this worker's sessions */
	void *ctx;		      /* first argument of the functions below */

	void (*random)(void *ctx, void *out, size_t n);
	/* Sends one L2TP control datagram. */
	void (*send_control)(void *ctx, const struct l2tp_path *path, struct span datagram);
	/* Sends one PPP frame (it starts with FF 03 or the protocol field, as the link decided)
	 * in an L2TP data packet to the peer's ids. `priority`: set the P bit. */
	void (*send_frame)(void *ctx, const struct l2tp_path *path, uint16_t peer_tid,
			   uint16_t peer_sid, bool priority, struct span frame);
	/* Copies the message into the ring toward worker `dst` or MSG_TO_CONTROL. */
	void (*post)(void *ctx, unsigned dst, const struct msg *m);
	/* Sessions that worker `w` has now: to place a new call on the least loaded one. */
	uint32_t (*sessions_of)(void *ctx, unsigned w);
	/* One log line about a tunnel (tid) and session (sid), 0 = none; rate limited. */
	void (*log)(void *ctx, enum log_level level, uint16_t tid, uint16_t sid, const char *text);
};

#endif
