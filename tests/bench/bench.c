/* SPDX-License-Identifier: MIT */
#include "tests/bench/bench.h"

#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN_MAX 256
#define DIRECTORIES_MAX 256

static pid_t owner;
static pid_t children[CHILDREN_MAX];
static char *directories[DIRECTORIES_MAX];
static int n_directories;

/*
 * NOLINTBEGIN(bugprone-signal-handler): these also run on SIGINT, SIGTERM and SIGHUP, where nothing
 * here is safe by the letter. What they interrupt is a program that ends anyway; at worst it hangs
 * on a lock, and tests/bench/run kills it.
 */
static void empty_directory(const char *path)
{
        DIR *directory = opendir(path);
        struct dirent *entry;

        while (directory && (entry = readdir(directory))) {
                char child[4096];

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                                unlinkat(dirfd(directory), entry->d_name, 0) == 0) {
                        continue;
                }
                snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
                empty_directory(child); /* a spool */
        }
        if (directory) {
                closedir(directory);
        }
        rmdir(path);
}

/* Also registered before any fork, so a child runs it too and must do nothing. */
static void clean_up(void)
{
        if (getpid() != owner) {
                return;
        }
        for (int i = 0; i < CHILDREN_MAX; i++) {
                bench_kill(&children[i]);
        }
        for (int i = 0; i < n_directories; i++) {
                empty_directory(directories[i]);
                free(directories[i]);
        }
        n_directories = 0;
}

static void on_signal(int number)
{
        clean_up();
        _exit(128 + number);
}
/* NOLINTEND(bugprone-signal-handler) */

/* What is made and what is written down about it are not told apart by a signal. */
static void hold_signals(sigset_t *ret_before)
{
        sigset_t held;

        sigemptyset(&held);
        sigaddset(&held, SIGINT);
        sigaddset(&held, SIGTERM);
        sigaddset(&held, SIGHUP);
        sigprocmask(SIG_BLOCK, &held, ret_before);
}

void bench_start(void)
{
        owner = getpid();
        prctl(PR_SET_TIMERSLACK, 1);
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        signal(SIGHUP, on_signal);
        signal(SIGPIPE, SIG_IGN);
        atexit(clean_up);
}

void bench_die(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        exit(1);
}

void bench_nap(uint64_t ns)
{
        struct timespec nap = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

        nanosleep(&nap, NULL);
}

pid_t bench_fork(void)
{
        pid_t parent = getpid();
        int slot = 0;
        sigset_t before;
        pid_t pid;

        while (slot < CHILDREN_MAX && children[slot] != 0) {
                slot++;
        }
        if (slot == CHILDREN_MAX) {
                bench_die("more than %d processes", CHILDREN_MAX);
        }
        hold_signals(&before);
        pid = fork();
        if (pid < 0) {
                bench_die("no process: %m");
        }
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != parent) {
                        _exit(1);
                }
                signal(SIGINT, SIG_IGN); /* a terminal sends it to all; the parent decides */
                signal(SIGTERM, SIG_DFL);
                sigprocmask(SIG_SETMASK, &before, NULL);
                return 0;
        }
        children[slot] = pid;
        sigprocmask(SIG_SETMASK, &before, NULL);
        return pid;
}

void bench_kill(pid_t *pid)
{
        pid_t number = *pid;

        if (number <= 0) {
                return;
        }
        kill(number, SIGKILL);
        waitpid(number, NULL, 0);
        for (int i = 0; i < CHILDREN_MAX; i++) {
                if (children[i] == number) {
                        children[i] = 0;
                }
        }
        *pid = 0;
}

const char *bench_directory(void)
{
        const char *parent = getenv("TMPDIR");
        char path[BENCH_PATH_MAX];
        sigset_t before;

        if (n_directories == DIRECTORIES_MAX) {
                bench_die("more than %d directories", DIRECTORIES_MAX);
        }
        if (snprintf(path, sizeof(path), "%s/bench-XXXXXX", parent ? parent : "/tmp") >=
                        (int)sizeof(path) - 20) {
                bench_die("the name of $TMPDIR is too long");
        }
        hold_signals(&before);
        if (!mkdtemp(path)) {
                bench_die("%s: %m", path);
        }
        directories[n_directories] = strdup(path);
        n_directories++;
        sigprocmask(SIG_SETMASK, &before, NULL);
        return directories[n_directories - 1];
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a;
        uint64_t y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

int bench_connect_unix(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (strlen(path) >= sizeof(address.sun_path)) {
                bench_die("%s: too long", path);
        }
        strcpy(address.sun_path, path);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                bench_die("%s: %m", path);
        }
        return fd;
}

void bench_sort(uint64_t *samples, size_t n)
{
        qsort(samples, n, sizeof(*samples), compare);
}

uint64_t bench_percentile(const uint64_t *sorted, size_t n, double percent)
{
        size_t at = (size_t)((double)n * percent / 100);

        if (n == 0) {
                return 0;
        }
        return sorted[at < n ? at : n - 1];
}

uint64_t bench_cpu_ns(pid_t pid)
{
        clockid_t clock;
        struct timespec used = {0};

        if (clock_getcpuclockid(pid, &clock) == 0) {
                clock_gettime(clock, &used);
        }
        return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

uint64_t bench_memory_kib(pid_t pid, const char *name)
{
        char path[64];
        char line[256];
        unsigned long long kib = 0;
        size_t len = strlen(name);
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file)) {
                if (strncmp(line, name, len) == 0 && line[len] == ':') {
                        sscanf(line + len + 1, "%llu", &kib);
                }
        }
        if (file) {
                fclose(file);
        }
        return kib;
}
