/*
 * test_bytes.h - bytes in tests written as they stand in a dump: "c8 02 00 4c" and back.
 */
#ifndef LNS_TEST_BYTES_H
#define LNS_TEST_BYTES_H

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/span.h"

/* Reads hex digits, blanks between bytes allowed, into out; returns the number of bytes. Ends the
 * program when the text is not hex or does not fit: that is a mistake in the test. */
static inline size_t test_unhex(const char *text, uint8_t *out, size_t cap)
{
	size_t n = 0;
	unsigned nibbles = 0, value = 0;
	for (; *text; text++) {
		if (isspace((unsigned char)*text))
			continue;
		if (!isxdigit((unsigned char)*text) || n == cap) {
			fprintf(stderr, "bad hex at \"%s\"\n", text);
			abort();
		}
		int lower = tolower((unsigned char)*text);
		value = value << 4 | (unsigned)(lower <= '9' ? lower - '0' : lower - 'a' + 10);
		if (++nibbles == 2) {
			out[n++] = (uint8_t)value;
			nibbles = value = 0;
		}
	}
	return n;
}

/* A copy in memory that is exactly as long as the bytes, so that AddressSanitizer sees a read of
 * even one byte behind them. free() it. */
static inline uint8_t *test_exact_copy(const void *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		abort();
	if (n)
		memcpy(copy, bytes, n);
	return copy;
}

#endif
