/* Shapes, names and order of a model's tensors, what model_check refuses, and
 * the optional keys of a SHAPE.json. */
#include "config.h"
#include "model/model.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "import/import.h"
#include "model/shape.h"
#include "suite.h"

/* Six query heads on two KV heads; no two extents are equal. */
static const struct model gqa = {
	.dim = 10,
	.hidden_dim = 14,
	.n_layers = 2,
	.n_heads = 6,
	.n_kv_heads = 2,
	.head_dim = 4,
	.vocab_size = 300,
	.max_seq_len = 32,
	.rope_theta = 1e4,
	.rms_eps = 1e-5,
	.tied = false,
	.bos_id = 1,
	.n_stop = 2,
	.stop_id = { 2, 7 },
};

START_TEST(types_have_names_and_sizes)
{
	static const struct {
		const char *name;
		enum wl_type type;
		size_t size;
	} want[] = {
		{ "f32", WL_F32, 4 }, { "f16", WL_F16, 2 },
		{ "bf16", WL_BF16, 2 },
	};

	ck_assert_int_eq(WL_NTYPES, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(wl_type_name(want[i].type), want[i].name);
		ck_assert_int_eq(wl_type_parse(want[i].name), want[i].type);
		ck_assert_uint_eq(wl_type_size(want[i].type), want[i].size);
	}
	ck_assert_int_eq(wl_type_parse("q4_0"), -1);
	ck_assert_int_eq(wl_type_parse(""), -1);
}
END_TEST

START_TEST(channels_follow_heads)
{
	ck_assert_int_eq(model_kv_dim(&gqa), 8);
	ck_assert_int_eq(model_q_dim(&gqa), 24);
	ck_assert_int_eq(model_group(&gqa), 3);
	ck_assert(model_stops_at(&gqa, 2));
	ck_assert(model_stops_at(&gqa, 7));
	ck_assert(!model_stops_at(&gqa, 0));
	ck_assert(!model_stops_at(&gqa, 1));
}
END_TEST

START_TEST(shapes_are_k_major)
{
	static const struct {
		enum tensor_kind kind;
		size_t rows, cols;
	} want[] = {
		{ T_EMBEDDING, 10, 300 }, { T_ROPE_FACTORS, 1, 2 },
		{ T_ATTN_NORM, 1, 10 },
		{ T_WQ, 10, 24 }, { T_WK, 10, 8 }, { T_WV, 10, 8 },
		{ T_BQ, 1, 24 }, { T_BK, 1, 8 }, { T_BV, 1, 8 },
		{ T_WO, 24, 10 }, { T_FFN_NORM, 1, 10 }, { T_GATE, 10, 14 },
		{ T_UP, 10, 14 }, { T_DOWN, 14, 10 }, { T_NORM, 1, 10 },
		{ T_HEAD, 10, 300 },
	};

	ck_assert_uint_eq(sizeof want / sizeof *want, T_NKINDS);
	for (int i = 0; i < T_NKINDS; i++) {
		struct tensor_shape s = tensor_shape(&gqa, want[i].kind);

		ck_assert_uint_eq(s.rows, want[i].rows);
		ck_assert_uint_eq(s.cols, want[i].cols);
		ck_assert_int_eq(s.vector, want[i].rows == 1);
	}
}
END_TEST

/* Collects the names visited, one per line; stops after `left` of them. */
struct list {
	char text[1024];
	int left;
};

static int collect(void *ctx, enum tensor_kind kind, int layer)
{
	struct list *l = ctx;
	char name[64];

	tensor_name(kind, layer, name, sizeof name);
	strcat(l->text, name);
	strcat(l->text, "\n");
	return --l->left == 0 ? 42 : 0;
}

#define LAYER_WITH(n, biases) \
	"layers." n ".attention_norm\nlayers." n ".wq\nlayers." n ".wk\n" \
	"layers." n ".wv\n" biases "layers." n ".wo\n" \
	"layers." n ".ffn_norm\nlayers." n ".gate\nlayers." n ".up\n" \
	"layers." n ".down\n"
#define BIASES(n) "layers." n ".bq\nlayers." n ".bk\nlayers." n ".bv\n"
#define LAYER(n) LAYER_WITH(n, "")
#define BIASED(n) LAYER_WITH(n, BIASES(n))

START_TEST(tensors_come_in_file_order)
{
	struct list l = { "", -1 };

	ck_assert_int_eq(model_each_tensor(&gqa, collect, &l), 0);
	ck_assert_str_eq(l.text, "embedding\n" LAYER("0") LAYER("1")
	                 "norm\nhead\n");
}
END_TEST

START_TEST(tied_models_have_no_head)
{
	struct list l = { "", -1 };
	struct model m = gqa;

	m.tied = true;
	ck_assert(!tensor_present(&m, T_HEAD));
	ck_assert(tensor_present(&gqa, T_HEAD));
	ck_assert(tensor_present(&m, T_EMBEDDING));
	ck_assert_int_eq(model_each_tensor(&m, collect, &l), 0);
	ck_assert_str_eq(l.text, "embedding\n" LAYER("0") LAYER("1") "norm\n");
}
END_TEST

