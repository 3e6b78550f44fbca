/* Checkpoints and the HDF5 files below them: what is written comes back,
 * nothing half-written is left, and every damaged or lying file is refused
 * with one line. Serial, without MPI_Init. */
#include "config.h"
#include "model/checkpoint.h"

#include <check.h>
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "files.h"
#include "host/h5file.h"
#include "run/info.h"
#include "simd/convert.h"
#include "suite.h"

static char dir[64];   /* scratch folder, made and removed by main */
static char path[128]; /* dir/model.h5 */

static bool always(const char *name)
{
	(void)name;
	return true;
}

/* Replaces whatever an earlier test left. */
static const struct output_kind anything = {
	.noun = "file", .recognize = always };

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
	.qkv_bias = true,
	.rope_scaled = true,
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

static const struct vocab joined = {
	.n = 5,
	.text = "<s>ababbab",
	.offset = (uint32_t[]){ 0, 3, 4, 5, 7, 10 },
	.score = (float[]){ 0, 0, 0, 0, 0 },
	.type = (uint8_t[]){ PIECE_CONTROL, PIECE_NORMAL, PIECE_NORMAL,
	                     PIECE_NORMAL, PIECE_NORMAL },
	.kind = VOCAB_BPE,
	.split = WORDS_QWEN2,
	.n_merges = 2,
	.merge = (uint32_t[]){ 1, 2, 2, 3 },
	.whole_words = true,
	.nfc = true,
	.space_rule = SPACE_FIRST,
	.bos_id = -1,
	.eos_id = 0,
};

/* --- Helpers --- */

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
	float data[12 * 14];
	unsigned char raw[sizeof data];
	struct wl_error err;

	if (w->left-- == 0)
		return 1;
	ck_assert_uint_le(n, sizeof data / sizeof *data);
	for (size_t i = 0; i < n; i++)
		data[i] = element(kind, layer, i);
	wl_from_f32(raw, data, w->type, n);
	ck_assert_msg(checkpoint_write(w->c, kind, layer, raw, w->type,
	                               &err) == 0, "%s", err.text);
	return 0;
}

static struct checkpoint *start_with(const struct vocab *v, enum wl_type type,
                                     int tensors)
{
	struct wl_error err;
	struct writer w = { NULL, type, tensors };

	w.c = checkpoint_create(path, &shape, v, "made by a test", &err);
	ck_assert_msg(w.c, "%s", err.text);
	model_each_tensor(&shape, write_tensor, &w);
	return w.c;
}

static struct checkpoint *start_writing(enum wl_type type, int tensors)
{
	return start_with(&words, type, tensors);
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
	struct wl_error err = { .text = "" };
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
	ck_assert(m->qkv_bias && m->rope_scaled);
	ck_assert_int_eq(m->bos_id, shape.bos_id);
	ck_assert_int_eq(m->n_stop, 2);
	ck_assert_int_eq(m->stop_id[0], 2);
	ck_assert_int_eq(m->stop_id[1], 4);
	ck_assert(model_same(m, &shape));
	ck_assert_int_eq(checkpoint_version(c), 2);
	ck_assert_str_eq(checkpoint_path(c), path);
	ck_assert_str_eq(checkpoint_origin(c), "made by a test");
	checkpoint_close(c);
}
END_TEST

/* Any model can be of these kinds. */
START_TEST(flags_come_back_each_by_itself)
{
	for (int i = 0; i < 8; i++) {
		struct model m = shape;
		struct wl_error err;
		struct checkpoint *c;
		struct writer w = { NULL, WL_BF16, -1 };

		m.tied = i & 1;
		m.qkv_bias = i & 2;
		m.rope_scaled = i & 4;
		w.c = checkpoint_create(path, &m, &words, "", &err);
		ck_assert_ptr_nonnull(w.c);
		ck_assert_int_eq(model_each_tensor(&m, write_tensor, &w), 0);
		ck_assert_int_eq(checkpoint_commit(w.c, &err), 0);
		c = reopen();
		ck_assert(model_same(checkpoint_model(c), &m));
		checkpoint_close(c);
	}
}
END_TEST

