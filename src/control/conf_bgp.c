#include "control/conf_bgp.h"

#include <stdio.h>

#include "base/crypto.h"
#include "control/lexer.h"

enum { PEERS_FIRST = 16 };

enum arg {
	ARG_NUMBER,
	ARG_TIMERS,
	ARG_BOOL,
	ARG_IPV4,
	ARG_IPV6,
	ARG_IP,
	ARG_WORD,
	ARG_COMMUNITIES
};

struct value {
	uint32_t n[2];
	bool yes;
	struct ip_addr ip;
	const char *word;
	uint8_t n_communities;
	uint32_t communities[BGP_COMMUNITIES_MAX];
};

/* ---- what each attribute sets ---------------------------------------------------------------- */

#define SETTER(name, statement)                                                                    \
	static void set_##name(struct bgp_peer_conf *p, const struct value *v)                     \
	{                                                                                          \
		statement;                                                                         \
	}
SETTER(remote_as, p->session.remote_as = v->n[0])
SETTER(source, p->session.source = v->ip)
SETTER(gtsm, p->session.gtsm_hops = (uint8_t)v->n[0])
SETTER(ttl, p->session.ttl = (uint8_t)v->n[0])
SETTER(retry, p->session.connect_retry_s = v->n[0])
SETTER(port, p->session.port = (uint16_t)v->n[0])
SETTER(passive, p->session.passive = v->yes)
SETTER(graceful, p->session.restart_s = (uint16_t)v->n[0])
SETTER(med, p->policy.med = v->n[0])
SETTER(preference, p->policy.local_pref = v->n[0])
SETTER(prepend, p->policy.prepend = (uint8_t)v->n[0])
SETTER(nexthop, p->policy.next_hop[BGP_IPV4] = v->ip)
SETTER(nexthop6, p->policy.next_hop[BGP_IPV6] = v->ip)
#undef SETTER

static void set_timers(struct bgp_peer_conf *p, const struct value *v)
{
	p->session.keepalive_s = (uint16_t)v->n[0];
	p->session.hold_s = (uint16_t)v->n[1];
}

static void set_password(struct bgp_peer_conf *p, const struct value *v)
{
	memset(p->session.password, 0, sizeof(p->session.password));
	memcpy(p->session.password, v->word, strnlen(v->word, BGP_PASSWORD_MAX - 1));
}

static void set_communities(struct bgp_peer_conf *p, const struct value *v)
{
	p->policy.n_communities = v->n_communities;
	memcpy(p->policy.communities, v->communities, sizeof(p->policy.communities));
}

static const struct attribute {
	const char *word;
	enum arg arg;
	uint32_t min, max;
	void (*set)(struct bgp_peer_conf *p, const struct value *v);
} attributes[] = {
	{"remote-as", ARG_NUMBER, 0, UINT32_MAX, set_remote_as},
	{"timers", ARG_TIMERS, 0, 0, set_timers},
	{"update-source", ARG_IP, 0, 0, set_source},
	{"password", ARG_WORD, 1, BGP_PASSWORD_MAX - 1, set_password},
	{"ttl-security", ARG_NUMBER, 0, 254, set_gtsm},
	{"ebgp-multihop", ARG_NUMBER, 0, 255, set_ttl},
	{"connect-retry", ARG_NUMBER, 1, 3600, set_retry},
	{"port", ARG_NUMBER, 1, 65535, set_port},
	{"passive", ARG_BOOL, 0, 0, set_passive},
	{"graceful-restart", ARG_NUMBER, 0, 4095, set_graceful},
	{"med", ARG_NUMBER, 0, UINT32_MAX, set_med},
	{"local-preference", ARG_NUMBER, 0, UINT32_MAX, set_preference},
	{"prepend", ARG_NUMBER, 0, BGP_PREPEND_MAX, set_prepend},
	{"community", ARG_COMMUNITIES, 0, 0, set_communities},
	{"nexthop", ARG_IPV4, 0, 0, set_nexthop},
	{"nexthop6", ARG_IPV6, 0, 0, set_nexthop6},
};
enum { N_ATTRIBUTES = sizeof(attributes) / sizeof(attributes[0]) };

/* ---- values ---------------------------------------------------------------------------------- */

