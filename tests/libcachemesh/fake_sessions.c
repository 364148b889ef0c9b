/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/fake_records.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_SIZE (CMI_SESSION_BLOB_MAX + 4096)

static void free_waiting(void *data)
{
        struct fake_waiting *waiting = data;

        g_free(waiting->blob);
        g_free(waiting);
}

static guint hash_id(gconstpointer id)
{
        guint hash;

        memcpy(&hash, id, sizeof(hash));
        return hash;
}

static gboolean equal_ids(gconstpointer a, gconstpointer b)
{
        return memcmp(a, b, CMI_ID_SIZE) == 0;
}

struct fake_sessions *fake_sessions_new(void)
{
        struct fake_sessions *sessions = g_new0(struct fake_sessions, 1);
        pthread_condattr_t attributes;

        pthread_mutex_init(&sessions->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&sessions->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        sessions->records = g_hash_table_new_full(hash_id, equal_ids, NULL, fake_record_free);
        sessions->waiting = g_ptr_array_new_with_free_func(free_waiting);
        sessions->seen = g_byte_array_new();
        return sessions;
}

struct fake_sessions *fake_sessions_free(struct fake_sessions *sessions)
{
        g_hash_table_unref(sessions->records);
        g_ptr_array_unref(sessions->waiting);
        g_byte_array_unref(sessions->seen);
        pthread_mutex_destroy(&sessions->lock);
        pthread_cond_destroy(&sessions->changed);
        g_free(sessions);
        return NULL;
}

static void send_all(int fd, const struct cmi_writer *writer)
{
        size_t sent = 0;

        g_assert_cmpint(writer->error, ==, 0);
        while (sent < writer->len) {
                ssize_t n = send(fd, writer->data + sent, writer->len - sent, MSG_NOSIGNAL);

                if (n <= 0) {
                        return; /* the client is gone */
                }
                sent += (size_t)n;
        }
}

static void send_answer(int fd, uint64_t id, const struct cmi_session_answer *answer)
{
        uint8_t *bytes = g_malloc(ANSWER_SIZE);
        struct cmi_writer writer = cmi_writer(bytes, ANSWER_SIZE);
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_SESSION_ANSWER, id);

        cmi_session_answer_write(&writer, answer);
        cmi_local_end(&writer, begin);
        send_all(fd, &writer);
        g_free(bytes);
}

static void send_error(int fd, uint64_t id, int64_t code)
{
        uint8_t bytes[512];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_error error = {.code = code, .text = "unknown request"};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_ERROR, id);

        cmi_error_write(&writer, &error);
        cmi_local_end(&writer, begin);
        send_all(fd, &writer);
}

static void spoil(struct fake_sessions *sessions, struct cmi_session_answer *answer)
{
        static uint8_t copy[CMI_SESSION_BLOB_MAX];

        if (sessions->fault == FAKE_SESSIONS_TAMPERED && answer->blob.len > 0) {
                memcpy(copy, answer->blob.data, answer->blob.len);
                copy[answer->blob.len / 2] ^= 1;
                answer->blob.data = copy;
        }
        if (sessions->fault == FAKE_SESSIONS_TOKENLESS) {
                answer->token = 0;
        }
        if (sessions->fault == FAKE_SESSIONS_CURT && answer->outcome == 0) {
                *answer = (struct cmi_session_answer){.n_copies = 1};
        }
        if (sessions->fault == FAKE_SESSIONS_NONSENSE) {
                answer->version = (struct cmi_session_version){0};
                answer->blob = cmi_slice("", 0);
        }
}

static void hang_up(struct fake_sessions *sessions, int fd)
{
        shutdown(fd, SHUT_RDWR);
        sessions->fault = FAKE_SESSIONS_OK;
}

