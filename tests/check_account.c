/* Accounts of dry runs: what changes, and which way, when one number of the
 * device does; what follows from the shapes alone; what a request adds up to.
 * On small made-up models and grids, and on llama3-8b. Without MPI. */
#include "config.h"
#include "report/account.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "files.h"
#include "import/import.h"
#include "made_device.h"
#include "made_model.h"
#include "model/shape.h"
#include "src/run/dry_request.h"
#include "src/run/dry_run.h"
#include "src/run/request.h"
#include "suite.h"

enum { REQUESTS = 12 };

/* A request and the account of it. */
struct run {
	struct model model;
	struct device device;
	struct dry_request request;
	struct inference inference;
	struct account account;
};

static void run_start(struct run *r)
{
	r->request.model = &r->model;
	r->request.device = &r->device;
	dry_request_run(&r->inference, &r->request);
	account_make(&r->account, &r->inference, r->request.prompt_tokens,
	             r->request.new_tokens);
}

static void run_end(struct run *r)
{
	inference_fini(&r->inference);
}

static struct rxc square(int side)
{
	return (struct rxc){ side, side };
}

/* A made-up request, to be started. Grids have at least two cores a side, or
 * nothing would move. */
static struct run throw_run(struct dice *d)
{
	struct run r = { .model = made_shape(d), .device = made_device };

	r.model.n_layers = dice_throw(d, 1, 6);
	r.request = (struct dry_request){
		.type = (enum wl_type)dice_throw(d, WL_F32, WL_BF16),
		.prefill = square(dice_throw(d, 2, 9)),
		.decode = square(dice_throw(d, 2, 9)),
		.prefill_regions = 1, .decode_regions = 1,
		.prompt_tokens = dice_throw(d, 1, 30),
		.new_tokens = dice_throw(d, 2, 25),
		.sampled = dice_throw(d, 0, 1) };
	return r;
}

static struct run llama_run(void)
{
	struct run r = { .device = made_device, .request = {
		.type = WL_F16, .prefill = { 120, 120 }, .decode = { 120, 120 },
		.prefill_regions = 1, .decode_regions = 1,
		.prompt_tokens = 700, .new_tokens = 30 } };
	struct wl_error err = { .text = "" };

	ck_assert_msg(shape_read("llama3-8b", &r.model, &err) == 0, "%s",
	              err.text);
	return r;
}

/* The same request on another device. */
static struct run run_again(const struct run *r)
{
	struct run again = { .model = r->model, .device = r->device,
	                     .request = r->request };

	return again;
}

#define EACH_PHASE(p) for (int p = PHASE_LOAD; p < NPHASES; p++)
#define EACH_OP(o) for (int o = 0; o < NOPS; o++)

static const struct charge *row(const struct run *r, enum phase p, enum op o)
{
	return &r->inference.ledger.row[p][o];
}

static const struct charge *total(const struct run *r, enum phase p)
{
	return &r->account.phase[p].total;
}

/* ---- devices that are worse ---- */

#define P (1u << PHASE_PREFILL)
#define T (1u << PHASE_TRANSITION)
#define D (1u << PHASE_DECODE)

/* Changes that cost cycles. used: phases that certainly get slower; unused:
 * phases that do not get slower; what is in neither may hide behind something
 * longer, or not fill a vector: llama3-8b shows it. */
static const struct change {
	size_t at;
	double factor;
	unsigned used, unused, used_by_llama;
} changes[] = {
#define AT(field) offsetof(struct device, field)
	{ AT(hop_cycles), 2, P | T | D, 0, P | T | D },
	{ AT(stage_cycles), 2, P | T | D, 0, P | T | D },
	{ AT(link_bytes), 0.5, P | T | D, 0, P | T | D },
	{ AT(exchange_cycles), 2, P | T, D, P | T },
	{ AT(relay_cycles), 2, 0, P | T, D },
	{ AT(vector_bytes), 0.5, 0, T, P | D },
	{ AT(vector_start), 2, P | D, T, P | D },
	{ AT(gemm_loop), 2, 0, T | D, P },
	{ AT(kernel_start), 2, P | D, T, P | D },
	{ AT(operator_start), 2, P | T | D, 0, P | T | D },
	{ AT(sram), 0.5, 0, P | T | D, 0 },
	{ AT(routes), 0.5, 0, P | T | D, 0 },
	{ AT(power), 0.5, 0, P | T | D, 0 },
};

static void change(struct run *r, const struct change *c)
{
	*(double *)((char *)&r->device + c->at) *= c->factor;
}

static void check_slower(const struct run *base, const struct run *worse,
                         const struct change *c, unsigned used)
{
	EACH_PHASE(p) {
		const struct charge *a = total(base, p), *b = total(worse, p);
		size_t i = c - changes;

		ck_assert_msg(b->cycles >= a->cycles, "change %zu, %s", i,
		              phase_name(p));
		if (used & 1u << p)
			ck_assert_msg(b->cycles > a->cycles, "change %zu, %s",
			              i, phase_name(p));
		if (c->unused & 1u << p)
			ck_assert_msg(b->cycles == a->cycles, "change %zu, %s",
			              i, phase_name(p));
		EACH_OP(o)
			ck_assert_msg(row(worse, p, o)->cycles >=
			              row(base, p, o)->cycles,
			              "change %zu, %s, %s", i, phase_name(p),
			              op_name(o));
		/* What is done stays the same. */
		ck_assert_uint_eq(a->macs, b->macs);
		ck_assert_uint_eq(a->word_hops, b->word_hops);
	}
	ck_assert(worse->account.seconds >= base->account.seconds);
}

static void try_changes(struct run *base, bool llama)
{
	run_start(base);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		const struct change *c = &changes[i];
		struct run worse = run_again(base);

		change(&worse, c);
		run_start(&worse);
		check_slower(base, &worse, c, llama ? c->used_by_llama
		                                    : c->used);
		run_end(&worse);
	}
	run_end(base);
}

START_TEST(worse_devices_are_never_faster)
{
	struct dice d = { .key = 11 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run r = throw_run(&d);

		try_changes(&r, false);
	}
}
END_TEST

START_TEST(worse_devices_slow_llama_down)
{
	struct run r = llama_run();

	try_changes(&r, true);
}
END_TEST

START_TEST(clock_divides_cycles)
{
	struct dice d = { .key = 12 };
	struct run r = throw_run(&d), slow = run_again(&r);
	double seconds = 0;

	slow.device.clock /= 2;
	run_start(&r);
	run_start(&slow);
	EACH_PHASE(p) {
		const struct phase_account *a = &r.account.phase[p];
		double cycles = a->total.cycles;

		ck_assert_uint_eq(a->total.cycles, total(&slow, p)->cycles);
		ck_assert_double_eq_tol(a->seconds, cycles / 7e8, 1e-15);
		ck_assert_double_eq_tol(slow.account.phase[p].seconds,
		                        2 * a->seconds, 1e-15);
		if (a->tokens)
			ck_assert_double_eq_tol(a->tokens_per_s * a->seconds,
			                        a->tokens, 1e-9);
		else
			ck_assert(a->tokens_per_s == 0);
		if (p != PHASE_LOAD)
			seconds += a->seconds;
	}
	ck_assert_double_eq_tol(r.account.seconds, seconds, 1e-15);
	ck_assert_double_eq_tol(r.account.tokens_per_s_request * seconds,
	                        r.request.new_tokens, 1e-9);
	run_end(&slow);
	run_end(&r);
}
END_TEST

/* ---- energy ---- */

static struct energy energy(const struct run *r, enum phase p)
{
	return r->account.phase[p].energy;
}

/* Joules from the counters and made_device's numbers. */
static void check_energy(const struct run *r, enum phase p)
{
	const struct charge *c = total(r, p);
	struct energy e = energy(r, p);
	double pj = r->request.type == WL_F32 ? 1.75 : 0.5;
	double seconds = r->account.phase[p].seconds;

	ck_assert_double_eq_tol(e.envelope, 1300 * seconds, 1e-12);
	ck_assert_double_eq_tol(e.idle, 0.25 * 1300 * seconds, 1e-12);
	ck_assert_double_eq_tol(e.mac * 1e12, pj * (c->macs + c->ops), 1e-3);
	/* A message is read once and written once, 4 bytes a word. */
	ck_assert_double_eq_tol(e.sram * 1e12,
	                        1.125 * (c->sram_bytes + 8. * c->words), 1e-3);
	ck_assert_double_eq_tol(e.link * 1e12, 0.375 * 4 * c->word_hops, 1e-3);
}

