/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target as an ordinary test: over the golden vectors of wire/, their beginnings and
 * their mutations, and over inputs that once broke something (tests/fuzz/found/TARGET-*.hex). Each
 * input also comes with each small number before it, since some targets choose by their first byte.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/wire/bytes.h"

#define CHOICES 13

static void give(struct cmi_slice bytes)
{
        struct cmi_slice copy = exact_copy(bytes);

        LLVMFuzzerTestOneInput(copy.data, copy.len);
        g_free((void *)copy.data);
}

static void give_with_choices(struct cmi_slice bytes)
{
        g_autofree uint8_t *longer = g_malloc(bytes.len + 1);

        give(bytes);
        if (bytes.len > 0) {
                memcpy(longer + 1, bytes.data, bytes.len);
        }
        for (uint8_t choice = 0; choice < CHOICES; choice++) {
                longer[0] = choice;
                give(cmi_slice(longer, bytes.len + 1));
        }
}

static void mutate(GRand *random, uint8_t *bytes, size_t len)
{
        int n = g_rand_int_range(random, 1, 6);

        for (int i = 0; i < n; i++) {
                size_t at = (size_t)g_rand_int_range(random, 0, (gint32)len);

                bytes[at] = g_rand_boolean(random)
                                            ? (uint8_t)g_rand_int(random)
                                            : (uint8_t)(bytes[at] ^
                                                              1u << g_rand_int_range(random, 0, 8));
        }
}

static void replay(GByteArray *input, GRand *random)
{
        for (guint len = 0; len <= input->len; len++) {
                give_with_choices(cmi_slice(input->data, len));
        }
        for (int round = 0; round < 300 && input->len > 0; round++) {
                g_autofree uint8_t *copy = g_memdup2(input->data, input->len);

                mutate(random, copy, input->len);
                give_with_choices(cmi_slice(copy, input->len));
        }
}

/* Return: files replayed. */
static int replay_folder(const char *folder, const char *prefix)
{
        g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
        g_autoptr(GRand) random = g_rand_new_with_seed(test_seed());
        const char *name;
        int n = 0;

        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
                g_autofree char *path = g_build_filename(folder, name, NULL);
                g_autofree char *hex = NULL;

                if (g_str_has_prefix(name, prefix) && g_str_has_suffix(name, ".hex")) {
                        g_autoptr(GByteArray) input = NULL;

                        g_assert_true(g_file_get_contents(path, &hex, NULL, NULL));
                        input = bytes_of_hex(hex);
                        replay(input, random);
                        n++;
                }
        }
        return n;
}

static void vectors_and_their_mutations_do_no_harm(void)
{
        g_assert_cmpint(replay_folder(CM_VECTORS, ""), >, 0);
}

static void what_once_broke_it_does_no_harm(void)
{
        replay_folder(CM_FOUND, CM_TARGET "-");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/fuzz/" CM_TARGET "/vectors_and_their_mutations_do_no_harm",
                        vectors_and_their_mutations_do_no_harm);
        g_test_add_func("/fuzz/" CM_TARGET "/what_once_broke_it_does_no_harm",
                        what_once_broke_it_does_no_harm);
        return g_test_run();
}
