/* SPDX-License-Identifier: MIT */
/*
 * login: the life of a session: a visitor's cart, a login, a request that changes it, a logout.
 * Needs a meshd ($CACHEMESH_SOCKET) and makes the key ring that its argument names, once.
 */
#include <cachemesh-session.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct cm *cm;
static struct cm_session_space *space;

static int fail(const char *what, int r)
{
        fprintf(stderr, "login: %s: %s (%s)\n", what, cm_strerror(r), cm_error_detail(NULL));
        return 1;
}

static int open_shop(const char *key_file)
{
        struct cm_options handle = {.size = sizeof(handle)};
        struct cm_session_space_options options = {
                        .size = sizeof(options),
                        .key_file = key_file,
                        .idle_ms = 30 * 60 * 1000,
        };
        int r = cm_session_keys_new(key_file); /* once, for all nodes */

        if (r < 0 && r != -EEXIST) {
                return r;
        }
        r = cm_open(&cm, &handle);
        return r < 0 ? r : cm_session_space_open(&space, cm, "shop", &options);
}

/* The visitor's session gets a new id: one that somebody planted in the browser is worth nothing
 * from then on. */
static int log_in(const char *cookie, const char *user, char id[CM_SESSION_ID_SIZE])
{
        struct cm_session session = {.size = sizeof(session)};
        struct cm_session_create_options login = {
                        .size = sizeof(login),
                        .principal = user,
                        .principal_len = strlen(user),
        };
        int r = cm_session_get(space, cookie, NULL, &session);

        if (r == 0) {
                r = cm_session_rotate(&session, NULL, 0, &login, id);
        }
        cm_session_release(&session);
        return r;
}

static int add_to_cart(const char *cookie, const char *item)
{
        struct cm_session session = {.size = sizeof(session)};
        char cart[256];
        int r = cm_session_get(space, cookie, NULL, &session);

        while (r == 0) {
                int n = snprintf(cart, sizeof(cart), "%.*s %s", (int)session.len,
                                (const char *)session.data, item);

                r = cm_session_save(&session, cart, (size_t)n, NULL);
                if (r != CM_CONFLICT) {
                        break;
                }
                r = 0; /* somebody was faster: the session is theirs now, so add to that */
        }
        cm_session_release(&session);
        return r;
}

static int show(const char *cookie)
{
        struct cm_session session = {.size = sizeof(session)};
        int r = cm_session_get(space, cookie, NULL, &session);

        if (r == 0) {
                printf("cart: %.*s\n", (int)session.len, (const char *)session.data);
        } else if (r == CM_GONE) {
                printf("log in first\n");
        }
        cm_session_release(&session);
        return r;
}

/* In a mesh of several nodes a node can speak for itself only. Where it has no such session, that
 * is all there is to say to a user whom the load balancer always brings here. */
static int log_out(const char *cookie)
{
        struct cm_session session = {.size = sizeof(session)};
        int r = cm_session_destroy(space, cookie, NULL);

        if (r == CM_E_UNCONFIRMED && cm_session_get(space, cookie, NULL, &session) == CM_GONE) {
                r = 0;
        }
        cm_session_release(&session);
        return r;
}

static int log_out_everywhere(const char *user)
{
        int r = cm_session_destroy_principal(space, user, strlen(user), NULL);

        if (r == CM_E_UNCONFIRMED) {
                printf("not everywhere: %s\n", cm_error_detail(NULL));
                return 0; /* the other nodes have to be asked, too */
        }
        return r;
}

static int run(void)
{
        char visitor[CM_SESSION_ID_SIZE], user[CM_SESSION_ID_SIZE];
        int r = cm_session_create(space, "cart:", 5, NULL, visitor, NULL);

        if (r != 0) {
                return fail("create", r);
        }
        if ((r = add_to_cart(visitor, "book")) != 0) {
                return fail("save", r);
        }
        if ((r = log_in(visitor, "alice", user)) != 0) {
                return fail("rotate", r);
        }
        show(visitor); /* its id is dead */
        if ((r = add_to_cart(user, "pen")) != 0) {
                return fail("save", r);
        }
        show(user);
        if ((r = log_out(user)) != 0) {
                return fail("destroy", r);
        }
        show(user);
        r = log_out_everywhere("alice"); /* and on all other devices */
        return r == 0 ? 0 : fail("destroy_principal", r);
}

int main(int argc, char **argv)
{
        int r = open_shop(argc > 1 ? argv[1] : "session-keys");

        if (r < 0) {
                r = fail("open", r);
        } else {
                r = run();
        }
        cm_session_space_close(space);
        cm_close(cm);
        return r;
}
