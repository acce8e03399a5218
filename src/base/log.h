/*
 * log.h - levels of the log as in the manual (0..5), and the text form of a line. Pure: the sink
 * (standard output, file, syslog) is a shell's (control/log_sink.h) and is reached through the
 * function that each module is lent.
 */
#ifndef LNS_LOG_H
#define LNS_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_CRITICAL = 0,
	LOG_ERROR = 1,
	LOG_WARN = 2,
	LOG_NOTE = 3,  /* "info" */
	LOG_CALLS = 4, /* calls, that is one line per step of a session */
	LOG_DATA = 5,  /* packets with hex dump */
};

enum { LOG_LINE_MAX = 512 };

#endif
