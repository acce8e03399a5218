/* The RADIUS client machine against scripted servers, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "radius/rad_auth.h"
#include "radius/rad_client.h"
#include "test_alloc.h"
#include "test_random.h"

enum { KEPT = 8 };

struct sent {
	unsigned sock;
	struct sock_addr to;
	struct ip_addr from;
	size_t n;
	uint8_t bytes[RAD_PACKET_MAX];
	nsec at;
};

struct world {
	struct test_alloc mem;
	struct test_random random;
	struct counters counters;
	struct rad_client *client;
	struct rad_client_conf conf;
	nsec now;
	struct sent sent[KEPT]; /* the newest */
	unsigned n_sent, n_closed, n_logs, max_sock;
	struct rad_answer answer; /* the last timeout */
	unsigned n_timeouts;
};

static void on_random(void *ctx, void *out, size_t n)
{
	struct world *w = ctx;
	test_random_fill(&w->random, out, n);
}

static void on_send(void *ctx, unsigned sock, const struct sock_addr *to,
		    const struct ip_addr *from, struct span data)
{
	struct world *w = ctx;
	struct sent *s = &w->sent[w->n_sent++ % KEPT];

	*s = (struct sent){.sock = sock, .to = *to, .from = *from, .n = data.n, .at = w->now};
	span_bytes(&data, s->bytes, data.n);
	if (sock > w->max_sock)
		w->max_sock = sock;
}

static void on_close(void *ctx, unsigned sock)
{
	struct world *w = ctx;
	(void)sock;
	w->n_closed++;
}

static void on_log(void *ctx, enum log_level level, const char *text)
{
	struct world *w = ctx;
	(void)level;
	(void)text;
	w->n_logs++;
}

static struct rad_server_conf server(unsigned i, const char *secret)
{
	struct rad_server_conf s = {.need_message_authenticator = true};

	s.addr[RAD_AUTH] = (struct sock_addr){.ip = ip_addr_v4(0xC0000200 + i), .port = 1812};
	s.addr[RAD_ACCT] = (struct sock_addr){.ip = ip_addr_v4(0xC0000200 + i), .port = 1813};
	snprintf(s.secret, sizeof(s.secret), "%s", secret);
	return s;
}

static struct world *world_new(unsigned n_servers)
{
	static const char *const secrets[] = {"one", "two", "three"};
	struct world *w = calloc(1, sizeof(*w));

	test_alloc_init(&w->mem);
	w->now = (nsec){NSEC_S(5)};
	w->conf = (struct rad_client_conf){.n_servers = (uint8_t)n_servers,
					   .max_sockets = 1024,
					   .tries = 4,
					   .timeout_ms = 3000,
					   .timeout_max_ms = 16000,
					   .dead_time_ms = 30000,
					   .idle_ms = 10000};
	for (unsigned i = 0; i < n_servers; i++)
		w->conf.servers[i] = server(i + 1, secrets[i]);
	struct rad_client_env env = {.alloc = &w->mem.alloc,
				     .counters = &w->counters,
				     .ctx = w,
				     .random = on_random,
				     .send = on_send,
				     .close = on_close,
				     .log = on_log};
	w->client = rad_client_new(&env, &w->conf, w->now);
	assert_non_null(w->client);
	return w;
}

static void world_free(struct world *w)
{
	rad_client_free(w->client);
	assert_int_equal(w->mem.blocks, 0);
	free(w);
}

static struct rad_request *ask(struct world *w, uint64_t cookie)
{
	uint8_t attrs[64];
	struct wbuf b = wbuf_of(attrs, sizeof(attrs));
	struct rad_ask a = {.kind = RAD_AUTH, .cookie = cookie};

	rad_put_text(&b, RAD_USER_NAME, "nemo");
	a.attrs = wbuf_written(&b);
	a.password = span_str("arctangent");
	on_random(w, a.authenticator, sizeof(a.authenticator));
	return rad_client_ask(w->client, &a, w->now);
}

static struct rad_request *account(struct world *w, uint64_t cookie)
{
	uint8_t attrs[64];
	struct wbuf b = wbuf_of(attrs, sizeof(attrs));
	struct rad_ask a = {.kind = RAD_ACCT, .cookie = cookie};

	rad_put_u32(&b, RAD_ACCT_STATUS_TYPE, 1);
	a.attrs = wbuf_written(&b);
	return rad_client_ask(w->client, &a, w->now);
}

static const struct sent *last(const struct world *w)
{
	assert_true(w->n_sent > 0);
	return &w->sent[(w->n_sent - 1) % KEPT];
}

