/* SPDX-License-Identifier: MIT */
/*
 * The race (load old, invalidation, store) with real threads. One thread loads and stores,
 * another one commits a new version and invalidates, and in most tries is let in between load and
 * store; a third one reads. A hit is stale if its version is older than one whose invalidation
 * had returned before the get began.
 *
 * Built three times: as it is, where nothing stale may be seen; with a token that is taken at
 * the store, and with the lease loaded after the slots, where something stale must be seen, or
 * this test proves nothing.
 */
#include "tests/libcachemesh/fixture.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#define TRIES 100000 /* of all ways together, in which the invalidation fell in between */
#define LAPSES 20000 /* that end inside a get; the planted bug was seen within 60 */
#define WAYS 5
#define KEY "the key"

#if defined(CM_MUTANT_NO_TOKEN) || defined(CM_MUTANT_LEASE_AFTER_SLOTS)
#define IS_MUTANT 1
#else
#define IS_MUTANT 0
#endif
#ifdef CM_MUTANT_LEASE_AFTER_SLOTS
#define IS_LEASE_LATE 1
#else
#define IS_LEASE_LATE 0
#endif

/* TSan holds signals back until a system call; and there is one thread only. */
#if defined(CM_MUTANT_NO_TOKEN) || defined(__SANITIZE_THREAD__)
#define HAS_INTERRUPTIONS 0
#else
#define HAS_INTERRUPTIONS 1
#endif

/* How the invalidator invalidates. */
enum way {
        OWN_KEY,
        OWN_TAG,
        OWN_REGION,
        FOREIGN_KEY, /* as another node: meshd stamps the page, this process is not asked */
        FOREIGN_TAG,
};

struct race {
        struct fixture fixture;
        enum way way;
        _Atomic uint64_t database;    /* the version that a load reads */
        _Atomic uint64_t invalidated; /* the version whose invalidation has returned */
        _Atomic uint64_t loaded; /* tries whose load is done, so that the invalidator can come in */
        _Atomic bool is_over;
        uint64_t n_between;
        uint64_t n_stored;
        _Atomic uint64_t n_hits;
        _Atomic uint64_t n_stale;
};

static void stamp_page(struct race *race)
{
        struct cmi_page_view view = fixture_page(&race->fixture);
        uint64_t seq = cmi_page_begin(&view);

        if (race->way == FOREIGN_KEY) {
                cmi_page_stamp_key(&view, 0, KEY, strlen(KEY), seq);
        } else {
                cmi_page_stamp_tag(&view, 0, "tag", 3, seq);
        }
        cmi_page_publish(&view, seq);
}

static void invalidate(struct race *race)
{
        struct cm_region *region = race->fixture.region;

        switch (race->way) {
        case OWN_KEY:
                cm_invalidate(region, KEY, strlen(KEY), CM_WAIT_NONE, NULL);
                break;
        case OWN_TAG:
                cm_invalidate_tag(region, "tag", 3, CM_WAIT_NONE, NULL);
                break;
        case OWN_REGION:
                cm_invalidate_region(region, CM_WAIT_NONE, NULL);
                break;
        case FOREIGN_KEY:
        case FOREIGN_TAG:
                stamp_page(race);
                break;
        }
}

static void *run_invalidator(void *data)
{
        struct race *race = data;
        uint64_t version = 0;

        while (!atomic_load(&race->is_over)) {
                uint64_t loaded = atomic_load(&race->loaded);

                if (loaded == version) {
                        sched_yield();
                        continue;
                }
                version = loaded;
                atomic_store(&race->database, version);
                invalidate(race);
                atomic_store(&race->invalidated, version);
        }
        return NULL;
}

/* A get, judged. */
static void look(struct race *race)
{
        uint64_t oldest = atomic_load(&race->invalidated);
        struct cm_value value = {0};
        uint64_t version;

        if (cm_get(race->fixture.region, KEY, strlen(KEY), &value) != 0) {
                return;
        }
        memcpy(&version, value.data, sizeof(version));
        cm_release(&value);
        atomic_fetch_add(&race->n_hits, 1);
        if (version < oldest) {
                atomic_fetch_add(&race->n_stale, 1);
        }
}

static void *run_reader(void *data)
{
        struct race *race = data;

        while (!atomic_load(&race->is_over)) {
                look(race);
                sched_yield();
        }
        return NULL;
}

static int put_version(struct race *race, uint64_t version, struct cm_token token)
{
        struct cm_bytes tags = {"tag", 3};
        struct cm_put_options options = {.size = sizeof(options), .tags = &tags, .n_tags = 1};

        return cm_put(race->fixture.region, KEY, strlen(KEY), &version, sizeof(version), token,
                        &options);
}

