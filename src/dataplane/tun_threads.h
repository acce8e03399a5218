/*
 * tun_threads.h - the kernel's NAPI threads of the TUN device, one per queue: finds them and has
 * them scheduled as batch work, so that waking one for a packet does not interrupt the worker that
 * is about to write the next. For kernels without slices (precedence.h). Shell; used once at start.
 */
#ifndef LNS_TUN_THREADS_H
#define LNS_TUN_THREADS_H

#include <sys/types.h>

enum { TUN_THREADS_MAX = 1024 };

/* The threads of all devices of one name, in whatever network namespace; what does not fit is not
 * seen. */
struct tun_threads {
	unsigned n;
	pid_t pids[TUN_THREADS_MAX];
};

void tun_threads_find(struct tun_threads *t, const char *device);
/* How many that were not there before are batch work now. */
unsigned tun_threads_batch(const struct tun_threads *before, const struct tun_threads *now);

#endif
