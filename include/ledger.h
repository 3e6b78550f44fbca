/* The running account of what the emulated wafer did, by phase and operator.
 * It is a function of problem, core grids and device alone: every rank
 * charges for the whole wafer, so all ranks, and a dry run, hold the same
 * ledger and nothing about it is ever reduced. Emulated figures only: host
 * seconds live elsewhere. */
#ifndef WL_LEDGER_H
#define WL_LEDGER_H

#include <stdint.h>

enum phase { PHASE_LOAD, PHASE_PREFILL, PHASE_TRANSITION, PHASE_DECODE,
	     NPHASES };

enum op {
#define WL_OP(id, name) id,
#include "counters.def"
	NOPS
};

/* What one call of a move or a kernel adds. */
struct charge {
#define WL_COUNTER(field, unit, help) uint64_t field;
#include "counters.def"
};

struct ledger {
	enum phase phase;
	enum op op;
	uint64_t repeat; /* identical calls that one charge stands for */
	struct charge row[NPHASES][NOPS];
};

/* Empties the ledger; phase load, repeat 1. */
void ledger_init(struct ledger *l);
/* Names what the next charges are for. */
void ledger_phase(struct ledger *l, enum phase p);
void ledger_op(struct ledger *l, enum op op);
/* Adds c, repeat times, to the current phase and operator. */
void ledger_charge(struct ledger *l, const struct charge *c);
/* The sum over one phase's operators. */
struct charge ledger_total(const struct ledger *l, enum phase p);

const char *phase_name(enum phase p);
const char *op_name(enum op op);

#endif
