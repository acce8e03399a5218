#include "ppp_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/crypto.h"
#include "test_bytes.h"

enum kind { LCP, PAP, CHAP, IPCP, IPV6CP, CCP, IP, OTHER };

static const struct {
	const char *name;
	uint16_t number;
} protocols[PPP_KINDS] = {
	[LCP] = {"LCP", 0xC021},   [PAP] = {"PAP", 0xC023},	  [CHAP] = {"CHAP", 0xC223},
	[IPCP] = {"IPCP", 0x8021}, [IPV6CP] = {"IPV6CP", 0x8057}, [CCP] = {"CCP", 0x80FD},
	[IP] = {"IP", 0x0021},	   [OTHER] = {"PPP", 0},
};

static const char *const cp_codes[] = {
	"",	   "ConfReq", "ConfAck", "ConfNak", "ConfRej",	  "TermReq", "TermAck",
	"CodeRej", "ProtRej", "EchoReq", "EchoRep", "DiscardReq", "Ident",
};
static const char *const pap_codes[] = {"", "Request", "Ack", "Nak"};
static const char *const chap_codes[] = {"", "Challenge", "Response", "Success", "Failure"};

enum {
	CONF_REQ = 1,
	CONF_ACK,
	CONF_NAK,
	CONF_REJ,
	TERM_REQ,
	TERM_ACK,
	CODE_REJ,
	PROT_REJ,
	ECHO_REQ,
	ECHO_REP
};

/* size 0: a flag; -1: hex; 5: an authentication protocol; 40: an address. */
struct option {
	enum kind kind;
	const char *key;
	uint8_t type;
	int size;
};

enum { SIZE_AUTH = 5, SIZE_IP = 40 };

