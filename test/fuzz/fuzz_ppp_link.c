/*
 * A PPP link and a peer that sends anything at any time. The input is a list of steps: a byte says
 * what happens, a second one how long the frame is or how much time passes. What the link sends is
 * always well formed, its deadlines are served, and in the end it can be closed.
 */
#include <stdlib.h>
#include <string.h>

#include "ppp/ppp_link.h"
#include "test_random.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void random_fill(void *ctx, void *out, size_t n)
{
	test_random_fill(ctx, out, n);
}

/* Our last Configure-Requests of LCP and IPCP. */
static struct {
	size_t n;
	uint8_t bytes[128];
} asked[2];

static void keep_request(struct span f, uint16_t protocol, uint8_t code)
{
	if (code != PPP_CONF_REQ || f.n > sizeof(asked[0].bytes))
		return;
	asked[protocol == PPP_IPCP].n = f.n;
	memcpy(asked[protocol == PPP_IPCP].bytes, f.p, f.n);
}

/* The answer that brings the link further, which no mutation would find. */
static void answer_well(struct ppp_link *l, struct ppp_io *io, uint8_t arg)
{
	uint8_t chap[] = {0xC2, 0x23, 2, l->auth_id, 0, 22, 16, 1, 2, 3, 4,  5,
			  6,	7,    8, 9,	     1, 2,  3,	4, 5, 6, 'a'};
	uint8_t *ours = asked[arg & 1].bytes;

	if (arg & 2) {
		ppp_link_rx(l, io, span_of(chap, sizeof(chap) - (arg & 4 ? 1 : 0)));
	} else if (asked[arg & 1].n) {
		ours[4] = arg & 8 ? PPP_CONF_REJ : PPP_CONF_ACK;
		ppp_link_rx(l, io, span_of(ours, asked[arg & 1].n));
	}
}

static void check_sent(const struct ppp_actions *a)
{
	for (unsigned i = 0; i < a->n_frames; i++) {
		struct span f = ppp_actions_frame(a, i), whole = f;
		struct ppp_packet p;
		uint16_t protocol;

		if (!ppp_frame_decode(&f, &protocol) || !ppp_packet_decode(f, &p) || p.all.n != f.n)
			abort();
		keep_request(whole, protocol, p.code);
	}
	if (a->ask_auth && (a->auth.user.n > LNS_USER_MAX || a->auth.response.n > 16 ||
			    a->auth.password.n > LNS_PASSWORD_MAX))
		abort();
}

static void grant(struct ppp_link *l, struct ppp_io *io, uint8_t how)
{
	struct aaa_profile p = {.ip = ip_addr_v4(how & 2 ? 0x0A000002 : 0),
				.dns = {ip_addr_v4(how & 4 ? 0x08080808 : 0)},
				.reply_len = how};
	struct end_reason why = {.cause = TERM_USER_ERROR};

	if (p.reply_len > sizeof(p.reply))
		p.reply_len = sizeof(p.reply);
	ppp_link_auth_reply(l, io, how & 1, &why, &p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct ppp_actions out;
	struct test_random rnd = {1};
	struct span in = span_of(bytes, n);
	uint8_t how = span_u8(&in);
	struct ppp_conf conf = {
		.mru = 1462,
		.restart_ms = 3000,
		.first_restart_ms = how & 8 ? 200 : 0,
		.max_configure = 10,
		.max_failure = how & 16 ? 5 : 0,
		.max_terminate = 2,
		.n_auth = how % 3,
		.auth = {how & 32 ? AUTH_PAP : AUTH_CHAP, how & 32 ? AUTH_CHAP : AUTH_PAP},
		.chap_name = "lns",
		.chap_interval_s = how & 64 ? 20 : 0,
		.auth_timeout_s = 60,
		.echo_interval_s = 10,
		.echo_fail_s = 240,
		.echo_only_idle = how & 128,
		.peer_ip = ip_addr_v4(0x0A000001),
	};
	struct ppp_io io = {&conf, {NSEC_S(1)}, random_fill, &rnd, &out};
	struct ppp_link link;

	ppp_actions_clear(&out);
	ppp_link_init(&link);
	memset(asked, 0, sizeof(asked));
	ppp_link_open(&link, &io);
	check_sent(&out);
	while (in.n) {
		uint8_t what = span_u8(&in), arg = span_u8(&in);
		bool dead = link.phase == PPP_DEAD;
		struct span frame;

		ppp_actions_clear(&out);
		switch (what % 8) {
		case 0:
			io.now = nsec_add(io.now, NSEC_MS(50) * arg);
			ppp_link_timer(&link, &io, NSEC_ZERO);
			if (!nsec_before(io.now, ppp_link_deadline(&link)))
				abort(); /* the timer left something undone */
			break;
		case 1:
			grant(&link, &io, arg);
			break;
		case 2:
			answer_well(&link, &io, arg);
			break;
		default:
			if (arg > in.n)
				arg = (uint8_t)in.n;
			frame = span_sub(&in, arg);
			ppp_link_rx(&link, &io, frame);
			break;
		}
		check_sent(&out);
		if (out.ended && dead)
			abort(); /* once only */
	}
	ppp_actions_clear(&out);
	ppp_link_close(&link, &io, &(struct end_reason){.cause = TERM_ADMIN_RESET});
	for (int i = 0; i < 10 && link.phase != PPP_DEAD; i++) {
		io.now = nsec_add(io.now, NSEC_S(1));
		ppp_link_timer(&link, &io, NSEC_ZERO);
	}
	if (link.phase != PPP_DEAD || !nsec_is_never(ppp_link_deadline(&link)))
		abort();
	return 0;
}
