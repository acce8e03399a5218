#include "control/local_users.h"

#include <stdio.h>

#include "base/crypto.h"
#include "base/hash.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/panic.h"
#include "base/wbuf.h"

/* A subscriber; the strings follow in `bytes`: name, password, NUL. */
struct local_user {
	struct hmap_node by_name;
	struct ip_addr ip; /* unset: from a pool */
	uint8_t n_routes;
	bool crypted; /* the password is a crypt(3) hash */
	uint16_t name_n, password_n;
	struct ip_prefix *routes;
	char bytes[];
};

struct local_users {
	const struct alloc *alloc;
	struct hmap by_name;
};

static const char crypt_prefix[] = "{crypt}";

static size_t user_size(const struct local_user *u)
{
	return sizeof(*u) + u->name_n + u->password_n + 1u;
}

static struct span user_name(const struct local_user *u)
{
	return span_of(u->bytes, u->name_n);
}

static const char *user_password(const struct local_user *u)
{
	return u->bytes + u->name_n;
}

static void user_free(const struct alloc *a, struct local_user *u)
{
	alloc_put(a, u->routes, u->n_routes * sizeof(*u->routes));
	size_t n = user_size(u);
	mem_wipe(u, n);
	alloc_put(a, u, n);
}

static uint64_t name_hash(struct span name)
{
	return hash_bytes(name, 0x6C6F63616C);
}

struct local_users *local_users_new(const struct alloc *a)
{
	struct local_users *u = alloc_get(a, sizeof(*u));
	if (!u)
		return NULL;
	u->alloc = a;
	hmap_init(&u->by_name, a);
	return u;
}

void local_users_free(struct local_users *u)
{
	if (!u)
		return;
	struct hmap_node *node;
	while ((node = hmap_pop(&u->by_name)))
		user_free(u->alloc, container_of(node, struct local_user, by_name));
	hmap_fini(&u->by_name);
	alloc_put(u->alloc, u, sizeof(*u));
}

static struct local_user *user_find(const struct local_users *u, struct span name)
{
	struct hmap_node *node = hmap_first(&u->by_name, name_hash(name));

