/* When lines of progress come, and what they say of time. */
#include "config.h"
#include "progress.h"

#include <check.h>
#include <stdlib.h>

#include "suite.h"

START_TEST(lines_are_seldom)
{
	struct progress p;
	int lines = 0;

	progress_start(&p);
	double start = p.start;

	ck_assert(!progress_due(&p, start + 9.9));
	ck_assert(progress_due(&p, start + 10));
	ck_assert(!progress_due(&p, start + 29.9));
	ck_assert(progress_due(&p, start + 30));
	for (double t = start + 31; t < start + 36000; t++)
		lines += progress_due(&p, t);
	/* 70, 150, 310, then every five minutes. */
	ck_assert_int_ge(lines, 3 + 118);
	ck_assert_int_le(lines, 3 + 119);
	progress_start(&p);
	ck_assert(progress_due(&p, p.start + 11));
}
END_TEST

START_TEST(times_have_units)
{
	static const struct {
		double taken, done, all;
		const char *text;
	} c[] = {
		{ 10, 1, 2, ", 10 s, about 10 s left" },
		{ 12, 1, 32, ", 12 s, about 6 min left" },
		{ 99.6, 99, 100, ", 2 min, about 1 s left" },
		{ 7200, 100, 300, ", 2 h, about 4 h left" },
		{ 30, 4, 1000000, ", 30 s, about 2083 h left" },
	};
	struct progress p = { .start = 1000 };
	char text[80];

	for (size_t i = 0; i < sizeof c / sizeof *c; i++)
		ck_assert_str_eq(progress_text(&p, 1000 + c[i].taken,
		                               c[i].done, c[i].all, text,
		                               sizeof text), c[i].text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("progress");
	TCase *t = tcase_create("progress");

	tcase_add_test(t, lines_are_seldom);
	tcase_add_test(t, times_have_units);
	suite_add_tcase(s, t);
	return run_suite(s);
}
