/* The report as text for people, in lines of at most 80 columns that start with
 * "waferllm: ". Leader only, not collective. */
#ifndef WL_SUMMARY_H
#define WL_SUMMARY_H

#include <stdio.h>

#include "base/wrap.h"
#include "report/report.h"

#define SUMMARY_PREFIX "waferllm: "

/* Prints what was run, its emulated time and energy, what limits it and what is
 * wrong, then the host's figures under a separate heading. In a dry run and
 * with --verbose the tables follow; last the host's profile, if there is one.
 */
void summary_print(const struct report *r, FILE *out);

/* Prints the tables only: phases, cores, operators, PLMR. */
void summary_tables(const struct report *r, FILE *out);

/* The account of one phase. */
static inline const struct phase_account *
summary_phase(const struct report *r, enum phase p)
{
	return &r->account->phase[p];
}

/* Whether the phase took any emulated time. */
static inline bool summary_has(const struct report *r, enum phase p)
{
	return summary_phase(r, p)->total.cycles > 0;
}

/* The operator with the most cycles, except those whose bits (1 << op) are set
 * in `done`. */
enum op summary_largest(const struct charge row[NOPS], unsigned done);

#endif
