/* Devices: those of the project, every kind of mistake in a file, and --set. */
#include "config.h"
#include "device/device.h"

#include <check.h>
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/datafile.h"
#include "files.h"
#include "suite.h"

static char dir[64];
static char path[96]; /* of the file in hand, in dir */

/* --- Files --- */

/* Values that differ from key to key and are in range; whole, as some of them
 * have to be. */
static double value_of(size_t i)
{
	const struct device_number *n = device_number(i);

	if (!strcmp(n->key, "sram"))
		return 50000;
	return n->max <= 1 ? 0.25 : ceil(n->min) + 1 + (double)i;
}

#define NUMBER "\"%s\": {\"value\": %.17g, \"unit\": \"%s\", " \
	"\"source\": \"lab\"}"
#define HEAD "{\"name\": \"lab-1\", \"title\": \"A lab chip\", \"numbers\": {"

/* The text of a valid file; to has room for 8 KB. */
static void sound_text(char *to)
{
	to += sprintf(to, HEAD);
	for (size_t i = 0; i < device_count(); i++) {
		const struct device_number *n = device_number(i);

		to += sprintf(to, "%s" NUMBER, i ? ", " : "", n->key,
		              value_of(i), n->unit);
	}
	sprintf(to, "}}");
}

static void put(const char *text, size_t size)
{
	FILE *f = fopen(path, "wb");

	ck_assert(f && fwrite(text, 1, size, f) == size);
	ck_assert_int_eq(fclose(f), 0);
}

/* The valid text with the first `from` replaced. */
static void put_changed(const char *from, const char *to)
{
	char text[8192], changed[16384];
	const char *at;

	sound_text(text);
	at = strstr(text, from);
	ck_assert_msg(at, "no %s", from);
	sprintf(changed, "%.*s%s%s", (int)(at - text), text, to,
	        at + strlen(from));
	put(changed, strlen(changed));
}

/* One line that names the file and what is wrong in it; the device stays as it
 * was. */
static void refused(const char *blame)
{
	struct device d, before;
	struct wl_error err = { .text = "" };

	memset(&d, 0x5a, sizeof d);
	before = d;
	ck_assert_msg(device_read(path, &d, &err) == -1, "%s passed", blame);
	ck_assert_msg(strstr(err.text, path) == err.text &&
	              err.text[strlen(path)] == ':', "%s", err.text);
	ck_assert_msg(strstr(err.text, blame), "%s lacks %s", err.text, blame);
	ck_assert_ptr_null(strchr(err.text, '\n'));
	ck_assert_mem_eq(&d, &before, sizeof d);
}

START_TEST(what_is_written_is_read)
{
	struct wl_error err = { .text = "" };
	struct device d;
	char text[8192];

	sound_text(text);
	put(text, strlen(text));
	ck_assert_msg(device_read(path, &d, &err) == 0, "%s", err.text);
	ck_assert_str_eq(d.name, "lab-1");
	ck_assert_str_eq(d.title, "A lab chip");
	ck_assert_double_eq(d.cols, value_of(1));
	ck_assert_double_eq(d.sram, 50000);
	ck_assert_double_eq(d.static_share, 0.25);
	ck_assert_double_eq(d.hop_pj, value_of(device_count() - 1));
	for (size_t i = 0; i < device_count(); i++)
		ck_assert_double_eq(device_value(&d, i), value_of(i));
	ck_assert_int_eq(device_check(&d, path, &err), 0);
}
END_TEST

START_TEST(files_may_have_remarks)
{
	static const struct {
		const char *from, *to;
	} good[] = {
		{ "{\"name\"", "{\"notes\": \"a\", \"name\"" },
		{ "{\"name\"", "{\"notes\": [], \"name\"" },
		{ "{\"name\"", "{\"notes\": [\"a\", \"\"], \"name\"" },
		{ "{\"value\"", "{\"note\": \"a\", \"value\"" },
		{ "lab-1", "a23456789-123456789-123456789-123456789-123456789-"
		  "123456789-123" },
		{ "A lab", "\\u00c4 \\\"lab\\\"" },
	};
	struct wl_error err = { .text = "" };
	struct device d;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		put_changed(good[i].from, good[i].to);
		ck_assert_msg(device_read(path, &d, &err) == 0, "%s",
		              err.text);
	}
	ck_assert_str_eq(d.title, "\xc3\x84 \"lab\" chip");
}
END_TEST

#define TEN "0123456789"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "01234567"

