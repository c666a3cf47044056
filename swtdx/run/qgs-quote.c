/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDREPORT to quote. Layouts: Intel TDX DCAP Quoting Library API, appendix "Quote format"; which
 * reports are refused, and which quote version is made: the quoting enclave of
 * SGXDataCenterAttestationPrimitives (quoting_enclave_tdqe.cpp).
 */
#include <string.h>

#include "../host/module/module.h"
#include "../host/module/sha.h"
#include "qgs.h"

/* TDREPORT */
enum { R_VERSION = 2, R_TCB_HASH = 32, R_TD_HASH = 80, R_REPORTDATA = 128, R_TCB_INFO = 256,
       R_SVN = 264, R_MRSEAM = 280, R_SVN2 = 384,
       R_TDINFO = 512, R_SERVTD_HASH = 912, R_RESERVED = 960 };
#define TCB_INFO_SIZE 239
#define TDINFO_SIZE 512
#define TCB_VALID_10 UINT64_C(0x1ff)
#define TCB_VALID_15 UINT64_C(0x301ff)

/* Quote */
enum { KEY_TYPE_P256 = 2, TEE_TDX = 0x81, BODY_TD_15 = 3, CERT_PCK_CHAIN = 5, CERT_QE_REPORT = 6 };
#define BODY_10_SIZE 584
#define BODY_15_SIZE 648
#define QE_REPORT_SIZE 384
#define AUTH_DATA_SIZE 32

