/*
 * crypto.h - the few primitives that the protocols ask for, over nettle; and the two memory
 * functions that secrets need. Pure.
 */
#ifndef LNS_CRYPTO_H
#define LNS_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum { MD5_LEN = 16, SHA256_LEN = 32 };

/* MD5 over the concatenation of n parts. */
void md5_of(uint8_t out[static MD5_LEN], const struct span *parts, size_t n);
void hmac_md5_of(uint8_t out[static MD5_LEN], struct span key, const struct span *parts, size_t n);
void hmac_sha256_of(uint8_t out[static SHA256_LEN], struct span key, const struct span *parts,
		    size_t n);
/* Compares in constant time. */
bool mem_equal_ct(const void *a, const void *b, size_t n);
/* Clears memory that held a secret; not optimised away. */
void mem_wipe(void *p, size_t n);

#endif
