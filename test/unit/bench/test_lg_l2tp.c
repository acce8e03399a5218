/* The load generator's L2TP codec and control channel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lg_chan.h"

/* SCCRP of Debian's l2tpns 2.4.1, captured: tunnel 1, Ns 0, Nr 1, assigned tunnel id 2. */
static const uint8_t sccrp[] = {
	0xC8, 0x02, 0x00, 0x37, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x80, 0x08,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x80, 0x08, 0x00, 0x00, 0x00, 0x02, 0x01, 0x00,
	0x80, 0x0A, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x03, 0x80, 0x09, 0x00, 0x00,
	0x00, 0x07, 'l',  'n',	's',  0x80, 0x08, 0x00, 0x00, 0x00, 0x09, 0x00, 0x02,
};

static void a_captured_sccrp_is_read(void **state)
{
	(void)state;
	struct lg_hdr h;
	struct lg_control c;
	assert_true(lg_hdr_decode(span_of(sccrp, sizeof(sccrp)), &h));
	assert_true(h.control);
	assert_int_equal(h.tid, 1);
	assert_int_equal(h.nr, 1);
	assert_true(lg_control_decode(h.body, &c));
	assert_int_equal(c.type, LG_SCCRP);
	assert_int_equal(c.assigned_tid, 2);
	assert_null(c.challenge.p);
	assert_int_equal(c.window, 0);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	struct lg_hdr h;
	for (size_t n = 0; n < sizeof(sccrp); n++)
		assert_false(lg_hdr_decode(span_of(sccrp, n), &h));
}

static void an_avp_shorter_than_its_header_is_refused(void **state)
{
	(void)state;
	struct lg_control c;
	for (uint8_t len = 0; len < 6; len++) {
		uint8_t avp[] = {0x80, len, 0, 0, 0, 0, 0, 2};
		assert_false(lg_control_decode(span_of(avp, sizeof(avp)), &c));
	}
	uint8_t beyond[] = {0x80, 9, 0, 0, 0, 0, 0, 2};
	assert_false(lg_control_decode(span_of(beyond, sizeof(beyond)), &c));
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	uint8_t room[LG_CONTROL_MAX], challenge[16] = {1, 2, 3};
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct lg_hdr h;
	struct lg_control c;
	lg_control_begin(&w, 7, 9, LG_SCCRQ);
	lg_avp_u16(&w, LG_AVP_ASSIGNED_TUNNEL_ID, 77);
	lg_avp_u16(&w, LG_AVP_RECEIVE_WINDOW, 128);
	lg_avp_bytes(&w, LG_AVP_CHALLENGE, span_of(challenge, sizeof(challenge)));
	lg_avp_u32(&w, LG_AVP_TX_CONNECT_SPEED, 1);
	lg_control_end(&w);
	lg_control_stamp(room, w.n, 0xFFFF, 3);
	assert_true(lg_hdr_decode(wbuf_written(&w), &h));
	assert_int_equal(h.tid, 7);
	assert_int_equal(h.sid, 9);
	assert_int_equal(h.ns, 0xFFFF);
	assert_int_equal(h.nr, 3);
	assert_true(lg_control_decode(h.body, &c));
	assert_int_equal(c.assigned_tid, 77);
	assert_int_equal(c.window, 128);
	assert_true(span_equal(c.challenge, span_of(challenge, sizeof(challenge))));
}

static void data_headers_with_and_without_length_are_read(void **state)
{
	(void)state;
	const uint8_t frame[] = {0xFF, 0x03, 0xC0, 0x21, 1};
	for (int with = 0; with < 2; with++) {
		uint8_t room[32];
		struct wbuf w = wbuf_of(room, sizeof(room));
		struct lg_hdr h;
		lg_data_begin(&w, with, 5, 6, sizeof(frame));
		wbuf_bytes(&w, frame, sizeof(frame));
		assert_true(lg_hdr_decode(wbuf_written(&w), &h));
		assert_false(h.control);
		assert_int_equal(h.tid, 5);
		assert_int_equal(h.sid, 6);
		assert_true(span_equal(h.body, span_of(frame, sizeof(frame))));
	}
}

/* MD5("\x03" "secret" "abc"), computed with md5sum. */
static void the_challenge_response_is_md5_over_id_secret_challenge(void **state)
{
	(void)state;
	static const uint8_t want[MD5_LEN] = {
		0xdc, 0x06, 0xc7, 0xe4, 0x57, 0x7e, 0xe2, 0xfc,
		0xd7, 0xf0, 0x70, 0x6e, 0xc2, 0x8c, 0x42, 0x50,
	};
	uint8_t out[MD5_LEN];
	lg_challenge_response(out, 3, span_str("secret"), span_str("abc"));
	assert_memory_equal(out, want, MD5_LEN);
}

