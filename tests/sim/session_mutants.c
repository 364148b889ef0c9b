/* SPDX-License-Identifier: MIT */
#include "tests/sim/session_mutants.h"

#include <stddef.h>

#ifdef CM_MUTANTS_CHOSEN
enum plane_mutant plane_mutant_chosen;
enum session_mutant session_mutant_chosen;
#endif

#define OF_PLANE(name, limit, rule)                                                                \
        {                                                                                          \
#name, limit, rule, PLANE_MUTANT_##name, SESSION_MUTANT_NONE                       \
        }
#define OF_STORE(name, limit, rule)                                                                \
        {                                                                                          \
#name, limit, rule, PLANE_MUTANT_NONE, SESSION_MUTANT_##name                       \
        }

static const struct session_mutant_row rows[] = {
                OF_PLANE(STAMP_FORGOTTEN, 200, "what was saved over is kept by no process"),
                OF_PLANE(ANSWERED_UNSTAMPED, 200, "first stamped, then told"),
                OF_PLANE(END_UNSTAMPED, 200, "what ends by itself is stamped"),
                OF_PLANE(SPACE_UNCHECKED, 200, "a session of another space is as absent"),
                OF_PLANE(SERVED_AWAY, 200, "who does not serve answers nothing"),
                OF_PLANE(AGAIN_AS_NEWEST, 200, "a repeated save is told of its own version"),
                OF_PLANE(ROTATE_LEADS_ON, 200, "an old id leads to nothing new"),
                OF_PLANE(GRACE_OUTLIVES, 200, "an old id is readable while the session lives"),
                OF_PLANE(SUCCESSOR_SPARED, 200,
                                "a logout with an id in its grace ends the session"),
                OF_PLANE(OTHERS_FORGOTTEN, 200, "what is not known here may live elsewhere"),
                OF_PLANE(RAISED_TWICE, 200, "a logout everywhere is done once"),
                OF_STORE(SAVE_UNCHECKED, 200, "a save is made over the newest version"),
                OF_STORE(HOLDER_UNCHECKED, 200, "by the holder"),
                OF_STORE(HOLDER_BY_NUMBER, 200, "the very one"),
                OF_STORE(PRINCIPAL_BY_CLOCK, 200, "a logout everywhere compares no clocks"),
                OF_STORE(PRINCIPAL_NEW_ONLY, 200, "it ends what is there"),
                OF_STORE(ENDED_BY_CLOCK, 200, "a session is over by both clocks"),
                OF_STORE(CREATE_OVER_DEAD, 200, "no key is made over a tombstone"),
                OF_STORE(RETRY_UNKNOWN, 200, "what is repeated is done once"),
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) == SESSION_MUTANTS, "count them");

const struct session_mutant_row *session_mutants_row(unsigned index)
{
        return &rows[index];
}

void session_mutants_choose(const struct session_mutant_row *row)
{
#ifdef CM_MUTANTS_CHOSEN
        plane_mutant_chosen = row ? row->plane : PLANE_MUTANT_NONE;
        session_mutant_chosen = row ? row->store : SESSION_MUTANT_NONE;
#else
        (void)row;
#endif
}
