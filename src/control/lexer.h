/*
 * lexer.h - a line of startup-config, users-style commands or the command line as words: blanks
 * separate, "..." and '...' group, a backslash takes the next character as it is (in quotes too).
 * `#` or `!` at the start of a line, or `#` behind a blank outside quotes, open a comment. Lines
 * that are too long or hold control bytes are refused with a reason. Pure.
 */
#ifndef LNS_LEXER_H
#define LNS_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum {
	LEX_LINE_MAX = 4094, /* bytes of a line, without its end */
	LEX_WORDS_MAX = 127,
	LEX_REASON_TEXT = 96, /* NUL included */
};

struct lex_line {
	unsigned n;
	const char *word[LEX_WORDS_MAX]; /* point into text */
	char text[LEX_LINE_MAX + 1];
};

/* Splits one line (without LF; a CR at its end is dropped). False, with a reason that does not
 * quote the line, when it cannot be split; a comment or blank line has no words. */
bool lex_split(struct span line, struct lex_line *out, char reason[static LEX_REASON_TEXT]);

/* The next line of a text, without its LF; false at the end. */
bool lex_next_line(struct span *text, struct span *line);

/* Writes the word so that lex_split() gives it back: in double quotes, or bare when `bare` is set
 * and it needs none. Returns the length; writes nothing (and returns 0) when it does not fit. */
size_t lex_quote(const char *word, bool bare, char *out, size_t cap);

/* A number of at most 18 decimal digits and nothing else. */
bool lex_number(const char *word, uint64_t *out);

/* True when `word` is the keyword or begins it, case-insensitive; an empty word begins nothing. */
bool lex_is_prefix(const char *word, const char *keyword);
bool lex_equal_nocase(const char *a, const char *b);

#endif
