/* The profile as text: one table per phase, operators in order of decreasing
 * time. A cell is min/mean/max@rank over all ranks, with the lowest rank that
 * has the maximum; a plain number for a single rank; a dash for no time. */
#include "config.h"
#include "host/profile.h"

#include <stdbool.h>

#include "base/row.h"
#include "base/phase.h"

#define PREFIX "waferllm: "

/* The column of all kinds together. */
#define TOGETHER PROFILE_KINDS

/* The unit of a phase's table, in which the phase takes 1 to 1000. */
struct unit {
	const char *name;
	double per_second;
};

static struct unit unit_for(double seconds)
{
	static const struct unit units[] = {
		{ "s", 1 }, { "ms", 1e3 }, { "us", 1e6 } };
	int i = 0;

	while (i < 2 && seconds * units[i].per_second < 1)
		i++;
	return units[i];
}

/* Decimals that make three digits in all. */
static int digits(double v)
{
	return v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
}

/* Columns of a row: the name, then a cell for each kind; left-aligned. */
#define NAME_WIDTH (-15)
#define CELL_WIDTH (-19)

/* A smaller figure, in the table's unit, would print as 0.00. */
#define MIN_SHOWN 0.005

static void print_row(FILE *out, const char *name, const struct profile_row *r,
                      int ranks, const struct unit *u)
{
	struct row row = { 0 };

	row_add(&row, NAME_WIDTH, "%.14s", name);
	for (int i = 0; i < PROFILE_KINDS; i++) {
		const struct profile_figure *f = &r->column[i];
		double min = f->min * u->per_second;
		double mean = f->mean * u->per_second;
		double max = f->max * u->per_second;
		char cell[80] = "-";

		if (ranks == 1 && max >= MIN_SHOWN)
			snprintf(cell, sizeof cell, "%.*f", digits(max), max);
		else if (max >= MIN_SHOWN)
			snprintf(cell, sizeof cell, "%.*f/%.*f/%.*f@%d",
			         digits(min), min, digits(mean), mean,
			         digits(max), max, f->rank);
		row_add(&row, CELL_WIDTH, "%s", cell);
	}
	fprintf(out, PREFIX "%s\n", row.text);
}

/* The operator with the largest mean among those not in done; PROFILE_OPS:
 * there is none. */
static int next_op(const struct profile_phase *p, unsigned done)
{
	int max = PROFILE_OPS;

	for (int op = 0; op < PROFILE_OPS; op++)
		if (!(done & 1u << op) &&
		    (max == PROFILE_OPS ||
		     p->op[op].column[TOGETHER].mean >
		     p->op[max].column[TOGETHER].mean))
			max = op;
	return max;
}

/* Whether the operator takes all of the phase's time. */
static bool is_all(const struct profile_phase *p, int op)
{
	return op < PROFILE_OPS && p->op[op].column[TOGETHER].mean ==
	                           p->all.column[TOGETHER].mean;
}

static void print_phase(FILE *out, const char *name,
                        const struct profile_phase *p, int ranks)
{
	struct unit u = unit_for(p->all.column[TOGETHER].max);
	unsigned done = p->minor;
	struct row title = { 0 };

	row_add(&title, NAME_WIDTH, "%s, %s", name, u.name);
	for (int i = 0; i < PROFILE_KINDS; i++)
		row_add(&title, CELL_WIDTH, "%s", profile_column_name(i));
	fprintf(out, PREFIX "%s\n", title.text);
	/* Loading has a single operator, whose row would repeat "all". */
	if (is_all(p, next_op(p, done)))
		done = ~0u;
	for (int op; (op = next_op(p, done)) < PROFILE_OPS; done |= 1u << op)
		print_row(out, profile_op_name(op), &p->op[op], ranks, &u);
	if (p->rest.column[TOGETHER].max > 0)
		print_row(out, "other", &p->rest, ranks, &u);
	print_row(out, "all", &p->all, ranks, &u);
}

void profile_print(const struct profile_summary *s, FILE *out)
{
	fprintf(out, PREFIX "host time by operator");
	if (s->ranks > 1)
		fprintf(out, ": min/mean/max of %d ranks@rank with the maximum",
		        s->ranks);
	putc('\n', out);
	for (int p = 0; p < NPHASES; p++)
		if (s->phase[p].all.column[TOGETHER].max > 0)
			print_phase(out, phase_name(p), &s->phase[p],
			            s->ranks);
}
