/*
 * A batch from the LAC is looked at twice: first what keeps tunnels and links alive, then packets
 * on their way to the core, so that control does not wait behind data when there is too much.
 */
#include "dataplane/worker.h"

enum {
	ROUNDS_MAX = 4,	    /* batches taken from one socket or queue in one turn */
	EARLY_MAX = 64,	    /* frames of unknown sessions looked at in one batch */
	LETTERS_MAX = 2048, /* messages taken in one turn */
	/* The receive buffer that is so full, in percent, is emptied until it is so empty. */
	MANY = 64, /* in a turn; after so many it is asked how full it is */
	FILL_HIGH = 50,
	FILL_LOW = 10,
	SHED_READS = 256,
};

/* ---- handing over to the owner --------------------------------------------------------------- */

static void control_to_owner(struct worker *w, unsigned owner, const struct l2tp_path *path,
			     const struct dp_up_result *r)
{
	struct msg_l2tp_control m = MSG_INIT(MSG_L2TP_CONTROL, struct msg_l2tp_control);

	if (r->n > MSG_MAX - sizeof(m)) {
		counter_drop(&w->counters, DROP_L2TP_LENGTH, 1);
		return;
	}
	m.path = *path;
	m.msg.len = (uint16_t)(sizeof(m) + r->n);
	mail_send(w->common->mail, w->self, owner, &m.msg, span_of(r->p, r->n), &w->counters);
}

static void frame_to_owner(struct worker *w, unsigned owner, const struct l2tp_path *path,
			   const struct dp_up_result *r)
{
	struct msg_ppp_frame m = MSG_INIT(MSG_PPP_FRAME, struct msg_ppp_frame);

	if (r->n > MSG_MAX - sizeof(m)) {
		counter_drop(&w->counters, DROP_L2TP_LENGTH, 1);
		return;
	}
	if (dp_up_is_ip(r) && !mail_takes_data(w->common->mail, w->self, owner)) {
		counter_drop(&w->counters, DROP_RING_FULL, 1);
		return;
	}
	m.tid = r->tid;
	m.sid = r->sid;
	m.path = *path;
	m.msg.len = (uint16_t)(sizeof(m) + r->n);
	mail_send(w->common->mail, w->self, owner, &m.msg, span_of(r->p, r->n), &w->counters);
}

/* Tunnel id 0 is a new tunnel, for whoever the kernel's hash chose: a repeated SCCRQ comes here
 * again. */
static void take_control(struct worker *w, const struct l2tp_path *path,
			 const struct dp_up_result *r)
{
	unsigned owner = r->tid ? r->tid % w->common->n_workers : w->self;

	if (owner == w->self)
		tunnel_shard_rx(w->tunnels, path, span_of(r->p, r->n), w->now);
	else
		control_to_owner(w, owner, path, r);
}

static void take_frame(struct worker *w, const struct l2tp_path *path, const struct dp_up_result *r)
{
	unsigned owner = r->sid % w->common->n_workers;

	if (owner == w->self)
		session_shard_frame(w->sessions, r->tid, r->sid, span_of(r->p, r->n), w->now);
	else
		frame_to_owner(w, owner, path, r);
}

/* Frames of unknown sessions: a few per batch, so that junk does not fill the rings. */
static void take_early(struct worker *w, const struct l2tp_path *path, const struct dp_up_result *r,
		       unsigned *budget)
{
	unsigned owner = r->sid % w->common->n_workers;

	if (*budget == 0) {
		counter_drop(&w->counters, DROP_NO_SESSION, 1);
		return;
	}
	--*budget;
	if (owner == w->self)
		session_shard_early(w->sessions, r->tid, r->sid, path, span_of(r->p, r->n), w->now);
	else
		frame_to_owner(w, owner, path, r);
}

/* ---- from the LAC ---------------------------------------------------------------------------- */

static void take_batch(struct worker *w, const struct dp_datagram *in, unsigned n,
		       void (*up)(const struct dp_world *w, const struct dp_datagram *in,
				  unsigned n, struct dp_up_result *out))
{
	unsigned early = EARLY_MAX;

	up(&w->world, in, n, w->up);
	for (unsigned i = 0; i < n; i++)
		if (w->up[i].verdict == DP_UP_CONTROL)
			take_control(w, in[i].path, &w->up[i]);
		else if (w->up[i].verdict == DP_UP_FRAME)
			take_frame(w, in[i].path, &w->up[i]);
		else if (w->up[i].verdict == DP_UP_EARLY)
			take_early(w, in[i].path, &w->up[i], &early);
	for (unsigned i = 0; i < n; i++)
		if (w->up[i].verdict == DP_UP_FORWARD)
			worker_forward(w, &w->up[i]);
}

static void write_merged(void *ctx, const struct dp_merged *m)
{
	struct worker *w = ctx;

	io_tun_write_merged(w->tun, m);
}

void worker_rx_init(struct worker *w, struct io_features features)
{
	struct dp_merge_env env = {
		.ctx = w,
		.write = write_merged,
		.tcp = features.tun_tso,
		.udp = features.tun_uso,
	};

	dp_merge_init(&w->merge, &env);
}

static void take_all(struct worker *w, struct io_udp *u, unsigned n, bool shed)
{
	const struct dp_datagram *in = io_udp_datagrams(u);

	for (unsigned done = 0; done < n; done += DP_BATCH)
		take_batch(w, in + done, n - done < DP_BATCH ? n - done : DP_BATCH,
			   shed ? dp_up_shed : dp_up);
	worker_forward_flush(w);
}

