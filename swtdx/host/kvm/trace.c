/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --trace: one line per event, with seconds since the start, as text or as an object of JSON
 * (docs/system/swtdx.rst has the events); --summary; messages on stderr; names of ioctls.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "../module/status.h"
#include "host.h"
#include "raw.h"

typedef struct IoctlName {
    uint32_t code;
    const char *name;
} IoctlName;

#define N(x) { (uint32_t)(x), #x }
static const IoctlName ioctl_names[] = {
    N(KVM_RUN), N(KVM_GET_API_VERSION), N(KVM_CREATE_VM), N(KVM_CHECK_EXTENSION),
    N(KVM_GET_VCPU_MMAP_SIZE), N(KVM_GET_SUPPORTED_CPUID),
    N(KVM_GET_EMULATED_CPUID), N(KVM_GET_MSR_INDEX_LIST), N(KVM_GET_MSR_FEATURE_INDEX_LIST),
    N(KVM_GET_MSRS), N(KVM_SET_MSRS),
    N(KVM_CREATE_VCPU), N(KVM_ENABLE_CAP), N(KVM_SET_USER_MEMORY_REGION),
    { ABI_SET_USER_MEMORY_REGION2, "KVM_SET_USER_MEMORY_REGION2" },
    { ABI_SET_MEMORY_ATTRIBUTES, "KVM_SET_MEMORY_ATTRIBUTES" },
    { ABI_CREATE_GUEST_MEMFD, "KVM_CREATE_GUEST_MEMFD" },
    { ABI_PRE_FAULT_MEMORY, "KVM_PRE_FAULT_MEMORY" },
    { ABI_MEMORY_ENCRYPT_OP, "KVM_MEMORY_ENCRYPT_OP" }, N(KVM_SET_TSC_KHZ),
    N(KVM_GET_TSC_KHZ), N(KVM_SET_TSS_ADDR), N(KVM_SET_IDENTITY_MAP_ADDR), N(KVM_CREATE_IRQCHIP),
    N(KVM_IRQ_LINE), N(KVM_SET_GSI_ROUTING),
    N(KVM_SIGNAL_MSI), N(KVM_IRQFD), N(KVM_IOEVENTFD), N(KVM_SET_BOOT_CPU_ID), N(KVM_GET_CLOCK),
    N(KVM_SET_CLOCK), N(KVM_GET_DIRTY_LOG),
    N(KVM_X86_SET_MSR_FILTER), N(KVM_SET_CPUID2), N(KVM_GET_CPUID2), N(KVM_GET_MP_STATE),
    N(KVM_SET_MP_STATE), N(KVM_GET_VCPU_EVENTS),
    N(KVM_SET_VCPU_EVENTS), N(KVM_SET_SIGNAL_MASK), N(KVM_NMI), N(KVM_SMI), N(KVM_INTERRUPT),
    N(KVM_X86_SETUP_MCE), N(KVM_GET_REGS),
    N(KVM_SET_REGS), N(KVM_GET_SREGS), N(KVM_SET_SREGS), N(KVM_GET_XSAVE), N(KVM_SET_XSAVE),
    N(KVM_GET_LAPIC), N(KVM_SET_LAPIC),
};

const char *trace_ioctl_name(unsigned long request)
{
    for (size_t i = 0; i < sizeof(ioctl_names) / sizeof(*ioctl_names); i++) {
        if (ioctl_names[i].code == (uint32_t)request) {
            return ioctl_names[i].name;
        }
    }
    return "ioctl";
}

const char *trace_tdx_name(uint32_t id)
{
    static const char *const names[ABI_TDX_COUNT] = {
        "KVM_TDX_CAPABILITIES", "KVM_TDX_INIT_VM", "KVM_TDX_INIT_VCPU", "KVM_TDX_INIT_MEM_REGION",
        "KVM_TDX_FINALIZE_VM", "KVM_TDX_GET_CPUID",
    };
    return id < ABI_TDX_COUNT ? names[id] : "KVM_TDX";
}

bool trace_is_name(const char *name)
{
    for (size_t i = 0; i < sizeof(ioctl_names) / sizeof(*ioctl_names); i++) {
        if (!strcmp(ioctl_names[i].name, name)) {
            return true;
        }
    }
    for (uint32_t id = 0; id < ABI_TDX_COUNT; id++) {
        if (!strcmp(trace_tdx_name(id), name)) {
            return true;
        }
    }
    return false;
}

bool trace_open(KvmHost *host, char *error, size_t error_size)
{
    const char *path = host->options.trace;
    size_t n = strlen(path);
    host->trace = fopen(path, "we");
    if (!host->trace) {
        snprintf(error, error_size, "trace file '%s': %s", path, strerror(errno));
        return false;
    }
    setvbuf(host->trace, NULL, _IOLBF, 65536); /* a program that dies has told all */
    host->trace_json = host->options.trace_json || (n > 5 && !strcmp(path + n - 5, ".json"));
    return true;
}

