/*
 * nsctl.h - carries out what nsctl asks: plugins are loaded and unloaded, all else goes to their
 * hooks. Who sends what is no request of the format, is not signed though a key is set, or comes
 * too often, gets no answer and learns nothing. Owned by the control thread.
 */
#ifndef LNS_NSCTL_H
#define LNS_NSCTL_H

#include "base/counters.h"
#include "control/nsctl_msg.h"
#include "control/plugins.h"

struct nsctl;

struct nsctl_env {
	void *ctx;
	const struct conf *(*conf)(void *ctx);
	struct plugins *plugins;
	struct counters *counters; /* of the control thread */
	void (*random)(void *ctx, void *out, size_t n);
	int64_t (*wall_clock_s)(void *ctx);
	void (*log)(enum log_level level, uint16_t tid, uint16_t sid, const char *text);
};

/* NULL: out of memory. */
struct nsctl *nsctl_new(const struct nsctl_env *env);
void nsctl_free(struct nsctl *n);
/* A datagram came. True: *answer holds what to send back; it has room for NSCTL_DATAGRAM. */
bool nsctl_rx(struct nsctl *n, const struct sock_addr *from, struct span datagram,
	      struct wbuf *answer, nsec now);

#endif
