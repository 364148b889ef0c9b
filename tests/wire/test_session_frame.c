/* SPDX-License-Identifier: MIT */
#include "tests/wire/message.h"
#include "tests/wire/peer_golden.h"

/* Golden messages: written with their lists, and read with them. */

static void write_golden(struct cmi_writer *writer, enum cmi_peer_kind kind)
{
        const struct cmi_peer_message *message = &golden[kind];

        cmi_peer_write(writer, message);
        for (uint32_t i = 0; kind == CMI_PEER_DEAD && i < message->news.n; i++) {
                cmi_peer_write_tombstone(writer, &golden_dead[i]);
        }
        for (uint32_t i = 0; kind == CMI_PEER_COUNTS && i < message->news.n; i++) {
                cmi_peer_write_principal(writer, &golden_counts[i]);
        }
        for (uint32_t i = 0; kind == CMI_PEER_DEAD_OK && i < message->noted.n; i++) {
                cmi_peer_write_refusal(writer, &golden_refusals[i]);
        }
}

static void rewrite_dead(struct cmi_writer *writer, struct cmi_peer_news news)
{
        struct cmi_tombstone tombstone;

        for (uint32_t i = 0; i < news.n; i++) {
                g_assert_cmpint(cmi_peer_next_tombstone(&news.list, &tombstone), >=, 0);
                cmi_peer_write_tombstone(writer, &tombstone);
        }
        g_assert_cmpint(cmi_read_done(&news.list), ==, 0);
}

static void rewrite_counts(struct cmi_writer *writer, struct cmi_peer_news news)
{
        struct cmi_principal principal;

        for (uint32_t i = 0; i < news.n; i++) {
                g_assert_cmpint(cmi_peer_next_principal(&news.list, &principal), >=, 0);
                cmi_peer_write_principal(writer, &principal);
        }
        g_assert_cmpint(cmi_read_done(&news.list), ==, 0);
}

static void rewrite_refusals(struct cmi_writer *writer, struct cmi_peer_noted noted)
{
        struct cmi_peer_refusal refusal;

        for (uint32_t i = 0; i < noted.n; i++) {
                cmi_peer_next_refusal(&noted.list, &refusal);
                cmi_peer_write_refusal(writer, &refusal);
        }
        g_assert_cmpint(cmi_read_done(&noted.list), ==, 0);
}

/* As the checks of message.h know it: of a kind that is not known there is nothing to write. */
static int recode(struct cmi_slice bytes, struct cmi_writer *writer)
{
        static struct cmi_peer_message message;
        int r;

        memset(&message, 0x5a, sizeof(message));
        r = cmi_peer_decode(bytes, &message);
        if (r < 0 || message.kind > CMI_PEER_KIND_LAST) {
                return r;
        }
        cmi_peer_write(writer, &message);
        if (message.kind == CMI_PEER_DEAD) {
                rewrite_dead(writer, message.news);
        } else if (message.kind == CMI_PEER_COUNTS) {
                rewrite_counts(writer, message.news);
        } else if (message.kind == CMI_PEER_DEAD_OK || message.kind == CMI_PEER_COUNTS_OK) {
                rewrite_refusals(writer, message.noted);
        }
        return r;
}

#define KINDS(KIND)                                                                                \
        KIND(STATE, "peer-state")                                                                  \
        KIND(STATE_OK, "peer-state-ok")                                                            \
        KIND(ASK, "peer-ask")                                                                      \
        KIND(ANSWER, "peer-answer")                                                                \
        KIND(MOVED, "peer-moved")                                                                  \
        KIND(FENCE, "peer-fence")                                                                  \
        KIND(FENCED, "peer-fenced")                                                                \
        KIND(ORDER, "peer-order")                                                                  \
        KIND(ORDERED, "peer-ordered")                                                              \
        KIND(FETCH, "peer-fetch")                                                                  \
        KIND(COPY, "peer-copy")                                                                    \
        KIND(COPIED, "peer-copied")                                                                \
        KIND(PART, "peer-part")                                                                    \
        KIND(DEAD, "peer-dead")                                                                    \
        KIND(DEAD_OK, "peer-dead-ok")                                                              \
        KIND(COUNTS, "peer-counts")                                                                \
        KIND(COUNTS_OK, "peer-counts-ok")                                                          \
        KIND(SYNC, "peer-sync")                                                                    \
        KIND(HANDOVER, "peer-handover")                                                            \
        KIND(TAKEN, "peer-taken")                                                                  \
        KIND(IDLE, "peer-idle")                                                                    \
        KIND(AGE, "peer-age")

