#include "base/crypto.h"

#include <string.h>

#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>

_Static_assert((int)MD5_LEN == (int)MD5_DIGEST_SIZE, "MD5 has 16 bytes");

void md5_of(uint8_t out[static MD5_LEN], const struct span *parts, size_t n)
{
	struct md5_ctx ctx;

	md5_init(&ctx);
	for (size_t i = 0; i < n; i++)
		md5_update(&ctx, parts[i].n, parts[i].p);
	md5_digest(&ctx, MD5_LEN, out);
	mem_wipe(&ctx, sizeof(ctx)); /* the parts may have been secrets */
}

void hmac_md5_of(uint8_t out[static MD5_LEN], struct span key, const struct span *parts, size_t n)
{
	struct hmac_md5_ctx ctx;

	hmac_md5_set_key(&ctx, key.n, key.p);
	for (size_t i = 0; i < n; i++)
		hmac_md5_update(&ctx, parts[i].n, parts[i].p);
	hmac_md5_digest(&ctx, MD5_LEN, out);
	mem_wipe(&ctx, sizeof(ctx));
}

void hmac_sha256_of(uint8_t out[static SHA256_LEN], struct span key, const struct span *parts,
		    size_t n)
{
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, key.n, key.p);
	for (size_t i = 0; i < n; i++)
		hmac_sha256_update(&ctx, parts[i].n, parts[i].p);
	hmac_sha256_digest(&ctx, SHA256_LEN, out);
	mem_wipe(&ctx, sizeof(ctx));
}

bool mem_equal_ct(const void *a, const void *b, size_t n)
{
	return memeql_sec(a, b, n) != 0;
}

void mem_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}
