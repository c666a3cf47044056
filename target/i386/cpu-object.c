/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vCPUs and their features as objects. */
#include "target/i386/cpu-object.h"

#include <string.h>

#include "util/error.h"

static const char *const registers[] = { "EAX", "EBX", "ECX", "EDX" };

const QomType cpu_type = { .name = "cpu", .parent = &device_type, .abstract = true };

static void x86_cpu_init(QomObject *object)
{
    unsigned count;

    cpu_features(&count);
    ((X86Cpu *)object)->given = g_new0(uint8_t, count);
}

static void x86_cpu_finalize(QomObject *object)
{
    g_free(((X86Cpu *)object)->given);
}

/* Features ------------------------------------------------------------------------------------- */

/* Rows of the feature table whose name a row before has: they are read and set with that one. */
static const uint16_t repeated[] = { 192, 357 };

static const CpuidTable *cpuid_of(const X86Cpu *cpu)
{
    return cpu->port ? cpu->port->cpuid(cpu->port->opaque) : NULL;
}

/* Features of MSRs are not in CPUID: what was set of them is all that is known. */
static bool has_feature(const X86Cpu *cpu, const CpuidTable *cpuid, unsigned i)
{
    unsigned count;
    const CpuFeature *f = &cpu_features(&count)[i];
    const CpuidEntry *entry = cpuid && !CPU_FEATURE_IS_MSR(f->function)
                                  ? cpuid_table_find(cpuid, f->function, f->index)
                                  : NULL;

    if (cpuid && !CPU_FEATURE_IS_MSR(f->function)) {
        return entry && entry->regs[f->reg] >> f->bit & 1;
    }
    return cpu->given[i] == 2;
}

static bool set_feature(QomObject *object, const QomProperty *property, JsonValue *value,
                        GError **errp)
{
    X86Cpu *cpu = (X86Cpu *)object;
    unsigned count;
    const CpuFeature *features = cpu_features(&count);

    for (unsigned i = 0; i < count; i++) { /* a name may stand for several bits */
        if (!strcmp(features[i].name, property->name)) {
            cpu->given[i] = json_object_get_boolean(value) ? 2 : 1;
        }
    }
    return true;
}

static bool get_feature(QomObject *object, const QomProperty *property, JsonValue **result,
                        GError **errp)
{
    const X86Cpu *cpu = (X86Cpu *)object;
    const CpuidTable *cpuid = cpuid_of(cpu);
    unsigned count;
    const CpuFeature *features = cpu_features(&count);
    bool on = false;

    for (unsigned i = 0; i < count && !on; i++) {
        on = !strcmp(features[i].name, property->name) && has_feature(cpu, cpuid, i);
    }
    *result = json_object_new_boolean(on);
    return true;
}

static bool generate_feature(const QomType *type, unsigned index, QomProperty *property)
{
    unsigned count;
    const CpuFeature *features = cpu_features(&count);

    for (unsigned i = 0; i < G_N_ELEMENTS(repeated); i++) {
        index += index >= repeated[i];
    }
    if (index >= count) {
        return false;
    }
    *property = (QomProperty){ .name = features[index].name, .kind = QOM_BOOL, .set = set_feature,
                               .get = get_feature };
    return true;
}

/* Feature words -------------------------------------------------------------------------------- */

static bool same_word(const CpuFeature *a, const CpuFeature *b)
{
    return a->function == b->function && a->index == b->index && a->reg == b->reg;
}

static JsonValue *new_word(const CpuFeature *f, uint32_t bits)
{
    JsonValue *word = json_object_new_object();

    json_object_object_add(word, "cpuid-register", json_object_new_string(registers[f->reg]));
    json_object_object_add(word, "cpuid-input-eax", json_object_new_uint64(f->function));
    if (f->has_index) {
        json_object_object_add(word, "cpuid-input-ecx", json_object_new_uint64(f->index));
    }
    json_object_object_add(word, "features", json_object_new_uint64(bits));
    return word;
}

static bool is_refused(const X86Cpu *cpu, const CpuFeature *feature)
{
    return cpu->port && cpu->port->refused && cpu->port->refused(cpu->port->opaque, feature);
}

/*
 * One for each CPUID register that holds features: what the guest has, or what of it was refused.
 */
