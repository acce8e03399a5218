/* steer_tun: the program as the kernel runs it (BPF_PROG_TEST_RUN); skipped where it does not load.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "dataplane/steer_tun.h"
#include "test_alloc.h"
#include "test_random.h"

static struct test_alloc heap;

/* The kernel takes a frame apart before it runs a socket's filter: an Ethernet header is cut off.
 */
static int queue_of(const struct steer_tun *s, const uint8_t *packet, unsigned n)
{
	uint8_t frame[128] = {[12] = 0x88, [13] = 0xB5}; /* a type that it does not look into */
	union bpf_attr attr = {.test.prog_fd = (uint32_t)steer_tun_program_fd(s),
			       .test.data_in = (uint64_t)(uintptr_t)frame,
			       .test.data_size_in = 14 + n};

	memcpy(frame + 14, packet, n);
	assert_int_equal(syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)), 0);
	return (int)attr.test.retval;
}

static int queue4(const struct steer_tun *s, uint32_t ip)
{
	uint8_t p[28] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17};

	for (unsigned i = 0; i < 4; i++)
		p[16 + i] = (uint8_t)(ip >> (24 - 8 * i));
	return queue_of(s, p, sizeof(p));
}

static int queue6(const struct steer_tun *s, const char *address)
{
	uint8_t p[48] = {0x60, 0, 0, 0, 0, 8, 17, 64};
	struct ip_addr a;

	assert_true(ip_addr_parse(span_of(address, strlen(address)), &a));
	memcpy(p + 24, a.b, 16);
	return queue_of(s, p, sizeof(p));
}

static void set(struct steer_tun *s, const char *text, uint32_t queue)
{
	struct ip_prefix p;

	assert_true(ip_prefix_parse(span_of(text, strlen(text)), &p));
	steer_tun_set(s, &p, queue);
}

static void clear(struct steer_tun *s, const char *text)
{
	struct ip_prefix p;

	assert_true(ip_prefix_parse(span_of(text, strlen(text)), &p));
	steer_tun_clear(s, &p);
}

static struct steer_tun *open_or_skip(void)
{
	test_alloc_init(&heap);
	struct steer_tun *s = steer_tun_open(&heap.alloc);

	if (!s)
		skip();
	return s;
}

static void a_destination_leads_to_the_queue_of_its_owner(void **state)
{
	(void)state;
	struct steer_tun *s = open_or_skip();

	set(s, "10.0.0.1/32", 1001);
	set(s, "10.0.0.2/32", 1002);
	set(s, "10.1.0.0/16", 1003);
	set(s, "10.1.2.0/24", 1004);
	set(s, "10.1.2.3/32", 1005);
	set(s, "2001:db8:0:1::/64", 2001);
	set(s, "2001:db8:1:100::/56", 2002);
	set(s, "2001:db8:2::/48", 2003);
	set(s, "2001:db8:3::/44", 2004);
	set(s, "2001:db9::7/128", 2005);
	steer_tun_flush(s);
	assert_int_equal(queue4(s, 0x0A000001), 1001);
	assert_int_equal(queue4(s, 0x0A000002), 1002);
	assert_int_equal(queue4(s, 0x0A010909), 1003);
	assert_int_equal(queue4(s, 0x0A010204), 1004);
	assert_int_equal(queue4(s, 0x0A010203), 1005);
	assert_int_equal(queue6(s, "2001:db8:0:1:2:3:4:5"), 2001);
	assert_int_equal(queue6(s, "2001:db8:1:1ab::1"), 2002);
	assert_int_equal(queue6(s, "2001:db8:2:ffff::1"), 2003);
	assert_int_equal(queue6(s, "2001:db8:a::1"), 2004);
	assert_int_equal(queue6(s, "2001:db9::7"), 2005);
	clear(s, "10.1.2.3/32");
	clear(s, "2001:db8:0:1::/64");
	clear(s, "192.0.2.1/32"); /* never was there */
	clear(s, "10.0.0.2/32");
	set(s, "10.0.0.1/32", 7);
	steer_tun_flush(s);
	assert_int_equal(queue4(s, 0x0A010203), 1004);
	assert_int_equal(queue4(s, 0x0A000001), 7);
	assert_int_not_equal(queue4(s, 0x0A000002), 1002);
	assert_int_not_equal(queue6(s, "2001:db8:0:1:2:3:4:5"), 2001);
	assert_int_equal(steer_tun_refused(s), 0);
	steer_tun_close(s);
	assert_int_equal(heap.held, 0);
}

