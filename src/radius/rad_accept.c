#include "radius/rad_accept.h"

enum { ASSIGN_BY_USER = 0xFFFFFFFF, ASSIGN_BY_NAS = 0xFFFFFFFE }; /* RFC 2865 5.8 */

static uint32_t value_u32(struct span value)
{
	return span_u32(&value);
}

static struct ip_addr value_addr4(struct span value)
{
	return ip_addr_v4(span_u32(&value));
}

/* The bytes before the first blank or tab. */
static struct span first_word(struct span text)
{
	size_t n = 0;
	struct span in = text;

	while (in.n > 0) {
		uint8_t c = span_u8(&in);
		if (c == ' ' || c == '\t' || c == 0)
			break;
		n++;
	}
	return span_sub(&text, n);
}

static bool has_slash(struct span text)
{
	while (text.n > 0) {
		if (span_u8(&text) == '/')
			return true;
	}
	return false;
}

/* Length of a network that is written without one: its class (before RFC 1519). */
static uint8_t class_length(uint32_t ip)
{
	if (ip < 0x80000000)
		return 8;
	return ip < 0xC0000000 ? 16 : 24;
}

bool rad_route_parse(struct span text, struct ip_prefix *out)
{
	struct span word = first_word(text);

	if (!ip_prefix_parse(word, out) || out->addr.family != 4 || out->len == 0)
		return false;
	uint32_t ip = ip_addr_u32(&out->addr);
	if (ip == 0)
		return false;
	if (!has_slash(word)) {
		out->len = class_length(ip);
		out->addr = ip_addr_v4(ip & ~(uint32_t)((1ull << (32 - out->len)) - 1));
	}
	return true;
}

static void take_address(struct rad_grant *g, struct span value)
{
	uint32_t ip = value_u32(value);

	g->profile.ip_from_pool = ip == 0 || ip == ASSIGN_BY_USER || ip == ASSIGN_BY_NAS;
	g->profile.ip = g->profile.ip_from_pool ? (struct ip_addr){0} : ip_addr_v4(ip);
}

static void take_route(struct rad_grant *g, struct span value)
{
	struct aaa_profile *p = &g->profile;
	struct ip_prefix route;

	if (p->n_routes < LNS_ROUTES_MAX && rad_route_parse(value, &route))
		p->routes[p->n_routes++] = route;
	else if (g->routes_ignored < UINT8_MAX)
		g->routes_ignored++;
}

/* True when the text ends in `suffix` and what stands before fits: it becomes the name. */
static bool filter_name(struct span value, const char *suffix,
			char name[static LNS_FILTER_NAME_MAX])
{
	struct span end = span_str(suffix);

	if (value.n <= end.n || value.n - end.n >= LNS_FILTER_NAME_MAX)
		return false;
	struct span tail = value;
	struct span head = span_sub(&tail, value.n - end.n);
	if (!span_equal(tail, end))
		return false;
	memset(name, 0, LNS_FILTER_NAME_MAX);
	span_bytes(&head, name, head.n);
	return true;
}

static void take_filter(struct rad_grant *g, struct span value)
{
	if (!filter_name(value, ".in", g->profile.policy.filter_in) &&
	    !filter_name(value, ".out", g->profile.policy.filter_out) &&
	    g->filters_ignored < UINT8_MAX)
		g->filters_ignored++;
}

static void take_plain(struct rad_grant *g, const struct rad_attr *a)
{
	struct aaa_profile *p = &g->profile;

	switch (a->number) {
	case RAD_FRAMED_IP_ADDRESS:
		take_address(g, a->value);
		break;
	case RAD_FRAMED_ROUTE:
		take_route(g, a->value);
		break;
	case RAD_FILTER_ID:
		take_filter(g, a->value);
		break;
	case RAD_FRAMED_MTU: {
		uint32_t mtu = value_u32(a->value);
		p->mtu = mtu >= 64 && mtu <= UINT16_MAX ? (uint16_t)mtu : 0; /* 5.12 */
		break;
	}
	case RAD_SESSION_TIMEOUT:
		p->session_timeout_s = value_u32(a->value);
		g->has_session_timeout = true;
		break;
	case RAD_IDLE_TIMEOUT:
		p->idle_timeout_s = value_u32(a->value);
		break;
	case RAD_ACCT_INTERIM_INTERVAL:
		p->interim_s = value_u32(a->value);
		break;
	case RAD_CLASS:
		if (g->n_classes < RAD_CLASSES_MAX)
			g->classes[g->n_classes++] = a->value;
		break;
	case RAD_CLIENT_PRIMARY_DNS:
		p->dns[0] = value_addr4(a->value);
		break;
	case RAD_CLIENT_SECONDARY_DNS:
		p->dns[1] = value_addr4(a->value);
		break;
	default:
		break;
	}
}

static void take_vendor(struct rad_grant *g, const struct rad_attr *a)
{
	struct aaa_profile *p = &g->profile;

	if (a->vendor == RAD_VENDOR_ASCEND && a->number == RAD_ASCEND_PRIMARY_DNS)
		p->dns[0] = value_addr4(a->value);
	else if (a->vendor == RAD_VENDOR_ASCEND && a->number == RAD_ASCEND_SECONDARY_DNS)
		p->dns[1] = value_addr4(a->value);
	else if (a->vendor == RAD_VENDOR_MICROSOFT && a->number == RAD_MS_PRIMARY_DNS)
		p->dns[0] = value_addr4(a->value);
	else if (a->vendor == RAD_VENDOR_MICROSOFT && a->number == RAD_MS_SECONDARY_DNS)
		p->dns[1] = value_addr4(a->value);
}

static bool refuse(struct rad_grant *g, const struct rad_attr *a)
{
	const struct rad_dict_row *row = rad_dict_row(a->vendor, a->number);
	g->malformed = row ? row->text : "Vendor-Specific";
	return false;
}

/* Vendors whose rows we know have the usual layout within; others may do as they like
 * (RFC 2865 5.26: "The string field is undefined"). */
static bool vendor_is_known(uint32_t vendor)
{
	return vendor == RAD_VENDOR_CISCO || vendor == RAD_VENDOR_MICROSOFT ||
	       vendor == RAD_VENDOR_ASCEND;
}

static bool decode_vendor(struct rad_grant *g, const struct rad_attr *vsa)
{
	struct span in = vsa->value;
	struct rad_attr a;
	uint32_t vendor;

	if (!rad_vsa_open(&in, &vendor))
		return refuse(g, vsa);
	if (!vendor_is_known(vendor))
		return true;
	while (rad_vsa_next(&in, vendor, &a)) {
		if (!rad_attr_is_well_formed(&a))
			return refuse(g, &a);
		take_vendor(g, &a);
	}
	return !in.bad || refuse(g, vsa);
}

bool rad_accept_decode(const struct rad_packet *p, struct rad_grant *out)
{
	struct span attrs = p->attrs;
	struct rad_attr a;

	*out = (struct rad_grant){.profile.ip_from_pool = true, .pairs = rad_avpairs_of(attrs)};
	while (rad_attr_next(&attrs, &a)) {
		if (!rad_attr_is_well_formed(&a))
			return refuse(out, &a);
		if (a.number == RAD_VENDOR_SPECIFIC) {
			if (!decode_vendor(out, &a))
				return false;
		} else {
			take_plain(out, &a);
		}
	}
	out->profile.reply_len = rad_reply_message(p, out->profile.reply);
	return true;
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