static JsonValue *feature_words(const X86Cpu *cpu, bool refused)
{
    JsonValue *words = json_object_new_array();
    const CpuidTable *cpuid = cpuid_of(cpu);
    unsigned count;
    const CpuFeature *f = cpu_features(&count);

    for (unsigned i = 0; i < count; i++) {
        bool first = !CPU_FEATURE_IS_MSR(f[i].function);
        uint32_t bits = 0;
        for (unsigned j = 0; j < i && first; j++) {
            first = !same_word(&f[i], &f[j]);
        }
        for (unsigned j = i; j < count && first; j++) {
            bool set = same_word(&f[i], &f[j]) &&
                       (refused ? is_refused(cpu, &f[j]) : has_feature(cpu, cpuid, j));
            bits |= set ? 1u << f[j].bit : 0;
        }
        const CpuidEntry *entry = first && cpuid && !refused
                                      ? cpuid_table_find(cpuid, f[i].function, f[i].index)
                                      : NULL;
        if (entry) { /* bits without a name too */
            bits = entry->regs[f[i].reg];
        }
        if (first) {
            json_object_array_add(words, new_word(&f[i], bits));
        }
    }
    return words;
}

static bool get_feature_words(QomObject *object, const QomProperty *property, JsonValue **result,
                              GError **errp)
{
    *result = feature_words((X86Cpu *)object, !strcmp(property->name, "filtered-features"));
    return true;
}

static bool get_unavailable(QomObject *object, const QomProperty *property, JsonValue **result,
                            GError **errp)
{
    unsigned count;
    const CpuFeature *features = cpu_features(&count);

    *result = json_object_new_array();
    for (unsigned i = 0; i < count; i++) {
        if (is_refused((X86Cpu *)object, &features[i])) {
            json_object_array_add(*result, json_object_new_string(features[i].name));
        }
    }
    return true;
}

/* Intel SDM vol. 2A, CPUID leaves 0 and 1. 0 and "" while the guest's CPUID is not known. */
static bool get_signature(QomObject *object, const QomProperty *property, JsonValue **result,
                          GError **errp)
{
    const CpuidTable *cpuid = cpuid_of((X86Cpu *)object);
    const CpuidEntry *one = cpuid ? cpuid_table_find(cpuid, 1, 0) : NULL;
    uint32_t signature = one ? one->regs[CPUID_EAX] : 0, family = signature >> 8 & 0xf,
             model = signature >> 4 & 0xf;

    if (family == 6 || family == 15) {
        model |= (signature >> 16 & 0xf) << 4;
    }
    if (family == 15) {
        family += signature >> 20 & 0xff;
    }
    *result = json_object_new_int64(!strcmp(property->name, "family")  ? family
                                    : !strcmp(property->name, "model") ? model
                                                                       : signature & 0xf);
    return true;
}

static bool get_vendor(QomObject *object, const QomProperty *property, JsonValue **result,
                       GError **errp)
{
    const CpuidTable *cpuid = cpuid_of((X86Cpu *)object);
    const CpuidEntry *zero = cpuid ? cpuid_table_find(cpuid, 0, 0) : NULL;
    char vendor[13] = "";

    if (zero) {
        memcpy(vendor, &zero->regs[CPUID_EBX], 4);
        memcpy(vendor + 4, &zero->regs[CPUID_EDX], 4);
        memcpy(vendor + 8, &zero->regs[CPUID_ECX], 4);
    }
    *result = json_object_new_string(g_utf8_validate(vendor, -1, NULL) ? vendor : "");
    return true;
}

#define PLACE(name, field, description) QOM_PROPERTY_INT32(name, X86Cpu, field, "-1", description)
#define READ(name_, kind_, type_, get_)                                               \
    { .name = (name_), .kind = (kind_), .type_name = (type_), .flags = QOM_READ_ONLY, \
      .get = (get_), .qapi = &any_type }
static const QapiType any_type = { .kind = QAPI_ANY };

static const QomProperty x86_cpu_properties[] = {
    QOM_PROPERTY_UINT32("apic-id", X86Cpu, apic_id, "0xffffffff",
                        "x2APIC ID; 0xffffffff = not placed"),
    PLACE("socket-id", socket_id, NULL),
    PLACE("die-id", die_id, NULL),
    PLACE("module-id", module_id, NULL),
    PLACE("core-id", core_id, NULL),
    PLACE("thread-id", thread_id, NULL),
    QOM_PROPERTY_BOOL("check", X86Cpu, check, "on",
                      "warn of features that were asked for and are not there"),
    QOM_PROPERTY_BOOL("enforce", X86Cpu, enforce, "off", "do not start without them"),
    QOM_PROPERTY_BOOL("migratable", X86Cpu, migratable, "on",
                      "kept for queries: nothing is migrated"),
    QOM_PROPERTY_BOOL("pmu", X86Cpu, pmu, "off", "the guest has performance counters"),
    READ("family", QOM_INT64, "int", get_signature),
    READ("model", QOM_INT64, "int", get_signature),
    READ("stepping", QOM_INT64, "int", get_signature),
    READ("vendor", QOM_STR, "string", get_vendor),
    READ("unavailable-features", QOM_QAPI, "strList", get_unavailable),
    READ("feature-words", QOM_QAPI, "X86CPUFeatureWordInfo", get_feature_words),
    READ("filtered-features", QOM_QAPI, "X86CPUFeatureWordInfo", get_feature_words),
    { NULL },
};

