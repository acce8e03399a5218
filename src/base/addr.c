#include "base/addr.h"

#include "base/hash.h"

enum { GROUPS = 8, V4_BITS = 32, V6_BITS = 128 };

/* ---- reading -------------------------------------------------------------------------------- */

static bool next_is(const struct span *s, uint8_t c)
{
	return s->n > 0 && s->p[0] == c;
}

static bool skip(struct span *s, uint8_t c)
{
	if (!next_is(s, c))
		return false;
	span_take(s, 1);
	return true;
}

/* A decimal number of at most `max` without a leading zero. */
static bool decimal(struct span *s, unsigned max, unsigned *out)
{
	unsigned v = 0, digits = 0;
	while (s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9') {
		if (digits > 0 && v == 0)
			return false; /* a leading zero: some read it as octal */
		v = v * 10 + span_u8(s) - '0';
		if (v > max)
			return false;
		digits++;
	}
	*out = v;
	return digits > 0;
}

static bool quad(struct span *s, uint8_t out[static 4])
{
	for (int i = 0; i < 4; i++) {
		unsigned v;
		if ((i > 0 && !skip(s, '.')) || !decimal(s, 255, &v))
			return false;
		out[i] = (uint8_t)v;
	}
	return true;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	uint8_t lower = c | 0x20;
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool group(struct span *s, uint16_t *out)
{
	unsigned v = 0, digits = 0;
	while (s->n > 0 && hex_digit(s->p[0]) >= 0) {
		if (++digits > 4)
			return false;
		v = v << 4 | (unsigned)hex_digit(span_u8(s));
	}
	*out = (uint16_t)v;
	return digits > 0;
}

struct groups {
	uint16_t g[GROUPS];
	int n;
	int gap; /* index of the group before which "::" stands; -1 = none */
};

static void add_quad(struct groups *out, const uint8_t b[static 4])
{
	out->g[out->n++] = (uint16_t)(b[0] << 8 | b[1]);
	out->g[out->n++] = (uint16_t)(b[2] << 8 | b[3]);
}

/* RFC 4291 2.2: up to eight groups, "::" once, a dotted quad in the place of the last two. */
static bool read_groups(struct span s, struct groups *out)
{
	*out = (struct groups){.gap = -1};
	if (next_is(&s, ':')) {
		span_take(&s, 1);
		if (!skip(&s, ':'))
			return false;
		out->gap = 0;
	}
	while (s.n > 0) {
		struct span as_quad = s;
		uint8_t b[4];
		if (out->n <= GROUPS - 2 && quad(&as_quad, b) && as_quad.n == 0) {
			add_quad(out, b);
			return true;
		}
		if (out->n == GROUPS || !group(&s, &out->g[out->n]))
			return false;
		out->n++;
		if (s.n == 0)
			return true;
		if (!skip(&s, ':'))
			return false;
		if (next_is(&s, ':')) {
			if (out->gap >= 0)
				return false;
			span_take(&s, 1);
			out->gap = out->n;
		} else if (s.n == 0) {
			return false; /* ends in a single colon */
		}
	}
	return true;
}

static bool v6_parse(struct span text, struct ip_addr *out)
{
	struct groups in;
	if (!read_groups(text, &in))
		return false;
	/* "::" stands for at least one group. */
	if (in.gap < 0 ? in.n != GROUPS : in.n >= GROUPS)
		return false;

	*out = (struct ip_addr){.family = 6};
	int zeros = GROUPS - in.n;
	for (int i = 0; i < in.n; i++) {
		int at = in.gap >= 0 && i >= in.gap ? i + zeros : i;
		out->b[2 * at] = (uint8_t)(in.g[i] >> 8);
		out->b[2 * at + 1] = (uint8_t)in.g[i];
	}
	return true;
}

bool ip_addr_parse(struct span text, struct ip_addr *out)
{
	struct ip_addr a = {.family = 4};
	struct span s = text;

	if (quad(&s, a.b) && s.n == 0) {
		*out = a;
		return true;
	}
	return v6_parse(text, out);
}

/* Clears all bits behind the first `len`. */
static void clear_host_bits(uint8_t *b, unsigned bytes, unsigned len)
{
	for (unsigned i = 0; i < bytes; i++) {
		unsigned keep = len > 8 * i ? len - 8 * i : 0;
		if (keep < 8)
			b[i] &= (uint8_t)(0xFF00u >> keep);
	}
}

static unsigned bits_of(const struct ip_addr *a)
{
	return a->family == 4 ? V4_BITS : V6_BITS;
}

bool ip_prefix_parse(struct span text, struct ip_prefix *out)
{
	const uint8_t *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
	size_t addr_n = slash ? (size_t)(slash - text.p) : text.n;

	if (!ip_addr_parse(span_of(text.p, addr_n), &out->addr))
		return false;
	unsigned len = bits_of(&out->addr);
	if (slash) {
		struct span s = span_of(slash + 1, text.n - addr_n - 1);
		if (!decimal(&s, len, &len) || s.n != 0)
			return false;
	}
	out->len = (uint8_t)len;
	clear_host_bits(out->addr.b, bits_of(&out->addr) / 8, len);
	return true;
}

/* ---- writing: the caller's buffers are large enough for the longest text (checked by tests)  */

static char *put_decimal(char *to, unsigned v)
{
	char digits[10];
	int n = 0;
	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n > 0)
		*to++ = digits[--n];
	return to;
}

