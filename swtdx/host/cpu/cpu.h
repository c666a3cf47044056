/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The executing core: one virtual processor of a TD.
 *
 * Layer: lowest of swtdx/host. It knows x86, not TDX: what a TDX module or a
 * KVM decides about an instruction or a page is asked through CpuWorld.
 *
 * How it runs: guest code is decoded (decode.c) into blocks (block.c) of Op.
 * Each Op has a handler; a handler ends with NEXT (go on with the following
 * Op) or with one of the block exits of block.h. In optimised builds NEXT is a
 * tail call, so handlers chain by jumps; in sanitizer builds it returns to a loop.
 * Blocks that are entered often become host code, which stands in for the handler
 * of their first Op (jit.h).
 *
 * Faults: a handler writes guest state only after its last access that can
 * fault. cpu_raise() and cpu_leave() do not return: they jump back into
 * cpu_run(). Never hold a lock, or memory only you can free, across a call
 * that may raise.
 *
 * Threads: a Cpu belongs to the thread in cpu_run(). Other threads use only
 * the functions marked "any thread".
 */
#ifndef SWTDX_CPU_H
#define SWTDX_CPU_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

typedef struct Cpu Cpu;
typedef struct Op Op;
typedef struct Block Block;
typedef struct CpuGroup CpuGroup;
typedef const Op *(*OpFn)(Cpu *cpu, const Op *op);

/* Index into Cpu.regs. The first 16 are the general registers in x86 encoding order. */
enum {
    GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
    GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
    GPR_ZERO, /* always 0: stands for "no base", "no index" */
    /* RIP of the first byte of the page that the block lies in: base of RIP-relative operands */
    GPR_PAGE,
    GPR_COUNT
};

enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT };

/*
 * One decoded instruction (or a fused pair). Register operands are byte offsets into Cpu.regs, so
 * AH is GPR_RAX * 8 + 1.
 */
struct Op {
    OpFn fn;
    uint8_t dst, src;     /* byte offsets of registers */
    uint8_t base, index;  /* byte offsets of address registers */
    uint8_t shift;        /* log2 of the index scale */
    uint8_t seg;          /* SEG_* of the memory operand */
    uint8_t len;          /* bytes of the instruction */
    uint8_t size;         /* operand size in bytes, where the handler does not imply it */
    int64_t disp;         /* displacement; for RIP-relative operands already relative to GPR_PAGE */
    uint64_t imm;
    union {
        uint64_t aux;
        void *ptr;        /* thunk, chained block, ... (owner: the family's file) */
    };
    uint16_t off;         /* offset of the instruction in its page */
    uint8_t addr_size;    /* 2, 4 or 8: the effective address is truncated to this */
    uint8_t flags;        /* family-private */
    uint16_t mnemonic;    /* ZydisMnemonic, for diagnosis */
    uint8_t jit;          /* JIT_*: template of host code (jit.h) */
    uint8_t form;         /* FORM_*, where the template wants it (int.h) */
};

typedef struct Segment {
    uint16_t selector;
    /* VMCS format: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16 */
    uint32_t access;
    uint32_t limit;  /* in bytes, after granularity */
    uint64_t base;
} Segment;

#define SEG_ACCESS_L (1u << 13)
#define SEG_ACCESS_DB (1u << 14)
#define SEG_ACCESS_UNUSABLE (1u << 16)

typedef struct DescriptorTable {
    uint64_t base;
    uint16_t limit;
} DescriptorTable;

/* Lazily kept OF SF ZF AF PF CF: flags.h */
typedef struct LazyFlags {
    uint64_t res, a, b;
    uint32_t kind; /* CC_NONE: the six flags stand in Cpu.rflags */
} LazyFlags;

/*
 * Soft TLB: linear page -> host address, one array per kind of data access
 * (TLB_*), direct mapped. A tag is the linear page address, or TLB_INVALID.
 * `write` is never valid for a page that holds decoded code.
 */
#define TLB_ENTRIES 2048
#define TLB_INVALID UINT64_C(1)
enum {
    TLB_SUPERVISOR, TLB_SUPERVISOR_AC, TLB_USER, TLB_CACHED,
    TLB_USER_AC = TLB_CACHED,
    /* alignment is checked: no entry is ever valid, so that each access comes to mmu.c */
    TLB_KINDS
};

