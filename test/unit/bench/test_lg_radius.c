/* The benchmark's RADIUS responder, test packets, and histogram. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "lg_hist.h"
#include "lg_packet.h"
#include "lg_radius.h"
#include "lg_seen.h"

/* RFC 2865 7.1 */
static const uint8_t nemo[] = {
	0x01, 0x00, 0x00, 0x38, 0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57, 0xbd, 0x83,
	0xd5, 0xcb, 0x98, 0xf4, 0x22, 0x7a, 0x01, 0x06, 0x6e, 0x65, 0x6d, 0x6f, 0x02, 0x12,
	0x0d, 0xbe, 0x70, 0x8d, 0x93, 0xd4, 0x13, 0xce, 0x31, 0x96, 0xe4, 0x3f, 0x78, 0x2a,
	0x0a, 0xee, 0x04, 0x06, 0xc0, 0xa8, 0x01, 0x10, 0x05, 0x06, 0x00, 0x00, 0x00, 0x03,
};

static void the_pap_request_of_the_rfc_proves_its_password(void **state)
{
	(void)state;
	struct lg_rad_request q;
	assert_true(lg_rad_decode(span_of(nemo, sizeof(nemo)), &q));
	assert_true(span_equal(q.user, span_str("nemo")));
	assert_true(lg_rad_password_ok(&q, span_str("xyzzy5461"), span_str("arctangent")));
	assert_false(lg_rad_password_ok(&q, span_str("xyzzy5461"), span_str("arctangen")));
	assert_false(lg_rad_password_ok(&q, span_str("xyzzy5462"), span_str("arctangent")));
	assert_true(lg_rad_message_auth_ok(&q, span_str("xyzzy5461")));
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	struct lg_rad_request q;
	for (size_t n = 0; n < sizeof(nemo); n++)
		assert_false(lg_rad_decode(span_of(nemo, n), &q));
}

static void an_answer_carries_both_authenticators(void **state)
{
	(void)state;
	static const uint8_t zeros[MD5_LEN];
	struct span secret = span_str("xyzzy5461");
	struct lg_rad_answer a = {.message_auth = true, .framed_ip = 0x0A400007};
	struct lg_rad_request q;
	uint8_t room[256], digest[MD5_LEN];
	struct wbuf w = wbuf_of(room, sizeof(room));

	assert_true(lg_rad_decode(span_of(nemo, sizeof(nemo)), &q));
	assert_true(lg_rad_reply(&w, &q, LG_RAD_ACCEPT, &a, secret));
	assert_int_equal(room[20], 80); /* Message-Authenticator comes first */
	struct span response[] = {span_of(room, 4), span_of(nemo + 4, 16),
				  span_of(room + 20, w.n - 20), secret};
	md5_of(digest, response, 4);
	assert_memory_equal(room + 4, digest, MD5_LEN);
	struct span signature[] = {span_of(room, 4), span_of(nemo + 4, 16), span_of(room + 20, 2),
				   span_of(zeros, MD5_LEN), span_of(room + 38, w.n - 38)};
	hmac_md5_of(digest, secret, signature, 5);
	assert_memory_equal(room + 22, digest, MD5_LEN);
	assert_memory_equal(room + w.n - 6, ((const uint8_t[]){8, 6, 10, 64, 0, 7}), 6);
}

static void the_number_of_a_user_is_at_its_end(void **state)
{
	(void)state;
	assert_int_equal(lg_rad_user_number(span_str("user17")), 17);
	assert_int_equal(lg_rad_user_number(span_str("user17@isp4")), 17);
	assert_int_equal(lg_rad_user_number(span_str("9lives")), 0);
}

/* ---- packets --------------------------------------------------------------------------------- */

static uint32_t sum(const uint8_t *p, size_t n)
{
	uint32_t s = 0;
	for (size_t i = 0; i < n; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xFFFF) + (s >> 16);
	return s;
}

static void a_udp_packet_has_right_checksums_and_its_stamp(void **state)
{
	(void)state;
	uint8_t room[1500];
	struct lg_udp_path path = {0x0A400001, 0xC6336402, 5001, 9000};
	for (unsigned size = 48; size <= 1400; size += 26) {
		struct lg_stamp in = {7, size, {123456789}}, out;
		struct lg_ipv4 ip;
		struct wbuf w = wbuf_of(room, sizeof(room));
		lg_udp_packet(&w, &path, size, 1, &in);
		assert_int_equal(w.n, size);
		assert_int_equal(sum(room, 20), 0xFFFF);
		uint8_t pseudo[12 + 1480] = {0};
		memcpy(pseudo, room + 12, 8);
		pseudo[9] = 17;
		pseudo[10] = room[24];
		pseudo[11] = room[25];
		memcpy(pseudo + 12, room + 20, size - 20);
		assert_int_equal(sum(pseudo, 12 + size - 20), 0xFFFF);
		assert_true(lg_ipv4_decode(wbuf_written(&w), &ip));
		assert_int_equal(ip.dst, path.dst);
		span_take(&ip.body, 8);
		assert_true(lg_stamp_decode(ip.body, &out));
		assert_int_equal(out.seq, size);
		assert_int_equal(out.session, 7);
		for (size_t n = 0; n < 40; n++)
			assert_false(lg_ipv4_decode(span_of(room, n), &ip));
	}
}

