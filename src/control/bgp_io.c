#include "control/bgp_io.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "control/bgp_sock.h"
#include "control/conf_bgp.h"
#include "control/log_sink.h"
#include "control/resolver.h"

enum {
	LISTENER_V4, /* numbers of events */
	LISTENER_V6,
	RESOLVER,
	FIRST_LINK = 16, /* and slot * 2 + side */
	READ_BYTES = 32 * 1024,
	READS_PER_EVENT = 4,
	READ_RATE = 4 * 1024 * 1024, /* bytes per second of one neighbour */
	READ_AHEAD_MS = 250,	     /* so much of a flood at once, then it waits */
	ACCEPTS_PER_EVENT = 32,
	LOOK_UP_AGAIN_S = 30,
};

struct link {
	int fd;		/* -1: none */
	uint32_t asked; /* events of epoll */
	bool failed;	/* to be told to the machine in the next turn */
	bool waits;	/* its flood is left in the kernel */
	nsec paid_at;	/* when what it has sent will be within the rate */
};

struct sockets {
	struct link links[BGP_SIDES];
	bool unguarded; /* the listener could not take its password */
};

struct bgp_io {
	const struct alloc *alloc;
	int epoll_fd;
	uint64_t tag;
	struct bgp_env env;
	struct bgp_speaker speaker;
	struct bgp_conf conf;
	struct counters *counters;
	struct resolver *resolver; /* started with the first name */
	nsec look_up_at;
	unsigned n_networks;
	struct ip_prefix networks[BGP_NETWORKS_MAX]; /* of the configuration */
	int listener[2];			     /* IPv4, IPv6; -1 */
	unsigned n_sockets;
	struct sockets *sockets; /* by bgp_peer.slot */
	uint8_t bytes[READ_BYTES];
};

static void complain(const struct bgp_peer *p, const char *what)
{
	log_sink_printf(LOG_ERROR, "bgp: %.200s: %s: %s", p->conf.name, what, strerror(errno));
}

/* ---- one connection -------------------------------------------------------------------------- */

static struct link *link_of(struct bgp_io *io, const struct bgp_peer *p, enum bgp_side side)
{
	return &io->sockets[p->slot].links[side];
}

static unsigned event_of(const struct bgp_peer *p, enum bgp_side side)
{
	return FIRST_LINK + p->slot * BGP_SIDES + side;
}

static bool watch(struct bgp_io *io, int op, int fd, unsigned number, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = io->tag | number};
	return epoll_ctl(io->epoll_fd, op, fd, &e) == 0;
}

static bool link_begin(struct bgp_io *io, const struct bgp_peer *p, enum bgp_side side, int fd)
{
	struct link *l = link_of(io, p, side);

	LNS_ASSERT(l->fd < 0);
	*l = (struct link){.fd = fd, .asked = EPOLLIN | EPOLLOUT};
	bgp_sock_nodelay(fd);
	return watch(io, EPOLL_CTL_ADD, fd, event_of(p, side), l->asked);
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
	/* One that waits is told only once, by the edge, that the other side has gone. */
	uint32_t events = (l->waits ? EPOLLET : EPOLLIN) | (writing ? EPOLLOUT : 0u);

	if (l->fd < 0 || l->asked == events)
		return;
	l->asked = events;
	watch(io, EPOLL_CTL_MOD, l->fd, event_of(p, side), events);
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

/* Counts what was read against the rate; beyond it the rest waits, and TCP's window closes. */
static void link_pay(struct bgp_io *io, struct link *l, size_t n, nsec now)
{
	int64_t ns = (int64_t)n * NSEC_S(1) / READ_RATE;

	l->paid_at = nsec_add(nsec_max(l->paid_at, now), ns);
	if (l->waits || nsec_sub(l->paid_at, now) <= NSEC_MS(READ_AHEAD_MS))
		return;
	l->waits = true;
	counter_add(io->counters, C_BGP_THROTTLED, 1);
}

/* Goes on when half of it is within the rate; returns when that is. */
static nsec link_resume(struct link *l, nsec now)
{
	nsec at = nsec_add(l->paid_at, -NSEC_MS(READ_AHEAD_MS / 2));

	if (!l->waits)
		return NSEC_NEVER;
	l->waits = !nsec_reached(at, now);
	return l->waits ? at : NSEC_NEVER;
}

static void link_read(struct bgp_io *io, struct bgp_peer *p, enum bgp_side side, nsec now)
{
	struct link *l = link_of(io, p, side);

	for (unsigned i = 0; i < READS_PER_EVENT && l->fd >= 0 && !l->waits; i++) {
		ssize_t n = recv(l->fd, io->bytes, sizeof(io->bytes), 0);
		if (n < 0 && would_block())
			return;
		if (n <= 0) {
			link_failed(io, p, side, now);
			return;
		}
		link_pay(io, l, (size_t)n, now);
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
		n = bgp_sock_addr(&s->source, s->interface, 0, &address);
		if (bind(fd, (struct sockaddr *)&address, n) != 0) {
			complain(p, "update-source");
			return false;
		}
	}
	if (s->password[0] && !bgp_sock_md5(fd, &s->addr, s->password)) {
		complain(p, "password");
		return false;
	}
	if (!bgp_sock_ttl(fd, s->addr.family, s))
		complain(p, "TTL");
	n = bgp_sock_addr(&s->addr, s->interface, s->port, &address);
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

static void listeners_update(struct bgp_io *io, bool on)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!on && io->listener[i] >= 0) {
			close(io->listener[i]);
			io->listener[i] = -1;
		}
		if (!on || io->listener[i] >= 0)
			continue;
		io->listener[i] = bgp_sock_listen(i ? 6 : 4);
		if (io->listener[i] >= 0)
			watch(io, EPOLL_CTL_ADD, io->listener[i], LISTENER_V4 + i, EPOLLIN);
	}
}

