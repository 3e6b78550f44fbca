/* The report of a run: options, account and host figures, as a tree of JSON
 * values and as a JSON or HDF5 file with the same content.
 *
 * The HDF5 file stores an object as a group. Strings, integers (int64), reals
 * (double) and booleans (one byte, 0 or 1) are attributes; nulls are left out.
 * An array of numbers or booleans is a dataset of one dimension, as is an empty
 * array; an array of strings is a group whose attributes are named by index. An
 * array of objects is a table: a group with the attribute "rows" and one array
 * for each key, the column; the column of a key "ok" in nested objects "P" is
 * "P.ok". Nulls are left out of a column of strings. A column of numbers or
 * booleans with nulls is stored as doubles: booleans as 0 and 1, nulls as NaN.
 * A column of nulls is left out. "units" is one attribute of the root, with a
 * line "field: unit" for each field.
 *
 * Leader only, not collective. */
#ifndef WL_REPORT_H
#define WL_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/options.h"
#include "base/output.h"
#include "host/mesh.h"
#include "host/profile.h"
#include "report/account.h"
#include "systems/system.h"

/* Figures of the host machine. */
struct host_times {
	int ranks;               /* of the job; rows x cols of them computed */
	int rank_rows, rank_cols;
	struct seating seating;
	/* Seconds of the whole run and of each phase. */
	double seconds, load, prefill, transition, decode;
	double peak_memory;      /* of the rank with the most, bytes */
	bool dry;                /* a dry run: no tokens were computed */
	const char *ended_by;    /* "length", "stop token" or a signal's name;
	                            NULL in a dry run */
};

#define REPORT_STOPS 8

/* The search of --grid auto: grids that were tried, and how many of them were
 * ruled out for each reason. */
struct auto_result {
	int tried, n_stopped;
	struct {
		const char *why;
		int count;
	} stopped[REPORT_STOPS];
};

/* All pointers are borrowed. */
struct report {
	const struct account *account;
	const struct options *options;
	const struct system *system;
	const char *model_source;            /* path, or name of a shape */
	int context;                         /* most tokens it may have */
	struct host_times host;
	const struct profile_summary *profile; /* NULL: no --profile */
	const struct auto_result *automatic; /* NULL: grids were given */
};

extern const struct output_kind report_output;

/* Checks, before the run begins, that a report can be written to path: it is
 * OPTIONS_STDOUT; or it ends in .json, .h5 or .hdf5 or is a device or pipe
 * (which gets JSON unless its name ends in .h5 or .hdf5), and output_check
 * allows it. 0, or -1 with err naming --report. */
int report_check_path(const char *path, struct wl_error *err);

/* Writes the report: to OPTIONS_STDOUT as JSON, else to a temporary file that
 * then replaces path, so that path never has part of a report. Only one
 * temporary file can exist at a time: commit or close files of h5file_create
 * first. 0, or -1 and err. */
int report_write(const struct report *r, const char *path,
                 struct wl_error *err);

/* The two steps of report_write. report_tree makes the tree; free it with
 * json_decref. report_save writes any tree whose "format" ends in "report", in
 * the form that the ending of path selects. 0, or -1 and err. */
json_t *report_tree(const struct report *r);
int report_save(json_t *tree, const char *path, struct wl_error *err);
/* report_save to an HDF5 file. */
int report_save_h5(json_t *tree, const char *path,
                   struct wl_error *err);

/* Parts that the reports of other verbs share: the device and the changes made
 * by --set (a NULL-terminated list); the options of the verb; the versions of
 * the libraries. The caller owns the trees. */
json_t *report_device(const struct device *d, const char *const *changes);
json_t *report_options(const struct options *o);
json_t *report_versions(void);
/* Put the counters, or the verdicts, into an object. */
void report_put_counters(json_t *o, const struct charge *c);
void report_put_plmr(json_t *o, const struct verdict v[NPLMR]);

/* The host's profile as a tree, which the caller owns; null if s is NULL. */
json_t *report_profile(const struct profile_summary *s);

/* Joules by the bottom-up estimate. */
static inline double report_bottom_up(const struct energy *e)
{
	return e->mac + e->sram + e->link + e->idle;
}

#endif
