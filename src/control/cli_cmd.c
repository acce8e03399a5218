/*
 * The commands. Each asks the control thread for copies, slice by slice, and prints them here: the
 * terminal's speed is this thread's business only.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "control/cli_conn.h"
#include "control/conf_parse.h"
#include "control/lexer.h"

enum {
	SLICE = 64,	      /* views that one request copies */
	TUNNELS_SLICE = 1024, /* tunnels that one request looks into */
	QUERY_TIMEOUT_S = 4,  /* control promises an answer in 2 */
	WORD_WIDTH = 20,      /* of words in help */
};

/* ---- talking to control and to the terminal -------------------------------------------------- */

bool conn_ask(struct cli_conn *conn, void (*fn)(struct core *core, nsec now, void *arg), void *arg)
{
	if (request_run(conn->env->requests, fn, arg))
		return true;
	cli_error(conn->cli, "Shutting down");
	return false;
}

bool conn_print(struct cli_conn *conn, const struct show_text *t)
{
	struct span text = span_of(t->s, t->n), line;

	while (lex_next_line(&text, &line))
		cli_print(conn->cli, "%.*s", (int)line.n, (const char *)line.p);
	return !ferror(conn->cli->client);
}

bool conn_help(struct cli_conn *conn, char **argv, int argc, const struct help_row *rows,
	       bool may_end)
{
	if (argc == 0)
		return false;
	const char *last = argv[argc - 1];
	size_t n = strlen(last);
	if (n == 0 || last[n - 1] != '?')
		return false;
	for (; rows && rows->word; rows++)
		if (n == 1 || rows->word[0] == '<' || strncmp(rows->word, last, n - 1) == 0)
			cli_print(conn->cli, "  %-*s %s", WORD_WIDTH, rows->word, rows->text);
	if (may_end || argc > 1)
		cli_print(conn->cli, "  <cr>");
	return true;
}

struct show_text *conn_text(struct cli_conn *conn)
{
	struct show_text *t = malloc(sizeof(*t));
	if (t)
		show_clear(t);
	else
		cli_error(conn->cli, "Out of memory");
	return t;
}

void conn_audit(struct cli_conn *conn, const char *command, char *const *words, int n)
{
	char line[LOG_LINE_MAX];
	int used = snprintf(line, sizeof(line), "%s", command);

	for (int i = 0; i < n && (size_t)used < sizeof(line); i++)
		used += snprintf(line + used, sizeof(line) - (size_t)used, " %s", words[i]);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7F)
			*c = '?';
	conn_log(conn->env, LOG_WARN, "cli: %s%s%s: %s", conn->user, conn->user[0] ? "@" : "",
		 conn->peer, line);
	mem_wipe(line, sizeof(line));
}

/* "SID" or "TID/SID"; *has_tid says which. */
static bool parse_session_id(const char *word, bool *has_tid, uint16_t *tid, uint16_t *sid)
{
	char first[8];
	uint64_t a, b;
	const char *slash = strchr(word, '/');

	*has_tid = slash != NULL;
	if (slash) {
		size_t n = (size_t)(slash - word);
		if (n >= sizeof(first))
			return false;
		memcpy(first, word, n);
		first[n] = '\0';
		if (!lex_number(first, &a) || a < 1 || a > UINT16_MAX)
			return false;
		*tid = (uint16_t)a;
		word = slash + 1;
	}
	if (!lex_number(word, &b) || b < 1 || b > UINT16_MAX)
		return false;
	*sid = (uint16_t)b;
	return true;
}

/* ---- slices of sessions ---------------------------------------------------------------------- */

/* Which sessions: all, those of a user, or those with an id. */
struct session_query {
	struct span user; /* n > 0: only this user's */
	bool by_sid;
	bool has_tid;
	uint16_t tid, sid;
};

struct session_slice {
	const struct session_query *query;
	uint64_t cursor;
	uint32_t tunnel_cursor;
	bool more;
	unsigned n;
	struct session_view views[SLICE];
};

