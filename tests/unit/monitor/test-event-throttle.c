/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which events are limited, by what, and that the last word is never lost. */
#include <string.h>

#include "monitor/event-throttle.h"

#define INTERVAL_MS 50

static void on_message(void *opaque, JsonValue *message)
{
    g_string_append_printf(opaque, "%s ", json_object_get_string(message));
}

/* data: a JSON object, or NULL; the message is the number. */
static void send_event(EventThrottle *throttle, const char *name, const char *data, int number)
{
    g_autoptr(JsonValue) message = json_object_new_int64(number), value = NULL;
    g_autoptr(GError) err = NULL;

    if (data) {
        json_parse(data, strlen(data), &value, &err);
        g_assert_no_error(err);
    }
    event_throttle_send(throttle, name, value, message);
}

static void test_which(void)
{
    static const struct {
        const char *label, *name, *first, *second, *third, *at_once;
    } rows[] = {
        { "one flow", "RTC_CHANGE", "{\"offset\":1}", "{\"offset\":2}", "{\"offset\":3}", "1 " },
        { "watchdog", "WATCHDOG", "{\"action\":\"none\"}", "{\"action\":\"none\"}",
          "{\"action\":\"reset\"}", "1 " },
        { "by id", "VSERPORT_CHANGE", "{\"id\":\"a\"}", "{\"id\":\"b\"}", "{\"id\":\"a\"}",
          "1 2 " },
        { "by device", "BLOCK_IO_ERROR", "{\"qom-path\":\"/a\"}", "{\"qom-path\":\"/b\"}",
          "{\"qom-path\":\"/a\"}", "1 2 " },
        { "stop", "BLOCK_IO_ERROR", "{\"qom-path\":\"/a\",\"action\":\"stop\"}",
          "{\"qom-path\":\"/a\",\"action\":\"stop\"}",
          "{\"qom-path\":\"/a\",\"action\":\"report\"}", "1 2 3 " },
        { "no data", "BALLOON_CHANGE", NULL, NULL, NULL, "1 " },
        { "wrong data", "VSERPORT_CHANGE", "{\"id\":1}", "{}", "[]", "1 " },
        { "panic", "GUEST_PANICKED", "{}", "{}", "{}", "1 2 3 " },
        { "stop and cont", "STOP", NULL, NULL, NULL, "1 2 3 " },
        { "prefix", "RTC_CHANG", NULL, NULL, NULL, "1 2 3 " },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) log = g_string_new(NULL);
        EventThrottle *throttle = event_throttle_new(INTERVAL_MS, on_message, log);

        g_test_message("%s", rows[i].label);
        send_event(throttle, rows[i].name, rows[i].first, 1);
        send_event(throttle, rows[i].name, rows[i].second, 2);
        send_event(throttle, rows[i].name, rows[i].third, 3);
        g_assert_cmpstr(log->str, ==, rows[i].at_once);
        event_throttle_free(throttle);
    }
}

/*
 * The first at once, then the last of each interval, and after a quiet one the next at once. The
 * timer is all that the main loop has to wait for.
 */
static void test_flow(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    EventThrottle *throttle = event_throttle_new(INTERVAL_MS, on_message, log);

    for (int i = 1; i <= 100; i++) {
        send_event(throttle, "RTC_CHANGE", NULL, i);
    }
    g_assert_cmpstr(log->str, ==, "1 ");
    g_main_context_iteration(NULL, TRUE);
    g_assert_cmpstr(log->str, ==, "1 100 ");
    g_main_context_iteration(NULL, TRUE);
    g_assert_cmpstr(log->str, ==, "1 100 ");
    send_event(throttle, "RTC_CHANGE", NULL, 101);
    g_assert_cmpstr(log->str, ==, "1 100 101 ");
    send_event(throttle, "RTC_CHANGE", NULL, 102);
    event_throttle_free(throttle); /* with one waiting */
    g_usleep(2 * INTERVAL_MS * 1000);
    g_assert_false(g_main_context_iteration(NULL, FALSE));
    g_assert_cmpstr(log->str, ==, "1 100 101 ");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/event-throttle/which", test_which);
    g_test_add_func("/event-throttle/flow", test_flow);
    return g_test_run();
}
