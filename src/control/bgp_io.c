#include "control/bgp_io.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "control/conf_bgp.h"
#include "control/log_sink.h"

enum {
	LISTENER_V4 = 0xFFF0, /* numbers of events; below them: slot * 2 + side */
	LISTENER_V6 = 0xFFF1,
	READ_BYTES = 32 * 1024,
	READS_PER_EVENT = 4, /* a neighbour that floods waits for its next turn */
	FILLS_PER_TURN = 8,
	BACKLOG = 32,
	TTL_MAX = 255,
};

struct link {
	int fd;	      /* -1: none */
	bool writing; /* EPOLLOUT is asked for */
	bool failed;  /* to be told to the machine in the next turn */
};

struct bgp_io {
	const struct alloc *alloc;
	int epoll_fd;
	uint64_t tag;
	struct bgp_env env;
	struct bgp_speaker speaker;
	struct bgp_conf conf;
	int listener[2]; /* IPv4, IPv6; -1 */
	struct link links[BGP_PEERS_MAX][BGP_SIDES];
	uint8_t bytes[READ_BYTES];
};

/* ---- addresses ------------------------------------------------------------------------------- */

static socklen_t to_sockaddr(const struct ip_addr *ip, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (ip->family == 6) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		memcpy(&v6->sin6_addr, ip->b, 16);
		return sizeof(*v6);
	}
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	memcpy(&v4->sin_addr, ip->b, 4);
	return sizeof(*v4);
}

static struct ip_addr from_sockaddr(const struct sockaddr *s)
{
	struct ip_addr ip = {0};

	if (s->sa_family == AF_INET) {
		ip.family = 4;
		memcpy(ip.b, &((const struct sockaddr_in *)(const void *)s)->sin_addr, 4);
	} else if (s->sa_family == AF_INET6) {
		ip.family = 6;
		memcpy(ip.b, &((const struct sockaddr_in6 *)(const void *)s)->sin6_addr, 16);
	}
	return ip;
}

static struct ip_addr local_of(int fd)
{
	struct sockaddr_storage s = {0};
	socklen_t n = sizeof(s);

	getsockname(fd, (struct sockaddr *)&s, &n);
	return from_sockaddr((struct sockaddr *)&s);
}

/* The highest address of an interface, when nothing else says who we are (RFC 4271 section 1.1:
 * any of our addresses). */
static struct ip_addr some_address(void)
{
	struct ifaddrs *all, *i;
	struct ip_addr best = {0};

	if (getifaddrs(&all) != 0)
		return best;
	for (i = all; i; i = i->ifa_next) {
		struct ip_addr ip = i->ifa_addr ? from_sockaddr(i->ifa_addr) : best;
		if (ip.family == 4 && ip.b[0] != 127 && ip_addr_u32(&ip) > ip_addr_u32(&best))
			best = ip;
	}
	freeifaddrs(all);
	return best;
}

/* ---- socket options -------------------------------------------------------------------------- */

static void complain(const struct bgp_peer *p, const char *what)
{
	log_sink_printf(LOG_ERROR, "bgp: %.200s: %s: %s", p->conf.name, what, strerror(errno));
}

static bool set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/* An empty password takes the key away. */
static bool set_md5(int fd, const struct ip_addr *to, const char *password)
{
	struct tcp_md5sig key = {0};
	struct sockaddr_storage address;

	to_sockaddr(to, 0, &address);
	memcpy(&key.tcpm_addr, &address, sizeof(address));
	key.tcpm_keylen = (uint16_t)strlen(password);
	memcpy(key.tcpm_key, password, key.tcpm_keylen);
	bool done = setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)) == 0;
	mem_wipe(&key, sizeof(key));
	return done || (password[0] == '\0' && errno == ENOENT);
}

/* TTL of what we send, and the lowest that we take. -1 is the system's choice. */
static bool set_ttl(int fd, unsigned family, const struct bgp_session_conf *s)
{
	int level = family == 6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int ttl_option = family == 6 ? IPV6_UNICAST_HOPS : IP_TTL;
	int min_option = family == 6 ? IPV6_MINHOPCOUNT : IP_MINTTL;

	if (s->gtsm_hops)
		return set_int(fd, level, ttl_option, TTL_MAX) &&
		       set_int(fd, level, min_option, TTL_MAX + 1 - s->gtsm_hops);
	return set_int(fd, level, ttl_option, s->ttl ? s->ttl : -1);
}

/* ---- one connection -------------------------------------------------------------------------- */

static struct link *link_of(struct bgp_io *io, const struct bgp_peer *p, enum bgp_side side)
{
	return &io->links[p->slot][side];
}

