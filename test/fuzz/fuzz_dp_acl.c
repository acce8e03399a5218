/* Access lists: any rules compile, any bytes are judged, and as a walk of the rules judges them. */
#include <stdlib.h>

#include "dataplane/dp_acl.h"
#include "dataplane/dp_ip.h"
#include "test_alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { RULES = 200 };

/* ---- the slow way, from the bytes of the packet ---------------------------------------------- */

struct facts {
	struct dp_ip4 h;
	uint16_t sport, dport;
	uint8_t flags;
	bool rest; /* a fragment behind the first */
};

static bool read_facts(struct span packet, struct facts *f)
{
	*f = (struct facts){.flags = 0};
	if (dp_ip4_decode(packet, &f->h) != DP_IP_OK)
		return false;
	f->rest = f->h.fragment & IP4_OFFSET;
	if (f->h.proto == IP_TCP && (f->h.fragment & IP4_OFFSET) == 1)
		return false;
	if (f->rest || (f->h.proto != IP_TCP && f->h.proto != IP_UDP))
		return true;
	packet.n = f->h.total_len;
	span_take(&packet, f->h.header_len);
	f->sport = span_u16(&packet);
	f->dport = span_u16(&packet);
	if (f->h.proto == IP_TCP) {
		span_take(&packet, 9);
		f->flags = span_u8(&packet) & 63;
	}
	return !packet.bad;
}

static bool port_fits(const struct dp_acl_ports *p, uint16_t port)
{
	bool within = port >= p->low && port <= p->high;

	return !p->test || within != p->outside;
}

static bool flags_fit(const struct dp_acl_rule *r, uint8_t flags)
{
	if (r->flags_op == DP_ACL_ESTABLISHED)
		return (flags & 0x14) && !(flags & 0x02);
	if (r->flags_op == DP_ACL_MATCH_ALL)
		return (flags & r->set & 63) == (r->set & 63) && !(flags & r->clear & 63);
	if (r->flags_op == DP_ACL_MATCH_ANY)
		return (flags & r->set & 63) || (~flags & r->clear & 63);
	return true;
}

static bool fits(const struct dp_acl_rule *r, const struct facts *f)
{
	bool deep = r->src_ports.test || r->dst_ports.test || r->flags_op;

	if ((r->proto && r->proto != f->h.proto) || (f->h.src ^ r->src) & ~r->src_wild ||
	    (f->h.dst ^ r->dst) & ~r->dst_wild)
		return false;
	if (f->rest)
		return r->permit || !deep;
	if (r->fragments)
		return false;
	if (f->h.proto != IP_TCP && f->h.proto != IP_UDP)
		return true;
	return port_fits(&r->src_ports, f->sport) && port_fits(&r->dst_ports, f->dport) &&
	       (f->h.proto != IP_TCP || flags_fit(r, f->flags));
}

static int walk(const struct dp_acl_rule *rules, uint32_t n, struct span packet)
{
	struct facts f;

	if (!read_facts(packet, &f))
		return -1;
	for (uint32_t i = 0; i < n; i++)
		if (fits(&rules[i], &f))
			return (int)i;
	return -1;
}

/* ---- rules from the input -------------------------------------------------------------------- */

static struct dp_acl_ports some_ports(struct span *in, bool test)
{
	if (!test)
		return (struct dp_acl_ports){.test = false};
	return (struct dp_acl_ports){.test = true,
				     .outside = span_u8(in) & 1,
				     .low = span_u16(in),
				     .high = span_u16(in)};
}

/* Ports are of TCP and UDP, flags of TCP alone, as the grammar has it. */
static struct dp_acl_rule some_rule(struct span *in)
{
	static const uint8_t protos[] = {0, IP_TCP, IP_TCP, IP_UDP};
	uint8_t how = span_u8(in);
	struct dp_acl_rule r = {.permit = how & 1,
				.proto = protos[how >> 1 & 3],
				.src = span_u32(in),
				.src_wild = span_u32(in),
				.dst = span_u32(in),
				.dst_wild = span_u32(in)};

	r.src_ports = some_ports(in, r.proto && how & 8);
	r.dst_ports = some_ports(in, r.proto && how & 16);
	if (r.proto == IP_TCP && how & 32) {
		r.flags_op = span_u8(in) & 3;
		r.set = span_u8(in) & 63;
		r.clear = span_u8(in) & 63;
	}
	r.fragments = how & 64 && !r.src_ports.test && !r.dst_ports.test && !r.flags_op;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct dp_acl_rule rules[RULES];
	struct test_alloc heap;
	struct span in = span_of(bytes, n);
	uint32_t want = span_u8(&in) % RULES, n_rules = 0;
	uint8_t fail = span_u8(&in);

	test_alloc_init(&heap);
	while (n_rules < want && in.n)
		rules[n_rules++] = some_rule(&in);
	heap.fail_after = fail & 128 ? fail & 31 : SIZE_MAX;
	struct dp_acl *l = dp_acl_new(&heap.alloc, "fuzz", rules, n_rules, 1);
	while (l && in.n) {
		size_t length = span_u8(&in);
		struct span packet = span_sub(&in, length < in.n ? length : in.n);
		if (dp_acl_match(l, packet) != walk(rules, n_rules, packet))
			abort();
		dp_acl_permits(l, 0, packet);
	}
	dp_acl_free(l);
	if (heap.held != 0)
		abort();
	return 0;
}
