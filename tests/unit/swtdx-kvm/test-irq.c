/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupts from eventfds through GSI routes, MSIs, ioeventfds, and what ordinary VMs are told. */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "../../../swtdx/host/kvm/host.h"
#include "fixture.h"

/* struct kvm_irq_routing with room for its entries. */
typedef struct Routing {
    uint32_t nr, flags;
    struct kvm_irq_routing_entry entries[4];
} Routing;
_Static_assert(offsetof(Routing, entries) == sizeof(struct kvm_irq_routing), "the kernel's layout");

static Vm *inner_vm(Fixture *f)
{
    return f->host->vms;
}

/* Takes what waits in a vCPU's APIC: a vector, or -1. */
static int accepted(Fixture *f, unsigned n)
{
    Lapic *lapic = &inner_vm(f)->vcpus[n]->lapic;
    int vector;
    lapic_write(lapic, 0x80f, 0x1ff); /* switched on, as a guest's driver does */
    vector = lapic_accept(lapic);
    if (vector >= 0) {
        lapic_write(lapic, 0x80b, 0);
    }
    return vector;
}

/* The service thread reads irqfds: waits for the interrupt, at most 2 s. */
static int accepted_soon(Fixture *f, unsigned n)
{
    int vector = -1;
    for (unsigned i = 0; i < 2000 && vector < 0; i++) {
        vector = accepted(f, n);
        if (vector < 0) {
            g_usleep(1000);
        }
    }
    return vector;
}

static int route(Fixture *f, uint32_t gsi, uint32_t address, uint32_t data)
{
    Routing r = {.nr = 1};
    r.entries[0] = (struct kvm_irq_routing_entry){.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
                                                  .u.msi = {address, 0, data, {0}}};
    return vm(f, KVM_SET_GSI_ROUTING, (uintptr_t)&r);
}

static int irqfd(Fixture *f, int fd, uint32_t gsi, uint32_t flags)
{
    struct kvm_irqfd q = {.fd = (uint32_t)fd, .gsi = gsi, .flags = flags,
                          .resamplefd = (uint32_t)fd};
    return vm(f, KVM_IRQFD, (uintptr_t)&q);
}

static void signal_fd(int fd)
{
    uint64_t one = 1;
    g_assert_cmpint(write(fd, &one, sizeof(one)), ==, sizeof(one));
}

static void test_routing(void)
{
    static const struct {
        const char *label;
        uint32_t nr, flags;
        struct kvm_irq_routing_entry entry;
        int result;
    } rows[] = {
        {"none", 0, 0, {0}, 0},
        {"MSI", 1, 0, {.gsi = 5, .type = KVM_IRQ_ROUTING_MSI, .u.msi = {0xfee00000, 0, 0x41, {0}}},
         0},
        {"MSI of a device id", 1, 0, {.gsi = 5, .type = KVM_IRQ_ROUTING_MSI,
                                      .flags = KVM_MSI_VALID_DEVID}, 0},
        {"flags of the table", 0, 1, {0}, -EINVAL},
        {"flags of an entry", 1, 0, {.gsi = 5, .type = KVM_IRQ_ROUTING_MSI, .flags = 2}, -EINVAL},
        {"GSI 4096", 1, 0, {.gsi = 4096, .type = KVM_IRQ_ROUTING_MSI}, -EINVAL},
        {"pin of an in-kernel chip", 1, 0, {.gsi = 5, .type = KVM_IRQ_ROUTING_IRQCHIP}, -EINVAL},
        {"Hyper-V", 1, 0, {.gsi = 5, .type = KVM_IRQ_ROUTING_HV_SINT}, -EINVAL},
        {"type 99", 1, 0, {.gsi = 5, .type = 99}, -EINVAL},
        {"destination bits 7:0 of the upper word", 1, 0,
         {.gsi = 5, .type = KVM_IRQ_ROUTING_MSI, .u.msi = {0xfee00000, 0x10, 0x41, {0}}}, -EINVAL},
        {"4097 routes", 4097, 0, {0}, -EINVAL},
    };
    Fixture *f = fixture_new(16, AT_VM, NULL);
    Routing r = {.nr = 0};
    g_assert_cmpint(vm(f, KVM_SET_GSI_ROUTING, (uintptr_t)&r), ==, -EINVAL); /* no irqchip yet */
    fixture_free(f);
    f = fixture_new(16, AT_CAPS, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        r = (Routing){.nr = rows[i].nr, .flags = rows[i].flags};
        r.entries[0] = rows[i].entry;
        g_assert_cmpint(vm(f, KVM_SET_GSI_ROUTING, (uintptr_t)&r), ==, rows[i].result);
    }
    g_assert_cmpint(vm(f, KVM_SET_GSI_ROUTING, 0), ==, -EFAULT);
    fixture_free(f);
}

