/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine types and their properties. */
#include "hw/i386/machine-type.h"

#include <string.h>

#include "system/core/confidential-guest.h"
#include "util/error.h"

/* A device that this machine does not have: off and auto say what is so. */
static bool set_absent(QomObject *object, const QomProperty *property, JsonValue *value,
                       GError **errp)
{
    bool on = json_object_is_type(value, json_type_boolean)
                  ? json_object_get_boolean(value)
                  : !strcmp(json_object_get_string(value), "on");

    if (on) {
        error_set(errp, "'%s=on': this machine has no such device", property->name);
        error_hint(errp, "Leave '%s' out, or set it to off", property->name);
    }
    return !on;
}

static bool get_absent(QomObject *object, const QomProperty *property, JsonValue **result,
                       GError **errp)
{
    *result = property->kind == QOM_BOOL ? json_object_new_boolean(false)
                                         : json_object_new_string("off");
    return true;
}

#define ABSENT(name_, kind_, description_)                                                \
    { .name = (name_), .kind = (kind_), .description = (description_), .set = set_absent, \
      .get = get_absent, .default_help = "off" }
#define STR(name, field, description) QOM_PROPERTY_STR(name, BoardMachine, field, NULL, description)

/* The names, kinds and defaults are those of QEMU's machines. */
static const QomProperty board_properties[] = {
    QOM_PROPERTY_LINK("confidential-guest-support", BoardMachine, confidential_guest,
                      &confidential_guest_support_type, "/objects",
                      "Set confidential guest scheme to support: id of an -object tdx-guest"),
    QOM_PROPERTY_LINK("memory-encryption", BoardMachine, confidential_guest,
                      &confidential_guest_support_type, "/objects",
                      "old name of confidential-guest-support", .flags = QOM_HIDDEN),
    QOM_PROPERTY_LINK("memory-backend", BoardMachine, memory_backend, &memory_backend_type,
                      "/objects",
                      "Set RAM backend: id of an -object memory-backend-*; for a TD the half of "
                      "RAM that the guest shares"),
    QOM_PROPERTY_BOOL("mem-merge", BoardMachine, mem_merge, "on",
                      "Enable/disable memory merge support; of a TD's memory nothing is merged"),
    QOM_PROPERTY_BOOL("dump-guest-core", BoardMachine, dump_guest_core, "on",
                      "Include guest memory in a core dump"),
    STR("firmware", firmware, "Firmware image: the same as -bios"),
    STR("kernel", kernel, "Linux kernel image file: the same as -kernel"),
    STR("initrd", initrd, "Linux initial ramdisk file: the same as -initrd"),
    STR("append", append, "Linux kernel command line: the same as -append"),
    STR("shim", shim, "shim.efi file: the same as -shim"),
    ABSENT("usb", QOM_BOOL, "Set on/off to enable/disable usb: not there"),
    ABSENT("graphics", QOM_BOOL, "Set on/off to enable/disable graphics emulation: not there"),
    { NULL },
};

static const QomProperty pc_properties[] = {
    QOM_PROPERTY_ON_OFF_AUTO("acpi", PcMachine, acpi, NULL, "Enable ACPI: tables for the guest"),
    QOM_PROPERTY_ON_OFF_AUTO("smm", PcMachine, smm, NULL, "Enable SMM; not in a TD"),
    QOM_PROPERTY_ON_OFF_AUTO("pic", PcMachine, pic, NULL,
                             "Enable the i8259 interrupt controllers; not in a TD"),
    ABSENT("nvdimm", QOM_BOOL, "Set on/off to enable/disable NVDIMM instantiation: not there"),
    ABSENT("hpet", QOM_BOOL, "Enable/disable high precision event timer emulation: not there"),
    ABSENT("i8042", QOM_BOOL, "Enable/disable Intel 8042 PS/2 controller emulation: not there"),
    ABSENT("pit", QOM_ON_OFF_AUTO, "Enable i8254 PIT: not there"),
    ABSENT("sata", QOM_BOOL, "Enable/disable Serial ATA bus: not there"),
    ABSENT("smbus", QOM_BOOL, "Enable/disable system management bus: not there"),
    ABSENT("vmport", QOM_ON_OFF_AUTO, "Enable vmport (pc & q35): not there"),
    { NULL },
};

const QomType board_machine_type = {
    .name = "board-machine", .parent = &machine_type, .abstract = true,
    .size = sizeof(BoardMachine), .properties = board_properties,
};

const QomType x86_machine_type = { .name = "x86-machine", .parent = &board_machine_type,
                                   .abstract = true };

const QomType generic_pc_machine_type = {
    .name = "generic-pc-machine", .parent = &x86_machine_type, .abstract = true,
    .size = sizeof(PcMachine),
    .properties = pc_properties,
};

const char *const q35_former_names[] = { "pc-q35-11.0", "pc-q35-10.2", "pc-q35-10.1",
                                         "pc-q35-10.0", NULL };

static const MachineOps q35_ops = { .alias = "q35", .id = Q35_MACHINE_ID,
                                    .default_ram_id = "pc.ram", .former = q35_former_names };

const QomType pc_q35_machine_type = {
    .name = Q35_MACHINE_ID "-machine", .parent = &generic_pc_machine_type,
    .description = "Standard PC (Q35 + ICH9, 2009)",
    .ops = &q35_ops,
};

static const MachineOps none_ops = { .id = "none" };

const QomType none_machine_type = {
    .name = "none-machine", .parent = &board_machine_type, .description = "empty machine",
    .ops = &none_ops,
};

/* As if the user had written -object memory-backend-ram,id=pc.ram,size=SIZE. */
static MemoryBackend *default_ram(BoardMachine *board, uint64_t size, GError **errp)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, size);
    g_autoptr(QomObject) object = qom_object_new(&memory_backend_ram_type);
    QomObject *folder = qom_container_get(qom_object_root(&board->machine.object), "/objects");

    if (!qom_object_add_child(folder, machine_ops(&board->machine)->default_ram_id, object, errp)) {
        return NULL;
    }
    if (!qom_property_set_text(object, "size", text, errp) || !qom_object_complete(object, errp)) {
        qom_object_unparent(object);
        return NULL;
    }
    object->users++; /* the machine's, as if by its link */
    return MEMORY_BACKEND(object);
}

bool board_machine_make_ram(BoardMachine *board, uint64_t size, bool merge, GError **errp)
{
    QomObject *linked = board->memory_backend.target;

    board->ram = linked ? MEMORY_BACKEND(linked) : default_ram(board, size, errp);
    return board->ram && memory_backend_advise(board->ram, board->dump_guest_core,
                                               merge && board->mem_merge, errp);
}

char *machine_types_help(QomTypes types)
{
    GString *text = g_string_new("Supported machines are:\n");

    for (; *types; types++) {
        const MachineOps *ops = qom_type_is(*types, &machine_type) && !(*types)->abstract
                                    ? qom_type_ops(*types)
                                    : NULL;
        if (ops && ops->alias) {
            g_string_append_printf(text, "%-20s %s (alias of %s)\n", ops->alias,
                                   (*types)->description, ops->id);
        }
        if (ops) {
            g_string_append_printf(text, "%-20s %s%s\n", ops->id, (*types)->description,
                                   ops->alias ? " (default)" : "");
        }
        for (unsigned i = 0; ops && ops->former && ops->former[i]; i++) {
            g_string_append_printf(text, "%-20s %s (the same as %s)\n", ops->former[i],
                                   (*types)->description, ops->id);
        }
    }
    return g_string_free(text, FALSE);
}
