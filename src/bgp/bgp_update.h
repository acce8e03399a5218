/*
 * bgp_update.h - the UPDATE message (RFC 4271 section 4.3, RFC 4760): what arrives is checked
 * completely (section 6.3) and counted, since we learn no routes; what is sent is made of one set
 * of attributes and many prefixes. Pure; any thread.
 */
#ifndef LNS_BGP_UPDATE_H
#define LNS_BGP_UPDATE_H

#include "bgp/bgp_msg.h"

enum bgp_attr_type {
#define BGP_ATTR(type, name, class, min, max, multiple) BGP_ATTR_##name = (type),
#include "bgp/bgp_attr.def"
#undef BGP_ATTR
};

struct bgp_update_facts {
	uint32_t announced[BGP_FAMILIES], withdrawn[BGP_FAMILIES];
	bool end_of_rib[BGP_FAMILIES]; /* RFC 4724 section 2 */
};

/* `as4`: AS numbers have four bytes; `internal`: the neighbour is of our AS. */
bool bgp_update_check(struct span body, bool as4, bool internal, struct bgp_update_facts *out,
		      struct bgp_error *e);

enum { BGP_COMMUNITIES_MAX = 32, BGP_PREPEND_MAX = 16 };
#define BGP_NO_EXPORT 0xFFFFFF01u /* RFC 1997 */

/* What all our routes say toward one neighbour. */
struct bgp_attrs {
	bool internal, as4;
	bool has_med;
	uint8_t prepend; /* times that our AS is written in front of itself */
	uint8_t n_communities;
	uint32_t as, med, local_pref;
	uint32_t communities[BGP_COMMUNITIES_MAX];
	struct ip_addr next_hop[BGP_FAMILIES]; /* family 0: routes of it cannot be announced */
};

/* One UPDATE with prefixes that are encoded already. */
void bgp_announce_encode(struct wbuf *w, const struct bgp_attrs *a, enum bgp_family f,
			 struct span prefixes);
/* Without prefixes this is the End-of-RIB marker. */
void bgp_withdraw_encode(struct wbuf *w, enum bgp_family f, struct span prefixes);
/* Bytes of such a message, header included, besides the prefixes. */
size_t bgp_announce_overhead(const struct bgp_attrs *a, enum bgp_family f);
enum { BGP_WITHDRAW_OVERHEAD = BGP_HEADER + 4 + 7, BGP_PREFIX_MAX = 17 };

void bgp_prefix_encode(struct wbuf *w, const struct ip_prefix *p);

#endif
