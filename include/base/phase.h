/* The phases of a run and the operators within them, by which the ledger
 * records charges and the profile records time. Not collective. */
#ifndef WL_PHASE_H
#define WL_PHASE_H

enum phase { PHASE_LOAD, PHASE_PREFILL, PHASE_TRANSITION, PHASE_DECODE,
	     NPHASES };

enum op {
#define WL_OP(id, name) id,
#include "base/operators.def"
	NOPS
};

/* Names in reports and tables, such as "prefill" and "ffn up"; static
 * storage. */
const char *phase_name(enum phase p);
const char *op_name(enum op op);

#endif
