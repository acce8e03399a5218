#include "control/acct_journal.h"

#include "base/panic.h"

enum {
	OUT_MAX = 64 * 1024, /* collected before it is handed on */
	RANGES_MAX = 256,
	FILE_MIN = 64 * 1024,
	FILE_MAX = 4 * 1024 * 1024,
	FILES_WANTED = 16, /* so many at least make up the whole */
	READ_TRIES = 60,   /* before a place that cannot be read is given up */
};

struct file {
	uint64_t number, key;
	uint64_t first; /* number of its first record, or one not above it while it has none */
	uint32_t n;	/* records, lost ones between others included */
	uint32_t cap;	/* of both arrays */
	uint32_t bytes;
	uint32_t count[JOURNAL_STATES];
	uint32_t *at;	/* where each begins; 0: lost */
	uint8_t *state; /* enum journal_state */
};

struct journal {
	struct journal_env env;
	uint64_t bytes_max, bytes;
	uint32_t file_max;
	unsigned n_files;
	struct file *files[JOURNAL_FILES_MAX]; /* oldest first; entries go to the last one */
	bool appending;			       /* the last one is of this life and not full */
	uint64_t last_file, last_seq;
	uint64_t given_up;
	uint64_t count[JOURNAL_STATES]; /* of all files */
	uint64_t cursor[JOURNAL_STATES];
	unsigned n_ranges;
	struct acct_range ranges[RANGES_MAX]; /* done, not written yet */
	struct wbuf out;
	bool reading;
	unsigned read_failures;
	uint64_t chunk_file;
	uint32_t chunk_at, chunk_n;
	uint8_t *chunk; /* JOURNAL_CHUNK; NULL until something is read */
	uint8_t out_bytes[OUT_MAX];
};

/* ---- files ----------------------------------------------------------------------------------- */

static void size_set(struct journal *j, uint64_t bytes_max)
{
	uint64_t file_max = bytes_max / FILES_WANTED;

	j->bytes_max = bytes_max;
	if (file_max > FILE_MAX)
		file_max = FILE_MAX;
	j->file_max = file_max < FILE_MIN ? FILE_MIN : (uint32_t)file_max;
}

static void file_free(struct journal *j, struct file *f)
{
	alloc_put(j->env.alloc, f->at, f->cap * sizeof(*f->at));
	alloc_put(j->env.alloc, f->state, f->cap);
	alloc_put(j->env.alloc, f, sizeof(*f));
}

static bool file_grow(struct journal *j, struct file *f, uint32_t n)
{
	if (n <= f->cap)
		return true;
	uint32_t cap = f->cap ? f->cap : 64;
	while (cap < n)
		cap *= 2;
	uint32_t *at = alloc_get(j->env.alloc, cap * sizeof(*at));
	uint8_t *state = alloc_get(j->env.alloc, cap);
	if (!at || !state) {
		alloc_put(j->env.alloc, at, cap * sizeof(*at));
		alloc_put(j->env.alloc, state, cap);
		return false;
	}
	if (f->n > 0) {
		memcpy(at, f->at, f->n * sizeof(*at));
		memcpy(state, f->state, f->n);
	}
	alloc_put(j->env.alloc, f->at, f->cap * sizeof(*f->at));
	alloc_put(j->env.alloc, f->state, f->cap);
	f->at = at;
	f->state = state;
	f->cap = cap;
	return true;
}

static struct file *file_new(struct journal *j, uint64_t number, uint64_t key)
{
	if (j->n_files == JOURNAL_FILES_MAX || number >= ACCT_SEQ_END)
		return NULL;
	struct file *f = alloc_get(j->env.alloc, sizeof(*f));
	if (!f)
		return NULL;
	f->number = number;
	f->key = key;
	f->first = j->last_seq + 1;
	j->last_file = number;
	j->files[j->n_files++] = f;
	return f;
}

