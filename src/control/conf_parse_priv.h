/*
 * conf_parse_priv.h - what the parts of the parser share: conf_parse.c (commands, and those of the
 * file itself), conf_block.c (lines that are kept for later), conf_parse_bgp.c, conf_parse_acl.c
 * and conf_parse_forward.c (the commands of these blocks). Pure; control's.
 */
#ifndef LNS_CONF_PARSE_PRIV_H
#define LNS_CONF_PARSE_PRIV_H

#include "control/conf_parse.h"
#include "control/lexer.h"

/* Which commands are known: those of the open block, then those of the file itself. */
enum conf_block { CONF_BLOCK_NONE, CONF_BLOCK_BGP, CONF_BLOCK_ACL };
enum { CONF_HEAD_TEXT = 64 };

struct conf_parser {
	struct conf *conf;
	const struct conf_report *report;
	uint32_t line;
	enum conf_block block;
	struct conf_kept *last; /* line of the open block, behind which the next one goes */
	bool extended;		/* type of the open access list */
	bool stop;		/* quit or logout was met */
	bool no_memory;
	uint32_t set_at[CONF_VARS]; /* line of the last `set`; 0 = not set */
	struct lex_line rest;	    /* words behind a "no" */
	struct conf_line seen;	    /* this line, for conf_scan() */
	char head[CONF_HEAD_TEXT];  /* of the open block */
};

void conf_parse_say(struct conf_parser *p, uint32_t line, enum conf_severity severity,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

#define ERROR(p, ...)	conf_parse_say(p, (p)->line, CONF_ERROR, __VA_ARGS__)
#define WARNING(p, ...) conf_parse_say(p, (p)->line, CONF_WARNING, __VA_ARGS__)

/* ---- lines that are kept for later: conf_block.c --------------------------------------------- */

bool conf_block_is(const struct conf_kept *k, const char *text);
/* Opens a block that exists already, or a new one. */
void conf_block_open(struct conf_parser *p, enum conf_block block, enum conf_kept_kind kind,
		     const char *head);
/* Adds a line to the open block unless it is there already. */
void conf_block_add(struct conf_parser *p, enum conf_kept_kind kind, const char *text);
/* Removes this line of the open block, if it is there. */
bool conf_block_remove(struct conf_parser *p, const char *text);
/* Removes the lines of this kind that begin with `start`; the number of them. */
unsigned conf_block_remove_starting(struct conf_parser *p, enum conf_kept_kind kind,
				    const char *start);

/* ---- commands -------------------------------------------------------------------------------- */

/* `args`: the words behind those that name the command. */
typedef void conf_run(struct conf_parser *p, const struct lex_line *line, const char *const *args,
		      unsigned n_args);

/* conf_parse_bgp.c */
conf_run conf_run_router_bgp, conf_run_neighbour, conf_run_router_id, conf_run_aggregate,
	conf_run_network, conf_run_no_network, conf_run_no_neighbour, conf_run_no_router_bgp;
/* conf_parse_acl.c */
conf_run conf_run_access_list, conf_run_no_access_list, conf_run_rule, conf_run_no_rule;
/* conf_parse_forward.c */
conf_run conf_run_setforward, conf_run_no_setforward;

/* The line that opens an access list, and where it is kept: NULL when there is none. */
enum { CONF_LIST_HEAD = 64 };
void conf_list_head(char out[CONF_LIST_HEAD], bool extended, const char *name);
struct conf_kept *conf_list_find(struct conf *c, const char *text);

#endif
