/* The pretokenizer and normal form C: the published patterns on texts split by
 * hand, every character of Unicode, long texts; canonical order and
 * composition. */
#include "config.h"
#include "text_lab.h"

#include <stdio.h>
#include <unistd.h>

/* ---- words ---- */

#ifdef HAVE_PCRE2

#define MAX_WORDS 16

/* The words of a text, which is their concatenation. */
struct row {
	const char *word[MAX_WORDS]; /* NULL ends them */
};

static const struct row gpt2[] = {
	{{ "Hello", " world", "!" }},
	{{ "I", "'m", " we", "'re", " he", "'s", " you", "'ll", " I", "'d",
	   " I", "'ve", " can", "'t" }},
	{{ "I", "'", "M", " WE", "'", "RE" }}, /* small letters only */
	{{ "'s", "he" }}, {{ "'", "x" }}, {{ "'d", "o" }},
	{{ " '", "s" }}, /* the space takes the quotation mark with it */
	{{ "  ", " two" }}, {{ "a", "   ", " b" }}, {{ "a", "   " }},
	{{ " " }}, {{ "    " }}, {{ " ", " a" }},
	{{ "a", "\n", "b" }}, {{ "a", "\n\n", "\n", "b" }},
	{{ "a", "\r", "\n", "b" }}, {{ "a", "\r\n" }},
	{{ "a", " \n", " b" }}, {{ "a", "\t", "\t", "b" }},
	{{ "123456789" }}, {{ "a", "123", "b" }}, {{ " 2024", "-", "01" }},
	{{ "x", " =", " 1", ";", "\n" }}, {{ " ...", "\n" }},
	{{ "\u00e9t\u00e9", " \u4f60\u597d", "\uff0c", "\u4e16\u754c" }},
	/* A combining mark is not a letter. */
	{{ "e", "\u0301", "t" }}, {{ " e", "\u0301\u0302!" }},
	/* digits of Arabic, fractions, Roman numerals; a keycap */
	{{ "\u0661\u0662", "a" }}, {{ "\u00bd\u2163" }},
	{{ "1", "\ufe0f\u20e3" }},
	{{ "\U0001f600\U0001f44d\U0001f3fd", " ok" }},
	{{ " \U0001f468\u200d\U0001f469" }},
	/* White space beyond ASCII. */
	{{ "a", "\xc2\x85", "b" }}, {{ "a", "\xc2\x85", "\xc2\x85", "b" }},
	{{ "a", "\u00a0", "b" }}, {{ "a", "\u00a0", " b" }},
	{{ "a", " \u00a0", "\u00a0", "b" }},
	{{ "a", "\u3000", "\u3000", "b" }}, {{ "\u2028", "a" }},
	{{ "\u1680", "\u205f", "a" }}, {{ "\u202f\u2009" }},
	/* Not white space: U+180E, U+200B, U+2060, U+FEFF, U+001C. */
	{{ "a", "\u180e", "b" }}, {{ "a", " \u180e", "b" }},
	{{ "\u180e\u180e", " ", " b" }},
	{{ "a", "\u200b", "b" }}, {{ " \u2060" }}, {{ "\ufeff", "a" }},
	{{ " \x1c\x1f", "a" }}, {{ " \x01\x7f" }},
};

