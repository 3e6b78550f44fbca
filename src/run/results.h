/* What comes at the end of a run: the account as a summary, on standard error
 * or, of a dry run, on standard output, and as a report. The leader only, not
 * collective. */
#ifndef WL_RESULTS_H
#define WL_RESULTS_H

#include "report/report.h"

/* Prints the summary unless --quiet, writes --report if given; with --strict
 * violations are an error, after that. r: all but its account, which is made
 * here. 0, or -1 and err. */
int results_write(const struct report *r, const struct inference *w,
                    int prompt_tokens, int new_tokens, struct wl_error *err);

#endif
