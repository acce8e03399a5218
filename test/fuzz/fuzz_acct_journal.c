/*
 * Any bytes as files of the accounting journal: what a start finds in them is what a plain model of
 * the loader's rule finds, forged numbers or not; what is done stays done, and what is written
 * behind it is found again. The input is one file, or several cut at "l2tpnsJ1"; with its first
 * byte odd the checksums are made right, so that what they protect is reached.
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

/* ---- what a start must find, reckoned otherwise ---------------------------------------------- */

struct record {
	uint64_t seq;
	struct acct_entry e;
	bool waits;
};

/* The rule of the loader: files and records are taken in order when their numbers grow; within a
 * file as many may be missing as fit into its bytes that are no entry; what any file says is done
 * is done in those before it. */
struct model {
	uint64_t last_file, last_seq;
	size_t n;
	struct record records[ROOM / ACCT_RECORD_MIN * 2];
};

static void model_done(struct model *m, struct span ranges)
{
	struct acct_range r;

	while (acct_range_next(&ranges, &r)) {
		if (r.first >= ACCT_SEQ_END)
			continue;
		for (size_t i = 0; i < m->n; i++)
			if (m->records[i].seq >= r.first && m->records[i].seq - r.first < r.n)
				m->records[i].waits = false;
		uint64_t end = r.first + r.n;
		if (end > 0 && end < ACCT_SEQ_END && end - 1 > m->last_seq)
			m->last_seq = end - 1;
	}
}

static void model_file(struct model *m, uint64_t number, struct span in)
{
	struct acct_file_header h;
	struct acct_entry e;
	uint64_t before = 0;
	size_t damaged = 0;
	bool good = acct_file_get(&in, &h);

	if (number >= ACCT_SEQ_END)
		return;
	m->last_file = number;
	while (good && in.n > 0) {
		if (!acct_entry_get(&in, h.key, &e)) {
			(void)span_u8(&in);
			damaged++;
			continue;
		}
		if (e.kind == ACCT_ENTRY_DONE) {
			model_done(m, e.content);
			continue;
		}
		uint64_t least = before ? before + 1 : m->last_seq + 1;
		if (e.seq < least || (before && e.seq - least > damaged / ACCT_RECORD_MIN))
			continue;
		before = e.seq;
		if (e.seq > m->last_seq)
			m->last_seq = e.seq;
		m->records[m->n++] = (struct record){.seq = e.seq, .e = e, .waits = true};
	}
}

static void model_start(struct model *m, const struct journal_kit *k)
{
	m->last_file = m->last_seq = m->n = 0;
	for (;;) {
		const struct jkit_file *next = NULL;
		for (unsigned i = 0; i < JKIT_FILES; i++) {
			const struct jkit_file *f = &k->files[i];
			if (f->number > m->last_file && (!next || f->number < next->number))
				next = f;
		}
		if (!next || next->number >= ACCT_SEQ_END)
			return;
		model_file(m, next->number, span_of(next->bytes, next->n));
	}
}

static const struct record *model_next(const struct model *m, size_t *i)
{
	while (*i < m->n && !m->records[*i].waits)
		++*i;
	return *i < m->n ? &m->records[(*i)++] : NULL;
}

/* ---- one life -------------------------------------------------------------------------------- */

struct life {
	size_t n_left, n_done;
	size_t n_found; /* of those left: the rest was put behind them */
	uint64_t left[ROOM], done[ROOM];
};

/* All that wait, as the model has them; every other one is done with. */
static void take_all(struct journal_kit *k, const struct model *m, struct life *life)
{
	uint64_t waiting = journal_count(k->journal, JOURNAL_WAITING);
	struct journal_record r;
	const struct record *want;
	size_t i = 0;

	while ((want = model_next(m, &i)) != NULL) {
		if (waiting-- == 0 || jkit_next(k, JOURNAL_WAITING, &r) != JOURNAL_GOT)
			abort();
		if (r.seq != want->seq || r.wall_s != want->e.wall_s ||
		    !span_equal(r.attrs, want->e.content))
			abort();
		bool done = r.seq % 2 != 0;
		journal_set(k->journal, r.seq, done ? JOURNAL_DONE : JOURNAL_ASKED);
		if (done)
			life->done[life->n_done++] = r.seq;
		else
			life->left[life->n_left++] = r.seq;
	}
	if (waiting > 0)
		abort();
	life->n_found = life->n_left;
}

static void put_more(struct journal_kit *k, struct life *life)
{
	for (unsigned i = 0; i < MORE; i++) {
		uint64_t seq = journal_put(k->journal, i, span_str("more"), false);
		if (seq)
			life->left[life->n_left++] = seq;
	}
	journal_flush(k->journal);
}

static bool model_has(const struct model *m, uint64_t seq)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->records[i].waits && m->records[i].seq == seq)
			return true;
	return false;
}

/* What was done stays so, what was written is there, and so is all the rest where nothing was
 * forged or damaged. */
static void check_kept(const struct model *m, const struct life *life, bool intact)
{
	size_t i = 0, n = 0;

	for (size_t d = 0; d < life->n_done; d++)
		if (model_has(m, life->done[d]))
			abort();
	for (size_t l = intact ? 0 : life->n_found; l < life->n_left; l++)
		if (!model_has(m, life->left[l]))
			abort();
	while (model_next(m, &i))
		n++;
	if (intact && n != life->n_left)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct journal_kit k;
	static struct model m;
	static struct life life, next_life;
	static uint8_t copy[ROOM];
	struct journal_loaded worst, again;

	if (n < 1 || n > ROOM)
		return 0;
	memcpy(copy, bytes + 1, n - 1);
	memset(&k, 0, sizeof(k));
	life.n_left = life.n_done = next_life.n_left = next_life.n_done = 0;
	test_alloc_init(&k.mem);
	k.max = 1 << 20;
	add_files(&k, copy, n - 1, bytes[0] & 1);
	model_start(&m, &k);
	jkit_load(&k, &worst);
	take_all(&k, &m, &life);
	put_more(&k, &life);
	jkit_crash(&k);
	/* Behind the last number of all nothing can be written, not even what is done. */
	bool writable = m.last_file + 1 < ACCT_SEQ_END;
	model_start(&m, &k);
	if (writable)
		check_kept(&m, &life, worst.bad_bytes == 0 && !worst.refused);
	jkit_load(&k, &again);
	take_all(&k, &m, &next_life);
	if (jkit_free(&k) != 0)
		abort();
	return 0;
}
