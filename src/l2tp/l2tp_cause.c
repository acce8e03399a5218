#include "l2tp/l2tp_cause.h"

/* Printable bytes of <text>, as many as fit. */
static void text_copy(struct end_reason *reason, struct span text)
{
	size_t n = 0;

	while (text.n && n < sizeof(reason->text) - 1) {
		uint8_t c = span_u8(&text);
		reason->text[n++] = c >= ' ' && c < 0x7F ? (char)c : '.';
	}
	reason->text[n] = '\0';
}

void l2tp_cause_set(struct end_reason *reason, uint16_t result, uint16_t error,
		    enum term_cause cause, const char *text)
{
	*reason = (struct end_reason){
		.cdn_result = result, .cdn_error = error, .cause = (uint8_t)cause};
	text_copy(reason, span_str(text));
}

static enum term_cause cause_lookup(uint16_t code, uint8_t direction)
{
	switch ((uint32_t)code << 8 | direction) {
#define CAUSE(code_, direction_, cause)                                                            \
	case (code_) << 8 | (direction_):                                                          \
		return TERM_##cause;
#include "l2tp/l2tp_cause.def"
#undef CAUSE
	default:
		return TERM_NONE;
	}
}

static enum term_cause of_disconnect_cause(struct span avp)
{
	uint16_t code = span_u16(&avp);
	span_u16(&avp); /* control protocol number */
	uint8_t direction = span_u8(&avp);

	enum term_cause cause = cause_lookup(code, direction);

	return cause != TERM_NONE ? cause : cause_lookup(code, 0);
}

static const char *cdn_text(uint16_t result)
{
	static const char *const texts[] = {
		"call ended",
		"lost carrier",
		"general error",
		"administrative reasons",
		"no facilities now",
		"no facilities",
		"invalid destination",
		"no carrier detected",
		"busy",
		"no dial tone",
		"not established in time",
		"no framing detected",
	};

	return result < sizeof(texts) / sizeof(texts[0]) ? texts[result] : texts[0];
}

static const char *stop_text(uint16_t result)
{
	static const char *const texts[] = {
		"tunnel closed",	  "tunnel closed",	 "general error",
		"control channel exists", "not authorized",	 "protocol version not supported",
		"peer is shutting down",  "state machine error",
	};

	return result < sizeof(texts) / sizeof(texts[0]) ? texts[result] : texts[0];
}

static enum term_cause of_result(const struct l2tp_msg *m, uint16_t result)
{
	if (m->type == L2TP_StopCCN)
		return TERM_LOST_SERVICE;
	return result == L2TP_CDN_CARRIER ? TERM_LOST_CARRIER : TERM_ADMIN_RESET;
}

void l2tp_cause_of(const struct l2tp_msg *m, struct end_reason *reason)
{
	struct l2tp_result r = l2tp_msg_result(m);
	enum term_cause cause = TERM_NONE;

	if (l2tp_msg_has(m, L2TP_AVP_PPP_DISCONNECT_CAUSE))
		cause = of_disconnect_cause(m->avp[L2TP_AVP_PPP_DISCONNECT_CAUSE]);
	if (cause == TERM_NONE)
		cause = of_result(m, r.result);
	*reason = (struct end_reason){.cause = (uint8_t)cause};
	if (r.message.n)
		text_copy(reason, r.message);
	else
		text_copy(reason, span_str(m->type == L2TP_StopCCN ? stop_text(r.result)
								   : cdn_text(r.result)));
}
