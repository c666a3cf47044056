/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events that come faster than they are sent: the newest arrive, and others have their turns. */
#include "monitor/event-queue.h"

#define MANY 100000

typedef struct Client {
    EventQueue *queue;
    unsigned events, last;
    bool floods, others_ran;
} Client;

static JsonValue *number(unsigned n)
{
    JsonValue *data = json_object_new_object();

    json_object_object_add(data, "n", json_object_new_int64(n));
    return data;
}

static void on_event(void *opaque, const QapiEvent *event, JsonValue *data)
{
    Client *client = opaque;
    JsonValue *n;

    g_assert_true(event == &qapi_event_STOP);
    g_assert_true(json_object_object_get_ex(data, "n", &n));
    client->last = (unsigned)json_object_get_int64(n);
    client->events++;
    json_object_put(data);
    if (client->floods) {
        event_queue_post(client->queue, &qapi_event_STOP, number(0));
    }
}

static gboolean on_other(gpointer opaque)
{
    ((Client *)opaque)->others_ran = true;
    return G_SOURCE_REMOVE;
}

static gpointer post_many(gpointer opaque)
{
    for (unsigned i = 1; i <= MANY; i++) {
        event_queue_post(((Client *)opaque)->queue, &qapi_event_STOP, number(i));
    }
    return NULL;
}

static void test_bound(void)
{
    Client client = { 0 };

    client.queue = event_queue_new(on_event, &client);
    g_thread_join(g_thread_new("device", post_many, &client));
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    g_assert_cmpuint(client.events, ==, EVENT_QUEUE_MAX);
    g_assert_cmpuint(client.last, ==, MANY);
    event_queue_post(client.queue, &qapi_event_STOP, number(1));
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    g_assert_cmpuint(client.last, ==, 1);
    event_queue_free(client.queue);
}

static void test_turns(void)
{
    Client client = { .floods = true };

    client.queue = event_queue_new(on_event, &client);
    event_queue_post(client.queue, &qapi_event_STOP, number(1));
    g_idle_add_full(G_PRIORITY_DEFAULT, on_other, &client, NULL);
    for (unsigned i = 0; i < 10 && !client.others_ran; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_true(client.others_ran);
    event_queue_free(client.queue); /* with one that waits */
    g_assert_false(g_main_context_iteration(NULL, FALSE));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/event-queue/bound", test_bound);
    g_test_add_func("/event-queue/turns", test_turns);
    return g_test_run();
}
