#include "ppp/ppp_part.h"

enum {
	LCP_MRU = 1,
	LCP_ACCM = 2,
	LCP_AUTH = 3,
	LCP_MAGIC = 5,
	LCP_PFC = 7,
	LCP_ACFC = 8,

	CHAP_MD5 = 5,  /* RFC 1994 section 3 */
	LOOPS_MAX = 5, /* signs in a row before we believe it */
};

/* ---- MRU (RFC 1661 6.1) ---------------------------------------------------------------------- */

static bool mru_ask(const struct ppp_link *l, struct wbuf *w)
{
	wbuf_u16(w, l->mru);
	return true;
}

/* A peer may ask to send less, or up to the default. */
static enum ppp_yield mru_naked(struct ppp_link *l, struct ppp_io *io, struct span hint)
{
	uint16_t mru = span_u16(&hint);
	uint16_t most = io->conf->mru > PPP_MRU_DEFAULT ? io->conf->mru : PPP_MRU_DEFAULT;

	if (!hint.bad && hint.n == 0 && mru >= 128 && mru <= most)
		l->mru = mru;
	return PPP_YIELD_KEEP;
}

static enum ppp_verdict mru_judge(const struct ppp_link *l, const struct ppp_io *io,
				  struct span value)
{
	(void)l;
	(void)io;
	return span_u16(&value) >= PPP_MRU_MIN ? PPP_ACK : PPP_NAK;
}

static bool mru_suggest(struct ppp_link *l, struct ppp_io *io, struct wbuf *w)
{
	(void)l;
	wbuf_u16(w, io->conf->mru);
	return true;
}

static void mru_take(struct ppp_link *l, struct span value)
{
	l->peer_mru = span_u16(&value);
}

/* ---- async control character map (RFC 1662 7.1): nothing to escape within UDP -------------- */

static enum ppp_verdict accm_judge(const struct ppp_link *l, const struct ppp_io *io,
				   struct span value)
{
	(void)l;
	(void)io;
	return span_u32(&value) == 0 ? PPP_ACK : PPP_NAK;
}

static bool accm_suggest(struct ppp_link *l, struct ppp_io *io, struct wbuf *w)
{
	(void)l;
	(void)io;
	wbuf_u32(w, 0);
	return true;
}

/* ---- authentication protocol (RFC 1661 6.2): we ask, we are never asked -------------------- */

static bool auth_ask(const struct ppp_link *l, struct wbuf *w)
{
	if (l->auth == AUTH_NONE)
		return false;
	wbuf_u16(w, l->auth);
	if (l->auth == AUTH_CHAP)
		wbuf_u8(w, CHAP_MD5);
	return true;
}

/* The peer can do this one, as we know it. */
static bool auth_hint_is(struct span hint, uint16_t proto)
{
	if (span_u16(&hint) != proto)
		return false;
	return proto == AUTH_PAP ? !hint.bad : span_u8(&hint) == CHAP_MD5 && !hint.bad;
}

static int auth_index(const struct ppp_conf *c, uint16_t proto)
{
	for (int i = 0; i < c->n_auth; i++)
		if (c->auth[i] == proto)
			return i;
	return -1;
}

/* To the protocol that the peer named, else to the next one that it did not refuse yet. */
static enum ppp_yield auth_naked(struct ppp_link *l, struct ppp_io *io, struct span hint)
{
	const struct ppp_conf *c = io->conf;
	int now = auth_index(c, l->auth);

	if (now >= 0)
		l->auth_refused |= (uint8_t)(1u << now);
	for (int i = 0; i < c->n_auth; i++)
		if (auth_hint_is(hint, c->auth[i])) {
			l->auth = c->auth[i];
			return PPP_YIELD_KEEP;
		}
	for (int i = 0; i < c->n_auth; i++)
		if (!(l->auth_refused & (1u << i))) {
			l->auth = c->auth[i];
			return PPP_YIELD_KEEP;
		}
	return PPP_YIELD_KEEP; /* the same again until max_failure */
}

