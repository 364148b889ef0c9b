/* SPDX-License-Identifier: MIT */
/* What processes of apps do, and what they keep. What they have to be told is in plane_model.c. */
#include "tests/meshd/plane_play.h"

#include <stdlib.h>

#define STEPS 150

static uint64_t draw(struct plane_play *play, uint64_t below)
{
        uint64_t x = play->random += UINT64_C(0x9e3779b97f4a7c15);

        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        return (x ^ x >> 31) % below;
}

void plane_play_require(struct plane_play *play, bool condition, const char *what)
{
        if (!condition && !play->broken) {
                play->broken = what;
        }
}

static uint32_t number_of(const struct cmi_id *key)
{
        for (uint32_t number = 0; number < PLAY_KEYS; number++) {
                struct cmi_id id = plane_rig_key(number);

                if (cmi_id_equal(&id, key)) {
                        return number;
                }
        }
        abort();
}

/* Copies */

static bool is_good(const struct plane_play *play, uint32_t process, uint32_t key)
{
        uint64_t token = play->copies[process][key].token;

        return play->rig.is_live && token != 0 && token >= play->stamps[key] &&
               token >= play->stamp_of_all;
}

/* A copy that is good is what the session is. */
static void check_copies(struct plane_play *play)
{
        for (uint32_t i = 0; i < PLAY_PROCESSES * PLAY_KEYS; i++) {
                uint32_t process = i / PLAY_KEYS, key = i % PLAY_KEYS;
                const struct play_copy *copy = &play->copies[process][key];
                const struct play_session *session = &play->sessions[key];

                if (!is_good(play, process, key)) {
                        continue;
                }
                plane_play_require(play, plane_model_is_alive(play, key), "the dead are kept");
                plane_play_require(play,
                                cmi_session_version_compare(&copy->version, &session->version) == 0,
                                "an old version is kept");
                plane_play_require(play, strcmp(copy->text, session->text) == 0,
                                "another content is kept");
        }
}

static void keep(struct plane_play *play, const struct play_request *asked,
                const struct cmi_session_answer *answer)
{
        uint32_t key = asked->request.verb == CMI_SESSION_ROTATE && answer->outcome == 0
                                       ? asked->new_key
                                       : asked->key;
        struct play_copy *copy = &play->copies[asked->process][key];

        if (cmi_session_version_is_none(&answer->version)) {
                return;
        }
        *copy = (struct play_copy){
                        .is_seen = true,
                        .token = answer->token,
                        .version = answer->version,
                        .holder = answer->holder,
        };
        if (asked->request.verb == CMI_SESSION_GET || answer->outcome != 0) {
                memcpy(copy->text, answer->blob.data, answer->blob.len);
        } else {
                memcpy(copy->text, asked->text, sizeof(copy->text));
        }
}

static bool is_present(struct plane_play *play, const struct play_copy *copy, uint32_t key)
{
        return plane_model_is_alive(play, key) &&
               cmi_session_version_compare(&copy->version, &play->sessions[key].version) == 0;
}

/* What is told to be changed or over is kept by nobody then. */
static void check_stamped(struct plane_play *play, const struct play_request *asked,
                const struct cmi_session_answer *answer)
{
        uint64_t verb = asked->request.verb;
        bool is_made = verb == CMI_SESSION_SAVE || verb == CMI_SESSION_DESTROY ||
                       verb == CMI_SESSION_ROTATE;

        for (uint32_t i = 0; is_made && answer->outcome == 0 && i < PLAY_PROCESSES; i++) {
                plane_play_require(play,
                                !is_good(play, i, asked->key) ||
                                                is_present(play, &play->copies[i][asked->key],
                                                                asked->key),
                                "answered before it was stamped");
        }
}

/* What the plane says */

static void on_stamp(struct plane_rig *rig, const struct cmi_id *key)
{
        struct plane_play *play = rig->context;

        if (key) {
                play->stamps[number_of(key)] = rig->apply_seq;
        } else {
                play->stamp_of_all = rig->apply_seq;
        }
}

static void on_answer(struct plane_rig *rig, const struct plane_caller *caller,
                const struct cmi_session_answer *answer)
{
        struct plane_play *play = rig->context;
        struct play_request *asked = &play->requests[caller->id % PLAY_REQUESTS];

        plane_play_require(play, asked->is_waiting, "answered twice");
        asked->is_waiting = false;
        if (answer->outcome == CMI_E_UNCONFIRMED && !rig->is_live) {
                plane_play_require(play,
                                rig->now.mono_ns - asked->sent_ns >=
                                                cmi_ms(asked->request.timeout_ms),
                                "told too early that it was too long");
                return;
        }
        plane_play_require(play, rig->is_live, "answered by who does not serve");
        plane_model_answer(play, asked, answer);
        check_stamped(play, asked, answer);
        keep(play, asked, answer);
}

