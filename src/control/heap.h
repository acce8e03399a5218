/*
 * heap.h - the process's memory as a struct alloc: what shells lend to brains. malloc is
 * jemalloc's in the daemon. Any thread.
 */
#ifndef LNS_HEAP_H
#define LNS_HEAP_H

#include "base/alloc.h"

extern const struct alloc heap;

/* What was freed goes back to the system within seconds, by a thread of jemalloc's own. Once, after
 * the last fork; without jemalloc nothing happens. */
void heap_start(void);

#endif
