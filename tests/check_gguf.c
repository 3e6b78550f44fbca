/* GGUF's container: files made here, sound ones that come back value by value
 * and ones with one lie each that must be refused. */
#include "config.h"
#include "src/import/gguf.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "import/source.h"
#include "made_gguf.h"
#include "suite.h"

/* A scratch folder, made and removed by main, and a file in it. */
static char dir[64], src[128];

static void open_refused(struct made_gguf *g, const char *says)
{
	struct made_bytes bytes;
	struct wl_error err;
	struct gguf *f = open_made(g, &bytes, &err);

	ck_assert_msg(!f, "taken, not \"%s\"", says);
	one_line(&err, "made: ", says);
	free(bytes.p);
}

START_TEST(every_cut)
{
	struct made_gguf g;
	struct made_bytes b;
	struct wl_error err;
	struct gguf *f;
	size_t head;
	bool more;

	made_gguf_init(&g);
	made_gguf_text(&g, "text", "abc");
	made_gguf_bool(&g, "flag", true);
	if (made_gguf_array(&g, "list", MADE_STRING, 2)) {
		made_put_string(&g.pairs, "", 0);
		made_put_string(&g.pairs, "xy", 2);
	}
	made_gguf_tensor(&g, "t", MADE_T_F32, 2, 3);
	made_put(&g.data, (float[6]){ 0 }, 24);
	b = made_gguf_file(&g, &head);
	made_gguf_fini(&g);
	for (size_t n = 0; n < head; n++) {
		char *cut = wl_malloc(n, 1);

		/* The file ends here; or there is more of it to read. */
		memcpy(cut, b.p, n);
		err.text[0] = '\0';
		ck_assert_ptr_null(gguf_read("made", cut, n, n, &more, &err));
		one_line(&err, "made: ", "");
		ck_assert(!more);
		ck_assert_ptr_null(gguf_read("made", cut, n, b.n, &more, &err));
		ck_assert(more);
		free(cut);
	}
	f = gguf_read("made", b.p, head, b.n, &more, &err);
	ck_assert_ptr_nonnull(f);
	gguf_close(f);
	free(b.p);
}
END_TEST

START_TEST(integers)
{
	static const struct {
		uint32_t type;
		int size;
		int64_t v;
	} row[] = {
		{ MADE_U8, 1, 200 }, { MADE_I8, 1, -100 },
		{ MADE_U16, 2, 60000 }, { MADE_I16, 2, -30000 },
		{ MADE_U32, 4, 4000000000 }, { MADE_I32, 4, -2000000000 },
		{ MADE_U64, 8, INT64_MAX }, { MADE_I64, 8, INT64_MIN },
		{ MADE_I64, 8, -1 },
	};
	struct made_gguf g;
	struct made_bytes b;
	struct wl_error err;
	struct gguf *f;
	int64_t v;

	made_gguf_init(&g);
	made_gguf_key(&g, "key", row[_i].type);
	made_put_int(&g.pairs, row[_i].v, row[_i].size);
	f = open_made(&g, &b, &err);
	ck_assert_msg(f, "%s", err.text);
	ck_assert_int_eq(gguf_get_int(f, "key", INT64_MIN, INT64_MAX, &v, &err),
	                 0);
	ck_assert_int_eq(v, row[_i].v);
	if (v > INT64_MIN) {
		ck_assert_int_eq(gguf_get_int(f, "key", INT64_MIN, v - 1, &v,
		                              &err), -1);
		one_line(&err, "made: ", "key is ");
	}
	if (v < INT64_MAX)
		ck_assert_int_eq(gguf_get_int(f, "key", v + 1, INT64_MAX, &v,
		                              &err), -1);
	gguf_close(f);
	free(b.p);
}
END_TEST

