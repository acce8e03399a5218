/*
 * dp_world.h - what the forwarding functions are lent by a worker for one batch. Everything in it
 * is read only but the counters and the tap, which are the calling thread's own.
 */
#ifndef LNS_DP_WORLD_H
#define LNS_DP_WORLD_H

#include "base/counters.h"
#include "base/nsec.h"
#include "dataplane/dp_hook.h"
#include "dataplane/dp_route.h"
#include "dataplane/dp_table.h"
#include "dataplane/dp_tap.h"
#include "dataplane/shard_conf.h"

struct dp_services; /* dataplane/dp_service.h */

struct dp_world {
	const struct dp_tables *tables;
	const struct dp_routes *routes;
	const struct dp_conf *conf;
	struct counters *counters;
	struct dp_tap *tap;	      /* of this worker; NULL: nobody listens */
	struct dp_services *services; /* of this worker's own sessions */
	const struct dp_hooks *hooks; /* of plugins that see packets; NULL: none */
	unsigned self, n_workers;
	nsec now;
};

#endif
