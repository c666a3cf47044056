/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMBIOS structures (DSP0134 3.0, section 7) and their entry point (5.2.2). */
#include <string.h>

#include "smbios-internal.h"
#include "util/bytes.h"
#include "util/guid.h"

#define HANDLE(type, n) ((uint16_t)((type) << 8 | (n)))
#define MAX_DIMM (16 * GiB)
#define UNKNOWN 2

/* One structure in the making: the formatted part, then the strings that it numbers from 1. */
typedef struct Structure {
    GByteArray *out;
    guint start;
    unsigned strings;
    GByteArray *text;
} Structure;

static void put(Structure *s, uint64_t value, unsigned size)
{
    uint8_t bytes[8];

    store_le64(bytes, value);
    g_byte_array_append(s->out, bytes, size);
}

static Structure begin(GByteArray *out, uint8_t type, uint16_t handle)
{
    Structure s = { .out = out, .start = out->len, .text = g_byte_array_new() };

    put(&s, type, 1);
    put(&s, 0, 1); /* the length, known at the end */
    put(&s, handle, 2);
    return s;
}

/* The string's number; 0 = none. */
static void put_string(Structure *s, const char *text)
{
    if (!text || !*text) {
        put(s, 0, 1);
        return;
    }
    g_byte_array_append(s->text, (const uint8_t *)text, (guint)strlen(text) + 1);
    put(s, ++s->strings, 1);
}

static void end(Structure *s)
{
    static const uint8_t zero[2];

    s->out->data[s->start + 1] = (uint8_t)(s->out->len - s->start);
    g_byte_array_append(s->out, s->text->data, s->text->len);
    g_byte_array_append(s->out, zero, s->strings ? 1 : 2);
    g_byte_array_unref(s->text);
}

static void add_bios(GByteArray *out, const SmbiosOptions *options)
{
    const char *release = smbios_field(options, 0, "release", NULL),
               *uefi = smbios_field(options, 0, "uefi", "on");
    Structure s = begin(out, 0, HANDLE(0, 0));

    put_string(&s, smbios_field(options, 0, "vendor", NULL));
    put_string(&s, smbios_field(options, 0, "version", NULL));
    put(&s, 0xe800, 2);
    put_string(&s, smbios_field(options, 0, "date", NULL));
    put(&s, 0, 1);
    put(&s, 1 << 3, 8);  /* characteristics are not supported */
    put(&s, 0, 1);
    /* VM, targeted content distribution; UEFI */
    put(&s, 0x14 | (*uefi == 'o' && uefi[1] == 'n' ? 8 : 0), 1);
    put(&s, release ? (uint64_t)g_ascii_strtoull(release, NULL, 10) : 0, 1);
    put(&s, release ? (uint64_t)g_ascii_strtoull(strchr(release, '.') + 1, NULL, 10) : 0, 1);
    put(&s, 0xffff, 2);  /* no embedded controller */
    end(&s);
}

/* RFC 4122 text to SMBIOS' bytes: the first three fields little-endian (7.2.1). */
static void put_uuid(Structure *s, const char *text)
{
    uint8_t bytes[16] = { 0 };

    if (text) {
        guid_parse(text, bytes);
    }
    g_byte_array_append(s->out, bytes, sizeof(bytes));
}

static void add_system(GByteArray *out, const SmbiosConfig *config)
{
    const SmbiosOptions *o = config->options;
    Structure s = begin(out, 1, HANDLE(1, 0));

    put_string(&s, smbios_field(o, 1, "manufacturer", "QEMU"));
    put_string(&s, smbios_field(o, 1, "product", "Standard PC (Q35 + ICH9, 2009)"));
    put_string(&s, smbios_field(o, 1, "version", config->machine));
    put_string(&s, smbios_field(o, 1, "serial", NULL));
    put_uuid(&s, smbios_field(o, 1, "uuid", config->uuid));
    put(&s, 6, 1); /* woken by the power switch */
    put_string(&s, smbios_field(o, 1, "sku", NULL));
    put_string(&s, smbios_field(o, 1, "family", NULL));
    end(&s);
}

static void add_board(GByteArray *out, const SmbiosOptions *o)
{
    Structure s = begin(out, 2, HANDLE(2, 0));

    put_string(&s, smbios_field(o, 2, "manufacturer", "QEMU"));
    put_string(&s, smbios_field(o, 2, "product", NULL));
    put_string(&s, smbios_field(o, 2, "version", NULL));
    put_string(&s, smbios_field(o, 2, "serial", NULL));
    put_string(&s, smbios_field(o, 2, "asset", NULL));
    put(&s, 1, 1); /* hosting board */
    put_string(&s, smbios_field(o, 2, "location", NULL));
    put(&s, HANDLE(3, 0), 2);
    put(&s, 10, 1); /* motherboard */
    put(&s, 0, 1);
    end(&s);
}

