#include "dataplane/worker.h"

#include <errno.h>
#include <stdio.h>

enum { ROUNDS_MAX = 4 }; /* batches taken from one queue in one turn */

static void say(const struct worker_common *c, enum log_level level, const char *line)
{
	c->log(c->log_ctx, level, 0, 0, line);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* A queue that gets no socket, because its worker has so many, stays with the kernel. */
static bool open_queue(struct worker_common *c, const struct express *e, unsigned queue)
{
	struct worker *w = &c->workers[queue % c->n_workers];
	struct io_xsk_conf x = {
		.alloc = c->alloc,
		.counters = &w->counters,
		.ifindex = e->ifindex,
		.queue = queue,
		.frame_max = e->frame_max,
	};

	if (w->n_express == WORKER_EXPRESS_MAX)
		return true;
	struct io_xsk *socket = io_xsk_open(&x);
	if (!socket)
		return false;
	w->express[w->n_express++] = socket;
	return express_add(e, queue, io_xsk_fd(socket));
}

static bool open_interface(struct worker_common *c, struct express_set *set, const char *name,
			   char *why, size_t why_n)
{
	struct express *e = &set->at[set->n];

	if (!express_open(e, name, why, why_n))
		return false;
	if (!set->hosts)
		set->hosts = express_hosts_open(c->alloc);
	bool ok = set->hosts != NULL;
	for (unsigned queue = 0; ok && queue < e->n_queues; queue++)
		ok = open_queue(c, e, queue);
	ok = ok && express_load(e, set->hosts) && express_attach(e);
	if (!ok)
		snprintf(why, why_n, "%s", strerror(errno));
	return ok;
}

static void tell(const struct worker_common *c, const struct express *e)
{
	char line[LOG_LINE_MAX];

	snprintf(line, sizeof(line),
		 "packets to subscribers that arrive at %s go past the kernel and its filters",
		 e->name);
	say(c, LOG_NOTE, line);
	if (!e->is_veth)
		return;
	snprintf(line, sizeof(line),
		 "%s is a veth device: its other end must not leave checksums to be finished "
		 "(ethtool -K IF tx off)",
		 e->name);
	say(c, LOG_WARN, line);
}

static void tell_refused(const struct worker_common *c, const char *name, const char *why)
{
	char line[LOG_LINE_MAX];

	snprintf(line, sizeof(line), "express_interfaces %s: packets take the kernel's way: %s",
		 name, why);
	say(c, LOG_WARN, line);
}

static void name_all(struct express_set *set)
{
	size_t used = 0;

	snprintf(set->names, sizeof(set->names), "none");
	for (unsigned i = 0; i < set->n; i++)
		used += (size_t)snprintf(set->names + used, sizeof(set->names) - used, "%s%s",
					 i ? ", " : "", set->at[i].name);
}

/* Sockets that were opened in vain stay idle. */
void worker_open_express(struct worker_common *c, struct express_set *set, const char *const *names,
			 unsigned n)
{
	char why[LOG_LINE_MAX / 2];

	LNS_ASSERT(n <= EXPRESS_INTERFACES_MAX);
	for (unsigned i = 0; i < n; i++) {
		struct express *e = &set->at[set->n];
		if (open_interface(c, set, names[i], why, sizeof(why))) {
			set->n++;
			tell(c, e);
		} else {
			express_close(e);
			tell_refused(c, names[i], why);
		}
	}
	name_all(set);
}

void worker_close_express(struct express_set *set)
{
	while (set->n)
		express_close(&set->at[--set->n]);
	express_hosts_close(set->hosts);
}

/* ---- at work --------------------------------------------------------------------------------- */

/* From here on they are packets like those of the TUN device. */
bool worker_receive_express(struct worker *w, struct io_xsk *x)
{
	bool any = false;
	unsigned n;

	for (unsigned round = 0; round < ROUNDS_MAX && io_xsk_read(x, &n); round++) {
		any = true;
		worker_take_from_core(w, io_xsk_packets(x), n);
	}
	return any;
}

void worker_check_express(struct worker *w)
{
	for (unsigned i = 0; i < w->n_express; i++)
		if (!io_xsk_check(w->express[i]))
			say(w->common, LOG_WARN,
			    "an interface of express_interfaces is gone; once it is back packets "
			    "take the kernel's way until the next start");
}
