/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each instruction form on the host processor and in the executing core: registers, memory and
 * defined flags agree.
 *
 * SWTDX_TEST_CASES: encodings per shape and size of a form (default 12); SWTDX_TEST_FORM_CASES: at
 * least so many states in all per form (default: six per encoding); SWTDX_TEST_SEED: another seed.
 * Both processors see the same linear addresses: the data window is mapped at GUEST_DATA in this
 * process too.
 */
#include <glib.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <Zydis/Zydis.h>

#include "guest.h"
#include "swtdx/host/cpu/block.h"
#include "trap.h"

#define STATES 6         /* random states per encoding */
#define DATA_COMPARED 64 /* after so many states the data are compared: it is what costs most */

typedef struct State {
    uint64_t regs[16], flags;
} State;

/* In one mapping: code first, then this. */
typedef struct Cell {
    State in, out;
    uint64_t host_rsp;
} Cell;

static uint8_t *code_page;
static Cell *cell;
static uint8_t *native_data;
static uint64_t random_state;

static uint64_t rnd(void)
{
    uint64_t x = random_state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t random_value(void)
{
    static const uint64_t edges[] = {
        0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
        INT64_MAX, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 1, 0x0101010101010101,
    };
    uint64_t r = rnd();
    switch (r & 3) {
    case 0:
        return edges[(r >> 8) % G_N_ELEMENTS(edges)];
    case 1:
        return (r >> 8) & 0xff;
    default:
        return rnd();
    }
}

/* ---- native thunk ---- */

static uint8_t *emit_cell(uint8_t *p, uint8_t rex, uint8_t opcode, unsigned reg, const void *target)
{
    *p++ = rex | ((reg >> 3) << 2);
    *p++ = opcode;
    *p++ = 0x05 | (uint8_t)((reg & 7) << 3);
    int32_t disp = (int32_t)((const uint8_t *)target - (p + 4));
    memcpy(p, &disp, 4);
    return p + 4;
}

static void build_thunk(const uint8_t *snippet, size_t n)
{
    static const uint8_t saves[] = { 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57 };
    static const uint8_t restores[] = { 0xfc, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d,
                                        0x5b, 0xc3 };
    uint8_t *p = code_page;
    memcpy(p, saves, sizeof(saves));
    p += sizeof(saves);
    p = emit_cell(p, 0x48, 0x89, 4, &cell->host_rsp);
    p = emit_cell(p, 0x48, 0xff, 6, &cell->in.flags); /* push */
    *p++ = 0x9d;
    for (unsigned r = 0; r < 16; r++) {
        if (r != 4) {
            p = emit_cell(p, 0x48, 0x8b, r, &cell->in.regs[r]);
        }
    }
    p = emit_cell(p, 0x48, 0x8b, 4, &cell->in.regs[4]);
    memcpy(p, snippet, n);
    p += n;
    for (unsigned r = 0; r < 16; r++) {
        p = emit_cell(p, 0x48, 0x89, r, &cell->out.regs[r]);
    }
    p = emit_cell(p, 0x48, 0x8b, 4, &cell->host_rsp);
    *p++ = 0x9c;
    p = emit_cell(p, 0x48, 0x8f, 0, &cell->out.flags); /* pop */
    memcpy(p, restores, sizeof(restores));
}

/* 0, or the signal the host processor's exception became */
static int run_native(void)
{
    return trap_call((void (*)(void))(uintptr_t)code_page);
}

/* ---- forms ---- */

enum {
    CF = FLAG_CF, PF = FLAG_PF, AF = FLAG_AF, ZF = FLAG_ZF, SF = FLAG_SF, OF = FLAG_OF,
    SHIFT = 1 << 30, /* undefined flags depend on the count */
};

enum { R8 = 1, R16 = 2, R32 = 4, R64 = 8, ANY = 15, WIDE = 14, BIG = 12 };

typedef struct Form {
    ZydisMnemonic mnemonic;
    /*
     * operands: r register, m memory, i imm8, I imm16/32, c CL, b 8-bit register/memory, w 16-bit;
     * several by space
     */
    const char *shapes;
    unsigned sizes, undefined;
    ZydisInstructionAttributes prefixes;
} Form;

#define M(x) ZYDIS_MNEMONIC_##x
#define LOCK ZYDIS_ATTRIB_HAS_LOCK
#define CONDITIONS(X) \
    X(O) X(NO) X(B) X(NB) X(Z) X(NZ) X(BE) X(NBE) X(S) X(NS) X(P) X(NP) X(L) X(NL) X(LE) X(NLE)
#define SET(cc) { M(SET##cc), "b B", R8, 0, 0 },
#define CMOV(cc) { M(CMOV##cc), "rr rm", WIDE, 0, 0 },

static const Form forms[] = {
    { M(ADD), "rr rm mr ri mi rI mI", ANY, 0, 0 },
    { M(OR), "rr rm mr ri mi rI mI", ANY, AF, 0 },
    { M(ADC), "rr rm mr ri mi rI mI", ANY, 0, 0 },
    { M(SBB), "rr rm mr ri mi rI mI", ANY, 0, 0 },
    { M(AND), "rr rm mr ri mi rI mI", ANY, AF, 0 },
    { M(SUB), "rr rm mr ri mi rI mI", ANY, 0, 0 },
    { M(XOR), "rr rm mr ri mi rI mI", ANY, AF, 0 },
    { M(CMP), "rr rm mr ri mi rI mI", ANY, 0, 0 },
    { M(TEST), "rr mr ri mi rI mI", ANY, AF, 0 },
    { M(INC), "r m", ANY, 0, 0 },
    { M(DEC), "r m", ANY, 0, 0 },
    { M(NEG), "r m", ANY, 0, 0 },
    { M(NOT), "r m", ANY, 0, 0 },
    { M(ADD), "mr mi mI", ANY, 0, LOCK },
    { M(OR), "mr mi", ANY, AF, LOCK },
    { M(ADC), "mr mi", ANY, 0, LOCK },
    { M(SBB), "mr mi", ANY, 0, LOCK },
    { M(AND), "mr mi", ANY, AF, LOCK },
    { M(SUB), "mr mi", ANY, 0, LOCK },
    { M(XOR), "mr mi", ANY, AF, LOCK },
    { M(INC), "m", ANY, 0, LOCK },
    { M(DEC), "m", ANY, 0, LOCK },
    { M(NEG), "m", ANY, 0, LOCK },
    { M(NOT), "m", ANY, 0, LOCK },
    { M(MOV), "rr rm mr ri mi rI mI", ANY, 0, 0 },
    { M(MOVZX), "rb rB", WIDE, 0, 0 },
    { M(MOVZX), "rw rW", BIG, 0, 0 },
    { M(MOVSX), "rb rB", WIDE, 0, 0 },
    { M(MOVSX), "rw rW", BIG, 0, 0 },
    { M(MOVSXD), "rd rD", R64, 0, 0 },
    { M(LEA), "rm", WIDE, 0, 0 },
    { M(XCHG), "rr mr", ANY, 0, 0 },
    { M(XADD), "rr mr", ANY, 0, 0 },
    { M(XADD), "mr", ANY, 0, LOCK },
    { M(CMPXCHG), "rr mr", ANY, 0, 0 },
    { M(CMPXCHG), "mr", ANY, 0, LOCK },
    { M(CMPXCHG8B), "M", R64, 0, LOCK },
    { M(CMPXCHG16B), "X", R64, 0, LOCK },
    { M(MOVBE), "rm mr", WIDE, 0, 0 },
    { M(BSWAP), "r", BIG, 0, 0 },
    { M(SHL), "rc mc ri mi", ANY, SHIFT | AF, 0 },
    { M(SHR), "rc mc ri mi", ANY, SHIFT | AF, 0 },
    { M(SAR), "rc mc ri mi", ANY, SHIFT | AF, 0 },
    { M(ROL), "rc mc ri mi", ANY, SHIFT, 0 },
    { M(ROR), "rc mc ri mi", ANY, SHIFT, 0 },
    { M(RCL), "rc mc ri mi", ANY, SHIFT, 0 },
    { M(RCR), "rc mc ri mi", ANY, SHIFT, 0 },
    { M(SHLD), "rrc mrc rri mri", BIG, SHIFT | AF, 0 },
    { M(SHRD), "rrc mrc rri mri", BIG, SHIFT | AF, 0 },
    { M(MUL), "r m", ANY, SF | ZF | AF | PF, 0 },
    { M(IMUL), "r m", ANY, SF | ZF | AF | PF, 0 },
    { M(IMUL), "rr rm rri rmi rrI rmI", WIDE, SF | ZF | AF | PF, 0 },
    { M(DIV), "r m", ANY, CF | OF | SF | ZF | AF | PF, 0 },
    { M(IDIV), "r m", ANY, CF | OF | SF | ZF | AF | PF, 0 },
    { M(BT), "rr ri mr mi", WIDE, OF | SF | AF | PF, 0 },
    { M(BTS), "rr ri mr mi", WIDE, OF | SF | AF | PF, 0 },
    { M(BTR), "rr ri mr mi", WIDE, OF | SF | AF | PF, 0 },
    { M(BTC), "rr ri mr mi", WIDE, OF | SF | AF | PF, 0 },
    { M(BTS), "mr mi", WIDE, OF | SF | AF | PF, LOCK },
    { M(BTR), "mr mi", WIDE, OF | SF | AF | PF, LOCK },
    { M(BTC), "mr mi", WIDE, OF | SF | AF | PF, LOCK },
    { M(BSF), "rr rm", WIDE, CF | OF | SF | AF | PF, 0 },
    { M(BSR), "rr rm", WIDE, CF | OF | SF | AF | PF, 0 },
    { M(TZCNT), "rr rm", WIDE, OF | SF | AF | PF, 0 },
    { M(LZCNT), "rr rm", WIDE, OF | SF | AF | PF, 0 },
    { M(POPCNT), "rr rm", WIDE, 0, 0 },
    { M(CRC32), "rb rB", BIG, 0, 0 },
    { M(CRC32), "rw rW rd rD", R32, 0, 0 },
    { M(CRC32), "rr rm", R64, 0, 0 },
    { M(ANDN), "rrr rrm", BIG, AF | PF, 0 },
    { M(BEXTR), "rrr rmr", BIG, AF | SF | PF, 0 },
    { M(BZHI), "rrr rmr", BIG, AF | PF, 0 },
    { M(BLSI), "rr rm", BIG, AF | PF, 0 },
    { M(BLSR), "rr rm", BIG, AF | PF, 0 },
    { M(BLSMSK), "rr rm", BIG, AF | PF, 0 },
    { M(SARX), "rrr rmr", BIG, 0, 0 },
    { M(SHLX), "rrr rmr", BIG, 0, 0 },
    { M(SHRX), "rrr rmr", BIG, 0, 0 },
    { M(RORX), "rri rmi", BIG, 0, 0 },
    { M(PDEP), "rrr rrm", BIG, 0, 0 },
    { M(PEXT), "rrr rrm", BIG, 0, 0 },
    { M(MULX), "rrr rrm", BIG, 0, 0 },
    { M(ADCX), "rr rm", BIG, 0, 0 },
    { M(ADOX), "rr rm", BIG, 0, 0 },
    { M(PUSH), "r m I", R64, 0, 0 },
    { M(POP), "r m", R64, 0, 0 },
    { M(PUSH), "r m", R16, 0, 0 },
    { M(POP), "r m", R16, 0, 0 },
    { M(PUSHFQ), "-", R64, 0, 0 },
    { M(LEAVE), "-", R64, 0, 0 },
    { M(CBW), "-", R64, 0, 0 }, { M(CWDE), "-", R64, 0, 0 }, { M(CDQE), "-", R64, 0, 0 },
    { M(CWD), "-", R64, 0, 0 }, { M(CDQ), "-", R64, 0, 0 }, { M(CQO), "-", R64, 0, 0 },
    { M(CLC), "-", R64, 0, 0 }, { M(STC), "-", R64, 0, 0 }, { M(CMC), "-", R64, 0, 0 },
    { M(CLD), "-", R64, 0, 0 }, { M(STD), "-", R64, 0, 0 },
    { M(LAHF), "-", R64, 0, 0 }, { M(SAHF), "-", R64, 0, 0 },
    { M(MOVSB), "-", R8, 0, 0 }, { M(MOVSQ), "-", R64, 0, 0 },
    { M(STOSB), "-", R8, 0, 0 }, { M(STOSW), "-", R16, 0, 0 }, { M(LODSB), "-", R8, 0, 0 },
    { M(LODSD), "-", R32, 0, 0 },
    { M(CMPSB), "-", R8, 0, 0 }, { M(SCASQ), "-", R64, 0, 0 },
    { M(MOVSB), "-", R8, 0, ZYDIS_ATTRIB_HAS_REP }, { M(MOVSW), "-", R16, 0, ZYDIS_ATTRIB_HAS_REP },
    { M(MOVSD), "-", R32, 0, ZYDIS_ATTRIB_HAS_REP },
    { M(MOVSQ), "-", R64, 0, ZYDIS_ATTRIB_HAS_REP },
    { M(STOSB), "-", R8, 0, ZYDIS_ATTRIB_HAS_REP }, { M(STOSW), "-", R16, 0, ZYDIS_ATTRIB_HAS_REP },
    { M(STOSD), "-", R32, 0, ZYDIS_ATTRIB_HAS_REP },
    { M(STOSQ), "-", R64, 0, ZYDIS_ATTRIB_HAS_REP },
    { M(LODSB), "-", R8, 0, ZYDIS_ATTRIB_HAS_REP },
    { M(CMPSB), "-", R8, 0, ZYDIS_ATTRIB_HAS_REPE },
    { M(CMPSD), "-", R32, 0, ZYDIS_ATTRIB_HAS_REPNE },
    { M(SCASB), "-", R8, 0, ZYDIS_ATTRIB_HAS_REPE },
    { M(SCASB), "-", R8, 0, ZYDIS_ATTRIB_HAS_REPNE },
    CONDITIONS(SET) CONDITIONS(CMOV)
};

static ZydisRegister register_of(unsigned bytes, unsigned number)
{
    static const ZydisRegister high[] = { ZYDIS_REGISTER_AH, ZYDIS_REGISTER_CH, ZYDIS_REGISTER_DH,
                                          ZYDIS_REGISTER_BH };
    switch (bytes) {
    case 1:
        return number < 4     ? (ZydisRegister)(ZYDIS_REGISTER_AL + number)
               : number >= 16 ? high[number - 16]
                              : (ZydisRegister)(ZYDIS_REGISTER_SPL + number - 4);
    case 2:
        return (ZydisRegister)(ZYDIS_REGISTER_AX + number);
    case 4:
        return (ZydisRegister)(ZYDIS_REGISTER_EAX + number);
    default:
        return (ZydisRegister)(ZYDIS_REGISTER_RAX + number);
    }
}

typedef struct Case {
    uint8_t bytes[32];
    size_t n;
    int base, index;     /* registers of the address, or -1 */
    int64_t disp;
    unsigned scale, align;
    int bounded;         /* register that holds a bit index, or -1 */
    unsigned undefined;
    unsigned size;
    int immediate;       /* count of a shift, or -1 */
    bool address_only;
    ZydisMnemonic mnemonic;
} Case;

static void memory_operand(Case *c, ZydisEncoderOperand *o, unsigned bytes)
{
    o->type = ZYDIS_OPERAND_TYPE_MEMORY;
    c->base = (int)(rnd() % 16);
    c->scale = 1u << (rnd() & 3);
    c->disp = (int64_t)(rnd() % 3) * (int64_t)(rnd() % 1000) - 200;
    o->mem.base = register_of(8, (unsigned)c->base);
    c->index = (int)(rnd() % 16);
    if (rnd() & 1 || c->index == 4 || c->index == c->base) {
        c->index = -1;
        o->mem.index = ZYDIS_REGISTER_NONE;
        o->mem.scale = 0;
    } else {
        o->mem.index = register_of(8, (unsigned)c->index);
        o->mem.scale = (uint8_t)c->scale;
    }
    o->mem.displacement = c->disp;
    o->mem.size = (uint16_t)bytes;
}

static void operand(Case *c, ZydisEncoderOperand *o, char kind, unsigned bytes)
{
    memset(o, 0, sizeof(*o));
    switch (kind) {
    case 'b': case 'w': case 'd': case 'r':
        bytes = kind == 'b' ? 1 : kind == 'w' ? 2 : kind == 'd' ? 4 : bytes;
        o->type = ZYDIS_OPERAND_TYPE_REGISTER;
        o->reg.value = register_of(bytes, (unsigned)(rnd() % (bytes == 1 ? 20 : 16)));
        break;
    case 'B': case 'W': case 'D': case 'm': case 'M': case 'X':
        memory_operand(c, o,
                       kind == 'B'   ? 1
                       : kind == 'W' ? 2
                       : kind == 'D' ? 4
                       : kind == 'M' ? 8
                       : kind == 'X' ? 16
                                     : bytes);
        c->align = kind == 'X' ? 16 : 1;
        break;
    case 'c':
        o->type = ZYDIS_OPERAND_TYPE_REGISTER;
        o->reg.value = ZYDIS_REGISTER_CL;
        break;
    case 'i':
        o->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
        o->imm.s = (int8_t)rnd();
        if (c->undefined & SHIFT || c->mnemonic == M(RORX) ||
            (c->mnemonic >= M(BT) && c->mnemonic <= M(BTS))) {
            o->imm.u &= 0xff;
            c->immediate = (int)o->imm.u;
        }
        break;
    default:
        o->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
        o->imm.s = bytes == 1 ? (int8_t)rnd() : bytes == 2 ? (int16_t)rnd() : (int32_t)rnd();
        break;
    }
}

/* false: no such encoding (AH with REX, ...) */
static bool make_case(const Form *f, const char *shape, size_t operands, unsigned bytes, Case *c)
{
    ZydisEncoderRequest r = { .machine_mode = ZYDIS_MACHINE_MODE_LONG_64, .mnemonic = f->mnemonic,
                              .prefixes = f->prefixes };
    *c = (Case){ .base = -1, .index = -1, .bounded = -1, .align = 1, .immediate = -1,
                 .undefined = f->undefined,
                 .size = bytes, .mnemonic = f->mnemonic, .address_only = f->mnemonic == M(LEA) };
    for (size_t i = 0; i < operands && shape[0] != '-'; i++) {
        operand(c, &r.operands[i], shape[i], bytes);
        r.operand_count++;
    }
    bool bits = f->mnemonic == M(BT) || f->mnemonic == M(BTS) || f->mnemonic == M(BTR) ||
                f->mnemonic == M(BTC);
    if (bits && shape[0] == 'm' && shape[1] == 'r') {
        c->bounded = ZydisRegisterGetId(r.operands[1].reg.value);
        if (c->bounded == c->base || c->bounded == c->index) {
            return false;
        }
    }
    c->n = sizeof(c->bytes);
    return ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&r, c->bytes, &c->n));
}

