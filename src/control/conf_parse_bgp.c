#include "control/conf_parse_priv.h"

#include <stdio.h>

#include "base/crypto.h"
#include "control/conf_bgp.h"

void conf_run_router_bgp(struct conf_parser *p, const struct lex_line *line,
			 const char *const *args, unsigned n_args)
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
		if (k->kind == CONF_KEPT_BGP && k->head && !conf_block_is(k, head)) {
			ERROR(p, "router bgp: a router with another AS is open already");
			return;
		}
	conf_block_open(p, CONF_BLOCK_BGP, CONF_KEPT_BGP, head);
}

void conf_run_neighbour(struct conf_parser *p, const struct lex_line *line, const char *const *args,
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
	conf_block_remove_starting(p, CONF_KEPT_BGP, text);
	snprintf(text, sizeof(text), "neighbour %s %s", peer, attribute);
	conf_block_add(p, CONF_KEPT_BGP, text);
	mem_wipe(attribute, sizeof(attribute)); /* a password may be in it */
	mem_wipe(text, sizeof(text));
}

void conf_run_router_id(struct conf_parser *p, const struct lex_line *line, const char *const *args,
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
	conf_block_remove_starting(p, CONF_KEPT_BGP, "bgp router-id ");
	snprintf(text, sizeof(text), "bgp router-id %s", ip_addr_text(&id, ip));
	conf_block_add(p, CONF_KEPT_BGP, text);
}

void conf_run_aggregate(struct conf_parser *p, const struct lex_line *line, const char *const *args,
			unsigned n_args)
{
	(void)line;
	(void)n_args;
	bool yes = lex_equal_nocase(args[0], "yes");

	if (!yes && !lex_equal_nocase(args[0], "no")) {
		ERROR(p, "bgp aggregate: takes yes or no: \"%.40s\"", args[0]);
		return;
	}
	conf_block_remove_starting(p, CONF_KEPT_BGP, "bgp aggregate ");
	conf_block_add(p, CONF_KEPT_BGP, yes ? "bgp aggregate yes" : "bgp aggregate no");
}

static bool network_line(struct conf_parser *p, const char *word,
			 char text[static IP_PREFIX_TEXT + 16])
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

static unsigned networks_of(const struct conf_parser *p)
{
	unsigned n = 0;

	for (const struct conf_kept *k = p->conf->kept; k; k = k->next)
		n += k->kind == CONF_KEPT_BGP && !k->head && k->text->n > 8 &&
		     memcmp(k->text->s, "network ", 8) == 0;
	return n;
}

void conf_run_network(struct conf_parser *p, const struct lex_line *line, const char *const *args,
		      unsigned n_args)
{
	(void)line;
	(void)n_args;
	char text[IP_PREFIX_TEXT + 16];

	if (!network_line(p, args[0], text))
		return;
	conf_block_remove(p, text); /* the whole line: 2000::/3 begins 2000::/32 */
	if (networks_of(p) >= BGP_NETWORKS_MAX) {
		ERROR(p, "network: more than %u of them", BGP_NETWORKS_MAX);
		return;
	}
	conf_block_add(p, CONF_KEPT_BGP, text);
}

void conf_run_no_network(struct conf_parser *p, const struct lex_line *line,
			 const char *const *args, unsigned n_args)
{
	(void)line;
	(void)n_args;
	char text[IP_PREFIX_TEXT + 16];

	if (network_line(p, args[0], text) && !conf_block_remove(p, text))
		ERROR(p, "no network: there is no \"%.40s\"", args[0]);
}

void conf_run_no_neighbour(struct conf_parser *p, const struct lex_line *line,
			   const char *const *args, unsigned n_args)
{
	(void)line;
	(void)n_args;
	char start[BGP_NAME_MAX + 16], peer[BGP_NAME_MAX], reason[CONF_REASON_TEXT];

	if (!conf_bgp_peer(args[0], peer, reason)) {
		ERROR(p, "no neighbour: %s", reason);
		return;
	}
	snprintf(start, sizeof(start), "neighbour %s ", peer);
	if (conf_block_remove_starting(p, CONF_KEPT_BGP, start) == 0)
		ERROR(p, "no neighbour: there is no \"%.40s\"", args[0]);
}

void conf_run_no_router_bgp(struct conf_parser *p, const struct lex_line *line,
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
