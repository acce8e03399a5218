#include "control/conf_files.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

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
	const struct lines *lines;
	unsigned n_opened;
	uint32_t opened[IPPOOL_NAMES_MAX + 1]; /* the line that opened each */
};

/* Takes the word up to the next blank. */
static struct span take_word(struct span *line)
{
	size_t n = 0;

	while (n < line->n && line->p[n] != ' ' && line->p[n] != '\t')
		n++;
	struct span word = span_sub(line, n);
	while (line->n > 0 && (line->p[0] == ' ' || line->p[0] == '\t'))
		(void)span_u8(line);
	return word;
}

/* Copies a name that is printable and not empty. */
static bool pool_name(struct span word, char out[static LNS_POOL_NAME_MAX])
{
	if (word.n == 0 || word.n >= LNS_POOL_NAME_MAX)
		return false;
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] <= ' ' || word.p[i] >= 0x7F)
			return false;
	}
	memset(out, 0, LNS_POOL_NAME_MAX);
	span_bytes(&word, out, word.n);
	return true;
}

/* "pool NAME [next NAME]": the lines behind it belong to that pool. */
static bool open_pool(struct pool_file *f, struct span line, char reason[static 96])
{
	char name[LNS_POOL_NAME_MAX], next[LNS_POOL_NAME_MAX] = "";

	(void)take_word(&line);
	bool ok = pool_name(take_word(&line), name);
	if (ok && line.n > 0)
		ok = span_equal(take_word(&line), span_str("next")) &&
		     pool_name(take_word(&line), next) && line.n == 0;
	if (!ok) {
		snprintf(reason, 96, "not pool NAME [next NAME], names of at most 31 characters");
		return false;
	}
	if (!ippool_open(f->pool, name, next, reason))
		return false;
	f->opened[f->n_opened++] = f->lines->line;
	return true;
}

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
	struct span rest = line;
	if (span_equal(take_word(&rest), span_str("pool")))
		return open_pool(f, line, reason);
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
	struct pool_file f = {.pool = pool, .bind_address = bind_address, .lines = &l};

	if (!each_line(&l, &f, add_pool_line))
		return false;
	unsigned broken = ippool_broken_chain(pool);
	if (broken) {
		l.line = f.opened[broken - 1];
		say_error(&l, "the next pool is none of this file");
	}
	return true;
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

/* ---- all of them ----------------------------------------------------------------------------- */

/* Passes on what is said and counts the errors. */
struct tally {
	const struct file_report *to;
	unsigned errors;
};

static void say_and_count(void *ctx, const char *file, uint32_t line, enum conf_severity severity,
			  const char *reason)
{
	struct tally *t = ctx;
	t->errors += severity == CONF_ERROR;
	t->to->say(t->to->ctx, file, line, severity, reason);
}

static bool is_missing(const char *path, const struct file_report *report, const char *effect)
{
	if (access(path, F_OK) == 0 || errno != ENOENT)
		return false;
	report->say(report->ctx, path, 0, CONF_WARNING, effect);
	return true;
}

static void load_companions(struct conf_bundle *b, const struct alloc *a, const char *conf_path,
			    const struct file_report *report)
{
	char path[CONF_PATH_MAX];

	conf_file_path(path, conf_path, b->conf->users_file, "users");
	b->users = is_missing(path, report, "is not there: no users")
			   ? cli_users_new(a)
			   : cli_users_file_load(a, path, report);
	conf_file_path(path, conf_path, b->conf->ip_pool_file, "ip_pool");
	if (!is_missing(path, report, "is not there: the pool stays as it is")) {
		b->pool = ippool_new(a);
		if (b->pool)
			ippool_file_load(b->pool, path, &b->conf->bind_address, report);
	}
	if (b->conf->local_users[0])
		b->subscribers = local_users_file_load(a, b->conf->local_users, report);
}

void conf_bundle_free(struct conf_bundle *b)
{
	conf_free(b->conf);
	local_users_free(b->subscribers);
	cli_users_free(b->users);
	ippool_free(b->pool);
	*b = (struct conf_bundle){0};
}