static bool number(const char *word, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t n;

	if (!lex_number(word, &n) || n < min || n > max)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool community(const char *word, uint32_t *out)
{
	static const struct {
		const char *word;
		uint32_t value;
	} known[] = {{"no-export", BGP_NO_EXPORT},
		     {"no-advertise", 0xFFFFFF02},
		     {"local-as", 0xFFFFFF03}};
	char high[8];
	uint32_t a, b;
	const char *colon = strchr(word, ':');

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (lex_equal_nocase(word, known[i].word)) {
			*out = known[i].value;
			return true;
		}
	if (!colon)
		return number(word, 0, UINT32_MAX, out);
	size_t n = (size_t)(colon - word);
	if (n >= sizeof(high))
		return false;
	memcpy(high, word, n);
	high[n] = '\0';
	if (!number(high, 0, UINT16_MAX, &a) || !number(colon + 1, 0, UINT16_MAX, &b))
		return false;
	*out = a << 16 | b;
	return true;
}

static bool communities(const char *const *args, unsigned n_args, struct value *v)
{
	if (n_args == 1 && lex_equal_nocase(args[0], "none"))
		return true;
	if (n_args > BGP_COMMUNITIES_MAX)
		return false;
	for (unsigned i = 0; i < n_args; i++)
		if (!community(args[i], &v->communities[v->n_communities++]))
			return false;
	return true;
}

static bool yes_or_no(const char *word, bool *out)
{
	*out = lex_equal_nocase(word, "yes");
	return *out || lex_equal_nocase(word, "no");
}

static bool address(const char *word, unsigned family, struct ip_addr *out)
{
	return ip_addr_parse(span_str(word), out) && (family == 0 || out->family == family);
}

static bool value_of(const struct attribute *a, const char *const *args, unsigned n_args,
		     struct value *v)
{
	unsigned wanted = a->arg == ARG_TIMERS ? 2 : 1;

	memset(v, 0, sizeof(*v));
	if (a->arg == ARG_COMMUNITIES ? n_args < 1 : n_args != wanted)
		return false;
	switch (a->arg) {
	case ARG_NUMBER:
		return number(args[0], a->min, a->max, &v->n[0]);
	case ARG_TIMERS:
		return number(args[0], 1, UINT16_MAX, &v->n[0]) &&
		       number(args[1], 3, UINT16_MAX, &v->n[1]);
	case ARG_BOOL:
		return yes_or_no(args[0], &v->yes);
	case ARG_IPV4:
		return address(args[0], 4, &v->ip);
	case ARG_IPV6:
		return address(args[0], 6, &v->ip);
	case ARG_IP:
		return address(args[0], 0, &v->ip);
	case ARG_WORD:
		v->word = args[0];
		return strlen(v->word) >= a->min && strlen(v->word) <= a->max;
	case ARG_COMMUNITIES:
		return communities(args, n_args, v);
	}
	return false;
}

static const struct attribute *attribute_of(const char *word)
{
	const struct attribute *found = NULL;

	for (unsigned i = 0; i < N_ATTRIBUTES; i++) {
		if (lex_equal_nocase(word, attributes[i].word))
			return &attributes[i];
		if (!lex_is_prefix(word, attributes[i].word))
			continue;
		if (found)
			return NULL; /* begins two of them */
		found = &attributes[i];
	}
	return found;
}

/* ---- canonical text -------------------------------------------------------------------------- */

static const char *what_it_takes(const struct attribute *a, char text[static 64])
{
	switch (a->arg) {
	case ARG_NUMBER:
		snprintf(text, 64, "a number within %u..%u", a->min, a->max);
		return text;
	case ARG_TIMERS:
		return "keepalive and hold time, 1..65535 and 3..65535 seconds";
	case ARG_BOOL:
		return "yes or no";
	case ARG_IPV4:
		return "an IPv4 address";
	case ARG_IPV6:
		return "an IPv6 address";
	case ARG_IP:
		return "an IP address";
	case ARG_WORD:
		return "one word of at most 80 characters";
	case ARG_COMMUNITIES:
		break;
	}
	return "none, or at most 32 of A:B, a number, no-export, no-advertise, local-as";
}

static void print_value(const struct attribute *a, const struct value *v, const char *const *args,
			unsigned n_args, char *out, size_t cap)
{
	char ip[IP_ADDR_TEXT];
	size_t used = 0;

	switch (a->arg) {
	case ARG_NUMBER:
		snprintf(out, cap, "%u", v->n[0]);
		break;
	case ARG_TIMERS:
		snprintf(out, cap, "%u %u", v->n[0], v->n[1]);
		break;
	case ARG_BOOL:
		snprintf(out, cap, "%s", v->yes ? "yes" : "no");
		break;
	case ARG_WORD:
		lex_quote(v->word, false, out, cap);
		break;
	case ARG_COMMUNITIES:
		for (unsigned i = 0; i < n_args && used < cap; i++)
			used += (size_t)snprintf(out + used, cap - used, "%s%s", i ? " " : "",
						 args[i]);
		break;
	default:
		snprintf(out, cap, "%s", ip_addr_text(&v->ip, ip));
		break;
	}
}

bool conf_bgp_attribute(const char *const *args, unsigned n_args,
			char canonical[static CONF_VALUE_TEXT],
			char reason[static CONF_REASON_TEXT])
{
	const struct attribute *a = n_args > 0 ? attribute_of(args[0]) : NULL;
	struct value v;
	char text[64];

	if (!a) {
		snprintf(reason, CONF_REASON_TEXT, "no attribute \"%.40s\"",
			 n_args > 0 ? args[0] : "");
		return false;
	}
	if (!value_of(a, args + 1, n_args - 1, &v)) {
		snprintf(reason, CONF_REASON_TEXT, "%s: takes %s", a->word, what_it_takes(a, text));
		return false;
	}
	int n = snprintf(canonical, CONF_VALUE_TEXT, "%s ", a->word);
	print_value(a, &v, args + 1, n_args - 1, canonical + n, CONF_VALUE_TEXT - (size_t)n);
	return true;
}

/* "fe80::1%eth0" in two parts; an address without the other part has an empty one. */
static bool peer_address(const char *word, struct ip_addr *ip, char interface[BGP_INTERFACE_MAX])
{
	static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
	size_t n = strcspn(word, "%"), rest = strlen(word + n);

	memset(interface, 0, BGP_INTERFACE_MAX);
	if (!ip_addr_parse(span_of(word, n), ip) || rest == 1 || rest > BGP_INTERFACE_MAX)
		return false;
	if (rest)
		memcpy(interface, word + n + 1, rest - 1);
	if (ip->family == 6 && memcmp(ip->b, mapped, sizeof(mapped)) == 0) {
		struct ip_addr v4 = {.family = 4};
		memcpy(v4.b, ip->b + sizeof(mapped), 4);
		*ip = v4;
	}
	return true;
}

bool conf_bgp_peer(const char *word, char canonical[static BGP_NAME_MAX],
		   char reason[static CONF_REASON_TEXT])
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";
	char interface[BGP_INTERFACE_MAX], text[IP_ADDR_TEXT];
	struct ip_addr ip;
	size_t n = strspn(word, letters);

	if (peer_address(word, &ip, interface)) {
		if (ip_addr_is_link_local(&ip) != (interface[0] != '\0') ||
		    interface[strspn(interface, letters)] != '\0') {
			snprintf(reason, CONF_REASON_TEXT,
				 "an interface belongs to link-local addresses, fe80::1%%eth0, "
				 "and only to them: \"%.40s\"",
				 word);
			return false;
		}
		snprintf(canonical, BGP_NAME_MAX, "%s%s%s", ip_addr_text(&ip, text),
			 interface[0] ? "%" : "", interface);
		return true;
	}
	if (n == 0 || n >= BGP_NAME_MAX || word[n] != '\0') {
		snprintf(reason, CONF_REASON_TEXT, "not an address or host name: \"%.40s\"", word);
		return false;
	}
	memcpy(canonical, word, n + 1);
	return true;
}

