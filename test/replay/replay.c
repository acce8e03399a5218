/*
 * replay [-v] SCRIPT: plays a conversation between LACs, subscribers, a RADIUS server and the
 * daemon's shards and core, and checks what comes out, without sockets and in virtual time. The
 * language is described in README.md beside this file. Exit status 0: all as expected.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peers.h"

enum { SETUP_MAX = 16384, VARIABLES = 32, NESTING = 4 };

struct variable {
	char name[32], value[256];
};

struct replay {
	struct stage stage;
	struct world_conf conf;
	char text[SETUP_MAX], users[SETUP_MAX], pool[SETUP_MAX];
	struct variable variables[VARIABLES];
	unsigned n_variables;
	char folder[1024];
};

/* Where replay_fail() says it happened. One script runs in a process. */
static const char *place_file = "?";
static unsigned place_line;

void replay_fail(const char *format, ...)
{
	va_list args;
	fflush(stdout);
	fprintf(stderr, "%s:%u: ", place_file, place_line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* ---- expectations --------------------------------------------------------------------------- */

static struct variable *variable(struct replay *r, const char *name)
{
	for (unsigned i = 0; i < r->n_variables; i++)
		if (strcmp(r->variables[i].name, name) == 0)
			return &r->variables[i];
	return NULL;
}

static void variable_set(struct replay *r, const char *name, const char *value)
{
	struct variable *v = variable(r, name);
	if (!v) {
		if (r->n_variables == VARIABLES)
			replay_fail("too many variables");
		v = &r->variables[r->n_variables++];
	}
	snprintf(v->name, sizeof(v->name), "%s", name);
	snprintf(v->value, sizeof(v->value), "%s", value);
}

/* key=* is anything, key=>x keeps it as $x, key=A|B is either. */
static bool value_matches(struct replay *r, const char *want, const char *got)
{
	if (strcmp(want, "*") == 0)
		return true;
	if (want[0] == '>') {
		variable_set(r, want + 1, got);
		return true;
	}
	size_t n = strlen(got);
	for (const char *at = want; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
		if (strncmp(at, got, n) == 0 && (at[n] == 0 || at[n] == '|'))
			return true;
	return false;
}

/* Plain words must open the line in this order; keys may stand anywhere; !key must not be there. */
static bool line_matches(struct replay *r, const struct words *want, unsigned first,
			 const struct line *line)
{
	struct words got;
	unsigned plain = 0;

	if (!words_read(&got, line->text.s))
		replay_fail("a line that cannot be read: %s", line->text.s);
	for (unsigned i = first; i < want->n; i++) {
		const char *word = want->word[i];
		if (want->value[i]) {
			const char *value = words_get(&got, word);
			if (!value || !value_matches(r, want->value[i], value))
				return false;
		} else if (word[0] == '!') {
			if (words_get(&got, word + 1))
				return false;
		} else {
			if (plain >= got.n || got.value[plain] ||
			    strcmp(got.word[plain], word) != 0)
				return false;
			plain++;
		}
	}
	return true;
}

static void take_line(struct stage *s, unsigned at)
{
	free(s->lines[at]);
	s->n_lines--;
	memmove(&s->lines[at], &s->lines[at + 1], (s->n_lines - at) * sizeof(s->lines[0]));
}

/* Index of the first line that is not quiet, or n_lines. */
static unsigned first_loud(const struct stage *s)
{
	unsigned i = 0;
	while (i < s->n_lines && s->lines[i]->quiet)
		i++;
	return i;
}

static void expect_nothing(struct stage *s)
{
	unsigned i = first_loud(s);
	if (i < s->n_lines)
		replay_fail("not expected: %s", s->lines[i]->text.s);
	while (s->n_lines)
		take_line(s, 0);
}

static bool is_quiet_word(const char *word)
{
	return strcmp(word, "ZLB") == 0 || strcmp(word, "route") == 0 || strcmp(word, "log") == 0;
}

static void expect(struct replay *r, const struct words *w, bool anywhere)
{
	struct stage *s = &r->stage;
	bool quiet = w->n > 1 && is_quiet_word(w->word[1]);

	if (w->n < 2)
		replay_fail("expect what?");
	if (strcmp(w->word[1], "nothing") == 0) {
		expect_nothing(s);
		return;
	}
	for (unsigned i = quiet || anywhere ? 0 : first_loud(s); i < s->n_lines; i++) {
		if (line_matches(r, w, 1, s->lines[i])) {
			take_line(s, i);
			return;
		}
		if (!quiet && !anywhere)
			replay_fail("expected something else than: %s", s->lines[i]->text.s);
	}
	for (unsigned i = 0; i < s->n_lines; i++)
		fprintf(stderr, "there is: %s\n", s->lines[i]->text.s);
	replay_fail("expected, but it did not come");
}

/* ---- commands ------------------------------------------------------------------------------- */

static int64_t duration(const char *text)
{
	char *end;
	double v = strtod(text, &end);
	if (strcmp(end, "s") == 0)
		return (int64_t)(v * 1e9);
	if (strcmp(end, "ms") == 0)
		return (int64_t)(v * 1e6);
	if (strcmp(end, "h") == 0)
		return (int64_t)(v * 3600e9);
	replay_fail("%s is not a duration (s, ms, h)", text);
}

/* $x in values becomes what was kept. */
static void fill_in(struct replay *r, struct words *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (!w->value[i] || w->value[i][0] != '$')
			continue;
		struct variable *v = variable(r, w->value[i] + 1);
		if (!v)
			replay_fail("%s was never set", w->value[i]);
		w->value[i] = v->value;
	}
}

static void append(char *to, const char *format, const char *value)
{
	size_t n = strlen(to);
	snprintf(to + n, SETUP_MAX - n, format, value);
}

/* The rest of a line behind its first word. */
static const char *rest_of(const char *line)
{
	line += strspn(line, " \t");
	line += strcspn(line, " \t");
	return line + strspn(line, " \t");
}

static bool setup_command(struct replay *r, const struct words *w, const char *line)
{
	const char *word = w->word[0];
	bool known = true;

	if (strcmp(word, "set") == 0)
		append(r->text, "set %s\n", rest_of(line));
	else if (strcmp(word, "user") == 0)
		append(r->users, "%s\n", rest_of(line));
	else if (strcmp(word, "pool") == 0)
		append(r->pool, "%s\n", rest_of(line));
	else if (strcmp(word, "workers") == 0 && w->n == 2)
		r->conf.n_workers = (unsigned)strtoul(w->word[1], NULL, 0);
	else if (strcmp(word, "misdirect") == 0)
		r->conf.misdirect = true;
	else
		known = false;
	if (known && r->stage.world)
		replay_fail("%s comes before the conversation", word);
	return known;
}

/* Settings that let a script see only what it is about; it can set them again. */
static const char *const defaults = "set hostname lns\n"
				    "set iftun_address 10.255.0.1\n"
				    "set hello_interval 0\n"
				    "set echo_timeout 0\n"
				    "set idle_echo_timeout 0\n"
				    "set radius_secret radsecret\n";

static void begin(struct replay *r)
{
	if (r->stage.world)
		return;
	char all[SETUP_MAX + 512];
	snprintf(all, sizeof(all), "%s%s", defaults, r->text);
	r->conf.text = all;
	r->conf.users = r->users;
	r->conf.pool = r->pool;
	struct world_out out = stage_out(&r->stage);
	snprintf(r->stage.radius_secret, sizeof(r->stage.radius_secret), "radsecret");
	r->stage.world = world_new(&r->conf, &out);
}

static void peer_set(struct replay *r, struct peer *p, const struct words *w)
{
	if (words_get(w, "addr") &&
	    !ip_addr_parse(span_str(words_get(w, "addr")), &p->path.peer.ip))
		replay_fail("not an address");
	p->path.peer.port = (uint16_t)words_num(w, "port", p->path.peer.port);
	p->path.local = (uint8_t)words_num(w, "local", p->path.local);
	p->tid = (uint16_t)words_num(w, "tid", p->tid);
	p->ns = (uint16_t)words_num(w, "ns", p->ns);
	p->nr = (uint16_t)words_num(w, "nr", p->nr);
	p->lns_tid = (uint16_t)words_num(w, "lns_tid", p->lns_tid);
	if (words_get(w, "secret"))
		snprintf(p->secret, sizeof(p->secret), "%s", words_get(w, "secret"));
	if (words_get(w, "autoack"))
		p->auto_ack = words_num(w, "autoack", 1) != 0;
	if (words_get(w, "loses"))
		p->loses = words_num(w, "loses", 0) != 0;
	stage_react(&r->stage);
}

static bool subscriber_number(const struct stage *s, const char *name, uint64_t *out)
{
	for (unsigned i = s->n_peers; i-- > 0;)
		for (unsigned k = s->peers[i].n_calls; k-- > 0;) {
			const struct subscriber *sub = s->peers[i].calls[k].subscriber;
			if (!sub)
				continue;
			const struct {
				const char *name;
				uint64_t value;
			} rows[] = {{"sub_up", sub_up(sub)},
				    {"sub_refused", sub->refused},
				    {"sub_terminated", sub->terminated},
				    {"sub_authed", sub->authed},
				    {"sub_echoes", sub->echoes},
				    {"sub_restarts", sub->restarts},
				    {"sub_lcp", sub_lcp_open(sub)},
				    {"sub_chap_answers", sub->answers}};
			for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++)
				if (strcmp(rows[n].name, name) == 0) {
					*out = rows[n].value;
					return true;
				}
		}
	return false;
}

static void check(struct replay *r, const struct words *w)
{
	for (unsigned i = 1; i < w->n; i++) {
		uint64_t got;
		if (!w->value[i] || (!subscriber_number(&r->stage, w->word[i], &got) &&
				     !world_number(r->stage.world, w->word[i], &got)))
			replay_fail("nothing is called %s", w->word[i]);
		if (strtoull(w->value[i], NULL, 0) != got)
			replay_fail("%s is %llu, not %s", w->word[i], (unsigned long long)got,
				    w->value[i]);
	}
}

/* route ADDRESS leads|none */
static void check_route(struct replay *r, const struct words *w)
{
	struct ip_addr ip;
	if (w->n != 3 || !ip_addr_parse(span_str(w->word[1]), &ip))
		replay_fail("route ADDRESS leads|none");
	bool leads = world_route(r->stage.world, &ip) != 0;
	if (leads != (strcmp(w->word[2], "leads") == 0))
		replay_fail("the route to %s %s", w->word[1], leads ? "is there" : "is not there");
}

static void drop(struct replay *r, const struct words *w)
{
	bool found = false;
	if (words_get(w, "user"))
		found = world_drop_user(r->stage.world, words_get(w, "user")) > 0;
	else if (words_get(w, "tunnel"))
		found = world_drop_tunnel(r->stage.world,
					  stage_peer(&r->stage, words_get(w, "tunnel"))->lns_tid);
	if (!found)
		replay_fail("there is nothing to drop");
	stage_react(&r->stage);
}

static void forget_lines(struct stage *s)
{
	while (s->n_lines)
		take_line(s, 0);
}

static void ignore(struct stage *s, const char *what)
{
	if (s->n_ignore == sizeof(s->ignore) / sizeof(s->ignore[0]))
		replay_fail("too much to ignore");
	snprintf(s->ignore[s->n_ignore++], sizeof(s->ignore[0]), "%s", what);
}

static void peer_command(struct replay *r, struct words *w)
{
	struct stage *s = &r->stage;

	if (w->n < 3 || strcmp(w->word[1], ">") != 0)
		replay_fail("no such command: %s", w->word[0]);
	expect_nothing(s);
	if (strcmp(w->word[0], "radius") == 0)
		stage_answer_radius(s, w);
	else
		stage_send(s, stage_peer(s, w->word[0]), w, 2);
}

static void run_file(struct replay *r, const char *name, unsigned depth);

static void run_line(struct replay *r, const char *line, unsigned depth);

static void repeat(struct replay *r, const char *line, unsigned depth)
{
	char *end;
	unsigned long n = strtoul(rest_of(line), &end, 0);
	for (unsigned long i = 0; i < n; i++)
		run_line(r, end, depth);
}

static void command(struct replay *r, struct words *w, const char *line, unsigned depth)
{
	struct stage *s = &r->stage;
	const char *word = w->word[0];

	if (strcmp(word, "include") == 0 && w->n == 2)
		run_file(r, w->word[1], depth + 1);
	else if (strcmp(word, "repeat") == 0)
		repeat(r, line, depth);
	else if (setup_command(r, w, line))
		return;
	else if (begin(r), strcmp(word, "expect") == 0)
		expect(r, w, false);
	else if (strcmp(word, "find") == 0)
		expect(r, w, true);
	else if (strcmp(word, "advance") == 0 && w->n == 2)
		expect_nothing(s), stage_advance(s, duration(w->word[1]));
	else if (strcmp(word, "skip") == 0)
		forget_lines(s);
	else if (strcmp(word, "ignore") == 0)
		ignore(s, rest_of(line));
	else if (strcmp(word, "check") == 0)
		check(r, w);
	else if (strcmp(word, "route") == 0)
		check_route(r, w);
	else if (strcmp(word, "drop") == 0)
		drop(r, w);
	else if (strcmp(word, "shutdown") == 0)
		world_shutdown(s->world), stage_react(s);
	else if (strcmp(word, "peer") == 0 && w->n >= 2)
		peer_set(r, stage_peer(s, w->word[1]), w);
	else if (strcmp(word, "subscriber") == 0 && w->n >= 2)
		stage_subscribe(s, peer_call(stage_peer(s, w->word[1]), words_num(w, "call", 0)),
				w);
	else
		peer_command(r, w);
}

static void run_line(struct replay *r, const char *line, unsigned depth)
{
	struct words w;
	if (!words_read(&w, line))
		replay_fail("cannot be read");
	if (w.n == 0)
		return;
	if (r->stage.verbose)
		printf("%.*s\n", (int)strcspn(line, "\n"), line);
	fill_in(r, &w);
	command(r, &w, line, depth);
}

static void run_file(struct replay *r, const char *name, unsigned depth)
{
	char path[2048], line[TEXT_LINE / 2];
	const char *outer_file = place_file;
	unsigned outer_line = place_line;

	if (depth > NESTING)
		replay_fail("includes itself");
	snprintf(path, sizeof(path), "%s%s", depth ? r->folder : "", name);
	FILE *f = fopen(path, "r");
	if (!f)
		replay_fail("%s cannot be opened", path);
	place_file = name;
	place_line = 0;
	while (fgets(line, sizeof(line), f)) {
		place_line++;
		line[strcspn(line, "\n")] = 0;
		run_line(r, line, depth);
	}
	fclose(f);
	if (depth == 0)
		begin(r), expect_nothing(&r->stage);
	place_file = outer_file;
	place_line = outer_line;
}

int main(int argc, char **argv)
{
	static struct replay r = {.conf = {.n_workers = 2}};
	r.stage.verbose = argc == 3 && strcmp(argv[1], "-v") == 0;
	if (argc != 2 && !r.stage.verbose) {
		fprintf(stderr, "usage: %s [-v] SCRIPT\n", argv[0]);
		return 2;
	}
	const char *script = argv[argc - 1], *slash = strrchr(script, '/');
	if (slash)
		snprintf(r.folder, sizeof(r.folder), "%.*s", (int)(slash - script + 1), script);
	run_file(&r, script, 0);
	stage_free(&r.stage);
	return 0;
}
