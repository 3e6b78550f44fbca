/* Reports: every field, the sums between them, the two forms against each
 * other, and paths that cannot serve. */
#include "config.h"
#include "report/report.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "host/h5file.h"
#include "made_report.h"
#include "model/checkpoint.h"
#include "suite.h"

static char dir[64];

/* A path in the scratch folder, until the next call. */
static const char *in_dir(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void no_files_left(void)
{
	ck_assert_int_eq(files_in(dir), 0);
}

/* The value at a path of keys, "a/b/c". */
static json_t *at(json_t *v, const char *path)
{
	char key[64];

	while (*path) {
		size_t n = strcspn(path, "/");

		snprintf(key, sizeof key, "%.*s", (int)n, path);
		v = json_object_get(v, key);
		ck_assert_msg(v, "no %s", key);
		path += n + (path[n] == '/');
	}
	return v;
}

static double number_at(json_t *v, const char *path)
{
	json_t *n = at(v, path);

	ck_assert_msg(json_is_number(n), "%s is no number", path);
	return json_number_value(n);
}

static const char *text_at(json_t *v, const char *path)
{
	const char *s = json_string_value(at(v, path));

	ck_assert_msg(s, "%s is no string", path);
	return s;
}

static void close_to(double a, double b)
{
	ck_assert_msg(fabs(a - b) <= 1e-12 * fabs(b), "%.17g is not %.17g", a,
	              b);
}

/* --- Fields --- */

static bool is_type(const json_t *v, char type)
{
	switch (type) {
	case 's':
		return json_is_string(v);
	case 'i':
		return json_is_integer(v);
	case 'r':
		return json_is_real(v);
	case 'b':
		return json_is_boolean(v);
	case 'o':
		return json_is_object(v);
	case 'a':
		return json_is_array(v);
	}
	return type == 'n' && json_is_null(v);
}

/* The object has these fields and no others: "key:type", each type one letter
 * as above. */
static void has(json_t *object, const char *fields)
{
	char key[64], type;
	size_t count = 0;
	int len;

	ck_assert_msg(json_is_object(object), "no object with %s", fields);
	while (sscanf(fields, " %63[^:]:%c%n", key, &type, &len) == 2) {
		json_t *v = json_object_get(object, key);

		ck_assert_msg(v, "%s is missing", key);
		ck_assert_msg(is_type(v, type), "%s is not %c", key, type);
		fields += len;
		count++;
	}
	ck_assert_msg(json_object_size(object) == count, "more than %zu fields",
	              count);
}

static const char operator_fields[] =
#define WL_COUNTER(field, unit, help) #field ":i "
#include "device/counters.def"
	"operator:s seconds:r sram_peak_bytes:i routes:i energy_j:r "
	"energy_bottom_up_j:r";

static void check_phase_fields(json_t *phase, const char *fields, bool runs)
{
	json_t *op;
	size_t i;

	has(phase, fields);
	has(at(phase, "energy"), "envelope_j:r bottom_up_j:r arithmetic_j:r "
	    "sram_j:r links_j:r static_j:r");
	ck_assert_int_eq(json_array_size(at(phase, "operators")) > 0, runs);
	json_array_foreach(at(phase, "operators"), i, op)
		has(op, operator_fields);
	if (runs)
		has(at(phase, "links"), "x:a y:a lines_x:i lines_y:i");
}

#define PHASE "cycles:i compute_cycles:i comm_cycles:i seconds:r energy_j:r " \
	"energy:o sram:o routes:i operators:a "
#define SRAM "peak_bytes:i room_bytes:i held:o "
#define HELD "embedding and head:i weights of the layers:i KV cache:i " \
	"activations:i exchange buffers:i"

START_TEST(phases_have_all_fields)
{
	make_lab("hop_cycles=2", NEW);

	json_t *root = report_tree(&lab.report), *p = at(root, "phases");

	has(p, "load:o prefill:o transition:o decode:o");
	check_phase_fields(at(p, "load"), PHASE "tokens:n tokens_per_s:n "
	                   "cores_busy:n links:n", false);
	check_phase_fields(at(p, "prefill"), PHASE "tokens:i tokens_per_s:r "
	                   "cores_busy:r links:o", true);
	check_phase_fields(at(p, "transition"), PHASE "tokens:n tokens_per_s:n "
	                   "cores_busy:n links:o", true);
	check_phase_fields(at(p, "decode"), PHASE "tokens:i tokens_per_s:r "
	                   "cores_busy:r links:o", true);
	has(at(p, "load/sram"), SRAM "region_bytes:n operator:n");
	has(at(p, "prefill/sram"), SRAM "region_bytes:i operator:s");
	has(at(p, "decode/sram"), SRAM "region_bytes:i operator:s");
	has(at(p, "decode/sram/held"), HELD);
	json_decref(root);
	free_lab();
}
END_TEST

static void check_device_fields(json_t *device)
{
	has(device, "name:s title:s numbers:o set:a");
	ck_assert_uint_eq(json_object_size(at(device, "numbers")),
	                  device_count());
	for (size_t i = 0; i < device_count(); i++) {
		const struct device_number *n = device_number(i);
		json_t *v = json_object_get(at(device, "numbers"), n->key);

		has(v, "value:r unit:s");
		ck_assert_str_eq(text_at(v, "unit"), n->unit);
		ck_assert(number_at(v, "value") ==
		          device_value(&lab.device, i));
	}
	ck_assert_str_eq(json_string_value(
		json_array_get(at(device, "set"), 0)), "hop_cycles=2");
	ck_assert_uint_eq(json_array_size(at(device, "set")), 1);
}

static void check_options(json_t *o)
{
	ck_assert(json_is_null(at(o, "model")));
	ck_assert(json_is_null(at(o, "--decode-grid")));
	ck_assert(json_is_null(at(o, "--logits")));
	ck_assert(json_is_true(at(o, "--dry-run")));
	ck_assert(json_is_false(at(o, "--strict")));
	ck_assert(json_is_integer(at(o, "-n")));
	ck_assert(number_at(o, "-n") == 4);
	ck_assert(number_at(o, "--top-p") == 0.5);
	ck_assert_str_eq(text_at(o, "--prefill-grid"), "4x4");
	ck_assert_str_eq(text_at(o, "--device"), "wse2");
	ck_assert_str_eq(text_at(o, "--set"), "hop_cycles=2");
	ck_assert_ptr_null(json_object_get(o, "--help"));
}

START_TEST(all_else_has_all_fields)
{
	make_lab("hop_cycles=2", NEW);

	json_t *root = report_tree(&lab.report);

	has(root,
	    "format:s format_version:i device:o model:o system:o "
	    "grids:o request:o phases:o seconds:r tokens_per_s_request:r energy_j:r "
	    "energy_bottom_up_j:r kv:o plmr:a violations:a auto:n host:o "
	    "options:o units:o");
	check_device_fields(at(root, "device"));
	has(at(root, "model"), "source:s dim:i hidden_dim:i n_layers:i "
	    "n_heads:i n_kv_heads:i head_dim:i vocab_size:i max_seq_len:i "
	    "tied:b qkv_bias:b parameters:i dtype:s kv_heads_full:b");
	/* Embedding; two layers of norms, q, k, v, o, gate, up, down; norm. */
	ck_assert(number_at(root, "model/parameters") == 50 * 24 + 2 *
	          (2 * 24 + 24 * (24 + 12 + 12 + 24) + 3 * 24 * 40) + 24);
	ck_assert_str_eq(text_at(root, "model/dtype"), "f16");
	has(at(root, "system"), "name:s line:b account_alone:b gemm:s "
	    "allreduce:s groups:a");
	ck_assert_str_eq(text_at(root, "system/name"), "waferllm");
	ck_assert_str_eq(text_at(root, "system/gemm"), "meshgemm");
	ck_assert_str_eq(text_at(root, "system/allreduce"), "ktree");
	has(at(root, "grids"), "prefill:o decode:o ranks:o");
	has(at(root, "grids/prefill"), "rows:i cols:i regions:i "
	    "regions_needed:i regions_held:i");
	ck_assert(number_at(root, "grids/decode/rows") == DECODE_SIDE);
	has(at(root, "grids/ranks"), "rows:i cols:i");
	ck_assert(number_at(root, "grids/ranks/cols") == 3);
	has(at(root, "request"), "prompt_tokens:i new_tokens:i context:i "
	    "dry_run:b ended_by:n");
	ck_assert(number_at(root, "request/context") == 64);
	has(at(root, "kv"), "policy:s longest_shift:i longest_concat:i");
	ck_assert_str_eq(text_at(root, "kv/policy"), "shift");
	has(at(root, "host"), "ranks:i nodes:i binding:s edges:o "
	    "seconds:r load_seconds:r "
	    "prefill_seconds:r transition_seconds:r decode_seconds:r "
	    "prefill_tokens_per_s:n decode_tokens_per_s:n "
	    "peak_memory_bytes:i profile:n versions:o");
	has(at(root, "host/edges"), "all:i between_nodes:i between_sockets:i "
	    "between_nodes_in_order:i between_sockets_in_order:i");
	has(at(root, "host/versions"), "waferllm:s mpi:s hdf5:s hwloc:s "
	    "jansson:s");
	check_options(at(root, "options"));
	json_decref(root);
	free_lab();
}
END_TEST

/* --- Figures --- */

static double sum_of(json_t *array, const char *key)
{
	double sum = 0;
	json_t *v;
	size_t i;

	json_array_foreach(array, i, v)
		sum += *key ? number_at(v, key) : json_number_value(v);
	return sum;
}

static void check_phase_sums(json_t *p, double side_x, double side_y)
{
	json_t *ops = at(p, "operators"), *x = at(p, "links/x");
	json_t *y = at(p, "links/y"), *e = at(p, "energy");

	ck_assert(number_at(p, "cycles") > 0);
	ck_assert(number_at(p, "cycles") == number_at(p, "compute_cycles") +
	          number_at(p, "comm_cycles"));
	ck_assert(number_at(p, "cycles") == sum_of(ops, "cycles"));
	ck_assert(number_at(p, "compute_cycles") ==
	          sum_of(ops, "compute_cycles"));
	ck_assert(sum_of(x, "") + sum_of(y, "") == sum_of(ops, "word_hops"));
	ck_assert(json_array_size(x) == side_x - 1);
	ck_assert(json_array_size(y) == side_y - 1);
	ck_assert(number_at(p, "links/lines_x") == side_y);
	ck_assert(number_at(p, "links/lines_y") == side_x);
	close_to(number_at(p, "seconds"), number_at(p, "cycles") / 1.1e9);
	close_to(sum_of(ops, "seconds"), number_at(p, "seconds"));
	close_to(number_at(p, "energy_j"),
	         lab.device.power * number_at(p, "seconds"));
	close_to(sum_of(ops, "energy_j"), number_at(p, "energy_j"));
	close_to(number_at(e, "envelope_j"), number_at(p, "energy_j"));
	close_to(number_at(e, "arithmetic_j") + number_at(e, "sram_j") +
	         number_at(e, "links_j") + number_at(e, "static_j"),
	         number_at(e, "bottom_up_j"));
	close_to(sum_of(ops, "energy_bottom_up_j"),
	         number_at(e, "bottom_up_j"));
}

START_TEST(sums_hold)
{
	static const char *const whole[] = { "prefill", "transition",
	                                     "decode" };
	double seconds = 0, joules = 0;

	make_lab("clock=1100", NEW);

	json_t *root = report_tree(&lab.report), *p = at(root, "phases");

	check_phase_sums(at(p, "prefill"), PREFILL_SIDE, PREFILL_SIDE);
	check_phase_sums(at(p, "transition"), PREFILL_SIDE, PREFILL_SIDE);
	check_phase_sums(at(p, "decode"), DECODE_SIDE, DECODE_SIDE);
	for (int i = 0; i < 3; i++) {
		seconds += number_at(at(p, whole[i]), "seconds");
		joules += number_at(at(p, whole[i]), "energy/bottom_up_j");
	}
	ck_assert(number_at(p, "prefill/tokens") == PROMPT);
	ck_assert(number_at(p, "decode/tokens") == NEW - 1);
	close_to(number_at(p, "decode/tokens_per_s"),
	         (NEW - 1) / number_at(p, "decode/seconds"));
	close_to(number_at(root, "seconds"), seconds);
	close_to(number_at(root, "tokens_per_s_request"), NEW / seconds);
	close_to(number_at(root, "energy_j"), lab.device.power * seconds);
	close_to(number_at(root, "energy_bottom_up_j"), joules);
	json_decref(root);
	free_lab();
}
END_TEST

/* The transition on the larger of both grids, whichever that is. */
START_TEST(transition_has_the_larger_grid)
{
	make_lab("clock=1100", NEW);
	inference_fini(&lab.inference);
	inference_init(&lab.inference, &(struct inference_setup){
		.model = &lab_model, .prefill = { 2, 2 }, .decode = { 5, 5 },
		.device = &lab.device, .type = WL_F16 });
	prefill_run(&lab.inference, NULL, PROMPT);
	transition_run(&lab.inference, PROMPT + 2);
	decode_step(&lab.inference, 0);
	account_make(&lab.account, &lab.inference, PROMPT, 2);

	json_t *root = report_tree(&lab.report);

	check_phase_sums(at(root, "phases/prefill"), 2, 2);
	check_phase_sums(at(root, "phases/transition"), 5, 5);
	check_phase_sums(at(root, "phases/decode"), 5, 5);
	json_decref(root);
	free_lab();
}
END_TEST

static void check_verdict(json_t *row, const char *letter,
                          const struct verdict *v, const char *unit)
{
	json_t *o = at(row, letter);

	if (!v->applies) {
		ck_assert(json_is_null(o));
		return;
	}
	has(o, "ok:b figure:r limit:r unit:s");
	ck_assert(json_is_true(at(o, "ok")) == v->ok);
	ck_assert(number_at(o, "figure") == v->figure);
	ck_assert(number_at(o, "limit") == v->limit);
	ck_assert_str_eq(text_at(o, "unit"), unit);
}

START_TEST(verdicts_are_the_accounts)
{
	size_t n = 0;

	make_lab("routes=5", NEW);

	json_t *root = report_tree(&lab.report), *a = at(root, "plmr");

	for (int i = 0; i < NPHASES * NOPS; i++) {
		struct verdict v[NPLMR];
		json_t *row;

		if (!account_verdict(&lab.account, i / NOPS, i % NOPS, v))
			continue;
		row = json_array_get(a, n++);
		has(row, json_is_null(at(row, "P"))
		    ? "phase:s operator:s P:n L:o M:o R:o"
		    : "phase:s operator:s P:o L:o M:o R:o");
		ck_assert_str_eq(text_at(row, "phase"), phase_name(i / NOPS));
		ck_assert_str_eq(text_at(row, "operator"), op_name(i % NOPS));
		check_verdict(row, "P", &v[PLMR_P], "fraction");
		check_verdict(row, "L", &v[PLMR_L], "cycles");
		check_verdict(row, "M", &v[PLMR_M], "bytes");
		check_verdict(row, "R", &v[PLMR_R], "routes");
	}
	ck_assert_uint_gt(n, 10);
	ck_assert_uint_eq(json_array_size(a), n);
	ck_assert_int_gt(lab.account.n_violations, 0);
	ck_assert_int_eq((int)json_array_size(at(root, "violations")),
	                 lab.account.n_violations);
	for (int i = 0; i < lab.account.n_violations; i++)
		ck_assert_str_eq(json_string_value(json_array_get(
			at(root, "violations"), i)),
			lab.account.violation[i].text);
	json_decref(root);
	free_lab();
}
END_TEST

START_TEST(what_there_was_not_is_null)
{
	make_lab("clock=1100", 1);
	lab.account.phase[PHASE_PREFILL].regions_needed = 0;
	lab.account.phase[PHASE_PREFILL].seconds = INFINITY;
	lab.account.phase[PHASE_PREFILL].energy.envelope = NAN;

	json_t *root = report_tree(&lab.report), *p = at(root, "phases");

	ck_assert(json_is_null(at(root, "kv")));
	ck_assert(json_is_null(at(root, "grids/prefill/regions_needed")));
	ck_assert(json_is_null(at(root, "grids/decode/regions_needed")));
	ck_assert(json_is_null(at(p, "prefill/seconds")));
	ck_assert(json_is_null(at(p, "prefill/energy_j")));
	ck_assert(json_is_null(at(p, "decode/tokens_per_s")));
	ck_assert(json_is_null(at(p, "decode/sram")));
	ck_assert(json_is_integer(at(p, "decode/tokens")));
	ck_assert(number_at(p, "decode/tokens") == 0);
	ck_assert_uint_eq(json_array_size(at(p, "decode/operators")), 0);
	json_decref(root);
	free_lab();
}
END_TEST

START_TEST(a_real_run_has_host_rates)
{
	const struct auto_result chosen = { 12, 2, { { "memory", 7 },
	                                             { "routes", 0 } } };

	make_lab("clock=1100", NEW);
	lab.report.host.dry = false;
	lab.report.automatic = &chosen;
	lab.report.model_source = "caf\xe9.h5";

	json_t *root = report_tree(&lab.report);

	ck_assert(json_is_false(at(root, "request/dry_run")));
	close_to(number_at(root, "host/prefill_tokens_per_s"), PROMPT / 0.5);
	close_to(number_at(root, "host/decode_tokens_per_s"), 3 / 0.75);
	ck_assert(number_at(root, "host/peak_memory_bytes") == 3 << 20);
	ck_assert(json_is_null(at(root, "host/profile")));
	ck_assert_str_eq(text_at(root, "model/source"), "caf?.h5");
	has(at(root, "auto"), "tried:i stopped:o");
	has(at(root, "auto/stopped"), "memory:i routes:i");
	ck_assert(number_at(root, "auto/stopped/memory") == 7);
	json_decref(root);
	free_lab();
}
END_TEST

/* Where the time of two ranks went: the second one's in the head. */
static const struct profile_summary *made_profile(void)
{
	static struct profile_summary s;
	static struct profile_times t[2];

	t[0].seconds[PHASE_LOAD][PROFILE_NO_OP][PROFILE_EXCHANGE] = 1;
	t[1].seconds[PHASE_DECODE][OP_HEAD][PROFILE_COMPUTE] = 3;
	t[1].seconds[PHASE_DECODE][PROFILE_NO_OP][PROFILE_WAIT] = 0.5;
	profile_sum_up(t, 2, &s);
	return &s;
}

START_TEST(a_profile_has_its_rows)
{
	json_t *root, *rows, *row;

	make_lab("clock=1100", NEW);
	lab.report.profile = made_profile();
	root = report_tree(&lab.report);
	rows = at(root, "host/profile/phases");
	ck_assert_uint_eq(json_array_size(rows), 2);
	row = json_array_get(rows, 1);
	has(row, "phase:s compute:o exchange:o wait:o all:o");
	ck_assert_str_eq(text_at(row, "phase"), "decode");
	ck_assert(number_at(row, "all/max_seconds") == 3.5);
	rows = at(root, "host/profile/operators");
	ck_assert_uint_eq(json_array_size(rows), 3);
	row = json_array_get(rows, 0);
	has(row, "phase:s operator:s compute:o exchange:o wait:o all:o");
	ck_assert_str_eq(text_at(row, "operator"), "no operator");
	ck_assert_str_eq(text_at(row, "phase"), "load");
	ck_assert(number_at(row, "exchange/max_rank") == 0);
	row = json_array_get(rows, 1);
	ck_assert_str_eq(text_at(row, "operator"), "head");
	has(at(row, "compute"), "min_seconds:r mean_seconds:r max_seconds:r "
	    "max_rank:i");
	ck_assert(number_at(row, "compute/min_seconds") == 0);
	ck_assert(number_at(row, "compute/mean_seconds") == 1.5);
	ck_assert(number_at(row, "compute/max_rank") == 1);
	ck_assert(number_at(row, "wait/max_seconds") == 0);
	at(root, "units/mean_seconds");
	json_decref(root);
	free_lab();
}
END_TEST

/* --- Files --- */

static json_t *read_json(const char *path)
{
	json_error_t why;
	json_t *v = json_load_file(path, JSON_REJECT_DUPLICATES, &why);

	ck_assert_msg(v, "%s", why.text);
	return v;
}

START_TEST(json_says_what_the_tree_says)
{
	make_lab("hop_cycles=2", NEW);

	const char *path = in_dir("a.json");
	json_t *root = report_tree(&lab.report), *read;

	ck_assert_int_eq(report_check_path(path, &err), 0);
	/* The second one replaces the first. */
	for (int i = 0; i < 2; i++) {
		ck_assert_msg(report_write(&lab.report, path, &err) == 0, "%s",
		              err.text);
		read = read_json(path);
		ck_assert(json_equal(root, read));
		json_decref(read);
		ck_assert_int_eq(files_in(dir), 1);
	}
	json_decref(root);
	unlink(path);
	free_lab();
}
END_TEST

static void same_value(struct h5file *f, const char *group, const char *key,
                       json_t *v);

static size_t objects_in(json_t *object)
{
	const char *key;
	size_t n = 0;
	json_t *v;

	json_object_foreach(object, key, v)
		n += json_is_object(v) || json_is_array(v);
	return n;
}

static void same_object(struct h5file *f, const char *path, json_t *object)
{
	const char *key;
	uint64_t n;
	json_t *v;

	ck_assert_msg(h5file_has(f, path), "no %s", path);
	ck_assert_int_eq(h5file_count(f, path, &n, &err), 0);
	ck_assert_msg(n == objects_in(object), "%s holds %d objects", path,
	              (int)n);
	json_object_foreach(object, key, v)
		same_value(f, path, key, v);
}

static void same_string(struct h5file *f, const char *group, const char *name,
                        json_t *v)
{
	char text[8192];

	ck_assert_msg(h5file_get_string(f, group, name, text, sizeof text,
	                                &err) == 0, "%s", err.text);
	ck_assert_str_eq(text, json_string_value(v));
}

/* Element i of a dataset, which is NaN where v is null. */
static void same_element(struct h5file *f, const char *path, size_t i,
                         json_t *v)
{
	struct h5_info info;
	union {
		double real;
		int64_t integer;
		uint8_t byte;
	} e;

	ck_assert_msg(h5file_info(f, path, &info, &err) == 0, "%s", err.text);
	ck_assert_int_eq(h5file_read_rows(f, path, i, 1, &e, &err), 0);
	if (info.type == H5_I64)
		ck_assert(json_is_integer(v) &&
		          e.integer == json_integer_value(v));
	else if (info.type == H5_U8)
		ck_assert(json_is_boolean(v) && e.byte == json_is_true(v));
	else if (json_is_null(v))
		ck_assert(isnan(e.real));
	else if (json_is_boolean(v))
		ck_assert(e.real == json_is_true(v));
	else
		ck_assert(json_is_real(v) && e.real == json_real_value(v));
}

/* What stands in the columns of a verdict where row i has none. */
static void no_verdict(struct h5file *f, const char *path, size_t i)
{
	char name[300], index[24], text[16];

	snprintf(name, sizeof name, "%s.figure", path);
	same_element(f, name, i, json_null());
	snprintf(name, sizeof name, "%s.ok", path);
	same_element(f, name, i, json_null());
	snprintf(name, sizeof name, "%s.unit", path);
	snprintf(index, sizeof index, "%zu", i);
	ck_assert_int_eq(h5file_get_string(f, name, index, text, sizeof text,
	                                   &err), -1);
}

/* Row i of a table, whose columns' names begin with prefix. */
static void same_row(struct h5file *f, const char *group, const char *prefix,
                     size_t i, json_t *row)
{
	char name[128], path[256], index[24];
	const char *key;
	json_t *v;

	json_object_foreach(row, key, v) {
		snprintf(name, sizeof name, "%s%s%s", prefix,
		         *prefix ? "." : "", key);
		snprintf(path, sizeof path, "%s/%s", group, name);
		snprintf(index, sizeof index, "%zu", i);
		if (json_is_object(v))
			same_row(f, group, name, i, v);
		else if (json_is_string(v))
			same_string(f, path, index, v);
		else if (!json_is_null(v))
			same_element(f, path, i, v);
		else
			no_verdict(f, path, i);
	}
}

static void same_array(struct h5file *f, const char *path, json_t *array)
{
	size_t n = json_array_size(array), i;
	struct h5_info info;
	json_t *v;

	if (n == 0) {
		ck_assert_msg(h5file_info(f, path, &info, &err) == 0, "%s",
		              err.text);
		ck_assert_uint_eq(info.cols, 0);
		return;
	}
	json_array_foreach(array, i, v) {
		char index[24];
		int64_t rows;

		snprintf(index, sizeof index, "%zu", i);
		if (json_is_string(v)) {
			same_string(f, path, index, v);
		} else if (json_is_object(v)) {
			h5file_get_int(f, path, "rows", &rows, &err);
			ck_assert_int_eq(rows, n);
			same_row(f, path, "", i, v);
		} else {
			same_element(f, path, i, v);
		}
	}
}

static void same_value(struct h5file *f, const char *group, const char *key,
                       json_t *v)
{
	char path[256];
	int64_t i = -1;
	double d = -1;

	snprintf(path, sizeof path, "%s/%s", group[1] ? group : "", key);
	if (json_is_object(v)) {
		same_object(f, path, v);
	} else if (json_is_array(v)) {
		same_array(f, path, v);
	} else if (json_is_string(v)) {
		same_string(f, group, key, v);
	} else if (json_is_real(v)) {
		ck_assert_int_eq(h5file_get_double(f, group, key, &d, &err),
		                 0);
		ck_assert(d == json_real_value(v));
	} else if (json_is_null(v)) {
		ck_assert_int_eq(h5file_get_double(f, group, key, &d, &err),
		                 -1);
		ck_assert(strstr(err.text, "is missing"));
		ck_assert(!h5file_has(f, path));
	} else {
		ck_assert_msg(h5file_get_int(f, group, key, &i, &err) == 0,
		              "%s", err.text);
		ck_assert(i == (json_is_integer(v) ? json_integer_value(v)
		                                   : json_is_true(v)));
	}
}

/* A line for each unit. */
static void same_units(struct h5file *f, json_t *units)
{
	char text[8192] = "\n", line[256];
	const char *key;
	json_t *v;

	ck_assert_int_eq(h5file_get_string(f, "/", "units", text + 1,
	                                   sizeof text - 1, &err), 0);
	json_object_foreach(units, key, v) {
		snprintf(line, sizeof line, "\n%s: %s\n", key,
		         json_string_value(v));
		ck_assert_msg(strstr(text, line), "no %s", key);
	}
	ck_assert_uint_gt(json_object_size(units), 30);
}

static void check_h5(const char *name)
{
	const char *path = in_dir(name);
	json_t *root = report_tree(&lab.report);
	struct h5file *f;

	ck_assert_int_eq(report_check_path(path, &err), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_msg(report_write(&lab.report, path, &err) == 0, "%s",
		              err.text);
	f = h5file_open(path, MPI_COMM_NULL, &err);
	ck_assert_msg(f, "%s", err.text);
	same_units(f, at(root, "units"));
	json_object_del(root, "units");
	same_object(f, "/", root);
	h5file_close(f);
	json_decref(root);
	ck_assert_int_eq(files_in(dir), 1);
	unlink(path);
}

START_TEST(h5_says_what_json_says)
{
	const struct auto_result none = { 0, 0, { { NULL, 0 } } };

	make_lab("routes=5", NEW);
	check_h5("a.h5");
	lab.report.automatic = &none; /* an object with nothing in it */
	check_h5("a.hdf5");
	lab.report.profile = made_profile();
	check_h5("a.h5");
	free_lab();
	make_lab("hop_cycles=2", 1);
	check_h5("a.h5");
	free_lab();
}
END_TEST

/* --- Paths that cannot serve --- */

static void refused(const char *path, const char *blame)
{
	int before = files_in(dir);

	for (int i = 0; i < 2; i++) {
		int rc = i == 0 ? report_check_path(path, &err)
		                : report_write(&lab.report, path, &err);

		ck_assert_msg(rc == -1, "%s passed", path);
		ck_assert_msg(strstr(err.text, "option --report: ") ==
		              err.text, "%s", err.text);
		ck_assert_msg(strstr(err.text, blame), "%s lacks %s", err.text,
		              blame);
		ck_assert_ptr_null(strchr(err.text, '\n'));
		ck_assert_int_eq(files_in(dir), before);
	}
}

START_TEST(bad_paths_are_refused)
{
	make_lab("clock=1100", NEW);
	refused("", "does not end in .json, .h5 or .hdf5");
	refused(".json", "does not end in");
	refused(in_dir("a"), "does not end in");
	refused(in_dir("a.json.txt"), "does not end in");
	refused(in_dir("a.JSON"), "does not end in");
	refused(in_dir("none/a.json"), "cannot open its folder: No such file");
	refused(in_dir("none/a.h5"), "cannot open its folder: No such file");
	refused("/dev/null/a.json", "cannot open its folder: Not a directory");
	mkdir(in_dir("a.json"), 0700);
	refused(in_dir("a.json"), "a.json: is a directory");
	rmdir(in_dir("a.json"));
	no_files_left();
	free_lab();
}
END_TEST

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

START_TEST(other_files_are_not_replaced)
{
	struct h5file *f;
	char *kept;

	make_lab("clock=1100", NEW);
	put(in_dir("a.json"), "{\"format\": \"a report\"}\n");
	refused(in_dir("a.json"), "a.json: exists and is not a report");
	kept = read_all(in_dir("a.json"));
	ck_assert_str_eq(kept, "{\"format\": \"a report\"}\n");
	free(kept);
	put(in_dir("a.json"), "{\n \"format\": \"other\", \"report\": 1}");
	refused(in_dir("a.json"), "a.json: exists and is not a report");
	put(in_dir("a.json"), "");
	ck_assert_int_eq(report_write(&lab.report, in_dir("a.json"), &err), 0);
	unlink(in_dir("a.json"));

	put(in_dir("a.h5"), "{\n \"format\": \"waferllm report\",");
	refused(in_dir("a.h5"), "a.h5: exists and is not a report");
	unlink(in_dir("a.h5"));
	f = h5file_create(in_dir("a.h5"), &checkpoint_output, &err);
	h5file_put_string(f, "/", "format", "waferllm checkpoint", &err);
	ck_assert_int_eq(h5file_commit(f, &err), 0);
	refused(in_dir("a.h5"), "a.h5: exists and is not a report");
	unlink(in_dir("a.h5"));
	no_files_left();
	free_lab();
}
END_TEST

/* A limit on the size of files stands for a disk that is full. */
static void write_within(const char *path, rlim_t bytes)
{
	struct rlimit old, low;
	int rc;

	getrlimit(RLIMIT_FSIZE, &old);
	low = old;
	low.rlim_cur = bytes;
	err.text[0] = '\0';
	setrlimit(RLIMIT_FSIZE, &low);
	rc = report_write(&lab.report, path, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	ck_assert_int_eq(rc, -1);
	ck_assert_msg(strstr(err.text, path), "%s", err.text);
	ck_assert_msg(strstr(err.text, ": cannot be written: File too large"),
	              "%s", err.text);
	ck_assert_int_eq(err.status, WL_EXIT_FAULT);
	no_files_left();
}

START_TEST(a_full_disk_leaves_nothing)
{
	static const char *const name[] = { "a.json", "a.h5" };
	struct stat st;

	make_lab("clock=1100", NEW);
	signal(SIGXFSZ, SIG_IGN);
	for (int i = 0; i < 2; i++) {
		const char *path = in_dir(name[i]);

		ck_assert_int_eq(report_write(&lab.report, path, &err), 0);
		ck_assert_int_eq(stat(path, &st), 0);
		unlink(path);
		write_within(path, 5000);
		/* Only the last of many writes fails. */
		write_within(path, st.st_size - 1);
	}
	signal(SIGXFSZ, SIG_DFL);
	free_lab();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("report");
	TCase *t = tcase_create("report");
	int status;

	if (!scratch_make(dir, "report"))
		return EXIT_FAILURE;
	tcase_add_test(t, phases_have_all_fields);
	tcase_add_test(t, all_else_has_all_fields);
	tcase_add_test(t, sums_hold);
	tcase_add_test(t, transition_has_the_larger_grid);
	tcase_add_test(t, verdicts_are_the_accounts);
	tcase_add_test(t, what_there_was_not_is_null);
	tcase_add_test(t, a_real_run_has_host_rates);
	tcase_add_test(t, a_profile_has_its_rows);
	tcase_add_test(t, json_says_what_the_tree_says);
	tcase_add_test(t, h5_says_what_json_says);
	tcase_add_test(t, bad_paths_are_refused);
	tcase_add_test(t, other_files_are_not_replaced);
	tcase_add_test(t, a_full_disk_leaves_nothing);
	suite_add_tcase(s, t);
	status = run_suite(s);
	rmdir(dir);
	return status;
}
