#include "bgp/bgp_msg.h"

enum {
	OPEN_MIN = 10, /* of the body: version, AS, hold time, identifier, length */
	PARAMETER_CAPABILITY = 2,
	PARAMETER_EXTENDED = 255, /* RFC 9072: longer lengths follow */
	CAPABILITY_MP = 1,
	CAPABILITY_REFRESH = 2,
	CAPABILITY_EXTENDED = 6,
	CAPABILITY_GRACEFUL = 64,
	CAPABILITY_AS4 = 65,
	GRACEFUL_RESTARTING = 0x8000,
	GRACEFUL_TIME = 0x0FFF,
	GRACEFUL_KEPT = 0x80,
	HOLD_MIN = 3,
	REFRESH_BODY = 4,
};

/* ---- framing --------------------------------------------------------------------------------- */

/* Shortest message of each type, RFC 4271 section 4 and 6.1. */
static const uint8_t shortest[] = {[BGP_OPEN] = 29,
				   [BGP_UPDATE] = 23,
				   [BGP_NOTIFICATION] = 21,
				   [BGP_KEEPALIVE] = 19,
				   [BGP_ROUTE_REFRESH] = 23};

static bool length_is_good(unsigned length, unsigned type, bool extended)
{
	/* RFC 8654 section 4: OPEN and KEEPALIVE never grow. */
	bool may_grow = extended && type != BGP_OPEN && type != BGP_KEEPALIVE;

	if (length < BGP_HEADER || length > (may_grow ? BGP_EXTENDED_MAX : BGP_MESSAGE_MAX))
		return false;
	if (type == 0 || type >= sizeof(shortest))
		return true; /* the type is the fault */
	return type == BGP_KEEPALIVE ? length == BGP_HEADER : length >= shortest[type];
}

static bool header_check(struct span header, bool extended, unsigned *length, unsigned *type,
			 struct bgp_error *e)
{
	for (unsigned i = 0; i < BGP_MARKER; i++)
		if (span_u8(&header) != 0xFF)
			return bgp_error_set(e, BGP_ERR_HEADER_SYNC, span_of(NULL, 0));
	struct span at_length = header;
	*length = span_u16(&header);
	struct span at_type = header;
	*type = span_u8(&header);
	if (!length_is_good(*length, *type, extended))
		return bgp_error_set(e, BGP_ERR_HEADER_LENGTH, span_of(at_length.p, 2));
	if (*type == 0 || *type >= sizeof(shortest))
		return bgp_error_set(e, BGP_ERR_HEADER_TYPE, span_of(at_type.p, 1));
	if (*type == BGP_ROUTE_REFRESH && *length != BGP_HEADER + REFRESH_BODY)
		return bgp_error_set(e, BGP_ERR_REFRESH_LENGTH, span_of(NULL, 0));
	return true;
}

enum bgp_framing bgp_frame_next(struct span *in, bool extended, struct bgp_frame *out,
				struct bgp_error *e)
{
	unsigned length = 0, type = 0;

	if (in->n < BGP_HEADER)
		return BGP_FRAME_MORE;
	if (!header_check(span_of(in->p, BGP_HEADER), extended, &length, &type, e))
		return BGP_FRAME_BAD;
	if (in->n < length)
		return BGP_FRAME_MORE;
	struct span message = span_sub(in, length);
	span_take(&message, BGP_HEADER);
	out->type = (enum bgp_type)type;
	out->body = message;
	return BGP_FRAME_READY;
}

size_t bgp_message_begin(struct wbuf *w, enum bgp_type type)
{
	size_t at = w->n;
	uint8_t *marker = wbuf_room(w, BGP_MARKER);

	if (marker)
		memset(marker, 0xFF, BGP_MARKER);
	wbuf_u16(w, BGP_HEADER);
	wbuf_u8(w, (uint8_t)type);
	return at;
}

void bgp_message_end(struct wbuf *w, size_t at)
{
	if (!w->bad)
		wbuf_patch_u16(w, at + BGP_MARKER, (uint16_t)(w->n - at));
}

/* ---- OPEN ------------------------------------------------------------------------------------ */

static bool family_of(unsigned afi, unsigned safi, enum bgp_family *out)
{
	if (afi < 1 || afi > BGP_FAMILIES || safi != BGP_SAFI_UNICAST)
		return false;
	*out = (enum bgp_family)(afi - 1);
	return true;
}

