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

int question_find_member(const struct question *question, struct cmi_slice name,
                struct core_member *ret_member)
{
        char id[CMI_ID_TEXT_SIZE];

        for (uint32_t i = 0;
                        core_member(question->service->core, question->now, i, ret_member) == 0;
                        i++) {
                cmi_id_format(&ret_member->id, id);
                if (cmi_slice_equal(name, cmi_slice_str(ret_member->name)) ||
                                cmi_slice_equal(name, cmi_slice_str(id))) {
                        return 0;
                }
        }
        return -ENOENT;
}
