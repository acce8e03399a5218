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

static void by_load(struct worker *w, const struct dp_up_result *r)
{
	struct span packet = span_of(r->p, r->n);
	struct dp_spread_bucket *b = dp_spread_bucket(&w->spread, r->tid, r->sid);
	unsigned to = dp_spread_worker(&w->spread, b);

	if (to == w->self) {
		dp_merge_add(&w->merge, packet);
		b->mark = w->flushes;
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
	lanes_done(l, from, w->self, at);
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

void worker_balance(struct worker *w)
{
	uint32_t busy[LNS_WORKERS_MAX];
	int64_t passed_ns = nsec_sub(w->now, w->balanced);

	if (w->spread.mode != DP_SPREAD_LOAD || passed_ns < NSEC_MS(DP_SPREAD_INTERVAL_MS))
		return;
	w->balanced = w->now;
	for (unsigned i = 0; i < w->common->n_workers; i++) {
		uint64_t ns =
			atomic_load_explicit(&w->common->workers[i].busy_ns, memory_order_relaxed);
		uint64_t permille = (ns - w->busy_seen[i]) * 1000 / (uint64_t)passed_ns;
		w->busy_seen[i] = ns;
		busy[i] = permille < 1000 ? (uint32_t)permille : 1000;
	}
	dp_spread_balance(&w->spread, busy);
}
