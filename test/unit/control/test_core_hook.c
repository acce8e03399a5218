/* Where plugins have a say in the life of a session, and the walled garden as accounting sees it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_kit.h"
#include "test_rcu.h"

/* What the hooks shall do, and what they saw. */
static struct {
	struct core_kit *k;
	bool drop, rename, garden, end, refuse, rename_at_end;
	unsigned pre, post, news, kills;
	bool allowed;
	struct session_view at_new;
} seen;

static bool on_pre(void *ctx, struct msg_auth_req *m)
{
	(void)ctx;
	seen.pre++;
	if (seen.rename) {
		m->user_len = 5;
		memcpy(m->user, "alice", 5);
	}
	return !seen.drop;
}

static bool on_post(void *ctx, struct sess_key key, struct span user, uint16_t proto, bool allowed)
{
	const struct end_reason why = {.cdn_result = 3};
	(void)ctx;
	(void)user;
	assert_int_equal(proto, AUTH_PAP);
	seen.post++;
	seen.allowed = allowed;
	if (seen.end)
		core_drop_session(seen.k->core, key, &why, seen.k->now);
	if (seen.refuse)
		return false;
	if (!allowed && seen.garden)
		assert_true(core_set_garden(seen.k->core, key, true, seen.k->now));
	return allowed || seen.garden;
}

static void on_new(void *ctx, struct sess_key key)
{
	struct sess_policy throttled;
	(void)ctx;
	seen.news++;
	assert_true(core_session_of_key(seen.k->core, key, seen.k->now, &seen.at_new));
	throttled = seen.at_new.policy;
	throttled.rate_up = 64000;
	assert_true(core_set_policy(seen.k->core, key, &throttled));
}

static void on_kill(void *ctx, struct sess_key key)
{
	struct session_view v;
	(void)ctx;
	seen.kills++;
	assert_true(core_session_of_key(seen.k->core, key, seen.k->now, &v));
	assert_true(ip_addr_is_set(&v.ip)); /* still: to undo what was done for it */
	if (seen.rename_at_end)
		assert_false(core_set_user(seen.k->core, key, span_str("other"), seen.k->now));
}

static const struct core_hooks hooks = {
	.pre_auth = on_pre, .post_auth = on_post, .new_session = on_new, .kill_session = on_kill};

static struct core_kit *start(void)
{
	struct core_kit *k = kit_new();

	memset(&seen, 0, sizeof(seen));
	seen.k = k;
	kit_pool(k, "10.1.0.0/24");
	kit_user(k, "alice:secret1");
	k->hooks = &hooks;
	kit_start(k);
	return k;
}

static const struct msg_auth_reply *reply(struct core_kit *k)
{
	return kit_posted(k, MSG_AUTH_REPLY);
}

static void an_accepted_login_passes_all_hooks_once(void **state)
{
	struct core_kit *k = start();
	struct sess_key key = kit_login(k, 1, "alice", "secret1");
	(void)state;

	assert_true(reply(k)->accept);
	assert_true(seen.allowed);
	assert_int_equal(reply(k)->profile.policy.rate_up, 64000); /* the order of new_session */
	assert_null(kit_posted(k, MSG_SESSION_CHANGE)); /* within the reply, not behind */
	kit_session_up(k, key);
	kit_session_gone(k, key, NULL);
	assert_int_equal(seen.pre, 1);
	assert_int_equal(seen.post, 1);
	assert_int_equal(seen.news, 1);
	assert_int_equal(seen.kills, 1);
	assert_int_equal(kit_free(k), 0);
}

static void a_name_may_be_changed_before_anybody_is_asked(void **state)
{
	struct core_kit *k = start();
	(void)state;

	seen.rename = true;
	kit_login(k, 1, "alice@example.net", "secret1");
	assert_true(reply(k)->accept);
	assert_int_equal(kit_free(k), 0);
}