static bool watch(struct bgp_io *io, int op, int fd, unsigned number, bool writing)
{
	struct epoll_event e = {.events = EPOLLIN | (writing ? EPOLLOUT : 0u),
				.data.u64 = io->tag | number};
	return epoll_ctl(io->epoll_fd, op, fd, &e) == 0;
}

static bool link_begin(struct bgp_io *io, const struct bgp_peer *p, enum bgp_side side, int fd)
{
	struct link *l = link_of(io, p, side);

	LNS_ASSERT(l->fd < 0);
	*l = (struct link){.fd = fd, .writing = true};
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return watch(io, EPOLL_CTL_ADD, fd, p->slot * BGP_SIDES + side, true);
}

static void link_end(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	*l = (struct link){.fd = -1};
}

/* Asks for EPOLLOUT while there is something to write, or a connection to be made. */
static void link_interest(struct bgp_io *io, const struct bgp_peer *p, enum bgp_side side)
{
	struct link *l = link_of(io, p, side);
	bool writing = p->conns[side].state == BGP_STATE_CONNECT || bgp_peer_pending(p, side).n > 0;

	if (l->fd < 0 || l->writing == writing)
		return;
	l->writing = writing;
	watch(io, EPOLL_CTL_MOD, l->fd, p->slot * BGP_SIDES + side, writing);
}

static bool would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* False: the connection failed. */
static bool link_write(struct bgp_io *io, struct bgp_peer *p, enum bgp_side side, nsec now)
{
	struct link *l = link_of(io, p, side);
	struct span s;

	while ((s = bgp_peer_pending(p, side)).n > 0) {
		ssize_t n = send(l->fd, s.p, s.n, MSG_NOSIGNAL);
		if (n <= 0)
			return n < 0 && would_block();
		bgp_peer_sent(p, side, (size_t)n, now);
	}
	return true;
}

static void link_failed(struct bgp_io *io, struct bgp_peer *p, enum bgp_side side, nsec now)
{
	link_end(link_of(io, p, side));
	bgp_peer_closed(p, side, now);
}

static void link_read(struct bgp_io *io, struct bgp_peer *p, enum bgp_side side, nsec now)
{
	struct link *l = link_of(io, p, side);

	for (unsigned i = 0; i < READS_PER_EVENT && l->fd >= 0; i++) {
		ssize_t n = recv(l->fd, io->bytes, sizeof(io->bytes), 0);
		if (n < 0 && would_block())
			return;
		if (n <= 0) {
			link_failed(io, p, side, now);
			return;
		}
		bgp_peer_rx(p, side, span_of(io->bytes, (size_t)n), now);
	}
}

/* ---- what the machine asks for --------------------------------------------------------------- */

static uint32_t env_random(void *ctx)
{
	(void)ctx;
	return arc4random();
}

static void env_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	log_sink_write(level, 0, 0, text);
}

static bool connect_to(struct bgp_io *io, struct bgp_peer *p, int fd)
{
	const struct bgp_session_conf *s = &p->conf.session;
	struct sockaddr_storage address;
	socklen_t n;

	if (ip_addr_is_set(&s->source)) {
		n = to_sockaddr(&s->source, 0, &address);
		if (bind(fd, (struct sockaddr *)&address, n) != 0) {
			complain(p, "update-source");
			return false;
		}
	}
	if (s->password[0] && !set_md5(fd, &s->addr, s->password)) {
		complain(p, "password");
		return false;
	}
	if (!set_ttl(fd, s->addr.family, s))
		complain(p, "TTL");
	n = to_sockaddr(&s->addr, s->port, &address);
	if (connect(fd, (struct sockaddr *)&address, n) != 0 && errno != EINPROGRESS)
		return false;
	return link_begin(io, p, BGP_OUT, fd);
}

static void env_connect(void *ctx, struct bgp_peer *p)
{
	struct bgp_io *io = ctx;
	int family = p->conf.session.addr.family == 6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd >= 0 && connect_to(io, p, fd))
		return;
	struct link *l = link_of(io, p, BGP_OUT);
	if (fd >= 0 && l->fd != fd)
		close(fd);
	link_end(l);
	l->failed = true;
}

/* What has arrived is read before the socket is closed: else the kernel would reset the connection
 * and the neighbour might never see our last message. */
static void env_close(void *ctx, struct bgp_peer *p, enum bgp_side side)
{
	struct bgp_io *io = ctx;
	struct link *l = link_of(io, p, side);
	struct span s = bgp_peer_pending(p, side);

	l->failed = false;
	if (l->fd < 0)
		return;
	if (s.n > 0 && send(l->fd, s.p, s.n, MSG_NOSIGNAL) > 0)
		shutdown(l->fd, SHUT_WR);
	for (unsigned i = 0; i < READS_PER_EVENT; i++)
		if (recv(l->fd, io->bytes, sizeof(io->bytes), 0) <= 0)
			break;
	link_end(l);
}

