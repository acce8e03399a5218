/* Frames: address and control, protocol field, packet header. */
#include "link_kit.h"

static bool decodes(const char *hex, uint16_t protocol, size_t left)
{
	uint8_t b[64];
	uint16_t got;
	struct span s = span_of(b, test_unhex(hex, b, sizeof(b)));

	return ppp_frame_decode(&s, &got) && got == protocol && s.n == left;
}

static void header_may_be_compressed(void **state)
{
	(void)state;
	assert_true(decodes("ff 03 c0 21 01", 0xC021, 1));
	assert_true(decodes("c0 21 01", 0xC021, 1));
	assert_true(decodes("00 21 45", 0x0021, 1));
	assert_true(decodes("21 45", 0x0021, 1)); /* RFC 1661 6.5 */
	assert_true(decodes("ff 03 21 45", 0x0021, 1));
	assert_true(decodes("ff 03 80 21", 0x8021, 0));
}

static void what_is_no_protocol_is_refused(void **state)
{
	(void)state;
	uint8_t b[] = {0xFF, 0x03};
	uint16_t protocol;
	struct span s = span_of(b, 0);

	assert_false(ppp_frame_decode(&s, &protocol));
	s = span_of(b, 2);
	assert_false(ppp_frame_decode(&s, &protocol));
	assert_false(decodes("c0", 0xC000, 0));
	assert_false(decodes("c0 20 01", 0xC020, 1)); /* RFC 1661 section 2: must be odd */
}

static void packet_length_is_checked_both_ways(void **state)
{
	(void)state;
	struct ppp_packet p;
	uint8_t b[] = {1, 7, 0, 6, 'a', 'b', 'p', 'a', 'd'};

	assert_true(ppp_packet_decode(span_of(b, sizeof(b)), &p));
	assert_int_equal(p.code, 1);
	assert_int_equal(p.id, 7);
	assert_int_equal(p.body.n, 2); /* padding is not part of it */
	assert_int_equal(p.all.n, 6);
	for (size_t n = 0; n < 6; n++)
		assert_false(ppp_packet_decode(span_of(b, n), &p));
	for (uint8_t len = 0; len < 4; len++) {
		b[3] = len;
		assert_false(ppp_packet_decode(span_of(b, sizeof(b)), &p));
	}
	b[3] = sizeof(b) + 1;
	assert_false(ppp_packet_decode(span_of(b, sizeof(b)), &p));
}

static void a_frame_that_does_not_fit_is_left_out(void **state)
{
	(void)state;
	static struct ppp_actions a;
	static uint8_t big[PPP_OUT_BYTES];

	ppp_actions_clear(&a);
	wbuf_bytes(ppp_out_begin(&a, PPP_LCP, 9, 1), big, sizeof(big));
	ppp_out_end(&a, false);
	assert_int_equal(a.n_frames, 0);
	for (int i = 0; i < PPP_OUT_FRAMES + 3; i++) {
		wbuf_u8(ppp_out_begin(&a, PPP_LCP, 9, (uint8_t)i), 0xAA);
		ppp_out_end(&a, i == 2);
	}
	assert_int_equal(a.n_frames, PPP_OUT_FRAMES);
	assert_int_equal(a.priority, 1 << 2);
	for (unsigned i = 0; i < PPP_OUT_FRAMES; i++) {
		struct span f = ppp_actions_frame(&a, i);
		const uint8_t want[] = {0xFF, 3, 0xC0, 0x21, 9, (uint8_t)i, 0, 5, 0xAA};
		assert_int_equal(f.n, sizeof(want));
		assert_memory_equal(f.p, want, sizeof(want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_may_be_compressed),
		cmocka_unit_test(what_is_no_protocol_is_refused),
		cmocka_unit_test(packet_length_is_checked_both_ways),
		cmocka_unit_test(a_frame_that_does_not_fit_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
