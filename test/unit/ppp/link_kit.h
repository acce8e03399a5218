/*
 * link_kit.h - a link under test with its surroundings: configuration, clock, a log of the frames
 * that it sent, and short ways to feed it bytes.
 */
#ifndef LNS_LINK_KIT_H
#define LNS_LINK_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ppp/ppp_link.h"
#include "test_bytes.h"
#include "test_ppp_conf.h"
#include "test_random.h"
#include "test_subscriber.h"

struct kit {
	struct ppp_conf conf;
	struct ppp_link link;
	struct ppp_actions out;
	struct test_random rnd;
	nsec now;

	/* everything that happened, since kit_forget() */
	unsigned n_frames;
	struct sub_frame frames[64];
	unsigned ups, downs, asked, ended;
	struct ppp_credentials auth;
	uint8_t user[256], password[256], challenge[64], response[16];
	unsigned drops;
	enum drop last_drop;
};

static inline void kit_random(void *ctx, void *out, size_t n)
{
	test_random_fill(ctx, out, n);
}

static inline void kit_init(struct kit *k, uint64_t seed)
{
	memset(k, 0, sizeof(*k));
	k->conf = test_ppp_conf();
	k->rnd.state = seed;
	k->now = (nsec){NSEC_S(1000)};
	ppp_link_init(&k->link);
}

static inline void kit_forget(struct kit *k)
{
	k->n_frames = k->ups = k->downs = k->asked = k->ended = k->drops = 0;
	k->last_drop = DROPS;
}

static inline struct ppp_io kit_io(struct kit *k)
{
	ppp_actions_clear(&k->out);
	return (struct ppp_io){.conf = &k->conf,
			       .now = k->now,
			       .random = kit_random,
			       .random_ctx = &k->rnd,
			       .out = &k->out};
}

static inline void kit_keep(uint8_t *to, size_t room, struct span *from)
{
	assert_true(from->n <= room);
	if (from->n)
		memcpy(to, from->p, from->n);
	from->p = to;
}

static inline void kit_collect(struct kit *k)
{
	const struct ppp_actions *a = &k->out;

	for (unsigned i = 0; i < a->n_frames; i++) {
		struct span f = ppp_actions_frame(a, i);
		if (k->n_frames == 64 || f.n > SUB_FRAME)
			continue;
		struct sub_frame *keep = &k->frames[k->n_frames++];
		keep->n = (uint16_t)f.n;
		memcpy(keep->b, f.p, f.n);
	}
	k->ups += a->ip_up;
	k->downs += a->ip_down;
	k->ended += a->ended;
	if (a->drop != DROPS) {
		k->drops++;
		k->last_drop = a->drop;
	}
	if (a->ask_auth) {
		k->asked++;
		k->auth = a->auth;
		kit_keep(k->user, sizeof(k->user), &k->auth.user);
		kit_keep(k->password, sizeof(k->password), &k->auth.password);
		kit_keep(k->challenge, sizeof(k->challenge), &k->auth.challenge);
		kit_keep(k->response, sizeof(k->response), &k->auth.response);
	}
}

static inline void kit_open(struct kit *k)
{
	struct ppp_io io = kit_io(k);
	ppp_link_open(&k->link, &io);
	kit_collect(k);
}

static inline void kit_rx(struct kit *k, const void *bytes, size_t n)
{
	struct ppp_io io = kit_io(k);
	uint8_t *exact = test_exact_copy(bytes, n);
	ppp_link_rx(&k->link, &io, span_of(exact, n));
	kit_collect(k);
	free(exact);
}

/* Frame as hex text, without FF 03. */
static inline void kit_rx_hex(struct kit *k, const char *hex)
{
	uint8_t b[2048];
	kit_rx(k, b, test_unhex(hex, b, sizeof(b)));
}