static double *part_of_energy(struct energy *e, int i)
{
	double *const part[] = { &e->envelope, &e->mac, &e->sram, &e->link,
	                         &e->idle };

	return part[i];
}

/* Which parts (bit i: see above) a number multiplies. */
static void check_scaled(const struct run *base, size_t at, unsigned parts)
{
	struct run r = run_again(base);

	*(double *)((char *)&r.device + at) *= 0.5;
	run_start(&r);
	EACH_PHASE(p) {
		struct energy was = energy(base, p), is = energy(&r, p);

		for (int i = 0; i < 5; i++)
			ck_assert_double_eq_tol(
				*part_of_energy(&is, i) * (parts & 1u << i
				                           ? 2 : 1),
				*part_of_energy(&was, i), 1e-12);
	}
	run_end(&r);
}

START_TEST(energy_follows_its_constants)
{
	struct dice d = { .key = 13 };

	for (int type = WL_F32; type <= WL_BF16; type++) {
		struct run r = throw_run(&d);
		bool f32 = type == WL_F32;

		r.request.type = type;
		run_start(&r);
		EACH_PHASE(p)
			check_energy(&r, p);
		ck_assert(energy(&r, PHASE_DECODE).link > 0);
		check_scaled(&r, AT(power), 1 << 0 | 1 << 4);
		check_scaled(&r, AT(mac_f16_pj), f32 ? 0 : 1 << 1);
		check_scaled(&r, AT(mac_f32_pj), f32 ? 1 << 1 : 0);
		check_scaled(&r, AT(sram_pj), 1 << 2);
		check_scaled(&r, AT(hop_pj), 1 << 3);
		check_scaled(&r, AT(static_share), 1 << 4);
		run_end(&r);
	}
}
END_TEST

/* ---- memory ---- */

/* Regions that a phase needs, where none would do the most. */
static int needed(const struct run *r, enum phase p)
{
	int n = r->account.phase[p].regions_needed;

	return n ? n : r->model.n_layers + 1;
}

/* Layer by layer into n regions of so many bytes. The first has the embedding,
 * the last the head; what else a core holds, each. */
static bool fits(const struct model *m, const struct sram_peak *peak, int n,
                 double room)
{
	int left = m->n_layers;
	double layered = peak->allocated[SRAM_WEIGHTS] +
	                 peak->allocated[SRAM_KV];
	double layer = layered / left, vocab = peak->allocated[SRAM_VOCAB];
	double each = peak->total - layered - vocab;
	double end = m->tied ? vocab : vocab / 2;

	for (int i = 0; i < n; i++) {
		double used = each;

		if (n == 1)
			used += vocab;
		else if (i == 0 || i == n - 1)
			used += end;
		if (used > room)
			return false;
		for (; left && used + layer <= room; left--)
			used += layer;
	}
	return left == 0;
}

/* As few regions as can be; 0: one layer in each does not do. */
static int count_regions(const struct model *m, const struct sram_peak *peak,
                         double room)
{
	for (int n = 1; n <= m->n_layers; n++)
		if (fits(m, peak, n, room))
			return n;
	return 0;
}

START_TEST(regions_are_the_fewest)
{
	struct dice d = { .key = 14 };

	for (int i = 0; i < 4 * REQUESTS; i++) {
		struct run r = throw_run(&d);

		r.model.n_layers = dice_throw(&d, 1, 12);
		r.device.sram = 8000 + dice_throw(&d, 500, 6000);
		run_start(&r);
		for (int p = PHASE_PREFILL; p <= PHASE_DECODE; p += 2) {
			const struct phase_account *a = &r.account.phase[p];
			double room = r.device.sram - 8000;

			ck_assert_int_eq(a->regions_needed,
			                 count_regions(&r.model, &a->peak,
			                               room));
			ck_assert_int_eq(a->regions_held,
			                 1000 / a->grid.rows *
			                 (900 / a->grid.cols));
			ck_assert_int_eq(a->regions_needed == 1,
			                 a->core_bytes <= room);
			ck_assert_uint_eq(a->core_bytes, a->peak.total);
		}
		run_end(&r);
	}
}
END_TEST

/* Regions share as evenly as they can: so many bytes do, one less does not. */
START_TEST(regions_hold_no_more_than_they_must)
{
	struct dice d = { .key = 42 };

	for (int i = 0; i < 8 * REQUESTS; i++) {
		struct run r = throw_run(&d);

		r.model.n_layers = dice_throw(&d, 1, 12);
		r.request.prefill_regions = dice_throw(&d, 1, r.model.n_layers);
		r.request.decode_regions = dice_throw(&d, 1, r.model.n_layers);
		run_start(&r);
		for (int p = PHASE_PREFILL; p <= PHASE_DECODE; p += 2) {
			const struct phase_account *a = &r.account.phase[p];

			ck_assert(fits(&r.model, &a->peak, a->regions,
			               a->core_bytes));
			ck_assert(!fits(&r.model, &a->peak, a->regions,
			                a->core_bytes - 1.));
		}
		run_end(&r);
	}
}
END_TEST

/* In an int, whatever the device: 1e10 grids of one core are more. */
START_TEST(regions_held_fit_an_int)
{
	struct device d = made_device;

	ck_assert_int_eq(account_regions_held(&d, 1000, 900), 1);
	ck_assert_int_eq(account_regions_held(&d, 1001, 1), 0);
	ck_assert_int_eq(account_regions_held(&d, 1, 901), 0);
	ck_assert_int_eq(account_regions_held(&d, 3, 7), 333 * 128);
	d.rows = d.cols = 1e5;
	ck_assert_int_eq(account_regions_held(&d, 1, 1), INT_MAX);
	ck_assert_int_eq(account_regions_held(&d, 2, 2), INT_MAX);
	ck_assert_int_eq(account_regions_held(&d, 2, 3), 50000 * 33333);
	d.rows = 2.9;
	ck_assert_int_eq(account_regions_held(&d, 1, 1000), 200);
}
END_TEST

/* Layers go into regions whole: there are no more regions than layers. */
START_TEST(regions_have_layers)
{
	const struct model m = { .n_layers = 3 };

	for (int p = 1; p <= 5; p++)
		for (int q = 1; q <= 5; q++) {
			const struct options o = { .prefill_regions = p,
			                           .decode_regions = q };
			struct wl_error err = { .text = "" };
			const char *named = p >= q ? "--prefill-regions"
			                           : "--decode-regions";

			ck_assert_int_eq(request_check_regions(&o, &m, &err),
			                 p <= 3 && q <= 3 ? 0 : -1);
			ck_assert((strstr(err.text, named) != NULL) ==
			          (p > 3 || q > 3));
		}
}
END_TEST

/* A phase's fullest moment fits to the byte. */
START_TEST(one_region_fits_exactly)
{
	struct dice d = { .key = 41 };

	for (int i = 0; i < 2 * REQUESTS; i++) {
		struct run r = throw_run(&d), exact, less;

		run_start(&r);
		exact = run_again(&r);
		less = run_again(&r);
		exact.device.sram = 8000. + r.account.phase[PHASE_DECODE]
		                    .peak.total;
		less.device.sram = exact.device.sram - 1;
		run_start(&exact);
		run_start(&less);
		ck_assert_int_eq(needed(&exact, PHASE_DECODE), 1);
		ck_assert_int_ge(needed(&less, PHASE_DECODE), 2);
		run_end(&less);
		run_end(&exact);
		run_end(&r);
	}
}
END_TEST

