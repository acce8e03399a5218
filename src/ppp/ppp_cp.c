#include "ppp/ppp_cp.h"

#include "base/hash.h"
#include "ppp/ppp_link.h"

enum {
	OPTION_HEADER = 2,
	/* Our request goes out again at once when the peer's arrives, but not more often. */
	NUDGE_MS = 20,
	TERMINATE_MS = 500, /* between two Terminate-Requests: a peer that left is not waited for */
	REQUEST_MAX = 64,   /* bytes of options in our own request */
};

/* The packet that caused an event; actions answer it. */
struct cause {
	const struct ppp_packet *packet;
	enum ppp_verdict verdict; /* of a Configure-Request */
};

/* One negotiation in progress, to keep argument lists short. */
struct cp_step {
	struct ppp_cp *cp;
	const struct ppp_protocol_desc *d;
	struct ppp_link *l;
	struct ppp_io *io;
};

void ppp_cp_init(struct ppp_cp *cp)
{
	*cp = (struct ppp_cp){.state = PPP_INITIAL, .deadline = NSEC_NEVER};
}

/* ---- options -------------------------------------------------------------------------------- */

struct option_view {
	uint8_t type;
	struct span value;
	struct span raw;
};

/* The next option; false at the end or when a length lies (then s->bad). */
static bool option_next(struct span *s, struct option_view *o)
{
	if (s->n == 0)
		return false;
	struct span whole = *s;
	o->type = span_u8(s);
	size_t len = span_u8(s);
	if (s->bad || len < OPTION_HEADER) {
		span_fail(s); /* a length of 0 or 1 would never advance */
		return false;
	}
	o->value = span_sub(s, len - OPTION_HEADER);
	o->raw = span_sub(&whole, len);
	return !s->bad;
}

static bool options_well_formed(struct span s)
{
	struct option_view o;

	while (option_next(&s, &o))
		;
	return !s.bad;
}

/* Row of the type, or -1. */
static int option_row(const struct ppp_protocol_desc *d, uint8_t type)
{
	for (int i = 0; i < d->n_options; i++)
		if (d->options[i].type == type)
			return i;
	return -1;
}

static uint32_t row_bit(int row)
{
	return UINT32_C(1) << row;
}

/* Writes our option of this row; false when we do not ask for it. */
static bool ask_option(const struct cp_step *s, int row, struct wbuf *w)
{
	const struct ppp_option *o = &s->d->options[row];
	uint8_t bytes[32];
	struct wbuf value = wbuf_of(bytes, sizeof(bytes));

	if (!o->ask || (s->cp->omit & row_bit(row)) || !o->ask(s->l, &value))
		return false;
	wbuf_u8(w, o->type);
	wbuf_u8(w, (uint8_t)(OPTION_HEADER + value.n));
	wbuf_span(w, wbuf_written(&value));
	return true;
}

static void ask_options(const struct cp_step *s, struct wbuf *w)
{
	for (int row = 0; row < s->d->n_options; row++)
		ask_option(s, row, w);
}

/* ---- the peer's Configure-Request ------------------------------------------------------------ */

/* max_failure within bounds that the counters can hold. */
static uint8_t failure_limit(const struct cp_step *s)
{
	uint16_t n = s->io->conf->max_failure;

	return n < 1 ? 1 : n > 60 ? 60 : (uint8_t)n;
}

static bool naks_used_up(const struct cp_step *s)
{
	return s->cp->naks_sent >= failure_limit(s);
}

/* What one option of the peer's request deserves. <seen>: rows met before in the packet. */
static enum ppp_verdict judge_option(const struct cp_step *s, const struct option_view *o,
				     uint32_t *seen)
{
	int row = option_row(s->d, o->type);
	if (row < 0 || (*seen & row_bit(row)))
		return PPP_REJ; /* unknown, or listed twice (RFC 1661 section 6) */
	*seen |= row_bit(row);

	const struct ppp_option *d = &s->d->options[row];
	if (!d->judge)
		return PPP_REJ;
	enum ppp_verdict v = PPP_NAK; /* RFC 1661 section 6: a wrong length is naked */
	if (o->value.n == d->len)
		v = d->judge(s->l, s->io, o->value);
	if (v == PPP_NAK && (!d->suggest || naks_used_up(s)))
		v = PPP_REJ;
	return v;
}