static const struct row llama3[] = {
	{{ "Hello", " world", "!" }},
	{{ "I", "'m", " we", "'re", " he", "'s", " you", "'ll", " I", "'d" }},
	{{ "I", "'M", " WE", "'Re", " A", "'LL", " B", "'vE" }},
	{{ "'s", "he" }}, {{ "'S", "HE" }}, {{ "'Ll", "A" }}, {{ "'x" }},
	{{ "'\u00e9t\u00e9" }},
	{{ "it", "'\u017f", "o" }}, /* the long s is a small letter of S */
	{{ " '", "s" }}, {{ "(a", ")" }}, {{ "$x", " =", " ", "1", ";" }},
	{{ "  ", " two" }}, {{ "a", "   ", " b" }}, {{ "a", "   " }},
	{{ " " }}, {{ "    " }},
	/* what is no letter, digit or line end starts a word with letters */
	{{ "\ta" }}, {{ "a", "\t", "\tb" }}, {{ "\u00a0b" }},
	{{ "a", "\u00a0b" }}, {{ "a", " ", "\u00a0b" }}, {{ "\u3000b" }},
	{{ "a", "\xc2\x85" "b" }}, {{ "\u180eb" }}, {{ "\u200bb" }},
	{{ " \u180e" }}, {{ " \u180e\u180e", "b" }},
	{{ "a", "\n", "b" }}, {{ "a", "\n\n\n", "b" }},
	{{ "a", "\r\n", "b" }}, {{ "a", " \r\n\r\n", " b" }},
	{{ "a", " \n \n", " ", " b" }}, {{ "a", "\u00a0\n", "b" }},
	{{ "a", ";\n\n", "b" }}, {{ "a", " ;\r\n", "b" }},
	{{ "a", ";", " \n", "b" }},
	{{ "a", "\u2028", "1" }}, {{ "a", "\u2028b" }},
	{{ "a", "1", "b" }}, {{ "123", "456", "7" }}, {{ " ", "123", "4" }},
	{{ "\u0661\u0662\u0663", "\u0664" }}, {{ "\u00bd\u2163", "a" }},
	{{ "3", ".", "141", "59" }},
	{{ "\u4f60\u597d", "\uff0c\u4e16\u754c" }},
	{{ "e", "\u0301t" }}, {{ "e", "\u0301", "1" }},
	{{ "e", "\u0301\u0302", "t" }},
	{{ "\U0001f600\U0001f44d\U0001f3fd", " ok" }}, {{ "\U0001f600ok" }},
};

/* Where Qwen2's pattern differs from Llama 3's. */
static const struct row qwen2[] = {
	{{ "1", "2", "3", "4" }}, {{ " ", "1", "2", "a" }},
	{{ "\u0661", "\u0662", "\u0663" }}, {{ "\u00bd", "\u2163", "a" }},
	{{ "3", ".", "1", "4" }}, {{ "a", "1", "b" }},
};

/* Where SmolLM's pattern, and those that split runs of digits, differ from
 * GPT-2's: a digit does not take the space before it, and all white space stays
 * together. */
static const struct row smollm[] = {
	{{ "1", "2", "3" }}, {{ "a", "1", "2", "b" }}, {{ " ", "1", "2" }},
	{{ "   ", "1" }}, {{ "a", "   ", "1", " ", "2", "  ", " b" }},
	{{ "a", " \n\t", "7" }}, {{ "a", " \n", " b" }}, {{ "1", " \n " }},
	{{ "x", " =", " ", "1", ";", "\n" }}, {{ "1", "'s", " a" }},
	{{ "'", "1", "s" }}, {{ " '", "1", "'ll", "2" }},
	{{ "a", "\u3000\u3000", "1" }}, {{ "a", "\u3000", "\u3000", "b" }},
	{{ "\u0661", "\u0662", "a" }}, {{ "\u00bd", "\u2163", "\u00b2" }},
	{{ "a", "\u00b2", "b" }}, {{ "\u3007" }}, {{ " \u4e00\u4e8c" }},
	{{ "3", ".", "1", "4" }}, {{ "1", "\ufe0f\u20e3" }},
	{{ "Hello", " world", " ", "2", "0", "2", "4", "!" }},
};

static const struct row digits[] = {
	{{ "123" }}, {{ "a", "12", "b" }}, {{ " ", "12" }}, {{ "   ", "1" }},
	{{ "a", "   ", "12", "  ", " b" }}, {{ " \n", "7", " \n " }},
	{{ "1", "'s", " a" }}, {{ "\u0661\u0662", "a" }},
	{{ "\u00bd\u2163\u00b2" }}, {{ "1\u00bd", "\ufe0f\u20e3" }},
	{{ "3", ".", "14" }}, {{ "x", " =", " ", "10", ";", "\n" }},
};

static const struct row same_here[] = {
	{{ "a" }}, {{ "ab", " cd" }}, {{ "!" }}, {{ " !?" }}, {{ "a", "." }},
	{{ "7" }}, {{ "\n" }}, {{ " \n" }}, {{ "\n\n" }}, {{ " \u00a0 " }},
	{{ "we", "'ll" }}, {{ "\u0436\u0437", " \u0438" }},
};

