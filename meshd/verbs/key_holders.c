/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/key_holders.h"

#include "meshd/io/arguments.h"

#include <errno.h>
#include <stdio.h>

#define NAMES_MAX 2 /* of those in the way; of the others there is a number */
#define NAMES_TEXT_MAX 145

int key_holders_begin(struct inquiry *inquiry, const struct question *question)
{
        const struct key_ring *ring = question->service->keys->ring;
        struct cmi_slice fingerprint = {0};
        struct core_member member;
        int r = arguments_str(question->arguments, "key", KEY_RING_FINGERPRINT_SIZE, &fingerprint);
        int index = r < 0 ? -EINVAL : key_ring_find(ring, fingerprint);

        if (index < 0) {
                return index;
        }
        snprintf(inquiry->key, sizeof(inquiry->key), "%s", ring->entries[index].fingerprint);
        for (uint32_t i = 0; core_member(question->service->core, question->now, i, &member) == 0;
                        i++) {
                if (!target_is_askable(member.state)) {
                        continue;
                }
                r = inquiry_add_target(inquiry, &member.id, member.name,
                                core_member_state_text(member.state));
                if (r < 0) {
                        return r;
                }
                inquiry->targets[inquiry->n_targets - 1].state = TARGET_DUE;
                inquiry->targets[inquiry->n_targets - 1].is_needed = member.state == MEMBER_LIVE;
        }
        return 0;
}

void key_holders_answered(const struct inquiry *inquiry, struct target *target,
                const struct cmi_answer *answer)
{
        uint64_t key = key_ring_number(inquiry->key);

        target->key = answer->has_keys ? TARGET_KEY_LACKED : TARGET_KEY_UNKNOWN;
        for (uint32_t i = 0; i < answer->n_keys; i++) {
                if (answer->keys[i] == key) {
                        target->key = TARGET_KEY_HELD;
                }
        }
}

void key_holders_repeat(struct inquiry *inquiry)
{
        for (uint32_t i = 0; i < inquiry->n_targets; i++) {
                struct target *target = &inquiry->targets[i];

                if (target->is_needed && target->state == TARGET_FAILED) {
                        target->state = TARGET_DUE;
                }
        }
}

static bool is_in_the_way(const struct target *target, enum target_key key)
{
        return target->key == key && (key == TARGET_KEY_LACKED || target->is_needed);
}

/* "b, c and 3 more"; how many there are in all. */
static uint32_t name_them(
                const struct inquiry *inquiry, enum target_key key, char ret_names[NAMES_TEXT_MAX])
{
        uint32_t n = 0;
        int len = 0;

        ret_names[0] = '\0';
        for (uint32_t i = 0; i < inquiry->n_targets; i++) {
                if (is_in_the_way(&inquiry->targets[i], key) && n++ < NAMES_MAX) {
                        len += snprintf(ret_names + len, NAMES_TEXT_MAX - (size_t)len, "%s%s",
                                        len > 0 ? ", " : "", inquiry->targets[i].name);
                }
        }
        if (n > NAMES_MAX) {
                snprintf(ret_names + len, NAMES_TEXT_MAX - (size_t)len, " and %u more",
                                n - NAMES_MAX);
        }
        return n;
}

int key_holders_judge(const struct inquiry *inquiry, char ret_text[KEY_HOLDERS_TEXT_MAX])
{
        char names[NAMES_TEXT_MAX];
        uint32_t n = name_them(inquiry, TARGET_KEY_LACKED, names);

        if (n > 0) {
                snprintf(ret_text, KEY_HOLDERS_TEXT_MAX,
                                "nothing changed: %s %s not hold this key, and would lose this "
                                "node: install it there first, or insist (--force)",
                                names, n == 1 ? "does" : "do");
                return -ENOKEY;
        }
        if (name_them(inquiry, TARGET_KEY_UNKNOWN, names) > 0) {
                snprintf(ret_text, KEY_HOLDERS_TEXT_MAX,
                                "nothing changed: no answer of %s, so it is not known whether "
                                "all hold this key (--force uses it)",
                                names);
                return -ETIMEDOUT;
        }
        return 0;
}
