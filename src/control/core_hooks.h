/*
 * core_hooks.h - where others may have a say in the life of a session (plugins.h): the core calls
 * these functions, if there are any, on the control thread, with facts; answers are verdicts or
 * orders through core.h, which may come while a hook runs. Pure.
 */
#ifndef LNS_CORE_HOOKS_H
#define LNS_CORE_HOOKS_H

#include "base/msg.h"
#include "base/wbuf.h"

/* All functions may be NULL. */
struct core_hooks {
	void *ctx;
	/* Before anybody is asked; user and password of *m may be changed. False: the login is
	 * dropped without an answer. */
	bool (*pre_auth)(void *ctx, struct msg_auth_req *m);
	/* RADIUS or the local file has decided so; the result is what counts. */
	bool (*post_auth)(void *ctx, struct sess_key key, struct span user, uint16_t proto,
			  bool allowed);
	/* A Cisco-AVPair of an Access-Accept or a CoA-Request; before those of a CoA-Request, a
	 * reset. */
	void (*radius_reset)(void *ctx, struct sess_key key);
	void (*radius_response)(void *ctx, struct sess_key key, struct span name,
				struct span value);
	/* An accounting record is made: whole attributes may be added. */
	void (*radius_account)(void *ctx, struct sess_key key, struct wbuf *attrs);
	/* Address and policy are granted; and once after each such call: it is over. */
	void (*new_session)(void *ctx, struct sess_key key);
	void (*kill_session)(void *ctx, struct sess_key key);
};

#endif
