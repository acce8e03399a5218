/* Datagrams for nsctl: what is decoded is encoded to the same bytes, arguments lie within them, and
 * no signature is right without the key. */
#include "base/panic.h"
#include "control/nsctl_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span in = span_of(data, n);
	uint8_t out[NSCTL_DATAGRAM], mac[SHA256_LEN];
	struct wbuf w = wbuf_of(out, sizeof(out));
	const struct nsctl_key key = {.secret = span_str("key"), .now_s = 1};
	struct nsctl_msg m;

	LNS_ASSERT(!nsctl_verify(&in, &key, mac) && in.n == n);
	if (nsctl_decode(in, &m) != NSCTL_GOOD)
		return 0;
	for (unsigned i = 0; i < m.argc; i++)
		LNS_ASSERT(m.argv[i].p >= data && m.argv[i].p + m.argv[i].n < data + n);
	nsctl_encode(&w, &m);
	LNS_ASSERT(span_equal(wbuf_written(&w), in));
	return 0;
}
