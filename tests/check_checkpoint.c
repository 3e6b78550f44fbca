/* Checkpoints and the HDF5 files below them: what is written comes back,
 * nothing half-written is left, and every damaged or lying file is refused
 * with one line. Serial, without MPI_Init. */
#include "config.h"
#include "checkpoint.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "convert.h"
#include "h5file.h"

static char dir[64];   /* scratch folder, made and removed by main */
static char path[128]; /* dir/model.h5 */

static const struct model shape = {
	.dim = 12,
	.hidden_dim = 14,
	.n_layers = 2,
	.n_heads = 6,
	.n_kv_heads = 2,
	.head_dim = 2,
	.vocab_size = 5,
	.max_seq_len = 32,
	.rope_theta = 12345.5,
	.rms_eps = 1e-6,
	.tied = false,
	.bos_id = 1,
	.n_stop = 2,
	.stop_id = { 2, 4 },
};

static const struct vocab words = {
	.n = 5,
	.text = "<unk><s></s>a bc",
	.offset = (uint32_t[]){ 0, 5, 8, 12, 13, 16 },
	.score = (float[]){ 0, 0, 0, -1.5f, -2 },
	.type = (uint8_t[]){ PIECE_UNKNOWN, PIECE_CONTROL, PIECE_CONTROL,
	                     PIECE_NORMAL, PIECE_NORMAL },
	.bos_id = 1,
	.eos_id = 2,
	.add_space = true,
};

/* --- Helpers --- */

static int files_in(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* One line that names the file, and the object where one is to blame. */
static void check_line(const struct wl_error *err, const char *file,
                       const char *object)
{
	ck_assert_msg(strstr(err->text, file), "\"%s\" lacks %s", err->text,
	              file);
	ck_assert_msg(strstr(err->text, object), "\"%s\" lacks %s", err->text,
	              object);
	ck_assert(!strchr(err->text, '\n'));
}

/* Element i of a tensor: exact in every type, unlike its neighbours. */
static float element(enum tensor_kind kind, int layer, size_t i)
{
	return (float)((i * 7 + kind * 13 + layer * 29) % 251) / 4 - 20;
}

static size_t elements(enum tensor_kind kind)
{
	struct tensor_shape s = tensor_shape(&shape, kind);

	return s.rows * s.cols;
}

struct writer {
	struct checkpoint *c;
	enum wl_type type;
	int left; /* tensors to write; -1: all */
};

static int write_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct writer *w = ctx;
	size_t n = elements(kind);
	float *data = wl_malloc(n, sizeof *data);
	struct wl_error err;
	int rc;

	if (w->left-- == 0) {
		free(data);
		return 1;
	}
	for (size_t i = 0; i < n; i++)
		data[i] = element(kind, layer, i);
	rc = checkpoint_write(w->c, kind, layer, data, w->type, &err);
	free(data);
	ck_assert_msg(rc == 0, "%s", err.text);
	return 0;
}

static struct checkpoint *start_writing(enum wl_type type, int tensors)
{
	struct wl_error err;
	struct writer w = { NULL, type, tensors };

	w.c = checkpoint_create(path, &shape, &words, "made by a test", &err);
	ck_assert_msg(w.c, "%s", err.text);
	model_each_tensor(&shape, write_tensor, &w);
	return w.c;
}

static void make(enum wl_type type)
{
	struct wl_error err;

	ck_assert_int_eq(checkpoint_commit(start_writing(type, -1), &err), 0);
}

static struct checkpoint *reopen(void)
{
	struct wl_error err;
	struct checkpoint *c = checkpoint_open(path, MPI_COMM_NULL, &err);

	ck_assert_msg(c, "%s", err.text);
	return c;
}

/* path must be refused for the sake of object. */
static void refused(const char *object)
{
	struct wl_error err = { "" };
	struct checkpoint *c = checkpoint_open(path, MPI_COMM_NULL, &err);

	ck_assert_ptr_null(c);
	check_line(&err, path, object);
}

static char *slurp(size_t *size)
{
	FILE *f = fopen(path, "rb");
	char *data;

	ck_assert_ptr_nonnull(f);
	fseek(f, 0, SEEK_END);
	*size = ftell(f);
	rewind(f);
	data = wl_malloc(*size, 1);
	ck_assert_uint_eq(fread(data, 1, *size, f), *size);
	fclose(f);
	return data;
}

