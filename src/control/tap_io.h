/*
 * tap_io.h - the one consumer of the workers' taps (dataplane/dp_tap.h): a thread that takes the
 * copies of watched sessions' packets and writes captures. A session is watched when its record has
 * DP_TAP; what nobody here asked for is thrown away. Any thread may call these functions.
 */
#ifndef LNS_TAP_IO_H
#define LNS_TAP_IO_H

#include "control/request.h"
#include "dataplane/dp_tap.h"

struct tap_io;

/* `taps` has n; they and the queue outlive it. NULL: no thread or no memory. */
struct tap_io *tap_io_new(struct dp_tap *const *taps, unsigned n, struct request_queue *requests);
/* After request_shutdown(). Ends all captures; their files are whole. */
void tap_io_free(struct tap_io *t);

enum { CAPTURES_MAX = 8, CAPTURE_PATH_MAX = 320 };

struct capture_conf {
	struct sess_key key;
	const char *path; /* must not exist yet */
	uint64_t max_bytes;
	unsigned max_s;
	const char *comment;
};

/* Makes the file and switches the session's tap on. False with a reason. Ends by itself when the
 * file is full, the time is over or the session has gone. */
bool tap_io_capture(struct tap_io *t, const struct capture_conf *conf, char reason[static 160]);
/* False: there is no such capture. */
bool tap_io_stop(struct tap_io *t, struct sess_key key);

struct capture_view {
	struct sess_key key;
	char path[CAPTURE_PATH_MAX];
	uint64_t packets, bytes; /* bytes of the file */
	unsigned age_s;
	const char *ended; /* NULL: goes on; else why */
};

/* Captures 0.. of those that go on and of the last ones that ended; false: there is no such. */
bool tap_io_capture_view(struct tap_io *t, unsigned i, struct capture_view *out);

#endif
