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

bool conn_json(struct cli_conn *conn, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (text)
		cli_print(conn->cli, "%s", text);
	else
		cli_error(conn->cli, "Out of memory");
	if (text)
		mem_wipe(text, strlen(text));
	free(text);
	json_decref(json);
	return !ferror(conn->cli->client);
}

void conn_json_begin(struct cli_conn *conn, const char *name)
{
	cli_print(conn->cli, "{\"%s\":[", name);
	conn->json_first = true;
}

bool conn_json_item(struct cli_conn *conn, json_t *json)
{
	if (!conn->json_first)
		cli_print(conn->cli, ",");
	conn->json_first = false;
	return conn_json(conn, json);
}

void conn_json_end(struct cli_conn *conn)
{
	cli_print(conn->cli, "]}");
}

bool conn_wants_json(char **argv, int *argc)
{
	if (*argc == 0 || strcmp(argv[*argc - 1], "json") != 0)
		return false;
	(*argc)--;
	return true;
}

bool conn_session_id(const char *word, struct session_query *q)
{
	char first[8];
	uint64_t a, b;
	const char *slash = strchr(word, '/');

	q->by_sid = true;
	q->has_tid = slash != NULL;
	if (slash) {
		size_t n = (size_t)(slash - word);
		if (n >= sizeof(first))
			return false;
		memcpy(first, word, n);
		first[n] = '\0';
		if (!lex_number(first, &a) || a < 1 || a > UINT16_MAX)
			return false;
		q->tid = (uint16_t)a;
		word = slash + 1;
	}
	if (!lex_number(word, &b) || b < 1 || b > UINT16_MAX)
		return false;
	q->sid = (uint16_t)b;
	return true;
}

/* ---- slices of sessions ---------------------------------------------------------------------- */

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
	if (ip_addr_is_set(&s->query->ip)) {
		s->n = core_session_by_ip(core, &s->query->ip, now, &s->views[0]) ? 1 : 0;
		s->more = false;
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

unsigned conn_each_session(struct cli_conn *conn, const struct session_query *q,
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
		for (unsigned i = 0; i < s->n && go_on; i++) {
			if (q->filter && !session_filter_match(q->filter, &s->views[i]))
				continue;
			go_on = each(conn, &s->views[i], ctx);
			total++;
		}
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

/* How sessions are shown. */
struct session_output {
	struct show_text *t;
	bool json, detail;
};

/* What only the session's worker knows; NULL, or to be given to query_free(). */
static struct worker_query *ask_worker(struct cli_conn *conn, struct sess_key key)
{
	struct worker_query *q = query_new();
	if (!q)
		return NULL;
	q->key = key;
	return query_run(conn, q, query_session) ? q : NULL;
}

static bool print_session(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct session_output *out = ctx;
	struct worker_query *q = out->detail ? ask_worker(conn, v->key) : NULL;
	const struct msg_session_info *info = q ? &q->session : NULL;
	bool go_on;

	show_clear(out->t);
	if (out->json) {
		go_on = conn_json_item(conn, json_session(v, info));
	} else {
		if (out->detail) {
			show_session_detail(out->t, v, info);
			show_line(out->t, "%s", "");
		} else {
			show_session_line(out->t, v);
		}
		go_on = conn_print(conn, out->t);
	}
	if (q)
		query_free(q);
	return go_on;
}

static bool print_user_line(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct session_output *out = ctx;

	if (out->json)
		return !v->authenticated || conn_json_item(conn, json_text(v->user, v->user_len));
	show_clear(out->t);
	show_user_line(out->t, v);
	return conn_print(conn, out->t);
}

static const struct help_row session_help[] = {
	{"<1-65535>", "Show details of this session"},
	{"<TID>/<SID>", "of this tunnel and session"},
	{"user", "<NAME> only sessions of a user"},
	{"ip", "<ADDRESS> only the session with an address"},
	{"tunnel", "<TID> only sessions of a tunnel"},
	{"calling", "<NUMBER> only calls from numbers that begin so"},
	{"state", "opening, up or dying"},
	{"detail", "Details instead of a line each"},
	{"json", "As JSON"},
	{NULL, NULL}};

static void show_one_session(struct cli_conn *conn, const char *word, struct session_output *out)
{
	struct session_query q = {0};

	out->detail = true;
	if (!conn_session_id(word, &q))
		cli_error(conn->cli, "Invalid session id \"%s\"", word);
	else if (conn_each_session(conn, &q, print_session, out) == 0)
		cli_error(conn->cli, "Session %s is not active", word);
}

/* The query that finds them with the least work. */
static void show_filtered(struct cli_conn *conn, const struct session_filter *f,
			  struct session_output *out)
{
	struct session_query q = {.filter = f, .ip = f->ip};

	if (f->user && !ip_addr_is_set(&f->ip))
		q.user = span_str(f->user);
	out->detail = f->detail;
	show_session_header(out->t);
	if (out->json || out->detail || conn_print(conn, out->t))
		conn_each_session(conn, &q, print_session, out);
}

static void show_sessions(struct cli_conn *conn, char **argv, int argc, struct session_output *out)
{
	struct session_filter f;
	char reason[96];

	if (argc == 0 || strspn(argv[0], "0123456789/") == 0) {
		if (session_filter_parse(&f, argv, argc, reason))
			show_filtered(conn, &f, out);
		else
			cli_error(conn->cli, "Invalid session id %s", reason);
		return;
	}
	if (argc > 1 && lex_is_prefix(argv[argc - 1], "detail"))
		argc--; /* ids show details anyway */
	for (int i = 0; i < argc; i++)
		show_one_session(conn, argv[i], out);
}

static int cmd_show_session(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, session_help, true))
		return CLI_OK;
	struct session_output out = {.json = conn_wants_json(argv, &argc), .t = conn_text(conn)};
	if (!out.t)
		return CLI_ERROR;
	if (out.json)
		conn_json_begin(conn, "sessions");
	show_sessions(conn, argv, argc, &out);
	if (out.json)
		conn_json_end(conn);
	free(out.t);
	return CLI_OK;
}