static void spill(const char *data, size_t size)
{
	FILE *f = fopen(path, "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, size, f), size);
	fclose(f);
}

/* --- What is written comes back --- */

static int compare_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct writer *r = ctx;
	size_t n = elements(kind), size = wl_type_size(r->type);
	struct tensor_shape s = tensor_shape(&shape, kind);
	unsigned char raw[12 * 36 * 4];
	float value[12 * 36];
	struct wl_error err;

	ck_assert_uint_le(n * size, sizeof raw);
	ck_assert_int_eq(checkpoint_type(r->c, kind, layer), r->type);
	ck_assert_int_eq(checkpoint_read_rows(r->c, kind, layer, 0,
	                                      s.vector ? s.cols : s.rows, raw,
	                                      &err), 0);
	ck_assert_uint_eq(checkpoint_crc(r->c, kind, layer),
	                  crc32(0, raw, n * size));
	wl_to_f32(value, raw, r->type, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_float_eq(value[i], element(kind, layer, i));
	return 0;
}

START_TEST(tensors_come_back)
{
	for (int t = 0; t < WL_NTYPES; t++) {
		struct writer r = { NULL, t, -1 };

		make(t);
		r.c = reopen();
		ck_assert_int_eq(model_each_tensor(&shape, compare_tensor, &r),
		                 0);
		checkpoint_close(r.c);
	}
}
END_TEST

START_TEST(the_shape_comes_back)
{
	const struct model *m;
	struct checkpoint *c;

	make(WL_F32);
	c = reopen();
	m = checkpoint_model(c);
	ck_assert_int_eq(m->dim, shape.dim);
	ck_assert_int_eq(m->hidden_dim, shape.hidden_dim);
	ck_assert_int_eq(m->n_layers, shape.n_layers);
	ck_assert_int_eq(m->n_heads, shape.n_heads);
	ck_assert_int_eq(m->n_kv_heads, shape.n_kv_heads);
	ck_assert_int_eq(m->head_dim, shape.head_dim);
	ck_assert_int_eq(m->vocab_size, shape.vocab_size);
	ck_assert_int_eq(m->max_seq_len, shape.max_seq_len);
	ck_assert_double_eq(m->rope_theta, shape.rope_theta);
	ck_assert_double_eq(m->rms_eps, shape.rms_eps);
	ck_assert_int_eq(m->tied, shape.tied);
	ck_assert_int_eq(m->bos_id, shape.bos_id);
	ck_assert_int_eq(m->n_stop, 2);
	ck_assert_int_eq(m->stop_id[0], 2);
	ck_assert_int_eq(m->stop_id[1], 4);
	ck_assert_str_eq(checkpoint_path(c), path);
	ck_assert_str_eq(checkpoint_origin(c), "made by a test");
	checkpoint_close(c);
}
END_TEST

START_TEST(the_vocabulary_comes_back)
{
	struct checkpoint *c;
	struct wl_error err;
	struct vocab v;

	make(WL_F32);
	c = reopen();
	ck_assert_int_eq(checkpoint_read_vocab(c, &v, &err), 0);
	ck_assert_int_eq(v.n, words.n);
	ck_assert_mem_eq(v.text, words.text, 16);
	ck_assert_mem_eq(v.offset, words.offset, 6 * sizeof *v.offset);
	ck_assert_mem_eq(v.score, words.score, 5 * sizeof *v.score);
	ck_assert_mem_eq(v.type, words.type, 5);
	ck_assert_int_eq(v.bos_id, 1);
	ck_assert_int_eq(v.eos_id, 2);
	ck_assert(v.add_space);
	vocab_fini(&v);
	checkpoint_close(c);
}
END_TEST

START_TEST(some_rows_can_be_read)
{
	struct wl_error err = { "" };
	struct checkpoint *c;
	float row[3 * 14];

	make(WL_F32);
	c = reopen();
	ck_assert_int_eq(checkpoint_read_rows(c, T_GATE, 1, 5, 3, row, &err),
	                 0);
	for (size_t i = 0; i < 3 * 14; i++)
		ck_assert_float_eq(row[i], element(T_GATE, 1, 5 * 14 + i));
	/* A vector's rows are its elements. */
	ck_assert_int_eq(checkpoint_read_rows(c, T_NORM, 0, 7, 5, row, &err),
	                 0);
	for (size_t i = 0; i < 5; i++)
		ck_assert_float_eq(row[i], element(T_NORM, 0, 7 + i));
	ck_assert_int_eq(checkpoint_read_rows(c, T_NORM, 0, 12, 0, row, &err),
	                 0);
	ck_assert_int_eq(checkpoint_read_rows(c, T_NORM, 0, 8, 5, row, &err),
	                 -1);
	check_line(&err, path, "/weights/norm");
	ck_assert_int_eq(checkpoint_read_rows(c, T_GATE, 0, 1, (size_t)-1,
	                                      row, &err), -1);
	check_line(&err, path, "has no rows");
	ck_assert_int_eq(checkpoint_read_rows(c, T_GATE, 0, (size_t)-1, 2,
	                                      row, &err), -1);
	checkpoint_close(c);
}
END_TEST

START_TEST(same_content_same_file)
{
	size_t size_a, size_b;
	char *a, *b;

	make(WL_F16);
	a = slurp(&size_a);
	/* HDF5's time stamps are whole seconds. */
	sleep(1);
	make(WL_F16);
	b = slurp(&size_b);
	ck_assert_uint_eq(size_a, size_b);
	ck_assert_mem_eq(a, b, size_a);
	free(a);
	free(b);
}
END_TEST

START_TEST(rows_can_be_appended)
{
	struct wl_error err;
	struct h5file *f = h5file_create(path, &err);
	struct h5_info info;
	float row[3];

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < 40; i++) {
		for (int j = 0; j < 3; j++)
			row[j] = i * 3 + j;
		ck_assert_int_eq(h5file_append_row(f, "/logits", H5_F32, 3,
		                                   row, &err), 0);
	}
	ck_assert_int_eq(h5file_commit(f, &err), 0);
	f = h5file_open(path, MPI_COMM_NULL, &err);
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(h5file_info(f, "/logits", &info, &err), 0);
	ck_assert_int_eq(info.rank, 2);
	ck_assert_uint_eq(info.rows, 40);
	ck_assert_uint_eq(info.cols, 3);
	ck_assert_int_eq(info.type, H5_F32);
	for (int i = 39; i >= 0; i--) {
		ck_assert_int_eq(h5file_read_rows(f, "/logits", i, 1, row,
		                                  &err), 0);
		for (int j = 0; j < 3; j++)
			ck_assert_float_eq(row[j], i * 3 + j);
	}
	h5file_close(f);
}
END_TEST

