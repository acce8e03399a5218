/*
 * local_users.h - subscribers in a file (`set local_users "FILE"`), for use without a RADIUS
 * server. One line per subscriber: name:password[:address[:route,route...]], `#` comments; the
 * password in clear, `{crypt}HASH` or `$1$...` (crypt(3); those cannot do CHAP). An immutable
 * snapshot; the shell reads the file.
 */
#ifndef LNS_LOCAL_USERS_H
#define LNS_LOCAL_USERS_H

#include "base/alloc.h"
#include "base/msg.h"

struct local_users;

struct local_users *local_users_new(const struct alloc *a);
void local_users_free(struct local_users *u);
/* One line; false with a reason in err when it is not a valid one (blank and comment lines are). */
bool local_users_add_line(struct local_users *u, struct span line, char err[static 96]);
unsigned local_users_count(const struct local_users *u);

enum local_verdict { LOCAL_ACCEPT, LOCAL_UNKNOWN_USER, LOCAL_BAD_PASSWORD, LOCAL_NO_CLEARTEXT };
/* Checks PAP or CHAP; on LOCAL_ACCEPT fills address and routes of the profile. crypt(3) is reached
 * through `crypt_check` so that this file stays pure. */
enum local_verdict local_users_check(const struct local_users *u, const struct msg_auth_req *req,
				     bool (*crypt_check)(const char *password, const char *hash),
				     struct aaa_profile *profile);

#endif
