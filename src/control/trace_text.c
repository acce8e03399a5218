#include "control/trace_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/addr.h"
#include "l2tp/l2tp_msg.h"
#include "ppp/ppp_frame.h"
#include "radius/rad_packet.h"

/* A line that is being written; what does not fit is left out. */
struct line {
	char *s;
	size_t n;
};

static void put(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct line *l, const char *format, ...)
{
	va_list args;
	size_t room = TRACE_LINE_MAX - l->n;

	va_start(args, format);
	int n = vsnprintf(l->s + l->n, room, format, args);
	va_end(args);
	if (n > 0)
		l->n += (size_t)n < room ? (size_t)n : room - 1;
}

static void put_text(struct line *l, struct span text)
{
	while (text.n > 0 && l->n + 1 < TRACE_LINE_MAX) {
		uint8_t b = span_u8(&text);
		put(l, "%c", b >= 0x20 && b < 0x7F ? b : '?');
	}
}

static void put_hex(struct line *l, struct span bytes)
{
	enum { SHOWN = 16 };
	size_t n = bytes.n;

	for (size_t i = 0; i < SHOWN && bytes.n > 0; i++)
		put(l, "%02x", span_u8(&bytes));
	if (n > SHOWN)
		put(l, "...(%zu bytes)", n);
}

/* The whole of it as a number, most significant byte first. */
static uint64_t number_of(struct span bytes)
{
	uint64_t v = 0;

	while (bytes.n > 0)
		v = v << 8 | span_u8(&bytes);
	return v;
}

static void put_ip4(struct line *l, struct span bytes)
{
	char text[IP_ADDR_TEXT];
	struct ip_addr a = ip_addr_v4(span_u32(&bytes));

	put(l, "%s", ip_addr_text(&a, text));
}

/* How a value is written. */
enum form { FORM_HEX, FORM_NUMBER, FORM_HEX_NUMBER, FORM_TEXT, FORM_IP4, FORM_AUTH, FORM_SECRET };

static void put_auth(struct line *l, struct span value)
{
	uint16_t protocol = span_u16(&value);

	if (protocol == PPP_PAP)
		put(l, "PAP");
	else if (protocol == PPP_CHAP)
		put(l, "CHAP%s", span_u8(&value) == 5 ? "-MD5" : " with another algorithm");
	else
		put(l, "0x%04x", protocol);
}

static void put_value(struct line *l, enum form form, struct span value)
{
	if (form == FORM_SECRET)
		put(l, "(%zu bytes)", value.n);
	else if (form == FORM_TEXT)
		put_text(l, value);
	else if (form == FORM_NUMBER && value.n <= 8)
		put(l, "%" PRIu64, number_of(value));
	else if (form == FORM_HEX_NUMBER && value.n <= 8)
		put(l, "0x%" PRIx64, number_of(value));
	else if (form == FORM_IP4 && value.n == 4)
		put_ip4(l, value);
	else if (form == FORM_AUTH && value.n >= 2)
		put_auth(l, value);
	else
		put_hex(l, value);
}

static void begin(struct line *l, const char *protocol, bool sent)
{
	put(l, "%-6s %s ", protocol, sent ? "->" : "<-");
}

/* ---- L2TP ------------------------------------------------------------------------------------ */

/* Those that are text although the table says bytes, and those that must not be shown. */
static enum form avp_form(enum l2tp_avp avp)
{
	switch (avp) {
	case L2TP_AVP_CALLED_NUMBER:
	case L2TP_AVP_CALLING_NUMBER:
	case L2TP_AVP_SUB_ADDRESS:
	case L2TP_AVP_HOST_NAME:
	case L2TP_AVP_VENDOR_NAME:
	case L2TP_AVP_PROXY_AUTHEN_NAME:
		return FORM_TEXT;
	case L2TP_AVP_PROXY_AUTHEN_RESPONSE:
	case L2TP_AVP_PROXY_AUTHEN_CHALLENGE:
	case L2TP_AVP_CHALLENGE:
	case L2TP_AVP_CHALLENGE_RESPONSE:
		return FORM_SECRET;
	case L2TP_AVP_TX_CONNECT_SPEED:
	case L2TP_AVP_RX_CONNECT_SPEED:
		return FORM_NUMBER;
	default:
		return l2tp_avp_table[avp].type == L2TP_TYPE_BYTES ? FORM_HEX : FORM_NUMBER;
	}
}