static void a_dropped_login_gets_no_answer(void **state)
{
	struct core_kit *k = start();
	(void)state;

	seen.drop = true;
	kit_login(k, 1, "alice", "secret1");
	assert_null(kit_posted(k, MSG_AUTH_REPLY));
	assert_int_equal(seen.post, 0);
	assert_int_equal(kit_free(k), 0);
}

static void a_plugin_may_refuse_who_was_accepted(void **state)
{
	struct core_kit *k = start();
	(void)state;

	seen.refuse = true;
	kit_login(k, 1, "alice", "secret1");
	assert_false(reply(k)->accept);
	assert_int_equal(seen.news, 0);
	assert_int_equal(kit_free(k), 0);
}

static void a_rejected_login_may_be_let_into_the_garden(void **state)
{
	struct core_kit *k = start();
	(void)state;

	seen.garden = true;
	kit_login(k, 1, "alice", "wrong");
	assert_false(seen.allowed);
	assert_true(reply(k)->accept);
	assert_true(reply(k)->profile.policy.garden);
	assert_true(seen.at_new.policy.garden); /* new_session sees what is being granted */
	assert_true(ip_addr_is_set(&seen.at_new.ip));
	assert_int_equal(kit_free(k), 0);
}

static void put_garden(struct wbuf *w)
{
	rad_put_vsa(w, RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, span_str("garden=yes"));
}

/* No plugin asked for it, and none has to. */
static void radius_puts_into_the_garden_too(void **state)
{
	struct core_kit *k = kit_new();
	struct session_view v;
	(void)state;

	memset(&seen, 0, sizeof(seen));
	seen.k = k;
	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	k->hooks = &hooks;
	kit_start(k);
	struct sess_key key = kit_login(k, 1, "alice", "secret1");
	kit_answer(k, RAD_ACCESS_ACCEPT, put_garden);
	assert_true(reply(k)->accept);
	assert_true(reply(k)->profile.policy.garden);
	assert_true(seen.at_new.policy.garden);
	kit_session_up(k, key);
	assert_true(core_session_of_key(k->core, key, k->now, &v));
	assert_true(v.policy.garden);
	assert_int_equal(kit_free(k), 0);
}

static void who_is_in_the_garden_ends_nobodys_session(void **state)
{
	struct core_kit *k = start();
	struct sess_key good = kit_login(k, 1, "alice", "secret1");
	struct session_view v;
	(void)state;

	kit_session_up(k, good);
	seen.garden = true;
	kit_login(k, 2, "alice", "wrong");
	assert_true(reply(k)->accept);
	assert_true(core_session_of_key(k->core, good, k->now, &v));
	assert_false(v.dying);
	kit_login(k, 3, "alice", "secret1"); /* and is ended by none */
	assert_true(core_session_find(k->core, 1, 2, k->now, &v));
	assert_false(v.dying);
	assert_true(core_session_of_key(k->core, good, k->now, &v));
	assert_true(v.dying);
	assert_int_equal(kit_free(k), 0);
}

static void a_policy_that_is_set_does_not_open_the_garden(void **state)
{
	struct core_kit *k = start();
	struct sess_policy none = {0};
	struct session_view v;
	(void)state;

	seen.garden = true;
	struct sess_key key = kit_login(k, 1, "alice", "wrong");
	assert_true(core_set_policy(k->core, key, &none));
	assert_true(core_session_of_key(k->core, key, k->now, &v));
	assert_true(v.policy.garden);
	assert_true(core_set_garden(k->core, key, false, k->now));
	assert_true(core_session_of_key(k->core, key, k->now, &v));
	assert_false(v.policy.garden);
	assert_int_equal(kit_free(k), 0);
}

static void a_released_session_has_another_number(void **state)
{
	struct core_kit *k = start();
	struct session_view before, after;
	(void)state;

	seen.garden = true;
	struct sess_key key = kit_login(k, 1, "alice", "wrong");
	kit_session_up(k, key);
	assert_true(core_session_of_key(k->core, key, k->now, &before));
	assert_true(core_set_garden(k->core, key, false, k->now));
	assert_true(core_session_of_key(k->core, key, k->now, &after));
	assert_int_not_equal(before.unique_id, after.unique_id);
	kit_session_gone(k, key, NULL);
	assert_int_equal(kit_free(k), 0);
}

