/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What devices and vCPUs tell the program about the machine's life. A port: implemented by system/,
 * called from below. Any thread.
 */
#ifndef SYSTEM_CORE_RUNSTATE_H
#define SYSTEM_CORE_RUNSTATE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ShutdownCause {
    SHUTDOWN_NONE, SHUTDOWN_HOST_ERROR, SHUTDOWN_HOST_QMP_QUIT, SHUTDOWN_HOST_SIGNAL,
    SHUTDOWN_HOST_UI, SHUTDOWN_GUEST_SHUTDOWN, SHUTDOWN_GUEST_RESET, SHUTDOWN_GUEST_PANIC,
    SHUTDOWN_HOST_QMP_SYSTEM_RESET,
} ShutdownCause;

/* What a guest's kernel tells of itself by a device (pvpanic). */
typedef enum GuestEvent {
    GUEST_EVENT_PANICKED, GUEST_EVENT_CRASH_LOADED, GUEST_EVENT_PVSHUTDOWN,
} GuestEvent;

typedef struct RunStatePort {
    void (*shutdown)(void *opaque, ShutdownCause cause);  /* power off */
    void (*reset)(void *opaque, ShutdownCause cause);
    /*
     * A guest's last words (TDVMCALL ReportFatalError): text is at most 64 bytes of untrusted text,
     * already made printable.
     */
    void (*guest_panicked)(void *opaque, uint32_t code, const char *text, bool has_gpa,
                           uint64_t gpa);
    void (*guest_event)(void *opaque, GuestEvent event);
    /* Nobody stroked a watchdog: what -action watchdog= says follows. */
    void (*watchdog)(void *opaque);
    /* How long the machine has run, without the times that it stood; ns. */
    uint64_t (*run_time_ns)(void *opaque);
    /* The program ends with this status: the guest says so, by a device for that. */
    void (*exit)(void *opaque, int status);
    /* The VM cannot go on (KVM_RUN failed …): message names what was seen. */
    void (*internal_error)(void *opaque, const char *message);
} RunStatePort;

#endif
