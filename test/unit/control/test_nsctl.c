/* nsctl: who is answered, how often, and what the log may tell of it. No plugin is loaded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/nsctl.h"

static const struct sock_addr client = {.ip = {.family = 4, .b = {127, 0, 0, 1}}, .port = 4000};

static struct {
	struct conf conf;
	struct counters counters;
	struct plugins *plugins;
	struct nsctl *nsctl;
	nsec now;
	int64_t wall_s;
	char log[LOG_LINE_MAX]; /* the newest line */
	uint8_t answer[NSCTL_DATAGRAM];
	struct wbuf w;
} t;

static struct core *no_core(void *ctx)
{
	(void)ctx;
	return NULL;
}

static const struct conf *conf_of(void *ctx)
{
	(void)ctx;
	return &t.conf;
}

static void take_hooks(void *ctx, const struct dp_hooks *hooks)
{
	(void)ctx;
	assert_null(hooks);
}

static nsec clock_of(void *ctx)
{
	(void)ctx;
	return t.now;
}

static int64_t wall_of(void *ctx)
{
	(void)ctx;
	return t.wall_s;
}

static void random_of(void *ctx, void *out, size_t n)
{
	(void)ctx;
	memset(out, 7, n);
}

static void log_line(enum log_level level, uint16_t tid, uint16_t sid, const char *text)
{
	(void)level;
	(void)tid;
	(void)sid;
	snprintf(t.log, sizeof(t.log), "%s", text);
}

static int set_up(void **state)
{
	const struct plugins_env plugins = {.dir = "/nonexistent",
					    .core = no_core,
					    .conf = conf_of,
					    .packet_hooks = take_hooks,
					    .now = clock_of,
					    .log = log_line};
	(void)state;

	memset(&t, 0, sizeof(t));
	conf_defaults(&t.conf);
	t.now = (nsec){NSEC_S(1000)};
	t.wall_s = 1700000000;
	t.plugins = plugins_new(&plugins);
	const struct nsctl_env env = {.conf = conf_of,
				      .plugins = t.plugins,
				      .counters = &t.counters,
				      .random = random_of,
				      .wall_clock_s = wall_of,
				      .log = log_line};
	t.nsctl = nsctl_new(&env);
	return t.plugins && t.nsctl ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	nsctl_free(t.nsctl);
	plugins_free(t.plugins);
	return 0;
}

static bool send_span(struct span datagram)
{
	t.w = wbuf_of(t.answer, sizeof(t.answer));
	return nsctl_rx(t.nsctl, &client, datagram, &t.w, t.now);
}

/* A command of up to three words. */
static struct wbuf request(uint8_t room[static NSCTL_DATAGRAM], const char *a, const char *b,
			   const char *c)
{
	struct nsctl_msg m = {.type = NSCTL_REQ_CONTROL};
	struct wbuf w = wbuf_of(room, NSCTL_DATAGRAM);
	const char *words[] = {a, b, c};

	for (unsigned i = 0; i < 3 && words[i]; i++)
		m.argv[m.argc++] = span_str(words[i]);
	nsctl_encode(&w, &m);
	assert_false(w.bad);
	return w;
}

static bool command(const char *a, const char *b, const char *c)
{
	uint8_t room[NSCTL_DATAGRAM];
	struct wbuf w = request(room, a, b, c);

	return send_span(wbuf_written(&w));
}

static void assert_answer(enum nsctl_type type, const char *text)
{
	struct nsctl_msg m;

	assert_int_equal(nsctl_decode(wbuf_written(&t.w), &m), NSCTL_GOOD);
	assert_int_equal(m.type, type);
	assert_int_equal(m.argc, 1);
	assert_true(span_equal(m.argv[0], span_str(text)));
}

static void what_no_plugin_knows_is_said(void **state)
{
	(void)state;
	assert_true(command("frobnicate", "x", NULL));
	assert_answer(NSCTL_RES_ERR, "unhandled action");
	assert_true(command(NULL, NULL, NULL)); /* not even a name */
	assert_answer(NSCTL_RES_ERR, "unhandled action");
}

static void the_log_has_the_command(void **state)
{
	(void)state;
	assert_true(command("drop", "alice", "too\nloud"));
	assert_string_equal(t.log, "nsctl: 127.0.0.1:4000: control drop alice too?loud");
}

static void the_log_does_not_tell_who_is_intercepted(void **state)
{
	(void)state;
	assert_true(command("snoop", "alice", "198.51.100.7"));
	assert_string_equal(t.log, "nsctl: 127.0.0.1:4000: control snoop");
	assert_true(command("unsnoop", "alice", NULL));
	assert_string_equal(t.log, "nsctl: 127.0.0.1:4000: control unsnoop");
}

static void what_is_no_request_gets_no_answer(void **state)
{
	uint8_t room[NSCTL_DATAGRAM];
	struct wbuf w = request(room, "drop", "alice", NULL);
	struct span whole = wbuf_written(&w);
	(void)state;

	for (size_t n = 0; n < whole.n; n++)
		assert_false(send_span(span_of(room, n)));
	room[2] = NSCTL_RES_OK;
	assert_false(send_span(whole));
	assert_int_equal(counter_get(&t.counters, C_NSCTL_BAD), whole.n + 1);
	assert_string_equal(t.log, "");
}

static void too_many_are_dropped(void **state)
{
	unsigned answered = 0;
	(void)state;

	t.conf.nsctl_rate = 5;
	t.now = nsec_add(t.now, NSEC_S(10)); /* no more than a second's worth is saved up */
	for (unsigned i = 0; i < 20; i++)
		answered += command("x", NULL, NULL);
	assert_int_equal(answered, 5);
	t.now = nsec_add(t.now, NSEC_MS(200));
	assert_true(command("x", NULL, NULL));
	assert_false(command("x", NULL, NULL));
}

static bool signed_command(const char *secret, int64_t at_s, uint8_t nonce)
{
	struct nsctl_key key = {.secret = span_str(secret), .now_s = at_s};
	uint8_t room[NSCTL_DATAGRAM], nonces[NSCTL_NONCE] = {nonce};
	struct wbuf w = request(room, "drop", "alice", NULL);

	nsctl_sign(&w, &key, nonces);
	return send_span(wbuf_written(&w));
}

static void with_a_key_only_what_is_signed_and_new_is_answered(void **state)
{
	(void)state;
	snprintf(t.conf.nsctl_secret, sizeof(t.conf.nsctl_secret), "s3cret");
	assert_false(command("drop", "alice", NULL));
	assert_false(signed_command("other", t.wall_s, 1));
	assert_false(signed_command("s3cret", t.wall_s - NSCTL_WINDOW_S - 1, 1));
	assert_false(signed_command("s3cret", t.wall_s + NSCTL_WINDOW_S + 1, 1));
	assert_true(signed_command("s3cret", t.wall_s + NSCTL_WINDOW_S, 1));
	int64_t signed_at = t.wall_s + NSCTL_WINDOW_S;
	for (; t.wall_s <= signed_at + NSCTL_WINDOW_S; t.wall_s++) /* as long as it is of now */
		assert_false(signed_command("s3cret", signed_at, 1));
	assert_true(signed_command("s3cret", t.wall_s, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_no_plugin_knows_is_said),
		TEST(the_log_has_the_command),
		TEST(the_log_does_not_tell_who_is_intercepted),
		TEST(what_is_no_request_gets_no_answer),
		TEST(too_many_are_dropped),
		TEST(with_a_key_only_what_is_signed_and_new_is_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
