#include "control/conf_filter.h"

#include "control/lexer.h"
#include "dataplane/dp_ip.h"

enum { PORT_MAX = 65535 };

/* ---- one rule -------------------------------------------------------------------------------- */

struct words {
	struct lex_line line;
	unsigned next;
	bool bad;
};

static const char *peek(const struct words *w)
{
	return w->next < w->line.n ? w->line.word[w->next] : "";
}

static bool take(struct words *w, const char *word)
{
	if (strcmp(peek(w), word) != 0)
		return false;
	w->next++;
	return true;
}

static uint32_t take_ip(struct words *w)
{
	struct ip_addr a;

	if (!ip_addr_parse(span_str(peek(w)), &a) || a.family != 4) {
		w->bad = true;
		return 0;
	}
	w->next++;
	return ip_addr_u32(&a);
}

static void take_address(struct words *w, uint32_t *addr, uint32_t *wild)
{
	*addr = 0;
	*wild = UINT32_MAX;
	if (take(w, "any"))
		return;
	bool host = take(w, "host");
	*addr = take_ip(w);
	*wild = host ? 0 : take_ip(w);
}

static uint16_t take_port(struct words *w)
{
	uint64_t n;

	if (!lex_number(peek(w), &n) || n > PORT_MAX) {
		w->bad = true;
		return 0;
	}
	w->next++;
	return (uint16_t)n;
}

/* Beyond the last port there is none, which low > high says. */
static void take_ports(struct words *w, struct dp_acl_ports *p)
{
	*p = (struct dp_acl_ports){.test = true, .high = PORT_MAX};
	if (take(w, "eq")) {
		p->low = p->high = take_port(w);
	} else if (take(w, "neq")) {
		p->outside = true;
		p->low = p->high = take_port(w);
	} else if (take(w, "gt")) {
		uint16_t port = take_port(w);
		p->low = port < PORT_MAX ? port + 1 : PORT_MAX;
		p->high = port < PORT_MAX ? PORT_MAX : 0;
	} else if (take(w, "lt")) {
		uint16_t port = take_port(w);
		p->low = port ? 0 : PORT_MAX;
		p->high = (uint16_t)(port ? port - 1 : 0);
	} else if (take(w, "range")) {
		p->low = take_port(w);
		p->high = take_port(w);
	} else {
		*p = (struct dp_acl_ports){.test = false};
	}
}

/* "+syn", "-ack", ... */
static void take_flag(struct words *w, struct dp_acl_rule *r)
{
	static const char names[][4] = {"fin", "syn", "rst", "psh", "ack", "urg"};
	const char *word = peek(w);

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((word[0] == '+' || word[0] == '-') && strcmp(word + 1, names[i]) == 0) {
			*(word[0] == '+' ? &r->set : &r->clear) |= (uint8_t)(1u << i);
			w->next++;
			return;
		}
	w->bad = true;
}

static void take_options(struct words *w, struct dp_acl_rule *r)
{
	if (take(w, "fragments"))
		r->fragments = true;
	else if (take(w, "established"))
		r->flags_op = DP_ACL_ESTABLISHED;
	else if (take(w, "match-any"))
		r->flags_op = DP_ACL_MATCH_ANY;
	else if (take(w, "match-all"))
		r->flags_op = DP_ACL_MATCH_ALL;
	if (r->flags_op > DP_ACL_ESTABLISHED)
		while (w->next < w->line.n && !w->bad)
			take_flag(w, r);
}

static void take_extended(struct words *w, struct dp_acl_rule *r)
{
	if (take(w, "tcp"))
		r->proto = IP_TCP;
	else if (take(w, "udp"))
		r->proto = IP_UDP;
	else
		w->bad |= !take(w, "ip");
	take_address(w, &r->src, &r->src_wild);
	if (r->proto)
		take_ports(w, &r->src_ports);
	take_address(w, &r->dst, &r->dst_wild);
	if (r->proto)
		take_ports(w, &r->dst_ports);
	take_options(w, r);
}

/* The destination may be left out. */
static void take_standard(struct words *w, struct dp_acl_rule *r)
{
	take_address(w, &r->src, &r->src_wild);
	if (w->next < w->line.n)
		take_address(w, &r->dst, &r->dst_wild);
}

bool conf_filter_rule(struct span text, bool extended, struct dp_acl_rule *out)
{
	struct words w = {.next = 0};
	char reason[LEX_REASON_TEXT];

	*out = (struct dp_acl_rule){.dst_wild = UINT32_MAX};
	if (!lex_split(text, &w.line, reason))
		return false;
	out->permit = take(&w, "permit");
	if (!out->permit && !take(&w, "deny"))
		return false;
	if (extended)
		take_extended(&w, out);
	else
		take_standard(&w, out);
	return !w.bad && w.next == w.line.n;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static bool is_head(const struct conf_kept *k)
{
	return k->head && k->kind == CONF_KEPT_ACL;
}

static bool is_member(const struct conf_kept *k)
{
	return k && !k->head && k->kind == CONF_KEPT_ACL;
}

/* "ip access-list standard NAME" */
static const char *name_of(const struct conf_kept *head)
{
	return strrchr(head->text->s, ' ') + 1;
}

bool conf_filter_exists(const struct conf *c, const char *name)
{
	for (const struct conf_kept *k = c->kept; k; k = k->next)
		if (is_head(k) && strcmp(name_of(k), name) == 0)
			return true;
	return false;
}

/* Canonical rules cannot be wrong; should one be, it denies rather than be left out. */
static uint32_t read_rules(const struct conf_kept *head, struct dp_acl_rule *rules)
{
	bool extended = strncmp(head->text->s, "ip access-list extended", 23) == 0;
	uint32_t n = 0;

	for (const struct conf_kept *k = head->next; is_member(k) && n < DP_ACL_RULES_MAX;
	     k = k->next, n++)
		if (!conf_filter_rule(bstr_span(k->text), extended, &rules[n]))
			rules[n] = (struct dp_acl_rule){.src_wild = UINT32_MAX,
							.dst_wild = UINT32_MAX};
	return n;
}

static bool add_all(const struct conf *c, struct dp_acls *s, unsigned n_workers,
		    const struct dp_acls *before, struct dp_acl_rule *rules)
{
	for (const struct conf_kept *k = c->kept; k; k = k->next) {
		if (!is_head(k))
			continue;
		uint32_t n = read_rules(k, rules);
		if (!dp_acls_add(s, before, name_of(k), rules, n, n_workers))
			return false;
	}
	return true;
}

struct dp_acls *conf_filter_compile(const struct conf *c, const struct alloc *a, uint64_t version,
				    unsigned n_workers, const struct dp_acls *before)
{
	size_t bytes = DP_ACL_RULES_MAX * sizeof(struct dp_acl_rule);
	struct dp_acl_rule *rules = alloc_get(a, bytes);
	struct dp_acls *s = dp_acls_new(a, version);

	if (rules && s && !add_all(c, s, n_workers, before, rules)) {
		dp_acls_free(s);
		s = NULL;
	}
	if (!rules) {
		dp_acls_free(s);
		s = NULL;
	}
	alloc_put(a, rules, bytes);
	return s;
}
