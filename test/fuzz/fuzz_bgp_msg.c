/* Any bytes are BGP messages or call forth a NOTIFICATION that can be sent. */
#include <stdlib.h>

#include "bgp/bgp_update.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_error(const struct bgp_error *e)
{
	uint8_t out[BGP_HEADER + 2 + BGP_ERROR_DATA];
	struct wbuf w = wbuf_of(out, sizeof(out));
	char text[BGP_ERROR_DATA + 1];

	bgp_notification_encode(&w, e);
	bgp_notification_text(e, text);
	if (w.bad || e->code == 0 || !bgp_error_text(e->code, e->subcode))
		abort();
}

static void check_open(struct span body)
{
	struct bgp_open o, again;
	struct bgp_error e;
	uint8_t out[256];
	struct wbuf w = wbuf_of(out, sizeof(out));

	if (!bgp_open_decode(body, &o, &e)) {
		check_error(&e);
		return;
	}
	bgp_open_encode(&w, &o, false);
	struct span s = wbuf_written(&w);
	if (s.bad)
		abort();
	span_take(&s, BGP_HEADER);
	o.as4 = o.as4 || o.as > UINT16_MAX;
	if (!bgp_open_decode(s, &again, &e) || again.hold_s != o.hold_s)
		abort();
}

static void check_update(struct span body, bool as4, bool internal)
{
	struct bgp_update_facts f;
	struct bgp_error e;

	if (!bgp_update_check(body, as4, internal, &f, &e))
		check_error(&e);
	else if (f.announced[BGP_IPV4] > body.n || f.withdrawn[BGP_IPV4] > body.n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = span_of(bytes, n);
	struct bgp_frame f;
	struct bgp_error e;
	enum bgp_family family;

	check_open(in);
	check_update(in, true, false);
	check_update(in, false, true);
	for (;;) {
		size_t before = in.n;
		enum bgp_framing got = bgp_frame_next(&in, n & 1, &f, &e);
		if (got == BGP_FRAME_BAD)
			check_error(&e);
		if (got != BGP_FRAME_READY)
			return 0;
		if (in.n + BGP_HEADER > before || f.body.n + BGP_HEADER + in.n != before)
			abort();
		if (f.type == BGP_OPEN)
			check_open(f.body);
		else if (f.type == BGP_UPDATE)
			check_update(f.body, true, false);
		else if (f.type == BGP_ROUTE_REFRESH)
			(void)bgp_refresh_decode(f.body, &family);
		else if (f.type == BGP_NOTIFICATION)
			bgp_notification_decode(f.body, &e);
	}
}
