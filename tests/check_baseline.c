/* Accounts of T10 and Ladder: every published cell of theirs, and what must
 * hold for any model, grid and device. Without MPI. */
#include "config.h"
#include "systems/baseline.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/datafile.h"
#include "base/jsonfile.h"
#include "import/import.h"
#include "made_device.h"
#include "made_model.h"
#include "model/shape.h"
#include "report/account.h"
#include "src/run/dry_request.h"
#include "suite.h"

/* What is allowed between a published cell and ours. */
#define ALLOWED 0.3

/* Table 2 does not say; its decode rates are table 4's on this grid. */
#define END_TO_END_SIDE 660

struct run {
	struct model model;
	struct device device;
	enum wl_type type;
	struct rxc grid;
	struct ledger ledger;
};

static struct model shape(const char *name)
{
	struct wl_error err = { .text = "" };
	struct model m;

	ck_assert_msg(shape_read(name, &m, &err) == 0, "%s", err.text);
	return m;
}

static struct device inference(const char *name)
{
	struct wl_error err = { .text = "" };
	struct device d;

	ck_assert_msg(device_read(name, &d, &err) == 0, "%s", err.text);
	return d;
}

static struct run run_of(struct model m, struct device d, int rows, int cols)
{
	return (struct run){ .model = m, .device = d, .type = WL_F16,
	                     .grid = { rows, cols } };
}

/* Prefill of prompt tokens and steps of decode; the ledger is to be freed. */
static void run(struct run *r, const struct baseline *b, int prompt, int steps)
{
	int rows = r->grid.rows, cols = r->grid.cols;

	ledger_init(&r->ledger, &r->device, r->type,
	            rows > cols ? rows : cols);
	r->ledger.repeats_layers = true;
	if (prompt) {
		ledger_phase(&r->ledger, PHASE_PREFILL);
		b->prefill(&r->ledger, &r->model, r->grid, prompt);
	}
	ledger_phase(&r->ledger, PHASE_DECODE);
	for (int i = 1; i <= steps; i++)
		b->decode(&r->ledger, &r->model, r->grid, prompt + i);
	ck_assert(!r->ledger.overflow);
}

static double seconds(const struct run *r, enum phase p)
{
	struct charge c = ledger_total(&r->ledger, p);

	return account_seconds(&r->ledger, &c);
}

/* Seconds of one phase. */
static double time_of(struct run r, const char *system, enum phase p,
                      int tokens)
{
	const struct baseline *b = baseline_find(system);
	double s;

	ck_assert_ptr_nonnull(b);
	ledger_init(&r.ledger, &r.device, r.type, 2000);
	r.ledger.repeats_layers = true;
	ledger_phase(&r.ledger, p);
	(p == PHASE_PREFILL ? b->prefill : b->decode)(&r.ledger, &r.model,
	                                              r.grid, tokens);
	s = seconds(&r, p);
	ledger_fini(&r.ledger);
	return s;
}

/* ---- the published cells ---- */

static json_t *cells(int table)
{
	char name[32], path[PATH_MAX];
	struct wl_error err = { .text = "" };
	json_t *root;

	snprintf(name, sizeof name, "table%d", table);
	ck_assert(datafile_find("published", name, path));
	root = jsonfile_read(path, 1 << 20, 0, &err);
	ck_assert_msg(root, "%s", err.text);
	return root;
}

static int number(const json_t *cell, const char *key)
{
	return json_integer_value(json_object_get(cell, key));
}

static const char *text(const json_t *cell, const char *key)
{
	return json_string_value(json_object_get(cell, key));
}

/* As the published kernels have it: one head of full width. */
static struct model model_of(const json_t *cell)
{
	struct model m = shape(text(cell, "model"));

	return dry_request_full_heads(&m);
}

static double tokens_per_s(const json_t *cell, int table, const char *system,
                           struct model m)
{
	int side = END_TO_END_SIDE, prompt = number(cell, "prompt_tokens");
	int new_tokens = number(cell, "new_tokens");
	const char *grid = text(cell, "grid");
	struct run r;
	double s;

