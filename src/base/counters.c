#include "base/counters.h"

#include "base/panic.h"

struct row {
	const char *name, *text;
};

static const struct row event_rows[COUNTERS] = {
#define COUNTER(name, text) [C_##name] = {#name, text},
#include "base/counters.def"
#undef COUNTER
};

static const struct row drop_rows[DROPS] = {
#define DROP(name, text) [DROP_##name] = {#name, text},
#include "base/drops.def"
#undef DROP
};

const char *counter_name(enum counter which)
{
	LNS_ASSERT(which < COUNTERS);
	return event_rows[which].name;
}

const char *counter_text(enum counter which)
{
	LNS_ASSERT(which < COUNTERS);
	return event_rows[which].text;
}

const char *drop_name(enum drop why)
{
	LNS_ASSERT(why < DROPS);
	return drop_rows[why].name;
}

const char *drop_text(enum drop why)
{
	LNS_ASSERT(why < DROPS);
	return drop_rows[why].text;
}
