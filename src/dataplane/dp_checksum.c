#include "dataplane/dp_checksum.h"

#include "base/wbuf.h"

enum {
	WIDE_MIN = 128, /* bytes; headers are not worth it */
};

static uint64_t fold_once(uint64_t sum)
{
	return (sum & 0xFFFFFFFF) + (sum >> 32);
}

#ifdef __x86_64__
/* A third to a quarter of the time: four sums of the lower and four of the upper halves. */
__attribute__((target("avx2"))) static uint64_t sum_wide(struct span *bytes)
{
	typedef uint64_t lanes __attribute__((vector_size(32)));
	lanes low = {0}, high = {0};

	while (bytes->n >= sizeof(lanes)) {
		lanes w;
		memcpy(&w, span_take(bytes, sizeof(w)), sizeof(w));
		low += w & 0xFFFFFFFF;
		high += w >> 32;
	}
	low += high;
	return low[0] + low[1] + low[2] + low[3];
}

static bool can_wide(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
static uint64_t sum_wide(struct span *bytes)
{
	(void)bytes;
	return 0;
}

static bool can_wide(void)
{
	return false;
}
#endif

/* One's complement addition does not care for the order of bytes (RFC 1071 2B): words are added as
 * the machine reads them, and the 16-bit result is turned at the end. */
uint64_t dp_sum(uint64_t sum, struct span bytes)
{
	uint64_t native = bytes.n >= WIDE_MIN && can_wide() ? sum_wide(&bytes) : 0;

	while (bytes.n >= 32) {
		uint32_t w[8];
		memcpy(w, span_take(&bytes, 32), 32);
		native += (uint64_t)w[0] + w[1] + w[2] + w[3];
		native += (uint64_t)w[4] + w[5] + w[6] + w[7];
	}
	while (bytes.n >= 2) {
		uint16_t w;
		memcpy(&w, span_take(&bytes, 2), 2);
		native += w;
	}
	if (bytes.n) {
		uint8_t last[2] = {span_u8(&bytes), 0};
		uint16_t w;
		memcpy(&w, last, 2);
		native += w;
	}
	native = fold_once(fold_once(native));
	native = (native & 0xFFFF) + (native >> 16);
	native = (native & 0xFFFF) + (native >> 16);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	native = (native >> 8 | native << 8) & 0xFFFF;
#endif
	return sum + native;
}

uint16_t dp_sum_fold(uint64_t sum)
{
	sum = fold_once(fold_once(sum));
	while (sum >> 16)
		sum = (sum & 0xFFFF) + (sum >> 16);
	return (uint16_t)~sum;
}

uint16_t dp_checksum_update(uint16_t field, uint16_t before, uint16_t after)
{
	return dp_sum_fold((uint64_t)(uint16_t)~field + (uint16_t)~before + after);
}

bool dp_checksum_finish(uint8_t *packet, size_t n, size_t start, size_t offset)
{
	struct wbuf w = {.p = packet, .cap = n, .n = n};

	if (start > n || n - start < 2 || offset > n - start - 2)
		return false;
	uint16_t sum = dp_sum_fold(dp_sum(0, span_of(packet + start, n - start)));
	/* Zero means "no checksum" in UDP (RFC 768); 0xFFFF is the same number. */
	wbuf_patch_u16(&w, start + offset, sum ? sum : 0xFFFF);
	return true;
}
