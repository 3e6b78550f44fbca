/* Tensors in files of any format: what source.c refuses, and that every type,
 * order and name comes through import_write element by element. Serial,
 * without MPI_Init. */
#include "config.h"
#include "import/import.h"

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "model/checkpoint.h"
#include "simd/convert.h"
#include "src/import/vocab_read.h"
#include "suite.h"

/* Rows of all matrices but wq's are whole blocks of 32. */
enum { E = 32, F = 64, L = 2, H = 4, G = 2, HD = 16, V = 7, GROUP = H / G,
       Q = H * HD, KV = G * HD };

static char dir[64], src[128], dest[128];

static const struct source_names names = {
	.layer_prefix = "l.",
	.name = {
		[T_EMBEDDING] = "emb", [T_ATTN_NORM] = "n1", [T_WQ] = "q",
		[T_WK] = "k", [T_WV] = "v", [T_BQ] = "bq", [T_BK] = "bk",
		[T_BV] = "bv", [T_WO] = "o", [T_FFN_NORM] = "n2",
		[T_GATE] = "g", [T_UP] = "u", [T_DOWN] = "d", [T_NORM] = "n",
		[T_HEAD] = "head",
	},
};

static struct import_options opt;

/* --- A file of raw tensors --- */

/* Element i of a tensor: small multiples of 1/8, exact in every type and
 * within Q4_0's -8..7 eighths. */
static float element(enum tensor_kind kind, int layer, size_t i)
{
	uint32_t x = (kind * 7 + layer) * 1000003u + (uint32_t)i * 2654435761u;

	return ((int)(x >> 13 & 15) - 8) / 8.0f;
}

static void put_half(FILE *f, uint16_t h)
{
	fputc(h & 0xff, f);
	fputc(h >> 8, f);
}

/* A block of 32 elements as GGUF packs it, with a scale of 1/8. */
static void put_block(FILE *f, enum tensor_kind kind, int layer, size_t i,
                      enum source_type t)
{
	int v[32];

	for (int b = 0; b < 32; b++)
		v[b] = (int)(element(kind, layer, i + b) * 8);
	put_half(f, 0x3000);
	for (int b = 0; b < (t == SOURCE_Q8_0 ? 32 : 16); b++)
		fputc(t == SOURCE_Q8_0 ? v[b] & 0xff :
		      (v[b] + 8) | (v[b + 16] + 8) << 4, f);
}

static void put_tensor(FILE *f, enum tensor_kind kind, int layer, size_t n,
                       enum source_type t)
{
	for (size_t i = 0; i < n; i += t >= SOURCE_Q8_0 ? 32 : 1) {
		float x = element(kind, layer, i);

		switch (t) {
		case SOURCE_F32:
			fwrite(&x, 4, 1, f);
			break;
		case SOURCE_F16:
			put_half(f, wl_f32_to_f16(x));
			break;
		case SOURCE_BF16:
			put_half(f, wl_f32_to_bf16(x));
			break;
		default:
			put_block(f, kind, layer, i, t);
		}
	}
}

static struct model shape(void)
{
	return (struct model){
		.dim = E, .hidden_dim = F, .n_layers = L, .n_heads = H,
		.n_kv_heads = G, .head_dim = HD, .vocab_size = V,
		.max_seq_len = 8, .rope_theta = 1e4, .rms_eps = 1e-5,
		.bos_id = 1, .qkv_bias = true, .rope_scaled = true,
	};
}

struct maker {
	struct import_model *m;
	FILE *f;
	enum source_type type; /* of matrices */
	uint64_t at;
};

static int make_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct maker *k = ctx;
	struct tensor_shape s = tensor_shape(&k->m->model, kind);
	struct source_tensor t = { .at = k->at, .vector = s.vector };
	struct wl_error err;
	char name[64];

	if (!source_tensor_name(&names, kind, layer, name, sizeof name))
		return 0;
	t.name = name;
	t.type = s.vector ? SOURCE_F32 : k->type;
	t.rows = s.vector ? 1 : s.cols;
	t.cols = s.vector ? s.cols : s.rows;
	put_tensor(k->f, kind, layer, t.rows * t.cols, t.type);
	fflush(k->f);
	/* The file grows while it is described. */
	k->m->sources.file[0].bytes = k->at = ftell(k->f);
	ck_assert_int_eq(source_add(&k->m->sources, &t, &err), 0);
	return 0;
}

/* A model whose matrices have that type, all tensors there but not indexed. */
static void make(struct import_model *m, struct model shape_of,
                 enum source_type type)
{
	struct maker k = { .m = m, .type = type };
	struct wl_error err;

