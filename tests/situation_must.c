#include "situation.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct situation situation_must_read(const char *text)
{
	struct situation situation;
	struct err err;
	if (!situation_read(&situation, text, &err))
		fail_msg("%s", err.text);
	return situation;
}

struct situation situation_must_read_all(struct strbuf *owned)
{
	struct situation situation = situation_must_read(owned->text);
	strbuf_release(owned);
	return situation;
}
