/* SPDX-License-Identifier: MIT */
#include "tests/meshd/journal_play.h"

#include "meshd/session/journal_mutant.h"
#include "tests/meshd/paper_disk.h"
#include "tests/meshd/plane_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 40
#define OWNERS 3
#define ASKED_MAX 4096
#define STEPS 300
#define TTL_MS 60000
#define TEXT_SIZE 16

/* What the apps know of a session. */
struct known {
        bool is_asked;  /* somebody tried to make it */
        bool is_dead;   /* who asked was told so, and it may never be there again */
        bool is_ending; /* an end was asked for, and not told, or told to be unsafe */
        bool is_lost;   /* its item was damaged */
        uint32_t owner;
        uint32_t newest; /* number of the last save that was sent */
        uint32_t seen;   /* of what is there, as far as anybody was told */
        uint32_t safe;   /* not below this; 0: it need not be there */
        bool has_ttl;
        uint64_t used_ms;      /* it may be idle after that, and its ttl */
        uint64_t safe_used_ms; /* likewise after a kill: that it was used is on the disk */
        struct cmi_session_version version;
        struct cmi_session_holder holder;
};

struct asked_of {
        struct cmi_session_request request;
        uint32_t key, new_key;
        uint32_t number;   /* of the save */
        uint32_t n_before; /* P: keys of before it */
        bool is_told;
        int64_t outcome;
};

struct play {
        uint64_t random;
        const char *broken;
        struct plane_rig rig;
        struct paper_disk disk;
        struct known known[KEYS];
        struct asked_of asked[ASKED_MAX];
        char texts[ASKED_MAX][TEXT_SIZE];
        uint32_t n_keys; /* that were ever used */
        uint32_t n_asked;
};

static void require(struct play *play, bool condition, const char *what)
{
        if (!condition && !play->broken) {
                play->broken = what;
        }
}

static uint32_t draw(struct play *play, uint32_t n)
{
        play->random ^= play->random << 13;
        play->random ^= play->random >> 7;
        play->random ^= play->random << 17;
        return (uint32_t)(play->random >> 32) % n;
}

static uint64_t now_ms(struct play *play)
{
        return plane_rig_now_ms(&play->rig);
}

/* What was told */

static void end_known(struct known *known)
{
        known->is_dead = true;
}

static void learn_made(struct play *play, struct known *known, const struct asked_of *asked,
                const struct cmi_session_answer *answer)
{
        if (!cmi_session_version_is_none(&answer->version)) {
                known->version = answer->version;
                known->holder = answer->holder;
                known->seen = asked->number;
        }
        known->used_ms = now_ms(play);
        if (asked->request.level == CMI_SESSION_DISK || asked->request.verb == CMI_SESSION_ROTATE) {
                known->safe_used_ms = known->used_ms;
        }
}

static void learn(
                struct play *play, struct asked_of *asked, const struct cmi_session_answer *answer)
{
        struct known *known = &play->known[asked->key];
        bool is_disk = asked->request.level == CMI_SESSION_DISK;

        switch ((enum cmi_session_verb)asked->request.verb) {
        case CMI_SESSION_CREATE:
        case CMI_SESSION_SAVE:
                learn_made(play, known, asked, answer);
                if (is_disk && asked->number > known->safe) {
                        known->safe = asked->number;
                }
                break;
        case CMI_SESSION_DESTROY:
                end_known(known);
                break;
        case CMI_SESSION_DESTROY_PRINCIPAL:
                for (uint32_t i = 0; i < asked->n_before; i++) {
                        if (play->known[i].owner == asked->request.principal.bytes[0]) {
                                end_known(&play->known[i]);
                        }
                }
                break;
        case CMI_SESSION_ROTATE:
                end_known(known);
                learn_made(play, &play->known[asked->new_key], asked, answer);
                play->known[asked->new_key].safe = asked->number;
                break;
        case CMI_SESSION_GET:
        case CMI_SESSION_TOUCH:
                break;
        }
}

/* Also what has ended here only: that is done. */
static bool is_done(const struct cmi_session_answer *answer)
{
        static const char here[] = "ended on this node";

        return answer->outcome == 0 ||
               (answer->outcome == CMI_E_UNCONFIRMED &&
                               strncmp(answer->text, here, strlen(here)) == 0);
}

static void on_answer(struct plane_rig *rig, const struct plane_caller *caller,
                const struct cmi_session_answer *answer)
{
        struct play *play = rig->context;
        struct asked_of *asked = &play->asked[caller->client - 1];

        require(play, !asked->is_told, "a request was answered twice");
        asked->is_told = true;
        asked->outcome = answer->outcome;
        if (is_done(answer)) {
                learn(play, asked, answer);
        }
}

