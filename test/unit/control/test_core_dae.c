/* Disconnect and CoA requests against a control core with sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_kit.h"
#include "dae_kit.h"
#include "radius/rad_dae.h"
#include "test_rcu.h"

static const char secret[] = "xyzzy5461";
static const struct sock_addr server = {.ip = {.family = 4, .b = {192, 0, 2, 1}}, .port = 40000};

static struct core_kit *dae_kit_start(const char *clients)
{
	struct core_kit *k = kit_new();
	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	k->conf.allow_duplicate_users = true;
	snprintf(k->conf.radius_dae_clients, sizeof(k->conf.radius_dae_clients), "%s", clients);
	kit_start(k);
	return k;
}

/* Session SID of tunnel 1 with the pool's address 10.1.0.SID when they come in order. */
static struct sess_key up(struct core_kit *k, uint16_t sid, const char *user)
{
	struct sess_key key = kit_key(1, sid, sid);

	kit_session_new(k, key);
	kit_auth_pap(k, key, user, "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, NULL);
	kit_session_up(k, key);
	return key;
}

/* The answer's code, 0 for none; *error its Error-Cause or 0. */
static uint8_t send_to(struct core_kit *k, const struct sock_addr *from, const struct dae_packet *p,
		       uint32_t *error)
{
	uint8_t out[RAD_PACKET_MAX];
	struct wbuf w = wbuf_of(out, sizeof(out));
	struct rad_packet reply;
	struct rad_attr a;

	*error = 0;
	if (!core_dae_rx(k->core, from, dae_span(p), &w, k->now))
		return 0;
	assert_true(rad_packet_decode(wbuf_written(&w), &reply));
	while (rad_attr_next(&reply.attrs, &a)) {
		if (a.number == RAD_ERROR_CAUSE)
			*error = span_u32(&a.value);
	}
	return reply.code;
}

static uint32_t error_of(struct core_kit *k, enum rad_code code, void (*put)(struct wbuf *w))
{
	static uint8_t id;
	struct dae_packet p = dae_request(code, id++, secret, true, put);
	uint32_t error;
	uint8_t reply = send_to(k, &server, &p, &error);

	assert_int_equal(reply, code + (error ? 2 : 1));
	return error;
}

static bool is_ending(struct core_kit *k, uint16_t sid)
{
	struct session_view v;

	assert_true(core_session_find(k->core, 1, sid, k->now, &v));
	return v.dying;
}

static char session_id[17];
static void put_user(struct wbuf *w)
{
	rad_put_text(w, RAD_USER_NAME, "nemo");
}
static void put_ip(struct wbuf *w)
{
	rad_put_u32(w, RAD_FRAMED_IP_ADDRESS, 0x0A010002);
}
static void put_port(struct wbuf *w)
{
	rad_put_u32(w, RAD_NAS_PORT, 0x10003);
}
static void put_calling(struct wbuf *w)
{
	rad_put_text(w, RAD_CALLING_STATION_ID, "1234");
}
static void put_id(struct wbuf *w)
{
	rad_put_text(w, RAD_ACCT_SESSION_ID, session_id);
}
static void put_all_equal(struct wbuf *w)
{
	put_user(w);
	put_calling(w);
	rad_put_u32(w, RAD_NAS_PORT, 0x10002);
	put_ip(w);
	rad_put_text(w, RAD_NAS_PORT_ID, "1/2");
}
static void put_one_wrong(struct wbuf *w)
{
	put_ip(w);
	put_port(w); /* of another session */
}

static void a_session_is_found_by_whatever_names_it(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("");

	for (uint16_t sid = 1; sid <= 4; sid++)
		up(k, sid, sid == 4 ? "ahab" : "nemo");
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_one_wrong), RAD_ERROR_NO_SESSION);
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_all_equal), 0);
	assert_true(is_ending(k, 2) && !is_ending(k, 1) && !is_ending(k, 3));
	const struct msg_drop_session *d = kit_posted(k, MSG_DROP_SESSION);
	assert_int_equal(d->reason.cause, TERM_ADMIN_RESET);
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_ip), RAD_ERROR_NO_SESSION);
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_port), 0);
	assert_true(is_ending(k, 3));

	/* The text that the Access-Request told. */
	struct rad_packet p;
	struct rad_attr a;
	const struct kit_send *s = &k->sends[0];
	assert_true(rad_packet_decode(span_of(s->bytes, s->n), &p));
	while (rad_attr_next(&p.attrs, &a) && a.number != RAD_ACCT_SESSION_ID)
		;
	memcpy(session_id, a.value.p, 16);
	session_id[15] ^= 1;
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_id), RAD_ERROR_NO_SESSION);
	session_id[15] ^= 1;
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_id), 0);
	assert_true(is_ending(k, 1) && !is_ending(k, 4));
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_calling), 0);
	assert_true(is_ending(k, 4));
	assert_int_equal(kit_free(k), 0);
}

