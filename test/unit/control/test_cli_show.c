#include "control/cli_show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct show_text text;

static struct session_view session(void)
{
	struct session_view v = {.key = {.tid = 7, .sid = 12345, .gen = 1},
				 .authenticated = true,
				 .user_len = 5,
				 .user = "alice",
				 .ip = ip_addr_v4(0x0A0A0A05),
				 .opened_s = 100,
				 .idle_s = 3,
				 .session_timeout_s = 3600,
				 .unique_id = 77,
				 .peer_tid = 1,
				 .peer_sid = 2,
				 .counters = {.up_packets = 10,
					      .up_bytes = 1000,
					      .down_packets = 20,
					      .down_bytes = 5000000000u}};
	v.path.peer = (struct sock_addr){ip_addr_v4(0xC0000201), 1701};
	v.calling.n = 4;
	memcpy(v.calling.s, "0301", 4);
	return v;
}

static void assert_text(const char *expected)
{
	assert_string_equal(text.s, expected);
}

static void assert_has(const char *what)
{
	if (!strstr(text.s, what))
		fail_msg("\"%s\" is not in:\n%s", what, text.s);
}

static void a_session_is_one_line_of_known_columns(void **state)
{
	(void)state;
	struct session_view v = session();

	show_clear(&text);
	show_session_header(&text);
	assert_text(
		"  SID LkToSID   TID Username                         IP              I T G 6 "
		"    opened downloaded   uploaded idle   Rem.Time LAC(L)/RLNS(R)/PPPOE(P) CLI\n");
	show_clear(&text);
	show_session_line(&text, &v);
	assert_text("12345       0     7 alice                            10.10.10.5      N N N N "
		    "       100 5000000000       1000    3       3500 (L)192.0.2.1       0301\n");
	v.authenticated = false;
	v.calling.n = 0;
	v.ip = (struct ip_addr){0};
	show_clear(&text);
	show_session_line(&text, &v);
	assert_text("12345       0     7 *                                0.0.0.0         N N N N "
		    "       100 5000000000       1000    3       3500 (L)192.0.2.1       *\n");
}