static void put_result(struct line *l, struct span value)
{
	put(l, "%u", span_u16(&value));
	if (value.n >= 2)
		put(l, " error %u", span_u16(&value));
	if (value.n > 0) {
		put(l, " \"");
		put_text(l, value);
		put(l, "\"");
	}
}

static void put_avp(struct line *l, const struct l2tp_avp_raw *a)
{
	enum l2tp_avp avp = l2tp_avp_find(a->vendor, a->number);

	if (avp == L2TP_AVP_MESSAGE_TYPE)
		return;
	if (avp == L2TP_AVPS)
		put(l, ", AVP %u/%u", a->vendor, a->number);
	else
		put(l, ", %s ", l2tp_avp_table[avp].text);
	if (a->bits & L2TP_AVP_H)
		put(l, "(hidden)");
	else if (avp == L2TP_AVP_RESULT_CODE && a->value.n >= 2)
		put_result(l, a->value);
	else if (avp != L2TP_AVPS)
		put_value(l, avp_form(avp), a->value);
}

void trace_l2tp(uint16_t type, bool sent, struct span avps, char out[static TRACE_LINE_MAX])
{
	struct line l = {.s = out};
	struct l2tp_avp_raw a;

	begin(&l, "L2TP", sent);
	if (l2tp_msg_is_known(type))
		put(&l, "%s", l2tp_msg_name(type));
	else
		put(&l, "message %u", type);
	while (l2tp_avp_next(&avps, &a))
		put_avp(&l, &a);
}

/* ---- PPP ------------------------------------------------------------------------------------- */

static const struct {
	uint16_t protocol;
	uint8_t type;
	uint8_t form; /* enum form */
	const char *name;
} options[] = {
	{PPP_LCP, 1, FORM_NUMBER, "MRU"},
	{PPP_LCP, 2, FORM_HEX_NUMBER, "ACCM"},
	{PPP_LCP, 3, FORM_AUTH, "Authentication"},
	{PPP_LCP, 4, FORM_HEX, "Quality"},
	{PPP_LCP, 5, FORM_HEX_NUMBER, "Magic-Number"},
	{PPP_LCP, 7, FORM_HEX, "PFC"},
	{PPP_LCP, 8, FORM_HEX, "ACFC"},
	{PPP_LCP, 13, FORM_HEX, "Callback"},
	{PPP_LCP, 17, FORM_NUMBER, "MRRU"},
	{PPP_LCP, 18, FORM_HEX, "Short-Sequence"},
	{PPP_LCP, 19, FORM_HEX, "Endpoint-Discriminator"},
	{PPP_IPCP, 2, FORM_HEX, "IP-Compression"},
	{PPP_IPCP, 3, FORM_IP4, "IP-Address"},
	{PPP_IPCP, 129, FORM_IP4, "Primary-DNS"},
	{PPP_IPCP, 130, FORM_IP4, "Primary-NBNS"},
	{PPP_IPCP, 131, FORM_IP4, "Secondary-DNS"},
	{PPP_IPCP, 132, FORM_IP4, "Secondary-NBNS"},
	{PPP_IPV6CP, 1, FORM_HEX, "Interface-Identifier"},
};

static void put_option(struct line *l, uint16_t protocol, uint8_t type, struct span value)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (options[i].protocol != protocol || options[i].type != type)
			continue;
		put(l, ", %s%s", options[i].name, value.n ? " " : "");
		put_value(l, options[i].form, value);
		return;
	}
	put(l, ", option %u%s", type, value.n ? " " : "");
	put_hex(l, value);
}

