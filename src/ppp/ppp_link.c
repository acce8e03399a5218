#include "ppp/ppp_part.h"

enum {
	FAREWELL_MS = 200,	/* between our Terminate-Ack and hanging up */
	TERMINATE_S = 3,	/* a link that ends is dead by then, whatever the peer does */
	CDN_ADMINISTRATIVE = 3, /* RFC 2661 4.4.2 */
	CDN_ERROR = 2,
	CDN_TRY_ANOTHER = 7,
};

static const struct end_reason peer_hung_up = {
	.cdn_result = CDN_ADMINISTRATIVE,
	.cause = TERM_USER_REQUEST,
	.text = "peer hung up",
};

static const struct end_reason no_address = {
	.cdn_result = CDN_ERROR,
	.cdn_error = CDN_TRY_ANOTHER,
	.cause = TERM_SERVICE_UNAVAILABLE,
	.text = "no address",
};

/* ---- phases -------------------------------------------------------------------------------- */

/* Time for one whole negotiation: every try of ours unanswered, and a bit. */
static nsec negotiation_guard(const struct ppp_io *io)
{
	const struct ppp_conf *c = io->conf;

	return nsec_add(io->now, NSEC_MS(c->restart_ms) * (c->max_configure + 2));
}

static nsec establish_guard(const struct ppp_io *io)
{
	return nsec_add(negotiation_guard(io), NSEC_S(5));
}

/* Who never logs in cannot stay by beginning anew. */
static nsec within_login(const struct ppp_link *l, nsec guard)
{
	return l->granted ? guard : nsec_min(guard, l->login_by);
}

static void establish(struct ppp_link *l, struct ppp_io *io)
{
	l->phase = PPP_ESTABLISH;
	l->guard = within_login(l, establish_guard(io));
	l->echo_at = NSEC_NEVER;
	ppp_auth_stop(l);
}

static void die(struct ppp_link *l, struct ppp_io *io)
{
	l->phase = PPP_DEAD;
	l->guard = l->auth_at = l->echo_at = NSEC_NEVER;
	l->lcp.deadline = l->ipcp.deadline = NSEC_NEVER;
	io->out->ended = true;
}

/* NCPs and authentication stop at once; the first reason stays. */
static void enter_terminate(struct ppp_link *l, struct ppp_io *io, const struct end_reason *why)
{
	l->phase = PPP_TERMINATE;
	l->end = *why;
	l->guard = nsec_add(io->now, NSEC_S(TERMINATE_S));
	l->echo_at = NSEC_NEVER;
	ppp_auth_stop(l);
	ppp_cp_event(&l->ipcp, &ppp_ipcp, l, io, PPP_DOWN);
}

void ppp_link_close(struct ppp_link *l, struct ppp_io *io, const struct end_reason *why)
{
	if (ppp_link_ending(l))
		return;
	enter_terminate(l, io, why);
	ppp_cp_event(&l->lcp, &ppp_lcp, l, io, PPP_CLOSE);
	if (l->phase == PPP_TERMINATE && l->lcp.state != PPP_CLOSING)
		die(l, io);
}

void ppp_link_fail(struct ppp_link *l, struct ppp_io *io, enum term_cause cause, const char *text)
{
	struct end_reason why = {.cdn_result = CDN_ADMINISTRATIVE, .cause = (uint8_t)cause};
	size_t n = strlen(text);

	LNS_ASSERT(n < sizeof(why.text));
	memcpy(why.text, text, n);
	ppp_link_close(l, io, &why);
}

/* ---- what the layers report ---------------------------------------------------------------- */

static void lcp_up(struct ppp_link *l, struct ppp_io *io)
{
	l->phase = PPP_AUTHENTICATE;
	l->guard = within_login(l, nsec_add(io->now, NSEC_S(io->conf->auth_timeout_s)));
	l->echo_sent = io->now;
	l->echo_at = io->now; /* the timer computes the right time */
	ppp_auth_start(l, io);
}

static void lcp_down(struct ppp_link *l, struct ppp_io *io)
{
	if (ppp_link_ending(l))
		return;
	ppp_cp_event(&l->ipcp, &ppp_ipcp, l, io, PPP_DOWN);
	ppp_lcp_reset(l, io);
	establish(l, io);
}

void ppp_link_lcp_layer(struct ppp_link *l, struct ppp_io *io, uint16_t what)
{
	switch (what) {
	case PPP_TLU:
		lcp_up(l, io);
		break;
	case PPP_TLD:
		lcp_down(l, io);
		break;
	case PPP_TLF:
		if (l->phase != PPP_TERMINATE)
			ppp_link_fail(l, io, TERM_LOST_SERVICE, "LCP: no agreement or no answer");
		else
			die(l, io);
		break;
	default:
		break;
	}
}

void ppp_link_ipcp_layer(struct ppp_link *l, struct ppp_io *io, uint16_t what)
{
	if (what == PPP_TLU) {
		l->guard = NSEC_NEVER;
		io->out->ip_up = true;
	} else if (what == PPP_TLD) {
		if (!ppp_link_ending(l))
			l->guard = negotiation_guard(io);
		io->out->ip_down = true;
	}
	/* Finished or stopped: the peer may start it again until the guard ends the link. */
}