#define WRITE(KIND, vector)                                                                        \
        static void write_##KIND(struct cmi_writer *writer)                                        \
        {                                                                                          \
                write_golden(writer, CMI_PEER_##KIND);                                             \
        }
KINDS(WRITE)

/* Of the fields only ANSWER's outcome may be negative. */
static const struct message messages[] = {
#define LISTED(KIND, vector)                                                                       \
        {.name = (vector),                                                                         \
                        .write_golden = write_##KIND,                                              \
                        .recode = recode,                                                          \
                        .signed_key = CMI_PEER_##KIND == CMI_PEER_ANSWER ? 6 : 0},
                KINDS(LISTED)};

/* Kinds */

static int decode(struct cmi_slice bytes, struct cmi_peer_message *message)
{
        struct cmi_slice copy = exact_copy(bytes);
        int r = cmi_peer_decode(copy, message);

        g_free((void *)copy.data);
        return r;
}

static int decode_hex(const char *hex, struct cmi_peer_message *message)
{
        g_autoptr(GByteArray) bytes = bytes_of_hex(hex);

        return decode(slice_of(bytes), message);
}

static void every_kind_has_its_example(void)
{
        g_assert_cmpint(G_N_ELEMENTS(messages), ==, CMI_PEER_KIND_LAST);
        for (uint64_t kind = 1; kind <= CMI_PEER_KIND_LAST; kind++) {
                g_assert_cmpuint(golden[kind].kind, ==, kind);
        }
}

static void a_kind_of_a_newer_version_is_told_and_the_rest_is_not_looked_at(void)
{
        static struct cmi_peer_message message;

        g_assert_cmpint(decode_hex("82 01 17 03 05", &message), ==, 0);
        g_assert_cmpuint(message.kind, ==, CMI_PEER_KIND_LAST + 1);
        g_assert_cmpint(decode_hex("82 01 cd 01 00 03 91 91 91 91 91 91 c0", &message), ==, 0);
        g_assert_cmpuint(message.kind, ==, 256);
}

static void a_message_without_a_kind_or_an_id_is_refused(void)
{
        static struct cmi_peer_message message;

        g_assert_cmpint(decode_hex("80", &message), ==, -EBADMSG);
        g_assert_cmpint(decode_hex("81 02 05", &message), ==, -EBADMSG);
        g_assert_cmpint(decode_hex("82 01 00 02 05", &message), ==, -EBADMSG);
        g_assert_cmpint(decode_hex("81 01 02", &message), ==, -EBADMSG);
        g_assert_cmpint(decode_hex("82 01 02 02 00", &message), ==, -EBADMSG);
        g_assert_cmpint(decode_hex("82 01 02 02 05", &message), ==, 0);
}

static void fields_may_come_in_any_order(void)
{
        static struct cmi_peer_message message;

        g_assert_cmpint(decode_hex("84 05 07 04 cd 01 00 02 0f 03 c3", &message), ==, -EBADMSG);
        g_assert_cmpint(decode_hex("85 05 07 04 cd 01 00 02 0f 03 c3 01 16", &message), ==, 0);
        g_assert_cmpuint(message.kind, ==, CMI_PEER_AGE);
        g_assert_true(message.age.is_held);
        g_assert_cmpuint(message.age.age_ms, ==, 256);
        g_assert_cmpuint(message.age.holder_no, ==, 7);
}

/* A newer version inside a message */

static void unknown_fields_inside_are_counted_too(void)
{
        static struct cmi_peer_message message;
        g_autoptr(GByteArray) tombstone =
                        message_vector(&(struct message){.name = "session-tombstone"});
        uint8_t buffer[1024];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_write_map(&writer, 4);
        cmi_write_uint(&writer, 1);
        cmi_write_uint(&writer, CMI_PEER_DEAD);
        cmi_write_uint(&writer, 2);
        cmi_write_uint(&writer, 11);
        cmi_write_uint(&writer, 40);
        cmi_write_uint(&writer, 1);
        cmi_write_uint(&writer, 6);
        cmi_write_array(&writer, 1);
        cmi_write_array(&writer, 2);
        tombstone->data[0]++; /* a map of one more */
        cmi_write_bin_header(&writer, tombstone->len + 2);
        cmi_write_raw(&writer, slice_of(tombstone));
        cmi_write_uint(&writer, 41);
        cmi_write_uint(&writer, 1);
        cmi_write_nil(&writer);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(cmi_peer_decode(cmi_written(&writer), &message), ==, 2);
        g_assert_cmpuint(message.news.n, ==, 1);
}

/* What is refused */

static int redecode(const struct cmi_peer_message *message)
{
        static uint8_t buffer[2 * CMI_FRAME_BODY_MAX];
        static struct cmi_peer_message again;
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_peer_write(&writer, message);
        g_assert_cmpint(writer.error, ==, 0);
        return decode(cmi_written(&writer), &again);
}

#define REFUSED(KIND, wanted, ...)                                                                 \
        do {                                                                                       \
                struct cmi_peer_message m = golden[CMI_PEER_##KIND];                               \
                                                                                                   \
                __VA_ARGS__;                                                                       \
                g_test_message("%s: %s", #KIND, #__VA_ARGS__);                                     \
                g_assert_cmpint(redecode(&m), ==, wanted);                                         \
        } while (0)

static const struct cmi_id no_id;
static const struct cmi_session_epoch no_epoch;
static const struct cmi_session_version no_version;
static const struct cmi_peer_found nothing;
static uint8_t long_bytes[CMI_SESSION_BLOB_MAX];

static void a_state_over_its_limits_is_refused(void)
{
        REFUSED(STATE, 0, m.state.weight = 0; m.state.room = 0; m.state.host = 0);
        REFUSED(STATE, 0, m.state.weight = CMI_PEER_WEIGHT_MAX);
        REFUSED(STATE, -EMSGSIZE, m.state.weight = CMI_PEER_WEIGHT_MAX + 1);
        REFUSED(STATE, 0, m.state.room = CMI_PEER_ROOM_MAX);
        REFUSED(STATE, -EMSGSIZE, m.state.room = CMI_PEER_ROOM_MAX + 1);
        REFUSED(STATE, -EBADMSG, m.id = 0);
}

static void a_request_that_cannot_be_is_refused(void)
{
        REFUSED(ASK, 0, m.ask.hops = CMI_PEER_HOPS_MAX);
        REFUSED(ASK, -EMSGSIZE, m.ask.hops = CMI_PEER_HOPS_MAX + 1);
        REFUSED(ASK, -EMSGSIZE, m.ask.user = UINT64_C(1) << 32);
        REFUSED(ASK, -EBADMSG, m.ask.origin = no_id);
        REFUSED(ASK, -EBADMSG, m.ask.request.verb = 0);
        REFUSED(ASK, 0, m.ask.request.verb = 100); /* of a newer version: it deserves an answer */
        REFUSED(ASK, -EMSGSIZE, m.ask.request.tag = cmi_slice(long_bytes, 33));
        REFUSED(ASK, -EMSGSIZE,
                        m.ask.request.blob = cmi_slice(long_bytes, CMI_SESSION_PART_MAX + 1));
}

static void an_answer_that_cannot_be_is_refused(void)
{
        REFUSED(ANSWER, 0, m.answer.found = nothing);
        REFUSED(ANSWER, 0, m.answer.found.blob.len = 0);
        REFUSED(ANSWER, -EBADMSG, m.answer.found.blob.len = 2);
        REFUSED(ANSWER, -EBADMSG, m.answer.found.record.key = no_id);
        REFUSED(ANSWER, -EMSGSIZE, m.answer.n_copies = UINT64_C(1) << 32);
        REFUSED(ANSWER, 0, m.answer.outcome = INT64_MIN);
        REFUSED(ANSWER, -EBADMSG, m.answer.text[0] = '\n');
        REFUSED(MOVED, 0, m.moved.epoch = no_epoch);
        REFUSED(MOVED, -EBADMSG, m.moved.epoch.counter = 0);
        REFUSED(MOVED, -EBADMSG, m.moved.node = no_id);
}

static void a_fence_that_cannot_be_is_refused(void)
{
        REFUSED(FENCE, -EBADMSG, m.fence.key = no_id);
        REFUSED(FENCE, -EBADMSG, m.fence.epoch = no_epoch);
        REFUSED(FENCE, -EBADMSG, m.fence.max_end_ms = 0);
        REFUSED(FENCE, -EMSGSIZE, m.fence.max_end_ms = CMI_SESSION_TIME_MAX_MS + 1);
        REFUSED(FENCE, -EBADMSG, m.fence.why = 0);
        REFUSED(FENCE, 0, m.fence.why = 100);
        REFUSED(FENCED, -EBADMSG, m.fenced.epoch = no_epoch);
        REFUSED(FENCED, -EBADMSG, m.fenced.epoch = no_epoch; m.fenced.outcome = CMI_STORED_DONE);
        REFUSED(FENCED, 0, m.fenced.epoch = no_epoch; m.fenced.outcome = CMI_STORED_LATER);
        REFUSED(FENCED, 0, m.fenced.found = nothing);
        REFUSED(FENCED, -EBADMSG, m.fenced.found = golden[CMI_PEER_ORDER].order.found);
        REFUSED(FENCED, 0, m.fenced.found = golden[CMI_PEER_ORDER].order.found;
                        m.fenced.found.blob.len = 0);
}

static void an_order_that_cannot_be_is_refused(void)
{
        REFUSED(ORDER, -EBADMSG, m.order.found = nothing);
        REFUSED(ORDER, -EBADMSG, m.order.found = golden[CMI_PEER_FENCED].fenced.found);
        REFUSED(ORDER, 0, m.order.found.blob.len = 0);
        REFUSED(ORDER, 0, m.order.epoch = m.order.found.record.version.epoch);
        REFUSED(ORDER, -EBADMSG, m.order.epoch.counter = 1);
        REFUSED(ORDERED, 0, m.stored.found = nothing);
        REFUSED(ORDERED, 0, m.stored.outcome = 100);
        REFUSED(ORDERED, -EBADMSG, m.stored.found = golden[CMI_PEER_ORDER].order.found);
        REFUSED(ORDERED, -EBADMSG, m.stored.outcome = CMI_STORED_FENCED);
        REFUSED(ORDERED, -EBADMSG, m.stored.version.seq = 1);
        REFUSED(ORDERED, -EBADMSG, m.stored.epoch.counter = 1);
}

static void a_copy_that_cannot_be_is_refused(void)
{
        REFUSED(FETCH, -EBADMSG, m.fetch.key = no_id);
        REFUSED(FETCH, 0, m.fetch.version = no_version);
        REFUSED(FETCH, -EBADMSG, m.fetch.version.seq = 0);
        REFUSED(COPY, 0, m.copy.fetch = 0);
        REFUSED(COPY, 0, m.copy.found = nothing);
        REFUSED(COPY, 0, m.copy.found = golden[CMI_PEER_FENCED].fenced.found);
        REFUSED(COPY, -EBADMSG, m.copy.found = nothing; m.copy.fetch = 0);
        REFUSED(COPY, -EBADMSG, m.copy.found = nothing; m.copy.fetch = 0; m.copy.page.sync = 5);
        REFUSED(COPY, 0, m.copy.found = nothing; m.copy.fetch = 0;
                        m.copy.page = ((struct cmi_peer_page){5, true, 0}));
        REFUSED(COPY, -EBADMSG, m.copy.found.blob.len = 0);
        REFUSED(COPY, -EBADMSG, m.copy.why = 0);
}

static void a_part_that_cannot_be_is_refused(void)
{
        REFUSED(PART, -EBADMSG, m.part.of = 0);
        REFUSED(PART, -EBADMSG, m.part.offset = CMI_PEER_PART_MAX - 1);
        REFUSED(PART, 0, m.part.offset = CMI_SESSION_BLOB_MAX - 3);
        REFUSED(PART, -EBADMSG, m.part.offset = CMI_SESSION_BLOB_MAX - 2);
        REFUSED(PART, -EMSGSIZE, m.part.offset = CMI_SESSION_BLOB_MAX + 1);
        REFUSED(PART, -EBADMSG, m.part.bytes.len = 0);
        REFUSED(PART, 0, m.part.bytes = cmi_slice(long_bytes, CMI_PEER_PART_MAX));
        REFUSED(PART, -EMSGSIZE, m.part.bytes = cmi_slice(long_bytes, CMI_PEER_PART_MAX + 1));
}

static void a_handover_or_an_age_that_cannot_be_is_refused(void)
{
        REFUSED(SYNC, -EBADMSG, m.sync.set = 0);
        REFUSED(SYNC, 0, m.sync.after = no_id);
        REFUSED(HANDOVER, -EBADMSG, m.handover.key = no_id);
        REFUSED(HANDOVER, -EBADMSG, m.handover.version = no_version);
        REFUSED(HANDOVER, -EBADMSG, m.handover.epoch = m.handover.version.epoch);
        REFUSED(IDLE, -EBADMSG, m.idle.key = no_id);
        REFUSED(AGE, -EBADMSG, m.age.holder_no = 0);
        REFUSED(AGE, -EBADMSG, m.age.is_held = false);
        REFUSED(AGE, 0, m.age = ((struct cmi_peer_age){false, 0, 0}));
        REFUSED(AGE, -EMSGSIZE, m.age.age_ms = CMI_SESSION_TIME_MAX_MS + 1);
}

/* Whichever comes first. */
static void a_record_and_a_tombstone_at_once_are_refused(void)
{
        static struct cmi_peer_message message;
        uint8_t buffer[4096];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_peer_write(&writer, &golden[CMI_PEER_FENCED]);
        buffer[0]++; /* a map of one more */
        cmi_write_uint(&writer, 3);
        cmi_session_write(&writer, &golden[CMI_PEER_ORDER].order.found.record);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(decode(cmi_written(&writer), &message), ==, -EBADMSG);
        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_peer_write(&writer, &golden[CMI_PEER_ANSWER]);
        buffer[0]++;
        cmi_write_uint(&writer, 5);
        cmi_tombstone_write(&writer, &golden_dead[1]);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(decode(cmi_written(&writer), &message), ==, -EBADMSG);
}

/* Lists */

#define LIST_OF(KIND, n_elements, wanted, write_element)                                           \
        do {                                                                                       \
                static uint8_t buffer[2 * CMI_FRAME_BODY_MAX];                                     \
                static struct cmi_peer_message again;                                              \
                struct cmi_peer_message m = {.kind = CMI_PEER_##KIND, .id = UINT64_MAX};           \
                uint32_t n = (n_elements);                                                         \
                struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));                     \
                                                                                                   \
                if (m.kind == CMI_PEER_DEAD || m.kind == CMI_PEER_COUNTS) {                        \
                        m.news.page = (struct cmi_peer_page){UINT64_MAX, false, UINT64_MAX};       \
                        m.news.n = n;                                                              \
                } else {                                                                           \
                        m.noted.serial = UINT64_MAX;                                               \
                        m.noted.n = n;                                                             \
                }                                                                                  \
                cmi_peer_write(&writer, &m);                                                       \
                for (uint32_t i = 0; i < n; i++) {                                                 \
                        write_element;                                                             \
                }                                                                                  \
                g_assert_cmpint(writer.error, ==, 0);                                              \
                g_assert_cmpint(cmi_peer_decode(cmi_written(&writer), &again), ==, wanted);        \
        } while (0)

static struct cmi_session_version longest_version(void)
{
        struct cmi_session_version version = VERSION(UINT64_MAX, 0xff, UINT64_MAX);

        version.epoch.incarnation = UINT64_MAX;
        return version;
}

static void the_longest_lists_fit_and_longer_ones_are_refused(void)
{
        struct cmi_tombstone tombstone = golden_dead[1];
        struct cmi_principal principal = {
                        .principal = HASH(0xb0), .n_counts = CMI_SESSION_VECTOR_MAX};
        struct cmi_peer_refusal refusal = {HASH(0xb0), UINT64_MAX};

        tombstone.version = longest_version();
        tombstone.holder_no = UINT64_MAX;
        for (uint32_t i = 0; i < CMI_SESSION_VECTOR_MAX; i++) {
                principal.counts[i] = (struct cmi_principal_count){
                                NODE((uint8_t)(i + 1)), UINT64_MAX, CMI_SESSION_TIME_MAX_MS};
        }
        LIST_OF(DEAD, CMI_PEER_DEAD_MAX, 0, cmi_peer_write_tombstone(&writer, &tombstone));
        LIST_OF(DEAD, CMI_PEER_DEAD_MAX + 1, -EMSGSIZE,
                        cmi_peer_write_tombstone(&writer, &tombstone));
        LIST_OF(COUNTS, CMI_PEER_COUNTS_MAX, 0, cmi_peer_write_principal(&writer, &principal));
        LIST_OF(COUNTS, CMI_PEER_COUNTS_MAX + 1, -EMSGSIZE,
                        cmi_peer_write_principal(&writer, &principal));
        LIST_OF(DEAD_OK, CMI_PEER_DEAD_MAX, 0, cmi_peer_write_refusal(&writer, &refusal));
        LIST_OF(DEAD_OK, CMI_PEER_DEAD_MAX + 1, -EMSGSIZE,
                        cmi_peer_write_refusal(&writer, &refusal));
        LIST_OF(COUNTS_OK, CMI_PEER_DEAD_MAX, 0, cmi_peer_write_refusal(&writer, &refusal));
        LIST_OF(DEAD, 0, -EBADMSG, );
        LIST_OF(COUNTS, 0, -EBADMSG, );
        LIST_OF(DEAD_OK, 0, 0, );
}

static void an_element_that_cannot_be_makes_the_whole_list_invalid(void)
{
        struct cmi_tombstone tombstone = golden_dead[1];
        struct cmi_principal principal = golden_counts[0];

        tombstone.key = no_id;
        principal.n_counts = 0;
        LIST_OF(DEAD, 2, -EBADMSG,
                        cmi_peer_write_tombstone(&writer, i == 1 ? &tombstone : &golden_dead[1]));
        LIST_OF(COUNTS, 2, -EBADMSG,
                        cmi_peer_write_principal(&writer, i == 1 ? &principal : &golden_counts[0]));
}

/* The longest ones */

static struct cmi_session longest_record(void)
{
        struct cmi_session record = RECORD;

        record.version = longest_version();
        record.n_lineage = CMI_SESSION_LINEAGE_MAX;
        for (uint32_t i = 0; i < CMI_SESSION_LINEAGE_MAX; i++) {
                record.lineage[i] = longest_version();
                record.lineage[i].epoch.counter = UINT64_MAX - 1 - i;
        }
        record.principal = (struct cmi_id)HASH(0xb0);
        record.n_vector = CMI_SESSION_VECTOR_MAX;
        for (uint32_t i = 0; i < CMI_SESSION_VECTOR_MAX; i++) {
                record.vector[i] = (struct cmi_session_count){NODE((uint8_t)(i + 1)), UINT64_MAX};
        }
        record.n_requests = CMI_SESSION_REQUESTS_MAX;
        memset(record.requests, 0xff, sizeof(record.requests));
        record.tag = cmi_slice(long_bytes, CMI_SESSION_TAG_MAX);
        record.sealed_base = record.lineage[0];
        record.holder.incarnation = record.holder.no = UINT64_MAX;
        record.blob_len = CMI_SESSION_BLOB_MAX;
        return record;
}

static void assert_fits(const struct cmi_peer_message *message)
{
        static uint8_t buffer[CMI_PEER_MESSAGE_MAX];
        static struct cmi_peer_message again;
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_peer_write(&writer, message);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(cmi_peer_decode(cmi_written(&writer), &again), ==, 0);
}

static void the_longest_messages_fit_into_a_frame(void)
{
        static struct cmi_peer_message m;
        struct cmi_peer_found found = {
                        .what = CMI_PEER_RECORD,
                        .record = longest_record(),
                        .blob = cmi_slice(long_bytes, CMI_PEER_PART_MAX),
        };
        struct cmi_session_epoch epoch = {UINT64_MAX, NODE(0xff), UINT64_MAX};

        m = (struct cmi_peer_message){CMI_PEER_ANSWER, UINT64_MAX,
                        .answer = {.outcome = INT64_MIN,
                                        .n_copies = UINT32_MAX,
                                        .flags = UINT64_MAX,
                                        .found = found}};
        memset(m.answer.text, 'x', CMI_LOCAL_TEXT_MAX);
        assert_fits(&m);
        m = (struct cmi_peer_message){
                        CMI_PEER_ORDER, UINT64_MAX, .order = {.epoch = epoch, .found = found}};
        assert_fits(&m);
        m = (struct cmi_peer_message){CMI_PEER_COPY, UINT64_MAX,
                        .copy = {.fetch = UINT64_MAX,
                                        .why = UINT64_MAX,
                                        .page = {UINT64_MAX, true, UINT64_MAX},
                                        .found = found}};
        assert_fits(&m);
        m = golden[CMI_PEER_ASK];
        m.ask.user = UINT32_MAX;
        m.ask.request.timeout_ms = m.ask.request.blob_len = UINT64_MAX;
        m.ask.request.tag = cmi_slice(long_bytes, CMI_SESSION_TAG_MAX);
        m.ask.request.blob = found.blob;
        assert_fits(&m);
}

/* A message with a field of a newer version that fills it up to so many bytes. */
static int decode_of_size(size_t size)
{
        static uint8_t body[CMI_PEER_MESSAGE_MAX + 1];
        static struct cmi_peer_message message;
        struct cmi_writer writer = cmi_writer(body, sizeof(body));

        cmi_write_map(&writer, 3);
        cmi_write_uint(&writer, 1);
        cmi_write_uint(&writer, CMI_PEER_STATE_OK);
        cmi_write_uint(&writer, 2);
        cmi_write_uint(&writer, 1);
        cmi_write_uint(&writer, 50);
        cmi_write_bin(&writer, cmi_slice(long_bytes, size - writer.len - 3));
        g_assert_cmpuint(writer.len, ==, size);
        return cmi_peer_decode(cmi_written(&writer), &message);
}

static void what_is_too_long_for_a_frame_is_refused(void)
{
        g_assert_cmpint(decode_of_size(CMI_PEER_MESSAGE_MAX), ==, 1);
        g_assert_cmpint(decode_of_size(CMI_PEER_MESSAGE_MAX + 1), ==, -EMSGSIZE);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        message_reference = "session-protocol";
#define CASE(name) g_test_add_func("/session_frame/" #name, name)
        CASE(every_kind_has_its_example);
        CASE(a_kind_of_a_newer_version_is_told_and_the_rest_is_not_looked_at);
        CASE(a_message_without_a_kind_or_an_id_is_refused);
        CASE(fields_may_come_in_any_order);
        CASE(unknown_fields_inside_are_counted_too);
        CASE(a_state_over_its_limits_is_refused);
        CASE(a_request_that_cannot_be_is_refused);
        CASE(an_answer_that_cannot_be_is_refused);
        CASE(a_fence_that_cannot_be_is_refused);
        CASE(an_order_that_cannot_be_is_refused);
        CASE(a_copy_that_cannot_be_is_refused);
        CASE(a_part_that_cannot_be_is_refused);
        CASE(a_handover_or_an_age_that_cannot_be_is_refused);
        CASE(a_record_and_a_tombstone_at_once_are_refused);
        CASE(the_longest_lists_fit_and_longer_ones_are_refused);
        CASE(an_element_that_cannot_be_makes_the_whole_list_invalid);
        CASE(the_longest_messages_fit_into_a_frame);
        CASE(what_is_too_long_for_a_frame_is_refused);
        for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
                message_add_cases("session_frame", &messages[i]);
        }
        return g_test_run();
}
