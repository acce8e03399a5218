/* dp_up: what is forwarded, what is dropped and why, for every header form and truncation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dataplane/dp_up.h"
#include "dp_fixture.h"
#include "test_bytes.h"

static int set_up(void **state)
{
	static struct fixture f;
	fix_start(&f);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	fix_stop(*state);
	return 0;
}

struct form {
	uint16_t flags; /* of the L2TP header, version included */
	unsigned offset;
	bool all_stations, compressed;
	uint16_t protocol;
};

static const struct form plain = {.flags = 0x0002, .all_stations = true, .protocol = 0x0021};

/* A data packet of the fixture's session around `payload`; returns its length. */
static size_t data_packet(uint8_t *out, size_t cap, const struct form *form, struct span payload)
{
	struct wbuf w = wbuf_of(out, cap);
	size_t length_at = 0;

	wbuf_u16(&w, form->flags);
	if (form->flags & 0x4000) {
		length_at = w.n;
		wbuf_u16(&w, 0);
	}
	wbuf_u16(&w, FIX_TID);
	wbuf_u16(&w, FIX_SID);
	if (form->flags & 0x0800)
		wbuf_u32(&w, 0x00010002);
	if (form->flags & 0x0200) {
		wbuf_u16(&w, (uint16_t)form->offset);
		for (unsigned i = 0; i < form->offset; i++)
			wbuf_u8(&w, 0xEE);
	}
	if (form->all_stations)
		wbuf_u16(&w, 0xFF03);
	if (form->compressed)
		wbuf_u8(&w, (uint8_t)form->protocol);
	else
		wbuf_u16(&w, form->protocol);
	wbuf_span(&w, payload);
	if (length_at)
		wbuf_patch_u16(&w, length_at, (uint16_t)w.n);
	assert_false(w.bad);
	return w.n;
}

static struct dp_up_result up(struct fixture *f, uint8_t *p, size_t n)
{
	struct dp_datagram d = {.p = p, .n = n, .path = &f->path};
	struct dp_up_result r;

	dp_up(&f->world, &d, 1, &r);
	return r;
}

static struct span from_subscriber(uint8_t *out, size_t total)
{
	fix_udp(out, fix_ip(10, 0, 0, 1), fix_ip(8, 8, 8, 8), total, 0);
	return span_of(out, total);
}

static void every_header_form_is_forwarded(void **state)
{
	struct fixture *f = *state;
	uint8_t inner[100], packet[300];
	struct span ip = from_subscriber(inner, sizeof(inner));
	unsigned forms = 0;

	for (unsigned bits = 0; bits < 64; bits++) {
		struct form form = {
			.flags = (uint16_t)(0x0002 | (bits & 1 ? 0x4000 : 0) |
					    (bits & 2 ? 0x0800 : 0) | (bits & 4 ? 0x0200 : 0) |
					    (bits & 8 ? 0x0100 : 0)),
			.offset = 5,
			.all_stations = bits & 16,
			.compressed = bits & 32,
			.protocol = 0x0021,
		};
		size_t n = data_packet(packet, sizeof(packet), &form, ip);
		struct dp_up_result r = up(f, packet, n);
		assert_int_equal(r.verdict, DP_UP_FORWARD);
		assert_int_equal(r.n, sizeof(inner));
		assert_memory_equal(r.p, inner, sizeof(inner));
		forms++;
	}
	struct sess_counters c;
	dp_counters_read(dp_slot_counters(f->tables, f->slot), &c);
	assert_int_equal(c.up_packets, forms);
	assert_int_equal(c.up_bytes, forms * sizeof(inner));
	assert_int_equal(counter_get(&f->counters, C_UP_PACKETS), forms);
}

/* Cut anywhere, a packet is dropped with one count, never forwarded and never read beyond. */
static void every_truncation_is_dropped(void **state)
{
	struct fixture *f = *state;
	uint8_t inner[60], packet[200];
	struct span ip = from_subscriber(inner, sizeof(inner));
	struct form form = {
		.flags = 0x0A02 | 0x4000, .offset = 3, .all_stations = true, .protocol = 0x0021};

	for (int with_length = 0; with_length < 2; with_length++) {
		form.flags = (uint16_t)(with_length ? 0x4A02 : 0x0A02);
		size_t n = data_packet(packet, sizeof(packet), &form, ip);
		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *exact = test_exact_copy(packet, cut);
			struct dp_up_result r = up(f, exact, cut);
			/* A lone FF looks like a compressed protocol: the owner's business. */
			bool lone = !with_length && cut == n - sizeof(inner) - 3;
			assert_int_equal(r.verdict, lone ? DP_UP_FRAME : DP_UP_DROP);
			assert_int_equal(fix_drops(f, r.why), !lone);
			memset(&f->counters, 0, sizeof(f->counters));
			free(exact);
		}
	}
}

