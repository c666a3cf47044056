/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP sessions and the run state, driven by the text of requests. */
#include <string.h>

#include "monitor/monitor.h"
#include "target/i386/kvm/tdx-guest-object.h"

typedef struct Fixture {
    RunState *runstate;
    QomObject *objects;
    QapiContext context;
    QmpSession *session;
    GString *log; /* what the session sent, what the vCPUs were told, what events there were */
    TdxTd *td;
    bool reset_fails;
} Fixture;

static void note(Fixture *f, const char *text)
{
    g_string_append_printf(f->log, "%s ", text);
}

static bool on_reset(void *opaque)
{
    Fixture *f = opaque;

    note(f, "(reset)");
    return !f->reset_fails;
}

static void on_pause(void *opaque)
{
    note(opaque, "(pause)");
}

static void on_resume(void *opaque)
{
    note(opaque, "(resume)");
}

static void on_power_button(void *opaque)
{
    note(opaque, "(button)");
}

static void on_event(void *opaque, const QapiEvent *event, JsonValue *data)
{
    g_autoptr(JsonValue) owned G_GNUC_UNUSED = data;
    g_autofree char *text = data ? json_format(data) : g_strdup("");
    g_autofree char *line = g_strconcat(event->name, text, NULL);
    g_autoptr(GError) err = NULL;

    /* What is sent is what the schema says. */
    g_assert_true(event->data ? qapi_check(event->data, data, "data", &err) : !data);
    g_assert_no_error(err);
    note(opaque, line);
}

static void on_output(void *opaque, const char *line, bool is_event)
{
    note(opaque, line);
}

static const QomType *const types[] = { &qom_object_type, &qom_container_type, &tdx_guest_type,
                                        NULL };

static void set_up(Fixture *f, bool no_reboot, bool no_shutdown)
{
    RunStateHandlers handlers = { on_reset, on_pause, on_resume, on_power_button, on_event, f };
    RunStateActions actions = RUNSTATE_ACTIONS_DEFAULT;
    static const char *const containers[] = { "objects", NULL };

    actions.reboot = no_reboot ? QAPI_REBOOT_ACTION_SHUTDOWN : actions.reboot;
    actions.shutdown = no_shutdown ? QAPI_SHUTDOWN_ACTION_PAUSE : actions.shutdown;
    f->log = g_string_new(NULL);
    f->runstate = runstate_new(&handlers, &actions);
    f->objects = qom_root_new(types, containers);
    f->context = (QapiContext){ .machine = "pc-q35-11.1", .objects = f->objects,
                                .runstate = f->runstate, .td = &f->td };
    f->session = qmp_session_new(qapi_commands, &f->context, on_output, f);
}

static void tear_down(Fixture *f)
{
    qmp_session_free(f->session);
    runstate_free(f->runstate);
    qom_object_unref(f->objects);
    g_string_free(f->log, TRUE);
}

static void feed(Fixture *f, const char *text)
{
    qmp_session_feed(f->session, (const uint8_t *)text, strlen(text));
    while (g_main_context_iteration(NULL, FALSE)) {
        continue;
    }
}

#define COMMAND(name) "{'execute': '" name "'}"
#define OK "{\"return\": {}} "
#define ERROR(class, text) "{\"error\": {\"class\": \"" class "\", \"desc\": \"" text "\"}} "
#define GENERIC(text) ERROR("GenericError", text)

