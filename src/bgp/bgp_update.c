#include "bgp/bgp_update.h"

enum {
	FLAG_OPTIONAL = 0x80,
	FLAG_TRANSITIVE = 0x40,
	FLAG_PARTIAL = 0x20,
	FLAG_EXTENDED = 0x10,
	ORIGIN_IGP = 0,
	ORIGIN_LAST = 2,
	AS_SET = 1,
	AS_SEQUENCE = 2,
	AS_CONFED_LAST = 4, /* RFC 5065 adds two segment types */
	SEGMENT_MAX = 255,
	ANNOUNCE_SCRATCH = 512, /* more than all attributes of ours */
};

/* ---- what arrives ---------------------------------------------------------------------------- */

enum attr_class {
	WELL_KNOWN = FLAG_TRANSITIVE,
	OPTIONAL = FLAG_OPTIONAL,
	TRANSITIVE = FLAG_OPTIONAL | FLAG_TRANSITIVE,
};

static const struct attr_row {
	uint8_t type;
	uint8_t class;
	uint16_t min, max, multiple;
} attr_rows[] = {
#define BGP_ATTR(type, name, class, min, max, multiple) {type, class, min, max, multiple},
#include "bgp/bgp_attr.def"
#undef BGP_ATTR
};

struct attr {
	uint8_t flags, type;
	struct span value;
	struct span whole; /* with flags, type and length: the data of a NOTIFICATION */
};

struct checker {
	bool as4, internal;
	bool seen[256];
	struct bgp_update_facts *facts;
	struct bgp_error *error;
};

static bool fault(struct checker *c, enum bgp_error_id id, struct span data)
{
	return bgp_error_set(c->error, id, data);
}

static const struct attr_row *row_of(unsigned type)
{
	for (size_t i = 0; i < sizeof(attr_rows) / sizeof(attr_rows[0]); i++)
		if (attr_rows[i].type == type)
			return &attr_rows[i];
	return NULL;
}

/* Prefixes until the span ends; false: one is too long or cut. */
static bool prefixes_count(struct span in, enum bgp_family f, uint32_t *count)
{
	unsigned bits_max = f == BGP_IPV4 ? 32 : 128;

	while (in.n > 0) {
		unsigned bits = span_u8(&in);
		if (bits > bits_max)
			return false;
		span_take(&in, (bits + 7) / 8);
		if (in.bad)
			return false;
		(*count)++;
	}
	return true;
}

static bool as_path_is_good(struct span in, unsigned as_size)
{
	while (in.n > 0) {
		unsigned type = span_u8(&in);
		unsigned n = span_u8(&in);
		if (type < AS_SET || type > AS_CONFED_LAST || n == 0)
			return false;
		span_take(&in, n * as_size);
		if (in.bad)
			return false;
	}
	return true;
}

/* RFC 4271 section 6.3: syntactically a host's address. */
static bool next_hop_is_good(struct span in)
{
	uint32_t a = span_u32(&in);
	return a != 0 && a != UINT32_MAX && a >> 28 != 0xE;
}

static bool known_family(struct span *in, enum bgp_family *out)
{
	uint16_t afi = span_u16(in);
	uint8_t safi = span_u8(in);

	*out = afi == 2 ? BGP_IPV6 : BGP_IPV4;
	return (afi == 1 || afi == 2) && safi == BGP_SAFI_UNICAST;
}

static bool mp_reach_check(struct checker *c, const struct attr *a)
{
	struct span in = a->value;
	enum bgp_family f;
	bool known = known_family(&in, &f);
	struct span next_hop = span_sub(&in, span_u8(&in));

	span_u8(&in); /* reserved */
	if (in.bad)
		return fault(c, BGP_ERR_UPDATE_OPTIONAL, a->whole);
	if (!known)
		return true;
	if (f == BGP_IPV6 && next_hop.n != 16 && next_hop.n != 32)
		return fault(c, BGP_ERR_UPDATE_OPTIONAL, a->whole);
	if (!prefixes_count(in, f, &c->facts->announced[f]))
		return fault(c, BGP_ERR_UPDATE_OPTIONAL, a->whole);
	return true;
}

static bool mp_unreach_check(struct checker *c, const struct attr *a)
{
	struct span in = a->value;
	enum bgp_family f;

	if (!known_family(&in, &f))
		return true;
	c->facts->end_of_rib[f] = in.n == 0;
	if (!prefixes_count(in, f, &c->facts->withdrawn[f]))
		return fault(c, BGP_ERR_UPDATE_OPTIONAL, a->whole);
	return true;
}

