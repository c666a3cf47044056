/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stop-dump: what a vCPU was doing when its TD stopped. Release firmware is silent; this is how
 * one sees.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "raw.h"

#define DUMP_SIZE 16384

void dump_vcpu(Vcpu *vcpu, const char *why)
{
    if (vcpu->vm->host->options.quiet) {
        return;
    }
    char *text = malloc(DUMP_SIZE);
    if (!text) {
        return;
    }
    size_t n = (size_t)snprintf(text, DUMP_SIZE / 2,
                                "swtdx: vCPU %u: %s\nlast exits (TDVMCALL: R11 R12 R14; EPT "
                                "violation: gpa shared write):\n",
                                vcpu->id, why);
    n = n < DUMP_SIZE / 2 ? n : DUMP_SIZE / 2 - 1;
    uint32_t count = vcpu->log_next < EXIT_LOG ? vcpu->log_next : EXIT_LOG;
    for (uint32_t i = vcpu->log_next - count; i != vcpu->log_next && n < DUMP_SIZE / 2; i++) {
        uint32_t k = i % EXIT_LOG;
        n += (size_t)snprintf(text + n, 128, "  %s 0x%llx 0x%llx 0x%llx\n",
                              vcpu->log[k].reason == 48 ? "ept" : "tdvmcall",
                              (unsigned long long)vcpu->log[k].a,
                              (unsigned long long)vcpu->log[k].b,
                              (unsigned long long)vcpu->log[k].c);
    }
    size_t need = td_vcpu_describe(vcpu->tdv, text + n, DUMP_SIZE - n - 1);
    n += need < DUMP_SIZE - n - 1 ? need : strlen(text + n);
    if (n && text[n - 1] != '\n') {
        text[n++] = '\n';
    }
    pthread_mutex_lock(&vcpu->vm->host->dump_lock); /* a pipe takes that much in pieces */
    for (size_t done = 0; done < n;) {
        ssize_t w = raw_write(2, text + done, n - done);
        if (w <= 0 && w != -EINTR) {
            break;
        }
        done += w > 0 ? (size_t)w : 0;
    }
    pthread_mutex_unlock(&vcpu->vm->host->dump_lock);
    free(text);
}
