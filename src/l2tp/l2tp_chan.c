#include "l2tp/l2tp_chan.h"

struct l2tp_chan_msg {
	struct l2tp_chan_msg *next;
	uint16_t n;
	uint8_t bytes[];
};

/* Distance from b to a in sequence space: negative when a is older (RFC 2661 5.8). */
static int16_t seq_diff(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(a - b);
}

static struct l2tp_chan_msg *msg_new(struct l2tp_chan *c, struct span bytes)
{
	LNS_ASSERT(bytes.n <= UINT16_MAX);
	struct l2tp_chan_msg *m = alloc_get(c->alloc, sizeof(*m) + bytes.n);
	if (!m)
		return NULL;
	m->n = (uint16_t)bytes.n;
	memcpy(m->bytes, bytes.p, bytes.n);
	return m;
}

void l2tp_chan_msg_free(struct l2tp_chan *c, struct l2tp_chan_msg *m)
{
	alloc_put(c->alloc, m, sizeof(*m) + m->n);
}

struct span l2tp_chan_msg_span(const struct l2tp_chan_msg *m)
{
	return span_of(m->bytes, m->n);
}

void l2tp_chan_init(struct l2tp_chan *c, const struct alloc *a, uint16_t window)
{
	*c = (struct l2tp_chan){.alloc = a, .deadline = NSEC_NEVER};
	c->store_size = 1; /* a power of two, so that slots keep apart when numbers wrap */
	while (c->store_size < window && c->store_size < 1 << 14)
		c->store_size = (uint16_t)(c->store_size * 2);
	c->cwnd = 1;
	l2tp_chan_peer_window(c, L2TP_CHAN_WINDOW_DEFAULT);
}

void l2tp_chan_peer_window(struct l2tp_chan *c, uint16_t window)
{
	/* Numbers more than half the space apart could not be told from old ones. */
	c->peer_window = window == 0 ? 1 : window > INT16_MAX ? INT16_MAX : window;
	c->ssthresh = c->peer_window;
}

/* ---- sending ---- */

static void queue_pop(struct l2tp_chan *c)
{
	struct l2tp_chan_msg *m = c->first;

	c->first = m->next;
	if (!c->first)
		c->last = NULL;
	if (c->tx_next == m) {
		c->tx_next = m->next;
		c->tx_ns++;
	}
	c->queued--;
	l2tp_chan_msg_free(c, m);
}

/* Appendix A: one more per acknowledged message up to ssthresh, then one more per window. */
static void cwnd_grow(struct l2tp_chan *c)
{
	if (c->cwnd >= c->peer_window)
		return;
	if (c->cwnd < c->ssthresh) {
		c->cwnd++;
	} else if (++c->cwnd_acks >= c->cwnd) {
		c->cwnd_acks = 0;
		c->cwnd++;
	}
}

/* Nr acknowledges all messages before it; false when it names one that was never sent. */
static bool ack_take(struct l2tp_chan *c, uint16_t nr, nsec now)
{
	if (seq_diff(nr, c->sent) > 0)
		return false;
	if (seq_diff(nr, c->peer_nr) <= 0)
		return true; /* nothing new: an old message, or one that crossed ours */
	while (c->peer_nr != nr) {
		LNS_ASSERT(c->first != NULL);
		queue_pop(c);
		c->peer_nr++;
		cwnd_grow(c);
	}
	c->tries = 0;
	/* What is still under way gets a full first interval from here. */
	c->deadline = c->peer_nr == c->sent ? NSEC_NEVER : nsec_add(now, NSEC_S(1));
	return true;
}

bool l2tp_chan_queue(struct l2tp_chan *c, struct span message)
{
	struct l2tp_chan_msg *m = msg_new(c, message);

	if (!m)
		return false;
	if (c->last)
		c->last->next = m;
	else
		c->first = m;
	c->last = m;
	if (!c->tx_next) {
		c->tx_next = m;
		c->tx_ns = c->ns;
	}
	c->ns++;
	c->queued++;
	return true;
}

static int64_t wait_ns(const struct l2tp_chan *c, const struct l2tp_chan_conf *conf)
{
	uint32_t cap = conf->cap_s ? conf->cap_s : 1;
	uint32_t s = c->tries < 16 ? 1u << c->tries : cap;

	return NSEC_S(s < cap ? s : cap);
}

uint32_t l2tp_chan_cycle_s(const struct l2tp_chan_conf *conf)
{
	struct l2tp_chan c = {.tries = 0};
	int64_t sum = 0;

	for (; c.tries < conf->max_retries && c.tries < UINT8_MAX; c.tries++)
		sum += wait_ns(&c, conf);
	return (uint32_t)((sum + wait_ns(&c, conf)) / NSEC_S(1));
}

struct span l2tp_chan_tx(struct l2tp_chan *c, const struct l2tp_chan_conf *conf, nsec now)
{
	struct l2tp_chan_msg *m = c->tx_next;
	uint16_t window = c->cwnd < c->peer_window ? c->cwnd : c->peer_window;

	if (!m || (uint16_t)(c->tx_ns - c->peer_nr) >= window)
		return span_of(NULL, 0);
	l2tp_hdr_stamp(m->bytes, m->n, c->tx_ns, c->nr);
	c->tx_ns++;
	c->tx_next = m->next;
	if (seq_diff(c->tx_ns, c->sent) > 0)
		c->sent = c->tx_ns;
	else
		c->resends++;
	if (nsec_is_never(c->deadline))
		c->deadline = nsec_add(now, wait_ns(c, conf));
	c->last_tx = now;
	c->ack_due = false;
	return span_of(m->bytes, m->n);
}

