#include "stage.h"

#include "situation.h"
#include "words.h"

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

void stage_init(struct stage *stage, const char *directory)
{
	static const struct server_options options = { .interval = WHEN_SECOND };
	struct source_status status = { .state = SOURCE_LIVE, .interval = WHEN_SECOND, .retry_at = WHEN_NONE };
	*stage = (struct stage){ .start = START, .now = START, .can_answer = true, .directory = directory };
	stage->situation = stage->effects = (struct strbuf)STRBUF_INIT;
	desk_init(&stage->desk, &options, (struct forest_order){ NULL, false }, (struct charset){ .unicode = true });
	desk_take_status(&stage->desk, &status, stage->now);
	desk_resize(&stage->desk, 80, 24);
}

void stage_release(struct stage *stage)
{
	desk_release(&stage->desk);
	strbuf_release(&stage->situation);
	strbuf_release(&stage->effects);
}

/* ---- what is to be done ---- */

static void add_signal(struct stage *stage, const struct signal_request *request)
{
	char id[IDENTITY_TEXT_SIZE], clock[WHEN_TEXT_SIZE];
	strbuf_printf(&stage->effects, "signal %s %s", request->verb == SIGNAL_CANCEL ? "cancel" : "terminate",
		      identity_format(request->target, id));
	if (request->verb == SIGNAL_CANCEL)
		strbuf_printf(&stage->effects, " query of %s", when_format_clock(request->query_start, clock));
	strbuf_printf(&stage->effects, " not after %s", when_format_clock(request->not_after, clock));
	if (request->server_epoch > 0)
		strbuf_printf(&stage->effects, " epoch %" PRIu64, request->server_epoch);
	stage->request = *request;
}

static void add_command(struct stage *stage, const struct source_command *command)
{
	switch (command->kind) {
	case COMMAND_REFRESH:
		strbuf_add_string(&stage->effects, "refresh");
		break;
	case COMMAND_INTERVAL:
		strbuf_printf(&stage->effects, "interval %" PRId64 " ms", command->interval / 1000);
		break;
	case COMMAND_FREEZE:
		strbuf_add_string(&stage->effects, "freeze");
		break;
	case COMMAND_THAW:
		strbuf_add_string(&stage->effects, "thaw");
		break;
	case COMMAND_SIGNAL:
		add_signal(stage, &command->signal);
		break;
	case COMMAND_SELECTED:
		break;
	}
}

static void perform(struct stage *stage, const struct effect *effect)
{
	static const char *const plain[] = {
		[EFFECT_REDRAW] = "redraw", [EFFECT_SUSPEND] = "suspend", [EFFECT_QUIT] = "quit"
	};
	switch (effect->kind) {
	case EFFECT_FILTER:
	case EFFECT_SEARCH:
		desk_use_terms(&stage->desk, effect->kind, effect->text);
		return;
	case EFFECT_COMMAND:
		add_command(stage, &effect->command);
		break;
	case EFFECT_COPY:
		strbuf_printf(&stage->effects, "copy %s", effect->text);
		break;
	case EFFECT_COPY_TREE:
		strbuf_add_string(&stage->effects, "copy:\n");
		desk_copy_tree(&stage->desk, &stage->effects);
		return;
	default:
		strbuf_add_string(&stage->effects, plain[effect->kind]);
	}
	strbuf_add_char(&stage->effects, '\n');
}

static void perform_all(struct stage *stage)
{
	struct state *state = &stage->desk.state;
	for (uint32_t i = 0; i < state->effect_count; i++)
		perform(stage, &state->effects[i]);
	state_clear_effects(state);
}

/* What the application does between two inputs. */
static void turn(struct stage *stage)
{
	struct desk *desk = &stage->desk;
	perform_all(stage);
	while (desk_is_matching(desk))
		desk_match(desk, INT64_MAX, stage->now);
	desk_tick(desk, stage->now);
	desk_draw(desk, stage->now);
	if (desk->state.question.stage == QUESTION_OPEN)
		question_drawn(&desk->state.question, stage->can_answer, stage->now);
}

/* ---- frames ---- */

static bool read_situation(struct stage *stage, struct err *err)
{
	struct situation situation;
	struct strbuf text = STRBUF_INIT;
	strbuf_printf(&text, "taken %" PRId64 "us\n%s", stage->now - stage->start, stage->situation.text);
	bool ok = situation_read(&situation, text.text, err);
	strbuf_release(&text);
	if (!ok)
		return false;
	situation.frame->received_at = stage->now;
	situation.frame->serial = ++stage->serial;
	situation.frame->server_epoch = stage->epoch;
	situation.frame->snapshot->deadlocks_at_start = 0;
	desk_take_frame(&stage->desk, situation.frame);
	return true;
}

