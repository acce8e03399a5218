/* The accounting journal: bytes, files, what a crash or damage leaves, order, room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "journal_kit.h"

enum { MB = 1024 * 1024 };

static struct journal_kit kit; /* large; one test at a time */

static uint64_t put(struct journal_kit *k, unsigned number)
{
	char text[64];

	snprintf(text, sizeof(text), "record %u", number);
	return journal_put(k->journal, 1000 + number, span_str(text), false);
}

static void assert_is(const struct journal_record *r, unsigned number)
{
	char text[64];

	snprintf(text, sizeof(text), "record %u", number);
	assert_int_equal(r->wall_s, 1000 + number);
	assert_int_equal(r->attrs.n, strlen(text));
	assert_memory_equal(r->attrs.p, text, r->attrs.n);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void a_record_comes_back_as_it_was(void **state)
{
	(void)state;
	uint8_t bytes[256];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct acct_entry e;

	acct_entry_put_record(&w, 99, 7, 1763800000, span_str("attributes"));
	for (size_t n = 0; n < w.n; n++) {
		struct span cut = span_of(bytes, n);
		assert_false(acct_entry_get(&cut, 99, &e));
		assert_int_equal(cut.n, n);
	}
	struct span in = wbuf_written(&w);
	assert_false(acct_entry_get(&in, 98, &e)); /* another file's key */
	assert_true(acct_entry_get(&in, 99, &e));
	assert_int_equal(in.n, 0);
	assert_int_equal(e.kind, ACCT_ENTRY_RECORD);
	assert_int_equal(e.seq, 7);
	assert_int_equal(e.wall_s, 1763800000);
	assert_true(span_equal(e.content, span_str("attributes")));
	for (size_t i = 0; i < w.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1u << bit);
			in = wbuf_written(&w);
			assert_false(acct_entry_get(&in, 99, &e));
			bytes[i] ^= (uint8_t)(1u << bit);
		}
	}
}

static void ranges_and_heads_come_back(void **state)
{
	(void)state;
	uint8_t bytes[256];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	const struct acct_range ranges[] = {{.first = 5, .n = 9}, {.first = 1ull << 40, .n = 1}};
	struct acct_file_header h = {.number = 3, .key = 0x0123456789ABCDEF}, back;
	struct acct_entry e;
	struct acct_range r;

	acct_file_put(&w, &h);
	assert_int_equal(w.n, ACCT_FILE_HEADER);
	acct_entry_put_done(&w, h.key, ranges, 2);
	for (size_t n = 0; n < ACCT_FILE_HEADER; n++) {
		struct span cut = span_of(bytes, n);
		assert_false(acct_file_get(&cut, &back));
	}
	struct span in = wbuf_written(&w);
	assert_true(acct_file_get(&in, &back));
	assert_true(back.number == h.number && back.key == h.key);
	assert_true(acct_entry_get(&in, h.key, &e));
	assert_int_equal(e.kind, ACCT_ENTRY_DONE);
	assert_true(acct_range_next(&e.content, &r));
	assert_true(r.first == 5 && r.n == 9);
	assert_true(acct_range_next(&e.content, &r));
	assert_true(r.first == 1ull << 40 && r.n == 1);
	assert_false(acct_range_next(&e.content, &r));
}

/* A subscriber who knows the format, but not the file's key. */
static void an_entry_within_a_record_is_none(void **state)
{
	(void)state;
	uint8_t inner[128], bytes[512];
	struct wbuf in = wbuf_of(inner, sizeof(inner)), w = wbuf_of(bytes, sizeof(bytes));
	struct acct_entry e;
	size_t skipped;

	acct_entry_put_record(&in, 0, 2, 5, span_str("forged"));
	acct_entry_put_record(&w, 77, 1, 5, wbuf_written(&in));
	acct_entry_put_record(&w, 77, 2, 6, span_str("real"));
	bytes[2] ^= 0xFF; /* damaged: the search goes through its content */
	struct span all = wbuf_written(&w);
	assert_true(acct_entry_find(&all, 77, &e, &skipped));
	assert_true(span_equal(e.content, span_str("real")));
	assert_int_equal(skipped, ACCT_RECORD_MIN + in.n);
}

/* ---- records --------------------------------------------------------------------------------- */

