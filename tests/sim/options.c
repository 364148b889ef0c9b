/* SPDX-License-Identifier: MIT */
#include "tests/sim/options.h"

#include "tests/sim/world.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#define PICK(random, ...)                                                                          \
        ((const uint64_t[]){__VA_ARGS__}[random_below(                                             \
                        random, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))])

static void draw_timers(struct options *options, struct random *random)
{
        options->lease_ns = cmi_ms(PICK(random, 100, 200, 400, 1000));
        options->gone_ns = options->lease_ns * PICK(random, 2, 3, 3);
        options->margin_ns = cmi_ms(PICK(random, 1, 1, 8));
        options->drift_ppm = PICK(random, 1000, 20000, 50000, 50000);
        options->start_ns = options->lease_ns * 6 / 5;
        options->alone_ns = options->lease_ns * 4;
        options->tick_ns = cmi_ms(PICK(random, 1, 4));
        options->turn_ns = CMI_NS_PER_US * PICK(random, 20, 200, 2000);
}

static void draw_network(struct options *options, struct random *random)
{
        options->latency_ns = CMI_NS_PER_US * PICK(random, 20, 200, 2000, 20000);
        if (options->latency_ns > options->lease_ns / 20) {
                options->latency_ns = options->lease_ns / 20;
        }
        options->jitter_ns = options->latency_ns * PICK(random, 1, 2);
        options->spike_ppm = (uint32_t)PICK(random, 0, 0, 1000, 20000);
        options->spike_ns = options->lease_ns * PICK(random, 1, 2) / 2;
        options->break_ppm = (uint32_t)PICK(random, 0, 0, 20000, 100000);
        options->queue_max = (uint32_t)PICK(random, 3, 8, 64, 64);
        options->retry_ns = options->lease_ns / PICK(random, 1, 10);
        options->discover_ns = options->lease_ns / 2;
        options->log_size = 256u << 10;
}

static void draw_apps(struct options *options, struct random *random)
{
        options->n_apps = (uint32_t)PICK(random, 1, 1, 2);
        options->n_readers = (uint32_t)PICK(random, 1, 2, 2, 3);
        options->n_keys = (uint32_t)PICK(random, 1, 2, 4, 6);
        options->n_tags = (uint32_t)random_between(random, 1, 2);
        options->has_shared_loads = (uint32_t)PICK(random, 0, 0, 1);
        options->read_ns = options->lease_ns / PICK(random, 10, 30, 100);
        options->load_ns = options->lease_ns / PICK(random, 1, 10, 100);
        options->pause_ppm = (uint32_t)PICK(random, 0, 10000, 50000);
        options->pause_ns = options->lease_ns * PICK(random, 1, 4) / 2;
        options->write_ns = options->lease_ns * PICK(random, 1, 3, 12) / 3;
        options->announce_ns = options->lease_ns / PICK(random, 2, 20, 1000);
        options->wait_mesh_ppm = (uint32_t)PICK(random, 200000, 500000, 900000);
        options->wide_ppm = (uint32_t)PICK(random, 0, 100000, 300000);
        options->unknown_ppm = (uint32_t)PICK(random, 0, 0, 50000);
        options->fat_ppm = (uint32_t)PICK(random, 0, 0, 0, 300000, 700000);
        options->intent_ppm = (uint32_t)PICK(random, 0, 0, 0, 500000);
        options->dying_ppm = (uint32_t)PICK(random, 0, 300000, 800000);
}

static void draw_faults(struct options *options, struct random *random)
{
        uint32_t theme;

        options->ask_ns = options->lease_ns * PICK(random, 1, 4);
        options->drop_ppm = (uint32_t)PICK(random, 0, 0, 100000, 500000);
        options->interrupt_ppm = (uint32_t)PICK(random, 0, 500, 5000);
        options->tear_ppm = (uint32_t)PICK(random, 0, 0, 5000, 50000);
        options->chaos_ns = options->lease_ns * PICK(random, 20, 40);
        options->fault_ns = options->lease_ns * PICK(random, 1, 3, 10) / 2;
        options->fault_max_ns = options->gone_ns * PICK(random, 1, 2, 3);
        for (uint32_t i = 0; i < FAULT_KINDS; i++) {
                options->weights[i] = (uint32_t)PICK(random, 0, 0, 1, 3);
        }
        /* Many of one kind; of the one that needs several things in a row more often. */
        theme = random_chance(random, 300000) ? FAULT_DROP_KILL
                                              : (uint32_t)random_below(random, FAULT_KINDS);
        options->weights[theme] += (uint32_t)PICK(random, 0, 10);
}

