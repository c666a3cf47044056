/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts from outside: MSIs, GSI routing of a split irqchip, irqfds; and ioeventfds on the port
 * and memory buses (Documentation/virt/kvm/api.rst: KVM_SET_GSI_ROUTING, KVM_SIGNAL_MSI, KVM_IRQFD,
 * KVM_IOEVENTFD).
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "raw.h"

enum { DELIVER_FIXED = 0, DELIVER_LOWEST = 1, DELIVER_NMI = 4 };

/*
 * MSI address and data: Intel SDM vol. 3, 12.11; with 32-bit ids the upper address word holds
 * destination bits 31:8.
 */
/* >0: delivered, -1: no such destination. */
static int irq_deliver_msi(Vm *vm, uint64_t address, uint32_t data)
{
    uint32_t dest = (uint32_t)(address >> 12) & 0xff;
    if (vm->x2apic_32bit) {
        dest |= (uint32_t)(address >> 32) & 0xffffff00;
    } else if (dest == 0xff) {
        dest = 0xffffffff;
    }
    bool logical = address & 4, level = data & 0x8000;
    unsigned mode = (data >> 8) & 7;
    if (mode != DELIVER_FIXED && mode != DELIVER_LOWEST && mode != DELIVER_NMI) {
        return -1; /* INIT, SIPI, SMI, ExtINT do not exist for TDs */
    }
    int delivered = 0;
    uint32_t n = atomic_load(&vm->num_vcpus);
    for (uint32_t i = 0; i < n; i++) {
        Lapic *lapic = &vm->vcpus[i]->lapic;
        if (!lapic_matches(lapic, dest, logical)) {
            continue;
        }
        if (mode == DELIVER_NMI) {
            lapic_post_nmi(lapic);
        } else {
            lapic_post(lapic, (uint8_t)data, level);
        }
        delivered++;
        if (mode == DELIVER_LOWEST) {
            break;
        }
    }
    TRACE(vm->host, "msi", T_X("address", address), T_X("data", data), T_D("delivered", delivered));
    return delivered ? delivered : -1;
}

int irq_fire(Vm *vm, uint32_t gsi)
{
    uint64_t address[8];
    uint32_t data[8], n = 0;
    pthread_mutex_lock(&vm->irq);
    for (uint32_t i = 0; i < vm->num_routes && n < 8; i++) {
        if (vm->routes[i].gsi == gsi && vm->routes[i].type == KVM_IRQ_ROUTING_MSI) {
            address[n] = vm->routes[i].address;
            data[n++] = vm->routes[i].data;
        }
    }
    pthread_mutex_unlock(&vm->irq);
    int delivered = -1;
    for (uint32_t i = 0; i < n; i++) {
        int r = irq_deliver_msi(vm, address[i], data[i]);
        delivered = r < 0 ? delivered : r + (delivered < 0 ? 0 : delivered);
    }
    return delivered;
}

int irq_signal_msi(Vm *vm, uintptr_t arg)
{
    struct kvm_msi msi;
    if (user_read(&msi, arg, sizeof(msi)) < 0) {
        return -EFAULT;
    }
    if (!vm->split_irqchip || (msi.flags & ~(uint32_t)KVM_MSI_VALID_DEVID) ||
        (vm->x2apic_32bit && (msi.address_hi & 0xff))) {
        return -EINVAL;
    }
    return irq_deliver_msi(vm, (uint64_t)msi.address_hi << 32 | msi.address_lo, msi.data);
}

int irq_line(Vm *vm, unsigned long request, uintptr_t arg)
{
    struct kvm_irq_level level;
    if (user_read(&level, arg, sizeof(level)) < 0) {
        return -EFAULT;
    }
    if (!vm->split_irqchip && !vm->full_irqchip) {
        return -ENXIO;
    }
    int delivered = level.level ? irq_fire(vm, level.irq) : -1; /* an MSI has no falling edge */
    if ((uint32_t)request == (uint32_t)KVM_IRQ_LINE_STATUS) {
        level.status = delivered;
        return user_write(arg, &level, sizeof(level));
    }
    return 0;
}

/*
 * One routing entry of the caller's. Pins of in-kernel chips are accepted and lead nowhere: a TD
 * has no such chip.
 */
