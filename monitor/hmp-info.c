/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "info …": what people are told of the machine. */
#include <inttypes.h>
#include <string.h>

#include "backends/iothread.h"
#include "backends/memory-backend.h"
#include "config-host.h"
#include "hw/core/machine.h"
#include "hmp-info.h"

static void info_status(QapiContext *context, const char *arguments, GString *out)
{
    QapiRunState now = runstate_get(context->runstate);

    g_string_append(out,
                    now == QAPI_RUN_STATE_RUNNING ? "VM status: running" : "VM status: paused");
    if (now != QAPI_RUN_STATE_RUNNING && now != QAPI_RUN_STATE_PAUSED) {
        g_string_append_printf(out, " (%s)", qapi_RunState_names[now]);
    }
    g_string_append_c(out, '\n');
}

static void info_version(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append_printf(out, "%s (%s)\n", QEMU_INTERFACE_VERSION, PACKAGE);
}

static void info_name(QapiContext *context, const char *arguments, GString *out)
{
    if (context->name) {
        g_string_append_printf(out, "%s\n", context->name);
    }
}

static void info_uuid(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append_printf(out, "%s\n",
                           context->uuid ? context->uuid : "00000000-0000-0000-0000-000000000000");
}

static void info_kvm(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append_printf(out, "kvm support: %s\n", context->kvm ? "enabled" : "disabled");
}

static void info_cpus(QapiContext *context, const char *arguments, GString *out)
{
    Guest *guest = context->running;

    for (unsigned i = 0; guest && i < guest->ops->num_vcpus(guest); i++) {
        g_string_append_printf(out, "%c CPU #%u: thread_id=%d model=%s\n", i ? ' ' : '*', i,
                               guest->ops->thread_id(guest, i), context->cpu->model);
    }
}

static void info_chardev(QapiContext *context, const char *arguments, GString *out)
{
    for (unsigned i = 0; i < chardev_set_size(context->chardevs); i++) {
        const Chardev *chardev = chardev_set_at(context->chardevs, i);

        g_string_append_printf(out, "%s: filename=%s\n", chardev_label(chardev),
                               chardev_filename(chardev));
    }
}

static void info_mtree(QapiContext *context, const char *arguments, GString *out)
{
    const struct {
        const char *name;
        AddressSpace *space;
    } spaces[] = { { "memory", context->memory }, { "I/O", context->ports } };

    for (unsigned i = 0; i < G_N_ELEMENTS(spaces); i++) {
        if (spaces[i].space) {
            g_autofree char *text = address_space_describe(spaces[i].space);
            g_string_append_printf(out, "address-space: %s\n%s\n", spaces[i].name, text);
        }
    }
}

static void info_iothreads(QapiContext *context, const char *arguments, GString *out)
{
    const GPtrArray *objects = qom_container_get(context->objects, "/objects")->children;

    for (unsigned i = 0; objects && i < objects->len; i++) {
        QomObject *object = g_ptr_array_index(objects, i);
        if (qom_is(object, &iothread_type)) {
            g_string_append_printf(out, "%s:\n  thread_id=%d\n", object->name,
                                   IOTHREAD(object)->thread_id);
        }
    }
}

static void info_memdev(QapiContext *context, const char *arguments, GString *out)
{
    const GPtrArray *objects = qom_container_get(context->objects, "/objects")->children;

    for (unsigned i = 0; objects && i < objects->len; i++) {
        QomObject *object = g_ptr_array_index(objects, i);
        if (qom_is(object, &memory_backend_type)) {
            const MemoryBackend *backend = MEMORY_BACKEND(object);
            g_string_append_printf(out,
                                   "memory backend: %s\n  size:  %" PRIu64
                                   "\n  share: %s\n  prealloc: %s\n",
                                   object->name, backend->size, backend->share ? "true" : "false",
                                   backend->prealloc ? "true" : "false");
        }
    }
}

static void info_qom_tree(QapiContext *context, const char *arguments, GString *out)
{
    g_autoptr(GError) err = NULL;
    QomObject *object = qom_resolve(context->objects, *arguments ? arguments : "/machine", &err);
    g_autofree char *text = object ? qom_tree_text(object)
                                   : g_strdup_printf("Error: %s\n", err->message);

    g_string_append(out, text);
}

static void info_qtree(QapiContext *context, const char *arguments, GString *out)
{
    QomObject *machine = qom_object_child(context->objects, "machine");
    g_autofree char *text = machine ? bus_tree_text(MACHINE(machine)->main_bus) : NULL;

    g_string_append(out, text ? text : "");
}

static void info_migrate(QapiContext *context, const char *arguments, GString *out)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) none = json_object_new_object(), result = NULL;

    if (!qmp_migrate(context, none, &result, &err)) {
        g_string_append_printf(out, "Migration is blocked: %s\n", err->message);
    }
}

static void info_balloon(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append(out, "Error: No balloon device has been activated\n");
}

static void info_memory_size(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append_printf(out, "base memory: %" PRIu64 "\nplugged memory: 0\n", context->ram_size);
}

/* Of what there is none the answer is no line, as a machine without such devices gives. */
static void info_nothing(QapiContext *context, const char *arguments, GString *out)
{
}

static void info_accelerators(QapiContext *context, const char *arguments, GString *out)
{
    QapiAccelerator now = context->accelerator;

    g_string_append_printf(out, "%s %s\n", now == QAPI_ACCELERATOR_KVM ? "[kvm]" : "kvm",
                           now == QAPI_ACCELERATOR_QTEST ? "[qtest]" : "qtest");
}