/* --- Nothing half-written is left --- */

START_TEST(nothing_appears_before_the_commit)
{
	struct checkpoint *c;

	unlink(path);
	c = start_writing(WL_F32, -1);
	ck_assert_int_eq(access(path, F_OK), -1);
	checkpoint_close(c);
	ck_assert_int_eq(files_in(dir), 0);
}
END_TEST

START_TEST(a_missing_tensor_stops_the_commit)
{
	struct wl_error err = { "" };

	unlink(path);
	/* All but head, the last of 21. */
	ck_assert_int_eq(checkpoint_commit(start_writing(WL_F32, 20), &err),
	                 -1);
	check_line(&err, path, "/weights/head");
	ck_assert_int_eq(files_in(dir), 0);
}
END_TEST

START_TEST(an_older_file_survives_a_failure)
{
	struct wl_error err;

	make(WL_F32);
	ck_assert_int_eq(checkpoint_commit(start_writing(WL_F16, 3), &err), -1);
	ck_assert_int_eq(files_in(dir), 1);
	checkpoint_close(reopen());
}
END_TEST

START_TEST(bad_destinations_are_refused)
{
	struct wl_error err = { "" };
	char bad[256];

	snprintf(bad, sizeof bad, "%s/none/x.h5", dir);
	ck_assert_ptr_null(checkpoint_create(bad, &shape, &words, "", &err));
	check_line(&err, bad, "No such file");
	ck_assert_ptr_null(checkpoint_create(dir, &shape, &words, "", &err));
	check_line(&err, dir, "is a directory");
	make(WL_F32);
	snprintf(bad, sizeof bad, "%s/x.h5", path);
	ck_assert_ptr_null(checkpoint_create(bad, &shape, &words, "", &err));
	check_line(&err, bad, "Not a directory");
	ck_assert_int_eq(files_in(dir), 1);
}
END_TEST

