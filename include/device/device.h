/* An emulated chip: a profile of numbers, each with unit and source, read
 * from a JSON file. Not collective. */
#ifndef WL_DEVICE_H
#define WL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct device {
	char name[64];   /* "wse2" */
	char title[128]; /* "Cerebras WSE-2" */
#define WL_NUMBER(field, unit, min, max, help) double field;
#include "device/device.def"
};

/* Reads the device NAME of data/devices, or a file of the same form:
 *
 *   { "name": "wse2", "title": "Cerebras WSE-2",
 *     "numbers": { "clock": { "value": 1100, "unit": "MHz",
 *                             "source": "WaferLLM, OSDI'25, section 7" },
 *                  ... } }
 *
 * Every number of device.def must be there, once, with its unit, a source that
 * is not empty, and a value in its range; nothing else may. 0, or -1 and err
 * naming file and key. */
int device_read(const char *name, struct device *d, struct wl_error *err);

/* The same; returns the file's object as it was checked, which has the sources,
 * or NULL. The caller frees with json_decref. */
struct json_t *device_load(const char *name, struct device *d,
                           struct wl_error *err);

/* device_read, then device_set for each of the changes (which NULL ends), then
 * device_check. */
int device_open(const char *name, const char *const *changes,
                struct device *d, struct wl_error *err);

/* Changes one number, "key=value" as in --set; the value is checked as in a
 * file. 0, or -1 and err naming the option and the key. */
int device_set(struct device *d, const char *assignment,
               struct wl_error *err);

/* What must hold between numbers (sram_reserved below sram; whole numbers for
 * rows, cols, sram, sram_reserved and routes). what names the file or option
 * for the message. Call after the last device_set. 0, or -1 and err. */
int device_check(const struct device *d, const char *what,
                 struct wl_error *err);

/* The numbers in the order of device.def. */
struct device_number {
	const char *key, *unit, *help;
	double min, max;
	size_t at; /* of the field in struct device */
};
size_t device_count(void);
const struct device_number *device_number(size_t i);
double device_value(const struct device *d, size_t i);

/* Bytes of a core's SRAM that data can use: all but the reserved ones. */
double device_usable_sram(const struct device *d);

#endif
