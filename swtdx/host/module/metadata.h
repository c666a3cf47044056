/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metadata fields that a guest may read: of the module (TDG.SYS.RD) and of its TD (TDG.VM.RD). An id is compared by its
 * class (61:56) and field code (23:0): the other bits say what the leaf says already, and guests leave some of them out.
 */
#ifndef SWTDX_METADATA_H
#define SWTDX_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "td.h"

#define METADATA_FIRST UINT64_MAX /* as input: the first id of the context */
#define METADATA_END UINT64_MAX   /* as answer: there is no next one */

bool metadata_sys_read(const Profile *profile, uint64_t id, uint64_t *value);
/* The id after `id`, or the first one after METADATA_FIRST. */
uint64_t metadata_sys_next(const Profile *profile, uint64_t id);

bool metadata_td_read(const Td *td, uint64_t id, uint64_t *value);
uint64_t metadata_td_next(const Td *td, uint64_t id);
/* Writes value under mask by the rule of TDG.VM.WR; *old is what stood there. 0 or a METADATA_* status. Td.lock is held. */
TdxStatus metadata_td_write(Td *td, uint64_t id, uint64_t value, uint64_t mask, uint64_t *old);

#endif