/* The kernel has one key for an address: that of a neighbour who has none must not take away
 * another one's, of the same link-local address, say, on another interface. */
static bool key_is_anothers(const struct bgp_io *io, const struct bgp_peer *of)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(&io->speaker, p)))
		if (p != of && p->conf.session.password[0] &&
		    ip_addr_equal(&p->conf.session.addr, &of->conf.session.addr))
			return true;
	return false;
}

static void password_update(struct bgp_io *io, const struct bgp_peer *p, int fd)
{
	const struct bgp_session_conf *s = &p->conf.session;
	bool *unguarded = &io->sockets[p->slot].unguarded;

	*unguarded = false;
	if (fd < 0 || !ip_addr_is_set(&s->addr) || (!s->password[0] && key_is_anothers(io, p)))
		return;
	*unguarded = !bgp_sock_md5(fd, &s->addr, s->password);
	if (*unguarded)
		complain(p, "password; its connections are refused");
}

static void passwords_update(struct bgp_io *io)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(&io->speaker, p)))
		password_update(io, p, io->listener[p->conf.session.addr.family == 6]);
}

static void accept_one(struct bgp_io *io, int fd, const struct sockaddr *s, nsec now)
{
	char interface[BGP_INTERFACE_MAX];
	struct ip_addr from = bgp_sock_ip(s), local = bgp_sock_local(fd);

	bgp_sock_interface(s, interface);
	struct bgp_peer *p = bgp_speaker_by_addr(&io->speaker, &from, interface);
	if (!p || io->sockets[p->slot].unguarded ||
	    !bgp_sock_ttl(fd, from.family, &p->conf.session) ||
	    !bgp_peer_accepted(p, &local, now)) {
		counter_add(io->counters, C_BGP_REFUSED, 1);
		close(fd);
		return;
	}
	if (!link_begin(io, p, BGP_IN, fd))
		link_failed(io, p, BGP_IN, now);
}