/* v, written and read again, is the same. */
static void check_vocab(const struct vocab *v)
{
	struct checkpoint *c = start_with(v, WL_F32, -1);
	struct vocab got;
	struct wl_error err;

	ck_assert_int_eq(checkpoint_commit(c, &err), 0);
	c = reopen();
	ck_assert_msg(checkpoint_read_vocab(c, &got, &err) == 0, "%s",
	              err.text);
	ck_assert_int_eq(got.n, v->n);
	ck_assert_mem_eq(got.offset, v->offset, 6 * sizeof *v->offset);
	ck_assert_mem_eq(got.text, v->text, v->offset[5]);
	ck_assert_mem_eq(got.score, v->score, 5 * sizeof *v->score);
	ck_assert_mem_eq(got.type, v->type, 5);
	ck_assert(!got.match == !v->match);
	if (v->match)
		ck_assert_mem_eq(got.match, v->match, 5);
	ck_assert_int_eq(got.kind, v->kind);
	ck_assert_int_eq(got.split, v->split);
	ck_assert_uint_eq(got.n_merges, v->n_merges);
	if (v->n_merges > 0)
		ck_assert_mem_eq(got.merge, v->merge,
		                 v->n_merges * 2 * sizeof *v->merge);
	ck_assert_int_eq(got.whole_words, v->whole_words);
	ck_assert_int_eq(got.nfc, v->nfc);
	ck_assert_int_eq(got.space_rule, v->space_rule);
	ck_assert_int_eq(got.add_space, v->add_space);
	ck_assert_int_eq(got.bos_id, v->bos_id);
	ck_assert_int_eq(got.eos_id, v->eos_id);
	vocab_fini(&got);
	checkpoint_close(c);
}

START_TEST(vocabularies_come_back)
{
	struct vocab v = joined;

	check_vocab(&words);
	check_vocab(&joined);
	for (int split = 0; split < WORDS_NKINDS; split++) {
		v.split = split;
		v.whole_words = split & 1;
		v.nfc = split & 2;
		v.space_rule = split % SPACE_NRULES;
		v.add_space = split == 0;
		check_vocab(&v);
	}
	v.n_merges = 0;
	v.merge = NULL;
	check_vocab(&v);
	v = words;
	v.match = (uint8_t[]){ 0, MATCH_LSTRIP, MATCH_ALL, 0, 0 };
	check_vocab(&v);
}
END_TEST

/* What info says of the file at path holds the lines. */
static void check_info(const char *const *line, int n)
{
	struct wl_error err;
	char text[16384];
	FILE *out = tmpfile();
	size_t size;

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(info_print(path, out, &err), 0);
	rewind(out);
	size = fread(text, 1, sizeof text - 1, out);
	text[size] = '\0';
	fclose(out);
	for (int i = 0; i < n; i++)
		ck_assert_msg(strstr(text, line[i]), "%s lacks %s", text,
		              line[i]);
}

START_TEST(info_shows_it_all)
{
	static const char *const of_words[] = {
		"\nformat         waferllm checkpoint, version 2\n",
		"\nhead_dim       2\n", "\nqkv_bias       yes\n",
		"\nrope_scaled    yes\n", "\nlayers.1.bv ",
		"\nrope_factors ", "space put in front\n",
		"\nencoding       spm\n",
	};
	static const char *const of_joined[] = {
		"tokenizer      5 pieces, 10 bytes of text, bos -1, eos 0\n"
		"encoding       bpe, 2 merges, words: qwen2, whole words first,"
		" NFC\n",
	};
	struct wl_error err;

	make(WL_F32);
	check_info(of_words, sizeof of_words / sizeof *of_words);
	ck_assert_int_eq(checkpoint_commit(start_with(&joined, WL_F32, -1),
	                                   &err), 0);
	check_info(of_joined, 1);
}
END_TEST

