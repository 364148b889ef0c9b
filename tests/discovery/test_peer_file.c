/* SPDX-License-Identifier: MIT */
#include "discovery/peer_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM 8

struct fixture {
        char *path; /* of the directory */
        char *file;
        int directory;
        struct peer_file_entry entries[ROOM];
        struct peer_file_contents contents;
};

static void set_up(struct fixture *f, gconstpointer data)
{
        f->path = g_dir_make_tmp("cm-peers-XXXXXX", NULL);
        f->file = g_build_filename(f->path, PEER_FILE_NAME, NULL);
        f->directory = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(f->directory, >=, 0);
}

static void tear_down(struct fixture *f, gconstpointer data)
{
        close(f->directory);
        g_unlink(f->file);
        g_rmdir(f->file);
        g_assert_cmpint(g_rmdir(f->path), ==, 0); /* nothing else was left behind */
        g_free(f->file);
        g_free(f->path);
}

static struct peer_file_entry entry(uint8_t n, const char *endpoint, const char *name)
{
        struct peer_file_entry made = {.id = {{0xab, n}}};

        g_assert_cmpint(cmi_endpoint_parse(endpoint, &made.endpoint), ==, 0);
        g_strlcpy(made.name, name, sizeof(made.name));
        return made;
}

static int read_back(struct fixture *f)
{
        return peer_file_read(f->directory, f->entries, ROOM, &f->contents);
}

static int read_text(struct fixture *f, const char *text)
{
        g_assert_true(g_file_set_contents(f->file, text, -1, NULL));
        return read_back(f);
}

static void what_was_written_is_read(struct fixture *f, gconstpointer data)
{
        struct peer_file_entry written[] = {
                        entry(1, "10.0.0.1:6781", "node-1"),
                        entry(2, "[fe80::1%lo]:6781", ""),
                        entry(3, "[fd00::1]:1", "K\xc3\xb6ln 2"),
        };
        struct stat status;

        g_assert_cmpint(read_back(f), ==, -ENOENT);
        g_assert_cmpint(peer_file_write(f->directory, written, 3), ==, 0);
        g_assert_cmpint(read_back(f), ==, 0);
        g_assert_cmpuint(f->contents.n_entries, ==, 3);
        g_assert_cmpuint(f->contents.n_bad, ==, 0);
        for (int i = 0; i < 3; i++) {
                g_assert_true(cmi_id_equal(&f->entries[i].id, &written[i].id));
                g_assert_true(cmi_endpoint_equal(&f->entries[i].endpoint, &written[i].endpoint));
                g_assert_cmpstr(f->entries[i].name, ==, written[i].name);
        }
        g_assert_cmpint(stat(f->file, &status), ==, 0);
        g_assert_cmpint(status.st_mode & 07777, ==, 0600);
        g_assert_cmpint(peer_file_write(f->directory, written, 0), ==, 0);
        g_assert_cmpint(read_back(f), ==, 0);
        g_assert_cmpuint(f->contents.n_entries, ==, 0);
}

static void the_text_is_for_people_too(struct fixture *f, gconstpointer data)
{
        struct peer_file_entry one = entry(1, "10.0.0.1:6781", "node-1");
        g_autofree char *text = NULL;

        g_assert_cmpint(peer_file_write(f->directory, &one, 1), ==, 0);
        g_assert_true(g_file_get_contents(f->file, &text, NULL, NULL));
        g_assert_cmpstr(text, ==,
                        "cachemesh-peers 1\n"
                        "ab010000-0000-0000-0000-000000000000 10.0.0.1:6781 node-1\n");
}

