/* Any text is an address, a prefix, or neither; what is one survives being written and read. */
#include <stdlib.h>

#include "base/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct ip_prefix p, again;
	char text[IP_PREFIX_TEXT];

	if (!ip_prefix_parse(span_of(bytes, n), &p))
		return 0;
	if (!ip_prefix_parse(span_str(ip_prefix_text(&p, text)), &again) || p.len != again.len ||
	    !ip_addr_equal(&p.addr, &again.addr) || !ip_prefix_contains(&p, &p.addr))
		abort();
	return 0;
}
