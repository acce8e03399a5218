/* A whole tunnel shard against a peer that writes its messages by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "l2tp/l2tp_auth.h"
#include "l2tp/l2tp_hide.h"
#include "tunnel_rig.h"

static struct rig *rig;
static struct rig_got got;
static struct rig_msg out;
static uint16_t peer_ns, peer_nr; /* of the peer */
static uint16_t tid;		  /* of the tunnel of tunnel_up */

enum { PEER_TID = 0x2b1d };

static int setup(void **state)
{
	(void)state;
	rig = rig_new();
	peer_ns = peer_nr = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(tunnel_shard_check(rig->shard));
	assert_int_equal(rig_free(rig), 0);
	return 0;
}

static uint64_t drops(enum drop why)
{
	return counter_drops(&rig->counters, why);
}
static uint64_t count(enum counter which)
{
	return counter_get(&rig->counters, which);
}

/* Sends <out>, lets the shard's turn come, and acknowledges what came back. */
static void talk(void)
{
	rig_forget(rig);
	rig_rx(rig, &out, peer_ns++, peer_nr);
	rig_turn(rig);
	for (unsigned i = 0; rig_got(rig, i, &got); i++) {
		if (got.m.type)
			peer_nr = (uint16_t)(got.h.ns + 1);
	}
}

/* The last message that talk() brought is of this type. */
static void assert_reply(enum l2tp_msg_type type)
{
	for (unsigned i = 0; rig_got(rig, i, &got); i++) {
		if (got.m.type == type)
			return;
	}
	fail_msg("no %s among %u datagrams", l2tp_msg_name((uint16_t)type), rig->n_sent);
}

static void assert_result(uint16_t result, uint16_t error)
{
	assert_int_equal(l2tp_msg_result(&got.m).result, result);
	assert_int_equal(l2tp_msg_result(&got.m).error, error);
}

static void assert_only_zlb(void)
{
	assert_int_equal(rig->n_sent, 1);
	assert_true(rig_got(rig, 0, &got));
	assert_int_equal(got.m.type, 0);
	assert_int_equal(got.h.nr, peer_ns);
}

static void ack(void)
{
	rig_rx_zlb(rig, tid, peer_ns, peer_nr);
}

static void sccrq(void)
{
	rig_sccrq(&out, PEER_TID);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_RECEIVE_WINDOW_SIZE, 16);
	talk();
	assert_reply(L2TP_SCCRP);
	tid = l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_TUNNEL_ID);
}

static void tunnel_up(void)
{
	sccrq();
	rig_begin(&out, tid, 0, L2TP_SCCCN);
	talk();
	assert_only_zlb();
}

static void icrq(uint16_t peer_sid)
{
	rig_begin(&out, tid, 0, L2TP_ICRQ);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_SESSION_ID, peer_sid);
	l2tp_avp_put_u32(&out.w, L2TP_AVP_CALL_SERIAL_NUMBER, 77);
	l2tp_avp_put(&out.w, L2TP_AVP_CALLED_NUMBER, span_str("100"));
	l2tp_avp_put(&out.w, L2TP_AVP_CALLING_NUMBER, span_str("joe-line"));
	talk();
}

static uint16_t call_begin(uint16_t peer_sid)
{
	icrq(peer_sid);
	assert_reply(L2TP_ICRP);
	assert_int_equal(got.h.sid, peer_sid);
	return l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_SESSION_ID);
}

static void iccn(uint16_t sid)
{
	rig_begin(&out, tid, sid, L2TP_ICCN);
	l2tp_avp_put(&out.w, L2TP_AVP_TX_CONNECT_SPEED, span_of("\x00\x98\x96\x80", 4));
	l2tp_avp_put_u32(&out.w, L2TP_AVP_FRAMING_TYPE, 1);
	l2tp_avp_put(&out.w, L2TP_AVP_LAST_TX_CONFREQ, span_str("\x01\x04\x05\xd4"));
	l2tp_avp_put_u16(&out.w, L2TP_AVP_PROXY_AUTHEN_TYPE, 3);
	l2tp_avp_put(&out.w, L2TP_AVP_PROXY_AUTHEN_NAME, span_str("joe"));
	talk();
}

static const struct msg_call_up *call_up(uint16_t peer_sid)
{
	unsigned i = 0, to;
	uint16_t sid = call_begin(peer_sid);

	iccn(sid);
	const struct msg_call_up *m = rig_post(rig, MSG_CALL_UP, &i, &to);
	assert_non_null(m);
	assert_int_equal(to, m->key.sid % RIG_WORKERS);
	assert_int_equal(m->key.sid, sid);
	return m;
}

static uint8_t last_tunnel_state(void)
{
	const struct msg_tunnel_state *m, *last = NULL;
	unsigned i = 0;

	while ((m = rig_post(rig, MSG_TUNNEL_STATE, &i, NULL)) != NULL)
		last = m;
	assert_non_null(last);
	return last->state;
}

/* ---- tunnels ---- */

static void a_tunnel_opens(void **state)
{
	(void)state;
	sccrq();
	assert_int_equal(tid % RIG_WORKERS, RIG_SELF);
	assert_int_equal(got.h.tid, PEER_TID);
	assert_int_equal(got.h.nr, 1);
	assert_int_equal(l2tp_msg_missing(&got.m), L2TP_AVPS);
	assert_int_equal(l2tp_msg_u16(&got.m, L2TP_AVP_RECEIVE_WINDOW_SIZE), 128);
	assert_false(l2tp_msg_has(&got.m, L2TP_AVP_CHALLENGE));
	assert_int_equal(last_tunnel_state(), TUNNEL_OPENING);
	rig_begin(&out, tid, 0, L2TP_SCCCN);
	talk();
	assert_only_zlb();
	assert_int_equal(last_tunnel_state(), TUNNEL_OPEN);
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
	assert_false(tunnel_shard_busy(rig->shard));
}

static void we_answer_a_challenge(void **state)
{
	(void)state;
	uint8_t expected[L2TP_RESPONSE_LEN];

	rig_sccrq(&out, PEER_TID);
	l2tp_avp_put(&out.w, L2TP_AVP_CHALLENGE, span_str("who are you"));
	talk();
	assert_reply(L2TP_SCCRP);
	l2tp_auth_response(expected, 2, span_str("secret"), span_str("who are you"));
	assert_true(span_equal(got.m.avp[L2TP_AVP_CHALLENGE_RESPONSE], span_of(expected, 16)));
}

static void without_a_secret_a_challenge_is_refused(void **state)
{
	(void)state;
	rig->conf.l2tp.secret[0] = '\0';
	rig_sccrq(&out, PEER_TID);
	l2tp_avp_put(&out.w, L2TP_AVP_CHALLENGE, span_str("who are you"));
	talk();
	assert_reply(L2TP_StopCCN);
	assert_result(L2TP_STOP_NOT_AUTHORIZED, 0);
	assert_int_equal(tunnel_shard_count(rig->shard), 0);
}

