/* The neighbour's machine: both ways of connecting, collisions, timers, errors, prefixes. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bgp_kit.h"

static struct bgp_kit k;

static int setup(void **state)
{
	(void)state;
	bgp_kit_start(&k);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bgp_kit_stop(&k);
	assert_int_equal(k.memory.blocks, 0);
	return 0;
}

/* ---- the neighbour --------------------------------------------------------------------------- */

static const struct bgp_open their_open = {.as = 65001,
					   .hold_s = 90,
					   .id = {4, {192, 0, 2, 2}},
					   .family = {true, true},
					   .as4 = true,
					   .refresh = true};

static void wait_s(int64_t s)
{
	k.now = nsec_add(k.now, NSEC_S(s));
	bgp_speaker_turn(&k.speaker, k.now);
}

static void say_open(enum bgp_side side, const struct bgp_open *open)
{
	uint8_t bytes[256];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	bgp_open_encode(&w, open, false);
	bgp_peer_rx(k.peer, side, wbuf_written(&w), k.now);
}

static void say_keepalive(enum bgp_side side)
{
	uint8_t bytes[BGP_HEADER];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	bgp_keepalive_encode(&w);
	bgp_peer_rx(k.peer, side, wbuf_written(&w), k.now);
}

static void say_notification(enum bgp_side side, enum bgp_error_id id)
{
	uint8_t bytes[64];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct bgp_error e;
	bgp_error_set(&e, id, span_of(NULL, 0));
	bgp_notification_encode(&w, &e);
	bgp_peer_rx(k.peer, side, wbuf_written(&w), k.now);
}

static void take_all(enum bgp_side side)
{
	bgp_peer_sent(k.peer, side, bgp_peer_pending(k.peer, side).n, k.now);
}

static void connect_out(void)
{
	wait_s(0);
	if (bgp_peer_state(k.peer) != BGP_STATE_CONNECT)
		wait_s(1); /* after a reset */
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_CONNECT);
	bgp_peer_connected(k.peer, bgp_kit_local(), k.now);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_OPEN_SENT);
}

static void establish_with(const struct bgp_open *open)
{
	connect_out();
	say_open(BGP_OUT, open);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_OPEN_CONFIRM);
	say_keepalive(BGP_OUT);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_ESTABLISHED);
	take_all(BGP_OUT);
}

static void establish(void)
{
	establish_with(&their_open);
}

static void assert_last_error(unsigned id, bool sent)
{
	assert_int_equal(k.peer->last_error.code << 8 | k.peer->last_error.subcode, id);
	assert_int_equal(k.peer->last_error_sent, sent);
}

/* The last message before the connection was closed was this NOTIFICATION. */
static void assert_told(enum bgp_side side, unsigned id)
{
	assert_last_error(id, true);
	struct span s = span_of(k.last[side], k.n_last[side]);
	struct bgp_frame f = {0};
	struct bgp_error e;
	while (bgp_frame_next(&s, true, &f, &e) == BGP_FRAME_READY)
		;
	assert_int_equal(f.type, BGP_NOTIFICATION);
	bgp_notification_decode(f.body, &e);
	assert_int_equal(e.code << 8 | e.subcode, id);
}

/* ---- prefixes as the neighbour sees them ----------------------------------------------------- */

struct heard {
	unsigned updates, announced, withdrawn, end_of_rib;
};

static struct heard hear(enum bgp_side side)
{
	struct heard h = {0};
	struct bgp_update_facts facts;
	struct bgp_frame f;
	struct bgp_error e;

	for (;;) {
		k.now = nsec_add(k.now, NSEC_MS(50));
		bgp_rib_settle(&k.speaker.rib);
		bgp_peer_feed(k.peer, UINT_MAX, k.now);
		bgp_rib_collect(&k.speaker.rib);
		struct span s = bgp_peer_pending(k.peer, side);
		if (s.n == 0)
			return h;
		while (bgp_frame_next(&s, true, &f, &e) == BGP_FRAME_READY) {
			if (f.type != BGP_UPDATE)
				continue;
			assert_true(bgp_update_check(f.body, true, false, &facts, &e));
			h.updates++;
			h.announced += facts.announced[BGP_IPV4] + facts.announced[BGP_IPV6];
			h.withdrawn += facts.withdrawn[BGP_IPV4] + facts.withdrawn[BGP_IPV6];
			h.end_of_rib += facts.end_of_rib[BGP_IPV4] + facts.end_of_rib[BGP_IPV6];
		}
		assert_int_equal(s.n, 0);
		take_all(side);
	}
}

