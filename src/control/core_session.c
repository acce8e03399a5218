#include "control/core_priv.h"

#include "base/hash.h"
#include "base/panic.h"

/* ---- user names ------------------------------------------------------------------------------ */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static uint64_t name_hash(const struct core *c, struct span name)
{
	uint8_t text[LNS_USER_MAX];
	size_t n = name.n < sizeof(text) ? name.n : sizeof(text);

	for (size_t i = 0; i < n; i++)
		text[i] = lower(span_u8(&name));
	return hash_bytes(span_of(text, n), c->hash_seed);
}

static bool name_equal(struct span a, struct span b)
{
	if (a.n != b.n)
		return false;
	while (a.n > 0) {
		if (lower(span_u8(&a)) != lower(span_u8(&b)))
			return false;
	}
	return true;
}

struct core_user *core_user_get(const struct core *c, struct span name)
{
	struct hmap_node *node = hmap_first(&c->users_by_name, name_hash(c, name));

	for (; node; node = hmap_next(node)) {
		struct core_user *u = container_of(node, struct core_user, by_name);
		if (name_equal(bstr_span(u->name), name))
			return u;
	}
	return NULL;
}

static struct core_user *user_new(struct core *c, struct span name)
{
	struct core_user *u = alloc_get(c->env.alloc, sizeof(*u));
	if (!u)
		return NULL;
	list_init(&u->sessions);
	u->name = bstr_new(c->env.alloc, name);
	if (!u->name || !hmap_insert(&c->users_by_name, &u->by_name, name_hash(c, name))) {
		bstr_free(c->env.alloc, u->name);
		alloc_put(c->env.alloc, u, sizeof(*u));
		return NULL;
	}
	return u;
}

static void session_unname(struct core *c, struct core_session *s)
{
	struct core_user *u = s->user;
	if (!u)
		return;
	core_memos_skip(c, s, true);
	list_del(&s->of_user);
	s->user = NULL;
	bstr_free(c->env.alloc, s->spelling);
	s->spelling = NULL;
	if (!list_empty(&u->sessions))
		return;
	hmap_remove(&c->users_by_name, &u->by_name);
	bstr_free(c->env.alloc, u->name);
	alloc_put(c->env.alloc, u, sizeof(*u));
}

/* Records have the name as this session said it, whatever others of the user said. */
static bool spell(struct core *c, struct core_session *s, struct span name)
{
	bool differs = !span_equal(bstr_span(s->user->name), name);
	struct bstr *spelling = differs ? bstr_new(c->env.alloc, name) : NULL;

	if (differs && !spelling)
		return false;
	bstr_free(c->env.alloc, s->spelling);
	s->spelling = spelling;
	return true;
}

bool core_session_name(struct core *c, struct core_session *s, struct span name)
{
	if (s->user && name_equal(bstr_span(s->user->name), name))
		return s->counted || spell(c, s, name); /* one name from Start to Stop */
	struct core_user *u = core_user_get(c, name);
	if (!u)
		u = user_new(c, name);
	if (!u)
		return false;
	session_unname(c, s);
	s->user = u;
	list_add_tail(&u->sessions, &s->of_user);
	return spell(c, s, name);
}

struct span core_session_user(const struct core_session *s)
{
	if (s->spelling)
		return bstr_span(s->spelling);
	return s->user ? bstr_span(s->user->name) : span_of(NULL, 0);
}

/* ---- keys and addresses ---------------------------------------------------------------------- */

static uint64_t key_hash(uint16_t tid, uint16_t sid)
{
	return hash_u64((uint64_t)tid << 16 | sid);
}

static uint64_t ip_hash(const struct core *c, const struct ip_addr *ip)
{
	return hash_bytes(span_of(ip->b, sizeof(ip->b)), c->hash_seed);
}

struct core_session *core_session_get(const struct core *c, struct sess_key key)
{
	struct hmap_node *node = hmap_first(&c->sessions_by_key, key_hash(key.tid, key.sid));

	for (; node; node = hmap_next(node)) {
		struct core_session *s = container_of(node, struct core_session, by_key);
		if (sess_key_equal(s->key, key))
			return s;
	}
	return NULL;
}

struct core_session *core_session_get_any(const struct core *c, uint16_t tid, uint16_t sid)
{
	struct hmap_node *node = hmap_first(&c->sessions_by_key, key_hash(tid, sid));
	struct core_session *found = NULL;

	for (; node; node = hmap_next(node)) {
		struct core_session *s = container_of(node, struct core_session, by_key);
		if (s->key.tid != tid || s->key.sid != sid)
			continue;
		if (!found || (found->dying && !s->dying))
			found = s;
	}
	return found;
}

struct core_session *core_session_at(const struct core *c, const struct ip_addr *ip)
{
	struct hmap_node *node = hmap_first(&c->sessions_by_ip, ip_hash(c, ip));

	for (; node; node = hmap_next(node)) {
		struct core_session *s = container_of(node, struct core_session, by_ip);
		if (ip_addr_equal(&s->ip, ip))
			return s;
	}
	return NULL;
}

