/* The safetensors container, in a directory around it: tensors come back as
 * they were written, headers that lie are refused with one line that names
 * the file and the tensor. */
#include "config.h"
#include "src/import/safetensors.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "made_hf.h"
#include "suite.h"

START_TEST(tensors_are_read)
{
	struct source_tensor *t;
	struct import_model m;

	setup();
	made_find("model.norm.weight")->dtype = "BF16";
	made_find("model.layers.0.mlp.up_proj.weight")->dtype = "F16";
	put_tensors("model.safetensors", 0);
	m = accepted();
	ck_assert_uint_eq(m.sources.n, n_made);
	for (int i = 0; i < n_made; i++) {
		const struct made *w = &made[i];
		unsigned char first[4];
		struct wl_error err;
		float x = element(w, 0);
		uint16_t half = strcmp(w->dtype, "F16") ? wl_f32_to_bf16(x) :
		                                          wl_f32_to_f16(x);

		t = source_find(&m.sources, w->name);
		ck_assert_msg(t != NULL, "%s", w->name);
		ck_assert_str_eq(source_type_name(t->type), w->dtype);
		ck_assert_int_eq(t->vector, w->rows == 0);
		ck_assert_int_eq(t->rows, w->rows ? w->rows : 1);
		ck_assert_int_eq(t->cols, w->cols);
		ck_assert_int_eq(source_read(&m.sources, t->file, t->at, first,
		                             size_of(w), &err), 0);
		ck_assert_mem_eq(first, size_of(w) == 4 ? (void *)&x :
		                        (void *)&half, size_of(w));
	}
	import_model_fini(&m);
}
END_TEST

/* A file of a header and n bytes of data. */
static void put_header(const char *header, int n)
{
	uint64_t len = strlen(header);
	char file[2048] = { 0 };

	memcpy(file, &len, 8);
	memcpy(file + 8, header, len);
	put_file("model.safetensors", file, 8 + len + n);
}

#define ONE(dtype, shape, offsets) "{\"t\": {\"dtype\": " dtype "," \
	"\"shape\": " shape ", \"data_offsets\": " offsets "}}"
#define TWO(a, b) "{\"t\": {\"dtype\": \"F32\", \"shape\": [2]," \
	"\"data_offsets\": " a "}, \"u\": {\"dtype\": \"F16\"," \
	"\"shape\": [2, 1], \"data_offsets\": " b "}}"

START_TEST(lying_headers_are_refused)
{
	static const struct {
		const char *header;
		int bytes;
		const char *blame;
	} bad[] = {
		{ "{", 0, "header: " },
		{ "[]", 0, "not a JSON object" },
		{ "{\"t\": 1}", 0, "t: not an object" },
		{ ONE("4", "[2]", "[0, 8]"), 8, "t: \"dtype\"" },
		{ ONE("\"F32\"", "2", "[0, 8]"), 8, "t: \"shape\" must be" },
		{ ONE("\"I8\"", "[8]", "[0, 8]"), 7, "the file's data at 7" },
		{ ONE("\"I8\"", "[8]", "[0, 8]"), 9, "1 bytes after" },
		{ ONE("\"F32\"", "[-2]", "[0, 8]"), 8, "each extent" },
		{ ONE("\"F32\"", "[2.0]", "[0, 8]"), 8, "each extent" },
		{ ONE("\"F32\"", "[4294967298]", "[0, 8]"), 8, "each extent" },
		{ ONE("\"F32\"", "[2147483647, 2147483647]", "[0, 8]"), 8,
		  "need 18446744056529682436" },
		{ ONE("\"F32\"", "[3]", "[0, 8]"), 8, "span 8 bytes" },
		{ ONE("\"BF16\"", "[2]", "[0, 8]"), 8, "need 4" },
		{ ONE("\"F32\"", "[2]", "8"), 8, "\"data_offsets\" must be" },
		{ ONE("\"F32\"", "[2]", "[8]"), 8, "\"data_offsets\" must be" },
		{ ONE("\"F32\"", "[2]", "[0, 8, 8]"), 8, "must be two" },
		{ ONE("\"F32\"", "[2]", "[8, 0]"), 8, "must be two" },
		{ ONE("\"F32\"", "[2]", "[8, 8]"), 8, "span 0 bytes" },
		{ ONE("\"F32\"", "[2]", "[-8, 0]"), 8, "must be two" },
		{ ONE("\"F32\"", "[2]", "[0, \"8\"]"), 8, "must be two" },
		{ ONE("\"F32\"", "[2]", "[0, 8]"), 7, "the file's data at 7" },
		{ ONE("\"F32\"", "[2]", "[9223372036854775799,"
		  "9223372036854775807]"), 8, "end at 9223372036854775807" },
		{ ONE("\"F32\"", "[2]", "[4, 12]"), 12, "t: a gap of 4" },
		{ ONE("\"F32\"", "[2]", "[0, 8]"), 9, "1 bytes after" },
		{ TWO("[0, 8]", "[7, 11]"), 11, "t and u overlap" },
		{ TWO("[0, 8]", "[0, 4]"), 8, "overlap" },
		{ TWO("[4, 12]", "[0, 4]"), 13, "1 bytes after" },
		{ TWO("[0, 8]", "[9, 13]"), 13, "u: a gap of 1" },
		{ "{\"t\": {}, \"t\": {}}", 0, "duplicate" },
		{ "{\"t\": {\"dtype\": \"F32\", \"shape\": [2], \"shape\": [1],"
		  "\"data_offsets\": [0, 8]}}", 8, "duplicate" },
		{ "{}x", 0, "header: " },
	};
	struct import_model m;

	setup();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		put_header(bad[i].header, bad[i].bytes);
		refused("model.safetensors", bad[i].blame);
	}
	put_header(TWO("[4, 12]", "[0, 4]") "  ", 12);
	m = accepted();
	ck_assert_uint_eq(m.sources.n, 2);
	import_model_fini(&m);
	put_header("{}", 0);
	m = accepted();
	ck_assert_uint_eq(m.sources.n, 0);
	import_model_fini(&m);
}
END_TEST

