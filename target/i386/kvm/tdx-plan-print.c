/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan as text for people. */
#include <string.h>

#include "hw/i386/tdvf-hob.h"
#include "target/i386/kvm/tdx-plan.h"
#include "target/i386/kvm/tdx-xfam.h"

#define X64 "0x%012" G_GINT64_MODIFIER "x"

char *tdx_plan_format_sections(const TdxPlan *plan)
{
    GString *text = g_string_new(
        "Firmware sections (the order of measurement)\n"
        "   #  type          file offset  raw size    guest address   memory size  attributes\n");

    for (unsigned i = 0; i < plan->firmware->num_sections; i++) {
        const TdvfSection *s = &plan->firmware->sections[i];
        g_string_append_printf(text,
                               "  %2u  %-12s  0x%08x   0x%08x  " X64 "  0x%08" G_GINT64_MODIFIER
                               "x   0x%x%s%s\n",
                               i, tdvf_section_name(s->type), s->data_offset, s->raw_data_size,
                               s->memory_address, s->memory_data_size, s->attributes,
                               s->attributes & TDVF_ATTRIBUTE_MR_EXTEND ? " measured" : "",
                               s->attributes & TDVF_ATTRIBUTE_PAGE_AUG ? " accepted by the guest"
                                                                       : "");
    }
    return g_string_free(text, FALSE);
}

static const char *piece_owner(const TdxPlan *plan, const TdvfHobPiece *piece)
{
    for (unsigned i = 0; i < plan->firmware->num_sections; i++) {
        if (plan->firmware->sections[i].memory_address == piece->base &&
            plan->firmware->sections[i].memory_data_size == piece->size) {
            return tdvf_section_name(plan->firmware->sections[i].type);
        }
    }
    return "";
}

static char *tdx_plan_format_memory(const TdxPlan *plan)
{
    GString *text = g_string_new("Memory map (as the TD HOB list tells it)\n");
    g_autoptr(GArray) pieces = tdvf_hob_pieces(plan->firmware, &plan->ram);

    for (unsigned i = 0; i < pieces->len; i++) {
        const TdvfHobPiece *p = &g_array_index(pieces, TdvfHobPiece, i);
        g_autofree char *size = format_size(p->size);
        const char *owner = p->unaccepted ? "" : piece_owner(plan, p);
        g_string_append_printf(text, "  " X64 "-" X64 "  %-10s  %s%s%s\n", p->base,
                               p->base + p->size - 1, size,
                               p->unaccepted ? "unaccepted RAM" : "RAM added before launch",
                               *owner ? ": " : "", owner);
    }
    g_autofree char *size = format_size(plan->firmware->file.size);
    g_string_append_printf(text, "  " X64 "-" X64 "  %-10s  firmware\n", plan->firmware->base,
                           4 * GiB - 1, size);
    return g_string_free(text, FALSE);
}

static void append_bit(GString *text, const TdxVerdict *v, bool all)
{
    static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };

    if (CPU_FEATURE_IS_MSR(v->function)) {
        g_string_append_printf(text, "MSR(%02XH).%s [bit %u]", v->function - CPU_FEATURE_MSR(0),
                               v->name, v->bit + (v->reg == CPUID_EDX ? 32 : 0));
    } else if (v->name && !all) {
        g_string_append(text, v->name);
    } else if (v->has_index && v->index) {
        g_string_append_printf(text, "CPUID.(%02XH,%02XH):%s%s%s [bit %u]", v->function, v->index,
                               regs[v->reg], v->name ? "." : "", v->name ? v->name : "", v->bit);
    } else {
        g_string_append_printf(text, "CPUID.%02XH:%s%s%s [bit %u]", v->function, regs[v->reg],
                               v->name ? "." : "", v->name ? v->name : "", v->bit);
    }
}

/*
 * Short form: names in a paragraph. Bits that something was wrong with always get their own line
 * and reason.
 */
static void append_group(GString *text, const TdxPlan *plan, TdxVerdictKind kind, const char *title,
                         bool all)
{
    g_autoptr(GString) line = g_string_new("   ");
    unsigned count = 0;

    for (unsigned i = 0; i < plan->verdicts->len; i++) {
        const TdxVerdict *v = &g_array_index(plan->verdicts, TdxVerdict, i);
        if (v->kind != kind) {
            continue;
        }
        if (count++ == 0) {
            g_string_append_printf(text, "  %s:\n", title);
        }
        if (all || v->kind == TDX_VERDICT_REFUSED || v->explicit_request || v->explicit_refusal) {
            g_string_append(text, "    ");
            append_bit(text, v, true);
            g_string_append_printf(text, "%s%s%s\n", v->reason ? ": " : "",
                                   v->reason ? v->reason : "",
                                   v->explicit_request   ? " (asked for with +)"
                                   : v->explicit_refusal ? " (switched off with -)"
                                                         : "");
            continue;
        }
        g_autoptr(GString) bit = g_string_new(NULL);
        append_bit(bit, v, false);
        if (line->len + bit->len > 110) {
            g_string_append_printf(text, "%s\n", line->str);
            g_string_assign(line, "   ");
        }
        g_string_append_printf(line, " %s", bit->str);
    }
    if (line->len > 3) {
        g_string_append_printf(text, "%s\n", line->str);
    }
}