static const struct option options[] = {
	{LCP, "mru", 1, 2},	      {LCP, "accm", 2, 4},	     {LCP, "auth", 3, SIZE_AUTH},
	{LCP, "quality", 4, -1},      {LCP, "magic", 5, 4},	     {LCP, "pfc", 7, 0},
	{LCP, "acfc", 8, 0},	      {LCP, "callback", 13, -1},     {LCP, "mrru", 17, 2},
	{LCP, "endpoint", 19, -1},    {IPCP, "addresses", 1, -1},    {IPCP, "vj", 2, -1},
	{IPCP, "ip", 3, SIZE_IP},     {IPCP, "dns1", 129, SIZE_IP},  {IPCP, "nbns1", 130, SIZE_IP},
	{IPCP, "dns2", 131, SIZE_IP}, {IPCP, "nbns2", 132, SIZE_IP}, {IPV6CP, "id", 1, -1},
	{CCP, "deflate", 26, -1},     {CCP, "mppe", 18, -1},	     {CCP, "bsd", 21, -1},
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static enum kind kind_of(uint16_t number)
{
	for (unsigned i = 0; i < OTHER; i++)
		if (protocols[i].number == number)
			return (enum kind)i;
	return OTHER;
}

static const char *const *codes_of(enum kind k, unsigned *n)
{
	*n = k == PAP ? 4 : k == CHAP ? 5 : 13;
	return k == PAP ? pap_codes : k == CHAP ? chap_codes : cp_codes;
}

/* ---- describing ----------------------------------------------------------------------------- */

static void describe_value(const struct option *o, struct span v, struct text *out)
{
	char text[IP_ADDR_TEXT];
	if (o->size == 0) {
		text_add(out, " %s=1", o->key);
	} else if (o->size == SIZE_AUTH) {
		uint16_t proto = span_u16(&v);
		if (proto == 0xC223 && v.n == 1 && v.p[0] == 5)
			text_add(out, " auth=chap");
		else if (proto == 0xC023 && v.n == 0)
			text_add(out, " auth=pap");
		else
			text_add(out, " auth=0x%04x", proto);
	} else if (o->size == SIZE_IP) {
		struct ip_addr a = ip_addr_v4(span_u32(&v));
		text_add(out, " %s=%s", o->key, ip_addr_text(&a, text));
	} else if (o->size == 2) {
		text_add(out, " %s=%u", o->key, span_u16(&v));
	} else if (o->size == 4) {
		text_add(out, " %s=0x%08x", o->key, span_u32(&v));
	} else {
		text_add_hex(out, o->key, v.p, v.n);
	}
	if (v.bad)
		replay_fail("sent option %s that is too short", o->key);
}

static void describe_options(enum kind k, struct span in, struct text *out)
{
	while (in.n) {
		uint8_t type = span_u8(&in);
		size_t length = span_u8(&in);
		struct span v = span_sub(&in, length - 2);
		if (length < 2 || in.bad)
			replay_fail("sent options that are not well formed");
		const struct option *known = NULL;
		for (unsigned i = 0; i < OPTIONS; i++)
			if (options[i].kind == k && options[i].type == type)
				known = &options[i];
		char key[16];
		snprintf(key, sizeof(key), "opt%u", type);
		if (known)
			describe_value(known, v, out);
		else
			text_add_hex(out, key, v.p, v.n);
	}
}

static void describe_auth(enum kind k, uint8_t code, struct span in, struct text *out)
{
	if (k == CHAP && code <= 2) {
		struct span value = span_sub(&in, span_u8(&in));
		text_add_hex(out, "value", value.p, value.n);
		text_add_bytes(out, "name", in.p, in.n);
	} else if (k == PAP) {
		struct span message = span_sub(&in, span_u8(&in));
		text_add_bytes(out, "message", message.p, message.n);
	} else {
		text_add_bytes(out, "message", in.p, in.n);
	}
	if (in.bad)
		replay_fail("sent an authentication packet that is not well formed");
}

static void describe_cp(enum kind k, uint8_t code, struct span in, struct text *out)
{
	if (code >= CONF_REQ && code <= CONF_REJ)
		describe_options(k, in, out);
	else if (code == PROT_REJ && k == LCP)
		text_add(out, " protocol=0x%04x", span_u16(&in));
	else if (code == ECHO_REQ || code == ECHO_REP)
		text_add(out, " magic=0x%08x", span_u32(&in));
	else if (code == CODE_REJ)
		text_add(out, " code=%u", span_u8(&in));
	else if (in.n)
		text_add_bytes(out, "data", in.p, in.n);
}

void frame_describe(struct span f, struct ppp_memory *memory, struct text *out)
{
	if (f.n >= 2 && f.p[0] == 0xFF && f.p[1] == 0x03)
		span_take(&f, 2);
	uint16_t number = span_u16(&f);
	enum kind k = kind_of(number);
	struct span whole = f;

	if (k == IP) {
		text_add(out, "IP");
		text_add_hex(out, "data", f.p, f.n);
		return;
	}
	uint8_t code = span_u8(&f), id = span_u8(&f);
	size_t length = span_u16(&f);
	if (f.bad || length != f.n + 4)
		replay_fail("sent a PPP packet whose length is wrong");
	unsigned n_codes;
	const char *const *codes = codes_of(k, &n_codes);
	if (k == OTHER)
		text_add(out, "PPP protocol=0x%04x", number);
	else
		text_add(out, "%s", protocols[k].name);
	text_add(out, " %s id=%u", code < n_codes ? codes[code] : "unknown", id);
	if (k == PAP || k == CHAP)
		describe_auth(k, code, f, out);
	else
		describe_cp(k, code, f, out);
	bool asks = code == CONF_REQ || (k == LCP && (code == ECHO_REQ || code == TERM_REQ));
	if (asks && whole.n <= PPP_FRAME_MAX) {
		memcpy(memory->request[k].frame, whole.p, whole.n);
		memory->request[k].n = whole.n;
	}
}

/* ---- writing -------------------------------------------------------------------------------- */

bool frame_is_ppp(const char *name)
{
	for (unsigned i = 0; i < PPP_KINDS; i++)
		if (strcmp(protocols[i].name, name) == 0)
			return true;
	return false;
}

static void put_value(struct wbuf *w, const struct option *o, const char *text)
{
	uint8_t room[256];
	size_t at = w->n;
	struct ip_addr a;

	wbuf_u8(w, o->type);
	wbuf_u8(w, 0);
	if (o->size == SIZE_AUTH) {
		bool chap = strcmp(text, "chap") == 0;
		wbuf_u16(w, chap		       ? 0xC223
			    : strcmp(text, "pap") == 0 ? 0xC023
						       : (uint16_t)strtoul(text, NULL, 0));
		if (chap)
			wbuf_u8(w, 5);
	} else if (o->size == SIZE_IP) {
		if (!ip_addr_parse(span_str(text), &a))
			replay_fail("%s=%s is not an address", o->key, text);
		wbuf_u32(w, ip_addr_u32(&a));
	} else if (o->size == 2) {
		wbuf_u16(w, (uint16_t)strtoul(text, NULL, 0));
	} else if (o->size == 4) {
		wbuf_u32(w, (uint32_t)strtoul(text, NULL, 0));
	} else if (o->size < 0) {
		wbuf_bytes(w, room,
			   test_unhex(text + (strncmp(text, "0x", 2) == 0 ? 2 : 0), room,
				      sizeof(room)));
	}
	w->p[at + 1] = (uint8_t)(w->n - at);
}

/* In the order of the script. opt=TYPE:HEX is an option without a name. */
static void put_options(struct wbuf *w, enum kind k, const struct words *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		const char *key = s->word[i], *text = s->value[i];
		for (unsigned o = 0; o < OPTIONS; o++)
			if (options[o].kind == k && strcmp(options[o].key, key) == 0 &&
			    (text || options[o].size == 0))
				put_value(w, &options[o], text);
		if (text && strcmp(key, "opt") == 0) {
			char *end;
			uint8_t room[256];
			unsigned long type = strtoul(text, &end, 0);
			size_t n = test_unhex(*end == ':' ? end + 1 : end, room, sizeof(room));
			wbuf_u8(w, (uint8_t)type);
			wbuf_u8(w, (uint8_t)(n + 2));
			wbuf_bytes(w, room, n);
		}
	}
}

