/* The choice of a token, against a slow one and against probabilities. */
#include "config.h"
#include "text/sampler.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define MAX_N 64

/* SplitMix64 as published: one state, one output after another. */
static uint64_t splitmix_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* ids[r] = the candidate that r others come before. */
static void rank(const float *logits, int n, int *ids)
{
	for (int i = 0; i < n; i++) {
		int before = 0;

		for (int j = 0; j < n; j++)
			before += logits[j] > logits[i] ||
			          (logits[j] == logits[i] && j < i);
		ids[before] = i;
	}
}

/* The definition, with finite logits, for a number u in [0,1). */
static int choose_ref(const struct sampler *s, const float *logits, int n,
                      double u)
{
	int ids[MAX_N], k, kept = 0;
	double p[MAX_N], sum = 0, kept_sum = 0, running = 0;

	rank(logits, n, ids);
	k = s->top_k > 0 && s->top_k < n ? s->top_k : n;
	for (int r = 0; r < k; r++) {
		p[r] = exp(((double)logits[ids[r]] - logits[ids[0]]) /
		           s->temperature);
		sum += p[r];
	}
	do
		kept_sum += p[kept++] / sum;
	while (kept < k && (s->top_p >= 1 || kept_sum < s->top_p));
	for (int r = 0; r < kept; r++) {
		running += p[r] / sum;
		if (u * kept_sum < running)
			return ids[r];
	}
	return ids[kept - 1];
}

START_TEST(uniform)
{
	/* Published first outputs for the seed 1234567. */
	static const uint64_t known[] = {
		6457827717110365317u, 3203168211198807973u,
		9817491932198370423u, 4593380528125082431u,
		16408922859458223821u,
	};
	uint64_t state = UINT64_MAX - 5;

	for (int i = 0; i < 5; i++)
		ck_assert(sampler_uniform(1234567, i) ==
		          (double)(known[i] >> 11) / 9007199254740992.0);
	for (int i = 0; i < 1000; i++) {
		double u = sampler_uniform(UINT64_MAX - 5, i);

		ck_assert(u == (double)(splitmix_next(&state) >> 11) /
		               9007199254740992.0);
		ck_assert(u >= 0 && u < 1);
	}
}
END_TEST

START_TEST(argmax)
{
	const float ties[] = { 1, 3, 2, 3 };
	const float low[] = { -INFINITY, -INFINITY, -1e30f };
	const float none[] = { -INFINITY, -INFINITY };
	const float nan_first[] = { NAN, -5, NAN, -4 };
	struct sampler greedy = { .top_k = 2, .top_p = 0.5 };

	ck_assert_int_eq(sampler_argmax(ties, 4), 1);
	ck_assert_int_eq(sampler_argmax(ties, 1), 0);
	ck_assert_int_eq(sampler_argmax(low, 3), 2);
	ck_assert_int_eq(sampler_argmax(none, 2), 0);
	ck_assert_int_eq(sampler_argmax(nan_first, 4), 3);
	ck_assert_int_eq(sampler_choose(&greedy, ties, 4, 9), 1);
	sampler_fini(&greedy);
}
END_TEST

/* Random logits on a coarse grid, so that ties are common. */
static void make_logits(uint64_t *state, float *logits, int n)
{
	for (int i = 0; i < n; i++)
		logits[i] = (float)(splitmix_next(state) % 64) / 8 - 4;
}

START_TEST(against_reference)
{
	static const double temperature[] = { 1, 0.3, 2, 50, 1e-3 };
	static const double top_p[] = { 1, 0.9, 0.5, 1e-9, 0, 0.999999 };
	static const int top_k[] = { 0, 1, 3, 10, 1000 };
	uint64_t state = 42;
	struct sampler s = { .seed = 0 };

	for (int trial = 0; trial < 30000; trial++) {
		float logits[MAX_N], copy[MAX_N];
		int n = 1 + splitmix_next(&state) % MAX_N;
		uint64_t step = splitmix_next(&state) % 1000;
		int got;

		make_logits(&state, logits, n);
		memcpy(copy, logits, sizeof copy);
		s.temperature = temperature[splitmix_next(&state) % 5];
		s.top_p = top_p[splitmix_next(&state) % 6];
		s.top_k = top_k[splitmix_next(&state) % 5];
		s.seed = splitmix_next(&state);
		got = sampler_choose(&s, logits, n, step);
		ck_assert_int_eq(got, choose_ref(&s, logits, n,
		                 sampler_uniform(s.seed, step)));
		ck_assert_int_eq(got, sampler_choose(&s, logits, n, step));
		ck_assert_mem_eq(logits, copy, n * sizeof *logits);
	}
	sampler_fini(&s);
	ck_assert(s.scratch == NULL && s.capacity == 0);
}
END_TEST

