/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/question.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void answer_begin(struct answer *answer, const struct question *question, const char *schema)
{
        answer->writer = service_begin(
                        question->service, CMI_LOCAL_ANSWER, question->id, &answer->begin);
        cmi_document_write_head(&answer->writer);
        answer->document = document_begin(&answer->writer, schema);
}

void answer_send(struct answer *answer, const struct question *question)
{
        document_end(&answer->document);
        service_send(question->guest->client, &answer->writer, answer->begin, question->id);
}

void question_refuse(const struct question *question, int64_t code, const char *format, ...)
{
        struct cmi_error error = {.code = code};
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(error.text, sizeof(error.text), format, arguments);
        va_end(arguments);
        service_send_error(question->guest->client, CMI_LOCAL_ERROR, question->id, &error);
}

typedef int (*list_fn)(const struct core *core, struct cmi_time now, uint32_t index,
                struct core_member *ret_member);

static bool is_meant(const struct core_member *member, struct cmi_slice name)
{
        char id[CMI_ID_TEXT_SIZE];

        cmi_id_format(&member->id, id);
        return cmi_slice_equal(name, cmi_slice_str(member->name)) ||
               cmi_slice_equal(name, cmi_slice_str(id));
}

static bool is_over(const struct core_member *member)
{
        return member->state == MEMBER_SEEN || member->state == MEMBER_GONE ||
               member->state == MEMBER_LEFT;
}

/* Of what @list gives, by index, until it fails. */
static int find(const struct question *question, list_fn list, struct cmi_slice name,
                bool rather_over, struct core_member *ret_member)
{
        struct core_member member;
        int r = -ENOENT;

        for (uint32_t i = 0; list(question->service->core, question->now, i, &member) == 0; i++) {
                bool is_better = is_over(&member) == rather_over;

                if (is_meant(&member, name) && (r < 0 || is_better)) {
                        *ret_member = member;
                        r = 0;
                        if (is_better) {
                                return r;
                        }
                }
        }
        return r;
}

int question_find_member(const struct question *question, struct cmi_slice name,
                struct core_member *ret_member)
{
        return find(question, core_member, name, false, ret_member);
}

int question_find_over(const struct question *question, struct cmi_slice name,
                struct core_member *ret_member)
{
        struct core_member stranger;
        int r = find(question, core_member, name, true, ret_member);

        if ((r < 0 || !is_over(ret_member)) &&
                        find(question, core_stranger, name, true, &stranger) == 0) {
                *ret_member = stranger;
                r = 0;
        }
        return r;
}
