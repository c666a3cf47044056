/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An invented kernel behind accel/kvm/kvm-sys.h. */
#include "fake-kvm.h"

#include <errno.h>
#include <string.h>

#include "../../../accel/kvm/kvm-sys.h"

#define MAX_FDS 256
#define MAX_FAILURES 8

typedef struct Failure {
    const char *op;
    unsigned nth, times;
    int error;
    uint64_t hw_error;
} Failure;

FakeKvm fake;
static GMutex lock;
static bool is_open[MAX_FDS];
static void *run_pages[MAX_FDS];
static unsigned mappings;
static GHashTable *counts;
static GString *calls;
static Failure failures[MAX_FAILURES];
static unsigned num_failures;

void fake_reset(void)
{
    memset(is_open, 0, sizeof(is_open));
    memset(run_pages, 0, sizeof(run_pages));
    mappings = num_failures = 0;
    g_clear_pointer(&counts, g_hash_table_destroy);
    counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!calls) {
        calls = g_string_new(NULL);
    }
    g_string_truncate(calls, 0);
    fake = (FakeKvm) {
        .api_version = 12, .run_size = FAKE_RUN_SIZE, .vm_types = 0x21, .max_vcpus = 8,
        .tsc_khz = 2100000,
        .supported_cpuid = 20, .configurable = 5, .td_cpuid = 30, .run = fake_run_idle,
    };
}

void fake_fail(const char *op, unsigned nth, unsigned times, int error, uint64_t hw_error)
{
    g_assert_cmpuint(num_failures, <, MAX_FAILURES);
    failures[num_failures++] = (Failure) { op, nth, times, error, hw_error };
}

unsigned fake_open_fds(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MAX_FDS; i++) {
        n += is_open[i];
    }
    return n;
}

unsigned fake_mappings(void)
{
    return mappings;
}

unsigned fake_count(const char *op)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(counts, op));
}

char *fake_calls(void)
{
    g_mutex_lock(&lock);
    char *copy = g_strdup(calls->str);
    g_mutex_unlock(&lock);
    return copy;
}

void fake_forget_calls(void)
{
    g_string_truncate(calls, 0);
}

/* Notes a call, and says whether it fails: -errno or 0. */
static int note(const char *op, uint64_t *hw_error, const char *detail)
{
    unsigned nth = fake_count(op) + 1;

    g_hash_table_insert(counts, g_strdup(op), GUINT_TO_POINTER(nth));
    g_string_append_printf(calls, "%s%s%s ", calls->len ? "" : "", op, detail);
    for (unsigned i = 0; i < num_failures; i++) {
        const Failure *failure = &failures[i];

        if (strcmp(failure->op, op) == 0 && nth >= failure->nth &&
            nth - failure->nth < failure->times) {
            if (hw_error) {
                *hw_error = failure->hw_error;
            }
            return -failure->error;
        }
    }
    return 0;
}

static int new_fd(void)
{
    for (int fd = 3; fd < MAX_FDS; fd++) {
        if (!is_open[fd]) {
            is_open[fd] = true;
            return fd;
        }
    }
    return -EMFILE;
}

static void check_fd(int fd)
{
    g_assert_true(fd >= 3 && fd < MAX_FDS && is_open[fd]);
}

static int check_extension(unsigned cap)
{
    if (cap == fake.missing_cap) {
        return 0;
    }
    return cap == KVM_CAP_VM_TYPES ? fake.vm_types : cap == KVM_CAP_MAX_VCPUS ? fake.max_vcpus : 1;
}

static void fill_cpuid(struct kvm_cpuid2 *cpuid, unsigned n)
{
    cpuid->nent = n;
    for (unsigned i = 0; i < n; i++) {
        cpuid->entries[i] = (struct kvm_cpuid_entry2) { .function = i, .eax = 0x1000 + i };
    }
}

static int init_mem_region(struct kvm_tdx_init_mem_region *region)
{
    uint64_t pages = region->nr_pages;

    if (fake.pages_per_call && pages > fake.pages_per_call) {
        pages = fake.pages_per_call;
    }
    region->source_addr += pages * 4096;
    region->gpa += pages * 4096;
    region->nr_pages -= pages;
    return region->nr_pages ? -fake.region_error : 0;
}

