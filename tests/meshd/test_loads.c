/* SPDX-License-Identifier: MIT */
/*
 * LOAD and LOADED as meshd answers them: what is malformed, who may take part, and what is kept for
 * who comes later. Who loads and who waits is tested in test_flight.c.
 */
#include "meshd/local/loads.h"

#include "meshd/io/document.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define GUESTS 2
#define INDEX 7
#define EPOCH 5

/* Clients that are connected to nothing: what they are sent stays in their buffers. */
struct rig {
        struct cmi_page *page;
        struct page_file page_file;
        struct local local;
        struct service service;
        struct client clients[GUESTS];
        struct guest guests[GUESTS];
        struct guest_region region;
        struct cmi_load_state state; /* the last one that was read */
};

static struct rig *rig_new(void)
{
        const struct cmi_page_geometry geometry = {
                        CMI_PAGE_SLOTS_MIN, CMI_PAGE_SLOTS_MIN, CMI_PAGE_SLOTS_MIN};
        size_t size = cmi_page_size(&geometry);
        struct rig *rig = g_new0(struct rig, 1);

        rig->page = aligned_alloc(4096, size);
        memset((void *)rig->page, 0, size);
        cmi_page_init(rig->page, &geometry, EPOCH, 6, 1000);
        rig->page_file.page = rig->page;
        rig->service.page = &rig->page_file;
        rig->service.local = &rig->local;
        rig->service.answer = g_malloc(SERVICE_ANSWER_MAX + CMI_LOCAL_PREFIX_SIZE);
        rig->region.index = INDEX;
        for (int i = 0; i < GUESTS; i++) {
                rig->clients[i].local = &rig->local;
                rig->clients[i].is_dirty = true; /* so nobody flushes them */
                rig->guests[i] = (struct guest){.client = &rig->clients[i],
                                .regions = &rig->region,
                                .n_regions = 1};
        }
        g_assert_cmpint(loads_new(&rig->service.loads, &rig->service), ==, 0);
        return rig;
}

static void rig_free(struct rig *rig)
{
        for (int i = 0; i < GUESTS; i++) {
                loads_cancel(rig->service.loads, &rig->guests[i]);
                free(rig->clients[i].out);
        }
        loads_free(rig->service.loads);
        g_free(rig->service.answer);
        free(rig->page);
        g_free(rig);
}

static int ask_with(struct rig *rig, int guest, uint64_t id, struct cmi_load load)
{
        uint8_t bytes[256];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_local_head head = {.type = CMI_LOCAL_LOAD, .id = id};

        cmi_load_write(&writer, &load);
        head.fields = cmi_written(&writer);
        return loads_ask(rig->service.loads, &rig->guests[guest], &head);
}

static struct cmi_load load_of(const char *key)
{
        return (struct cmi_load){.index = INDEX, .key = cmi_slice_str(key), .lead_ms = 1000};
}

static void ask(struct rig *rig, int guest, uint64_t id, const char *key)
{
        g_assert_cmpint(ask_with(rig, guest, id, load_of(key)), ==, 0);
}

static int end_with(
                struct rig *rig, int guest, uint64_t id, int64_t outcome, struct cmi_slice record)
{
        static uint8_t bytes[CMI_LOAD_RECORD_MAX + 64];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_loaded loaded = {.load = id, .outcome = outcome, .record = record};
        struct cmi_local_head head = {.type = CMI_LOCAL_LOADED, .id = id + 1000};

        cmi_loaded_write(&writer, &loaded);
        head.fields = cmi_written(&writer);
        return loads_end(rig->service.loads, &rig->guests[guest], &head);
}

static void end(struct rig *rig, int guest, uint64_t id, int64_t outcome)
{
        g_assert_cmpint(end_with(rig, guest, id, outcome, cmi_slice(NULL, 0)), ==, 0);
}

static void end_by_value(struct rig *rig, int guest, uint64_t id, uint64_t epoch, const char *value)
{
        uint8_t bytes[512];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_load_record record = {.epoch = epoch, .value = cmi_slice_str(value)};

        cmi_load_record_write(&writer, &record);
        g_assert_cmpint(end_with(rig, guest, id, CMI_LOADED_VALUE, cmi_written(&writer)), ==, 0);
}