static void auth_rejected(struct ppp_link *l, struct ppp_io *io)
{
	ppp_link_fail(l, io, TERM_USER_ERROR, "peer refuses to authenticate");
}

/* ---- magic number (RFC 1661 6.4) ----------------------------------------------------------- */

static uint32_t new_magic(const struct ppp_io *io)
{
	uint32_t v = ppp_random32(io);
	return v ? v : 1;
}

static void sign_of_loop(struct ppp_link *l, struct ppp_io *io)
{
	if (++l->loops >= LOOPS_MAX)
		ppp_link_fail(l, io, TERM_PORT_ERROR, "line is looped back");
}

static bool magic_ask(const struct ppp_link *l, struct wbuf *w)
{
	wbuf_u32(w, l->magic);
	return true;
}

/* RFC 1661 5.8: zero in echoes when it is not negotiated. */
static void magic_rejected(struct ppp_link *l, struct ppp_io *io)
{
	(void)io;
	l->magic = 0;
}

static enum ppp_yield magic_naked(struct ppp_link *l, struct ppp_io *io, struct span hint)
{
	uint32_t magic = span_u32(&hint);

	if (!hint.bad && magic == l->magic_hint)
		sign_of_loop(l, io); /* our own Nak came back */
	l->magic = new_magic(io);
	return PPP_YIELD_KEEP;
}

static enum ppp_verdict magic_judge(const struct ppp_link *l, const struct ppp_io *io,
				    struct span value)
{
	uint32_t magic = span_u32(&value);

	(void)io;
	if (magic == 0)
		return PPP_NAK;
	return magic == l->magic ? PPP_LOOP : PPP_ACK;
}

static bool magic_suggest(struct ppp_link *l, struct ppp_io *io, struct wbuf *w)
{
	l->magic_hint = new_magic(io);
	wbuf_u32(w, l->magic_hint);
	return true;
}

static void magic_take(struct ppp_link *l, struct span value)
{
	l->peer_magic = span_u32(&value);
	l->loops = 0;
}

/* ---- compression of the header (RFC 1661 6.5, 6.6) ----------------------------------------- */

static enum ppp_verdict flag_judge(const struct ppp_link *l, const struct ppp_io *io,
				   struct span value)
{
	(void)l;
	(void)io;
	(void)value;
	return PPP_ACK;
}

static bool flag_suggest(struct ppp_link *l, struct ppp_io *io, struct wbuf *w)
{
	(void)l;
	(void)io;
	(void)w;
	return true;
}

static void pfc_take(struct ppp_link *l, struct span value)
{
	(void)value;
	l->peer_pfc = true;
}

static void acfc_take(struct ppp_link *l, struct span value)
{
	(void)value;
	l->peer_acfc = true;
}

/* Options that have no row are rejected: quality, callback, multilink and the rest. */
static const struct ppp_option options[] = {
	{.type = LCP_MRU,
	 .len = 2,
	 .ask = mru_ask,
	 .naked = mru_naked,
	 .judge = mru_judge,
	 .suggest = mru_suggest,
	 .take = mru_take},
	{.type = LCP_ACCM, .len = 4, .judge = accm_judge, .suggest = accm_suggest},
	{.type = LCP_AUTH, .ask = auth_ask, .naked = auth_naked, .rejected = auth_rejected},
	{.type = LCP_MAGIC,
	 .len = 4,
	 .ask = magic_ask,
	 .naked = magic_naked,
	 .rejected = magic_rejected,
	 .judge = magic_judge,
	 .suggest = magic_suggest,
	 .take = magic_take},
	{.type = LCP_PFC, .judge = flag_judge, .suggest = flag_suggest, .take = pfc_take},
	{.type = LCP_ACFC, .judge = flag_judge, .suggest = flag_suggest, .take = acfc_take},
};

