/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of CPUID bits, as users of -cpu know them. Positions: Intel SDM vol. 2A (CPUID), vol. 3D
 * app. A (VMX capability MSRs); AMD APM vol. 3 app. E; Linux Documentation/virt/kvm/x86/cpuid.rst
 * for the KVM leaf.
 */
#include <string.h>

#include "target/i386/cpu-model.h"

/* One macro for each register of a leaf: BIT and name make a row. */
#define L1_EDX(b, n) { n, 0x1, 0, false, CPUID_EDX, b }
#define L1_ECX(b, n) { n, 0x1, 0, false, CPUID_ECX, b }
#define L6_EAX(b, n) { n, 0x6, 0, false, CPUID_EAX, b }
#define L7_EBX(b, n) { n, 0x7, 0, true, CPUID_EBX, b }
#define L7_ECX(b, n) { n, 0x7, 0, true, CPUID_ECX, b }
#define L7_EDX(b, n) { n, 0x7, 0, true, CPUID_EDX, b }
#define L7_1_EAX(b, n) { n, 0x7, 1, true, CPUID_EAX, b }
#define L7_1_ECX(b, n) { n, 0x7, 1, true, CPUID_ECX, b }
#define L7_1_EDX(b, n) { n, 0x7, 1, true, CPUID_EDX, b }
#define L7_2_EDX(b, n) { n, 0x7, 2, true, CPUID_EDX, b }
#define LD_1_EAX(b, n) { n, 0xd, 1, true, CPUID_EAX, b }
#define L12_0_EAX(b, n) { n, 0x12, 0, true, CPUID_EAX, b }
#define L12_0_EBX(b, n) { n, 0x12, 0, true, CPUID_EBX, b }
#define L12_1_EAX(b, n) { n, 0x12, 1, true, CPUID_EAX, b }
#define L14_ECX(b, n) { n, 0x14, 0, true, CPUID_ECX, b }
#define L1E_1_EAX(b, n) { n, 0x1e, 1, true, CPUID_EAX, b }
#define L24_EBX(b, n) { n, 0x24, 0, true, CPUID_EBX, b }
#define L24_1_ECX(b, n) { n, 0x24, 1, true, CPUID_ECX, b }
#define L29_EBX(b, n) { n, 0x29, 0, true, CPUID_EBX, b }
#define KVM_EAX(b, n) { n, 0x40000001, 0, false, CPUID_EAX, b }
#define KVM_EDX(b, n) { n, 0x40000001, 0, false, CPUID_EDX, b }
#define E1_EDX(b, n) { n, 0x80000001, 0, false, CPUID_EDX, b }
#define E1_ECX(b, n) { n, 0x80000001, 0, false, CPUID_ECX, b }
#define E7_EBX(b, n) { n, 0x80000007, 0, false, CPUID_EBX, b }
#define E7_EDX(b, n) { n, 0x80000007, 0, false, CPUID_EDX, b }
#define E8_EBX(b, n) { n, 0x80000008, 0, false, CPUID_EBX, b }
#define EA_EDX(b, n) { n, 0x8000000a, 0, false, CPUID_EDX, b }
#define E21_EAX(b, n) { n, 0x80000021, 0, false, CPUID_EAX, b }
#define E21_ECX(b, n) { n, 0x80000021, 0, false, CPUID_ECX, b }
#define E22_EAX(b, n) { n, 0x80000022, 0, false, CPUID_EAX, b }
#define C1_EDX(b, n) { n, 0xc0000001, 0, false, CPUID_EDX, b }
#define CORE_CAP(b, n) { n, CPU_FEATURE_MSR(0xcf), 0, false, CPUID_EAX, b }
#define ARCH_CAP(b, n) { n, CPU_FEATURE_MSR(0x10a), 0, false, CPUID_EAX, b }
#define ARCH_CAP_HIGH(b, n) { n, CPU_FEATURE_MSR(0x10a), 0, false, CPUID_EDX, b }
#define PERF_CAP(b, n) { n, CPU_FEATURE_MSR(0x345), 0, false, CPUID_EAX, b }
#define VMX_BASIC(b, n) { n, CPU_FEATURE_MSR(0x480), 0, false, CPUID_EDX, b }
#define VMX_MISC(b, n) { n, CPU_FEATURE_MSR(0x485), 0, false, CPUID_EAX, b }
#define VMX_PROC2(b, n) { n, CPU_FEATURE_MSR(0x48b), 0, false, CPUID_EDX, b }
#define VMX_EPT(b, n) { n, CPU_FEATURE_MSR(0x48c), 0, false, CPUID_EAX, b }
#define VMX_VPID(b, n) { n, CPU_FEATURE_MSR(0x48c), 0, false, CPUID_EDX, b }
#define VMX_PIN(b, n) { n, CPU_FEATURE_MSR(0x48d), 0, false, CPUID_EDX, b }
#define VMX_PROC(b, n) { n, CPU_FEATURE_MSR(0x48e), 0, false, CPUID_EDX, b }
#define VMX_EXIT(b, n) { n, CPU_FEATURE_MSR(0x48f), 0, false, CPUID_EDX, b }
#define VMX_ENTRY(b, n) { n, CPU_FEATURE_MSR(0x490), 0, false, CPUID_EDX, b }
#define VMX_VMFUNC(b, n) { n, CPU_FEATURE_MSR(0x491), 0, false, CPUID_EAX, b }

