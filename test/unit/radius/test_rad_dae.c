/* Disconnect and CoA requests (RFC 5176): what they say, who signed them, the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dae_kit.h"
#include "radius/rad_dae.h"

static const char secret[] = "xyzzy5461";
static struct rad_terms terms;

static struct rad_dae_request decoded(const struct dae_packet *bytes)
{
	struct rad_packet p;
	struct rad_dae_request q;

	assert_true(rad_packet_decode(dae_span(bytes), &p));
	assert_true(rad_dae_decode(&p, &terms, &q));
	return q;
}

static enum rad_error_cause error_of(enum rad_code code, void (*put)(struct wbuf *w))
{
	struct dae_packet p = dae_request(code, 1, secret, true, put);
	return decoded(&p).error;
}

static void put_identity(struct wbuf *w)
{
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8};

	rad_put_u32(w, RAD_NAS_IP_ADDRESS, 0x0A000001);
	rad_put(w, RAD_NAS_IPV6_ADDRESS, span_of(v6, 16));
	rad_put_text(w, RAD_NAS_IDENTIFIER, "lns");
	rad_put_text(w, RAD_USER_NAME, "nemo");
	rad_put_u32(w, RAD_NAS_PORT, 0x10005);
	rad_put_text(w, RAD_NAS_PORT_ID, "1/5");
	rad_put_u32(w, RAD_FRAMED_IP_ADDRESS, 0x0A010203);
	rad_put_text(w, RAD_CALLED_STATION_ID, "5678");
	rad_put_text(w, RAD_CALLING_STATION_ID, "1234");
	rad_put_text(w, RAD_ACCT_SESSION_ID, "0000000169212345");
	rad_put_u32(w, RAD_EVENT_TIMESTAMP, 1763800000);
	rad_put_text(w, RAD_PROXY_STATE, "a proxy");
}

static void put_changes(struct wbuf *w)
{
	rad_put_text(w, RAD_USER_NAME, "nemo");
	rad_put_u32(w, RAD_SERVICE_TYPE, 2);
	rad_put_u32(w, RAD_SESSION_TIMEOUT, 100);
	rad_put_u32(w, RAD_IDLE_TIMEOUT, 0);
	rad_put_u32(w, RAD_ACCT_INTERIM_INTERVAL, 300);
	rad_put_text(w, RAD_CLASS, "one");
	rad_put_text(w, RAD_CLASS, "two");
}

static void everything_that_names_a_session_is_read(void **state)
{
	(void)state;
	struct dae_packet p = dae_request(RAD_DISCONNECT_REQUEST, 9, secret, true, put_identity);
	struct rad_dae_request q = decoded(&p);

	assert_true(q.disconnect);
	assert_int_equal(q.error, RAD_ERROR_NONE);
	assert_int_equal(ip_addr_u32(&q.nas_ip), 0x0A000001);
	assert_int_equal(q.nas_ip6.family, 6);
	assert_true(span_equal(q.nas_identifier, span_str("lns")));
	assert_true(span_equal(q.user, span_str("nemo")));
	assert_true(q.has_port);
	assert_int_equal(q.port, 0x10005);
	assert_true(span_equal(q.port_id, span_str("1/5")));
	assert_int_equal(ip_addr_u32(&q.framed_ip), 0x0A010203);
	assert_true(span_equal(q.called, span_str("5678")));
	assert_true(span_equal(q.calling, span_str("1234")));
	assert_int_equal(q.session_id.n, 16);
	assert_true(q.has_timestamp);
	assert_int_equal(q.timestamp, 1763800000);
}

static void a_coa_tells_what_changes(void **state)
{
	(void)state;
	struct dae_packet p = dae_request(RAD_COA_REQUEST, 9, secret, false, put_changes);
	struct rad_dae_request q = decoded(&p);

	assert_false(q.disconnect);
	assert_int_equal(q.error, RAD_ERROR_NONE);
	assert_int_equal(q.told.said,
			 RAD_SAID_SESSION_TIMEOUT | RAD_SAID_IDLE_TIMEOUT | RAD_SAID_INTERIM);
	assert_int_equal(q.told.session_timeout_s, 100);
	assert_int_equal(q.told.idle_timeout_s, 0);
	assert_int_equal(q.told.interim_s, 300);
	assert_int_equal(q.n_classes, 2);
}

static void put_user(struct wbuf *w)
{
	rad_put_text(w, RAD_USER_NAME, "nemo");
}

static void put_pair(struct wbuf *w, const char *pair)
{
	rad_put_vsa(w, RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, span_str(pair));
}

static void put_policy(struct wbuf *w)
{
	put_user(w);
	rad_put_text(w, RAD_FILTER_ID, "gold.in");
	put_pair(w, "throttle=64,intercept=192.0.2.9:5000");
	put_pair(w, "garden=yes");
	put_pair(w, "for-a-plugin=1");
}

static void put_route(struct wbuf *w)
{
	put_user(w);
	rad_put_text(w, RAD_FRAMED_ROUTE, "10.0.0.0/8");
}

static void put_pair_of_login(struct wbuf *w)
{
	put_user(w);
	put_pair(w, "throttle=64,ip:addr-pool=gold");
}

static void put_bad_rate(struct wbuf *w)
{
	put_user(w);
	put_pair(w, "throttle=much");
}

static void put_bad_vendor(struct wbuf *w)
{
	put_user(w);
	rad_put(w, RAD_VENDOR_SPECIFIC, span_of("\0\0\0\x09\x01\xff", 6));
}

static void put_authorise_only(struct wbuf *w)
{
	put_user(w);
	rad_put_u32(w, RAD_SERVICE_TYPE, 17);
}

static void put_long_port(struct wbuf *w)
{
	put_user(w);
	rad_put(w, RAD_NAS_PORT, span_of("12345", 5));
}

static void put_vendor(struct wbuf *w)
{
	put_user(w);
	rad_put_vsa(w, RAD_VENDOR_MICROSOFT, RAD_MS_PRIMARY_DNS, span_of("\1\2\3\4", 4));
}

static void put_timeout(struct wbuf *w)
{
	rad_put_u32(w, RAD_SESSION_TIMEOUT, 100);
}

static void put_two_users(struct wbuf *w)
{
	rad_put_text(w, RAD_USER_NAME, "ahab");
	put_timeout(w);
	put_user(w);
}

static void put_two_nas(struct wbuf *w)
{
	put_user(w);
	rad_put_u32(w, RAD_NAS_IP_ADDRESS, 0x0A000001);
	rad_put_u32(w, RAD_NAS_IP_ADDRESS, 0x0A000001);
}

static void put_state(struct wbuf *w)
{
	put_user(w);
	put_timeout(w);
	rad_put(w, RAD_STATE, span_of("\0of\xff", 4));
}

static void a_coa_tells_the_policy(void **state)
{
	(void)state;
	struct dae_packet p = dae_request(RAD_COA_REQUEST, 9, secret, false, put_policy);
	struct rad_dae_request q = decoded(&p);
	struct sess_policy policy = {.burst_up = 7, .filter_in = "old", .filter_out = "old"};

	assert_int_equal(q.error, RAD_ERROR_NONE);
	assert_int_equal(q.told.unknown_pairs, 1);
	rad_told_policy(&q.told, &policy);
	assert_int_equal(policy.rate_up, 64000);
	assert_int_equal(policy.rate_down, 64000);
	assert_int_equal(policy.burst_up, 7);
	assert_string_equal(policy.filter_in, "gold");
	assert_string_equal(policy.filter_out, "old");
	assert_int_equal(policy.intercept.port, 5000);
	assert_true(policy.garden);
}

static void what_cannot_be_done_has_its_error_cause(void **state)
{
	(void)state;
	assert_int_equal(error_of(RAD_DISCONNECT_REQUEST, put_user), RAD_ERROR_NONE);
	assert_int_equal(error_of(RAD_DISCONNECT_REQUEST, NULL), RAD_ERROR_MISSING_ATTRIBUTE);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_user), RAD_ERROR_MISSING_ATTRIBUTE);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_timeout), RAD_ERROR_MISSING_ATTRIBUTE);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_policy), RAD_ERROR_NONE);
	assert_int_equal(error_of(RAD_DISCONNECT_REQUEST, put_policy),
			 RAD_ERROR_UNSUPPORTED_ATTRIBUTE);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_route), RAD_ERROR_UNSUPPORTED_ATTRIBUTE);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_vendor), RAD_ERROR_UNSUPPORTED_ATTRIBUTE);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_pair_of_login),
			 RAD_ERROR_UNSUPPORTED_ATTRIBUTE);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_bad_rate), RAD_ERROR_INVALID_VALUE);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_bad_vendor), RAD_ERROR_INVALID_REQUEST);
	assert_int_equal(error_of(RAD_DISCONNECT_REQUEST, put_changes),
			 RAD_ERROR_UNSUPPORTED_ATTRIBUTE);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_authorise_only),
			 RAD_ERROR_UNSUPPORTED_SERVICE);
	assert_int_equal(error_of(RAD_DISCONNECT_REQUEST, put_long_port),
			 RAD_ERROR_INVALID_REQUEST);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_two_users), RAD_ERROR_INVALID_REQUEST);
	assert_int_equal(error_of(RAD_DISCONNECT_REQUEST, put_two_nas), RAD_ERROR_INVALID_REQUEST);
	assert_int_equal(error_of(RAD_COA_REQUEST, put_state), RAD_ERROR_NONE);
}

/* RFC 5176 3.3 */
static void a_state_is_returned(void **state)
{
	(void)state;
	struct dae_packet bytes = dae_request(RAD_COA_REQUEST, 1, secret, true, put_state);

	for (unsigned i = 0; i < 2; i++) {
		struct rad_packet request, reply;
		uint8_t out[512];
		struct wbuf w = wbuf_of(out, sizeof(out));
		struct rad_attr a;
		unsigned found = 0;

		assert_true(rad_packet_decode(dae_span(&bytes), &request));
		rad_dae_reply(&w, &request, i ? RAD_ERROR_NO_SESSION : RAD_ERROR_NONE,
			      span_str(secret));
		assert_true(rad_packet_decode(wbuf_written(&w), &reply));
		assert_int_equal(rad_reply_check(&reply, span_str(secret), request.authenticator),
				 RAD_CHECK_GOOD);
		while (rad_attr_next(&reply.attrs, &a))
			found += a.number == RAD_STATE &&
				 span_equal(a.value, span_of("\0of\xff", 4));
		assert_int_equal(found, 1);
	}
}

