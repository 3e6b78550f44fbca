/* Accounts of T10 and Ladder: every published cell of theirs, and what must
 * hold for any model, grid and device. Without MPI. */
#include "config.h"
#include "baseline.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "datafile.h"
#include "dry_request.h"
#include "import.h"
#include "jsonfile.h"
#include "made_device.h"
#include "made_model.h"
#include "suite.h"

/* What is allowed between a published cell and ours. */
#define ALLOWED 0.3

/* Every cell stands on this side where table 2 names none. */
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
	struct wl_error err = { "" };
	struct model m;

	ck_assert_msg(shape_read(name, &m, &err) == 0, "%s", err.text);
	return m;
}

static struct device wafer(const char *name)
{
	struct wl_error err = { "" };
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
	r->ledger.folds = true;
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
	r.ledger.folds = true;
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
	struct wl_error err = { "" };
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
	r = run_of(m, wafer("wse2"), side, side);
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

int main(void)
{
	Suite *s = suite_create("baseline");
	TCase *t = tcase_create("published");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, published_cells_come_out);
	suite_add_tcase(s, t);
	return run_suite(s);
}
