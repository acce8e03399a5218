/* One link from the first packet to the last: phases, difficult peers, endings. */
#include "link_kit.h"

static struct kit k;
static struct subscriber sub;

static int set_up(void **state)
{
	(void)state;
	kit_init(&k, 1);
	sub_init(&sub, "joe", "secret");
	return 0;
}

/* Up to the network phase, without authentication. */
static void bring_up(void)
{
	k.conf.n_auth = 0;
	kit_open(&k);
	sub_dial(&sub);
	kit_run(&k, &sub);
	assert_true(ppp_link_is_up(&k.link));
	kit_forget(&k);
}

/* LCP open on our side by hand: ours acked, theirs (empty) acked. */
static void open_lcp(void)
{
	kit_open(&k);
	kit_ack(&k, PPP_LCP);
	kit_rx_hex(&k, "c0 21 01 01 00 04");
	assert_int_equal(k.link.lcp.state, PPP_OPENED);
}

static void a_chap_login_comes_up_in_one_round(void **state)
{
	(void)state;
	kit_open(&k);
	sub_dial(&sub);
	kit_run(&k, &sub);
	assert_true(ppp_link_is_up(&k.link));
	assert_true(sub_up(&sub));
	assert_true(sub.authed);
	assert_int_equal(sub.auth, AUTH_CHAP);
	assert_int_equal(k.ups, 1);
	assert_int_equal(k.downs, 0);
	assert_int_equal(sub.ip, 0x0A000002);
	assert_int_equal(sub.their_ip, 0x0A000001);
	assert_int_equal(k.link.peer_mru, 1480);
	assert_true(k.link.peer_pfc && k.link.peer_acfc);
	assert_int_equal(sub.restarts, 0);
	assert_true(nsec_sub(k.now, (nsec){NSEC_S(1000)}) == 0); /* no timer was needed */
}

static void a_pap_login_carries_name_and_password(void **state)
{
	(void)state;
	k.conf.n_auth = 1;
	k.conf.auth[0] = AUTH_PAP;
	kit_open(&k);
	sub_dial(&sub);
	kit_run(&k, &sub);
	assert_true(sub_up(&sub));
	assert_int_equal(k.auth.proto, AUTH_PAP);
	assert_true(span_equal(k.auth.user, span_str("joe")));
	assert_true(span_equal(k.auth.password, span_str("secret")));
	assert_false(k.auth.reauth);
}

static void without_authentication_aaa_is_still_asked(void **state)
{
	(void)state;
	k.conf.n_auth = 0;
	open_lcp();
	assert_int_equal(k.asked, 1);
	assert_int_equal(k.auth.proto, AUTH_NONE);
	assert_int_equal(k.link.phase, PPP_AUTHENTICATE);
	kit_reply(&k, true);
	assert_int_equal(k.link.phase, PPP_NETWORK);
	assert_non_null(kit_sent(&k, PPP_IPCP, PPP_CONF_REQ));
}

/* ---- LCP options --------------------------------------------------------------------------- */

static void our_first_request_is_exact(void **state)
{
	(void)state;
	kit_open(&k);
	char want[64];
	snprintf(want, sizeof(want), "01 04 05 b6 03 05 c2 23 05 05 06 %08x", k.link.magic);
	kit_assert_sent(&k, PPP_LCP, PPP_CONF_REQ, want);
}

static void unknown_options_are_rejected_together(void **state)
{
	(void)state;
	kit_open(&k);
	/* MRU fine, quality, callback, MRRU, endpoint discriminator, an unknown one */
	kit_rx_hex(&k, "c0 21 01 07 00 23 01 04 05 dc 04 08 c0 25 00 00 00 64 0d 03 06 "
		       "11 04 05 dc 13 05 01 61 62 63 07 aa bb cc dd ee");
	kit_assert_sent(&k, PPP_LCP, PPP_CONF_REJ,
			"04 08 c0 25 00 00 00 64 0d 03 06 11 04 05 dc 13 05 01 61 62 "
			"63 07 aa bb cc dd ee");
	assert_int_equal(kit_sent(&k, PPP_LCP, PPP_CONF_REJ)->b[5], 7);
}

static void small_mru_and_accm_are_naked(void **state)
{
	(void)state;
	kit_open(&k);
	kit_rx_hex(&k, "c0 21 01 07 00 0e 01 04 00 80 02 06 00 0a 00 00");
	kit_assert_sent(&k, PPP_LCP, PPP_CONF_NAK, "01 04 05 b6 02 06 00 00 00 00");
}

