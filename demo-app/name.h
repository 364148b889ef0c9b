/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Names of people and folders: what is a valid one. A person's name is part of URLs, keys and tags,
 * so it is plain; a folder's name is any text that fits on a line.
 */
#include <stdbool.h>
#include <stddef.h>

#define NAME_PERSON_MAX 32 /* bytes */
#define NAME_FOLDER_MAX 64 /* bytes of UTF-8 */

/**
 * name_is_person() - whether a text is a person's name: a letter, then letters, digits and
 * hyphens, all lower case
 */
bool name_is_person(const char *name);

/**
 * name_is_folder() - whether a text is a folder's name: valid UTF-8 without control
 * characters, not only blanks
 */
bool name_is_folder(const char *name);
