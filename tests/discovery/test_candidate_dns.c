/* SPDX-License-Identifier: MIT */
/* Candidates that DNS names: hints like beacons, and gone when their name is. */
#include "tests/discovery/table_fixture.h"

#include <errno.h>

static void withdraw(struct fixture *f, uint32_t n)
{
        struct cmi_endpoint where = endpoint(n);

        candidate_table_withdraw(&f->table, &where);
}

static void a_named_address_is_dialled_for_ever(struct fixture *f, gconstpointer data)
{
        g_assert_cmpint(add(f, CANDIDATE_DNS, 1), ==, 0);
        g_assert_cmpint(add(f, CANDIDATE_DNS, 1), ==, 0);
        g_assert_cmpuint(f->table.n_used, ==, 1);
        g_assert_cmpuint(fail_dials(f, 600000), >, 10);
}

static void a_name_that_is_gone_is_dialled_no_more(struct fixture *f, gconstpointer data)
{
        add(f, CANDIDATE_DNS, 1);
        add(f, CANDIDATE_DNS, 2);
        withdraw(f, 3);
        withdraw(f, 1);
        g_assert_cmpuint(f->table.n_used, ==, 1);
        g_assert_cmpuint(dial(f).endpoint.address[3], ==, 2);
        assert_no_dial(f);
}

static void a_dial_that_runs_meanwhile_is_the_last(struct fixture *f, gconstpointer data)
{
        struct candidate_dial begun;

        add(f, CANDIDATE_DNS, 1);
        begun = dial(f);
        withdraw(f, 1);
        candidate_table_failed(&f->table, begun.slot, CANDIDATE_UNREACHABLE, f->now_ns);
        g_assert_cmpuint(f->table.n_used, ==, 0);
        g_assert_cmpuint(f->table.n_dialling, ==, 0);
        g_assert_cmpuint(f->table.n_unknown_dialling, ==, 0);
        /* Unless it is named again before it ends. */
        add(f, CANDIDATE_DNS, 1);
        begun = dial(f);
        withdraw(f, 1);
        add(f, CANDIDATE_DNS, 1);
        candidate_table_failed(&f->table, begun.slot, CANDIDATE_UNREACHABLE, f->now_ns);
        g_assert_cmpuint(f->table.n_used, ==, 1);
}

static void a_member_stays_whatever_dns_says(struct fixture *f, gconstpointer data)
{
        struct cmi_id who = id(1);

        add(f, CANDIDATE_DNS, 1);
        connect_to(f, 1);
        withdraw(f, 1);
        g_assert_nonnull(find(f, 1));
        g_assert_cmpuint(find(f, 1)->state, ==, CANDIDATE_CONNECTED);
        candidate_table_disconnected(&f->table, &who, f->now_ns);
        g_assert_cmpuint(fail_dials(f, 600000), >, 10);
        candidate_table_forget(&f->table, &who, f->now_ns);
        g_assert_cmpuint(f->table.n_used, ==, 0);
}

static void one_that_left_is_dialled_while_it_is_named(struct fixture *f, gconstpointer data)
{
        struct cmi_id who = id(1);

        add(f, CANDIDATE_DNS, 1);
        connect_to(f, 1);
        candidate_table_forget(&f->table, &who, f->now_ns);
        g_assert_null(find(f, 1));
        f->now_ns += cmi_ms(1000);
        g_assert_cmpuint(dial(f).endpoint.address[3], ==, 1);
        withdraw(f, 1);
        g_assert_cmpuint(f->table.n_used, ==, 1);
}

static void who_is_configured_too_stays(struct fixture *f, gconstpointer data)
{
        add(f, CANDIDATE_STATIC, 1);
        add(f, CANDIDATE_DNS, 1);
        g_assert_cmpuint(f->table.n_used, ==, 1);
        withdraw(f, 1);
        withdraw(f, 1);
        g_assert_cmpuint(f->table.n_used, ==, 1);
        g_assert_cmpuint(fail_dials(f, 600000), >, 10);
}

/* Who can forge DNS must not keep this node from those that it knows. */
static void named_addresses_leave_room_for_known_nodes(struct fixture *f, gconstpointer data)
{
        unsigned int n = 0;
        struct candidate_dial begun;

        for (uint32_t i = 1; i <= N_SLOTS; i++) {
                g_assert_cmpint(add(f, CANDIDATE_DNS, i), ==, 0);
        }
        g_assert_cmpint(add(f, CANDIDATE_DNS, 1000), ==, -ENOSPC);
        while (candidate_table_next_dial(&f->table, f->now_ns, &begun)) {
                n++;
        }
        g_assert_cmpuint(n, ==, CANDIDATE_UNKNOWN_DIALS_MAX);
        g_assert_cmpint(add(f, CANDIDATE_PEER, 2000), ==, 0);
        g_assert_cmpuint(dial(f).endpoint.address[2], ==, 2000 >> 8);
}

static void its_own_address_and_those_of_nobody_are_refused(struct fixture *f, gconstpointer data)
{
        struct cmi_endpoint local = {4, 6781, 0, {127, 0, 0, 1}};
        struct cmi_endpoint link_local = {6, 6781, 0, {0xfe, 0x80, [15] = 1}};
        struct cmi_endpoint own = {4, 1, 0, {127, 0, 0, 9}};

        g_assert_cmpint(add(f, CANDIDATE_DNS, 0), ==, -ELOOP);
        g_assert_cmpint(candidate_table_add(&f->table, CANDIDATE_DNS, NULL, &link_local, START), ==,
                        -EINVAL);
        /* Whoever answers for DNS could make it dial services of its own host. */
        g_assert_cmpint(candidate_table_add(&f->table, CANDIDATE_DNS, NULL, &local, START), ==,
                        -EADDRNOTAVAIL);
        candidate_table_set_own(&f->table, 100, &own, 1);
        g_assert_cmpint(candidate_table_add(&f->table, CANDIDATE_DNS, NULL, &local, START), ==, 0);
        candidate_table_set_loopback_only(&f->table, true);
        g_assert_cmpint(add(f, CANDIDATE_DNS, 3), ==, -EADDRNOTAVAIL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE("/candidate_dns/dialled", a_named_address_is_dialled_for_ever);
        CASE("/candidate_dns/withdrawn", a_name_that_is_gone_is_dialled_no_more);
        CASE("/candidate_dns/running", a_dial_that_runs_meanwhile_is_the_last);
        CASE("/candidate_dns/member", a_member_stays_whatever_dns_says);
        CASE("/candidate_dns/left", one_that_left_is_dialled_while_it_is_named);
        CASE("/candidate_dns/static", who_is_configured_too_stays);
        CASE("/candidate_dns/room", named_addresses_leave_room_for_known_nodes);
        CASE("/candidate_dns/refused", its_own_address_and_those_of_nobody_are_refused);
        return g_test_run();
}
