/* SPDX-License-Identifier: MIT */
/*
 * A meshd that only answers what a scenario says: usage fake_meshd SOCKET SCENARIO.json. When it
 * listens it prints its pid, goes on in the background, serves one connection after the other, and
 * writes what it was asked to SOCKET.log.
 *
 * Scenario: {"attach": A, "answers": {VERB: A}, "publish": A, "events": [document...]}. A is a
 * document, {"error": [code, text]}, a word for a misbehaviour (silent, close, garbage, oversize,
 * no-map, wrong-type), or an array of such, taken one after the other, the last one for ever.
 * Numbers over what JSON holds are not needed.
 */
#include "meshctl/document.h"
#include "wire/local.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LIFE_S 120 /* should the test forget it */

struct fake {
        const json_t *scenario;
        json_t *turns; /* how often each answer was given */
        FILE *log;
        int fd;
};

static uint8_t out[CMI_LOCAL_ANSWER_MAX + CMI_LOCAL_PREFIX_SIZE];
static uint8_t in[CMI_LOCAL_REQUEST_MAX + CMI_LOCAL_PREFIX_SIZE];

static void die(const char *what)
{
        fprintf(stderr, "fake_meshd: %s: %s\n", what, strerror(errno));
        exit(1);
}

static void write_value(struct cmi_writer *writer, const json_t *value)
{
        const json_t *item;
        const char *key;
        size_t i;

        switch (json_typeof(value)) {
        case JSON_OBJECT:
                cmi_write_map(writer, (uint32_t)json_object_size(value));
                json_object_foreach((json_t *)value, key, item)
                {
                        cmi_write_cstr(writer, key);
                        write_value(writer, item);
                }
                break;
        case JSON_ARRAY:
                cmi_write_array(writer, (uint32_t)json_array_size(value));
                json_array_foreach(value, i, item)
                {
                        write_value(writer, item);
                }
                break;
        case JSON_STRING:
                cmi_write_str(writer,
                                cmi_slice(json_string_value(value), json_string_length(value)));
                break;
        case JSON_INTEGER:
                cmi_write_int(writer, json_integer_value(value));
                break;
        case JSON_REAL:
                cmi_write_float(writer, json_real_value(value));
                break;
        case JSON_TRUE:
        case JSON_FALSE:
                cmi_write_bool(writer, json_is_true(value));
                break;
        case JSON_NULL:
                cmi_write_nil(writer);
                break;
        }
}

static void send_bytes(const struct fake *fake, const void *bytes, size_t len)
{
        const uint8_t *at = bytes;

        while (len > 0) {
                ssize_t n = send(fake->fd, at, len, MSG_NOSIGNAL);

                if (n < 0) {
                        return; /* the tool has what it wanted */
                }
                at += n;
                len -= (size_t)n;
        }
}

/* The next answer of this name; its turn is counted under the name. */
static const json_t *next_answer(struct fake *fake, const json_t *answers, const char *name)
{
        const json_t *answer = json_object_get(answers, name);
        json_int_t turn = document_int(fake->turns, name, 0);

        json_object_set_new(fake->turns, name, json_integer(turn + 1));
        if (json_is_array(answer)) {
                size_t last = json_array_size(answer) - 1;

                answer = json_array_get(answer, (size_t)turn < last ? (size_t)turn : last);
        }
        return answer;
}

static bool misbehave(const struct fake *fake, uint64_t id, const char *word)
{
        static const uint8_t garbage[] = {5, 0, 0, 0, 0xc1, 0xc1, 0xc1, 0xc1, 0xc1};
        static const uint8_t oversize[] = {0xff, 0xff, 0xff, 0xff, 0x93};
        struct cmi_writer writer = cmi_writer(out, sizeof(out));
        size_t begin;

        if (strcmp(word, "close") == 0) {
                return false;
        }
        if (strcmp(word, "garbage") == 0) {
                send_bytes(fake, garbage, sizeof(garbage));
        } else if (strcmp(word, "oversize") == 0) {
                send_bytes(fake, oversize, sizeof(oversize));
        } else if (strcmp(word, "no-map") == 0) {
                begin = cmi_local_begin(&writer, CMI_LOCAL_ANSWER, id);
                cmi_document_write_head(&writer);
                cmi_write_array(&writer, 0);
                cmi_local_end(&writer, begin);
                send_bytes(fake, out, writer.len);
        } else if (strcmp(word, "wrong-type") == 0) {
                begin = cmi_local_begin(&writer, CMI_LOCAL_REGION_OPENED, id);
                cmi_region_opened_write(&writer, &(struct cmi_region_opened){0});
                cmi_local_end(&writer, begin);
                send_bytes(fake, out, writer.len);
        }
        return true;
}