/* How often each of n logits is chosen in the first steps. */
static void count(struct sampler s, const float *logits, int n, int steps,
                  int *times)
{
	memset(times, 0, n * sizeof *times);
	for (int i = 0; i < steps; i++)
		times[sampler_choose(&s, logits, n, i)]++;
	sampler_fini(&s);
}

START_TEST(frequencies)
{
	/* probabilities 8, 4, 2, 1, 1 of 16 at temperature 1 */
	const float logits[] = { 0, 2.0794415f, 0.6931472f, 1.3862944f, 0 };
	const double p[] = { 1, 8, 2, 4, 1 };
	struct sampler s = { .temperature = 1, .top_p = 1, .seed = 7 };
	int times[5];
	double chi2 = 0;

	count(s, logits, 5, 160000, times);
	for (int i = 0; i < 5; i++) {
		double expected = p[i] * 10000, d = times[i] - expected;

		chi2 += d * d / expected;
	}
	/* 4 degrees of freedom: above 18.5 once in a thousand seeds */
	ck_assert_msg(chi2 < 18.5, "chi-squared is %g", chi2);

	s.top_k = 2; /* ids 1 and 3, as 2 : 1 */
	count(s, logits, 5, 30000, times);
	ck_assert_int_eq(times[1] + times[3], 30000);
	ck_assert(abs(times[1] - 20000) < 350);

	s.top_k = 0;
	s.top_p = 0.8; /* 8 + 4 < 12.8 <= 8 + 4 + 2 */
	count(s, logits, 5, 14000, times);
	ck_assert_int_eq(times[1] + times[3] + times[2], 14000);
	ck_assert(abs(times[2] - 2000) < 200);

	s.top_k = 3;
	s.top_p = 0.84; /* of these three alone: 8 + 4 >= 0.84 * 14 */
	count(s, logits, 5, 12000, times);
	ck_assert_int_eq(times[1] + times[3], 12000);
}
END_TEST

/* Exactly at a sum, top_p adds no further candidate. */
START_TEST(top_p_at_the_sum)
{
	const float equal[] = { 1, 1, 1, 1 };
	struct sampler s = { .temperature = 1, .top_p = 0.5 };
	int times[4];

	count(s, equal, 4, 1000, times);
	ck_assert_int_eq(times[0] + times[1], 1000);
	ck_assert(times[0] > 400 && times[1] > 400);
}
END_TEST

START_TEST(infinities)
{
	const float some[] = { -INFINITY, 1, -INFINITY, 2, NAN };
	const float all[] = { -INFINITY, -INFINITY };
	const float plus[] = { 5, INFINITY, -INFINITY, INFINITY };
	static const double temperature[] = { 1, 1e-300, 1e300, INFINITY };
	struct sampler s = { .temperature = temperature[_i], .top_p = 1 };
	int times[5];

	count(s, some, 5, 2000, times);
	ck_assert_int_eq(times[1] + times[3], 2000);
	ck_assert_int_eq(times[1] > 0, temperature[_i] >= 1);
	count(s, all, 2, 2000, times);
	ck_assert(times[0] > 800 && times[1] > 800);
	count(s, plus, 4, 2000, times);
	ck_assert_int_eq(times[1] + times[3], 2000);
	ck_assert(times[1] > 800 && times[3] > 800);
}
END_TEST

START_TEST(hot_and_cold)
{
	const float logits[] = { -80, 3.4e38f, -3.4e38f, 80 };
	struct sampler s = { .temperature = 1e300, .top_p = 1 };
	int times[4];

	count(s, logits, 4, 8000, times);
	for (int i = 0; i < 4; i++)
		ck_assert(abs(times[i] - 2000) < 250);
	s.temperature = 5e-324;
	count(s, logits, 4, 1000, times);
	ck_assert_int_eq(times[1], 1000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sampler");
	TCase *c = tcase_create("all");

	suite_add_tcase(s, c);
	tcase_add_test(c, uniform);
	tcase_add_test(c, argmax);
	tcase_add_test(c, against_reference);
	tcase_add_test(c, frequencies);
	tcase_add_test(c, top_p_at_the_sum);
	tcase_add_loop_test(c, infinities, 0, 4);
	tcase_add_test(c, hot_and_cold);
	return run_suite(s);
}
