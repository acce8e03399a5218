#include <stdio.h>

#include "base/crypto.h"
#include "control/conf_bgp.h"
#include "control/conf_parse.h"
#include "control/lexer.h"

enum { DIFF_LINE = 2 * CONF_VALUE_TEXT + 96 };

struct diff {
	const struct conf_printer *out;
	bool secrets;
	unsigned n;
};

static void emit(struct diff *d, const char *mark, const char *text)
{
	char line[DIFF_LINE];
	snprintf(line, sizeof(line), "%s%s", mark, text);
	d->out->line(d->out->ctx, line);
	mem_wipe(line, sizeof(line));
	d->n++;
}

/* ---- variables and plugins ------------------------------------------------------------------- */

static void emit_set(struct diff *d, const char *mark, const struct conf_var *v, const char *value)
{
	char word[2 * CONF_VALUE_TEXT], text[DIFF_LINE];
	bool string = v->type == CONF_STRING || v->type == CONF_SECRET;

	lex_quote(value, !string, word, sizeof(word));
	bool hide = v->type == CONF_SECRET && !d->secrets && value[0] != '\0';
	snprintf(text, sizeof(text), "set %s %s", v->name, hide ? "\"********\"" : word);
	emit(d, mark, text);
	mem_wipe(word, sizeof(word));
	mem_wipe(text, sizeof(text));
}

static void diff_variable(struct diff *d, const struct conf *a, const struct conf *b,
			  const struct conf_var *v)
{
	char old[CONF_VALUE_TEXT], new[CONF_VALUE_TEXT];

	conf_get(a, v, old);
	conf_get(b, v, new);
	if (strcmp(old, new) != 0) {
		emit_set(d, "-", v, old);
		emit_set(d, "+", v, new);
	}
	mem_wipe(old, sizeof(old));
	mem_wipe(new, sizeof(new));
}

static bool has_plugin(const struct conf *c, const char *name)
{
	for (unsigned i = 0; i < c->n_plugins; i++)
		if (strcmp(c->plugins[i], name) == 0)
			return true;
	return false;
}

static void plugins_only_in(struct diff *d, const char *mark, const struct conf *in,
			    const struct conf *not_in)
{
	char text[CONF_PLUGIN_NAME + 32];

	for (unsigned i = 0; i < in->n_plugins; i++) {
		if (has_plugin(not_in, in->plugins[i]))
			continue;
		snprintf(text, sizeof(text), "load plugin \"%s\"", in->plugins[i]);
		emit(d, mark, text);
	}
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static bool same_text(const struct conf_kept *a, const struct conf_kept *b)
{
	return a->kind == b->kind && span_equal(bstr_span(a->text), bstr_span(b->text));
}

static const struct conf_kept *find_head(const struct conf *c, const struct conf_kept *head)
{
	const struct conf_kept *k = c->kept;
	while (k && !(k->head && same_text(k, head)))
		k = k->next;
	return k;
}

/* The line behind k in its block, or NULL. */
static const struct conf_kept *next_member(const struct conf_kept *k)
{
	return k->next && !k->next->head && k->next->kind == k->kind ? k->next : NULL;
}

static bool has_member(const struct conf_kept *head, const struct conf_kept *line)
{
	for (const struct conf_kept *k = next_member(head); k; k = next_member(k))
		if (same_text(k, line))
			return true;
	return false;
}

static bool same_block(const struct conf_kept *a, const struct conf_kept *b)
{
	while (a && b) {
		if (!same_text(a, b))
			return false;
		a = next_member(a);
		b = next_member(b);
	}
	return !a && !b;
}

static void emit_kept(struct diff *d, const char *mark, const struct conf_kept *k)
{
	char text[DIFF_LINE];

	if (k->kind == CONF_KEPT_FORWARD && !d->secrets)
		conf_forward_masked(k, text, sizeof(text));
	else if (d->secrets || !conf_bgp_masked(k, text, sizeof(text)))
		snprintf(text, sizeof(text), "%s%s", k->head ? "" : " ", k->text->s);
	emit(d, mark, text);
	mem_wipe(text, sizeof(text));
}

static void emit_block(struct diff *d, const char *mark, const struct conf_kept *head)
{
	for (const struct conf_kept *k = head; k; k = next_member(k))
		emit_kept(d, mark, k);
}

static unsigned members_only_in(struct diff *d, const char *mark, const struct conf_kept *in,
				const struct conf_kept *not_in)
{
	unsigned n = 0;
	for (const struct conf_kept *k = next_member(in); k; k = next_member(k))
		if (!has_member(not_in, k)) {
			emit_kept(d, mark, k);
			n++;
		}
	return n;
}

static void diff_block(struct diff *d, const struct conf_kept *a, const struct conf_kept *b)
{
	if (same_block(a, b))
		return;
	emit_kept(d, " ", a);
	if (members_only_in(d, "-", a, b) + members_only_in(d, "+", b, a) > 0)
		return;
	/* The same lines in another order. */
	for (const struct conf_kept *k = next_member(a); k; k = next_member(k))
		emit_kept(d, "-", k);
	for (const struct conf_kept *k = next_member(b); k; k = next_member(k))
		emit_kept(d, "+", k);
}

static void diff_blocks(struct diff *d, const struct conf *a, const struct conf *b)
{
	for (const struct conf_kept *k = a->kept; k; k = k->next) {
		const struct conf_kept *other = k->head ? find_head(b, k) : NULL;
		if (other)
			diff_block(d, k, other);
		else if (k->head)
			emit_block(d, "-", k);
	}
	for (const struct conf_kept *k = b->kept; k; k = k->next)
		if (k->head && !find_head(a, k))
			emit_block(d, "+", k);
}

unsigned conf_diff(const struct conf *a, const struct conf *b, bool secrets,
		   const struct conf_printer *out)
{
	struct diff d = {.out = out, .secrets = secrets};

	for (unsigned i = 0; i < CONF_VARS; i++)
		diff_variable(&d, a, b, &conf_vars[i]);
	plugins_only_in(&d, "-", a, b);
	plugins_only_in(&d, "+", b, a);
	diff_blocks(&d, a, b);
	return d.n;
}
