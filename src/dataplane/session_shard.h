/*
 * session_shard.h - the sessions of one worker: the PPP link of each, its authentication, its
 * timers, its forwarding record. Learns of calls by messages from tunnel shards and of
 * authorisation by messages from control. Owned by its worker; pure: frames, messages and `now`
 * in, shard_env calls out.
 */
#ifndef LNS_SESSION_SHARD_H
#define LNS_SESSION_SHARD_H

#include "dataplane/shard_conf.h"
#include "dataplane/shard_env.h"

struct session_shard;

struct session_shard *session_shard_new(const struct shard_env *env, const struct shard_conf *conf,
					nsec now);
void session_shard_free(struct session_shard *s);
void session_shard_conf(struct session_shard *s, const struct shard_conf *conf);
/* A PPP frame of session (tid, sid), sid % N == self, address/control already stripped: starts
 * with the protocol field. Only non-IP protocols come here, and IP before IPCP is open does not. */
void session_shard_frame(struct session_shard *s, uint16_t tid, uint16_t sid, struct span frame,
			 nsec now);
/* An LCP frame whose session is not known (yet): kept for a moment, in case its call is on the way
 * from the tunnel's worker. */
void session_shard_early(struct session_shard *s, uint16_t tid, uint16_t sid,
			 const struct l2tp_path *path, struct span frame, nsec now);
void session_shard_msg(struct session_shard *s, const struct msg *m, nsec now);
nsec session_shard_turn(struct session_shard *s, nsec now);
/* Sessions that are not gone yet. */
unsigned session_shard_count(const struct session_shard *s);

#endif
