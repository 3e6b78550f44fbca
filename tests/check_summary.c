/* The summary of a report: its lines, its figures, and what it singles out. */
#include "config.h"
#include "report/summary.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "made_report.h"
#include "suite.h"

/* What it prints. The caller frees. */
static char *printed(void)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	summary_print(&lab.report, f);
	fclose(f);
	return text;
}

/* The same with lines that go on joined, and without what all begin with. */
static char *summary(int *lines)
{
	static const char prefix[] = "waferllm: ";
	char *text = printed(), *joined = calloc(1, 1 << 16), *to = joined;

	*lines = 0;
	for (char *s = strtok(text, "\n"); s; s = strtok(NULL, "\n")) {
		const char *rest = s + strlen(prefix);

		ck_assert_msg(!strncmp(s, prefix, strlen(prefix)), "%s", s);
		ck_assert_msg(strlen(s) <= 80, "%zu: %s", strlen(s), s);
		ck_assert_msg(!strstr(s, "host") || !strstr(s, "emulated"),
		              "%s", s);
		if (*rest == ' ')
			to += sprintf(to, " %s", rest + strspn(rest, " "));
		else
			to += sprintf(to, "\n%s", rest);
		++*lines;
	}
	free(text);
	return joined;
}

static void shows(const char *text, const char *words)
{
	ck_assert_msg(strstr(text, words), "no '%s' in%s", words, text);
}

START_TEST(summary_is_a_screenful)
{
	char *text, want[300];
	int lines;

	make_lab("hop_cycles=2", NEW);
	text = summary(&lines);
	ck_assert_int_le(lines, 24);
	shows(text, "\nprompt 7 tokens, new 4 tokens, dry run\n");
	lab.report.context = 128;
	free(text);
	text = summary(&lines);
	shows(text,
	      "\nprompt 7 tokens, new 4 tokens, context 128 (the model's: "
	      "64), dry run\n");
	shows(text, "\nemulated: lab, f16 elements, on wse2 (Cerebras WSE-2), "
	      "hop_cycles=2\n");
	shows(text, "\nrequest ");
	shows(text, " 4x4 ");
	shows(text, " 3x3 ");
	shows(text, "ranks 2x3 of 6, 1.50 s; largest rank 3 MiB");
	ck_assert_ptr_null(strstr(text, "violation"));
	ck_assert_ptr_null(strstr(text, "host: prefill"));
	free(text);
	free_lab();

	make_lab("routes=5", NEW);
	lab.report.host.dry = false;
	text = summary(&lines);
	for (int i = 0; i < lab.account.n_violations; i++) {
		snprintf(want, sizeof want, "\nviolation: %s\n",
		         lab.account.violation[i].text);
		shows(text, want);
	}
	shows(text, "\nhost: prefill 14.0 tokens/s, decode 4.0 tokens/s\n");
	free(text);
	free_lab();
}
END_TEST

START_TEST(figures_have_three_digits)
{
	struct phase_account *p = &lab.account.phase[PHASE_PREFILL];
	char *text;
	int lines;

	make_lab("clock=1100", 1);
	p->total.cycles = p->total.compute_cycles = 999499;
	p->total.comm_cycles = 0;
	p->seconds = 0.0009996;
	p->tokens_per_s = 12345678;
	p->energy.envelope = 1e-13;
	p->cores_busy = 0.5;
	text = summary(&lines);
	shows(text, "\nprefill          7  999 k  1.00 ms   12.3 M  100.0%"
	      "   0.10 pJ");
	shows(text, "\nrequest          1  999 k");
	free(text);
	p->total.cycles = 999500;
	p->seconds = 0;
	p->tokens_per_s = 0;
	p->energy.envelope = 2000;
	text = summary(&lines);
	shows(text, "\nprefill          7 1.00 M      0 s        -  100.0%"
	      "   2.00 kJ");
	free(text);
	free_lab();
}
END_TEST

/* Rates, counts and times that no prefix makes readable; and figures that
 * three digits do not tell from their limits. */
