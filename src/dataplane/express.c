#include "dataplane/express.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/bpf_asm.h"
#include "dataplane/io_xsk.h"

/* ---- the interface --------------------------------------------------------------------------- */

static struct ifreq request(const struct express *e)
{
	struct ifreq r = {0};

	memcpy(r.ifr_name, e->name, sizeof(e->name));
	return r;
}

static unsigned queues(const struct express *e, int fd)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq r = request(e);

	r.ifr_data = (void *)&channels;
	if (ioctl(fd, SIOCETHTOOL, &r) != 0)
		return 1;
	unsigned n = channels.combined_count + channels.rx_count;
	return n ? n : 1;
}

static bool hides_tags(const struct express *e, int fd)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq r = request(e);

	r.ifr_data = (void *)&flags;
	return ioctl(fd, SIOCETHTOOL, &r) == 0 && flags.data & ETH_FLAG_RXVLAN;
}

/* A bond runs the program at its ports, whose packets its own sockets do not get. */
static bool ask_driver(struct express *e, int fd, char *why, size_t why_n)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = request(e);

	r.ifr_data = (void *)&driver;
	if (ioctl(fd, SIOCETHTOOL, &r) != 0)
		return true;
	e->is_veth = strcmp(driver.driver, "veth") == 0;
	if (strcmp(driver.driver, "bonding") != 0)
		return true;
	snprintf(why, why_n, "it is a bond: name its ports instead");
	return false;
}

static bool ask_address(struct express *e, int fd, char *why, size_t why_n)
{
	struct ifreq r = request(e);

	if (ioctl(fd, SIOCGIFHWADDR, &r) != 0) {
		snprintf(why, why_n, "%s", strerror(errno));
		return false;
	}
	if (r.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
		snprintf(why, why_n, "not an Ethernet interface");
		return false;
	}
	memcpy(e->mac, r.ifr_hwaddr.sa_data, sizeof(e->mac));
	return true;
}

static bool ask_mtu(struct express *e, int fd, size_t mtu, char *why, size_t why_n)
{
	struct ifreq r = request(e);

	if (ioctl(fd, SIOCGIFMTU, &r) != 0) {
		snprintf(why, why_n, "%s", strerror(errno));
		return false;
	}
	e->frame_max = (size_t)r.ifr_mtu + ETH_HLEN;
	if (e->frame_max > IO_XSK_FRAME_MAX) {
		snprintf(why, why_n, "its MTU is %d, %d is the most", r.ifr_mtu,
			 IO_XSK_FRAME_MAX - ETH_HLEN);
		return false;
	}
	e->take_max = mtu + ETH_HLEN < e->frame_max ? mtu + ETH_HLEN : e->frame_max;
	return true;
}

static bool ask(struct express *e, int fd, size_t mtu, char *why, size_t why_n)
{
	if (!ask_address(e, fd, why, why_n) || !ask_mtu(e, fd, mtu, why, why_n) ||
	    !ask_driver(e, fd, why, why_n))
		return false;
	e->n_queues = queues(e, fd);
	e->hides_tags = hides_tags(e, fd);
	return true;
}

static bool find(struct express *e, const char *name, size_t mtu, char *why, size_t why_n)
{
	bool ok = false;

	e->ifindex = if_nametoindex(name);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!e->ifindex || fd < 0)
		snprintf(why, why_n, "%s", strerror(errno));
	else
		ok = ask(e, fd, mtu, why, why_n);
	if (fd >= 0)
		close(fd);
	return ok;
}

static int sockets_new(unsigned n)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_XSKMAP,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint32_t),
		.max_entries = n,
	};

	return bpf_call_kernel(BPF_MAP_CREATE, &attr);
}

bool express_open(struct express *e, const char *name, size_t mtu, char *why, size_t why_n)
{
	*e = (struct express){.sockets = -1, .program = -1, .link = -1};
	snprintf(e->name, sizeof(e->name), "%s", name);
	if (!find(e, name, mtu, why, why_n))
		return false;
	e->sockets = sockets_new(e->n_queues);
	if (e->sockets >= 0)
		return true;
	snprintf(why, why_n, "%s", strerror(errno));
	return false;
}

bool express_add(const struct express *e, unsigned queue, int socket_fd)
{
	uint32_t key = queue, value = (uint32_t)socket_fd;
	union bpf_attr attr = {
		.map_fd = (uint32_t)e->sockets,
		.key = (uint64_t)(uintptr_t)&key,
		.value = (uint64_t)(uintptr_t)&value,
	};

	return bpf_call_kernel(BPF_MAP_UPDATE_ELEM, &attr) == 0;
}