bool core_session_own_ip(struct core *c, struct core_session *s)
{
	LNS_ASSERT(!s->ip_owned);
	LNS_ASSERT(core_session_at(c, &s->ip) == NULL);
	s->ip_owned = hmap_insert(&c->sessions_by_ip, &s->by_ip, ip_hash(c, &s->ip));
	return s->ip_owned;
}

void core_session_disown_ip(struct core *c, struct core_session *s)
{
	if (s->ip_owned)
		hmap_remove(&c->sessions_by_ip, &s->by_ip);
	s->ip_owned = false;
}

/* ---- numbers -------------------------------------------------------------------------------- */

void core_session_number(struct core *c, struct core_session *s)
{
	if (s->unique_id != 0)
		return;
	s->unique_id = ++c->unique_id ? c->unique_id : ++c->unique_id;
	/* Without memory it lives on: a Disconnect-Request has to name it otherwise. */
	s->has_id = hmap_insert(&c->sessions_by_id, &s->by_id, hash_u64(s->unique_id));
}

void core_session_renumber(struct core *c, struct core_session *s)
{
	if (s->has_id)
		hmap_remove(&c->sessions_by_id, &s->by_id);
	s->has_id = false;
	s->unique_id = 0;
	core_session_number(c, s);
}

/* The first eight digits are our number, all sixteen must be the same. */
static bool number_of(struct span id, uint32_t *number)
{
	*number = 0;
	if (id.n != AAA_SESSION_ID - 1)
		return false;
	for (unsigned i = 0; i < 8; i++) {
		uint8_t digit = span_u8(&id);
		if (digit >= '0' && digit <= '9')
			*number = *number << 4 | (uint32_t)(digit - '0');
		else if (digit >= 'A' && digit <= 'F')
			*number = *number << 4 | (uint32_t)(digit - 'A' + 10);
		else
			return false;
	}
	return true;
}

struct core_session *core_session_by_id(const struct core *c, struct span id)
{
	char text[AAA_SESSION_ID];
	uint32_t number;

	if (!number_of(id, &number))
		return NULL;
	struct hmap_node *node = hmap_first(&c->sessions_by_id, hash_u64(number));
	for (; node; node = hmap_next(node)) {
		struct core_session *s = container_of(node, struct core_session, by_id);
		if (span_equal(id, span_str(aaa_session_id(s, text))))
			return s;
	}
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct bstr *text_new(struct core *c, const struct msg_text *t)
{
	size_t n = t->n < sizeof(t->s) ? t->n : sizeof(t->s);
	return n ? bstr_new(c->env.alloc, span_of(t->s, n)) : NULL;
}

static void session_fill(struct core *c, struct core_session *s, const struct msg_session_new *m,
			 nsec now)
{
	s->key = m->key;
	s->slot = m->slot;
	s->slot_generation = m->slot_generation;
	s->serial = ++c->serial;
	s->opened = now;
	s->opened_wall_s = c->env.wall_clock_s(c->env.ctx);
	s->path = m->path;
	s->peer_tid = m->peer_tid;
	s->peer_sid = m->peer_sid;
	s->call_serial = m->serial;
	s->tx_speed = m->tx_speed;
	s->rx_speed = m->rx_speed;
	/* Without memory for a number the session does without it. */
	s->calling = text_new(c, &m->calling);
	s->called = text_new(c, &m->called);
}

struct core_session *core_session_new(struct core *c, const struct msg_session_new *m, nsec now)
{
	struct core_session *s = alloc_get(c->env.alloc, sizeof(*s));
	if (!s)
		return NULL;
	if (!core_tunnel_add_session(c, m, now)) {
		alloc_put(c->env.alloc, s, sizeof(*s));
		return NULL;
	}
	if (!hmap_insert(&c->sessions_by_key, &s->by_key, key_hash(m->key.tid, m->key.sid))) {
		core_tunnel_del_session(c, m->key.tid);
		alloc_put(c->env.alloc, s, sizeof(*s));
		return NULL;
	}
	list_init(&s->of_user);
	session_fill(c, s, m, now);
	list_add_tail(&c->sessions, &s->by_age);
	return s;
}

void core_session_free(struct core *c, struct core_session *s, nsec now)
{
	const struct alloc *a = c->env.alloc;

	if (s->asked)
		rad_client_cancel(c->radius, s->asked, now);
	aaa_release(c, s, now);
	session_unname(c, s);
	core_memos_skip(c, s, false);
	acct_usage_skip(c, s);
	list_del(&s->by_age);
	hmap_remove(&c->sessions_by_key, &s->by_key);
	if (s->has_id)
		hmap_remove(&c->sessions_by_id, &s->by_id);
	wheel_stop(&c->wheel, &s->interim);
	core_tunnel_del_session(c, s->key.tid);
	bstr_free(a, s->calling);
	bstr_free(a, s->called);
	if (s->release)
		alloc_put(a, s->release, sizeof(*s->release));
	alloc_put(a, s, sizeof(*s));
}
