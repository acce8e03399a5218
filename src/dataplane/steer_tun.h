/*
 * steer_tun.h - which queue of the TUN device, that is which worker, a packet from the core waits
 * in: an eBPF program (TUNSETSTEERINGEBPF) that looks the inner destination up in maps of the
 * addresses and networks of sessions. What is not in there goes by a hash of the destination, so
 * that a flow keeps its queue either way. Without the program the kernel uses its own table of
 * flows. Shell; used by the control thread.
 */
#ifndef LNS_STEER_TUN_H
#define LNS_STEER_TUN_H

#include <linux/bpf.h>
#include <stdbool.h>

#include "base/addr.h"
#include "base/alloc.h"

enum { STEER_TUN_ENTRIES = 1 << 20 };

struct steer_tun;

/* Makes the maps and loads the program. NULL: not allowed, not known here (errno). */
struct steer_tun *steer_tun_open(const struct alloc *a);
void steer_tun_close(struct steer_tun *s);
/* For the device of this queue. False: errno. */
bool steer_tun_attach(const struct steer_tun *s, int tun_fd);

/* Changes wait until there are many of them, or for the flush; later ones win. */
void steer_tun_set(struct steer_tun *s, const struct ip_prefix *p, uint32_t queue);
void steer_tun_clear(struct steer_tun *s, const struct ip_prefix *p);
void steer_tun_flush(struct steer_tun *s);
/* Changes that the kernel did not take, for lack of memory or room; their packets go by the hash.
 */
uint64_t steer_tun_refused(const struct steer_tun *s);

/* For tests: the file descriptor of the program. */
int steer_tun_program_fd(const struct steer_tun *s);

#endif