static void padding_behind_the_ip_packet_is_cut(void **state)
{
	struct fixture *f = *state;
	uint8_t inner[80] = {0}, packet[200];

	from_subscriber(inner, 40);
	size_t n = data_packet(packet, sizeof(packet), &plain, span_of(inner, sizeof(inner)));
	struct dp_up_result r = up(f, packet, n);
	assert_int_equal(r.verdict, DP_UP_FORWARD);
	assert_int_equal(r.n, 40);
}

static void a_length_field_cuts_and_a_lying_one_drops(void **state)
{
	struct fixture *f = *state;
	uint8_t inner[40], packet[200] = {0};
	struct form form = plain;

	form.flags = 0x4002;
	size_t n = data_packet(packet, sizeof(packet), &form, from_subscriber(inner, 40));
	assert_int_equal(up(f, packet, n + 50).verdict, DP_UP_FORWARD);
	packet[3]++;
	struct dp_up_result r = up(f, packet, n);
	assert_int_equal(r.verdict, DP_UP_DROP);
	assert_int_equal(r.why, DROP_L2TP_LENGTH);
	packet[2] = packet[3] = 0;
	assert_int_equal(up(f, packet, n).why, DROP_L2TP_LENGTH);
}

static void others_may_not_send(void **state)
{
	struct fixture *f = *state;
	uint8_t inner[40], packet[200];
	size_t n = data_packet(packet, sizeof(packet), &plain, from_subscriber(inner, 40));

	f->path.peer.port++;
	assert_int_equal(up(f, packet, n).why, DROP_WRONG_PEER);
	f->conf.follow_peer = true;
	assert_int_equal(up(f, packet, n).verdict, DP_UP_FORWARD);
	packet[4]++;
	assert_int_equal(up(f, packet, n).why, DROP_NO_SESSION);
	packet[4]--;
	packet[2]++;
	assert_int_equal(up(f, packet, n).why, DROP_NO_SESSION);
}

static void a_source_must_be_the_sessions_own(void **state)
{
	struct fixture *f = *state;
	uint8_t inner[40], packet[200];

	fix_udp(inner, fix_ip(10, 0, 0, 2), fix_ip(8, 8, 8, 8), 40, 0);
	size_t n = data_packet(packet, sizeof(packet), &plain, span_of(inner, 40));
	assert_int_equal(up(f, packet, n).why, DROP_SPOOF);
	fix_add_route(f, fix_ip(10, 0, 0, 0), 30); /* a network behind the subscriber */
	assert_int_equal(up(f, packet, n).verdict, DP_UP_FORWARD);
	/* A route to another use of the slot does not count. */
	struct ip_prefix p = {.addr = ip_addr_v4(fix_ip(10, 0, 0, 2)), .len = 32};
	struct dp_route_value v = fix_route(f);
	v.generation ^= 1;
	assert_true(dp_route_add_own(f->routes, &p, v));
	assert_int_equal(up(f, packet, n).why, DROP_SPOOF);
	f->conf.no_spoof_check = true;
	assert_int_equal(up(f, packet, n).verdict, DP_UP_FORWARD);
}

static void ip_waits_for_ipcp(void **state)
{
	struct fixture *f = *state;
	uint8_t inner[40], packet[200];
	size_t n = data_packet(packet, sizeof(packet), &plain, from_subscriber(inner, 40));

	f->spec.flags = 0;
	fix_publish(f);
	assert_int_equal(up(f, packet, n).why, DROP_PPP_NOT_OPEN);
}

static void malformed_ip_headers_are_dropped(void **state)
{
	struct fixture *f = *state;
	uint8_t inner[40], packet[200];
	size_t n = data_packet(packet, sizeof(packet), &plain, from_subscriber(inner, 40));
	uint8_t *ip = packet + n - 40;

	ip[0] = 0x44; /* header shorter than 20 */
	assert_int_equal(up(f, packet, n).why, DROP_IP_HEADER);
	ip[0] = 0x65; /* version 6 in an IPv4 frame */
	assert_int_equal(up(f, packet, n).why, DROP_IP_HEADER);
	ip[0] = 0x4F; /* 60 bytes of header in 40 */
	assert_int_equal(up(f, packet, n).why, DROP_IP_LENGTH);
	ip[0] = 0x45;
	ip[3] = 41; /* longer than the frame */
	assert_int_equal(up(f, packet, n).why, DROP_IP_LENGTH);
	ip[3] = 19;
	assert_int_equal(up(f, packet, n).why, DROP_IP_LENGTH);
}

