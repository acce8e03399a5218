#include "l2tp/l2tp_avp.h"

#include "l2tp/l2tp_msg.h"

#define IN(message) (1u << L2TP_##message)
#define ALL	    0xFFFFFFFFu
#define NO	    0u

const struct l2tp_avp_row l2tp_avp_table[L2TP_AVPS] = {
#define AVP(name, vendor, number, text, type, min, max, m, h, allowed, required)                   \
	[L2TP_AVP_##name] = {text, vendor, number,  min,     max, L2TP_TYPE_##type,                \
			     m,	   h,	   allowed, required},
#include "l2tp/l2tp_avp.def"
#undef AVP
};

enum l2tp_avp l2tp_avp_find(uint16_t vendor, uint16_t number)
{
	switch ((uint32_t)vendor << 16 | number) {
#define AVP(name, vendor, number, text, type, min, max, m, h, allowed, required)                   \
	case (uint32_t)(vendor) << 16 | (number):                                                  \
		return L2TP_AVP_##name;
#include "l2tp/l2tp_avp.def"
#undef AVP
	default:
		return L2TP_AVPS;
	}
}

bool l2tp_avp_next(struct span *in, struct l2tp_avp_raw *out)
{
	if (in->n == 0)
		return false;
	out->bits = span_u16(in);
	out->vendor = span_u16(in);
	out->number = span_u16(in);
	size_t length = out->bits & L2TP_AVP_LENGTH;
	if (length < L2TP_AVP_HEADER)
		span_fail(in); /* RFC 2661 4.1: the length covers its own header */
	out->value = span_sub(in, in->bad ? 0 : length - L2TP_AVP_HEADER);
	return !in->bad;
}

bool l2tp_avps_well_formed(struct span in)
{
	struct l2tp_avp_raw avp;

	while (l2tp_avp_next(&in, &avp))
		;
	return !in.bad;
}

static void header_put(struct wbuf *w, enum l2tp_avp avp, size_t n)
{
	const struct l2tp_avp_row *row = &l2tp_avp_table[avp];

	LNS_ASSERT(n >= row->min && n <= row->max);
	wbuf_u16(w, (uint16_t)((row->mandatory ? L2TP_AVP_M : 0) | (L2TP_AVP_HEADER + n)));
	wbuf_u16(w, row->vendor);
	wbuf_u16(w, row->number);
}

void l2tp_avp_put(struct wbuf *w, enum l2tp_avp avp, struct span value)
{
	header_put(w, avp, value.n);
	wbuf_span(w, value);
}

void l2tp_avp_put_u16(struct wbuf *w, enum l2tp_avp avp, uint16_t v)
{
	header_put(w, avp, 2);
	wbuf_u16(w, v);
}

void l2tp_avp_put_u32(struct wbuf *w, enum l2tp_avp avp, uint32_t v)
{
	header_put(w, avp, 4);
	wbuf_u32(w, v);
}

void l2tp_avp_put_result(struct wbuf *w, uint16_t result, uint16_t error, struct span message)
{
	bool longer = error != 0 || message.n != 0;

	header_put(w, L2TP_AVP_RESULT_CODE, longer ? 4 + message.n : 2);
	wbuf_u16(w, result);
	if (!longer)
		return;
	wbuf_u16(w, error);
	wbuf_span(w, message);
}