START_TEST(other_values)
{
	struct made_gguf g;
	struct made_bytes b;
	struct wl_error err;
	struct gguf_walk w;
	struct gguf *f;
	const char *s;
	size_t len;
	int64_t i;
	double x;
	bool on;

	made_gguf_init(&g);
	made_gguf_text(&g, "text", "two words");
	made_gguf_real(&g, "real", 0.1f);
	made_gguf_key(&g, "double", MADE_F64);
	made_put(&g.pairs, &(double){ 0.1 }, 8);
	made_gguf_bool(&g, "yes", true);
	made_gguf_bool(&g, "no", false);
	made_gguf_key(&g, "huge", MADE_U64);
	made_put_int(&g.pairs, UINT64_MAX, 8);
	made_gguf_array(&g, "list", MADE_STRING, 2);
	made_put_string(&g.pairs, "first", 5);
	made_put_string(&g.pairs, "", 0);
	made_gguf_array(&g, "ints", MADE_U32, 2);
	made_put_int(&g.pairs, 7, 4);
	made_put_int(&g.pairs, -7, 4);
	made_gguf_array(&g, "reals", MADE_F32, 1);
	made_put_f32(&g.pairs, -2.5f);
	f = open_made(&g, &b, &err);
	ck_assert_msg(f, "%s", err.text);

	ck_assert(gguf_has(f, "list") && !gguf_has(f, "lis") &&
	          !gguf_has(f, "lists"));
	ck_assert_int_eq(gguf_get_string(f, "text", &s, &len, &err), 0);
	ck_assert(len == 9 && memcmp(s, "two words", 9) == 0);
	ck_assert_int_eq(gguf_get_real(f, "real", &x, &err), 0);
	ck_assert(x == 0.1f);
	ck_assert_int_eq(gguf_get_real(f, "double", &x, &err), 0);
	ck_assert(x == 0.1);
	ck_assert_int_eq(gguf_get_bool(f, "yes", &on, &err), 0);
	ck_assert(on);
	ck_assert_int_eq(gguf_get_bool(f, "no", &on, &err), 0);
	ck_assert(!on);
	ck_assert_int_eq(gguf_get_array(f, "list", GGUF_STRINGS, &w, &err), 0);
	s = gguf_next_string(&w, &len);
	ck_assert(w.n == 2 && len == 5 && memcmp(s, "first", 5) == 0);
	gguf_next_string(&w, &len);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(gguf_get_array(f, "ints", GGUF_INTS, &w, &err), 0);
	ck_assert_int_eq(gguf_next_int(&w), 7);
	ck_assert_int_eq(gguf_next_int(&w), -7);
	ck_assert_int_eq(gguf_get_array(f, "reals", GGUF_FLOATS, &w, &err), 0);
	ck_assert(gguf_next_float(&w) == -2.5f);

#define REFUSED(call, says) do { \
	ck_assert_int_eq(call, -1); \
	one_line(&err, "made: ", says); \
} while (0)
	REFUSED(gguf_get_int(f, "nil", 0, 1, &i, &err), "nil is missing");
	REFUSED(gguf_get_int(f, "real", 0, 1, &i, &err), "must be an integer");
	REFUSED(gguf_get_int(f, "yes", 0, 1, &i, &err), "of type bool");
	REFUSED(gguf_get_int(f, "ints", 0, 9, &i, &err), "array of type uint");
	REFUSED(gguf_get_int(f, "huge", 0, INT64_MAX, &i, &err),
	        "huge is 18446744073709551615");
	REFUSED(gguf_get_real(f, "huge", &x, &err), "must be a float");
	REFUSED(gguf_get_real(f, "reals", &x, &err), "must be a float");
	REFUSED(gguf_get_bool(f, "huge", &on, &err), "must be a bool");
	REFUSED(gguf_get_string(f, "list", &s, &len, &err), "must be a string");
	REFUSED(gguf_get_string(f, "no", &s, &len, &err), "must be a string");
	REFUSED(gguf_get_array(f, "text", GGUF_STRINGS, &w, &err),
	        "text must be an array of strings");
	REFUSED(gguf_get_array(f, "ints", GGUF_FLOATS, &w, &err),
	        "ints must be an array of float32");
	REFUSED(gguf_get_array(f, "nil", GGUF_INTS, &w, &err), "is missing");
	gguf_close(f);
	free(b.p);
}
END_TEST

