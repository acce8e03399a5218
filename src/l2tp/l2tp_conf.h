/*
 * l2tp_conf.h - what the L2TP machines are told by the configuration. An immutable snapshot: the
 * shell replaces the whole struct.
 */
#ifndef LNS_L2TP_CONF_H
#define LNS_L2TP_CONF_H

#include "base/facts.h"

enum { L2TP_NAMES_MAX = 4 };

/* The Host Name of tunnels to one of our addresses. */
struct l2tp_name {
	struct ip_addr at;
	char host_name[LNS_HOSTNAME_MAX];
};

struct l2tp_conf {
	uint8_t n_names;
	struct l2tp_name names[L2TP_NAMES_MAX]; /* addresses that have a name of their own */
	char host_name[LNS_HOSTNAME_MAX];	/* Host Name AVP and default CHAP name */
	char secret[LNS_SECRET_MAX];		/* "" = none */
	bool require_auth;			/* challenge every peer; needs a secret */
	uint16_t window;			/* Receive Window Size AVP, 128 by default */
	uint16_t max_retries;	   /* resends of one message before the tunnel is dead (5) */
	uint16_t retransmit_cap_s; /* longest wait between two resends (8) */
	uint16_t hello_interval_s; /* silence before HELLO (60); 0 = never */
	bool follow_peer;	   /* auth_tunnel_change_addr_src: follow a peer's new address */
	uint32_t max_tunnels;	   /* of this worker */
	uint32_t max_half_open;	   /* tunnels before SCCCN, of this worker */
	uint32_t max_half_open_per_source;
	uint32_t max_sessions; /* of this worker's tunnels */
	bool refuse_new;       /* shutting down: answer SCCRQ with StopCCN 6, ICRQ with CDN */
};

#endif
