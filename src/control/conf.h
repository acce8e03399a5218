/*
 * conf.h - the configuration: one immutable struct made from the text of startup-config, with one
 * field per variable of conf.def and what is derived from them. A bad line is reported by file,
 * line and reason and leaves no trace; all others still count. Pure; owned by the control thread,
 * which replaces the whole struct.
 */
#ifndef LNS_CONF_H
#define LNS_CONF_H

#include "base/addr.h"
#include "base/alloc.h"
#include "base/facts.h"
#include "dataplane/shard_conf.h"

enum {
	CONF_BIND_MAX = 4,
	CONF_HOSTNAMES_MAX = 5,
	CONF_GUESTS_MAX = 10,
	CONF_GUEST_NAME = 128,
	CONF_PLUGINS_MAX = 19,
	CONF_PLUGIN_NAME = 20,
	CONF_LINE_MAX = 4094,	/* characters of one line */
	CONF_LINES_MAX = 65536, /* lines kept for later */
};

/* What each field of struct conf is, by the type of its row. Unset addresses have family 0. */
#define CONF_FIELD_STRING(name, max) char name[(max) + 1];
#define CONF_FIELD_SECRET(name, max) char name[(max) + 1];
#define CONF_FIELD_BOOL(name, max)   bool name;
#define CONF_FIELD_INT(name, max)    uint32_t name;
#define CONF_FIELD_IPV4(name, max)   struct ip_addr name;
#define CONF_FIELD_IPV6(name, max)   struct ip_addr name;

/* Blocks that are kept in the order of the file, in canonical form. */
enum conf_kept_kind { CONF_KEPT_BGP, CONF_KEPT_ACL, CONF_KEPT_FORWARD };

struct conf_kept {
	struct conf_kept *next;
	uint8_t kind;	   /* enum conf_kept_kind */
	bool head;	   /* opens a block: "router bgp 65000", "ip access-list standard x" */
	uint16_t line;	   /* of the file, 0 when typed; 65535 = that or later */
	struct bstr *text; /* without the leading blank of a block's member */
};

struct conf {
#define CONF(name, type, min, max, def, unit, when, done, help) CONF_FIELD_##type(name, max)
#define OLD_NAME(name, replacement, why)
#include "control/conf.def"
#undef CONF
#undef OLD_NAME

	/* Derived from the variables by conf_derive(). */
	uint8_t n_auth;			    /* 1..2 */
	enum auth_proto auth[2];	    /* of radius_authtypes, preferred first */
	uint8_t n_bind;			    /* 1..4 */
	struct ip_addr bind[CONF_BIND_MAX]; /* bind_multi_address or bind_address; unset = any */
	struct ip_addr tun_address; /* iftun_address or the first bound address; may be unset */
	uint8_t n_hostnames;
	char hostnames[CONF_HOSTNAMES_MAX][LNS_HOSTNAME_MAX]; /* of multi_hostname */
	uint8_t n_guests;
	char guests[CONF_GUESTS_MAX][CONF_GUEST_NAME]; /* of guest_account */
	uint8_t n_radius;			       /* 0..2 */
	struct sock_addr radius[2]; /* authentication address and port, in order */

	uint8_t n_plugins;
	char plugins[CONF_PLUGINS_MAX][CONF_PLUGIN_NAME]; /* to load, in order */
	struct conf_kept *kept, *kept_last;
	uint32_t n_kept;
	const struct alloc *alloc;
};

/* Every variable at its default; NULL when out of memory. */
struct conf *conf_new(const struct alloc *a);
struct conf *conf_copy(const struct conf *from);
void conf_free(struct conf *c);
/* Sets the variables to their defaults and derives; for a struct on the stack, e.g. in tests. */
void conf_defaults(struct conf *c);

/* What the workers are told. `n_workers` shares the limits out; `version` is the caller's. */
void conf_to_shard(const struct conf *c, unsigned n_workers, struct shard_conf *out);

#endif
