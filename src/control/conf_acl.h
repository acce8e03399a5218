/*
 * conf_acl.h - grammar of the rules of an access list:
 *
 *	standard:  permit|deny SRC [DST]
 *	extended:  permit|deny PROTO SRC [PORTS] DST [PORTS] [FLAGS]
 *	SRC, DST:  any | host A.B.C.D | A.B.C.D [WILDCARD]
 *	PROTO:     ip | tcp | udp
 *	PORTS:     eq N | neq N | gt N | lt N | range N M		tcp and udp
 *	FLAGS:     established | match-any FLAG... | match-all FLAG...	tcp
 *	           | fragments						without ports and flags
 *
 * The wildcard may be left out in standard lists only, of the last address. Pure.
 */
#ifndef LNS_CONF_ACL_H
#define LNS_CONF_ACL_H

#include "control/conf.h"
#include "control/lexer.h"

/* Checks the words of a rule and writes its canonical form; false with a reason when it is none. */
bool conf_acl_rule(const struct lex_line *line, bool extended,
		   char canonical[static CONF_VALUE_TEXT], char reason[static CONF_REASON_TEXT]);

/* A rule of a standard list, in host byte order; a bit of the wildcard that is set is ignored. */
struct conf_acl_net {
	bool permit;
	struct conf_acl_side {
		uint32_t addr, wildcard;
	} src, dst;
};
/* The rules of a standard list, in order; false when there is no such list. At most `max` are
 * written to `out`, the rest counts as denied. */
bool conf_acl_nets(const struct conf *c, const char *name, struct conf_acl_net *out, unsigned max,
		   unsigned *n);
/* What the first rule that matches says; without one, no. */
bool conf_acl_permits(const struct conf_acl_net *nets, unsigned n, const struct ip_addr *src,
		      const struct ip_addr *dst);

#endif