	if (grid)
		ck_assert_int_eq(sscanf(grid, "%dx", &side), 1);
	r = run_of(m, inference("wse2"), side, side);
	if (table == 3)
		return prompt / time_of(r, system, PHASE_PREFILL, prompt);
	if (table == 4)
		return 1 / time_of(r, system, PHASE_DECODE, prompt + 1);
	run(&r, baseline_find(system), prompt, new_tokens - 1);
	s = seconds(&r, PHASE_PREFILL) + seconds(&r, PHASE_DECODE);
	ledger_fini(&r.ledger);
	return new_tokens / s;
}

static int check_table(int table)
{
	json_t *root = cells(table), *cell;
	int n = 0;
	size_t i;

	json_array_foreach(json_object_get(root, "cells"), i, cell) {
		const char *of = text(cell, "system");
		const char *system = !strcmp(of, "T10") ? "t10" :
			!strcmp(of, "Ladder") ? "ladder" : NULL;
		double want = json_number_value(json_object_get(cell,
		                                                "value"));
		double got;

		if (!system)
			continue;
		got = tokens_per_s(cell, table, system, model_of(cell));
		if (getenv("CHECK_BASELINE_TABLE"))
			printf("table %d  %-10s %-6s %5d %5d %-7s %8.1f %8.2f"
			       " %+5.1f%%  GQA %8.2f\n", table,
			       text(cell, "model"), system,
			       number(cell, "prompt_tokens"),
			       number(cell, "new_tokens"),
			       text(cell, "grid") ? text(cell, "grid") : "",
			       want, got, 100 * (got / want - 1),
			       tokens_per_s(cell, table, system,
			                    shape(text(cell, "model"))));
		ck_assert_msg(fabs(got / want - 1) <= ALLOWED,
		              "table %d, %s, %s: %g, published %g", table,
		              system, text(cell, "model"), got, want);
		n++;
	}
	json_decref(root);
	return n;
}

START_TEST(published_cells_come_out)
{
	ck_assert_int_eq(check_table(3), 12);
	ck_assert_int_eq(check_table(4), 12);
	ck_assert_int_eq(check_table(2), 16);
}
END_TEST

/* ---- the laws that they follow ---- */

static const char *const llama[] = { "llama3-8b", "llama2-13b" };
static const char *const systems[] = { "t10", "ladder" };

#define EACH(name, list) \
	for (size_t name = 0; name < sizeof list / sizeof *list; name++)

static struct run llama_run(size_t i, int side)
{
	struct model m = shape(llama[i]);

	return run_of(dry_request_full_heads(&m), inference("wse2"), side,
	              side);
}

START_TEST(prefill_is_slower_on_more_cores)
{
	EACH(s, systems) EACH(i, llama)
		for (int tokens = 2048; tokens <= 4096; tokens += 512) {
			double before = 0;

			for (int side = 420; side <= 740; side += 20) {
				double now = time_of(llama_run(i, side),
				                     systems[s],
				                     PHASE_PREFILL, tokens);

				ck_assert_double_gt(now, before);
				before = now;
			}
		}
}
END_TEST

/* Table 2: the prompt's length hardly counts. */
START_TEST(prefill_hardly_knows_the_prompt)
{
	EACH(s, systems) EACH(i, llama) {
		struct run r = llama_run(i, END_TO_END_SIDE);
		double half = time_of(r, systems[s], PHASE_PREFILL, 2048);
		double whole = time_of(r, systems[s], PHASE_PREFILL, 4096);

		ck_assert_double_gt(whole, half);
		ck_assert_double_lt(whole, 1.15 * half);
	}
}
END_TEST

/* Table 4: T10's steps are as long as the grid is wide. */
START_TEST(decode_is_a_way_over_the_grid)
{
	EACH(i, llama) {
		double narrow = time_of(llama_run(i, 420), "t10",
		                        PHASE_DECODE, 4097);
		double wide = time_of(llama_run(i, 660), "t10",
		                      PHASE_DECODE, 4097);

		ck_assert_double_gt(wide / narrow, 0.93 * 660 / 420);
		ck_assert_double_lt(wide / narrow, 1.07 * 660 / 420);
	}
}
END_TEST

