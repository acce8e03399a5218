#include "control/cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/panic.h"
#include "control/cli_server.h"
#include "control/conf_files.h"

enum {
	BACKLOG = 10,
	THREAD_STACK = 256 * 1024,
	REST_READS = 16,     /* reads of what comes behind the last command */
	ROOT_CONNS = 4,	     /* by the UNIX socket, when all others are taken */
	REST_MS = 500,	     /* longest wait for each */
	SEND_TIMEOUT_S = 30, /* a terminal that takes no more output is given up */
};

void conn_log(const struct cli_env *env, enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	env->log(env->ctx, level, text);
}

/* ---- one connection -------------------------------------------------------------------------- */

static void converse(struct cli_conn *conn)
{
	struct cli_def *cli = cli_init();
	if (!cli) {
		close(conn->fd);
		return;
	}
	conn->cli = cli;
	cli_set_context(cli, conn);
	cli_set_hostname(cli, conn->env->hostname);
	cli_login_register(conn);
	cli_unregister_command(cli, "configure");
	cli_cmd_register(conn);
	if (!ip_addr_is_set(&conn->ip)) {
		cli_telnet_protocol(cli, 0); /* no telnet there */
		cli_batch_register(conn);
	}
	cli_loop(cli, conn->fd); /* closes it */
	cli_done(cli);
}

/*
 * libcli tells standard error when a terminal is gone without a goodbye, which is none of the
 * daemon's faults: this one, which it finds instead of the C library's, keeps still then.
 */
void perror(const char *what)
{
	int error = errno;

	if (error != ECONNRESET && error != EPIPE && error != ETIMEDOUT && error != EHOSTUNREACH)
		fprintf(stderr, "%s: %s\n", what, strerror(error));
}

/* What the terminal sent behind its last command must be read, else the kernel resets the
 * connection and takes away what is still on its way to the terminal. */
static void read_rest(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char rest[4096];

	shutdown(fd, SHUT_WR);
	for (unsigned i = 0; i < REST_READS && poll(&p, 1, REST_MS) == 1; i++)
		if (recv(fd, rest, sizeof(rest), MSG_DONTWAIT) <= 0)
			return;
}

static void forget(struct cli_conn *conn)
{
	struct cli_server *s = conn->server;

	pthread_mutex_lock(&s->lock);
	struct cli_conn **link = &s->conns;
	while (*link != conn)
		link = &(*link)->next;
	*link = conn->next;
	close(conn->shutdown_fd);
	free(conn);
	s->n_conns--;
	/* Under the lock: the server may be freed as soon as it is let go. */
	pthread_cond_broadcast(&s->ended);
	pthread_mutex_unlock(&s->lock);
}

static void *conn_thread(void *arg)
{
	struct cli_conn *conn = arg;
	enum log_level level = conn->local ? LOG_CALLS : LOG_NOTE;

	conn_log(conn->env, level, "cli: connection from %s", conn->peer);
	converse(conn);
	read_rest(conn->shutdown_fd);
	conn_log(conn->env, level, "cli: connection from %s closed", conn->peer);
	forget(conn);
	return NULL;
}

/* ---- the listener ---------------------------------------------------------------------------- */

/* `from` NULL: by the UNIX socket. */
static struct cli_conn *conn_new(struct cli_server *s, int fd, const struct sockaddr_in *from)
{
	struct cli_conn *conn = calloc(1, sizeof(*conn));
	if (!conn)
		return NULL;
	conn->server = s;
	conn->env = &s->env;
	conn->baseline = &s->baseline;
	conn->server_started = s->started;
	conn->fd = fd;
	conn->shutdown_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (conn->shutdown_fd < 0) {
		free(conn);
		return NULL;
	}
	conn->local = true;
	snprintf(conn->peer, sizeof(conn->peer), "cli_socket");
	if (from) {
		struct sock_addr peer = {.ip = ip_addr_v4(ntohl(from->sin_addr.s_addr)),
					 .port = ntohs(from->sin_port)};
		conn->ip = peer.ip;
		conn->local = peer.ip.b[0] == 127;
		sock_addr_text(&peer, conn->peer);
	}
	return conn;
}

