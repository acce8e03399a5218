/*
 * The whole daemon without its shells: a tunnel and a call are up to ICCN, then the input says what
 * comes: records of an operation, a length and bytes. Control bodies get the right header and
 * numbers, frames the right ids, so that hostile content reaches the machines; raw datagrams and
 * RADIUS answers come as they are; time passes. Leaks and assertions end the program.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../replay/text.h"
#include "../replay/world.h"
#include "base/wbuf.h"
#include "test_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum operation { RAW, CONTROL, FRAME, WAIT, RADIUS, PEER_MOVES, DROP, OPERATIONS };
enum { SCCRP = 2, ICRP = 11, ASSIGNED_TUNNEL = 9, ASSIGNED_SESSION = 14, STEPS_MAX = 64 };

struct lac {
	struct world *world;
	struct l2tp_path path;
	uint16_t lns_tid, lns_sid, ns, nr;
	unsigned sock;
	struct sock_addr radius;
	bool asked;
};

void replay_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	abort();
}

static void learn(struct lac *l, uint16_t type, uint16_t number, uint16_t value)
{
	if (type == SCCRP && number == ASSIGNED_TUNNEL && !l->lns_tid)
		l->lns_tid = value;
	if (type == ICRP && number == ASSIGNED_SESSION && !l->lns_sid)
		l->lns_sid = value;
}

static void on_control(void *ctx, const struct l2tp_path *path, struct span d)
{
	struct lac *l = ctx;
	uint16_t type = 0;

	(void)path;
	span_take(&d, 8);
	uint16_t ns = span_u16(&d);
	span_u16(&d);
	l->nr = d.n ? (uint16_t)(ns + 1) : l->nr;
	while (d.n) {
		size_t length = span_u16(&d) & 0x3FF;
		span_u16(&d);
		uint16_t number = span_u16(&d);
		struct span value = span_sub(&d, length - 6);
		if (d.bad)
			abort(); /* what we send is always well formed */
		uint16_t v = span_u16(&value);
		if (number == 0)
			type = v;
		learn(l, type, number, v);
	}
}

static void on_frame(void *ctx, const struct l2tp_path *path, uint16_t tid, uint16_t sid,
		     struct span frame)
{
	(void)ctx, (void)path, (void)tid, (void)sid;
	if (frame.n < 3)
		abort();
}

static void on_tun(void *ctx, struct span packet)
{
	(void)ctx;
	if (packet.n < 20)
		abort();
}

static void on_radius(void *ctx, unsigned sock, const struct sock_addr *to, struct span packet)
{
	struct lac *l = ctx;
	(void)packet;
	l->sock = sock;
	l->radius = *to;
	l->asked = true;
}

static void on_route(void *ctx, bool add, const struct ip_prefix *p)
{
	(void)ctx, (void)add, (void)p;
}

static void on_log(void *ctx, uint16_t tid, uint16_t sid, const char *text)
{
	(void)ctx, (void)tid, (void)sid, (void)text;
}

static void control(struct lac *l, uint16_t sid, struct span avps)
{
	uint8_t bytes[2048];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	wbuf_u16(&w, 0xC802);
	wbuf_u16(&w, (uint16_t)(12 + avps.n));
	wbuf_u16(&w, l->lns_tid);
	wbuf_u16(&w, sid);
	wbuf_u16(&w, l->ns++);
	wbuf_u16(&w, l->nr);
	wbuf_span(&w, avps);
	world_rx(l->world, &l->path, wbuf_written(&w));
}

static void control_hex(struct lac *l, uint16_t sid, const char *hex)
{
	uint8_t avps[256];
	control(l, sid, span_of(avps, test_unhex(hex, avps, sizeof(avps))));
}

static void frame(struct lac *l, struct span ppp)
{
	uint8_t bytes[2048];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	wbuf_u16(&w, 2);
	wbuf_u16(&w, l->lns_tid);
	wbuf_u16(&w, l->lns_sid);
	wbuf_u16(&w, 0xFF03);
	wbuf_span(&w, ppp);
	world_rx(l->world, &l->path, wbuf_written(&w));
}

static void dial(struct lac *l)
{
	control_hex(l, 0,
		    "8008 0000 0000 0001  8008 0000 0002 0100  800a 0000 0003 00000003"
		    "8009 0000 0007 6c6163  8008 0000 0009 0007");
	control_hex(l, 0, "8008 0000 0000 0003");
	control_hex(l, 0, "8008 0000 0000 000a  8008 0000 000e 000b  800a 0000 000f 00000001");
	control_hex(l, l->lns_sid,
		    "8008 0000 0000 000c  800a 0000 0018 00989680  800a 0000 0013 00000001");
	if (!l->lns_tid || !l->lns_sid)
		abort();
}

static void operate(struct lac *l, uint8_t operation, struct span body)
{
	switch (operation % OPERATIONS) {
	case RAW:
		world_rx(l->world, &l->path, body);
		break;
	case CONTROL:
		control(l, operation & 0x80 ? 0 : l->lns_sid, body);
		break;
	case FRAME:
		frame(l, body);
		break;
	case WAIT: {
		nsec until = nsec_add(world_now(l->world), NSEC_MS(100) * span_u8(&body));
		while (world_step(l->world, until))
			;
		break;
	}
	case RADIUS:
		if (l->asked)
			world_radius(l->world, l->sock, &l->radius, body);
		break;
	case PEER_MOVES:
		l->path.peer.port ^= 1;
		break;
	default:
		world_drop_user(l->world, "u");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = span_of(bytes, n);
	bool radius = span_u8(&in) & 1;
	struct lac l = {.path = {.local_ip = ip_addr_v4(0xC0000264),
				 .peer = {.ip = ip_addr_v4(0xC0000201), .port = 1701}}};
	struct world_conf conf = {
		.n_workers = 2,
		.text = radius ? "set hostname lns\nset iftun_address 10.255.0.1\nset "
				 "radius_secret s\n"
				 "set primary_radius 192.0.2.9\nset radius_authtypes \"chap,pap\"\n"
				 "set auth_tunnel_change_addr_src yes\n"
			       : "set hostname lns\nset iftun_address 10.255.0.1\nset l2tp_secret "
				 "s\n",
		.users = "u:p:10.0.0.9:10.9.0.0/24\n",
		.pool = "10.0.0.0/30\n",
	};
	struct world_out out = {.ctx = &l,
				.control = on_control,
				.frame = on_frame,
				.tun = on_tun,
				.radius = on_radius,
				.route = on_route,
				.log = on_log};

	l.world = world_new(&conf, &out);
	dial(&l);
	for (int step = 0; step < STEPS_MAX && in.n > 0; step++) {
		uint8_t operation = span_u8(&in);
		size_t length = span_u8(&in);
		operate(&l, operation, span_sub(&in, length < in.n ? length : in.n));
	}
	world_free(l.world);
	return 0;
}