/* The peer may use the network: after the first login, and after each of CHAP's checks. */
void ppp_link_authenticated(struct ppp_link *l, struct ppp_io *io)
{
	l->auth_state = PPP_AUTH_OK;
	if (l->phase != PPP_AUTHENTICATE)
		return;
	l->phase = PPP_NETWORK;
	l->ncp_heard = false;
	l->guard = negotiation_guard(io);
	if (l->ip == 0) {
		ppp_link_close(l, io, &no_address);
		return;
	}
	ppp_cp_event(&l->ipcp, &ppp_ipcp, l, io, PPP_UP);
}

void ppp_link_protocol_rejected(struct ppp_link *l, struct ppp_io *io, uint16_t protocol)
{
	switch (protocol) {
	case PPP_LCP:
		ppp_link_fail(l, io, TERM_PORT_ERROR, "peer rejects LCP");
		break;
	case PPP_PAP:
	case PPP_CHAP:
		ppp_link_fail(l, io, TERM_USER_ERROR, "peer rejects authentication");
		break;
	case PPP_IP:
	case PPP_IPCP: /* the only network protocol of the link */
		ppp_link_fail(l, io, TERM_SERVICE_UNAVAILABLE, "peer rejects IP");
		break;
	default: /* nothing else is ours */
		break;
	}
}

/* ---- frames -------------------------------------------------------------------------------- */

static bool is_lcp_termination(const struct ppp_packet *p)
{
	return p->code == PPP_TERM_REQ || p->code == PPP_TERM_ACK;
}

/* The peer ends the link: it is acknowledged in any state, then we hang up soon. */
static void rx_terminate_request(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p)
{
	if (!ppp_link_ending(l))
		enter_terminate(l, io, &peer_hung_up);
	ppp_cp_rx(&l->lcp, &ppp_lcp, l, io, p);
	l->lcp.deadline = NSEC_NEVER;
	l->guard = nsec_min(l->guard, nsec_add(io->now, NSEC_MS(FAREWELL_MS)));
}

static void rx_lcp(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p)
{
	if (p->code == PPP_TERM_REQ)
		rx_terminate_request(l, io, p);
	else
		ppp_cp_rx(&l->lcp, &ppp_lcp, l, io, p);
}

static void rx_packet(struct ppp_link *l, struct ppp_io *io, uint16_t protocol,
		      const struct ppp_packet *p)
{
	if (l->phase == PPP_TERMINATE && !(protocol == PPP_LCP && is_lcp_termination(p))) {
		io->out->drop = DROP_PPP_UNEXPECTED;
		return;
	}
	switch (protocol) {
	case PPP_LCP:
		rx_lcp(l, io, p);
		break;
	case PPP_PAP:
		ppp_pap_rx(l, io, p);
		break;
	case PPP_CHAP:
		ppp_chap_rx(l, io, p);
		break;
	default: /* RFC 1661 3.5: silently discarded before the network phase */
		if (l->phase != PPP_NETWORK) {
			io->out->drop = DROP_PPP_UNEXPECTED;
			break;
		}
		l->ncp_heard = true;
		ppp_cp_rx(&l->ipcp, &ppp_ipcp, l, io, p);
		break;
	}
}

static bool is_ours(uint16_t protocol)
{
	return protocol == PPP_LCP || protocol == PPP_PAP || protocol == PPP_CHAP ||
	       protocol == PPP_IPCP;
}

/* RFC 1661 5.7: a protocol that we do not speak is rejected, once the link is past login. */
static void rx_unknown(struct ppp_link *l, struct ppp_io *io, uint16_t protocol, struct span info)
{
	if (l->phase == PPP_NETWORK && protocol != PPP_IP)
		ppp_lcp_reject_protocol(l, io, protocol, info);
	io->out->drop = protocol == PPP_IP ? DROP_PPP_NOT_OPEN : DROP_PPP_PROTO;
}

void ppp_link_rx(struct ppp_link *l, struct ppp_io *io, struct span frame)
{
	struct ppp_packet p;
	uint16_t protocol;

	if (l->phase == PPP_DEAD) {
		io->out->drop = DROP_PPP_UNEXPECTED;
		return;
	}
	if (!ppp_frame_decode(&frame, &protocol)) {
		io->out->drop = DROP_PPP_SHORT;
		return;
	}
	l->last_rx = io->now;
	if (!is_ours(protocol)) {
		rx_unknown(l, io, protocol, frame);
		return;
	}
	if (!ppp_packet_decode(frame, &p)) {
		io->out->drop = DROP_PPP_MALFORMED;
		return;
	}
	l->heard = true;
	rx_packet(l, io, protocol, &p);
}

/* ---- time ---------------------------------------------------------------------------------- */

