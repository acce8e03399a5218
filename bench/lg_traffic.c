#include "lg.h"

#include <errno.h>
#include <stdlib.h>

#include "lg_packet.h"

enum {
	SUBSCRIBER_PORT = 5001,
	RUN_MAX = 64, /* datagrams of one UDP_SEGMENT send */
	RUN_BYTES = 60000,
	QUIET_MS = 300, /* without a packet: nothing more comes */
	QUIET_MAX_MS = 3000,
	PACE_US = 1000, /* a chunk that is not full leaves after this long */
};

/* Simple IMIX, 7:4:1, in an order without runs. */
static const uint16_t imix[] = {64, 576, 64, 64, 1400, 64, 576, 64, 576, 64, 64, 576};
enum { IMIX_LEN = sizeof(imix) / sizeof(imix[0]) };

/* Sessions that carry the load, those of one tunnel side by side. */
struct group {
	uint32_t first, n, next;
};

struct run {
	struct lg *g;
	const struct lg_load *load;
	uint32_t *order; /* session indexes */
	struct group *groups;
	unsigned n_groups, group, n_order, next;
	unsigned burst_left, mix, port;
	uint64_t down_left;
	uint8_t *room; /* of a chunk */
	struct mmsghdr msg[RUN_MAX];
	struct iovec iov[RUN_MAX];
	struct sockaddr_in to[RUN_MAX];
};

static unsigned next_size(struct run *r)
{
	return r->load->size == LG_IMIX ? imix[r->mix++ % IMIX_LEN] : r->load->size;
}

/* The subscriber's port of the next packet. */
static uint16_t next_port(struct run *r)
{
	return (uint16_t)(SUBSCRIBER_PORT + r->port++ % r->load->flows);
}

/* ---- up: subscriber to host ------------------------------------------------------------------ */

static struct lg_session *next_of_group(struct run *r, struct group *k)
{
	struct lg_session *s = &r->g->sessions[r->order[k->first + k->next]];
	if (++r->burst_left >= r->load->burst) {
		r->burst_left = 0;
		k->next = (k->next + 1) % k->n;
	}
	return s;
}

static void up_packet(struct run *r, struct lg_session *s, unsigned size, struct wbuf *w)
{
	struct lg *g = r->g;
	struct lg_udp_path path = {s->ppp.ip, ntohl(g->conf.core_addr.s_addr), next_port(r),
				   (uint16_t)g->conf.core_port};
	struct lg_stamp stamp = {(uint32_t)(s - g->sessions), s->up_seq, g->now};
	lg_data_begin(w, g->conf.length_bit, lg_tunnel_of(g, s)->peer_id, s->peer_sid, size + 4u);
	wbuf_u32(w, 0xFF030000 | LG_PPP_IP);
	lg_udp_packet(w, &path, size, (uint16_t)s->up_seq, &stamp);
	s->up_seq++;
}

/* Packets of different lengths: one sendmmsg(). */
static unsigned send_mixed(struct run *r, struct group *k, const struct lg_tunnel *t, unsigned n)
{
	struct wbuf w = wbuf_of(r->room, LG_DATAGRAM);
	for (unsigned i = 0; i < n; i++) {
		size_t at = w.n;
		up_packet(r, next_of_group(r, k), next_size(r), &w);
		r->iov[i] = (struct iovec){r->room + at, w.n - at};
		r->to[i] = t->peer;
	}
	int sent = sendmmsg(r->g->socks[t->sock].fd, r->msg, n, 0);
	return sent < 0 ? 0 : (unsigned)sent;
}

static unsigned send_equal(struct run *r, struct group *k, const struct lg_tunnel *t, unsigned n)
{
	struct wbuf w = wbuf_of(r->room, LG_DATAGRAM);
	size_t each = 0;
	for (unsigned i = 0; i < n && w.n + each < RUN_BYTES; i++) {
		size_t at = w.n;
		up_packet(r, next_of_group(r, k), r->load->size, &w);
		each = w.n - at;
	}
	return lg_io_send_run(r->g->socks[t->sock].fd, &t->peer, wbuf_written(&w), (unsigned)each);
}

static void send_up(struct run *r, unsigned n)
{
	struct group *k = &r->groups[r->group];
	const struct lg_tunnel *t = lg_tunnel_of(r->g, &r->g->sessions[r->order[k->first]]);
	unsigned sent = r->load->size == LG_IMIX ? send_mixed(r, k, t, n) : send_equal(r, k, t, n);
	if (sent == 0)
		r->g->stats.tx_errors++;
	r->g->stats.upward.sent += sent;
	r->group = (r->group + 1) % r->n_groups;
}

