/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMX: configuration, loads, stores and products of tiles (SDM vol. 1, ch. 18; vol. 2, 2.10 for
 * what they raise).
 *
 * The state stands in Cpu.xstate where XSAVE's standard format has it, start_row included. No tile
 * instruction heeds CR0.TS.
 */
#include "system-ops.h"
#include "vector.h"
#include "vector-tile.h"

#define CONFIG_SIZE 64u
#define CONFIG_START_ROW 1
#define CONFIG_COLUMNS 16 /* bytes per row, 16 bits each */
#define CONFIG_ROWS 48

_Static_assert(XSTATE_TILECFG + CONFIG_SIZE == XSTATE_TILEDATA, "standard format");
_Static_assert(XSTATE_TILEDATA + TILE_COUNT * TILE_SIZE == CPU_XSTATE_SIZE, "standard format");

#define F_AMX_FP16 FEATURE(7u, 1, 0, 21)

/* ---- state ---- */

static uint8_t *config_of(Cpu *cpu)
{
    return cpu->xstate + XSTATE_TILECFG;
}

static Tile *tile_at(Cpu *cpu, unsigned n)
{
    return (Tile *)(void *)(cpu->xstate + XSTATE_TILEDATA + n * TILE_SIZE);
}

static unsigned columns_of(const uint8_t *config, unsigned n)
{
    return config[CONFIG_COLUMNS + 2 * n] | (unsigned)config[CONFIG_COLUMNS + 2 * n + 1] << 8;
}

static unsigned rows_of(const uint8_t *config, unsigned n)
{
    return config[CONFIG_ROWS + n];
}

static bool zeroes(const uint8_t *p, unsigned first, unsigned last)
{
    uint8_t any = 0;
    for (unsigned i = first; i <= last; i++) {
        any |= p[i];
    }
    return any == 0;
}

bool tile_config_valid(const uint8_t config[64])
{
    if (config[0] == 0) {
        return true;
    }
    if (config[0] != 1 || !zeroes(config, 2, 15) || !zeroes(config, 32, 47) ||
        !zeroes(config, 56, 63)) {
        return false;
    }
    for (unsigned n = 0; n < TILE_COUNT; n++) {
        unsigned columns = columns_of(config, n), rows = rows_of(config, n);
        if (columns > TILE_ROW_SIZE || rows > TILE_ROWS || (columns == 0) != (rows == 0)) {
            return false;
        }
    }
    return true;
}

static void clear_data(Cpu *cpu)
{
    if (cpu->tiles_written) {
        memset(cpu->xstate + XSTATE_TILEDATA, 0, TILE_COUNT * TILE_SIZE);
        cpu->tiles_written = false;
    }
}

/* ---- what is asked of every one ---- */

static void require_enabled(Cpu *cpu, const Op *op)
{
    if (!(cpu->mode & CPU_MODE_CS64) || !(cpu->cr4 & CR4_OSXSAVE) ||
        (cpu->xcr0 & XFEATURE_AMX) != XFEATURE_AMX) {
        vec_raise(cpu, op, VEC_UD);
    }
}

void tile_require(Cpu *cpu, const Op *op, uint64_t components)
{
    if (unlikely(cpu->xfd & cpu->xcr0 & components)) {
        cpu->xfd_err = cpu->xfd & components;
        vec_raise(cpu, op, VEC_NM);
    }
}

/* A configured tile whose rows are whole elements of 4 bytes. */
static void require_tile(Cpu *cpu, const Op *op, unsigned n)
{
    const uint8_t *config = config_of(cpu);
    if (n >= TILE_COUNT || !config[0] || !rows_of(config, n) || columns_of(config, n) % 4) {
        vec_raise(cpu, op, VEC_UD);
    }
}

/* ---- configuration ---- */

static __attribute__((noinline)) void load_config(Cpu *cpu, const Op *op)
{
    uint8_t config[CONFIG_SIZE];

    require_enabled(cpu, op);
    mmu_read(cpu, op, op_linear(cpu, op, CONFIG_SIZE, false), config, sizeof(config));
    if (!tile_config_valid(config)) {
        vec_raise(cpu, op, VEC_GP);
    }
    if (config[0] == 0) {
        memset(config, 0, sizeof(config));
    }
    memcpy(config_of(cpu), config, sizeof(config));
    clear_data(cpu); /* whatever IA32_XFD says (SDM vol. 1, 13.14) */
}

