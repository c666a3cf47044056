/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI machine language, written term by term. Encodings: ACPI 6.5, section 20.2; resource
 * descriptors: 6.4.
 */
#include "hw/i386/acpi-aml.h"

#include <string.h>

#include "util/bytes.h"

#define OP_NAME 0x08
#define OP_BYTE 0x0a
#define OP_WORD 0x0b
#define OP_DWORD 0x0c
#define OP_STRING 0x0d
#define OP_QWORD 0x0e
#define OP_SCOPE 0x10
#define OP_BUFFER 0x11
#define OP_PACKAGE 0x12
#define OP_METHOD 0x14
#define OP_EXTENDED 0x5b
#define OP_IF 0xa0
#define OP_ELSE 0xa1
#define OP_EXTENDED_DEVICE 0x82
#define DUAL_NAME_PREFIX 0x2e
#define MULTI_NAME_PREFIX 0x2f
#define SEGMENT_SIZE 4

#define END_TAG 0x79
#define IO_PORT 0x47
#define IRQ_NO_FLAGS 0x22
#define MEMORY32_FIXED 0x86
#define WINDOW_DWORD 0x87
#define WINDOW_WORD 0x88
#define WINDOW_QWORD 0x8a
enum { WINDOW_MEMORY = 0, WINDOW_IO = 1, WINDOW_BUS = 2 };
#define WINDOW_FIXED 0x0c        /* minimum and maximum are fixed; the bridge produces the range */
#define WINDOW_READ_WRITE 0x01
#define WINDOW_ENTIRE_RANGE 0x03 /* ISA and other I/O addresses */

static void put(Aml *aml, const void *data, size_t size)
{
    g_byte_array_append(aml->bytes, data, size);
}

static void put_byte(Aml *aml, uint8_t byte)
{
    put(aml, &byte, 1);
}

static void put_le(Aml *aml, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        put_byte(aml, value >> 8 * i);
    }
}

static void insert(Aml *aml, guint at, const uint8_t *data, unsigned size)
{
    guint old = aml->bytes->len;

    g_byte_array_set_size(aml->bytes, old + size);
    memmove(aml->bytes->data + at + size, aml->bytes->data + at, old - at);
    memcpy(aml->bytes->data + at, data, size);
}

/* A segment is four characters, filled up with '_'. */
static void put_segment(Aml *aml, const char *text, size_t length)
{
    char segment[SEGMENT_SIZE] = { '_', '_', '_', '_' };

    g_assert(length >= 1 && length <= SEGMENT_SIZE);
    memcpy(segment, text, length);
    put(aml, segment, SEGMENT_SIZE);
}

static void put_path(Aml *aml, const char *path)
{
    if (path[0] == '\\') {
        put_byte(aml, *path++);
    }
    g_auto(GStrv) segments = g_strsplit(path, ".", -1);
    guint count = g_strv_length(segments);
    if (count == 0) {
        put_byte(aml, 0);
        return;
    }
    if (count == 2) {
        put_byte(aml, DUAL_NAME_PREFIX);
    } else if (count > 2) {
        put_byte(aml, MULTI_NAME_PREFIX);
        put_byte(aml, count);
    }
    for (guint i = 0; i < count; i++) {
        put_segment(aml, segments[i], strlen(segments[i]));
    }
}

static void push(Aml *aml, bool resources)
{
    g_assert(aml->depth < AML_MAX_DEPTH);
    aml->open[aml->depth].start = aml->bytes->len;
    aml->open[aml->depth].resources = resources;
    aml->depth++;
}

/*
 * The length counts its own bytes too: one up to 63, else low 4 bits and one to three more bytes.
 */
static void insert_length(Aml *aml, guint at)
{
    uint32_t content = aml->bytes->len - at;
    uint8_t bytes[4];
    unsigned more = 0;

    if (content + 1 < 1u << 6) {
        bytes[0] = content + 1;
    } else {
        for (more = 1; content + 1 + more >= 1u << (4 + 8 * more); more++) {
            g_assert(more < 3);
        }
        uint32_t length = content + 1 + more;
        bytes[0] = more << 6 | (length & 0xf);
        for (unsigned i = 0; i < more; i++) {
            bytes[1 + i] = length >> (4 + 8 * i);
        }
    }
    insert(aml, at, bytes, 1 + more);
}

static void end_resources(Aml *aml, guint start)
{
    uint8_t size[3] = { OP_WORD };

    put_byte(aml, END_TAG);
    put_byte(aml, 0); /* checksum: 0 = not used */
    store_le16(size + 1, aml->bytes->len - start);
    insert(aml, start, size, sizeof(size));
}

void aml_init(Aml *aml, GByteArray *bytes)
{
    *aml = (Aml) { .bytes = bytes };
}

void aml_end(Aml *aml)
{
    g_assert(aml->depth);
    aml->depth--;
    guint start = aml->open[aml->depth].start;
    if (aml->open[aml->depth].resources) {
        end_resources(aml, start);
    }
    insert_length(aml, start);
}

void aml_scope(Aml *aml, const char *path)
{
    put_byte(aml, OP_SCOPE);
    push(aml, false);
    put_path(aml, path);
}

