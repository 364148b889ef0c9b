/* SPDX-License-Identifier: MIT */
/*
 * The cache half's share of what libcachemesh-session needs; its requests are connection_call.c's.
 */
#include "libcachemesh/extension.h"

#include "libcachemesh/get.h"
#include "libcachemesh/region.h"

#include <errno.h>
#include <stdio.h>

int cmi_ext_enter(struct cm *cm)
{
        return cmi_handle_enter(cm);
}

int cmi_ext_fail(int error, const char *format, ...)
{
        char text[CMI_DETAIL_SIZE];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        return cmi_fail(error, "%s", text);
}

void cmi_ext_log(struct cm *cm, enum cm_log_level level, const char *format, ...)
{
        char text[512];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        cmi_handle_log(cm, level, "%s", text);
}

void *cmi_ext_allocate(struct cm *cm, size_t alignment, size_t size)
{
        return cmi_handle_allocate(cm, alignment, size);
}

void cmi_ext_deallocate(struct cm *cm, void *memory, size_t size)
{
        cmi_handle_deallocate(cm, memory, size);
}

uint64_t cmi_ext_deadline_ns(struct cm *cm, uint32_t timeout_ms)
{
        return cmi_clock_ns(CLOCK_MONOTONIC) + cmi_timeout(cm, timeout_ms) * UINT64_C(1000000);
}

static int refuse(void)
{
        return cmi_fail(-EOPNOTSUPP, "a standalone handle has no sessions");
}

int cmi_ext_call(struct cm *cm, const struct cmi_ext_call *call, struct cmi_ext_answer *ret_answer)
{
        struct cmi_ext_answer answer = {.cm = cm};
        int r = cmi_handle_enter(cm);

        if (r < 0) {
                return r;
        }
        if (!cm->ops->call) {
                return refuse();
        }
        /* As for any load: from before it begins. */
        answer.token.opaque[2] = atomic_load_explicit(&cm->own_seq, memory_order_acquire);
        r = cm->ops->call(cm, call, &answer);
        if (r == 0) {
                *ret_answer = answer;
        }
        return r;
}

void cmi_ext_answer_clear(struct cmi_ext_answer *answer)
{
        if (answer && answer->fields.data) {
                cmi_handle_deallocate(answer->cm, (void *)(uintptr_t)answer->fields.data,
                                answer->fields.len);
                *answer = (struct cmi_ext_answer){0};
        }
}

int cmi_ext_tell(struct cm *cm, struct cmi_slice fields)
{
        int r = cmi_handle_enter(cm);

        if (r < 0) {
                return r;
        }
        return cm->ops->tell ? cm->ops->tell(cm, fields) : refuse();
}

int cmi_ext_copies(struct cm *cm, size_t budget_bytes, struct cm_region **ret_region)
{
        int r = cmi_handle_enter(cm);

        if (r < 0) {
                return r;
        }
        return cm->ops->call ? cmi_region_open_sessions(ret_region, cm, budget_bytes) : refuse();
}

int cmi_ext_copies_put(struct cm_region *region, const struct cmi_id *key, struct cm_token token,
                struct cmi_slice first, struct cmi_slice rest, struct cm_value *ret_value)
{
        struct cmi_put put = {
                        .key = cmi_slice(key->bytes, sizeof(key->bytes)),
                        .first = first,
                        .value = rest,
                        .loaded_ds = cmi_now_ds(),
                        .token = token,
        };
        struct cmi_thread *thread = NULL;
        struct cmi_pin *pin = NULL;
        int r = cmi_handle_join(region->cm, &thread);

        if (r < 0) {
                return r;
        }
        r = cmi_region_store(region, thread, &put, &pin);
        if (!pin) {
                return -ENOMEM;
        }
        memset(ret_value, 0, sizeof(*ret_value));
        cmi_value_set(ret_value, pin, atomic_load_explicit(&pin->entry, memory_order_relaxed));
        cmi_count(thread, region, region->id, r == 0 ? CMI_COUNT_PUT : CMI_COUNT_REFUSED);
        return r == 0 ? 0 : CM_REFUSED;
}
