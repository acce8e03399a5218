/*
 * garden_run.h - runs one program for the garden's helper thread: no shell, nothing inherited but
 * its input, ended when it takes too long. Any thread.
 */
#ifndef L2TPNS_GARDEN_RUN_H
#define L2TPNS_GARDEN_RUN_H

#include <stddef.h>

enum { RUN_SAID = 160, RUN_LIMIT_MS = 30000 };

/* Its exit status, or -1: it could not be run or was ended. `said` is the first line that it wrote
 * to standard error, or why it did not run. `input` may be NULL. */
int garden_run(const char *const argv[], const char *input, size_t n, char said[RUN_SAID]);

#endif
