/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The q35 machine: RAM and an explicit list of devices. */
#include "hw/i386/q35.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "hw/i386/q35-devices.h"
#include "util/bytes.h"
#include "util/error.h"

#define GUEST_PAGE_SIZE 4096
/* Between the local APIC's 1 MiB window at FEE00000 and 4 GiB. */
#define MAX_FIRMWARE_SIZE (16 * MiB)
#define FIRMWARE_SHADOW_SIZE (128 * KiB)
#define E820_ENTRY_SIZE 20
#define E820_RAM 1

/*
 * Host memory that costs nothing until it is touched: of a TD's RAM only what the guest shares is
 * ever used here, so neither launch time nor the host's commit limit may depend on its size.
 */
static void *map(const char *name, uint64_t size, GError **errp)
{
    void *host = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (host == MAP_FAILED) {
        int error = errno;
        g_autofree char *text = format_size(size);
        error_set(errp, "cannot map %s of address space for %s: %s", text, name, g_strerror(error));
        error_hint(errp, "Give the machine less memory with -m, or raise the limit (ulimit -v)");
        return NULL;
    }
    return host;
}

/* host NULL: the machine's own mapping. */
static bool add_ram(Q35Machine *machine, const char *name, hwaddr gpa, uint64_t size, uint8_t *host,
                    GError **errp)
{
    bool own = !host;

    if (own && !(host = map(name, size, errp))) {
        return false;
    }
    machine->own_ram[machine->num_ram] = own;
    machine->ram[machine->num_ram++] =
        (GuestRam){.name = name, .gpa = gpa, .size = size, .host = host};
    address_space_add_ram(machine->memory, name, gpa, size, host);
    return true;
}

/* What was mapped for the machine's owner can be mapped by others too. */
static void add_descriptors(Q35Machine *machine, const Q35Config *config)
{
    for (unsigned i = 0; config->ram && i < machine->num_ram; i++) {
        GuestRam *ram = &machine->ram[i];

        if (!machine->own_ram[i]) {
            ram->shareable = config->ram_shareable;
            ram->fd = config->ram_fd;
            ram->fd_offset = config->ram_fd_offset + (uint64_t)(ram->host - config->ram);
        }
    }
}

static bool add_firmware(Q35Machine *machine, const Q35Config *config, GError **errp)
{
    uint64_t size = config->firmware.size;

    if (size % GUEST_PAGE_SIZE || size > MAX_FIRMWARE_SIZE) {
        return error_set(errp,
                         "firmware size %" G_GUINT64_FORMAT
                         " must be a multiple of 4096 bytes, at most 16 MiB",
                         size);
    }
    if (!add_ram(machine, "firmware", 4 * GiB - size, size, NULL, errp)) {
        return false;
    }
    if (config->firmware_rom) {
        GuestRam *rom = &machine->ram[machine->num_ram - 1];

        memcpy(rom->host, config->firmware.data, size);
        rom->rom = true;
    }
    return true;
}

static bool make_ram(Q35Machine *machine, const Q35Config *config, GError **errp)
{
    if (!config->ram_size || config->ram_size % GUEST_PAGE_SIZE) {
        return error_set(errp,
                         "memory size %" G_GUINT64_FORMAT
                         " must be a positive multiple of 4096 bytes",
                         config->ram_size);
    }
    machine->layout = e820_layout(config->ram_size);
    uint8_t *high = config->ram ? config->ram + machine->layout.below_4g : NULL;
    return add_ram(machine, "ram-below-4g", 0, machine->layout.below_4g, config->ram, errp) &&
           (!machine->layout.above_4g ||
            add_ram(machine, "ram-above-4g", 4 * GiB, machine->layout.above_4g, high, errp)) &&
           (!config->firmware.size || add_firmware(machine, config, errp));
}

static bool add_e820_file(FwCfg *fw_cfg, const E820Layout *layout, GError **errp)
{
    uint8_t table[2 * E820_ENTRY_SIZE] = { 0 };
    unsigned count = layout->above_4g ? 2 : 1;

    store_le64(table, 0);
    store_le64(table + 8, layout->below_4g);
    store_le32(table + 16, E820_RAM);
    store_le64(table + E820_ENTRY_SIZE, 4 * GiB);
    store_le64(table + E820_ENTRY_SIZE + 8, layout->above_4g);
    store_le32(table + E820_ENTRY_SIZE + 16, E820_RAM);
    return fw_cfg_add_file(fw_cfg, "etc/e820", table, count * E820_ENTRY_SIZE, errp);
}

