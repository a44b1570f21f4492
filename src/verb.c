#include "pglocktop/verb.h"

const struct verb signal_verbs[] = {
	[SIGNAL_CANCEL] = { .name = "cancel", .title = "CANCEL", .brief = "CANCEL", .key = "C" },
	[SIGNAL_TERMINATE] = { .name = "terminate", .title = "TERMINATE", .brief = "TERM", .key = "K" },
};
