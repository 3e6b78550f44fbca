/* Imports: small llama2.c files made here, of both kinds, come back element
 * by element; every lie in a header is refused with one line and leaves
 * nothing behind; random models repeat. Serial, without MPI_Init. */
#include "config.h"
#include "import/import.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "model/checkpoint.h"
#include "model/shape.h"
#include "run/info.h"
#include "simd/convert.h"
#include "suite.h"

enum { E = 24, F = 10, L = 2, H = 6, G = 2, V = 20, S = 8, HS = E / H,
       GROUP = H / G, KV = G * HS };

/* A scratch folder, made and removed by main, and what lies in it. */
static char dir[64], src[128], tok[128], json[128], dest[128];

static struct import_options opt;

/* --- Helpers --- */

/* The import must fail with one line that names both, and leave only the
 * files that were there. */
static void refused(int (*import)(const struct import_options *,
                                  struct wl_error *),
                    const char *file, const char *blame)
{
	struct wl_error err = { .text = "" };
	int before = files_in(dir);

	ck_assert_int_eq(import(&opt, &err), -1);
	ck_assert_msg(strstr(err.text, file), "\"%s\" lacks %s", err.text,
	              file);
	ck_assert_msg(strstr(err.text, blame), "\"%s\" lacks %s", err.text,
	              blame);
	ck_assert(!strchr(err.text, '\n'));
	ck_assert_int_eq(files_in(dir), before);
}

static void accepted(int (*import)(const struct import_options *,
                                   struct wl_error *))
{
	struct wl_error err = { .text = "" };

	ck_assert_msg(import(&opt, &err) == 0, "%s", err.text);
}

static struct checkpoint *result(void)
{
	struct wl_error err = { .text = "" };
	struct checkpoint *c = checkpoint_open(dest, MPI_COMM_NULL, &err);

	ck_assert_msg(c, "%s", err.text);
	return c;
}

/* A whole tensor as float; the caller frees it. */
static float *tensor(struct checkpoint *c, enum tensor_kind kind, int layer)
{
	struct tensor_shape s = tensor_shape(checkpoint_model(c), kind);
	size_t n = s.rows * s.cols;
	float *value = wl_malloc(n, sizeof *value);
	void *raw = wl_malloc(n, sizeof *value);
	struct wl_error err;

	ck_assert_int_eq(checkpoint_read_rows(c, kind, layer, 0,
	                                      s.vector ? s.cols : s.rows, raw,
	                                      &err), 0);
	wl_to_f32(value, raw, checkpoint_type(c, kind, layer), n);
	free(raw);
	return value;
}

/* --- A llama2.c file made here --- */

/* Output n, input k of a matrix as the file has it; no two are equal, and
 * all are exact in float. */
static float element(enum tensor_kind kind, int layer, int n, int k)
{
	return ((kind * L + layer) * 32 + n) * 32 + k - 5000;
}

static void put(FILE *f, enum tensor_kind kind, int layer, int n, int k)
{
	for (int i = 0; i < n; i++)
		for (int j = 0; j < k; j++) {
			float x = element(kind, layer, i, j);

			fwrite(&x, sizeof x, 1, f);
		}
}

static void put_layers(FILE *f, enum tensor_kind kind, int n, int k)
{
	for (int l = 0; l < L; l++)
		put(f, kind, l, n, k);
}

static void put_attention(FILE *f)
{
	put_layers(f, T_WQ, E, E);
	put_layers(f, T_WK, KV, E);
	put_layers(f, T_WV, KV, E);
	put_layers(f, T_WO, E, E);
}

static void make_legacy(bool tied)
{
	const int32_t header[7] = { E, F, L, H, G, tied ? V : -V, S };
	const float unused[2 * S * HS / 2] = { NAN };
	FILE *f = fopen(src, "wb");

	ck_assert_ptr_nonnull(f);
	fwrite(header, sizeof header, 1, f);
	put(f, T_EMBEDDING, 0, V, E);
	put_layers(f, T_ATTN_NORM, 1, E);
	put_attention(f);
	put_layers(f, T_FFN_NORM, 1, E);
	put_layers(f, T_GATE, F, E);
	put_layers(f, T_DOWN, E, F);
	put_layers(f, T_UP, F, E);
	put(f, T_NORM, 0, 1, E);
	fwrite(unused, sizeof unused, 1, f);
	if (!tied)
		put(f, T_HEAD, 0, V, E);
	fclose(f);
}

