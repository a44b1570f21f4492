/*
 * server_private.h - the parts of the live source, and what they share.
 *
 * Two threads know a struct server. The caller's has the two queues and nothing else (server_queue.c). All the rest is
 * the sampler thread's own: it connects (server_connect.c), warms the connection up (server_warm.c), and then lives
 * in one loop (server.c) that sends signals (server_signal.c) and looks at what comes of them (server_target.c) ahead
 * of refreshes (server_refresh.c, each a reading or more: server_reading.c), whose names come by separate statements
 * (server_names.c). Every statement goes through an exchange (server_exchange.c), the one place that waits for an
 * answer.
 */
#ifndef PGLOCKTOP_SERVER_PRIVATE_H
#define PGLOCKTOP_SERVER_PRIVATE_H

#include "pglocktop/privilege.h"
#include "pglocktop/source.h"
#include "rows.h"
#include "server_query.h"

#include <libpq-fe.h>
#include <pthread.h>

#define MILLISECOND INT64_C(1000)
#define LOCK_NOT_AVAILABLE "55P03" /* after lock_timeout, too */

/* ---- the two queues: server_queue.c ---- */

/* What came of looking up the names of another database's relations: server_lookup.c. */
struct lookup_answer {
	uint32_t database;
	uint64_t epoch;
	PGresult *rows; /* NULL: none, `err` says why */
	struct err err;
	bool over; /* its connection is closed */
};

struct server_command {
	struct server_command *next;
	enum { SERVER_COMMAND, SERVER_PASSWORD, SERVER_LOOKUP, SERVER_STOP } kind;
	struct source_command command;
	char *password; /* SERVER_PASSWORD; NULL: none was given */
	struct lookup_answer lookup; /* SERVER_LOOKUP; its rows are the command's */
};

struct server_news {
	struct server_news *next;
	struct news news;
};

struct server_queues {
	pthread_mutex_t mutex;
	int command_fd, news_fd; /* eventfds: readable while their queue is not empty */
	struct server_command *commands, **last_command;
	struct server_news *news, **last_news;
};

bool queues_init(struct server_queues *queues, struct err *err) MUST_CHECK;
void queues_release(struct server_queues *queues);
void queues_send(struct server_queues *queues, const struct server_command *command);
struct server_command *queues_receive(struct server_queues *queues); /* all there are, in order; the caller's */
void server_command_free(struct server_command *owned);
/* A frame takes the place of an undelivered one, at the end of the queue. */
void queues_publish(struct server_queues *queues, const struct news *news);
struct news queues_take(struct server_queues *queues);

/* ---- what commands have left to do ---- */

enum { SIGNAL_WORD = 64 };

/* What one look at the target of a signal tells. */
struct signal_target {
	bool there; /* a session with this pid */
	bool active;
	int64_t backend_start, query_start, clock;
	char state[SIGNAL_WORD], wait_event_type[SIGNAL_WORD], wait_event[SIGNAL_WORD]; /* "": none */
	uint32_t backend_xid;
};

/* A signal from its command to its last news. */
struct signal_job {
	struct signal_job *next;
	struct signal_request request;
	int64_t received_at, sent_at; /* monotonic; sent_at WHEN_NONE: not yet */
	unsigned item; /* of the exchange that its statement is in */
	bool tried, sent; /* the statement found its target; the server says that it sent the signal */
	struct err warning; /* the server's, if it did not */
	struct signal_target target; /* when it was looked at last */
	int64_t next_look, look_pause; /* once sent: when to look at the target again */
	int32_t waiting_before;
	struct signal_news end; /* what came of it, told with the next reading */
	bool over; /* told to be still there, and a reading shows that it is no more: `outcome` */
	enum signal_outcome outcome;
};

