/*
 * pcapng.h - the blocks of a capture file (draft-ietf-opsawg-pcapng) with raw IP packets and
 * nanoseconds. Big-endian, which the format's magic number tells. Pure.
 */
#ifndef LNS_PCAPNG_H
#define LNS_PCAPNG_H

#include "base/wbuf.h"

enum { PCAPNG_HEAD_MAX = 1024, PCAPNG_PACKET_HEAD = 28, PCAPNG_PACKET_TAIL = 64 };

/* The section and its one interface; `comment` says what the file is about. */
void pcapng_begin(struct wbuf *w, struct span comment, struct span interface);
/* One packet is head, its bytes and tail: `at_ns` since 1970; `inbound`: from the subscriber. */
void pcapng_packet_head(struct wbuf *w, uint64_t at_ns, uint32_t n);
void pcapng_packet_tail(struct wbuf *w, uint32_t n, bool inbound);

#endif
