#include "control/lexer.h"

#include <ctype.h>
#include <stdio.h>

struct lexer {
	struct span in;
	struct lex_line *out;
	size_t used; /* of out->text */
	char *reason;
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool refuse(struct lexer *x, const char *why)
{
	snprintf(x->reason, LEX_REASON_TEXT, "%s", why);
	return false;
}

static void put(struct lexer *x, char c)
{
	x->out->text[x->used++] = c;
}

/* Takes the byte at the front, a backslash with what follows. */
static bool take_byte(struct lexer *x)
{
	uint8_t c = span_u8(&x->in);
	if (c == '\\') {
		if (x->in.n == 0)
			return refuse(x, "backslash at the end of the line");
		c = span_u8(&x->in);
	}
	put(x, (char)c);
	return true;
}

static bool take_quoted(struct lexer *x)
{
	uint8_t quote = span_u8(&x->in);

	while (x->in.n > 0 && x->in.p[0] != quote)
		if (!take_byte(x))
			return false;
	if (x->in.n == 0)
		return refuse(x, "quotation mark without its partner");
	span_u8(&x->in);
	return true;
}

/* A word is a run of bare and quoted parts without a blank between them. */
static bool take_word(struct lexer *x)
{
	if (x->out->n == LEX_WORDS_MAX)
		return refuse(x, "more than 127 words");
	x->out->word[x->out->n++] = x->out->text + x->used;
	while (x->in.n > 0 && !is_blank(x->in.p[0])) {
		bool quoted = x->in.p[0] == '"' || x->in.p[0] == '\'';
		if (!(quoted ? take_quoted(x) : take_byte(x)))
			return false;
	}
	put(x, '\0');
	return true;
}

static void skip_blanks(struct span *in)
{
	while (in->n > 0 && is_blank(in->p[0]))
		span_u8(in);
}

static bool check_bytes(struct lexer *x)
{
	if (x->in.n > LEX_LINE_MAX)
		return refuse(x, "line longer than 4094 characters");
	for (size_t i = 0; i < x->in.n; i++) {
		uint8_t c = x->in.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			snprintf(x->reason, LEX_REASON_TEXT, "control byte 0x%02x in column %zu", c,
				 i + 1);
			return false;
		}
	}
	return true;
}

bool lex_split(struct span line, struct lex_line *out, char reason[static LEX_REASON_TEXT])
{
	struct lexer x = {.in = line, .out = out, .reason = reason};

	out->n = 0;
	if (x.in.n > 0 && x.in.p[x.in.n - 1] == '\r')
		x.in.n--;
	if (!check_bytes(&x))
		return false;
	skip_blanks(&x.in);
	if (x.in.n > 0 && x.in.p[0] == '!')
		return true;
	while (x.in.n > 0 && x.in.p[0] != '#') {
		if (!take_word(&x))
			return false;
		skip_blanks(&x.in);
	}
	return true;
}

bool lex_next_line(struct span *text, struct span *line)
{
	if (text->n == 0)
		return false;
	const uint8_t *end = memchr(text->p, '\n', text->n);
	size_t n = end ? (size_t)(end - text->p) : text->n;
	*line = span_sub(text, n);
	if (end)
		span_u8(text);
	return true;
}

static bool needs_quotes(const char *word)
{
	return word[0] == '\0' || word[0] == '!' || strpbrk(word, " \t\"'\\#");
}

size_t lex_quote(const char *word, bool bare, char *out, size_t cap)
{
	size_t n = strlen(word);

	if (bare && !needs_quotes(word)) {
		if (n >= cap)
			return 0;
		memcpy(out, word, n + 1);
		return n;
	}
	size_t used = 0;
	if (2 * n + 3 > cap)
		return 0;
	out[used++] = '"';
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			out[used++] = '\\';
		out[used++] = *word;
	}
	out[used++] = '"';
	out[used] = '\0';
	return used;
}

bool lex_number(const char *word, uint64_t *out)
{
	uint64_t n = 0;
	size_t len = strspn(word, "0123456789");

	if (len == 0 || len > 18 || word[len] != '\0')
		return false;
	for (; *word; word++)
		n = n * 10 + (uint64_t)(*word - '0');
	*out = n;
	return true;
}

bool lex_is_prefix(const char *word, const char *keyword)
{
	if (*word == '\0')
		return false;
	for (; *word; word++, keyword++)
		if (tolower((unsigned char)*word) != tolower((unsigned char)*keyword))
			return false;
	return true;
}

bool lex_equal_nocase(const char *a, const char *b)
{
	return strlen(a) == strlen(b) && (*a == '\0' || lex_is_prefix(a, b));
}
