/* Any bytes are lines, each of words or refused; words survive being quoted and split again. */
#include <stdlib.h>

#include "control/lexer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void quote_and_split_again(const char *word)
{
	static char text[2 * LEX_LINE_MAX + 8];
	static struct lex_line again;
	char reason[LEX_REASON_TEXT];

	for (int bare = 0; bare < 2; bare++) {
		size_t len = lex_quote(word, bare, text, sizeof(text));
		if (len > LEX_LINE_MAX)
			continue; /* escapes made it too long for a line */
		if (len == 0 || !lex_split(span_of(text, len), &again, reason) || again.n != 1 ||
		    strcmp(again.word[0], word) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct lex_line words;
	struct span text = span_of(bytes, n), line;
	char reason[LEX_REASON_TEXT];
	uint64_t number;

	while (lex_next_line(&text, &line)) {
		reason[0] = '\0';
		if (!lex_split(line, &words, reason)) {
			if (reason[0] == '\0')
				abort();
			continue;
		}
		for (unsigned i = 0; i < words.n; i++) {
			quote_and_split_again(words.word[i]);
			lex_number(words.word[i], &number);
		}
	}
	return 0;
}
