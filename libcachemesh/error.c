/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, in words: the text of each code, the detail of this thread's last
 * failure, and the log callback.
 */
#include "libcachemesh/cache.h"
#include "libcachemesh/cachemesh-session.h"
#include "wire/local.h"

#include <stdio.h>

static const struct {
        int code;
        const char *text;
} texts[] = {
                {CM_OK, "success"},
                {CM_MISS, "not cached, or not known to be fresh"},
                {CM_STALE, "the load failed; an older value instead"},
                {CM_PENDING, "not known to be in the stream"},
                {CM_PARTIAL, "in the stream, but not every member is proven to have it"},
                {CM_REFUSED, "not stored: the token is too old, or a fresh value is there"},
                {CM_NEGATIVE, "known not to exist"},
                {CM_NO_EVENT, "no event"},
                {CM_E_CONFIG, "the region's options differ from those of another process or node"},
                {CM_E_FULL, "the budget is exhausted and every entry is pinned"},
                {CM_E_FORKED, "the handle belongs to the parent process"},
                {CM_E_TIMEOUT, "the wait did not end in time"},
                {CM_E_BUSY, "a limit on concurrent work is reached"},
                {CM_E_EXPIRED, "the deadline of the write was over before its end"},
                {CMI_CONFLICT, "somebody else has saved the session first"},
                {CMI_GONE, "there is no such session, or no more"},
                {CMI_E_STALE, "another node has taken the session over"},
                {CMI_E_TOO_BIG, "the session is too large"},
                {CMI_E_READ_ONLY, "the session's id was changed; it can be read only"},
                {CMI_E_UNCONFIRMED, "no node that can be reached knows"},
                {CM_E_SEALED, "no key opens the session, or it was tampered with"},
};

const char *cm_strerror(int error)
{
        const char *text;

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                if (texts[i].code == error) {
                        return texts[i].text;
                }
        }
        /* glibc's table without translation: thread-safe, and never NULL for an errno. */
        text = error < 0 && error > -1000 ? strerrordesc_np(-error) : NULL;
        return text ? text : "unknown error";
}

int cmi_fail(int error, const char *format, ...)
{
        struct cmi_thread *thread = cmi_process ? cmi_thread() : NULL;
        va_list args;

        if (thread) {
                va_start(args, format);
                vsnprintf(thread->detail, sizeof(thread->detail), format, args);
                va_end(args);
        }
        return error;
}

const char *cm_error_detail(struct cm *cm)
{
        struct cmi_thread *thread = cmi_process ? cmi_thread() : NULL;

        (void)cm; /* the text belongs to the thread */
        return thread ? thread->detail : "";
}

void cmi_handle_log(struct cm *cm, enum cm_log_level level, const char *format, ...)
{
        char message[512];
        va_list args;

        if (!cm->options.log) {
                return;
        }
        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        cm->options.log(cm->options.log_userdata, level, message);
}
