/* test_ppp_conf.h - a configuration of PPP like the default one, for links under test. */
#ifndef LNS_TEST_PPP_CONF_H
#define LNS_TEST_PPP_CONF_H

#include "ppp/ppp_conf.h"

static inline struct ppp_conf test_ppp_conf(void)
{
	return (struct ppp_conf){
		.mru = 1462,
		.restart_ms = 3000,
		.first_restart_ms = 200,
		.max_configure = 10,
		.max_failure = 5,
		.max_terminate = 2,
		.n_auth = 2,
		.auth = {AUTH_CHAP, AUTH_PAP},
		.chap_name = "lns",
		.auth_timeout_s = 60,
		.echo_interval_s = 10,
		.echo_fail_s = 240,
		.peer_ip = ip_addr_v4(0x0A000001),
	};
}

#endif