/* After the negotiation. */
static const struct {
    const char *label, *input, *log;
    bool no_reboot, no_shutdown;
} rows[] = {
    { "status", COMMAND("query-status"),
      "{\"return\": {\"running\": false, \"status\": \"prelaunch\"}} " },
    { "id", "{'id': {'a': [1, -2.5, null]}, 'execute': 'query-target'}",
      "{\"return\": {\"arch\": \"x86_64\"}, \"id\": {\"a\": [1, -2.5, null]}} " },
    { "null-id", "{'id': null, 'execute': 'stop'}", "{\"return\": {}, \"id\": null} " },
    { "error-id", "{'id': 7, 'execute': 'zz'}",
      "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command zz has not been "
      "found\"}, \"id\": 7} " },
    { "cont", COMMAND("cont"), "RESUME (resume) " OK },
    { "cont-twice", COMMAND("cont") COMMAND("cont"), "RESUME (resume) " OK OK },
    { "stop", COMMAND("cont") COMMAND("stop") COMMAND("stop") COMMAND("query-status"),
      "RESUME (resume) " OK "(pause) STOP " OK OK "{\"return\": {\"running\": false, \"status\": "
                                                  "\"paused\"}} " },
    { "reset-running", COMMAND("cont") COMMAND("system_reset"),
      "RESUME (resume) " OK OK "(reset) RESET{\"guest\": false, \"reason\": "
                               "\"host-qmp-system-reset\"} (resume) " },
    { "reset-prelaunch", COMMAND("system_reset"),
      OK "(reset) RESET{\"guest\": false, \"reason\": \"host-qmp-system-reset\"} " },
    { "reset-no-reboot", COMMAND("system_reset"),
      OK "SHUTDOWN{\"guest\": false, \"reason\": \"host-qmp-system-reset\"} ",
      .no_reboot = true },
    { "reset-no-reboot-no-shutdown", COMMAND("cont") COMMAND("system_reset"),
      "RESUME (resume) " OK OK "SHUTDOWN{\"guest\": false, \"reason\": \"host-qmp-system-reset\"} "
                               "(pause) STOP ", true, true },
    { "powerdown", COMMAND("system_powerdown"), "(button) POWERDOWN " OK },
    { "quit", COMMAND("quit"), "SHUTDOWN{\"guest\": false, \"reason\": \"host-qmp-quit\"} " OK },
    { "quit-no-shutdown", COMMAND("quit"),
      "SHUTDOWN{\"guest\": false, \"reason\": \"host-qmp-quit\"} " OK, false, true },
    { "unknown", COMMAND("zz"), ERROR("CommandNotFound", "The command zz has not been found") },
    { "again", COMMAND("qmp_capabilities"),
      ERROR("CommandNotFound", "Capabilities negotiation is already complete, command ignored") },
    { "no-object", "[]", GENERIC("QMP input must be a JSON object") },
    { "no-execute", "{}", GENERIC("QMP input lacks member 'execute'") },
    { "execute-number", "{'execute': 1}", GENERIC("QMP input member 'execute' must be a string") },
    { "arguments-array", "{'execute': 'stop', 'arguments': []}",
      GENERIC("QMP input member 'arguments' must be an object") },
    { "exec-oob", "{'exec-oob': 'stop'}", GENERIC("QMP input member 'exec-oob' is unexpected") },
    { "extra-argument", "{'execute': 'stop', 'arguments': {'x': 1}}",
      GENERIC("Parameter 'x' is unexpected") },
    { "missing-argument", "{'execute': 'qom-get', 'arguments': {'path': '/'}}",
      GENERIC("Parameter 'property' is missing") },
    { "argument-type", "{'execute': 'qom-list', 'arguments': {'path': true}}",
      GENERIC("Invalid parameter type for 'path', expected: string") },
    { "argument-null", "{'execute': 'qom-list', 'arguments': {'path': null}}",
      GENERIC("Invalid parameter type for 'path', expected: string") },
    { "argument-enum", "{'execute': 'set-action', 'arguments': {'panic': 'zz'}}",
      GENERIC("Parameter 'panic' does not accept value 'zz'\\n"
              "Known: pause, shutdown, exit-failure, none") },
    { "argument-bool", "{'execute': 'qom-list-types', 'arguments': {'abstract': 'on'}}",
      GENERIC("Invalid parameter type for 'abstract', expected: boolean") },
    { "union-missing", "{'execute': 'object-add', 'arguments': {'qom-type': 'tdx-guest'}}",
      GENERIC("Parameter 'id' is missing") },
    { "union-u64", "{'execute': 'object-add', 'arguments': {'qom-type': 'tdx-guest', 'id': 'a', "
                   "'attributes': -1}}",
      GENERIC("Parameter 'attributes' expects uint64") },
    { "union-text", "{'execute': 'object-add', 'arguments': {'qom-type': 'tdx-guest', 'id': 'a', "
                    "'attributes': '1'}}",
      GENERIC("Invalid parameter type for 'attributes', expected: integer") },
    { "text-between", "foo\n" COMMAND("stop"),
      GENERIC("1:32: JSON parse error, invalid keyword 'foo'") OK },
    { "back-in-step", "{'execute': ['stop'\x01" COMMAND("stop"),
      GENERIC("1:51: JSON parse error, message thrown away at a control byte") OK },
};