static void write_result(struct cmi_writer *writer, const json_t *answer)
{
        const json_t *members = json_object_get(answer, "members"), *member;
        struct cmi_result result = {.outcome = document_int(answer, "outcome", 0),
                        .position = (uint64_t)document_int(answer, "position", 0),
                        .n_applied = (uint32_t)document_int(answer, "applied", 0),
                        .n_lapsed = (uint32_t)document_int(answer, "lapsed", 0),
                        .n_unconfirmed = (uint32_t)document_int(answer, "unconfirmed", 0),
                        .n_members = (uint32_t)json_array_size(members)};
        size_t i;

        cmi_result_write(writer, &result);
        json_array_foreach(members, i, member)
        {
                struct cmi_result_member out_member = {
                                .name = cmi_slice_str(document_str(member, "name", "?")),
                                .state = (uint64_t)document_int(member, "state", 0)};

                memset(out_member.id.bytes, 0xab, sizeof(out_member.id.bytes));
                cmi_result_write_member(writer, &out_member);
        }
}

static void write_attached(struct cmi_writer *writer)
{
        struct cmi_attached attached = {.version = 1,
                        .software = "fake 1",
                        .node = "a",
                        .incarnation = 1,
                        .epoch = 1,
                        .clock = {1, 1}};

        memset(attached.node_id.bytes, 0xab, sizeof(attached.node_id.bytes));
        cmi_attached_write(writer, &attached);
}

/* Return: false to close the connection. */
static bool respond(const struct fake *fake, uint64_t id, enum cmi_local_type type,
                const json_t *answer)
{
        const json_t *error = json_object_get(answer, "error");
        struct cmi_writer writer = cmi_writer(out, sizeof(out));
        size_t begin;

        if (json_is_string(answer)) {
                return misbehave(fake, id, json_string_value(answer));
        }
        begin = cmi_local_begin(&writer, json_is_array(error) ? CMI_LOCAL_ERROR : type, id);
        if (json_is_array(error)) {
                struct cmi_error out_error = {.code = json_integer_value(json_array_get(error, 0))};

                snprintf(out_error.text, sizeof(out_error.text), "%s",
                                json_string_value(json_array_get(error, 1)));
                cmi_error_write(&writer, &out_error);
        } else if (type == CMI_LOCAL_ATTACHED) {
                write_attached(&writer);
        } else if (type == CMI_LOCAL_RESULT) {
                write_result(&writer, answer);
        } else {
                cmi_document_write_head(&writer);
                write_value(&writer, answer);
        }
        cmi_local_end(&writer, begin);
        send_bytes(fake, out, writer.len);
        return true;
}

static bool on_query(struct fake *fake, const struct cmi_local_head *head)
{
        static const char unknown[] = "{\"error\": [-95, \"unknown verb\"]}";
        struct cmi_local_query query;
        const json_t *answer;
        json_t *arguments = NULL;
        char verb[64];
        bool goes_on;

        if (cmi_local_query_decode(head->fields, &query) < 0) {
                return false;
        }
        snprintf(verb, sizeof(verb), "%.*s", (int)query.verb.len, (const char *)query.verb.data);
        if (query.arguments.len > 0) {
                document_decode(query.arguments, &arguments);
        }
        fprintf(fake->log, "%s %s ", head->type == CMI_LOCAL_QUERY ? "QUERY" : "SUBSCRIBE", verb);
        if (arguments) {
                json_dumpf(arguments, fake->log, JSON_COMPACT | JSON_SORT_KEYS);
        }
        fputc('\n', fake->log);
        json_decref(arguments);
        answer = next_answer(fake, json_object_get(fake->scenario, "answers"), verb);
        if (head->type == CMI_LOCAL_SUBSCRIBE) {
                const json_t *events = json_object_get(fake->scenario, "events"), *event;
                size_t i;

                goes_on = answer ? respond(fake, head->id, CMI_LOCAL_ERROR, answer) : true;
                json_array_foreach(events, i, event)
                {
                        goes_on = goes_on && respond(fake, head->id, CMI_LOCAL_EVENT, event);
                }
                return goes_on;
        }
        if (!answer) {
                json_t *error = json_loads(unknown, 0, NULL);

                goes_on = respond(fake, head->id, CMI_LOCAL_ANSWER, error);
                json_decref(error);
                return goes_on;
        }
        return respond(fake, head->id, CMI_LOCAL_ANSWER, answer);
}