/* T10 does not turn weights around where all operands fit. */
START_TEST(short_prompts_leave_weights_alone)
{
	struct run r = llama_run(0, END_TO_END_SIDE);
	double brief = time_of(r, "t10", PHASE_PREFILL, 700);
	double longer = time_of(r, "t10", PHASE_PREFILL, 1000);

	ck_assert_double_gt(longer, 20 * brief);
	r.device.sram *= 3;
	ck_assert_double_lt(time_of(r, "t10", PHASE_PREFILL, 1000),
	                    2 * brief);
}
END_TEST

/* ---- numbers calculated by hand ---- */

/* 12 to 24 elements wide, on 6 x 6 cores. */
static struct run small_run(void)
{
	struct model m = { .dim = 12, .hidden_dim = 24, .n_layers = 1,
	                   .n_heads = 1, .n_kv_heads = 1, .head_dim = 12,
	                   .vocab_size = 30 };
	struct run r = run_of(m, made_device, 6, 6);

	r.type = WL_F32;
	return r;
}

/* Cycles of gate and up together, with the way to them. */
static void check_up(struct run r, const char *system, enum phase p,
                     int tokens, uint64_t compute, uint64_t comm)
{
	const struct baseline *b = baseline_find(system);
	const struct charge *c = &r.ledger.row[p][OP_FFN_UP];

	run(&r, b, p == PHASE_PREFILL ? tokens : 0, p == PHASE_DECODE);
	ck_assert_uint_eq(c->compute_cycles, 2 * compute);
	ck_assert_uint_eq(c->comm_cycles, 2 * comm + 509);
	ck_assert_uint_eq(c->macs, 2ull * tokens * 12 * 24);
	ledger_fini(&r.ledger);
}

/* Six steps: a tile of A of 2 x 2, one of B of 2 x 4, for each there and back
 * over 10 hops. Relays: 211 + 31 + 4 each, and a wire of 2.5 cycles a word; or
 * 3.5 cycles a hop, where homes have six to serve. */
START_TEST(ladder_asks_for_tiles)
{
	struct run r = small_run();

	r.device.routes = 35;
	check_up(r, "ladder", PHASE_PREFILL, 12, 6 * 2 * (29 + 4 * 6),
	         6 * (4 * 2460 + 10 * 10 + 10 * 20));
	r.device.routes = 36;
	check_up(r, "ladder", PHASE_PREFILL, 12, 6 * 2 * (29 + 4 * 6),
	         6 * (60 + 35 + 10 + 6 * 20 + 35 + 20));
}
END_TEST

/* One tile of 2 x 4; then a chain of 5 hops and stages and a way of 10. */
START_TEST(a_token_asks_once)
{
	struct run r = small_run();
	uint64_t way = 18 + 87 + 10 + 35 + 10;

	r.device.routes = 35;
	check_up(r, "ladder", PHASE_DECODE, 1, 307 + 2 * (5 + 2),
	         2 * 2460 + 10 * 20 + way);
	check_up(r, "t10", PHASE_DECODE, 1, 307 + 2 * (5 + 2), way);
	/* Wherever it fits. */
	r.device.sram = r.device.sram_reserved + 1;
	check_up(r, "t10", PHASE_DECODE, 1, 307 + 2 * (5 + 2), way);
}
END_TEST

/* Weights of 4 rows come in 4 steps, also for 2 tokens. */
START_TEST(ladder_asks_for_what_there_is)
{
	struct run r = small_run();
	const struct charge *c = &r.ledger.row[PHASE_PREFILL][OP_FFN_UP];

	r.model.dim = 4;
	run(&r, baseline_find("ladder"), 2, 0);
	ck_assert_uint_eq(c->path_hops, 2 * 4 * 2 * 2 * 10);
	ledger_fini(&r.ledger);
}
END_TEST

/* Two KV heads of 3 columns each: sums stay inside, 2 hops; 4 channels of a
 * core for 3 query heads and 3 keys: 9 sums. */