struct agenda {
	bool stop;
	bool frozen;
	bool check; /* COMMAND_CHECK is to be done */
	bool refresh; /* now, not at the next interval */
	bool password_answered;
	char *password; /* as typed; wiped once connected */
	int64_t interval;
	struct identity selected;
	bool all_of_selected; /* all its locks are wanted, not only those that matter to others */
	uint32_t lookup_database; /* whose relations' names are wanted; 0: none */
	struct signal_job *to_send; /* in order */
	struct signal_job *not_sent; /* the server was asked, and sent none; why? */
	struct signal_job *watched; /* sent; what becomes of the target? */
	struct signal_job *ended; /* it is known what came of them; one reading is made for them all */
	struct signal_job *late; /* told to be still there; each reading tells whether it still is */
};

/* ---- statements on their way: server_exchange.c ---- */

typedef bool (*row_handler)(void *context, const struct row_field *fields, struct err *err);

struct exchange_item {
	const char *name; /* for the screen: what does not answer */
	enum query_id query;
	bool prepares; /* it is the PREPARE of `query` */
	bool syncs; /* it ends its group: an error skips the rest of a group, and no more */
	bool streams; /* its rows come one by one: there may be too many to be held at once */
	int columns;
	row_handler handle;
	void *context;
	bool failed;
	struct err err; /* or, as long as it has not failed, the last warning */
};

enum { EXCHANGE_MAX = 96, EXCHANGE_COLUMNS = 24, EXCHANGE_BUFFER = 256 };

struct exchange {
	struct exchange_item items[EXCHANGE_MAX];
	unsigned count, current;
	bool in_flight;
	bool broken; /* it could not be sent */
	bool awaits_sync;
	bool announced; /* that no answer has come for a while */
	bool guarded; /* signals, or what goes before the first frame: never cancelled for the sake of another */
	bool patient; /* its silence is no reason to give the connection up */
	bool preempted; /* cancelled, so that a signal may go first */
	int cancel_fd; /* -1, or readable when the helper's PQcancel has returned */
	int64_t cancelled_at;
	int64_t started_at, last_byte_at;
};

enum exchange_end {
	EXCHANGE_DONE, /* every item has its answer or its error */
	EXCHANGE_PENDING, /* not all have, at the deadline; wait again */
	EXCHANGE_LOST, /* the connection: server->loss says why */
	EXCHANGE_STOPPED /* the caller of the source wants it to end */
};

/* ---- names: server_cache.c, server_names.c ---- */

struct name_entry {
	uint32_t database; /* of a relation; 0 for roles and databases */
	uint32_t oid;
	bool found; /* false: the server knows none such, as yet */
	int64_t loaded_at; /* monotonic */
	char *name; /* NULL unless found */
	char *extra; /* a relation's table, a database's encoding; NULL */
	char kind; /* of a relation */
	bool superuser, privileges; /* of a role */
};

/* Sorted by database and oid. */
struct name_cache {
	struct name_entry *entries;
	size_t count, capacity;
};

/* The relations that a snapshot's locks name, of any database, sorted; in its arena. */
struct relation_key {
	uint32_t database, oid;
	bool waited;
};

struct name_keys {
	struct relation_key *relations;
	uint32_t count;
};

/* The role whose rights count: current_user, which is another than the login's after SET ROLE in a role's settings. */
struct own_role {
	bool known;
	char *name, *quoted;
	bool superuser, inherits, sees_all, member_sees, signals, member_signals, signals_autovacuum;
};

struct names {
	struct name_cache roles, databases, relations;
	struct name_cache incoming_roles, incoming_databases, incoming_relations; /* of the statements under way */
	int64_t retry_at; /* after a failure; monotonic */
	bool hindered; /* the last statement for names failed: a catalog may be locked */
	int64_t rights_at, databases_at; /* when they were asked for; monotonic; WHEN_NONE: never */
	struct own_role own;
	uint32_t own_database; /* oid */
};

enum names_wish {
	NAMES_MISSING, /* what was never had: a frame waits for it for a moment */
	NAMES_OUTDATED /* what may have changed since: asked for when the frame is out */
};

/* ---- the source ---- */