static const Op *op_ldtilecfg(Cpu *cpu, const Op *op)
{
    load_config(cpu, op);
    NEXT(cpu, op);
}

static const Op *op_sttilecfg(Cpu *cpu, const Op *op)
{
    require_enabled(cpu, op);
    mmu_write(cpu, op, op_linear(cpu, op, CONFIG_SIZE, true), config_of(cpu), CONFIG_SIZE);
    NEXT(cpu, op);
}

static const Op *op_tilerelease(Cpu *cpu, const Op *op)
{
    require_enabled(cpu, op);
    memset(config_of(cpu), 0, CONFIG_SIZE);
    clear_data(cpu);
    NEXT(cpu, op);
}

/* ---- data ---- */

static const Op *op_tilezero(Cpu *cpu, const Op *op)
{
    uint8_t *config = config_of(cpu);

    require_enabled(cpu, op);
    if (op->dst >= TILE_COUNT || !config[0] || !rows_of(config, op->dst)) {
        vec_raise(cpu, op, VEC_UD);
    }
    tile_require(cpu, op, XFEATURE_TILEDATA);
    memset(tile_at(cpu, op->dst), 0, TILE_SIZE);
    config[CONFIG_START_ROW] = 0;
    NEXT(cpu, op);
}

/* Linear address of a row: the index register holds what rows are apart. */
static uint64_t row_linear(const Cpu *cpu, const Op *op, unsigned row)
{
    uint64_t apart = CPU_REG(cpu, uint64_t, op->index) << op->shift;
    uint64_t ea = CPU_REG(cpu, uint64_t, op->base) + (uint64_t)op->disp + row * apart;

    if (op->addr_size == 4) {
        ea = (uint32_t)ea;
    }
    return op->seg >= SEG_FS ? ea + cpu->seg[op->seg].base : ea;
}

static unsigned begin_rows(Cpu *cpu, const Op *op)
{
    const uint8_t *config = config_of(cpu);

    require_enabled(cpu, op);
    require_tile(cpu, op, op->dst);
    if (config[CONFIG_START_ROW] >= rows_of(config, op->dst)) {
        vec_raise(cpu, op, VEC_UD);
    }
    tile_require(cpu, op, XFEATURE_TILEDATA);
    return config[CONFIG_START_ROW];
}

/* start_row says at any time which row is next: after a fault the instruction goes on there. */
static __attribute__((noinline)) void load_rows(Cpu *cpu, const Op *op)
{
    unsigned start = begin_rows(cpu, op);
    uint8_t *config = config_of(cpu);
    unsigned rows = rows_of(config, op->dst), columns = columns_of(config, op->dst);
    Tile *tile = tile_at(cpu, op->dst);

    memset(tile->row[start], 0, (TILE_ROWS - start) * sizeof(tile->row[0]));
    cpu->tiles_written = true;
    for (unsigned row = start; row < rows; row++) {
        config[CONFIG_START_ROW] = (uint8_t)row;
        mmu_read(cpu, op, row_linear(cpu, op, row), tile->row[row], columns);
    }
    config[CONFIG_START_ROW] = 0;
}

static const Op *op_tileload(Cpu *cpu, const Op *op)
{
    load_rows(cpu, op);
    NEXT(cpu, op);
}

static __attribute__((noinline)) void store_rows(Cpu *cpu, const Op *op)
{
    unsigned start = begin_rows(cpu, op);
    uint8_t *config = config_of(cpu);
    unsigned rows = rows_of(config, op->dst), columns = columns_of(config, op->dst);
    const Tile *tile = tile_at(cpu, op->dst);

    for (unsigned row = start; row < rows; row++) {
        config[CONFIG_START_ROW] = (uint8_t)row;
        mmu_write(cpu, op, row_linear(cpu, op, row), tile->row[row], columns);
    }
    config[CONFIG_START_ROW] = 0;
}

static const Op *op_tilestore(Cpu *cpu, const Op *op)
{
    store_rows(cpu, op);
    NEXT(cpu, op);
}

