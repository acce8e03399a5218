/* Hidden passwords and authenticators, against the packets printed in the RFCs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "radius/rad_auth.h"
#include "test_bytes.h"

#define SECRET span_str("xyzzy5461")

/* RFC 2865 section 7.1. */
static const char telnet_request[] =
	"01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12"
	"0d be 70 8d 93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03";
static const char telnet_accept[] =
	"02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01"
	"0f 06 00 00 00 00 0e 06 c0 a8 01 03";
/* RFC 2865 section 7.2: the answer. */
static const char chap_accept[] =
	"02 01 00 38 15 ef bc 7d ab 26 cf a3 dc 34 d9 c0 3c 86 01 a4 06 06 00 00 00 02"
	"07 06 00 00 00 01 08 06 ff ff ff fe 0a 06 00 00 00 02 0d 06 00 00 00 01"
	"0c 06 00 00 05 dc";
static const char chap_authenticator[] = "2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2";
/* RFC 5997 section 6.1: Status-Server, whose Message-Authenticator is that of RFC 3579. */
static const char status_request[] =
	"0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23 50 12 5a 66 5e 2e 1e 84"
	"11 f3 e2 43 82 20 97 c8 4f a3";
static const char status_accept[] = "02 da 00 14 ef 0d 55 2a 4b f2 d6 93 ec 2b 6f e8 b5 41 1d 66";

static struct rad_packet decode(const char *hex, uint8_t bytes[static 256])
{
	struct rad_packet p;
	size_t n = test_unhex(hex, bytes, 256);

	assert_true(rad_packet_decode(span_of(bytes, n), &p));
	return p;
}

static void rfc_2865_hidden_password(void **state)
{
	(void)state;
	uint8_t bytes[256], out[RAD_PASSWORD_MAX], again[64];
	struct rad_packet p = decode(telnet_request, bytes);
	struct rad_attr a;
	struct span attrs = p.attrs;

	assert_true(rad_attr_next(&attrs, &a) && rad_attr_next(&attrs, &a));
	assert_int_equal(a.number, RAD_USER_PASSWORD);
	assert_int_equal(rad_password_reveal(a.value, SECRET, p.authenticator, out), 10);
	assert_memory_equal(out, "arctangent", 10);

	struct wbuf w = wbuf_of(again, sizeof(again));
	rad_put_password(&w, span_str("arctangent"), SECRET, p.authenticator);
	assert_int_equal(w.n, 18);
	assert_memory_equal(again + 2, a.value.p, 16);
}

static void passwords_of_every_length(void **state)
{
	(void)state;
	uint8_t authenticator[RAD_AUTHENTICATOR] = "an authenticator";
	uint8_t password[RAD_PASSWORD_MAX + 1], bytes[256], out[RAD_PASSWORD_MAX];

	for (size_t n = 0; n <= RAD_PASSWORD_MAX; n++) {
		struct wbuf w = wbuf_of(bytes, sizeof(bytes));
		for (size_t i = 0; i < n; i++)
			password[i] = (uint8_t)(i + 1);
		rad_put_password(&w, span_of(password, n), SECRET, authenticator);
		assert_false(w.bad);
		assert_int_equal(w.n, n == 0 ? 18 : 2 + (n + 15) / 16 * 16);
		struct span hidden = span_of(bytes + 2, w.n - 2);
		assert_int_equal(rad_password_reveal(hidden, SECRET, authenticator, out), (int)n);
		assert_memory_equal(out, password, n);
	}
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	rad_put_password(&w, span_of(password, RAD_PASSWORD_MAX + 1), SECRET, authenticator);
	assert_true(w.bad);
	assert_int_equal(rad_password_reveal(span_of(bytes, 15), SECRET, authenticator, out), -1);
	assert_int_equal(rad_password_reveal(span_of(bytes, 0), SECRET, authenticator, out), -1);
}

