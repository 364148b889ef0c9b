/* SPDX-License-Identifier: MIT */
#pragma once
/* Numbers with units, short, as people read them: 312us, 1.2ms, 3m12s, 4.0MiB. JSON
 * keeps the plain numbers. */
#include <stdint.h>

#define UNITS_TEXT_SIZE 32

void units_us(uint64_t us, char ret_text[UNITS_TEXT_SIZE]);
void units_ms(uint64_t ms, char ret_text[UNITS_TEXT_SIZE]);
void units_bytes(uint64_t bytes, char ret_text[UNITS_TEXT_SIZE]);