/* Op.dst += Op.src * Op.size */
static __attribute__((noinline)) void multiply(Cpu *cpu, const Op *op)
{
    uint8_t *config = config_of(cpu);
    unsigned rows, depth, columns;

    require_enabled(cpu, op);
    if (op->dst == op->src || op->dst == op->size || op->src == op->size) {
        vec_raise(cpu, op, VEC_UD);
    }
    require_tile(cpu, op, op->dst);
    require_tile(cpu, op, op->src);
    require_tile(cpu, op, op->size);
    rows = rows_of(config, op->dst);
    depth = rows_of(config, op->size);
    columns = columns_of(config, op->dst);
    if (rows_of(config, op->src) != rows || columns_of(config, op->src) != 4 * depth ||
        columns_of(config, op->size) != columns) {
        vec_raise(cpu, op, VEC_UD);
    }
    tile_require(cpu, op, XFEATURE_TILEDATA);
    cpu->tiles_written = true;
    tile_multiply((TileProduct)op->flags, tile_at(cpu, op->dst), tile_at(cpu, op->src),
                  tile_at(cpu, op->size), rows, depth, columns / 4);
    config[CONFIG_START_ROW] = 0;
}

static const Op *op_multiply(Cpu *cpu, const Op *op)
{
    multiply(cpu, op);
    NEXT(cpu, op);
}

/* ---- choosing ---- */

static const struct {
    ZydisMnemonic mnemonic;
    OpFn fn;
    TileProduct product;
} rows[] = {
    {ZYDIS_MNEMONIC_LDTILECFG, op_ldtilecfg, 0},
    {ZYDIS_MNEMONIC_STTILECFG, op_sttilecfg, 0},
    {ZYDIS_MNEMONIC_TILERELEASE, op_tilerelease, 0},
    {ZYDIS_MNEMONIC_TILEZERO, op_tilezero, 0},
    {ZYDIS_MNEMONIC_TILELOADD, op_tileload, 0},
    {ZYDIS_MNEMONIC_TILELOADDT1, op_tileload, 0},
    {ZYDIS_MNEMONIC_TILESTORED, op_tilestore, 0},
    {ZYDIS_MNEMONIC_TDPBSSD, op_multiply, TILE_SIGNED_SIGNED},
    {ZYDIS_MNEMONIC_TDPBSUD, op_multiply, TILE_SIGNED_UNSIGNED},
    {ZYDIS_MNEMONIC_TDPBUSD, op_multiply, TILE_UNSIGNED_SIGNED},
    {ZYDIS_MNEMONIC_TDPBUUD, op_multiply, TILE_UNSIGNED_UNSIGNED},
    {ZYDIS_MNEMONIC_TDPBF16PS, op_multiply, TILE_BF16},
};

bool vec_choose_tile(Cpu *cpu, const Decoded *d, Op *op)
{
    unsigned tiles[3] = {0}, n = 0;

    for (unsigned i = 0; i < d->insn.operand_count_visible && n < 3; i++) {
        if (vec_is_class(&d->operand[i], ZYDIS_REGCLASS_TMM)) {
            tiles[n++] = vec_reg(&d->operand[i]);
        }
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].mnemonic == d->insn.mnemonic) {
            op->dst = (uint8_t)tiles[0];
            op->src = (uint8_t)tiles[1];
            op->size = (uint8_t)tiles[2];
            op->flags = (uint8_t)rows[i].product;
            op->fn = rows[i].fn;
            return true;
        }
    }
    return false;
}

/*
 * TDPFP16PS: VEX.128.F2.0F38.W0 5C 11:rrr:bbb. Tiles 0 to 7 only, so that R, B and the top bit of
 * vvvv stand at 1.
 */
bool vec_choose_unknown(Cpu *cpu, const uint8_t *bytes, size_t n, Op *op)
{
    if (n < 5 || bytes[0] != 0xc4 || (bytes[1] & 0xbf) != 0xa2 || (bytes[2] & 0xc7) != 0x43 ||
        bytes[3] != 0x5c || bytes[4] < 0xc0 || !cpu->world->has_feature(cpu, F_AMX_FP16)) {
        return false;
    }
    op->len = 5;
    op->dst = bytes[4] >> 3 & 7;
    op->src = bytes[4] & 7;
    op->size = ~bytes[2] >> 3 & 7;
    op->flags = TILE_FP16;
    op->fn = op_multiply;
    return true;
}