static void a_wrong_length_is_naked_with_the_right_one(void **state)
{
	(void)state;
	kit_open(&k);
	kit_rx_hex(&k, "c0 21 01 07 00 10 01 03 05 02 04 00 00 07 02 08 03 00");
	assert_null(kit_sent(&k, PPP_LCP, PPP_CONF_ACK));
	kit_assert_sent(&k, PPP_LCP, PPP_CONF_NAK, "01 04 05 b6 02 06 00 00 00 00 08 02");
}

static void a_peer_that_wants_us_to_log_in_is_refused(void **state)
{
	(void)state;
	kit_open(&k);
	kit_rx_hex(&k, "c0 21 01 07 00 09 03 05 c2 23 05");
	kit_assert_sent(&k, PPP_LCP, PPP_CONF_REJ, "03 05 c2 23 05");
}

static void option_lengths_that_lie_are_dropped(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"c0 21 01 07 00 06 01 00",	       /* length 0 */
		"c0 21 01 07 00 06 01 01",	       /* length 1 */
		"c0 21 01 07 00 08 01 05 05 dc",       /* beyond the packet */
		"c0 21 01 07 00 05 01",		       /* no length at all */
		"c0 21 01 07 00 0a 01 04 05 dc 05 00", /* second one */
	};
	kit_open(&k);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		kit_forget(&k);
		kit_rx_hex(&k, bad[i]);
		assert_int_equal(k.n_frames, 0);
		assert_int_equal(k.last_drop, DROP_PPP_MALFORMED);
	}
	assert_int_equal(k.link.lcp.state, PPP_REQ_SENT);
}

static void naks_turn_into_rejects(void **state)
{
	(void)state;
	kit_open(&k);
	for (int i = 0; i < k.conf.max_failure; i++) {
		kit_forget(&k);
		kit_rx_hex(&k, "c0 21 01 07 00 0a 02 06 ff ff ff ff");
		assert_non_null(kit_sent(&k, PPP_LCP, PPP_CONF_NAK));
	}
	kit_forget(&k);
	kit_rx_hex(&k, "c0 21 01 07 00 0a 02 06 ff ff ff ff");
	assert_null(kit_sent(&k, PPP_LCP, PPP_CONF_NAK));
	kit_assert_sent(&k, PPP_LCP, PPP_CONF_REJ, "02 06 ff ff ff ff");
}

static void a_nak_of_ours_is_followed(void **state)
{
	(void)state;
	kit_open(&k);
	uint8_t id = kit_sent(&k, PPP_LCP, PPP_CONF_REQ)->b[5];
	char nak[64];
	snprintf(nak, sizeof(nak), "c0 21 03 %02x 00 08 01 04 04 00", id);
	kit_rx_hex(&k, nak);
	const struct sub_frame *f = kit_sent(&k, PPP_LCP, PPP_CONF_REQ);
	assert_int_equal(f->b[5], id + 1);
	assert_memory_equal(f->b + 8, "\x01\x04\x04\x00", 4);
	assert_int_equal(k.link.mru, 1024);
}

static void a_rejected_option_is_left_out(void **state)
{
	(void)state;
	kit_open(&k);
	uint8_t id = kit_sent(&k, PPP_LCP, PPP_CONF_REQ)->b[5];
	char rej[64];
	snprintf(rej, sizeof(rej), "c0 21 04 %02x 00 0e 01 04 05 b6 05 06 %08x", id, k.link.magic);
	kit_rx_hex(&k, rej);
	kit_assert_sent(&k, PPP_LCP, PPP_CONF_REQ, "03 05 c2 23 05");
	assert_int_equal(k.link.magic, 0);
}

static void answers_need_the_right_identifier_and_content(void **state)
{
	(void)state;
	kit_open(&k);
	struct sub_frame req = *kit_sent(&k, PPP_LCP, PPP_CONF_REQ);

	req.b[4] = PPP_CONF_ACK;
	req.b[5]++;
	kit_rx(&k, req.b, req.n); /* another identifier */
	req.b[5]--;
	req.b[11] ^= 1;
	kit_rx(&k, req.b, req.n); /* another MRU */
	req.b[11] ^= 1;
	assert_int_equal(k.drops, 2);
	assert_int_equal(k.link.lcp.state, PPP_REQ_SENT);
	kit_rx(&k, req.b, req.n);
	assert_int_equal(k.link.lcp.state, PPP_ACK_RCVD);
	kit_rx(&k, req.b, req.n); /* a duplicate answers nothing */
	assert_int_equal(k.link.lcp.state, PPP_ACK_RCVD);
}

