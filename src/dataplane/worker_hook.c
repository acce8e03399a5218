/* What is to be sent on its way through the hooks of plugins. */
#include "dataplane/worker.h"

/* Our header is left out; segments of a super-packet are in two pieces. */
static bool passes(const struct worker *w, const struct dp_tx *tx)
{
	uint8_t whole[DP_CUT_HEAD_MAX + UINT16_MAX];
	struct span head = span_of(tx->head, tx->head_n), body = span_of(tx->body, tx->body_n);

	span_take(head.n ? &head : &body, tx->session->header_len);
	if (head.n == 0)
		return w->world.hooks->tx(tx->session->spec.key, body);
	struct wbuf packet = wbuf_of(whole, sizeof(whole));
	wbuf_span(&packet, head);
	wbuf_span(&packet, body);
	return w->world.hooks->tx(tx->session->spec.key, wbuf_written(&packet));
}

unsigned worker_hook_tx(struct worker *w, const struct dp_tx *tx, unsigned n, uint16_t *order)
{
	unsigned kept = 0;

	if (!w->world.hooks->tx)
		return n;
	for (unsigned i = 0; i < n; i++)
		if (passes(w, &tx[order[i]]))
			order[kept++] = order[i];
	counter_drop(&w->counters, DROP_PLUGIN, n - kept);
	return kept;
}