static void unknown_destinations_keep_one_queue_each_and_spread(void **state)
{
	(void)state;
	struct steer_tun *s = open_or_skip();
	unsigned of[4] = {0};

	for (uint32_t i = 0; i < 4000; i++) {
		int q = queue4(s, 0x0A000000 + i);
		assert_int_equal(queue4(s, 0x0A000000 + i), q);
		of[(unsigned)q % 4]++;
	}
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(of[i], 800, 1200);
	steer_tun_close(s);
}

static void what_is_no_ip_packet_goes_to_the_first_queue(void **state)
{
	(void)state;
	struct steer_tun *s = open_or_skip();
	static const uint8_t cut4[18] = {0x45}, cut6[38] = {0x60}, other[40] = {0x50};

	assert_int_equal(queue_of(s, other, sizeof(other)), 0);
	assert_int_equal(queue_of(s, cut4, sizeof(cut4)), 0);
	assert_int_equal(queue_of(s, cut6, sizeof(cut6)), 0);
	steer_tun_close(s);
}

/* Sessions that come and go by the thousand, in the order in which they did. */
static void many_changes_come_out_as_the_last_one_of_each(void **state)
{
	(void)state;
	struct steer_tun *s = open_or_skip();
	enum { ADDRESSES = 3000, CHANGES = 30000 };
	static uint32_t want[ADDRESSES];
	struct test_random r = {5};

	memset(want, 0, sizeof(want));
	for (unsigned i = 0; i < CHANGES; i++) {
		unsigned at = (unsigned)test_random_below(&r, ADDRESSES);
		struct ip_prefix p = {.addr = ip_addr_v4(0x64400000 + at), .len = 32};
		want[at] = test_random_below(&r, 3) ? 100000 + i : 0;
		if (want[at])
			steer_tun_set(s, &p, want[at]);
		else
			steer_tun_clear(s, &p);
	}
	steer_tun_flush(s);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		int q = queue4(s, 0x64400000 + i);
		if (want[i])
			assert_int_equal(q, want[i]);
		else
			assert_true(q < 100000);
	}
	assert_int_equal(steer_tun_refused(s), 0);
	steer_tun_close(s);
}

/* As many as there is room for, and one more: that one goes by the hash, the others where they
 * shall, and it finds room when another left. */
static void a_million_addresses_have_room(void **state)
{
	(void)state;
	struct steer_tun *s = open_or_skip();
	enum { FIRST = 0x0A000000, SOME = 997, MARK = 100000 };
	struct ip_prefix p = {.len = 32};

	for (uint32_t i = 0; i <= STEER_TUN_ENTRIES; i++) {
		p.addr = ip_addr_v4(FIRST + i);
		steer_tun_set(s, &p, MARK + i);
	}
	steer_tun_flush(s);
	assert_int_equal(steer_tun_refused(s), 1);
	for (uint32_t i = 0; i < STEER_TUN_ENTRIES; i += SOME)
		assert_int_equal(queue4(s, FIRST + i), MARK + i);
	assert_int_equal(queue4(s, FIRST + STEER_TUN_ENTRIES - 1), MARK + STEER_TUN_ENTRIES - 1);
	assert_in_range(queue4(s, FIRST + STEER_TUN_ENTRIES), 0, UINT16_MAX);
	clear(s, "10.0.0.0/32");
	set(s, "10.16.0.0/32", 7); /* FIRST + STEER_TUN_ENTRIES */
	steer_tun_flush(s);
	assert_int_equal(queue4(s, FIRST + STEER_TUN_ENTRIES), 7);
	assert_int_equal(steer_tun_refused(s), 1);
	steer_tun_close(s);
	assert_int_equal(heap.held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_destination_leads_to_the_queue_of_its_owner),
		cmocka_unit_test(unknown_destinations_keep_one_queue_each_and_spread),
		cmocka_unit_test(what_is_no_ip_packet_goes_to_the_first_queue),
		cmocka_unit_test(many_changes_come_out_as_the_last_one_of_each),
		cmocka_unit_test(a_million_addresses_have_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
