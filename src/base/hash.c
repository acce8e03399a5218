#include "base/hash.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

uint64_t hash_bytes(struct span bytes, uint64_t seed)
{
	/* The key is the seed and a number made from it: 64 secret bits are enough for a table. */
	uint64_t k0 = seed, k1 = hash_u64(seed + 1);
	struct sip s = {k0 ^ 0x736F6D6570736575u, k1 ^ 0x646F72616E646F6Du,
			k0 ^ 0x6C7967656E657261u, k1 ^ 0x7465646279746573u};
	uint64_t last = (uint64_t)(bytes.n & 0xFF) << 56;

	while (bytes.n >= 8) {
		uint64_t word;
		span_bytes(&bytes, &word, 8);
		sip_word(&s, word);
	}
	for (unsigned shift = 0; bytes.n > 0; shift += 8)
		last |= (uint64_t)span_u8(&bytes) << shift;
	sip_word(&s, last);
	s.v2 ^= 0xFF;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
