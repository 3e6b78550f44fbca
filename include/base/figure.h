/* Numbers as people read them: three significant digits and an SI prefix.
 * Not collective. */
#ifndef WL_FIGURE_H
#define WL_FIGURE_H

/* A figure as text. */
struct figure {
	char s[48];
};

/* Whole numbers, such as cycles, bytes or cores: "606 k", "43.0 kB". unit may
 * be "". */
struct figure figure_count(double v, const char *unit);
/* The same in words: "8.03 billion". */
struct figure figure_words(double v);
/* Tokens per second, without the unit; a dash where there are none. */
struct figure figure_rate(double v);
/* From picoseconds and picojoules up. */
struct figure figure_seconds(double v);
struct figure figure_joules(double v);
/* MHz as MHz or GHz; W as W, kW or MW. */
struct figure figure_megahertz(double v);
struct figure figure_watts(double v);
/* part as a share of all: "12.3%"; a dash if all is 0. */
struct figure figure_percent(double part, double all);

#endif
