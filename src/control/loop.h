/*
 * loop.h - the control thread: one epoll loop around the core. Feeds it messages from the workers,
 * RADIUS datagrams, CLI requests and time; carries out signals and reloads. Everything that
 * control owns is created and destroyed here, in one visible order.
 */
#ifndef LNS_LOOP_H
#define LNS_LOOP_H

#include <stdbool.h>

#include "control/conf.h"

struct loop_options {
	const char *conf_path; /* startup-config */
	const char *hostname;  /* -h; used when the file sets none; may be NULL */
	unsigned debug;	       /* -v count: level before the file sets one */
};

/* Runs the service until a signal ends it; returns the exit status. `conf` was loaded and checked
 * by the caller; it is owned by the loop from here on. */
int loop_run(const struct loop_options *options, struct conf *conf);

#endif
