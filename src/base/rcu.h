/*
 * rcu.h - the whole of RCU that this program uses: liburcu's QSBR, or, with LNS_RCU_ATOMICS, a
 * plain C11 stand-in that ThreadSanitizer can follow. Readers are the workers and control: each
 * registers once, calls rcu_quiescent() once per turn, and goes offline around a blocking wait.
 * A pointer got with rcu_get() is valid until the caller's next quiescent state.
 */
#ifndef LNS_RCU_H
#define LNS_RCU_H

#include <stdatomic.h>
#include <stdbool.h>

void rcu_thread_start(void);
void rcu_thread_stop(void);
void rcu_quiescent(void);
void rcu_offline(void);
void rcu_online(void);
/* Waits for all readers; never from a worker. */
void rcu_wait(void);
/* Waits until every grace period started so far is done: before the memory of one is freed with
 * its table. Never from a worker that still runs. */
void rcu_drain(void);

/* Publication of a pointer: release / consume order. */
#define rcu_set(slot, ptr) atomic_store_explicit((slot), (ptr), memory_order_release)
#define rcu_get(slot)	   atomic_load_explicit((slot), memory_order_acquire)

/*
 * A grace period that is polled, for owners that must not wait: start it after unpublishing,
 * and free when done. Any number may be under way. The struct must stay in place until done.
 */
struct rcu_grace {
	_Atomic bool done;
	void *priv[4]; /* the back end's */
};

void rcu_grace_start(struct rcu_grace *g);
#ifdef LNS_RCU_ATOMICS
bool rcu_grace_done(struct rcu_grace *g);
#else
static inline bool rcu_grace_done(struct rcu_grace *g)
{
	return atomic_load_explicit(&g->done, memory_order_acquire);
}
#endif

#endif
