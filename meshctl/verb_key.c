/* SPDX-License-Identifier: MIT */
/*
 * key: make a key file, and exchange the keys of a running node. A key goes from a file to meshd;
 * it is shown nowhere, keys are named by their fingerprints.
 */
#include "meshctl/deadline.h"
#include "meshctl/document.h"
#include "meshctl/memory.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "wire/key_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

/* Of a fingerprint, in digits: as meshd takes them. */
#define FINGERPRINT_MIN 4
#define FINGERPRINT_MAX 16

static const struct view_column key_columns[] = {
                {"KEY", "key", VIEW_TEXT},
                {"IN USE", "is_used", VIEW_BOOL},
                {NULL},
};

static const struct view key_view = {"keys", "key", key_columns};

/* A new key file */

static int make_key(const char *path)
{
        struct cmi_key_file file = {.n_keys = 1};
        char text[CMI_KEY_FILE_TEXT_SIZE];
        int r;

        if (getrandom(file.keys[0], CMI_KEY_SIZE, 0) != CMI_KEY_SIZE) {
                return -EIO;
        }
        r = cmi_file_create(AT_FDCWD, path, cmi_slice(text, cmi_key_file_format(&file, text)));
        explicit_bzero(&file, sizeof(file));
        explicit_bzero(text, sizeof(text));
        return r;
}

static int do_new(struct call *call, const char *path)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        int r = make_key(path);

        if (r == -EEXIST) {
                return problem_set(&call->problem, STATUS_FAILED,
                                "name another file; a key that is in use is exchanged by install, "
                                "use and remove",
                                "%.300s exists, and is not overwritten", path);
        }
        if (r < 0) {
                return problem_set(&call->problem, STATUS_FAILED, NULL, "%.300s: %s", path,
                                strerror(-r));
        }
        document = memory_got(json_pack("{s:s, s:o}", "schema", "cachemesh.key/1", "file",
                        document_text(cmi_slice_str(path))));
        view_fields(document, "file", &call->output);
        return STATUS_OK;
}

/* The keys of a node */

static int show(struct call *call, const char *verb, struct cmi_slice arguments)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        int status = call_query(call, verb, arguments, &document);

        if (status == STATUS_OK) {
                view_rows(&key_view, document, &call->output);
        }
        return status;
}

static int do_list(struct call *call, const char *operand)
{
        return show(call, "keys", cmi_slice(NULL, 0));
}

static int ask(struct call *call, const char *verb, const char *key)
{
        bool is_forced = arguments_has(call->arguments, "force");
        bool is_timed = strcmp(verb, "key_use") == 0 && call->arguments->has_timeout;
        struct call_arguments arguments;
        int status;

        call_arguments_begin(&arguments, 1u + is_forced + is_timed);
        call_arguments_str(&arguments, "key", key);
        if (is_forced) {
                call_arguments_bool(&arguments, "force", true);
        }
        if (is_timed) {
                call_arguments_uint(&arguments, "timeout_ms", call_left_ms(call));
                call->deadline_ns = deadline_in_ms(call_left_ms(call) + CALL_GRACE_MS);
        }
        status = show(call, verb, call_arguments_end(&arguments));
        explicit_bzero(&arguments, sizeof(arguments));
        return status;
}

/* The key that the file says is to be used, as 64 hex digits. */
static int read_key(struct call *call, const char *path, char ret_hex[CMI_KEY_HEX_SIZE + 1])
{
        CM_CLEANUP(cmi_close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        struct cmi_key_file file;
        char text[CMI_KEY_FILE_MAX + 1];
        uint32_t line = 0;
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
        int r = n < 0 ? -errno : cmi_key_file_parse(cmi_slice(text, (size_t)n), &file, &line);

        explicit_bzero(text, sizeof(text));
        if (n < 0) {
                return problem_set(&call->problem, STATUS_FAILED, NULL, "%.300s: %s", path,
                                strerror(-r));
        }
        if (r < 0) {
                return problem_set(&call->problem, STATUS_CONFIG,
                                "meshctl key new makes a key file", "%.300s: no key file (line %u)",
                                path, line);
        }
        cmi_key_format(file.keys[file.used], ret_hex);
        ret_hex[CMI_KEY_HEX_SIZE] = '\0';
        explicit_bzero(&file, sizeof(file));
        return STATUS_OK;
}

/* Its own key file meshd refuses if others can read it; the one brought here holds the same. */
static void warn_of_readers(const struct call *call, const char *path)
{
        static const char advice[] = "If that may be anybody else, make another one; remove this "
                                     "file, or chmod 600 it.";
        struct stat status;

        if (!call->output.is_quiet && stat(path, &status) == 0 &&
                        (status.st_mode & (S_IRGRP | S_IROTH))) {
                char *printable = table_printable(path);

                fprintf(stderr,
                                "meshctl key: warning: %.300s has mode %04o: who could read it has "
                                "the key, and is a member. %s\n",
                                printable, status.st_mode & 07777, advice);
                free(printable);
        }
}

static int do_install(struct call *call, const char *path)
{
        char hex[CMI_KEY_HEX_SIZE + 1];
        int status = read_key(call, path, hex);

        if (status == STATUS_OK) {
                warn_of_readers(call, path);
                status = ask(call, "key_install", hex);
                explicit_bzero(hex, sizeof(hex));
        }
        return status;
}

/* The first digits of a fingerprint, or all of them. */
static int ask_by_fingerprint(struct call *call, const char *verb, const char *key)
{
        size_t n = strspn(key, "0123456789abcdef");

        if (key[n] || n < FINGERPRINT_MIN || n > FINGERPRINT_MAX) {
                return problem_set(&call->problem, STATUS_USAGE, "meshctl key list shows them",
                                "key \"%.40s\": want %d to %d hex digits of its fingerprint", key,
                                FINGERPRINT_MIN, FINGERPRINT_MAX);
        }
        return ask(call, verb, key);
}

/* meshd asks the others first whether they hold it, and ends that by itself. */
static int do_use(struct call *call, const char *key)
{
        return ask_by_fingerprint(call, "key_use", key);
}

static int do_remove(struct call *call, const char *key)
{
        return ask_by_fingerprint(call, "key_remove", key);
}

static const struct step {
        const char *name;
        const char *operand; /* NULL: it takes none */
        int (*run)(struct call *call, const char *operand);
} steps[] = {
                {"new", "FILE", do_new},
                {"list", NULL, do_list},
                {"install", "FILE", do_install},
                {"use", "KEY", do_use},
                {"remove", "KEY", do_remove},
};

int verb_key(struct call *call)
{
        const struct arguments *arguments = call->arguments;

        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
                const struct step *step = &steps[i];

                if (strcmp(arguments->operands[0], step->name) != 0) {
                        continue;
                }
                if (arguments_has(arguments, "force") && step->run != do_use) {
                        return problem_set(&call->problem, STATUS_USAGE, "meshctl key --help",
                                        "key %s takes no --force", step->name);
                }
                if (arguments->n_operands != (step->operand ? 2 : 1)) {
                        return problem_set(&call->problem, STATUS_USAGE, "meshctl key --help",
                                        "key %s takes %s", step->name,
                                        step->operand ? step->operand : "no operand");
                }
                return step->run(call, step->operand ? arguments->operands[1] : NULL);
        }
        return problem_set(&call->problem, STATUS_USAGE, "meshctl key --help",
                        "key %.40s: want new, list, install, use or remove",
                        arguments->operands[0]);
}
