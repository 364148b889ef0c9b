/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/vigil.h"

#include <errno.h>
#include <stdlib.h>

struct vigil {
        struct vigil *next;
        struct question question; /* without its arguments */
        struct goal goal;
        uint64_t deadline_ns;
};

static void append(struct vigils *vigils, struct vigil *vigil)
{
        vigil->next = NULL;
        *(vigils->last ? &vigils->last->next : &vigils->first) = vigil;
        vigils->last = vigil;
        vigils->n++;
}

static struct vigil *take_first(struct vigils *vigils)
{
        struct vigil *vigil = vigils->first;

        vigils->first = vigil->next;
        if (!vigils->first) {
                vigils->last = NULL;
        }
        vigils->n--;
        return vigil;
}

static void end(struct vigil *vigil)
{
        vigil->question.guest->n_vigils--;
        free(vigil);
}

void vigil_begin(struct vigils *vigils, const struct question *question, uint64_t deadline_ns)
{
        struct vigil *vigil;
        struct goal goal;
        int r = goal_read(&goal, question->arguments, question->service->core);

        if (r < 0) {
                question_refuse(question, r, "an argument is missing or out of range");
                return;
        }
        if (question->guest->n_vigils >= VIGILS_OF_GUEST) {
                question_refuse(question, CMI_E_BUSY, "%d waits of this connection run already",
                                VIGILS_OF_GUEST);
                return;
        }
        vigil = malloc(sizeof(*vigil));
        if (!vigil) {
                question_refuse(question, -ENOMEM, "no memory");
                return;
        }
        *vigil = (struct vigil){.question = *question, .goal = goal, .deadline_ns = deadline_ns};
        vigil->question.arguments = cmi_slice(NULL, 0);
        question->guest->n_vigils++;
        append(vigils, vigil);
}

static void answer_reached(const struct vigil *vigil, struct cmi_time now)
{
        const struct question *question = &vigil->question;
        struct answer answer;

        answer_begin(&answer, question, "wait");
        document_text(&answer.document, "for", goal_text(&vigil->goal));
        document_age_ms(&answer.document, "waited_ms", question->now.mono_ns, now.mono_ns);
        answer_send(&answer, question);
}

static void answer_in_vain(const struct vigil *vigil, struct cmi_time now)
{
        char text[GOAL_TEXT_MAX];

        goal_describe(&vigil->goal, vigil->question.service->core, now, text);
        question_refuse(&vigil->question, CMI_E_TIMEOUT, "%s", text);
}

void vigils_turn(struct vigils *vigils, struct cmi_time now)
{
        uint32_t n = vigils->n < VIGILS_OF_TURN ? vigils->n : VIGILS_OF_TURN;

        for (; n > 0 && vigils->first; n--) {
                struct vigil *vigil = take_first(vigils);

                if (goal_is_reached(&vigil->goal, vigil->question.service->core, now)) {
                        answer_reached(vigil, now);
                        end(vigil);
                } else if (now.mono_ns >= vigil->deadline_ns) {
                        answer_in_vain(vigil, now);
                        end(vigil);
                } else {
                        append(vigils, vigil);
                }
        }
}

void vigils_cancel(struct vigils *vigils, const struct guest *guest)
{
        for (uint32_t n = vigils->n; n > 0 && (!guest || guest->n_vigils > 0); n--) {
                struct vigil *vigil = take_first(vigils);

                if (!guest || vigil->question.guest == guest) {
                        end(vigil);
                } else {
                        append(vigils, vigil);
                }
        }
}
