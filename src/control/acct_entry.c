#include "control/acct_entry.h"

#include "base/hash.h"

enum { MAGIC = 0x4A45 };

static const char file_magic[8] = "l2tpnsJ1";

void acct_file_put(struct wbuf *w, const struct acct_file_header *h)
{
	size_t start = w->n;

	wbuf_bytes(w, file_magic, sizeof(file_magic));
	wbuf_u64(w, h->number);
	wbuf_u64(w, h->key);
	if (!w->bad)
		wbuf_u64(w, hash_bytes(span_of(w->p + start, w->n - start), 0));
}

bool acct_file_get(struct span *in, struct acct_file_header *out)
{
	struct span start = *in, magic = span_sub(in, sizeof(file_magic));

	out->number = span_u64(in);
	out->key = span_u64(in);
	uint64_t sum = span_u64(in);
	return !in->bad && span_equal(magic, span_of(file_magic, sizeof(file_magic))) &&
	       sum == hash_bytes(span_of(start.p, ACCT_FILE_HEADER - 8), 0);
}

/* ---- entries --------------------------------------------------------------------------------- */

static void put_header(struct wbuf *w, enum acct_entry_kind kind, size_t body)
{
	wbuf_u16(w, MAGIC);
	wbuf_u16(w, (uint16_t)kind);
	wbuf_u32(w, (uint32_t)body);
}

static void put_checksum(struct wbuf *w, size_t start, uint64_t key)
{
	if (!w->bad)
		wbuf_u64(w, hash_bytes(span_of(w->p + start, w->n - start), key));
}

void acct_entry_put_record(struct wbuf *w, uint64_t key, uint64_t seq, int64_t wall_s,
			   struct span attrs)
{
	size_t start = w->n;

	put_header(w, ACCT_ENTRY_RECORD, ACCT_RECORD_HEADER + attrs.n);
	wbuf_u64(w, seq);
	wbuf_u64(w, (uint64_t)wall_s);
	wbuf_span(w, attrs);
	put_checksum(w, start, key);
}

void acct_entry_put_done(struct wbuf *w, uint64_t key, const struct acct_range *ranges, size_t n)
{
	size_t start = w->n;

	put_header(w, ACCT_ENTRY_DONE, n * ACCT_RANGE);
	for (size_t i = 0; i < n; i++) {
		wbuf_u64(w, ranges[i].first);
		wbuf_u32(w, ranges[i].n);
	}
	put_checksum(w, start, key);
}

static bool seq_is_sane(uint64_t seq)
{
	return seq > 0 && seq < ACCT_SEQ_END;
}

static bool body_get(struct span body, uint16_t kind, struct acct_entry *out)
{
	*out = (struct acct_entry){.kind = kind};
	if (kind == ACCT_ENTRY_RECORD) {
		out->seq = span_u64(&body);
		out->wall_s = (int64_t)span_u64(&body);
		out->content = body;
		return !body.bad && seq_is_sane(out->seq);
	}
	out->content = body;
	return kind == ACCT_ENTRY_DONE && body.n > 0 && body.n % ACCT_RANGE == 0;
}

bool acct_entry_get(struct span *in, uint64_t key, struct acct_entry *out)
{
	struct span at = *in;

	if (span_u16(&at) != MAGIC)
		return false;
	uint16_t kind = span_u16(&at);
	uint32_t n = span_u32(&at);
	if (n > ACCT_BODY_MAX)
		return false;
	struct span body = span_sub(&at, n);
	uint64_t sum = span_u64(&at);
	if (at.bad || sum != hash_bytes(span_of(in->p, ACCT_ENTRY_HEADER + n), key) ||
	    !body_get(body, kind, out))
		return false;
	*in = at;
	return true;
}

bool acct_entry_find(struct span *in, uint64_t key, struct acct_entry *out, size_t *skipped)
{
	*skipped = 0;
	while (in->n > 0) {
		if (acct_entry_get(in, key, out))
			return true;
		span_u8(in);
		++*skipped;
	}
	return false;
}

bool acct_range_next(struct span *content, struct acct_range *out)
{
	if (content->n < ACCT_RANGE)
		return false;
	out->first = span_u64(content);
	out->n = span_u32(content);
	return true;
}
