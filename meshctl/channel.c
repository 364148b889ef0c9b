/* SPDX-License-Identifier: MIT */
#include "meshctl/channel.h"

#include "meshctl/deadline.h"
#include "meshctl/document.h"
#include "meshctl/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define IN_SIZE (CMI_LOCAL_ANSWER_MAX + CMI_LOCAL_PREFIX_SIZE)
#define OUT_SIZE (CMI_LOCAL_REQUEST_MAX + CMI_LOCAL_PREFIX_SIZE)

struct channel {
        int fd;
        int reader_fd; /* -1: not watched; poll() leaves it out */
        bool is_reader_gone;
        const char *path; /* borrowed */
        struct progress *progress;
        struct cmi_attached attached;
        uint64_t last_id;
        struct cmi_writer writer;
        size_t begin;
        uint8_t *out;
        uint8_t *in; /* in_used bytes; the first in_taken are the message handed out last */
        size_t in_used;
        size_t in_taken;
};

static const char advice_start[] = "is meshd running (systemctl status meshd)? --socket or "
                                   "CACHEMESH_SOCKET names another socket";
static const char advice_hangs[] = "it may hang or be stopped: look at its log and its process; "
                                   "--timeout waits longer";

static int problem_connect(struct problem *problem, const char *path, int error)
{
        switch (error) {
        case EACCES:
        case EPERM:
                return problem_set(problem, STATUS_REFUSED,
                                "run it as root or as a user whom the socket's permissions admit",
                                "may not use meshd's socket %s: %s", path, strerror(error));
        case ENOENT:
        case ENOTDIR:
                return problem_set(problem, STATUS_UNREACHABLE, advice_start,
                                "cannot reach meshd: there is no socket %s", path);
        case ECONNREFUSED:
                return problem_set(problem, STATUS_UNREACHABLE, advice_start,
                                "cannot reach meshd: nobody listens on %s", path);
        default:
                return problem_set(problem, STATUS_UNREACHABLE, advice_start,
                                "cannot reach meshd on %s: %s", path, strerror(error));
        }
}

static int problem_late(const struct channel *channel, struct problem *problem)
{
        return problem_set(problem, STATUS_INCOMPLETE, advice_hangs,
                        "meshd on %s did not answer in time", channel->path);
}

static int problem_nonsense(
                const struct channel *channel, struct problem *problem, const char *what)
{
        return problem_set(problem, STATUS_FAILED,
                        "is that socket meshd's, and of a version that this meshctl knows?",
                        "meshd on %s sent %s", channel->path, what);
}

static int problem_gone(const struct channel *channel, struct problem *problem, const char *why)
{
        return problem_set(problem, STATUS_UNREACHABLE,
                        "it ended or was restarted; its log says why: try again",
                        "meshd on %s closed the connection%s%s", channel->path, why[0] ? ": " : "",
                        why);
}

/* Wait for the descriptor, with progress. Return: 0, or an exit status. */
static int wait_for(struct channel *channel, short events, uint64_t deadline_ns,
                struct problem *problem)
{
        for (;;) {
                struct pollfd fds[] = {
                                {.fd = channel->fd, .events = events}, {.fd = channel->reader_fd}};
                int left = deadline_left_ms(deadline_ns), next = progress_draw(channel->progress);
                int timeout = next >= 0 && (left < 0 || next < left) ? next : left;
                int n = poll(fds, 2, timeout);

                if (n > 0 && (fds[1].revents & (POLLERR | POLLHUP))) {
                        channel->is_reader_gone = true;
                        return problem_set(problem, STATUS_INCOMPLETE, NULL,
                                        "nobody reads the output any more");
                }
                if (n > 0) {
                        return 0;
                }
                if (n < 0 && errno != EINTR) {
                        return problem_gone(channel, problem, strerror(errno));
                }
                if (deadline_left_ms(deadline_ns) == 0) {
                        return problem_late(channel, problem);
                }
        }
}

static int send_all(struct channel *channel, struct cmi_slice bytes, uint64_t deadline_ns,
                struct problem *problem)
{
        const uint8_t *at = bytes.data;
        size_t left = bytes.len;

        while (left > 0) {
                ssize_t n = send(channel->fd, at, left, MSG_NOSIGNAL | MSG_DONTWAIT);
                int r;

                if (n >= 0) {
                        at += n;
                        left -= (size_t)n;
                        continue;
                }
                if (errno != EAGAIN && errno != EINTR) {
                        return problem_gone(channel, problem, strerror(errno));
                }
                r = wait_for(channel, POLLOUT, deadline_ns, problem);
                if (r != 0) {
                        return r;
                }
        }
        return 0;
}

