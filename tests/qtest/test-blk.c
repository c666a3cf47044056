/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-blk as a guest and a monitor's client see it together: queues with a thread of their own,
 * errors.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "virtio.h"

#define DISK_SIZE (1u << 20)
#define SECTOR 512
#define BATCH 64
enum { TYPE_IN = 0, TYPE_OUT = 1 };

static const PciAddress card = { 0, 4 << 3 };

typedef struct Disk {
    Client *c;
    Driver driver;
    uint64_t data, headers, tables; /* of BATCH requests */
} Disk;

static void drive(Disk *disk, PciAddress at, uint64_t base)
{
    driver_start(&disk->driver, disk->c, at, base, VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX |
                 1 << 9, 1);
}

/*
 * A disk whose sector n is full of bytes n, on a machine with these arguments more; not driven yet.
 */
static void launch(Disk *disk, const char *const *arguments)
{
    g_autofree uint8_t *bytes = g_malloc(DISK_SIZE);

    disk->c = client_new();
    for (unsigned i = 0; i < DISK_SIZE; i++) {
        bytes[i] = (uint8_t)(i / SECTOR);
    }
    client_make_file(disk->c, "disk", bytes, DISK_SIZE);
    client_launch(disk->c, client_program(), arguments);
    disk->data = client_alloc(disk->c, BATCH * SECTOR);
    disk->headers = client_alloc(disk->c, BATCH * 32);
    disk->tables = client_alloc(disk->c, BATCH * 64);
}

/* BATCH requests of a sector each, from the disk's first on. */
static void offer(Disk *disk, uint32_t type)
{
    uint8_t *ram = disk->c->ram;

    for (unsigned i = 0; i < BATCH; i++) {
        uint64_t header = disk->headers + 32 * i;
        const DriverBuffer buffers[] = {
            { header, 16, false }, { disk->data + SECTOR * i, SECTOR, type == TYPE_IN },
            { header + 16, 1, true },
        };
        memset(ram + header, 0, 16);
        ram[header] = (uint8_t)type;
        ram[header + 8] = (uint8_t)i;
        ram[header + 16] = 0xff;
        driver_add_indirect(&disk->driver, &disk->driver.queues[0], (uint16_t)i,
                            disk->tables + 64 * i, buffers, 3);
    }
    driver_kick(&disk->driver, &disk->driver.queues[0]);
}

static void check_read(Disk *disk)
{
    const uint8_t *ram = disk->c->ram;

    driver_wait(&disk->driver, &disk->driver.queues[0]);
    while (driver_take_used(&disk->driver, &disk->driver.queues[0], NULL) >= 0) {
        continue;
    }
    for (unsigned i = 0; i < BATCH; i++) {
        g_assert_cmpuint(ram[disk->headers + 32 * i + 16], ==, 0);
        g_assert_cmphex(ram[disk->data + SECTOR * i], ==, i);
    }
}

static void expect_error(Client *c, const char *command, const char *says)
{
    g_autofree char *answer = client_qmp_try(c, "%s", command);

    g_test_message("%s: %s", command, answer);
    g_assert_nonnull(strstr(answer, "\"error\""));
    g_assert_nonnull(strstr(answer, says));
}

/* ---- A thread for the queues ---- */

#define DRIVE "-drive", "file=%D/disk,format=raw,if=none,id=disk0"

