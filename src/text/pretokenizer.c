/* The published patterns with which families of tokenizers cut a text into
 * words, and Unicode's normal form C (UAX #15). PCRE2 matches the patterns and
 * utf8proc has the tables of decompositions; either may be missing. */
#include "config.h"
#include "text/pretokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif
#ifdef HAVE_UTF8PROC
#include <utf8proc.h>
#endif

#ifdef HAVE_PCRE2

/* Unicode's White_Space property, which the patterns call \s. PCRE2's own \s
 * includes U+180E too. */
#define SPACE "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}" \
	"\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"

/* The pattern of Llama 3 and Qwen2, which differ only in the digits. */
#define LLAMA3(digits) \
	"(?i:" CONTRACTIONS ")|" \
	"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" \
	digits "|" \
	" ?[^" SPACE "\\p{L}\\p{N}]+[\\r\\n]*|" \
	"[" SPACE "]*[\\r\\n]+|" \
	"[" SPACE "]+(?![^" SPACE "])|" \
	"[" SPACE "]+"

/* GPT-2's pattern with its digits as a parameter. The negative look-ahead keeps
 * trailing white space in one word at the end of the text, and also before a
 * character of class `end`. */
#define GPT2(digits, end) \
	CONTRACTIONS "|" \
	" ?\\p{L}+|" \
	digits "|" \
	" ?[^" SPACE "\\p{L}\\p{N}]+|" \
	"[" SPACE "]+(?![^" SPACE end "])|" \
	"[" SPACE "]+"

/* SmolLM's tokenizer first isolates digits and then applies GPT-2's pattern to
 * the text between them, so that pattern sees the text end before a digit. */
static const char *const pattern[WORDS_NKINDS] = {
	[WORDS_GPT2] = GPT2(" ?\\p{N}+", ""),
	[WORDS_SMOLLM] = GPT2("\\p{N}", "\\p{N}"),
	[WORDS_DIGITS] = GPT2("\\p{N}+", "\\p{N}"),
	[WORDS_LLAMA3] = LLAMA3("\\p{N}{1,3}"),
	[WORDS_QWEN2] = LLAMA3("\\p{N}"),
};

struct pretokenizer {
	enum word_split split;
	pcre2_code *code;
	pcre2_match_data *match; /* room for one match */
};

static int pretokenizer_error(enum word_split split, int code,
                              struct wl_error *err)
{
	PCRE2_UCHAR why[256];

	pcre2_get_error_message(code, why, sizeof why);
	return wl_error_set(err, "text: PCRE2 fails on the word pattern %s: %s",
	                    word_split_name(split), (char *)why);
}

struct pretokenizer *pretokenizer_new(enum word_split split,
                                      struct wl_error *err)
{
	struct pretokenizer *s;
	PCRE2_SIZE at;
	int code;

	WL_ASSERT(split != WORDS_NONE && split < WORDS_NKINDS);
	s = wl_calloc(1, sizeof *s);
	s->split = split;
	s->code = pcre2_compile((PCRE2_SPTR)pattern[split],
	                        PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
	                        &code, &at, NULL);
	if (!s->code) {
		pretokenizer_error(split, code, err);
		pretokenizer_free(s);
		return NULL;
	}
	/* Without JIT support the interpreter finds the same words. */
	pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE);
	s->match = pcre2_match_data_create(1, NULL);
	if (!s->match)
		wl_die("out of memory for PCRE2");
	return s;
}

void pretokenizer_free(struct pretokenizer *s)
{
	if (!s)
		return;
	pcre2_match_data_free(s->match);
	pcre2_code_free(s->code);
	free(s);
}

/* Time is linear in the length of the word: the patterns have no nested
 * repeats, so each alternative scans its characters once and backtracks over
 * them at most once. */
size_t pretokenizer_word(const struct pretokenizer *s, const char *section,
                         size_t len, size_t at, struct wl_error *err)
{
	/* NO_UTF_CHECK: else PCRE2 validates the whole section each time. */
	int rc = pcre2_match(s->code, (PCRE2_SPTR)section, len, at,
	                     PCRE2_NO_UTF_CHECK, s->match, NULL);
	const PCRE2_SIZE *span = pcre2_get_ovector_pointer(s->match);

	if (rc == PCRE2_ERROR_NOMATCH)
		return len - at;
	if (rc < 0) {
		pretokenizer_error(s->split, rc, err);
		return 0;
	}
	return (span[0] > at ? span[0] : span[1]) - at;
}

#else

