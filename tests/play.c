#include "play.h"

#include "situation.h"
#include "words.h"

#include "pglocktop/verb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { START = 1000 * 1000 * 1000, SITUATION_MOST = 1 << 16 };

static const char *const state_words[] = {
	[SOURCE_CONNECTING] = "connecting",
	[SOURCE_AUTHENTICATING] = "authenticating",
	[SOURCE_WARMING] = "warming",
	[SOURCE_LIVE] = "live",
	[SOURCE_FROZEN] = "frozen",
	[SOURCE_NO_SLOT] = "no-slot",
	[SOURCE_LOST] = "lost",
	[SOURCE_PASSWORD] = "password",
	[SOURCE_FAILED] = "failed",
};

static const char *const outcome_words[] = {
	[SIGNAL_SENT] = "sent",		[SIGNAL_GONE] = "gone",
	[SIGNAL_STOPPED] = "stopped",	[SIGNAL_STILL_THERE] = "still-there",
	[SIGNAL_NOT_SENT] = "not-sent", [SIGNAL_REFUSED] = "refused",
	[SIGNAL_UNKNOWN] = "unknown",
};

static int find_word(const char *word, const char *const words[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return -1;
}

void play_init(struct play *play, const char *directory)
{
	static const struct server_options options = { .interval = WHEN_SECOND };
	struct source_status status = { .state = SOURCE_LIVE, .interval = WHEN_SECOND, .retry_at = WHEN_NONE };
	*play = (struct play){ .start = START, .now = START, .can_answer = true, .directory = directory };
	play->situation = play->effects = (struct strbuf)STRBUF_INIT;
	desk_init(&play->desk, &options, (struct forest_order){ NULL, false }, (struct charset){ .unicode = true });
	desk_take_status(&play->desk, &status, play->now);
	desk_resize(&play->desk, 80, 24);
}

void play_release(struct play *play)
{
	desk_release(&play->desk);
	strbuf_release(&play->situation);
	strbuf_release(&play->effects);
}

/* ---- what is to be done ---- */

static void add_signal(struct play *play, const struct signal_request *request)
{
	char id[IDENTITY_TEXT_SIZE], clock[WHEN_TEXT_SIZE];
	strbuf_printf(&play->effects, "signal %s %s", signal_verbs[request->verb].name,
		      identity_format(request->target, id));
	if (request->verb == SIGNAL_CANCEL)
		strbuf_printf(&play->effects, " query of %s", when_format_clock(request->query_start, clock));
	strbuf_printf(&play->effects, " not after %s", when_format_clock(request->not_after, clock));
	if (request->server_epoch > 0)
		strbuf_printf(&play->effects, " epoch %" PRIu64, request->server_epoch);
	play->request = *request;
}

static void add_command(struct play *play, const struct source_command *command)
{
	switch (command->kind) {
	case COMMAND_REFRESH:
		strbuf_add_string(&play->effects, "refresh");
		break;
	case COMMAND_INTERVAL:
		strbuf_printf(&play->effects, "interval %" PRId64 " ms", command->interval / 1000);
		break;
	case COMMAND_FREEZE:
		strbuf_add_string(&play->effects, "freeze");
		break;
	case COMMAND_THAW:
		strbuf_add_string(&play->effects, "thaw");
		break;
	case COMMAND_SIGNAL:
		add_signal(play, &command->signal);
		break;
	case COMMAND_LOOKUP:
		strbuf_printf(&play->effects, "look up the names of database %" PRIu32, command->database);
		break;
	case COMMAND_CHECK:
	case COMMAND_SELECTED:
		break;
	}
}

static void perform(struct play *play, const struct effect *effect)
{
	static const char *const plain[] = {
		[EFFECT_REDRAW] = "redraw",
		[EFFECT_SUSPEND] = "suspend",
		[EFFECT_QUIT] = "quit",
		[EFFECT_READ_LOG] = "read the log",
	};
	if (effect->kind == EFFECT_PROBE_LOG)
		return; /* "log" plays what is known of it */
	switch (effect->kind) {
	case EFFECT_FILTER:
	case EFFECT_SEARCH:
		desk_use_terms(&play->desk, effect->kind, effect->text);
		return;
	case EFFECT_COMMAND:
		add_command(play, &effect->command);
		break;
	case EFFECT_COPY:
		strbuf_printf(&play->effects, "copy %s", effect->text);
		break;
	case EFFECT_COPY_TREE:
		strbuf_add_string(&play->effects, "copy:\n");
		desk_copy_tree(&play->desk, &play->effects);
		return;
	default:
		strbuf_add_string(&play->effects, plain[effect->kind]);
	}
	strbuf_add_char(&play->effects, '\n');
}

static void perform_all(struct play *play)
{
	struct state *state = &play->desk.state;
	for (uint32_t i = 0; i < state->effect_count; i++)
		perform(play, &state->effects[i]);
	state_clear_effects(state);
}

/* What the application does between two inputs. */
static void turn(struct play *play)
{
	struct desk *desk = &play->desk;
	perform_all(play);
	while (desk_is_matching(desk))
		desk_match(desk, INT64_MAX, play->now);
	desk_tick(desk, play->now);
	desk_draw(desk, play->now);
	if (desk->state.question.stage == QUESTION_OPEN)
		question_drawn(&desk->state.question, play->can_answer, play->now);
}

/* ---- frames ---- */

static bool read_situation(struct play *play, struct err *err)
{
	struct situation situation;
	struct strbuf text = STRBUF_INIT;
	strbuf_printf(&text, "taken %" PRId64 "us\n%s", play->now - play->start, play->situation.text);
	bool ok = situation_read(&situation, text.text, err);
	strbuf_release(&text);
	if (!ok)
		return false;
	situation.frame->received_at = play->now;
	situation.frame->serial = ++play->serial;
	situation.frame->server_epoch = play->epoch;
	situation.frame->snapshot->deadlocks_at_start = 0;
	desk_take_frame(&play->desk, situation.frame);
	return true;
}

static bool play_situation(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	strbuf_reset(&play->situation);
	strbuf_add_string(&play->situation, block);
	if (count < 2)
		return read_situation(play, err);
	char path[512], part[SITUATION_MOST];
	snprintf(path, sizeof path, "%s/%s.situation", play->directory, words[1]);
	FILE *file = fopen(path, "r");
	if (!file)
		return err_set(err, "cannot open %s", path);
	size_t length = fread(part, 1, sizeof part, file);
	fclose(file);
	strbuf_add(&play->situation, part, length);
	strbuf_add_string(&play->situation, block);
	return read_situation(play, err);
}

/* Leaves out the lines that begin with one of the verbs and are about `who`. */
static void drop_lines(struct play *play, const char *verbs, const char *who)
{
	struct strbuf kept = STRBUF_INIT;
	for (const char *line = play->situation.text; *line;) {
		size_t length = strcspn(line, "\n") + 1;
		char verb[16] = "", about[32] = "", sought[18];
		sscanf(line, "%15s %31s", verb, about);
		snprintf(sought, sizeof sought, " %s ", verb);
		if (!strstr(verbs, sought) || (who && strcmp(about, who) != 0))
			strbuf_add(&kept, line, line[length - 1] ? length : length - 1);
		line += line[length - 1] ? length : length - 1;
	}
	strbuf_release(&play->situation);
	play->situation = kept;
}

static bool play_ends(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	const char *verbs = strcmp(words[0], "ends") == 0 ? " session lock " : " lock ";
	for (int i = 1; i < count; i++)
		drop_lines(play, verbs, words[i]);
	return read_situation(play, err);
}

static bool play_change(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)words, (void)count;
	for (const char *line = block; *line; line += strcspn(line, "\n") + 1) {
		char verb[16] = "", about[32] = "", sought[18];
		sscanf(line, "%15s %31s", verb, about);
		snprintf(sought, sizeof sought, " %s ", verb);
		if (strcmp(verb, "session") == 0)
			drop_lines(play, sought, about);
		else if (strstr(" server role outline ", sought))
			drop_lines(play, sought, NULL);
	}
	strbuf_add_string(&play->situation, block);
	return read_situation(play, err);
}