START_TEST(wrong_heads_are_refused)
{
	static const struct {
		const char *from, *to, *blame;
	} bad[] = {
		{ "\"name\": \"lab-1\", ", "", "\"name\" is missing" },
		{ "\"lab-1\"", "1", "\"name\" must be a string" },
		{ "\"lab-1\"", "null", "\"name\" must be a string" },
		{ "lab-1", "", "\"name\" is empty" },
		{ "lab-1", "  ", "\"name\" is empty" },
		{ "lab-1", "Lab", "\"name\" is \"Lab\", but may have only" },
		{ "lab-1", "a b", "\"name\" is \"a b\", but may have only" },
		{ "lab-1", "a.b", "\"name\" is \"a.b\", but may have only" },
		{ "lab-1", "../a", "\"name\" is \"../a\", but may have only" },
		{ "lab-1", "a23456789-123456789-123456789-123456789-123456789-"
		  "123456789-1234", "\"name\" has more than 63 bytes" },
		{ "\"title\": \"A lab chip\", ", "", "\"title\" is missing" },
		{ "\"A lab chip\"", "[]", "\"title\" must be a string" },
		{ "A lab chip", "", "\"title\" is empty" },
		{ "A lab", "A\\nlab", "\"title\" has a control character" },
		{ "A lab", "\\u001b[2Jlab", "\"title\" has a control char" },
		{ "A lab", "A\x7f lab", "\"title\" has a control char" },
		{ "A lab chip", LONG, "\"title\" has more than 127 bytes" },
		{ "{\"name\"", "{\"notes\": 1, \"name\"",
		  "\"notes\" must be a string or an array of strings" },
		{ "{\"name\"", "{\"notes\": [\"a\", 1], \"name\"",
		  "\"notes\" must be a string or an array of strings" },
		{ "{\"name\"", "{\"clock\": 1, \"name\"",
		  "unknown key \"clock\"" },
		{ "{\"name\"", "{\"name\": \"b\", \"name\"",
		  "duplicate object key near '\"name\"'" },
		{ "\"numbers\": {", "\"numbers\": {\"warp\": 1, ",
		  "unknown key \"numbers.warp\"" },
		{ "\"numbers\"", "\"number\"", "unknown key \"number\"" },
		{ "{\"name\"", "[\"name\"", "line 1: " },
		{ "}}", "}", "line 1: " },
		{ "}}", "}} }", "line 1: " },
		{ "lab-1", "\\u0000", "line 1: " },
	};

	ck_assert_uint_eq(strlen(LONG), sizeof ((struct device *)0)->title);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		put_changed(bad[i].from, bad[i].to);
		refused(bad[i].blame);
	}
}
END_TEST

START_TEST(other_files_are_refused)
{
	static const struct {
		const char *text, *blame;
	} bad[] = {
		{ "", "an empty file" }, { "[]", "not a JSON object" },
		{ "1", "line 1: " }, { "{", "line 1: " },
		{ "{}", "\"name\" is missing" },
		{ "{\"name\": \"a\", \"title\": \"b\"}",
		  "\"numbers\" is missing" },
		{ "{\"name\": \"a\", \"title\": \"b\", \"numbers\": []}",
		  "\"numbers\" must be an object" },
		{ "{\"name\": \"a\", \"title\": \"b\", \"numbers\": {}}",
		  "\"numbers.rows\" is missing" },
	};
	char nested[20000];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		put(bad[i].text, strlen(bad[i].text));
		refused(bad[i].blame);
	}
	memset(nested, '[', sizeof nested);
	put(nested, sizeof nested);
	refused("line 1: ");
	unlink(path);
	refused("No such file");
}
END_TEST

START_TEST(files_have_a_bounded_size)
{
	static char text[(1 << 16) + 1];
	struct wl_error err = { .text = "" };
	struct device d;

	sound_text(text);
	memset(text + strlen(text), ' ', sizeof text - strlen(text));
	text[sizeof text - 1] = ' ';
	put(text, sizeof text - 1);
	ck_assert_msg(device_read(path, &d, &err) == 0, "%s", err.text);
	put(text, sizeof text);
	refused("more than 65536 bytes");
}
END_TEST

/* One number's text is replaced; blame has a %s for its key. */
static void number_refused(size_t i, const char *to, const char *blame)
{
	const struct device_number *n = device_number(i);
	char from[256], expect[256];

	sprintf(from, NUMBER, n->key, value_of(i), n->unit);
	sprintf(expect, blame, n->key);
	put_changed(from, to);
	refused(expect);
}

