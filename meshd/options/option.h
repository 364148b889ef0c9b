/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The options of meshd: one table of names, limits, defaults and help, and what a valid value of
 * each is. From where values come, and which of them go together, is config.c's business.
 */
#include "meshd/options/config.h"

enum option_kind {
        OPTION_TEXT,      /* max: bytes */
        OPTION_NAME,      /* the same, printable, not empty */
        OPTION_NUMBER,    /* min to max */
        OPTION_POWER,     /* the same, and a power of two */
        OPTION_SWITCH,    /* on or off */
        OPTION_SET,       /* a flag without a value; in the environment: on or off */
        OPTION_LISTEN,    /* ADDRESS:PORT */
        OPTION_ADVERTISE, /* the same, repeatable */
        OPTION_PEER,      /* HOST:PORT, repeatable */
        OPTION_DNS,       /* NAME or NAME:PORT, repeatable */
        OPTION_SERVER,    /* ADDRESS:PORT to ask, loopback or not */
        OPTION_GROUP,     /* a multicast address */
        OPTION_LEVEL,
};

struct option {
        const char *flag;
        enum option_kind kind;
        size_t offset;
        uint64_t max;
        uint64_t min;
        const char *fallback; /* NULL: found otherwise, see config_load() */
        const char *value;
        const char *help;
};

/* One value, and where it came from, for messages. */
struct option_source {
        const char *label; /* "--name" or "MESHD_NAME" */
        const char *text;
        struct fault *fault;
};

extern const struct option options[];
extern const size_t n_options;

/* NULL: there is none of this name. */
const struct option *option_find(const char *name);

/* The one whose name is most like this one. */
const struct option *option_nearest(const char *name);

/* May it be given more than once? */
bool option_is_list(const struct option *option);

/**
 * option_set() - read a value into the configuration
 * @config: what was set before counts: which addresses are possible depends on the key
 * @source: borrowed for the call
 *
 * Blocks while a host name is looked up.
 *
 * Return: 0, or -EINVAL with the fault of @source.
 */
int option_set(struct config *config, const struct option *option,
                const struct option_source *source);

/* Fill the fault of @source. Return: -EINVAL. */
int option_refuse(const struct option_source *source, const char *why);