/* Opens with our challenge and answers it with <secret>, or not at all. */
static void answer_our_challenge(const char *secret)
{
	uint8_t response[L2TP_RESPONSE_LEN];

	rig->conf.l2tp.require_auth = true;
	sccrq();
	assert_true(l2tp_msg_has(&got.m, L2TP_AVP_CHALLENGE));
	if (secret)
		l2tp_auth_response(response, 3, span_str(secret), got.m.avp[L2TP_AVP_CHALLENGE]);
	rig_begin(&out, tid, 0, L2TP_SCCCN);
	if (secret)
		l2tp_avp_put(&out.w, L2TP_AVP_CHALLENGE_RESPONSE, span_of(response, 16));
	talk();
}

static void the_right_answer_opens(void **state)
{
	(void)state;
	answer_our_challenge("secret");
	assert_only_zlb();
	assert_int_equal(last_tunnel_state(), TUNNEL_OPEN);
}

static void the_wrong_answer_is_refused(void **state)
{
	(void)state;
	answer_our_challenge("guess");
	assert_reply(L2TP_StopCCN);
	assert_result(L2TP_STOP_NOT_AUTHORIZED, 0);
	assert_int_equal(last_tunnel_state(), TUNNEL_CLOSING);
}

static void no_answer_is_refused(void **state)
{
	(void)state;
	answer_our_challenge(NULL);
	assert_reply(L2TP_StopCCN);
	assert_result(L2TP_STOP_NOT_AUTHORIZED, 0);
}

static void a_repeated_sccrq_gets_the_same_tunnel(void **state)
{
	(void)state;
	sccrq();
	for (int i = 0; i < 5; i++) {
		rig_forget(rig);
		rig_sccrq(&out, PEER_TID);
		rig_rx(rig, &out, 0, 0);
		rig_turn(rig);
		assert_int_equal(rig->n_sent, 1);
		assert_true(rig_got(rig, 0, &got));
		assert_int_equal(got.m.type, 0); /* a ZLB; the SCCRP has its own timer */
	}
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
	rig_forget(rig);
	rig_pass_ms(rig, 1100);
	assert_reply(L2TP_SCCRP);
}

static void a_peer_that_restarted_gets_a_new_tunnel(void **state)
{
	(void)state;
	tunnel_up();
	uint16_t old = tid;
	call_up(9);
	peer_ns = peer_nr = 0;
	rig_sccrq(&out, PEER_TID);
	l2tp_avp_put(&out.w, L2TP_AVP_VENDOR_NAME, span_str("after the restart"));
	talk();
	assert_reply(L2TP_SCCRP);
	tid = l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_TUNNEL_ID);
	assert_int_not_equal(tid, old);
	assert_int_equal(rig_posts_of(rig, MSG_TUNNEL_GONE), 0); /* not before it proved itself */
	rig_begin(&out, tid, 0, L2TP_SCCCN);
	talk();
	assert_int_equal(rig_posts_of(rig, MSG_TUNNEL_GONE), RIG_WORKERS);
	assert_only_zlb(); /* a StopCCN for the old one would hit the new one */
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
}

static void a_peer_may_restart_with_the_same_bytes(void **state)
{
	(void)state;
	tunnel_up();
	uint16_t old = tid;
	rig_pass_ms(rig, 5000); /* the second or third repetition of its first SCCRQ */
	peer_ns = peer_nr = 0;
	sccrq();
	assert_int_not_equal(tid, old);
	assert_int_equal(tunnel_shard_count(rig->shard), 2);
	for (int i = 0; i < 5; i++) {
		rig_sccrq(&out, PEER_TID);
		rig_rx(rig, &out, 0, 0);
		rig_pass_ms(rig, 1000);
	}
	assert_int_equal(tunnel_shard_count(rig->shard), 2);
	rig_begin(&out, tid, 0, L2TP_SCCCN);
	talk();
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
}

static void a_restart_is_told_from_its_copies_in_any_crowd(void **state)
{
	(void)state;
	enum { CROWD = 40 };

	tunnel_up();
	rig_pass_ms(rig, 5000);
	peer_ns = peer_nr = 0;
	sccrq();
	for (uint16_t i = 1; i <= CROWD; i++) {
		peer_ns = peer_nr = 0;
		rig_sccrq(&out, (uint16_t)(PEER_TID + i));
		talk();
		assert_reply(L2TP_SCCRP);
		tid = l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_TUNNEL_ID);
		rig_begin(&out, tid, 0, L2TP_SCCCN);
		talk();
		rig_sccrq(&out, PEER_TID);
		rig_rx(rig, &out, 0, 0);
		assert_int_equal(tunnel_shard_count(rig->shard), 2 + i);
	}
}

static void a_slow_copy_of_the_sccrq_opens_nothing(void **state)
{
	(void)state;
	tunnel_up();
	rig_pass_ms(rig, 2000);
	rig_sccrq(&out, PEER_TID);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_RECEIVE_WINDOW_SIZE, 16);
	rig_rx(rig, &out, 0, 0);
	rig_turn(rig);
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
}

static void a_peer_may_have_many_tunnels(void **state)
{
	(void)state;
	for (uint16_t i = 1; i <= 20; i++) {
		peer_ns = peer_nr = 0;
		rig_sccrq(&out, i);
		talk();
		assert_reply(L2TP_SCCRP);
		tid = l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_TUNNEL_ID);
		rig_begin(&out, tid, 0, L2TP_SCCCN);
		talk();
	}
	assert_int_equal(tunnel_shard_count(rig->shard), 20);
}

static void a_bad_sccrq_leaves_no_state(void **state)
{
	(void)state;
	size_t held = rig->mem.held;

	rig_begin(&out, 0, 0, L2TP_SCCRQ); /* version 2 */
	l2tp_avp_put_u16(&out.w, L2TP_AVP_PROTOCOL_VERSION, 0x0200);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_TUNNEL_ID, PEER_TID);
	peer_ns = peer_nr = 0;
	talk();
	assert_reply(L2TP_StopCCN);
	assert_result(L2TP_STOP_VERSION, 0x0100);
	assert_int_equal(got.h.tid, PEER_TID);
	assert_int_not_equal(l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_TUNNEL_ID), 0);

	rig_sccrq(&out, PEER_TID); /* an unknown mandatory AVP */
	wbuf_u16(&out.w, 0x8008);
	wbuf_u16(&out.w, 9);
	wbuf_u32(&out.w, 0x00070000);
	peer_ns = peer_nr = 0;
	talk();
	assert_reply(L2TP_StopCCN);
	assert_result(L2TP_STOP_ERROR, L2TP_ERR_UNKNOWN_AVP);

	rig_begin(&out, 0, 0, L2TP_SCCRQ); /* no Host Name */
	l2tp_avp_put_u16(&out.w, L2TP_AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_put_u32(&out.w, L2TP_AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_TUNNEL_ID, PEER_TID);
	peer_ns = peer_nr = 0;
	talk();
	assert_reply(L2TP_StopCCN);

	rig_sccrq(&out, 0); /* no id: nowhere to answer to */
	peer_ns = peer_nr = 0;
	talk();
	assert_int_equal(rig->n_sent, 0);
	assert_int_equal(drops(DROP_CONTROL_AVP), 1);

	rig_sccrq(&out, PEER_TID); /* does not begin at 0 */
	peer_ns = 3;
	peer_nr = 0;
	talk();
	assert_int_equal(rig->n_sent, 0);
	assert_int_equal(drops(DROP_CONTROL_WINDOW), 1);

	assert_int_equal(rig->mem.held, held);
	assert_int_equal(tunnel_shard_count(rig->shard), 0);
}