static void other_codes_are_none(void **state)
{
	(void)state;
	struct dae_packet bytes = dae_request(RAD_ACCOUNTING_REQUEST, 1, secret, false, put_user);
	struct rad_packet p;
	struct rad_dae_request q;

	assert_true(rad_packet_decode(dae_span(&bytes), &p));
	assert_false(rad_dae_decode(&p, &terms, &q));
}

static bool is_signed(const struct dae_packet *bytes, const char *with)
{
	struct rad_packet p;

	return rad_packet_decode(dae_span(bytes), &p) && rad_dae_check(&p, span_str(with));
}

static void signatures_are_checked(void **state)
{
	(void)state;
	for (int sign = 0; sign < 2; sign++) {
		struct dae_packet p = dae_request(RAD_COA_REQUEST, 1, secret, sign, put_changes);
		assert_true(is_signed(&p, secret));
		assert_false(is_signed(&p, "other"));
		for (size_t i = 0; i < p.n; i++) {
			p.bytes[i] ^= 1;
			assert_false(is_signed(&p, secret));
			p.bytes[i] ^= 1;
		}
	}
	/* Right authenticator, wrong Message-Authenticator. */
	struct dae_packet p = dae_request(RAD_COA_REQUEST, 1, secret, true, put_changes);
	struct wbuf w = wbuf_of(p.bytes, sizeof(p.bytes));
	w.n = p.n;
	p.bytes[RAD_HEADER + 5] ^= 1;
	rad_sign_accounting(&w, 0, span_str(secret));
	assert_false(is_signed(&p, secret));
}

