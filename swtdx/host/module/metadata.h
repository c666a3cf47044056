/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metadata fields that a guest may read: of the module (TDG.SYS.RD) and of its TD (TDG.VM.RD). An
 * id is compared by its class (61:56) and field code (23:0): the other bits say what the leaf says
 * already, and guests leave some of them out.
 */
#ifndef SWTDX_METADATA_H
#define SWTDX_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "td.h"

#define METADATA_FIRST UINT64_MAX /* as input: the first id of the context */
#define METADATA_END UINT64_MAX   /* as answer: there is no next one */

#define FIELD_KEY(id) (((id) >> 56 & 0x3f) << 24 | ((id) & 0xffffff))

/* One field, or a run of `count` fields with consecutive codes. */
typedef struct MetadataField {
    uint64_t id;
    unsigned count;
} MetadataField;

/* The run that holds a key (FIELD_KEY), or NULL. */
const MetadataField *metadata_find(const MetadataField *fields, size_t n, uint64_t key);
/* The id after `id` in a list, or the first one after METADATA_FIRST. */
uint64_t metadata_next(const MetadataField *fields, size_t n, uint64_t id);

/*
 * One element and not a sequence: LAST_ELEMENT (37:34), LAST_FIELD (46:38) and the reserved bits
 * between are 0.
 */
static inline bool metadata_id_single(uint64_t id)
{
    return !(id >> 34 & 0x1fff);
}

/* 0, FIELD_ID_INCORRECT, or FIELD_NOT_READABLE: it exists, and not for guests. *value is 0 then. */
TdxStatus metadata_sys_read(const Profile *profile, uint64_t id, uint64_t *value);
uint64_t metadata_sys_next(uint64_t id);

/* Td.lock is held. */
TdxStatus metadata_td_read(const Td *td, uint64_t id, uint64_t *value);
uint64_t metadata_td_next(const Td *td, uint64_t id);
/*
 * Writes value under mask by the rule of TDG.VM.WR; *old is what stood there. 0 or a METADATA_*
 * status. Td.lock is held.
 */
TdxStatus metadata_td_write(Td *td, uint64_t id, uint64_t value, uint64_t mask, uint64_t *old);

/* Fields of a vCPU, on its own thread; with the rules of the TD's. */
TdxStatus metadata_vp_read(const TdVcpu *vcpu, uint64_t id, uint64_t *value);
uint64_t metadata_vp_next(uint64_t id);
TdxStatus metadata_vp_write(TdVcpu *vcpu, uint64_t id, uint64_t value, uint64_t mask,
                            uint64_t *old);

/*
 * The list of TDG.SYS.RDALL, from field `id` on (METADATA_FIRST: all): a header (bytes in 15:0,
 * sequences in 31:16), then for each run of fields the id of the first, with how many follow in
 * 46:38, and their values. 0 or FIELD_ID_INCORRECT.
 */
#define METADATA_SYS_LIST 64 /* words: room for all */
TdxStatus metadata_sys_list(const Profile *profile, uint64_t id, uint64_t list[METADATA_SYS_LIST]);

#endif
