/*
 * hash.h - hash functions of tables. hash_bytes is keyed (SipHash-1-3), so that a peer who chooses
 * the bytes cannot choose the bucket; hash_u64 is for numbers that we assign. Pure.
 */
#ifndef LNS_HASH_H
#define LNS_HASH_H

#include <stdint.h>

#include "base/span.h"

uint64_t hash_bytes(struct span bytes, uint64_t seed);

/* A bijection whose every output bit depends on every input bit. */
static inline uint64_t hash_u64(uint64_t v)
{
	v = (v ^ (v >> 32)) * 0xD6E8FEB86659FD93u;
	v = (v ^ (v >> 32)) * 0xD6E8FEB86659FD93u;
	return v ^ (v >> 32);
}

#endif
