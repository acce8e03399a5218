/*
 * The whole forwarding function, both ways: the input is where dp_differ.h takes its choices from,
 * and the fast path must give what the plain one gives.
 */
#include <stdlib.h>

#include "dp_differ.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Three bytes a choice; behind the end of the input all are the same. */
static uint32_t next(struct differ_source *s)
{
	const struct span *in = s->ctx;
	uint32_t v = 0;

	for (unsigned i = 0; i < 3; i++, s->at++)
		v = v << 8 | (s->at < in->n ? in->p[s->at] : 0x55);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct differ *differ;
	struct span in = span_of(bytes, n);
	struct differ_source s = {.next = next, .ctx = &in};

	if (!differ) {
		rcu_thread_start();
		differ = malloc(sizeof(*differ));
		LNS_ASSERT(differ != NULL);
		differ_start(differ);
	}
	if (differ_below(&s, 2))
		differ_up(differ, &s);
	else
		differ_down(differ, &s);
	return 0;
}
