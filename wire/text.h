/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Names and reasons that travel: UTF-8 without control characters, so that every place that shows
 * one (a log, a terminal, JSON) gets text. Both sides use this check: the library before it sends a
 * name, the decoders on receipt.
 */
#include "base/bytes.h"

/**
 * cmi_text_is_clean() - is this well-formed UTF-8 without control characters?
 * @text: any bytes
 *
 * Refused: overlong forms, surrogates and code points over U+10FFFF (RFC 3629, 3 and 4), and U+0000
 * to U+001F, U+007F to U+009F. The empty text is clean. Any thread.
 */
bool cmi_text_is_clean(struct cmi_slice text);
