/*
 * usage_io.h - writes usage files (acct_usage.c) on a thread of its own: under another name first,
 * renamed when complete, so that who reads the directory never meets half a file. Used by the
 * control thread only.
 */
#ifndef LNS_USAGE_IO_H
#define LNS_USAGE_IO_H

#include <stdint.h>

#include "base/span.h"

struct usage_io;

enum { USAGE_REASON = 400 };

/* What keeps the directory from being used, into reason; true: nothing. */
bool usage_io_check(const char *dir, char reason[static USAGE_REASON]);
/* NULL: no thread could be made. */
struct usage_io *usage_io_new(void);
/* The next piece of a file that is named by the local time of wall_s; the file is complete with the
 * last one. A failure is said in the log and costs that file. */
void usage_io_text(struct usage_io *io, const char *dir, int64_t wall_s, struct span text,
		   bool last);
/* Writes what waits and ends the thread. */
void usage_io_free(struct usage_io *io);

#endif