static void a_user_name_means_all_sessions_of_it(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("");

	up(k, 1, "nemo");
	up(k, 2, "ahab");
	up(k, 3, "nemo");
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_user), 0);
	assert_true(is_ending(k, 1) && is_ending(k, 3) && !is_ending(k, 2));
	assert_int_equal(counter_get(&k->counters, C_DAE_REQUESTS), 1);
	assert_int_equal(kit_free(k), 0);
}

static void put_nas(struct wbuf *w)
{
	put_user(w);
	rad_put_text(w, RAD_NAS_IDENTIFIER, "somebody else");
}

static void put_nas_ip(struct wbuf *w)
{
	put_user(w);
	rad_put_u32(w, RAD_NAS_IP_ADDRESS, 0x0A0000FE);
}

static void another_nas_is_meant(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("");

	k->conf.bind_address = ip_addr_v4(0x0A000001);
	up(k, 1, "nemo");
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_nas), RAD_ERROR_NAS_MISMATCH);
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_nas_ip), RAD_ERROR_NAS_MISMATCH);
	assert_false(is_ending(k, 1));
	assert_int_equal(kit_free(k), 0);
}

static uint32_t stamp;
static void put_stamp(struct wbuf *w)
{
	put_user(w);
	rad_put_u32(w, RAD_EVENT_TIMESTAMP, stamp);
}

static void the_unknown_the_forged_and_the_old_get_no_answer(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("");
	struct sock_addr stranger = {.ip = ip_addr_v4(0xC6336401), .port = 1};
	struct dae_packet good = dae_request(RAD_DISCONNECT_REQUEST, 1, secret, true, put_user);
	struct dae_packet forged = dae_request(RAD_DISCONNECT_REQUEST, 1, "guess", true, put_user);
	uint32_t error, wall = (uint32_t)kit_wall_clock_s(k);

	up(k, 1, "nemo");
	assert_int_equal(send_to(k, &stranger, &good, &error), 0);
	assert_int_equal(send_to(k, &server, &forged, &error), 0);
	for (int i = -1; i <= 1; i += 2) {
		stamp = (uint32_t)((int64_t)wall + i * 301);
		struct dae_packet old =
			dae_request(RAD_DISCONNECT_REQUEST, 2, secret, true, put_stamp);
		assert_int_equal(send_to(k, &server, &old, &error), 0);
	}
	assert_false(is_ending(k, 1));
	assert_int_equal(counter_get(&k->counters, C_DAE_DROPPED), 4);
	stamp = wall - 299;
	assert_int_equal(error_of(k, RAD_DISCONNECT_REQUEST, put_stamp), 0);
	assert_true(is_ending(k, 1));
	assert_int_equal(kit_free(k), 0);
}

