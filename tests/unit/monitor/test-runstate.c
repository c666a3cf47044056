/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest may cause at any rate is served in turn with everything else. */
#include "system/runstate.h"

typedef struct Machine {
    RunState *state;
    unsigned events;
    bool others_ran;
} Machine;

static bool on_reset(void *opaque)
{
    return true;
}

static void on_step(void *opaque)
{
}

/* A guest that tells of the next crash kernel before clients have heard of the last. */
static void on_event(void *opaque, const QapiEvent *event, JsonValue *data)
{
    Machine *m = opaque;

    json_object_put(data);
    m->events++;
    runstate_port()->guest_event(m->state, GUEST_EVENT_CRASH_LOADED);
}

static gboolean on_client(gpointer opaque)
{
    ((Machine *)opaque)->others_ran = true;
    return G_SOURCE_REMOVE;
}

static void test_flood(void)
{
    Machine m = { 0 };
    const RunStateHandlers handlers = { on_reset, on_step, on_step, on_step, on_event, &m };
    const RunStateActions actions = RUNSTATE_ACTIONS_DEFAULT;

    m.state = runstate_new(&handlers, &actions);
    for (unsigned i = 0; i < 1000; i++) {
        runstate_port()->guest_event(m.state, GUEST_EVENT_CRASH_LOADED);
    }
    g_idle_add_full(G_PRIORITY_DEFAULT, on_client, &m, NULL);
    for (unsigned i = 0; i < 50 && !m.others_ran; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_true(m.others_ran);
    g_assert_cmpuint(m.events, >=, 1);
    g_assert_cmpuint(m.events, <=, 50); /* one a turn, however many were asked for */
    while (g_source_remove_by_user_data(m.state)) {
    }
    runstate_free(m.state);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/runstate/flood", test_flood);
    return g_test_run();
}
