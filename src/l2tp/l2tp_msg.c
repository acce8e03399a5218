#include "l2tp/l2tp_msg.h"

#include "l2tp/l2tp_hdr.h"
#include "l2tp/l2tp_hide.h"

const char *l2tp_msg_name(uint16_t type)
{
	switch (type) {
#define MESSAGE(name, number, scope)                                                               \
	case number:                                                                               \
		return #name;
#include "l2tp/l2tp_msg.def"
#undef MESSAGE
	default:
		return "unknown";
	}
}

bool l2tp_msg_is_known(uint16_t type)
{
	switch (type) {
#define MESSAGE(name, number, scope) case number:
#include "l2tp/l2tp_msg.def"
#undef MESSAGE
		return true;
	default:
		return false;
	}
}

bool l2tp_msg_is_session(uint16_t type)
{
	enum { TUNNEL = 0, SESSION = 1 };

	switch (type) {
#define MESSAGE(name, number, scope)                                                               \
	case number:                                                                               \
		return scope;
#include "l2tp/l2tp_msg.def"
#undef MESSAGE
	default:
		return false;
	}
}

/* Only the first fault counts, and only that of a mandatory AVP (RFC 2661 4.1, 7.1). */
static void fault_set(struct l2tp_msg *m, const struct l2tp_avp_raw *raw, enum l2tp_error error)
{
	if (raw->bits & L2TP_AVP_M && m->fault.error == L2TP_ERR_NONE)
		m->fault = (struct l2tp_fault){(uint16_t)error, raw->vendor, raw->number};
}

/* The value in clear; bad when it cannot be had. */
static struct span uncover(struct l2tp_msg *m, const struct l2tp_avp_raw *raw, struct span secret)
{
	const struct l2tp_hide_key key = {secret, m->avp[L2TP_AVP_RANDOM_VECTOR], raw->number};

	if (secret.n == 0 || key.random_vector.p == NULL)
		return (struct span){.bad = true};
	return l2tp_unhide(&key, raw->value, &m->plain);
}

static void avp_take(struct l2tp_msg *m, const struct l2tp_avp_raw *raw, struct span secret)
{
	enum l2tp_avp avp = l2tp_avp_find(raw->vendor, raw->number);
	struct span value = raw->value;

	if (raw->bits & L2TP_AVP_RESERVED) {
		fault_set(m, raw, L2TP_ERR_RANGE);
		return;
	}
	if (avp == L2TP_AVPS) {
		fault_set(m, raw, L2TP_ERR_UNKNOWN_AVP);
		return;
	}
	if (raw->bits & L2TP_AVP_H) {
		if (l2tp_avp_table[avp].may_hide)
			value = uncover(m, raw, secret);
		else
			value.bad = true;
		if (value.bad) {
			fault_set(m, raw, L2TP_ERR_UNKNOWN_AVP);
			return;
		}
	}
	if (value.n < l2tp_avp_table[avp].min || value.n > l2tp_avp_table[avp].max) {
		fault_set(m, raw, L2TP_ERR_LENGTH);
		return;
	}
	/* A later Random Vector replaces the one before (RFC 2661 4.3); of others the first counts.
	 */
	if (avp == L2TP_AVP_RANDOM_VECTOR || !l2tp_msg_has(m, avp))
		m->avp[avp] = value;
}

bool l2tp_msg_decode(struct span avps, struct span secret, struct l2tp_msg *m)
{
	struct l2tp_avp_raw raw;

	m->fault = (struct l2tp_fault){0};
	memset(m->avp, 0, sizeof(m->avp));
	m->plain = wbuf_of(m->plain_bytes, sizeof(m->plain_bytes));

	if (!l2tp_avps_well_formed(avps) || !l2tp_avp_next(&avps, &raw))
		return false;
	if (raw.vendor != 0 || raw.number != 0 || raw.value.n != 2 ||
	    raw.bits & (L2TP_AVP_H | L2TP_AVP_RESERVED))
		return false; /* RFC 2661 4.4.1: Message Type is first and never hidden */
	m->avp[L2TP_AVP_MESSAGE_TYPE] = raw.value;
	m->type = l2tp_msg_u16(m, L2TP_AVP_MESSAGE_TYPE);
	m->type_mandatory = raw.bits & L2TP_AVP_M;

	while (l2tp_avp_next(&avps, &raw))
		avp_take(m, &raw, secret);
	return true;
}

enum l2tp_avp l2tp_msg_missing(const struct l2tp_msg *m)
{
	if (m->type >= L2TP_MSG_TYPES)
		return L2TP_AVPS;
	for (unsigned i = 0; i < L2TP_AVPS; i++) {
		if (l2tp_avp_table[i].required & 1u << m->type && !l2tp_msg_has(m, i))
			return i;
	}
	return L2TP_AVPS;
}

uint16_t l2tp_msg_u16(const struct l2tp_msg *m, enum l2tp_avp avp)
{
	struct span in = m->avp[avp];
	return span_u16(&in);
}

uint32_t l2tp_msg_u32(const struct l2tp_msg *m, enum l2tp_avp avp)
{
	struct span in = m->avp[avp];
	return span_u32(&in);
}

static uint64_t decimal(struct span text)
{
	uint64_t v = 0;

	while (text.n) {
		uint8_t c = span_u8(&text);
		if (c < '0' || c > '9' || v > UINT64_MAX / 10 - 9)
			return 0;
		v = v * 10 + (uint64_t)(c - '0');
	}
	return v;
}

uint64_t l2tp_msg_speed(const struct l2tp_msg *m, enum l2tp_avp avp)
{
	return m->avp[avp].n == 4 ? l2tp_msg_u32(m, avp) : decimal(m->avp[avp]);
}

struct l2tp_result l2tp_msg_result(const struct l2tp_msg *m)
{
	struct span in = m->avp[L2TP_AVP_RESULT_CODE];
	struct l2tp_result r = {.result = span_u16(&in)};

	if (in.n >= 2)
		r.error = span_u16(&in);
	r.message = in;
	return r;
}

void l2tp_msg_begin(struct wbuf *w, uint16_t tid, uint16_t sid, enum l2tp_msg_type type)
{
	l2tp_hdr_begin(w, tid, sid);
	l2tp_avp_put_u16(w, L2TP_AVP_MESSAGE_TYPE, (uint16_t)type);
}
