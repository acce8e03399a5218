#include "bgp/bgp.h"

static const struct {
	uint8_t code, subcode;
	const char *text;
} rows[] = {
#define BGP_ERROR(code, subcode, name, text) {code, subcode, text},
#include "bgp/bgp_error.def"
#undef BGP_ERROR
};

bool bgp_error_set(struct bgp_error *e, enum bgp_error_id id, struct span data)
{
	e->code = (uint8_t)(id >> 8);
	e->subcode = (uint8_t)id;
	e->n = (uint8_t)(data.n > BGP_ERROR_DATA ? BGP_ERROR_DATA : data.n);
	if (e->n)
		memcpy(e->data, data.p, e->n);
	return false;
}

void bgp_error_cease(struct bgp_error *e, enum bgp_error_id id, const char *text)
{
	size_t n = strnlen(text, BGP_ERROR_DATA - 1);

	bgp_error_set(e, id, span_of(NULL, 0));
	if (n == 0)
		return;
	e->data[0] = (uint8_t)n;
	memcpy(e->data + 1, text, n);
	e->n = (uint8_t)(n + 1);
}

const char *bgp_error_text(uint8_t code, uint8_t subcode)
{
	const char *of_code = "unknown error";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].code != code)
			continue;
		if (rows[i].subcode == subcode)
			return rows[i].text;
		if (rows[i].subcode == 0)
			of_code = rows[i].text;
	}
	return of_code;
}
