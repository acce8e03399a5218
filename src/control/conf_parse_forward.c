#include "control/conf_parse_priv.h"

#include <stdio.h>

#include "base/crypto.h"

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

void conf_run_setforward(struct conf_parser *p, const struct lex_line *line,
			 const char *const *args, unsigned n_args)
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

void conf_run_no_setforward(struct conf_parser *p, const struct lex_line *line,
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