/* A pair's bytes after its key: type and value. */
START_TEST(bad_pairs)
{
#define P(bytes) bytes, sizeof bytes - 1
	static const struct {
		const char *bytes;
		size_t n;
		const char *says;
	} row[] = {
		{ P("\x0d\0\0\0"), "key: unknown value type 13" },
		{ P("\xff\xff\xff\xff"), "unknown value type 4294967295" },
		{ P("\7\0\0\0\2"), "key: a bool is 2" },
		{ P("\x9\0\0\0\7\0\0\0\3\0\0\0\0\0\0\0\1\1\3"), "a bool is 3" },
		{ P("\x9\0\0\0\x9\0\0\0\1\0\0\0\0\0\0\0"), "array of arrays" },
		{ P("\x9\0\0\0\x0e\0\0\0\1\0\0\0\0\0\0\0"), "value type 14" },
		{ P("\x9\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
		  "key: 18446744073709551615 values of type uint8 do not fit" },
		{ P("\x9\0\0\0\x8\0\0\0\0\0\0\0\0\0\0\x20"),
		  "values of type string do not fit" },
		{ P("\x9\0\0\0\xc\0\0\0\1\0\0\0\0\0\0\x20"),
		  "values of type float64 do not fit" },
		{ P("\x9\0\0\0\4\0\0\0\2\0\0\0\0\0\0\0\1\1\1\1"),
		  "values of type uint32 do not fit in the 4 bytes" },
		{ P("\x8\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
		  "key: needs 18446744073709551615 bytes, but 0 are left" },
		{ P("\x9\0\0\0\x8\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\x80"),
		  "key: needs 9223372036854775809 bytes" },
	};
	struct made_gguf g;

	made_gguf_init(&g);
	g.alignment = 1; /* no padding that could be taken for a value */
	g.n_pairs = 1;
	made_put_string(&g.pairs, "key", 3);
	made_put(&g.pairs, row[_i].bytes, row[_i].n);
	open_refused(&g, row[_i].says);
}
END_TEST
#define N_BAD_PAIRS 12

START_TEST(bad_headers)
{
	static const struct {
		uint32_t version;
		uint64_t n_tensors, n_pairs;
		const char *says;
	} row[] = {
		{ 1, 0, 0, "GGUF version 1 is not supported" },
		{ 0, 0, 0, "GGUF version 0 is not supported" },
		{ 4, 0, 0, "GGUF version 4 is not supported" },
		{ 0x03000000, 0, 0, "big-endian" },
		{ 3, UINT64_MAX, 0, "18446744073709551615 tensors do not fit" },
		{ 3, 0, UINT64_MAX, "18446744073709551615 metadata pairs do" },
		{ 3, 1, 0, "1 tensors do not fit" },
		{ 3, 0, 1, "1 metadata pairs do not fit" },
	};
	struct made_gguf g;

	made_gguf_init(&g);
	g.version = row[_i].version;
	g.n_tensors = row[_i].n_tensors;
	g.n_pairs = row[_i].n_pairs;
	g.alignment = 1;
	open_refused(&g, row[_i].says);
}
END_TEST

START_TEST(bad_names)
{
	static char name[65537];
	static const struct {
		size_t len;
		bool tensor;
		const char *says;
	} row[] = {
		{ 0, false, "metadata pair 0: its name has 0 bytes" },
		{ 65536, false, "its name has 65536 bytes, must be 1..65535" },
		{ 0, true, "tensor 0: its name has 0 bytes" },
		{ 65, true, "tensor 0: its name has 65 bytes, must be 1..64" },
		{ 3, false, "its name contains a NUL" },
		{ 3, true, "its name contains a NUL" },
		{ 65535, false, NULL },
		{ 64, true, NULL },
	};
	struct made_gguf g;
	struct made_bytes b, *to;
	struct wl_error err;
	struct gguf *f;

	made_gguf_init(&g);
	memset(name, row[_i].len == 3 ? '\0' : 'n', sizeof name);
	to = row[_i].tensor ? &g.tensors : &g.pairs;
	g.n_tensors = row[_i].tensor;
	g.n_pairs = !row[_i].tensor;
	made_put_string(to, name, row[_i].len);
	made_put(to, "\1\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
	if (row[_i].says) {
		open_refused(&g, row[_i].says);
		return;
	}
	f = open_made(&g, &b, &err);
	ck_assert_msg(f, "%s", err.text);
	gguf_close(f);
	free(b.p);
}
END_TEST

START_TEST(keys_twice)
{
	static const char *const key[] = { "a.b", "b", "a", "a.b" };
	struct made_gguf g;

	made_gguf_init(&g);
	for (int i = 0; i < 4; i++)
		made_gguf_int(&g, key[i], i);
	open_refused(&g, "made: a.b occurs twice");
}
END_TEST

START_TEST(bad_alignments)
{
	static const struct {
		int64_t align;
		const char *says;
	} row[] = {
		{ 0, "general.alignment is 0" },
		{ 4, "general.alignment is 4, must be 8.." },
		{ -32, "general.alignment is -32" },
		{ 24, "must be a power of two" },
	};
	struct made_gguf g;

	made_gguf_init(&g);
	made_gguf_int(&g, "general.alignment", row[_i].align);
	open_refused(&g, row[_i].says);
	made_gguf_init(&g);
	made_gguf_text(&g, "general.alignment", "32");
	open_refused(&g, "general.alignment is of type string");
}
END_TEST

/* A tensor entry after its name, in a file with 64 bytes of data. */
struct entry {
	int n_dims;
	uint64_t dim[5];
	uint32_t type;
	uint64_t offset;
};

static void put_entry(struct made_gguf *g, const char *name,
                      const struct entry *t)
{
	g->n_tensors++;
	made_put_string(&g->tensors, name, strlen(name));
	made_put_int(&g->tensors, t->n_dims, 4);
	for (int i = 0; i < t->n_dims && i < 5; i++)
		made_put_int(&g->tensors, t->dim[i], 8);
	made_put_int(&g->tensors, t->type, 4);
	made_put_int(&g->tensors, t->offset, 8);
	while (g->data.n < 64)
		made_put(&g->data, "", 1);
}

/* Opens g, which is freed, and adds its tensors to s. */
static int add_made(struct made_gguf *g, struct sources *s,
                    struct wl_error *err)
{
	struct gguf *f;
	int rc;

	made_gguf_save(g, src);
	made_gguf_fini(g);
	*err = (struct wl_error){ .text = "" };
	f = gguf_open(src, err);
	if (!f)
		return -1;
	rc = gguf_add_tensors(f, s, err);
	gguf_close(f);
	return rc ? rc : source_index(s, err);
}

START_TEST(bad_tensors)
{
	static const struct {
		struct entry t;
		const char *says;
	} row[] = {
		{ { 0, { 0 }, 0, 0 }, "t: 0 dimensions" },
		{ { 5, { 1, 1, 1, 1, 1 }, 0, 0 }, "t: 5 dimensions" },
		{ { 3, { 2, 2, 2 }, 0, 0 }, "t: 3 dimensions, must be 1 or 2" },
		{ { 4, { 2, 1, 1, 2 }, 0, 0 }, "t: 4 dimensions" },
		{ { 2, { 2, 0 }, 0, 0 }, "t: dimension 1 is 0" },
		{ { 1, { 0 }, 0, 0 }, "t: dimension 0 is 0" },
		{ { 1, { 4 }, 0, 8 }, "t: its offset 8 is not a multiple of the"
		  " alignment 32" },
		{ { 1, { 4 }, 16, 0 }, "t: tensor type IQ2_XXS is not supported"
		  ", only F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K,"
		  " Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL and IQ4_XS" },
		{ { 1, { 4 }, 15, 0 }, "t: tensor type Q8_K is not" },
		{ { 1, { 4 }, 33, 0 }, "t: tensor type Q4_0_8_8 is not" },
		{ { 1, { 4 }, 28, 0 }, "t: tensor type F64 is not" },
		{ { 1, { 4 }, 4, 0 }, "t: unknown tensor type 4" },
		{ { 1, { 4 }, 4000000000, 0 }, "unknown tensor type 4000" },
		{ { 1, { 17 }, 0, 0 }, "t: its 68 bytes" },
		{ { 1, { 9 }, 0, 32 }, "t: its 36 bytes at offset" },
		{ { 1, { 4 }, 0, 64 }, "t: its 16 bytes" },
		{ { 1, { 4 }, 0, UINT64_MAX - 31 }, "t: its offset" },
		{ { 1, { UINT64_MAX }, 0, 0 }, "absurd extents" },
		{ { 2, { UINT64_C(1) << 32, UINT64_C(1) << 32 }, 0, 0 },
		  "absurd extents" },
		{ { 1, { 48 }, 8, 0 }, "not whole Q8_0 blocks" },
		{ { 2, { 31, 1 }, 2, 0 }, "not whole Q4_0 blocks" },
		{ { 1, { 48 }, 3, 0 }, "not whole Q4_1 blocks" },
		{ { 1, { 128 }, 12, 0 }, "not whole Q4_K blocks" },
		{ { 1, { 32 }, 23, 0 }, "not whole IQ4_XS blocks" },
		{ { 1, { 256 }, 10, 0 }, "t: its 84 bytes" },
		{ { 2, { 256, 2 }, 13, 0 }, "t: its 352 bytes" },
	};
	struct made_gguf g;
	struct sources s = { 0 };
	struct wl_error err;

	made_gguf_init(&g);
	put_entry(&g, "t", &row[_i].t);
	ck_assert_msg(add_made(&g, &s, &err) == -1, "taken, not \"%s\"",
	              row[_i].says);
	one_line(&err, src, row[_i].says);
	sources_fini(&s);
}
END_TEST
#define N_BAD_TENSORS 26

START_TEST(two_tensors)
{
	static const struct {
		const char *name;
		struct entry t;
		const char *says;
	} row[] = {
		{ "t", { 1, { 4 }, 0, 32 }, "t occurs twice" },
		{ "u", { 1, { 4 }, 0, 0 }, "share bytes" },
		{ "u", { 1, { 4 }, 0, 32 }, NULL },
	};
	static const struct entry first = { 2, { 4, 2 }, 0, 0 };
	struct made_gguf g;
	struct sources s = { 0 };
	struct wl_error err;
	int rc;

	made_gguf_init(&g);
	put_entry(&g, "t", &first);
	put_entry(&g, row[_i].name, &row[_i].t);
	rc = add_made(&g, &s, &err);
	ck_assert_int_eq(rc, row[_i].says ? -1 : 0);
	if (row[_i].says)
		one_line(&err, src, row[_i].says);
	sources_fini(&s);
}
END_TEST

/* Shapes and places as the format means them; trailing ones are dropped; the
 * data start where the alignment says. */
START_TEST(sound_tensors)
{
	static const struct entry t[] = {
		{ 1, { 8 }, 0, 0 }, { 2, { 32, 1 }, 8, 0 },
		{ 4, { 4, 3, 1, 1 }, 30, 0 },
	};
	struct made_gguf g;
	struct made_bytes b;
	struct sources s = { 0 };
	struct wl_error err;
	size_t head;
	int align = 16 << 2 * _i;

	made_gguf_init(&g);
	g.alignment = align;
	made_gguf_int(&g, "general.alignment", align);
	put_entry(&g, "t", &t[_i]);
	b = made_gguf_file(&g, &head);
	free(b.p);
	ck_assert_msg(!add_made(&g, &s, &err), "%s", err.text);
	ck_assert_uint_eq(s.n, 1);
	ck_assert_uint_eq(s.tensor[0].at, b.n - 64);
	ck_assert_uint_eq(s.tensor[0].cols, t[_i].dim[0]);
	ck_assert_uint_eq(s.tensor[0].rows, _i == 2 ? 3 : 1);
	ck_assert(s.tensor[0].vector == (_i == 0));
	ck_assert_int_eq(s.tensor[0].type, _i == 0 ? SOURCE_F32 :
	                 _i == 1 ? SOURCE_Q8_0 : SOURCE_BF16);
	sources_fini(&s);
}
END_TEST

/* More before the data than is read at first. */
START_TEST(long_head)
{
	struct made_gguf g;
	struct wl_error err;
	struct gguf *f;
	char *text = calloc(1, 3000001);
	const char *s;
	size_t len;

	memset(text, 'x', 3000000);
	made_gguf_init(&g);
	made_gguf_text(&g, "a", text);
	made_gguf_text(&g, "b", text);
	made_gguf_save(&g, src);
	made_gguf_fini(&g);
	f = gguf_open(src, &err);
	ck_assert_msg(f, "%s", err.text);
	ck_assert_int_eq(gguf_get_string(f, "b", &s, &len, &err), 0);
	ck_assert(len == 3000000 && memcmp(s, text, len) == 0);
	gguf_close(f);
	free(text);
}
END_TEST

/* A large file, all hole but for its start, whose one string would fill it. */
START_TEST(endless_head)
{
	struct made_gguf g;
	struct wl_error err;

	made_gguf_init(&g);
	made_gguf_key(&g, "a", MADE_STRING);
	made_put_int(&g.pairs, 900000000, 8);
	made_gguf_save(&g, src);
	made_gguf_fini(&g);
	ck_assert_int_eq(truncate(src, 1000000000), 0);
	ck_assert_ptr_null(gguf_open(src, &err));
	one_line(&err, src, "bytes before its tensor data");
}
END_TEST

START_TEST(no_file)
{
	struct wl_error err;

	ck_assert_ptr_null(gguf_open("/no/such", &err));
	one_line(&err, "/no/such: ", "");
	ck_assert_ptr_null(gguf_open("/dev", &err));
	one_line(&err, "/dev: ", "regular");
}
END_TEST

static void add_tests(Suite *s)
{
	TCase *t = tcase_create("gguf");

	tcase_add_test(t, every_cut);
	tcase_add_loop_test(t, integers, 0, 9);
	tcase_add_test(t, other_values);
	tcase_add_loop_test(t, bad_pairs, 0, N_BAD_PAIRS);
	tcase_add_loop_test(t, bad_headers, 0, 8);
	tcase_add_loop_test(t, bad_names, 0, 8);
	tcase_add_test(t, keys_twice);
	tcase_add_loop_test(t, bad_alignments, 0, 4);
	tcase_add_loop_test(t, bad_tensors, 0, N_BAD_TENSORS);
	tcase_add_loop_test(t, two_tensors, 0, 3);
	tcase_add_loop_test(t, sound_tensors, 0, 3);
	tcase_add_test(t, long_head);
	tcase_add_test(t, endless_head);
	tcase_add_test(t, no_file);
	suite_add_tcase(s, t);
}

int main(void)
{
	Suite *s = suite_create("gguf");
	int status;

	if (!scratch_make(dir, "check_gguf"))
		return EXIT_FAILURE;
	snprintf(src, sizeof src, "%s/model.gguf", dir);
	add_tests(s);
	status = run_suite(s);
	unlink(src);
	rmdir(dir);
	return status;
}