static void copy_by_sid(struct core *core, nsec now, struct session_slice *s)
{
	const struct session_query *q = s->query;
	struct tunnel_view t;

	if (q->has_tid) {
		s->n = core_session_find(core, q->tid, q->sid, now, &s->views[0]) ? 1 : 0;
		s->more = false;
		return;
	}
	for (unsigned looked = 0; looked < TUNNELS_SLICE && s->n < SLICE; looked++) {
		if (!core_tunnel_next(core, &s->tunnel_cursor, now, &t)) {
			s->more = false;
			return;
		}
		if (core_session_find(core, t.tid, q->sid, now, &s->views[s->n]))
			s->n++;
	}
}

static void copy_sessions(struct core *core, nsec now, void *arg)
{
	struct session_slice *s = arg;

	s->n = 0;
	s->more = true;
	if (s->query->by_sid) {
		copy_by_sid(core, now, s);
		return;
	}
	while (s->n < SLICE && s->more) {
		struct session_view *v = &s->views[s->n];
		s->more = s->query->user.n > 0
				  ? core_session_by_user(core, s->query->user, &s->cursor, now, v)
				  : core_session_next(core, &s->cursor, now, v);
		if (s->more)
			s->n++;
	}
}

/* Calls `each` for the sessions of a query until it returns false; how many there were. */
static unsigned each_session(struct cli_conn *conn, const struct session_query *q,
			     bool (*each)(struct cli_conn *conn, const struct session_view *v,
					  void *ctx),
			     void *ctx)
{
	unsigned total = 0;
	bool go_on = true;
	struct session_slice *s = calloc(1, sizeof(*s));
	if (!s)
		return 0;
	s->query = q;
	do {
		if (!conn_ask(conn, copy_sessions, s))
			break;
		for (unsigned i = 0; i < s->n && go_on; i++, total++)
			go_on = each(conn, &s->views[i], ctx);
	} while (s->more && go_on);
	free(s);
	return total;
}

/* ---- questions to the workers ---------------------------------------------------------------- */

/*
 * A question that control passes on to a worker. On the heap, since the answer may come when this
 * thread has given up; the last of the two frees it.
 */
struct worker_query {
	pthread_mutex_t lock; /* of answered and abandoned */
	pthread_cond_t changed;
	bool answered, abandoned;
	struct sess_key key;
	uint16_t tid;
	struct msg_session_info session;
	struct msg_tunnel_info tunnel;
};

static struct worker_query *query_new(void)
{
	struct worker_query *q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&q->lock, NULL);
	return q;
}

