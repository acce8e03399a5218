#include "dataplane/io_backend.h"

#include <string.h>

static const struct {
	const char *name;
	struct io_features features;
} backends[IO_BACKENDS] = {
	[IO_FULL] = {"full", {true, true, true, true}},
	[IO_NOUSO] = {"nouso", {true, true, true, false}},
	[IO_NOVNET] = {"novnet", {true, false, false, false}},
	[IO_PLAIN] = {"plain", {false, false, false, false}},
};

const char *io_backend_name(enum io_backend b)
{
	return backends[b].name;
}

struct io_features io_backend_features(enum io_backend b)
{
	return backends[b].features;
}

bool io_backend_parse(const char *name, enum io_backend *b, bool *automatic)
{
	*automatic = strcmp(name, "auto") == 0;
	*b = IO_FULL;
	for (unsigned i = 0; i < IO_BACKENDS && !*automatic; i++)
		if (strcmp(name, backends[i].name) == 0) {
			*b = (enum io_backend)i;
			return true;
		}
	return *automatic;
}
