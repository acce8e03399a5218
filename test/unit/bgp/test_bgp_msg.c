/* OPEN, NOTIFICATION, KEEPALIVE, ROUTE-REFRESH and the framing of the stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bgp/bgp_msg.h"
#include "test_bytes.h"

#define MARKER "ffffffffffffffffffffffffffffffff"

/* What BIRD 2.0.12 sends: both families, refresh, extended messages, graceful restart, AS4. */
static const char open_of_bird[] = MARKER "0045 01 04 fdea 00f0 c6336402 28 02 26"
					  "0104 0001 00 01 0104 0002 00 01 0200 0600"
					  "400a 0078 0001 01 00 0002 01 80 4104 0000fdea"
					  "4600 4700";

static struct bgp_frame frame_of(const char *hex, uint8_t *bytes, size_t cap)
{
	struct bgp_frame f;
	struct bgp_error e;
	struct span in = span_of(bytes, test_unhex(hex, bytes, cap));
	assert_int_equal(bgp_frame_next(&in, false, &f, &e), BGP_FRAME_READY);
	assert_int_equal(in.n, 0);
	return f;
}

static void an_open_is_understood(void **state)
{
	(void)state;
	uint8_t bytes[128];
	struct bgp_open o;
	struct bgp_error e;
	struct bgp_frame f = frame_of(open_of_bird, bytes, sizeof(bytes));

	assert_int_equal(f.type, BGP_OPEN);
	assert_true(bgp_open_decode(f.body, &o, &e));
	assert_int_equal(o.as, 65002);
	assert_int_equal(o.hold_s, 240);
	assert_int_equal(ip_addr_u32(&o.id), 0xC6336402);
	assert_true(o.family[BGP_IPV4] && o.family[BGP_IPV6] && o.as4 && o.refresh && o.extended);
	assert_true(o.graceful && !o.restarting && !o.kept[BGP_IPV4] && o.kept[BGP_IPV6]);
	assert_int_equal(o.restart_s, 120);
}

static void an_open_that_is_cut_is_refused(void **state)
{
	(void)state;
	uint8_t bytes[128];
	struct bgp_open o;
	struct bgp_error e;
	struct bgp_frame f = frame_of(open_of_bird, bytes, sizeof(bytes));

	for (size_t n = 0; n < f.body.n; n++) {
		uint8_t *copy = test_exact_copy(f.body.p, n);
		assert_false(bgp_open_decode(span_of(copy, n), &o, &e));
		assert_int_equal(e.code, 2);
		free(copy);
	}
}

static void an_open_survives_the_round_trip(void **state)
{
	(void)state;
	uint8_t bytes[256];
	struct bgp_error e;
	struct bgp_frame f;
	struct bgp_open out;

	for (unsigned bits = 0; bits < 64; bits++) {
		struct bgp_open in = {.as = bits & 1 ? 4200000000u : 65000,
				      .hold_s = 90,
				      .id = ip_addr_v4(0xC0000201),
				      .family = {true, (bits & 2) != 0},
				      .as4 = true,
				      .refresh = (bits & 4) != 0,
				      .extended = (bits & 8) != 0,
				      .graceful = (bits & 16) != 0,
				      .restarting = (bits & 48) == 48,
				      .restart_s = bits & 16 ? 4095 : 0,
				      .kept = {(bits & 16) != 0, (bits & 18) == 18}};
		struct wbuf w = wbuf_of(bytes, sizeof(bytes));
		bgp_open_encode(&w, &in, false);
		struct span s = wbuf_written(&w);
		assert_int_equal(bgp_frame_next(&s, false, &f, &e), BGP_FRAME_READY);
		assert_true(bgp_open_decode(f.body, &out, &e));
		uint8_t again[256];
		struct wbuf w2 = wbuf_of(again, sizeof(again));
		bgp_open_encode(&w2, &out, false);
		assert_true(span_equal(wbuf_written(&w), wbuf_written(&w2)));
		assert_int_equal(out.as, in.as);
		assert_int_equal(out.restart_s, in.restart_s);
		assert_int_equal(out.restarting, in.restarting);
		assert_int_equal(out.kept[BGP_IPV6], in.kept[BGP_IPV6]);
	}
}

