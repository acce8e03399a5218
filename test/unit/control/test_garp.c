#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "control/garp.h"
#include "test_bytes.h"

static void an_announcement_names_its_address_twice(void **state)
{
	(void)state;
	static const uint8_t mac[GARP_MAC] = {2, 0, 0, 0, 0, 1};
	uint8_t bytes[64], expected[64];
	struct ip_addr ip = ip_addr_v4(0xC0000201);
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	garp_encode(&w, mac, &ip);
	size_t n = test_unhex("ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 "
			      "c0000201 000000000000 c0000201",
			      expected, sizeof(expected));
	assert_int_equal(w.n, GARP_FRAME);
	assert_int_equal(n, GARP_FRAME);
	assert_memory_equal(bytes, expected, n);
}

static void an_address_of_nobody_is_not_announced(void **state)
{
	(void)state;
	struct garp_place places[] = {
		{.ip = ip_addr_v4(0xC6336401), .ifindex = 7}, {.ip.family = 6}, {.ip.family = 0}};
	assert_int_equal(garp_update(places, 3), 0);
	assert_int_equal(places[0].ifindex, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_announcement_names_its_address_twice),
		cmocka_unit_test(an_address_of_nobody_is_not_announced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
