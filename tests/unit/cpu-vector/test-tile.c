/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AMX instructions: configurations, what each raises, restart after faults, IA32_XFD, XSAVE. */
#include "guest.h"
#include "swtdx/host/cpu/vector-tile.h"

#define CONFIG GUEST_MEMORY /* where a configuration lies */
#define DATA (GUEST_MEMORY + 0x100)
#define AREA (GUEST_MEMORY + 0x1000) /* an XSAVE area */
#define END (GUEST_MEMORY + GUEST_MEMORY_SIZE)
#define COMPACTED (UINT64_C(1) << 63)
#define BYTES(...)  \
    {               \
        __VA_ARGS__ \
    }

/* [RSI], and [RSI + RBX] for rows; tiles 0, 1, 2 */
static const uint8_t ldtilecfg[] = BYTES(0xc4, 0xe2, 0x78, 0x49, 0x06),
                     sttilecfg[] = BYTES(0xc4, 0xe2, 0x79, 0x49, 0x06);
static const uint8_t tilerelease[] = BYTES(0xc4, 0xe2, 0x78, 0x49, 0xc0),
                     tilezero[] = BYTES(0xc4, 0xe2, 0x7b, 0x49, 0xc8);
static const uint8_t tileloadd[] = BYTES(0xc4, 0xe2, 0x7b, 0x4b, 0x0c, 0x1e),
                     tileloaddt1[] = BYTES(0xc4, 0xe2, 0x79, 0x4b, 0x0c, 0x1e);
static const uint8_t tilestored[] = BYTES(0xc4, 0xe2, 0x7a, 0x4b, 0x0c, 0x1e);
static const uint8_t tdpbssd[] = BYTES(0xc4, 0xe2, 0x6b, 0x5e, 0xc1),
                     tdpbuud[] = BYTES(0xc4, 0xe2, 0x68, 0x5e, 0xc1);
static const uint8_t tdpbsud[] = BYTES(0xc4, 0xe2, 0x6a, 0x5e, 0xc1),
                     tdpbusd[] = BYTES(0xc4, 0xe2, 0x69, 0x5e, 0xc1);
static const uint8_t tdpbf16ps[] = BYTES(0xc4, 0xe2, 0x6a, 0x5c, 0xc1),
                     tdpfp16ps[] = BYTES(0xc4, 0xe2, 0x6b, 0x5c, 0xc1);

static const struct {
    const char *label;
    const uint8_t *bytes;
    size_t n;
    bool data, config; /* IA32_XFD guards it; it needs tiles to be configured */
} forms[] = {
    {"LDTILECFG", ldtilecfg, sizeof(ldtilecfg), false, false},
    {"STTILECFG", sttilecfg, sizeof(sttilecfg), false, false},
    {"TILERELEASE", tilerelease, sizeof(tilerelease), false, false},
    {"TILEZERO", tilezero, sizeof(tilezero), true, true},
    {"TILELOADD", tileloadd, sizeof(tileloadd), true, true},
    {"TILELOADDT1", tileloaddt1, sizeof(tileloaddt1), true, true},
    {"TILESTORED", tilestored, sizeof(tilestored), true, true},
    {"TDPBSSD", tdpbssd, sizeof(tdpbssd), true, true},
    {"TDPBSUD", tdpbsud, sizeof(tdpbsud), true, true},
    {"TDPBUSD", tdpbusd, sizeof(tdpbusd), true, true},
    {"TDPBUUD", tdpbuud, sizeof(tdpbuud), true, true},
    {"TDPBF16PS", tdpbf16ps, sizeof(tdpbf16ps), true, true},
    {"TDPFP16PS", tdpfp16ps, sizeof(tdpfp16ps), true, true},
};

static int step_at(Guest *g, const uint8_t *bytes, size_t n, uint64_t rsi)
{
    g->cpu->regs[GPR_RSI] = rsi;
    return guest_step(g, bytes, n);
}
#define STEP(g, form, rsi) step_at((g), (form), sizeof(form), (rsi))

