/*
 * express_locals.h - the IPv4 addresses of this machine, and the broadcast addresses of its
 * networks: packets to them are the kernel's, even if a session was given one by mistake. Shell;
 * used by the control thread.
 */
#ifndef LNS_EXPRESS_LOCALS_H
#define LNS_EXPRESS_LOCALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"

struct express_locals;

/* None at first. NULL: out of memory. */
struct express_locals *express_locals_new(const struct alloc *a);
void express_locals_free(struct express_locals *l);

/* Asks the kernel which there are, and tells of each that was not there before. False: it could not
 * be asked (errno); those of before stay. */
bool express_locals_read(struct express_locals *l, void (*found)(void *ctx, uint32_t ip),
			 void *ctx);
/* Host order. */
bool express_locals_has(const struct express_locals *l, uint32_t ip);

#endif
