#include "radius/rad_accept.h"

#include <stdio.h>

#include "base/crypto.h"
#include "radius/rad_accept6.h"

/* What is being read. */
struct reader {
	const struct rad_terms *terms;
	const struct rad_accept_key *key;
	struct rad_told told;
	struct rad_grant *out;
};

static void note_ignored(struct rad_grant *g, const struct rad_attr *a)
{
	if (g->ignored < UINT8_MAX)
		g->ignored++;
	if (g->ignored_name[0] == '\0')
		rad_dict_name(a->vendor, a->number, g->ignored_name);
}

/* The readers of other families of attributes. */
static enum rad_take take_other(struct reader *r, const struct rad_attr *a)
{
	enum rad_take did = rad_accept6_take(&r->out->profile.v6, a);

	if (did == RAD_TAKE_UNKNOWN)
		did = rad_tunnel_take(&r->out->tunnels, a, r->key->secret, r->key->authenticator);
	if (did == RAD_TAKE_IGNORED)
		note_ignored(r->out, a);
	return did;
}

/* False: malformed. */
static bool take(struct reader *r, const struct rad_attr *a)
{
	struct rad_grant *g = r->out;

	if (!rad_attr_is_well_formed(a))
		return false;
	if (a->vendor == 0 && a->number == RAD_CLASS) {
		if (g->n_classes < RAD_CLASSES_MAX)
			g->classes[g->n_classes++] = a->value;
		else
			note_ignored(g, a);
		return true;
	}
	enum rad_take did = rad_told_take(&r->told, r->terms, a);
	if (did == RAD_TAKE_UNKNOWN)
		did = take_other(r, a);
	return did != RAD_TAKE_MALFORMED;
}

/* The network around the address is routed to the session (Framed-IP-Netmask). */
static void add_netmask_route(struct aaa_profile *p, const struct rad_told *t)
{
	if (!ip_addr_is_set(&t->ip) || t->netmask == 0 || t->netmask >= 32 ||
	    p->n_routes == LNS_ROUTES_MAX)
		return;
	uint32_t mask = ~(uint32_t)((1ull << (32 - t->netmask)) - 1);
	p->routes[p->n_routes++] = (struct ip_prefix){
		.addr = ip_addr_v4(ip_addr_u32(&t->ip) & mask), .len = t->netmask};
}

static void grant(struct rad_grant *g, const struct rad_told *t)
{
	struct aaa_profile *p = &g->profile;

	p->ip = t->ip;
	p->ip_from_pool = !ip_addr_is_set(&t->ip);
	memcpy(p->dns, t->dns, sizeof(p->dns));
	p->n_routes = t->n_routes;
	memcpy(p->routes, t->routes, sizeof(p->routes));
	add_netmask_route(p, t);
	p->session_timeout_s = t->session_timeout_s;
	p->idle_timeout_s = t->idle_timeout_s;
	p->interim_s = t->interim_s;
	p->mtu = t->mtu;
	rad_told_policy(t, &p->policy);
	g->has_session_timeout = t->said & RAD_SAID_SESSION_TIMEOUT;
	g->port_limit = t->port_limit;
	memcpy(g->pool, t->pool, sizeof(g->pool));
	if (t->ignored) {
		unsigned sum = (unsigned)g->ignored + t->ignored;
		g->ignored = (uint8_t)(sum < UINT8_MAX ? sum : UINT8_MAX);
		memcpy(g->ignored_name, t->ignored_name, sizeof(g->ignored_name));
	}
}

bool rad_accept_decode(const struct rad_packet *p, const struct rad_terms *terms,
		       const struct rad_accept_key *key, struct rad_grant *out)
{
	struct reader r = {.terms = terms, .key = key, .out = out};
	struct rad_walk walk = rad_walk_of(p->attrs, &terms->map);
	struct rad_attr a;

	*out = (struct rad_grant){.profile.ip_from_pool = true, .pairs = rad_avpairs_of(p->attrs)};
	while (rad_walk_next(&walk, &a)) {
		if (walk.bad || !take(&r, &a)) {
			rad_dict_name(a.vendor, a.number, out->malformed);
			return false;
		}
	}
	grant(out, &r.told);
	out->profile.reply_len = rad_reply_message(p, out->profile.reply);
	return true;
}

bool rad_accept_is_framed(const struct rad_packet *p, uint32_t *service)
{
	enum { FRAMED = 2 };
	struct span attrs = p->attrs;
	struct rad_attr a;

	while (rad_attr_next(&attrs, &a)) {
		if (a.number != RAD_SERVICE_TYPE || a.value.n != sizeof(*service))
			continue;
		*service = span_u32(&a.value);
		if (*service != FRAMED)
			return false;
	}
	return true;
}

void rad_grant_wipe(struct rad_grant *g)
{
	mem_wipe(&g->tunnels, sizeof(g->tunnels));
}

uint8_t rad_reply_message(const struct rad_packet *p, char out[static LNS_REPLY_MSG_MAX])
{
	struct span attrs = p->attrs;
	struct rad_attr a;
	size_t n = 0;

	while (rad_attr_next(&attrs, &a)) {
		if (a.number != RAD_REPLY_MESSAGE)
			continue;
		size_t room = (size_t)LNS_REPLY_MSG_MAX - n;
		size_t take = a.value.n < room ? a.value.n : room;
		span_bytes(&a.value, out + n, take);
		n += take;
	}
	return (uint8_t)n;
}
