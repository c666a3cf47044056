/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -machine, -accel, -smp, -m, and what holds between options. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "system/core/log.h"
#include "system/options.h"
#include "target/i386/kvm/tdx-guest-object.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/units.h"

#define DEFAULT_RAM (128 * MiB)

static void clear_pair(gpointer data)
{
    KeyValPair *pair = data;

    g_free(pair->key);
    g_free(pair->value);
}

void machine_options_init(MachineConfig *config)
{
    config->machine_properties = g_array_new(FALSE, FALSE, sizeof(KeyValPair));
    g_array_set_clear_func(config->machine_properties, clear_pair);
}

void machine_options_clear(MachineConfig *config)
{
    g_array_unref(config->machine_properties);
}

static void hint_machine_type(QomTypes types, const char *name, GError **errp)
{
    static const char *const names[] = { "q35", "pc-q35-11.1", "none", NULL };
    const char *near = nearest_name(name, names);

    if (g_str_has_prefix(name, "pc") || g_str_has_prefix(name, "microvm") ||
        g_str_has_prefix(name, "isapc")) {
        error_hint(errp, "A TD's machine is q35");
    } else if (near) {
        error_hint(errp, "Did you mean '%s'?", near);
    }
    error_hint(errp, "Use -machine help to list supported machines");
}

static bool set_machine_type(MachineConfig *config, const char *name, GError **errp)
{
    const QomType *type = machine_type_find(qom_object_types(config->root), name);

    if (!type) {
        error_set(errp, "unsupported machine type: \"%s\"", name);
        hint_machine_type(qom_object_types(config->root), name, errp);
        return false;
    }
    config->machine_type = type;
    return true;
}

static bool set_kernel_irqchip(MachineConfig *config, const char *value, GError **errp)
{
    static const char *const values[] = { "on", "off", "split", NULL };

    if (!strcmp(value, "auto")) { /* the default, by its name */
        g_clear_pointer(&config->kernel_irqchip, g_free);
        return true;
    }
    if (!g_strv_contains(values, value)) {
        return error_set(
            errp, "Parameter 'kernel-irqchip' does not accept value '%s': use on, off or split",
            value);
    }
    g_free(config->kernel_irqchip);
    config->kernel_irqchip = g_strdup(value);
    return true;
}

/* Keys of -machine that are no properties of the object, for slips of the hand. */
static const char *const machine_keys[] = { "accel", "kernel-irqchip", "type", NULL };

static bool set_on(QomObject *machine, const char *key, const char *value, GError **errp)
{
    if (qom_property_set_text(machine, key, value, errp)) {
        return true;
    }
    const char *instead = machine_property_instead(key), *near = nearest_name(key, machine_keys);
    if (instead) {
        error_hint(errp, "%s", instead);
    } else if (near && errp && *errp && !strstr((*errp)->message, "Did you mean")) {
        error_hint(errp, "Did you mean '%s'?", near);
    }
    return false;
}

/*
 * Tried on a machine that is thrown away, so that the error names this option; the real one is made
 * when all are known.
 */
static bool set_machine_property(MachineConfig *config, const char *key, const char *value,
                                 GError **errp)
{
    if (!strcmp(key, "type")) {
        return set_machine_type(config, value, errp);
    }
    if (!strcmp(key, "accel")) {
        return option_accel(config, value, errp);
    }
    if (!strcmp(key, "kernel-irqchip")) {
        return set_kernel_irqchip(config, value, errp);
    }
    g_autoptr(QomObject) scratch = qom_object_new(config->machine_type ? config->machine_type
                                                                       : &pc_q35_machine_type);
    KeyValPair pair = { g_strdup(key), g_strdup(value) };
    g_array_append_val(config->machine_properties, pair);
    return set_on(scratch, key, value, errp);
}

bool option_machine(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "type", errp);

    if (!kv) {
        return false;
    }
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        g_autofree char *key = g_strdelimit(g_strdup(pair->key), "_", '-');
        if (!set_machine_property(config, key, pair->value, errp)) {
            return false;
        }
    }
    return true;
}

