#include "peers.h"

#include <string.h>

#include "base/crypto.h"
#include "lac_text.h"
#include "radius_text.h"
#include "test_bytes.h"

enum { SUBSCRIBER_TICK_S = 2 };

/* ---- what the daemon sends ------------------------------------------------------------------ */

static bool is_ignored(const struct stage *s, const char *text)
{
	for (unsigned i = 0; i < s->n_ignore; i++)
		if (strncmp(text, s->ignore[i], strlen(s->ignore[i])) == 0)
			return true;
	return false;
}

static void say(struct stage *s, bool quiet, const struct text *t)
{
	if (s->verbose)
		printf("%10.3f   < %s\n", (double)(world_now(s->world).ns - NSEC_S(1000)) / 1e9,
		       t->s);
	if (is_ignored(s, t->s))
		return;
	if (s->n_lines == LINES_MAX)
		replay_fail("too much was sent");
	struct line *l = malloc(sizeof(*l));
	l->quiet = quiet;
	l->text = *t;
	s->lines[s->n_lines++] = l;
}

static struct peer *peer_at(struct stage *s, const struct l2tp_path *path, uint16_t tid)
{
	struct peer *near = NULL;
	for (unsigned i = 0; i < s->n_peers; i++) {
		struct peer *p = &s->peers[i];
		if (!sock_addr_equal(&p->path.peer, &path->peer))
			continue;
		if (p->tid == tid)
			return p;
		if (!near && tid == 0)
			near = p;
	}
	if (!near)
		replay_fail("sent something to a peer that does not exist (tunnel %u)", tid);
	return near;
}

static void check_response(const struct peer *p, struct span datagram, struct text *t)
{
	struct span response = control_value(datagram, "response");
	uint8_t type = 2, md5[MD5_LEN];
	struct span parts[] = {span_of(&type, 1), span_str(p->secret),
			       span_of(p->our_challenge, p->our_challenge_n)};

	if (p->our_challenge_n == 0)
		return;
	md5_of(md5, parts, 3);
	bool good = response.n == MD5_LEN && memcmp(md5, response.p, MD5_LEN) == 0;
	text_add(t, " auth=%s", good ? "good" : "bad");
}

static void learn_sccrp(struct peer *p, struct span datagram, struct text *t)
{
	struct span tid = control_value(datagram, "tid");
	struct span challenge = control_value(datagram, "challenge");

	p->lns_tid = span_u16(&tid);
	p->challenge_n = challenge.n < sizeof(p->challenge) ? challenge.n : sizeof(p->challenge);
	if (p->challenge_n)
		memcpy(p->challenge, challenge.p, p->challenge_n);
	check_response(p, datagram, t);
}

static void learn_icrp(struct peer *p, const struct control_head *h, struct span datagram)
{
	struct span value = control_value(datagram, "sid");
	uint16_t sid = span_u16(&value);
	for (unsigned i = 0; i < p->n_calls; i++)
		if (p->calls[i].lac_sid == h->sid)
			p->calls[i].lns_sid = sid;
}

static void on_control(void *ctx, const struct l2tp_path *path, struct span datagram)
{
	struct stage *s = ctx;
	struct control_head h;
	struct text t = {.n = 0};

	control_describe(datagram, &h, &t);
	struct peer *p = peer_at(s, path, h.tid);
	if (!p->loses) {
		if (h.type == 2)
			learn_sccrp(p, datagram, &t);
		if (h.type == 10 + 1)
			learn_icrp(p, &h, datagram);
		p->ack_due |= !h.zlb;
		if (!h.zlb && h.ns == p->nr)
			p->nr++;
	}
	text_add(&t, " peer=%s", p->name);
	say(s, h.zlb, &t);
}

static void on_frame(void *ctx, const struct l2tp_path *path, uint16_t peer_tid, uint16_t peer_sid,
		     struct span frame)
{
	struct stage *s = ctx;
	struct peer *p = peer_at(s, path, peer_tid);
	struct call *c = peer_call(p, peer_sid);
	struct text t = {.n = 0};

	if (c->subscriber) {
		sub_rx(c->subscriber, frame);
		if (!s->verbose)
			return;
		struct ppp_memory scratch = {0};
		frame_describe(frame, &scratch, &t);
		printf("%10.3f   < %s\n", (double)(world_now(s->world).ns - NSEC_S(1000)) / 1e9,
		       t.s);
		return;
	}
	frame_describe(frame, &c->memory, &t);
	text_add(&t, " call=%u peer=%s", peer_sid, p->name);
	say(s, false, &t);
}

