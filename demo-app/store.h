/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The source of truth: people, folders in trees, and which folder is shared with whom. It decides
 * what may be stored and who may change it, and tells for each change whose view it touches;
 * caching is left to cache.c, telling others to change.c.
 *
 * A folder shows in its owner's tree, and with all below it in the trees of those it is shared
 * with. Any thread may call any function; each is one transaction.
 */
#include "demo-app/name.h"

#include <stddef.h>
#include <stdint.h>

#define STORE_PEOPLE_MAX 100
#define STORE_NODES_MAX 32
#define STORE_FOLDERS_MAX 200 /* of one person */
#define STORE_DEPTH_MAX 8     /* levels of folders */
#define STORE_SHARES_MAX 8    /* people that one folder is shared with */
#define STORE_RECEIVED_MAX 15 /* folders shared with one person: each is a tag of the cached tree */
#define STORE_CHAIN_MAX (STORE_FOLDERS_MAX + STORE_DEPTH_MAX)

struct store;

enum store_outcome {
        STORE_OK = 0,
        STORE_BAD_NAME,
        STORE_NO_PERSON,
        STORE_NO_FOLDER,
        STORE_NO_SHARE,
        STORE_NOT_OWNER,
        STORE_OWN_FOLDER,
        STORE_EXISTS,
        STORE_ALREADY_SEEN,
        STORE_TOO_DEEP,
        STORE_TOO_MANY_PEOPLE,
        STORE_TOO_MANY_FOLDERS,
        STORE_TOO_MANY_SHARES,
        STORE_TOO_MANY_RECEIVED,
};

/* A sentence for people. */
const char *store_outcome_text(enum store_outcome outcome);

/* Whose view a committed change touches: trees of these people, and trees that show one of
 * these folders as shared. */
struct store_change {
        char people[2][NAME_PERSON_MAX + 1];
        size_t n_people;
        int64_t folders[STORE_CHAIN_MAX];
        size_t n_folders;
        int64_t folder; /* the one that was added or changed */
};

/* A line of a tree: plain data without padding that differs, since it is cached as it is. */
struct store_folder {
        int64_t id;
        int64_t parent; /* 0: it has none that this person may see */
        uint32_t depth;
        uint32_t is_shared; /* it belongs to somebody else */
        char name[NAME_FOLDER_MAX + 1];
        char owner[NAME_PERSON_MAX + 1];
        char shared_with[STORE_SHARES_MAX * (NAME_PERSON_MAX + 1)]; /* separated by blanks */
        char reserved[6];
};

struct store_person {
        char name[NAME_PERSON_MAX + 1];
};

/* Where the app of a node is found, for links between the pages. */
struct store_node {
        char name[64 + 1];
        uint16_t port;
};

int store_open(struct store **ret_store, const char *path);
struct store *store_close(struct store *store);

/*
 * Changes. @person is who does it. Each returns 0 with @ret_change filled, an enum store_outcome
 * that says why nothing was changed, or -EIO, -EBUSY (another process wrote for too long).
 */
int store_add_person(struct store *store, const char *name, struct store_change *ret_change);
int store_add_folder(struct store *store, const char *person, int64_t parent, const char *name,
                struct store_change *ret_change); /* parent 0: at the top */
int store_rename_folder(struct store *store, const char *person, int64_t folder, const char *name,
                struct store_change *ret_change);
int store_remove_folder(struct store *store, const char *person, int64_t folder,
                struct store_change *ret_change); /* with all below it */
int store_share_folder(struct store *store, const char *person, int64_t folder, const char *with,
                struct store_change *ret_change);
int store_unshare_folder(struct store *store, const char *person, int64_t folder, const char *with,
                struct store_change *ret_change);

/* Adds a node or changes its port. Returns 0, -EIO, -EBUSY. */
int store_add_node(struct store *store, const char *name, uint16_t port);

/**
 * store_tree() - all folders that a person sees, depth first, siblings by name
 * @ret_folders: to be freed with free(); NULL if there are none
 *
 * Return: 0, STORE_NO_PERSON, -ENOMEM, -EIO, -EBUSY.
 */
int store_tree(struct store *store, const char *person, struct store_folder **ret_folders,
                size_t *ret_n);

/* All people and all nodes by name; as store_tree(). */
int store_people(struct store *store, struct store_person **ret_people, size_t *ret_n);
int store_nodes(struct store *store, struct store_node **ret_nodes, size_t *ret_n);
