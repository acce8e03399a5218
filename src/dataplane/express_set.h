/*
 * express_set.h - all interfaces whose packets come past the kernel (express.h), and the addresses
 * that they know: of sessions that are up, but for those of this machine, and those whose packets
 * the kernel's filters must see. Shell; used by the control thread.
 */
#ifndef LNS_EXPRESS_SET_H
#define LNS_EXPRESS_SET_H

#include "base/addr.h"
#include "dataplane/express.h"
#include "dataplane/express_locals.h"

struct express_set {
	struct express_hosts *hosts; /* NULL: nothing comes past the kernel */
	struct express_locals *locals;
	unsigned n;
	struct express at[EXPRESS_INTERFACES_MAX];
	char names[EXPRESS_INTERFACES_MAX * (EXPRESS_NAME_MAX + 2)]; /* "core, eth1", "none" */
};

/* Makes room for the addresses, once. False: errno. */
bool express_set_open(struct express_set *s, const struct alloc *a);
void express_set_close(struct express_set *s);
/* Writes `names`: of those that are in use. */
void express_set_name(struct express_set *s);

/* Packets for this prefix may come, or may not any more. Only single IPv4 addresses count. */
void express_set_route(struct express_set *s, const struct ip_prefix *p, bool may);
/* Asks which addresses this machine has now. One that was taken away stays the kernel's until a
 * session with it comes up. False: errno. */
bool express_set_places(struct express_set *s);
/* An interface that is gone, each once, in use no more; NULL: no further one. */
const char *express_set_gone(struct express_set *s);

#endif
