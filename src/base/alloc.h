/*
 * alloc.h - memory as an argument. Brains never call malloc: a shell hands them a struct alloc
 * (jemalloc in the daemon, a failing or counting one in tests). Never on the packet path.
 */
#ifndef LNS_ALLOC_H
#define LNS_ALLOC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

struct alloc {
	void *ctx;
	/* Zeroed memory or NULL. */
	void *(*get)(void *ctx, size_t n);
	/* NULL is allowed. n is what get() was asked for. */
	void (*put)(void *ctx, void *p, size_t n);
};

static inline void *alloc_get(const struct alloc *a, size_t n)
{
	return a->get(a->ctx, n);
}
static inline void alloc_put(const struct alloc *a, void *p, size_t n)
{
	if (p)
		a->put(a->ctx, p, n);
}

/* A counted, immutable byte string with a terminating NUL behind it (user names hold any byte). */
struct bstr {
	uint16_t n;
	char s[]; /* n bytes and a NUL */
};

/* A copy of the bytes, NULL when out of memory. At most 65535 bytes. */
static inline struct bstr *bstr_new(const struct alloc *a, struct span bytes)
{
	struct bstr *b = alloc_get(a, sizeof(*b) + bytes.n + 1);
	if (!b)
		return NULL;
	b->n = (uint16_t)bytes.n;
	if (bytes.n)
		memcpy(b->s, bytes.p, bytes.n);
	return b;
}

static inline void bstr_free(const struct alloc *a, struct bstr *b)
{
	if (b)
		alloc_put(a, b, sizeof(*b) + b->n + 1u);
}

static inline struct span bstr_span(const struct bstr *b)
{
	return b ? span_of(b->s, b->n) : span_of(NULL, 0);
}

#endif
