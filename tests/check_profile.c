/* Host seconds by phase, operator and kind: each instant is in one bucket;
 * what is found over ranks; and its tables. */
#include "config.h"
#include "host/profile.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/ledger.h"
#include "host/host.h"
#include "made_device.h"
#include "suite.h"

/* Waits so many milliseconds. */
static void spend(int ms)
{
	double end = host_seconds() + 1e-3 * ms;

	while (host_seconds() < end)
		;
}

static double all_seconds(const struct profile_times *t)
{
	const double *s = &t->seconds[0][0][0];
	double sum = 0;

	for (size_t i = 0; i < sizeof *t / sizeof *s; i++)
		sum += s[i];
	return sum;
}

/* At least so many milliseconds: a busy host may make it more. */
static void took(const struct profile *p, enum phase phase, int op,
                 enum profile_kind kind, int ms)
{
	ck_assert(p->times.seconds[phase][op][kind] >= 1e-3 * ms);
}

START_TEST(each_instant_is_in_one_bucket)
{
	double start = host_seconds(), all;
	enum profile_kind move, inner, wait;
	struct profile p;

	profile_start(&p);
	spend(1);
	profile_take(&p, PHASE_DECODE, OP_QKV);
	spend(2);
	move = profile_enter(&p, PROFILE_EXCHANGE);
	spend(3);
	/* A move inside a move, which waits. */
	inner = profile_enter(&p, PROFILE_EXCHANGE);
	wait = profile_enter(&p, PROFILE_WAIT);
	spend(4);
	profile_leave(&p, wait);
	profile_leave(&p, inner);
	ck_assert(p.kind == PROFILE_EXCHANGE);
	spend(5);
	profile_leave(&p, move);
	ck_assert(p.kind == PROFILE_COMPUTE);
	profile_take(&p, PHASE_DECODE, PROFILE_NO_OP);
	spend(6);
	profile_stop(&p);
	all = host_seconds() - start;

	took(&p, PHASE_LOAD, PROFILE_NO_OP, PROFILE_COMPUTE, 1);
	took(&p, PHASE_DECODE, OP_QKV, PROFILE_COMPUTE, 2);
	took(&p, PHASE_DECODE, OP_QKV, PROFILE_EXCHANGE, 3 + 5);
	took(&p, PHASE_DECODE, OP_QKV, PROFILE_WAIT, 4);
	took(&p, PHASE_DECODE, PROFILE_NO_OP, PROFILE_COMPUTE, 6);
	ck_assert(all_seconds(&p.times) <= all);
	ck_assert(all_seconds(&p.times) >= 21e-3);
	/* All other entries are zero. */
	all = all_seconds(&p.times) -
	      p.times.seconds[PHASE_LOAD][PROFILE_NO_OP][PROFILE_COMPUTE] -
	      p.times.seconds[PHASE_DECODE][PROFILE_NO_OP][PROFILE_COMPUTE];
	for (int k = 0; k < PROFILE_KINDS; k++)
		all -= p.times.seconds[PHASE_DECODE][OP_QKV][k];
	ck_assert(fabs(all) < 1e-12);
}
END_TEST

START_TEST(nothing_counts_outside)
{
	struct profile p;
	double all;

	profile_start(&p);
	profile_stop(&p);
	all = all_seconds(&p.times);
	profile_take(&p, PHASE_DECODE, OP_HEAD);
	profile_leave(&p, profile_enter(&p, PROFILE_WAIT));
	profile_stop(&p);
	ck_assert(all_seconds(&p.times) == all);
	/* No profile at all. */
	profile_start(NULL);
	profile_take(NULL, PHASE_DECODE, OP_HEAD);
	profile_leave(NULL, profile_enter(NULL, PROFILE_WAIT));
	profile_stop(NULL);
}
END_TEST

/* A ledger tells what it is told, each time: a phase begins with no operator,
 * and one that goes on after something else is told of again. */
START_TEST(a_ledger_tells_its_operators)
{
	struct ledger l;
	struct profile p;

	ledger_init(&l, &made_device, WL_F32, 4);
	l.observe = profile_take;
	l.observer = &p;
	profile_start(&p);
	ledger_phase(&l, PHASE_PREFILL);
	ck_assert(p.phase == PHASE_PREFILL && p.op == PROFILE_NO_OP);
	ledger_op(&l, OP_QKV);
	ck_assert(p.phase == PHASE_PREFILL && p.op == OP_QKV);
	profile_take(&p, PHASE_PREFILL, PROFILE_NO_OP);
	ledger_op(&l, OP_QKV);
	ck_assert(p.op == OP_QKV);
	ck_assert(l.row[PHASE_PREFILL][OP_QKV].runs == 1);
	ledger_phase(&l, PHASE_DECODE);
	ck_assert(p.phase == PHASE_DECODE && p.op == PROFILE_NO_OP);
	profile_stop(&p);
	ledger_fini(&l);
}
END_TEST

