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
        const char *socket;           /* NULL: the library's default */
        const char *session_keys;     /* the key ring; NULL: the library's default */
        const char *new_session_keys; /* a key ring to make, and nothing else; NULL: none */
        uint64_t idle_ms;             /* of logins; 0: none */
        uint64_t life_ms;             /* of logins */
        uint16_t port;                /* 0: any free one */
        bool is_standalone;
        bool is_publishing;
        bool has_logins;
        bool is_cookie_secure;
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
