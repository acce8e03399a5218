/* The control core: logins by RADIUS and by the local file, addresses, routes, duplicates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "core_kit.h"
#include "test_rcu.h"

static const struct msg_auth_reply *reply_of(const struct core_kit *k)
{
	const struct msg_auth_reply *r = kit_posted(k, MSG_AUTH_REPLY);
	assert_non_null(r);
	return r;
}

static struct core_kit *local_kit(void)
{
	struct core_kit *k = kit_new();
	kit_pool(k, "10.1.0.0/24");
	kit_user(k, "alice:secret1");
	kit_user(k, "bob:secret2:10.9.9.9:192.168.5.0/24,192.168.6.0/24");
	kit_user(k, "carol:{crypt}hash-of-secret");
	kit_user(k, "dave:x:10.1.0.77");
	kit_start(k);
	return k;
}

static struct core_kit *radius_kit(void)
{
	struct core_kit *k = kit_new();
	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	kit_start(k);
	return k;
}

static struct core_totals totals_of(const struct core_kit *k)
{
	struct core_totals t;
	core_totals(k->core, &t);
	return t;
}

static uint32_t pool_used(const struct core_kit *k)
{
	uint32_t used, total;
	ippool_totals(k->pool, &used, &total);
	return used;
}

static uint32_t route_slot(const struct core_kit *k, uint32_t ip)
{
	return dp_route_find4_rcu(k->routes, ip).slot;
}

/* ---- the local file -------------------------------------------------------------------------- */

static void local_pap_login_gets_an_address_and_gives_it_back(void **state)
{
	(void)state;
	struct core_kit *k = local_kit();
	struct sess_key key = kit_login(k, 3, "alice", "secret1");

	const struct msg_auth_reply *r = reply_of(k);
	assert_true(r->accept);
	assert_true(sess_key_equal(r->key, key));
	assert_true(r->profile.ip_from_pool);
	assert_int_equal(ip_addr_u32(&r->profile.ip), 0x0A010001);
	assert_int_equal(pool_used(k), 1);
	assert_int_equal(route_slot(k, 0x0A010001), DP_SLOT_NONE);

	kit_session_up(k, key);
	struct session_view v;
	assert_true(core_session_find(k->core, 1, 3, k->now, &v));
	assert_true(v.up && v.authenticated);
	assert_string_equal(v.user, "alice");
	assert_int_equal(v.lac_name.n, 3);
	assert_int_equal(route_slot(k, 0x0A010001), v.slot);
	assert_int_equal(k->kernel_routes, 0); /* the pool's network is routed as a whole */

	kit_session_gone(k, key, NULL);
	assert_int_equal(route_slot(k, 0x0A010001), DP_SLOT_NONE);
	assert_int_equal(pool_used(k), 0);
	assert_int_equal(totals_of(k).sessions, 0);
	assert_false(core_busy(k->core));
	assert_int_equal(kit_free(k), 0);
}

static void replace_pool(struct core_kit *k, const char *prefix)
{
	struct ippool *fresh = ippool_new(&k->mem.alloc);
	struct ip_prefix p;
	char err[96];

	assert_true(ip_prefix_parse(span_str(prefix), &p) && ippool_add(fresh, &p, err));
	core_pool_leave(k->core, k->now);
	assert_true(ippool_replace(k->pool, fresh));
	core_pool_join(k->core, k->now);
	ippool_free(fresh);
}

/* A static address that no pool covered, until a reload. */
static void a_new_pool_does_not_give_out_what_a_session_has(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();

	kit_pool(k, "10.1.0.0/24");
	kit_user(k, "carol:secret1:10.2.0.1");
	kit_user(k, "alice:secret1");
	kit_start(k);
	kit_session_up(k, kit_login(k, 1, "carol", "secret1"));
	replace_pool(k, "10.2.0.0/29");
	assert_int_equal(pool_used(k), 1);
	kit_login(k, 2, "alice", "secret1");
	assert_true(reply_of(k)->accept);
	assert_int_equal(ip_addr_u32(&reply_of(k)->profile.ip), 0x0A020002);
	kit_session_gone(k, kit_key(1, 1, 1), NULL);
	kit_session_gone(k, kit_key(1, 2, 2), NULL);
	assert_int_equal(pool_used(k), 0);
	assert_int_equal(kit_free(k), 0);
}

static void our_own_addresses_follow_the_pool(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();
	struct ip_prefix gone;

	kit_pool(k, "10.1.0.0/29");
	kit_user(k, "alice:secret1");
	k->conf.tun_address = ip_addr_v4(0x0A020001);
	k->conf.peer_address = ip_addr_v4(0x0A010001);
	kit_start(k);
	assert_int_equal(pool_used(k), 1);
	replace_pool(k, "10.2.0.0/29");
	assert_false(ippool_retire(k->pool, &gone)); /* nothing of it is left to wait for */
	assert_int_equal(pool_used(k), 1);
	kit_login(k, 2, "alice", "secret1");
	assert_int_equal(ip_addr_u32(&reply_of(k)->profile.ip), 0x0A020002);
	kit_session_gone(k, kit_key(1, 2, 2), NULL);
	k->conf.tun_address = ip_addr_v4(0x0A030001);
	core_pool_join(k->core, k->now);
	assert_int_equal(kit_free(k), 0);
}

/* The slot's session ends and another one gets the slot, as often as it takes. */
static void give_to_another(struct core_kit *k, uint32_t slot)
{
	uint32_t other = slot;

	do {
		dp_slot_free_own(k->tables, 3 % KIT_WORKERS, other);
		other = dp_slot_take_own(k->tables, 3 % KIT_WORKERS);
	} while (other != slot);
}