static void hold_prefixes(uint32_t from, uint32_t n, bool add)
{
	for (uint32_t i = from; i < from + n; i++) {
		struct ip_prefix p = {ip_addr_v4(0x0A000000 + i), 32};
		if (add)
			assert_true(bgp_rib_add(&k.speaker.rib, &p));
		else
			bgp_rib_remove(&k.speaker.rib, &p);
	}
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void it_connects_and_negotiates(void **state)
{
	(void)state;
	establish();
	assert_int_equal(k.connects, 1);
	assert_int_equal(k.peer->hold_s, 90);
	assert_int_equal(k.peer->keepalive_s, 30);
}

static void it_accepts(void **state)
{
	(void)state;
	assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
	say_open(BGP_IN, &their_open);
	say_keepalive(BGP_IN);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_ESTABLISHED);
	wait_s(50);
	assert_int_equal(k.connects, 0);
	assert_false(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
}

/* Every message in pieces of every size: nothing depends on how TCP cuts them. */
static void any_cut_of_the_stream_is_the_same(void **state)
{
	(void)state;
	uint8_t bytes[256];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	bgp_open_encode(&w, &their_open, false);
	bgp_keepalive_encode(&w);
	bgp_withdraw_encode(&w, BGP_IPV6, span_of(NULL, 0));
	for (size_t piece = 1; piece <= w.n; piece++) {
		connect_out();
		for (size_t at = 0; at < w.n; at += piece) {
			size_t n = w.n - at < piece ? w.n - at : piece;
			bgp_peer_rx(k.peer, BGP_OUT, span_of(bytes + at, n), k.now);
		}
		assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_ESTABLISHED);
		assert_int_equal(k.peer->stats.rx[BGP_UPDATE], piece);
		bgp_speaker_restart(k.peer, k.now);
	}
}

static void a_collision_leaves_one_of_two(void **state)
{
	(void)state;
	/* The higher identifier's connection stays: ours ends in .1, the neighbour's in .2. */
	connect_out();
	assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
	say_open(BGP_OUT, &their_open);
	say_open(BGP_IN, &their_open);
	assert_int_equal(k.peer->conns[BGP_OUT].state, BGP_STATE_IDLE);
	assert_told(BGP_OUT, BGP_ERR_CEASE_COLLISION);
	say_keepalive(BGP_IN);
	assert_int_equal(k.peer->up, BGP_IN);
	bgp_speaker_restart(k.peer, k.now);

	struct bgp_open lower = their_open;
	lower.id = ip_addr_v4(1);
	connect_out();
	assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
	say_open(BGP_OUT, &lower);
	say_open(BGP_IN, &lower);
	assert_int_equal(k.peer->conns[BGP_IN].state, BGP_STATE_IDLE);
	assert_told(BGP_IN, BGP_ERR_CEASE_COLLISION);
	say_keepalive(BGP_OUT);
	assert_int_equal(k.peer->up, BGP_OUT);
}

static void an_established_session_wins_every_collision(void **state)
{
	(void)state;
	establish();
	assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
	say_open(BGP_IN, &their_open);
	assert_told(BGP_IN, BGP_ERR_CEASE_COLLISION);
	assert_int_equal(k.peer->up, BGP_OUT);
	assert_int_equal(k.closes[BGP_OUT], 0);
}

static void a_neighbour_that_restarts_gracefully_replaces_its_session(void **state)
{
	(void)state;
	struct bgp_open open = their_open;
	open.graceful = true;
	establish_with(&open);
	assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
	say_open(BGP_IN, &open); /* right after the session came up: a late collision */
	assert_told(BGP_IN, BGP_ERR_CEASE_COLLISION);
	assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
	open.restarting = true;
	say_open(BGP_IN, &open);
	assert_int_equal(k.closes[BGP_OUT], 1);
	say_keepalive(BGP_IN);
	assert_int_equal(k.peer->up, BGP_IN);
}

static void a_neighbour_that_died_unnoticed_replaces_its_session(void **state)
{
	(void)state;
	struct bgp_open open = their_open;
	open.graceful = true;
	establish_with(&open);
	wait_s(10);
	assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
	say_open(BGP_IN, &open);
	assert_int_equal(k.closes[BGP_OUT], 1);
	say_keepalive(BGP_IN);
	assert_int_equal(k.peer->up, BGP_IN);
}

