/* SPDX-License-Identifier: MIT */
#include "meshd/session/owners.h"
#include "tests/wire/bytes.h"
#include "wire/session.h"

#include <inttypes.h>
#include <math.h>

#define N_MAX 100
#define KEYS 20000
#define SCORED_KEYS 4000

struct mesh {
        uint32_t n;
        struct owner_candidate candidates[N_MAX];
};

static struct cmi_id key_of(uint64_t number)
{
        struct cmi_id key = {{0}};

        memcpy(key.bytes,
                        (uint8_t[]){(uint8_t)(number >> 16), (uint8_t)(number >> 8),
                                        (uint8_t)number, 0x6b},
                        4);
        return key;
}

/* Nodes 1 to n, of weight 1, each on a host of its own that nobody knows. */
static struct mesh mesh_of(uint32_t n)
{
        struct mesh mesh = {.n = n};

        for (uint32_t i = 0; i < n; i++) {
                mesh.candidates[i].id = (struct cmi_id){{(uint8_t)(i + 1), 0x22}};
                mesh.candidates[i].weight = 1;
        }
        return mesh;
}

static uint32_t find(const struct mesh *mesh, uint64_t number, uint32_t n_wanted, uint32_t *owners)
{
        struct cmi_id key = key_of(number);

        return owners_find(&key, mesh->candidates, mesh->n, n_wanted, owners);
}

/* One out, the others in another order: the last takes its place. */
static struct mesh without(const struct mesh *mesh, uint32_t i)
{
        struct mesh less = *mesh;

        less.candidates[i] = less.candidates[--less.n];
        return less;
}

static bool has_owner(const struct mesh *mesh, const uint32_t *owners, uint32_t n_owners,
                const struct owner_candidate *candidate)
{
        for (uint32_t i = 0; i < n_owners; i++) {
                if (cmi_id_equal(&mesh->candidates[owners[i]].id, &candidate->id)) {
                        return true;
                }
        }
        return false;
}

/* The draw */

static void draws_are_logarithms_in_each_range(void)
{
        g_autoptr(GRand) random = g_rand_new_with_seed(1);

        for (int round = 0; round < 200000; round++) {
                uint64_t hash = ((uint64_t)g_rand_int(random) << 32 | g_rand_int(random)) >>
                                g_rand_int_range(random, 0, 64);
                double want = 64 - log2((double)(hash | 1));
                double got = (double)owners_draw(hash) / (UINT64_C(1) << 31);

                if (got < want - 1e-9 || got > want + 3e-6) {
                        g_test_message("hash %016" PRIx64 ": %.10f, not %.10f", hash, got, want);
                        g_assert_not_reached();
                }
        }
        g_assert_cmpuint(owners_draw(0), ==, UINT64_C(64) << 31);
        g_assert_cmpuint(owners_draw(UINT64_C(1) << 63), ==, UINT64_C(1) << 31);
        g_assert_cmpuint(owners_draw(UINT64_MAX), ==, 1);
}

static void draws_get_smaller_as_the_hash_grows(void)
{
        uint64_t last = UINT64_MAX;

        for (uint64_t hash = UINT64_C(1) << 40; hash < UINT64_C(0xff) << 56; hash += hash / 1000) {
                g_assert_cmpuint(owners_draw(hash), <, last);
                last = owners_draw(hash);
        }
}

/* Who owns what: the same in all builds */

static void owners_are_those_that_were_always_found(void)
{
        static const struct {
                uint64_t key;
                uint32_t owners[4];
        } pinned[] = {
                        {0, {9, 4, 0, 11}},
                        {1, {5, 8, 11, 1}},
                        {2, {9, 10, 3, 11}},
                        {3, {2, 7, 11, 10}},
                        {4, {11, 8, 0, 4}},
                        {1000000, {8, 11, 10, 2}},
        };
        struct mesh mesh = mesh_of(12);

        for (uint32_t i = 0; i < mesh.n; i++) {
                mesh.candidates[i].weight = 1 + i % 3;
                mesh.candidates[i].host = i < 9 ? 1 + i / 3 : 0;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(pinned); i++) {
                uint32_t owners[4];

                g_assert_cmpuint(find(&mesh, pinned[i].key, 4, owners), ==, 4);
                g_test_message("{%d, {%u, %u, %u, %u}}", (int)pinned[i].key, owners[0], owners[1],
                                owners[2], owners[3]);
                g_assert_cmpmem(owners, sizeof(owners), pinned[i].owners, sizeof(pinned[i].owners));
        }
}

/* What the C library's logarithm makes of the same hash. */
static double score(const struct owner_candidate *candidate, const struct cmi_id *key)
{
        struct cmi_id both[2] = {candidate->id, *key};
        uint64_t hash = cmi_session_sum(cmi_slice(both, sizeof(both)));

        return (64 - log2((double)(hash | 1))) / candidate->weight;
}

