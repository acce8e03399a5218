/* `show bgp` as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bgp_kit.h"
#include "control/bgp_show.h"

static struct bgp_kit k;
static struct show_text t;

static void columns_are_the_known_ones(void **state)
{
	(void)state;
	bgp_kit_start(&k);
	show_clear(&t);
	show_bgp_header(&t, &k.speaker);
	show_bgp_line(&t, k.peer, k.now);
	assert_string_equal(t.s, "BGPv4 router identifier 192.0.2.1, local AS number 65000\n"
				 "\n"
				 "Peer                  AS         Address State       Retries "
				 "Retry in Route Pend    Timers\n"
				 "------------------ ----- --------------- ----------- ------- "
				 "-------- ----- ---- ---------\n"
				 "192.0.2.2          65001       192.0.2.2 Idle              0     "
				 "  0s   yes   no   60  180\n");
	bgp_kit_stop(&k);
}

static void details_tell_the_last_error(void **state)
{
	(void)state;
	uint8_t bytes[256];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct bgp_open open = {.as = 65001, .hold_s = 9, .id = ip_addr_v4(2)};
	struct bgp_error e;

	bgp_kit_start(&k);
	bgp_speaker_turn(&k.speaker, k.now);
	bgp_peer_connected(k.peer, bgp_kit_local(), k.now);
	bgp_open_encode(&w, &open, true);
	bgp_keepalive_encode(&w);
	bgp_peer_rx(k.peer, BGP_OUT, wbuf_written(&w), k.now);
	show_clear(&t);
	show_bgp_detail(&t, k.peer, nsec_add(k.now, NSEC_S(2)));
	assert_non_null(strstr(t.s, "Neighbour 192.0.2.2, address 192.0.2.2, AS 65001\n"));
	assert_non_null(strstr(t.s, "State:              Established\n"));
	assert_non_null(strstr(t.s, "Timers:             keepalive 3 s, hold 9 s\n"));
	assert_non_null(strstr(t.s, "Hold expires in:    7 s\n"));
	assert_non_null(strstr(t.s, "Routes:             announced, changes pending\n"));
	assert_null(strstr(t.s, "Last notification"));
	w = wbuf_of(bytes, sizeof(bytes));
	bgp_error_cease(&e, BGP_ERR_CEASE_SHUTDOWN, "back at 5\n");
	bgp_notification_encode(&w, &e);
	bgp_peer_rx(k.peer, BGP_OUT, wbuf_written(&w), k.now);
	show_clear(&t);
	show_bgp_detail(&t, k.peer, k.now);
	assert_non_null(strstr(
		t.s, "Last notification:  received 6/2 administrative shutdown: back at 5?\n"));
	assert_non_null(strstr(t.s, "NOTIFICATION              1          0\n"));
	bgp_kit_stop(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_the_known_ones),
		cmocka_unit_test(details_tell_the_last_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
