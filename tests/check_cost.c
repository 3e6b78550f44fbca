/* What things cost, against numbers calculated by hand; how the ledger adds
 * charges up; and all-reduces against the published model of reductions on a
 * wafer, message by message. Without MPI. */
#include "config.h"
#include "device/cost.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "made_device.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/moves/line.h"
#include "suite.h"

enum { CORES = 1000 };

static struct device device;
static struct ledger ledger;

static void set_up(void)
{
	device = made_device;
	ledger_init(&ledger, &device, WL_F32, CORES);
}

static void tear_down(void)
{
	ledger_fini(&ledger);
}

#define same(a, b) ck_assert_uint_eq(a, b)

/* ---- cost_* ---- */

START_TEST(elements_have_bytes_and_words)
{
	static const uint64_t n[] = { 0, 1, 2, 3, 4095 };
	static const uint64_t f16_words[] = { 0, 1, 1, 2, 2048 };

	for (size_t i = 0; i < sizeof n / sizeof *n; i++) {
		ledger.type = WL_F32;
		same(cost_bytes(&ledger, n[i]), 4 * n[i]);
		same(cost_words(&ledger, n[i]), n[i]);
		for (ledger.type = WL_F16; ledger.type <= WL_BF16;
		     ledger.type++) {
			same(cost_bytes(&ledger, n[i]), 2 * n[i]);
			same(cost_words(&ledger, n[i]), f16_words[i]);
		}
	}
	ledger.type = WL_F16;
	same(cost_bytes(&ledger, 1ull << 40), 1ull << 41);
}
END_TEST

START_TEST(links_carry_words)
{
	static const struct {
		double bytes;
		uint64_t words, cycles;
	} c[] = {
		{ 4, 0, 0 }, { 4, 1, 1 }, { 4, 4096, 4096 },
		{ 2, 1, 2 }, { 2, 7, 14 }, { 64, 0, 0 }, { 64, 1, 1 },
		{ 64, 16, 1 }, { 64, 17, 2 }, { 1.6, 1, 3 }, { 1.6, 2, 5 },
		{ 1.6, 3, 8 }, { 0.1, 3, 120 }, { 0.01, 1, 400 },
	};

	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		device.link_bytes = c[i].bytes;
		same(cost_wire(&ledger, c[i].words), c[i].cycles);
	}
}
END_TEST

/* Parts of cycles are rounded up, once for the whole way; what is whole but
 * for the arithmetic's own roundings stays. */
START_TEST(ways_are_whole_cycles)
{
	same(cost_hops(&ledger, 0), 0);
	same(cost_hops(&ledger, 1), 4);
	same(cost_hops(&ledger, 2), 7);
	same(cost_hops(&ledger, 1001), 3504);
	same(cost_stages(&ledger, 0), 0);
	same(cost_stages(&ledger, 1), 18);
	same(cost_stages(&ledger, 2), 35);
	same(cost_stages(&ledger, 4), 69);
	device.hop_cycles = 2.2;
	same(cost_hops(&ledger, 25), 55);
	same(cost_hops(&ledger, 26), 58);
	device.hop_cycles = 0;
	same(cost_hops(&ledger, 1000), 0);
	same(cost_exchange(&ledger), 101);
	same(cost_relay(&ledger), 211);
	same(cost_start(&ledger), 307);
	device.exchange_cycles = device.relay_cycles = device.kernel_start =
		0.5;
	same(cost_exchange(&ledger), 1);
	same(cost_relay(&ledger), 1);
	same(cost_start(&ledger), 1);
}
END_TEST

/* 12 bytes are 3 elements of f32, 6 of f16. */
START_TEST(vectors_are_cut_to_the_width)
{
	same(cost_vector(&ledger, 1, 0), 0);
	same(cost_vector(&ledger, 0, 5), 0);
	same(cost_vector(&ledger, 1, 1), 6);
	same(cost_vector(&ledger, 1, 3), 6);
	same(cost_vector(&ledger, 1, 4), 7);
	same(cost_vector(&ledger, 10, 7), 80);
	ledger.type = WL_F16;
	same(cost_vector(&ledger, 1, 6), 6);
	same(cost_vector(&ledger, 1, 7), 7);
	same(cost_vector(&ledger, 10, 12), 70);
	device.vector_start = 2.25;
	same(cost_vector(&ledger, 1, 1), 4);
	same(cost_vector(&ledger, 4, 1), 13);
	device.vector_start = 0;
	same(cost_vector(&ledger, 1, 1), 1);
}
END_TEST

/* k (29 + n (5 + m / 3)), k (5 + n / 3). */
START_TEST(products_are_loops_of_vectors)
{
	same(cost_gemm(&ledger, 1, 1, 1), 35);
	same(cost_gemm(&ledger, 4, 2, 3), 129);
	same(cost_gemm(&ledger, 9, 11, 5), 5 * (29 + 11 * 8));
	same(cost_gemm(&ledger, 0, 2, 3), 0);
	same(cost_gemm(&ledger, 4, 0, 3), 0);
	same(cost_gemm(&ledger, 4, 2, 0), 0);
	same(cost_gemv(&ledger, 1, 1), 6);
	same(cost_gemv(&ledger, 3, 4), 21);
	same(cost_gemv(&ledger, 0, 4), 0);
	same(cost_gemv(&ledger, 3, 0), 0);
	ledger.type = WL_BF16;
	same(cost_gemm(&ledger, 13, 2, 3), 3 * (29 + 2 * 8));
	same(cost_gemv(&ledger, 3, 13), 3 * 8);
	device.gemm_loop = 0.25;
	device.vector_start = 5.5;
	same(cost_gemm(&ledger, 6, 1, 2), 14);
	same(cost_gemv(&ledger, 3, 6), 20);
}
END_TEST

static void check_charge(const struct charge *got, const struct charge *want)
{
#define WL_COUNTER(field, unit, help) \
	ck_assert_msg(got->field == want->field, #field " is %llu, not %llu", \
	              (unsigned long long)got->field, \
	              (unsigned long long)want->field);
#include "device/counters.def"
	ck_assert_uint_eq(got->setup_cycles, want->setup_cycles);
}

