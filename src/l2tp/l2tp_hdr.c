#include "l2tp/l2tp_hdr.h"

enum { AT_LENGTH = 2, AT_NS = 8, AT_NR = 10 }; /* offsets within a control header */

static bool fail(enum drop reason, enum drop *why)
{
	*why = reason;
	return false;
}

/* Cuts the datagram to what the Length field says; false when it says more than there is. */
static bool length_apply(struct span datagram, struct span *rest)
{
	uint16_t length = span_u16(rest);
	size_t header = datagram.n - rest->n;

	if (rest->bad || length < header || length > datagram.n)
		return false;
	rest->n = length - header;
	return true;
}

bool l2tp_hdr_decode(struct span datagram, struct l2tp_hdr *h, enum drop *why)
{
	struct span in = datagram;

	*h = (struct l2tp_hdr){.flags = span_u16(&in)};
	if (in.bad)
		return fail(DROP_L2TP_SHORT, why);
	if ((h->flags & L2TP_VERSION_MASK) != L2TP_VERSION)
		return fail(DROP_L2TP_VERSION, why);
	if (h->flags & L2TP_L && !length_apply(datagram, &in))
		return fail(DROP_L2TP_LENGTH, why);
	h->tid = span_u16(&in);
	h->sid = span_u16(&in);
	if (h->flags & L2TP_S) {
		h->ns = span_u16(&in);
		h->nr = span_u16(&in);
	}
	if (in.bad)
		return fail(DROP_L2TP_SHORT, why);
	if (h->flags & L2TP_O) {
		uint16_t offset = span_u16(&in);
		span_take(&in, offset);
		if (in.bad)
			return fail(DROP_L2TP_OFFSET, why);
	}
	h->body = in;
	return true;
}

bool l2tp_hdr_decode_control(struct span datagram, struct l2tp_hdr *h, enum drop *why)
{
	const uint16_t must = L2TP_T | L2TP_L | L2TP_S, must_not = L2TP_O | L2TP_P;

	if (!l2tp_hdr_decode(datagram, h, why))
		return false;
	if ((h->flags & must) != must || h->flags & must_not)
		return fail(DROP_L2TP_FLAGS, why); /* RFC 2661 3.1; reserved bits are ignored */
	return true;
}

void l2tp_hdr_begin(struct wbuf *w, uint16_t tid, uint16_t sid)
{
	wbuf_u16(w, L2TP_CONTROL_FLAGS);
	wbuf_u16(w, L2TP_CONTROL_HEADER);
	wbuf_u16(w, tid);
	wbuf_u16(w, sid);
	wbuf_u32(w, 0);
}

void l2tp_hdr_finish(struct wbuf *w)
{
	wbuf_patch_u16(w, AT_LENGTH, (uint16_t)w->n);
}

void l2tp_hdr_stamp(uint8_t *message, size_t n, uint16_t ns, uint16_t nr)
{
	struct wbuf w = {.p = message, .cap = n, .n = n};

	wbuf_patch_u16(&w, AT_NS, ns);
	wbuf_patch_u16(&w, AT_NR, nr);
}