static void a_slot_that_another_session_has_by_now_gets_no_route(void **state)
{
	(void)state;
	struct core_kit *k = local_kit();
	struct sess_key key = kit_key(1, 3, 1);
	struct msg_session_new m = kit_session_new_msg(k, key);

	give_to_another(k, m.slot);
	kit_msg(k, key.sid, &m.msg);
	kit_auth_pap(k, key, "alice", "secret1");
	kit_session_up(k, key);
	struct dp_route_value v = dp_route_find4_rcu(k->routes, 0x0A010001);
	assert_int_equal(v.slot, m.slot);
	assert_int_not_equal(v.generation, dp_slot_generation(k->tables, m.slot));
	kit_session_gone(k, key, NULL);
	assert_int_equal(kit_free(k), 0);
}

static void local_logins_are_refused_for_the_right_reason(void **state)
{
	(void)state;
	struct core_kit *k = local_kit();

	kit_login(k, 1, "alice", "secret2");
	assert_false(reply_of(k)->accept);
	assert_string_equal(reply_of(k)->reason.text, "wrong password");
	assert_null(strstr(k->last_log, "secret2"));
	kit_login(k, 2, "alice", "secret11");
	assert_false(reply_of(k)->accept);
	kit_login(k, 3, "mallory", "secret1");
	assert_string_equal(reply_of(k)->reason.text, "not in the local file");
	kit_login(k, 4, "", "");
	assert_string_equal(reply_of(k)->reason.text, "no user name");
	kit_login(k, 5, "carol", "secret");
	assert_true(reply_of(k)->accept);
	kit_login(k, 6, "carol", "wrong");
	assert_false(reply_of(k)->accept);
	assert_int_equal(counter_get(&k->counters, C_AUTH_REJECTS), 5);
	assert_int_equal(kit_free(k), 0);
}

static void local_chap_login(void **state)
{
	(void)state;
	struct core_kit *k = local_kit();
	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);
	uint8_t id = 9;

	m.key = kit_key(1, 1, 1);
	m.proto = AUTH_CHAP;
	m.chap_id = id;
	m.user_len = 5;
	memcpy(m.user, "alice", 5);
	m.challenge_len = 16;
	memcpy(m.challenge, "0123456789abcdef", 16);
	struct span parts[] = {span_of(&id, 1), span_str("secret1"), span_of(m.challenge, 16)};
	md5_of(m.response, parts, 3);
	kit_session_new(k, m.key);
	kit_msg(k, 1, &m.msg);
	assert_true(reply_of(k)->accept);

	m.response[15] ^= 1;
	kit_msg(k, 1, &m.msg);
	assert_false(reply_of(k)->accept);
	memcpy(m.user, "carol", 5); /* only a hash of hers is known */
	m.key = kit_key(1, 2, 2);
	kit_session_new(k, m.key);
	kit_msg(k, 2, &m.msg);
	assert_false(reply_of(k)->accept);
	assert_int_equal(kit_free(k), 0);
}

static void a_static_address_and_its_routes_reach_the_kernel(void **state)
{
	(void)state;
	struct core_kit *k = local_kit();
	struct sess_key key = kit_login(k, 1, "bob", "secret2");

	assert_int_equal(ip_addr_u32(&reply_of(k)->profile.ip), 0x0A090909);
	assert_int_equal(reply_of(k)->profile.n_routes, 2);
	kit_session_up(k, key);
	assert_int_equal(k->kernel_routes, 3);
	struct session_view v;
	struct ip_addr ip = ip_addr_v4(0x0A090909);
	assert_true(core_session_by_ip(k->core, &ip, k->now, &v));
	assert_int_equal(v.n_routes, 2);
	assert_int_equal(route_slot(k, 0x0A090909), v.slot);
	assert_int_equal(route_slot(k, 0xC0A80501), v.slot);
	assert_int_equal(route_slot(k, 0xC0A806FE), v.slot);
	k->kernel_routes = 0; /* the kernel forgets its routes with the device's state */
	core_kernel_routes_again(k->core);
	assert_int_equal(k->kernel_routes, 3);
	kit_session_gone(k, key, NULL);
	assert_int_equal(k->kernel_routes, 0);
	core_kernel_routes_again(k->core);
	assert_int_equal(k->kernel_routes, 0);
	assert_int_equal(route_slot(k, 0xC0A80501), DP_SLOT_NONE);
	assert_int_equal(kit_free(k), 0);
}

static void nobody_to_ask_is_said_clearly(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();
	kit_start(k);
	kit_login(k, 1, "alice", "secret1");
	assert_false(reply_of(k)->accept);
	assert_string_equal(reply_of(k)->reason.text, "nobody to ask");
	assert_int_equal(kit_free(k), 0);
}

/* ---- duplicates and collisions --------------------------------------------------------------- */

