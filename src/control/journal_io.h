/*
 * journal_io.h - the files of the accounting journal (acct_journal.h) in the directory of `set
 * acct_journal`. One thread writes, reads and removes them in the order that control asks for it,
 * another one brings what was written to the disk (fdatasync), so that neither control nor the
 * writing waits for it. A disk that refuses to write is tried again every second; reading and
 * removing go on meanwhile. Used by the control thread only.
 */
#ifndef LNS_JOURNAL_IO_H
#define LNS_JOURNAL_IO_H

#include "base/nsec.h"
#include "control/acct_journal.h"

enum { JOURNAL_REASON = 400 };

struct journal_io;

/* What keeps the directory from being used, into reason; true: nothing. */
bool journal_io_check(const char *dir, char reason[static JOURNAL_REASON]);
/* Takes the directory for this process and starts the threads. NULL: reason says why. */
struct journal_io *journal_io_open(const char *dir, char reason[static JOURNAL_REASON]);
/* What journal_new wants. */
struct journal_env journal_io_env(struct journal_io *io, const struct alloc *a);
/* Loads all files that are there into it; what is damaged is said in the log. */
void journal_io_load(struct journal_io *io, struct journal *j);
/* Readable when a read is done. */
int journal_io_fd(const struct journal_io *io);
/* Takes the answer of a read, if there is one. */
void journal_io_take(struct journal_io *io,
		     void (*got)(void *ctx, uint64_t file, uint32_t at, struct span bytes),
		     void *ctx);
/* Writes what waits, brings it to the disk and ends the threads. */
void journal_io_close(struct journal_io *io);

#endif
