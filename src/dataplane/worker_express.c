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
static bool open_queue(struct worker_common *c, struct express *e, unsigned queue)
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
	w->express[w->n_express++] = (struct worker_express){socket, e};
	return express_add(e, queue, io_xsk_fd(socket));
}

static const char *reason(int why)
{
	return why == EOPNOTSUPP
		       ? "its driver has no XDP (macvlan, VLAN, bridge and the like: name "
			 "the card below)"
		       : strerror(why);
}

static bool open_interface(struct worker_common *c, struct express_set *set, const char *name,
			   size_t mtu, char *why, size_t why_n)
{
	struct express *e = &set->at[set->n];

	if (!express_open(e, name, mtu, why, why_n))
		return false;
	bool ok = express_set_open(set, c->alloc);
	for (unsigned queue = 0; ok && queue < e->n_queues; queue++)
		ok = open_queue(c, e, queue);
	ok = ok && express_load(e, set->hosts) && express_attach(e);
	if (!ok)
		snprintf(why, why_n, "%s", reason(errno));
	return ok;
}

static void tell(const struct worker_common *c, const struct express *e)
{
	char line[LOG_LINE_MAX];

	snprintf(line, sizeof(line),
		 "packets to subscribers that arrive at %s go past the kernel and its filters",
		 e->name);
	say(c, LOG_NOTE, line);
	if (!e->is_veth && !e->hides_tags)
		return;
	snprintf(line, sizeof(line),
		 e->is_veth ? "%s is a veth device: its other end must not leave checksums and "
			      "VLAN tags to be finished (ethtool -K IF tx off txvlan off)"
			    : "%s takes VLAN tags off, packets of every VLAN look alike: if there "
			      "are any, ethtool -K IF rxvlan off",
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

/* Sockets that were opened in vain stay idle. */
void worker_open_express(struct worker_common *c, struct express_set *set, const char *const *names,
			 unsigned n, size_t mtu)
{
	char why[LOG_LINE_MAX / 2];

	LNS_ASSERT(n <= EXPRESS_INTERFACES_MAX);
	for (unsigned i = 0; i < n; i++) {
		struct express *e = &set->at[set->n];
		if (open_interface(c, set, names[i], mtu, why, sizeof(why))) {
			set->n++;
			tell(c, e);
		} else {
			express_close(e);
			tell_refused(c, names[i], why);
		}
	}
	express_set_name(set);
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
		if (!io_xsk_check(w->express[i].socket))
			atomic_store_explicit(&w->express[i].of->gone, true, memory_order_relaxed);
}
