#include "control/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/types.h>

enum {
	DECAY_MS = 2000,
	SMALL = 2, /* part of the most that was in use */
};

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

/* Bytes in use, 0: unknown. */
static size_t heap_used(void)
{
	uint64_t epoch = 1; /* any: the statistics are taken anew */
	size_t used = 0, n = sizeof(used);

	if (!mallctl || mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch)) != 0 ||
	    mallctl("stats.allocated", &used, &n, NULL, 0) != 0)
		return 0;
	return used;
}

void heap_look(struct heap_watch *w)
{
	size_t used = heap_used();

	if (used > w->most)
		w->most = used;
	bool small = used < w->most / SMALL;
	if (small != w->small && prctl(PR_SET_THP_DISABLE, small, 0, 0, 0) == 0)
		w->small = small;
	if (used < w->last)
		(void)mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	w->last = used;
}

const struct alloc heap = {.get = heap_get, .put = heap_put};