static void a_second_login_ends_the_first_and_inherits_its_address(void **state)
{
	(void)state;
	struct core_kit *k = local_kit();
	struct sess_key first = kit_login(k, 1, "alice", "secret1");
	kit_session_up(k, first);
	struct sess_key second = kit_login(k, 2, "ALICE", "secret1");
	/* The local file tells letters of either case apart: that one was refused. */
	assert_false(reply_of(k)->accept);
	kit_auth_pap(k, second, "alice", "secret1");

	assert_true(reply_of(k)->accept);
	const struct msg_drop_session *d = kit_posted(k, MSG_DROP_SESSION);
	assert_non_null(d);
	assert_true(sess_key_equal(d->key, first));
	assert_int_equal(d->reason.cause, TERM_ADMIN_RESET);
	assert_int_equal(ip_addr_u32(&reply_of(k)->profile.ip), 0x0A010001);
	assert_int_equal(pool_used(k), 1);
	kit_session_up(k, second);
	struct session_view v;
	assert_true(core_session_find(k->core, 1, 2, k->now, &v));
	kit_session_gone(k, first, NULL);
	assert_int_equal(route_slot(k, 0x0A010001), v.slot);
	assert_int_equal(pool_used(k), 1);
	assert_int_equal(kit_free(k), 0);
}

static void duplicates_are_let_be_when_configured(void **state)
{
	(void)state;
	struct core_kit *k = local_kit();
	k->conf.allow_duplicate_users = true;
	kit_login(k, 1, "alice", "secret1");
	kit_login(k, 2, "alice", "secret1");
	assert_null(kit_posted(k, MSG_DROP_SESSION));
	assert_int_equal(pool_used(k), 2);

	k->conf.allow_duplicate_users = false;
	k->conf.n_guests = 1;
	snprintf(k->conf.guests[0], sizeof(k->conf.guests[0]), "Alice");
	kit_login(k, 3, "alice", "secret1");
	assert_null(kit_posted(k, MSG_DROP_SESSION));
	assert_int_equal(pool_used(k), 3);

	uint64_t cursor = 0;
	struct session_view v;
	for (uint16_t sid = 1; sid <= 3; sid++) {
		assert_true(core_session_by_user(k->core, span_str("AliCE"), &cursor, k->now, &v));
		assert_int_equal(v.key.sid, sid);
	}
	assert_false(core_session_by_user(k->core, span_str("alice"), &cursor, k->now, &v));
	struct end_reason why = {.cause = TERM_ADMIN_RESET};
	assert_int_equal(core_drop_user(k->core, span_str("alice"), &why, k->now), 3);
	assert_int_equal(core_drop_user(k->core, span_str("alice"), &why, k->now), 0);
	assert_int_equal(kit_free(k), 0);
}

static void a_static_address_is_taken_from_its_holder(void **state)
{
	(void)state;
	struct core_kit *k = local_kit();
	struct sess_key keys[77];

	k->conf.allow_duplicate_users = true;
	for (uint16_t i = 0; i < 77; i++)
		keys[i] = kit_login(k, i + 1u, "alice", "secret1");
	assert_int_equal(ip_addr_u32(&reply_of(k)->profile.ip), 0x0A01004D); /* .77 */
	kit_session_up(k, keys[76]);
	struct sess_key dave = kit_login(k, 100, "dave", "x");
	assert_true(reply_of(k)->accept);
	assert_int_equal(ip_addr_u32(&reply_of(k)->profile.ip), 0x0A01004D);
	const struct msg_drop_session *d = kit_posted(k, MSG_DROP_SESSION);
	assert_true(sess_key_equal(d->key, keys[76]));
	assert_int_equal(pool_used(k), 77);
	kit_session_up(k, dave);
	kit_session_gone(k, keys[76], NULL);
	struct session_view v;
	assert_true(core_session_find(k->core, 1, 100, k->now, &v));
	assert_int_equal(route_slot(k, 0x0A01004D), v.slot);
	assert_int_equal(pool_used(k), 77);
	assert_int_equal(kit_free(k), 0);
}

static void an_empty_pool_refuses_by_the_rfc(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();
	kit_pool(k, "10.1.0.4/31");
	kit_user(k, "a:x");
	kit_user(k, "b:x");
	kit_user(k, "c:x");
	kit_start(k);
	struct sess_key a = kit_login(k, 1, "a", "x");
	kit_login(k, 2, "b", "x");
	struct sess_key c = kit_login(k, 3, "c", "x");
	assert_false(reply_of(k)->accept);
	assert_int_equal(reply_of(k)->reason.cdn_result, 2);
	assert_int_equal(reply_of(k)->reason.cdn_error, 7);
	assert_int_equal(reply_of(k)->reason.cause, TERM_SERVICE_UNAVAILABLE);
	kit_session_gone(k, a, NULL);
	kit_auth_pap(k, c, "c", "x");
	assert_true(reply_of(k)->accept);
	assert_int_equal(kit_free(k), 0);
}

/* ---- RADIUS ---------------------------------------------------------------------------------- */

static void put_everything(struct wbuf *w)
{
	static const uint8_t dns[4] = {9, 9, 9, 9};

	rad_put_u32(w, RAD_FRAMED_IP_ADDRESS, 0x0A020304);
	rad_put_text(w, RAD_FRAMED_ROUTE, "172.16.5.7/24 10.2.3.4 1");
	rad_put_text(w, RAD_FRAMED_ROUTE, "192.168.7.9 0.0.0.0");
	rad_put_text(w, RAD_FRAMED_ROUTE, "garbage");
	rad_put_u32(w, RAD_SESSION_TIMEOUT, 3600);
	rad_put_u32(w, RAD_IDLE_TIMEOUT, 600);
	rad_put_u32(w, RAD_FRAMED_MTU, 1400);
	rad_put_text(w, RAD_FILTER_ID, "gold.in");
	rad_put_text(w, RAD_CLASS, "class-1");
	rad_put_text(w, RAD_REPLY_MESSAGE, "hello");
	rad_put_vsa(w, RAD_VENDOR_ASCEND, RAD_ASCEND_PRIMARY_DNS, span_of(dns, 4));
}