static void an_echo_is_answered_with_the_same_bytes(void **state)
{
	(void)state;
	uint8_t a[128], b[128];
	struct lg_stamp in = {3, 4, {5}}, out;
	struct wbuf wa = wbuf_of(a, sizeof(a)), wb = wbuf_of(b, sizeof(b));
	struct lg_ipv4 ip;
	struct span payload;
	uint8_t type;
	lg_icmp_packet(&wa, LG_ICMP_ECHO, 1, 2, &in);
	assert_true(lg_ipv4_decode(wbuf_written(&wa), &ip));
	lg_icmp_answer(&wb, &ip);
	assert_true(lg_ipv4_decode(wbuf_written(&wb), &ip));
	assert_int_equal(ip.src, 2);
	assert_int_equal(sum(b + 20, wb.n - 20), 0xFFFF);
	assert_true(lg_icmp_decode(ip.body, &type, &payload));
	assert_int_equal(type, LG_ICMP_REPLY);
	assert_true(lg_stamp_decode(payload, &out));
	assert_int_equal(out.seq, 4);
}

static void percentiles_are_within_a_few_percent(void **state)
{
	(void)state;
	static struct lg_hist h;
	memset(&h, 0, sizeof(h));
	for (int64_t us = 1; us <= 100000; us++)
		lg_hist_add(&h, us * 1000);
	assert_true(lg_hist_ms(&h, 0.5) > 48 && lg_hist_ms(&h, 0.5) < 51);
	assert_true(lg_hist_ms(&h, 0.99) > 95 && lg_hist_ms(&h, 0.99) < 100);
	assert_int_equal(h.max_us, 100000);
	lg_hist_add(&h, INT64_MAX);
	lg_hist_add(&h, -5);
	assert_int_equal(h.n, 100002);
}

static void each_record_counts_once(void **state)
{
	(void)state;
	struct lg_seen seen = {0};
	uint8_t authenticator[16] = {0}, packet[32] = {[20] = 41, 6, 0, 0, 0, 0, 44, 6};
	char id[16];

	for (unsigned round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 100000; i++) {
			struct lg_rad_request q = {.whole = span_of(packet, sizeof(packet)),
						   .authenticator = authenticator,
						   .acct_status =
							   i % 2 ? LG_RAD_STOP : LG_RAD_START};
			snprintf(id, sizeof(id), "S%u", i / 2);
			q.acct_session = span_str(id);
			authenticator[0] = round == 2; /* at last, in another datagram */
			packet[25] = (uint8_t)round;
			assert_true(lg_seen_add(&seen, &q));
		}
	}
	assert_int_equal(seen.records[LG_RAD_START], 50000);
	assert_int_equal(seen.records[LG_RAD_STOP], 50000);
	assert_int_equal(seen.resent, 100000);
	assert_int_equal(seen.doubled, 100000);
	assert_int_equal(seen.altered, 0);
	assert_true(seen.starts == seen.stops);
	struct lg_rad_request one = {.whole = span_of(packet, sizeof(packet)),
				     .authenticator = authenticator,
				     .acct_status = LG_RAD_START,
				     .acct_session = span_str("alone")};
	assert_true(lg_seen_add(&seen, &one));
	assert_false(seen.starts == seen.stops);
	packet[31] = authenticator[0] = 7;
	assert_true(lg_seen_add(&seen, &one));
	assert_int_equal(seen.altered, 1);
	lg_seen_free(&seen);
}

static void framed_routes_are_text(void **state)
{
	(void)state;
	struct lg_rad_answer a = {.route = 0x64400008, .n_routes = 2};
	struct lg_rad_request q;
	uint8_t room[256];
	struct wbuf w = wbuf_of(room, sizeof(room));

	assert_true(lg_rad_decode(span_of(nemo, sizeof(nemo)), &q));
	assert_true(lg_rad_reply(&w, &q, LG_RAD_ACCEPT, &a, span_str("xyzzy5461")));
	assert_int_equal(w.n, 20 + 12 + 25 + 26);
	assert_memory_equal(room + 32,
			    "\x16\x19"
			    "100.64.0.8/29 0.0.0.0 1",
			    25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pap_request_of_the_rfc_proves_its_password),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(each_record_counts_once),
		cmocka_unit_test(an_answer_carries_both_authenticators),
		cmocka_unit_test(framed_routes_are_text),
		cmocka_unit_test(the_number_of_a_user_is_at_its_end),
		cmocka_unit_test(a_udp_packet_has_right_checksums_and_its_stamp),
		cmocka_unit_test(an_echo_is_answered_with_the_same_bytes),
		cmocka_unit_test(percentiles_are_within_a_few_percent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