/* True when the request lacks an option that we want in it and can name. */
static bool lacks_option(const struct cp_step *s, uint32_t seen, int row)
{
	return s->d->options[row].append && !(seen & row_bit(row)) && !naks_used_up(s);
}

static enum ppp_verdict judge_request(const struct cp_step *s, struct span options)
{
	enum ppp_verdict worst = PPP_ACK;
	struct option_view o;
	uint32_t seen = 0;

	while (option_next(&options, &o)) {
		enum ppp_verdict v = judge_option(s, &o, &seen);
		if (v > worst)
			worst = v;
	}
	for (int row = 0; row < s->d->n_options && worst == PPP_ACK; row++)
		if (lacks_option(s, seen, row))
			worst = PPP_NAK;
	return worst;
}

static void write_suggestion(const struct cp_step *s, int row, struct wbuf *w)
{
	const struct ppp_option *d = &s->d->options[row];
	uint8_t bytes[32];
	struct wbuf value = wbuf_of(bytes, sizeof(bytes));

	if (!d->suggest(s->l, s->io, &value))
		return;
	wbuf_u8(w, d->type);
	wbuf_u8(w, (uint8_t)(OPTION_HEADER + value.n));
	wbuf_span(w, wbuf_written(&value));
}

static void send_nak(const struct cp_step *s, const struct ppp_packet *p, enum ppp_verdict which)
{
	struct wbuf *w = ppp_out_begin(s->io->out, s->d->protocol, PPP_CONF_NAK, p->id);
	struct span options = p->body;
	struct option_view o;
	uint32_t seen = 0;

	while (option_next(&options, &o))
		if (judge_option(s, &o, &seen) == which)
			write_suggestion(s, option_row(s->d, o.type), w);
	for (int row = 0; row < s->d->n_options && which == PPP_NAK; row++)
		if (lacks_option(s, seen, row))
			write_suggestion(s, row, w);
	ppp_out_end(s->io->out, false);
}

static void send_rej(const struct cp_step *s, const struct ppp_packet *p)
{
	struct wbuf *w = ppp_out_begin(s->io->out, s->d->protocol, PPP_CONF_REJ, p->id);
	struct span options = p->body;
	struct option_view o;
	uint32_t seen = 0;

	while (option_next(&options, &o))
		if (judge_option(s, &o, &seen) == PPP_REJ)
			wbuf_span(w, o.raw);
	ppp_out_end(s->io->out, false);
}

static void send_conf_nak_or_rej(const struct cp_step *s, const struct cause *why)
{
	if (why->verdict == PPP_REJ)
		send_rej(s, why->packet);
	else
		send_nak(s, why->packet, why->verdict);
	if (s->cp->naks_sent < UINT8_MAX)
		s->cp->naks_sent++;
}

static uint32_t request_digest(const struct ppp_packet *p)
{
	return (uint32_t)hash_bytes(p->all, 0);
}

static void write_conf_ack(const struct cp_step *s, const struct ppp_packet *p)
{
	struct wbuf *w = ppp_out_begin(s->io->out, s->d->protocol, PPP_CONF_ACK, p->id);

	wbuf_span(w, p->body);
	ppp_out_end(s->io->out, false);
}

static void send_conf_ack(const struct cp_step *s, const struct ppp_packet *p)
{
	struct span options = p->body;
	struct option_view o;

	if (s->d->defaults)
		s->d->defaults(s->l);
	while (option_next(&options, &o)) {
		const struct ppp_option *d = &s->d->options[option_row(s->d, o.type)];
		if (d->take)
			d->take(s->l, o.value);
	}
	s->cp->naks_sent = 0;
	s->cp->acked = request_digest(p);
	write_conf_ack(s, p);
}

/* ---- what we send on our own ----------------------------------------------------------------- */

/*
 * Time to the next resend. Until the peer was heard the first ones come fast and do not count:
 * a dial-in client starts its PPP only after the call is up and misses them.
 */
