/* Hidden AVPs and tunnel authentication. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "l2tp/l2tp_auth.h"
#include "l2tp/l2tp_hide.h"
#include "test_bytes.h"

static struct l2tp_hide_key key(uint16_t number)
{
	return (struct l2tp_hide_key){span_str("secret"), span_str("0123456789abcdef"), number};
}

static void hiding_gives_the_known_bytes(void **state)
{
	(void)state;
	uint8_t bytes[64], expected[64];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct l2tp_hide_key k = key(9);

	l2tp_avp_put_hidden(&w, L2TP_AVP_ASSIGNED_TUNNEL_ID, span_of("\x2b\x1d", 2), &k,
			    span_of(NULL, 0));
	size_t n = test_unhex("c00a 0000 0009 a6f75962", expected, sizeof(expected));
	assert_int_equal(w.n, n);
	assert_memory_equal(bytes, expected, n);
}

static void a_value_of_three_blocks_comes_out(void **state)
{
	(void)state;
	uint8_t hidden[64], plain[64];
	struct wbuf out = wbuf_of(plain, sizeof(plain));
	struct l2tp_hide_key k = key(21);
	size_t n = test_unhex("0c910c5454cd00d3998ccd1df1c6a609e35f1b53474a25a66adaf1c08b470268"
			      "47f3cf5bb60c9a05d2",
			      hidden, sizeof(hidden));

	struct span value = l2tp_unhide(&k, span_of(hidden, n), &out);
	assert_false(value.bad);
	assert_int_equal(value.n, 34);
	assert_memory_equal(value.p, "0987654321098765432109876543210987", 34);
}

static void every_length_goes_round(void **state)
{
	(void)state;
	uint8_t value[L2TP_AVP_VALUE_MAX], bytes[1100], plain[1100];
	struct l2tp_hide_key k = key(21);

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i * 7);
	for (size_t n = 0; n + 2 <= sizeof(value); n += n < 70 ? 1 : 53) {
		size_t padding = n % 19;
		if (2 + n + padding > sizeof(value))
			padding = 0;
		struct wbuf w = wbuf_of(bytes, sizeof(bytes));
		l2tp_avp_put_hidden(&w, L2TP_AVP_CALLED_NUMBER, span_of(value, n), &k,
				    span_of(value, padding));
		assert_int_equal(w.n, 6 + 2 + n + padding);
		struct wbuf out = wbuf_of(plain, sizeof(plain));
		struct span got = l2tp_unhide(&k, span_of(bytes + 6, w.n - 6), &out);
		assert_false(got.bad);
		assert_true(span_equal(got, span_of(value, n)));
	}
}

static void a_length_that_lies_is_refused(void **state)
{
	(void)state;
	uint8_t bytes[64], plain[64];
	struct l2tp_hide_key k = key(9), wrong = k;
	struct wbuf w = wbuf_of(bytes, sizeof(bytes)), out = wbuf_of(plain, sizeof(plain));

	l2tp_avp_put_hidden(&w, L2TP_AVP_ASSIGNED_TUNNEL_ID, span_of("ab", 2), &k,
			    span_of(NULL, 0));
	wrong.secret = span_str("other");
	assert_true(l2tp_unhide(&wrong, span_of(bytes + 6, 4), &out).bad);
	assert_true(l2tp_unhide(&k, span_of(bytes + 6, 3), &out).bad);
	assert_true(l2tp_unhide(&k, span_of(bytes + 6, 1), &out).bad);
	assert_true(l2tp_unhide(&k, span_of(bytes + 6, 0), &out).bad);
	struct wbuf small = wbuf_of(plain, 3);
	assert_true(l2tp_unhide(&k, span_of(bytes + 6, 4), &small).bad);
}

static void challenge_response_is_the_known_digest(void **state)
{
	(void)state;
	uint8_t challenge[16], response[16], expected[16];

	for (unsigned i = 0; i < sizeof(challenge); i++)
		challenge[i] = (uint8_t)i;
	test_unhex("dd4186e2196f00124a9d588f02701259", expected, sizeof(expected));
	l2tp_auth_response(response, 2, span_str("secret"), span_of(challenge, 16));
	assert_memory_equal(response, expected, 16);
	test_unhex("8f3c2fa6fcfea72215ae83ea89ec2b77", expected, sizeof(expected));
	assert_true(l2tp_auth_check(span_of(expected, 16), 3, span_str("secret"),
				    span_of(challenge, 16)));
	assert_false(l2tp_auth_check(span_of(expected, 15), 3, span_str("secret"),
				     span_of(challenge, 16)));
	assert_false(
		l2tp_auth_check(span_of(NULL, 0), 3, span_str("secret"), span_of(challenge, 16)));
	expected[15] ^= 1;
	assert_false(l2tp_auth_check(span_of(expected, 16), 3, span_str("secret"),
				     span_of(challenge, 16)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hiding_gives_the_known_bytes),
		cmocka_unit_test(a_value_of_three_blocks_comes_out),
		cmocka_unit_test(every_length_goes_round),
		cmocka_unit_test(a_length_that_lies_is_refused),
		cmocka_unit_test(challenge_response_is_the_known_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
