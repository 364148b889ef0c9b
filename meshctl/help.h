/* SPDX-License-Identifier: MIT */
#pragma once
/* Help, made of the table of verbs. */
#include "meshctl/arguments.h"

#include <stdio.h>

/* All verbs and what holds for each of them. */
void help_print(const struct verb *verbs, FILE *file);

void help_print_verb(const struct verb *verb, FILE *file);
