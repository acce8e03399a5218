#include "lac_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tp/l2tp_hide.h"
#include "test_bytes.h"

struct message {
	const char *name;
	uint16_t type;
};

static const struct message messages[] = {
	{"SCCRQ", 1}, {"SCCRP", 2}, {"SCCCN", 3}, {"StopCCN", 4}, {"HELLO", 6},
	{"OCRQ", 7},  {"OCRP", 8},  {"OCCN", 9},  {"ICRQ", 10},	  {"ICRP", 11},
	{"ICCN", 12}, {"CDN", 14},  {"WEN", 15},  {"SLI", 16},
};

/* size: bytes of a number; 0 = text, -1 = hex. */
struct attribute {
	const char *key;
	uint16_t number;
	int size;
	bool mandatory;
};

static const struct attribute attributes[] = {
	{"version", 2, 2, true},     {"framing", 3, 4, true},
	{"bearer", 4, 4, true},	     {"tie", 5, 8, false},
	{"firmware", 6, 2, false},   {"host", 7, 0, true},
	{"vendor", 8, 0, false},     {"tid", 9, 2, true},
	{"window", 10, 2, true},     {"challenge", 11, -1, true},
	{"cause", 12, -1, true},     {"response", 13, -1, true},
	{"sid", 14, 2, true},	     {"serial", 15, 4, true},
	{"minbps", 16, 4, true},     {"maxbps", 17, 4, true},
	{"bearertype", 18, 4, true}, {"framingtype", 19, 4, true},
	{"called", 21, 0, true},     {"calling", 22, 0, true},
	{"subaddress", 23, 0, true}, {"txspeed", 24, 4, true},
	{"channel", 25, 4, false},   {"authtype", 29, 2, false},
	{"authname", 30, 0, false},  {"authchallenge", 31, -1, false},
	{"authid", 32, 2, false},    {"authresponse", 33, -1, false},
	{"errors", 34, -1, true},    {"accm", 35, -1, true},
	{"rxspeed", 38, 4, false},   {"sequencing", 39, -1, true},
	{"vector", 36, -1, true},
};

enum { ATTRIBUTES = sizeof(attributes) / sizeof(attributes[0]) };

uint16_t control_type(const char *name)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (strcmp(messages[i].name, name) == 0)
			return messages[i].type;
	return 0;
}

static const char *control_name(uint16_t type)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (messages[i].type == type)
			return messages[i].name;
	return "unknown";
}

static const struct attribute *by_key(const char *key)
{
	for (unsigned i = 0; i < ATTRIBUTES; i++)
		if (strcmp(attributes[i].key, key) == 0)
			return &attributes[i];
	return NULL;
}

/* ---- reading -------------------------------------------------------------------------------- */

static struct span open_header(struct span d, struct control_head *h)
{
	uint16_t flags = span_u16(&d);
	size_t length = span_u16(&d);
	h->tid = span_u16(&d);
	h->sid = span_u16(&d);
	h->ns = span_u16(&d);
	h->nr = span_u16(&d);
	if (d.bad || flags != 0xC802 || length != d.n + 12)
		replay_fail("sent a control header that is not well formed");
	h->zlb = d.n == 0;
	return d;
}

struct raw {
	uint16_t bits, vendor, number;
	struct span value;
};

static bool next_avp(struct span *in, struct raw *out)
{
	if (in->n == 0)
		return false;
	out->bits = span_u16(in);
	out->vendor = span_u16(in);
	out->number = span_u16(in);
	size_t length = out->bits & 0x3FF;
	if (in->bad || length < 6 || (out->bits & 0x3C00) != 0)
		replay_fail("sent an AVP header that is not well formed");
	out->value = span_sub(in, length - 6);
	if (in->bad)
		replay_fail("sent an AVP that is longer than its message");
	return true;
}