START_TEST(heads_have_columns)
{
	struct run r = small_run();
	const struct charge *c = &r.ledger.row[PHASE_DECODE][OP_SCORES];

	r.model.n_heads = 6;
	r.model.n_kv_heads = 2;
	ledger_init(&r.ledger, &r.device, r.type, 6);
	ledger_phase(&r.ledger, PHASE_DECODE);
	baseline_find("t10")->decode(&r.ledger, &r.model, r.grid, 18);
	ck_assert_uint_eq(c->stages, 2);
	ck_assert_uint_eq(c->path_hops, 2 + 10);
	ck_assert_uint_eq(c->compute_cycles, 307 + 3 * 4 * (5 + 1));
	ck_assert_uint_eq(c->comm_cycles, 509 + 7 + 35 + 23 + 35 + 23);
	ck_assert_uint_eq(c->macs, 6 * 12 * 18);
	ck_assert_uint_eq(c->words, 6 * 2 * (2 * 9 + 9));
	ledger_fini(&r.ledger);
}
END_TEST

/* 9 tokens, 4 cores each: 3 steps to gather 3 words; then a ring of 9, whose
 * next core is 4 columns on or 2 back and a row down: 4 + 2 messages pass, 72
 * words each in all, with a mean of 4 hops. */
START_TEST(t10_turns_weights)
{
	struct run r = small_run();
	uint64_t gather = 3 * (101 + 4 + 8), start = 9 * 101;
	uint64_t compute = 9 * (307 + 2 * (5 + 2));

	r.device.sram = r.device.sram_reserved + 4 * (9 * (2 + 4) + 2 * 4) - 1;
	r.device.routes = 5;
	check_up(r, "t10", PHASE_PREFILL, 9, compute,
	         gather + start + 6 * (9 * 246 + 180));
	r.device.routes = 6;
	check_up(r, "t10", PHASE_PREFILL, 9, compute,
	         gather + start + 126 + 2 * 180);
	r.device.sram++;
	check_up(r, "t10", PHASE_PREFILL, 9, 2 * (29 + 4 * (5 + 3)),
	         18 + 87 + 90 + 35 + 90);
}
END_TEST

/* ---- what always holds ---- */

static uint64_t link_words(const struct ledger *l, enum phase p)
{
	static uint64_t words[64];
	uint64_t sum = 0;

	for (int axis = 0; axis < 2; axis++) {
		ledger_links(l, p, axis, 64, words);
		for (int i = 0; i < 64; i++)
			sum += words[i];
	}
	return sum;
}

/* Multiply-adds of all cores. */
static uint64_t macs_of(const struct model *m, uint64_t tokens, uint64_t keys)
{
	uint64_t e = m->dim, f = m->hidden_dim, q = model_q_dim(m),
	         kv = model_kv_dim(m);

	return m->n_layers * tokens * (2 * e * q + 2 * e * kv + 3 * e * f +
	                               2 * q * keys) + e * m->vocab_size;
}

/* asks: its cores ask each other for operands. */
static void check_phase(const struct run *r, enum phase p, uint64_t macs,
                        bool asks)
{
	uint64_t cores = (uint64_t)r->grid.rows * r->grid.cols;
	struct charge c = ledger_total(&r->ledger, p);

	for (int op = 0; op < NOPS; op++) {
		const struct charge *row = &r->ledger.row[p][op];

		ck_assert_uint_eq(row->cycles,
		                  row->compute_cycles + row->comm_cycles);
		ck_assert_uint_ge(row->busiest * cores, row->macs + row->ops);
		ck_assert_uint_ge(row->cycles, row->runs *
		                  (uint64_t)r->device.operator_start);
		/* Ladder wants one from every core, and relays for want of
		 * them. */
		int paths = ledger_paths(&r->ledger, p, op);

		ck_assert(paths <= 32 || (asks && (uint64_t)paths >= cores &&
		                          cores > r->device.routes));
	}
	ck_assert_uint_eq(c.macs, macs);
	ck_assert_uint_eq(link_words(&r->ledger, p), c.word_hops);
	ck_assert_int_eq(c.words > 0, cores > 1);
	ck_assert_int_eq(c.word_hops > 0, cores > 1);
	ck_assert_int_eq(c.path_hops > 0, cores > 1);
	/* At least an even share of the FFN's weights. */
	ck_assert_uint_ge(r->ledger.peak[p].allocated[SRAM_WEIGHTS] * cores,
	                  r->model.n_layers * wl_type_size(r->type) *
	                  3ull * r->model.dim * r->model.hidden_dim);
}