static void advance(struct world *w, int64_t ns)
{
	nsec end = nsec_add(w->now, ns);
	struct rad_answer a;

	while (nsec_before(w->now, end)) {
		w->now = nsec_min(
			end, nsec_max(rad_client_next(w->client), nsec_add(w->now, NSEC_MS(1))));
		while (rad_client_turn(w->client, w->now, &a)) {
			assert_true(a.timeout);
			w->answer = a;
			w->n_timeouts++;
		}
	}
}

struct reply_form {
	uint8_t code;
	bool no_message_authenticator, bad_message_authenticator, bad_authenticator;
	const char *secret;
	uint8_t id_offset;
};

/* Makes the reply to s; returns its length. */
static size_t make_reply(const struct sent *s, struct reply_form f, uint8_t *out, size_t cap)
{
	struct rad_packet request;
	struct wbuf b = wbuf_of(out, cap);
	struct span secret = span_str(f.secret);

	assert_true(rad_packet_decode(span_of(s->bytes, s->n), &request));
	rad_put_header(&b, f.code, (uint8_t)(request.id + f.id_offset), request.authenticator);
	if (!f.no_message_authenticator)
		rad_put_message_authenticator(&b);
	rad_put_text(&b, RAD_REPLY_MESSAGE, "hello");
	rad_put_end(&b, 0);
	rad_sign_message(&b, 0, secret, request.authenticator);
	if (f.bad_message_authenticator)
		out[25] ^= 1;
	rad_sign_response(&b, 0, secret, request.authenticator);
	if (f.bad_authenticator)
		out[10] ^= 1;
	return b.n;
}

static bool reply(struct world *w, const struct sent *s, struct reply_form f,
		  struct rad_answer *answer)
{
	static uint8_t bytes[256];
	size_t n = make_reply(s, f, bytes, sizeof(bytes));

	return rad_client_rx(w->client, s->sock, &s->to, span_of(bytes, n), w->now, answer);
}

#define ACCEPT(secret_) ((struct reply_form){.code = RAD_ACCESS_ACCEPT, .secret = (secret_)})

/* ---- answers --------------------------------------------------------------------------------- */

static void an_answer_reaches_its_request(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	struct rad_answer a;

	assert_non_null(ask(w, 42));
	assert_int_equal(rad_client_outstanding(w->client), 1);
	struct sent s = *last(w);
	assert_true(reply(w, &s, ACCEPT("one"), &a));
	assert_int_equal(a.cookie, 42);
	assert_false(a.timeout);
	assert_int_equal(a.packet.code, RAD_ACCESS_ACCEPT);
	assert_int_equal(rad_client_outstanding(w->client), 0);
	assert_false(reply(w, &s, ACCEPT("one"), &a)); /* once */
	world_free(w);
}

static void forged_replies_leave_the_request_waiting(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	struct rad_answer a;

	assert_non_null(ask(w, 1));
	struct sent s = *last(w);
	static const struct reply_form forged[] = {
		{.code = RAD_ACCESS_ACCEPT, .secret = "wrong"},
		{.code = RAD_ACCESS_ACCEPT, .secret = "one", .bad_authenticator = true},
		{.code = RAD_ACCESS_ACCEPT, .secret = "one", .bad_message_authenticator = true},
		{.code = RAD_ACCESS_ACCEPT, .secret = "one", .no_message_authenticator = true},
		{.code = RAD_ACCESS_ACCEPT, .secret = "one", .id_offset = 1},
		{.code = RAD_ACCOUNTING_RESPONSE, .secret = "one"},
		{.code = RAD_ACCESS_REQUEST, .secret = "one"},
		{.code = 99, .secret = "one"},
	};
	unsigned n = sizeof(forged) / sizeof(forged[0]);
	for (unsigned i = 0; i < n; i++)
		assert_false(reply(w, &s, forged[i], &a));

	struct sent other = s;
	other.to.port++; /* from another port, address, or to another socket of ours */
	assert_false(reply(w, &other, ACCEPT("one"), &a));
	other.to.port = 9; /* nobody's */
	assert_false(reply(w, &other, ACCEPT("one"), &a));
	other = s;
	other.to.ip = ip_addr_v4(0xC0000202); /* a server, but not the one that was asked */
	assert_false(reply(w, &other, ACCEPT("one"), &a));
	assert_false(reply(w, &other, ACCEPT("two"), &a));
	other = s;
	other.sock++;
	assert_false(reply(w, &other, ACCEPT("one"), &a));
	other.sock = 100000;
	assert_false(reply(w, &other, ACCEPT("one"), &a));
	assert_int_equal(counter_get(&w->counters, C_RADIUS_BAD_REPLIES), n + 6);
	/* Each reason by itself, and what came from a server's address by that server. */
	assert_int_equal(counter_get(&w->counters, C_RADIUS_BAD_AUTHENTICATOR), 2);
	assert_int_equal(counter_get(&w->counters, C_RADIUS_BAD_MESSAGE), 1);
	assert_int_equal(counter_get(&w->counters, C_RADIUS_BAD_UNSIGNED), 1);
	assert_int_equal(counter_get(&w->counters, C_RADIUS_BAD_CODE), 3);
	assert_int_equal(counter_get(&w->counters, C_RADIUS_BAD_ID), 1 + 5);
	assert_int_equal(counter_get(&w->counters, C_RADIUS_BAD_SOURCE), 1);
	struct rad_server_view v;
	rad_client_server_view(w->client, 0, RAD_AUTH, &v);
	assert_int_equal(v.refused[RAD_REFUSED_AUTHENTICATOR], 2);
	assert_int_equal(v.refused[RAD_REFUSED_MESSAGE], 1);
	assert_int_equal(v.refused[RAD_REFUSED_UNSIGNED], 1);
	assert_int_equal(v.refused[RAD_REFUSED_CODE], 3);
	assert_int_equal(w->n_logs, 1); /* of the reply without Message-Authenticator */
	assert_int_equal(rad_client_outstanding(w->client), 1);
	assert_true(reply(w, &s, ACCEPT("one"), &a));
	world_free(w);
}