/* An operation reads two operands and writes one. */
START_TEST(charges_of_arithmetic)
{
	struct charge p = cost_product(&ledger, 1000, 70, 9);
	struct charge e = cost_elements(&ledger, 2, 3, 4, 100);

	check_charge(&p, &(struct charge){ .calls = 1, .macs = 1000,
		.busiest = 70, .compute_cycles = 9, .sram_bytes = 12000 });
	check_charge(&e, &(struct charge){ .ops = 200, .busiest = 24,
		.compute_cycles = 42, .sram_bytes = 2400 });
	ledger.type = WL_F16;
	p = cost_product(&ledger, 1000, 70, 9);
	e = cost_elements(&ledger, 2, 3, 7, 100);
	same(p.sram_bytes, 6000);
	check_charge(&e, &(struct charge){ .ops = 200, .busiest = 42,
		.compute_cycles = 42, .sram_bytes = 1200 });
}
END_TEST

/* Line by line. */
START_TEST(parts_are_messages_of_their_own)
{
	for (int n = 0; n < 40; n++)
		for (int i = 0; i < 4 * 11 * 4; i++) {
			int unit = 1 + i % 4, across = i / 44;
			struct partition p = { n * unit, unit, 1 + i / 4 % 11,
			                  i % 2 };
			uint64_t all = 0, max = 0;
			struct wire_words w;

			ledger.type = i % 3 ? WL_F16 : WL_F32;
			for (int j = 0; j < p.parts; j++) {
				uint64_t size = partition_size(&p, j) * across;
				uint64_t words = ledger.type == WL_F32
					? size : size / 2 + size % 2;

				all += words;
				max = words > max ? words : max;
			}
			w = cost_parts(&ledger, &p, across);
			same(w.all, all);
			same(w.max, max);
		}
	same(cost_lines(7, 3).all, 21);
	same(cost_lines(7, 3).max, 3);
}
END_TEST

/* ---- the ledger ---- */

static const struct charge *row(void)
{
	return &ledger.row[ledger.phase][ledger.op];
}

static void charge(uint64_t compute, uint64_t setup, uint64_t wire)
{
	ledger_charge(&ledger, &(struct charge){
		.calls = 1, .compute_cycles = compute,
		.comm_cycles = setup + wire, .setup_cycles = setup });
}

/* Forgets what was charged; compares it. */
static void charged(uint64_t calls, uint64_t compute, uint64_t comm)
{
	same(row()->calls, calls);
	same(row()->compute_cycles, compute);
	same(row()->comm_cycles, comm);
	same(row()->cycles, compute + comm);
	ledger.row[ledger.phase][ledger.op] = (struct charge){ 0 };
}

START_TEST(charges_add_up)
{
	charge(5, 0, 7);
	charge(1, 2, 3);
	charged(2, 6, 12);
	ledger.repeat = 0;
	charge(5, 1, 7);
	charged(0, 0, 0);
	ledger.repeat = 1000000007;
	charge(5, 1, 7);
	charged(1000000007, 5000000035, 8000000056);
}
END_TEST

START_TEST(every_counter_is_added)
{
	struct charge c, sum;
	uint64_t *at = (uint64_t *)&c;

	for (size_t i = 0; i < sizeof c / sizeof *at; i++)
		at[i] = 3 + i * i;
	c.setup_cycles = 0;
	ledger.repeat = 5;
	ledger_phase(&ledger, PHASE_DECODE);
	ledger.op = OP_VALUES;
	ledger_charge(&ledger, &c);
	ledger.op = OP_HEAD;
	ledger_charge(&ledger, &c);
	sum = ledger_total(&ledger, PHASE_DECODE);
	c.cycles = c.compute_cycles + c.comm_cycles;
	for (size_t i = 0; i < sizeof c / sizeof *at; i++)
		at[i] *= 5;
	check_charge(row(), &c);
	for (size_t i = 0; i < sizeof c / sizeof *at; i++)
		at[i] *= 2;
	check_charge(&sum, &c);
	sum = ledger_total(&ledger, PHASE_PREFILL);
	check_charge(&sum, &(struct charge){ 0 });
}
END_TEST

/* Set-up takes the core's own time; arithmetic hides the rest of an exchange;
 * exchanges go side by side, arithmetic does not. */
START_TEST(things_done_together)
{
	static const struct {
		uint64_t compute[2], setup[2], wire[2], sum, comm;
	} c[] = {
		{ { 0, 0 }, { 0, 0 }, { 0, 0 }, 0, 0 },
		{ { 100, 0 }, { 10, 0 }, { 50, 0 }, 100, 10 },
		{ { 30, 0 }, { 10, 0 }, { 50, 0 }, 30, 30 },
		{ { 50, 0 }, { 10, 0 }, { 50, 0 }, 50, 10 },
		{ { 0, 0 }, { 10, 0 }, { 50, 0 }, 0, 60 },
		{ { 30, 40 }, { 0, 0 }, { 69, 71 }, 70, 1 },
		{ { 30, 0 }, { 10, 20 }, { 50, 40 }, 30, 40 },
		{ { 30, 0 }, { 20, 10 }, { 40, 50 }, 30, 40 },
	};

	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		ledger.repeat = 1 + i % 3;
		ledger_overlap_begin(&ledger);
		for (int k = 0; k < 2; k++)
			charge(c[i].compute[k], c[i].setup[k], c[i].wire[k]);
		same(row()->cycles, 0);
		ledger_overlap_end(&ledger);
		charged(2 * ledger.repeat, c[i].sum * ledger.repeat,
		        c[i].comm * ledger.repeat);
		charge(3, 2, 4);
		charged(ledger.repeat, 3 * ledger.repeat, 6 * ledger.repeat);
	}
}
END_TEST