/* The next answer that this client was sent: its outcome, or -1 if there is none. */
static int read_answer(struct rig *rig, int guest, uint64_t *ret_id)
{
        struct client *client = &rig->clients[guest];
        struct cmi_slice rest = cmi_slice(client->out + client->n_sent, client_n_waiting(client));
        struct cmi_local_head head;
        struct cmi_slice payload;
        int64_t taken = cmi_local_split(rest, SERVICE_ANSWER_MAX, &payload);

        if (taken <= 0) {
                return -1;
        }
        g_assert_cmpint(cmi_local_decode(payload, &head), ==, 0);
        g_assert_cmpint(head.type, ==, CMI_LOCAL_LOAD_STATE);
        g_assert_cmpint(cmi_load_state_decode(head.fields, &rig->state), ==, 0);
        client->n_sent += (size_t)taken;
        *ret_id = head.id;
        return (int)rig->state.outcome;
}

static void expect(struct rig *rig, int guest, uint64_t id, int outcome)
{
        uint64_t answered = 0;

        g_assert_cmpint(read_answer(rig, guest, &answered), ==, outcome);
        g_assert_cmpuint(answered, ==, id);
}

static void expect_nothing(struct rig *rig, int guest)
{
        uint64_t id;

        g_assert_cmpint(read_answer(rig, guest, &id), ==, -1);
}

static void expect_value(struct rig *rig, int guest, uint64_t id, const char *value)
{
        struct cmi_load_record record;

        expect(rig, guest, id, CMI_LOAD_VALUE);
        g_assert_cmpint(cmi_load_record_decode(rig->state.record, &record), ==, 0);
        g_assert_cmpmem(record.value.data, record.value.len, value, strlen(value));
}

static uint64_t counter(const struct rig *rig, const char *name)
{
        uint8_t bytes[1024];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct document document = document_begin(&writer, "test");
        struct cmi_reader reader;
        uint64_t value = UINT64_MAX;

        loads_write_counters(rig->service.loads, &document);
        document_end(&document);
        reader = cmi_reader(cmi_written(&writer));
        for (uint32_t n = cmi_read_map(&reader, 100); n > 0; n--) {
                struct cmi_slice key = cmi_read_str(&reader, 100);

                if (cmi_slice_equal(key, cmi_slice_str(name))) {
                        value = cmi_read_uint(&reader, UINT64_MAX);
                } else {
                        cmi_read_skip(&reader);
                }
        }
        g_assert_cmpint(reader.error, ==, 0);
        return value;
}

static void what_one_has_loaded_goes_to_who_waits_and_who_comes_later(void)
{
        struct rig *rig = rig_new();

        ask(rig, 0, 1, "k");
        ask(rig, 1, 1, "k");
        expect(rig, 0, 1, CMI_LOAD_GRANTED);
        expect(rig, 1, 1, CMI_LOAD_WAIT);
        end_by_value(rig, 0, 1, EPOCH, "value");
        expect_nothing(rig, 0);
        expect_value(rig, 1, 1, "value");
        g_assert_false(rig->state.is_new);
        ask(rig, 1, 2, "k");
        expect_value(rig, 1, 2, "value");
        g_assert_cmpuint(counter(rig, "loads_granted"), ==, 1);
        g_assert_cmpuint(counter(rig, "loads_waited"), ==, 1);
        g_assert_cmpuint(counter(rig, "loads_shared"), ==, 2);
        g_assert_cmpuint(counter(rig, "loads_kept_bytes"), >, 0);
        rig_free(rig);
}

static void who_asks_again_could_not_use_what_is_kept(void)
{
        struct rig *rig = rig_new();
        struct cmi_load again = load_of("k");

        ask(rig, 0, 1, "k");
        expect(rig, 0, 1, CMI_LOAD_GRANTED);
        end_by_value(rig, 0, 1, EPOCH, "value");
        ask(rig, 1, 1, "k");
        expect_value(rig, 1, 1, "value");
        again.arrival = rig->state.arrival;
        g_assert_cmpuint(again.arrival, >, 0);
        g_assert_cmpint(ask_with(rig, 1, 2, again), ==, 0);
        expect(rig, 1, 2, CMI_LOAD_GRANTED);
        g_assert_cmpuint(rig->state.arrival, ==, again.arrival);
        g_assert_cmpuint(counter(rig, "loads_kept_bytes"), ==, 0);
        rig_free(rig);
}