static void check_run(struct run *r, const struct baseline *b, int prompt)
{
	const struct model *m = &r->model;
	uint64_t next = macs_of(m, 1, prompt + 1) + macs_of(m, 1, prompt + 2);

	bool asks = b == baseline_find("ladder");

	run(r, b, prompt, 2);
	check_phase(r, PHASE_PREFILL, macs_of(m, prompt, prompt), asks);
	check_phase(r, PHASE_DECODE, next, asks);
	for (int i = 0; i < NSRAM; i++)
		ck_assert_uint_eq(r->ledger.allocated[i], 0);
	ck_assert_uint_eq(r->ledger.repeat, 1);
	ledger_fini(&r->ledger);
}

static struct run throw_run(struct dice *d, int i)
{
	static const struct rxc grids[] = {
		{ 1, 1 }, { 1, 7 }, { 7, 1 }, { 2, 2 }, { 5, 6 }, { 6, 5 },
		{ 3, 11 }, { 31, 2 }, { 20, 20 }, { 13, 29 } };
	struct run r = { .model = made_shape(d), .device = made_device };

	r.type = (enum wl_type)dice_throw(d, WL_F32, WL_BF16);
	r.grid = grids[i % 10];
	r.device.routes = dice_throw(d, 0, 1) ? 32 : 1e5;
	if (dice_throw(d, 0, 1))
		r.device.sram = r.device.sram_reserved + 1;
	return r;
}

START_TEST(ledgers_are_sound)
{
	static const int prompts[] = { 1, 2, 3, 8, 40, 411 };
	struct dice d = { 77, 0 };

	for (int i = 0; i < 400; i++) {
		struct run r = throw_run(&d, i);

		for (size_t k = 0; baseline_at(k); k++)
			check_run(&r, baseline_at(k), prompts[i % 6]);
	}
}
END_TEST

/* Charging the first layer for all of them is the same as charging each. */
START_TEST(folding_changes_nothing)
{
	struct dice d = { 78, 0 };

	for (int i = 0; i < 40; i++) {
		const struct baseline *b = baseline_at(i & 1);
		struct run r = throw_run(&d, i);
		struct charge c[2];

		r.model.n_layers = 5;
		for (int folds = 0; folds < 2; folds++) {
			ledger_init(&r.ledger, &r.device, r.type, 100);
			r.ledger.repeats_layers = folds;
			b->prefill(&r.ledger, &r.model, r.grid, 20);
			c[folds] = ledger_total(&r.ledger, PHASE_LOAD);
			ledger_fini(&r.ledger);
		}
		ck_assert_int_eq(memcmp(&c[0], &c[1], sizeof c[0]), 0);
	}
}
END_TEST

START_TEST(more_keys_take_longer)
{
	EACH(s, systems) EACH(i, llama) {
		struct run r = llama_run(i, 300);
		double brief = time_of(r, systems[s], PHASE_DECODE, 2048);

		ck_assert_double_gt(time_of(r, systems[s], PHASE_DECODE,
		                            8192), brief);
		r.type = WL_F32;
		ck_assert_double_gt(time_of(r, systems[s], PHASE_DECODE,
		                            2048), brief);
	}
}
END_TEST

/* ---- other devices ---- */

/* Phases of T10 and Ladder that get slower; all others stay as they are. */
#define T_P 1
#define T_D 2
#define L_P 4
#define L_D 8
#define ALL (T_P | T_D | L_P | L_D)

static const struct change {
	size_t at;
	double factor;
	unsigned slower, faster;
} changes[] = {
#define AT(field) offsetof(struct device, field)
	{ AT(hop_cycles), 2, ALL, 0 },
	{ AT(relay_cycles), 2, T_P | L_P | L_D, 0 },
	{ AT(stage_cycles), 2, ALL, 0 },
	{ AT(link_bytes), 0.5, ALL, 0 },
	{ AT(exchange_cycles), 2, T_P, 0 },
	{ AT(vector_bytes), 0.5, ALL, 0 },
	{ AT(vector_start), 2, ALL, 0 },
	{ AT(gemm_loop), 2, L_P, 0 },
	{ AT(kernel_start), 2, ALL, 0 },
	{ AT(operator_start), 2, ALL, 0 },
	{ AT(routes), 1e4, 0, T_P | L_P | L_D },
	{ AT(sram), 10, 0, T_P },
	{ AT(power), 2, 0, 0 },
	{ AT(clock), 0.5, ALL, 0 },
};

