#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/nsctl_msg.h"

/* As Debian's nsctl 2.4.1 sends "throttle carol 256". */
static const uint8_t throttle[] = "\x90\x13\x14\x03\x08throttle\x05"
				  "carol\x03"
				  "256\xff";
enum { THROTTLE = sizeof(throttle) - 1 };

static void a_command_is_read(void **state)
{
	struct nsctl_msg m;
	(void)state;

	assert_int_equal(nsctl_decode(span_of(throttle, THROTTLE), &m), NSCTL_GOOD);
	assert_int_equal(m.type, NSCTL_REQ_CONTROL);
	assert_int_equal(m.argc, 3);
	assert_true(span_equal(m.argv[0], span_str("throttle")));
	assert_true(span_equal(m.argv[1], span_str("carol")));
	assert_true(span_equal(m.argv[2], span_str("256")));
}

static void what_is_written_is_read_again(void **state)
{
	struct nsctl_msg m = {.type = NSCTL_REQ_CONTROL,
			      .argc = 3,
			      .argv = {span_str("throttle"), span_str("carol"), span_str("256")}};
	uint8_t bytes[NSCTL_MAX];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	(void)state;

	nsctl_encode(&w, &m);
	assert_int_equal(w.n, THROTTLE);
	assert_memory_equal(bytes, throttle, THROTTLE);
}

static void every_truncation_is_refused(void **state)
{
	struct nsctl_msg m;
	(void)state;

	for (size_t n = 0; n < THROTTLE; n++)
		assert_int_equal(nsctl_decode(span_of(throttle, n), &m), NSCTL_SHORT);
}

static void faults_have_the_numbers_of_the_original(void **state)
{
	struct nsctl_msg m;
	(void)state;

	assert_int_equal(nsctl_decode(span_of("\x90\x13\x13\x00\xff\x00", 6), &m), NSCTL_EXTRA);
	assert_int_equal(nsctl_decode(span_of("\x90\x13\x13\x00\xfe", 5), &m), NSCTL_EXTRA);
	assert_int_equal(nsctl_decode(span_of("\x90\x12\x13\x00\xff", 5), &m), NSCTL_MAGIC);
	assert_int_equal(nsctl_decode(span_of("\x90\x13\x15\x00\xff", 5), &m), NSCTL_TYPE);
	assert_int_equal(nsctl_decode(span_of("\x90\x13\x23\x00\xff", 5), &m), NSCTL_TYPE);
	assert_int_equal(nsctl_decode(span_of("\x90\x13", 2), &m), NSCTL_SHORT);
	assert_int_equal((int)NSCTL_SHORT, -1);
	assert_int_equal((int)NSCTL_EXTRA, -2);
	assert_int_equal((int)NSCTL_MAGIC, -3);
	assert_int_equal((int)NSCTL_TYPE, -4);
}

/* The length is one byte: the original wrote it modulo 256. */
static void an_argument_of_256_bytes_is_not_written(void **state)
{
	static const uint8_t text[256] = {'a'};
	struct nsctl_msg m = {.type = NSCTL_REQ_CONTROL, .argc = 1, .argv = {span_of(text, 255)}};
	uint8_t bytes[NSCTL_DATAGRAM];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	(void)state;

	nsctl_encode(&w, &m);
	assert_false(w.bad);
	m.argv[0].n = 256;
	w = wbuf_of(bytes, sizeof(bytes));
	nsctl_encode(&w, &m);
	assert_true(w.bad);
}