static void query_free(struct worker_query *q)
{
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* On the control thread. */
static void query_answered(struct worker_query *q)
{
	pthread_mutex_lock(&q->lock);
	q->answered = true;
	bool abandoned = q->abandoned;
	pthread_cond_signal(&q->changed);
	pthread_mutex_unlock(&q->lock);
	if (abandoned)
		query_free(q);
}

static void session_answered(void *arg, const struct msg_session_info *info)
{
	struct worker_query *q = arg;
	q->session = *info;
	query_answered(q);
}

static void tunnel_answered(void *arg, const struct msg_tunnel_info *info)
{
	struct worker_query *q = arg;
	q->tunnel = *info;
	query_answered(q);
}

static void query_session(struct core *core, nsec now, void *arg)
{
	struct worker_query *q = arg;
	core_query_session(core, q->key, session_answered, q, now);
}

static void query_tunnel(struct core *core, nsec now, void *arg)
{
	struct worker_query *q = arg;
	core_query_tunnel(core, q->tid, tunnel_answered, q, now);
}

/* Asks and waits. False: there was no answer, and *q is no longer the caller's. */
static bool query_run(struct cli_conn *conn, struct worker_query *q,
		      void (*fn)(struct core *core, nsec now, void *arg))
{
	struct timespec until;

	if (!conn_ask(conn, fn, q)) {
		query_free(q); /* never reached control */
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += QUERY_TIMEOUT_S;
	pthread_mutex_lock(&q->lock);
	while (!q->answered)
		if (pthread_cond_timedwait(&q->changed, &q->lock, &until) != 0)
			break;
	bool answered = q->answered;
	q->abandoned = !answered;
	pthread_mutex_unlock(&q->lock);
	return answered;
}

/* ---- show session, show users ---------------------------------------------------------------- */

static bool print_session_line(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct show_text *t = ctx;
	show_clear(t);
	show_session_line(t, v);
	return conn_print(conn, t);
}

static bool print_user_line(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct show_text *t = ctx;
	show_clear(t);
	show_user_line(t, v);
	return conn_print(conn, t);
}

static bool print_session_detail(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct show_text *t = ctx;
	struct worker_query *q = query_new();
	bool answered = false;

	if (q) {
		q->key = v->key;
		answered = query_run(conn, q, query_session);
	}
	show_clear(t);
	show_session_detail(t, v, answered ? &q->session : NULL);
	show_line(t, "%s", "");
	if (answered)
		query_free(q);
	return conn_print(conn, t);
}

static const struct help_row session_help[] = {{"<1-65535>", "Show details of this session"},
					       {"<TID>/<SID>", "of this tunnel and session"},
					       {NULL, NULL}};

static void show_one_session(struct cli_conn *conn, const char *word, struct show_text *t)
{
	struct session_query q = {.by_sid = true};

	if (!parse_session_id(word, &q.has_tid, &q.tid, &q.sid))
		cli_error(conn->cli, "Invalid session id \"%s\"", word);
	else if (each_session(conn, &q, print_session_detail, t) == 0)
		cli_error(conn->cli, "Session %s is not active", word);
}

static int cmd_show_session(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, session_help, true))
		return CLI_OK;
	struct show_text *t = conn_text(conn);
	if (!t)
		return CLI_ERROR;
	for (int i = 0; i < argc; i++)
		show_one_session(conn, argv[i], t);
	if (argc == 0) {
		struct session_query all = {0};
		show_session_header(t);
		if (conn_print(conn, t))
			each_session(conn, &all, print_session_line, t);
	}
	free(t);
	return CLI_OK;
}

static const struct help_row user_help[] = {{"<NAME>", "of a user"}, {NULL, NULL}};

static int cmd_show_users(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, user_help, true))
		return CLI_OK;
	struct show_text *t = conn_text(conn);
	if (!t)
		return CLI_ERROR;
	struct session_query q = {0};
	if (argc == 0)
		each_session(conn, &q, print_user_line, t);
	for (int i = 0; i < argc; i++) {
		q.user = span_str(argv[i]);
		if (each_session(conn, &q, print_session_detail, t) == 0)
			cli_error(cli, "User %s is not connected", argv[i]);
	}
	free(t);
	return CLI_OK;
}

/* ---- show tunnels ---------------------------------------------------------------------------- */

struct tunnel_slice {
	uint32_t cursor;
	bool more;
	unsigned n;
	struct tunnel_view views[SLICE];
};

static void copy_tunnels(struct core *core, nsec now, void *arg)
{
	struct tunnel_slice *s = arg;

	s->n = 0;
	s->more = true;
	while (s->n < SLICE && s->more) {
		s->more = core_tunnel_next(core, &s->cursor, now, &s->views[s->n]);
		if (s->more)
			s->n++;
	}
}

static void show_all_tunnels(struct cli_conn *conn, bool all, struct show_text *t)
{
	struct tunnel_slice *s = calloc(1, sizeof(*s));
	if (!s)
		return;
	show_tunnel_header(t);
	while (conn_ask(conn, copy_tunnels, s)) {
		for (unsigned i = 0; i < s->n; i++)
			show_tunnel_line(t, &s->views[i], all);
		if (!conn_print(conn, t) || !s->more)
			break;
		show_clear(t);
	}
	free(s);
}

struct tunnel_find {
	uint16_t tid;
	bool found;
	struct tunnel_view view;
};

static void find_tunnel(struct core *core, nsec now, void *arg)
{
	struct tunnel_find *f = arg;
	f->found = core_tunnel_find(core, f->tid, now, &f->view);
}

