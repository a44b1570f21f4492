/*
 * server_signal.h - what sending signals (server_signal.c) and watching what comes of them (server_target.c) share.
 */
#ifndef SERVER_SIGNAL_H
#define SERVER_SIGNAL_H

#include "server_private.h"

/* So many statements are on their way together; an exchange has room for them and what goes before. */
enum { SIGNALS_AT_ONCE = 64 };

struct signal_batch {
	struct signal_job *jobs[SIGNALS_AT_ONCE];
	unsigned count;
};

/* Whether it is not the session that was meant. */
bool target_has_ended(const struct signal_target *target, const struct signal_request *request);

/* The signal was sent. Takes the job. */
void target_watch(struct server *server, struct signal_job *owned);

/* Reads what the targets do, into each job's `target`. `known` false: it could not be read. False: lost or stopped. */
bool target_look(struct server *server, const struct signal_batch *batch, bool *known);

/* Looks at those whose time it is. False: lost or stopped. */
bool targets_step(struct server *server);

/* Those who have come to their end, with the reading that was made for it; 0: there was none. */
void targets_tell_ended(struct server *server, uint64_t frame_serial);

#endif
