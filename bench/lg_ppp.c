#include "lg_ppp.h"

#include "base/crypto.h"

enum {
	CONF_REQ = 1,
	CONF_ACK,
	CONF_NAK,
	CONF_REJ,
	TERM_REQ,
	TERM_ACK,
	CODE_REJ,
	PROTO_REJ,
	ECHO_REQ,
	ECHO_REP,
	DISCARD
};
enum {
	LCP_MRU = 1,
	LCP_ACCM = 2,
	LCP_AUTH = 3,
	LCP_QUALITY = 4,
	LCP_MAGIC = 5,
	LCP_PFC = 7,
	LCP_ACFC = 8
};
enum { IPCP_ADDRESS = 3, IPCP_DNS1 = 129, IPCP_DNS2 = 131 };
enum { CHAP_CHALLENGE = 1, CHAP_RESPONSE, CHAP_SUCCESS, CHAP_FAILURE, CHAP_MD5 = 5 };
enum { PAP_REQUEST = 1, PAP_ACK, PAP_NAK };
enum {
	LG_F_SENT_ACK = 0x01, /* we accepted the peer's request of this phase */
	LG_F_GOT_ACK = 0x02,  /* the peer accepted ours */
	LG_F_NO_MRU = 0x04,
	LG_F_NO_MAGIC = 0x08,
	LG_F_NO_DNS = 0x10,
	LG_F_ANSWERED = 0x20, /* a CHAP response is out */
};
enum { CONTROL_HEADER = 4, NAKS_MAX = 20 };

struct packet {
	uint16_t proto;
	uint8_t code, id;
	struct span data; /* behind the header */
	struct span whole;
};

/* ---- packets out ---------------------------------------------------------------------------- */

static void begin(struct wbuf *w, uint16_t proto, uint8_t code, uint8_t id)
{
	wbuf_u16(w, proto);
	wbuf_u8(w, code);
	wbuf_u8(w, id);
	wbuf_u16(w, 0);
}

static void finish(struct wbuf *w, const struct lg_ppp_env *env)
{
	wbuf_patch_u16(w, 4, (uint16_t)(w->n - 2));
	if (!w->bad)
		env->send(env->ctx, wbuf_written(w));
}