static char *put_hex(char *to, unsigned v)
{
	for (int shift = 12; shift >= 0; shift -= 4)
		if (v >> shift || shift == 0)
			*to++ = "0123456789abcdef"[v >> shift & 15];
	return to;
}

static char *put_quad(char *to, const uint8_t *b)
{
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			*to++ = '.';
		to = put_decimal(to, b[i]);
	}
	return to;
}

/* RFC 5952: lower case, no leading zeros, the first longest run of zero groups as "::". */
static char *put_v6(char *to, const uint8_t *b)
{
	static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
	if (memcmp(b, mapped, sizeof(mapped)) == 0) {
		memcpy(to, "::ffff:", 7);
		return put_quad(to + 7, b + 12);
	}

	int run_at = -1, run_n = 1; /* one zero group alone is written out */
	for (int i = 0, n = 0; i < GROUPS; i++) {
		n = b[2 * i] == 0 && b[2 * i + 1] == 0 ? n + 1 : 0;
		if (n > run_n) {
			run_n = n;
			run_at = i - n + 1;
		}
	}
	for (int i = 0; i < GROUPS; i++) {
		if (i == run_at) {
			*to++ = ':';
			*to++ = ':';
			i += run_n - 1;
			continue;
		}
		if (i > 0 && to[-1] != ':')
			*to++ = ':';
		to = put_hex(to, (unsigned)(b[2 * i] << 8 | b[2 * i + 1]));
	}
	return to;
}

static char *put_addr(char *to, const struct ip_addr *a)
{
	return a->family == 6 ? put_v6(to, a->b) : put_quad(to, a->b);
}

const char *ip_addr_text(const struct ip_addr *a, char buf[static IP_ADDR_TEXT])
{
	*put_addr(buf, a) = 0;
	return buf;
}

const char *ip_prefix_text(const struct ip_prefix *p, char buf[static IP_PREFIX_TEXT])
{
	char *to = put_addr(buf, &p->addr);
	*to++ = '/';
	*put_decimal(to, p->len) = 0;
	return buf;
}

const char *sock_addr_text(const struct sock_addr *a, char buf[static SOCK_ADDR_TEXT])
{
	char *to = buf;
	if (a->ip.family == 6)
		*to++ = '[';
	to = put_addr(to, &a->ip);
	if (a->ip.family == 6)
		*to++ = ']';
	*to++ = ':';
	*put_decimal(to, a->port) = 0;
	return buf;
}

/* ---- the rest ------------------------------------------------------------------------------- */

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	if (p->addr.family == 0 || p->addr.family != a->family)
		return false;
	struct ip_addr network = *a;
	clear_host_bits(network.b, bits_of(a) / 8, p->len);
	return ip_addr_equal(&network, &p->addr);
}

uint64_t sock_addr_hash(const struct sock_addr *a, uint64_t seed)
{
	uint8_t key[1 + 16 + 2];

	key[0] = a->ip.family;
	memcpy(key + 1, a->ip.b, 16);
	key[17] = (uint8_t)(a->port >> 8);
	key[18] = (uint8_t)a->port;
	return hash_bytes(span_of(key, sizeof(key)), seed);
}