static void a_repeated_request_is_answered_but_not_done_again(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("");
	struct dae_packet p = dae_request(RAD_DISCONNECT_REQUEST, 1, secret, true, put_user);
	uint32_t error;

	up(k, 1, "nemo");
	assert_int_equal(send_to(k, &server, &p, &error), RAD_DISCONNECT_ACK);
	kit_session_gone(k, kit_key(1, 1, 1), NULL);
	up(k, 2, "nemo");
	assert_int_equal(send_to(k, &server, &p, &error), RAD_DISCONNECT_ACK);
	assert_false(is_ending(k, 2));
	/* Without a time in it, the same bytes may be meant again later. */
	k->now = nsec_add(k->now, NSEC_S(601));
	assert_int_equal(send_to(k, &server, &p, &error), RAD_DISCONNECT_ACK);
	assert_true(is_ending(k, 2));
	assert_int_equal(kit_free(k), 0);
}

static void a_request_that_comes_from_elsewhere_again_is_not_done_again(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("192.0.2.1=first 192.0.2.9=first");
	struct sock_addr other = server;
	struct dae_packet p = dae_request(RAD_DISCONNECT_REQUEST, 1, "first", true, put_user);
	uint32_t error;

	other.ip = ip_addr_v4(0xC0000209);
	up(k, 1, "nemo");
	assert_int_equal(send_to(k, &server, &p, &error), RAD_DISCONNECT_ACK);
	kit_session_gone(k, kit_key(1, 1, 1), NULL);
	up(k, 2, "nemo");
	assert_int_equal(send_to(k, &other, &p, &error), RAD_DISCONNECT_ACK);
	assert_false(is_ending(k, 2));
	assert_int_equal(kit_free(k), 0);
}

static void clients_of_one_address_have_secrets_of_their_own(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("192.0.2.1=first 192.0.2.1=second");
	struct dae_packet first = dae_request(RAD_DISCONNECT_REQUEST, 1, "first", true, put_user);
	struct dae_packet second = dae_request(RAD_DISCONNECT_REQUEST, 2, "second", true, put_user);
	struct dae_packet third = dae_request(RAD_DISCONNECT_REQUEST, 3, "third", true, put_user);
	uint32_t error;

	assert_int_equal(send_to(k, &server, &first, &error), RAD_DISCONNECT_NAK);
	assert_int_equal(send_to(k, &server, &second, &error), RAD_DISCONNECT_NAK);
	assert_int_equal(send_to(k, &server, &third, &error), 0);
	assert_int_equal(kit_free(k), 0);
}

static void clients_may_be_listed_with_secrets(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("198.51.100.0/24=other 2001:db8::1");
	struct sock_addr net = {.ip = ip_addr_v4(0xC6336407), .port = 1}, v6 = {.port = 1};
	struct dae_packet other = dae_request(RAD_DISCONNECT_REQUEST, 1, "other", true, put_user);
	struct dae_packet ours = dae_request(RAD_DISCONNECT_REQUEST, 1, secret, true, put_user);
	uint32_t error;

	assert_true(ip_addr_parse(span_str("2001:db8::1"), &v6.ip));
	assert_int_equal(send_to(k, &net, &other, &error), RAD_DISCONNECT_NAK);
	assert_int_equal(send_to(k, &net, &ours, &error), 0);
	assert_int_equal(send_to(k, &v6, &ours, &error), RAD_DISCONNECT_NAK);
	assert_int_equal(send_to(k, &server, &ours, &error), 0); /* the list replaces the servers */
	assert_int_equal(kit_free(k), 0);
}

static void put_change(struct wbuf *w)
{
	put_user(w);
	rad_put_u32(w, RAD_SESSION_TIMEOUT, 100);
	rad_put_u32(w, RAD_IDLE_TIMEOUT, 7);
	rad_put_text(w, RAD_CLASS, "new");
}

static void put_route(struct wbuf *w)
{
	put_change(w);
	rad_put_text(w, RAD_FRAMED_ROUTE, "10.0.0.0/8");
}

