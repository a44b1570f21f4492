#include "term_key.h"

#include <string.h>

#define ESCAPE 0x1b
#define BELL 0x07
#define SWALLOWED_AT_MOST 4096

void term_decoder_init(struct term_decoder *decoder, int (*next)(void *context), void *context)
{
	*decoder = (struct term_decoder){ .next = next, .context = context, .pushed = TERM_CODE_NONE };
}

static int take_code(struct term_decoder *decoder)
{
	int code = decoder->pushed;
	decoder->pushed = TERM_CODE_NONE;
	return code != TERM_CODE_NONE ? code : decoder->next(decoder->context);
}

static struct input key_input(uint32_t key)
{
	return (struct input){ .kind = INPUT_KEY, .key = key };
}

static void forget_partial(struct term_decoder *decoder)
{
	memset(&decoder->partial, 0, sizeof decoder->partial);
	decoder->within = false;
}

/* Parameters and intermediate bytes up to the final one (ECMA-48, 5.4). */
static void swallow_control_sequence(struct term_decoder *decoder)
{
	for (int i = 0; i < SWALLOWED_AT_MOST; i++) {
		int code = take_code(decoder);
		if (code < 0x20 || code > 0x3f) {
			if (code < 0x40 || code > 0x7e)
				decoder->pushed = code;
			return;
		}
	}
}

/* Up to BEL or the string terminator ESC \. */
static void swallow_string(struct term_decoder *decoder)
{
	int last = 0;
	for (int i = 0; i < SWALLOWED_AT_MOST; i++) {
		int code = take_code(decoder);
		if (code == TERM_CODE_NONE || code == BELL || (last == ESCAPE && code == '\\'))
			return;
		last = code;
	}
}

/* A character's remaining bytes, after Alt. */
static void swallow_character(struct term_decoder *decoder, int lead)
{
	int more = lead >= 0xf0 && lead <= 0xff ? 3 : lead >= 0xe0 && lead <= 0xff ? 2 : lead >= 0xc0 ? 1 : 0;
	for (int code = 0x80; lead <= 0xff && more > 0 && code >= 0x80 && code < 0xc0; more--) {
		code = take_code(decoder);
		if (code < 0x80 || code >= 0xc0)
			decoder->pushed = code;
	}
}

/* An Esc has come. By itself it is the key; with something right behind it, Alt or a sequence that is not known. */
static struct input read_after_escape(struct term_decoder *decoder)
{
	int code = take_code(decoder);
	switch (code) {
	case TERM_CODE_NONE:
		return key_input(INPUT_ESCAPE);
	case ESCAPE:
		decoder->pushed = code;
		return key_input(INPUT_ESCAPE);
	case '[':
		swallow_control_sequence(decoder);
		break;
	case 'O':
		take_code(decoder);
		break;
	case ']':
	case 'P':
	case 'X':
	case '^':
	case '_':
		swallow_string(decoder);
		break;
	default:
		if (code >= TERM_CODE_PASTE_BEGIN) {
			decoder->pushed = code;
			return key_input(INPUT_ESCAPE);
		}
		swallow_character(decoder, code);
	}
	return key_input(INPUT_OTHER);
}

static struct input special_input(int code)
{
	switch (code) {
	case TERM_CODE_PASTE_BEGIN:
		return (struct input){ .kind = INPUT_PASTE_BEGIN };
	case TERM_CODE_PASTE_END:
		return (struct input){ .kind = INPUT_PASTE_END };
	case TERM_CODE_ANSWER:
		return (struct input){ .kind = INPUT_ANSWER };
	default:
		return key_input(INPUT_FIRST + (uint32_t)(code - TERM_CODE_KEYS));
	}
}

static struct input character_input(wchar_t character)
{
	switch (character) {
	case '\r':
	case '\n':
		return key_input(INPUT_ENTER);
	case '\t':
		return key_input(INPUT_TAB);
	case 0x08:
	case 0x7f:
		return key_input(INPUT_BACKSPACE);
	default:
		return key_input((uint32_t)character);
	}
}

/* One byte of a character. True with `input` when the character is whole; bytes that cannot be one are dropped. */
static bool take_byte(struct term_decoder *decoder, int code, struct input *input)
{
	char byte = (char)code;
	wchar_t character;
	size_t taken = mbrtowc(&character, &byte, 1, &decoder->partial);
	if (taken == (size_t)-1) {
		if (decoder->within)
			decoder->pushed = code; /* it may begin the next one */
		forget_partial(decoder);
		return false;
	}
	decoder->within = taken == (size_t)-2;
	if (decoder->within)
		return false;
	*input = character_input(character);
	return true;
}

struct input term_decoder_read(struct term_decoder *decoder)
{
	struct input input = { .kind = INPUT_NONE };
	for (;;) {
		int code = take_code(decoder);
		if (code == TERM_CODE_NONE)
			return input;
		if (code == TERM_CODE_IGNORED)
			continue;
		if (code >= TERM_CODE_KEYS || code == ESCAPE) {
			forget_partial(decoder);
			return code == ESCAPE ? read_after_escape(decoder) : special_input(code);
		}
		if (take_byte(decoder, code, &input))
			return input;
	}
}