static void on_tun(void *ctx, struct span packet)
{
	char src[IP_ADDR_TEXT], dst[IP_ADDR_TEXT];
	struct text t = {.n = 0};
	size_t n = packet.n;

	span_take(&packet, 12);
	struct ip_addr from = ip_addr_v4(span_u32(&packet)), to = ip_addr_v4(span_u32(&packet));
	text_add(&t, "tun src=%s dst=%s length=%zu", ip_addr_text(&from, src),
		 ip_addr_text(&to, dst), n);
	say(ctx, false, &t);
}

static void on_radius(void *ctx, unsigned sock, const struct sock_addr *to, struct span packet)
{
	struct stage *s = ctx;
	struct text t = {.n = 0};
	char server[SOCK_ADDR_TEXT];

	radius_describe(packet, span_str(s->radius_secret), &t);
	text_add(&t, " server=%s", sock_addr_text(to, server));
	if (s->n_requests == REQUESTS_MAX || packet.n > sizeof(s->requests[0].bytes))
		replay_fail("too many RADIUS requests");
	struct request *r = &s->requests[s->n_requests++];
	*r = (struct request){.sock = sock, .to = *to, .n = packet.n};
	memcpy(r->bytes, packet.p, packet.n);
	say(s, false, &t);
}

static void on_route(void *ctx, bool add, const struct ip_prefix *p)
{
	struct text t = {.n = 0};
	char prefix[IP_PREFIX_TEXT];

	text_add(&t, "route %s %s", add ? "add" : "del", ip_prefix_text(p, prefix));
	say(ctx, true, &t);
}

static void on_log(void *ctx, uint16_t tid, uint16_t sid, const char *text)
{
	struct text t = {.n = 0};
	(void)tid;
	(void)sid;
	text_add(&t, "log");
	text_add_bytes(&t, "text", (const uint8_t *)text, strlen(text));
	say(ctx, true, &t);
}

struct world_out stage_out(struct stage *s)
{
	return (struct world_out){.ctx = s,
				  .control = on_control,
				  .frame = on_frame,
				  .tun = on_tun,
				  .radius = on_radius,
				  .route = on_route,
				  .log = on_log};
}

/* ---- peers ---------------------------------------------------------------------------------- */

struct peer *stage_peer(struct stage *s, const char *name)
{
	for (unsigned i = 0; i < s->n_peers; i++)
		if (strcmp(s->peers[i].name, name) == 0)
			return &s->peers[i];
	if (s->n_peers == PEERS_MAX || strlen(name) >= sizeof(s->peers[0].name))
		replay_fail("no room for peer %s", name);
	struct peer *p = &s->peers[s->n_peers++];
	*p = (struct peer){
		.tid = (uint16_t)(6 + s->n_peers),
		.auto_ack = true,
		.path = {.local_ip = ip_addr_v4(0xC0000264), /* 192.0.2.100 */
			 .peer = {.ip = ip_addr_v4(0xC0000200 + s->n_peers), .port = 1701}}};
	memcpy(p->name, name, strlen(name) + 1);
	return p;
}

struct call *peer_call(struct peer *p, uint64_t lac_sid)
{
	for (unsigned i = p->n_calls; i-- > 0;)
		if (lac_sid == 0 || p->calls[i].lac_sid == lac_sid)
			return &p->calls[i];
	replay_fail("%s has no call %llu", p->name, (unsigned long long)lac_sid);
}

static struct call *call_new(struct peer *p, const struct words *w)
{
	if (p->n_calls == CALLS_MAX)
		replay_fail("too many calls");
	struct call *c = &p->calls[p->n_calls];
	*c = (struct call){.lac_sid = (uint16_t)words_num(w, "sid", 11 + p->n_calls),
			   .memory = {.next_id = 1}};
	p->n_calls++;
	return c;
}

/* ---- control messages ----------------------------------------------------------------------- */