static bool play_again(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)words, (void)count, (void)block;
	return read_situation(play, err);
}

static bool play_epoch(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)words, (void)count, (void)block, (void)err;
	play->epoch++;
	return true;
}

/* ---- input ---- */

static uint32_t key_named(const char *word)
{
	static const struct {
		const char *name;
		uint32_t key;
	} keys[] = {
		{ "Enter", INPUT_ENTER },   { "Esc", INPUT_ESCAPE },	   { "Up", INPUT_UP },
		{ "Down", INPUT_DOWN },	    { "Left", INPUT_LEFT },	   { "Right", INPUT_RIGHT },
		{ "PgUp", INPUT_PAGE_UP },  { "PgDn", INPUT_PAGE_DOWN },   { "Home", INPUT_HOME },
		{ "End", INPUT_END_KEY },   { "Tab", INPUT_TAB },	   { "Backspace", INPUT_BACKSPACE },
		{ "Delete", INPUT_DELETE }, { "BackTab", INPUT_BACK_TAB }, { "Space", ' ' },
		{ "Other", INPUT_OTHER },
	};
	unsigned number;
	char rest;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (strcmp(keys[i].name, word) == 0)
			return keys[i].key;
	if (sscanf(word, "F%u%c", &number, &rest) == 1 && number >= 1 && number <= 12)
		return INPUT_F1 + number - 1;
	if (word[0] == '^' && word[1] && !word[2])
		return INPUT_CTRL((unsigned char)word[1]);
	return 0;
}