static void graceful_decode(struct span value, struct bgp_open *out)
{
	enum bgp_family family;
	uint16_t word = span_u16(&value);

	out->graceful = true;
	out->restarting = (word & GRACEFUL_RESTARTING) != 0;
	out->restart_s = word & GRACEFUL_TIME;
	while (value.n >= 4) {
		uint16_t afi = span_u16(&value);
		uint8_t safi = span_u8(&value);
		uint8_t flags = span_u8(&value);
		if (family_of(afi, safi, &family))
			out->kept[family] = (flags & GRACEFUL_KEPT) != 0;
	}
}

/* False: its length is not what this capability has. */
static bool capability_decode(unsigned code, struct span value, struct bgp_open *out, bool *any_mp)
{
	enum bgp_family family;

	switch (code) {
	case CAPABILITY_MP: {
		if (value.n != 4)
			return false;
		uint16_t afi = span_u16(&value);
		span_u8(&value);
		*any_mp = true;
		if (family_of(afi, span_u8(&value), &family))
			out->family[family] = true;
		return true;
	}
	case CAPABILITY_REFRESH:
		out->refresh = true;
		return value.n == 0;
	case CAPABILITY_EXTENDED:
		out->extended = true;
		return value.n == 0;
	case CAPABILITY_GRACEFUL:
		if (value.n < 2 || (value.n - 2) % 4 != 0)
			return false;
		graceful_decode(value, out);
		return true;
	case CAPABILITY_AS4:
		if (value.n != 4)
			return false;
		out->as4 = true;
		out->as = span_u32(&value);
		return true;
	default:
		return true; /* RFC 5492 section 3: what we do not know is ignored */
	}
}

static bool capabilities_decode(struct span in, struct bgp_open *out, bool *any_mp)
{
	while (in.n > 0) {
		unsigned code = span_u8(&in);
		struct span value = span_sub(&in, span_u8(&in));
		if (in.bad || !capability_decode(code, value, out, any_mp))
			return false;
	}
	return true;
}

/* The bytes of all parameters, and whether their lengths have 16 bits. */
static struct span parameters_of(struct span *body, bool *wide)
{
	struct span ahead = *body;
	unsigned length = span_u8(&ahead);
	struct span peek = ahead;

	*wide = length != 0 && ahead.n > 0 && span_u8(&peek) == PARAMETER_EXTENDED;
	*body = *wide ? peek : ahead;
	if (*wide)
		length = span_u16(body);
	return span_sub(body, length);
}

static bool parameters_decode(struct span body, struct bgp_open *out, struct bgp_error *e)
{
	bool wide, any_mp = false;
	struct span in = parameters_of(&body, &wide);

	if (in.bad || body.n != 0)
		return bgp_error_set(e, BGP_ERR_OPEN, span_of(NULL, 0));
	while (in.n > 0) {
		unsigned type = span_u8(&in);
		struct span value = span_sub(&in, wide ? span_u16(&in) : span_u8(&in));
		if (in.bad)
			return bgp_error_set(e, BGP_ERR_OPEN, span_of(NULL, 0));
		if (type != PARAMETER_CAPABILITY)
			return bgp_error_set(e, BGP_ERR_OPEN_PARAMETER, span_of(NULL, 0));
		if (!capabilities_decode(value, out, &any_mp))
			return bgp_error_set(e, BGP_ERR_OPEN, span_of(NULL, 0));
	}
	if (!any_mp) /* RFC 4760 section 8: then it is IPv4 */
		out->family[BGP_IPV4] = true;
	return true;
}

bool bgp_open_decode(struct span body, struct bgp_open *out, struct bgp_error *e)
{
	static const uint8_t our_version[2] = {0, BGP_VERSION};

	memset(out, 0, sizeof(*out));
	if (body.n < OPEN_MIN)
		return bgp_error_set(e, BGP_ERR_OPEN, span_of(NULL, 0));
	if (span_u8(&body) != BGP_VERSION)
		return bgp_error_set(e, BGP_ERR_OPEN_VERSION, span_of(our_version, 2));
	uint16_t as = span_u16(&body);
	out->as = as;
	out->hold_s = span_u16(&body);
	out->id = ip_addr_v4(span_u32(&body));
	if (!parameters_decode(body, out, e))
		return false;
	/* RFC 6793: the short field holds AS_TRANS or the same number; AS 0 is nobody (RFC 7607).
	 */
	if (out->as == 0 || as == 0)
		return bgp_error_set(e, BGP_ERR_OPEN_AS, span_of(NULL, 0));
	if (out->hold_s > 0 && out->hold_s < HOLD_MIN)
		return bgp_error_set(e, BGP_ERR_OPEN_HOLD, span_of(NULL, 0));
	if (ip_addr_u32(&out->id) == 0)
		return bgp_error_set(e, BGP_ERR_OPEN_ID, span_of(NULL, 0));
	return true;
}

