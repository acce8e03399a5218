#include "radius/rad_dict.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

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

bool rad_dict_has_vendor(uint32_t vendor)
{
	for (size_t i = 0; i < sizeof(vendor_rows) / sizeof(vendor_rows[0]); i++) {
		if (vendor_rows[i].vendor == vendor)
			return true;
	}
	return false;
}

const char *rad_dict_name(uint32_t vendor, uint8_t number, char buf[static RAD_NAME_TEXT])
{
	const struct rad_dict_row *row = rad_dict_row(vendor, number);

	if (row)
		snprintf(buf, RAD_NAME_TEXT, "%s", row->text);
	else if (vendor == 0)
		snprintf(buf, RAD_NAME_TEXT, "attribute %u", number);
	else
		snprintf(buf, RAD_NAME_TEXT, "attribute %u of vendor %" PRIu32, number, vendor);
	return buf;
}