	*m = (struct import_model){ .model = shape_of, .names = &names,
	                            .rotate_half = true };
	snprintf(m->origin, sizeof m->origin, "made up");
	vocab_make_random(V - 2, &m->vocab);
	m->rope_factors = wl_malloc(HD / 2, sizeof(float));
	for (int i = 0; i < HD / 2; i++)
		m->rope_factors[i] = 1 + i / 3.0f;
	k.f = fopen(src, "wb");
	ck_assert_ptr_nonnull(k.f);
	ck_assert_int_eq(source_add_file(&m->sources, src, &err), 0);
	model_each_tensor(&m->model, make_tensor, &k);
	fclose(k.f);
	opt = (struct import_options){ .source = src, .dest = dest,
	                               .type = -1, .quiet = 1 };
	unlink(dest);
}

/* --- What must come out --- */

/* The source's row of checkpoint channel c of head h: pairs were halves. */
static int half_row(int h, int c)
{
	return h * HD + (c % 2 ? HD / 2 : 0) + c / 2;
}

/* The source's row of query channel i, (KV head, channel, query head). */
static int q_row(int i)
{
	return half_row(i / (HD * GROUP) * GROUP + i % GROUP, i / GROUP % HD);
}

/* The same for the inputs of wo, which keep their channel. */
static int o_col(int i)
{
	return (i / (HD * GROUP) * GROUP + i % GROUP) * HD + i / GROUP % HD;
}

static float expected(enum tensor_kind kind, int layer, size_t row, size_t col)
{
	switch (kind) {
	case T_ROPE_FACTORS:
		return 1 + col / 3.0f;
	case T_WQ:
		return element(kind, layer, q_row(col) * E + row);
	case T_WK:
		return element(kind, layer,
		               half_row(col / HD, col % HD) * E + row);
	case T_BQ:
		return element(kind, layer, q_row(col));
	case T_BK:
		return element(kind, layer, half_row(col / HD, col % HD));
	case T_WO:
		return element(kind, layer, col * Q + o_col(row));
	case T_WV:
	case T_EMBEDDING:
	case T_HEAD:
	case T_GATE:
	case T_UP:
		return element(kind, layer, col * E + row);
	case T_DOWN:
		return element(kind, layer, col * F + row);
	default:
		return element(kind, layer, col);
	}
}

static int compare(void *ctx, enum tensor_kind kind, int layer)
{
	struct checkpoint *c = ctx;
	struct tensor_shape s = tensor_shape(checkpoint_model(c), kind);
	size_t n = s.rows * s.cols;
	float *w = wl_malloc(n, sizeof *w);
	void *raw = wl_malloc(n, sizeof *w);
	struct wl_error err;

	ck_assert_int_eq(checkpoint_read_rows(c, kind, layer, 0,
	                                      s.vector ? s.cols : s.rows, raw,
	                                      &err), 0);
	wl_to_f32(w, raw, checkpoint_type(c, kind, layer), n);
	for (size_t i = 0; i < s.rows; i++)
		for (size_t j = 0; j < s.cols; j++)
			ck_assert_msg(w[i * s.cols + j] ==
			              expected(kind, layer, i, j),
			              "tensor %d layer %d [%zu][%zu]", kind,
			              layer, i, j);
	free(raw);
	free(w);
	return 0;
}

static void written(struct import_model *m, enum wl_type type)
{
	struct wl_error err = { .text = "" };
	struct checkpoint *c;
	struct vocab v;

	ck_assert_int_eq(source_index(&m->sources, &err), 0);
	ck_assert_msg(import_write(&opt, m, &err) == 0, "%s", err.text);
	import_model_fini(m);
	c = checkpoint_open(dest, MPI_COMM_NULL, &err);
	ck_assert_msg(c, "%s", err.text);
	ck_assert_int_eq(checkpoint_type(c, T_WQ, 1), type);
	ck_assert_int_eq(model_each_tensor(checkpoint_model(c), compare, c), 0);
	ck_assert_int_eq(checkpoint_read_vocab(c, &v, &err), 0);
	ck_assert_int_eq(v.type[V - 1], PIECE_UNUSED);
	vocab_fini(&v);
	checkpoint_close(c);
}

START_TEST(every_type_comes_back)
{
	static const enum wl_type kept[SOURCE_NTYPES] = {
		[SOURCE_F32] = WL_F32, [SOURCE_F16] = WL_F16,
		[SOURCE_BF16] = WL_BF16, [SOURCE_Q8_0] = WL_F32,
		[SOURCE_Q4_0] = WL_F32 };
	struct import_model m;

	for (int t = 0; t <= SOURCE_Q4_0; t++) {
		make(&m, shape(), t);
		written(&m, kept[t]);
		/* All of these values are exact in 16 bits too. */
		for (int d = WL_F16; d <= WL_BF16; d++) {
			make(&m, shape(), t);
			opt.type = d;
			written(&m, d);
		}
	}
}
END_TEST