static void an_sccrq_flood_meets_its_limits(void **state)
{
	(void)state;
	for (uint16_t i = 1; i <= 200; i++) {
		peer_ns = peer_nr = 0;
		rig_sccrq(&out, i);
		talk();
	}
	assert_int_equal(tunnel_shard_count(rig->shard), 10); /* of one source */
	assert_int_equal(drops(DROP_CONTROL_FLOOD), 190);
	assert_int_equal(count(C_TUNNEL_OVERFLOW), 190);
	for (uint32_t i = 1; i <= 200; i++) {
		rig->peer.peer.ip = ip_addr_v4(0x0A000000 + i);
		peer_ns = peer_nr = 0;
		rig_sccrq(&out, 7);
		talk();
	}
	assert_int_equal(tunnel_shard_count(rig->shard), 50); /* of all */
	rig_pass_ms(rig, 32000);
	assert_int_equal(tunnel_shard_count(rig->shard), 0);
	assert_int_equal(count(C_TUNNEL_TIMEOUTS), 50);
}

/* Forged addresses hold places only until somebody needs them: a real peer answers soon. */
static void a_flood_of_strangers_keeps_nobody_out(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 500; i++) {
		rig->peer.peer.ip = ip_addr_v4(0x0A000000 + i);
		peer_ns = peer_nr = 0;
		rig_sccrq(&out, 7);
		talk();
	}
	assert_int_equal(tunnel_shard_count(rig->shard), 50);
	assert_int_equal(count(C_TUNNEL_OVERFLOW), 450);
	rig->peer.peer.ip = ip_addr_v4(0xC0000202);
	peer_ns = peer_nr = 0;
	tunnel_up();
	call_up(9);
}

static void too_many_tunnels_are_refused(void **state)
{
	(void)state;
	rig->conf.l2tp.max_tunnels = 1;
	tunnel_up();
	peer_ns = peer_nr = 0;
	rig_sccrq(&out, 99);
	talk();
	assert_reply(L2TP_StopCCN);
	assert_result(L2TP_STOP_ERROR, L2TP_ERR_RESOURCES);
	assert_int_equal(count(C_TUNNEL_OVERFLOW), 1);
}

static void an_opening_tunnel_that_only_acks_ends(void **state)
{
	(void)state;
	sccrq();
	ack();
	rig_forget(rig);
	rig_pass_ms(rig, 61000);
	assert_reply(L2TP_StopCCN);
	assert_int_equal(last_tunnel_state(), TUNNEL_CLOSING);
	rig_pass_ms(rig, 70000);
	assert_int_equal(tunnel_shard_count(rig->shard), 0);
}

static void a_silent_tunnel_gets_hello_then_dies(void **state)
{
	(void)state;
	tunnel_up();
	call_up(9);
	ack();
	rig_forget(rig);
	rig_pass_ms(rig, 59000);
	assert_int_equal(rig->n_sent, 0);
	rig_pass_ms(rig, 2000);
	assert_reply(L2TP_HELLO);
	peer_nr = (uint16_t)(got.h.ns + 1);
	ack();
	rig_forget(rig);
	rig_pass_ms(rig, 59000);
	assert_int_equal(rig->n_sent, 0);
	rig_pass_ms(rig, 33000);
	assert_int_equal(rig->n_sent, 6);
	assert_int_equal(rig_posts_of(rig, MSG_TUNNEL_GONE), RIG_WORKERS);
	assert_int_equal(last_tunnel_state(), TUNNEL_FREE);
	assert_int_equal(tunnel_shard_count(rig->shard), 0);
	assert_int_equal(count(C_TUNNEL_TIMEOUTS), 1);
}

static void hello_is_acknowledged(void **state)
{
	(void)state;
	tunnel_up();
	rig_begin(&out, tid, 0, L2TP_HELLO);
	talk();
	assert_only_zlb();
}

static void a_batch_has_one_acknowledgement(void **state)
{
	(void)state;
	tunnel_up();
	rig_forget(rig);
	for (int i = 0; i < 10; i++) {
		rig_begin(&out, tid, 0, L2TP_HELLO);
		rig_rx(rig, &out, peer_ns++, peer_nr);
	}
	assert_int_equal(rig->n_sent, 0);
	rig_turn(rig);
	assert_only_zlb();
}

static void the_peer_closes_a_tunnel(void **state)
{
	(void)state;
	tunnel_up();
	call_up(9);
	rig_begin(&out, tid, 0, L2TP_StopCCN);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_TUNNEL_ID, PEER_TID);
	l2tp_avp_put_result(&out.w, 6, 0, span_str("going home"));
	talk();
	assert_only_zlb();
	assert_int_equal(rig_posts_of(rig, MSG_TUNNEL_GONE), RIG_WORKERS);
	unsigned i = 0;
	const struct msg_tunnel_gone *gone = rig_post(rig, MSG_TUNNEL_GONE, &i, NULL);
	assert_int_equal(gone->tid, tid);
	assert_int_equal(gone->reason.cause, TERM_LOST_SERVICE);
	assert_string_equal(gone->reason.text, "going home");
	assert_int_equal(last_tunnel_state(), TUNNEL_FREE);
	assert_int_equal(tunnel_shard_count(rig->shard), 0); /* a shutdown need not wait for it */
	assert_false(tunnel_shard_busy(rig->shard));
	/* Its ZLB was lost: the StopCCN is acknowledged for a whole retransmission cycle. */
	for (int n = 0; n < 3; n++) {
		rig_pass_ms(rig, 10000);
		rig_forget(rig);
		peer_ns--;
		talk();
		assert_only_zlb();
	}
	rig_pass_ms(rig, 2000);
	rig_forget(rig);
	peer_ns--;
	talk();
	assert_int_equal(rig->n_sent, 0);
	assert_int_equal(drops(DROP_CONTROL_TUNNEL), 1);
}