static void put_options(struct line *l, uint16_t protocol, struct span in)
{
	while (in.n > 0) {
		uint8_t type = span_u8(&in);
		size_t len = span_u8(&in);
		if (in.bad || len < 2 || len - 2 > in.n) {
			put(l, ", an option with a length that lies");
			return;
		}
		put_option(l, protocol, type, span_sub(&in, len - 2));
	}
}

static const char *protocol_name(uint16_t protocol)
{
	switch (protocol) {
	case PPP_LCP:
		return "LCP";
	case PPP_PAP:
		return "PAP";
	case PPP_CHAP:
		return "CHAP";
	case PPP_IPCP:
		return "IPCP";
	case PPP_IPV6CP:
		return "IPV6CP";
	case PPP_CCP:
		return "CCP";
	default:
		return "PPP";
	}
}

static const char *code_name(uint16_t protocol, uint8_t code)
{
	static const char *const control[] = {
		[PPP_CONF_REQ] = "Configure-Request",	 [PPP_CONF_ACK] = "Configure-Ack",
		[PPP_CONF_NAK] = "Configure-Nak",	 [PPP_CONF_REJ] = "Configure-Reject",
		[PPP_TERM_REQ] = "Terminate-Request",	 [PPP_TERM_ACK] = "Terminate-Ack",
		[PPP_CODE_REJ] = "Code-Reject",		 [PPP_PROTO_REJ] = "Protocol-Reject",
		[PPP_ECHO_REQ] = "Echo-Request",	 [PPP_ECHO_REP] = "Echo-Reply",
		[PPP_DISCARD_REQ] = "Discard-Request",	 [PPP_IDENTIFICATION] = "Identification",
		[PPP_TIME_REMAINING] = "Time-Remaining",
	};
	static const char *const pap[] = {
		[1] = "Authenticate-Request", [2] = "Authenticate-Ack", [3] = "Authenticate-Nak"};
	static const char *const chap[] = {
		[1] = "Challenge", [2] = "Response", [3] = "Success", [4] = "Failure"};

	if (protocol == PPP_PAP)
		return code < sizeof(pap) / sizeof(pap[0]) ? pap[code] : NULL;
	if (protocol == PPP_CHAP)
		return code < sizeof(chap) / sizeof(chap[0]) ? chap[code] : NULL;
	return code < sizeof(control) / sizeof(control[0]) ? control[code] : NULL;
}

static void put_quoted(struct line *l, struct span text)
{
	put(l, " \"");
	put_text(l, text);
	put(l, "\"");
}

static void put_pap(struct line *l, uint8_t code, struct span body)
{
	size_t n = span_u8(&body);
	struct span text = span_sub(&body, n < body.n ? n : body.n);

	put(l, code == 1 ? " user" : "");
	if (code == 1 || text.n)
		put_quoted(l, text);
}

static void put_chap(struct line *l, uint8_t code, struct span body)
{
	if (code > 2) {
		if (body.n)
			put_quoted(l, body);
		return;
	}
	size_t n = span_u8(&body);
	span_take(&body, n < body.n ? n : body.n);
	put(l, code == 1 ? " of" : " user");
	put_quoted(l, body);
}

static void put_body(struct line *l, uint16_t protocol, uint8_t code, struct span body)
{
	if (protocol == PPP_PAP)
		put_pap(l, code, body);
	else if (protocol == PPP_CHAP)
		put_chap(l, code, body);
	else if (code >= PPP_CONF_REQ && code <= PPP_CONF_REJ)
		put_options(l, protocol, body);
	else if (code == PPP_PROTO_REJ && body.n >= 2)
		put(l, " of 0x%04x", span_u16(&body));
	else if ((code == PPP_TERM_REQ || code == PPP_TERM_ACK) && body.n)
		put_quoted(l, body);
}