static void random_regs(const Case *c, State *s)
{
    for (unsigned i = 0; i < 16; i++) {
        s->regs[i] = random_value();
    }
    s->flags = 2 | (rnd() & (FLAG_ARITH | FLAG_DF)) | FLAG_IF;
    s->regs[4] = GUEST_DATA + 0x8000 + (rnd() % 64) * 8;
    bool string = c->n <= 3 && c->base < 0;
    if (string || c->mnemonic == M(LEAVE)) {
        s->regs[5] = GUEST_DATA + 0x7000 + rnd() % 512;
        s->regs[6] = GUEST_DATA + 0x4000 - 256 + rnd() % 512;
        s->regs[7] = GUEST_DATA + 0x4000 - 256 + rnd() % 512;
        s->regs[1] = rnd() % 48;
    }
    if (c->index >= 0) {
        s->regs[c->index] = rnd() % 300;
    }
    if (c->bounded >= 0) {
        s->regs[c->bounded] = (s->regs[c->bounded] & 0) +
                              (uint64_t)((int64_t)(rnd() % 8000) - 4000);
        if (c->bounded == 4) {
            s->regs[4] = 100;
        }
    }
    if (c->base >= 0 && !c->address_only) {
        uint64_t at = GUEST_DATA + 0x4000 - 512 + rnd() % 1024;
        at -= at % c->align;
        s->regs[c->base] = at - (uint64_t)c->disp -
                           (c->index >= 0 ? s->regs[c->index] * c->scale : 0);
    }
}

