#include "control/heap.h"

#include <jemalloc/jemalloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

enum {
	DECAY_MS = 2000,
	ARENAS = 256, /* the sizes of more are not told apart */
	SMALL = 6 << 20,
};

/* Where jemalloc is linked. */
#pragma weak mallctl

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

/* ---- huge pages ------------------------------------------------------------------------------ */

/*
 * A session's state is touched seldom and lies anywhere in gigabytes: with pages of 4 KB each touch
 * also misses the TLB, and with 100,000 sessions up a dial costs a fifth more. But a huge page is
 * taken whole at the first touch, which is megabytes for each thread that has hardly anything. So
 * what an arena asks of the kernel is in huge pages once it has some, and none of it while the
 * program starts: buffers of which only the beginning is used are made then.
 */
static extent_hooks_t hooks;
static extent_alloc_t *map;
static atomic_bool growing;
static atomic_size_t mapped[ARENAS];

static void *map_more(extent_hooks_t *h, void *at, size_t n, size_t alignment, bool *zero,
		      bool *commit, unsigned arena)
{
	atomic_size_t *sum = &mapped[arena < ARENAS ? arena : ARENAS - 1];
	void *p = map(h, at, n, alignment, zero, commit, arena);

	if (!p)
		return NULL;
	if (atomic_fetch_add_explicit(sum, n, memory_order_relaxed) >= SMALL &&
	    atomic_load_explicit(&growing, memory_order_relaxed))
		madvise(p, n, MADV_HUGEPAGE); /* a kernel without them refuses */
	return p;
}

/* An arena that does not exist yet is made by this. */
static bool set_hooks(unsigned arena)
{
	extent_hooks_t *was, *now = &hooks;
	size_t n = sizeof(was);
	char name[40];

	snprintf(name, sizeof(name), "arena.%u.extent_hooks", arena);
	if (!map) {
		if (mallctl(name, &was, &n, NULL, 0) != 0)
			return false;
		hooks = *was;
		map = was->alloc;
		hooks.alloc = map_more;
	}
	return mallctl(name, NULL, NULL, &now, sizeof(now)) == 0;
}

static void arrange_huge_pages(void)
{
	const char *thp = "";
	unsigned arenas = 0;
	size_t thp_n = sizeof(thp), n = sizeof(arenas);

	if (mallctl("opt.thp", &thp, &thp_n, NULL, 0) != 0 || strcmp(thp, "default") != 0)
		return; /* $MALLOC_CONF wants none, or nothing but those */
	if (mallctl("arenas.narenas", &arenas, &n, NULL, 0) != 0)
		return;
	for (unsigned i = 0; i < arenas && set_hooks(i); i++)
		;
}

void heap_grow(void)
{
	atomic_store_explicit(&growing, true, memory_order_relaxed);
}

/* ---- life ------------------------------------------------------------------------------------ */

void heap_start(void)
{
	bool on = true;
	ssize_t decay = DECAY_MS;

	if (!mallctl)
		return;
	arrange_huge_pages();
	/* The first arena exists already, the others take it from there. */
	(void)mallctl("arenas.dirty_decay_ms", NULL, NULL, &decay, sizeof(decay));
	(void)mallctl("arena.0.dirty_decay_ms", NULL, NULL, &decay, sizeof(decay));
	(void)mallctl("background_thread", NULL, NULL, &on, sizeof(on));
}

const struct alloc heap = {.get = heap_get, .put = heap_put};
