#include "dataplane/dp_mss.h"

#include "base/span.h"
#include "base/wbuf.h"
#include "dataplane/dp_checksum.h"

enum {
	IP_PROTO_TCP = 6,
	IP4_FRAGMENT_OFFSET = 0x1FFF,
	TCP_HEADER = 20,
	TCP_CHECKSUM_AT = 16,
	TCP_FLAG_SYN = 0x02,
	TCP_OPT_END = 0,
	TCP_OPT_NOP = 1,
	TCP_OPT_MSS = 2,
	IP6_EXTRA = 20,
};

/* Where the TCP header of a SYN starts, or 0. */
static size_t syn_at(const uint8_t *packet, size_t n)
{
	struct span in = span_of(packet, n);
	uint8_t first = span_u8(&in);
	size_t at;

	if (first >> 4 == 4) {
		at = (first & 15) * 4u;
		span_take(&in, 5);
		uint16_t fragment = span_u16(&in);
		span_u8(&in);
		if (span_u8(&in) != IP_PROTO_TCP || (fragment & IP4_FRAGMENT_OFFSET))
			return 0;
	} else {
		at = 40;
		span_take(&in, 5);
		if (span_u8(&in) != IP_PROTO_TCP)
			return 0;
	}
	if (n < at + TCP_HEADER)
		return 0;
	in = span_of(packet + at, n - at);
	span_take(&in, 13);
	return span_u8(&in) & TCP_FLAG_SYN ? at : 0;
}

/* Where the value of the MSS option stands, counted from the TCP header, or 0. */
static size_t mss_option_at(struct span tcp)
{
	struct span in = tcp;

	span_take(&in, 12);
	size_t header = (size_t)(span_u8(&in) >> 4) * 4;
	if (header < TCP_HEADER || header > tcp.n)
		return 0;
	in = span_of(tcp.p + TCP_HEADER, header - TCP_HEADER);
	while (in.n) {
		uint8_t kind = span_u8(&in);
		if (kind == TCP_OPT_NOP)
			continue;
		uint8_t len = span_u8(&in);
		if (kind == TCP_OPT_END || in.bad || len < 2)
			return 0;
		if (kind == TCP_OPT_MSS)
			return len == 4 && in.n >= 2 ? (size_t)(in.p - tcp.p) : 0;
		span_take(&in, len - 2u);
	}
	return 0;
}

static uint16_t swap(uint16_t v)
{
	return (uint16_t)(v << 8 | v >> 8);
}

static void patch(uint8_t *packet, size_t n, size_t tcp, size_t at, uint16_t before, uint16_t after)
{
	struct wbuf w = {.p = packet, .cap = n, .n = n};
	struct span in = span_of(packet + tcp + TCP_CHECKSUM_AT, 2);
	/* An option may start at an odd place; its bytes then count with their places changed. */
	bool odd = at & 1;

	wbuf_patch_u16(&w, tcp + at, after);
	wbuf_patch_u16(&w, tcp + TCP_CHECKSUM_AT,
		       dp_checksum_update(span_u16(&in), odd ? swap(before) : before,
					  odd ? swap(after) : after));
}

bool dp_mss_clamp(uint8_t *packet, size_t n, uint16_t mss)
{
	size_t tcp = syn_at(packet, n);
	size_t at = tcp ? mss_option_at(span_of(packet + tcp, n - tcp)) : 0;

	if (!at)
		return false;
	struct span in = span_of(packet + tcp + at, 2);
	uint16_t before = span_u16(&in);
	uint16_t limit =
		packet[0] >> 4 == 4 || mss <= IP6_EXTRA ? mss : (uint16_t)(mss - IP6_EXTRA);
	if (before <= limit)
		return false;
	patch(packet, n, tcp, at, before, limit);
	return true;
}
