/* The summary of a report: its lines, its figures, and its selection. */
#include "config.h"
#include "report/summary.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "made_report.h"
#include "suite.h"

/* The summary's text. The caller frees it. */
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
		size_t indent = strspn(rest, " ");

		ck_assert_msg(!strncmp(s, prefix, strlen(prefix)), "%s", s);
		ck_assert_msg(strlen(s) <= 80, "%zu: %s", strlen(s), s);
		ck_assert_msg(!strstr(s, "host") || !strstr(s, "mulated"),
		              "%s", s);
		/* Labels are two columns in. */
		if (indent > 2)
			to += sprintf(to, " %s", rest + indent);
		else
			to += sprintf(to, "\n%s", rest);
		++*lines;
	}
	strcpy(to, "\n");
	free(text);
	return joined;
}

static void shows(const char *text, const char *words)
{
	ck_assert_msg(strstr(text, words), "no '%s' in%.4000s", words, text);
}

static void shows_not(const char *text, const char *words)
{
	ck_assert_msg(!strstr(text, words), "'%s' in%.4000s", words, text);
}

/* How far into the text the words are. */
static size_t place(const char *text, const char *words)
{
	shows(text, words);
	return strstr(text, words) - text;
}

START_TEST(says_what_was_run)
{
	char *text;
	int lines;

	make_lab("hop_cycles=2", NEW);
	text = summary(&lines);
	shows(text, "\nWhat was run (dry run: no weights, no text)\n");
	shows(text, "\n  model         lab, 10536 parameters, f16 elements\n");
	shows(text, "\n  device        wse2 (Cerebras WSE-2), 994x750 cores at "
	      "1.10 GHz, set: hop_cycles=2\n");
	shows(text, "\n  core grids    prefill 4x4, decode 3x3\n");
	shows(text, "\n  tokens        7 in the prompt, 4 new\n");
	shows(text, "\n  MPI ranks     2x3 of 6; memory of the largest: "
	      "3 MiB\n");
	shows(text, "\nWhat is wrong: nothing, the device can do all of "
	      "this\n");
	shows_not(text, "violat");
	shows_not(text, "speed");
	free(text);
	lab.report.context = 128;
	lab.report.host.dry = false;
	lab.report.host.ended_by = "stop token";
	lab.account.phase[PHASE_DECODE].regions = 2;
	text = summary(&lines);
	shows(text, "\nWhat was run\n");
	shows(text, "\n  tokens        7 in the prompt, 4 new, ended by: stop "
	      "token\n  context       128 tokens (the model's: 64)\n");
	shows(text, ", decode 2 regions of 3x3\n");
	shows(text, "\n  time          1.50 s: load 0.25 s, prefill 0.50 s, "
	      "transition 0.12 s, decode 0.75 s\n");
	shows(text, "\n  speed         prefill 14.0 tokens/s, decode 4.0 "
	      "tokens/s\n");
	free(text);
	free_lab();
}
END_TEST

/* A screenful without the tables, which a real run has only if it is asked. */
START_TEST(tables_are_for_dry_runs_and_verbose)
{
	char *text;
	int lines;

	make_lab("hop_cycles=2", NEW);
	text = summary(&lines);
	shows(text, "\nEmulated phases");
	shows(text, "\nEmulated cores");
	shows(text, "\nEmulated cycles by operator");
	shows(text, "\nEmulated operators and the PLMR");
	free(text);
	lab.report.host.dry = false;
	text = summary(&lines);
	ck_assert_int_le(lines, 32);
	shows_not(text, "\nEmulated phases");
	shows_not(text, "\nEmulated cores");
	shows_not(text, "PLMR");
	free(text);
	lab.options.verbose = true;
	text = summary(&lines);
	shows(text, "\nEmulated phases");
	ck_assert_uint_lt(place(text, "\n  MPI ranks"),
	                  place(text, "\nEmulated phases"));
	free(text);
	lab.options.no_account = true;
	text = summary(&lines);
	shows(text, "\n  tokens        7 in the prompt, 4 new, no account\n");
	shows(text, "\n  model         lab, ");
	shows(text, "\n  MPI ranks ");
	shows_not(text, "mulated");
	shows_not(text, "device");
	free(text);
	free_lab();
}
END_TEST