/* How often the server is asked: server_pace.c. */
struct server_pace {
	double cost; /* microseconds of the server's that a refresh takes, smoothed */
	int64_t interval; /* between the beginnings of two refreshes */
};

/* How long to wait for what; the tests shorten some. */
struct server_limits {
	int64_t first_statement; /* SELECT 1 */
	int64_t silence; /* no byte of an answer: the connection is given up */
	int64_t announce; /* no answer: the screen is told since when */
	int64_t preempt; /* a statement under way is left this long before it is cancelled for a signal */
	int64_t unsent; /* a signal that could not be sent until then is not sent */
	int64_t unanswered; /* a signal's statement: its outcome is unknown then */
	int64_t watch; /* a signalled session is looked at for so long */
	int64_t names, names_once; /* a frame waits for its names */
	int64_t settle_once; /* for the order of the queues */
	int64_t settle_all; /* the same, where every edge was asked for */
	double watch_below; /* a watch is begun whose questions should cost less than this times a scan's locks */
	bool watch_restless; /* also after one that found a change, before two scans were alike */
};

extern const struct server_limits server_limits_default;

struct server_facts {
	bool known;
	char *system_identifier; /* NULL where it may not be read */
	int64_t started_at;
	int64_t deadlock_timeout;
	int32_t max_connections, reserved_connections, max_prepared;
	int32_t own_pid;
	bool pooled;
	bool tells_replay; /* it was a standby when it was connected to, and answered how far it is */
};

struct wait_key; /* server_questions.c */
struct lookup; /* server_lookup.c */

struct server_questions {
	int32_t *pids; /* sorted */
	struct wait_key *waits; /* of these pids, in the scan before; same order */
	uint32_t count;
	bool cut, was_cut; /* the budget had no room for all of these; of those before */
	double model; /* what they should cost, microseconds */
	double scale; /* what they cost in truth, over the model */
};

/* A session that waited or blocked when the locks were read. */
struct kept_session {
	struct identity id, leader;
	int64_t query_start;
	uint32_t backend_xid, backend_xmin;
	const char *wait_event; /* NULL: none was shown */
	bool waits; /* it awaits a lock itself: only then all but `id` counts */
};

/*
 * What is kept of the last scan, so that a watch can do without reading the lock table: server_watch.c. Strings and
 * arrays are in its arena.
 */
struct server_watch {
	struct arena arena;
	struct lock *locks;
	uint32_t lock_count;
	int64_t locks_at; /* the server's clock when they were read */
	struct kept_session *sessions; /* by pid */
	uint32_t session_count, wait_count;
	struct prepared *prepared; /* by xid; without their texts */
	uint32_t prepared_count;
	struct identity selected; /* whose own locks are among them; pid 0: nobody's */
	int64_t selected_change; /* its state_change */
	bool possible; /* false: what was read cannot be confirmed by asking */
	bool wanted; /* the next refresh is to be a watch, if no scan is demanded */
	bool unsteady; /* the last watch found a change: no other until two scans find the same */
	bool begun; /* watches have followed the last scan, or the one before it that was only due */
	double spent; /* microseconds of the server's that watches have taken since the last scan */
	double scan_cost; /* microseconds of the server's that reading the locks takes, smoothed */
};

/* Workers of parallel queries that had locks in the reading before: whose they are, by virtual transaction. */
struct group_member {
	char virtualtransaction[24];
	struct identity leader;
};

enum { WORKERS_REMEMBERED = 64 };

struct server_groups {
	struct group_member *members;
	size_t count, capacity;
	int32_t workers[WORKERS_REMEMBERED]; /* all that there were: their locks are wanted whole */
	uint32_t worker_count;
};

/* Who was there at the last reading, as the server said: server_sessions.c. Strings and the array are in its arena. */
struct server_sessions {
	struct arena arena;
	struct session *entries; /* by pid, of those that tell when they last reported */
	uint32_t count;
	int64_t since; /* the server's clock before they were read: who reports then or later is sent whole. WHEN_NONE:
			  all are */
	bool most_change; /* of them, from one reading to the next */
};

