#include "lg_chan.h"

#include <stdlib.h>

enum { DEFAULT_WINDOW = 4 }; /* RFC 2661 4.4.3: when no Receive Window Size AVP was seen */

void lg_chan_init(struct lg_chan *c)
{
	*c = (struct lg_chan){.peer_window = DEFAULT_WINDOW, .cwnd = 1, .ssthresh = DEFAULT_WINDOW};
}

void lg_chan_fini(struct lg_chan *c)
{
	while (c->head) {
		struct lg_chan_msg *m = c->head;
		c->head = m->next;
		free(m);
	}
	lg_chan_init(c);
}

bool lg_chan_queue(struct lg_chan *c, struct span msg)
{
	struct lg_chan_msg *m = malloc(sizeof(*m) + msg.n);
	if (!m)
		return false;
	m->next = NULL;
	m->n = (uint16_t)msg.n;
	memcpy(m->bytes, msg.p, msg.n);
	if (c->head)
		c->tail->next = m;
	else
		c->head = m;
	c->tail = m;
	if (!c->next_tx)
		c->next_tx = m;
	c->ns++;
	return true;
}

void lg_chan_peer_window(struct lg_chan *c, uint16_t window)
{
	c->peer_window = window ? window : 1;
	c->ssthresh = c->peer_window;
}

const struct lg_chan_msg *lg_chan_next(struct lg_chan *c)
{
	uint16_t limit = c->cwnd < c->peer_window ? c->cwnd : c->peer_window;
	if (!c->next_tx || lg_chan_in_flight(c) >= limit)
		return NULL;
	struct lg_chan_msg *m = c->next_tx;
	lg_control_stamp(m->bytes, m->n, c->sent, c->nr);
	c->next_tx = m->next;
	c->sent++;
	c->must_ack = false;
	return m;
}

/* Appendix A: exponential up to the threshold, then one more per window. */
static void open_window(struct lg_chan *c)
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

static bool acknowledge(struct lg_chan *c, uint16_t nr)
{
	uint16_t n = (uint16_t)(nr - c->acked);
	if (n == 0 || n > lg_chan_pending(c))
		return false; /* old, or for what was never sent */
	for (; n > 0; n--) {
		struct lg_chan_msg *m = c->head;
		c->head = m->next;
		if (c->next_tx == m) { /* acknowledged after all, before its repetition */
			c->next_tx = m->next;
			c->sent++;
		}
		free(m);
		c->acked++;
		open_window(c);
	}
	c->tries = 0;
	return true;
}

enum lg_chan_verdict lg_chan_rx(struct lg_chan *c, const struct lg_hdr *h, bool *progress)
{
	*progress = acknowledge(c, h->nr);
	if (h->body.n == 0)
		return LG_CHAN_ACK;
	c->must_ack = true;
	if (h->ns != c->nr)
		return LG_CHAN_OLD;
	c->nr++;
	return LG_CHAN_DELIVER;
}

void lg_chan_timeout(struct lg_chan *c)
{
	c->ssthresh = c->cwnd / 2 > 1 ? c->cwnd / 2 : 1;
	c->cwnd = 1;
	c->cwnd_acks = 0;
	c->sent = c->acked;
	c->next_tx = c->head;
	c->tries++;
}
