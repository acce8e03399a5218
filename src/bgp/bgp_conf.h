/*
 * bgp_conf.h - the `router bgp` block as numbers: made by the configuration (control/conf_bgp.h),
 * used by the speaker. Unset addresses have family 0.
 */
#ifndef LNS_BGP_CONF_H
#define LNS_BGP_CONF_H

#include "bgp/bgp_update.h"

enum {
	BGP_NETWORKS_MAX = 64,
	BGP_NAME_MAX = 254,	/* with the NUL */
	BGP_INTERFACE_MAX = 16, /* with the NUL */
	BGP_PASSWORD_MAX = 81,	/* TCP_MD5SIG_MAXKEYLEN and the NUL */
	BGP_KEEPALIVE_S = 60,
	BGP_HOLD_S = 180,
	BGP_CONNECT_RETRY_S = 30,
	BGP_MED = 1,
	BGP_LOCAL_PREF = 100,
};

/* What a neighbour is told about its routes; changes need no new session. */
struct bgp_policy {
	uint32_t med, local_pref;
	uint8_t prepend, n_communities;
	uint32_t communities[BGP_COMMUNITIES_MAX];
	struct ip_addr next_hop[BGP_FAMILIES];
};

/* What the session itself depends on. */
struct bgp_session_conf {
	struct ip_addr addr; /* unset: the name could not be resolved */
	struct ip_addr source;
	char interface[BGP_INTERFACE_MAX]; /* of a link-local address */
	uint32_t remote_as;		   /* 0 = ours */
	uint32_t connect_retry_s;
	uint16_t port, keepalive_s, hold_s;
	uint16_t restart_s; /* graceful restart; 0 = off */
	uint8_t ttl;	    /* of ebgp-multihop; 0 = the system's */
	uint8_t gtsm_hops;  /* of ttl-security (RFC 5082); 0 = off */
	bool passive;	    /* never connects */
	char password[BGP_PASSWORD_MAX];
};

struct bgp_peer_conf {
	char name[BGP_NAME_MAX]; /* as in the configuration */
	struct bgp_session_conf session;
	struct bgp_policy policy;
};

struct bgp_conf {
	uint32_t as; /* 0: no BGP */
	struct ip_addr router_id;
	bool aggregate; /* what lies within an announced network is not announced itself */
	unsigned n_networks;
	struct ip_prefix networks[BGP_NETWORKS_MAX]; /* announced besides the pool's */
	unsigned n_peers, room;
	struct bgp_peer_conf *peers;
	const struct alloc *alloc; /* where they come from, NULL: of the caller's own */
};

#endif