/* The peer gave up before it knew our tunnel id. */
static void a_stopccn_without_our_id_finds_its_tunnel(void **state)
{
	(void)state;
	sccrq();
	rig_begin(&out, 0, 0, L2TP_StopCCN);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_TUNNEL_ID, PEER_TID);
	l2tp_avp_put_result(&out.w, 1, 0, span_str(""));
	peer_nr = 0;
	talk();
	assert_only_zlb();
	assert_int_equal(tunnel_shard_count(rig->shard), 0);
	peer_ns--;
	talk();
	assert_only_zlb();
}

static void a_dropped_tunnel_is_told(void **state)
{
	(void)state;
	tunnel_up();
	call_up(9);
	struct msg_drop_tunnel m = MSG_INIT(MSG_DROP_TUNNEL, struct msg_drop_tunnel);
	m.tid = tid;
	m.result = 1;
	strcpy(m.text, "by hand");
	rig_forget(rig);
	tunnel_shard_msg(rig->shard, &m.msg, rig->now);
	assert_reply(L2TP_StopCCN);
	assert_result(1, 0);
	assert_int_equal(l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_TUNNEL_ID), tid);
	assert_int_equal(rig_posts_of(rig, MSG_TUNNEL_GONE), RIG_WORKERS);
	assert_true(tunnel_shard_busy(rig->shard));
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
	peer_nr = (uint16_t)(got.h.ns + 1);
	ack();
	assert_int_equal(last_tunnel_state(), TUNNEL_FREE);
	assert_int_equal(tunnel_shard_count(rig->shard), 0);
	assert_false(tunnel_shard_busy(rig->shard));
}

static void shutdown_stops_all_and_refuses_new(void **state)
{
	(void)state;
	struct msg_shutdown m = MSG_INIT(MSG_SHUTDOWN, struct msg_shutdown);

	tunnel_up();
	rig_forget(rig);
	tunnel_shard_msg(rig->shard, &m.msg, rig->now);
	assert_reply(L2TP_StopCCN);
	assert_result(L2TP_STOP_SHUTDOWN, 0);
	peer_ns = peer_nr = 0;
	rig_sccrq(&out, 5);
	talk();
	assert_reply(L2TP_StopCCN);
	assert_result(L2TP_STOP_SHUTDOWN, 0);
	rig_pass_ms(rig, 7100); /* a dead peer delays it by 1 + 2 + 4 seconds */
	assert_int_equal(tunnel_shard_count(rig->shard), 0);
}

static void wrong_order_of_opening_stops_the_tunnel(void **state)
{
	static const enum l2tp_msg_type wrong[] = {L2TP_SCCRP, L2TP_SCCCN};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		peer_ns = peer_nr = 0;
		tunnel_up();
		rig_begin(&out, tid, 0, wrong[i]);
		talk();
		assert_reply(L2TP_StopCCN);
		assert_result(L2TP_STOP_FSM, 0);
		ack();
	}
}

static void unknown_messages_obey_their_mandatory_bit(void **state)
{
	(void)state;
	tunnel_up();
	rig_begin(&out, tid, 0, (enum l2tp_msg_type)99);
	out.bytes[12] &= 0x7F;
	talk();
	assert_only_zlb();
	rig_begin(&out, tid, 0, (enum l2tp_msg_type)99);
	talk();
	assert_reply(L2TP_StopCCN);
	assert_result(L2TP_STOP_ERROR, L2TP_ERR_UNKNOWN_AVP);
}

static void an_unknown_avp_in_a_hello_stops_only_when_mandatory(void **state)
{
	(void)state;
	tunnel_up();
	for (unsigned mandatory = 0; mandatory < 2; mandatory++) {
		rig_begin(&out, tid, 0, L2TP_HELLO);
		wbuf_u16(&out.w, mandatory ? 0x8006 : 0x0006);
		wbuf_u32(&out.w, 0x0000FFFF);
		talk();
		if (mandatory)
			assert_reply(L2TP_StopCCN);
		else
			assert_only_zlb();
	}
	assert_result(L2TP_STOP_ERROR, L2TP_ERR_UNKNOWN_AVP);
}

static void strangers_cannot_touch_a_tunnel(void **state)
{
	(void)state;
	tunnel_up();
	struct l2tp_path home = rig->peer;
	rig->peer.peer.ip = ip_addr_v4(0x01020304);
	rig_begin(&out, tid, 0, L2TP_StopCCN);
	l2tp_avp_put_result(&out.w, 1, 0, span_str(""));
	talk();
	assert_int_equal(rig->n_sent, 0);
	assert_int_equal(drops(DROP_CONTROL_PEER), 1);
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
	rig->peer = home;
	peer_ns--;
	rig_begin(&out, tid, 0, L2TP_HELLO);
	talk();
	assert_only_zlb();
}

static void a_new_port_is_followed(void **state)
{
	(void)state;
	tunnel_up();
	rig->peer.peer.port = 50000;
	rig_rx_zlb(rig, tid, peer_ns, peer_nr); /* proves nothing */
	rig_begin(&out, tid, 0, L2TP_HELLO);
	rig_rx(rig, &out, (uint16_t)(peer_ns + 500), peer_nr);
	assert_int_equal(drops(DROP_CONTROL_WINDOW), 1);
	assert_int_equal(rig_posts_of(rig, MSG_TUNNEL_MOVED), 0);
	rig_begin(&out, tid, 0, L2TP_HELLO);
	talk();
	assert_only_zlb();
	assert_int_equal(rig->sent[0].to.peer.port, 50000);
	assert_int_equal(rig_posts_of(rig, MSG_TUNNEL_MOVED), RIG_WORKERS);
	rig_begin(&out, tid, 0, L2TP_HELLO);
	talk();
	assert_int_equal(rig_posts_of(rig, MSG_TUNNEL_MOVED), 0);
}

static void a_new_address_is_followed_only_when_told_so(void **state)
{
	(void)state;
	tunnel_up();
	rig->conf.l2tp.follow_peer = true;
	rig->peer.peer.ip = ip_addr_v4(0x01020304);
	rig_begin(&out, tid, 0, L2TP_HELLO);
	talk();
	assert_only_zlb();
	assert_int_equal(rig_posts_of(rig, MSG_TUNNEL_MOVED), RIG_WORKERS);
}

static void junk_is_counted(void **state)
{
	(void)state;
	tunnel_up();
	rig_rx_zlb(rig, (uint16_t)(tid + RIG_WORKERS), 0, 0);
	rig_rx_zlb(rig, 0, 0, 0);
	assert_int_equal(drops(DROP_CONTROL_TUNNEL), 2);
	rig_begin(&out, 0, 0, L2TP_HELLO);
	rig_rx(rig, &out, 0, 0);
	assert_int_equal(drops(DROP_CONTROL_TUNNEL), 3);
	rig_begin(&out, tid, 0, L2TP_HELLO);
	wbuf_u16(&out.w, 0x8005); /* AVP length 5 */
	wbuf_u32(&out.w, 7);
	rig_rx(rig, &out, peer_ns, peer_nr);
	assert_int_equal(drops(DROP_CONTROL_AVP), 1);
	rig_rx_bytes(rig, span_of("\xc8\x03\0\x0c\0\0\0\0\0\0\0\0", 12));
	assert_int_equal(drops(DROP_L2TP_VERSION), 1);
	/* The tunnel goes on as if nothing had been. */
	rig_begin(&out, tid, 0, L2TP_HELLO);
	talk();
	assert_only_zlb();
}

