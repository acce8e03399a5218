/* Authentication of the peer: PAP (RFC 1334) and CHAP-MD5 (RFC 1994). */
#include "link_kit.h"

static struct kit k;

static int set_up(void **state)
{
	(void)state;
	kit_init(&k, 1);
	return 0;
}

static void open_with(uint16_t proto)
{
	k.conf.n_auth = 1;
	k.conf.auth[0] = proto;
	kit_open(&k);
	kit_ack(&k, PPP_LCP);
	kit_rx_hex(&k, "c0 21 01 01 00 04");
	assert_int_equal(k.link.phase, PPP_AUTHENTICATE);
}

/* "joe" / "abc" */
static const char pap_joe[] = "c0 23 01 05 00 0c 03 6a 6f 65 03 61 62 63";

static void pap_duplicates_are_acked_again(void **state)
{
	(void)state;
	open_with(AUTH_PAP);
	kit_rx_hex(&k, pap_joe);
	assert_int_equal(k.asked, 1);
	kit_rx_hex(&k, pap_joe); /* repeated while AAA thinks */
	kit_rx_hex(&k, "c0 23 01 06 00 0c 03 6a 6f 65 03 61 62 63");
	assert_int_equal(k.asked, 1);
	kit_reply(&k, true);
	kit_assert_sent(&k, PPP_PAP, 2, "00");
	assert_int_equal(kit_sent(&k, PPP_PAP, 2)->b[5], 6);
	kit_forget(&k);
	kit_rx_hex(&k, "c0 23 01 07 00 0c 03 6a 6f 65 03 61 62 63");
	assert_int_equal(kit_sent(&k, PPP_PAP, 2)->b[5], 7);
	assert_int_equal(k.asked, 0);
}

static void pap_refusal_is_told_then_the_link_ends(void **state)
{
	(void)state;
	open_with(AUTH_PAP);
	kit_rx_hex(&k, pap_joe);
	kit_forget(&k);
	kit_reply(&k, false);
	kit_assert_sent(&k, PPP_PAP, 3, "07 67 6f 20 61 77 61 79");
	assert_int_equal(k.frames[0].b[4], 3);
	assert_int_equal(k.frames[1].b[4], PPP_TERM_REQ); /* after it */
	kit_rx_hex(&k, pap_joe);
	assert_int_equal(k.asked, 0);
	kit_wait(&k, NSEC_S(2));
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_USER_ERROR);
	assert_string_equal(k.link.end.text, "refused");
}

static void pap_lengths_may_lie(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"c0 23 01 05 00 04",
		"c0 23 01 05 00 05 03",
		"c0 23 01 05 00 08 03 6a 6f 65",
		"c0 23 01 05 00 0b 03 6a 6f 65 03 61 62",
		"c0 23 01 05 00 0c ff 6a 6f 65 03 61 62 63",
		"c0 23 01 05 00 0c 03 6a 6f 65 ff 61 62 63",
	};
	open_with(AUTH_PAP);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		kit_rx_hex(&k, bad[i]);
	assert_int_equal(k.drops, sizeof(bad) / sizeof(bad[0]));
	assert_int_equal(k.asked, 0);
	kit_rx_hex(&k, pap_joe);
	assert_int_equal(k.asked, 1);
}

static void what_no_account_can_have_is_refused_at_once(void **state)
{
	(void)state;
	uint8_t b[600] = {0xC0, 0x23, 1, 9, 0, 4 + 2 + 1 + 200, 1, 'x', 200};

	open_with(AUTH_PAP);
	kit_rx(&k, b, 2 + 4 + 2 + 1 + 200);
	assert_int_equal(k.asked, 0);
	assert_non_null(kit_sent(&k, PPP_PAP, 3));
	kit_wait(&k, NSEC_S(2));
	assert_int_equal(k.ended, 1);
}

static void pap_is_ignored_while_chap_is_pending(void **state)
{
	(void)state;
	open_with(AUTH_CHAP);
	kit_rx_hex(&k, pap_joe);
	assert_int_equal(k.asked, 0);
	assert_int_equal(k.last_drop, DROP_PPP_UNEXPECTED);
}