static uint64_t number_of(struct span v)
{
	uint64_t n = 0;
	while (v.n)
		n = n << 8 | span_u8(&v);
	return n;
}

static void describe_result(struct span v, struct text *out)
{
	text_add(out, " result=%u", span_u16(&v));
	if (v.n)
		text_add(out, " error=%u", span_u16(&v));
	if (v.n)
		text_add_bytes(out, "message", v.p, v.n);
}

static void describe_avp(const struct raw *a, struct text *out)
{
	char key[32];
	if (a->vendor == 0 && a->number == 1) {
		describe_result(a->value, out);
		return;
	}
	for (unsigned i = 0; a->vendor == 0 && i < ATTRIBUTES; i++) {
		const struct attribute *known = &attributes[i];
		if (known->number != a->number)
			continue;
		if (known->size > 0 && a->value.n != (size_t)known->size)
			replay_fail("sent AVP %s with %zu bytes", known->key, a->value.n);
		if (known->mandatory != (a->bits >> 15))
			replay_fail("sent AVP %s with the wrong M bit", known->key);
		if (known->size > 0)
			text_add(out, " %s=%llu", known->key,
				 (unsigned long long)number_of(a->value));
		else if (known->size == 0)
			text_add_bytes(out, known->key, a->value.p, a->value.n);
		else
			text_add_hex(out, known->key, a->value.p, a->value.n);
		return;
	}
	snprintf(key, sizeof(key), "avp:%u:%u", a->vendor, a->number);
	text_add_hex(out, key, a->value.p, a->value.n);
}

void control_describe(struct span datagram, struct control_head *head, struct text *out)
{
	struct span avps = open_header(datagram, head);
	struct raw a;

	head->type = 0;
	if (head->zlb) {
		text_add(out, "ZLB");
	} else {
		struct span first = avps;
		next_avp(&first, &a);
		if (a.number != 0 || a.vendor != 0 || a.value.n != 2 || a.bits != 0x8008)
			replay_fail("sent a message that does not begin with its type");
		head->type = (uint16_t)number_of(a.value);
		avps = first;
		text_add(out, "%s", control_name(head->type));
	}
	text_add(out, " to=%u/%u ns=%u nr=%u", head->tid, head->sid, head->ns, head->nr);
	while (next_avp(&avps, &a))
		describe_avp(&a, out);
}

struct span control_value(struct span datagram, const char *key)
{
	struct control_head h;
	struct span avps = open_header(datagram, &h);
	const struct attribute *known = by_key(key);
	struct raw a;

	while (known && next_avp(&avps, &a))
		if (a.vendor == 0 && a.number == known->number)
			return a.value;
	return span_of(NULL, 0);
}

/* ---- writing -------------------------------------------------------------------------------- */

static size_t unhex(const char *text, uint8_t *out, size_t cap)
{
	if (strncmp(text, "0x", 2) == 0)
		text += 2;
	return test_unhex(text, out, cap);
}

static struct span value_of(const struct attribute *a, const char *text, uint8_t *room, size_t cap)
{
	struct wbuf w = wbuf_of(room, cap);
	if (a->size == 0)
		return span_str(text);
	if (a->size < 0)
		return span_of(room, unhex(text, room, cap));
	uint64_t v = strtoull(text, NULL, 0);
	for (int i = a->size - 1; i >= 0; i--)
		wbuf_u8(&w, (uint8_t)(v >> (8 * i)));
	return wbuf_written(&w);
}

static void put_raw(struct wbuf *w, bool m, uint16_t vendor, uint16_t number, struct span value)
{
	wbuf_u16(w, (uint16_t)((m ? 0x8000 : 0) | (6 + value.n)));
	wbuf_u16(w, vendor);
	wbuf_u16(w, number);
	wbuf_span(w, value);
}

static bool is_listed(const char *list, const char *key)
{
	size_t n = strlen(key);
	for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, key, n) == 0 && (at[n] == 0 || at[n] == ','))
			return true;
	return false;
}

