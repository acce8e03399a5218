#include "control/pcapng.h"

enum {
	SECTION_HEADER = 0x0A0D0D0A,
	INTERFACE = 1,
	ENHANCED_PACKET = 6,
	MAGIC = 0x1A2B3C4D,
	LINKTYPE_RAW = 101, /* an IPv4 or IPv6 packet */
	OPT_END = 0,
	OPT_COMMENT = 1,
	SHB_USERAPPL = 4,
	IF_NAME = 2,
	IF_TSRESOL = 9,
	EPB_FLAGS = 2,
	INBOUND = 1,
	OUTBOUND = 2,
	NANOSECONDS = 9, /* a power of ten */
	FLAGS_OPTION = 8,
	END_OPTION = 4,
	TRAILER = 4, /* the block's length once more */
};

static void pad(struct wbuf *w, size_t n)
{
	for (; n % 4; n++)
		wbuf_u8(w, 0);
}

static void option(struct wbuf *w, uint16_t code, struct span value)
{
	wbuf_u16(w, code);
	wbuf_u16(w, (uint16_t)value.n);
	wbuf_span(w, value);
	pad(w, value.n);
}

static size_t block_begin(struct wbuf *w, uint32_t type)
{
	size_t start = w->n;

	wbuf_u32(w, type);
	wbuf_u32(w, 0);
	return start;
}

static void block_end(struct wbuf *w, size_t start)
{
	uint32_t n = (uint32_t)(w->n - start + TRAILER);

	wbuf_u32(w, n);
	wbuf_patch_u16(w, start + 4, (uint16_t)(n >> 16));
	wbuf_patch_u16(w, start + 6, (uint16_t)n);
}

void pcapng_begin(struct wbuf *w, struct span comment, struct span interface)
{
	static const uint8_t resolution = NANOSECONDS;
	size_t start = block_begin(w, SECTION_HEADER);

	wbuf_u32(w, MAGIC);
	wbuf_u16(w, 1);
	wbuf_u16(w, 0);
	wbuf_u64(w, UINT64_MAX); /* the section's length: not known */
	option(w, OPT_COMMENT, comment);
	option(w, SHB_USERAPPL, span_str("l2tpns"));
	option(w, OPT_END, span_of(NULL, 0));
	block_end(w, start);

	start = block_begin(w, INTERFACE);
	wbuf_u16(w, LINKTYPE_RAW);
	wbuf_u16(w, 0);
	wbuf_u32(w, 0); /* no limit of length */
	option(w, IF_NAME, interface);
	option(w, IF_TSRESOL, span_of(&resolution, 1));
	option(w, OPT_END, span_of(NULL, 0));
	block_end(w, start);
}

static uint32_t padded(uint32_t n)
{
	return (n + 3) / 4 * 4;
}

static uint32_t packet_block(uint32_t n)
{
	return PCAPNG_PACKET_HEAD + padded(n) + FLAGS_OPTION + END_OPTION + TRAILER;
}

void pcapng_packet_head(struct wbuf *w, uint64_t at_ns, uint32_t n)
{
	wbuf_u32(w, ENHANCED_PACKET);
	wbuf_u32(w, packet_block(n));
	wbuf_u32(w, 0); /* interface */
	wbuf_u64(w, at_ns);
	wbuf_u32(w, n);
	wbuf_u32(w, n);
}

void pcapng_packet_tail(struct wbuf *w, uint32_t n, bool inbound)
{
	uint8_t flags[4] = {0, 0, 0, inbound ? INBOUND : OUTBOUND};

	pad(w, n);
	option(w, EPB_FLAGS, span_of(flags, sizeof(flags)));
	option(w, OPT_END, span_of(NULL, 0));
	wbuf_u32(w, packet_block(n));
}
