/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The hosts of a benchmark: network namespaces that somebody else has made (tests/bench/suite.py,
 * with the lab's hub between them). Without any, all processes are on this host and use its
 * loopback.
 */
#include <stdbool.h>

#define HOSTS_MAX 16
#define HOST_ADDRESS_SIZE 16 /* "255.255.255.255" */

struct host {
        char namespace[64]; /* a file below /proc; "": this process' own */
        char address[HOST_ADDRESS_SIZE];
};

struct hosts {
        unsigned n; /* 0: everything is on this host */
        struct host hosts[HOSTS_MAX];
};

/* "FILE=ADDRESS,FILE=ADDRESS,..."; false: it is not. */
bool hosts_parse(const char *text, struct hosts *ret_hosts);

/* The i-th host, or loopback. It is borrowed from @hosts, or constant. */
const struct host *hosts_at(const struct hosts *hosts, unsigned i);

/**
 * host_enter() - this thread's next sockets and children are on that host
 * host_leave() - and from now on on its own again
 *
 * Not nested; for one thread. They end the program if the kernel refuses.
 */
void host_enter(const struct host *host);
void host_leave(void);
