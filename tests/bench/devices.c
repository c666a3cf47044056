/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What device emulation costs: 4 KiB reads of a virtio disk, and packets of 1,500 bytes out of and
 * into a virtio network card, driven over the qtest protocol by this one driver in turns against
 * each program named, with the same options. Rings are in memory that both sides map and one
 * notification tells of many requests, so that it is devices that are measured, not the protocol:
 * wall time, and the CPU time of the program.
 *
 * devices [--rounds=N] [--seconds=S] [--aio=MODE] [--cache=MODE] OURS [OTHER...]
 * Prints the median of all rounds, and ratios to the first program; fails if the first one needs
 * more CPU time than another.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../qtest/virtio.h"

#define BLOCK_SIZE 4096
#define IMAGE_SIZE (32 << 20)
#define FRAME_SIZE (14 + 1500)
#define FRAME_RECORD (4 + FRAME_SIZE) /* of -netdev stream */
#define NET_HEADER 12
#define BATCH 64
#define MAX_PROGRAMS 4
#define MAX_ROUNDS 31

typedef struct Cost {
    double wall_us, cpu_us; /* a request */
} Cost;

typedef struct Options {
    unsigned rounds;
    double seconds;
    const char *aio, *cache;
} Options;

typedef struct Bench {
    Client *client;
    Driver driver;
    int peer;           /* the network's other end */
    uint64_t data;      /* BATCH buffers of a page, headers, tables */
    unsigned next_block;
    uint8_t *frames;    /* BATCH records */
    char *image;        /* its path */
} Bench;

static double seconds_of(const struct timespec *t)
{
    return (double)t->tv_sec + (double)t->tv_nsec / 1e9;
}

static double cpu_seconds(pid_t pid)
{
    clockid_t clock;
    struct timespec now;

    g_assert_cmpint(clock_getcpuclockid(pid, &clock), ==, 0);
    g_assert_cmpint(clock_gettime(clock, &now), ==, 0);
    return seconds_of(&now);
}

static double wall_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return seconds_of(&now);
}

/* ---- One batch of each kind ---- */

static void drain_used(Bench *bench, DriverQueue *queue)
{
    while (driver_take_used(&bench->driver, queue, NULL) >= 0) {
        continue;
    }
}

static void read_blocks(Bench *bench)
{
    DriverQueue *queue = &bench->driver.queues[0];
    uint64_t headers = bench->data + BATCH * BLOCK_SIZE, tables = headers + BATCH * 32;

    for (unsigned i = 0; i < BATCH; i++) {
        uint64_t header = headers + 32 * i, sector;
        bench->next_block = (bench->next_block * 5 + 1) % (IMAGE_SIZE / BLOCK_SIZE);
        sector = GUINT64_TO_LE((uint64_t)bench->next_block * (BLOCK_SIZE / 512));
        memcpy(bench->client->ram + header + 8, &sector, sizeof(sector));
        bench->client->ram[header + 16] = 0xff;
        const DriverBuffer buffers[] = {
            { header, 16, false }, { bench->data + BLOCK_SIZE * i, BLOCK_SIZE, true },
            { header + 16, 1, true },
        };
        driver_add_indirect(&bench->driver, queue, (uint16_t)i, tables + 64 * i, buffers, 3);
    }
    driver_kick(&bench->driver, queue);
    driver_wait(&bench->driver, queue);
    drain_used(bench, queue);
    for (unsigned i = 0; i < BATCH; i++) {
        g_assert_cmpuint(bench->client->ram[headers + 32 * i + 16], ==, 0);
    }
}

static void receive_all(int fd, size_t size)
{
    static uint8_t data[1 << 20];

    while (size) {
        ssize_t got = recv(fd, data, MIN(size, sizeof(data)), 0);
        g_assert_cmpint(got, >, 0);
        size -= (size_t)got;
    }
}

static void send_frames(Bench *bench)
{
    DriverQueue *queue = &bench->driver.queues[1];

    for (unsigned i = 0; i < BATCH; i++) {
        const DriverBuffer buffer = { bench->data + BLOCK_SIZE * i, NET_HEADER + FRAME_SIZE,
                                      false };
        driver_add(&bench->driver, queue, (uint16_t)i, &buffer, 1);
    }
    driver_kick(&bench->driver, queue);
    receive_all(bench->peer, BATCH * (size_t)FRAME_RECORD);
    driver_wait(&bench->driver, queue);
    drain_used(bench, queue);
}

