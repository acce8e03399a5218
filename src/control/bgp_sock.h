/*
 * bgp_sock.h - what the BGP speaker asks of TCP sockets: addresses, MD5 keys (RFC 2385), TTL
 * security (RFC 5082), listeners. Owner: the control thread; nothing blocks.
 */
#ifndef LNS_BGP_SOCK_H
#define LNS_BGP_SOCK_H

#include <sys/socket.h>

#include "bgp/bgp_conf.h"

/* Length of the socket address that was written; `interface` is that of a link-local one. */
socklen_t bgp_sock_addr(const struct ip_addr *ip, const char *interface, uint16_t port,
			struct sockaddr_storage *out);
struct ip_addr bgp_sock_ip(const struct sockaddr *s);
/* Where a link-local address is one; empty for the others. */
void bgp_sock_interface(const struct sockaddr *s, char out[static BGP_INTERFACE_MAX]);
/* Our end's address. */
struct ip_addr bgp_sock_local(int fd);
/* The highest address of an interface, when nothing else says who we are; unset: there is none. */
struct ip_addr bgp_sock_any_ip(void);

/* An empty password takes the key away. False: errno says why. */
bool bgp_sock_md5(int fd, const struct ip_addr *to, const char *password);
/* TTL of what we send, and the lowest that we take. */
bool bgp_sock_ttl(int fd, unsigned family, const struct bgp_session_conf *s);
void bgp_sock_nodelay(int fd);
/* Port 179 of all addresses of the family; -1, and said, when it cannot be had. */
int bgp_sock_listen(unsigned family);

#endif
