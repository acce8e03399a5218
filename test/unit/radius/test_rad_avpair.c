/* Cisco-AVPair: one pair to an attribute, several with commas, several to a Vendor-Specific. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "radius/rad_avpair.h"
#include "test_bytes.h"
#include "test_random.h"

/* All pairs as KEY|VALUE; */
static void pairs_text(struct rad_avpairs it, char out[static 512])
{
	struct wbuf w = wbuf_of(out, 511);
	struct rad_avpair p;

	memset(out, 0, 512);
	while (rad_avpair_next(&it, &p)) {
		wbuf_span(&w, p.key);
		wbuf_u8(&w, '|');
		wbuf_span(&w, p.value);
		wbuf_u8(&w, ';');
	}
	assert_false(w.bad);
}

struct split_case {
	const char *text, *pairs;
};

static void texts_are_split(void **state)
{
	(void)state;
	static const struct split_case cases[] = {
		{"throttle=yes", "throttle|yes;"},
		{"intercept=yes,throttle=yes", "intercept|yes;throttle|yes;"},
		{"a=1, b=2 ,\tc=3", "a|1;b|2 ;c|3;"},
		{"ip:dns-servers=1.1.1.1,2.2.2.2", "ip:dns-servers|1.1.1.1,2.2.2.2;"},
		{"a=1,2,b=3", "a|1,2;b|3;"},
		{"lcp:interface-config#1=service-policy input 64",
		 "lcp:interface-config#1|service-policy input 64;"},
		{"lcp:interface-config=rate-limit input 1 2 3, a#2=x",
		 "lcp:interface-config|rate-limit input 1 2 3;a#2|x;"},
		{"a=\"x,b=1\",c=2", "a|x,b=1;c|2;"},
		{"a='x'", "a|x;"},
		{"a='x", "a|'x;"},
		{"a=\"x'", "a|\"x';"},
		{"a=\"", "a|\";"},
		{"a=\"\"", "a|;"},
		{"key", "key|;"},
		{"key,", "key,|;"},
		{"=v", "|v;"},
		{"a=b=c", "a|b=c;"},
		{"a=,b=", "a|;b|;"},
		{",a=1", "|;a|1;"},
		{"a=1,1b=2", "a|1,1b=2;"},
		{"   ", ""},
		{"", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[300];
		struct wbuf w = wbuf_of(bytes, sizeof(bytes));
		char out[512];

		rad_put_vsa(&w, RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, span_str(cases[i].text));
		pairs_text(rad_avpairs_of(wbuf_written(&w)), out);
		assert_string_equal(out, cases[i].pairs);
	}
}

static void packets_are_walked_in_order(void **state)
{
	(void)state;
	/* Two attributes of Cisco in one Vendor-Specific, one of another type before them. */
	static const char two[] = "\x00\x00\x00\x09\x02\x03x\x01\x05"
				  "b=2\x01\x05"
				  "c=3";
	uint8_t bytes[600];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	char out[512];

	rad_put_text(&w, RAD_USER_NAME, "a=0");
	rad_put_vsa(&w, RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, span_str("a=1"));
	rad_put_vsa(&w, RAD_VENDOR_ASCEND, RAD_CISCO_AVPAIR, span_str("not=this"));
	rad_put(&w, RAD_VENDOR_SPECIFIC, span_of(two, sizeof(two) - 1));
	rad_put(&w, RAD_VENDOR_SPECIFIC, span_of("\x00\x00\x00\x09\x01\xff", 6)); /* a lie */
	rad_put_vsa(&w, RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, span_str("d=4,e=5"));
	pairs_text(rad_avpairs_of(wbuf_written(&w)), out);
	assert_string_equal(out, "a|1;b|2;c|3;d|4;e|5;");
	/* A walk over what is cut ends, and reads nothing behind the end (ASan). */
	for (size_t cut = 0; cut < w.n; cut++) {
		uint8_t *copy = test_exact_copy(bytes, cut);
		pairs_text(rad_avpairs_of(span_of(copy, cut)), out);
		free(copy);
	}
}

static void any_text_ends_and_loses_nothing(void **state)
{
	(void)state;
	static const char letters[] = "ab1=,\"' #:\xff";
	struct test_random r = {11};
	char text[40];

	for (unsigned i = 0; i < 100000; i++) {
		size_t n = test_random_below(&r, sizeof(text)), seen = 0;
		for (size_t k = 0; k < n; k++)
			text[k] = letters[test_random_below(&r, sizeof(letters) - 1)];
		struct span in = span_of(text, n);
		struct rad_avpair p;
		while (rad_avpair_split(&in, &p)) {
			seen += p.key.n + p.value.n + 1;
			assert_true(seen <= n + 1);
		}
		assert_int_equal(in.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_split),
		cmocka_unit_test(packets_are_walked_in_order),
		cmocka_unit_test(any_text_ends_and_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