void options_draw(struct options *options, struct random *random)
{
        *options = (struct options){0};
        options->n_nodes = (uint32_t)PICK(random, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 6, 9);
        draw_timers(options, random);
        draw_network(options, random);
        draw_apps(options, random);
        draw_faults(options, random);
}

void options_draw_more(struct options *options, struct random *random)
{
        uint64_t lease_ns = options->lease_ns;

        options->n_ttl = (uint32_t)PICK(random, 0, 0, 1, 2);
        options->ttl_ns = lease_ns * PICK(random, 5, 20, 60);
        options->deaf_ns = lease_ns * PICK(random, 2, 10, 30);
        options->has_spool = (uint32_t)PICK(random, 0, 1);
        options->quit_ns = lease_ns * PICK(random, 0, 2, 6);
        options->obituary_ppm = (uint32_t)PICK(random, 0, 0, 300000, 800000);
        if (options->n_ttl == 0) {
                options->deaf_ns = 0;
        }
        options->n_keys += options->n_ttl;
        options->hold_ns = lease_ns / cmi_ms(4) * cmi_ms(PICK(random, 0, 0, 0, 0, 1, 4));
        options->lag_ns = options->hold_ns * 3 / 4;
}

void options_draw_uneven(struct options *options, struct random *random)
{
        options->uneven_gone = (uint32_t)PICK(random, 0, 0, 0, 0, 0, 3, 9);
        options->uneven_lease = (uint32_t)PICK(random, 0, 0, 0, 0, 2, 4);
        if (options->lease_ns < cmi_ms(400)) {
                options->uneven_lease = 0;
        }
        if (options->uneven_lease > 0 &&
                        options->latency_ns > options->lease_ns / options->uneven_lease / 20) {
                options->latency_ns = options->lease_ns / options->uneven_lease / 20;
                options->jitter_ns = options->latency_ns;
        }
        options->n_addresses = (uint32_t)PICK(random, 1, 1, 1, 1, 1, 2);
        options->holds_max = (uint32_t)PICK(random, 0, 0, 1, 3);
        options->uneven_room = options->n_nodes > 2 ? (uint32_t)PICK(random, 0, 0, 0, 1) : 0;
        options->uneven_starts = options->uneven_gone > 0 ? (uint32_t)PICK(random, 0, 1, 1) : 0;
}

void options_draw_posts(struct options *options, struct random *random)
{
        options->post_ns = options->lease_ns * PICK(random, 0, 0, 0, 1, 4) / 4 / options->n_nodes;
}

void options_draw_joiner(struct options *options, struct random *random)
{
        options->late_joiner =
                        options->n_nodes > 2 ? (uint32_t)PICK(random, 0, 0, 0, 0, 0, 0, 0, 1) : 0;
}

/* As text */

#define NUMBER(name)                                                                               \
        {                                                                                          \
#name, offsetof(struct options, name), sizeof(((struct options *)0)->name), false  \
        }
#define TIME(name)                                                                                 \
        {                                                                                          \
#name, offsetof(struct options, name##_ns), sizeof(uint64_t), true                 \
        }

static const struct {
        const char *name;
        size_t offset;
        size_t size;
        bool is_time;
} table[] = {
                NUMBER(n_nodes),
                NUMBER(n_apps),
                NUMBER(n_readers),
                NUMBER(n_keys),
                NUMBER(n_tags),
                NUMBER(has_shared_loads),
                NUMBER(n_ttl),
                NUMBER(has_spool),
                NUMBER(n_users),
                NUMBER(session_limit),
                NUMBER(session_blob),
                NUMBER(session_bytes),
                NUMBER(session_key_bytes),
                TIME(session_life),
                TIME(session_idle),
                TIME(session_margin),
                NUMBER(uneven_gone),
                NUMBER(uneven_starts),
                NUMBER(uneven_lease),
                NUMBER(uneven_room),
                NUMBER(late_joiner),
                NUMBER(n_addresses),
                NUMBER(holds_max),
                TIME(ttl),
                TIME(hold),
                TIME(lag),
                TIME(deaf),
                TIME(lease),
                TIME(gone),
                TIME(margin),
                NUMBER(drift_ppm),
                TIME(start),
                TIME(alone),
                TIME(tick),
                NUMBER(log_size),
                TIME(latency),
                TIME(jitter),
                NUMBER(spike_ppm),
                TIME(spike),
                NUMBER(queue_max),
                TIME(retry),
                TIME(discover),
                TIME(announce),
                NUMBER(dying_ppm),
                TIME(turn),
                TIME(chaos),
};

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))