static void make_v1(bool tied)
{
	const int32_t header[9] = { 0x616b3432, 1, E, F, L, H, G, V, S };
	char rest[256 - sizeof header] = { tied };
	FILE *f = fopen(src, "wb");

	ck_assert_ptr_nonnull(f);
	fwrite(header, sizeof header, 1, f);
	fwrite(rest, sizeof rest, 1, f);
	put_layers(f, T_ATTN_NORM, 1, E);
	put_layers(f, T_FFN_NORM, 1, E);
	put(f, T_NORM, 0, 1, E);
	put(f, T_EMBEDDING, 0, V, E);
	put_attention(f);
	put_layers(f, T_GATE, F, E);
	put_layers(f, T_DOWN, E, F);
	put_layers(f, T_UP, F, E);
	if (!tied)
		put(f, T_HEAD, 0, V, E);
	fclose(f);
}

static void make_tokenizer(int n)
{
	const int32_t longest = 4;
	FILE *f = fopen(tok, "wb");

	ck_assert_ptr_nonnull(f);
	fwrite(&longest, sizeof longest, 1, f);
	for (int i = 0; i < n; i++) {
		const float score = -i;
		const int32_t len = 1;
		const char text = 'a' + i;

		fwrite(&score, sizeof score, 1, f);
		fwrite(&len, sizeof len, 1, f);
		fwrite(&text, 1, 1, f);
	}
	fclose(f);
}

/* Overwrites size bytes of the source. */
static void patch(long at, const void *bytes, size_t size)
{
	FILE *f = fopen(src, "r+b");

	ck_assert_ptr_nonnull(f);
	fseek(f, at, SEEK_SET);
	ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
	fclose(f);
}

static void patch_int(long at, int32_t v)
{
	patch(at, &v, sizeof v);
}

static long source_size(void)
{
	struct stat st;

	ck_assert_int_eq(stat(src, &st), 0);
	return st.st_size;
}

static void setup(void)
{
	opt = (struct import_options){
		.source = src,
		.dest = dest,
		.tokenizer = tok,
		.type = -1,
		.seed = 1,
		.quiet = 1,
	};
	make_tokenizer(V);
	unlink(dest);
}

/* --- What is imported --- */

/* The channel of the file that query channel q = (g, c, r) comes from. */
static int file_channel(int q)
{
	int g = q / (HS * GROUP), c = q / GROUP % HS, r = q % GROUP;

	return (g * GROUP + r) * HS + c;
}

static float expected(enum tensor_kind kind, int layer, int row, int col)
{
	switch (kind) {
	case T_WQ:
		return element(kind, layer, file_channel(col), row);
	case T_WO:
		return element(kind, layer, col, file_channel(row));
	case T_ATTN_NORM:
	case T_FFN_NORM:
	case T_NORM:
		return element(kind, layer, 0, col);
	default:
		return element(kind, layer, col, row);
	}
}

static int compare(void *ctx, enum tensor_kind kind, int layer)
{
	struct checkpoint *c = ctx;
	struct tensor_shape s = tensor_shape(checkpoint_model(c), kind);
	float *w = tensor(c, kind, layer);

	for (size_t i = 0; i < s.rows; i++)
		for (size_t j = 0; j < s.cols; j++)
			ck_assert_float_eq(w[i * s.cols + j],
			                   expected(kind, layer, i, j));
	free(w);
	return 0;
}