static const DeviceOps x86_cpu_ops = { .category = "CPU", .internal = true, .no_hotplug = true };

const QomType x86_cpu_type = {
    .name = "x86_64-cpu", .parent = &cpu_type, .abstract = true, .size = sizeof(X86Cpu),
    .properties = x86_cpu_properties,
    .generate = generate_feature, .ops = &x86_cpu_ops, .init = x86_cpu_init,
    .finalize = x86_cpu_finalize,
    .fixed_because = "the guest has been launched with it",
};

#define MODEL(model) { .name = model "-x86_64-cpu", .parent = &x86_cpu_type }
const QomType x86_cpu_types[X86_CPU_TYPES] = {
    MODEL("host"), MODEL("max"), MODEL("base"), MODEL("qemu64"),
    MODEL("Skylake-Server"), MODEL("Skylake-Server-v2"), MODEL("Skylake-Server-v3"),
    MODEL("Skylake-Server-v4"),
    MODEL("Skylake-Server-v5"), MODEL("Skylake-Server-IBRS"), MODEL("Skylake-Server-noTSX-IBRS"),
    MODEL("Cascadelake-Server"), MODEL("Cascadelake-Server-v2"), MODEL("Cascadelake-Server-v3"),
    MODEL("Cascadelake-Server-v4"),
    MODEL("Cascadelake-Server-v5"), MODEL("Cascadelake-Server-noTSX"), MODEL("Cooperlake"),
    MODEL("Cooperlake-v2"),
    MODEL("Icelake-Server"), MODEL("Icelake-Server-v2"), MODEL("Icelake-Server-v3"),
    MODEL("Icelake-Server-v4"),
    MODEL("Icelake-Server-v5"), MODEL("Icelake-Server-v6"), MODEL("Icelake-Server-v7"),
    MODEL("Icelake-Server-noTSX"),
    MODEL("SapphireRapids"), MODEL("SapphireRapids-v2"), MODEL("SapphireRapids-v3"),
    MODEL("SapphireRapids-v4"),
    MODEL("SapphireRapids-v5"), MODEL("SapphireRapids-v6"),
    MODEL("GraniteRapids"), MODEL("GraniteRapids-v2"), MODEL("GraniteRapids-v3"),
    MODEL("GraniteRapids-v4"), MODEL("GraniteRapids-v5"),
    MODEL("SierraForest"), MODEL("SierraForest-v2"), MODEL("SierraForest-v3"),
    MODEL("SierraForest-v4"), MODEL("SierraForest-v5"),
    MODEL("ClearwaterForest"), MODEL("ClearwaterForest-v2"), MODEL("ClearwaterForest-v3"),
    MODEL("DiamondRapids"),
};

/* The machine's -------------------------------------------------------------------------------- */

/* The position of vCPU i in the topology, as socket-id … thread-id. */
static void x86_cpu_place(X86Cpu *cpu, const CpuTopology *t, unsigned i)
{
    cpu->apic_id = cpu_topology_apic_id(t, i);
    cpu->thread_id = (int32_t)(i % t->threads);
    cpu->core_id = (int32_t)(i / t->threads % t->cores);
    cpu->module_id = (int32_t)(i / t->threads / t->cores % t->modules);
    cpu->die_id = (int32_t)(i / t->threads / t->cores / t->modules % t->dies);
    cpu->socket_id = (int32_t)(i / t->threads / t->cores / t->modules / t->dies);
}

bool x86_cpus_add(Machine *machine, const CpuModelRequest *model, const CpuTopology *topology,
                  const X86CpuPort *port, GError **errp)
{
    g_autofree char *name = g_strconcat(model->model, "-x86_64-cpu", NULL);
    const QomType *type = qom_type_find(qom_object_types(&machine->object), name);

    if (!type) {
        return error_set(errp, "CPU model '%s' has no type of object", model->model);
    }
    for (unsigned i = 0; i < topology->cpus; i++) {
        Device *device = machine_create_own(machine, type, errp);
        if (!device) {
            return false;
        }
        X86Cpu *cpu = X86_CPU(device);
        x86_cpu_place(cpu, topology, i);
        cpu->check = model->check;
        cpu->enforce = model->enforce;
        cpu->pmu = model->pmu;
        cpu->port = port;
        for (unsigned f = 0; f < model->features->len; f++) {
            const CpuFeatureRequest *request = &g_array_index(model->features, CpuFeatureRequest,
                                                              f);
            unsigned count;
            cpu->given[request->feature - cpu_features(&count)] = request->on ? 2 : 1;
        }
        if (!device_realize(device, NULL, errp)) {
            return false;
        }
    }
    return true;
}
