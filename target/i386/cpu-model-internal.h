/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the parts of -cpu: cpu-model.c the option, cpu-models.c named models, cpu-property.c one
 * property.
 */
#ifndef TARGET_I386_CPU_MODEL_INTERNAL_H
#define TARGET_I386_CPU_MODEL_INTERNAL_H

#include "target/i386/cpu-model.h"

typedef struct CpuNamedModel {
    const char *name;
    const char *base;        /* another model, or NULL */
    const char *features;    /* names, with - before those that the base has and this one lacks */
    const char *description; /* NULL: a version or second name */
} CpuNamedModel;

const CpuNamedModel *cpu_named_models(unsigned *count);
const CpuNamedModel *cpu_named_model_find(const char *name);
/* Array of const CpuFeature *; caller frees. */
GArray *cpu_named_model_features(const CpuNamedModel *model);

/* +name, -name, name=value: into the request, or a message that says what is permitted and why. */
bool cpu_model_set_property(CpuModelRequest *request, const char *name, const char *value,
                            GError **errp);

#endif
