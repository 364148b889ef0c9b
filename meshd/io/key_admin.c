/* SPDX-License-Identifier: MIT */
#include "meshd/io/key_admin.h"

#include "meshd/io/arguments.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

enum key_verb {
        KEY_LIST,
        KEY_INSTALL,
        KEY_USE,
        KEY_REMOVE,
        N_KEY_VERBS,
};

static const char *const verbs[N_KEY_VERBS] = {
                [KEY_LIST] = "keys",
                [KEY_INSTALL] = "key_install",
                [KEY_USE] = "key_use",
                [KEY_REMOVE] = "key_remove",
};

struct request {
        struct service *service;
        struct client *client;
        uint64_t id;
        struct cmi_slice arguments;
};

static void send_list(const struct request *request)
{
        const struct keys *keys = request->service->keys;
        size_t begin;
        struct cmi_writer writer =
                        service_begin(request->service, CMI_LOCAL_ANSWER, request->id, &begin);
        struct document document;

        cmi_document_write_head(&writer);
        document = document_begin(&writer, "keys");
        document_text(&document, "file", keys->path);
        document_open_array(&document, "keys");
        for (uint32_t i = 0; i < keys->ring->file.n_keys; i++) {
                document_open_map(&document, NULL);
                document_text(&document, "key", keys->ring->entries[i].fingerprint);
                document_bool(&document, "is_used", i == keys->ring->file.used);
                document_close(&document);
        }
        document_close(&document);
        document_end(&document);
        service_send(request->client, &writer, begin, request->id);
}

/* The change that a guest asked for is over; the guest may be gone. */
static void on_done(void *context, int error)
{
        struct service *service = context;
        const struct guest *guest = service->key_guest;
        struct request request = {.service = service, .id = service->key_request};

        service->key_guest = NULL;
        if (!guest) {
                return;
        }
        request.client = guest->client;
        if (error < 0) {
                service_error(request.client, request.id, error,
                                "nothing changed: the key file %.200s cannot be replaced: %s",
                                service->keys->path, strerror(-error));
        } else {
                send_list(&request);
        }
}

void key_admin_cancel(struct service *service, const struct guest *guest)
{
        if (service->key_guest == guest) {
                service->key_guest = NULL;
        }
}

static void refuse(const struct request *request, int error)
{
        const char *text = strerror(-error);

        switch (-error) {
        case EINVAL:
                text = "argument key is missing or no key";
                break;
        case ENOKEY:
                text = "there is no such key on this node: see meshctl key list";
                break;
        case ENOTUNIQ:
                text = "more than one key begins so: give more digits";
                break;
        case EEXIST:
                text = "this key is installed already";
                break;
        case ENOSPC:
                text = "there are three keys already: remove one first";
                break;
        case EBUSY:
                text = "this key is in use: use another one first";
                break;
        case EALREADY:
                text = "another change of the keys is being written to the disk: ask again when it "
                       "is done";
                break;
        default:
                break;
        }
        service_error(request->client, request->id, error, "%s", text);
}

/* The key is wiped out of the request as soon as it is read. */
static int install(const struct request *request)
{
        struct cmi_slice hex = {0};
        uint8_t key[CMI_KEY_SIZE];
        int r = arguments_str(request->arguments, "key", CMI_KEY_HEX_SIZE, &hex);

        if (r < 0 || cmi_key_parse(hex, key) < 0) {
                r = -EINVAL;
        }
        if (hex.len > 0) {
                sodium_memzero((void *)hex.data, hex.len);
        }
        r = r < 0 ? r : keys_install(request->service->keys, key, on_done, request->service);
        sodium_memzero(key, sizeof(key));
        return r;
}

static int change(const struct request *request, enum key_verb verb)
{
        struct cmi_slice fingerprint = {0};

        if (verb == KEY_INSTALL) {
                return install(request);
        }
        if (arguments_str(request->arguments, "key", KEY_RING_FINGERPRINT_SIZE, &fingerprint) < 0 ||
                        fingerprint.len == 0) {
                return -EINVAL;
        }
        return (verb == KEY_USE ? keys_use : keys_remove)(
                        request->service->keys, fingerprint, on_done, request->service);
}

static void answer_change(const struct request *request, struct guest *guest, enum key_verb verb)
{
        int r;

        if (request->client->uid != 0 && request->client->uid != geteuid()) {
                service_error(request->client, request->id, -EPERM,
                                "only root and the user of meshd may change its keys");
                return;
        }
        r = change(request, verb);
        if (r < 0) {
                refuse(request, r);
        } else if (r == KEYS_UNCHANGED) {
                send_list(request);
        } else {
                request->service->key_guest = guest;
                request->service->key_request = request->id;
        }
}

static void answer(const struct request *request, struct guest *guest, enum key_verb verb)
{
        if (!request->service->keys->ring) {
                service_error(request->client, request->id, -ENOKEY,
                                "this node runs without a mesh key, on loopback only: make one "
                                "with meshctl key new, and start meshd with --key FILE");
        } else if (verb == KEY_LIST) {
                send_list(request);
        } else {
                answer_change(request, guest, verb);
        }
}

bool key_admin_answer(struct service *service, struct guest *guest, uint64_t id,
                const struct cmi_local_query *query)
{
        const struct request request = {service, guest->client, id, query->arguments};

        for (int verb = 0; verb < N_KEY_VERBS; verb++) {
                if (cmi_slice_equal(query->verb, cmi_slice_str(verbs[verb]))) {
                        answer(&request, guest, (enum key_verb)verb);
                        return true;
                }
        }
        return false;
}