/* ---- down: host to subscriber ---------------------------------------------------------------- */

static void down_payload(struct run *r, struct lg_session *s, unsigned size, struct wbuf *w)
{
	struct lg_stamp stamp = {(uint32_t)(s - r->g->sessions), s->down_seq++, r->g->now};
	lg_stamp_encode(w, &stamp, size - LG_IPV4_HEADER - LG_UDP_HEADER);
}

static struct sockaddr_in subscriber(struct run *r, const struct lg_session *s)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(s->ppp.ip),
				    .sin_port = htons(next_port(r))};
}

static struct lg_session *next_of_all(struct run *r)
{
	struct lg_session *s = &r->g->sessions[r->order[r->next]];
	if (r->down_left == 0)
		r->down_left = r->load->burst;
	if (--r->down_left == 0)
		r->next = (r->next + 1) % r->n_order;
	return s;
}

/* One flow: the kernel cuts the packets apart. */
static unsigned down_run(struct run *r, unsigned n)
{
	struct lg_session *s = &r->g->sessions[r->order[0]];
	struct sockaddr_in to = subscriber(r, s);
	struct wbuf w = wbuf_of(r->room, LG_DATAGRAM);
	unsigned each = r->load->size - LG_IPV4_HEADER - LG_UDP_HEADER;
	for (unsigned i = 0; i < n && w.n + each < RUN_BYTES; i++)
		down_payload(r, s, r->load->size, &w);
	return lg_io_send_run(r->g->core, &to, wbuf_written(&w), each);
}

static unsigned down_spread(struct run *r, unsigned n)
{
	struct wbuf w = wbuf_of(r->room, 2 * LG_DATAGRAM);
	for (unsigned i = 0; i < n; i++) {
		struct lg_session *s = next_of_all(r);
		size_t at = w.n;
		down_payload(r, s, next_size(r), &w);
		r->iov[i] = (struct iovec){r->room + at, w.n - at};
		r->to[i] = subscriber(r, s);
	}
	unsigned done = 0;
	while (done < n) {
		int sent = sendmmsg(r->g->core, r->msg + done, n - done, 0);
		if (sent <= 0)
			break;
		done += (unsigned)sent;
	}
	return done;
}

static void send_down(struct run *r, unsigned n)
{
	bool one = r->n_order == 1 && r->load->flows == 1 && r->load->size != LG_IMIX;
	unsigned sent = one ? down_run(r, n) : down_spread(r, n);
	if (sent == 0)
		r->g->stats.tx_errors++;
	r->g->stats.downward.sent += sent;
}

/* ---- what arrives ---------------------------------------------------------------------------- */

static void count(struct lg *g, struct lg_flow *f, const struct lg_stamp *stamp, uint32_t *seen,
		  size_t bytes)
{
	f->received++;
	f->bytes += bytes;
	if ((int32_t)(stamp->seq - *seen) < 0)
		f->reordered++;
	else
		*seen = stamp->seq + 1;
	lg_hist_add(&f->latency, nsec_sub(g->now, stamp->sent));
}

void lg_traffic_core_rx(struct lg *g, const struct sockaddr_in *from, struct span payload)
{
	struct lg_stamp stamp;
	size_t bytes = payload.n + LG_UDP_HEADER + LG_IPV4_HEADER;
	if (!lg_stamp_decode(payload, &stamp) || stamp.session >= g->conf.sessions) {
		g->stats.other_ip++;
		return;
	}
	struct lg_session *s = &g->sessions[stamp.session];
	if (ntohl(from->sin_addr.s_addr) != s->ppp.ip) {
		g->stats.upward.misdelivered++;
		return;
	}
	count(g, &g->stats.upward, &stamp, &s->up_seen, bytes);
}

static void answer_echo(struct lg *g, struct lg_session *s, const struct lg_ipv4 *ip)
{
	uint8_t room[LG_PACKET_MAX + LG_DATA_HDR_MAX];
	struct lg_tunnel *t = lg_tunnel_of(g, s);
	struct wbuf w = wbuf_of(room, sizeof(room));
	size_t size = LG_IPV4_HEADER + ip->body.n;
	lg_data_begin(&w, g->conf.length_bit, t->peer_id, s->peer_sid, size + 4);
	wbuf_u32(&w, 0xFF030000 | LG_PPP_IP);
	lg_icmp_answer(&w, ip);
	if (!w.bad)
		lg_io_send_run(g->socks[t->sock].fd, &t->peer, wbuf_written(&w), (unsigned)w.n);
}

