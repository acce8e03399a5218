/* Whole control messages: what is taken from them and which fault they have. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "l2tp/l2tp_call.h"
#include "l2tp/l2tp_cause.h"
#include "l2tp/l2tp_hdr.h"
#include "l2tp/l2tp_msg.h"
#include "l2tp/l2tp_tunnel.h"
#include "l2tp_vectors.h"
#include "test_bytes.h"

static uint8_t bytes[512];
static struct l2tp_msg m;

static bool decode_n(size_t n, const char *secret)
{
	struct l2tp_hdr h;
	enum drop why;

	return l2tp_hdr_decode_control(span_of(bytes, n), &h, &why) &&
	       l2tp_msg_decode(h.body, span_str(secret), &m);
}

static bool decode(const char *hex, const char *secret)
{
	return decode_n(test_unhex(hex, bytes, sizeof(bytes)), secret);
}

/* A message of <type> with the M bit and more AVPs. */
static bool decode_with(const char *type, const char *avps)
{
	char hex[600];

	snprintf(hex, sizeof(hex), "8008 0000 0000 %s %s", type, avps);
	size_t n = test_unhex(hex, bytes, sizeof(bytes));
	return l2tp_msg_decode(span_of(bytes, n), span_str(""), &m);
}

static void sccrq_of_a_real_client(void **state)
{
	(void)state;
	assert_true(decode(SCCRQ_HEX, ""));
	assert_int_equal(m.type, L2TP_SCCRQ);
	assert_true(m.type_mandatory);
	assert_int_equal(m.fault.error, L2TP_ERR_NONE);
	assert_int_equal(l2tp_msg_missing(&m), L2TP_AVPS);
	assert_int_equal(l2tp_msg_u16(&m, L2TP_AVP_PROTOCOL_VERSION), 0x0100);
	assert_int_equal(l2tp_msg_u32(&m, L2TP_AVP_FRAMING_CAPABILITIES), 3);
	assert_int_equal(l2tp_msg_u16(&m, L2TP_AVP_ASSIGNED_TUNNEL_ID), 0x2b1d);
	assert_int_equal(l2tp_msg_u16(&m, L2TP_AVP_RECEIVE_WINDOW_SIZE), 4);
	assert_true(span_equal(m.avp[L2TP_AVP_HOST_NAME], span_str("lac")));
	assert_int_equal(m.avp[L2TP_AVP_CHALLENGE].n, 16);
	assert_false(l2tp_msg_has(&m, L2TP_AVP_TIE_BREAKER));
}

static void hidden_values_are_uncovered(void **state)
{
	(void)state;
	assert_true(decode(ICRQ_HIDDEN_HEX, "secret"));
	assert_int_equal(m.fault.error, L2TP_ERR_NONE);
	assert_int_equal(l2tp_msg_u16(&m, L2TP_AVP_ASSIGNED_SESSION_ID), 0x1234);
	assert_true(span_equal(m.avp[L2TP_AVP_CALLED_NUMBER], span_str(ICRQ_CALLED)));
}

static void without_the_secret_a_hidden_mandatory_avp_is_a_fault(void **state)
{
	(void)state;
	assert_true(decode(ICRQ_HIDDEN_HEX, ""));
	assert_int_equal(m.fault.error, L2TP_ERR_UNKNOWN_AVP);
	assert_int_equal(m.fault.number, 14);
	assert_false(l2tp_msg_has(&m, L2TP_AVP_ASSIGNED_SESSION_ID));
}

static void a_random_vector_must_come_first(void **state)
{
	(void)state;
	size_t n = test_unhex("8008 0000 0000 000a c00d 0000 000e 394213f9b6189e"
			      "8016 0000 0024 30313233343536373839616263646566",
			      bytes, sizeof(bytes));
	assert_true(l2tp_msg_decode(span_of(bytes, n), span_str("secret"), &m));
	assert_int_equal(m.fault.error, L2TP_ERR_UNKNOWN_AVP);
}