START_TEST(less_memory_never_helps)
{
	struct dice d = { .key = 15 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run more = throw_run(&d);

		run_start(&more);
		for (int k = 0; k < 7; k++) {
			struct run less = run_again(&more);

			less.device.sram = 8000 + (more.device.sram - 8000) / 2;
			run_start(&less);
			ck_assert_int_ge(needed(&less, PHASE_PREFILL),
			                 needed(&more, PHASE_PREFILL));
			ck_assert_int_ge(needed(&less, PHASE_DECODE),
			                 needed(&more, PHASE_DECODE));
			/* In more regions there is room for more. */
			if (needed(&less, PHASE_DECODE) ==
			    needed(&more, PHASE_DECODE)) {
				ck_assert_int_le(less.account.longest_shift,
				                 more.account.longest_shift);
				ck_assert_int_le(less.account.longest_concat,
				                 more.account.longest_concat);
			}
			run_end(&more);
			more = run_again(&less);
			run_end(&less);
			run_start(&more);
		}
		run_end(&more);
	}
}
END_TEST

static int ceil_div(int a, int b)
{
	return (a + b - 1) / b;
}

static uint64_t words_of(const struct run *r, uint64_t n)
{
	return r->request.type == WL_F32 ? n : (n + 1) / 2;
}

/* What decode's exchanges hold at most when a row has so many tokens: those of
 * a row's scores, or others, which are as long as they were. */
static uint64_t buffers_of_rows(const struct run *r, uint64_t row)
{
	const struct sram_peak *p = &r->account.phase[PHASE_DECODE].peak;
	uint64_t max = 8 * words_of(r, model_group(&r->model) * row);

	EACH_OP(o) {
		uint64_t held = r->inference.ledger.sram[PHASE_DECODE][o] +
		                p->allocated[SRAM_BUFFERS];

		if (o != OP_SCORES && held > p->total + max)
			max = held - p->total;
	}
	return max;
}

/* Decode's fullest moment, with `row` tokens on every row instead of the
 * request's: keys and values in each layer, and the scores of one. */
static struct sram_peak peak_of_rows(const struct run *r, uint64_t row)
{
	struct sram_peak p = r->account.phase[PHASE_DECODE].peak;
	struct heads h = heads_of(&r->model, r->request.decode.rows);
	uint64_t size = wl_type_size(r->request.type);
	uint64_t score = model_group(&r->model) * heads_max(&h) * size;

	p.total -= p.allocated[SRAM_KV] + p.allocated[SRAM_BUFFERS] + score *
	           ceil_div(r->request.prompt_tokens + r->request.new_tokens,
	                    r->request.decode.rows);
	p.allocated[SRAM_KV] =
		row * r->model.n_layers * 2 * partition_max(&h.kv) * size;
	p.total += p.allocated[SRAM_KV] + row * score + buffers_of_rows(r, row);
	return p;
}

/* Regions that a row of one token needs, and no fewer than there are; 0: they
 * are too many. */
static int regions_of_row(const struct run *r, double room)
{
	struct sram_peak p = peak_of_rows(r, 1);
	int n = count_regions(&r->model, &p, room);

	return n && n < r->request.decode_regions ? r->request.decode_regions
	                                          : n;
}

/* Tokens that fit a row in them, one more after the other. */
static int64_t fill_row(const struct run *r, double room)
{
	struct sram_peak p = peak_of_rows(r, 1);
	int n = regions_of_row(r, room);
	int64_t row = 0;

	if (!n)
		return 0;
	for (; fits(&r->model, &p, n, room); p = peak_of_rows(r, row + 1))
		row++;
	return row;
}

/* Shifting fills all rows, concatenation the last one, which has its share of
 * the prompt. */