static void a_plain_open_means_ipv4(void **state)
{
	(void)state;
	uint8_t bytes[64];
	struct bgp_open in = {.as = 65000, .hold_s = 180, .id = ip_addr_v4(1), .as4 = true}, out;
	struct bgp_error e;
	struct bgp_frame f;
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	bgp_open_encode(&w, &in, true);
	struct span s = wbuf_written(&w);
	assert_int_equal(s.n, 29);
	assert_int_equal(bgp_frame_next(&s, false, &f, &e), BGP_FRAME_READY);
	assert_true(bgp_open_decode(f.body, &out, &e));
	assert_true(out.family[BGP_IPV4] && !out.family[BGP_IPV6] && !out.as4);
}

static void parameters_with_long_lengths_are_understood(void **state)
{
	(void)state;
	uint8_t bytes[64];
	struct bgp_open o;
	struct bgp_error e;
	/* RFC 9072 */
	size_t n = test_unhex("04 5ba0 00b4 c0000201 ff ff 0009 02 0006 4104 00010000", bytes, 64);
	assert_true(bgp_open_decode(span_of(bytes, n), &o, &e));
	assert_int_equal(o.as, 65536);
}

static void every_fault_of_an_open_has_its_notification(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		unsigned code;
		const char *data;
	} cases[] = {
		{"03 fde8 00b4 c0000201 00", BGP_ERR_OPEN_VERSION, "0004"},
		{"04 0000 00b4 c0000201 00", BGP_ERR_OPEN_AS, ""},
		{"04 fde8 00b4 c0000201 08 02 06 4104 00000000", BGP_ERR_OPEN_AS, ""},
		{"04 fde8 0001 c0000201 00", BGP_ERR_OPEN_HOLD, ""},
		{"04 fde8 0002 c0000201 00", BGP_ERR_OPEN_HOLD, ""},
		{"04 fde8 00b4 00000000 00", BGP_ERR_OPEN_ID, ""},
		{"04 fde8 00b4 c0000201 03 01 01 00", BGP_ERR_OPEN_PARAMETER, ""},
		{"04 fde8 00b4 c0000201 03 02 05 00", BGP_ERR_OPEN, ""},
		{"04 fde8 00b4 c0000201 02 02 00 00", BGP_ERR_OPEN, ""},
		{"04 fde8 00b4 c0000201 04 02 02 01 01", BGP_ERR_OPEN, ""},
		{"04 fde8 00b4 c0000201 05 02 03 41 01 00", BGP_ERR_OPEN, ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[64], data[8];
		struct bgp_open o;
		struct bgp_error e;
		size_t n = test_unhex(cases[i].body, bytes, sizeof(bytes));
		size_t n_data = test_unhex(cases[i].data, data, sizeof(data));
		assert_false(bgp_open_decode(span_of(bytes, n), &o, &e));
		assert_int_equal(e.code << 8 | e.subcode, cases[i].code);
		assert_true(span_equal(span_of(e.data, e.n), span_of(data, n_data)));
	}
}

