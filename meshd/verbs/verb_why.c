/* SPDX-License-Identifier: MIT */
/* Looks at the page as an app's get does, and at the history for who put the stamps there. */
#include "meshd/io/arguments.h"
#include "meshd/verbs/history.h"
#include "meshd/verbs/monitor.h"
#include "meshd/verbs/verbs.h"

#include <errno.h>
#include <stdio.h>

#define NO_REGION UINT32_MAX
#define CAUSE_MAX 160

struct why {
        const struct question *question;
        struct cmi_page_view view;
        struct cmi_slice key;
        struct cmi_slice tag; /* empty: none was named */
        struct cmi_slice region;
        uint32_t index; /* of the region; NO_REGION: it has none */
        struct core_status status;
        uint64_t newest; /* of all stamps: an entry's token must not be below it */
        bool has_intent;
};

static uint64_t read_stamp(const _Atomic uint64_t *slot)
{
        return atomic_load_explicit(slot, memory_order_acquire);
}

static const struct service_region *options_of(const struct why *why)
{
        return why->index == NO_REGION ? NULL : &why->question->service->regions[why->index];
}

/* Does an entry need the lease to be served? */
static bool is_bounded(const struct why *why)
{
        const struct service_region *options = options_of(why);

        return !options || options->options.fresh == CMI_FRESH_BOUNDED;
}

/* Which flag it is that refuses, of several the one that is about most. */
static const char *describe_flag(const struct why *why)
{
        if (read_stamp(&why->view.page->floor) & CMI_PAGE_INTENT_FLAG) {
                return "more write intents are open than have room here, so nothing is served "
                       "until they are over";
        }
        /* No intent is about a region. */
        if (read_stamp(&why->view.regions[why->index]) & CMI_PAGE_INTENT_FLAG) {
                return "its whole region is held, since a hold_ms runs: all of it was invalidated, "
                       "or it is not known here of which keys, or of too many";
        }
        return why->status.n_holds > 0 ? "a write intent is open on it, or the hold_ms of its "
                                         "region runs since it was invalidated"
                                       : "a write intent is open on it";
}

/* Why nothing of this key is served here now; NULL if nothing is in the way. */
static const char *find_obstacle(const struct why *why, char text[CAUSE_MAX])
{
        const struct core_status *status = &why->status;
        const struct service_region *options = options_of(why);

        if (!options) {
                return "no app has opened this region here, so nothing of it is cached on this "
                       "node";
        }
        if (options->n_clients == 0) {
                return "no app has this region open now";
        }
        if (is_bounded(why) && status->state != CORE_LIVE) {
                snprintf(text, CAUSE_MAX, "this node is %s: %s", core_state_text(status->state),
                                status->reason);
                return text;
        }
        if (is_bounded(why) && status->lease_end_ns <= why->question->now.mono_ns) {
                return "the lease does not run: a member has not been heard for a lease";
        }
        return why->has_intent ? describe_flag(why) : NULL;
}

static const char *describe_target(const struct why *why, const struct history_entry *entry,
                enum cmi_page_kind kind, struct cmi_slice target)
{
        bool is_key = kind == CMI_PAGE_KEY;

        switch (history_is_about(why->question->service->history, entry, kind, target)) {
        case HISTORY_SAME:
                if (entry->kind == CMI_OP_INTENT_BEGIN) {
                        return "a write to it has begun";
                }
                if (entry->kind == CMI_OP_INTENT_END) {
                        return entry->number != 0 ? "a write to it has ended"
                                                  : "a write to it was ended by its deadline";
                }
                return is_key ? "this key was invalidated" : "this tag was invalidated";
        case HISTORY_OTHER:
                return "a collision: another one that shares its slot was invalidated";
        case HISTORY_UNKNOWN:
                break;
        }
        return "it or another one in its slot was invalidated; which, is not remembered";
}