static uint8_t *config_of(Guest *g)
{
    return g->cpu->xstate + XSTATE_TILECFG;
}

static Tile *tile_of(Guest *g, unsigned n)
{
    return (Tile *)(void *)(g->cpu->xstate + XSTATE_TILEDATA) + n;
}

static void set_shape(uint8_t *config, unsigned n, unsigned rows, unsigned columns)
{
    config[48 + n] = (uint8_t)rows;
    config[16 + 2 * n] = (uint8_t)columns;
    config[17 + 2 * n] = (uint8_t)(columns >> 8);
}

/* Tiles 0 to 2 of 16 rows of 64 bytes, configured by LDTILECFG */
static Guest *setup(void)
{
    Guest *g = guest_new();
    g->memory[0] = 1;
    for (unsigned n = 0; n < 3; n++) {
        set_shape(g->memory, n, 16, 64);
    }
    g_assert_cmpint(STEP(g, ldtilecfg, CONFIG), ==, STEP_OK);
    g->cpu->regs[GPR_RBX] = 64;
    return g;
}

typedef struct ConfigRow {
    const char *label;
    unsigned at, value; /* a byte of a good configuration, replaced */
    int expected;
} ConfigRow;

static const ConfigRow configs[] = {
    {"as it is", 0, 1, STEP_OK},
    {"palette 2", 0, 2, VEC_GP},
    {"palette 255", 0, 255, VEC_GP},
    {"start row 9", 1, 9, STEP_OK},
    {"start row 255", 1, 255, STEP_OK},
    {"reserved byte 2", 2, 1, VEC_GP},
    {"reserved byte 15", 15, 1, VEC_GP},
    {"65 bytes per row", 16, 65, VEC_GP},
    {"320 bytes per row", 17, 1, VEC_GP},
    {"no bytes per row, but rows", 16, 0, VEC_GP},
    {"3 bytes per row", 16, 3, STEP_OK},
    {"tile 7 has bytes per row, no rows", 30, 4, VEC_GP},
    {"tile 8 in palette 1", 32, 4, VEC_GP},
    {"reserved byte 47", 47, 1, VEC_GP},
    {"17 rows", 48, 17, VEC_GP},
    {"no rows, but bytes per row", 48, 0, VEC_GP},
    {"1 row", 48, 1, STEP_OK},
    {"tile 7 has rows, no bytes per row", 55, 1, VEC_GP},
    {"rows of tile 8", 56, 1, VEC_GP},
    {"reserved byte 63", 63, 0x80, VEC_GP},
    {"palette 0, nothing else looked at", 0, 0, STEP_OK},
};

static void test_config(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(configs); i++) {
        Guest *g = setup();
        uint8_t before[64], zero[64] = {0};
        memcpy(before, config_of(g), 64);
        memset(tile_of(g, 1), 0x77, sizeof(Tile));
        g->cpu->tiles_written = true;
        g->memory[configs[i].at] = (uint8_t)configs[i].value;
        int got = STEP(g, ldtilecfg, CONFIG);
        if (got != configs[i].expected) {
            g_test_message("%s: %d, expected %d", configs[i].label, got, configs[i].expected);
            g_test_fail();
        }
        if (got == STEP_OK) {
            g_assert_cmpmem(config_of(g), 64, g->memory[0] ? g->memory : zero, 64);
            g_assert_cmphex(tile_of(g, 1)->row[0][0], ==, 0);
            g_assert_cmpint(STEP(g, sttilecfg, CONFIG + 0x80), ==, STEP_OK);
            g_assert_cmpmem(g->memory + 0x80, 64, config_of(g), 64);
        } else {
            g_assert_cmpmem(config_of(g), 64, before, 64);
            g_assert_cmphex(tile_of(g, 1)->row[0][0], ==, 0x77);
        }
        guest_free(g);
    }
    Guest *g = setup();
    g_assert_cmpint(STEP(g, ldtilecfg, END - 63), ==, VEC_PF);
    g_assert_cmpint(STEP(g, sttilecfg, END - 63), ==, VEC_PF);
    g_assert_cmpint(STEP(g, tilerelease, 0), ==, STEP_OK);
    g_assert_cmphex(config_of(g)[0], ==, 0);
    memset(g->memory, 0xa5, 64);
    g_assert_cmpint(STEP(g, sttilecfg, CONFIG), ==, STEP_OK);
    g_assert_cmphex(g->memory[0] | g->memory[63], ==, 0);
    guest_free(g);
}