static void tunnel_ids_rest_after_use(void **state)
{
	(void)state;
	uint8_t seen[65536] = {0};

	for (unsigned i = 0; i < 500; i++) {
		peer_ns = peer_nr = 0;
		rig_sccrq(&out, PEER_TID);
		talk();
		assert_reply(L2TP_SCCRP);
		tid = l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_TUNNEL_ID);
		assert_int_equal(seen[tid]++, 0);
		rig_begin(&out, tid, 0, L2TP_SCCCN);
		talk();
		rig_begin(&out, tid, 0, L2TP_StopCCN);
		l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_TUNNEL_ID, PEER_TID);
		l2tp_avp_put_result(&out.w, 1, 0, span_str(""));
		talk();
		rig_pass_ms(rig, 10);
	}
	assert_true(tunnel_shard_check(rig->shard));
}

/* Two packets with a false source address make and end a tunnel: that must cost us nothing. */
static void a_flood_of_sccrq_and_stopccn_uses_nothing_up(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 70000; i++) {
		rig->peer.peer.ip = ip_addr_v4(0x0A000000 + i);
		peer_ns = peer_nr = 0;
		rig_sccrq(&out, PEER_TID);
		talk();
		rig_begin(&out, 0, 0, L2TP_StopCCN);
		l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_TUNNEL_ID, PEER_TID);
		l2tp_avp_put_result(&out.w, 1, 0, span_str(""));
		rig_rx(rig, &out, 1, 0);
	}
	assert_int_equal(count(C_TUNNELS_CREATED), 70000);
	assert_int_equal(tunnel_shard_count(rig->shard), 0);
	rig->peer.peer.ip = ip_addr_v4(0xC0000202);
	peer_ns = peer_nr = 0;
	tunnel_up();
	call_up(9);
}

/* The same with all the room that there is: what was never open is not remembered. */
static void closed_strangers_are_forgotten_at_once(void **state)
{
	(void)state;
	rig->conf.l2tp.max_tunnels = 65535;
	for (uint32_t i = 1; i <= 70000; i++) {
		peer_ns = peer_nr = 0;
		rig_sccrq(&out, PEER_TID);
		talk();
		rig_begin(&out, 0, 0, L2TP_StopCCN);
		l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_TUNNEL_ID, PEER_TID);
		l2tp_avp_put_result(&out.w, 1, 0, span_str(""));
		rig_rx(rig, &out, 1, 0);
		rig->now = nsec_add(rig->now, NSEC_MS(1));
	}
	assert_int_equal(count(C_TUNNELS_CREATED), 70000);
	peer_ns = peer_nr = 0;
	tunnel_up();
	call_up(9);
}

/* An SCCRQ is the first message or none: a second one with the next number stops nothing, and what
 * is far ahead is not kept for a stranger. */
static void a_stranger_cannot_fill_the_tables(void **state)
{
	(void)state;
	rig_sccrq(&out, PEER_TID);
	talk();
	for (uint16_t ns = 1; ns < 120; ns++) {
		rig_sccrq(&out, PEER_TID);
		rig_rx(rig, &out, ns, 0);
	}
	assert_int_equal(drops(DROP_CONTROL_WINDOW), 119);
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
}

static void a_call_without_an_id_is_dropped(void **state)
{
	(void)state;
	tunnel_up();
	rig_begin(&out, tid, 0, L2TP_ICRQ);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_SESSION_ID, 0);
	l2tp_avp_put_u32(&out.w, L2TP_AVP_CALL_SERIAL_NUMBER, 1);
	talk();
	rig_begin(&out, tid, 0, L2TP_ICRQ);
	l2tp_avp_put_u32(&out.w, L2TP_AVP_CALL_SERIAL_NUMBER, 1);
	talk();
	assert_int_equal(drops(DROP_CONTROL_AVP), 2);
	call_up(9);
}

static void a_message_longer_than_any_is_dropped(void **state)
{
	(void)state;
	static uint8_t bytes[5000];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	l2tp_hdr_begin(&w, 0, 0);
	memset(wbuf_room(&w, sizeof(bytes) - 12), 0, sizeof(bytes) - 12);
	l2tp_hdr_finish(&w);
	rig_rx_bytes(rig, wbuf_written(&w));
	assert_int_equal(drops(DROP_L2TP_LENGTH), 1);
}

/* Names come from strangers: one log line stays one line. */
static void names_cannot_forge_log_lines(void **state)
{
	(void)state;
	rig_begin(&out, 0, 0, L2TP_SCCRQ);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_put_u32(&out.w, L2TP_AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_put(&out.w, L2TP_AVP_HOST_NAME, span_str("a\nb\x1b[2J\x9b"));
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_TUNNEL_ID, PEER_TID);
	talk();
	assert_reply(L2TP_SCCRP);
	assert_string_equal(rig->last_log, "tunnel opening: a.b.[2J.");
}

static void a_query_is_answered(void **state)
{
	(void)state;
	struct msg_tunnel_query q = MSG_INIT(MSG_TUNNEL_QUERY, struct msg_tunnel_query);

	tunnel_up();
	call_up(9);
	rig_pass_ms(rig, 5000);
	rig_forget(rig);
	q.tid = tid;
	q.cookie = 4711;
	tunnel_shard_msg(rig->shard, &q.msg, rig->now);
	q.tid = (uint16_t)(tid + 1);
	tunnel_shard_msg(rig->shard, &q.msg, rig->now);
	unsigned i = 0, to;
	const struct msg_tunnel_info *info = rig_post(rig, MSG_TUNNEL_INFO, &i, &to);
	assert_int_equal(to, MSG_TO_CONTROL);
	assert_true(info->found);
	assert_int_equal(info->cookie, 4711);
	assert_int_equal(info->calls, 1);
	assert_int_equal(info->idle_s, 5);
	assert_int_equal(info->ns, 2);
	info = rig_post(rig, MSG_TUNNEL_INFO, &i, &to);
	assert_false(info->found);
}

/* ---- calls ---- */

