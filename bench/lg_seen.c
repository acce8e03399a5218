#include "lg_seen.h"

#include <stdlib.h>

#include "base/hash.h"

enum { CAP_FIRST = 1 << 16 };

static struct lg_seen_slot *find(const struct lg_seen *s, uint64_t hash)
{
	for (size_t i = (size_t)hash & (s->cap - 1);; i = (i + 1) & (s->cap - 1)) {
		struct lg_seen_slot *slot = &s->slots[i];
		uint64_t there = (uint64_t)slot->high << 32 | slot->low;
		if (there == hash || there == 0)
			return slot;
	}
}

static bool grow(struct lg_seen *s)
{
	struct lg_seen old = *s;

	if (s->cap && s->n < s->cap / 2)
		return true;
	s->cap = old.cap ? old.cap * 2 : CAP_FIRST;
	s->slots = calloc(s->cap, sizeof(*s->slots));
	if (!s->slots) {
		*s = old;
		return false;
	}
	for (size_t i = 0; i < old.cap; i++) {
		const struct lg_seen_slot *from = &old.slots[i];
		if (from->low || from->high)
			*find(s, (uint64_t)from->high << 32 | from->low) = *from;
	}
	free(old.slots);
	return true;
}

/* A session has one Start and one Stop; of other records there may be many. */
static uint64_t identity(const struct lg_rad_request *q)
{
	bool one = q->acct_status == LG_RAD_START || q->acct_status == LG_RAD_STOP;
	uint64_t seed = q->acct_status | (one ? 0 : (uint64_t)q->event_s << 8);
	uint64_t hash = hash_bytes(q->acct_session, seed);

	return hash ? hash : 1;
}

/* All attributes but Acct-Delay-Time, in whatever order. */
static uint32_t content(const struct lg_rad_request *q)
{
	enum { HEADER = 20, ACCT_DELAY_TIME = 41 };
	struct span in = q->whole;
	uint64_t sum = 0;

	span_take(&in, HEADER);
	while (in.n >= 2) {
		struct span type = in;
		size_t n = in.p[1];
		if (n < 2)
			break;
		struct span attribute = span_sub(&in, n);
		if (span_u8(&type) != ACCT_DELAY_TIME)
			sum += hash_bytes(attribute, 0);
	}
	return (uint32_t)(sum >> 32);
}

bool lg_seen_add(struct lg_seen *s, const struct lg_rad_request *q)
{
	uint64_t hash = identity(q), session = hash_bytes(q->acct_session, 0);
	struct span request = span_of(q->authenticator, 16);
	uint32_t start = span_u32(&request);

	if (!grow(s))
		return false;
	struct lg_seen_slot *slot = find(s, hash);
	if (slot->low || slot->high) {
		if (slot->request == start)
			s->resent++;
		else
			s->doubled++;
		if (slot->request != start && slot->content != content(q))
			s->altered++;
		return true;
	}
	*slot = (struct lg_seen_slot){(uint32_t)hash, (uint32_t)(hash >> 32), start, content(q)};
	s->n++;
	s->records[q->acct_status < LG_RAD_STATUSES ? q->acct_status : 0]++;
	s->late += q->acct_delay_s > 0;
	s->starts += q->acct_status == LG_RAD_START ? session : 0;
	s->stops += q->acct_status == LG_RAD_STOP ? session : 0;
	return true;
}

void lg_seen_free(struct lg_seen *s)
{
	free(s->slots);
	*s = (struct lg_seen){0};
}