static int tdx_command(struct kvm_tdx_cmd *command)
{
    static const char *const names[] = {
        "CAPABILITIES", "INIT_VM", "INIT_VCPU", "INIT_MEM_REGION", "FINALIZE_VM", "GET_CPUID",
    };
    void *data = (void *)(uintptr_t)command->data;
    struct kvm_tdx_capabilities *caps = data;
    struct kvm_tdx_init_vm *init = data;
    struct kvm_cpuid2 *cpuid = data;

    g_assert_cmpuint(command->id, <, G_N_ELEMENTS(names));
    g_assert_cmphex(command->hw_error, ==, 0);
    uint64_t hw_error = 0;
    int ret = note(names[command->id], &hw_error, "");
    if (ret < 0) {
        command->hw_error = hw_error;
        return ret;
    }
    switch (command->id) {
    case KVM_TDX_CAPABILITIES:
        if (caps->cpuid.nent < fake.configurable) {
            return -E2BIG;
        }
        caps->supported_attrs = 0x10000000;
        caps->supported_xfam = 0xe7;
        caps->user_tdvmcallinfo_1_r11 = 2;
        fill_cpuid(&caps->cpuid, fake.configurable);
        return 0;
    case KVM_TDX_INIT_VM:
        fake.attributes = init->attributes;
        fake.xfam = init->xfam;
        return 0;
    case KVM_TDX_INIT_VCPU:
        fake.rcx = command->data;
        return 0;
    case KVM_TDX_INIT_MEM_REGION:
        return init_mem_region(data);
    case KVM_TDX_GET_CPUID:
        if (cpuid->nent < fake.td_cpuid) {
            cpuid->nent = fake.td_cpuid;
            return -E2BIG;
        }
        fill_cpuid(cpuid, fake.td_cpuid);
        return 0;
    default:
        return 0;
    }
}

static const char *ioctl_name(unsigned long request)
{
    switch (request) {
    case KVM_GET_API_VERSION: return "GET_API_VERSION";
    case KVM_GET_VCPU_MMAP_SIZE: return "GET_VCPU_MMAP_SIZE";
    case KVM_CREATE_VM: return "CREATE_VM";
    case KVM_GET_SUPPORTED_CPUID: return "GET_SUPPORTED_CPUID";
    case KVM_ENABLE_CAP: return "ENABLE_CAP";
    case KVM_SET_TSC_KHZ: return "SET_TSC_KHZ";
    case KVM_GET_TSC_KHZ: return "GET_TSC_KHZ";
    case KVM_CREATE_VCPU: return "CREATE_VCPU";
    case KVM_SET_CPUID2: return "SET_CPUID2";
    case KVM_CREATE_GUEST_MEMFD: return "CREATE_GUEST_MEMFD";
    case KVM_SET_USER_MEMORY_REGION2: return "SET_USER_MEMORY_REGION2";
    case KVM_SET_MEMORY_ATTRIBUTES: return "SET_MEMORY_ATTRIBUTES";
    case KVM_SIGNAL_MSI: return "SIGNAL_MSI";
    case KVM_IOEVENTFD: return "IOEVENTFD";
    case KVM_IRQFD: return "IRQFD";
    case KVM_SET_GSI_ROUTING: return "SET_GSI_ROUTING";
    default: g_error("the invented kernel knows no ioctl 0x%lx", request);
    }
}

static char *ioctl_detail(unsigned long request, uintptr_t arg)
{
    const struct kvm_enable_cap *cap = (void *)arg;
    const struct kvm_memory_attributes *attributes = (void *)arg;
    const struct kvm_userspace_memory_region2 *region = (void *)arg;

    switch (request) {
    case KVM_CREATE_VM:
    case KVM_CREATE_VCPU:
    case KVM_SET_TSC_KHZ:
        return g_strdup_printf("(%lu)", (unsigned long)arg);
    case KVM_ENABLE_CAP:
        return g_strdup_printf("(%u,0x%llx)", cap->cap, cap->args[0]);
    case KVM_SET_MEMORY_ATTRIBUTES:
        return g_strdup_printf("(0x%llx+0x%llx,%llu)", attributes->address, attributes->size,
                               attributes->attributes);
    case KVM_SIGNAL_MSI:
        return g_strdup_printf("(0x%x:%08x,0x%x)", ((const struct kvm_msi *)arg)->address_hi,
                               ((const struct kvm_msi *)arg)->address_lo,
                               ((const struct kvm_msi *)arg)->data);
    case KVM_SET_USER_MEMORY_REGION2:
        return g_strdup_printf("(%u,0x%llx+0x%llx,%u)", region->slot, region->guest_phys_addr,
                               region->memory_size, region->flags);
    default:
        return g_strdup("");
    }
}

