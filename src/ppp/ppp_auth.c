#include "ppp/ppp_part.h"

#include "base/crypto.h"

enum {
	PAP_REQUEST = 1,
	PAP_ACK = 2,
	PAP_NAK = 3,

	CHAP_CHALLENGE = 1,
	CHAP_RESPONSE = 2,
	CHAP_SUCCESS = 3,
	CHAP_FAILURE = 4,

	CHALLENGES_MAX = 10, /* without a response */
};

/* ---- sending --------------------------------------------------------------------------------- */

/* RFC 1994 4.1. The same challenge goes out again until it is answered. */
static void send_challenge(struct ppp_link *l, struct ppp_io *io)
{
	struct wbuf *w = ppp_out_begin(io->out, PPP_CHAP, CHAP_CHALLENGE, l->auth_id);

	wbuf_u8(w, sizeof(l->challenge));
	wbuf_bytes(w, l->challenge, sizeof(l->challenge));
	wbuf_span(w, span_str(io->conf->chap_name));
	ppp_out_end(io->out, false);
	l->auth_tries++;
	l->auth_at = nsec_add(io->now, NSEC_MS(io->conf->restart_ms));
}

static void new_challenge(struct ppp_link *l, struct ppp_io *io)
{
	io->random(io->random_ctx, l->challenge, sizeof(l->challenge));
	l->auth_id++;
	l->auth_tries = 0;
	l->auth_state = PPP_AUTH_WAIT;
	send_challenge(l, io);
}

/* Authenticate-Ack / -Nak, Success / Failure with AAA's message. */
static void send_verdict(struct ppp_link *l, struct ppp_io *io, bool accept, struct span message)
{
	struct wbuf *w;

	if (l->auth == AUTH_PAP) { /* RFC 1334 2.2.2: a length octet precedes the message */
		w = ppp_out_begin(io->out, PPP_PAP, accept ? PAP_ACK : PAP_NAK, l->auth_id);
		wbuf_u8(w, (uint8_t)message.n);
	} else if (l->auth == AUTH_CHAP) {
		w = ppp_out_begin(io->out, PPP_CHAP, accept ? CHAP_SUCCESS : CHAP_FAILURE,
				  l->auth_id);
	} else {
		return;
	}
	wbuf_span(w, message);
	ppp_out_end(io->out, false);
}

/* ---- asking AAA ---------------------------------------------------------------------------- */

static void digest_user(struct span user, uint8_t out[static 8])
{
	uint8_t md5[MD5_LEN];

	md5_of(md5, &user, 1);
	memcpy(out, md5, 8);
}

/* A link that was granted to one name is not handed to another by a second login. */
static bool same_user(const struct ppp_link *l, struct span user)
{
	uint8_t digest[8];

	digest_user(user, digest);
	return memcmp(digest, l->user_digest, sizeof(digest)) == 0;
}

static void ask_aaa(struct ppp_link *l, struct ppp_io *io, const struct ppp_credentials *c)
{
	if (l->granted && !same_user(l, c->user)) {
		ppp_link_fail(l, io, TERM_USER_ERROR, "another user name on a link in use");
		return;
	}
	if (!l->granted)
		digest_user(c->user, l->user_digest);
	l->auth_state = PPP_AUTH_ASKED;
	l->aaa_pending = true;
	l->aaa_stale = false;
	l->auth_at = NSEC_NEVER;
	io->out->ask_auth = true;
	io->out->auth = *c;
	io->out->auth.reauth = l->granted;
}

/* Too long for any account: refused without asking. */
static void refuse_at_once(struct ppp_link *l, struct ppp_io *io)
{
	send_verdict(l, io, false, span_of(NULL, 0));
	ppp_link_fail(l, io, TERM_USER_ERROR, "name or password too long");
}

/* ---- PAP ----------------------------------------------------------------------------------- */

static bool pap_decode(const struct ppp_packet *p, struct ppp_credentials *c)
{
	struct span body = p->body;

	*c = (struct ppp_credentials){.proto = AUTH_PAP, .id = p->id};
	size_t user_len = span_u8(&body);
	c->user = span_sub(&body, user_len);
	size_t password_len = span_u8(&body);
	c->password = span_sub(&body, password_len);
	return !body.bad;
}

void ppp_pap_rx(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p)
{
	struct ppp_credentials c;

	/* While a CHAP challenge is pending, a PAP request answers nothing. */
	if (l->auth != AUTH_PAP || l->auth_state == PPP_AUTH_OFF || p->code != PAP_REQUEST) {
		io->out->drop = DROP_PPP_UNEXPECTED;
		return;
	}
	if (!pap_decode(p, &c)) {
		io->out->drop = DROP_PPP_MALFORMED;
		return;
	}
	l->auth_id = p->id;
	if (l->auth_state == PPP_AUTH_OK)
		send_verdict(l, io, true, span_of(NULL, 0)); /* our Ack got lost */
	else if (l->auth_state == PPP_AUTH_ASKED || l->aaa_pending)
		return; /* the answer will carry the newest identifier */
	else if (c.user.n > LNS_USER_MAX || c.password.n > LNS_PASSWORD_MAX)
		refuse_at_once(l, io);
	else
		ask_aaa(l, io, &c);
}