static void radius_pap_request_says_what_the_server_needs(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	kit_login(k, 5, "nemo", "arctangent");
	assert_int_equal(k->n_sends, 1);
	const struct kit_send *s = kit_sent(k);
	struct rad_packet p;
	struct rad_attr a;
	struct span v;
	uint8_t password[RAD_PASSWORD_MAX];

	assert_true(rad_packet_decode(span_of(s->bytes, s->n), &p));
	assert_int_equal(p.code, RAD_ACCESS_REQUEST);
	struct span attrs = p.attrs;
	assert_true(rad_attr_next(&attrs, &a));
	assert_int_equal(a.number, RAD_MESSAGE_AUTHENTICATOR); /* first of all */
	assert_true(kit_find_attr(s, RAD_USER_PASSWORD, &v));
	int n = rad_password_reveal(v, span_str("xyzzy5461"), p.authenticator, password);
	assert_int_equal(n, 10);
	assert_memory_equal(password, "arctangent", 10);
	assert_true(kit_find_attr(s, RAD_ACCT_SESSION_ID, &v));
	assert_int_equal(v.n, 16);
	assert_int_equal(strspn((const char *)v.p, "0123456789ABCDEF"), 16);
	assert_true(kit_find_attr(s, RAD_NAS_PORT, &v));
	assert_int_equal(span_u32(&v), 1 << 16 | 5);
	static const uint8_t wanted[] = {RAD_USER_NAME,
					 RAD_NAS_IP_ADDRESS,
					 RAD_NAS_IDENTIFIER,
					 RAD_NAS_PORT_TYPE,
					 RAD_NAS_PORT_ID,
					 RAD_ACCT_TUNNEL_CONNECTION,
					 RAD_TUNNEL_SERVER_AUTH_ID,
					 RAD_SERVICE_TYPE,
					 RAD_FRAMED_PROTOCOL,
					 RAD_CALLED_STATION_ID,
					 RAD_CALLING_STATION_ID,
					 RAD_TUNNEL_CLIENT_ENDPOINT,
					 RAD_TUNNEL_SERVER_ENDPOINT,
					 RAD_CONNECT_INFO};
	for (size_t i = 0; i < sizeof(wanted); i++)
		assert_true(kit_find_attr(s, wanted[i], &v));
	assert_false(kit_find_attr(s, RAD_CHAP_PASSWORD, &v));
	assert_int_equal(totals_of(k).radius_outstanding, 1);
	assert_int_equal(kit_free(k), 0);
}

static void radius_accept_fills_the_profile(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	struct sess_key key = kit_login(k, 5, "nemo", "arctangent");
	kit_answer(k, RAD_ACCESS_ACCEPT, put_everything);

	const struct msg_auth_reply *r = reply_of(k);
	assert_true(r->accept);
	const struct aaa_profile *p = &r->profile;
	assert_int_equal(ip_addr_u32(&p->ip), 0x0A020304);
	assert_false(p->ip_from_pool);
	assert_int_equal(p->n_routes, 2);
	assert_int_equal(ip_addr_u32(&p->routes[0].addr), 0xAC100500);
	assert_int_equal(p->routes[0].len, 24);
	assert_int_equal(ip_addr_u32(&p->routes[1].addr), 0xC0A80700);
	assert_int_equal(p->routes[1].len, 24);
	assert_int_equal(p->session_timeout_s, 3600);
	assert_int_equal(p->idle_timeout_s, 600);
	assert_int_equal(p->mtu, 1400);
	assert_string_equal(p->policy.filter_in, "gold");
	assert_int_equal(ip_addr_u32(&p->dns[0]), 0x09090909);
	assert_int_equal(p->reply_len, 5);
	assert_memory_equal(p->reply, "hello", 5);
	kit_session_up(k, key);
	assert_int_equal(k->kernel_routes, 3);
	assert_int_equal(totals_of(k).radius_outstanding, 0);
	assert_int_equal(kit_free(k), 0);
}

static void put_reply_message(struct wbuf *w)
{
	rad_put_text(w, RAD_REPLY_MESSAGE, "no money");
}

static void radius_reject_passes_the_message_on(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	kit_login(k, 5, "nemo", "wrong");
	kit_answer(k, RAD_ACCESS_REJECT, put_reply_message);
	const struct msg_auth_reply *r = reply_of(k);
	assert_false(r->accept);
	assert_int_equal(r->reason.cdn_result, 3);
	assert_int_equal(r->profile.reply_len, 8);
	assert_memory_equal(r->profile.reply, "no money", 8);
	assert_int_equal(kit_free(k), 0);
}

static void radius_challenge_is_refused_by_name(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	kit_login(k, 5, "nemo", "x");
	kit_answer(k, RAD_ACCESS_CHALLENGE, NULL);
	assert_false(reply_of(k)->accept);
	assert_non_null(strstr(k->last_log, "Access-Challenge"));
	assert_int_equal(kit_free(k), 0);
}

static void put_login_service(struct wbuf *w)
{
	rad_put_u32(w, RAD_SERVICE_TYPE, 1);
	rad_put_text(w, RAD_REPLY_MESSAGE, "no money");
}

static void put_framed_service(struct wbuf *w)
{
	rad_put_u32(w, RAD_SERVICE_TYPE, 2);
}