/* The session that is up was begun by the neighbour, which lost its power and comes again. */
static void a_neighbour_comes_again_over_its_own_session(void **state)
{
	(void)state;
	struct bgp_open open = their_open;
	for (unsigned graceful = 0; graceful < 2; graceful++) {
		open.graceful = graceful;
		assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
		say_open(BGP_IN, &open);
		say_keepalive(BGP_IN);
		assert_int_equal(k.peer->up, BGP_IN);
		assert_false(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now)); /* at once */
		wait_s(10);
		k.closes[BGP_IN] = 0;
		assert_int_equal(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now), graceful);
		assert_int_equal(k.closes[BGP_IN], graceful);
		if (!graceful)
			bgp_speaker_restart(k.peer, k.now);
	}
	assert_int_equal(k.peer->up, BGP_SIDES);
	say_open(BGP_IN, &open);
	say_keepalive(BGP_IN);
	assert_int_equal(k.peer->up, BGP_IN);
	assert_int_equal(k.peer->stats.established, 3);
}

static void faults_of_an_open_are_told(void **state)
{
	(void)state;
	struct bgp_open wrong = their_open;
	wrong.as = 64999;
	connect_out();
	say_open(BGP_OUT, &wrong);
	assert_told(BGP_OUT, BGP_ERR_OPEN_AS);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_IDLE);

	k.conf.peers[0].session.remote_as = 0; /* our own AS */
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	wrong.as = 65000;
	wrong.id = k.conf.router_id;
	connect_out();
	say_open(BGP_OUT, &wrong);
	assert_told(BGP_OUT, BGP_ERR_OPEN_ID);
}

static void messages_out_of_turn_are_told(void **state)
{
	(void)state;
	connect_out();
	say_keepalive(BGP_OUT);
	assert_told(BGP_OUT, BGP_ERR_FSM_OPEN_SENT);
	wait_s(5);
	bgp_peer_connected(k.peer, bgp_kit_local(), k.now);
	say_open(BGP_OUT, &their_open);
	say_open(BGP_OUT, &their_open);
	assert_told(BGP_OUT, BGP_ERR_FSM_OPEN_CONFIRM);
	wait_s(5);
	bgp_peer_connected(k.peer, bgp_kit_local(), k.now);
	say_open(BGP_OUT, &their_open);
	say_keepalive(BGP_OUT);
	say_open(BGP_OUT, &their_open);
	assert_told(BGP_OUT, BGP_ERR_FSM_ESTABLISHED);
}

static void silence_ends_the_session(void **state)
{
	(void)state;
	establish();
	for (unsigned s = 0; s < 89; s++) {
		wait_s(1);
		take_all(BGP_OUT);
	}
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_ESTABLISHED);
	assert_in_range(k.peer->stats.tx[BGP_KEEPALIVE], 3, 5);
	wait_s(1);
	assert_told(BGP_OUT, BGP_ERR_HOLD);
}

static void keepalives_keep_it(void **state)
{
	(void)state;
	establish();
	for (unsigned i = 0; i < 100; i++) {
		wait_s(60);
		say_keepalive(BGP_OUT);
		take_all(BGP_OUT);
	}
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_ESTABLISHED);
}

static void a_hold_time_of_0_means_no_timers(void **state)
{
	(void)state;
	struct bgp_open open = their_open;
	open.hold_s = 0;
	establish_with(&open);
	uint64_t sent = k.peer->stats.tx[BGP_KEEPALIVE];
	take_all(BGP_OUT);
	hear(BGP_OUT);
	wait_s(100000);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_ESTABLISHED);
	assert_int_equal(k.peer->stats.tx[BGP_KEEPALIVE], sent);
}

static void a_stalled_neighbour_is_given_up(void **state)
{
	(void)state;
	establish();
	hold_prefixes(1, 10, true);
	for (unsigned i = 0; i < 17; i++) {
		wait_s(30);
		say_keepalive(BGP_OUT);
	}
	assert_last_error(BGP_ERR_SEND_HOLD, true);
}

static void attempts_become_rarer(void **state)
{
	(void)state;
	unsigned last = 0;
	for (unsigned round = 0; round < 4; round++) {
		unsigned before = k.connects;
		for (unsigned s = 0; s < 600; s++) {
			wait_s(1);
			if (k.peer->conns[BGP_OUT].state == BGP_STATE_CONNECT)
				bgp_peer_closed(k.peer, BGP_OUT, k.now);
		}
		last = k.connects - before;
		assert_in_range(last, 4, 16);
	}
	assert_in_range(last, 4, 7);
}

static void tcp_that_hangs_is_given_up(void **state)
{
	(void)state;
	wait_s(0);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_CONNECT);
	wait_s(30);
	assert_int_equal(k.closes[BGP_OUT], 1);
	wait_s(5);
	assert_int_equal(k.connects, 2);
}

static void a_passive_one_only_waits(void **state)
{
	(void)state;
	k.conf.peers[0].session.passive = true;
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	for (unsigned s = 0; s < 300; s++)
		wait_s(1);
	assert_int_equal(k.connects, 0);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_ACTIVE);
	assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
}