/* Ways and stages of exchanges side by side: the longest, not their sum. */
START_TEST(ways_go_side_by_side)
{
	static const uint64_t hops[][2] = { { 2, 2 }, { 7, 3 }, { 3, 7 },
	                                    { 0, 5 }, { 0, 0 } };

	for (size_t i = 0; i < sizeof hops / sizeof *hops; i++) {
		uint64_t max = hops[i][hops[i][0] < hops[i][1]];

		ledger.row[0][0] = (struct charge){ 0 };
		ledger.repeat = 1 + i % 3;
		for (int twice = 0; twice < 2; twice++) {
			ledger_overlap_begin(&ledger);
			for (int k = 0; k < 2; k++)
				ledger_charge(&ledger, &(struct charge){
					.calls = 1, .words = 5,
					.word_hops = 10 * hops[i][k],
					.path_hops = hops[i][k],
					.stages = 2 * hops[i][1 - k] });
			ledger_overlap_end(&ledger);
		}
		/* One group after the other again adds up. */
		same(row()->path_hops, 2 * max * ledger.repeat);
		same(row()->stages, 4 * max * ledger.repeat);
		same(row()->calls, 4 * ledger.repeat);
		same(row()->words, 20 * ledger.repeat);
		same(row()->word_hops, 20 * (hops[i][0] + hops[i][1]) *
		                       ledger.repeat);
	}
}
END_TEST

/* n layers, all of them or the first for all. */
static void charge_layers(int n)
{
	for (int i = 0; i < n; i++) {
		if (!ledger_layer(&ledger, i, n))
			continue;
		ledger_op(&ledger, OP_QKV);
		ledger_op(&ledger, OP_NORM);
		charge(3, 1, 4);
		ledger_overlap_begin(&ledger);
		charge(3, 1, 4);
		ledger_overlap_end(&ledger);
		ledger_link(&ledger, AXIS_X, 0, 3, 5);
	}
	ledger_layers_end(&ledger);
	same(ledger.repeat, 1);
}

/* Runs of the current operator, each of which had a way to it. */
static void came(uint64_t runs)
{
	same(row()->runs, runs);
	same(row()->comm_cycles, runs * 509);
	same(row()->cycles, runs * 509);
}

/* An operator that cores are at already is not taken up again; one that they
 * come back to is, and so is the first of a phase, whichever it is. */
START_TEST(operators_have_a_way)
{
	ledger_phase(&ledger, PHASE_PREFILL);
	ledger.repeat = 3;
	for (int i = 0; i < 2; i++) {
		ledger_op(&ledger, OP_NORM);
		came(3);
	}
	ledger_op(&ledger, OP_HEAD);
	came(3);
	ledger_op(&ledger, OP_NORM);
	came(6);
	ledger_phase(&ledger, PHASE_DECODE);
	ledger_op(&ledger, OP_NORM);
	came(3);
	ledger_phase(&ledger, PHASE_PREFILL);
	ledger_op(&ledger, OP_NORM);
	came(9);
	/* The very first operator is one, too. */
	ledger_phase(&ledger, PHASE_TRANSITION);
	ledger.op = 0;
	ledger_op(&ledger, 0);
	came(3);
}
END_TEST

/* A kernel by itself has no way to it; then cores are there. */
START_TEST(kernels_have_no_way)
{
	ledger_phase(&ledger, PHASE_DECODE);
	for (int i = 1; i < 4; i++) {
		ledger_kernel(&ledger, OP_NORM);
		same(row()->runs, i);
		same(row()->cycles, 0);
	}
	ledger_op(&ledger, OP_NORM);
	same(row()->runs, 3);
	same(row()->cycles, 0);
}
END_TEST

START_TEST(layers_fold)
{
	for (int n = 1; n < 5; n++) {
		uint64_t link[4];
		struct charge whole;

		ledger.repeats_layers = false;
		ledger_phase(&ledger, PHASE_PREFILL);
		ledger_op(&ledger, OP_NORM);
		charge_layers(n);
		whole = *row();
		ledger_links(&ledger, PHASE_PREFILL, AXIS_X, 4, link);
		same(link[2], 5 * (uint64_t)n);
		same(link[3], 0);
		ledger.repeats_layers = true;
		tear_down();
		set_up();
		ledger.repeats_layers = true;
		ledger_phase(&ledger, PHASE_PREFILL);
		ledger_op(&ledger, OP_NORM);
		charge_layers(n);
		same(row()->runs, 1 + (uint64_t)n);
		same(ledger.row[PHASE_PREFILL][OP_QKV].runs, n);
		check_charge(row(), &whole);
		ledger_links(&ledger, PHASE_PREFILL, AXIS_X, 4, link);
		same(link[0], 5 * (uint64_t)n);
		same(link[3], 0);
		tear_down();
		set_up();
	}
	ledger.repeats_layers = true;
	ck_assert(ledger_layer(&ledger, 0, 7));
	same(ledger.repeat, 7);
	ck_assert(!ledger_layer(&ledger, 1, 7));
	same(ledger.repeat, 0);
}
END_TEST

/* A core holds a path once for all who use it. */
START_TEST(routes_are_shared)
{
	ledger_phase(&ledger, PHASE_PREFILL);
	ledger_op(&ledger, OP_QKV);
	ledger_route(&ledger, ROUTE_ON(RING, AXIS_X));
	ledger_route(&ledger, ROUTE_RING_X);
	ck_assert_int_eq(ledger_paths(&ledger, PHASE_PREFILL, OP_QKV), 3);
	ledger_route(&ledger, ROUTE_ON(BACK, AXIS_Y));
	ck_assert_int_eq(ledger_paths(&ledger, PHASE_PREFILL, OP_QKV), 6);
	ledger_op(&ledger, OP_NORM);
	ledger_route(&ledger, ROUTE_BACK_Y);
	ledger_route(&ledger, ROUTE_ON(CHAIN, AXIS_Y));
	ledger_route(&ledger, ROUTE_ON(ROOTS, AXIS_Y));
	ledger_route(&ledger, ROUTE_ON(CAST, AXIS_X));
	ck_assert_int_eq(ledger_paths(&ledger, PHASE_PREFILL, OP_NORM), 13);
	ck_assert_int_eq(ledger_paths(&ledger, PHASE_PREFILL, NOPS), 16);
	ck_assert_int_eq(ledger_paths(&ledger, PHASE_DECODE, NOPS), 0);
	for (int r = 0; r < NROUTES; r++)
		ledger_route(&ledger, r);
	ck_assert_int_eq(ledger_paths(&ledger, PHASE_PREFILL, NOPS), 48);
	ck_assert_int_eq(ledger_paths(&ledger, PHASE_PREFILL, OP_QKV), 6);
}
END_TEST