char *tdx_plan_format_cpuid(const TdxPlan *plan, bool all)
{
    if (!plan->requested) {
        return g_strdup("CPUID: not planned, because no TDX host was asked\n");
    }
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "CPUID of -cpu %s (%s)\n", plan->cpu->model,
                           plan->settled ? "as the TDX module has it"
                                         : "expected; the TDX module decides at launch");
    append_group(text, plan, TDX_VERDICT_GRANTED, "granted", all);
    append_group(text, plan, TDX_VERDICT_REFUSED, "refused", all);
    append_group(text, plan, TDX_VERDICT_FORCED_ON, "forced on", all);
    append_group(text, plan, TDX_VERDICT_FORCED_OFF, "forced off", all);
    append_group(text, plan, TDX_VERDICT_NATIVE, "follow the processor", all);
    return g_string_free(text, FALSE);
}

static void append_vcpus(GString *text, const TdxPlan *plan)
{
    const CpuTopology *t = &plan->topology;

    g_string_append_printf(
        text,
        "  vCPUs          %u (sockets %u, dies %u, modules %u, cores %u, threads %u), x2APIC ids",
        plan->num_vcpus, t->sockets, t->dies, t->modules, t->cores, t->threads);
    for (unsigned i = 0; i < plan->num_vcpus; i++) {
        if (i >= 8 && i + 1 < plan->num_vcpus) {
            g_string_append(text, i == 8 ? " ..." : "");
            continue;
        }
        g_string_append_printf(text, " %u", plan->apic_ids[i]);
    }
    g_string_append_c(text, '\n');
}

static void append_configuration(GString *text, const TdxPlan *plan)
{
    g_autofree char *attributes = tdx_attributes_describe(plan->attributes),
                    *xfam = tdx_xfam_describe(plan->xfam);

    g_string_append_printf(text,
                           "TD configuration\n  attributes     0x%016" G_GINT64_MODIFIER "x  %s\n",
                           plan->attributes, attributes);
    if (plan->requested) {
        g_string_append_printf(text, "  XFAM           0x%016" G_GINT64_MODIFIER "x  %s\n",
                               plan->xfam, xfam);
    } else {
        g_string_append(text, "  XFAM           not planned, because no TDX host was asked\n");
    }
    g_string_append_printf(text, "  GPAW           %u bits, shared bit %u%s\n", plan->gpaw,
                           plan->gpaw - 1, plan->requested ? "" : " (assumed)");
    if (plan->tsc_khz) {
        g_string_append_printf(text, "  TSC            %u.%03u MHz\n", plan->tsc_khz / 1000,
                               plan->tsc_khz % 1000);
    } else {
        g_string_append(text, "  TSC            the host's\n");
    }
    append_vcpus(text, plan);
    g_string_append_printf(text, "  TD HOB list    " X64 "\n", plan->hob_address);
    const struct {
        const char *name;
        const uint8_t *bytes;
    } ids[] = {
        { "MRCONFIGID", plan->mrconfigid }, { "MROWNER", plan->mrowner },
        { "MROWNERCONFIG", plan->mrownerconfig },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autofree char *hex = tdx_measurement_hex(ids[i].bytes);
        bool zero = strspn(hex, "0") == strlen(hex);
        g_string_append_printf(text, "  %-13s  %s\n", ids[i].name, zero ? "zero" : hex);
    }
}

char *tdx_plan_format(const TdxPlan *plan)
{
    GString *text = g_string_new(NULL);
    uint8_t mrtd[TDX_MEASUREMENT_SIZE];

    tdx_plan_mrtd(plan, mrtd);
    g_autofree char *sections = tdx_plan_format_sections(plan),
                    *memory = tdx_plan_format_memory(plan);
    g_autofree char *cpuid = tdx_plan_format_cpuid(plan, false), *hex = tdx_measurement_hex(mrtd);
    append_configuration(text, plan);
    g_string_append_printf(text, "\n%s\n%s\n%s", sections, memory, cpuid);
    for (unsigned i = 0; i < plan->warnings->len; i++) {
        g_string_append_printf(text, "warning: %s\n",
                               (const char *)g_ptr_array_index(plan->warnings, i));
    }
    for (unsigned i = 0; i < plan->notes->len; i++) {
        g_string_append_printf(text, "note: %s\n", (const char *)g_ptr_array_index(plan->notes, i));
    }
    g_string_append_printf(text, "\nMRTD  %s\n", hex);
    return g_string_free(text, FALSE);
}