/* Between the making of a rotation's new session and its commit. */
static void save_meanwhile(struct plane_rig *rig)
{
        struct plane_play *play = rig->context;
        const struct play_request *asked = play->rotating;
        const struct play_session *old = &play->sessions[asked->key];
        uint64_t request = UINT64_MAX - play->n_requests; /* never the same */
        struct store_change change = {.way = STORE_SAVE};
        struct store_view view;

        if (store_find(plane_store(rig->plane), rig->now, &asked->request.new_key, &view) !=
                        STORE_STORED) {
                return;
        }
        rig->on_token = NULL;
        change.save = (struct store_save){
                        .key = asked->request.key,
                        .expected = old->version,
                        .epoch = old->version.epoch,
                        .holder = old->holder,
                        .content = {cmi_slice_str("meanwhile"), .save_id = {{9}},
                                        .request = request},
        };
        if (store_merge(plane_store(rig->plane), rig->now, &change, NULL) == STORE_STORED) {
                plane_model_save(play, asked->key, "meanwhile", request);
                play->stamps[asked->key] = ++rig->apply_seq;
        }
}

/* What processes do */

static uint32_t draw_key(struct plane_play *play)
{
        uint32_t latest = play->n_requests / 8 % PLAY_KEYS;

        return (uint32_t)((latest + draw(play, 4)) % PLAY_KEYS);
}

static struct cmi_session_request of_rig(
                struct plane_play *play, struct play_request *asked, uint64_t verb)
{
        struct plane_rig *rig = &play->rig;
        const struct play_copy *copy = &play->copies[asked->process][asked->key];

        rig->version = copy->version;
        rig->holder = copy->holder;
        switch ((enum cmi_session_verb)verb) {
        case CMI_SESSION_CREATE:
                return plane_rig_create(rig, asked->key, asked->text);
        case CMI_SESSION_GET:
                return plane_rig_get(asked->key);
        case CMI_SESSION_SAVE:
                return plane_rig_save(rig, asked->key, asked->text);
        case CMI_SESSION_TOUCH:
                return plane_rig_touch(rig, asked->key);
        case CMI_SESSION_DESTROY:
                return plane_rig_destroy(rig, asked->key);
        case CMI_SESSION_DESTROY_PRINCIPAL:
                return plane_rig_principal(rig, (uint8_t)(1 + draw(play, 2)));
        case CMI_SESSION_ROTATE:
                return plane_rig_rotate(rig, asked->key, asked->new_key, asked->text);
        }
        abort();
}

static uint64_t draw_verb(struct plane_play *play, const struct play_request *asked)
{
        uint64_t verb = draw(play, 24);

        if (verb < 6) {
                return CMI_SESSION_CREATE;
        }
        if (verb < 10 || !play->copies[asked->process][asked->key].is_seen) {
                return verb == 23 ? CMI_SESSION_DESTROY : CMI_SESSION_GET;
        }
        return verb < 16   ? CMI_SESSION_SAVE
               : verb < 18 ? CMI_SESSION_TOUCH
               : verb < 20 ? CMI_SESSION_DESTROY
               : verb < 21 ? CMI_SESSION_DESTROY_PRINCIPAL
                           : CMI_SESSION_ROTATE;
}

/* Times are short, so that plays see their ends. */
static void draw_fields(struct plane_play *play, struct cmi_session_request *request)
{
        bool is_create = request->verb == CMI_SESSION_CREATE;

        request->timeout_ms = 200 + draw(play, 2000);
        request->space = plane_rig_space(draw(play, 12) == 0 ? 2 : 1);
        if (is_create || request->verb == CMI_SESSION_ROTATE) {
                request->max_end_ms =
                                is_create || draw(play, 4) == 0
                                                ? plane_rig_now_ms(&play->rig) + draw(play, 30000)
                                                : 0;
                request->idle_ttl_ms = draw(play, 2) == 0 ? 500 + draw(play, 3000) : 0;
                request->principal.bytes[0] = (uint8_t)draw(play, 3);
        }
        if (request->verb == CMI_SESSION_GET && draw(play, 3) == 0) {
                request->flags = CMI_SESSION_PEEK;
        }
        request->grace_ms = draw(play, 3) == 0 ? 0 : draw(play, 6000);
        request->age_ms = draw(play, 300);
        if (draw(play, 30) == 0) {
                request->holder.no++;
        }
}

