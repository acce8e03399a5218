/* Changing a configuration that is in use, comparing two, and writing one back into its file. */
#include "control/conf_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "test_alloc.h"
#include "test_random.h"

static struct test_alloc memory;
static unsigned errors, warnings;
static char said[4096];

static void say(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	(void)ctx;
	errors += severity == CONF_ERROR;
	warnings += severity == CONF_WARNING;
	size_t n = strlen(said);
	snprintf(said + n, sizeof(said) - n, "%u %s\n", line, reason);
}

static const struct conf_report report = {.say = say};

static void nothing_said(void)
{
	errors = warnings = 0;
	said[0] = '\0';
}

static struct conf *load(const char *text)
{
	nothing_said();
	struct conf *c = conf_load(&memory.alloc, span_str(text), &report);
	assert_non_null(c);
	return c;
}

static struct conf *edit(const struct conf *c, const char *text)
{
	nothing_said();
	struct conf *e = conf_edit(c, span_str(text), &report);
	assert_non_null(e);
	return e;
}

struct lines {
	size_t n;
	char text[1 << 16];
};

static void add_line(void *ctx, const char *line)
{
	struct lines *l = ctx;
	int n = snprintf(l->text + l->n, sizeof(l->text) - l->n, "%s\n", line);
	assert_true(n > 0 && (size_t)n < sizeof(l->text) - l->n);
	l->n += (size_t)n;
}

static struct lines lines;
static const struct conf_printer printer = {.ctx = &lines, .line = add_line};

static unsigned diff(const struct conf *a, const struct conf *b, bool secrets)
{
	lines.n = 0;
	lines.text[0] = '\0';
	return conf_diff(a, b, secrets, &printer);
}

static const char *rewritten(const char *old, const struct conf *c)
{
	lines.n = 0;
	lines.text[0] = '\0';
	assert_true(conf_rewrite(span_str(old), c, &printer));
	return lines.text;
}

static int setup(void **state)
{
	(void)state;
	test_alloc_init(&memory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(memory.blocks, 0);
	return 0;
}

/* ---- edits ----------------------------------------------------------------------------------- */

static void an_edit_leaves_the_old_one_alone(void **state)
{
	(void)state;
	struct conf *c = load("set debug 2\nip access-list standard a\npermit any\n");
	struct conf *e = edit(c, "set debug 4\nip access-list standard a\ndeny host 10.0.0.1\n");
	assert_int_equal(errors, 0);
	assert_int_equal(c->debug, 2);
	assert_int_equal(e->debug, 4);
	assert_int_equal(c->n_kept, 2);
	assert_int_equal(e->n_kept, 3);
	conf_free(e);
	conf_free(c);
}

static void derived_fields_follow_an_edit(void **state)
{
	(void)state;
	struct conf *c = load("");
	struct conf *e = edit(c, "set primary_radius 192.0.2.7\nset radius_authtypes \"chap pap\"");
	assert_int_equal(e->n_radius, 1);
	assert_int_equal(e->radius[0].port, 1812);
	assert_int_equal(e->auth[0], AUTH_CHAP);
	assert_string_equal(e->radius_authtypes, "chap, pap");
	conf_free(e);
	conf_free(c);
}

static void no_set_brings_the_default_back(void **state)
{
	(void)state;
	struct conf *c = load("set l2tp_mtu 1400\nset l2tp_secret x\n");
	struct conf *e = edit(c, "no set l2tp_mtu\nno set l2tp_secret\n");
	assert_int_equal(errors, 0);
	assert_int_equal(e->l2tp_mtu, 1500);
	assert_string_equal(e->l2tp_secret, "");
	conf_free(e);
	e = edit(c, "no set l2tp_mtuu");
	assert_int_equal(errors, 1);
	assert_non_null(strstr(said, "unknown variable \"l2tp_mtuu\""));
	conf_free(e);
	conf_free(c);
}

static void bad_lines_of_an_edit_are_reported(void **state)
{
	(void)state;
	static const char *const bad[] = {"set l2tp_mtu 10",
					  "set nothing 1",
					  "set debug",
					  "no set",
					  "set debug x",
					  "permit any",
					  "no router bgp",
					  "frobnicate",
					  "no setforward x",
					  "remove plugin xyz",
					  "set bind_address 1.2.3.400"};
	struct conf *c = load("");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct conf *e = edit(c, bad[i]);
		if (errors != 1)
			fail_msg("%s: %u errors", bad[i], errors);
		assert_int_equal(diff(c, e, true), 0);
		conf_free(e);
	}
	conf_free(c);
}

static void single_rules_can_be_removed(void **state)
{
	(void)state;
	struct conf *c = load("ip access-list extended x\npermit tcp any any eq 25\n"
			      "deny ip any any\nip access-list extended y\ndeny ip any any\n");
	struct conf *e = edit(c, "ip access-list extended x\nno deny ip any any\n"
				 "permit udp any any\n");
	assert_int_equal(errors, 0);
	assert_int_equal(diff(c, e, true), 3);
	assert_string_equal(lines.text, " ip access-list extended x\n- deny ip any any\n"
					"+ permit udp any any\n");
	conf_free(e);
	e = edit(c, "ip access-list extended x\nno permit udp any any\n");
	assert_int_equal(errors, 1);
	assert_non_null(strstr(said, "there is no such rule"));
	conf_free(e);
	conf_free(c);
}