bool conf_bgp_masked(const struct conf_kept *k, char *out, size_t cap)
{
	struct lex_line line;
	char reason[LEX_REASON_TEXT];

	if (k->kind != CONF_KEPT_BGP || k->head || !lex_split(bstr_span(k->text), &line, reason) ||
	    line.n != 4 || strcmp(line.word[2], "password") != 0)
		return false;
	snprintf(out, cap, " neighbour %s password \"********\"", line.word[1]);
	mem_wipe(&line, sizeof(line));
	return true;
}

/* ---- the block as numbers -------------------------------------------------------------------- */

static void peer_defaults(const struct conf *c, const char *name, struct bgp_peer_conf *p)
{
	memset(p, 0, sizeof(*p));
	memcpy(p->name, name, strnlen(name, BGP_NAME_MAX - 1));
	if (!peer_address(name, &p->session.addr, p->session.interface))
		p->session.addr = (struct ip_addr){0};
	p->session.connect_retry_s = BGP_CONNECT_RETRY_S;
	p->session.port = BGP_PORT;
	p->session.keepalive_s = BGP_KEEPALIVE_S;
	p->session.hold_s = BGP_HOLD_S;
	p->policy.med = BGP_MED;
	p->policy.local_pref = BGP_LOCAL_PREF;
	p->policy.n_communities = 1;
	p->policy.communities[0] = BGP_NO_EXPORT;
	p->policy.next_hop[BGP_IPV4] = c->nexthop_address;
	p->policy.next_hop[BGP_IPV6] = c->nexthop6_address;
}