char *accel_help(const char *text)
{
    if (strchr(text, ',')) {
        return g_strdup("kvm-accel options:\n"
                        "  device=<str>           - KVM's device, or /dev/fdset/SET with -add-fd "
                        "(default: /dev/kvm)\n"
                        "  kernel-irqchip=<str>   - split for a TD, on for an ordinary VM; chosen "
                        "by itself\n");
    }
    return g_strdup("Accelerators supported in QEMU binary:\nkvm\nqtest\n");
}

/*
 * One name, or several with colons between them: the first that is known; others are passed over.
 */
static bool set_accelerator(MachineConfig *config, const char *names, GError **errp)
{
    static const struct {
        const char *name;
        Accelerator accelerator;
    } known[] = { { "kvm", ACCELERATOR_KVM }, { "qtest", ACCELERATOR_QTEST } };
    g_auto(GStrv) list = g_strsplit(names, ":", -1);

    for (unsigned i = 0; list[i]; i++) {
        for (unsigned k = 0; k < G_N_ELEMENTS(known); k++) {
            if (!strcmp(list[i], known[k].name)) {
                config->accelerator = known[k].accelerator;
                config->accelerator_optional = g_strv_length(list) > 1;
                return true;
            }
        }
    }
    static const char *const choices[] = { "kvm", "qtest", NULL };
    const char *near = nearest_name(names, choices);

    error_set(errp, "invalid accelerator %s", names);
    if (near) {
        error_hint(errp, "Did you mean '%s'?", near);
    }
    error_hint(errp, "Use -accel kvm; on a machine without TDX run the whole command under 'swtdx "
                     "run --'");
    return false;
}

static bool unknown_accel_key(const char *key, GError **errp)
{
    static const char *const known[] = { "accel", "device", "kernel-irqchip", NULL };

    error_set(errp, "Property 'kvm-accel.%s' not found", key);
    error_hint_names(errp, key, known);
    return false;
}

bool option_accel(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "accel", errp);

    if (!kv) {
        return false;
    }
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        g_autofree char *key = g_strdelimit(g_strdup(pair->key), "_", '-');

        if (!strcmp(key, "kernel-irqchip")) {
            if (!set_kernel_irqchip(config, pair->value, errp)) {
                return false;
            }
        } else if (!strcmp(key, "device")) {
            g_free(config->kvm_device);
            config->kvm_device = g_strdup(pair->value);
        } else if (strcmp(key, "accel")) {
            return unknown_accel_key(key, errp);
        } else if (!set_accelerator(config, pair->value, errp)) {
            return false;
        }
    }
    return true;
}

static bool parse_count(const char *key, const char *value, unsigned *count, GError **errp)
{
    char *end;

    errno = 0;
    unsigned long n = strtoul(value, &end, 10);
    if (!g_ascii_isdigit(value[0]) || *end || errno || n > 65535) {
        return error_set(errp, "Parameter '%s' expects a number from 1 to 65535, not '%s'", key,
                         value);
    }
    if (n == 0) {
        return error_set(errp,
                         "Invalid CPU topology: CPU topology parameters must be greater than zero");
    }
    *count = n;
    return true;
}

/* Levels of other architectures' topologies: of each there is one, as management software says. */
static const char *const foreign_levels[] = { "drawers", "books", "clusters", NULL };

static bool check_foreign_level(const char *key, const char *value, GError **errp)
{
    unsigned count;

    if (!parse_count(key, value, &count, errp)) {
        return false;
    }
    if (count > 1) {
        error_set(errp, "%s > 1 not supported by this machine's CPU topology", key);
        error_hint(errp, "Its levels are sockets, dies, modules, cores, threads");
    }
    return count == 1;
}