static void check_import(bool tied)
{
	const struct model *m;
	struct checkpoint *c;
	struct wl_error err;
	struct vocab v;

	accepted(import_run);
	c = result();
	m = checkpoint_model(c);
	ck_assert_int_eq(m->dim, E);
	ck_assert_int_eq(m->hidden_dim, F);
	ck_assert_int_eq(m->n_layers, L);
	ck_assert_int_eq(m->n_heads, H);
	ck_assert_int_eq(m->n_kv_heads, G);
	ck_assert_int_eq(m->head_dim, HS);
	ck_assert_int_eq(m->vocab_size, V);
	ck_assert_int_eq(m->max_seq_len, S);
	ck_assert_int_eq(m->tied, tied);
	ck_assert_double_eq(m->rope_theta, 1e4);
	ck_assert_double_eq(m->rms_eps, 1e-5);
	ck_assert_int_eq(m->bos_id, 1);
	ck_assert(model_stops_at(m, 1) && model_stops_at(m, 2));
	ck_assert_int_eq(m->n_stop, 2);
	ck_assert_int_eq(model_each_tensor(m, compare, c), 0);
	ck_assert_int_eq(checkpoint_read_vocab(c, &v, &err), 0);
	ck_assert_int_eq(v.text[v.offset[7]], 'h');
	vocab_fini(&v);
	checkpoint_close(c);
	ck_assert_int_eq(files_in(dir), 3);
}

START_TEST(legacy_files_come_back)
{
	setup();
	make_legacy(true);
	check_import(true);
	make_legacy(false);
	check_import(false);
}
END_TEST

START_TEST(version_1_files_come_back)
{
	setup();
	make_v1(true);
	check_import(true);
	make_v1(false);
	check_import(false);
}
END_TEST

START_TEST(types_can_be_chosen)
{
	struct checkpoint *c;
	float *w;

	setup();
	make_legacy(true);
	opt.type = WL_BF16;
	accepted(import_run);
	c = result();
	w = tensor(c, T_WK, 1);
	ck_assert_int_eq(checkpoint_type(c, T_WK, 1), WL_BF16);
	for (int i = 0; i < E; i++)
		for (int j = 0; j < KV; j++)
			ck_assert_float_eq(w[i * KV + j],
				wl_bf16_to_f32(wl_f32_to_bf16(
					element(T_WK, 1, j, i))));
	free(w);
	checkpoint_close(c);
}
END_TEST

/* Puts the embedding of a legacy file once more behind its end. */
static void append_embedding(void)
{
	FILE *f = fopen(src, "ab");

	ck_assert_ptr_nonnull(f);
	put(f, T_EMBEDDING, 0, V, E);
	fclose(f);
}

/* --- What is refused --- */

/* Every field of the shape, starting at byte `at`, with values that are
 * absurd or do not fit the file. */
static void check_fields(void (*make)(bool tied), long at)
{
	static const int32_t right[7] = { E, F, L, H, G, V, S };

	for (int i = 0; i < 7; i++) {
		const int32_t bad[] = { 0, -1, INT_MIN, INT_MAX, 1 << 20,
		                        right[i] + 1, right[i] - 1,
		                        2 * right[i], -right[i] };

		for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
			/* Nothing in version 1 tells the sequence length. */
			if (make == make_v1 && i == 6 && bad[b] > 0 &&
			    bad[b] < INT_MAX)
				continue;
			make(true);
			patch_int(at + 4 * i, bad[b]);
			refused(import_run, src, "");
		}
	}
}

START_TEST(lying_headers_are_refused)
{
	setup();
	check_fields(make_legacy, 0);
	check_fields(make_v1, 8);
}
END_TEST

START_TEST(headers_are_blamed_by_name)
{
	setup();
	make_legacy(true);
	patch_int(0, 18); /* heads of 3 channels */
	refused(import_run, src, "head_dim 3 is odd");
	patch_int(0, 25);
	refused(import_run, src, "dim 25 is not a multiple of n_heads 6");
	patch_int(0, 0);
	refused(import_run, src, "dim is 0");
	make_legacy(true);
	patch_int(12, 0);
	refused(import_run, src, "n_heads is 0");
	make_legacy(true);
	patch_int(16, 4);
	refused(import_run, src, "n_kv_heads");
	make_legacy(true);
	patch_int(20, INT_MIN);
	refused(import_run, src, "vocab_size is -2147483648");
	make_v1(true);
	patch_int(28, -V);
	refused(import_run, src, "vocab_size is -20");
	make_v1(true);
	patch_int(4, 2);
	refused(import_run, src, "version 2 (int8)");
	patch_int(4, 3);
	refused(import_run, src, "version 3");
	make_v1(true);
	patch(36, "\2", 1);
	refused(import_run, src, "shared classifier is 2");
	patch(36, "\0", 1); /* promises a head that is not there */
	refused(import_run, src, "implies");
}
END_TEST

