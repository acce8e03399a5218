#include "control/conf_parse_priv.h"

#include <stdio.h>

#include "dataplane/dp_acl.h"

bool conf_block_is(const struct conf_kept *k, const char *text)
{
	return span_equal(bstr_span(k->text), span_str(text));
}

void conf_block_open(struct conf_parser *p, enum conf_block block, enum conf_kept_kind kind,
		     const char *head)
{
	p->block = block;
	snprintf(p->head, sizeof(p->head), "%s", head);
	p->seen.kind = CONF_LINE_HEAD;
	for (struct conf_kept *k = p->conf->kept; k; k = k->next) {
		if (k->kind != kind || !k->head || !conf_block_is(k, head))
			continue;
		while (k->next && k->next->kind == kind && !k->next->head)
			k = k->next;
		p->last = k;
		return;
	}
	p->last = conf_keep(p->conf, NULL, kind, true, head);
	p->no_memory = p->no_memory || !p->last;
}

void conf_block_add(struct conf_parser *p, enum conf_kept_kind kind, const char *text)
{
	struct conf_kept *head = NULL, *same = NULL;
	unsigned n = 0;

	for (struct conf_kept *k = p->conf->kept; k; k = k->next) {
		n++;
		if (k->head) {
			head = k;
			same = NULL;
			n = 0;
		} else if (head && conf_block_is(k, text)) {
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

bool conf_block_remove(struct conf_parser *p, const char *text)
{
	struct conf_kept *before = NULL, *same = NULL;

	/* Back from the block's last line to its head. */
	for (struct conf_kept *k = p->conf->kept, *previous = NULL; k; previous = k, k = k->next) {
		if (k->head)
			before = same = NULL;
		else if (conf_block_is(k, text)) {
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

unsigned conf_block_remove_starting(struct conf_parser *p, enum conf_kept_kind kind,
				    const char *start)
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