static void write_entry(struct document *document, const struct why *why,
                const struct history_entry *entry, const char *cause)
{
        if (entry) {
                document_age_ms(document, "ago_ms", entry->at_ns, why->question->now.mono_ns);
                document_text(document, "source", entry->source);
                if (entry->number != 0) {
                        document_uint(document, "position", entry->number);
                } else {
                        document_nil(document, "position");
                }
                document_text(document, "kind",
                                entry->text[0] ? "forgotten" : monitor_kind_text(entry->kind));
        } else {
                document_nil(document, "ago_ms");
                document_text(document, "source", "");
                document_nil(document, "position");
                document_text(document, "kind", "");
        }
        document_text(document, "cause", cause);
}

/* One row: what was stamped, by what. @cause: NULL to look it up. */
static void write_stamp(struct document *document, struct why *why, const char *what,
                uint64_t stamp, const struct history_entry *entry, const char *cause)
{
        uint64_t seq = stamp & ~CMI_PAGE_INTENT_FLAG;

        why->newest = seq > why->newest ? seq : why->newest;
        document_open_map(document, NULL);
        document_text(document, "what", what);
        document_uint(document, "stamp", seq);
        document_bool(document, "has_intent", stamp != seq);
        if (seq == 0) {
                cause = "never, since this meshd started";
        } else if (!entry && !cause) {
                cause = why->status.counters.holds > 0
                                        ? "older than the operations that are remembered, or the "
                                          "end of a hold_ms"
                                        : "older than the operations that are remembered";
        }
        write_entry(document, why, entry, cause);
        document_close(document);
}

static uint64_t stamp_of(const struct why *why, enum cmi_page_kind kind, struct cmi_slice target)
{
        XXH128_hash_t hash =
                        cmi_page_hash(why->view.seed, kind, why->index, target.data, target.len);

        return kind == CMI_PAGE_KEY ? read_stamp(&why->view.keys[cmi_page_slot(
                                                      hash, why->view.key_mask)])
                                    : read_stamp(&why->view.tags[cmi_page_slot(
                                                      hash, why->view.tag_mask)]);
}

static void write_target(struct document *document, struct why *why, const char *what,
                enum cmi_page_kind kind, struct cmi_slice target)
{
        uint64_t stamp = stamp_of(why, kind, target);
        const struct history_entry *entry = history_find(
                        why->question->service->history, stamp & ~CMI_PAGE_INTENT_FLAG);

        write_stamp(document, why, what, stamp, entry,
                        entry ? describe_target(why, entry, kind, target) : NULL);
}

static void write_region(struct document *document, struct why *why)
{
        uint64_t stamp = read_stamp(&why->view.regions[why->index]);
        uint64_t seq = stamp & ~CMI_PAGE_INTENT_FLAG;
        const struct history_entry *entry = history_find(why->question->service->history, seq);

        if (seq != 0 && seq == core_region_given(why->question->service->core, why->index)) {
                write_stamp(document, why, "region", stamp, NULL,
                                "never as a whole, since an app here opened it first");
                return;
        }
        write_stamp(document, why, "region", stamp, entry,
                        !entry                   ? NULL
                        : entry->is_whole_region ? "the whole region was invalidated"
                        : stamp != seq ? "so many keys were held that the region is, as a whole"
                                       : "so many keys at once that the region was stamped");
}

static void write_floor(struct document *document, struct why *why)
{
        uint64_t floor = read_stamp(&why->view.page->floor);
        const struct history_entry *entry = history_find(
                        why->question->service->history, floor & ~CMI_PAGE_INTENT_FLAG);
        char cause[CAUSE_MAX];

        if ((floor & ~CMI_PAGE_INTENT_FLAG) == CMI_PAGE_FLOOR_CLOSED) {
                write_stamp(document, why, "floor", floor, NULL, "meshd ends, and closed its page");
                return;
        }
        snprintf(cause, sizeof(cause), "everything was forgotten: %s",
                        entry && entry->text[0] ? entry->text : "an operation says so");
        write_stamp(document, why, "floor", floor, entry, entry ? cause : NULL);
}

static void write_stamps(struct document *document, struct why *why)
{
        document_open_array(document, "stamps");
        if (why->index != NO_REGION) {
                write_target(document, why, "key", CMI_PAGE_KEY, why->key);
                if (why->tag.len > 0) {
                        write_target(document, why, "tag", CMI_PAGE_TAG, why->tag);
                }
                write_region(document, why);
        }
        write_floor(document, why);
        document_close(document);
}

