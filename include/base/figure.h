/* Numbers formatted for reading: three significant digits and an SI prefix. Not
 * collective. */
#ifndef WL_FIGURE_H
#define WL_FIGURE_H

/* A formatted number. */
struct figure {
	char s[48];
};

/* Whole numbers, such as cycles, bytes or cores: "606 k", "43.0 kB". unit may
 * be "". */
struct figure figure_count(double v, const char *unit);
/* The same with the prefix in words: "8.03 billion". */
struct figure figure_words(double v);
/* Tokens per second, without the unit; a dash for 0. */
struct figure figure_rate(double v);
/* Seconds and joules, with prefixes from p up. */
struct figure figure_seconds(double v);
struct figure figure_joules(double v);
/* v MHz, as Hz, kHz, MHz, GHz or THz; v W, as W, kW, MW or GW. */
struct figure figure_megahertz(double v);
struct figure figure_watts(double v);
/* part / all: "12.3%"; a dash if all is 0. */
struct figure figure_percent(double part, double all);

#endif
