/* Packets of sessions with a policy: to their worker, out of their queues, copied for collectors.
 */
#include "dataplane/worker.h"

enum { RELEASE_ROUNDS = 16 }; /* of DP_RELEASE_MAX packets in one turn */

_Static_assert(MSG_PACKET_ROOM >= (int)DP_HEADER_MAX, "our header goes there");

static void copy(void *ctx, const struct sock_addr *collector, struct span head, struct span body)
{
	struct worker *w = ctx;

	io_copy_send(w->copies, collector, head, body);
}

bool worker_service_init(struct worker *w)
{
	struct dp_intercept intercept = {.ctx = w, .copy = copy};

	uint32_t places = w->world.conf->hold_mb * DP_HOLD_PER_MB;

	w->copies = io_copy_open(w->common->alloc, &w->counters);
	w->world.services =
		dp_services_new(w->common->alloc, &w->counters, &intercept, places, w->now);
	return w->copies && w->world.services;
}

void worker_service_fini(struct worker *w)
{
	dp_services_free(w->world.services);
	io_copy_close(w->copies);
}

void worker_service_flush(struct worker *w)
{
	io_copy_flush(w->copies);
}

/* ---- handing over ---------------------------------------------------------------------------- */

static void post_packet(struct worker *w, unsigned owner, struct span packet)
{
	struct msg_tun_packet m = MSG_INIT(MSG_TUN_PACKET, struct msg_tun_packet);

	if (packet.n > MSG_MAX - sizeof(m)) {
		counter_drop(&w->counters, DROP_TUN_FORMAT, 1);
		return;
	}
	if (!mail_takes_data(w->common->mail, w->self, owner)) {
		counter_drop(&w->counters, DROP_RING_FULL, 1);
		return;
	}
	m.msg.len = (uint16_t)(sizeof(m) + packet.n);
	mail_send(w->common->mail, w->self, owner, &m.msg, packet, &w->counters);
}

/* A super-packet is too long for a message. */
static void post_segments(struct worker *w, unsigned owner, const struct dp_away *a)
{
	uint8_t room[MSG_MAX];
	struct dp_cut cut;

	if (!dp_cut_start(&cut, a->packet, &a->super)) {
		counter_drop(&w->counters, DROP_TUN_FORMAT, 1);
		return;
	}
	while (cut.payload.n) {
		struct wbuf out = wbuf_of(room, sizeof(room));
		wbuf_span(&out, dp_cut_next(&cut, &out));
		post_packet(w, owner, wbuf_written(&out));
	}
}

void worker_send_away(struct worker *w)
{
	for (unsigned i = 0; i < w->down.n_away; i++) {
		const struct dp_away *a = &w->down.away[i];
		unsigned owner = a->sid % w->common->n_workers;
		if (a->super.size)
			post_segments(w, owner, a);
		else
			post_packet(w, owner, a->packet);
	}
}

/* One by one, but what is to be sent is copied and leaves with all the rest of the turn. */
void worker_take_tun_packet(struct worker *w, struct msg_tun_packet *m)
{
	struct dp_packet in = {.p = (uint8_t *)(m + 1), .n = m->msg.len - sizeof(*m)};
	struct dp_down *d = &w->down;

	dp_down(&w->world, d, &in, 1);
	for (unsigned i = 0; i < d->n_tx; i++) {
		const struct dp_tx *tx = &d->tx[d->order[i]];
		const struct l2tp_path *path = &tx->session->spec.path;
		if (path->local < w->common->n_locals)
			io_udp_send(w->udp[path->local], path, span_of(tx->head, tx->head_n),
				    span_of(tx->body, tx->body_n));
		else
			counter_drop(&w->counters, DROP_SOCKET_SEND, 1);
	}
	for (unsigned i = 0; i < d->n_replies; i++)
		io_tun_write(w->tun, d->replies[i]);
	if (d->n_away) /* the address is another session's by now */
		counter_drop(&w->counters, DROP_STALE_ROUTE, d->n_away);
}

/* ---- what waited ----------------------------------------------------------------------------- */

void worker_release(struct worker *w)
{
	struct dp_release *r = &w->release;

	for (unsigned i = 0; i < RELEASE_ROUNDS && dp_services_release(&w->world, r) > 0; i++) {
		for (unsigned j = 0; j < r->n_up; j++)
			dp_merge_add(&w->merge, r->up[j]);
		dp_merge_flush(&w->merge);
		worker_send_down(w, r->down, r->n_down, r->order);
		dp_services_released(&w->world, r);
	}
}