/* Gathers the session ids of one tunnel, a line at a time. */
struct tunnel_sessions {
	struct show_text *t;
	uint16_t tid;
	bool first;
	unsigned n;
	uint16_t sids[16];
};

static bool flush_sids(struct cli_conn *conn, struct tunnel_sessions *l)
{
	show_clear(l->t);
	show_tunnel_sessions(l->t, l->sids, l->n, l->first);
	l->n = 0;
	l->first = false;
	return conn_print(conn, l->t);
}

static bool gather_sid(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct tunnel_sessions *l = ctx;

	if (v->key.tid != l->tid)
		return true;
	l->sids[l->n++] = v->key.sid;
	return l->n < 16 || flush_sids(conn, l);
}

static void show_one_tunnel(struct cli_conn *conn, const char *word, struct show_text *t)
{
	struct tunnel_find f = {0};
	uint64_t tid;

	if (!lex_number(word, &tid) || tid < 1 || tid > UINT16_MAX) {
		cli_error(conn->cli, "Invalid tunnel id \"%s\"", word);
		return;
	}
	f.tid = (uint16_t)tid;
	if (!conn_ask(conn, find_tunnel, &f))
		return;
	if (!f.found) {
		cli_error(conn->cli, "Tunnel %s is not active", word);
		return;
	}
	struct worker_query *q = query_new();
	if (q)
		q->tid = f.tid;
	bool answered = q && query_run(conn, q, query_tunnel);
	show_clear(t);
	show_tunnel_detail(t, &f.view, answered ? &q->tunnel : NULL);
	if (answered)
		query_free(q);
	struct session_query all = {0};
	struct tunnel_sessions l = {.t = t, .tid = f.tid, .first = true};
	if (conn_print(conn, t))
		each_session(conn, &all, gather_sid, &l);
	if (l.n > 0 || l.first)
		flush_sids(conn, &l);
	cli_print(conn->cli, "%s", "");
}

static const struct help_row tunnel_help[] = {{"all", "Include closing ones"},
					      {"<1-65535>", "Show details of this tunnel"},
					      {NULL, NULL}};

static int cmd_show_tunnels(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, tunnel_help, true))
		return CLI_OK;
	struct show_text *t = conn_text(conn);
	if (!t)
		return CLI_ERROR;
	bool all = argc == 1 && lex_is_prefix(argv[0], "all");
	if (argc == 0 || all)
		show_all_tunnels(conn, all, t);
	for (int i = 0; i < argc && !all; i++)
		show_one_tunnel(conn, argv[i], t);
	free(t);
	return CLI_OK;
}

/* ---- show pool ------------------------------------------------------------------------------- */

struct pool_slice {
	struct cli_conn *conn;
	uint64_t cursor;
	bool more;
	unsigned n;
	uint32_t used, total;
	struct ippool_view views[SLICE];
};

static void copy_pool(struct core *core, nsec now, void *arg)
{
	struct pool_slice *s = arg;
	const struct ippool *pool = s->conn->env->pool(s->conn->env->ctx);
	(void)core;

	s->n = 0;
	s->more = true;
	ippool_totals(pool, &s->used, &s->total);
	while (s->n < SLICE && s->more) {
		s->more = ippool_next(pool, &s->cursor, now, &s->views[s->n]);
		if (s->more)
			s->n++;
	}
}

static const struct help_row pool_help[] = {{"all", "Include addresses never used"}, {NULL, NULL}};

static int cmd_show_pool(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, pool_help, true))
		return CLI_OK;
	bool all = argc > 0 && lex_is_prefix(argv[0], "all");
	struct show_text *t = conn_text(conn);
	struct pool_slice *s = calloc(1, sizeof(*s));
	if (t && s) {
		s->conn = conn;
		show_pool_header(t);
		while (conn_print(conn, t) && conn_ask(conn, copy_pool, s)) {
			show_clear(t);
			for (unsigned i = 0; i < s->n; i++)
				show_pool_line(t, &s->views[i], all);
			if (!s->more) {
				show_pool_totals(t, s->used, s->total);
				conn_print(conn, t);
				break;
			}
		}
	}
	free(s);
	free(t);
	return CLI_OK;
}