static unsigned undefined_flags(const Case *c, const State *in)
{
    unsigned undefined = c->undefined & ~(unsigned)SHIFT;
    if (c->undefined & SHIFT) {
        unsigned n = (unsigned)(c->immediate >= 0 ? (uint64_t)c->immediate : in->regs[1]) &
                     (c->size == 8 ? 63 : 31);
        if (n == 0) {
            return 0;
        }
        undefined |= n != 1 ? OF : 0;
        undefined |= n >= c->size * 8 ? CF : 0;
        bool rotate = c->mnemonic == M(ROL) || c->mnemonic == M(ROR);
        undefined &= rotate ? ~(unsigned)CF : ~0u;
    }
    return undefined;
}

static char *describe(const Case *c)
{
    GString *s = g_string_new(ZydisMnemonicGetString(c->mnemonic));
    for (size_t i = 0; i < c->n; i++) {
        g_string_append_printf(s, " %02x", c->bytes[i]);
    }
    return g_string_free(s, FALSE);
}

/* with_data: the memory is compared too; what differs there stays different until it is. */
static bool run_state(Guest *g, const Case *c, bool with_data)
{
    random_regs(c, &cell->in);
    State in = cell->in;
    memcpy(g->cpu->regs, in.regs, sizeof(in.regs));
    cpu_set_rflags(g->cpu, in.flags);
    int trapped = run_native();
    bool halted = guest_run(g, GUEST_CODE);
    if (trapped != 0 || !halted) {
        if ((trapped != 0) != !halted) {
            g_autofree char *what = describe(c);
            g_test_message("%s: signal %d on the host, %s in the core", what, trapped,
                           halted ? "no fault" : "exit");
            return false;
        }
        memcpy(g->data, native_data, GUEST_DATA_SIZE);
        return true;
    }
    uint64_t mask = (FLAG_ARITH | FLAG_DF) & ~(uint64_t)undefined_flags(c, &in);
    uint64_t flags = cpu_rflags(g->cpu);
    bool same = ((flags ^ cell->out.flags) & mask) == 0 &&
                memcmp(g->cpu->regs, cell->out.regs, sizeof(cell->out.regs)) == 0 &&
                (!with_data || memcmp(g->data, native_data, GUEST_DATA_SIZE) == 0);
    if (!same) {
        g_autofree char *what = describe(c);
        g_test_message("%s: flags in %03" PRIx64 " host %03" PRIx64 " core %03" PRIx64
                       " mask %03" PRIx64,
                       what, in.flags & 0xfff, cell->out.flags & 0xfff, flags & 0xfff, mask);
        for (unsigned i = 0; i < 16; i++) {
            if (g->cpu->regs[i] != cell->out.regs[i] || in.regs[i] != cell->out.regs[i]) {
                g_test_message("  r%u: in %" PRIx64 " host %" PRIx64 " core %" PRIx64, i,
                               in.regs[i], cell->out.regs[i], g->cpu->regs[i]);
            }
        }
        memcpy(g->data, native_data, GUEST_DATA_SIZE);
    }
    return same;
}