START_TEST(some_rows_can_be_read)
{
	struct wl_error err = { .text = "" };
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
	struct h5file *f = h5file_create(path, &anything, &err);
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
	struct wl_error err = { .text = "" };

	unlink(path);
	/* All but head, the last of 28. */
	ck_assert_int_eq(checkpoint_commit(start_writing(WL_F32, 27), &err),
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
	struct wl_error err = { .text = "" };
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

/* The limit on a file's size stands for the disk's. */
START_TEST(a_full_disk_is_noticed)
{
	struct wl_error err = { .text = "" };
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
	check_line(&err, path, ": cannot be written: File too large");
	ck_assert_int_eq(err.status, WL_EXIT_FAULT);
	ck_assert_int_eq(files_in(dir), 0);
}
END_TEST

START_TEST(the_tokenizer_must_fit)
{
	struct wl_error err = { .text = "" };
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
	refused("is an empty directory");
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

/* The whole file: of version 1 or 2, true but for the lie (NULL: true). */
struct forgery {
	int version;
	const struct model *model;
	const struct vocab *vocab;
	const struct lie *lie;
	struct h5file *f;
};

static int forge_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct forgery *g = ctx;
	struct tensor_shape s = tensor_shape(g->model, kind);
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

/* With its checksum, which the lie "NAME:crc32" is about. */
static void forge_set_1d(const struct forgery *g, const char *name,
                         enum h5_type type, size_t n, size_t size,
                         const void *data)
{
	struct lie here = { .name = "" };
	size_t len = strlen(name);

	forge_set(g->f, name, (struct h5_info){ 1, 1, n, type }, data, g->lie);
	if (g->version == 1 || !h5file_has(g->f, name))
		return;
	if (g->lie && strncmp(g->lie->name, name, len) == 0 &&
	    g->lie->name[len] == ':') {
		here = *g->lie;
		here.name += len + 1;
	}
	forge_int(g->f, name, "crc32", crc32_z(0, data, n * size), &here);
}

static void forge_model(const struct forgery *g)
{
	const struct model *m = g->model;
	const struct lie *lie = g->lie;
	struct h5file *f = g->f;

	forge_int(f, "/model", "dim", m->dim, lie);
	forge_int(f, "/model", "hidden_dim", m->hidden_dim, lie);
	forge_int(f, "/model", "n_layers", m->n_layers, lie);
	forge_int(f, "/model", "n_heads", m->n_heads, lie);
	forge_int(f, "/model", "n_kv_heads", m->n_kv_heads, lie);
	forge_int(f, "/model", "head_dim", m->head_dim, lie);
	forge_int(f, "/model", "vocab_size", m->vocab_size, lie);
	forge_int(f, "/model", "max_seq_len", m->max_seq_len, lie);
	forge_int(f, "/model", "bos_id", m->bos_id, lie);
	forge_int(f, "/model", "tied", m->tied, lie);
	if (g->version > 1) {
		forge_int(f, "/model", "qkv_bias", m->qkv_bias, lie);
		forge_int(f, "/model", "rope_scaled", m->rope_scaled, lie);
	}
	forge_real(f, "/model", "rope_theta", m->rope_theta, lie);
	forge_real(f, "/model", "rms_eps", m->rms_eps, lie);
	forge_text(f, "/model", "channel_order", "kv_head,channel,query_head",
	           lie);
	forge_text(f, "/model", "rope_pairs", "adjacent", lie);
	forge_set_1d(g, "/model/stop_ids", H5_I32, 2, 4, m->stop_id);
}

static void forge_vocab(const struct forgery *g)
{
	const struct vocab *v = g->vocab;
	const struct lie *lie = g->lie;
	struct h5file *f = g->f;

	forge_text(f, "/tokenizer", "kind", v->kind == VOCAB_BPE ? "bpe"
	                                                         : "spm", lie);
	forge_int(f, "/tokenizer", "bos_id", v->bos_id, NULL);
	forge_int(f, "/tokenizer", "eos_id", v->eos_id, lie);
	forge_int(f, "/tokenizer", "add_space", v->add_space, lie);
	forge_set_1d(g, "/tokenizer/text", H5_U8, v->offset[5], 1, v->text);
	forge_set_1d(g, "/tokenizer/offset", H5_U32, 6, 4, v->offset);
	forge_set_1d(g, "/tokenizer/type", H5_U8, 5, 1, v->type);
	if (v->kind == VOCAB_SPM) {
		forge_set_1d(g, "/tokenizer/score", H5_F32, 5, 4, v->score);
		return;
	}
	forge_text(f, "/tokenizer", "split", "qwen2", lie);
	forge_int(f, "/tokenizer", "whole_words", v->whole_words, lie);
	forge_int(f, "/tokenizer", "nfc", v->nfc, lie);
	forge_int(f, "/tokenizer", "space_once", v->space_rule, lie);
	forge_set_1d(g, "/tokenizer/merges", H5_U32, 2 * v->n_merges, 4,
	             v->merge);
}

static void forge(int version, const struct model *m, const struct vocab *v,
                  const struct lie *lie)
{
	struct wl_error err;
	struct forgery g = { version, m, v, lie,
		             h5file_create(path, &anything, &err) };

	ck_assert_ptr_nonnull(g.f);
	forge_text(g.f, "/", "format", "waferllm checkpoint", g.lie);
	forge_int(g.f, "/", "format_version", g.version, g.lie);
	forge_text(g.f, "/", "origin", "forged", g.lie);
	forge_model(&g);
	forge_vocab(&g);
	model_each_tensor(g.model, forge_tensor, &g);
	ck_assert_int_eq(h5file_commit(g.f, &err), 0);
}

/* A file with these offsets into the text of words. */
static void forge_offsets(const struct vocab *v)
{
	const struct lie none = { .name = "/tokenizer/offset",
	                          .how = LEAVE_OUT };
	struct wl_error err;
	struct forgery g = { 2, &shape, &words, &none,
	                     h5file_create(path, &anything, &err) };

	ck_assert_ptr_nonnull(g.f);
	forge_text(g.f, "/", "format", "waferllm checkpoint", NULL);
	forge_int(g.f, "/", "format_version", 2, NULL);
	forge_text(g.f, "/", "origin", "forged", NULL);
	forge_model(&g);
	forge_vocab(&g);
	g.lie = NULL;
	forge_set_1d(&g, "/tokenizer/offset", H5_U32, 6, 4, v->offset);
	model_each_tensor(g.model, forge_tensor, &g);
	ck_assert_int_eq(h5file_commit(g.f, &err), 0);
}

/* The shape and the tokenizer of what is at path. */
static struct model accepted(struct vocab *v)
{
	struct checkpoint *c = reopen();
	struct model m = *checkpoint_model(c);
	struct wl_error err;

	ck_assert_msg(checkpoint_read_vocab(c, v, &err) == 0, "%s", err.text);
	checkpoint_close(c);
	return m;
}

/* The file opens, but its tokenizer is refused for the sake of object. */
static void vocab_refused(const char *object)
{
	struct wl_error err = { .text = "" };
	struct checkpoint *c = reopen();
	struct vocab v;

	ck_assert_int_eq(checkpoint_read_vocab(c, &v, &err), -1);
	check_line(&err, path, object);
	ck_assert_ptr_null(v.text);
	checkpoint_close(c);
}

START_TEST(the_truth_is_accepted)
{
	const struct vocab *const vocabs[] = { &words, &joined };
	struct vocab v;

	for (int i = 0; i < 2; i++) {
		struct model m;

		forge(2, &shape, vocabs[i], NULL);
		m = accepted(&v);
		ck_assert(model_same(&m, &shape));
		ck_assert_int_eq(v.kind, vocabs[i]->kind);
		ck_assert_int_eq(v.split, vocabs[i]->split);
		vocab_fini(&v);
	}
}
END_TEST

/* The shape as a file of version 1 can tell it. */
static struct model old_shape(void)
{
	struct model m = shape;

	m.qkv_bias = m.rope_scaled = false;
	return m;
}

START_TEST(version_1_is_read)
{
	const struct lie bpe = { .name = "kind", .how = TEXT, .text = "bpe" };
	struct model old = old_shape(), m;
	struct checkpoint *c;
	struct vocab v;

	forge(1, &old, &words, NULL);
	m = accepted(&v);
	ck_assert(model_same(&m, &old));
	ck_assert_int_eq(v.kind, VOCAB_SPM);
	ck_assert_int_eq(v.split, WORDS_NONE);
	ck_assert(!v.whole_words && !v.nfc && v.n_merges == 0);
	ck_assert_mem_eq(v.score, words.score, 5 * sizeof *v.score);
	vocab_fini(&v);
	c = reopen();
	ck_assert_int_eq(checkpoint_version(c), 1);
	checkpoint_close(c);
	/* It knew nothing else. */
	forge(1, &old, &words, &bpe);
	vocab_refused("bpe");
}
END_TEST

/* The default model was written before there was a version 2. */
START_TEST(the_default_model_is_read)
{
	const char *name = WL_SRC_DATADIR "/default.h5";
	struct wl_error err = { .text = "" };
	struct checkpoint *c = checkpoint_open(name, MPI_COMM_NULL, &err);
	struct vocab v;

	ck_assert_msg(c, "%s", err.text);
	ck_assert_int_eq(checkpoint_version(c), 1);
	ck_assert_int_eq(checkpoint_model(c)->dim, 144);
	ck_assert_int_eq(checkpoint_model(c)->head_dim, 24);
	ck_assert(!checkpoint_model(c)->qkv_bias);
	ck_assert(!checkpoint_model(c)->rope_scaled);
	ck_assert_int_eq(checkpoint_read_vocab(c, &v, &err), 0);
	ck_assert_int_eq(v.n, 1536);
	ck_assert_int_eq(v.kind, VOCAB_SPM);
	ck_assert(v.score[1535] < 0);
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
		{ .name = "format_version", .how = INT, .i = 3,
		  .blame = "format_version is 3" },
		{ .name = "format_version", .how = INT, .i = 0,
		  .blame = "format_version is 0" },
		{ .name = "format_version", .how = INT, .i = (1LL << 32) + 2,
		  .blame = "format_version is 4294967298" },
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
		{ .name = "qkv_bias", .how = LEAVE_OUT, .blame = "qkv_bias" },
		{ .name = "qkv_bias", .how = INT, .i = 2, .blame = "qkv_bias" },
		{ .name = "qkv_bias", .how = TEXT, .text = "1",
		  .blame = "qkv_bias" },
		{ .name = "rope_scaled", .how = LEAVE_OUT,
		  .blame = "rope_scaled" },
		{ .name = "rope_scaled", .how = INT, .i = -1,
		  .blame = "rope_scaled" },
		{ .name = "rope_scaled", .how = TEXT, .text = "llama3",
		  .blame = "rope_scaled" },
		{ .name = "/weights/rope_factors", .how = LEAVE_OUT,
		  .blame = "rope_factors" },
		{ .name = "/weights/rope_factors", .how = SHAPE, .i = 1,
		  .blame = "rope_factors" },
		{ .name = "/weights/layers.0.bq", .how = LEAVE_OUT,
		  .blame = "layers.0.bq" },
		{ .name = "/weights/layers.1.bk", .how = SHAPE, .i = -1,
		  .blame = "layers.1.bk" },
		{ .name = "/weights/layers.1.bv", .how = INT, .i = H5_BF16,
		  .blame = "layers.1.bv" },
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
		forge(2, &shape, &words, &lies[i]);
		refused(lies[i].blame);
	}
}
END_TEST

/* What a shape promises must be there. */
START_TEST(a_flag_without_its_tensors_is_refused)
{
	const struct lie bias = { .name = "qkv_bias", .how = INT, .i = 1 };
	const struct lie scaled = { .name = "rope_scaled", .how = INT, .i = 1 };
	struct model m = old_shape();

	forge(2, &m, &words, &bias);
	refused("/weights/layers.0.bq");
	forge(2, &m, &words, &scaled);
	refused("/weights/rope_factors");
}
END_TEST

START_TEST(tensors_left_over_are_refused)
{
	const struct lie fewer = { .name = "n_layers", .how = INT, .i = 1 };
	const struct lie unbiased = { .name = "qkv_bias", .how = INT, .i = 0 };

	forge(2, &shape, &words, &fewer);
	refused("/weights has");
	forge(2, &shape, &words, &unbiased);
	refused("/weights has");
}
END_TEST

/* Links from tensors of `layers` layers to those of the first one. */
static void link_layers(int layers)
{
	hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);

	for (int i = 1; i < layers; i++)
		for (int k = T_ATTN_NORM; k < T_NORM; k++) {
			char from[64] = "/weights/", to[64] = "/weights/";

			tensor_name(k, 0, from + 9, sizeof from - 9);
			tensor_name(k, i, to + 9, sizeof to - 9);
			if (i >= shape.n_layers)
				ck_assert(H5Lcreate_hard(f, from, f, to,
				          H5P_DEFAULT, H5P_DEFAULT) >= 0);
		}
	ck_assert(H5Fclose(f) >= 0);
}

/* Each is in the file, but they are the same bytes. */
START_TEST(shared_bytes_are_refused)
{
	const struct lie more = { .name = "n_layers", .how = INT, .i = 2000 };

	forge(2, &shape, &words, &more);
	link_layers(2000);
	refused("more bytes than the file");
}
END_TEST

/* Into another file, or to a pipe that would never open. */
START_TEST(links_are_not_followed)
{
	char fifo[256];
	hid_t f;

	snprintf(fifo, sizeof fifo, "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	for (int soft = 0; soft < 2; soft++) {
		forge(2, &shape, &words, NULL);
		f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
		ck_assert(H5Ldelete(f, "/weights/norm", H5P_DEFAULT) >= 0);
		if (soft)
			H5Lcreate_soft("/weights/layers.0.ffn_norm", f,
			               "/weights/norm", H5P_DEFAULT,
			               H5P_DEFAULT);
		else
			H5Lcreate_external(fifo, "/x", f, "/weights/norm",
			                   H5P_DEFAULT, H5P_DEFAULT);
		ck_assert(H5Fclose(f) >= 0);
		refused("/weights/norm");
	}
	unlink(fifo);
}
END_TEST

/* Arrays that are whole, but do not fit each other. */
START_TEST(wrong_offsets_are_refused)
{
	static uint32_t offset[][6] = {
		{ 0, 5, 8, 12, 13, 15 }, { 0, 5, 8, 12, 13, 17 },
		{ 0, 8, 5, 12, 13, 16 }, { 1, 5, 8, 12, 13, 16 },
	};

	for (size_t i = 0; i < sizeof offset / sizeof *offset; i++) {
		struct vocab v = words;

		/* The text keeps its length. */
		v.offset = offset[i];
		forge_offsets(&v);
		vocab_refused("offset does not rise");
	}
}
END_TEST

START_TEST(damaged_arrays_are_refused)
{
	static const char *const array[] = {
		"/tokenizer/text", "/tokenizer/offset", "/tokenizer/type",
		"/tokenizer/merges",
	};
	struct lie lie = { .how = INT, .i = 1 };
	char name[64];

	for (size_t i = 0; i < sizeof array / sizeof *array; i++) {
		snprintf(name, sizeof name, "%s:crc32", array[i]);
		lie.name = name;
		forge(2, &shape, &joined, &lie);
		vocab_refused(array[i]);
	}
	lie.name = "/tokenizer/score:crc32";
	forge(2, &shape, &words, &lie);
	vocab_refused("/tokenizer/score");
	lie.name = "/model/stop_ids:crc32";
	forge(2, &shape, &words, &lie);
	refused("/model/stop_ids");
	lie.how = LEAVE_OUT;
	forge(2, &shape, &words, &lie);
	refused("/model/stop_ids");
}
END_TEST

START_TEST(other_files_are_not_replaced)
{
	struct wl_error err = { .text = "" };
	FILE *f = fopen(path, "w");

	fputs("somebody's only copy\n", f);
	fclose(f);
	ck_assert_ptr_null(h5file_create(path, &checkpoint_output, &err));
	check_line(&err, path, "not replaced");
	ck_assert_int_eq(truncate(path, 0), 0);
	forge(2, &shape, &words, NULL);
	forge(2, &shape, &words, NULL);
}
END_TEST

START_TEST(lies_about_the_tokenizer_are_refused)
{
	static const struct lie lies[] = {
		{ .name = "kind", .how = TEXT, .text = "gpt2",
		  .blame = "gpt2" },
		{ .name = "kind", .how = LEAVE_OUT, .blame = "kind" },
		{ .name = "kind", .how = INT, .i = 1, .blame = "kind" },
		{ .name = "eos_id", .how = INT, .i = 5, .blame = "eos_id" },
		{ .name = "add_space", .how = INT, .i = 7,
		  .blame = "add_space" },
		{ .name = "/tokenizer/text", .how = SHAPE, .i = -1,
		  .blame = "/tokenizer/text" },
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
		{ .name = "/tokenizer/score", .how = LEAVE_OUT,
		  .blame = "score" },
		{ .name = "/tokenizer/type", .how = INT, .i = H5_I32,
		  .blame = "type" },
	};

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		forge(2, &shape, &words, &lies[i]);
		vocab_refused(lies[i].blame);
	}
}
END_TEST