bool l2tp_chan_zlb(struct l2tp_chan *c, uint16_t peer_tid, struct wbuf *w, nsec now)
{
	if (!c->ack_due)
		return false;
	l2tp_hdr_begin(w, peer_tid, 0);
	l2tp_hdr_stamp(w->p, w->n, c->sent, c->nr);
	c->last_tx = now;
	c->ack_due = false;
	return true;
}

enum l2tp_chan_timeout l2tp_chan_timer(struct l2tp_chan *c, const struct l2tp_chan_conf *conf,
				       nsec now)
{
	if (!nsec_reached(c->deadline, now))
		return L2TP_CHAN_WAIT;
	if (c->tries >= conf->max_retries || c->tries == UINT8_MAX)
		return L2TP_CHAN_DEAD;
	c->tries++;
	/* Appendix A: half of what was under way, and start slowly from the oldest again. */
	c->ssthresh = c->cwnd > 3 ? c->cwnd / 2 : 2;
	c->cwnd = 1;
	c->cwnd_acks = 0;
	c->tx_next = c->first;
	c->tx_ns = c->peer_nr;
	c->deadline = NSEC_NEVER;
	return L2TP_CHAN_RESEND;
}

void l2tp_chan_drop_unsent(struct l2tp_chan *c)
{
	struct l2tp_chan_msg **at = &c->first, *last = NULL;

	for (uint16_t ns = c->peer_nr; ns != c->sent; ns++) {
		last = *at;
		at = &last->next;
	}
	while (*at) {
		struct l2tp_chan_msg *m = *at;
		*at = m->next;
		if (c->tx_next == m)
			c->tx_next = NULL;
		c->queued--;
		l2tp_chan_msg_free(c, m);
	}
	c->last = last;
	c->ns = c->sent;
}

static void store_drop(struct l2tp_chan *c)
{
	if (!c->store)
		return;
	for (unsigned i = 0; i < c->store_size; i++) {
		if (c->store[i])
			l2tp_chan_msg_free(c, c->store[i]);
	}
	alloc_put(c->alloc, c->store, c->store_size * sizeof(*c->store));
	c->store = NULL;
	c->stored = 0;
}

void l2tp_chan_drop_all(struct l2tp_chan *c)
{
	while (c->first)
		queue_pop(c);
	c->tx_next = NULL;
	c->ns = c->peer_nr = c->sent;
	c->deadline = NSEC_NEVER;
	store_drop(c);
}

void l2tp_chan_fini(struct l2tp_chan *c)
{
	l2tp_chan_drop_all(c);
}

/* ---- receiving ---- */

static struct l2tp_chan_msg **store_slot(struct l2tp_chan *c, uint16_t ns)
{
	return &c->store[ns % c->store_size];
}

/* Keeps a message that is ahead of order. Without memory it is lost, as if by the network. */
static enum l2tp_chan_verdict store_add(struct l2tp_chan *c, uint16_t ns, struct span datagram)
{
	if (!c->store)
		c->store = alloc_get(c->alloc, c->store_size * sizeof(*c->store));
	if (!c->store)
		return L2TP_CHAN_LOST;
	struct l2tp_chan_msg **slot = store_slot(c, ns);
	if (*slot)
		return L2TP_CHAN_DUPLICATE;
	*slot = msg_new(c, datagram);
	if (!*slot)
		return L2TP_CHAN_LOST;
	c->stored++;
	return L2TP_CHAN_STORED;
}

enum l2tp_chan_verdict l2tp_chan_rx(struct l2tp_chan *c, const struct l2tp_hdr *h,
				    struct span datagram, nsec now)
{
	int ahead = seq_diff(h->ns, c->nr);
	enum l2tp_chan_verdict verdict = L2TP_CHAN_NEXT;

	if (ahead >= c->store_size || !ack_take(c, h->nr, now))
		return L2TP_CHAN_OUTSIDE;
	if (h->body.n == 0)
		return L2TP_CHAN_ACK; /* a ZLB uses no number and is not acknowledged */
	if (ahead < 0)
		verdict = L2TP_CHAN_DUPLICATE;
	else if (ahead > 0)
		verdict = store_add(c, h->ns, datagram);
	else
		c->nr++;
	if (verdict != L2TP_CHAN_LOST)
		c->ack_due = true;
	return verdict;
}

struct l2tp_chan_msg *l2tp_chan_next_stored(struct l2tp_chan *c)
{
	if (c->stored == 0)
		return NULL;
	struct l2tp_chan_msg **slot = store_slot(c, c->nr);
	struct l2tp_chan_msg *m = *slot;
	if (m) {
		*slot = NULL;
		c->stored--;
		c->nr++;
	}
	return m;
}

bool l2tp_chan_check(const struct l2tp_chan *c)
{
	uint32_t listed = 0, kept = 0;

	for (const struct l2tp_chan_msg *m = c->first; m; m = m->next) {
		if (m->next == NULL && m != c->last)
			return false;
		listed++;
	}
	for (unsigned i = 0; c->store && i < c->store_size; i++)
		kept += c->store[i] != NULL;
	bool timed = !nsec_is_never(c->deadline);
	bool under_way = c->peer_nr != c->sent;
	return listed == c->queued && (uint16_t)(c->ns - c->peer_nr) == (uint16_t)listed &&
	       seq_diff(c->sent, c->peer_nr) >= 0 && kept == c->stored && timed == under_way;
}