static void bad_lines_are_passed_over_and_counted(struct fixture *f, gconstpointer data)
{
        g_assert_cmpint(read_text(f, "cachemesh-peers 1\n"
                                     "ab010000-0000-0000-0000-000000000000 10.0.0.1:6781 good\n"
                                     "nonsense\n"
                                     "\n"
                                     "ab01 10.0.0.1:6781 short-id\n"
                                     "xx010000-0000-0000-0000-000000000000 10.0.0.1:6781 no-hex\n"
                                     "ab010000-0000-0000-0000-0000000000001 10.0.0.1:6781 long-id\n"
                                     "00000000-0000-0000-0000-000000000000 10.0.0.1:6781 zero\n"
                                     "ab010000-0000-0000-0000-000000000000 10.0.0.1 no-port\n"
                                     "ab010000-0000-0000-0000-000000000000 10.0.0.1:0 port-zero\n"
                                     "ab010000-0000-0000-0000-000000000000 10.0.0.1:6781\n"
                                     "ab010000-0000-0000-0000-000000000000 10.0.0.1:6781 b\aell\n"
                                     "ab020000-0000-0000-0000-000000000000 10.0.0.2:6781 \n"
                                     "ab030000-0000-0000-0000-000000000000 10.0.0.3:6781 cut"),
                        ==, 0);
        g_assert_cmpuint(f->contents.n_entries, ==, 2);
        g_assert_cmpuint(f->contents.n_bad, ==, 11);
        g_assert_cmpstr(f->entries[0].name, ==, "good");
        g_assert_cmpuint(f->entries[1].id.bytes[1], ==, 2);
}

static void a_name_is_not_too_long(struct fixture *f, gconstpointer data)
{
        g_autofree char *longest = g_strnfill(CMI_NAME_MAX, 'n');
        g_autofree char *text =
                        g_strdup_printf("cachemesh-peers 1\n"
                                        "ab010000-0000-0000-0000-000000000000 10.0.0.1:6781 %s\n"
                                        "ab010000-0000-0000-0000-000000000000 10.0.0.1:6781 %sn\n",
                                        longest, longest);

        g_assert_cmpint(read_text(f, text), ==, 0);
        g_assert_cmpuint(f->contents.n_entries, ==, 1);
        g_assert_cmpuint(f->contents.n_bad, ==, 1);
        g_assert_cmpstr(f->entries[0].name, ==, longest);
}

static void an_unclean_name_is_left_out(struct fixture *f, gconstpointer data)
{
        struct peer_file_entry two[] = {
                        entry(1, "10.0.0.1:6781", "a\nb"),
                        entry(2, "10.0.0.2:6781", "fine"),
        };

        g_assert_cmpint(peer_file_write(f->directory, two, 2), ==, 0);
        g_assert_cmpint(read_back(f), ==, 0);
        g_assert_cmpuint(f->contents.n_entries, ==, 2);
        g_assert_cmpstr(f->entries[0].name, ==, "");
        g_assert_cmpstr(f->entries[1].name, ==, "fine");
}

static void too_many_peers_are_counted(struct fixture *f, gconstpointer data)
{
        struct peer_file_entry many[2000];

        for (size_t i = 0; i < G_N_ELEMENTS(many); i++) {
                many[i] = entry((uint8_t)i, "10.0.0.1:6781", "n");
        }
        g_assert_cmpint(peer_file_write(f->directory, many, ROOM + 3), ==, 0);
        g_assert_cmpint(read_back(f), ==, 0);
        g_assert_cmpuint(f->contents.n_entries, ==, ROOM);
        g_assert_cmpuint(f->contents.n_surplus, ==, 3);
        g_assert_cmpint(peer_file_write(f->directory, many, 1024), ==, 0);
        g_assert_cmpint(peer_file_write(f->directory, many, G_N_ELEMENTS(many)), ==, -EFBIG);
        g_assert_cmpint(read_back(f), ==, 0);
        g_assert_cmpuint(f->contents.n_surplus, ==, 1024 - ROOM);
}

static void another_version_is_not_guessed_at(struct fixture *f, gconstpointer data)
{
        f->contents.n_entries = 99;
        g_assert_cmpint(read_text(f, "cachemesh-peers 2\n"), ==, -EPROTONOSUPPORT);
        g_assert_cmpint(read_text(f, "cachemesh-peers 10\n"), ==, -EPROTONOSUPPORT);
        g_assert_cmpint(read_text(f, "cachemesh-peers"), ==, -EPROTONOSUPPORT);
        g_assert_cmpint(read_text(f, ""), ==, -EPROTONOSUPPORT);
        g_assert_cmpuint(f->contents.n_entries, ==, 99);
}