/* ---- counters, version, uptime --------------------------------------------------------------- */

struct counters_ask {
	struct cli_conn *conn;
	struct counter_totals totals;
	time_t reset;
};

static void copy_counters(struct core *core, nsec now, void *arg)
{
	struct counters_ask *a = arg;
	const struct cli_env *env = a->conn->env;
	(void)core;
	(void)now;

	counter_totals_read(&a->totals, env->counters, env->n_counters, &a->conn->baseline->totals);
	a->reset = a->conn->baseline->reset;
}

static void reset_counters(struct core *core, nsec now, void *arg)
{
	struct cli_conn *conn = arg;
	(void)core;
	(void)now;

	counter_totals_read(&conn->baseline->totals, conn->env->counters, conn->env->n_counters,
			    NULL);
	conn->baseline->reset = time(NULL);
}

static int cmd_show_counters(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct counters_ask a = {.conn = conn};
	char reset[32];
	struct tm tm;
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct show_text *t = conn_text(conn);
	if (t && conn_ask(conn, copy_counters, &a)) {
		strftime(reset, sizeof(reset), "%Y-%m-%d %H:%M:%S", localtime_r(&a.reset, &tm));
		show_counters(t, &a.totals, reset);
		conn_print(conn, t);
	}
	free(t);
	return CLI_OK;
}

static int cmd_clear_counters(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (conn_ask(conn, reset_counters, conn))
		cli_print(cli, "Counters cleared");
	return CLI_OK;
}

struct about_ask {
	struct cli_conn *conn;
	struct show_text *t;
};

static void copy_about(struct core *core, nsec now, void *arg)
{
	struct about_ask *a = arg;
	struct cli_about about = {0};
	(void)core;
	(void)now;

	a->conn->env->about(a->conn->env->ctx, &about);
	show_line(a->t, "L2TPNS %s", about.version);
	show_line(a->t, "Workers: %u", about.workers);
	show_line(a->t, "Packet I/O: %s", about.io_backend);
	show_line(a->t, "Steering: %s", about.steering);
}

static int cmd_show_version(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct about_ask a = {.conn = conn, .t = conn_text(conn)};
	if (a.t && conn_ask(conn, copy_about, &a))
		conn_print(conn, a.t);
	free(a.t);
	return CLI_OK;
}

struct uptime_ask {
	struct cli_conn *conn;
	struct uptime_view view;
};

static void copy_uptime(struct core *core, nsec now, void *arg)
{
	struct uptime_ask *a = arg;
	struct core_totals totals;
	(void)now;

	core_totals(core, &totals);
	a->view.users = totals.authenticated;
	a->view.rates = *a->conn->env->rates(a->conn->env->ctx);
}

static int cmd_uptime(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct uptime_ask a = {.conn = conn};
	struct timespec mono;
	time_t wall = time(NULL);
	struct tm tm;
	char clock_text[16];
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct show_text *t = conn_text(conn);
	if (t && conn_ask(conn, copy_uptime, &a)) {
		clock_gettime(CLOCK_MONOTONIC, &mono);
		a.view.up_s = (uint64_t)(mono.tv_sec - conn->server_started.tv_sec);
		strftime(clock_text, sizeof(clock_text), "%H:%M:%S", localtime_r(&wall, &tm));
		a.view.clock = clock_text;
		if (getloadavg(a.view.load, 3) != 3)
			memset(a.view.load, 0, sizeof(a.view.load));
		show_uptime(t, &a.view);
		conn_print(conn, t);
	}
	free(t);
	return CLI_OK;
}

/* ---- show running-config, write terminal ----------------------------------------------------- */

struct config_ask {
	struct cli_conn *conn;
	bool secrets;
	FILE *out; /* in memory */
};

static void write_config_line(void *ctx, const char *text)
{
	fprintf(ctx, "%s\n", text);
}

