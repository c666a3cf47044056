/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes ACPI machine language (ACPI 6.5, chapter 20). Terms are appended in order; one that holds
 * others is opened, filled and closed with aml_end(). The same calls give the same bytes. Pure.
 *
 *     aml_device(aml, "RTC");
 *     aml_name(aml, "_HID");
 *     aml_eisa_id(aml, "PNP0B00");
 *     aml_end(aml);
 */
#ifndef HW_I386_ACPI_AML_H
#define HW_I386_ACPI_AML_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define AML_MAX_DEPTH 12

typedef struct Aml {
    GByteArray *bytes;
    unsigned depth;
    struct {
        guint start;    /* where the package length goes */
        bool resources; /* a resource template: ends with its end tag, begins with its size */
    } open[AML_MAX_DEPTH];
} Aml;

/* Appends to bytes, which are borrowed. */
void aml_init(Aml *aml, GByteArray *bytes);

/*
 * Terms that hold others. Paths are as in ASL: \_SB.PCI0, or one segment; segments may be shorter
 * than 4.
 */
void aml_scope(Aml *aml, const char *path);
void aml_device(Aml *aml, const char *path);
void aml_package(Aml *aml, uint8_t num_elements);
/* Serialized methods are not made. Then its terms: aml_code, aml_integer, aml_path … */
void aml_method(Aml *aml, const char *path, unsigned num_args);
/* The predicate is the first term that follows. */
void aml_if(Aml *aml);
void aml_else(Aml *aml);
void aml_end(Aml *aml);

/*
 * Opcodes of terms that have no function of their own here (20.2.5, 20.2.6.1, 20.2.6.2); operands
 * follow.
 */
enum {
    AML_LOCAL0 = 0x60, AML_ARG0 = 0x68, AML_STORE = 0x70, AML_AND = 0x7b, AML_OR = 0x7d,
    AML_CREATE_DWORD_FIELD = 0x8a, AML_LNOT = 0x92, AML_LEQUAL = 0x93, AML_RETURN = 0xa4,
};
void aml_code(Aml *aml, uint8_t opcode);
/* A name as an operand. */
void aml_path(Aml *aml, const char *path);
void aml_buffer(Aml *aml, const uint8_t *data, uint8_t size);

/* Name (PATH, the term that follows) */
void aml_name(Aml *aml, const char *path);
void aml_integer(Aml *aml, uint64_t value);
void aml_string(Aml *aml, const char *text);
/* Three capital letters and four hexadecimal digits, "PNP0A08" (ACPI 6.5, 19.3.4). */
void aml_eisa_id(Aml *aml, const char *id);

/* A resource template (ACPI 6.5, 6.4), to be filled with descriptors and closed with aml_end(). */
void aml_resources(Aml *aml);
void aml_io_ports(Aml *aml, uint16_t base, uint8_t size);
/* Edge-triggered, active high, as on the ISA bus. */
void aml_irq(Aml *aml, unsigned irq);
void aml_memory32_fixed(Aml *aml, uint32_t base, uint32_t size);
/* Windows that a bridge passes on; [base, base + size). */
void aml_bus_window(Aml *aml, uint16_t base, uint16_t size);
void aml_io_window(Aml *aml, uint16_t base, uint16_t size);
void aml_memory32_window(Aml *aml, uint32_t base, uint32_t size);
void aml_memory64_window(Aml *aml, uint64_t base, uint64_t size);

#endif
