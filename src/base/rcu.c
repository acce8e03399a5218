#include "base/rcu.h"

#include "base/panic.h"

#ifndef LNS_RCU_ATOMICS

#include <stddef.h>
#include <urcu/urcu-qsbr.h>

/*
 * liburcu. A polled grace period is a call_rcu() whose callback raises the flag; the helper thread
 * that runs callbacks is liburcu's and starts with the first grace period. It does not touch the
 * head after it has called back, so the owner may free the struct as soon as the flag is up.
 */
_Static_assert(sizeof(struct rcu_head) <= sizeof(((struct rcu_grace *)0)->priv),
	       "the head lives in the struct");
_Static_assert(_Alignof(struct rcu_head) <= _Alignof(void *), "priv is aligned for it");

void rcu_thread_start(void)
{
	urcu_qsbr_register_thread();
}
void rcu_thread_stop(void)
{
	urcu_qsbr_unregister_thread();
}
void rcu_quiescent(void)
{
	urcu_qsbr_quiescent_state();
}
void rcu_offline(void)
{
	urcu_qsbr_thread_offline();
}
void rcu_online(void)
{
	urcu_qsbr_thread_online();
}
void rcu_wait(void)
{
	urcu_qsbr_synchronize_rcu();
}
void rcu_drain(void)
{
	urcu_qsbr_barrier();
}

static void grace_over(struct rcu_head *head)
{
	struct rcu_grace *g =
		(struct rcu_grace *)(void *)((char *)head - offsetof(struct rcu_grace, priv));
	/* Release: partner of the acquire in rcu_grace_done. */
	atomic_store_explicit(&g->done, true, memory_order_release);
}

void rcu_grace_start(struct rcu_grace *g)
{
	atomic_store_explicit(&g->done, false, memory_order_relaxed);
	urcu_qsbr_call_rcu((struct rcu_head *)(void *)g->priv, grace_over);
}

#else

#include <sched.h>
#include <stdint.h>

/*
 * The stand-in: a counter of grace periods and, per reader, the count that it saw at its last
 * quiescent state. A grace period takes a new number and is over when every reader that is online
 * has seen that number or a later one.
 *
 * Why that is enough: reader and writer meet in read-modify-write operations on `epoch`. Either
 * the reader's comes later, then it sees all that was unpublished before the grace period started;
 * or it comes earlier, then the writer sees the reader's older `seen` and waits for it.
 */
enum { READERS_MAX = 256, READER_OFFLINE = 0 };

struct reader {
	_Alignas(64) _Atomic uint64_t seen; /* READER_OFFLINE: holds no pointer */
	_Atomic bool taken;
};

static struct reader readers[READERS_MAX];
static _Atomic uint64_t epoch = 1;
static _Thread_local struct reader *self;

static uint64_t epoch_meet(void)
{
	return atomic_fetch_add_explicit(&epoch, 0, memory_order_acq_rel);
}

static void go_online(void)
{
	/* A number that may be old, before anything is read: at worst a writer waits too long. */
	atomic_store_explicit(&self->seen, atomic_load_explicit(&epoch, memory_order_relaxed),
			      memory_order_release);
	epoch_meet();
}

void rcu_thread_start(void)
{
	LNS_ASSERT(self == NULL);
	for (int i = 0; i < READERS_MAX && !self; i++)
		if (!atomic_exchange_explicit(&readers[i].taken, true, memory_order_acq_rel))
			self = &readers[i];
	LNS_ASSERT(self != NULL);
	go_online();
}

void rcu_thread_stop(void)
{
	rcu_offline();
	atomic_store_explicit(&self->taken, false, memory_order_release);
	self = NULL;
}

void rcu_quiescent(void)
{
	LNS_ASSERT(self != NULL);
	atomic_store_explicit(&self->seen, epoch_meet(), memory_order_release);
}

void rcu_offline(void)
{
	LNS_ASSERT(self != NULL);
	atomic_store_explicit(&self->seen, READER_OFFLINE, memory_order_release);
}

void rcu_online(void)
{
	LNS_ASSERT(self != NULL);
	go_online();
}

static bool all_have_seen(uint64_t number)
{
	for (int i = 0; i < READERS_MAX; i++) {
		/* Acquire: what the reader read lies before the memory is used again. */
		uint64_t seen = atomic_load_explicit(&readers[i].seen, memory_order_acquire);
		if (seen != READER_OFFLINE && seen < number)
			return false;
	}
	return true;
}

void rcu_wait(void)
{
	uint64_t number = atomic_fetch_add_explicit(&epoch, 1, memory_order_acq_rel) + 1;
	bool was_online =
		self && atomic_load_explicit(&self->seen, memory_order_relaxed) != READER_OFFLINE;

	if (was_online)
		rcu_offline();
	while (!all_have_seen(number))
		sched_yield();
	if (was_online)
		rcu_online();
}

void rcu_drain(void)
{
	rcu_wait();
}

void rcu_grace_start(struct rcu_grace *g)
{
	uint64_t number = atomic_fetch_add_explicit(&epoch, 1, memory_order_acq_rel) + 1;
	_Static_assert(sizeof(number) <= sizeof(g->priv), "the number lives in the struct");
	g->priv[0] = (void *)(uintptr_t)number;
	atomic_store_explicit(&g->done, false, memory_order_relaxed);
}

bool rcu_grace_done(struct rcu_grace *g)
{
	if (!atomic_load_explicit(&g->done, memory_order_relaxed) &&
	    all_have_seen((uintptr_t)g->priv[0]))
		atomic_store_explicit(&g->done, true, memory_order_relaxed);
	return atomic_load_explicit(&g->done, memory_order_relaxed);
}

#endif