START_TEST(memory_has_peaks)
{
	const struct sram_peak *p = &ledger.peak[PHASE_PREFILL];

	ledger_alloc(&ledger, SRAM_WEIGHTS, 100);
	ledger_phase(&ledger, PHASE_PREFILL);
	ledger_op(&ledger, OP_NORM);
	same(p->total, 100);
	ledger_alloc(&ledger, SRAM_BUFFERS, 50);
	ledger_free(&ledger, SRAM_BUFFERS, 30);
	ledger_op(&ledger, OP_QKV);
	same(p->total, 150);
	ck_assert_int_eq(p->op, OP_NORM);
	same(p->allocated[SRAM_BUFFERS], 50);
	ledger_alloc(&ledger, SRAM_KV, 31);
	same(p->total, 151);
	ck_assert_int_eq(p->op, OP_QKV);
	same(p->allocated[SRAM_BUFFERS], 20);
	same(p->allocated[SRAM_KV], 31);
	same(p->allocated[SRAM_WEIGHTS], 100);
	same(ledger.sram[PHASE_PREFILL][OP_NORM], 150);
	same(ledger.sram[PHASE_PREFILL][OP_QKV], 151);
	/* As full again: the first time stands. */
	ledger_free(&ledger, SRAM_BUFFERS, 20);
	ledger_op(&ledger, OP_VALUES);
	ledger_alloc(&ledger, SRAM_BUFFERS, 20);
	ck_assert_int_eq(p->op, OP_QKV);
	same(ledger.sram[PHASE_PREFILL][OP_VALUES], 151);
	ledger_free(&ledger, SRAM_WEIGHTS, 100);
	ledger_phase(&ledger, PHASE_DECODE);
	ledger_op(&ledger, OP_NORM);
	same(ledger.peak[PHASE_DECODE].total, 51);
	same(ledger.sram[PHASE_DECODE][OP_NORM], 51);
	same(ledger.sram[PHASE_PREFILL][OP_NORM], 150);
	same(ledger.peak[PHASE_LOAD].total, 100);
	same(ledger.allocated[SRAM_BUFFERS], 20);
}
END_TEST

START_TEST(links_are_counted)
{
	uint64_t n[CORES];

	ledger_link(&ledger, AXIS_X, 2, 5, 10);
	ledger.repeat = 3;
	ledger_link(&ledger, AXIS_X, 4, 6, 1);
	ledger_link(&ledger, AXIS_X, 7, 7, 99);
	ledger_link(&ledger, AXIS_Y, 0, CORES - 1, 2);
	ledger.repeat = 0;
	ledger_link(&ledger, AXIS_X, 0, 9, 1);
	ledger_links(&ledger, PHASE_LOAD, AXIS_X, CORES, n);
	for (int c = 0; c < CORES; c++)
		same(n[c], (c >= 2 && c < 5 ? 10u : 0u) +
		           (c >= 4 && c < 6 ? 3u : 0u));
	ledger_links(&ledger, PHASE_LOAD, AXIS_Y, CORES, n);
	for (int c = 0; c < CORES; c++)
		same(n[c], c < CORES - 1 ? 6u : 0u);
	ledger_links(&ledger, PHASE_PREFILL, AXIS_Y, CORES, n);
	same(n[0], 0);
}
END_TEST

/* ---- what is too large ---- */

/* One counter of a charge, some times over: cycles are made from their parts.
 */
static bool overflows(size_t counter, uint64_t n, uint64_t times)
{
	struct charge c = { 0 };

	ledger.row[0][0] = c;
	ledger.overflow = false;
	ledger.repeat = times;
	((uint64_t *)&c)[counter] = n;
	ledger_charge(&ledger, &c);
	return ledger.overflow;
}

/* A counter holds LEDGER_MAX, however it gets there, and not one more. */
START_TEST(counters_have_a_most)
{
	const size_t cycles = offsetof(struct charge, cycles) / 8;
	const size_t setup = offsetof(struct charge, setup_cycles) / 8;
	const size_t relay = offsetof(struct charge, relay_cycles) / 8;
	const uint64_t max = LEDGER_MAX;

	for (size_t i = 0; i < sizeof(struct charge) / 8; i++) {
		if (i == cycles || i == setup || i == relay)
			continue;
		ck_assert(!overflows(i, max, 1));
		ck_assert(overflows(i, max + 1, 1));
		ck_assert(!overflows(i, max / 4, 4));
		ck_assert(overflows(i, max / 4 + 1, 4));
		/* In 64 bits these are 0, and 1 more than before. */
		ck_assert(overflows(i, max, 4));
		ck_assert(overflows(i, UINT64_MAX, 1));
		ck_assert(!overflows(i, max - 1, 1));
		ledger_charge(&ledger, &(struct charge){ 0 });
		ck_assert(!ledger.overflow);
		ledger_charge(&ledger, row());
		ck_assert(ledger.overflow);
	}
}
END_TEST

/* Once wrong, figures stay so: nothing that follows makes them right. */
START_TEST(overflow_stays)
{
	charge(1, 2, 3);
	ck_assert(!ledger.overflow);
	charge(LEDGER_MAX, 0, 0);
	ck_assert(ledger.overflow);
	ledger_phase(&ledger, PHASE_DECODE);
	ledger_op(&ledger, OP_NORM);
	charge(1, 2, 3);
	ck_assert(ledger.overflow);
}
END_TEST

