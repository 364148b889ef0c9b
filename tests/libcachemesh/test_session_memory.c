/* SPDX-License-Identifier: MIT */
/*
 * What a core file of an app would hold: no id, once the app itself has forgotten it, neither as
 * text nor as bytes. The test keeps what it looks for veiled.
 */
#include "tests/libcachemesh/session_fixture.h"

#include "libcachemesh/session/seal.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define VEIL 0xa5
#define PIECE 12                        /* bytes in a row that are no coincidence */
#define MAPPING_MAX ((size_t)256 << 20) /* what is larger is a sanitizer's own */
#define PAGE 4096
#define CALL_MS 60

/* The bytes of the last id that was made, and its text, veiled. */
static uint8_t bytes[CMI_SESSION_ID_BYTES];
static uint8_t text[CMI_SESSION_ID_CHARS];
static bool is_wanted;

static uint8_t letter(unsigned value)
{
        return (uint8_t)("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[value &
                                                                                            63] ^
                         VEIL);
}

static void remember(const uint8_t *id)
{
        for (size_t i = 0; i < sizeof(bytes); i++) {
                bytes[i] = id[i] ^ VEIL;
        }
        for (size_t i = 0; i < sizeof(bytes) / 3; i++) {
                const uint8_t *at = id + 3 * i;

                text[4 * i] = letter(at[0] >> 2);
                text[4 * i + 1] = letter((unsigned)at[0] << 4 | at[1] >> 4);
                text[4 * i + 2] = letter((unsigned)at[1] << 2 | at[2] >> 6);
                text[4 * i + 3] = letter(at[2]);
        }
}

/* libsodium's random bytes; the first as many as an id has are one. */
static void draw(void *const buffer, const size_t size)
{
        g_assert_cmpint(getrandom(buffer, size, 0), ==, (ssize_t)size);
        if (is_wanted && size == CMI_SESSION_ID_BYTES) {
                remember(buffer);
                is_wanted = false;
        }
}

static uint32_t draw_number(void)
{
        uint32_t number;

        draw(&number, sizeof(number));
        return number;
}

static const char *name(void)
{
        return "watched";
}

static struct randombytes_implementation watched = {
                .implementation_name = name, .random = draw_number, .buf = draw};

static bool has_piece(const uint8_t *memory, size_t len, const uint8_t *piece)
{
        for (size_t i = 0; i + PIECE <= len; i++) {
                size_t n = 0;

                while (n < PIECE && (memory[i + n] ^ VEIL) == piece[n]) {
                        n++;
                }
                if (n == PIECE) {
                        return true;
                }
        }
        return false;
}

/* Most of a process's memory was never written. */
static bool is_blank(const uint8_t *memory, size_t len)
{
        return len == 0 || (memory[0] == 0 && memcmp(memory, memory + 1, len - 1) == 0);
}

static const char *find_in(const uint8_t *memory, size_t len)
{
        if (is_blank(memory, len)) {
                return NULL;
        }
        for (size_t i = 0; i + PIECE <= sizeof(text); i += 4) {
                if (has_piece(memory, len, text + i)) {
                        return "a piece of its text";
                }
        }
        return has_piece(memory, len, bytes) || has_piece(memory, len, bytes + PIECE)
                               ? "a half of its bytes"
                               : NULL;
}

/* By pages, and a little of the next one. */
static const char *find_in_pages(const uint8_t *memory, size_t len)
{
        const char *found = NULL;

        for (size_t at = 0; at < len && !found; at += PAGE) {
                found = find_in(memory + at, MIN(len - at, PAGE + PIECE));
        }
        return found;
}

/* What is in the writable memory of this process of the last id; NULL: nothing. */
static const char *find_id(void)
{
        static uint8_t memory[1 << 20];
        FILE *maps = fopen("/proc/self/maps", "re");
        int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        const char *found = NULL;
        char line[512];

        g_assert_true(maps && fd >= 0);
        while (!found && fgets(line, sizeof(line), maps)) {
                size_t begin = 0;
                size_t end = 0;
                ssize_t n = 1;

                if (sscanf(line, "%zx-%zx rw", &begin, &end) != 2 || !strstr(line, " rw") ||
                                end - begin > MAPPING_MAX) {
                        continue;
                }
                while (!found && begin < end && n > 0) {
                        n = pread(fd, memory, MIN(sizeof(memory), end - begin), (off_t)begin);
                        found = n > 0 ? find_in_pages(memory, (size_t)n) : NULL;
                        begin += n > 0 ? (size_t)n : 0;
                }
        }
        sodium_memzero(memory, sizeof(memory));
        fclose(maps);
        close(fd);
        return found;
}

static void what_is_looked_for_is_found_where_it_is(struct fixture *f, const void *unused)
{
        char id[CM_SESSION_ID_SIZE];
        uint8_t parsed[CMI_SESSION_ID_BYTES];

        is_wanted = true;
        fixture_create(f, "data", id);
        g_assert_cmpstr(find_id(), ==, "a piece of its text");
        g_assert_cmpint(cmi_session_id_parse(id, parsed), ==, 0);
        sodium_memzero(id, sizeof(id));
        g_assert_nonnull(find_id());
        sodium_memzero(parsed, sizeof(parsed));
}

/* Spaces and handles are open still. */
static void of_a_session_that_was_used_and_ended_no_id_is_left(
                struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        is_wanted = true;
        fixture_create(f, "data", id);
        for (int i = 0; i < 3; i++) {
                g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
                g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
        }
        g_assert_cmpint(cm_session_save(&session, "more", 4, NULL), ==, 0);
        g_assert_cmpint(cm_session_destroy(f->space, id, NULL), ==, 0);
        sodium_memzero(id, sizeof(id));
        g_assert_cmpstr(find_id(), ==, NULL);
        is_wanted = true;
        fixture_create(f, "data", id);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
        is_wanted = true;
        g_assert_cmpint(cm_session_rotate(&session, NULL, 0, NULL, id), ==, 0);
        sodium_memzero(id, sizeof(id));
        g_assert_cmpstr(find_id(), ==, NULL);
        cm_session_release(&session);
}

/* It may exist, and its id is told to nobody. */
static void of_a_session_that_nobody_confirmed_no_id_is_left(struct fixture *f, const void *unused)
{
        const struct cm_session_create_options options = {
                        .size = sizeof(options), .timeout_ms = CALL_MS};
        char id[CM_SESSION_ID_SIZE] = "";

        fake_sessions_fail(f->sessions, FAKE_SESSIONS_SILENT);
        is_wanted = true;
        g_assert_cmpint(cm_session_create(f->space, "x", 1, &options, id, NULL), ==, CM_E_TIMEOUT);
        g_assert_false(is_wanted);
        g_assert_cmpstr(find_id(), ==, NULL);
}

#define CASE(name)                                                                                 \
        g_test_add("/session_memory/" #name, struct fixture, NULL, fixture_set_up, name,           \
                        fixture_tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        randombytes_set_implementation(&watched);
        CASE(what_is_looked_for_is_found_where_it_is);
        CASE(of_a_session_that_was_used_and_ended_no_id_is_left);
        CASE(of_a_session_that_nobody_confirmed_no_id_is_left);
        return g_test_run();
}
