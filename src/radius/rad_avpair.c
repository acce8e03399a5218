#include "radius/rad_avpair.h"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "ip:dns-servers", "lcp:interface-config#1" */
static bool is_key(uint8_t c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == ':' ||
	       c == '#' || c == '.';
}

static void skip_blanks(struct span *s)
{
	while (s->n > 0 && is_blank(s->p[0]))
		(void)span_u8(s);
}

/* Does the text begin with KEY= ? */
static bool begins_pair(struct span s)
{
	skip_blanks(&s);
	if (s.n == 0 || !is_letter(span_u8(&s)))
		return false;
	while (s.n > 0) {
		uint8_t c = span_u8(&s);
		if (c == '=')
			return true;
		if (!is_key(c))
			return false;
	}
	return false;
}

/* The bytes up to the comma that ends this pair, or all. */
static size_t pair_length(struct span s)
{
	size_t n = 0;
	uint8_t quote = 0, before = 0;

	for (; s.n > 0; n++) {
		uint8_t c = span_u8(&s);
		if (quote != 0)
			quote = c == quote ? 0 : quote;
		else if ((c == '"' || c == '\'') && before == '=')
			quote = c;
		else if (c == ',' && begins_pair(s))
			return n;
		before = c;
	}
	return n;
}

static struct span unquoted(struct span value)
{
	uint8_t first = value.n >= 2 ? value.p[0] : 0;

	if ((first != '"' && first != '\'') || value.p[value.n - 1] != first)
		return value;
	(void)span_u8(&value);
	return span_sub(&value, value.n - 1);
}

bool rad_avpair_split(struct span *text, struct rad_avpair *out)
{
	skip_blanks(text);
	if (text->n == 0)
		return false;

	struct span pair = span_sub(text, pair_length(*text));
	if (text->n > 0)
		(void)span_u8(text); /* the comma */
	size_t n = 0;
	for (struct span s = pair; s.n > 0 && span_u8(&s) != '=';)
		n++;
	out->key = span_sub(&pair, n);
	if (pair.n > 0)
		(void)span_u8(&pair); /* the equals sign */
	out->value = unquoted(pair);
	return true;
}

struct rad_avpairs rad_avpairs_of(struct span attrs)
{
	return (struct rad_avpairs){.attrs = attrs};
}

/* Opens the next Vendor-Specific of Cisco. False: there is no more. */
static bool open_next(struct rad_avpairs *it)
{
	struct rad_attr a;
	uint32_t vendor;

	while (rad_attr_next(&it->attrs, &a)) {
		if (a.number != RAD_VENDOR_SPECIFIC)
			continue;
		it->vendor = a.value;
		if (rad_vsa_open(&it->vendor, &vendor) && vendor == RAD_VENDOR_CISCO)
			return true;
		it->vendor.n = 0;
	}
	return false;
}

bool rad_avpair_next(struct rad_avpairs *it, struct rad_avpair *out)
{
	struct rad_attr a;

	while (!rad_avpair_split(&it->text, out)) {
		if (rad_vsa_next(&it->vendor, RAD_VENDOR_CISCO, &a)) {
			if (a.number == RAD_CISCO_AVPAIR)
				it->text = a.value;
		} else if (!open_next(it)) {
			return false;
		}
	}
	return true;
}