bool option_smp(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "cpus", errp);
    CpuTopology topology = { 0 };
    const struct {
        const char *key;
        unsigned *count;
    } keys[] = {
        { "cpus", &topology.cpus }, { "maxcpus", &topology.max_cpus },
        { "sockets", &topology.sockets },
        { "dies", &topology.dies }, { "modules", &topology.modules }, { "cores", &topology.cores },
        { "threads", &topology.threads },
    };

    if (!kv) {
        return false;
    }
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        unsigned k = 0;
        if (g_strv_contains(foreign_levels, pair->key)) {
            if (!check_foreign_level(pair->key, pair->value, errp)) {
                return false;
            }
            continue;
        }
        while (k < G_N_ELEMENTS(keys) && strcmp(keys[k].key, pair->key)) {
            k++;
        }
        if (k == G_N_ELEMENTS(keys)) {
            static const char *const known[] = { "cpus", "maxcpus", "sockets", "dies", "modules",
                                                 "cores", "threads", NULL };

            error_set(errp,
                      "Invalid parameter '%s': -smp takes cpus, maxcpus, sockets, dies, modules, "
                      "cores, threads",
                      pair->key);
            if (nearest_name(pair->key, known)) {
                error_hint_names(errp, pair->key, known);
            }
            return false;
        }
        if (!parse_count(pair->key, pair->value, keys[k].count, errp)) {
            return false;
        }
    }
    config->topology = topology;
    if (topology.max_cpus > topology.cpus && topology.cpus) {
        g_autofree char *warning =
            g_strdup_printf("maxcpus=%u: vCPUs cannot be plugged into a running machine: it has "
                            "%u, the topology has room for %u",
                            topology.max_cpus, topology.cpus, topology.max_cpus);
        report_warning(warning);
    }
    return true;
}

/* The same in two places: what one option gave is seen by the other. */
static bool share_text(QomObject *machine, const char *name, char **field, char **option,
                       GError **errp)
{
    if (*option) {
        if (*field && strcmp(*field, *option)) {
            error_set(errp, "-%s '%s' contradicts -machine %s='%s'",
                      strcmp(name, "firmware") ? name : "bios", *option, name, *field);
            error_hint(errp, "They are two names of one thing: give one of the two");
            return false;
        }
        return qom_property_set_text(machine, name, *option, errp);
    }
    *option = g_strdup(*field);
    return true;
}

static bool share_texts(MachineConfig *config, GError **errp)
{
    QomObject *machine = &config->machine_object->object;
    BoardMachine *board = config->board;

    return share_text(machine, "firmware", &board->firmware, &config->bios, errp) &&
           share_text(machine, "kernel", &board->kernel, &config->boot.kernel, errp) &&
           share_text(machine, "initrd", &board->initrd, &config->boot.initrd, errp) &&
           share_text(machine, "append", &board->append, &config->boot.append, errp) &&
           share_text(machine, "shim", &board->shim, &config->boot.shim, errp);
}

/* Two names of the property that decides what the machine is. */
static bool check_guest_names(const MachineConfig *config, GError **errp)
{
    const char *current = NULL, *old = NULL;

    for (unsigned i = 0; i < config->machine_properties->len; i++) {
        const KeyValPair *pair = &g_array_index(config->machine_properties, KeyValPair, i);
        current = strcmp(pair->key, "confidential-guest-support") ? current : pair->value;
        old = strcmp(pair->key, "memory-encryption") ? old : pair->value;
    }
    if (current && old && strcmp(current, old)) {
        error_set(errp, "-machine confidential-guest-support=%s contradicts memory-encryption=%s",
                  current, old);
        error_hint(errp, "They are two names of one thing: give one of the two");
        return false;
    }
    return true;
}

static bool make_machine(MachineConfig *config, GError **errp)
{
    const QomType *type = config->machine_type ? config->machine_type : &pc_q35_machine_type;

    if (!check_guest_names(config, errp)) {
        return false;
    }
    config->machine_object = machine_new(config->root, type, config->globals, errp);
    if (!config->machine_object) {
        return false;
    }
    for (unsigned i = 0; i < config->machine_properties->len; i++) {
        const KeyValPair *pair = &g_array_index(config->machine_properties, KeyValPair, i);
        if (!set_on(&config->machine_object->object, pair->key, pair->value, errp)) {
            return false;
        }
    }
    config->board = BOARD_MACHINE(config->machine_object);
    config->pc = qom_type_is(type, &generic_pc_machine_type) ? PC_MACHINE(config->machine_object)
                                                             : NULL;
    return share_texts(config, errp) && net_options_defaults(config, errp) &&
           block_options_defaults(config, errp) &&
           machine_config_create_devices(config, errp);
}

