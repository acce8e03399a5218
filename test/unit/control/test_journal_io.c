/* The files of the accounting journal: on a real disk, by real threads, killed in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/heap.h"
#include "control/journal_io.h"

static char dir[] = "/tmp/l2tpns-journal-XXXXXX";

struct life {
	struct journal_io *io;
	struct journal *journal;
};

static struct life life_begin(void)
{
	char reason[JOURNAL_REASON] = "";
	struct life l = {.io = journal_io_open(dir, reason)};

	assert_string_equal(reason, "");
	assert_non_null(l.io);
	struct journal_env env = journal_io_env(l.io, &heap);
	l.journal = journal_new(&env, 64 << 20);
	journal_io_load(l.io, l.journal);
	return l;
}

static void life_end(struct life *l)
{
	journal_close(l->journal);
	journal_free(l->journal);
	journal_io_close(l->io);
}

static uint64_t put(struct life *l, unsigned number)
{
	char text[32];

	snprintf(text, sizeof(text), "record %u", number);
	return journal_put(l->journal, number, span_str(text), false);
}

static void got(void *ctx, uint64_t file, uint32_t at, struct span bytes)
{
	struct life *l = ctx;
	journal_read_done(l->journal, file, at, bytes);
}

static enum journal_got next(struct life *l, struct journal_record *out)
{
	for (;;) {
		enum journal_got g = journal_next(l->journal, JOURNAL_WAITING, out);
		if (g != JOURNAL_READING)
			return g;
		struct pollfd p = {.fd = journal_io_fd(l->io), .events = POLLIN};
		assert_int_equal(poll(&p, 1, 10000), 1);
		journal_io_take(l->io, got, l);
	}
}

static unsigned files_matching(const char *end, mode_t *mode)
{
	char command[128], name[512];
	unsigned n = 0;
	struct stat st;

	snprintf(command, sizeof(command), "ls -d %s/*%s 2>/dev/null", dir, end);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	while (fgets(name, sizeof(name), f)) {
		name[strcspn(name, "\n")] = '\0';
		assert_int_equal(stat(name, &st), 0);
		*mode = st.st_mode & 07777;
		n++;
	}
	pclose(f);
	return n;
}

static void records_outlive_the_process(void **state)
{
	(void)state;
	struct journal_record r;
	mode_t mode = 0;
	struct life l = life_begin();

	for (unsigned i = 0; i < 100; i++)
		assert_true(put(&l, i) != 0);
	journal_set(l.journal, 1, JOURNAL_DONE);
	life_end(&l);
	assert_int_equal(files_matching(".journal", &mode), 1);
	assert_int_equal(mode, 0600);
	l = life_begin();
	for (unsigned i = 1; i < 100; i++) {
		assert_int_equal(next(&l, &r), JOURNAL_GOT);
		assert_int_equal(r.wall_s, i);
		journal_set(l.journal, r.seq, JOURNAL_DONE);
	}
	assert_int_equal(next(&l, &r), JOURNAL_NONE);
	life_end(&l);
	assert_int_equal(files_matching(".journal", &mode), 0);
}

/* What the disk is told, and how often it shall fail at a directory. */
static _Atomic unsigned data_syncs, dir_syncs, dir_failures;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fdatasync(int fd)
{
	data_syncs++;
	return __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
	struct stat st;

	dir_syncs += fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	if (dir_failures > 0) {
		dir_failures--;
		errno = EIO;
		return -1;
	}
	return __real_fsync(fd);
}

static void wait_for_syncs(unsigned data, unsigned directory)
{
	for (unsigned i = 0; i < 500 && (data_syncs < data || dir_syncs < directory); i++)
		usleep(10000);
	assert_true(data_syncs >= data);
	assert_int_equal(dir_syncs, directory);
}

/* Without its directory a file is not to be found after a power failure. */
static void a_new_file_is_brought_to_the_disk_with_its_directory(void **state)
{
	(void)state;
	struct life l = life_begin();

	data_syncs = dir_syncs = 0;
	dir_failures = 1;
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(put(&l, i) != 0);
		journal_flush(l.journal);
		/* Tried again after the failure, and once is enough. */
		wait_for_syncs(i, i < 2 ? 1 : 2);
		usleep(100000);
	}
	assert_int_equal(dir_syncs, 2);
	for (uint64_t seq = 1; seq <= 3; seq++)
		journal_set(l.journal, seq, JOURNAL_DONE);
	life_end(&l);
}

static void the_directory_belongs_to_one_process(void **state)
{
	(void)state;
	char reason[JOURNAL_REASON];
	struct life l = life_begin();

	assert_null(journal_io_open(dir, reason));
	assert_non_null(strstr(reason, "another process"));
	life_end(&l);
}

static void a_directory_that_cannot_be_used_is_refused_by_name(void **state)
{
	(void)state;
	char reason[JOURNAL_REASON], path[128];

	assert_false(journal_io_check("relative", reason));
	assert_string_equal(reason, "acct_journal: relative: not an absolute path");
	snprintf(path, sizeof(path), "%s/none", dir);
	assert_false(journal_io_check(path, reason));
	assert_non_null(strstr(reason, "No such file or directory"));
	assert_false(journal_io_check("/dev/null", reason));
	assert_non_null(strstr(reason, "not a directory"));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0777), 0);
	assert_false(journal_io_check(path, reason));
	assert_non_null(strstr(reason, "everybody may write"));
	assert_int_equal(chmod(path, 01777), 0);
	assert_false(journal_io_check(path, reason));
	assert_non_null(strstr(reason, "everybody may write"));
	assert_int_equal(chmod(path, 0700), 0);
	assert_true(journal_io_check(path, reason));
	assert_int_equal(rmdir(path), 0);
}

