#include "radius/rad_accept6.h"

#include "radius/rad_text.h"

enum { ADDR6 = 16, BITS6 = 128 };

static bool rest_is_zero(const struct ip_prefix *p)
{
	for (unsigned bit = p->len; bit < BITS6; bit++) {
		if (p->addr.b[bit / 8] & 0x80 >> bit % 8)
			return false;
	}
	return true;
}

bool rad_prefix6_decode(struct span value, struct ip_prefix *out)
{
	(void)span_u8(&value); /* reserved */
	uint8_t len = span_u8(&value);

	if (value.bad || value.n > ADDR6 || len > BITS6 || value.n * 8 < len)
		return false;
	*out = (struct ip_prefix){.addr.family = 6, .len = len};
	span_bytes(&value, out->addr.b, value.n);
	return rest_is_zero(out); /* RFC 3162 2.3: bits outside the length are 0 */
}

static struct ip_addr addr6_of(struct span value)
{
	struct ip_addr a = {.family = 6};

	span_bytes(&value, a.b, sizeof(a.b));
	return a;
}

static enum rad_take done_or_ignored(bool done)
{
	return done ? RAD_TAKE_DONE : RAD_TAKE_IGNORED;
}

static enum rad_take take_prefix(struct aaa_ipv6 *v6, struct span value)
{
	struct ip_prefix p;

	if (!rad_prefix6_decode(value, &p))
		return RAD_TAKE_MALFORMED;
	v6->prefix = p;
	return RAD_TAKE_DONE;
}

static enum rad_take take_delegated(struct aaa_ipv6 *v6, struct span value)
{
	struct ip_prefix p;

	if (!rad_prefix6_decode(value, &p))
		return RAD_TAKE_MALFORMED;
	if (v6->n_delegated == LNS_DELEGATED_MAX || p.len == 0)
		return RAD_TAKE_IGNORED;
	v6->delegated[v6->n_delegated++] = p;
	return RAD_TAKE_DONE;
}

/* "prefix/len[ gateway[ metrics]]" (RFC 3162 2.5) */
static bool take_route(struct aaa_ipv6 *v6, struct span text)
{
	struct ip_prefix p;

	if (v6->n_routes == LNS_ROUTES6_MAX || !ip_prefix_parse(rad_text_word(&text), &p) ||
	    p.addr.family != 6 || p.len == 0)
		return false;
	v6->routes[v6->n_routes++] = p;
	return true;
}

static bool take_name_server(struct aaa_ipv6 *v6, struct span value)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!ip_addr_is_set(&v6->dns[i])) {
			v6->dns[i] = addr6_of(value);
			return true;
		}
	}
	return false;
}

enum rad_take rad_accept6_take(struct aaa_ipv6 *v6, const struct rad_attr *a)
{
	struct span value = a->value;

	if (a->vendor != 0)
		return RAD_TAKE_UNKNOWN;
	switch (a->number) {
	case RAD_FRAMED_INTERFACE_ID:
		span_bytes(&value, v6->interface_id, sizeof(v6->interface_id));
		v6->has_interface_id = true;
		return RAD_TAKE_DONE;
	case RAD_FRAMED_IPV6_PREFIX:
		return take_prefix(v6, value);
	case RAD_DELEGATED_IPV6_PREFIX:
		return take_delegated(v6, value);
	case RAD_FRAMED_IPV6_ROUTE:
		return done_or_ignored(take_route(v6, value));
	case RAD_FRAMED_IPV6_ADDRESS:
		v6->address = addr6_of(value);
		return RAD_TAKE_DONE;
	case RAD_DNS_SERVER_IPV6_ADDRESS:
		return done_or_ignored(take_name_server(v6, value));
	case RAD_FRAMED_IPV6_POOL:
		return done_or_ignored(rad_text_name(value, v6->pool, sizeof(v6->pool)));
	case RAD_DELEGATED_IPV6_PREFIX_POOL:
		return done_or_ignored(
			rad_text_name(value, v6->delegated_pool, sizeof(v6->delegated_pool)));
	default:
		return RAD_TAKE_UNKNOWN;
	}
}
