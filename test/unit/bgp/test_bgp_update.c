/* UPDATE: every fault of RFC 4271 section 6.3 with its NOTIFICATION, and what we send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bgp/bgp_update.h"
#include "test_bytes.h"

#define ORIGIN	 "400101 00"
#define AS_PATH	 "400206 0201 0000fdea"
#define NEXT_HOP "400304 c0000201"
#define NET	 "18 0a0101"
#define MP_REACH "800e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8"

static bool check(const char *hex, bool as4, bool internal, struct bgp_update_facts *facts,
		  struct bgp_error *e)
{
	uint8_t bytes[512];
	size_t n = test_unhex(hex, bytes, sizeof(bytes));
	uint8_t *copy = test_exact_copy(bytes, n);
	memset(e, 0, sizeof(*e));
	bool good = bgp_update_check(span_of(copy, n), as4, internal, facts, e);
	free(copy);
	return good;
}

static void good_updates_are_counted(void **state)
{
	(void)state;
	struct bgp_update_facts f;
	struct bgp_error e;

	assert_true(check("0000 0014" ORIGIN AS_PATH NEXT_HOP NET "00", true, false, &f, &e));
	assert_int_equal(f.announced[BGP_IPV4], 2);
	assert_false(f.end_of_rib[BGP_IPV4]);
	assert_true(check("0004" NET "0000", true, false, &f, &e));
	assert_int_equal(f.withdrawn[BGP_IPV4], 1);
	assert_true(check("0000 0000", true, false, &f, &e));
	assert_true(f.end_of_rib[BGP_IPV4]);
	assert_true(check("0000 0006 800f03 0002 01", true, false, &f, &e));
	assert_true(f.end_of_rib[BGP_IPV6]);
	assert_true(check("0000 002a" ORIGIN AS_PATH MP_REACH, true, false, &f, &e));
	assert_int_equal(f.announced[BGP_IPV6], 1);
	/* A short AS path, an unknown optional attribute, one of another family. */
	assert_true(check("0000 0017" ORIGIN "400204 0201 fdea" NEXT_HOP "e0c801 07"
			  "c00800" NET,
			  false, false, &f, &e) == false);
	assert_true(check("0000 0019" ORIGIN "400204 0201 fdea" NEXT_HOP "e0c801 07"
			  "c00800" NET,
			  false, false, &f, &e));
}

static void every_fault_has_its_notification(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		unsigned code;
		const char *data;
		bool internal;
	} cases[] = {
		{"0001", BGP_ERR_UPDATE_LIST, "", false},
		{"0005" NET "0000", BGP_ERR_UPDATE_LIST, "", false},
		{"0000 0001", BGP_ERR_UPDATE_LIST, "", false},
		{"0000 0008" ORIGIN ORIGIN, BGP_ERR_UPDATE_LIST, "", false},
		{"0000 0003 400104", BGP_ERR_UPDATE_LENGTH, "400104", false},
		{"0000 0003 406300", BGP_ERR_UPDATE_UNKNOWN, "406300", false},
		{"0000 0004 c00101 00", BGP_ERR_UPDATE_FLAGS, "c0010100", false},
		{"0000 0004 600101 00", BGP_ERR_UPDATE_FLAGS, "60010100", false},
		{"0000 0007 a00404 00000001", BGP_ERR_UPDATE_FLAGS, "a0040400000001", false},
		{"0000 0005 400102 0000", BGP_ERR_UPDATE_LENGTH, "4001020000", false},
		{"0000 0006 800403 000001", BGP_ERR_UPDATE_LENGTH, "800403000001", false},
		{"0000 0004 400105 00", BGP_ERR_UPDATE_LENGTH, "40010500", false},
		{"0000 0004 400101 03", BGP_ERR_UPDATE_ORIGIN, "40010103", false},
		{"0000 0010" AS_PATH NEXT_HOP NET, BGP_ERR_UPDATE_MISSING, "01", false},
		{"0000 000b" ORIGIN NEXT_HOP NET, BGP_ERR_UPDATE_MISSING, "02", false},
		{"0000 000d" ORIGIN AS_PATH NET, BGP_ERR_UPDATE_MISSING, "03", false},
		{"0000 0014" ORIGIN AS_PATH NEXT_HOP NET, BGP_ERR_UPDATE_MISSING, "05", true},
		{"0000 0007 400304 00000000", BGP_ERR_UPDATE_NEXT_HOP, "40030400000000", false},
		{"0000 0007 400304 e0000001", BGP_ERR_UPDATE_NEXT_HOP, "400304e0000001", false},
		{"0000 0005 400202 0501", BGP_ERR_UPDATE_AS_PATH, "", false},
		{"0000 0005 400202 0200", BGP_ERR_UPDATE_AS_PATH, "", false},
		{"0000 0007 400204 0201 fdea", BGP_ERR_UPDATE_AS_PATH, "", false},
		{"0000 0014" ORIGIN AS_PATH NEXT_HOP "21 0a010101 00", BGP_ERR_UPDATE_NETWORK, "",
		 false},
		{"0000 0014" ORIGIN AS_PATH NEXT_HOP "18 0a01", BGP_ERR_UPDATE_NETWORK, "", false},
		{"0003 18 0a01 0000", BGP_ERR_UPDATE_NETWORK, "", false},
		{"0000 0007 c00804 0000", BGP_ERR_UPDATE_LIST, "", false},
		{"0000 0008 800e05 0002 01 10 00", BGP_ERR_UPDATE_OPTIONAL, "800e050002011000",
		 false},
		{"0000 0008 800f05 0002 01 20 20", BGP_ERR_UPDATE_OPTIONAL, "800f050002012020",
		 false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bgp_update_facts f;
		struct bgp_error e;
		uint8_t data[64];
		size_t n = test_unhex(cases[i].data, data, sizeof(data));
		assert_false(check(cases[i].body, true, cases[i].internal, &f, &e));
		if ((e.code << 8 | e.subcode) != (int)cases[i].code)
			fail_msg("%s: %u/%u", cases[i].body, e.code, e.subcode);
		if (n)
			assert_true(span_equal(span_of(e.data, e.n), span_of(data, n)));
	}
}

