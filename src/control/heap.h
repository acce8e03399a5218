/*
 * heap.h - the process's memory as a struct alloc: what shells lend to brains. malloc is
 * jemalloc's in the daemon. Any thread.
 */
#ifndef LNS_HEAP_H
#define LNS_HEAP_H

#include "base/alloc.h"

extern const struct alloc heap;

#endif
