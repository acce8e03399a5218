/*
 * What this worker receives and others forward, and the other way round (dp_spread.h has the rule).
 * Only inner packets that are checked and counted already come here: all that is left to do is to
 * merge and write them.
 */
#include "dataplane/worker.h"

enum { TAKE_MAX = 512 /* packets from one lane in one turn */ };

/* Forwarded here, "finished" is when they were flushed; there, when they were taken back. */
static bool passed(void *ctx, unsigned worker, uint32_t mark)
{
	struct worker *w = ctx;

	return worker == w->self ? mark != w->flushes
				 : lanes_passed(w->common->lanes, w->self, worker, mark);
}

void worker_spread_init(struct worker *w, enum dp_spread_mode mode)
{
	dp_spread_init(&w->spread, mode, w->self, w->common->n_workers);
	w->spread.passed = passed;
	w->spread.ctx = w;
}

static bool hand_over(struct worker *w, unsigned to, struct span packet)
{
	if (!lanes_push(w->common->lanes, w->self, to, packet)) {
		counter_drop(&w->counters, DROP_LANE_FULL, 1);
		return false;
	}
	counter_add(&w->counters, C_HANDED_OVER, 1);
	w->handed_to |= UINT64_C(1) << to;
	return true;
}

/* A bucket that is to move away from a worker with too much to do gets no more packets there: it
 * would never be finished. */
static bool must_wait(const struct worker *w, const struct dp_spread_bucket *b)
{
	return b->at != b->wanted && lanes_are_crowded(w->common->lanes, w->self, b->at);
}

static void by_load(struct worker *w, const struct dp_up_result *r)
{
	struct span packet = span_of(r->p, r->n);
	struct dp_spread_bucket *b = dp_spread_bucket(&w->spread, r->tid, r->sid);
	unsigned to = dp_spread_worker(&w->spread, b);

	if (to == w->self) {
		dp_merge_add(&w->merge, packet);
		b->mark = w->flushes;
	} else if (must_wait(w, b)) {
		counter_drop(&w->counters, DROP_LANE_FULL, 1);
	} else if (hand_over(w, to, packet)) {
		b->mark = lanes_mark(w->common->lanes, w->self, to);
	}
}

static void by_session(struct worker *w, const struct dp_up_result *r)
{
	unsigned owner = r->sid % w->common->n_workers;

	if (owner == w->self)
		dp_merge_add(&w->merge, span_of(r->p, r->n));
	else
		hand_over(w, owner, span_of(r->p, r->n));
}

void worker_forward(struct worker *w, const struct dp_up_result *r)
{
	if (r->stays)
		dp_merge_add(&w->merge, span_of(r->p, r->n));
	else if (w->spread.mode == DP_SPREAD_LOAD)
		by_load(w, r);
	else if (w->spread.mode == DP_SPREAD_SESSIONS)
		by_session(w, r);
	else
		dp_merge_add(&w->merge, span_of(r->p, r->n));
}

void worker_forward_flush(struct worker *w)
{
	dp_merge_flush(&w->merge);
	w->flushes++;
	while (w->handed_to) {
		unsigned to = (unsigned)__builtin_ctzll(w->handed_to);
		w->handed_to &= w->handed_to - 1;
		mail_wake(w->common->mail, to);
	}
}

/* ---- what others received -------------------------------------------------------------------- */

static unsigned take_lane(struct worker *w, unsigned from)
{
	struct lanes *l = w->common->lanes;
	uint32_t at = lanes_first(l, from, w->self);
	struct span packet;
	unsigned n = 0;

	while (n < TAKE_MAX && (packet = lanes_next(l, from, w->self, &at)).n) {
		dp_merge_add(&w->merge, packet);
		n++;
	}
	if (n == 0)
		return 0;
	worker_forward_flush(w);
	lanes_done(l, from, w->self, at, n);
	return n;
}

bool worker_receive_lanes(struct worker *w)
{
	unsigned n = 0;

	if (w->spread.mode == DP_SPREAD_NONE)
		return false;
	for (unsigned from = 0; from < w->common->n_workers; from++)
		if (from != w->self)
			n += take_lane(w, from);
	if (n)
		counter_add(&w->counters, C_TAKEN_OVER, n);
	return n > 0;
}

/* ---- who has how much to do ------------------------------------------------------------------ */

/* A worker's load is the CPU time that it takes; but where it has hardly any time left, because its
 * CPU does other things as well, all of its time counts. Both in thousandths of the interval. */
static uint32_t load_of(uint64_t cpu, uint64_t busy)
{
	enum { NEARLY_ALL = 800, ALL = 1000 };

	if (cpu > ALL)
		cpu = ALL;
	if (busy > ALL)
		busy = ALL;
	if (busy > NEARLY_ALL && busy > cpu)
		cpu += (busy - cpu) * (busy - NEARLY_ALL) / (ALL - NEARLY_ALL);
	return (uint32_t)cpu;
}

/* Polling takes CPU time without being work. */
static uint32_t load_since(struct worker *w, unsigned i, uint64_t interval_ns)
{
	const struct worker *other = &w->common->workers[i];
	uint64_t busy_ns = atomic_load_explicit(&other->busy_ns, memory_order_relaxed);
	uint64_t cpu_ns = atomic_load_explicit(&other->cpu_ns, memory_order_relaxed);
	uint64_t busy = (busy_ns - w->seen[i].busy_ns) * 1000 / interval_ns;
	uint64_t cpu = (cpu_ns - w->seen[i].cpu_ns) * 1000 / interval_ns;

	w->seen[i].busy_ns = busy_ns;
	w->seen[i].cpu_ns = cpu_ns;
	return load_of(w->world.conf->busy_poll_us ? busy : cpu, busy);
}

void worker_balance(struct worker *w)
{
	uint32_t load[LNS_WORKERS_MAX];
	int64_t interval = nsec_sub(w->now, w->balanced);

	if (w->spread.mode != DP_SPREAD_LOAD || interval < NSEC_MS(DP_SPREAD_INTERVAL_MS))
		return;
	w->balanced = w->now;
	for (unsigned i = 0; i < w->common->n_workers; i++)
		load[i] = load_since(w, i, (uint64_t)interval);
	dp_spread_balance(&w->spread, load);
}
