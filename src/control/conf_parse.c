#include "control/conf_parse.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "control/conf_acl.h"
#include "control/conf_filter.h"
#include "control/conf_bgp.h"
#include "control/lexer.h"

/* Which commands are known: those of the open block, then those of the file itself. */
enum block { BLOCK_NONE, BLOCK_BGP, BLOCK_ACL };
enum { CONF_HEAD_TEXT = 64 };

struct parser {
	struct conf *conf;
	const struct conf_report *report;
	uint32_t line;
	enum block block;
	struct conf_kept *last; /* line of the open block, behind which the next one goes */
	bool extended;		/* type of the open access list */
	bool stop;		/* quit or logout was met */
	bool no_memory;
	uint32_t set_at[CONF_VARS]; /* line of the last `set`; 0 = not set */
	struct lex_line rest;	    /* words behind a "no" */
	struct conf_line seen;	    /* this line, for conf_scan() */
	char head[CONF_HEAD_TEXT];  /* of the open block */
};

struct command {
	enum block block;
	const char *words[4]; /* NULL-terminated */
	unsigned args_min, args_max;
	void (*run)(struct parser *p, const struct lex_line *line, const char *const *args,
		    unsigned n_args);
	const char *usage;
};

static void say(struct parser *p, uint32_t line, enum conf_severity severity, const char *format,
		...) __attribute__((format(printf, 4, 5)));

static void say(struct parser *p, uint32_t line, enum conf_severity severity, const char *format,
		...)
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

#define ERROR(p, ...)	say(p, (p)->line, CONF_ERROR, __VA_ARGS__)
#define WARNING(p, ...) say(p, (p)->line, CONF_WARNING, __VA_ARGS__)

/* ---- set ------------------------------------------------------------------------------------- */

static void set_variable(struct parser *p, const struct conf_var *v, const char *value)
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

static void set_old_name(struct parser *p, const struct conf_old_name *old, const char *value)
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

