/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/fake_answer.h"

#include "libcachemesh/attach.h"

#include <sys/socket.h>

#define LONG_NAME "a-node-whose-name-is-as-long-as-a-name-may-be-or-nearly-so"

static void send_with(int fd, const struct cmi_writer *writer, const int *fds, unsigned n)
{
        char control[CMSG_SPACE(3 * sizeof(int))] = {0};
        struct iovec part = {writer->data, writer->len};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

        g_assert_cmpint(writer->error, ==, 0);
        if (n > 0) {
                struct cmsghdr *header;

                message.msg_control = control;
                message.msg_controllen = CMSG_SPACE(n * sizeof(int));
                header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(n * sizeof(int));
                memcpy(CMSG_DATA(header), fds, n * sizeof(int));
        }
        while (part.iov_len > 0) {
                ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

                if (sent < 0) {
                        return; /* the client is gone */
                }
                part.iov_base = (char *)part.iov_base + sent;
                part.iov_len -= (size_t)sent;
                message.msg_controllen = 0;
        }
}

void fake_answer_send(int fd, const struct cmi_writer *writer)
{
        send_with(fd, writer, NULL, 0);
}

void fake_answer_write_error(struct cmi_writer *writer, uint64_t id, const struct cmi_error *error)
{
        size_t begin = cmi_local_begin(writer, CMI_LOCAL_ERROR, id);

        cmi_error_write(writer, error);
        cmi_local_end(writer, begin);
}

void fake_answer_error(int fd, uint64_t id, int64_t code)
{
        uint8_t bytes[512];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_error error = {.code = code, .text = "as the script says"};

        fake_answer_write_error(&writer, id, &error);
        fake_answer_send(fd, &writer);
}

void fake_answer_attach(int fd, uint64_t id, const struct fake_meshd_script *script,
                const struct fake_page *page)
{
        uint8_t bytes[512];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        int fds[3] = {page->fd, page->fd, page->fd};
        struct cmi_attached attached = {
                        .version = script->version ? script->version : CMI_LOCAL_VERSION_MAX,
                        .software = "fake",
                        .node = "fake",
                        .stream = FAKE_STREAM,
                        .epoch = page->words->epoch + script->is_page_of_other_epoch,
                        .page_size = (script->n_descriptors > 0) != script->is_size_wrong
                                                     ? page->size + script->page_size_off
                                                     : 0,
                        .clock = cmi_clocks_read(),
        };
        size_t begin;

        attached.clock.mono_ns += (uint64_t)script->mono_shift_ns;
        attached.clock.real_ns += (uint64_t)script->real_shift_ns;
        if (script->attach_error) {
                fake_answer_error(fd, id, script->attach_error);
                return;
        }
        if (script->is_babbling) {
                cmi_write_raw(&writer, cmi_slice("HTTP/1.1 400 Bad Request\r\n\r\n", 28));
                fake_answer_send(fd, &writer);
                return;
        }
        begin = cmi_local_begin(&writer, CMI_LOCAL_ATTACHED, id);
        cmi_attached_write(&writer, &attached);
        cmi_local_end(&writer, begin);
        send_with(fd, &writer, fds, script->n_descriptors);
}

void fake_answer_region(int fd, uint64_t id, uint32_t index)
{
        uint8_t bytes[64];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_region_opened opened = {index};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_REGION_OPENED, id);

        cmi_region_opened_write(&writer, &opened);
        cmi_local_end(&writer, begin);
        fake_answer_send(fd, &writer);
}

void fake_answer_result(int fd, uint64_t id, int64_t outcome, uint64_t position, unsigned n_members)
{
        g_autofree uint8_t *bytes = g_malloc(512 + 100 * n_members);
        struct cmi_writer writer = cmi_writer(bytes, 512 + 100 * n_members);
        struct cmi_result result = {.outcome = outcome,
                        .position = position,
                        .n_applied = 2,
                        .n_unconfirmed = n_members,
                        .n_members = n_members};
        struct cmi_result_member member = {.id = {{7}},
                        .name = cmi_slice_str(n_members > 1 ? LONG_NAME : "other"),
                        .state = CMI_MEMBER_UNCONFIRMED};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_RESULT, id);

        cmi_result_write(&writer, &result);
        for (unsigned i = 0; i < n_members; i++) {
                cmi_result_write_member(&writer, &member);
        }
        cmi_local_end(&writer, begin);
        fake_answer_send(fd, &writer);
}
