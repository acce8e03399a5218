/*
 * cli_server.h - what cli.c (listener and connections), cli_login.c (passwords) and cli_rollback.c
 * (commit-confirmed) share. The lock is of everything behind it.
 */
#ifndef LNS_CLI_SERVER_H
#define LNS_CLI_SERVER_H

#include <pthread.h>
#include <sys/un.h>

#include "control/cli_conn.h"
#include "control/conf_acl.h"

enum {
	CLI_OFFENDERS = 64,  /* addresses that are remembered; the one that is quiet longest goes */
	CLI_ACL_RULES = 256, /* of cli_access_list */
};

/* An address that gave wrong passwords. */
struct offender {
	struct ip_addr ip;
	unsigned wrong;
	time_t last; /* monotonic clock */
};

struct cli_server {
	struct cli_env env;
	char hostname[256];	      /* env.hostname points here */
	struct cli_baseline baseline; /* control thread only */
	struct timespec started;      /* monotonic clock */
	int listen_fd;
	int unix_fd; /* -1: no cli_socket */
	char unix_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int wake_fd; /* eventfd: the listener is to end */
	pthread_t listener;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t ended; /* a connection is gone, or the server stops */
	struct cli_conn *conns;
	unsigned n_conns;
	struct cli_users *users; /* NULL: none */
	unsigned max_conns, idle_s;
	bool stopping;
	struct offender offenders[CLI_OFFENDERS];
	bool has_acl;
	unsigned n_acl;
	struct conf_acl_net acl[CLI_ACL_RULES];
	struct conf_bundle rollback; /* comes back unless confirmed; conf NULL: nothing does */
	struct timespec rollback_at;
};

/* ---- cli_login.c ---- */

/* Asks for name and password, or for the password of `enable`, as this connection needs. */
void cli_login_register(struct cli_conn *conn);
/* Too many wrong passwords came from there. The lock is held. */
bool cli_is_locked_out(struct cli_server *s, const struct ip_addr *ip);
/* Waits, but not longer than the server lives. */
void cli_delay(struct cli_server *s, unsigned seconds);

/* ---- cli_rollback.c ---- */

/* Milliseconds until the rollback; -1 when none is pending. */
int cli_rollback_ms(struct cli_server *s);
void cli_rollback_if_due(struct cli_server *s);

#endif
