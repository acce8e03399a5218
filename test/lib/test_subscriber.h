/*
 * test_subscriber.h - the other end of a PPP link, written apart from the product: a client that
 * negotiates LCP, logs in by PAP or CHAP and asks for an address. Frames are kept in a queue that
 * the test moves (and loses, doubles, delays). Its moods make it a difficult peer.
 */
#ifndef LNS_TEST_SUBSCRIBER_H
#define LNS_TEST_SUBSCRIBER_H

#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/wbuf.h"

enum { SUB_QUEUE = 64, SUB_FRAME = 256 };

struct sub_frame {
	uint16_t n;
	uint8_t b[SUB_FRAME];
};

struct subscriber {
	/* moods, set by the test */
	bool reject_all;    /* Rejects every option of ours but authentication, once each */
	bool nak_all;	    /* Naks MRU and magic for ever */
	uint16_t only_auth; /* Naks every authentication protocol but this one */
	bool refuse_auth;   /* Rejects authentication */
	bool every_second;  /* looks at every second frame only */
	bool mute;	    /* looks at none */
	const char *user, *password;

	/* state */
	uint8_t id, lcp_id, ipcp_id, pap_id;
	unsigned seen;
	bool lcp_ours, lcp_theirs, authed, refused, ipcp_ours, ipcp_theirs, terminated;
	uint16_t auth;
	uint32_t magic, ip, dns1, their_ip;
	bool no_dns, ask_dns;
	unsigned echoes, protocol_rejects, restarts, answers;
	struct sub_frame q[SUB_QUEUE];
	unsigned q_head, q_n;
};

static inline void sub_init(struct subscriber *s, const char *user, const char *password)
{
	*s = (struct subscriber){.user = user, .password = password, .magic = 0x5EB5C41B};
}

static inline bool sub_lcp_open(const struct subscriber *s)
{
	return s->lcp_ours && s->lcp_theirs;
}

static inline bool sub_up(const struct subscriber *s)
{
	return sub_lcp_open(s) && s->ipcp_ours && s->ipcp_theirs;
}

/* A frame FF 03 <protocol> <code> <id> <length> <body>. */
static inline void sub_send(struct subscriber *s, uint16_t protocol, uint8_t code, uint8_t id,
			    const void *body, size_t n)
{
	if (s->q_n == SUB_QUEUE || n + 8 > SUB_FRAME)
		return;
	struct sub_frame *f = &s->q[(s->q_head + s->q_n++) % SUB_QUEUE];
	struct wbuf w = wbuf_of(f->b, sizeof(f->b));
	wbuf_u16(&w, 0xFF03);
	wbuf_u16(&w, protocol);
	wbuf_u8(&w, code);
	wbuf_u8(&w, id);
	wbuf_u16(&w, (uint16_t)(n + 4));
	wbuf_bytes(&w, body, n);
	f->n = (uint16_t)w.n;
}

/* Takes the oldest frame out; false when there is none. */
static inline bool sub_take(struct subscriber *s, struct sub_frame *out)
{
	if (s->q_n == 0)
		return false;
	*out = s->q[s->q_head];
	s->q_head = (s->q_head + 1) % SUB_QUEUE;
	s->q_n--;
	return true;
}

static inline void sub_lcp_request(struct subscriber *s, bool again)
{
	uint8_t b[64];
	struct wbuf w = wbuf_of(b, sizeof(b));

	if (!again)
		s->lcp_id = ++s->id;
	wbuf_u16(&w, 0x0104); /* MRU */
	wbuf_u16(&w, 1480);
	wbuf_u16(&w, 0x0206); /* ACCM */
	wbuf_u32(&w, 0);
	wbuf_u16(&w, 0x0506); /* magic */
	wbuf_u32(&w, s->magic);
	wbuf_u16(&w, 0x0702); /* PFC */
	wbuf_u16(&w, 0x0802); /* ACFC */
	sub_send(s, 0xC021, 1, s->lcp_id, b, w.n);
}

