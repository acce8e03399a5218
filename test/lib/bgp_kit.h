/*
 * bgp_kit.h - a BGP speaker with one neighbour and a world made of counters, for tests of the
 * machine and its fuzzer: time, randomness and TCP are the test's.
 */
#ifndef LNS_BGP_KIT_H
#define LNS_BGP_KIT_H

#include <string.h>

#include "bgp/bgp_speaker.h"
#include "test_alloc.h"

enum { BGP_KIT_PEERS = 16 };

struct bgp_kit {
	struct test_alloc memory;
	struct counters counters;
	struct bgp_env env;
	struct bgp_speaker speaker;
	struct bgp_peer *peer;
	struct bgp_conf conf;
	struct bgp_peer_conf peers[BGP_KIT_PEERS]; /* of conf */
	nsec now;
	unsigned connects, closes[BGP_SIDES];
	uint8_t last[BGP_SIDES][1024]; /* what was pending when it was closed, from its end */
	size_t n_last[BGP_SIDES];
	uint32_t random;
	char log[400];
};

static inline uint32_t bgp_kit_random(void *ctx)
{
	struct bgp_kit *k = ctx;
	return k->random = k->random * 1664525 + 1013904223;
}

static inline void bgp_kit_connect(void *ctx, struct bgp_peer *p)
{
	struct bgp_kit *k = ctx;
	(void)p;
	k->connects++;
}

static inline void bgp_kit_close(void *ctx, struct bgp_peer *p, enum bgp_side side)
{
	struct bgp_kit *k = ctx;
	struct span s = bgp_peer_pending(p, side);
	if (s.n > sizeof(k->last[side]))
		span_take(&s, s.n - sizeof(k->last[side]));
	k->n_last[side] = s.n;
	if (s.n)
		memcpy(k->last[side], s.p, s.n);
	k->closes[side]++;
}

static inline void bgp_kit_log(void *ctx, enum log_level level, const char *text)
{
	struct bgp_kit *k = ctx;
	(void)level;
	strncpy(k->log, text, sizeof(k->log) - 1);
}

static inline void bgp_kit_start(struct bgp_kit *k)
{
	memset(k, 0, sizeof(*k));
	test_alloc_init(&k->memory);
	k->now = (nsec){NSEC_S(1000)};
	k->env = (struct bgp_env){.ctx = k,
				  .alloc = &k->memory.alloc,
				  .counters = &k->counters,
				  .random = bgp_kit_random,
				  .connect = bgp_kit_connect,
				  .close = bgp_kit_close,
				  .log = bgp_kit_log};
	bgp_speaker_init(&k->speaker, &k->env, 1, k->now);
	k->conf.as = 65000;
	k->conf.router_id = ip_addr_v4(0xC0000201);
	k->conf.peers = k->peers;
	k->conf.n_peers = 1;
	struct bgp_peer_conf *p = &k->conf.peers[0];
	strcpy(p->name, "192.0.2.2");
	p->session = (struct bgp_session_conf){.addr = ip_addr_v4(0xC0000202),
					       .remote_as = 65001,
					       .connect_retry_s = 30,
					       .port = BGP_PORT,
					       .keepalive_s = 60,
					       .hold_s = 180};
	p->policy = (struct bgp_policy){
		.med = 1, .local_pref = 100, .n_communities = 1, .communities = {BGP_NO_EXPORT}};
	bgp_speaker_conf(&k->speaker, &k->conf, k->now);
	k->peer = bgp_speaker_next(&k->speaker, NULL);
}

static inline void bgp_kit_stop(struct bgp_kit *k)
{
	bgp_speaker_fini(&k->speaker);
}

static inline const struct ip_addr *bgp_kit_local(void)
{
	static const struct ip_addr local = {4, {192, 0, 2, 1}};
	return &local;
}

#endif
