/* The grids that --grid auto chooses, against every pair of square grids of a
 * small device: no pair without violations is faster, and when every pair has
 * violations, it says so. Without MPI. */
#include "config.h"
#include "src/run/autogrid.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "inference/kvcache.h"
#include "made_device.h"
#include "made_model.h"
#include "mpi_kernels/products/gemm.h"
#include "report/account.h"
#include "src/run/dry_request.h"
#include "src/run/trial.h"
#include "suite.h"

enum { REQUESTS = 60, LONGEST = 11 };

struct scene {
	struct model model;
	struct device device;
	struct system system;
	struct dry_request request;
};

/* Memory that holds some grids and not others, now and then few router paths,
 * and all that changes what phases cost. */
static void throw_scene(struct scene *s, struct dice *d)
{
	*s = (struct scene){ .model = made_shape(d), .device = made_device };
	s->model.n_layers = dice_throw(d, 1, 6);
	s->device.rows = dice_throw(d, 1, LONGEST);
	s->device.cols = dice_throw(d, 1, LONGEST);
	s->device.sram = 8400 + 100 * dice_throw(d, 0, 4) *
	                        dice_throw(d, 1, 200);
	if (!dice_throw(d, 0, 4))
		s->device.routes = dice_throw(d, 4, 40);
	s->system = (struct system){
		.gemm = gemm_at(dice_throw(d, 0, gemm_count() - 1)) };
	s->request = (struct dry_request){
		.model = &s->model, .device = &s->device,
		.system = &s->system,
		.type = (enum wl_type)dice_throw(d, WL_F32, WL_BF16),
		.prompt_tokens = dice_throw(d, 1, 70),
		.new_tokens = dice_throw(d, 0, 5) ? dice_throw(d, 2, 60) : 1,
		.kv = dice_throw(d, 0, 3) ? KV_SHIFT : KV_CONCAT,
		.sampled = dice_throw(d, 0, 1) };
}

/* The account of the request; true when it violates nothing. */
static bool account_of(const struct dry_request *r, struct account *a)
{
	struct inference w;

	dry_request_run(&w, r);
	account_make(a, &w, r->prompt_tokens, r->new_tokens);
	inference_fini(&w);
	return a->n_violations == 0;
}

static uint64_t cycles_of(const struct account *a)
{
	uint64_t sum = 0;

	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		sum += a->phase[p].total.cycles;
	return sum;
}

struct found {
	struct dry_request request;
	uint64_t cycles; /* UINT64_MAX: none */
};

/* All numbers of regions of a pair; the first is the better of equals. */
static void search_regions(struct dry_request *r, struct found *f)
{
	int layers = r->model->n_layers, decode = r->new_tokens > 1;
	struct account a;

	for (int i = 1; i <= layers; i++)
		for (int j = 1; j <= (decode ? layers : 1); j++) {
			r->prefill_regions = i;
			r->decode_regions = j;
			if (!account_of(r, &a) || cycles_of(&a) >= f->cycles)
				continue;
			f->cycles = cycles_of(&a);
			f->request = *r;
		}
}

static struct found search_all(const struct scene *s)
{
	int rows = (int)s->device.rows, cols = (int)s->device.cols;
	int max = rows < cols ? rows : cols;
	struct dry_request r = s->request;
	struct found f = { .cycles = UINT64_MAX };

	for (int p = 1; p <= max; p++)
		for (int d = 1; d <= max; d++) {
			if (r.new_tokens == 1 && d != p)
				continue;
			r.prefill = (struct rxc){ p, p };
			r.decode = (struct rxc){ d, d };
			search_regions(&r, &f);
		}
	return f;
}

static void check_same(const struct dry_request *chosen,
                       const struct found *f, int i)
{
	struct account a;

	ck_assert_msg(account_of(chosen, &a), "request %d: %s", i,
	              a.violation[0].text);
	ck_assert_msg(cycles_of(&a) == f->cycles && chosen->prefill.rows ==
	              f->request.prefill.rows && chosen->decode.rows ==
	              f->request.decode.rows && chosen->prefill_regions ==
	              f->request.prefill_regions && chosen->decode_regions ==
	              f->request.decode_regions, "request %d: %dx%d in %d and "
	              "%dx%d in %d take %llu cycles, %dx%d in %d and %dx%d in "
	              "%d %llu", i, chosen->prefill.rows, chosen->prefill.cols,
	              chosen->prefill_regions, chosen->decode.rows,
	              chosen->decode.cols, chosen->decode_regions,
	              (unsigned long long)cycles_of(&a),
	              f->request.prefill.rows, f->request.prefill.cols,
	              f->request.prefill_regions, f->request.decode.rows,
	              f->request.decode.cols, f->request.decode_regions,
	              (unsigned long long)f->cycles);
}

START_TEST(chosen_is_what_an_exhaustive_search_finds)
{
	struct dice d = { .key = 46 };
	int some = 0, none = 0;

	for (int i = 0; i < REQUESTS; i++) {
		struct auto_result result;
		struct wl_error err = { .text = "" };
		struct dry_request chosen;
		struct scene s;

		throw_scene(&s, &d);
		struct found f = search_all(&s);

		chosen = s.request;
		if (autogrid_choose(&chosen, &result, true, &err)) {
			none++;
			ck_assert_msg(f.cycles == UINT64_MAX, "request %d: %s",
			              i, err.text);
			ck_assert_ptr_nonnull(strstr(err.text, "lacks "));
			continue;
		}
		some++;
		check_same(&chosen, &f, i);
	}
	ck_assert_int_ge(some, REQUESTS / 4);
	ck_assert_int_ge(none, REQUESTS / 10);
}
END_TEST

/* Lower bounds hold, and values called exact are exact. */
START_TEST(trials_bound_phases)
{
	struct dice d = { .key = 47 };

	for (int i = 0; i < REQUESTS; i++) {
		struct account a;
		struct trial p, all;
		struct scene s;
		int side = dice_throw(&d, 1, LONGEST);

		throw_scene(&s, &d);
		s.request.prefill = s.request.decode =
			(struct rxc){ side, side };
		s.request.prefill_regions = s.request.decode_regions = 1;
		account_of(&s.request, &a);
		trial_prefill_min(&p, &s.request, side, LONGEST);
		all = p;
		trial_prefill(&all, &s.request, LONGEST);
		ck_assert_uint_le(p.cycles, all.cycles);
		ck_assert(!shortfall_less(&all.lack, &p.lack));
		ck_assert_uint_eq(all.cycles,
		                  a.phase[PHASE_PREFILL].total.cycles);
		if (s.request.new_tokens == 1)
			continue;
		trial_decode_min(&p, &s.request, side, LONGEST);
		all = p;
		trial_decode(&all, &s.request, LONGEST);
		ck_assert(!shortfall_less(&all.lack, &p.lack));
		ck_assert_uint_eq(all.cycles,
		                  a.phase[PHASE_DECODE].total.cycles);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("autogrid");
	TCase *t = tcase_create("autogrid");

	tcase_add_test(t, chosen_is_what_an_exhaustive_search_finds);
	tcase_add_test(t, trials_bound_phases);
	suite_add_tcase(s, t);
	return run_suite(s);
}
