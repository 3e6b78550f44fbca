/* The phases of a run and the operators within them: what the ledger charges
 * and the profile times by. Not collective. */
#ifndef WL_PHASE_H
#define WL_PHASE_H

enum phase { PHASE_LOAD, PHASE_PREFILL, PHASE_TRANSITION, PHASE_DECODE,
	     NPHASES };

enum op {
#define WL_OP(id, name) id,
#include "base/operators.def"
	NOPS
};

/* Names as reports and tables have them, e.g. "prefill" and "ffn up". */
const char *phase_name(enum phase p);
const char *op_name(enum op op);

#endif
