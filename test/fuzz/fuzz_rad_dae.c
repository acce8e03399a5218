/* Any packet as a Disconnect or CoA request: read, checked, answered. */
#include <stdlib.h>

#include "radius/rad_dae.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint8_t out[RAD_PACKET_MAX];
	struct wbuf w = wbuf_of(out, sizeof(out));
	struct span secret = span_str("xyzzy5461");
	struct rad_packet p, reply;
	static const struct rad_terms terms;
	struct rad_dae_request q;

	if (!rad_packet_decode(span_of(bytes, n), &p) || !rad_dae_decode(&p, &terms, &q))
		return 0;
	if (q.n_classes > RAD_CLASSES_MAX || (q.blamed[0] && q.error == RAD_ERROR_NONE))
		abort();
	(void)rad_dae_check(&p, secret);
	rad_dae_reply(&w, &p, q.error, secret);
	if (!w.bad && (!rad_packet_decode(wbuf_written(&w), &reply) ||
		       rad_reply_check(&reply, secret, p.authenticator) != RAD_CHECK_GOOD))
		abort();
	return 0;
}
