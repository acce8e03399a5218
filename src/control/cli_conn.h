/*
 * cli_conn.h - one connection of the command line, as its own thread sees it: what cli.c (listener,
 * login) and the files with commands share. Never seen by control.
 */
#ifndef LNS_CLI_CONN_H
#define LNS_CLI_CONN_H

#include <libcli.h>
#include <pthread.h>
#include <time.h>

#include "control/cli.h"
#include "control/cli_filter.h"
#include "control/cli_json.h"
#include "control/cli_show.h"
#include "control/conf_parse.h"
#include "dataplane/dp_acl.h"

/* Counters as they were at the last `clear counters`. Touched on the control thread only. */
struct cli_baseline {
	struct counter_totals totals;
	time_t reset; /* wall clock */
};

enum { CONN_BLOCK_TEXT = 128 };

struct cli_conn {
	struct cli_conn *next; /* in the server's list */
	struct cli_server *server;
	const struct cli_env *env;
	struct cli_baseline *baseline;
	struct cli_def *cli;
	int fd;		   /* libcli's; it closes it */
	int shutdown_fd;   /* the same socket; stays ours, so that the server may shut it down */
	struct ip_addr ip; /* of the peer; unset: the UNIX socket */
	bool local;	   /* from this machine: needs no login */
	unsigned idle_s;   /* after the login; 0 = no limit */
	unsigned refused;  /* wrong passwords */
	char peer[SOCK_ADDR_TEXT];
	struct timespec server_started;
	bool json_open, json_first;	 /* a list is being printed; nothing of it is yet */
	unsigned faults;		 /* that conn_fault() told */
	json_t *json_errors;		 /* of that list */
	unsigned watch;			 /* levels of the log to show, a bit each */
	uint64_t watched;		 /* where in the log */
	uint64_t hits[DP_ACL_RULES_MAX]; /* of the access list that is printed */
	char user[64];			 /* who logged in; empty: local */
	char block[CONN_BLOCK_TEXT];	 /* line that opened the block of the configuration */
};

/* Modes of libcli beyond MODE_EXEC and MODE_CONFIG. */
enum { MODE_ROUTER = MODE_CONFIG + 1, MODE_ACL_STANDARD, MODE_ACL_EXTENDED };

/* One row of the help for a next word. */
struct help_row {
	const char *word, *text;
};

/* A command as libcli is told about it. */
struct command_row {
	int mode;
	const char *words; /* "show session"; all words but the last are rows of their own */
	int (*run)(struct cli_def *cli, const char *command, char **argv, int argc);
	bool privileged;
	const char *help;
};

/* ---- shared by the files with commands ------------------------------------------------------- */

/* Runs fn() on the control thread and waits; false, and said, when control has gone. */
bool conn_ask(struct cli_conn *conn, void (*fn)(struct core *core, nsec now, void *arg), void *arg);
/* False when nobody reads any more. */
bool conn_print(struct cli_conn *conn, const struct show_text *t);
/* When the last word ends in `?`: prints what may stand there and returns true. */
bool conn_help(struct cli_conn *conn, char **argv, int argc, const struct help_row *rows,
	       bool may_end);
/* Prints and wipes what an open_memstream() holds. */
void conn_print_memory(struct cli_conn *conn, char *bytes, size_t n);
/* Root at the UNIX socket, or `enable` was given. */
bool conn_is_privileged(const struct cli_conn *conn);
/* A copy of the configuration in use, to keep; NULL, and said, when it cannot be had. */
struct conf *conn_conf(struct cli_conn *conn);
/* Says what is wrong: at once, or within the JSON that is being printed, as one of its "errors". */
void conn_fault(struct cli_conn *conn, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Empty; NULL, and said, when out of memory. */
struct show_text *conn_text(struct cli_conn *conn);
/* Prints an object, or begins, continues and ends a list of them, one to a line; frees it. */
bool conn_json(struct cli_conn *conn, json_t *json);
void conn_json_begin(struct cli_conn *conn, const char *name);
bool conn_json_item(struct cli_conn *conn, json_t *json);
void conn_json_end(struct cli_conn *conn);
/* True, and the word is taken away, when the last one is `json`. */
bool conn_wants_json(char **argv, int *argc);

/* Which sessions: all, those of a user, the one with an address, or those with an id; and of these
 * the ones that the filter lets through. */
struct session_query {
	struct span user;
	struct ip_addr ip;
	bool by_sid, has_tid;
	uint16_t tid, sid;
	const struct session_filter *filter; /* NULL: all */
};
/* Calls `each` for them, copies made slice by slice, until it returns false; how many there were.
 */
unsigned conn_each_session(struct cli_conn *conn, const struct session_query *q,
			   bool (*each)(struct cli_conn *conn, const struct session_view *v,
					void *ctx),
			   void *ctx);
/* What RADIUS granted a session beyond IPv4, behind its other lines or members. */
void conn_extra_text(struct cli_conn *conn, struct sess_key key, struct show_text *t);
void conn_extra_json(struct cli_conn *conn, struct sess_key key, json_t *session);
/* "SID" or "TID/SID"; *has_tid says which. */
bool conn_session_id(const char *word, struct session_query *q);

/* A line of the log about who changed what; `words` may be NULL. */
void conn_audit(struct cli_conn *conn, const char *command, char *const *words, int n);
/* Writes a line of the log. */
void conn_log(const struct cli_env *env, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Registers commands; a row without run() only names the first word of those behind it. */
void cli_rows_register(struct cli_conn *conn, const struct command_row *rows, size_t n);
/* Registers every command that this connection may use. */
void cli_cmd_register(struct cli_conn *conn);
void cli_config_register(struct cli_conn *conn);
void cli_files_register(struct cli_conn *conn);
void cli_session_register(struct cli_conn *conn);
void cli_tunnel_register(struct cli_conn *conn);
void cli_status_register(struct cli_conn *conn);
void cli_bgp_register(struct cli_conn *conn);
void cli_info_register(struct cli_conn *conn);
void cli_service_register(struct cli_conn *conn);
void cli_watch_register(struct cli_conn *conn);
void cli_ping_register(struct cli_conn *conn);
void cli_batch_register(struct cli_conn *conn);
void cli_workers_register(struct cli_conn *conn);
void cli_radius_register(struct cli_conn *conn);
void cli_trace_register(struct cli_conn *conn);
void cli_capture_register(struct cli_conn *conn);

/* cli_watch.c: waits; false when a key was hit or the terminal has gone. */
bool conn_wait(struct cli_conn *conn, unsigned ms);

/* The rollback of `configure commit-confirmed`, one for the whole server: `conf` (the server's from
 * here on, NULL: none) comes back after so many seconds. False when one is pending already. */
bool cli_rollback_arm(struct cli_server *s, struct conf *conf, unsigned seconds);
/* Takes the pending one, with the files that were replaced meanwhile; false: there is none. */
bool cli_rollback_take(struct cli_server *s, struct conf_bundle *out);
/* Seconds until it happens, 0 when none is pending. */
unsigned cli_rollback_left(struct cli_server *s);

#endif
