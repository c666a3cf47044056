/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine of a Vm: RAM, the board, drives and devices, and what firmware is told of them. */
#include "chardev/chardev.h"
#include "hw/i386/boot-order.h"
#include "hw/i386/q35-tree.h"
#include "system/boot.h"
#include "system/firmware.h"
#include "util/error.h"
#include "vm-internal.h"

static bool add_acpi(Vm *vm, GError **errp)
{
    const CpuTopology *topology = &vm->config->topology;

    if (vm->config->pc->acpi == QOM_OFF) {
        return true;
    }
    vm->apic_ids = g_new(uint32_t, topology->cpus);
    for (unsigned i = 0; i < topology->cpus; i++) {
        vm->apic_ids[i] = cpu_topology_apic_id(topology, i);
    }
    vm->acpi_slots = acpi_slots_collect(&vm->config->machine_object->object, errp);
    return vm->acpi_slots && q35_add_acpi(vm->machine, vm->apic_ids, vm->acpi_slots, errp);
}

static bool add_smbios(Vm *vm, GError **errp)
{
    const CpuTopology *t = &vm->config->topology;
    const unsigned cores = t->cores * t->modules * t->dies;
    const unsigned in_socket = cores * t->threads;
    const SmbiosConfig config = {
        .options = vm->config->smbios,
        .machine = machine_ops(vm->config->machine_object)->id,
        .uuid = vm->config->life.uuid,
        .sockets = (t->cpus + in_socket - 1) / in_socket,
        .cores = cores,
        .threads = t->threads,
        .ram = vm->machine->layout,
    };

    return smbios_add(vm->machine->devices->fw_cfg, &config, errp);
}

static const CpuidTable *guest_cpuid(void *opaque)
{
    Vm *vm = opaque;

    return vm->guest ? vm->guest->ops->cpuid(vm->guest) : NULL;
}

static bool feature_refused(void *opaque, const CpuFeature *feature)
{
    const TdxPlan *plan = ((Vm *)opaque)->monitor.plan;

    for (unsigned i = 0; plan && i < plan->verdicts->len; i++) {
        const TdxVerdict *v = &g_array_index(plan->verdicts, TdxVerdict, i);
        if (v->kind == TDX_VERDICT_REFUSED && v->function == feature->function &&
            v->index == feature->index && v->reg == feature->reg && v->bit == feature->bit) {
            return true;
        }
    }
    return false;
}

static bool add_cpus(Vm *vm, GError **errp)
{
    const MachineConfig *config = vm->config;

    vm->cpu_port = (X86CpuPort){ guest_cpuid, feature_refused, vm };
    return x86_cpus_add(config->machine_object, config->cpu, &config->topology, &vm->cpu_port,
                        errp);
}

/* -boot reboot-timeout= */
static bool add_retry(FwCfg *fw_cfg, const BootFiles *boot, GError **errp)
{
    uint8_t bytes[4];

    store_le32(bytes, (uint32_t)boot->fail_ms);
    return !boot->fail_given ||
           fw_cfg_add_file(fw_cfg, "etc/boot-fail-wait", bytes, sizeof(bytes), errp);
}

static bool tell_firmware(Vm *vm, GError **errp)
{
    const MachineConfig *config = vm->config;
    FwCfg *fw_cfg = vm->machine->devices->fw_cfg;

    return boot_order_add(fw_cfg, &config->machine_object->object, config->boot.strict, errp) &&
           add_acpi(vm, errp) && add_smbios(vm, errp) && add_retry(fw_cfg, &config->boot, errp) &&
           boot_add(fw_cfg, &config->boot, config->ram_size, errp);
}

static bool find_serial_ports(const Vm *vm, Q35Config *q35, GError **errp)
{
    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        const char *id = vm->config->serial[i];
        Chardev *chardev = id ? chardev_set_find(vm->chardevs, id) : NULL;
        bool in_use = chardev && chardev_in_use(chardev);

        for (unsigned before = 0; before < i; before++) {
            in_use |= chardev && q35->serial[before] == chardev;
        }
        if (in_use && !chardev_is_mux(chardev)) {
            return error_set(errp, "serial port %u: chardev '%s' is in use; mux=on lets a monitor "
                                   "share it", i, id);
        }
        q35->serial[i] = chardev;
    }
    return true;
}

/* The board as options and the firmware file make it; RAM is there already. */
static bool make_board(Vm *vm, GError **errp)
{
    const MachineConfig *config = vm->config;
    const MemoryBackend *ram = config->board->ram;
    Q35Config q35 = {
        .ram_size = config->ram_size,
        .ram = ram->host,
        .ram_shareable = ram->share && ram->fd >= 0,
        .ram_fd = ram->fd,
        .ram_fd_offset = ram->offset,
        .firmware = vm->firmware ? firmware_bytes(vm->firmware) : (Bytes) { NULL, 0 },
        .firmware_rom = !config->guest,
        .kernel_irqchip = !config->guest && config->accelerator == ACCELERATOR_KVM,
        .num_cpus = config->topology.cpus,
        .boot_menu = config->boot.menu,
        .boot_menu_ms = config->boot.menu_ms,
        .runstate = runstate_port(),
        .runstate_opaque = vm->runstate,
        .rtc_offset = config->rtc_offset,
    };
    config->machine_object->runstate = q35.runstate;
    config->machine_object->runstate_opaque = q35.runstate_opaque;
    if (config->accelerator == ACCELERATOR_QTEST) {
        q35.clock = qtest_clock(&vm->qtest_clock);
    }
    if (config->rtc_begins) {
        q35.rtc_offset -= (int64_t)(clock_realtime_ns(&q35.clock) / G_GUINT64_CONSTANT(1000000000));
    }
    return find_serial_ports(vm, &q35, errp) && (vm->machine = q35_new(&q35, errp));
}

bool vm_make_machine(Vm *vm, GError **errp)
{
    const MachineConfig *config = vm->config;

    return add_cpus(vm, errp) &&
           board_machine_make_ram(config->board, config->ram_size, !config->guest, errp) &&
           make_board(vm, errp) && machine_config_open_drives(config, errp) &&
           q35_add_to_tree(vm->machine, config->machine_object, errp) &&
           machine_config_plug_devices(config, errp) && tell_firmware(vm, errp);
}
