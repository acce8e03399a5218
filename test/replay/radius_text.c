#include "radius_text.h"

#include <string.h>

#include "base/addr.h"
#include "base/crypto.h"

enum { ACCESS_REQUEST = 1, ACCEPT = 2, REJECT = 3, HEADER = 20, MESSAGE_AUTHENTICATOR = 80 };

/* PAP passwords up to 16 bytes: one block of RFC 2865 5.2. */
static void describe_password(struct span v, const uint8_t *authenticator, struct span secret,
			      struct text *out)
{
	uint8_t key[MD5_LEN];
	struct span parts[] = {secret, span_of(authenticator, 16)};
	size_t n = 0;

	if (v.n != 16) {
		text_add(out, " password=long");
		return;
	}
	md5_of(key, parts, 2);
	for (size_t i = 0; i < 16; i++)
		key[i] ^= v.p[i];
	while (n < 16 && key[n])
		n++;
	text_add_bytes(out, "password", key, n);
}

void radius_describe(struct span request, struct span secret, struct text *out)
{
	struct span in = request;
	uint8_t code = span_u8(&in);
	span_u8(&in);
	size_t length = span_u16(&in);
	const uint8_t *authenticator = span_take(&in, 16);

	if (in.bad || length != request.n)
		replay_fail("sent a RADIUS packet that is not well formed");
	text_add(out, "radius code=%u", code);
	for (bool first = true; in.n; first = false) {
		uint8_t type = span_u8(&in);
		size_t n = span_u8(&in);
		struct span v = span_sub(&in, n - 2);
		if (in.bad || n < 2)
			replay_fail("sent RADIUS attributes that are not well formed");
		if (type == 1)
			text_add_bytes(out, "user", v.p, v.n);
		else if (type == 2)
			describe_password(v, authenticator, secret, out);
		else if (type == 3)
			text_add(out, " chap=1");
		else if (type == 30)
			text_add_bytes(out, "called", v.p, v.n);
		else if (type == 31)
			text_add_bytes(out, "calling", v.p, v.n);
		else if (type == MESSAGE_AUTHENTICATOR)
			text_add(out, " signed=%u", first ? 1 : 2);
	}
}

static void put_text(struct wbuf *w, uint8_t type, const char *text)
{
	if (!text)
		return;
	wbuf_u8(w, type);
	wbuf_u8(w, (uint8_t)(strlen(text) + 2));
	wbuf_span(w, span_str(text));
}

static void put_number(struct wbuf *w, uint8_t type, const struct words *s, const char *key)
{
	if (!words_get(s, key))
		return;
	wbuf_u8(w, type);
	wbuf_u8(w, 6);
	wbuf_u32(w, (uint32_t)words_num(s, key, 0));
}

static void put_address(struct wbuf *w, uint8_t type, const struct words *s, const char *key)
{
	struct ip_addr a;
	if (!words_get(s, key))
		return;
	if (!ip_addr_parse(span_str(words_get(s, key)), &a))
		replay_fail("%s is not an address", words_get(s, key));
	wbuf_u8(w, type);
	wbuf_u8(w, 6);
	wbuf_u32(w, ip_addr_u32(&a));
}

void radius_answer(struct wbuf *w, struct span request, struct span secret,
		   const struct words *script)
{
	uint8_t mac[MD5_LEN] = {0};
	bool sign = !words_has(script, "unsigned");

	wbuf_u8(w, words_has(script, "accept") ? ACCEPT : REJECT);
	wbuf_u8(w, (uint8_t)(request.p[1] + words_has(script, "wrongid")));
	wbuf_u16(w, 0);
	wbuf_bytes(w, request.p + 4, 16);
	if (sign) {
		wbuf_u8(w, MESSAGE_AUTHENTICATOR);
		wbuf_u8(w, 18);
		wbuf_bytes(w, mac, MD5_LEN);
	}
	put_address(w, 8, script, "ip");
	put_address(w, 135, script, "dns1"); /* Ascend */
	put_text(w, 18, words_get(script, "reply"));
	put_text(w, 22, words_get(script, "route"));
	put_number(w, 12, script, "mtu");
	put_number(w, 27, script, "session_timeout");
	put_number(w, 28, script, "idle_timeout");
	wbuf_patch_u16(w, 2, (uint16_t)w->n);

	struct span whole = wbuf_written(w);
	if (sign) {
		hmac_md5_of(mac, secret, &whole, 1);
		memcpy(w->p + HEADER + 2, mac, MD5_LEN);
	}
	if (words_has(script, "forged"))
		w->p[w->n - 1] ^= 1;
	struct span parts[] = {whole, secret};
	md5_of(mac, parts, 2);
	memcpy(w->p + 4, mac, MD5_LEN);
	if (words_has(script, "badauth"))
		w->p[4] ^= 1;
}