bool conf_bundle_load(struct conf_bundle *b, const struct alloc *a, const char *path,
		      const struct file_report *report)
{
	struct tally tally = {.to = report};
	const struct file_report counting = {.ctx = &tally, .say = say_and_count};

	*b = (struct conf_bundle){.conf = conf_file_load(a, path, &counting)};
	if (b->conf)
		load_companions(b, a, path, &counting);
	if (b->conf && b->users && tally.errors == 0)
		return true;
	conf_bundle_free(b);
	return false;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_line(void *ctx, const char *text)
{
	fprintf(ctx, "%s\n", text);
}

static void ignore(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	(void)ctx;
	(void)line;
	(void)severity;
	(void)reason;
}

static void ignore_line(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

/* What conf_rewrite() or, without an old text, conf_print() makes of it. */
static char *text_of(const struct conf *c, const struct file_text *old, size_t *n)
{
	char *bytes = NULL;
	FILE *f = open_memstream(&bytes, n);
	if (!f)
		return NULL;
	const struct conf_printer out = {.ctx = f, .line = write_line};
	bool ok = true;
	if (old)
		ok = conf_rewrite(span_of(old->bytes, old->n), c, &out);
	else
		conf_print(c, true, &out);
	if (fclose(f) == 0 && ok)
		return bytes;
	free(bytes);
	return NULL;
}

static bool says_the_same(const char *text, size_t n, const struct conf *c)
{
	const struct conf_report silent = {.say = ignore};
	const struct conf_printer nowhere = {.line = ignore_line};
	struct conf *again = conf_load(c->alloc, span_of(text, n), &silent);
	bool same = again && conf_diff(again, c, true, &nowhere) == 0;
	conf_free(again);
	return same;
}

char *conf_file_text(const char *path, const struct conf *c, size_t *n)
{
	struct file_text old = {0};
	char *text = NULL;

	if (!read_file(path, &old) && old.n > 0)
		text = text_of(c, &old, n);
	text_free(&old);
	/* What is written must load to what is so, at the price of the comments. */
	if (text && !says_the_same(text, *n, c)) {
		mem_wipe(text, *n);
		free(text);
		text = NULL;
	}
	return text ? text : text_of(c, NULL, n);
}

static bool write_all(int fd, struct span text)
{
	while (text.n > 0) {
		ssize_t done = write(fd, text.p, text.n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		span_sub(&text, (size_t)done);
	}
	return true;
}

/* The new file beside the old one, complete on the disk. */
static bool write_beside(int fd, const char *path, struct span text)
{
	struct stat old;
	mode_t mode = 0600; /* it holds secrets */

	if (stat(path, &old) == 0) {
		mode = old.st_mode & 07777;
		if (fchown(fd, old.st_uid, old.st_gid) != 0 && errno != EPERM)
			return false;
	}
	return fchmod(fd, mode) == 0 && write_all(fd, text) && fsync(fd) == 0;
}

/* The rename itself is on the disk, too, when its directory is. */
static void sync_directory(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

bool conf_file_write(const char *path, struct span text, char reason[static CONF_REASON_TEXT])
{
	char real[PATH_MAX], temporary[PATH_MAX + 8];

	/* A link stays one: what it points to is replaced. */
	if (!realpath(path, real))
		snprintf(real, sizeof(real), "%s", path);
	snprintf(temporary, sizeof(temporary), "%s.XXXXXX", real);
	int fd = mkostemp(temporary, O_CLOEXEC);
	bool ok = fd >= 0 && write_beside(fd, real, text);
	ok = ok && rename(temporary, real) == 0;
	if (!ok) {
		snprintf(reason, CONF_REASON_TEXT, "%s", strerror(errno));
		if (fd >= 0)
			unlink(temporary);
	}
	if (fd >= 0)
		close(fd);
	if (ok)
		sync_directory(real);
	return ok;
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