/* Asking */

/* Each request is of a client of its own. Return: it, told or not. */
static struct asked_of *ask(struct play *play, struct asked_of one)
{
        struct asked_of *asked = &play->asked[play->n_asked++];

        *asked = one;
        plane_rig_send_as(&play->rig, play->n_asked, &asked->request);
        return asked;
}

static const char *text_of(struct play *play, uint32_t key, uint32_t number)
{
        char *text = play->texts[play->n_asked];

        snprintf(text, TEXT_SIZE, "%u.%u", key, number);
        return text;
}

static uint64_t draw_level(struct play *play)
{
        return draw(play, 2) == 0 ? CMI_SESSION_DISK : CMI_SESSION_ONE;
}

static void create(struct play *play)
{
        uint32_t key = play->n_keys;
        struct asked_of one = {.key = key, .number = 1};

        if (key == KEYS) {
                return;
        }
        play->n_keys++;
        play->known[key] = (struct known){.is_asked = true,
                        .owner = 1 + draw(play, OWNERS),
                        .newest = 1,
                        .used_ms = now_ms(play)};
        one.request = plane_rig_create(&play->rig, key, text_of(play, key, 1));
        one.request.level = draw_level(play);
        one.request.principal = (struct cmi_id){{(uint8_t)play->known[key].owner}};
        one.request.idle_ttl_ms = draw(play, 2) == 0 ? 0 : TTL_MS;
        play->known[key].has_ttl = one.request.idle_ttl_ms != 0;
        ask(play, one);
}

static void save(struct play *play, uint32_t key)
{
        struct known *known = &play->known[key];
        struct asked_of one = {.key = key, .number = known->newest + 1};

        if (known->seen == 0) {
                return;
        }
        play->rig.version = known->version;
        play->rig.holder = known->holder;
        one.request = plane_rig_save(&play->rig, key, text_of(play, key, ++known->newest));
        one.request.level = draw_level(play);
        ask(play, one);
}

static void rotate(struct play *play, uint32_t key)
{
        struct known *known = &play->known[key];
        uint32_t new_key = play->n_keys;
        struct asked_of one = {.key = key, .new_key = new_key, .number = 1};

        if (known->seen == 0 || new_key == KEYS) {
                return;
        }
        play->n_keys++;
        play->known[new_key] = (struct known){.is_asked = true,
                        .owner = known->owner,
                        .newest = 1,
                        .has_ttl = known->has_ttl,
                        .used_ms = now_ms(play)};
        play->rig.version = known->version;
        play->rig.holder = known->holder;
        one.request = plane_rig_rotate(&play->rig, key, new_key, text_of(play, new_key, 1));
        known->is_ending = true;
        ask(play, one);
}

static void destroy(struct play *play, uint32_t key)
{
        struct asked_of one = {.key = key, .request = plane_rig_destroy(&play->rig, key)};

        play->known[key].is_ending = true;
        ask(play, one);
}

static void destroy_principal(struct play *play)
{
        uint32_t owner = 1 + draw(play, OWNERS);
        struct asked_of one = {.request = plane_rig_principal(&play->rig, (uint8_t)owner),
                        .n_before = play->n_keys};

        for (uint32_t i = 0; i < play->n_keys; i++) {
                play->known[i].is_ending |= play->known[i].owner == owner;
        }
        ask(play, one);
}

/* Looking: what is there has to be what was told. */

static bool may_be_idle(struct play *play, const struct known *known)
{
        return known->has_ttl && now_ms(play) >= known->used_ms + TTL_MS;
}

static void see(struct play *play, struct known *known, uint32_t key)
{
        unsigned seen_key = 0, number = 0;
        char text[TEXT_SIZE] = "";

        require(play, play->rig.answer.blob.len < sizeof(text), "it is longer than ever");
        if (!play->broken) {
                memcpy(text, play->rig.blob, play->rig.answer.blob.len);
        }
        require(play,
                        sscanf(text, "%u.%u", &seen_key, &number) == 2 && seen_key == key &&
                                        number <= known->newest,
                        "it has what nobody saved");
        require(play, !known->is_dead, "what has ended is there");
        require(play, !known->is_lost, "what was damaged is there");
        require(play, number >= known->safe, "what was saved on the disk is not there");
        known->seen = number;
        known->version = play->rig.answer.version;
        known->holder = play->rig.answer.holder;
        known->used_ms = now_ms(play);
}