/* Cycles in each of two parts, together too many. */
START_TEST(cycles_overflow_as_a_sum)
{
	charge(LEDGER_MAX / 2, 0, LEDGER_MAX / 2);
	ck_assert(!ledger.overflow);
	charge(1, 0, 0);
	ck_assert(ledger.overflow);
}
END_TEST

/* A cost that no ledger can hold makes it overflow, as a count does. */
START_TEST(large_costs_overflow)
{
	const uint64_t n = UINT64_C(1) << 40;
	uint64_t cost[6];

	device.hop_cycles = device.stage_cycles = 1e8;
	device.link_bytes = 1e-9;
	cost[0] = cost_wire(&ledger, n);
	cost[1] = cost_hops(&ledger, n);
	cost[2] = cost_stages(&ledger, n);
	cost[3] = cost_vector(&ledger, n, n);
	cost[4] = cost_gemm(&ledger, n, n, n);
	cost[5] = cost_gemv(&ledger, n, n);
	for (int i = 0; i < 6; i++) {
		ledger.row[0][0] = (struct charge){ 0 };
		ledger.overflow = false;
		charge(cost[i], 0, 0);
		ck_assert_msg(ledger.overflow, "cost %d: %llu", i,
		              (unsigned long long)cost[i]);
	}
	/* What fits is exact, as far as a double is. */
	device.stage_cycles = 3;
	same(cost_stages(&ledger, n), 3 * n);
}
END_TEST

/* ---- the published model of reductions ---- */

/* Luczynski et al., "Near-Optimal Wafer-Scale Reduce" (HPDC'24), for vectors
 * on a line of a wafer's cores, in cycles:
 *
 *   T = max(C, E / N + L) + (2 T_R + 1) D,   T_R = 2
 *
 * C: words that the busiest core takes in, E: hops of all words, N: links, L:
 * hops of the longest chain of messages, D: messages of the longest one. It
 * supposes a hop of a cycle, a link of a 32-bit word a cycle, and between
 * receiving and sending on two ramps and one cycle, as the device below. All
 * words are free to stream: no core keeps a message back. It was published
 * for up to 512 cores and vectors up to what a core's memory holds. */
static const struct device published = {
	.hop_cycles = 1, .stage_cycles = 5, .link_bytes = 4
};

struct model_terms {
	double c, e, n, l, d;
};

static double model_cycles(const struct model_terms *t)
{
	return fmax(t->c, t->e / t->n + t->l) + 5 * t->d;
}

/* The line while messages of one vector each go over it. */
static struct {
	int n;
	double words;
	int received[CORES], length[CORES], depth[CORES];
	struct model_terms terms;
} wires;

static void wires_start(int n, double words)
{
	memset(&wires, 0, sizeof wires);
	wires.n = n;
	wires.words = words;
	wires.terms.n = n - 1;
}

/* What from has by now, goes to another core. */
static void wires_send(int from, int to)
{
	int hops = abs(to - from);
	struct model_terms *t = &wires.terms;

	if (!hops)
		return;
	if (wires.length[from] + hops > wires.length[to])
		wires.length[to] = wires.length[from] + hops;
	if (wires.depth[from] + 1 > wires.depth[to])
		wires.depth[to] = wires.depth[from] + 1;
	wires.received[to]++;
	t->c = fmax(t->c, wires.words * wires.received[to]);
	t->e += wires.words * hops;
	t->l = fmax(t->l, wires.length[to]);
	t->d = fmax(t->d, wires.depth[to]);
}

/* Nothing goes on before all of this has ended. */
static void wires_wait(void)
{
	for (int p = 0; p < wires.n; p++) {
		wires.length[p] = wires.terms.l;
		wires.depth[p] = wires.terms.d;
	}
}

/* core[0..m) in the line's order: both sides towards number r. */
static void wires_chain(const int *core, int m, int r)
{
	for (int i = 0; i < r; i++)
		wires_send(core[i], core[i + 1]);
	for (int i = m - 1; i > r; i--)
		wires_send(core[i], core[i - 1]);
}

/* Roots of the next level: the middles of groups of core[0..m), which they
 * replace. */
static int wires_groups(int *core, int m, int groups)
{
	for (int i = 0; i < groups; i++) {
		int first = (int)((long)i * m / groups);
		int size = (int)((long)(i + 1) * m / groups) - first;

		wires_chain(core + first, size, size / 2);
		core[i] = core[first + size / 2];
	}
	return groups;
}

/* The model's cycles of an all-reduce by a tree, groups[] at every level but
 * the last, which is one group; then a multicast from the last root: one
 * message that every core takes in as it passes. waits: a level begins when
 * all of the one before has ended. */
static double model_tree(int n, int levels, const int *groups, double words,
                         bool waits)
{
	int core[CORES], m = n;
	struct model_terms cast = { .c = words, .e = words * (n - 1),
	                            .n = n - 1, .d = 1 };

	wires_start(n, words);
	for (int p = 0; p < n; p++)
		core[p] = p;
	for (int i = 0; i < levels; i++) {
		if (i && waits)
			wires_wait();
		m = wires_groups(core, m, i < levels - 1 ? groups[i] : 1);
	}
	cast.l = fmax(core[0], n - 1 - core[0]);
	return model_cycles(&wires.terms) + model_cycles(&cast);
}

static double model_allreduce(int n, int groups, double words, bool waits)
{
	return model_tree(n, 2, &groups, words, waits);
}

/* What the ledger says by one variant: one row of n cores. groups: of all
 * levels but the last, NULL: by the length. */
