/*
 * rad_text.h - values that are written as text in attributes: rates, addresses, networks, names.
 * Any bytes may come; false means that they are not such a value. Pure; any thread.
 */
#ifndef LNS_RAD_TEXT_H
#define LNS_RAD_TEXT_H

#include "base/addr.h"
#include "base/span.h"

/* Takes the bytes up to the next blank or tab, and the blanks behind them. */
struct span rad_text_word(struct span *text);
/* Blanks at both ends taken away. */
struct span rad_text_trim(struct span text);
/* Is this (all of it) that word, or at least `min` letters of its beginning? */
bool rad_text_is(struct span text, const char *word, size_t min);
/* Digits, and k, M or G behind them for powers of 1000. */
bool rad_text_number(struct span text, uint64_t *out);
/* yes, true, on, 1; no, false, off, 0 */
bool rad_text_switch(struct span text, bool *out);
/* "A.B.C.D:PORT", "[ADDRESS]:PORT" */
bool rad_text_sock_addr(struct span text, struct sock_addr *out);
/* A name of printable characters without blanks that fits with its NUL; empty is one. */
bool rad_text_name(struct span text, char *out, size_t cap);
/* "a.b.c.d[/len][ gateway[ metrics]]" or "a.b.c.d mask [gateway]"; without either the class of the
 * address decides. False: not such a text, or 0.0.0.0. */
bool rad_route_parse(struct span text, struct ip_prefix *out);
/* Length of a network mask; false when its ones are not in a row. */
bool rad_mask_length(uint32_t mask, uint8_t *len);

#endif