START_TEST(figures_fit_their_units)
{
	struct phase_account *p = &lab.account.phase[PHASE_PREFILL];
	char *text;
	int lines;

	make_lab("clock=1100", 1);
	p->tokens_per_s = 0.87;
	p->seconds = 15169.2;
	p->cores_busy = 0.0001;
	lab.account.seconds = 1.5e9;
	lab.account.tokens_per_s_request = 1.234e-7;
	lab.report.host.dry = false;
	lab.report.host.prefill = 700;
	text = summary(&lines);
	shows(text, " 15169 s    0.870 ");
	shows(text, " 1.50e+09 s 1.23e-07 ");
	shows(text, " <0.1%");
	shows(text, "\nhost: prefill 0.0100 tokens/s\n");
	free(text);
	p->tokens_per_s = 2.5e13;
	p->seconds = 0.9996;
	p->energy.envelope = 4e14;
	text = summary(&lines);
	shows(text, "  1.00 s 2.50e+13 ");
	shows(text, " 4.00e+14 J");
	free(text);
	free_lab();
}
END_TEST

/* Whole blanks between columns, whatever they hold. */
START_TEST(columns_do_not_touch)
{
	struct phase_account *p = &lab.account.phase[PHASE_PREFILL];
	char *text;
	int lines;

	make_lab("clock=1100", 1);
	p->cores_busy = 1;
	p->paths = 20;
	text = summary(&lines);
	shows(text, "kB  20/32 100.0%\n");
	free(text);
	p->grid = (struct rxc){ 4096, 4096 };
	p->regions = p->regions_held = 745500;
	p->regions_needed = 0;
	p->paths = 1440;
	text = summary(&lines);
	shows(text, "\nprefill    4096x4096  745500   none 745500 ");
	shows(text, "kB 1440/32 100.0%\n");
	free(text);
	free_lab();
}
END_TEST

/* How far into the text the words are. */
static size_t place(const char *text, const char *words)
{
	shows(text, words);
	return strstr(text, words) - text;
}

START_TEST(violations_come_first)
{
	char *text;
	int lines;

	make_lab("routes=5", NEW);
	ck_assert_int_gt(lab.account.n_violations, 0);
	text = summary(&lines);
	ck_assert_uint_lt(place(text, "\nviolation: "),
	                  place(text, "\nemulated: the figures below assume a "
	                        "device without these limits\n"));
	ck_assert_uint_lt(place(text, "without these limits\n"),
	                  place(text, "tokens/s"));
	ck_assert_ptr_null(strstr(strstr(text, "tokens/s"), "violation"));
	free(text);
	free_lab();
}
END_TEST

START_TEST(long_lines_break_at_commas)
{
	char *text;

	make_lab("clock=1100", NEW);
	lab.account.n_violations = 2;
	strcpy(lab.account.violation[0].text, "M: prefill, values: core (0,0) "
	       "holds 5089 bytes, most of it weights of the layers");
	strcpy(lab.account.violation[1].text, "a comma, then many words with "
	       "no other and they do not end before the line does");
	text = printed();
	shows(text, "\nwaferllm: violation: M: prefill, values: core (0,0) "
	      "holds 5089 bytes,\nwaferllm:            most of it weights of "
	      "the layers\n");
	shows(text, "\nwaferllm: violation: a comma, then many words with no "
	      "other and they do not end\nwaferllm:            before the line "
	      "does\n");
	free(text);
	free_lab();
}
END_TEST

static void set_op(enum op op, uint64_t compute, uint64_t comm, int routes)
{
	struct ledger *l = &lab.inference.ledger;

	l->row[PHASE_PREFILL][op] = (struct charge){
		.runs = 1, .cycles = compute + comm, .compute_cycles = compute,
		.comm_cycles = comm, .macs = 16, .busiest = 1 };
	l->routes[PHASE_PREFILL][op] = routes;
	l->sram[PHASE_PREFILL][op] = 1;
}