static bool fill_fw_cfg(Q35Machine *machine, const Q35Config *config, GError **errp)
{
    FwCfg *fw_cfg = machine->devices->fw_cfg;

    fw_cfg_add_u16(fw_cfg, FW_CFG_CPU_COUNT, MIN(config->num_cpus, UINT16_MAX));
    fw_cfg_add_u16(fw_cfg, FW_CFG_MAX_CPUS, MIN(config->num_cpus, UINT16_MAX));
    fw_cfg_add_u16(fw_cfg, FW_CFG_BOOT_MENU, config->boot_menu);
    return add_e820_file(fw_cfg, &machine->layout, errp) &&
           ((config->boot_menu && !config->boot_menu_ms) ||
            fw_cfg_add_file_u16(fw_cfg, "etc/boot-menu-wait", config->boot_menu_ms, errp));
}

static void acpi_moved(void *opaque, bool enabled, uint16_t base)
{
    Q35Devices *devices = opaque;

    pm_place(devices->pm, enabled, base);
    tco_place(devices->tco, enabled, base);
}

static void make_serial_ports(Q35Machine *machine, const Q35Config *config)
{
    static const struct {
        const char *name;
        uint16_t base;
        uint8_t gsi;
    } ports[Q35_MAX_SERIAL] = {
        { "serial0", 0x3f8, 4 }, { "serial1", 0x2f8, 3 }, { "serial2", 0x3e8, 4 },
        { "serial3", 0x2e8, 3 },
    };
    Q35Devices *devices = machine->devices;

    for (unsigned i = 0; i < Q35_MAX_SERIAL; i++) {
        if (config->serial[i]) {
            devices->serial[i] = serial_new(machine->ports, ports[i].name, ports[i].base,
                                            config->serial[i], &machine->lock,
                                            &devices->gsi[ports[i].gsi]);
        }
    }
}

static uint8_t *map_ram(void *opaque, hwaddr gpa, uint64_t size)
{
    return address_space_ram(opaque, gpa, size);
}

SharedMemoryPort q35_all_memory(Q35Machine *machine)
{
    return (SharedMemoryPort) { map_ram, machine->memory };
}

/*
 * The wires of the PCI pins are PIRQA to PIRQD of the LPC bridge. Their way to an 8259, which its
 * PIRQx_ROUT registers choose, ends there, for there is none; to the I/O APIC's inputs 16 to 19
 * they are fixed (ICH9 datasheet, 5.9).
 */
static void make_root_bus(Q35Machine *machine)
{
    Q35Devices *d = machine->devices;
    PciRootPorts root = {
        .memory = machine->memory, .ports = machine->ports, .msi = &d->msi, .events = &d->events,
        .shared_memory = &d->shared_memory, .machine_lock = &machine->lock, .ram = machine->ram,
        .num_ram = machine->num_ram,
    };

    for (unsigned i = 0; i < PCI_NUM_PIRQS; i++) {
        root.pirq[i] = &d->gsi[Q35_FIRST_PIRQ_GSI + i];
    }
    d->pci = pci_bus_new(&root);
}

static void make_devices(Q35Machine *machine, const Q35Config *config)
{
    Q35Devices *d = machine->devices;
    AddressSpace *memory = machine->memory, *ports = machine->ports;

    if (!config->kernel_irqchip) {
        d->ioapic = ioapic_new(memory, &d->msi);
        for (unsigned i = 0; i < Q35_NUM_GSI; i++) {
            d->gsi[i] = ioapic_pin(d->ioapic, i);
        }
    }
    d->reset_ports = reset_ports_new(ports, config->runstate, config->runstate_opaque);
    d->shared_memory = q35_all_memory(machine);
    make_root_bus(machine);
    d->pci_host = pci_host_new(d->pci, memory, ports, &reset_control_ops, d->reset_ports);
    d->mch = mch_new(d->pci, d->pci_host);
    d->pm = pm_new(ports, config->clock, &d->gsi[Q35_SCI_GSI], config->runstate,
                   config->runstate_opaque);
    d->tco = tco_new(ports, &machine->lock, config->runstate, config->runstate_opaque);
    d->lpc = lpc_new(d->pci, memory,
                     &(LpcPorts){ .acpi_moved = acpi_moved, .opaque = d, .tco = d->tco });
    d->rtc = rtc_new(ports, config->clock, &machine->layout, config->num_cpus);
    rtc_set_offset(d->rtc, config->rtc_offset);
    d->fw_cfg = fw_cfg_new(&d->shared_memory, ports);
    make_serial_ports(machine, config);
    if (config->debugcon) {
        debugcon_add(ports, config->debugcon);
    }
}