static void test_irqfd(void)
{
    Fixture *f = fixture_new(16, AT_INIT_VCPU, NULL);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), second;
    g_assert_cmpint(route(f, 5, 0xfee00000, 0x41), ==, 0);
    g_assert_cmpint(irqfd(f, fd, 5, 0), ==, 0);
    g_assert_cmpint(irqfd(f, fd, 6, 0), ==, -EBUSY);
    signal_fd(fd);
    g_assert_cmpint(accepted_soon(f, 0), ==, 0x41);
    g_assert_cmpint(accepted(f, 0), ==, -1);

    /* The route that stands when it fires counts. */
    g_assert_cmpint(route(f, 5, 0xfee00000, 0x52), ==, 0);
    signal_fd(fd);
    g_assert_cmpint(accepted_soon(f, 0), ==, 0x52);

    /* An edge to nobody is lost, not kept. */
    g_assert_cmpint(route(f, 5, 0xfee07000, 0x52), ==, 0);
    signal_fd(fd);
    g_usleep(20000);
    g_assert_cmpint(route(f, 5, 0xfee00000, 0x63), ==, 0);
    g_assert_cmpint(accepted(f, 0), ==, -1);

    /* Taken away by GSI and descriptor; the eventfd is the caller's again. */
    g_assert_cmpint(irqfd(f, fd, 6, KVM_IRQFD_FLAG_DEASSIGN), ==, 0);
    signal_fd(fd);
    g_assert_cmpint(accepted_soon(f, 0), ==, 0x63);
    g_assert_cmpint(irqfd(f, fd, 5, KVM_IRQFD_FLAG_DEASSIGN), ==, 0);
    signal_fd(fd);
    g_usleep(20000);
    g_assert_cmpint(accepted(f, 0), ==, -1);

    /* One that the caller closes still works: KVM holds the file. */
    second = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_assert_cmpint(irqfd(f, second, 5, 0), ==, 0);
    fd = dup(second);
    close(second);
    signal_fd(fd);
    g_assert_cmpint(accepted_soon(f, 0), ==, 0x63);
    close(fd);
    fixture_free(f);
}

static bool waits_to_be_read(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

/* More than the 1024 that a table of descriptors may be thought to have. */
static void test_many(void)
{
    enum { MANY = 1100 };
    struct rlimit limit, old;
    Fixture *f;
    int fds[MANY];
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
    limit = old;
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max < 3 * MANY || setrlimit(RLIMIT_NOFILE, &limit)) {
        g_test_skip("no process may have so many descriptors here (ulimit -Hn)");
        return;
    }
    f = fixture_new(16, AT_INIT_VCPU, NULL);
    for (unsigned i = 0; i < MANY; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        g_assert_cmpint(irqfd(f, fds[i], i, 0), ==, 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        signal_fd(fds[i]);
    }
    for (unsigned i = 0, turns = 0; i < MANY; turns++) {
        g_assert_cmpuint(turns, <, 30000);
        if (waits_to_be_read(fds[i])) {
            g_usleep(1000);
        } else {
            close(fds[i++]);
        }
    }
    fixture_free(f);
    setrlimit(RLIMIT_NOFILE, &old);
}

/* An eventfd whose reads wait, which the program reads too: who comes second goes without. */
static void test_read_by_two(void)
{
    Fixture *f = fixture_new(16, AT_INIT_VCPU, NULL);
    int fd = eventfd(0, EFD_CLOEXEC);
    g_assert_cmpint(irqfd(f, fd, 5, 0), ==, 0);
    unsigned first = 0;
    alarm(300); /* without an end, the service thread would wait with locks held */
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t value;
        struct iovec to = {&value, sizeof(value)};
        signal_fd(fd);
        /* at any time after the thread has seen it: in between is what matters */
        for (gint64 until = g_get_monotonic_time() + i % 100; g_get_monotonic_time() < until;) {
        }
        ssize_t got = preadv2(fd, &to, 1, -1, RWF_NOWAIT);
        first += got > 0;
        if (got < 0 && errno == EOPNOTSUPP) {
            g_test_skip("this kernel's eventfds cannot be read without waiting");
            break;
        }
        g_assert_cmpint(route(f, 5, 0xfee00000, 0x41), ==, 0);
        g_assert_cmpint(vm(f, KVM_CHECK_EXTENSION, KVM_CAP_IRQFD), ==, 1);
    }
    g_test_message("%u first", first);
    fixture_free(f);
    alarm(0);
    close(fd);
}