/* The options of the product's last request: all, or those that only=KEY,KEY names. */
static void put_request(struct wbuf *w, enum kind k, const struct ppp_memory *m, const char *only)
{
	struct span in = span_of(m->request[k].frame, m->request[k].n);
	span_take(&in, 4);
	while (in.n) {
		struct span raw = in;
		uint8_t type = span_u8(&in);
		size_t length = span_u8(&in);
		span_sub(&in, length - 2);
		raw.n = length;
		bool wanted = only == NULL;
		for (unsigned o = 0; o < OPTIONS && !wanted; o++)
			wanted = options[o].kind == k && options[o].type == type &&
				 strstr(only, options[o].key) != NULL;
		if (wanted)
			wbuf_span(w, raw);
	}
}

static void put_text(struct wbuf *w, const char *text)
{
	wbuf_u8(w, (uint8_t)strlen(text));
	wbuf_span(w, span_str(text));
}

/* RFC 1994 4.1: MD5 of identifier, secret and challenge. */
static void put_response(struct wbuf *w, struct ppp_memory *m, uint8_t id, const char *password)
{
	struct span in = span_of(m->request[CHAP].frame, m->request[CHAP].n);
	uint8_t md5[MD5_LEN];

	span_take(&in, 4);
	struct span challenge = span_sub(&in, span_u8(&in));
	struct span parts[] = {span_of(&id, 1), span_str(password), challenge};
	md5_of(md5, parts, 3);
	wbuf_u8(w, MD5_LEN);
	wbuf_bytes(w, md5, MD5_LEN);
}

static const char *need(const struct words *s, const char *key)
{
	const char *text = words_get(s, key);
	if (!text)
		replay_fail("%s= is missing", key);
	return text;
}

static void put_body(struct wbuf *w, enum kind k, unsigned code, uint8_t id, struct ppp_memory *m,
		     const struct words *s)
{
	const char *data = words_get(s, "data");
	uint8_t room[PPP_FRAME_MAX];

	if (data) {
		wbuf_bytes(w, room, test_unhex(data, room, sizeof(room)));
	} else if (k == PAP) {
		put_text(w, need(s, "user"));
		put_text(w, need(s, "pass"));
	} else if (k == CHAP && code == 2) {
		put_response(w, m, id, need(s, "pass"));
		wbuf_span(w, span_str(need(s, "user")));
	} else if (code == ECHO_REQ || code == ECHO_REP) {
		wbuf_u32(w, (uint32_t)words_num(s, "magic", 0));
	} else if (code == PROT_REJ) {
		wbuf_u16(w, (uint16_t)words_num(s, "protocol", 0));
	} else if (code == CONF_ACK || (code == CONF_REJ && words_get(s, "only"))) {
		put_request(w, k, m, words_get(s, "only"));
	} else if (code <= CONF_REJ) {
		put_options(w, k, s);
	}
}

static unsigned code_of(enum kind k, const char *name)
{
	unsigned n;
	const char *const *codes = codes_of(k, &n);
	for (unsigned i = 1; i < n; i++)
		if (strcmp(codes[i], name) == 0)
			return i;
	return (unsigned)strtoul(name, NULL, 0);
}

static bool is_answer(enum kind k, unsigned code)
{
	if (k == CHAP)
		return code == 2;
	return k != PAP &&
	       ((code >= CONF_ACK && code <= CONF_REJ) || code == TERM_ACK || code == ECHO_REP);
}

void frame_write(struct wbuf *w, struct ppp_memory *m, const struct words *s, unsigned first)
{
	enum kind k = LCP;
	while (strcmp(protocols[k].name, s->word[first]) != 0)
		k++;
	uint16_t number = k == OTHER ? (uint16_t)words_num(s, "protocol", 0) : protocols[k].number;
	wbuf_u16(w, number);
	if (k == IP) {
		uint8_t room[PPP_FRAME_MAX];
		wbuf_bytes(w, room, test_unhex(need(s, "data"), room, sizeof(room)));
		return;
	}
	if (s->n <= first + 1 || s->value[first + 1])
		replay_fail("a code is missing");
	unsigned code = code_of(k, s->word[first + 1]);
	uint8_t id =
		is_answer(k, code) ? (m->request[k].n ? m->request[k].frame[1] : 0) : m->next_id;
	id = (uint8_t)words_num(s, "id", id);
	if (!is_answer(k, code))
		m->next_id = (uint8_t)(id + 1);
	size_t at = w->n;
	wbuf_u8(w, (uint8_t)code);
	wbuf_u8(w, id);
	wbuf_u16(w, 0);
	put_body(w, k, code, id, m, s);
	wbuf_patch_u16(w, at + 2, (uint16_t)words_num(s, "length", w->n - at));
}
