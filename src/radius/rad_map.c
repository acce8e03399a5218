#include "radius/rad_map.h"

const struct rad_effect_row rad_effects[RAD_EFFECTS] = {
#define RAD_EFFECT(name_, value_, coa_, help_)                                                     \
	[RAD_DO_##name_] = {                                                                       \
		.name = #name_, .help = (help_), .value = RAD_VALUE_##value_, .coa = (coa_)},
#include "radius/rad_effect.def"
#undef RAD_EFFECT
};

static const struct rad_map_row built_in[] = {
#define RAD_MAP(attribute, effect_) {.number = RAD_##attribute, .effect = RAD_DO_##effect_},
#define RAD_MAP_VSA(vendor_, attribute, effect_)                                                   \
	{.vendor = RAD_VENDOR_##vendor_, .number = RAD_##attribute, .effect = RAD_DO_##effect_},
#define RAD_MAP_PAIR(key_, effect_) {.text = true, .effect = RAD_DO_##effect_, .key = (key_)},
#include "radius/rad_map.def"
#undef RAD_MAP
#undef RAD_MAP_VSA
#undef RAD_MAP_PAIR
};

enum { BUILT_IN = sizeof(built_in) / sizeof(built_in[0]) };

/* ---- finding --------------------------------------------------------------------------------- */

static const struct rad_map_row *find_attr(const struct rad_map_row *rows, size_t n,
					   uint32_t vendor, uint8_t number)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].vendor == vendor && rows[i].number == number)
			return &rows[i];
	}
	return NULL;
}

const struct rad_map_row *rad_map_attr(const struct rad_map *m, uint32_t vendor, uint8_t number)
{
	if (number == 0)
		return NULL; /* rows without a number are keys */
	const struct rad_map_row *row = find_attr(m->rows, m->n, vendor, number);
	return row ? row : find_attr(built_in, BUILT_IN, vendor, number);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool key_is(const char *wanted, struct span key)
{
	if (strlen(wanted) != key.n)
		return false;
	for (; key.n > 0; wanted++) {
		if (lower((uint8_t)*wanted) != lower(span_u8(&key)))
			return false;
	}
	return true;
}

static const struct rad_map_row *find_key(const struct rad_map_row *rows, size_t n, struct span key)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].number == 0 && key_is(rows[i].key, key))
			return &rows[i];
	}
	return NULL;
}

/* "lcp:interface-config#1" without the number. */
static struct span key_name(struct span key)
{
	size_t n = 0;

	for (struct span s = key; s.n > 0 && span_u8(&s) != '#';)
		n++;
	return span_sub(&key, n);
}

const struct rad_map_row *rad_map_pair(const struct rad_map *m, struct span key)
{
	struct span name = key_name(key);
	const struct rad_map_row *row = find_key(m->rows, m->n, name);

	return row ? row : find_key(built_in, BUILT_IN, name);
}

bool rad_map_has_vendor(const struct rad_map *m, uint32_t vendor)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->rows[i].number != 0 && m->rows[i].vendor == vendor)
			return true;
	}
	return rad_dict_has_vendor(vendor);
}

/* ---- the operator's rows --------------------------------------------------------------------- */

/* Bytes before the first `c`; all when there is none. */
static size_t before(struct span s, char c)
{
	size_t n = 0;

	while (s.n > 0 && span_u8(&s) != (uint8_t)c)
		n++;
	return n;
}

/* Takes what stands before `c`, and `c` itself. */
static struct span cut(struct span *s, char c)
{
	struct span head = span_sub(s, before(*s, c));

	if (s->n > 0)
		(void)span_u8(s);
	return head;
}

static bool number_of(struct span s, uint64_t max, uint64_t *out)
{
	*out = 0;
	if (s.n == 0 || s.n > 10)
		return false;
	while (s.n > 0) {
		uint8_t c = span_u8(&s);
		if (c < '0' || c > '9')
			return false;
		*out = *out * 10 + (c - '0');
	}
	return *out <= max;
}