/* One number of 6 bits, less 32, put where the format has element e: runs of
 * 32 share bytes with the run after the next. */
static void put_6_bits(unsigned char block[210], int e, int v)
{
	unsigned char *low = block + e / 128 * 64, *high = block + 128 +
	                     e / 128 * 32;
	int run = e % 128 / 32, i = e % 32;

	v += 32;
	switch (run) {
	case 0:
		low[i] |= v & 15;
		break;
	case 1:
		low[i + 32] |= v & 15;
		break;
	case 2:
		low[i] |= (v & 15) << 4;
		break;
	default:
		low[i + 32] |= (v & 15) << 4;
	}
	high[i] |= (v >> 4) << (2 * run);
}

/* No two elements that share a byte are alike. */
static int six_bits(int e)
{
	return (e * 37 + e / 32 * 11) % 64 - 32;
}

START_TEST(blocks_of_6_bits_are_unpacked)
{
	unsigned char block[2 * 210] = { 0 };
	float value[512];

	for (int e = 0; e < 512; e++)
		put_6_bits(block + e / 256 * 210, e % 256, six_bits(e));
	for (int i = 0; i < 32; i++)
		block[i / 16 * 210 + 192 + i % 16] = (signed char)(i * 8 - 128);
	for (int b = 0; b < 2; b++) {
		block[b * 210 + 208] = 0;
		block[b * 210 + 209] = b ? 0xbc : 0x30; /* -1, 1/8 */
	}
	source_to_f32(value, block, SOURCE_Q6_K, 512);
	for (int e = 0; e < 512; e++)
		ck_assert_float_eq(value[e], (e < 256 ? 0.125f : -1.0f) *
		                   (e / 16 * 8 - 128) * six_bits(e));
	ck_assert_uint_eq(source_row_bytes(SOURCE_Q6_K, 512), 420);
	ck_assert_uint_eq(source_row_bytes(SOURCE_Q6_K, 128), 0);
	ck_assert_int_eq(source_exact(SOURCE_Q6_K), WL_F32);
}
END_TEST

/* --- Refusals --- */

/* import_write must fail with a line that holds the words. */
static void refused(struct import_model *m, const char *words)
{
	struct wl_error err = { .text = "" };
	int before = files_in(dir);

	ck_assert_int_eq(source_index(&m->sources, &err), 0);
	ck_assert_int_eq(import_write(&opt, m, &err), -1);
	ck_assert_msg(strstr(err.text, words), "\"%s\" lacks %s", err.text,
	              words);
	ck_assert_int_eq(files_in(dir), before);
	import_model_fini(m);
}

static struct source_tensor *tensor(struct import_model *m, const char *name)
{
	for (size_t i = 0; i < m->sources.n; i++)
		if (strcmp(m->sources.tensor[i].name, name) == 0)
			return &m->sources.tensor[i];
	ck_abort_msg("no tensor %s", name);
	return NULL;
}

static void rename_tensor(struct import_model *m, const char *from,
                          const char *to)
{
	struct source_tensor *t = tensor(m, from);

	free(t->name);
	t->name = wl_strdup(to);
}

START_TEST(tensors_that_do_not_fit_are_refused)
{
	struct import_model m;

	make(&m, shape(), SOURCE_F32);
	rename_tensor(&m, "l.1.k", "x");
	refused(&m, "tensor l.1.k is missing");
	make(&m, shape(), SOURCE_F32);
	tensor(&m, "l.0.q")->rows--;
	refused(&m, "l.0.q is 63 x 32 (2-D), the model's shape needs 64 x 32");
	make(&m, shape(), SOURCE_F32);
	tensor(&m, "l.1.d")->cols = E;
	tensor(&m, "l.1.d")->rows = F;
	refused(&m, "l.1.d is 64 x 32");
	make(&m, shape(), SOURCE_F32);
	tensor(&m, "n")->vector = false;
	refused(&m, "n is 1 x 32 (2-D)");
	make(&m, shape(), SOURCE_F32);
	m.model.qkv_bias = false;
	refused(&m, "tensor l.0.bk is not known here");
}
END_TEST