static void test_iothread(void)
{
    static const char *const arguments[] = {
        "-object", "iothread,id=io0", DRIVE, "-device",
        "virtio-blk-pci,drive=disk0,addr=4,id=blk0,iothread=io0", NULL,
    };
    Disk disk;

    launch(&disk, arguments);
    drive(&disk, card, PCI_MMIO_BASE);
    for (unsigned round = 0; round < 20; round++) {
        offer(&disk, TYPE_IN);
        check_read(&disk);
        g_assert_cmpuint(driver_wait_message(&disk.driver, 1), ==, 2);
    }
    g_autofree char *threads = client_qmp(disk.c, "{\"execute\":\"query-iothreads\"}");
    g_assert_nonnull(strstr(threads, "\"id\": \"io0\""));
    expect_error(disk.c, "{\"execute\":\"object-del\",\"arguments\":{\"id\":\"io0\"}}", "io0");
    /* Stopped and continued, with requests under way */
    offer(&disk, TYPE_IN);
    g_free(client_qmp(disk.c, "{\"execute\":\"stop\"}"));
    g_free(client_qmp(disk.c, "{\"execute\":\"cont\"}"));
    check_read(&disk);
    /* Another size */
    g_free(client_qmp(
        disk.c,
        "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"disk0\",\"size\":%u}}",
        2 * DISK_SIZE));
    g_assert_cmpuint(driver_wait_message(&disk.driver, 0), ==, 1);
    g_assert_cmpuint(driver_config(&disk.driver, 0, 4), ==, 2 * DISK_SIZE / SECTOR);
    /* The machine is reset with requests under way; the guest begins anew. */
    offer(&disk, TYPE_IN);
    g_free(client_qmp(disk.c, "{\"execute\":\"system_reset\"}"));
    g_free(client_event(disk.c, "RESET"));
    drive(&disk, card, PCI_MMIO_BASE);
    offer(&disk, TYPE_IN);
    check_read(&disk);
    offer(&disk, TYPE_IN); /* and ends so */
    client_end(disk.c);
}

static void test_iothread_refused(void)
{
    static const char *const arguments[] = {
        "-object", "iothread,id=io0", "-object", "rng-builtin,id=rng0", "-device",
        "pcie-root-port,id=port1,chassis=1,addr=2", DRIVE, NULL,
    };
    static const struct {
        const char *properties, *says;
    } rows[] = {
        { "\"iothread\":\"none\"", "Device 'none' not found" },
        { "\"iothread\":\"rng0\"", "rng0" },
        { "\"iothread\":\"io0\",\"ioeventfd\":false", "ioeventfd is required for iothread" },
        { "\"iothread-vq-mapping\":[{\"iothread\":\"io0\"},{\"iothread\":\"io0\"}]",
          "one thread handles all queues" },
        { "\"iothread-vq-mapping\":[{\"iothread\":\"io0\",\"vqs\":[0]}]", "with vqs" },
        { "\"iothread-vq-mapping\":[]", "has 0 threads" },
        { "\"iothread-vq-mapping\":[{}]", "iothread" },
        { "\"iothread-vq-mapping\":[{\"iothread\":\"none\"}]", "Device 'none' not found" },
        { "\"iothread-vq-mapping\":[{\"iothread\":\"io0\"}],\"ioeventfd\":false",
          "ioeventfd is required for iothread" },
    };
    Disk disk;

    launch(&disk, arguments);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *command = g_strdup_printf(
            "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-blk-pci\",\"drive\":"
            "\"disk0\",\"bus\":\"port1\",%s}}",
            rows[i].properties);
        expect_error(disk.c, command, rows[i].says);
    }
    g_free(client_qmp(disk.c, "{\"execute\":\"object-del\",\"arguments\":{\"id\":\"io0\"}}"));
    client_end(disk.c);
}

/* ---- Errors ---- */

/* No file may be written from 4 KiB on: so the host refuses what a guest may. */
static void limit_files(const Disk *disk, bool limited)
{
    const struct rlimit limit = { limited ? 8 * SECTOR : RLIM_INFINITY, RLIM_INFINITY };

    g_assert_cmpint(prlimit(disk->c->pid, RLIMIT_FSIZE, &limit, NULL), ==, 0);
}

static void expect_status(const Disk *disk, const char *status, const char *io_status)
{
    g_autofree char *now = client_qmp(disk->c, "{\"execute\":\"query-status\"}");
    g_autofree char *block = client_qmp(disk->c, "{\"execute\":\"query-block\"}");
    g_autofree char *text = g_strdup_printf("\"status\": \"%s\"", status);
    g_autofree char *io_text = g_strdup_printf("\"io-status\": \"%s\"", io_status);

    g_assert_nonnull(strstr(now, text));
    g_assert_nonnull(strstr(block, io_text));
}

static void check_written(Disk *disk)
{
    g_autoptr(GByteArray) file = NULL;

    driver_wait(&disk->driver, &disk->driver.queues[0]);
    while (driver_take_used(&disk->driver, &disk->driver.queues[0], NULL) >= 0) {
        continue;
    }
    file = client_file(disk->c, "disk");
    for (unsigned i = 0; i < BATCH; i++) {
        g_assert_cmpuint(disk->c->ram[disk->headers + 32 * i + 16], ==, 0);
        g_assert_cmphex(file->data[i * SECTOR], ==, 0xa0 + i);
    }
}

