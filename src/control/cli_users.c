#include "control/cli_users.h"

#include <stdio.h>

#include "base/crypto.h"

enum { USERS_LINE_MAX = 4095, USERS_REASON = 96 };

struct cli_user {
	struct cli_user *next;
	struct bstr *name;
	struct bstr *password;
};

struct cli_users {
	const struct alloc *alloc;
	struct cli_user *first; /* newest first */
	unsigned count;		/* names that can log in */
};

static const char enable_name[] = "enable";

struct cli_users *cli_users_new(const struct alloc *a)
{
	struct cli_users *u = alloc_get(a, sizeof(*u));
	if (u)
		u->alloc = a;
	return u;
}

static void secret_free(const struct alloc *a, struct bstr *b)
{
	if (b)
		mem_wipe(b->s, b->n);
	bstr_free(a, b);
}

static void user_free(const struct alloc *a, struct cli_user *user)
{
	bstr_free(a, user->name);
	secret_free(a, user->password);
	alloc_put(a, user, sizeof(*user));
}

void cli_users_free(struct cli_users *u)
{
	if (!u)
		return;
	for (struct cli_user *user = u->first, *next; user; user = next) {
		next = user->next;
		user_free(u->alloc, user);
	}
	alloc_put(u->alloc, u, sizeof(*u));
}

static bool refuse(char *reason, const char *why)
{
	snprintf(reason, USERS_REASON, "%s", why);
	return false;
}

static bool add(struct cli_users *u, struct span name, struct span password)
{
	struct cli_user *user = alloc_get(u->alloc, sizeof(*user));
	if (!user)
		return false;
	user->name = bstr_new(u->alloc, name);
	user->password = bstr_new(u->alloc, password);
	if (!user->name || !user->password) {
		user_free(u->alloc, user);
		return false;
	}
	user->next = u->first;
	u->first = user;
	if (!span_equal(name, span_str(enable_name)))
		u->count++;
	return true;
}

bool cli_users_add_line(struct cli_users *u, struct span line, char reason[static 96])
{
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0 || line.p[0] == '#')
		return true;
	if (line.n > USERS_LINE_MAX)
		return refuse(reason, "line longer than 4095 characters");
	if (memchr(line.p, 0, line.n))
		return refuse(reason, "line holds a NUL byte");
	const uint8_t *colon = memchr(line.p, ':', line.n);
	if (!colon)
		return refuse(reason, "not NAME:PASSWORD");
	struct span name = span_sub(&line, (size_t)(colon - line.p));
	span_u8(&line);
	if (name.n == 0)
		return refuse(reason, "no name before the colon");
	if (line.n == 0)
		return refuse(reason, "no password behind the colon");
	return add(u, name, line) || refuse(reason, "out of memory");
}

unsigned cli_users_count(const struct cli_users *u)
{
	return u->count;
}

static const char *find(const struct cli_users *u, const char *name)
{
	for (const struct cli_user *user = u->first; user; user = user->next)
		if (strcmp(user->name->s, name) == 0)
			return user->password->s;
	return NULL;
}

const char *cli_users_password(const struct cli_users *u, const char *name)
{
	return strcmp(name, enable_name) == 0 ? NULL : find(u, name);
}

const char *cli_users_enable(const struct cli_users *u)
{
	return find(u, enable_name);
}
