/* dp_tap: a watched session's packets are copied as the subscriber sends and gets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dataplane/dp_down.h"
#include "dataplane/dp_up.h"
#include "dp_fixture.h"

static struct dp_down down;
static struct dp_tap tap;
static void *memory;

static int set_up(void **state)
{
	static struct fixture f;
	fix_start(&f);
	memory = aligned_alloc(64, DP_TAP_RING);
	assert_non_null(memory);
	dp_tap_init(&tap, memory);
	f.world.tap = &tap;
	memset(&down, 0, sizeof(down));
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	fix_stop(*state);
	free(memory);
	return 0;
}

static void watch(struct fixture *f)
{
	f->spec.flags |= DP_TAP;
	fix_publish(f);
}

static void expect_copy(const struct fixture *f, bool to_subscriber, const uint8_t *bytes, size_t n)
{
	struct span packet;
	const struct dp_tap_record *r = dp_tap_next(&tap, &packet);

	assert_non_null(r);
	assert_true(sess_key_equal(r->key, f->spec.key));
	assert_int_equal(r->down, to_subscriber);
	assert_int_equal(r->at.ns, f->world.now.ns);
	assert_int_equal(packet.n, n);
	assert_memory_equal(packet.p, bytes, n);
	dp_tap_done(&tap);
}

static void expect_nothing(void)
{
	struct span packet;
	assert_null(dp_tap_next(&tap, &packet));
}

static void send_up(struct fixture *f, uint8_t *packet, size_t n)
{
	uint8_t datagram[2100];
	struct wbuf out = wbuf_of(datagram, sizeof(datagram));
	struct dp_up_result result;

	wbuf_u16(&out, 2);
	wbuf_u16(&out, FIX_TID);
	wbuf_u16(&out, FIX_SID);
	wbuf_u16(&out, 0xFF03);
	wbuf_u16(&out, 0x0021);
	wbuf_bytes(&out, packet, n);
	struct dp_datagram in = {.p = datagram, .n = out.n, .path = &f->path};
	dp_up(&f->world, &in, 1, &result);
	assert_int_equal(result.verdict, DP_UP_FORWARD);
}

static void nobody_else_pays(void **state)
{
	struct fixture *f = *state;
	uint8_t p[200];

	send_up(f, p, fix_udp(p, fix_ip(10, 0, 0, 1), fix_ip(8, 8, 8, 8), 200, 0));
	expect_nothing();
	assert_int_equal(counter_get(&f->counters, C_TAP_COPIES), 0);
}

static void both_directions_are_copied(void **state)
{
	struct fixture *f = *state;
	uint8_t up[200], room[64 + 300], before[300];

	watch(f);
	fix_udp(up, fix_ip(10, 0, 0, 1), fix_ip(8, 8, 8, 8), 200, 0);
	send_up(f, up, 200);
	expect_copy(f, false, up, 200);
	fix_udp(room + 64, fix_ip(8, 8, 8, 8), fix_ip(10, 0, 0, 1), 300, 0);
	memcpy(before, room + 64, 300);
	struct dp_packet in = {.p = room + 64, .n = 300};
	dp_down(&f->world, &down, &in, 1);
	expect_copy(f, true, before, 300);
	expect_nothing();
	assert_int_equal(counter_get(&f->counters, C_TAP_COPIES), 2);
}

static void fragments_are_copied_as_they_leave(void **state)
{
	struct fixture *f = *state;
	static uint8_t room[64 + 2000];
	struct span packet;
	unsigned n = 0;

	watch(f);
	fix_udp(room + 64, fix_ip(8, 8, 8, 8), fix_ip(10, 0, 0, 1), 2000, 0);
	struct dp_packet in = {.p = room + 64, .n = 2000};
	dp_down(&f->world, &down, &in, 1);
	for (; dp_tap_next(&tap, &packet); n++) {
		struct dp_ip4 h;
		assert_int_equal(dp_ip4_decode(packet, &h), DP_IP_OK);
		assert_int_equal(h.total_len, packet.n);
		assert_in_range(packet.n, 1, 1492);
		dp_tap_done(&tap);
	}
	assert_int_equal(n, 2);
}

static void segments_of_a_super_packet_are_copied_whole(void **state)
{
	struct fixture *f = *state;
	static uint8_t room[64 + 3028];
	struct span packet;
	unsigned n = 0;

	watch(f);
	fix_udp(room + 64, fix_ip(8, 8, 8, 8), fix_ip(10, 0, 0, 1), 3028, 0);
	struct dp_packet in = {
		.p = room + 64, .n = 3028, .super = {.size = 1000, .l4 = 20, .udp = true}};
	dp_down(&f->world, &down, &in, 1);
	for (; dp_tap_next(&tap, &packet); n++) {
		struct dp_ip4 h;
		assert_int_equal(dp_ip4_decode(packet, &h), DP_IP_OK);
		assert_int_equal(packet.n, 1028);
		assert_int_equal(h.total_len, 1028);
		assert_memory_equal(packet.p + 28, room + 64 + 28 + n * 1000, 1000);
		dp_tap_done(&tap);
	}
	assert_int_equal(n, 3);
}

static void a_full_queue_loses_copies_only(void **state)
{
	struct fixture *f = *state;
	uint8_t p[1000];
	unsigned sent = 2 * DP_TAP_RING / 1000;

	watch(f);
	for (unsigned i = 0; i < sent; i++)
		send_up(f, p, fix_udp(p, fix_ip(10, 0, 0, 1), fix_ip(8, 8, 8, 8), 1000, 0));
	uint64_t copies = counter_get(&f->counters, C_TAP_COPIES);
	assert_in_range(copies, 1, sent - 1);
	assert_int_equal(copies + counter_get(&f->counters, C_TAP_LOST), sent);
	assert_int_equal(counter_get(&f->counters, C_UP_PACKETS), sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_else_pays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(both_directions_are_copied, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fragments_are_copied_as_they_leave, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(segments_of_a_super_packet_are_copied_whole, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_full_queue_loses_copies_only, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
