/* Inside src/cli only: hands the names of kernels and systems, which higher
 * folders hold, down to the table of options. */
#ifndef WL_CHOICES_H
#define WL_CHOICES_H

#include "base/options.h"
#include "bench/bench.h"
#include "systems/system.h"

/* Completes the texts of the option table. To be called before any text is
 * shown. */
static inline void name_choices(void)
{
	char kernels[128], systems[128], accounts[128];

	bench_list(kernels, sizeof kernels, "|");
	system_list(systems, sizeof systems, false);
	system_list(accounts, sizeof accounts, true);
	options_name_choices(kernels, systems, accounts);
}

#endif
