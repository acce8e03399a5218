#include "dataplane/dp_cut.h"

#include "dataplane/dp_checksum.h"

enum {
	IP4_LENGTH_AT = 2,
	IP4_ID_AT = 4,
	IP4_FRAGMENT_AT = 6,
	IP4_PROTO_AT = 9,
	IP4_CHECKSUM_AT = 10,
	IP6_LENGTH_AT = 4,
	TCP_HEADER = 20,
	TCP_SEQ_AT = 4,
	TCP_FLAGS_AT = 12, /* with the header's length before them */
	TCP_CHECKSUM_AT = 16,
	TCP_FIN = 0x01,
	TCP_PSH = 0x08,
	TCP_CWR = 0x80,
	UDP_HEADER = 8,
	UDP_LENGTH_AT = 4,
	UDP_CHECKSUM_AT = 6,
};

static uint16_t u16_at(struct span s, size_t at)
{
	span_take(&s, at);
	return span_u16(&s);
}

static uint32_t u32_at(struct span s, size_t at)
{
	span_take(&s, at);
	return span_u32(&s);
}

static uint8_t u8_at(struct span s, size_t at)
{
	span_take(&s, at);
	return span_u8(&s);
}

/* The length of the transport header, or 0. */
static size_t l4_header(struct span l4, bool udp)
{
	size_t n = udp ? UDP_HEADER : (size_t)(u8_at(l4, TCP_FLAGS_AT) >> 4) * 4;

	return n >= (udp ? UDP_HEADER : TCP_HEADER) && n <= l4.n ? n : 0;
}

static bool is_whole4(struct span packet, const struct dp_super *super)
{
	return packet.n >= IP4_HEADER && (u8_at(packet, 0) & 15) * 4 == super->l4 &&
	       u16_at(packet, IP4_LENGTH_AT) == packet.n &&
	       !(u16_at(packet, IP4_FRAGMENT_AT) & (IP4_MF | IP4_OFFSET)) &&
	       u8_at(packet, IP4_PROTO_AT) == (super->udp ? IP_UDP : IP_TCP);
}

/* Extension headers are copied as they are; the kernel says where they end. */
static bool is_whole6(struct span packet, const struct dp_super *super)
{
	return super->l4 >= IP6_HEADER &&
	       (size_t)u16_at(packet, IP6_LENGTH_AT) + IP6_HEADER == packet.n;
}

bool dp_cut_start(struct dp_cut *c, struct span packet, const struct dp_super *super)
{
	struct span rest = packet;

	*c = (struct dp_cut){.super = *super, .v6 = u8_at(packet, 0) >> 4 == 6};
	if (super->size == 0 || packet.n > UINT16_MAX ||
	    !(c->v6 ? is_whole6(packet, super) : is_whole4(packet, super)))
		return false;
	span_take(&rest, super->l4);
	c->total = (uint16_t)rest.n;
	size_t header = l4_header(rest, super->udp);
	if (rest.bad || header == 0 || super->l4 + header > DP_CUT_HEAD_MAX)
		return false;
	c->head = span_sub(&packet, super->l4 + header);
	c->payload = packet;
	return c->payload.n > 0;
}

static void patch_u32(struct wbuf *w, size_t at, uint32_t v)
{
	wbuf_patch_u16(w, at, (uint16_t)(v >> 16));
	wbuf_patch_u16(w, at + 2, (uint16_t)v);
}

static void put_ip(const struct dp_cut *c, struct wbuf *w, size_t at, size_t n)
{
	if (c->v6) {
		wbuf_patch_u16(w, at + IP6_LENGTH_AT, (uint16_t)(n - IP6_HEADER));
		return;
	}
	wbuf_patch_u16(w, at + IP4_LENGTH_AT, (uint16_t)n);
	wbuf_patch_u16(w, at + IP4_ID_AT, (uint16_t)(u16_at(c->head, IP4_ID_AT) + c->index));
	wbuf_patch_u16(w, at + IP4_CHECKSUM_AT, 0);
	wbuf_patch_u16(w, at + IP4_CHECKSUM_AT,
		       dp_sum_fold(dp_sum(0, span_of(w->p + at, c->super.l4))));
}

/* FIN and PSH belong to the end of the whole, CWR (RFC 3168 6.1.2) to its start. */
static void put_tcp(const struct dp_cut *c, struct wbuf *w, size_t l4, bool last)
{
	uint16_t flags = u16_at(c->head, c->super.l4 + TCP_FLAGS_AT);
	uint32_t seq = u32_at(c->head, c->super.l4 + TCP_SEQ_AT);

	if (!last)
		flags &= (uint16_t) ~(TCP_FIN | TCP_PSH);
	if (c->index)
		flags &= (uint16_t)~TCP_CWR;
	patch_u32(w, l4 + TCP_SEQ_AT, seq + (uint32_t)c->index * c->super.size);
	wbuf_patch_u16(w, l4 + TCP_FLAGS_AT, flags);
}

/* The field of the whole holds its pseudo header's sum; only the length in it differs. */
static void put_checksum(const struct dp_cut *c, struct wbuf *w, size_t l4, struct span payload)
{
	size_t field = c->super.udp ? UDP_CHECKSUM_AT : TCP_CHECKSUM_AT;
	size_t header = c->head.n - c->super.l4;
	uint64_t sum = u16_at(c->head, c->super.l4 + field);

	wbuf_patch_u16(w, l4 + field, 0);
	sum += (uint16_t)~c->total + (uint64_t)header + payload.n;
	sum = dp_sum(dp_sum(sum, span_of(w->p + l4, header)), payload);
	uint16_t v = dp_sum_fold(sum);
	/* Zero means "no checksum" in UDP (RFC 768). */
	wbuf_patch_u16(w, l4 + field, v == 0 && c->super.udp ? 0xFFFF : v);
}

struct span dp_cut_next(struct dp_cut *c, struct wbuf *w)
{
	bool last = c->payload.n <= c->super.size;
	struct span payload = span_sub(&c->payload, last ? c->payload.n : c->super.size);
	size_t at = w->n, l4 = at + c->super.l4;

	wbuf_span(w, c->head);
	if (w->bad || payload.n == 0)
		return span_of(NULL, 0);
	put_ip(c, w, at, c->head.n + payload.n);
	if (c->super.udp)
		wbuf_patch_u16(w, l4 + UDP_LENGTH_AT, (uint16_t)(UDP_HEADER + payload.n));
	else
		put_tcp(c, w, l4, last);
	put_checksum(c, w, l4, payload);
	c->index++;
	return payload;
}

void dp_cut_skip(struct dp_cut *c, unsigned n)
{
	span_take(&c->payload, (size_t)n * c->super.size);
	c->index = (uint16_t)(c->index + n);
}