/* Every eighth try does not wait for the invalidator: then it comes before, between, during
 * or after the store. */
static void try_once(struct race *race, uint64_t try)
{
        struct cm_token token = cm_token(race->fixture.cm);
        uint64_t version = atomic_load(&race->database);

        atomic_store(&race->loaded, try);
        while (try % 8 != 0 && atomic_load(&race->invalidated) != try) {
                sched_yield();
        }
        race->n_between += atomic_load(&race->invalidated) > version;
        if (put_version(race, version, token) == 0) {
                race->n_stored++;
        }
        look(race);
}

static void run(enum way way, const char *name)
{
        struct race race = {.fixture = fixture_open(NULL, 0), .way = way};
        GThread *invalidator = g_thread_new("invalidator", run_invalidator, &race);
        GThread *reader = g_thread_new("reader", run_reader, &race);
        uint64_t try = 0;

        while (race.n_between < TRIES / WAYS) {
                try_once(&race, ++try);
                /* And one in peace, so that there is something to be hit. */
                while (atomic_load(&race.invalidated) != try) {
                        sched_yield();
                }
                if (try % 16 == 0) {
                        struct cm_token token = cm_token(race.fixture.cm);

                        put_version(&race, atomic_load(&race.database), token);
                        look(&race);
                }
        }
        atomic_store(&race.is_over, true);
        g_thread_join(invalidator);
        g_thread_join(reader);
        g_test_message("%s: %" G_GUINT64_FORMAT " tries, in %" G_GUINT64_FORMAT
                       " the invalidation fell between load and store, %" G_GUINT64_FORMAT
                       " stored, %" G_GUINT64_FORMAT " hits, %" G_GUINT64_FORMAT " of them stale",
                        name, try, race.n_between, race.n_stored, race.n_hits, race.n_stale);
        g_assert_cmpuint(race.n_between, >=, TRIES / WAYS);
        g_assert_cmpuint(race.n_hits, >, 0);
        if (IS_MUTANT) {
                g_assert_cmpuint(race.n_stale, >, 0);
        } else {
                g_assert_cmpuint(race.n_stale, ==, 0);
        }
        fixture_close(&race.fixture);
}

static void a_store_after_an_own_invalidation_of_the_key_is_never_served(void)
{
        run(OWN_KEY, "own key");
}

static void a_store_after_an_own_invalidation_of_a_tag_is_never_served(void)
{
        run(OWN_TAG, "own tag");
}

static void a_store_after_an_own_invalidation_of_the_region_is_never_served(void)
{
        run(OWN_REGION, "own region");
}

static void a_store_after_a_foreign_invalidation_of_the_key_is_never_served(void)
{
        run(FOREIGN_KEY, "foreign key");
}

static void a_store_after_a_foreign_invalidation_of_a_tag_is_never_served(void)
{
        run(FOREIGN_TAG, "foreign tag");
}

/*
 * The lease ends; elsewhere a version is committed, since this node counts as lapsed; its
 * stamp is applied; the lease is renewed. A get that began after the commit may not answer
 * with the older version.
 */
static void lapse(struct race *race, uint64_t version)
{
        struct cmi_page_view view = fixture_page(&race->fixture);

        cmi_page_set_lease(&view, 0, 0);
        atomic_store(&race->database, version);
        atomic_store(&race->invalidated, version);
}

static void renew(struct race *race)
{
        struct cmi_page_view view = fixture_page(&race->fixture);
        uint64_t far = UINT64_MAX / 2;
        uint64_t seq = cmi_page_begin(&view);

        cmi_page_stamp_key(&view, 0, KEY, strlen(KEY), seq);
        cmi_page_publish(&view, seq);
        cmi_page_set_lease(&view, far, far);
}

/* Store the newest version and get it, which is a hit unless something changes meanwhile. */
static bool store_and_hit(struct race *race, uint64_t *ret_version)
{
        struct cm_token token = cm_token(race->fixture.cm);
        uint64_t version = atomic_load(&race->database);
        uint64_t hits = race->n_hits;

        if (put_version(race, version, token) != 0) {
                return false;
        }
        look(race);
        *ret_version = version;
        return race->n_hits > hits;
}

static void judge(struct race *race, uint64_t n_gets, bool must_be_seen)
{
        g_test_message("%" G_GUINT64_FORMAT " gets across %" G_GUINT64_FORMAT
                       " lapses, %" G_GUINT64_FORMAT " hits, %" G_GUINT64_FORMAT " of them stale",
                        n_gets, race->database, race->n_hits, race->n_stale);
        g_assert_cmpuint(race->n_hits, >, 0);
        if (must_be_seen) {
                g_assert_cmpuint(race->n_stale, >, 0);
        } else {
                g_assert_cmpuint(race->n_stale, ==, 0);
        }
}

