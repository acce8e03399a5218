/* Who may log in and who may `enable`; wrong passwords cost time, and too many lock an address out.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/crypto.h"
#include "control/cli_server.h"

enum {
	LOGIN_IDLE_S = 60,   /* silence before the login is done */
	REFUSED_MAX = 3,     /* wrong passwords before the connection is closed */
	REFUSED_DELAY_S = 2, /* after each of them */
	PASSWORD_MAX = 4096,
	LOCKOUT_AFTER = 6, /* wrong passwords from one address, the right one not among them */
	LOCKOUT_S = 60,	   /* then it may not connect for so long */
};

/* libcli's callbacks for passwords are not told which connection asks. */
static _Thread_local struct cli_conn *this_conn;

/* ---- login ----------------------------------------------------------------------------------- */

/* Copies the stored password of a name (NULL: of `enable`); false when there is none. */
static bool stored_password(struct cli_server *s, const char *name, char out[static PASSWORD_MAX])
{
	pthread_mutex_lock(&s->lock);
	const char *stored = NULL;
	if (s->users)
		stored = name ? cli_users_password(s->users, name) : cli_users_enable(s->users);
	bool found = stored != NULL && strlen(stored) < PASSWORD_MAX;
	if (found)
		memcpy(out, stored, strlen(stored) + 1);
	pthread_mutex_unlock(&s->lock);
	return found;
}

void cli_delay(struct cli_server *s, unsigned seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&s->lock);
	while (!s->stopping)
		if (pthread_cond_timedwait(&s->ended, &s->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&s->lock);
}

static time_t seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* What is known of an address, NULL when nothing. The lock is held. */
static struct offender *offender_find(struct cli_server *s, const struct ip_addr *ip)
{
	for (unsigned i = 0; i < CLI_OFFENDERS; i++)
		if (s->offenders[i].wrong && ip_addr_equal(&s->offenders[i].ip, ip))
			return &s->offenders[i];
	return NULL;
}

static void note_wrong(struct cli_server *s, const struct ip_addr *ip)
{
	pthread_mutex_lock(&s->lock);
	struct offender *o = offender_find(s, ip);
	if (!o) {
		o = &s->offenders[0];
		for (unsigned i = 1; i < CLI_OFFENDERS; i++)
			if (s->offenders[i].last < o->last)
				o = &s->offenders[i];
		*o = (struct offender){.ip = *ip};
	}
	o->wrong++;
	o->last = seconds_now();
	pthread_mutex_unlock(&s->lock);
}

static void note_right(struct cli_server *s, const struct ip_addr *ip)
{
	pthread_mutex_lock(&s->lock);
	struct offender *o = offender_find(s, ip);
	if (o)
		*o = (struct offender){0};
	pthread_mutex_unlock(&s->lock);
}

bool cli_is_locked_out(struct cli_server *s, const struct ip_addr *ip)
{
	struct offender *o = offender_find(s, ip);

	if (!o || o->wrong < LOCKOUT_AFTER)
		return false;
	if (seconds_now() - o->last < LOCKOUT_S)
		return true;
	*o = (struct offender){0};
	return false;
}

static void refuse(struct cli_conn *conn, const char *what)
{
	conn->refused++;
	if (!conn->local)
		note_wrong(conn->server, &conn->ip);
	conn_log(conn->env, LOG_WARN, "cli: %s refused from %s (%u)", what, conn->peer,
		 conn->refused);
	cli_delay(conn->server, REFUSED_DELAY_S);
	if (conn->refused >= REFUSED_MAX)
		shutdown(conn->shutdown_fd, SHUT_RD); /* libcli then sees the end of input */
}

static bool password_ok(struct cli_conn *conn, const char *name, const char *password)
{
	/* An unknown name costs as much time as a known one with a plain password. */
	char stored[PASSWORD_MAX] = "*";
	bool known = stored_password(conn->server, name, stored);
	bool ok = password_matches(password, stored) && known;
	mem_wipe(stored, sizeof(stored));
	return ok;
}

static int check_login(const char *name, const char *password)
{
	struct cli_conn *conn = this_conn;

	if (!password_ok(conn, name, password)) {
		refuse(conn, "login");
		return CLI_ERROR;
	}
	conn->refused = 0;
	note_right(conn->server, &conn->ip);
	snprintf(conn->user, sizeof(conn->user), "%s", name);
	cli_set_idle_timeout(conn->cli, conn->idle_s);
	conn_log(conn->env, LOG_NOTE, "cli: login from %s", conn->peer);
	return CLI_OK;
}

/* Unlike the other callback, libcli takes 0 from this one for "no". */
static int check_enable(const char *password)
{
	struct cli_conn *conn = this_conn;

	if (!password_ok(conn, NULL, password)) {
		refuse(conn, "enable");
		return 0;
	}
	conn->refused = 0;
	return 1;
}

static int idle_ended(struct cli_def *cli)
{
	cli_print(cli, "Idle timeout");
	return CLI_QUIT;
}

static bool has_enable_password(struct cli_server *s)
{
	pthread_mutex_lock(&s->lock);
	bool has = s->users && cli_users_enable(s->users);
	pthread_mutex_unlock(&s->lock);
	return has;
}

void cli_login_register(struct cli_conn *conn)
{
	struct cli_def *cli = conn->cli;

	this_conn = conn;
	cli_set_idle_timeout_callback(cli, conn->local ? conn->idle_s : LOGIN_IDLE_S, idle_ended);
	if (!conn->local)
		cli_set_auth_callback(cli, check_login);
	/* By the UNIX socket comes root, who needs no password. */
	if (ip_addr_is_set(&conn->ip) && has_enable_password(conn->server))
		cli_set_enable_callback(cli, check_enable);
}