static void answer_whole(struct fake_sessions *sessions, struct fake_waiting *waiting)
{
        struct cmi_session_answer answer = {.n_copies = 1};
        int r = cmi_session_request_check(&waiting->request);

        g_assert_cmpint(r, ==, 0);
        sessions->n_asked[waiting->request.verb]++;
        sessions->last = waiting->request;
        pthread_cond_broadcast(&sessions->changed);
        if (sessions->fault == FAKE_SESSIONS_SILENT) {
                return;
        }
        if (sessions->fault == FAKE_SESSIONS_DEAF) {
                unlink(sessions->path);
        }
        if (sessions->fault == FAKE_SESSIONS_UNDONE || sessions->fault == FAKE_SESSIONS_DEAF) {
                hang_up(sessions, waiting->fd);
                return;
        }
        if (sessions->n_next > 0) {
                sessions->n_next--;
                answer.outcome = sessions->next[0].outcome;
                g_strlcpy(answer.text, sessions->next[0].text, sizeof(answer.text));
                sessions->next[0] = sessions->next[1];
        } else {
                fake_sessions_perform(sessions, waiting, &answer);
        }
        if (sessions->fault == FAKE_SESSIONS_UNTOLD) {
                hang_up(sessions, waiting->fd);
                return;
        }
        spoil(sessions, &answer);
        send_answer(waiting->fd, waiting->id, &answer);
}

static struct fake_waiting *new_waiting(int fd, const struct cmi_local_head *head)
{
        struct fake_waiting *waiting = g_new0(struct fake_waiting, 1);
        struct cmi_session_request *request = &waiting->request;

        waiting->fd = fd;
        waiting->id = head->id;
        g_assert_cmpint(cmi_session_request_decode(head->fields, request), ==, 0);
        memcpy(waiting->tag, request->tag.len ? request->tag.data : "", request->tag.len);
        waiting->blob = g_malloc(request->blob_len + 1);
        memcpy(waiting->blob, request->blob.len ? request->blob.data : "", request->blob.len);
        waiting->have = request->blob.len;
        return waiting;
}

static void receive_part(struct fake_sessions *sessions, int fd, const struct cmi_local_head *head)
{
        struct cmi_session_part part;

        g_assert_cmpint(cmi_session_part_decode(head->fields, &part), ==, 0);
        for (guint i = 0; i < sessions->waiting->len; i++) {
                struct fake_waiting *waiting = g_ptr_array_index(sessions->waiting, i);

                if (waiting->fd != fd || waiting->id != part.id) {
                        continue;
                }
                g_assert_cmpuint(part.offset, ==, waiting->have);
                g_assert_cmpuint(part.offset + part.bytes.len, <=, waiting->request.blob_len);
                memcpy(waiting->blob + waiting->have, part.bytes.data, part.bytes.len);
                waiting->have += part.bytes.len;
                if (waiting->have == waiting->request.blob_len) {
                        answer_whole(sessions, waiting);
                        g_ptr_array_remove_index(sessions->waiting, i);
                }
                return;
        }
}

static void receive_session(
                struct fake_sessions *sessions, int fd, const struct cmi_local_head *head)
{
        struct fake_waiting *waiting = new_waiting(fd, head);

        if (waiting->have == waiting->request.blob_len || waiting->request.blob.len == 0) {
                answer_whole(sessions, waiting);
                free_waiting(waiting);
        } else {
                g_ptr_array_add(sessions->waiting, waiting);
        }
}

static void hook(void *context, int fd, const struct cmi_local_head *head)
{
        struct fake_sessions *sessions = context;

        pthread_mutex_lock(&sessions->lock);
        g_byte_array_append(sessions->seen, head->fields.data, (guint)head->fields.len);
        if (sessions->fault == FAKE_SESSIONS_UNKNOWN) {
                send_error(fd, head->id, -EOPNOTSUPP);
        } else if (head->type == CMI_LOCAL_SESSION) {
                receive_session(sessions, fd, head);
        } else if (head->type == CMI_LOCAL_SESSION_PART) {
                receive_part(sessions, fd, head);
        }
        pthread_mutex_unlock(&sessions->lock);
}

