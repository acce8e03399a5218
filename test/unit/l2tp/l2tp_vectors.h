/*
 * l2tp_vectors.h - control messages as other implementations write them. The hidden values and the
 * challenge responses were computed from RFC 2661 4.3 and 5.1.1 by an independent program.
 */
#ifndef LNS_L2TP_VECTORS_H
#define LNS_L2TP_VECTORS_H

/* SCCRQ as xl2tpd sends it: tunnel id 0x2b1d, host "lac", window 4, challenge 00..0f. */
#define SCCRQ_HEX                                                                                  \
	"c8 02 00 7a 00 00 00 00 00 00 00 00 80 08 00 00 00 00 00 01 80 08 00 00 00 02 01 00"      \
	"80 0a 00 00 00 03 00 00 00 03 80 0a 00 00 00 04 00 00 00 00 00 08 00 00 00 06 06 90"      \
	"80 09 00 00 00 07 6c 61 63 00 13 00 00 00 08 78 65 6c 65 72 61 6e 63 65 2e 63 6f 6d"      \
	"80 08 00 00 00 09 2b 1d 80 08 00 00 00 0a 00 04"                                          \
	"80 16 00 00 00 0b 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"

/* ICRQ of tunnel 5, Ns 3, Nr 4; session id 0x1234 and called number hidden with "secret". */
#define ICRQ_HIDDEN_HEX                                                                            \
	"c8 02 00 6b 00 05 00 00 00 03 00 04 80 08 00 00 00 00 00 0a"                              \
	"80 16 00 00 00 24 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66"                        \
	"c0 0d 00 00 00 0e 39 42 13 f9 b6 18 9e 80 0a 00 00 00 0f 00 00 00 01"                     \
	"c0 2a 00 00 00 15 0c 91 0c 54 54 cd 00 d3 99 8c cd 1d f1 c6 a6 09 e3 5f 1b 53 47 4a 25"   \
	"a6 6a da f1 c0 8b 47 02 68 47 f3 cf 5b"
#define ICRQ_CALLED "0987654321098765432109876543210987"

/* ICCN of tunnel 5, session 6 with proxy LCP and proxy CHAP. */
#define ICCN_PROXY_HEX                                                                             \
	"c8 02 00 88 00 05 00 06 00 04 00 05 80 08 00 00 00 00 00 0c 80 0a 00 00 00 18 00 98 96"   \
	"80 00 0d 00 00 00 26 32 34 30 30 30 30 30 80 0a 00 00 00 13 00 00 00 02"                  \
	"80 06 00 00 00 27 00 10 00 00 00 1b 01 04 05 d4 05 06 de ad be ef 00 08 00 00 00 1d 00"   \
	"02 00 09 00 00 00 1e 6a 6f 65 00 0e 00 00 00 1f 00 01 02 03 04 05 06 07 00 08 00 00 00"   \
	"20 00 07 00 16 00 00 00 21 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"

/* CDN 2/6 "bye", PPP disconnect cause 3 (LCP terminated), direction 2, "hello". */
#define CDN_CAUSE_HEX                                                                              \
	"c8 02 00 39 00 05 00 06 00 04 00 05 80 08 00 00 00 00 00 0e 80 0d 00 00 00 01 00 02 00"   \
	"06 62 79 65 80 08 00 00 00 0e 00 09 00 10 00 00 00 2e 00 03 c0 21 02 68 65 6c 6c 6f"

#endif
