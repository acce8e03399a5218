#include "dataplane/dp_icmp.h"

#include "dataplane/dp_checksum.h"

enum { ICMP_HEADER = 8, ICMP_TTL = 64, ICMP_PRECEDENCE = 0xC0 };

bool dp_icmp_allowed(struct dp_icmp_limit *l, uint32_t per_s, nsec now)
{
	int64_t second = now.ns / NSEC_S(1);

	if (second != l->second)
		*l = (struct dp_icmp_limit){.second = second};
	if (l->sent >= per_s)
		return false;
	l->sent++;
	return true;
}

/* RFC 792: types 8, 0, 13 to 18 are questions and answers, the rest are errors or not known. */
static bool is_icmp_query(struct span packet, const struct dp_ip4 *h)
{
	span_take(&packet, h->header_len);
	uint8_t type = span_u8(&packet);

	return !packet.bad && (type == 0 || type == 8 || (type >= 13 && type <= 18));
}

static bool is_one_host(uint32_t ip)
{
	uint32_t net = ip >> 24;

	return net != 0 && net != 127 && net < 224;
}

static bool may_answer(const struct dp_ip4 *h, struct span packet)
{
	if (h->fragment & IP4_OFFSET || !is_one_host(h->src) || h->dst >> 28 == 0xE ||
	    h->dst == UINT32_MAX)
		return false;
	return h->proto != IP_ICMP || is_icmp_query(packet, h);
}

bool dp_icmp_unreachable(struct wbuf *w, const struct dp_ip4 *h, struct span packet,
			 uint32_t source, uint8_t code, uint16_t mtu)
{
	size_t quote = packet.n < h->total_len ? packet.n : h->total_len;

	if (quote > DP_ICMP_MAX - IP4_HEADER - ICMP_HEADER)
		quote = DP_ICMP_MAX - IP4_HEADER - ICMP_HEADER;
	if (!may_answer(h, packet))
		return false;
	struct dp_ip4 reply = {
		.tos = ICMP_PRECEDENCE, /* RFC 1812 4.3.2.5 */
		.total_len = (uint16_t)(IP4_HEADER + ICMP_HEADER + quote),
		.id = h->id,
		.ttl = ICMP_TTL,
		.proto = IP_ICMP,
		.src = source,
		.dst = h->src,
	};
	dp_ip4_encode(w, &reply, span_of(NULL, 0));
	size_t at = w->n;
	wbuf_u8(w, ICMP_UNREACHABLE);
	wbuf_u8(w, code);
	wbuf_u16(w, 0);
	wbuf_u16(w, 0);
	wbuf_u16(w, mtu);
	wbuf_span(w, span_sub(&packet, quote));
	if (w->bad)
		return false;
	wbuf_patch_u16(w, at + 2, dp_sum_fold(dp_sum(0, span_of(w->p + at, w->n - at))));
	return true;
}