static void proxy_avps_are_kept(void **state)
{
	(void)state;
	assert_true(decode(ICCN_PROXY_HEX, ""));
	assert_int_equal(m.fault.error, L2TP_ERR_NONE);
	assert_int_equal(l2tp_msg_speed(&m, L2TP_AVP_TX_CONNECT_SPEED), 10000000);
	assert_int_equal(l2tp_msg_speed(&m, L2TP_AVP_RX_CONNECT_SPEED), 2400000); /* as text */
	assert_true(l2tp_msg_has(&m, L2TP_AVP_SEQUENCING_REQUIRED));
	assert_int_equal(m.avp[L2TP_AVP_LAST_TX_CONFREQ].n, 10);
	assert_int_equal(l2tp_msg_u16(&m, L2TP_AVP_PROXY_AUTHEN_TYPE), 2);
	assert_int_equal(l2tp_msg_u16(&m, L2TP_AVP_PROXY_AUTHEN_ID), 7);
	assert_true(span_equal(m.avp[L2TP_AVP_PROXY_AUTHEN_NAME], span_str("joe")));
}

static void truncation_anywhere_is_refused(void **state)
{
	static const char *const all[] = {SCCRQ_HEX, ICRQ_HIDDEN_HEX, ICCN_PROXY_HEX,
					  CDN_CAUSE_HEX};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t n = test_unhex(all[i], bytes, sizeof(bytes));
		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *exact = test_exact_copy(bytes, cut);
			struct l2tp_hdr h;
			enum drop why;
			assert_false(l2tp_hdr_decode_control(span_of(exact, cut), &h, &why));
			free(exact);
		}
		/* The header says nothing of it: AVPs alone, cut off. */
		for (size_t cut = L2TP_CONTROL_HEADER; cut < n; cut++) {
			uint8_t *exact = test_exact_copy(bytes + 12, cut - 12);
			struct span in = span_of(exact, cut - 12), walk = in;
			struct l2tp_avp_raw avp;
			bool boundary = cut > 12;
			while (l2tp_avp_next(&walk, &avp))
				;
			boundary = boundary && !walk.bad;
			assert_int_equal(l2tp_msg_decode(in, span_str("secret"), &m), boundary);
			free(exact);
		}
	}
}

static void unknown_avps_matter_only_when_mandatory(void **state)
{
	(void)state;
	assert_true(decode_with("0006", "0008 0000 00ff 0000"));
	assert_int_equal(m.fault.error, L2TP_ERR_NONE);
	assert_true(decode_with("0006", "8008 0000 00ff 0000"));
	assert_int_equal(m.fault.error, L2TP_ERR_UNKNOWN_AVP);
	assert_int_equal(m.fault.number, 0xff);
	assert_true(decode_with("0006", "8008 0009 0007 0000")); /* another vendor's number 7 */
	assert_int_equal(m.fault.error, L2TP_ERR_UNKNOWN_AVP);
	assert_int_equal(m.fault.vendor, 9);
}

static void reserved_bits_make_an_avp_unknown(void **state)
{
	(void)state;
	assert_true(decode_with("0001", "8408 0000 0009 1234"));
	assert_int_equal(m.fault.error, L2TP_ERR_RANGE);
	assert_true(decode_with("0001", "0408 0000 0009 1234"));
	assert_int_equal(m.fault.error, L2TP_ERR_NONE);
	assert_false(l2tp_msg_has(&m, L2TP_AVP_ASSIGNED_TUNNEL_ID));
}

static void a_wrong_value_length_is_a_fault(void **state)
{
	(void)state;
	assert_true(decode_with("0001", "8007 0000 0009 12"));
	assert_int_equal(m.fault.error, L2TP_ERR_LENGTH);
	assert_true(decode_with("0001", "800a 0000 0009 12345678"));
	assert_int_equal(m.fault.error, L2TP_ERR_LENGTH);
	assert_true(decode_with("0001", "8006 0000 0007")); /* empty host name */
	assert_int_equal(m.fault.error, L2TP_ERR_LENGTH);
}