/* The machine stops, and goes on when there is room again; in between the guest sees nothing. */
static void test_stop_on_error(gconstpointer data)
{
    const char *const arguments[] = {
        "-object", "iothread,id=io0", "-drive",
        "file=%D/disk,format=raw,if=none,id=disk0,werror=stop", "-device", data, NULL,
    };
    Disk disk;

    launch(&disk, arguments);
    drive(&disk, card, PCI_MMIO_BASE);
    for (unsigned i = 0; i < BATCH; i++) {
        memset(disk.c->ram + disk.data + SECTOR * i, (int)(0xa0 + i), SECTOR);
    }
    expect_status(&disk, "running", "ok");
    limit_files(&disk, true);
    offer(&disk, TYPE_OUT);
    for (unsigned round = 0; round < 2; round++) {
        g_autofree char *event = client_event(disk.c, "BLOCK_IO_ERROR");
        g_test_message("%s", event);
        g_assert_nonnull(strstr(event,
                                "\"qom-path\": \"/machine/peripheral/blk0/virtio-backend\""));
        g_assert_nonnull(strstr(event, "\"action\": \"stop\""));
        g_assert_nonnull(strstr(event, "\"operation\": \"write\""));
        g_assert_nonnull(strstr(event, "\"node-name\": \"disk0\""));
        g_assert_nonnull(strstr(event, "\"nospace\": false"));
        g_free(client_event(disk.c, "STOP"));
        expect_status(&disk, "io-error", "failed");
        g_assert_false(driver_is_idle(&disk.driver, &disk.driver.queues[0]));
        limit_files(&disk, round == 0); /* at first it fails again */
        g_free(client_qmp(disk.c, "{\"execute\":\"cont\"}"));
    }
    check_written(&disk);
    expect_status(&disk, "running", "ok");
    /* A reset does not wait: the guest that asked is gone. */
    limit_files(&disk, true);
    offer(&disk, TYPE_OUT);
    g_free(client_event(disk.c, "BLOCK_IO_ERROR"));
    g_free(client_qmp(disk.c, "{\"execute\":\"system_reset\"}"));
    g_free(client_event(disk.c, "RESET"));
    limit_files(&disk, false);
    g_free(client_qmp(disk.c, "{\"execute\":\"cont\"}"));
    drive(&disk, card, PCI_MMIO_BASE);
    offer(&disk, TYPE_OUT);
    check_written(&disk);
    client_end(disk.c);
}

/* What the guest had asked for is done when the machine has stopped; what it asks then is not. */
static void test_stop(gconstpointer data)
{
    const char *const arguments[] = {
        "-object", "iothread,id=io0", DRIVE, "-device", data, NULL,
    };
    Disk disk;

    launch(&disk, arguments);
    drive(&disk, card, PCI_MMIO_BASE);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < BATCH; i++) {
            memset(disk.c->ram + disk.data + SECTOR * i, (int)(0xa0 + i), SECTOR);
        }
        g_free(client_qmp(disk.c, "{\"execute\":\"stop\"}"));
        offer(&disk, TYPE_OUT);
        g_autofree char *state = client_qmp(disk.c, "{\"execute\":\"query-block\"}");
        g_assert_nonnull(strstr(state, "\"io-status\": \"ok\""));
        g_usleep(20 * 1000); /* for the thread, if there is one */
        g_autoptr(GByteArray) file = client_file(disk.c, "disk");
        for (unsigned i = 0; i < BATCH; i++) {
            g_assert_cmphex(file->data[i * SECTOR], ==, i);
        }
        g_assert_false(driver_is_idle(&disk.driver, &disk.driver.queues[0]));
        if (round == 0) { /* a reset forgets it */
            g_free(client_qmp(disk.c, "{\"execute\":\"system_reset\"}"));
            g_free(client_event(disk.c, "RESET"));
            g_free(client_qmp(disk.c, "{\"execute\":\"cont\"}"));
            drive(&disk, card, PCI_MMIO_BASE);
            offer(&disk, TYPE_IN);
            check_read(&disk);
        }
    }
    g_free(client_qmp(disk.c, "{\"execute\":\"cont\"}"));
    check_written(&disk);
    client_end(disk.c);
}