static void send(struct plane_play *play, uint32_t index)
{
        struct play_request *asked = &play->requests[index];
        const struct plane_caller caller = {.client = 1 + asked->process, .id = index};

        asked->sent_ns = play->rig.now.mono_ns;
        asked->is_waiting = true;
        plane_request(play->rig.plane, play->rig.now, &caller, &asked->request,
                        asked->request.blob);
        plane_play_require(play, asked->is_waiting != play->rig.is_live, "answered late or early");
}

static bool is_to_be_late(struct plane_play *play, const struct play_request *asked)
{
        const struct cmi_session_request *request = &asked->request;
        const struct play_session *old = &play->sessions[asked->key];

        return request->verb == CMI_SESSION_ROTATE && play->rig.is_live &&
               request->max_end_ms == 0 && plane_model_is_alive(play, asked->key) &&
               cmi_id_equal(&old->space, &request->space) &&
               cmi_session_version_compare(&old->version, &request->expected) == 0 &&
               cmi_session_holder_equal(&old->holder, &request->holder) &&
               play->sessions[asked->new_key].state == PLAY_NONE && draw(play, 4) == 0;
}

static void ask(struct plane_play *play)
{
        uint32_t index = play->n_requests % PLAY_REQUESTS;
        struct play_request *asked = &play->requests[index];
        static const char digits[] = "0123456789abcdef";
        uint64_t verb;

        if (asked->is_waiting) {
                return;
        }
        *asked = (struct play_request){
                        .process = (uint32_t)draw(play, PLAY_PROCESSES),
                        .key = draw_key(play),
        };
        asked->new_key = (asked->key + 1 + (uint32_t)draw(play, 6)) % PLAY_KEYS;
        for (uint32_t i = 0; i < 8; i++) {
                asked->text[i] = digits[draw(play, 16)];
        }
        verb = draw_verb(play, asked);
        asked->request = of_rig(play, asked, verb);
        draw_fields(play, &asked->request);
        play->n_requests++;
        if (is_to_be_late(play, asked)) {
                play->rotating = asked;
                play->rig.on_token = save_meanwhile;
        }
        send(play, index);
        play->rig.on_token = NULL;
        play->rotating = NULL;
}

/* The answer got lost, or so it seems. */
static void repeat(struct plane_play *play)
{
        uint32_t n = play->n_requests < 12 ? play->n_requests : 12;
        uint32_t index;

        if (n == 0) {
                return;
        }
        index = (play->n_requests - 1 - (uint32_t)draw(play, n)) % PLAY_REQUESTS;
        if (!play->requests[index].is_waiting) {
                send(play, index);
        }
}

static bool is_in_time(const struct plane_play *play, const struct play_request *asked)
{
        uint64_t waited_ns = play->rig.now.mono_ns - asked->sent_ns;

        return !asked->is_waiting ||
               (!play->rig.is_live && waited_ns < cmi_ms(asked->request.timeout_ms));
}

static void pass(struct plane_play *play)
{
        plane_rig_pass(&play->rig, draw(play, draw(play, 6) == 0 ? 4000 : 300));
        plane_model_see_idle(play);
        for (uint32_t i = 0; i < PLAY_REQUESTS; i++) {
                plane_play_require(
                                play, is_in_time(play, &play->requests[i]), "not answered in time");
        }
}

static void step(struct plane_play *play)
{
        uint64_t kind = draw(play, 20);

        if (kind < 12) {
                ask(play);
        } else if (kind < 15) {
                repeat(play);
        } else if (kind < 19 || draw(play, 3) != 0) {
                pass(play);
        } else {
                play->rig.is_live = !play->rig.is_live;
                play->live_since_ms = plane_rig_now_ms(&play->rig);
                play->rig.has_others = draw(play, 3) == 0;
                plane_rig_pass(&play->rig, 0);
                pass(play);
        }
        check_copies(play);
}

const char *plane_play(uint64_t seed)
{
        struct plane_play *play = calloc(1, sizeof(*play));
        const char *broken;

        plane_rig_open(&play->rig);
        play->random = seed;
        play->rig.context = play;
        play->rig.on_answer = on_answer;
        play->rig.on_stamp = on_stamp;
        for (uint32_t i = 0; i < STEPS && !play->broken; i++) {
                step(play);
        }
        plane_rig_close(&play->rig);
        broken = play->broken;
        free(play);
        return broken;
}