/* ---- authentication protocol --------------------------------------------------------------- */

static void a_nak_switches_to_the_other_protocol(void **state)
{
	(void)state;
	sub.only_auth = AUTH_PAP;
	kit_open(&k);
	sub_dial(&sub);
	kit_run(&k, &sub);
	assert_true(sub_up(&sub));
	assert_int_equal(sub.auth, AUTH_PAP);
	assert_int_equal(k.link.auth, AUTH_PAP);
}

static void a_nak_for_what_we_lack_tries_the_next(void **state)
{
	(void)state;
	kit_open(&k);
	uint8_t id = kit_sent(&k, PPP_LCP, PPP_CONF_REQ)->b[5];
	char nak[64];
	snprintf(nak, sizeof(nak), "c0 21 03 %02x 00 09 03 05 c2 23 81", id); /* MS-CHAPv2 */
	kit_rx_hex(&k, nak);
	assert_int_equal(k.link.auth, AUTH_PAP);
	assert_int_equal(k.ended, 0);
}

static void only_protocols_that_are_enabled_are_agreed(void **state)
{
	(void)state;
	k.conf.n_auth = 1;
	sub.only_auth = AUTH_PAP;
	kit_open(&k);
	sub_dial(&sub);
	kit_run_for(&k, &sub, 5);
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_USER_ERROR);
	assert_int_equal(k.link.end.cdn_result, 3);
	assert_false(sub.authed);
}

static void a_peer_that_rejects_authentication_is_sent_away(void **state)
{
	(void)state;
	sub.refuse_auth = true;
	kit_open(&k);
	sub_dial(&sub);
	kit_run_for(&k, &sub, 2);
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_USER_ERROR);
	assert_true(sub.terminated);
}

/* ---- difficult peers ----------------------------------------------------------------------- */

static void a_peer_that_only_rejects_converges(void **state)
{
	(void)state;
	sub.reject_all = true;
	kit_open(&k);
	sub_dial(&sub);
	kit_run_for(&k, &sub, 10);
	assert_true(sub_up(&sub));
	assert_true(ppp_link_is_up(&k.link));
}

static void a_peer_that_only_naks_converges(void **state)
{
	(void)state;
	sub.nak_all = true;
	kit_open(&k);
	sub_dial(&sub);
	kit_run_for(&k, &sub, 10);
	assert_true(sub_up(&sub));
	assert_true(ppp_link_is_up(&k.link));
}

static void a_peer_that_sees_every_second_frame_converges(void **state)
{
	(void)state;
	sub.every_second = true;
	kit_open(&k);
	sub_dial(&sub);
	kit_run_for(&k, &sub, 120);
	assert_true(sub_up(&sub));
	assert_true(ppp_link_is_up(&k.link));
}

static void lcp_can_start_again_at_any_moment(void **state)
{
	(void)state;
	for (unsigned after = 0; after < 12; after++) {
		struct sub_frame f;
		kit_init(&k, after);
		sub_init(&sub, "joe", "secret");
		kit_open(&k);
		sub_dial(&sub);
		for (unsigned moved = 0; moved < after; moved++) {
			if (sub_take(&sub, &f))
				kit_rx(&k, f.b, f.n);
			for (unsigned j = 0; j < k.n_frames; j++)
				sub_rx(&sub, span_of(k.frames[j].b, k.frames[j].n));
			k.n_frames = 0;
			if (k.asked) {
				k.asked = 0;
				kit_reply(&k, true);
			}
		}
		sub.q_n = 0;
		sub_dial(&sub);
		kit_run_for(&k, &sub, 40);
		assert_true(sub_up(&sub));
		assert_true(ppp_link_is_up(&k.link));
		assert_int_equal(sub.ip, 0x0A000002);
	}
}

