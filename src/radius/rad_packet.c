#include "radius/rad_packet.h"

bool rad_packet_decode(struct span datagram, struct rad_packet *out)
{
	LNS_ASSERT(out != NULL);

	struct span in = datagram;
	out->code = span_u8(&in);
	out->id = span_u8(&in);
	uint16_t length = span_u16(&in);
	span_bytes(&in, out->authenticator, RAD_AUTHENTICATOR);
	if (in.bad || length < RAD_HEADER || length > RAD_PACKET_MAX || length > datagram.n)
		return false;

	struct span whole = datagram;
	out->whole = span_sub(&whole, length);
	out->attrs = span_sub(&in, length - (size_t)RAD_HEADER);

	struct span walk = out->attrs;
	struct rad_attr a;
	while (rad_attr_next(&walk, &a))
		;
	return !walk.bad;
}

bool rad_attr_next(struct span *attrs, struct rad_attr *out)
{
	if (attrs->n == 0)
		return false;

	uint8_t number = span_u8(attrs);
	uint8_t length = span_u8(attrs);
	if (length < 2) /* the two bytes above are part of it: RFC 2865 section 5 */
		span_fail(attrs);
	struct span value = span_sub(attrs, length < 2 ? 0 : length - 2u);
	if (attrs->bad)
		return false;
	*out = (struct rad_attr){.number = number, .value = value};
	return true;
}

bool rad_vsa_open(struct span *in, uint32_t *vendor)
{
	*vendor = span_u32(in);
	return !in->bad;
}

bool rad_vsa_next(struct span *in, uint32_t vendor, struct rad_attr *out)
{
	if (!rad_attr_next(in, out))
		return false;
	out->vendor = vendor;
	return true;
}

bool rad_attr_is_well_formed(const struct rad_attr *a)
{
	const struct rad_dict_row *row = rad_dict_row(a->vendor, a->number);
	return !row || (a->value.n >= row->min && a->value.n <= row->max);
}

void rad_put_header(struct wbuf *w, enum rad_code code, uint8_t id,
		    const uint8_t authenticator[static RAD_AUTHENTICATOR])
{
	wbuf_u8(w, (uint8_t)code);
	wbuf_u8(w, id);
	wbuf_u16(w, 0);
	wbuf_bytes(w, authenticator, RAD_AUTHENTICATOR);
}

void rad_put(struct wbuf *w, enum rad_attr_number number, struct span value)
{
	if (value.n > RAD_VALUE_MAX) {
		w->bad = true;
		return;
	}
	wbuf_u8(w, (uint8_t)number);
	wbuf_u8(w, (uint8_t)(value.n + 2));
	wbuf_span(w, value);
}

void rad_put_u32(struct wbuf *w, enum rad_attr_number number, uint32_t value)
{
	wbuf_u8(w, (uint8_t)number);
	wbuf_u8(w, 6);
	wbuf_u32(w, value);
}

void rad_put_text(struct wbuf *w, enum rad_attr_number number, const char *text)
{
	rad_put(w, number, span_str(text));
}

void rad_put_addr4(struct wbuf *w, enum rad_attr_number number, const struct ip_addr *a)
{
	if (a->family == 4)
		rad_put_u32(w, number, ip_addr_u32(a));
}

void rad_put_vsa(struct wbuf *w, uint32_t vendor, uint8_t number, struct span value)
{
	enum { OVERHEAD = 8 }; /* both type and length pairs, and the vendor */

	if (value.n + OVERHEAD > 255) {
		w->bad = true;
		return;
	}
	wbuf_u8(w, RAD_VENDOR_SPECIFIC);
	wbuf_u8(w, (uint8_t)(value.n + OVERHEAD));
	wbuf_u32(w, vendor);
	wbuf_u8(w, number);
	wbuf_u8(w, (uint8_t)(value.n + 2));
	wbuf_span(w, value);
}

void rad_put_end(struct wbuf *w, size_t start)
{
	if (!w->bad && w->n - start > RAD_PACKET_MAX)
		w->bad = true;
	wbuf_patch_u16(w, start + 2, (uint16_t)(w->n - start));
}
