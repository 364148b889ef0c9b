/* SPDX-License-Identifier: MIT */
/*
 * A tree in the order of keys whose depth no choice of keys decides: a treap (Seidel and Aragon,
 * Randomized search trees, 1996). Each item has a number drawn at random, and is above those with
 * less: so the tree is as if its items had come in a random order, whatever they are, and whatever
 * order they came in. Of n items the expected depth of one is below 2 ln n.
 */
#include "meshd/session/state.h"

struct item *tree_from(struct item *root, const struct cmi_id *key)
{
        struct item *item = root;
        struct item *found = NULL;

        while (item) {
                int r = cmi_id_compare(&item->key, key);

                if (r == 0) {
                        return item;
                }
                found = r > 0 ? item : found;
                item = r > 0 ? item->left : item->right;
        }
        return found;
}

/* What is below here goes to the two sides of @item. */
static void split(struct item *here, struct item *item)
{
        struct item **left = &item->left;
        struct item **right = &item->right;

        while (here) {
                if (cmi_id_compare(&here->key, &item->key) < 0) {
                        *left = here;
                        left = &here->right;
                        here = here->right;
                } else {
                        *right = here;
                        right = &here->left;
                        here = here->left;
                }
        }
        *left = NULL;
        *right = NULL;
}

void tree_add(struct item **root, struct item *item)
{
        struct item **slot = root;

        while (*slot && (*slot)->priority >= item->priority) {
                slot = cmi_id_compare(&item->key, &(*slot)->key) < 0 ? &(*slot)->left
                                                                     : &(*slot)->right;
        }
        split(*slot, item);
        *slot = item;
}

/* All of @left is before all of @right. */
static void join(struct item **slot, struct item *left, struct item *right)
{
        while (left && right) {
                if (left->priority >= right->priority) {
                        *slot = left;
                        slot = &left->right;
                        left = left->right;
                } else {
                        *slot = right;
                        slot = &right->left;
                        right = right->left;
                }
        }
        *slot = left ? left : right;
}

void tree_remove(struct item **root, struct item *item)
{
        struct item **slot = root;

        while (*slot != item) {
                slot = cmi_id_compare(&item->key, &(*slot)->key) < 0 ? &(*slot)->left
                                                                     : &(*slot)->right;
        }
        join(slot, item->left, item->right);
}
