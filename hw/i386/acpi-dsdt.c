/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DSDT: processors, the PCI host bridge with its windows and interrupt routing, and the devices
 * that cannot be enumerated.
 */
#include "hw/i386/acpi-aml.h"
#include "hw/i386/acpi.h"

#define IOAPIC_BASE UINT64_C(0xfec00000)
#define FIRST_PCI_GSI 16
#define PCI_SLOTS 32
#define PCI_PINS 4
#define CONFIG_PORTS 0xcf8
#define CONFIG_PORTS_SIZE 8
/*
 * Guest physical addresses of a TD end below its shared bit, which is bit 47 at least (TDX module:
 * GPAW 48 or 52).
 */
#define WINDOW64_END (UINT64_C(1) << 47)

/* _OSC: control bits and return status (ACPI 6.5, 6.2.11; PCI Firmware Specification 3.3, 4.5.1) */
#define OSC_GRANTED 0x1d
#define OSC_REVISION 1
#define OSC_UNKNOWN_UUID 0x04
#define OSC_UNKNOWN_REVISION 0x08
#define OSC_MASKED 0x10

static void add_hid(Aml *aml, const char *id)
{
    aml_name(aml, "_HID");
    aml_eisa_id(aml, id);
}

static void add_integer(Aml *aml, const char *name, uint64_t value)
{
    aml_name(aml, name);
    aml_integer(aml, value);
}

static void add_dword_field(Aml *aml, unsigned offset, const char *name)
{
    aml_code(aml, AML_CREATE_DWORD_FIELD);
    aml_code(aml, AML_ARG0 + 3);
    aml_integer(aml, offset);
    aml_path(aml, name);
}

/* CDW1 |= bit */
static void add_status(Aml *aml, unsigned bit)
{
    aml_code(aml, AML_OR);
    aml_path(aml, "CDW1");
    aml_integer(aml, bit);
    aml_path(aml, "CDW1");
}

static void add_processors(Aml *aml, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("C%03X", i);

        aml_device(aml, name);
        aml_name(aml, "_HID");
        aml_string(aml, "ACPI0007");
        add_integer(aml, "_UID", i);
        aml_end(aml);
    }
}

/*
 * Where firmware begins to place memory BARs: the part below 4 GiB that one variable range register
 * can cover.
 */
static uint64_t window32_start(const E820Layout *ram)
{
    uint64_t size = 2 * GiB;

    while (size > 4 * GiB - ram->below_4g) {
        size /= 2;
    }
    return 4 * GiB - size;
}

static void add_window32(Aml *aml, uint64_t start, uint64_t end)
{
    if (start < end) {
        aml_memory32_window(aml, start, end - start);
    }
}

/*
 * All that may lead to PCI. Below 4 GiB firmware of different age uses different parts, so the
 * windows are what is left around RAM, ECAM and the interrupt controllers; above, it is what
 * firmware uses, or everything if it uses nothing.
 */
static void add_windows(Aml *aml, const AcpiConfig *config)
{
    uint64_t start = window32_start(&config->ram);
    uint64_t ecam_end = config->ecam_base + config->ecam_size;
    uint64_t ram_end = 4 * GiB + config->ram.above_4g;
    uint64_t start64 = (ram_end + GiB - 1) & ~(GiB - 1);

    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_bus_window(aml, 0, 256);
    aml_io_ports(aml, CONFIG_PORTS, CONFIG_PORTS_SIZE);
    aml_io_window(aml, 0, CONFIG_PORTS);
    aml_io_window(aml, CONFIG_PORTS + CONFIG_PORTS_SIZE,
                  0x10000 - CONFIG_PORTS - CONFIG_PORTS_SIZE);
    add_window32(aml, start, MIN(config->ecam_base, IOAPIC_BASE));
    add_window32(aml, MAX(start, ecam_end), IOAPIC_BASE);
    if (config->window64_size) {
        aml_memory64_window(aml, config->window64_base, config->window64_size);
    } else {
        aml_memory64_window(aml, start64, WINDOW64_END - start64);
    }
    aml_end(aml);
}

/*
 * _OSC for PCI host bridges (PCI Firmware Specification 3.3, 4.5): the operating system may have
 * native hotplug, power management events, error reporting and the PCI Express capability
 * structure; there is no SHPC controller.
 */
static void add_osc(Aml *aml)
{
    static const uint8_t pci_bridge[16] = { /* 33DB4D5B-1FF7-401C-9657-7441C03DD766 */
        0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7,
        0x66,
    };

    aml_method(aml, "_OSC", 4);
    add_dword_field(aml, 0, "CDW1");
    aml_if(aml);
    aml_code(aml, AML_LEQUAL);
    aml_code(aml, AML_ARG0);
    aml_buffer(aml, pci_bridge, sizeof(pci_bridge));
    add_dword_field(aml, 8, "CDW3");
    aml_code(aml, AML_AND); /* Local0 = what is granted of what is asked for */
    aml_path(aml, "CDW3");
    aml_integer(aml, OSC_GRANTED);
    aml_code(aml, AML_LOCAL0);
    aml_if(aml);
    aml_code(aml, AML_LNOT);
    aml_code(aml, AML_LEQUAL);
    aml_code(aml, AML_ARG0 + 1);
    aml_integer(aml, OSC_REVISION);
    add_status(aml, OSC_UNKNOWN_REVISION);
    aml_end(aml);
    aml_if(aml);
    aml_code(aml, AML_LNOT);
    aml_code(aml, AML_LEQUAL);
    aml_path(aml, "CDW3");
    aml_code(aml, AML_LOCAL0);
    add_status(aml, OSC_MASKED);
    aml_end(aml);
    aml_code(aml, AML_STORE);
    aml_code(aml, AML_LOCAL0);
    aml_path(aml, "CDW3");
    aml_end(aml);
    aml_else(aml);
    add_status(aml, OSC_UNKNOWN_UUID);
    aml_end(aml);
    aml_code(aml, AML_RETURN);
    aml_code(aml, AML_ARG0 + 3);
    aml_end(aml);
}

