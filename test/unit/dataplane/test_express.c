/* express: the XDP program as the kernel runs it (BPF_PROG_TEST_RUN), and the addresses it knows;
 * skipped where it does not load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "dataplane/express_set.h"
#include "test_alloc.h"
#include "test_random.h"

enum { MTU = 1500, FRAME_MAX = 14 + MTU, SHORTEST = 14 };

static struct test_alloc heap;
static struct express_hosts *hosts;
static struct express express;
static int xsk;

/* An interface that is none, with one socket for its queue. */
static int start(void **state)
{
	(void)state;
	test_alloc_init(&heap);
	hosts = express_hosts_open(&heap.alloc);
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4, .max_entries = 1};
	express = (struct express){.mac = {2, 0, 0xFE, 0xFF, 0x80, 7},
				   .take_max = FRAME_MAX,
				   .sockets = bpf_call_kernel(BPF_MAP_CREATE, &map),
				   .program = -1,
				   .link = -1};
	xsk = socket(AF_XDP, SOCK_RAW, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (xsk >= 0)
		close(xsk);
	express_close(&express);
	express_hosts_close(hosts);
	assert_int_equal(heap.held, 0);
	return 0;
}

static void load_or_skip(void)
{
	if (!hosts || xsk < 0 || !express_add(&express, 0, xsk) || !express_load(&express, hosts))
		skip();
}

static uint32_t verdict(const uint8_t *frame, unsigned n)
{
	union bpf_attr attr = {.test.prog_fd = (uint32_t)express.program,
			       .test.data_in = (uint64_t)(uintptr_t)frame,
			       .test.data_size_in = n};

	assert_int_equal(bpf_call_kernel(BPF_PROG_TEST_RUN, &attr), 0);
	return attr.test.retval;
}

/* From 192.0.2.1, to be forwarded. */
static void frame_to(uint8_t frame[static 64], uint32_t dst)
{
	static const uint8_t from = 192;
	uint8_t head[64] = {2, 0, 0xFE, 0xFF, 0x80, 7, 2, 0,  0,  0, 0, 1,    8, 0, 0x45,
			    0, 0, 50,	0,    0,    0, 0, 64, 17, 0, 0, from, 0, 2, 1};

	memcpy(frame, head, 64);
	for (unsigned i = 0; i < 4; i++)
		frame[30 + i] = (uint8_t)(dst >> (24 - 8 * i));
}

static bool is_subscriber(uint32_t ip)
{
	uint8_t frame[64];

	frame_to(frame, ip);
	return verdict(frame, sizeof(frame)) == XDP_REDIRECT;
}

static void packets_for_subscribers_are_taken(void **state)
{
	(void)state;
	load_or_skip();
	assert_false(is_subscriber(0x0A0B0C0D));
	express_hosts_set(hosts, 0x0A0B0C0D);
	express_hosts_set(hosts, 0xDF000000);
	assert_true(is_subscriber(0x0A0B0C0D));
	assert_true(is_subscriber(0xDF000000));
	assert_false(is_subscriber(0x0A0B0C0C));
	assert_false(is_subscriber(0x0A0B0C0E));
	assert_false(is_subscriber(0x0B0A0D0C));
	express_hosts_clear(hosts, 0x0A0B0C0D);
	assert_false(is_subscriber(0x0A0B0C0D));
	assert_true(is_subscriber(0xDF000000));
}

/* Each byte of the frame that matters, with a value for which the kernel must see it. */
static void what_is_not_plain_is_the_kernels(void **state)
{
	(void)state;
	static const struct {
		uint8_t at, value;
	} others[] = {{0, 0xFF},  {0, 0},     {1, 1},	  {2, 0xFD},  {3, 0},
		      {4, 0x81},  {5, 6},     {12, 0x81}, {12, 0x86}, {13, 6},
		      {14, 0x46}, {14, 0x44}, {14, 0x65}, {22, 1},    {22, 0},
		      {26, 0},	  {26, 127},  {26, 224},  {26, 255}};
	uint8_t frame[64];

	load_or_skip();
	express_hosts_set(hosts, 0x0A000001);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		frame_to(frame, 0x0A000001);
		frame[others[i].at] = others[i].value;
		assert_int_equal(verdict(frame, sizeof(frame)), XDP_PASS);
	}
	frame_to(frame, 0x0A000001);
	frame[22] = 2;
	assert_int_equal(verdict(frame, sizeof(frame)), XDP_REDIRECT);
}

static void a_frame_of_any_length_is_safe(void **state)
{
	(void)state;
	uint8_t frame[FRAME_MAX + 1] = {0};

	load_or_skip();
	express_hosts_set(hosts, 0x0A000001);
	frame_to(frame, 0x0A000001);
	for (unsigned n = SHORTEST; n <= FRAME_MAX + 1; n++)
		assert_int_equal(verdict(frame, n),
				 n >= 34 && n <= FRAME_MAX ? XDP_REDIRECT : XDP_PASS);
}

