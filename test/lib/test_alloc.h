/*
 * test_alloc.h - struct alloc for tests: counts what is held, can fail on purpose, checks that
 * put() names the size that get() was asked for, and never hands out memory twice unnoticed (it is
 * plain calloc, so AddressSanitizer watches it).
 */
#ifndef LNS_TEST_ALLOC_H
#define LNS_TEST_ALLOC_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

struct test_alloc {
	struct alloc alloc; /* give &t->alloc to the module */
	size_t held;	    /* bytes not given back */
	size_t blocks;	    /* blocks not given back */
	size_t gets;	    /* calls of get() so far */
	size_t peak;	    /* most bytes held at once */
	size_t fail_after;  /* gets that succeed before all fail; SIZE_MAX = never */
};

enum { TEST_ALLOC_HEADER = 64 }; /* keeps the alignment of a cache line */

static inline void *test_alloc_get(void *ctx, size_t n)
{
	struct test_alloc *t = ctx;
	if (t->gets++ >= t->fail_after)
		return NULL;
	size_t total = (TEST_ALLOC_HEADER + n + 63) / 64 * 64;
	char *block = aligned_alloc(64, total);
	if (!block)
		return NULL;
	memset(block, 0, total);
	memcpy(block, &n, sizeof(n));
	t->held += n;
	t->blocks++;
	if (t->held > t->peak)
		t->peak = t->held;
	return block + TEST_ALLOC_HEADER;
}

static inline void test_alloc_put(void *ctx, void *p, size_t n)
{
	struct test_alloc *t = ctx;
	char *block = (char *)p - TEST_ALLOC_HEADER;
	size_t asked;
	memcpy(&asked, block, sizeof(asked));
	if (asked != n) {
		fprintf(stderr, "put of %zu bytes, got as %zu\n", n, asked);
		abort();
	}
	t->held -= n;
	t->blocks--;
	free(block);
}

static inline void test_alloc_init(struct test_alloc *t)
{
	*t = (struct test_alloc){
		.alloc = {.ctx = t, .get = test_alloc_get, .put = test_alloc_put},
		.fail_after = SIZE_MAX,
	};
}

/* For several threads at once, which the counting one is not for. */
static inline void *test_plain_get(void *ctx, size_t n)
{
	(void)ctx;
	return calloc(1, n);
}
static inline void test_plain_put(void *ctx, void *p, size_t n)
{
	(void)ctx;
	(void)n;
	free(p);
}
static const struct alloc test_plain_alloc = {.get = test_plain_get, .put = test_plain_put};

#endif
