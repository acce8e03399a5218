/*
 * conf_files.h - the files of the configuration: startup-config, ip_pool, local_users and the
 * users of the command line. A shell: reads them, hands the text to the pure parsers and reports
 * what is wrong by file and line.
 */
#ifndef LNS_CONF_FILES_H
#define LNS_CONF_FILES_H

#include "control/cli_users.h"
#include "control/conf_parse.h"
#include "control/ippool.h"
#include "control/local_users.h"

#define CONF_CLASSIC_PATH "/etc/l2tpns/startup-config"

enum { CONF_PATH_MAX = 512 };

struct file_report {
	void *ctx;
	/* line 0: about the file as a whole. */
	void (*say)(void *ctx, const char *file, uint32_t line, enum conf_severity severity,
		    const char *reason);
};

/* Where a companion of startup-config is: `override` when it is not empty, else NAME in the
 * directory of startup-config. */
void conf_file_path(char out[static CONF_PATH_MAX], const char *conf_path, const char *override,
		    const char *name);

/* A missing or unreadable file is an error, and the result has every default; NULL only when out
 * of memory. */
struct conf *conf_file_load(const struct alloc *a, const char *path,
			    const struct file_report *report);
/* Adds the file's entries to the pool; those of the form W.X.Y.Z:ENTRY only when W.X.Y.Z is
 * `bind_address`. False when the file cannot be read. */
bool ippool_file_load(struct ippool *pool, const char *path, const struct ip_addr *bind_address,
		      const struct file_report *report);
/* NULL when the file cannot be read (reported) or memory ran out. */
struct local_users *local_users_file_load(const struct alloc *a, const char *path,
					  const struct file_report *report);
struct cli_users *cli_users_file_load(const struct alloc *a, const char *path,
				      const struct file_report *report);

/* All that the files say, read and checked as one. */
struct conf_bundle {
	struct conf *conf;
	struct local_users *subscribers; /* NULL: as before, or no file is configured */
	struct cli_users *users;	 /* NULL: as before */
	struct ippool *pool;		 /* addresses only; NULL: as before */
};
/* False, with nothing kept, when one of them has a fault. A users or ip_pool file that is not
 * there is none: then nobody may log in, and the pool stays as it is. */
bool conf_bundle_load(struct conf_bundle *b, const struct alloc *a, const char *path,
		      const struct file_report *report);
void conf_bundle_free(struct conf_bundle *b);

/* The text that the file at `path` is to have so that it says what `c` says: comments and order of
 * the present one stay where possible. To be wiped and freed; NULL when out of memory. */
char *conf_file_text(const char *path, const struct conf *c, size_t *n);
/* Replaces the file as a whole: its reader sees the old text or the new one, also after a crash.
 * Mode and owner stay. False with a reason. */
bool conf_file_write(const char *path, struct span text, char reason[static CONF_REASON_TEXT]);

/* Compares a password with a stored form: plain text, {crypt}HASH or $1$... by crypt_r(3). The
 * second is what local_users_check() asks for. Any thread. */
bool password_matches(const char *password, const char *stored);
bool password_crypt_check(const char *password, const char *hash);

#endif
