/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reciprocals of deterministic guests: the values are fixed, on every host, and within what the SDM
 * allows.
 */
#include <math.h>

#include "guest.h"
#include "swtdx/host/cpu/group.h"
#include "swtdx/host/cpu/vector-approx.h"

typedef struct FormRow {
    const char *label;
    uint8_t code[6];
    unsigned n, size, count; /* bytes of code; of an element; elements computed */
    bool root, fourteen, memory;
} FormRow;

/* Destination xmm0, source xmm1 or [rax]. */
static const FormRow form_rows[] = {
    {"RCPPS", {0x0f, 0x53, 0xc1}, 3, 4, 4, false, false, false},
    {"RCPPS-memory", {0x0f, 0x53, 0x00}, 3, 4, 4, false, false, true},
    {"RCPSS", {0xf3, 0x0f, 0x53, 0xc1}, 4, 4, 1, false, false, false},
    {"RSQRTPS", {0x0f, 0x52, 0xc1}, 3, 4, 4, true, false, false},
    {"RSQRTSS-memory", {0xf3, 0x0f, 0x52, 0x00}, 4, 4, 1, true, false, true},
    {"VRCPPS-256", {0xc5, 0xfc, 0x53, 0xc1}, 4, 4, 8, false, false, false},
    {"VRSQRTPS-256", {0xc5, 0xfc, 0x52, 0xc1}, 4, 4, 8, true, false, false},
    {"VRCP14PS-512", {0x62, 0xf2, 0x7d, 0x48, 0x4c, 0xc1}, 6, 4, 16, false, true, false},
    {"VRSQRT14PD-512", {0x62, 0xf2, 0xfd, 0x48, 0x4e, 0xc1}, 6, 8, 8, true, true, false},
    {"VRCP14PS-broadcast", {0x62, 0xf2, 0x7d, 0x58, 0x4c, 0x00}, 6, 4, 16, false, true, true},
};

static uint8_t *byte_of(Guest *g, unsigned reg, unsigned at)
{
    return at < 16   ? vec_xmm(g->cpu, reg) + at
           : at < 32 ? vec_ymmh(g->cpu, reg) + at - 16
                     : g->cpu->xstate + XSTATE_ZMMH + 32 * reg + at - 32;
}

static void put(Guest *g, const FormRow *row, unsigned i, double x)
{
    float single = (float)x;
    const void *value = row->size == 4 ? (const void *)&single : &x;
    memcpy(row->memory ? g->memory + i * row->size : byte_of(g, 1, i * row->size), value,
           row->size);
}

static double get(Guest *g, const FormRow *row, unsigned i)
{
    float single;
    double x;
    memcpy(row->size == 4 ? (void *)&single : &x, byte_of(g, 0, i * row->size), row->size);
    return row->size == 4 ? (double)single : x;
}

static bool same_element(const FormRow *row)
{
    return row->n == 6 && row->memory;
}

static Guest *deterministic_guest(void)
{
    Guest *g = guest_new();
    g->cpu->group->deterministic = true;
    g->cpu->regs[GPR_RAX] = GUEST_MEMORY;
    return g;
}

static void test_bounds(gconstpointer data)
{
    const FormRow *row = data;
    Guest *g = deterministic_guest();
    double bound = row->fourteen ? 0x1p-14 : 1.5 * 0x1p-12;
    if (guest_decode(g, row->code, row->n) != STEP_OK) {
        g_test_skip("this machine lacks the instruction");
        guest_free(g);
        return;
    }
    for (unsigned turn = 0; turn < 2000; turn++) {
        double x[16];
        for (unsigned i = 0; i < row->count; i++) {
            x[i] = same_element(row) && i ? x[0]
                                          : (double)(float)ldexp(g_test_rand_double_range(1, 2),
                                                                 g_test_rand_int_range(-60, 60));
            if (!same_element(row) || i == 0) {
                put(g, row, i, x[i]);
            }
        }
        g_assert_cmpint(guest_step(g, row->code, row->n), ==, STEP_OK);
        for (unsigned i = 0; i < row->count; i++) {
            double exact = row->root ? 1 / sqrt(x[i]) : 1 / x[i];
            g_assert_cmpfloat(fabs(get(g, row, i) / exact - 1), <=, bound);
        }
    }
    guest_free(g);
}

typedef struct ValueRow {
    const char *label;
    uint8_t code[6];
    unsigned n;
    uint64_t in, out;
} ValueRow;

#define RCPSS {0xf3, 0x0f, 0x53, 0xc1}, 4
#define RSQRTSS {0xf3, 0x0f, 0x52, 0xc1}, 4
#define RCP14PS {0x62, 0xf2, 0x7d, 0x48, 0x4c, 0xc1}, 6
#define RSQRT14PD {0x62, 0xf2, 0xfd, 0x48, 0x4e, 0xc1}, 6
#define RCPPH {0x62, 0xf6, 0x7d, 0x48, 0x4c, 0xc1}, 6
#define RSQRTPH {0x62, 0xf6, 0x7d, 0x48, 0x4e, 0xc1}, 6
#define RCP14PS_MASKED {0x62, 0xf2, 0x7d, 0x49, 0x4c, 0xc1}, 6