static void refused_capabilities_are_left_out(void **state)
{
	(void)state;
	connect_out();
	size_t with = bgp_peer_pending(k.peer, BGP_OUT).n;
	say_notification(BGP_OUT, BGP_ERR_OPEN_PARAMETER);
	assert_last_error(BGP_ERR_OPEN_PARAMETER, false);
	connect_out();
	assert_true(bgp_peer_pending(k.peer, BGP_OUT).n == 29 && with > 29);
	/* The next session is begun with them again: the neighbour may have learned. */
	say_open(BGP_OUT, &their_open);
	say_keepalive(BGP_OUT);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_ESTABLISHED);
	bgp_peer_closed(k.peer, BGP_OUT, k.now);
	wait_s(5);
	bgp_peer_connected(k.peer, bgp_kit_local(), k.now);
	assert_int_equal(bgp_peer_pending(k.peer, BGP_OUT).n, with);
}

/* What we did not offer is not spoken, whatever the neighbour offers (RFC 6793 section 4.1). */
static void without_capabilities_as_numbers_are_short(void **state)
{
	(void)state;
	struct bgp_attrs attrs = {.as = 65001, .next_hop = {ip_addr_v4(0xC0000202)}};
	uint8_t bytes[256];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	connect_out();
	say_notification(BGP_OUT, BGP_ERR_OPEN_PARAMETER);
	establish();
	bgp_announce_encode(&w, &attrs, BGP_IPV4, span_of((const uint8_t[]){8, 10}, 2));
	bgp_peer_rx(k.peer, BGP_OUT, wbuf_written(&w), k.now);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_ESTABLISHED);
	assert_int_equal(k.peer->stats.prefixes_ignored, 1);
}

static void refused_without_capabilities_they_come_back(void **state)
{
	(void)state;
	connect_out();
	size_t with = bgp_peer_pending(k.peer, BGP_OUT).n;
	say_notification(BGP_OUT, BGP_ERR_OPEN_CAPABILITY);
	connect_out();
	assert_true(bgp_peer_pending(k.peer, BGP_OUT).n < with);
	say_notification(BGP_OUT, BGP_ERR_OPEN_CAPABILITY);
	assert_int_not_equal(bgp_peer_state(k.peer), BGP_STATE_CONNECT);
	for (unsigned s = 0; s < 10 && bgp_peer_state(k.peer) != BGP_STATE_CONNECT; s++)
		wait_s(1);
	connect_out();
	assert_int_equal(bgp_peer_pending(k.peer, BGP_OUT).n, with);
}

/* One connection was begun without capabilities, the other one with: each keeps its own. */
static void capabilities_belong_to_a_connection(void **state)
{
	(void)state;
	struct bgp_open plain = their_open;
	hold_prefixes(1, 1, true);
	connect_out();
	assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
	say_notification(BGP_IN, BGP_ERR_OPEN_CAPABILITY);
	plain.id = ip_addr_v4(1);
	say_open(BGP_OUT, &plain);
	say_keepalive(BGP_OUT);
	take_all(BGP_OUT);
	assert_int_equal(hear(BGP_OUT).announced, 1); /* checked with AS numbers of four bytes */
	hold_prefixes(1, 1, false);
}