START_TEST(lies_about_merges_are_refused)
{
	static const struct lie lies[] = {
		{ .name = "kind", .how = TEXT, .text = "unigram",
		  .blame = "unigram" },
		{ .name = "kind", .how = TEXT, .text = "spm",
		  .blame = "score" },
		{ .name = "split", .how = LEAVE_OUT, .blame = "split" },
		{ .name = "split", .how = INT, .i = 1, .blame = "split" },
		{ .name = "split", .how = TEXT, .text = "cl100k",
		  .blame = "cl100k" },
		{ .name = "whole_words", .how = LEAVE_OUT,
		  .blame = "whole_words" },
		{ .name = "whole_words", .how = INT, .i = 2,
		  .blame = "whole_words" },
		{ .name = "nfc", .how = LEAVE_OUT, .blame = "nfc" },
		{ .name = "nfc", .how = INT, .i = -1, .blame = "nfc" },
		{ .name = "nfc", .how = TEXT, .text = "1", .blame = "nfc" },
		{ .name = "space_once", .how = LEAVE_OUT,
		  .blame = "space_once" },
		{ .name = "space_once", .how = INT, .i = 3,
		  .blame = "space_once" },
		{ .name = "/tokenizer/merges", .how = LEAVE_OUT,
		  .blame = "/tokenizer/merges" },
		{ .name = "/tokenizer/merges", .how = SHAPE, .i = -1,
		  .blame = "/tokenizer/merges" },
		{ .name = "/tokenizer/merges", .how = SHAPE, .i = 1,
		  .blame = "/tokenizer/merges" },
		{ .name = "/tokenizer/merges", .how = INT, .i = H5_I32,
		  .blame = "/tokenizer/merges" },
	};

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		forge(2, &shape, &joined, &lies[i]);
		vocab_refused(lies[i].blame);
	}
}
END_TEST

