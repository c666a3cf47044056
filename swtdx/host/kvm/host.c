/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host of a process: its start, its end, and what fork makes of it. */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "raw.h"

KvmHost *kvm_host_new(const Profile *profile, const KvmHostOptions *options, char *error,
                      size_t error_size)
{
    KvmHost *host = calloc(1, sizeof(*host));
    if (host) {
        host->cache = calloc(HOST_FD_CACHE, sizeof(*host->cache));
    }
    if (!host || !host->cache) {
        free(host);
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    host->profile = profile;
    host->options = *options;
    host->wake_fd = -1;
    pthread_mutex_init(&host->reap_lock, NULL);
    pthread_mutex_init(&host->lock, NULL);
    pthread_mutex_init(&host->trace_lock, NULL);
    pthread_mutex_init(&host->record_lock, NULL);
    pthread_mutex_init(&host->dump_lock, NULL);
    atomic_store(&host->clock_ns, KVM_VIRTUAL_START_NS);
    host->trace_start_ns = kvm_host_now_ns(host);
    atomic_store(&host->sleeping_until, 0);
    if (!keyid_init(host)) {
        snprintf(error, error_size, "out of memory");
        kvm_host_free(host);
        return NULL;
    }
    if ((options->trace && !trace_open(host, error, error_size)) ||
        (options->record && record_attach(host, options->record, error, error_size) < 0) ||
        (options->fault && fault_parse(host, options->fault, error, error_size) < 0)) {
        kvm_host_free(host);
        return NULL;
    }
    return host;
}

void kvm_host_free(KvmHost *host)
{
    service_stop(host);
    file_forget_mappings(host);
    file_reap(host);
    file_release_all(host);
    if (host->trace) {
        fclose(host->trace);
    }
    pthread_mutex_destroy(&host->reap_lock);
    keyid_fini(host);
    record_detach(host);
    pthread_mutex_destroy(&host->lock);
    pthread_mutex_destroy(&host->trace_lock);
    pthread_mutex_destroy(&host->record_lock);
    pthread_mutex_destroy(&host->dump_lock);
    free(host->cache);
    free(host);
}

void kvm_host_before_fork(KvmHost *host)
{
    pthread_mutex_lock(&host->reap_lock);
    pthread_mutex_lock(&host->lock);
    pthread_mutex_lock(&host->trace_lock);
    pthread_mutex_lock(&host->record_lock);
}

void kvm_host_after_fork_parent(KvmHost *host)
{
    pthread_mutex_unlock(&host->record_lock);
    pthread_mutex_unlock(&host->trace_lock);
    pthread_mutex_unlock(&host->lock);
    pthread_mutex_unlock(&host->reap_lock);
}

void kvm_host_after_fork_child(KvmHost *host)
{
    pthread_mutex_init(&host->trace_lock, NULL);
    pthread_mutex_init(&host->record_lock, NULL);
    pthread_mutex_init(&host->dump_lock, NULL);
    pthread_mutex_init(&host->lock, NULL);
    pthread_mutex_init(&host->reap_lock, NULL);
    atomic_store(&host->record_vm, NULL);
    host->thread_runs = false;
    host->wake_fd = -1;
    for (Vm *vm = host->vms; vm; vm = vm->next) {
        vm->keyid = -1; /* the parent's */
    }
    host->vms = NULL;
    keyid_after_fork_child(host);
    file_forget_mappings(host);
    for (KvmFile *f = host->files; f; f = f->next) {
        f->other_mm = f->kind != KVM_FILE_SYSTEM;
        atomic_store(&f->users, 0);
    }
}
