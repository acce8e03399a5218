/*
 * dp_checksum.h - the Internet checksum (RFC 1071), its incremental update (RFC 1624), and the
 * finishing of partial checksums as they come out of a TUN device with a virtio-net header. Pure.
 */
#ifndef LNS_DP_CHECKSUM_H
#define LNS_DP_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* Adds the bytes as 16-bit words in network order; an odd last byte counts as a high one, so only
 * the last part of a whole may have an odd length. */
uint64_t dp_sum(uint64_t sum, struct span bytes);
/* The folded sum, complemented: what goes into a checksum field. */
uint16_t dp_sum_fold(uint64_t sum);
/* RFC 1624 eqn. 3: the field's new value when a 16-bit word at an even place changes. */
uint16_t dp_checksum_update(uint16_t field, uint16_t before, uint16_t after);
/* The packet's bytes from `start` are to be summed and the result stored at start + offset, where
 * the sum of the pseudo header stands already. False when the places lie outside. */
bool dp_checksum_finish(uint8_t *packet, size_t n, size_t start, size_t offset);

#endif