static void a_restart_takes_ip_down_and_authenticates_again(void **state)
{
	(void)state;
	kit_open(&k);
	sub_dial(&sub);
	kit_run(&k, &sub);
	assert_true(sub_up(&sub));
	kit_forget(&k);
	sub_dial(&sub);
	struct sub_frame f;
	assert_true(sub_take(&sub, &f));
	kit_rx(&k, f.b, f.n);
	assert_int_equal(k.downs, 1);
	assert_int_equal(k.link.phase, PPP_ESTABLISH);
	kit_run(&k, &sub);
	assert_true(sub_up(&sub));
	assert_int_equal(k.ups, 1);
	assert_true(k.auth.reauth);
}

static void another_user_cannot_take_over_a_link(void **state)
{
	(void)state;
	kit_open(&k);
	sub_dial(&sub);
	kit_run(&k, &sub);
	sub.user = "eve";
	sub_dial(&sub);
	kit_run_for(&k, &sub, 3);
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_USER_ERROR);
}

static void a_restart_while_aaa_thinks_keeps_the_grant(void **state)
{
	(void)state;
	k.conf.n_auth = 1;
	k.conf.auth[0] = AUTH_PAP;
	open_lcp();
	kit_rx_hex(&k, "c0 23 01 05 00 0c 03 6a 6f 65 03 61 62 63");
	assert_int_equal(k.asked, 1);
	kit_forget(&k);
	kit_rx_hex(&k, "c0 21 01 02 00 04"); /* LCP again */
	kit_ack(&k, PPP_LCP);
	assert_int_equal(k.link.phase, PPP_AUTHENTICATE);
	kit_rx_hex(&k, "c0 23 01 06 00 0c 03 6a 6f 65 03 61 62 63");
	assert_int_equal(k.asked, 0); /* one question at a time */
	kit_reply(&k, true);
	assert_null(kit_sent(&k, PPP_PAP, 2)); /* that was for the old negotiation */
	kit_rx_hex(&k, "c0 23 01 07 00 0c 03 6a 6f 65 03 61 62 63");
	assert_int_equal(k.asked, 1);
	assert_true(k.auth.reauth);
	kit_reply(&k, true);
	kit_assert_sent(&k, PPP_PAP, 2, "00");
	assert_int_equal(k.link.phase, PPP_NETWORK);
}

/* Our Ack got lost: the same bytes again. Without a magic number it may be a fresh start. */
static void a_repeated_request_is_no_restart(void **state)
{
	(void)state;
	k.conf.n_auth = 0;
	kit_open(&k);
	kit_ack(&k, PPP_LCP);
	kit_rx_hex(&k, "c0 21 01 01 00 0a 05 06 00 00 12 34");
	assert_int_equal(k.link.lcp.state, PPP_OPENED);
	kit_forget(&k);
	kit_rx_hex(&k, "c0 21 01 01 00 0a 05 06 00 00 12 34");
	assert_int_equal(k.n_frames, 1);
	kit_assert_sent(&k, PPP_LCP, PPP_CONF_ACK, "05 06 00 00 12 34");
	assert_int_equal(k.link.lcp.state, PPP_OPENED);
	kit_rx_hex(&k, "c0 21 01 01 00 0a 05 06 00 00 12 35"); /* another magic number */
	assert_int_equal(k.link.lcp.state, PPP_ACK_SENT);
	kit_ack(&k, PPP_LCP);
	kit_rx_hex(&k, "c0 21 01 02 00 04");
	kit_ack(&k, PPP_LCP);
	assert_int_equal(k.link.lcp.state, PPP_OPENED);
	kit_rx_hex(&k, "c0 21 01 02 00 04");
	assert_int_equal(k.link.lcp.state, PPP_ACK_SENT);
}

static void a_silent_aaa_is_not_the_subscribers_fault(void **state)
{
	(void)state;
	k.conf.n_auth = 0;
	open_lcp();
	kit_wait(&k, NSEC_S(65));
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_SERVICE_UNAVAILABLE);
}