static void a_neighbour_that_comes_too_often_is_refused(void **state)
{
	(void)state;
	unsigned taken = 0;
	for (unsigned i = 0; i < 1000; i++) {
		taken += bgp_peer_accepted(k.peer, bgp_kit_local(), k.now);
		bgp_peer_closed(k.peer, BGP_IN, k.now);
		k.now = nsec_add(k.now, NSEC_MS(10));
	}
	assert_in_range(taken, 14, 16);
	wait_s(2);
	assert_true(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
}

static void a_name_gets_its_address_later(void **state)
{
	(void)state;
	struct ip_addr addr = ip_addr_v4(0xC0000209);

	k.conf.n_peers = 2;
	k.conf.peers[1] = k.conf.peers[0];
	strcpy(k.conf.peers[1].name, "router.example");
	k.conf.peers[1].session.addr = (struct ip_addr){0};
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	wait_s(1);
	assert_int_equal(k.connects, 1);
	struct bgp_peer *p = bgp_speaker_next(&k.speaker, k.peer);
	assert_int_equal(bgp_peer_state(p), BGP_STATE_DISABLED);
	bgp_speaker_address(&k.speaker, "router.example", &addr, k.now);
	wait_s(0);
	assert_int_equal(k.connects, 2);
	assert_ptr_equal(bgp_speaker_by_addr(&k.speaker, &addr, ""), p);
}

static void all_prefixes_go_out_in_few_messages(void **state)
{
	(void)state;
	enum { MANY = 100000 };
	hold_prefixes(1, MANY, true);
	establish();
	struct heard h = hear(BGP_OUT);
	assert_int_equal(h.announced, MANY);
	assert_int_equal(h.end_of_rib, 2);
	assert_in_range(h.updates, MANY / 815, MANY / 780);
	hold_prefixes(1, MANY, false);
	h = hear(BGP_OUT);
	assert_int_equal(h.withdrawn, MANY);
	assert_in_range(h.updates, MANY / 815, MANY / 780);
	bgp_rib_collect(&k.speaker.rib);
	assert_int_equal(hmap_count(&k.speaker.rib.by_prefix), 0);
}

static void extended_messages_carry_more(void **state)
{
	(void)state;
	enum { MANY = 100000 };
	struct bgp_open open = their_open;
	open.extended = true;
	hold_prefixes(1, MANY, true);
	establish_with(&open);
	struct heard h = hear(BGP_OUT);
	assert_int_equal(h.announced, MANY);
	assert_in_range(h.updates, 8, 12);
}

static void ipv6_needs_a_next_hop(void **state)
{
	(void)state;
	struct ip_prefix p = {{6, {0x20, 1, 0xd, 0xb8}}, 32};
	assert_true(bgp_rib_add(&k.speaker.rib, &p));
	establish();
	assert_int_equal(hear(BGP_OUT).announced, 0);
	k.conf.peers[0].policy.next_hop[BGP_IPV6] = p.addr;
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	assert_int_equal(hear(BGP_OUT).announced, 1);
	k.conf.peers[0].policy.next_hop[BGP_IPV6] = (struct ip_addr){0};
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	assert_int_equal(hear(BGP_OUT).withdrawn, 1); /* nobody could send packets for it */
	k.conf.peers[0].policy.next_hop[BGP_IPV6] = p.addr;
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	assert_int_equal(hear(BGP_OUT).announced, 1);
	bgp_rib_remove(&k.speaker.rib, &p);
	assert_int_equal(hear(BGP_OUT).withdrawn, 1);
}

static void new_attributes_need_no_new_session(void **state)
{
	(void)state;
	hold_prefixes(1, 5, true);
	establish();
	assert_int_equal(hear(BGP_OUT).announced, 5);
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	assert_int_equal(hear(BGP_OUT).announced, 0);
	k.conf.peers[0].policy.med = 50;
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	assert_int_equal(hear(BGP_OUT).announced, 5);
	assert_int_equal(k.closes[BGP_OUT], 0);
	k.conf.peers[0].session.hold_s = 30;
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	assert_told(BGP_OUT, BGP_ERR_CEASE_CHANGE);
	connect_out();
	hold_prefixes(1, 5, false);
}

static void other_neighbours_are_left_alone(void **state)
{
	(void)state;
	establish();
	k.conf.n_peers = 2;
	k.conf.peers[1] = k.conf.peers[0];
	strcpy(k.conf.peers[1].name, "192.0.2.3");
	k.conf.peers[1].session.addr = ip_addr_v4(0xC0000203);
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	bgp_speaker_turn(&k.speaker, k.now);
	assert_int_equal(k.connects, 2);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_ESTABLISHED);
	k.conf.peers[0] = k.conf.peers[1];
	k.conf.n_peers = 1;
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	assert_int_equal(k.closes[BGP_OUT], 1);
	assert_int_equal(k.last[BGP_OUT][k.n_last[BGP_OUT] - 2], 6);
	assert_int_equal(k.last[BGP_OUT][k.n_last[BGP_OUT] - 1], 3);
	k.peer = bgp_speaker_next(&k.speaker, NULL);
	assert_string_equal(k.peer->conf.name, "192.0.2.3");
}

/* A thousand neighbours, all of them up, told the same; half of them go, the others notice nothing.
 */