/* What the state of the processor forbids. CR0.TS and CR0.EM forbid nothing. */
static void test_enabled(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        for (unsigned turn = 0; turn < 8; turn++) {
            Guest *g = setup();
            int expected = STEP_OK;
            switch (turn) {
            case 1:
                g->cpu->cr4 &= ~(uint64_t)CR4_OSXSAVE;
                expected = VEC_UD;
                break;
            case 2:
                g->cpu->xcr0 &= ~(uint64_t)XFEATURE_TILECFG;
                expected = VEC_UD;
                break;
            case 3:
                g->cpu->xcr0 &= ~(uint64_t)XFEATURE_TILEDATA;
                expected = VEC_UD;
                break;
            case 4:
                g->cpu->cr0 |= CR0_TS | CR0_EM;
                break;
            case 5:
                g->cpu->xfd = XFEATURE_TILEDATA;
                expected = forms[i].data ? VEC_NM : STEP_OK;
                break;
            case 6:
                g_assert_cmpint(STEP(g, tilerelease, 0), ==, STEP_OK);
                expected = forms[i].config ? VEC_UD : STEP_OK;
                break;
            case 7: /* the invalid opcode comes before IA32_XFD */
                g_assert_cmpint(STEP(g, tilerelease, 0), ==, STEP_OK);
                g->cpu->xfd = XFEATURE_TILEDATA;
                expected = forms[i].config ? VEC_UD : STEP_OK;
                break;
            default:
                break;
            }
            int got = step_at(g, forms[i].bytes, forms[i].n, i < 2 ? CONFIG : DATA);
            if (got != expected) {
                g_test_message("%s, %u: %d, expected %d", forms[i].label, turn, got, expected);
                g_test_fail();
            }
            g_assert_cmphex(g->cpu->xfd_err, ==, got == VEC_NM ? XFEATURE_TILEDATA : 0);
            guest_free(g);
        }
    }
    Guest *g = setup(); /* without the CPUID bits */
    g->no_feature = true;
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        int got = step_at(g, forms[i].bytes, forms[i].n, DATA);
        /* what the decoder makes #UD of: its version decides whether it knows the encoding */
        g_assert_true(got == VEC_UD || got == STEP_BAD_ENCODING || got == STEP_NOT_TAKEN);
    }
    guest_free(g);
}

typedef struct ShapeRow {
    const char *label;
    const uint8_t *form;
    unsigned tile, rows, columns; /* of a tile, instead of 16 and 64 */
    unsigned start;
    int expected;
} ShapeRow;