static bool play_situation(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	strbuf_reset(&stage->situation);
	strbuf_add_string(&stage->situation, block);
	if (count < 2)
		return read_situation(stage, err);
	char path[512], part[SITUATION_MOST];
	snprintf(path, sizeof path, "%s/%s.situation", stage->directory, words[1]);
	FILE *file = fopen(path, "r");
	if (!file)
		return err_set(err, "cannot open %s", path);
	size_t length = fread(part, 1, sizeof part, file);
	fclose(file);
	strbuf_add(&stage->situation, part, length);
	strbuf_add_string(&stage->situation, block);
	return read_situation(stage, err);
}

/* Leaves out the lines that begin with one of the verbs and are about `who`. */
static void drop_lines(struct stage *stage, const char *verbs, const char *who)
{
	struct strbuf kept = STRBUF_INIT;
	for (const char *line = stage->situation.text; *line;) {
		size_t length = strcspn(line, "\n") + 1;
		char verb[16] = "", about[32] = "", sought[18];
		sscanf(line, "%15s %31s", verb, about);
		snprintf(sought, sizeof sought, " %s ", verb);
		if (!strstr(verbs, sought) || (who && strcmp(about, who) != 0))
			strbuf_add(&kept, line, line[length - 1] ? length : length - 1);
		line += line[length - 1] ? length : length - 1;
	}
	strbuf_release(&stage->situation);
	stage->situation = kept;
}

static bool play_ends(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	const char *verbs = strcmp(words[0], "ends") == 0 ? " session lock " : " lock ";
	for (int i = 1; i < count; i++)
		drop_lines(stage, verbs, words[i]);
	return read_situation(stage, err);
}

static bool play_change(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)words, (void)count;
	for (const char *line = block; *line; line += strcspn(line, "\n") + 1) {
		char verb[16] = "", about[32] = "", sought[18];
		sscanf(line, "%15s %31s", verb, about);
		snprintf(sought, sizeof sought, " %s ", verb);
		if (strcmp(verb, "session") == 0)
			drop_lines(stage, sought, about);
		else if (strstr(" server role outline ", sought))
			drop_lines(stage, sought, NULL);
	}
	strbuf_add_string(&stage->situation, block);
	return read_situation(stage, err);
}

static bool play_again(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)words, (void)count, (void)block;
	return read_situation(stage, err);
}

static bool play_epoch(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)words, (void)count, (void)block, (void)err;
	stage->epoch++;
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

static void give_key(struct stage *stage, uint32_t key, bool pile, bool more)
{
	struct input input = { INPUT_KEY, key, more };
	desk_input(&stage->desk, &input, stage->now);
	perform_all(stage);
	if (!pile)
		turn(stage);
}

static void give_text(struct stage *stage, const char *text, bool pile, bool more)
{
	mbstate_t shift = { 0 };
	size_t length;
	wchar_t c;
	for (; *text && (length = mbrtowc(&c, text, strlen(text), &shift)) <= strlen(text); text += length)
		give_key(stage, (uint32_t)c, pile, pile && (more || text[length]));
}

static bool play_keys(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)block, (void)err;
	bool pile = strcmp(words[0], "pile") == 0;
	for (int i = 1; i < count; i++) {
		uint32_t key = key_named(words[i]);
		bool more = pile && i + 1 < count;
		if (key)
			give_key(stage, key, pile, more);
		else
			give_text(stage, words[i], pile, more);
	}
	return true;
}

static bool play_paste(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	struct input begin = { .kind = INPUT_PASTE_BEGIN }, end = { .kind = INPUT_PASTE_END };
	if (count != 2)
		return err_set(err, "paste TEXT");
	desk_input(&stage->desk, &begin, stage->now);
	give_text(stage, words[1], true, true);
	if (strcmp(words[0], "paste") == 0)
		desk_input(&stage->desk, &end, stage->now);
	return true;
}

static bool play_answer(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)words, (void)count, (void)block, (void)err;
	struct input answer = { .kind = INPUT_ANSWER };
	desk_input(&stage->desk, &answer, stage->now);
	return true;
}