/* Loss and duplication both ways, many seeds: it always comes up. */
static void lossy_and_doubling_lines_converge(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct test_random r = {seed * 77};
		struct sub_frame f;
		bool up = false;
		kit_init(&k, seed);
		k.conf.n_auth = (uint8_t)(seed % 3);
		k.conf.max_configure = 60;
		sub_init(&sub, "joe", "secret");
		kit_open(&k);
		sub_dial(&sub);
		for (int second = 0; second < 300 && !up; second++) {
			for (int burst = 0; burst < 10; burst++) {
				for (unsigned j = 0; j < k.n_frames; j++)
					for (uint64_t n = test_random_below(&r, 8); n < 8; n += 5)
						sub_rx(&sub, span_of(k.frames[j].b, k.frames[j].n));
				k.n_frames = 0;
				while (sub_take(&sub, &f))
					for (uint64_t n = test_random_below(&r, 8); n < 8; n += 5)
						kit_rx(&k, f.b, f.n);
				if (k.asked) {
					k.asked = 0;
					kit_reply(&k, true);
				}
			}
			assert_int_equal(k.ended, 0);
			up = sub_up(&sub) && ppp_link_is_up(&k.link);
			kit_wait(&k, NSEC_MS(700));
			if (second % 4 == 3)
				sub_tick(&sub);
		}
		if (!up)
			fail_msg("seed %u did not come up", (unsigned)seed);
	}
}

/* ---- timers --------------------------------------------------------------------------------- */

static void first_requests_come_fast_then_slow_down(void **state)
{
	(void)state;
	kit_open(&k);
	kit_wait(&k, NSEC_MS(199));
	assert_int_equal(k.n_frames, 1);
	kit_wait(&k, NSEC_MS(1));
	assert_int_equal(k.n_frames, 2);
	kit_wait(&k, NSEC_MS(399));
	assert_int_equal(k.n_frames, 2);
	kit_wait(&k, NSEC_MS(1));
	assert_int_equal(k.n_frames, 3);
	assert_int_equal(k.frames[0].b[5], k.frames[2].b[5]); /* the same request */
}

static void an_unanswered_link_ends_with_lost_service(void **state)
{
	(void)state;
	kit_open(&k);
	kit_wait(&k, NSEC_S(60));
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_LOST_SERVICE);
	assert_true(nsec_is_never(ppp_link_deadline(&k.link)));
}

static void our_request_is_repeated_when_the_peers_comes(void **state)
{
	(void)state;
	kit_open(&k);
	kit_wait(&k, NSEC_MS(150));
	kit_forget(&k);
	kit_rx_hex(&k, "c0 21 01 01 00 04");
	assert_int_equal(k.n_frames, 2);
	assert_int_equal(k.frames[0].b[4], PPP_CONF_REQ); /* before the Ack */
	assert_int_equal(k.frames[1].b[4], PPP_CONF_ACK);
	kit_forget(&k);
	for (int i = 0; i < 20; i++)
		kit_rx_hex(&k, "c0 21 01 01 00 04");
	assert_null(kit_sent(&k, PPP_LCP, PPP_CONF_REQ)); /* bounded in rate */
}

/* A client that starts just after a repetition of ours must not wait for the next, seconds away. */
static void a_repetition_that_just_left_is_sent_again(void **state)
{
	(void)state;
	kit_open(&k);
	kit_rx_hex(&k, "c0 21 01 01 00 04");
	assert_int_equal(k.n_frames, 2); /* the first may still be answered: nothing but the Ack */
	kit_init(&k, 12);
	kit_open(&k);
	kit_wait(&k, NSEC_MS(1500)); /* the third has just left */
	kit_wait(&k, nsec_sub(ppp_link_deadline(&k.link), k.now) + NSEC_MS(5));
	kit_forget(&k);
	kit_rx_hex(&k, "c0 21 01 01 00 04");
	assert_int_equal(k.n_frames, 2);
	assert_int_equal(k.frames[0].b[4], PPP_CONF_REQ);
	assert_int_equal(k.frames[1].b[4], PPP_CONF_ACK);
	kit_rx_hex(&k, "c0 21 01 01 00 04");
	assert_int_equal(k.n_frames, 3); /* once */
}

static void echo_goes_out_in_silence_and_ends_a_dead_line(void **state)
{
	(void)state;
	k.conf.echo_only_idle = true;
	k.conf.echo_fail_s = 35;
	bring_up();
	kit_wait(&k, NSEC_S(9));
	assert_int_equal(k.n_frames, 0);
	kit_rx_hex(&k, "c0 21 0b 01 00 08 00 00 00 00"); /* Discard-Request: a sign of life */
	kit_wait(&k, NSEC_S(9));
	assert_int_equal(k.n_frames, 0);
	kit_wait(&k, NSEC_S(2));
	assert_int_equal(k.n_frames, 1);
	assert_int_equal(k.out.priority, 1);
	kit_wait(&k, NSEC_S(26));
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_LOST_SERVICE);
	assert_int_equal(k.downs, 1);
}