typedef struct TlbEntry {
    uint64_t read;
    uint64_t write;
    uintptr_t addend; /* host address = linear + addend */
    uint64_t gpa;     /* guest physical page, shared bit included */
} TlbEntry;

#define TLB_GUESSES 4096u

/*
 * Where shadow-stack accesses went: a soft TLB of their own. An entry is valid while
 * Cpu.linear_epoch is its (shadow-stack.c).
 */
#define SHADOW_PAGES 16u
typedef struct ShadowPage {
    uint64_t page;  /* linear */
    uint8_t *host;
    uint64_t epoch;
    bool user, writable;
} ShadowPage;

/* Bits of Cpu.pending: looked at at each block exit. */
enum {
    CPU_PENDING_EXIT = 1u << 0,      /* leave cpu_run() with CPU_EXIT_KICKED */
    CPU_PENDING_INTERRUPT = 1u << 1, /* ask world->interrupt_accept() */
    CPU_PENDING_NMI = 1u << 2,
    CPU_PENDING_TLB_FLUSH = 1u << 3,
    CPU_PENDING_CODE = 1u << 4,      /* another processor wrote code pages: block.c */
    CPU_PENDING_SHADOW = 1u << 5,    /* STI / MOV SS shadow: own thread only */
    CPU_PENDING_STEP = 1u << 6,      /* RFLAGS.TF or debug registers armed: own thread only */
    CPU_PENDING_TURN = 1u << 7,
    /* never taken back: each block end looks whether Cpu.turn_end is reached */
};

typedef enum CpuExit {
    CPU_EXIT_NONE,
    CPU_EXIT_KICKED,       /* CPU_PENDING_EXIT was set; state is at an instruction boundary */
    CPU_EXIT_WORLD,        /* a world callback called cpu_leave(); it kept its reason itself */
    CPU_EXIT_TRIPLE_FAULT,
    CPU_EXIT_UNSUPPORTED,  /* CPUID offers it, we do not do it: Cpu.unsupported says what */
} CpuExit;

typedef enum CpuAccess { CPU_READ, CPU_WRITE, CPU_FETCH } CpuAccess;

/* What a guest physical page is made of. `host` points at the page's first byte. */
typedef struct CpuHostPage {
    uint8_t *host;
    bool writable;
} CpuHostPage;

/*
 * What the core asks of its surroundings. Every callback runs on the Cpu's
 * thread and may call cpu_raise() or cpu_leave() instead of returning;
 * cpu->op is valid, so both are precise.
 */
