/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory balloon, driven as a guest drives it, and asked as management software asks. */
#include <string.h>

#include "virtio.h"

#define F_STATS_VQ (1u << 1)
#define F_DEFLATE_ON_OOM (1u << 2)
#define F_REPORTING (1u << 5)
#define PAGE 4096u
enum { INFLATE, DEFLATE, STATS, REPORTING, NUM_QUEUES };

static const PciAddress card = { 0, 4 << 3 };

static Client *start(Driver *driver)
{
    static const char *const arguments[] = {
        "-device",
        "virtio-balloon,id=balloon0,addr=4,deflate-on-oom=on,free-page-reporting=on", NULL,
    };
    Client *c = client_start(client_program(), arguments);

    driver_start(driver, c, card, PCI_MMIO_BASE, F_STATS_VQ | F_DEFLATE_ON_OOM | F_REPORTING,
                 NUM_QUEUES);
    g_assert_cmphex(driver->features & 0xff, ==, F_STATS_VQ | F_DEFLATE_ON_OOM | F_REPORTING);
    return c;
}

static void assert_answer(Client *c, const char *command, const char *expected)
{
    g_autofree char *answer = client_qmp_try(c, "%s", command);

    g_test_message("%s: %s", command, answer);
    g_assert_nonnull(strstr(answer, expected));
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && !memcmp(page, page + 1, PAGE - 1);
}

static void test_pages(void)
{
    Driver driver;
    g_autoptr(Client) c = start(&driver);
    uint64_t numbers = client_alloc(c, PAGE), pages = client_alloc(c, 4 * PAGE);
    const uint32_t given[] = {
        GUINT32_TO_LE((uint32_t)(pages / PAGE) + 1), GUINT32_TO_LE(UINT32_MAX),
        GUINT32_TO_LE(0xfee00), GUINT32_TO_LE((uint32_t)(pages / PAGE) + 3), 0xffffffff,
    };
    const DriverBuffer request = { numbers, sizeof(given) - 1, false }; /* the last is cut short */
    const DriverBuffer nothing = { numbers, 1, false }, for_device = { numbers, 64, true };

    memset(c->ram + pages, 0x5a, 4 * PAGE);
    memcpy(c->ram + numbers, given, sizeof(given));
    g_assert_cmpuint(driver_run(&driver, &driver.queues[INFLATE], &request, 1), ==, 0);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(is_zero(c->ram + pages + i * PAGE), ==, i & 1);
    }
    driver_run(&driver, &driver.queues[DEFLATE], &request, 1);
    memset(c->ram + pages, 0x5a, 4 * PAGE); /* they are there again */
    driver_run(&driver, &driver.queues[INFLATE], &nothing, 1);
    driver_run(&driver, &driver.queues[INFLATE], &for_device, 1);
    g_assert_false(is_zero(c->ram + pages + PAGE));
    /* A report: of what is no whole page nothing is given back. */
    const DriverBuffer report[] = { { pages + 8, PAGE + 16, true }, { pages + PAGE, PAGE, true },
                                    { pages + 2 * PAGE + 1, 2 * PAGE - 1, true } };
    driver_run(&driver, &driver.queues[REPORTING], report, G_N_ELEMENTS(report));
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(is_zero(c->ram + pages + i * PAGE), ==, i & 1);
    }
    g_assert_cmphex(driver_status(&driver), ==, 0xf);
}

static void test_sizes(void)
{
    Driver driver;
    g_autoptr(Client) c = start(&driver);

    assert_answer(c, "{\"execute\":\"query-balloon\"}", "{\"actual\": 67108864}");
    g_free(client_qmp(c, "{\"execute\":\"balloon\",\"arguments\":{\"value\":50331648}}"));
    driver_wait_message(&driver, 0);
    g_assert_cmpuint(driver_config(&driver, 0, 4), ==, 4096);
    client_write(c, driver.config + 4, 4096, 4);
    g_autofree char *event = client_event(c, "BALLOON_CHANGE");
    g_assert_nonnull(strstr(event, "{\"actual\": 50331648}"));
    assert_answer(c, "{\"execute\":\"query-balloon\"}", "{\"actual\": 50331648}");
    client_write(c, driver.config + 4, UINT32_MAX, 4); /* more than there is */
    assert_answer(c, "{\"execute\":\"query-balloon\"}", "{\"actual\": 0}");
    g_free(client_qmp(c, "{\"execute\":\"balloon\",\"arguments\":{\"value\":1099511627776}}"));
    g_assert_cmpuint(driver_config(&driver, 0, 4), ==, 0);
    assert_answer(c, "{\"execute\":\"balloon\",\"arguments\":{\"value\":0}}", "expects a size");
    assert_answer(c, "{\"execute\":\"balloon\",\"arguments\":{\"value\":-5}}", "expects a size");
    assert_answer(c,
                  "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":"
                  "\"balloon 32\"}}",
                  "\"\"");
    g_assert_cmpuint(driver_config(&driver, 0, 4), ==, 8192);
    g_free(client_qmp(c, "{\"execute\":\"system_reset\"}"));
    assert_answer(c, "{\"execute\":\"query-balloon\"}", "{\"actual\": 67108864}");
}

