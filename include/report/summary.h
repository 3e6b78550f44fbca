/* A report for people, in lines of at most 80 columns that begin with
 * "waferllm: ". On the leader only, not collective. */
#ifndef WL_SUMMARY_H
#define WL_SUMMARY_H

#include <stdio.h>

#include "base/wrap.h"
#include "report/report.h"

#define SUMMARY_PREFIX "waferllm: "

/* What was run, what it took in emulated time and energy, what limits it and
 * what is wrong; then, under a heading of their own, the host's figures. The
 * tables follow in a dry run and with --verbose, the host's profile if there
 * is one. */
void summary_print(const struct report *r, FILE *out);

/* The tables alone: phases, cores, operators, PLMR. */
void summary_tables(const struct report *r, FILE *out);

/* Whether the phase took any emulated time. */
static inline bool summary_has(const struct report *r, enum phase p)
{
	return r->account->phase[p].total.cycles > 0;
}

/* The operator with the most cycles of those whose bits (1 << op) are not in
 * `done`. */
enum op summary_largest(const struct charge row[NOPS], unsigned done);

#endif