START_TEST(longest_generation_just_fits)
{
	struct dice d = { .key = 16 };
	int tried[3] = { 0 };

	for (int i = 0; i < 8 * REQUESTS; i++) {
		struct run r = throw_run(&d);
		int prompt = r.request.prompt_tokens;
		int side = r.request.decode.rows;
		double room = dice_throw(&d, 1000, 9000);

		r.device.sram = 8000 + room;
		r.request.decode_regions = dice_throw(&d, 1, r.model.n_layers);
		run_start(&r);
		int64_t row = fill_row(&r, room), last = prompt / side;

		tried[row > 0 ? 1 + (needed(&r, PHASE_DECODE) > 1) : 0]++;
		ck_assert_int_eq(r.account.longest_shift, row * side > prompt
		                 ? row * side - prompt : 0);
		ck_assert_int_eq(r.account.longest_concat, row > last
		                 ? row - last : 0);
		run_end(&r);
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_ge(tried[i], REQUESTS / 2);
}
END_TEST

/* Bytes of the fullest core in decode with so many new tokens. */
static uint64_t bytes_with(const struct run *r, enum kv_policy kv,
                           int64_t tokens)
{
	struct run longer = run_again(r);
	uint64_t bytes;

	longer.request.kv = kv;
	longer.request.new_tokens = tokens;
	run_start(&longer);
	bytes = longer.account.phase[PHASE_DECODE].core_bytes;
	run_end(&longer);
	return bytes;
}

/* Requests as long as that fit, one token longer they do not; a request's last
 * token, which no step follows, is never looked at. */
START_TEST(longest_requests_just_fit)
{
	struct dice d = { .key = 43 };
	int tried = 0;

	for (int i = 0; i < 4 * REQUESTS; i++) {
		struct run r = throw_run(&d);
		uint64_t room = dice_throw(&d, 2000, 7000);

		r.device.sram = 8000. + room;
		run_start(&r);
		r.request.decode_regions = regions_of_row(&r, room);
		int64_t max[] = {
			[KV_SHIFT] = r.account.longest_shift,
			[KV_CONCAT] = r.account.longest_concat };

		for (int kv = KV_SHIFT; kv <= KV_CONCAT; kv++) {
			if (max[kv] < 2 || max[kv] > 4000)
				continue;
			tried++;
			ck_assert_uint_le(bytes_with(&r, kv, max[kv]), room);
			ck_assert_uint_gt(bytes_with(&r, kv, max[kv] + 2),
			                  room);
		}
		run_end(&r);
	}
	ck_assert_int_ge(tried, REQUESTS);
}
END_TEST

/* The published figure: shifting holds about as many times more tokens as
 * there are rows. */
START_TEST(shift_holds_rows_times_more)
{
	struct run r = llama_run();

	r.device.sram = 3e6;
	run_start(&r);
	double shift = r.account.longest_shift + r.request.prompt_tokens;
	double concat = r.account.longest_concat + r.request.prompt_tokens /
	                r.request.decode.rows;

	ck_assert(concat > 100);
	ck_assert_double_eq_tol(shift / concat, r.request.decode.rows, 1);
	run_end(&r);
}
END_TEST

/* ---- types and policies ---- */

START_TEST(wide_elements_need_more)
{
	struct dice d = { .key = 17 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run half = throw_run(&d), full;

		half.request.type = i % 2 ? WL_F16 : WL_BF16;
		full = run_again(&half);
		full.request.type = WL_F32;
		run_start(&half);
		run_start(&full);
		EACH_PHASE(p) {
			EACH_OP(o) {
				const struct charge *a = row(&half, p, o);
				const struct charge *b = row(&full, p, o);

				ck_assert_uint_le(a->words, b->words);
				ck_assert_uint_le(a->word_hops, b->word_hops);
				ck_assert_uint_eq(2 * a->sram_bytes,
				                  b->sram_bytes);
				ck_assert_uint_eq(a->macs, b->macs);
				ck_assert_uint_eq(a->stages, b->stages);
				ck_assert_uint_le(a->compute_cycles,
				                  b->compute_cycles);
				/* Exchanges hold whole words, of which a choice
				 * has two whatever the elements are. */
				ck_assert_uint_le(
					full.inference.ledger.sram[p][o],
					2 * half.inference.ledger.sram[p][o]);
				ck_assert_uint_le(
					2 * half.inference.ledger.sram[p][o],
					full.inference.ledger.sram[p][o] + 16);
			}
		}
		run_end(&full);
		run_end(&half);
	}
}
END_TEST

/* Attention waits for the fullest row. With more tokens than made up for by
 * the shifts that it saves, concatenation is the slower. */
START_TEST(concatenation_is_not_faster)
{
	static const enum op rowwise[] = { OP_SCORES, OP_SOFTMAX, OP_VALUES };
	struct dice d = { .key = 18 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run shift = throw_run(&d), concat;
		const struct phase_account *a, *b;

		if (i == 0)
			shift = llama_run();
		shift.request.new_tokens = i ? 100 : 600;
		concat = run_again(&shift);
		concat.request.kv = KV_CONCAT;
		run_start(&shift);
		run_start(&concat);
		a = &shift.account.phase[PHASE_DECODE];
		b = &concat.account.phase[PHASE_DECODE];
		for (int k = 0; k < 3; k++)
			ck_assert_uint_lt(
				row(&shift, PHASE_DECODE, rowwise[k])->cycles,
				row(&concat, PHASE_DECODE, rowwise[k])->cycles);
		ck_assert_uint_le(a->total.cycles, b->total.cycles);
		ck_assert_uint_lt(a->core_bytes, b->core_bytes);
		ck_assert_uint_gt(row(&shift, PHASE_DECODE, OP_KV_SHIFT)->calls,
		                  0);
		ck_assert_uint_eq(row(&concat, PHASE_DECODE, OP_KV_SHIFT)
		                  ->calls, 0);
		ck_assert_uint_eq(total(&shift, PHASE_PREFILL)->cycles,
		                  total(&concat, PHASE_PREFILL)->cycles);
		run_end(&concat);
		run_end(&shift);
	}
}
END_TEST

/* ---- routes, verdicts ---- */

/* Violations of one letter, each of which names core (0,0). */
static int count_violations(const struct run *r, char letter)
{
	int n = 0;

	for (int i = 0; i < r->account.n_violations; i++) {
		const char *text = r->account.violation[i].text;

		ck_assert_msg(text[0] == 'P' || strstr(text, "core (0,0)"),
		              "%s", text);
		n += text[0] == letter;
	}
	return n;
}

static bool violates(const struct run *r, const char *words)
{
	for (int i = 0; i < r->account.n_violations; i++)
		if (strstr(r->account.violation[i].text, words))
			return true;
	return false;
}

START_TEST(fewer_routes_are_violations)
{
	struct dice d = { .key = 19 };
	struct run r = throw_run(&d), max = run_again(&r);

	r.request.new_tokens = max.request.new_tokens = 20;
	run_start(&max);
	ck_assert_int_eq(count_violations(&max, 'R'), 0);
	int paths = max.account.phase[PHASE_PREFILL].paths;

	run_end(&max);
	max = run_again(&r);
	max.device.routes = paths;
	run_start(&max);
	ck_assert_int_eq(count_violations(&max, 'R'), 0);
	run_end(&max);
	r.device.routes = 9;
	run_start(&r);
	/* A tree takes ten. */
	ck_assert_int_eq(
		r.account.phase[PHASE_PREFILL].paths,
		ledger_paths(&r.inference.ledger, PHASE_PREFILL, NOPS));
	ck_assert(violates(&r, "R: prefill: core (0,0) needs "));
	ck_assert(violates(&r, "R: prefill, norm: core (0,0) needs 10 router "
	                   "paths, the device has 9"));
	ck_assert(violates(&r, "R: decode, norm: core (0,0) needs 10 "));
	ck_assert(!violates(&r, "R: decode, embedding"));
	ck_assert_int_gt(count_violations(&r, 'R'), 3);
	ck_assert_int_eq(count_violations(&r, 'M'), 0);
	ck_assert_int_le(r.account.n_violations, ACCOUNT_VIOLATIONS);
	run_end(&r);
}
END_TEST

START_TEST(full_memory_is_a_violation)
{
	struct dice d = { .key = 20 };
	struct run r = throw_run(&d);
	char words[100];

	r.device.sram = 8000 + 64;
	run_start(&r);
	snprintf(words, sizeof words, "core (0,0) holds %llu bytes of 64",
	         (unsigned long long)r.account.phase[PHASE_DECODE].core_bytes);
	ck_assert(violates(&r, "M: decode, "));
	ck_assert(violates(&r, "M: prefill, "));
	ck_assert(violates(&r, words));
	ck_assert(violates(&r, "most of it "));
	ck_assert(violates(&r, "M: transition, "));
	ck_assert_int_eq(count_violations(&r, 'M'), 3);
	ck_assert_int_eq(count_violations(&r, 'R'), 0);
	ck_assert_int_eq(r.account.longest_shift, 0);
	ck_assert_int_eq(r.account.longest_concat, 0);
	run_end(&r);
}
END_TEST

/* Concatenated tokens make the last row the fullest, in decode alone. */
START_TEST(violations_name_the_fullest_core)
{
	struct dice d = { .key = 44 };
	struct run r = throw_run(&d);
	char core[100];

	r.device.sram = 8000 + 64;
	r.request.kv = KV_CONCAT;
	run_start(&r);
	snprintf(core, sizeof core, ": core (%d,0) holds %llu bytes",
	         r.request.decode.rows - 1, (unsigned long long)
	         r.account.phase[PHASE_DECODE].core_bytes);
	ck_assert_int_eq(r.account.n_violations, 3);
	for (int i = 0; i < 3; i++) {
		const char *text = r.account.violation[i].text;
		bool decode = !strncmp(text, "M: decode, ", 11);

		ck_assert_msg(strstr(text, decode ? core : "core (0,0) holds "),
		              "%s", text);
	}
	ck_assert(violates(&r, "M: decode, "));
	run_end(&r);
}
END_TEST

/* A transition that alone has no room is a violation; its weights go to
 * decode's regions. */
START_TEST(transitions_must_fit)
{
	struct dice d = { .key = 45 };
	int alone = 0;

	for (int i = 0; i < 4 * REQUESTS; i++) {
		struct run r = throw_run(&d), tight;

		r.request.decode_regions = dice_throw(&d, 1, r.model.n_layers);
		r.request.prefill_regions = r.model.n_layers;
		run_start(&r);
		const struct phase_account *p = r.account.phase;
		uint64_t bytes = p[PHASE_TRANSITION].core_bytes;

		ck_assert_uint_eq(p[PHASE_TRANSITION].peak.total - bytes,
		                  p[PHASE_DECODE].peak.total -
		                  p[PHASE_DECODE].core_bytes);
		for (int less = 0; less <= 1; less++) {
			tight = run_again(&r);
			tight.device.sram = 8000. + bytes - less;
			run_start(&tight);
			ck_assert(violates(&tight, "M: transition, ") == less);
			alone += less && count_violations(&tight, 'M') == 1;
			run_end(&tight);
		}
		run_end(&r);
	}
	ck_assert_int_gt(alone, 0);
}
END_TEST

/* More regions share the layers out, cost a hand-over, and must fit. */
START_TEST(regions_share_the_layers)
{
	struct dice d = { .key = 21 };
	struct run one = throw_run(&d), three;

	one.model.n_layers = 6;
	one.device.rows = 2 * one.request.prefill.rows;
	one.device.cols = one.request.prefill.rows;
	three = run_again(&one);
	three.request.prefill_regions = 3;
	run_start(&one);
	run_start(&three);
	ck_assert_uint_lt(three.account.phase[PHASE_PREFILL].core_bytes,
	                  one.account.phase[PHASE_PREFILL].core_bytes);
	ck_assert_uint_eq(three.account.phase[PHASE_DECODE].core_bytes,
	                  one.account.phase[PHASE_DECODE].core_bytes);
	ck_assert_uint_eq(row(&three, PHASE_PREFILL, OP_HANDOVER)->calls, 2);
	ck_assert_uint_eq(row(&one, PHASE_PREFILL, OP_HANDOVER)->calls, 0);
	ck_assert_uint_eq(total(&three, PHASE_PREFILL)->cycles,
	                  total(&one, PHASE_PREFILL)->cycles +
	                  row(&three, PHASE_PREFILL, OP_HANDOVER)->cycles);
	ck_assert_int_eq(three.account.phase[PHASE_PREFILL].regions_held, 2);
	ck_assert_int_eq(count_violations(&three, 'P'), 1);
	ck_assert(violates(&three, "P: prefill: 3 regions of "));
	run_end(&three);
	run_end(&one);
}
END_TEST

static void check_verdict(const struct run *r, enum phase p, enum op o)
{
	const struct charge *c = row(r, p, o);
	const struct ledger *l = &r->inference.ledger;
	int side = p == PHASE_DECODE ? r->request.decode.rows
	                             : r->request.prefill.rows;
	double work = c->macs + c->ops;
	struct verdict v[NPLMR];

	if (!account_verdict(&r->account, p, o, v)) {
		ck_assert_uint_eq(c->cycles, 0);
		return;
	}
	ck_assert(v[PLMR_P].applies == (c->busiest > 0));
	if (c->busiest) {
		ck_assert_double_eq_tol(v[PLMR_P].figure * c->busiest * side *
		                        side, work, 1e-6 * work);
		ck_assert(v[PLMR_P].figure <= 1 + 1e-9);
		ck_assert(v[PLMR_P].ok == (v[PLMR_P].figure >= 0.5));
	}
	ck_assert_double_eq_tol(v[PLMR_L].figure * c->runs, 3.5 * c->path_hops +
	                        17.25 * c->stages, 1e-6);
	ck_assert_double_eq_tol(v[PLMR_L].limit, 4 * (3.5 * 2 * side + 17.25 *
	                        sqrt(2 * side)), 1e-6);
	/* Regions take part of it off each core; the transition's weights are
	 * on their way to decode's. */
	const struct phase_account *of =
		&r->account.phase[p == PHASE_TRANSITION ? PHASE_DECODE : p];

	ck_assert(v[PLMR_M].figure == l->sram[p][o] - of->peak.total +
	                              of->core_bytes);
	ck_assert(v[PLMR_M].limit == 192000);
	ck_assert(v[PLMR_R].figure == ledger_paths(l, p, o));
	ck_assert(v[PLMR_R].limit == 40);
	for (int i = PLMR_L; i < NPLMR; i++)
		ck_assert(v[i].applies &&
		          v[i].ok == (v[i].figure <= v[i].limit));
}

START_TEST(verdicts_follow_from_counters)
{
	struct dice d = { .key = 22 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run r = throw_run(&d);

		r.request.prefill_regions = dice_throw(&d, 1, r.model.n_layers);
		r.request.decode_regions = dice_throw(&d, 1, r.model.n_layers);
		run_start(&r);
		for (int p = PHASE_PREFILL; p <= PHASE_DECODE; p++) {
			double busy = r.account.phase[p].cores_busy;

			EACH_OP(o)
				check_verdict(&r, p, o);
			ck_assert(p == PHASE_TRANSITION || (busy > 0 &&
			                                    busy <= 1));
		}
		run_end(&r);
	}
}
END_TEST

/* Before decode's keys and values are there, an operator of the transition
 * holds less than its regions take off them. */
START_TEST(early_transition_holds_little)
{
	struct dice d = { .key = 47 };
	struct run r = throw_run(&d);
	struct verdict v[NPLMR];

	r.model.n_layers = 2;
	r.request.prefill = square(16);
	r.request.decode = square(2);
	r.request.decode_regions = 2;
	r.request.new_tokens = 4000;
	run_start(&r);
	const struct phase_account *all = &r.account.phase[PHASE_TRANSITION];
	const struct phase_account *decode = &r.account.phase[PHASE_DECODE];

	ck_assert(r.inference.ledger.sram[PHASE_TRANSITION][OP_UNSKEW] <
	          decode->peak.total - decode->core_bytes);
	ck_assert(account_verdict(&r.account, PHASE_TRANSITION, OP_UNSKEW, v));
	ck_assert(v[PLMR_M].figure > 0);
	ck_assert(v[PLMR_M].figure <= all->core_bytes);
	run_end(&r);
}
END_TEST

/* ---- what follows from the shapes ---- */

/* Multiply-adds for n tokens that look at t each; the head runs for one. */
static uint64_t macs_of(const struct model *m, uint64_t n, uint64_t t)
{
	uint64_t e = m->dim, f = m->hidden_dim, q = model_q_dim(m);
	uint64_t kv = model_kv_dim(m);

	return m->n_layers * n * (e * (q + 2 * kv) + 2 * t * q + q * e +
	                          3 * e * f) + e * m->vocab_size;
}

START_TEST(products_are_those_of_the_model)
{
	struct dice d = { .key = 23 };

	for (int i = 0; i <= REQUESTS; i++) {
		struct run r = i ? throw_run(&d) : llama_run();
		int prompt = r.request.prompt_tokens;
		uint64_t decode = 0;

		run_start(&r);
		for (int t = 1; t < r.request.new_tokens; t++)
			decode += macs_of(&r.model, 1, prompt + t);
		ck_assert_uint_eq(total(&r, PHASE_PREFILL)->macs,
		                  macs_of(&r.model, prompt, prompt));
		ck_assert_uint_eq(total(&r, PHASE_TRANSITION)->macs, 0);
		ck_assert_uint_eq(total(&r, PHASE_DECODE)->macs, decode);
		ck_assert_uint_eq(total(&r, PHASE_LOAD)->calls, 0);
		run_end(&r);
	}
}
END_TEST

/* Other arithmetic, operation by operation on every element of every core. */
static void check_ops(const struct run *r, enum phase p, enum op o,
                      uint64_t each, uint64_t elements)
{
	ck_assert_msg(row(r, p, o)->ops == each * elements,
	              "%s, %s: %llu operations, not %llu", phase_name(p),
	              op_name(o), (unsigned long long)row(r, p, o)->ops,
	              (unsigned long long)(each * elements));
}

static void check_prefill_ops(const struct run *r)
{
	const struct model *m = &r->model;
	uint64_t n = r->request.prompt_tokens, l = n * m->n_layers;
	uint64_t q = model_q_dim(m), kv = model_kv_dim(m), e = m->dim;
	uint64_t side = r->request.prefill.rows;

	check_ops(r, PHASE_PREFILL, OP_NORM, 3, 2 * l * e + e * side);
	check_ops(r, PHASE_PREFILL, OP_QKV, m->qkv_bias, l * (q + 2 * kv));
	check_ops(r, PHASE_PREFILL, OP_ROPE, 3, l * (q + kv));
	check_ops(r, PHASE_PREFILL, OP_SOFTMAX, 14 + 5, l * n * m->n_heads);
	check_ops(r, PHASE_PREFILL, OP_OUTPUT, 1, l * e);
	check_ops(r, PHASE_PREFILL, OP_FFN_ACT, 14 + 5, l * m->hidden_dim);
	check_ops(r, PHASE_PREFILL, OP_FFN_DOWN, 1, l * e);
	/* The last token's norm, on every row; its choice, on every column. */
	check_ops(r, PHASE_PREFILL, OP_HEAD, 0, 0);
	check_ops(r, PHASE_PREFILL, OP_CHOOSE, 2, m->vocab_size * side);
}

/* Vectors have a copy on every line. A head's scores have one on each of its
 * columns. */
static void check_decode_ops(const struct run *r)
{
	const struct model *m = &r->model;
	uint64_t steps = r->request.new_tokens - 1, tokens = 0, copies = 0;
	uint64_t q = model_q_dim(m), kv = model_kv_dim(m), e = m->dim;
	int side = r->request.decode.rows;
	uint64_t all = steps * side, l = all * m->n_layers;
	struct heads h = heads_of(m, side);

	for (uint64_t t = 1; t <= steps; t++)
		tokens += r->request.prompt_tokens + t;
	for (int i = 0; i < h.n_kv; i++)
		for (int x = 0; x < side; x++)
			copies += range_size(heads_channels(&h, i, x)) > 0;
	check_ops(r, PHASE_DECODE, OP_NORM, 3, 2 * l * e + all * e);
	check_ops(r, PHASE_DECODE, OP_QKV, m->qkv_bias, l * (q + 2 * kv));
	check_ops(r, PHASE_DECODE, OP_ROPE, 3, l * (q + kv));
	check_ops(r, PHASE_DECODE, OP_SOFTMAX, 14 + 3, m->n_layers * tokens *
	          copies * model_group(m));
	/* Outputs are divided by the sums, on every row. */
	check_ops(r, PHASE_DECODE, OP_VALUES, 1, l * q);
	check_ops(r, PHASE_DECODE, OP_OUTPUT, 1, l * e);
	check_ops(r, PHASE_DECODE, OP_HEAD, 0, 0);
	check_ops(r, PHASE_DECODE, OP_FFN_ACT, 14 + 5, l * m->hidden_dim);
	check_ops(r, PHASE_DECODE, OP_FFN_DOWN, 1, l * e);
	check_ops(r, PHASE_DECODE, OP_CHOOSE, 2, all * m->vocab_size);
}

START_TEST(other_arithmetic_is_that_of_the_model)
{
	struct dice d = { .key = 29 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run r = throw_run(&d);

		run_start(&r);
		check_prefill_ops(&r);
		check_decode_ops(&r);
		run_end(&r);
	}
}
END_TEST

/* The fullest core has at least its share of all weights, and little more. */
START_TEST(weights_are_all_held)
{
	struct run r = llama_run();
	/* Elements of the layers; of embedding and head. */
	const double layers = 32.0 * 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336);
	const double vocab = 2.0 * 4096 * 128256;

	run_start(&r);
	for (int p = PHASE_PREFILL; p <= PHASE_DECODE; p += 2) {
		const struct sram_peak *peak = &r.account.phase[p].peak;
		double weights = peak->allocated[SRAM_WEIGHTS] * 120. * 120 / 2;
		double ends = peak->allocated[SRAM_VOCAB] * 120. * 120 / 2;

		ck_assert(weights >= layers && weights <= 1.08 * layers);
		ck_assert(ends >= vocab && ends <= 1.08 * vocab);
		ck_assert_uint_gt(peak->allocated[SRAM_KV], 0);
	}
	run_end(&r);
}
END_TEST

