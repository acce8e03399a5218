#include "ppp/ppp_part.h"

enum {
	IPCP_IP_ADDRESS = 3,	  /* RFC 1332 3.3 */
	IPCP_PRIMARY_DNS = 129,	  /* RFC 1877 1.1 */
	IPCP_SECONDARY_DNS = 131, /* RFC 1877 1.3 */
};

static enum ppp_verdict same_address(struct span value, uint32_t wanted)
{
	return span_u32(&value) == wanted ? PPP_ACK : PPP_NAK;
}

/* ---- addresses: ours is told, the peer's is given ------------------------------------------ */

static bool ip_ask(const struct ppp_link *l, struct wbuf *w)
{
	wbuf_u32(w, l->own_ip);
	return l->own_ip != 0;
}

/* Our address is not the peer's to choose; after max_failure we leave the option out. */
static enum ppp_yield ip_naked(struct ppp_link *l, struct ppp_io *io, struct span hint)
{
	(void)l;
	(void)io;
	(void)hint;
	return PPP_YIELD_KEEP;
}

static enum ppp_verdict ip_judge(const struct ppp_link *l, const struct ppp_io *io,
				 struct span value)
{
	(void)io;
	return same_address(value, l->ip);
}

static bool ip_suggest(struct ppp_link *l, struct ppp_io *io, struct wbuf *w)
{
	(void)io;
	wbuf_u32(w, l->ip);
	return true;
}

/* ---- name servers: named when we know one, else rejected ----------------------------------- */

static enum ppp_verdict dns_judge(uint32_t dns, struct span value)
{
	return dns == 0 ? PPP_REJ : same_address(value, dns);
}

static bool dns_suggest(uint32_t dns, struct wbuf *w)
{
	wbuf_u32(w, dns);
	return dns != 0;
}

static enum ppp_verdict dns1_judge(const struct ppp_link *l, const struct ppp_io *io,
				   struct span value)
{
	(void)io;
	return dns_judge(l->dns[0], value);
}

static bool dns1_suggest(struct ppp_link *l, struct ppp_io *io, struct wbuf *w)
{
	(void)io;
	return dns_suggest(l->dns[0], w);
}

static enum ppp_verdict dns2_judge(const struct ppp_link *l, const struct ppp_io *io,
				   struct span value)
{
	(void)io;
	return dns_judge(l->dns[1], value);
}

static bool dns2_suggest(struct ppp_link *l, struct ppp_io *io, struct wbuf *w)
{
	(void)io;
	return dns_suggest(l->dns[1], w);
}

/* Options that have no row are rejected: IP-Addresses, compression, NBNS. */
static const struct ppp_option options[] = {
	{.type = IPCP_IP_ADDRESS,
	 .len = 4,
	 .append = true,
	 .ask = ip_ask,
	 .naked = ip_naked,
	 .judge = ip_judge,
	 .suggest = ip_suggest},
	{.type = IPCP_PRIMARY_DNS, .len = 4, .judge = dns1_judge, .suggest = dns1_suggest},
	{.type = IPCP_SECONDARY_DNS, .len = 4, .judge = dns2_judge, .suggest = dns2_suggest},
};

const struct ppp_protocol_desc ppp_ipcp = {
	.protocol = PPP_IPCP,
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.layer = ppp_link_ipcp_layer,
};
