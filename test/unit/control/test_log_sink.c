/* The log: form of a line, levels, targets, re-opening, floods, syslog as the system takes it. */
#include "control/log_sink.h"

#include <fcntl.h>
#include <regex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static char dir[] = "/tmp/l2tpns-log-XXXXXX";
static char path[64], moved[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int start(void **state)
{
	(void)state;
	log_sink_start();
	log_sink_level(LOG_NOTE);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	log_sink_stop();
	unlink(path);
	unlink(moved);
	return 0;
}

/* Stops the log, so that everything is written, and returns the file. The caller frees it. */
static char *file_text(const char *name)
{
	FILE *f = fopen(name, "r");
	char *text = NULL;
	size_t room = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &room, '\0', f) < 0) {
		free(text);
		text = strdup("");
	}
	fclose(f);
	return text;
}

static unsigned lines_with(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
		n++;
	return n;
}

static void a_line_has_the_classic_form(void **state)
{
	(void)state;
	regex_t form;

	assert_int_equal(regcomp(&form,
				 "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} 03/117 "
				 "the call is up\n$",
				 REG_EXTENDED),
			 0);
	assert_true(log_sink_open(path));
	log_sink_write(LOG_NOTE, 3, 117, "the call is up");
	log_sink_stop();
	char *text = file_text(path);
	assert_int_equal(regexec(&form, text, 0, NULL, 0), 0);
	free(text);
	regfree(&form);
}

static void lines_above_the_level_are_not_written(void **state)
{
	(void)state;
	assert_true(log_sink_open(path));
	for (unsigned level = LOG_CRITICAL; level <= LOG_DATA; level++) {
		log_sink_level(level);
		assert_true(log_sink_wants((enum log_level)level));
		assert_false(log_sink_wants((enum log_level)(level + 1)));
		log_sink_printf((enum log_level)level, "at %u", level);
		log_sink_printf((enum log_level)(level + 1), "above %u", level);
	}
	log_sink_stop();
	char *text = file_text(path);
	assert_int_equal(lines_with(text, "at "), 6);
	assert_int_equal(lines_with(text, "above "), 0);
	free(text);
}

static void a_file_that_was_moved_is_opened_anew(void **state)
{
	(void)state;
	assert_true(log_sink_open(path));
	log_sink_write(LOG_NOTE, 0, 0, "before");
	/* What waits in the queue goes to the file that is open when it is written. */
	struct stat st = {0};
	for (unsigned i = 0; i < 500 && st.st_size == 0; i++) {
		usleep(10000);
		assert_int_equal(stat(path, &st), 0);
	}
	assert_int_equal(rename(path, moved), 0);
	assert_true(log_sink_open(path));
	log_sink_write(LOG_NOTE, 0, 0, "after");
	log_sink_stop();
	char *old = file_text(moved), *new = file_text(path);
	assert_int_equal(lines_with(old, "before"), 1);
	assert_int_equal(lines_with(old, "after"), 0);
	assert_int_equal(lines_with(new, "after"), 1);
	free(old);
	free(new);
}