static void write_verdict(struct document *document, const struct why *why)
{
        char text[CAUSE_MAX];
        const char *obstacle = find_obstacle(why, text);

        document_bool(document, "is_served", !obstacle);
        document_text(document, "verdict",
                        obstacle ? obstacle
                                 : "served, if an app cached it after the newest of these stamps");
        document_uint(document, "newest_stamp", why->newest);
}

static void write_node(struct document *document, const struct why *why)
{
        const struct core_status *status = &why->status;

        document_text(document, "node", why->question->service->config->name);
        document_text(document, "state", core_state_text(status->state));
        document_text(document, "state_reason", status->reason);
        document_uint(document, "lease_left_ms",
                        status->lease_end_ns > why->question->now.mono_ns
                                        ? (status->lease_end_ns - why->question->now.mono_ns) /
                                                          CMI_NS_PER_MS
                                        : 0);
        document_uint(document, "apply_seq", status->apply_seq);
}

static void write_options(struct document *document, const struct why *why)
{
        const struct service_region *options = options_of(why);
        bool has_clients = options && options->n_clients > 0;

        document_str(document, "region", why->region);
        document_bool(document, "is_known", options != NULL);
        document_uint(document, "clients", options ? options->n_clients : 0);
        document_text(document, "fresh", has_clients ? cmi_fresh_text(options->options.fresh) : "");
        document_uint(document, "ttl_ms", has_clients ? options->options.ttl_ms : 0);
        document_uint(document, "hold_ms", has_clients ? options->options.hold_ms : 0);
}

static void write_history(struct document *document, const struct why *why)
{
        const struct history_entry *oldest = history_oldest(why->question->service->history);

        document_uint(document, "remembered", history_n_entries(why->question->service->history));
        document_age_ms(document, "remembered_ms", oldest ? oldest->at_ns : 0,
                        why->question->now.mono_ns);
}

static void write_key(struct document *document, const char *name, struct cmi_slice key)
{
        char text[16];

        snprintf(text, sizeof(text), "%012llx",
                        (unsigned long long)XXH3_64bits(key.data, key.len) >> 16);
        document_text(document, name, text);
}

/* The intent flag of any of them refuses. */
static bool has_intent(const struct why *why)
{
        uint64_t stamps = read_stamp(&why->view.page->floor);

        if (why->index == NO_REGION) {
                return false;
        }
        stamps |= stamp_of(why, CMI_PAGE_KEY, why->key);
        stamps |= read_stamp(&why->view.regions[why->index]);
        stamps |= why->tag.len > 0 ? stamp_of(why, CMI_PAGE_TAG, why->tag) : 0;
        return (stamps & CMI_PAGE_INTENT_FLAG) != 0;
}

static int read_arguments(struct why *why, struct cmi_slice arguments)
{
        int r = arguments_str(arguments, "region", CMI_REGION_NAME_MAX, &why->region);

        r = r < 0 ? r : arguments_str(arguments, "key", CMI_KEY_MAX, &why->key);
        r = r < 0 ? r : arguments_str(arguments, "tag", CMI_TAG_MAX, &why->tag);
        return r < 0 || why->region.len == 0 || why->key.len == 0 ? -EINVAL : 0;
}

void verb_why(const struct question *question)
{
        struct service *service = question->service;
        struct why why = {.question = question,
                        .view = cmi_page_view(service->page->page),
                        .index = NO_REGION};
        struct answer answer;
        struct document *document = &answer.document;

        if (read_arguments(&why, question->arguments) < 0) {
                question_refuse(question, -EINVAL,
                                "want region, key and perhaps tag, without control characters");
                return;
        }
        core_status(service->core, &why.status);
        (void)core_region_find(service->core, why.region, &why.index);
        why.has_intent = has_intent(&why);
        answer_begin(&answer, question, "why");
        write_node(document, &why);
        write_options(document, &why);
        write_key(document, "key", why.key);
        if (why.tag.len > 0) {
                write_key(document, "tag", why.tag);
        }
        document_bool(document, "has_intent", why.has_intent);
        write_stamps(document, &why);
        write_verdict(document, &why);
        write_history(document, &why);
        answer_send(&answer, question);
}