static void every_truncation_is_refused_or_unsigned(void **state)
{
	(void)state;
	struct dae_packet p = dae_request(RAD_COA_REQUEST, 1, secret, true, put_changes);

	for (size_t n = 0; n < p.n; n++) {
		struct dae_packet cut = p;
		cut.n = n;
		assert_false(is_signed(&cut, secret));
	}
}

static void answers_are_signed_and_return_proxy_states(void **state)
{
	(void)state;
	static const struct {
		enum rad_code asked;
		enum rad_error_cause error;
		enum rad_code answered;
	} rows[] = {
		{RAD_DISCONNECT_REQUEST, RAD_ERROR_NONE, RAD_DISCONNECT_ACK},
		{RAD_DISCONNECT_REQUEST, RAD_ERROR_NO_SESSION, RAD_DISCONNECT_NAK},
		{RAD_COA_REQUEST, RAD_ERROR_NONE, RAD_COA_ACK},
		{RAD_COA_REQUEST, RAD_ERROR_NAS_MISMATCH, RAD_COA_NAK},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dae_packet bytes = dae_request(rows[i].asked, 7, secret, true, put_identity);
		struct rad_packet request, reply;
		uint8_t out[512];
		struct wbuf w = wbuf_of(out, sizeof(out));
		struct rad_attr a;
		unsigned proxies = 0;
		uint32_t error = 0;

		assert_true(rad_packet_decode(dae_span(&bytes), &request));
		rad_dae_reply(&w, &request, rows[i].error, span_str(secret));
		assert_true(rad_packet_decode(wbuf_written(&w), &reply));
		assert_int_equal(reply.code, rows[i].answered);
		assert_int_equal(reply.id, 7);
		assert_int_equal(rad_reply_check(&reply, span_str(secret), request.authenticator),
				 RAD_CHECK_GOOD);
		while (rad_attr_next(&reply.attrs, &a)) {
			proxies += a.number == RAD_PROXY_STATE;
			if (a.number == RAD_ERROR_CAUSE)
				error = span_u32(&a.value);
		}
		assert_int_equal(proxies, 1);
		assert_int_equal(error, rows[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_that_names_a_session_is_read),
		cmocka_unit_test(a_coa_tells_what_changes),
		cmocka_unit_test(a_coa_tells_the_policy),
		cmocka_unit_test(what_cannot_be_done_has_its_error_cause),
		cmocka_unit_test(a_state_is_returned),
		cmocka_unit_test(other_codes_are_none),
		cmocka_unit_test(signatures_are_checked),
		cmocka_unit_test(every_truncation_is_refused_or_unsigned),
		cmocka_unit_test(answers_are_signed_and_return_proxy_states),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