static void load_snippet(Guest *g, const uint8_t *bytes, size_t n)
{
    block_flush(g->cpu);
    memcpy(g->low + GUEST_CODE, bytes, n);
    g->low[GUEST_CODE + n] = 0xf4;
    build_thunk(bytes, n);
}

static bool run_case(Guest *g, const Case *c, unsigned states)
{
    load_snippet(g, c->bytes, c->n);
    for (unsigned i = 0; i < states; i++) {
        if (!run_state(g, c, states == STATES || i % DATA_COMPARED == 0 || i + 1 == states)) {
            return false;
        }
    }
    return true;
}

static unsigned number_from(const char *variable, unsigned otherwise)
{
    const char *text = g_getenv(variable);
    return text != NULL ? (unsigned)strtoul(text, NULL, 0) : otherwise;
}

static unsigned cases_wanted(void)
{
    return number_from("SWTDX_TEST_CASES", 12);
}

/* States per encoding, so that a form of so many shapes has SWTDX_TEST_FORM_CASES at least. */
static unsigned states_wanted(const Form *f, unsigned num_shapes)
{
    unsigned encodings = num_shapes * (unsigned)__builtin_popcount(f->sizes & 15) * cases_wanted();
    return MAX(STATES, number_from("SWTDX_TEST_FORM_CASES", 0) / MAX(encodings, 1) + 1);
}

