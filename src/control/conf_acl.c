#include "control/conf_acl.h"

#include <stdio.h>

/* Words still to read, and the canonical text so far. */
struct acl_text {
	const struct lex_line *line;
	unsigned next;
	char *out;
	size_t used;
	bool full; /* out is */
	char *reason;
};

static const char *peek(const struct acl_text *t)
{
	return t->next < t->line->n ? t->line->word[t->next] : "";
}

static bool refuse(struct acl_text *t, const char *expected)
{
	const char *word = peek(t);
	if (*word)
		snprintf(t->reason, CONF_REASON_TEXT, "access list: \"%.40s\" where %s should be",
			 word, expected);
	else
		snprintf(t->reason, CONF_REASON_TEXT, "access list: %s is missing", expected);
	return false;
}

static void emit(struct acl_text *t, const char *word)
{
	int n = snprintf(t->out + t->used, CONF_VALUE_TEXT - t->used, "%s%s", t->used ? " " : "",
			 word);
	if (n > 0 && (size_t)n < CONF_VALUE_TEXT - t->used)
		t->used += (size_t)n;
	else
		t->full = true;
}

/* Takes the next word when it abbreviates one of the keywords (NULL-terminated); its index or -1.
 */
static int take(struct acl_text *t, const char *const *keywords)
{
	int found = -1;
	for (int i = 0; keywords[i]; i++) {
		if (!lex_is_prefix(peek(t), keywords[i]))
			continue;
		if (lex_equal_nocase(peek(t), keywords[i])) {
			found = i;
			break;
		}
		if (found >= 0)
			return -1; /* begins two of them */
		found = i;
	}
	if (found >= 0) {
		emit(t, keywords[found]);
		t->next++;
	}
	return found;
}

static bool take_ip(struct acl_text *t, const char *expected)
{
	struct ip_addr a;
	char text[IP_ADDR_TEXT];

	if (!ip_addr_parse(span_str(peek(t)), &a) || a.family != 4)
		return refuse(t, expected);
	emit(t, ip_addr_text(&a, text));
	t->next++;
	return true;
}

static bool take_address(struct acl_text *t, bool extended)
{
	static const char *const words[] = {"any", "host", NULL};

	switch (take(t, words)) {
	case 0:
		return true;
	case 1:
		return take_ip(t, "an IPv4 address");
	default:
		break;
	}
	if (!extended && t->next + 1 == t->line->n) {
		emit(t, "host"); /* a lone address in a standard rule */
		return take_ip(t, "any, host or an IPv4 address");
	}
	return take_ip(t, "any, host or an IPv4 address") && take_ip(t, "a wildcard");
}

static bool take_port(struct acl_text *t, uint64_t min, uint64_t *out)
{
	char text[8];
	uint64_t port;

	if (!lex_number(peek(t), &port) || port < min || port > 65535)
		return refuse(t, "a port");
	snprintf(text, sizeof(text), "%u", (unsigned)port);
	emit(t, text);
	t->next++;
	*out = port;
	return true;
}

/* *found says whether there was a port match at all. */
static bool take_ports(struct acl_text *t, bool *found)
{
	static const char *const words[] = {"eq", "neq", "gt", "lt", "range", NULL};
	enum { RANGE = 4 };
	uint64_t low, high;

	int op = take(t, words);
	if (op < 0)
		return true;
	*found = true;
	return take_port(t, 1, &low) && (op != RANGE || take_port(t, low, &high));
}

static bool take_tcp_flags(struct acl_text *t)
{
	static const char *const flags[] = {"+fin", "-fin", "+syn", "-syn", "+rst", "-rst", "+psh",
					    "-psh", "+ack", "-ack", "+urg", "-urg", NULL};
	if (take(t, flags) < 0)
		return refuse(t, "a TCP flag such as +syn");
	while (t->next < t->line->n)
		if (take(t, flags) < 0)
			return refuse(t, "a TCP flag such as +syn");
	return true;
}

static bool take_options(struct acl_text *t, bool tcp, bool ports)
{
	static const char *const all[] = {"fragments", "established", "match-any", "match-all",
					  NULL};
	static const char *const fragments[] = {"fragments", NULL};
	static const char *const none[] = {NULL};

	if (t->next == t->line->n)
		return true;
	const char *const *allowed = tcp ? (ports ? all + 1 : all) : (ports ? none : fragments);
	int which = take(t, allowed);
	if (which < 0)
		return refuse(t, "the end of the rule or a flag");
	return allowed[which] == all[2] || allowed[which] == all[3] ? take_tcp_flags(t) : true;
}

