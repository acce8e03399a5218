/*
 * acct_journal.h - which accounting records are in the journal's files and what became of each:
 * the brain of `set acct_journal`. Records are appended to numbered files (acct_entry.h), each is
 * told done when a server took it; a file whose records are all done is removed, oldest first,
 * since what a later file says of an earlier one's records must outlive them. Kept in memory: five
 * bytes per record. Pure: bytes to append go out through the env, in order; what is read back comes
 * in by journal_read_done(). Owner: the control thread.
 */
#ifndef LNS_ACCT_JOURNAL_H
#define LNS_ACCT_JOURNAL_H

#include "base/alloc.h"
#include "control/acct_entry.h"

enum {
	JOURNAL_FILES_MAX = 4096,
	JOURNAL_CHUNK = 128 * 1024, /* bytes read at once */
};

struct journal_env {
	const struct alloc *alloc;
	void *ctx;
	void (*random)(void *ctx, void *out, size_t n);
	/* Appends to the file, which it makes when it is new. Copies the bytes. */
	void (*write)(void *ctx, uint64_t file, struct span bytes);
	void (*remove)(void *ctx, uint64_t file);
	/* Answered by journal_read_done, behind all that was written before. */
	void (*read)(void *ctx, uint64_t file, uint32_t at, uint32_t n);
	/* True: so much waits for the disk that nothing may be added. */
	bool (*is_behind)(void *ctx);
};

/* What becomes of a record. */
enum journal_state {
	JOURNAL_DONE,	   /* a server took it, or it is lost */
	JOURNAL_WAITING,   /* to be sent */
	JOURNAL_ASKED,	   /* under way to a server */
	JOURNAL_POSTPONED, /* servers do not take it while they take others */
	JOURNAL_STATES
};

struct journal;

/* bytes_max: of all files together. NULL: out of memory. */
struct journal *journal_new(const struct journal_env *env, uint64_t bytes_max);
void journal_free(struct journal *j);
void journal_set_max(struct journal *j, uint64_t bytes_max);

/* ---- at start: what an earlier life left --------------------------------------------------- */

struct journal_loaded {
	const char *refused; /* NULL, or why nothing of the file could be used */
	uint32_t records;    /* in it, done ones included */
	uint32_t bad_bytes;  /* which are not part of an intact entry */
	bool torn;	     /* those are its end */
};
/* The whole of a file, in the order of their numbers. */
void journal_load(struct journal *j, uint64_t file, struct span bytes, struct journal_loaded *out);
/* After the last: removes files of which nothing is left to be done. */
void journal_load_end(struct journal *j);

/* ---- records --------------------------------------------------------------------------------- */

/* The number of the record, which is WAITING; 0: there is no room for it. One that can be done
 * without (spare) is refused earlier than others. */
uint64_t journal_put(struct journal *j, int64_t wall_s, struct span attrs, bool spare);
void journal_set(struct journal *j, uint64_t seq, enum journal_state state);
/* Hands on what is to be written and removes files that are done with. Once per turn. */
void journal_flush(struct journal *j);
/* At the end of the program: removes all files when nothing in them matters. */
void journal_close(struct journal *j);

struct journal_record {
	uint64_t seq;
	int64_t wall_s;
	struct span attrs; /* valid until the next call */
};

enum journal_got { JOURNAL_NONE, JOURNAL_GOT, JOURNAL_READING, JOURNAL_UNREADABLE };
/*
 * The next record in that state behind the last one that was got, from the oldest on again at the
 * end. READING: it comes with journal_read_done(). UNREADABLE: the record of that number is
 * damaged; it is DONE now.
 */
enum journal_got journal_next(struct journal *j, enum journal_state state,
			      struct journal_record *out);
/* From the oldest again. */
void journal_rewind(struct journal *j);
/* bytes.bad: they cannot be read now. */
/* All that were postponed wait again, and the oldest comes first. */
void journal_requeue(struct journal *j);
void journal_read_done(struct journal *j, uint64_t file, uint32_t at, struct span bytes);

uint64_t journal_count(const struct journal *j, enum journal_state state);

struct journal_totals {
	uint64_t records[JOURNAL_STATES]; /* DONE: those in files that are not removed yet */
	uint64_t bytes, bytes_max;
	uint32_t files;
	uint64_t given_up; /* postponed ones that had to go to make room */
};
void journal_totals(const struct journal *j, struct journal_totals *out);

#endif