struct cmi_writer *channel_begin(struct channel *channel, enum cmi_local_type type)
{
        channel->writer = cmi_writer(channel->out, OUT_SIZE);
        channel->begin = cmi_local_begin(&channel->writer, type, ++channel->last_id);
        return &channel->writer;
}

int channel_send(struct channel *channel, uint64_t deadline_ns, uint64_t *ret_id,
                struct problem *problem)
{
        int r;

        cmi_local_end(&channel->writer, channel->begin);
        if (channel->writer.error < 0) {
                return problem_set(problem, STATUS_USAGE, "give less at once",
                                "the request is longer than %d bytes", CMI_LOCAL_REQUEST_MAX);
        }
        r = send_all(channel, cmi_written(&channel->writer), deadline_ns, problem);
        if (r == 0 && ret_id) {
                *ret_id = channel->last_id;
        }
        return r;
}

static int fill(struct channel *channel, uint64_t deadline_ns, struct problem *problem)
{
        for (;;) {
                ssize_t n = recv(channel->fd, channel->in + channel->in_used,
                                IN_SIZE - channel->in_used, MSG_DONTWAIT);
                int r;

                if (n > 0) {
                        channel->in_used += (size_t)n;
                        return 0;
                }
                if (n == 0) {
                        return problem_gone(channel, problem, "");
                }
                if (errno != EAGAIN && errno != EINTR) {
                        return problem_gone(channel, problem, strerror(errno));
                }
                r = wait_for(channel, POLLIN, deadline_ns, problem);
                if (r != 0) {
                        return r;
                }
        }
}

static int receive(struct channel *channel, uint64_t deadline_ns, struct cmi_local_head *ret_head,
                struct problem *problem)
{
        struct cmi_slice payload;

        channel->in_used -= channel->in_taken;
        memmove(channel->in, channel->in + channel->in_taken, channel->in_used);
        channel->in_taken = 0;
        for (;;) {
                int64_t n = cmi_local_split(cmi_slice(channel->in, channel->in_used),
                                CMI_LOCAL_ANSWER_MAX, &payload);
                int r;

                if (n < 0) {
                        return problem_nonsense(channel, problem, "a message of impossible length");
                }
                if (n > 0) {
                        channel->in_taken = (size_t)n;
                        break;
                }
                r = fill(channel, deadline_ns, problem);
                if (r != 0) {
                        return r;
                }
        }
        if (cmi_local_decode(payload, ret_head) < 0) {
                return problem_nonsense(channel, problem, "a message that cannot be read");
        }
        return 0;
}

static int take_error(const struct channel *channel, const struct cmi_local_head *head,
                const char *verb, struct problem *problem)
{
        struct cmi_error error;

        if (cmi_error_decode(head->fields, &error) < 0) {
                return problem_nonsense(channel, problem, "an error that cannot be read");
        }
        return problem_from_error(problem, verb, (long)error.code, error.text);
}

int channel_await(struct channel *channel, uint64_t deadline_ns, const char *verb, uint64_t id,
                enum cmi_local_type type, struct cmi_local_head *ret_head, struct problem *problem)
{
        int r;

        *ret_head = (struct cmi_local_head){0};
        do {
                r = receive(channel, deadline_ns, ret_head, problem);
                if (r != 0) {
                        return r;
                }
                if (ret_head->type == CMI_LOCAL_ERROR &&
                                (ret_head->id == id || ret_head->id == 0)) {
                        return take_error(channel, ret_head, verb, problem);
                }
        } while (ret_head->id != id);
        if (ret_head->type != (uint64_t)type) {
                return problem_nonsense(channel, problem, "an answer of the wrong type");
        }
        return 0;
}

int channel_ask(struct channel *channel, uint64_t deadline_ns, enum cmi_local_type type,
                const char *verb, struct cmi_slice arguments, uint64_t *ret_id,
                struct problem *problem)
{
        struct cmi_writer *writer = channel_begin(channel, type);

        cmi_local_query_write(writer, cmi_slice_str(verb), arguments);
        return channel_send(channel, deadline_ns, ret_id, problem);
}

