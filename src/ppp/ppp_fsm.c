#include "ppp/ppp_fsm.h"

#include "base/panic.h"

/* Short names, so that the table below can be held against the one in RFC 1661 section 4.1. */
enum {
	tld = PPP_TLD,
	irc = PPP_IRC,
	zrc = PPP_ZRC,
	scr = PPP_SCR,
	sca = PPP_SCA,
	scn = PPP_SCN,
	str = PPP_STR,
	sta = PPP_STA,
	scj = PPP_SCJ,
	ser = PPP_SER,
	tls = PPP_TLS,
	tlf = PPP_TLF,
	tlu = PPP_TLU,
};

/* clang-format off */
static const struct ppp_cell table[PPP_EVENTS][PPP_STATES] = {
/*		    Initial    Starting	    Closed	 Stopped */
/*		    Closing    Stopping	    Req-Sent	 Ack-Rcvd */
/*		    Ack-Sent   Opened */
[PPP_UP] =	  { {2, 0},    {6, irc|scr}, {2, 0},	  {3, 0},
		    {4, 0},    {5, 0},	     {6, 0},	  {7, 0},
		    {8, 0},    {9, 0} },
[PPP_DOWN] =	  { {0, 0},    {1, 0},	     {0, 0},	  {1, tls},
		    {0, 0},    {1, 0},	     {1, 0},	  {1, 0},
		    {1, 0},    {1, tld} },
[PPP_OPEN] =	  { {1, tls},  {1, 0},	     {6, irc|scr}, {3, 0},
		    {5, 0},    {5, 0},	     {6, 0},	  {7, 0},
		    {8, 0},    {9, 0} },
[PPP_CLOSE] =	  { {0, 0},    {0, tlf},     {2, 0},	  {2, 0},
		    {4, 0},    {4, 0},	     {4, irc|str}, {4, irc|str},
		    {4, irc|str}, {4, tld|irc|str} },
[PPP_TO_MORE] =	  { {0, 0},    {1, 0},	     {2, 0},	  {3, 0},
		    {4, str},  {5, str},     {6, scr},	  {6, scr},
		    {8, scr},  {9, 0} },
[PPP_TO_EXPIRED] = { {0, 0},   {1, 0},	     {2, 0},	  {3, 0},
		    {2, tlf},  {3, tlf},     {3, tlf},	  {3, tlf},
		    {3, tlf},  {9, 0} },
[PPP_RCR_GOOD] =  { {0, 0},    {1, 0},	     {2, sta},	  {8, irc|scr|sca},
		    {4, 0},    {5, 0},	     {8, sca},	  {9, sca|tlu},
		    {8, sca},  {8, tld|scr|sca} },
[PPP_RCR_BAD] =	  { {0, 0},    {1, 0},	     {2, sta},	  {6, irc|scr|scn},
		    {4, 0},    {5, 0},	     {6, scn},	  {7, scn},
		    {6, scn},  {6, tld|scr|scn} },
[PPP_RCA] =	  { {0, 0},    {1, 0},	     {2, sta},	  {3, sta},
		    {4, 0},    {5, 0},	     {7, irc},	  {6, scr},
		    {9, irc|tlu}, {6, tld|scr} },
[PPP_RCN] =	  { {0, 0},    {1, 0},	     {2, sta},	  {3, sta},
		    {4, 0},    {5, 0},	     {6, irc|scr}, {6, scr},
		    {8, irc|scr}, {6, tld|scr} },
[PPP_RTR] =	  { {0, 0},    {1, 0},	     {2, sta},	  {3, sta},
		    {4, sta},  {5, sta},     {6, sta},	  {6, sta},
		    {6, sta},  {5, tld|zrc|sta} },
[PPP_RTA] =	  { {0, 0},    {1, 0},	     {2, 0},	  {3, 0},
		    {2, tlf},  {3, tlf},     {6, 0},	  {6, 0},
		    {8, 0},    {6, tld|scr} },
[PPP_RUC] =	  { {0, 0},    {1, 0},	     {2, scj},	  {3, scj},
		    {4, scj},  {5, scj},     {6, scj},	  {7, scj},
		    {8, scj},  {9, scj} },
[PPP_RXJ_PERMITTED] = { {0, 0}, {1, 0},	     {2, 0},	  {3, 0},
		    {4, 0},    {5, 0},	     {6, 0},	  {6, 0},
		    {8, 0},    {9, 0} },
[PPP_RXJ_FATAL] = { {0, 0},    {1, 0},	     {2, tlf},	  {3, tlf},
		    {2, tlf},  {3, tlf},     {3, tlf},	  {3, tlf},
		    {3, tlf},  {5, tld|irc|str} },
[PPP_RXR] =	  { {0, 0},    {1, 0},	     {2, 0},	  {3, 0},
		    {4, 0},    {5, 0},	     {6, 0},	  {7, 0},
		    {8, 0},    {9, ser} },
};
/* clang-format on */

struct ppp_cell ppp_fsm_step(enum ppp_state state, enum ppp_event event)
{
	LNS_ASSERT(state < PPP_STATES);
	LNS_ASSERT(event < PPP_EVENTS);
	return table[event][state];
}