static void only_a_file_of_a_sane_size_is_read(struct fixture *f, gconstpointer data)
{
        g_autofree char *much = g_strnfill(PEER_FILE_SIZE_MAX + 1, 'x');

        g_assert_cmpint(read_text(f, much), ==, -EFBIG);
        g_unlink(f->file);
        g_assert_cmpint(mkfifo(f->file, 0600), ==, 0);
        g_assert_cmpint(read_back(f), ==, -EINVAL);
        g_unlink(f->file);
        g_assert_cmpint(symlink("/etc/hostname", f->file), ==, 0);
        g_assert_cmpint(read_back(f), ==, -ELOOP);
        g_unlink(f->file);
        g_assert_cmpint(g_mkdir(f->file, 0700), ==, 0);
        g_assert_cmpint(read_back(f), ==, -EINVAL);
}

/* A limit on the size of files fails a write in the middle, as a full disk does. */
static void a_failed_write_leaves_the_old_file(struct fixture *f, gconstpointer data)
{
        struct rlimit before, small;
        struct peer_file_entry many[100];
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(many); i++) {
                many[i] = entry((uint8_t)i, "10.0.0.1:6781", "n");
        }
        g_assert_cmpint(peer_file_write(f->directory, many, 2), ==, 0);
        signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before);
        small = (struct rlimit){1000, before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        r = peer_file_write(f->directory, many, 100);
        setrlimit(RLIMIT_FSIZE, &before);
        g_assert_cmpint(r, ==, -EFBIG);
        g_assert_cmpint(read_back(f), ==, 0);
        g_assert_cmpuint(f->contents.n_entries, ==, 2);
}

static void noise_is_survived(struct fixture *f, gconstpointer data)
{
        static const char good[] = "cachemesh-peers 1\n"
                                   "ab010000-0000-0000-0000-000000000000 10.0.0.1:6781 one\n"
                                   "ab020000-0000-0000-0000-000000000000 [fd00::1]:6781 two\n";
        guint32 seed = (guint32)g_test_rand_int();
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

        g_test_message("seed %u", seed);
        for (int i = 0; i < 2000; i++) {
                char text[sizeof(good)];
                int fd, r;

                memcpy(text, good, sizeof(good));
                for (int j = g_rand_int_range(rand, 1, 6); j > 0; j--) {
                        text[g_rand_int_range(rand, 0, sizeof(text))] = (char)g_rand_int(rand);
                }
                fd = openat(f->directory, PEER_FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);
                g_assert_cmpint(write(fd, text, sizeof(text)), ==, sizeof(text));
                close(fd);
                r = read_back(f);
                g_assert_true(r == 0 || r == -EPROTONOSUPPORT);
                for (size_t j = 0; r == 0 && j < f->contents.n_entries; j++) {
                        g_assert_cmpuint(f->entries[j].endpoint.port, !=, 0);
                        g_assert_true(g_utf8_validate(f->entries[j].name, -1, NULL));
                }
        }
}

#define CASE(path, function) g_test_add(path, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE("/peer_file/round_trip", what_was_written_is_read);
        CASE("/peer_file/text", the_text_is_for_people_too);
        CASE("/peer_file/bad_lines", bad_lines_are_passed_over_and_counted);
        CASE("/peer_file/long_name", a_name_is_not_too_long);
        CASE("/peer_file/unclean_name", an_unclean_name_is_left_out);
        CASE("/peer_file/many", too_many_peers_are_counted);
        CASE("/peer_file/version", another_version_is_not_guessed_at);
        CASE("/peer_file/not_a_file", only_a_file_of_a_sane_size_is_read);
        CASE("/peer_file/failed_write", a_failed_write_leaves_the_old_file);
        CASE("/peer_file/noise", noise_is_survived);
        return g_test_run();
}
