#include "l2tp/l2tp_hide.h"

#include "base/crypto.h"

/* The first block of the stream: MD5(attribute number + secret + random vector). */
static void stream_first(const struct l2tp_hide_key *key, uint8_t out[static MD5_LEN])
{
	const uint8_t number[2] = {(uint8_t)(key->number >> 8), (uint8_t)key->number};
	const struct span parts[] = {span_of(number, 2), key->secret, key->random_vector};

	md5_of(out, parts, 3);
}

/* Those that follow: MD5(secret + the previous block as it went over the wire). */
static void stream_next(const struct l2tp_hide_key *key, const uint8_t cipher[static MD5_LEN],
			uint8_t out[static MD5_LEN])
{
	const struct span parts[] = {key->secret, span_of(cipher, MD5_LEN)};

	md5_of(out, parts, 2);
}

static struct span failed(void)
{
	return (struct span){.bad = true};
}

struct span l2tp_unhide(const struct l2tp_hide_key *key, struct span hidden, struct wbuf *out)
{
	uint8_t stream[MD5_LEN];
	uint8_t *plain = wbuf_room(out, hidden.n);

	if (!plain || hidden.n < 2)
		return failed();
	stream_first(key, stream);
	for (size_t i = 0; i < hidden.n; i++) {
		if (i != 0 && i % MD5_LEN == 0)
			stream_next(key, hidden.p + i - MD5_LEN, stream);
		plain[i] = hidden.p[i] ^ stream[i % MD5_LEN];
	}
	struct span in = span_of(plain, hidden.n);
	uint16_t original = span_u16(&in);
	return span_sub(&in, original);
}

void l2tp_avp_put_hidden(struct wbuf *w, enum l2tp_avp avp, struct span value,
			 const struct l2tp_hide_key *key, struct span padding)
{
	const struct l2tp_avp_row *row = &l2tp_avp_table[avp];
	size_t n = 2 + value.n + padding.n;
	uint8_t stream[MD5_LEN];

	LNS_ASSERT(row->may_hide && n <= L2TP_AVP_VALUE_MAX);
	wbuf_u16(w, (uint16_t)((row->mandatory ? L2TP_AVP_M : 0) | L2TP_AVP_H |
			       (L2TP_AVP_HEADER + n)));
	wbuf_u16(w, row->vendor);
	wbuf_u16(w, row->number);
	size_t start = w->n;
	wbuf_u16(w, (uint16_t)value.n);
	wbuf_span(w, value);
	wbuf_span(w, padding);
	if (w->bad)
		return;
	stream_first(key, stream);
	for (size_t i = 0; i < n; i++) {
		if (i != 0 && i % MD5_LEN == 0)
			stream_next(key, w->p + start + i - MD5_LEN, stream);
		w->p[start + i] ^= stream[i % MD5_LEN];
	}
}