START_TEST(biases_and_factors_have_their_places)
{
	struct list l = { "", -1 };
	struct model m = gqa;

	ck_assert(!tensor_present(&m, T_BQ) && !tensor_present(&m, T_BK) &&
	          !tensor_present(&m, T_BV));
	ck_assert(!tensor_present(&m, T_ROPE_FACTORS));
	m.qkv_bias = true;
	ck_assert_int_eq(model_each_tensor(&m, collect, &l), 0);
	ck_assert_str_eq(l.text, "embedding\n" BIASED("0") BIASED("1")
	                 "norm\nhead\n");
	m.qkv_bias = false;
	m.rope_scaled = true;
	l = (struct list){ "", -1 };
	ck_assert_int_eq(model_each_tensor(&m, collect, &l), 0);
	ck_assert_str_eq(l.text, "embedding\nrope_factors\n" LAYER("0")
	                 LAYER("1") "norm\nhead\n");
	m.qkv_bias = true;
	l = (struct list){ "", -1 };
	ck_assert_int_eq(model_each_tensor(&m, collect, &l), 0);
	ck_assert_str_eq(l.text, "embedding\nrope_factors\n" BIASED("0")
	                 BIASED("1") "norm\nhead\n");
}
END_TEST

START_TEST(models_differ_in_any_field)
{
	struct model m = gqa;

	ck_assert(model_same(&m, &gqa));
	m.qkv_bias = true;
	ck_assert(!model_same(&m, &gqa));
	m = gqa;
	m.rope_scaled = true;
	ck_assert(!model_same(&m, &gqa));
	m = gqa;
	m.head_dim = 6;
	ck_assert(!model_same(&m, &gqa));
	m = gqa;
	m.stop_id[1] = 8;
	ck_assert(!model_same(&m, &gqa));
	m.n_stop = 1;
	m.stop_id[2] = 9; /* not in use */
	ck_assert(!model_same(&m, &gqa));
	m = gqa;
	m.stop_id[2] = 9;
	ck_assert(model_same(&m, &gqa));
}
END_TEST

START_TEST(a_visit_can_be_ended)
{
	struct list first = { "", 1 }, second = { "", 2 }, last = { "", 21 };

	ck_assert_int_eq(model_each_tensor(&gqa, collect, &first), 42);
	ck_assert_str_eq(first.text, "embedding\n");
	ck_assert_int_eq(model_each_tensor(&gqa, collect, &second), 42);
	ck_assert_str_eq(second.text, "embedding\nlayers.0.attention_norm\n");
	ck_assert_int_eq(model_each_tensor(&gqa, collect, &last), 42);
}
END_TEST

/* One line that names the file and the field. */
static void refuses(const struct model *m, const char *field)
{
	struct wl_error err = { .text = "" };

	ck_assert_int_eq(model_check(m, "some.file", &err), -1);
	ck_assert_msg(strstr(err.text, "some.file: ") == err.text, "%s",
	              err.text);
	ck_assert_msg(strstr(err.text, field), "%s lacks %s", err.text, field);
}

START_TEST(sound_models_pass)
{
	struct wl_error err = { .text = "" };
	struct model m = gqa;

	ck_assert_int_eq(model_check(&m, "x", &err), 0);
	m.bos_id = -1;
	m.n_stop = 0;
	m.rms_eps = 0;
	ck_assert_int_eq(model_check(&m, "x", &err), 0);
	/* Llama 3.1 405B. */
	m = (struct model){
		.dim = 16384, .hidden_dim = 53248, .n_layers = 126,
		.n_heads = 128, .n_kv_heads = 8, .head_dim = 128,
		.vocab_size = 128256, .max_seq_len = 131072,
		.rope_theta = 5e5, .rms_eps = 1e-5, .bos_id = 128000,
		.n_stop = 1, .stop_id = { 128001 },
	};
	ck_assert_int_eq(model_check(&m, "x", &err), 0);
}
END_TEST

START_TEST(absurd_extents_are_refused)
{
	static const struct {
		const char *name;
		size_t at;
		int max;
	} field[] = {
		{ "dim", offsetof(struct model, dim), 1 << 20 },
		{ "hidden_dim", offsetof(struct model, hidden_dim), 1 << 20 },
		{ "n_layers", offsetof(struct model, n_layers), 1 << 12 },
		{ "n_heads", offsetof(struct model, n_heads), 1 << 14 },
		{ "n_kv_heads", offsetof(struct model, n_kv_heads), 1 << 14 },
		{ "head_dim", offsetof(struct model, head_dim), 1 << 16 },
		{ "vocab_size", offsetof(struct model, vocab_size), 1 << 22 },
		{ "max_seq_len", offsetof(struct model, max_seq_len), 1 << 24 },
	};

	for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
		const int bad[] = { 0, -1, INT_MIN, INT_MAX, field[i].max + 1 };

		for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
			struct model m = gqa;

			*(int *)((char *)&m + field[i].at) = bad[b];
			refuses(&m, field[i].name);
		}
	}
}
END_TEST