static void *run_lapsing_node(void *data)
{
        struct race *race = data;

        for (uint64_t version = 1; !atomic_load(&race->is_over); version++) {
                lapse(race, version);
                renew(race);
                /* Until the new version was stored and can be hit. */
                while (atomic_load(&race->loaded) < version && !atomic_load(&race->is_over)) {
                        sched_yield();
                }
        }
        return NULL;
}

static void a_renewed_lease_does_not_revive_an_older_look_at_the_slots(void)
{
        struct race race = {.fixture = fixture_open(NULL, 0)};
        gint64 end = g_get_monotonic_time() + 3 * G_USEC_PER_SEC;
        GThread *node = g_thread_new("node", run_lapsing_node, &race);
        uint64_t n_gets = 0;
        uint64_t version;

        while (g_get_monotonic_time() < end) {
                if (store_and_hit(&race, &version)) {
                        atomic_store(&race.loaded, version);
                }
                for (int i = 0; i < 200; i++, n_gets++) {
                        look(&race);
                }
        }
        atomic_store(&race.is_over, true);
        g_thread_join(node);
        judge(&race, n_gets, false);
        fixture_close(&race.fixture);
}

/* All that a handler may touch, found beforehand. */
static struct cmi_page_view page;
static _Atomic uint64_t *key_slot;
static _Atomic uint64_t n_renewed;

static void renew_inside(int number)
{
        uint64_t far = UINT64_MAX / 2;
        uint64_t seq = cmi_page_begin(&page);

        cmi_page_stamp(key_slot, seq);
        cmi_page_publish(&page, seq);
        cmi_page_set_lease(&page, far, far);
        atomic_fetch_add(&n_renewed, 1);
}

static void find_page(struct race *race)
{
        page = fixture_page(&race->fixture);
        key_slot = &page.keys[cmi_page_slot(
                        cmi_page_hash(page.seed, CMI_PAGE_KEY, 0, KEY, strlen(KEY)),
                        page.key_mask)];
}

/* The end of the lapse as an interruption of a get: all of it falls between two instructions, on
 * however busy a machine, where threads would have to meet within nanoseconds. */
static void a_get_may_be_interrupted_anywhere_by_a_renewed_lease(void)
{
        struct race race = {.fixture = fixture_open(NULL, 0)};
        gint64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
        uint64_t n_gets = 0;
        uint64_t version = 0;
        bool was_hit = true;

        find_page(&race);
        signal(SIGALRM, renew_inside);
        while (version < LAPSES && race.n_stale == 0 && g_get_monotonic_time() < end) {
                uint64_t done = n_renewed;
                struct itimerval timer = {.it_value.tv_usec = (suseconds_t)(1 + version % 16)};

                was_hit = store_and_hit(&race, &version) && was_hit;
                lapse(&race, version + 1);
                setitimer(ITIMER_REAL, &timer, NULL);
                for (; n_renewed == done; n_gets++) {
                        look(&race);
                }
                version++;
        }
        signal(SIGALRM, SIG_DFL);
        g_assert_true(was_hit);
        judge(&race, n_gets, IS_LEASE_LATE);
        fixture_close(&race.fixture);
}

static void add_races_with_invalidations(void)
{
        g_test_add_func("/race/own_key",
                        a_store_after_an_own_invalidation_of_the_key_is_never_served);
        g_test_add_func("/race/own_tag",
                        a_store_after_an_own_invalidation_of_a_tag_is_never_served);
        g_test_add_func("/race/own_region",
                        a_store_after_an_own_invalidation_of_the_region_is_never_served);
        g_test_add_func("/race/foreign_key",
                        a_store_after_a_foreign_invalidation_of_the_key_is_never_served);
        g_test_add_func("/race/foreign_tag",
                        a_store_after_a_foreign_invalidation_of_a_tag_is_never_served);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        if (!IS_LEASE_LATE) {
                add_races_with_invalidations();
        }
        if (!IS_MUTANT) {
                g_test_add_func("/race/lease",
                                a_renewed_lease_does_not_revive_an_older_look_at_the_slots);
        }
        if (HAS_INTERRUPTIONS) {
                g_test_add_func("/race/interrupted_get",
                                a_get_may_be_interrupted_anywhere_by_a_renewed_lease);
        }
        return g_test_run();
}
