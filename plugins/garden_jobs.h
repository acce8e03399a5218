/*
 * garden_jobs.h - the rules of the walled garden in the kernel, made by a thread of its own: orders
 * go into a bounded queue and are carried out in order, all that wait at once. The caller never
 * waits for a program, but when it stops.
 */
#ifndef L2TPNS_GARDEN_JOBS_H
#define L2TPNS_GARDEN_JOBS_H

#include "l2tpns-plugin.h"

enum { GARDEN_PATH = 256 };

struct garden_conf {
	int nft; /* one element of a set for each address instead of one rule */
	uint32_t mark;
	char script[GARDEN_PATH]; /* build-garden */
};

enum garden_order { GARDEN_ADD, GARDEN_DELETE, GARDEN_CLEAR };

/* Makes the chains, whatever is there of an earlier run. 0: no thread could be had. */
int garden_jobs_start(const struct plugin_functions *functions, const struct garden_conf *conf);
/* Takes all of it away again, and waits for that. */
void garden_jobs_stop(void);
/* `what` may be NULL with GARDEN_CLEAR. What finds no room makes garden_jobs_failed() true. */
void garden_jobs_put(enum garden_order order, const struct plugin_prefix *what);
/* True while the chains are there: who is let in will be confined. */
int garden_jobs_ready(void);
/* True once after something could not be done: the caller should give all orders again. */
int garden_jobs_failed(void);

#endif