static void put_bytes(FILE *out, const uint8_t *p, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        fprintf(out, "%02x", p[i]);
    }
}

/* Texts are names, and what the command line gave for --fault. */
static void put_json_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        }
        fputc((unsigned char)*text < 0x20 ? '?' : *text, out);
    }
    fputc('"', out);
}

static void put_json_field(FILE *out, const TraceField *f)
{
    if (f->kind == TRACE_TEXT && !f->data) {
        return;
    }
    fprintf(out, ",\"%s\":", f->name);
    switch (f->kind) {
    case TRACE_UNSIGNED:
        fprintf(out, "%" PRIu64, f->number);
        break;
    case TRACE_SIGNED:
        fprintf(out, "%" PRId64, (int64_t)f->number);
        break;
    case TRACE_HEX: /* text: many readers of JSON keep 53 bits of a number */
        fprintf(out, "\"0x%" PRIx64 "\"", f->number);
        break;
    case TRACE_TEXT:
        put_json_text(out, f->data);
        break;
    case TRACE_BYTES:
        fputc('"', out);
        put_bytes(out, f->data, f->number);
        fputc('"', out);
        break;
    }
}

static void put_text_field(FILE *out, const TraceField *f)
{
    if (f->kind == TRACE_TEXT && !f->data) {
        return;
    }
    if (!strcmp(f->name, "result")) {
        fputs(" -> ", out);
    } else if (!strcmp(f->name, "name")) {
        fputc(' ', out);
    } else {
        fprintf(out, " %s=", f->name);
    }
    switch (f->kind) {
    case TRACE_UNSIGNED:
        fprintf(out, "%" PRIu64, f->number);
        break;
    case TRACE_SIGNED:
        fprintf(out, "%" PRId64, (int64_t)f->number);
        break;
    case TRACE_HEX:
        fprintf(out, "0x%" PRIx64, f->number);
        break;
    case TRACE_TEXT:
        fputs(f->data, out);
        break;
    case TRACE_BYTES:
        put_bytes(out, f->data, f->number);
        break;
    }
}

void trace_event(KvmHost *host, const char *event, const TraceField *fields, size_t n)
{
    uint64_t us = (kvm_host_now_ns(host) - host->trace_start_ns) / 1000;
    FILE *out = host->trace;
    pthread_mutex_lock(&host->trace_lock);
    fprintf(out,
            host->trace_json ? "{\"t\":%" PRIu64 ".%06" PRIu64 ",\"event\":\"%s\""
                             : "%" PRIu64 ".%06" PRIu64 " %s",
            us / 1000000, us % 1000000, event);
    for (size_t i = 0; i < n; i++) {
        (host->trace_json ? put_json_field : put_text_field)(out, &fields[i]);
    }
    fputs(host->trace_json ? "}\n" : "\n", out);
    pthread_mutex_unlock(&host->trace_lock);
}

void host_message(const KvmHost *host, const char *format, ...)
{
    char text[512] = "swtdx: ";
    va_list args;
    if (host->options.quiet) {
        return;
    }
    va_start(args, format);
    vsnprintf(text + 7, sizeof(text) - 8, format, args);
    va_end(args);
    size_t n = strlen(text);
    text[n++] = '\n';
    raw_write(2, text, n);
}

void kvm_host_report(KvmHost *host)
{
    if (host->trace) {
        pthread_mutex_lock(&host->trace_lock);
        fflush(host->trace);
        pthread_mutex_unlock(&host->trace_lock);
    }
    pthread_mutex_lock(&host->lock);
    for (Vm *vm = host->vms; vm; vm = vm->next) {
        record_vm_gone(vm);
    }
    pthread_mutex_unlock(&host->lock);
    if (!host->options.summary) {
        return;
    }
    host_message(host, "pages added: %llu, attribute changes: %llu",
                 (unsigned long long)atomic_load(&host->pages_added),
                 (unsigned long long)atomic_load(&host->conversions));
    pthread_mutex_lock(&host->lock);
    for (Vm *vm = host->vms; vm; vm = vm->next) {
        uint32_t n = atomic_load(&vm->num_vcpus);
        for (uint32_t i = 0; i < n; i++) {
            Vcpu *v = vm->vcpus[i];
            host_message(host, "vCPU %u: %llu instructions, %llu entries", v->id,
                         (unsigned long long)v->cpu->instructions,
                         (unsigned long long)atomic_load(&v->entries));
        }
    }
    pthread_mutex_unlock(&host->lock);
}
