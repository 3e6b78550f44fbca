/* The report of a run: its account, what was asked for, and what the host
 * took, as a tree of JSON values and as a file of two forms with the same
 * content.
 *
 * In an HDF5 file objects are groups; strings, integers (int64), reals
 * (double) and booleans (one byte, 0 or 1) are attributes, and what is null is
 * absent. An array of numbers or booleans is a dataset of one dimension, as is
 * an empty array; an array of strings a group whose attributes are named by
 * index. An array of objects is a group with the attribute "rows" and one array
 * for each key (column), "P.ok" for the key ok of objects under the key P. In a
 * column of strings null is absent. A column of numbers or booleans with a null
 * in it is one of doubles, booleans as 0 and 1, in which null is NaN. A
 * column of nulls is absent. "units" is one attribute of the root, a line
 * "field: unit" for each field.
 *
 * On the leader only, not collective. */
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

/* What the host took for it. */
struct host_times {
	int ranks;               /* all, of which rows x cols took part */
	int rank_rows, rank_cols;
	struct seating seating;
	/* Seconds in all and of each phase. */
	double seconds, load, prefill, transition, decode;
	double peak_memory;      /* bytes, of the largest rank */
	bool dry;                /* no tokens were computed */
	const char *ended_by;    /* "length", "stop token", or a signal's name;
	                            NULL where dry */
};

#define REPORT_STOPS 8

/* How --grid auto came to its choice. */
struct auto_result {
	int tried, n_stopped;
	struct {
		const char *why;
		int count;
	} stopped[REPORT_STOPS];
};

/* All is borrowed. */
struct report {
	const struct account *account;
	const struct options *options;
	const struct system *system;
	const char *model_source;            /* path, or name of a shape */
	int context;                         /* tokens it may have had */
	struct host_times host;
	const struct profile_summary *profile; /* NULL: none was made */
	const struct auto_result *automatic; /* NULL: grids were named */
};

extern const struct output_kind report_output;

/* Whether a report can be written to path: it is OPTIONS_STDOUT; or ends in
 * .json, .h5 or .hdf5, or is a device or pipe, which gets JSON if its name
 * does not say otherwise; and output_check allows it. To be called before the run begins. 0, or -1 and err,
 * which names --report. */
int report_check_path(const char *path, struct wl_error *err);

/* Writes the report, to OPTIONS_STDOUT as JSON, else through a temporary file,
 * so that path holds all of it or what it held before. No file of
 * h5file_create may be open: there is one temporary file at a time. 0, or -1
 * and err. */
int report_write(const struct report *r, const char *path,
                 struct wl_error *err);

/* The parts of it. The report as a tree, which the caller frees; and a tree
 * to a file, by the ending of its name: any whose "format" has the word
 * report in it. */
json_t *report_tree(const struct report *r);
int report_save(json_t *tree, const char *path, struct wl_error *err);
/* The HDF5 form alone. */
int report_save_h5(json_t *tree, const char *path,
                   struct wl_error *err);

/* Pieces that other reports share: a device and what was changed of it (NULL
 * ends the list), the options of the verb, the libraries; counters and
 * verdicts, put into an object. */
json_t *report_device(const struct device *d, const char *const *changes);
json_t *report_options(const struct options *o);
json_t *report_versions(void);
void report_put_counters(json_t *o, const struct charge *c);
void report_put_plmr(json_t *o, const struct verdict v[NPLMR]);

/* Where the host's time went; NULL: null. */
json_t *report_profile(const struct profile_summary *s);

/* Joules by the device's constants, without the envelope. */
static inline double report_bottom_up(const struct energy *e)
{
	return e->mac + e->sram + e->link + e->idle;
}

#endif
