/*
 * heap.h - the process's memory as a struct alloc: what shells lend to brains. malloc is
 * jemalloc's in the daemon. Any thread.
 */
#ifndef LNS_HEAP_H
#define LNS_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"

extern const struct alloc heap;

/* What was freed goes back to the system within seconds, by a thread of jemalloc's own. Once, after
 * the last fork; without jemalloc nothing happens. */
void heap_start(void);

/* For the one thread that looks at the heap from time to time. All zero at first. */
struct heap_watch {
	size_t most, last; /* bytes in use: at most, and when it looked before */
	bool small;	   /* no new huge pages are made */
};
/* While little is in use of what once was, the kernel is to make no huge pages: it makes them of
 * places where a few objects are left, too, which takes back what was given up. Nor does the thread
 * keep at hand what it has freed. */
void heap_look(struct heap_watch *w);

#endif
