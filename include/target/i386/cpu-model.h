/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -cpu MODEL[,+f,-f,f=on|off,…]: names of features, models, and what the user asked for. Pure. */
#ifndef TARGET_I386_CPU_MODEL_H
#define TARGET_I386_CPU_MODEL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "target/i386/cpuid.h"

/*
 * One named CPUID bit. The table holds every feature name QEMU knows. Bits of feature MSRs
 * (IA32_ARCH_CAPABILITIES, VMX controls) have names too: their function is CPU_FEATURE_MSR(number),
 * EAX the low half and EDX the high one.
 */
#define CPU_FEATURE_MSR(number) (0xf0000000u | (number))
#define CPU_FEATURE_IS_MSR(function) ((function) >= 0xf0000000u)
typedef struct CpuFeature {
    const char *name;
    uint32_t function, index;
    bool has_index;
    uint8_t reg, bit; /* CpuidReg */
} CpuFeature;
const CpuFeature *cpu_feature_find(const char *name);
/* By position; NULL for a bit without a name. */
const CpuFeature *cpu_feature_at(uint32_t function, uint32_t index, CpuidReg reg, unsigned bit);
const CpuFeature *cpu_features(unsigned *count);

typedef struct CpuFeatureRequest {
    const CpuFeature *feature;
    bool on;
} CpuFeatureRequest;

typedef struct CpuModelRequest {
    char *model;          /* "host", "max", "Icelake-Server", … */
    /* of const CpuFeature *: a named model's; NULL for host, max and base */
    GArray *model_features;
    GArray *features;     /* of CpuFeatureRequest, in order; later wins */
    bool check, enforce;  /* check is on by default */
    bool pmu, has_pmu;
    unsigned phys_bits;   /* 0 = host's */
    /* 0 = the processor's, the only other value a TD takes */
    unsigned family, model_number, stepping;
    uint64_t tsc_hz;      /* tsc-frequency=, 0 = host's */
} CpuModelRequest;

/* Parses the option's argument. Unknown names: message names the nearest valid one. */
CpuModelRequest *cpu_model_parse(const char *text, GError **errp);
CpuModelRequest *cpu_model_copy(const CpuModelRequest *request);
void cpu_model_free(CpuModelRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CpuModelRequest, cpu_model_free)
/* Names of all models, of const char *; the caller frees the array. */
GPtrArray *cpu_model_names(void);
/*
 * Does KVM_GET_SUPPORTED_CPUID's table have the feature? Always false for bits of feature MSRs,
 * which it does not hold.
 */
bool cpu_feature_supported(const CpuFeature *feature, const CpuidTable *supported);
/*
 * Has an ordinary machine's CPU of this model the feature? What the user said comes first, then
 * what the model says.
 */
bool cpu_model_has(const CpuModelRequest *request, const CpuFeature *feature,
                   const CpuidTable *supported);
/* Text of -cpu help. Caller frees. */
char *cpu_model_help(void);

#endif