/* Elements of a layer on the fullest core of a grid: Q, K, V and O; gate, up
 * and down. */
static uint64_t layer_elements(const struct model *m, int side)
{
	struct heads h = heads_of(m, side);

	return ceil_div(m->dim, side) *
	       (2 * partition_max(&h.q) + 2 * partition_max(&h.kv) +
	        3 * (uint64_t)ceil_div(m->hidden_dim, side));
}

/* Matrices in the form of the phase, vectors in both: two norms of each layer
 * and its biases; one norm with embedding and head. */
START_TEST(vectors_are_held_in_both_forms)
{
	struct dice d = { .key = 47 };

	for (int i = 0; i < 2 * REQUESTS; i++) {
		struct run r = throw_run(&d);
		const struct model *m = &r.model;
		int side[] = { r.request.prefill.rows, r.request.decode.rows };
		uint64_t norm = 0, bias = 0,
			 size = wl_type_size(r.request.type);

		run_start(&r);
		for (int k = 0; k < 2; k++) {
			struct heads h = heads_of(m, side[k]);

			norm += ceil_div(m->dim, side[k]);
			bias += m->qkv_bias * (partition_max(&h.q) +
			                       2 * partition_max(&h.kv));
		}
		for (int k = 0; k < 2; k++) {
			const struct sram_peak *p = &r.account.phase[
				k ? PHASE_DECODE : PHASE_PREFILL].peak;
			uint64_t vocab = ceil_div(m->dim, side[k]) *
				ceil_div(m->vocab_size, side[k]);

			ck_assert_uint_eq(p->allocated[SRAM_WEIGHTS],
			                  m->n_layers * size *
			                  (layer_elements(m, side[k]) +
			                   2 * norm + bias));
			ck_assert_uint_eq(p->allocated[SRAM_VOCAB], size *
			                  ((m->tied ? 1 : 2) * vocab + norm));
		}
		run_end(&r);
	}
}
END_TEST