/* The user's sessions are gone through: one that left them would lead the walk astray. */
static void nobody_is_renamed_while_a_user_is_dropped(void **state)
{
	struct core_kit *k = start();
	const struct end_reason why = {.cdn_result = 3};
	(void)state;

	k->conf.allow_duplicate_users = true;
	for (uint16_t sid = 1; sid <= 3; sid++)
		kit_session_up(k, kit_login(k, sid, "alice", "secret1"));
	seen.rename_at_end = true;
	assert_int_equal(core_drop_user(k->core, span_str("alice"), &why, k->now), 3);
	assert_int_equal(seen.kills, 3);
	seen.rename_at_end = false;
	kit_login(k, 4, "alice", "secret1");
	assert_true(core_set_user(k->core, kit_key(1, 4, 4), span_str("other"), k->now));
	assert_int_equal(kit_free(k), 0);
}

struct told {
	unsigned n;
	struct dp_route_value last;
};

static void note_route(void *ctx, const struct ip_prefix *p, struct dp_route_value v)
{
	struct told *t = ctx;

	assert_int_equal(p->len, 32);
	t->n++;
	t->last = v;
}

static void what_brings_packets_is_told_who_is_in_the_garden(void **state)
{
	struct core_kit *k = start();
	struct told t = {0};
	(void)state;

	dp_routes_watch_own(k->routes, note_route, &t);
	seen.garden = true;
	struct sess_key key = kit_login(k, 1, "alice", "wrong");
	kit_session_up(k, key);
	assert_int_equal(t.n, 1);
	assert_true(t.last.by_kernel);
	assert_true(core_set_garden(k->core, key, false, k->now));
	assert_int_equal(t.n, 2);
	assert_false(t.last.by_kernel);
	assert_int_not_equal(t.last.slot, DP_SLOT_NONE);
	assert_true(core_set_garden(k->core, key, true, k->now));
	assert_int_equal(t.n, 3);
	assert_true(t.last.by_kernel);
	kit_session_gone(k, key, NULL);
	assert_int_equal(t.last.slot, DP_SLOT_NONE);
	assert_int_equal(kit_free(k), 0);
}

static void a_plugin_that_ends_the_session_meanwhile_is_survived(void **state)
{
	struct core_kit *k = start();
	(void)state;

	seen.end = true;
	struct sess_key key = kit_login(k, 1, "alice", "secret1");
	assert_non_null(kit_posted(k, MSG_DROP_SESSION));
	kit_session_gone(k, key, NULL);
	assert_int_equal(seen.news, seen.kills);
	assert_int_equal(kit_free(k), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_accepted_login_passes_all_hooks_once),
		cmocka_unit_test(a_name_may_be_changed_before_anybody_is_asked),
		cmocka_unit_test(a_dropped_login_gets_no_answer),
		cmocka_unit_test(a_plugin_may_refuse_who_was_accepted),
		cmocka_unit_test(a_rejected_login_may_be_let_into_the_garden),
		cmocka_unit_test(radius_puts_into_the_garden_too),
		cmocka_unit_test(who_is_in_the_garden_ends_nobodys_session),
		cmocka_unit_test(a_policy_that_is_set_does_not_open_the_garden),
		cmocka_unit_test(a_released_session_has_another_number),
		cmocka_unit_test(nobody_is_renamed_while_a_user_is_dropped),
		cmocka_unit_test(what_brings_packets_is_told_who_is_in_the_garden),
		cmocka_unit_test(a_plugin_that_ends_the_session_meanwhile_is_survived),
	};
	return cmocka_run_group_tests(tests, test_rcu_start, test_rcu_stop);
}