/* What is written ends with the machine; two machines share an image so. */
static void test_snapshot(void)
{
    static const char *const rows[][8] = {
        { "-drive", "file=%D/disk,format=raw,if=none,id=disk0,snapshot=on" },
        { "-snapshot", "-drive", "file=%D/disk,format=raw,if=none,id=disk0" },
        { "-drive", "file=%D/disk,if=none,id=disk0,snapshot=on,cache=none" },
    };

    for (unsigned row = 0; row < G_N_ELEMENTS(rows); row++) {
        const char *arguments[12] = { NULL };
        unsigned count = 0;
        Disk disk;

        for (; rows[row][count]; count++) {
            arguments[count] = rows[row][count];
        }
        arguments[count++] = "-device";
        arguments[count++] = "virtio-blk-pci,drive=disk0,addr=4,id=blk0";
        launch(&disk, arguments);
        drive(&disk, card, PCI_MMIO_BASE);
        g_autofree char *nodes = client_qmp(disk.c, "{\"execute\":\"query-named-block-nodes\"}");
        g_test_message("%s", nodes);
        g_assert_nonnull(strstr(nodes, "\"drv\": \"snapshot\", \"ro\": false"));
        offer(&disk, TYPE_IN);
        check_read(&disk);
        for (unsigned i = 0; i < BATCH; i++) {
            memset(disk.c->ram + disk.data + SECTOR * i, (int)(0xa0 + i), SECTOR);
        }
        offer(&disk, TYPE_OUT);
        driver_wait(&disk.driver, &disk.driver.queues[0]);
        memset(disk.c->ram + disk.data, 0, SECTOR * BATCH);
        offer(&disk, TYPE_IN);
        driver_wait(&disk.driver, &disk.driver.queues[0]);
        g_autoptr(GByteArray) file = client_file(disk.c, "disk");
        for (unsigned i = 0; i < BATCH; i++) {
            g_assert_cmpuint(disk.c->ram[disk.headers + 32 * i + 16], ==, 0);
            g_assert_cmphex(disk.c->ram[disk.data + SECTOR * i], ==, 0xa0 + i);
            g_assert_cmphex(file->data[i * SECTOR], ==, i);
        }
        client_end(disk.c);
    }
}