static void blocks_can_be_removed(void **state)
{
	(void)state;
	struct conf *c = load("router bgp 65000\nneighbour a remote-as 1\nset debug 1\n"
			      "setforward @isp 192.0.2.1 1701 hush\n");
	struct conf *e = edit(c, "no router bgp\nno setforward @isp\n");
	assert_int_equal(errors, 0);
	assert_int_equal(e->n_kept, 0);
	conf_free(e);
	conf_free(c);
}

static void an_edit_survives_lack_of_memory(void **state)
{
	(void)state;
	struct conf *c = load("ip access-list standard a\npermit any\ndeny any\n");
	for (size_t left = 0;; left++) {
		memory.fail_after = memory.gets + left;
		struct conf *e =
			conf_edit(c, span_str("ip access-list standard b\npermit any\n"), &report);
		if (e) {
			conf_free(e);
			break;
		}
	}
	memory.fail_after = SIZE_MAX;
	conf_free(c);
}

/* ---- differences ----------------------------------------------------------------------------- */

static void a_difference_hides_secrets(void **state)
{
	(void)state;
	struct conf *a = load("set l2tp_secret hunter2\nset debug 1\n");
	struct conf *b = load("set l2tp_secret swordfish\nset debug 3\n"
			      "setforward @x 192.0.2.1 1701 \"a \\\" b \"\n");
	assert_int_equal(diff(a, b, false), 5);
	assert_null(strstr(lines.text, "hunter2"));
	assert_null(strstr(lines.text, "swordfish"));
	assert_non_null(strstr(lines.text, "-set l2tp_secret \"********\"\n"));
	assert_non_null(strstr(lines.text, "-set debug 1\n+set debug 3\n"));
	assert_non_null(strstr(lines.text, "+setforward @x 192.0.2.1 1701 \"********\"\n"));
	assert_int_equal(diff(a, b, true), 5);
	assert_non_null(strstr(lines.text, "+set l2tp_secret \"swordfish\"\n"));
	assert_int_equal(diff(a, a, true), 0);
	conf_free(a);
	conf_free(b);
}

static void the_order_of_rules_matters(void **state)
{
	(void)state;
	struct conf *a = load("ip access-list standard a\npermit any\ndeny any\n");
	struct conf *b = load("ip access-list standard a\ndeny any\npermit any\n");
	assert_int_equal(diff(a, b, true), 5);
	conf_free(a);
	conf_free(b);
}

/* ---- writing back ---------------------------------------------------------------------------- */

static const char old_file[] = "! our LNS\n"
			       "SET debug 1   # quiet\n"
			       "\n"
			       "# the LACs\n"
			       "set l2tp_secret \"hush\"\n"
			       "set l2tp_mtu 1400\n"
			       "set nonsense 1\n"
			       "ip access-list standard a\n"
			       " # all but one\n"
			       " deny 10.0.0.1\n"
			       " permit any\n"
			       " exit\n"
			       "load plugin garden\n";

static void what_is_so_stays_as_it_stands(void **state)
{
	(void)state;
	struct conf *c = load(old_file);
	const char *text = rewritten(old_file, c);
	char expected[1024];
	snprintf(expected, sizeof(expected), "%s", old_file);
	/* The refused line is kept as a comment. */
	assert_non_null(strstr(text, "# refused: set nonsense 1\n"));
	assert_non_null(strstr(text, "! our LNS\nSET debug 1   # quiet\n\n# the LACs\n"));
	assert_non_null(strstr(text, " # all but one\n deny 10.0.0.1\n permit any\n exit\n"));
	assert_int_equal(lines.n, strlen(expected) + strlen("# refused: "));
	conf_free(c);
}

static void what_changed_is_replaced_in_its_place(void **state)
{
	(void)state;
	struct conf *c = load(old_file);
	struct conf *e = edit(c, "set debug 4\nno set l2tp_mtu\nset hello_interval 30\n"
				 "ip access-list standard a\nno permit any\n");
	const char *text = rewritten(old_file, e);
	assert_non_null(strstr(text, "! our LNS\nset debug 4\n\n# the LACs\n"));
	assert_null(strstr(text, "l2tp_mtu"));
	assert_non_null(strstr(text, "load plugin garden\nset hello_interval 30\n"
				     "ip access-list standard a\n deny host 10.0.0.1\n"));
	assert_null(strstr(text, "exit"));
	struct conf *again = load(text);
	assert_int_equal(errors, 0);
	assert_int_equal(diff(e, again, true), 0);
	conf_free(again);
	conf_free(e);
	conf_free(c);
}