/* Sessions seen waiting for a safe snapshot, by pid: who holds them up is asked at the next reading. */
enum { SAFE_MOST = 64 };

struct safe_wait {
	struct identity id;
	int64_t query_start;
};

struct server_safe {
	struct safe_wait waits[SAFE_MOST];
	uint32_t count;
};

struct server {
	struct source source; /* first: a source pointer is a pointer to its server */
	struct server_queues queues;
	pthread_t thread;
	bool read_only; /* never changes */

	/* The sampler's own from here on. */
	struct server_options options;
	struct server_limits limits;
	struct agenda agenda;
	struct source_status status;
	PGconn *conn;
	struct exchange exchange;
	struct err loss; /* why the connection was lost */
	struct err notice; /* the last warning or FATAL that came outside of an answer */
	bool prepared[QUERY_COUNT];
	bool was_live; /* once: later troubles are losses */
	bool live; /* frames come, and signals can be sent */
	bool password_given, password_refused;
	unsigned password_tries;
	char *password; /* remembered from a lost connection */
	char *signature; /* of this program and its user, for the comments of signals: harmless in SQL */
	int version;
	struct server_facts facts;
	struct names names;
	struct decoder *decoder;
	struct server_questions questions;
	struct server_watch watch;
	struct server_groups groups;
	struct server_pace pace;
	struct server_sessions sessions;
	struct server_safe safe;
	struct lookup *lookup; /* under way; NULL: none */
	uint64_t epoch, serial;
	bool progress_wanted; /* by what the last frame shows, a maintenance command may be under way */
	bool many_locks_wanted; /* by the last scan: most of the locks held are, or there are few */
	int64_t scan_time; /* the server's, of the last scan, without its questions */
	uint32_t last_sessions, last_locks; /* in the last frame; 0: there was none */
	int32_t waiting; /* sessions, in the last frame; -1 not known */
	int64_t deadlocks_at_start, first_taken_at;
	int64_t next_refresh; /* monotonic */
	int64_t warm_at; /* when the rest is to be warmed up, monotonic; INT64_MAX: never, or it is */
	int64_t timeout; /* connect_timeout; INT64_MAX: none */
	int64_t give_up_at; /* once: what is awaited must come by then; monotonic; INT64_MAX: no haste */
	bool once_again; /* once: the refresh failed, and is tried again */
	int64_t backoff;
};

/* server.c */
void server_set_state(struct server *server, enum source_state state, const char *text);
void server_publish_status(struct server *server);
void server_receive_commands(struct server *server);
void server_begin_epoch(struct server *server); /* another server, or restarted: nothing known holds any more */
/* Waits for commands or `deadline`; with a connection also for its loss, which is false. */
bool server_wait(struct server *server, int64_t deadline);
struct source *server_new_with(const struct server_options *options, const struct server_limits *limits,
			       struct err *err) MUST_CHECK;

/* server_options.c */
bool server_check_options(const struct connect_options *options, struct err *err) MUST_CHECK;
bool server_copy_options(struct server *server, const struct server_options *options);
void server_free_options(struct server_options *options);
enum { SERVER_PARAMS = 12 };
struct server_params {
	const char *keywords[SERVER_PARAMS], *values[SERVER_PARAMS];
	unsigned count;
};
struct server_params server_connect_params(const struct server *server, const char *connect_timeout);
/* The option's value on this connection, from wherever libpq took it; malloc'd, NULL: not set. */
char *server_effective_option(PGconn *conn, const char *keyword);
/* The last complaint of libpq, in one line. */
void server_connection_error(const char *message, struct err *err);

/* server_slots.c */
bool slots_are_short(const struct err *err); /* whether it is this that a connection was refused for */
/* Adds what would mend it. `verbose` is libpq's message with PQERRORS_VERBOSE, if that was to be had. */
void slots_explain(const char *verbose, struct err *err);