	for (; node; node = hmap_next(node)) {
		struct local_user *user = container_of(node, struct local_user, by_name);
		if (span_equal(user_name(user), name))
			return user;
	}
	return NULL;
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trimmed(struct span s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		(void)span_u8(&s);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* The bytes before `stop`, which is consumed too; all when it does not come. */
static struct span field(struct span *in, uint8_t stop)
{
	struct span rest = *in;
	size_t n = 0;

	while (rest.n > 0 && span_u8(&rest) != stop)
		n++;
	struct span out = span_sub(in, n);
	if (in->n > 0)
		(void)span_u8(in);
	return out;
}

static bool has_prefix_nocase(struct span s, const char *prefix)
{
	for (; *prefix; prefix++) {
		uint8_t c = span_u8(&s);
		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c - 'A' + 'a');
		if (c != (uint8_t)*prefix)
			return false;
	}
	return true;
}

struct line {
	struct span name, password;
	bool crypted;
	struct ip_addr ip;
	uint8_t n_routes;
	struct ip_prefix routes[LNS_ROUTES_MAX];
};

static bool fail(char err[static 96], const char *why)
{
	snprintf(err, 96, "%s", why);
	return false;
}

static bool parse_routes(struct line *l, struct span text, char err[static 96])
{
	while (text.n > 0) {
		struct span word = trimmed(field(&text, ','));
		struct ip_prefix p;
		if (word.n == 0)
			continue;
		if (!ip_prefix_parse(word, &p) || p.addr.family != 4 || p.len == 0)
			return fail(err, "a route is not an IPv4 network (a.b.c.d/len)");
		if (l->n_routes == LNS_ROUTES_MAX)
			return fail(err, "too many routes");
		l->routes[l->n_routes++] = p;
	}
	return true;
}

static bool parse_line(struct line *l, struct span text, char err[static 96])
{
	struct span rest = text;

	l->name = trimmed(field(&rest, ':'));
	if (l->name.n == text.n || l->name.n == 0)
		return fail(err, "expected name:password[:address[:route,route...]]");
	if (l->name.n > LNS_USER_MAX)
		return fail(err, "the name is too long");
	l->password = field(&rest, ':');
	if (has_prefix_nocase(l->password, crypt_prefix)) {
		(void)span_take(&l->password, sizeof(crypt_prefix) - 1);
		l->crypted = true;
	} else {
		l->crypted = has_prefix_nocase(l->password, "$1$");
	}
	if (l->password.n > 512)
		return fail(err, "the password is too long");
	struct span address = trimmed(field(&rest, ':'));
	if (address.n > 0 && (!ip_addr_parse(address, &l->ip) || l->ip.family != 4))
		return fail(err, "the address is not an IPv4 address");
	if (l->ip.family && ip_addr_u32(&l->ip) == 0)
		l->ip = (struct ip_addr){0};
	return parse_routes(l, trimmed(rest), err);
}

static struct local_user *user_new(const struct alloc *a, const struct line *l)
{
	struct local_user *u = alloc_get(a, sizeof(*u) + l->name.n + l->password.n + 1);
	if (!u)
		return NULL;
	u->name_n = (uint16_t)l->name.n;
	u->password_n = (uint16_t)l->password.n;
	u->crypted = l->crypted;
	u->ip = l->ip;
	struct wbuf w = wbuf_of(u->bytes, l->name.n + l->password.n);
	wbuf_span(&w, l->name);
	wbuf_span(&w, l->password);
	if (l->n_routes) {
		u->routes = alloc_get(a, l->n_routes * sizeof(*u->routes));
		if (!u->routes) {
			user_free(a, u);
			return NULL;
		}
		u->n_routes = l->n_routes;
		memcpy(u->routes, l->routes, l->n_routes * sizeof(*u->routes));
	}
	return u;
}

bool local_users_add_line(struct local_users *u, struct span line, char err[static 96])
{
	struct line l = {0};
	struct span text = trimmed(line);

	if (text.n == 0 || text.p[0] == '#')
		return true;
	if (!parse_line(&l, text, err))
		return false;
	if (user_find(u, l.name))
		return fail(err, "the name stands in the file twice");
	struct local_user *user = user_new(u->alloc, &l);
	if (!user)
		return fail(err, "out of memory");
	if (!hmap_insert(&u->by_name, &user->by_name, name_hash(l.name))) {
		user_free(u->alloc, user);
		return fail(err, "out of memory");
	}
	return true;
}

unsigned local_users_count(const struct local_users *u)
{
	return hmap_count(&u->by_name);
}

/* ---- checking -------------------------------------------------------------------------------- */

static bool pap_is_right(const struct local_user *u, struct span given,
			 bool (*crypt_check)(const char *password, const char *hash))
{
	if (!u->crypted) {
		/* Compared by digest, so that neither length nor bytes can be timed. */
		uint8_t a[MD5_LEN], b[MD5_LEN];
		struct span known = span_of(user_password(u), u->password_n);
		md5_of(a, &known, 1);
		md5_of(b, &given, 1);
		bool same = mem_equal_ct(a, b, MD5_LEN) && known.n == given.n;
		mem_wipe(a, sizeof(a));
		mem_wipe(b, sizeof(b));
		return same;
	}
	char text[LNS_PASSWORD_MAX + 1] = {0};
	size_t n = given.n;
	if (!crypt_check || n > LNS_PASSWORD_MAX)
		return false;
	span_bytes(&given, text, n);
	bool ok = strlen(text) == n && crypt_check(text, user_password(u));
	mem_wipe(text, sizeof(text));
	return ok;
}

/* RFC 1994 4.1: MD5 over identifier, secret, challenge. */
static bool chap_is_right(const struct local_user *u, const struct msg_auth_req *req)
{
	uint8_t expected[MD5_LEN];
	struct span parts[] = {span_of(&req->chap_id, 1), span_of(user_password(u), u->password_n),
			       span_of(req->challenge, req->challenge_len)};

	md5_of(expected, parts, 3);
	bool ok = mem_equal_ct(expected, req->response, MD5_LEN);
	mem_wipe(expected, sizeof(expected));
	return ok;
}

static enum local_verdict check(const struct local_user *u, const struct msg_auth_req *req,
				bool (*crypt_check)(const char *password, const char *hash))
{
	bool ok;

	if (req->proto == AUTH_PAP)
		ok = pap_is_right(u, span_of(req->password, req->password_len), crypt_check);
	else if (req->proto != AUTH_CHAP || u->crypted)
		return LOCAL_NO_CLEARTEXT;
	else
		ok = req->challenge_len <= LNS_CHALLENGE_MAX && chap_is_right(u, req);
	return ok ? LOCAL_ACCEPT : LOCAL_BAD_PASSWORD;
}

enum local_verdict local_users_check(const struct local_users *u, const struct msg_auth_req *req,
				     bool (*crypt_check)(const char *password, const char *hash),
				     struct aaa_profile *profile)
{
	const struct local_user *user = user_find(u, span_of(req->user, req->user_len));
	if (!user)
		return LOCAL_UNKNOWN_USER;

	enum local_verdict v = check(user, req, crypt_check);
	if (v != LOCAL_ACCEPT)
		return v;
	profile->ip = user->ip;
	profile->ip_from_pool = !ip_addr_is_set(&user->ip);
	profile->n_routes = user->n_routes;
	if (user->n_routes)
		memcpy(profile->routes, user->routes, user->n_routes * sizeof(*user->routes));
	return LOCAL_ACCEPT;
}
