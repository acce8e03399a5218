#include "lg_l2tp.h"

enum {
	FLAG_T = 0x8000,
	FLAG_L = 0x4000,
	FLAG_S = 0x0800,
	FLAG_O = 0x0200,
	VERSION_MASK = 0x000F,
	VERSION = 2,
	CONTROL_FLAGS = FLAG_T | FLAG_L | FLAG_S | VERSION,
	AVP_M = 0x8000,
	AVP_H = 0x4000,
	AVP_LENGTH = 0x03FF,
	AVP_HEADER = 6,
	AT_LENGTH = 2,
	AT_NS = 8,
};

bool lg_hdr_decode(struct span in, struct lg_hdr *out)
{
	size_t total = in.n;
	uint16_t flags = span_u16(&in);
	*out = (struct lg_hdr){.control = flags & FLAG_T};

	if (flags & FLAG_L) {
		size_t length = span_u16(&in);
		if (length > total || length < total - in.n)
			return false;
		in.n = length - (total - in.n); /* padding behind the message is not part of it */
	}
	out->tid = span_u16(&in);
	out->sid = span_u16(&in);
	if (flags & FLAG_S) {
		out->ns = span_u16(&in);
		out->nr = span_u16(&in);
	}
	if (flags & FLAG_O)
		span_take(&in, span_u16(&in));
	out->body = in;
	if (in.bad || (flags & VERSION_MASK) != VERSION)
		return false;
	return !out->control || (flags & (FLAG_L | FLAG_S | FLAG_O)) == (FLAG_L | FLAG_S);
}

static void result_code(struct span v, struct lg_control *out)
{
	out->result = span_u16(&v);
	if (v.n >= 2)
		out->error = span_u16(&v);
	out->text = v;
}

/* False when a value is shorter than its type says. */
static bool avp_value(uint16_t type, struct span v, struct lg_control *out)
{
	switch (type) {
	case LG_AVP_MESSAGE_TYPE:
		out->type = span_u16(&v);
		break;
	case LG_AVP_RESULT_CODE:
		if (v.n < 2)
			return false;
		result_code(v, out);
		break;
	case LG_AVP_ASSIGNED_TUNNEL_ID:
		out->assigned_tid = span_u16(&v);
		break;
	case LG_AVP_ASSIGNED_SESSION_ID:
		out->assigned_sid = span_u16(&v);
		break;
	case LG_AVP_RECEIVE_WINDOW:
		out->window = span_u16(&v);
		break;
	case LG_AVP_CHALLENGE:
		out->challenge = v;
		break;
	case LG_AVP_CHALLENGE_RESPONSE:
		out->response = v;
		break;
	default:
		break;
	}
	return !v.bad;
}

bool lg_control_decode(struct span body, struct lg_control *out)
{
	*out = (struct lg_control){0};
	while (body.n > 0) {
		uint16_t flags = span_u16(&body);
		uint16_t vendor = span_u16(&body);
		uint16_t type = span_u16(&body);
		size_t len = flags & AVP_LENGTH;
		if (body.bad || len < AVP_HEADER)
			return false;
		struct span value = span_sub(&body, len - AVP_HEADER);
		if (value.bad)
			return false;
		if (vendor == 0 && !(flags & AVP_H) && !avp_value(type, value, out))
			return false;
	}
	return true;
}

void lg_control_begin(struct wbuf *w, uint16_t tid, uint16_t sid, enum lg_msg_type type)
{
	wbuf_u16(w, CONTROL_FLAGS);
	wbuf_u16(w, 0); /* length */
	wbuf_u16(w, tid);
	wbuf_u16(w, sid);
	wbuf_u32(w, 0); /* Ns, Nr */
	lg_avp_u16(w, LG_AVP_MESSAGE_TYPE, (uint16_t)type);
}

void lg_control_end(struct wbuf *w)
{
	wbuf_patch_u16(w, AT_LENGTH, (uint16_t)w->n);
}

void lg_control_zlb(struct wbuf *w, uint16_t tid, uint16_t ns, uint16_t nr)
{
	wbuf_u16(w, CONTROL_FLAGS);
	wbuf_u16(w, LG_ZLB_LEN);
	wbuf_u16(w, tid);
	wbuf_u16(w, 0);
	wbuf_u16(w, ns);
	wbuf_u16(w, nr);
}

void lg_control_stamp(uint8_t *msg, size_t n, uint16_t ns, uint16_t nr)
{
	struct wbuf w = {.p = msg, .cap = n, .n = n};
	wbuf_patch_u16(&w, AT_NS, ns);
	wbuf_patch_u16(&w, AT_NS + 2, nr);
}

void lg_avp_bytes(struct wbuf *w, enum lg_avp_type type, struct span value)
{
	wbuf_u16(w, (uint16_t)(AVP_M | (AVP_HEADER + value.n)));
	wbuf_u16(w, 0);
	wbuf_u16(w, (uint16_t)type);
	wbuf_span(w, value);
}

void lg_avp_u16(struct wbuf *w, enum lg_avp_type type, uint16_t v)
{
	wbuf_u16(w, AVP_M | (AVP_HEADER + 2));
	wbuf_u16(w, 0);
	wbuf_u16(w, (uint16_t)type);
	wbuf_u16(w, v);
}

void lg_avp_u32(struct wbuf *w, enum lg_avp_type type, uint32_t v)
{
	wbuf_u16(w, AVP_M | (AVP_HEADER + 4));
	wbuf_u16(w, 0);
	wbuf_u16(w, (uint16_t)type);
	wbuf_u32(w, v);
}

void lg_challenge_response(uint8_t out[static MD5_LEN], uint8_t id, struct span secret,
			   struct span challenge)
{
	struct span parts[] = {span_of(&id, 1), secret, challenge};
	md5_of(out, parts, 3);
}

void lg_data_begin(struct wbuf *w, bool with_length, uint16_t tid, uint16_t sid, size_t frame)
{
	if (with_length) {
		wbuf_u16(w, FLAG_L | VERSION);
		wbuf_u16(w, (uint16_t)(8 + frame));
	} else {
		wbuf_u16(w, VERSION);
	}
	wbuf_u16(w, tid);
	wbuf_u16(w, sid);
}