START_TEST(files_of_another_length_are_refused)
{
	static void (*const make[])(bool) = { make_legacy, make_v1 };
	static const long by[] = { -1, 1, -4, 4 };

	setup();
	for (int m = 0; m < 2; m++) {
		for (int i = 0; i < 4; i++) {
			make[m](true);
			ck_assert_int_eq(truncate(src, source_size() + by[i]),
			                 0);
			refused(import_run, src, "implies");
		}
		for (int cut = 0; cut < (m ? 37 : 28); cut++) {
			make[m](true);
			ck_assert_int_eq(truncate(src, cut), 0);
			refused(import_run, src, cut ? "header" :
			        "an empty file");
		}
	}
}
END_TEST

START_TEST(sources_that_are_no_files_are_refused)
{
	setup();
	unlink(src);
	refused(import_run, src, "No such file");
	ck_assert_int_eq(mkfifo(src, 0600), 0);
	refused(import_run, src, "not a regular file");
	unlink(src);
	opt.tokenizer = NULL;
	opt.source = dir;
	refused(import_run, dir, "config.json");
}
END_TEST

START_TEST(numbers_that_are_none_are_refused)
{
	static const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
	/* The last element of the last layer's wv. */
	const long wv = 28 + 4L * (V * E + L * E + L * E * E + L * KV * E +
	                           L * KV * E - 1);

	setup();
	for (int i = 0; i < 4; i++) {
		make_legacy(true);
		patch(wv, &bad[i], 4);
		refused(import_run, src, "layers.1.wv");
	}
}
END_TEST

START_TEST(numbers_too_large_for_the_type_are_refused)
{
	static const struct {
		int type;
		float fits, large;
	} limit[] = {
		{ WL_F16, 65519.996f, 65520 },
		{ WL_BF16, 0x1.fefffep127f, 0x1.ffp127f },
	};
	/* The last element of the last layer's norm before attention. */
	const long norm = 28 + 4L * (V * E + L * E - 1);
	const float small = 1;

	setup();
	for (int i = 0; i < 2; i++) {
		opt.type = limit[i].type;
		make_legacy(true);
		/* element() of later tensors is too large for f16. */
		for (long at = 28; at < source_size(); at += 4)
			patch(at, &small, 4);
		patch(norm, &limit[i].fits, 4);
		accepted(import_run);
		unlink(dest);
		patch(norm, &limit[i].large, 4);
		refused(import_run, src, "layers.1.attention_norm");
	}
}
END_TEST

START_TEST(bad_tokenizers_are_refused)
{
	setup();
	make_legacy(true);
	opt.tokenizer = NULL;
	refused(import_run, src, "--tokenizer FILE is needed");
	opt.tokenizer = tok;
	make_tokenizer(V + 1);
	refused(import_run, tok, "has 21 pieces, the checkpoint 20 ids");
	make_tokenizer(V / 2 - 1);
	refused(import_run, tok, "has 9 pieces, the checkpoint 20 ids");
	make_tokenizer(2);
	refused(import_run, tok, "has 2 pieces");
	opt.tokenizer = src;
	refused(import_run, src, "is a llama2.c checkpoint, not a llama2.c"
	        " tokenizer");
	opt.tokenizer = tok;
	unlink(tok);
	refused(import_run, tok, "No such file");
}
END_TEST

