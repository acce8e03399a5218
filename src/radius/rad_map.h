/*
 * rad_map.h - which attribute means what: the rows of rad_map.def, and those that an operator adds
 * or puts in their place with `radius_map`. Access-Accept and CoA-Request read attributes by the
 * same rows. Pure; any thread.
 */
#ifndef LNS_RAD_MAP_H
#define LNS_RAD_MAP_H

#include "radius/rad_packet.h"

enum rad_effect {
#define RAD_EFFECT(name, value, coa, help) RAD_DO_##name,
#include "radius/rad_effect.def"
#undef RAD_EFFECT
	RAD_EFFECTS
};

enum rad_value { RAD_VALUE_NUMBER, RAD_VALUE_ADDRESS, RAD_VALUE_TEXT };

struct rad_effect_row {
	const char *name, *help;
	uint8_t value; /* enum rad_value */
	bool coa;      /* CoA may change it */
};
extern const struct rad_effect_row rad_effects[RAD_EFFECTS];

enum { RAD_MAP_MAX = 32, RAD_KEY_TEXT = 32 };

struct rad_map_row {
	uint32_t vendor;
	uint8_t number; /* 0: a key of Cisco-AVPair */
	bool text;	/* the value is text, whatever the effect is */
	uint8_t effect; /* enum rad_effect */
	char key[RAD_KEY_TEXT];
};

/* Those of the operator. */
struct rad_map {
	uint8_t n;
	struct rad_map_row rows[RAD_MAP_MAX];
};

/* Reads a list with blanks between its items, "[VENDOR:]NUMBER[:text]=EFFECT" or
 * "avpair:KEY=EFFECT". Returns NULL, or what is wrong with it. */
const char *rad_map_parse(const char *list, struct rad_map *out);

/* The operator's row, else the built-in one, else NULL. */
const struct rad_map_row *rad_map_attr(const struct rad_map *m, uint32_t vendor, uint8_t number);
/* The same for a key; letters of either case are equal. */
const struct rad_map_row *rad_map_pair(const struct rad_map *m, struct span key);
/* Is an attribute of that vendor known by its number? */
bool rad_map_has_vendor(const struct rad_map *m, uint32_t vendor);

/* ---- a walk over all attributes, those within Vendor-Specific as themselves ------------------ */

struct rad_walk {
	const struct rad_map *map;
	struct span attrs, within;
	uint32_t vendor;
	bool bad; /* a Vendor-Specific is not well formed */
};

struct rad_walk rad_walk_of(struct span attrs, const struct rad_map *map);
/* False at the end. An attribute of a vendor whose layout is not known comes as Vendor-Specific,
 * and so does one that is not well formed, with it->bad. */
bool rad_walk_next(struct rad_walk *it, struct rad_attr *out);

#endif
