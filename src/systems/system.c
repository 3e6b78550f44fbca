/* The table of systems, and the choice among them. */
#include "config.h"
#include "systems/system.h"

#include <string.h>

#include "base/names.h"

/* Systems that compute on the emulated wafer, the default first; those that
 * are accounts alone follow from the table of baselines. NULL: any product, or
 * the default all-reduce. */
static const struct system computing[] = {
	{ .name = "waferllm",
	  .help = "both dimensions of a matrix over both sides of the grid" },
	{ .name = "megatron",
	  .help = "one dimension over all cores in a line, sums on a ring",
	  .line = true, .gemm = &gemm_megatron, .allreduce = &allreduce_ring },
};

/* Row i of both tables together; false after the last. */
static bool system_at(size_t i, struct system *s)
{
	size_t n = sizeof computing / sizeof *computing;
	const struct baseline *b = i < n ? NULL : baseline_at(i - n);

	if (i < n)
		*s = computing[i];
	else if (b)
		*s = (struct system){ .name = b->name, .help = b->help,
		                      .baseline = b };
	return i < n || b;
}

const char *system_name(size_t i)
{
	struct system s;

	return system_at(i, &s) ? s.name : NULL;
}

void system_list(char *list, size_t size, bool accounts)
{
	struct system s;

	list[0] = '\0';
	for (size_t i = 0; system_at(i, &s); i++)
		if (accounts == !!s.baseline)
			names_add(list, size, ", ", s.name);
}

static int unknown(struct wl_error *err, const char *option, const char *name,
                   const char *known)
{
	return wl_error_set(err, "option %s: \"%s\" is not one of %s", option,
	                    name, known);
}

static int find(const char *name, struct system *s, struct wl_error *err)
{
	char known[256] = "";

	for (size_t i = 0; system_at(i, s); i++) {
		if (!strcmp(s->name, name))
			return 0;
		names_add(known, sizeof known, ", ", s->name);
	}
	return unknown(err, "--system", name, known);
}

static int set_gemm(const struct options *o, struct system *s,
                    struct wl_error *err)
{
	if (o->gemm && s->gemm)
		return wl_error_set(err, "options --gemm and --system %s "
		                    "exclude each other: it has products of its"
		                    " own", s->name);
	if (!s->gemm)
		s->gemm = o->gemm ? gemm_find(o->gemm) : gemm_at(0);
	if (s->gemm)
		return 0;
	char known[256] = "";

	for (size_t i = 0; i < gemm_count(); i++)
		names_add(known, sizeof known, ", ", gemm_at(i)->name);
	return unknown(err, "--gemm", o->gemm, known);
}

static int set_allreduce(const struct options *o, struct system *s,
                         struct wl_error *err)
{
	if (o->allreduce)
		s->allreduce = allreduce_find(o->allreduce);
	else if (!s->allreduce)
		s->allreduce = allreduce_default();
	if (s->allreduce)
		return 0;
	char known[256] = "";

	for (size_t i = 0; i < allreduce_count(); i++)
		names_add(known, sizeof known, ", ", allreduce_at(i)->name);
	return unknown(err, "--allreduce", o->allreduce, known);
}

/* What an account without data cannot have. */
static int check_baseline(const struct options *o, const struct system *s,
                          struct wl_error *err)
{
	const struct { const char *name; bool given; } never[] = {
		{ "--gemm", o->gemm }, { "--allreduce", o->allreduce },
		{ "--groups", o->groups[0] },
		{ "--kv concat", !strcmp(o->kv, "concat") },
		{ "--prefill-regions", o->prefill_regions > 1 },
		{ "--decode-regions", o->decode_regions > 1 },
	};

	if (!o->dry_run)
		return wl_error_set(err, "option --system: %s is an account "
		                    "without data and needs --dry-run",
		                    s->name);
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (never[i].given)
			return wl_error_set(err, "options --system %s and %s "
			                    "exclude each other", s->name,
			                    never[i].name);
	return 0;
}

int system_choose(const struct options *o, struct system *s,
                  struct wl_error *err)
{
	if (find(o->system ? o->system : computing[0].name, s, err) ||
	    (s->baseline && check_baseline(o, s, err)) ||
	    set_gemm(o, s, err) || set_allreduce(o, s, err))
		return -1;
	if (o->grid.rows == GRID_AUTO && (s->line || s->baseline))
		return wl_error_set(err, "options --system %s and --grid auto "
		                    "exclude each other", s->name);
	return 0;
}

int system_check_grid(const struct system *s, struct rxc prefill, bool warn,
                      struct wl_error *err)
{
	struct rxc cores = grid_sides(prefill, s->line);

	if (s->baseline)
		return 0;
	if (s->gemm->applies(cores, err))
		return -1;
	if (warn && !s->gemm->whole)
		gemm_warn_blocks(cores);
	return 0;
}
