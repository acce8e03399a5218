/*
 * tun.h - the TUN device toward the core: opens its queues and gives it MTU, addresses and life.
 * Shell; used once at start.
 */
#ifndef LNS_TUN_H
#define LNS_TUN_H

#include <stddef.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/facts.h"
#include "dataplane/io_backend.h"

enum { TUN_NAME_MAX = 16 };

struct tun_conf {
	const char *name; /* "" = the kernel chooses */
	unsigned n_queues;
	struct io_features features; /* wanted */
	bool napi; /* what we write is worked on in batches, by a kernel thread of each queue */
	uint16_t mtu;
	uint32_t queue_len; /* packets that wait for us, of each queue */
	unsigned n_addrs;
	const struct ip_prefix *addrs; /* host bits kept */
};

struct tun {
	char name[TUN_NAME_MAX];
	unsigned ifindex;
	unsigned n;
	int fds[LNS_WORKERS_MAX];
	FILE *stats;	     /* of all interfaces; NULL: not to be had */
	bool threads_behind; /* workers go before its NAPI threads */
};

/* All or nothing. False: `why` says which step failed. */
bool tun_open(struct tun *t, const struct tun_conf *c, char *why, size_t why_n);
/* Closes the queues that are still here. */
void tun_close(struct tun *t);
/* Packets toward us that the kernel dropped since the device was made. */
bool tun_dropped(const struct tun *t, uint64_t *dropped);

#endif