static double ledger_variant(const struct allreduce *variant, int n,
                             const int *groups, int words)
{
	struct grid g;
	struct line_segment all = { .last = n - 1,
	                            .wire = cost_lines(1, words) };
	double cycles;

	ledger.row[0][0] = (struct charge){ 0 };
	memset(ledger.link[0][AXIS_X], 0, CORES * sizeof **ledger.link[0]);
	grid_init(&g, 1, n, 1, 1, 0, 0, NULL, &ledger);
	g.x.allreduce = variant;
	for (int i = 0; groups && i < LINE_LEVELS_MAX - 1; i++)
		g.x.groups[i] = groups[i];
	line_allreduce(&g.x, 1, &all, LINE_ADD);
	cycles = row()->cycles;
	grid_fini(&g);
	return cycles;
}

static double ledger_allreduce(int n, int groups, int words)
{
	const int levels[LINE_LEVELS_MAX - 1] = { groups };

	ledger.device = &published;
	return ledger_variant(NULL, n, levels, words);
}

static const int lengths[] = { 2, 3, 4, 5, 7, 8, 13, 16, 31, 64, 100, 128, 255,
                               360, 512, 660, 750, 999, 1000 };
static const int vectors[] = { 1, 2, 3, 8, 17, 64, 100, 256, 1000, 1024,
                               4096 };

#define EACH(array, i) \
	for (size_t i = 0; i < sizeof array / sizeof *array; i++)

/* Within a tenth of the model, on which this returns the share off. */
static double check_model(int n, int groups, int words, bool waits)
{
	double model = model_allreduce(n, groups, words, waits);
	double ours = ledger_allreduce(n, groups, words);
	double off = fabs(ours / model - 1);

	ck_assert_msg(off <= 0.1, "%d cores, %d words, %d groups: %g cycles, "
	              "%g by the model", n, words, groups, ours, model);
	return off;
}

/* The published algorithm in two phases is modelled as one phase after the
 * other; so does the ledger count the ways and the stages of the two levels,
 * and agrees on every line. If a root may pass on before other groups are
 * done, the model's longest chain is up to a stage shorter in unequal groups:
 * that is little on lines of 16 cores and more, a fifth on 3. */
START_TEST(allreduce_agrees_with_the_model)
{
	double worst[2] = { 0, 0 };

	EACH(lengths, i)
		EACH(vectors, j) {
			int n = lengths[i], root = lround(sqrt(n));
			const int groups[] = { 1, 2, 3, root / 2, root,
			                       2 * root, n / 2, n };

			EACH(groups, k)
				for (int waits = n < 16; waits < 2; waits++) {
					int g = fmin(fmax(groups[k], 1), n);

					worst[waits] = fmax(worst[waits],
						check_model(n, g, vectors[j],
						            waits));
				}
			ck_assert(ledger_allreduce(n, 0, vectors[j]) ==
			          ledger_allreduce(n, root, vectors[j]));
		}
	printf("all-reduce: at most %.1f%% off the model, %.1f%% if roots do "
	       "not wait\n", 100 * worst[1], 100 * worst[0]);
}
END_TEST

/* One group, or as many as cores: two chains that meet in the middle, h hops
 * and messages long. E / N is the vector's words B, and the root takes in two
 * vectors: T = max(2 B, B + h) + 5 h; then B + h + 5. */
START_TEST(chains_have_the_closed_form)
{
	EACH(lengths, i)
		EACH(vectors, j) {
			int n = lengths[i], h = n / 2;
			double b = vectors[j], in = n > 2 ? 2 : 1;
			double want = fmax(in * b, b + h) + 5 * h + b + h + 5;

			ck_assert(ledger_allreduce(n, 1, b) == want);
			ck_assert(ledger_allreduce(n, n, b) == want);
			ck_assert(model_allreduce(n, 1, b, false) == want);
		}
}
END_TEST

/* From one end of P cores: B + P + 2 T_R. */
START_TEST(broadcast_has_the_closed_form)
{
	ledger.device = &published;
	EACH(lengths, i)
		EACH(vectors, j) {
			size_t words = vectors[j];
			int root = 0, n = lengths[i];
			struct line_parts parts = { 1, { 0, 1 }, &words,
			                            &root };
			struct grid g;

			grid_init(&g, 1, n, 1, 1, 0, 0, NULL, &ledger);
			line_multicast(&g.x, 0, n - 1, &parts, NULL, false);
			charged(1, 0, words + n + 4);
			grid_fini(&g);
		}
}
END_TEST

/* ---- variants of the all-reduce ---- */

START_TEST(variants_have_names)
{
	static const char *const names[] = { "pipeline", "ring", "ktree1",
	                                     "ktree", "ktree3", "ktree4",
	                                     "binary" };

	ck_assert_uint_eq(allreduce_count(), sizeof names / sizeof *names);
	EACH(names, i) {
		const struct allreduce *a = allreduce_find(names[i]);

		ck_assert_ptr_eq(a, allreduce_at(i));
		ck_assert_str_eq(a->name, names[i]);
		ck_assert(*a->help && !strchr(a->help, '\n'));
	}
	ck_assert_ptr_eq(allreduce_find("ktree2"), allreduce_find("ktree"));
	ck_assert_ptr_eq(allreduce_find("ktree"), allreduce_default());
	ck_assert_ptr_null(allreduce_find("ktree5"));
	ck_assert_ptr_null(allreduce_find("ktre"));
	ck_assert_ptr_null(allreduce_find(""));
}
END_TEST

