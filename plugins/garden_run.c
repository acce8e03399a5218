#include "garden_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LC_ALL=C",
	NULL,
};

/* A file in memory, so that no child can block on a pipe. -1: none could be made. */
static int file_of(const char *bytes, size_t n)
{
	int fd = memfd_create("garden", MFD_CLOEXEC);
	size_t done = 0;

	while (fd >= 0 && done < n) {
		ssize_t w = write(fd, bytes + done, n - done);
		if (w <= 0) {
			close(fd);
			return -1;
		}
		done += (size_t)w;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Signals as a program expects them: the daemon's threads block all. */
static int start(const char *const argv[], int in, int out, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETPGROUP);
	int error = posix_spawnp(pid, argv[0], &files, &attr, (char *const *)(uintptr_t)argv,
				 (char *const *)(uintptr_t)environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return error;
}

/* True when it has ended by itself in time. */
static int wait_for(pid_t pid)
{
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	int ready = 1;

	if (p.fd >= 0) {
		ready = poll(&p, 1, RUN_LIMIT_MS);
		close(p.fd);
	}
	if (ready != 0)
		return 1;
	kill(-pid, SIGKILL);
	return 0;
}

static void first_line(int fd, char said[RUN_SAID])
{
	ssize_t n = pread(fd, said, RUN_SAID - 1, 0);

	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\r\n")] = '\0';
	for (char *c = said; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7F)
			*c = '?';
}

int garden_run(const char *const argv[], const char *input, size_t n, char said[RUN_SAID])
{
	int in = file_of(input, input ? n : 0), out = file_of(NULL, 0), status = 0, result = -1;
	pid_t pid;

	said[0] = '\0';
	int error = in < 0 || out < 0 ? errno : start(argv, in, out, &pid);
	if (error) {
		snprintf(said, RUN_SAID, "%s", strerror(error));
	} else {
		int in_time = wait_for(pid);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
		first_line(out, said);
		if (!in_time)
			snprintf(said, RUN_SAID, "took more than %d s", RUN_LIMIT_MS / 1000);
		else if (WIFEXITED(status))
			result = WEXITSTATUS(status);
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return result;
}
