/*
 * What the files with commands share: asking control, slices of sessions, text and JSON to the
 * terminal, help, the audit line, and the registration of commands.
 */
#include "control/cli_conn.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "control/lexer.h"

enum {
	SLICE = 64,	      /* views that one request copies */
	TUNNELS_SLICE = 1024, /* tunnels that one request looks into */
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

/* Prints and wipes what an open_memstream() holds. */
void conn_print_memory(struct cli_conn *conn, char *bytes, size_t n)
{
	struct span text = span_of(bytes, n), line;

	while (lex_next_line(&text, &line))
		cli_print(conn->cli, "%.*s", (int)line.n, (const char *)line.p);
	if (bytes)
		mem_wipe(bytes, n);
	free(bytes);
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
	conn->json_first = conn->json_open = true;
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
	if (conn->json_errors) {
		cli_print(conn->cli, "],\"errors\":");
		conn_json(conn, conn->json_errors);
		cli_print(conn->cli, "}");
	} else {
		cli_print(conn->cli, "]}");
	}
	conn->json_errors = NULL;
	conn->json_open = false;
}

void conn_fault(struct cli_conn *conn, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conn->faults++;
	if (!conn->json_open) {
		cli_error(conn->cli, "%s", text);
		return;
	}
	if (!conn->json_errors)
		conn->json_errors = json_array();
	json_array_append_new(conn->json_errors, json_text(text, strlen(text)));
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
			if (conn->cli->privilege !=
			    PRIVILEGE_PRIVILEGED) /* nobody else's business */
				s->views[i].policy.intercept = (struct sock_addr){.port = 0};
			if (q->filter && !session_filter_match(q->filter, &s->views[i]))
				continue;
			go_on = each(conn, &s->views[i], ctx);
			total++;
		}
	} while (s->more && go_on);
	free(s);
	return total;
}

/* ---- registration ---------------------------------------------------------------------------- */

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

bool conn_is_privileged(const struct cli_conn *conn)
{
	return !ip_addr_is_set(&conn->ip) || conn->cli->privilege == PRIVILEGE_PRIVILEGED;
}

/* libcli begins every conversation unprivileged, so that for root at the UNIX socket no command
 * needs privilege. */
void cli_rows_register(struct cli_conn *conn, const struct command_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct command_row *r = &rows[i];
		const char *last = strrchr(r->words, ' ');
		size_t parent_len = last ? (size_t)(last - r->words) : 0;
		cli_register_command(conn->cli, find_row(conn->cli, r->words, parent_len, r->mode),
				     last ? last + 1 : r->words, r->run,
				     r->privileged && ip_addr_is_set(&conn->ip)
					     ? PRIVILEGE_PRIVILEGED
					     : PRIVILEGE_UNPRIVILEGED,
				     r->mode, r->help);
	}
}

/* The first words that several files have commands behind. */
static const struct command_row first_words[] = {
	{MODE_EXEC, "show", NULL, false, NULL},
	{MODE_EXEC, "write", NULL, false, NULL},
	{MODE_EXEC, "no", NULL, false, NULL},
	{MODE_EXEC, "drop", NULL, true, NULL},
};

void cli_cmd_register(struct cli_conn *conn)
{
	cli_rows_register(conn, first_words, sizeof(first_words) / sizeof(first_words[0]));
	cli_status_register(conn);
	cli_session_register(conn);
	cli_tunnel_register(conn);
	cli_config_register(conn);
	cli_files_register(conn);
	cli_info_register(conn);
	cli_service_register(conn);
	cli_bgp_register(conn);
	cli_watch_register(conn);
	cli_ping_register(conn);
	cli_workers_register(conn);
	cli_radius_register(conn);
	cli_trace_register(conn);
	cli_capture_register(conn);
}