/* More comes than can be forwarded. Before the kernel drops what comes next, control among it, the
 * buffer is emptied: control is served and data is given up, which costs a tenth of forwarding. */
static void shed(struct worker *w, struct io_udp *u)
{
	unsigned n;

	for (unsigned reads = 0; reads < SHED_READS && io_udp_read(u, &n); reads++) {
		take_all(w, u, n, true);
		if (reads % 4 == 3 && io_udp_fill(u) <= FILL_LOW)
			break;
	}
}

/* Datagrams that the kernel could not merge come a few at a time, however many wait. Those that are
 * too short to be taken count, too. */
bool worker_receive(struct worker *w, struct io_udp *u)
{
	unsigned got, n, since = 0;
	bool any = false;

	for (unsigned round = 0; round < ROUNDS_MAX && (got = io_udp_read(u, &n)); round++) {
		any = true;
		take_all(w, u, n, false);
		since += n > got ? n : got;
		if (since < MANY)
			continue;
		since = 0;
		if (io_udp_fill(u) >= FILL_HIGH)
			shed(w, u);
	}
	return any;
}

/* ---- from the core --------------------------------------------------------------------------- */

/* In runs of one socket. */
void worker_send_down(struct worker *w, const struct dp_tx *tx, unsigned n_tx,
		      const uint16_t *order)
{
	for (unsigned done = 0, n; done < n_tx; done += n) {
		uint8_t local = tx[order[done]].session->spec.path.local;
		for (n = 1; done + n < n_tx; n++)
			if (tx[order[done + n]].session->spec.path.local != local)
				break;
		if (local >= w->common->n_locals) {
			counter_drop(&w->counters, DROP_SOCKET_SEND, n);
			continue;
		}
		io_udp_send_batch(w->udp[local], tx, order + done, n);
	}
	for (unsigned i = 0; i < w->common->n_locals; i++)
		io_udp_flush(w->udp[i]);
}

void worker_take_from_core(struct worker *w, const struct dp_packet *in, unsigned n)
{
	for (unsigned done = 0; done < n;) {
		done += dp_down(&w->world, &w->down, in + done, n - done);
		worker_send_down(w, w->down.tx, w->down.n_tx, w->down.order);
		worker_send_away(w);
		for (unsigned i = 0; i < w->down.n_replies; i++)
			io_tun_write(w->tun, w->down.replies[i]);
	}
}

bool worker_receive_tun(struct worker *w)
{
	bool any = false;

	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		unsigned n = io_tun_read(w->tun);
		if (n == 0)
			break;
		any = true;
		worker_take_from_core(w, io_tun_packets(w->tun), n);
	}
	return any;
}

/* ---- from other threads ---------------------------------------------------------------------- */

static void take_l2tp_control(struct worker *w, const struct msg_l2tp_control *m)
{
	tunnel_shard_rx(w->tunnels, &m->path, span_of(m + 1, m->msg.len - sizeof(*m)), w->now);
}

static void take_ppp_frame(struct worker *w, struct msg_ppp_frame *m)
{
	struct dp_up_result r;

	dp_up_frame(&w->world, m->tid, m->sid, &m->path, (uint8_t *)(m + 1),
		    m->msg.len - sizeof(*m), &r);
	if (r.verdict == DP_UP_FRAME)
		session_shard_frame(w->sessions, r.tid, r.sid, span_of(r.p, r.n), w->now);
	else if (r.verdict == DP_UP_EARLY)
		session_shard_early(w->sessions, r.tid, r.sid, &m->path, span_of(r.p, r.n), w->now);
	else if (r.verdict == DP_UP_FORWARD)
		io_tun_write(w->tun, span_of(r.p, r.n));
}

static void take_message(struct worker *w, struct msg *m)
{
	switch (m->kind) {
	case MSG_CALL_UP:
	case MSG_CALL_DOWN:
	case MSG_TUNNEL_GONE:
	case MSG_TUNNEL_MOVED:
	case MSG_AUTH_REPLY:
	case MSG_SESSION_QUERY:
	case MSG_SESSION_PING:
	case MSG_DROP_SESSION:
	case MSG_SESSION_CHANGE:
		session_shard_msg(w->sessions, m, w->now);
		break;
	case MSG_HANGUP:
	case MSG_TUNNEL_QUERY:
	case MSG_DROP_TUNNEL:
	case MSG_SHUTDOWN:
		tunnel_shard_msg(w->tunnels, m, w->now);
		break;
	case MSG_L2TP_CONTROL:
		take_l2tp_control(w, (const struct msg_l2tp_control *)m);
		break;
	case MSG_PPP_FRAME:
		take_ppp_frame(w, (struct msg_ppp_frame *)m);
		break;
	case MSG_TUN_PACKET:
		worker_take_tun_packet(w, (struct msg_tun_packet *)m);
		break;
	default:
		LNS_UNREACHABLE(); /* only control and workers write into rings */
	}
}

bool worker_receive_mail(struct worker *w)
{
	struct msg *m;
	unsigned from, n = 0;

	while (n < LETTERS_MAX && (m = mail_next(w->common->mail, w->self, &from))) {
		take_message(w, m);
		n++;
	}
	return n > 0;
}
