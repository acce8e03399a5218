#include "control/conf_files.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "control/lexer.h"

enum { FILE_MAX = 256 << 20 }; /* a million subscribers take some 60 MB */

/* The whole of a regular file. */
struct file_text {
	char *bytes;
	size_t n, cap;
};

static void text_free(struct file_text *t)
{
	if (t->bytes)
		mem_wipe(t->bytes, t->n); /* passwords */
	free(t->bytes);
}

static const char *read_stream(FILE *f, struct file_text *t)
{
	for (;;) {
		if (t->n == t->cap) {
			size_t cap = t->cap ? 2 * t->cap : 65536;
			char *more = cap > FILE_MAX ? NULL : realloc(t->bytes, cap);
			if (!more)
				return "too large";
			t->bytes = more;
			t->cap = cap;
		}
		size_t n = fread(t->bytes + t->n, 1, t->cap - t->n, f);
		t->n += n;
		if (n == 0)
			return ferror(f) ? strerror(errno) : NULL;
	}
}

/* Why not, or NULL. */
static const char *read_file(const char *path, struct file_text *t)
{
	struct stat st;
	FILE *f = fopen(path, "re");
	if (!f)
		return strerror(errno);
	const char *why = NULL;
	if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode))
		why = "is a directory";
	else
		why = read_stream(f, t);
	fclose(f);
	return why;
}

static bool load(const char *path, struct file_text *t, const struct file_report *report)
{
	char reason[CONF_REASON_TEXT];
	*t = (struct file_text){0};
	const char *why = read_file(path, t);
	if (!why)
		return true;
	snprintf(reason, sizeof(reason), "cannot be read: %s", why);
	report->say(report->ctx, path, 0, CONF_ERROR, reason);
	text_free(t);
	return false;
}

/* One file being read line by line. */
struct lines {
	const char *path;
	const struct file_report *report;
	uint32_t line;
};

static void say_error(const struct lines *l, const char *reason)
{
	l->report->say(l->report->ctx, l->path, l->line, CONF_ERROR, reason);
}

/* Calls add() for every line of the file; false when the file cannot be read. */
static bool each_line(struct lines *l, void *ctx,
		      bool (*add)(void *ctx, struct span line, char reason[static 96]))
{
	struct file_text t;
	struct span line;
	char reason[96];

	if (!load(l->path, &t, l->report))
		return false;
	struct span text = span_of(t.bytes, t.n);
	while (lex_next_line(&text, &line)) {
		l->line++;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (!add(ctx, line, reason))
			say_error(l, reason);
	}
	text_free(&t);
	return true;
}

void conf_file_path(char out[static CONF_PATH_MAX], const char *conf_path, const char *override,
		    const char *name)
{
	const char *slash = strrchr(conf_path, '/');
	int dir = slash ? (int)(slash - conf_path) + 1 : 0;

	if (override[0] != '\0')
		snprintf(out, CONF_PATH_MAX, "%s", override);
	else
		snprintf(out, CONF_PATH_MAX, "%.*s%s", dir, conf_path, name);
}

/* ---- startup-config -------------------------------------------------------------------------- */

static void say_conf(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	const struct lines *l = ctx;
	l->report->say(l->report->ctx, l->path, line, severity, reason);
}

struct conf *conf_file_load(const struct alloc *a, const char *path,
			    const struct file_report *report)
{
	struct lines l = {.path = path, .report = report};
	struct conf_report inner = {.ctx = &l, .say = say_conf};
	struct file_text t;

	if (!load(path, &t, report))
		return conf_new(a);
	struct conf *c = conf_load(a, span_of(t.bytes, t.n), &inner);
	text_free(&t);
	return c;
}

/* ---- ip_pool --------------------------------------------------------------------------------- */

struct pool_file {
	struct ippool *pool;
	const struct ip_addr *bind_address;
};

/* Cuts "W.X.Y.Z:" off an entry; *ours is false when it is another server's. */
static bool take_server(struct span *entry, const struct ip_addr *bind_address, bool *ours)
{
	struct ip_addr server;

	*ours = true;
	const uint8_t *colon = entry->n ? memchr(entry->p, ':', entry->n) : NULL;
	if (!colon)
		return true;
	struct span text = span_sub(entry, (size_t)(colon - entry->p));
	span_u8(entry);
	if (!ip_addr_parse(text, &server) || server.family != 4)
		return false;
	*ours = ip_addr_equal(&server, bind_address);
	return true;
}

static struct span trim(struct span s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		span_u8(&s);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool add_pool_line(void *ctx, struct span line, char reason[static 96])
{
	struct pool_file *f = ctx;
	struct ip_prefix range;
	bool ours;

	line = trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return true;
	if (!take_server(&line, f->bind_address, &ours)) {
		snprintf(reason, 96, "not an IPv4 address before the colon");
		return false;
	}
	if (!ip_prefix_parse(line, &range) || range.addr.family != 4 || range.len == 0) {
		snprintf(reason, 96, "neither A.B.C.D nor A.B.C.D/1..32");
		return false;
	}
	return !ours || ippool_add(f->pool, &range, reason);
}

bool ippool_file_load(struct ippool *pool, const char *path, const struct ip_addr *bind_address,
		      const struct file_report *report)
{
	struct lines l = {.path = path, .report = report};
	struct pool_file f = {.pool = pool, .bind_address = bind_address};
	return each_line(&l, &f, add_pool_line);
}

/* ---- subscribers and users of the command line ----------------------------------------------- */

static bool add_local_user(void *ctx, struct span line, char reason[static 96])
{
	return local_users_add_line(ctx, line, reason);
}

struct local_users *local_users_file_load(const struct alloc *a, const char *path,
					  const struct file_report *report)
{
	struct lines l = {.path = path, .report = report};
	struct local_users *u = local_users_new(a);

	if (u && !each_line(&l, u, add_local_user)) {
		local_users_free(u);
		u = NULL;
	}
	return u;
}

static bool add_cli_user(void *ctx, struct span line, char reason[static 96])
{
	return cli_users_add_line(ctx, line, reason);
}

struct cli_users *cli_users_file_load(const struct alloc *a, const char *path,
				      const struct file_report *report)
{
	struct lines l = {.path = path, .report = report};
	struct cli_users *u = cli_users_new(a);

	if (u && !each_line(&l, u, add_cli_user)) {
		cli_users_free(u);
		u = NULL;
	}
	return u;
}

/* ---- passwords ------------------------------------------------------------------------------- */

static bool equal_secret(const char *a, const char *b)
{
	size_t n = strlen(a);
	return n == strlen(b) && mem_equal_ct(a, b, n);
}

bool password_crypt_check(const char *password, const char *hash)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	if (!data)
		return false;
	const char *result = crypt_r(password, hash, data);
	/* A failed crypt gives NULL or a text beginning with '*'. */
	bool ok = result && result[0] != '*' && equal_secret(result, hash);
	mem_wipe(data, sizeof(*data));
	free(data);
	return ok;
}

bool password_matches(const char *password, const char *stored)
{
	static const char prefix[] = "{crypt}";

	if (strncasecmp(stored, prefix, sizeof(prefix) - 1) == 0)
		return password_crypt_check(password, stored + sizeof(prefix) - 1);
	if (strncmp(stored, "$1$", 3) == 0)
		return password_crypt_check(password, stored);
	return equal_secret(password, stored);
}