/* A read comes behind all writes: once it is answered, they are in the file. */
static void written(struct life *l)
{
	struct journal_env env = journal_io_env(l->io, &heap);
	struct pollfd p = {.fd = journal_io_fd(l->io), .events = POLLIN};

	env.read(env.ctx, 1, 0, 1);
	if (poll(&p, 1, 10000) != 1)
		_exit(1);
	journal_io_take(l->io, got, l);
}

/* Puts records from the number of the argument on, says which are written, until it is killed. */
static void child(unsigned number, int said)
{
	struct life l = life_begin();

	for (;; number++) {
		if (put(&l, number) == 0)
			_exit(1);
		journal_flush(l.journal);
		if (number % 64 != 0)
			continue;
		written(&l);
		if (write(said, &number, sizeof(number)) != sizeof(number))
			_exit(1);
	}
}

static unsigned one_life_until_killed(unsigned number, unsigned ms)
{
	unsigned last = 0, word;
	int said[2];

	assert_int_equal(pipe(said), 0);
	pid_t pid = fork();
	if (pid == 0)
		child(number, said[1]);
	close(said[1]);
	usleep(ms * 1000);
	kill(pid, SIGKILL);
	while (read(said[0], &word, sizeof(word)) == sizeof(word))
		last = word;
	close(said[0]);
	waitpid(pid, NULL, 0);
	return last;
}

static void kill_9_loses_nothing_that_was_written_and_doubles_nothing(void **state)
{
	(void)state;
	struct journal_record r;
	unsigned from = 1, n = 0;

	for (unsigned life = 0; life < 3; life++) {
		unsigned said = one_life_until_killed(from, 150 + 100 * life);
		struct life l = life_begin();
		while (next(&l, &r) == JOURNAL_GOT) {
			assert_int_equal(r.wall_s, from + n); /* each once, in order */
			journal_set(l.journal, r.seq, JOURNAL_DONE);
			n++;
		}
		assert_true(said > 0 && n >= said - from + 1);
		from += n;
		n = 0;
		journal_flush(l.journal);
		life_end(&l);
	}
}

static void a_torn_and_a_damaged_file_are_left_behind(void **state)
{
	(void)state;
	struct journal_record r;
	char path[160], list[160];
	mode_t mode;
	struct life l = life_begin();
	uint64_t seq = put(&l, 1);
	put(&l, 2);
	life_end(&l);
	snprintf(list, sizeof(list), "ls %s/*.journal", dir);
	FILE *f = popen(list, "r");
	assert_non_null(fgets(path, sizeof(path), f));
	pclose(f);
	path[strcspn(path, "\n")] = '\0';
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 3), 0);
	l = life_begin();
	assert_int_equal(next(&l, &r), JOURNAL_GOT);
	assert_int_equal(r.seq, seq);
	assert_int_equal(next(&l, &r), JOURNAL_GOT);
	assert_int_equal(r.seq, seq); /* the only one, again */
	life_end(&l);
	/* Made, and then the process was killed. */
	snprintf(path, sizeof(path), "%s/acct-000000009999.journal", dir);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	l = life_begin();
	life_end(&l);
	assert_int_equal(access(path, F_OK), -1);
	f = popen(list, "r");
	assert_non_null(fgets(path, sizeof(path), f));
	pclose(f);
	path[strcspn(path, "\n")] = '\0';
	int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1, 0), 1);
	close(fd);
	l = life_begin();
	assert_int_equal(next(&l, &r), JOURNAL_NONE);
	assert_true(put(&l, 3) != 0);
	journal_flush(l.journal);
	assert_int_equal(next(&l, &r), JOURNAL_GOT);
	journal_set(l.journal, r.seq, JOURNAL_DONE);
	life_end(&l);
	assert_int_equal(files_matching(".bad", &mode), 1);
}

/* What files may grow to, as on a disk that is full. */
static void disk_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_a_full_disk_refuses_is_still_sent_and_written_later(void **state)
{
	(void)state;
	struct journal_record r;
	struct life l = life_begin();

	while (next(&l, &r) == JOURNAL_GOT) /* of the test before */
		journal_set(l.journal, r.seq, JOURNAL_DONE);
	signal(SIGXFSZ, SIG_IGN);
	put(&l, 0);
	journal_flush(l.journal);
	disk_limit(500); /* in the midst of what comes now */
	for (unsigned i = 1; i < 300; i++) {
		assert_true(put(&l, i) != 0);
		journal_flush(l.journal);
	}
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(next(&l, &r), JOURNAL_GOT);
		assert_int_equal(r.wall_s, i);
	}
	disk_limit(RLIM_INFINITY);
	life_end(&l); /* which tries once more */
	l = life_begin();
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(next(&l, &r), JOURNAL_GOT);
		assert_int_equal(r.wall_s, i);
		journal_set(l.journal, r.seq, JOURNAL_DONE);
	}
	assert_int_equal(next(&l, &r), JOURNAL_NONE);
	life_end(&l);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int remove_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_that_cannot_be_used_is_refused_by_name),
		cmocka_unit_test(records_outlive_the_process),
		cmocka_unit_test(a_new_file_is_brought_to_the_disk_with_its_directory),
		cmocka_unit_test(the_directory_belongs_to_one_process),
		cmocka_unit_test(kill_9_loses_nothing_that_was_written_and_doubles_nothing),
		cmocka_unit_test(a_torn_and_a_damaged_file_are_left_behind),
		cmocka_unit_test(what_a_full_disk_refuses_is_still_sent_and_written_later),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
