/* IPCP (RFC 1332, 1877): addresses are given, not discussed. */
#include "link_kit.h"

static struct kit k;

/* Network phase; AAA gave 10.0.0.2, name server 8.8.8.8 and no second one. */
static int set_up(void **state)
{
	(void)state;
	kit_init(&k, 1);
	k.conf.n_auth = 0;
	kit_open(&k);
	kit_ack(&k, PPP_LCP);
	kit_rx_hex(&k, "c0 21 01 01 00 04");
	kit_reply(&k, true);
	assert_int_equal(k.link.phase, PPP_NETWORK);
	return 0;
}

static void we_tell_our_address(void **state)
{
	(void)state;
	kit_assert_sent(&k, PPP_IPCP, PPP_CONF_REQ, "03 06 0a 00 00 01");
}

static void the_peer_is_led_to_its_address(void **state)
{
	(void)state;
	kit_rx_hex(&k, "80 21 01 01 00 0a 03 06 00 00 00 00");
	kit_assert_sent(&k, PPP_IPCP, PPP_CONF_NAK, "03 06 0a 00 00 02");
	kit_rx_hex(&k, "80 21 01 02 00 0a 03 06 0a 00 00 02");
	kit_assert_sent(&k, PPP_IPCP, PPP_CONF_ACK, "03 06 0a 00 00 02");
	assert_int_equal(k.ups, 0);
	kit_ack(&k, PPP_IPCP);
	assert_int_equal(k.ups, 1);
}

static void a_request_without_an_address_gets_it_appended(void **state)
{
	(void)state;
	kit_rx_hex(&k, "80 21 01 01 00 04");
	kit_assert_sent(&k, PPP_IPCP, PPP_CONF_NAK, "03 06 0a 00 00 02");
	for (int i = 0; i < 10; i++)
		kit_rx_hex(&k, "80 21 01 01 00 04"); /* it never will */
	kit_assert_sent(&k, PPP_IPCP, PPP_CONF_ACK, "");
}

static void what_pppd_asks_is_answered_in_one_packet(void **state)
{
	(void)state;
	/* address, VJ compression, both name servers, both NBNS */
	kit_rx_hex(&k, "80 21 01 01 00 28 03 06 00 00 00 00 02 06 00 2d 0f 01 81 06 00 00 00 00 "
		       "83 06 00 00 00 00 82 06 00 00 00 00 84 06 00 00 00 00");
	kit_assert_sent(&k, PPP_IPCP, PPP_CONF_REJ,
			"02 06 00 2d 0f 01 83 06 00 00 00 00 82 06 00 00 00 00 "
			"84 06 00 00 00 00");
	kit_rx_hex(&k, "80 21 01 02 00 10 03 06 00 00 00 00 81 06 00 00 00 00");
	kit_assert_sent(&k, PPP_IPCP, PPP_CONF_NAK, "03 06 0a 00 00 02 81 06 08 08 08 08");
}

static void ip_addresses_option_is_rejected(void **state)
{
	(void)state;
	kit_rx_hex(&k, "80 21 01 01 00 0e 01 0a 00 00 00 00 00 00 00 00");
	kit_assert_sent(&k, PPP_IPCP, PPP_CONF_REJ, "01 0a 00 00 00 00 00 00 00 00");
}

static void our_address_stays_whatever_the_peer_says(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		char nak[64];
		snprintf(nak, sizeof(nak), "80 21 03 %02x 00 0a 03 06 c0 a8 00 01",
			 kit_sent(&k, PPP_IPCP, PPP_CONF_REQ)->b[5]);
		kit_rx_hex(&k, nak);
		kit_assert_sent(&k, PPP_IPCP, PPP_CONF_REQ, "03 06 0a 00 00 01");
	}
	for (int i = 0; i < 4; i++) {
		char nak[64];
		snprintf(nak, sizeof(nak), "80 21 03 %02x 00 0a 03 06 c0 a8 00 01",
			 kit_sent(&k, PPP_IPCP, PPP_CONF_REQ)->b[5]);
		kit_rx_hex(&k, nak);
	}
	kit_assert_sent(&k, PPP_IPCP, PPP_CONF_REQ, ""); /* then it goes without */
	assert_int_equal(k.ended, 0);
}

