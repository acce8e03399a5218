#include "garden_jobs.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "garden_run.h"

enum {
	QUEUE_MAX = 262144, /* orders */
	LINE_MAX_ = 192,
	JUMPS_MAX = 8, /* of a chain that earlier runs left behind */
};

struct order {
	enum garden_order what;
	struct plugin_prefix prefix;
};

static struct {
	const struct plugin_functions *f;
	struct garden_conf conf;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	struct order *queue; /* a ring */
	unsigned first, n;
	int stopping, failed, full_told, touched; /* touched: there may be something to take away */
	atomic_int ready; /* the chains are there; written by the thread alone */
} jobs = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* ---- programs -------------------------------------------------------------------------------- */

static void complain(const char *what, const char *said)
{
	jobs.f->log(PLUGIN_LOG_ERROR, 0, 0, "garden: %s: %s", what, said[0] ? said : "failed");
}

/* iptables -t nat WORD...; NULL behind the last. */
static int iptables(char said[RUN_SAID], ...)
{
	const char *argv[16] = {"iptables", "-w", "10", "-t", "nat"};
	unsigned n = 5;
	va_list words;

	va_start(words, said);
	while (n < 15 && (argv[n] = va_arg(words, const char *)))
		n++;
	va_end(words);
	return garden_run(argv, NULL, 0, said);
}

static int nft(const char *text, size_t n, char said[RUN_SAID])
{
	static const char *const argv[] = {"nft", "-f", "-", NULL};

	return garden_run(argv, text, n, said);
}

static int iptables_restore(const char *text, size_t n, char said[RUN_SAID])
{
	static const char *const argv[] = {"iptables-restore", "-w", "10", "--noflush", NULL};

	return garden_run(argv, text, n, said);
}

/* ---- the chains ------------------------------------------------------------------------------ */

/* Empty and there, whatever was before. */
static int make_chain(const char *name)
{
	char said[RUN_SAID];

	iptables(said, "-N", name, NULL);
	if (iptables(said, "-F", name, NULL) == 0)
		return 1;
	complain(name, said);
	return 0;
}

/* What it says on standard error counts too: a shell's status is that of the last command. */
static void build(void)
{
	const char *argv[] = {"/bin/sh", jobs.conf.script, NULL};
	char said[RUN_SAID], text[GARDEN_PATH + 32];
	int status = garden_run(argv, NULL, 0, said);

	snprintf(text, sizeof(text), "%s: status %d", jobs.conf.script, status);
	if (status != 0)
		complain(text, said);
	else if (said[0])
		jobs.f->log(PLUGIN_LOG_WARNING, 0, 0, "garden: %s says: %s", jobs.conf.script,
			    said);
}

static int make_set(void)
{
	char text[640], said[RUN_SAID], mark[16];
	int well = 1;
	int n = snprintf(text, sizeof(text),
			 "add table ip l2tpns_garden\n"
			 "delete table ip l2tpns_garden\n"
			 "table ip l2tpns_garden {\n"
			 " set users { type ipv4_addr; }\n"
			 " set networks { type ipv4_addr; flags interval; }\n"
			 " chain prerouting {\n"
			 "  type filter hook prerouting priority -150;\n"
			 "  ip saddr @users meta mark set %u\n"
			 "  ip saddr @networks meta mark set %u\n"
			 " }\n"
			 "}\n",
			 jobs.conf.mark, jobs.conf.mark);

	if (nft(text, (size_t)n, said) != 0) {
		complain("nft", said);
		well = 0;
	}
	snprintf(mark, sizeof(mark), "0x%x", jobs.conf.mark);
	if (iptables(said, "-A", "garden_users", "-m", "mark", "--mark", mark, "-j", "garden",
		     NULL) != 0) {
		complain("garden_users", said);
		well = 0;
	}
	return well;
}

/* 1: orders can be carried out. What build-garden thinks of it does not matter for that. */
static int make_all(void)
{
	char said[RUN_SAID];

	if (!make_chain("garden") || !make_chain("garden_users"))
		return 0;
	build();
	if (jobs.conf.nft && !make_set())
		return 0;
	if (iptables(said, "-C", "PREROUTING", "-j", "garden_users", NULL) == 0 ||
	    iptables(said, "-A", "PREROUTING", "-j", "garden_users", NULL) == 0)
		return 1;
	complain("PREROUTING", said);
	return 0;
}

