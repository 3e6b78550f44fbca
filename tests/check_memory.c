/* Memory and its checksums: large blocks, and CRC-32 by whichever library the
 * build has, against zlib's. */
#include "config.h"
#include "base/crc.h"
#include "base/huge.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "made_up.h"
#include "suite.h"

START_TEST(sums)
{
	unsigned char data[5000];

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = made_key(1, 2, i);
	ck_assert_uint_eq(wl_crc32(0, data, 0), crc32_z(0, NULL, 0));
	ck_assert_uint_eq(wl_crc32(7, NULL, 0), 7);
	for (size_t at = 0; at < 70; at++)
		for (size_t n = 0; n < sizeof data - 70; n += 1 + n / 4) {
			uint32_t want = crc32_z(5, data + at, n);

			ck_assert_uint_eq(wl_crc32(5, data + at, n), want);
			/* In two pieces. */
			uint32_t one = wl_crc32(5, data + at, n / 3);

			ck_assert_uint_eq(wl_crc32(one, data + at + n / 3,
			                           n - n / 3), want);
			ck_assert_uint_eq(
				wl_crc32_join(one,
			                      wl_crc32(0, data + at + n / 3,
			                               n - n / 3),
			                      n - n / 3),
				want);
		}
}
END_TEST

/* Several large blocks, smaller and larger than a page, keep their contents. */
START_TEST(blocks)
{
	static const size_t bytes[] = { 0, 1, 64 << 10, (64 << 10) + 1,
	                                (2 << 20) - 1, 2 << 20, 33 << 20 };
	enum { BLOCKS = sizeof bytes / sizeof *bytes };
	unsigned char *p[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		p[i] = huge_malloc(bytes[i], 1);
		ck_assert_ptr_nonnull(p[i]);
		memset(p[i], i + 1, bytes[i]);
	}
	for (int i = 0; i < BLOCKS; i++) {
		for (size_t j = 0; j < bytes[i]; j += 997)
			ck_assert_int_eq(p[i][j], i + 1);
		if (bytes[i])
			ck_assert_int_eq(p[i][bytes[i] - 1], i + 1);
		huge_free(p[i]);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("memory");
	TCase *c = tcase_create("all");

	suite_add_tcase(s, c);
	tcase_add_test(c, sums);
	tcase_add_test(c, blocks);
	return run_suite(s);
}
