/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Requests to an app under test, byte by byte as the test wants them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_COMMON "Host: 127.0.0.1\r\nConnection: close\r\n"
#define CLIENT_FORM "Content-Type: application/x-www-form-urlencoded\r\n"

int client_connect(uint16_t port);

/* Whether all of it went out; the other side may close before. */
bool client_send(int fd, const char *bytes, size_t n);

/* All until the other side closes, which requests ask for; to be freed with g_free(). */
char *client_read(int fd);

char *client_exchange(uint16_t port, const char *bytes, size_t n);

/* The same from somebody who then has nothing more to say. */
void client_hang_up(uint16_t port, const char *bytes, size_t n);

/* Of an answer; 0: it is none. */
int client_status(const char *answer);

/* Fails the test. */
void client_assert_has(const char *answer, const char *text);
void client_assert_lacks(const char *answer, const char *text);
