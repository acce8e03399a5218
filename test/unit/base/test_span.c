#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/span.h"
#include "base/wbuf.h"
#include "test_bytes.h"

static const uint8_t nine[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static void numbers_are_read_in_network_order(void **state)
{
	(void)state;
	struct span s = span_of(nine, 9);
	assert_int_equal(span_u8(&s), 0x01);
	assert_int_equal(span_u16(&s), 0x0203);
	assert_int_equal(span_u32(&s), 0x04050607);
	assert_int_equal(s.n, 2);
	assert_false(s.bad);

	s = span_of(nine, 8);
	assert_true(span_u64(&s) == 0x0102030405060708u);
	assert_int_equal(s.n, 0);
	assert_false(s.bad);
}

/* Every reader at every length: good when it fits, else bad, empty and zero. */
static void reading_past_the_end_is_bad_and_yields_zero(void **state)
{
	(void)state;
	for (size_t have = 0; have < sizeof(nine); have++) {
		uint8_t *exact = test_exact_copy(nine, have);
		struct span s8 = span_of(exact, have), s16 = s8, s32 = s8, s64 = s8;
		uint64_t v8 = span_u8(&s8), v16 = span_u16(&s16), v32 = span_u32(&s32),
			 v64 = span_u64(&s64);
		assert_int_equal(s8.bad, have < 1);
		assert_int_equal(s16.bad, have < 2);
		assert_int_equal(s32.bad, have < 4);
		assert_int_equal(s64.bad, have < 8);
		if (s8.bad)
			assert_true(v8 == 0);
		if (s16.bad)
			assert_true(v16 == 0);
		if (s32.bad)
			assert_true(v32 == 0 && s32.n == 0);
		if (s64.bad)
			assert_true((uint32_t)v64 == 0 && s64.n == 0);
		free(exact);
	}
}

static void bad_is_sticky(void **state)
{
	(void)state;
	struct span s = span_of(nine, 1);
	span_u16(&s);
	assert_true(s.bad);
	assert_int_equal(span_u8(&s), 0); /* the byte that was there is not handed out any more */
	assert_true(s.bad);
	assert_null(span_take(&s, 1));
}

static void taking_nothing_works_everywhere(void **state)
{
	(void)state;
	struct span s = span_of(NULL, 0);
	span_take(&s, 0);
	assert_false(s.bad);
	struct span sub = span_sub(&s, 0);
	assert_false(sub.bad);
	assert_int_equal(sub.n, 0);
	span_bytes(&s, NULL, 0);
	assert_false(s.bad);
}

static void a_length_that_lies_takes_nothing(void **state)
{
	(void)state;
	struct span s = span_of(nine, 9);
	assert_null(span_take(&s, SIZE_MAX));
	assert_true(s.bad);
	assert_int_equal(s.n, 0);
}

static void sub_is_bounded_by_its_own_length(void **state)
{
	(void)state;
	struct span s = span_of(nine, 9);
	struct span sub = span_sub(&s, 4);
	assert_int_equal(sub.n, 4);
	assert_int_equal(s.n, 5);
	assert_int_equal(span_u32(&sub), 0x01020304);
	span_u8(&sub);
	assert_true(sub.bad);
	assert_false(s.bad); /* an inner error is not the outer's */
	assert_int_equal(span_u8(&s), 5);

	sub = span_sub(&s, 5);
	assert_true(sub.bad && s.bad);
	assert_int_equal(sub.n, 0);
}

static void copied_bytes_are_zero_when_missing(void **state)
{
	(void)state;
	uint8_t out[4] = {0xEE, 0xEE, 0xEE, 0xEE};
	struct span s = span_of(nine, 4);
	span_bytes(&s, out, 4);
	assert_memory_equal(out, nine, 4);
	s = span_of(nine, 3);
	span_bytes(&s, out, 4);
	assert_true(s.bad);
	assert_memory_equal(out, "\0\0\0\0", 4);
}

static void equality_is_of_bytes(void **state)
{
	(void)state;
	assert_true(span_equal(span_of(NULL, 0), span_of(nine, 0)));
	assert_true(span_equal(span_str("abc"), span_str("abc")));
	assert_false(span_equal(span_str("abc"), span_str("abd")));
	assert_false(span_equal(span_str("abc"), span_str("ab")));
}

static void numbers_are_written_in_network_order(void **state)
{
	(void)state;
	uint8_t out[15];
	struct wbuf w = wbuf_of(out, sizeof(out));
	wbuf_u8(&w, 1);
	wbuf_u16(&w, 0x0203);
	wbuf_u32(&w, 0x04050607);
	wbuf_u64(&w, 0x08090A0B0C0D0E0Fu);
	assert_false(w.bad);
	assert_int_equal(w.n, 15);
	for (uint8_t i = 0; i < 15; i++)
		assert_int_equal(out[i], i + 1);
}

static void writing_past_the_end_is_bad_and_stops(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 8; cap++) {
		uint8_t *exact = test_exact_copy(nine, cap);
		struct wbuf w = wbuf_of(exact, cap);
		wbuf_u64(&w, 0);
		assert_true(w.bad);
		assert_true(w.n <= cap);
		size_t n = w.n;
		wbuf_u8(&w, 0xFF);
		wbuf_bytes(&w, nine, 1);
		assert_int_equal(w.n, n);
		assert_int_equal(wbuf_written(&w).n, 0); /* what does not fit is not sent in part */
		assert_true(wbuf_written(&w).bad);
		free(exact);
	}
}