START_TEST(tied_models_take_either_name)
{
	struct model tied = shape();
	struct import_model m;

	tied.tied = true;
	make(&m, tied, SOURCE_F32);
	written(&m, WL_F32);
	make(&m, tied, SOURCE_F32);
	rename_tensor(&m, "emb", "x");
	refused(&m, "tensor emb is missing");
	make(&m, tied, SOURCE_F32);
	rename_tensor(&m, "emb", "head");
	written(&m, WL_F32);
	/* Beside the embedding the head must be a copy. */
	make(&m, tied, SOURCE_F32);
	m.model.qkv_bias = false;
	rename_tensor(&m, "l.0.bq", "head");
	refused(&m, "head differs from emb");
	make(&m, tied, SOURCE_F32);
	m.model.qkv_bias = false;
	refused(&m, "tensor l.0.bk is not known here");
}
END_TEST

START_TEST(numbers_that_are_none_are_refused)
{
	static const uint16_t f16[] = { 0x7c00, 0xfc00, 0x7e00 };
	static const uint16_t bf16[] = { 0x7f80, 0xff80, 0x7fc1 };
	static const enum source_type with_scale[] = { SOURCE_F16, SOURCE_Q8_0,
	                                               SOURCE_Q4_0 };
	struct import_model m;

	/* A scale of a packed type is a binary16 too. */
	for (int t = 0; t < 3; t++)
		for (int i = 0; i < 3; i++) {
			FILE *f;

			make(&m, shape(), with_scale[t]);
			f = fopen(src, "r+b");
			fseek(f, tensor(&m, "l.1.v")->at, SEEK_SET);
			put_half(f, f16[i]);
			fclose(f);
			refused(&m, "l.1.v has the value");
		}
	for (int i = 0; i < 3; i++) {
		FILE *f;

		make(&m, shape(), SOURCE_BF16);
		f = fopen(src, "r+b");
		fseek(f, tensor(&m, "head")->at + 2 * V * E - 2, SEEK_SET);
		put_half(f, bf16[i]);
		fclose(f);
		refused(&m, "head has the value");
	}
}
END_TEST

START_TEST(other_misfits_are_refused)
{
	struct import_model m;

	make(&m, shape(), SOURCE_F32);
	vocab_pad(&m.vocab, V);
	vocab_add(&m.vocab, PIECE_NORMAL, 0, "xyz", 3);
	refused(&m, "the tokenizer has 8 pieces, the model 7 ids: piece 7,"
	        " \"xyz\", has no embedding");
	make(&m, shape(), SOURCE_F32);
	vocab_pad(&m.vocab, V);
	vocab_add(&m.vocab, PIECE_USER, 0, "xyz", 3);
	refused(&m, "the tokenizer has 8 pieces, the model 7 ids");
	make(&m, shape(), SOURCE_F32);
	vocab_pad(&m.vocab, V + 1);
	m.vocab.bos_id = V;
	refused(&m, "the tokenizer has 8 pieces, the model 7 ids");
	make(&m, shape(), SOURCE_F32);
	m.model.n_kv_heads = 3;
	refused(&m, "n_kv_heads");
	make(&m, shape(), SOURCE_F32);
	ck_assert_int_eq(truncate(src, m.sources.file[0].bytes - 1), 0);
	refused(&m, "became shorter");
}
END_TEST

/* --- source.c alone --- */

static void add_refused(struct sources *s, struct source_tensor t,
                        const char *words)
{
	struct wl_error err = { .text = "" };
	size_t before = s->n;

	ck_assert_int_eq(source_add(s, &t, &err), -1);
	ck_assert_msg(strstr(err.text, words), "\"%s\" lacks %s", err.text,
	              words);
	ck_assert_msg(strstr(err.text, src) && strstr(err.text, "w"), "%s",
	              err.text);
	ck_assert_uint_eq(s->n, before);
}

/* A file of 1000 bytes. */
static void open_plain(struct sources *s)
{
	struct wl_error err = { .text = "" };
	FILE *f = fopen(src, "wb");

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < 1000; i++)
		fputc(i, f);
	fclose(f);
	*s = (struct sources){ 0 };
	ck_assert_int_eq(source_add_file(s, src, &err), 0);
}

START_TEST(places_are_checked)
{
	const uint64_t huge = UINT64_C(1) << 31;
	struct source_tensor t = { .name = "w", .type = SOURCE_F32,
	                           .rows = 10, .cols = 25 };
	struct wl_error err = { .text = "" };
	struct sources s;

	open_plain(&s);
	ck_assert_int_eq(source_add(&s, &t, &err), 0);
	t.at = 1;
	add_refused(&s, t, "not in the file of 1000 bytes");
	t.at = UINT64_MAX - 3;
	add_refused(&s, t, "not in the file");
	t.at = 0;
	t.rows = 11;
	add_refused(&s, t, "not in the file");
	t.rows = huge;
	t.cols = huge;
	add_refused(&s, t, "not in the file");
	t.rows = huge + 1;
	add_refused(&s, t, "absurd");
	t.rows = 0;
	add_refused(&s, t, "absurd");
	t.rows = 1;
	t.cols = 0;
	add_refused(&s, t, "absurd");
	t.cols = UINT64_MAX;
	add_refused(&s, t, "absurd");
	t.type = SOURCE_Q8_0;
	t.cols = 33;
	add_refused(&s, t, "not whole Q8_0 blocks");
	sources_fini(&s);
}
END_TEST

