/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --fault NAME[:n]=ERROR[,...]: the n-th call (every one without :n) of an ioctl, a TDX sub-command
 * or a SEAMCALL answers an errno (name or number) or a TDX status (0x...). NAME is as
 * trace_ioctl_name() and trace_tdx_name() spell it, TDH_MNG_INIT, TDH_MEM_PAGE_ADD (counts pages:
 * errors in the middle of INIT_MEM_REGION), TDH_MR_FINALIZE, open, or mmap (of a vCPU's run page).
 */
#include <stdlib.h>
#include <string.h>

#include "../module/status.h"
#include "host.h"

typedef struct ErrnoName {
    const char *name;
    int value;
} ErrnoName;

static const ErrnoName errno_names[] = {
    { "EPERM", EPERM }, { "ENOENT", ENOENT }, { "EINTR", EINTR }, { "EIO", EIO },
    { "ENXIO", ENXIO }, { "E2BIG", E2BIG }, { "EBADF", EBADF },
    { "EAGAIN", EAGAIN }, { "ENOMEM", ENOMEM }, { "EACCES", EACCES }, { "EFAULT", EFAULT },
    { "EBUSY", EBUSY }, { "EEXIST", EEXIST },
    { "ENODEV", ENODEV }, { "EINVAL", EINVAL }, { "ENFILE", ENFILE }, { "EMFILE", EMFILE },
    { "ENOTTY", ENOTTY }, { "ENOSPC", ENOSPC },
    { "EOPNOTSUPP", EOPNOTSUPP }, { "ENOSYS", ENOSYS }, { "EHWPOISON", EHWPOISON },
    { "ETIMEDOUT", ETIMEDOUT },
};

/* A status becomes what KVM makes of it. */
static int status_errno(uint64_t status)
{
    switch (status & UINT64_C(0xffffffff00000000)) {
    case TDX_OPERAND_INVALID:
        return EINVAL;
    case TDX_OPERAND_BUSY:
        return EBUSY;
    case TDX_RND_NO_ENTROPY:
        return EAGAIN;
    default:
        return EIO;
    }
}

static bool parse_error(const char *text, FaultRule *rule)
{
    char *end;
    for (size_t i = 0; i < sizeof(errno_names) / sizeof(*errno_names); i++) {
        if (!strcmp(text, errno_names[i].name)) {
            rule->error = errno_names[i].value;
            return true;
        }
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (end == text || *end || errno || !value) {
        return false;
    }
    if (value < 4096) {
        rule->error = (int)value;
    } else {
        rule->status = value;
        rule->error = status_errno(value);
    }
    return true;
}

/* A rule of another name would never be due, and nobody would notice. */
static bool known_name(const char *name)
{
    static const char *const others[] = { "TDH_MNG_INIT", "TDH_MEM_PAGE_ADD", "TDH_MR_FINALIZE",
                                          "open", "mmap" };
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (!strcmp(name, others[i])) {
            return true;
        }
    }
    return trace_is_name(name);
}

static bool parse_rule(char *text, FaultRule *rule)
{
    char *equal = strchr(text, '='), *end;
    if (!equal) {
        return false;
    }
    *equal = '\0';
    char *colon = strchr(text, ':');
    rule->every = !colon;
    if (colon) {
        *colon = '\0';
        rule->nth = strtoull(colon + 1, &end, 10);
        if (end == colon + 1 || *end || !rule->nth) {
            return false;
        }
    }
    if (!*text || strlen(text) >= sizeof(rule->name)) {
        return false;
    }
    strcpy(rule->name, text);
    return parse_error(equal + 1, rule);
}

int fault_parse(KvmHost *host, const char *spec, char *error, size_t error_size)
{
    char *copy = strdup(spec), *save = NULL;
    int r = copy ? 0 : -ENOMEM;
    for (char *part = copy ? strtok_r(copy, ",", &save) : NULL; part && !r;
         part = strtok_r(NULL, ",", &save)) {
        char shown[64];
        snprintf(shown, sizeof(shown), "%s", part);
        if (host->num_faults == HOST_MAX_FAULTS) {
            snprintf(error, error_size, "more than %d faults", HOST_MAX_FAULTS);
            r = -EINVAL;
        } else if (!parse_rule(part, &host->faults[host->num_faults])) {
            snprintf(error, error_size, "fault '%s': expected NAME[:n]=ERRNO or NAME[:n]=0xSTATUS",
                     shown);
            r = -EINVAL;
        } else if (!known_name(host->faults[host->num_faults].name)) {
            snprintf(error, error_size, "fault '%s': nothing of that name can fail", shown);
            r = -EINVAL;
        } else {
            host->num_faults++;
        }
    }
    free(copy);
    return r;
}

bool kvm_fault_check(const char *spec, char *error, size_t error_size)
{
    KvmHost *host = calloc(1, sizeof(*host));
    bool ok = host && fault_parse(host, spec, error, error_size) == 0;
    if (!host) {
        snprintf(error, error_size, "out of memory");
    }
    free(host);
    return ok;
}

int fault_due(KvmHost *host, const char *name, uint64_t *status)
{
    int r = 0;
    for (uint32_t i = 0; i < host->num_faults; i++) {
        FaultRule *rule = &host->faults[i];
        if (strcmp(rule->name, name)) {
            continue;
        }
        /* Every rule of that name counts the call, whichever answers it. */
        uint64_t n = atomic_fetch_add(&rule->seen, 1) + 1;
        if (!r && (rule->every || n == rule->nth)) {
            r = -rule->error;
            *status = rule->status;
            TRACE(host, "fault", T_S("name", name), T_D("result", r), T_X("status", rule->status));
        }
    }
    return r;
}