/* Writes tensors until one does not fit. */
static int write_some(struct wl_error *err)
{
	static const enum tensor_kind kind[] = { T_GATE, T_UP, T_DOWN };
	const float data[12 * 14] = { 0 };
	struct checkpoint *c;
	int rc = 0;

	c = checkpoint_create(path, &shape, &words, "", err);
	if (!c)
		return -1;
	for (int i = 0; i < 6 && rc == 0; i++)
		rc = checkpoint_write(c, kind[i / 2], i % 2, data, WL_F32, err);
	checkpoint_close(c);
	return rc;
}

/* The limit on a file's size stands for the disk's. HDF5's own clean-up at
 * exit would crash after this. */
START_TEST(a_full_disk_is_noticed)
{
	struct wl_error err = { "" };
	struct rlimit old, small;
	int rc;

	unlink(path);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 8192;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	rc = write_some(&err);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	ck_assert_int_eq(rc, -1);
	check_line(&err, path, "disk full?");
	ck_assert_int_eq(files_in(dir), 0);
}
END_TEST

START_TEST(the_tokenizer_must_fit)
{
	struct wl_error err = { "" };
	struct vocab v = words;

	unlink(path);
	v.n = 4;
	ck_assert_ptr_null(checkpoint_create(path, &shape, &v, "", &err));
	check_line(&err, path, "tokenizer");
	ck_assert_int_eq(files_in(dir), 0);
}
END_TEST

/* --- Damaged files --- */