START_TEST(heads_must_fit)
{
	struct model m = gqa;

	m.n_kv_heads = 4; /* does not divide 6 */
	refuses(&m, "n_kv_heads");
	m.n_kv_heads = 12; /* more than query heads */
	refuses(&m, "n_kv_heads");
	m = gqa;
	m.head_dim = 5;
	refuses(&m, "head_dim");
	m = gqa;
	m.n_heads = m.n_kv_heads = 1 << 14;
	m.head_dim = 1 << 16;
	refuses(&m, "n_heads * head_dim");
}
END_TEST

START_TEST(constants_must_be_sane)
{
	const double theta[] = { 0, -1, NAN, INFINITY };
	const double eps[] = { -1e-9, NAN, INFINITY, -INFINITY };

	for (int i = 0; i < 4; i++) {
		struct model m = gqa;

		m.rope_theta = theta[i];
		refuses(&m, "rope_theta");
		m = gqa;
		m.rms_eps = eps[i];
		refuses(&m, "rms_eps");
	}
}
END_TEST

START_TEST(ids_must_be_in_the_vocabulary)
{
	const int bad[] = { -1, 300, INT_MAX, INT_MIN };
	struct model m = gqa;

	for (int i = 0; i < 4; i++) {
		m = gqa;
		m.stop_id[1] = bad[i];
		refuses(&m, "stop id");
		m = gqa;
		m.bos_id = i == 0 ? -2 : bad[i];
		refuses(&m, "bos_id");
	}
	m = gqa;
	m.n_stop = -1;
	refuses(&m, "n_stop");
	m.n_stop = WL_MAX_STOP + 1;
	refuses(&m, "n_stop");
}
END_TEST

/* Reads a shape of dim 10 and 4 heads with more keys; shape_read's result. */
static int read_shape(const char *more, struct model *m, struct wl_error *err)
{
	const char *tmp = getenv("TMPDIR");
	char path[128];
	FILE *f;
	int fd, rc;

	snprintf(path, sizeof path, "%.60s/check_modelXXXXXX",
	         tmp ? tmp : "/tmp");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	f = fdopen(fd, "w");
	fprintf(f, "{\"dim\": 10, \"hidden_dim\": 7, \"n_layers\": 1,"
	        " \"n_heads\": 4, \"n_kv_heads\": 2, \"vocab_size\": 9,"
	        " \"max_seq_len\": 8%s}", more);
	fclose(f);
	rc = shape_read(path, m, err);
	unlink(path);
	return rc;
}

START_TEST(shapes_may_say_more)
{
	static const struct {
		const char *more, *blame;
	} bad[] = {
		{ "", "\"dim\" 10 is not a multiple" },
		{ ", \"head_dim\": 0", "head_dim is 0" },
		{ ", \"head_dim\": 5", "head_dim 5 is odd" },
		{ ", \"head_dim\": \"6\"", "\"head_dim\" must be" },
		{ ", \"head_dim\": null", "\"head_dim\" must be" },
		{ ", \"head_dim\": 6, \"qkv_bias\": 1",
		  "\"qkv_bias\" must be true or false" },
		{ ", \"head_dim\": 6, \"rope_scaled\": true",
		  "unknown key \"rope_scaled\"" },
	};
	struct wl_error err;
	struct model m;

	ck_assert_int_eq(read_shape(", \"head_dim\": 6", &m, &err), 0);
	ck_assert_int_eq(m.head_dim, 6);
	ck_assert(!m.qkv_bias && !m.rope_scaled);
	ck_assert_int_eq(read_shape(", \"head_dim\": 2, \"qkv_bias\": true",
	                            &m, &err), 0);
	ck_assert_int_eq(m.head_dim, 2);
	ck_assert(m.qkv_bias);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_int_eq(read_shape(bad[i].more, &m, &err), -1);
		ck_assert_msg(strstr(err.text, bad[i].blame), "%s lacks %s",
		              err.text, bad[i].blame);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model");
	TCase *t = tcase_create("model");

	tcase_add_test(t, types_have_names_and_sizes);
	tcase_add_test(t, channels_follow_heads);
	tcase_add_test(t, shapes_are_k_major);
	tcase_add_test(t, tensors_come_in_file_order);
	tcase_add_test(t, tied_models_have_no_head);
	tcase_add_test(t, biases_and_factors_have_their_places);
	tcase_add_test(t, models_differ_in_any_field);
	tcase_add_test(t, a_visit_can_be_ended);
	tcase_add_test(t, sound_models_pass);
	tcase_add_test(t, absurd_extents_are_refused);
	tcase_add_test(t, heads_must_fit);
	tcase_add_test(t, constants_must_be_sane);
	tcase_add_test(t, ids_must_be_in_the_vocabulary);
	tcase_add_test(t, shapes_may_say_more);
	suite_add_tcase(s, t);
	return run_suite(s);
}
