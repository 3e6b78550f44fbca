/* What the wafer is about: phases of a run, and the operators within them. */
#ifndef WL_PHASE_H
#define WL_PHASE_H

enum phase { PHASE_LOAD, PHASE_PREFILL, PHASE_TRANSITION, PHASE_DECODE,
	     NPHASES };

enum op {
#define WL_OP(id, name) id,
#include "counters.def"
	NOPS
};

#endif