static void the_first_of_two_equal_avps_counts(void **state)
{
	(void)state;
	assert_true(decode_with("0001", "8008 0000 0009 0001 8008 0000 0009 0002"));
	assert_int_equal(l2tp_msg_u16(&m, L2TP_AVP_ASSIGNED_TUNNEL_ID), 1);
}

static void message_type_must_come_first(void **state)
{
	(void)state;
	size_t n = test_unhex("8008 0000 0009 1234 8008 0000 0000 0001", bytes, sizeof(bytes));
	assert_false(l2tp_msg_decode(span_of(bytes, n), span_str(""), &m));
	n = test_unhex("c008 0000 0000 0001", bytes, sizeof(bytes));
	assert_false(l2tp_msg_decode(span_of(bytes, n), span_str("secret"), &m));
	n = test_unhex("800a 0000 0000 00000001", bytes, sizeof(bytes));
	assert_false(l2tp_msg_decode(span_of(bytes, n), span_str(""), &m));
	assert_false(l2tp_msg_decode(span_of(NULL, 0), span_str(""), &m));
}

static void hidden_bytes_beyond_our_room_are_a_fault(void **state)
{
	(void)state;
	static uint8_t big[8 + 22 + 3 * 1023];
	struct wbuf w = wbuf_of(big, sizeof(big));

	l2tp_avp_put_u16(&w, L2TP_AVP_MESSAGE_TYPE, L2TP_ICRQ);
	l2tp_avp_put(&w, L2TP_AVP_RANDOM_VECTOR, span_str("0123456789abcdef"));
	for (int i = 0; i < 3; i++) {
		wbuf_u16(&w, L2TP_AVP_M | L2TP_AVP_H | 1023);
		wbuf_u32(&w, 21);
		memset(wbuf_room(&w, 1017), 0, 1017);
	}
	assert_true(l2tp_msg_decode(wbuf_written(&w), span_str("secret"), &m));
	assert_int_not_equal(m.fault.error, L2TP_ERR_NONE);
}

static void missing_avps_are_named(void **state)
{
	(void)state;
	assert_true(decode_with("0001", "8008 0000 0009 1234"));
	assert_int_not_equal(l2tp_msg_missing(&m), L2TP_AVPS);
	assert_true(decode_with("0006", ""));
	assert_int_equal(l2tp_msg_missing(&m), L2TP_AVPS);
	assert_true(decode_with("000a", "800a 0000 000f 00000001"));
	assert_int_equal(l2tp_msg_missing(&m), L2TP_AVP_ASSIGNED_SESSION_ID);
	assert_true(decode_with("ffff", ""));
	assert_int_equal(l2tp_msg_missing(&m), L2TP_AVPS);
}

static void speeds_that_are_no_number_are_unknown(void **state)
{
	(void)state;
	assert_true(decode_with("000c", "800b 0000 0018 3132 7a34 35"));
	assert_int_equal(l2tp_msg_speed(&m, L2TP_AVP_TX_CONNECT_SPEED), 0);
	assert_true(decode_with("000c", "801a 0000 0018 39393939 39393939 39393939 39393939"
					"39393939"));
	assert_int_equal(l2tp_msg_speed(&m, L2TP_AVP_TX_CONNECT_SPEED), 0);
	assert_int_equal(l2tp_msg_speed(&m, L2TP_AVP_RX_CONNECT_SPEED), 0);
}

static void causes_follow_the_disconnect_cause_then_the_result(void **state)
{
	(void)state;
	struct end_reason r;

	assert_true(decode(CDN_CAUSE_HEX, ""));
	l2tp_cause_of(&m, &r);
	assert_int_equal(r.cause, TERM_USER_REQUEST);
	assert_int_equal(r.cdn_result, 0);
	assert_string_equal(r.text, "bye");
	assert_true(decode_with("000e", "8008 0000 0001 0001"));
	l2tp_cause_of(&m, &r);
	assert_int_equal(r.cause, TERM_LOST_CARRIER);
	assert_true(decode_with("000e", "8008 0000 0001 0003"));
	l2tp_cause_of(&m, &r);
	assert_int_equal(r.cause, TERM_ADMIN_RESET);
	assert_true(decode_with("000e", "8008 0000 0001 ffff"));
	l2tp_cause_of(&m, &r);
	assert_true(r.text[0] != '\0');
	assert_true(decode_with("0004", "8008 0000 0001 0006"));
	l2tp_cause_of(&m, &r);
	assert_int_equal(r.cause, TERM_LOST_SERVICE);
	assert_true(decode_with("000e", "8008 0000 0001 0001 000b 0000 002e 0010c02300"));
	l2tp_cause_of(&m, &r);
	assert_int_equal(r.cause, TERM_SERVICE_UNAVAILABLE);
}