/* What was run, what it took, what limits it, what is wrong; the host last. */
START_TEST(sections_are_in_order)
{
	static const char *const heading[] = {
		"\nWhat was run", "\nEmulated time and energy",
		"\nWhat limits it\n", "\nWhat is wrong",
		"\nThis computer (the host)\n" };
	char *text;
	int lines;

	make_lab("routes=5", NEW);
	lab.report.host.dry = false;
	text = summary(&lines);
	for (size_t i = 1; i < sizeof heading / sizeof *heading; i++)
		ck_assert_uint_lt(place(text, heading[i - 1]),
		                  place(text, heading[i]));
	free(text);
	free_lab();
}
END_TEST

static void set_phase(enum phase p, double seconds, double rate, double joules)
{
	struct phase_account *f = &lab.account.phase[p];

	f->seconds = seconds;
	f->tokens_per_s = rate;
	f->energy = (struct energy){ .envelope = joules, .mac = joules / 32,
	                             .idle = joules / 32 };
}

/* The answer in time and energy, from the figures of the account. */
START_TEST(times_and_energies_are_the_accounts)
{
	char *text;
	int lines;

	make_lab("power=20000", NEW);
	set_phase(PHASE_PREFILL, 0.002, 3500, 40);
	set_phase(PHASE_TRANSITION, 0.001, 0, 20);
	set_phase(PHASE_DECODE, 0.006, 500, 100);
	lab.account.phase[PHASE_DECODE].tokens = 3;
	lab.account.seconds = 0.009;
	lab.account.tokens_per_s_request = 444.4;
	text = summary(&lines);
	shows(text, "\n  first token   after 2.00 ms (prefill, 3.50 k "
	      "tokens/s)\n");
	shows(text, "\n  decode        500 tokens/s, 2.00 ms per token\n");
	shows(text, "\n  whole request 9.00 ms, 444 new tokens/s\n");
	shows(text, "\n  energy        160 J, 40 J per new token, at the rated "
	      "20.0 kW 10 J, 2.50 J per new token, counted by operation\n");
	shows(text, "\n  time          prefill 22.2%, transition 11.1%, decode "
	      "66.7%\n");
	free(text);
	free_lab();

	/* The first token comes from prefill: there is no decode. */
	make_lab("power=20000", 1);
	text = summary(&lines);
	shows(text, "\n  first token ");
	shows_not(text, "\n  decode ");
	shows_not(text, "\n  KV cache ");
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
	lab.options.verbose = true;
	lab.report.host.prefill = 700;
	text = summary(&lines);
	shows(text, " 15169 s    0.870 ");
	shows(text, " 1.50e+09 s 1.23e-07 ");
	shows(text, " <0.1%");
	shows(text, "\n  speed         prefill 0.0100 tokens/s\n");
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

START_TEST(violations_are_said_in_words)
{
	char *text, want[300];
	int lines;

	make_lab("routes=5", NEW);
	ck_assert_int_gt(lab.account.n_violations, 6);
	text = summary(&lines);
	shows(text, "\nEmulated time and energy, as if no limit were "
	      "violated\n");
	shows(text, "\nWhat is wrong: the device cannot do this\n");
	for (int i = 0; i < lab.account.n_violations; i++) {
		const char *violation = lab.account.violation[i].text;

		ck_assert_int_eq(violation[0], 'R');
		snprintf(want, sizeof want, "\n  violation     router paths%s"
		         "\n", violation + 1);
		shows(text, want);
	}
	free(text);
	/* Without tables, the first six and how many more. */
	lab.report.host.dry = false;
	strcpy(lab.account.violation[5].text, "M: the sixth");
	strcpy(lab.account.violation[6].text, "P: the seventh");
	text = summary(&lines);
	snprintf(want, sizeof want, "\n  violation     memory: the sixth "
	         "and %d more, which --verbose shows\n",
	         lab.account.n_violations - 6);
	shows(text, want);
	shows_not(text, "seventh");
	free(text);
	lab.options.verbose = true;
	text = summary(&lines);
	shows(text, "\n  violation     cores: the seventh\n");
	shows_not(text, "more, which");
	free(text);
	free_lab();
}
END_TEST

START_TEST(long_lines_break_at_commas)
{
	char *text;

	make_lab("clock=1100", NEW);
	lab.account.n_violations = 2;
	strcpy(lab.account.violation[0].text, "M: a comma that is far enough "
	       "to break here, and then more that has its own line");
	strcpy(lab.account.violation[1].text, "M: a comma, then many words "
	       "with no other and they do not end before the line does");
	text = printed();
	shows(text, "\nwaferllm:   violation     memory: a comma that is far "
	      "enough to break here,\nwaferllm:                 and then more "
	      "that has its own line\n");
	shows(text, "\nwaferllm:   violation     memory: a comma, then many "
	      "words with no other and\nwaferllm:                 they do not "
	      "end before the line does\n");
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
	shows(text, "\nprefill    parallelism ok, latency ok, memory ok, "
	      "routes scores 11 > 5 paths\n");
	free(text);
	lab.inference.ledger.sram[PHASE_PREFILL][OP_QKV] = 43009;
	text = summary(&lines);
	shows(text, "memory qkv 43009 > 43008 B");
	free(text);
	lab.inference.ledger.sram[PHASE_PREFILL][OP_QKV] = 1;
	for (int op = 0; op < NOPS; op++)
		set_op(op, 10, 40, 0);
	text = summary(&lines);
	shows(text, "\nprefill    embedding 5 (1+4), norm 5 (1+4), qkv 5 (1+4),"
	      " rope 5 (1+4), kv shift 5 (1+4)");
	shows(text, " handover 5 (1+4)\n");
	shows(text, "\nprefill    parallelism ok, latency ok, memory ok, "
	      "routes ok\n");
	free(text);
	free_lab();
}
END_TEST

/* Every operator has words; cycles are arithmetic, exchange and start-ups;
 * memory and paths are the largest of the phases. */
START_TEST(limits_are_the_fullest_and_the_largest)
{
	char *text;
	int lines;

	make_lab("operator_start=5", NEW);
	for (int op = 0; op < NOPS; op++) {
		memset(lab.inference.ledger.row, 0,
		       sizeof lab.inference.ledger.row);
		set_op(op, 30, 70, 0);
		text = summary(&lines);
		shows(text, " largest: ");
		shows_not(text, "(null)");
		free(text);
	}
	lab.account.phase[PHASE_PREFILL].total = (struct charge){
		.cycles = 1000, .compute_cycles = 600, .comm_cycles = 400,
		.runs = 20 };
	lab.account.phase[PHASE_PREFILL].cores_busy = 0.25;
	lab.account.phase[PHASE_DECODE].cores_busy = 0.75;
	lab.account.phase[PHASE_DECODE].core_bytes = 50000;
	lab.account.phase[PHASE_TRANSITION].core_bytes = 40000;
	lab.account.phase[PHASE_TRANSITION].paths = 31;
	lab.account.longest_shift = 77;
	lab.account.longest_concat = 11;
	set_op(OP_QKV, 500, 200, 0);
	set_op(OP_NORM, 0, 300, 0);
	text = summary(&lines);
	shows(text, "\n  prefill       60.0% arithmetic, 30.0% exchange, 10.0% "
	      "start-up largest: query, key, value products (qkv), 70.0%\n");
	shows(text, "\n  load balance  prefill 25.0%, decode 75.0% (mean to "
	      "busiest core)\n");
	shows(text, "\n  memory        50.0 kB of 43.0 kB in the fullest core "
	      "(decode)\n");
	shows(text, "\n  router paths  31 of 32 in the fullest core "
	      "(transition)\n");
	shows(text, "\n  KV cache      room for 77 new tokens (11 without "
	      "rebalancing)\n");
	free(text);
	/* No more start-ups than there is exchange. */
	lab.account.phase[PHASE_PREFILL].total.runs = 1000;
	text = summary(&lines);
	shows(text, "\n  prefill       60.0% arithmetic, 0.0% exchange, 40.0% "
	      "start-up");
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
	shows(text, "\n  grid search   the fastest that fit, of 1234567 tried: "
	      "123456 of cores that hold too much\n");
	shows(text, "\n  model         xxxxxxx?xxx");
	free(text);
	free_lab();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("summary");
	TCase *t = tcase_create("summary");

	tcase_add_test(t, says_what_was_run);
	tcase_add_test(t, tables_are_for_dry_runs_and_verbose);
	tcase_add_test(t, sections_are_in_order);
	tcase_add_test(t, times_and_energies_are_the_accounts);
	tcase_add_test(t, limits_are_the_fullest_and_the_largest);
	tcase_add_test(t, figures_have_three_digits);
	tcase_add_test(t, figures_fit_their_units);
	tcase_add_test(t, columns_do_not_touch);
	tcase_add_test(t, violations_are_said_in_words);
	tcase_add_test(t, long_lines_break_at_commas);
	tcase_add_test(t, operators_stand_by_weight);
	tcase_add_test(t, summary_keeps_its_width);
	suite_add_tcase(s, t);
	return run_suite(s);
}
