/*
 * span.h - bounded reader of received bytes with a sticky error. Reading past the end marks the
 * span bad, empties it and yields zeros; a decoder reads everything and tests `bad` once. The only
 * code that reads packet memory. A span never owns its bytes.
 */
#ifndef LNS_SPAN_H
#define LNS_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *p; /* next byte; may be NULL when n is 0 */
	size_t n;	  /* bytes left */
	bool bad;	  /* something was read past the end */
};

static inline struct span span_of(const void *bytes, size_t n)
{
	return (struct span){.p = bytes, .n = n};
}

static inline struct span span_str(const char *text)
{
	return span_of(text, strlen(text));
}

static inline void span_fail(struct span *s)
{
	s->bad = true;
	s->n = 0;
}

/* Consumes n bytes and returns where they are, or NULL (and bad) when fewer are left. */
static inline const uint8_t *span_take(struct span *s, size_t n)
{
	if (s->n < n) {
		span_fail(s);
		return NULL;
	}
	const uint8_t *at = s->p;
	if (n) {
		s->p += n;
		s->n -= n;
	}
	return at;
}

static inline uint8_t span_u8(struct span *s)
{
	const uint8_t *b = span_take(s, 1);
	return b ? b[0] : 0;
}

static inline uint16_t span_u16(struct span *s)
{
	const uint8_t *b = span_take(s, 2);
	return b ? (uint16_t)((unsigned)b[0] << 8 | b[1]) : 0;
}

static inline uint32_t span_u32(struct span *s)
{
	const uint8_t *b = span_take(s, 4);
	return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

static inline uint64_t span_u64(struct span *s)
{
	uint64_t high = span_u32(s);
	return high << 32 | span_u32(s);
}

/* The next n bytes as a span of their own; bad (both) when fewer are left. */
static inline struct span span_sub(struct span *s, size_t n)
{
	const uint8_t *at = span_take(s, n);
	return (struct span){.p = at, .n = s->bad ? 0 : n, .bad = s->bad};
}

/* Copies n bytes out; zeroes `out` when fewer are left. */
static inline void span_bytes(struct span *s, void *out, size_t n)
{
	const uint8_t *at = span_take(s, n);
	if (s->bad)
		memset(out, 0, n);
	else if (n)
		memcpy(out, at, n);
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#endif
