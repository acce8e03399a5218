#include "control/lexer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "test_bytes.h"
#include "test_random.h"

static struct lex_line line;
static char reason[LEX_REASON_TEXT];

static void splits_into(const char *text, unsigned n, const char *const *words)
{
	assert_true(lex_split(span_str(text), &line, reason));
	assert_int_equal(line.n, n);
	for (unsigned i = 0; i < n; i++)
		assert_string_equal(line.word[i], words[i]);
}

#define SPLITS(text, ...)                                                                          \
	do {                                                                                       \
		static const char *const w[] = {__VA_ARGS__};                                      \
		splits_into(text, sizeof(w) / sizeof(w[0]), w);                                    \
	} while (0)

static void refused(const char *text, const char *why)
{
	assert_false(lex_split(span_str(text), &line, reason));
	assert_non_null(strstr(reason, why));
}

static void blanks_separate_words(void **state)
{
	(void)state;
	SPLITS("set debug 3", "set", "debug", "3");
	SPLITS(" \tset\t\tdebug   3 \t", "set", "debug", "3");
	SPLITS("set debug 3\r", "set", "debug", "3");
}

static void quotes_group_and_hide_comment_signs(void **state)
{
	(void)state;
	SPLITS("set l2tp_secret \"a # b ! c\"", "set", "l2tp_secret", "a # b ! c");
	SPLITS("set x 'it \"is\"'", "set", "x", "it \"is\"");
	SPLITS("a\"b c\"'d e'f", "ab cd ef");
	SPLITS("x \"\" ''", "x", "", "");
	SPLITS("say \"a\\\"b\" 'c\\'d' e\\ f g\\\\h", "say", "a\"b", "c'd", "e f", "g\\h");
}

static void comments_begin_a_line_or_follow_a_blank(void **state)
{
	(void)state;
	static const char *const none[] = {NULL};
	splits_into("# all of it", 0, none);
	splits_into("  ! all of it", 0, none);
	splits_into("", 0, none);
	splits_into(" \t ", 0, none);
	SPLITS("set a b # rest", "set", "a", "b");
	SPLITS("set a b#c", "set", "a", "b#c");
	SPLITS("set a !b", "set", "a", "!b");
	SPLITS("set a \\#b", "set", "a", "#b");
}

static void bad_lines_have_a_reason(void **state)
{
	(void)state;
	refused("set a \"b", "quotation mark");
	refused("set a 'b\"", "quotation mark");
	refused("set a b\\", "backslash");
	refused("set a \"b\\", "backslash");
	refused("set a b\x01", "0x01 in column 8");
	refused("set a\x7f", "0x7f");
	assert_false(lex_split(span_of("a\0b", 3), &line, reason));
}

static void lengths_and_counts_are_limited(void **state)
{
	(void)state;
	char text[LEX_LINE_MAX + 2];

	memset(text, 'x', sizeof(text));
	assert_true(lex_split(span_of(text, LEX_LINE_MAX), &line, reason));
	assert_int_equal(strlen(line.word[0]), LEX_LINE_MAX);
	assert_false(lex_split(span_of(text, LEX_LINE_MAX + 1), &line, reason));
	for (size_t i = 0; i < sizeof(text); i += 2)
		text[i] = ' ';
	assert_true(lex_split(span_of(text, 2 * LEX_WORDS_MAX), &line, reason));
	assert_int_equal(line.n, LEX_WORDS_MAX);
	assert_false(lex_split(span_of(text, 2 * LEX_WORDS_MAX + 2), &line, reason));
}

static void lines_end_at_line_feeds(void **state)
{
	(void)state;
	struct span text = span_str("a\n\nb"), l;

	assert_true(lex_next_line(&text, &l) && span_equal(l, span_str("a")));
	assert_true(lex_next_line(&text, &l) && l.n == 0);
	assert_true(lex_next_line(&text, &l) && span_equal(l, span_str("b")));
	assert_false(lex_next_line(&text, &l));
}

static void numbers_are_decimal_digits(void **state)
{
	(void)state;
	uint64_t n;

	assert_true(lex_number("0", &n) && n == 0);
	assert_true(lex_number("123456789012345678", &n) && n == 123456789012345678u);
	assert_false(lex_number("", &n));
	assert_false(lex_number("-1", &n));
	assert_false(lex_number("1x", &n));
	assert_false(lex_number("0x10", &n));
	assert_false(lex_number("1234567890123456789", &n));
}

static void keywords_may_be_abbreviated(void **state)
{
	(void)state;
	assert_true(lex_is_prefix("s", "set"));
	assert_true(lex_is_prefix("SET", "set"));
	assert_false(lex_is_prefix("sets", "set"));
	assert_false(lex_is_prefix("", "set"));
	assert_true(lex_equal_nocase("Set", "sEt"));
	assert_false(lex_equal_nocase("se", "set"));
}

/* Whatever lex_quote() writes, lex_split() reads back. */
static void quoting_is_undone_by_splitting(void **state)
{
	(void)state;
	struct test_random r = {.state = 1};
	static const char alphabet[] = "ab \t\"'\\#!$\xc3\xa9";

	for (unsigned i = 0; i < 20000; i++) {
		char word[32], text[2 * sizeof(word) + 8] = "x ";
		size_t n = test_random_below(&r, sizeof(word));
		for (size_t k = 0; k < n; k++)
			word[k] = alphabet[test_random_below(&r, sizeof(alphabet) - 1)];
		word[n] = '\0';
		assert_true(lex_quote(word, i % 2, text + 2, sizeof(text) - 2) > 0 || n == 0);
		assert_true(lex_split(span_str(text), &line, reason));
		assert_int_equal(line.n, 2);
		assert_string_equal(line.word[1], word);
	}
	char small[4];
	assert_int_equal(lex_quote("ab", false, small, sizeof(small)), 0);
	assert_int_equal(lex_quote("abcd", true, small, sizeof(small)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_separate_words),
		cmocka_unit_test(quotes_group_and_hide_comment_signs),
		cmocka_unit_test(comments_begin_a_line_or_follow_a_blank),
		cmocka_unit_test(bad_lines_have_a_reason),
		cmocka_unit_test(lengths_and_counts_are_limited),
		cmocka_unit_test(lines_end_at_line_feeds),
		cmocka_unit_test(numbers_are_decimal_digits),
		cmocka_unit_test(keywords_may_be_abbreviated),
		cmocka_unit_test(quoting_is_undone_by_splitting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