static void more_than_4096_bytes_are_neither_written_nor_read(void **state)
{
	static const uint8_t text[255] = {'a'};
	struct nsctl_msg m = {.type = NSCTL_REQ_CONTROL, .argc = 16}, back;
	uint8_t bytes[NSCTL_DATAGRAM];
	(void)state;

	for (unsigned i = 0; i < 15; i++)
		m.argv[i] = span_of(text, 255);
	for (size_t last = 249; last <= 252; last++) { /* 5 + 15 * 256 + 1 + last */
		struct wbuf w = wbuf_of(bytes, sizeof(bytes));
		m.argv[15] = span_of(text, last);
		nsctl_encode(&w, &m);
		assert_int_equal(w.bad, last > 250);
		enum nsctl_fault f = nsctl_decode(span_of(bytes, w.n), &back);
		assert_int_equal(f, last > 250 ? NSCTL_EXTRA : NSCTL_GOOD);
	}
}

/* ---- signatures ------------------------------------------------------------------------------ */

static size_t signed_throttle(uint8_t out[static NSCTL_DATAGRAM], const struct nsctl_key *key)
{
	static const uint8_t nonce[NSCTL_NONCE] = {1, 2, 3};
	struct wbuf w = wbuf_of(out, NSCTL_DATAGRAM);

	wbuf_bytes(&w, throttle, THROTTLE);
	nsctl_sign(&w, key, nonce);
	assert_false(w.bad);
	return w.n;
}

static bool is_good(const uint8_t *bytes, size_t n, const struct nsctl_key *key)
{
	struct span in = span_of(bytes, n);
	uint8_t mac[SHA256_LEN];
	bool good = nsctl_verify(&in, key, mac);

	assert_int_equal(in.n, good ? THROTTLE : n);
	return good;
}

static void a_signature_counts_with_its_key_and_its_time(void **state)
{
	struct nsctl_key key = {.secret = span_str("open sesame"), .now_s = 1000};
	struct nsctl_key other = {.secret = span_str("close sesame"), .now_s = 1000};
	uint8_t bytes[NSCTL_DATAGRAM];
	size_t n = signed_throttle(bytes, &key);
	(void)state;

	assert_true(is_good(bytes, n, &key));
	assert_false(is_good(bytes, n, &other));
	key.now_s = 1000 + NSCTL_WINDOW_S;
	assert_true(is_good(bytes, n, &key));
	key.now_s++;
	assert_false(is_good(bytes, n, &key));
	key.now_s = 1000 - NSCTL_WINDOW_S - 1;
	assert_false(is_good(bytes, n, &key));
	key.now_s = -1;
	assert_false(is_good(bytes, n, &key));
}

static void any_changed_bit_and_any_truncation_is_a_forgery(void **state)
{
	struct nsctl_key key = {.secret = span_str("open sesame"), .now_s = 1000};
	uint8_t bytes[NSCTL_DATAGRAM];
	size_t n = signed_throttle(bytes, &key);
	(void)state;

	for (size_t i = 0; i < n * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_false(is_good(bytes, n, &key));
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t i = 0; i < n; i++)
		assert_false(is_good(bytes, i, &key));
	assert_true(is_good(bytes, n, &key));
}

static void an_answer_belongs_to_one_request(void **state)
{
	uint8_t first[SHA256_LEN] = {1}, second[SHA256_LEN] = {2};
	struct nsctl_key key = {
		.secret = span_str("open sesame"), .now_s = 1000, .of_request = first};
	uint8_t bytes[NSCTL_DATAGRAM];
	size_t n = signed_throttle(bytes, &key);
	(void)state;

	assert_true(is_good(bytes, n, &key));
	key.of_request = second;
	assert_false(is_good(bytes, n, &key));
	key.of_request = NULL;
	assert_false(is_good(bytes, n, &key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_read),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(faults_have_the_numbers_of_the_original),
		cmocka_unit_test(an_argument_of_256_bytes_is_not_written),
		cmocka_unit_test(more_than_4096_bytes_are_neither_written_nor_read),
		cmocka_unit_test(a_signature_counts_with_its_key_and_its_time),
		cmocka_unit_test(any_changed_bit_and_any_truncation_is_a_forgery),
		cmocka_unit_test(an_answer_belongs_to_one_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