START_TEST(wrong_numbers_are_refused)
{
	/* Each %s: the key, the unit. */
	static const struct {
		const char *to, *blame;
	} bad[] = {
		{ "\"%s\": 1", "\"numbers.%s\" must be an object" },
		{ "\"%s\": null", "\"numbers.%s\" must be an object" },
		{ "\"%s\": [\"%s\"]", "\"numbers.%s\" must be an object" },
		{ "\"%s\": {\"unit\": \"%s\", \"source\": \"lab\"}",
		  "\"numbers.%s.value\" is missing" },
		{ "\"%s\": {\"value\": \"1\", \"unit\": \"%s\", \"source\":"
		  " \"lab\"}", "\"numbers.%s.value\" must be a number" },
		{ "\"%s\": {\"value\": null, \"unit\": \"%s\", \"source\":"
		  " \"lab\"}", "\"numbers.%s.value\" must be a number" },
		{ "\"%s\": {\"value\": NaN, \"unit\": \"%s\", \"source\":"
		  " \"lab\"}", "line 1: " },
		{ "\"%s\": {\"value\": 1e999, \"unit\": \"%s\", \"source\":"
		  " \"lab\"}", "line 1: " },
		{ "\"%s\": {\"value\": -1, \"unit\": \"%s\", \"source\":"
		  " \"lab\"}", "\"%s\" is -1, but must be between" },
		{ "\"%s\": {\"value\": 1.1e9, \"unit\": \"%s\", \"source\":"
		  " \"lab\"}", "\"%s\" is 1100000000, but must be between" },
		{ "\"%s\": {\"value\": 1, \"source\": \"%s\"}",
		  "\"numbers.%s.unit\" is missing" },
		{ "\"%s\": {\"value\": 1, \"unit\": 1, \"source\": \"%s\"}",
		  "\"numbers.%s.unit\" must be a string" },
		{ "\"%s\": {\"value\": 1, \"unit\": \"%ss\", \"source\":"
		  " \"lab\"}", "\"numbers.%s.unit\" is \"" },
		{ "\"%s\": {\"value\": 1, \"unit\": \"%s\"}",
		  "\"numbers.%s.source\" is missing" },
		{ "\"%s\": {\"value\": 1, \"unit\": \"%s\", \"source\": \"\"}",
		  "\"numbers.%s.source\" is empty" },
		{ "\"%s\": {\"value\": 1, \"unit\": \"%s\", \"source\": \" \"}",
		  "\"numbers.%s.source\" is empty" },
		{ "\"%s\": {\"value\": 1, \"unit\": \"%s\", \"source\": 1}",
		  "\"numbers.%s.source\" must be a string" },
		{ "\"%s\": {\"value\": 1, \"unit\": \"%s\", \"source\": \"a\","
		  " \"note\": 1}", "\"numbers.%s.note\" must be a string" },
		{ "\"%s\": {\"value\": 1, \"unit\": \"%s\", \"source\": \"a\","
		  " \"date\": 1}", "unknown key \"numbers.%s.date\"" },
		{ "\"%s\": {\"value\": 1, \"value\": 1, \"unit\": \"%s\"}",
		  "duplicate object key near '\"value\"'" },
	};

	for (size_t i = 0; i < device_count(); i++) {
		const struct device_number *n = device_number(i);
		char to[512];

		for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
			sprintf(to, bad[b].to, n->key, n->unit);
			number_refused(i, to, bad[b].blame);
		}
		sprintf(to, NUMBER ", " NUMBER, n->key, value_of(i), n->unit,
		        n->key, value_of(i), n->unit);
		number_refused(i, to, "duplicate object key near '\"%s\"'");
	}
}
END_TEST

/* Each number left out; no comma follows the last one. */
START_TEST(missing_numbers_are_refused)
{
	for (size_t i = 0; i < device_count(); i++) {
		const struct device_number *n = device_number(i);
		char from[256], blame[64];

		sprintf(from, "%s" NUMBER "%s", i ? ", " : "", n->key,
		        value_of(i), n->unit, i ? "" : ", ");
		sprintf(blame, "\"numbers.%s\" is missing", n->key);
		put_changed(from, "");
		refused(blame);
	}
}
END_TEST