static void take_connections(struct bgp_io *io, int listener, nsec now)
{
	for (unsigned i = 0; i < ACCEPTS_PER_EVENT; i++) {
		struct sockaddr_storage s;
		socklen_t n = sizeof(s);
		int fd = accept4(listener, (struct sockaddr *)&s, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		accept_one(io, fd, (struct sockaddr *)&s, now);
	}
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Asks for the address of every neighbour that has none; answers come as events. */
static void look_up(struct bgp_io *io, nsec now)
{
	struct bgp_peer *p = NULL;

	io->look_up_at = NSEC_NEVER;
	while ((p = bgp_speaker_next(&io->speaker, p))) {
		if (ip_addr_is_set(&p->conf.session.addr))
			continue;
		if (!io->resolver) {
			io->resolver = resolver_new(io->alloc);
			if (io->resolver)
				watch(io, EPOLL_CTL_ADD, resolver_fd(io->resolver), RESOLVER,
				      EPOLLIN);
		}
		if (!io->resolver || !resolver_ask(io->resolver, p->conf.name))
			log_sink_printf(LOG_ERROR, "bgp: %.200s: cannot be looked up now",
					p->conf.name);
		io->look_up_at = nsec_add(now, NSEC_S(LOOK_UP_AGAIN_S));
	}
}

static void take_answers(struct bgp_io *io, nsec now)
{
	struct resolver_answer a;
	char ip[IP_ADDR_TEXT];

	while (resolver_read(io->resolver, &a)) {
		if (!ip_addr_is_set(&a.addr)) {
			log_sink_printf(LOG_ERROR, "bgp: %.200s: %s", a.name, gai_strerror(a.why));
			continue;
		}
		log_sink_printf(LOG_NOTE, "bgp: %.200s is %s", a.name, ip_addr_text(&a.addr, ip));
		bgp_speaker_address(&io->speaker, a.name, &a.addr, now);
		passwords_update(io);
	}
}

/* ---- events ---------------------------------------------------------------------------------- */

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
	struct ip_addr local = bgp_sock_local(l->fd);
	bgp_peer_connected(p, &local, now);
}

void bgp_io_event(struct bgp_io *io, unsigned what, nsec now)
{
	if (what == RESOLVER) {
		take_answers(io, now);
		return;
	}
	if (what == LISTENER_V4 || what == LISTENER_V6) {
		int fd = io->listener[what - LISTENER_V4];
		if (fd >= 0)
			take_connections(io, fd, now);
		return;
	}
	unsigned link = what - FIRST_LINK;
	struct bgp_peer *p = bgp_speaker_by_slot(&io->speaker, link / BGP_SIDES);
	enum bgp_side side = (enum bgp_side)(link % BGP_SIDES);
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
		struct link *l = link_of(io, p, side);
		if (l->failed) {
			l->failed = false;
			bgp_peer_closed(p, side, now);
		} else if (!link_write(io, p, side, now)) {
			link_failed(io, p, side, now);
		}
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
		for (enum bgp_side side = 0; side < BGP_SIDES; side++) {
			next = nsec_min(next, link_resume(link_of(io, p, side), now));
			link_interest(io, p, side);
		}
	}
	if (nsec_reached(io->look_up_at, now))
		look_up(io, now);
	next = nsec_min(next, io->look_up_at);
	return nsec_min(next, bgp_speaker_feed_at(&io->speaker));
}

/* ---- configuration --------------------------------------------------------------------------- */

/* A neighbour that is known by name keeps its address. */
static void keep_address(const struct bgp_io *io, struct bgp_peer_conf *c)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(&io->speaker, p)))
		if (!ip_addr_is_set(&c->session.addr) && strcmp(p->conf.name, c->name) == 0)
			c->session.addr = p->conf.session.addr;
}

/* An identifier that nobody chose does not follow the addresses of interfaces: every session would
 * begin anew. */
static void settle_id(struct bgp_io *io)
{
	if (io->conf.as == 0 || ip_addr_is_set(&io->conf.router_id))
		return;
	io->conf.router_id = io->speaker.as ? io->speaker.id : bgp_sock_any_ip();
}

static void network(struct bgp_io *io, const struct ip_prefix *p, enum bgp_network who, bool held)
{
	char text[IP_PREFIX_TEXT];

	if (!bgp_rib_network(&io->speaker.rib, p, who, held))
		log_sink_printf(LOG_ERROR, "bgp: out of memory: %s is not announced",
				ip_prefix_text(p, text));
}

static bool has_network(const struct bgp_conf *c, const struct ip_prefix *p)
{
	for (unsigned i = 0; i < c->n_networks; i++)
		if (c->networks[i].len == p->len && ip_addr_equal(&c->networks[i].addr, &p->addr))
			return true;
	return false;
}

static void networks_update(struct bgp_io *io)
{
	const struct bgp_conf *c = &io->conf;

	for (unsigned i = 0; i < io->n_networks; i++)
		if (!has_network(c, &io->networks[i]))
			network(io, &io->networks[i], BGP_NETWORK_CONF, false);
	for (unsigned i = 0; i < c->n_networks; i++)
		network(io, &c->networks[i], BGP_NETWORK_CONF, true);
	io->n_networks = c->n_networks;
	memcpy(io->networks, c->networks, sizeof(io->networks));
}

