/*
 * source.h - where snapshots come from: a live server, later a replay or the history ring. One interface.
 *
 * A source works by itself (the live one in a thread of its own) and shares nothing but two queues: commands go in,
 * news come out. Of frames only the newest is kept, in the place of the one it replaces, so that news of an outcome
 * never come before the frame that was read for it; every other piece of news is delivered in order, none is lost.
 *
 *     source_server_new -> { poll(source_fd) -> source_take … source_send … } -> source_stop
 *
 * Nothing here waits for a server, except source_stop, and that 100 ms at most.
 */
#ifndef PGLOCKTOP_SOURCE_H
#define PGLOCKTOP_SOURCE_H

#include "pglocktop/check.h"
#include "pglocktop/frame.h"

/* What the source is about. One setter changes it; each says what is awaited. */
enum source_state {
	SOURCE_CONNECTING, /* for the server's acceptance: name resolution, TCP, TLS */
	SOURCE_AUTHENTICATING, /* accepted; the answer to authentication */
	SOURCE_WARMING, /* the first statements' answers; `stage` names the one */
	SOURCE_LIVE, /* the time of the next refresh, or its answer */
	SOURCE_FROZEN, /* a command: nothing is asked of the server */
	SOURCE_NO_SLOT, /* a free connection slot (SQLSTATE 53300); tries again by itself */
	SOURCE_LOST, /* the time of the next try to connect; `retry_at` */
	SOURCE_PASSWORD, /* a password: source_give_password */
	SOURCE_FAILED /* nothing: it cannot be had; `text` says why */
};

struct source_status {
	enum source_state state;
	char text[512]; /* the reason, hostile: the server's words may be in it */
	char stage[64]; /* SOURCE_WARMING: which statement does not answer */
	char host[256]; /* which server, as far as known */
	int64_t since; /* when_wall_clock() when this state, or for LOST and NO_SLOT the trouble, began */
	int64_t since_monotonic;
	int64_t retry_at; /* when_monotonic() of the next try; WHEN_NONE */
	int64_t asked_at; /* when_monotonic() of the request under way; WHEN_NONE: none */
	int64_t interval; /* between refreshes, in use now */
	int64_t asked_interval; /* the one that was asked for: shorter than `interval` where refreshes would take more
				   of the server's time than server_share. 0: not told */
	unsigned attempt; /* 1 for the first try */
	bool password_known; /* SOURCE_PASSWORD: one was given and was wrong */
	char user[128];
};

enum signal_verb { SIGNAL_CANCEL, SIGNAL_TERMINATE };

/* What to send to whom. The server checks all of it again in the statement that sends the signal. */
struct signal_request {
	uint64_t serial; /* the caller's own, comes back with the outcome */
	enum signal_verb verb;
	struct identity target;
	int64_t query_start; /* SIGNAL_CANCEL: the query that is meant */
	int64_t not_after; /* server time; from then on the statement sends nothing */
	uint64_t server_epoch; /* of the frame that the question was asked on */
	int64_t watch; /* how long the target is looked at, an age; 0: 3 s */
	char user[64], database[64]; /* the target's, for the server's log; hostile; the
					    signaller fills them in */
	char reason[512]; /* as the person gave it, for the audit log; "" */
	bool unlogged; /* the person was told that the audit log cannot be written, and agreed */
};

enum signal_outcome {
	SIGNAL_SENT, /* the server says that it sent the signal; more news follow */
	SIGNAL_GONE, /* the target has ended; `elapsed` since it was sent */
	SIGNAL_STOPPED, /* its query has stopped, the session lives on; `elapsed` */
	SIGNAL_STILL_THERE, /* not so after 3 s; `text` says what can be told. It is looked at with each refresh from
			       then on: when it has ended, that is news, `late` */
	SIGNAL_NOT_SENT, /* the guard held: it had ended, moved on to another query, or the time was over */
	SIGNAL_REFUSED, /* by the server; `text` and `sqlstate` say why */
	SIGNAL_UNKNOWN /* no answer within 5 s, or the connection broke: it may have been sent. An answer that comes
			  late is news again, with what it says */
};