/* A response to the newest challenge of ours. */
static void respond(uint8_t id_offset, uint8_t size)
{
	const struct sub_frame *c = kit_sent(&k, PPP_CHAP, 1);
	char hex[128];

	assert_non_null(c);
	snprintf(hex, sizeof(hex),
		 "c2 23 02 %02x 00 18 %02x 00010203 04050607 08090a0b 0c0d0e0f 6a6f65",
		 (uint8_t)(c->b[5] + id_offset), size);
	kit_rx_hex(&k, hex);
}

static void the_challenge_has_our_name_and_is_repeated(void **state)
{
	(void)state;
	open_with(AUTH_CHAP);
	struct sub_frame first = *kit_sent(&k, PPP_CHAP, 1);
	assert_int_equal(first.n, 8 + 1 + 16 + 3);
	assert_int_equal(first.b[8], 16);
	assert_memory_equal(first.b + 8 + 17, "lns", 3);
	kit_forget(&k);
	kit_wait(&k, NSEC_S(3));
	assert_int_equal(k.n_frames, 1);
	assert_memory_equal(k.frames[0].b, first.b, first.n); /* the same one */
}

static void a_response_becomes_a_question_to_aaa(void **state)
{
	(void)state;
	open_with(AUTH_CHAP);
	const struct sub_frame *c = kit_sent(&k, PPP_CHAP, 1);
	respond(0, 16);
	assert_int_equal(k.asked, 1);
	assert_int_equal(k.auth.proto, AUTH_CHAP);
	assert_int_equal(k.auth.id, c->b[5]);
	assert_true(span_equal(k.auth.user, span_str("joe")));
	assert_int_equal(k.auth.response.n, 16);
	assert_memory_equal(k.auth.response.p, "\x00\x01\x02\x03\x04\x05\x06\x07", 8);
	assert_int_equal(k.auth.challenge.n, 16);
	assert_memory_equal(k.auth.challenge.p, c->b + 9, 16);
	kit_reply(&k, true);
	kit_assert_sent(&k, PPP_CHAP, 3, "");
}

static void a_late_duplicate_gets_success_again(void **state)
{
	(void)state;
	open_with(AUTH_CHAP);
	respond(0, 16);
	respond(0, 16);
	assert_int_equal(k.asked, 1);
	kit_reply(&k, true);
	unsigned before = k.n_frames;
	respond(0, 16);
	assert_int_equal(k.asked, 1);
	assert_int_equal(k.n_frames, before + 1);
	assert_int_equal(k.frames[before].b[4], 3);
}

static void responses_must_fit_the_challenge(void **state)
{
	(void)state;
	open_with(AUTH_CHAP);
	respond(1, 16);
	assert_int_equal(k.last_drop, DROP_PPP_UNEXPECTED);
	respond(0, 15);
	assert_int_equal(k.last_drop, DROP_PPP_MALFORMED);
	respond(0, 200);
	respond(0, 0);
	assert_int_equal(k.drops, 4);
	assert_int_equal(k.asked, 0);
	for (size_t n = 0; n < 26; n++) {
		uint8_t b[64];
		const struct sub_frame *c = kit_sent(&k, PPP_CHAP, 1);
		char hex[128];
		snprintf(hex, sizeof(hex),
			 "c2 23 02 %02x 00 18 10 00010203 04050607 08090a0b "
			 "0c0d0e0f 6a6f65",
			 c->b[5]);
		test_unhex(hex, b, sizeof(b));
		kit_rx(&k, b, n < 25 ? n : 25); /* one byte short at most */
	}
	assert_int_equal(k.asked, 0);
}

static void a_silent_peer_is_challenged_ten_times(void **state)
{
	(void)state;
	open_with(AUTH_CHAP);
	kit_forget(&k);
	kit_wait(&k, NSEC_S(40));
	unsigned challenges = 0;
	for (unsigned i = 0; i < k.n_frames; i++)
		challenges += k.frames[i].b[2] == 0xC2;
	assert_int_equal(challenges, 9);
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_REAUTHENTICATION_FAILURE);
}

static void a_silent_pap_peer_times_out(void **state)
{
	(void)state;
	open_with(AUTH_PAP);
	kit_wait(&k, NSEC_S(59));
	assert_int_equal(k.ended, 0);
	kit_wait(&k, NSEC_S(3));
	assert_int_equal(k.ended, 1);
}

