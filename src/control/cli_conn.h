/*
 * cli_conn.h - one connection of the command line, as its own thread sees it: what cli.c (listener,
 * login) and cli_cmd.c (commands) share. Never seen by control.
 */
#ifndef LNS_CLI_CONN_H
#define LNS_CLI_CONN_H

#include <libcli.h>
#include <pthread.h>
#include <time.h>

#include "control/cli.h"
#include "control/cli_show.h"

/* Counters as they were at the last `clear counters`. Touched on the control thread only. */
struct cli_baseline {
	struct counter_totals totals;
	time_t reset; /* wall clock */
};

struct cli_conn {
	struct cli_conn *next; /* in the server's list */
	struct cli_server *server;
	const struct cli_env *env;
	struct cli_baseline *baseline;
	struct cli_def *cli;
	int fd;		  /* libcli's; it closes it */
	int shutdown_fd;  /* the same socket; stays ours, so that the server may shut it down */
	bool local;	  /* from this machine: needs no login */
	unsigned idle_s;  /* after the login; 0 = no limit */
	unsigned refused; /* wrong passwords */
	char peer[SOCK_ADDR_TEXT];
	struct timespec server_started;
};

/* Registers every command that this connection may use. */
void cli_cmd_register(struct cli_conn *conn);

#endif