static void copy_config(struct core *core, nsec now, void *arg)
{
	struct config_ask *a = arg;
	const struct cli_env *env = a->conn->env;
	struct conf_printer printer = {.ctx = a->out, .line = write_config_line};
	(void)core;
	(void)now;

	conf_print(env->conf(env->ctx), a->secrets, &printer);
}

/* Secrets are shown to the privileged only. */
static int cmd_show_config(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	char *bytes = NULL;
	size_t n = 0;
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct config_ask a = {.conn = conn, .out = open_memstream(&bytes, &n)};
	if (!a.out) {
		cli_error(cli, "Out of memory");
		return CLI_ERROR;
	}
	a.secrets = cli->privilege == PRIVILEGE_PRIVILEGED;
	bool ok = conn_ask(conn, copy_config, &a);
	fclose(a.out);
	struct span text = span_of(bytes, n), line;
	while (ok && lex_next_line(&text, &line))
		cli_print(cli, "%.*s", (int)line.n, (const char *)line.p);
	if (bytes)
		mem_wipe(bytes, n);
	free(bytes);
	return CLI_OK;
}

/* ---- drop ------------------------------------------------------------------------------------ */

static const struct end_reason dropped = {
	.cdn_result = 3, /* RFC 2661 4.4.2: administrative reasons */
	.cause = TERM_ADMIN_RESET,
	.text = "dropped by the administrator",
};

struct drop_ask {
	const char *user;
	uint16_t tid;
	struct sess_key key;
	unsigned done;
};

static void drop_user(struct core *core, nsec now, void *arg)
{
	struct drop_ask *a = arg;
	a->done = core_drop_user(core, span_str(a->user), &dropped, now);
}

static void drop_session(struct core *core, nsec now, void *arg)
{
	struct drop_ask *a = arg;
	a->done = core_drop_session(core, a->key, &dropped, now);
}

static void drop_tunnel(struct core *core, nsec now, void *arg)
{
	struct drop_ask *a = arg;
	a->done = core_drop_tunnel(core, a->tid, now);
}

static int cmd_drop_user(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, user_help, false))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (argc == 0)
		cli_error(cli, "Specify a user to drop");
	for (int i = 0; i < argc; i++) {
		struct drop_ask a = {.user = argv[i]};
		if (!conn_ask(conn, drop_user, &a))
			break;
		if (a.done == 0)
			cli_error(cli, "User %s is not connected", argv[i]);
		else
			cli_print(cli, "Dropping user %s (%u session%s)", argv[i], a.done,
				  a.done == 1 ? "" : "s");
	}
	return CLI_OK;
}

/* Remembers the one session with an id. */
struct only_session {
	struct sess_key key;
	unsigned n;
};

static bool remember_session(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct only_session *o = ctx;
	(void)conn;
	o->key = v->key;
	return ++o->n < 2;
}

static void drop_one_session(struct cli_conn *conn, const char *word)
{
	struct session_query q = {.by_sid = true};
	struct only_session o = {0};

	if (!parse_session_id(word, &q.has_tid, &q.tid, &q.sid)) {
		cli_error(conn->cli, "Invalid session id \"%s\"", word);
		return;
	}
	each_session(conn, &q, remember_session, &o);
	if (o.n > 1) {
		cli_error(conn->cli, "Session %s is in several tunnels, say TID/%s", word, word);
		return;
	}
	struct drop_ask a = {.key = o.key};
	if (o.n == 1 && !conn_ask(conn, drop_session, &a))
		return;
	if (a.done)
		cli_print(conn->cli, "Dropping session %s", word);
	else
		cli_error(conn->cli, "Session %s is not active", word);
}

static int cmd_drop_session(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, session_help, false))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (argc == 0)
		cli_error(cli, "Specify a session to drop");
	for (int i = 0; i < argc; i++)
		drop_one_session(conn, argv[i]);
	return CLI_OK;
}