void trace_ppp(bool sent, struct span frame, char out[static TRACE_LINE_MAX])
{
	struct line l = {.s = out};
	uint16_t protocol;

	if (!ppp_frame_decode(&frame, &protocol)) {
		begin(&l, "PPP", sent);
		put(&l, "a frame cut short");
		return;
	}
	begin(&l, protocol_name(protocol), sent);
	uint8_t code = span_u8(&frame), id = span_u8(&frame);
	size_t len = span_u16(&frame);
	const char *name = code_name(protocol, code);
	if (frame.bad || len < PPP_CP_HEADER) {
		put(&l, "protocol 0x%04x, malformed", protocol);
		return;
	}
	if (strcmp(protocol_name(protocol), "PPP") == 0)
		put(&l, "protocol 0x%04x, ", protocol);
	if (name)
		put(&l, "%s id %u", name, id);
	else
		put(&l, "code %u id %u", code, id);
	len -= PPP_CP_HEADER;
	put_body(&l, protocol, code, span_sub(&frame, len < frame.n ? len : frame.n));
}

/* ---- RADIUS ---------------------------------------------------------------------------------- */

static const char *radius_name(uint8_t code)
{
	switch (code) {
	case RAD_ACCESS_REQUEST:
		return "Access-Request";
	case RAD_ACCESS_ACCEPT:
		return "Access-Accept";
	case RAD_ACCESS_REJECT:
		return "Access-Reject";
	case RAD_ACCOUNTING_REQUEST:
		return "Accounting-Request";
	case RAD_ACCOUNTING_RESPONSE:
		return "Accounting-Response";
	case RAD_ACCESS_CHALLENGE:
		return "Access-Challenge";
	case RAD_DISCONNECT_REQUEST:
		return "Disconnect-Request";
	case RAD_COA_REQUEST:
		return "CoA-Request";
	default:
		return "packet";
	}
}

static enum form attr_form(const struct rad_dict_row *row, uint8_t number)
{
	static const uint8_t secret[] = {2, 3, 60, 69, 80}; /* User-, CHAP-, Tunnel-Password, ... */

	if (row && row->vendor == 0)
		for (size_t i = 0; i < sizeof(secret); i++)
			if (secret[i] == number)
				return FORM_SECRET;
	switch (row ? row->type : RAD_TYPE_OCTETS) {
	case RAD_TYPE_TEXT:
	case RAD_TYPE_TAG_TEXT:
		return FORM_TEXT;
	case RAD_TYPE_U32:
	case RAD_TYPE_TAG_U32:
		return FORM_NUMBER;
	case RAD_TYPE_ADDR4:
		return FORM_IP4;
	default:
		return FORM_HEX;
	}
}

static void put_attr(struct line *l, const struct rad_attr *a)
{
	const struct rad_dict_row *row = rad_dict_row(a->vendor, a->number);

	if (!row)
		put(l, ", %u/%u (%zu bytes)", a->vendor, a->number, a->value.n);
	else
		put(l, ", %s ", row->text);
	if (row)
		put_value(l, attr_form(row, a->number), a->value);
}

static void put_vsa(struct line *l, struct span in)
{
	struct rad_attr a;
	uint32_t vendor;

	if (!rad_vsa_open(&in, &vendor))
		return;
	while (rad_vsa_next(&in, vendor, &a))
		put_attr(l, &a);
}

void trace_radius(uint8_t code, bool sent, struct span attrs, char out[static TRACE_LINE_MAX])
{
	enum { VENDOR_SPECIFIC = 26 };
	struct line l = {.s = out};
	struct rad_attr a;

	begin(&l, "RADIUS", sent);
	put(&l, "%s", radius_name(code));
	while (rad_attr_next(&attrs, &a))
		if (a.number == VENDOR_SPECIFIC)
			put_vsa(&l, a.value);
		else
			put_attr(&l, &a);
}