static void look(struct play *play, uint32_t key)
{
        struct known *known = &play->known[key];
        const struct asked_of *asked =
                        ask(play, (struct asked_of){.key = key, .request = plane_rig_get(key)});

        if (!asked->is_told) {
                return;
        }
        if (asked->outcome == 0) {
                see(play, known, key);
                return;
        }
        require(play, asked->outcome == CMI_GONE, "a get fails");
        require(play,
                        known->safe == 0 || known->is_dead || known->is_ending || known->is_lost ||
                                        may_be_idle(play, known),
                        "what is on the disk is gone");
        if (!known->is_ending && known->seen > 0 && may_be_idle(play, known)) {
                known->is_dead = true;
        }
        known->seen = 0;
}

/* The disk */

static void commit(struct play *play, uint32_t n)
{
        uint64_t serial = play->disk.is_broken ? 0 : paper_disk_commit(&play->disk, n);

        if (serial != 0) {
                plane_committed(play->rig.plane, play->rig.now, serial);
        }
}

static void break_disk(struct play *play)
{
        if (!play->disk.is_broken) {
                paper_disk_commit(&play->disk, draw(play, PAPER_QUEUE_MAX));
                paper_disk_forget(&play->disk);
                plane_disk_broken(play->rig.plane, play->rig.now);
        } else {
                plane_disk_mended(play->rig.plane, play->rig.now);
        }
        play->disk.is_broken = !play->disk.is_broken;
}

/* Counts are few, and hit as often as all else. Return: NULL: there is nothing. */
static struct paper_item *draw_item(struct play *play)
{
        uint32_t first = draw(play, PAPER_ITEMS_MAX);
        bool is_counts = draw(play, 2) == 0;

        for (uint32_t i = 0; i < PAPER_ITEMS_MAX; i++) {
                struct paper_item *item = &play->disk.items[(first + i) % PAPER_ITEMS_MAX];

                if (item->kind != DISK_NONE && (item->kind == DISK_COUNTS) == is_counts) {
                        return item;
                }
        }
        return NULL;
}

static void damage(struct play *play)
{
        struct paper_item *item = draw_item(play);

        if (!item) {
                return;
        }
        item->value[draw(play, (uint32_t)item->len)] ^= (uint8_t)(1 + draw(play, 255));
        for (uint32_t i = 0; i < play->n_keys; i++) {
                struct cmi_id key = plane_rig_key(i);

                if (item->kind == DISK_RECORD && cmi_id_equal(&key, &item->id)) {
                        play->known[i].is_lost = true;
                }
                /* Whom it ended is not known any more. */
                play->known[i].is_ending |= item->kind == DISK_COUNTS &&
                                            play->known[i].owner == item->id.bytes[0];
        }
}

static void crash(struct play *play)
{
        struct plane_rig *rig = &play->rig;

        if (draw(play, 2) == 0) { /* killed between the two */
                paper_disk_commit(&play->disk, draw(play, PAPER_QUEUE_MAX));
        }
        paper_disk_forget(&play->disk);
        for (uint32_t i = 0; i < play->n_asked; i++) {
                play->asked[i].is_told = true;
        }
        rig->plane = plane_free(rig->plane);
        play->disk.is_broken = false;
        if (draw(play, 4) == 0) {
                damage(play);
        }
        rig->options.incarnation++;
        rig->now.mono_ns += CMI_NS_PER_S;
        rig->now.real_ns += draw(play, 3) * (TTL_MS / 2) * CMI_NS_PER_MS;
        require(play, plane_rig_start(rig) == 0, "it does not start");
        for (uint32_t i = 0; i < play->n_keys; i++) {
                play->known[i].seen = 0;
                play->known[i].used_ms = play->known[i].safe_used_ms;
        }
        if (JOURNAL_MUTANT(DISK_BEFORE_DEAD)) {
                for (uint32_t i = 0; i < PAPER_ITEMS_MAX; i++) {
                        const struct paper_item *item = &play->disk.items[i];

                        if (item->kind == DISK_RECORD) {
                                plane_load(rig->plane, rig->now, DISK_RECORD, &item->id,
                                                cmi_slice(item->value, item->len));
                        }
                }
        }
        look(play, draw(play, play->n_keys + 1) % KEYS);
        paper_disk_load(&play->disk, rig->plane, rig->now, JOURNAL_MUTANT(DISK_BEFORE_DEAD));
        for (uint32_t i = 0; i < play->n_keys; i++) {
                look(play, i);
        }
}