/* Splits the words' text and compares the words one after the other. */
static void check_row(const struct pretokenizer *s, const struct row *row)
{
	char text[400] = "";
	struct wl_error err;
	size_t at = 0;

	for (int i = 0; i < MAX_WORDS && row->word[i]; i++)
		strcat(text, row->word[i]);
	for (int i = 0; i < MAX_WORDS && row->word[i]; i++) {
		size_t len = pretokenizer_word(s, text, strlen(text), at, &err);

		ck_assert_msg(len == strlen(row->word[i]),
		              "'%s': word %d is '%.*s', not '%s'", text, i,
		              (int)len, text + at, row->word[i]);
		at += len;
	}
}

static struct pretokenizer *splitter(enum word_split split)
{
	struct wl_error err;
	struct pretokenizer *s = pretokenizer_new(split, &err);

	ck_assert_msg(s != NULL, "%s", err.text);
	return s;
}

static void check_rows(enum word_split split, const struct row *row, size_t n)
{
	struct pretokenizer *s = splitter(split);

	for (size_t i = 0; i < n; i++)
		check_row(s, &row[i]);
	pretokenizer_free(s);
}

#define ROWS(table) table, sizeof table / sizeof *table

START_TEST(tables)
{
	check_rows(WORDS_GPT2, ROWS(gpt2));
	check_rows(WORDS_LLAMA3, ROWS(llama3));
	check_rows(WORDS_QWEN2, ROWS(qwen2));
	check_rows(WORDS_GPT2, ROWS(same_here));
	check_rows(WORDS_LLAMA3, ROWS(same_here));
	check_rows(WORDS_QWEN2, ROWS(same_here));
	check_rows(WORDS_SMOLLM, ROWS(smollm));
	check_rows(WORDS_SMOLLM, ROWS(same_here));
	check_rows(WORDS_DIGITS, ROWS(digits));
	check_rows(WORDS_DIGITS, ROWS(same_here));
}
END_TEST