/* RFC 2865 5.6: as though an Access-Reject had been received. */
static void a_service_that_we_do_not_have_is_a_reject(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	kit_login(k, 5, "nemo", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, put_login_service);
	assert_false(reply_of(k)->accept);
	assert_int_equal(reply_of(k)->profile.reply_len, 8);
	assert_int_equal(pool_used(k), 0);
	kit_login(k, 6, "nemo", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, put_framed_service);
	assert_true(reply_of(k)->accept);
	assert_int_equal(kit_free(k), 0);
}

static void put_short_address(struct wbuf *w)
{
	rad_put(w, RAD_FRAMED_IP_ADDRESS, span_of("\x0a\x01", 2));
}

static void a_malformed_attribute_is_named_and_refused(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	kit_login(k, 5, "nemo", "x");
	unsigned logs = k->n_logs;
	kit_answer(k, RAD_ACCESS_ACCEPT, put_short_address);
	assert_false(reply_of(k)->accept);
	assert_int_equal(k->n_logs, logs + 2);
	assert_int_equal(counter_get(&k->counters, C_RADIUS_BAD_REPLIES), 1);
	assert_int_equal(pool_used(k), 0);
	assert_int_equal(kit_free(k), 0);
}

static void servers_are_asked_by_priority(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();
	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	k->conf.radius_source = ip_addr_v4(0x0A000001);
	snprintf(k->conf.radius_servers, sizeof(k->conf.radius_servers),
		 "192.0.2.9,priority:60 192.0.2.7,priority:10,source:10.0.0.2,auth-only "
		 "192.0.2.8,priority:10,acct-only");
	kit_start(k);
	kit_login(k, 1, "nemo", "x");
	const struct kit_send *s = kit_sent(k);
	assert_int_equal(ip_addr_u32(&s->to.ip), 0xC0000207);
	assert_int_equal(ip_addr_u32(&s->from), 0x0A000002);
	kit_advance(k, NSEC_S(4)); /* the next of those for logins */
	s = kit_sent(k);
	assert_int_equal(ip_addr_u32(&s->to.ip), 0xC0000201);
	assert_int_equal(ip_addr_u32(&s->from), 0x0A000001);
	assert_int_equal(kit_free(k), 0);
}

static void put_pool(struct wbuf *w)
{
	rad_put_text(w, RAD_FRAMED_POOL, "gold");
}

static void framed_pool_names_where_the_address_comes_from(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	char err[96];

	kit_login(k, 1, "before", "x"); /* there are no names yet: they mean nothing */
	kit_answer(k, RAD_ACCESS_ACCEPT, put_pool);
	assert_int_equal(ip_addr_u32(&reply_of(k)->profile.ip), 0x0A010001);
	assert_true(ippool_open(k->pool, "silver", "", err));
	kit_login(k, 2, "unknown", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, put_pool);
	assert_false(reply_of(k)->accept);
	assert_non_null(strstr(k->last_log, "Framed-Pool"));
	assert_true(ippool_open(k->pool, "gold", "silver", err));
	kit_pool(k, "10.7.0.1");
	kit_login(k, 3, "golden", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, put_pool);
	assert_int_equal(ip_addr_u32(&reply_of(k)->profile.ip), 0x0A070001);
	kit_login(k, 4, "other", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, NULL);
	assert_int_equal(ip_addr_u32(&reply_of(k)->profile.ip), 0x0A010002);
	kit_login(k, 5, "late", "x"); /* gold and silver are exhausted: RFC 2661's "try another" */
	kit_answer(k, RAD_ACCESS_ACCEPT, put_pool);
	assert_false(reply_of(k)->accept);
	assert_int_equal(reply_of(k)->reason.cdn_result, 2);
	assert_int_equal(reply_of(k)->reason.cdn_error, 7);
	assert_int_equal(kit_free(k), 0);
}

static uint32_t granted_ip;
static void put_ip(struct wbuf *w)
{
	rad_put_u32(w, RAD_FRAMED_IP_ADDRESS, granted_ip);
}

static void an_address_of_ours_or_of_nobody_is_refused(void **state)
{
	(void)state;
	static const uint32_t bad[] = {0x0A000001 /* where the call came to */,
				       0x0A0000FD,
				       0x0A0000FE,
				       0x7F000001,
				       0x00000005,
				       0xE0000001,
				       0xFFFFFF00};
	struct core_kit *k = kit_new();
	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	k->conf.peer_address = ip_addr_v4(0x0A0000FD);
	k->conf.bind[k->conf.n_bind++] = ip_addr_v4(0x0A0000FE);
	kit_start(k);
	for (uint16_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		kit_login(k, (uint16_t)(i + 1), "nemo", "x");
		granted_ip = bad[i];
		kit_answer(k, RAD_ACCESS_ACCEPT, put_ip);
		assert_false(reply_of(k)->accept);
		assert_non_null(strstr(k->last_log, "its address is"));
	}
	assert_int_equal(kit_free(k), 0);
}

static void put_network(struct wbuf *w)
{
	rad_put_u32(w, RAD_FRAMED_IP_ADDRESS, 0x0A020309);
	rad_put_u32(w, RAD_FRAMED_IP_NETMASK, 0xFFFFFFF8);
}

static void the_network_of_framed_ip_netmask_is_routed(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	struct sess_key key = kit_login(k, 5, "nemo", "x");
	struct session_view v;

	kit_answer(k, RAD_ACCESS_ACCEPT, put_network);
	kit_session_up(k, key);
	assert_true(core_session_find(k->core, 1, 5, k->now, &v));
	assert_int_equal(v.n_routes, 1);
	assert_int_equal(route_slot(k, 0x0A02030E), v.slot);
	assert_int_equal(route_slot(k, 0x0A020310), DP_SLOT_NONE);
	assert_int_equal(kit_free(k), 0);
}

