#include "control/cli_show.h"

#include <ctype.h>
#include <stdio.h>

#include "ppp/ppp.h"
#include "ppp/ppp_fsm.h"

void show_clear(struct show_text *t)
{
	t->n = 0;
	t->s[0] = '\0';
}

void show_line(struct show_text *t, const char *format, ...)
{
	size_t room = sizeof(t->s) - t->n;
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->s + t->n, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n + 2 > room) {
		t->s[t->n] = '\0'; /* whole lines only */
		return;
	}
	t->n += (size_t)n;
	t->s[t->n++] = '\n';
	t->s[t->n] = '\0';
}

/* ---- pieces of lines ------------------------------------------------------------------------- */

enum { NAME_TEXT = LNS_USER_MAX + 1 };

/* What a peer sent, as something that a terminal prints as itself. */
static const char *printable(const uint8_t *bytes, size_t n, char out[static NAME_TEXT])
{
	if (n > NAME_TEXT - 1)
		n = NAME_TEXT - 1;
	for (size_t i = 0; i < n; i++)
		out[i] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '?';
	out[n] = '\0';
	return out;
}

static const char *text_or(const struct msg_text *text, const char *none,
			   char out[static NAME_TEXT])
{
	return text->n ? printable(text->s, text->n, out) : none;
}

static const char *user_or(const struct session_view *v, const char *none,
			   char out[static NAME_TEXT])
{
	return v->user_len ? printable(v->user, v->user_len, out) : none;
}

/* Seconds left of a limit; 0 also when there is none. */
static uint32_t remaining(uint32_t limit_s, uint32_t passed_s)
{
	return limit_s > passed_s ? limit_s - passed_s : 0;
}