static const struct {
	const char *name, *words;
} message_defaults[] = {
	{"SCCRQ", "version=0x0100 framing=3 window=16"},
	{"SCCRP", "version=0x0100 framing=3 window=16"},
	{"StopCCN", "result=1"},
	{"ICRQ", "serial=1"},
	{"ICCN", "txspeed=10000000 framingtype=1"},
	{"CDN", "result=1"},
	{"OCRQ", "sid=99 serial=9 minbps=1 maxbps=2 bearertype=1 framingtype=1 called=5"},
	{"OCCN", "txspeed=10000000 framingtype=1"},
	{"WEN", "errors=0x0000000000000000000000000000000000000000000000000000"},
	{"SLI", "accm=0x00000000000000000000"},
};

static void add_default(struct text *t, const char *key, uint64_t value)
{
	text_add(t, " %s=%llu", key, (unsigned long long)value);
}

static void add_response(struct peer *p, struct text *t)
{
	uint8_t type = 3, md5[MD5_LEN];
	struct span parts[] = {span_of(&type, 1), span_str(p->secret),
			       span_of(p->challenge, p->challenge_n)};
	if (p->challenge_n == 0)
		return;
	md5_of(md5, parts, 3);
	text_add_hex(t, "response", md5, MD5_LEN);
}

static void fill_defaults(struct peer *p, const char *name, const struct words *w,
			  struct words *defaults)
{
	struct text t = {.n = 0};
	uint16_t type = control_type(name);

	for (size_t i = 0; i < sizeof(message_defaults) / sizeof(message_defaults[0]); i++)
		if (strcmp(message_defaults[i].name, name) == 0)
			text_add(&t, "%s", message_defaults[i].words);
	if (type == 1 || type == 2)
		text_add(&t, " host=%s", p->name);
	if (type == 1 || type == 2 || type == 4)
		add_default(&t, "tid", p->tid);
	if (type == 3)
		add_response(p, &t);
	if (type == 10)
		add_default(&t, "sid", call_new(p, w)->lac_sid);
	if (type == 14 && p->n_calls)
		add_default(&t, "sid", peer_call(p, words_num(w, "call", 0))->lac_sid);
	if (!words_read(defaults, t.s))
		replay_fail("defaults of %s", name);
}

static uint16_t session_of(struct peer *p, uint16_t type, const struct words *w)
{
	bool about_call =
		type == 8 || type == 9 || type == 12 || type == 14 || type == 15 || type == 16;
	return about_call && p->n_calls ? peer_call(p, words_num(w, "call", 0))->lns_sid : 0;
}

static void remember_challenge(struct peer *p, const struct words *w)
{
	const char *text = words_get(w, "challenge");
	if (text)
		p->our_challenge_n = test_unhex(text + (strncmp(text, "0x", 2) == 0 ? 2 : 0),
						p->our_challenge, sizeof(p->our_challenge));
}

static void send_control(struct stage *s, struct peer *p, const struct words *w, unsigned first)
{
	const char *name = w->word[first];
	struct control_head h = {.zlb = strcmp(name, "ZLB") == 0};
	struct words defaults;
	uint8_t bytes[1500];
	struct wbuf out = wbuf_of(bytes, sizeof(bytes));
	struct control_secret secret = {.secret = span_str(p->secret),
					.random_vector = "a random vector"};

	h.type = strcmp(name, "MSG") == 0 ? (uint16_t)words_num(w, "type", 0) : control_type(name);
	if (!h.zlb && h.type == 0)
		replay_fail("no such message: %s", name);
	fill_defaults(p, name, w, &defaults);
	h.tid = (uint16_t)words_num(w, "htid", h.type == 1 ? 0 : p->lns_tid);
	h.sid = (uint16_t)words_num(w, "hsid", session_of(p, h.type, w));
	h.nr = (uint16_t)words_num(w, "nr", p->nr);
	h.ns = (uint16_t)words_num(w, "ns", p->ns);
	if (!h.zlb && !words_get(w, "ns"))
		p->ns++;
	p->ack_due = false;
	remember_challenge(p, w);
	control_write(&out, &h, name, w, &defaults, &secret);
	if (out.bad)
		replay_fail("the message is too long");
	world_rx(s->world, &p->path, wbuf_written(&out));
}

/* ---- data messages -------------------------------------------------------------------------- */