static void log_list(const struct fake *fake, const char *word, struct cmi_reader list, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                struct cmi_slice item = cmi_op_next(&list);

                if (i < 4) {
                        fprintf(fake->log, " %s=%.*s", word, (int)item.len,
                                        (const char *)item.data);
                }
        }
}

static bool on_publish(struct fake *fake, const struct cmi_local_head *head)
{
        const json_t *answer = next_answer(fake, fake->scenario, "publish");
        struct cmi_publish publish;
        struct cmi_op op;

        if (cmi_publish_decode(head->fields, &publish) < 0 || cmi_op_decode(publish.op, &op) < 0) {
                fprintf(fake->log, "PUBLISH that cannot be read\n");
                return false;
        }
        fprintf(fake->log, "PUBLISH wait=%" PRIu64 " region=%.*s n_keys=%u n_tags=%u whole=%d",
                        publish.wait, (int)op.region.len, (const char *)op.region.data, op.n_keys,
                        op.n_tags, op.is_whole_region);
        if (op.hold_ms > 0) {
                fprintf(fake->log, " hold=%" PRIu64, op.hold_ms);
        }
        log_list(fake, "key", op.keys, op.n_keys);
        log_list(fake, "tag", op.tags, op.n_tags);
        fputc('\n', fake->log);
        return respond(fake, head->id, CMI_LOCAL_RESULT, answer);
}

static bool on_attach(struct fake *fake, const struct cmi_local_head *head)
{
        const json_t *answer = next_answer(fake, fake->scenario, "attach");
        struct cmi_attach attach;

        if (cmi_attach_decode(head->fields, &attach) < 0) {
                return false;
        }
        fprintf(fake->log, "ATTACH %s wants_page=%d\n", attach.name, attach.wants_page);
        return respond(fake, head->id, CMI_LOCAL_ATTACHED, answer);
}

static bool on_message(struct fake *fake, struct cmi_slice payload)
{
        struct cmi_local_head head;
        bool goes_on = false;

        if (cmi_local_decode(payload, &head) < 0) {
                fprintf(fake->log, "MESSAGE that cannot be read\n");
        } else if (head.type == CMI_LOCAL_ATTACH) {
                goes_on = on_attach(fake, &head);
        } else if (head.type == CMI_LOCAL_QUERY || head.type == CMI_LOCAL_SUBSCRIBE) {
                goes_on = on_query(fake, &head);
        } else if (head.type == CMI_LOCAL_PUBLISH) {
                goes_on = on_publish(fake, &head);
        }
        fflush(fake->log);
        return goes_on;
}

static void serve(struct fake *fake)
{
        size_t used = 0;
        ssize_t n;

        while ((n = recv(fake->fd, in + used, sizeof(in) - used, 0)) > 0) {
                struct cmi_slice payload;
                int64_t taken;

                used += (size_t)n;
                while ((taken = cmi_local_split(cmi_slice(in, used), CMI_LOCAL_REQUEST_MAX,
                                        &payload)) > 0) {
                        if (!on_message(fake, payload)) {
                                return;
                        }
                        used -= (size_t)taken;
                        memmove(in, in + taken, used);
                }
                if (taken < 0) {
                        return;
                }
        }
}

static int listen_on(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
                        listen(fd, 16) < 0) {
                die(path);
        }
        return fd;
}

static void to_background(void)
{
        pid_t pid = fork();

        if (pid < 0) {
                die("fork");
        }
        if (pid > 0) {
                printf("%d\n", (int)pid);
                exit(0);
        }
        /* Whoever collects the parent's output must not wait for ours. */
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) {
                exit(1);
        }
        /* bats waits for this descriptor to be closed. */
        close(3);
}

int main(int argc, char **argv)
{
        struct fake fake = {.turns = json_object()};
        json_error_t error;
        char path[200];
        int listener;

        if (argc != 3) {
                fputs("usage: fake_meshd SOCKET SCENARIO.json\n", stderr);
                return 64;
        }
        fake.scenario = json_load_file(argv[2], 0, &error);
        if (!fake.scenario) {
                fprintf(stderr, "fake_meshd: %s:%d: %s\n", argv[2], error.line, error.text);
                return 1;
        }
        listener = listen_on(argv[1]);
        snprintf(path, sizeof(path), "%s.log", argv[1]);
        to_background();
        alarm(LIFE_S);
        fake.log = fopen(path, "we");
        if (!fake.log) {
                return 1;
        }
        for (;;) {
                fake.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fake.fd < 0) {
                        return 1;
                }
                serve(&fake);
                close(fake.fd);
        }
}