static void put_filter(struct wbuf *w)
{
	put_change(w);
	rad_put_text(w, RAD_FILTER_ID, "gold.in");
}

static void put_pair(struct wbuf *w, const char *pair)
{
	rad_put_vsa(w, RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, span_str(pair));
}

static void put_policy(struct wbuf *w)
{
	put_user(w);
	put_pair(w, "throttle=yes,intercept=192.0.2.9:5000");
	put_pair(w, "garden=yes");
}

static void put_rate(struct wbuf *w)
{
	put_user(w);
	rad_put_vsa(w, RAD_VENDOR_WISPR, RAD_WISPR_BANDWIDTH_MAX_DOWN, span_of("\0\1\0\0", 4));
}

static void put_end_of_policy(struct wbuf *w)
{
	put_user(w);
	put_pair(w, "throttle=no,intercept=no,garden=no");
}

static void put_unknown_pair(struct wbuf *w)
{
	put_user(w);
	put_pair(w, "x=y");
}

static const struct sess_policy *told(struct core_kit *k)
{
	const struct msg_session_change *m = kit_posted(k, MSG_SESSION_CHANGE);

	assert_non_null(m);
	assert_true(m->has_policy);
	return &m->policy;
}

static void a_coa_changes_the_policy_as_a_whole(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("");
	struct session_view v;

	up(k, 1, "nemo");
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_policy), 0);
	assert_int_equal(told(k)->rate_up, 28000); /* throttle_speed */
	assert_int_equal(told(k)->rate_down, 28000);
	assert_int_equal(told(k)->intercept.port, 5000);
	assert_true(told(k)->garden);
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_rate), 0);
	assert_int_equal(told(k)->rate_up, 28000); /* what was not said stays */
	assert_int_equal(told(k)->rate_down, 65536);
	assert_true(told(k)->garden);
	assert_true(core_session_find(k->core, 1, 1, k->now, &v));
	assert_true(sess_policy_equal(&v.policy, told(k)));
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_end_of_policy), 0);
	assert_true(sess_policy_is_empty(told(k)));
	assert_int_equal(kit_free(k), 0);
}

static void put_out_of_garden(struct wbuf *w)
{
	put_user(w);
	put_pair(w, "garden=no");
	rad_put_text(w, RAD_CLASS, "paid");
}

static void put_into_garden(struct wbuf *w)
{
	put_user(w);
	put_pair(w, "garden=yes");
	rad_put_text(w, RAD_CLASS, "unpaid");
}

/* Status and Class of the newest accounting record. */
static void assert_record(struct core_kit *k, uint32_t wanted, const char *class)
{
	const struct kit_send *s = kit_sent(k);
	struct rad_packet p;
	struct rad_attr a;
	uint32_t status = 0;
	bool found = false;

	assert_true(rad_packet_decode(span_of(s->bytes, s->n), &p));
	assert_int_equal(p.code, RAD_ACCOUNTING_REQUEST);
	while (rad_attr_next(&p.attrs, &a)) {
		if (a.number == RAD_ACCT_STATUS_TYPE)
			status = span_u32(&a.value);
		found |= a.number == RAD_CLASS && span_equal(a.value, span_str(class));
	}
	assert_int_equal(status, wanted);
	assert_true(found);
}

static void a_class_counts_from_its_coa_on(void **state)
{
	enum { START = 1, STOP = 2 };
	(void)state;
	struct core_kit *k = kit_new();

	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	k->conf.radius_accounting = true;
	k->conf.radius_window = 0;
	kit_start(k);
	up(k, 1, "nemo");
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_change), 0); /* Class "new" */
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_into_garden), 0);
	assert_record(k, STOP, "new");
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_out_of_garden), 0);
	assert_record(k, START, "paid");
	assert_int_equal(kit_free(k), 0);
}