static void check_change(const struct run *r, const struct change *c,
                         const char *system, enum phase p, unsigned bit)
{
	struct run other = *r;
	double before = time_of(*r, system, p, 4096), after;

	*(double *)((char *)&other.device + c->at) *= c->factor;
	after = time_of(other, system, p, 4096);
	ck_assert_msg((after > before) == !!(c->slower & bit) &&
	              (after < before) == !!(c->faster & bit),
	              "change %d, %s, %s: %g, %g", (int)(c - changes), system,
	              phase_name(p), before, after);
}

START_TEST(devices_move_the_account)
{
	EACH(i, changes) EACH(k, llama) {
		const struct run r = llama_run(k, 480);

		check_change(&r, &changes[i], "t10", PHASE_PREFILL, T_P);
		check_change(&r, &changes[i], "t10", PHASE_DECODE, T_D);
		check_change(&r, &changes[i], "ladder", PHASE_PREFILL, L_P);
		check_change(&r, &changes[i], "ladder", PHASE_DECODE, L_D);
	}
}
END_TEST

/* A WSE-3 has slower hops (2 cycles) and software that is faster (68 of 75). */
START_TEST(a_wse3_differs)
{
	EACH(k, llama) {
		struct run r2 = llama_run(k, 480), r3 = r2;

		r3.device = inference("wse3");
		EACH(s, systems)
			ck_assert_double_lt(
				time_of(r3, systems[s], PHASE_PREFILL, 4096),
				time_of(r2, systems[s], PHASE_PREFILL, 4096));
		ck_assert_double_gt(time_of(r3, "t10", PHASE_DECODE, 4096),
		                    time_of(r2, "t10", PHASE_DECODE, 4096));
	}
}
END_TEST

START_TEST(they_have_names)
{
	ck_assert_str_eq(baseline_find("t10")->name, "t10");
	ck_assert_str_eq(baseline_find("ladder")->name, "ladder");
	ck_assert_ptr_null(baseline_find("T10"));
	ck_assert_ptr_null(baseline_find(""));
	for (size_t i = 0; baseline_at(i); i++)
		ck_assert_ptr_eq(baseline_find(baseline_at(i)->name),
		                 baseline_at(i));
}
END_TEST

static TCase *published_case(void)
{
	TCase *t = tcase_create("published");

	tcase_add_test(t, published_cells_come_out);
	tcase_add_test(t, prefill_is_slower_on_more_cores);
	tcase_add_test(t, prefill_hardly_knows_the_prompt);
	tcase_add_test(t, decode_is_a_way_over_the_grid);
	return t;
}

static TCase *recipe_case(void)
{
	TCase *t = tcase_create("recipe");

	tcase_add_test(t, short_prompts_leave_weights_alone);
	tcase_add_test(t, ladder_asks_for_tiles);
	tcase_add_test(t, ladder_asks_for_what_there_is);
	tcase_add_test(t, a_token_asks_once);
	tcase_add_test(t, heads_have_columns);
	tcase_add_test(t, t10_turns_weights);
	return t;
}

static TCase *ledger_case(void)
{
	TCase *t = tcase_create("ledger");

	tcase_add_test(t, ledgers_are_sound);
	tcase_add_test(t, folding_changes_nothing);
	tcase_add_test(t, more_keys_take_longer);
	tcase_add_test(t, devices_move_the_account);
	tcase_add_test(t, a_wse3_differs);
	tcase_add_test(t, they_have_names);
	return t;
}

int main(void)
{
	Suite *s = suite_create("baseline");

	suite_add_tcase(s, published_case());
	suite_add_tcase(s, recipe_case());
	suite_add_tcase(s, ledger_case());
	return run_suite(s);
}
