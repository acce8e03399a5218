/*
 * conf_radius.h - lists of RADIUS peers within one value of the configuration: items of the form
 * ADDRESS[/LENGTH][:PORT][,OPTION]...[=SECRET], separated by blanks; an IPv6 address with a port is
 * written [ADDRESS]:PORT. Pure; any thread.
 *
 * Options of a server: acct-port:PORT, source:ADDRESS, priority:0..100 (50; the lowest is asked
 * first), auth-only, acct-only, signed or unsigned (is a Message-Authenticator demanded?),
 * probe:request, probe:status, probe:user:NAME.
 */
#ifndef LNS_CONF_RADIUS_H
#define LNS_CONF_RADIUS_H

#include "base/addr.h"

enum {
	CONF_RADIUS_USER_TEXT = 64,
	CONF_RADIUS_PRIORITY = 50,
	CONF_RADIUS_SERVERS = 16, /* of a list; the client asks no more in all */
	CONF_RADIUS_CLIENTS = 32,
};

enum conf_radius_probe {
	CONF_PROBE_DEFAULT, /* as radius_probe has it */
	CONF_PROBE_REQUEST,
	CONF_PROBE_STATUS,
	CONF_PROBE_USER
};

struct conf_radius_item {
	struct ip_prefix net;
	uint16_t port;	    /* 0: not said */
	struct span secret; /* p == NULL: not said */
	bool has_options;
	uint16_t acct_port; /* 0: not said */
	struct ip_addr source;
	uint8_t priority;
	bool auth_only, acct_only;
	bool is_signed, is_unsigned; /* neither: as the variable says */
	uint8_t probe;		     /* enum conf_radius_probe */
	char probe_user[CONF_RADIUS_USER_TEXT];
};

/* "request", "status", "user:NAME"; false: none of them. */
bool conf_radius_probe(struct span text, uint8_t *probe, char user[static CONF_RADIUS_USER_TEXT]);
/* The next item; false at the end. An item that is none has out->net.addr unset. */
bool conf_radius_next(const char **at, struct conf_radius_item *out);
/* NULL, or what is wrong with the list; `nets`: prefixes are wanted and ports are not. */
const char *conf_radius_fault(const char *list, bool nets);
/* What is wrong with the list of servers beside `n_classic` others and a secret for those that have
 * none of their own, or without one; NULL: nothing. */
const char *conf_radius_servers_fault(const char *list, unsigned n_classic, bool have_secret);
/* Is there a server in the list that takes accounting records? */
bool conf_radius_has_acct(const char *list);

#endif
