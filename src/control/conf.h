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
	CONF_EXPRESS_MAX = 4,
	CONF_INTERFACE_NAME = 16,
	CONF_GUESTS_MAX = 10,
	CONF_GUEST_NAME = 128,
	CONF_PLUGINS_MAX = 19,
	CONF_PLUGIN_NAME = 20,
	CONF_VALUE_TEXT = 520,	/* a value as text, NUL included */
	CONF_REASON_TEXT = 160, /* why a line is refused, NUL included */
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
	uint8_t n_express;
	char express[CONF_EXPRESS_MAX][CONF_INTERFACE_NAME]; /* of express_interfaces */
	uint8_t n_radius;				     /* 0..2 */
	struct sock_addr radius[2]; /* authentication address and port, in order */

	uint8_t n_plugins;
	char plugins[CONF_PLUGINS_MAX][CONF_PLUGIN_NAME]; /* to load, in order */
	struct conf_kept *kept;				  /* in the order of the file */
	uint32_t n_kept;
	const struct alloc *alloc;
};

enum conf_type { CONF_STRING, CONF_SECRET, CONF_BOOL, CONF_INT, CONF_IPV4, CONF_IPV6 };
enum conf_when { CONF_LIVE, CONF_NEW, CONF_START };

enum conf_id {
#define CONF(name, type, min, max, def, unit, when, done, help) CONF_ID_##name,
#define OLD_NAME(name, replacement, why)
#include "control/conf.def"
#undef CONF
#undef OLD_NAME
	CONF_VARS
};

/* A row of conf.def. */
struct conf_var {
	const char *name;
	enum conf_type type;
	enum conf_when when;
	bool done; /* false: accepted, has no effect yet */
	uint64_t min, max;
	const char *def, *unit, *help;
	size_t offset; /* within struct conf */
};
extern const struct conf_var conf_vars[CONF_VARS];

/* A name of older releases. */
struct conf_old_name {
	const char *name, *replacement, *why; /* replacement "" = dropped */
};

/* By exact name, NULL when there is none. */
const struct conf_var *conf_var_find(const char *name);
const struct conf_old_name *conf_old_name_find(const char *name);

/* Every variable at its default; NULL when out of memory. */
struct conf *conf_new(const struct alloc *a);
void conf_free(struct conf *c);
/* The same again, from the same memory; NULL when out of it. */
struct conf *conf_copy(const struct conf *c);
/* Sets the variables to their defaults and derives; for a struct on the stack, e.g. in tests. */
void conf_defaults(struct conf *c);

/* Sets one variable from the text of its value; false, with a reason that never shows a secret,
 * when it is not one. Derived fields follow with conf_derive(). */
bool conf_set(struct conf *c, const struct conf_var *v, const char *value,
	      char reason[static CONF_REASON_TEXT]);
/* The value in the form that conf_set() takes. */
void conf_get(const struct conf *c, const struct conf_var *v, char out[static CONF_VALUE_TEXT]);
bool conf_is_default(const struct conf *c, const struct conf_var *v);
void conf_derive(struct conf *c);

/* Adds a line to the blocks that are kept for later, behind `after` or at the end when that is
 * NULL; NULL when out of memory. */
struct conf_kept *conf_keep(struct conf *c, struct conf_kept *after, enum conf_kept_kind kind,
			    bool head, const char *text);
void conf_forget(struct conf *c, struct conf_kept *line);

/* What the workers are told. `n_workers` shares the limits out; `version` is the caller's. */
void conf_to_shard(const struct conf *c, unsigned n_workers, struct shard_conf *out);

#endif
