#include "control/cli_json.h"

#include <ctype.h>

#include "base/crypto.h"
#include "control/conf_bgp.h"
#include "control/conf_parse.h"
#include "control/lexer.h"

json_t *json_text(const void *bytes, size_t n)
{
	char text[CONF_VALUE_TEXT];
	const uint8_t *b = bytes;

	if (n > sizeof(text))
		n = sizeof(text);
	for (size_t i = 0; i < n; i++)
		text[i] = b[i] >= 0x20 && b[i] < 0x7F ? (char)b[i] : '?';
	json_t *s = json_stringn(text, n);
	mem_wipe(text, sizeof(text));
	return s;
}

static json_t *text_of(const struct msg_text *t)
{
	return json_text(t->s, t->n);
}

static json_t *ip_of(const struct ip_addr *ip)
{
	char text[IP_ADDR_TEXT];
	return ip_addr_is_set(ip) ? json_string(ip_addr_text(ip, text)) : json_null();
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static uint32_t remaining(uint32_t limit_s, uint32_t passed_s)
{
	return limit_s > passed_s ? limit_s - passed_s : 0;
}

/* ---- sessions and tunnels -------------------------------------------------------------------- */

static json_t *routes_of(const struct session_view *v)
{
	char text[IP_PREFIX_TEXT];
	json_t *list = json_array();

	for (unsigned i = 0; i < v->n_routes; i++)
		json_array_append_new(list, json_string(ip_prefix_text(&v->routes[i], text)));
	return list;
}

static void add_info(json_t *o, const struct msg_session_info *info)
{
	if (!info || !info->found)
		return;
	json_object_set_new(o, "ppp_phase", number(info->phase));
	json_object_set_new(o, "lcp", number(info->lcp));
	json_object_set_new(o, "ipcp", number(info->ipcp));
	json_object_set_new(o, "ipv6cp", number(info->ipv6cp));
	json_object_set_new(o, "ccp", number(info->ccp));
	json_object_set_new(o, "mru", number(info->mru));
	json_object_set_new(o, "peer_mru", number(info->peer_mru));
}

static void add_traffic(json_t *o, const struct session_view *v)
{
	const struct sess_counters *n = &v->counters;

	json_object_set_new(o, "downloaded", number(n->down_bytes));
	json_object_set_new(o, "uploaded", number(n->up_bytes));
	json_object_set_new(o, "packets_down", number(n->down_packets));
	json_object_set_new(o, "packets_up", number(n->up_packets));
	json_object_set_new(o, "rx_speed", number(v->rx_speed));
	json_object_set_new(o, "tx_speed", number(v->tx_speed));
}

static void add_times(json_t *o, const struct session_view *v)
{
	json_object_set_new(o, "opened", number(v->opened_s));
	json_object_set_new(o, "idle", number(v->idle_s));
	json_object_set_new(o, "remaining",
			    v->session_timeout_s
				    ? number(remaining(v->session_timeout_s, v->opened_s))
				    : json_null());
	json_object_set_new(o, "idle_remaining",
			    v->idle_timeout_s ? number(remaining(v->idle_timeout_s, v->idle_s))
					      : json_null());
}

json_t *json_session(const struct session_view *v, const struct msg_session_info *info)
{
	json_t *o = json_object();

	json_object_set_new(o, "sid", number(v->key.sid));
	json_object_set_new(o, "tid", number(v->key.tid));
	json_object_set_new(o, "unique_sid", number(v->unique_id));
	json_object_set_new(o, "user", json_text(v->user, v->user_len));
	json_object_set_new(o, "authenticated", json_boolean(v->authenticated));
	json_object_set_new(o, "up", json_boolean(v->up));
	json_object_set_new(o, "dying", json_boolean(v->dying));
	json_object_set_new(o, "ip", ip_of(&v->ip));
	json_object_set_new(o, "ip_from_pool", json_boolean(v->ip_from_pool));
	json_object_set_new(o, "routes", routes_of(v));
	add_times(o, v);
	add_traffic(o, v);
	json_object_set_new(o, "calling", text_of(&v->calling));
	json_object_set_new(o, "called", text_of(&v->called));
	json_object_set_new(o, "lac", ip_of(&v->path.peer.ip));
	json_object_set_new(o, "lac_name", text_of(&v->lac_name));
	json_object_set_new(o, "peer_tid", number(v->peer_tid));
	json_object_set_new(o, "peer_sid", number(v->peer_sid));
	json_object_set_new(o, "worker", number(v->worker));
	char collector[SOCK_ADDR_TEXT];
	json_object_set_new(o, "rate_in", number(v->policy.rate_up));
	json_object_set_new(o, "rate_out", number(v->policy.rate_down));
	if (ip_addr_is_set(&v->policy.intercept.ip))
		json_object_set_new(o, "intercepted",
				    json_string(sock_addr_text(&v->policy.intercept, collector)));
	json_object_set_new(o, "filter_in", json_string(v->policy.filter_in));
	json_object_set_new(o, "filter_out", json_string(v->policy.filter_out));
	json_object_set_new(o, "walled_garden", json_boolean(v->policy.garden));
	add_info(o, info);
	return o;
}

json_t *json_tunnel(const struct tunnel_view *v, const struct msg_tunnel_info *info)
{
	static const char *const states[] = {[TUNNEL_FREE] = "Free",
					     [TUNNEL_OPEN] = "Open",
					     [TUNNEL_CLOSING] = "Closing",
					     [TUNNEL_OPENING] = "Opening"};
	json_t *o = json_object();

	json_object_set_new(o, "tid", number(v->tid));
	json_object_set_new(o, "peer_tid", number(v->peer_tid));
	json_object_set_new(o, "hostname", text_of(&v->host_name));
	json_object_set_new(o, "vendor", text_of(&v->vendor));
	json_object_set_new(o, "ip", ip_of(&v->path.peer.ip));
	json_object_set_new(o, "port", number(v->path.peer.port));
	json_object_set_new(o, "state", json_string(states[v->state & 3]));
	json_object_set_new(o, "sessions", number(v->sessions));
	json_object_set_new(o, "opened", number(v->age_s));
	json_object_set_new(o, "window", number(v->peer_window));
	if (info && info->found) {
		json_object_set_new(o, "next_recv", number(info->nr));
		json_object_set_new(o, "next_send", number(info->ns));
		json_object_set_new(o, "queue_len", number(info->queued));
		json_object_set_new(o, "last_packet_age", number(info->sent_age_s));
		json_object_set_new(o, "retransmits", number(info->retransmits));
	}
	return o;
}

/* ---- pool, counters, uptime ------------------------------------------------------------------ */

json_t *json_pool(const struct ippool_view *v)
{
	json_t *o = json_object();

	json_object_set_new(o, "ip", ip_of(&v->ip));
	json_object_set_new(o, "used", json_boolean(v->used));
	if (v->pool && v->pool[0] != '\0')
		json_object_set_new(o, "pool", json_string(v->pool));
	json_object_set_new(o, "user", json_text(v->user, v->user_len));
	if (v->used) {
		json_object_set_new(o, "tid", number(v->key.tid));
		json_object_set_new(o, "sid", number(v->key.sid));
	} else if (v->user_len) {
		json_object_set_new(o, "free_since", number(v->age_s));
	}
	return o;
}

static void add_lower(json_t *o, const char *name, uint64_t value)
{
	char lower[64];
	size_t n = 0;

	for (; name[n] && n + 1 < sizeof(lower); n++)
		lower[n] = (char)tolower((unsigned char)name[n]);
	lower[n] = '\0';
	json_object_set_new(o, lower, number(value));
}

json_t *json_counters(const struct counter_totals *c, const char *reset)
{
	json_t *o = json_object(), *events = json_object(), *drops = json_object();

	for (unsigned i = 0; i < COUNTERS; i++)
		add_lower(events, counter_name((enum counter)i), c->events[i]);
	for (unsigned i = 0; i < DROPS; i++)
		add_lower(drops, drop_name((enum drop)i), c->drops[i]);
	json_object_set_new(o, "counters", events);
	json_object_set_new(o, "drops", drops);
	json_object_set_new(o, "reset", json_string(reset));
	return o;
}

json_t *json_uptime(const struct uptime_view *v)
{
	json_t *o = json_object();

	json_object_set_new(o, "clock", json_string(v->clock));
	json_object_set_new(o, "uptime", number(v->up_s));
	json_object_set_new(o, "users", number(v->users));
	json_object_set_new(o, "load", json_pack("[fff]", v->load[0], v->load[1], v->load[2]));
	json_object_set_new(o, "lac_rx_bytes_per_s", number(v->rates.lac_rx_bytes));
	json_object_set_new(o, "tun_tx_bytes_per_s", number(v->rates.tun_tx_bytes));
	json_object_set_new(o, "tun_rx_bytes_per_s", number(v->rates.tun_rx_bytes));
	json_object_set_new(o, "lac_tx_bytes_per_s", number(v->rates.lac_tx_bytes));
	json_object_set_new(o, "in_packets_per_s", number(v->rates.in_packets));
	json_object_set_new(o, "out_packets_per_s", number(v->rates.out_packets));
	return o;
}

/* ---- configuration --------------------------------------------------------------------------- */

static json_t *value_of(const struct conf *c, const struct conf_var *v, bool secrets)
{
	char value[CONF_VALUE_TEXT];
	uint64_t n;
	json_t *j;

	conf_get(c, v, value);
	if (v->type == CONF_SECRET && !secrets && value[0])
		j = json_string("********");
	else if (v->type == CONF_BOOL)
		j = json_boolean(strcmp(value, "yes") == 0);
	else if (v->type == CONF_INT && lex_number(value, &n))
		j = number(n);
	else
		j = json_text(value, strlen(value));
	mem_wipe(value, sizeof(value));
	return j;
}

static json_t *blocks_of(const struct conf *c, bool secrets)
{
	json_t *list = json_array(), *block = NULL;
	char masked[2 * CONF_VALUE_TEXT];

	for (const struct conf_kept *k = c->kept; k; k = k->next) {
		bool forward = k->kind == CONF_KEPT_FORWARD && !secrets;
		if (forward)
			conf_forward_masked(k, masked, sizeof(masked));
		bool hide = forward || (!secrets && conf_bgp_masked(k, masked, sizeof(masked)));
		if (k->head) {
			block = json_array();
			json_array_append_new(list, block);
		}
		json_array_append_new(block, hide ? json_string(masked + strspn(masked, " "))
						  : json_text(k->text->s, k->text->n));
	}
	return list;
}

json_t *json_conf(const struct conf *c, bool secrets)
{
	json_t *o = json_object(), *vars = json_object(), *plugins = json_array();

	for (unsigned i = 0; i < CONF_VARS; i++)
		json_object_set_new(vars, conf_vars[i].name, value_of(c, &conf_vars[i], secrets));
	for (unsigned i = 0; i < c->n_plugins; i++)
		json_array_append_new(plugins, json_string(c->plugins[i]));
	json_object_set_new(o, "variables", vars);
	json_object_set_new(o, "plugins", plugins);
	json_object_set_new(o, "blocks", blocks_of(c, secrets));
	return o;
}
