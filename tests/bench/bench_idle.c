/* SPDX-License-Identifier: MIT */
/*
 * What a mesh of N costs: how long it takes until nodes that start at once all see each other live,
 * how long until one more has joined, and then what it costs to be idle, as processor and memory of
 * one meshd. All of them are real processes with default timers. The first one that was started is
 * not measured: all others met through it. Memory is that of the process without its shared page,
 * which is as large as --key-slots and its like say, and is touched only where stamps are.
 */
#include "tests/bench/mesh.h"

#include <stdlib.h>

#define SETTLE_NS UINT64_C(3000000000)

static struct mesh mesh;

static uint64_t take(const struct mesh_node *node)
{
        return bench_cpu_ns(node->pid);
}

int main(int argc, char **argv)
{
        unsigned n_peers = argc > 3 ? (unsigned)atoi(argv[3]) : 50;
        double seconds = argc > 4 ? atof(argv[4]) : 10;
        const struct mesh_node *node;
        uint64_t cpu_ns, begin_ns, whole_ns, join_ns, all_ns = 0;
        double elapsed;

        bench_start();
        if (argc < 3 || n_peers < 1 || n_peers >= MESH_NODES_MAX) {
                bench_die("usage: bench_idle MESHD MESHCTL [PEERS [SECONDS]]");
        }
        begin_ns = bench_now_ns();
        mesh_start(&mesh, n_peers, argv[1], argv[2], NULL, NULL);
        whole_ns = bench_now_ns() - begin_ns;
        bench_nap(SETTLE_NS);
        begin_ns = bench_now_ns();
        mesh_join(&mesh);
        join_ns = bench_now_ns() - begin_ns;
        bench_nap(SETTLE_NS);
        node = &mesh.nodes[n_peers];
        begin_ns = bench_now_ns();
        cpu_ns = take(node);
        for (unsigned i = 0; i <= n_peers; i++) {
                all_ns -= take(&mesh.nodes[i]);
        }
        bench_nap((uint64_t)(seconds * 1e9));
        cpu_ns = take(node) - cpu_ns;
        for (unsigned i = 0; i <= n_peers; i++) {
                all_ns += take(&mesh.nodes[i]);
        }
        elapsed = (double)(bench_now_ns() - begin_ns);
        printf("{\"peers\": %u, \"seconds\": %.1f, \"whole_s\": %.2f, \"join_s\": %.2f, "
               "\"cpu_percent\": %.3f, "
               "\"cpu_percent_mean_of_all\": %.3f, \"rss_kib\": %llu, \"shmem_kib\": %llu, "
               "\"private_kib\": %llu}\n",
                        n_peers, elapsed / 1e9, (double)whole_ns / 1e9, (double)join_ns / 1e9,
                        100 * (double)cpu_ns / elapsed,
                        100 * (double)all_ns / elapsed / (n_peers + 1),
                        (unsigned long long)bench_memory_kib(node->pid, "Rss"),
                        (unsigned long long)bench_memory_kib(node->pid, "Pss_Shmem"),
                        (unsigned long long)bench_memory_kib(node->pid, "Pss_Anon"));
        return 0;
}