static void begin_data(struct wbuf *out, const struct peer *p, const struct call *c,
		       const struct words *w)
{
	bool length = w && words_has(w, "with-length"), numbered = w && words_has(w, "numbered"),
	     offset = w && words_has(w, "with-offset");
	wbuf_u16(out, (uint16_t)(0x0002 | length * 0x4000 | numbered * 0x0800 | offset * 0x0200));
	if (length)
		wbuf_u16(out, 0);
	wbuf_u16(out, w ? (uint16_t)words_num(w, "htid", p->lns_tid) : p->lns_tid);
	wbuf_u16(out, w ? (uint16_t)words_num(w, "hsid", c->lns_sid) : c->lns_sid);
	if (numbered)
		wbuf_u32(out, 0x00010000);
	if (offset)
		wbuf_u32(out, 0x00020000); /* two bytes to skip */
	if (!w || !words_has(w, "acfc-frame"))
		wbuf_u16(out, 0xFF03);
}

static void send_frame(struct stage *s, struct peer *p, const struct words *w, unsigned first)
{
	struct call *c = peer_call(p, words_num(w, "call", 0));
	uint8_t bytes[PPP_FRAME_MAX + 16];
	struct wbuf out = wbuf_of(bytes, sizeof(bytes));

	begin_data(&out, p, c, w);
	frame_write(&out, &c->memory, w, first);
	if (words_has(w, "with-length"))
		wbuf_patch_u16(&out, 2, (uint16_t)out.n);
	world_rx(s->world, &p->path, wbuf_written(&out));
}

/* tun src=A dst=B length=N: an IP packet from the subscriber. */
static void send_ip(struct stage *s, struct peer *p, const struct words *w)
{
	struct call *c = peer_call(p, words_num(w, "call", 0));
	uint8_t bytes[PPP_FRAME_MAX + 16];
	struct wbuf out = wbuf_of(bytes, sizeof(bytes));
	struct ip_addr src, dst;
	uint64_t length = words_num(w, "length", 28);

	if (!words_get(w, "src") || !words_get(w, "dst") ||
	    !ip_addr_parse(span_str(words_get(w, "src")), &src) ||
	    !ip_addr_parse(span_str(words_get(w, "dst")), &dst) || length < 20 || length > 1500)
		replay_fail("packet src=A dst=B length=N expected");
	begin_data(&out, p, c, w);
	wbuf_u16(&out, 0x0021);
	wbuf_u16(&out, 0x4500);
	wbuf_u16(&out, (uint16_t)length);
	wbuf_u32(&out, 0);
	wbuf_u8(&out, 64);
	wbuf_u8(&out, 17);
	wbuf_u16(&out, 0);
	wbuf_u32(&out, ip_addr_u32(&src));
	wbuf_u32(&out, ip_addr_u32(&dst));
	for (uint64_t i = 20; i < length; i++)
		wbuf_u8(&out, 0);
	world_rx(s->world, &p->path, wbuf_written(&out));
}

static void send_raw(struct stage *s, struct peer *p, const struct words *w)
{
	uint8_t bytes[2048];
	const char *data = words_get(w, "data");
	world_rx(s->world, &p->path,
		 span_of(bytes, test_unhex(data ? data : "", bytes, sizeof(bytes))));
}

void stage_send(struct stage *s, struct peer *p, const struct words *w, unsigned first)
{
	const char *name = w->word[first];

	if (strcmp(name, "raw") == 0)
		send_raw(s, p, w);
	else if (strcmp(name, "packet") == 0)
		send_ip(s, p, w);
	else if (frame_is_ppp(name))
		send_frame(s, p, w, first);
	else
		send_control(s, p, w, first);
	stage_react(s);
}

/* ---- what happens by itself ----------------------------------------------------------------- */

void stage_subscribe(struct stage *s, struct call *c, const struct words *w)
{
	struct subscriber *sub = calloc(1, sizeof(*sub));
	const char *user = words_get(w, "user"), *pass = words_get(w, "pass");

	sub_init(sub, strdup(user ? user : ""), strdup(pass ? pass : ""));
	sub->reject_all = words_has(w, "reject_all");
	sub->nak_all = words_has(w, "nak_all");
	sub->refuse_auth = words_has(w, "refuse_auth");
	sub->every_second = words_has(w, "every_second");
	sub->mute = words_has(w, "mute");
	sub->ask_dns = words_has(w, "ask_dns");
	if (words_has(w, "only_pap"))
		sub->only_auth = 0xC023;
	if (words_has(w, "only_chap"))
		sub->only_auth = 0xC223;
	c->subscriber = sub;
	c->tick = nsec_add(world_now(s->world), NSEC_S(SUBSCRIBER_TICK_S));
	if (!words_has(w, "waits"))
		sub_dial(sub);
	stage_react(s);
}

