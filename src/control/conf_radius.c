#include "control/conf_radius.h"

#include "base/facts.h"

/* Bytes of `s` before the first `c`, or all. */
static size_t before(struct span s, char c)
{
	size_t n = 0;

	while (s.n > 0 && span_u8(&s) != (uint8_t)c)
		n++;
	return n;
}

static bool parse_port(struct span text, uint16_t *port)
{
	uint32_t n = 0;

	if (text.n == 0 || text.n > 5)
		return false;
	while (text.n > 0) {
		uint8_t c = span_u8(&text);
		if (c < '0' || c > '9')
			return false;
		n = n * 10 + (c - '0');
	}
	*port = (uint16_t)n;
	return n > 0 && n < UINT16_MAX; /* accounting is one above */
}

/* "[v6]:port" and "v4:port" have a port; other forms are a prefix as a whole. */
static bool parse_where(struct span text, struct conf_radius_item *out)
{
	struct span host = text;
	bool bracket = text.n > 0 && text.p[0] == '[';

	if (bracket)
		(void)span_u8(&text);
	size_t n = before(text, bracket ? ']' : ':');
	struct span rest = text;
	host = span_sub(&rest, n);
	if (bracket && rest.n == 0)
		return false;
	if (bracket)
		(void)span_u8(&rest);
	if (!bracket && rest.n > 1 && before(span_of(rest.p + 1, rest.n - 1), ':') < rest.n - 1)
		return ip_prefix_parse(text, &out->net); /* several colons: a bare IPv6 address */
	if (!bracket && rest.n == 1)
		return false;
	if (rest.n > 0 && (span_u8(&rest) != ':' || !parse_port(rest, &out->port)))
		return false;
	return ip_prefix_parse(host, &out->net);
}

/* Takes what stands before `c`, and `c` itself. */
static struct span cut(struct span *s, char c)
{
	struct span head = span_sub(s, before(*s, c));

	if (s->n > 0)
		(void)span_u8(s);
	return head;
}

static bool is(struct span s, const char *word)
{
	return span_equal(s, span_str(word));
}

bool conf_radius_probe(struct span text, uint8_t *probe, char user[static CONF_RADIUS_USER_TEXT])
{
	struct span how = cut(&text, ':');

	if (is(how, "user") && text.n > 0 && text.n < CONF_RADIUS_USER_TEXT) {
		memset(user, 0, CONF_RADIUS_USER_TEXT);
		span_bytes(&text, user, text.n);
		*probe = CONF_PROBE_USER;
		return true;
	}
	*probe = is(how, "status") ? CONF_PROBE_STATUS : CONF_PROBE_REQUEST;
	return text.n == 0 && (is(how, "status") || is(how, "request"));
}

static bool parse_priority(struct span text, uint8_t *out)
{
	unsigned n = 0;

	if (text.n == 0 || text.n > 3)
		return false;
	while (text.n > 0) {
		uint8_t c = span_u8(&text);
		if (c < '0' || c > '9')
			return false;
		n = n * 10 + (c - (unsigned)'0');
	}
	*out = (uint8_t)n;
	return n <= 100;
}

static bool parse_flag(struct span name, struct conf_radius_item *out)
{
	bool *flag = is(name, "auth-only")   ? &out->auth_only
		     : is(name, "acct-only") ? &out->acct_only
		     : is(name, "signed")    ? &out->is_signed
		     : is(name, "unsigned")  ? &out->is_unsigned
					     : NULL;
	if (flag)
		*flag = true;
	return flag && !(out->auth_only && out->acct_only) && !(out->is_signed && out->is_unsigned);
}

static bool parse_option(struct span option, struct conf_radius_item *out)
{
	struct span value = option;
	struct span name = cut(&value, ':');

	if (name.n == option.n)
		return parse_flag(name, out);
	if (is(name, "acct-port"))
		return parse_port(value, &out->acct_port);
	if (is(name, "source"))
		return ip_addr_parse(value, &out->source);
	if (is(name, "priority"))
		return parse_priority(value, &out->priority);
	return is(name, "probe") && conf_radius_probe(value, &out->probe, out->probe_user);
}

static bool parse_options(struct span options, struct conf_radius_item *out)
{
	while (options.n > 0) {
		if (!parse_option(cut(&options, ','), out))
			return false;
	}
	return !ip_addr_is_set(&out->source) || out->source.family == out->net.addr.family;
}

bool conf_radius_next(const char **at, struct conf_radius_item *out)
{
	*at += strspn(*at, " \t");
	size_t n = strcspn(*at, " \t");
	struct span item = span_of(*at, n);

	*at += n;
	*out = (struct conf_radius_item){.priority = CONF_RADIUS_PRIORITY};
	if (n == 0)
		return false;
	size_t where = before(item, '=');
	struct span text = span_sub(&item, where);
	if (item.n > 0) {
		(void)span_u8(&item);
		out->secret = item;
	}
	struct span address = cut(&text, ',');
	out->has_options = text.n > 0;
	if (!parse_where(address, out) || !parse_options(text, out))
		out->net = (struct ip_prefix){0};
	return true;
}

static bool is_host(const struct ip_prefix *p)
{
	return p->len == (p->addr.family == 6 ? 128 : 32);
}

const char *conf_radius_fault(const char *list, bool nets)
{
	struct conf_radius_item item;
	unsigned n = 0;

	while (conf_radius_next(&list, &item)) {
		if (!nets && ++n > CONF_RADIUS_SERVERS)
			return "more than 16 servers";
		if (nets && ++n > CONF_RADIUS_CLIENTS)
			return "more than 32 clients";
		if (!ip_addr_is_set(&item.net.addr))
			return nets ? "not a list of ADDRESS[/LENGTH][=SECRET]"
				    : "not a list of ADDRESS[:PORT][,OPTION]...[=SECRET]";
		if (nets && (item.port || item.has_options))
			return "clients have no port and no options";
		if (!nets && !is_host(&item.net))
			return "a server is one address";
		if (item.secret.p && (item.secret.n == 0 || item.secret.n >= LNS_SECRET_MAX))
			return "a secret is empty or longer than 63 characters";
	}
	return NULL;
}

const char *conf_radius_servers_fault(const char *list, unsigned n_classic, bool have_secret)
{
	struct conf_radius_item item;
	unsigned n = n_classic;

	while (conf_radius_next(&list, &item)) {
		if (++n > CONF_RADIUS_SERVERS)
			return "more than 16 servers together with primary_radius and "
			       "secondary_radius";
		if (!item.secret.p && !have_secret)
			return "a server has no secret, and there is no radius_secret";
	}
	return NULL;
}

bool conf_radius_has_acct(const char *list)
{
	struct conf_radius_item item;

	while (conf_radius_next(&list, &item)) {
		if (!item.auth_only)
			return true;
	}
	return false;
}
