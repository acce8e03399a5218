#include <stdio.h>

#include "base/crypto.h"
#include "control/conf_bgp.h"
#include "control/conf_parse.h"
#include "control/lexer.h"

/* Two characters for each of a value, its quotes, "set", a name: always fits. */
enum { PRINT_LINE = 2 * CONF_VALUE_TEXT + 96 };

static const char masked[] = "\"********\"";

static void print_variable(const struct conf *c, const struct conf_var *v, bool secrets,
			   const struct conf_printer *out)
{
	char value[CONF_VALUE_TEXT], word[2 * CONF_VALUE_TEXT], text[PRINT_LINE];
	bool string = v->type == CONF_STRING || v->type == CONF_SECRET;

	conf_get(c, v, value);
	lex_quote(value, !string, word, sizeof(word));
	bool hide = v->type == CONF_SECRET && !secrets && value[0] != '\0';
	snprintf(text, sizeof(text), "set %s %s", v->name, hide ? masked : word);
	out->line(out->ctx, text);
	mem_wipe(value, sizeof(value));
	mem_wipe(word, sizeof(word));
	mem_wipe(text, sizeof(text));
}

void conf_forward_masked(const struct conf_kept *k, char *out, size_t cap)
{
	struct lex_line line;
	char reason[LEX_REASON_TEXT], mask[CONF_VALUE_TEXT];

	out[0] = '\0';
	if (!lex_split(bstr_span(k->text), &line, reason) || line.n != 5)
		return;
	lex_quote(line.word[1], true, mask, sizeof(mask));
	snprintf(out, cap, "setforward %s %s %s %s", mask, line.word[2], line.word[3], masked);
	mem_wipe(&line, sizeof(line));
}

static void print_kept(const struct conf *c, enum conf_kept_kind kind, const char *title,
		       bool secrets, const struct conf_printer *out)
{
	bool first = true;

	for (const struct conf_kept *k = c->kept; k; k = k->next) {
		char text[PRINT_LINE];
		if (k->kind != kind)
			continue;
		if (first) {
			out->line(out->ctx, "");
			out->line(out->ctx, title);
		}
		first = false;
		if (kind == CONF_KEPT_FORWARD && !secrets) {
			conf_forward_masked(k, text, sizeof(text));
			out->line(out->ctx, text);
			continue;
		}
		if (!secrets && conf_bgp_masked(k, text, sizeof(text))) {
			out->line(out->ctx, text);
			continue;
		}
		snprintf(text, sizeof(text), "%s%s", k->head ? "" : " ", k->text->s);
		out->line(out->ctx, text);
		mem_wipe(text, sizeof(text));
	}
}

void conf_print(const struct conf *c, bool secrets, const struct conf_printer *out)
{
	out->line(out->ctx, "# Current configuration:");
	for (unsigned i = 0; i < CONF_VARS; i++)
		print_variable(c, &conf_vars[i], secrets, out);
	if (c->n_plugins > 0) {
		out->line(out->ctx, "");
		out->line(out->ctx, "# Plugins");
	}
	for (unsigned i = 0; i < c->n_plugins; i++) {
		char text[CONF_PLUGIN_NAME + 32];
		snprintf(text, sizeof(text), "load plugin \"%s\"", c->plugins[i]);
		out->line(out->ctx, text);
	}
	print_kept(c, CONF_KEPT_FORWARD, "# Remote LNSs", secrets, out);
	print_kept(c, CONF_KEPT_BGP, "# BGP", secrets, out);
	print_kept(c, CONF_KEPT_ACL, "# Filters", secrets, out);
	out->line(out->ctx, "# end");
}
