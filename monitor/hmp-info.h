/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers to "info …" that stand in files of their own, for the table in hmp-info.c. */
#ifndef MONITOR_HMP_INFO_H
#define MONITOR_HMP_INFO_H

#include "hw/core/machine.h"
#include "monitor-internal.h"

/* hmp-board.c */
void hmp_info_pci(QapiContext *context, const char *arguments, GString *out);
void hmp_info_pic(QapiContext *context, const char *arguments, GString *out);
void hmp_info_irq(QapiContext *context, const char *arguments, GString *out);
void hmp_info_roms(QapiContext *context, const char *arguments, GString *out);
void hmp_info_ramblock(QapiContext *context, const char *arguments, GString *out);
void hmp_info_virtio(QapiContext *context, const char *arguments, GString *out);
void hmp_info_numa(QapiContext *context, const char *arguments, GString *out);
void hmp_info_qdm(QapiContext *context, const char *arguments, GString *out);
/* hmp-net.c */
void hmp_info_usernet(QapiContext *context, const char *arguments, GString *out);

#endif
