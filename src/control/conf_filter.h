/*
 * conf_filter.h - the access lists of a configuration, compiled for the workers. Pure.
 */
#ifndef LNS_CONF_FILTER_H
#define LNS_CONF_FILTER_H

#include "control/conf.h"
#include "dataplane/dp_acl.h"

/* A rule in canonical form (conf_acl.h); false: it is none. */
bool conf_filter_rule(struct span text, bool extended, struct dp_acl_rule *out);
/* A snapshot for the data plane, which shares with `before` (NULL: none) what did not change; NULL
 * = out of memory. `version` differs from that of every other snapshot and is not 0. */
struct dp_acls *conf_filter_compile(const struct conf *c, const struct alloc *a, uint64_t version,
				    unsigned n_workers, const struct dp_acls *before);
/* True: there is a list of that name. */
bool conf_filter_exists(const struct conf *c, const char *name);

#endif