struct fake_meshd *fake_sessions_start(struct fake_sessions *sessions, const char *path)
{
        struct fake_meshd_script script = fake_meshd_script();
        struct fake_meshd *meshd;

        script.applies = true;
        script.other = hook;
        script.context = sessions;
        meshd = fake_meshd_start(path, &script);
        pthread_mutex_lock(&sessions->lock);
        sessions->meshd = meshd;
        sessions->path = path;
        (void)fake_sessions_stamp(sessions, &(struct cmi_id){{0}}); /* a token is above 0 */
        pthread_mutex_unlock(&sessions->lock);
        return meshd;
}

void fake_sessions_fail(struct fake_sessions *sessions, enum fake_sessions_fault fault)
{
        pthread_mutex_lock(&sessions->lock);
        sessions->fault = fault;
        pthread_mutex_unlock(&sessions->lock);
}

void fake_sessions_answer_next(struct fake_sessions *sessions, int64_t outcome, const char *text)
{
        pthread_mutex_lock(&sessions->lock);
        g_assert_cmpuint(sessions->n_next, <, G_N_ELEMENTS(sessions->next));
        sessions->next[sessions->n_next].outcome = outcome;
        g_strlcpy(sessions->next[sessions->n_next].text, text, sizeof(sessions->next[0].text));
        sessions->n_next++;
        pthread_mutex_unlock(&sessions->lock);
}

unsigned fake_sessions_n_asked(struct fake_sessions *sessions, enum cmi_session_verb verb)
{
        unsigned n;

        pthread_mutex_lock(&sessions->lock);
        n = sessions->n_asked[verb];
        pthread_mutex_unlock(&sessions->lock);
        return n;
}

bool fake_sessions_await(struct fake_sessions *sessions, enum cmi_session_verb verb, unsigned n)
{
        struct timespec deadline;
        int r = 0;

        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += 10;
        pthread_mutex_lock(&sessions->lock);
        while (sessions->n_asked[verb] < n && r == 0) {
                r = pthread_cond_timedwait(&sessions->changed, &sessions->lock, &deadline);
        }
        pthread_mutex_unlock(&sessions->lock);
        return r == 0;
}

struct cmi_session_request fake_sessions_last(struct fake_sessions *sessions)
{
        struct cmi_session_request request;

        pthread_mutex_lock(&sessions->lock);
        request = sessions->last;
        pthread_mutex_unlock(&sessions->lock);
        request.tag = request.blob = cmi_slice(NULL, 0);
        return request;
}

unsigned fake_sessions_n_alive(struct fake_sessions *sessions)
{
        GHashTableIter iter;
        gpointer data;
        unsigned n = 0;

        pthread_mutex_lock(&sessions->lock);
        g_hash_table_iter_init(&iter, sessions->records);
        while (g_hash_table_iter_next(&iter, NULL, &data)) {
                n += !((struct fake_record *)data)->is_dead;
        }
        pthread_mutex_unlock(&sessions->lock);
        return n;
}

bool fake_sessions_lacks(struct fake_sessions *sessions, const char *text)
{
        bool is_there;

        pthread_mutex_lock(&sessions->lock);
        is_there = memmem(sessions->seen->data, sessions->seen->len, text, strlen(text)) != NULL;
        pthread_mutex_unlock(&sessions->lock);
        return !is_there;
}

void fake_sessions_touch_all(struct fake_sessions *sessions)
{
        GHashTableIter iter;
        gpointer data;

        pthread_mutex_lock(&sessions->lock);
        g_hash_table_iter_init(&iter, sessions->records);
        while (g_hash_table_iter_next(&iter, NULL, &data)) {
                struct fake_record *record = data;

                record->version = fake_version_next(&record->version);
                fake_sessions_stamp(sessions, &record->key);
        }
        pthread_mutex_unlock(&sessions->lock);
}
