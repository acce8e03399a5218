#include "dataplane/tun_threads.h"

#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel names them "napi/DEVICE-ID"; the id of a TUN queue is 0. */
static bool is_thread_of(const char *pid, const char *device)
{
	char path[64], comm[64] = "", wanted[32];

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	bool ok = fgets(comm, sizeof(comm), f) != NULL;
	fclose(f);
	int n = snprintf(wanted, sizeof(wanted), "napi/%s-", device);
	return ok && strncmp(comm, wanted, (size_t)n) == 0 &&
	       strspn(comm + n, "0123456789\n") == strlen(comm + n);
}

void tun_threads_find(struct tun_threads *t, const char *device)
{
	DIR *proc = opendir("/proc");

	t->n = 0;
	if (!proc)
		return;
	for (struct dirent *e; t->n < TUN_THREADS_MAX && (e = readdir(proc));) {
		long pid = strtol(e->d_name, NULL, 10);
		if (pid > 0 && is_thread_of(e->d_name, device))
			t->pids[t->n++] = (pid_t)pid;
	}
	closedir(proc);
}

static bool has(const struct tun_threads *t, pid_t pid)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->pids[i] == pid)
			return true;
	return false;
}

unsigned tun_threads_batch(const struct tun_threads *before, const struct tun_threads *now)
{
	struct sched_param none = {.sched_priority = 0};
	unsigned done = 0;

	for (unsigned i = 0; i < now->n; i++)
		if (!has(before, now->pids[i]) &&
		    sched_setscheduler(now->pids[i], SCHED_BATCH, &none) == 0)
			done++;
	return done;
}