static void put_value(size_t i, double value)
{
	const struct device_number *n = device_number(i);
	char from[256], to[256];

	sprintf(from, NUMBER, n->key, value_of(i), n->unit);
	sprintf(to, NUMBER, n->key, value, n->unit);
	put_changed(from, to);
}

START_TEST(ranges_include_their_ends)
{
	struct wl_error err = { .text = "" };
	struct device d;

	for (size_t i = 0; i < device_count(); i++) {
		const struct device_number *n = device_number(i);
		const double ends[] = { n->min, n->max };
		char blame[64];

		sprintf(blame, "\"%s\" is ", n->key);
		for (int e = 0; e < 2; e++) {
			put_value(i, ends[e]);
			ck_assert_msg(device_read(path, &d, &err) == 0, "%s",
			              err.text);
			ck_assert_double_eq(device_value(&d, i), ends[e]);
			put_value(i, nextafter(ends[e], e ? 1e10 : -1));
			refused(blame);
		}
	}
}
END_TEST

/* --- The devices of the project --- */

START_TEST(devices_are_known_by_name)
{
	static const char *const names[] = { "wse2", "wse3", "dojo-d1",
	                                     "dojo-tile", "blackhole",
	                                     "tsmc-sow" };
	struct wl_error err = { .text = "" };
	struct device d;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		ck_assert_msg(device_read(names[i], &d, &err) == 0, "%s",
		              err.text);
		ck_assert_str_eq(d.name, names[i]);
		ck_assert_msg(device_check(&d, names[i], &err) == 0, "%s",
		              err.text);
	}
	ck_assert_int_eq(device_read("wse2", &d, &err), 0);
	ck_assert_double_eq(d.clock, 1100);
	ck_assert_double_eq(d.sram, 49152);
	ck_assert_double_eq(d.link_bytes, 4);
	ck_assert_double_eq(d.power, 15000);
}
END_TEST

/* No file lies there that cannot be read, or under another name. */
START_TEST(all_files_are_devices)
{
	const char *top = getenv("WAFERLLM_SRCDIR");
	struct wl_error err = { .text = "" };
	struct device d;
	struct dirent *e;
	char file[PATH_MAX], stem[128];
	int n = 0;
	DIR *folder;

	snprintf(file, sizeof file, "%s/data/devices", top ? top : ".");
	folder = opendir(file);
	ck_assert_ptr_nonnull(folder);
	while ((e = readdir(folder))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof file, "%.1000s/data/devices/%s",
		         top ? top : ".", e->d_name);
		ck_assert_msg(device_read(file, &d, &err) == 0, "%s",
		              err.text);
		ck_assert_int_eq(device_check(&d, file, &err), 0);
		snprintf(stem, sizeof stem, "%s.json", d.name);
		ck_assert_str_eq(stem, e->d_name);
		n++;
	}
	closedir(folder);
	ck_assert_int_ge(n, 6);
}
END_TEST

static void write_text(const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* Files that could be mistaken for devices. */
START_TEST(shapes_are_no_devices)
{
	static const struct {
		const char *text, *blame;
	} row[] = {
		{ "{\"architectures\": [\"LlamaForCausalLM\"]}",
		  "is a Hugging Face config.json, not a device: import its"
		  " directory" },
		{ "{\"title\": 1, \"hidden_size\": 3}", "config.json, not" },
		{ "{\"dim\": 64, \"n_layers\": 2}",
		  "is a shape, not a device: give it to --shape" },
		{ "{\"dim\": 64, \"numbers\": {}}", "unknown key \"dim\"" },
		{ "{\"dim\": 64, \"model_type\": 1}", "unknown key" },
		{ "{\"other\": 64}", "unknown key \"other\"" },
	};
	struct wl_error err = { .text = "" };
	struct device d;

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		write_text(row[i].text);
		ck_assert_int_eq(device_read(path, &d, &err), -1);
		ck_assert_msg(strstr(err.text, row[i].blame), "%s", err.text);
	}
}
END_TEST

