#include "control/conf_parse_priv.h"

#include <stdio.h>

#include "control/conf_acl.h"
#include "control/conf_filter.h"

static bool is_list_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	return n > 0 && n < LNS_FILTER_NAME_MAX && name[n] == '\0';
}

void conf_list_head(char out[CONF_LIST_HEAD], bool extended, const char *name)
{
	snprintf(out, CONF_LIST_HEAD, "ip access-list %s %.31s", extended ? "extended" : "standard",
		 name);
}

struct conf_kept *conf_list_find(struct conf *c, const char *text)
{
	struct conf_kept *k = c->kept;
	while (k && !(k->head && conf_block_is(k, text)))
		k = k->next;
	return k;
}

/* The words after "ip access-list": type and name, and the line that begins the list's block. */
static bool list_args(struct conf_parser *p, const char *const *args, char *head, bool *extended)
{
	*extended = lex_is_prefix(args[0], "extended");
	if (!*extended && !lex_is_prefix(args[0], "standard"))
		ERROR(p, "ip access-list: neither standard nor extended: \"%.40s\"", args[0]);
	else if (!is_list_name(args[1]))
		ERROR(p,
		      "ip access-list: not a name of 1 to 31 letters, digits, _ and -: \"%.40s\"",
		      args[1]);
	else {
		conf_list_head(head, *extended, args[1]);
		return true;
	}
	return false;
}

void conf_run_access_list(struct conf_parser *p, const struct lex_line *line,
			  const char *const *args, unsigned n_args)
{
	(void)line;
	(void)n_args;
	char head[CONF_LIST_HEAD], other[CONF_LIST_HEAD];
	bool extended;

	if (!list_args(p, args, head, &extended))
		return;
	conf_list_head(other, !extended, args[1]);
	if (conf_list_find(p->conf, other)) {
		ERROR(p, "ip access-list: %s exists with the other type", args[1]);
		return;
	}
	p->extended = extended;
	conf_block_open(p, CONF_BLOCK_ACL, CONF_KEPT_ACL, head);
}

void conf_run_no_access_list(struct conf_parser *p, const struct lex_line *line,
			     const char *const *args, unsigned n_args)
{
	(void)line;
	(void)n_args;
	char head[CONF_LIST_HEAD];
	bool extended;

	if (!list_args(p, args, head, &extended))
		return;
	struct conf_kept *k = conf_list_find(p->conf, head);
	if (!k) {
		ERROR(p, "no ip access-list: there is no %s", args[1]);
		return;
	}
	while (k->next && !k->next->head && k->next->kind == CONF_KEPT_ACL)
		conf_forget(p->conf, k->next);
	conf_forget(p->conf, k);
	p->last = NULL;
}

void conf_run_rule(struct conf_parser *p, const struct lex_line *line, const char *const *args,
		   unsigned n_args)
{
	(void)args;
	(void)n_args;
	char rule[CONF_VALUE_TEXT], reason[CONF_REASON_TEXT];

	if (conf_acl_rule(line, p->extended, rule, reason))
		conf_block_add(p, CONF_KEPT_ACL, rule);
	else
		ERROR(p, "%s", reason);
}

/* "no permit ..." and "no deny ...". */
void conf_run_no_rule(struct conf_parser *p, const struct lex_line *line, const char *const *args,
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
	else if (!conf_block_remove(p, rule))
		ERROR(p, "no %s: there is no such rule", rule);
}