/* What the tree of two levels cost on a row before there were others. */
START_TEST(two_levels_cost_what_they_did)
{
	static const struct {
		int n, groups, words;
		uint64_t sent, word_hops, path_hops, stages, cycles, busiest;
	} was[] = {
		{ 2, 0, 3, 6, 6, 2, 2, 59, 6 },
		{ 3, 0, 1, 3, 5, 5, 3, 78, 3 },
		{ 7, 0, 5, 35, 70, 6, 3, 114, 15 },
		{ 16, 0, 1, 16, 39, 20, 5, 165, 3 },
		{ 16, 7, 300, 4800, 11100, 16, 5, 3865, 900 },
		{ 97, 0, 40, 3880, 10840, 107, 11, 876, 120 },
		{ 360, 0, 12, 4320, 12492, 360, 19, 1676, 36 },
		{ 660, 8, 7, 4620, 13216, 742, 46, 3445, 21 },
		{ 999, 0, 1000, 999000, 2933000, 1029, 33, 14869, 3000 },
		{ 1000, 1000, 2, 2000, 3996, 1000, 501, 12153, 4 },
	};

	EACH(was, i) {
		const int groups[LINE_LEVELS_MAX - 1] = { was[i].groups };
		uint64_t link[CORES], busiest = 0;

		ledger_variant(NULL, was[i].n, groups, was[i].words);
		same(row()->words, was[i].sent);
		same(row()->word_hops, was[i].word_hops);
		same(row()->path_hops, was[i].path_hops);
		same(row()->stages, was[i].stages);
		same(row()->cycles, was[i].cycles);
		ledger_links(&ledger, 0, AXIS_X, CORES, link);
		for (int c = 0; c < CORES; c++)
			busiest = link[c] > busiest ? link[c] : busiest;
		same(busiest, was[i].busiest);
		ck_assert_int_eq(ledger_paths(&ledger, 0, NOPS), 10);
	}
}
END_TEST

/* Every word over every link is a hop, whoever sends it. */
START_TEST(links_carry_all_hops)
{
	for (size_t k = 0; k < allreduce_count(); k++)
		for (int n = 1; n <= 130; n++) {
			uint64_t link[CORES], sum = 0;

			ledger_variant(allreduce_at(k), n, NULL, 7);
			ledger_links(&ledger, 0, AXIS_X, CORES, link);
			for (int c = 0; c < CORES; c++)
				sum += link[c];
			same(sum, row()->word_hops);
			same(sum == 0, n == 1);
			same(row()->cycles == 0, n == 1);
			same(ledger.allocated[SRAM_BUFFERS], 0);
			same(ledger.sram[0][0], 8 * 7);
		}
}
END_TEST

/* Of n cores a tree of K levels leaves n to the power (K - i) / K after level
 * i, rounded: in whole numbers, (2 left - 1)^K <= 2^K n^(K - i). No more
 * than there were. */
static bool is_left(int left, int members, int n, int k, int i)
{
	double below = pow(2 * left - 1, k), above = pow(2 * left + 1, k);
	double exact = pow(2, k) * pow(n, k - i);

	return below <= exact && (exact < above || left == members);
}

static void check_levels(const struct allreduce *a, int n, const int *groups)
{
	static int core[CORES], start[CORES + 1], root[CORES];
	struct allreduce_level v = { 0, core, start, root };
	struct grid g;
	int members = n;

	grid_init(&g, 1, n, 1, 1, 0, 0, NULL, &ledger);
	memcpy(g.x.groups, groups, sizeof g.x.groups);
	for (int i = 0; i < a->levels; i++) {
		a->chains(a, &g.x, 0, n - 1, i, &v);
		ck_assert_int_eq(start[0], 0);
		ck_assert_int_eq(start[v.n], members);
		if (i == a->levels - 1)
			ck_assert_int_eq(v.n, 1);
		else if (groups[i])
			ck_assert_int_eq(v.n, groups[i] < members ? groups[i]
			                                          : members);
		else
			ck_assert(is_left(v.n, members, n, a->levels, i + 1));
		members = v.n;
	}
	grid_fini(&g);
}

START_TEST(trees_leave_roots)
{
	static const char *const trees[] = { "ktree1", "ktree2", "ktree3",
	                                     "ktree4" };

	EACH(trees, k) {
		const struct allreduce *a = allreduce_find(trees[k]);

		ck_assert_int_eq(a->levels, k + 1);
		for (int n = 1; n <= CORES; n++) {
			check_levels(a, n, (int[]){ 0, 0, 0 });
			check_levels(a, n, (int[]){ 5000, 0, 1 });
			check_levels(a, n, (int[]){ n / 2, n / 4, n / 8 });
			check_levels(a, n, (int[]){ 1, 3, 9 });
		}
	}
}
END_TEST

/* The model of a tree whose levels wait, to the rounding of a cycle: by its
 * own numbers of groups on lines of whole powers, and by some others. */
START_TEST(trees_agree_with_the_model)
{
	static const struct {
		const char *name;
		int levels, n, groups[LINE_LEVELS_MAX - 1];
		bool given;
	} tree[] = {
		{ "ktree1", 1, 731, { 0 }, false },
		{ "ktree3", 3, 8, { 4, 2 }, false },
		{ "ktree3", 3, 343, { 49, 7 }, false },
		{ "ktree3", 3, 729, { 81, 9 }, false },
		{ "ktree3", 3, 1000, { 100, 10 }, false },
		{ "ktree4", 4, 16, { 8, 4, 2 }, false },
		{ "ktree4", 4, 81, { 27, 9, 3 }, false },
		{ "ktree4", 4, 625, { 125, 25, 5 }, false },
		{ "ktree3", 3, 5, { 2, 1 }, true },
		{ "ktree3", 3, 660, { 33, 2 }, true },
		{ "ktree3", 3, 997, { 11, 10 }, true },
		{ "ktree4", 4, 720, { 91, 90, 2 }, true },
		{ "ktree4", 4, 360, { 1, 1, 1 }, true },
		{ "ktree4", 4, 7, { 7, 5, 3 }, true },
		{ "ktree2", 2, 750, { 3 }, true },
	};

	ledger.device = &published;
	EACH(tree, i)
		EACH(vectors, j) {
			const struct allreduce *a =
				allreduce_find(tree[i].name);
			double ours = ledger_variant(
				a, tree[i].n, tree[i].given ? tree[i].groups
				: NULL, vectors[j]);
			double model = model_tree(
				tree[i].n, tree[i].levels, tree[i].groups,
				vectors[j], true);

			ck_assert_msg(fabs(ours - model) < 1, "%s, %d cores, "
			              "%d words: %g, %g by the model",
			              tree[i].name, tree[i].n, vectors[j],
			              ours, model);
		}
}
END_TEST

