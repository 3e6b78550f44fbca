/* The times at which progress lines are printed, and the times that they state.
 */
#include "config.h"
#include "host/progress.h"

#include <check.h>
#include <stdlib.h>

#include "suite.h"

START_TEST(lines_are_seldom)
{
	struct progress p;
	int lines = 0;

	progress_start(&p);
	double start = p.start;

	ck_assert(!progress_due(&p, start + 4.9));
	ck_assert(progress_due(&p, start + 5));
	ck_assert(!progress_due(&p, start + 14.9));
	ck_assert(progress_due(&p, start + 15));
	/* 20 seconds on, and half as long again. */
	ck_assert(!progress_overdue(&p, start + 44.9));
	ck_assert(progress_overdue(&p, start + 45));
	for (double t = start + 46; t < start + 36000; t++)
		lines += progress_due(&p, t);
	/* 85, 165, 325, then every five minutes. */
	ck_assert_int_ge(lines, 3 + 118);
	ck_assert_int_le(lines, 3 + 119);
	progress_start(&p);
	ck_assert(progress_due(&p, p.start + 6));
	progress_start_each(&p, 2);
	for (int t = 2; t < 20; t += 2) {
		ck_assert(!progress_due(&p, p.start + t - 0.1));
		ck_assert(progress_due(&p, p.start + t));
	}
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