static const ShapeRow shapes[] = {
    {"TILELOADD of 3 bytes", tileloadd, 1, 16, 3, 0, VEC_UD},
    {"TILELOADD of 62 bytes", tileloadd, 1, 16, 62, 0, VEC_UD},
    {"TILELOADD of no tile", tileloadd, 1, 0, 0, 0, VEC_UD},
    {"TILELOADD from row 15", tileloadd, 1, 16, 64, 15, STEP_OK},
    {"TILELOADD from row 16", tileloadd, 1, 16, 64, 16, VEC_UD},
    {"TILESTORED from row 4 of 4", tilestored, 1, 4, 64, 4, VEC_UD},
    {"TILESTORED of 2 bytes", tilestored, 1, 16, 2, 0, VEC_UD},
    {"TILEZERO of 3 bytes", tilezero, 1, 16, 3, 0, STEP_OK},
    {"TILEZERO of no tile", tilezero, 1, 0, 0, 0, VEC_UD},
    {"TILEZERO with a start row", tilezero, 1, 16, 64, 200, STEP_OK},
    {"product with a start row", tdpbssd, 0, 16, 64, 3, STEP_OK},
    {"product: rows of the first source", tdpbssd, 1, 15, 64, 0, VEC_UD},
    {"product: columns of the first source", tdpbssd, 1, 16, 60, 0, VEC_UD},
    {"product: rows of the second source", tdpbf16ps, 2, 15, 64, 0, VEC_UD},
    {"product: columns of the second source", tdpbf16ps, 2, 16, 60, 0, VEC_UD},
    {"product: rows of the destination", tdpbuud, 0, 15, 64, 0, VEC_UD},
    {"product: columns of the destination", tdpbuud, 0, 16, 60, 0, VEC_UD},
    {"product: no destination", tdpbuud, 0, 0, 0, 0, VEC_UD},
    {"product: no first source", tdpbuud, 1, 0, 0, 0, VEC_UD},
    {"product: no second source", tdpfp16ps, 2, 0, 0, 0, VEC_UD},
    {"product: 62 bytes", tdpfp16ps, 2, 16, 62, 0, VEC_UD},
};

static void test_shapes(void)
{
    static const uint8_t same[3][5] = {{0xc4, 0xe2, 0x73, 0x5c, 0xc1},
                                       {0xc4, 0xe2, 0x7b, 0x5c, 0xc1},
                                       {0xc4, 0xe2, 0x73, 0x5c, 0xc0}};
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        const ShapeRow *row = &shapes[i];
        Guest *g = setup();
        set_shape(config_of(g), row->tile, row->rows, row->columns);
        config_of(g)[1] = (uint8_t)row->start;
        int got = step_at(g, row->form, row->form == tileloadd || row->form == tilestored ? 6 : 5,
                          DATA);
        if (got != row->expected) {
            g_test_message("%s: %d, expected %d", row->label, got, row->expected);
            g_test_fail();
        }
        g_assert_cmphex(config_of(g)[1], ==, got == STEP_OK ? 0 : row->start);
        guest_free(g);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(same);
         i++) { /* a tile twice: TDPFP16PS; of the others the decoder makes #UD */
        Guest *g = setup();
        g_assert_cmpint(STEP(g, same[i], DATA), ==, VEC_UD);
        guest_free(g);
    }
}

/* Rows, strides, and going on after a fault where it stopped. */
static void test_rows(void)
{
    /* [esi + ebx*2 + 16] */
    static const uint8_t short_address[] = BYTES(0x67, 0xc4, 0xe2, 0x7b, 0x4b, 0x4c, 0x5e, 0x10);
    Guest *g = setup();
    const Tile *t = tile_of(g, 1);
    for (unsigned i = 0; i < GUEST_MEMORY_SIZE; i++) {
        g->memory[i] = (uint8_t)(i * 7 + i / 256);
    }
    set_shape(config_of(g), 1, 5, 12);
    memset(tile_of(g, 1), 0xee, sizeof(Tile));
    g->cpu->regs[GPR_RBX] = 100;
    g_assert_cmpint(STEP(g, tileloadd, DATA), ==, STEP_OK);
    for (unsigned row = 0; row < 16; row++) {
        uint8_t want[64] = {0};
        if (row < 5) {
            memcpy(want, g->memory + 0x100 + 100 * row, 12);
        }
        g_assert_cmpmem(t->row[row], 64, want, 64);
    }
    g->cpu->regs[GPR_RBX] = (uint64_t)-100; /* backwards */
    g_assert_cmpint(STEP(g, tilestored, DATA + 0x1400), ==, STEP_OK);
    for (unsigned row = 0; row < 5; row++) {
        g_assert_cmpmem(g->memory + 0x1500 - 100 * row, 12, t->row[row], 12);
    }
    g->cpu->regs[GPR_RBX] = UINT64_C(0xffffffff00000000) + 50; /* cut off at 32 bits */
    g_assert_cmpint(STEP(g, short_address, DATA - 16), ==, STEP_OK);
    g_assert_cmpmem(t->row[4], 12, g->memory + 0x100 + 400, 12);

    /* the fourth row lies beyond the end */
    set_shape(config_of(g), 1, 16, 64);
    g->cpu->regs[GPR_RBX] = 64;
    g_assert_cmpint(STEP(g, tileloadd, END - 200), ==, VEC_PF);
    g_assert_cmphex(config_of(g)[1], ==, 3);
    g_assert_cmpmem(t->row[2], 64, g->memory + GUEST_MEMORY_SIZE - 200 + 128, 64);
    g_assert_cmpint(STEP(g, tileloadd, DATA), ==, STEP_OK);
    g_assert_cmphex(config_of(g)[1], ==, 0);
    g_assert_cmpmem(t->row[2], 64, g->memory + GUEST_MEMORY_SIZE - 200 + 128, 64); /* done before */
    g_assert_cmpmem(t->row[3], 64, g->memory + 0x100 + 192, 64);
    g_assert_cmpint(STEP(g, tilestored, END - 200), ==, VEC_PF);
    g_assert_cmphex(config_of(g)[1], ==, 3);
    guest_free(g);
}