static void put_port_limit(struct wbuf *w)
{
	rad_put_u32(w, RAD_PORT_LIMIT, 2);
}

static void port_limit_counts_the_sessions_of_a_user(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();
	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	k->conf.allow_duplicate_users = true;
	kit_start(k);
	for (uint16_t sid = 1; sid <= 3; sid++) {
		kit_login(k, sid, sid == 2 ? "NEMO" : "nemo", "x");
		kit_answer(k, RAD_ACCESS_ACCEPT, put_port_limit);
		assert_int_equal(reply_of(k)->accept, sid < 3);
	}
	assert_non_null(strstr(k->last_log, "Port-Limit"));
	kit_session_gone(k, kit_key(1, 1, 1), NULL);
	kit_login(k, 4, "nemo", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, put_port_limit);
	assert_true(reply_of(k)->accept);
	assert_int_equal(kit_free(k), 0);
}

static void put_extra(struct wbuf *w)
{
	rad_put(w, RAD_DELEGATED_IPV6_PREFIX, span_of("\0\x20\x20\x01\x0d\xb8", 6));
	rad_put(w, RAD_TUNNEL_TYPE, span_of("\0\0\0\3", 4));
	rad_put_text(w, RAD_TUNNEL_SERVER_ENDPOINT, "192.0.2.7");
}

static void what_is_beyond_ipv4_is_kept_and_given_back(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	struct sess_key key = kit_login(k, 5, "nemo", "x");
	struct session_extra e;

	kit_answer(k, RAD_ACCESS_ACCEPT, put_extra);
	assert_true(reply_of(k)->accept);
	assert_int_equal(reply_of(k)->profile.v6.n_delegated, 1);
	assert_true(core_session_extra(k->core, key, &e));
	assert_int_equal(e.v6.delegated[0].len, 32);
	assert_int_equal(e.n_tunnels, 1);
	assert_string_equal(e.tunnels[0].server_endpoint, "192.0.2.7");
	kit_session_gone(k, key, NULL);
	assert_false(core_session_extra(k->core, key, &e));
	assert_int_equal(kit_free(k), 0);
}

static void put_no_time(struct wbuf *w)
{
	rad_put_u32(w, RAD_SESSION_TIMEOUT, 0);
}

static void session_timeout_zero_follows_the_setting(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	struct sess_key key = kit_login(k, 5, "nemo", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, put_no_time);
	assert_false(reply_of(k)->accept);
	assert_int_equal(reply_of(k)->reason.cause, TERM_SESSION_TIMEOUT);
	k->conf.kill_timedout_sessions = false;
	kit_auth_pap(k, key, "nemo", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, put_no_time);
	assert_true(reply_of(k)->accept);
	assert_int_equal(kit_free(k), 0);
}

static void silence_refuses_and_leaks_nothing(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	struct sess_key key = kit_login(k, 5, "nemo", "x");
	for (int i = 0; i < 600; i++)
		kit_advance(k, NSEC_MS(100));
	assert_int_equal(k->n_sends, 4);
	assert_int_equal(ip_addr_u32(&k->sends[0].to.ip), 0xC0000201);
	assert_int_equal(ip_addr_u32(&k->sends[1].to.ip), 0xC0000202);
	assert_false(reply_of(k)->accept);
	assert_int_equal(reply_of(k)->reason.cause, TERM_REAUTHENTICATION_FAILURE);
	kit_session_gone(k, key, NULL);
	assert_false(core_busy(k->core));
	assert_int_equal(k->n_closes, 1);
	assert_int_equal(kit_free(k), 0);
}

static void a_session_that_goes_takes_its_request_along(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	struct sess_key key = kit_login(k, 5, "nemo", "x");
	struct kit_send sent = *kit_sent(k);
	kit_session_gone(k, key, NULL);
	assert_int_equal(totals_of(k).radius_outstanding, 0);
	unsigned posts = k->n_posts;
	kit_answer_to(k, &sent, RAD_ACCESS_ACCEPT, NULL);
	assert_int_equal(k->n_posts, posts);
	assert_int_equal(kit_free(k), 0);
}

static void reauthentication_assigns_nothing(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	struct sess_key key = kit_login(k, 5, "nemo", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, NULL);
	struct ip_addr ip = reply_of(k)->profile.ip;
	kit_session_up(k, key);

	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);
	m.key = key;
	m.proto = AUTH_CHAP;
	m.reauth = true;
	m.user_len = 4;
	memcpy(m.user, "nemo", 4);
	m.challenge_len = 16;
	kit_msg(k, 5, &m.msg);
	struct span v;
	assert_true(kit_find_attr(kit_sent(k), RAD_CHAP_PASSWORD, &v));
	assert_true(kit_find_attr(kit_sent(k), RAD_CHAP_CHALLENGE, &v));
	assert_true(kit_find_attr(kit_sent(k), RAD_FRAMED_IP_ADDRESS, &v));
	kit_answer(k, RAD_ACCESS_ACCEPT, put_everything);
	assert_true(reply_of(k)->accept);
	assert_true(ip_addr_equal(&reply_of(k)->profile.ip, &ip));
	assert_int_equal(pool_used(k), 1);

	memcpy(m.user, "ahab", 4);
	kit_msg(k, 5, &m.msg);
	assert_false(reply_of(k)->accept);
	assert_int_equal(kit_free(k), 0);
}