static void peer_defaults(struct ppp_link *l)
{
	l->peer_mru = PPP_MRU_DEFAULT;
	l->peer_magic = 0;
	l->peer_pfc = l->peer_acfc = false;
}

void ppp_lcp_reset(struct ppp_link *l, const struct ppp_io *io)
{
	const struct ppp_conf *c = io->conf;

	l->mru = c->mru;
	l->auth = c->n_auth ? c->auth[0] : (uint16_t)AUTH_NONE;
	l->auth_refused = 0;
	l->magic = new_magic(io);
	peer_defaults(l);
}

/* ---- the codes that only LCP has (RFC 1661 5.7 to 5.9) ------------------------------------- */

static void rx_protocol_reject(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p)
{
	struct span body = p->body;
	uint16_t protocol = span_u16(&body);

	if (body.bad)
		io->out->drop = DROP_PPP_MALFORMED;
	else if (l->lcp.state == PPP_OPENED) /* RFC 1661 5.7: else discarded */
		ppp_link_protocol_rejected(l, io, protocol);
}

static void rx_echo_request(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p)
{
	struct span body = p->body;
	uint32_t magic = span_u32(&body);

	if (body.bad) {
		io->out->drop = DROP_PPP_MALFORMED;
		return;
	}
	if (l->lcp.state != PPP_OPENED)
		return;
	if (magic != 0 && magic == l->magic) {
		sign_of_loop(l, io);
		return;
	}
	struct wbuf *w = ppp_out_begin(io->out, PPP_LCP, PPP_ECHO_REP, p->id);
	wbuf_u32(w, l->magic);
	wbuf_span(w, body);
	ppp_out_end(io->out, true);
}

static void rx_echo_reply(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p)
{
	struct span body = p->body;
	uint32_t magic = span_u32(&body);

	if (body.bad)
		io->out->drop = DROP_PPP_MALFORMED;
	else if (p->id != l->echo_id)
		io->out->drop = DROP_PPP_UNEXPECTED;
	else if (magic != 0 && magic == l->magic)
		sign_of_loop(l, io);
	else
		l->loops = 0, io->out->echoed = true;
}

static bool lcp_extra(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p)
{
	switch (p->code) {
	case PPP_PROTO_REJ:
		rx_protocol_reject(l, io, p);
		return true;
	case PPP_ECHO_REQ:
		rx_echo_request(l, io, p);
		return true;
	case PPP_ECHO_REP:
		rx_echo_reply(l, io, p);
		return true;
	case PPP_DISCARD_REQ:
	case PPP_IDENTIFICATION: /* RFC 1570: of interest to a human only */
	case PPP_TIME_REMAINING:
		return true;
	default:
		return false;
	}
}

void ppp_lcp_send_echo(struct ppp_link *l, struct ppp_io *io)
{
	struct wbuf *w = ppp_out_begin(io->out, PPP_LCP, PPP_ECHO_REQ, ++l->echo_id);

	wbuf_u32(w, l->magic);
	ppp_out_end(io->out, true);
}

void ppp_lcp_reject_protocol(struct ppp_link *l, struct ppp_io *io, uint16_t protocol,
			     struct span info)
{
	struct wbuf *w = ppp_out_begin(io->out, PPP_LCP, PPP_PROTO_REJ, ++l->lcp.id);
	size_t room = l->peer_mru - PPP_CP_HEADER - 2u; /* RFC 1661 5.7: truncated to the MRU */

	if (info.n > room)
		info.n = room;
	wbuf_u16(w, protocol);
	wbuf_span(w, info);
	ppp_out_end(io->out, false);
}

/* Every start has another magic number. */
static bool has_magic(const struct ppp_link *l)
{
	return l->peer_magic != 0;
}

const struct ppp_protocol_desc ppp_lcp = {
	.protocol = PPP_LCP,
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.defaults = peer_defaults,
	.layer = ppp_link_lcp_layer,
	.restart_shows = has_magic,
	.extra = lcp_extra,
};
