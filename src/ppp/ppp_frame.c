#include "ppp/ppp_frame.h"

enum { ALL_STATIONS = 0xFF, UNNUMBERED = 0x03 };

void ppp_actions_clear(struct ppp_actions *a)
{
	a->n_frames = 0;
	a->priority = 0;
	a->ask_auth = a->ip_down = a->ip_up = a->echoed = a->ended = false;
	a->drop = DROPS;
	a->w = wbuf_of(a->bytes, sizeof(a->bytes));
}

static size_t frame_start(const struct ppp_actions *a)
{
	return a->n_frames ? a->ends[a->n_frames - 1] : 0;
}

struct span ppp_actions_frame(const struct ppp_actions *a, unsigned i)
{
	LNS_ASSERT(i < a->n_frames);
	size_t start = i ? a->ends[i - 1] : 0;
	return span_of(a->bytes + start, a->ends[i] - start);
}

bool ppp_frame_decode(struct span *frame, uint16_t *protocol)
{
	struct span head = *frame;

	if (span_u8(&head) == ALL_STATIONS && span_u8(&head) == UNNUMBERED && !head.bad)
		*frame = head;
	uint8_t first = span_u8(frame);
	if (first & 1) { /* compressed: the last byte of a protocol is odd */
		*protocol = first;
		return !frame->bad;
	}
	uint8_t second = span_u8(frame);
	*protocol = (uint16_t)(first << 8 | second);
	return !frame->bad && (second & 1);
}

bool ppp_packet_decode(struct span in, struct ppp_packet *out)
{
	struct span whole = in;

	out->code = span_u8(&in);
	out->id = span_u8(&in);
	size_t len = span_u16(&in);
	if (in.bad || len < PPP_CP_HEADER || len > whole.n)
		return false;
	out->body = span_sub(&in, len - PPP_CP_HEADER);
	out->all = span_sub(&whole, len);
	return true;
}

struct wbuf *ppp_out_begin(struct ppp_actions *a, uint16_t protocol, uint8_t code, uint8_t id)
{
	a->w.n = frame_start(a);
	a->w.bad = a->n_frames >= PPP_OUT_FRAMES;
	wbuf_u8(&a->w, ALL_STATIONS);
	wbuf_u8(&a->w, UNNUMBERED);
	wbuf_u16(&a->w, protocol);
	wbuf_u8(&a->w, code);
	wbuf_u8(&a->w, id);
	wbuf_u16(&a->w, 0);
	return &a->w;
}

void ppp_out_end(struct ppp_actions *a, bool priority)
{
	size_t start = frame_start(a);

	if (a->w.bad) {
		a->w.n = start;
		a->w.bad = false;
		return;
	}
	wbuf_patch_u16(&a->w, start + PPP_HEADER + 2, (uint16_t)(a->w.n - start - PPP_HEADER));
	if (priority)
		a->priority |= (uint8_t)(1u << a->n_frames);
	a->ends[a->n_frames++] = (uint16_t)a->w.n;
}
