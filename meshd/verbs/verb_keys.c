/* SPDX-License-Identifier: MIT */
/* The keys of this node. */
#include "base/file.h"
#include "meshd/io/arguments.h"
#include "meshd/verbs/inquiry.h"
#include "meshd/verbs/verbs.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

static void send_list(const struct question *question)
{
        const struct keys *keys = question->service->keys;
        struct answer answer;

        answer_begin(&answer, question, "keys");
        document_text(&answer.document, "file", keys->path);
        document_open_array(&answer.document, "keys");
        for (uint32_t i = 0; i < keys->ring->file.n_keys; i++) {
                document_open_map(&answer.document, NULL);
                document_text(&answer.document, "key", keys->ring->entries[i].fingerprint);
                document_bool(&answer.document, "is_used", i == keys->ring->file.used);
                document_close(&answer.document);
        }
        document_close(&answer.document);
        answer_send(&answer, question);
}

/* The change that a guest asked for is over; the guest may be gone. */
static void on_done(void *context, int r)
{
        struct service *service = context;
        const struct question question = {.service = service,
                        .guest = service->key_guest,
                        .id = service->key_request};

        service->key_guest = NULL;
        if (!question.guest) {
                return;
        }
        if (r < 0) {
                question_refuse(&question, r,
                                "nothing changed: the key file %.200s cannot be replaced: %s",
                                service->keys->path, strerror(-r));
        } else if (r == CMI_FILE_UNSYNCED) {
                question_refuse(&question, -EIO,
                                "changed, but the disk does not confirm it: a crash of the host "
                                "may bring the old key file %.200s back",
                                service->keys->path);
        } else {
                send_list(&question);
        }
}

void verb_keys_cancel(struct service *service, const struct guest *guest)
{
        if (service->key_guest == guest) {
                service->key_guest = NULL;
        }
}

static void refuse(const struct question *question, int error)
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
        question_refuse(question, error, "%s", text);
}

/* Whether keys may be asked for here; if not, that is told. */
static bool has_ring(const struct question *question)
{
        if (!question->service->keys->ring) {
                question_refuse(question, -ENOKEY,
                                "this node runs without a mesh key, on loopback only: make one "
                                "with meshctl key new, and start meshd with --key FILE");
                return false;
        }
        return true;
}

static bool may_change(const struct question *question)
{
        uid_t uid = question->guest->client->uid;

        if (has_ring(question) && uid != 0 && uid != geteuid()) {
                question_refuse(question, -EPERM,
                                "only root and the user of meshd may change its keys");
                return false;
        }
        return question->service->keys->ring != NULL;
}

/* @r: of keys_...(). */
static void answer_change(const struct question *question, int r)
{
        if (r < 0) {
                refuse(question, r);
        } else if (r == KEYS_UNCHANGED) {
                send_list(question);
        } else {
                question->service->key_guest = question->guest;
                question->service->key_request = question->id;
        }
}

void verb_keys(const struct question *question)
{
        if (has_ring(question)) {
                send_list(question);
        }
}

/* The key is wiped out of the request as soon as it is read. */
void verb_key_install(const struct question *question)
{
        struct cmi_slice hex = {0};
        uint8_t key[CMI_KEY_SIZE];
        int r;

        if (!may_change(question)) {
                return;
        }
        r = arguments_str(question->arguments, "key", CMI_KEY_HEX_SIZE, &hex);
        if (r < 0 || cmi_key_parse(hex, key) < 0) {
                r = -EINVAL;
        }
        if (hex.len > 0) {
                sodium_memzero((void *)hex.data, hex.len);
        }
        r = r < 0 ? r : keys_install(question->service->keys, key, on_done, question->service);
        sodium_memzero(key, sizeof(key));
        answer_change(question, r);
}

static void change(const struct question *question,
                int (*begin)(struct keys *, struct cmi_slice, keys_done_fn, void *))
{
        struct cmi_slice fingerprint = {0};
        int r;

        if (!may_change(question)) {
                return;
        }
        r = arguments_str(question->arguments, "key", KEY_RING_FINGERPRINT_SIZE, &fingerprint);
        if (r < 0 || fingerprint.len == 0) {
                r = -EINVAL;
        } else {
                r = begin(question->service->keys, fingerprint, on_done, question->service);
        }
        answer_change(question, r);
}

void verb_key_use_now(const struct question *question, struct cmi_slice fingerprint)
{
        answer_change(question,
                        keys_use(question->service->keys, fingerprint, on_done, question->service));
}

/* Another one than the present one is used only if the others hold it, or somebody insists. */
void verb_key_use(const struct question *question)
{
        const struct key_ring *ring = question->service->keys->ring;
        struct cmi_slice key = {0};
        bool is_forced = false;
        int index = -EINVAL;

        if (!may_change(question)) {
                return;
        }
        if (arguments_bool(question->arguments, "force", &is_forced) == 0 &&
                        arguments_str(question->arguments, "key", KEY_RING_FINGERPRINT_SIZE,
                                        &key) == 0 &&
                        key.len > 0) {
                index = key_ring_find(ring, key);
        }
        if (index < 0) {
                refuse(question, index);
        } else if (is_forced || (uint32_t)index == ring->file.used) {
                verb_key_use_now(question, key);
        } else {
                inquiry_begin(question->service->inquiries, question, INQUIRY_KEY);
        }
}

void verb_key_remove(const struct question *question)
{
        change(question, keys_remove);
}
