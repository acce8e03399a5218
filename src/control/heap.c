#include "control/heap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/types.h>

enum { DECAY_MS = 2000 };

/* jemalloc's, where it is linked. */
int mallctl(const char *name, void *old, size_t *old_n, void *new, size_t new_n)
	__attribute__((weak));

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

void heap_start(void)
{
	bool on = true;
	ssize_t decay = DECAY_MS;

	if (!mallctl)
		return;
	/* The first arena exists already, the others take it from there. */
	(void)mallctl("arenas.dirty_decay_ms", NULL, NULL, &decay, sizeof(decay));
	(void)mallctl("arena.0.dirty_decay_ms", NULL, NULL, &decay, sizeof(decay));
	(void)mallctl("background_thread", NULL, NULL, &on, sizeof(on));
}

const struct alloc heap = {.get = heap_get, .put = heap_put};
