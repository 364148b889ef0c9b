/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Cookies: what the core gives back with an outcome or an answer, so that it finds who waits for
 * it. Each says in which table that is, at which place, and for which of the place's users in turn:
 * what comes for an earlier one is ignored. 0 is no cookie.
 */
#include <stdint.h>

enum cookie_kind {
        COOKIE_NONE = 0,
        COOKIE_PUBLISH = 1, /* a publication of a client: service.h */
        COOKIE_TRACE = 2,   /* the publication of a trace: inquiry.h */
        COOKIE_ASK = 3,     /* a question of an inquiry to another node; @part is its target */
};

#define COOKIE_SLOTS_MAX (1u << 14)
#define COOKIE_PARTS_MAX (1u << 16)

struct cookie {
        enum cookie_kind kind;
        uint32_t slot; /* below COOKIE_SLOTS_MAX */
        uint32_t part; /* below COOKIE_PARTS_MAX */
        uint32_t generation;
};

static inline uint64_t cookie_pack(struct cookie cookie)
{
        return (uint64_t)cookie.generation << 32 | (uint64_t)cookie.kind << 30 |
               (uint64_t)cookie.slot << 16 | cookie.part;
}

static inline struct cookie cookie_unpack(uint64_t packed)
{
        return (struct cookie){
                        .kind = (enum cookie_kind)(packed >> 30 & 3),
                        .slot = packed >> 16 & (COOKIE_SLOTS_MAX - 1),
                        .part = packed & (COOKIE_PARTS_MAX - 1),
                        .generation = (uint32_t)(packed >> 32),
        };
}
