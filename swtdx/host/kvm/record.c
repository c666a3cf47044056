/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `swtdx measure`, the host's side: writes down what is measured, and stops the TD where the
 * launcher said (record.h).
 */
#include <string.h>
#include <sys/mman.h>

#include "../module/event-log.h"
#include "host.h"
#include "raw.h"

/*
 * Firmware extends first and writes the log after that: so many exits of vCPUs the log may lag
 * behind. The service thread looks, too, each 20 ms.
 */
#define LOG_PATIENCE 64

int record_attach(KvmHost *host, const char *where, char *error, size_t error_size)
{
    bool opened;
    int fd = kvm_inherited(where, &opened);
    if (fd >= 0) {
        long at = raw_result(syscall(SYS_mmap, NULL, sizeof(Record), PROT_READ | PROT_WRITE,
                                     MAP_SHARED, fd, (off_t)0));
        if (opened) {
            raw_close(fd);
        }
        if ((at >= 0 || at < -4095) && ((Record *)at)->magic == RECORD_MAGIC) {
            host->record = (Record *)at;
            return 0;
        }
    }
    snprintf(
        error, error_size,
        "the record of 'swtdx measure' was not inherited (%s): does the program close descriptors?",
        where);
    return -1;
}

void record_detach(KvmHost *host)
{
    if (host->record) {
        syscall(SYS_munmap, host->record, sizeof(Record));
        host->record = NULL;
    }
}

