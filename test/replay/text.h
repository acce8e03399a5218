/*
 * text.h - the line language of replays: "NAME WORD... key=value..." in and out. A line is cut into
 * words; values may stand in double quotes. Lines that the program produces have the same form, so
 * an expectation is compared word by word and key by key.
 */
#ifndef LNS_REPLAY_TEXT_H
#define LNS_REPLAY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEXT_WORDS = 64, TEXT_LINE = 4096 };

struct words {
	char store[TEXT_LINE];
	unsigned n;
	char *word[TEXT_WORDS];	 /* "pfc", or "mru=1460" cut into key and value: */
	char *value[TEXT_WORDS]; /* NULL for a plain word */
};

/* False: too long, or a quote is not closed. */
bool words_read(struct words *w, const char *line);
/* Value of the first <key>=, or NULL. */
const char *words_get(const struct words *w, const char *key);
bool words_has(const struct words *w, const char *plain);
/* Number (decimal or 0x); `missing` when there is no such key. Ends the program on rubbish. */
uint64_t words_num(const struct words *w, const char *key, uint64_t missing);

/* A line under construction. */
struct text {
	char s[TEXT_LINE];
	size_t n;
};
void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* " key=" and bytes as text when printable, in quotes when needed, else as 0x hex. */
void text_add_bytes(struct text *t, const char *key, const uint8_t *b, size_t n);
void text_add_hex(struct text *t, const char *key, const uint8_t *b, size_t n);

/* Ends the program with the place in the script. */
_Noreturn void replay_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
