/*
 * conf_parse.h - the grammar of startup-config: one command per line, words may be abbreviated to
 * a unique prefix, names of variables may not. A line that is wrong is reported and ignored. Pure.
 */
#ifndef LNS_CONF_PARSE_H
#define LNS_CONF_PARSE_H

#include "control/conf.h"

/* A warning leaves the line in force; an error does not, and makes `l2tpns -t` fail. */
enum conf_severity { CONF_WARNING, CONF_ERROR };

struct conf_report {
	void *ctx;
	/* line 0: about the file as a whole. */
	void (*say)(void *ctx, uint32_t line, enum conf_severity severity, const char *reason);
};

/* A new configuration from the text of a file; NULL only when out of memory. */
struct conf *conf_load(const struct alloc *a, struct span text, const struct conf_report *report);

/* What a line of the file is about, for those who rewrite it. */
enum conf_line_kind {
	CONF_LINE_OTHER,   /* nothing that conf_print() would say: help, `no ...`, exit */
	CONF_LINE_BLANK,   /* also a comment */
	CONF_LINE_BAD,	   /* was refused */
	CONF_LINE_SET,	   /* of variable `var` */
	CONF_LINE_PLUGIN,  /* load plugin */
	CONF_LINE_FORWARD, /* setforward */
	CONF_LINE_HEAD,	   /* opens the block `head` */
	CONF_LINE_MEMBER,  /* a line within that block, its `exit` too */
};

struct conf_line {
	enum conf_line_kind kind;
	const struct conf_var *var;
	const char *head;
	struct span text;	 /* as it stands in the file */
	const struct conf *conf; /* what was read so far, this line included */
};

/* conf_load() that also hands out every line, up to `quit`. */
struct conf *conf_scan(const struct alloc *a, struct span text, const struct conf_report *report,
		       void *ctx, void (*seen)(void *ctx, const struct conf_line *line));

/* A copy of `old` with these lines applied to it; NULL when out of memory. Faults of the whole
 * (line 0) may have been there before, so they are reported as warnings. */
struct conf *conf_edit(const struct conf *old, struct span text, const struct conf_report *report);

/* Hands out the configuration as lines that conf_load() takes: all variables, plugins, blocks.
 * Without `secrets` they are shown as "********". */
struct conf_printer {
	void *ctx;
	void (*line)(void *ctx, const char *text);
};
void conf_print(const struct conf *c, bool secrets, const struct conf_printer *out);

/* A line of kind CONF_KEPT_FORWARD with its secret hidden. */
void conf_forward_masked(const struct conf_kept *k, char *out, size_t cap);

/* The difference as lines that begin with `-` (only in a), `+` (only in b) or a blank (the block
 * they are in); how many there are. */
unsigned conf_diff(const struct conf *a, const struct conf *b, bool secrets,
		   const struct conf_printer *out);

/* The text of a file that loads to `c`: comments and the order of `old`, the file's present text,
 * stay where that is possible. False when out of memory. */
bool conf_rewrite(struct span old, const struct conf *c, const struct conf_printer *out);

#endif