/* A model's ids are rounded up: the tokenizer is padded. */
START_TEST(small_tokenizers_are_padded)
{
	static const int n[] = { V - 1, V / 2 };

	setup();
	for (int i = 0; i < 2; i++) {
		struct wl_error err;
		struct checkpoint *c;
		struct vocab v;

		make_legacy(true);
		make_tokenizer(n[i]);
		accepted(import_run);
		c = result();
		ck_assert_int_eq(checkpoint_read_vocab(c, &v, &err), 0);
		ck_assert_int_eq(v.n, V);
		for (int id = n[i]; id < V; id++)
			ck_assert(v.type[id] == PIECE_UNUSED &&
			          vocab_length(&v, id) == 0);
		vocab_fini(&v);
		checkpoint_close(c);
		unlink(dest);
	}
}
END_TEST

/* A tied model's file that has the head all the same: a copy is ignored. */
START_TEST(heads_of_tied_models_are_compared)
{
	const float other = 3;
	long head;

	setup();
	make_legacy(true);
	head = source_size();
	append_embedding();
	accepted(import_run);
	unlink(dest);
	patch(head, &other, 4);
	refused(import_run, src, "head differs from embedding");
	patch(head, &(float){ NAN }, 4);
	refused(import_run, src, "head differs from embedding");
}
END_TEST

START_TEST(bad_destinations_are_refused)
{
	char none[256];

	setup();
	make_legacy(true);
	snprintf(none, sizeof none, "%s/none/x.h5", dir);
	opt.dest = none;
	refused(import_run, none, "No such file");
	snprintf(none, sizeof none, "%s/x.h5", src);
	refused(import_run, none, "Not a directory");
	opt.dest = dir;
	refused(import_run, dir, "is a directory");
	opt.dest = dest;
	if (geteuid() == 0)
		return; /* root may write everywhere */
	chmod(dir, 0500);
	refused(import_run, dest, "Permission denied");
	chmod(dir, 0700);
}
END_TEST

/* An import under a limit on the size of files, which stands for the disk's.
 * Check writes files too, so that no assertion may lie within. */
static int import_limited(rlim_t limit, struct wl_error *err)
{
	struct rlimit old, small;
	int rc;

	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = limit;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	rc = import_run(&opt, err);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	return rc;
}

START_TEST(a_full_disk_is_noticed)
{
	setup();
	make_legacy(true);
	for (int kib = 0; kib < 24; kib++) {
		struct wl_error err = { .text = "" };
		int before = files_in(dir);

		ck_assert_int_eq(import_limited(1024 * kib, &err), -1);
		ck_assert_msg(strstr(err.text, dest), "%s", err.text);
		ck_assert_int_eq(files_in(dir), before);
	}
}
END_TEST

/* --- Random models --- */