/* As many queues as the machine has vCPUs, unless the option says how many. */
static void test_queues(void)
{
    static const struct {
        const char *cpus, *properties;
        unsigned queues;
    } rows[] = {
        { "1", "", 1 }, { "3", "", 3 }, { "2", ",num-queues=1", 1 }, { "1", ",num-queues=4", 4 },
        { "300", "", 256 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *device = g_strdup_printf("virtio-blk-pci,drive=disk0,addr=4%s",
                                                  rows[i].properties);
        const char *const arguments[] = { "-smp", rows[i].cpus, DRIVE, "-device", device, NULL };
        Disk disk;

        g_test_message("%s vCPUs, %s", rows[i].cpus, device);
        launch(&disk, arguments);
        drive(&disk, card, PCI_MMIO_BASE);
        g_assert_cmpuint(driver_config(&disk.driver, 34, 2), ==, rows[i].queues); /* 5.2.4 */
        client_end(disk.c);
    }
}

/* What options say of sizes, a guest reads. Virtio 1.2, 5.2.4. */
static void test_sizes(void)
{
    static const struct {
        const char *properties;
        uint32_t block, exponent, min_io, opt_io, max_discard, alignment, max_zeroes;
    } rows[] = {
        { "", 512, 0, 1, 0, 8388607, 8, 131072 },
        { ",logical_block_size=4k", 4096, 0, 1, 0, 8388607, 8, 131072 },
        { ",physical_block_size=4096,opt_io_size=1M", 512, 3, 8, 2048, 8388607, 8, 131072 },
        { ",min_io_size=64k,discard_granularity=2M,max-discard-sectors=100,"
          "max-write-zeroes-sectors=7",
          512, 0, 128, 0, 100, 4096, 7 },
        { ",report-discard-granularity=off,request-merging=off,seg-max-adjust=off", 512, 0, 1, 0,
          8388607, 1, 131072 },
        { ",discard_granularity=0", 512, 0, 1, 0, 0, 0, 131072 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *device = g_strdup_printf("virtio-blk-pci,drive=disk0,addr=4%s",
                                                  rows[i].properties);
        const char *const arguments[] = { DRIVE ",discard=unmap", "-device", device, NULL };
        Disk disk;

        g_test_message("%s", device);
        launch(&disk, arguments);
        drive(&disk, card, PCI_MMIO_BASE);
        const struct {
            unsigned offset, size;
            uint32_t value;
        } fields[] = {
            { 20, 4, rows[i].block }, { 24, 1, rows[i].exponent }, { 26, 2, rows[i].min_io },
            { 28, 4, rows[i].opt_io }, { 36, 4, rows[i].max_discard },
            { 44, 4, rows[i].alignment }, { 48, 4, rows[i].max_zeroes },
        };
        for (unsigned f = 0; f < G_N_ELEMENTS(fields); f++) {
            g_test_message("at %u", fields[f].offset);
            g_assert_cmpuint(driver_config(&disk.driver, fields[f].offset, fields[f].size), ==,
                             fields[f].value);
        }
        client_end(disk.c);
    }
}

/* What the guest hears, and what monitors do. */
static void test_report_and_ignore(void)
{
    static const struct {
        const char *properties, *action;
        uint8_t status;
    } rows[] = {
        { "", "report", 1 }, { ",werror=report", "report", 1 }, { ",werror=ignore", "ignore", 0 },
        { ",werror=auto", "report", 1 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *device = g_strdup_printf("virtio-blk-pci,drive=disk0,addr=4,id=blk0%s",
                                                  rows[i].properties);
        const char *const arguments[] = { DRIVE, "-device", device, NULL };
        g_autofree char *action = g_strdup_printf("\"action\": \"%s\"", rows[i].action);
        Disk disk;

        g_test_message("%s", device);
        launch(&disk, arguments);
        drive(&disk, card, PCI_MMIO_BASE);
        limit_files(&disk, true);
        g_free(client_qmp(disk.c, "{\"execute\":\"query-status\"}"));
        offer(&disk, TYPE_OUT);
        g_autofree char *event = client_event(disk.c, "BLOCK_IO_ERROR");
        g_assert_nonnull(strstr(event, action));
        driver_wait(&disk.driver, &disk.driver.queues[0]);
        g_assert_cmpuint(disk.c->ram[disk.headers + 32 * (BATCH - 1) + 16], ==, rows[i].status);
        client_end(disk.c);
    }
}

/* ---- Who carries requests out ---- */

/* False: the host forbids io_uring, or its file system direct access; the program says so. */
static bool can_be_opened(const char *drive)
{
    g_autoptr(Client) c = client_new();
    g_autofree char *path = g_build_filename(c->directory, "disk", NULL), *output = NULL;
    char **parts = g_strsplit(drive, "%D/disk", 2);
    g_autofree char *real = g_strdup_printf("%s%s%s", parts[0], path, parts[1]);
    const char *const argv[] = {
        client_program(), "-display", "none", "-accel", "qtest", "-qtest", "stdio", "-drive", real,
        NULL,
    };
    int status;

    g_strfreev(parts);
    client_make_file(c, "disk", "", 0);
    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                               NULL, &output, &status, NULL));
    if (status && (strstr(output, "io_uring") || strstr(output, "Invalid argument"))) {
        g_test_skip(g_strdelimit(output, "\n", ' '));
        return false;
    }
    return true;
}

/* Each way, with as many system calls denied as management software denies. */
static void test_aio(gconstpointer data)
{
    const char *const arguments[] = {
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-object", "iothread,id=io0",
        "-drive", data, "-device", "virtio-blk-pci,drive=disk0,addr=4,id=blk0,iothread=io0", NULL,
    };
    Disk disk;

    if (!can_be_opened(data)) {
        return;
    }
    /* A sanitizer's search for leaks is a ptrace(2), which the sandbox denies. */
    g_setenv("ASAN_OPTIONS", "detect_leaks=0", TRUE);
    launch(&disk, arguments);
    g_unsetenv("ASAN_OPTIONS");
    drive(&disk, card, PCI_MMIO_BASE);
    for (unsigned round = 0; round < 5; round++) {
        offer(&disk, TYPE_IN);
        check_read(&disk);
    }
    for (unsigned i = 0; i < BATCH; i++) {
        memset(disk.c->ram + disk.data + SECTOR * i, (int)(0xa0 + i), SECTOR);
    }
    offer(&disk, TYPE_OUT);
    check_written(&disk);
    client_end(disk.c);
}

/* A disk that another process opened: its name is gone, and the program could not open it. */
static void test_fdset(void)
{
    static const struct {
        const char *label, *properties;
        int flags;
        const char *error; /* NULL: it works */
    } rows[] = {
        { "as it is", "", O_RDWR, NULL }, { "past the cache", ",cache=none", O_RDWR, NULL },
        { "read-only", ",readonly=on", O_RDONLY, NULL },
        { "not open for writing", "", O_RDONLY, "open for reading and writing" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup("/var/tmp/test-fdset-XXXXXX");
        g_autofree uint8_t *bytes = g_malloc0(DISK_SIZE);
        int made = g_mkstemp(path), fd = open(path, rows[i].flags); /* to be inherited */
        g_autofree char *add = g_strdup_printf("fd=%d,set=3", fd);
        g_autofree char *drive_ = g_strdup_printf("file=/dev/fdset/3,format=raw,if=none,id=disk0%s",
                                                  rows[i].properties);
        const char *const arguments[] = { "-add-fd", add, "-drive", drive_, "-device",
            "virtio-blk-pci,drive=disk0,addr=4", NULL };
        Disk disk;

        g_test_message("%s", rows[i].label);
        for (unsigned n = 0; n < DISK_SIZE; n++) {
            bytes[n] = (uint8_t)(n / SECTOR);
        }
        g_assert_cmpint(write(made, bytes, DISK_SIZE), ==, DISK_SIZE);
        unlink(path);
        if (rows[i].error) {
            const char *const argv[] = { client_program(), "-display", "none", "-accel", "qtest",
                "-add-fd", add, "-drive", drive_, NULL };
            g_autofree char *output = NULL;
            g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                                       NULL, NULL, NULL, &output, NULL, NULL));
            g_assert_nonnull(strstr(output, rows[i].error));
        } else {
            launch(&disk, arguments);
            drive(&disk, card, PCI_MMIO_BASE);
            offer(&disk, TYPE_IN);
            check_read(&disk);
            client_end(disk.c);
        }
        close(made);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/blk/iothread", test_iothread);
    g_test_add_func("/qtest/blk/iothread-refused", test_iothread_refused);
    g_test_add_data_func("/qtest/blk/stop-on-error", "virtio-blk-pci,drive=disk0,addr=4,id=blk0",
                         test_stop_on_error);
    g_test_add_data_func("/qtest/blk/stop-on-error-thread",
                         "virtio-blk-pci,drive=disk0,addr=4,id=blk0,iothread=io0",
                         test_stop_on_error);
    g_test_add_data_func("/qtest/blk/stop", "virtio-blk-pci,drive=disk0,addr=4,id=blk0", test_stop);
    g_test_add_data_func("/qtest/blk/stop-thread",
                         "virtio-blk-pci,drive=disk0,addr=4,id=blk0,iothread=io0", test_stop);
    g_test_add_func("/qtest/blk/snapshot", test_snapshot);
    g_test_add_func("/qtest/blk/queues", test_queues);
    g_test_add_func("/qtest/blk/sizes", test_sizes);
    g_test_add_func("/qtest/blk/report-and-ignore", test_report_and_ignore);
    g_test_add_func("/qtest/blk/fdset", test_fdset);
    static const char *const drives[] = {
        "file=%D/disk,format=raw,if=none,id=disk0,aio=threads",
        "file=%D/disk,format=raw,if=none,id=disk0,aio=io_uring",
        "file=%D/disk,format=raw,if=none,id=disk0,cache=none",
        "file=%D/disk,format=raw,if=none,id=disk0,cache=none,aio=native",
        "file=%D/disk,format=raw,if=none,id=disk0,cache=none,aio=io_uring,werror=stop",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(drives); i++) {
        g_autofree char *path = g_strdup_printf("/qtest/blk/aio/%u", i);
        g_test_add_data_func(path, drives[i], test_aio);
    }
    return g_test_run();
}