static bool value_check(struct checker *c, const struct attr *a)
{
	struct span in = a->value;

	switch ((enum bgp_attr_type)a->type) {
	case BGP_ATTR_ORIGIN:
		return span_u8(&in) <= ORIGIN_LAST || fault(c, BGP_ERR_UPDATE_ORIGIN, a->whole);
	case BGP_ATTR_AS_PATH:
		return as_path_is_good(in, c->as4 ? 4 : 2) ||
		       fault(c, BGP_ERR_UPDATE_AS_PATH, span_of(NULL, 0));
	case BGP_ATTR_NEXT_HOP:
		return next_hop_is_good(in) || fault(c, BGP_ERR_UPDATE_NEXT_HOP, a->whole);
	case BGP_ATTR_AGGREGATOR:
		return in.n == (c->as4 ? 8u : 6u) || fault(c, BGP_ERR_UPDATE_LENGTH, a->whole);
	case BGP_ATTR_MP_REACH:
		return mp_reach_check(c, a);
	case BGP_ATTR_MP_UNREACH:
		return mp_unreach_check(c, a);
	default:
		return true; /* its length was all there is to check */
	}
}

static bool flags_are_good(const struct attr *a, const struct attr_row *row)
{
	unsigned class = a->flags & (FLAG_OPTIONAL | FLAG_TRANSITIVE);
	bool partial = (a->flags & FLAG_PARTIAL) != 0;
	return class == row->class && (!partial || class == TRANSITIVE);
}

static bool attr_check(struct checker *c, const struct attr *a)
{
	const struct attr_row *row = row_of(a->type);

	if (c->seen[a->type])
		return fault(c, BGP_ERR_UPDATE_LIST, span_of(NULL, 0));
	c->seen[a->type] = true;
	if (!row)
		return (a->flags & FLAG_OPTIONAL) != 0 ||
		       fault(c, BGP_ERR_UPDATE_UNKNOWN, a->whole);
	if (!flags_are_good(a, row))
		return fault(c, BGP_ERR_UPDATE_FLAGS, a->whole);
	if (a->value.n < row->min || a->value.n > row->max || a->value.n % row->multiple != 0)
		return fault(c, BGP_ERR_UPDATE_LENGTH, a->whole);
	return value_check(c, a);
}

static bool attrs_check(struct checker *c, struct span in)
{
	while (in.n > 0) {
		struct attr a;
		const uint8_t *start = in.p;
		a.flags = span_u8(&in);
		a.type = span_u8(&in);
		size_t n = a.flags & FLAG_EXTENDED ? span_u16(&in) : span_u8(&in);
		size_t rest = in.n;
		a.value = span_sub(&in, n);
		if (a.value.bad) {
			/* The data is what there is of the attribute. */
			size_t head = in.p ? (size_t)(in.p - start) : 0;
			return fault(c, BGP_ERR_UPDATE_LENGTH, span_of(start, head + rest));
		}
		a.whole = span_of(start, (size_t)(in.p - start));
		if (!attr_check(c, &a))
			return false;
	}
	return true;
}

static bool missing(struct checker *c, enum bgp_attr_type type)
{
	uint8_t byte = (uint8_t)type;

	if (c->seen[type])
		return false;
	fault(c, BGP_ERR_UPDATE_MISSING, span_of(&byte, 1));
	return true;
}

static bool mandatory_are_there(struct checker *c, bool nlri)
{
	if (!nlri && !c->seen[BGP_ATTR_MP_REACH])
		return true;
	return !missing(c, BGP_ATTR_ORIGIN) && !missing(c, BGP_ATTR_AS_PATH) &&
	       !(nlri && missing(c, BGP_ATTR_NEXT_HOP)) &&
	       !(c->internal && missing(c, BGP_ATTR_LOCAL_PREF));
}

bool bgp_update_check(struct span body, bool as4, bool internal, struct bgp_update_facts *out,
		      struct bgp_error *e)
{
	struct checker c = {.as4 = as4, .internal = internal, .facts = out, .error = e};

	memset(out, 0, sizeof(*out));
	struct span withdrawn = span_sub(&body, span_u16(&body));
	struct span attrs = span_sub(&body, span_u16(&body));
	if (body.bad)
		return fault(&c, BGP_ERR_UPDATE_LIST, span_of(NULL, 0));
	out->end_of_rib[BGP_IPV4] = withdrawn.n == 0 && attrs.n == 0 && body.n == 0;
	if (!prefixes_count(withdrawn, BGP_IPV4, &out->withdrawn[BGP_IPV4]))
		return fault(&c, BGP_ERR_UPDATE_NETWORK, span_of(NULL, 0));
	if (!attrs_check(&c, attrs) || !mandatory_are_there(&c, body.n > 0))
		return false;
	if (!prefixes_count(body, BGP_IPV4, &out->announced[BGP_IPV4]))
		return fault(&c, BGP_ERR_UPDATE_NETWORK, span_of(NULL, 0));
	return true;
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static void attr_head(struct wbuf *w, unsigned flags, enum bgp_attr_type type, size_t n)
{
	bool wide = n > UINT8_MAX;

	wbuf_u8(w, (uint8_t)(flags | (wide ? FLAG_EXTENDED : 0)));
	wbuf_u8(w, (uint8_t)type);
	if (wide)
		wbuf_u16(w, (uint16_t)n);
	else
		wbuf_u8(w, (uint8_t)n);
}

static void segment_encode(struct wbuf *w, const struct bgp_attrs *a, bool wide)
{
	wbuf_u8(w, AS_SEQUENCE);
	wbuf_u8(w, (uint8_t)(1 + a->prepend));
	for (unsigned i = 0; i <= a->prepend; i++) {
		if (wide)
			wbuf_u32(w, a->as);
		else
			wbuf_u16(w, a->as > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)a->as);
	}
}

