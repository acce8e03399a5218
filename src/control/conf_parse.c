#include "control/conf_parse_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "control/conf_radius.h"

struct command {
	enum conf_block block;
	const char *words[4]; /* NULL-terminated */
	unsigned args_min, args_max;
	conf_run *run;
	const char *usage;
};

void conf_parse_say(struct conf_parser *p, uint32_t line, enum conf_severity severity,
		    const char *format, ...)
{
	char text[CONF_REASON_TEXT + 64];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (severity == CONF_ERROR && line == p->line)
		p->seen.kind = CONF_LINE_BAD;
	p->report->say(p->report->ctx, line, severity, text);
}

/* ---- set ------------------------------------------------------------------------------------- */

static void set_variable(struct conf_parser *p, const struct conf_var *v, const char *value)
{
	char reason[CONF_REASON_TEXT];

	if (!conf_set(p->conf, v, value, reason)) {
		ERROR(p, "%s", reason);
		return;
	}
	p->set_at[v - conf_vars] = p->line;
	p->seen.kind = CONF_LINE_SET;
	p->seen.var = v;
	if (!v->done && !conf_is_default(p->conf, v))
		WARNING(p, "%s has no effect yet", v->name);
}

static void set_old_name(struct conf_parser *p, const struct conf_old_name *old, const char *value)
{
	if (old->replacement[0] == '\0') {
		WARNING(p, "%s is a name of older releases and has no effect: %s", old->name,
			old->why);
		return;
	}
	WARNING(p, "%s is now called %s: %s", old->name, old->replacement, old->why);
	const struct conf_var *v = conf_var_find(old->replacement);
	LNS_ASSERT(v != NULL);
	set_variable(p, v, value);
}

static void run_set(struct conf_parser *p, const struct lex_line *line, const char *const *args,
		    unsigned n_args)
{
	(void)line;
	(void)n_args;
	const struct conf_var *v = conf_var_find(args[0]);
	const struct conf_old_name *old = v ? NULL : conf_old_name_find(args[0]);

	if (v)
		set_variable(p, v, args[1]);
	else if (old)
		set_old_name(p, old, args[1]);
	else
		ERROR(p, "unknown variable \"%.40s\"", args[0]);
}

static void run_no_set(struct conf_parser *p, const struct lex_line *line, const char *const *args,
		       unsigned n_args)
{
	(void)line;
	(void)n_args;
	char reason[CONF_REASON_TEXT];
	const struct conf_var *v = conf_var_find(args[0]);

	if (!v) {
		ERROR(p, "unknown variable \"%.40s\"", args[0]);
		return;
	}
	bool ok = conf_set(p->conf, v, v->def, reason);
	LNS_ASSERT(ok);
	p->set_at[v - conf_vars] = p->line;
}

/* ---- plugins --------------------------------------------------------------------------------- */

static int plugin_find(const struct conf *c, const char *name)
{
	for (int i = 0; i < c->n_plugins; i++)
		if (strcmp(c->plugins[i], name) == 0)
			return i;
	return -1;
}

/* Of a file NAME.so in the plugins' directory, which needs no quotes where it is printed. */
static bool is_plugin_name(const char *name)
{
	size_t n =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-");

	return n > 0 && n < CONF_PLUGIN_NAME && name[n] == '\0';
}

static void run_load_plugin(struct conf_parser *p, const struct lex_line *line,
			    const char *const *args, unsigned n_args)
{
	(void)line;
	(void)n_args;
	struct conf *c = p->conf;

	if (!is_plugin_name(args[0])) {
		ERROR(p, "not the name of a plugin: \"%.40s\"", args[0]);
	} else if (plugin_find(c, args[0]) >= 0) {
		ERROR(p, "plugin %s is loaded already", args[0]);
	} else if (c->n_plugins == CONF_PLUGINS_MAX) {
		ERROR(p, "more than %d plugins", CONF_PLUGINS_MAX);
	} else {
		memcpy(c->plugins[c->n_plugins++], args[0], strlen(args[0]) + 1);
		p->seen.kind = CONF_LINE_PLUGIN;
	}
}