static void give_key(struct play *play, uint32_t key, bool pile, bool more)
{
	struct input input = { INPUT_KEY, key, more };
	desk_input(&play->desk, &input, play->now);
	perform_all(play);
	if (!pile)
		turn(play);
}

static void give_text(struct play *play, const char *text, bool pile, bool more)
{
	mbstate_t shift = { 0 };
	size_t length;
	wchar_t c;
	for (; *text && (length = mbrtowc(&c, text, strlen(text), &shift)) <= strlen(text); text += length)
		give_key(play, (uint32_t)c, pile, pile && (more || text[length]));
}

static bool play_keys(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)block, (void)err;
	bool pile = strcmp(words[0], "pile") == 0;
	for (int i = 1; i < count; i++) {
		uint32_t key = key_named(words[i]);
		bool more = pile && i + 1 < count;
		if (key)
			give_key(play, key, pile, more);
		else
			give_text(play, words[i], pile, more);
	}
	return true;
}

static bool play_paste(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	struct input begin = { .kind = INPUT_PASTE_BEGIN }, end = { .kind = INPUT_PASTE_END };
	if (count != 2)
		return err_set(err, "paste TEXT");
	desk_input(&play->desk, &begin, play->now);
	give_text(play, words[1], true, true);
	if (strcmp(words[0], "paste") == 0)
		desk_input(&play->desk, &end, play->now);
	return true;
}

static bool play_answer(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)words, (void)count, (void)block, (void)err;
	struct input answer = { .kind = INPUT_ANSWER };
	desk_input(&play->desk, &answer, play->now);
	return true;
}

/* ---- the rest ---- */

static bool play_after(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	int64_t age;
	if (count != 2 || !situation_age(words[1], &age))
		return err_set(err, "after AGE");
	play->now += age;
	return true;
}

static bool play_size(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	int width, height;
	if (count != 2 || sscanf(words[1], "%dx%d", &width, &height) != 2)
		return err_set(err, "size WIDTHxHEIGHT");
	desk_resize(&play->desk, width, height);
	return true;
}

static bool play_option(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)count, (void)block, (void)err;
	if (strcmp(words[0], "silent") == 0)
		play->can_answer = false;
	else if (strcmp(words[0], "masked") == 0)
		state_set_masked(&play->desk.state, true);
	else if (strcmp(words[0], "read-only") == 0)
		play->desk.state.read_only = true;
	else if (strcmp(words[0], "banner") == 0)
		play->desk.state.banner = "PRODUCTION";
	else if (strcmp(words[0], "confirms-by-pid") == 0)
		play->desk.state.confirms_by_pid = true;
	else
		play->desk.state.ascii = !(play->desk.canvas.charset.unicode = false);
	return true;
}

static bool play_log(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)block, (void)err;
	struct strbuf why = STRBUF_INIT;
	for (int i = 1; i < count; i++)
		strbuf_printf(&why, "%s%s", i > 1 ? " " : "", words[i]);
	desk_take_log(&play->desk, why.length > 0 ? why.text : NULL);
	strbuf_release(&why);
	return true;
}

static bool play_shows_log(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)words, (void)count, (void)err;
	desk_show_log(&play->desk, block);
	return true;
}

