/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user's side of a TD: the properties of -object tdx-guest, as values. */
#ifndef TDX_GUEST_H
#define TDX_GUEST_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/socket.h"

#define TDX_ATTRIBUTE_SEPT_VE_DISABLE (UINT64_C(1) << 28)
#define TDX_ATTRIBUTE_PKS (UINT64_C(1) << 30)
#define TDX_ATTRIBUTE_PERFMON (UINT64_C(1) << 63)

/* A property that was not given has its `has_` false; strings are NULL. */
typedef struct TdxGuestConfig {
    char *id;
    bool has_attributes, has_sept_ve_disable;
    uint64_t attributes;
    bool sept_ve_disable;
    /* base64 of 48 bytes, as given (checked by the setter) */
    char *mrconfigid, *mrowner, *mrownerconfig;
    SocketAddress *quote_generation_socket;
} TdxGuestConfig;

TdxGuestConfig *tdx_guest_config_new(const char *id);
void tdx_guest_config_free(TdxGuestConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TdxGuestConfig, tdx_guest_config_free)
/*
 * Sets one property from its text form; false with a message in the tone of "Parameter 'x' expects
 * …". Unknown: "Invalid parameter 'x'". Values are validated here. quote-generation-socket: JSON of
 * a SocketAddress, or its short text.
 */
bool tdx_guest_config_set(TdxGuestConfig *config, const char *name, const char *value,
                          GError **errp);
/*
 * Adds to *errp what to write today in place of a property of the VMMs that TDX was first shown
 * with. value: as given with it, or NULL. False: the name was none of theirs, either.
 */
bool tdx_guest_explain_unknown(const char *name, const char *value, GError **errp);
/* After all properties: contradictions (a raw attribute bit against its own property) name both. */
bool tdx_guest_config_complete(TdxGuestConfig *config, GError **errp);
/* ATTRIBUTES before CPU features add theirs: default bit 28. */
uint64_t tdx_guest_config_attributes(const TdxGuestConfig *config);
/*
 * The 48 bytes of mrconfigid, mrowner or mrownerconfig; zeroes for NULL. False: not base64 of 48
 * bytes.
 */
bool tdx_guest_config_measurement(const char *text, uint8_t digest[48]);

#endif