static void run_set(struct parser *p, const struct lex_line *line, const char *const *args,
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

static void run_no_set(struct parser *p, const struct lex_line *line, const char *const *args,
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

static void run_load_plugin(struct parser *p, const struct lex_line *line, const char *const *args,
			    unsigned n_args)
{
	(void)line;
	(void)n_args;
	struct conf *c = p->conf;
	size_t n = strlen(args[0]);

	if (n == 0 || n >= CONF_PLUGIN_NAME || strpbrk(args[0], "/. \t")) {
		ERROR(p, "not the name of a plugin: \"%.40s\"", args[0]);
	} else if (plugin_find(c, args[0]) >= 0) {
		ERROR(p, "plugin %s is loaded already", args[0]);
	} else if (c->n_plugins == CONF_PLUGINS_MAX) {
		ERROR(p, "more than %d plugins", CONF_PLUGINS_MAX);
	} else {
		memcpy(c->plugins[c->n_plugins++], args[0], n + 1);
		p->seen.kind = CONF_LINE_PLUGIN;
	}
}

static void run_remove_plugin(struct parser *p, const struct lex_line *line,
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

/* ---- lines that are kept for later ----------------------------------------------------------- */

static bool text_is(const struct conf_kept *k, const char *text)
{
	return span_equal(bstr_span(k->text), span_str(text));
}

/* Opens a block that exists already, or a new one. */
static void open_block(struct parser *p, enum block block, enum conf_kept_kind kind,
		       const char *head)
{
	p->block = block;
	snprintf(p->head, sizeof(p->head), "%s", head);
	p->seen.kind = CONF_LINE_HEAD;
	for (struct conf_kept *k = p->conf->kept; k; k = k->next) {
		if (k->kind != kind || !k->head || !text_is(k, head))
			continue;
		while (k->next && k->next->kind == kind && !k->next->head)
			k = k->next;
		p->last = k;
		return;
	}
	p->last = conf_keep(p->conf, NULL, kind, true, head);
	p->no_memory = p->no_memory || !p->last;
}

/* Adds a line to the open block unless it is there already. */
static void add_to_block(struct parser *p, enum conf_kept_kind kind, const char *text)
{
	struct conf_kept *head = NULL, *same = NULL;
	unsigned n = 0;

	for (struct conf_kept *k = p->conf->kept; k; k = k->next) {
		n++;
		if (k->head) {
			head = k;
			same = NULL;
			n = 0;
		} else if (head && text_is(k, text)) {
			same = k;
		}
		if (k == p->last)
			break;
	}
	if (same)
		return;
	if (kind == CONF_KEPT_ACL && n >= DP_ACL_RULES_MAX) {
		ERROR(p, "access list: more than %d rules", DP_ACL_RULES_MAX);
		return;
	}
	struct conf_kept *k = conf_keep(p->conf, p->last, kind, false, text);
	p->no_memory = p->no_memory || !k;
	if (k)
		p->last = k;
}

/* Removes this line of the open block, if it is there. */
static bool remove_line(struct parser *p, const char *text)
{
	struct conf_kept *before = NULL, *same = NULL;

	/* Back from the block's last line to its head. */
	for (struct conf_kept *k = p->conf->kept, *previous = NULL; k; previous = k, k = k->next) {
		if (k->head)
			before = same = NULL;
		else if (text_is(k, text)) {
			before = previous;
			same = k;
		}
		if (k == p->last)
			break;
	}
	if (!same)
		return false;
	if (p->last == same)
		p->last = before;
	conf_forget(p->conf, same);
	return true;
}

/* ---- router bgp ------------------------------------------------------------------------------ */

static void run_router_bgp(struct parser *p, const struct lex_line *line, const char *const *args,
			   unsigned n_args)
{
	(void)line;
	(void)n_args;
	char head[32];
	uint64_t as;

	if (!lex_number(args[0], &as) || as < 1 || as > UINT32_MAX) {
		ERROR(p, "router bgp: not an AS number within 1..4294967295: \"%.40s\"", args[0]);
		return;
	}
	snprintf(head, sizeof(head), "router bgp %u", (unsigned)as);
	for (struct conf_kept *k = p->conf->kept; k; k = k->next)
		if (k->kind == CONF_KEPT_BGP && k->head && !text_is(k, head)) {
			ERROR(p, "router bgp: a router with another AS is open already");
			return;
		}
	open_block(p, BLOCK_BGP, CONF_KEPT_BGP, head);
}

/* Removes the lines of the open block that begin with `start`; the number of them. */
static unsigned remove_from_block(struct parser *p, enum conf_kept_kind kind, const char *start)
{
	unsigned removed = 0;
	struct conf_kept *next, *before = NULL;

	for (struct conf_kept *k = p->conf->kept; k; k = next) {
		next = k->next;
		bool begins = k->kind == kind && !k->head && k->text->n >= strlen(start) &&
			      memcmp(k->text->s, start, strlen(start)) == 0;
		if (!begins) {
			before = k;
			continue;
		}
		if (p->last == k)
			p->last = before;
		conf_forget(p->conf, k);
		removed++;
	}
	return removed;
}

static void run_neighbour(struct parser *p, const struct lex_line *line, const char *const *args,
			  unsigned n_args)
{
	(void)line;
	char attribute[CONF_VALUE_TEXT], text[BGP_NAME_MAX + CONF_VALUE_TEXT + 16];
	char peer[BGP_NAME_MAX], reason[CONF_REASON_TEXT];

	if (!conf_bgp_peer(args[0], peer, reason)) {
		ERROR(p, "neighbour: %s", reason);
		return;
	}
	if (!conf_bgp_attribute(args + 1, n_args - 1, attribute, reason)) {
		ERROR(p, "neighbour: %s", reason);
		return;
	}
	/* The same attribute again replaces the earlier one. */
	snprintf(text, sizeof(text), "neighbour %s %.*s", peer,
		 (int)(strchr(attribute, ' ') - attribute) + 1, attribute);
	remove_from_block(p, CONF_KEPT_BGP, text);
	snprintf(text, sizeof(text), "neighbour %s %s", peer, attribute);
	add_to_block(p, CONF_KEPT_BGP, text);
	mem_wipe(attribute, sizeof(attribute)); /* a password may be in it */
	mem_wipe(text, sizeof(text));
}

static void run_router_id(struct parser *p, const struct lex_line *line, const char *const *args,
			  unsigned n_args)
{
	(void)line;
	(void)n_args;
	struct ip_addr id;
	char ip[IP_ADDR_TEXT], text[IP_ADDR_TEXT + 24];

	if (!ip_addr_parse(span_str(args[0]), &id) || id.family != 4) {
		ERROR(p, "bgp router-id: not an IPv4 address: \"%.40s\"", args[0]);
		return;
	}
	remove_from_block(p, CONF_KEPT_BGP, "bgp router-id ");
	snprintf(text, sizeof(text), "bgp router-id %s", ip_addr_text(&id, ip));
	add_to_block(p, CONF_KEPT_BGP, text);
}

static void run_aggregate(struct parser *p, const struct lex_line *line, const char *const *args,
			  unsigned n_args)
{
	(void)line;
	(void)n_args;
	bool yes = lex_equal_nocase(args[0], "yes");

	if (!yes && !lex_equal_nocase(args[0], "no")) {
		ERROR(p, "bgp aggregate: takes yes or no: \"%.40s\"", args[0]);
		return;
	}
	remove_from_block(p, CONF_KEPT_BGP, "bgp aggregate ");
	add_to_block(p, CONF_KEPT_BGP, yes ? "bgp aggregate yes" : "bgp aggregate no");
}

static bool network_line(struct parser *p, const char *word, char text[static IP_PREFIX_TEXT + 16])
{
	struct ip_prefix prefix;
	char ip[IP_PREFIX_TEXT];

	if (!ip_prefix_parse(span_str(word), &prefix)) {
		ERROR(p, "network: not a network (a.b.c.d/len or IPv6): \"%.60s\"", word);
		return false;
	}
	snprintf(text, IP_PREFIX_TEXT + 16, "network %s", ip_prefix_text(&prefix, ip));
	return true;
}

static unsigned networks_of(const struct parser *p)
{
	unsigned n = 0;

	for (const struct conf_kept *k = p->conf->kept; k; k = k->next)
		n += k->kind == CONF_KEPT_BGP && !k->head && k->text->n > 8 &&
		     memcmp(k->text->s, "network ", 8) == 0;
	return n;
}

static void run_network(struct parser *p, const struct lex_line *line, const char *const *args,
			unsigned n_args)
{
	(void)line;
	(void)n_args;
	char text[IP_PREFIX_TEXT + 16];

	if (!network_line(p, args[0], text))
		return;
	remove_line(p, text); /* the whole line: 2000::/3 begins 2000::/32 */
	if (networks_of(p) >= BGP_NETWORKS_MAX) {
		ERROR(p, "network: more than %u of them", BGP_NETWORKS_MAX);
		return;
	}
	add_to_block(p, CONF_KEPT_BGP, text);
}

static void run_no_network(struct parser *p, const struct lex_line *line, const char *const *args,
			   unsigned n_args)
{
	(void)line;
	(void)n_args;
	char text[IP_PREFIX_TEXT + 16];

	if (network_line(p, args[0], text) && !remove_line(p, text))
		ERROR(p, "no network: there is no \"%.40s\"", args[0]);
}

static void run_no_neighbour(struct parser *p, const struct lex_line *line, const char *const *args,
			     unsigned n_args)
{
	(void)line;
	(void)n_args;
	char start[BGP_NAME_MAX + 16], peer[BGP_NAME_MAX], reason[CONF_REASON_TEXT];

	if (!conf_bgp_peer(args[0], peer, reason)) {
		ERROR(p, "no neighbour: %s", reason);
		return;
	}
	snprintf(start, sizeof(start), "neighbour %s ", peer);
	if (remove_from_block(p, CONF_KEPT_BGP, start) == 0)
		ERROR(p, "no neighbour: there is no \"%.40s\"", args[0]);
}

static void run_no_router_bgp(struct parser *p, const struct lex_line *line,
			      const char *const *args, unsigned n_args)
{
	(void)line;
	(void)args;
	(void)n_args;
	unsigned removed = 0;

	for (struct conf_kept *next, *k = p->conf->kept; k; k = next) {
		next = k->next;
		if (k->kind != CONF_KEPT_BGP)
			continue;
		conf_forget(p->conf, k);
		removed++;
	}
	p->last = NULL;
	if (removed == 0)
		ERROR(p, "no router bgp: there is none");
}

/* ---- ip access-list -------------------------------------------------------------------------- */

static bool is_list_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	return n > 0 && n < LNS_FILTER_NAME_MAX && name[n] == '\0';
}

static void list_head(char out[64], bool extended, const char *name)
{
	snprintf(out, 64, "ip access-list %s %.31s", extended ? "extended" : "standard", name);
}

static struct conf_kept *find_head(struct conf *c, const char *text)
{
	struct conf_kept *k = c->kept;
	while (k && !(k->head && text_is(k, text)))
		k = k->next;
	return k;
}

/* The words after "ip access-list": type and name. */
static bool list_args(struct parser *p, const char *const *args, bool *extended)
{
	*extended = lex_is_prefix(args[0], "extended");
	if (!*extended && !lex_is_prefix(args[0], "standard"))
		ERROR(p, "ip access-list: neither standard nor extended: \"%.40s\"", args[0]);
	else if (!is_list_name(args[1]))
		ERROR(p,
		      "ip access-list: not a name of 1 to 31 letters, digits, _ and -: \"%.40s\"",
		      args[1]);
	else
		return true;
	return false;
}

static void run_access_list(struct parser *p, const struct lex_line *line, const char *const *args,
			    unsigned n_args)
{
	(void)line;
	(void)n_args;
	char head[64];
	bool extended;

	if (!list_args(p, args, &extended))
		return;
	list_head(head, !extended, args[1]);
	if (find_head(p->conf, head)) {
		ERROR(p, "ip access-list: %s exists with the other type", args[1]);
		return;
	}
	list_head(head, extended, args[1]);
	p->extended = extended;
	open_block(p, BLOCK_ACL, CONF_KEPT_ACL, head);
}

static void run_no_access_list(struct parser *p, const struct lex_line *line,
			       const char *const *args, unsigned n_args)
{
	(void)line;
	(void)n_args;
	char head[64];
	bool extended;

	if (!list_args(p, args, &extended))
		return;
	list_head(head, extended, args[1]);
	struct conf_kept *k = find_head(p->conf, head);
	if (!k) {
		ERROR(p, "no ip access-list: there is no %s", args[1]);
		return;
	}
	while (k->next && !k->next->head && k->next->kind == CONF_KEPT_ACL)
		conf_forget(p->conf, k->next);
	conf_forget(p->conf, k);
	p->last = NULL;
}

static void run_rule(struct parser *p, const struct lex_line *line, const char *const *args,
		     unsigned n_args)
{
	(void)args;
	(void)n_args;
	char rule[CONF_VALUE_TEXT], reason[CONF_REASON_TEXT];

	if (conf_acl_rule(line, p->extended, rule, reason))
		add_to_block(p, CONF_KEPT_ACL, rule);
	else
		ERROR(p, "%s", reason);
}

/* "no permit ..." and "no deny ...". */
static void run_no_rule(struct parser *p, const struct lex_line *line, const char *const *args,
			unsigned n_args)
{
	(void)args;
	(void)n_args;
	char rule[CONF_VALUE_TEXT], reason[CONF_REASON_TEXT];
	struct lex_line *rest = &p->rest;

	rest->n = line->n - 1;
	memcpy(rest->word, line->word + 1, rest->n * sizeof(rest->word[0]));
	if (!conf_acl_rule(rest, p->extended, rule, reason))
		ERROR(p, "%s", reason);
	else if (!remove_line(p, rule))
		ERROR(p, "no %s: there is no such rule", rule);
}

/* ---- setforward ------------------------------------------------------------------------------ */

enum {
	FORWARD_MASK_MAX = 127,
	FORWARD_WORD = 2 * FORWARD_MASK_MAX + 3, /* quoted, the longer of the two */
	FORWARD_TEXT = FORWARD_WORD + 80,
};

static const char *forward_text(const char *const *args, char mask[static FORWARD_TEXT],
				char rest[static FORWARD_TEXT])
{
	struct ip_addr ip;
	uint64_t port;
	char ip_text[IP_ADDR_TEXT], quoted[FORWARD_WORD];

	if (args[0][0] == '\0' || strlen(args[0]) > FORWARD_MASK_MAX)
		return "mask is empty or longer than 127 characters";
	if (!ip_addr_parse(span_str(args[1]), &ip) || ip.family != 4)
		return "not an IPv4 address";
	if (!lex_number(args[2], &port) || port < 1 || port > 65535)
		return "port is not within 1..65535";
	if (strlen(args[3]) >= LNS_SECRET_MAX)
		return "secret is longer than 63 characters";
	lex_quote(args[0], true, quoted, sizeof(quoted));
	snprintf(mask, FORWARD_TEXT, "setforward %s ", quoted);
	lex_quote(args[3], false, quoted, sizeof(quoted));
	snprintf(rest, FORWARD_TEXT, "%s %u %s", ip_addr_text(&ip, ip_text), (unsigned)port,
		 quoted);
	mem_wipe(quoted, sizeof(quoted));
	return NULL;
}

static void run_setforward(struct parser *p, const struct lex_line *line, const char *const *args,
			   unsigned n_args)
{
	(void)line;
	(void)n_args;
	char mask[FORWARD_TEXT], rest[FORWARD_TEXT], text[2 * FORWARD_TEXT];

	const char *why = forward_text(args, mask, rest);
	if (why) {
		ERROR(p, "setforward: %s", why);
		return;
	}
	snprintf(text, sizeof(text), "%s%s", mask, rest);
	for (struct conf_kept *k = p->conf->kept; k; k = k->next)
		if (k->kind == CONF_KEPT_FORWARD && k->text->n > strlen(mask) &&
		    memcmp(k->text->s, mask, strlen(mask)) == 0) {
			conf_forget(p->conf, k); /* the same mask again: an update */
			break;
		}
	if (!conf_keep(p->conf, NULL, CONF_KEPT_FORWARD, true, text))
		p->no_memory = true;
	p->seen.kind = CONF_LINE_FORWARD;
	WARNING(p, "setforward has no effect yet");
	mem_wipe(rest, sizeof(rest));
	mem_wipe(text, sizeof(text));
}

static void run_no_setforward(struct parser *p, const struct lex_line *line,
			      const char *const *args, unsigned n_args)
{
	(void)line;
	(void)n_args;
	char quoted[FORWARD_WORD], start[FORWARD_TEXT];

	if (lex_quote(args[0], true, quoted, sizeof(quoted)) > 0) {
		snprintf(start, sizeof(start), "setforward %s ", quoted);
		for (struct conf_kept *k = p->conf->kept; k; k = k->next)
			if (k->kind == CONF_KEPT_FORWARD && k->text->n > strlen(start) &&
			    memcmp(k->text->s, start, strlen(start)) == 0) {
				conf_forget(p->conf, k);
				return;
			}
	}
	ERROR(p, "no setforward: there is no \"%.40s\"", args[0]);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void run_exit(struct parser *p, const struct lex_line *line, const char *const *args,
		     unsigned n_args)
{
	(void)line;
	(void)args;
	(void)n_args;
	if (p->block == BLOCK_NONE)
		p->stop = true;
	else
		p->seen.kind = CONF_LINE_MEMBER;
	p->block = BLOCK_NONE;
}

static void run_quit(struct parser *p, const struct lex_line *line, const char *const *args,
		     unsigned n_args)
{
	(void)line;
	(void)args;
	(void)n_args;
	p->stop = true;
	WARNING(p, "the rest of the file is not read");
}

static void run_nothing(struct parser *p, const struct lex_line *line, const char *const *args,
			unsigned n_args)
{
	(void)p;
	(void)line;
	(void)args;
	(void)n_args;
}

static const struct command commands[] = {
	{BLOCK_NONE, {"set"}, 2, 2, run_set, "set VARIABLE VALUE (quote a value of several words)"},
	{BLOCK_NONE, {"no", "set"}, 1, 1, run_no_set, "no set VARIABLE"},
	{BLOCK_NONE, {"no", "setforward"}, 1, 1, run_no_setforward, "no setforward MASK"},
	{BLOCK_NONE, {"no", "router", "bgp"}, 0, 1, run_no_router_bgp, "no router bgp"},
	{BLOCK_NONE, {"setforward"}, 4, 4, run_setforward, "setforward MASK IP PORT SECRET"},
	{BLOCK_NONE, {"load", "plugin"}, 1, 1, run_load_plugin, "load plugin NAME"},
	{BLOCK_NONE, {"remove", "plugin"}, 1, 1, run_remove_plugin, "remove plugin NAME"},
	{BLOCK_NONE, {"no", "load", "plugin"}, 1, 1, run_remove_plugin, "no load plugin NAME"},
	{BLOCK_NONE, {"router", "bgp"}, 1, 1, run_router_bgp, "router bgp AS"},
	{BLOCK_NONE,
	 {"ip", "access-list"},
	 2,
	 2,
	 run_access_list,
	 "ip access-list standard|extended NAME"},
	{BLOCK_NONE,
	 {"no", "ip", "access-list"},
	 2,
	 2,
	 run_no_access_list,
	 "no ip access-list standard|extended NAME"},
	{BLOCK_NONE, {"exit"}, 0, 0, run_exit, "exit"},
	{BLOCK_NONE, {"quit"}, 0, 0, run_quit, "quit"},
	{BLOCK_NONE, {"logout"}, 0, 0, run_quit, "logout"},
	{BLOCK_NONE, {"help"}, 0, 0, run_nothing, "help"},
	{BLOCK_NONE, {"history"}, 0, 0, run_nothing, "history"},
	{BLOCK_BGP,
	 {"neighbour"},
	 3,
	 LEX_WORDS_MAX,
	 run_neighbour,
	 "neighbour PEER ATTRIBUTE VALUE"},
	{BLOCK_BGP, {"bgp", "router-id"}, 1, 1, run_router_id, "bgp router-id A.B.C.D"},
	{BLOCK_BGP, {"bgp", "aggregate"}, 1, 1, run_aggregate, "bgp aggregate yes|no"},
	{BLOCK_BGP, {"network"}, 1, 1, run_network, "network PREFIX"},
	{BLOCK_BGP, {"no", "network"}, 1, 1, run_no_network, "no network PREFIX"},
	{BLOCK_BGP, {"no", "neighbour"}, 1, 1, run_no_neighbour, "no neighbour PEER"},
	{BLOCK_BGP, {"exit"}, 0, 0, run_exit, "exit"},
	{BLOCK_ACL, {"permit"}, 1, LEX_WORDS_MAX, run_rule, "permit RULE"},
	{BLOCK_ACL, {"deny"}, 1, LEX_WORDS_MAX, run_rule, "deny RULE"},
	{BLOCK_ACL, {"no", "permit"}, 1, LEX_WORDS_MAX, run_no_rule, "no permit RULE"},
	{BLOCK_ACL, {"no", "deny"}, 1, LEX_WORDS_MAX, run_no_rule, "no deny RULE"},
	{BLOCK_ACL, {"exit"}, 0, 0, run_exit, "exit"},
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

static struct lookup find_command(enum block block, const struct lex_line *line)
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

static void run_line(struct parser *p, const struct lex_line *line)
{
	struct lookup l = find_command(p->block, line);

	if (l.match == MATCH_NONE && p->block != BLOCK_NONE) {
		/* A command of the file itself leaves the block. */
		struct lookup outer = find_command(BLOCK_NONE, line);
		if (outer.match == MATCH_ONE) {
			p->block = BLOCK_NONE;
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
	if (p->block != BLOCK_NONE)
		p->seen.kind = CONF_LINE_MEMBER;
	if (n_args < l.command->args_min || n_args > l.command->args_max)
		ERROR(p, "usage: %s", l.command->usage);
	else
		l.command->run(p, line, line->word + l.depth, n_args);
}

/* ---- what must hold between variables -------------------------------------------------------- */

static void check_whole(struct parser *p)
{
	struct conf *c = p->conf;

	if (c->l2tp_require_auth && c->l2tp_secret[0] == '\0')
		say(p, p->set_at[CONF_ID_l2tp_require_auth], CONF_ERROR,
		    "l2tp_require_auth: there is no l2tp_secret to challenge with");
	if (c->radius_bind_max && c->radius_bind_min > c->radius_bind_max) {
		say(p, p->set_at[CONF_ID_radius_bind_max], CONF_ERROR,
		    "radius_bind_max is below radius_bind_min: neither is used");
		c->radius_bind_min = c->radius_bind_max = 0;
	}
	if (c->n_radius > 0 && c->radius_secret[0] == '\0')
		say(p, 0, CONF_WARNING, "RADIUS servers without radius_secret: none will be asked");
	if (c->n_radius == 0 && c->radius_servers[0] == '\0' && c->local_users[0] == '\0')
		say(p, 0, CONF_WARNING,
		    "neither primary_radius nor local_users is set: every login will be refused");
	if (c->cli_access_list[0]) {
		char head[64];
		list_head(head, false, c->cli_access_list);
		if (!find_head(c, head))
			say(p, p->set_at[CONF_ID_cli_access_list], CONF_WARNING,
			    "cli_access_list: there is no standard list %s: none but local "
			    "connections are let in",
			    c->cli_access_list);
	}
	if (c->idle_echo_timeout && c->echo_timeout && c->idle_echo_timeout <= c->echo_timeout)
		say(p, p->set_at[CONF_ID_idle_echo_timeout], CONF_WARNING,
		    "idle_echo_timeout is not above echo_timeout: silent sessions end unasked");
}

static void parse_line(struct parser *p, struct span line, struct lex_line *words)
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

static void parse_text(struct parser *p, struct span text, void *ctx,
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
static struct conf *parse(struct parser *p, struct span text, void *ctx,
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
	struct parser p = {.report = report, .conf = conf_new(a)};
	return parse(&p, text, NULL, NULL);
}

struct conf *conf_scan(const struct alloc *a, struct span text, const struct conf_report *report,
		       void *ctx, void (*seen)(void *ctx, const struct conf_line *line))
{
	struct parser p = {.report = report, .conf = conf_new(a)};
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
	struct parser p = {.report = &edit, .conf = conf_copy(old)};
	return parse(&p, text, NULL, NULL);
}