/* Each new LCP would begin the time to log in anew. */
static void beginning_anew_is_no_way_to_stay(void **state)
{
	(void)state;
	unsigned rounds = 0;

	open_with(AUTH_PAP);
	for (; rounds < 20; rounds++) {
		kit_wait(&k, NSEC_S(30));
		if (k.ended)
			break;
		kit_forget(&k);
		kit_rx_hex(&k, "c0 21 01 01 00 04");
		kit_ack(&k, PPP_LCP);
		assert_int_equal(k.link.phase, PPP_AUTHENTICATE);
	}
	assert_in_range(rounds, 2, 4);
}

static void periodic_challenges_keep_the_link_up(void **state)
{
	(void)state;
	k.conf.chap_interval_s = 30;
	k.conf.echo_interval_s = 0;
	k.conf.max_configure = 100;
	open_with(AUTH_CHAP);
	respond(0, 16);
	kit_reply(&k, true);
	uint8_t first = kit_sent(&k, PPP_CHAP, 1)->b[5];
	kit_ack(&k, PPP_IPCP);
	kit_rx_hex(&k, "80 21 01 01 00 0a 03 06 0a 00 00 02");
	assert_true(ppp_link_is_up(&k.link));
	kit_forget(&k);
	kit_wait(&k, NSEC_S(30));
	assert_int_equal(kit_sent(&k, PPP_CHAP, 1)->b[5], (uint8_t)(first + 1));
	respond(0, 16);
	assert_int_equal(k.asked, 1);
	assert_true(k.auth.reauth);
	kit_reply(&k, true);
	assert_non_null(kit_sent(&k, PPP_CHAP, 3));
	assert_true(ppp_link_is_up(&k.link));
	assert_int_equal(k.downs, 0);

	kit_forget(&k);
	kit_wait(&k, NSEC_S(30));
	respond(0, 16);
	kit_reply(&k, false);
	kit_assert_sent(&k, PPP_CHAP, 4, "67 6f 20 61 77 61 79");
	assert_int_equal(k.downs, 1);
	kit_wait(&k, NSEC_S(2));
	assert_int_equal(k.ended, 1);
}

static void success_is_repeated_to_a_peer_that_missed_it(void **state)
{
	(void)state;
	open_with(AUTH_CHAP);
	respond(0, 16);
	kit_reply(&k, true);
	kit_forget(&k);
	kit_wait(&k, NSEC_S(3));
	assert_non_null(kit_sent(&k, PPP_CHAP, 3));
	kit_ack(&k, PPP_IPCP); /* a sign of the network phase */
	kit_forget(&k);
	kit_wait(&k, NSEC_S(3));
	assert_null(kit_sent(&k, PPP_CHAP, 3));
}

/* The answer of AAA to a link that ended meanwhile changes nothing. */
static void a_late_answer_of_aaa_is_ignored(void **state)
{
	(void)state;
	open_with(AUTH_PAP);
	kit_rx_hex(&k, pap_joe);
	kit_close(&k, TERM_ADMIN_RESET);
	kit_forget(&k);
	kit_reply(&k, true);
	assert_int_equal(k.n_frames, 0);
	kit_wait(&k, NSEC_S(5));
	assert_int_equal(k.link.end.cause, TERM_ADMIN_RESET);
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pap_duplicates_are_acked_again),
		T(pap_refusal_is_told_then_the_link_ends),
		T(pap_lengths_may_lie),
		T(what_no_account_can_have_is_refused_at_once),
		T(pap_is_ignored_while_chap_is_pending),
		T(the_challenge_has_our_name_and_is_repeated),
		T(a_response_becomes_a_question_to_aaa),
		T(a_late_duplicate_gets_success_again),
		T(responses_must_fit_the_challenge),
		T(a_silent_peer_is_challenged_ten_times),
		T(a_silent_pap_peer_times_out),
		T(beginning_anew_is_no_way_to_stay),
		T(periodic_challenges_keep_the_link_up),
		T(success_is_repeated_to_a_peer_that_missed_it),
		T(a_late_answer_of_aaa_is_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
