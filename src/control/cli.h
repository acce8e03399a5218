/*
 * cli.h - the command line: listens on cli_bind_address:cli_port and gives each connection a small
 * thread of its own, which parses and prints; what it shows and does is asked of the control thread
 * by requests (request.h), so that forwarding and control never wait for a terminal.
 */
#ifndef LNS_CLI_H
#define LNS_CLI_H

#include "base/counters.h"
#include "base/log.h"
#include "bgp/bgp_speaker.h"
#include "control/conf_files.h"
#include "control/ippool.h"
#include "control/rates.h"
#include "control/request.h"
#include "control/tap_io.h"
#include "dataplane/worker_view.h"

/* What `show version` tells. */
struct cli_about {
	const char *version; /* "3.0.0" */
	unsigned workers;
	const char *io_backend; /* in use */
	const char *steering;	/* in use */
	const char *tun_steering;
	bool tun_napi;
	const char *express; /* interfaces where packets come past the kernel, or "none" */
};

/* All functions are called on the control thread, inside a request; what they return is used
 * there only. The struct and the counters outlive the server. */
struct plugins_view;

struct cli_env {
	struct request_queue *requests;
	const char *hostname;			/* for the prompt; copied */
	const char *conf_path;			/* of startup-config; outlives the server */
	const struct alloc *alloc;		/* for any thread */
	const struct counters *const *counters; /* of every thread: workers first, then control */
	unsigned n_counters;
	void *ctx;
	const struct conf *(*conf)(void *ctx);
	const struct ippool *(*pool)(void *ctx);
	const struct rates_view *(*rates)(void *ctx);
	/* Compiled access lists, for their hits; may be NULL. */
	const struct dp_acls *(*acls)(void *ctx);
	void (*about)(void *ctx, struct cli_about *out);
	/* Fills up to LNS_WORKERS_MAX of them; returns how many there are. */
	unsigned (*workers)(void *ctx, struct worker_view *out);
	struct bgp_speaker *(*bgp)(void *ctx); /* NULL: the commands about BGP do not exist */
	/* plugins_next() of those that there are; NULL: there are none. */
	bool (*plugin)(void *ctx, unsigned *cursor, struct plugins_view *out);
	/* Makes it the configuration in use; all of it is the callee's from here on. */
	void (*apply)(void *ctx, struct conf_bundle *b, nsec now);
	/* What core_trace_start() and core_trace_end() changed is told to the workers. */
	void (*traces_changed)(void *ctx);
	struct tap_io *tap;	     /* NULL: no captures */
	void (*shutdown)(void *ctx); /* as SIGQUIT */
	/* Any thread: one line for the log. */
	void (*log)(void *ctx, enum log_level level, const char *text);
};

struct cli_server;

/* Binds and starts. NULL with a reason when the address cannot be bound: the service goes on
 * without a command line. `conf` is read during the call only; `users` (NULL: none) is the
 * server's from here on. */
struct cli_server *cli_server_start(const struct cli_env *env, const struct conf *conf,
				    struct cli_users *users, char reason[static 160]);
/* Control, after a change: limits, and unless NULL new users; the address stays. Returns the users
 * before, the caller's from here on; NULL when they stay. */
struct cli_users *cli_server_update(struct cli_server *s, const struct conf *conf,
				    struct cli_users *users);
/* Control: what an apply() put something else in the place of, for a rollback that is pending; all
 * of it is the server's from here on. */
void cli_server_replaced(struct cli_server *s, struct conf_bundle *old);
/* Closes the listener and every connection and waits for their threads. request_shutdown() must
 * have been called, else a thread may wait for control for ever. */
void cli_server_stop(struct cli_server *s);

#endif
