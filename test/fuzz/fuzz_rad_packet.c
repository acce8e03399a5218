/* Any datagram is a RADIUS packet or not; what is one can be walked and read as an accept. */
#include <stdlib.h>

#include "radius/rad_accept.h"
#include "radius/rad_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static size_t walk_vendor(struct span in)
{
	uint32_t vendor;
	struct rad_attr a;
	size_t used = 0;

	if (!rad_vsa_open(&in, &vendor))
		return 0;
	while (rad_vsa_next(&in, vendor, &a))
		used += a.value.n + 2;
	return used;
}

static void check_grant(const struct rad_packet *p)
{
	struct rad_terms terms = {.throttle = 28000,
				  .intercept = {.ip = ip_addr_v4(0x7F000001), .port = 9}};
	struct rad_accept_key key = {.secret = span_str("secret")};
	struct rad_grant g;
	const char *fault = rad_map_parse("4919:1=rate_up 4919:2:text=ip avpair:x=rates "
					  "241:text=intercept 242=dns1",
					  &terms.map);

	if (fault)
		abort();
	if (!rad_accept_decode(p, &terms, &key, &g)) {
		if (!g.malformed[0])
			abort();
		return;
	}
	const struct aaa_profile *f = &g.profile;
	if (f->n_routes > LNS_ROUTES_MAX || f->reply_len > LNS_REPLY_MSG_MAX ||
	    g.n_classes > RAD_CLASSES_MAX || f->ip_from_pool == ip_addr_is_set(&f->ip) ||
	    strnlen(f->policy.filter_in, LNS_FILTER_NAME_MAX) == LNS_FILTER_NAME_MAX)
		abort();
	for (unsigned i = 0; i < f->n_routes; i++) {
		if (f->routes[i].addr.family != 4 || f->routes[i].len == 0 || f->routes[i].len > 32)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct rad_packet p;
	struct rad_attr a;
	struct ip_prefix route;

	(void)rad_route_parse(span_of(bytes, n), &route);
	if (!rad_packet_decode(span_of(bytes, n), &p))
		return 0;
	if (p.whole.n < RAD_HEADER || p.whole.n > n || p.attrs.n + RAD_HEADER != p.whole.n)
		abort();
	struct span attrs = p.attrs;
	size_t used = 0;
	while (rad_attr_next(&attrs, &a)) {
		used += a.value.n + 2;
		if (walk_vendor(a.value) > a.value.n)
			abort();
		(void)rad_attr_is_well_formed(&a);
	}
	if (used != p.attrs.n)
		abort();
	check_grant(&p);
	return 0;
}
