/*
 * acct_entry.h - the bytes of the accounting journal: a file is a header and entries, each with a
 * keyed checksum. The key is in the file's header, so that no subscriber can write an entry into
 * his user name that would be taken for one behind a damaged place. Pure; any thread.
 *
 *	file	"l2tpnsJ1", file's number, key, checksum (8 bytes each)
 *	entry	"JE", kind (2 bytes), bytes of the body (4), body, checksum (8)
 *	body	record: number, second since 1970 (8 each), attributes of the Accounting-Request
 *		done: numbers of records that a server took: first (8), how many (4), again and
 *		again
 */
#ifndef LNS_ACCT_ENTRY_H
#define LNS_ACCT_ENTRY_H

#include "base/span.h"
#include "base/wbuf.h"

enum {
	ACCT_FILE_HEADER = 32,
	ACCT_ENTRY_HEADER = 8,
	ACCT_ENTRY_OVERHEAD = ACCT_ENTRY_HEADER + 8, /* checksum included */
	ACCT_RECORD_HEADER = 16,
	ACCT_RANGE = 12,
	ACCT_ATTRS_MAX = 4096,
	ACCT_BODY_MAX = ACCT_RECORD_HEADER + ACCT_ATTRS_MAX,
	ACCT_ENTRY_MAX = ACCT_ENTRY_OVERHEAD + ACCT_BODY_MAX,
	ACCT_RECORD_MIN = ACCT_ENTRY_OVERHEAD + ACCT_RECORD_HEADER,
};

/* Numbers of records and of files are below; none is 0. */
#define ACCT_SEQ_END (1ull << 62)

enum acct_entry_kind { ACCT_ENTRY_RECORD = 1, ACCT_ENTRY_DONE = 2 };

struct acct_file_header {
	uint64_t number, key;
};

struct acct_entry {
	enum acct_entry_kind kind;
	uint64_t seq;	     /* RECORD */
	int64_t wall_s;	     /* RECORD: when that happened which it reports */
	struct span content; /* RECORD: attributes; DONE: ranges */
};

/* Records first .. first + n - 1. */
struct acct_range {
	uint64_t first;
	uint32_t n;
};

void acct_file_put(struct wbuf *w, const struct acct_file_header *h);
/* Takes the header off; false: not one of ours, or damaged. */
bool acct_file_get(struct span *in, struct acct_file_header *out);

void acct_entry_put_record(struct wbuf *w, uint64_t key, uint64_t seq, int64_t wall_s,
			   struct span attrs);
void acct_entry_put_done(struct wbuf *w, uint64_t key, const struct acct_range *ranges, size_t n);

/* Takes one entry off; false, and `in` as it was: there is no intact one at this place. */
bool acct_entry_get(struct span *in, uint64_t key, struct acct_entry *out);
/* The next intact entry; *skipped: bytes before it that are none. False: there is none. */
bool acct_entry_find(struct span *in, uint64_t key, struct acct_entry *out, size_t *skipped);
/* Walks over the content of DONE. */
bool acct_range_next(struct span *content, struct acct_range *out);

#endif