static void test_form(gconstpointer data)
{
    const Form *f = data;
    Guest g;
    guest_init(&g);
    memcpy(g.data, native_data, GUEST_DATA_SIZE);
    g_auto(GStrv) shapes = g_strsplit(f->shapes, " ", -1);
    unsigned bad = 0, made = 0, states = states_wanted(f, g_strv_length(shapes));
    for (unsigned k = 0; shapes[k] != NULL; k++) {
        for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
            for (unsigned i = 0; (f->sizes & bytes) && i < cases_wanted() && bad < 3; i++) {
                Case c;
                if (make_case(f, shapes[k], strlen(shapes[k]), bytes, &c)) {
                    made++;
                    bad += !run_case(&g, &c, states);
                }
            }
        }
    }
    guest_fini(&g);
    g_test_message("%u encodings, %u states of each", made, states);
    g_assert_cmpuint(bad, ==, 0);
    g_assert_cmpuint(made, >, 0);
}

/* A comparison and a conditional jump over LEA R15, [R15 + 1]: fused, and apart by a NOP. */
static void test_jumps(gconstpointer data)
{
    bool apart = GPOINTER_TO_INT(data);
    Guest g;
    guest_init(&g);
    memcpy(g.data, native_data, GUEST_DATA_SIZE);
    static const Form compares[] = {
        { M(CMP), "rr rm mr rI mI", ANY, 0, 0 }, { M(TEST), "rr mr rI mI", ANY, AF, 0 },
        { M(ADD), "rr", ANY, 0, 0 },
        { M(INC), "r", ANY, 0, 0 }, { M(ADC), "rr", ANY, 0, 0 }, { M(SBB), "rI", ANY, 0, 0 },
        { M(DEC), "m", ANY, 0, 0 },
        { M(NEG), "r", ANY, 0, 0 },
    };
    unsigned bad = 0;
    for (unsigned k = 0; k < G_N_ELEMENTS(compares); k++) {
        g_auto(GStrv) shapes = g_strsplit(compares[k].shapes, " ", -1);
        for (unsigned n = 0; shapes[n] != NULL; n++) {
            for (unsigned i = 0; i < 64 * cases_wanted() / 12 && bad < 3; i++) {
                static const uint8_t lea[] = { 0x4d, 0x8d, 0x7f, 0x01 };
                Case c;
                if (!make_case(&compares[k], shapes[n], strlen(shapes[n]), 1u << ((i >> 4) & 3),
                               &c)) {
                    continue;
                }
                if (apart) {
                    c.bytes[c.n++] = 0x90;
                }
                c.bytes[c.n++] = 0x70 + (i & 15);
                c.bytes[c.n++] = sizeof(lea);
                memcpy(c.bytes + c.n, lea, sizeof(lea));
                c.n += sizeof(lea);
                bad += !run_case(&g, &c, STATES);
            }
        }
    }
    guest_fini(&g);
    g_assert_cmpuint(bad, ==, 0);
}

