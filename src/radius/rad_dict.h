/*
 * rad_dict.h - the RADIUS attributes by name, number and shape, from the rows of rad_dict.def.
 * Constant tables; any thread.
 */
#ifndef LNS_RAD_DICT_H
#define LNS_RAD_DICT_H

#include <stdbool.h>
#include <stdint.h>

enum rad_attr_number {
#define RAD_ATTR(name, text, number, type, min, max) RAD_##name = (number),
#define RAD_VSA(name, text, vendor, number, type, min, max)
#include "radius/rad_dict.def"
#undef RAD_ATTR
#undef RAD_VSA
};

enum rad_vendor {
	RAD_VENDOR_CISCO = 9,
	RAD_VENDOR_MICROSOFT = 311,
	RAD_VENDOR_ASCEND = 529,
	RAD_VENDOR_WISPR = 14122,
	RAD_VENDOR_MIKROTIK = 14988,
};

enum rad_vsa_number {
#define RAD_ATTR(name, text, number, type, min, max)
#define RAD_VSA(name, text, vendor, number, type, min, max) RAD_##name = (number),
#include "radius/rad_dict.def"
#undef RAD_ATTR
#undef RAD_VSA
};

enum rad_type {
	RAD_TYPE_OCTETS,
	RAD_TYPE_TEXT,
	RAD_TYPE_U32,
	RAD_TYPE_ADDR4,
	RAD_TYPE_ADDR6,
	RAD_TYPE_PREFIX6,
	RAD_TYPE_TAG_U32,
	RAD_TYPE_TAG_TEXT
};

struct rad_dict_row {
	uint32_t vendor; /* 0 = plain attribute */
	uint8_t number;
	uint8_t type; /* enum rad_type */
	uint8_t min, max;
	const char *text; /* the RFC's name */
};

enum { RAD_NAME_TEXT = 48 }; /* an attribute's name, with the NUL */

/* NULL when there is no such row. */
const struct rad_dict_row *rad_dict_row(uint32_t vendor, uint8_t number);
/* Do Vendor-Specific attributes of that vendor have the usual layout (RFC 2865 5.26)? */
bool rad_dict_has_vendor(uint32_t vendor);
/* The RFC's name, or what numbers it has. Returns buf. */
const char *rad_dict_name(uint32_t vendor, uint8_t number, char buf[static RAD_NAME_TEXT]);

#endif