/* Time passes; timers run when they are due. */
static inline void kit_wait(struct kit *k, int64_t ns)
{
	nsec until = nsec_add(k->now, ns);

	for (int steps = 0;; steps++) {
		assert_true(steps < 100000); /* a deadline that is never served */
		nsec at = ppp_link_deadline(&k->link);
		if (nsec_before(until, at))
			break;
		if (nsec_before(k->now, at))
			k->now = at;
		struct ppp_io io = kit_io(k);
		ppp_link_timer(&k->link, &io, NSEC_ZERO);
		kit_collect(k);
	}
	k->now = until;
}

static inline struct aaa_profile kit_profile(void)
{
	return (struct aaa_profile){
		.ip = ip_addr_v4(0x0A000002),
		.peer_ip = ip_addr_v4(0x0A000001),
		.dns = {ip_addr_v4(0x08080808)},
	};
}

static inline void kit_reply(struct kit *k, bool accept)
{
	struct ppp_io io = kit_io(k);
	struct aaa_profile p = kit_profile();
	struct end_reason why = {.cdn_result = 3, .cause = TERM_USER_ERROR, .text = "refused"};

	if (!accept) {
		memcpy(p.reply, "go away", 7);
		p.reply_len = 7;
	}
	ppp_link_auth_reply(&k->link, &io, accept, &why, &p);
	kit_collect(k);
}

static inline void kit_close(struct kit *k, enum term_cause cause)
{
	struct ppp_io io = kit_io(k);
	struct end_reason why = {.cdn_result = 3, .cause = (uint8_t)cause, .text = "test"};

	ppp_link_close(&k->link, &io, &why);
	kit_collect(k);
}

/* The newest frame of a protocol and code, or NULL. */
static inline const struct sub_frame *kit_sent(const struct kit *k, uint16_t protocol, uint8_t code)
{
	for (unsigned i = k->n_frames; i-- > 0;) {
		const struct sub_frame *f = &k->frames[i];
		if (f->b[2] == protocol >> 8 && f->b[3] == (protocol & 0xFF) && f->b[4] == code)
			return f;
	}
	return NULL;
}

static inline void kit_assert_sent(const struct kit *k, uint16_t protocol, uint8_t code,
				   const char *body_hex)
{
	uint8_t want[SUB_FRAME];
	size_t n = test_unhex(body_hex, want, sizeof(want));
	const struct sub_frame *f = kit_sent(k, protocol, code);

	assert_non_null(f);
	assert_int_equal(f->n, n + 8);
	assert_memory_equal(f->b + 8, want, n);
}

/* Acks the newest request of ours as it stands. */
static inline void kit_ack(struct kit *k, uint16_t protocol)
{
	const struct sub_frame *f = kit_sent(k, protocol, PPP_CONF_REQ);
	assert_non_null(f);
	struct sub_frame ack = *f;
	ack.b[4] = PPP_CONF_ACK;
	kit_rx(k, ack.b, ack.n);
}

/* Runs both ends until nothing moves; AAA grants at once. */
static inline void kit_run(struct kit *k, struct subscriber *s)
{
	struct sub_frame f;

	for (int i = 0; i < 1000; i++) {
		bool moved = false;
		for (unsigned j = 0; j < k->n_frames; j++) {
			moved = true;
			sub_rx(s, span_of(k->frames[j].b, k->frames[j].n));
		}
		k->n_frames = 0;
		while (sub_take(s, &f)) {
			moved = true;
			kit_rx(k, f.b, f.n);
		}
		if (k->asked) {
			k->asked = 0;
			kit_reply(k, true);
			moved = true;
		}
		if (!moved)
			return;
	}
}

/* The same with time passing: both timers run; up to <seconds>. */
static inline void kit_run_for(struct kit *k, struct subscriber *s, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		kit_run(k, s);
		kit_wait(k, NSEC_S(1));
		if (i % 3 == 2)
			sub_tick(s);
	}
	kit_run(k, s);
}

#endif