static bool host_has(ZydisMnemonic m)
{
    switch (m) {
    case M(ANDN): case M(BEXTR): case M(BLSI): case M(BLSR): case M(BLSMSK): case M(TZCNT):
        return __builtin_cpu_supports("bmi");
    case M(BZHI):
    case M(SARX):
    case M(SHLX):
    case M(SHRX):
    case M(RORX):
    case M(PDEP):
    case M(PEXT):
    case M(MULX):
        return __builtin_cpu_supports("bmi2");
    case M(ADCX): case M(ADOX): case M(MOVBE): case M(LZCNT):
        return __builtin_cpu_supports("bmi2"); /* of the same generations */
    case M(CRC32):
        return __builtin_cpu_supports("sse4.2");
    default:
        return true;
    }
}

/* ---- sequences ---- */

/*
 * Several instructions in a row, some of them jumped over, three times round: what one leaves in
 * registers and flags the next finds. Memory operands are at RBX and R9, which nothing changes; R14
 * counts the rounds.
 */
#define SEQUENCE_BYTES 400

typedef struct Sequence {
    uint8_t bytes[SEQUENCE_BYTES];
    size_t n;
} Sequence;

static const Form sequence_forms[] = {
    { M(ADD), "rr rm mr ri mi rI mI", ANY, 0, 0 },  { M(ADC), "rr rm mr ri mi rI mI", ANY, 0, 0 },
    { M(SBB), "rr rm mr ri mi rI mI", ANY, 0, 0 },  { M(SUB), "rr rm mr ri mi rI mI", ANY, 0, 0 },
    { M(AND), "rr rm mr ri mi rI mI", ANY, AF, 0 }, { M(OR), "rr rm mr ri mi rI mI", ANY, AF, 0 },
    { M(XOR), "rr rm mr ri mi rI mI", ANY, AF, 0 }, { M(CMP), "rr rm mr ri mi rI mI", ANY, 0, 0 },
    { M(TEST), "rr mr ri mi rI mI", ANY, AF, 0 },   { M(INC), "r m", ANY, 0, 0 },
    { M(DEC), "r m", ANY, 0, 0 },                   { M(NEG), "r m", ANY, 0, 0 },
    { M(NOT), "r m", ANY, 0, 0 },                   { M(MOV), "rr rm mr ri mi rI mI", ANY, 0, 0 },
    { M(MOVZX), "rb rB", WIDE, 0, 0 },              { M(MOVZX), "rw rW", BIG, 0, 0 },
    { M(MOVSX), "rb rB", WIDE, 0, 0 },              { M(MOVSX), "rw rW", BIG, 0, 0 },
    { M(MOVSXD), "rd rD", R64, 0, 0 },              { M(LEA), "rm", BIG, 0, 0 },
    { M(XCHG), "rr", ANY, 0, 0 },                   { M(BSWAP), "r", BIG, 0, 0 },
    { M(SHL), "rc mc ri mi", ANY, SHIFT | AF, 0 },  { M(SHR), "rc mc ri mi", ANY, SHIFT | AF, 0 },
    { M(SAR), "rc mc ri mi", ANY, SHIFT | AF, 0 },  { M(ROL), "rc ri", ANY, SHIFT, 0 },
    { M(ROR), "rc ri", ANY, SHIFT, 0 },             { M(IMUL), "rr rm rri rmI", WIDE, SHIFT | AF,
                                                      0 },
    { M(MUL), "r m", BIG, SHIFT | AF, 0 },          { M(IMUL), "r m", BIG, SHIFT | AF, 0 },
    { M(BZHI), "rrr rmr", BIG, SHIFT | AF, 0 },     { M(RORX), "rri rmi", BIG, 0, 0 },
    { M(SHLX), "rrr rmr", BIG, 0, 0 },              { M(SARX), "rrr rmr", BIG, 0, 0 },
    { M(BSF), "rr rm", WIDE, SHIFT | AF, 0 },       { M(POPCNT), "rr rm", WIDE, 0, 0 },
    { M(CDQE), "-", R64, 0, 0 }, { M(CDQ), "-", R64, 0, 0 }, { M(CQO), "-", R64, 0, 0 },
    { M(CWDE), "-", R64, 0, 0 },
    { M(STC), "-", R64, 0, 0 },  { M(CMC), "-", R64, 0, 0 },
    CONDITIONS(SET) CONDITIONS(CMOV)
};

