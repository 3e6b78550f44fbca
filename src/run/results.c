#include "config.h"
#include "results.h"

#include "report/summary.h"

int results_write(const struct report *r, const struct inference *w,
                  int prompt_tokens, int new_tokens, struct wl_error *err)
{
	const struct options *o = r->options;
	struct report whole = *r;
	struct account a;

	account_make(&a, w, prompt_tokens, new_tokens);
	whole.account = &a;
	/* A dry run has no other output: its summary goes to standard
	 * output. */
	if (!o->quiet)
		summary_print(&whole, r->host.dry ? options_tables(o) : stderr);
	if (o->report && report_write(&whole, o->report, err))
		return -1;
	/* With --no-account the ledger is muted and has only memory and routes:
	 * options.c refuses --report and --strict then. */
	if (o->strict && a.n_violations)
		return wl_error_set(err, "option --strict: %s",
		                    a.violation[0].text);
	return 0;
}