static int64_t resend_interval(const struct cp_step *s)
{
	const struct ppp_conf *c = s->io->conf;
	int64_t full = NSEC_MS(c->restart_ms);

	if (s->l->heard || c->first_restart_ms == 0 || s->cp->tries >= 16)
		return full;
	int64_t shorter = NSEC_MS(c->first_restart_ms) << s->cp->tries;
	return shorter < full ? shorter : full;
}

static void write_conf_req(const struct cp_step *s)
{
	struct wbuf *w = ppp_out_begin(s->io->out, s->d->protocol, PPP_CONF_REQ, s->cp->req_id);
	ask_options(s, w);
	ppp_out_end(s->io->out, false);
	s->cp->sent = s->io->now;
}

static void send_conf_req(const struct cp_step *s, bool resend)
{
	struct ppp_cp *cp = s->cp;

	if (!resend || cp->answered)
		cp->req_id = ++cp->id; /* resends keep it, so that a late answer still counts */
	cp->answered = false;
	cp->resent = resend;
	write_conf_req(s);

	int64_t wait = resend_interval(s);
	cp->deadline = nsec_add(s->io->now, wait);
	if (wait < NSEC_MS(s->io->conf->restart_ms))
		cp->tries++;
	else if (cp->left)
		cp->left--;
}

static void send_plain(const struct cp_step *s, uint8_t code, uint8_t id)
{
	ppp_out_begin(s->io->out, s->d->protocol, code, id);
	ppp_out_end(s->io->out, false);
}

static void send_term_req(const struct cp_step *s)
{
	if (s->cp->left)
		s->cp->left--;
	s->cp->deadline = nsec_add(s->io->now, NSEC_MS(TERMINATE_MS));
	send_plain(s, PPP_TERM_REQ, ++s->cp->id);
}

static void send_code_rej(const struct cp_step *s, const struct ppp_packet *p)
{
	struct wbuf *w = ppp_out_begin(s->io->out, s->d->protocol, PPP_CODE_REJ, ++s->cp->id);
	struct span copy = p->all;
	size_t room = s->l->peer_mru - PPP_CP_HEADER; /* RFC 1661 5.6: truncated to the MRU */

	if (copy.n > room)
		copy.n = room;
	wbuf_span(w, copy);
	ppp_out_end(s->io->out, false);
}

static bool state_has_timer(uint8_t state)
{
	return state >= PPP_CLOSING && state <= PPP_ACK_SENT;
}

static void layer(const struct cp_step *s, uint16_t actions, uint16_t which)
{
	if ((actions & which) && s->d->layer)
		s->d->layer(s->l, s->io, which);
}

/* Computes the next state first, runs the actions after; layer changes close the step. */
static void run(const struct cp_step *s, enum ppp_event event, const struct cause *why)
{
	struct ppp_cp *cp = s->cp;
	struct ppp_cell cell = ppp_fsm_step(cp->state, event);
	const struct ppp_conf *conf = s->io->conf;
	uint16_t a = cell.actions;

	cp->state = cell.next;
	if (!state_has_timer(cp->state))
		cp->deadline = NSEC_NEVER;
	layer(s, a, PPP_TLD);
	if (a & PPP_IRC)
		cp->left = a & PPP_STR ? conf->max_terminate : conf->max_configure;
	if (a & PPP_ZRC) {
		cp->left = 0;
		cp->deadline = nsec_add(s->io->now, NSEC_MS(TERMINATE_MS));
	}
	if (a & PPP_SCR)
		send_conf_req(s, event == PPP_TO_MORE);
	if (a & PPP_SCA)
		send_conf_ack(s, why->packet);
	if (a & PPP_SCN)
		send_conf_nak_or_rej(s, why);
	if (a & PPP_STR)
		send_term_req(s);
	if (a & PPP_STA) {
		bool asked = why->packet->code == PPP_TERM_REQ;
		send_plain(s, PPP_TERM_ACK, asked ? why->packet->id : ++cp->id);
	}
	if (a & PPP_SCJ)
		send_code_rej(s, why->packet);
	layer(s, a, PPP_TLS);
	layer(s, a, PPP_TLF);
	layer(s, a, PPP_TLU);
}