static const CpuFeature features[] = {
    L1_EDX(0, "fpu"), L1_EDX(1, "vme"), L1_EDX(2, "de"), L1_EDX(3, "pse"), L1_EDX(4, "tsc"),
    L1_EDX(5, "msr"), L1_EDX(6, "pae"), L1_EDX(7, "mce"), L1_EDX(8, "cx8"), L1_EDX(9, "apic"),
    L1_EDX(11, "sep"), L1_EDX(12, "mtrr"), L1_EDX(13, "pge"), L1_EDX(14, "mca"), L1_EDX(15, "cmov"),
    L1_EDX(16, "pat"), L1_EDX(17, "pse36"), L1_EDX(18, "pn"), L1_EDX(19, "clflush"),
    L1_EDX(21, "ds"),
    L1_EDX(22, "acpi"), L1_EDX(23, "mmx"), L1_EDX(24, "fxsr"), L1_EDX(25, "sse"),
    L1_EDX(26, "sse2"),
    L1_EDX(27, "ss"), L1_EDX(28, "ht"), L1_EDX(29, "tm"), L1_EDX(30, "ia64"), L1_EDX(31, "pbe"),
    L1_ECX(0, "pni"), L1_ECX(1, "pclmulqdq"), L1_ECX(2, "dtes64"), L1_ECX(3, "monitor"),
    L1_ECX(4, "ds-cpl"), L1_ECX(5, "vmx"), L1_ECX(6, "smx"), L1_ECX(7, "est"), L1_ECX(8, "tm2"),
    L1_ECX(9, "ssse3"), L1_ECX(10, "cid"), L1_ECX(12, "fma"), L1_ECX(13, "cx16"),
    L1_ECX(14, "xtpr"),
    L1_ECX(15, "pdcm"), L1_ECX(17, "pcid"), L1_ECX(18, "dca"), L1_ECX(19, "sse4.1"),
    L1_ECX(20, "sse4.2"), L1_ECX(21, "x2apic"), L1_ECX(22, "movbe"), L1_ECX(23, "popcnt"),
    L1_ECX(24, "tsc-deadline"), L1_ECX(25, "aes"), L1_ECX(26, "xsave"), L1_ECX(28, "avx"),
    L1_ECX(29, "f16c"), L1_ECX(30, "rdrand"), L1_ECX(31, "hypervisor"),
    L6_EAX(2, "arat"),
    L7_EBX(0, "fsgsbase"), L7_EBX(1, "tsc-adjust"), L7_EBX(2, "sgx"), L7_EBX(3, "bmi1"),
    L7_EBX(4, "hle"), L7_EBX(5, "avx2"), L7_EBX(6, "fdp-excptn-only"), L7_EBX(7, "smep"),
    L7_EBX(8, "bmi2"), L7_EBX(9, "erms"), L7_EBX(10, "invpcid"), L7_EBX(11, "rtm"),
    L7_EBX(13, "zero-fcs-fds"), L7_EBX(14, "mpx"), L7_EBX(16, "avx512f"), L7_EBX(17, "avx512dq"),
    L7_EBX(18, "rdseed"), L7_EBX(19, "adx"), L7_EBX(20, "smap"), L7_EBX(21, "avx512ifma"),
    L7_EBX(22, "pcommit"), L7_EBX(23, "clflushopt"), L7_EBX(24, "clwb"), L7_EBX(25, "intel-pt"),
    L7_EBX(26, "avx512pf"), L7_EBX(27, "avx512er"), L7_EBX(28, "avx512cd"), L7_EBX(29, "sha-ni"),
    L7_EBX(30, "avx512bw"), L7_EBX(31, "avx512vl"),
    L7_ECX(1, "avx512vbmi"), L7_ECX(2, "umip"), L7_ECX(3, "pku"), L7_ECX(5, "waitpkg"),
    L7_ECX(6, "avx512vbmi2"), L7_ECX(7, "cet-ss"), L7_ECX(8, "gfni"), L7_ECX(9, "vaes"),
    L7_ECX(10, "vpclmulqdq"), L7_ECX(11, "avx512vnni"), L7_ECX(12, "avx512bitalg"),
    L7_ECX(14, "avx512-vpopcntdq"), L7_ECX(16, "la57"), L7_ECX(22, "rdpid"),
    L7_ECX(24, "bus-lock-detect"), L7_ECX(25, "cldemote"), L7_ECX(27, "movdiri"),
    L7_ECX(28, "movdir64b"), L7_ECX(30, "sgxlc"), L7_ECX(31, "pks"),
    L7_EDX(2, "avx512-4vnniw"), L7_EDX(3, "avx512-4fmaps"), L7_EDX(4, "fsrm"),
    L7_EDX(8, "avx512-vp2intersect"), L7_EDX(10, "md-clear"), L7_EDX(14, "serialize"),
    L7_EDX(16, "tsx-ldtrk"), L7_EDX(19, "arch-lbr"), L7_EDX(20, "cet-ibt"), L7_EDX(22, "amx-bf16"),
    L7_EDX(23, "avx512-fp16"), L7_EDX(24, "amx-tile"), L7_EDX(25, "amx-int8"),
    L7_EDX(26, "spec-ctrl"),
    L7_EDX(27, "stibp"), L7_EDX(28, "flush-l1d"), L7_EDX(29, "arch-capabilities"),
    L7_EDX(30, "core-capability"), L7_EDX(31, "ssbd"),
    L7_1_EAX(0, "sha512"), L7_1_EAX(1, "sm3"), L7_1_EAX(2, "sm4"), L7_1_EAX(4, "avx-vnni"),
    L7_1_EAX(5, "avx512-bf16"), L7_1_EAX(6, "lass"), L7_1_EAX(7, "cmpccxadd"), L7_1_EAX(10, "fzrm"),
    L7_1_EAX(11, "fsrs"), L7_1_EAX(12, "fsrc"), L7_1_EAX(17, "fred"), L7_1_EAX(18, "lkgs"),
    L7_1_EAX(19, "wrmsrns"), L7_1_EAX(21, "amx-fp16"), L7_1_EAX(23, "avx-ifma"),
    L7_1_EAX(26, "lam"),
    L7_1_EAX(31, "movrs"),
    L7_1_ECX(5, "msr-imm"),
    L7_1_EDX(4, "avx-vnni-int8"), L7_1_EDX(5, "avx-ne-convert"), L7_1_EDX(8, "amx-complex"),
    L7_1_EDX(10, "avx-vnni-int16"), L7_1_EDX(14, "prefetchiti"), L7_1_EDX(19, "avx10"),
    L7_1_EDX(21, "apxf"),
    L7_2_EDX(0, "intel-psfd"), L7_2_EDX(1, "ipred-ctrl"), L7_2_EDX(2, "rrsba-ctrl"),
    L7_2_EDX(3, "ddpd-u"), L7_2_EDX(4, "bhi-ctrl"), L7_2_EDX(5, "mcdt-no"),
    LD_1_EAX(0, "xsaveopt"), LD_1_EAX(1, "xsavec"), LD_1_EAX(2, "xgetbv1"), LD_1_EAX(3, "xsaves"),
    LD_1_EAX(4, "xfd"),
    L12_0_EAX(0, "sgx1"), L12_0_EAX(1, "sgx2"), L12_0_EAX(11, "sgx-edeccssa"),
    L12_0_EBX(0, "sgx-exinfo"),
    L12_1_EAX(1, "sgx-debug"), L12_1_EAX(2, "sgx-mode64"), L12_1_EAX(4, "sgx-provisionkey"),
    L12_1_EAX(5, "sgx-tokenkey"), L12_1_EAX(7, "sgx-kss"), L12_1_EAX(10, "sgx-aex-notify"),
    L14_ECX(31, "intel-pt-lip"),
    L1E_1_EAX(0, "amx-int8-alias"), L1E_1_EAX(1, "amx-bf16-alias"),
    L1E_1_EAX(2, "amx-complex-alias"),
    L1E_1_EAX(3, "amx-fp16-alias"), L1E_1_EAX(4, "amx-fp8"), L1E_1_EAX(6, "amx-tf32"),
    L1E_1_EAX(7, "amx-avx512"), L1E_1_EAX(8, "amx-movrs"),
    L24_EBX(16, "avx10-128"), L24_EBX(17, "avx10-256"), L24_EBX(18, "avx10-512"),
    L24_1_ECX(2, "avx10-vnni-int"),
    L29_EBX(0, "apx-nci-ndd-nf"),
    KVM_EAX(0, "kvmclock"), KVM_EAX(1, "kvm-nopiodelay"), KVM_EAX(2, "kvm-mmu"),
    KVM_EAX(3, "kvmclock"),
    KVM_EAX(4, "kvm-asyncpf"), KVM_EAX(5, "kvm-steal-time"), KVM_EAX(6, "kvm-pv-eoi"),
    KVM_EAX(7, "kvm-pv-unhalt"), KVM_EAX(9, "kvm-pv-tlb-flush"), KVM_EAX(10, "kvm-asyncpf-vmexit"),
    KVM_EAX(11, "kvm-pv-ipi"), KVM_EAX(12, "kvm-poll-control"), KVM_EAX(13, "kvm-pv-sched-yield"),
    KVM_EAX(14, "kvm-asyncpf-int"), KVM_EAX(15, "kvm-msi-ext-dest-id"),
    KVM_EAX(24, "kvmclock-stable-bit"),
    KVM_EDX(0, "kvm-hint-dedicated"),
    E1_EDX(11, "syscall"), E1_EDX(20, "nx"), E1_EDX(22, "mmxext"), E1_EDX(25, "fxsr-opt"),
    E1_EDX(26, "pdpe1gb"), E1_EDX(27, "rdtscp"), E1_EDX(29, "lm"), E1_EDX(30, "3dnowext"),
    E1_EDX(31, "3dnow"),
    E1_ECX(0, "lahf-lm"), E1_ECX(1, "cmp-legacy"), E1_ECX(2, "svm"), E1_ECX(3, "extapic"),
    E1_ECX(4, "cr8legacy"), E1_ECX(5, "abm"), E1_ECX(6, "sse4a"), E1_ECX(7, "misalignsse"),
    E1_ECX(8, "3dnowprefetch"), E1_ECX(9, "osvw"), E1_ECX(10, "ibs"), E1_ECX(11, "xop"),
    E1_ECX(12, "skinit"), E1_ECX(13, "wdt"), E1_ECX(15, "lwp"), E1_ECX(16, "fma4"),
    E1_ECX(17, "tce"),
    E1_ECX(19, "nodeid-msr"), E1_ECX(21, "tbm"), E1_ECX(22, "topoext"), E1_ECX(23, "perfctr-core"),
    E1_ECX(24, "perfctr-nb"),
    E7_EBX(0, "overflow-recov"), E7_EBX(1, "succor"),
    E7_EDX(8, "invtsc"),
    E8_EBX(0, "clzero"), E8_EBX(2, "xsaveerptr"), E8_EBX(9, "wbnoinvd"), E8_EBX(12, "ibpb"),
    E8_EBX(14, "ibrs"), E8_EBX(15, "amd-stibp"), E8_EBX(17, "stibp-always-on"),
    E8_EBX(24, "amd-ssbd"),
    E8_EBX(25, "virt-ssbd"), E8_EBX(26, "amd-no-ssb"), E8_EBX(28, "amd-psfd"),
    EA_EDX(0, "npt"), EA_EDX(1, "lbrv"), EA_EDX(2, "svm-lock"), EA_EDX(3, "nrip-save"),
    EA_EDX(4, "tsc-scale"), EA_EDX(5, "vmcb-clean"), EA_EDX(6, "flushbyasid"),
    EA_EDX(7, "decodeassists"), EA_EDX(10, "pause-filter"), EA_EDX(12, "pfthreshold"),
    EA_EDX(13, "avic"), EA_EDX(15, "v-vmsave-vmload"), EA_EDX(16, "vgif"), EA_EDX(17, "gmet"),
    EA_EDX(25, "vnmi"), EA_EDX(28, "svme-addr-chk"),
    E21_EAX(0, "no-nested-data-bp"), E21_EAX(1, "fs-gs-base-ns"),
    E21_EAX(2, "lfence-always-serializing"), E21_EAX(5, "verw-clear"),
    E21_EAX(6, "null-sel-clr-base"),
    E21_EAX(8, "auto-ibrs"), E21_EAX(20, "prefetchi"), E21_EAX(24, "eraps"), E21_EAX(27, "sbpb"),
    E21_EAX(28, "ibpb-brtype"), E21_EAX(29, "srso-no"), E21_EAX(30, "srso-user-kernel-no"),
    E21_ECX(1, "tsa-sq-no"), E21_ECX(2, "tsa-l1-no"),
    E22_EAX(0, "perfmon-v2"),
    C1_EDX(2, "xstore"), C1_EDX(3, "xstore-en"), C1_EDX(6, "xcrypt"), C1_EDX(7, "xcrypt-en"),
    C1_EDX(8, "ace2"), C1_EDX(9, "ace2-en"), C1_EDX(10, "phe"), C1_EDX(11, "phe-en"),
    C1_EDX(12, "pmm"),
    C1_EDX(13, "pmm-en"),
    /* MSR_CORE_CAPABILITY */
    CORE_CAP(5, "split-lock-detect"),
    /* IA32_ARCH_CAPABILITIES */
    ARCH_CAP(0, "rdctl-no"), ARCH_CAP(1, "ibrs-all"), ARCH_CAP(2, "rsba"),
    ARCH_CAP(3, "skip-l1dfl-vmentry"), ARCH_CAP(4, "ssb-no"), ARCH_CAP(5, "mds-no"),
    ARCH_CAP(6, "pschange-mc-no"), ARCH_CAP(7, "tsx-ctrl"), ARCH_CAP(8, "taa-no"),
    ARCH_CAP(13, "sbdr-ssdp-no"), ARCH_CAP(14, "fbsdp-no"), ARCH_CAP(15, "psdp-no"),
    ARCH_CAP(17, "fb-clear"), ARCH_CAP(20, "bhi-no"), ARCH_CAP(24, "pbrsb-no"),
    ARCH_CAP(26, "gds-no"),
    ARCH_CAP(27, "rfds-no"), ARCH_CAP(28, "rfds-clear"),
    ARCH_CAP_HIGH(30, "its-no"),
    /* IA32_PERF_CAPABILITIES */
    PERF_CAP(13, "full-width-write"),
    /* IA32_VMX_BASIC and following; controls: the allowed-1 half */
    VMX_BASIC(22, "vmx-ins-outs"), VMX_BASIC(23, "vmx-true-ctls"), VMX_BASIC(24, "vmx-any-errcode"),
    VMX_BASIC(26, "vmx-nested-exception"),
    VMX_MISC(5, "vmx-store-lma"), VMX_MISC(6, "vmx-activity-hlt"),
    VMX_MISC(7, "vmx-activity-shutdown"),
    VMX_MISC(8, "vmx-activity-wait-sipi"), VMX_MISC(29, "vmx-vmwrite-vmexit-fields"),
    VMX_MISC(30, "vmx-zero-len-inject"),
    VMX_PROC2(0, "vmx-apicv-xapic"), VMX_PROC2(1, "vmx-ept"), VMX_PROC2(2, "vmx-desc-exit"),
    VMX_PROC2(3, "vmx-rdtscp-exit"), VMX_PROC2(4, "vmx-apicv-x2apic"), VMX_PROC2(5, "vmx-vpid"),
    VMX_PROC2(6, "vmx-wbinvd-exit"), VMX_PROC2(7, "vmx-unrestricted-guest"),
    VMX_PROC2(8, "vmx-apicv-register"), VMX_PROC2(9, "vmx-apicv-vid"), VMX_PROC2(10, "vmx-ple"),
    VMX_PROC2(11, "vmx-rdrand-exit"), VMX_PROC2(12, "vmx-invpcid-exit"),
    VMX_PROC2(13, "vmx-vmfunc"),
    VMX_PROC2(14, "vmx-shadow-vmcs"), VMX_PROC2(15, "vmx-encls-exit"),
    VMX_PROC2(16, "vmx-rdseed-exit"),
    VMX_PROC2(17, "vmx-pml"), VMX_PROC2(20, "vmx-xsaves"), VMX_PROC2(22, "vmx-mbec"),
    VMX_PROC2(25, "vmx-tsc-scaling"), VMX_PROC2(26, "vmx-enable-user-wait-pause"),
    VMX_EPT(0, "vmx-ept-execonly"), VMX_EPT(6, "vmx-page-walk-4"), VMX_EPT(7, "vmx-page-walk-5"),
    VMX_EPT(16, "vmx-ept-2mb"), VMX_EPT(17, "vmx-ept-1gb"), VMX_EPT(20, "vmx-invept"),
    VMX_EPT(21, "vmx-eptad"), VMX_EPT(22, "vmx-ept-advanced-exitinfo"),
    VMX_EPT(25, "vmx-invept-single-context"), VMX_EPT(26, "vmx-invept-all-context"),
    VMX_VPID(0, "vmx-invvpid"), VMX_VPID(8, "vmx-invvpid-single-addr"),
    VMX_VPID(9, "vmx-invept-single-context"), VMX_VPID(10, "vmx-invvpid-all-context"),
    VMX_VPID(11, "vmx-invept-single-context-noglobals"),
    VMX_PIN(0, "vmx-intr-exit"), VMX_PIN(3, "vmx-nmi-exit"), VMX_PIN(5, "vmx-vnmi"),
    VMX_PIN(6, "vmx-preemption-timer"), VMX_PIN(7, "vmx-posted-intr"),
    VMX_PROC(2, "vmx-vintr-pending"), VMX_PROC(3, "vmx-tsc-offset"), VMX_PROC(7, "vmx-hlt-exit"),
    VMX_PROC(9, "vmx-invlpg-exit"), VMX_PROC(10, "vmx-mwait-exit"), VMX_PROC(11, "vmx-rdpmc-exit"),
    VMX_PROC(12, "vmx-rdtsc-exit"), VMX_PROC(15, "vmx-cr3-load-noexit"),
    VMX_PROC(16, "vmx-cr3-store-noexit"), VMX_PROC(19, "vmx-cr8-load-exit"),
    VMX_PROC(20, "vmx-cr8-store-exit"), VMX_PROC(21, "vmx-flexpriority"),
    VMX_PROC(22, "vmx-vnmi-pending"), VMX_PROC(23, "vmx-movdr-exit"), VMX_PROC(24, "vmx-io-exit"),
    VMX_PROC(25, "vmx-io-bitmap"), VMX_PROC(27, "vmx-mtf"), VMX_PROC(28, "vmx-msr-bitmap"),
    VMX_PROC(29, "vmx-monitor-exit"), VMX_PROC(30, "vmx-pause-exit"),
    VMX_PROC(31, "vmx-secondary-ctls"),
    VMX_EXIT(2, "vmx-exit-nosave-debugctl"), VMX_EXIT(12, "vmx-exit-load-perf-global-ctrl"),
    VMX_EXIT(15, "vmx-exit-ack-intr"), VMX_EXIT(18, "vmx-exit-save-pat"),
    VMX_EXIT(19, "vmx-exit-load-pat"), VMX_EXIT(20, "vmx-exit-save-efer"),
    VMX_EXIT(21, "vmx-exit-load-efer"), VMX_EXIT(22, "vmx-exit-save-preemption-timer"),
    VMX_EXIT(23, "vmx-exit-clear-bndcfgs"), VMX_EXIT(25, "vmx-exit-clear-rtit-ctl"),
    VMX_EXIT(28, "vmx-exit-save-cet"), VMX_EXIT(29, "vmx-exit-load-pkrs"),
    VMX_EXIT(31, "vmx-exit-secondary-ctls"),
    VMX_ENTRY(2, "vmx-entry-noload-debugctl"), VMX_ENTRY(9, "vmx-entry-ia32e-mode"),
    VMX_ENTRY(13, "vmx-entry-load-perf-global-ctrl"), VMX_ENTRY(14, "vmx-entry-load-pat"),
    VMX_ENTRY(15, "vmx-entry-load-efer"), VMX_ENTRY(16, "vmx-entry-load-bndcfgs"),
    VMX_ENTRY(18, "vmx-entry-load-rtit-ctl"), VMX_ENTRY(20, "vmx-entry-load-cet"),
    VMX_ENTRY(22, "vmx-entry-load-pkrs"), VMX_ENTRY(23, "vmx-entry-load-fred"),
    VMX_VMFUNC(0, "vmx-eptp-switching"),
};

