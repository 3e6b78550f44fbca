/* Accounts of other systems on the emulated wafer, as the authors of WaferLLM
 * (OSDI'25, section 7) brought them there to compare with: planners that know
 * nothing of the mesh. Dry: cycles and memory without data. Not collective.
 */
#ifndef WL_BASELINE_H
#define WL_BASELINE_H

#include <stddef.h>

#include "base/options.h"
#include "device/ledger.h"
#include "model/model.h"

struct baseline {
	const char *name, *help;
	/* Charges a whole prompt of `tokens` tokens (>= 1) to the ledger's
	 * current phase. The ledger has room for the grid's longer side.
	 * Nothing is held afterwards. */
	void (*prefill)(struct ledger *l, const struct model *m,
	                struct rxc grid, int tokens);
	/* The same for one step of decode; the cache holds `tokens` entries,
	 * the new one included. */
	void (*decode)(struct ledger *l, const struct model *m,
	               struct rxc grid, int tokens);
};

/* The baseline of that name; NULL if there is none. */
const struct baseline *baseline_find(const char *name);
/* Baseline i; NULL after the last. */
const struct baseline *baseline_at(size_t i);

#endif
