/* A made-up device for tests. No two of its numbers can be mistaken for each
 * other, so that a missing or repeated term of a formula changes the result.
 * Some are not whole, so that a test sees where cycles are rounded. */
#ifndef WL_MADE_DEVICE_H
#define WL_MADE_DEVICE_H

#include "device/device.h"

static const struct device made_device = {
	.name = "made-up", .title = "Made up",
	.rows = 1000, .cols = 900, .clock = 700, .sram = 200000,
	.sram_reserved = 8000, .link_bytes = 1.6, .hop_cycles = 3.5,
	.stage_cycles = 17.25, .routes = 40, .exchange_cycles = 101,
	.relay_cycles = 211, .vector_bytes = 12, .vector_start = 5,
	.gemm_loop = 29, .kernel_start = 307, .operator_start = 509,
	.power = 1300, .static_share = 0.25, .mac_f16_pj = 0.5,
	.mac_f32_pj = 1.75, .sram_pj = 1.125, .hop_pj = 0.375,
};

#endif