static void control_and_link_frames_go_to_their_owners(void **state)
{
	struct fixture *f = *state;
	uint8_t control[] = {0xC8, 0x02, 0, 12, 0x12, 0x34, 0, 0, 0, 0, 0, 0};
	uint8_t packet[100];
	static const uint8_t echo[] = {9, 1, 0, 8, 1, 2, 3, 4};
	struct dp_up_result r = up(f, control, sizeof(control));

	assert_int_equal(r.verdict, DP_UP_CONTROL);
	assert_int_equal(r.tid, 0x1234);
	assert_ptr_equal(r.p, control);
	assert_int_equal(r.n, sizeof(control));
	control[1] = 3;
	assert_int_equal(up(f, control, sizeof(control)).why, DROP_L2TP_VERSION);

	struct form lcp = {.flags = 2, .all_stations = true, .protocol = 0xC021};
	size_t n = data_packet(packet, sizeof(packet), &lcp, span_of(echo, sizeof(echo)));
	r = up(f, packet, n);
	assert_int_equal(r.verdict, DP_UP_FRAME);
	assert_int_equal(r.tid, FIX_TID);
	assert_int_equal(r.sid, FIX_SID);
	assert_int_equal(r.n, 2 + sizeof(echo));
	assert_int_equal(r.p[0], 0xC0);
	struct dp_counters *c = dp_slot_counters_own(f->tables, 0, f->slot);
	assert_int_equal(c->last_up_ns, f->world.now.ns);
	assert_int_equal(c->last_data_ns, 0);
}

static void sessions_with_state_are_handed_to_their_owner(void **state)
{
	struct fixture *f = *state;
	uint8_t inner[40], packet[200];
	size_t n = data_packet(packet, sizeof(packet), &plain, from_subscriber(inner, 40));

	f->spec.flags |= DP_OWNER_ONLY;
	fix_publish(f);
	f->world.n_workers = 2;
	f->world.self = (FIX_SID + 1) % 2;
	struct dp_up_result r = up(f, packet, n);
	assert_int_equal(r.verdict, DP_UP_FRAME);
	assert_int_equal(r.n, 42);
	/* There it is forwarded. */
	f->world.self = FIX_SID % 2;
	struct dp_up_result there;
	dp_up_frame(&f->world, r.tid, r.sid, &f->path, r.p, r.n, &there);
	assert_int_equal(there.verdict, DP_UP_FORWARD);
	assert_int_equal(there.n, 40);
}

/* Good and bad ones in one batch: each gets its own verdict, runs are counted together. */
static void a_batch_keeps_places(void **state)
{
	struct fixture *f = *state;
	enum { N = DP_BATCH };
	static uint8_t packets[N][100];
	uint8_t inner[40];
	struct dp_datagram in[N];
	struct dp_up_result out[N];

	for (unsigned i = 0; i < N; i++) {
		size_t n = data_packet(packets[i], sizeof(packets[i]), &plain,
				       from_subscriber(inner, 40));
		if (i % 5 == 4)
			packets[i][4] ^= 0xFF;
		if (i % 7 == 6)
			packets[i][0] = 0xC8; /* control */
		in[i] = (struct dp_datagram){.p = packets[i], .n = n, .path = &f->path};
	}
	dp_up(&f->world, in, N, out);
	uint64_t good = 0;
	for (unsigned i = 0; i < N; i++) {
		enum dp_up_verdict expect = i % 7 == 6	 ? DP_UP_CONTROL
					    : i % 5 == 4 ? DP_UP_DROP
							 : DP_UP_FORWARD;
		assert_int_equal(out[i].verdict, expect);
		if (expect == DP_UP_FORWARD)
			assert_ptr_equal(out[i].p, packets[i] + 10);
		good += expect == DP_UP_FORWARD;
	}
	assert_int_equal(counter_get(&f->counters, C_UP_PACKETS), good);
	assert_int_equal(counter_get(&f->counters, C_UP_BYTES), good * 40);
}

static void ipv6_needs_a_route_back(void **state)
{
	struct fixture *f = *state;
	uint8_t inner[48] = {0x60, 0, 0, 0, 0, 8, 59, 64}, packet[200];
	struct form v6 = {.flags = 2, .all_stations = true, .protocol = 0x0057};

	inner[8] = 0x20;
	inner[9] = 0x01;
	f->spec.flags |= DP_IP6;
	fix_publish(f);
	size_t n = data_packet(packet, sizeof(packet), &v6, span_of(inner, sizeof(inner)));
	assert_int_equal(up(f, packet, n).why, DROP_SPOOF);
	struct ip_prefix p = {.addr = {.family = 6, .b = {0x20, 0x01}}, .len = 64};
	assert_true(dp_route_add_own(f->routes, &p, fix_route(f)));
	assert_int_equal(up(f, packet, n).verdict, DP_UP_FORWARD);
	assert_int_equal(up(f, packet, n - 1).why, DROP_IP_LENGTH);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_header_form_is_forwarded),
		TEST(every_truncation_is_dropped),
		TEST(padding_behind_the_ip_packet_is_cut),
		TEST(a_length_field_cuts_and_a_lying_one_drops),
		TEST(others_may_not_send),
		TEST(a_source_must_be_the_sessions_own),
		TEST(ip_waits_for_ipcp),
		TEST(malformed_ip_headers_are_dropped),
		TEST(control_and_link_frames_go_to_their_owners),
		TEST(sessions_with_state_are_handed_to_their_owner),
		TEST(a_batch_keeps_places),
		TEST(ipv6_needs_a_route_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