static const uint8_t vendor_id[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a,
                                       0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
/* Where the real enclave's measurement and signer stand */
static const char no_enclave[32] = "swtdx: software, no enclave";

static uint64_t load64(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

static bool all_zero(const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

static const char *check_report(const uint8_t *report, size_t size)
{
    uint8_t digest[48];

    if (size != TDREPORT_SIZE) {
        return "a TDREPORT has 1024 bytes";
    }
    uint64_t valid = load64(report + R_TCB_INFO);
    unsigned reserved_from = report[R_VERSION] == 0 ? R_SERVTD_HASH : R_RESERVED;
    if (report[0] != 0x81 || report[1] != 0 || report[R_VERSION] > 1) {
        return "its type, subtype or version is not a TD's";
    }
    if (!all_zero(report + reserved_from, TDREPORT_SIZE - reserved_from) ||
        (valid != TCB_VALID_10 && valid != TCB_VALID_15)) {
        return "its format is not known";
    }
    if (report_verify(profile_builtin(), report) != TDX_SUCCESS) {
        return "its MAC is not of this host: no TD of swtdx made it";
    }
    sha384(report + R_TCB_INFO, TCB_INFO_SIZE, digest);
    if (memcmp(digest, report + R_TCB_HASH, sizeof(digest))) {
        return "the hash of TEE_TCB_INFO is wrong";
    }
    sha384(report + R_TDINFO, TDINFO_SIZE, digest);
    return memcmp(digest, report + R_TD_HASH, sizeof(digest)) ? "the hash of TDINFO is wrong"
                                                              : NULL;
}

static void put(GByteArray *out, const void *data, size_t size)
{
    g_byte_array_append(out, data, (guint)size);
}

static void put_le(GByteArray *out, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        put(out, &byte, 1);
    }
}

static void put_zeros(GByteArray *out, size_t size)
{
    static const uint8_t zeros[64];

    for (; size; size -= MIN(size, sizeof(zeros))) {
        put(out, zeros, MIN(size, sizeof(zeros)));
    }
}

static void put_body(GByteArray *out, const uint8_t *report, bool is_15)
{
    put(out, report + R_SVN, 16);
    put(out, report + R_MRSEAM, 48);
    put_zeros(out, 48 + 8);             /* MRSIGNERSEAM, SEAMATTRIBUTES */
    put(out, report + R_TDINFO, 16);    /* ATTRIBUTES, XFAM */
    /* MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to 3 */
    put(out, report + R_TDINFO + 16, 48 * 8);
    put(out, report + R_REPORTDATA, 64);
    if (is_15) {
        put(out, report + R_SVN2, 16);
        put(out, report + R_SERVTD_HASH, 48); /* zeros in version 0 */
    }
}

static void put_head(GByteArray *out, const uint8_t *report)
{
    bool is_15 = report[R_VERSION] == 1 || (load64(report + R_TCB_INFO) == TCB_VALID_15 &&
                                            memcmp(report + R_SVN, report + R_SVN2, 16));

    put_le(out, is_15 ? 5 : 4, 2);
    put_le(out, KEY_TYPE_P256, 2);
    put_le(out, TEE_TDX, 4);
    put_zeros(out, 4);
    put(out, vendor_id, sizeof(vendor_id));
    put_zeros(out, 20);
    if (is_15) {
        put_le(out, BODY_TD_15, 2);
        put_le(out, BODY_15_SIZE, 4);
    }
    put_body(out, report, is_15);
}

/* The SGX report in which the enclave vouches for the attestation key. */
static void put_qe_report(GByteArray *out, const uint8_t key[64],
                          const uint8_t auth[AUTH_DATA_SIZE])
{
    Sha256 sha;
    uint8_t digest[32];

    sha256_init(&sha);
    sha256_update(&sha, key, 64);
    sha256_update(&sha, auth, AUTH_DATA_SIZE);
    sha256_final(&sha, digest);
    put_le(out, 1, 1); /* CPUSVN */
    put_zeros(out, 15 + 4 + 28);
    put_le(out, 0x15, 8);
    put_le(out, 0xe7, 8);
    put(out, no_enclave, 32);
    put_zeros(out, 32);
    put(out, no_enclave, 32);
    put_zeros(out, 96);
    put_le(out, 2, 2); /* ISVPRODID of the quoting enclave for TDs */
    put_le(out, 1, 2); /* ISVSVN */
    put_zeros(out, 60);
    put(out, digest, sizeof(digest));
    put_zeros(out, 32);
}

static bool put_signature(GByteArray *out, const QgsKeys *keys, const GByteArray *head)
{
    uint8_t key[64], signature[64], auth[AUTH_DATA_SIZE];
    const char *chain = qgs_keys_chain(keys);
    g_autoptr(GByteArray) qe_report = g_byte_array_new();

    for (unsigned i = 0; i < sizeof(auth); i++) {
        auth[i] = (uint8_t)i;
    }
    qgs_keys_attestation_public(keys, key);
    put_qe_report(qe_report, key, auth);
    g_assert(qe_report->len == QE_REPORT_SIZE);
    if (!qgs_keys_sign(keys, QGS_ATTESTATION_KEY, head->data, head->len, signature)) {
        return false;
    }
    put(out, signature, sizeof(signature));
    put(out, key, sizeof(key));
    put_le(out, CERT_QE_REPORT, 2);
    put_le(out, QE_REPORT_SIZE + 64 + 2 + AUTH_DATA_SIZE + 6 + strlen(chain), 4);
    put(out, qe_report->data, qe_report->len);
    if (!qgs_keys_sign(keys, QGS_PCK_KEY, qe_report->data, qe_report->len, signature)) {
        return false;
    }
    put(out, signature, sizeof(signature));
    put_le(out, AUTH_DATA_SIZE, 2);
    put(out, auth, sizeof(auth));
    put_le(out, CERT_PCK_CHAIN, 2);
    put_le(out, strlen(chain), 4);
    put(out, chain, strlen(chain));
    return true;
}

GByteArray *qgs_quote(const QgsKeys *keys, const uint8_t *report, size_t size, const char **why)
{
    g_autoptr(GByteArray) quote = g_byte_array_new(), signature = g_byte_array_new();

    *why = check_report(report, size);
    if (*why) {
        return NULL;
    }
    put_head(quote, report);
    if (!put_signature(signature, keys, quote)) {
        *why = "it cannot be signed";
        return NULL;
    }
    put_le(quote, signature->len, 4);
    put(quote, signature->data, signature->len);
    return g_steal_pointer(&quote);
}
