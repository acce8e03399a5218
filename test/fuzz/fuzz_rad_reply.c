/*
 * The RADIUS client against servers that send anything: the input is a list of steps. Some replies
 * are raw, some are signed with the right secret, so that what is behind the authenticators is
 * reached. No answer without a request, and all memory back in the end.
 */
#include <stdlib.h>

#include "radius/rad_accept.h"
#include "radius/rad_auth.h"
#include "radius/rad_client.h"
#include "test_alloc.h"
#include "test_random.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { SLOTS = 16 };

struct sent {
	unsigned sock;
	struct sock_addr to;
	uint8_t id, authenticator[RAD_AUTHENTICATOR];
};

struct world {
	struct test_alloc mem;
	struct test_random random;
	struct counters counters;
	struct rad_client *client;
	struct rad_client_conf conf;
	struct rad_request *waiting[SLOTS]; /* by cookie */
	struct sent sent[SLOTS];
	unsigned n_sent;
	nsec now;
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
	(void)from;
	struct rad_packet p;

	if (!rad_packet_decode(data, &p))
		abort(); /* what we send is well formed */
	struct sent *s = &w->sent[w->n_sent++ % SLOTS];
	*s = (struct sent){.sock = sock, .to = *to, .id = p.id};
	memcpy(s->authenticator, p.authenticator, RAD_AUTHENTICATOR);
}

static void on_close(void *ctx, unsigned sock)
{
	(void)ctx;
	(void)sock;
}

static void on_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static void answered(struct world *w, const struct rad_answer *a)
{
	static const struct rad_terms terms;
	struct rad_accept_key key = {.secret = a->secret};
	struct rad_grant g;

	if (a->cookie >= SLOTS || !w->waiting[a->cookie])
		abort();
	w->waiting[a->cookie] = NULL;
	if (!a->timeout && a->packet.code == RAD_ACCESS_ACCEPT)
		(void)rad_accept_decode(&a->packet, &terms, &key, &g);
}

static void ask(struct world *w, struct span *in)
{
	uint8_t cookie = span_u8(in) % SLOTS, attrs[32];
	struct wbuf b = wbuf_of(attrs, sizeof(attrs));
	struct rad_ask a = {.kind = span_u8(in) % 3 ? RAD_AUTH : RAD_ACCT, .cookie = cookie};

	if (w->waiting[cookie])
		return;
	rad_put_text(&b, RAD_USER_NAME, "nemo");
	a.attrs = wbuf_written(&b);
	if (a.kind == RAD_AUTH)
		a.password = span_str("secret");
	on_random(w, a.authenticator, sizeof(a.authenticator));
	w->waiting[cookie] = rad_client_ask(w->client, &a, w->now);
}

static void cancel(struct world *w, struct span *in)
{
	uint8_t cookie = span_u8(in) % SLOTS;

	if (!w->waiting[cookie])
		return;
	rad_client_cancel(w->client, w->waiting[cookie], w->now);
	w->waiting[cookie] = NULL;
}

static struct span chunk(struct span *in)
{
	size_t n = span_u8(in);
	return span_sub(in, n < in->n ? n : in->n);
}

static void raw_reply(struct world *w, struct span *in)
{
	const struct sent *s = &w->sent[span_u8(in) % SLOTS];
	unsigned sock = s->sock + span_u8(in) % 2;
	struct rad_answer a;

	if (rad_client_rx(w->client, sock, &s->to, chunk(in), w->now, &a))
		answered(w, &a);
}

static void signed_reply(struct world *w, struct span *in)
{
	const struct sent *s = &w->sent[span_u8(in) % SLOTS];
	uint8_t code = span_u8(in), how = span_u8(in), bytes[1024];
	struct wbuf b = wbuf_of(bytes, sizeof(bytes));
	struct rad_answer a;

	rad_put_header(&b, code % 16, s->id, s->authenticator);
	if (how & 1)
		rad_put_message_authenticator(&b);
	wbuf_span(&b, chunk(in));
	if (how & 2)
		rad_put_message_authenticator(&b);
	rad_put_end(&b, 0);
	(void)rad_sign_message(&b, 0, span_str("secret1"), s->authenticator);
	rad_sign_response(&b, 0, span_str("secret1"), s->authenticator);
	if (rad_client_rx(w->client, s->sock, &s->to, wbuf_written(&b), w->now, &a))
		answered(w, &a);
}

static void advance(struct world *w, int64_t ns)
{
	struct rad_answer a;

	w->now = nsec_add(w->now, ns);
	while (rad_client_turn(w->client, w->now, &a))
		answered(w, &a);
}

static void configure(struct world *w, struct span *in)
{
	uint8_t v = span_u8(in);

	w->conf.n_servers = v % 4;
	w->conf.tries = 1 + v / 4 % 4;
	w->conf.dead_time_ms = v & 64 ? 30000 : 0;
	for (unsigned i = 0; i < w->conf.n_servers; i++) {
		struct rad_server_conf *s = &w->conf.servers[i];
		unsigned host = (i + v / 16) % 4;
		for (unsigned kind = 0; kind < RAD_KINDS; kind++)
			s->addr[kind] = (struct sock_addr){.ip = ip_addr_v4(0x0A000001 + host),
							   .port = (uint16_t)(1812 + kind)};
		snprintf(s->secret, sizeof(s->secret), "secret1");
		s->need_message_authenticator = v & 32;
		s->probe = (uint8_t)((i + v / 64) % 3);
		s->not_for[RAD_AUTH] = v & 128 && i == 0;
	}
}

static void step(struct world *w, struct span *in)
{
	switch (span_u8(in) % 6) {
	case 0:
		ask(w, in);
		break;
	case 1:
		cancel(w, in);
		break;
	case 2:
		raw_reply(w, in);
		break;
	case 3:
		signed_reply(w, in);
		break;
	case 4:
		advance(w, NSEC_MS(100) * span_u8(in));
		break;
	default:
		configure(w, in);
		rad_client_conf(w->client, &w->conf, w->now);
	}
}

static unsigned waiting(const struct world *w)
{
	unsigned n = 0;
	for (unsigned i = 0; i < SLOTS; i++)
		n += w->waiting[i] != NULL;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct world *w = calloc(1, sizeof(*w));
	struct span in = span_of(bytes, n);

	if (!w)
		abort();
	test_alloc_init(&w->mem);
	w->conf = (struct rad_client_conf){
		.max_sockets = 2, .timeout_ms = 3000, .timeout_max_ms = 16000, .idle_ms = 10000};
	configure(w, &in);
	struct rad_client_env env = {.alloc = &w->mem.alloc,
				     .counters = &w->counters,
				     .ctx = w,
				     .random = on_random,
				     .send = on_send,
				     .close = on_close,
				     .log = on_log};
	w->client = rad_client_new(&env, &w->conf, w->now);
	while (in.n > 0) {
		step(w, &in);
		if (rad_client_outstanding(w->client) != waiting(w))
			abort();
	}
	/* Probes of a dead server never end. */
	for (unsigned i = 0; i < w->conf.n_servers; i++)
		w->conf.servers[i].probe = RAD_PROBE_REQUEST;
	rad_client_conf(w->client, &w->conf, w->now);
	for (unsigned i = 0; i < 20; i++)
		advance(w, NSEC_S(20));
	if (waiting(w) != 0 || rad_client_sockets(w->client) != 0)
		abort();
	rad_client_free(w->client);
	if (w->mem.blocks != 0)
		abort();
	free(w);
	return 0;
}