static int read_route(const Vm *vm, uintptr_t at, IrqRoute *route)
{
    struct kvm_irq_routing_entry e;
    if (user_read(&e, at, sizeof(e)) < 0) {
        return -EFAULT;
    }
    *route = (IrqRoute){ .gsi = e.gsi, .type = e.type };
    switch (e.type) {
    case KVM_IRQ_ROUTING_MSI:
        if (e.flags & ~(uint32_t)KVM_MSI_VALID_DEVID) {
            return -EINVAL;
        }
        if (vm->x2apic_32bit && (e.u.msi.address_hi & 0xff)) {
            return -EINVAL;
        }
        route->address = (uint64_t)e.u.msi.address_hi << 32 | e.u.msi.address_lo;
        route->data = e.u.msi.data;
        return 0;
    case KVM_IRQ_ROUTING_IRQCHIP:
        return vm->full_irqchip && !e.flags ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

int irq_set_routing(Vm *vm, uintptr_t arg)
{
    struct kvm_irq_routing header;
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.flags || header.nr > ABI_MAX_IRQ_ROUTES ||
        (!vm->split_irqchip && !vm->full_irqchip)) {
        return -EINVAL;
    }
    IrqRoute *routes = calloc(header.nr + 1, sizeof(*routes));
    if (!routes) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < header.nr; i++) {
        int r = read_route(vm, arg + sizeof(header) + i * sizeof(struct kvm_irq_routing_entry),
                           &routes[i]);
        if (!r && routes[i].gsi >= ABI_MAX_IRQ_ROUTES) {
            r = -EINVAL;
        }
        if (r) {
            free(routes);
            return r;
        }
    }
    pthread_mutex_lock(&vm->irq);
    IrqRoute *old = vm->routes;
    vm->routes = routes;
    vm->num_routes = header.nr;
    pthread_mutex_unlock(&vm->irq);
    free(old);
    return 0;
}

/* ---- eventfds: the caller's file, held by a duplicate and told apart by identity ---- */