static const ValueRow value_rows[] = {
    {"RCPSS-of-3", RCPSS, 0x40400000, 0x3eaaa800},
    {"RCPSS-of-minus-1", RCPSS, 0xbf800000, 0xbf800000},
    {"RCPSS-of-zero", RCPSS, 0, 0x7f800000},
    {"RCPSS-of-minus-zero", RCPSS, 0x80000000, 0xff800000},
    {"RCPSS-of-denormal", RCPSS, 1, 0x7f800000},
    {"RCPSS-of-infinity", RCPSS, 0x7f800000, 0},
    {"RCPSS-tiny-result", RCPSS, 0x7f7fffff, 0},
    {"RCPSS-of-signalling-NaN", RCPSS, 0x7f800001, 0x7fc00001},
    {"RSQRTSS-of-2", RSQRTSS, 0x40000000, 0x3f350000},
    {"RSQRTSS-of-minus-2", RSQRTSS, 0xc0000000, 0xffc00000},
    {"RSQRTSS-of-minus-zero", RSQRTSS, 0x80000000, 0xff800000},
    {"RSQRTSS-of-infinity", RSQRTSS, 0x7f800000, 0},
    {"RCP14PS-of-3", RCP14PS, 0x40400000, 0x3eaaaa00},
    {"RCP14PS-denormal-result", RCP14PS, 0x7f000000, 0x00400000},
    {"RSQRT14PD-of-2", RSQRT14PD, UINT64_C(0x4000000000000000), UINT64_C(0x3fe6a08000000000)},
    {"RCPPH-of-3-and-minus-2", RCPPH, 0xc0004200, 0xb8003555},
    {"RSQRTPH-of-4-and-minus-4", RSQRTPH, 0xc4004400, 0xfe003800},
    {"RCP14PS-masked-off", RCP14PS_MASKED, 0x40400000, 0x12345678},
};

static void test_value(gconstpointer data)
{
    const ValueRow *row = data;
    Guest *g = deterministic_guest();
    uint64_t out = 0x12345678, k = 2;
    memcpy(vec_xmm(g->cpu, 1), &row->in, 8);
    memcpy(vec_xmm(g->cpu, 0), &out, 8);
    memcpy(g->cpu->xstate + XSTATE_OPMASK + 8, &k, 8);
    if (guest_decode(g, row->code, row->n) != STEP_OK) {
        g_test_skip("this machine lacks the instruction");
    } else {
        bool twice = row->in >> 32;
        g_assert_cmpint(guest_step(g, row->code, row->n), ==, STEP_OK);
        memcpy(&out, vec_xmm(g->cpu, 0), 8);
        g_assert_cmphex(twice ? out : (uint32_t)out, ==, row->out);
    }
    guest_free(g);
}

static double half_value(unsigned v)
{
    unsigned exponent = v >> 10 & 31, fraction = v & 0x3ff;
    double x = exponent == 31 ? INFINITY
               : exponent     ? ldexp(fraction | 0x400, (int)exponent - 25)
                              : ldexp(fraction, -24);
    return v & 0x8000 ? -x : x;
}

/* Every half: the neighbours of the answer are no nearer. */
static void test_halves(void)
{
    static const struct {
        uint16_t in;
        bool root;
        uint16_t out;
    } special[] = {
        {0, false, 0x7c00},
        {0x8000, false, 0xfc00},
        {0, true, 0x7c00},
        {0x8000, true, 0xfc00},
        {0x7c00, false, 0},
        {0xfc00, false, 0x8000},
        {0x7c00, true, 0},
        {0xfc00, true, 0xfe00},
        {0x7c01, false, 0x7e01},
        {0xfd23, true, 0xff23},
        {0x7e00, true, 0x7e00},
        {0xbc00, true, 0xfe00},
        {0x3c00, false, 0x3c00},
        {0xc000, false, 0xb800},
        {0x4400, true, 0x3800},
        {0x4200, false, 0x3555},
        {0x0001, false, 0x7c00} /* 2^24 */,
        {0x0100, false, 0x7c00} /* 2^16 */,
        {0x0101, false, 0x7bf8},
        {0x8080, false, 0xfc00},
        {0x0001, true, 0x6c00} /* 2^12 */,
        {0x7bff, false, 0x0100},
        {0x7400, false, 0x0400},
        {0x7800, false, 0x0200},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(special); i++) {
        g_assert_cmphex(vec_approximate_half(special[i].in, special[i].root), ==, special[i].out);
    }
    for (unsigned v = 1; v < 0x7c00; v++) {
        for (unsigned root = 0; root < 2; root++) {
            double exact = root ? 1 / sqrt(half_value(v)) : 1 / half_value(v);
            uint16_t got = vec_approximate_half((uint16_t)v, root);
            double error = fabs(half_value(got) - exact);
            if (got == 0x7c00) {
                g_assert_cmpfloat(exact, >=, 65520);
                continue;
            }
            g_assert_cmpfloat(error, <=, fabs(half_value(got + 1u) - exact));
            g_assert_cmpfloat(error, <=, got ? fabs(half_value(got - 1u) - exact) : INFINITY);
            if (got >= 0x400) {
                g_assert_cmpfloat(error / exact, <=, 0x1p-11 + 0x1p-14);
            }
        }
        g_assert_cmphex(vec_approximate_half((uint16_t)(v | 0x8000), false), ==,
                        vec_approximate_half((uint16_t)v, false) | 0x8000);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-vector/approx/halves", test_halves);
    for (size_t i = 0; i < G_N_ELEMENTS(form_rows); i++) {
        g_autofree char *name = g_strdup_printf("/cpu/vector/approximations/within/%s",
                                                form_rows[i].label);
        g_test_add_data_func(name, &form_rows[i], test_bounds);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(value_rows); i++) {
        g_autofree char *name = g_strdup_printf("/cpu/vector/approximations/value/%s",
                                                value_rows[i].label);
        g_test_add_data_func(name, &value_rows[i], test_value);
    }
    return g_test_run();
}
