/* Captures: the file as pcapng says, its bounds, its end; a tap that nobody asked for. */
#include "control/tap_io.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/core.h"

static struct dp_tap tap;
static struct dp_tap *const taps[] = {&tap};
static struct counters counters;
static struct request_queue *queue;
static struct tap_io *io;
static pthread_t control;
static _Atomic bool ending, session_lives;
static _Atomic int switched; /* on less off */
static char dir[] = "/tmp/test_tap_io.XXXXXX", path[64];
static void *memory;
static const struct sess_key key = {7, 9, 1};

bool core_set_tap(struct core *c, struct sess_key k, bool on)
{
	(void)c;
	assert_true(sess_key_equal(k, key));
	switched += on ? 1 : -1;
	return session_lives;
}

bool core_session_find(struct core *c, uint16_t tid, uint16_t sid, nsec now,
		       struct session_view *out)
{
	(void)c;
	(void)now;
	*out = (struct session_view){.key = key};
	return session_lives && tid == key.tid && sid == key.sid;
}

static void *control_thread(void *arg)
{
	(void)arg;
	while (!ending) {
		struct pollfd p = {.fd = request_fd(queue), .events = POLLIN};
		poll(&p, 1, 20);
		request_serve(queue, NULL, (nsec){NSEC_S(1)});
	}
	return NULL;
}

static int set_up(void **state)
{
	(void)state;
	memory = aligned_alloc(64, DP_TAP_RING);
	dp_tap_init(&tap, memory);
	queue = request_queue_new();
	ending = false;
	session_lives = true;
	switched = 0;
	assert_int_equal(pthread_create(&control, NULL, control_thread, NULL), 0);
	io = tap_io_new(taps, 1, queue);
	assert_non_null(io);
	snprintf(path, sizeof(path), "%s/one.pcapng", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ending = true;
	pthread_join(control, NULL);
	request_shutdown(queue);
	tap_io_free(io);
	request_queue_free(queue);
	free(memory);
	unlink(path);
	return 0;
}

static void copy(struct sess_key of, bool down, unsigned n)
{
	static uint8_t packet[2000] = {0x45};
	const struct dp_tap_record r = {.key = of, .at = {NSEC_S(5)}, .down = down};

	dp_tap_copy(&tap, &counters, &r, span_of(NULL, 0), span_of(packet, n));
}

static struct capture_conf conf_of(void)
{
	return (struct capture_conf){
		.key = key, .path = path, .max_bytes = 1000000, .max_s = 60, .comment = "joe"};
}

static bool view_is(const char *ended, uint64_t packets)
{
	struct capture_view v;

	for (unsigned i = 0; i < 500; i++, usleep(10000))
		if (tap_io_capture_view(io, 0, &v) && v.packets == packets &&
		    (ended ? v.ended && strcmp(v.ended, ended) == 0 : !v.ended))
			return true;
	return false;
}

/* Blocks follow each other exactly, each with its length at both ends; how many packets there are.
 */
static unsigned packets_of_file(unsigned *inbound)
{
	static uint8_t bytes[2000000];
	FILE *f = fopen(path, "r");
	unsigned packets = 0, blocks = 0;

	assert_non_null(f);
	struct span in = span_of(bytes, fread(bytes, 1, sizeof(bytes), f));
	fclose(f);
	*inbound = 0;
	for (; in.n > 0; blocks++) {
		struct span block = in;
		uint32_t type = span_u32(&block), n = span_u32(&block);
		assert_int_equal(n % 4, 0);
		span_take(&in, n - 4);
		assert_int_equal(span_u32(&in), n);
		assert_false(in.bad);
		assert_int_equal(type, blocks == 0 ? 0x0A0D0D0A : blocks == 1 ? 1 : 6);
		if (type != 6)
			continue;
		span_take(&block, 12);
		uint32_t len = span_u32(&block);
		assert_int_equal(span_u32(&block), len);
		assert_int_equal(span_u8(&block), 0x45);
		span_take(&block, (len + 3) / 4 * 4 - 1);
		assert_int_equal(span_u32(&block), 0x00020004); /* epb_flags */
		*inbound += span_u32(&block) == 1;
		packets++;
	}
	return packets;
}

static void packets_are_written_as_pcapng(void **state)
{
	struct capture_conf conf = conf_of();
	char reason[160];
	struct stat st;
	unsigned inbound;
	(void)state;

	copy(key, true, 100); /* nobody asked yet */
	assert_true(tap_io_capture(io, &conf, reason));
	assert_int_equal(switched, 1);
	assert_true(view_is(NULL, 1) || view_is(NULL, 0));
	assert_false(tap_io_capture(io, &conf, reason));
	assert_string_equal(reason, "it is captured already");
	struct capture_view v;
	assert_true(tap_io_capture_view(io, 0, &v));
	unsigned before = (unsigned)v.packets;
	for (unsigned n = 20; n < 30; n++)
		copy(key, n % 2, n);
	copy((struct sess_key){7, 9, 2}, true, 50); /* the ids, but another session */
	assert_true(view_is(NULL, before + 10));
	assert_true(tap_io_stop(io, key));
	assert_false(tap_io_stop(io, key));
	assert_true(view_is("stopped", before + 10));
	for (unsigned i = 0; i < 500 && switched; i++)
		usleep(10000);
	assert_int_equal(switched, 0);
	assert_int_equal(packets_of_file(&inbound), before + 10);
	assert_int_equal(inbound, 5);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_false(tap_io_capture(io, &conf, reason)); /* never overwrites */
	assert_string_equal(reason, "File exists");
}

static void a_full_file_ends_it_whole(void **state)
{
	struct capture_conf conf = conf_of();
	char reason[160];
	unsigned inbound;
	(void)state;

	conf.max_bytes = 10000;
	assert_true(tap_io_capture(io, &conf, reason));
	for (unsigned n = 0; n < 100; n++)
		copy(key, true, 1000);
	assert_true(view_is("full", 9));
	assert_int_equal(packets_of_file(&inbound), 9);
}

static void time_and_the_sessions_end_end_it(void **state)
{
	struct capture_conf conf = conf_of();
	char reason[160];
	(void)state;

	conf.max_s = 1;
	assert_true(tap_io_capture(io, &conf, reason));
	assert_true(view_is("time is over", 0));
	unlink(path);
	conf.max_s = 60;
	assert_true(tap_io_capture(io, &conf, reason));
	session_lives = false;
	struct capture_view v;
	bool seen = false;
	for (unsigned i = 0; i < 500 && !seen; i++, usleep(10000))
		for (unsigned k = 0; tap_io_capture_view(io, k, &v); k++)
			seen |= v.ended && strcmp(v.ended, "the session has ended") == 0;
	assert_true(seen);
	unlink(path);
	assert_false(tap_io_capture(io, &conf, reason)); /* there is none any more */
	assert_string_equal(reason, "the session has ended");
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(packets_are_written_as_pcapng, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_file_ends_it_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(time_and_the_sessions_end_end_it, set_up,
						tear_down),
	};
	if (!mkdtemp(dir))
		return 1;
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
