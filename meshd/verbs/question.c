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

/* Of what @list gives, by index, until it fails. */
static int find(const struct question *question,
                int (*list)(const struct core *core, struct cmi_time now, uint32_t index,
                                struct core_member *ret_member),
                struct cmi_slice name, struct core_member *ret_member)
{
        struct core_member member;
        char id[CMI_ID_TEXT_SIZE];

        for (uint32_t i = 0; list(question->service->core, question->now, i, &member) == 0; i++) {
                cmi_id_format(&member.id, id);
                if (cmi_slice_equal(name, cmi_slice_str(member.name)) ||
                                cmi_slice_equal(name, cmi_slice_str(id))) {
                        *ret_member = member;
                        return 0;
                }
        }
        return -ENOENT;
}

int question_find_member(const struct question *question, struct cmi_slice name,
                struct core_member *ret_member)
{
        return find(question, core_member, name, ret_member);
}

int question_find_stranger(const struct question *question, struct cmi_slice name,
                struct core_member *ret_member)
{
        return find(question, core_stranger, name, ret_member);
}