START_TEST(unknown_names_get_help)
{
	static const char *const bad[] = { "wse9", "", "wse2.json", "WSE2" };
	struct wl_error err = { .text = "" };
	struct device d;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char begin[PATH_MAX];

		ck_assert_int_eq(device_read(bad[i], &d, &err), -1);
		snprintf(begin, sizeof begin, "%s: no such device in %s/devices"
		         " (known: blackhole, ", bad[i], WL_SRC_DATADIR);
		ck_assert_msg(strstr(err.text, begin) == err.text, "%s",
		              err.text);
		ck_assert_msg(strstr(err.text, ", dojo-d1, dojo-tile, tsmc-sow"
		                     ", wse2, wse3) and no such file"),
		              "%s", err.text);
		ck_assert_msg(!*bad[i] == !strstr(err.text, ": did you mean "
		                                  "wse2?"), "%s", err.text);
	}
	ck_assert_int_eq(device_read("./wse9", &d, &err), -1);
	ck_assert_str_eq(err.text, "./wse9: No such file or directory");
	ck_assert_int_eq(device_read(dir, &d, &err), -1);
	ck_assert_msg(strstr(err.text, "is a directory"), "%s", err.text);
}
END_TEST

/* Where data are beside a program: as far from it as configure put them,
 * whatever options it was given, also where the tree has moved. */
START_TEST(data_are_beside_the_program)
{
	static const struct {
		const char *bin, *data, *program, *found;
	} cases[] = {
		{ "/usr/bin", "/usr/share/waferllm", "/usr/bin",
		  "/usr/share/waferllm" },
		{ "/usr/bin", "/usr/share/waferllm", "/home/a b/t/bin",
		  "/home/a b/t/share/waferllm" },
		{ "//usr//bin/", "/usr/share//waferllm/", "/x/bin",
		  "/x/share//waferllm/" },
		{ "/opt/x/y/bin", "/srv/data/waferllm", "/m/opt/x/y/bin",
		  "/m/srv/data/waferllm" },
		{ "/opt/w/bin/x86/v3", "/opt/w/share/waferllm",
		  "/m/bin/x86/v3", "/m/share/waferllm" },
		{ "/opt/w", "/opt/w/waferllm", "/m", "/m/waferllm" },
		{ "/opt/w", "/opt/waferllm", "/m", "/waferllm" },
		{ "/opt/bin", "/opt/binary/waferllm", "/m/bin",
		  "/m/binary/waferllm" },
		{ "/bin", "/share/waferllm", "/", "/share/waferllm" },
		{ "/a/b/c/d", "/share/waferllm", "/d", "/share/waferllm" },
	};
	static char at[PATH_MAX], bin[PATH_MAX + 8] = "/";

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		strcpy(at, cases[i].program);
		ck_assert(datafile_beside(at, cases[i].bin, cases[i].data));
		ck_assert_str_eq(at, cases[i].found);
	}
	memset(bin, 'x', PATH_MAX - 1);
	bin[0] = '/';
	strcpy(at, bin);
	ck_assert(!datafile_beside(at, "/a", "/a/b"));
}
END_TEST

/* --- --set --- */

START_TEST(numbers_can_be_set)
{
	static const struct {
		const char *text;
		double value; /* of clock */
	} good[] = {
		{ "clock=850", 850 }, { "clock=1", 1 }, { "clock=1e5", 1e5 },
		{ "clock=+2.5", 2.5 }, { "clock=.5E1", 5 },
		{ "clock=1100.", 1100 },
	};
	struct wl_error err = { .text = "" };
	struct device d;

	ck_assert_int_eq(device_read("wse2", &d, &err), 0);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ck_assert_msg(device_set(&d, good[i].text, &err) == 0, "%s",
		              err.text);
		ck_assert_double_eq(d.clock, good[i].value);
	}
	for (size_t i = 0; i < device_count(); i++) {
		char text[64];

		sprintf(text, "%s=%.17g", device_number(i)->key, value_of(i));
		ck_assert_msg(device_set(&d, text, &err) == 0, "%s", err.text);
	}
	for (size_t i = 0; i < device_count(); i++)
		ck_assert_double_eq(device_value(&d, i), value_of(i));
}
END_TEST