/* ---- the program ----------------------------------------------------------------------------- */

/* Places in struct xdp_md, which the kernel reads as 32-bit words, and in the frame. */
enum {
	MD_DATA = 0,
	MD_DATA_END = 4,
	MD_QUEUE = 16,
	TYPE_AT = 12,
	IP_AT = ETH_HLEN,
	TTL_AT = IP_AT + 8,
	SRC_AT = IP_AT + 12,
	DST_AT = IP_AT + 16,
	IP_END = IP_AT + 20,
};

enum label { KERNEL };

/* As a program on this machine reads them, two bytes from the wire. */
static int32_t wire16(uint8_t high, uint8_t low)
{
	uint8_t bytes[2] = {high, low};
	uint16_t v;

	memcpy(&v, bytes, sizeof(v));
	return v;
}

static void must_be(struct bpf_asm *a, int16_t at, int32_t wire)
{
	bpf_load(a, BPF_H, R4, R2, at);
	bpf_jump_if(a, BPF_JNE, R4, wire, KERNEL);
}

/* r2 is where the frame begins, r3 where it ends. Sources 0/8, 127/8, 224/3 are the kernel's to
 * refuse. */
static void assemble_checks(struct bpf_asm *a, const struct express *e)
{
	bpf_set_reg(a, R4, R2);
	bpf_alu(a, BPF_ADD, R4, IP_END);
	bpf_jump_if_reg(a, BPF_JGT, R4, R3, KERNEL);
	bpf_set_reg(a, R4, R2);
	bpf_alu(a, BPF_ADD, R4, (int32_t)e->take_max);
	bpf_jump_if_reg(a, BPF_JLT, R4, R3, KERNEL);
	for (int16_t i = 0; i < EXPRESS_MAC; i += 2)
		must_be(a, i, wire16(e->mac[i], e->mac[i + 1]));
	must_be(a, TYPE_AT, wire16(ETH_P_IP >> 8, ETH_P_IP & 255));
	bpf_load(a, BPF_B, R4, R2, IP_AT);
	bpf_jump_if(a, BPF_JNE, R4, 0x45, KERNEL);
	bpf_load(a, BPF_B, R4, R2, TTL_AT);
	bpf_jump_if(a, BPF_JLT, R4, 2, KERNEL);
	bpf_load(a, BPF_B, R4, R2, SRC_AT);
	bpf_jump_if(a, BPF_JEQ, R4, 0, KERNEL);
	bpf_jump_if(a, BPF_JEQ, R4, 127, KERNEL);
	bpf_jump_if(a, BPF_JGE, R4, 224, KERNEL);
}

/* The last argument of bpf_redirect_map is what to do where there is no socket. */
static void assemble(struct bpf_asm *a, const struct express *e, const struct express_hosts *hosts)
{
	bpf_set_reg(a, R6, R1);
	bpf_load(a, BPF_W, R2, R6, MD_DATA);
	bpf_load(a, BPF_W, R3, R6, MD_DATA_END);
	assemble_checks(a, e);
	bpf_load(a, BPF_W, R4, R2, DST_AT);
	express_hosts_assemble(hosts, a, KERNEL);
	bpf_set_map(a, R1, e->sockets);
	bpf_load(a, BPF_W, R2, R6, MD_QUEUE);
	bpf_set_imm(a, R3, XDP_PASS);
	bpf_call(a, BPF_FUNC_redirect_map);
	bpf_exit(a);
	bpf_label(a, KERNEL);
	bpf_set_imm(a, R0, XDP_PASS);
	bpf_exit(a);
}

bool express_load(struct express *e, const struct express_hosts *hosts)
{
	struct bpf_asm a = {.n = 0};

	assemble(&a, e, hosts);
	e->program = bpf_asm_load(&a, BPF_PROG_TYPE_XDP);
	return e->program >= 0;
}

bool express_attach(struct express *e)
{
	union bpf_attr attr = {
		.link_create.prog_fd = (uint32_t)e->program,
		.link_create.target_ifindex = e->ifindex,
		.link_create.attach_type = BPF_XDP,
		.link_create.flags = XDP_FLAGS_DRV_MODE,
	};

	e->link = bpf_call_kernel(BPF_LINK_CREATE, &attr);
	return e->link >= 0;
}

void express_close(struct express *e)
{
	if (e->link >= 0)
		close(e->link);
	if (e->program >= 0)
		close(e->program);
	if (e->sockets >= 0)
		close(e->sockets);
	e->link = e->program = e->sockets = -1;
}