START_TEST(no_file_no_hdf5)
{
	unlink(path);
	refused("No such file");
	spill("", 0);
	refused("not an HDF5 file");
	spill("this is no HDF5 file, though it is a file", 41);
	refused("not an HDF5 file");
	unlink(path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	refused("is a directory");
	rmdir(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	refused("not a regular file");
	unlink(path);
}
END_TEST

START_TEST(cut_files_are_refused_at_any_length)
{
	size_t size;
	char *data;

	make(WL_F32);
	data = slurp(&size);
	for (size_t cut = 0; cut < size; cut += cut < 3000 ? 13 : 97) {
		spill(data, cut);
		refused("HDF5 file");
	}
	for (size_t cut = size - 16; cut < size; cut++) {
		spill(data, cut);
		refused("HDF5 file");
	}
	spill(data, size);
	checkpoint_close(reopen());
	free(data);
}
END_TEST

START_TEST(no_descriptor_is_left_open)
{
	int before;

	make(WL_F32);
	checkpoint_close(reopen());
	before = files_in("/proc/self/fd");
	checkpoint_close(reopen());
	no_file_no_hdf5_fn(_i);
	bad_destinations_are_refused_fn(_i);
	ck_assert_int_eq(files_in("/proc/self/fd"), before);
}
END_TEST

/* --- Lies: whole files made by hand, one thing wrong in each --- */

/* What to say instead of the truth about the object or attribute "name". */
struct lie {
	const char *name;
	enum { LEAVE_OUT, INT, REAL, TEXT, SHAPE } how;
	long long i;      /* INT: value; SHAPE: rows to add */
	double d;
	const char *text;
	const char *blame; /* in the message */
};

static bool lies_about(const struct lie *lie, const char *name)
{
	return lie && strcmp(lie->name, name) == 0;
}

static void forge_int(struct h5file *f, const char *object, const char *name,
                      int64_t v, const struct lie *lie)
{
	struct wl_error err;

	if (lies_about(lie, name)) {
		if (lie->how == LEAVE_OUT)
			return;
		if (lie->how == TEXT) {
			h5file_put_string(f, object, name, lie->text, &err);
			return;
		}
		v = lie->i;
	}
	ck_assert_int_eq(h5file_put_int(f, object, name, v, &err), 0);
}

static void forge_real(struct h5file *f, const char *object, const char *name,
                       double v, const struct lie *lie)
{
	struct wl_error err;

	if (lies_about(lie, name)) {
		if (lie->how == LEAVE_OUT)
			return;
		if (lie->how == INT) {
			h5file_put_int(f, object, name, lie->i, &err);
			return;
		}
		v = lie->d;
	}
	ck_assert_int_eq(h5file_put_double(f, object, name, v, &err), 0);
}

static void forge_text(struct h5file *f, const char *object, const char *name,
                       const char *v, const struct lie *lie)
{
	struct wl_error err;

	if (lies_about(lie, name)) {
		if (lie->how == LEAVE_OUT)
			return;
		if (lie->how == INT) {
			h5file_put_int(f, object, name, lie->i, &err);
			return;
		}
		v = lie->text;
	}
	ck_assert_int_eq(h5file_put_string(f, object, name, v, &err), 0);
}

/* All arrays share one block of zeroes, unless data is given. */
static void forge_set(struct h5file *f, const char *name, struct h5_info info,
                      const void *data, const struct lie *lie)
{
	static const char zero[16384];
	struct wl_error err;

	if (lies_about(lie, name)) {
		if (lie->how == LEAVE_OUT)
			return;
		if (lie->how == INT)
			info.type = lie->i;
		else if (info.rank == 1)
			info.cols += lie->i;
		else
			info.rows += lie->i;
		data = NULL;
	}
	ck_assert_int_eq(h5file_write(f, name, &info, data ? data : zero, &err),
	                 0);
}

struct forgery {
	struct h5file *f;
	const struct lie *lie;
};

static int forge_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct forgery *g = ctx;
	struct tensor_shape s = tensor_shape(&shape, kind);
	struct lie here;
	char name[64] = "/weights/";

	tensor_name(kind, layer, name + 9, sizeof name - 9);
	forge_set(g->f, name, (struct h5_info){ s.vector ? 1 : 2, s.rows,
	                                        s.cols, H5_F32 },
	          NULL, g->lie);
	if (!h5file_has(g->f, name))
		return 0;
	/* "NAME:type" is the attribute of one tensor. */
	if (g->lie && strncmp(g->lie->name, name, strlen(name)) == 0 &&
	    g->lie->name[strlen(name)] == ':') {
		here = *g->lie;
		here.name += strlen(name) + 1;
		forge_text(g->f, name, "type", "f32", &here);
		forge_int(g->f, name, "crc32", 0, &here);
		return 0;
	}
	forge_text(g->f, name, "type", "f32", NULL);
	forge_int(g->f, name, "crc32", 0, NULL);
	return 0;
}

static void forge_model(struct h5file *f, const struct lie *lie)
{
	forge_int(f, "/model", "dim", shape.dim, lie);
	forge_int(f, "/model", "hidden_dim", shape.hidden_dim, lie);
	forge_int(f, "/model", "n_layers", shape.n_layers, lie);
	forge_int(f, "/model", "n_heads", shape.n_heads, lie);
	forge_int(f, "/model", "n_kv_heads", shape.n_kv_heads, lie);
	forge_int(f, "/model", "head_dim", shape.head_dim, lie);
	forge_int(f, "/model", "vocab_size", shape.vocab_size, lie);
	forge_int(f, "/model", "max_seq_len", shape.max_seq_len, lie);
	forge_int(f, "/model", "bos_id", shape.bos_id, lie);
	forge_int(f, "/model", "tied", shape.tied, lie);
	forge_real(f, "/model", "rope_theta", shape.rope_theta, lie);
	forge_real(f, "/model", "rms_eps", shape.rms_eps, lie);
	forge_text(f, "/model", "channel_order", "kv_head,channel,query_head",
	           lie);
	forge_text(f, "/model", "rope_pairs", "adjacent", lie);
	forge_set(f, "/model/stop_ids", (struct h5_info){ 1, 1, 2, H5_I32 },
	          shape.stop_id, lie);
}

static void forge_vocab(struct h5file *f, const struct lie *lie)
{
	forge_text(f, "/tokenizer", "kind", "spm", lie);
	forge_int(f, "/tokenizer", "bos_id", 1, NULL);
	forge_int(f, "/tokenizer", "eos_id", 2, lie);
	forge_int(f, "/tokenizer", "add_space", 1, lie);
	forge_set(f, "/tokenizer/text", (struct h5_info){ 1, 1, 16, H5_U8 },
	          words.text, lie);
	forge_set(f, "/tokenizer/offset", (struct h5_info){ 1, 1, 6, H5_U32 },
	          words.offset, lie);
	forge_set(f, "/tokenizer/score", (struct h5_info){ 1, 1, 5, H5_F32 },
	          words.score, lie);
	forge_set(f, "/tokenizer/type", (struct h5_info){ 1, 1, 5, H5_U8 },
	          words.type, lie);
}

static void forge(const struct lie *lie)
{
	struct wl_error err;
	struct h5file *f = h5file_create(path, &err);

	ck_assert_ptr_nonnull(f);
	forge_text(f, "/", "format", "waferllm checkpoint", lie);
	forge_int(f, "/", "format_version", 1, lie);
	forge_text(f, "/", "origin", "forged", lie);
	forge_model(f, lie);
	forge_vocab(f, lie);
	model_each_tensor(&shape, forge_tensor, &(struct forgery){ f, lie });
	ck_assert_int_eq(h5file_commit(f, &err), 0);
}

START_TEST(the_truth_is_accepted)
{
	struct checkpoint *c;
	struct wl_error err;
	struct vocab v;

	forge(NULL);
	c = reopen();
	ck_assert_int_eq(checkpoint_read_vocab(c, &v, &err), 0);
	vocab_fini(&v);
	checkpoint_close(c);
}
END_TEST

START_TEST(lies_are_refused)
{
	static const struct lie lies[] = {
		{ .name = "format", .how = LEAVE_OUT, .blame = "format" },
		{ .name = "format", .how = TEXT, .text = "other",
		  .blame = "other" },
		{ .name = "format", .how = INT, .i = 1, .blame = "format" },
		{ .name = "format_version", .how = LEAVE_OUT,
		  .blame = "format_version" },
		{ .name = "format_version", .how = INT, .i = 2, .blame = "2" },
		{ .name = "format_version", .how = TEXT, .text = "1",
		  .blame = "format_version" },
		{ .name = "origin", .how = LEAVE_OUT, .blame = "origin" },
		{ .name = "dim", .how = INT, .i = 11, .blame = "embedding" },
		{ .name = "dim", .how = INT, .i = 0, .blame = "dim" },
		{ .name = "dim", .how = INT, .i = 1LL << 32, .blame = "dim" },
		{ .name = "dim", .how = INT, .i = INT64_MIN, .blame = "dim" },
		{ .name = "dim", .how = TEXT, .text = "12", .blame = "dim" },
		{ .name = "dim", .how = LEAVE_OUT, .blame = "dim" },
		{ .name = "n_layers", .how = INT, .i = 3,
		  .blame = "layers.2.attention_norm" },
		{ .name = "n_layers", .how = INT, .i = 4096,
		  .blame = "layers.2.attention_norm" },
		{ .name = "n_heads", .how = INT, .i = 4,
		  .blame = "layers.0.wq" },
		{ .name = "n_kv_heads", .how = INT, .i = 3,
		  .blame = "layers.0.wk" },
		{ .name = "n_kv_heads", .how = INT, .i = 0,
		  .blame = "n_kv_heads" },
		{ .name = "head_dim", .how = INT, .i = 3, .blame = "head_dim" },
		{ .name = "vocab_size", .how = INT, .i = 1 << 22,
		  .blame = "embedding" },
		{ .name = "bos_id", .how = INT, .i = 5, .blame = "bos_id" },
		{ .name = "tied", .how = INT, .i = 2, .blame = "tied" },
		{ .name = "rope_theta", .how = REAL, .d = -1,
		  .blame = "rope_theta" },
		{ .name = "rope_theta", .how = INT, .i = 10000,
		  .blame = "rope_theta" },
		{ .name = "rms_eps", .how = LEAVE_OUT, .blame = "rms_eps" },
		{ .name = "channel_order", .how = TEXT, .text = "q,c",
		  .blame = "q,c" },
		{ .name = "rope_pairs", .how = TEXT, .text = "halves",
		  .blame = "halves" },
		{ .name = "/model/stop_ids", .how = SHAPE, .i = 7,
		  .blame = "stop_ids" },
		{ .name = "/model/stop_ids", .how = INT, .i = H5_U32,
		  .blame = "stop_ids" },
		{ .name = "/model/stop_ids", .how = LEAVE_OUT,
		  .blame = "stop_ids" },
		{ .name = "/weights/embedding", .how = LEAVE_OUT,
		  .blame = "embedding" },
		{ .name = "/weights/head", .how = LEAVE_OUT,
		  .blame = "head" },
		{ .name = "/weights/layers.1.down", .how = SHAPE, .i = 1,
		  .blame = "layers.1.down" },
		{ .name = "/weights/layers.1.ffn_norm", .how = SHAPE, .i = -1,
		  .blame = "layers.1.ffn_norm" },
		{ .name = "/weights/layers.1.wo", .how = INT, .i = H5_F16,
		  .blame = "layers.1.wo" },
		{ .name = "/weights/norm:type", .how = TEXT, .text = "q4_0",
		  .blame = "q4_0" },
		{ .name = "/weights/norm:type", .how = TEXT, .text = "f16",
		  .blame = "norm" },
		{ .name = "/weights/norm:type", .how = LEAVE_OUT,
		  .blame = "type" },
		{ .name = "/weights/norm:crc32", .how = LEAVE_OUT,
		  .blame = "crc32" },
		{ .name = "/weights/norm:crc32", .how = INT, .i = -1,
		  .blame = "crc32" },
		{ .name = "/weights/norm:crc32", .how = INT, .i = 1LL << 32,
		  .blame = "crc32" },
	};

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		forge(&lies[i]);
		refused(lies[i].blame);
	}
}
END_TEST