/* Second names. kvmclock and vmx-invept-single-context name two bits each. */
static const struct {
    const char *alias, *name;
} aliases[] = {
    { "sse3", "pni" }, { "pclmuldq", "pclmulqdq" }, { "sse4-1", "sse4.1" }, { "sse4-2", "sse4.2" },
    { "xd", "nx" },
    { "ffxsr", "fxsr-opt" }, { "i64", "lm" }, { "shstk", "cet-ss" }, { "ibt", "cet-ibt" },
};

const CpuFeature *cpu_feature_find(const char *name)
{
    g_autofree char *canonical = g_strdelimit(g_strdup(name), "_", '-');
    const char *wanted = canonical;

    for (unsigned i = 0; i < G_N_ELEMENTS(aliases); i++) {
        if (strcmp(aliases[i].alias, wanted) == 0) {
            wanted = aliases[i].name;
            break;
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        if (strcmp(features[i].name, wanted) == 0) {
            return &features[i];
        }
    }
    return NULL;
}

const CpuFeature *cpu_feature_at(uint32_t function, uint32_t index, CpuidReg reg, unsigned bit)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        const CpuFeature *f = &features[i];
        if (f->function == function && f->index == index && f->reg == reg && f->bit == bit) {
            return f;
        }
    }
    return NULL;
}

const CpuFeature *cpu_features(unsigned *count)
{
    *count = G_N_ELEMENTS(features);
    return features;
}
