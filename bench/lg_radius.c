#include "lg_radius.h"

#include <stdio.h>

enum {
	USER_NAME = 1,
	USER_PASSWORD = 2,
	CHAP_PASSWORD = 3,
	SERVICE_TYPE = 6,
	FRAMED_PROTOCOL = 7,
	FRAMED_IP_ADDRESS = 8,
	FRAMED_ROUTE = 22,
	SESSION_TIMEOUT = 27,
	CALLING_STATION_ID = 31,
	ACCT_STATUS_TYPE = 40,
	ACCT_DELAY_TIME = 41,
	ACCT_SESSION_ID = 44,
	EVENT_TIMESTAMP = 55,
	CHAP_CHALLENGE = 60,
	MESSAGE_AUTHENTICATOR = 80,
	HEADER = 20,
	AT_AUTHENTICATOR = 4,
	PAP_MAX = 128,
};

static void attribute(uint8_t type, struct span v, struct lg_rad_request *out)
{
	switch (type) {
	case USER_NAME:
		out->user = v;
		break;
	case USER_PASSWORD:
		out->pap = v;
		break;
	case CHAP_PASSWORD:
		out->chap = v;
		break;
	case CHAP_CHALLENGE:
		out->challenge = v;
		break;
	case MESSAGE_AUTHENTICATOR:
		out->message_auth = v;
		break;
	case CALLING_STATION_ID:
		out->eui = v;
		break;
	case ACCT_STATUS_TYPE:
		out->acct_status = span_u32(&v);
		break;
	case ACCT_DELAY_TIME:
		out->acct_delay_s = span_u32(&v);
		break;
	case ACCT_SESSION_ID:
		out->acct_session = v;
		break;
	case EVENT_TIMESTAMP:
		out->event_s = span_u32(&v);
		break;
	default:
		break;
	}
}

bool lg_rad_decode(struct span in, struct lg_rad_request *out)
{
	struct span whole = in;
	*out = (struct lg_rad_request){.code = span_u8(&in), .id = span_u8(&in)};
	size_t length = span_u16(&in);
	out->authenticator = span_take(&in, 16);
	if (in.bad || length < HEADER || length > whole.n)
		return false;
	whole.n = length;
	in.n = length - HEADER;
	out->whole = whole;
	while (in.n > 0) {
		uint8_t type = span_u8(&in);
		uint8_t len = span_u8(&in);
		if (in.bad || len < 2)
			return false;
		struct span v = span_sub(&in, len - 2u);
		if (v.bad)
			return false;
		attribute(type, v, out);
	}
	return true;
}

bool lg_rad_message_auth_ok(const struct lg_rad_request *q, struct span secret)
{
	static const uint8_t zeros[MD5_LEN];
	uint8_t want[MD5_LEN];

	if (!q->message_auth.p)
		return true;
	if (q->message_auth.n != MD5_LEN)
		return false;
	size_t before = (size_t)(q->message_auth.p - q->whole.p);
	struct span parts[] = {span_of(q->whole.p, before), span_of(zeros, MD5_LEN),
			       span_of(q->message_auth.p + MD5_LEN, q->whole.n - before - MD5_LEN)};
	hmac_md5_of(want, secret, parts, 3);
	return mem_equal_ct(want, q->message_auth.p, MD5_LEN);
}

/* RFC 2865 5.2: unhide block by block, then compare with the padded password. */
static bool pap_ok(const struct lg_rad_request *q, struct span secret, struct span password)
{
	uint8_t mask[MD5_LEN];
	uint8_t plain[PAP_MAX] = {0};
	struct span previous = span_of(q->authenticator, 16);

	if (q->pap.n == 0 || q->pap.n > PAP_MAX || q->pap.n % 16 || password.n > q->pap.n)
		return false;
	for (size_t at = 0; at < q->pap.n; at += 16) {
		struct span parts[] = {secret, previous};
		md5_of(mask, parts, 2);
		for (size_t i = 0; i < 16; i++)
			plain[at + i] = q->pap.p[at + i] ^ mask[i];
		previous = span_of(q->pap.p + at, 16);
	}
	for (size_t i = password.n; i < q->pap.n; i++)
		if (plain[i])
			return false;
	return memcmp(plain, password.p, password.n) == 0;
}

