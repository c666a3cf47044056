/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan as JSON, for programs. Numbers are numbers (64-bit unsigned ones too), names are those of
 * QMP's style.
 */
#include <string.h>

#include "hw/i386/tdvf-hob.h"
#include "target/i386/kvm/tdx-plan.h"
#include "target/i386/kvm/tdx-xfam.h"
#include "util/json.h"

static void add(JsonValue *object, const char *name, JsonValue *value)
{
    json_object_object_add(object, name, value);
}

static void add_number(JsonValue *object, const char *name, uint64_t number)
{
    add(object, name, json_object_new_uint64(number));
}

static void add_bool(JsonValue *object, const char *name, bool value)
{
    add(object, name, json_object_new_boolean(value));
}

static void add_text(JsonValue *object, const char *name, const char *text)
{
    add(object, name, json_object_new_string(text));
}

/* Takes the text. */
static void add_taken(JsonValue *object, const char *name, char *text)
{
    add_text(object, name, text);
    g_free(text);
}

static JsonValue *texts(const GPtrArray *strings)
{
    JsonValue *array = json_object_new_array();

    for (unsigned i = 0; i < strings->len; i++) {
        json_object_array_add(array, json_object_new_string(g_ptr_array_index(strings, i)));
    }
    return array;
}

static const char *register_name(unsigned reg)
{
    static const char *const names[] = { "eax", "ebx", "ecx", "edx" };

    return names[reg];
}

static const char *verdict_name(TdxVerdictKind kind)
{
    static const char *const names[] = {
        [TDX_VERDICT_GRANTED] = "granted", [TDX_VERDICT_REFUSED] = "refused",
        [TDX_VERDICT_FORCED_ON] = "forced-on",
        [TDX_VERDICT_FORCED_OFF] = "forced-off", [TDX_VERDICT_NATIVE] = "native",
    };

    return names[kind];
}

static void add_position(JsonValue *object, const TdxVerdict *v)
{
    if (CPU_FEATURE_IS_MSR(v->function)) {
        add_number(object, "msr", v->function - CPU_FEATURE_MSR(0));
        add_number(object, "bit", v->bit + (v->reg == CPUID_EDX ? 32 : 0));
        return;
    }
    add_number(object, "leaf", v->function);
    if (v->has_index) {
        add_number(object, "sub-leaf", v->index);
    }
    add_text(object, "register", register_name(v->reg));
    add_number(object, "bit", v->bit);
}

static JsonValue *verdicts(const TdxPlan *plan)
{
    JsonValue *array = json_object_new_array();

    for (unsigned i = 0; i < plan->verdicts->len; i++) {
        const TdxVerdict *v = &g_array_index(plan->verdicts, TdxVerdict, i);
        JsonValue *object = json_object_new_object();

        add_position(object, v);
        if (v->name) {
            add_text(object, "name", v->name);
        }
        add_text(object, "verdict", verdict_name(v->kind));
        if (v->explicit_request || v->explicit_refusal) {
            add_text(object, "user", v->explicit_request ? "on" : "off");
        }
        if (v->reason) {
            add_text(object, "reason", v->reason);
        }
        json_object_array_add(array, object);
    }
    return array;
}

static JsonValue *entries(const CpuidTable *table)
{
    JsonValue *array = json_object_new_array();

    for (unsigned i = 0; i < cpuid_table_size(table); i++) {
        const CpuidEntry *e = cpuid_table_at(table, i);
        JsonValue *object = json_object_new_object();

        add_number(object, "leaf", e->function);
        if (e->flags & CPUID_FLAG_SIGNIFICANT_INDEX) {
            add_number(object, "sub-leaf", e->index);
        }
        for (unsigned reg = 0; reg < 4; reg++) {
            add_number(object, register_name(reg), e->regs[reg]);
        }
        json_object_array_add(array, object);
    }
    return array;
}