static void echo_can_go_out_always(void **state)
{
	(void)state;
	bring_up();
	for (int i = 0; i < 30; i++) {
		kit_wait(&k, NSEC_S(1));
		kit_rx_hex(&k, "c0 21 0b 01 00 08 00 00 00 00");
	}
	assert_int_equal(k.n_frames, 3);
}

static void data_counts_as_a_sign_of_life(void **state)
{
	(void)state;
	k.conf.echo_only_idle = true;
	k.conf.echo_fail_s = 30;
	bring_up();
	for (int i = 0; i < 100; i++) {
		k.now = nsec_add(k.now, NSEC_S(5));
		struct ppp_io io = kit_io(&k);
		ppp_link_timer(&k.link, &io, k.now);
		kit_collect(&k);
	}
	assert_int_equal(k.ended, 0);
	assert_int_equal(k.n_frames, 0);
}

/* ---- codes ---------------------------------------------------------------------------------- */

static void echo_is_answered_with_our_magic_when_open(void **state)
{
	(void)state;
	kit_open(&k);
	kit_rx_hex(&k, "c0 21 09 33 00 0a 00 00 00 00 aa bb");
	assert_null(kit_sent(&k, PPP_LCP, PPP_ECHO_REP));
	kit_init(&k, 1);
	bring_up();
	kit_rx_hex(&k, "c0 21 09 33 00 0a 00 00 00 00 aa bb");
	char want[32];
	snprintf(want, sizeof(want), "%08x aa bb", k.link.magic);
	kit_assert_sent(&k, PPP_LCP, PPP_ECHO_REP, want);
	assert_int_equal(k.out.priority, 1);
}

static void unknown_codes_are_rejected(void **state)
{
	(void)state;
	bring_up();
	kit_rx_hex(&k, "c0 21 63 07 00 06 aa bb");
	kit_assert_sent(&k, PPP_LCP, PPP_CODE_REJ, "63 07 00 06 aa bb");
	kit_rx_hex(&k, "80 21 63 07 00 06 aa bb");
	kit_assert_sent(&k, PPP_IPCP, PPP_CODE_REJ, "63 07 00 06 aa bb");
	assert_true(ppp_link_is_up(&k.link));
}

static void code_rejects_end_only_what_is_vital(void **state)
{
	(void)state;
	bring_up();
	kit_rx_hex(&k, "c0 21 07 01 00 08 09 01 00 04"); /* it does not know echo */
	assert_true(ppp_link_is_up(&k.link));
	kit_rx_hex(&k, "c0 21 07 01 00 04"); /* of nothing */
	assert_int_equal(k.last_drop, DROP_PPP_MALFORMED);
	kit_rx_hex(&k, "c0 21 07 01 00 08 01 01 00 04"); /* nor Configure-Request */
	kit_wait(&k, NSEC_S(5));
	assert_int_equal(k.ended, 1);
}

static void other_network_protocols_are_rejected_and_ip_stays(void **state)
{
	(void)state;
	bring_up();
	kit_rx_hex(&k, "80 fd 01 01 00 0a 1a 04 78 00 15 03"); /* CCP */
	kit_assert_sent(&k, PPP_LCP, PPP_PROTO_REJ, "80 fd 01 01 00 0a 1a 04 78 00 15 03");
	kit_rx_hex(&k, "80 57 01 01 00 0e 01 0a 00 00 00 00 00 00 00 01"); /* IPV6CP */
	kit_assert_sent(&k, PPP_LCP, PPP_PROTO_REJ,
			"80 57 01 01 00 0e 01 0a 00 00 00 00 00 00 00 01");
	assert_int_equal(k.last_drop, DROP_PPP_PROTO);
	assert_true(ppp_link_is_up(&k.link));
}

static void before_the_network_phase_they_are_ignored(void **state)
{
	(void)state;
	open_lcp();
	kit_forget(&k);
	kit_rx_hex(&k, "80 fd 01 01 00 04");
	kit_rx_hex(&k, "80 21 01 01 00 0a 03 06 00 00 00 00");
	assert_int_equal(k.n_frames, 0);
	assert_int_equal(k.drops, 2);
}