static int ioctl_locked(int fd, unsigned long request, uintptr_t arg)
{
    check_fd(fd);
    if (request == KVM_MEMORY_ENCRYPT_OP) {
        return tdx_command((void *)arg);
    }
    if (request == KVM_CHECK_EXTENSION) {
        return check_extension((unsigned)arg);
    }
    g_autofree char *detail = ioctl_detail(request, arg);
    int ret = note(ioctl_name(request), NULL, detail);
    if (ret < 0) {
        return ret;
    }
    struct kvm_cpuid2 *cpuid = (void *)arg;
    switch (request) {
    case KVM_GET_API_VERSION: return fake.api_version;
    case KVM_GET_VCPU_MMAP_SIZE: return fake.run_size;
    case KVM_GET_TSC_KHZ: return fake.tsc_khz;
    case KVM_CREATE_VM:
    case KVM_CREATE_VCPU:
    case KVM_CREATE_GUEST_MEMFD: return new_fd();
    case KVM_GET_SUPPORTED_CPUID:
        if (cpuid->nent < fake.supported_cpuid) {
            return -E2BIG;
        }
        fill_cpuid(cpuid, fake.supported_cpuid);
        return 0;
    default: return 0;
    }
}

int fake_run_idle(struct kvm_run *run)
{
    while (!__atomic_load_n(&run->immediate_exit, __ATOMIC_ACQUIRE)) {
        g_usleep(200);
    }
    return -EINTR;
}

int kvm_sys_ioctl(int fd, unsigned long request, uintptr_t arg)
{
    if (request == KVM_RUN) {
        struct kvm_run *run = run_pages[fd];

        return __atomic_load_n(&run->immediate_exit, __ATOMIC_ACQUIRE) ? -EINTR : fake.run(run);
    }
    g_mutex_lock(&lock);
    int ret = ioctl_locked(fd, request, arg);
    g_mutex_unlock(&lock);
    return ret;
}

int kvm_sys_open(const char *path)
{
    int ret = note("open", NULL, "");

    g_assert_cmpstr(path, ==, "/dev/kvm");
    return ret < 0 ? ret : new_fd();
}

int kvm_sys_request_guest_state(unsigned component)
{
    g_autofree char *detail = g_strdup_printf("(%u)", component);

    return note("arch_prctl", NULL, detail);
}

void kvm_sys_close(int fd)
{
    check_fd(fd);
    is_open[fd] = false;
}

int kvm_sys_map(int fd, size_t size, void **address)
{
    int ret = note("mmap", NULL, "");

    check_fd(fd);
    if (ret == 0) {
        run_pages[fd] = *address = g_malloc0(size);
        mappings++;
    }
    return ret;
}

void kvm_sys_unmap(void *address, size_t size)
{
    g_assert_cmpuint(size, ==, (size_t)fake.run_size);
    g_free(address);
    mappings--;
}

int kvm_sys_set_cloexec(int fd)
{
    check_fd(fd);
    return note("cloexec", NULL, "");
}

int kvm_sys_punch(int fd, uint64_t offset, uint64_t size)
{
    g_autofree char *detail = g_strdup_printf("(0x%" G_GINT64_MODIFIER "x+0x%" G_GINT64_MODIFIER
                                              "x)",
                                              offset, size);

    check_fd(fd);
    g_mutex_lock(&lock);
    int ret = note("punch", NULL, detail);
    g_mutex_unlock(&lock);
    return ret;
}

int kvm_sys_discard(void *address, size_t size)
{
    g_autofree char *detail = g_strdup_printf("(%zu)", size);

    g_mutex_lock(&lock);
    int ret = note("discard", NULL, detail);
    g_mutex_unlock(&lock);
    return ret;
}
