/* SPDX-License-Identifier: MIT */
#include "discovery/peer_file.h"

#include "base/file.h"
#include "wire/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION_LINE "cachemesh-peers 1"
/* id, space, endpoint, space, name, newline */
#define LINE_MAX_SIZE (CMI_ID_TEXT_SIZE + CMI_ENDPOINT_TEXT_SIZE + CMI_NAME_MAX + 2)

/* Cuts @text at the next @mark and returns what is behind it; NULL if there is none. */
static char *cut(char *text, char mark)
{
        char *end = strchr(text, mark);

        if (!end) {
                return NULL;
        }
        *end = '\0';
        return end + 1;
}

static bool is_good_name(const char *name)
{
        return strlen(name) <= CMI_NAME_MAX && cmi_text_is_clean(cmi_slice_str(name));
}

/* "ID ENDPOINT NAME", where the name may be empty and may hold spaces. */
static bool parse_line(char *line, struct peer_file_entry *entry)
{
        char *endpoint = cut(line, ' ');
        char *name = endpoint ? cut(endpoint, ' ') : NULL;

        if (!name || !is_good_name(name) || cmi_id_parse(line, &entry->id) < 0 ||
                        cmi_id_is_zero(&entry->id) ||
                        cmi_endpoint_parse(endpoint, &entry->endpoint) != CMI_ENDPOINT_OK ||
                        entry->endpoint.port == 0) {
                return false;
        }
        strcpy(entry->name, name);
        return true;
}

static int parse(char *text, struct peer_file_entry *entries, size_t max,
                struct peer_file_contents *ret_contents)
{
        struct peer_file_contents contents = {0};
        char *next = cut(text, '\n');

        if (strcmp(text, VERSION_LINE) != 0) {
                return -EPROTONOSUPPORT;
        }
        for (char *line = next; line; line = next) {
                struct peer_file_entry entry = {0};

                next = cut(line, '\n');
                if (!next && line[0] == '\0') {
                        break;
                }
                /* A last line without its end was cut off, and may be a
                 * shorter name than it was. */
                if (!next || !parse_line(line, &entry)) {
                        contents.n_bad++;
                } else if (contents.n_entries == max) {
                        contents.n_surplus++;
                } else {
                        entries[contents.n_entries++] = entry;
                }
        }
        *ret_contents = contents;
        return 0;
}

static int read_file(int fd, struct peer_file_entry *entries, size_t max,
                struct peer_file_contents *ret_contents)
{
        struct stat status;
        char *text;
        ssize_t n;
        int r;

        if (fstat(fd, &status) < 0) {
                return -errno;
        }
        if (!S_ISREG(status.st_mode)) {
                return -EINVAL;
        }
        if (status.st_size > PEER_FILE_SIZE_MAX) {
                return -EFBIG;
        }
        text = malloc((size_t)status.st_size + 1);
        if (!text) {
                return -ENOMEM;
        }
        n = cmi_file_read(fd, text, (size_t)status.st_size);
        if (n < 0) {
                r = (int)n;
        } else {
                text[n] = '\0';
                r = parse(text, entries, max, ret_contents);
        }
        free(text);
        return r;
}

int peer_file_read(int directory, struct peer_file_entry *ret_entries, size_t max,
                struct peer_file_contents *ret_contents)
{
        /* Not to wait for a writer, should somebody have put a pipe there. */
        int fd = openat(directory, PEER_FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        int r;

        if (fd < 0) {
                return -errno;
        }
        r = read_file(fd, ret_entries, max, ret_contents);
        close(fd);
        return r;
}

static size_t format_line(const struct peer_file_entry *entry, char *line, size_t size)
{
        char id[CMI_ID_TEXT_SIZE], endpoint[CMI_ENDPOINT_TEXT_SIZE];

        cmi_id_format(&entry->id, id);
        cmi_endpoint_format(&entry->endpoint, endpoint);
        return (size_t)snprintf(line, size, "%s %s %s\n", id, endpoint,
                        is_good_name(entry->name) ? entry->name : "");
}

int peer_file_write(int directory, const struct peer_file_entry *entries, size_t n)
{
        size_t size = sizeof(VERSION_LINE);
        char *text;
        int r;

        if (n > PEER_FILE_SIZE_MAX / LINE_MAX_SIZE) {
                return -EFBIG;
        }
        text = malloc(size + n * LINE_MAX_SIZE + 1);
        if (!text) {
                return -ENOMEM;
        }
        memcpy(text, VERSION_LINE "\n", size);
        for (size_t i = 0; i < n; i++) {
                size += format_line(&entries[i], text + size, LINE_MAX_SIZE + 1);
        }
        r = cmi_file_replace(directory, PEER_FILE_NAME, cmi_slice(text, size));
        free(text);
        return r == CMI_FILE_UNSYNCED ? -EIO : r;
}
