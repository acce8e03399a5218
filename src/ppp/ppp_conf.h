/*
 * ppp_conf.h - what the PPP machines are told by the configuration. An immutable snapshot: the
 * shell replaces the whole struct.
 */
#ifndef LNS_PPP_CONF_H
#define LNS_PPP_CONF_H

#include "base/facts.h"

struct ppp_conf {
	uint16_t mru;		   /* what we ask for and the MTU toward the subscriber */
	uint16_t restart_ms;	   /* restart timer (RFC 1661 4.6) */
	uint16_t first_restart_ms; /* of the first LCP request, short: pppd may not run yet */
	uint16_t max_configure;	   /* Configure-Requests without an answer */
	uint16_t max_failure;	   /* Naks before Rejects */
	uint16_t max_terminate;	   /* Terminate-Requests without an answer (2) */
	uint8_t n_auth;		   /* 0..2 */
	uint16_t auth[2];	   /* enum auth_proto, preferred first */
	char chap_name[LNS_HOSTNAME_MAX];
	uint32_t chap_interval_s;   /* periodic re-challenge; 0 = never */
	uint16_t auth_timeout_s;    /* whole authentication phase, AAA included (60) */
	uint16_t echo_interval_s;   /* echo_timeout: silence before an Echo-Request */
	uint16_t echo_fail_s;	    /* idle_echo_timeout: silence before the session is dead */
	bool echo_only_idle;	    /* ppp_keepalive: yes = only when the link was silent */
	bool proxy_lcp, proxy_auth; /* use the LAC's; off by default, kept for later */
	struct ip_addr peer_ip;	    /* our IPCP address when the profile has none */
};

#endif