static void write_json(const char *text)
{
	FILE *f = fopen(json, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	opt.random_shape = json;
}

#define SHAPE_OF(layers, vocab) "{\"dim\": 64, \"hidden_dim\": 48," \
	"\"n_layers\": " layers ", \"n_heads\": 4, \"n_kv_heads\": 2," \
	"\"vocab_size\": " vocab ", \"max_seq_len\": 16"

/* The whole random tensor for a shape and a seed. */
static float *random_tensor(const char *text, unsigned long long seed,
                            enum tensor_kind kind, int layer)
{
	struct checkpoint *c;
	float *w;

	write_json(text);
	opt.seed = seed;
	accepted(import_random);
	c = result();
	w = tensor(c, kind, layer);
	checkpoint_close(c);
	return w;
}

START_TEST(random_weights_repeat)
{
	const size_t n = 64 * 64;
	float *a, *b;

	setup();
	a = random_tensor(SHAPE_OF("2", "300") "}", 5, T_WQ, 1);
	b = random_tensor(SHAPE_OF("3", "301") "}", 5, T_WQ, 1);
	ck_assert_mem_eq(a, b, n * sizeof *a);
	free(b);
	b = random_tensor(SHAPE_OF("2", "300") "}", 6, T_WQ, 1);
	ck_assert_mem_ne(a, b, n * sizeof *a);
	free(b);
	b = random_tensor(SHAPE_OF("2", "300") "}", 5, T_WQ, 0);
	ck_assert_mem_ne(a, b, n * sizeof *a);
	free(a);
	/* Element by element, whatever the width of a row. */
	a = random_tensor(SHAPE_OF("2", "301") "}", 5, T_EMBEDDING, 0);
	free(b);
	b = random_tensor(SHAPE_OF("2", "300") "}", 5, T_EMBEDDING, 0);
	ck_assert_mem_eq(a, b, 64 * 300 * sizeof *a);
	free(a);
	free(b);
}
END_TEST

START_TEST(random_weights_have_their_deviation)
{
	const size_t n = 48 * 64;
	double sum = 0, squares = 0;
	float *w;

	setup();
	w = random_tensor(SHAPE_OF("1", "300") "}", 9, T_DOWN, 0);
	for (size_t i = 0; i < n; i++) {
		sum += w[i];
		squares += (double)w[i] * w[i];
		ck_assert(fabs(w[i]) <= sqrt(3.0 / 48));
	}
	free(w);
	ck_assert_double_lt(fabs(sum / n), 0.01);
	ck_assert_double_eq_tol(sqrt(squares / n), sqrt(1.0 / 48), 0.003);
	w = random_tensor(SHAPE_OF("1", "300") "}", 9, T_NORM, 0);
	for (int i = 0; i < 64; i++)
		ck_assert_float_eq(w[i], 1);
	free(w);
}
END_TEST

START_TEST(shapes_are_read)
{
	struct wl_error err;
	struct model m;

	setup();
	write_json(SHAPE_OF("2", "300") "}");
	ck_assert_int_eq(shape_read(json, &m, &err), 0);
	ck_assert_int_eq(m.dim, 64);
	ck_assert_int_eq(m.hidden_dim, 48);
	ck_assert_int_eq(m.n_layers, 2);
	ck_assert_int_eq(m.n_heads, 4);
	ck_assert_int_eq(m.n_kv_heads, 2);
	ck_assert_int_eq(m.head_dim, 16);
	ck_assert_int_eq(m.vocab_size, 300);
	ck_assert_int_eq(m.max_seq_len, 16);
	ck_assert_double_eq(m.rope_theta, 1e4);
	ck_assert_double_eq(m.rms_eps, 1e-5);
	ck_assert(m.tied);
	ck_assert_int_eq(m.bos_id, 1);
	ck_assert(m.n_stop == 1 && m.stop_id[0] == 2);
	write_json(SHAPE_OF("2", "300") ", \"rope_theta\": 500000,"
	           "\"rms_eps\": 1e-6, \"tied\": false}");
	ck_assert_int_eq(shape_read(json, &m, &err), 0);
	ck_assert_double_eq(m.rope_theta, 5e5);
	ck_assert_double_eq(m.rms_eps, 1e-6);
	ck_assert(!m.tied);
}
END_TEST

struct sum {
	const struct model *m;
	size_t n; /* elements */
};

static int add_elements(void *ctx, enum tensor_kind kind, int layer)
{
	struct sum *sum = ctx;
	struct tensor_shape s = tensor_shape(sum->m, kind);

	(void)layer;
	sum->n += s.rows * s.cols;
	return 0;
}

/* As many parameters as the makers say. */
START_TEST(known_shapes_have_their_size)
{
	static const struct {
		const char *name;
		size_t parameters;
	} known[] = {
		{ "llama3-8b", 8030261248 }, { "llama3-70b", 70553706496 },
		{ "llama2-7b", 6738415616 }, { "llama2-13b", 13015864320 },
		{ "codellama-34b", 33743970304 },
		{ "qwen2-72b", 72706203648 }, { "qwen2.5-1.5b", 1543714304 },
		{ "bench-110m", 109529856 },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		struct wl_error err = { .text = "" };
		struct model m;
		struct sum sum = { &m, 0 };

		ck_assert_msg(shape_read(known[i].name, &m, &err) == 0, "%s",
		              err.text);
		model_each_tensor(&m, add_elements, &sum);
		ck_assert_msg(sum.n == known[i].parameters, "%s: %zu",
		              known[i].name, sum.n);
	}
}
END_TEST

START_TEST(bad_shapes_are_refused)
{
	static const struct {
		const char *text, *blame;
	} bad[] = {
		{ "", "an empty file" },
		{ "{\"dim\": 64", "line 1" },
		{ "{}\n{}", "line 2" },
		{ "[1]", "object" },
		{ "{}", "dim" },
		{ "{\"architectures\": [\"a\"], \"hidden_size\": 1}",
		  "is a Hugging Face config.json, not a shape: import its" },
		{ "{\"model_type\": \"llama\"}", "config.json, not a shape" },
		{ "{\"name\": \"a\", \"numbers\": {}}",
		  "is a device, not a shape: give it to --device" },
		{ "{\"dim\": 64}", "hidden_dim" },
		{ SHAPE_OF("2", "300") ", \"dims\": 3}", "dims" },
		{ SHAPE_OF("2", "300") ", \"dim\": 3}", "dim" },
		{ SHAPE_OF("\"2\"", "300") "}", "n_layers" },
		{ SHAPE_OF("2.0", "300") "}", "n_layers" },
		{ SHAPE_OF("null", "300") "}", "n_layers" },
		{ SHAPE_OF("0", "300") "}", "n_layers" },
		{ SHAPE_OF("4294967297", "300") "}", "n_layers" },
		{ SHAPE_OF("2", "-1") "}", "vocab_size" },
		{ SHAPE_OF("2", "2") "}", "stop id" },
		{ SHAPE_OF("2", "300") ", \"rope_theta\": \"1\"}",
		  "rope_theta" },
		{ SHAPE_OF("2", "300") ", \"rope_theta\": 0}", "rope_theta" },
		{ SHAPE_OF("2", "300") ", \"rms_eps\": -1}", "rms_eps" },
		{ SHAPE_OF("2", "300") ", \"tied\": 1}", "tied" },
		{ "{\"dim\": 66, \"hidden_dim\": 48, \"n_layers\": 1,"
		  "\"n_heads\": 4, \"n_kv_heads\": 2, \"vocab_size\": 300,"
		  "\"max_seq_len\": 16}", "n_heads" },
	};

	setup();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		write_json(bad[i].text);
		refused(import_random, json, bad[i].blame);
	}
	write_json(SHAPE_OF("2", "300") "}");
	ck_assert_int_eq(truncate(json, 65537), 0);
	refused(import_random, json, "more than 65536 bytes");
	unlink(json);
	refused(import_random, json, "No such file");
	opt.random_shape = dir;
	refused(import_random, dir, "is a directory");
	opt.random_shape = "llama9-8b";
	refused(import_random, "llama9-8b", "no such shape");
	opt.random_shape = "llama3-8b.json";
	refused(import_random, "llama3-8b.json", "no such shape");
}
END_TEST

