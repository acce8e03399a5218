/*
 * The load generator's decoders. First byte: 0 L2TP datagram, 1 PPP frames (each with a length
 * byte) to one subscriber, 2 RADIUS request, 3 IP packet.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "lg_l2tp.h"
#include "lg_packet.h"
#include "lg_ppp.h"
#include "lg_radius.h"

static void swallow(void *ctx, struct span frame)
{
	size_t *sent = ctx;
	*sent += frame.n;
}

static void l2tp(struct span in)
{
	struct lg_hdr h;
	struct lg_control c;
	if (lg_hdr_decode(in, &h) && h.control)
		lg_control_decode(h.body, &c);
}

static void ppp(struct span in)
{
	size_t sent = 0;
	struct lg_ppp p;
	struct lg_ppp_conf conf = {
		.mru = 1462, .tries = 3, .allow_pap = true, .allow_chap = true, .want_dns = true};
	struct lg_ppp_env env = {.conf = &conf,
				 .user = span_str("user"),
				 .password = span_str("secret"),
				 .ctx = &sent,
				 .send = swallow};
	lg_ppp_start(&p, 1, &env);
	while (in.n > 0) {
		size_t n = span_u8(&in);
		struct span frame = span_sub(&in, n < in.n ? n : in.n);
		lg_ppp_rx(&p, frame, &env);
	}
}

static void radius(struct span in)
{
	uint8_t room[256];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct lg_rad_request q;
	struct lg_rad_answer a = {.message_auth = true};
	struct span secret = span_str("secret");
	if (!lg_rad_decode(in, &q))
		return;
	lg_rad_message_auth_ok(&q, secret);
	lg_rad_password_ok(&q, secret, span_str("password"));
	lg_rad_user_number(q.user);
	if (!lg_rad_reply(&w, &q, LG_RAD_ACCEPT, &a, secret))
		abort();
}

static void packet(struct span in)
{
	uint8_t room[70000], type;
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct lg_ipv4 ip;
	struct lg_stamp stamp;
	struct span payload;
	if (!lg_ipv4_decode(in, &ip) || !lg_icmp_decode(ip.body, &type, &payload))
		return;
	lg_stamp_decode(payload, &stamp);
	lg_icmp_answer(&w, &ip);
	if (w.bad)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static void (*const what[])(struct span) = {l2tp, ppp, radius, packet};
	struct span in = span_of(bytes, n);
	what[span_u8(&in) % 4](in);
	return 0;
}