static void a_call_comes_up(void **state)
{
	(void)state;
	tunnel_up();
	const struct msg_call_up *m = call_up(0x1234);
	assert_int_equal(m->key.tid, tid);
	assert_int_not_equal(m->key.gen, 0);
	assert_int_equal(m->peer_tid, PEER_TID);
	assert_int_equal(m->peer_sid, 0x1234);
	assert_int_equal(m->serial, 77);
	assert_int_equal(m->tx_speed, 10000000);
	assert_int_equal(m->rx_speed, 0); /* not told: plugins may know */
	assert_int_equal(m->framing, 1);
	assert_false(m->sequencing);
	assert_memory_equal(m->calling.s, "joe-line", m->calling.n);
	assert_int_equal(m->calling.n, 8);
	assert_memory_equal(m->called.s, "100", 3);
	assert_memory_equal(m->lac_name.s, "lac", 3);
	assert_int_equal(m->proxy.last_tx_confreq_len, 4);
	assert_int_equal(m->proxy.auth_type, 3);
	assert_memory_equal(m->proxy.auth_name, "joe", 3);
	assert_true(l2tp_path_equal(&m->path, &rig->peer));
	assert_only_zlb();
}

static void calls_go_to_the_least_loaded_worker(void **state)
{
	(void)state;
	unsigned per_worker[RIG_WORKERS] = {0};

	tunnel_up();
	rig->load[2] = 8;
	for (uint16_t i = 1; i <= 4 * RIG_WORKERS; i++)
		per_worker[call_begin(i) % RIG_WORKERS]++;
	assert_int_equal(per_worker[2], 0);
	assert_in_range(per_worker[0], 5, 6);
	assert_in_range(per_worker[1], 5, 6);
	assert_in_range(per_worker[3], 5, 6);
}

static void the_peer_ends_a_call(void **state)
{
	(void)state;
	tunnel_up();
	struct sess_key key = call_up(9)->key;
	rig_begin(&out, tid, key.sid, L2TP_CDN);
	l2tp_avp_put_result(&out.w, 1, 0, span_str(""));
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_SESSION_ID, 9);
	talk();
	assert_only_zlb();
	unsigned i = 0, to;
	const struct msg_call_down *m = rig_post(rig, MSG_CALL_DOWN, &i, &to);
	assert_non_null(m);
	assert_true(sess_key_equal(m->key, key));
	assert_int_equal(to, key.sid % RIG_WORKERS);
	assert_int_equal(m->reason.cause, TERM_LOST_CARRIER);
	assert_int_equal(m->reason.cdn_result, 0);
	peer_ns--;
	talk();
	assert_int_equal(rig_posts_of(rig, MSG_CALL_DOWN), 0);
}

static void a_session_hangs_up(void **state)
{
	(void)state;
	tunnel_up();
	struct msg_hangup m = MSG_INIT(MSG_HANGUP, struct msg_hangup);
	m.key = call_up(9)->key;
	m.reason = (struct end_reason){.cdn_result = 3, .cause = 1, .text = "user request"};
	rig_forget(rig);
	tunnel_shard_msg(rig->shard, &m.msg, rig->now);
	assert_reply(L2TP_CDN);
	assert_int_equal(got.h.sid, 9);
	assert_int_equal(l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_SESSION_ID), m.key.sid);
	assert_result(3, 0);
	assert_true(span_equal(l2tp_msg_result(&got.m).message, span_str("user request")));
	assert_int_equal(rig_posts_of(rig, MSG_CALL_DOWN), 0);
	tunnel_shard_msg(rig->shard, &m.msg, rig->now);
	assert_int_equal(rig->n_sent, 1);
	assert_int_equal(count(C_STALE_MESSAGES), 1);
}

static void a_hangup_of_another_generation_is_stale(void **state)
{
	(void)state;
	tunnel_up();
	struct msg_hangup m = MSG_INIT(MSG_HANGUP, struct msg_hangup);
	m.key = call_up(9)->key;
	m.key.gen++;
	m.reason.cdn_result = 3;
	rig_forget(rig);
	tunnel_shard_msg(rig->shard, &m.msg, rig->now);
	assert_int_equal(rig->n_sent, 0);
	assert_int_equal(count(C_STALE_MESSAGES), 1);
}

/* The peer ends the call before it has our session id. */
static void a_cdn_without_our_id_finds_its_call(void **state)
{
	(void)state;
	tunnel_up();
	call_begin(9);
	rig_begin(&out, tid, 0, L2TP_CDN);
	l2tp_avp_put_result(&out.w, 1, 0, span_str(""));
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_SESSION_ID, 9);
	talk();
	assert_only_zlb();
	assert_int_equal(rig_posts_of(rig, MSG_CALL_DOWN), 0); /* no session knew of it */
	rig_forget(rig);
	rig_pass_ms(rig, 59000);
	for (unsigned i = 0; rig_got(rig, i, &got); i++)
		assert_int_not_equal(got.m.type, L2TP_CDN);
}

static void a_call_that_does_not_connect_is_ended(void **state)
{
	(void)state;
	tunnel_up();
	uint16_t sid = call_begin(9);
	ack();
	rig_forget(rig);
	rig_pass_ms(rig, 60100);
	assert_reply(L2TP_CDN);
	assert_result(L2TP_CDN_TIMEOUT, 0);
	assert_int_equal(l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_SESSION_ID), sid);
}

static void a_session_id_rests_after_use(void **state)
{
	(void)state;
	uint8_t seen[65536] = {0};

	tunnel_up();
	for (uint16_t i = 1; i <= 2000; i++) {
		uint16_t sid = call_begin(i);
		assert_int_equal(seen[sid]++, 0);
		rig_begin(&out, tid, sid, L2TP_CDN);
		l2tp_avp_put_result(&out.w, 1, 0, span_str(""));
		talk();
		rig->now = nsec_add(rig->now, NSEC_MS(1));
	}
	size_t held = rig->mem.held;
	rig_pass_ms(rig, 11000);
	assert_true(rig->mem.held < held); /* and is free again later */
}

static void a_full_tunnel_refuses_and_recovers(void **state)
{
	(void)state;
	static uint8_t seen[65536];
	uint16_t last = 0;

	memset(seen, 0, sizeof(seen));
	tunnel_up();
	for (uint32_t i = 1; i <= 65535; i++) {
		uint16_t sid = call_begin((uint16_t)i);
		assert_int_not_equal(sid, 0);
		assert_int_equal(seen[sid]++, 0);
		iccn(sid);
		last = sid;
	}
	assert_true(tunnel_shard_check(rig->shard));
	/* The same id of the peer again takes the place of its old call: no id is free for it yet.
	 */
	icrq(65535);
	assert_reply(L2TP_CDN);
	assert_result(L2TP_CDN_BUSY, 0);
	assert_int_equal(count(C_SESSION_OVERFLOW), 1);
	rig_pass_ms(rig, 11000);
	peer_nr = (uint16_t)(got.h.ns + 1);
	assert_int_equal(call_begin(65535), last);
}