static const struct help_row user_help[] = {{"<NAME>", "of a user"}, {NULL, NULL}};

static int cmd_show_users(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, user_help, true))
		return CLI_OK;
	struct session_output out = {
		.json = conn_wants_json(argv, &argc), .t = conn_text(conn), .detail = true};
	if (!out.t)
		return CLI_ERROR;
	struct session_query q = {0};
	if (out.json)
		conn_json_begin(conn, argc ? "sessions" : "users");
	if (argc == 0)
		conn_each_session(conn, &q, print_user_line, &out);
	for (int i = 0; i < argc; i++) {
		q.user = span_str(argv[i]);
		if (conn_each_session(conn, &q, print_session, &out) == 0)
			cli_error(cli, "User %s is not connected", argv[i]);
	}
	if (out.json)
		conn_json_end(conn);
	free(out.t);
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

static void print_tunnels_json(struct cli_conn *conn, const struct tunnel_slice *s, bool all)
{
	for (unsigned i = 0; i < s->n; i++)
		if (all || s->views[i].state == TUNNEL_OPEN || s->views[i].state == TUNNEL_OPENING)
			conn_json_item(conn, json_tunnel(&s->views[i], NULL));
}

static void show_all_tunnels_json(struct cli_conn *conn, bool all)
{
	struct tunnel_slice *s = calloc(1, sizeof(*s));
	if (!s)
		return;
	while (conn_ask(conn, copy_tunnels, s)) {
		print_tunnels_json(conn, s, all);
		if (!s->more)
			break;
	}
	free(s);
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

static void show_one_tunnel(struct cli_conn *conn, const char *word, struct show_text *t, bool json)
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
	if (json) {
		conn_json_item(conn, json_tunnel(&f.view, answered ? &q->tunnel : NULL));
		if (answered)
			query_free(q);
		return;
	}
	show_clear(t);
	show_tunnel_detail(t, &f.view, answered ? &q->tunnel : NULL);
	if (answered)
		query_free(q);
	struct session_query all = {0};
	struct tunnel_sessions l = {.t = t, .tid = f.tid, .first = true};
	if (conn_print(conn, t))
		conn_each_session(conn, &all, gather_sid, &l);
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
	bool json = conn_wants_json(argv, &argc);
	bool all = argc == 1 && lex_is_prefix(argv[0], "all");
	if (json)
		conn_json_begin(conn, "tunnels");
	if ((argc == 0 || all) && json)
		show_all_tunnels_json(conn, all);
	else if (argc == 0 || all)
		show_all_tunnels(conn, all, t);
	for (int i = 0; i < argc && !all; i++)
		show_one_tunnel(conn, argv[i], t, json);
	if (json)
		conn_json_end(conn);
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

static void show_pool_text(struct cli_conn *conn, struct pool_slice *s, struct show_text *t,
			   bool all)
{
	show_pool_header(t);
	while (conn_print(conn, t) && conn_ask(conn, copy_pool, s)) {
		show_clear(t);
		for (unsigned i = 0; i < s->n; i++)
			show_pool_line(t, &s->views[i], all);
		if (!s->more) {
			show_pool_totals(t, s->used, s->total);
			conn_print(conn, t);
			return;
		}
	}
}

static void show_pool_json(struct cli_conn *conn, struct pool_slice *s, bool all)
{
	conn_json_begin(conn, "pool");
	while (conn_ask(conn, copy_pool, s)) {
		for (unsigned i = 0; i < s->n; i++)
			if (all || s->views[i].used || s->views[i].user_len)
				conn_json_item(conn, json_pool(&s->views[i]));
		if (!s->more)
			break;
	}
	conn_json_end(conn);
}

static const struct help_row pool_help[] = {{"all", "Include addresses never used"}, {NULL, NULL}};

static int cmd_show_pool(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, pool_help, true))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	bool all = argc > 0 && lex_is_prefix(argv[0], "all");
	struct show_text *t = conn_text(conn);
	struct pool_slice *s = calloc(1, sizeof(*s));
	if (t && s) {
		s->conn = conn;
		if (json)
			show_pool_json(conn, s, all);
		else
			show_pool_text(conn, s, t, all);
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
		if (conn_wants_json(argv, &argc))
			conn_json(conn, json_counters(&a.totals, reset));
		else
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
	json_t *json;
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
	a->json =
		json_pack("{ss,si,ss,ss}", "version", about.version, "workers", (int)about.workers,
			  "packet_io", about.io_backend, "steering", about.steering);
}

static int cmd_show_version(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct about_ask a = {.conn = conn, .t = conn_text(conn)};
	if (a.t && conn_ask(conn, copy_about, &a)) {
		if (conn_wants_json(argv, &argc))
			conn_json(conn, json_incref(a.json));
		else
			conn_print(conn, a.t);
	}
	json_decref(a.json);
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
		if (conn_wants_json(argv, &argc))
			conn_json(conn, json_uptime(&a.view));
		else
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
	bool want_json;
	json_t *json;
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

	if (a->want_json)
		a->json = json_conf(env->conf(env->ctx), a->secrets);
	else
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
	a.want_json = conn_wants_json(argv, &argc);
	bool ok = conn_ask(conn, copy_config, &a);
	fclose(a.out);
	if (ok && a.want_json)
		conn_json(conn, a.json);
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
	struct session_query q = {0};
	struct only_session o = {0};

	if (!conn_session_id(word, &q)) {
		cli_error(conn->cli, "Invalid session id \"%s\"", word);
		return;
	}
	conn_each_session(conn, &q, remember_session, &o);
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
	cli_info_register(conn);
	cli_bgp_register(conn);
	cli_watch_register(conn);
}