Q35Machine *q35_new(const Q35Config *config, GError **errp)
{
    Q35Machine *machine = g_new0(Q35Machine, 1);

    g_mutex_init(&machine->lock);
    machine->memory = address_space_new("memory");
    machine->ports = address_space_new("I/O");
    machine->devices = g_new0(Q35Devices, 1);
    machine->num_cpus = config->num_cpus;
    if (!make_ram(machine, config, errp)) {
        q35_free(machine);
        return NULL;
    }
    add_descriptors(machine, config);
    make_devices(machine, config);
    if (!fill_fw_cfg(machine, config, errp)) {
        q35_free(machine);
        return NULL;
    }
    q35_reset(machine);
    return machine;
}

/* For firmware, which has no AML. */
static bool add_pvpanic_port(Q35Machine *machine, GError **errp)
{
    uint8_t port[2];

    store_le16(port, machine->devices->pvpanic_port);
    return !machine->devices->pvpanic_port ||
           fw_cfg_add_file(machine->devices->fw_cfg, "etc/pvpanic-port", port, sizeof(port), errp);
}

bool q35_add_acpi(Q35Machine *machine, const uint32_t *apic_ids, const GArray *slots,
                  GError **errp)
{
    Q35Devices *d = machine->devices;
    AcpiConfig acpi = { .apic_ids = apic_ids, .num_cpus = machine->num_cpus,
                        .ram = machine->layout };

    for (unsigned i = 0; i < Q35_MAX_SERIAL; i++) {
        acpi.serial[i] = d->serial[i];
    }
    acpi.pvpanic_port = d->pvpanic_port;
    acpi.slots = slots;
    if (!add_pvpanic_port(machine, errp)) {
        return false;
    }
    d->acpi = acpi_new(d->fw_cfg, &acpi, d->mch, d->pci, errp);
    return d->acpi;
}

/*
 * Real-mode code that reloads CS runs from the copy of the firmware's end below 1 MiB. It lies in
 * RAM, as after a firmware has shadowed itself: the chipset's PAM registers, which choose between
 * ROM and RAM there, have no effect.
 */
static void shadow_firmware(Q35Machine *machine)
{
    for (unsigned i = 0; i < machine->num_ram; i++) {
        const GuestRam *rom = &machine->ram[i];

        if (rom->rom && machine->ram[0].size >= MiB) {
            uint64_t size = MIN(rom->size, FIRMWARE_SHADOW_SIZE);
            memcpy(machine->ram[0].host + MiB - size, rom->host + rom->size - size, size);
        }
    }
}

void q35_reset(Q35Machine *machine)
{
    Q35Devices *d = machine->devices;

    shadow_firmware(machine);

    pci_bus_reset(d->pci); /* moves ECAM, ACPI registers and root complex block back as well */
    pci_host_reset(d->pci_host);
    reset_ports_reset(d->reset_ports);
    pm_reset(d->pm);
    tco_reset(d->tco);
    rtc_reset(d->rtc);
    fw_cfg_reset(d->fw_cfg);
    if (d->ioapic) {
        ioapic_reset(d->ioapic); /* before the devices, which may let go of their lines */
    }
    for (unsigned i = 0; i < Q35_MAX_SERIAL; i++) {
        if (d->serial[i]) {
            serial_reset(d->serial[i]);
        }
    }
}

static void free_devices(Q35Devices *d)
{
    for (unsigned i = 0; i < Q35_MAX_SERIAL; i++) {
        serial_free(d->serial[i]);
    }
    acpi_free(d->acpi);
    fw_cfg_free(d->fw_cfg);
    rtc_free(d->rtc);
    lpc_free(d->lpc);
    tco_free(d->tco);
    pm_free(d->pm);
    mch_free(d->mch);
    pci_host_free(d->pci_host);
    pci_bus_free(d->pci);
    reset_ports_free(d->reset_ports);
    ioapic_free(d->ioapic);
    g_free(d);
}

void q35_free(Q35Machine *machine)
{
    if (!machine) {
        return;
    }
    free_devices(machine->devices);
    address_space_free(machine->ports);
    address_space_free(machine->memory);
    for (unsigned i = 0; i < machine->num_ram; i++) {
        if (machine->own_ram[i]) {
            munmap(machine->ram[i].host, machine->ram[i].size);
        }
    }
    g_mutex_clear(&machine->lock);
    g_free(machine);
}