static bool machine_key_given(const MachineConfig *config, const char *key)
{
    for (unsigned i = 0; i < config->machine_properties->len; i++) {
        if (!strcmp(g_array_index(config->machine_properties, KeyValPair, i).key, key)) {
            return true;
        }
    }
    return false;
}

static bool link_guest(MachineConfig *config, GError **errp)
{
    const char *id = config->board->confidential_guest.name;
    QomObject *object = id ? qom_object_child(qom_container_get(config->root, "/objects"), id)
                           : NULL;

    if (id && !qom_is(object, &tdx_guest_type)) {
        error_set(errp, machine_key_given(config, "confidential-guest-support")
                            ? "Device '%s' not found"
                            : "No such memory encryption object '%s'",
                  id);
        error_hint(errp,
                   "-machine confidential-guest-support= takes the id of an -object tdx-guest");
        return false;
    }
    config->guest = object ? TDX_GUEST(object)->config : NULL;
    return true;
}

/* -m and the backend say the same, or only one of them says it. */
static bool settle_ram(MachineConfig *config, GError **errp)
{
    const char *id = config->board->memory_backend.name;
    QomObject *object = id ? qom_object_child(qom_container_get(config->root, "/objects"), id)
                           : NULL;

    if (id && !qom_is(object, &memory_backend_type)) {
        error_set(errp, "Memory backend '%s' not found", id);
        error_hint(errp, "-machine memory-backend= takes the id of an -object memory-backend-ram, "
                         "-memfd or -file");
        return false;
    }
    const MemoryBackend *backend = object ? MEMORY_BACKEND(object) : NULL;
    if (backend && config->ram_size && config->ram_size != backend->size) {
        error_set(errp,
                  "Size specified by -m option (%" G_GUINT64_FORMAT
                  ") must match size of explicitly specified 'memory-backend' property "
                  "(%" G_GUINT64_FORMAT ")",
                  config->ram_size, backend->size);
        error_hint(errp, "Leave -m out, or make the two equal");
        return false;
    }
    if (backend && backend->prealloc && config->board->confidential_guest.name) {
        error_set(errp,
                  "memory backend '%s': prealloc=on would fill the half of a TD's RAM that it "
                  "rarely shares, and not its private half",
                  id);
        error_hint(errp, "Leave prealloc out: the TD's private memory comes from KVM");
        return false;
    }
    config->ram_size = backend ? backend->size : config->ram_size ? config->ram_size : DEFAULT_RAM;
    return true;
}

/* What a TD cannot have, each with what to use instead. */
static bool check_guest(const MachineConfig *config, GError **errp)
{
    if (config->accelerator == ACCELERATOR_QTEST) {
        error_set(errp, "cannot set up private guest memory for tdx-guest: KVM required");
        error_hint(errp, "Under -accel qtest leave confidential-guest-support out");
        return false;
    }
    if (config->kernel_irqchip && strcmp(config->kernel_irqchip, "split")) {
        error_set(errp, "TDX VM requires kernel_irqchip to be split, not '%s'",
                  config->kernel_irqchip);
        error_hint(errp,
                   "Leave kernel-irqchip out (split is then chosen), or use kernel-irqchip=split");
        return false;
    }
    if (config->pc->smm == QOM_ON) {
        error_set(errp, "TDX VM doesn't support SMM");
        error_hint(errp, "Leave smm out, or use smm=off, with firmware built without SMM");
        return false;
    }
    if (config->pc->pic == QOM_ON) {
        error_set(errp, "TDX VM doesn't support PIC");
        error_hint(errp,
                   "Leave pic out, or use pic=off: a TD's interrupts come through its x2APIC");
        return false;
    }
    return true;
}