struct signal_news {
	struct signal_request request;
	enum signal_outcome outcome;
	int64_t elapsed; /* WHEN_NONE where it makes no sense */
	int32_t waiting_before, waiting_after; /* waiting sessions; -1 not known */
	uint64_t frame_serial; /* of the first frame read after the outcome; 0: none was */
	int32_t freed, waiters; /* of those who waited for the target when it was sent, how many wait no more;
				   `waiters` -1: not known. The signaller's to count */
	int32_t ended; /* of the waiters, whose sessions are gone: they may have got what they waited for before */
	bool late; /* after SIGNAL_STILL_THERE was told */
	char text[512]; /* what else is to be told, in the server's words or ours, hostile; "" */
	char sqlstate[6];
	bool unlogged; /* it went out without a line in the audit log; the signaller's to say */
};

/* What came of COMMAND_LOOKUP. */
enum lookup_outcome {
	LOOKUP_DONE, /* `found` names are known, a frame that has them comes next */
	LOOKUP_FAILED /* `text` says why; names that come later are used without a word */
};

struct lookup_news {
	enum lookup_outcome outcome;
	uint32_t found;
	char database[128]; /* hostile */
	char text[512]; /* hostile */
};

enum news_kind { NEWS_NONE, NEWS_FRAME, NEWS_STATUS, NEWS_SIGNAL, NEWS_LOOKUP, NEWS_CHECK };

struct news {
	enum news_kind kind;
	struct frame *frame; /* NEWS_FRAME: the receiver's to frame_free */
	struct source_status status;
	struct signal_news signal;
	struct lookup_news lookup;
	struct check_report *check; /* NEWS_CHECK: the receiver's to check_report_free */
};

enum source_command_kind {
	COMMAND_REFRESH, /* now; the next interval counts from here */
	COMMAND_INTERVAL,
	COMMAND_FREEZE,
	COMMAND_THAW, /* and refresh now */
	COMMAND_SIGNAL,
	COMMAND_SELECTED, /* which session is looked at: its queue is asked about first. With `all_locks` all its locks
			     are read, too, at once */
	COMMAND_CHECK, /* read who may signal, for --check */
	COMMAND_LOOKUP /* the names of the relations of another database that locks are on: takes a short-lived
			  connection more, for 2 s at most, one at a time. Whether there are slots enough is the
			  caller's to look at */
};

struct source_command {
	enum source_command_kind kind;
	int64_t interval;
	struct signal_request signal;
	struct identity selected;
	bool all_locks; /* COMMAND_SELECTED */
	uint32_t database; /* COMMAND_LOOKUP: its oid */
};

struct source;

struct source_ops {
	/* A file descriptor that is readable while news wait. */
	int (*fd)(struct source *source);
	/* The next piece of news; kind NEWS_NONE when there is none. */
	struct news (*take)(struct source *source);
	void (*send)(struct source *source, const struct source_command *command);
	/* Copies the password; the caller wipes its own. NULL: the user gave none. */
	void (*give_password)(struct source *source, const char *password);
	/* Ends it and frees everything, waiting 100 ms at most; false when its thread still hangs: then _exit soon. */
	bool (*stop)(struct source *owned);
};

struct source {
	const struct source_ops *ops;
};

/* What psql's options and operands said; NULL and 0: not said. libpq resolves the rest (PG*, service, passfile). */
struct connect_options {
	const char *conninfo; /* DBNAME that is a conninfo string or a URI */
	const char *database, *user, *host, *port;
	bool never_prompt; /* -w */
	bool always_prompt; /* -W */
};

/* The service that they name, or else PGSERVICE does; malloc'd, NULL: none. */
char *source_service_name(const struct connect_options *options);

struct server_options {
	struct connect_options connect;
	int64_t interval;
	bool read_only; /* no signal path at all: COMMAND_SIGNAL is an error in the caller */
	bool all_edges; /* with `once`: take the time (2 s, not 0.5 s) to settle the order of long queues */
	bool all_locks; /* every lock row; else those that can block, and all of the selected session */
	int server_share; /* per cent of the time that refreshes may take of the server's: their interval is stretched
			     for that, to 60 s at most. 0: no limit */
	bool interactive; /* no slot, a hanging authentication and a lost connection are retried; else SOURCE_FAILED */
	bool once; /* the queue's order is asked for without a budget but time's, and refreshes come only when asked
		      for, but for the first */
};

/* Checks the options (libpq's parser) and starts the thread. NULL with `err` when the options cannot be used. */
struct source *source_server_new(const struct server_options *options, struct err *err) MUST_CHECK;

#endif
