/*
 * express_hosts.h - which IPv4 addresses are subscribers', for the XDP program of express.h: one
 * bit each, in memory that it shares with us. A table of all /16 networks says where the bits of
 * each one are, so that a lookup touches two cache lines, which many addresses share, and a change
 * is no system call. Shell; changed by the control thread only.
 */
#ifndef LNS_EXPRESS_HOSTS_H
#define LNS_EXPRESS_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "dataplane/bpf_asm.h"

enum { EXPRESS_NETWORKS_MAX = 256 }; /* /16 networks with a subscriber in them */

struct express_hosts;

/* NULL: errno. Linux 5.5, 3 MB. */
struct express_hosts *express_hosts_open(const struct alloc *a);
void express_hosts_close(struct express_hosts *h);

/* Twice the same is nothing new. Addresses of further networks than there is room for are left out,
 * and counted. */
void express_hosts_set(struct express_hosts *h, uint32_t ip);
void express_hosts_clear(struct express_hosts *h, uint32_t ip);
uint64_t express_hosts_left_out(const struct express_hosts *h);

/* Instructions that go on when the address in r4, as it came from the wire, is a subscriber's, and
 * to the label when not. All registers but r6 are lost. */
void express_hosts_assemble(const struct express_hosts *h, struct bpf_asm *a, unsigned no);

#endif