/* All candidates by their scores, hosts left aside. Two that are nearly equal may change places. */
static void the_order_is_that_of_the_logarithms(void)
{
        struct mesh mesh = mesh_of(30);
        int n_near = 0;

        for (uint32_t i = 0; i < mesh.n; i++) {
                mesh.candidates[i].weight = 1 + 97 * i;
        }
        for (uint64_t number = 0; number < SCORED_KEYS; number++) {
                struct cmi_id key = key_of(number);
                uint32_t owners[OWNERS_MAX];
                bool is_taken[N_MAX] = {false};

                g_assert_cmpuint(find(&mesh, number, OWNERS_MAX, owners), ==, OWNERS_MAX);
                for (uint32_t k = 0; k < OWNERS_MAX; k++) {
                        double ours = score(&mesh.candidates[owners[k]], &key);

                        is_taken[owners[k]] = true;
                        for (uint32_t i = 0; i < mesh.n; i++) {
                                double other = score(&mesh.candidates[i], &key);

                                n_near += !is_taken[i] && other < ours;
                                if (!is_taken[i] && other < ours - 3e-6) {
                                        g_assert_not_reached();
                                }
                        }
                }
        }
        g_assert_cmpint(n_near, <, SCORED_KEYS / 10);
}

static void the_order_of_the_candidates_does_not_matter(void)
{
        g_autoptr(GRand) random = g_rand_new_with_seed(2);
        struct mesh mesh = mesh_of(9);

        for (uint32_t i = 0; i < mesh.n; i++) {
                mesh.candidates[i].weight = 1 + i / 2;
                mesh.candidates[i].host = 1 + i % 4;
        }
        for (uint64_t number = 0; number < 2000; number++) {
                struct mesh shuffled = mesh;
                uint32_t before[6], after[6];

                for (uint32_t i = shuffled.n - 1; i > 0; i--) {
                        uint32_t k = (uint32_t)g_rand_int_range(random, 0, (gint32)i + 1);
                        struct owner_candidate kept = shuffled.candidates[i];

                        shuffled.candidates[i] = shuffled.candidates[k];
                        shuffled.candidates[k] = kept;
                }
                g_assert_cmpuint(find(&mesh, number, 6, before), ==, 6);
                g_assert_cmpuint(find(&shuffled, number, 6, after), ==, 6);
                for (uint32_t i = 0; i < 6; i++) {
                        g_assert_true(cmi_id_equal(&mesh.candidates[before[i]].id,
                                        &shuffled.candidates[after[i]].id));
                }
        }
}

/* How keys are spread */

/* Above it with a probability of 1 in 1,000 (Wilson, Hilferty 1931). */
static double chi_square_limit(uint32_t degrees)
{
        double part = 2.0 / (9.0 * degrees);

        return degrees * pow(1 - part + 3.0902 * sqrt(part), 3);
}

static void assert_spread(const struct mesh *mesh, const uint32_t *counts, double n_drawn)
{
        double weights = 0, chi_square = 0;
        uint32_t n = 0;

        for (uint32_t i = 0; i < mesh->n; i++) {
                weights += mesh->candidates[i].weight;
        }
        for (uint32_t i = 0; i < mesh->n; i++) {
                double want = n_drawn * mesh->candidates[i].weight / weights;

                if (mesh->candidates[i].weight == 0) {
                        g_assert_cmpuint(counts[i], ==, 0);
                        continue;
                }
                n++;
                chi_square += (counts[i] - want) * (counts[i] - want) / want;
        }
        g_test_message("%u candidates: chi square %.1f", n, chi_square);
        g_assert_cmpfloat(chi_square, <, chi_square_limit(n - 1));
        g_assert_cmpfloat(chi_square, >, 0);
}

/* First owners. */
static void count_firsts(const struct mesh *mesh, uint64_t n_keys, uint32_t *counts)
{
        memset(counts, 0, N_MAX * sizeof(counts[0]));
        for (uint64_t number = 0; number < n_keys; number++) {
                uint32_t owner;

                g_assert_cmpuint(find(mesh, number, 1, &owner), ==, 1);
                counts[owner]++;
        }
}

static void equal_candidates_get_equal_shares(void)
{
        static const uint32_t sizes[] = {2, 3, 8, 50, 100};

        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                struct mesh mesh = mesh_of(sizes[i]);
                uint32_t counts[N_MAX];

                count_firsts(&mesh, 5 * KEYS, counts);
                assert_spread(&mesh, counts, 5 * KEYS);
        }
}

