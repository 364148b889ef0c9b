/* SPDX-License-Identifier: MIT */
#include "meshctl/target.h"

#include "wire/frame.h"
#include "wire/op.h"
#include "wire/text.h"

#include <string.h>

static int check_length(struct problem *problem, const char *what, const char *text, size_t max)
{
        size_t len = strlen(text);

        if (len == 0 || len > max) {
                return problem_set(problem, STATUS_USAGE, NULL,
                                "the %s has %zu bytes, 1 to %zu are possible", what, len, max);
        }
        for (size_t i = 0; i < len; i++) {
                if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
                        return problem_set(problem, STATUS_USAGE, NULL,
                                        "the %s has a control character at byte %zu", what, i + 1);
                }
        }
        return 0;
}

/* What a node or a region can be called: see wire/text.h. */
static int check_name(struct problem *problem, const char *what, const char *text, size_t max)
{
        int status = check_length(problem, what, text, max);

        if (status == 0 && !cmi_text_is_clean(cmi_slice_str(text))) {
                return problem_set(problem, STATUS_USAGE, NULL,
                                "the %s is no text in UTF-8 without control characters", what);
        }
        return status;
}

int target_check_peer(struct problem *problem, const char *peer)
{
        return check_name(problem, "name or id", peer, CMI_NAME_MAX);
}

int target_check_region(struct problem *problem, const char *region)
{
        if (!region) {
                return problem_set(problem, STATUS_USAGE, "meshctl regions -o name lists them",
                                "--region is needed");
        }
        return check_name(problem, "region", region, CMI_REGION_NAME_MAX);
}

int target_check(struct problem *problem, const char *region, const char *key, const char *tag)
{
        int status = target_check_region(problem, region);

        status = status ? status : check_length(problem, "key", key, CMI_KEY_MAX);
        return status || !tag ? status : check_length(problem, "tag", tag, CMI_TAG_MAX);
}
