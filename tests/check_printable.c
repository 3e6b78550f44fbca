/* Control characters in messages and on a terminal; rows of tables. */
#include "config.h"
#include "base/printable.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/row.h"
#include "suite.h"

/* --- Messages --- */

static void masked(const char *text, const char *expected)
{
	char line[256];

	strcpy(line, text);
	printable_mask(line);
	ck_assert_str_eq(line, expected);
}

START_TEST(messages_have_no_control_characters)
{
	masked("", "");
	masked("plain, \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
	       "plain, \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	masked("a\033[2J\a\b\r\n\t\177z", "a?[2J??????z");
	/* C1: as characters, and as bytes of an older terminal. */
	masked("a\xc2\x9b" "31m\xc2\x85z", "a?31m?z");
	masked("a\x9b" "31m\x80z", "a?31m?z");
	/* The first characters that are none. */
	masked("\xc2\xa0 \x7e", "\xc2\xa0 \x7e");
	/* A name in Latin-1 stays. */
	masked("caf\xe9.h5", "caf\xe9.h5");
	/* Overlong ESC; a character that is cut short; a surrogate. */
	masked("\xc0\x9b", "\xc0?");
	masked("\xe2\x82", "\xe2?");
	masked("\xed\xa0\x9b", "\xed\xa0?");
}
END_TEST

/* --- On a terminal --- */

/* What comes of the pieces, each of which ends where the text says "|". */
static char *shown(const char *text)
{
	struct printable p = { 0 };
	char *s;
	size_t size;
	FILE *out = open_memstream(&s, &size);

	while (*text) {
		size_t len = strcspn(text, "|");

		printable_put(&p, text, len, out);
		text += len + (text[len] == '|');
	}
	printable_end(&p, out);
	fclose(out);
	return s;
}

static void shows(const char *text, const char *expected)
{
	char *s = shown(text);

	ck_assert_str_eq(s, expected);
	free(s);
}

START_TEST(terminals_show_control_characters)
{
	shows("", "");
	shows("two\nlines\t\xc3\xa9", "two\nlines\t\xc3\xa9");
	shows("\033]0;title\a\r\177", "\\x1b]0;title\\x07\\x0d\\x7f");
	shows("\xc2\x9b" "1m\xc2\x80\xc2\x9f\xc2\xa0",
	      "\\x9b1m\\x80\\x9f\xc2\xa0");
	shows("\x9b" "1m\xff", "\\x9b1m\\xff");
	shows("\xc0\x9b\xe0\x80\x9b\xf0\x80\x80\x9b",
	      "\\xc0\\x9b\\xe0\\x80\\x9b\\xf0\\x80\\x80\\x9b");
	shows("\xf4\x8f\xbf\xbf\xf4\x90\x80\x80\xed\x9f\xbf\xed\xa0\x80",
	      "\xf4\x8f\xbf\xbf\\xf4\\x90\\x80\\x80\xed\x9f\xbf"
	      "\\xed\\xa0\\x80");
}
END_TEST

START_TEST(characters_may_be_cut)
{
	shows("\xc3|\xa9", "\xc3\xa9");
	shows("a\xe2|\x82|\xac" "b", "a\xe2\x82\xac" "b");
	shows("\xf0|\x9f|\x98|\x80", "\xf0\x9f\x98\x80");
	shows("\xc2|\x9b", "\\x9b");
	/* What was to come does not, or something else does. */
	shows("a\xf0\x9f\x98", "a\\xf0\\x9f\\x98");
	shows("\xf0\x9f|\033", "\\xf0\\x9f\\x1b");
	shows("\xe2\x82|\xc3\xa9", "\\xe2\\x82\xc3\xa9");
	shows("\xf0|\xf0\x9f\x98\x80", "\\xf0\xf0\x9f\x98\x80");
}
END_TEST

/* --- Rows --- */

START_TEST(cells_do_not_touch)
{
	struct row r = { 0 };

	row_add(&r, -6, "ab");
	row_add(&r, 4, "%d", 12);
	row_add(&r, 4, "%d", 345);
	ck_assert_str_eq(r.text, "ab      12 345");
	/* One as wide as its column. */
	row_add(&r, 4, "6789");
	ck_assert_str_eq(r.text, "ab      12 345 6789");
	row_add(&r, 5, "1");
	ck_assert_str_eq(r.text, "ab      12 345 6789   1");
	row_add(&r, -2, "x");
	row_add(&r, -3, "y");
	ck_assert_str_eq(r.text, "ab      12 345 6789   1 x y");

	r = (struct row){ 0 };
	row_add(&r, -2, "longer");
	row_add(&r, 9, "%llu", ULLONG_MAX);
	row_add(&r, 20, "z");
	ck_assert_str_eq(r.text, "longer 18446744073709551615   z");

	r = (struct row){ 0 };
	row_add(&r, 2, "wide");
	row_add(&r, 4, "%s", "");
	row_add(&r, 4, "e");
	ck_assert_str_eq(r.text, "wide     e");
}
END_TEST

START_TEST(a_row_that_is_too_long_is_cut)
{
	struct row r = { 0 };

	for (int i = 0; i < 600; i++)
		row_add(&r, 3, "%d", 10 + i % 90);
	ck_assert_uint_eq(strlen(r.text), sizeof r.text - 1);
	ck_assert_int_eq(r.len, sizeof r.text - 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("printable");
	TCase *t = tcase_create("printable");

	tcase_add_test(t, messages_have_no_control_characters);
	tcase_add_test(t, terminals_show_control_characters);
	tcase_add_test(t, characters_may_be_cut);
	tcase_add_test(t, cells_do_not_touch);
	tcase_add_test(t, a_row_that_is_too_long_is_cut);
	suite_add_tcase(s, t);
	return run_suite(s);
}
