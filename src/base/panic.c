#include "base/panic.h"

#include <stdio.h>
#include <stdlib.h>

void lns_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "l2tpns: %s:%d: assertion failed: %s\n", file, line, what);
	abort();
}
