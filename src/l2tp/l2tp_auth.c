#include "l2tp/l2tp_auth.h"

void l2tp_auth_response(uint8_t out[static L2TP_RESPONSE_LEN], uint8_t message_type,
			struct span secret, struct span challenge)
{
	const struct span parts[] = {span_of(&message_type, 1), secret, challenge};

	md5_of(out, parts, 3);
}

bool l2tp_auth_check(struct span response, uint8_t message_type, struct span secret,
		     struct span challenge)
{
	uint8_t expected[L2TP_RESPONSE_LEN];

	l2tp_auth_response(expected, message_type, secret, challenge);
	return response.n == sizeof(expected) &&
	       mem_equal_ct(response.p, expected, sizeof(expected));
}