static void icmp_rx(struct lg *g, struct lg_session *s, const struct lg_ipv4 *ip)
{
	struct lg_stamp stamp;
	struct span payload;
	uint8_t type;
	if (!lg_icmp_decode(ip->body, &type, &payload))
		return;
	if (type == LG_ICMP_ECHO) {
		answer_echo(g, s, ip);
	} else if (type == LG_ICMP_REPLY && lg_stamp_decode(payload, &stamp)) {
		g->stats.pongs++;
		lg_hist_add(&g->stats.rtt, nsec_sub(lg_clock(), stamp.sent));
	} else {
		g->stats.other_ip++;
	}
}

void lg_traffic_down_rx(struct lg *g, struct lg_session *s, struct span packet)
{
	struct lg_ipv4 ip;
	struct lg_stamp stamp;
	size_t bytes = packet.n;
	if (s == g->tun_session) {
		lg_tun_write(g, packet);
		return;
	}
	if (!lg_ipv4_decode(packet, &ip)) {
		g->stats.bad++;
		return;
	}
	if (ip.dst != s->ppp.ip) {
		g->stats.downward.misdelivered++;
		return;
	}
	if (ip.proto == LG_PROTO_ICMP) {
		icmp_rx(g, s, &ip);
		return;
	}
	span_take(&ip.body, LG_UDP_HEADER);
	if (ip.proto != LG_PROTO_UDP || !lg_stamp_decode(ip.body, &stamp)) {
		g->stats.other_ip++;
		return;
	}
	if (stamp.session != (uint32_t)(s - g->sessions)) {
		g->stats.downward.misdelivered++;
		return;
	}
	count(g, &g->stats.downward, &stamp, &s->down_seen, bytes);
}

/* ---- ping ------------------------------------------------------------------------------------ */

static void send_ping(struct lg *g, struct lg_session *s)
{
	uint8_t room[LG_SLOT];
	struct lg_tunnel *t = lg_tunnel_of(g, s);
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct lg_stamp stamp = {(uint32_t)(s - g->sessions), (uint32_t)g->stats.pings, lg_clock()};
	lg_data_begin(&w, g->conf.length_bit, t->peer_id, s->peer_sid,
		      LG_IPV4_HEADER + 8 + LG_STAMP_LEN + 4);
	wbuf_u32(&w, 0xFF030000 | LG_PPP_IP);
	lg_icmp_packet(&w, LG_ICMP_ECHO, s->ppp.ip, ntohl(g->conf.core_addr.s_addr), &stamp);
	lg_io_send(g, t->sock, &t->peer, wbuf_written(&w));
	g->stats.pings++;
}

/* Echo requests that are due, from one session after the other. */
static void ping_some(struct run *r, double rate, nsec start)
{
	struct lg *g = r->g;
	double want = rate * (double)nsec_sub(g->now, start) / 1e9;
	bool any = false;
	for (; (double)g->stats.pings < want; any = true)
		send_ping(g, &g->sessions[r->order[r->next++ % r->n_order]]);
	if (any)
		lg_io_flush(g);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void prepare_messages(struct run *r)
{
	for (unsigned i = 0; i < RUN_MAX; i++)
		r->msg[i].msg_hdr = (struct msghdr){.msg_name = &r->to[i],
						    .msg_namelen = sizeof(r->to[i]),
						    .msg_iov = &r->iov[i],
						    .msg_iovlen = 1};
}

/* Groups the sessions that are up by tunnel. */
static void collect(struct run *r)
{
	struct lg *g = r->g;
	unsigned want = r->load->sessions ? r->load->sessions : g->sessions_up;
	for (unsigned t = 0; t < g->conf.tunnels; t++) {
		struct group k = {.first = r->n_order};
		for (unsigned i = t; i < g->conf.sessions && r->n_order < want;
		     i += g->conf.tunnels) {
			if (g->sessions[i].state != LG_S_UP)
				continue;
			r->order[r->n_order++] = i;
			k.n++;
		}
		if (k.n)
			r->groups[r->n_groups++] = k;
	}
}

/* Downward, neighbours in the order should not be of one tunnel. */
static void shuffle(uint32_t *order, unsigned n)
{
	uint32_t x = 2463534242u;
	for (unsigned i = n; i > 1; i--) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		unsigned j = x % i;
		uint32_t swap = order[i - 1];
		order[i - 1] = order[j];
		order[j] = swap;
	}
}