static void an_error_reaches_who_waits_and_is_not_kept(void)
{
        struct rig *rig = rig_new();

        ask(rig, 0, 1, "k");
        ask(rig, 1, 1, "k");
        expect(rig, 0, 1, CMI_LOAD_GRANTED);
        expect(rig, 1, 1, CMI_LOAD_WAIT);
        end(rig, 0, 1, -EIO);
        expect(rig, 1, 1, CMI_LOAD_FAILED);
        g_assert_cmpint(rig->state.error, ==, -EIO);
        ask(rig, 1, 2, "k");
        expect(rig, 1, 2, CMI_LOAD_GRANTED);
        g_assert_cmpuint(counter(rig, "loads_failed"), ==, 1);
        rig_free(rig);
}

static void what_belongs_to_another_page_or_is_no_record_is_nobodys(void)
{
        struct rig *rig = rig_new();

        for (uint64_t id = 1; id <= 3; id++) {
                ask(rig, 0, id, "k");
                ask(rig, 1, id, "k");
                expect(rig, 0, id, CMI_LOAD_GRANTED);
                expect(rig, 1, id, CMI_LOAD_WAIT);
                if (id == 1) {
                        end_by_value(rig, 0, id, EPOCH + 1, "value");
                } else {
                        g_assert_cmpint(end_with(rig, 0, id, CMI_LOADED_VALUE,
                                                        cmi_slice("junk", id == 2 ? 4 : 0)),
                                        ==, 0);
                }
                expect(rig, 1, id, CMI_LOAD_ALONE);
        }
        g_assert_cmpuint(counter(rig, "loads_kept_bytes"), ==, 0);
        g_assert_cmpuint(counter(rig, "loads_alone"), ==, 3);
        rig_free(rig);
}

static void who_only_waits_can_give_nobody_a_value(void)
{
        struct rig *rig = rig_new();

        ask(rig, 0, 1, "k");
        ask(rig, 1, 1, "k");
        expect(rig, 1, 1, CMI_LOAD_WAIT);
        end_by_value(rig, 1, 1, EPOCH, "forged");
        g_assert_cmpuint(counter(rig, "loads_kept_bytes"), ==, 0);
        ask(rig, 1, 2, "k");
        expect(rig, 1, 2, CMI_LOAD_WAIT);
        rig_free(rig);
}

static void who_has_not_opened_the_region_loads_alone(void)
{
        struct rig *rig = rig_new();
        struct cmi_load load = load_of("k");

        load.index = INDEX + 1;
        g_assert_cmpint(ask_with(rig, 0, 1, load), ==, 0);
        expect(rig, 0, 1, CMI_LOAD_ALONE);
        load.index = INDEX | UINT64_C(1) << 32;
        g_assert_cmpint(ask_with(rig, 0, 2, load), ==, 0);
        expect(rig, 0, 2, CMI_LOAD_ALONE);
        g_assert_cmpuint(rig->guests[0].flight.n_seats, ==, 0);
        rig_free(rig);
}

static void who_has_too_many_loads_loads_alone(void)
{
        struct rig *rig = rig_new();

        for (uint64_t id = 1; id <= FLIGHT_SEATS_OF_GUEST; id++) {
                ask(rig, 0, id, "k");
                expect(rig, 0, id, id == 1 ? CMI_LOAD_GRANTED : CMI_LOAD_WAIT);
        }
        ask(rig, 0, 1000, "l");
        expect(rig, 0, 1000, CMI_LOAD_ALONE);
        rig_free(rig);
}