/* ---- XSAVE ---- */

enum { XSAVE, XRSTOR, XSAVEOPT, XSAVEC, XSAVES, XRSTORS };
static const uint8_t saves[][4] = {
    [XSAVE] = {0x48, 0x0f, 0xae, 0x26},    [XRSTOR] = {0x48, 0x0f, 0xae, 0x2e},
    [XSAVEOPT] = {0x48, 0x0f, 0xae, 0x36}, [XSAVEC] = {0x48, 0x0f, 0xc7, 0x26},
    [XSAVES] = {0x48, 0x0f, 0xc7, 0x2e},   [XRSTORS] = {0x48, 0x0f, 0xc7, 0x1e},
};

static int save(Guest *g, unsigned form, uint64_t mask)
{
    g->cpu->regs[GPR_RAX] = mask;
    g->cpu->regs[GPR_RDX] = 0;
    return step_at(g, saves[form], 4, AREA);
}

static uint64_t header(const Guest *g, unsigned at)
{
    uint64_t v;
    memcpy(&v, g->memory + 0x1000 + at, 8);
    return v;
}

static void fill_tile(Guest *g)
{
    for (unsigned i = 0; i < 1024; i++) {
        g->memory[0x100 + i] = (uint8_t)(i * 5 + 1);
    }
    g_assert_cmpint(STEP(g, tileloadd, DATA), ==, STEP_OK);
}

static void test_xsave(void)
{
    static const struct {
        unsigned save, restore, config, data; /* offsets of the components with PKRU saved too */
    } pairs[] = {
        {XSAVE, XRSTOR, 2752, 2816},
        {XSAVEOPT, XRSTOR, 2752, 2816},
        {XSAVEC, XRSTOR, 640, 704},
        {XSAVES, XRSTORS, 640, 704},
    };
    const uint64_t mask = XFEATURE_AMX | XFEATURE_PKRU;
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        Guest *g = setup();
        uint8_t config[64];
        Tile tile;
        fill_tile(g);
        g->cpu->pkru = 0x55;
        memcpy(config, config_of(g), 64);
        tile = *tile_of(g, 1);
        g_assert_cmpint(save(g, pairs[i].save, mask), ==, STEP_OK);
        g_assert_cmphex(header(g, 512), ==, mask);
        g_assert_cmphex(header(g, 520), ==, pairs[i].save >= XSAVEC ? COMPACTED | mask : 0);
        g_assert_cmpmem(g->memory + 0x1000 + pairs[i].config, 64, config, 64);
        g_assert_cmpmem(g->memory + 0x1000 + pairs[i].data + 1024, 1024, &tile, 1024);
        g_assert_cmpint(STEP(g, tilerelease, 0), ==, STEP_OK);
        g_assert_cmphex(tile_of(g, 1)->row[3][3], ==, 0);
        g_assert_cmpint(save(g, pairs[i].restore, mask), ==, STEP_OK);
        g_assert_cmpmem(config_of(g), 64, config, 64);
        g_assert_cmpmem(tile_of(g, 1), 1024, &tile, 1024);

        /*
         * TILERELEASE brings the initial state: nothing of it is written, and restoring makes it
         * again
         */
        g_assert_cmpint(STEP(g, tilerelease, 0), ==, STEP_OK);
        memset(g->memory + 0x1000 + 576, 0xa5, 0x2a00);
        memset(g->memory + 0x1000 + 512, 0, 64);
        g_assert_cmpint(save(g, pairs[i].save, XFEATURE_AMX), ==, STEP_OK);
        g_assert_cmphex(header(g, 512), ==, 0);
        g_assert_cmphex(g->memory[0x1000 + 2816], ==, pairs[i].save == XSAVE ? 0 : 0xa5);
        memcpy(g->memory, config, 64);
        g_assert_cmpint(STEP(g, ldtilecfg, CONFIG), ==, STEP_OK);
        fill_tile(g);
        g_assert_cmpint(save(g, pairs[i].restore, XFEATURE_AMX), ==, STEP_OK);
        g_assert_cmphex(config_of(g)[0], ==, 0);
        g_assert_cmphex(tile_of(g, 1)->row[3][3], ==, 0);
        guest_free(g);
    }
}

