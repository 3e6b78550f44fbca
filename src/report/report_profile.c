/* The host's profile as a tree of JSON values: a row for each phase, and one
 * for each operator of it; the operators' times add up to the phase's. */
#include "config.h"
#include "report/report.h"

#include "device/ledger.h"
#include "report/json_tree.h"

static json_t *figure_of(const struct profile_figure *f)
{
	json_t *o = json_object();

	tree_put_real(o, "min_seconds", f->min);
	tree_put_real(o, "mean_seconds", f->mean);
	tree_put_real(o, "max_seconds", f->max);
	tree_put_int(o, "max_rank", f->rank);
	return o;
}

/* One row of the profile. op: NULL for the whole phase. */
static json_t *row_of(const char *phase, const char *op,
                      const struct profile_row *r)
{
	json_t *o = json_object();

	tree_put_text(o, "phase", phase);
	if (op)
		tree_put_text(o, "operator", op);
	for (int i = 0; i < PROFILE_COLUMNS; i++)
		tree_put(o, profile_column_name(i), figure_of(&r->column[i]));
	return o;
}

json_t *report_profile(const struct profile_summary *s)
{
	json_t *o, *phases, *operators;

	if (!s)
		return json_null();
	o = json_object();
	phases = json_array();
	operators = json_array();
	for (int p = 0; p < NPHASES; p++) {
		const struct profile_phase *f = &s->phase[p];

		if (f->all.column[PROFILE_KINDS].max > 0)
			tree_append(phases, row_of(phase_name(p), NULL,
			                           &f->all));
		for (int op = 0; op < PROFILE_OPS; op++)
			if (f->op[op].column[PROFILE_KINDS].max > 0)
				tree_append(operators, row_of(
					phase_name(p), profile_op_name(op),
					&f->op[op]));
	}
	tree_put(o, "phases", phases);
	tree_put(o, "operators", operators);
	return o;
}