typedef struct CpuWorld {
    /*
     * The page of a GPA (shared bit included). `linear` is for #VE information. Returns only with
     * *page filled.
     */
    void (*map)(Cpu *cpu, uint64_t gpa, uint64_t linear, bool linear_valid, CpuAccess access,
                CpuHostPage *page);
    /*
     * First byte of a GPA's page as it is now, without any effect, or NULL: for dumps. May be left
     * out. Must return.
     */
    const uint8_t *(*peek)(Cpu *cpu, uint64_t gpa);
    void (*cpuid)(Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
    uint64_t (*rdmsr)(Cpu *cpu, uint32_t index); /* MSRs the core does not keep itself: see msr.c */
    void (*wrmsr)(Cpu *cpu, uint32_t index, uint64_t value);
    /* true: the core may do it; else it may raise #GP, #VE */
    bool (*msr_native)(Cpu *cpu, uint32_t index, bool write);
    /* never returns normally in a TD: #VE */
    void (*io)(Cpu *cpu, uint16_t port, unsigned size, bool write, bool string, bool rep,
               bool immediate);
    void (*hlt)(Cpu *cpu);
    /* INVD, WBINVD, VMCALL, PCONFIG, ... : VMX exit reason */
    void (*instruction)(Cpu *cpu, uint32_t exit_reason);
    /* checks bits that TDX owns; returns when the core may go on */
    void (*write_cr0)(Cpu *cpu, uint64_t value);
    /* the same for CR4; answers what the core is to put there */
    uint64_t (*write_cr4)(Cpu *cpu, uint64_t value);
    void (*xsetbv)(Cpu *cpu, uint64_t value); /* checks against XFAM */
    void (*tdcall)(Cpu *cpu); /* RIP is already past the instruction when cpu_leave(.., true) */
    /*
     * Interrupts. Called with RFLAGS.IF = 1 and no shadow: vector 0..255 accepted (acknowledged),
     * or -1.
     */
    int (*interrupt_accept)(Cpu *cpu);
    uint64_t (*rdtsc)(Cpu *cpu);
    /*
     * Instruction set gates by CPUID bit; the decoder asks once per mnemonic. feature =
     * leaf-specific id of features.h
     */
    bool (*has_feature)(Cpu *cpu, unsigned feature);
} CpuWorld;

/*
 * x87, SSE, AVX, AVX-512, AMX ... as an XSAVE area in standard format, offsets of Intel processors
 * (CPUID leaf 0xD).
 */
#define CPU_XSTATE_SIZE 11008
#define XSTATE_FCW 0
#define XSTATE_FSW 2
#define XSTATE_FTW 4  /* abridged, as FXSAVE */
#define XSTATE_FOP 6
#define XSTATE_FIP 8
#define XSTATE_FDP 16
#define XSTATE_MXCSR 24
#define XSTATE_ST 32
#define XSTATE_XMM 160
#define XSTATE_YMMH 576
#define XSTATE_OPMASK 1088
#define XSTATE_ZMMH 1152
#define XSTATE_HI16_ZMM 1664
#define XSTATE_PKRU 2688
#define XSTATE_TILECFG 2752  /* as LDTILECFG reads it; all 0: no tiles are configured */
#define XSTATE_TILEDATA 2816 /* 8 tiles of 16 rows of 64 bytes */

struct Cpu {
    uint64_t regs[GPR_COUNT]; /* first: Op holds byte offsets into it */
    TlbEntry *tlb;            /* &tlbs[TLB_*] of the present privilege and AC */
    _Atomic uint32_t pending;
    uint32_t mode;            /* CPU_MODE_*: part of a block's key; kept by cpu_update_mode() */
    LazyFlags cc;
    uint64_t rflags;          /* see LazyFlags; bit 1 always set */
    const Op *op;             /* the instruction being executed, wherever something can raise */
    uint64_t rip;             /* valid outside blocks; inside: cpu_op_rip() */
    const Block *block;       /* the block being executed */
    uint64_t instructions;    /* executed, counted at block exits */
    /*
     * with CPU_PENDING_TURN: leave with CPU_EXIT_KICKED at the first block end with so many
     * instructions
     */
    uint64_t turn_end;
    /* with CPU_PENDING_TURN: the guest waits for others; whoever reads it clears it */
    bool turn_given_up;
    struct BlockCache *blocks;/* block.c */
    uint64_t jump_salt;       /* block-exit.h: the one of these that the privilege has */
    /* of supervisor and of user code: blocks tell them apart by their mode */
    uint64_t salts[2];
    uint64_t shadow_page;     /* host code's page of this level's shadow stack, or TLB_INVALID */
    uintptr_t shadow_addend;  /* host address = linear + addend, there */
    /* host code runs with the guest's MXCSR, ahead of the flags in xstate; and the host's */
    bool mxcsr_loaded;
    uint32_t host_mxcsr;
    /*
     * Host code's copy of the soft TLB's entry that the stack is in: goes with that entry, and
     * whenever `tlb` is set (mmu_forget_stack()).
     */
    uint64_t stack_read, stack_write;
    uintptr_t stack_addend;
    uint64_t linear_epoch;    /* another one whenever linear addresses may mean other pages */

    Segment seg[SEG_COUNT];
    Segment ldtr, tr;
    DescriptorTable gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4;
    uint64_t dr[8];           /* 4 and 5 unused */
    uint64_t efer, xcr0, xss;
    uint64_t xfd, xfd_err;    /* IA32_XFD, IA32_XFD_ERR */
    uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, pkrs, spec_ctrl;
    uint64_t debugctl;        /* IA32_DEBUGCTL: the world checks what is written */
    uint64_t u_cet, s_cet;    /* IA32_U_CET, IA32_S_CET: cet.h */
    uint64_t ssp;             /* shadow-stack pointer */
    uint64_t pl_ssp[4];       /* IA32_PL0_SSP .. IA32_PL3_SSP */
    uint64_t ssp_table;       /* IA32_INTERRUPT_SSP_TABLE_ADDR */
    uint32_t pkru;            /* the live value; XSAVE code reads and writes this */
    uint8_t cpl;
    bool nmi_blocked;         /* between NMI delivery and IRET */
    bool interruptibility;    /* shadow: see CPU_PENDING_SHADOW */
    bool debug_armed;         /* DR7 enables a breakpoint (debug.c) */
    bool tiles_written;       /* TILEDATA may differ from 0: spares XSAVE looking */

    /* Fixed configuration, set before the first run */
    const CpuWorld *world;
    void *world_data;
    CpuGroup *group;
    unsigned index;           /* 0..n-1 in its group */
    /* reserved-bit check of paging structures; the shared bit is never reserved */
    uint8_t phys_bits;
    uint64_t shared_bit;      /* 1 << 47, 1 << 51, or 0 for an ordinary VM */
    bool gb_pages;
    bool la57;                /* the processor has it, whatever the guest is told */
    uint64_t xcr0_mask, xss_mask; /* settable bits */

    /* Exception in progress (exc.c) */
    uint8_t raise_vector;
    bool raise_has_error, raise_soft;
    uint32_t raise_error;
    CpuExit exit;
    char unsupported[96];     /* what CPU_EXIT_UNSUPPORTED means: bytes, mnemonic, RIP */

    jmp_buf escape;
    _Alignas(64) uint8_t xstate[CPU_XSTATE_SIZE];
    TlbEntry tlbs[TLB_KINDS][TLB_ENTRIES];
    uintptr_t guesses[TLB_GUESSES]; /* for host code: addends that accesses met (jit-access.c) */
    ShadowPage shadow_pages[SHADOW_PAGES];
    struct CoreState *core;   /* core.h: run.c, exc.c, group.c, system family */
    struct MmuState *mmu;     /* mmu.c: paging mode, fetch TLB */
    struct JitState *jit;     /* jit.h: NULL where guests are interpreted only */
    struct VecState *vec;     /* vector.c */
};

/* Cpu.mode */
enum {
    CPU_MODE_CS64 = 1u << 0,  /* 64-bit code segment in long mode */
    CPU_MODE_CS32 = 1u << 1,  /* D bit, when not CS64 */
    CPU_MODE_USER = 1u << 2,  /* CPL 3 */
    CPU_MODE_LONG = 1u << 3,  /* EFER.LMA */
    /*
     * ES SS DS (and CS) have base 0 and limit 4 GiB: no segment arithmetic (implied by CS64 for ES
     * CS SS DS)
     */
    CPU_MODE_FLAT = 1u << 4,
    CPU_MODE_SS32 = 1u << 5,  /* stack pointer size is 32 bits, when not CS64 (64 in CS64) */
    /* Control-flow enforcement at the present privilege (cet.h) */
    CPU_MODE_SHSTK = 1u << 6,      /* shadow stack */
    CPU_MODE_IBT = 1u << 7,        /* indirect branches are tracked */
    CPU_MODE_SUPPRESSED = 1u << 8, /* they would be, until the next ENDBRANCH */
    CPU_MODE_WAIT = 1u << 9,       /* the next instruction must be ENDBRANCH */
};

/*
 * Life cycle. cpu_new() gives power-on zeroes; the TDX start state is the module's to write,
 * followed by cpu_update_mode().
 */
Cpu *cpu_new(CpuGroup *group, const CpuWorld *world, void *world_data);
void cpu_free(Cpu *cpu);
/*
 * jit_heat: host code is made for blocks that are entered so often, where the host allows it
 * (jit.h); 0: never.
 */
#define CPU_JIT_HEAT 12
CpuGroup *cpu_group_new(unsigned max_cpus, unsigned jit_heat);
/*
 * Before cpu_new(): its processors count turns (CPU_PENDING_TURN), their randomness comes of a
 * fixed seed and their index, and reciprocals are ours on every machine (vector-approx.c).
 */
void cpu_group_determine(CpuGroup *group);
/* Why there is no host code although it was wanted: an errno, or 0. */
int cpu_group_jit_error(const CpuGroup *group);
void cpu_group_free(CpuGroup *group);

/* Runs until an exit. Only the Cpu's thread. (run.c) */
CpuExit cpu_run(Cpu *cpu);

/*
 * Instructions executed, those of the running block included. Own thread, wherever cpu->op is valid
 * or cpu_run() was left.
 */
uint64_t cpu_instructions(const Cpu *cpu);

/*
 * Any thread: sets bits of Cpu.pending. Wakes nobody: who blocks in a world callback is woken by
 * the world.
 */
static inline void cpu_request(Cpu *cpu, uint32_t bits)
{
    atomic_fetch_or_explicit(&cpu->pending, bits, memory_order_seq_cst);
}

/*
 * Any thread: takes translations of a GPA range out of every processor of the group, and returns
 * when none uses them any more. `self` may be NULL.
 */
void cpu_group_flush(CpuGroup *group, Cpu *self, uint64_t gpa, uint64_t size);

/*
 * Recomputes mode, cpl-dependent tlb pointer. After any change of CS, SS, CR0, CR4.SMAP, EFER, CPL
 * or RFLAGS.AC.
 */
void cpu_update_mode(Cpu *cpu);

/*
 * Fault at the current instruction (cpu->op): RIP stays on it. error is ignored for vectors without
 * an error code.
 */
_Noreturn void cpu_raise(Cpu *cpu, uint8_t vector, uint32_t error);
/* Trap after the current instruction (INT n, INT3, #DB single step): RIP after it. */
_Noreturn void cpu_raise_trap(Cpu *cpu, uint8_t vector, bool software);
/* Leaves cpu_run() with `exit`; RIP after the instruction if retire, else on it. */
_Noreturn void cpu_leave(Cpu *cpu, CpuExit exit, bool retire);
/* Ends the guest's run: an instruction CPUID offers and we lack. */
_Noreturn void cpu_unsupported(Cpu *cpu, const char *what);

/* RIP of an Op of the running block, and of the one after it. */
static inline uint64_t cpu_op_rip(const Cpu *cpu, const Op *op)
{
    uint64_t rip = cpu->regs[GPR_PAGE] + op->off;
    return (cpu->mode & CPU_MODE_CS64) ? rip : (uint32_t)rip;
}

static inline uint64_t cpu_op_next_rip(const Cpu *cpu, const Op *op)
{
    uint64_t rip = cpu->regs[GPR_PAGE] + op->off + op->len;
    return (cpu->mode & CPU_MODE_CS64) ? rip : (uint32_t)rip;
}

/* Registers by byte offset */
#define CPU_REG(cpu, type, offset) (*(type *)((uint8_t *)(cpu)->regs + (offset)))

/* RFLAGS with the lazy part made real, and the reverse (flags.c). set masks nothing. */
uint64_t cpu_rflags(Cpu *cpu);
void cpu_set_rflags(Cpu *cpu, uint64_t rflags);

enum {
    FLAG_CF = 1u << 0, FLAG_PF = 1u << 2, FLAG_AF = 1u << 4, FLAG_ZF = 1u << 6, FLAG_SF = 1u << 7,
    FLAG_TF = 1u << 8, FLAG_IF = 1u << 9, FLAG_DF = 1u << 10, FLAG_OF = 1u << 11,
    FLAG_IOPL = 3u << 12,
    FLAG_NT = 1u << 14, FLAG_RF = 1u << 16, FLAG_VM = 1u << 17, FLAG_AC = 1u << 18,
    FLAG_ID = 1u << 21,
    FLAG_ARITH = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
};

enum {
    VEC_DE = 0, VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_OF = 4, VEC_BR = 5, VEC_UD = 6, VEC_NM = 7,
    VEC_DF = 8,
    VEC_TS = 10, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13, VEC_PF = 14, VEC_MF = 16, VEC_AC = 17,
    VEC_MC = 18,
    VEC_XM = 19, VEC_VE = 20, VEC_CP = 21,
};

/*
 * A local whose address goes to another function keeps NEXT from being a tail call, so that loops
 * of the guest would nest on the host's stack: handlers leave such locals to a function of this
 * kind.
 */
#define CPU_APART __attribute__((noinline))

/*
 * Handlers chain by tail calls where the compiler makes them, else through the loop in run.c. clang
 * makes them when told to, and then whatever became of the addresses of locals.
 */
#if defined(__has_feature) /* clang's way of telling of a sanitizer */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SWTDX_NO_TAILCALLS 1
#endif
#endif
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(SWTDX_NO_TAILCALLS)
#define SWTDX_TAILCALLS 1
#ifdef __clang__
#define CPU_TAIL_CALL __attribute__((musttail)) return
#else
#define CPU_TAIL_CALL return
#endif
#define NEXT(cpu, op) CPU_TAIL_CALL ((op) + 1)->fn((cpu), (op) + 1)
#else
#define CPU_TAIL_CALL return
#define NEXT(cpu, op) return (op) + 1
#endif

#endif
