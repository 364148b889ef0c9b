/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Bytes as hexadecimal digits, for files and for people. What the bytes are, and how many, is known
 * to who asks.
 */
#include <stddef.h>
#include <stdint.h>

/**
 * cmi_hex_write() - write two digits of each byte, in lower case
 * @bytes:      @n of them
 * @ret_digits: room for 2 * @n; no NUL is written
 */
void cmi_hex_write(const uint8_t *bytes, size_t n, char *ret_digits);

/**
 * cmi_hex_read() - read what cmi_hex_write() wrote
 * @digits:    2 * @n of them, of either case; nothing behind the first other character is looked at
 * @n:         of bytes
 * @ret_bytes: on failure the first of them may have been written
 *
 * Return: 0, -EINVAL.
 */
int cmi_hex_read(const char *digits, size_t n, uint8_t *ret_bytes);