static uint64_t get(const struct options *options, size_t i)
{
        const char *place = (const char *)options + table[i].offset;
        uint64_t wide;
        uint32_t narrow;

        if (table[i].size == sizeof(wide)) {
                memcpy(&wide, place, sizeof(wide));
                return wide;
        }
        memcpy(&narrow, place, sizeof(narrow));
        return narrow;
}

static void set(struct options *options, size_t i, uint64_t value)
{
        char *place = (char *)options + table[i].offset;
        uint32_t narrow = (uint32_t)value;

        if (table[i].size == sizeof(value)) {
                memcpy(place, &value, sizeof(value));
        } else {
                memcpy(place, &narrow, sizeof(narrow));
        }
}

void options_write_time(FILE *file, int64_t ns)
{
        uint64_t most = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
        uint64_t decimals = most % CMI_NS_PER_S;
        int width = 9;

        fprintf(file, "%s%" PRIu64, ns < 0 ? "-" : "", most / CMI_NS_PER_S);
        if (decimals == 0) {
                return;
        }
        while (decimals % 10 == 0) {
                decimals /= 10;
                width--;
        }
        fprintf(file, ".%0*" PRIu64, width, decimals);
}

int options_read_time(const char *text, int64_t *ret_ns)
{
        bool is_negative = *text == '-';
        uint64_t seconds = 0;
        uint64_t decimals = 0;
        uint64_t unit = CMI_NS_PER_S;
        const char *at = is_negative ? text + 1 : text;

        for (; *at >= '0' && *at <= '9' && seconds < 1000000; at++) {
                seconds = 10 * seconds + (uint64_t)(*at - '0');
        }
        if (*at == '.') {
                for (at++; *at >= '0' && *at <= '9' && unit > 1; at++) {
                        unit /= 10;
                        decimals += (uint64_t)(*at - '0') * unit;
                }
        }
        if (*at != '\0' || at == text) {
                return -EINVAL;
        }
        *ret_ns = (int64_t)(seconds * CMI_NS_PER_S + decimals);
        if (is_negative) {
                *ret_ns = -*ret_ns;
        }
        return 0;
}

void options_write(FILE *file, const struct options *options)
{
        for (size_t i = 0; i < TABLE_SIZE; i++) {
                fprintf(file, "%s ", table[i].name);
                if (table[i].is_time) {
                        options_write_time(file, (int64_t)get(options, i));
                } else {
                        fprintf(file, "%" PRIu64, get(options, i));
                }
                putc('\n', file);
        }
}

int options_read(struct options *options, const char *name, const char *value)
{
        int64_t number;
        char *end;

        for (size_t i = 0; i < TABLE_SIZE; i++) {
                if (strcmp(table[i].name, name) != 0) {
                        continue;
                }
                if (table[i].is_time) {
                        if (options_read_time(value, &number) < 0) {
                                return -EINVAL;
                        }
                } else {
                        number = strtoll(value, &end, 10);
                        if (end == value || *end != '\0') {
                                return -EINVAL;
                        }
                }
                if (number < 0) {
                        return -EINVAL;
                }
                set(options, i, (uint64_t)number);
                return 0;
        }
        return -EINVAL;
}

bool options_are_whole(const struct options *options)
{
        return options->n_nodes >= 2 && options->n_nodes <= NODES_MAX && options->n_apps >= 1 &&
               options->n_apps <= APPS_MAX && options->n_readers >= 1 &&
               options->n_readers <= READERS_MAX && options->n_keys >= 1 &&
               options->n_keys <= KEYS_MAX && options->n_ttl < options->n_keys &&
               options->n_tags >= 1 && options->lease_ns >= CMI_NS_PER_MS &&
               options->gone_ns >= options->lease_ns && options->tick_ns >= 1 &&
               options->queue_max >= 1 && options->jitter_ns >= 1 &&
               options->discover_ns >= options->n_nodes && options->retry_ns >= 1 &&
               (options->n_users == 0 ||
                               (options->session_bytes >= 65536 &&
                                               options->session_key_bytes >= 65536 &&
                                               options->session_life_ns >= CMI_NS_PER_MS &&
                                               options->session_blob <= 65536)) &&
               options->n_addresses <= ADDRESSES_MAX &&
               options->holds_max <= core_options_default().holds_max &&
               options->log_size >= 65536 && options->log_size <= 16u << 20;
}