static void show_detail(struct show_text *t, const char *label, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One line "label: value" of a detailed display. */
static void show_detail(struct show_text *t, const char *label, const char *format, ...)
{
	char value[512], title[32];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	snprintf(title, sizeof(title), "%s:", label);
	show_line(t, "\t%-16s%s", title, value);
}

/* ---- sessions -------------------------------------------------------------------------------- */

void show_session_header(struct show_text *t)
{
	show_line(t, "%5s %7s %5s %-32s %-15s %s %s %s %s %10s %10s %10s %4s %10s %-18s %s", "SID",
		  "LkToSID", "TID", "Username", "IP", "I", "T", "G", "6", "opened", "downloaded",
		  "uploaded", "idle", "Rem.Time", "LAC(L)/RLNS(R)/PPPOE(P)", "CLI");
}

void show_session_line(struct show_text *t, const struct session_view *v)
{
	char user[NAME_TEXT], calling[NAME_TEXT], ip[IP_ADDR_TEXT], lac[IP_ADDR_TEXT];

	show_line(t, "%5u %7u %5u %-32s %-15s %s %s %s %s %10u %10llu %10llu %4u %10u %3s%-15s %s",
		  v->key.sid, 0u, v->key.tid, v->authenticated ? user_or(v, "*", user) : "*",
		  ip_addr_text(&v->ip, ip), ip_addr_is_set(&v->policy.intercept.ip) ? "Y" : "N",
		  v->policy.rate_up || v->policy.rate_down ? "Y" : "N",
		  v->policy.garden ? "Y" : "N", "N", v->opened_s,
		  (unsigned long long)v->counters.down_bytes,
		  (unsigned long long)v->counters.up_bytes, v->idle_s,
		  remaining(v->session_timeout_s, v->opened_s), "(L)",
		  ip_addr_text(&v->path.peer.ip, lac), text_or(&v->calling, "*", calling));
}

static const char *phase_name(uint8_t phase)
{
	static const char *const names[] = {
		[PPP_DEAD] = "Dead",
		[PPP_ESTABLISH] = "Establish",
		[PPP_AUTHENTICATE] = "Authenticate",
		[PPP_NETWORK] = "Network",
		[PPP_TERMINATE] = "Terminate",
	};
	return phase < sizeof(names) / sizeof(names[0]) && names[phase] ? names[phase] : "unknown";
}

static const char *state_name(uint8_t state)
{
	static const char *const names[PPP_STATES] = {
		[PPP_INITIAL] = "Initial",	 [PPP_STARTING] = "Starting",
		[PPP_CLOSED] = "Closed",	 [PPP_STOPPED] = "Stopped",
		[PPP_CLOSING] = "Closing",	 [PPP_STOPPING] = "Stopping",
		[PPP_REQ_SENT] = "Request-Sent", [PPP_ACK_RCVD] = "Ack-Received",
		[PPP_ACK_SENT] = "Ack-Sent",	 [PPP_OPENED] = "Opened",
	};
	return state < PPP_STATES ? names[state] : "unknown";
}

static void show_ppp(struct show_text *t, const struct msg_session_info *info)
{
	if (!info || !info->found) {
		show_detail(t, "PPP Phase", "unknown");
		return;
	}
	show_detail(t, "PPP Phase", "%s", phase_name(info->phase));
	if (info->phase == PPP_ESTABLISH)
		show_detail(t, "LCP state", "%s", state_name(info->lcp));
	if (info->phase != PPP_AUTHENTICATE && info->phase != PPP_NETWORK)
		return;
	show_detail(t, "IPCP state", "%s", state_name(info->ipcp));
	show_detail(t, "IPV6CP state", "%s", state_name(info->ipv6cp));
	show_detail(t, "CCP state", "%s", state_name(info->ccp));
}

static void show_addresses(struct show_text *t, const struct session_view *v)
{
	char text[IP_ADDR_TEXT], prefix[IP_PREFIX_TEXT];

	show_detail(t, "IP address", "%s%s", ip_addr_text(&v->ip, text),
		    v->ip_from_pool ? " (pool)" : "");
	for (unsigned i = 0; i < v->n_routes; i++)
		show_detail(t, "Route", "%s", ip_prefix_text(&v->routes[i], prefix));
	for (unsigned i = 0; i < 2; i++)
		if (ip_addr_is_set(&v->dns[i]))
			show_detail(t, i ? "DNS 2" : "DNS 1", "%s", ip_addr_text(&v->dns[i], text));
}

static void show_times(struct show_text *t, const struct session_view *v)
{
	show_detail(t, "Opened", "%u seconds", v->opened_s);
	show_detail(t, "Idle time", "%u seconds", v->idle_s);
	if (v->session_timeout_s)
		show_detail(t, "Sess Timeout", "%u seconds",
			    remaining(v->session_timeout_s, v->opened_s));
	if (v->idle_timeout_s)
		show_detail(t, "Idle Timeout", "%u seconds",
			    remaining(v->idle_timeout_s, v->idle_s));
}

static const char *rate_text(uint64_t rate, char *out, size_t n)
{
	if (rate)
		snprintf(out, n, "%llukbps", (unsigned long long)rate / 1000);
	else
		snprintf(out, n, "-");
	return out;
}

enum { RATE_TEXT = 28, RATES_TEXT = 2 * RATE_TEXT + 8 };

/* "YES (64kbps/-)": from the user, to the user. */
static const char *throttle_text(const struct session_view *v, char out[static RATES_TEXT])
{
	char up[RATE_TEXT], down[RATE_TEXT];

	if (!v->policy.rate_up && !v->policy.rate_down)
		return "no";
	snprintf(out, RATES_TEXT, "YES (%s/%s)", rate_text(v->policy.rate_up, up, sizeof(up)),
		 rate_text(v->policy.rate_down, down, sizeof(down)));
	return out;
}

void show_throttle_header(struct show_text *t)
{
	show_line(t, "%5s %5s %-32s %10s %10s %8s %8s %10s %10s", "SID", "TID", "Username",
		  "Rate-In", "Out", "Queued-I", "O", "Dropped-I", "O");
}

void show_throttle_line(struct show_text *t, const struct session_view *v,
			const struct core_shaper way[2])
{
	char user[NAME_TEXT];

	show_line(t, "%5u %5u %-32s %10llu %10llu %8u %8u %10llu %10llu", v->key.sid, v->key.tid,
		  user_or(v, "*", user), (unsigned long long)v->policy.rate_up / 1000,
		  (unsigned long long)v->policy.rate_down / 1000, way[0].queued, way[1].queued,
		  (unsigned long long)way[0].dropped, (unsigned long long)way[1].dropped);
}

void show_session_detail(struct show_text *t, const struct session_view *v,
			 const struct msg_session_info *info)
{
	char collector[SOCK_ADDR_TEXT], rates[RATES_TEXT];
	char text[NAME_TEXT], lac[SOCK_ADDR_TEXT];
	const struct sess_counters *n = &v->counters;

	show_line(t, "Session %u:", v->key.sid);
	show_detail(t, "User", "%s", user_or(v, "none", text));
	show_detail(t, "Calling Num", "%s", text_or(&v->calling, "", text));
	show_detail(t, "Called Num", "%s", text_or(&v->called, "", text));
	show_detail(t, "Tunnel ID", "%u", v->key.tid);
	show_detail(t, "LAC", "%s (%s), its ids %u/%u", text_or(&v->lac_name, "no name", text),
		    sock_addr_text(&v->path.peer, lac), v->peer_tid, v->peer_sid);
	show_detail(t, "Worker", "%u", v->worker);
	show_ppp(t, info);
	show_addresses(t, v);
	show_detail(t, "Unique SID", "%u", v->unique_id);
	show_times(t, v);
	show_detail(t, "Bytes In/Out", "%llu/%llu", (unsigned long long)n->down_bytes,
		    (unsigned long long)n->up_bytes);
	show_detail(t, "Pkts In/Out", "%llu/%llu", (unsigned long long)n->down_packets,
		    (unsigned long long)n->up_packets);
	if (info && info->found)
		show_detail(t, "MRU", "%u", info->mru);
	show_detail(t, "Rx Speed", "%llu", (unsigned long long)v->rx_speed);
	show_detail(t, "Tx Speed", "%llu", (unsigned long long)v->tx_speed);
	if (v->policy.filter_in[0])
		show_detail(t, "Filter in", "%s", v->policy.filter_in);
	if (v->policy.filter_out[0])
		show_detail(t, "Filter out", "%s", v->policy.filter_out);
	show_detail(t, "Intercepted", "%s",
		    ip_addr_is_set(&v->policy.intercept.ip)
			    ? sock_addr_text(&v->policy.intercept, collector)
			    : "no");
	show_detail(t, "Walled Garden", "%s", v->policy.garden ? "YES" : "no");
	show_detail(t, "Throttled", "%s", throttle_text(v, rates));
}

/* ---- tunnels --------------------------------------------------------------------------------- */

static const char *tunnel_state_name(uint8_t state)
{
	static const char *const names[] = {
		[TUNNEL_FREE] = "Free",
		[TUNNEL_OPEN] = "Open",
		[TUNNEL_CLOSING] = "Closing",
		[TUNNEL_OPENING] = "Opening",
	};
	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

void show_tunnel_header(struct show_text *t)
{
	show_line(t, "%5s %20s %20s %6s %s", "TID", "Hostname", "IP", "State", "Sessions");
}

void show_tunnel_line(struct show_text *t, const struct tunnel_view *v, bool all)
{
	char name[NAME_TEXT], ip[IP_ADDR_TEXT];

	bool live = ip_addr_is_set(&v->path.peer.ip) && v->state != TUNNEL_CLOSING &&
		    v->state != TUNNEL_FREE;
	if (!live && !all)
		return;
	show_line(t, "%5u %20s %20s %6s %6u   %s", v->tid, text_or(&v->host_name, "(null)", name),
		  ip_addr_text(&v->path.peer.ip, ip), tunnel_state_name(v->state), v->sessions,
		  "to LAC");
}

void show_tunnel_detail(struct show_text *t, const struct tunnel_view *v,
			const struct msg_tunnel_info *info)
{
	char name[NAME_TEXT], ip[IP_ADDR_TEXT];

	show_line(t, "Tunnel %u:", v->tid);
	show_detail(t, "State", "%s", tunnel_state_name(v->state));
	show_detail(t, "Hostname", "%s", text_or(&v->host_name, "(null)", name));
	show_detail(t, "Vendor", "%s", text_or(&v->vendor, "(null)", name));
	show_detail(t, "Remote IP", "%s", ip_addr_text(&v->path.peer.ip, ip));
	show_detail(t, "Remote Port", "%u", v->path.peer.port);
	show_detail(t, "Remote ID", "%u", v->peer_tid);
	show_detail(t, "Rx Window", "%u", v->peer_window);
	if (info && info->found) {
		show_detail(t, "Next Recv", "%u", info->nr);
		show_detail(t, "Next Send", "%u", info->ns);
		show_detail(t, "Queue Len", "%u", info->queued);
		show_detail(t, "Last Packet Age", "%u", info->idle_s);
	}
	show_detail(t, "Opened", "%u seconds", v->age_s);
}

void show_tunnel_sessions(struct show_text *t, const uint16_t *sids, unsigned n, bool first)
{
	enum { PER_LINE = 16 };

	if (first && n == 0)
		show_detail(t, "Sessions", "none");
	for (unsigned at = 0; at < n; at += PER_LINE) {
		char ids[PER_LINE * 6 + 1] = "";
		size_t used = 0;
		for (unsigned i = at; i < n && i < at + PER_LINE; i++)
			used += (size_t)snprintf(ids + used, sizeof(ids) - used, "%u ", sids[i]);
		ids[used - 1] = '\0';
		if (first && at == 0)
			show_detail(t, "Sessions", "%s", ids);
		else
			show_line(t, "\t%-16s%s", "", ids);
	}
}

/* ---- users and pool -------------------------------------------------------------------------- */

void show_user_line(struct show_text *t, const struct session_view *v)
{
	char user[NAME_TEXT];

	if (v->authenticated && v->user_len)
		show_line(t, "%s", user_or(v, "", user));
}

void show_pool_header(struct show_text *t)
{
	show_line(t, "%-15s %4s %11s %s", "IP Address", "Used", "Session", "User");
}

void show_pool_line(struct show_text *t, const struct ippool_view *v, bool all)
{
	char ip[IP_ADDR_TEXT], user[NAME_TEXT], session[16], pool[LNS_POOL_NAME_MAX + 8] = "";

	/* Behind what scripts know; most have no named pools. */
	if (v->pool && v->pool[0] != '\0')
		snprintf(pool, sizeof(pool), " pool %s", v->pool);
	ip_addr_text(&v->ip, ip);
	printable(v->user, v->user_len, user);
	if (v->used) {
		snprintf(session, sizeof(session), "%u/%u", v->key.tid, v->key.sid);
		show_line(t, "%-15s %4s %11s %s%s", ip, "Y", session, user, pool);
	} else if (v->user_len) {
		show_line(t, "%-15s %4s %11s [%s] %us%s", ip, "N", "", user, v->age_s, pool);
	} else if (all) {
		show_line(t, "%-15s %4s%s", ip, "N", pool);
	}
}

void show_pool_name(struct show_text *t, const struct ippool_name_view *v)
{
	show_line(t, "%-15s used %u of %u%s%s", v->name[0] ? v->name : "(no name)", v->used,
		  v->total, v->next[0] ? ", then " : "", v->next);
}

void show_pool_totals(struct show_text *t, uint32_t used, uint32_t total)
{
	show_line(t, "%s", "");
	show_line(t, "Free: %u", total - used);
	show_line(t, "Used: %u", used);
}

/* ---- counters -------------------------------------------------------------------------------- */

void counter_totals_read(struct counter_totals *t, const struct counters *const *blocks, unsigned n,
			 const struct counter_totals *base)
{
	*t = (struct counter_totals){0};
	for (unsigned b = 0; b < n; b++) {
		for (unsigned i = 0; i < COUNTERS; i++)
			t->events[i] += counter_get(blocks[b], (enum counter)i);
		for (unsigned i = 0; i < DROPS; i++)
			t->drops[i] += counter_drops(blocks[b], (enum drop)i);
	}
	for (unsigned i = 0; base && i < COUNTERS; i++)
		t->events[i] -= base->events[i];
	for (unsigned i = 0; base && i < DROPS; i++)
		t->drops[i] -= base->drops[i];
}

/* Names that monitoring scripts know from the original, where ours differ. */
static const char *classic_name(enum counter which)
{
	switch (which) {
	case C_TUNNELS_CREATED:
		return "tunnel_created";
	case C_SESSIONS_CREATED:
		return "session_created";
	case C_TUNNEL_TIMEOUTS:
		return "tunnel_timeout";
	case C_SESSION_TIMEOUTS:
		return "session_timeout";
	case C_RADIUS_TIMEOUTS:
		return "radius_timeout";
	default:
		return counter_name(which);
	}
}

static void show_value(struct show_text *t, const char *prefix, const char *name, uint64_t value)
{
	char text[48];
	size_t n = 0;

	n += (size_t)snprintf(text, sizeof(text), "%s", prefix);
	for (; *name && n + 1 < sizeof(text); name++)
		text[n++] = (char)tolower((unsigned char)*name);
	text[n] = '\0';
	show_line(t, "%-30s%llu", text, (unsigned long long)value);
}

static void show_device(struct show_text *t, const char *name, const char *last,
			const uint64_t rx[4], const uint64_t tx[4])
{
	show_line(t, "%-10s %16s %14s %10s %10s", name, "Bytes", "Packets", "Errors", last);
	show_line(t, "%-10s %16llu %14llu %10llu %10llu", "RX", (unsigned long long)rx[0],
		  (unsigned long long)rx[1], (unsigned long long)rx[2], (unsigned long long)rx[3]);
	show_line(t, "%-10s %16llu %14llu %10llu %10llu", "TX", (unsigned long long)tx[0],
		  (unsigned long long)tx[1], (unsigned long long)tx[2], (unsigned long long)tx[3]);
	show_line(t, "%s", "");
}

void show_counters(struct show_text *t, const struct counter_totals *c, const char *reset)
{
	const uint64_t *e = c->events, *d = c->drops;
	uint64_t bad_l2tp = d[DROP_L2TP_SHORT] + d[DROP_L2TP_VERSION] + d[DROP_L2TP_FLAGS] +
			    d[DROP_L2TP_LENGTH] + d[DROP_L2TP_OFFSET];
	uint64_t tun_rx[4] = {e[C_DOWN_BYTES], e[C_DOWN_PACKETS], d[DROP_TUN_FORMAT],
			      d[DROP_NO_ROUTE] + d[DROP_STALE_ROUTE]};
	uint64_t tun_tx[4] = {e[C_UP_BYTES], e[C_UP_PACKETS], d[DROP_TUN_SEND], 0};
	uint64_t lac_rx[4] = {e[C_L2TP_RX_BYTES], e[C_L2TP_RX_PACKETS], bad_l2tp, 0};
	uint64_t lac_tx[4] = {e[C_L2TP_TX_BYTES], e[C_L2TP_TX_PACKETS], d[DROP_SOCKET_SEND],
			      e[C_CONTROL_RETRANSMITS]};

	show_device(t, "Ethernet", "Dropped", tun_rx, tun_tx);
	show_device(t, "Tunnel", "Retries", lac_rx, lac_tx);
	show_line(t, "%-30s%s", "Counter", "Value");
	show_line(t, "%-30s%s", "-----------------------------", "----------");
	for (unsigned i = 0; i < COUNTERS; i++)
		show_value(t, "", classic_name((enum counter)i), e[i]);
	for (unsigned i = 0; i < DROPS; i++)
		show_value(t, "drop_", drop_name((enum drop)i), d[i]);
	show_line(t, "%s", "");
	show_line(t, "Last counter reset %s", reset);
}

/* ---- uptime ---------------------------------------------------------------------------------- */

static void duration(uint64_t s, char out[static 48])
{
	unsigned long long days = s / 86400, hours = s % 86400 / 3600, minutes = s % 3600 / 60;
	int n = 0;

	if (days)
		n = snprintf(out, 48, "%llu day%s, ", days, days == 1 ? "" : "s");
	if (hours)
		snprintf(out + n, 48u - (size_t)n, "%llu:%02llu", hours, minutes);
	else if (minutes || days)
		snprintf(out + n, 48u - (size_t)n, "%llu min%s", minutes, minutes == 1 ? "" : "s");
	else
		snprintf(out + n, 48u - (size_t)n, "%llu sec%s", (unsigned long long)s,
			 s == 1 ? "" : "s");
}

static double mbit(uint64_t bytes)
{
	return (double)bytes * 8 / 1048576;
}

void show_uptime(struct show_text *t, const struct uptime_view *v)
{
	const struct rates_view *r = &v->rates;
	char up[48];

	duration(v->up_s, up);
	show_line(t, "%s up %s, %u users, load average: %.2f, %.2f, %.2f", v->clock, up, v->users,
		  v->load[0], v->load[1], v->load[2]);
	show_line(t,
		  "Bandwidth: UDP-ETH:%.0f/%.0f  ETH-UDP:%.0f/%.0f  TOTAL:%.1f   IN:%llu OUT:%llu",
		  mbit(r->lac_rx_bytes), mbit(r->tun_tx_bytes), mbit(r->tun_rx_bytes),
		  mbit(r->lac_tx_bytes),
		  mbit(r->lac_rx_bytes + r->tun_tx_bytes + r->tun_rx_bytes + r->lac_tx_bytes),
		  (unsigned long long)r->in_packets, (unsigned long long)r->out_packets);
}