static void info_block_jobs(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append(out, "No active jobs\n");
}

static void info_mice(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append(out, "No mouse devices connected\n");
}

static void info_migrate_capabilities(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append_printf(out, "events: %s\n", context->migration_events ? "on" : "off");
}

static void info_sev(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append(out, "SEV is not enabled\n");
}

static void info_sgx(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append(out, "SGX is not enabled\n");
}

static void info_snapshots(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append(out, "There is no snapshot available.\n");
}

static void info_vnc(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append(out, "None\n");
}

static void info_tdx(QapiContext *context, const char *arguments, GString *out)
{
    const TdxPlan *plan = context->plan;

    if (!plan) {
        g_string_append(out, "this machine is no TD\n");
        return;
    }
    g_autofree char *mrtd = context_mrtd(context);
    TdxTdStats stats = { 0 };
    const TdxVmcallCounts *c = &stats.vmcalls;

    if (*context->td) {
        tdx_td_stats(*context->td, &stats);
    }
    g_string_append_printf(out, "state: %s\nattributes: 0x%" PRIx64 "\nXFAM: 0x%" PRIx64 "\n",
                           context_tdx_state(context), plan->attributes, plan->xfam);
    g_string_append_printf(out, "guest physical address width: %u\nMRTD: %s\n", plan->gpaw, mrtd);
    g_string_append_printf(out,
                           "TDVMCALLs: MapGPA %" PRIu64 ", GetQuote %" PRIu64
                           ", GetTdVmCallInfo %" PRIu64 ", SetupEventNotifyInterrupt %" PRIu64
                           ", ReportFatalError %" PRIu64 ", unknown %" PRIu64 "\n",
                           c->map_gpa, c->get_quote, c->get_info, c->setup_event_notify,
                           c->report_fatal_error, c->unknown);
    g_string_append_printf(out, "device accesses: %" PRIu64 " I/O, %" PRIu64 " MMIO\n", c->io,
                           c->mmio);
    g_string_append_printf(out,
                           "memory: %" PRIu64 " bytes private, %" PRIu64
                           " shared; conversions: %" PRIu64 " to private, %" PRIu64 " to shared\n",
                           stats.memory.private_bytes, stats.memory.shared_bytes,
                           stats.memory.to_private, stats.memory.to_shared);
    g_string_append_printf(out,
                           "quotes: %" PRIu64 " requested, %" PRIu64 " made, %" PRIu64
                           " failed, %u in flight\n",
                           stats.quotes.requests, stats.quotes.succeeded, stats.quotes.failed,
                           stats.quotes.in_flight);
    if (stats.has_fatal_error) {
        g_string_append_printf(out, "fatal error of the guest: code 0x%x, \"%s\"\n",
                               stats.fatal_error.code, stats.fatal_error.text);
    }
}

const HmpCommand hmp_infos[] = {
    { "accelerators", "", "show the accelerators", info_accelerators },
    { "balloon", "", "show balloon information", info_balloon },
    { "block", "", "show info of the block devices", hmp_info_block },
    { "block-jobs", "", "show block jobs", info_block_jobs },
    { "blockstats", "", "show block device statistics", hmp_info_blockstats },
    { "chardev", "", "show the character devices", info_chardev },
    { "cpus", "", "show infos for each CPU", info_cpus },
    { "cryptodev", "", "show crypto devices", info_nothing },
    { "hotpluggable-cpus", "", "show vCPUs that can be plugged: none", info_nothing },
    { "iothreads", "", "show iothreads", info_iothreads },
    { "irq", "", "show how often lines have interrupted", hmp_info_irq },
    { "jobs", "", "show background jobs", info_nothing },
    { "kvm", "", "show KVM information", info_kvm },
    { "memdev", "", "show memory backends", info_memdev },
    { "memory-devices", "", "show memory devices", info_nothing },
    { "memory_size_summary", "", "show the amount of memory", info_memory_size },
    { "mice", "", "show pointing devices", info_mice },
    { "migrate", "", "show why there is no migration", info_migrate },
    { "migrate_capabilities", "", "show migration capabilities", info_migrate_capabilities },
    { "mtree", "", "show memory tree", info_mtree },
    { "name", "", "show the current VM name", info_name },
    { "network", "", "show the network state", hmp_info_network },
    { "numa", "", "show the node", hmp_info_numa },
    { "pci", "", "show PCI functions", hmp_info_pci },
    { "pic", "", "show the I/O APIC", hmp_info_pic },
    { "qdm", "", "show device types", hmp_info_qdm },
    { "qom-tree", "[path]", "show the tree of objects below a path", info_qom_tree },
    { "qtree", "", "show device tree", info_qtree },
    { "ramblock", "", "show RAM and firmware", hmp_info_ramblock },
    { "roms", "", "show firmware and its files", hmp_info_roms },
    { "sev", "", "show SEV", info_sev },
    { "sgx", "", "show SGX", info_sgx },
    { "snapshots", "", "show saved states", info_snapshots },
    { "status", "", "show the current VM status", info_status },
    { "tdx", "", "show the TD", info_tdx },
    { "tpm", "", "show TPMs", info_nothing },
    { "usernet", "", "show connections of -netdev user", hmp_info_usernet },
    { "uuid", "", "show the current VM UUID", info_uuid },
    { "version", "", "show the version", info_version },
    { "virtio", "", "show virtio devices", hmp_info_virtio },
    { "vnc", "", "show VNC servers", info_vnc },
    { NULL },
};
