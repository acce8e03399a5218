#include "lg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dataplane/dp_checksum.h"
#include "dataplane/dp_cut.h"
#include "lg_packet.h"

enum { TURNS_MAX = 64, RUN_BYTES = 60000, SUPER_MAX = 65536 };

/* Packets of equal length on their way to the LNS; the last may be shorter. */
struct lg_tun_run {
	const struct lg_tunnel *t;
	struct wbuf w;
	size_t each, last;
	unsigned n;
	uint8_t room[LG_DATAGRAM];
};

static void run_send(struct lg *g, struct lg_tun_run *r)
{
	if (r->n > 0 && lg_io_send_run(g->socks[r->t->sock].fd, &r->t->peer, wbuf_written(&r->w),
				       (unsigned)r->each) == 0)
		g->stats.tx_errors++;
	r->w = wbuf_of(r->room, sizeof(r->room));
	r->n = 0;
}

static bool set_address(int s, const char *name, uint32_t ip)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};
	struct sockaddr_in mask = {.sin_family = AF_INET, .sin_addr.s_addr = 0xFFFFFFFF};
	struct ifreq r = {0};
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	memcpy(&r.ifr_addr, &at, sizeof(at));
	if (ioctl(s, SIOCSIFADDR, &r) != 0)
		return false;
	memcpy(&r.ifr_netmask, &mask, sizeof(mask));
	return ioctl(s, SIOCSIFNETMASK, &r) == 0;
}

static bool set_up(int s, const char *name, int mtu)
{
	struct ifreq r = {0};
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	r.ifr_mtu = mtu;
	if (ioctl(s, SIOCSIFMTU, &r) != 0)
		return false;
	r.ifr_flags = IFF_UP | IFF_RUNNING | IFF_POINTOPOINT | IFF_NOARP;
	return ioctl(s, SIOCSIFFLAGS, &r) == 0;
}

/* What a host's network card does for its TCP: the kernel gives packets of up to 64 KB (TSO), and
 * puts those together that come (GRO, where somebody makes NAPI threaded). */
static int make_device(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_NAPI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &r) != 0 ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool lg_tun_open(struct lg *g, const char *name, struct lg_session *s)
{
	int before = g->conf.netns ? lg_io_enter(g->conf.netns) : -1;
	if (g->conf.netns && before < 0)
		return false;
	int fd = make_device(name);
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int mtu = s->ppp.mru ? s->ppp.mru : 1462;
	g->tun_run = calloc(1, sizeof(*g->tun_run));
	bool ok = g->tun_run && fd >= 0 && control >= 0 && set_address(control, name, s->ppp.ip) &&
		  set_up(control, name, mtu) && lg_io_watch_tun(g, fd);
	if (!ok)
		lg_say("cannot make interface %s: %s", name, strerror(errno));
	if (control >= 0)
		close(control);
	lg_io_leave(before);
	if (!ok) {
		if (fd >= 0)
			close(fd);
		lg_tun_close(g);
		return false;
	}
	run_send(g, g->tun_run); /* empties it */
	g->tun = fd;
	g->tun_session = s;
	return true;
}

void lg_tun_close(struct lg *g)
{
	if (g->tun >= 0)
		close(g->tun); /* the interface goes with it */
	free(g->tun_run);
	g->tun_run = NULL;
	g->tun = -1;
	g->tun_session = NULL;
}

static void run_add(struct lg *g, struct span head, struct span payload)
{
	const struct lg_session *s = g->tun_session;
	struct lg_tun_run *r = g->tun_run;
	size_t n = head.n + payload.n;
	size_t more = g->conf.length_bit ? LG_DATA_HDR_MAX : LG_DATA_HDR_MAX - 2;
	if (r->n > 0 && (r->last < r->each || n + more > r->each || r->n == TURNS_MAX ||
			 r->w.n + n + LG_DATA_HDR_MAX > RUN_BYTES))
		run_send(g, r);
	size_t at = r->w.n;
	lg_data_begin(&r->w, g->conf.length_bit, r->t->peer_id, s->peer_sid, n + 4);
	wbuf_u32(&r->w, 0xFF030000 | LG_PPP_IP);
	wbuf_span(&r->w, head);
	wbuf_span(&r->w, payload);
	r->last = r->w.n - at;
	if (r->n++ == 0)
		r->each = r->last;
}

/* Each segment is a datagram of its own. */
static void add_segments(struct lg *g, struct span packet, const struct virtio_net_hdr *v)
{
	struct dp_super super = {.size = v->gso_size, .l4 = v->csum_start};
	struct dp_cut cut;
	if (!super.size || !dp_cut_start(&cut, packet, &super))
		return;
	for (unsigned left = dp_cut_count(&cut); left > 0; left--) {
		uint8_t room[DP_CUT_HEAD_MAX];
		struct wbuf head = wbuf_of(room, sizeof(room));
		struct span payload = dp_cut_next(&cut, &head);
		run_add(g, wbuf_written(&head), payload);
	}
}

static void add(struct lg *g, uint8_t *packet, size_t n, const struct virtio_net_hdr *v)
{
	if (g->tun_session->state != LG_S_UP || n == 0 || packet[0] >> 4 != 4)
		return;
	if (v->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		add_segments(g, span_of(packet, n), v);
	else if (!(v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
		 dp_checksum_finish(packet, n, v->csum_start, v->csum_offset))
		run_add(g, span_of(packet, n), (struct span){0});
}

void lg_tun_read(struct lg *g)
{
	static uint8_t packet[SUPER_MAX];
	struct virtio_net_hdr v;
	struct iovec iov[] = {{&v, sizeof(v)}, {packet, sizeof(packet)}};
	g->tun_run->t = lg_tunnel_of(g, g->tun_session);
	for (unsigned i = 0; i < TURNS_MAX; i++) {
		ssize_t n = readv(g->tun, iov, 2);
		if (n < (ssize_t)sizeof(v))
			break;
		add(g, packet, (size_t)n - sizeof(v), &v);
	}
	run_send(g, g->tun_run);
}

void lg_tun_write(struct lg *g, struct span packet)
{
	struct virtio_net_hdr v = {0};
	struct iovec iov[] = {{&v, sizeof(v)}, {(void *)(uintptr_t)packet.p, packet.n}};
	if (writev(g->tun, iov, 2) < 0)
		g->stats.tx_errors++;
}
