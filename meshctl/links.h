/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The matrix of links: from each node to each other one, made of what the nodes say about whom they
 * hear. A link from A to B is connected if B hears A.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum link_state {
        LINK_SELF = 0, /* no link: a node and itself */
        LINK_CONNECTED,
        LINK_CUT,
        LINK_UNKNOWN,
};

struct links {
        const json_t *nodes; /* rows of the document, borrowed */
        size_t n_nodes;
        size_t n_connected;
        size_t n_bad; /* cut or unknown; together N x (N-1) */
};

/**
 * links_read() - take the answer to "links"
 * @document: borrowed while @ret_links is used
 *
 * Return: 0, or -EBADMSG: the answer has not the promised form.
 */
int links_read(const json_t *document, struct links *ret_links);

/* From node @from to node @to, both below n_nodes. */
enum link_state links_state(const struct links *links, size_t from, size_t to);

const char *links_name(const struct links *links, size_t node);

/* Array of {from, to, state}; only the bad ones with @is_bad_only. New reference. */
json_t *links_list(const struct links *links, bool is_bad_only);