static void records_are_got_in_order_and_only_those_that_wait(void **state)
{
	(void)state;
	struct journal_record r;
	uint64_t seq[10];

	jkit_init(&kit, MB);
	assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_NONE);
	for (unsigned i = 0; i < 10; i++)
		seq[i] = put(&kit, i);
	journal_set(kit.journal, seq[0], JOURNAL_ASKED);
	journal_set(kit.journal, seq[2], JOURNAL_DONE);
	journal_set(kit.journal, seq[3], JOURNAL_POSTPONED);
	static const unsigned waiting[] = {1, 4, 5, 6, 7, 8, 9, 1};
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_GOT);
		assert_int_equal(r.seq, seq[waiting[i]]);
		assert_is(&r, waiting[i]);
	}
	journal_rewind(kit.journal);
	assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_GOT);
	assert_is(&r, 1);
	assert_int_equal(jkit_next(&kit, JOURNAL_POSTPONED, &r), JOURNAL_GOT);
	assert_is(&r, 3);
	journal_set(kit.journal, seq[2], JOURNAL_WAITING); /* done is done */
	assert_int_equal(journal_count(kit.journal, JOURNAL_WAITING), 7);
	journal_requeue(kit.journal);
	assert_int_equal(journal_count(kit.journal, JOURNAL_WAITING), 8);
	assert_int_equal(journal_count(kit.journal, JOURNAL_POSTPONED), 0);
	assert_int_equal(jkit_free(&kit), 0);
}

static void what_is_done_is_not_told_again_after_a_crash(void **state)
{
	(void)state;
	struct journal_loaded worst;
	struct journal_record r;

	jkit_init(&kit, MB);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t seq = put(&kit, i);
		journal_set(kit.journal, seq, JOURNAL_ASKED);
		if (i % 3 != 0)
			journal_set(kit.journal, seq, JOURNAL_DONE);
	}
	journal_flush(kit.journal);
	for (unsigned life = 0; life < 3; life++) {
		jkit_crash(&kit);
		jkit_load(&kit, &worst);
		assert_null(worst.refused);
		assert_int_equal(worst.bad_bytes, 0);
		for (unsigned i = life; i < 34; i++) {
			assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_GOT);
			assert_is(&r, i * 3);
			if (i == life) /* one more in each life */
				journal_set(kit.journal, r.seq, JOURNAL_DONE);
		}
		journal_flush(kit.journal);
	}
	assert_true(put(&kit, 500) > 100); /* numbers are never used again */
	assert_int_equal(jkit_free(&kit), 0);
}

static void files_go_when_all_is_done_and_oldest_first(void **state)
{
	(void)state;
	enum { N = 10000 };
	static uint64_t seq[N];
	struct journal_loaded worst;
	struct journal_totals t;

	jkit_init(&kit, MB);
	for (unsigned i = 0; i < N; i++) {
		seq[i] = put(&kit, i);
		assert_true(seq[i] != 0);
	}
	journal_totals(kit.journal, &t);
	assert_true(t.files > 5 && t.bytes > N * 40);
	for (unsigned i = N / 2; i < N; i++) /* the later half */
		journal_set(kit.journal, seq[i], JOURNAL_DONE);
	journal_flush(kit.journal);
	assert_int_equal(kit.removed, 0);
	for (unsigned i = 1; i < N / 2; i++)
		journal_set(kit.journal, seq[i], JOURNAL_DONE);
	journal_flush(kit.journal);
	assert_int_equal(kit.removed, 0); /* the first holds them all */
	journal_set(kit.journal, seq[0], JOURNAL_DONE);
	journal_flush(kit.journal);
	journal_totals(kit.journal, &t);
	assert_int_equal(t.files, 1);
	journal_close(kit.journal);
	journal_totals(kit.journal, &t);
	assert_int_equal(t.files, 0);
	assert_int_equal(t.bytes, 0);
	jkit_crash(&kit);
	jkit_load(&kit, &worst);
	assert_int_equal(journal_count(kit.journal, JOURNAL_WAITING), 0);
	assert_int_equal(jkit_free(&kit), 0);
}

static void a_full_journal_refuses_and_a_spare_record_earlier(void **state)
{
	(void)state;
	struct journal_totals t;
	unsigned n = 0, spare = 0;
	uint64_t first = 0;

	jkit_init(&kit, MB);
	while (journal_put(kit.journal, 1, span_str("interim"), true) != 0)
		spare++;
	journal_totals(kit.journal, &t);
	assert_in_range(t.bytes, MB / 10 * 6, MB / 4 * 3);
	for (uint64_t seq; (seq = put(&kit, n)) != 0; n++)
		first = first ? first : seq;
	journal_totals(kit.journal, &t);
	assert_in_range(t.bytes, MB / 10 * 9, MB);
	assert_true(spare > 1000 && n > 1000);
	/* What happens to them is still told. */
	for (uint64_t seq = 1; seq < first + n; seq++)
		journal_set(kit.journal, seq, JOURNAL_DONE);
	journal_flush(kit.journal);
	journal_totals(kit.journal, &t);
	assert_true(t.bytes < MB / 8 && t.records[JOURNAL_WAITING] == 0);
	assert_true(put(&kit, 1) != 0);
	kit.behind = true;
	assert_int_equal(put(&kit, 2), 0);
	assert_int_equal(jkit_free(&kit), 0);
}