static void receive_frames(Bench *bench)
{
    DriverQueue *queue = &bench->driver.queues[0];
    size_t size = BATCH * (size_t)FRAME_RECORD, done = 0;

    for (unsigned i = 0; i < BATCH; i++) {
        const DriverBuffer buffer = { bench->data + BLOCK_SIZE * i, NET_HEADER + FRAME_SIZE, true };
        driver_add(&bench->driver, queue, (uint16_t)i, &buffer, 1);
    }
    driver_kick(&bench->driver, queue);
    while (done < size) {
        ssize_t sent = send(bench->peer, bench->frames + done, size - done, MSG_NOSIGNAL);
        g_assert_cmpint(sent, >, 0);
        done += (size_t)sent;
    }
    driver_wait(&bench->driver, queue);
    drain_used(bench, queue);
}

/* ---- Machines ---- */

/*
 * On a disk's file system, where images lie, and in its page cache: no device shall be waited for.
 */
static char *make_image(void)
{
    g_autofree char *bytes = g_malloc(IMAGE_SIZE);
    char *path = NULL;
    int fd = g_file_open_tmp("devices-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    memset(bytes, 0x5a, IMAGE_SIZE);
    g_assert_cmpint(write(fd, bytes, IMAGE_SIZE), ==, IMAGE_SIZE);
    close(fd);
    return path;
}

static void start_disk(Bench *bench, const char *program, const Options *options)
{
    bench->image = make_image();
    g_autofree char *drive = g_strdup_printf("file=%s,format=raw,if=none,id=disk0,cache=%s%s%s",
                                             bench->image, options->cache,
                                             options->aio ? ",aio=" : "",
                                             options->aio ? options->aio : "");
    const char *const arguments[] = { "-drive", drive, "-device",
                                      "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on", NULL };

    bench->client = client_new();
    client_launch(bench->client, program, arguments);
    driver_start(&bench->driver, bench->client, (PciAddress) { 0, 4 << 3 }, PCI_MMIO_BASE,
                 VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX, 1);
    bench->data = client_alloc(bench->client, BATCH * (BLOCK_SIZE + 32 + 64));
}

static bool wait_for_input(int fd, int ms)
{
    struct pollfd ready = { fd, POLLIN, 0 };

    return poll(&ready, 1, ms) == 1;
}

/* A program may think itself connected later than its peer does, and lose frames until then. */
static void wait_for_connection(Bench *bench)
{
    const struct timeval patience = { 30, 0 };
    const DriverBuffer buffer = { bench->data, NET_HEADER + FRAME_SIZE, false };
    uint8_t data[4096];

    do {
        driver_run(&bench->driver, &bench->driver.queues[1], &buffer, 1);
    } while (!wait_for_input(bench->peer, 200));
    while (wait_for_input(bench->peer, 50)) {
        g_assert_cmpint(recv(bench->peer, data, sizeof(data), 0), >, 0);
    }
    setsockopt(bench->peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static void start_card(Bench *bench, const char *program, const Options *options)
{
    const char *const arguments[] = {
        "-netdev", "stream,id=net0,server=off,addr.type=unix,addr.path=%D/net",
        "-device", "virtio-net-pci,netdev=net0,addr=4,disable-legacy=on,mac=52:54:00:12:34:56",
        NULL,
    };
    static const uint8_t head[] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1, 8, 0 };

    bench->client = client_new();
    int listener = client_listen(bench->client, "net");
    client_launch(bench->client, program, arguments);
    bench->peer = client_accept(bench->client, listener);
    driver_start(&bench->driver, bench->client, (PciAddress) { 0, 4 << 3 }, PCI_MMIO_BASE,
                 VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX, 2);
    bench->data = client_alloc(bench->client, BATCH * BLOCK_SIZE);
    wait_for_connection(bench);
    bench->frames = g_malloc0(BATCH * (size_t)FRAME_RECORD);
    for (unsigned i = 0; i < BATCH; i++) {
        uint8_t *record = bench->frames + i * (size_t)FRAME_RECORD;
        record[2] = FRAME_SIZE >> 8;
        record[3] = FRAME_SIZE & 0xff;
        memcpy(record + 4, head, sizeof(head));
    }
}

static void end(Bench *bench)
{
    client_end(bench->client);
    if (bench->frames) {
        close(bench->peer);
    }
    if (bench->image) {
        unlink(bench->image);
    }
    g_free(bench->image);
    g_free(bench->frames);
}

/* ---- Measuring ---- */

typedef struct Kind {
    const char *name;
    void (*start)(Bench *bench, const char *program, const Options *options);
    void (*batch)(Bench *bench);
} Kind;

static const Kind kinds[] = {
    { "4 KiB block read", start_disk, read_blocks },
    { "1,500-byte packet out", start_card, send_frames },
    { "1,500-byte packet in", start_card, receive_frames },
};

static Cost measure(const Kind *kind, const char *program, const Options *options)
{
    Bench bench = { .peer = -1 };
    unsigned count = 0;

    kind->start(&bench, program, options);
    for (unsigned i = 0; i < 50; i++) {
        kind->batch(&bench);
    }
    double wall = wall_seconds(), cpu = cpu_seconds(bench.client->pid), now;
    do {
        kind->batch(&bench);
        count += BATCH;
        now = wall_seconds();
    } while (now - wall < options->seconds);
    Cost cost = { (now - wall) / count * 1e6,
                  (cpu_seconds(bench.client->pid) - cpu) / count * 1e6 };
    end(&bench);
    return cost;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const Cost *costs, unsigned count, bool cpu)
{
    double values[MAX_ROUNDS];

    for (unsigned i = 0; i < count; i++) {
        values[i] = cpu ? costs[i].cpu_us : costs[i].wall_us;
    }
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

/* False: the first program is the slower one. */
static bool run_kind(const Kind *kind, const Options *options, char **programs,
                     unsigned num_programs)
{
    Cost costs[MAX_PROGRAMS][MAX_ROUNDS];
    bool ok = true;

    for (unsigned round = 0; round < options->rounds; round++) {
        for (unsigned p = 0; p < num_programs; p++) {
            costs[p][round] = measure(kind, programs[p], options);
        }
    }
    double cpu = median(costs[0], options->rounds, true),
           wall = median(costs[0], options->rounds, false);
    for (unsigned p = 0; p < num_programs; p++) {
        double other_cpu = median(costs[p], options->rounds, true),
               other_wall = median(costs[p], options->rounds, false);
        printf("%-22s %6.2f us of CPU time (%.2f of the first), %6.2f us of wall time (%.2f): %s\n",
               kind->name, other_cpu, other_cpu / cpu, other_wall, other_wall / wall, programs[p]);
        ok = ok && cpu <= other_cpu * 1.02; /* the measurement's own noise */
    }
    fflush(stdout);
    return ok;
}

int main(int argc, char **argv)
{
    Options options = { .rounds = 5, .seconds = 1, .cache = "writeback" };
    bool ok = true;
    int first = 1;

    for (; first < argc && g_str_has_prefix(argv[first], "--"); first++) {
        const char *value = strchr(argv[first], '=');
        value = value ? value + 1 : "";
        if (g_str_has_prefix(argv[first], "--rounds=")) {
            options.rounds = (unsigned)CLAMP(atoi(value), 1, MAX_ROUNDS);
        } else if (g_str_has_prefix(argv[first], "--seconds=")) {
            options.seconds = g_ascii_strtod(value, NULL);
        } else if (g_str_has_prefix(argv[first], "--aio=")) {
            options.aio = value;
        } else if (g_str_has_prefix(argv[first], "--cache=")) {
            options.cache = value;
        } else {
            fprintf(stderr, "devices: unknown option %s\n", argv[first]);
            return 2;
        }
    }
    if (first == argc || argc - first > MAX_PROGRAMS) {
        fprintf(stderr, "usage: devices [--rounds=N] [--seconds=S] [--aio=MODE] [--cache=MODE] "
                        "OURS [OTHER...]\n");
        return 2;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        ok = run_kind(&kinds[i], &options, argv + first, (unsigned)(argc - first)) && ok;
    }
    return ok ? 0 : 1;
}
