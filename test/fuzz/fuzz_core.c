/*
 * The control core against workers and RADIUS servers that say anything in any order: the input is
 * a list of steps. After each step no address belongs to two sessions and the totals add up; in
 * the end every route, address and block of memory is given back.
 */
#include "core_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { SIDS = 12, TIDS = 3, GENS = 3, SEEN_MAX = 128 };

static const char *const users[] = {"alice", "ALICE", "bob", "carol", "guest", ""};

static struct sess_key key_of(struct span *in)
{
	uint8_t v = span_u8(in);
	return kit_key((uint16_t)(1 + v / SIDS % TIDS), (uint16_t)(1 + v % SIDS),
		       1u + v / (SIDS * TIDS) % GENS);
}

static struct span chunk(struct span *in)
{
	size_t n = span_u8(in);
	return span_sub(in, n < in->n ? n : in->n);
}

static void auth_step(struct core_kit *k, struct span *in)
{
	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);
	m.key = key_of(in);
	uint8_t how = span_u8(in);
	const char *user = users[how % 6];

	m.proto = how & 64 ? AUTH_CHAP : AUTH_PAP;
	m.reauth = how & 128;
	m.user_len = (uint8_t)strlen(user);
	memcpy(m.user, user, m.user_len);
	m.password_len = 1;
	m.password[0] = how & 32 ? 'y' : 'x';
	m.challenge_len = 16;
	kit_msg(k, m.key.sid, &m.msg);
}

static void odd_auth_step(struct core_kit *k, struct span *in)
{
	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);
	m.key = key_of(in);
	m.proto = span_u16(in);
	m.user_len = span_u8(in);
	m.password_len = span_u8(in);
	m.challenge_len = span_u8(in);
	m.user[0] = span_u8(in);
	m.reauth = span_u8(in) & 1;
	kit_msg(k, m.key.sid, &m.msg);
}

static struct span answer_attrs;

static void put_attrs(struct wbuf *w)
{
	wbuf_span(w, answer_attrs);
}

static uint32_t answer_ip;

static void put_ip(struct wbuf *w)
{
	rad_put_u32(w, RAD_FRAMED_IP_ADDRESS, answer_ip);
	rad_put_text(w, RAD_FRAMED_ROUTE, "10.200.0.0/16");
}

static void answer_step(struct core_kit *k, struct span *in)
{
	static const uint8_t codes[] = {RAD_ACCESS_ACCEPT, RAD_ACCESS_ACCEPT, RAD_ACCESS_REJECT,
					RAD_ACCESS_CHALLENGE, RAD_ACCOUNTING_RESPONSE};
	uint8_t v = span_u8(in);

	if (k->n_sends == 0)
		return;
	const struct kit_send *s = &k->sends[(k->n_sends - 1 - v % 8 % k->n_sends) % KIT_SENDS];
	if (v & 128) {
		answer_ip = 0x0A000000 + v % 16;
		kit_answer_to(k, s, RAD_ACCESS_ACCEPT, put_ip);
	} else {
		answer_attrs = chunk(in);
		kit_answer_to(k, s, codes[v / 8 % 5], put_attrs);
	}
}

static void tunnel_step(struct core_kit *k, struct span *in)
{
	struct msg_tunnel_state m = MSG_INIT(MSG_TUNNEL_STATE, struct msg_tunnel_state);
	m.tid = (uint16_t)(1 + span_u8(in) % TIDS);
	m.state = span_u8(in) % 4;
	m.host_name = (struct msg_text){.n = span_u8(in), .s = "lac"};
	kit_msg(k, m.tid, &m.msg);
}

static unsigned pending;

static void session_answer(void *arg, const struct msg_session_info *info)
{
	(void)arg;
	(void)info;
	pending--;
}

static void query_step(struct core_kit *k, struct span *in)
{
	struct msg_session_info m = MSG_INIT(MSG_SESSION_INFO, struct msg_session_info);
	uint8_t v = span_u8(in);

	if (v & 1) {
		pending++;
		core_query_session(k->core, key_of(in), session_answer, NULL, k->now);
	} else {
		m.cookie = v / 2;
		kit_msg(k, 0, &m.msg);
	}
}

static void order_step(struct core_kit *k, struct span *in)
{
	struct end_reason why = {.cdn_result = 3, .cause = TERM_ADMIN_RESET};
	uint8_t v = span_u8(in);

	switch (v % 4) {
	case 0:
		core_drop_session(k->core, key_of(in), &why, k->now);
		break;
	case 1:
		core_drop_user(k->core, span_str(users[v / 4 % 6]), &why, k->now);
		break;
	case 2:
		core_drop_tunnel(k->core, (uint16_t)(v / 4), k->now);
		break;
	default:
		k->conf.allow_duplicate_users = v & 4;
		k->conf.n_radius = v / 8 % 3;
		k->conf.radius_accounting = v & 64;
		core_conf(k->core, &k->conf, k->users, k->now);
	}
}

