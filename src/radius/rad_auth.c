#include "radius/rad_auth.h"

#include "base/crypto.h"

enum { BLOCK = MD5_LEN };

static const uint8_t zeros[BLOCK];

/* One step of RFC 2865 5.2: out = in XOR MD5(secret + previous). */
static void hide_block(uint8_t out[static BLOCK], const uint8_t in[static BLOCK],
		       struct span secret, const uint8_t previous[static BLOCK])
{
	uint8_t mask[BLOCK];
	struct span parts[] = {secret, span_of(previous, BLOCK)};

	md5_of(mask, parts, 2);
	for (size_t i = 0; i < BLOCK; i++)
		out[i] = in[i] ^ mask[i];
	mem_wipe(mask, sizeof(mask));
}

void rad_put_password(struct wbuf *w, struct span password, struct span secret,
		      const uint8_t authenticator[static RAD_AUTHENTICATOR])
{
	uint8_t plain[BLOCK], hidden[BLOCK];

	if (password.n > RAD_PASSWORD_MAX) {
		w->bad = true;
		return;
	}
	/* An empty password is one block of padding: the value has 16 bytes or more. */
	size_t blocks = password.n == 0 ? 1 : (password.n + BLOCK - 1) / BLOCK;
	wbuf_u8(w, RAD_USER_PASSWORD);
	wbuf_u8(w, (uint8_t)(blocks * BLOCK + 2));
	memcpy(hidden, authenticator, BLOCK);
	for (size_t i = 0; i < blocks; i++) {
		size_t n = password.n < BLOCK ? password.n : (size_t)BLOCK;
		memset(plain, 0, BLOCK);
		span_bytes(&password, plain, n);
		uint8_t previous[BLOCK];
		memcpy(previous, hidden, BLOCK);
		hide_block(hidden, plain, secret, previous);
		wbuf_bytes(w, hidden, BLOCK);
	}
	mem_wipe(plain, sizeof(plain));
}

int rad_password_reveal(struct span hidden, struct span secret,
			const uint8_t authenticator[static RAD_AUTHENTICATOR],
			uint8_t out[static RAD_PASSWORD_MAX])
{
	size_t n = hidden.n;
	if (n == 0 || n % BLOCK != 0 || n > RAD_PASSWORD_MAX)
		return -1;

	uint8_t previous[BLOCK], block[BLOCK];
	memcpy(previous, authenticator, BLOCK);
	for (size_t at = 0; at < n; at += BLOCK) {
		span_bytes(&hidden, block, BLOCK);
		hide_block(out + at, block, secret, previous);
		memcpy(previous, block, BLOCK);
	}
	while (n > 0 && out[n - 1] == 0)
		n--;
	return (int)n;
}

void rad_put_message_authenticator(struct wbuf *w)
{
	rad_put(w, RAD_MESSAGE_AUTHENTICATOR, span_of(zeros, BLOCK));
}

/* Finds the value of the only Message-Authenticator; returns how many there are. */
static unsigned message_authenticator_find(struct span attrs, struct span *value)
{
	struct rad_attr a;
	unsigned found = 0;

	while (rad_attr_next(&attrs, &a)) {
		if (a.number != RAD_MESSAGE_AUTHENTICATOR)
			continue;
		*value = a.value;
		found++;
	}
	return found;
}

/* HMAC-MD5 over the packet with `authenticator` in its header and zeros for the value. */
static void message_hmac(uint8_t out[static MD5_LEN], struct span whole, struct span value,
			 struct span secret, const uint8_t *authenticator)
{
	size_t before = (size_t)(value.p - whole.p) - RAD_HEADER;
	struct span in = whole;
	struct span parts[5];

	parts[0] = span_sub(&in, 4);
	(void)span_take(&in, RAD_AUTHENTICATOR);
	parts[1] = span_of(authenticator, RAD_AUTHENTICATOR);
	parts[2] = span_sub(&in, before);
	(void)span_take(&in, value.n);
	parts[3] = span_of(zeros, BLOCK);
	parts[4] = in;
	hmac_md5_of(out, secret, parts, 5);
}

/* Overwrites bytes that w holds already. */
static void patch(struct wbuf *w, size_t at, const uint8_t bytes[static BLOCK])
{
	LNS_ASSERT(at + BLOCK <= w->n);
	struct wbuf hole = wbuf_of(w->p + at, BLOCK);
	wbuf_bytes(&hole, bytes, BLOCK);
}

bool rad_sign_message(struct wbuf *w, size_t start, struct span secret,
		      const uint8_t authenticator[static RAD_AUTHENTICATOR])
{
	struct rad_packet p;
	struct span packet = wbuf_written(w), value;
	uint8_t hmac[MD5_LEN];

	(void)span_take(&packet, start);
	if (!rad_packet_decode(packet, &p) || message_authenticator_find(p.attrs, &value) != 1 ||
	    value.n != BLOCK)
		return false;
	message_hmac(hmac, p.whole, value, secret, authenticator);
	patch(w, (size_t)(value.p - w->p), hmac);
	return true;
}

/* MD5(code, id, length, authenticator, attributes, secret). */
static void packet_md5(uint8_t out[static MD5_LEN], struct span whole, struct span secret,
		       const uint8_t *authenticator)
{
	struct span in = whole;
	struct span parts[4];

	parts[0] = span_sub(&in, 4);
	(void)span_take(&in, RAD_AUTHENTICATOR);
	parts[1] = span_of(authenticator, RAD_AUTHENTICATOR);
	parts[2] = in;
	parts[3] = secret;
	md5_of(out, parts, 4);
}

static void sign_with(struct wbuf *w, size_t start, struct span secret,
		      const uint8_t *authenticator)
{
	struct span packet = wbuf_written(w);
	uint8_t md5[MD5_LEN];

	(void)span_take(&packet, start);
	if (packet.bad)
		return;
	packet_md5(md5, packet, secret, authenticator);
	patch(w, start + 4, md5);
}

void rad_sign_accounting(struct wbuf *w, size_t start, struct span secret)
{
	sign_with(w, start, secret, zeros);
}

void rad_sign_response(struct wbuf *w, size_t start, struct span secret,
		       const uint8_t request[static RAD_AUTHENTICATOR])
{
	sign_with(w, start, secret, request);
}

enum rad_check rad_reply_check(const struct rad_packet *reply, struct span secret,
			       const uint8_t request[static RAD_AUTHENTICATOR])
{
	uint8_t expected[MD5_LEN];
	struct span value = {0};

	packet_md5(expected, reply->whole, secret, request);
	if (!mem_equal_ct(expected, reply->authenticator, MD5_LEN))
		return RAD_CHECK_FORGED;

	unsigned found = message_authenticator_find(reply->attrs, &value);
	if (found == 0)
		return RAD_CHECK_MESSAGE_MISSING;
	if (found > 1 || value.n != BLOCK)
		return RAD_CHECK_MESSAGE_FORGED;
	message_hmac(expected, reply->whole, value, secret, request);
	return mem_equal_ct(expected, value.p, MD5_LEN) ? RAD_CHECK_GOOD : RAD_CHECK_MESSAGE_FORGED;
}