START_TEST(names_and_bytes_are_had_once)
{
	struct source_tensor t = { .name = "w", .type = SOURCE_F16,
	                           .rows = 2, .cols = 4 };
	struct wl_error err = { .text = "" };
	struct sources s;

	open_plain(&s);
	ck_assert_int_eq(source_index(&s, &err), 0);
	ck_assert_ptr_null(source_find(&s, "w"));
	ck_assert_int_eq(source_add(&s, &t, &err), 0);
	t.at = 16;
	ck_assert_int_eq(source_add(&s, &t, &err), 0);
	ck_assert_int_eq(source_index(&s, &err), -1);
	ck_assert_msg(strstr(err.text, "w occurs twice"), "%s", err.text);
	sources_fini(&s);

	open_plain(&s);
	t.name = "a";
	ck_assert_int_eq(source_add(&s, &t, &err), 0);
	t.name = "b";
	t.at = 31;
	ck_assert_int_eq(source_add(&s, &t, &err), 0);
	ck_assert_int_eq(source_index(&s, &err), -1);
	ck_assert_msg(strstr(err.text, "a and b share bytes"), "%s", err.text);
	sources_fini(&s);
}
END_TEST

START_TEST(tensors_are_found)
{
	struct source_tensor t = { .type = SOURCE_F32, .rows = 1, .cols = 1 };
	struct wl_error err = { .text = "" };
	struct sources s;
	char name[8];

	open_plain(&s);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "t%d", i * 37 % 200);
		t.name = name;
		t.at = 4 * i;
		ck_assert_int_eq(source_add(&s, &t, &err), 0);
	}
	ck_assert_int_eq(source_index(&s, &err), 0);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "t%d", i * 37 % 200);
		ck_assert_uint_eq(source_find(&s, name)->at, 4 * i);
		ck_assert(source_find(&s, name)->used);
	}
	ck_assert_ptr_null(source_find(&s, "t200"));
	sources_fini(&s);
}
END_TEST

START_TEST(files_are_regular)
{
	struct wl_error err = { .text = "" };
	struct sources s = { 0 };
	char fifo[256], bytes[4];

	ck_assert_int_eq(source_add_file(&s, dir, &err), -1);
	ck_assert(strstr(err.text, "not a regular file"));
	snprintf(fifo, sizeof fifo, "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	ck_assert_int_eq(source_add_file(&s, fifo, &err), -1);
	ck_assert(strstr(err.text, "not a regular file"));
	unlink(fifo);
	ck_assert_int_eq(source_add_file(&s, fifo, &err), -1);
	ck_assert(strstr(err.text, "No such file"));
	ck_assert_int_eq(s.n_files, 0);
	open_plain(&s);
	ck_assert_int_eq(source_read(&s, 0, 996, bytes, 4, &err), 0);
	ck_assert_int_eq((unsigned char)bytes[3], 999 % 256);
	ck_assert_int_eq(source_read(&s, 0, 997, bytes, 4, &err), -1);
	sources_fini(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("source");
	TCase *t = tcase_create("source");
	int status;

	if (!scratch_make(dir, "check_source"))
		return EXIT_FAILURE;
	snprintf(src, sizeof src, "%s/source", dir);
	snprintf(dest, sizeof dest, "%s/dest.h5", dir);
	tcase_add_test(t, every_type_comes_back);
	tcase_add_test(t, blocks_of_6_bits_are_unpacked);
	tcase_add_test(t, tensors_that_do_not_fit_are_refused);
	tcase_add_test(t, tied_models_take_either_name);
	tcase_add_test(t, numbers_that_are_none_are_refused);
	tcase_add_test(t, other_misfits_are_refused);
	tcase_add_test(t, places_are_checked);
	tcase_add_test(t, names_and_bytes_are_had_once);
	tcase_add_test(t, tensors_are_found);
	tcase_add_test(t, files_are_regular);
	suite_add_tcase(s, t);
	status = run_suite(s);
	unlink(src);
	unlink(dest);
	rmdir(dir);
	return status;
}