/* ---- the listener ---------------------------------------------------------------------------- */

static int listen_on(unsigned family)
{
	struct ip_addr any = {.family = (uint8_t)family};
	struct sockaddr_storage address;
	socklen_t n = to_sockaddr(&any, BGP_PORT, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -1;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	/* A neighbour with TTL security wants 255 in the answer to its SYN already. */
	if (family == 6) {
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, TTL_MAX);
	} else {
		set_int(fd, IPPROTO_IP, IP_TTL, TTL_MAX);
	}
	if (bind(fd, (struct sockaddr *)&address, n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	log_sink_printf(LOG_ERROR, "bgp: neighbours cannot connect: port %d: %s", BGP_PORT,
			strerror(errno));
	close(fd);
	return -1;
}

static void listeners_update(struct bgp_io *io, bool on)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!on && io->listener[i] >= 0) {
			close(io->listener[i]);
			io->listener[i] = -1;
		}
		if (!on || io->listener[i] >= 0)
			continue;
		io->listener[i] = listen_on(i ? 6 : 4);
		if (io->listener[i] >= 0)
			watch(io, EPOLL_CTL_ADD, io->listener[i], LISTENER_V4 + i, false);
	}
}

static void passwords_update(struct bgp_io *io)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(&io->speaker, p))) {
		const struct bgp_session_conf *s = &p->conf.session;
		int fd = io->listener[s->addr.family == 6];
		if (fd >= 0 && ip_addr_is_set(&s->addr) && !set_md5(fd, &s->addr, s->password))
			complain(p, "password");
	}
}

static void accept_one(struct bgp_io *io, int fd, const struct ip_addr *from, nsec now)
{
	struct bgp_peer *p = bgp_speaker_by_addr(&io->speaker, from);
	struct ip_addr local = local_of(fd);

	if (!p || !set_ttl(fd, from->family, &p->conf.session) ||
	    !bgp_peer_accepted(p, &local, now)) {
		close(fd);
		return;
	}
	if (!link_begin(io, p, BGP_IN, fd))
		link_failed(io, p, BGP_IN, now);
}

static void take_connections(struct bgp_io *io, int listener, nsec now)
{
	for (unsigned i = 0; i < BACKLOG; i++) {
		struct sockaddr_storage s;
		socklen_t n = sizeof(s);
		int fd = accept4(listener, (struct sockaddr *)&s, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct ip_addr from = from_sockaddr((struct sockaddr *)&s);
		accept_one(io, fd, &from, now);
	}
}

/* ---- events ---------------------------------------------------------------------------------- */

static struct bgp_peer *by_slot(struct bgp_io *io, unsigned slot)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(&io->speaker, p)))
		if (p->slot == slot)
			return p;
	return NULL;
}

static void take_connected(struct bgp_io *io, struct bgp_peer *p, nsec now)
{
	struct link *l = link_of(io, p, BGP_OUT);
	struct sockaddr_storage s;
	socklen_t n = sizeof(s), n_error = sizeof(int);
	int error = 0;

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n_error) != 0 || error != 0) {
		link_failed(io, p, BGP_OUT, now);
		return;
	}
	if (getpeername(l->fd, (struct sockaddr *)&s, &n) != 0)
		return; /* not yet */
	struct ip_addr local = local_of(l->fd);
	bgp_peer_connected(p, &local, now);
}

void bgp_io_event(struct bgp_io *io, unsigned what, nsec now)
{
	if (what == LISTENER_V4 || what == LISTENER_V6) {
		int fd = io->listener[what - LISTENER_V4];
		if (fd >= 0)
			take_connections(io, fd, now);
		return;
	}
	struct bgp_peer *p = by_slot(io, what / BGP_SIDES);
	enum bgp_side side = (enum bgp_side)(what % BGP_SIDES);
	if (!p || link_of(io, p, side)->fd < 0)
		return;
	if (p->conns[side].state == BGP_STATE_CONNECT)
		take_connected(io, p, now);
	else
		link_read(io, p, side, now);
}

static void peer_write(struct bgp_io *io, struct bgp_peer *p, nsec now)
{
	for (enum bgp_side side = 0; side < BGP_SIDES; side++) {
		if (link_of(io, p, side)->failed) {
			link_of(io, p, side)->failed = false;
			bgp_peer_closed(p, side, now);
			continue;
		}
		for (unsigned i = 0; i < FILLS_PER_TURN; i++) {
			if (bgp_peer_pending(p, side).n == 0)
				break;
			if (!link_write(io, p, side, now)) {
				link_failed(io, p, side, now);
				break;
			}
			if (p->up == side)
				bgp_peer_fill(p, now);
		}
		link_interest(io, p, side);
	}
}

