#include "dataplane/dp_ip.h"

#include "dataplane/dp_checksum.h"

void dp_ip4_encode(struct wbuf *w, const struct dp_ip4 *h, struct span options)
{
	size_t at = w->n;

	LNS_ASSERT(options.n % 4 == 0);
	wbuf_u8(w, (uint8_t)(0x40 | (IP4_HEADER + options.n) / 4));
	wbuf_u8(w, h->tos);
	wbuf_u16(w, h->total_len);
	wbuf_u16(w, h->id);
	wbuf_u16(w, h->fragment);
	wbuf_u8(w, h->ttl);
	wbuf_u8(w, h->proto);
	wbuf_u16(w, 0);
	wbuf_u32(w, h->src);
	wbuf_u32(w, h->dst);
	wbuf_span(w, options);
	if (!w->bad)
		wbuf_patch_u16(w, at + 10, dp_sum_fold(dp_sum(0, span_of(w->p + at, w->n - at))));
}

bool dp_ip4_hop(uint8_t *packet, size_t n)
{
	enum { TTL_AT = 8, CHECKSUM_AT = 10 };
	struct dp_ip4 h;

	if (dp_ip4_decode(span_of(packet, n), &h) != DP_IP_OK || h.ttl < 2 ||
	    dp_sum_fold(dp_sum(0, span_of(packet, h.header_len))) != 0)
		return false;
	struct span field = span_of(packet + CHECKSUM_AT, 2);
	uint16_t before = (uint16_t)(h.ttl << 8 | h.proto);
	uint16_t sum = dp_checksum_update(span_u16(&field), before, (uint16_t)(before - 0x100));
	struct wbuf out = wbuf_of(packet + CHECKSUM_AT, 2);
	wbuf_u16(&out, sum);
	packet[TTL_AT]--;
	return true;
}