/* No address twice, and what is counted is there. */
static void check(struct core_kit *k)
{
	struct session_view v, seen[SEEN_MAX];
	struct core_totals t;
	unsigned n = 0, authenticated = 0, up = 0;
	uint64_t cursor = 0;

	while (core_session_next(k->core, &cursor, k->now, &v)) {
		LNS_ASSERT(n < SEEN_MAX);
		authenticated += v.authenticated;
		up += v.up;
		for (unsigned i = 0; i < n; i++) {
			if (ip_addr_is_set(&v.ip) && !v.dying && !seen[i].dying)
				LNS_ASSERT(!ip_addr_equal(&v.ip, &seen[i].ip));
		}
		LNS_ASSERT(v.authenticated == ip_addr_is_set(&v.ip));
		seen[n++] = v;
	}
	core_totals(k->core, &t);
	LNS_ASSERT(t.sessions == n && t.authenticated == authenticated && t.up == up);
}

static void step(struct core_kit *k, struct span *in)
{
	switch (span_u8(in) % 10) {
	case 0:
	case 1:
		kit_session_new(k, key_of(in));
		break;
	case 2:
		auth_step(k, in);
		break;
	case 3:
		kit_session_up(k, key_of(in));
		break;
	case 4:
		kit_session_gone(k, key_of(in), NULL);
		break;
	case 5:
		answer_step(k, in);
		break;
	case 6:
		kit_advance(k, NSEC_MS(200) * span_u8(in));
		break;
	case 7:
		tunnel_step(k, in);
		query_step(k, in);
		break;
	case 8:
		odd_auth_step(k, in);
		break;
	default:
		order_step(k, in);
	}
	check(k);
}

/* The servers take what was sent since then, as far as the kit has it still. */
static void take_records(struct core_kit *k, unsigned from)
{
	if (k->n_sends - from > KIT_SENDS)
		from = k->n_sends - KIT_SENDS;
	for (unsigned end = k->n_sends; from != end; from++) {
		struct kit_send s = k->sends[from % KIT_SENDS];
		if (s.bytes[0] == RAD_ACCOUNTING_REQUEST)
			kit_answer_to(k, &s, RAD_ACCOUNTING_RESPONSE, NULL);
	}
}

/* All sessions go: nothing of them may be left once the servers took the records. */
static void finish(struct core_kit *k)
{
	struct session_view v;
	uint32_t used, total;

	for (;;) {
		uint64_t cursor = 0;
		if (!core_session_next(k->core, &cursor, k->now, &v))
			break;
		kit_session_gone(k, v.key, NULL);
	}
	ippool_totals(k->pool, &used, &total);
	LNS_ASSERT(used == 0);
	LNS_ASSERT(k->kernel_routes == 0);
	LNS_ASSERT(dp_routes_count(k->routes) == 0);
	for (unsigned i = 0; i < 20 || (core_busy(k->core) && i < 400); i++) {
		unsigned from = k->n_sends;
		kit_advance(k, NSEC_S(20));
		take_records(k, from);
	}
	LNS_ASSERT(!core_busy(k->core));
	LNS_ASSERT(pending == 0);
}

static uint32_t slots[TIDS][SIDS][GENS];

static uint32_t slot_of(struct sess_key key)
{
	return slots[key.tid - 1][key.sid - 1][key.gen - 1];
}

/* Made once: the routes are empty again after each run, the slots are those of the keys. */
static const struct core_kit_tables *tables(void)
{
	static struct test_alloc mem;
	static struct core_kit_tables t;

	if (t.tables)
		return &t;
	rcu_thread_start();
	test_alloc_init(&mem);
	t.tables = dp_tables_new(&mem.alloc, KIT_WORKERS);
	t.routes = dp_routes_new(&mem.alloc);
	t.slot_of = slot_of;
	for (unsigned i = 0; i < TIDS * SIDS * GENS; i++)
		slots[i / SIDS / GENS][i / GENS % SIDS][i % GENS] =
			dp_slot_take_own(t.tables, (1 + i / GENS % SIDS) % KIT_WORKERS);
	return &t;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = span_of(bytes, n);
	struct core_kit *k = kit_new_with(tables());
	uint8_t how = span_u8(&in);
	kit_pool(k, "10.0.0.0/29");
	kit_user(k, "alice:x");
	kit_user(k, "bob:x:10.0.0.3:10.5.0.0/16");
	kit_user(k, "carol:x:10.9.0.1:10.5.0.0/16");
	kit_user(k, "guest:x");
	k->conf.n_guests = 1;
	snprintf(k->conf.guests[0], sizeof(k->conf.guests[0]), "guest");
	if (how & 1)
		kit_conf_radius(k);
	k->conf.radius_accounting = how & 2;
	k->conf.radius_interim = how & 4 ? 60 : 0;
	kit_start(k);
	for (unsigned steps = 0; in.n > 0 && steps < 400; steps++)
		step(k, &in);
	finish(k);
	if (kit_free(k) != 0)
		abort();
	rcu_quiescent();
	return 0;
}