static void guard_expired(struct ppp_link *l, struct ppp_io *io)
{
	l->guard = NSEC_NEVER;
	switch (l->phase) {
	case PPP_TERMINATE:
		die(l, io);
		break;
	case PPP_ESTABLISH:
		ppp_link_fail(l, io, TERM_LOST_SERVICE, "LCP: no agreement or no answer");
		break;
	case PPP_AUTHENTICATE:
		if (l->aaa_pending)
			ppp_link_fail(l, io, TERM_SERVICE_UNAVAILABLE, "AAA did not answer");
		else
			ppp_link_fail(l, io, TERM_REAUTHENTICATION_FAILURE, "no login in time");
		break;
	default:
		ppp_link_fail(l, io, TERM_LOST_SERVICE, "IPCP: no agreement or no answer");
		break;
	}
}

/* Nothing came for too long: the peer will not answer a Terminate-Request either. */
static void declare_dead(struct ppp_link *l, struct ppp_io *io)
{
	ppp_link_fail(l, io, TERM_LOST_SERVICE, "no answer to echo requests");
	if (l->phase == PPP_TERMINATE)
		die(l, io);
}

/* When the next Echo-Request goes out. */
static nsec echo_due(const struct ppp_link *l, const struct ppp_conf *c)
{
	nsec from = l->echo_sent;

	if (c->echo_interval_s == 0)
		return NSEC_NEVER;
	if (c->echo_only_idle)
		from = nsec_max(from, l->last_rx);
	return nsec_add(from, NSEC_S(c->echo_interval_s));
}

static nsec silence_end(const struct ppp_link *l, const struct ppp_conf *c)
{
	return c->echo_fail_s ? nsec_add(l->last_rx, NSEC_S(c->echo_fail_s)) : NSEC_NEVER;
}

bool ppp_link_echo(struct ppp_link *l, struct ppp_io *io)
{
	if (l->lcp.state != PPP_OPENED || ppp_link_ending(l))
		return false;
	ppp_lcp_send_echo(l, io);
	l->echo_sent = io->now;
	return true;
}

static void echo_timer(struct ppp_link *l, struct ppp_io *io)
{
	if (!nsec_reached(l->echo_at, io->now) || l->lcp.state != PPP_OPENED)
		return;
	if (nsec_reached(silence_end(l, io->conf), io->now)) {
		declare_dead(l, io);
		return;
	}
	if (nsec_reached(echo_due(l, io->conf), io->now)) {
		ppp_lcp_send_echo(l, io);
		l->echo_sent = io->now;
	}
	l->echo_at = nsec_min(echo_due(l, io->conf), silence_end(l, io->conf));
}

/*
 * A peer whose Success got lost ignores IPCP, and does not repeat its response. Behind our request,
 * so that a line that loses every second packet loses another one than the first time.
 */
static void ipcp_timer(struct ppp_link *l, struct ppp_io *io)
{
	bool due = nsec_reached(l->ipcp.deadline, io->now);

	ppp_cp_timer(&l->ipcp, &ppp_ipcp, l, io);
	if (due && !l->ncp_heard)
		ppp_auth_repeat(l, io);
}

void ppp_link_timer(struct ppp_link *l, struct ppp_io *io, nsec last_rx)
{
	if (l->phase == PPP_DEAD)
		return;
	l->last_rx = nsec_max(l->last_rx, last_rx);
	if (nsec_reached(l->guard, io->now))
		guard_expired(l, io);
	ppp_cp_timer(&l->lcp, &ppp_lcp, l, io);
	ipcp_timer(l, io);
	ppp_auth_timer(l, io);
	echo_timer(l, io);
}

nsec ppp_link_deadline(const struct ppp_link *l)
{
	nsec t = nsec_min(l->guard, nsec_min(l->lcp.deadline, l->ipcp.deadline));

	return nsec_min(t, nsec_min(l->auth_at, l->echo_at));
}

/* ---- birth --------------------------------------------------------------------------------- */

void ppp_link_init(struct ppp_link *l)
{
	*l = (struct ppp_link){.phase = PPP_DEAD, .peer_mru = PPP_MRU_DEFAULT};
	ppp_cp_init(&l->lcp);
	ppp_cp_init(&l->ipcp);
	l->guard = l->auth_at = l->echo_at = NSEC_NEVER;
}

void ppp_link_open(struct ppp_link *l, struct ppp_io *io)
{
	LNS_ASSERT(l->phase == PPP_DEAD);
	l->last_rx = io->now;
	l->auth_id = l->echo_id = (uint8_t)ppp_random32(io);
	l->lcp.id = l->ipcp.id = 0;
	l->login_by = nsec_add(establish_guard(io), NSEC_S(io->conf->auth_timeout_s));
	establish(l, io);
	ppp_lcp_reset(l, io);
	ppp_cp_event(&l->ipcp, &ppp_ipcp, l, io, PPP_OPEN);
	ppp_cp_event(&l->lcp, &ppp_lcp, l, io, PPP_OPEN);
	ppp_cp_event(&l->lcp, &ppp_lcp, l, io, PPP_UP);
}
