#include "radius/rad_dict.h"

#include <stddef.h>

/* Plain attributes, by their number. */
static const struct rad_dict_row plain_rows[256] = {
#define RAD_ATTR(name_, text_, number_, type_, min_, max_)                                         \
	[number_] = {.number = (number_),                                                          \
		     .type = RAD_TYPE_##type_,                                                     \
		     .min = (min_),                                                                \
		     .max = (max_),                                                                \
		     .text = (text_)},
#define RAD_VSA(name_, text_, vendor_, number_, type_, min_, max_)
#include "radius/rad_dict.def"
#undef RAD_ATTR
#undef RAD_VSA
};

static const struct rad_dict_row vendor_rows[] = {
#define RAD_ATTR(name_, text_, number_, type_, min_, max_)
#define RAD_VSA(name_, text_, vendor_, number_, type_, min_, max_)                                 \
	{.vendor = (vendor_),                                                                      \
	 .number = (number_),                                                                      \
	 .type = RAD_TYPE_##type_,                                                                 \
	 .min = (min_),                                                                            \
	 .max = (max_),                                                                            \
	 .text = (text_)},
#include "radius/rad_dict.def"
#undef RAD_ATTR
#undef RAD_VSA
};

const struct rad_dict_row *rad_dict_row(uint32_t vendor, uint8_t number)
{
	if (vendor == 0)
		return plain_rows[number].text ? &plain_rows[number] : NULL;

	for (size_t i = 0; i < sizeof(vendor_rows) / sizeof(vendor_rows[0]); i++) {
		const struct rad_dict_row *r = &vendor_rows[i];
		if (r->vendor == vendor && r->number == number)
			return r;
	}
	return NULL;
}