static void family_encode(struct wbuf *w, enum bgp_family family)
{
	wbuf_u16(w, (uint16_t)(family + 1));
}

static void capabilities_encode(struct wbuf *w, const struct bgp_open *open)
{
	for (enum bgp_family f = 0; f < BGP_FAMILIES; f++) {
		if (!open->family[f])
			continue;
		wbuf_u8(w, CAPABILITY_MP);
		wbuf_u8(w, 4);
		family_encode(w, f);
		wbuf_u8(w, 0);
		wbuf_u8(w, BGP_SAFI_UNICAST);
	}
	if (open->refresh)
		wbuf_u16(w, CAPABILITY_REFRESH << 8);
	if (open->extended)
		wbuf_u16(w, CAPABILITY_EXTENDED << 8);
	if (open->as4) {
		wbuf_u8(w, CAPABILITY_AS4);
		wbuf_u8(w, 4);
		wbuf_u32(w, open->as);
	}
	if (!open->graceful)
		return;
	wbuf_u8(w, CAPABILITY_GRACEFUL);
	wbuf_u8(w, (uint8_t)(2 + 4 * (open->family[BGP_IPV4] + open->family[BGP_IPV6])));
	wbuf_u16(w, (uint16_t)((open->restarting ? GRACEFUL_RESTARTING : 0) |
			       (open->restart_s & GRACEFUL_TIME)));
	for (enum bgp_family f = 0; f < BGP_FAMILIES; f++) {
		if (!open->family[f])
			continue;
		family_encode(w, f);
		wbuf_u8(w, BGP_SAFI_UNICAST);
		wbuf_u8(w, open->kept[f] ? GRACEFUL_KEPT : 0);
	}
}

void bgp_open_encode(struct wbuf *w, const struct bgp_open *open, bool plain)
{
	uint8_t bytes[128];
	struct wbuf capabilities = wbuf_of(bytes, sizeof(bytes));
	size_t at = bgp_message_begin(w, BGP_OPEN);

	wbuf_u8(w, BGP_VERSION);
	wbuf_u16(w, open->as > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)open->as);
	wbuf_u16(w, open->hold_s);
	wbuf_u32(w, ip_addr_u32(&open->id));
	if (!plain)
		capabilities_encode(&capabilities, open);
	if (capabilities.n > 0) {
		wbuf_u8(w, (uint8_t)(capabilities.n + 2));
		wbuf_u8(w, PARAMETER_CAPABILITY);
	}
	wbuf_u8(w, (uint8_t)capabilities.n);
	wbuf_span(w, wbuf_written(&capabilities));
	bgp_message_end(w, at);
}

/* ---- the small ones -------------------------------------------------------------------------- */

void bgp_notification_decode(struct span body, struct bgp_error *out)
{
	unsigned code = span_u8(&body);
	unsigned subcode = span_u8(&body);

	bgp_error_set(out, (enum bgp_error_id)(code << 8 | subcode), body);
}

void bgp_notification_encode(struct wbuf *w, const struct bgp_error *e)
{
	size_t at = bgp_message_begin(w, BGP_NOTIFICATION);

	wbuf_u8(w, e->code);
	wbuf_u8(w, e->subcode);
	wbuf_bytes(w, e->data, e->n);
	bgp_message_end(w, at);
}

void bgp_notification_text(const struct bgp_error *e, char out[static BGP_ERROR_DATA + 1])
{
	unsigned id = (unsigned)e->code << 8 | e->subcode;
	size_t n = 0;

	if ((id == BGP_ERR_CEASE_SHUTDOWN || id == BGP_ERR_CEASE_RESET) && e->n > 0 &&
	    e->data[0] < e->n)
		n = e->data[0];
	for (size_t i = 0; i < n; i++) {
		uint8_t c = e->data[1 + i];
		out[i] = c >= 0x20 && c < 0x7F ? (char)c : '?';
	}
	out[n] = '\0';
}

void bgp_keepalive_encode(struct wbuf *w)
{
	bgp_message_end(w, bgp_message_begin(w, BGP_KEEPALIVE));
}

bool bgp_refresh_decode(struct span body, enum bgp_family *out)
{
	uint16_t afi = span_u16(&body);
	uint8_t subtype = span_u8(&body); /* RFC 7313: 0 = the request itself */

	return family_of(afi, span_u8(&body), out) && subtype == 0 && !body.bad;
}
