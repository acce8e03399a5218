/*
 * log_sink.h - where log lines go: standard output (default), a file, or syslog. Any thread may
 * write: a line is copied into a bounded queue and a thread of its own does the slow part, so
 * neither workers nor control wait for a disk. A flood is cut to a rate and the cut is said.
 * Lines look as the original's: "2026-11-22 10:00:00 TT/SS message".
 */
#ifndef LNS_LOG_SINK_H
#define LNS_LOG_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

/* Starts the thread; lines go to standard output until log_sink_open. Dies when out of memory. */
void log_sink_start(void);
/* `target`: "" = standard output, "/path" = append to that file, "syslog:facility"; anything else
 * turns the log off, as in the original. Also re-opens a file that was moved away. False: the file
 * cannot be opened (a line says why) and standard output is used. */
bool log_sink_open(const char *target);
/* Highest level that is written (`set debug`). */
void log_sink_level(unsigned level);
bool log_sink_wants(enum log_level level);
/* tid and sid are 0 when the line is about neither. Never blocks; a full queue loses the line and
 * counts it. */
void log_sink_write(enum log_level level, uint16_t tid, uint16_t sid, const char *text);
void log_sink_printf(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Writes what is queued and ends the thread. */
void log_sink_stop(void);

/* The last lines that were written, for those who watch: a bounded ring, so a slow reader misses
 * some. A cursor is where a reader is. */
struct log_tail_line {
	uint8_t level; /* enum log_level */
	uint16_t tid, sid;
	char text[LOG_LINE_MAX];
};
/* Behind the last line. Any thread. */
uint64_t log_sink_tail_end(void);
/* The next line; false when there is none yet. Any thread. */
bool log_sink_tail(uint64_t *cursor, struct log_tail_line *out);

#endif