static bool chap_ok(const struct lg_rad_request *q, struct span password)
{
	uint8_t want[MD5_LEN];
	struct span challenge = q->challenge.p ? q->challenge : span_of(q->authenticator, 16);
	if (q->chap.n != 1 + MD5_LEN)
		return false;
	struct span parts[] = {span_of(q->chap.p, 1), password, challenge};
	md5_of(want, parts, 3);
	return memcmp(want, q->chap.p + 1, MD5_LEN) == 0;
}

bool lg_rad_password_ok(const struct lg_rad_request *q, struct span secret, struct span password)
{
	return q->chap.p ? chap_ok(q, password) : pap_ok(q, secret, password);
}

static void attribute_u32(struct wbuf *w, uint8_t type, uint32_t v)
{
	wbuf_u8(w, type);
	wbuf_u8(w, 6);
	wbuf_u32(w, v);
}

/* RFC 2865 5.22: "A.B.C.D/29 0.0.0.0 1" */
static void framed_route(struct wbuf *w, uint32_t network)
{
	char text[48];
	int n = snprintf(text, sizeof(text), "%u.%u.%u.%u/29 0.0.0.0 1", network >> 24,
			 network >> 16 & 0xFF, network >> 8 & 0xFF, network & 0xFF);
	wbuf_u8(w, FRAMED_ROUTE);
	wbuf_u8(w, (uint8_t)(n + 2));
	wbuf_bytes(w, text, (size_t)n);
}

/* Writes the attributes; returns where the Message-Authenticator's value is, or 0. */
static size_t attributes(struct wbuf *w, uint8_t code, const struct lg_rad_answer *a)
{
	static const uint8_t zeros[MD5_LEN];
	size_t at = 0;
	if (a->message_auth && code != LG_RAD_ACCT_RESPONSE) {
		wbuf_u8(w, MESSAGE_AUTHENTICATOR);
		wbuf_u8(w, 2 + MD5_LEN);
		at = w->n;
		wbuf_bytes(w, zeros, MD5_LEN);
	}
	if (code != LG_RAD_ACCEPT)
		return at;
	attribute_u32(w, SERVICE_TYPE, 2);
	attribute_u32(w, FRAMED_PROTOCOL, 1);
	if (a->framed_ip)
		attribute_u32(w, FRAMED_IP_ADDRESS, a->framed_ip);
	if (a->session_timeout_s)
		attribute_u32(w, SESSION_TIMEOUT, a->session_timeout_s);
	for (unsigned i = 0; i < a->n_routes; i++)
		framed_route(w, a->route + 8 * i);
	return at;
}

/* Puts 16 bytes where zeros were written before. */
static void patch(struct wbuf *w, size_t at, const uint8_t bytes[MD5_LEN])
{
	struct wbuf hole = {.p = w->p + at, .cap = MD5_LEN};
	wbuf_bytes(&hole, bytes, MD5_LEN);
}

bool lg_rad_reply(struct wbuf *w, const struct lg_rad_request *q, uint8_t code,
		  const struct lg_rad_answer *a, struct span secret)
{
	uint8_t digest[MD5_LEN];

	wbuf_u8(w, code);
	wbuf_u8(w, q->id);
	wbuf_u16(w, 0);
	wbuf_bytes(w, q->authenticator, 16); /* of the request, while the digests are made */
	size_t at = attributes(w, code, a);
	wbuf_patch_u16(w, 2, (uint16_t)w->n);
	if (w->bad)
		return false;
	struct span packet = wbuf_written(w);
	if (at) {
		hmac_md5_of(digest, secret, &packet, 1);
		patch(w, at, digest);
	}
	struct span parts[] = {packet, secret};
	md5_of(digest, parts, 2);
	patch(w, AT_AUTHENTICATOR, digest);
	return true;
}

uint32_t lg_rad_user_number(struct span user)
{
	uint32_t n = 0;
	bool digits = false;
	for (size_t i = 0; i < user.n && user.p[i] != '@'; i++) {
		uint8_t c = user.p[i];
		if (c < '0' || c > '9') {
			digits = false;
			continue;
		}
		n = digits ? n * 10 + (c - '0') : (uint32_t)(c - '0');
		digits = true;
	}
	return digits ? n : 0;
}