/* ---- the channel ----------------------------------------------------------------------------- */

static void queue(struct lg_chan *c, uint16_t tid)
{
	uint8_t room[LG_CONTROL_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	lg_control_begin(&w, tid, 0, LG_HELLO);
	lg_control_end(&w);
	assert_true(lg_chan_queue(c, wbuf_written(&w)));
}

static unsigned sendable(struct lg_chan *c)
{
	unsigned n = 0;
	while (lg_chan_next(c))
		n++;
	return n;
}

static void ack(struct lg_chan *c, uint16_t nr)
{
	bool progress;
	struct lg_hdr h = {.control = true, .nr = nr};
	assert_int_equal(lg_chan_rx(c, &h, &progress), LG_CHAN_ACK);
}

static void the_window_opens_by_slow_start_up_to_the_peers(void **state)
{
	(void)state;
	struct lg_chan c;
	lg_chan_init(&c);
	lg_chan_peer_window(&c, 4);
	for (uint16_t i = 0; i < 40; i++)
		queue(&c, i);
	assert_int_equal(sendable(&c), 1);
	ack(&c, 1);
	assert_int_equal(sendable(&c), 2);
	ack(&c, 3);
	assert_int_equal(sendable(&c), 4);
	ack(&c, 7);
	assert_int_equal(sendable(&c), 4);
	lg_chan_fini(&c);
}

static void a_timeout_sends_the_oldest_again_and_late_acks_count(void **state)
{
	(void)state;
	struct lg_chan c;
	lg_chan_init(&c);
	for (uint16_t i = 0; i < 3; i++)
		queue(&c, i);
	const struct lg_chan_msg *m = lg_chan_next(&c);
	assert_int_equal(m->bytes[5], 0);
	lg_chan_timeout(&c);
	assert_int_equal(c.tries, 1);
	m = lg_chan_next(&c);
	assert_int_equal(m->bytes[5], 0);
	assert_int_equal(m->bytes[9], 0); /* the same Ns */
	ack(&c, 1);
	assert_int_equal(c.tries, 0);
	m = lg_chan_next(&c);
	assert_int_equal(m->bytes[5], 1);
	lg_chan_timeout(&c);
	ack(&c, 2); /* acknowledged before the repetition went out */
	assert_int_equal(lg_chan_next(&c)->bytes[5], 2);
	lg_chan_fini(&c);
}

static void numbers_wrap(void **state)
{
	(void)state;
	struct lg_chan c;
	lg_chan_init(&c);
	for (uint32_t i = 0; i < 70000; i++) {
		queue(&c, 1);
		assert_non_null(lg_chan_next(&c));
		ack(&c, (uint16_t)(i + 1));
		assert_int_equal(lg_chan_pending(&c), 0);
	}
	lg_chan_fini(&c);
}

static void an_acknowledgement_of_what_was_never_sent_is_ignored(void **state)
{
	(void)state;
	struct lg_chan c;
	lg_chan_init(&c);
	queue(&c, 1);
	assert_non_null(lg_chan_next(&c));
	ack(&c, 2);
	assert_int_equal(lg_chan_pending(&c), 1);
	lg_chan_fini(&c);
}

static void only_the_next_message_is_delivered(void **state)
{
	(void)state;
	struct lg_chan c;
	bool progress;
	const uint8_t body[8] = {0};
	struct lg_hdr h = {.control = true, .body = span_of(body, sizeof(body))};
	lg_chan_init(&c);
	h.ns = 1;
	assert_int_equal(lg_chan_rx(&c, &h, &progress), LG_CHAN_OLD);
	h.ns = 0;
	assert_int_equal(lg_chan_rx(&c, &h, &progress), LG_CHAN_DELIVER);
	assert_int_equal(lg_chan_rx(&c, &h, &progress), LG_CHAN_OLD);
	assert_true(c.must_ack);
	assert_int_equal(c.nr, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_captured_sccrp_is_read),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(an_avp_shorter_than_its_header_is_refused),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(data_headers_with_and_without_length_are_read),
		cmocka_unit_test(the_challenge_response_is_md5_over_id_secret_challenge),
		cmocka_unit_test(the_window_opens_by_slow_start_up_to_the_peers),
		cmocka_unit_test(a_timeout_sends_the_oldest_again_and_late_acks_count),
		cmocka_unit_test(numbers_wrap),
		cmocka_unit_test(an_acknowledgement_of_what_was_never_sent_is_ignored),
		cmocka_unit_test(only_the_next_message_is_delivered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
