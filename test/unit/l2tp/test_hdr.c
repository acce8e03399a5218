/* The L2TP header: what is refused and why, and what is read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "l2tp/l2tp_hdr.h"
#include "test_bytes.h"

static uint8_t bytes[64];

static enum drop refused(const char *hex)
{
	struct l2tp_hdr h;
	enum drop why = DROPS;
	size_t n = test_unhex(hex, bytes, sizeof(bytes));

	assert_false(l2tp_hdr_decode_control(span_of(bytes, n), &h, &why));
	return why;
}

static void control_header_is_read(void **state)
{
	(void)state;
	struct l2tp_hdr h;
	enum drop why;
	size_t n = test_unhex("c8 02 00 0e 12 34 56 78 9a bc de f0 aa bb", bytes, sizeof(bytes));

	assert_true(l2tp_hdr_decode_control(span_of(bytes, n), &h, &why));
	assert_int_equal(h.tid, 0x1234);
	assert_int_equal(h.sid, 0x5678);
	assert_int_equal(h.ns, 0x9abc);
	assert_int_equal(h.nr, 0xdef0);
	assert_int_equal(h.body.n, 2);
	assert_int_equal(h.body.p[0], 0xaa);
}

static void bytes_behind_the_length_are_ignored(void **state)
{
	(void)state;
	struct l2tp_hdr h;
	enum drop why;
	size_t n = test_unhex("c8 02 00 0c 00 01 00 02 00 03 00 04 ff ff ff", bytes, 64);

	assert_true(l2tp_hdr_decode_control(span_of(bytes, n), &h, &why));
	assert_int_equal(h.body.n, 0);
}

static void data_header_with_every_field_is_read(void **state)
{
	(void)state;
	struct l2tp_hdr h;
	enum drop why;
	size_t n = test_unhex("4a 02 00 12 00 01 00 02 00 03 00 04 00 02 ee ee 00 21", bytes, 64);

	assert_true(l2tp_hdr_decode(span_of(bytes, n), &h, &why));
	assert_int_equal(h.ns, 3);
	assert_int_equal(h.body.n, 2);
	assert_int_equal(h.body.p[1], 0x21);
}

static void reserved_bits_are_ignored(void **state)
{
	(void)state;
	struct l2tp_hdr h;
	enum drop why;
	size_t n = test_unhex("fc f2 00 0c 00 01 00 02 00 03 00 04", bytes, 64);

	assert_true(l2tp_hdr_decode_control(span_of(bytes, n), &h, &why));
}

static void each_lie_has_its_reason(void **state)
{
	(void)state;
	assert_int_equal(refused("c8 03 00 0c 00 01 00 02 00 03 00 04"), DROP_L2TP_VERSION);
	assert_int_equal(refused("c8 01 00 0c 00 01 00 02 00 03 00 04"), DROP_L2TP_VERSION);
	assert_int_equal(refused("c8 02 00 0d 00 01 00 02 00 03 00 04"), DROP_L2TP_LENGTH);
	assert_int_equal(refused("c8 02 00 03 00 01 00 02 00 03 00 04"), DROP_L2TP_LENGTH);
	assert_int_equal(refused("c8 02 00 0b 00 01 00 02 00 03 00 04"), DROP_L2TP_SHORT);
	assert_int_equal(refused("88 02 00 01 00 02 00 03 00 04"), DROP_L2TP_FLAGS);
	assert_int_equal(refused("c0 02 00 08 00 01 00 02"), DROP_L2TP_FLAGS);
	assert_int_equal(refused("c9 02 00 0c 00 01 00 02 00 03 00 04"), DROP_L2TP_FLAGS);
	assert_int_equal(refused("ca 02 00 10 00 01 00 02 00 03 00 04 00 02 00 00"),
			 DROP_L2TP_FLAGS);
	assert_int_equal(refused("ca 02 00 0e 00 01 00 02 00 03 00 04 00 02"), DROP_L2TP_OFFSET);
	assert_int_equal(refused("48 02 00 0c 00 01 00 02 00 03 00 04"), DROP_L2TP_FLAGS);
	assert_int_equal(refused(""), DROP_L2TP_SHORT);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	struct l2tp_hdr h;
	enum drop why;
	size_t n = test_unhex("c8 02 00 0c 00 01 00 02 00 03 00 04", bytes, sizeof(bytes));

	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *exact = test_exact_copy(bytes, cut);
		assert_false(l2tp_hdr_decode_control(span_of(exact, cut), &h, &why));
		free(exact);
	}
}

static void what_is_written_can_be_read(void **state)
{
	(void)state;
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct l2tp_hdr h;
	enum drop why;

	l2tp_hdr_begin(&w, 7, 9);
	wbuf_u32(&w, 0xdeadbeef);
	l2tp_hdr_finish(&w);
	l2tp_hdr_stamp(bytes, w.n, 0xfffe, 0x8001);
	assert_true(l2tp_hdr_decode_control(wbuf_written(&w), &h, &why));
	assert_int_equal(h.flags, 0xC802);
	assert_int_equal(h.tid, 7);
	assert_int_equal(h.sid, 9);
	assert_int_equal(h.ns, 0xfffe);
	assert_int_equal(h.nr, 0x8001);
	assert_int_equal(h.body.n, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_header_is_read),
		cmocka_unit_test(bytes_behind_the_length_are_ignored),
		cmocka_unit_test(data_header_with_every_field_is_read),
		cmocka_unit_test(reserved_bits_are_ignored),
		cmocka_unit_test(each_lie_has_its_reason),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(what_is_written_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