static void a_coa_with_what_cannot_be_had_is_refused(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("");

	up(k, 1, "nemo");
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_filter), RAD_ERROR_INVALID_REQUEST);
	assert_non_null(strstr(k->last_log, "Filter-Id"));
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_unknown_pair),
			 RAD_ERROR_UNSUPPORTED_ATTRIBUTE);
	assert_non_null(strstr(k->last_log, "Cisco-AVPair"));
	assert_null(kit_posted(k, MSG_SESSION_CHANGE));
	k->conf.n_plugins = 1; /* which may know the key */
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_unknown_pair), 0);
	k->conf.alloc = &k->mem.alloc;
	struct conf_kept *acl =
		conf_keep(&k->conf, NULL, CONF_KEPT_ACL, true, "ip access-list extended gold");
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_filter), 0);
	assert_string_equal(told(k)->filter_in, "gold");
	conf_forget(&k->conf, acl);
	assert_int_equal(kit_free(k), 0);
}

/* Once the policy has no room, once the Class. */
static void a_coa_without_memory_changes_nothing(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("");
	struct session_view v;
	unsigned failed = 0;

	up(k, 1, "nemo");
	for (unsigned nth = 1; nth < 3; nth++) {
		k->mem.fail_after = k->mem.gets; /* the next one */
		uint32_t error = error_of(k, RAD_COA_REQUEST, nth == 1 ? put_policy : put_change);
		k->mem.fail_after = SIZE_MAX;
		failed += error == RAD_ERROR_NO_RESOURCES;
		assert_true(core_session_find(k->core, 1, 1, k->now, &v));
		if (error)
			assert_true(sess_policy_is_empty(&v.policy));
	}
	assert_true(failed > 0);
	assert_int_equal(kit_free(k), 0);
}

static void a_coa_changes_all_or_nothing(void **state)
{
	(void)state;
	struct core_kit *k = dae_kit_start("");
	struct session_view v;

	up(k, 1, "nemo");
	kit_advance(k, NSEC_S(40));
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_route), RAD_ERROR_UNSUPPORTED_ATTRIBUTE);
	assert_null(kit_posted(k, MSG_SESSION_CHANGE));
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_change), 0);
	const struct msg_session_change *m = kit_posted(k, MSG_SESSION_CHANGE);
	assert_non_null(m);
	assert_true(m->has_session_timeout && m->has_idle_timeout);
	assert_int_equal(m->session_left_s, 60); /* 40 have passed */
	assert_int_equal(m->idle_timeout_s, 7);
	assert_true(core_session_find(k->core, 1, 1, k->now, &v));
	assert_int_equal(v.session_timeout_s, 100);
	assert_int_equal(v.idle_timeout_s, 7);
	kit_advance(k, NSEC_S(70));
	assert_int_equal(error_of(k, RAD_COA_REQUEST, put_change), 0);
	assert_true(is_ending(k, 1)); /* 100 s are over */
	assert_int_equal(kit_free(k), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_found_by_whatever_names_it),
		cmocka_unit_test(a_user_name_means_all_sessions_of_it),
		cmocka_unit_test(another_nas_is_meant),
		cmocka_unit_test(the_unknown_the_forged_and_the_old_get_no_answer),
		cmocka_unit_test(a_repeated_request_is_answered_but_not_done_again),
		cmocka_unit_test(a_request_that_comes_from_elsewhere_again_is_not_done_again),
		cmocka_unit_test(clients_of_one_address_have_secrets_of_their_own),
		cmocka_unit_test(clients_may_be_listed_with_secrets),
		cmocka_unit_test(a_class_counts_from_its_coa_on),
		cmocka_unit_test(a_coa_changes_all_or_nothing),
		cmocka_unit_test(a_coa_changes_the_policy_as_a_whole),
		cmocka_unit_test(a_coa_with_what_cannot_be_had_is_refused),
		cmocka_unit_test(a_coa_without_memory_changes_nothing),
	};
	return cmocka_run_group_tests(tests, test_rcu_start, test_rcu_stop);
}