static void add_chassis(GByteArray *out, const SmbiosConfig *config)
{
    const SmbiosOptions *o = config->options;
    Structure s = begin(out, 3, HANDLE(3, 0));

    put_string(&s, smbios_field(o, 3, "manufacturer", "QEMU"));
    put(&s, 1, 1); /* other */
    put_string(&s, smbios_field(o, 3, "version", config->machine));
    put_string(&s, smbios_field(o, 3, "serial", NULL));
    put_string(&s, smbios_field(o, 3, "asset", NULL));
    put(&s, 3 | 3 << 8 | 3 << 16 | 3 << 24, 4); /* boot-up, power supply, thermal, security: safe */
    put(&s, 0, 4);
    put(&s, 0, 1);
    put(&s, 0, 1); /* power cords */
    put(&s, 0, 2); /* no contained elements */
    put_string(&s, smbios_field(o, 3, "sku", NULL));
    end(&s);
}

static void add_processor(GByteArray *out, const SmbiosConfig *config, unsigned socket)
{
    const SmbiosOptions *o = config->options;
    g_autofree char *name = g_strdup_printf("%s%2x", smbios_field(o, 4, "sock_pfx", "CPU"), socket);
    unsigned threads = config->cores * config->threads;
    Structure s = begin(out, 4, HANDLE(4, socket));

    put_string(&s, name);
    put(&s, 3, 1);       /* central processor */
    put(&s, 0xfe, 1);    /* family: see the second field */
    put_string(&s, smbios_field(o, 4, "manufacturer", "QEMU"));
    put(&s, 0, 8);       /* CPUID says it */
    put_string(&s, smbios_field(o, 4, "version", config->machine));
    put(&s, 0, 1);
    put(&s, 0, 2);
    put(&s, (uint64_t)g_ascii_strtoull(smbios_field(o, 4, "max-speed", "2000"), NULL, 10), 2);
    put(&s, (uint64_t)g_ascii_strtoull(smbios_field(o, 4, "current-speed", "2000"), NULL, 10), 2);
    put(&s, 0x41, 1);    /* populated, enabled */
    put(&s, 1, 1);       /* upgrade: other */
    put(&s, 0xffff, 2);  /* caches are not told */
    put(&s, 0xffff, 2);
    put(&s, 0xffff, 2);
    put_string(&s, smbios_field(o, 4, "serial", NULL));
    put_string(&s, smbios_field(o, 4, "asset", NULL));
    put_string(&s, smbios_field(o, 4, "part", NULL));
    put(&s, MIN(config->cores, 255), 1);
    put(&s, MIN(config->cores, 255), 1);
    put(&s, MIN(threads, 255), 1);
    put(&s, UNKNOWN, 2);
    put(&s, 1, 2);       /* family: other */
    put(&s, config->cores, 2);
    put(&s, config->cores, 2);
    put(&s, threads, 2);
    end(&s);
}

static void add_strings(GByteArray *out, const GPtrArray *strings)
{
    Structure s = begin(out, 11, HANDLE(11, 0));

    put(&s, MIN(strings->len, 255), 1);
    for (unsigned i = 0; i < MIN(strings->len, 255); i++) {
        const char *text = g_ptr_array_index(strings, i);
        g_byte_array_append(s.text, (const uint8_t *)text, (guint)strlen(text) + 1);
        s.strings++;
    }
    end(&s);
}

static void add_memory_array(GByteArray *out, uint64_t size, unsigned devices)
{
    Structure s = begin(out, 16, HANDLE(16, 0));
    bool small = size / KiB < UINT32_C(0x80000000);

    put(&s, 1, 1); /* location: other */
    put(&s, 3, 1); /* system memory */
    put(&s, 6, 1); /* multi-bit ECC */
    put(&s, small ? size / KiB : UINT32_C(0x80000000), 4);
    put(&s, 0xfffe, 2);
    put(&s, devices, 2);
    put(&s, small ? 0 : size, 8);
    end(&s);
}