nsec bgp_io_turn(struct bgp_io *io, nsec now)
{
	nsec next = bgp_speaker_turn(&io->speaker, now);
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(&io->speaker, p))) {
		bool failed = link_of(io, p, BGP_OUT)->failed;
		peer_write(io, p, now);
		if (failed)
			next = nsec_min(next, p->retry_at);
	}
	return next;
}

/* ---- configuration --------------------------------------------------------------------------- */

/* Names are looked up once: a neighbour that is known keeps its address. */
static void resolve(struct bgp_io *io, struct bgp_peer_conf *c)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(&io->speaker, p)))
		if (strcmp(p->conf.name, c->name) == 0)
			c->session.addr = p->conf.session.addr;
	if (ip_addr_is_set(&c->session.addr))
		return;
	int why = getaddrinfo(c->name, NULL, &hints, &found);
	if (why != 0) {
		log_sink_printf(LOG_ERROR, "bgp: %.200s: %s", c->name, gai_strerror(why));
		return;
	}
	c->session.addr = from_sockaddr(found->ai_addr);
	freeaddrinfo(found);
}

void bgp_io_conf(struct bgp_io *io, const struct conf *conf, nsec now)
{
	conf_to_bgp(conf, &io->conf);
	if (io->conf.as && !ip_addr_is_set(&io->conf.router_id))
		io->conf.router_id = some_address();
	for (unsigned i = 0; i < io->conf.n_peers; i++)
		resolve(io, &io->conf.peers[i]);
	if (!bgp_speaker_conf(&io->speaker, &io->conf, now))
		log_sink_write(LOG_ERROR, 0, 0, "bgp: out of memory: neighbours are missing");
	listeners_update(io, io->conf.as != 0);
	passwords_update(io);
	mem_wipe(&io->conf, sizeof(io->conf));
}

bool bgp_io_is_on(const struct bgp_io *io)
{
	return io->speaker.as != 0;
}

void bgp_io_route(struct bgp_io *io, bool add, const struct ip_prefix *p)
{
	char text[IP_PREFIX_TEXT];

	if (!add)
		bgp_rib_remove(&io->speaker.rib, p);
	else if (!bgp_rib_add(&io->speaker.rib, p))
		log_sink_printf(LOG_ERROR, "bgp: out of memory: %s is not announced",
				ip_prefix_text(p, text));
}

void bgp_io_network(struct bgp_io *io, bool add, const struct ip_prefix *p)
{
	char text[IP_PREFIX_TEXT];

	if (!bgp_rib_network(&io->speaker.rib, p, add))
		log_sink_printf(LOG_ERROR, "bgp: out of memory: %s is not announced",
				ip_prefix_text(p, text));
}

struct bgp_speaker *bgp_io_speaker(struct bgp_io *io)
{
	return &io->speaker;
}

/* ---- begin and end --------------------------------------------------------------------------- */

struct bgp_io *bgp_io_new(const struct alloc *a, int epoll_fd, uint64_t tag, nsec now)
{
	struct bgp_io *io = alloc_get(a, sizeof(*io));
	uint64_t seed;

	if (!io)
		return NULL;
	arc4random_buf(&seed, sizeof(seed));
	io->alloc = a;
	io->epoll_fd = epoll_fd;
	io->tag = tag;
	io->listener[0] = io->listener[1] = -1;
	for (unsigned slot = 0; slot < BGP_PEERS_MAX; slot++)
		for (enum bgp_side side = 0; side < BGP_SIDES; side++)
			io->links[slot][side].fd = -1;
	io->env = (struct bgp_env){.ctx = io,
				   .alloc = a,
				   .random = env_random,
				   .connect = env_connect,
				   .close = env_close,
				   .log = env_log};
	bgp_speaker_init(&io->speaker, &io->env, seed, now);
	return io;
}

void bgp_io_drain(struct bgp_io *io, bool restart)
{
	bgp_speaker_drain(&io->speaker, restart);
}

bool bgp_io_is_drained(const struct bgp_io *io)
{
	return bgp_speaker_is_idle(&io->speaker);
}

void bgp_io_leave(struct bgp_io *io, bool restart)
{
	bgp_speaker_leave(&io->speaker, restart);
}

void bgp_io_free(struct bgp_io *io)
{
	if (!io)
		return;
	listeners_update(io, false);
	bgp_speaker_fini(&io->speaker);
	alloc_put(io->alloc, io, sizeof(*io));
}