static bool peers_grow(struct bgp_conf *out)
{
	unsigned room = out->room ? 2 * out->room : PEERS_FIRST;
	struct bgp_peer_conf *more = alloc_get(out->alloc, room * sizeof(*more));

	if (!more)
		return false;
	if (out->n_peers) {
		memcpy(more, out->peers, out->n_peers * sizeof(*more));
		mem_wipe(out->peers, out->n_peers * sizeof(*more));
	}
	alloc_put(out->alloc, out->peers, out->room * sizeof(*more));
	out->peers = more;
	out->room = room;
	return true;
}

/* A neighbour's lines follow each other as a rule. NULL: out of memory. */
static struct bgp_peer_conf *peer_of(const struct conf *c, struct bgp_conf *out, const char *name)
{
	for (unsigned i = out->n_peers; i > 0; i--)
		if (strcmp(out->peers[i - 1].name, name) == 0)
			return &out->peers[i - 1];
	if (out->n_peers == out->room && !peers_grow(out))
		return NULL;
	peer_defaults(c, name, &out->peers[out->n_peers]);
	return &out->peers[out->n_peers++];
}

static void take_network(const char *word, struct bgp_conf *out)
{
	if (out->n_networks < BGP_NETWORKS_MAX &&
	    ip_prefix_parse(span_str(word), &out->networks[out->n_networks]))
		out->n_networks++;
}

/* False: out of memory. */
static bool take_member(const struct conf *c, const struct lex_line *line, struct bgp_conf *out)
{
	struct value v;

	if (line->n == 2 && strcmp(line->word[0], "network") == 0)
		take_network(line->word[1], out);
	else if (line->n == 3 && strcmp(line->word[1], "router-id") == 0)
		address(line->word[2], 4, &out->router_id);
	else if (line->n == 3 && strcmp(line->word[1], "aggregate") == 0)
		yes_or_no(line->word[2], &out->aggregate);
	if (line->n < 4)
		return true;
	struct bgp_peer_conf *p = peer_of(c, out, line->word[1]);
	const struct attribute *a = attribute_of(line->word[2]);
	if (p && a && value_of(a, line->word + 3, line->n - 3, &v))
		a->set(p, &v);
	return p != NULL;
}

/* The identifier: configured, else an address that is ours and stays. */
static void settle_id(const struct conf *c, struct bgp_conf *out)
{
	for (unsigned i = 0; !ip_addr_is_set(&out->router_id) && i < out->n_peers; i++)
		if (out->peers[i].session.source.family == 4)
			out->router_id = out->peers[i].session.source;
	if (!ip_addr_is_set(&out->router_id))
		out->router_id = c->n_bind ? c->bind[0] : c->bind_address;
	if (!ip_addr_is_set(&out->router_id))
		out->router_id = c->tun_address;
}

bool conf_to_bgp(const struct conf *c, struct bgp_conf *out)
{
	struct lex_line line;
	char reason[LEX_REASON_TEXT];
	bool complete = true;
	uint64_t as;

	*out = (struct bgp_conf){.alloc = c->alloc};
	for (const struct conf_kept *k = c->kept; k && complete; k = k->next) {
		if (k->kind != CONF_KEPT_BGP || !lex_split(bstr_span(k->text), &line, reason))
			continue;
		if (!k->head)
			complete = take_member(c, &line, out);
		else if (line.n == 3 && lex_number(line.word[2], &as))
			out->as = (uint32_t)as;
	}
	mem_wipe(&line, sizeof(line));
	settle_id(c, out);
	return complete;
}

void conf_bgp_free(struct bgp_conf *b)
{
	if (b->peers)
		mem_wipe(b->peers, b->room * sizeof(*b->peers));
	alloc_put(b->alloc, b->peers, b->room * sizeof(*b->peers));
	*b = (struct bgp_conf){0};
}
