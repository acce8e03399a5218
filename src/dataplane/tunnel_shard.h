/*
 * tunnel_shard.h - the tunnels of one worker: their control channels (RFC 2661 section 5), tunnel
 * and call machines. Talks to session shards by messages only, also on the same worker. Owned by
 * its worker; pure: bytes, messages and `now` in, shard_env calls out.
 */
#ifndef LNS_TUNNEL_SHARD_H
#define LNS_TUNNEL_SHARD_H

#include "dataplane/shard_conf.h"
#include "dataplane/shard_env.h"

struct tunnel_shard;

struct tunnel_shard *tunnel_shard_new(const struct shard_env *env, const struct shard_conf *conf,
				      nsec now);
void tunnel_shard_free(struct tunnel_shard *t);
/* The snapshot stays valid until the next call of this function. */
void tunnel_shard_conf(struct tunnel_shard *t, const struct shard_conf *conf);
/* A whole L2TP control datagram (T bit set) that belongs to this worker: tunnel id 0, or
 * tid % N == self. */
void tunnel_shard_rx(struct tunnel_shard *t, const struct l2tp_path *from, struct span datagram,
		     nsec now);
void tunnel_shard_msg(struct tunnel_shard *t, const struct msg *m, nsec now);
/* Handles everything that is due; returns when to call again. Call it after each batch of rx and
 * msg: acknowledgements that no reply carried leave now, one for the whole batch. */
nsec tunnel_shard_turn(struct tunnel_shard *t, nsec now);
/* Tunnels that are open, opening or wait for the acknowledgement of their StopCCN; those that are
 * only remembered do not count. 0 = a shutdown is complete. */
unsigned tunnel_shard_count(const struct tunnel_shard *t);
/* True while control messages wait for an acknowledgement (drain before exit). */
bool tunnel_shard_busy(const struct tunnel_shard *t);
/* Whether all tables and counts agree; slow, for tests. */
bool tunnel_shard_check(const struct tunnel_shard *t);

#endif
