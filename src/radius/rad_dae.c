#include "radius/rad_dae.h"

#include "base/crypto.h"

enum { SERVICE_FRAMED = 2 };

static const uint8_t zeros[RAD_AUTHENTICATOR];

bool rad_dae_check(const struct rad_packet *p, struct span secret)
{
	/* Signed as an accounting request is: with zeros in the place of the authenticator. */
	enum rad_check check = rad_reply_check(p, secret, zeros);
	return check == RAD_CHECK_GOOD || check == RAD_CHECK_MESSAGE_MISSING;
}

static void blame(struct rad_dae_request *q, const struct rad_attr *a, enum rad_error_cause error)
{
	if (q->error != RAD_ERROR_NONE)
		return; /* the first one counts */
	q->error = error;
	rad_dict_name(a->vendor, a->number, q->blamed);
}

static struct ip_addr addr4_of(struct span value)
{
	return ip_addr_v4(span_u32(&value));
}

static struct ip_addr addr6_of(struct span value)
{
	struct ip_addr a = {.family = 6};
	span_bytes(&value, a.b, sizeof(a.b));
	return a;
}

/* What names the NAS or the session. False: the attribute is none of those. */
static bool put_identity(struct rad_dae_request *q, const struct rad_attr *a)
{
	struct span value = a->value;

	switch (a->number) {
	case RAD_NAS_IP_ADDRESS:
		q->nas_ip = addr4_of(value);
		return true;
	case RAD_NAS_IPV6_ADDRESS:
		q->nas_ip6 = addr6_of(value);
		return true;
	case RAD_NAS_IDENTIFIER:
		q->nas_identifier = value;
		return true;
	case RAD_USER_NAME:
		q->user = value;
		return true;
	case RAD_NAS_PORT:
		q->port = span_u32(&value);
		q->has_port = true;
		return true;
	case RAD_NAS_PORT_ID:
		q->port_id = value;
		return true;
	case RAD_FRAMED_IP_ADDRESS:
		q->framed_ip = addr4_of(value);
		return true;
	case RAD_CALLED_STATION_ID:
		q->called = value;
		return true;
	case RAD_CALLING_STATION_ID:
		q->calling = value;
		return true;
	case RAD_ACCT_SESSION_ID:
		q->session_id = value;
		return true;
	default:
		return false;
	}
}

static bool is_in(struct span attrs, const struct rad_attr *before)
{
	struct rad_attr a;

	while (rad_attr_next(&attrs, &a) && a.value.p != before->value.p) {
		if (a.number == before->number)
			return true;
	}
	return false;
}

/* Each may be there once (RFC 5176 3.6): two could not both match, and whoever is asked for the
 * first must not do it to the second. */
static bool take_identity(struct rad_dae_request *q, const struct rad_packet *p,
			  const struct rad_attr *a)
{
	if (!put_identity(q, a))
		return false;
	if (is_in(p->attrs, a))
		blame(q, a, RAD_ERROR_INVALID_REQUEST);
	return true;
}

/* What a CoA changes. */
static void take_change(struct rad_dae_request *q, const struct rad_terms *terms,
			const struct rad_attr *a)
{
	if (a->vendor == 0 && a->number == RAD_CLASS) {
		if (q->n_classes == RAD_CLASSES_MAX)
			blame(q, a, RAD_ERROR_INVALID_VALUE);
		else
			q->classes[q->n_classes++] = a->value;
		return;
	}
	if (!rad_told_by_coa(terms, a)) {
		blame(q, a, RAD_ERROR_UNSUPPORTED_ATTRIBUTE);
		return;
	}
	switch (rad_told_take(&q->told, terms, a)) {
	case RAD_TAKE_DONE:
	case RAD_TAKE_UNKNOWN: /* Cisco-AVPairs, for plugins */
		return;
	case RAD_TAKE_IGNORED:
		blame(q, a, RAD_ERROR_INVALID_VALUE);
		return;
	case RAD_TAKE_MALFORMED:
		blame(q, a, RAD_ERROR_INVALID_REQUEST);
		return;
	}
}

/* What is returned as it came: Proxy-State, and State of a CoA-Request (RFC 5176 3.1, 3.3). */
static bool is_returned(bool disconnect, uint8_t number)
{
	return number == RAD_PROXY_STATE || (number == RAD_STATE && !disconnect);
}

