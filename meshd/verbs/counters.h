/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All counters by name, for the verb stats. They grow from the start of the process.
 */
#include "meshd/io/document.h"

struct daemon;

void counters_write(const struct daemon *daemon, struct document *document);
