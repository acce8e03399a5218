/*
 * ring.h - bounded queue between exactly one producer thread and one consumer thread; records of
 * bytes, copied, contiguous in memory, no locks. Memory comes from the caller.
 */
#ifndef LNS_RING_H
#define LNS_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	uint8_t *bytes;
	uint32_t cap;			    /* power of two */
	_Alignas(64) _Atomic uint32_t head; /* producer writes */
	uint32_t cached_tail;		    /* producer's copy */
	_Alignas(64) _Atomic uint32_t tail; /* consumer writes */
	uint32_t cached_head;		    /* consumer's copy */
};

/* `bytes` has `cap` bytes (a power of two, 64-byte aligned) and outlives the ring. */
void ring_init(struct ring *r, void *bytes, uint32_t cap);
/* Producer: copies n bytes (1..cap/4) followed by extra_n bytes (may be 0) as one record; false
 * when there is no room. */
bool ring_push(struct ring *r, const void *rec, uint32_t n, const void *extra, uint32_t extra_n);
/* Consumer: the oldest record (8-byte aligned) and its size, or NULL; stays until ring_pop. */
const void *ring_peek(struct ring *r, uint32_t *n);
void ring_pop(struct ring *r);

/* Consumer, to look at several records before any is given back: *at starts as ring_first() and
 * moves behind each record that ring_scan() returns; ring_pop_to() gives back all before it. */
uint32_t ring_first(const struct ring *r);
const void *ring_scan(struct ring *r, uint32_t *at, uint32_t *n);
void ring_pop_to(struct ring *r, uint32_t at);

/* Producer: the place behind the last record pushed, and whether all before a place was popped. */
uint32_t ring_mark(const struct ring *r);
bool ring_passed(const struct ring *r, uint32_t mark);
/* Producer: bytes in use; the consumer may have given some of them back by now. */
uint32_t ring_used(const struct ring *r);
/* Any thread; the answer may be old. */
bool ring_is_empty(const struct ring *r);

#endif
