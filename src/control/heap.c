#include "control/heap.h"

#include <stdlib.h>

static void *heap_get(void *ctx, size_t n)
{
	(void)ctx;
	return calloc(1, n);
}

static void heap_put(void *ctx, void *p, size_t n)
{
	(void)ctx;
	(void)n;
	free(p);
}

const struct alloc heap = {.get = heap_get, .put = heap_put};