static void test_row(gconstpointer data)
{
    unsigned i = GPOINTER_TO_UINT(data);
    Fixture f = { 0 };

    set_up(&f, rows[i].no_reboot, rows[i].no_shutdown);
    qmp_session_start(f.session);
    feed(&f, COMMAND("qmp_capabilities"));
    g_string_truncate(f.log, 0);
    feed(&f, rows[i].input);
    g_assert_cmpstr(f.log->str, ==, rows[i].log);
    tear_down(&f);
}

static void test_negotiation(void)
{
    Fixture f = { 0 };

    set_up(&f, false, false);
    qmp_session_start(f.session);
    g_assert_true(g_str_has_prefix(f.log->str, "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 11, "
                                               "\"minor\": 1, \"micro\": "));
    g_assert_nonnull(strstr(f.log->str, "\"capabilities\": [\"oob\"]"));
    for (unsigned client = 0; client < 2; client++) {
        g_string_truncate(f.log, 0);
        qmp_session_event(f.session, "early");
        feed(&f, COMMAND("query-status"));
        feed(&f, "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['zz']}}");
        feed(&f, COMMAND("qmp_capabilities"));
        qmp_session_event(f.session, "late");
        g_assert_cmpstr(f.log->str, ==,
                        ERROR("CommandNotFound",
                              "Expecting capabilities negotiation with 'qmp_capabilities'")
                            GENERIC("Parameter 'enable[0]' does not accept value 'zz'\\nKnown: oob") OK "late ");
        /* A new client finds nothing of the one before, not even half a message. */
        feed(&f, "{'execute': ");
        qmp_session_start(f.session);
    }
    tear_down(&f);
}

static const char panicked[] =
    "GUEST_PANICKED{\"action\": \"%s\", \"info\": {\"type\": \"tdx\", \"error-code\": 4294967295, "
    "\"message\": \"oh\\\"\", \"gpa\": 18446744073709547520}} ";

/* What follows the event, and the program's exit status; -1: it goes on. */
static const struct {
    const char *label, *action, *after;
    QapiPanicAction panic;
    bool no_shutdown;
    int status;
    QapiRunState state;
} panics[] = {
    { "default", "poweroff", "(pause) STOP SHUTDOWN{\"guest\": true, \"reason\": \"guest-panic\"} ",
      QAPI_PANIC_ACTION_SHUTDOWN,
      false, 0, QAPI_RUN_STATE_GUEST_PANICKED },
    { "exit-failure", "poweroff",
      "(pause) STOP SHUTDOWN{\"guest\": true, \"reason\": \"guest-panic\"} ",
      QAPI_PANIC_ACTION_EXIT_FAILURE, false, 1, QAPI_RUN_STATE_GUEST_PANICKED },
    { "pause", "pause", "(pause) STOP ", QAPI_PANIC_ACTION_PAUSE, false, -1,
      QAPI_RUN_STATE_GUEST_PANICKED },
    { "no-shutdown", "pause", "(pause) STOP ", QAPI_PANIC_ACTION_SHUTDOWN, true, -1,
      QAPI_RUN_STATE_GUEST_PANICKED },
    { "none", "run", "", QAPI_PANIC_ACTION_NONE, false, -1, QAPI_RUN_STATE_RUNNING },
};

