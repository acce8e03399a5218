#include "lg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lg_packet.h"

enum { TURNS_MAX = 64 };

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

static int make_device(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &r) != 0) {
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
	bool ok = fd >= 0 && control >= 0 && set_address(control, name, s->ppp.ip) &&
		  set_up(control, name, mtu) && lg_io_watch_tun(g, fd);
	if (!ok)
		lg_say("cannot make interface %s: %s", name, strerror(errno));
	if (control >= 0)
		close(control);
	lg_io_leave(before);
	if (!ok) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	g->tun = fd;
	g->tun_session = s;
	return true;
}

void lg_tun_close(struct lg *g)
{
	if (g->tun >= 0)
		close(g->tun); /* the interface goes with it */
	g->tun = -1;
	g->tun_session = NULL;
}

void lg_tun_read(struct lg *g)
{
	uint8_t room[LG_PACKET_MAX + LG_DATA_HDR_MAX];
	uint8_t packet[LG_PACKET_MAX];
	struct lg_session *s = g->tun_session;
	for (unsigned i = 0; i < TURNS_MAX; i++) {
		ssize_t n = read(g->tun, packet, sizeof(packet));
		if (n <= 0)
			return;
		if (s->state != LG_S_UP || packet[0] >> 4 != 4)
			continue;
		struct lg_tunnel *t = lg_tunnel_of(g, s);
		struct wbuf w = wbuf_of(room, sizeof(room));
		lg_data_begin(&w, g->conf.length_bit, t->peer_id, s->peer_sid, (size_t)n + 4);
		wbuf_u32(&w, 0xFF030000 | LG_PPP_IP);
		wbuf_bytes(&w, packet, (size_t)n);
		if (!w.bad)
			lg_io_send_run(g->socks[t->sock].fd, &t->peer, wbuf_written(&w),
				       (unsigned)w.n);
	}
}

void lg_tun_write(struct lg *g, struct span packet)
{
	if (write(g->tun, packet.p, packet.n) < 0)
		g->stats.tx_errors++;
}
