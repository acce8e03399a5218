/*
 * The file is read again line by line: a line that still says what is so stays as it stands, with
 * its spelling and comments; one that does not is replaced or left out; what no line says follows
 * at the end. Blocks, plugins and remote LNSs stay or are replaced as a whole.
 */
#include <stdio.h>

#include "base/crypto.h"
#include "control/conf_parse.h"
#include "control/lexer.h"

enum { REWRITE_LINE = LEX_LINE_MAX + 8 };

struct rewrite {
	const struct conf *to;	 /* what the result is to say */
	const struct conf *from; /* what the file says */
	const struct conf_printer *out;
	bool set_done[CONF_VARS];
	bool same_plugins, same_forwards, same_blocks; /* those of the file may stay */
	uint32_t read;				       /* lines of the file */
};

static void print_span(struct rewrite *r, const char *before, struct span text)
{
	char line[REWRITE_LINE];

	if (text.n > 0 && text.p[text.n - 1] == '\r')
		text.n--;
	snprintf(line, sizeof(line), "%s%.*s", before, (int)text.n, (const char *)text.p);
	r->out->line(r->out->ctx, line);
	mem_wipe(line, sizeof(line));
}

/* ---- variables ------------------------------------------------------------------------------- */

static void print_set(struct rewrite *r, const struct conf_var *v)
{
	char value[CONF_VALUE_TEXT], word[2 * CONF_VALUE_TEXT], line[REWRITE_LINE];
	bool string = v->type == CONF_STRING || v->type == CONF_SECRET;

	conf_get(r->to, v, value);
	lex_quote(value, !string, word, sizeof(word));
	snprintf(line, sizeof(line), "set %s %s", v->name, word);
	r->out->line(r->out->ctx, line);
	mem_wipe(value, sizeof(value));
	mem_wipe(word, sizeof(word));
	mem_wipe(line, sizeof(line));
}

static void rewrite_set(struct rewrite *r, const struct conf_line *line)
{
	const struct conf_var *v = line->var;
	char said[CONF_VALUE_TEXT], wanted[CONF_VALUE_TEXT];

	if (r->set_done[v - conf_vars])
		return;
	conf_get(line->conf, v, said);
	conf_get(r->to, v, wanted);
	if (strcmp(said, wanted) == 0)
		print_span(r, "", line->text);
	else if (!conf_is_default(r->to, v))
		print_set(r, v);
	/* Else the line goes: an earlier one cannot be there, and the default needs none. */
	r->set_done[v - conf_vars] = true;
	mem_wipe(said, sizeof(said));
	mem_wipe(wanted, sizeof(wanted));
}