static void accounting_tells_start_and_stop_with_octets(void **state)
{
	(void)state;
	struct core_kit *k = radius_kit();
	struct span v;
	k->conf.radius_accounting = true;
	struct sess_key key = kit_login(k, 5, "nemo", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, put_everything);
	kit_session_up(k, key);
	assert_int_equal(kit_sent(k)->to.port, 1813);
	assert_int_equal(kit_sent(k)->bytes[0], RAD_ACCOUNTING_REQUEST);
	assert_true(kit_find_attr(kit_sent(k), RAD_ACCT_STATUS_TYPE, &v));
	assert_int_equal(span_u32(&v), 1);
	assert_true(kit_find_attr(kit_sent(k), RAD_CLASS, &v));
	assert_memory_equal(v.p, "class-1", 7);
	kit_session_up(k, key); /* not twice */
	assert_int_equal(k->n_sends, 2);

	kit_advance(k, NSEC_MS(2000));
	struct sess_counters n = {.up_packets = 3, .up_bytes = 0x100000007, .down_bytes = 5};
	kit_session_gone(k, key, &n);
	assert_true(kit_find_attr(kit_sent(k), RAD_ACCT_STATUS_TYPE, &v));
	assert_int_equal(span_u32(&v), 2);
	assert_true(kit_find_attr(kit_sent(k), RAD_ACCT_INPUT_OCTETS, &v));
	assert_int_equal(span_u32(&v), 7);
	assert_true(kit_find_attr(kit_sent(k), RAD_ACCT_INPUT_GIGAWORDS, &v));
	assert_int_equal(span_u32(&v), 1);
	assert_true(kit_find_attr(kit_sent(k), RAD_ACCT_SESSION_TIME, &v));
	assert_int_equal(span_u32(&v), 2);
	assert_true(kit_find_attr(kit_sent(k), RAD_ACCT_TERMINATE_CAUSE, &v));
	assert_int_equal(span_u32(&v), TERM_USER_REQUEST);
	assert_true(core_busy(k->core)); /* the record has not been acknowledged */
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	assert_int_equal(totals_of(k).radius_outstanding, 1); /* the Start */
	assert_int_equal(kit_free(k), 0);
}

/* ---- management ------------------------------------------------------------------------------ */

static void a_walk_survives_what_leaves_meanwhile(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();
	kit_start(k);
	for (uint16_t sid = 1; sid <= 10; sid++)
		kit_session_new(k, kit_key(1, sid, sid));

	uint64_t cursor = 0, other = 0;
	struct session_view v;
	for (uint16_t sid = 1; sid <= 4; sid++)
		assert_true(core_session_next(k->core, &cursor, k->now, &v));
	assert_true(core_session_next(k->core, &other, k->now, &v));
	/* What was returned last, and what comes next, go away. */
	kit_session_gone(k, kit_key(1, 4, 4), NULL);
	kit_session_gone(k, kit_key(1, 5, 5), NULL);
	assert_true(core_session_next(k->core, &cursor, k->now, &v));
	assert_int_equal(v.key.sid, 6);
	assert_true(core_session_next(k->core, &other, k->now, &v));
	assert_int_equal(v.key.sid, 2);
	/* More walks than memos: the old one finds its place all the same. */
	for (unsigned i = 0; i < 100; i++) {
		uint64_t fresh = 0;
		assert_true(core_session_next(k->core, &fresh, k->now, &v));
	}
	assert_true(core_session_next(k->core, &cursor, k->now, &v));
	assert_int_equal(v.key.sid, 7);
	unsigned rest = 0;
	while (core_session_next(k->core, &cursor, k->now, &v))
		rest++;
	assert_int_equal(rest, 3);
	assert_int_equal(kit_free(k), 0);
}

static unsigned answers, found;

static void session_answer(void *arg, const struct msg_session_info *info)
{
	(void)arg;
	answers++;
	found += info->found;
}

static void a_query_is_answered_or_given_up(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();
	kit_start(k);
	struct sess_key key = kit_key(1, 1, 1);

	kit_session_new(k, key);
	answers = found = 0;
	core_query_session(k->core, key, session_answer, NULL, k->now);
	const struct msg_session_query *q = kit_posted(k, MSG_SESSION_QUERY);
	struct msg_session_info i = MSG_INIT(MSG_SESSION_INFO, struct msg_session_info);
	i.cookie = q->cookie;
	i.found = true;
	kit_msg(k, 1, &i.msg);
	assert_int_equal(answers, 1);
	assert_int_equal(found, 1);
	kit_msg(k, 1, &i.msg); /* twice: of no use */
	assert_int_equal(answers, 1);
	core_query_session(k->core, key, session_answer, NULL, k->now);
	kit_advance(k, NSEC_MS(1999));
	assert_int_equal(answers, 1);
	kit_advance(k, NSEC_MS(1));
	assert_int_equal(answers, 2);
	assert_int_equal(found, 1);
	core_query_session(k->core, key, session_answer, NULL, k->now);
	assert_int_equal(kit_free(k), 0);
	assert_int_equal(answers, 3); /* nobody is left waiting */
}