static void a_protocol_reject_is_cut_to_the_mru(void **state)
{
	(void)state;
	uint8_t big[2 + 1600] = {0x80, 0xFD};

	bring_up();
	kit_rx(&k, big, sizeof(big));
	struct span f = ppp_actions_frame(&k.out, 0);
	assert_int_equal(f.n, PPP_HEADER + 1480);
}

static void a_rejected_ipcp_ends_the_link(void **state)
{
	(void)state;
	bring_up();
	kit_rx_hex(&k, "c0 21 08 01 00 06 80 57"); /* never ours: ignored */
	assert_true(ppp_link_is_up(&k.link));
	kit_rx_hex(&k, "c0 21 08 01 00 06 80 21");
	assert_int_equal(k.downs, 1);
	assert_int_equal(k.link.end.cause, TERM_SERVICE_UNAVAILABLE);
}

static void a_looped_line_is_noticed(void **state)
{
	(void)state;
	kit_open(&k);
	for (int i = 0; i < 200 && !k.ended; i++) {
		struct sub_frame all[64];
		unsigned n = k.n_frames;
		memcpy(all, k.frames, sizeof(all));
		k.n_frames = 0;
		for (unsigned j = 0; j < n; j++)
			kit_rx(&k, all[j].b, all[j].n);
		if (n == 0)
			kit_wait(&k, NSEC_S(1));
	}
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_PORT_ERROR);
}

static void our_own_magic_is_naked_alone(void **state)
{
	(void)state;
	kit_open(&k);
	char req[64];
	snprintf(req, sizeof(req), "c0 21 01 09 00 0d 03 03 99 05 06 %08x", k.link.magic);
	kit_rx_hex(&k, req);
	char want[64];
	snprintf(want, sizeof(want), "05 06 %08x", k.link.magic_hint);
	kit_assert_sent(&k, PPP_LCP, PPP_CONF_NAK, want);
	assert_int_not_equal(k.link.magic_hint, k.link.magic);
}

/* ---- endings -------------------------------------------------------------------------------- */

static void the_peers_goodbye_is_acked_and_ends_soon(void **state)
{
	(void)state;
	bring_up();
	kit_rx_hex(&k, "c0 21 05 44 00 04");
	kit_assert_sent(&k, PPP_LCP, PPP_TERM_ACK, "");
	assert_int_equal(kit_sent(&k, PPP_LCP, PPP_TERM_ACK)->b[5], 0x44);
	assert_int_equal(k.downs, 1);
	assert_int_equal(k.ended, 0);
	kit_wait(&k, NSEC_MS(200));
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_USER_REQUEST);
}

static void a_goodbye_in_the_middle_ends_too(void **state)
{
	(void)state;
	kit_open(&k);
	kit_rx_hex(&k, "c0 21 05 44 00 04");
	assert_non_null(kit_sent(&k, PPP_LCP, PPP_TERM_ACK));
	kit_wait(&k, NSEC_MS(200));
	assert_int_equal(k.ended, 1);
}

static void our_goodbye_waits_for_the_ack_but_not_long(void **state)
{
	(void)state;
	bring_up();
	kit_close(&k, TERM_ADMIN_RESET);
	assert_int_equal(k.downs, 1);
	assert_int_equal(k.ended, 0);
	const struct sub_frame *f = kit_sent(&k, PPP_LCP, PPP_TERM_REQ);
	assert_non_null(f);
	char ack[32];
	snprintf(ack, sizeof(ack), "c0 21 06 %02x 00 04", f->b[5]);
	kit_rx_hex(&k, ack);
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_ADMIN_RESET);

	kit_init(&k, 2);
	sub_init(&sub, "joe", "x");
	bring_up();
	kit_close(&k, TERM_ADMIN_RESET);
	kit_close(&k, TERM_IDLE_TIMEOUT); /* the first reason stays */
	kit_wait(&k, NSEC_S(2));
	assert_int_equal(k.n_frames, 2);
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_ADMIN_RESET);
}

static void nothing_starts_again_while_it_ends(void **state)
{
	(void)state;
	bring_up();
	kit_close(&k, TERM_ADMIN_RESET);
	kit_forget(&k);
	kit_rx_hex(&k, "c0 21 01 09 00 04");
	kit_rx_hex(&k, "80 21 01 09 00 04");
	assert_int_equal(k.n_frames, 0);
	kit_wait(&k, NSEC_S(5));
	assert_int_equal(k.ended, 1);
	kit_forget(&k);
	kit_rx_hex(&k, "c0 21 01 09 00 04");
	assert_int_equal(k.n_frames, 0);
	assert_int_equal(k.ended, 0);
}

