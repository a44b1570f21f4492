#include "pglocktop/filter.h"

#include "filter_parse.h"

#include "pglocktop/err.h"
#include "pglocktop/heap.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_MOST 4096 /* bytes of terms */
#define MATCH_TIME 1000 /* microseconds for one pattern on one text: at most twice as much */

/*
 * PCRE2's match limit counts anew at each place where a match might begin, so alone it does not bound the time. A
 * callout in front of the pattern is called at each such place and looks at the clock; the limit bounds what
 * happens between two calls to about 1 ms: compiled code counts a step in 1 to 7 ns, the interpreter in 15 to 40.
 */
#define CLOCK_CALLOUT "(?C1)"
#define LIMIT_JIT 150000
#define LIMIT_INTERPRETER 20000
#define LIMIT_HEAP 1024 /* KiB, of the interpreter */
#define JIT_STACK_FIRST ((size_t)32 * 1024)
#define JIT_STACK_MOST ((size_t)512 * 1024)

struct filter_term {
	const struct column *column; /* NULL: each of term_columns */
	bool negated;
	pcre2_code *code;
	uint32_t limit;
};

struct filter {
	char *text;
	struct filter_term *terms;
	size_t count, capacity;
	pcre2_match_context *context;
	pcre2_match_data *data;
	pcre2_jit_stack *stack;
};

static const enum column_id term_columns[] = { COLUMN_SESSION, COLUMN_USER,  COLUMN_DATABASE, COLUMN_APPLICATION,
					       COLUMN_CLIENT,  COLUMN_STATE, COLUMN_OBJECT,   COLUMN_QUERY };

/*
 * What others take of the processor's time is not a pattern's fault. But the thread's own time costs a system call: it
 * is looked at only once the time of the wall is over, and then gives as much again.
 */
struct budget {
	int64_t look_at; /* when_monotonic() */
	int64_t end; /* of this thread's CPU time; 0: not yet looked at */
};

static int64_t cpu_time(void)
{
	struct timespec time;
	ensure(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
	return time.tv_sec * WHEN_SECOND + time.tv_nsec / 1000;
}

static int look_at_clock(pcre2_callout_block *block, void *data)
{
	struct budget *budget = data;
	(void)block;
	int64_t now = when_monotonic();
	if (now < budget->look_at)
		return 0;
	int64_t used = cpu_time();
	if (budget->end == 0)
		budget->end = used + MATCH_TIME;
	budget->look_at = now + budget->end - used;
	return used < budget->end ? 0 : PCRE2_ERROR_CALLOUT;
}

/* Upper-case letters, but not those of \S, \W and \p{Lu}. */
static bool has_upper_case(const char *pattern, size_t length)
{
	static const char upper[] = "^(?:[^\\\\\\p{Lu}]|\\\\[pP]\\{[^}]*+\\}|\\\\.)*+\\p{Lu}";
	int error;
	size_t offset;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)upper, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_DOTALL, &error,
					 &offset, NULL);
	ensure(code);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	ensure(data);
	bool found = pcre2_match(code, (PCRE2_SPTR)pattern, length, 0, 0, data, NULL) >= 0;
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return found;
}