static void test_irqfd_refused(void)
{
    Fixture *f = fixture_new(16, AT_VM, NULL);
    int fd = eventfd(0, EFD_CLOEXEC), pipes[2];
    g_assert_cmpint(irqfd(f, fd, 5, 0), ==, -EAGAIN); /* no irqchip */
    fixture_free(f);
    f = fixture_new(16, AT_INIT_VCPU, NULL);
    g_assert_cmpint(pipe(pipes), ==, 0);
    g_assert_cmpint(irqfd(f, fd, 4096, 0), ==, -EINVAL);
    g_assert_cmpint(irqfd(f, fd, 5, 4), ==, -EINVAL);
    /* no EOI of a TD is seen */
    g_assert_cmpint(irqfd(f, fd, 5, KVM_IRQFD_FLAG_RESAMPLE), ==, -EINVAL);
    g_assert_cmpint(irqfd(f, -1, 5, 0), ==, -EBADF);
    g_assert_cmpint(irqfd(f, pipes[0], 5, 0), ==, -EINVAL);
    g_assert_cmpint(irqfd(f, f->kvm, 5, 0), ==, -EINVAL);
    g_assert_cmpint(irqfd(f, 1000000, 5, KVM_IRQFD_FLAG_DEASSIGN), ==, -EBADF);
    g_assert_cmpint(vm(f, KVM_IRQFD, 0), ==, -EFAULT);
    close(pipes[0]);
    close(pipes[1]);
    close(fd);
    fixture_free(f);
}

/* Level-triggered or not, a TD's EOI leaves no exit: the APIC page is the module's. */
static void test_level(void)
{
    Fixture *f = fixture_new(16, AT_INIT_VCPU, NULL);
    struct kvm_msi msi = {.address_lo = 0xfee00000, .data = 0x8000 | 0x71};
    g_assert_cmpint(vm(f, KVM_SIGNAL_MSI, (uintptr_t)&msi), ==, 1);
    g_assert_cmpint(accepted(f, 0), ==, 0x71);
    g_assert_cmpint(accepted(f, 0), ==, -1);
    msi.data = 0x200 | 0x71; /* SMI */
    g_assert_cmpint(vm(f, KVM_SIGNAL_MSI, (uintptr_t)&msi), ==, -1);
    msi.flags = 2;
    g_assert_cmpint(vm(f, KVM_SIGNAL_MSI, (uintptr_t)&msi), ==, -EINVAL);
    fixture_free(f);
}

static int ioeventfd(Fixture *f, int fd, uint64_t address, uint32_t length, uint32_t flags,
                     uint64_t match)
{
    struct kvm_ioeventfd e = {.fd = fd, .addr = address, .len = length, .flags = flags,
                              .datamatch = match};
    return vm(f, KVM_IOEVENTFD, (uintptr_t)&e);
}

