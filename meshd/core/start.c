/* SPDX-License-Identifier: MIT */
/*
 * Making a core: its options, its memory, and how long it has to be silent since apps may still
 * look at a page of before.
 */
#include "meshd/core/state.h"

#include <assert.h>

struct core_options core_options_default(void)
{
        return (struct core_options){
                        .holds_max = CORE_HOLDS_MAX,
                        .max_peers = CORE_PEERS_DEFAULT,
                        .lease_ns = 1000 * CMI_NS_PER_MS,
                        .gone_ns = 3000 * CMI_NS_PER_MS,
                        .margin_ns = 8 * CMI_NS_PER_MS,
                        .drift_ppm = 1000,
                        .start_ns = 1200 * CMI_NS_PER_MS,
                        .alone_ns = 12 * CMI_NS_PER_S,
                        .name = "",
                        .mesh = "",
                        .software = "",
        };
}

/* Memory: the struct, then its tables, each on its own cache lines. */

struct tables {
        struct link *links;
        struct member *members;
        uint32_t *order;
        struct wait *waits;
        uint64_t *wait_due;
        uint8_t *wait_results;
        struct cmi_result_member *wait_members;
        struct region *regions;
        uint16_t *region_buckets;
        struct cmi_region *member_regions;
        struct intent_table *intents;
        struct flag *flags;
        struct hold_table *holds;
        struct intent_memory *intent_memory; /* unless it is given */
};

static void *take(uintptr_t *at, size_t size)
{
        uintptr_t begin = *at;

        *at += (size + 63) & ~(size_t)63;
        return (void *)begin;
}

/* Addresses of the tables for a core at @origin, and the size of it all. */
static size_t lay_out(
                uintptr_t origin, const struct core_options *options, struct tables *ret_tables)
{
        uint32_t max_peers = options->max_peers;
        uintptr_t at = origin;

        take(&at, sizeof(struct core));
        *ret_tables = (struct tables){
                        .links = take(&at, (max_peers + CORE_LINKS_SPARE) * sizeof(struct link)),
                        .members = take(&at, max_peers * sizeof(struct member)),
                        .order = take(&at, max_peers * sizeof(uint32_t)),
                        .waits = take(&at, CORE_WAITS_MAX * sizeof(struct wait)),
                        .wait_due = take(
                                        &at, (size_t)CORE_WAITS_MAX * max_peers * sizeof(uint64_t)),
                        .wait_results = take(&at, (size_t)CORE_WAITS_MAX * max_peers),
                        .wait_members = take(&at, (max_peers + STRANGERS_SIZE) *
                                                                  sizeof(struct cmi_result_member)),
                        .regions = take(&at, CMI_PAGE_REGIONS * sizeof(struct region)),
                        .region_buckets = take(&at, REGION_BUCKETS * sizeof(uint16_t)),
                        .member_regions = take(&at, (size_t)max_peers * CMI_REGIONS_MAX *
                                                                    sizeof(struct cmi_region)),
                        .intents = take(&at, sizeof(struct intent_table)),
                        .flags = take(&at, FLAG_BUCKETS * sizeof(struct flag)),
                        .holds = take(&at, sizeof(struct hold_table)),
                        .intent_memory = take(
                                        &at, options->intents ? 0 : sizeof(struct intent_memory)),
        };
        return at - origin;
}

size_t core_size(const struct core_options *options)
{
        struct tables tables;

        return lay_out(0, options, &tables);
}

static void set_tables(struct core *core, const struct core_options *options, struct cmi_time now)
{
        struct tables tables;

        lay_out((uintptr_t)core, options, &tables);
        core->links = tables.links;
        core->members = tables.members;
        core->order = tables.order;
        core->waits = tables.waits;
        core->wait_due = tables.wait_due;
        core->wait_results = tables.wait_results;
        core->wait_members = tables.wait_members;
        core->regions = tables.regions;
        core->region_buckets = tables.region_buckets;
        core->member_regions = tables.member_regions;
        core->intents = tables.intents;
        core->flags = tables.flags;
        core->holds = tables.holds;
        core->max_links = options->max_peers + CORE_LINKS_SPARE;
        intent_open(core, options->intents ? options->intents : tables.intent_memory, now);
}

static uint64_t longer(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* Nobody had a longer one than @most: a damaged number. */
static uint64_t at_most(uint64_t most, uint64_t ns)
{
        return ns < most ? ns : most;
}

/* Of the processes before that this one knows of, and its own. */
static uint64_t longest_lease(const struct core *core)
{
        uint64_t before = longer(log_lease_ns(core->log), core->options.before_ns);

        return at_most(cmi_ms(CORE_LEASE_MAX_MS), longer(before, core->options.lease_ns));
}

/*
 * Apps may look at the page of a process that was started with another lease than this one. What
 * the log keeps is the longest of all that may still be served, also if this process dies at once.
 */
static uint64_t begin_pause(struct core *core)
{
        bool is_after = !core->options.is_clean && !MUTANT(B1_OWN_LEASE);
        uint64_t longest = is_after ? longest_lease(core) : core->options.lease_ns;

        core->has_predecessor =
                        is_after && (log_lease_ns(core->log) > 0 || core->options.before_ns > 0);
        log_keep_lease(core->log, longest);
        if (core->options.is_clean || MUTANT(B1_NO_START_PAUSE)) {
                return 0;
        }
        return core_use_ns(core, longest);
}

/*
 * Who was told a gone_ns by a process before answers waits with 0 as long after its last word: a
 * node that is cut off counts us so long, whatever a HELLO that never came would say. That last
 * word came before this start, so nobody relies on it for longer than it says after the start, by
 * the clock with which a member's silence is counted as well; and who hears our HELLO forgets the
 * word. Also after an end in order: the goodbye may have been lost. What the log keeps is the
 * longest of all that may still be relied on, also if this process dies at once.
 */
static uint64_t begin_patience(struct core *core)
{
        uint64_t told = at_most(cmi_ms(CORE_GONE_MAX_MS),
                        longer(log_gone_ns(core->log), core->options.before_gone_ns));

        log_keep_gone(core->log, longer(told, core->options.gone_ns));
        return MUTANT(B5_GONE_UNKEPT) ? 0 : told;
}

struct core *core_init(void *memory, const struct core_options *options,
                const struct core_sink *sink, const struct cmi_page_view *page, struct log *log,
                struct cmi_time now)
{
        struct core *core = memory;

        assert(options->max_peers > 0 && options->max_peers <= CORE_PEERS_MAX);
        assert(options->holds_max <= CORE_HOLDS_MAX);
        core->options = *options;
        memcpy(core->name, options->name, strnlen(options->name, CMI_NAME_MAX));
        memcpy(core->software, options->software,
                        strnlen(options->software, sizeof(core->software) - 1));
        core->mesh = XXH3_64bits(options->mesh, strlen(options->mesh));
        core->sink = *sink;
        core->page = *page;
        core->log = log;
        set_tables(core, options, now);
        core->random = options->random;
        core->started_ns = core->since_ns = now.mono_ns;
        core->last_call = now;
        core->tick_due_ns = NEVER;
        core->alone_until_ns = now.mono_ns + options->alone_ns;
        /* An end in order ends the own page, and nothing of what others may serve. */
        core->given_before_ns = now.mono_ns + core_use_ns(core, longest_lease(core));
        core->pause_end_ns = now.mono_ns + begin_pause(core);
        core->patience_end_ns = now.mono_ns + begin_patience(core);
        core_text(core->reason, "starting", "", "");
        return core;
}