/* An escape sequence in a user name would be the terminal's next command. */
static void bytes_of_peers_do_not_reach_the_terminal(void **state)
{
	(void)state;
	struct session_view v = session();
	struct tunnel_view t = {.tid = 1, .state = TUNNEL_OPEN};

	v.user_len = LNS_USER_MAX;
	memset(v.user, 0x1b, LNS_USER_MAX);
	memcpy(v.calling.s, "\r\n\x80\x07", 4);
	t.host_name.n = LNS_NUMBER_MAX;
	memset(t.host_name.s, 0xff, LNS_NUMBER_MAX);
	show_clear(&text);
	show_session_line(&text, &v);
	show_session_detail(&text, &v, NULL);
	show_user_line(&text, &v);
	show_tunnel_line(&text, &t, true);
	show_tunnel_detail(&text, &t, NULL);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.s[i];
		assert_true((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t');
	}
	assert_has("????");
}

static void details_of_a_session(void **state)
{
	(void)state;
	struct session_view v = session();
	struct msg_session_info info = {
		.found = true, .phase = 3, .lcp = 9, .ipcp = 6, .mru = 1462};

	v.n_routes = 1;
	v.routes[0] = (struct ip_prefix){ip_addr_v4(0x0A140000), 16};
	v.idle_timeout_s = 60;
	show_clear(&text);
	show_session_detail(&text, &v, &info);
	assert_has("Session 12345:\n\tUser:           alice\n\tCalling Num:    0301\n");
	assert_has("\tTunnel ID:      7\n");
	assert_has("\tPPP Phase:      Network\n\tIPCP state:     Request-Sent\n");
	assert_has("\tIP address:     10.10.10.5\n\tRoute:          10.20.0.0/16\n");
	assert_has("\tSess Timeout:   3500 seconds\n\tIdle Timeout:   57 seconds\n");
	assert_has("\tBytes In/Out:   5000000000/1000\n\tPkts In/Out:    20/10\n");
	assert_has("\tMRU:            1462\n");
	info.phase = 1;
	show_clear(&text);
	show_session_detail(&text, &v, &info);
	assert_has("\tPPP Phase:      Establish\n\tLCP state:      Opened\n");
	info.phase = 200; /* of a newer worker */
	show_clear(&text);
	show_session_detail(&text, &v, &info);
	assert_has("\tPPP Phase:      unknown\n");
	show_clear(&text);
	show_session_detail(&text, &v, NULL);
	assert_has("\tPPP Phase:      unknown\n");
}

static void closing_tunnels_are_shown_on_request(void **state)
{
	(void)state;
	struct tunnel_view t = {.tid = 42, .state = TUNNEL_OPEN, .sessions = 3};

	t.path.peer = (struct sock_addr){ip_addr_v4(0xC0000201), 1701};
	show_clear(&text);
	show_tunnel_header(&text);
	show_tunnel_line(&text, &t, false);
	assert_text("  TID             Hostname                   IP  State Sessions\n"
		    "   42               (null)            192.0.2.1   Open      3   to LAC\n");
	t.state = TUNNEL_CLOSING;
	show_clear(&text);
	show_tunnel_line(&text, &t, false);
	assert_text("");
	show_tunnel_line(&text, &t, true);
	assert_has("Closing");
}

static void session_ids_of_a_tunnel_are_listed(void **state)
{
	(void)state;
	uint16_t sids[20];

	for (unsigned i = 0; i < 20; i++)
		sids[i] = (uint16_t)(65535 - i);
	show_clear(&text);
	show_tunnel_sessions(&text, sids, 20, true);
	assert_has("\tSessions:       65535 65534 ");
	assert_has(" 65520\n\t                65519 65518 65517 65516\n");
	show_clear(&text);
	show_tunnel_sessions(&text, sids, 0, true);
	assert_text("\tSessions:       none\n");
}

static void pool_addresses(void **state)
{
	(void)state;
	struct ippool_view v = {.ip = ip_addr_v4(0x0A0A0A01)};

	show_clear(&text);
	show_pool_header(&text);
	show_pool_line(&text, &v, false); /* never used: only with all */
	assert_text("IP Address      Used     Session User\n");
	show_clear(&text);
	show_pool_line(&text, &v, true);
	assert_text("10.10.10.1         N\n");
	v.user_len = 3;
	memcpy(v.user, "bob", 3);
	v.age_s = 17;
	show_clear(&text);
	show_pool_line(&text, &v, false);
	assert_text("10.10.10.1         N             [bob] 17s\n");
	v.used = true;
	v.key = (struct sess_key){7, 9, 1};
	show_clear(&text);
	show_pool_line(&text, &v, false);
	assert_text("10.10.10.1         Y         7/9 bob\n");
	v.pool = "gold";
	show_clear(&text);
	show_pool_line(&text, &v, false);
	assert_text("10.10.10.1         Y         7/9 bob pool gold\n");
	struct ippool_name_view name = {.name = "gold", .next = "silver", .used = 3, .total = 254};
	show_clear(&text);
	show_pool_name(&text, &name);
	assert_text("gold            used 3 of 254, then silver\n");
	show_clear(&text);
	show_pool_totals(&text, 3, 10);
	assert_text("\nFree: 7\nUsed: 3\n");
}

static void counters_are_sums_less_the_baseline(void **state)
{
	(void)state;
	static struct counters a, b;
	const struct counters *const blocks[] = {&a, &b};
	struct counter_totals base, now;

	counter_add(&a, C_UP_BYTES, 5);
	counter_drop(&b, DROP_SPOOF, 2);
	counter_totals_read(&base, blocks, 2, NULL);
	counter_add(&b, C_UP_BYTES, 7);
	counter_drop(&a, DROP_SPOOF, 1);
	counter_totals_read(&now, blocks, 2, &base);
	assert_int_equal(base.events[C_UP_BYTES], 5);
	assert_int_equal(now.events[C_UP_BYTES], 7);
	assert_int_equal(now.drops[DROP_SPOOF], 1);
	show_clear(&text);
	show_counters(&text, &now, "never");
	assert_has("Ethernet              Bytes        Packets     Errors    Dropped\nRX  ");
	assert_has("TX                        7              0          0          0\n");
	assert_has("tunnel_created                0\n");
	assert_has("drop_spoof                    1\n");
	assert_has("Last counter reset never\n");
}

static void every_counter_and_drop_has_a_line(void **state)
{
	(void)state;
	struct counter_totals c;

	for (unsigned i = 0; i < COUNTERS; i++)
		c.events[i] = UINT64_MAX;
	for (unsigned i = 0; i < DROPS; i++)
		c.drops[i] = UINT64_MAX;
	show_clear(&text);
	show_counters(&text, &c, "never");
	unsigned lines = 0;
	for (const char *at = text.s; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 4 + 4 + 2 + COUNTERS + DROPS + 2);
}

static void uptime_reads_as_before(void **state)
{
	(void)state;
	static const struct {
		uint64_t s;
		const char *expected;
	} cases[] = {{0, "up 0 secs,"},		  {1, "up 1 sec,"},   {61, "up 1 min,"},
		     {3540, "up 59 mins,"},	  {7260, "up 2:01,"}, {86400, "up 1 day, 0 mins,"},
		     {180120, "up 2 days, 2:02,"}};
	struct uptime_view v = {.clock = "10:00:00",
				.users = 5,
				.load = {0.5, 1, 2},
				.rates = {.lac_rx_bytes = 1 << 20,
					  .lac_tx_bytes = 1 << 18,
					  .in_packets = 100,
					  .out_packets = 200}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v.up_s = cases[i].s;
		show_clear(&text);
		show_uptime(&text, &v);
		assert_has(cases[i].expected);
	}
	assert_text("10:00:00 up 2 days, 2:02, 5 users, load average: 0.50, 1.00, 2.00\n"
		    "Bandwidth: UDP-ETH:8/0  ETH-UDP:0/2  TOTAL:10.0   IN:100 OUT:200\n");
}

static void a_full_text_keeps_whole_lines(void **state)
{
	(void)state;
	show_clear(&text);
	for (unsigned i = 0; i < 4000; i++)
		show_line(&text, "%08u", i);
	assert_true(text.n < sizeof(text.s));
	assert_int_equal(text.s[text.n - 1], '\n');
	assert_int_equal(text.s[text.n], '\0');
	assert_int_equal(text.n % 9, 0);
}

static void rates_are_differences_per_second(void **state)
{
	(void)state;
	static struct counters c;
	const struct counters *const blocks[] = {&c};
	struct rates r = {0};

	counter_add(&c, C_L2TP_RX_BYTES, 1000000);
	rates_sample(&r, blocks, 1, (nsec){NSEC_S(5)});
	assert_int_equal(r.view.lac_rx_bytes, 0); /* nothing to compare with */
	counter_add(&c, C_L2TP_RX_BYTES, 500);
	counter_add(&c, C_DOWN_PACKETS, 50);
	rates_sample(&r, blocks, 1, (nsec){NSEC_MS(5500)});
	assert_int_equal(r.view.lac_rx_bytes, 1000);
	assert_int_equal(r.view.out_packets, 100);
	rates_sample(&r, blocks, 1, (nsec){NSEC_MS(5500)}); /* no time passed */
	assert_int_equal(r.view.lac_rx_bytes, 1000);
	rates_sample(&r, blocks, 1, (nsec){NSEC_MS(6500)});
	assert_int_equal(r.view.lac_rx_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_one_line_of_known_columns),
		cmocka_unit_test(bytes_of_peers_do_not_reach_the_terminal),
		cmocka_unit_test(details_of_a_session),
		cmocka_unit_test(closing_tunnels_are_shown_on_request),
		cmocka_unit_test(session_ids_of_a_tunnel_are_listed),
		cmocka_unit_test(pool_addresses),
		cmocka_unit_test(counters_are_sums_less_the_baseline),
		cmocka_unit_test(every_counter_and_drop_has_a_line),
		cmocka_unit_test(uptime_reads_as_before),
		cmocka_unit_test(a_full_text_keeps_whole_lines),
		cmocka_unit_test(rates_are_differences_per_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