static void run_remove_plugin(struct conf_parser *p, const struct lex_line *line,
			      const char *const *args, unsigned n_args)
{
	(void)line;
	(void)n_args;
	struct conf *c = p->conf;
	int i = plugin_find(c, args[0]);

	if (i < 0) {
		ERROR(p, "plugin \"%.40s\" is not loaded", args[0]);
		return;
	}
	c->n_plugins--;
	memmove(c->plugins[i], c->plugins[i + 1], (size_t)(c->n_plugins - i) * CONF_PLUGIN_NAME);
	memset(c->plugins[c->n_plugins], 0, CONF_PLUGIN_NAME);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void run_exit(struct conf_parser *p, const struct lex_line *line, const char *const *args,
		     unsigned n_args)
{
	(void)line;
	(void)args;
	(void)n_args;
	if (p->block == CONF_BLOCK_NONE)
		p->stop = true;
	else
		p->seen.kind = CONF_LINE_MEMBER;
	p->block = CONF_BLOCK_NONE;
}

static void run_quit(struct conf_parser *p, const struct lex_line *line, const char *const *args,
		     unsigned n_args)
{
	(void)line;
	(void)args;
	(void)n_args;
	p->stop = true;
	WARNING(p, "the rest of the file is not read");
}

static void run_nothing(struct conf_parser *p, const struct lex_line *line, const char *const *args,
			unsigned n_args)
{
	(void)p;
	(void)line;
	(void)args;
	(void)n_args;
}

static const struct command commands[] = {
	{CONF_BLOCK_NONE,
	 {"set"},
	 2,
	 2,
	 run_set,
	 "set VARIABLE VALUE (quote a value of several words)"},
	{CONF_BLOCK_NONE, {"no", "set"}, 1, 1, run_no_set, "no set VARIABLE"},
	{CONF_BLOCK_NONE, {"no", "setforward"}, 1, 1, conf_run_no_setforward, "no setforward MASK"},
	{CONF_BLOCK_NONE, {"no", "router", "bgp"}, 0, 1, conf_run_no_router_bgp, "no router bgp"},
	{CONF_BLOCK_NONE,
	 {"setforward"},
	 4,
	 4,
	 conf_run_setforward,
	 "setforward MASK IP PORT SECRET"},
	{CONF_BLOCK_NONE, {"load", "plugin"}, 1, 1, run_load_plugin, "load plugin NAME"},
	{CONF_BLOCK_NONE, {"remove", "plugin"}, 1, 1, run_remove_plugin, "remove plugin NAME"},
	{CONF_BLOCK_NONE, {"no", "load", "plugin"}, 1, 1, run_remove_plugin, "no load plugin NAME"},
	{CONF_BLOCK_NONE, {"router", "bgp"}, 1, 1, conf_run_router_bgp, "router bgp AS"},
	{CONF_BLOCK_NONE,
	 {"ip", "access-list"},
	 2,
	 2,
	 conf_run_access_list,
	 "ip access-list standard|extended NAME"},
	{CONF_BLOCK_NONE,
	 {"no", "ip", "access-list"},
	 2,
	 2,
	 conf_run_no_access_list,
	 "no ip access-list standard|extended NAME"},
	{CONF_BLOCK_NONE, {"exit"}, 0, 0, run_exit, "exit"},
	{CONF_BLOCK_NONE, {"quit"}, 0, 0, run_quit, "quit"},
	{CONF_BLOCK_NONE, {"logout"}, 0, 0, run_quit, "logout"},
	{CONF_BLOCK_NONE, {"help"}, 0, 0, run_nothing, "help"},
	{CONF_BLOCK_NONE, {"history"}, 0, 0, run_nothing, "history"},
	{CONF_BLOCK_BGP,
	 {"neighbour"},
	 3,
	 LEX_WORDS_MAX,
	 conf_run_neighbour,
	 "neighbour PEER ATTRIBUTE VALUE"},
	{CONF_BLOCK_BGP, {"bgp", "router-id"}, 1, 1, conf_run_router_id, "bgp router-id A.B.C.D"},
	{CONF_BLOCK_BGP, {"bgp", "aggregate"}, 1, 1, conf_run_aggregate, "bgp aggregate yes|no"},
	{CONF_BLOCK_BGP, {"network"}, 1, 1, conf_run_network, "network PREFIX"},
	{CONF_BLOCK_BGP, {"no", "network"}, 1, 1, conf_run_no_network, "no network PREFIX"},
	{CONF_BLOCK_BGP, {"no", "neighbour"}, 1, 1, conf_run_no_neighbour, "no neighbour PEER"},
	{CONF_BLOCK_BGP, {"exit"}, 0, 0, run_exit, "exit"},
	{CONF_BLOCK_ACL, {"permit"}, 1, LEX_WORDS_MAX, conf_run_rule, "permit RULE"},
	{CONF_BLOCK_ACL, {"deny"}, 1, LEX_WORDS_MAX, conf_run_rule, "deny RULE"},
	{CONF_BLOCK_ACL, {"no", "permit"}, 1, LEX_WORDS_MAX, conf_run_no_rule, "no permit RULE"},
	{CONF_BLOCK_ACL, {"no", "deny"}, 1, LEX_WORDS_MAX, conf_run_no_rule, "no deny RULE"},
	{CONF_BLOCK_ACL, {"exit"}, 0, 0, run_exit, "exit"},
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

enum match { MATCH_NONE, MATCH_ONE, MATCH_INCOMPLETE, MATCH_AMBIGUOUS };

struct lookup {
	enum match match;
	const struct command *command;
	unsigned depth; /* words that name the command, or that were understood */
};

/* American and, in old files, mistyped spellings of the one keyword that has them. */
static const char *usual_spelling(const char *word)
{
	return lex_equal_nocase(word, "neighbor") || lex_equal_nocase(word, "neighbout")
		       ? "neighbour"
		       : word;
}

/* Keeps the candidates whose word at `depth` is meant by `word`; how many keywords those are. */
static unsigned narrow(bool *in, unsigned depth, const char *word)
{
	const char *exact = NULL, *first = NULL;
	unsigned keywords = 0;

	for (unsigned i = 0; i < N_COMMANDS; i++)
		if (in[i] && lex_equal_nocase(word, commands[i].words[depth]))
			exact = commands[i].words[depth];
	for (unsigned i = 0; i < N_COMMANDS; i++) {
		if (!in[i])
			continue;
		const char *keyword = commands[i].words[depth];
		in[i] = exact ? strcmp(keyword, exact) == 0 : lex_is_prefix(word, keyword);
		if (in[i] && (!first || strcmp(first, keyword) != 0)) {
			first = keyword;
			keywords++;
		}
	}
	return keywords;
}

static struct lookup find_command(enum conf_block block, const struct lex_line *line)
{
	bool in[N_COMMANDS];

	for (unsigned i = 0; i < N_COMMANDS; i++)
		in[i] = commands[i].block == block;
	for (unsigned depth = 0; depth < line->n; depth++) {
		unsigned keywords = narrow(in, depth, usual_spelling(line->word[depth]));
		if (keywords == 0)
			return (struct lookup){MATCH_NONE, NULL, depth};
		if (keywords > 1)
			return (struct lookup){MATCH_AMBIGUOUS, NULL, depth};
		/* No command's words begin another's: a complete one is alone. */
		for (unsigned i = 0; i < N_COMMANDS; i++)
			if (in[i] && !commands[i].words[depth + 1])
				return (struct lookup){MATCH_ONE, &commands[i], depth + 1};
	}
	return (struct lookup){MATCH_INCOMPLETE, NULL, line->n};
}

static void run_line(struct conf_parser *p, const struct lex_line *line)
{
	struct lookup l = find_command(p->block, line);

	if (l.match == MATCH_NONE && p->block != CONF_BLOCK_NONE) {
		/* A command of the file itself leaves the block. */
		struct lookup outer = find_command(CONF_BLOCK_NONE, line);
		if (outer.match == MATCH_ONE) {
			p->block = CONF_BLOCK_NONE;
			l = outer;
		}
	}
	switch (l.match) {
	case MATCH_NONE:
		ERROR(p, "unknown command \"%.40s\"", line->word[l.depth]);
		return;
	case MATCH_AMBIGUOUS:
		ERROR(p, "ambiguous command \"%.40s\"", line->word[l.depth]);
		return;
	case MATCH_INCOMPLETE:
		ERROR(p, "incomplete command");
		return;
	case MATCH_ONE:
		break;
	}
	unsigned n_args = line->n - l.depth;
	if (p->block != CONF_BLOCK_NONE)
		p->seen.kind = CONF_LINE_MEMBER;
	if (n_args < l.command->args_min || n_args > l.command->args_max)
		ERROR(p, "usage: %s", l.command->usage);
	else
		l.command->run(p, line, line->word + l.depth, n_args);
}

/* ---- what must hold between variables -------------------------------------------------------- */

static void check_radius(struct conf_parser *p)
{
	struct conf *c = p->conf;
	const char *fault = conf_radius_servers_fault(c->radius_servers, c->n_radius,
						      c->radius_secret[0] != '\0');

	if (fault)
		conf_parse_say(p, p->set_at[CONF_ID_radius_servers], CONF_ERROR,
			       "radius_servers: %s", fault);
	if (c->n_radius > 0 && c->radius_secret[0] == '\0')
		conf_parse_say(p, 0, CONF_WARNING,
			       "RADIUS servers without radius_secret: none will be asked");
	if (c->n_radius == 0 && c->radius_servers[0] == '\0' && c->local_users[0] == '\0')
		conf_parse_say(p, 0, CONF_WARNING,
			       "neither primary_radius nor local_users is set: every login will be "
			       "refused");
	if (c->radius_accounting && c->n_radius == 0 && c->radius_servers[0] != '\0' &&
	    !conf_radius_has_acct(c->radius_servers))
		conf_parse_say(p, p->set_at[CONF_ID_radius_accounting], CONF_WARNING,
			       "radius_accounting: every server is auth-only: records wait, and "
			       "nobody takes them");
}

static void check_whole(struct conf_parser *p)
{
	struct conf *c = p->conf;

	if (c->l2tp_require_auth && c->l2tp_secret[0] == '\0')
		conf_parse_say(p, p->set_at[CONF_ID_l2tp_require_auth], CONF_ERROR,
			       "l2tp_require_auth: there is no l2tp_secret to challenge with");
	if (c->radius_bind_max && c->radius_bind_min > c->radius_bind_max) {
		conf_parse_say(p, p->set_at[CONF_ID_radius_bind_max], CONF_ERROR,
			       "radius_bind_max is below radius_bind_min: neither is used");
		c->radius_bind_min = c->radius_bind_max = 0;
	}
	check_radius(p);
	if (c->cli_access_list[0]) {
		char head[CONF_LIST_HEAD];
		conf_list_head(head, false, c->cli_access_list);
		if (!conf_list_find(c, head))
			conf_parse_say(
				p, p->set_at[CONF_ID_cli_access_list], CONF_WARNING,
				"cli_access_list: there is no standard list %s: none but local "
				"connections are let in",
				c->cli_access_list);
	}
	if (c->idle_echo_timeout && c->echo_timeout && c->idle_echo_timeout <= c->echo_timeout)
		conf_parse_say(
			p, p->set_at[CONF_ID_idle_echo_timeout], CONF_WARNING,
			"idle_echo_timeout is not above echo_timeout: silent sessions end unasked");
}

static void parse_line(struct conf_parser *p, struct span line, struct lex_line *words)
{
	char reason[LEX_REASON_TEXT];

	p->line++;
	p->seen = (struct conf_line){.text = line, .conf = p->conf, .head = p->head};
	if (!lex_split(line, words, reason))
		ERROR(p, "%s", reason);
	else if (words->n > 0)
		run_line(p, words);
	else
		p->seen.kind = CONF_LINE_BLANK;
}

static void parse_text(struct conf_parser *p, struct span text, void *ctx,
		       void (*seen)(void *ctx, const struct conf_line *line))
{
	struct lex_line words;
	struct span line;

	while (!p->stop && !p->no_memory && lex_next_line(&text, &line)) {
		parse_line(p, line, &words);
		if (seen && !p->stop)
			seen(ctx, &p->seen);
	}
	mem_wipe(&words, sizeof(words)); /* secrets */
	mem_wipe(&p->rest, sizeof(p->rest));
}

/* Into p->conf, which is NULL at the end when memory ran out. */
static struct conf *parse(struct conf_parser *p, struct span text, void *ctx,
			  void (*seen)(void *ctx, const struct conf_line *line))
{
	if (!p->conf)
		return NULL;
	parse_text(p, text, ctx, seen);
	if (p->no_memory) {
		conf_free(p->conf);
		return NULL;
	}
	conf_derive(p->conf);
	check_whole(p);
	return p->conf;
}

struct conf *conf_load(const struct alloc *a, struct span text, const struct conf_report *report)
{
	struct conf_parser p = {.report = report, .conf = conf_new(a)};
	return parse(&p, text, NULL, NULL);
}

struct conf *conf_scan(const struct alloc *a, struct span text, const struct conf_report *report,
		       void *ctx, void (*seen)(void *ctx, const struct conf_line *line))
{
	struct conf_parser p = {.report = report, .conf = conf_new(a)};
	return parse(&p, text, ctx, seen);
}

/* Passes on what is said, faults of the whole as warnings. */
static void say_of_edit(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	const struct conf_report *to = ctx;
	to->say(to->ctx, line, line == 0 ? CONF_WARNING : severity, reason);
}

struct conf *conf_edit(const struct conf *old, struct span text, const struct conf_report *report)
{
	const struct conf_report edit = {.ctx = (void *)report, .say = say_of_edit};
	struct conf_parser p = {.report = &edit, .conf = conf_copy(old)};
	return parse(&p, text, NULL, NULL);
}