static bool take_extended(struct acl_text *t)
{
	static const char *const protocols[] = {"ip", "tcp", "udp", NULL};
	bool ports = false;

	int proto = take(t, protocols);
	if (proto < 0)
		return refuse(t, "ip, tcp or udp");
	if (!take_address(t, true) || (proto && !take_ports(t, &ports)))
		return false;
	if (!take_address(t, true) || (proto && !take_ports(t, &ports)))
		return false;
	return take_options(t, proto == 1, ports);
}

/* The manual has a destination in standard rules too. */
static bool take_standard(struct acl_text *t)
{
	return take_address(t, false) && (t->next == t->line->n || take_address(t, false));
}

bool conf_acl_rule(const struct lex_line *line, bool extended,
		   char canonical[static CONF_VALUE_TEXT], char reason[static CONF_REASON_TEXT])
{
	static const char *const actions[] = {"permit", "deny", NULL};
	struct acl_text t = {.line = line, .out = canonical, .reason = reason};

	if (take(&t, actions) < 0)
		return refuse(&t, "permit or deny");
	if (!(extended ? take_extended(&t) : take_standard(&t)))
		return false;
	if (t.full) {
		snprintf(reason, CONF_REASON_TEXT, "access list: rule too long");
		return false;
	}
	return t.next == line->n || refuse(&t, "the end of the rule");
}

/* ---- matching a standard list ---------------------------------------------------------------- */

/* "any", "host A" or "A W" from word *at on: canonical, so nothing can be wrong with it. */
static bool side_of(const struct lex_line *w, unsigned *at, struct conf_acl_side *out)
{
	struct ip_addr addr, wildcard = {0};

	*out = (struct conf_acl_side){.wildcard = UINT32_MAX};
	if (*at == w->n || lex_equal_nocase(w->word[*at], "any")) {
		++*at;
		return true;
	}
	if (*at + 2 > w->n)
		return false;
	bool host = lex_equal_nocase(w->word[*at], "host");
	if (!ip_addr_parse(span_str(w->word[*at + host]), &addr) || addr.family != 4)
		return false;
	if (!host &&
	    (!ip_addr_parse(span_str(w->word[*at + 1]), &wildcard) || wildcard.family != 4))
		return false;
	out->addr = ip_addr_u32(&addr);
	out->wildcard = host ? 0 : ip_addr_u32(&wildcard);
	*at += 2;
	return true;
}

static bool net_of(const struct conf_kept *k, struct conf_acl_net *out)
{
	struct lex_line w;
	char reason[LEX_REASON_TEXT];
	unsigned at = 1;

	if (!lex_split(bstr_span(k->text), &w, reason) || w.n < 2)
		return false;
	out->permit = w.word[0][0] == 'p';
	return side_of(&w, &at, &out->src) && side_of(&w, &at, &out->dst);
}

bool conf_acl_nets(const struct conf *c, const char *name, struct conf_acl_net *out, unsigned max,
		   unsigned *n)
{
	char head[64];
	const struct conf_kept *k = c->kept;

	*n = 0;
	snprintf(head, sizeof(head), "ip access-list standard %.31s", name);
	while (k && !(k->head && k->kind == CONF_KEPT_ACL && strcmp(k->text->s, head) == 0))
		k = k->next;
	if (!k)
		return false;
	for (k = k->next; k && !k->head && k->kind == CONF_KEPT_ACL && *n < max; k = k->next)
		if (net_of(k, &out[*n]))
			(*n)++;
	return true;
}

static bool is_in(const struct conf_acl_side *s, const struct ip_addr *ip)
{
	return ((ip_addr_u32(ip) ^ s->addr) & ~s->wildcard) == 0;
}

bool conf_acl_permits(const struct conf_acl_net *nets, unsigned n, const struct ip_addr *src,
		      const struct ip_addr *dst)
{
	if (src->family != 4 || dst->family != 4)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (is_in(&nets[i].src, src) && is_in(&nets[i].dst, dst))
			return nets[i].permit;
	return false;
}