static uint64_t count(int fd)
{
    uint64_t value = 0;
    return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

static void test_ioeventfd(void)
{
    Fixture *f = fixture_new(16, AT_INIT_VCPU, NULL);
    int any = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        seven = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const uint32_t match = KVM_IOEVENTFD_FLAG_DATAMATCH, pio = KVM_IOEVENTFD_FLAG_PIO;
    g_assert_cmpint(ioeventfd(f, any, 0xe0001000, 0, 0, 0), ==, 0);
    /* covered by the one of any length */
    g_assert_cmpint(ioeventfd(f, seven, 0xe0001000, 2, match, 7), ==, -EEXIST);
    g_assert_cmpint(ioeventfd(f, seven, 0xe0002000, 2, match, 7), ==, 0);
    g_assert_cmpint(ioeventfd(f, any, 0xe0002000, 2, match, 8), ==, 0);
    g_assert_cmpint(ioeventfd(f, any, 0xe0002000, 2, match, 7), ==, -EEXIST);
    g_assert_cmpint(ioeventfd(f, seven, 0x60, 1, pio, 0), ==, 0);

    Vm *v = inner_vm(f);
    g_assert_true(irq_bus_write(v, false, 0xe0001000, 4, 1));
    g_assert_true(irq_bus_write(v, false, 0xe0001000, 1, 1));
    g_assert_cmpuint(count(any), ==, 2);
    g_assert_true(irq_bus_write(v, false, 0xe0002000, 2, 7));
    g_assert_cmpuint(count(seven), ==, 1);
    g_assert_true(irq_bus_write(v, false, 0xe0002000, 2, 8));
    g_assert_cmpuint(count(any), ==, 1);
    g_assert_false(irq_bus_write(v, false, 0xe0002000, 2, 9));
    g_assert_false(irq_bus_write(v, false, 0xe0002000, 4, 7));
    g_assert_false(irq_bus_write(v, true, 0xe0002000, 2, 7));
    g_assert_true(irq_bus_write(v, true, 0x60, 1, 0xff));
    g_assert_false(irq_bus_write(v, false, 0x60, 1, 0xff));
    g_assert_cmpuint(count(seven), ==, 1);

    g_assert_cmpint(ioeventfd(f, seven, 0xe0002000, 2, match | KVM_IOEVENTFD_FLAG_DEASSIGN, 8), ==,
                    -ENOENT);
    g_assert_cmpint(ioeventfd(f, seven, 0xe0002000, 2, match | KVM_IOEVENTFD_FLAG_DEASSIGN, 7), ==,
                    0);
    g_assert_false(irq_bus_write(v, false, 0xe0002000, 2, 7));
    g_assert_cmpint(ioeventfd(f, any, 0, 3, 0, 0), ==, -EINVAL);
    g_assert_cmpint(ioeventfd(f, any, 0, 0, match, 0), ==, -EINVAL);
    g_assert_cmpint(ioeventfd(f, any, UINT64_MAX, 4, 0, 0), ==, -EINVAL);
    g_assert_cmpint(ioeventfd(f, any, 0, 4, 1u << 8, 0), ==, -EINVAL);
    g_assert_cmpint(ioeventfd(f, -1, 0, 4, 0, 0), ==, -EBADF);
    g_assert_cmpint(ioeventfd(f, f->kvm, 0, 4, 0, 0), ==, -EINVAL);
    close(any);
    close(seven);
    fixture_free(f);
}

/* They can be created, as VMMs do to probe, but have no vCPU. */
static void test_ordinary(void)
{
    Fixture *f = fixture_new(16, AT_HOST, NULL);
    f->vm = sys(f, KVM_CREATE_VM, 0);
    g_assert_cmpint(f->vm, >=, 0);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 0), ==, -EOPNOTSUPP);
    g_assert_cmpint(vm(f, KVM_CREATE_VCPU, 1u << 20), ==, -EINVAL);
    AbiCreateGuestMemfd gmem = {
        .size = 4096}; /* only slots of it are for VMs with private memory alone */
    g_assert_cmpint(vm(f, ABI_CREATE_GUEST_MEMFD, (uintptr_t)&gmem), >=, 0);
    fixture_free(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/swtdx-irq/routing", test_routing);
    g_test_add_func("/swtdx-irq/irqfd", test_irqfd);
    g_test_add_func("/swtdx-irq/many", test_many);
    g_test_add_func("/swtdx-irq/read-by-two", test_read_by_two);
    g_test_add_func("/swtdx-irq/irqfd-refused", test_irqfd_refused);
    g_test_add_func("/swtdx-irq/level", test_level);
    g_test_add_func("/swtdx-irq/ioeventfd", test_ioeventfd);
    g_test_add_func("/swtdx-irq/ordinary-vms", test_ordinary);
    return g_test_run();
}