/* The 25 characters of White_Space in Unicode's PropList. */
static bool is_space(uint32_t c)
{
	return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 ||
	       c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
	       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Two characters of a class between "!" and "!": GPT-2's pattern splits them if
 * they are white space, else keeps them together. */
START_TEST(every_character)
{
	struct pretokenizer *s = splitter(WORDS_GPT2);
	struct wl_error err;

	for (uint32_t c = 1; c < 0x110000; c++) {
		char text[16] = "!";
		size_t one, len = 1, word, next;

		if (c >= 0xd800 && c < 0xe000)
			continue;
		one = put_utf8(text + len, c);
		len += one;
		len += put_utf8(text + len, c);
		text[len++] = '!';
		word = pretokenizer_word(s, text, len, 0, &err);
		if (!is_space(c)) {
			/* of "!"s kind, a letter or a digit */
			if (word != len && word != 1)
				ck_abort_msg("U+%04X: a word of %zu", c, word);
			next = word == 1 ? pretokenizer_word(s, text, len, 1,
			                                     &err)
			                 : 2 * one;
			ck_assert_uint_eq(next, 2 * one);
			continue;
		}
		ck_assert_uint_eq(word, 1);
		ck_assert_uint_eq(pretokenizer_word(s, text, len, 1, &err),
		                  one);
		/* The plain space belongs to the next word. */
		ck_assert_uint_eq(
			pretokenizer_word(s, text, len, 1 + one, &err),
			c == ' ' ? 2 : one);
	}
	pretokenizer_free(s);
}
END_TEST

/* The words of any text have at least a byte each and whole characters, and
 * together they are the text. */
START_TEST(random_texts)
{
	struct pretokenizer *s = splitter(_i);
	struct wl_error err;
	char text[4000];

	for (int i = 0; i < 300; i++) {
		size_t len = draw_text(text, draw(1000)), at = 0;

		while (at < len) {
			size_t word = pretokenizer_word(s, text, len, at, &err);

			ck_assert_msg(word > 0, "%s", err.text);
			ck_assert_uint_le(word, len - at);
			at += word;
			if (at < len)
				ck_assert((text[at] & 0xc0) != 0x80);
		}
	}
	pretokenizer_free(s);
}
END_TEST

/* A section ends where len says, whatever bytes follow. */
START_TEST(section_end)
{
	struct pretokenizer *s = splitter(_i);
	struct wl_error err;

	ck_assert_uint_eq(pretokenizer_word(s, "ab  cd", 4, 2, &err), 2);
	ck_assert_uint_eq(pretokenizer_word(s, "ab  cd", 6, 2, &err), 1);
	ck_assert_uint_eq(pretokenizer_word(s, "abcd", 2, 0, &err), 2);
	pretokenizer_free(s);
}
END_TEST

/* Megabytes of text that make one long word or much backtracking. The alarm
 * ends the test if time is quadratic. */
START_TEST(long_texts)
{
	static const char *const unit[] = { "a", " ", "7", "!", "\n",
		"\u00e9", "\u00a0", "\u3000", "' ", " \n", "\n ", "\n   ",
		"a ", "'", "'S", "1 ", "! ", " !", "\u00a0\r", "\U0001f600" };
	enum { SIZE = 1 << 20 };
	struct pretokenizer *s = splitter(_i);
	char *text = malloc(SIZE + 8);
	struct wl_error err;

	alarm(120);
	for (size_t u = 0; u < sizeof unit / sizeof *unit; u++) {
		size_t one = strlen(unit[u]), len = 0;

		for (; len + one < SIZE; len += one)
			memcpy(text + len, unit[u], one);
		text[len++] = u % 2 ? '!' : 'x';
		for (size_t at = 0, word; at < len; at += word) {
			word = pretokenizer_word(s, text, len, at, &err);
			if (word == 0)
				ck_abort_msg("'%s': %s", unit[u], err.text);
		}
	}
	alarm(0);
	free(text);
	pretokenizer_free(s);
}
END_TEST

#else

START_TEST(no_pcre2)
{
	struct wl_error err;

	ck_assert_ptr_null(pretokenizer_new(_i, &err));
	ck_assert_msg(strstr(err.text, "no PCRE2") != NULL, "%s", err.text);
	ck_assert_ptr_nonnull(strstr(err.text, word_split_name(_i)));
}
END_TEST

#endif

/* ---- normal form ---- */

static void expect_nfc(const char *text, size_t len, const char *expected,
                       size_t expected_len)
{
	struct wl_error err;
	size_t n;
	char *nfc = text_nfc(text, len, &n, &err);

	ck_assert_msg(nfc != NULL, "%s", err.text);
	ck_assert_msg(n == expected_len && memcmp(nfc, expected, n) == 0,
	              "'%.*s' became '%.*s', not '%.*s'", (int)len, text,
	              (int)n, nfc, (int)expected_len, expected);
	free(nfc);
}

START_TEST(ascii)
{
	expect_nfc("", 0, "", 0);
	expect_nfc("a 'b' \x7f\n", 8, "a 'b' \x7f\n", 8);
}
END_TEST

#ifdef HAVE_UTF8PROC

#include <utf8proc.h>

#include "suite.h"

START_TEST(composed)
{
	static const char *const row[][2] = {
		{ "e\u0301", "\u00e9" },
		{ "caf\u00e9 e\u0301te\u0301", "caf\u00e9 \u00e9t\u00e9" },
		{ "\u212b \u2126", "\u00c5 \u03a9" },   /* singletons */
		{ "\ufb01 \u00b2", "\ufb01 \u00b2" },   /* NFC, not NFKC */
		{ "\u0958", "\u0915\u093c" },           /* excluded */
		{ "\u0344", "\u0308\u0301" },
		{ "\u1100\u1161\u11a8", "\uac01" },     /* Hangul */
		{ "\uac00\u11a8", "\uac01" },
		{ "a\u0307\u0323", "\u1ea1\u0307" },    /* reordered */
		{ "q\u0307\u0323", "q\u0323\u0307" },
		{ "\u1e0b\u0323", "\u1e0d\u0307" },
		{ "a\u0301\u0301", "\u00e1\u0301" },    /* blocked */
		{ "\u0301a", "\u0301a" },
		{ "\u03b1\u0313\u0300\u0345", "\u1f82" },
		{ "\u1f82", "\u1f82" },
		{ "\U0001f600\u0301", "\U0001f600\u0301" },
		{ "\U00011099\U000110ba", "\U0001109a" },
		{ "\U0001d15e", "\U0001d157\U0001d165" },
	};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++)
		expect_nfc(row[i][0], strlen(row[i][0]), row[i][1],
		           strlen(row[i][1]));
}
END_TEST