START_TEST(operators_stand_by_weight)
{
	const int two = 1 << ROUTE_RING_X | 1 << ROUTE_CHAIN_X;
	char *text;
	int lines;

	make_lab("routes=5", 1);
	memset(lab.inference.ledger.row, 0, sizeof lab.inference.ledger.row);
	lab.account.phase[PHASE_PREFILL].total.cycles = 1000;
	set_op(OP_NORM, 0, 96, two);
	set_op(OP_QKV, 500, 100, 1 << ROUTE_RING_X);
	set_op(OP_SCORES, 200, 100, two | 1 << ROUTE_ROOTS_X);
	set_op(OP_VALUES, 4, 0, two);
	text = summary(&lines);
	shows(text, "\nprefill    qkv 60 (50+10), scores 30 (20+10), norm 10 "
	      "(0+10)\n");
	shows(text, "\nprefill    P ok, L ok, M ok, R scores 11 > 5 routes\n");
	free(text);
	lab.inference.ledger.sram[PHASE_PREFILL][OP_QKV] = 43009;
	text = summary(&lines);
	shows(text, "M qkv 43009 > 43008 B");
	free(text);
	lab.inference.ledger.sram[PHASE_PREFILL][OP_QKV] = 1;
	for (int op = 0; op < NOPS; op++)
		set_op(op, 10, 40, 0);
	text = summary(&lines);
	shows(text, "\nprefill    embedding 5 (1+4), norm 5 (1+4), qkv 5 (1+4),"
	      " rope 5 (1+4)\n");
	shows(text, "\nprefill    P ok, L ok, M ok, R ok\n");
	free(text);
	free_lab();
}
END_TEST

/* Whatever is large or long keeps to the lines. */
START_TEST(summary_keeps_its_width)
{
	const struct auto_result chosen = { 1234567, 2, {
		{ "of cores that hold too much", 123456 }, { "none", 0 } } };
	char source[600], *text;
	int lines;

	make_lab("routes=5", NEW);
	memset(source, 'x', sizeof source - 1);
	source[sizeof source - 1] = '\0';
	source[7] = '\n';
	lab.report.model_source = source;
	lab.report.automatic = &chosen;
	memset(lab.device.title, 'w', sizeof lab.device.title - 1);
	for (int p = 0; p < NPHASES; p++) {
		struct phase_account *f = &lab.account.phase[p];

		f->tokens = 16777216;
		f->total.cycles = UINT64_MAX;
		f->total.compute_cycles = UINT64_MAX;
		f->seconds = 1e18;
		f->tokens_per_s = 1.234e19;
		f->energy.envelope = 1e20;
		f->regions = f->regions_needed = f->regions_held = 65536;
		f->paths = 9999;
	}
	lab.account.longest_shift = INT64_MAX;
	lab.report.host = (struct host_times){
		.ranks = 1 << 20, .rank_rows = 1024, .rank_cols = 1024,
		.seating = { 1 << 20, MESH_ON_DIFFERENT,
		             { 2095104, 2095104, 2095104 },
		             { 2095104, 2095104, 2095104 } },
		.seconds = 1e6, .load = 1e6, .prefill = 1e6,
		.transition = 1e6, .decode = 1e6, .peak_memory = 1e12 };
	text = summary(&lines);
	shows(text, "; stopped: 123456 of cores that hold too much\n");
	shows(text, "emulated: xxxxxxx?xxx");
	free(text);
	free_lab();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("summary");
	TCase *t = tcase_create("summary");

	tcase_add_test(t, summary_is_a_screenful);
	tcase_add_test(t, figures_have_three_digits);
	tcase_add_test(t, figures_fit_their_units);
	tcase_add_test(t, columns_do_not_touch);
	tcase_add_test(t, violations_come_first);
	tcase_add_test(t, long_lines_break_at_commas);
	tcase_add_test(t, operators_stand_by_weight);
	tcase_add_test(t, summary_keeps_its_width);
	suite_add_tcase(s, t);
	return run_suite(s);
}
