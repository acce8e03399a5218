/* RADIUS packets: the examples of the RFCs, lies about lengths, writing and reading again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "radius/rad_packet.h"
#include "test_bytes.h"

/* RFC 2865 section 7.2: a framed user who authenticates with CHAP. */
static const char chap_request[] =
	"01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2 01 08 66 6c 6f 70 73 79"
	"03 13 16 e9 75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75 04 06 c0 a8 01 10 05 06 00"
	"00 00 14 06 06 00 00 00 02 07 06 00 00 00 01";

static void rfc_2865_chap_request(void **state)
{
	(void)state;
	uint8_t bytes[128];
	size_t n = test_unhex(chap_request, bytes, sizeof(bytes));
	struct rad_packet p;
	struct rad_attr a;

	assert_true(rad_packet_decode(span_of(bytes, n), &p));
	assert_int_equal(p.code, RAD_ACCESS_REQUEST);
	assert_int_equal(p.id, 1);
	assert_true(rad_attr_next(&p.attrs, &a));
	assert_int_equal(a.number, RAD_USER_NAME);
	assert_int_equal(a.value.n, 6);
	assert_memory_equal(a.value.p, "flopsy", 6);
	assert_true(rad_attr_next(&p.attrs, &a));
	assert_int_equal(a.number, RAD_CHAP_PASSWORD);
	assert_int_equal(a.value.n, 17);
	unsigned more = 0;
	while (rad_attr_next(&p.attrs, &a))
		more++;
	assert_int_equal(more, 4);
	assert_false(p.attrs.bad);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	uint8_t bytes[128];
	size_t n = test_unhex(chap_request, bytes, sizeof(bytes));
	struct rad_packet p;

	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = test_exact_copy(bytes, cut);
		assert_false(rad_packet_decode(span_of(copy, cut), &p));
		free(copy);
	}
}

static void padding_behind_the_packet_is_ignored(void **state)
{
	(void)state;
	uint8_t bytes[128] = {0};
	size_t n = test_unhex(chap_request, bytes, sizeof(bytes));
	struct rad_packet p;

	assert_true(rad_packet_decode(span_of(bytes, n + 9), &p));
	assert_int_equal(p.whole.n, n);
}

static void lengths_that_lie_are_refused(void **state)
{
	(void)state;
	uint8_t bytes[128];
	size_t n = test_unhex(chap_request, bytes, sizeof(bytes));
	struct rad_packet p;

	/* Length of the packet below the header or cutting an attribute. */
	for (unsigned length = 0; length < n; length++) {
		bytes[2] = 0;
		bytes[3] = (uint8_t)length;
		bool whole = length == 20 || length == 28 || length == 47 || length == 53 ||
			     length == 59 || length == 65;
		assert_int_equal(rad_packet_decode(span_of(bytes, n), &p), whole);
	}
	bytes[3] = (uint8_t)n;
	/* Every length of the first attribute: only those that end on another one's border. */
	for (unsigned length = 0; length < 256; length++) {
		bytes[21] = (uint8_t)length;
		bool ok = rad_packet_decode(span_of(bytes, n), &p);
		if (length < 2 || length > n - 20)
			assert_false(ok);
		struct rad_attr a;
		unsigned count = 0;
		while (ok && rad_attr_next(&p.attrs, &a))
			assert_true(++count < 64);
	}
}