static inline void sub_ipcp_request(struct subscriber *s, bool again)
{
	uint8_t b[64];
	struct wbuf w = wbuf_of(b, sizeof(b));

	if (!again)
		s->ipcp_id = ++s->id;
	wbuf_u16(&w, 0x0306);
	wbuf_u32(&w, s->ip);
	if (s->ask_dns && !s->no_dns) {
		wbuf_u16(&w, 0x8106);
		wbuf_u32(&w, s->dns1);
	}
	sub_send(s, 0x8021, 1, s->ipcp_id, b, w.n);
}

static inline void sub_pap_request(struct subscriber *s)
{
	uint8_t b[128];
	struct wbuf w = wbuf_of(b, sizeof(b));

	s->pap_id = ++s->id;
	wbuf_u8(&w, (uint8_t)strlen(s->user));
	wbuf_span(&w, span_str(s->user));
	wbuf_u8(&w, (uint8_t)strlen(s->password));
	wbuf_span(&w, span_str(s->password));
	sub_send(s, 0xC023, 1, s->pap_id, b, w.n);
}

/* Starts anew, as a client that was switched off and on. */
static inline void sub_dial(struct subscriber *s)
{
	s->lcp_ours = s->lcp_theirs = s->authed = s->ipcp_ours = s->ipcp_theirs = false;
	s->auth = 0;
	s->magic = s->magic * 1664525u + 1013904223u;
	sub_lcp_request(s, false);
}

static inline void sub_lcp_is_open(struct subscriber *s)
{
	if (!sub_lcp_open(s))
		return;
	s->authed = false;
	s->ipcp_ours = s->ipcp_theirs = false;
	if (s->auth == 0xC023)
		sub_pap_request(s);
	else if (s->auth == 0)
		sub_ipcp_request(s, false);
}

/* Our server's LCP request. */
static inline void sub_rx_lcp_request(struct subscriber *s, uint8_t id, struct span options)
{
	uint8_t nak[64], rej[64];
	struct wbuf n = wbuf_of(nak, sizeof(nak)), r = wbuf_of(rej, sizeof(rej));
	struct span all = options;
	uint16_t auth = 0;

	while (options.n) {
		struct span raw = options;
		uint8_t type = span_u8(&options), len = span_u8(&options);
		struct span value = span_sub(&options, len - 2u);
		raw.n = len;
		if (options.bad)
			abort(); /* the product sent rubbish */
		if (type == 3) {
			auth = span_u16(&value);
			if (s->refuse_auth) {
				wbuf_span(&r, raw);
			} else if (s->only_auth && auth != s->only_auth) {
				wbuf_u8(&n, 3);
				wbuf_u8(&n, s->only_auth == 0xC223 ? 5 : 4);
				wbuf_u16(&n, s->only_auth);
				if (s->only_auth == 0xC223)
					wbuf_u8(&n, 5);
			}
		} else if (s->reject_all) {
			wbuf_span(&r, raw);
		} else if (s->nak_all && type == 1) {
			wbuf_u16(&n, 0x0104);
			wbuf_u16(&n, 1000);
		} else if (s->nak_all && type == 5) {
			wbuf_u16(&n, 0x0506);
			wbuf_u32(&n, ++s->magic);
		}
	}
	if (r.n) {
		sub_send(s, 0xC021, 4, id, rej, r.n);
	} else if (n.n) {
		sub_send(s, 0xC021, 3, id, nak, n.n);
	} else {
		if (sub_lcp_open(s)) { /* RFC 1661: tld, scr, sca */
			s->restarts++;
			s->lcp_ours = false;
			sub_lcp_request(s, false);
		}
		bool was = sub_lcp_open(s);
		s->auth = auth;
		sub_send(s, 0xC021, 2, id, all.p, all.n);
		s->lcp_theirs = true;
		if (!was)
			sub_lcp_is_open(s);
	}
}

