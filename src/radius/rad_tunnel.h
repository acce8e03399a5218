/*
 * rad_tunnel.h - the tunnels in an Access-Accept (RFC 2868): attributes with a tag, gathered tag by
 * tag, and Tunnel-Password in clear. Pure; any thread.
 */
#ifndef LNS_RAD_TUNNEL_H
#define LNS_RAD_TUNNEL_H

#include "base/facts.h"
#include "radius/rad_packet.h"

/* In the order in which their tags came. */
struct rad_tunnels {
	uint8_t n;
	struct aaa_tunnel list[LNS_TUNNELS_MAX];
};

/* Takes one plain attribute that is well formed by the dictionary. `authenticator` is that of the
 * request; a password that is not hidden with both (RFC 2868 3.5) is malformed. */
enum rad_take rad_tunnel_take(struct rad_tunnels *t, const struct rad_attr *a, struct span secret,
			      const uint8_t *authenticator);

/* Hides a password as the value of a Tunnel-Password attribute, for tests and servers. */
void rad_tunnel_password_hide(struct wbuf *value, uint8_t tag, uint16_t salt, struct span password,
			      struct span secret, const uint8_t *authenticator);

#endif