/*
 * Each slot's four pins, rotated by slot (PCI to PCI Bridge 1.2, 9.1), are wired to I/O APIC inputs
 * 16 to 19.
 */
static void add_routing(Aml *aml)
{
    aml_name(aml, "_PRT");
    aml_package(aml, PCI_SLOTS * PCI_PINS);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < PCI_PINS; pin++) {
            aml_package(aml, 4);
            aml_integer(aml, slot << 16 | 0xffff);
            aml_integer(aml, pin);
            aml_integer(aml, 0);
            aml_integer(aml, FIRST_PCI_GSI + (slot + pin) % PCI_PINS);
            aml_end(aml);
        }
    }
    aml_end(aml);
}

static void add_serial_ports(Aml *aml, const AcpiConfig *config)
{
    static const struct {
        const char *name;
        uint16_t base;
        uint8_t irq;
    } ports[ACPI_MAX_SERIAL] = {
        { "COM1", 0x3f8, 4 }, { "COM2", 0x2f8, 3 }, { "COM3", 0x3e8, 4 }, { "COM4", 0x2e8, 3 },
    };

    for (unsigned i = 0; i < ACPI_MAX_SERIAL; i++) {
        if (!config->serial[i]) {
            continue;
        }
        aml_device(aml, ports[i].name);
        add_hid(aml, "PNP0501");
        add_integer(aml, "_UID", i + 1);
        add_integer(aml, "_STA", 0xf);
        aml_name(aml, "_CRS");
        aml_resources(aml);
        aml_io_ports(aml, ports[i].base, 8);
        aml_irq(aml, ports[i].irq);
        aml_end(aml);
        aml_end(aml);
    }
}

/* Linux: drivers/misc/pvpanic/pvpanic-mmio.c takes the first resource. */
static void add_pvpanic(Aml *aml, uint16_t port)
{
    aml_device(aml, "PEVT");
    aml_name(aml, "_HID");
    aml_string(aml, "QEMU0001");
    add_integer(aml, "_STA", 0xf);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_io_ports(aml, port, 1);
    aml_end(aml);
    aml_end(aml);
}

/* The RTC raises no interrupt, so it names none: drivers then poll it. */
static void add_lpc(Aml *aml, const AcpiConfig *config)
{
    aml_device(aml, "ISA");
    add_integer(aml, "_ADR", 0x001f0000);
    aml_device(aml, "RTC");
    add_hid(aml, "PNP0B00");
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_io_ports(aml, 0x70, 2);
    aml_end(aml);
    aml_end(aml);
    add_serial_ports(aml, config);
    if (config->pvpanic_port) {
        add_pvpanic(aml, config->pvpanic_port);
    }
    aml_end(aml);
}

static void add_pci(Aml *aml, const AcpiConfig *config)
{
    aml_device(aml, "PCI0");
    add_hid(aml, "PNP0A08");
    aml_name(aml, "_CID");
    aml_eisa_id(aml, "PNP0A03");
    add_integer(aml, "_UID", 0);
    add_integer(aml, "_BBN", 0);
    add_windows(aml, config);
    add_routing(aml);
    add_osc(aml);
    add_lpc(aml, config);
    acpi_slots_append(aml, config->slots);
    aml_end(aml);
}

/*
 * ECAM is not one of the bridge's windows; an operating system uses it only if somebody has it
 * reserved. Above 4 GiB, where no firmware puts it, it stays unreserved.
 */
static void add_ecam(Aml *aml, const AcpiConfig *config)
{
    if (config->ecam_base >= 4 * GiB) {
        return;
    }
    aml_device(aml, "ECAM");
    add_hid(aml, "PNP0C02");
    add_integer(aml, "_UID", 0);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_memory32_fixed(aml, config->ecam_base, config->ecam_size);
    aml_end(aml);
    aml_end(aml);
}

static void add_fw_cfg(Aml *aml)
{
    aml_device(aml, "FWCF");
    aml_name(aml, "_HID");
    aml_string(aml, "QEMU0002");
    add_integer(aml, "_STA", 0xb);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_io_ports(aml, 0x510, 12);
    aml_end(aml);
    aml_end(aml);
}

/* Power off is sleep type 0 on this chipset, for PM1a and for PM1b, which is not there. */
static void add_s5(Aml *aml)
{
    aml_name(aml, "\\_S5");
    aml_package(aml, 4);
    for (unsigned i = 0; i < 4; i++) {
        aml_integer(aml, 0);
    }
    aml_end(aml);
}

void acpi_dsdt_append(GByteArray *bytes, const AcpiConfig *config)
{
    Aml aml;

    aml_init(&aml, bytes);
    aml_scope(&aml, "\\_SB");
    add_processors(&aml, config->num_cpus);
    add_ecam(&aml, config);
    add_fw_cfg(&aml);
    add_pci(&aml, config);
    aml_end(&aml);
    add_s5(&aml);
}