#define STATISTICS                                                                      \
    "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/machine/peripheral/balloon0\"," \
    "\"property\":\"guest-stats\"}}"
#define INTERVAL(seconds)                                                               \
    "{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"/machine/peripheral/balloon0\"," \
    "\"property\":\"guest-stats-polling-interval\",\"value\":" seconds "}}"

static void put_stat(uint8_t *at, uint16_t tag, uint64_t value)
{
    tag = GUINT16_TO_LE(tag);
    value = GUINT64_TO_LE(value);
    memcpy(at, &tag, sizeof(tag));
    memcpy(at + 2, &value, sizeof(value));
}

static void test_statistics(void)
{
    Driver driver;
    g_autoptr(Client) c = start(&driver);
    uint64_t at = client_alloc(c, PAGE);
    const DriverBuffer buffer = { at, 30, false };
    DriverQueue *queue = &driver.queues[STATS];

    assert_answer(c, STATISTICS, "\"last-update\": 0");
    assert_answer(c, STATISTICS, "\"stat-free-memory\": 18446744073709551615");
    put_stat(c->ram + at, 4, 12345678);
    put_stat(c->ram + at + 10, 15, 77);
    put_stat(c->ram + at + 20, 4000, 1); /* of a later version of the specification */
    driver_add(&driver, queue, 0, &buffer, 1);
    driver_kick(&driver, queue);
    assert_answer(c, STATISTICS, "\"stat-free-memory\": 12345678");
    assert_answer(c, STATISTICS, "\"stat-direct-reclaims\": 77");
    g_assert_false(driver_is_idle(&driver, queue)); /* the device has it until it asks */
    g_free(client_qmp(c, INTERVAL("1")));
    driver_wait(&driver, queue);
    put_stat(c->ram + at, 4, 87654321);
    driver_add_again(&driver, queue, 0);
    driver_kick(&driver, queue);
    assert_answer(c, STATISTICS, "\"stat-free-memory\": 87654321");
    assert_answer(c, INTERVAL("-1"), "must be from 0");
    assert_answer(c, INTERVAL("99999999"), "must be from 0");
    g_free(client_qmp(c, INTERVAL("0")));
    g_free(client_qmp(c, "{\"execute\":\"system_reset\"}")); /* with a buffer of the guest's */
    assert_answer(c, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-balloon-pci\"}}",
                  "\"error\"");
}

static void test_one(void)
{
    static const char *const arguments[] = { "-device", "pcie-root-port,id=port1,chassis=1",
                                             "-device", "pcie-root-port,id=port2,chassis=2", NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    assert_answer(c, "{\"execute\":\"query-balloon\"}", "\"DeviceNotActive\"");
    assert_answer(c, "{\"execute\":\"balloon\",\"arguments\":{\"value\":1}}",
                  "\"DeviceNotActive\"");
    for (unsigned round = 0; round < 2; round++) {
        g_free(client_qmp(c, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":"
                             "\"virtio-balloon-pci-non-transitional\",\"id\":\"b\",\"bus\":\"port1\","
                             "\"guest-stats-polling-interval\":1}}"));
        assert_answer(c,
                      "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-balloon-pci\","
                      "\"bus\":\"port2\"}}",
                      "Only one balloon device is supported");
        g_free(client_qmp(c, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"b\"}}"));
        g_free(client_qmp(c, "{\"execute\":\"system_reset\"}"));
        g_free(client_event(c, "DEVICE_DELETED"));
        assert_answer(c, "{\"execute\":\"query-balloon\"}", "\"DeviceNotActive\"");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/balloon/pages", test_pages);
    g_test_add_func("/qtest/balloon/sizes", test_sizes);
    g_test_add_func("/qtest/balloon/statistics", test_statistics);
    g_test_add_func("/qtest/balloon/one", test_one);
    return g_test_run();
}