static void who_reads_nothing_loads_alone(void)
{
        static char fill[LOCAL_OUT_HOLD];
        struct rig *rig = rig_new();
        uint64_t alone;

        ask(rig, 0, 1, "k");
        ask(rig, 1, 1, "k");
        client_send(&rig->clients[1], cmi_slice(fill, sizeof(fill)));
        end_by_value(rig, 0, 1, EPOCH, "value");
        alone = counter(rig, "loads_alone");
        g_assert_cmpuint(alone, ==, 1);
        /* Neither is it given what is kept: it is told to load. */
        ask(rig, 1, 2, "k");
        g_assert_cmpuint(counter(rig, "loads_granted"), ==, 2);
        g_assert_cmpuint(counter(rig, "loads_shared"), ==, 0);
        rig_free(rig);
}

static void another_user_gets_nothing_of_it(void)
{
        struct rig *rig = rig_new();

        rig->clients[1].uid = 1;
        ask(rig, 0, 1, "k");
        ask(rig, 1, 1, "k");
        expect(rig, 1, 1, CMI_LOAD_GRANTED);
        end(rig, 1, 1, CMI_LOADED_NOTHING);
        end_by_value(rig, 0, 1, EPOCH, "value");
        ask(rig, 1, 2, "k");
        expect(rig, 1, 2, CMI_LOAD_GRANTED);
        rig_free(rig);
}

static void a_client_that_is_gone_hands_its_loads_on(void)
{
        struct rig *rig = rig_new();

        ask(rig, 0, 1, "k");
        ask(rig, 1, 1, "k");
        expect(rig, 1, 1, CMI_LOAD_WAIT);
        loads_cancel(rig->service.loads, &rig->guests[0]);
        expect(rig, 1, 1, CMI_LOAD_GRANTED);
        g_assert_cmpuint(counter(rig, "loads_handed_over"), ==, 1);
        g_assert_cmpuint(counter(rig, "loads_granted"), ==, 2);
        rig_free(rig);
}

static void malformed_messages_are_told_from_others(void)
{
        struct rig *rig = rig_new();
        struct cmi_local_head bad = {.id = 1, .fields = cmi_slice("\xc1", 1)};
        struct cmi_load load = load_of("");

        g_assert_cmpint(loads_ask(rig->service.loads, &rig->guests[0], &bad), <, 0);
        g_assert_cmpint(loads_end(rig->service.loads, &rig->guests[0], &bad), <, 0);
        g_assert_cmpint(ask_with(rig, 0, 1, load), ==, -EBADMSG); /* no key */
        load = load_of("k");
        load.arrival = 1; /* nobody was given that so far */
        g_assert_cmpint(ask_with(rig, 0, 1, load), ==, -EBADMSG);
        ask(rig, 0, 1, "k");
        g_assert_cmpint(end_with(rig, 0, 1, (int64_t)INT32_MIN - 1, cmi_slice(NULL, 0)), ==,
                        -EBADMSG);
        /* The load was given up meanwhile, or never asked for: no harm. */
        end(rig, 0, 99, CMI_LOADED_NOTHING);
        rig_free(rig);
}

static void what_apps_tell_is_counted(void)
{
        struct rig *rig = rig_new();
        struct cmi_load load = load_of("k");

        load.n_busy = 3;
        load.n_stale = 4;
        g_assert_cmpint(ask_with(rig, 0, 1, load), ==, 0);
        g_assert_cmpuint(counter(rig, "loads_busy"), ==, 3);
        g_assert_cmpuint(counter(rig, "loads_stale"), ==, 4);
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/loads/" #name, name)
        CASE(what_one_has_loaded_goes_to_who_waits_and_who_comes_later);
        CASE(who_asks_again_could_not_use_what_is_kept);
        CASE(an_error_reaches_who_waits_and_is_not_kept);
        CASE(what_belongs_to_another_page_or_is_no_record_is_nobodys);
        CASE(who_only_waits_can_give_nobody_a_value);
        CASE(who_has_not_opened_the_region_loads_alone);
        CASE(who_has_too_many_loads_loads_alone);
        CASE(who_reads_nothing_loads_alone);
        CASE(another_user_gets_nothing_of_it);
        CASE(a_client_that_is_gone_hands_its_loads_on);
        CASE(malformed_messages_are_told_from_others);
        CASE(what_apps_tell_is_counted);
        return g_test_run();
}
