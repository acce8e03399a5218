/*
 * counters.h - one block of counters per thread, written only by that thread and read by anyone:
 * events (counters.def) and drop reasons (drops.def). No locks; a reader adds the blocks up.
 */
#ifndef LNS_COUNTERS_H
#define LNS_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum counter {
#define COUNTER(name, text) C_##name,
#include "base/counters.def"
#undef COUNTER
	COUNTERS
};

enum drop {
#define DROP(name, text) DROP_##name,
#include "base/drops.def"
#undef DROP
	DROPS
};

struct counters {
	_Alignas(64) _Atomic uint64_t events[COUNTERS];
	_Atomic uint64_t drops[DROPS];
};

/* Relaxed load and store, not an atomic addition: there is one writer. */
static inline void counter_add(struct counters *c, enum counter which, uint64_t n)
{
	uint64_t v = atomic_load_explicit(&c->events[which], memory_order_relaxed);
	atomic_store_explicit(&c->events[which], v + n, memory_order_relaxed);
}

static inline void counter_drop(struct counters *c, enum drop why, uint64_t n)
{
	uint64_t v = atomic_load_explicit(&c->drops[why], memory_order_relaxed);
	atomic_store_explicit(&c->drops[why], v + n, memory_order_relaxed);
}

static inline uint64_t counter_get(const struct counters *c, enum counter which)
{
	return atomic_load_explicit(&c->events[which], memory_order_relaxed);
}

static inline uint64_t counter_drops(const struct counters *c, enum drop why)
{
	return atomic_load_explicit(&c->drops[why], memory_order_relaxed);
}

/* "SPOOF" and its sentence. */
const char *counter_name(enum counter which);
const char *counter_text(enum counter which);
const char *drop_name(enum drop why);
const char *drop_text(enum drop why);

#endif
