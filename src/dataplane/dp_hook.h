/*
 * dp_hook.h - what sees every inner packet when a plugin asked for it (control/plugins.h). Called
 * by all workers at the same time. Without one a batch costs a comparison with NULL.
 */
#ifndef LNS_DP_HOOK_H
#define LNS_DP_HOOK_H

#include "base/facts.h"
#include "base/span.h"

/* False: drop it. Either may be NULL. */
struct dp_hooks {
	bool (*rx)(struct sess_key key, struct span packet); /* from a subscriber */
	bool (*tx)(struct sess_key key, struct span packet); /* to a subscriber */
};

struct dp_world;
struct dp_tx;

/* The verdict on one datagram, without our header; there must be a hook. Segments of a super-packet
 * are asked about one by one. */
bool dp_hook_tx(const struct dp_world *w, const struct dp_tx *tx);

#endif
