/* SPDX-License-Identifier: MIT */
#include "meshctl/help.h"

#include <ctype.h>

#define FLAG_COLUMN 24

static void print_flags(const struct flag *flags, FILE *file)
{
        for (; flags->name; flags++) {
                char text[80];
                int n = snprintf(text, sizeof(text), "%c%c%s--%s", flags->letter ? '-' : ' ',
                                flags->letter ? flags->letter : ' ', flags->letter ? ", " : "  ",
                                flags->name);

                if (flags->value == FLAG_NEEDS_VALUE) {
                        snprintf(text + n, sizeof(text) - (size_t)n, " %s", flags->placeholder);
                } else if (flags->value == FLAG_TAKES_VALUE) {
                        snprintf(text + n, sizeof(text) - (size_t)n, "[=%s]", flags->placeholder);
                }
                fprintf(file, "  %-*s %s\n", FLAG_COLUMN, text, flags->help);
        }
}

static void print_synopsis(const struct verb *verb, FILE *file)
{
        fprintf(file, "meshctl %s", verb->name);
        for (const struct flag *flag = verb->flags; flag->name; flag++) {
                bool has_value = flag->value == FLAG_NEEDS_VALUE;

                fprintf(file, " [--%s%s%s]", flag->name, has_value ? " " : "",
                                has_value ? flag->placeholder : "");
        }
        fprintf(file, "%s%s", verb->operands[0] ? " " : "", verb->operands);
}

void help_print_verb(const struct verb *verb, FILE *file)
{
        fputs("usage: ", file);
        print_synopsis(verb, file);
        fprintf(file, "\n\n%c%s.\n%s", toupper(verb->summary[0]), verb->summary + 1, verb->help);
        if (verb->flags[0].name) {
                fputs("\nflags:\n", file);
                print_flags(verb->flags, file);
        }
        fputs("\nflags of all verbs:\n", file);
        print_flags(arguments_global_flags, file);
}

void help_print(const struct verb *verbs, FILE *file)
{
        fputs("usage: meshctl VERB [FLAG...] [OPERAND...]\n"
              "Asks the meshd of this node, or tells it something.\n\nverbs:\n",
                        file);
        for (; verbs->name; verbs++) {
                char text[80];

                snprintf(text, sizeof(text), "%s %s", verbs->name, verbs->operands);
                fprintf(file, "  %-*s %s\n", FLAG_COLUMN, text, verbs->summary);
        }
        fputs("\nflags of all verbs, before or after the verb:\n", file);
        print_flags(arguments_global_flags, file);
        fputs("\nmeshctl VERB --help says more.\n"
              "exit status: 0 ok, 1 failed, 2 degraded, 64 usage, 69 meshd unreachable, 75 timeout "
              "or partial,\n"
              "77 not allowed, 78 bad configuration.\n",
                        file);
}
