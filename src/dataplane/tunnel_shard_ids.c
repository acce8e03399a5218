/*
 * Ids that we assign. A tunnel id t belongs to worker t % N, a session id s to worker s % N; both
 * rest after use, so that a late packet finds nothing instead of a stranger.
 */
#include "dataplane/tunnel_shard_int.h"

static uint32_t random_u32(const struct tunnel_shard *s)
{
	uint32_t v;

	s->env->random(s->env->ctx, &v, sizeof(v));
	return v;
}

uint16_t tid_pick(struct tunnel_shard *s, nsec now)
{
	uint32_t start = random_u32(s) % s->n_tids;
	uint32_t now_s = nsec_age_s(NSEC_ZERO, now);

	for (uint32_t n = 0; n < s->n_tids; n++) {
		uint32_t i = (start + n) % s->n_tids;
		uint32_t tid = i * s->env->n_workers + s->env->self;
		if (tid != 0 && !s->by_tid[i] && s->tid_rests_until[i] <= now_s)
			return (uint16_t)tid;
	}
	return 0;
}

/* How many ids worker <w> owns, 0 included. */
static uint32_t class_size(const struct tunnel_shard *s, unsigned w)
{
	return (UINT16_MAX - w) / s->env->n_workers + 1;
}

/* Ids of one worker lie side by side, so that the search walks whole words. */
static uint32_t bit_of(const struct tunnel_shard *s, uint16_t sid)
{
	uint32_t n = s->env->n_workers;

	return sid % n * class_size(s, 0) + sid / n;
}

static uint64_t word_at(const struct sid_set *set, uint32_t bit)
{
	const uint64_t *chunk = set->chunk[bit / SID_CHUNK_BITS];

	return chunk ? chunk[bit % SID_CHUNK_BITS / 64] : 0;
}

/* The next free id of the class from its cursor on, round once. */
static uint16_t class_pick(const struct tunnel_shard *s, struct sid_set *set, unsigned w)
{
	uint32_t size = class_size(s, w), first = w * class_size(s, 0);
	uint32_t i = set->cursor[w] % size;

	for (uint32_t seen = 0; seen < size;) {
		uint32_t bit = first + i;
		uint64_t free_bits = ~word_at(set, bit) >> bit % 64;
		uint32_t left = 64 - bit % 64;
		uint32_t step = left < size - i ? left : size - i;
		uint32_t skip = free_bits ? (uint32_t)__builtin_ctzll(free_bits) : left;
		if (skip < step) {
			i += skip;
			set->cursor[w] = (uint16_t)((i + 1) % size);
			return (uint16_t)(i * s->env->n_workers + w);
		}
		seen += step;
		i = (i + step) % size;
	}
	return 0;
}

static bool sids_have(struct tunnel_shard *s, struct tunnel *t)
{
	if (t->sids)
		return true;
	t->sids = alloc_get(s->env->alloc, sizeof(*t->sids));
	if (!t->sids)
		return false;
	/* Calls of different tunnels start at different ids: a packet that went astray hits less.
	 */
	s->env->random(s->env->ctx, t->sids->cursor, sizeof(t->sids->cursor));
	if (sid_take(s, t, 0)) /* no session has id 0 */
		return true;
	sids_free(s, t);
	return false;
}

uint16_t sid_pick(struct tunnel_shard *s, struct tunnel *t, unsigned w)
{
	if (!sids_have(s, t))
		return 0;
	for (unsigned n = 0; n < s->env->n_workers; n++) {
		uint16_t sid = class_pick(s, t->sids, (w + n) % s->env->n_workers);
		if (sid != 0)
			return sid;
	}
	return 0;
}

bool sid_take(struct tunnel_shard *s, struct tunnel *t, uint16_t sid)
{
	uint32_t bit = bit_of(s, sid);
	uint64_t **chunk = &t->sids->chunk[bit / SID_CHUNK_BITS];

	if (!*chunk)
		*chunk = alloc_get(s->env->alloc, SID_CHUNK_BITS / 8);
	if (!*chunk)
		return false;
	(*chunk)[bit % SID_CHUNK_BITS / 64] |= 1ull << bit % 64;
	return true;
}

void sid_put(struct tunnel_shard *s, struct tunnel *t, uint16_t sid)
{
	uint32_t bit = bit_of(s, sid);
	uint64_t *chunk = t->sids->chunk[bit / SID_CHUNK_BITS];

	LNS_ASSERT(chunk != NULL);
	chunk[bit % SID_CHUNK_BITS / 64] &= ~(1ull << bit % 64);
}

void sids_free(struct tunnel_shard *s, struct tunnel *t)
{
	if (!t->sids)
		return;
	for (unsigned i = 0; i < SID_CHUNKS; i++)
		alloc_put(s->env->alloc, t->sids->chunk[i], SID_CHUNK_BITS / 8);
	alloc_put(s->env->alloc, t->sids, sizeof(*t->sids));
	t->sids = NULL;
}