START_TEST(lies_about_the_tokenizer_are_refused)
{
	static const struct lie lies[] = {
		{ .name = "kind", .how = TEXT, .text = "gpt2",
		  .blame = "gpt2" },
		{ .name = "kind", .how = LEAVE_OUT, .blame = "kind" },
		{ .name = "eos_id", .how = INT, .i = 5, .blame = "eos_id" },
		{ .name = "add_space", .how = INT, .i = 7,
		  .blame = "add_space" },
		{ .name = "/tokenizer/text", .how = SHAPE, .i = -1,
		  .blame = "offset" },
		{ .name = "/tokenizer/text", .how = INT, .i = H5_U32,
		  .blame = "text" },
		{ .name = "/tokenizer/text", .how = LEAVE_OUT,
		  .blame = "text" },
		{ .name = "/tokenizer/offset", .how = SHAPE, .i = 1,
		  .blame = "offset" },
		{ .name = "/tokenizer/offset", .how = SHAPE, .i = 0,
		  .blame = "offset" }, /* all zero */
		{ .name = "/tokenizer/score", .how = SHAPE, .i = -1,
		  .blame = "score" },
		{ .name = "/tokenizer/type", .how = INT, .i = H5_I32,
		  .blame = "type" },
	};

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct wl_error err = { "" };
		struct checkpoint *c;
		struct vocab v;

		forge(&lies[i]);
		c = reopen();
		ck_assert_int_eq(checkpoint_read_vocab(c, &v, &err), -1);
		check_line(&err, path, lies[i].blame);
		ck_assert_ptr_null(v.text);
		checkpoint_close(c);
	}
}
END_TEST