static void a_reject_of_our_address_is_taken(void **state)
{
	(void)state;
	char rej[64];
	snprintf(rej, sizeof(rej), "80 21 04 %02x 00 0a 03 06 0a 00 00 01",
		 kit_sent(&k, PPP_IPCP, PPP_CONF_REQ)->b[5]);
	kit_rx_hex(&k, rej);
	kit_assert_sent(&k, PPP_IPCP, PPP_CONF_REQ, "");
	kit_ack(&k, PPP_IPCP);
	kit_rx_hex(&k, "80 21 01 02 00 0a 03 06 0a 00 00 02");
	assert_int_equal(k.ups, 1);
}

/* RFC 1661 5.4: what it names must be ours. */
static void a_reject_of_what_we_never_asked_is_dropped(void **state)
{
	(void)state;
	char rej[64];
	snprintf(rej, sizeof(rej), "80 21 04 %02x 00 0a 81 06 00 00 00 00",
		 kit_sent(&k, PPP_IPCP, PPP_CONF_REQ)->b[5]);
	kit_forget(&k);
	kit_rx_hex(&k, rej);
	assert_int_equal(k.n_frames, 0);
	assert_int_equal(k.last_drop, DROP_PPP_UNEXPECTED);
}

static void the_peer_may_close_and_open_it_again(void **state)
{
	(void)state;
	kit_ack(&k, PPP_IPCP);
	kit_rx_hex(&k, "80 21 01 02 00 0a 03 06 0a 00 00 02");
	assert_int_equal(k.ups, 1);
	kit_rx_hex(&k, "80 21 05 09 00 04");
	kit_assert_sent(&k, PPP_IPCP, PPP_TERM_ACK, "");
	assert_int_equal(k.downs, 1);
	kit_wait(&k, NSEC_S(1));
	assert_int_equal(k.ended, 0);
	kit_forget(&k);
	kit_rx_hex(&k, "80 21 01 03 00 0a 03 06 0a 00 00 02");
	kit_ack(&k, PPP_IPCP);
	assert_int_equal(k.ups, 1);
}

static void without_ipcp_the_link_ends(void **state)
{
	(void)state;
	kit_wait(&k, NSEC_S(60));
	assert_int_equal(k.ended, 1);
	assert_int_equal(k.link.end.cause, TERM_LOST_SERVICE);
}

static void a_repeated_request_is_acked_without_going_down(void **state)
{
	(void)state;
	kit_ack(&k, PPP_IPCP);
	kit_rx_hex(&k, "80 21 01 02 00 0a 03 06 0a 00 00 02");
	kit_forget(&k);
	kit_rx_hex(&k, "80 21 01 02 00 0a 03 06 0a 00 00 02");
	assert_int_equal(k.downs, 0);
	assert_int_equal(k.n_frames, 1);
	assert_int_equal(k.frames[0].b[4], PPP_CONF_ACK);
	kit_rx_hex(&k, "80 21 01 03 00 0a 03 06 0a 00 00 02"); /* a new one is a new start */
	assert_int_equal(k.downs, 1);
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(we_tell_our_address),
		T(the_peer_is_led_to_its_address),
		T(a_request_without_an_address_gets_it_appended),
		T(what_pppd_asks_is_answered_in_one_packet),
		T(ip_addresses_option_is_rejected),
		T(our_address_stays_whatever_the_peer_says),
		T(a_reject_of_our_address_is_taken),
		T(a_reject_of_what_we_never_asked_is_dropped),
		T(the_peer_may_close_and_open_it_again),
		T(without_ipcp_the_link_ends),
		T(a_repeated_request_is_acked_without_going_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