/* server_connect.c */
bool server_connect(struct server *server); /* false: stopped or failed */
bool server_recover(struct server *server); /* from a loss: waits for the next try; false: stopped or failed */
void server_say_unanswered(struct server *server, const char *text); /* to whom the connection was lost */
void server_forget_passwords(struct server *server);
void server_disconnect(struct server *server); /* remembers the password for the next connection */

/* server_warm.c */
bool server_is_passing(const struct err *err); /* what awaited a lock too long, or was cancelled: worth another try */
const char *server_lock_hint(const struct err *err); /* "", or what may be behind it: goes before the error */
/* Why the connection is of no use, into `loss`: a statement that failed, or the one that is not answered in time. */
void server_blame(struct server *server, const struct exchange_item *failed);
void server_blame_silence(struct server *server);
/* What signals and the first frame need. False: lost, stopped, or `loss` says what the server cannot do. */
bool server_warm(struct server *server);
/* What later frames need; what fails for a lock is tried again, else it fails in use. False: lost, stopped. */
bool server_warm_rest(struct server *server);

/* server_exchange.c */
int server_cancel_start(PGconn *conn); /* a descriptor, readable when it has returned; -1: it could not be started */
void exchange_begin(struct server *server);
void exchange_add_text(struct server *server, const char *name, const char *sql);
void exchange_prepare(struct server *server, enum query_id id);
/* Prepares it first where it is not. `params` may be NULL. Rows go to `handle`, which may be NULL. */
void exchange_add_query(struct server *server, enum query_id id, const struct query_params *params, row_handler handle,
			void *context);
/* Not prepared, with a comment (without its delimiters) before it, for the server's log. */
void exchange_add_commented(struct server *server, enum query_id id, const char *comment,
			    const struct query_params *params, row_handler handle, void *context);
void exchange_stream(struct server *server); /* the statement that was added last */
void exchange_sync(struct server *server); /* ends a group */
void exchange_note_warning(struct server *server); /* server->notice has just come */
/* Cancels what runs on, if that is quickly done. */
void exchange_abandon(struct server *server);
enum exchange_end exchange_wait(struct server *server, int64_t deadline);
const struct exchange_item *exchange_failed(const struct exchange *exchange); /* the first; NULL */

/* server_refresh.c */
bool server_refresh(struct server *server); /* false: lost or stopped */

/* server_check.c */
bool server_check(struct server *server); /* false: lost or stopped */

/* server_questions.c */
void questions_choose(struct server *server, const struct graph *graph, double budget);
bool questions_settled(const struct server *server, const struct snapshot *snapshot);
void questions_accept(struct server *server, struct snapshot *snapshot, struct queue_answer *answers, uint32_t count);
void questions_measure(struct server *server, int64_t elapsed);
/* In the place of those chosen: about every wait. */
void questions_choose_all(struct server *server, const struct graph *graph);
/* By session: whether it awaits a lock. In the arena. */
bool *questions_list_waiters(const struct graph *graph, struct arena *arena);
/* Microseconds that asking about every wait should take. */
double questions_cost_of_all(const struct server *server, const struct graph *graph);
void questions_release(struct server_questions *questions);

/* server_watch.c */
/* Keeps what a watch needs of a frame whose locks were read just now; `cost`: what reading them took the server. */
void watch_keep(struct server *server, const struct frame *frame, int64_t cost);
/* Whether the next refresh is to be a watch: chooses its questions then. */
void watch_choose(struct server *server, const struct frame *frame);
/* Adds the locks that were kept to a snapshot that is not finished. */
void watch_add_locks(const struct server *server, struct snapshot *snapshot);
/* Of the frame of a watch: whether its answers prove that every wait and its blockers are as they were. */
bool watch_confirms(const struct server *server, const struct frame *frame);
/* Whether a pid was seen to await a lock when they were read. */
bool watch_knows(const struct server *server, int32_t pid);
void watch_release(struct server_watch *watch);