static void add_tests(Suite *s)
{
	TCase *t = tcase_create("checkpoint");

	tcase_add_test(t, tensors_come_back);
	tcase_add_test(t, the_shape_comes_back);
	tcase_add_test(t, the_vocabulary_comes_back);
	tcase_add_test(t, some_rows_can_be_read);
	tcase_add_test(t, same_content_same_file);
	tcase_add_test(t, rows_can_be_appended);
	tcase_add_test(t, nothing_appears_before_the_commit);
	tcase_add_test(t, a_missing_tensor_stops_the_commit);
	tcase_add_test(t, an_older_file_survives_a_failure);
	tcase_add_test(t, bad_destinations_are_refused);
	tcase_add_test(t, a_full_disk_is_noticed);
	tcase_add_test(t, the_tokenizer_must_fit);
	tcase_add_test(t, no_file_no_hdf5);
	tcase_add_test(t, cut_files_are_refused_at_any_length);
	tcase_add_test(t, no_descriptor_is_left_open);
	tcase_add_test(t, the_truth_is_accepted);
	tcase_add_test(t, lies_are_refused);
	tcase_add_test(t, lies_about_the_tokenizer_are_refused);
	suite_add_tcase(s, t);
}

int main(void)
{
	const char *tmp = getenv("TMPDIR");
	Suite *s = suite_create("checkpoint");
	SRunner *sr;
	int failed;

	snprintf(dir, sizeof dir, "%.40s/check_checkpointXXXXXX",
	         tmp ? tmp : "/tmp");
	if (!mkdtemp(dir)) {
		perror(dir);
		return EXIT_FAILURE;
	}
	snprintf(path, sizeof path, "%s/model.h5", dir);
	add_tests(s);
	sr = srunner_create(s);
	srunner_set_fork_status(sr, CK_NOFORK);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	unlink(path);
	rmdir(dir);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