static void every_truncation_of_a_reply_is_refused(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	struct rad_answer a;
	uint8_t bytes[256];

	assert_non_null(ask(w, 1));
	struct sent s = *last(w);
	size_t n = make_reply(&s, ACCEPT("one"), bytes, sizeof(bytes));
	for (size_t cut = 0; cut < n; cut++)
		assert_false(
			rad_client_rx(w->client, s.sock, &s.to, span_of(bytes, cut), w->now, &a));
	assert_true(rad_client_rx(w->client, s.sock, &s.to, span_of(bytes, n), w->now, &a));
	world_free(w);
}

static void the_switch_lets_old_servers_be(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	struct rad_answer a;
	struct reply_form f = ACCEPT("one");

	f.no_message_authenticator = true;
	w->conf.servers[0].need_message_authenticator = false;
	rad_client_conf(w->client, &w->conf, w->now);
	assert_non_null(ask(w, 1));
	struct sent s = *last(w);
	f.bad_message_authenticator = false;
	assert_true(reply(w, &s, f, &a));
	/* A wrong one is refused all the same. */
	assert_non_null(ask(w, 2));
	s = *last(w);
	f.no_message_authenticator = false;
	f.bad_message_authenticator = true;
	assert_false(reply(w, &s, f, &a));
	world_free(w);
}