/* K n^(1/K) / 2 stages, and one for the multicast, where all groups have an
 * odd number of cores: (n^(1/K) - 1) / 2 to either side, K times. */
START_TEST(trees_have_the_paper_s_stages)
{
	static const struct {
		const char *name;
		int levels, n, side; /* side^levels = n */
	} tree[] = {
		{ "ktree1", 1, 729, 729 }, { "ktree2", 2, 729, 27 },
		{ "ktree3", 3, 729, 9 }, { "ktree4", 4, 625, 5 },
	};

	EACH(tree, i) {
		ledger_variant(allreduce_find(tree[i].name), tree[i].n, NULL,
		               1);
		same(row()->stages, tree[i].levels * (tree[i].side - 1) / 2 +
		                    1);
	}
}
END_TEST

/* B words over n - 1 links and cores, then as far back: by the model T = B +
 * n - 1 + 5 (n - 1), and B + n - 1 + 5. */
START_TEST(pipelines_have_the_closed_form)
{
	const struct allreduce *a = allreduce_find("pipeline");

	ledger.device = &published;
	EACH(lengths, i)
		EACH(vectors, j) {
			uint64_t b = vectors[j], n = lengths[i];
			double cycles = ledger_variant(a, n, NULL, b);
			int core[CORES];

			ck_assert(cycles == 2 * b + 2 * (n - 1) + 5 * n);
			same(row()->path_hops, 2 * (n - 1));
			same(row()->stages, n);
			same(row()->words, b * n);
			same(row()->word_hops, b * 2 * (n - 1));
			wires_start(n, b);
			for (size_t p = 0; p < n; p++)
				core[p] = p;
			wires_chain(core, n, 0);
			ck_assert(model_cycles(&wires.terms) + b + n - 1 + 5 ==
			          cycles);
		}
}
END_TEST

/* B words around twice, each time to all but one core; all but one or two of
 * the ring's edges are two hops. */
START_TEST(rings_have_the_closed_form)
{
	const struct allreduce *a = allreduce_find("ring");

	ledger.device = &published;
	EACH(lengths, i)
		EACH(vectors, j) {
			uint64_t b = vectors[j], n = lengths[i];
			uint64_t around = 2 * n - 3;
			/* Ends one edge earlier: that from core 3 to 1. */
			uint64_t again = n == 2 ? 1 : n == 3 ? 3 : 2 * n - 4;
			double cycles = ledger_variant(a, n, NULL, b);

			ck_assert(cycles == 2 * b + around + again +
			                    2 * 5 * (n - 1));
			same(row()->path_hops, around + again);
			same(row()->stages, 2 * (n - 1));
			same(row()->words, b * 2 * (n - 1));
			same(row()->word_hops, b * (around + again));
		}
}
END_TEST

/* The paths that a core holds: of the pipeline, the ring, the trees, and of
 * pairs of three cores, two levels both ways and the multicast. */
START_TEST(variants_have_routes)
{
	static const int paths[] = { 6, 3, 6, 10, 14, 18, 6 };

	for (size_t k = 0; k < allreduce_count(); k++) {
		ledger_op(&ledger, k);
		ledger_variant(allreduce_at(k), 3, NULL, 1);
		ck_assert_int_eq(ledger_paths(&ledger, PHASE_LOAD, k),
		                 paths[k]);
	}
}
END_TEST

static TCase *cost_case(void)
{
	TCase *t = tcase_create("cost");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, elements_have_bytes_and_words);
	tcase_add_test(t, links_carry_words);
	tcase_add_test(t, ways_are_whole_cycles);
	tcase_add_test(t, vectors_are_cut_to_the_width);
	tcase_add_test(t, products_are_loops_of_vectors);
	tcase_add_test(t, charges_of_arithmetic);
	tcase_add_test(t, parts_are_messages_of_their_own);
	return t;
}

static TCase *ledger_case(void)
{
	TCase *t = tcase_create("ledger");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, charges_add_up);
	tcase_add_test(t, every_counter_is_added);
	tcase_add_test(t, things_done_together);
	tcase_add_test(t, ways_go_side_by_side);
	tcase_add_test(t, operators_have_a_way);
	tcase_add_test(t, kernels_have_no_way);
	tcase_add_test(t, layers_fold);
	tcase_add_test(t, routes_are_shared);
	tcase_add_test(t, memory_has_peaks);
	tcase_add_test(t, links_are_counted);
	return t;
}

static TCase *overflow_case(void)
{
	TCase *t = tcase_create("overflow");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, counters_have_a_most);
	tcase_add_test(t, overflow_stays);
	tcase_add_test(t, cycles_overflow_as_a_sum);
	tcase_add_test(t, large_costs_overflow);
	return t;
}

static TCase *model_case(void)
{
	TCase *t = tcase_create("model");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, allreduce_agrees_with_the_model);
	tcase_add_test(t, chains_have_the_closed_form);
	tcase_add_test(t, broadcast_has_the_closed_form);
	return t;
}

static TCase *variants_case(void)
{
	TCase *t = tcase_create("variants");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, variants_have_names);
	tcase_add_test(t, two_levels_cost_what_they_did);
	tcase_add_test(t, links_carry_all_hops);
	tcase_add_test(t, trees_leave_roots);
	tcase_add_test(t, trees_agree_with_the_model);
	tcase_add_test(t, trees_have_the_paper_s_stages);
	tcase_add_test(t, pipelines_have_the_closed_form);
	tcase_add_test(t, rings_have_the_closed_form);
	tcase_add_test(t, variants_have_routes);
	return t;
}

int main(void)
{
	Suite *s = suite_create("cost");

	suite_add_tcase(s, cost_case());
	suite_add_tcase(s, ledger_case());
	suite_add_tcase(s, overflow_case());
	suite_add_tcase(s, model_case());
	suite_add_tcase(s, variants_case());
	return run_suite(s);
}