static bool subscriber_speaks(struct stage *s, struct peer *p, struct call *c)
{
	struct sub_frame f;
	uint8_t bytes[SUB_FRAME + 16];
	struct wbuf out = wbuf_of(bytes, sizeof(bytes));

	if (!c->subscriber || !sub_take(c->subscriber, &f))
		return false;
	wbuf_u16(&out, 0x0002);
	wbuf_u16(&out, p->lns_tid);
	wbuf_u16(&out, c->lns_sid);
	wbuf_bytes(&out, f.b, f.n);
	if (s->verbose)
		printf("%10.3f     %s call %u > frame of %u bytes\n",
		       (double)(world_now(s->world).ns - NSEC_S(1000)) / 1e9, p->name, c->lac_sid,
		       f.n);
	world_rx(s->world, &p->path, wbuf_written(&out));
	return true;
}

static bool peer_acts(struct stage *s, struct peer *p)
{
	struct words zlb;
	bool acted = false;

	if (p->auto_ack && p->ack_due && words_read(&zlb, "ZLB")) {
		send_control(s, p, &zlb, 0);
		acted = true;
	}
	for (unsigned i = 0; i < p->n_calls; i++)
		acted |= subscriber_speaks(s, p, &p->calls[i]);
	return acted;
}

void stage_react(struct stage *s)
{
	bool acted = true;
	for (int rounds = 0; acted; rounds++) {
		if (rounds == 10000)
			replay_fail("the conversation does not come to an end");
		acted = false;
		for (unsigned i = 0; i < s->n_peers; i++)
			acted |= peer_acts(s, &s->peers[i]);
	}
}

static nsec next_tick(struct stage *s, nsec until)
{
	for (unsigned i = 0; i < s->n_peers; i++)
		for (unsigned k = 0; k < s->peers[i].n_calls; k++)
			if (s->peers[i].calls[k].subscriber)
				until = nsec_min(until, s->peers[i].calls[k].tick);
	return until;
}

static void ticks(struct stage *s)
{
	nsec now = world_now(s->world);
	for (unsigned i = 0; i < s->n_peers; i++)
		for (unsigned k = 0; k < s->peers[i].n_calls; k++) {
			struct call *c = &s->peers[i].calls[k];
			if (!c->subscriber || nsec_before(now, c->tick))
				continue;
			c->tick = nsec_add(now, NSEC_S(SUBSCRIBER_TICK_S));
			sub_tick(c->subscriber);
		}
}

void stage_advance(struct stage *s, int64_t ns)
{
	nsec end = nsec_add(world_now(s->world), ns);
	bool more = true;

	while (more || nsec_before(world_now(s->world), end)) {
		more = world_step(s->world, next_tick(s, end));
		stage_react(s);
		ticks(s);
		stage_react(s);
	}
}

void stage_answer_radius(struct stage *s, const struct words *w)
{
	uint8_t bytes[4096];
	struct wbuf out = wbuf_of(bytes, sizeof(bytes));

	if (s->n_requests == 0)
		replay_fail("there is no RADIUS request to answer");
	struct request r = s->requests[0];
	s->n_requests--;
	memmove(&s->requests[0], &s->requests[1], s->n_requests * sizeof(r));
	radius_answer(&out, span_of(r.bytes, r.n), span_str(s->radius_secret), w);
	world_radius(s->world, r.sock, &r.to, wbuf_written(&out));
	stage_react(s);
}

void stage_free(struct stage *s)
{
	for (unsigned i = 0; i < s->n_lines; i++)
		free(s->lines[i]);
	for (unsigned i = 0; i < s->n_peers; i++)
		for (unsigned k = 0; k < s->peers[i].n_calls; k++) {
			struct subscriber *sub = s->peers[i].calls[k].subscriber;
			if (sub) {
				free((char *)(uintptr_t)sub->user);
				free((char *)(uintptr_t)sub->password);
			}
			free(sub);
		}
	if (s->world)
		world_free(s->world);
}