static void reply(uint16_t proto, uint8_t code, uint8_t id, struct span data,
		  const struct lg_ppp_env *env)
{
	uint8_t room[LG_PPP_FRAME_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	begin(&w, proto, code, id);
	if (data.n > sizeof(room) - w.n)
		data.n = sizeof(room) - w.n; /* rejects may be cut, RFC 1661 5.6 */
	wbuf_span(&w, data);
	finish(&w, env);
}

static void option_u16(struct wbuf *w, uint8_t type, uint16_t v)
{
	wbuf_u8(w, type);
	wbuf_u8(w, 4);
	wbuf_u16(w, v);
}

static void option_u32(struct wbuf *w, uint8_t type, uint32_t v)
{
	wbuf_u8(w, type);
	wbuf_u8(w, 6);
	wbuf_u32(w, v);
}

static void send_lcp_request(struct lg_ppp *p, const struct lg_ppp_env *env)
{
	uint8_t room[LG_PPP_FRAME_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	begin(&w, LG_PPP_LCP, CONF_REQ, ++p->lcp_id);
	if (p->mru && !(p->flags & LG_F_NO_MRU))
		option_u16(&w, LCP_MRU, p->mru);
	if (!(p->flags & LG_F_NO_MAGIC))
		option_u32(&w, LCP_MAGIC, p->magic);
	finish(&w, env);
}

static void send_ipcp_request(struct lg_ppp *p, const struct lg_ppp_env *env)
{
	uint8_t room[LG_PPP_FRAME_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	begin(&w, LG_PPP_IPCP, CONF_REQ, ++p->ipcp_id);
	option_u32(&w, IPCP_ADDRESS, p->ip);
	if (env->conf->want_dns && !(p->flags & LG_F_NO_DNS))
		option_u32(&w, IPCP_DNS1, p->dns);
	finish(&w, env);
}

static void send_pap(struct lg_ppp *p, const struct lg_ppp_env *env)
{
	uint8_t room[LG_PPP_FRAME_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	begin(&w, LG_PPP_PAP, PAP_REQUEST, ++p->pap_id);
	wbuf_u8(&w, (uint8_t)env->user.n);
	wbuf_span(&w, env->user);
	wbuf_u8(&w, (uint8_t)env->password.n);
	wbuf_span(&w, env->password);
	finish(&w, env);
}

/* What is repeated when nobody answers. */
static void send_request(struct lg_ppp *p, const struct lg_ppp_env *env)
{
	if (p->phase == LG_PHASE_LCP && !(p->flags & LG_F_GOT_ACK))
		send_lcp_request(p, env);
	else if (p->phase == LG_PHASE_AUTH && p->auth == LG_PPP_PAP)
		send_pap(p, env);
	else if (p->phase == LG_PHASE_IPCP && !(p->flags & LG_F_GOT_ACK))
		send_ipcp_request(p, env);
}

/* ---- phases --------------------------------------------------------------------------------- */

static void enter(struct lg_ppp *p, enum lg_ppp_phase phase, const struct lg_ppp_env *env)
{
	p->phase = (uint8_t)phase;
	p->tries = 0;
	p->naks = 0;
	p->flags &= (uint8_t) ~(LG_F_SENT_ACK | LG_F_GOT_ACK | LG_F_ANSWERED);
	send_request(p, env);
}

void lg_ppp_start(struct lg_ppp *p, uint32_t magic, const struct lg_ppp_env *env)
{
	*p = (struct lg_ppp){
		.magic = magic, .mru = env->conf->mru, .ip = env->conf->want_ip, .pap_id = 0};
	if (env->conf->lcp_waits)
		p->phase = LG_PHASE_LCP;
	else
		enter(p, LG_PHASE_LCP, env);
}

static enum lg_ppp_event agreed(struct lg_ppp *p, const struct lg_ppp_env *env)
{
	if ((p->flags & (LG_F_SENT_ACK | LG_F_GOT_ACK)) != (LG_F_SENT_ACK | LG_F_GOT_ACK))
		return LG_PPP_NOTHING;
	if (p->phase == LG_PHASE_LCP) {
		enter(p, p->auth ? LG_PHASE_AUTH : LG_PHASE_IPCP, env);
		return LG_PPP_PROGRESS;
	}
	p->phase = LG_PHASE_OPEN;
	return LG_PPP_OPENED;
}

/* ---- the peer's Configure-Request ------------------------------------------------------------ */

struct answer {
	struct wbuf nak, rej;
	uint8_t nak_room[32], rej_room[LG_PPP_FRAME_MAX - 16];
};

static void copy_option(struct wbuf *w, uint8_t type, struct span value)
{
	wbuf_u8(w, type);
	wbuf_u8(w, (uint8_t)(value.n + 2));
	wbuf_span(w, value);
}

static void judge_auth(struct lg_ppp *p, struct span v, struct answer *a,
		       const struct lg_ppp_conf *conf)
{
	uint16_t proto = span_u16(&v);
	bool md5 = v.n == 1 && span_u8(&v) == CHAP_MD5;
	if (proto == LG_PPP_PAP && conf->allow_pap) {
		p->auth = LG_PPP_PAP;
	} else if (proto == LG_PPP_CHAP && md5 && conf->allow_chap) {
		p->auth = LG_PPP_CHAP;
	} else if (conf->allow_chap) {
		uint8_t chap[] = {LG_PPP_CHAP >> 8, LG_PPP_CHAP & 0xFF, CHAP_MD5};
		copy_option(&a->nak, LCP_AUTH, span_of(chap, sizeof(chap)));
	} else if (conf->allow_pap) {
		uint8_t pap[] = {LG_PPP_PAP >> 8, LG_PPP_PAP & 0xFF};
		copy_option(&a->nak, LCP_AUTH, span_of(pap, sizeof(pap)));
	} else {
		copy_option(&a->rej, LCP_AUTH, v);
	}
}

static void judge_lcp(struct lg_ppp *p, uint8_t type, struct span v, struct answer *a,
		      const struct lg_ppp_conf *conf)
{
	switch (type) {
	case LCP_AUTH:
		judge_auth(p, v, a, conf);
		break;
	case LCP_MRU:
	case LCP_ACCM:
	case LCP_MAGIC:
	case LCP_PFC:
	case LCP_ACFC:
		break;
	default:
		copy_option(&a->rej, type, v);
	}
}

static void judge_ipcp(uint8_t type, struct span v, struct answer *a)
{
	if (type != IPCP_ADDRESS)
		copy_option(&a->rej, type, v);
}

static enum lg_ppp_event peer_request(struct lg_ppp *p, const struct packet *k,
				      const struct lg_ppp_env *env)
{
	struct answer a;
	struct span options = k->data;
	a.nak = wbuf_of(a.nak_room, sizeof(a.nak_room));
	a.rej = wbuf_of(a.rej_room, sizeof(a.rej_room));
	if (k->proto == LG_PPP_LCP) {
		p->auth = 0;
		if (p->lcp_id == 0)
			send_lcp_request(p, env);
	}
	while (options.n > 0) {
		uint8_t type = span_u8(&options);
		uint8_t len = span_u8(&options);
		if (options.bad || len < 2)
			return LG_PPP_NOTHING;
		struct span v = span_sub(&options, len - 2u);
		if (v.bad)
			return LG_PPP_NOTHING;
		if (k->proto == LG_PPP_LCP)
			judge_lcp(p, type, v, &a, env->conf);
		else
			judge_ipcp(type, v, &a);
	}
	if (a.rej.n) {
		reply(k->proto, CONF_REJ, k->id, wbuf_written(&a.rej), env);
	} else if (a.nak.n) {
		reply(k->proto, CONF_NAK, k->id, wbuf_written(&a.nak), env);
	} else {
		reply(k->proto, CONF_ACK, k->id, k->data, env);
		p->flags |= LG_F_SENT_ACK;
		return agreed(p, env);
	}
	p->flags &= (uint8_t)~LG_F_SENT_ACK;
	return LG_PPP_NOTHING;
}

/* ---- the peer's answers to ours -------------------------------------------------------------- */

static void lcp_nak(struct lg_ppp *p, uint8_t type, struct span v, bool rejected)
{
	if (type == LCP_MRU)
		p->mru = rejected ? 0 : span_u16(&v);
	else if (type == LCP_MAGIC && rejected)
		p->flags |= LG_F_NO_MAGIC;
	else if (type == LCP_MAGIC)
		p->magic = span_u32(&v);
}

static void ipcp_nak(struct lg_ppp *p, uint8_t type, struct span v, bool rejected)
{
	if (type == IPCP_ADDRESS && !rejected)
		p->ip = span_u32(&v);
	else if (type == IPCP_DNS1 && rejected)
		p->flags |= LG_F_NO_DNS;
	else if (type == IPCP_DNS1)
		p->dns = span_u32(&v);
}

static void peer_nak(struct lg_ppp *p, const struct packet *k, const struct lg_ppp_env *env)
{
	struct span options = k->data;
	if (++p->naks > NAKS_MAX)
		return; /* a peer that is never content: the retry counter ends it */
	while (options.n > 0) {
		uint8_t type = span_u8(&options);
		uint8_t len = span_u8(&options);
		struct span v = span_sub(&options, len < 2 ? SIZE_MAX : len - 2u);
		if (v.bad)
			return;
		if (k->proto == LG_PPP_LCP)
			lcp_nak(p, type, v, k->code == CONF_REJ);
		else
			ipcp_nak(p, type, v, k->code == CONF_REJ);
	}
	send_request(p, env);
}

static enum lg_ppp_event configure(struct lg_ppp *p, const struct packet *k,
				   const struct lg_ppp_env *env)
{
	uint8_t ours = k->proto == LG_PPP_LCP ? p->lcp_id : p->ipcp_id;
	if (k->code == CONF_REQ)
		return peer_request(p, k, env);
	if (k->id != ours)
		return LG_PPP_NOTHING;
	if (k->code != CONF_ACK) {
		peer_nak(p, k, env);
		return LG_PPP_NOTHING;
	}
	p->flags |= LG_F_GOT_ACK;
	return agreed(p, env);
}

/* ---- protocols ------------------------------------------------------------------------------- */

static void echo_reply(struct lg_ppp *p, const struct packet *k, const struct lg_ppp_env *env)
{
	uint8_t room[LG_PPP_FRAME_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct span data = k->data;
	span_take(&data, 4); /* their magic number */
	begin(&w, LG_PPP_LCP, ECHO_REP, k->id);
	wbuf_u32(&w, p->magic);
	wbuf_span(&w, data);
	finish(&w, env);
}

static enum lg_ppp_event lcp_rx(struct lg_ppp *p, const struct packet *k,
				const struct lg_ppp_env *env)
{
	switch (k->code) {
	case CONF_REQ:
	case CONF_ACK:
	case CONF_NAK:
	case CONF_REJ:
		if (p->phase == LG_PHASE_LCP)
			return configure(p, k, env);
		if (k->code != CONF_REQ)
			return LG_PPP_NOTHING;
		/* RFC 1661 4.3: a request on an opened link starts LCP again */
		enter(p, LG_PHASE_LCP, env);
		peer_request(p, k, env);
		return LG_PPP_RESTARTED;
	case TERM_REQ:
		reply(LG_PPP_LCP, TERM_ACK, k->id, span_of(NULL, 0), env);
		p->phase = LG_PHASE_DEAD;
		return LG_PPP_TERMINATED;
	case TERM_ACK:
		if (p->phase != LG_PHASE_DEAD)
			return LG_PPP_NOTHING;
		return LG_PPP_TERMINATED;
	case ECHO_REQ:
		echo_reply(p, k, env);
		return LG_PPP_NOTHING;
	case CODE_REJ:
	case PROTO_REJ:
	case ECHO_REP:
	case DISCARD:
		return LG_PPP_NOTHING;
	default:
		reply(LG_PPP_LCP, CODE_REJ, ++p->lcp_id, k->whole, env);
		return LG_PPP_NOTHING;
	}
}

static enum lg_ppp_event admitted(struct lg_ppp *p, const struct lg_ppp_env *env)
{
	if (p->phase != LG_PHASE_AUTH)
		return LG_PPP_NOTHING;
	enter(p, LG_PHASE_IPCP, env);
	return LG_PPP_PROGRESS;
}

static enum lg_ppp_event pap_rx(struct lg_ppp *p, const struct packet *k,
				const struct lg_ppp_env *env)
{
	if (k->code == PAP_ACK)
		return admitted(p, env);
	return k->code == PAP_NAK && p->phase == LG_PHASE_AUTH ? LG_PPP_REFUSED : LG_PPP_NOTHING;
}

static void chap_respond(const struct packet *k, struct span challenge,
			 const struct lg_ppp_env *env)
{
	uint8_t hash[MD5_LEN];
	struct span parts[] = {span_of(&k->id, 1), env->password, challenge};
	uint8_t room[LG_PPP_FRAME_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));

	md5_of(hash, parts, 3);
	begin(&w, LG_PPP_CHAP, CHAP_RESPONSE, k->id);
	wbuf_u8(&w, MD5_LEN);
	wbuf_bytes(&w, hash, MD5_LEN);
	wbuf_span(&w, env->user);
	finish(&w, env);
}

static enum lg_ppp_event chap_rx(struct lg_ppp *p, const struct packet *k,
				 const struct lg_ppp_env *env)
{
	struct span data = k->data;
	switch (k->code) {
	case CHAP_CHALLENGE: {
		struct span challenge = span_sub(&data, span_u8(&data));
		if (challenge.bad || p->phase < LG_PHASE_AUTH)
			return LG_PPP_NOTHING;
		chap_respond(k, challenge, env);
		p->flags |= LG_F_ANSWERED;
		return LG_PPP_NOTHING;
	}
	case CHAP_SUCCESS:
		return admitted(p, env);
	case CHAP_FAILURE:
		return LG_PPP_REFUSED;
	default:
		return LG_PPP_NOTHING;
	}
}

static enum lg_ppp_event ipcp_rx(struct lg_ppp *p, const struct packet *k,
				 const struct lg_ppp_env *env)
{
	if (p->phase < LG_PHASE_IPCP)
		return LG_PPP_NOTHING;
	switch (k->code) {
	case CONF_REQ:
	case CONF_ACK:
	case CONF_NAK:
	case CONF_REJ:
		if (p->phase == LG_PHASE_OPEN && k->code == CONF_REQ) {
			/* our acknowledgement was lost: say it again, the link stays up */
			reply(LG_PPP_IPCP, CONF_ACK, k->id, k->data, env);
			return LG_PPP_NOTHING;
		}
		return p->phase == LG_PHASE_IPCP ? configure(p, k, env) : LG_PPP_NOTHING;
	case TERM_REQ:
		reply(LG_PPP_IPCP, TERM_ACK, k->id, span_of(NULL, 0), env);
		return LG_PPP_NOTHING;
	default:
		return LG_PPP_NOTHING;
	}
}

static void protocol_reject(struct lg_ppp *p, struct span frame, const struct lg_ppp_env *env)
{
	if (p->phase > LG_PHASE_LCP)
		reply(LG_PPP_LCP, PROTO_REJ, ++p->lcp_id, frame, env);
}

enum lg_ppp_event lg_ppp_rx(struct lg_ppp *p, struct span frame, const struct lg_ppp_env *env)
{
	struct span all = frame;
	struct packet k = {.proto = span_u16(&frame)};
	k.whole = frame;
	k.code = span_u8(&frame);
	k.id = span_u8(&frame);
	uint16_t len = span_u16(&frame);
	if (frame.bad)
		return LG_PPP_NOTHING;
	bool known = k.proto == LG_PPP_LCP || k.proto == LG_PPP_PAP || k.proto == LG_PPP_CHAP ||
		     k.proto == LG_PPP_IPCP;
	if (!known) {
		protocol_reject(p, all, env);
		return LG_PPP_NOTHING;
	}
	if (len < CONTROL_HEADER || len - CONTROL_HEADER > (int)frame.n)
		return LG_PPP_NOTHING;
	k.data = span_of(frame.p, (size_t)len - CONTROL_HEADER);
	k.whole.n = len;
	if (p->phase == LG_PHASE_DEAD && !(k.proto == LG_PPP_LCP && k.code >= TERM_REQ))
		return LG_PPP_NOTHING;
	if (k.proto == LG_PPP_LCP)
		return lcp_rx(p, &k, env);
	if (k.proto == LG_PPP_PAP)
		return pap_rx(p, &k, env);
	return k.proto == LG_PPP_CHAP ? chap_rx(p, &k, env) : ipcp_rx(p, &k, env);
}

enum lg_ppp_event lg_ppp_timeout(struct lg_ppp *p, const struct lg_ppp_env *env)
{
	if (++p->tries >= env->conf->tries)
		return LG_PPP_GAVE_UP;
	send_request(p, env);
	return LG_PPP_NOTHING;
}

void lg_ppp_terminate(struct lg_ppp *p, const struct lg_ppp_env *env)
{
	reply(LG_PPP_LCP, TERM_REQ, ++p->lcp_id, span_of(NULL, 0), env);
	p->phase = LG_PHASE_DEAD;
}