static void print_missing_sets(struct rewrite *r)
{
	for (unsigned i = 0; i < CONF_VARS; i++)
		if (!r->set_done[i] && !conf_is_default(r->to, &conf_vars[i]))
			print_set(r, &conf_vars[i]);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static const struct conf_kept *find_head(const struct conf *c, const char *head)
{
	const struct conf_kept *k = c->kept;
	while (k && !(k->head && strcmp(k->text->s, head) == 0))
		k = k->next;
	return k;
}

static const struct conf_kept *next_member(const struct conf_kept *k)
{
	return k->next && !k->next->head && k->next->kind == k->kind ? k->next : NULL;
}

static bool same_block(const struct conf_kept *a, const struct conf_kept *b)
{
	while (a && b && span_equal(bstr_span(a->text), bstr_span(b->text))) {
		a = next_member(a);
		b = next_member(b);
	}
	return !a && !b;
}

/* Does the file say of this block what is to be said? */
static bool block_stays(const struct rewrite *r, const char *head)
{
	const struct conf_kept *from = find_head(r->from, head), *to = find_head(r->to, head);
	return r->same_blocks && from && to && same_block(from, to);
}

static void print_kept(struct rewrite *r, const struct conf_kept *k)
{
	char line[REWRITE_LINE];
	snprintf(line, sizeof(line), "%s%s", k->head ? "" : " ", k->text->s);
	r->out->line(r->out->ctx, line);
	mem_wipe(line, sizeof(line));
}

static void print_missing_blocks(struct rewrite *r)
{
	for (const struct conf_kept *k = r->to->kept; k; k = k->next) {
		if (!k->head ||
		    (k->kind == CONF_KEPT_FORWARD ? r->same_forwards : block_stays(r, k->text->s)))
			continue;
		for (const struct conf_kept *m = k; m; m = next_member(m))
			print_kept(r, m);
	}
}

/* ---- plugins and remote LNSs ----------------------------------------------------------------- */

static bool same_plugins(const struct conf *a, const struct conf *b)
{
	if (a->n_plugins != b->n_plugins)
		return false;
	for (unsigned i = 0; i < a->n_plugins; i++)
		if (strcmp(a->plugins[i], b->plugins[i]) != 0)
			return false;
	return true;
}

static const struct conf_kept *next_forward(const struct conf_kept *k)
{
	while (k && k->kind != CONF_KEPT_FORWARD)
		k = k->next;
	return k;
}

static bool same_forwards(const struct conf *a, const struct conf *b)
{
	const struct conf_kept *x = next_forward(a->kept), *y = next_forward(b->kept);

	while (x && y && span_equal(bstr_span(x->text), bstr_span(y->text))) {
		x = next_forward(x->next);
		y = next_forward(y->next);
	}
	return !x && !y;
}

static void print_missing_plugins(struct rewrite *r)
{
	char line[CONF_PLUGIN_NAME + 32];

	for (unsigned i = 0; i < r->to->n_plugins && !r->same_plugins; i++) {
		snprintf(line, sizeof(line), "load plugin \"%s\"", r->to->plugins[i]);
		r->out->line(r->out->ctx, line);
	}
}

/* A file that takes back what it said: its lines do not add up to what it says in the end. */
static void note_negatives(void *ctx, const struct conf_line *line)
{
	struct rewrite *r = ctx;

	if (line->kind == CONF_LINE_OTHER)
		r->same_plugins = r->same_forwards = r->same_blocks = false;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void rewrite_line(void *ctx, const struct conf_line *line)
{
	struct rewrite *r = ctx;

	r->read++;
	switch (line->kind) {
	case CONF_LINE_BLANK:
		print_span(r, "", line->text);
		break;
	case CONF_LINE_BAD:
		print_span(r, "# refused: ", line->text);
		break;
	case CONF_LINE_SET:
		rewrite_set(r, line);
		break;
	case CONF_LINE_PLUGIN:
		if (r->same_plugins)
			print_span(r, "", line->text);
		break;
	case CONF_LINE_FORWARD:
		if (r->same_forwards)
			print_span(r, "", line->text);
		break;
	case CONF_LINE_HEAD:
	case CONF_LINE_MEMBER:
		if (block_stays(r, line->head))
			print_span(r, "", line->text);
		break;
	case CONF_LINE_OTHER:
		break;
	}
}

static void say_nothing(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	(void)ctx;
	(void)line;
	(void)severity;
	(void)reason;
}

/* What stands behind `quit` was not read, and would be now. */
static void keep_unread(struct rewrite *r, struct span text)
{
	struct span line;
	uint32_t n = 0;

	while (lex_next_line(&text, &line))
		if (n++ > r->read)
			print_span(r, "# not read: ", line);
}

static const struct conf_report silent = {.say = say_nothing};

static bool rewrite(struct rewrite *r, struct span old)
{
	struct conf *again = conf_scan(r->to->alloc, old, &silent, r, rewrite_line);
	if (!again)
		return false;
	conf_free(again);
	keep_unread(r, old);
	print_missing_sets(r);
	print_missing_plugins(r);
	print_missing_blocks(r);
	return true;
}

bool conf_rewrite(struct span old, const struct conf *c, const struct conf_printer *out)
{
	struct rewrite r = {.to = c,
			    .out = out,
			    .same_plugins = true,
			    .same_forwards = true,
			    .same_blocks = true};
	struct conf *from = conf_scan(c->alloc, old, &silent, &r, note_negatives);
	if (!from)
		return false;
	r.from = from;
	r.same_plugins = r.same_plugins && same_plugins(from, c);
	r.same_forwards = r.same_forwards && same_forwards(from, c);
	bool ok = rewrite(&r, old);
	conf_free(from);
	return ok;
}
