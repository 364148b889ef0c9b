/* SPDX-License-Identifier: MIT */
/*
 * Options of regions, as the apps of each node have them: a region that is bounded here and serves
 * by its TTL there is a mistake that nobody would notice. Each node tells the others its list; a
 * beat says by a digest which list of the receiver the sender has, so one that was lost is sent
 * again. Nothing is refused for a difference: new options are rolled out node by node. It is told
 * once for each region and node, until they agree.
 *
 * They also say which regions are served by a TTL anywhere, without a lease.
 */
#include "meshd/core/state.h"
#include "wire/session_local.h"

#include <assert.h>

static_assert(CMI_REGIONS_MAX == CMI_PAGE_REGIONS, "a list has room for all regions of a page");

#define LIST_PAUSE_NS CMI_NS_PER_S
#define DIGEST_FIRST 2 /* 0: the sender knows nothing of regions; 1: it has no list */

static uint64_t hash_of(const struct cmi_region *region)
{
        const uint64_t words[4] = {region->name, region->fresh, region->ttl_ms, region->hold_ms};

        return XXH3_64bits(words, sizeof(words));
}

bool core_region_is_alike(const struct cmi_region *a, const struct cmi_region *b)
{
        bool is_told = a->hold_ms != CMI_HOLD_UNTOLD && b->hold_ms != CMI_HOLD_UNTOLD;

        return a->fresh == b->fresh && a->ttl_ms == b->ttl_ms &&
               (!is_told || a->hold_ms == b->hold_ms);
}

static uint64_t own_digest(const struct core *core)
{
        if (core->options_digest == 0) {
                return 1;
        }
        return core->options_digest < DIGEST_FIRST ? core->options_digest + DIGEST_FIRST
                                                   : core->options_digest;
}

uint64_t region_options_digest_had(const struct member *member)
{
        return member->regions_digest ? member->regions_digest : 1;
}

static struct cmi_region *list_of(const struct core *core, const struct member *member)
{
        return core->member_regions + (size_t)member_index(core, member) * CMI_REGIONS_MAX;
}

static const struct cmi_region *find(
                const struct core *core, const struct member *member, uint64_t name)
{
        const struct cmi_region *list = list_of(core, member);

        /* The list of its process before says only what may be served there without a lease. */
        for (uint32_t i = 0; i < member->n_regions && member->regions_digest != 0; i++) {
                if (list[i].name == name) {
                        return &list[i];
                }
        }
        return NULL;
}

static void emit(struct core *core, const struct member *member, uint32_t index,
                const struct cmi_region *theirs)
{
        struct core_event event = {
                        .kind = CORE_EVENT_REGION,
                        .id = member->id,
                        .name = member->name,
                        .number = index,
                        .theirs = *theirs,
                        .ours = core->regions[index].options,
        };

        core->sink.event(core->sink.context, &event);
}

static void compare(struct core *core, const struct member *member, uint32_t index)
{
        struct region *region = &core->regions[index];
        uint32_t number = member_index(core, member);
        uint64_t bit = UINT64_C(1) << number % 64;
        uint64_t *told = &region->told[number / 64];
        const struct cmi_region *theirs = find(core, member, region->hash);

        if (!theirs) {
                return;
        }
        if (core_region_is_alike(theirs, &region->options)) {
                *told &= ~bit;
        } else if (!(*told & bit)) {
                *told |= bit;
                emit(core, member, index, theirs);
        }
}

/* Is one of these served by its TTL? Only that of this name, or with 0 any. */
static bool has_ttl(const struct cmi_region *list, uint32_t n, uint64_t name)
{
        for (uint32_t i = 0; i < n; i++) {
                if (list[i].fresh == CMI_FRESH_TTL && (name == 0 || list[i].name == name)) {
                        return true;
                }
        }
        return false;
}

uint64_t region_options_name(const struct cmi_op *op)
{
        if (cmi_op_is_of_sessions(op)) {
                return XXH3_64bits(CMI_SESSION_REGION, strlen(CMI_SESSION_REGION));
        }
        return op->region.len == 0 ? 0 : XXH3_64bits(op->region.data, op->region.len);
}