/* ---- attention in decode, core by core ---- */

/* What one step's attention takes with so many tokens, in one layer. */
struct attention {
	uint64_t scores_time, values_time;
	uint64_t scores_words, maxima_words, values_words;
};

/* k rows of n elements each, with made_device's numbers. */
static uint64_t gemv_time(const struct run *r, int k, int n)
{
	int width = r->request.type == WL_F32 ? 3 : 6;

	return (uint64_t)k * (5 + ceil_div(n, width));
}

/* An all-reduce of n cores is n - 1 messages and a multicast. */
static struct attention attention_of(const struct run *r, int tokens)
{
	int side = r->request.decode.rows, group = model_group(&r->model);
	struct heads h = heads_of(&r->model, side);
	struct partition rows = partition_of(tokens, side);
	int max = partition_max(&rows), kv = partition_max(&h.kv);
	uint64_t all = 0;
	struct attention a = {
		.scores_time = 307 + group * gemv_time(r, kv, max),
		.values_time = 307 + group * gemv_time(r, max, kv) +
		               gemv_time(r, 1, partition_max(&h.q)) };

	for (int y = 0; y < side; y++)
		all += words_of(r, group * partition_size(&rows, y));
	for (int i = 0; i < h.n_kv; i++) {
		int columns = heads_last(&h, i) - heads_first(&h, i) + 1;

		a.scores_words += columns > 1 ? columns * all : 0;
	}
	for (int x = 0; x < side; x++) {
		int here = 0;

		for (int i = 0; i < h.n_kv; i++)
			here += range_size(heads_channels(&h, i, x)) > 0;
		a.maxima_words += side * words_of(r, group * here);
		a.values_words += side * words_of(r, group * here +
		                                  partition_size(&h.q, x));
	}
	return a;
}

START_TEST(attention_follows_the_cache)
{
	struct dice d = { .key = 30 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run r = throw_run(&d);
		const struct charge *scores, *softmax, *values;
		struct attention sum = { 0 };

		run_start(&r);
		for (int t = 1; t < r.request.new_tokens; t++) {
			struct attention a = attention_of(
				&r, r.request.prompt_tokens + t);

			sum.scores_time += a.scores_time * r.model.n_layers;
			sum.values_time += a.values_time * r.model.n_layers;
			sum.scores_words += a.scores_words * r.model.n_layers;
			sum.maxima_words += a.maxima_words * r.model.n_layers;
			sum.values_words += a.values_words * r.model.n_layers;
		}
		scores = row(&r, PHASE_DECODE, OP_SCORES);
		softmax = row(&r, PHASE_DECODE, OP_SOFTMAX);
		values = row(&r, PHASE_DECODE, OP_VALUES);
		ck_assert_uint_eq(scores->compute_cycles, sum.scores_time);
		ck_assert_uint_eq(values->compute_cycles, sum.values_time);
		ck_assert_uint_eq(scores->words, sum.scores_words);
		ck_assert_uint_eq(softmax->words, sum.maxima_words);
		ck_assert_uint_eq(values->words, sum.values_words);
		run_end(&r);
	}
}
END_TEST

/* A step's vectors on the fullest core: x and its norm; q, k, v; the scores;
 * sums and what they become; gate and up; logits. */
START_TEST(decode_holds_its_vectors)
{
	struct dice d = { .key = 38 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run r = throw_run(&d);
		const struct model *m = &r.model;
		int side = r.request.decode.rows, group = model_group(m);
		struct heads h = heads_of(m, side);
		int tokens = r.request.prompt_tokens + r.request.new_tokens;
		uint64_t n = 2 * ceil_div(m->dim, side) +
			3 * partition_max(&h.q) + 2 * partition_max(&h.kv) +
			group * heads_max(&h) * (ceil_div(tokens, side) + 1) +
			2 * ceil_div(m->hidden_dim, side) +
			ceil_div(m->vocab_size, side);

		run_start(&r);
		ck_assert_uint_eq(r.account.phase[PHASE_DECODE].peak.allocated[
			SRAM_ACTIVATIONS], n * wl_type_size(r.request.type));
		run_end(&r);
	}
}
END_TEST

/* The activations of all tokens, or of one, over a region's columns. */
static void check_hand_over(const struct run *r, enum phase p, uint64_t times,
                            int side, uint64_t all, uint64_t max)
{
	const struct charge *c = row(r, p, OP_HANDOVER);
	uint64_t cycles = (uint64_t)ceil(side * 3.5) +
	                  (uint64_t)ceil(max * 2.5);

	ck_assert_uint_eq(c->words, times * all);
	ck_assert_uint_eq(c->word_hops, times * all * side);
	ck_assert_uint_eq(c->cycles, times * cycles + 509 * c->runs);
}

