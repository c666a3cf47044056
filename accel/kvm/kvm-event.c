/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Eventfds that KVM signals or listens to: KVM_IOEVENTFD (KVM_CAP_IOEVENTFD), KVM_IRQFD
 * (KVM_CAP_IRQFD) and the MSI routes of KVM_SET_GSI_ROUTING that an irqfd needs (Linux
 * Documentation/virt/kvm/api.rst).
 */
#include <inttypes.h>
#include <string.h>

#include "kvm-internal.h"
#include "system/core/log.h"

#define FIRST_MSI_GSI 24 /* behind the I/O APIC's pins */
#define PIC_PINS 16
#define IOAPIC_PINS 24

typedef struct MsiRoute {
    int fd;
    uint32_t gsi;
    uint64_t address;
    uint32_t data;
} MsiRoute;

static int ioeventfd(KvmVm *vm, hwaddr addr, unsigned size, int fd, uint32_t flags)
{
    struct kvm_ioeventfd event = { .addr = addr, .len = size, .fd = fd, .flags = flags };

    return kvm_vm_ioctl(vm, KVM_IOEVENTFD, &event);
}

static bool assign_write(void *opaque, hwaddr addr, unsigned size, int fd)
{
    int ret = ioeventfd(opaque, addr, size, fd, 0);

    if (ret < 0) {
        g_autofree char *call = g_strdup_printf("KVM_IOEVENTFD at 0x%" PRIx64, addr);
        kvm_vm_tell_failure(opaque, KVM_TOLD_WRITES, call, -ret,
                            "the guest's notifications of devices stop its vCPUs, which is slower");
    }
    return ret >= 0;
}

static void release_write(void *opaque, hwaddr addr, unsigned size, int fd)
{
    ioeventfd(opaque, addr, size, fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

/* KVM replaces the whole table; with its own interrupt controllers their pins must be in it too. */
static void add_chip_routes(GArray *entries)
{
    for (unsigned gsi = 0; gsi < IOAPIC_PINS; gsi++) {
        struct kvm_irq_routing_entry entry = { .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP };

        entry.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
        entry.u.irqchip.pin = gsi;
        g_array_append_val(entries, entry);
        if (gsi < PIC_PINS) {
            entry.u.irqchip.irqchip = gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
            entry.u.irqchip.pin = gsi % 8;
            g_array_append_val(entries, entry);
        }
    }
}

static int set_routes(KvmVm *vm)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, TRUE, sizeof(struct kvm_irq_routing_entry));

    if (vm->kernel_irqchip) {
        add_chip_routes(entries);
    }
    for (guint i = 0; i < vm->msi_routes->len; i++) {
        const MsiRoute *route = &g_array_index(vm->msi_routes, MsiRoute, i);
        struct kvm_irq_routing_entry entry = { .gsi = route->gsi, .type = KVM_IRQ_ROUTING_MSI };

        entry.u.msi.address_lo = (uint32_t)route->address;
        entry.u.msi.address_hi = route->address >> 32;
        entry.u.msi.data = route->data;
        g_array_append_val(entries, entry);
    }
    g_autofree struct kvm_irq_routing *table =
        g_malloc0(sizeof(*table) + entries->len * sizeof(struct kvm_irq_routing_entry));
    table->nr = entries->len;
    memcpy(table->entries, entries->data, entries->len * sizeof(struct kvm_irq_routing_entry));
    return kvm_vm_ioctl(vm, KVM_SET_GSI_ROUTING, table);
}

static MsiRoute *find_route(KvmVm *vm, int fd)
{
    for (guint i = 0; i < vm->msi_routes->len; i++) {
        MsiRoute *route = &g_array_index(vm->msi_routes, MsiRoute, i);
        if (route->fd == fd) {
            return route;
        }
    }
    return NULL;
}

static uint32_t free_gsi(KvmVm *vm)
{
    uint32_t gsi = FIRST_MSI_GSI;

    for (guint i = 0; i < vm->msi_routes->len;) {
        i++;
        if (g_array_index(vm->msi_routes, MsiRoute, i - 1).gsi == gsi) {
            gsi++;
            i = 0;
        }
    }
    return gsi;
}

static int irqfd(KvmVm *vm, int fd, uint32_t gsi, uint32_t flags)
{
    struct kvm_irqfd event = { .fd = fd, .gsi = gsi, .flags = flags };

    return kvm_vm_ioctl(vm, KVM_IRQFD, &event);
}

static void forget_route(KvmVm *vm, const MsiRoute *route)
{
    g_array_remove_index_fast(vm->msi_routes, route - &g_array_index(vm->msi_routes, MsiRoute, 0));
}

static bool tell_routes(KvmVm *vm, const char *call, int ret)
{
    if (ret < 0) {
        kvm_vm_tell_failure(
            vm, KVM_TOLD_INTERRUPTS, call, -ret,
            "interrupts of devices that other programs serve go through this one, which is slower");
    }
    return ret >= 0;
}

static bool assign_interrupt(void *opaque, int fd, uint64_t address, uint32_t data)
{
    KvmVm *vm = opaque;
    MsiRoute *route = find_route(vm, fd);

    if (route) {
        bool same = route->address == address && route->data == data;
        route->address = address;
        route->data = data;
        return same || tell_routes(vm, "KVM_SET_GSI_ROUTING", set_routes(vm));
    }
    MsiRoute new = { .fd = fd, .gsi = free_gsi(vm), .address = address, .data = data };
    g_array_append_val(vm->msi_routes, new);
    bool ok = tell_routes(vm, "KVM_SET_GSI_ROUTING", set_routes(vm)) &&
              tell_routes(vm, "KVM_IRQFD", irqfd(vm, fd, new.gsi, 0));
    if (!ok) {
        forget_route(vm, find_route(vm, fd));
    }
    return ok;
}

static void release_interrupt(void *opaque, int fd)
{
    KvmVm *vm = opaque;
    const MsiRoute *route = find_route(vm, fd);

    if (route) {
        irqfd(vm, fd, route->gsi, KVM_IRQFD_FLAG_DEASSIGN);
        forget_route(vm, route);
        set_routes(vm);
    }
}

GArray *kvm_routes_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(MsiRoute));
}

EventPort kvm_vm_event_port(KvmVm *vm, bool kernel_irqchip)
{
    vm->kernel_irqchip = kernel_irqchip;
    return (EventPort) { assign_write, release_write, assign_interrupt, release_interrupt, vm };
}