/* ---- CHAP ---------------------------------------------------------------------------------- */

static bool chap_decode(const struct ppp_link *l, const struct ppp_packet *p,
			struct ppp_credentials *c)
{
	struct span body = p->body;

	*c = (struct ppp_credentials){.proto = AUTH_CHAP, .id = p->id};
	size_t size = span_u8(&body);
	c->response = span_sub(&body, size);
	c->user = body;
	c->challenge = span_of(l->challenge, sizeof(l->challenge));
	return !body.bad && size == LNS_CHAP_RESPONSE;
}

void ppp_chap_rx(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p)
{
	struct ppp_credentials c;

	if (l->auth != AUTH_CHAP || l->auth_state == PPP_AUTH_OFF || p->code != CHAP_RESPONSE ||
	    p->id != l->auth_id) {
		io->out->drop = DROP_PPP_UNEXPECTED;
		return;
	}
	if (!chap_decode(l, p, &c)) {
		io->out->drop = DROP_PPP_MALFORMED;
		return;
	}
	if (l->auth_state == PPP_AUTH_OK)
		send_verdict(l, io, true, span_of(NULL, 0)); /* our Success got lost */
	else if (l->auth_state == PPP_AUTH_ASKED || l->aaa_pending)
		return;
	else if (c.user.n > LNS_USER_MAX)
		refuse_at_once(l, io);
	else
		ask_aaa(l, io, &c);
}

/* ---- the phase ----------------------------------------------------------------------------- */

void ppp_auth_start(struct ppp_link *l, struct ppp_io *io)
{
	l->auth_state = PPP_AUTH_WAIT;
	l->auth_at = NSEC_NEVER;
	if (l->auth == AUTH_CHAP)
		new_challenge(l, io);
	else if (l->auth == AUTH_NONE && l->granted)
		ppp_link_authenticated(l, io);
	else if (l->auth == AUTH_NONE && !l->aaa_pending)
		ask_aaa(l, io, &(struct ppp_credentials){.proto = AUTH_NONE});
}

void ppp_auth_stop(struct ppp_link *l)
{
	l->auth_state = PPP_AUTH_OFF;
	l->auth_at = NSEC_NEVER;
	l->aaa_stale = l->aaa_pending;
}

void ppp_auth_repeat(struct ppp_link *l, struct ppp_io *io)
{
	if (l->auth == AUTH_CHAP && l->auth_state == PPP_AUTH_OK)
		send_verdict(l, io, true, span_of(NULL, 0));
}

void ppp_auth_timer(struct ppp_link *l, struct ppp_io *io)
{
	if (!nsec_reached(l->auth_at, io->now))
		return;
	l->auth_at = NSEC_NEVER;
	if (l->auth_state == PPP_AUTH_OK)
		new_challenge(l, io); /* RFC 1994 section 2: at random or fixed intervals */
	else if (l->auth_state == PPP_AUTH_WAIT && l->auth_tries < CHALLENGES_MAX)
		send_challenge(l, io);
	else if (l->auth_state == PPP_AUTH_WAIT)
		ppp_link_fail(l, io, TERM_REAUTHENTICATION_FAILURE,
			      "no response to CHAP challenges");
}

static void schedule_challenge(struct ppp_link *l, const struct ppp_io *io)
{
	uint32_t s = io->conf->chap_interval_s;

	l->auth_at = l->auth == AUTH_CHAP && s ? nsec_add(io->now, NSEC_S(s)) : NSEC_NEVER;
}

static void keep_grant(struct ppp_link *l, const struct ppp_io *io, const struct aaa_profile *p)
{
	struct ip_addr own = p->peer_ip.family == 4 ? p->peer_ip : io->conf->peer_ip;

	if (l->granted)
		return;
	l->granted = true;
	l->ip = p->ip.family == 4 ? ip_addr_u32(&p->ip) : 0;
	l->own_ip = own.family == 4 ? ip_addr_u32(&own) : 0;
	for (int i = 0; i < 2; i++)
		l->dns[i] = p->dns[i].family == 4 ? ip_addr_u32(&p->dns[i]) : 0;
}

void ppp_link_auth_reply(struct ppp_link *l, struct ppp_io *io, bool accept,
			 const struct end_reason *why, const struct aaa_profile *profile)
{
	struct span message = span_of(profile->reply, profile->reply_len);
	bool for_now = l->auth_state == PPP_AUTH_ASKED;

	if (!l->aaa_pending || ppp_link_ending(l))
		return;
	l->aaa_pending = l->aaa_stale = false;
	if (!accept) {
		if (for_now)
			send_verdict(l, io, false, message);
		ppp_link_close(l, io, why);
		return;
	}
	keep_grant(l, io, profile);
	if (!for_now) {
		/* LCP began again in between: the grant stays, the peer has to prove itself anew.
		 */
		if (l->auth_state == PPP_AUTH_WAIT && l->auth == AUTH_NONE)
			ppp_link_authenticated(l, io);
		return;
	}
	l->auth_state = PPP_AUTH_OK;
	send_verdict(l, io, true, message);
	schedule_challenge(l, io);
	ppp_link_authenticated(l, io);
}