static void add_memory_device(GByteArray *out, const SmbiosOptions *o, unsigned n, uint64_t size)
{
    g_autofree char *name = g_strdup_printf("%s %u", smbios_field(o, 17, "loc_pfx", "DIMM"), n);
    uint64_t speed = (uint64_t)g_ascii_strtoull(smbios_field(o, 17, "speed", "0"), NULL, 10),
             mib = size / MiB;
    Structure s = begin(out, 17, HANDLE(17, n));

    put(&s, HANDLE(16, 0), 2);
    put(&s, 0xfffe, 2);
    put(&s, 0xffff, 2); /* widths unknown */
    put(&s, 0xffff, 2);
    put(&s, mib < 0x7fff ? mib : 0x7fff, 2);
    put(&s, 9, 1);      /* DIMM */
    put(&s, 0, 1);
    put_string(&s, name);
    put_string(&s, smbios_field(o, 17, "bank", NULL));
    put(&s, 7, 1);      /* RAM */
    put(&s, UNKNOWN, 2);
    put(&s, speed, 2);
    put_string(&s, smbios_field(o, 17, "manufacturer", "QEMU"));
    put_string(&s, smbios_field(o, 17, "serial", NULL));
    put_string(&s, smbios_field(o, 17, "asset", NULL));
    put_string(&s, smbios_field(o, 17, "part", NULL));
    put(&s, 0, 1);
    put(&s, mib < 0x7fff ? 0 : mib, 4);
    put(&s, speed, 2);
    put(&s, 0, 2);
    put(&s, 0, 2);
    put(&s, 0, 2);
    end(&s);
}

static void add_memory_range(GByteArray *out, unsigned n, uint64_t start, uint64_t size)
{
    Structure s = begin(out, 19, HANDLE(19, n));
    uint64_t last = start + size - 1;
    bool small = last / KiB < UINT32_MAX;

    put(&s, small ? start / KiB : UINT32_MAX, 4);
    put(&s, small ? last / KiB : UINT32_MAX, 4);
    put(&s, HANDLE(16, 0), 2);
    put(&s, 1, 1);
    put(&s, small ? 0 : start, 8);
    put(&s, small ? 0 : last, 8);
    end(&s);
}

static void add_memory(GByteArray *out, const SmbiosConfig *config)
{
    uint64_t size = config->ram.below_4g + config->ram.above_4g;
    /* Handles are numbered in one byte: very large machines have larger modules instead of more. */
    uint64_t module = MAX(MAX_DIMM, (size / 255 + GiB) / GiB * GiB);
    unsigned count = (unsigned)((size + module - 1) / module);

    add_memory_array(out, size, count);
    for (unsigned i = 0; i < count; i++) {
        add_memory_device(out, config->options, i, MIN(size - i * module, module));
    }
    add_memory_range(out, 0, 0, config->ram.below_4g);
    if (config->ram.above_4g) {
        add_memory_range(out, 1, 4 * GiB, config->ram.above_4g);
    }
}

static void add_end(GByteArray *out)
{
    Structure s = begin(out, 32, HANDLE(32, 0)); /* boot information: no errors */

    put(&s, 0, 7);
    end(&s);
    s = begin(out, 127, HANDLE(127, 0));
    end(&s);
}

static void make_anchor(uint8_t anchor[SMBIOS_ANCHOR_SIZE], uint32_t size)
{
    uint8_t sum = 0;

    memset(anchor, 0, SMBIOS_ANCHOR_SIZE);
    memcpy(anchor, "_SM3_", 5);
    anchor[6] = SMBIOS_ANCHOR_SIZE;
    anchor[7] = 3; /* version 3.0 */
    anchor[10] = 1;
    store_le32(anchor + 12, size);
    for (unsigned i = 0; i < SMBIOS_ANCHOR_SIZE; i++) {
        sum = (uint8_t)(sum + anchor[i]);
    }
    anchor[5] = (uint8_t)-sum;
}

GByteArray *smbios_build(const SmbiosConfig *config, uint8_t anchor[SMBIOS_ANCHOR_SIZE])
{
    GByteArray *out = g_byte_array_new();
    const SmbiosOptions *options = config->options;

    if (smbios_has_type(options, 0)) { /* firmware has one of its own otherwise */
        add_bios(out, options);
    }
    add_system(out, config);
    if (smbios_has_type(options, 2)) {
        add_board(out, options);
    }
    add_chassis(out, config);
    for (unsigned i = 0; i < MIN(config->sockets, 256); i++) {
        add_processor(out, config, i);
    }
    if (options && options->strings->len) {
        add_strings(out, options->strings);
    }
    add_memory(out, config);
    add_end(out);
    make_anchor(anchor, out->len);
    return out;
}

bool smbios_add(FwCfg *fw_cfg, const SmbiosConfig *config, GError **errp)
{
    uint8_t anchor[SMBIOS_ANCHOR_SIZE];
    g_autoptr(GByteArray) tables = smbios_build(config, anchor);

    return fw_cfg_add_file(fw_cfg, "etc/smbios/smbios-tables", tables->data, tables->len, errp) &&
           fw_cfg_add_file(fw_cfg, "etc/smbios/smbios-anchor", anchor, sizeof(anchor), errp);
}
