#include "dataplane/dp_fragment.h"

enum { OPT_END = 0, OPT_NOP = 1, OPT_COPY = 0x80, OPTIONS_MAX = 40 };

bool dp_fragment_start(struct dp_fragment *f, const struct dp_ip4 *h, struct span packet,
		       uint16_t mtu)
{
	if (mtu < h->header_len + 8u || packet.n < h->total_len)
		return false;
	*f = (struct dp_fragment){.header = *h, .mtu = mtu};
	span_take(&packet, IP4_HEADER);
	f->options = span_sub(&packet, h->header_len - (size_t)IP4_HEADER);
	f->data = span_sub(&packet, (size_t)h->total_len - h->header_len);
	return !packet.bad;
}

/* RFC 791 3.1: options whose copied flag is set go into every fragment. */
static void options_of_rest(struct span in, struct wbuf *out)
{
	while (in.n) {
		uint8_t type = span_u8(&in);
		if (type == OPT_END)
			break;
		if (type == OPT_NOP)
			continue;
		uint8_t len = span_u8(&in);
		if (in.bad || len < 2)
			break;
		struct span rest = span_sub(&in, len - 2u);
		if (rest.bad)
			break;
		if (!(type & OPT_COPY))
			continue;
		wbuf_u8(out, type);
		wbuf_u8(out, len);
		wbuf_span(out, rest);
	}
	while (out->n % 4)
		wbuf_u8(out, OPT_END);
}

bool dp_fragment_next(struct dp_fragment *f, struct wbuf *w)
{
	uint8_t kept[OPTIONS_MAX];
	struct wbuf rest = wbuf_of(kept, sizeof(kept));
	struct span options = f->options;

	if (f->data.n == 0)
		return false;
	if (f->offset) {
		options_of_rest(f->options, &rest);
		options = wbuf_written(&rest);
	}
	size_t room = (f->mtu - IP4_HEADER - options.n) & ~(size_t)7;
	bool last = f->data.n <= f->mtu - IP4_HEADER - options.n;
	struct span piece = span_sub(&f->data, last ? f->data.n : room);
	struct dp_ip4 h = f->header;
	h.total_len = (uint16_t)(IP4_HEADER + options.n + piece.n);
	h.fragment = (uint16_t)((f->header.fragment & (IP4_DF | IP4_MF)) |
				((f->header.fragment & IP4_OFFSET) + f->offset / 8));
	if (!last)
		h.fragment |= IP4_MF;
	dp_ip4_encode(w, &h, options);
	wbuf_span(w, piece);
	f->offset = (uint16_t)(f->offset + piece.n);
	return !w->bad;
}
