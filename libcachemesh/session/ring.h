/* SPDX-License-Identifier: MIT */
#pragma once
/* What a key ring is in memory; seal.h says what is done with it. */
#include "libcachemesh/session/memo.h"
#include "libcachemesh/session/seal.h"
#include "wire/session_keys.h"

#define CMI_SEAL_NAME_SIZE 4 /* bytes of a sealing key's name in a blob */

struct cmi_ring {
        struct cmi_session_keys keys;
        uint8_t names[CMI_SEAL_KEYS_MAX][CMI_SEAL_NAME_SIZE];
        uint8_t memo_secret[CMI_MEMO_SECRET_SIZE]; /* of this process, and of no file */
};