/* By cli_access_list; the destination is the address that was connected to. The lock is held. */
static bool is_permitted(const struct cli_server *s, const struct cli_conn *conn)
{
	struct sockaddr_in at = {0};
	socklen_t len = sizeof(at);

	if (getsockname(conn->fd, (struct sockaddr *)&at, &len) != 0)
		return false;
	struct ip_addr local = ip_addr_v4(ntohl(at.sin_addr.s_addr));
	return conf_acl_permits(s->acl, s->n_acl, &conn->ip, &local);
}

/* Why this connection cannot be served, or NULL. The lock is held. */
static const char *why_not(struct cli_server *s, const struct cli_conn *conn)
{
	if (s->stopping)
		return "shutting down";
	unsigned reserve = ip_addr_is_set(&conn->ip) ? 0 : ROOT_CONNS;
	if (s->n_conns >= s->max_conns + reserve)
		return "too many connections";
	if (conn->fd >= FD_SETSIZE)
		return "too many open files"; /* libcli waits with select() */
	if (!conn->local && s->has_acl && !is_permitted(s, conn))
		return "not in cli_access_list";
	if (!conn->local && cli_is_locked_out(s, &conn->ip))
		return "too many wrong passwords from there";
	if (!conn->local && (!s->users || cli_users_count(s->users) == 0))
		return "no users are defined";
	return NULL;
}

static bool start_thread(struct cli_conn *conn)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	int rc = pthread_create(&thread, &attr, conn_thread, conn);
	pthread_attr_destroy(&attr);
	return rc == 0;
}

static void serve(struct cli_server *s, struct cli_conn *conn)
{
	pthread_mutex_lock(&s->lock);
	const char *why = why_not(s, conn);
	conn->idle_s = s->idle_s;
	if (!why) {
		/* In the list before it runs: it takes itself out. */
		conn->next = s->conns;
		s->conns = conn;
		s->n_conns++;
		if (!start_thread(conn)) {
			s->conns = conn->next;
			s->n_conns--;
			why = "out of memory";
		}
	}
	pthread_mutex_unlock(&s->lock);
	if (!why)
		return;
	conn_log(&s->env, LOG_WARN, "cli: connection from %s refused: %s", conn->peer, why);
	close(conn->shutdown_fd);
	close(conn->fd);
	free(conn);
}