/* Signatures, times and what is returned. */
static bool is_about_packet(bool disconnect, uint8_t number)
{
	return number == RAD_MESSAGE_AUTHENTICATOR || number == RAD_EVENT_TIMESTAMP ||
	       is_returned(disconnect, number);
}

static void take(struct rad_dae_request *q, const struct rad_packet *p,
		 const struct rad_terms *terms, const struct rad_attr *a)
{
	struct span value = a->value;
	bool plain = a->vendor == 0;

	if (plain && (is_about_packet(q->disconnect, a->number) || take_identity(q, p, a)))
		return;
	if (plain && a->number == RAD_SERVICE_TYPE) {
		/* Authorize Only and all others are services that we do not have (RFC 5176 3.1). */
		if (span_u32(&value) != SERVICE_FRAMED)
			blame(q, a, RAD_ERROR_UNSUPPORTED_SERVICE);
		return;
	}
	if (q->disconnect) {
		/* Told for the record only. */
		if (!plain || (a->number != RAD_ACCT_TERMINATE_CAUSE &&
			       a->number != RAD_REPLY_MESSAGE && a->number != RAD_CLASS))
			blame(q, a, RAD_ERROR_UNSUPPORTED_ATTRIBUTE);
	} else {
		take_change(q, terms, a);
	}
}

static bool names_a_session(const struct rad_dae_request *q)
{
	return q->user.p || q->session_id.p || q->calling.p || q->called.p || q->port_id.p ||
	       q->has_port || ip_addr_is_set(&q->framed_ip);
}

static bool changes_something(const struct rad_dae_request *q)
{
	return q->told.said != 0 || q->told.unknown_pairs > 0 || q->n_classes > 0;
}

/* Found in any case: an old request must not be answered at all, not even with a NAK. */
static void take_timestamp(struct rad_dae_request *q, const struct rad_attr *a)
{
	struct span value = a->value;

	if (a->vendor != 0 || a->number != RAD_EVENT_TIMESTAMP || value.n != 4)
		return;
	q->timestamp = span_u32(&value);
	q->has_timestamp = true;
}

bool rad_dae_decode(const struct rad_packet *p, const struct rad_terms *terms,
		    struct rad_dae_request *out)
{
	struct rad_walk walk = rad_walk_of(p->attrs, &terms->map);
	struct rad_attr a;

	if (p->code != RAD_DISCONNECT_REQUEST && p->code != RAD_COA_REQUEST)
		return false;
	*out = (struct rad_dae_request){.disconnect = p->code == RAD_DISCONNECT_REQUEST,
					.pairs = rad_avpairs_of(p->attrs)};
	while (rad_walk_next(&walk, &a)) {
		take_timestamp(out, &a);
		if (!walk.bad && rad_attr_is_well_formed(&a))
			take(out, p, terms, &a);
		else
			blame(out, &a, RAD_ERROR_INVALID_REQUEST);
	}
	if (out->error == RAD_ERROR_NONE &&
	    (!names_a_session(out) || (!out->disconnect && !changes_something(out))))
		out->error = RAD_ERROR_MISSING_ATTRIBUTE;
	return true;
}

static void put_returned(struct wbuf *w, struct span attrs, bool disconnect)
{
	struct rad_attr a;

	while (rad_attr_next(&attrs, &a)) {
		if (is_returned(disconnect, a.number))
			rad_put(w, (enum rad_attr_number)a.number, a.value);
	}
}

void rad_dae_reply(struct wbuf *w, const struct rad_packet *request, enum rad_error_cause error,
		   struct span secret)
{
	bool disconnect = request->code == RAD_DISCONNECT_REQUEST;
	enum rad_code ack = disconnect ? RAD_DISCONNECT_ACK : RAD_COA_ACK;
	enum rad_code nak = disconnect ? RAD_DISCONNECT_NAK : RAD_COA_NAK;
	size_t start = w->n;

	rad_put_header(w, error == RAD_ERROR_NONE ? ack : nak, request->id, request->authenticator);
	rad_put_message_authenticator(w);
	if (error != RAD_ERROR_NONE)
		rad_put_u32(w, RAD_ERROR_CAUSE, (uint32_t)error);
	put_returned(w, request->attrs, disconnect);
	rad_put_end(w, start);
	if (!rad_sign_message(w, start, secret, request->authenticator))
		w->bad = true;
	rad_sign_response(w, start, secret, request->authenticator);
}