/* How many packets of a direction are due. */
static unsigned due(const struct run *r, uint64_t sent, nsec start, nsec last)
{
	const struct lg_load *l = r->load;
	if (l->rate <= 0)
		return l->chunk;
	double want = l->rate * (double)nsec_sub(r->g->now, start) / 1e9;
	double n = want - (double)sent;
	if (n >= l->chunk)
		return l->chunk;
	return n >= 1 && nsec_sub(r->g->now, last) >= NSEC_US(PACE_US) ? (unsigned)n : 0;
}

/* Until the next chunk leaves that is not full. With more to send than that there is no time. */
static int64_t sleep_ns(const struct lg *g, const struct lg_load *l, nsec last)
{
	int64_t left = NSEC_US(PACE_US) - nsec_sub(g->now, last);
	bool slow = l->rate > 0 && l->ping <= 0 && l->rate * PACE_US / 1e6 < l->chunk;

	return l->sleep && slow && left > 0 ? left : 0;
}

static nsec earlier(nsec a, nsec b)
{
	return nsec_before(a, b) ? a : b;
}

static void send_both(struct run *up, struct run *down, nsec start)
{
	struct lg *g = up->g;
	nsec end = nsec_add(start, (int64_t)(up->load->seconds * 1e9));
	nsec up_last = start, down_last = start;
	unsigned n;

	while (nsec_before(g->now, end) && !g->stop) {
		if (up->load->up && (n = due(up, g->stats.upward.sent, start, up_last))) {
			send_up(up, n);
			up_last = g->now;
		}
		if (up->load->down && (n = due(down, g->stats.downward.sent, start, down_last))) {
			send_down(down, n);
			down_last = g->now;
		}
		if (up->load->ping > 0)
			ping_some(up, up->load->ping, start);
		lg_turn(g, sleep_ns(g, up->load,
				    !up->load->up     ? down_last
				    : !up->load->down ? up_last
						      : earlier(up_last, down_last)));
	}
}

static void drain(struct lg *g)
{
	nsec start = g->now, last = g->now;
	uint64_t seen = 0;
	while (nsec_sub(g->now, last) < NSEC_MS(QUIET_MS) &&
	       nsec_sub(g->now, start) < NSEC_MS(QUIET_MAX_MS)) {
		uint64_t now =
			g->stats.upward.received + g->stats.downward.received + g->stats.pongs;
		if (now != seen) {
			seen = now;
			last = g->now;
		}
		if (g->stats.upward.received >= g->stats.upward.sent &&
		    g->stats.downward.received >= g->stats.downward.sent &&
		    g->stats.pongs >= g->stats.pings)
			return;
		lg_turn(g, NSEC_MS(10));
	}
}

static bool run_init(struct run *r, struct lg *g, const struct lg_load *load)
{
	*r = (struct run){.g = g, .load = load};
	r->order = calloc(g->conf.sessions, sizeof(*r->order));
	r->groups = calloc(g->conf.tunnels, sizeof(*r->groups));
	r->room = malloc(2 * LG_DATAGRAM);
	if (!r->order || !r->groups || !r->room)
		return false;
	prepare_messages(r);
	collect(r);
	return r->n_order > 0;
}

static void run_free(struct run *r)
{
	if (!r)
		return;
	free(r->order);
	free(r->groups);
	free(r->room);
	free(r);
}

bool lg_traffic_run(struct lg *g, const struct lg_load *load)
{
	struct run *up = malloc(sizeof(*up)), *down = malloc(sizeof(*down));
	bool ok = up && down && run_init(up, g, load) && run_init(down, g, load);
	if (ok) {
		shuffle(down->order, down->n_order);
		g->now = lg_clock();
		send_both(up, down, g->now);
		drain(g);
	}
	run_free(up);
	run_free(down);
	return ok;
}

bool lg_ping_run(struct lg *g, double rate, double seconds)
{
	struct lg_load load = {.burst = 1, .flows = 1};
	struct run *r = malloc(sizeof(*r));
	bool ok = r && run_init(r, g, &load);
	nsec start = g->now = lg_clock();
	while (ok && !g->stop && nsec_sub(g->now, start) < (int64_t)(seconds * 1e9)) {
		ping_some(r, rate, start);
		lg_turn(g, NSEC_US(200));
	}
	if (ok)
		drain(g);
	run_free(r);
	return ok;
}
