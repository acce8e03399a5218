/*
 * wbuf.h - bounded writer with a sticky error: writing past the end marks the buffer bad and
 * writes nothing more. The only code that writes packet memory. A wbuf never owns its bytes.
 */
#ifndef LNS_WBUF_H
#define LNS_WBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/panic.h"
#include "base/span.h"

struct wbuf {
	uint8_t *p; /* first byte */
	size_t cap; /* room in all */
	size_t n;   /* bytes written */
	bool bad;   /* something did not fit */
};

static inline struct wbuf wbuf_of(void *bytes, size_t cap)
{
	return (struct wbuf){.p = bytes, .cap = cap};
}

/* Room for n more bytes, which the caller fills; NULL (and bad) when they do not fit. */
static inline uint8_t *wbuf_room(struct wbuf *w, size_t n)
{
	if (w->bad || n > w->cap || w->n > w->cap - n) {
		w->bad = true;
		return NULL;
	}
	uint8_t *at = w->p + w->n;
	w->n += n;
	return at;
}

static inline void wbuf_u8(struct wbuf *w, uint8_t v)
{
	uint8_t *b = wbuf_room(w, 1);
	if (b)
		b[0] = v;
}

static inline void wbuf_u16(struct wbuf *w, uint16_t v)
{
	uint8_t *b = wbuf_room(w, 2);
	if (b) {
		b[0] = (uint8_t)(v >> 8);
		b[1] = (uint8_t)v;
	}
}

static inline void wbuf_u32(struct wbuf *w, uint32_t v)
{
	wbuf_u16(w, (uint16_t)(v >> 16));
	wbuf_u16(w, (uint16_t)v);
}

static inline void wbuf_u64(struct wbuf *w, uint64_t v)
{
	wbuf_u32(w, (uint32_t)(v >> 32));
	wbuf_u32(w, (uint32_t)v);
}

static inline void wbuf_bytes(struct wbuf *w, const void *bytes, size_t n)
{
	uint8_t *b = wbuf_room(w, n);
	if (b && n)
		memcpy(b, bytes, n);
}

static inline void wbuf_span(struct wbuf *w, struct span s)
{
	wbuf_bytes(w, s.p, s.n);
}

/* Overwrites two bytes written before, e.g. a length that is known at the end. */
static inline void wbuf_patch_u16(struct wbuf *w, size_t at, uint16_t v)
{
	if (w->bad)
		return;
	LNS_ASSERT(at + 2 <= w->n);
	w->p[at] = (uint8_t)(v >> 8);
	w->p[at + 1] = (uint8_t)v;
}

/* What was written, to be read again. */
static inline struct span wbuf_written(const struct wbuf *w)
{
	return (struct span){.p = w->p, .n = w->bad ? 0 : w->n, .bad = w->bad};
}

#endif