static void no_cut_reads_behind_the_end(void **state)
{
	(void)state;
	uint8_t bytes[128];
	struct bgp_update_facts f;
	struct bgp_error e;
	size_t n = test_unhex("0004" NET "002e" ORIGIN AS_PATH "40030 4c0000201" MP_REACH NET,
			      bytes, sizeof(bytes));
	wbuf_patch_u16(&(struct wbuf){.p = bytes, .cap = n, .n = n}, 6, (uint16_t)(n - 8 - 4));
	assert_true(bgp_update_check(span_of(bytes, n), true, false, &f, &e));
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = test_exact_copy(bytes, cut);
		bool good = bgp_update_check(span_of(copy, cut), true, false, &f, &e);
		assert_true(!good || cut == n - 4); /* without its last prefix it is whole */
		free(copy);
	}
}

static void assert_bytes(struct wbuf *w, const char *hex)
{
	uint8_t bytes[512];
	size_t n = test_unhex(hex, bytes, sizeof(bytes));
	assert_int_equal(w->n, n);
	assert_memory_equal(w->p, bytes, n);
}

static const struct bgp_attrs external = {
	.as4 = true,
	.has_med = true,
	.as = 65000,
	.med = 1,
	.n_communities = 1,
	.communities = {BGP_NO_EXPORT},
	.next_hop = {{4, {192, 0, 2, 1}}, {6, {0x20, 1, 0xd, 0xb8, [15] = 1}}}};

static void announcements_have_all_attributes(void **state)
{
	(void)state;
	uint8_t bytes[512], prefix[] = {24, 10, 1, 1};
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	bgp_announce_encode(&w, &external, BGP_IPV4, span_of(prefix, 4));
	assert_bytes(&w, "ffffffffffffffffffffffffffffffff 003d 02 0000 0022" ORIGIN
			 "400206 0201 0000fde8" NEXT_HOP "800404 00000001 c00804 ffffff01" NET);
	assert_int_equal(w.n, 4 + bgp_announce_overhead(&external, BGP_IPV4));

	struct bgp_attrs internal = external;
	internal.internal = true;
	internal.local_pref = 100;
	internal.n_communities = 0;
	w = wbuf_of(bytes, sizeof(bytes));
	bgp_announce_encode(&w, &internal, BGP_IPV4, span_of(prefix, 4));
	assert_bytes(&w, "ffffffffffffffffffffffffffffffff 0037 02 0000 001c" ORIGIN
			 "400200" NEXT_HOP "800404 00000001 400504 00000064" NET);
}

static void long_numbers_and_prepending(void **state)
{
	(void)state;
	uint8_t bytes[512];
	struct bgp_attrs a = external;
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	a.as4 = false;
	a.as = 70000;
	a.prepend = 1;
	a.n_communities = 0;
	a.has_med = false;
	bgp_announce_encode(&w, &a, BGP_IPV4, span_of(NULL, 0));
	assert_bytes(&w, "ffffffffffffffffffffffffffffffff 0038 02 0000 0021" ORIGIN
			 "400206 0202 5ba0 5ba0" NEXT_HOP "c0110a 0202 00011170 00011170");
}

static void ipv6_and_withdrawals(void **state)
{
	(void)state;
	uint8_t bytes[512], v6[] = {32, 0x20, 1, 0xd, 0xb8}, v4[] = {24, 10, 1, 1};
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct bgp_update_facts f;
	struct bgp_error e;

	bgp_announce_encode(&w, &external, BGP_IPV6, span_of(v6, 5));
	assert_true(bgp_update_check(span_of(bytes + BGP_HEADER, w.n - BGP_HEADER), true, false, &f,
				     &e));
	assert_int_equal(f.announced[BGP_IPV6], 1);
	assert_int_equal(f.announced[BGP_IPV4], 0);
	assert_int_equal(bytes[BGP_HEADER + 5], BGP_ATTR_MP_REACH); /* RFC 7606: the first one */
	w = wbuf_of(bytes, sizeof(bytes));
	bgp_withdraw_encode(&w, BGP_IPV6, span_of(v6, 5));
	assert_bytes(
		&w,
		"ffffffffffffffffffffffffffffffff 0023 02 0000 000c 900f 0008 0002 01 2020010db8");
	assert_true(w.n <= BGP_WITHDRAW_OVERHEAD + 5);
	w = wbuf_of(bytes, sizeof(bytes));
	bgp_withdraw_encode(&w, BGP_IPV4, span_of(v4, 4));
	assert_bytes(&w, "ffffffffffffffffffffffffffffffff 001b 02 0004" NET "0000");
	w = wbuf_of(bytes, sizeof(bytes));
	bgp_withdraw_encode(&w, BGP_IPV4, span_of(NULL, 0));
	assert_bytes(&w, "ffffffffffffffffffffffffffffffff 0017 02 0000 0000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_updates_are_counted),
		cmocka_unit_test(every_fault_has_its_notification),
		cmocka_unit_test(no_cut_reads_behind_the_end),
		cmocka_unit_test(announcements_have_all_attributes),
		cmocka_unit_test(long_numbers_and_prepending),
		cmocka_unit_test(ipv6_and_withdrawals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