static void only_owner_and_group_can_read_a_new_file(void **state)
{
	(void)state;
	struct stat st;

	assert_true(log_sink_open(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0137, 0);
}

/* What standard output gets while the log goes to `target`, until the log has stopped. */
static char *said_on_stdout(const char *target, const char *line, bool *opened)
{
	int out = dup(STDOUT_FILENO), to = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	fflush(stdout);
	dup2(to, STDOUT_FILENO);
	*opened = log_sink_open(target);
	log_sink_write(LOG_NOTE, 0, 0, line);
	log_sink_stop();
	dup2(out, STDOUT_FILENO);
	close(out);
	close(to);
	return file_text(path);
}

static void a_file_that_cannot_be_opened_is_said_on_standard_output(void **state)
{
	(void)state;
	bool ok;
	char *text = said_on_stdout("/nonexistent/log", "still heard", &ok);

	assert_false(ok);
	assert_int_equal(lines_with(text, "cannot open /nonexistent/log: No such file"), 1);
	assert_int_equal(lines_with(text, "still heard"), 1);
	free(text);
}

static void one_line_stays_one_line(void **state)
{
	(void)state;
	char longest[2 * LOG_LINE_MAX];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_true(log_sink_open(path));
	log_sink_write(LOG_NOTE, 0, 0, "login of a\nb\x1b[2J\x7f refused");
	log_sink_write(LOG_NOTE, 0, 0, longest);
	log_sink_stop();
	char *text = file_text(path);
	assert_int_equal(lines_with(text, "\n"), 2);
	assert_int_equal(lines_with(text, "login of a?b?[2J? refused\n"), 1);
	free(text);
}

/* The number that a line "log: N lines WHAT" tells, of all such lines together. */
static unsigned long told(const char *text, const char *what)
{
	unsigned long sum = 0;

	for (const char *at = strstr(text, "log: "); at; at = strstr(at + 1, "log: ")) {
		char *end;
		unsigned long n = strtoul(at + 5, &end, 10);
		if (strncmp(end, " lines ", 7) == 0 && strncmp(end + 7, what, strlen(what)) == 0)
			sum += n;
	}
	return sum;
}

static void every_line_of_a_flood_is_written_or_counted(void **state)
{
	(void)state;
	enum { FLOOD = 60000 };

	assert_true(log_sink_open(path));
	for (unsigned i = 0; i < FLOOD; i++)
		log_sink_write(LOG_WARN, 0, 0, "flood");
	log_sink_stop();
	char *text = file_text(path);
	unsigned written = lines_with(text, " flood\n");
	unsigned long cut = told(text, "cut"), lost = told(text, "lost");
	assert_true(cut + lost > 0);
	assert_int_equal(written + cut + lost, FLOOD);
	free(text);
}

static void an_unknown_target_turns_the_log_off(void **state)
{
	(void)state;
	bool ok;
	char *text = said_on_stdout("nowhere", "not heard", &ok);

	assert_true(ok);
	assert_string_equal(text, "");
	free(text);
}

static void watchers_see_the_lines_and_miss_the_oldest(void **state)
{
	(void)state;
	struct log_tail_line l;
	uint64_t from = log_sink_tail_end(), cursor = from;

	assert_true(log_sink_open("nowhere"));
	assert_false(log_sink_tail(&cursor, &l));
	for (unsigned i = 0; i < 3000; i++) {
		log_sink_printf(LOG_NOTE, "line %u", i);
		if (i % 1000 == 999) /* the queue is shorter than all of them */
			for (unsigned k = 0; k < 500 && log_sink_tail_end() - from < i + 1; k++)
				usleep(10000);
	}
	log_sink_stop();
	assert_true(log_sink_tail(&cursor, &l));
	assert_string_equal(l.text, "line 952");
	assert_int_equal(l.level, LOG_NOTE);
	unsigned n = 1;
	while (log_sink_tail(&cursor, &l))
		n++;
	assert_int_equal(n, 2048);
	assert_string_equal(l.text, "line 2999");
}

/* ---- syslog: a /dev of our own, in which we are the one who listens ----------------------------
 */

enum { CANNOT = 77 };

static int listen_to_dev_log(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
	struct timeval patience = {.tv_sec = 5};

	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/dev", "tmpfs", 0, NULL) < 0)
		return -1;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -1;
	return fd;
}

/* In a process of its own: 0 when the message is right. */
static int syslog_says_it(void)
{
	char got[512];
	int fd = listen_to_dev_log();

	if (fd < 0)
		return CANNOT;
	log_sink_start();
	log_sink_level(LOG_NOTE);
	log_sink_open("syslog:local3");
	log_sink_write(LOG_WARN, 4, 9, "of weight");
	log_sink_stop();
	ssize_t n = recv(fd, got, sizeof(got) - 1, 0);
	if (n < 0)
		return 1;
	got[n] = '\0';
	/* facility local3 = 19, severity warning = 4 (RFC 3164 4.1.1) */
	return strncmp(got, "<156>", 5) == 0 && strstr(got, "l2tpns[") &&
			       strstr(got, "]: 04/09 of weight")
		       ? 0
		       : 2;
}

static void syslog_gets_facility_severity_and_text(void **state)
{
	(void)state;
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(syslog_says_it());
	assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	if (WEXITSTATUS(status) == CANNOT)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define SINK_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syslog_gets_facility_severity_and_text),
		SINK_TEST(a_line_has_the_classic_form),
		SINK_TEST(lines_above_the_level_are_not_written),
		SINK_TEST(a_file_that_was_moved_is_opened_anew),
		SINK_TEST(only_owner_and_group_can_read_a_new_file),
		SINK_TEST(a_file_that_cannot_be_opened_is_said_on_standard_output),
		SINK_TEST(one_line_stays_one_line),
		SINK_TEST(every_line_of_a_flood_is_written_or_counted),
		SINK_TEST(an_unknown_target_turns_the_log_off),
		SINK_TEST(watchers_see_the_lines_and_miss_the_oldest),
	};
	return cmocka_run_group_tests_name("log_sink", tests, make_dir, remove_dir);
}
