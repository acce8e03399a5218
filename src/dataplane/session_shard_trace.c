/* What control is told while an operator follows a subscriber's conversation. */
#include "dataplane/session_shard_priv.h"

enum { PAP_NAME_AT = PPP_CP_HEADER + 1 };

/* A PAP request up to its name: the password stays here (RFC 1334 2.2.1). */
static struct span without_password(struct span frame)
{
	struct span in = frame;
	struct ppp_packet p;
	uint16_t protocol;

	if (!ppp_frame_decode(&in, &protocol) || protocol != PPP_PAP)
		return frame;
	if (!ppp_packet_decode(in, &p))
		return span_of(frame.p, 0);
	size_t name = span_u8(&p.body);
	size_t n = (size_t)(in.p - frame.p) + PAP_NAME_AT + name;
	return span_of(frame.p, n < frame.n ? n : frame.n);
}

void session_trace_frame(struct session_shard *s, const struct session *x, bool sent,
			 struct span frame, nsec now)
{
	struct msg_trace m;

	if (s->conf->trace.n == 0 || x->trace == SESSION_TRACE_NO)
		return;
	frame = without_password(frame);
	size_t n = frame.n < sizeof(m.bytes) ? frame.n : sizeof(m.bytes);
	m.key = x->key;
	m.at = now;
	m.what = TRACE_PPP;
	m.l2tp = 0;
	m.sent = sent;
	m.n = (uint16_t)n;
	span_bytes(&frame, m.bytes, n);
	m.msg = (struct msg){MSG_TRACE, (uint16_t)(offsetof(struct msg_trace, bytes) + n)};
	s->env.post(s->env.ctx, MSG_TO_CONTROL, &m.msg);
}

void session_trace_user(const struct session_shard *s, struct session *x, struct span user)
{
	x->trace = trace_names_has(&s->conf->trace, user.p, user.n) ? SESSION_TRACE_YES
								    : SESSION_TRACE_NO;
}