/* A fresh start: what an earlier negotiation taught does not hold any more. */
static void forget(struct ppp_cp *cp)
{
	cp->omit = 0;
	cp->naks_sent = cp->naks_got = 0;
	cp->tries = 0;
}

void ppp_cp_event(struct ppp_cp *cp, const struct ppp_protocol_desc *d, struct ppp_link *l,
		  struct ppp_io *io, enum ppp_event event)
{
	if (event == PPP_UP || event == PPP_OPEN)
		forget(cp);
	run(&(struct cp_step){cp, d, l, io}, event, NULL);
}

void ppp_cp_timer(struct ppp_cp *cp, const struct ppp_protocol_desc *d, struct ppp_link *l,
		  struct ppp_io *io)
{
	if (!nsec_reached(cp->deadline, io->now))
		return;
	/* A request repeated after a full interval needs a try; the short ones are free. */
	bool more = cp->left > 0;
	cp->deadline = NSEC_NEVER;
	run(&(struct cp_step){cp, d, l, io}, more ? PPP_TO_MORE : PPP_TO_EXPIRED, NULL);
}

/* ---- packets --------------------------------------------------------------------------------- */

/*
 * Ours is still unanswered when the peer's request comes: it most likely got lost because the
 * peer was not there yet. Sent before our answer, so that the peer cannot be Opened by then. One
 * that left a moment ago may still be answered, unless it is a repetition: nobody heard the first
 * either, and the next would come after a long interval.
 */
static void nudge(const struct cp_step *s)
{
	struct ppp_cp *cp = s->cp;

	if ((cp->state != PPP_REQ_SENT && cp->state != PPP_ACK_SENT) || cp->answered)
		return;
	if (!cp->resent && nsec_before(s->io->now, nsec_add(cp->sent, NSEC_MS(NUDGE_MS))))
		return;
	cp->resent = false;
	write_conf_req(s);
	cp->deadline = nsec_add(s->io->now, NSEC_MS(s->io->conf->restart_ms));
}

/*
 * The request that we acked comes once more: our Ack got lost. RFC 1661 would take the link down
 * and begin anew; the peer, which is not Opened yet, needs no more than the Ack.
 */
static bool is_repetition(const struct cp_step *s, const struct ppp_packet *p)
{
	return s->cp->state == PPP_OPENED && request_digest(p) == s->cp->acked &&
	       (!s->d->restart_shows || s->d->restart_shows(s->l));
}

static void rx_conf_req(const struct cp_step *s, const struct ppp_packet *p)
{
	if (!options_well_formed(p->body)) {
		s->io->out->drop = DROP_PPP_MALFORMED;
		return;
	}
	if (is_repetition(s, p)) {
		write_conf_ack(s, p);
		return;
	}
	nudge(s);
	if (s->cp->state == PPP_OPENED || s->cp->state == PPP_STOPPED)
		forget(s->cp);
	struct cause why = {.packet = p, .verdict = judge_request(s, p->body)};
	run(s, why.verdict == PPP_ACK ? PPP_RCR_GOOD : PPP_RCR_BAD, &why);
}

/* RFC 1661: answers must carry the identifier of our last request, and only the first counts. */
static bool is_answer(const struct cp_step *s, const struct ppp_packet *p)
{
	return s->cp->state >= PPP_REQ_SENT && p->id == s->cp->req_id && !s->cp->answered;
}

/* An answer to nothing: the table has Terminate-Ack for those states that send one. */
static void rx_stray_answer(const struct cp_step *s, const struct ppp_packet *p)
{
	s->io->out->drop = DROP_PPP_UNEXPECTED;
	if (s->cp->state < PPP_REQ_SENT)
		run(s, p->code == PPP_CONF_ACK ? PPP_RCA : PPP_RCN, &(struct cause){.packet = p});
}

static void rx_conf_ack(const struct cp_step *s, const struct ppp_packet *p)
{
	uint8_t bytes[REQUEST_MAX];
	struct wbuf asked = wbuf_of(bytes, sizeof(bytes));

	ask_options(s, &asked);
	if (!span_equal(wbuf_written(&asked), p->body)) {
		s->io->out->drop = DROP_PPP_UNEXPECTED; /* RFC 1661 5.2: must match exactly */
		return;
	}
	s->cp->answered = true;
	s->cp->naks_got = 0;
	run(s, PPP_RCA, &(struct cause){.packet = p});
}