static JsonValue *vcpus(const TdxPlan *plan)
{
    const CpuTopology *t = &plan->topology;
    JsonValue *object = json_object_new_object(), *ids = json_object_new_array();

    add_number(object, "count", plan->num_vcpus);
    add_number(object, "sockets", t->sockets);
    add_number(object, "dies", t->dies);
    add_number(object, "modules", t->modules);
    add_number(object, "cores", t->cores);
    add_number(object, "threads", t->threads);
    for (unsigned i = 0; i < plan->num_vcpus; i++) {
        json_object_array_add(ids, json_object_new_uint64(plan->apic_ids[i]));
    }
    add(object, "x2apic-ids", ids);
    return object;
}

static JsonValue *firmware(const TdxPlan *plan)
{
    JsonValue *object = json_object_new_object(), *sections = json_object_new_array();

    add_number(object, "base", plan->firmware->base);
    add_number(object, "size", plan->firmware->file.size);
    for (unsigned i = 0; i < plan->firmware->num_sections; i++) {
        const TdvfSection *s = &plan->firmware->sections[i];
        JsonValue *section = json_object_new_object();

        add_text(section, "type", tdvf_section_name(s->type));
        add_number(section, "file-offset", s->data_offset);
        add_number(section, "raw-size", s->raw_data_size);
        add_number(section, "address", s->memory_address);
        add_number(section, "size", s->memory_data_size);
        add_number(section, "attributes", s->attributes);
        add_bool(section, "measured", s->attributes & TDVF_ATTRIBUTE_MR_EXTEND);
        json_object_array_add(sections, section);
    }
    add(object, "sections", sections);
    return object;
}

static JsonValue *memory(const TdxPlan *plan)
{
    g_autoptr(GArray) pieces = tdvf_hob_pieces(plan->firmware, &plan->ram);
    JsonValue *array = json_object_new_array();

    for (unsigned i = 0; i < pieces->len; i++) {
        const TdvfHobPiece *p = &g_array_index(pieces, TdvfHobPiece, i);
        JsonValue *object = json_object_new_object();

        add_number(object, "address", p->base);
        add_number(object, "size", p->size);
        add_text(object, "state", p->unaccepted ? "unaccepted" : "added");
        json_object_array_add(array, object);
    }
    return array;
}

/* Only with a host's capabilities. */
static JsonValue *cpuid(const TdxPlan *plan)
{
    JsonValue *object = json_object_new_object();

    add_text(object, "model", plan->cpu->model);
    add_bool(object, "settled", plan->settled);
    add(object, "verdicts", verdicts(plan));
    add(object, "requested", entries(plan->requested));
    add(object, "init-vm", entries(plan->init_cpuid));
    return object;
}

static void add_configuration(JsonValue *object, const TdxPlan *plan)
{
    add_number(object, "attributes", plan->attributes);
    add_taken(object, "attribute-names", tdx_attributes_describe(plan->attributes));
    if (plan->requested) {
        add_number(object, "xfam", plan->xfam);
        add_taken(object, "xfam-names", tdx_xfam_describe(plan->xfam));
    }
    add_taken(object, "mrconfigid", tdx_measurement_hex(plan->mrconfigid));
    add_taken(object, "mrowner", tdx_measurement_hex(plan->mrowner));
    add_taken(object, "mrownerconfig", tdx_measurement_hex(plan->mrownerconfig));
    add_number(object, "gpaw", plan->gpaw);
    if (plan->tsc_khz) {
        add_number(object, "tsc-khz", plan->tsc_khz);
    }
    add(object, "vcpus", vcpus(plan));
    add_number(object, "hob-address", plan->hob_address);
}

char *tdx_plan_format_json(const TdxPlan *plan)
{
    g_autoptr(JsonValue) object = json_object_new_object();
    uint8_t mrtd[TDX_MEASUREMENT_SIZE];

    add_configuration(object, plan);
    add(object, "firmware", firmware(plan));
    add(object, "memory", memory(plan));
    if (plan->requested) {
        add(object, "cpuid", cpuid(plan));
    }
    add(object, "warnings", texts(plan->warnings));
    add(object, "notes", texts(plan->notes));
    tdx_plan_mrtd(plan, mrtd);
    add_taken(object, "mrtd", tdx_measurement_hex(mrtd));
    return json_format(object);
}
