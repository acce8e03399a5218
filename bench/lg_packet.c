#include "lg_packet.h"

enum {
	MARK = 0x4C473301,
	ICMP_ID = 0x4C47,
	TTL = 64,
	AT_IP_CHECKSUM = 10,
	AT_UDP_CHECKSUM = 6,
	AT_ICMP_CHECKSUM = 2,
};

/* One's complement sum of big-endian words, RFC 1071; a short tail counts as padded with 0. */
static uint32_t sum_words(uint32_t sum, const uint8_t *p, size_t n)
{
	size_t i = 0;
	for (; i + 1 < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (i < n)
		sum += (uint32_t)(p[i] << 8);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xFFFF) + (sum >> 16);
	return (uint16_t)~sum;
}

static void ipv4_header(struct wbuf *w, uint8_t proto, uint32_t src, uint32_t dst, unsigned size,
			uint16_t id)
{
	size_t at = w->n;
	wbuf_u16(w, 0x4500);
	wbuf_u16(w, (uint16_t)size);
	wbuf_u16(w, id);
	wbuf_u16(w, 0);
	wbuf_u8(w, TTL);
	wbuf_u8(w, proto);
	wbuf_u16(w, 0);
	wbuf_u32(w, src);
	wbuf_u32(w, dst);
	if (!w->bad)
		wbuf_patch_u16(w, at + AT_IP_CHECKSUM,
			       fold(sum_words(0, w->p + at, LG_IPV4_HEADER)));
}

void lg_stamp_encode(struct wbuf *w, const struct lg_stamp *stamp, unsigned size)
{
	wbuf_u32(w, MARK);
	wbuf_u32(w, stamp->session);
	wbuf_u32(w, stamp->seq);
	wbuf_u64(w, (uint64_t)stamp->sent.ns);
	uint8_t *rest = wbuf_room(w, size - LG_STAMP_LEN);
	if (rest)
		memset(rest, 0, size - LG_STAMP_LEN);
}

bool lg_stamp_decode(struct span payload, struct lg_stamp *out)
{
	uint32_t mark = span_u32(&payload);
	out->session = span_u32(&payload);
	out->seq = span_u32(&payload);
	out->sent = (nsec){(int64_t)span_u64(&payload)};
	return !payload.bad && mark == MARK;
}

void lg_udp_packet(struct wbuf *w, const struct lg_udp_path *p, unsigned size, uint16_t id,
		   const struct lg_stamp *stamp)
{
	ipv4_header(w, LG_PROTO_UDP, p->src, p->dst, size, id);
	size_t at = w->n;
	uint16_t length = (uint16_t)(size - LG_IPV4_HEADER);
	wbuf_u16(w, p->src_port);
	wbuf_u16(w, p->dst_port);
	wbuf_u16(w, length);
	wbuf_u16(w, 0);
	lg_stamp_encode(w, stamp, length - LG_UDP_HEADER);
	if (w->bad)
		return;
	/* the padding is zeros and adds nothing */
	uint32_t sum = sum_words(LG_PROTO_UDP + length, w->p + at, LG_UDP_HEADER + LG_STAMP_LEN);
	sum += (p->src >> 16) + (p->src & 0xFFFF) + (p->dst >> 16) + (p->dst & 0xFFFF);
	uint16_t checksum = fold(sum);
	wbuf_patch_u16(w, at + AT_UDP_CHECKSUM, checksum ? checksum : 0xFFFF);
}

void lg_icmp_packet(struct wbuf *w, uint8_t type, uint32_t src, uint32_t dst,
		    const struct lg_stamp *stamp)
{
	ipv4_header(w, LG_PROTO_ICMP, src, dst, LG_IPV4_HEADER + 8 + LG_STAMP_LEN,
		    (uint16_t)stamp->seq);
	size_t at = w->n;
	wbuf_u8(w, type);
	wbuf_u8(w, 0);
	wbuf_u16(w, 0);
	wbuf_u16(w, ICMP_ID);
	wbuf_u16(w, (uint16_t)stamp->seq);
	lg_stamp_encode(w, stamp, LG_STAMP_LEN);
	if (!w->bad)
		wbuf_patch_u16(w, at + AT_ICMP_CHECKSUM, fold(sum_words(0, w->p + at, w->n - at)));
}

void lg_icmp_answer(struct wbuf *w, const struct lg_ipv4 *request)
{
	struct span rest = request->body;
	span_u32(&rest); /* type, code, checksum */
	ipv4_header(w, LG_PROTO_ICMP, request->dst, request->src,
		    (unsigned)(LG_IPV4_HEADER + 4 + rest.n), 0);
	size_t at = w->n;
	wbuf_u32(w, LG_ICMP_REPLY);
	wbuf_span(w, rest);
	if (!w->bad)
		wbuf_patch_u16(w, at + AT_ICMP_CHECKSUM, fold(sum_words(0, w->p + at, w->n - at)));
}

bool lg_icmp_decode(struct span body, uint8_t *type, struct span *payload)
{
	*type = span_u8(&body);
	span_take(&body, 7);
	*payload = body;
	return !body.bad;
}

bool lg_ipv4_decode(struct span in, struct lg_ipv4 *out)
{
	size_t have = in.n;
	uint8_t version = span_u8(&in);
	size_t header = (version & 0x0F) * 4u;
	span_u8(&in);
	size_t total = span_u16(&in);
	span_take(&in, 5);
	out->proto = span_u8(&in);
	span_u16(&in);
	out->src = span_u32(&in);
	out->dst = span_u32(&in);
	if (in.bad || version >> 4 != 4 || header < LG_IPV4_HEADER || total < header ||
	    total > have)
		return false;
	span_take(&in, header - LG_IPV4_HEADER);
	in.n = total - header;
	out->body = in;
	return !in.bad;
}