static bool we_asked(const struct cp_step *s, int row)
{
	uint8_t bytes[REQUEST_MAX];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	return row >= 0 && ask_option(s, row, &w);
}

static void drop_ours(const struct cp_step *s, int row)
{
	s->cp->omit |= row_bit(row);
	if (s->d->options[row].rejected)
		s->d->options[row].rejected(s->l, s->io);
}

static void yield_to_nak(const struct cp_step *s, int row, struct span hint, bool too_often)
{
	const struct ppp_option *o = &s->d->options[row];

	if (too_often || !o->naked || o->naked(s->l, s->io, hint) == PPP_YIELD_OMIT)
		drop_ours(s, row);
}

/* A Reject that names something that we did not ask for is not an answer to our request. */
static bool rejects_only_ours(const struct cp_step *s, struct span options)
{
	struct option_view o;
	bool any = false;

	while (option_next(&options, &o)) {
		if (!we_asked(s, option_row(s->d, o.type)))
			return false;
		any = true;
	}
	return any;
}

static void rx_conf_nak_or_rej(const struct cp_step *s, const struct ppp_packet *p)
{
	struct span options = p->body;
	struct option_view o;
	uint8_t limit = failure_limit(s);
	bool reject = p->code == PPP_CONF_REJ;

	if (!options_well_formed(options)) {
		s->io->out->drop = DROP_PPP_MALFORMED;
		return;
	}
	/* One that goes on for ever gets its answers from the restart timer only. */
	if (s->cp->naks_got >= 4 * limit || (reject && !rejects_only_ours(s, options))) {
		s->io->out->drop = DROP_PPP_UNEXPECTED;
		return;
	}
	s->cp->answered = true;
	s->cp->naks_got++;
	bool too_often = s->cp->naks_got > limit;
	while (option_next(&options, &o)) {
		int row = option_row(s->d, o.type);
		if (!we_asked(s, row))
			continue; /* a Nak may name what we never asked for: we do without */
		if (reject)
			drop_ours(s, row);
		else
			yield_to_nak(s, row, o.value, too_often);
	}
	if (!ppp_link_ending(s->l))
		run(s, PPP_RCN, &(struct cause){.packet = p});
}

/* The peer does not know one of the codes that the automaton cannot do without. */
static bool code_is_vital(uint8_t code)
{
	return code >= PPP_CONF_REQ && code <= PPP_TERM_ACK;
}

static void rx_code_rej(const struct cp_step *s, const struct ppp_packet *p)
{
	struct span body = p->body;
	uint8_t code = span_u8(&body);

	if (body.bad) {
		s->io->out->drop = DROP_PPP_MALFORMED;
		return;
	}
	run(s, code_is_vital(code) ? PPP_RXJ_FATAL : PPP_RXJ_PERMITTED,
	    &(struct cause){.packet = p});
}

void ppp_cp_rx(struct ppp_cp *cp, const struct ppp_protocol_desc *d, struct ppp_link *l,
	       struct ppp_io *io, const struct ppp_packet *p)
{
	struct cp_step s = {cp, d, l, io};
	struct cause why = {.packet = p};

	switch (p->code) {
	case PPP_CONF_REQ:
		rx_conf_req(&s, p);
		break;
	case PPP_CONF_ACK:
		if (is_answer(&s, p))
			rx_conf_ack(&s, p);
		else
			rx_stray_answer(&s, p);
		break;
	case PPP_CONF_NAK:
	case PPP_CONF_REJ:
		if (is_answer(&s, p))
			rx_conf_nak_or_rej(&s, p);
		else
			rx_stray_answer(&s, p);
		break;
	case PPP_TERM_REQ:
		run(&s, PPP_RTR, &why);
		break;
	case PPP_TERM_ACK:
		run(&s, PPP_RTA, &why);
		break;
	case PPP_CODE_REJ:
		rx_code_rej(&s, p);
		break;
	default:
		if (!d->extra || !d->extra(l, io, p))
			run(&s, PPP_RUC, &why);
		break;
	}
}