/* What no model needs may lie in a file. */
START_TEST(odd_tensors_are_entered)
{
	static const struct {
		const char *header;
		int bytes;
		const char *odd;
	} row[] = {
		{ ONE("\"I8\"", "[8]", "[0, 8]"), 8, "dtype I8 is not" },
		{ ONE("\"F8_E4M3\"", "[8]", "[0, 8]"), 8, "F8_E4M3" },
		{ ONE("\"F32\"", "[]", "[0, 4]"), 4, "0 dimensions" },
		{ ONE("\"F32\"", "[1, 1, 2]", "[0, 8]"), 8, "3 dimensions" },
		{ ONE("\"F32\"", "[0]", "[0, 0]"), 0, "empty" },
		{ ONE("\"F32\"", "[2, 0]", "[0, 0]"), 0, "empty" },
	};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct sources s = { 0 };
		struct wl_error err = { .text = "" };

		put_header(row[i].header, row[i].bytes);
		ck_assert_msg(!safetensors_read(path_of("model.safetensors"),
		                                &s, &err), "%s", err.text);
		ck_assert_int_eq(source_index(&s, &err), 0);
		ck_assert_uint_eq(s.n, 1);
		ck_assert(s.tensor[0].odd &&
		          strstr(s.tensor[0].odd, row[i].odd));
		sources_fini(&s);
	}
}
END_TEST

START_TEST(header_lengths_are_checked)
{
	static const uint64_t bad[] = {
		0, 3, 100000000, 100000001, UINT64_MAX, UINT64_MAX - 7,
		(uint64_t)1 << 63,
	};
	char file[10] = "........{}";

	setup();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memcpy(file, &bad[i], 8);
		put_file("model.safetensors", file, 10);
		refused("model.safetensors", "a header of");
	}
	for (int n = 1; n < 8; n++) {
		put_file("model.safetensors", file, n);
		refused("model.safetensors", "too few");
	}
	put_file("model.safetensors", file, 0);
	refused("model.safetensors", "an empty file");
	put_file("model.safetensors", file, 8);
	refused("model.safetensors", "a header of");
	/* Every length that a good file could have been cut to. */
	put_header(TWO("[0, 8]", "[8, 12]"), 12);
	for (int n = 8 + strlen(TWO("[0, 8]", "[8, 12]")) + 11; n > 8; n--) {
		ck_assert_int_eq(truncate(path_of("model.safetensors"), n), 0);
		refused("model.safetensors", "");
	}
}
END_TEST

START_TEST(leftover_tables_are_ignored)
{
	struct wl_error err = { .text = "" };
	struct import_model m;

	setup();
	add_tensor("model.layers.0.self_attn.rotary_emb.inv_freq", 0, HD / 2);
	add_tensor("model.layers.1.self_attn.rotary_emb.inv_freq", 0, HD / 2);
	put_tensors("model.safetensors", 0);
	m = accepted();
	for (size_t i = 0; i < m.sources.n; i++)
		if (!strstr(m.sources.tensor[i].name, "inv_freq"))
			m.sources.tensor[i].used = true;
	ck_assert_msg(import_fit(&m, "made", &err) == 0, "%s", err.text);
	ck_assert_int_eq(m.n_notes, 2); /* and that the tokenizer is padded */
	ck_assert_str_eq(m.note[0], "ignored: 2 tensors model.layers.*."
	                 "self_attn.rotary_emb.inv_freq: a table that follows"
	                 " from the shape");
	import_model_fini(&m);
}
END_TEST

static void add_tests(Suite *s)
{
	TCase *t = tcase_create("safetensors");

	tcase_add_test(t, tensors_are_read);
	tcase_add_test(t, lying_headers_are_refused);
	tcase_add_test(t, odd_tensors_are_entered);
	tcase_add_test(t, header_lengths_are_checked);
	tcase_add_test(t, leftover_tables_are_ignored);
	suite_add_tcase(s, t);
}

int main(void)
{
	Suite *s = suite_create("safetensors");
	int status;

	if (!hf_dir_make("check_safetensors"))
		return EXIT_FAILURE;
	add_tests(s);
	status = run_suite(s);
	hf_dir_remove();
	return status;
}