/* The socket's mode lets in nobody else; this holds where it was changed. */
static bool is_root(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void accept_one(struct cli_server *s, int listen_fd)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct timeval patience = {.tv_sec = SEND_TIMEOUT_S};
	bool unix_socket = listen_fd == s->unix_fd;

	int fd = accept4(listen_fd, unix_socket ? NULL : (struct sockaddr *)&from,
			 unix_socket ? NULL : &len, SOCK_CLOEXEC);
	if (fd < 0) {
		/* Out of descriptors: the connection stays in the backlog; do not spin on it. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			cli_delay(s, 1);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	struct cli_conn *conn = NULL;
	if (!unix_socket || is_root(fd))
		conn = conn_new(s, fd, unix_socket ? NULL : &from);
	if (conn)
		serve(s, conn);
	else
		close(fd);
}

/* True when the server stops. */
static bool woken(struct cli_server *s)
{
	uint64_t n;
	(void)!read(s->wake_fd, &n, sizeof(n));
	pthread_mutex_lock(&s->lock);
	bool stopping = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return stopping;
}

static void *listener_thread(void *arg)
{
	struct cli_server *s = arg;
	struct pollfd fds[3] = {{.fd = s->listen_fd, .events = POLLIN},
				{.fd = s->wake_fd, .events = POLLIN},
				{.fd = s->unix_fd, .events = POLLIN}};

	for (;;) {
		if (poll(fds, 3, cli_rollback_ms(s)) < 0 && errno != EINTR)
			break;
		if (fds[1].revents && woken(s))
			break;
		cli_rollback_if_due(s);
		if (fds[0].revents)
			accept_one(s, s->listen_fd);
		if (fds[2].revents)
			accept_one(s, s->unix_fd);
	}
	return NULL;
}

/* ---- the server ------------------------------------------------------------------------------ */

static int listen_on(const struct conf *conf, char reason[static 160])
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)conf->cli_port)};
	char text[IP_ADDR_TEXT];
	int one = 1;

	memcpy(&at.sin_addr, conf->cli_bind_address.b, 4);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	snprintf(reason, 160, "cannot listen on %s:%u: %s",
		 ip_addr_text(&conf->cli_bind_address, text), conf->cli_port, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Nobody listens behind the file of a socket that is left over. */
static bool is_left_over(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 &&
		       errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return refused;
}

/* The UNIX socket; without it the rest goes on. */
static int listen_local(struct cli_server *s, const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	bool bound = false;

	if (!path[0])
		return -1;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (is_left_over(&at))
		unlink(path);
	mode_t before = umask(0177);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		bound = listen(fd, BACKLOG) == 0;
	umask(before);
	if (bound) {
		snprintf(s->unix_path, sizeof(s->unix_path), "%s", path);
		return fd;
	}
	conn_log(&s->env, LOG_ERROR, "cli_socket %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void init_lock(struct cli_server *s)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->ended, &attr);
	pthread_condattr_destroy(&attr);
}

static void server_free(struct cli_server *s)
{
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	if (s->unix_fd >= 0) {
		unlink(s->unix_path);
		close(s->unix_fd);
	}
	cli_users_free(s->users);
	conf_bundle_free(&s->rollback);
	pthread_cond_destroy(&s->ended);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* With every signal blocked, so that the listener and its connections inherit that: signals are
 * control's, and a terminal that hangs up is an error of write(), not SIGPIPE. */
static bool start_listener(struct cli_server *s)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&s->listener, NULL, listener_thread, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc == 0;
}

/* Limits and who may connect. The lock is held, or nobody else knows of the server yet. */
static void take_limits(struct cli_server *s, const struct conf *conf)
{
	s->max_conns = conf->cli_max_connections;
	s->idle_s = conf->cli_idle_timeout;
	s->has_acl = conf->cli_access_list[0] != '\0';
	conf_acl_nets(conf, conf->cli_access_list, s->acl, CLI_ACL_RULES, &s->n_acl);
}

struct cli_server *cli_server_start(const struct cli_env *env, const struct conf *conf,
				    struct cli_users *users, char reason[static 160])
{
	struct cli_server *s = calloc(1, sizeof(*s));
	if (!s) {
		cli_users_free(users);
		snprintf(reason, 160, "out of memory");
		return NULL;
	}
	s->env = *env;
	snprintf(s->hostname, sizeof(s->hostname), "%s", env->hostname);
	s->env.hostname = s->hostname;
	s->users = users;
	take_limits(s, conf);
	s->baseline.reset = time(NULL);
	clock_gettime(CLOCK_MONOTONIC, &s->started);
	init_lock(s);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->unix_fd = -1;
	s->listen_fd = listen_on(conf, reason);
	if (s->listen_fd >= 0)
		s->unix_fd = listen_local(s, conf->cli_socket);
	if (s->listen_fd >= 0 && s->wake_fd >= 0 && start_listener(s))
		return s;
	if (s->listen_fd >= 0)
		snprintf(reason, 160, "cannot start: %s", strerror(errno));
	server_free(s);
	return NULL;
}

struct cli_users *cli_server_update(struct cli_server *s, const struct conf *conf,
				    struct cli_users *users)
{
	struct cli_users *before = NULL;

	pthread_mutex_lock(&s->lock);
	if (users) {
		before = s->users;
		s->users = users;
	}
	take_limits(s, conf);
	pthread_mutex_unlock(&s->lock);
	return before;
}

void cli_server_stop(struct cli_server *s)
{
	uint64_t one = 1;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	(void)!write(s->wake_fd, &one, sizeof(one));
	for (struct cli_conn *conn = s->conns; conn; conn = conn->next)
		shutdown(conn->shutdown_fd, SHUT_RDWR);
	pthread_cond_broadcast(&s->ended); /* ends delays */
	while (s->n_conns > 0)
		pthread_cond_wait(&s->ended, &s->lock);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->listener, NULL);
	server_free(s);
}
