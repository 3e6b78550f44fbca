#include "config.h"
#include "device/cost.h"

#include <math.h>

static uint64_t whole(double cycles)
{
	/* A larger value makes ledger_charge set overflow. */
	return cycles < LEDGER_MAX ? (uint64_t)ceil(cycles - 1e-9)
	                            : LEDGER_MAX + 1;
}

uint64_t cost_bytes(const struct ledger *l, uint64_t n)
{
	return n * wl_type_size(l->type);
}

uint64_t cost_words(const struct ledger *l, uint64_t n)
{
	return (cost_bytes(l, n) + 3) / 4;
}

struct wire_words cost_parts(const struct ledger *l, const struct partition *p,
                             uint64_t across)
{
	int units = p->n / p->unit, large = units % p->parts;
	uint64_t size = (uint64_t)(units / p->parts) * p->unit * across;
	uint64_t shorter = cost_words(l, size);
	uint64_t longer = cost_words(l, size + p->unit * across);

	return (struct wire_words){
		large * longer + (p->parts - large) * shorter,
		large ? longer : shorter };
}

uint64_t cost_wire(const struct ledger *l, uint64_t words)
{
	return whole(words * 4 / l->device->link_bytes);
}

uint64_t cost_hops(const struct ledger *l, uint64_t hops)
{
	return whole(hops * l->device->hop_cycles);
}

uint64_t cost_stages(const struct ledger *l, uint64_t stages)
{
	return whole(stages * l->device->stage_cycles);
}

uint64_t cost_relays(const struct ledger *l, uint64_t hops)
{
	uint64_t stretch = l->device->routes / 2;

	return hops ? (hops - 1) / (stretch ? stretch : 1) : 0;
}

uint64_t cost_operator_start(const struct ledger *l)
{
	return llround(l->device->operator_start);
}

uint64_t cost_exchange(const struct ledger *l)
{
	return whole(l->device->exchange_cycles);
}

uint64_t cost_relay(const struct ledger *l)
{
	return whole(l->device->relay_cycles);
}

uint64_t cost_start(const struct ledger *l)
{
	return whole(l->device->kernel_start);
}

/* Cycles of one vector instruction of n elements. */
static double instruction(const struct ledger *l, uint64_t n)
{
	double width = l->device->vector_bytes / wl_type_size(l->type);

	return l->device->vector_start + ceil(n / width);
}

uint64_t cost_vector(const struct ledger *l, uint64_t instructions,
                     uint64_t n)
{
	return n ? whole(instructions * instruction(l, n)) : 0;
}

uint64_t cost_gemm(const struct ledger *l, uint64_t m, uint64_t n, uint64_t k)
{
	if (!m || !n)
		return 0;
	return whole(k * (l->device->gemm_loop + n * instruction(l, m)));
}

uint64_t cost_gemv(const struct ledger *l, uint64_t k, uint64_t n)
{
	if (!n)
		return 0;
	return whole(k * instruction(l, n));
}

/* Bytes of SRAM traffic: an operation reads two operands and writes one. */
static uint64_t traffic(const struct ledger *l, uint64_t operations)
{
	return cost_bytes(l, 3 * operations);
}

struct charge cost_product(const struct ledger *l, uint64_t macs,
                           uint64_t busiest, uint64_t cycles)
{
	return (struct charge){ .calls = 1, .macs = macs, .busiest = busiest,
	                        .compute_cycles = cycles,
	                        .sram_bytes = traffic(l, macs) };
}

struct charge cost_elements(const struct ledger *l, uint64_t ops,
                            uint64_t rows, uint64_t n, uint64_t all)
{
	return (struct charge){ .ops = ops * all, .busiest = ops * rows * n,
	                        .compute_cycles = cost_vector(l, rows * ops,
	                                                      n),
	                        .sram_bytes = traffic(l, ops * all) };
}
