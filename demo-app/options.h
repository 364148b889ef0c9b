/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The command line.
 */
#include <stdbool.h>
#include <stdint.h>

struct options {
        const char *db;
        const char *node;
        const char *socket; /* NULL: the library's default */
        uint16_t port;      /* 0: any free one */
        bool is_standalone;
        bool is_publishing;
        bool is_help;
};

/**
 * options_read() - read the arguments of main()
 * @ret_options: borrows from @argv
 *
 * Return: 0, or -EINVAL after saying on stderr what is wrong.
 */
int options_read(struct options *ret_options, int argc, char **argv);

void options_print_help(void);
