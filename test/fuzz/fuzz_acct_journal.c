/*
 * Any bytes as files of the accounting journal: what is intact comes out, in order and once; what
 * is written behind it is found again. The input is one file, or several cut at "l2tpnsJ1"; with
 * its first byte odd the checksums are made right, so that what they protect is reached.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "journal_kit.h"

enum { ROOM = 1 << 16, MORE = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static uint64_t read_u64(const uint8_t *at)
{
	struct span s = span_of(at, 8);
	return span_u64(&s);
}

static void write_u64(uint8_t *at, uint64_t v)
{
	struct wbuf w = wbuf_of(at, 8);
	wbuf_u64(&w, v);
}

/* Makes every length that fits an entry with a right checksum. */
static void mend(uint8_t *file, size_t n)
{
	if (n < ACCT_FILE_HEADER)
		return;
	write_u64(file + 24, hash_bytes(span_of(file, 24), 0));
	uint64_t key = read_u64(file + 16);
	for (size_t at = ACCT_FILE_HEADER; n - at >= ACCT_ENTRY_OVERHEAD;) {
		struct span s = span_of(file + at + 4, 4);
		uint32_t body = span_u32(&s);
		if (file[at] != 'J' || body > n - at - ACCT_ENTRY_OVERHEAD) {
			at++;
			continue;
		}
		write_u64(file + at + ACCT_ENTRY_HEADER + body,
			  hash_bytes(span_of(file + at, ACCT_ENTRY_HEADER + body), key));
		at += ACCT_ENTRY_OVERHEAD + body;
	}
}

static size_t file_end(const uint8_t *bytes, size_t n, size_t from)
{
	for (size_t i = from + 1; i + 8 <= n; i++)
		if (memcmp(bytes + i, "l2tpnsJ1", 8) == 0)
			return i;
	return n;
}

static void add_files(struct journal_kit *k, uint8_t *bytes, size_t n, bool right)
{
	for (size_t from = 0, end; from < n; from = end) {
		end = file_end(bytes, n, from);
		if (right)
			mend(bytes + from, end - from);
		uint64_t number = end - from >= 16 ? read_u64(bytes + from + 8) : 1;
		if (number == 0 || jkit_file(k, number) || !jkit_file(k, 0))
			continue;
		jkit_write(k, number, span_of(bytes + from, end - from));
	}
}

/* All that wait, in order; half of them are done with. */
static uint64_t take_all(struct journal_kit *k)
{
	struct journal_record r;
	uint64_t before = 0, left = 0;
	uint64_t waiting = journal_count(k->journal, JOURNAL_WAITING);

	while (waiting > 0 && jkit_next(k, JOURNAL_WAITING, &r) == JOURNAL_GOT) {
		if (r.seq <= before)
			abort();
		before = r.seq;
		waiting--;
		journal_set(k->journal, r.seq, r.seq % 2 ? JOURNAL_DONE : JOURNAL_ASKED);
		left += r.seq % 2 == 0;
	}
	if (waiting > 0)
		abort();
	return left;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct journal_kit k;
	static uint8_t copy[ROOM];
	struct journal_loaded worst, again;

	if (n < 1 || n > ROOM)
		return 0;
	memcpy(copy, bytes + 1, n - 1);
	memset(&k, 0, sizeof(k));
	test_alloc_init(&k.mem);
	k.max = 1 << 20;
	add_files(&k, copy, n - 1, bytes[0] & 1);
	jkit_load(&k, &worst);
	uint64_t left = take_all(&k);
	for (unsigned i = 0; i < MORE; i++)
		left += journal_put(k.journal, i, span_str("more"), false) != 0;
	journal_flush(k.journal);
	jkit_crash(&k);
	jkit_load(&k, &again);
	/* Where numbers were forged, what did not follow may do so when a file before it is gone.
	 */
	if (worst.bad_bytes == 0 && !worst.refused &&
	    journal_count(k.journal, JOURNAL_WAITING) != left)
		abort();
	if (jkit_free(&k) != 0)
		abort();
	return 0;
}
