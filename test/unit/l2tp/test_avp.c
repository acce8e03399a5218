/* The AVP table, the iterator over a message and the writers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "l2tp/l2tp_avp.h"
#include "l2tp/l2tp_msg.h"
#include "test_bytes.h"

static void every_row_is_found_by_its_number(void **state)
{
	(void)state;
	for (unsigned i = 0; i < L2TP_AVPS; i++) {
		const struct l2tp_avp_row *row = &l2tp_avp_table[i];
		assert_int_equal(l2tp_avp_find(row->vendor, row->number), i);
		assert_true(row->text[0] != '\0');
	}
}

static void the_table_has_all_of_rfc2661(void **state)
{
	(void)state;
	for (uint16_t number = 0; number <= 39; number++) {
		bool unassigned = number == 20;
		assert_int_equal(l2tp_avp_find(0, number) == L2TP_AVPS, unassigned);
	}
	assert_int_equal(l2tp_avp_find(0, 46), L2TP_AVP_PPP_DISCONNECT_CAUSE);
	assert_int_equal(l2tp_avp_find(9, 7), L2TP_AVPS);
	assert_int_equal(l2tp_avp_find(0, 0xFFFF), L2TP_AVPS);
}

static void rows_are_consistent(void **state)
{
	static const uint16_t size[] = {2, 4, 8};

	(void)state;
	for (unsigned i = 0; i < L2TP_AVPS; i++) {
		const struct l2tp_avp_row *row = &l2tp_avp_table[i];
		assert_true(row->min <= row->max);
		assert_true(row->max <= L2TP_AVP_VALUE_MAX);
		if (row->type != L2TP_TYPE_BYTES) {
			assert_int_equal(row->min, size[row->type]);
			assert_int_equal(row->max, size[row->type]);
		}
		assert_true(row->allowed != 0);
		assert_int_equal(row->required & ~row->allowed, 0);
	}
}

static void numbers_are_written_as_the_rfc_draws_them(void **state)
{
	(void)state;
	uint8_t bytes[64], expected[64];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	l2tp_avp_put_u16(&w, L2TP_AVP_ASSIGNED_TUNNEL_ID, 0x1234);
	l2tp_avp_put_u32(&w, L2TP_AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_put(&w, L2TP_AVP_VENDOR_NAME, span_str("ab"));
	l2tp_avp_put_result(&w, 1, 0, span_str(""));
	l2tp_avp_put_result(&w, 2, 8, span_str("x"));
	size_t n = test_unhex("8008 0000 0009 1234 800a 0000 0003 00000003 0008 0000 0008 6162"
			      "8008 0000 0001 0001 800b 0000 0001 0002 0008 78",
			      expected, sizeof(expected));
	assert_int_equal(w.n, n);
	assert_memory_equal(bytes, expected, n);
}

static void the_iterator_gives_each_avp(void **state)
{
	(void)state;
	uint8_t bytes[32];
	size_t n = test_unhex("c009 0009 0007 616263 0006 0000 0027", bytes, sizeof(bytes));
	struct span in = span_of(bytes, n);
	struct l2tp_avp_raw avp;

	assert_true(l2tp_avp_next(&in, &avp));
	assert_int_equal(avp.vendor, 9);
	assert_int_equal(avp.number, 7);
	assert_int_equal(avp.value.n, 3);
	assert_int_equal(avp.bits & (L2TP_AVP_M | L2TP_AVP_H), L2TP_AVP_M | L2TP_AVP_H);
	assert_true(l2tp_avp_next(&in, &avp));
	assert_int_equal(avp.number, 39);
	assert_int_equal(avp.value.n, 0);
	assert_false(l2tp_avp_next(&in, &avp));
	assert_false(in.bad);
}

/* Lengths 0 to 5 made the original loop for ever or run past the end. */
static void lengths_that_lie_end_the_walk(void **state)
{
	(void)state;
	for (unsigned length = 0; length < 32; length++) {
		uint8_t *exact = test_exact_copy("\x80\0\0\0\0\x09\x12\x34", 8);
		exact[1] = (uint8_t)length;
		struct span in = span_of(exact, 8);
		bool good = length == 8;
		assert_int_equal(l2tp_avps_well_formed(in), good);
		struct l2tp_avp_raw avp;
		unsigned rounds = 0;
		while (l2tp_avp_next(&in, &avp))
			assert_true(++rounds < 3);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_by_its_number),
		cmocka_unit_test(the_table_has_all_of_rfc2661),
		cmocka_unit_test(rows_are_consistent),
		cmocka_unit_test(numbers_are_written_as_the_rfc_draws_them),
		cmocka_unit_test(the_iterator_gives_each_avp),
		cmocka_unit_test(lengths_that_lie_end_the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