struct pretokenizer *pretokenizer_new(enum word_split split,
                                      struct wl_error *err)
{
	wl_error_set(err, "tokenizer: this build has no PCRE2, which the word"
	             " pattern %s needs", word_split_name(split));
	return NULL;
}

void pretokenizer_free(struct pretokenizer *s)
{
	(void)s;
}

size_t pretokenizer_word(const struct pretokenizer *s, const char *section,
                         size_t len, size_t at, struct wl_error *err)
{
	(void)s, (void)section, (void)err;
	return len - at;
}

#endif

const char *pretokenizer_libraries(void)
{
	static char text[128];
	char pcre[64] = "none";
	const char *utf8proc = "none";

#ifdef HAVE_PCRE2
	pcre2_config(PCRE2_CONFIG_VERSION, pcre);
#endif
#ifdef HAVE_UTF8PROC
	utf8proc = utf8proc_version();
#endif
	snprintf(text, sizeof text, "PCRE2 %s\nutf8proc %s", pcre, utf8proc);
	return text;
}

static char *copy_text(const char *text, size_t len, size_t *out_len)
{
	char *copy = wl_malloc(len, 1);

	if (len > 0)
		memcpy(copy, text, len);
	*out_len = len;
	return copy;
}

static bool is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

#ifdef HAVE_UTF8PROC

#define NFC (UTF8PROC_STABLE | UTF8PROC_COMPOSE)

/* Bound on the characters that one character decomposes to; Unicode has at most
 * 4. */
#define MAX_DECOMPOSED 32

struct mark {
	utf8proc_int32_t c;
	int class;    /* canonical combining class; 0: not a mark */
	size_t order; /* original index: keeps the sort stable */
};

static int compare_mark(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	if (x->class != y->class)
		return x->class - y->class;
	return (x->order > y->order) - (x->order < y->order);
}

/* Stores the decomposed characters of the text in *c, which the caller frees.
 * Returns their number. */
static size_t decompose(const char *text, size_t len, utf8proc_int32_t **c)
{
	size_t n = 0, room = 0;

	*c = NULL;
	for (size_t at = 0; at < len;) {
		utf8proc_int32_t one;
		int unused;

		if (room - n < MAX_DECOMPOSED) {
			room = 2 * room + len + MAX_DECOMPOSED;
			*c = wl_realloc(*c, room, sizeof **c);
		}
		at += utf8proc_iterate((const utf8proc_uint8_t *)text + at,
		                       len - at, &one);
		n += utf8proc_decompose_char(one, *c + n, MAX_DECOMPOSED, NFC,
		                             &unused);
	}
	return n;
}

/* Sorts each run of combining marks into canonical order. utf8proc's own sort
 * takes quadratic time. */
static void order_marks(utf8proc_int32_t *c, size_t n)
{
	struct mark *run = wl_malloc(n, sizeof *run);

	for (size_t i = 0, len; i < n; i += len ? len : 1) {
		bool sorted = true;

		for (len = 0; i + len < n; len++) {
			struct mark m = { c[i + len], 0, len };

			m.class = utf8proc_get_property(m.c)->combining_class;
			if (m.class == 0)
				break;
			if (len > 0 && run[len - 1].class > m.class)
				sorted = false;
			run[len] = m;
		}
		if (sorted)
			continue;
		qsort(run, len, sizeof *run, compare_mark);
		for (size_t k = 0; k < len; k++)
			c[i + k] = run[k].c;
	}
	free(run);
}

char *text_nfc(const char *text, size_t len, size_t *out_len,
               struct wl_error *err)
{
	utf8proc_int32_t *c;
	utf8proc_ssize_t bytes;
	size_t n;

	if (is_ascii(text, len))
		return copy_text(text, len, out_len);
	n = decompose(text, len, &c);
	order_marks(c, n);
	/* Writes a NUL at the end, for which decompose has left room. */
	bytes = utf8proc_reencode(c, n, NFC);
	if (bytes < 0) {
		wl_error_set(err, "text: cannot be brought to NFC: %s",
		             utf8proc_errmsg(bytes));
		free(c);
		return NULL;
	}
	*out_len = bytes;
	return wl_realloc(c, bytes, 1);
}

#else

char *text_nfc(const char *text, size_t len, size_t *out_len,
               struct wl_error *err)
{
	if (is_ascii(text, len))
		return copy_text(text, len, out_len);
	wl_error_set(err, "text: this build has no utf8proc, which this"
	             " tokenizer needs for text outside ASCII");
	return NULL;
}

#endif