static void a_packet_longer_than_4096_is_refused(void **state)
{
	(void)state;
	static uint8_t bytes[5000];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct rad_packet p;
	static const uint8_t zeros[253];

	rad_put_header(&w, RAD_ACCESS_ACCEPT, 1, zeros);
	for (unsigned i = 0; i < 17; i++)
		rad_put(&w, RAD_CLASS, span_of(zeros, 253));
	wbuf_patch_u16(&w, 2, (uint16_t)w.n);
	assert_true(w.n > 4096);
	assert_false(rad_packet_decode(wbuf_written(&w), &p));
	rad_put_end(&w, 0);
	assert_true(w.bad);
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	uint8_t bytes[512], authenticator[RAD_AUTHENTICATOR] = "0123456789abcdef";
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct ip_addr v4 = ip_addr_v4(0x0A000001), v6 = {.family = 6};
	struct rad_packet p;
	struct rad_attr a;
	uint32_t vendor;

	rad_put_header(&w, RAD_ACCESS_ACCEPT, 77, authenticator);
	rad_put_u32(&w, RAD_SESSION_TIMEOUT, 0xDEADBEEF);
	rad_put_addr4(&w, RAD_FRAMED_IP_ADDRESS, &v4);
	rad_put_addr4(&w, RAD_FRAMED_IP_ADDRESS, &v6); /* left out */
	rad_put_text(&w, RAD_REPLY_MESSAGE, "hi");
	rad_put_vsa(&w, RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, span_str("a=b"));
	rad_put_end(&w, 0);
	assert_true(rad_packet_decode(wbuf_written(&w), &p));
	assert_int_equal(p.code, RAD_ACCESS_ACCEPT);
	assert_int_equal(p.id, 77);
	assert_memory_equal(p.authenticator, authenticator, RAD_AUTHENTICATOR);
	assert_true(rad_attr_next(&p.attrs, &a) && a.number == RAD_SESSION_TIMEOUT);
	assert_int_equal(span_u32(&a.value), 0xDEADBEEF);
	assert_true(rad_attr_next(&p.attrs, &a) && a.number == RAD_FRAMED_IP_ADDRESS);
	assert_int_equal(span_u32(&a.value), 0x0A000001);
	assert_true(rad_attr_next(&p.attrs, &a) && a.number == RAD_REPLY_MESSAGE);
	assert_true(rad_attr_next(&p.attrs, &a) && a.number == RAD_VENDOR_SPECIFIC);
	assert_true(rad_vsa_open(&a.value, &vendor));
	assert_int_equal(vendor, RAD_VENDOR_CISCO);
	struct span inner = a.value;
	assert_true(rad_vsa_next(&inner, vendor, &a));
	assert_int_equal(a.vendor, RAD_VENDOR_CISCO);
	assert_memory_equal(a.value.p, "a=b", 3);
	assert_false(rad_attr_next(&p.attrs, &a));
}

static void what_does_not_fit_makes_the_writer_bad(void **state)
{
	(void)state;
	static const uint8_t big[300];
	uint8_t bytes[64];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	rad_put(&w, RAD_CLASS, span_of(big, 254));
	assert_true(w.bad);
	w = wbuf_of(bytes, sizeof(bytes));
	rad_put_vsa(&w, 9, 1, span_of(big, 248));
	assert_true(w.bad);
	w = wbuf_of(bytes, 20);
	rad_put_header(&w, RAD_ACCESS_ACCEPT, 1, big);
	rad_put_u32(&w, RAD_SESSION_TIMEOUT, 1);
	rad_put_end(&w, 0);
	assert_true(w.bad);
}

static void the_dictionary_knows_its_rows(void **state)
{
	(void)state;
	assert_string_equal(rad_dict_row(0, 80)->text, "Message-Authenticator");
	assert_int_equal(rad_dict_row(0, 8)->max, 4);
	assert_string_equal(rad_dict_row(311, 28)->text, "MS-Primary-DNS-Server");
	assert_null(rad_dict_row(0, 250));
	assert_null(rad_dict_row(311, 8));
	struct rad_attr a = {.number = RAD_FRAMED_IP_ADDRESS, .value = span_str("abc")};
	assert_false(rad_attr_is_well_formed(&a));
	a.number = 250;
	assert_true(rad_attr_is_well_formed(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_2865_chap_request),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(padding_behind_the_packet_is_ignored),
		cmocka_unit_test(lengths_that_lie_are_refused),
		cmocka_unit_test(a_packet_longer_than_4096_is_refused),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(what_does_not_fit_makes_the_writer_bad),
		cmocka_unit_test(the_dictionary_knows_its_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