void aml_device(Aml *aml, const char *path)
{
    put_byte(aml, OP_EXTENDED);
    put_byte(aml, OP_EXTENDED_DEVICE);
    push(aml, false);
    put_path(aml, path);
}

void aml_package(Aml *aml, uint8_t num_elements)
{
    put_byte(aml, OP_PACKAGE);
    push(aml, false);
    put_byte(aml, num_elements);
}

void aml_method(Aml *aml, const char *path, unsigned num_args)
{
    g_assert(num_args < 8);
    put_byte(aml, OP_METHOD);
    push(aml, false);
    put_path(aml, path);
    put_byte(aml, num_args);
}

void aml_if(Aml *aml)
{
    put_byte(aml, OP_IF);
    push(aml, false);
}

void aml_else(Aml *aml)
{
    put_byte(aml, OP_ELSE);
    push(aml, false);
}

void aml_code(Aml *aml, uint8_t opcode)
{
    put_byte(aml, opcode);
}

void aml_path(Aml *aml, const char *path)
{
    put_path(aml, path);
}

void aml_buffer(Aml *aml, const uint8_t *data, uint8_t size)
{
    put_byte(aml, OP_BUFFER);
    push(aml, false);
    aml_integer(aml, size);
    put(aml, data, size);
    aml_end(aml);
}

void aml_name(Aml *aml, const char *path)
{
    put_byte(aml, OP_NAME);
    put_path(aml, path);
}

void aml_integer(Aml *aml, uint64_t value)
{
    if (value <= 1) {
        put_byte(aml, value); /* ZeroOp, OneOp */
    } else if (value <= UINT8_MAX) {
        put_byte(aml, OP_BYTE);
        put_le(aml, value, 1);
    } else if (value <= UINT16_MAX) {
        put_byte(aml, OP_WORD);
        put_le(aml, value, 2);
    } else if (value <= UINT32_MAX) {
        put_byte(aml, OP_DWORD);
        put_le(aml, value, 4);
    } else {
        put_byte(aml, OP_QWORD);
        put_le(aml, value, 8);
    }
}

void aml_string(Aml *aml, const char *text)
{
    put_byte(aml, OP_STRING);
    put(aml, text, strlen(text) + 1);
}

void aml_eisa_id(Aml *aml, const char *id)
{
    uint32_t value = 0;

    g_assert(strlen(id) == 7);
    for (unsigned i = 0; i < 3; i++) {
        value = value << 5 | (uint32_t)(id[i] - 0x40);
    }
    for (unsigned i = 3; i < 7; i++) {
        value = value << 4 | (uint32_t)g_ascii_xdigit_value(id[i]);
    }
    /* Always as a double word, which is how an EISA id is told from a number. */
    put_byte(aml, OP_DWORD);
    put_le(aml, GUINT32_SWAP_LE_BE(value), 4);
}

void aml_resources(Aml *aml)
{
    put_byte(aml, OP_BUFFER);
    push(aml, true);
}

void aml_io_ports(Aml *aml, uint16_t base, uint8_t size)
{
    put_byte(aml, IO_PORT);
    put_byte(aml, 1); /* 16 address lines are decoded */
    put_le(aml, base, 2);
    put_le(aml, base, 2);
    put_byte(aml, 1); /* alignment */
    put_byte(aml, size);
}

void aml_irq(Aml *aml, unsigned irq)
{
    g_assert(irq < 16);
    put_byte(aml, IRQ_NO_FLAGS);
    put_le(aml, 1u << irq, 2);
}

void aml_memory32_fixed(Aml *aml, uint32_t base, uint32_t size)
{
    put_byte(aml, MEMORY32_FIXED);
    put_le(aml, 9, 2);
    put_byte(aml, WINDOW_READ_WRITE);
    put_le(aml, base, 4);
    put_le(aml, size, 4);
}

/* width: bytes of each of granularity, minimum, maximum, translation and length. */
static void put_window(Aml *aml, uint8_t descriptor, unsigned width, uint8_t type,
                       uint8_t type_flags, uint64_t base, uint64_t size)
{
    put_byte(aml, descriptor);
    put_le(aml, 3 + 5 * width, 2);
    put_byte(aml, type);
    put_byte(aml, WINDOW_FIXED);
    put_byte(aml, type_flags);
    put_le(aml, 0, width);
    put_le(aml, base, width);
    put_le(aml, base + size - 1, width);
    put_le(aml, 0, width);
    put_le(aml, size, width);
}

void aml_bus_window(Aml *aml, uint16_t base, uint16_t size)
{
    put_window(aml, WINDOW_WORD, 2, WINDOW_BUS, 0, base, size);
}

void aml_io_window(Aml *aml, uint16_t base, uint16_t size)
{
    put_window(aml, WINDOW_WORD, 2, WINDOW_IO, WINDOW_ENTIRE_RANGE, base, size);
}

void aml_memory32_window(Aml *aml, uint32_t base, uint32_t size)
{
    put_window(aml, WINDOW_DWORD, 4, WINDOW_MEMORY, WINDOW_READ_WRITE, base, size);
}

void aml_memory64_window(Aml *aml, uint64_t base, uint64_t size)
{
    put_window(aml, WINDOW_QWORD, 8, WINDOW_MEMORY, WINDOW_READ_WRITE, base, size);
}