static void a_header_is_judged_at_once(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		bool extended;
		unsigned code; /* 0: more bytes are waited for */
	} cases[] = {
		{"ffffffffffffffffffffffffffffff00 0013 04", false, BGP_ERR_HEADER_SYNC},
		{MARKER "0012 04", false, BGP_ERR_HEADER_LENGTH},
		{MARKER "1001 02", false, BGP_ERR_HEADER_LENGTH},
		{MARKER "1001 02", true, 0},
		{MARKER "1001 01", true, BGP_ERR_HEADER_LENGTH},
		{MARKER "0014 04", false, BGP_ERR_HEADER_LENGTH},
		{MARKER "001c 01", false, BGP_ERR_HEADER_LENGTH},
		{MARKER "0016 02", false, BGP_ERR_HEADER_LENGTH},
		{MARKER "0014 03", false, BGP_ERR_HEADER_LENGTH},
		{MARKER "0016 05", false, BGP_ERR_HEADER_LENGTH},
		{MARKER "0018 05", false, BGP_ERR_REFRESH_LENGTH},
		{MARKER "0013 00", false, BGP_ERR_HEADER_TYPE},
		{MARKER "0013 06", false, BGP_ERR_HEADER_TYPE},
		{MARKER "0017 02", false, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[BGP_HEADER];
		struct bgp_frame f;
		struct bgp_error e = {0};
		struct span in = span_of(bytes, test_unhex(cases[i].header, bytes, BGP_HEADER));
		enum bgp_framing got = bgp_frame_next(&in, cases[i].extended, &f, &e);
		assert_int_equal(got, cases[i].code ? BGP_FRAME_BAD : BGP_FRAME_MORE);
		assert_int_equal(e.code << 8 | e.subcode, cases[i].code);
		if (cases[i].code == BGP_ERR_HEADER_LENGTH)
			assert_memory_equal(e.data, bytes + 16, 2);
		if (cases[i].code == BGP_ERR_HEADER_TYPE)
			assert_memory_equal(e.data, bytes + 18, 1);
	}
}

static void a_cease_carries_its_text(void **state)
{
	(void)state;
	uint8_t bytes[512];
	char text[BGP_ERROR_DATA + 1], longest[300];
	struct bgp_error e, back;
	struct bgp_frame f;

	memset(longest, 'x', sizeof(longest));
	longest[299] = '\0';
	const char *texts[] = {"", "maintenance\ttonight", longest};
	for (unsigned i = 0; i < 3; i++) {
		struct wbuf w = wbuf_of(bytes, sizeof(bytes));
		bgp_error_cease(&e, BGP_ERR_CEASE_SHUTDOWN, texts[i]);
		bgp_notification_encode(&w, &e);
		struct span s = wbuf_written(&w);
		assert_int_equal(bgp_frame_next(&s, false, &f, &back), BGP_FRAME_READY);
		bgp_notification_decode(f.body, &back);
		assert_int_equal(back.code, 6);
		assert_int_equal(back.subcode, 2);
		bgp_notification_text(&back, text);
		assert_int_equal(strlen(text), strnlen(texts[i], BGP_ERROR_DATA - 1));
	}
	bgp_error_cease(&e, BGP_ERR_CEASE_SHUTDOWN, texts[1]);
	bgp_notification_text(&e, text);
	assert_string_equal(text, "maintenance?tonight");
	e.data[0] = 200; /* the length lies */
	bgp_notification_text(&e, text);
	assert_string_equal(text, "");
	assert_string_equal(bgp_error_text(6, 99), "cease");
	assert_string_equal(bgp_error_text(77, 1), "unknown error");
}

static void a_refresh_names_a_family(void **state)
{
	(void)state;
	enum bgp_family f;
	uint8_t v4[] = {0, 1, 0, 1}, v6[] = {0, 2, 0, 1}, vpn[] = {0, 1, 0, 128},
		end[] = {0, 1, 2, 1};

	assert_true(bgp_refresh_decode(span_of(v4, 4), &f) && f == BGP_IPV4);
	assert_true(bgp_refresh_decode(span_of(v6, 4), &f) && f == BGP_IPV6);
	assert_false(bgp_refresh_decode(span_of(vpn, 4), &f));
	assert_false(bgp_refresh_decode(span_of(end, 4), &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_is_understood),
		cmocka_unit_test(an_open_that_is_cut_is_refused),
		cmocka_unit_test(an_open_survives_the_round_trip),
		cmocka_unit_test(a_plain_open_means_ipv4),
		cmocka_unit_test(parameters_with_long_lengths_are_understood),
		cmocka_unit_test(every_fault_of_an_open_has_its_notification),
		cmocka_unit_test(a_header_is_judged_at_once),
		cmocka_unit_test(a_cease_carries_its_text),
		cmocka_unit_test(a_refresh_names_a_family),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
