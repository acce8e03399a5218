/* Batches on their way through the hooks of plugins. */
#include "dataplane/worker.h"

/* The record may have gone since the batch was decoded in this turn; its packets pass. */
static bool passes_rx(struct worker *w, const struct dp_up_result *r)
{
	const struct dp_session *s = dp_session_find_rcu(w->common->tables, r->tid, r->sid);

	return !s || w->hooks->rx(s->spec.key, span_of(r->p, r->n));
}

void worker_hook_rx(struct worker *w, unsigned n)
{
	if (!w->hooks->rx)
		return;
	for (unsigned i = 0; i < n; i++) {
		if (w->up[i].verdict != DP_UP_FORWARD || passes_rx(w, &w->up[i]))
			continue;
		w->up[i].verdict = DP_UP_DROP;
		counter_drop(&w->counters, DROP_PLUGIN, 1);
	}
}

/* Our header is left out; segments of a super-packet are in two pieces. */
static bool passes_tx(const struct worker *w, const struct dp_tx *tx)
{
	uint8_t whole[DP_CUT_HEAD_MAX + UINT16_MAX];
	struct span head = span_of(tx->head, tx->head_n), body = span_of(tx->body, tx->body_n);

	span_take(head.n ? &head : &body, tx->session->header_len);
	if (head.n == 0)
		return w->hooks->tx(tx->session->spec.key, body);
	struct wbuf packet = wbuf_of(whole, sizeof(whole));
	wbuf_span(&packet, head);
	wbuf_span(&packet, body);
	return w->hooks->tx(tx->session->spec.key, wbuf_written(&packet));
}

void worker_hook_tx(struct worker *w, struct dp_down *d)
{
	unsigned kept = 0;

	if (!w->hooks->tx)
		return;
	for (unsigned i = 0; i < d->n_tx; i++)
		if (passes_tx(w, &d->tx[d->order[i]]))
			d->order[kept++] = d->order[i];
	counter_drop(&w->counters, DROP_PLUGIN, d->n_tx - kept);
	d->n_tx = kept;
}
