/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads and stores with a stated byte order, and their checked forms. */
#include "util/bytes.h"

#include <endian.h>
#include <string.h>

#define DEFINE_LOAD(name, type, convert)   \
    type name(const void *p)               \
    {                                      \
        type v;                            \
        memcpy(&v, p, sizeof(v));          \
        return convert(v);                 \
    }
#define DEFINE_STORE(name, type, convert)  \
    void name(void *p, type value)         \
    {                                      \
        value = convert(value);            \
        memcpy(p, &value, sizeof(value));  \
    }

DEFINE_LOAD(load_le16, uint16_t, le16toh)
DEFINE_LOAD(load_le32, uint32_t, le32toh)
DEFINE_LOAD(load_le64, uint64_t, le64toh)
DEFINE_LOAD(load_be32, uint32_t, be32toh)
DEFINE_LOAD(load_be64, uint64_t, be64toh)
DEFINE_STORE(store_le16, uint16_t, htole16)
DEFINE_STORE(store_le32, uint32_t, htole32)
DEFINE_STORE(store_le64, uint64_t, htole64)
DEFINE_STORE(store_be16, uint16_t, htobe16)
DEFINE_STORE(store_be32, uint32_t, htobe32)
DEFINE_STORE(store_be64, uint64_t, htobe64)

bool bytes_slice(Bytes bytes, uint64_t offset, uint64_t length, Bytes *slice)
{
    if (!range_inside(offset, length, bytes.size)) {
        return false;
    }
    *slice = (Bytes){ bytes.data + offset, length };
    return true;
}

bool bytes_u16(Bytes bytes, uint64_t offset, uint16_t *value)
{
    if (!range_inside(offset, sizeof(*value), bytes.size)) {
        return false;
    }
    *value = load_le16(bytes.data + offset);
    return true;
}

bool bytes_u32(Bytes bytes, uint64_t offset, uint32_t *value)
{
    if (!range_inside(offset, sizeof(*value), bytes.size)) {
        return false;
    }
    *value = load_le32(bytes.data + offset);
    return true;
}

bool bytes_u64(Bytes bytes, uint64_t offset, uint64_t *value)
{
    if (!range_inside(offset, sizeof(*value), bytes.size)) {
        return false;
    }
    *value = load_le64(bytes.data + offset);
    return true;
}