static void the_limit_of_sessions_holds(void **state)
{
	(void)state;
	rig->conf.l2tp.max_sessions = 3;
	tunnel_up();
	for (uint16_t i = 1; i <= 3; i++)
		call_up(i);
	icrq(4);
	assert_reply(L2TP_CDN);
	assert_result(L2TP_CDN_BUSY, 0);
	assert_int_equal(got.h.sid, 4);
	assert_int_not_equal(l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_SESSION_ID), 0);
	assert_int_equal(count(C_SESSION_OVERFLOW), 1);
}

static void the_peers_id_again_ends_the_older_call(void **state)
{
	(void)state;
	tunnel_up();
	struct sess_key old = call_up(9)->key;
	icrq(9);
	assert_reply(L2TP_ICRP);
	unsigned i = 0;
	const struct msg_call_down *m = rig_post(rig, MSG_CALL_DOWN, &i, NULL);
	assert_non_null(m);
	assert_true(sess_key_equal(m->key, old));
}

static void while_leaving_calls_are_refused(void **state)
{
	(void)state;
	tunnel_up();
	rig->conf.l2tp.refuse_new = true;
	icrq(9);
	assert_reply(L2TP_CDN);
	assert_result(L2TP_CDN_ERROR, L2TP_ERR_TRY_ANOTHER);
}

static void outgoing_calls_are_refused(void **state)
{
	(void)state;
	tunnel_up();
	rig_begin(&out, tid, 0, L2TP_OCRQ);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_SESSION_ID, 5);
	talk();
	assert_reply(L2TP_CDN);
	assert_result(L2TP_CDN_NO_FACILITY, 0);
	assert_int_equal(got.h.sid, 5);
}

static void messages_about_no_call_are_only_acknowledged(void **state)
{
	static const enum l2tp_msg_type types[] = {L2TP_OCRP, L2TP_OCCN, L2TP_ICRP, L2TP_ICCN,
						   L2TP_CDN,  L2TP_WEN,	 L2TP_SLI};

	(void)state;
	tunnel_up();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		rig_begin(&out, tid, 4711, types[i]);
		talk();
		assert_only_zlb();
	}
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
}

static void wen_and_sli_leave_a_call_alone(void **state)
{
	(void)state;
	uint8_t zeros[26] = {0};

	tunnel_up();
	uint16_t sid = call_up(9)->key.sid;
	rig_begin(&out, tid, sid, L2TP_WEN);
	l2tp_avp_put(&out.w, L2TP_AVP_CALL_ERRORS, span_of(zeros, 26));
	talk();
	assert_only_zlb();
	rig_begin(&out, tid, sid, L2TP_SLI);
	l2tp_avp_put(&out.w, L2TP_AVP_ACCM, span_of(zeros, 10));
	talk();
	assert_only_zlb();
}

static void a_message_out_of_sequence_ends_its_call_only(void **state)
{
	static const enum l2tp_msg_type types[] = {L2TP_ICCN, L2TP_ICRP, L2TP_OCRP, L2TP_OCCN};

	(void)state;
	tunnel_up();
	call_up(100);
	for (uint16_t i = 0; i < 4; i++) {
		struct sess_key key = call_up((uint16_t)(9 + i))->key;
		rig_begin(&out, tid, key.sid, types[i]);
		talk();
		assert_reply(L2TP_CDN);
		assert_int_equal(rig_posts_of(rig, MSG_CALL_DOWN), 1);
	}
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
}

static void an_unknown_mandatory_avp_ends_its_call_only(void **state)
{
	(void)state;
	tunnel_up();
	uint16_t sid = call_begin(9);
	rig_begin(&out, tid, sid, L2TP_ICCN);
	wbuf_u16(&out.w, 0x8006);
	wbuf_u32(&out.w, 0x0009FFFF); /* another vendor's */
	talk();
	assert_reply(L2TP_CDN);
	assert_result(L2TP_CDN_ERROR, L2TP_ERR_UNKNOWN_AVP);
	assert_int_equal(got.h.sid, 9);

	rig_begin(&out, tid, 0, L2TP_ICRQ);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_SESSION_ID, 10);
	wbuf_u16(&out.w, 0x8007); /* Call Serial Number of one byte */
	wbuf_u32(&out.w, 15);
	wbuf_u8(&out.w, 0);
	talk();
	assert_reply(L2TP_CDN);
	assert_result(L2TP_CDN_ERROR, L2TP_ERR_LENGTH);
	assert_int_equal(got.h.sid, 10);
	assert_int_equal(tunnel_shard_count(rig->shard), 1);
}

static void a_call_before_the_tunnel_is_open_is_refused(void **state)
{
	(void)state;
	sccrq();
	icrq(9);
	assert_reply(L2TP_CDN);
	assert_result(L2TP_CDN_ERROR, L2TP_ERR_NO_CONNECTION);
}

static void a_hidden_session_id_is_understood(void **state)
{
	(void)state;
	struct l2tp_hide_key key = {span_str("secret"), span_str("0123456789abcdef"), 14};

	tunnel_up();
	rig_begin(&out, tid, 0, L2TP_ICRQ);
	l2tp_avp_put(&out.w, L2TP_AVP_RANDOM_VECTOR, key.random_vector);
	l2tp_avp_put_hidden(&out.w, L2TP_AVP_ASSIGNED_SESSION_ID, span_of("\x12\x34", 2), &key,
			    span_str("padding"));
	talk();
	assert_reply(L2TP_ICRP);
	assert_int_equal(got.h.sid, 0x1234);
}

static void messages_out_of_order_are_handled_in_order(void **state)
{
	(void)state;
	struct rig_msg first;

	tunnel_up();
	rig_begin(&first, tid, 0, L2TP_ICRQ);
	l2tp_avp_put_u16(&first.w, L2TP_AVP_ASSIGNED_SESSION_ID, 1);
	rig_begin(&out, tid, 0, L2TP_ICRQ);
	l2tp_avp_put_u16(&out.w, L2TP_AVP_ASSIGNED_SESSION_ID, 2);
	rig_forget(rig);
	rig_rx(rig, &out, (uint16_t)(peer_ns + 1), peer_nr);
	assert_int_equal(rig->n_sent, 0);
	rig_rx(rig, &first, peer_ns, peer_nr);
	rig_turn(rig);
	assert_true(rig_got(rig, 0, &got));
	assert_int_equal(got.m.type, L2TP_ICRP);
	assert_int_equal(got.h.sid, 1);
	assert_true(rig_got(rig, 1, &got));
	assert_int_equal(got.h.sid, 2);
}

static void memory_of_a_call_is_small(void **state)
{
	(void)state;
	rig->load[0] = 1;
	tunnel_up();
	call_up(1);
	ack();
	size_t before = rig->mem.held;
	for (uint16_t i = 2; i <= 1001; i++)
		call_up(i);
	ack();
	assert_true((rig->mem.held - before) / 1000 < 200);
}