/* A CDN of this result with PPP Disconnect Cause Code (RFC 3145), or without (code 0xFFFF). */
static enum term_cause cdn_cause(unsigned result, unsigned code, unsigned direction)
{
	char avps[96];
	struct end_reason r;
	int n = snprintf(avps, sizeof(avps), "8008 0000 0001 %04x", result);

	if (code != 0xFFFF)
		snprintf(avps + n, sizeof(avps) - (size_t)n, " 000b 0000 002e %04x c021 %02x", code,
			 direction);
	assert_true(decode_with("000e", avps));
	l2tp_cause_of(&m, &r);
	return r.cause;
}

static void every_disconnect_cause_has_its_terminate_cause(void **state)
{
	/* By code; directions 0 (global), 1 (at the peer), 2 (at the local end). NONE: the Result
	 * Code decides. */
	static const uint8_t causes[24][3] = {
		[0] = {TERM_NAS_REQUEST, TERM_NAS_REQUEST, TERM_NAS_REQUEST},
		[1] = {TERM_ADMIN_RESET, TERM_ADMIN_RESET, TERM_ADMIN_RESET},
		[3] = {TERM_NONE, TERM_NONE, TERM_USER_REQUEST},
		[4] = {TERM_NONE, TERM_USER_ERROR, TERM_NONE},
		[5] = {TERM_PORT_ERROR, TERM_PORT_ERROR, TERM_PORT_ERROR},
		[6] = {TERM_PORT_ERROR, TERM_PORT_ERROR, TERM_PORT_ERROR},
		[7] = {TERM_PORT_ERROR, TERM_PORT_ERROR, TERM_PORT_ERROR},
		[8] = {TERM_PORT_ERROR, TERM_PORT_ERROR, TERM_PORT_ERROR},
		[13] = {15, 15, 15},
		[15] = {15, 15, 15},
		[16] = {15, 15, 15},
		[17] = {15, 15, 15},
		[18] = {15, 15, 15},
		[19] = {15, 15, 15},
		[20] = {15, 15, 15},
	};

	(void)state;
	for (unsigned code = 0; code < 24; code++) {
		for (unsigned direction = 0; direction < 3; direction++) {
			unsigned want = causes[code][direction];
			assert_int_equal(cdn_cause(1, code, direction),
					 want ? want : TERM_LOST_CARRIER);
			assert_int_equal(cdn_cause(3, code, direction),
					 want ? want : TERM_ADMIN_RESET);
		}
	}
	for (unsigned result = 1; result < 14; result++)
		assert_int_equal(cdn_cause(result, 0xFFFF, 0),
				 result == 1 ? TERM_LOST_CARRIER : TERM_ADMIN_RESET);
}

static void control_bytes_do_not_reach_the_log(void **state)
{
	(void)state;
	struct end_reason r;

	assert_true(decode_with("000e", "800d 0000 0001 0002 0006 410a 1b"));
	l2tp_cause_of(&m, &r);
	assert_string_equal(r.text, "A..");
}