static void test_panic(gconstpointer data)
{
    unsigned i = GPOINTER_TO_UINT(data);
    Fixture f = { 0 };
    g_autoptr(GString) expected = g_string_new(panicked);

    set_up(&f, false, panics[i].no_shutdown);
    runstate_actions(f.runstate)->panic = panics[i].panic;
    g_assert_true(runstate_cont(f.runstate, NULL));
    g_string_truncate(f.log, 0);
    runstate_port()->guest_panicked(f.runstate, UINT32_MAX, "oh\"", true, UINT64_MAX - 4095);
    if (panics[i].status >= 0) {
        g_assert_cmpint(runstate_loop(f.runstate), ==, panics[i].status);
    } else {
        feed(&f, "");
    }
    g_string_replace(expected, "%s", panics[i].action, 1);
    g_string_append(expected, panics[i].after);
    g_assert_cmpstr(f.log->str, ==, expected->str);
    g_assert_cmpint(runstate_get(f.runstate), ==, panics[i].state);
    g_assert_true(runstate_cont(f.runstate, NULL) == (panics[i].state == QAPI_RUN_STATE_RUNNING));
    tear_down(&f);
}

static void test_guest_requests(void)
{
    Fixture f = { 0 };

    set_up(&f, false, true);
    runstate_cont(f.runstate, NULL);
    g_string_truncate(f.log, 0);
    runstate_port()->shutdown(f.runstate, SHUTDOWN_GUEST_SHUTDOWN);
    feed(&f, "");
    g_assert_cmpstr(f.log->str, ==,
                    "SHUTDOWN{\"guest\": true, \"reason\": \"guest-shutdown\"} (pause) STOP ");
    g_assert_cmpint(runstate_get(f.runstate), ==, QAPI_RUN_STATE_SHUTDOWN);
    g_string_truncate(f.log, 0);
    runstate_port()->reset(f.runstate, SHUTDOWN_GUEST_RESET);
    feed(&f, "");
    g_assert_cmpstr(f.log->str, ==, "(reset) RESET{\"guest\": true, \"reason\": \"guest-reset\"} ");
    g_assert_cmpint(runstate_get(f.runstate), ==, QAPI_RUN_STATE_PRELAUNCH);
    runstate_port()->internal_error(f.runstate, "an error for the test");
    feed(&f, "");
    g_assert_cmpint(runstate_get(f.runstate), ==, QAPI_RUN_STATE_INTERNAL_ERROR);
    tear_down(&f);
}

static void test_failures(void)
{
    Fixture f = { .reset_fails = true };

    set_up(&f, false, false);
    runstate_port()->reset(f.runstate, SHUTDOWN_GUEST_RESET);
    g_assert_cmpint(runstate_loop(f.runstate), ==, 1);
    g_assert_cmpstr(f.log->str, ==,
                    "(reset) SHUTDOWN{\"guest\": false, \"reason\": \"host-error\"} ");
    tear_down(&f);
    f = (Fixture){ 0 };
    set_up(&f, false, false);
    runstate_port()->internal_error(f.runstate, "an error for the test");
    g_assert_cmpint(runstate_loop(f.runstate), ==, 1);
    tear_down(&f);
}

/* The schema is readable, and the command table is in order. */
static void test_schema(void)
{
    for (const char *const *text = qapi_schema; *text; text++) {
        g_autoptr(JsonValue) entry = NULL;
        g_assert_true(json_parse(*text, strlen(*text), &entry, NULL));
        g_assert_nonnull(json_member_string(entry, "name"));
        g_assert_nonnull(json_member_string(entry, "meta-type"));
    }
    for (const QapiCommand *command = qapi_commands; command->name; command++) {
        g_assert_true(!command[1].name || strcmp(command->name, command[1].name) < 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/qmp/session/", rows[i].label, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_row);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(panics); i++) {
        g_autofree char *path = g_strconcat("/qmp/panic/", panics[i].label, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_panic);
    }
    g_test_add_func("/qmp/negotiation", test_negotiation);
    g_test_add_func("/qmp/guest-requests", test_guest_requests);
    g_test_add_func("/qmp/failures", test_failures);
    g_test_add_func("/qmp/schema", test_schema);
    return g_test_run();
}