static void shares_are_in_proportion_to_the_weights(void)
{
        struct mesh mesh = mesh_of(10);
        uint32_t counts[N_MAX];

        for (uint32_t i = 0; i < mesh.n; i++) {
                mesh.candidates[i].weight = i * 100;
        }
        count_firsts(&mesh, 5 * KEYS, counts);
        assert_spread(&mesh, counts, 5 * KEYS);
        mesh.n = 4;
        mesh.candidates[0].weight = OWNERS_WEIGHT_MAX;
        mesh.candidates[1].weight = 1;
        mesh.candidates[2].weight = OWNERS_WEIGHT_MAX / 2;
        mesh.candidates[3].weight = OWNERS_WEIGHT_MAX / 16;
        count_firsts(&mesh, 5 * KEYS, counts);
        g_assert_cmpuint(counts[1], <, 20);
        mesh.candidates[1] = mesh.candidates[3];
        counts[1] = counts[3];
        mesh.n = 3;
        assert_spread(&mesh, counts, 5 * KEYS);
}

/* The second owners of the keys of one node: what it leaves is not for one to carry. */
static void what_one_leaves_is_spread_over_the_others(void)
{
        struct mesh mesh = mesh_of(8);
        struct mesh rest = without(&mesh, 7);
        uint32_t counts[N_MAX] = {0};
        uint32_t n_left = 0;

        for (uint64_t number = 0; number < 5 * KEYS; number++) {
                uint32_t owners[2];

                g_assert_cmpuint(find(&mesh, number, 2, owners), ==, 2);
                if (owners[0] == 7) {
                        counts[owners[1]]++;
                        n_left++;
                }
        }
        assert_spread(&rest, counts, n_left);
}

/* Who comes and who goes */

/*
 * From @before to @after somebody went: @gone. Only its keys move, and of each only its place;
 * the first owner stays if it was another one.
 */
static void assert_only_its_keys_move(const struct mesh *before, const struct mesh *after,
                const struct owner_candidate *gone, uint32_t n_wanted)
{
        uint32_t n_moved = 0, n_owned = 0;

        for (uint64_t number = 0; number < KEYS; number++) {
                uint32_t old[OWNERS_MAX], new[OWNERS_MAX];
                uint32_t n_old = find(before, number, n_wanted, old);
                uint32_t n_new = find(after, number, n_wanted, new);
                bool is_owned = has_owner(before, old, n_old, gone);
                uint32_t n_kept = 0;

                g_assert_cmpuint(n_old, ==, n_wanted);
                g_assert_cmpuint(n_new, ==, n_wanted);
                for (uint32_t i = 0; i < n_old; i++) {
                        n_kept += has_owner(after, new, n_new, &before->candidates[old[i]]);
                }
                n_owned += is_owned;
                n_moved += n_kept < n_old;
                g_assert_cmpuint(n_kept, ==, is_owned ? n_old - 1 : n_old);
                g_assert_true(cmi_id_equal(&before->candidates[old[0]].id,
                                              &after->candidates[new[0]].id) ||
                                cmi_id_equal(&before->candidates[old[0]].id, &gone->id));
        }
        g_assert_cmpuint(n_moved, ==, n_owned);
        g_test_message("%u copies on %u: %u of %u keys moved", n_wanted, before->n, n_moved, KEYS);
}

/* The same the other way round is what comes when somebody joins. */
static void only_the_keys_of_who_leaves_or_joins_move(void)
{
        for (uint32_t n_wanted = 1; n_wanted <= 3; n_wanted++) {
                struct mesh mesh = mesh_of(8);
                struct mesh rest = without(&mesh, 2);

                assert_only_its_keys_move(&mesh, &rest, &mesh.candidates[2], n_wanted);
                for (uint32_t i = 0; i < mesh.n; i++) {
                        mesh.candidates[i].weight = 1 + i;
                        mesh.candidates[i].host = 1 + i % 3;
                }
                rest = without(&mesh, 2);
                assert_only_its_keys_move(&mesh, &rest, &mesh.candidates[2], n_wanted);
        }
}

static void with_fewer_hosts_than_copies_too(void)
{
        struct mesh mesh = mesh_of(8);

        for (uint32_t i = 0; i < mesh.n; i++) {
                mesh.candidates[i].host = 1 + i % 2;
        }
        for (uint32_t i = 0; i < mesh.n; i++) {
                struct mesh rest = without(&mesh, i);

                assert_only_its_keys_move(&mesh, &rest, &mesh.candidates[i], 4);
        }
}

static void as_many_keys_move_as_its_share(void)
{
        struct mesh mesh = mesh_of(10);
        struct mesh rest = without(&mesh, 9);
        uint32_t n_moved = 0;

        for (uint64_t number = 0; number < KEYS; number++) {
                uint32_t old, new;

                find(&mesh, number, 1, &old);
                find(&rest, number, 1, &new);
                n_moved += old != new;
        }
        g_assert_cmpuint(n_moved, >, KEYS / 10 - KEYS / 100);
        g_assert_cmpuint(n_moved, <, KEYS / 10 + KEYS / 100);
}