/* server_pace.c */
void pace_measure(struct server *server, int64_t cost); /* of a refresh, microseconds of the server's */
void pace_reset(struct server *server); /* to the interval that is asked for */

/* server_groups.c */
/* Adds to a finished snapshot the leaders that it does not tell, but the one before did. */
void groups_recall(const struct server_groups *groups, struct snapshot *snapshot);
void groups_remember(struct server_groups *groups, const struct snapshot *snapshot);
void groups_release(struct server_groups *groups);

/* server_sessions.c */
/* Whether it is worth asking for the changes alone. */
bool sessions_suffice(const struct server_sessions *kept);
/* The session that had this pid and last reported just then, copied, but for the columns that move; false: none. */
bool sessions_recall(const struct server_sessions *kept, int32_t pid, int64_t state_change, struct arena *arena,
		     struct session *session);
/* Of a snapshot that is finished, but has no names yet. `since`: the server's clock before it was read. */
void sessions_keep(struct server_sessions *kept, const struct snapshot *snapshot, int64_t since);
void sessions_release(struct server_sessions *kept);

/* server_safe.c */
void safe_choose(struct server *server, const struct snapshot *snapshot);
void safe_ask(struct server *server, struct arena *arena, row_handler handle, void *context);
/* Answers are as of pg_blocking_pids(): those of waits that stand unchanged go into the snapshot. */
void safe_accept(const struct server *server, struct snapshot *snapshot, const struct queue_answer *answers,
		 uint32_t count);
/* Whether another round would not tell more. */
bool safe_settled(const struct server *server, const struct snapshot *snapshot);

/* server_cache.c */
void name_cache_add(struct name_cache *cache, const struct name_entry *owned);
void name_cache_merge(struct name_cache *cache, struct name_cache *incoming); /* which is empty after */
void name_cache_release(struct name_cache *cache);
const struct name_entry *name_cache_find(const struct name_cache *cache, uint32_t database, uint32_t oid); /* NULL */
const char *name_cache_text(const struct name_cache *cache, uint32_t oid, struct arena *arena); /* NULL: not known */

/* server_names.c */
const char *names_encoding_of(const void *names, uint32_t database);
struct name_keys names_collect(const struct snapshot *snapshot);
/* Begins an exchange for what is wished; false: there is nothing to ask. */
bool names_ask(struct server *server, const struct snapshot *snapshot, const struct name_keys *keys,
	       enum names_wish wish);
void names_receive(struct server *server); /* the exchange is done */
void names_apply(const struct server *server, struct snapshot *snapshot, const struct name_keys *keys);
void names_add_first(struct server *server); /* whose rights they are, and the databases: for the warm-up */
void names_add_rest(struct server *server); /* the other names' statements, for nobody's names */
uint32_t names_database_oids(const struct names *names, uint32_t *oids, uint32_t capacity);
/* The rows of QUERY_RELATIONS from another database's connection; how many there were. */
uint32_t names_take_relations(struct server *server, uint32_t database, const PGresult *rows);
void names_release(struct names *names);

/* server_lookup.c */
void lookup_begin(struct server *server, const struct name_keys *keys); /* what the agenda asks for, if anything */
void lookup_receive(struct server *server, const struct lookup_answer *answer);
void lookup_end(struct server *server); /* waits for its thread */

/* server_signal.c, server_target.c */
void signal_add_warm(struct server *server); /* the signals' statements, for the warm-up */
void signal_add_job(struct server *server, const struct signal_request *request);
void signal_refuse_all(struct server *server, const char *why); /* those not sent yet */
void signal_lose_all(struct server *server, const char *why); /* those whose fate will not be known */
bool signal_step(struct server *server); /* false: lost or stopped */
int64_t signal_next_look(const struct server *server); /* monotonic; INT64_MAX: none */
/* A new reading, before it is handed over, and after: what it shows of those that were still there. */
void signal_look_late(struct server *server, const struct snapshot *snapshot);
void signal_report_late(struct server *server);

#endif
