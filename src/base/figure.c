#include "config.h"
#include "base/figure.h"

#include <math.h>
#include <stdio.h>

/* Decimals that make three significant digits of v >= 1. */
static int decimals(double v)
{
	return v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
}

/* Without a prefix: up to six digits, then a power of ten. */
static struct figure plain(double v, const char *unit)
{
	const char *gap = *unit ? " " : "";
	struct figure f;

	if (v == 0 || (v < 999999.5 && v == floor(v)))
		snprintf(f.s, sizeof f.s, "%.0f%s%s", v, gap, unit);
	else if (v >= 999999.5 || v < 0.9995)
		snprintf(f.s, sizeof f.s, "%#.3g%s%s", v, gap, unit);
	else
		snprintf(f.s, sizeof f.s, "%.*f%s%s", decimals(v), v, gap,
		         unit);
	return f;
}

/* With an SI prefix between those of 1000^low and 1000^high. */
static struct figure prefixed(double v, const char *unit, int low, int high)
{
	static const char *const prefix[] = { "p", "n", "u", "m", "", "k", "M",
	                                      "G", "T" };
	const int one = 4;
	double scaled = v;
	struct figure f;
	int at = 0;

	for (; scaled >= 999.5 && at <= high; at++)
		scaled /= 1000;
	for (; scaled > 0 && scaled < 0.9995 && at > low; at--)
		scaled *= 1000;
	if (at == 0 || at > high)
		return plain(v, unit);
	snprintf(f.s, sizeof f.s, "%.*f %s%s", decimals(scaled), scaled,
	         prefix[one + at], unit);
	return f;
}

struct figure figure_count(double v, const char *unit)
{
	return prefixed(v, unit, 0, 4);
}

struct figure figure_words(double v)
{
	static const char *const word[] = { "million", "billion", "trillion" };
	struct figure f;
	int i = 0;

	if (v < 999500)
		return plain(v, "");
	for (v /= 1e6; v >= 999.5 && i < 2; i++)
		v /= 1000;
	snprintf(f.s, sizeof f.s, "%.*f %s", decimals(v), v, word[i]);
	return f;
}

struct figure figure_rate(double v)
{
	return v > 0 ? prefixed(v, "", 0, 3) : (struct figure){ "-" };
}

struct figure figure_seconds(double v)
{
	return prefixed(v, "s", -4, 0);
}

struct figure figure_joules(double v)
{
	return prefixed(v, "J", -4, 3);
}

struct figure figure_megahertz(double v)
{
	return prefixed(1e6 * v, "Hz", 0, 4);
}

struct figure figure_watts(double v)
{
	return prefixed(v, "W", 0, 3);
}

struct figure figure_percent(double part, double all)
{
	struct figure f = { "-" };

	if (part > 0 && part < 0.0005 * all)
		return (struct figure){ "<0.1%" };
	if (all > 0)
		snprintf(f.s, sizeof f.s, "%.1f%%", 100 * part / all);
	return f;
}