static void a_thousand_neighbours_are_up(void **state)
{
	(void)state;
	enum { PEERS = 1000, PREFIXES = 20 };
	struct bgp_peer *p = NULL;
	unsigned n = 0;

	k.conf.peers = calloc(PEERS, sizeof(*k.conf.peers));
	assert_non_null(k.conf.peers);
	for (unsigned i = 0; i < PEERS; i++) {
		k.conf.peers[i] = k.peers[0];
		snprintf(k.conf.peers[i].name, BGP_NAME_MAX, "10.1.%u.%u", i / 250, i % 250 + 1);
		k.conf.peers[i].session.addr = ip_addr_v4(0x0A010001 + i / 250 * 256 + i % 250);
	}
	k.conf.n_peers = PEERS;
	assert_true(bgp_speaker_conf(&k.speaker, &k.conf, k.now));
	hold_prefixes(1, PREFIXES, true);
	while ((p = bgp_speaker_next(&k.speaker, p))) {
		assert_ptr_equal(bgp_speaker_by_slot(&k.speaker, p->slot), p);
		k.peer = p;
		establish();
		n++;
	}
	assert_int_equal(n, PEERS);
	for (unsigned turn = 0; turn < 20; turn++) {
		bgp_speaker_turn(&k.speaker, k.now);
		while ((p = bgp_speaker_next(&k.speaker, p)))
			bgp_peer_sent(p, BGP_OUT, bgp_peer_pending(p, BGP_OUT).n, k.now);
	}
	while ((p = bgp_speaker_next(&k.speaker, p)))
		assert_int_equal(p->stats.prefixes_announced, PREFIXES);
	for (unsigned i = 0; i < PEERS / 2; i++)
		k.conf.peers[i] = k.conf.peers[2 * i];
	k.conf.n_peers = PEERS / 2;
	assert_true(bgp_speaker_conf(&k.speaker, &k.conf, k.now));
	assert_int_equal(k.closes[BGP_OUT], PEERS / 2);
	for (n = 0; (p = bgp_speaker_next(&k.speaker, p)); n++) {
		assert_int_equal(bgp_peer_state(p), BGP_STATE_ESTABLISHED);
		assert_string_equal(p->conf.name, k.conf.peers[n].name);
	}
	assert_int_equal(n, PEERS / 2);
	free(k.conf.peers);
	hold_prefixes(1, PREFIXES, false);
}

/* New ones that find no memory are missing; the next configuration has them. */
static void without_memory_neighbours_are_missing(void **state)
{
	(void)state;
	struct bgp_peer_conf many[40];
	struct bgp_peer *p = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < 40; i++) {
		many[i] = k.peers[0];
		snprintf(many[i].name, BGP_NAME_MAX, "10.1.0.%u", i + 1);
		many[i].session.addr = ip_addr_v4(0x0A010001 + i);
	}
	k.conf.peers = many;
	k.conf.n_peers = 40;
	k.memory.fail_after = k.memory.gets + 18; /* one for each, and slots 17.. are none */
	assert_false(bgp_speaker_conf(&k.speaker, &k.conf, k.now));
	k.memory.fail_after = SIZE_MAX;
	assert_true(bgp_speaker_conf(&k.speaker, &k.conf, k.now));
	while ((p = bgp_speaker_next(&k.speaker, p)))
		n++;
	assert_int_equal(n, 40);
}