/* RFC 2661 4.3, by the product's own function: what it hides is checked by its unit tests. */
static void put_hidden(struct wbuf *w, const struct attribute *a, struct span value,
		       const struct control_secret *secret)
{
	struct l2tp_hide_key key = {.secret = secret->secret,
				    .random_vector = span_of(secret->random_vector, 16),
				    .number = a->number};
	l2tp_avp_put_hidden(w, l2tp_avp_find(0, a->number), value, &key, span_str("padding"));
}

static void put_known(struct wbuf *w, const struct words *script, const struct attribute *a,
		      const char *text, const struct control_secret *secret)
{
	uint8_t room[1200];
	struct span value = value_of(a, text, room, sizeof(room));

	if (is_listed(words_get(script, "hidden"), a->key))
		put_hidden(w, a, value, secret);
	else
		put_raw(w, a->mandatory, 0, a->number, value);
}

/* avp=m:VENDOR:NUMBER:HEX or avp=:VENDOR:NUMBER:HEX */
static void put_other(struct wbuf *w, const char *text)
{
	unsigned vendor, number;
	int at = 0;
	uint8_t room[1200];
	bool m = *text == 'm';

	text += m;
	if (sscanf(text, ":%u:%u:%n", &vendor, &number, &at) != 2 || at == 0)
		replay_fail("avp=[m]:VENDOR:NUMBER:HEX expected");
	put_raw(w, m, (uint16_t)vendor, (uint16_t)number,
		span_of(room, unhex(text + at, room, sizeof(room))));
}

static void put_result(struct wbuf *w, const struct words *s, const struct words *defaults)
{
	uint8_t room[128];
	struct wbuf v = wbuf_of(room, sizeof(room));
	const char *text = words_get(s, "result");

	if (!text)
		text = words_get(defaults, "result");
	if (!text)
		return;
	wbuf_u16(&v, (uint16_t)strtoul(text, NULL, 0));
	if (words_get(s, "error") || words_get(s, "message"))
		wbuf_u16(&v, (uint16_t)words_num(s, "error", 0));
	if (words_get(s, "message"))
		wbuf_span(&v, span_str(words_get(s, "message")));
	put_raw(w, true, 0, 1, wbuf_written(&v));
}

static bool is_left_out(const struct words *s, const char *key)
{
	char minus[64];
	snprintf(minus, sizeof(minus), "-%s", key);
	return words_has(s, minus);
}

void control_write(struct wbuf *w, const struct control_head *head, const char *name,
		   const struct words *script, const struct words *defaults,
		   const struct control_secret *secret)
{
	uint16_t type = control_type(name);

	wbuf_u16(w, 0xC802);
	wbuf_u16(w, 0);
	wbuf_u16(w, head->tid);
	wbuf_u16(w, head->sid);
	wbuf_u16(w, head->ns);
	wbuf_u16(w, head->nr);
	if (!head->zlb) {
		uint8_t number[2] = {(uint8_t)(head->type >> 8), (uint8_t)head->type};
		put_raw(w, !words_has(script, "optional"), 0, 0, span_of(number, 2));
	}
	if (words_get(script, "hidden"))
		put_raw(w, true, 0, 36, span_of(secret->random_vector, 16));
	if (type == 4 || type == 14)
		put_result(w, script, defaults);
	for (unsigned i = 0; i < ATTRIBUTES; i++) {
		const char *text = words_get(script, attributes[i].key);
		if (!text && !is_left_out(script, attributes[i].key))
			text = words_get(defaults, attributes[i].key);
		if (text)
			put_known(w, script, &attributes[i], text, secret);
	}
	for (unsigned i = 0; i < script->n; i++)
		if (script->value[i] && strcmp(script->word[i], "avp") == 0)
			put_other(w, script->value[i]);
	wbuf_patch_u16(w, 2, (uint16_t)w->n);
}
