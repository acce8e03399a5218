/*
 * conf_radius.h - lists of RADIUS peers within one value of the configuration: items of the form
 * ADDRESS[/LENGTH][:PORT][=SECRET], separated by blanks; an IPv6 address with a port is written
 * [ADDRESS]:PORT. Pure; any thread.
 */
#ifndef LNS_CONF_RADIUS_H
#define LNS_CONF_RADIUS_H

#include "base/addr.h"

struct conf_radius_item {
	struct ip_prefix net;
	uint16_t port;	    /* 0: not said */
	struct span secret; /* p == NULL: not said */
};

/* The next item; false at the end. An item that is none has out->net.addr unset. */
bool conf_radius_next(const char **at, struct conf_radius_item *out);
/* NULL, or what is wrong with the list; `nets`: prefixes are wanted and ports are not. */
const char *conf_radius_fault(const char *list, bool nets);

#endif
