/*
 * cli_users.h - who may log in to the command line (file `users`): one `name:password` per line,
 * the name `enable` holds the password of the privileged mode. Immutable; pure: comparing
 * passwords is the shell's (conf_files.h).
 */
#ifndef LNS_CLI_USERS_H
#define LNS_CLI_USERS_H

#include <stdbool.h>

#include "base/alloc.h"

struct cli_users;

struct cli_users *cli_users_new(const struct alloc *a);
void cli_users_free(struct cli_users *u);
/* One line; false with a reason that shows no password when it is not a valid one. Blank lines and
 * comments are. */
bool cli_users_add_line(struct cli_users *u, struct span line, char reason[static 96]);
unsigned cli_users_count(const struct cli_users *u);
/* The stored password of a name, or of `enable`; NULL when there is none. The last one counts. */
const char *cli_users_password(const struct cli_users *u, const char *name);
const char *cli_users_enable(const struct cli_users *u);

#endif