static void no_address_no_link(void **state)
{
	(void)state;
	k.conf.n_auth = 0;
	open_lcp();
	struct ppp_io io = kit_io(&k);
	struct aaa_profile none = {0};
	struct end_reason why = {0};
	ppp_link_auth_reply(&k.link, &io, true, &why, &none);
	kit_collect(&k);
	kit_wait(&k, NSEC_S(3));
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cdn_result, 2);
	assert_int_equal(k.link.end.cdn_error, 7);
	assert_int_equal(k.link.end.cause, TERM_SERVICE_UNAVAILABLE);
}

/* Every frame of a whole login, cut short anywhere, with junk behind: no crash, no false ending. */
static void truncation_at_every_length_is_harmless(void **state)
{
	(void)state;
	struct sub_frame all[32];
	unsigned n = 0;

	kit_open(&k);
	sub_dial(&sub);
	for (int i = 0; i < 20; i++) {
		for (unsigned j = 0; j < k.n_frames; j++)
			sub_rx(&sub, span_of(k.frames[j].b, k.frames[j].n));
		k.n_frames = 0;
		while (n < 32 && sub_take(&sub, &all[n])) {
			for (size_t cut = 0; cut < all[n].n; cut++)
				kit_rx(&k, all[n].b, cut);
			kit_rx(&k, all[n].b, all[n].n);
			n++;
		}
		if (k.asked) {
			k.asked = 0;
			kit_reply(&k, true);
		}
	}
	assert_true(n >= 6);
	assert_true(sub_up(&sub));
	assert_int_equal(k.ended, 0);
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_chap_login_comes_up_in_one_round),
		T(a_pap_login_carries_name_and_password),
		T(without_authentication_aaa_is_still_asked),
		T(our_first_request_is_exact),
		T(unknown_options_are_rejected_together),
		T(small_mru_and_accm_are_naked),
		T(a_wrong_length_is_naked_with_the_right_one),
		T(a_peer_that_wants_us_to_log_in_is_refused),
		T(option_lengths_that_lie_are_dropped),
		T(naks_turn_into_rejects),
		T(a_nak_of_ours_is_followed),
		T(a_rejected_option_is_left_out),
		T(answers_need_the_right_identifier_and_content),
		T(a_nak_switches_to_the_other_protocol),
		T(a_nak_for_what_we_lack_tries_the_next),
		T(only_protocols_that_are_enabled_are_agreed),
		T(a_peer_that_rejects_authentication_is_sent_away),
		T(a_peer_that_only_rejects_converges),
		T(a_peer_that_only_naks_converges),
		T(a_peer_that_sees_every_second_frame_converges),
		T(lcp_can_start_again_at_any_moment),
		T(a_restart_takes_ip_down_and_authenticates_again),
		T(another_user_cannot_take_over_a_link),
		T(a_restart_while_aaa_thinks_keeps_the_grant),
		T(a_repeated_request_is_no_restart),
		T(a_silent_aaa_is_not_the_subscribers_fault),
		T(lossy_and_doubling_lines_converge),
		T(first_requests_come_fast_then_slow_down),
		T(an_unanswered_link_ends_with_lost_service),
		T(our_request_is_repeated_when_the_peers_comes),
		T(a_repetition_that_just_left_is_sent_again),
		T(echo_goes_out_in_silence_and_ends_a_dead_line),
		T(echo_can_go_out_always),
		T(data_counts_as_a_sign_of_life),
		T(echo_is_answered_with_our_magic_when_open),
		T(unknown_codes_are_rejected),
		T(code_rejects_end_only_what_is_vital),
		T(other_network_protocols_are_rejected_and_ip_stays),
		T(before_the_network_phase_they_are_ignored),
		T(a_protocol_reject_is_cut_to_the_mru),
		T(a_rejected_ipcp_ends_the_link),
		T(a_looped_line_is_noticed),
		T(our_own_magic_is_naked_alone),
		T(the_peers_goodbye_is_acked_and_ends_soon),
		T(a_goodbye_in_the_middle_ends_too),
		T(our_goodbye_waits_for_the_ack_but_not_long),
		T(nothing_starts_again_while_it_ends),
		T(no_address_no_link),
		T(truncation_at_every_length_is_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