static int hold_eventfd(int fd, int *held)
{
    char link[64], text[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (raw_fcntl(fd, F_GETFD, 0) < 0) {
        return -EBADF;
    }
    /*
     * eventfds share one inode; their kind shows in the link's text, where /proc is there to tell.
     */
    long n = raw_result(syscall(SYS_readlink, link, text, sizeof(text) - 1));
    if (n >= 0) {
        text[n] = '\0';
        if (!strstr(text, "[eventfd]")) {
            return -EINVAL;
        }
    }
    *held = raw_fcntl(fd, F_DUPFD_CLOEXEC, 512);
    if (*held == -EINVAL) {
        *held = raw_fcntl(fd, F_DUPFD_CLOEXEC, 3); /* a low RLIMIT_NOFILE */
    }
    return *held < 0 ? *held : 0;
}

/*
 * Are two descriptors the same open file? kcmp() may be forbidden: then the number they came from
 * must tell.
 */
static bool same_file(int a, int b)
{
    long r = syscall(SYS_kcmp, getpid(), getpid(), 0 /* KCMP_FILE */, a, b);
    return r == 0;
}

static int irqfd_assign(Vm *vm, const struct kvm_irqfd *in)
{
    IrqFd *q = calloc(1, sizeof(*q));
    if (!q) {
        return -ENOMEM;
    }
    int r = hold_eventfd((int)in->fd, &q->fd);
    if (r < 0) {
        free(q);
        return r;
    }
    q->number = (int)in->fd;
    q->gsi = in->gsi;
    pthread_mutex_lock(&vm->irq);
    for (IrqFd *other = vm->irqfds; other; other = other->next) {
        if (other->number == q->number && same_file(other->fd, q->fd)) {
            pthread_mutex_unlock(&vm->irq);
            raw_close(q->fd);
            free(q);
            return -EBUSY; /* one irqfd per eventfd */
        }
    }
    q->next = vm->irqfds;
    vm->irqfds = q;
    pthread_mutex_unlock(&vm->irq);
    service_wake(vm->host);
    return 0;
}

int irq_fd(Vm *vm, uintptr_t arg)
{
    struct kvm_irqfd in;
    if (user_read(&in, arg, sizeof(in)) < 0) {
        return -EFAULT;
    }
    if (in.flags & ~(uint32_t)(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE)) {
        return -EINVAL;
    }
    if (in.flags & KVM_IRQFD_FLAG_DEASSIGN) {
        if (raw_fcntl((int)in.fd, F_GETFD, 0) < 0) {
            return -EBADF;
        }
        pthread_mutex_lock(&vm->irq);
        for (IrqFd **link = &vm->irqfds; *link;) {
            IrqFd *q = *link;
            if (q->gsi == in.gsi && q->number == (int)in.fd) {
                *link = q->next;
                raw_close(q->fd);
                free(q);
            } else {
                link = &q->next;
            }
        }
        pthread_mutex_unlock(&vm->irq);
        return 0;
    }
    if (!vm->split_irqchip && !vm->full_irqchip) {
        return -EAGAIN;
    }
    if (in.gsi >= ABI_MAX_IRQ_ROUTES || (in.flags & KVM_IRQFD_FLAG_RESAMPLE)) {
        return -EINVAL; /* RESAMPLE needs a full in-kernel irqchip */
    }
    return irqfd_assign(vm, &in);
}

static bool ioeventfd_collides(const IoEventFd *a, const struct kvm_ioeventfd *in)
{
    return a->address == in->addr && ((a->flags ^ in->flags) & KVM_IOEVENTFD_FLAG_PIO) == 0 &&
           (!a->length || !in->len ||
            (a->length == in->len &&
             (!(a->flags & KVM_IOEVENTFD_FLAG_DATAMATCH) ||
              !(in->flags & KVM_IOEVENTFD_FLAG_DATAMATCH) || a->datamatch == in->datamatch)));
}

static int ioeventfd_assign(Vm *vm, const struct kvm_ioeventfd *in)
{
    IoEventFd *e = calloc(1, sizeof(*e));
    if (!e) {
        return -ENOMEM;
    }
    int r = hold_eventfd(in->fd, &e->fd);
    if (r < 0) {
        free(e);
        return r;
    }
    e->number = in->fd;
    e->address = in->addr;
    e->length = in->len;
    e->flags = in->flags;
    e->datamatch = in->datamatch;
    pthread_mutex_lock(&vm->irq);
    for (IoEventFd *other = vm->ioeventfds; other && !r; other = other->next) {
        r = ioeventfd_collides(other, in) ? -EEXIST : 0;
    }
    if (!r) {
        e->next = vm->ioeventfds;
        vm->ioeventfds = e;
        atomic_fetch_add(&vm->num_ioeventfds, 1);
    }
    pthread_mutex_unlock(&vm->irq);
    if (r) {
        raw_close(e->fd);
        free(e);
    }
    return r;
}

static int ioeventfd_deassign(Vm *vm, const struct kvm_ioeventfd *in)
{
    int r = -ENOENT;
    pthread_mutex_lock(&vm->irq);
    for (IoEventFd **link = &vm->ioeventfds; *link; link = &(*link)->next) {
        IoEventFd *e = *link;
        if (e->number == in->fd && e->address == in->addr && e->length == in->len &&
            !((e->flags ^ in->flags) & (KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH)) &&
            (!(e->flags & KVM_IOEVENTFD_FLAG_DATAMATCH) || e->datamatch == in->datamatch)) {
            *link = e->next;
            raw_close(e->fd);
            free(e);
            atomic_fetch_sub(&vm->num_ioeventfds, 1);
            r = 0;
            break;
        }
    }
    pthread_mutex_unlock(&vm->irq);
    return r;
}

int irq_ioeventfd(Vm *vm, uintptr_t arg)
{
    struct kvm_ioeventfd in;
    if (user_read(&in, arg, sizeof(in)) < 0) {
        return -EFAULT;
    }
    bool size_ok = in.len == 0 || in.len == 1 || in.len == 2 || in.len == 4 || in.len == 8;
    if (in.flags & KVM_IOEVENTFD_FLAG_DEASSIGN) {
        return ioeventfd_deassign(vm, &in);
    }
    if (!size_ok || in.addr + in.len < in.addr ||
        (in.flags & ~(uint32_t)KVM_IOEVENTFD_VALID_FLAG_MASK) ||
        (!in.len && (in.flags & KVM_IOEVENTFD_FLAG_DATAMATCH))) {
        return -EINVAL;
    }
    return ioeventfd_assign(vm, &in);
}

bool irq_bus_write(Vm *vm, bool pio, uint64_t address, uint32_t length, uint64_t value)
{
    if (!atomic_load_explicit(&vm->num_ioeventfds, memory_order_relaxed)) {
        return false;
    }
    uint64_t mask = length == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * length)) - 1;
    bool hit = false;
    pthread_mutex_lock(&vm->irq);
    for (IoEventFd *e = vm->ioeventfds; e && !hit; e = e->next) {
        if (e->address == address && !!(e->flags & KVM_IOEVENTFD_FLAG_PIO) == pio &&
            (!e->length || e->length == length) &&
            (!(e->flags & KVM_IOEVENTFD_FLAG_DATAMATCH) ||
             (e->datamatch & mask) == (value & mask))) {
            uint64_t one = 1;
            raw_write(e->fd, &one, sizeof(one));
            hit = true;
        }
    }
    pthread_mutex_unlock(&vm->irq);
    return hit;
}

void irq_free(Vm *vm)
{
    pthread_mutex_lock(&vm->irq);
    while (vm->irqfds) {
        IrqFd *q = vm->irqfds;
        vm->irqfds = q->next;
        raw_close(q->fd);
        free(q);
    }
    while (vm->ioeventfds) {
        IoEventFd *e = vm->ioeventfds;
        vm->ioeventfds = e->next;
        raw_close(e->fd);
        free(e);
    }
    atomic_store(&vm->num_ioeventfds, 0);
    pthread_mutex_unlock(&vm->irq);
}
