/* SPDX-License-Identifier: MIT */
#include "tests/checker/database.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
        const char *prefix;
        const struct database_kind *kind;
        bool is_repeatable;
} kinds[] = {
                {"sqlite:", &database_sqlite, true},
#ifdef WITH_POSTGRES
                {"postgres:", &database_postgres, false},
                {"postgres-rr:", &database_postgres, true},
#endif
};

int database_open(struct database **ret_database, const char *where)
{
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                size_t len = strlen(kinds[i].prefix);

                if (strncmp(where, kinds[i].prefix, len) == 0) {
                        int r = kinds[i].kind->open(
                                        ret_database, where + len, kinds[i].is_repeatable);

                        if (r == 0) {
                                (*ret_database)->kind = kinds[i].kind;
                        }
                        return r;
                }
        }
        return -ENOTSUP;
}

struct database *database_close(struct database *database)
{
        if (database) {
                database->kind->close(database);
        }
        return NULL;
}

int database_create(struct database *database, uint32_t n_rows)
{
        return database->kind->create(database, n_rows);
}

int database_begin(struct database *database)
{
        return database->kind->begin(database);
}

int database_read(struct database *database, uint32_t key, struct row *ret_row)
{
        return database->kind->read(database, key, ret_row);
}

int database_write(struct database *database, uint32_t key, uint64_t write, uint64_t *ret_version)
{
        return database->kind->write(database, key, write, ret_version);
}

int database_commit(struct database *database)
{
        return database->kind->commit(database);
}

int database_rollback(struct database *database)
{
        return database->kind->rollback(database);
}
