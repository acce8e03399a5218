/* Any datagram is a control message or is refused; what is taken from it lies within it. */
#include <stdlib.h>

#include "l2tp/l2tp_call.h"
#include "l2tp/l2tp_cause.h"
#include "l2tp/l2tp_hdr.h"
#include "l2tp/l2tp_tunnel.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool within(struct span inner, const uint8_t *bytes, size_t n)
{
	return inner.p >= bytes && inner.p + inner.n <= bytes + n;
}

static void decode(struct span datagram, struct span secret)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;
	struct end_reason reason;
	enum drop why = DROPS;

	if (!l2tp_hdr_decode_control(datagram, &h, &why)) {
		if (why >= DROPS)
			abort();
		return;
	}
	if (h.body.n && !within(h.body, datagram.p, datagram.n))
		abort();
	if (!l2tp_msg_decode(h.body, secret, &m))
		return;
	for (unsigned i = 0; i < L2TP_AVPS; i++) {
		struct span v = m.avp[i];
		if (v.p && !within(v, datagram.p, datagram.n) &&
		    !within(v, m.plain_bytes, sizeof(m.plain_bytes)))
			abort();
		if (v.p && (v.n < l2tp_avp_table[i].min || v.n > l2tp_avp_table[i].max))
			abort();
	}
	l2tp_msg_missing(&m);
	l2tp_msg_speed(&m, L2TP_AVP_TX_CONNECT_SPEED);
	l2tp_cause_of(&m, &reason);
	if (strlen(reason.text) >= sizeof(reason.text))
		abort();
	l2tp_tunnel_step(L2TP_TUNNEL_ESTABLISHED, l2tp_tunnel_event_of(&m));
	l2tp_call_step(L2TP_CALL_ESTABLISHED, l2tp_call_event_of(&m));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	decode(span_of(bytes, n), span_of(NULL, 0));
	decode(span_of(bytes, n), span_str("secret"));
	return 0;
}