/* False: somebody took the host's rules away, ours with them. */
static int is_made(void)
{
	static const char list[] = "list chain ip l2tpns_garden prerouting\n";
	char said[RUN_SAID];

	return iptables(said, "-S", "garden", NULL) == 0 &&
	       iptables(said, "-S", "garden_users", NULL) == 0 &&
	       iptables(said, "-C", "PREROUTING", "-j", "garden_users", NULL) == 0 &&
	       (!jobs.conf.nft || nft(list, sizeof(list) - 1, said) == 0);
}

static void set_up(void)
{
	jobs.touched = 1;
	jobs.ready = make_all();
	if (jobs.ready)
		return;
	pthread_mutex_lock(&jobs.lock);
	jobs.failed = 1;
	pthread_mutex_unlock(&jobs.lock);
}

/* Only what is ours goes. */
static void tear_down(void)
{
	static const char table[] = "add table ip l2tpns_garden\ndelete table ip l2tpns_garden\n";
	char said[RUN_SAID];

	for (unsigned i = 0; i < JUMPS_MAX; i++)
		if (iptables(said, "-D", "PREROUTING", "-j", "garden_users", NULL) != 0)
			break;
	iptables(said, "-F", "garden_users", NULL);
	iptables(said, "-X", "garden_users", NULL);
	iptables(said, "-F", "garden", NULL);
	if (iptables(said, "-X", "garden", NULL) != 0)
		complain("garden", said);
	if (jobs.conf.nft && nft(table, sizeof(table) - 1, said) != 0)
		complain("nft", said);
}

/* ---- orders ---------------------------------------------------------------------------------- */

static void prefix_text(const struct plugin_prefix *p, char *out, size_t size)
{
	char ip[PLUGIN_ADDR_SIZE];

	jobs.f->fmtaddr(&p->addr, ip, sizeof(ip));
	if (p->len == 32)
		snprintf(out, size, "%s", ip);
	else
		snprintf(out, size, "%s/%u", ip, p->len);
}

/* To delete what is not there is an error in a batch: it is added first. */
static int nft_lines(const struct order *o, char *line, size_t size)
{
	char ip[PLUGIN_ADDR_SIZE + 4];
	const char *set = o->prefix.len == 32 ? "users" : "networks";

	if (o->what == GARDEN_CLEAR)
		return snprintf(line, size,
				"flush set ip l2tpns_garden users\n"
				"flush set ip l2tpns_garden networks\n");
	prefix_text(&o->prefix, ip, sizeof(ip));
	if (o->what == GARDEN_ADD)
		return snprintf(line, size, "add element ip l2tpns_garden %s { %s }\n", set, ip);
	return snprintf(line, size,
			"add element ip l2tpns_garden %s { %s }\n"
			"delete element ip l2tpns_garden %s { %s }\n",
			set, ip, set, ip);
}

static int iptables_line(const struct order *o, char *line, size_t size)
{
	char ip[PLUGIN_ADDR_SIZE + 4];

	if (o->what == GARDEN_CLEAR)
		return snprintf(line, size, "-F garden_users\n");
	prefix_text(&o->prefix, ip, sizeof(ip));
	return snprintf(line, size, "%s garden_users -s %s -j garden\n",
			o->what == GARDEN_ADD ? "-A" : "-D", ip);
}

/* 1: done. All of them at once, or none. */
static int carry_out_all(const struct order *orders, unsigned n, char said[RUN_SAID])
{
	size_t size = (size_t)n * LINE_MAX_ + 32, used = 0;
	char *text = malloc(size);
	int status;

	if (!text) {
		snprintf(said, RUN_SAID, "out of memory");
		return 0;
	}
	if (!jobs.conf.nft)
		used += (size_t)snprintf(text, size, "*nat\n");
	for (unsigned i = 0; i < n; i++)
		used += (size_t)(jobs.conf.nft ? nft_lines(&orders[i], text + used, LINE_MAX_)
					       : iptables_line(&orders[i], text + used, LINE_MAX_));
	if (!jobs.conf.nft)
		used += (size_t)snprintf(text + used, size - used, "COMMIT\n");
	status = jobs.conf.nft ? nft(text, used, said) : iptables_restore(text, used, said);
	free(text);
	return status == 0;
}

static int is_stopping(void)
{
	pthread_mutex_lock(&jobs.lock);
	int stopping = jobs.stopping;
	pthread_mutex_unlock(&jobs.lock);
	return stopping;
}

/* One that cannot be done must not keep the others from it. Who waits for the end does not wait for
 * all of them. */