static size_t count_characters(const char *text, size_t length)
{
	size_t count = 0;
	for (size_t i = 0; i < length; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

static bool refuse(struct filter *filter, size_t at, const char *problem, struct err *err, size_t *position)
{
	if (position)
		*position = at;
	return err_set(err, "filter: term %zu, position %zu: %s", filter->count + 1,
		       count_characters(filter->text, at) + 1, problem);
}

static bool compile(struct filter *filter, const struct filter_part *part, struct filter_term *term, struct err *err,
		    size_t *position)
{
	const char *pattern = filter->text + part->start;
	uint32_t flags = PCRE2_UTF | PCRE2_DOTALL | PCRE2_NEVER_BACKSLASH_C;
	if (!has_upper_case(pattern, part->length))
		flags |= PCRE2_CASELESS;
	struct strbuf whole = STRBUF_INIT;
	strbuf_add_string(&whole, CLOCK_CALLOUT);
	strbuf_add(&whole, pattern, part->length);
	int error;
	size_t offset;
	term->code = pcre2_compile((PCRE2_SPTR)whole.text, whole.length, flags, &error, &offset, NULL);
	strbuf_release(&whole);
	if (term->code)
		return true;
	char problem[256];
	size_t callout = sizeof CLOCK_CALLOUT - 1;
	if (pcre2_get_error_message(error, (PCRE2_UCHAR *)problem, sizeof problem) < 0 && !*problem)
		snprintf(problem, sizeof problem, "not a pattern");
	offset = offset > callout ? offset - callout : 0;
	return refuse(filter, part->start + offset, problem, err, position);
}

static bool add_term(struct filter *filter, const struct filter_part *part, struct err *err, size_t *position)
{
	struct filter_term term = { .column = part->column, .negated = part->negated };
	if (!compile(filter, part, &term, err, position))
		return false;
	bool compiled = pcre2_jit_compile(term.code, PCRE2_JIT_COMPLETE) == 0;
	term.limit = compiled ? LIMIT_JIT : LIMIT_INTERPRETER;
	filter->terms = heap_grow(filter->terms, &filter->capacity, filter->count + 1, sizeof term);
	filter->terms[filter->count++] = term;
	return true;
}

static bool add_terms(struct filter *filter, struct err *err, size_t *position)
{
	struct filter_parser parser = { .line = filter->text };
	struct filter_part part;
	if (strlen(filter->text) > LINE_MOST)
		return refuse(filter, LINE_MOST, "too long, the whole filter may have 4096 bytes", err, position);
	for (;;) {
		switch (filter_parse_next(&parser, &part)) {
		case FILTER_PARSE_END:
			return true;
		case FILTER_PARSE_BAD:
			return refuse(filter, parser.problem_at, parser.problem, err, position);
		case FILTER_PARSE_TERM:
			if (!add_term(filter, &part, err, position))
				return false;
		}
	}
}

struct filter *filter_new(const char *terms, struct err *err, size_t *position)
{
	struct filter *filter = calloc(1, sizeof *filter);
	if (!filter || !(filter->text = strdup(terms)))
		err_die("out of memory");
	if (!add_terms(filter, err, position)) {
		filter_free(filter);
		return NULL;
	}
	filter->context = pcre2_match_context_create(NULL);
	filter->data = pcre2_match_data_create(1, NULL);
	filter->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MOST, NULL); /* NULL without JIT */
	if (!filter->context || !filter->data)
		err_die("out of memory");
	pcre2_set_heap_limit(filter->context, LIMIT_HEAP);
	if (filter->stack)
		pcre2_jit_stack_assign(filter->context, NULL, filter->stack);
	return filter;
}

void filter_free(struct filter *owned)
{
	if (!owned)
		return;
	for (size_t i = 0; i < owned->count; i++)
		pcre2_code_free(owned->terms[i].code);
	pcre2_jit_stack_free(owned->stack);
	pcre2_match_data_free(owned->data);
	pcre2_match_context_free(owned->context);
	free(owned->terms);
	free(owned->text);
	free(owned);
}

const char *filter_text(const struct filter *filter)
{
	return filter->text;
}

/* In place: each run of white space becomes one blank. */
static void squeeze_blanks(struct strbuf *text)
{
	size_t to = 0;
	bool blank = false;
	for (size_t from = 0; from < text->length; from++) {
		char c = text->text[from];
		bool white = c == ' ' || (c >= '\t' && c <= '\r');
		if (!white || !blank)
			text->text[to++] = white ? ' ' : c;
		blank = white;
	}
	strbuf_truncate(text, to);
}

/* What a pattern is tried on; ages and numbers as they are shown. */
static void add_subject(const struct column *column, const struct column_row *row, struct strbuf *subject)
{
	struct column_value value = column_get(column, row, false, subject);
	if (value.known && subject->length == 0)
		column_format(column, row, false, subject);
	squeeze_blanks(subject);
}

static enum filter_verdict match_text(const struct filter *filter, const struct filter_term *term,
				      const struct strbuf *text)
{
	struct budget budget = { .look_at = when_monotonic() + MATCH_TIME };
	pcre2_set_match_limit(filter->context, term->limit);
	pcre2_set_depth_limit(filter->context, term->limit);
	pcre2_set_callout(filter->context, look_at_clock, &budget);
	int result = pcre2_match(term->code, (PCRE2_SPTR)text->text, text->length, 0, PCRE2_NO_UTF_CHECK, filter->data,
				 filter->context);
	if (result >= 0)
		return FILTER_YES;
	return result == PCRE2_ERROR_NOMATCH ? FILTER_NO : FILTER_GAVE_UP;
}

static enum filter_verdict match_columns(const struct filter *filter, const struct filter_term *term,
					 const struct column_row *row)
{
	size_t count = term->column ? 1 : sizeof term_columns / sizeof term_columns[0];
	enum filter_verdict verdict = FILTER_NO;
	struct strbuf subject = STRBUF_INIT;
	for (size_t i = 0; i < count && verdict != FILTER_YES; i++) {
		strbuf_reset(&subject);
		add_subject(term->column ? term->column : &columns[term_columns[i]], row, &subject);
		enum filter_verdict here = match_text(filter, term, &subject);
		if (here != FILTER_NO)
			verdict = here;
	}
	strbuf_release(&subject);
	return verdict;
}

enum filter_verdict filter_match_row(const struct filter *filter, const struct column_row *row)
{
	for (size_t i = 0; i < filter->count; i++) {
		const struct filter_term *term = &filter->terms[i];
		enum filter_verdict verdict = match_columns(filter, term, row);
		if (verdict == FILTER_GAVE_UP)
			return FILTER_GAVE_UP;
		if ((verdict == FILTER_YES) == term->negated)
			return FILTER_NO;
	}
	return FILTER_YES;
}

enum filter_verdict filter_match_text(const struct filter *filter, const char *text)
{
	enum filter_verdict verdict = FILTER_YES;
	struct strbuf subject = STRBUF_INIT;
	strbuf_add_string(&subject, text);
	squeeze_blanks(&subject);
	for (size_t i = 0; i < filter->count && verdict == FILTER_YES; i++) {
		enum filter_verdict here = match_text(filter, &filter->terms[i], &subject);
		if (here == FILTER_GAVE_UP)
			verdict = here;
		else if ((here == FILTER_YES) == filter->terms[i].negated)
			verdict = FILTER_NO;
	}
	strbuf_release(&subject);
	return verdict;
}

static void map_prepared(struct filter_run *run, struct arena *arena)
{
	const struct graph *graph = run->frame->graph;
	run->prepared_node = arena_array(arena, run->frame->snapshot->prepared_count, sizeof *run->prepared_node);
	for (uint32_t i = 0; i < run->frame->snapshot->prepared_count; i++)
		run->prepared_node[i] = GRAPH_NONE;
	for (uint32_t i = 0; i < graph->node_count; i++)
		if (graph->nodes[i].prepared != SNAPSHOT_NO_INDEX)
			run->prepared_node[graph->nodes[i].prepared] = i;
}

void filter_run_start(struct filter_run *run, const struct filter *filter, const struct frame *frame,
		      struct arena *arena)
{
	*run = (struct filter_run){ .filter = filter, .frame = frame };
	run->sessions = arena_array(arena, frame->snapshot->session_count, sizeof *run->sessions);
	run->prepared = arena_array(arena, frame->snapshot->prepared_count, sizeof *run->prepared);
	map_prepared(run, arena);
}

static void try_next(struct filter_run *run)
{
	uint32_t session_count = run->frame->snapshot->session_count;
	uint32_t prepared = run->next - session_count;
	bool is_session = run->next < session_count;
	struct column_row row = { run->frame, SNAPSHOT_NO_INDEX, SNAPSHOT_NO_INDEX, GRAPH_NONE, NULL };
	if (is_session) {
		row = column_row_of_session(run->frame, run->next);
	} else {
		row.prepared = prepared;
		row.node = run->prepared_node[prepared];
	}
	enum filter_verdict verdict = filter_match_row(run->filter, &row);
	*(is_session ? &run->sessions[run->next] : &run->prepared[prepared]) = verdict == FILTER_YES;
	run->given_up += verdict == FILTER_GAVE_UP;
	run->next++;
}

void filter_run_slice(struct filter_run *run, int64_t deadline)
{
	uint32_t end = run->frame->snapshot->session_count + run->frame->snapshot->prepared_count;
	while (run->next < end) {
		try_next(run);
		if (when_monotonic() > deadline)
			break;
	}
	run->done = run->next == end;
}