/* When nothing is left to be written, the disk has what the store has. */

static bool is_same(struct play *play, const struct paper_item *item)
{
        struct disk_item there;
        struct store_view view;
        int found = store_find(plane_store(play->rig.plane), play->rig.now, &item->id, &view);

        if (found == STORE_ABSENT || view.is_record != (item->kind == DISK_RECORD) ||
                        disk_item_read(item->kind, &item->id, cmi_slice(item->value, item->len),
                                        &there) != 0) {
                return false;
        }
        if (!view.is_record) {
                return there.tombstone.reason == view.tombstone.reason &&
                       there.tombstone.max_end_ms == view.tombstone.max_end_ms;
        }
        return cmi_session_version_compare(&there.session.version, &view.session.version) == 0 &&
               (view.session.idle_ttl_ms == 0 ||
                               view.session.last_touch_ms - there.session.last_touch_ms <
                                               cmi_session_touch_interval_ms(TTL_MS));
}

static void compare(struct play *play)
{
        struct store_status status = store_status(plane_store(play->rig.plane), play->rig.now);

        for (uint32_t i = 0; i < PAPER_ITEMS_MAX; i++) {
                const struct paper_item *item = &play->disk.items[i];

                if (item->kind == DISK_RECORD || item->kind == DISK_DEAD) {
                        require(play, is_same(play, item), "the disk has something else");
                }
        }
        require(play,
                        paper_disk_count(&play->disk, DISK_RECORD) +
                                                        paper_disk_count(&play->disk, DISK_DEAD) ==
                                        status.n_keys,
                        "the disk has more or less");
}

static void settle(struct play *play)
{
        if (play->disk.is_broken) {
                break_disk(play);
        }
        for (uint32_t i = 0; i < 1000; i++) {
                plane_tick(play->rig.plane, play->rig.now);
                if (play->disk.n_queue == 0 &&
                                plane_timeout_ns(play->rig.plane) > play->rig.now.mono_ns) {
                        break;
                }
                commit(play, PAPER_QUEUE_MAX);
        }
        require(play, plane_disk_status(play->rig.plane).state == PLANE_DISK_WORKS,
                        "it is never written whole");
        require(play, plane_disk_status(play->rig.plane).n_held == 0, "an answer waits for ever");
        compare(play);
        for (uint32_t i = 0; i < play->n_keys; i++) {
                play->known[i].safe_used_ms = play->known[i].used_ms;
        }
}

/* The play */

static void step(struct play *play)
{
        uint32_t key = play->n_keys == 0 ? 0 : draw(play, play->n_keys);

        switch (draw(play, 20)) {
        case 0:
        case 1:
        case 2:
                create(play);
                break;
        case 3:
        case 4:
        case 5:
                save(play, key);
                break;
        case 6:
        case 7:
                destroy(play, key);
                break;
        case 8:
                rotate(play, key);
                break;
        case 9:
                if (draw(play, 4) == 0) {
                        destroy_principal(play);
                }
                break;
        case 10:
                if (draw(play, 3) == 0) {
                        break_disk(play);
                }
                break;
        case 11:
                if (draw(play, 2) == 0) {
                        crash(play);
                }
                break;
        case 12:
                plane_rig_pass(&play->rig, draw(play, 8) == 0 ? TTL_MS : draw(play, 4000));
                break;
        case 13:
                settle(play);
                break;
        case 14:
        case 15:
        case 16:
                commit(play, 1 + draw(play, PAPER_QUEUE_MAX));
                break;
        default:
                look(play, key);
        }
}

const char *journal_play(uint64_t seed)
{
        struct play *play = calloc(1, sizeof(*play));
        const char *broken;

        if (!play) {
                return "there is no memory";
        }
        play->random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
        plane_rig_init(&play->rig);
        play->rig.context = play;
        play->rig.on_answer = on_answer;
        play->rig.has_others = seed % 2 == 1;
        play->rig.disk = paper_disk_sink(&play->disk);
        play->rig.options.n_marks = 1 + draw(play, 24);
        play->disk.queue_max = 1 + draw(play, PAPER_QUEUE_MAX);
        require(play, plane_rig_start(&play->rig) == 0, "it does not start");
        plane_loaded(play->rig.plane, play->rig.now);
        for (uint32_t i = 0; i < STEPS && !play->broken; i++) {
                step(play);
        }
        if (!play->broken) {
                settle(play);
                crash(play);
        }
        broken = play->broken;
        plane_rig_close(&play->rig);
        paper_disk_close(&play->disk);
        free(play);
        return broken;
}
