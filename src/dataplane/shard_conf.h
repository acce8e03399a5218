/*
 * shard_conf.h - everything that a worker is told by the configuration, as one immutable snapshot
 * published under RCU: a worker takes the pointer once per turn and gives it to its shards.
 */
#ifndef LNS_SHARD_CONF_H
#define LNS_SHARD_CONF_H

#include "base/facts.h"
#include "l2tp/l2tp_conf.h"
#include "ppp/ppp_conf.h"

struct dp_acls; /* dataplane/dp_acl.h */

struct dp_conf {
	uint16_t mru;		    /* inner MTU toward subscribers */
	uint16_t mss;		    /* TCP MSS clamp; 0 = off */
	bool no_spoof_check;	    /* disable_no_spoof */
	bool follow_peer;	    /* accept data of a tunnel from another address */
	uint32_t busy_poll_us;	    /* polls so long before it sleeps; 0 = sleeps at once */
	uint32_t icmp_rate;	    /* ICMP errors per second and worker; 0 = none unreachable */
	struct ip_addr icmp_source; /* source of ICMP errors; tun address */
	uint32_t packet_limit;	    /* packets toward one session in 0.1 s; 0 = no limit */
	uint32_t burst_ms;	    /* of throttled sessions that have no burst of their own */
	uint32_t hold_mb;	    /* of packets that wait in each worker's shapers; from start */
	bool no_throttle_local;	    /* traffic between two sessions is not shaped */
	const struct dp_acls *acls; /* NULL: none */
};

struct shard_conf {
	uint64_t version;
	struct l2tp_conf l2tp;
	struct ppp_conf ppp;
	struct dp_conf dp;
	struct trace_names trace;
};

#endif