static void what_stood_behind_quit_is_not_read_later(void **state)
{
	(void)state;
	static const char file[] = "set debug 1\nquit\nset debug 5\n";
	struct conf *c = load(file);
	struct conf *e = edit(c, "set hello_interval 7");
	assert_string_equal(rewritten(file, e),
			    "set debug 1\n# not read: set debug 5\nset hello_interval 7\n");
	conf_free(e);
	conf_free(c);
}

/* ---- any configuration ----------------------------------------------------------------------- */

static void random_line(struct test_random *r, char *out, size_t cap)
{
	static const char *const pieces[] = {
		"set debug 3",
		"set debug 0 # why",
		"set l2tp_secret \"a b\\\" c\"",
		"set l2tp_secret ''",
		"set hostname lns7",
		"set bind_multi_address \"10.0.0.1, 10.0.0.2\"",
		"set guest_account 'x y'",
		"set radius_authtypes \"chap pap\"",
		"no set debug",
		"no set hostname",
		"# a comment",
		"",
		"  ! another",
		"router bgp 65000",
		" neighbour 192.0.2.1 remote-as 7",
		" neighbour 192.0.2.1 timers 10 30",
		" no neighbour 192.0.2.1",
		"no router bgp",
		"ip access-list extended e",
		" permit tcp any any eq 80",
		" deny ip any any",
		" no deny ip any any",
		"ip access-list standard s",
		" permit 10.0.0.0 0.0.0.255",
		" deny any",
		"no ip access-list standard s",
		" exit",
		"load plugin garden",
		"load plugin snoop",
		"remove plugin garden",
		"setforward @a 192.0.2.9 1701 \"x y\"",
		"setforward \"@b c\" 192.0.2.9 1702 ''",
		"no setforward @a",
		"set nothing 1",
		"\"",
		"set nexthop 10.1.1.1",
		"quit",
	};
	uint64_t n = sizeof(pieces) / sizeof(pieces[0]);
	if (test_random_below(r, 3) == 0) {
		const struct conf_var *v = &conf_vars[test_random_below(r, CONF_VARS)];
		snprintf(out, cap, "set %s %u", v->name, (unsigned)test_random_below(r, 2000));
		return;
	}
	/* `quit` ends the file: now and then only. */
	if (test_random_below(r, 10) != 0)
		n--;
	snprintf(out, cap, "%s", pieces[test_random_below(r, n)]);
}

static void random_file(struct test_random *r, char *out, size_t cap)
{
	size_t used = 0;
	out[0] = '\0';
	for (uint64_t n = test_random_below(r, 40); n > 0; n--) {
		char line[128];
		random_line(r, line, sizeof(line));
		used += (size_t)snprintf(out + used, cap - used, "%s%s\n", line,
					 test_random_below(r, 20) == 0 ? "\r" : "");
		assert_true(used < cap);
	}
}

static void whatever_is_written_loads_to_the_same(void **state)
{
	(void)state;
	struct test_random r = {20261122};
	static char old[8192], other[8192], text[sizeof(lines.text)];

	for (unsigned i = 0; i < 1000; i++) {
		random_file(&r, old, sizeof(old));
		random_file(&r, other, sizeof(other));
		struct conf *base = load(old);
		struct conf *c = i % 2 ? edit(base, other) : load(other);
		snprintf(text, sizeof(text), "%s", rewritten(old, c));
		struct conf *again = load(text);
		if (errors > 0 || diff(c, again, true) != 0)
			fail_msg("file %u: %s%s\n%s\n--- written back as:\n%s", i, said, lines.text,
				 old, text);
		conf_free(again);
		conf_free(c);
		conf_free(base);
	}
}

static void what_is_printed_differs_in_nothing(void **state)
{
	(void)state;
	struct test_random r = {77};
	static char file[8192];
	static struct lines printed;

	for (unsigned i = 0; i < 300; i++) {
		random_file(&r, file, sizeof(file));
		struct conf *c = load(file);
		printed.n = 0;
		printed.text[0] = '\0';
		conf_print(c, true, &(struct conf_printer){.ctx = &printed, .line = add_line});
		struct conf *again = load(printed.text);
		assert_int_equal(errors, 0);
		assert_int_equal(diff(c, again, true), 0);
		conf_free(again);
		conf_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_edit_leaves_the_old_one_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(derived_fields_follow_an_edit, setup, teardown),
		cmocka_unit_test_setup_teardown(no_set_brings_the_default_back, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_lines_of_an_edit_are_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(single_rules_can_be_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(blocks_can_be_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(an_edit_survives_lack_of_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(a_difference_hides_secrets, setup, teardown),
		cmocka_unit_test_setup_teardown(the_order_of_rules_matters, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_so_stays_as_it_stands, setup, teardown),
		cmocka_unit_test_setup_teardown(what_changed_is_replaced_in_its_place, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_stood_behind_quit_is_not_read_later, setup,
						teardown),
		cmocka_unit_test_setup_teardown(whatever_is_written_loads_to_the_same, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_printed_differs_in_nothing, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