static void records_that_servers_refuse_make_room(void **state)
{
	(void)state;
	struct journal_totals t;
	uint64_t seq;
	unsigned n = 0;

	jkit_init(&kit, MB);
	uint64_t poison = put(&kit, 0);
	journal_set(kit.journal, poison, JOURNAL_POSTPONED);
	for (; n < 100000 && (seq = put(&kit, n)) != 0; n++) {
		journal_set(kit.journal, seq, JOURNAL_DONE);
		journal_flush(kit.journal);
	}
	assert_int_equal(n, 100000);
	journal_totals(kit.journal, &t);
	assert_int_equal(t.given_up, 1);
	assert_int_equal(jkit_free(&kit), 0);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void any_cut_leaves_what_is_in_front_of_it(void **state)
{
	(void)state;
	enum { N = 12 };
	struct journal_loaded worst;
	struct journal_record r;
	uint8_t copy[4096];

	jkit_init(&kit, MB);
	for (unsigned i = 0; i < N; i++)
		put(&kit, i);
	journal_flush(kit.journal);
	jkit_crash(&kit);
	size_t n = kit.files[0].n;
	assert_true(n <= sizeof(copy));
	memcpy(copy, kit.files[0].bytes, n);
	unsigned seen = 0;
	for (size_t cut = 0; cut <= n; cut++) {
		struct jkit_file *f = jkit_file(&kit, 1);
		if (!f)
			jkit_write(&kit, 1, span_of(copy, 1)), f = jkit_file(&kit, 1);
		f->bytes = realloc(f->bytes, n + 1);
		memcpy(f->bytes, copy, n);
		f->n = cut;
		jkit_load(&kit, &worst);
		unsigned waiting = (unsigned)journal_count(kit.journal, JOURNAL_WAITING);
		assert_true(waiting == seen || waiting == seen + 1);
		seen = waiting;
		assert_int_equal(worst.refused != NULL, cut < ACCT_FILE_HEADER);
		for (unsigned i = 0; i < waiting; i++) {
			assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_GOT);
			assert_is(&r, i);
		}
		jkit_crash(&kit);
	}
	assert_int_equal(seen, N);
	assert_int_equal(jkit_free(&kit), 0);
}

static void damage_in_the_middle_costs_that_record_only(void **state)
{
	(void)state;
	struct journal_loaded worst;
	struct journal_record r;

	jkit_init(&kit, MB);
	for (unsigned i = 0; i < 10; i++)
		put(&kit, i);
	journal_set(kit.journal, 9, JOURNAL_DONE);
	journal_flush(kit.journal);
	jkit_crash(&kit);
	kit.files[0].bytes[ACCT_FILE_HEADER + 4 * (ACCT_RECORD_MIN + 8) + 20] ^= 1;
	jkit_load(&kit, &worst);
	assert_int_equal(worst.bad_bytes, ACCT_RECORD_MIN + 8);
	assert_false(worst.torn);
	assert_int_equal(journal_count(kit.journal, JOURNAL_WAITING), 8);
	static const unsigned left[] = {0, 1, 2, 3, 5, 6, 7, 9};
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_GOT);
		assert_is(&r, left[i]);
	}
	assert_int_equal(jkit_free(&kit), 0);
}

static void what_is_damaged_later_is_found_when_it_is_read(void **state)
{
	(void)state;
	struct journal_record r;

	jkit_init(&kit, MB);
	for (unsigned i = 0; i < 3; i++)
		put(&kit, i);
	journal_flush(kit.journal);
	kit.files[0].bytes[ACCT_FILE_HEADER + ACCT_RECORD_MIN + 8 + 20] ^= 1;
	assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_GOT);
	assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_UNREADABLE);
	assert_int_equal(r.seq, 2);
	assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_GOT);
	assert_is(&r, 2);
	assert_int_equal(jkit_free(&kit), 0);
}

/* One file with records of these numbers, and two bytes that are no entry before the last. */
static void write_file(uint64_t number, const uint64_t *seqs, size_t n)
{
	uint8_t bytes[1024];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	acct_file_put(&w, &(struct acct_file_header){.number = number, .key = 9});
	for (size_t i = 0; i < n; i++) {
		if (i + 1 == n)
			wbuf_u16(&w, 0);
		acct_entry_put_record(&w, 9, seqs[i], 1, span_str("forged, and of some length"));
	}
	assert_false(w.bad);
	jkit_write(&kit, number, wbuf_written(&w));
}

