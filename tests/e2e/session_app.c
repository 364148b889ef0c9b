/* SPDX-License-Identifier: MIT */
/*
 * An app with sessions, for test_sessions.py: session_app SOCKET NAME TIMEOUT_MS PENDING_MAX. Its
 * key ring is SOCKET.keys, made by the first one. One command a line, one answer a line:
 *
 *   state                            mode=
 *   create DATA [PRINCIPAL [TAG]]    rc= id=
 *   get ID                           rc= len= data=
 *   save ID DATA                     rc= data=       over what a get says now
 *   hold ID | commit DATA            rc= data=       a get; and a save over what it said
 *   rotate ID DATA                   rc= id=
 *   destroy ID | principal NAME      rc=
 *   gets ID N                        rc= ns=         time of one get, of N
 *   size ID N                        rc= len=        save N bytes, and get them
 */
#include "libcachemesh/cachemesh-session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct cm *cm;
static struct cm_session_space *space;
static struct cm_session held = {.size = sizeof(held)};

static void tell(int rc, const struct cm_session *session)
{
        printf("rc=%d len=%zu data=%.*s\n", rc, session->len,
                        (int)(session->len < 100 ? session->len : 100),
                        session->data ? (const char *)session->data : "");
}

static void do_create(const char *data, const char *principal, const char *tag)
{
        const struct cm_session_create_options options = {.size = sizeof(options),
                        .principal = principal,
                        .principal_len = principal ? strlen(principal) : 0,
                        .tag = tag,
                        .tag_len = tag ? strlen(tag) : 0};
        char id[CM_SESSION_ID_SIZE] = "-";
        int rc = cm_session_create(space, data, strlen(data), &options, id, NULL);

        printf("rc=%d id=%s\n", rc, id);
}

static void do_get(const char *id)
{
        struct cm_session session = {.size = sizeof(session)};
        int rc = cm_session_get(space, id, NULL, &session);

        tell(rc, &session);
        cm_session_release(&session);
}

static void do_save(const char *id, const char *data)
{
        struct cm_session session = {.size = sizeof(session)};
        int rc = cm_session_get(space, id, NULL, &session);

        if (rc == 0) {
                rc = cm_session_save(&session, data, strlen(data), NULL);
        }
        tell(rc, &session);
        cm_session_release(&session);
}

static void do_hold(const char *id)
{
        cm_session_release(&held);
        tell(cm_session_get(space, id, NULL, &held), &held);
}

static void do_commit(const char *data)
{
        int rc = cm_session_save(&held, data, strlen(data), NULL);

        tell(rc, &held);
}

static void do_rotate(const char *id, const char *data)
{
        struct cm_session session = {.size = sizeof(session)};
        char new_id[CM_SESSION_ID_SIZE] = "-";
        int rc = cm_session_get(space, id, NULL, &session);

        if (rc == 0) {
                rc = cm_session_rotate(&session, data, strlen(data), NULL, new_id);
        }
        printf("rc=%d id=%s\n", rc, new_id);
        cm_session_release(&session);
}

static double now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void do_gets(const char *id, int n)
{
        double begin_ns = now_ns();
        int rc = 0;

        for (int i = 0; i < n && rc == 0; i++) {
                struct cm_session session = {.size = sizeof(session)};

                rc = cm_session_get(space, id, NULL, &session);
                cm_session_release(&session);
        }
        printf("rc=%d ns=%.0f\n", rc, (now_ns() - begin_ns) / n);
}

static void do_size(const char *id, size_t len)
{
        struct cm_session session = {.size = sizeof(session)};
        char *data = malloc(len);
        int rc = cm_session_get(space, id, NULL, &session);

        if (data && rc == 0) {
                for (size_t i = 0; i < len; i++) {
                        data[i] = (char)(i % 251);
                }
                rc = cm_session_save(&session, data, len, NULL);
        }
        if (rc == 0) {
                rc = cm_session_get(space, id, NULL, &session);
        }
        if (rc == 0 && (session.len != len || memcmp(session.data, data, len) != 0)) {
                rc = -1;
        }
        printf("rc=%d len=%zu\n", rc, session.len);
        cm_session_release(&session);
        free(data);
}

static void do_principal(const char *name)
{
        printf("rc=%d\n", cm_session_destroy_principal(space, name, strlen(name), NULL));
}

static void do_state(void)
{
        struct cm_state state = {0};
        int rc;

        cm_dispatch(cm); /* nobody else connects for an app that only asks */
        rc = cm_state(cm, &state);
        printf("rc=%d mode=%s\n", rc, state.mode == CM_LIVE ? "live" : "other");
}

static void run(char *line)
{
        char *words[4] = {NULL};
        int n = 0;

        for (char *word = strtok(line, " \n"); word && n < 4; word = strtok(NULL, " \n")) {
                words[n++] = word;
        }
        if (n == 1 && strcmp(words[0], "state") == 0) {
                do_state();
        } else if (n >= 2 && strcmp(words[0], "create") == 0) {
                do_create(words[1], words[2], words[3]);
        } else if (n == 2 && strcmp(words[0], "get") == 0) {
                do_get(words[1]);
        } else if (n == 3 && strcmp(words[0], "save") == 0) {
                do_save(words[1], words[2]);
        } else if (n == 2 && strcmp(words[0], "hold") == 0) {
                do_hold(words[1]);
        } else if (n == 2 && strcmp(words[0], "commit") == 0) {
                do_commit(words[1]);
        } else if (n == 3 && strcmp(words[0], "rotate") == 0) {
                do_rotate(words[1], words[2]);
        } else if (n == 3 && strcmp(words[0], "gets") == 0) {
                do_gets(words[1], atoi(words[2]));
        } else if (n == 3 && strcmp(words[0], "size") == 0) {
                do_size(words[1], (size_t)atol(words[2]));
        } else if (n == 2 && strcmp(words[0], "destroy") == 0) {
                printf("rc=%d\n", cm_session_destroy(space, words[1], NULL));
        } else if (n == 2 && strcmp(words[0], "principal") == 0) {
                do_principal(words[1]);
        } else {
                printf("rc=-22\n");
        }
}

static int open_space(const char *socket_path)
{
        char path[256];
        const struct cm_session_space_options options = {.size = sizeof(options), .key_file = path};
        int rc;

        snprintf(path, sizeof(path), "%s.keys", socket_path);
        rc = cm_session_keys_new(path);
        return rc < 0 && rc != -EEXIST ? rc : cm_session_space_open(&space, cm, "test", &options);
}

int main(int argc, char **argv)
{
        struct cm_options options = {.size = sizeof(options)};
        char line[4096];
        int rc;

        if (argc < 5) {
                return 2;
        }
        options.socket_path = argv[1];
        options.name = argv[2];
        options.timeout_ms = (uint32_t)atoi(argv[3]);
        rc = cm_open(&cm, &options);
        if (rc >= 0) {
                rc = open_space(argv[1]);
        }
        printf("rc=%d\n", rc);
        fflush(stdout);
        while (rc >= 0 && fgets(line, sizeof(line), stdin)) {
                run(line);
                fflush(stdout);
        }
        cm_session_release(&held);
        cm_session_space_close(space);
        cm_close(cm);
        return rc < 0;
}