/* One instruction that keeps to the rules above; false: try again. */
static bool sequence_case(Case *c)
{
    const Form *f = &sequence_forms[rnd() % G_N_ELEMENTS(sequence_forms)];
    g_auto(GStrv) shapes = g_strsplit(f->shapes, " ", -1);
    const char *shape = shapes[rnd() % g_strv_length(shapes)];
    unsigned bytes = 1u << (rnd() & 3);
    if (!host_has(f->mnemonic) || !(f->sizes & bytes) ||
        !make_case(f, shape, strlen(shape), bytes, c) || c->index >= 0 ||
        (c->base >= 0 && c->base != 3 && c->base != 9)) {
        return false;
    }
    ZydisDecoder decoder;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, c->bytes, c->n, &insn, o))) {
        return false;
    }
    for (unsigned i = 0; i < insn.operand_count_visible; i++) {
        ZydisRegister whole = o[i].type == ZYDIS_OPERAND_TYPE_REGISTER
                                  ? ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64,
                                                                     o[i].reg.value)
                                  : ZYDIS_REGISTER_NONE;
        if (whole == ZYDIS_REGISTER_RSP || whole == ZYDIS_REGISTER_RBX ||
            whole == ZYDIS_REGISTER_R9 || whole == ZYDIS_REGISTER_R14) {
            return false;
        }
    }
    return true;
}

static void sequence_add(Sequence *s, const void *bytes, size_t n)
{
    memcpy(s->bytes + s->n, bytes, n);
    s->n += n;
}