static bool effect_of(struct span name, uint8_t *out)
{
	for (uint8_t i = 0; i < RAD_EFFECTS; i++) {
		if (span_equal(name, span_str(rad_effects[i].name))) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool parse_key(struct span key, struct rad_map_row *row)
{
	if (key.n == 0 || key.n >= RAD_KEY_TEXT || before(key, '#') < key.n)
		return false;
	row->text = true;
	span_bytes(&key, row->key, key.n);
	return true;
}

/* Takes the end away when it is this one. */
static bool cut_end(struct span *s, struct span end)
{
	struct span tail = *s;

	if (s->n < end.n)
		return false;
	struct span head = span_sub(&tail, s->n - end.n);
	if (!span_equal(tail, end))
		return false;
	*s = head;
	return true;
}

/* "[VENDOR:]NUMBER[:text]" */
static bool parse_attr(struct span what, struct rad_map_row *row)
{
	uint64_t vendor = 0, number;

	row->text = cut_end(&what, span_str(":text"));
	if (before(what, ':') < what.n &&
	    (!number_of(cut(&what, ':'), UINT32_MAX, &vendor) || vendor == 0))
		return false;
	if (!number_of(what, UINT8_MAX, &number) || number == 0)
		return false;
	row->vendor = (uint32_t)vendor;
	row->number = (uint8_t)number;
	return true;
}

static const char *parse_item(struct span item, struct rad_map_row *row)
{
	struct span what = cut(&item, '='), key = what;

	*row = (struct rad_map_row){0};
	bool pair = span_equal(cut(&key, ':'), span_str("avpair"));
	if (pair ? !parse_key(key, row) : !parse_attr(what, row))
		return "an item is not [VENDOR:]NUMBER[:text]=EFFECT or avpair:KEY=EFFECT";
	if (!effect_of(item, &row->effect))
		return "an item has no effect of that name";
	if (rad_effects[row->effect].value == RAD_VALUE_TEXT)
		row->text = true;
	return NULL;
}

const char *rad_map_parse(const char *list, struct rad_map *out)
{
	*out = (struct rad_map){0};
	for (;;) {
		list += strspn(list, " \t");
		size_t n = strcspn(list, " \t");
		if (n == 0)
			return NULL;
		if (out->n == RAD_MAP_MAX)
			return "more than 32 items";
		const char *fault = parse_item(span_of(list, n), &out->rows[out->n]);
		if (fault)
			return fault;
		out->n++;
		list += n;
	}
}

/* ---- the walk -------------------------------------------------------------------------------- */

struct rad_walk rad_walk_of(struct span attrs, const struct rad_map *map)
{
	return (struct rad_walk){.attrs = attrs, .map = map};
}

/* Opens a Vendor-Specific when its layout is known. */
static void open_vendor(struct rad_walk *it, const struct rad_attr *a, bool *opened)
{
	struct span in = a->value;

	*opened = false;
	if (!rad_attr_is_well_formed(a) || !rad_vsa_open(&in, &it->vendor)) {
		it->bad = true;
	} else if (rad_map_has_vendor(it->map, it->vendor)) {
		it->within = in;
		*opened = true;
	}
}

bool rad_walk_next(struct rad_walk *it, struct rad_attr *out)
{
	bool opened;

	for (;;) {
		if (rad_vsa_next(&it->within, it->vendor, out))
			return true;
		if (it->within.bad) {
			it->within.bad = false;
			it->bad = true;
			*out = (struct rad_attr){.number = RAD_VENDOR_SPECIFIC};
			return true;
		}
		if (!rad_attr_next(&it->attrs, out))
			return false;
		if (out->number != RAD_VENDOR_SPECIFIC)
			return true;
		open_vendor(it, out, &opened);
		if (!opened)
			return true;
	}
}