static bool play_status(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	struct source_status status = {
		.interval = WHEN_SECOND, .asked_interval = WHEN_SECOND, .retry_at = WHEN_NONE, .attempt = 1
	};
	int state = count > 1 ? find_word(words[1], state_words, sizeof state_words / sizeof *state_words) : -1;
	if (state < 0)
		return err_set(err, "status STATE");
	status.state = (enum source_state)state;
	status.since = SITUATION_TIME + play->now - play->start;
	status.since_monotonic = play->now;
	for (int i = 2; i < count; i++) {
		const char *value;
		int64_t age;
		if ((value = word_value(words[i], "attempt")))
			status.attempt = (unsigned)atoi(value);
		else if ((value = word_value(words[i], "interval")) && situation_age(value, &age))
			status.interval = age;
		else if ((value = word_value(words[i], "retry")) && situation_age(value, &age))
			status.retry_at = play->now + age;
		else if ((value = word_value(words[i], "stage")))
			snprintf(status.stage, sizeof status.stage, "%s", value);
		else
			snprintf(status.text, sizeof status.text, "%s", words[i]);
	}
	desk_take_status(&play->desk, &status, play->now);
	return true;
}

static bool play_news(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	struct signal_news news = { .request = play->request, .elapsed = WHEN_NONE };
	int outcome = count > 1 ? find_word(words[1], outcome_words, sizeof outcome_words / sizeof *outcome_words) : -1;
	if (outcome < 0)
		return err_set(err, "news OUTCOME");
	news.outcome = (enum signal_outcome)outcome;
	news.waiting_before = news.waiting_after = news.waiters = -1;
	for (int i = 2; i < count; i++) {
		const char *value;
		int64_t age;
		if ((value = word_value(words[i], "before")))
			news.waiting_before = atoi(value);
		else if ((value = word_value(words[i], "after")))
			news.waiting_after = atoi(value);
		else if ((value = word_value(words[i], "freed")))
			news.freed = atoi(value);
		else if ((value = word_value(words[i], "waiters")))
			news.waiters = atoi(value);
		else if (strcmp(words[i], "late") == 0)
			news.late = true;
		else if ((value = word_value(words[i], "sqlstate")))
			snprintf(news.sqlstate, sizeof news.sqlstate, "%s", value);
		else if (situation_age(words[i], &age))
			news.elapsed = age;
		else
			snprintf(news.text, sizeof news.text, "%s", words[i]);
	}
	desk_take_signal(&play->desk, &news, play->now);
	return true;
}

bool play_line(struct play *play, char *words[], int count, const char *block, struct err *err)
{
	static const struct {
		const char *word;
		bool (*play)(struct play *play, char *words[], int count, const char *block, struct err *err);
	} verbs[] = {
		{ "size", play_size },	   { "ascii", play_option },	    { "read-only", play_option },
		{ "silent", play_option }, { "situation", play_situation }, { "change", play_change },
		{ "ends", play_ends },	   { "releases", play_ends },	    { "again", play_again },
		{ "epoch", play_epoch },   { "keys", play_keys },	    { "pile", play_keys },
		{ "paste", play_paste },   { "paste-begin", play_paste },   { "answer", play_answer },
		{ "after", play_after },   { "status", play_status },	    { "news", play_news },
		{ "log", play_log },	   { "shows-log", play_shows_log }, { "confirms-by-pid", play_option },
		{ "banner", play_option }, { "masked", play_option },
	};
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (count == 0 || strcmp(verbs[i].word, words[0]) != 0)
			continue;
		if (!verbs[i].play(play, words, count, block, err))
			return false;
		turn(play);
		return true;
	}
	return err_set(err, "not understood: %s", count > 0 ? words[0] : "");
}

static char row_mark(const struct canvas *canvas, int y)
{
	const struct cell *row = canvas->cells + (size_t)y * (size_t)canvas->width;
	bool dim = true, blank = true, cursor = canvas->width > 0 && (row[0].style & STYLE_CURSOR);
	for (int x = 0; x < canvas->width; x++) {
		if (row[x].glyph.base == ' ')
			continue;
		blank = false;
		dim &= (row[x].style & ~STYLE_CURSOR) == STYLE_DIM;
	}
	return cursor ? (dim && !blank ? '%' : '*') : dim && !blank ? ':' : '|';
}

void play_add_rows(const struct play *play, int first, int last, struct strbuf *out)
{
	struct strbuf dump = STRBUF_INIT;
	canvas_dump(&play->desk.canvas, &dump);
	const char *line = dump.text;
	for (int y = 1; *line && y <= last; y++) {
		size_t length = strcspn(line, "\n") + 1;
		if (y >= first) {
			strbuf_add_char(out, row_mark(&play->desk.canvas, y - 1));
			strbuf_add(out, line, length);
		}
		line += length;
	}
	strbuf_release(&dump);
}
