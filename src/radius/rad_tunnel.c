#include "radius/rad_tunnel.h"

#include "base/crypto.h"
#include "radius/rad_auth.h"
#include "radius/rad_text.h"

enum {
	TAG_MAX = 0x1F, /* RFC 2868 3: what is above is the first byte of the value */
	BLOCK = MD5_LEN,
	HIDDEN_MAX = 240, /* bytes of a hidden password: what fits into an attribute */
};

/* ---- passwords (RFC 2868 3.5) ---------------------------------------------------------------- */

/* in XOR MD5(secret + previous), where previous is the authenticator and the salt at first. */
static void mask_block(uint8_t out[static BLOCK], const uint8_t *in, struct span secret,
		       struct span previous, struct span salt)
{
	struct span parts[] = {secret, previous, salt};
	uint8_t mask[BLOCK];

	md5_of(mask, parts, 3);
	for (size_t i = 0; i < BLOCK; i++)
		out[i] = in[i] ^ mask[i];
	mem_wipe(mask, sizeof(mask));
}

static bool reveal(struct span hidden, struct span salt, struct span secret,
		   const uint8_t *authenticator, struct aaa_tunnel *t)
{
	uint8_t plain[HIDDEN_MAX];
	struct span previous = span_of(authenticator, RAD_AUTHENTICATOR);

	if (hidden.n == 0 || hidden.n % BLOCK != 0 || hidden.n > HIDDEN_MAX)
		return false;
	for (size_t at = 0; at < hidden.n; at += BLOCK) {
		mask_block(plain + at, hidden.p + at, secret, previous,
			   at == 0 ? salt : span_of(NULL, 0));
		previous = span_of(hidden.p + at, BLOCK);
	}
	bool ok = plain[0] < hidden.n && plain[0] < LNS_SECRET_MAX;
	if (ok) {
		memset(t->password, 0, sizeof(t->password));
		memcpy(t->password, plain + 1, plain[0]);
		t->password_n = plain[0];
	}
	mem_wipe(plain, sizeof(plain));
	return ok;
}

void rad_tunnel_password_hide(struct wbuf *value, uint8_t tag, uint16_t salt, struct span password,
			      struct span secret, const uint8_t *authenticator)
{
	uint8_t plain[HIDDEN_MAX] = {0}, hidden[HIDDEN_MAX], salt_bytes[2];
	struct wbuf s = wbuf_of(salt_bytes, sizeof(salt_bytes));
	struct span previous = span_of(authenticator, RAD_AUTHENTICATOR);
	size_t n = (password.n + 1 + BLOCK - 1) / BLOCK * BLOCK;

	if (n > HIDDEN_MAX) {
		value->bad = true;
		return;
	}
	plain[0] = (uint8_t)password.n;
	span_bytes(&password, plain + 1, password.n);
	wbuf_u16(&s, salt | 0x8000);
	for (size_t at = 0; at < n; at += BLOCK) {
		mask_block(hidden + at, plain + at, secret, previous,
			   at == 0 ? wbuf_written(&s) : span_of(NULL, 0));
		previous = span_of(hidden + at, BLOCK);
	}
	mem_wipe(plain, sizeof(plain));
	wbuf_u8(value, tag);
	wbuf_span(value, wbuf_written(&s));
	wbuf_bytes(value, hidden, n);
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* That of the tag, new if need be; NULL: there are too many. */
static struct aaa_tunnel *tunnel_of(struct rad_tunnels *t, uint8_t tag)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (t->list[i].tag == tag)
			return &t->list[i];
	}
	if (t->n == LNS_TUNNELS_MAX)
		return NULL;
	t->list[t->n] = (struct aaa_tunnel){.tag = tag};
	return &t->list[t->n++];
}

static enum rad_take take_number(struct rad_tunnels *t, const struct rad_attr *a)
{
	struct span value = a->value;
	uint32_t n = span_u32(&value);
	uint8_t tag = (uint8_t)(n >> 24);
	struct aaa_tunnel *tunnel = tunnel_of(t, tag <= TAG_MAX ? tag : 0);

	if (!tunnel)
		return RAD_TAKE_IGNORED;
	n &= 0xFFFFFF;
	if (a->number == RAD_TUNNEL_TYPE)
		tunnel->type = n;
	else if (a->number == RAD_TUNNEL_MEDIUM_TYPE)
		tunnel->medium = n;
	else
		tunnel->preference = n;
	return RAD_TAKE_DONE;
}

static char *text_field(struct aaa_tunnel *t, uint8_t number)
{
	switch (number) {
	case RAD_TUNNEL_CLIENT_ENDPOINT:
		return t->client_endpoint;
	case RAD_TUNNEL_SERVER_ENDPOINT:
		return t->server_endpoint;
	case RAD_TUNNEL_CLIENT_AUTH_ID:
		return t->client_name;
	case RAD_TUNNEL_SERVER_AUTH_ID:
		return t->server_name;
	default:
		return t->assignment;
	}
}

static enum rad_take take_text(struct rad_tunnels *t, const struct rad_attr *a)
{
	struct span value = a->value;
	uint8_t tag = value.n > 0 && value.p[0] <= TAG_MAX ? span_u8(&value) : 0;
	struct aaa_tunnel *tunnel = tunnel_of(t, tag);

	if (!tunnel || !rad_text_name(value, text_field(tunnel, a->number), LNS_TUNNEL_TEXT_MAX))
		return RAD_TAKE_IGNORED;
	return RAD_TAKE_DONE;
}

static enum rad_take take_password(struct rad_tunnels *t, const struct rad_attr *a,
				   struct span secret, const uint8_t *authenticator)
{
	struct span value = a->value;
	uint8_t tag = span_u8(&value);
	struct span salt = span_sub(&value, 2);
	struct aaa_tunnel *tunnel = tunnel_of(t, tag <= TAG_MAX ? tag : 0);

	if (!tunnel)
		return RAD_TAKE_IGNORED;
	return reveal(value, salt, secret, authenticator, tunnel) ? RAD_TAKE_DONE
								  : RAD_TAKE_MALFORMED;
}

enum rad_take rad_tunnel_take(struct rad_tunnels *t, const struct rad_attr *a, struct span secret,
			      const uint8_t *authenticator)
{
	if (a->vendor != 0)
		return RAD_TAKE_UNKNOWN;
	switch (a->number) {
	case RAD_TUNNEL_TYPE:
	case RAD_TUNNEL_MEDIUM_TYPE:
	case RAD_TUNNEL_PREFERENCE:
		return take_number(t, a);
	case RAD_TUNNEL_CLIENT_ENDPOINT:
	case RAD_TUNNEL_SERVER_ENDPOINT:
	case RAD_TUNNEL_CLIENT_AUTH_ID:
	case RAD_TUNNEL_SERVER_AUTH_ID:
	case RAD_TUNNEL_ASSIGNMENT_ID:
		return take_text(t, a);
	case RAD_TUNNEL_PASSWORD:
		return take_password(t, a, secret, authenticator);
	default:
		return RAD_TAKE_UNKNOWN;
	}
}
