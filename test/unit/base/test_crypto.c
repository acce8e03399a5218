#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/crypto.h"
#include "base/hash.h"
#include "test_bytes.h"

static void assert_hex(const uint8_t *bytes, size_t n, const char *hex)
{
	uint8_t want[64];
	assert_int_equal(test_unhex(hex, want, sizeof(want)), n);
	assert_memory_equal(bytes, want, n);
}

/* RFC 1321 A.5. */
static void md5_vectors(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"", "d41d8cd98f00b204e9800998ecf8427e"},
		{"a", "0cc175b9c0f1b6a831c399e269772661"},
		{"abc", "900150983cd24fb0d6963f7d28e17f72"},
		{"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
		{"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
		 "d174ab98d277d9f5a5611c2c9f419d9f"},
		{"1234567890123456789012345678901234567890"
		 "1234567890123456789012345678901234567890",
		 "57edf4a22be3c955ac49da2e2107b67a"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t out[MD5_LEN];
		struct span whole = span_str(rows[i][0]);
		md5_of(out, &whole, 1);
		assert_hex(out, MD5_LEN, rows[i][1]);

		/* The same in three parts, one of them empty. */
		size_t half = whole.n / 2;
		struct span parts[3] = {span_of(whole.p, half), span_of(NULL, 0),
					span_of(whole.p + half, whole.n - half)};
		md5_of(out, parts, 3);
		assert_hex(out, MD5_LEN, rows[i][1]);
	}
	uint8_t out[MD5_LEN];
	md5_of(out, NULL, 0);
	assert_hex(out, MD5_LEN, rows[0][1]);
}

/* RFC 2202 section 2. */
static void hmac_md5_vectors(void **state)
{
	(void)state;
	uint8_t key[80], data[50], out[MD5_LEN];

	memset(key, 0x0b, 16);
	struct span part = span_str("Hi There");
	hmac_md5_of(out, span_of(key, 16), &part, 1);
	assert_hex(out, MD5_LEN, "9294727a3638bb1c13f48ef8158bfc9d");

	struct span parts[2] = {span_str("what do ya want "), span_str("for nothing?")};
	hmac_md5_of(out, span_str("Jefe"), parts, 2);
	assert_hex(out, MD5_LEN, "750c783e6ab0b503eaa86e310a5db738");

	memset(key, 0xaa, 80);
	memset(data, 0xdd, 50);
	part = span_of(data, 50);
	hmac_md5_of(out, span_of(key, 16), &part, 1);
	assert_hex(out, MD5_LEN, "56be34521d144c88dbb8c733f0e8b3f6");

	part = span_str("Test Using Larger Than Block-Size Key - Hash Key First");
	hmac_md5_of(out, span_of(key, 80), &part, 1);
	assert_hex(out, MD5_LEN, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
}

static void comparison_sees_every_byte(void **state)
{
	(void)state;
	uint8_t a[16] = {0}, b[16] = {0};
	assert_true(mem_equal_ct(a, b, 16));
	assert_true(mem_equal_ct(a, b, 0));
	for (int i = 0; i < 16; i++) {
		b[i] = 1;
		assert_false(mem_equal_ct(a, b, 16));
		b[i] = 0;
	}
}

static void wiped_memory_is_zero(void **state)
{
	(void)state;
	char secret[] = "secret";
	mem_wipe(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
}

static void hash_depends_on_every_byte_the_length_and_the_seed(void **state)
{
	(void)state;
	uint8_t bytes[32] = {0};
	for (size_t n = 0; n < sizeof(bytes); n++) {
		uint64_t h = hash_bytes(span_of(bytes, n), 1);
		assert_true(h == hash_bytes(span_of(bytes, n), 1));
		assert_true(h != hash_bytes(span_of(bytes, n), 2));
		assert_true(h != hash_bytes(span_of(bytes, n + 1), 1));
		for (size_t i = 0; i < n; i++) {
			bytes[i] = 0x80;
			assert_true(h != hash_bytes(span_of(bytes, n), 1));
			bytes[i] = 0;
		}
	}
	assert_true(hash_u64(0) != hash_u64(1));
}

/* Tables take the low bits: they must be spread for ids that count up. */
static void low_bits_are_spread(void **state)
{
	(void)state;
	enum { SLOTS = 1024, KEYS = 64 * SLOTS };
	unsigned numbers[SLOTS] = {0}, texts[SLOTS] = {0};
	for (uint32_t i = 0; i < KEYS; i++) {
		numbers[hash_u64((uint64_t)i << 32) % SLOTS]++;
		texts[hash_bytes(span_of(&i, sizeof(i)), 9) % SLOTS]++;
	}
	for (int i = 0; i < SLOTS; i++) {
		assert_in_range(numbers[i], 16, 160);
		assert_in_range(texts[i], 16, 160);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(md5_vectors),
		cmocka_unit_test(hmac_md5_vectors),
		cmocka_unit_test(comparison_sees_every_byte),
		cmocka_unit_test(wiped_memory_is_zero),
		cmocka_unit_test(hash_depends_on_every_byte_the_length_and_the_seed),
		cmocka_unit_test(low_bits_are_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