/* Three ranks decode; the norm is minor everywhere, softmax on all but one. */
static struct profile_times made[3];

static void make_times(void)
{
	static const double up[] = { 4, 8, 6 }, wait[] = { 3, 1, 2 };

	memset(made, 0, sizeof made);
	for (int r = 0; r < 3; r++) {
		double (*s)[PROFILE_KINDS] = made[r].seconds[PHASE_DECODE];

		s[OP_FFN_UP][PROFILE_COMPUTE] = up[r];
		s[OP_FFN_UP][PROFILE_WAIT] = wait[r];
		s[OP_NORM][PROFILE_EXCHANGE] = 0.01;
		s[OP_SOFTMAX][PROFILE_COMPUTE] = r == 2 ? 0.1 : 0.001;
	}
}

static void is(const struct profile_figure *f, double min, double mean,
               double max, int rank)
{
	ck_assert(fabs(f->min - min) < 1e-12);
	ck_assert(fabs(f->mean - mean) < 1e-12);
	ck_assert(fabs(f->max - max) < 1e-12);
	ck_assert_int_eq(f->rank, rank);
}

START_TEST(ranks_are_summed_up)
{
	struct profile_summary s;
	const struct profile_phase *p = &s.phase[PHASE_DECODE];
	const struct profile_row *up = &p->op[OP_FFN_UP];

	make_times();
	profile_sum_up(made, 3, &s);
	ck_assert_int_eq(s.ranks, 3);
	is(&up->column[PROFILE_COMPUTE], 4, 6, 8, 1);
	is(&up->column[PROFILE_EXCHANGE], 0, 0, 0, 0);
	is(&up->column[PROFILE_WAIT], 1, 2, 3, 0);
	is(&up->column[PROFILE_KINDS], 7, 8, 9, 1);
	is(&p->op[OP_SOFTMAX].column[PROFILE_COMPUTE], 0.001, 0.034, 0.1, 2);
	/* The first of equals. */
	is(&p->op[OP_NORM].column[PROFILE_EXCHANGE], 0.01, 0.01, 0.01, 0);
	is(&p->all.column[PROFILE_COMPUTE], 4.001, 6.034, 8.001, 1);
	is(&p->all.column[PROFILE_KINDS], 7.011, 8.044, 9.011, 1);
	ck_assert(p->minor & 1u << OP_NORM);
	ck_assert(!(p->minor & (1u << OP_FFN_UP | 1u << OP_SOFTMAX)));
	is(&p->rest.column[PROFILE_KINDS], 0.01, 0.01, 0.01, 0);
	is(&s.phase[PHASE_PREFILL].all.column[PROFILE_KINDS], 0, 0, 0, 0);
}
END_TEST

/* What is printed, of lines that people can read. The caller frees. */
static char *printed(int ranks)
{
	struct profile_summary s;
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	profile_sum_up(made, ranks, &s);
	profile_print(&s, f);
	fclose(f);
	for (char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		ck_assert_msg(end - line <= 80, "%s", line);
		ck_assert_msg(!strncmp(line, "waferllm: ", 10), "%s", line);
	}
	return text;
}

static void shows(const char *text, const char *words)
{
	ck_assert_msg(strstr(text, words), "no '%s' in\n%s", words, text);
}

START_TEST(tables_show_what_counts)
{
	char *text;

	make_times();
	text = printed(3);
	shows(text, "min/mean/max of 3 ranks@rank with the maximum\n"
	      "waferllm: decode, s      compute            exchange           "
	      "wait\n"
	      "waferllm: ffn up         4.00/6.00/8.00@1   -                  "
	      "1.00/2.00/3.00@0\n"
	      "waferllm: softmax        0.00/0.03/0.10@2   -                  "
	      "-\n"
	      "waferllm: other          -                  0.01/0.01/0.01@0   "
	      "-\n"
	      "waferllm: all            4.00/6.03/8.00@1   0.01/0.01/0.01@0   "
	      "1.00/2.00/3.00@0\n");
	ck_assert(!strstr(text, "prefill") && !strstr(text, "norm"));
	free(text);
	/* One rank; loading, in units of its own. */
	made[0].seconds[PHASE_LOAD][PROFILE_NO_OP][PROFILE_COMPUTE] = 0.0123;
	text = printed(1);
	shows(text, "host time by operator\n"
	      "waferllm: load, ms       compute            exchange           "
	      "wait\n"
	      "waferllm: all            12.3               -                  "
	      "-\n"
	      "waferllm: decode, s ");
	shows(text, "\nwaferllm: ffn up         4.00               -          "
	      "        3.00\n");
	free(text);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("profile");
	TCase *t = tcase_create("profile");

	tcase_add_test(t, each_instant_is_in_one_bucket);
	tcase_add_test(t, nothing_counts_outside);
	tcase_add_test(t, a_ledger_tells_its_operators);
	tcase_add_test(t, ranks_are_summed_up);
	tcase_add_test(t, tables_show_what_counts);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