static int cmd_drop_tunnel(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, tunnel_help + 1, false))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (argc == 0)
		cli_error(cli, "Specify a tunnel to drop");
	for (int i = 0; i < argc; i++) {
		uint64_t tid;
		struct drop_ask a = {0};
		if (!lex_number(argv[i], &tid) || tid < 1 || tid > UINT16_MAX) {
			cli_error(cli, "Invalid tunnel id \"%s\"", argv[i]);
			continue;
		}
		a.tid = (uint16_t)tid;
		if (!conn_ask(conn, drop_tunnel, &a))
			break;
		if (a.done)
			cli_print(cli, "Tunnel %u shut down", a.tid);
		else
			cli_error(cli, "Tunnel %u is not active", a.tid);
	}
	return CLI_OK;
}

/* ---- the daemon itself ----------------------------------------------------------------------- */

static void run_shutdown(struct core *core, nsec now, void *arg)
{
	struct cli_conn *conn = arg;
	(void)core;
	(void)now;
	conn->env->shutdown(conn->env->ctx);
}

static int cmd_shutdown(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (conn_ask(conn, run_shutdown, conn))
		cli_print(cli, "Shutting down, all tunnels are closed");
	return CLI_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct command_row commands[] = {
	{MODE_EXEC, "show", NULL, false, NULL},
	{MODE_EXEC, "show counters", cmd_show_counters, false, "Packets, bytes, events and drops"},
	{MODE_EXEC, "show pool", cmd_show_pool, false, "Addresses of the pool"},
	{MODE_EXEC, "show running-config", cmd_show_config, true, "Configuration in use"},
	{MODE_EXEC, "show session", cmd_show_session, false, "Sessions, or details of some"},
	{MODE_EXEC, "show tunnels", cmd_show_tunnels, false, "Tunnels, or details of some"},
	{MODE_EXEC, "show users", cmd_show_users, false, "Users, or their sessions"},
	{MODE_EXEC, "show version", cmd_show_version, false, "Version, workers, packet I/O"},
	{MODE_EXEC, "write", NULL, false, NULL},
	{MODE_EXEC, "write terminal", cmd_show_config, false, "Configuration in use"},
	{MODE_EXEC, "uptime", cmd_uptime, false, "How long it runs, and throughput"},
	{MODE_EXEC, "clear", NULL, true, NULL},
	{MODE_EXEC, "clear counters", cmd_clear_counters, true, "Set all counters to 0"},
	{MODE_EXEC, "drop", NULL, true, NULL},
	{MODE_EXEC, "drop user", cmd_drop_user, true, "End all sessions of a user"},
	{MODE_EXEC, "drop session", cmd_drop_session, true, "End a session"},
	{MODE_EXEC, "drop tunnel", cmd_drop_tunnel, true, "Close a tunnel and its sessions"},
	{MODE_EXEC, "shutdown", cmd_shutdown, true, "Close all tunnels and end"},
};

/* The command that these words name in a mode, or NULL. */
static struct cli_command *find_row(struct cli_def *cli, const char *words, size_t n, int mode)
{
	struct cli_command *c = cli->commands;

	while (c && n > 0) {
		size_t word = strcspn(words, " ");
		word = word < n ? word : n;
		while (c && (c->mode != mode || strlen(c->command) != word ||
			     strncmp(c->command, words, word) != 0))
			c = c->next;
		if (!c || word == n)
			return c;
		words += word + 1;
		n -= word + 1;
		c = c->children;
	}
	return NULL;
}

void cli_rows_register(struct cli_conn *conn, const struct command_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct command_row *r = &rows[i];
		const char *last = strrchr(r->words, ' ');
		size_t parent_len = last ? (size_t)(last - r->words) : 0;
		cli_register_command(conn->cli, find_row(conn->cli, r->words, parent_len, r->mode),
				     last ? last + 1 : r->words, r->run,
				     r->privileged ? PRIVILEGE_PRIVILEGED : PRIVILEGE_UNPRIVILEGED,
				     r->mode, r->help);
	}
}

void cli_cmd_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
	cli_config_register(conn);
}