/* Nothing is written that the next start would refuse. */
static void numbers_that_are_forged_cost_nothing_that_is_new(void **state)
{
	(void)state;
	static const uint64_t last[] = {ACCT_SEQ_END - 1}, gap[] = {7, 3, 4, 9}, one[] = {1};
	struct journal_loaded worst;

	/* The last number of all is taken: there is none for another. */
	jkit_init(&kit, MB);
	jkit_crash(&kit);
	write_file(1, last, 1);
	jkit_load(&kit, &worst);
	assert_int_equal(journal_put(kit.journal, 1, span_str("new"), false), 0);
	assert_int_equal(jkit_free(&kit), 0);
	/* The same of files. */
	jkit_init(&kit, MB);
	jkit_crash(&kit);
	write_file(ACCT_SEQ_END - 1, one, 1);
	jkit_load(&kit, &worst);
	assert_int_equal(journal_put(kit.journal, 1, span_str("new"), false), 0);
	assert_int_equal(jkit_free(&kit), 0);
	/* Records that are refused are no damage in which the numbers between could have been. */
	jkit_init(&kit, MB);
	jkit_crash(&kit);
	write_file(1, gap, 4);
	jkit_load(&kit, &worst);
	assert_int_equal(journal_count(kit.journal, JOURNAL_WAITING), 1);
	assert_int_equal(journal_put(kit.journal, 1, span_str("new"), false), 8);
	journal_flush(kit.journal);
	jkit_crash(&kit);
	jkit_load(&kit, &worst);
	assert_int_equal(journal_count(kit.journal, JOURNAL_WAITING), 2);
	assert_int_equal(jkit_free(&kit), 0);
}

static void a_damaged_head_is_refused_and_its_number_not_used_again(void **state)
{
	(void)state;
	struct journal_loaded worst;

	jkit_init(&kit, MB);
	put(&kit, 0);
	journal_flush(kit.journal);
	jkit_crash(&kit);
	kit.files[0].bytes[9] ^= 1;
	jkit_load(&kit, &worst);
	assert_non_null(worst.refused);
	assert_true(put(&kit, 1) != 0);
	journal_flush(kit.journal);
	assert_non_null(jkit_file(&kit, 2));
	assert_int_equal(jkit_free(&kit), 0);
}

/* A disk that does not give anything back for a while. */
static void a_failing_read_is_tried_again(void **state)
{
	(void)state;
	struct journal_record r;

	jkit_init(&kit, MB);
	put(&kit, 0);
	journal_flush(kit.journal);
	kit.unreadable = true;
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(journal_next(kit.journal, JOURNAL_WAITING, &r), JOURNAL_READING);
		jkit_answer(&kit);
	}
	kit.unreadable = false;
	assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_GOT);
	kit.unreadable = true;
	put(&kit, 1);
	assert_int_equal(jkit_next(&kit, JOURNAL_WAITING, &r), JOURNAL_UNREADABLE);
	assert_int_equal(jkit_free(&kit), 0);
}

static void memory_may_fail_at_any_point(void **state)
{
	(void)state;
	struct journal_record r;

	for (size_t gets = 1; gets < 12; gets++) {
		jkit_init(&kit, MB);
		kit.mem.fail_after = gets;
		uint64_t last = 0, seq;
		for (unsigned i = 0; i < 300; i++) {
			seq = put(&kit, i);
			last = seq ? seq : last;
		}
		journal_set(kit.journal, last, JOURNAL_DONE);
		journal_flush(kit.journal);
		(void)jkit_next(&kit, JOURNAL_WAITING, &r);
		assert_int_equal(jkit_free(&kit), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_back_as_it_was),
		cmocka_unit_test(ranges_and_heads_come_back),
		cmocka_unit_test(an_entry_within_a_record_is_none),
		cmocka_unit_test(records_are_got_in_order_and_only_those_that_wait),
		cmocka_unit_test(what_is_done_is_not_told_again_after_a_crash),
		cmocka_unit_test(files_go_when_all_is_done_and_oldest_first),
		cmocka_unit_test(a_full_journal_refuses_and_a_spare_record_earlier),
		cmocka_unit_test(records_that_servers_refuse_make_room),
		cmocka_unit_test(any_cut_leaves_what_is_in_front_of_it),
		cmocka_unit_test(damage_in_the_middle_costs_that_record_only),
		cmocka_unit_test(what_is_damaged_later_is_found_when_it_is_read),
		cmocka_unit_test(numbers_that_are_forged_cost_nothing_that_is_new),
		cmocka_unit_test(a_damaged_head_is_refused_and_its_number_not_used_again),
		cmocka_unit_test(a_failing_read_is_tried_again),
		cmocka_unit_test(memory_may_fail_at_any_point),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
