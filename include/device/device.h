/* The emulated chip: a profile of numbers read from a JSON file, where each has
 * a unit and a source. Not collective. */
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
 * Every number of device.def must occur once, with its unit, a non-empty source
 * and a value in its range; unknown keys are refused, notes are allowed.
 * Returns 0, or -1 with err naming the file and the key. */
int device_read(const char *name, struct device *d, struct wl_error *err);

/* Like device_read, but returns the file's JSON object, which has the sources
 * and notes; free with json_decref. NULL and err on failure. */
struct json_t *device_load(const char *name, struct device *d,
                           struct wl_error *err);

/* Calls device_read, device_set for each of the changes (a NULL-terminated
 * list), and device_check. 0, or -1 and err. */
int device_open(const char *name, const char *const *changes,
                struct device *d, struct wl_error *err);

/* Changes one number: "key=value", as given to --set. The value must be in the
 * number's range. 0, or -1 with err naming the option and the key. */
int device_set(struct device *d, const char *assignment,
               struct wl_error *err);

/* Checks that sram_reserved is below sram and that rows, cols, sram,
 * sram_reserved and routes are whole numbers. what: the file or option that the
 * message names. Call after the last device_set. 0, or -1 and err. */
int device_check(const struct device *d, const char *what,
                 struct wl_error *err);

/* The device's numbers, in the order of device.def. */
struct device_number {
	const char *key, *unit, *help;
	double min, max;
	size_t offset; /* of the field in struct device */
};
size_t device_count(void);
const struct device_number *device_number(size_t i);
double device_value(const struct device *d, size_t i);

/* Bytes of a core's SRAM that are free for data: sram - sram_reserved. */
double device_usable_sram(const struct device *d);

#endif
