/* Every cell of the automaton against the table of RFC 1661 section 4.1, written as it is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ppp/ppp_fsm.h"

struct row {
	enum ppp_event event;
	const char *cells[PPP_STATES]; /* "-": cannot happen */
};

/* The letters r, p and x of the RFC's footnotes are left out: no restart, no passive option. */
static const struct row rfc[] = {
	{PPP_UP, {"2", "irc,scr/6", "-", "-", "-", "-", "-", "-", "-", "-"}},
	{PPP_DOWN, {"-", "-", "0", "tls/1", "0", "1", "1", "1", "1", "tld/1"}},
	{PPP_OPEN, {"tls/1", "1", "irc,scr/6", "3", "5", "5", "6", "7", "8", "9"}},
	{PPP_CLOSE,
	 {"0", "tlf/0", "2", "2", "4", "4", "irc,str/4", "irc,str/4", "irc,str/4",
	  "tld,irc,str/4"}},
	{PPP_TO_MORE, {"-", "-", "-", "-", "str/4", "str/5", "scr/6", "scr/6", "scr/8", "-"}},
	{PPP_TO_EXPIRED, {"-", "-", "-", "-", "tlf/2", "tlf/3", "tlf/3", "tlf/3", "tlf/3", "-"}},
	{PPP_RCR_GOOD,
	 {"-", "-", "sta/2", "irc,scr,sca/8", "4", "5", "sca/8", "sca,tlu/9", "sca/8",
	  "tld,scr,sca/8"}},
	{PPP_RCR_BAD,
	 {"-", "-", "sta/2", "irc,scr,scn/6", "4", "5", "scn/6", "scn/7", "scn/6",
	  "tld,scr,scn/6"}},
	{PPP_RCA,
	 {"-", "-", "sta/2", "sta/3", "4", "5", "irc/7", "scr/6", "irc,tlu/9", "tld,scr/6"}},
	{PPP_RCN,
	 {"-", "-", "sta/2", "sta/3", "4", "5", "irc,scr/6", "scr/6", "irc,scr/8", "tld,scr/6"}},
	{PPP_RTR,
	 {"-", "-", "sta/2", "sta/3", "sta/4", "sta/5", "sta/6", "sta/6", "sta/6",
	  "tld,zrc,sta/5"}},
	{PPP_RTA, {"-", "-", "2", "3", "tlf/2", "tlf/3", "6", "6", "8", "tld,scr/6"}},
	{PPP_RUC,
	 {"-", "-", "scj/2", "scj/3", "scj/4", "scj/5", "scj/6", "scj/7", "scj/8", "scj/9"}},
	{PPP_RXJ_PERMITTED, {"-", "-", "2", "3", "4", "5", "6", "6", "8", "9"}},
	{PPP_RXJ_FATAL,
	 {"-", "-", "tlf/2", "tlf/3", "tlf/2", "tlf/3", "tlf/3", "tlf/3", "tlf/3",
	  "tld,irc,str/5"}},
	{PPP_RXR, {"-", "-", "2", "3", "4", "5", "6", "7", "8", "ser/9"}},
};

static uint16_t action_of(const char *name)
{
	static const struct {
		const char *name;
		uint16_t bit;
	} names[] = {
		{"tld", PPP_TLD}, {"irc", PPP_IRC}, {"zrc", PPP_ZRC}, {"scr", PPP_SCR},
		{"sca", PPP_SCA}, {"scn", PPP_SCN}, {"str", PPP_STR}, {"sta", PPP_STA},
		{"scj", PPP_SCJ}, {"ser", PPP_SER}, {"tls", PPP_TLS}, {"tlf", PPP_TLF},
		{"tlu", PPP_TLU},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(names[i].name, name, 3) == 0)
			return names[i].bit;
	fail_msg("no action %s", name);
	return 0;
}

/* "irc,scr/6" to a cell. */
static struct ppp_cell cell_of(const char *text, uint8_t state)
{
	struct ppp_cell c = {.next = state};
	const char *slash = strchr(text, '/');

	if (strcmp(text, "-") == 0)
		return c;
	c.next = (uint8_t)atoi(slash ? slash + 1 : text);
	for (const char *p = text; slash && p < slash; p += 4)
		c.actions |= action_of(p);
	return c;
}

static void every_cell_is_the_rfcs(void **state)
{
	(void)state;
	assert_int_equal(sizeof(rfc) / sizeof(rfc[0]), PPP_EVENTS);
	for (size_t r = 0; r < PPP_EVENTS; r++)
		for (uint8_t s = 0; s < PPP_STATES; s++) {
			struct ppp_cell want = cell_of(rfc[r].cells[s], s);
			struct ppp_cell is = ppp_fsm_step(s, rfc[r].event);
			if (is.next != want.next || is.actions != want.actions)
				fail_msg("event %d state %d: next %d actions %x, RFC has %s",
					 rfc[r].event, s, is.next, is.actions, rfc[r].cells[s]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_cell_is_the_rfcs)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