/* Of whatever bytes the file has there. */
static void add_crc(hid_t set, hid_t type, size_t n)
{
	unsigned char data[64];
	hid_t one = H5Screate(H5S_SCALAR), a;
	int64_t crc;

	ck_assert_int_ge(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
	                         data), 0);
	crc = crc32_z(0, data, n * H5Tget_size(type));
	a = H5Acreate2(set, "crc32", H5T_STD_I64LE, one, H5P_DEFAULT,
	               H5P_DEFAULT);
	ck_assert_int_ge(H5Awrite(a, H5T_NATIVE_INT64, &crc), 0);
	H5Aclose(a);
	H5Sclose(one);
}

/* Puts an array of rank dimensions in the place of another, with
 * or without the elements that it promises. */
static void promise(const char *name, hid_t type, int rank, const hsize_t *dim,
                    bool keep)
{
	hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE);
	hid_t f, space, set;

	f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
	ck_assert_int_ge(f, 0);
	ck_assert_int_ge(H5Ldelete(f, name, H5P_DEFAULT), 0);
	space = H5Screate_simple(rank, dim, NULL);
	if (keep)
		H5Pset_alloc_time(dcpl, H5D_ALLOC_TIME_EARLY);
	set = H5Dcreate2(f, name, type, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
	ck_assert_int_ge(set, 0);
	if (keep)
		add_crc(set, type, dim[0] * (rank > 1 ? dim[1] : 1));
	H5Dclose(set);
	H5Sclose(space);
	H5Pclose(dcpl);
	ck_assert_int_ge(H5Fclose(f), 0);
}