static void publish(Record *record, RecordState state)
{
    atomic_store(&record->state, state);
    int saved = errno;
    /* of another process: not private */
    syscall(SYS_futex, &record->state, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
    errno = saved;
}

static bool recorded(const Vm *vm)
{
    return vm->host->record && atomic_load(&vm->host->record_vm) == vm;
}

void record_td(Vm *vm, const TdParams *params)
{
    Record *r = vm->host->record;
    if (!r) {
        return;
    }
    pthread_mutex_lock(&vm->host->record_lock);
    if (!atomic_load(&vm->host->record_stopped)) {
        atomic_store(&vm->host->record_vm, vm);
        memset(&vm->host->record_log, 0, sizeof(vm->host->record_log));
        atomic_store(&r->pid, (int32_t)getpid());
        r->tds++;
        r->attributes = params->attributes;
        r->xfam = params->xfam;
        memcpy(r->mrconfigid, params->mrconfigid, 48);
        memcpy(r->mrowner, params->mrowner, 48);
        memcpy(r->mrownerconfig, params->mrownerconfig, 48);
        memset(r->mrtd, 0, sizeof(r->mrtd));
        memset(r->rtmr, 0, sizeof(r->rtmr));
        r->num_ranges = r->ranges_lost = r->extends_lost = r->log_bytes = 0;
        r->log_gpa = r->log_size = r->log_ccel = 0;
        atomic_store(&r->num_extends, 0);
        atomic_store(&r->finalised, 0);
        publish(r, RECORD_LAUNCHING);
    }
    pthread_mutex_unlock(&vm->host->record_lock);
}

/* ---- MRTD: pages come in order, one after the other, each followed by its extends ---- */

/* Whether a page is measured shows after it was added: it stands alone until the next one comes. */
static void merge_last(Record *r)
{
    RecordRange *last = r->num_ranges > 1 ? &r->ranges[r->num_ranges - 1] : NULL,
                *before = last ? last - 1 : NULL;
    if (last && last->pages == 1 && before->measured == last->measured &&
        before->gpa + before->pages * 4096 == last->gpa) {
        before->pages++;
        r->num_ranges--;
    }
}

void record_page_added(Vm *vm, uint64_t gpa)
{
    Record *r = vm->host->record;
    if (!recorded(vm)) {
        return;
    }
    merge_last(r);
    if (r->num_ranges == RECORD_MAX_RANGES) {
        r->ranges_lost++;
        return;
    }
    r->ranges[r->num_ranges++] = (RecordRange){ .gpa = gpa, .pages = 1 };
}

void record_page_measured(Vm *vm, uint64_t gpa)
{
    Record *r = vm->host->record;
    RecordRange *last = recorded(vm) && r->num_ranges ? &r->ranges[r->num_ranges - 1] : NULL;
    if (last && last->gpa == (gpa & ~UINT64_C(0xfff))) {
        last->measured = 1;
    }
}

/* ---- the log ---- */

/*
 * Reads the log as far as it has been written. False: none is there, not yet or not any more: what
 * was read before stays. Under record_lock.
 */
static bool refresh_log(Vm *vm, bool tables)
{
    KvmHost *host = vm->host;
    Record *r = host->record;
    EventLogPlace *place = &host->record_log;
    uint8_t header[EVENT_LOG_HEADER];
    if ((tables || !place->gpa) && !td_find_event_log(vm->td, tables, place)) {
        return false;
    }
    if (td_read_private(vm->td, place->gpa, header, sizeof(header)) < sizeof(header) ||
        !event_log_valid(header, sizeof(header))) {
        return false;
    }
    size_t size = place->size < RECORD_MAX_LOG ? (size_t)place->size : RECORD_MAX_LOG;
    size = td_read_private(vm->td, place->gpa, r->log, size);
    r->log_bytes = (uint32_t)event_log_used(r->log, size);
    r->log_gpa = place->gpa;
    r->log_size = place->size;
    r->log_ccel = place->ccel;
    return r->log_bytes > 0;
}

static bool log_caught_up(const Record *r)
{
    EventLogEntry entry;
    uint32_t count = 0;
    for (size_t at = 0; event_log_next(r->log, r->log_bytes, &at, &entry);) {
        count += event_log_extended(&entry);
    }
    return count >= atomic_load(&r->num_extends);
}

static bool log_has_event(const Record *r)
{
    EventLogEntry entry;
    for (size_t at = 0; event_log_next(r->log, r->log_bytes, &at, &entry);) {
        if (event_log_extended(&entry) &&
            (r->until == RECORD_UNTIL_TYPE ? entry.type == r->number
                                           : event_log_contains(&entry, r->text))) {
            return true;
        }
    }
    return false;
}

/* ---- stopping ---- */

/* Under record_lock. */
static void take_final(Vm *vm, RecordState state)
{
    Record *r = vm->host->record;
    for (unsigned i = 0; i < 4; i++) {
        td_rtmr(vm->td, i, r->rtmr[i]);
    }
    refresh_log(vm, true);
    publish(r, state);
}

static void stop(Vm *vm, bool reached)
{
    KvmHost *host = vm->host;
    pthread_mutex_lock(&host->record_lock);
    if (!atomic_exchange(&host->record_stopped, true)) {
        vm_kick_all(vm);
        atomic_store(&host->record->reached, reached);
        take_final(vm, RECORD_STOPPED);
    }
    pthread_mutex_unlock(&host->record_lock);
}

void record_finalized(Vm *vm)
{
    Record *r = vm->host->record;
    if (!recorded(vm)) {
        return;
    }
    merge_last(r);
    td_mrtd(vm->td, r->mrtd);
    r->vcpus = atomic_load(&vm->num_vcpus);
    atomic_store(&r->finalised, 1);
    publish(r, RECORD_RUNNING);
    if (r->until == RECORD_UNTIL_LAUNCH) {
        stop(vm, true);
    }
}

bool record_stopped(KvmHost *host)
{
    return host->record && atomic_load_explicit(&host->record_stopped, memory_order_relaxed);
}

/* An extend was recorded: does the rule want more than the log's catching up? */
static bool rule_met(const Record *r, const uint8_t digest[48], uint32_t count)
{
    return (r->until == RECORD_UNTIL_DIGEST && !memcmp(r->digest, digest, 48)) ||
           (r->until == RECORD_UNTIL_COUNT && count == r->number);
}

void record_extended(Vm *vm, unsigned index, const uint8_t data[48])
{
    KvmHost *host = vm->host;
    Record *r = host->record;
    if (!recorded(vm)) {
        return;
    }
    pthread_mutex_lock(&host->record_lock);
    uint32_t n = atomic_load(&r->num_extends);
    if (n < RECORD_MAX_EXTENDS) {
        r->extends[n].index = index;
        memcpy(r->extends[n].digest, data, 48);
        atomic_store(&r->num_extends, n + 1);
    } else {
        r->extends_lost++;
    }
    td_rtmr(vm->td, index, r->rtmr[index]);
    if (rule_met(r, data, n + 1)) {
        atomic_store(&host->record_met, true);
    }
    bool look_later = r->until == RECORD_UNTIL_TYPE || r->until == RECORD_UNTIL_TEXT ||
                      atomic_load(&host->record_met);
    if (look_later) {
        atomic_store(&host->record_patience, LOG_PATIENCE);
    }
    pthread_mutex_unlock(&host->record_lock);
    if (look_later) {
        service_wake(host); /* the guest may make no exit for long */
    }
}

/* Has what the launcher waits for come, as far as the log tells by now? */
static bool look(Vm *vm)
{
    KvmHost *host = vm->host;
    const Record *r = host->record;
    bool by_log = r->until == RECORD_UNTIL_TYPE || r->until == RECORD_UNTIL_TEXT;
    pthread_mutex_lock(&host->record_lock);
    bool current = refresh_log(vm, false) && log_caught_up(r);
    bool found = by_log ? r->log_bytes && log_has_event(r) : current;
    pthread_mutex_unlock(&host->record_lock);
    if (current && !found) {
        atomic_store(&host->record_patience, 0);
    }
    return found;
}

bool record_may_extend(Vm *vm)
{
    KvmHost *host = vm->host;
    if (!recorded(vm)) {
        return true;
    }
    if (!atomic_load(&host->record_stopped) && atomic_load(&host->record_patience) > 0 &&
        (look(vm) || atomic_load(&host->record_met))) {
        stop(vm, true);
    }
    return !atomic_load(&host->record_stopped);
}

void record_exit(Vm *vm)
{
    KvmHost *host = vm->host;
    if (!recorded(vm) || atomic_load_explicit(&host->record_patience, memory_order_relaxed) <= 0 ||
        atomic_load(&host->record_stopped)) {
        return;
    }
    bool last = atomic_fetch_sub(&host->record_patience, 1) <= 1;
    if (look(vm) || (last && atomic_load(&host->record_met))) {
        stop(vm, true);
    }
}

void record_serve(KvmHost *host)
{
    Vm *vm = host->record ? atomic_load(&host->record_vm) : NULL;
    if (vm && atomic_load(&host->record->asked)) {
        stop(vm, false);
    } else if (vm) {
        record_exit(vm);
    }
}

bool record_waits(const KvmHost *host)
{
    return host->record && atomic_load(&host->record_patience) > 0 &&
           !atomic_load(&host->record_stopped);
}

void record_memory_goes(Vm *vm)
{
    if (recorded(vm) && vm->td && !atomic_load(&vm->host->record_stopped)) {
        pthread_mutex_lock(&vm->host->record_lock);
        refresh_log(vm, true);
        pthread_mutex_unlock(&vm->host->record_lock);
    }
}

void record_vm_gone(Vm *vm)
{
    KvmHost *host = vm->host;
    if (!recorded(vm)) {
        return;
    }
    pthread_mutex_lock(&host->record_lock);
    if (!atomic_load(&host->record_stopped) &&
        atomic_load(&host->record->state) >= RECORD_LAUNCHING) {
        take_final(vm, RECORD_GONE);
    }
    atomic_store(&host->record_vm, NULL);
    pthread_mutex_unlock(&host->record_lock);
}
