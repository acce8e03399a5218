/* Any bytes are one line of printable characters. */
#include <stdlib.h>
#include <string.h>

#include "control/trace_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(const char *line)
{
	size_t len = strnlen(line, TRACE_LINE_MAX);

	if (len == 0 || len == TRACE_LINE_MAX)
		abort();
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || (unsigned char)line[i] > 0x7E)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char line[TRACE_LINE_MAX];
	struct span in = span_of(bytes, n);
	uint8_t first = n ? span_u8(&in) : 0;

	trace_ppp(first & 1, in, line);
	check(line);
	trace_l2tp(first, first & 1, in, line);
	check(line);
	trace_radius(first, first & 1, in, line);
	check(line);
	return 0;
}