static void make_sequence(Sequence *s)
{
    static const uint8_t define_flags[] = { 0x85, 0xc0 },
    round[] = { 0x49, 0xff, 0xce, 0x0f, 0x85 };
    unsigned want = 1 + (unsigned)(rnd() % 14);
    s->n = 0;
    while (want != 0) {
        Case c;
        if (!sequence_case(&c)) {
            continue;
        }
        bool undefined = c.undefined & SHIFT;
        if ((rnd() & 7) == 0) {
            uint8_t jump[] = { 0x70 | (rnd() & 15),
                               (uint8_t)(c.n + (undefined ? sizeof(define_flags) : 0)) };
            sequence_add(s, jump, sizeof(jump));
        }
        sequence_add(s, c.bytes, c.n);
        if (undefined) {
            sequence_add(s, define_flags, sizeof(define_flags));
        }
        want--;
    }
    int32_t back = -(int32_t)(s->n + sizeof(round) + sizeof(back));
    sequence_add(s, round, sizeof(round)); /* dec r14; jnz */
    sequence_add(s, &back, sizeof(back));
}

static bool run_sequence(Guest *g, const Sequence *s)
{
    for (unsigned i = 0; i < 16; i++) {
        cell->in.regs[i] = random_value();
    }
    cell->in.flags = 2 | (rnd() & FLAG_ARITH) | FLAG_IF;
    cell->in.regs[3] = GUEST_DATA + 0x4000 + rnd() % 64;
    cell->in.regs[9] = GUEST_DATA + 0x6000 + rnd() % 64;
    cell->in.regs[4] = GUEST_DATA + 0x8000;
    cell->in.regs[14] = 3;
    memcpy(g->cpu->regs, cell->in.regs, sizeof(cell->in.regs));
    cpu_set_rflags(g->cpu, cell->in.flags);
    g_assert_cmpint(run_native(), ==, 0);
    g_assert_true(guest_run(g, GUEST_CODE));
    uint64_t flags = cpu_rflags(g->cpu), mask = FLAG_ARITH & ~(uint64_t)FLAG_AF;
    bool same = ((flags ^ cell->out.flags) & mask) == 0 &&
                memcmp(g->data, native_data, GUEST_DATA_SIZE) == 0 &&
                memcmp(g->cpu->regs, cell->out.regs, sizeof(cell->out.regs)) == 0;
    if (!same) {
        g_autoptr(GString) text = g_string_new(NULL);
        for (size_t i = 0; i < s->n; i++) {
            g_string_append_printf(text, " %02x", s->bytes[i]);
        }
        g_test_message("%s: flags host %03" PRIx64 " core %03" PRIx64, text->str,
                       cell->out.flags & mask, flags & mask);
        for (unsigned i = 0; i < 16; i++) {
            if (g->cpu->regs[i] != cell->out.regs[i]) {
                g_test_message("  r%u: in %" PRIx64 " host %" PRIx64 " core %" PRIx64, i,
                               cell->in.regs[i], cell->out.regs[i], g->cpu->regs[i]);
            }
        }
        memcpy(g->data, native_data, GUEST_DATA_SIZE);
    }
    return same;
}

static void test_sequences(void)
{
    Guest g;
    guest_init(&g);
    memcpy(g.data, native_data, GUEST_DATA_SIZE);
    unsigned bad = 0;
    for (unsigned i = 0; i < 250 * cases_wanted() && bad < 3; i++) {
        Sequence s;
        make_sequence(&s);
        load_snippet(&g, s.bytes, s.n);
        for (unsigned k = 0; k < STATES && bad < 3; k++) {
            bad += !run_sequence(&g, &s);
        }
    }
    guest_fini(&g);
    g_assert_cmpuint(bad, ==, 0);
}

static void set_up(void)
{
    trap_set_up();
    code_page = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0);
    g_assert_true(code_page != MAP_FAILED);
    cell = (Cell *)(void *)(code_page + 4096);
    native_data = mmap((void *)(uintptr_t)GUEST_DATA, GUEST_DATA_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    g_assert_true(native_data == (void *)(uintptr_t)GUEST_DATA);
    const char *seed = g_getenv("SWTDX_TEST_SEED");
    random_state = seed != NULL ? strtoull(seed, NULL, 0) : 0x5eed;
    g_test_message("SWTDX_TEST_SEED=0x%" PRIx64, random_state);
    for (size_t i = 0; i < GUEST_DATA_SIZE; i += 8) {
        uint64_t v = random_value();
        memcpy(native_data + i, &v, 8);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    set_up();
    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        if (host_has(forms[i].mnemonic)) {
            g_autofree char *path = g_strdup_printf("/cpu-integer/native/%s-%u",
                                                    ZydisMnemonicGetString(forms[i].mnemonic), i);
            g_test_add_data_func(path, &forms[i], test_form);
        }
    }
    g_test_add_data_func("/cpu-integer/native/jumps-fused", GINT_TO_POINTER(0), test_jumps);
    g_test_add_data_func("/cpu-integer/native/jumps-apart", GINT_TO_POINTER(1), test_jumps);
    g_test_add_func("/cpu-integer/native/sequences", test_sequences);
    return g_test_run();
}