static inline void sub_rx_lcp(struct subscriber *s, uint8_t code, uint8_t id, struct span body)
{
	switch (code) {
	case 1:
		sub_rx_lcp_request(s, id, body);
		break;
	case 2:
		if (id == s->lcp_id && !s->lcp_ours) {
			s->lcp_ours = true;
			sub_lcp_is_open(s);
		}
		break;
	case 3:
	case 4: /* it asks for nothing that can be refused but a magic that collided */
		s->magic += 12345;
		sub_lcp_request(s, false);
		break;
	case 5:
		s->terminated = true;
		sub_send(s, 0xC021, 6, id, NULL, 0);
		break;
	case 6:
		s->terminated = true;
		break;
	case 8:
		s->protocol_rejects++;
		break;
	case 9:
		s->echoes++;
		if (body.n >= 4) {
			uint8_t m[4] = {(uint8_t)(s->magic >> 24), (uint8_t)(s->magic >> 16),
					(uint8_t)(s->magic >> 8), (uint8_t)s->magic};
			sub_send(s, 0xC021, 10, id, m, 4);
		}
		break;
	default:
		break;
	}
}

static inline void sub_rx_auth(struct subscriber *s, uint16_t protocol, uint8_t code, uint8_t id,
			       struct span body)
{
	if (!sub_lcp_open(s))
		return;
	if (protocol == 0xC223 && code == 1) {
		size_t size = span_u8(&body);
		struct span challenge = span_sub(&body, size);
		uint8_t b[128];
		struct wbuf w = wbuf_of(b, sizeof(b));
		struct span parts[] = {span_of(&id, 1), span_str(s->password), challenge};
		uint8_t md5[MD5_LEN];

		md5_of(md5, parts, 3);
		wbuf_u8(&w, MD5_LEN);
		wbuf_bytes(&w, md5, MD5_LEN);
		wbuf_span(&w, span_str(s->user));
		s->answers++;
		sub_send(s, 0xC223, 2, id, b, w.n);
		return;
	}
	bool pap = protocol == 0xC023;
	if (code == (pap ? 2 : 3) && !s->authed) {
		s->authed = true;
		sub_ipcp_request(s, false);
	} else if (code == (pap ? 3 : 4)) {
		s->refused = true;
	}
}

static inline void sub_rx_ipcp(struct subscriber *s, uint8_t code, uint8_t id, struct span body)
{
	struct span all = body;

	if (!sub_lcp_open(s) || (s->auth && !s->authed))
		return; /* RFC 1661 3.5: not in the network phase yet */
	if (code == 1) {
		if (s->ipcp_theirs && s->ipcp_ours) {
			s->ipcp_ours = false;
			sub_ipcp_request(s, false);
		}
		if (body.n >= 6 && span_u16(&body) == 0x0306)
			s->their_ip = span_u32(&body);
		sub_send(s, 0x8021, 2, id, all.p, all.n);
		s->ipcp_theirs = true;
	} else if (id != s->ipcp_id || s->ipcp_ours) {
		return;
	} else if (code == 2) {
		s->ipcp_ours = true;
	} else if (code == 3 || code == 4) {
		while (body.n) {
			uint16_t head = span_u16(&body);
			uint32_t v = span_u32(&body);
			if (head == 0x0306)
				s->ip = v;
			if (head == 0x8106) {
				s->dns1 = v;
				s->no_dns = code == 4;
			}
		}
		sub_ipcp_request(s, false);
	}
}

/* A frame from the product, FF 03 in front. */
static inline void sub_rx(struct subscriber *s, struct span f)
{
	if (s->mute || (s->every_second && ++s->seen % 2))
		return;
	if (span_u16(&f) != 0xFF03)
		abort();
	uint16_t protocol = span_u16(&f);
	uint8_t code = span_u8(&f), id = span_u8(&f);
	size_t len = span_u16(&f);
	if (f.bad || len != f.n + 4)
		abort(); /* what the product sends is always well formed */
	if (protocol == 0xC021)
		sub_rx_lcp(s, code, id, f);
	else if (protocol == 0xC023 || protocol == 0xC223)
		sub_rx_auth(s, protocol, code, id, f);
	else if (protocol == 0x8021)
		sub_rx_ipcp(s, code, id, f);
	else
		abort();
}

/* Its restart timer: repeats whatever is missing. */
static inline void sub_tick(struct subscriber *s)
{
	if (!s->lcp_ours)
		sub_lcp_request(s, true);
	else if (s->lcp_theirs && s->auth == 0xC023 && !s->authed)
		sub_pap_request(s);
	else if (s->lcp_theirs && (s->authed || s->auth == 0) && !s->ipcp_ours)
		sub_ipcp_request(s, true);
}

#endif