/* ---- the rest ---- */

static bool play_after(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	int64_t age;
	if (count != 2 || !situation_age(words[1], &age))
		return err_set(err, "after AGE");
	stage->now += age;
	return true;
}

static bool play_size(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	int width, height;
	if (count != 2 || sscanf(words[1], "%dx%d", &width, &height) != 2)
		return err_set(err, "size WIDTHxHEIGHT");
	desk_resize(&stage->desk, width, height);
	return true;
}

static bool play_option(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)count, (void)block, (void)err;
	if (strcmp(words[0], "silent") == 0)
		stage->can_answer = false;
	else if (strcmp(words[0], "read-only") == 0)
		stage->desk.state.read_only = true;
	else
		stage->desk.state.ascii = !(stage->desk.canvas.charset.unicode = false);
	return true;
}

static bool play_status(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	struct source_status status = { .interval = WHEN_SECOND, .retry_at = WHEN_NONE, .attempt = 1 };
	int state = count > 1 ? find_word(words[1], state_words, sizeof state_words / sizeof *state_words) : -1;
	if (state < 0)
		return err_set(err, "status STATE");
	status.state = (enum source_state)state;
	status.since = SITUATION_TIME + stage->now - stage->start;
	status.since_monotonic = stage->now;
	for (int i = 2; i < count; i++) {
		const char *value;
		int64_t age;
		if ((value = word_value(words[i], "attempt")))
			status.attempt = (unsigned)atoi(value);
		else if ((value = word_value(words[i], "retry")) && situation_age(value, &age))
			status.retry_at = stage->now + age;
		else if ((value = word_value(words[i], "stage")))
			snprintf(status.stage, sizeof status.stage, "%s", value);
		else
			snprintf(status.text, sizeof status.text, "%s", words[i]);
	}
	desk_take_status(&stage->desk, &status, stage->now);
	return true;
}

static bool play_news(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	(void)block;
	struct signal_news news = { .request = stage->request, .elapsed = WHEN_NONE };
	int outcome = count > 1 ? find_word(words[1], outcome_words, sizeof outcome_words / sizeof *outcome_words) : -1;
	if (outcome < 0)
		return err_set(err, "news OUTCOME");
	news.outcome = (enum signal_outcome)outcome;
	news.waiting_before = news.waiting_after = -1;
	for (int i = 2; i < count; i++) {
		const char *value;
		if ((value = word_value(words[i], "before")))
			news.waiting_before = atoi(value);
		else if ((value = word_value(words[i], "after")))
			news.waiting_after = atoi(value);
		else if ((value = word_value(words[i], "sqlstate")))
			snprintf(news.sqlstate, sizeof news.sqlstate, "%s", value);
		else if (!situation_age(words[i], &news.elapsed))
			snprintf(news.text, sizeof news.text, "%s", words[i]);
	}
	desk_take_signal(&stage->desk, &news, stage->now);
	return true;
}

bool stage_play(struct stage *stage, char *words[], int count, const char *block, struct err *err)
{
	static const struct {
		const char *word;
		bool (*play)(struct stage *stage, char *words[], int count, const char *block, struct err *err);
	} verbs[] = {
		{ "size", play_size },	   { "ascii", play_option },	    { "read-only", play_option },
		{ "silent", play_option }, { "situation", play_situation }, { "change", play_change },
		{ "ends", play_ends },	   { "releases", play_ends },	    { "again", play_again },
		{ "epoch", play_epoch },   { "keys", play_keys },	    { "pile", play_keys },
		{ "paste", play_paste },   { "paste-begin", play_paste },   { "answer", play_answer },
		{ "after", play_after },   { "status", play_status },	    { "news", play_news },
	};
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (count == 0 || strcmp(verbs[i].word, words[0]) != 0)
			continue;
		if (!verbs[i].play(stage, words, count, block, err))
			return false;
		turn(stage);
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

void stage_add_rows(const struct stage *stage, int first, int last, struct strbuf *out)
{
	struct strbuf dump = STRBUF_INIT;
	canvas_dump(&stage->desk.canvas, &dump);
	const char *line = dump.text;
	for (int y = 1; *line && y <= last; y++) {
		size_t length = strcspn(line, "\n") + 1;
		if (y >= first) {
			strbuf_add_char(out, row_mark(&stage->desk.canvas, y - 1));
			strbuf_add(out, line, length);
		}
		line += length;
	}
	strbuf_release(&dump);
}
