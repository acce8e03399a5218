/*
 * cli_filter.h - which sessions `show session user X state up ...` is about: pairs of a keyword,
 * that may be abbreviated, and a value; all must hold. Pure.
 */
#ifndef LNS_CLI_FILTER_H
#define LNS_CLI_FILTER_H

#include "control/core.h"

enum session_state { SESSION_ANY, SESSION_OPENING, SESSION_UP, SESSION_DYING };

struct session_filter {
	const char *user;    /* NULL: any; compared case-insensitively, as for duplicates */
	const char *calling; /* NULL: any; the whole number or its beginning */
	struct ip_addr ip;   /* unset: any */
	uint16_t tid;	     /* 0: any */
	enum session_state state;
	bool detail;
};

/* Takes the words of a command; the strings are referred to. False with a reason. */
bool session_filter_parse(struct session_filter *f, char *const *words, int n,
			  char reason[static 96]);
bool session_filter_match(const struct session_filter *f, const struct session_view *v);

#endif