static void tunnels_are_shown_until_they_are_free(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();
	kit_start(k);
	struct msg_tunnel_state m = MSG_INIT(MSG_TUNNEL_STATE, struct msg_tunnel_state);
	struct tunnel_view v;

	m.tid = 9;
	m.state = TUNNEL_OPEN;
	m.host_name = (struct msg_text){.n = 3, .s = "lac"};
	kit_msg(k, 9, &m.msg);
	kit_session_new(k, kit_key(9, 1, 1));
	assert_true(core_tunnel_find(k->core, 9, k->now, &v));
	assert_int_equal(v.sessions, 1);
	assert_memory_equal(v.host_name.s, "lac", 3);
	assert_true(core_drop_tunnel(k->core, 9, k->now));
	assert_non_null(kit_posted(k, MSG_DROP_TUNNEL));
	m.state = TUNNEL_FREE;
	kit_msg(k, 9, &m.msg);
	uint32_t cursor = 0;
	assert_false(core_tunnel_next(k->core, &cursor, k->now, &v));
	assert_int_equal(totals_of(k).tunnels, 0);
	kit_session_gone(k, kit_key(9, 1, 1), NULL);
	assert_false(core_drop_tunnel(k->core, 9, k->now));
	assert_int_equal(kit_free(k), 0);
}

static void messages_of_the_dead_are_counted(void **state)
{
	(void)state;
	struct core_kit *k = local_kit();
	struct sess_key key = kit_login(k, 1, "alice", "secret1");
	struct sess_key old = kit_key(1, 1, 99);

	kit_session_up(k, old);
	kit_session_gone(k, old, NULL);
	kit_auth_pap(k, old, "alice", "secret1");
	assert_false(reply_of(k)->accept);
	assert_int_equal(counter_get(&k->counters, C_STALE_MESSAGES), 3);
	kit_session_gone(k, key, NULL);
	assert_int_equal(kit_free(k), 0);
}

static void a_session_costs_less_than_700_bytes(void **state)
{
	(void)state;
	enum { N = 10000 };
	struct core_kit *k = kit_new();
	kit_pool(k, "10.0.0.0/16");
	kit_user(k, "subscriber@example.net:x");
	k->conf.allow_duplicate_users = true;
	kit_start(k);
	/* Forwarding records and pool entries are not the core's: made before, kept after. */
	for (unsigned round = 0; round < 2; round++) {
		size_t before = k->mem.held;
		for (unsigned i = 0; i < N; i++) {
			struct sess_key key =
				kit_key((uint16_t)(1 + i / 1000), (uint16_t)(1 + i % 1000), i + 1);
			kit_session_new(k, key);
			kit_auth_pap(k, key, "subscriber@example.net", "x");
			assert_true(reply_of(k)->accept);
			kit_session_up(k, key);
		}
		if (round == 1)
			assert_true((k->mem.held - before) / N < 700);
		for (unsigned i = 0; i < N; i++)
			kit_session_gone(
				k,
				kit_key((uint16_t)(1 + i / 1000), (uint16_t)(1 + i % 1000), i + 1),
				NULL);
	}
	assert_int_equal(pool_used(k), 0);
	assert_int_equal(kit_free(k), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_pap_login_gets_an_address_and_gives_it_back),
		cmocka_unit_test(a_new_pool_does_not_give_out_what_a_session_has),
		cmocka_unit_test(our_own_addresses_follow_the_pool),
		cmocka_unit_test(a_slot_that_another_session_has_by_now_gets_no_route),
		cmocka_unit_test(local_logins_are_refused_for_the_right_reason),
		cmocka_unit_test(local_chap_login),
		cmocka_unit_test(a_static_address_and_its_routes_reach_the_kernel),
		cmocka_unit_test(nobody_to_ask_is_said_clearly),
		cmocka_unit_test(a_second_login_ends_the_first_and_inherits_its_address),
		cmocka_unit_test(duplicates_are_let_be_when_configured),
		cmocka_unit_test(a_static_address_is_taken_from_its_holder),
		cmocka_unit_test(an_empty_pool_refuses_by_the_rfc),
		cmocka_unit_test(radius_pap_request_says_what_the_server_needs),
		cmocka_unit_test(radius_accept_fills_the_profile),
		cmocka_unit_test(radius_reject_passes_the_message_on),
		cmocka_unit_test(radius_challenge_is_refused_by_name),
		cmocka_unit_test(a_service_that_we_do_not_have_is_a_reject),
		cmocka_unit_test(a_malformed_attribute_is_named_and_refused),
		cmocka_unit_test(servers_are_asked_by_priority),
		cmocka_unit_test(framed_pool_names_where_the_address_comes_from),
		cmocka_unit_test(an_address_of_ours_or_of_nobody_is_refused),
		cmocka_unit_test(the_network_of_framed_ip_netmask_is_routed),
		cmocka_unit_test(port_limit_counts_the_sessions_of_a_user),
		cmocka_unit_test(what_is_beyond_ipv4_is_kept_and_given_back),
		cmocka_unit_test(session_timeout_zero_follows_the_setting),
		cmocka_unit_test(silence_refuses_and_leaks_nothing),
		cmocka_unit_test(a_session_that_goes_takes_its_request_along),
		cmocka_unit_test(reauthentication_assigns_nothing),
		cmocka_unit_test(accounting_tells_start_and_stop_with_octets),
		cmocka_unit_test(a_walk_survives_what_leaves_meanwhile),
		cmocka_unit_test(a_query_is_answered_or_given_up),
		cmocka_unit_test(tunnels_are_shown_until_they_are_free),
		cmocka_unit_test(messages_of_the_dead_are_counted),
		cmocka_unit_test(a_session_costs_less_than_700_bytes),
	};
	return cmocka_run_group_tests(tests, test_rcu_start, test_rcu_stop);
}