/* Whatever allocation fails: no crash, no leak, tables agree. */
static void out_of_memory_anywhere_is_survived(void **state)
{
	(void)state;
	for (size_t fail = 0; fail < 40; fail++) {
		size_t start = rig->mem.gets;
		peer_ns = peer_nr = 0;
		rig->mem.fail_after = start + fail;
		rig_sccrq(&out, (uint16_t)(1000 + fail));
		talk();
		if (rig_got(rig, 0, &got) && got.m.type == L2TP_SCCRP) {
			tid = l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_TUNNEL_ID);
			rig_begin(&out, tid, 0, L2TP_SCCCN);
			talk();
			for (uint16_t i = 1; i <= 3; i++) {
				icrq(i);
				if (rig_got(rig, 0, &got) && got.m.type == L2TP_ICRP)
					iccn(l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_SESSION_ID));
			}
			struct msg_drop_tunnel m =
				MSG_INIT(MSG_DROP_TUNNEL, struct msg_drop_tunnel);
			m.tid = tid;
			if (fail % 2)
				tunnel_shard_msg(rig->shard, &m.msg, rig->now);
		}
		assert_true(tunnel_shard_check(rig->shard));
		rig->mem.fail_after = SIZE_MAX;
	}
	rig_pass_ms(rig, 120000);
	assert_true(tunnel_shard_check(rig->shard));
}

/* Every prefix of a good conversation's messages, and every byte of them changed. */
static void mutilated_messages_change_nothing_for_others(void **state)
{
	(void)state;
	tunnel_up();
	uint16_t good = tid, ns = peer_ns, nr = peer_nr;

	rig_sccrq(&out, 77);
	l2tp_hdr_finish(&out.w);
	for (size_t cut = 0; cut < out.w.n; cut++) {
		uint8_t *exact = test_alloc_get(&rig->mem, cut + 1);
		memcpy(exact, out.bytes, cut);
		rig_rx_bytes(rig, span_of(exact, cut));
		test_alloc_put(&rig->mem, exact, cut + 1);
	}
	for (size_t at = 0; at < out.w.n; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			uint8_t copy[RIG_BYTES];
			memcpy(copy, out.bytes, out.w.n);
			copy[at] ^= (uint8_t)(1u << bit);
			rig_rx_bytes(rig, span_of(copy, out.w.n));
			rig_turn(rig);
		}
	}
	assert_true(tunnel_shard_check(rig->shard));
	tid = good;
	peer_ns = ns;
	peer_nr = nr;
	call_up(9);
}

int main(void)
{
#define SHARD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		SHARD_TEST(a_tunnel_opens),
		SHARD_TEST(we_answer_a_challenge),
		SHARD_TEST(without_a_secret_a_challenge_is_refused),
		SHARD_TEST(the_right_answer_opens),
		SHARD_TEST(the_wrong_answer_is_refused),
		SHARD_TEST(no_answer_is_refused),
		SHARD_TEST(a_repeated_sccrq_gets_the_same_tunnel),
		SHARD_TEST(a_peer_that_restarted_gets_a_new_tunnel),
		SHARD_TEST(a_peer_may_restart_with_the_same_bytes),
		SHARD_TEST(a_slow_copy_of_the_sccrq_opens_nothing),
		SHARD_TEST(a_restart_is_told_from_its_copies_in_any_crowd),
		SHARD_TEST(a_peer_may_have_many_tunnels),
		SHARD_TEST(a_bad_sccrq_leaves_no_state),
		SHARD_TEST(an_sccrq_flood_meets_its_limits),
		SHARD_TEST(a_flood_of_strangers_keeps_nobody_out),
		SHARD_TEST(too_many_tunnels_are_refused),
		SHARD_TEST(an_opening_tunnel_that_only_acks_ends),
		SHARD_TEST(a_silent_tunnel_gets_hello_then_dies),
		SHARD_TEST(hello_is_acknowledged),
		SHARD_TEST(a_batch_has_one_acknowledgement),
		SHARD_TEST(the_peer_closes_a_tunnel),
		SHARD_TEST(a_stopccn_without_our_id_finds_its_tunnel),
		SHARD_TEST(a_dropped_tunnel_is_told),
		SHARD_TEST(shutdown_stops_all_and_refuses_new),
		SHARD_TEST(wrong_order_of_opening_stops_the_tunnel),
		SHARD_TEST(unknown_messages_obey_their_mandatory_bit),
		SHARD_TEST(an_unknown_avp_in_a_hello_stops_only_when_mandatory),
		SHARD_TEST(strangers_cannot_touch_a_tunnel),
		SHARD_TEST(a_new_port_is_followed),
		SHARD_TEST(a_new_address_is_followed_only_when_told_so),
		SHARD_TEST(junk_is_counted),
		SHARD_TEST(tunnel_ids_rest_after_use),
		SHARD_TEST(a_flood_of_sccrq_and_stopccn_uses_nothing_up),
		SHARD_TEST(closed_strangers_are_forgotten_at_once),
		SHARD_TEST(a_stranger_cannot_fill_the_tables),
		SHARD_TEST(a_call_without_an_id_is_dropped),
		SHARD_TEST(a_message_longer_than_any_is_dropped),
		SHARD_TEST(names_cannot_forge_log_lines),
		SHARD_TEST(a_query_is_answered),
		SHARD_TEST(a_call_comes_up),
		SHARD_TEST(calls_go_to_the_least_loaded_worker),
		SHARD_TEST(the_peer_ends_a_call),
		SHARD_TEST(a_session_hangs_up),
		SHARD_TEST(a_hangup_of_another_generation_is_stale),
		SHARD_TEST(a_cdn_without_our_id_finds_its_call),
		SHARD_TEST(a_call_that_does_not_connect_is_ended),
		SHARD_TEST(a_session_id_rests_after_use),
		SHARD_TEST(a_full_tunnel_refuses_and_recovers),
		SHARD_TEST(the_limit_of_sessions_holds),
		SHARD_TEST(the_peers_id_again_ends_the_older_call),
		SHARD_TEST(while_leaving_calls_are_refused),
		SHARD_TEST(outgoing_calls_are_refused),
		SHARD_TEST(messages_about_no_call_are_only_acknowledged),
		SHARD_TEST(wen_and_sli_leave_a_call_alone),
		SHARD_TEST(a_message_out_of_sequence_ends_its_call_only),
		SHARD_TEST(an_unknown_mandatory_avp_ends_its_call_only),
		SHARD_TEST(a_call_before_the_tunnel_is_open_is_refused),
		SHARD_TEST(a_hidden_session_id_is_understood),
		SHARD_TEST(messages_out_of_order_are_handled_in_order),
		SHARD_TEST(memory_of_a_call_is_small),
		SHARD_TEST(out_of_memory_anywhere_is_survived),
		SHARD_TEST(mutilated_messages_change_nothing_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
