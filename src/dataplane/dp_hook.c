#include "dataplane/dp_hook.h"

#include "dataplane/dp_cut.h"
#include "dataplane/dp_down.h"

bool dp_hook_tx(const struct dp_world *w, const struct dp_tx *tx)
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