/* Within our AS the path is empty (RFC 4271 section 5.1.2). */
static void as_path_encode(struct wbuf *w, const struct bgp_attrs *a)
{
	size_t one = a->as4 ? 4 : 2;
	size_t n = a->internal ? 0 : 2 + one * (1u + a->prepend);

	attr_head(w, WELL_KNOWN, BGP_ATTR_AS_PATH, n);
	if (n)
		segment_encode(w, a, a->as4);
}

/* RFC 6793: what a neighbour with short numbers hands on to those with long ones. */
static void as4_path_encode(struct wbuf *w, const struct bgp_attrs *a)
{
	if (a->as4 || a->internal || a->as <= UINT16_MAX)
		return;
	attr_head(w, TRANSITIVE, BGP_ATTR_AS4_PATH, 2 + 4 * (1u + a->prepend));
	segment_encode(w, a, true);
}

static void attrs_encode(struct wbuf *w, const struct bgp_attrs *a, enum bgp_family f)
{
	attr_head(w, WELL_KNOWN, BGP_ATTR_ORIGIN, 1);
	wbuf_u8(w, ORIGIN_IGP);
	as_path_encode(w, a);
	if (f == BGP_IPV4) {
		attr_head(w, WELL_KNOWN, BGP_ATTR_NEXT_HOP, 4);
		wbuf_bytes(w, a->next_hop[f].b, 4);
	}
	if (a->has_med) {
		attr_head(w, OPTIONAL, BGP_ATTR_MED, 4);
		wbuf_u32(w, a->med);
	}
	if (a->internal) {
		attr_head(w, WELL_KNOWN, BGP_ATTR_LOCAL_PREF, 4);
		wbuf_u32(w, a->local_pref);
	}
	if (a->n_communities)
		attr_head(w, TRANSITIVE, BGP_ATTR_COMMUNITIES, 4u * a->n_communities);
	for (unsigned i = 0; i < a->n_communities; i++)
		wbuf_u32(w, a->communities[i]);
}

/* Always with a length of 16 bits, so that the overhead does not depend on the prefixes. */
static void mp_head(struct wbuf *w, enum bgp_attr_type type, enum bgp_family f, size_t n)
{
	wbuf_u8(w, OPTIONAL | FLAG_EXTENDED);
	wbuf_u8(w, (uint8_t)type);
	wbuf_u16(w, (uint16_t)(3 + n));
	wbuf_u16(w, (uint16_t)(f + 1));
	wbuf_u8(w, BGP_SAFI_UNICAST);
}

/* RFC 7606 section 5.1: in front of all others, so that a receiver finds it whatever they are. */
static void mp_reach_encode(struct wbuf *w, const struct bgp_attrs *a, enum bgp_family f,
			    struct span prefixes)
{
	mp_head(w, BGP_ATTR_MP_REACH, f, 18 + prefixes.n);
	wbuf_u8(w, 16);
	wbuf_bytes(w, a->next_hop[f].b, 16);
	wbuf_u8(w, 0);
	wbuf_span(w, prefixes);
}

void bgp_announce_encode(struct wbuf *w, const struct bgp_attrs *a, enum bgp_family f,
			 struct span prefixes)
{
	size_t at = bgp_message_begin(w, BGP_UPDATE);

	wbuf_u16(w, 0);
	size_t length_at = w->n;
	wbuf_u16(w, 0);
	if (f == BGP_IPV6)
		mp_reach_encode(w, a, f, prefixes);
	attrs_encode(w, a, f);
	as4_path_encode(w, a);
	wbuf_patch_u16(w, length_at, (uint16_t)(w->n - length_at - 2));
	if (f == BGP_IPV4)
		wbuf_span(w, prefixes);
	bgp_message_end(w, at);
}

size_t bgp_announce_overhead(const struct bgp_attrs *a, enum bgp_family f)
{
	uint8_t bytes[ANNOUNCE_SCRATCH];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	bgp_announce_encode(&w, a, f, span_of(NULL, 0));
	LNS_ASSERT(!w.bad);
	return w.n;
}

void bgp_withdraw_encode(struct wbuf *w, enum bgp_family f, struct span prefixes)
{
	size_t at = bgp_message_begin(w, BGP_UPDATE);

	if (f == BGP_IPV4) {
		wbuf_u16(w, (uint16_t)prefixes.n);
		wbuf_span(w, prefixes);
		wbuf_u16(w, 0);
	} else {
		wbuf_u16(w, 0);
		wbuf_u16(w, (uint16_t)(4 + 3 + prefixes.n));
		mp_head(w, BGP_ATTR_MP_UNREACH, f, prefixes.n);
		wbuf_span(w, prefixes);
	}
	bgp_message_end(w, at);
}

void bgp_prefix_encode(struct wbuf *w, const struct ip_prefix *p)
{
	wbuf_u8(w, p->len);
	wbuf_bytes(w, p->addr.b, (p->len + 7u) / 8u);
}
