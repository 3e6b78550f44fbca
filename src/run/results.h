/* The results of a run: makes the account, prints the summary and writes the
 * report. Leader only, not collective. */
#ifndef WL_RESULTS_H
#define WL_RESULTS_H

#include "report/report.h"

/* Prints the summary unless --quiet is set: on standard error, or in a dry run
 * on standard output. Then writes --report if given. r: complete but for its
 * account, which is made from w; both are borrowed. 0, or -1 and err: the
 * report could not be written, or --strict is set and the account has
 * violations. */
int results_write(const struct report *r, const struct inference *w,
                  int prompt_tokens, int new_tokens, struct wl_error *err);

#endif