static void a_refresh_sends_all_again(void **state)
{
	(void)state;
	uint8_t request[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
			    "\0\x17\x05\0\1\0\1";
	hold_prefixes(1, 5, true);
	establish();
	hear(BGP_OUT);
	hold_prefixes(5, 1, false);
	bgp_peer_rx(k.peer, BGP_OUT, span_of(request, 23), k.now);
	struct heard h = hear(BGP_OUT);
	assert_int_equal(h.announced, 4);
	assert_int_equal(h.withdrawn, 1);
	hold_prefixes(1, 4, false);
}

/* All again at once, then every five seconds at most; what is new does not wait for that. */
static void a_flood_of_refreshes_is_served_once_in_a_while(void **state)
{
	(void)state;
	uint8_t request[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
			    "\0\x17\x05\0\1\0\1";
	unsigned announced = 0;

	hold_prefixes(1, 100, true);
	establish();
	hear(BGP_OUT);
	for (unsigned i = 0; i < 200; i++) {
		bgp_peer_rx(k.peer, BGP_OUT, span_of(request, 23), k.now);
		announced += hear(BGP_OUT).announced; /* 50 ms at least */
	}
	assert_in_range(announced, 300, 500);
	hold_prefixes(101, 1, true);
	assert_in_range(hear(BGP_OUT).announced, 1, 101);
	hold_prefixes(1, 101, false);
}

/* Changes that come one by one share messages, and the first does not wait. */
static void changes_share_messages(void **state)
{
	(void)state;
	establish();
	hear(BGP_OUT);
	unsigned before = (unsigned)k.peer->stats.tx[BGP_UPDATE];
	for (unsigned i = 1; i <= 1000; i++) {
		hold_prefixes(i, 1, true);
		k.now = nsec_add(k.now, NSEC_MS(1));
		bgp_speaker_turn(&k.speaker, k.now);
	}
	assert_in_range(k.peer->stats.tx[BGP_UPDATE] - before, 19, 22);
	assert_in_range(k.peer->stats.prefixes_announced, 950, 1000);
	hold_prefixes(1, 1000, false);
}

/* However many there are, a turn makes so many and asks to come again at once. */
static void a_turn_is_short(void **state)
{
	(void)state;
	enum { MANY = 50000 };
	hold_prefixes(1, MANY, true);
	establish();
	unsigned turns = 0;
	while (nsec_reached(bgp_speaker_feed_at(&k.speaker), k.now)) {
		uint64_t before = k.peer->stats.prefixes_announced;
		bgp_speaker_turn(&k.speaker, k.now);
		assert_in_range(k.peer->stats.prefixes_announced - before, 0, 4096);
		take_all(BGP_OUT);
		turns++;
	}
	assert_int_equal(k.peer->stats.prefixes_announced, MANY);
	assert_in_range(turns, 13, 16);
	hold_prefixes(1, MANY, false);
}

/* Ten neighbours get their share, one that does not read keeps nobody from it. */
static void neighbours_share_a_turn(void **state)
{
	(void)state;
	enum { PEERS = 10, MANY = 6000 };
	struct bgp_peer *p = NULL;

	for (unsigned i = 1; i < PEERS; i++) {
		k.conf.peers[i] = k.conf.peers[0];
		snprintf(k.conf.peers[i].name, BGP_NAME_MAX, "192.0.2.%u", 2 + i);
		k.conf.peers[i].session.addr = ip_addr_v4(0xC0000202 + i);
	}
	k.conf.n_peers = PEERS;
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	hold_prefixes(1, MANY, true);
	while ((p = bgp_speaker_next(&k.speaker, p))) {
		k.peer = p;
		establish();
	}
	for (unsigned turn = 0; turn < 40; turn++) {
		bgp_speaker_turn(&k.speaker, k.now);
		while ((p = bgp_speaker_next(&k.speaker, p)))
			if (p->slot != 3)
				bgp_peer_sent(p, BGP_OUT, bgp_peer_pending(p, BGP_OUT).n, k.now);
	}
	while ((p = bgp_speaker_next(&k.speaker, p)))
		assert_int_equal(p->stats.prefixes_announced, MANY);
	hold_prefixes(1, MANY, false);
}

/* TCP may take any number of bytes at a time: what arrives is the same stream. */
static void any_partial_write_is_the_same(void **state)
{
	(void)state;
	static uint8_t whole[20000], parts[20000];
	size_t n_whole = 0;

	hold_prefixes(1, 1500, true);
	for (size_t piece = 4099; piece > 0; piece = piece > 40 ? piece / 3 : piece - 1) {
		size_t n = 0;
		establish();
		bgp_peer_feed(k.peer, UINT_MAX, k.now);
		for (struct span s; (s = bgp_peer_pending(k.peer, BGP_OUT)).n > 0;) {
			size_t take = s.n < piece ? s.n : piece;
			assert_true(n + take <= sizeof(parts));
			memcpy(parts + n, s.p, take);
			n += take;
			bgp_peer_sent(k.peer, BGP_OUT, take, k.now);
			if (n % 7 == 0)
				bgp_peer_feed(k.peer, 1, k.now);
		}
		if (n_whole == 0) {
			memcpy(whole, parts, n);
			n_whole = n;
		}
		assert_int_equal(n, n_whole);
		assert_memory_equal(parts, whole, n);
		bgp_speaker_restart(k.peer, k.now);
	}
	hold_prefixes(1, 1500, false);
}

static void suspended_routes_are_withdrawn_and_come_back(void **state)
{
	(void)state;
	hold_prefixes(1, 5, true);
	establish();
	hear(BGP_OUT);
	bgp_peer_suspend(k.peer, true);
	hold_prefixes(1, 1, false); /* before the neighbour was told anything */
	assert_int_equal(hear(BGP_OUT).withdrawn, 5);
	hold_prefixes(6, 3, true);
	assert_int_equal(hear(BGP_OUT).announced, 0);
	bgp_peer_suspend(k.peer, false);
	assert_int_equal(hear(BGP_OUT).announced, 7);
	hold_prefixes(2, 7, false);
	assert_int_equal(hear(BGP_OUT).withdrawn, 7);
}

static void what_the_neighbour_announces_is_counted(void **state)
{
	(void)state;
	uint8_t bytes[128], prefix[] = {24, 10, 1, 1};
	struct bgp_attrs a = {.as4 = true, .as = 65001, .next_hop = {{4, {192, 0, 2, 2}}}};
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	establish();
	bgp_announce_encode(&w, &a, BGP_IPV4, span_of(prefix, 4));
	bgp_peer_rx(k.peer, BGP_OUT, wbuf_written(&w), k.now);
	assert_int_equal(k.peer->stats.prefixes_ignored, 1);
	bytes[BGP_HEADER + 4 + 3] = 9; /* ORIGIN */
	bgp_peer_rx(k.peer, BGP_OUT, wbuf_written(&w), k.now);
	assert_told(BGP_OUT, BGP_ERR_UPDATE_ORIGIN);
}

static void a_planned_restart_says_nothing(void **state)
{
	(void)state;
	struct bgp_open open = their_open;
	open.graceful = true;
	k.conf.peers[0].session.restart_s = 120;
	bgp_speaker_conf(&k.speaker, &k.conf, k.now);
	hold_prefixes(1, 5, true);
	establish_with(&open);
	hear(BGP_OUT);
	bgp_speaker_drain(&k.speaker, true);
	assert_int_equal(hear(BGP_OUT).withdrawn, 0);
	bgp_speaker_leave(&k.speaker, true);
	assert_int_equal(k.closes[BGP_OUT], 1);
	assert_int_equal(k.n_last[BGP_OUT], 0);
	hold_prefixes(1, 5, false);
}

static void the_end_withdraws_and_says_why(void **state)
{
	(void)state;
	hold_prefixes(1, 5, true);
	establish();
	hear(BGP_OUT);
	bgp_speaker_drain(&k.speaker, false);
	assert_false(bgp_speaker_is_idle(&k.speaker));
	assert_int_equal(hear(BGP_OUT).withdrawn, 5);
	assert_true(bgp_speaker_is_idle(&k.speaker));
	bgp_speaker_leave(&k.speaker, false);
	assert_told(BGP_OUT, BGP_ERR_CEASE_SHUTDOWN);
	hold_prefixes(1, 5, false);
}

static void without_memory_it_tries_again(void **state)
{
	(void)state;
	wait_s(0);
	k.memory.fail_after = k.memory.gets;
	bgp_peer_connected(k.peer, bgp_kit_local(), k.now);
	assert_int_equal(bgp_peer_state(k.peer), BGP_STATE_IDLE);
	assert_false(bgp_peer_accepted(k.peer, bgp_kit_local(), k.now));
	k.memory.fail_after = SIZE_MAX;
	wait_s(3);
	assert_int_equal(k.connects, 2);
}

int main(void)
{
#define FSM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		FSM_TEST(it_connects_and_negotiates),
		FSM_TEST(it_accepts),
		FSM_TEST(any_cut_of_the_stream_is_the_same),
		FSM_TEST(a_collision_leaves_one_of_two),
		FSM_TEST(an_established_session_wins_every_collision),
		FSM_TEST(a_neighbour_that_restarts_gracefully_replaces_its_session),
		FSM_TEST(faults_of_an_open_are_told),
		FSM_TEST(messages_out_of_turn_are_told),
		FSM_TEST(silence_ends_the_session),
		FSM_TEST(keepalives_keep_it),
		FSM_TEST(a_hold_time_of_0_means_no_timers),
		FSM_TEST(a_stalled_neighbour_is_given_up),
		FSM_TEST(attempts_become_rarer),
		FSM_TEST(tcp_that_hangs_is_given_up),
		FSM_TEST(a_passive_one_only_waits),
		FSM_TEST(refused_capabilities_are_left_out),
		FSM_TEST(all_prefixes_go_out_in_few_messages),
		FSM_TEST(extended_messages_carry_more),
		FSM_TEST(ipv6_needs_a_next_hop),
		FSM_TEST(new_attributes_need_no_new_session),
		FSM_TEST(other_neighbours_are_left_alone),
		FSM_TEST(a_thousand_neighbours_are_up),
		FSM_TEST(without_memory_neighbours_are_missing),
		FSM_TEST(a_refresh_sends_all_again),
		FSM_TEST(a_flood_of_refreshes_is_served_once_in_a_while),
		FSM_TEST(changes_share_messages),
		FSM_TEST(a_turn_is_short),
		FSM_TEST(neighbours_share_a_turn),
		FSM_TEST(any_partial_write_is_the_same),
		FSM_TEST(without_capabilities_as_numbers_are_short),
		FSM_TEST(refused_without_capabilities_they_come_back),
		FSM_TEST(capabilities_belong_to_a_connection),
		FSM_TEST(a_neighbour_that_comes_too_often_is_refused),
		FSM_TEST(a_name_gets_its_address_later),
		FSM_TEST(a_neighbour_that_died_unnoticed_replaces_its_session),
		FSM_TEST(a_neighbour_comes_again_over_its_own_session),
		FSM_TEST(suspended_routes_are_withdrawn_and_come_back),
		FSM_TEST(what_the_neighbour_announces_is_counted),
		FSM_TEST(a_planned_restart_says_nothing),
		FSM_TEST(the_end_withdraws_and_says_why),
		FSM_TEST(without_memory_it_tries_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
