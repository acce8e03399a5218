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

/* Hands out the configuration as lines that conf_load() takes: all variables, plugins, blocks.
 * Without `secrets` they are shown as "********". */
struct conf_printer {
	void *ctx;
	void (*line)(void *ctx, const char *text);
};
void conf_print(const struct conf *c, bool secrets, const struct conf_printer *out);

#endif