/* Room for the sockets of so many neighbours. */
static bool sockets_reserve(struct bgp_io *io, unsigned n)
{
	if (n <= io->n_sockets)
		return true;
	struct sockets *more = alloc_get(io->alloc, n * sizeof(*more));
	if (!more)
		return false;
	for (unsigned i = 0; i < n; i++) {
		more[i].links[BGP_OUT].fd = more[i].links[BGP_IN].fd = -1;
		if (i < io->n_sockets)
			more[i] = io->sockets[i];
	}
	alloc_put(io->alloc, io->sockets, io->n_sockets * sizeof(*more));
	io->sockets = more;
	io->n_sockets = n;
	return true;
}

/* A neighbour that goes leaves no key behind: the kernel keeps a limited amount of them. */
static void passwords_forget(struct bgp_io *io)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(&io->speaker, p))) {
		const struct bgp_session_conf *s = &p->conf.session;
		int fd = io->listener[s->addr.family == 6];
		if (fd >= 0 && s->password[0] && ip_addr_is_set(&s->addr) &&
		    !bgp_speaker_keeps(&io->conf, p))
			bgp_sock_md5(fd, &s->addr, "");
	}
}

void bgp_io_conf(struct bgp_io *io, const struct conf *conf, nsec now)
{
	if (!conf_to_bgp(conf, &io->conf) || !sockets_reserve(io, io->conf.n_peers)) {
		log_sink_write(LOG_ERROR, 0, 0, "bgp: out of memory: all stays as it was");
		conf_bgp_free(&io->conf);
		return;
	}
	settle_id(io);
	passwords_forget(io);
	for (unsigned i = 0; i < io->conf.n_peers; i++)
		keep_address(io, &io->conf.peers[i]);
	bgp_rib_aggregate(&io->speaker.rib, io->conf.aggregate);
	networks_update(io);
	if (!bgp_speaker_conf(&io->speaker, &io->conf, now))
		log_sink_write(LOG_ERROR, 0, 0, "bgp: out of memory: neighbours are missing");
	listeners_update(io, io->conf.as != 0);
	passwords_update(io);
	io->look_up_at = now;
	conf_bgp_free(&io->conf);
}

bool bgp_io_is_on(const struct bgp_io *io)
{
	return io->speaker.as != 0;
}

void bgp_io_route(struct bgp_io *io, bool add, const struct ip_prefix *p)
{
	struct bgp_rib *rib = &io->speaker.rib;
	char text[IP_PREFIX_TEXT];

	if (add && !bgp_rib_add(rib, p))
		log_sink_printf(LOG_ERROR, "bgp: out of memory: %s is not announced",
				ip_prefix_text(p, text));
	if (!add && bgp_rib_holders(rib, p) > 0) /* else there was no memory for it */
		bgp_rib_remove(rib, p);
}

void bgp_io_network(struct bgp_io *io, bool add, const struct ip_prefix *p)
{
	network(io, p, BGP_NETWORK_POOL, add);
}

struct bgp_speaker *bgp_io_speaker(struct bgp_io *io)
{
	return &io->speaker;
}

/* ---- begin and end --------------------------------------------------------------------------- */

struct bgp_io *bgp_io_new(const struct alloc *a, struct counters *counters, int epoll_fd,
			  uint64_t tag, nsec now)
{
	struct bgp_io *io = alloc_get(a, sizeof(*io));
	uint64_t seed;

	if (!io)
		return NULL;
	arc4random_buf(&seed, sizeof(seed));
	io->alloc = a;
	io->epoll_fd = epoll_fd;
	io->tag = tag;
	io->counters = counters;
	io->look_up_at = NSEC_NEVER;
	io->listener[0] = io->listener[1] = -1;
	io->env = (struct bgp_env){.ctx = io,
				   .alloc = a,
				   .counters = counters,
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
	resolver_free(io->resolver);
	bgp_speaker_fini(&io->speaker);
	alloc_put(io->alloc, io->sockets, io->n_sockets * sizeof(*io->sockets));
	alloc_put(io->alloc, io, sizeof(*io));
}