START_TEST(hand_over_takes_the_activations)
{
	struct dice d = { .key = 39 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run r = throw_run(&d);
		int a = r.request.prefill.rows, b = r.request.decode.rows;
		int dim = r.model.dim;
		struct partition tokens =
			partition_of(r.request.prompt_tokens, a);
		struct partition dims = partition_of(dim, b);
		uint64_t all = 0, one = 0;

		r.request.prefill_regions = 3;
		r.request.decode_regions = 2;
		run_start(&r);
		for (int y = 0; y < a; y++)
			all += words_of(&r, partition_size(&tokens, y) * dim);
		for (int y = 0; y < b; y++)
			one += words_of(&r, partition_size(&dims, y));
		check_hand_over(&r, PHASE_PREFILL, 2, a, all,
		                words_of(&r, partition_max(&tokens) * dim));
		check_hand_over(&r, PHASE_DECODE, r.request.new_tokens - 1, b,
		                one, words_of(&r, partition_max(&dims)));
		run_end(&r);
	}
}
END_TEST

/* The farthest line of weights is half the ring from home; all matrices of a
 * layer share the steps' set-ups. */
START_TEST(weights_turn_home_together)
{
	struct dice d = { .key = 40 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run r = throw_run(&d), slow;
		uint64_t steps = r.request.prefill.rows / 2;

		/* No column without any weights, though some without heads. */
		r.model.dim = r.model.hidden_dim = 61;
		slow = run_again(&r);
		slow.device.exchange_cycles += 1000;
		run_start(&r);
		run_start(&slow);
		ck_assert_uint_eq(row(&slow, PHASE_TRANSITION, OP_UNSKEW)
		                  ->cycles - row(&r, PHASE_TRANSITION,
		                                 OP_UNSKEW)->cycles,
		                  1000 * steps * r.model.n_layers);
		ck_assert_uint_eq(row(&r, PHASE_TRANSITION, OP_UNSKEW)->calls,
		                  7 * steps * r.model.n_layers);
		run_end(&slow);
		run_end(&r);
	}
}
END_TEST

/* ---- steps ---- */

static void add(struct charge *sum, const struct charge *c)
{
#define WL_COUNTER(field, unit, help) sum->field += c->field;
#include "device/counters.def"
}

static void check_same(const struct charge *a, const struct charge *b,
                       const char *what)
{
#define WL_COUNTER(field, unit, help)                                        \
	ck_assert_msg(a->field == b->field, "%s: " #field " %llu and %llu",  \
	              what, (unsigned long long)a->field,                    \
	              (unsigned long long)b->field);
#include "device/counters.def"
}

/* The first new token comes from prefill: a request is as many decode steps
 * as there are tokens after it. */
START_TEST(steps_add_up)
{
	struct dice d = { .key = 24 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run r = throw_run(&d);
		struct charge sum[NOPS] = { { 0 } };
		struct inference w;
		int all = r.request.prompt_tokens + r.request.new_tokens;

		r.request.sampled = false;
		run_start(&r);
		ck_assert_int_eq(r.account.phase[PHASE_DECODE].tokens,
		                 r.request.new_tokens - 1);
		ck_assert_int_eq(r.account.phase[PHASE_PREFILL].tokens,
		                 r.request.prompt_tokens);
		ck_assert_uint_eq(row(&r, PHASE_DECODE, OP_EMBED)->runs,
		                  r.request.new_tokens - 1);
		dry_request_start(&w, &r.request);
		prefill_run(&w, NULL, r.request.prompt_tokens);
		transition_run(&w, all);
		for (int t = 1; t < r.request.new_tokens; t++) {
			struct charge *row = w.ledger.row[PHASE_DECODE];

			memset(row, 0, NOPS * sizeof *row);
			decode_step(&w, 0);
			EACH_OP(o)
				add(&sum[o], &row[o]);
		}
		EACH_OP(o)
			check_same(row(&r, PHASE_DECODE, o), &sum[o],
			           op_name(o));
		inference_fini(&w);
		run_end(&r);
	}
}
END_TEST

/* Layers are alike: one more costs what one more before did. */
START_TEST(layers_add_up)
{
	struct dice d = { .key = 25 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run r[3];

		r[0] = throw_run(&d);
		r[0].request.sampled = false;
		for (int k = 0; k < 3; k++) {
			if (k)
				r[k] = run_again(&r[0]);
			r[k].model.n_layers = 2 + k;
			run_start(&r[k]);
		}
		EACH_PHASE(p)
			EACH_OP(o) {
				struct charge a = *row(&r[0], p, o);
				struct charge b = *row(&r[1], p, o);

				/* a + c = 2 b */
				add(&a, row(&r[2], p, o));
				add(&b, &b);
				check_same(&a, &b, op_name(o));
			}
		for (int k = 0; k < 3; k++)
			run_end(&r[k]);
	}
}
END_TEST

START_TEST(one_token_needs_no_decode)
{
	struct dice d = { .key = 26 };
	struct run r = throw_run(&d);

	r.request.new_tokens = 1;
	run_start(&r);
	ck_assert_uint_eq(total(&r, PHASE_DECODE)->cycles, 0);
	ck_assert_uint_eq(total(&r, PHASE_TRANSITION)->cycles, 0);
	ck_assert_int_eq(r.account.phase[PHASE_DECODE].tokens, 0);
	ck_assert(r.account.phase[PHASE_DECODE].tokens_per_s == 0);
	ck_assert_int_eq(r.account.n_violations, 0);
	ck_assert_double_eq_tol(r.account.tokens_per_s_request *
	                        r.account.phase[PHASE_PREFILL].seconds, 1,
	                        1e-9);
	run_end(&r);
}
END_TEST

/* With one head of full width its channels are all of the model's. */
START_TEST(full_heads_are_one)
{
	struct run r = llama_run();
	struct model full = dry_request_full_heads(&r.model);

	ck_assert_int_eq(full.n_heads, 1);
	ck_assert_int_eq(full.n_kv_heads, 1);
	ck_assert_int_eq(model_kv_dim(&full), 4096);
	ck_assert_int_eq(model_q_dim(&full), 4096);
	full.n_heads = r.model.n_heads;
	full.n_kv_heads = r.model.n_kv_heads;
	full.head_dim = r.model.head_dim;
	ck_assert(model_same(&full, &r.model));
}
END_TEST

/* ---- what is refused, what is chosen ---- */

/* A dry run of a shape in a file, on a core grid. */
static int try_dry_run(const char *shape, bool full, int side, int prompt,
                       struct wl_error *err)
{
	const struct options o = {
		.verb = VERB_RUN, .device = "wse2", .shape = shape,
		.quiet = true,
		.kv = "shift", .dry_run = true, .kv_heads_full = full,
		.type = WL_F32, .prompt_tokens = prompt, .new_tokens = 1,
		.context = OPTIONS_MAX_CONTEXT, .grid = { side, side },
		.prefill_regions = 1,
		.decode_regions = 1 };

	return dry_run(&o, err);
}

static void write_shape(const char *path, int dim, int layers, int head_dim)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "{ \"dim\": %d, \"hidden_dim\": 1, \"n_layers\": %d, "
	        "\"n_heads\": 1, \"n_kv_heads\": 1, \"head_dim\": %d, "
	        "\"vocab_size\": 10, \"max_seq_len\": 100, "
	        "\"tied\": true, \"qkv_bias\": false }", dim, layers,
	        head_dim);
	ck_assert_int_eq(fclose(f), 0);
}

/* Multiply-adds fit 64 bits, the bytes that they read and write do not. One
 * head of the full width has the heads' own limits. */