static void without_a_socket_it_is_the_kernels(void **state)
{
	(void)state;
	load_or_skip();
	express_hosts_set(hosts, 0x0A000001);
	uint32_t queue = 0;
	union bpf_attr gone = {.map_fd = (uint32_t)express.sockets,
			       .key = (uint64_t)(uintptr_t)&queue};
	assert_int_equal(bpf_call_kernel(BPF_MAP_DELETE_ELEM, &gone), 0);
	assert_false(is_subscriber(0x0A000001));
}

static void networks_beyond_the_room_are_left_out(void **state)
{
	(void)state;
	enum { FIRST = 0x0A00, MORE = EXPRESS_NETWORKS_MAX + 3 };

	load_or_skip();
	for (uint32_t i = 0; i < MORE; i++)
		express_hosts_set(hosts, (FIRST + i) << 16 | 0x8001);
	assert_int_equal(express_hosts_left_out(hosts), 3);
	assert_true(is_subscriber((FIRST + EXPRESS_NETWORKS_MAX - 1) << 16 | 0x8001));
	assert_false(is_subscriber((FIRST + MORE - 1) << 16 | 0x8001));
	express_hosts_clear(hosts, (FIRST + MORE - 1) << 16 | 0x8001); /* never was in there */
	express_hosts_clear(hosts, FIRST << 16 | 0x8001);
	express_hosts_set(hosts, (FIRST + MORE - 1) << 16 | 2);
	assert_true(is_subscriber((FIRST + MORE - 1) << 16 | 2));
	assert_false(is_subscriber((FIRST + MORE - 1) << 16 | 0x8001));
	assert_false(is_subscriber(FIRST << 16 | 0x8001));
}

/* Against a plain list of the addresses of four networks. */
static void after_any_changes_it_knows_who_is_there(void **state)
{
	(void)state;
	enum { PLACES = 4 * 64, STEPS = 20000 };
	static bool there[PLACES];
	struct test_random random = {.state = 11};

	load_or_skip();
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned place = (unsigned)test_random_below(&random, PLACES);
		uint32_t ip = 0x0A000000 | (place / 64) << 16 | (place % 64) * 1023;
		there[place] = test_random_below(&random, 2);
		if (there[place])
			express_hosts_set(hosts, ip);
		else
			express_hosts_clear(hosts, ip);
		place = (unsigned)test_random_below(&random, PLACES);
		ip = 0x0A000000 | (place / 64) << 16 | (place % 64) * 1023;
		assert_int_equal(is_subscriber(ip), there[place]);
	}
	assert_int_equal(express_hosts_left_out(hosts), 0);
}

static void note_local(void *ctx, uint32_t ip)
{
	unsigned *n = ctx;

	*n += ip == 0x7F000001;
}

/* Each machine has 127.0.0.1. */
static void the_addresses_of_this_machine_are_known(void **state)
{
	(void)state;
	struct express_locals *l = express_locals_new(&heap.alloc);
	unsigned found = 0;

	assert_non_null(l);
	assert_false(express_locals_has(l, 0x7F000001));
	assert_true(express_locals_read(l, note_local, &found));
	assert_int_equal(found, 1);
	assert_true(express_locals_has(l, 0x7F000001));
	assert_false(express_locals_has(l, 0x7F0000FE));
	assert_true(express_locals_read(l, note_local, &found));
	assert_int_equal(found, 1);
	express_locals_free(l);
}

static struct ip_prefix prefix(uint32_t ip, uint8_t len)
{
	return (struct ip_prefix){ip_addr_v4(ip), len};
}

static void only_single_addresses_of_others_are_taken(void **state)
{
	(void)state;
	struct express_set set = {0};
	struct ip_prefix one = prefix(0x0A0B0C0D, 32), local = prefix(0x7F000001, 32),
			 many = prefix(0x0A0B0C00, 24);

	if (!express_set_open(&set, &heap.alloc))
		skip();
	express_hosts_close(hosts);
	hosts = set.hosts;
	load_or_skip();
	express_set_route(&set, &one, true);
	express_set_route(&set, &many, true);
	express_set_route(&set, &local, true);
	assert_true(is_subscriber(0x0A0B0C0D));
	assert_false(is_subscriber(0x0A0B0C0E));
	assert_false(is_subscriber(0x7F000001));
	express_set_route(&set, &one, false);
	assert_false(is_subscriber(0x0A0B0C0D));
	set.hosts = NULL; /* end() closes it */
	express_set_close(&set);
}

static void what_is_no_ethernet_interface_is_refused(void **state)
{
	(void)state;
	struct express e;
	char why[128];

	assert_false(express_open(&e, "lo", MTU, why, sizeof(why)));
	assert_string_equal(why, "not an Ethernet interface");
	express_close(&e);
	assert_false(express_open(&e, "no-such-one", MTU, why, sizeof(why)));
	assert_string_equal(why, "No such device");
	express_close(&e);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
		CASE(packets_for_subscribers_are_taken),
		CASE(what_is_not_plain_is_the_kernels),
		CASE(a_frame_of_any_length_is_safe),
		CASE(without_a_socket_it_is_the_kernels),
		CASE(networks_beyond_the_room_are_left_out),
		CASE(after_any_changes_it_knows_who_is_there),
		CASE(the_addresses_of_this_machine_are_known),
		CASE(only_single_addresses_of_others_are_taken),
		CASE(what_is_no_ethernet_interface_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
