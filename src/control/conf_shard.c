#include "base/panic.h"
#include "control/conf.h"

enum {
	/* Outer IPv4, UDP, L2TP with length, PPP: what the path to the LAC takes away. */
	L2TP_OVERHEAD = 38,
	MRU_MAX = 1492, /* Ethernet less PPPoE, behind which most subscribers are */
	MRU_MIN = 576,	/* RFC 791: what every host takes */
	TCP_HEADERS = 40,
	FIRST_RESTART_MS = 300, /* pppd of a real client runs 100 to 250 ms after ICCN */
	MAX_TERMINATE = 2,	/* RFC 1661 4.6 */
};

/* A worker's part of a limit of the whole program, at least 1. */
static uint32_t share(uint32_t limit, unsigned n_workers)
{
	return (uint32_t)(((uint64_t)limit + n_workers - 1) / n_workers);
}

static void copy_name(char *out, size_t cap, const char *name)
{
	size_t n = strnlen(name, cap - 1);
	memset(out, 0, cap);
	memcpy(out, name, n);
}

static uint16_t mru_of(const struct conf *c)
{
	uint32_t mru = c->l2tp_mtu - L2TP_OVERHEAD;
	if (mru > MRU_MAX)
		mru = MRU_MAX;
	return (uint16_t)(mru < MRU_MIN ? MRU_MIN : mru);
}

static const char *host_name_of(const struct conf *c)
{
	return c->n_hostnames ? c->hostnames[0] : c->hostname;
}

/* The n-th name belongs to the n-th address (multi_hostname). */
static void fill_names(const struct conf *c, struct l2tp_conf *out)
{
	_Static_assert((int)L2TP_NAMES_MAX == (int)CONF_BIND_MAX, "one name for each address");
	out->n_names = c->n_hostnames < c->n_bind ? c->n_hostnames : c->n_bind;
	for (unsigned i = 0; i < out->n_names; i++) {
		out->names[i].at = c->bind[i];
		copy_name(out->names[i].host_name, LNS_HOSTNAME_MAX, c->hostnames[i]);
	}
}

static void fill_l2tp(const struct conf *c, unsigned n_workers, struct l2tp_conf *out)
{
	copy_name(out->host_name, sizeof(out->host_name), host_name_of(c));
	fill_names(c, out);
	copy_name(out->secret, sizeof(out->secret), c->l2tp_secret);
	out->require_auth = c->l2tp_require_auth;
	/* Nothing to challenge with: rather no tunnel than one that was not checked. */
	out->refuse_new = c->l2tp_require_auth && c->l2tp_secret[0] == '\0';
	out->window = (uint16_t)c->l2tp_window;
	out->max_retries = (uint16_t)c->l2tp_retries;
	out->retransmit_cap_s = (uint16_t)c->l2tp_retransmit_cap;
	out->hello_interval_s = c->disable_sending_hello ? 0 : (uint16_t)c->hello_interval;
	out->follow_peer = c->auth_tunnel_change_addr_src;
	out->max_tunnels = share(c->max_tunnels, n_workers);
	out->max_half_open = share(c->max_half_open, n_workers);
	/* Not shared out: all SCCRQs from one address and port meet the same worker. */
	out->max_half_open_per_source = c->max_half_open_per_source;
	/* One tunnel may hold them all, and its calls live on its worker. */
	out->max_sessions = c->max_sessions;
}

static void fill_ppp(const struct conf *c, struct ppp_conf *out)
{
	uint32_t restart_ms = c->ppp_restart_time * 1000;

	out->mru = mru_of(c);
	out->restart_ms = (uint16_t)restart_ms;
	out->first_restart_ms = FIRST_RESTART_MS;
	out->max_configure = (uint16_t)c->ppp_max_configure;
	out->max_failure = (uint16_t)c->ppp_max_failure;
	out->max_terminate = MAX_TERMINATE;
	out->n_auth = c->n_auth;
	for (unsigned i = 0; i < c->n_auth; i++)
		out->auth[i] = (uint16_t)c->auth[i];
	copy_name(out->chap_name, sizeof(out->chap_name), host_name_of(c));
	out->chap_interval_s = c->chap_rechallenge;
	out->auth_timeout_s = (uint16_t)c->ppp_auth_timeout;
	out->echo_interval_s = (uint16_t)c->echo_timeout;
	out->echo_fail_s =
		c->idle_echo_timeout > UINT16_MAX ? UINT16_MAX : (uint16_t)c->idle_echo_timeout;
	out->echo_only_idle = c->ppp_keepalive;
	out->peer_ip = ip_addr_is_set(&c->peer_address) ? c->peer_address : c->tun_address;
}

void conf_to_shard(const struct conf *c, unsigned n_workers, struct shard_conf *out)
{
	LNS_ASSERT(n_workers > 0);

	memset(out, 0, sizeof(*out));
	fill_l2tp(c, n_workers, &out->l2tp);
	fill_ppp(c, &out->ppp);
	out->dp.mru = out->ppp.mru;
	out->dp.mss = c->mss_clamp ? (uint16_t)(out->dp.mru - TCP_HEADERS) : 0;
	out->dp.no_spoof_check = c->disable_no_spoof;
	out->dp.follow_peer = c->auth_tunnel_change_addr_src;
	out->dp.busy_poll_us = (uint32_t)c->busy_poll;
	out->dp.icmp_rate = share(c->icmp_rate, n_workers);
	out->dp.icmp_source = c->tun_address;
	out->dp.packet_limit = c->packet_limit;
	out->dp.burst_ms = c->throttle_burst;
	out->dp.hold_mb = c->throttle_memory;
	out->dp.no_throttle_local = c->no_throttle_local_IP;
}
