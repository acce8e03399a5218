/* Any bytes as attributes: the walk over Cisco-AVPairs ends, within them. */
#include <stdlib.h>

#include "radius/rad_avpair.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct rad_avpairs it = rad_avpairs_of(span_of(bytes, n));
	struct span text = span_of(bytes, n);
	struct rad_avpair p;
	size_t seen = 0;

	while (rad_avpair_next(&it, &p)) {
		if (p.key.n + p.value.n > n)
			abort();
	}
	while (rad_avpair_split(&text, &p))
		seen += p.key.n + p.value.n + 1;
	if (seen > n + 1 || text.n != 0)
		abort();
	return 0;
}
