/* Uncovering any bytes stays within them; what we hide comes out again. */
#include <stdlib.h>

#include "l2tp/l2tp_hide.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void uncover_any(const struct l2tp_hide_key *key, struct span hidden)
{
	uint8_t plain[1024];
	struct wbuf out = wbuf_of(plain, sizeof(plain));
	struct span v = l2tp_unhide(key, hidden, &out);

	if (!v.bad && v.n + 2 > hidden.n)
		abort();
}

static void hide_and_uncover(const struct l2tp_hide_key *key, struct span value)
{
	uint8_t bytes[2048], plain[2048];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes)), out = wbuf_of(plain, sizeof(plain));
	struct l2tp_avp_raw raw;

	if (value.n > 1000)
		return;
	l2tp_avp_put_hidden(&w, L2TP_AVP_CALLED_NUMBER, value, key, span_of(value.p, value.n % 15));
	struct span in = wbuf_written(&w);
	if (!l2tp_avp_next(&in, &raw) || raw.number != 21)
		abort();
	struct span again = l2tp_unhide(key, raw.value, &out);
	if (again.bad || !span_equal(again, value))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = span_of(bytes, n);
	struct l2tp_hide_key key = {.number = 21};

	key.secret = span_sub(&in, span_u8(&in) % 70);
	key.random_vector = span_sub(&in, span_u8(&in) % 40);
	if (in.bad)
		return 0;
	uncover_any(&key, in);
	hide_and_uncover(&key, in);
	return 0;
}