/* --- What info says --- */

START_TEST(info_names_every_tensor)
{
	static const char *const want[] = {
		"version 2", "llama2.c checkpoint source.bin (legacy header)",
		"hidden_dim     10\n", "n_kv_heads     2\n",
		"stop_ids       2 1\n", "tied           no\n",
		"parameters     5592 (5.6 k)\n", "tokenizer      20 pieces",
		"embedding", "layers.1.attention_norm", "layers.1.down",
		"10 x 24  f32           960", "head",
	};
	struct wl_error err = { .text = "" };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	setup();
	make_legacy(false);
	accepted(import_run);
	ck_assert_int_eq(info_print(dest, out, &err), 0);
	fclose(out);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		ck_assert_msg(strstr(text, want[i]), "\"%s\" lacks \"%s\"",
		              text, want[i]);
	free(text);
}
END_TEST

START_TEST(info_refuses_without_a_word)
{
	struct wl_error err = { .text = "" };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	setup();
	ck_assert_int_eq(info_print(dest, out, &err), -1);
	ck_assert(strstr(err.text, dest));
	fclose(out);
	ck_assert_uint_eq(size, 0);
	free(text);
}
END_TEST

/* --- A real model --- */

/* One float of stories260K at index i behind the header. */
static float raw_float(FILE *f, long i)
{
	float x;

	fseek(f, 28 + 4 * i, SEEK_SET);
	ck_assert_uint_eq(fread(&x, sizeof x, 1, f), 1);
	return x;
}

