/* SPDX-License-Identifier: MIT */
#include "meshctl/units.h"

#include <inttypes.h>
#include <stdio.h>

static void print_long(uint64_t s, char ret_text[UNITS_TEXT_SIZE])
{
        if (s < 3600) {
                snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
        } else if (s < 86400) {
                snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64 "h%02" PRIu64 "m", s / 3600,
                                s / 60 % 60);
        } else {
                snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64 "d%02" PRIu64 "h", s / 86400,
                                s / 3600 % 24);
        }
}

/* Tenths are cut, not rounded, so that 59.99 s does not become "60.0s". */
static void print_tenths(uint64_t tenths, const char *unit, char ret_text[UNITS_TEXT_SIZE])
{
        snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 "%s", tenths / 10, tenths % 10,
                        unit);
}

void units_us(uint64_t us, char ret_text[UNITS_TEXT_SIZE])
{
        if (us < 1000) {
                snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64 "us", us);
        } else if (us < 1000 * 1000) {
                print_tenths(us / 100, "ms", ret_text);
        } else {
                units_ms(us / 1000, ret_text);
        }
}

void units_ms(uint64_t ms, char ret_text[UNITS_TEXT_SIZE])
{
        if (ms < 1000) {
                snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64 "ms", ms);
        } else if (ms < 60 * 1000) {
                print_tenths(ms / 100, "s", ret_text);
        } else {
                print_long(ms / 1000, ret_text);
        }
}

void units_bytes(uint64_t bytes, char ret_text[UNITS_TEXT_SIZE])
{
        static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
        unsigned unit = 0;
        uint64_t rest = bytes;

        if (bytes < 1024) {
                snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64 "B", bytes);
                return;
        }
        while (rest >= 1024 * 1024) {
                rest /= 1024;
                unit++;
        }
        print_tenths(rest * 10 / 1024, units[unit], ret_text);
}