START_TEST(empty_promises_are_refused)
{
	static const hsize_t sizes[] = { 2, 1ull << 34, 1ull << 59 };

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		forge(2, &shape, &joined, NULL);
		promise("/tokenizer/merges", H5T_STD_U32LE, 1, &sizes[i],
		        false);
		vocab_refused("/tokenizer/merges");
		forge(2, &shape, &joined, NULL);
		promise("/tokenizer/text", H5T_STD_U8LE, 1, &sizes[i], false);
		vocab_refused("/tokenizer/text");
	}
}
END_TEST

START_TEST(merges_are_a_list)
{
	static const hsize_t dim[2] = { 2, 2 };
	struct vocab v;

	forge(2, &shape, &joined, NULL);
	promise("/tokenizer/merges", H5T_STD_U32LE, 1, dim, true);
	accepted(&v);
	ck_assert_uint_eq(v.n_merges, 1);
	vocab_fini(&v);
	forge(2, &shape, &joined, NULL);
	promise("/tokenizer/merges", H5T_STD_U32LE, 2, dim, true);
	vocab_refused("/tokenizer/merges");
}
END_TEST

static void add_tests(Suite *s)
{
	TCase *t = tcase_create("checkpoint");

	tcase_add_test(t, tensors_come_back);
	tcase_add_test(t, the_shape_comes_back);
	tcase_add_test(t, flags_come_back_each_by_itself);
	tcase_add_test(t, vocabularies_come_back);
	tcase_add_test(t, info_shows_it_all);
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
	tcase_add_test(t, version_1_is_read);
	tcase_add_test(t, the_default_model_is_read);
	tcase_add_test(t, lies_are_refused);
	tcase_add_test(t, a_flag_without_its_tensors_is_refused);
	tcase_add_test(t, tensors_left_over_are_refused);
	tcase_add_test(t, shared_bytes_are_refused);
	tcase_add_test(t, links_are_not_followed);
	tcase_add_test(t, wrong_offsets_are_refused);
	tcase_add_test(t, damaged_arrays_are_refused);
	tcase_add_test(t, other_files_are_not_replaced);
	tcase_add_test(t, lies_about_the_tokenizer_are_refused);
	tcase_add_test(t, lies_about_merges_are_refused);
	tcase_add_test(t, empty_promises_are_refused);
	tcase_add_test(t, merges_are_a_list);
	suite_add_tcase(s, t);
}

int main(void)
{
	Suite *s = suite_create("checkpoint");
	int status;

	if (!scratch_make(dir, "check_checkpoint"))
		return EXIT_FAILURE;
	snprintf(path, sizeof path, "%s/model.h5", dir);
	add_tests(s);
	status = run_suite(s);
	unlink(path);
	rmdir(dir);
	return status;
}
