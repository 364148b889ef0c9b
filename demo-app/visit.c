/* SPDX-License-Identifier: MIT */
#include "demo-app/visit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define FORMAT "demo-visit 1"
#define N_LINES 9

int visit_begin(struct visit *ret_visit, const char *person, const char *node, uint64_t now_ms)
{
        unsigned char random[VISIT_TOKEN_LEN / 2];
        struct visit visit = {.begin_ms = now_ms, .form = {.revision = 1, .step = 1}};

        if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
                return -EIO;
        }
        for (size_t i = 0; i < sizeof(random); i++) {
                snprintf(visit.token + 2 * i, 3, "%02x", random[i]);
        }
        snprintf(visit.person, sizeof(visit.person), "%s", person);
        snprintf(visit.node, sizeof(visit.node), "%s", node);
        *ret_visit = visit;
        return 0;
}

bool visit_has_token(const struct visit *visit, const char *token)
{
        unsigned int difference = 0;

        if (strlen(token) != VISIT_TOKEN_LEN) {
                return false;
        }
        for (size_t i = 0; i < VISIT_TOKEN_LEN; i++) {
                difference |= (unsigned int)(token[i] ^ visit->token[i]);
        }
        return difference == 0;
}

size_t visit_pack(const struct visit *visit, char ret_packed[VISIT_PACKED_MAX])
{
        int n = snprintf(ret_packed, VISIT_PACKED_MAX,
                        FORMAT "\n%s\n%s\n%" PRIu64 "\n%s\n%" PRIu32 "\n%" PRIu32 "\n%s\n%s\n",
                        visit->person, visit->token, visit->begin_ms, visit->node,
                        visit->form.revision, visit->form.step, visit->form.name, visit->form.with);

        return (size_t)n;
}

static void read_line(const char *line, char *ret_text, size_t size)
{
        snprintf(ret_text, size, "%s", line);
}

/* What a page or a header is made of must be harmless there. */
static bool is_valid(const struct visit *visit)
{
        const struct visit_form *form = &visit->form;

        return strlen(visit->token) == VISIT_TOKEN_LEN &&
               strspn(visit->token, "0123456789abcdef") == VISIT_TOKEN_LEN &&
               (!visit->person[0] || name_is_person(visit->person)) &&
               name_is_folder(visit->node) && form->step >= 1 && form->step <= VISIT_STEPS &&
               (form->step > 1 ? name_is_folder(form->name) : true) &&
               (!form->name[0] || name_is_folder(form->name)) &&
               (!form->with[0] || name_is_person(form->with));
}

/* What was cut off or read otherwise than it was written shows when it is written again. */
bool visit_unpack(const void *packed, size_t len, struct visit *ret_visit)
{
        char text[VISIT_PACKED_MAX];
        char again[VISIT_PACKED_MAX];
        char *lines[N_LINES];
        char *rest = text;
        struct visit visit = {0};

        if (len >= sizeof(text)) {
                return false;
        }
        memcpy(text, packed, len);
        text[len] = '\0';
        for (size_t i = 0; i < N_LINES; i++) {
                lines[i] = strsep(&rest, "\n");
                if (!rest) {
                        return false;
                }
        }
        if (sscanf(lines[3], "%20" SCNu64, &visit.begin_ms) != 1 ||
                        sscanf(lines[5], "%10" SCNu32, &visit.form.revision) != 1 ||
                        sscanf(lines[6], "%10" SCNu32, &visit.form.step) != 1) {
                return false;
        }
        read_line(lines[1], visit.person, sizeof(visit.person));
        read_line(lines[2], visit.token, sizeof(visit.token));
        read_line(lines[4], visit.node, sizeof(visit.node));
        read_line(lines[7], visit.form.name, sizeof(visit.form.name));
        read_line(lines[8], visit.form.with, sizeof(visit.form.with));
        if (!is_valid(&visit) || visit_pack(&visit, again) != len ||
                        memcmp(packed, again, len) != 0) {
                return false;
        }
        *ret_visit = visit;
        return true;
}
