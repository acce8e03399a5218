#include "radius/rad_text.h"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == 0;
}

struct span rad_text_word(struct span *text)
{
	size_t n = 0;

	while (n < text->n && !is_blank(text->p[n]))
		n++;
	struct span word = span_sub(text, n);
	while (text->n > 0 && is_blank(text->p[0]))
		(void)span_u8(text);
	return word;
}

struct span rad_text_trim(struct span text)
{
	while (text.n > 0 && is_blank(text.p[0]))
		(void)span_u8(&text);
	size_t n = text.n;
	while (n > 0 && is_blank(text.p[n - 1]))
		n--;
	return span_sub(&text, n);
}

bool rad_text_is(struct span text, const char *word, size_t min)
{
	size_t n = strlen(word);

	return text.n >= min && text.n <= n && span_equal(text, span_of(word, text.n));
}

static uint64_t unit(uint8_t c)
{
	switch (c) {
	case 'k':
	case 'K':
		return 1000;
	case 'm':
	case 'M':
		return 1000000;
	case 'g':
	case 'G':
		return 1000000000;
	default:
		return 0;
	}
}

bool rad_text_number(struct span text, uint64_t *out)
{
	enum { DIGITS_MAX = 12 };
	uint64_t n = 0, scale = 1;
	unsigned digits = 0;

	while (text.n > 0 && text.p[0] >= '0' && text.p[0] <= '9') {
		n = n * 10 + (span_u8(&text) - (unsigned)'0');
		if (++digits > DIGITS_MAX)
			return false;
	}
	if (text.n > 0)
		scale = unit(span_u8(&text));
	if (digits == 0 || text.n > 0 || scale == 0 || n > UINT64_MAX / 1000 / scale)
		return false;
	*out = n * scale;
	return true;
}

bool rad_text_switch(struct span text, bool *out)
{
	static const char *const words[2][4] = {{"no", "false", "off", "0"},
						{"yes", "true", "on", "1"}};

	for (unsigned which = 0; which < 2; which++) {
		for (unsigned i = 0; i < 4; i++) {
			if (rad_text_is(text, words[which][i], strlen(words[which][i]))) {
				*out = which == 1;
				return true;
			}
		}
	}
	return false;
}

/* Where the last colon is; text.n when there is none. */
static size_t last_colon(struct span text)
{
	size_t at = text.n;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == ':')
			at = i;
	}
	return at;
}

bool rad_text_sock_addr(struct span text, struct sock_addr *out)
{
	uint64_t port;
	size_t colon = last_colon(text);

	if (colon == text.n)
		return false;
	struct span host = span_sub(&text, colon);
	(void)span_u8(&text);
	bool bracket = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (bracket) {
		(void)span_u8(&host);
		host = span_sub(&host, host.n - 1);
	}
	if (!ip_addr_parse(host, &out->ip) || (out->ip.family == 6) != bracket)
		return false;
	/* Digits only: 1k is no port. */
	if (text.n == 0 || text.n > 5 || text.p[text.n - 1] > '9' ||
	    !rad_text_number(text, &port) || port == 0 || port > UINT16_MAX)
		return false;
	out->port = (uint16_t)port;
	return true;
}

bool rad_text_name(struct span text, char *out, size_t cap)
{
	if (text.n >= cap)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] <= ' ' || text.p[i] >= 0x7F)
			return false;
	}
	memset(out, 0, cap);
	span_bytes(&text, out, text.n);
	return true;
}

/* Length of a network that is written without one: its class (before RFC 1519). */
static uint8_t class_length(uint32_t ip)
{
	if (ip < 0x80000000)
		return 8;
	return ip < 0xC0000000 ? 16 : 24;
}

bool rad_mask_length(uint32_t mask, uint8_t *len)
{
	uint8_t n = 0;

	while (n < 32 && (mask & 0x80000000u >> n) != 0)
		n++;
	*len = n;
	return n == 32 || (mask & (0xFFFFFFFFu >> n)) == 0;
}

/* "255.255.255.0", of 8 bits or more: what is shorter is a gateway. */
static bool mask_parse(struct span word, uint8_t *len)
{
	struct ip_addr mask;

	return ip_addr_parse(word, &mask) && mask.family == 4 &&
	       rad_mask_length(ip_addr_u32(&mask), len) && *len >= 8;
}

static bool has_slash(struct span text)
{
	while (text.n > 0) {
		if (span_u8(&text) == '/')
			return true;
	}
	return false;
}

bool rad_route_parse(struct span text, struct ip_prefix *out)
{
	struct span word = rad_text_word(&text);

	if (!ip_prefix_parse(word, out) || out->addr.family != 4 || out->len == 0)
		return false;
	uint32_t ip = ip_addr_u32(&out->addr);
	if (ip == 0)
		return false;
	if (!has_slash(word)) {
		if (!mask_parse(rad_text_word(&text), &out->len))
			out->len = class_length(ip);
		out->addr = ip_addr_v4(ip & ~(uint32_t)((1ull << (32 - out->len)) - 1));
	}
	return true;
}