static int carry_out_each(const struct order *orders, unsigned n)
{
	char said[RUN_SAID], ip[PLUGIN_ADDR_SIZE + 4] = "all";
	int well = 1;

	for (unsigned i = 0; i < n && !is_stopping(); i++) {
		if (carry_out_all(&orders[i], 1, said) || orders[i].what == GARDEN_DELETE)
			continue;
		if (orders[i].what == GARDEN_ADD)
			prefix_text(&orders[i].prefix, ip, sizeof(ip));
		jobs.f->log(PLUGIN_LOG_ERROR, 0, 0, "garden: %s is not confined: %s", ip, said);
		well = 0;
	}
	return well;
}

enum { EACH_MAX = 64 };

/* All orders are given: at the start, and again because some failed. */
static int are_all(const struct order *orders, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (orders[i].what == GARDEN_CLEAR)
			return 1;
	return 0;
}

/* What cannot be done together is tried in parts, and a part one by one. */
static void carry_out(const struct order *orders, unsigned n)
{
	char said[RUN_SAID];
	int well = 1;

	if (are_all(orders, n) && !(jobs.ready && is_made()))
		set_up();
	if (carry_out_all(orders, n, said))
		return;
	for (unsigned done = 0, part; done < n && !is_stopping(); done += part) {
		part = n - done < EACH_MAX ? n - done : (unsigned)EACH_MAX;
		if (n <= EACH_MAX || !carry_out_all(orders + done, part, said))
			well &= carry_out_each(orders + done, part);
	}
	if (well)
		return;
	pthread_mutex_lock(&jobs.lock);
	jobs.failed = 1;
	pthread_mutex_unlock(&jobs.lock);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Everything that waits, in order; NULL when it is time to stop. */
static struct order *take(unsigned *n)
{
	struct order *taken = NULL;

	pthread_mutex_lock(&jobs.lock);
	while (jobs.n == 0 && !jobs.stopping)
		pthread_cond_wait(&jobs.wake, &jobs.lock);
	*n = jobs.n;
	if (!jobs.stopping)
		taken = malloc(*n * sizeof(*taken));
	for (unsigned i = 0; taken && i < *n; i++)
		taken[i] = jobs.queue[(jobs.first + i) % QUEUE_MAX];
	jobs.first = (jobs.first + *n) % QUEUE_MAX;
	jobs.n = 0;
	jobs.failed |= !taken && !jobs.stopping;
	jobs.full_told = 0;
	pthread_mutex_unlock(&jobs.lock);
	return taken;
}

static void *work(void *arg)
{
	(void)arg;
	while (!is_stopping()) {
		unsigned n;
		struct order *orders = take(&n);
		if (orders)
			carry_out(orders, n);
		free(orders);
	}
	if (jobs.touched)
		tear_down();
	return NULL;
}

void garden_jobs_put(enum garden_order order, const struct plugin_prefix *what)
{
	int full;

	pthread_mutex_lock(&jobs.lock);
	full = jobs.n == QUEUE_MAX && !jobs.full_told;
	if (jobs.n == QUEUE_MAX) {
		jobs.failed = jobs.full_told = 1;
	} else {
		struct order *o = &jobs.queue[(jobs.first + jobs.n++) % QUEUE_MAX];
		*o = (struct order){.what = order};
		if (what)
			o->prefix = *what;
		pthread_cond_signal(&jobs.wake);
	}
	pthread_mutex_unlock(&jobs.lock);
	if (full)
		jobs.f->log(PLUGIN_LOG_ERROR, 0, 0, "garden: %d orders wait, no more are taken",
			    QUEUE_MAX);
}

int garden_jobs_failed(void)
{
	pthread_mutex_lock(&jobs.lock);
	int failed = jobs.failed;
	jobs.failed = 0;
	pthread_mutex_unlock(&jobs.lock);
	return failed;
}

int garden_jobs_ready(void)
{
	return jobs.ready;
}

int garden_jobs_start(const struct plugin_functions *functions, const struct garden_conf *conf)
{
	jobs.f = functions;
	jobs.conf = *conf;
	jobs.first = jobs.n = 0;
	jobs.stopping = jobs.failed = jobs.full_told = jobs.touched = 0;
	jobs.ready = 0;
	jobs.queue = calloc(QUEUE_MAX, sizeof(*jobs.queue));
	if (jobs.queue && pthread_create(&jobs.thread, NULL, work, NULL) == 0)
		return 1;
	free(jobs.queue);
	jobs.queue = NULL;
	return 0;
}

void garden_jobs_stop(void)
{
	pthread_mutex_lock(&jobs.lock);
	jobs.stopping = 1;
	pthread_cond_signal(&jobs.wake);
	pthread_mutex_unlock(&jobs.lock);
	pthread_join(jobs.thread, NULL);
	free(jobs.queue);
	jobs.queue = NULL;
}