/* RFC 2661 7.2.1 and 7.4.2: the cells that keep a tunnel alive or end it. */
static void machines_follow_the_rfc(void **state)
{
	(void)state;
	for (unsigned e = 0; e < L2TP_TUNNEL_EVENTS; e++)
		assert_int_equal(l2tp_tunnel_step(L2TP_TUNNEL_CLOSED, e), L2TP_TUNNEL_NOTHING);
	for (unsigned s = L2TP_TUNNEL_WAIT_CTL_CONN; s < L2TP_TUNNEL_STATES; s++) {
		assert_int_equal(l2tp_tunnel_step(s, L2TP_TUNNEL_RX_HELLO), L2TP_TUNNEL_NOTHING);
		assert_int_equal(l2tp_tunnel_step(s, L2TP_TUNNEL_RX_IGNORE), L2TP_TUNNEL_NOTHING);
	}
	assert_int_equal(l2tp_tunnel_step(L2TP_TUNNEL_ESTABLISHED, L2TP_TUNNEL_RX_SCCCN),
			 L2TP_TUNNEL_STOP_FSM);
	assert_int_equal(l2tp_call_step(L2TP_CALL_WAIT_CONNECT, L2TP_CALL_RX_ICCN),
			 L2TP_CALL_CONNECT);
	assert_int_equal(l2tp_call_step(L2TP_CALL_IDLE, L2TP_CALL_RX_ICCN), L2TP_CALL_NOTHING);
	for (unsigned e = 0; e < L2TP_CALL_EVENTS; e++)
		assert_int_equal(l2tp_call_step(L2TP_CALL_RESTING, e), L2TP_CALL_NOTHING);
}

static void events_follow_the_mandatory_bit(void **state)
{
	(void)state;
	assert_true(decode_with("0063", ""));
	assert_int_equal(l2tp_tunnel_event_of(&m), L2TP_TUNNEL_RX_UNKNOWN);
	m.type_mandatory = false;
	assert_int_equal(l2tp_tunnel_event_of(&m), L2TP_TUNNEL_RX_IGNORE);
	assert_true(decode_with("0006", "8008 0000 00ff 0000"));
	assert_int_equal(l2tp_tunnel_event_of(&m), L2TP_TUNNEL_RX_BAD);
	assert_true(decode_with("0004", "8008 0000 00ff 0000"));
	assert_int_equal(l2tp_tunnel_event_of(&m), L2TP_TUNNEL_RX_STOPCCN);
	assert_true(decode_with("000f", "8008 0000 00ff 0000"));
	assert_int_equal(l2tp_tunnel_event_of(&m), L2TP_TUNNEL_RX_CALL);
	assert_int_equal(l2tp_call_event_of(&m), L2TP_CALL_RX_BAD);
}

static void every_message_has_a_name(void **state)
{
	static const uint16_t known[] = {1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_true(l2tp_msg_is_known(known[i]));
		assert_string_not_equal(l2tp_msg_name(known[i]), "unknown");
		assert_int_equal(l2tp_msg_is_session(known[i]), known[i] > 6);
	}
	assert_false(l2tp_msg_is_known(5));
	assert_false(l2tp_msg_is_known(13));
	assert_string_equal(l2tp_msg_name(99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sccrq_of_a_real_client),
		cmocka_unit_test(hidden_values_are_uncovered),
		cmocka_unit_test(without_the_secret_a_hidden_mandatory_avp_is_a_fault),
		cmocka_unit_test(a_random_vector_must_come_first),
		cmocka_unit_test(proxy_avps_are_kept),
		cmocka_unit_test(truncation_anywhere_is_refused),
		cmocka_unit_test(unknown_avps_matter_only_when_mandatory),
		cmocka_unit_test(reserved_bits_make_an_avp_unknown),
		cmocka_unit_test(a_wrong_value_length_is_a_fault),
		cmocka_unit_test(the_first_of_two_equal_avps_counts),
		cmocka_unit_test(message_type_must_come_first),
		cmocka_unit_test(hidden_bytes_beyond_our_room_are_a_fault),
		cmocka_unit_test(missing_avps_are_named),
		cmocka_unit_test(speeds_that_are_no_number_are_unknown),
		cmocka_unit_test(causes_follow_the_disconnect_cause_then_the_result),
		cmocka_unit_test(every_disconnect_cause_has_its_terminate_cause),
		cmocka_unit_test(control_bytes_do_not_reach_the_log),
		cmocka_unit_test(machines_follow_the_rfc),
		cmocka_unit_test(events_follow_the_mandatory_bit),
		cmocka_unit_test(every_message_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