static void accounting_needs_no_message_authenticator(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	struct rad_answer a;

	assert_non_null(account(w, 3));
	struct sent s = *last(w);
	assert_int_equal(s.to.port, 1813);
	assert_false(reply(w, &s, ACCEPT("one"), &a));
	assert_true(reply(w, &s,
			  (struct reply_form){.code = RAD_ACCOUNTING_RESPONSE,
					      .secret = "one",
					      .no_message_authenticator = true},
			  &a));
	assert_int_equal(a.kind, RAD_ACCT);
	world_free(w);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void a_request_is_repeated_with_jitter_and_given_up(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	nsec start = w->now;

	assert_non_null(ask(w, 7));
	struct sent first = *last(w);
	advance(w, NSEC_S(120));
	assert_int_equal(w->n_sent, 4);
	assert_int_equal(w->n_timeouts, 1);
	assert_int_equal(w->answer.cookie, 7);
	int64_t wait_ms = 3000;
	nsec before = start;
	for (unsigned i = 1; i < 4; i++) {
		const struct sent *s = &w->sent[i];
		/* The same packet: the server can tell that it is a repetition. */
		assert_int_equal(s->n, first.n);
		assert_memory_equal(s->bytes, first.bytes, first.n);
		assert_int_equal(s->sock, first.sock);
		int64_t waited_ms = nsec_sub(s->at, before) / 1000000;
		assert_in_range(waited_ms, wait_ms * 9 / 10 - 2, wait_ms * 11 / 10 + 2);
		before = s->at;
		wait_ms = waited_ms * 2 > 16000 ? 16000 : waited_ms * 2;
	}
	assert_int_equal(counter_get(&w->counters, C_RADIUS_RETRIES), 3);
	assert_int_equal(counter_get(&w->counters, C_RADIUS_TIMEOUTS), 1);
	assert_int_equal(rad_client_sockets(w->client), 0); /* given back when idle */
	assert_int_equal(w->n_closed, 1);
	world_free(w);
}

static void requests_do_not_repeat_in_step(void **state)
{
	(void)state;
	struct world *w = world_new(1);

	for (unsigned i = 0; i < 4; i++)
		assert_non_null(ask(w, i));
	advance(w, NSEC_S(4));
	assert_int_equal(w->n_sent, 8);
	unsigned distinct = 0;
	for (unsigned i = 5; i < 8; i++)
		distinct += w->sent[i].at.ns != w->sent[4].at.ns;
	assert_true(distinct >= 2);
	world_free(w);
}

static void the_next_server_is_asked_with_its_own_secret(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	struct rad_answer a;
	struct rad_packet p;
	struct rad_attr attr;
	uint8_t out[RAD_PASSWORD_MAX];

	assert_non_null(ask(w, 7));
	struct sent first = *last(w);
	advance(w, NSEC_MS(3400));
	struct sent second = *last(w);
	assert_int_equal(w->n_sent, 2);
	assert_int_equal(ip_addr_u32(&second.to.ip), 0xC0000202);
	assert_true(rad_packet_decode(span_of(second.bytes, second.n), &p));
	while (rad_attr_next(&p.attrs, &attr) && attr.number != RAD_USER_PASSWORD)
		;
	assert_int_equal(rad_password_reveal(attr.value, span_str("two"), p.authenticator, out),
			 10);
	assert_memory_equal(out, "arctangent", 10);
	/* The first server was only slow: its answer counts. */
	assert_true(reply(w, &first, ACCEPT("one"), &a));
	assert_int_equal(a.cookie, 7);
	assert_false(reply(w, &second, ACCEPT("two"), &a));
	world_free(w);
}

static void a_silent_server_is_passed_over_and_comes_back(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	struct rad_answer a;

	for (unsigned i = 0; i < 3; i++)
		assert_non_null(ask(w, i));
	advance(w, NSEC_MS(3400));
	assert_false(rad_client_server_alive(w->client, 0));
	assert_true(rad_client_server_alive(w->client, 1));
	assert_int_equal(w->n_logs, 1);
	for (unsigned i = 0; i < 3; i++) {
		struct sent s = w->sent[3 + i];
		assert_true(reply(w, &s, ACCEPT("two"), &a));
	}
	/* New requests go to the second at once. */
	assert_non_null(ask(w, 10));
	struct sent s = *last(w);
	assert_int_equal(ip_addr_u32(&s.to.ip), 0xC0000202);
	assert_true(reply(w, &s, ACCEPT("two"), &a));

	/* After the dead time one request probes the first; others do not wait for it. */
	advance(w, NSEC_S(33));
	assert_non_null(ask(w, 11));
	struct sent probe = *last(w);
	assert_int_equal(ip_addr_u32(&probe.to.ip), 0xC0000201);
	assert_non_null(ask(w, 12));
	s = *last(w);
	assert_int_equal(ip_addr_u32(&s.to.ip), 0xC0000202);
	assert_true(reply(w, &s, ACCEPT("two"), &a));
	assert_true(reply(w, &probe, ACCEPT("one"), &a));
	assert_true(rad_client_server_alive(w->client, 0));
	assert_int_equal(w->n_logs, 2);
	assert_non_null(ask(w, 13));
	assert_int_equal(ip_addr_u32(&last(w)->to.ip), 0xC0000201);
	world_free(w);
}

static struct rad_packet decoded(const struct sent *s)
{
	struct rad_packet p;

	assert_true(rad_packet_decode(span_of(s->bytes, s->n), &p));
	return p;
}

/* Three requests that nobody answers. */
static void make_dead(struct world *w)
{
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(ask(w, i));
	advance(w, NSEC_MS(3400));
	assert_false(rad_client_server_alive(w->client, 0));
}

/* The second server takes them. */
static void answer_all(struct world *w)
{
	struct rad_answer a;

	for (unsigned i = 0; i < 3; i++) {
		struct sent s = w->sent[3 + i];
		assert_true(reply(w, &s, ACCEPT("two"), &a));
	}
}

/* The next packet that is sent. */
static struct sent next_sent(struct world *w)
{
	unsigned before = w->n_sent;

	for (unsigned i = 0; w->n_sent == before && i < 1000; i++)
		advance(w, NSEC_MS(100));
	return *last(w);
}

static unsigned sent_to(const struct world *w, unsigned first, uint32_t ip, uint8_t code)
{
	unsigned n = 0;

	for (unsigned i = first; i < w->n_sent; i++) {
		const struct sent *s = &w->sent[i % KEPT];
		struct rad_packet p = decoded(s);
		n += ip_addr_u32(&s->to.ip) == ip && p.code == code;
	}
	return n;
}

static void a_dead_server_is_probed_with_status_server(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	struct rad_answer a;
	struct rad_attr attr;

	w->conf.servers[0].probe = RAD_PROBE_STATUS;
	snprintf(w->conf.nas, sizeof(w->conf.nas), "lns");
	rad_client_conf(w->client, &w->conf, w->now);
	make_dead(w);
	answer_all(w);
	unsigned first = w->n_sent;
	advance(w, NSEC_S(38));
	assert_non_null(ask(w, 20)); /* no request is risked */
	struct sent s = *last(w);
	assert_int_equal(ip_addr_u32(&s.to.ip), 0xC0000202);
	assert_true(reply(w, &s, ACCEPT("two"), &a));
	assert_int_equal(sent_to(w, first, 0xC0000201, RAD_STATUS_SERVER), 1);
	assert_int_equal(rad_client_outstanding(w->client), 0);
	struct sent probe = next_sent(w); /* a new packet, not the old one again */
	assert_int_equal(sent_to(w, first, 0xC0000201, RAD_STATUS_SERVER), 2);
	assert_false(rad_client_server_alive(w->client, 0));
	struct rad_packet p = decoded(&probe);
	assert_true(rad_attr_next(&p.attrs, &attr));
	assert_int_equal(attr.number, RAD_MESSAGE_AUTHENTICATOR);
	assert_true(rad_attr_next(&p.attrs, &attr));
	assert_int_equal(attr.number, RAD_NAS_IDENTIFIER);
	/* A forged answer is none, a good one brings it back and is no answer to the owner. It need
	 * not be signed: nobody is let in. */
	assert_false(reply(w, &probe, ACCEPT("wrong"), &a));
	assert_false(rad_client_server_alive(w->client, 0));
	struct reply_form good = ACCEPT("one");
	good.no_message_authenticator = true;
	assert_false(reply(w, &probe, good, &a));
	assert_true(rad_client_server_alive(w->client, 0));
	assert_non_null(ask(w, 21));
	assert_int_equal(ip_addr_u32(&last(w)->to.ip), 0xC0000201);
	world_free(w);
}

static void a_dead_server_is_probed_with_a_test_user(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	struct rad_answer a;
	struct rad_attr attr;

	w->conf.servers[0].probe = RAD_PROBE_USER;
	snprintf(w->conf.servers[0].probe_user, RAD_PROBE_USER_TEXT, "are-you-there");
	rad_client_conf(w->client, &w->conf, w->now);
	make_dead(w);
	answer_all(w);
	struct sent probe = next_sent(w);
	struct rad_packet p = decoded(&probe);
	assert_int_equal(p.code, RAD_ACCESS_REQUEST);
	(void)rad_attr_next(&p.attrs, &attr);
	assert_true(rad_attr_next(&p.attrs, &attr));
	assert_true(span_equal(attr.value, span_str("are-you-there")));
	struct reply_form reject = {.code = RAD_ACCESS_REJECT, .secret = "one"};
	assert_false(reply(w, &probe, reject, &a)); /* a refusal is an answer */
	assert_true(rad_client_server_alive(w->client, 0));
	assert_int_equal(rad_client_outstanding(w->client), 0);
	world_free(w);
}

static void probes_end_with_their_server(void **state)
{
	(void)state;
	struct world *w = world_new(2);

	w->conf.servers[0].probe = RAD_PROBE_STATUS;
	rad_client_conf(w->client, &w->conf, w->now);
	make_dead(w);
	advance(w, NSEC_S(33));
	w->conf.servers[0] = server(7, "seven");
	rad_client_conf(w->client, &w->conf, w->now);
	advance(w, NSEC_S(100));
	assert_int_equal(rad_client_outstanding(w->client), 0);
	assert_int_equal(rad_client_sockets(w->client), 0);
	world_free(w);
}

static void servers_may_be_for_one_kind_and_have_a_source(void **state)
{
	(void)state;
	struct world *w = world_new(3);

	w->conf.servers[0].not_for[RAD_AUTH] = true;
	w->conf.servers[1].not_for[RAD_ACCT] = true;
	w->conf.servers[2].not_for[RAD_ACCT] = true;
	w->conf.servers[1].source = ip_addr_v4(0xC00002FE);
	rad_client_conf(w->client, &w->conf, w->now);
	assert_non_null(ask(w, 1));
	assert_int_equal(ip_addr_u32(&last(w)->to.ip), 0xC0000202);
	assert_int_equal(ip_addr_u32(&last(w)->from), 0xC00002FE);
	assert_non_null(account(w, 2));
	assert_int_equal(ip_addr_u32(&last(w)->to.ip), 0xC0000201);
	assert_false(ip_addr_is_set(&last(w)->from));
	unsigned first = w->n_sent;
	advance(w, NSEC_S(60));
	for (unsigned i = first; i < w->n_sent; i++) {
		const struct sent *s = &w->sent[i % KEPT];
		assert_int_equal(decoded(s).code == RAD_ACCOUNTING_REQUEST,
				 ip_addr_u32(&s->to.ip) == 0xC0000201);
	}
	w->conf.servers[0].not_for[RAD_ACCT] = true; /* nobody is left for accounting */
	rad_client_conf(w->client, &w->conf, w->now);
	assert_null(account(w, 3));
	assert_non_null(ask(w, 4));
	world_free(w);
}

static void requests_are_listed(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	struct rad_request_view v[3];

	w->conf.window = 1;
	rad_client_conf(w->client, &w->conf, w->now);
	assert_non_null(ask(w, 1));
	assert_non_null(ask(w, 2));
	assert_non_null(account(w, 3));
	assert_int_equal(rad_client_requests(w->client, w->now, v, 2), 2);
	assert_int_equal(rad_client_requests(w->client, w->now, v, 3), 3);
	assert_false(v[0].waiting);
	assert_int_equal(v[0].tries, 1);
	assert_in_range(v[0].retry_ms, 2700, 3300);
	assert_true(v[1].waiting);
	assert_int_equal(v[2].kind, RAD_ACCT);
	assert_int_equal(v[2].status_type, 1);
	assert_int_equal(v[2].server.port, 1813);
	world_free(w);
}

static void a_busy_server_is_not_dead(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	struct rad_answer a;

	for (unsigned i = 0; i < 5; i++)
		assert_non_null(ask(w, i));
	advance(w, NSEC_S(1));
	struct sent s = w->sent[0];
	assert_true(reply(w, &s, ACCEPT("one"), &a));
	advance(w, NSEC_MS(2400)); /* it lost the other four */
	assert_int_equal(w->n_sent, 9);
	assert_true(rad_client_server_alive(w->client, 0));
	world_free(w);
}

static void a_probe_that_is_cancelled_does_not_block_the_server(void **state)
{
	(void)state;
	struct world *w = world_new(2);

	for (unsigned i = 0; i < 3; i++)
		assert_non_null(ask(w, i));
	advance(w, NSEC_S(90));
	assert_false(rad_client_server_alive(w->client, 0));
	struct rad_request *probe = ask(w, 4);
	assert_int_equal(ip_addr_u32(&last(w)->to.ip), 0xC0000201);
	rad_client_cancel(w->client, probe, w->now);
	assert_non_null(ask(w, 5));
	assert_int_equal(ip_addr_u32(&last(w)->to.ip), 0xC0000201);
	world_free(w);
}

static void without_a_dead_time_none_stays_dead(void **state)
{
	(void)state;
	struct world *w = world_new(2);

	make_dead(w);
	w->conf.dead_time_ms = 0;
	rad_client_conf(w->client, &w->conf, w->now);
	advance(w, NSEC_S(90));
	assert_non_null(ask(w, 4));
	assert_int_equal(ip_addr_u32(&last(w)->to.ip), 0xC0000201);
	advance(w, NSEC_S(90)); /* that one had no answer either */
	assert_true(rad_client_server_alive(w->client, 0));
	assert_non_null(ask(w, 5));
	assert_int_equal(ip_addr_u32(&last(w)->to.ip), 0xC0000201);
	world_free(w);
}

static void with_all_servers_dead_they_are_still_asked(void **state)
{
	(void)state;
	struct world *w = world_new(2);

	for (unsigned i = 0; i < 4; i++)
		assert_non_null(ask(w, i));
	advance(w, NSEC_S(60));
	assert_int_equal(w->n_timeouts, 4);
	unsigned before = w->n_sent;
	assert_non_null(ask(w, 9));
	assert_int_equal(w->n_sent, before + 1);
	world_free(w);
}

/* ---- many ------------------------------------------------------------------------------------ */

static void a_hundred_thousand_outstanding_and_silence(void **state)
{
	(void)state;
	enum { N = 100000 };
	struct world *w = world_new(2);
	size_t idle = w->mem.held;

	for (unsigned i = 0; i < N; i++)
		assert_non_null(ask(w, i));
	assert_int_equal(rad_client_outstanding(w->client), N);
	assert_int_equal(w->n_sent, N);
	assert_int_equal(w->max_sock, (N - 1) / 256);
	assert_int_equal(rad_client_sockets(w->client), (N + 255) / 256);
	assert_true(w->mem.held / N < 512);
	advance(w, NSEC_S(120));
	assert_int_equal(w->n_timeouts, N);
	assert_int_equal(rad_client_outstanding(w->client), 0);
	assert_int_equal(rad_client_sockets(w->client), 0);
	assert_int_equal(w->n_closed, (N + 255) / 256);
	/* Only the tables of the two servers stay. */
	assert_true(w->mem.held - idle < 100000);
	world_free(w);
}

static void a_storm_waits_for_room_at_the_server(void **state)
{
	(void)state;
	enum { N = 1000, WINDOW = 5 };
	struct world *w = world_new(2);
	struct rad_server_view v;
	struct rad_answer a;

	w->conf.window = WINDOW;
	rad_client_conf(w->client, &w->conf, w->now);
	for (unsigned i = 0; i < N; i++)
		assert_non_null(ask(w, i));
	assert_int_equal(w->n_sent, WINDOW);
	assert_int_equal(rad_client_waiting(w->client), N - WINDOW);
	assert_int_equal(rad_client_outstanding(w->client), N);
	assert_non_null(account(w, N)); /* has a window of its own */
	assert_int_equal(w->n_sent, WINDOW + 1);
	/* Every answer lets one go, in order. */
	for (unsigned i = 0; i < 100; i++) {
		struct sent s = *last(w);
		if (i == 0)
			s = w->sent[w->n_sent - 2];
		w->now = nsec_add(w->now, NSEC_MS(1));
		assert_true(reply(w, &s, ACCEPT("one"), &a));
		assert_int_equal(a.cookie, i == 0 ? WINDOW - 1 : WINDOW + i - 1);
	}
	rad_client_server_view(w->client, 0, RAD_AUTH, &v);
	assert_int_equal(v.under_way, WINDOW);
	assert_int_equal(v.answered, 100);
	assert_int_equal(v.p99_us, 1024);
	/* The first server falls silent: after a while all that is left is told, nothing leaks. */
	advance(w, NSEC_S(120));
	assert_int_equal(w->n_timeouts, N + 1 - 100);
	assert_int_equal(rad_client_outstanding(w->client), 0);
	assert_int_equal(rad_client_waiting(w->client), 0);
	for (unsigned i = 0; i < 2; i++) {
		rad_client_server_view(w->client, i, RAD_AUTH, &v);
		assert_int_equal(v.under_way, 0);
	}
	world_free(w);
}

static void what_waits_may_be_cancelled_and_its_server_may_go(void **state)
{
	(void)state;
	struct world *w = world_new(2);

	w->conf.window = 1;
	rad_client_conf(w->client, &w->conf, w->now);
	struct rad_request *first = ask(w, 1), *second = ask(w, 2);
	assert_non_null(ask(w, 3));
	assert_non_null(ask(w, 4));
	assert_int_equal(w->n_sent, 1);
	rad_client_cancel(w->client, second, w->now);
	assert_int_equal(rad_client_waiting(w->client), 2);
	rad_client_cancel(w->client, first, w->now);
	assert_int_equal(w->n_sent, 2); /* the third */
	assert_int_equal(rad_client_waiting(w->client), 1);
	/* Another server takes the place of the first: what was asked there is asked again. */
	w->conf.n_servers = 1;
	w->conf.servers[0] = server(3, "three");
	rad_client_conf(w->client, &w->conf, w->now);
	advance(w, NSEC_MS(20));
	assert_int_equal(last(w)->to.ip.b[3], 3);
	assert_int_equal(rad_client_waiting(w->client), 1);
	w->conf.window = 0;
	rad_client_conf(w->client, &w->conf, w->now);
	assert_int_equal(rad_client_waiting(w->client), 0);
	world_free(w);
}

static uint32_t delay_of(const struct sent *s)
{
	struct rad_packet p;
	struct rad_attr a;

	assert_true(rad_packet_decode(span_of(s->bytes, s->n), &p));
	while (rad_attr_next(&p.attrs, &a)) {
		if (a.number == RAD_ACCT_DELAY_TIME)
			return span_u32(&a.value);
	}
	fail_msg("no Acct-Delay-Time");
	return 0;
}

static void acct_delay_time_is_the_age_and_repetitions_are_equal(void **state)
{
	(void)state;
	struct world *w = world_new(2);

	assert_non_null(account(w, 1));
	struct sent first = *last(w);
	assert_int_equal(delay_of(&first), 0);
	advance(w, NSEC_S(4));
	struct sent other = *last(w);
	assert_int_equal(other.to.ip.b[3], 2);
	assert_in_range(delay_of(&other), 2, 4);
	advance(w, NSEC_S(7));
	assert_int_equal(last(w)->to.ip.b[3], 1);
	assert_int_equal(last(w)->n, first.n);
	assert_memory_equal(last(w)->bytes, first.bytes, first.n);
	advance(w, NSEC_S(60));
	assert_int_equal(w->n_timeouts, 1);
	assert_in_range(w->answer.delay_s, 20, 45); /* 3 + 6 + 12 + 16 s, each within 10% */
	assert_int_equal(w->answer.attrs.n, 6);
	assert_int_equal(w->answer.attrs.p[0], RAD_ACCT_STATUS_TYPE);
	world_free(w);
}

static void identifiers_run_out_and_come_back(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	struct rad_request *r[512];

	w->conf.max_sockets = 2;
	rad_client_conf(w->client, &w->conf, w->now);
	for (unsigned i = 0; i < 512; i++) {
		r[i] = ask(w, i);
		assert_non_null(r[i]);
	}
	assert_null(ask(w, 512));
	assert_int_equal(rad_client_outstanding(w->client), 512);
	rad_client_cancel(w->client, r[300], w->now);
	assert_non_null(ask(w, 513));
	assert_null(ask(w, 514));
	/* Accounting has identifiers of its own: another port. */
	assert_non_null(account(w, 515));
	world_free(w);
}

static void an_identifier_rests_as_long_as_it_can(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	bool seen[256] = {0};

	for (unsigned i = 0; i < 256; i++) {
		struct rad_request *r = ask(w, i);
		assert_false(seen[last(w)->bytes[1]]);
		seen[last(w)->bytes[1]] = true;
		rad_client_cancel(w->client, r, w->now);
	}
	world_free(w);
}

/* ---- configuration --------------------------------------------------------------------------- */

static void without_servers_nothing_is_asked(void **state)
{
	(void)state;
	struct world *w = world_new(0);

	assert_null(ask(w, 1));
	assert_int_equal(w->n_sent, 0);
	world_free(w);
}

static void servers_change_under_way(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	struct rad_answer a;

	assert_non_null(ask(w, 1));
	struct sent first = *last(w);
	/* The first server goes, the second becomes the first, a third comes. */
	w->conf.servers[0] = server(2, "two");
	w->conf.servers[1] = server(3, "three");
	rad_client_conf(w->client, &w->conf, w->now);
	assert_false(reply(w, &first, ACCEPT("one"), &a));
	advance(w, NSEC_MS(10));
	assert_int_equal(w->n_sent, 2);
	struct sent moved = *last(w);
	assert_int_equal(ip_addr_u32(&moved.to.ip), 0xC0000202);
	/* A server that stays keeps what it was asked, under its new place. */
	w->conf.servers[0] = server(3, "three");
	w->conf.servers[1] = server(2, "two");
	rad_client_conf(w->client, &w->conf, w->now);
	assert_true(reply(w, &moved, ACCEPT("two"), &a));
	assert_int_equal(a.cookie, 1);
	/* No server at all: what waits is given up. */
	assert_non_null(ask(w, 2));
	w->conf.n_servers = 0;
	rad_client_conf(w->client, &w->conf, w->now);
	advance(w, NSEC_MS(10));
	assert_int_equal(w->n_timeouts, 1);
	assert_int_equal(w->answer.cookie, 2);
	world_free(w);
}

static void out_of_memory_anywhere_leaks_nothing(void **state)
{
	(void)state;
	for (size_t fail = 0; fail < 12; fail++) {
		struct world *w = world_new(2);
		w->mem.fail_after = w->mem.gets + fail;
		struct rad_request *r = ask(w, 1);
		assert_int_equal(rad_client_outstanding(w->client), r ? 1 : 0);
		advance(w, NSEC_S(120));
		assert_int_equal(rad_client_outstanding(w->client), 0);
		assert_int_equal(rad_client_sockets(w->client), 0);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_reaches_its_request),
		cmocka_unit_test(forged_replies_leave_the_request_waiting),
		cmocka_unit_test(every_truncation_of_a_reply_is_refused),
		cmocka_unit_test(the_switch_lets_old_servers_be),
		cmocka_unit_test(accounting_needs_no_message_authenticator),
		cmocka_unit_test(a_request_is_repeated_with_jitter_and_given_up),
		cmocka_unit_test(requests_do_not_repeat_in_step),
		cmocka_unit_test(the_next_server_is_asked_with_its_own_secret),
		cmocka_unit_test(a_silent_server_is_passed_over_and_comes_back),
		cmocka_unit_test(a_dead_server_is_probed_with_status_server),
		cmocka_unit_test(a_dead_server_is_probed_with_a_test_user),
		cmocka_unit_test(probes_end_with_their_server),
		cmocka_unit_test(servers_may_be_for_one_kind_and_have_a_source),
		cmocka_unit_test(requests_are_listed),
		cmocka_unit_test(a_busy_server_is_not_dead),
		cmocka_unit_test(a_probe_that_is_cancelled_does_not_block_the_server),
		cmocka_unit_test(without_a_dead_time_none_stays_dead),
		cmocka_unit_test(with_all_servers_dead_they_are_still_asked),
		cmocka_unit_test(a_hundred_thousand_outstanding_and_silence),
		cmocka_unit_test(a_storm_waits_for_room_at_the_server),
		cmocka_unit_test(what_waits_may_be_cancelled_and_its_server_may_go),
		cmocka_unit_test(acct_delay_time_is_the_age_and_repetitions_are_equal),
		cmocka_unit_test(identifiers_run_out_and_come_back),
		cmocka_unit_test(an_identifier_rests_as_long_as_it_can),
		cmocka_unit_test(without_servers_nothing_is_asked),
		cmocka_unit_test(servers_change_under_way),
		cmocka_unit_test(out_of_memory_anywhere_leaks_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