static void who_gets_more_weight_only_gains(void)
{
        struct mesh before = mesh_of(8);
        struct mesh after = before;
        uint32_t n_gained = 0;

        after.candidates[3].weight = 2;
        for (uint64_t number = 0; number < KEYS; number++) {
                uint32_t old, new;

                find(&before, number, 1, &old);
                find(&after, number, 1, &new);
                g_assert_true(new == old || new == 3);
                n_gained += new != old;
        }
        g_assert_cmpuint(n_gained, >, KEYS / 20);
}

/* Hosts */

static void copies_are_on_as_many_hosts_as_there_are(void)
{
        struct mesh mesh = mesh_of(12);

        for (uint32_t i = 0; i < mesh.n; i++) {
                mesh.candidates[i].host = 1 + i / 4;
        }
        for (uint64_t number = 0; number < KEYS; number++) {
                uint32_t owners[5];
                uint32_t alone;
                uint32_t seen = 0;

                g_assert_cmpuint(find(&mesh, number, 5, owners), ==, 5);
                for (uint32_t i = 0; i < 3; i++) {
                        seen |= 1u << (owners[i] / 4);
                }
                g_assert_cmpuint(seen, ==, 7);
                for (uint32_t i = 0; i < 5; i++) {
                        for (uint32_t k = 0; k < i; k++) {
                                g_assert_cmpuint(owners[i], !=, owners[k]);
                        }
                }
                find(&mesh, number, 1, &alone);
                g_assert_cmpuint(owners[0], ==, alone);
        }
}

/* Two hosts, one with a candidate, one with three: half of all copies are on the one. */
static void who_is_alone_on_a_host_has_a_copy_of_each(void)
{
        struct mesh mesh = mesh_of(4);

        for (uint32_t i = 0; i < mesh.n; i++) {
                mesh.candidates[i].host = i == 0 ? 1 : 2;
        }
        for (uint64_t number = 0; number < 1000; number++) {
                uint32_t owners[2];

                g_assert_cmpuint(find(&mesh, number, 2, owners), ==, 2);
                g_assert_true(owners[0] == 0 || owners[1] == 0);
        }
}

static void an_unknown_host_is_nobody_elses(void)
{
        struct mesh unknown = mesh_of(8);
        struct mesh apart = unknown;

        for (uint32_t i = 0; i < apart.n; i++) {
                apart.candidates[i].host = 100 + i;
        }
        for (uint64_t number = 0; number < 1000; number++) {
                uint32_t first[4], second[4];

                g_assert_cmpuint(find(&unknown, number, 4, first), ==, 4);
                g_assert_cmpuint(find(&apart, number, 4, second), ==, 4);
                g_assert_cmpmem(first, sizeof(first), second, sizeof(second));
        }
}

/* Ends */

static void there_are_no_more_owners_than_candidates(void)
{
        struct mesh mesh = mesh_of(3);
        uint32_t owners[OWNERS_MAX];

        g_assert_cmpuint(find(&mesh, 1, OWNERS_MAX, owners), ==, 3);
        g_assert_cmpuint(1u << owners[0] | 1u << owners[1] | 1u << owners[2], ==, 7);
        g_assert_cmpuint(find(&mesh, 1, 0, owners), ==, 0);
        mesh.candidates[1].weight = 0;
        g_assert_cmpuint(find(&mesh, 1, OWNERS_MAX, owners), ==, 2);
        g_assert_cmpuint(1u << owners[0] | 1u << owners[1], ==, 5);
        mesh.n = 0;
        g_assert_cmpuint(find(&mesh, 1, OWNERS_MAX, owners), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/owners/" #name, name)
        CASE(draws_are_logarithms_in_each_range);
        CASE(draws_get_smaller_as_the_hash_grows);
        CASE(owners_are_those_that_were_always_found);
        CASE(the_order_is_that_of_the_logarithms);
        CASE(the_order_of_the_candidates_does_not_matter);
        CASE(equal_candidates_get_equal_shares);
        CASE(shares_are_in_proportion_to_the_weights);
        CASE(what_one_leaves_is_spread_over_the_others);
        CASE(only_the_keys_of_who_leaves_or_joins_move);
        CASE(with_fewer_hosts_than_copies_too);
        CASE(as_many_keys_move_as_its_share);
        CASE(who_gets_more_weight_only_gains);
        CASE(copies_are_on_as_many_hosts_as_there_are);
        CASE(who_is_alone_on_a_host_has_a_copy_of_each);
        CASE(an_unknown_host_is_nobody_elses);
        CASE(there_are_no_more_owners_than_candidates);
        return g_test_run();
}
