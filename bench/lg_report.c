#include "lg.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void lg_say(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* ---- the daemon under test, from /proc ------------------------------------------------------- */

static uint64_t ticks_ns(uint64_t ticks)
{
	return ticks * UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* User and system time of all threads, in ticks (fields 14 and 15 of /proc/PID/stat). */
static uint64_t process_ticks_ns(int pid)
{
	char path[64], line[1024];
	unsigned long long user = 0, system = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	const char *p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	if (!p || sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
			 &system) != 2)
		return 0;
	return ticks_ns(user + system);
}

/* Time on a CPU of one thread; 0 when this kernel does not tell. */
static uint64_t thread_ns(int pid, const char *thread)
{
	char path[300];
	unsigned long long ns = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, thread);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	fclose(f);
	return ns;
}

/* CPU time of all threads that live: in nanoseconds if possible, else in ticks. */
static uint64_t process_ns(int pid)
{
	char path[64];
	uint64_t sum = 0;
	struct dirent *e;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *d = opendir(path);
	while (d && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			sum += thread_ns(pid, e->d_name);
	if (d)
		closedir(d);
	return sum ? sum : process_ticks_ns(pid);
}

/*
 * A clock that stands still while one CPU is idle. Taken from the idle and I/O-wait times, which
 * the kernel measures: the busy ones are sampled at ticks, and miss what is shorter.
 */
static uint64_t core_ns(int cpu, nsec now)
{
	char line[512], name[16];
	uint64_t busy = 0;
	FILE *f = fopen("/proc/stat", "re");
	if (!f)
		return 0;
	snprintf(name, sizeof(name), "cpu%d ", cpu);
	while (fgets(line, sizeof(line), f)) {
		unsigned long long idle, wait;
		if (strncmp(line, name, strlen(name)) != 0)
			continue;
		if (sscanf(line, "%*s %*u %*u %*u %llu %llu", &idle, &wait) == 2)
			busy = (uint64_t)now.ns - ticks_ns(idle + wait);
		break;
	}
	fclose(f);
	return busy;
}

static uint64_t rss_kb(int pid)
{
	char path[64], line[256];
	unsigned long long kb = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %llu", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

/* CPU time of the daemon's threads "worker0", "worker1" ... */
static void read_workers(int pid, struct lg_watch *w)
{
	char path[300], name[32];
	struct dirent *e;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *d = opendir(path);
	while (d && (e = readdir(d)) != NULL) {
		unsigned number;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, e->d_name);
		FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && sscanf(name, "worker%u", &number) == 1 &&
		    number < LG_WATCH_WORKERS) {
			w->worker_ns[number] += thread_ns(pid, e->d_name);
			if (number >= w->n_workers)
				w->n_workers = number + 1;
		}
		fclose(f);
	}
	if (d)
		closedir(d);
}

void lg_watch_read(const struct lg *g, struct lg_watch *w)
{
	const struct lg_conf *c = &g->conf;
	*w = (struct lg_watch){.at = lg_clock()};
	if (c->watch_pid > 0) {
		w->process_ns = process_ns(c->watch_pid);
		w->rss_kb = rss_kb(c->watch_pid);
		read_workers(c->watch_pid, w);
	}
	for (unsigned i = 0; i < c->n_watch_threads; i++)
		w->kernel_ns += process_ns(c->watch_threads[i]);
	if (c->watch_cpu >= 0)
		w->core_ns = core_ns(c->watch_cpu, w->at);
}

static double per_unit(uint64_t ns, uint64_t per)
{
	return per ? (double)ns / (double)per : 0;
}

json_t *lg_watch_json(const struct lg_watch *a, const struct lg_watch *b, const char *unit,
		      uint64_t per)
{
	uint64_t process = b->process_ns - a->process_ns, core = b->core_ns - a->core_ns;
	uint64_t kernel = b->kernel_ns - a->kernel_ns;
	json_t *workers = json_array();
	for (unsigned i = 0; i < b->n_workers; i++)
		json_array_append_new(workers,
				      json_real((double)(b->worker_ns[i] - a->worker_ns[i]) / 1e9));
	return json_pack("{s:f,s:I,s:f,s:f,s:f,s:o,s:s,s:f,s:f,s:f}", "seconds",
			 (double)nsec_sub(b->at, a->at) / 1e9, "rss_kb", (json_int_t)b->rss_kb,
			 "process_s", (double)process / 1e9, "kernel_s", (double)kernel / 1e9,
			 "core_busy_s", (double)core / 1e9, "workers_s", workers, "per", unit,
			 "process_ns_per", per_unit(process, per), "total_ns_per",
			 per_unit(process + kernel, per), "core_ns_per", per_unit(core, per));
}

/* ---- lines ----------------------------------------------------------------------------------- */

json_t *lg_hist_json(const struct lg_hist *h)
{
	return json_pack("{s:I,s:f,s:f,s:f,s:f}", "n", (json_int_t)h->n, "p50_ms",
			 lg_hist_ms(h, 0.50), "p90_ms", lg_hist_ms(h, 0.90), "p99_ms",
			 lg_hist_ms(h, 0.99), "max_ms", (double)h->max_us / 1000.0);
}

json_t *lg_fails_json(const struct lg_stats *s)
{
	json_t *o = json_object();
	for (unsigned i = 0; i < LG_FAILS; i++)
		if (s->fails[i])
			json_object_set_new(o, lg_fail_name(i),
					    json_integer((json_int_t)s->fails[i]));
	if (s->fails[LG_FAIL_cdn])
		json_object_set_new(o, "last_cdn",
				    json_pack("{s:i,s:i}", "result", (int)s->cdn_result, "error",
					      (int)s->cdn_error));
	return o;
}

void lg_report(const struct lg *g, json_t *o)
{
	struct timespec now;
	FILE *f = stdout;
	clock_gettime(CLOCK_REALTIME, &now);
	json_object_set_new(o, "time", json_integer(now.tv_sec));
	if (g->conf.label)
		json_object_set_new(o, "label", json_string(g->conf.label));
	if (g->conf.json)
		f = fopen(g->conf.json, "ae");
	if (f) {
		json_dumpf(o, f, JSON_COMPACT | JSON_REAL_PRECISION(9) | JSON_PRESERVE_ORDER);
		fputc('\n', f);
		fflush(f);
	} else {
		lg_say("cannot write %s", g->conf.json);
	}
	if (f && f != stdout)
		fclose(f);
	json_decref(o);
}
