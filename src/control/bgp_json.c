#include "control/bgp_json.h"

#include "control/bgp_show.h"
#include "control/cli_json.h"

static json_t *ip_of(const struct ip_addr *ip)
{
	char text[IP_ADDR_TEXT];
	return ip_addr_is_set(ip) ? json_string(ip_addr_text(ip, text)) : json_null();
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

json_t *json_bgp(const struct bgp_speaker *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "router_id", ip_of(&s->id));
	json_object_set_new(o, "as", number(s->as));
	json_object_set_new(o, "prefixes", number(s->rib.live));
	return o;
}

static json_t *capabilities_of(const struct bgp_open *o)
{
	const struct {
		bool there;
		const char *name;
	} rows[] = {{o->family[BGP_IPV4], "ipv4"},
		    {o->family[BGP_IPV6], "ipv6"},
		    {o->as4, "as4"},
		    {o->refresh, "refresh"},
		    {o->extended, "extended"},
		    {o->graceful, "graceful-restart"}};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].there)
			json_array_append_new(list, json_string(rows[i].name));
	return list;
}

static void add_session(json_t *o, const struct bgp_peer *p, nsec now)
{
	const struct bgp_conn *c = &p->conns[p->up];

	json_object_set_new(o, "uptime", number(nsec_age_s(p->up_at, now)));
	json_object_set_new(o, "began", json_string(p->up == BGP_OUT ? "us" : "neighbour"));
	json_object_set_new(o, "identifier", ip_of(&c->theirs.id));
	json_object_set_new(o, "local_address", ip_of(&c->local));
	json_object_set_new(o, "hold_remaining", number(bgp_seconds_until(c->hold_at, now)));
	json_object_set_new(o, "capabilities", capabilities_of(&c->theirs));
	json_object_set_new(o, "bytes_waiting", number(c->tx_n));
}

static json_t *error_of(const struct bgp_peer *p)
{
	const struct bgp_error *e = &p->last_error;
	char text[BGP_ERROR_DATA + 1];

	if (!e->code)
		return json_null();
	bgp_notification_text(e, text);
	json_t *o = json_object();
	json_object_set_new(o, "sent", json_boolean(p->last_error_sent));
	json_object_set_new(o, "code", number(e->code));
	json_object_set_new(o, "subcode", number(e->subcode));
	json_object_set_new(o, "reason", json_string(bgp_error_text(e->code, e->subcode)));
	json_object_set_new(o, "text", json_text(text, strlen(text)));
	return o;
}

static json_t *messages_of(const uint64_t counts[BGP_ROUTE_REFRESH + 1])
{
	static const char *const names[] = {"",		 "open",	 "update", "notification",
					    "keepalive", "route_refresh"};
	json_t *o = json_object();

	for (unsigned i = BGP_OPEN; i <= BGP_ROUTE_REFRESH; i++)
		json_object_set_new(o, names[i], number(counts[i]));
	return o;
}

static void add_detail(json_t *o, const struct bgp_peer *p, nsec now)
{
	if (p->up != BGP_SIDES)
		add_session(o, p, now);
	json_object_set_new(o, "announced", number(p->stats.prefixes_announced));
	json_object_set_new(o, "withdrawn", number(p->stats.prefixes_withdrawn));
	json_object_set_new(o, "ignored", number(p->stats.prefixes_ignored));
	json_object_set_new(o, "sessions", number(p->stats.established));
	json_object_set_new(o, "last_notification", error_of(p));
	json_object_set_new(o, "received", messages_of(p->stats.rx));
	json_object_set_new(o, "sent", messages_of(p->stats.tx));
}

json_t *json_bgp_peer(const struct bgp_peer *p, bool detail, nsec now)
{
	const struct bgp_session_conf *s = &p->conf.session;
	bool up = p->up != BGP_SIDES;
	json_t *o = json_object();

	json_object_set_new(o, "peer", json_text(p->conf.name, strlen(p->conf.name)));
	json_object_set_new(o, "as", number(bgp_peer_as(p)));
	json_object_set_new(o, "address", ip_of(&s->addr));
	json_object_set_new(o, "state", json_string(bgp_state_name(bgp_peer_state(p))));
	json_object_set_new(o, "retries", number(up ? 0 : p->failures));
	json_object_set_new(o, "retry_in", number(up ? 0 : bgp_seconds_until(p->retry_at, now)));
	json_object_set_new(o, "routes", json_boolean(!p->suspended));
	json_object_set_new(o, "pending", json_boolean(!bgp_peer_is_idle(p)));
	json_object_set_new(o, "keepalive", number(up ? p->keepalive_s : s->keepalive_s));
	json_object_set_new(o, "hold", number(up ? p->hold_s : s->hold_s));
	if (detail)
		add_detail(o, p, now);
	return o;
}