static void file_count(struct journal *j, struct file *f, uint32_t bytes)
{
	f->bytes += bytes;
	j->bytes += bytes;
}

/* The record behind the last one; numbers between are lost. False: out of memory. */
static bool file_add(struct journal *j, struct file *f, uint64_t seq, uint32_t at)
{
	uint64_t first = f->n ? f->first : seq;
	uint32_t n = (uint32_t)(seq - first) + 1;

	if (!file_grow(j, f, n))
		return false;
	f->first = first;
	f->count[JOURNAL_DONE] += n - f->n - 1;
	j->count[JOURNAL_DONE] += n - f->n - 1;
	f->count[JOURNAL_WAITING]++;
	j->count[JOURNAL_WAITING]++;
	f->at[n - 1] = at;
	f->state[n - 1] = JOURNAL_WAITING;
	f->n = n;
	if (seq > j->last_seq)
		j->last_seq = seq;
	return true;
}

/* The file that has the record, or the next one behind; n_files: none. */
static unsigned file_index(const struct journal *j, uint64_t seq)
{
	unsigned low = 0, high = j->n_files;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct file *f = j->files[middle];
		if (f->first + f->n <= seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* NULL: it is in none, so it is done. */
static struct file *file_of(const struct journal *j, uint64_t seq)
{
	unsigned i = file_index(j, seq);

	if (i == j->n_files || seq < j->files[i]->first)
		return NULL;
	return j->files[i];
}

static void state_set(struct journal *j, struct file *f, uint32_t i, enum journal_state state)
{
	f->count[f->state[i]]--;
	j->count[f->state[i]]--;
	f->count[state]++;
	j->count[state]++;
	f->state[i] = (uint8_t)state;
}

static bool file_is_done(const struct file *f)
{
	return f->count[JOURNAL_DONE] == f->n;
}

static void file_remove_first(struct journal *j)
{
	struct file *f = j->files[0];

	for (unsigned s = 0; s < JOURNAL_STATES; s++)
		j->count[s] -= f->count[s];
	j->bytes -= f->bytes;
	j->n_files--;
	memmove(j->files, j->files + 1, j->n_files * sizeof(j->files[0]));
	if (j->n_files == 0)
		j->appending = false;
	j->env.remove(j->env.ctx, f->number);
	file_free(j, f);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void out_flush(struct journal *j)
{
	if (j->out.n == 0)
		return;
	j->env.write(j->env.ctx, j->files[j->n_files - 1]->number, wbuf_written(&j->out));
	j->out = wbuf_of(j->out_bytes, sizeof(j->out_bytes));
}

static bool file_begin(struct journal *j)
{
	uint64_t key;

	out_flush(j);
	j->env.random(j->env.ctx, &key, sizeof(key));
	struct file *f = file_new(j, j->last_file + 1, key);
	if (!f)
		return false;
	acct_file_put(&j->out, &(struct acct_file_header){.number = f->number, .key = key});
	file_count(j, f, ACCT_FILE_HEADER);
	j->appending = true;
	return true;
}

/* The file that an entry of n bytes goes to; there is room for it in `out`. */
static struct file *file_for(struct journal *j, size_t n)
{
	if (!j->appending || j->files[j->n_files - 1]->bytes + n > j->file_max) {
		if (!file_begin(j))
			return NULL;
	}
	if (j->out.cap - j->out.n < n)
		out_flush(j);
	return j->files[j->n_files - 1];
}

static void done_write(struct journal *j)
{
	size_t n = ACCT_ENTRY_OVERHEAD + j->n_ranges * (size_t)ACCT_RANGE;

	if (j->n_ranges == 0)
		return;
	struct file *f = file_for(j, n);
	if (!f)
		return; /* tried again with the next one: a record told twice is better than a lost
			   one */
	acct_entry_put_done(&j->out, f->key, j->ranges, j->n_ranges);
	file_count(j, f, (uint32_t)n);
	j->n_ranges = 0;
}

static void done_note(struct journal *j, uint64_t seq)
{
	struct acct_range *last = j->n_ranges ? &j->ranges[j->n_ranges - 1] : NULL;

	if (last && last->first + last->n == seq) {
		last->n++;
		return;
	}
	if (j->n_ranges == RANGES_MAX)
		done_write(j);
	if (j->n_ranges == RANGES_MAX)
		return;
	j->ranges[j->n_ranges++] = (struct acct_range){.first = seq, .n = 1};
}

/* Nothing in the oldest file but records that servers refuse: they make room for others. */
static bool make_room(struct journal *j)
{
	struct file *f = j->n_files > 1 ? j->files[0] : NULL;

	if (!f || f->count[JOURNAL_WAITING] + f->count[JOURNAL_ASKED] > 0)
		return false;
	j->given_up += f->count[JOURNAL_POSTPONED];
	file_remove_first(j);
	return true;
}

/* What is done must be said in any case, so records leave some room. */
static bool has_room(struct journal *j, size_t n, bool spare)
{
	uint64_t limit = j->bytes_max - j->bytes_max / 16;

	if (j->env.is_behind(j->env.ctx))
		return false;
	if (spare)
		return j->bytes + n <= limit / 4 * 3;
	while (j->bytes + n > limit)
		if (!make_room(j))
			return false;
	return true;
}

uint64_t journal_put(struct journal *j, int64_t wall_s, struct span attrs, bool spare)
{
	size_t n = ACCT_RECORD_MIN + attrs.n;
	uint64_t seq = j->last_seq + 1;

	if (attrs.n > ACCT_ATTRS_MAX || seq >= ACCT_SEQ_END || !has_room(j, n, spare))
		return 0;
	struct file *f = file_for(j, n);
	if (!f || !file_add(j, f, seq, f->bytes))
		return 0;
	acct_entry_put_record(&j->out, f->key, seq, wall_s, attrs);
	LNS_ASSERT(!j->out.bad);
	file_count(j, f, (uint32_t)n);
	return seq;
}

void journal_set(struct journal *j, uint64_t seq, enum journal_state state)
{
	struct file *f = file_of(j, seq);

	if (!f || f->state[seq - f->first] == state || f->state[seq - f->first] == JOURNAL_DONE)
		return;
	state_set(j, f, (uint32_t)(seq - f->first), state);
	if (state == JOURNAL_DONE)
		done_note(j, seq);
}

void journal_flush(struct journal *j)
{
	done_write(j);
	out_flush(j);
	/* The one that is being written stays until it is full. */
	while (j->n_files > (j->appending ? 1u : 0u) && file_is_done(j->files[0]))
		file_remove_first(j);
}

void journal_close(struct journal *j)
{
	journal_flush(j);
	if (j->n_files == 1 && file_is_done(j->files[0]))
		file_remove_first(j);
}

/* ---- start ----------------------------------------------------------------------------------- */

struct journal *journal_new(const struct journal_env *env, uint64_t bytes_max)
{
	struct journal *j = alloc_get(env->alloc, sizeof(*j));

	if (!j)
		return NULL;
	j->env = *env;
	j->out = wbuf_of(j->out_bytes, sizeof(j->out_bytes));
	size_set(j, bytes_max);
	return j;
}

void journal_set_max(struct journal *j, uint64_t bytes_max)
{
	size_set(j, bytes_max);
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	for (unsigned i = 0; i < j->n_files; i++)
		file_free(j, j->files[i]);
	alloc_put(j->env.alloc, j->chunk, JOURNAL_CHUNK);
	alloc_put(j->env.alloc, j, sizeof(*j));
}

/* Those that the files so far have. */
static void load_done(struct journal *j, struct acct_range r)
{
	uint64_t end = r.first < ACCT_SEQ_END ? r.first + r.n : 0;

	for (unsigned i = file_index(j, r.first); i < j->n_files; i++) {
		struct file *f = j->files[i];
		if (f->first >= end)
			break;
		uint64_t from = r.first > f->first ? r.first : f->first;
		for (; from < end && from < f->first + f->n; from++)
			state_set(j, f, (uint32_t)(from - f->first), JOURNAL_DONE);
	}
	if (end > 0 && end < ACCT_SEQ_END && end - 1 > j->last_seq)
		j->last_seq = end - 1;
}

/* Numbers only grow, and those that are missing were in the bytes of the file that are no entry.
 * So what is refused is never above what was taken, whichever files before it are gone by now: what
 * is written from here on follows at every later start. */
static bool load_record(struct journal *j, struct file *f, const struct acct_entry *e, uint32_t at,
			size_t damaged)
{
	uint64_t next = f->n ? f->first + f->n : j->last_seq + 1;

	if (e->seq < next || (f->n && e->seq - next > damaged / ACCT_RECORD_MIN))
		return false;
	return file_add(j, f, e->seq, at);
}

static void load_entries(struct journal *j, struct file *f, struct span in,
			 struct journal_loaded *out)
{
	struct acct_entry e;
	struct acct_range r;
	size_t whole = in.n, skipped, damaged = 0;

	while (acct_entry_find(&in, f->key, &e, &skipped)) {
		size_t n = ACCT_ENTRY_OVERHEAD + e.content.n;
		out->bad_bytes += (uint32_t)skipped;
		damaged += skipped;
		if (e.kind == ACCT_ENTRY_DONE) {
			while (acct_range_next(&e.content, &r))
				load_done(j, r);
			continue;
		}
		n += ACCT_RECORD_HEADER;
		uint32_t at = (uint32_t)(ACCT_FILE_HEADER + whole - in.n - n);
		if (load_record(j, f, &e, at, damaged))
			out->records++;
		else
			out->bad_bytes += (uint32_t)n;
	}
	out->torn = skipped > 0;
	out->bad_bytes += (uint32_t)skipped;
}

void journal_load(struct journal *j, uint64_t number, struct span bytes, struct journal_loaded *out)
{
	struct acct_file_header h;
	size_t n = bytes.n;

	*out = (struct journal_loaded){0};
	if (!acct_file_get(&bytes, &h) || h.number != number)
		out->refused = "its head is not that of a journal's file, or damaged";
	else if (number <= j->last_file || number >= ACCT_SEQ_END || n > UINT32_MAX / 2)
		out->refused = "its number does not follow";
	if (out->refused) {
		if (number > j->last_file && number < ACCT_SEQ_END)
			j->last_file = number; /* nothing is written to it */
		return;
	}
	struct file *f = file_new(j, number, h.key);
	if (!f) {
		out->refused = "out of memory, or too many files";
		return;
	}
	file_count(j, f, (uint32_t)n);
	load_entries(j, f, bytes, out);
}

void journal_load_end(struct journal *j)
{
	journal_flush(j);
}

/* ---- reading --------------------------------------------------------------------------------- */

void journal_rewind(struct journal *j)
{
	memset(j->cursor, 0, sizeof(j->cursor));
}

/* The first at or behind *seq in that state. */
static struct file *find_from(struct journal *j, enum journal_state state, uint64_t *seq)
{
	for (unsigned i = file_index(j, *seq); i < j->n_files; i++) {
		struct file *f = j->files[i];
		if (f->count[state] == 0)
			continue;
		uint32_t from = *seq > f->first ? (uint32_t)(*seq - f->first) : 0;
		const uint8_t *found =
			from < f->n ? memchr(f->state + from, (int)state, f->n - from) : NULL;
		if (found) {
			*seq = f->first + (uint64_t)(found - f->state);
			return f;
		}
	}
	return NULL;
}

static struct file *find(struct journal *j, enum journal_state state, uint64_t *seq)
{
	struct file *f = find_from(j, state, seq);

	if (f || *seq == 0)
		return f;
	*seq = 0;
	return find_from(j, state, seq);
}

static bool start_reading(struct journal *j, const struct file *f, uint32_t at)
{
	uint32_t n = f->bytes - at;

	if (!j->chunk)
		j->chunk = alloc_get(j->env.alloc, JOURNAL_CHUNK);
	if (!j->chunk)
		return false;
	out_flush(j);
	j->reading = true;
	j->env.read(j->env.ctx, f->number, at, n < JOURNAL_CHUNK ? n : JOURNAL_CHUNK);
	return true;
}

/* The record as far as the chunk has it; false: it does not. */
static bool from_chunk(const struct journal *j, const struct file *f, uint64_t seq,
		       struct journal_record *out)
{
	uint32_t at = f->at[seq - f->first];
	struct acct_entry e;

	if (!j->chunk || j->chunk_file != f->number || at < j->chunk_at ||
	    at - j->chunk_at >= j->chunk_n)
		return false;
	struct span in = span_of(j->chunk + (at - j->chunk_at), j->chunk_n - (at - j->chunk_at));
	if (!acct_entry_get(&in, f->key, &e) || e.kind != ACCT_ENTRY_RECORD || e.seq != seq)
		return false;
	*out = (struct journal_record){.seq = seq, .wall_s = e.wall_s, .attrs = e.content};
	return true;
}

enum journal_got journal_next(struct journal *j, enum journal_state state,
			      struct journal_record *out)
{
	uint64_t seq = j->cursor[state];

	if (j->reading)
		return JOURNAL_READING;
	struct file *f = find(j, state, &seq);
	if (!f)
		return JOURNAL_NONE;
	if (from_chunk(j, f, seq, out)) {
		j->cursor[state] = seq + 1;
		j->read_failures = 0;
		return JOURNAL_GOT;
	}
	uint32_t at = f->at[seq - f->first];
	bool here = j->chunk && j->chunk_file == f->number && j->chunk_at == at && j->chunk_n > 0;
	if (!here && j->read_failures < READ_TRIES)
		return start_reading(j, f, at) ? JOURNAL_READING : JOURNAL_NONE;
	/* The chunk begins with it and it is not intact, or the place cannot be read at all. */
	j->read_failures = 0;
	journal_set(j, seq, JOURNAL_DONE);
	*out = (struct journal_record){.seq = seq};
	return JOURNAL_UNREADABLE;
}

void journal_read_done(struct journal *j, uint64_t file, uint32_t at, struct span bytes)
{
	if (!j->reading)
		return; /* nothing was asked for */
	j->reading = false;
	j->chunk_n = 0;
	if (bytes.bad || bytes.n == 0 || bytes.n > JOURNAL_CHUNK) {
		j->read_failures++;
		return;
	}
	j->chunk_file = file;
	j->chunk_at = at;
	j->chunk_n = (uint32_t)bytes.n;
	span_bytes(&bytes, j->chunk, bytes.n);
}

void journal_totals(const struct journal *j, struct journal_totals *out)
{
	*out = (struct journal_totals){.bytes = j->bytes,
				       .bytes_max = j->bytes_max,
				       .files = j->n_files,
				       .given_up = j->given_up};
	memcpy(out->records, j->count, sizeof(out->records));
}

void journal_requeue(struct journal *j)
{
	for (unsigned i = 0; i < j->n_files; i++) {
		struct file *f = j->files[i];
		for (uint32_t r = 0; r < f->n && f->count[JOURNAL_POSTPONED] > 0; r++)
			if (f->state[r] == JOURNAL_POSTPONED)
				state_set(j, f, r, JOURNAL_WAITING);
	}
	journal_rewind(j);
}

uint64_t journal_count(const struct journal *j, enum journal_state state)
{
	return j->count[state];
}
