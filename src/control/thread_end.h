/*
 * thread_end.h - how a thread that waits for work is told to end: its flag is set under its lock,
 * it is woken, finishes what it has, and is waited for. Any thread but the one that ends.
 */
#ifndef LNS_THREAD_END_H
#define LNS_THREAD_END_H

#include <pthread.h>
#include <stdbool.h>

static inline void thread_end(pthread_t thread, pthread_mutex_t *lock, pthread_cond_t *wake,
			      bool *stopping)
{
	pthread_mutex_lock(lock);
	*stopping = true;
	pthread_cond_signal(wake);
	pthread_mutex_unlock(lock);
	pthread_join(thread, NULL);
}

#endif