bool region_options_is_ttl(const struct core *core, uint64_t name)
{
        for (uint32_t i = 0; i < core->n_regions; i++) {
                if (core->regions[i].is_described && has_ttl(&core->regions[i].options, 1, name)) {
                        return true;
                }
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];

                if (member->is_used && member->has_ttl &&
                                has_ttl(list_of(core, member), member->n_regions, name)) {
                        return true;
                }
        }
        return false;
}

void core_region_describe(struct core *core, uint32_t index, const struct cmi_region *options)
{
        struct region *region = &core->regions[index];

        if (region->is_described && core_region_is_alike(&region->options, options)) {
                return;
        }
        region_options_forget(core, index);
        region->is_described = true;
        region->options = *options;
        region->options.name = region->hash;
        core->options_digest ^= hash_of(&region->options);
        hold_named(core, index, options->hold_ms);
        for (uint32_t i = 0; i < core->member_limit; i++) {
                if (core->members[i].is_used && member_counts(&core->members[i])) {
                        compare(core, &core->members[i], index);
                }
        }
}

void region_options_forget(struct core *core, uint32_t index)
{
        struct region *region = &core->regions[index];

        if (region->is_described) {
                core->options_digest ^= hash_of(&region->options);
                region->is_described = false;
                memset(region->told, 0, sizeof(region->told));
        }
}

/* The other node's beat says which list of ours it has. */
void region_options_tell(
                struct core *core, struct cmi_time now, struct member *member, uint64_t has)
{
        struct link *link = link_ready(core, member);
        struct cmi_regions *list = &core->decoded.regions;
        struct cmi_writer writer = cmi_writer(core->run, sizeof(core->run));

        if (has == 0 || has == own_digest(core) || !link ||
                        (member->regions_told_ns != 0 &&
                                        now.mono_ns - member->regions_told_ns < LIST_PAUSE_NS)) {
                return;
        }
        list->digest = own_digest(core);
        list->n_regions = 0;
        for (uint32_t i = 0; i < core->n_regions; i++) {
                if (core->regions[i].is_described) {
                        list->regions[list->n_regions++] = core->regions[i].options;
                }
        }
        cmi_regions_write(&writer, list);
        if (link_send(core, link, member, CMI_FRAME_REGIONS, cmi_written(&writer), 0) == 0) {
                member->regions_told_ns = now.mono_ns;
        }
}

void region_options_restarted(struct member *member)
{
        member->regions_digest = 0;
}

/* It has closed its page. */
void region_options_left(struct member *member)
{
        member->n_regions = 0;
        member->has_ttl = false;
        member->regions_digest = 0;
}

void region_options_receive(
                struct core *core, struct member *member, const struct cmi_regions *list)
{
        memcpy(list_of(core, member), list->regions, list->n_regions * sizeof(*list->regions));
        member->n_regions = list->n_regions;
        member->has_ttl = has_ttl(list->regions, list->n_regions, 0);
        member->regions_digest = list->digest;
        for (uint32_t i = 0; i < core->n_regions; i++) {
                if (core->regions[i].is_described) {
                        compare(core, member, i);
                }
        }
}

void region_options_forget_member(struct core *core, struct member *member)
{
        uint32_t number = member_index(core, member);

        member->n_regions = 0;
        member->regions_digest = 0;
        for (uint32_t i = 0; i < core->n_regions; i++) {
                core->regions[i].told[number / 64] &= ~(UINT64_C(1) << number % 64);
        }
}

bool core_region_differs(const struct core *core, uint32_t index, uint32_t *cursor,
                struct core_region_difference *ret_region)
{
        const struct region *region = &core->regions[index];

        while (region->is_described && *cursor < core->n_members) {
                const struct member *member = &core->members[core->order[(*cursor)++]];
                const struct cmi_region *theirs =
                                member_counts(member) ? find(core, member, region->hash) : NULL;

                if (theirs && !core_region_is_alike(theirs, &region->options)) {
                        *ret_region = (struct core_region_difference){member->name, *theirs};
                        return true;
                }
        }
        return false;
}
