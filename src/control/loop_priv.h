/*
 * loop_priv.h - what the parts of the control thread's loop share: loop.c (its life: events, turns,
 * the end), loop_conf.c (files, and what a reload changes), loop_start.c (start and stop, and what
 * the brains are lent), loop_cli.c (what the command line is lent). The control thread's.
 */
#ifndef LNS_LOOP_PRIV_H
#define LNS_LOOP_PRIV_H

#include "control/bgp_io.h"
#include "control/cli.h"
#include "control/conf_files.h"
#include "control/core.h"
#include "control/dae_io.h"
#include "control/garp.h"
#include "control/heap.h"
#include "control/journal_io.h"
#include "control/loop.h"
#include "control/netlink.h"
#include "control/nsctl_io.h"
#include "control/plugins.h"
#include "control/radius_io.h"
#include "control/usage_io.h"
#include "dataplane/dp.h"

/* What an epoll event is about, above the low 32 bits, which number the sockets of RADIUS and BGP.
 */
enum event {
	EVENT_WORKERS,
	EVENT_SIGNAL,
	EVENT_NETLINK,
	EVENT_REQUEST,
	EVENT_RADIUS,
	EVENT_DAE,
	EVENT_NSCTL,
	EVENT_BGP,
	EVENT_JOURNAL,
};
enum { EVENT_SHIFT = 32 };

enum phase {
	PHASE_RUN,
	PHASE_LEAVE, /* SIGTERM, SIGINT: tunnels and sessions stay, what is under way is finished */
	PHASE_CLOSE, /* SIGQUIT: every tunnel and session is closed first */
};

struct loop {
	struct loop_options options;
	struct conf *conf;
	const struct dp_acls *acls; /* compiled access lists, as the workers have them */
	int epoll, signals;
	enum phase phase;
	nsec phase_end; /* of LEAVE and CLOSE */
	nsec phase_min; /* not before that time */

	struct counters counters; /* of this thread */
	const struct counters *all_counters[LNS_WORKERS_MAX + 1];
	struct dp *dp;
	struct netlink *netlink;
	struct radius_io *radius;
	nsec radius_told; /* when it was last logged that nothing can be sent */
	struct dae_io dae;
	struct journal_io *journal_io; /* both NULL: there is no journal */
	struct journal *journal;
	struct usage_io *usage;
	struct bgp_io *bgp;
	struct request_queue *requests;
	struct cli_server *cli;
	struct dp_tap *taps[LNS_WORKERS_MAX];
	struct tap_io *tap;
	struct ippool *pool;
	struct local_users *users;
	struct core *core;
	struct plugins *plugins;
	struct nsctl *nsctl;
	int nsctl_fd;
	struct rates rates;
	nsec rates_next;
	struct heap_watch heap;
	uint64_t conf_version;
	bool close_wanted; /* asked for by the CLI, done between turns */
	bool failed;	   /* the end is not by our choice */
	bool routes_again; /* the kernel is told what BGP knows already */
	unsigned n_places;
	struct garp_place places[CONF_BIND_MAX]; /* of the addresses that L2TP listens on */
};

nsec loop_now(void);
int64_t loop_wall_clock(void *ctx);

/* ---- loop_conf.c ----------------------------------------------------------------------------- */

/* Faults of files, into the log. */
extern const struct file_report loop_to_log;

/* The file of local subscribers; NULL when none is set. */
struct local_users *loop_subscribers_load(const struct conf *conf);
/* Pool networks are routed toward the TUN device, those of an earlier file as long as needed. */
void loop_pool_load(struct loop *l);
void loop_pool_route(struct loop *l);
void loop_network_route(struct loop *l, bool add, const struct ip_prefix *range);
/* Gratuitous ARP for the addresses that L2TP listens on, when there is no BGP: those that are at
 * another place now, or all of them. */
void loop_places_announce(struct loop *l, bool all);

/* Workers get the settings that concern them, and the access lists. */
void loop_workers_apply(struct loop *l);
/* The bundle becomes the configuration; variables that are read at start only keep their effect
 * until the next start. Live sessions are not touched. */
void loop_bundle_apply(struct loop *l, struct conf_bundle *b, nsec now);
/* SIGHUP: all files, or nothing when one of them has a fault. */
void loop_reload(struct loop *l, nsec now);

/* ---- loop_start.c ---------------------------------------------------------------------------- */

/* False, with the reason in the log, when the service cannot run; loop_stop() follows either way.
 */
bool loop_start(struct loop *l);
void loop_stop(struct loop *l);

/* ---- loop_cli.c ------------------------------------------------------------------------------ */

void loop_tap_start(struct loop *l);
void loop_cli_start(struct loop *l);
const struct conf *loop_conf(void *ctx);

#endif