/* dim 64, 8 heads of 8 on 4 KV heads, 5 layers, 512 tokens. */
static void compare_stories(FILE *f, struct checkpoint *c)
{
	const long wq = 512 * 64 + 5 * 64, wo = wq + 5 * (2 * 4096 - 4096);
	float *emb = tensor(c, T_EMBEDDING, 0);
	float *q = tensor(c, T_WQ, 3), *o = tensor(c, T_WO, 3);

	for (int v = 0; v < 512; v++)
		for (int e = 0; e < 64; e++)
			ck_assert_float_eq(emb[e * 512 + v],
			                   raw_float(f, v * 64 + e));
	for (int i = 0; i < 64; i++) {
		int g = i / 16, ch = i / 2 % 8, r = i % 2;
		int from = (2 * g + r) * 8 + ch;

		for (int e = 0; e < 64; e++) {
			ck_assert_float_eq(q[e * 64 + i],
				raw_float(f, wq + 3 * 4096 + from * 64 + e));
			/* wk and wv, 2048 each a layer, lie between. */
			ck_assert_float_eq(o[i * 64 + e],
				raw_float(f, wo + 5 * 4096 + 3 * 4096 +
				             e * 64 + from));
		}
	}
	free(emb);
	free(q);
	free(o);
}

START_TEST(stories260K_is_imported)
{
	const char *path = model_path("stories260K_is_imported", "tok512.bin");
	char bin[PATH_MAX], tokens[PATH_MAX];
	struct checkpoint *c;
	FILE *f;

	if (!path)
		return;
	strcpy(tokens, path);
	strcpy(bin, model_path("stories260K_is_imported", "stories260K.bin"));
	f = fopen(bin, "rb");
	ck_assert_ptr_nonnull(f);
	setup();
	opt.source = bin;
	opt.tokenizer = tokens;
	accepted(import_run);
	c = result();
	compare_stories(f, c);
	checkpoint_close(c);
	fclose(f);
}
END_TEST

static void add_tests(Suite *s)
{
	TCase *t = tcase_create("import");

	tcase_add_test(t, legacy_files_come_back);
	tcase_add_test(t, version_1_files_come_back);
	tcase_add_test(t, types_can_be_chosen);
	tcase_add_test(t, lying_headers_are_refused);
	tcase_add_test(t, headers_are_blamed_by_name);
	tcase_add_test(t, files_of_another_length_are_refused);
	tcase_add_test(t, sources_that_are_no_files_are_refused);
	tcase_add_test(t, numbers_that_are_none_are_refused);
	tcase_add_test(t, numbers_too_large_for_the_type_are_refused);
	tcase_add_test(t, bad_tokenizers_are_refused);
	tcase_add_test(t, small_tokenizers_are_padded);
	tcase_add_test(t, heads_of_tied_models_are_compared);
	tcase_add_test(t, bad_destinations_are_refused);
	tcase_add_test(t, a_full_disk_is_noticed);
	tcase_add_test(t, random_weights_repeat);
	tcase_add_test(t, random_weights_have_their_deviation);
	tcase_add_test(t, shapes_are_read);
	tcase_add_test(t, known_shapes_have_their_size);
	tcase_add_test(t, bad_shapes_are_refused);
	tcase_add_test(t, info_names_every_tensor);
	tcase_add_test(t, info_refuses_without_a_word);
	tcase_add_test(t, stories260K_is_imported);
	suite_add_tcase(s, t);
}

int main(void)
{
	Suite *s = suite_create("import");
	int status;

	if (!scratch_make(dir, "check_import"))
		return EXIT_FAILURE;
	snprintf(src, sizeof src, "%s/source.bin", dir);
	snprintf(tok, sizeof tok, "%s/tokens.bin", dir);
	snprintf(json, sizeof json, "%s/shape.json", dir);
	snprintf(dest, sizeof dest, "%s/dest.h5", dir);
	add_tests(s);
	status = run_suite(s);
	unlink(src);
	unlink(tok);
	unlink(json);
	unlink(dest);
	rmdir(dir);
	return status;
}
