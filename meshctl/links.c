/* SPDX-License-Identifier: MIT */
#include "meshctl/links.h"

#include "meshctl/document.h"
#include "meshctl/memory.h"

#include <errno.h>

int links_read(const json_t *document, struct links *ret_links)
{
        struct links links = {.nodes = json_object_get(document, "nodes")};

        links.n_nodes = json_array_size(links.nodes);
        if (!json_is_array(links.nodes)) {
                return -EBADMSG;
        }
        for (size_t i = 0; i < links.n_nodes; i++) {
                const json_t *hears = json_object_get(json_array_get(links.nodes, i), "hears");

                if (json_string_length(hears) != links.n_nodes) {
                        return -EBADMSG;
                }
        }
        for (size_t from = 0; from < links.n_nodes; from++) {
                for (size_t to = 0; to < links.n_nodes; to++) {
                        enum link_state state = links_state(&links, from, to);

                        links.n_connected += state == LINK_CONNECTED;
                        links.n_bad += state == LINK_CUT || state == LINK_UNKNOWN;
                }
        }
        *ret_links = links;
        return 0;
}

enum link_state links_state(const struct links *links, size_t from, size_t to)
{
        const json_t *listener = json_array_get(links->nodes, to);

        if (from == to) {
                return LINK_SELF;
        }
        switch (json_string_value(json_object_get(listener, "hears"))[from]) {
        case '1':
                return LINK_CONNECTED;
        case '0':
                return LINK_CUT;
        default:
                return LINK_UNKNOWN;
        }
}

static const char *state_name(enum link_state state)
{
        static const char *const names[] = {[LINK_SELF] = "itself",
                        [LINK_CONNECTED] = "connected",
                        [LINK_CUT] = "cut",
                        [LINK_UNKNOWN] = "unknown"};

        return names[state];
}

const char *links_name(const struct links *links, size_t node)
{
        return document_str(json_array_get(links->nodes, node), "name", "?");
}

json_t *links_list(const struct links *links, bool is_bad_only)
{
        json_t *list = memory_got(json_array());

        for (size_t from = 0; from < links->n_nodes; from++) {
                for (size_t to = 0; to < links->n_nodes; to++) {
                        enum link_state state = links_state(links, from, to);

                        if (state == LINK_SELF || (is_bad_only && state == LINK_CONNECTED)) {
                                continue;
                        }
                        json_array_append_new(list, memory_got(json_pack("{s:s, s:s, s:s}", "from",
                                                                    links_name(links, from), "to",
                                                                    links_name(links, to), "state",
                                                                    state_name(state))));
                }
        }
        return list;
}
