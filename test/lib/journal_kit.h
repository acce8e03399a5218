/*
 * journal_kit.h - an accounting journal whose files are in memory: they can be cut, damaged, and
 * loaded again by another journal, as after a crash.
 */
#ifndef LNS_JOURNAL_KIT_H
#define LNS_JOURNAL_KIT_H

#include <stdlib.h>

#include "control/acct_journal.h"
#include "test_alloc.h"
#include "test_random.h"

enum { JKIT_FILES = 512 };

struct jkit_file {
	uint64_t number; /* 0: unused */
	size_t n;
	uint8_t *bytes;
};

struct journal_kit {
	struct test_alloc mem;
	struct test_random random;
	struct jkit_file files[JKIT_FILES];
	struct journal *journal;
	uint64_t max;
	unsigned removed;
	bool behind, unreadable;
	/* a read that is not answered yet */
	bool reading;
	uint64_t read_file;
	uint32_t read_at, read_n;
};

static inline struct jkit_file *jkit_file(struct journal_kit *k, uint64_t number)
{
	for (unsigned i = 0; i < JKIT_FILES; i++)
		if (k->files[i].number == number)
			return &k->files[i];
	return NULL;
}

static inline void jkit_write(void *ctx, uint64_t number, struct span bytes)
{
	struct journal_kit *k = ctx;
	struct jkit_file *f = jkit_file(k, number);

	if (!f)
		f = jkit_file(k, 0);
	if (!f)
		abort();
	f->number = number;
	f->bytes = realloc(f->bytes, f->n + bytes.n);
	if (!f->bytes)
		abort();
	memcpy(f->bytes + f->n, bytes.p, bytes.n);
	f->n += bytes.n;
}

static inline void jkit_remove(void *ctx, uint64_t number)
{
	struct journal_kit *k = ctx;
	struct jkit_file *f = jkit_file(k, number);

	if (!f)
		abort();
	free(f->bytes);
	*f = (struct jkit_file){0};
	k->removed++;
}

static inline void jkit_read(void *ctx, uint64_t number, uint32_t at, uint32_t n)
{
	struct journal_kit *k = ctx;

	if (k->reading)
		abort();
	k->reading = true;
	k->read_file = number;
	k->read_at = at;
	k->read_n = n;
}

/* Answers the read, if there is one. */
static inline void jkit_answer(struct journal_kit *k)
{
	struct jkit_file *f = jkit_file(k, k->read_file);

	if (!k->reading)
		return;
	k->reading = false;
	bool good = !k->unreadable && f && k->read_at + (size_t)k->read_n <= f->n;
	struct span bytes = good ? span_of(f->bytes + k->read_at, k->read_n) : span_of(NULL, 0);
	bytes.bad = !good;
	journal_read_done(k->journal, k->read_file, k->read_at, bytes);
}

static inline void jkit_random(void *ctx, void *out, size_t n)
{
	struct journal_kit *k = ctx;
	test_random_fill(&k->random, out, n);
}

static inline bool jkit_is_behind(void *ctx)
{
	struct journal_kit *k = ctx;
	return k->behind;
}

static inline struct journal_env jkit_env(struct journal_kit *k)
{
	return (struct journal_env){.alloc = &k->mem.alloc,
				    .ctx = k,
				    .random = jkit_random,
				    .write = jkit_write,
				    .remove = jkit_remove,
				    .read = jkit_read,
				    .is_behind = jkit_is_behind};
}

/* Without a word to the files: as a crash leaves them. */
static inline void jkit_crash(struct journal_kit *k)
{
	journal_free(k->journal);
	k->journal = NULL;
	k->reading = false;
}

/* Loads all files in order; `worst` gets what was found of the last damaged one. */
static inline void jkit_load(struct journal_kit *k, struct journal_loaded *worst)
{
	struct journal_env env = jkit_env(k);
	uint64_t last = 0;

	k->journal = journal_new(&env, k->max);
	if (!k->journal)
		abort();
	*worst = (struct journal_loaded){0};
	for (;;) {
		struct jkit_file *next = NULL;
		struct journal_loaded l;
		for (unsigned i = 0; i < JKIT_FILES; i++) {
			struct jkit_file *f = &k->files[i];
			if (f->number > last && (!next || f->number < next->number))
				next = f;
		}
		if (!next)
			break;
		last = next->number;
		journal_load(k->journal, next->number, span_of(next->bytes, next->n), &l);
		if (l.refused || l.bad_bytes > 0)
			*worst = l;
	}
	journal_load_end(k->journal);
}

static inline void jkit_init(struct journal_kit *k, uint64_t max)
{
	struct journal_loaded none;

	memset(k, 0, sizeof(*k));
	test_alloc_init(&k->mem);
	k->random.state = 7;
	k->max = max;
	jkit_load(k, &none);
}

/* Returns the blocks of memory that nobody gave back. */
static inline size_t jkit_free(struct journal_kit *k)
{
	journal_free(k->journal);
	for (unsigned i = 0; i < JKIT_FILES; i++)
		free(k->files[i].bytes);
	return k->mem.blocks;
}

/* The next record in that state, reading as needed. */
static inline enum journal_got jkit_next(struct journal_kit *k, enum journal_state state,
					 struct journal_record *out)
{
	for (;;) {
		enum journal_got got = journal_next(k->journal, state, out);
		if (got != JOURNAL_READING)
			return got;
		jkit_answer(k);
	}
}

#endif