static void rfc_2865_response_authenticators(void **state)
{
	(void)state;
	uint8_t request_bytes[256], bytes[256], authenticator[16];
	struct rad_packet request = decode(telnet_request, request_bytes);
	struct rad_packet reply = decode(telnet_accept, bytes);

	/* No Message-Authenticator was known then. */
	assert_int_equal(rad_reply_check(&reply, SECRET, request.authenticator),
			 RAD_CHECK_MESSAGE_MISSING);
	assert_int_equal(rad_reply_check(&reply, span_str("other"), request.authenticator),
			 RAD_CHECK_FORGED);
	reply = decode(chap_accept, bytes);
	test_unhex(chap_authenticator, authenticator, 16);
	assert_int_equal(rad_reply_check(&reply, SECRET, authenticator), RAD_CHECK_MESSAGE_MISSING);
}

static void rfc_5997_message_authenticator(void **state)
{
	(void)state;
	uint8_t bytes[256], reply_bytes[256], copy[64];
	struct rad_packet request = decode(status_request, bytes);
	struct rad_packet reply = decode(status_accept, reply_bytes);
	struct wbuf w = wbuf_of(copy, sizeof(copy));

	rad_put_header(&w, RAD_STATUS_SERVER, 0xDA, request.authenticator);
	rad_put_message_authenticator(&w);
	rad_put_end(&w, 0);
	assert_true(rad_sign_message(&w, 0, SECRET, request.authenticator));
	assert_int_equal(w.n, request.whole.n);
	assert_memory_equal(copy, bytes, w.n);
	assert_int_equal(rad_reply_check(&reply, SECRET, request.authenticator),
			 RAD_CHECK_MESSAGE_MISSING);
}

static size_t signed_reply(uint8_t *bytes, size_t cap, const uint8_t *request, unsigned messages)
{
	struct wbuf w = wbuf_of(bytes, cap);

	rad_put_header(&w, RAD_ACCESS_ACCEPT, 9, request);
	rad_put_u32(&w, RAD_SESSION_TIMEOUT, 60);
	for (unsigned i = 0; i < messages; i++)
		rad_put_message_authenticator(&w);
	rad_put_text(&w, RAD_REPLY_MESSAGE, "welcome");
	rad_put_end(&w, 0);
	rad_sign_message(&w, 0, SECRET, request);
	rad_sign_response(&w, 0, SECRET, request);
	assert_false(w.bad);
	return w.n;
}

static void a_flipped_bit_anywhere_is_noticed(void **state)
{
	(void)state;
	uint8_t request[16] = "sixteen bytes ok", bytes[128];
	size_t n = signed_reply(bytes, sizeof(bytes), request, 1);
	struct rad_packet p;

	assert_true(rad_packet_decode(span_of(bytes, n), &p));
	assert_int_equal(rad_reply_check(&p, SECRET, request), RAD_CHECK_GOOD);
	for (size_t i = 0; i < n * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		if (rad_packet_decode(span_of(bytes, n), &p))
			assert_int_equal(rad_reply_check(&p, SECRET, request), RAD_CHECK_FORGED);
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
}

static void a_forged_message_authenticator_is_noticed(void **state)
{
	(void)state;
	uint8_t request[16] = "sixteen bytes ok", bytes[128];
	size_t n = signed_reply(bytes, sizeof(bytes), request, 1);
	struct wbuf w = {.p = bytes, .cap = sizeof(bytes), .n = n};
	struct rad_packet p;

	/* Who knows MD5 collisions can make the Response Authenticator right, not the HMAC. */
	bytes[28] ^= 1;
	rad_sign_response(&w, 0, SECRET, request);
	assert_true(rad_packet_decode(span_of(bytes, n), &p));
	assert_int_equal(rad_reply_check(&p, SECRET, request), RAD_CHECK_MESSAGE_FORGED);
	n = signed_reply(bytes, sizeof(bytes), request, 2);
	assert_true(rad_packet_decode(span_of(bytes, n), &p));
	assert_int_equal(rad_reply_check(&p, SECRET, request), RAD_CHECK_MESSAGE_FORGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_2865_hidden_password),
		cmocka_unit_test(passwords_of_every_length),
		cmocka_unit_test(rfc_2865_response_authenticators),
		cmocka_unit_test(rfc_5997_message_authenticator),
		cmocka_unit_test(a_flipped_bit_anywhere_is_noticed),
		cmocka_unit_test(a_forged_message_authenticator_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