START_TEST(wrong_settings_are_refused)
{
	static const struct {
		const char *text, *blame;
	} bad[] = {
		{ "", "\"\" is not of the form KEY=VALUE" },
		{ "clock", "\"clock\" is not of the form KEY=VALUE" },
		{ "=", "\"\" is none of a device's numbers: rows, cols, " },
		{ "=1", "\"\" is none of" },
		{ "Clock=1", "\"Clock\" is none of" },
		{ "clocks=1", "\"clocks\" is none of" },
		{ "cloc=1", "\"cloc\" is none of" },
		{ " clock=1", "\" clock\" is none of" },
		{ "name=1", "hop_pj" },
		{ "clock=", "clock: \"\" is not a number" },
		{ "clock= 850", "clock: \" 850\" is not a number" },
		{ "clock=850 ", "clock: \"850 \" is not a number" },
		{ "clock=850MHz", "clock: \"850MHz\" is not a number" },
		{ "clock=8,5", "clock: \"8,5\" is not a number" },
		{ "clock=0x10", "clock: \"0x10\" is not a number" },
		{ "clock=nan", "clock: \"nan\" is not a number" },
		{ "clock=inf", "clock: \"inf\" is not a number" },
		{ "clock=1e", "clock: \"1e\" is not a number" },
		{ "clock=850=1", "clock: \"850=1\" is not a number" },
		{ "clock=0.5", "\"clock\" is 0.5, but must be between 1 and"
		  " 100000 MHz" },
		{ "clock=1e999", "\"clock\" is inf, but must be between" },
		{ "clock=-1", "\"clock\" is -1, but must be between" },
		{ "static_share=1.01", "\"static_share\" is 1.01, but must" },
	};
	struct wl_error err = { .text = "" };
	struct device d, before;

	ck_assert_int_eq(device_read("wse2", &d, &err), 0);
	before = d;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_msg(device_set(&d, bad[i].text, &err) == -1,
		              "%s passed", bad[i].text);
		ck_assert_msg(strstr(err.text, "option --set: ") == err.text,
		              "%s", err.text);
		ck_assert_msg(strstr(err.text, bad[i].blame), "%s lacks %s",
		              err.text, bad[i].blame);
		ck_assert_uint_lt(strlen(err.text), 512);
		ck_assert_mem_eq(&d, &before, sizeof d);
	}
}
END_TEST

/* --- Between numbers --- */

START_TEST(numbers_must_agree)
{
	static const struct {
		const char *set, *blame;
	} bad[] = {
		{ "rows=7.5", "\"rows\" is 7.5, but must be a whole number" },
		{ "cols=1.5", "\"cols\" is 1.5, but" },
		{ "sram=49152.5", "\"sram\" is 49152.5, but" },
		{ "sram_reserved=0.5", "\"sram_reserved\" is 0.5, but" },
		{ "routes=24.1", "\"routes\" is 24.1, but" },
		{ "sram_reserved=49152", "\"sram_reserved\" is 49152, but must"
		  " be below \"sram\", which is 49152" },
		{ "sram=1024", "\"sram_reserved\"" },
	};
	static const char *const good[] = {
		"sram_reserved=49151", "sram_reserved=0", "clock=850.5",
		"stage_cycles=11.3", "link_bytes=0.5",
	};
	struct wl_error err = { .text = "" };
	struct device wse2, d;

	ck_assert_int_eq(device_read("wse2", &wse2, &err), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		d = wse2;
		ck_assert_int_eq(device_set(&d, bad[i].set, &err), 0);
		ck_assert_int_eq(device_check(&d, "a/b", &err), -1);
		ck_assert_msg(strstr(err.text, "a/b: ") == err.text &&
		              strstr(err.text, bad[i].blame), "%s lacks %s",
		              err.text, bad[i].blame);
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		d = wse2;
		ck_assert_int_eq(device_set(&d, good[i], &err), 0);
		ck_assert_msg(device_check(&d, "a/b", &err) == 0, "%s",
		              err.text);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("device");
	TCase *t = tcase_create("device");

	tcase_add_test(t, what_is_written_is_read);
	tcase_add_test(t, files_may_have_remarks);
	tcase_add_test(t, wrong_heads_are_refused);
	tcase_add_test(t, other_files_are_refused);
	tcase_add_test(t, files_have_a_bounded_size);
	tcase_add_test(t, wrong_numbers_are_refused);
	tcase_add_test(t, missing_numbers_are_refused);
	tcase_add_test(t, ranges_include_their_ends);
	tcase_add_test(t, devices_are_known_by_name);
	tcase_add_test(t, all_files_are_devices);
	tcase_add_test(t, shapes_are_no_devices);
	tcase_add_test(t, unknown_names_get_help);
	tcase_add_test(t, data_are_beside_the_program);
	tcase_add_test(t, numbers_can_be_set);
	tcase_add_test(t, wrong_settings_are_refused);
	tcase_add_test(t, numbers_must_agree);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	int failed;

	if (!scratch_make(dir, "check_device"))
		return EXIT_FAILURE;
	snprintf(path, sizeof path, "%s/device.json", dir);
	failed = run_suite(suite());
	unlink(path);
	rmdir(dir);
	return failed;
}
