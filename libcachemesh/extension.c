/* SPDX-License-Identifier: MIT */
/*
 * The cache half's share of what libcachemesh-session needs; its requests are connection_call.c's.
 */
#include "libcachemesh/extension.h"

#include "base/time.h"
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

uint64_t cmi_ext_clock_ns(clockid_t clock)
{
        return cmi_clock_ns(clock);
}

uint64_t cmi_ext_deadline_ns(struct cm *cm, uint32_t timeout_ms)
{
        return cmi_clock_ns(CLOCK_MONOTONIC) + cmi_timeout(cm, timeout_ms) * CMI_NS_PER_MS;
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
        if (!answer) {
                return;
        }
        if (answer->memory) {
                cmi_handle_deallocate(answer->cm, answer->memory, answer->fields.len);
        }
        *answer = (struct cmi_ext_answer){0};
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

static size_t entry_size(size_t value_len)
{
        struct cmi_entry head = {0};

        cmi_entry_set_lengths(&head, sizeof(struct cmi_id), value_len);
        return cmi_entry_size(&head);
}

/* With a pin that is free: nobody else takes one of this thread's. */
int cmi_ext_copies_reserve(
                struct cm_region *region, size_t value_len, struct cmi_ext_room *ret_room)
{
        struct cmi_ext_room room = {.cm = region->cm, .size = entry_size(value_len)};
        struct cmi_thread *thread = NULL;
        int r = cmi_handle_join(region->cm, &thread);

        if (r < 0) {
                return r;
        }
        if (cmi_pin_slot(thread, region->id)) {
                room.memory = cmi_handle_allocate(room.cm, CMI_ENTRY_ALIGN, room.size);
        }
        if (!room.memory) {
                return -ENOMEM;
        }
        *ret_room = room;
        return 0;
}

void cmi_ext_room_clear(struct cmi_ext_room *room)
{
        if (room && room->memory) {
                cmi_handle_deallocate(room->cm, room->memory, room->size);
        }
        if (room) {
                *room = (struct cmi_ext_room){0};
        }
}

int cmi_ext_copies_put(struct cm_region *region, const struct cmi_id *key, struct cm_token token,
                struct cmi_slice first, struct cmi_slice rest, struct cmi_ext_room *room,
                struct cm_value *ret_value)
{
        struct cmi_put put = {
                        .key = cmi_slice(key->bytes, sizeof(key->bytes)),
                        .first = first,
                        .value = rest,
                        .loaded_ds = cmi_now_ds(),
                        .token = token,
                        .spare = cmi_slice(room ? room->memory : NULL, room ? room->size : 0),
        };
        struct cmi_thread *thread = NULL;
        struct cmi_entry *entry;
        struct cmi_pin *pin = NULL;
        int r = cmi_handle_join(region->cm, &thread);

        if (r < 0) {
                return r;
        }
        r = cmi_region_store(region, thread, &put, &pin);
        if (!pin) {
                return -ENOMEM;
        }
        entry = atomic_load_explicit(&pin->entry, memory_order_relaxed);
        if (room && (void *)entry == room->memory) {
                room->memory = NULL;
        }
        memset(ret_value, 0, sizeof(*ret_value));
        cmi_value_set(ret_value, pin, entry);
        cmi_count(thread, region, region->id, r == 0 ? CMI_COUNT_PUT : CMI_COUNT_REFUSED);
        return r == 0 ? 0 : CM_REFUSED;
}