/* Under qtest nothing runs, so nothing needs to be loaded. */
static bool check_ordinary(MachineConfig *config, GError **errp)
{
    if (config->accelerator == ACCELERATOR_QTEST) {
        return true;
    }
    config->accelerator = ACCELERATOR_KVM;
    if (config->kernel_irqchip && strcmp(config->kernel_irqchip, "on")) {
        error_set(errp,
                  "an ordinary VM's interrupt controllers are the kernel's: kernel-irqchip=%s is "
                  "not available",
                  config->kernel_irqchip);
        error_hint(errp, "Leave kernel-irqchip out, or use kernel-irqchip=on");
        return false;
    }
    if (config->pc->smm == QOM_ON) {
        error_set(errp, "this machine has no system management mode: 'smm=on' is not available");
        error_hint(errp, "Leave smm out, with firmware built without SMM");
        return false;
    }
    if (!config->bios) {
        error_set(errp, "a machine needs firmware, and no -bios was given");
        error_hint(errp, "Use -bios with a UEFI image, for example /usr/share/ovmf/OVMF.fd of "
                         "Debian's package ovmf. A TD also needs -object tdx-guest,id=tdx0 "
                         "-machine q35,confidential-guest-support=tdx0");
        return false;
    }
    return true;
}

bool machine_is_none(const MachineConfig *config)
{
    return !config->pc;
}

/*
 * There is nothing to be made of the options that describe a guest; those that would promise one
 * are refused.
 */
static bool complete_none(MachineConfig *config, GError **errp)
{
    if (config->board->confidential_guest.name || config->bios || config->boot.kernel) {
        error_set(errp, "-machine none has no guest: %s",
                  config->bios          ? "-bios is for one"
                  : config->boot.kernel ? "-kernel is for one"
                                        : "confidential-guest-support is for one");
        error_hint(errp, "Leave it out, or use -machine q35");
        return false;
    }
    return true;
}

bool machine_config_complete(MachineConfig *config, GError **errp)
{
    if (!make_machine(config, errp) || !settle_ram(config, errp)) {
        return false;
    }
    if (config->numa_size && config->numa_size != config->ram_size) {
        return error_set(errp,
                         "total memory for NUMA nodes (0x%" PRIx64
                         ") should equal RAM size (0x%" PRIx64 ")",
                         config->numa_size, config->ram_size);
    }
    if (config->ram_size % 4096) {
        return error_set(errp, "RAM size %" G_GUINT64_FORMAT " is not a multiple of 4096 bytes",
                         config->ram_size);
    }
    unsigned wanted = MAX(config->topology.cpus, config->topology.max_cpus);
    if (wanted > Q35_MAX_CPUS) {
        return error_set(errp, "Invalid SMP CPUs %u. The max CPUs supported by machine '%s' is %d",
                         wanted, machine_ops(config->machine_object)->id, Q35_MAX_CPUS);
    }
    if (!cpu_topology_complete(&config->topology, errp)) {
        return false;
    }
    config->machine_object->num_cpus = config->topology.cpus;
    if (!life_options_defaults(config, errp) || !life_options_complete(config, errp) ||
        !boot_files_check(&config->boot, errp)) {
        return false;
    }
    if (machine_is_none(config)) {
        return complete_none(config, errp);
    }
    if (!link_guest(config, errp)) {
        return false;
    }
    if (config->qtest && config->accelerator != ACCELERATOR_QTEST) {
        error_set(errp, "-qtest drives a machine that no guest runs on");
        error_hint(errp, "Add -accel qtest");
        return false;
    }
    if (!(config->guest ? check_guest(config, errp) : check_ordinary(config, errp))) {
        return false;
    }
    if (!config->cpu) {
        config->cpu = cpu_model_parse("host", errp);
    }
    if (config->cpu && config->guest && !config->bios) {
        error_set(errp, "a TD needs firmware, and no -bios was given");
        error_hint(errp, "Use -bios with a TDVF image, for example /usr/share/ovmf/OVMF.fd of "
                         "Debian's package ovmf");
        return false;
    }
    return config->cpu;
}