int channel_document(
                const struct cmi_local_head *head, json_t **ret_document, struct problem *problem)
{
        struct cmi_slice bytes;
        json_t *document = NULL;
        int r = cmi_document_decode(head->fields, &bytes);

        if (r == 0) {
                r = document_decode(bytes, &document);
        }
        if (r < 0) {
                return problem_set(problem, STATUS_FAILED,
                                "use the meshctl that came with this meshd",
                                "meshd's answer cannot be read");
        }
        if (!json_is_object(document)) {
                json_decref(document);
                return problem_set(problem, STATUS_FAILED,
                                "use the meshctl that came with this meshd",
                                "meshd's answer is no map");
        }
        *ret_document = document;
        return 0;
}

int channel_query(struct channel *channel, uint64_t deadline_ns, const char *verb,
                struct cmi_slice arguments, json_t **ret_document, struct problem *problem)
{
        struct cmi_local_head head = {0};
        uint64_t id = 0;
        int r = channel_ask(channel, deadline_ns, CMI_LOCAL_QUERY, verb, arguments, &id, problem);

        if (r == 0) {
                r = channel_await(channel, deadline_ns, verb, id, CMI_LOCAL_ANSWER, &head, problem);
        }
        return r == 0 ? channel_document(&head, ret_document, problem) : r;
}

static int attach(struct channel *channel, uint64_t deadline_ns, struct problem *problem)
{
        struct cmi_attach attach = {.version_min = CMI_LOCAL_VERSION_MIN,
                        .version_max = CMI_LOCAL_VERSION_MAX,
                        .name = "meshctl"};
        struct cmi_local_head head = {0};
        struct timespec real;
        int r;

        clock_gettime(CLOCK_REALTIME, &real);
        attach.clock.real_ns = (uint64_t)real.tv_sec * CMI_NS_PER_S + (uint64_t)real.tv_nsec;
        attach.clock.mono_ns = deadline_now_ns();
        cmi_attach_write(channel_begin(channel, CMI_LOCAL_ATTACH), &attach);
        r = channel_send(channel, deadline_ns, NULL, problem);
        /* Whoever is refused may find the connection closed; why lies in it all the same. */
        if (r == 0 || r == STATUS_UNREACHABLE) {
                r = channel_await(channel, deadline_ns, "attach", channel->last_id,
                                CMI_LOCAL_ATTACHED, &head, problem);
        }
        if (r == 0 && cmi_attached_decode(head.fields, &channel->attached) < 0) {
                r = problem_nonsense(channel, problem, "a greeting that cannot be read");
        }
        return r;
}

/* A full backlog makes a non-blocking connect fail with EAGAIN, which poll() does
 * not tell the end of. */
static int connect_until(struct channel *channel, const struct sockaddr_un *address,
                uint64_t deadline_ns, struct problem *problem)
{
        const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

        while (connect(channel->fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
                if (errno != EAGAIN && errno != EINTR) {
                        return problem_connect(problem, channel->path, errno);
                }
                if (deadline_left_ms(deadline_ns) == 0) {
                        return problem_late(channel, problem);
                }
                nanosleep(&pause, NULL);
                progress_draw(channel->progress);
        }
        return 0;
}

int channel_open(struct channel **ret_channel, const char *path, uint64_t deadline_ns,
                struct progress *progress, struct problem *problem)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct channel *channel;
        int r;

        if (strlen(path) >= sizeof(address.sun_path)) {
                return problem_set(problem, STATUS_CONFIG, "use a shorter path",
                                "the socket path is %zu bytes long, %zu are possible: %s",
                                strlen(path), sizeof(address.sun_path) - 1, path);
        }
        strcpy(address.sun_path, path);
        channel = memory_got(calloc(1, sizeof(*channel)));
        channel->path = path;
        channel->progress = progress;
        channel->reader_fd = -1;
        channel->in = memory_got(malloc(IN_SIZE));
        channel->out = memory_got(malloc(OUT_SIZE));
        channel->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        r = channel->fd < 0 ? problem_connect(problem, path, errno) : 0;
        if (r == 0) {
                r = connect_until(channel, &address, deadline_ns, problem);
        }
        if (r == 0) {
                r = attach(channel, deadline_ns, problem);
        }
        if (r != 0) {
                channel_close(channel);
                return r;
        }
        *ret_channel = channel;
        return 0;
}

void channel_watch_reader(struct channel *channel, int fd)
{
        channel->reader_fd = fd;
}

bool channel_has_reader(const struct channel *channel)
{
        return !channel->is_reader_gone;
}

struct channel *channel_close(struct channel *channel)
{
        if (!channel) {
                return NULL;
        }
        if (channel->fd >= 0) {
                close(channel->fd);
        }
        free(channel->in);
        free(channel->out);
        free(channel);
        return NULL;
}