/* Letters, precomposed ones, and marks of several classes. */
static size_t draw_marks(char *text, int characters)
{
	static const uint32_t mark[] = { 0x301, 0x307, 0x323, 0x327, 0x328,
		0x345, 0x334, 0x344, 0x3099, 0x5b0, 0x315 };
	size_t len = 0;

	for (int i = 0; i < characters; i++)
		switch (draw(4)) {
		case 0:
			len += put_utf8(text + len, 'a' + draw(26));
			break;
		case 1:
			len += put_utf8(text + len, 0xc0 + draw(0x200));
			break;
		default:
			len += put_utf8(text + len, mark[draw(11)]);
		}
	return len;
}

/* Normalization by utf8proc, which sorts marks by exchanging neighbours. */
START_TEST(against_utf8proc)
{
	char text[400];

	for (int i = 0; i < 5000; i++) {
		size_t len = i % 2 ? draw_marks(text, draw(60))
		                   : draw_text(text, draw(60));
		utf8proc_uint8_t *nfc;
		utf8proc_ssize_t n;

		n = utf8proc_map((utf8proc_uint8_t *)text, len, &nfc,
		                 UTF8PROC_STABLE | UTF8PROC_COMPOSE);
		ck_assert_int_ge(n, 0);
		expect_nfc(text, len, (char *)nfc, n);
		free(nfc);
	}
}
END_TEST

/* A megabyte of marks in the wrong order. */
START_TEST(many_marks)
{
	enum { N = 1 << 18 };
	char *text = malloc(4 * N + 1), *nfc;
	size_t len = 0, n;
	struct wl_error err;

	text[len++] = 'q';
	for (int i = 0; i < N; i++)
		len += put_utf8(text + len, 0x301);
	for (int i = 0; i < N; i++)
		len += put_utf8(text + len, 0x323);
	alarm(60);
	nfc = text_nfc(text, len, &n, &err);
	alarm(0);
	ck_assert_uint_eq(n, len);
	for (int i = 0; i < 2 * N; i++)
		if (memcmp(nfc + 1 + 2 * i, i < N ? "\u0323" : "\u0301", 2))
			ck_abort_msg("mark %d is out of order", i);
	free(nfc);
	free(text);
}
END_TEST

#else

START_TEST(no_utf8proc)
{
	struct wl_error err;
	size_t n;

	ck_assert_ptr_null(text_nfc("\u00e9", 2, &n, &err));
	ck_assert_msg(strstr(err.text, "no utf8proc") != NULL, "%s", err.text);
}
END_TEST

#endif

static Suite *make_suite(void)
{
	Suite *s = suite_create("pretokenizer");
	TCase *words = tcase_create("words");
	TCase *form = tcase_create("normal form");

	suite_add_tcase(s, words);
#ifdef HAVE_PCRE2
	tcase_add_test(words, tables);
	tcase_add_test(words, every_character);
	tcase_add_loop_test(words, random_texts, WORDS_GPT2, WORDS_NKINDS);
	tcase_add_loop_test(words, section_end, WORDS_GPT2, WORDS_NKINDS);
	tcase_add_loop_test(words, long_texts, WORDS_GPT2, WORDS_NKINDS);
#else
	tcase_add_loop_test(words, no_pcre2, WORDS_GPT2, WORDS_NKINDS);
#endif
	suite_add_tcase(s, form);
	tcase_add_test(form, ascii);
#ifdef HAVE_UTF8PROC
	tcase_add_test(form, composed);
	tcase_add_test(form, against_utf8proc);
	tcase_add_test(form, many_marks);
#else
	tcase_add_test(form, no_utf8proc);
#endif
	return s;
}

int main(void)
{
	return run_suite(make_suite());
}