/* With IA32_XFD TILEDATA is saved as if it were initial; loading it is #NM, initialising it is not.
 */
static void test_xfd(void)
{
    for (unsigned form = XSAVE; form <= XSAVES; form++) {
        Guest *g = setup();
        if (form == XRSTOR) {
            guest_free(g);
            continue;
        }
        fill_tile(g);
        memset(g->memory + 0x1000, 0, 0x2b00);
        g->cpu->xfd = XFEATURE_TILEDATA;
        g_assert_cmpint(save(g, form, XFEATURE_AMX), ==, STEP_OK);
        g_assert_cmphex(header(g, 512), ==, XFEATURE_TILECFG);
        g_assert_cmphex(g->memory[0x1000 + 2816 + 1024 + 5], ==, 0);
        g_assert_cmphex(tile_of(g, 1)->row[0][5], ==, 26); /* and stays */
        g_assert_cmpint(save(g, form == XSAVES ? XRSTORS : XRSTOR, XFEATURE_AMX), ==, STEP_OK);
        g_assert_cmphex(tile_of(g, 1)->row[0][5], ==, 0);
        g_assert_cmphex(g->cpu->xfd_err, ==, 0);
        g->memory[0x1000 + 514] = 6; /* XSTATE_BV: both */
        g->memory[0x1000 + 522] = form >= XSAVEC ? 6 : 0;
        g_assert_cmpint(save(g, form == XSAVES ? XRSTORS : XRSTOR, XFEATURE_AMX), ==, VEC_NM);
        g_assert_cmphex(g->cpu->xfd_err, ==, XFEATURE_TILEDATA);
        g_assert_cmpint(save(g, form == XSAVES ? XRSTORS : XRSTOR, XFEATURE_TILECFG), ==, STEP_OK);
        guest_free(g);
    }
    Guest *g = setup(); /* LDTILECFG and TILERELEASE initialise it all the same */
    fill_tile(g);
    g->cpu->xfd = XFEATURE_TILEDATA;
    memcpy(g->memory, config_of(g), 64);
    g_assert_cmpint(STEP(g, ldtilecfg, CONFIG), ==, STEP_OK);
    g_assert_cmphex(tile_of(g, 1)->row[0][5], ==, 0);
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-vector/tile/config", test_config);
    g_test_add_func("/cpu-vector/tile/enabled", test_enabled);
    g_test_add_func("/cpu-vector/tile/shapes", test_shapes);
    g_test_add_func("/cpu-vector/tile/rows", test_rows);
    g_test_add_func("/cpu-vector/tile/xsave", test_xsave);
    g_test_add_func("/cpu-vector/tile/xfd", test_xfd);
    return g_test_run();
}