static void a_full_buffer_is_not_bad(void **state)
{
	(void)state;
	uint8_t out[4];
	struct wbuf w = wbuf_of(out, sizeof(out));
	wbuf_span(&w, span_of(nine, 4));
	assert_false(w.bad);
	wbuf_span(&w, span_of(NULL, 0));
	assert_false(w.bad);
	assert_int_equal(wbuf_written(&w).n, 4);
	assert_null(wbuf_room(&w, 1));
	assert_true(w.bad);
}

static void a_length_that_lies_is_not_written(void **state)
{
	(void)state;
	uint8_t out[4];
	struct wbuf w = wbuf_of(out, sizeof(out));
	wbuf_u8(&w, 1);
	assert_null(wbuf_room(&w, SIZE_MAX));
	assert_true(w.bad);
	assert_int_equal(w.n, 1);
}

static void a_length_is_patched_in_later(void **state)
{
	(void)state;
	uint8_t out[4];
	struct wbuf w = wbuf_of(out, sizeof(out));
	wbuf_u32(&w, 0);
	wbuf_patch_u16(&w, 2, 0xABCD);
	assert_memory_equal(out, "\0\0\xAB\xCD", 4);
	wbuf_u8(&w, 1); /* bad now: patching does nothing, also outside of what was written */
	wbuf_patch_u16(&w, 100, 1);
	assert_memory_equal(out, "\0\0\xAB\xCD", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_in_network_order),
		cmocka_unit_test(reading_past_the_end_is_bad_and_yields_zero),
		cmocka_unit_test(bad_is_sticky),
		cmocka_unit_test(taking_nothing_works_everywhere),
		cmocka_unit_test(a_length_that_lies_takes_nothing),
		cmocka_unit_test(sub_is_bounded_by_its_own_length),
		cmocka_unit_test(copied_bytes_are_zero_when_missing),
		cmocka_unit_test(equality_is_of_bytes),
		cmocka_unit_test(numbers_are_written_in_network_order),
		cmocka_unit_test(writing_past_the_end_is_bad_and_stops),
		cmocka_unit_test(a_full_buffer_is_not_bad),
		cmocka_unit_test(a_length_that_lies_is_not_written),
		cmocka_unit_test(a_length_is_patched_in_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