START_TEST(what_cannot_be_counted_is_refused)
{
	struct wl_error err = { .text = "" };
	char dir[64], path[80];

	ck_assert(scratch_make(dir, "check_account"));
	snprintf(path, sizeof path, "%s/shape.json", dir);
	write_shape(path, 2, 100, 4500);
	ck_assert_int_eq(try_dry_run(path, false, 2, 1 << 20, &err), -1);
	ck_assert_str_eq(err.text, "option --dry-run: the request is too large "
	                 "to be counted in 64 bits");
	err.text[0] = 0;
	ck_assert_int_eq(try_dry_run(path, false, 2, 1 << 17, &err), 0);
	write_shape(path, 3, 1, 4);
	ck_assert_int_eq(try_dry_run(path, false, 2, 5, &err), 0);
	ck_assert_str_eq(err.text, "");
	ck_assert_int_eq(try_dry_run(path, true, 2, 5, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "--kv-heads-full: head_dim 3"));
	unlink(path);
	rmdir(dir);
}
END_TEST

/* ---- bench ---- */

static struct charge bench(const struct run *r, const char *kernel, int side,
                           int m, int k, int n)
{
	struct options o = { .kernel = kernel, .grid = { side, side }, .m = m,
	                     .k = k, .n = n, .dry_run = true,
	                     .type = (int)r->request.type };
	struct wl_error err = { .text = "" };
	struct charge c;
	struct bench b;

	ck_assert_msg(bench_charge(&b, &o, &r->device, NULL, &err) == 0, "%s",
	              err.text);
	c = b.ledger.row[PHASE_LOAD][0];
	for (int i = 0; i < NSRAM; i++)
		ck_assert_uint_eq(b.ledger.allocated[i], 0);
	bench_fini(&b);
	c.runs = 0;
	return c;
}

/* Adds a phase's way to an operator, which a bench leaves out. */
static void add_ways(struct charge *c, const struct charge *row)
{
	c->runs = row->runs;
	c->cycles += 509 * row->runs;
	c->comm_cycles += 509 * row->runs;
}

/* What a bench charges is what phases charge for the same product: the last
 * one of a layer in prefill, with the sum that follows, and the head in
 * decode. */
START_TEST(benches_charge_what_phases_do)
{
	struct dice d = { .key = 27 };

	for (int i = 0; i < REQUESTS; i++) {
		struct run r = throw_run(&d);
		const struct model *m = &r.model;
		int side = r.request.prefill.rows, l = m->n_layers;
		int tokens = r.request.prompt_tokens;
		struct charge want = { 0 }, got, sum;

		run_start(&r);
		got = bench(&r, "gemm", side, tokens, m->hidden_dim, m->dim);
		sum = cost_elements(&r.inference.ledger, 1,
		                    (tokens + side - 1) / side,
		                    (m->dim + side - 1) / side,
		                    (uint64_t)tokens * m->dim);
		sum.cycles = sum.compute_cycles;
		add(&got, &sum);
		for (int k = 0; k < l; k++)
			add(&want, &got);
		add_ways(&want, row(&r, PHASE_PREFILL, OP_FFN_DOWN));
		check_same(row(&r, PHASE_PREFILL, OP_FFN_DOWN), &want, "gemm");

		got = bench(&r, "gemv", r.request.decode.rows, 0, m->dim,
		            m->vocab_size);
		memset(&want, 0, sizeof want);
		for (int t = 1; t < r.request.new_tokens; t++)
			add(&want, &got);
		add_ways(&want, row(&r, PHASE_DECODE, OP_HEAD));
		check_same(row(&r, PHASE_DECODE, OP_HEAD), &want, "gemv");
		run_end(&r);
	}
}
END_TEST

/* Tiles relayed core by core, and a vector summed on every row. */
START_TEST(moves_have_benches)
{
	struct dice d = { .key = 28 };
	struct run r = throw_run(&d);
	struct options o = { .kernel = "shift", .grid = { 7, 7 }, .m = 30,
	                     .n = 20, .hops = 4, .dry_run = true,
	                     .type = WL_F32 };
	struct wl_error err = { .text = "" };
	struct bench b;

	/* Rows of 5 (2 of them) and 4 by 3 columns: 5 x 15 words at most, over
	 * 6 links of each row, four times. */
	ck_assert_int_eq(bench_charge(&b, &o, &r.device, NULL, &err), 0);
	const struct charge *c = &b.ledger.row[PHASE_LOAD][0];

	ck_assert_uint_eq(c->calls, 4);
	ck_assert_uint_eq(c->words, 4 * 6 * 30 * 3);
	ck_assert_uint_eq(c->comm_cycles, 4 * (211 + 4 + 2 * 38));
	bench_fini(&b);
	o = (struct options){ .kernel = "allreduce", .grid = { 7, 7 },
	                      .words = 5, .groups = { 7 }, .type = WL_F32 };
	ck_assert_int_eq(bench_charge(&b, &o, &r.device, NULL, &err), 0);
	c = &b.ledger.row[PHASE_LOAD][0];
	/* A chain of 3 each way and a multicast. */
	ck_assert_uint_eq(c->words, 7 * 5 * (6 + 1));
	ck_assert_uint_eq(c->stages, 3 + 1);
	ck_assert_uint_eq(c->path_hops, 3 + 3);
	bench_fini(&b);
	o.words = 0;
	ck_assert_int_eq(bench_charge(&b, &o, &r.device, NULL, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "--words"));
	bench_fini(&b);
	o.kernel = "gemm";
	ck_assert_int_eq(bench_charge(&b, &o, &r.device, NULL, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "-m, -k or -n is needed"));
	bench_fini(&b);
	o.kernel = "sort";
	ck_assert_int_eq(bench_charge(&b, &o, &r.device, NULL, &err), -1);
	bench_fini(&b);
}
END_TEST

static TCase *what_if_case(void)
{
	TCase *t = tcase_create("what-if");

	tcase_add_test(t, worse_devices_are_never_faster);
	tcase_add_test(t, worse_devices_slow_llama_down);
	tcase_add_test(t, clock_divides_cycles);
	tcase_add_test(t, energy_follows_its_constants);
	tcase_add_test(t, wide_elements_need_more);
	tcase_add_test(t, concatenation_is_not_faster);
	return t;
}

static TCase *limits_case(void)
{
	TCase *t = tcase_create("limits");

	tcase_add_test(t, regions_are_the_fewest);
	tcase_add_test(t, regions_hold_no_more_than_they_must);
	tcase_add_test(t, regions_held_fit_an_int);
	tcase_add_test(t, regions_have_layers);
	tcase_add_test(t, one_region_fits_exactly);
	tcase_add_test(t, less_memory_never_helps);
	tcase_add_test(t, longest_generation_just_fits);
	tcase_add_test(t, longest_requests_just_fit);
	tcase_add_test(t, shift_holds_rows_times_more);
	tcase_add_test(t, fewer_routes_are_violations);
	tcase_add_test(t, full_memory_is_a_violation);
	tcase_add_test(t, violations_name_the_fullest_core);
	tcase_add_test(t, transitions_must_fit);
	tcase_add_test(t, regions_share_the_layers);
	tcase_add_test(t, verdicts_follow_from_counters);
	tcase_add_test(t, early_transition_holds_little);
	tcase_add_test(t, what_cannot_be_counted_is_refused);
	return t;
}

static TCase *sums_case(void)
{
	TCase *t = tcase_create("sums");

	tcase_add_test(t, products_are_those_of_the_model);
	tcase_add_test(t, other_arithmetic_is_that_of_the_model);
	tcase_add_test(t, weights_are_all_held);
	tcase_add_test(t, vectors_are_held_in_both_forms);
	tcase_add_test(t, attention_follows_the_cache);
	tcase_add_test(t, decode_holds_its_vectors);
	tcase_add_test(t, hand_over_takes_the_activations);
	tcase_add_test(t, weights_turn_home_together);
	tcase_add_test(t, steps_add_up);
	tcase_add_test(t, layers_add_up);
	tcase_add_test(t, one_token_needs_no_decode);
	tcase_add_test(t, full_heads_are_one);
	tcase_add_test(t, benches_charge_what_phases_do);
	tcase_add_test(t, moves_have_benches);
	return t;
}

int main(void)
{
	Suite *s = suite_create("account");

	suite_add_tcase(s, what_if_case());
	suite_add_tcase(s, limits_case());
	suite_add_tcase(s, sums_case());
	return run_suite(s);
}
