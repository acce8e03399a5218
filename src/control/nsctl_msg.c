#include "control/nsctl_msg.h"

enum { MAGIC = 0x9013, END = 0xFF };

static const char mark[4] = {'L', 'N', 'S', '1'};

static bool type_is_known(uint8_t type)
{
	return (type >= NSCTL_REQ_LOAD && type <= NSCTL_REQ_CONTROL) || type == NSCTL_RES_OK ||
	       type == NSCTL_RES_ERR;
}

static enum nsctl_fault decode(struct span *in, struct nsctl_msg *out)
{
	uint16_t magic = span_u16(in);
	uint8_t type = span_u8(in);
	uint8_t argc = span_u8(in);

	if (in->bad)
		return NSCTL_SHORT;
	if (magic != MAGIC)
		return NSCTL_MAGIC;
	if (!type_is_known(type))
		return NSCTL_TYPE;
	for (unsigned i = 0; i < argc; i++)
		out->argv[i] = span_sub(in, span_u8(in));
	uint8_t end = span_u8(in);
	if (in->bad)
		return NSCTL_SHORT;
	if (end != END)
		return NSCTL_EXTRA; /* an argument where the end should be */
	out->type = type;
	out->argc = argc;
	return NSCTL_GOOD;
}

enum nsctl_fault nsctl_decode(struct span in, struct nsctl_msg *out)
{
	if (in.n > NSCTL_MAX)
		return NSCTL_EXTRA;
	enum nsctl_fault f = decode(&in, out);
	return f == NSCTL_GOOD && in.n > 0 ? NSCTL_EXTRA : f;
}

void nsctl_encode(struct wbuf *w, const struct nsctl_msg *m)
{
	size_t before = w->n;

	wbuf_u16(w, MAGIC);
	wbuf_u8(w, m->type);
	wbuf_u8(w, m->argc);
	for (unsigned i = 0; i < m->argc; i++) {
		if (m->argv[i].n > NSCTL_ARG_MAX) {
			w->bad = true;
			return;
		}
		wbuf_u8(w, (uint8_t)m->argv[i].n);
		wbuf_span(w, m->argv[i]);
	}
	wbuf_u8(w, END);
	if (w->n - before > NSCTL_MAX)
		w->bad = true;
}

const char *nsctl_fault_text(enum nsctl_fault f)
{
	switch (f) {
	case NSCTL_GOOD:
		return "good";
	case NSCTL_SHORT:
		return "short packet";
	case NSCTL_EXTRA:
		return "extra data";
	case NSCTL_MAGIC:
		return "bad magic";
	case NSCTL_TYPE:
		return "invalid type";
	}
	return "unknown error";
}

static void mac_of(uint8_t out[static SHA256_LEN], const struct nsctl_key *key, struct span bytes)
{
	const struct span parts[] = {
		span_of(key->of_request, key->of_request ? SHA256_LEN : 0),
		bytes,
	};
	hmac_sha256_of(out, key->secret, parts, 2);
}

void nsctl_sign(struct wbuf *w, const struct nsctl_key *key, const uint8_t nonce[NSCTL_NONCE])
{
	uint8_t mac[SHA256_LEN];

	wbuf_bytes(w, mark, sizeof(mark));
	wbuf_u64(w, (uint64_t)key->now_s);
	wbuf_bytes(w, nonce, NSCTL_NONCE);
	mac_of(mac, key, wbuf_written(w));
	wbuf_bytes(w, mac, sizeof(mac));
}

bool nsctl_verify(struct span *in, const struct nsctl_key *key, uint8_t mac[static SHA256_LEN])
{
	uint8_t right[SHA256_LEN];

	if (in->n < NSCTL_SIGNATURE)
		return false;
	struct span tail = span_of(in->p + (in->n - NSCTL_SIGNATURE), NSCTL_SIGNATURE);
	struct span begins = span_sub(&tail, sizeof(mark));
	uint64_t at = span_u64(&tail);
	span_take(&tail, NSCTL_NONCE);
	span_bytes(&tail, mac, SHA256_LEN);
	mac_of(right, key, span_of(in->p, in->n - SHA256_LEN));
	uint64_t now = (uint64_t)key->now_s;
	uint64_t off = at > now ? at - now : now - at;
	if (!span_equal(begins, span_of(mark, sizeof(mark))) || off > NSCTL_WINDOW_S ||
	    !mem_equal_ct(mac, right, SHA256_LEN))
		return false;
	in->n -= NSCTL_SIGNATURE;
	return true;
}
