/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Throw-away keys and certificates for quotes. Names and the SGX extension are what verifiers look
 * for (Intel SGX PCK Certificate and CRL Profile Specification); the organisation's name says what
 * the certificates are worth.
 */
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "qgs.h"
#include "run.h"

#define ORGANISATION "swtdx: software TDX host, no security"
#define DAY (24 * 60 * 60)

/* The SGX extension, 1.2.840.113741.1.13.1, and its parts, one number more. */
#define SGX_OID "1.2.840.113741.1.13.1"
static const uint8_t sgx_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

struct QgsKeys {
    gnutls_privkey_t attestation, pck;
    uint8_t attestation_public[64];
    char *chain, *root;
};

/* DER ------------------------------------------------------------------------------------------ */

enum { DER_INTEGER = 2, DER_OCTETS = 4, DER_OID = 6, DER_ENUMERATED = 10, DER_SEQUENCE = 0x30 };

/* Lengths here stay below 64 KiB. */
static void der_put(GByteArray *out, uint8_t tag, const uint8_t *data, size_t size)
{
    uint8_t head[4] = { tag, (uint8_t)size };
    guint n = 2;

    if (size >= 0x80) {
        head[1] = size < 0x100 ? 0x81 : 0x82;
        head[2] = size < 0x100 ? (uint8_t)size : (uint8_t)(size >> 8);
        head[3] = (uint8_t)size;
        n = size < 0x100 ? 3 : 4;
    }
    g_byte_array_append(out, head, n);
    g_byte_array_append(out, data, (guint)size);
}

/* SEQUENCE { OID sgx_oid.a[.b], value }; b 0: none. */
static void der_put_member(GByteArray *out, uint8_t a, uint8_t b, uint8_t tag, const uint8_t *data,
                           size_t size)
{
    uint8_t oid[sizeof(sgx_oid) + 2];
    g_autoptr(GByteArray) member = g_byte_array_new();

    memcpy(oid, sgx_oid, sizeof(sgx_oid));
    oid[sizeof(sgx_oid)] = a;
    oid[sizeof(sgx_oid) + 1] = b;
    der_put(member, DER_OID, oid, sizeof(sgx_oid) + (b ? 2 : 1));
    der_put(member, tag, data, size);
    der_put(out, DER_SEQUENCE, member->data, member->len);
}

static GByteArray *sgx_extension(void)
{
    static const uint8_t zeros[16], one[] = { 1 }, svn[16] = { 1 },
    fmspc[6] = { 's', 'w', 't', 'd', 'x', 0 };
    g_autoptr(GByteArray) all = g_byte_array_new(), tcb = g_byte_array_new();
    GByteArray *extension = g_byte_array_new();

    for (uint8_t i = 1; i <= 16; i++) {
        der_put_member(tcb, 2, i, DER_INTEGER, i == 1 ? one : zeros, 1);
    }
    der_put_member(tcb, 2, 17, DER_INTEGER, one, 1); /* PCESVN */
    der_put_member(tcb, 2, 18, DER_OCTETS, svn, sizeof(svn));
    der_put_member(all, 1, 0, DER_OCTETS, zeros, 16); /* PPID */
    der_put_member(all, 2, 0, DER_SEQUENCE, tcb->data, tcb->len);
    der_put_member(all, 3, 0, DER_OCTETS, zeros, 2);  /* PCEID */
    der_put_member(all, 4, 0, DER_OCTETS, fmspc, sizeof(fmspc));
    der_put_member(all, 5, 0, DER_ENUMERATED, zeros, 1); /* SGX type: standard */
    der_put_member(all, 6, 0, DER_OCTETS, zeros, 16); /* platform instance */
    der_put(extension, DER_SEQUENCE, all->data, all->len);
    return extension;
}

/* Keys and certificates ------------------------------------------------------------------------ */

static int new_key(gnutls_x509_privkey_t *key)
{
    int r = gnutls_x509_privkey_init(key);

    return r < 0
               ? r
               : gnutls_x509_privkey_generate(*key, GNUTLS_PK_ECDSA,
                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
}

static int fill_certificate(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *name,
                            uint8_t serial, bool is_ca)
{
    time_t now = time(NULL);
    uint8_t id[20];
    size_t size = sizeof(id);
    int r = gnutls_x509_crt_set_version(crt, 3);

    r = r < 0 ? r : gnutls_x509_crt_set_serial(crt, &serial, 1);
    r = r < 0 ? r : gnutls_x509_crt_set_activation_time(crt, now - DAY);
    r = r < 0 ? r : gnutls_x509_crt_set_expiration_time(crt, now + 365 * DAY);
    r = r < 0 ? r
              : gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                              (unsigned)strlen(name));
    r = r < 0 ? r
              : gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0,
                                              ORGANISATION, strlen(ORGANISATION));
    r = r < 0 ? r : gnutls_x509_crt_set_key(crt, key);
    r = r < 0 ? r : gnutls_x509_crt_set_basic_constraints(crt, is_ca, -1);
    r = r < 0 ? r
              : gnutls_x509_crt_set_key_usage(crt,
                                              is_ca ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
                                                    : GNUTLS_KEY_DIGITAL_SIGNATURE |
                                                          GNUTLS_KEY_NON_REPUDIATION);
    r = r < 0 ? r : gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &size);
    return r < 0 ? r : gnutls_x509_crt_set_subject_key_id(crt, id, size);
}

/*
 * A certificate of the key, signed by the issuer (NULL: by itself). Returns its PEM text; NULL: *r
 * is the error.
 */
static char *certify(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *name,
                     uint8_t serial, bool is_ca, gnutls_x509_crt_t issuer,
                     gnutls_x509_privkey_t issuer_key, int *r)
{
    uint8_t id[20];
    size_t size = sizeof(id);
    gnutls_datum_t pem = { NULL, 0 };

    *r = fill_certificate(crt, key, name, serial, is_ca);
    if (*r >= 0 && !is_ca) {
        g_autoptr(GByteArray) extension = sgx_extension();
        *r = gnutls_x509_crt_set_extension_by_oid(crt, SGX_OID, extension->data, extension->len, 0);
    }
    issuer = issuer ? issuer : crt;
    *r = *r < 0 ? *r : gnutls_x509_crt_get_key_id(issuer, GNUTLS_KEYID_USE_SHA1, id, &size);
    *r = *r < 0 ? *r : gnutls_x509_crt_set_authority_key_id(crt, id, size);
    *r = *r < 0 ? *r : gnutls_x509_crt_sign2(crt, issuer, issuer_key, GNUTLS_DIG_SHA256, 0);
    *r = *r < 0 ? *r : gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
    char *text = *r < 0 ? NULL : g_strndup((const char *)pem.data, pem.size);
    gnutls_free(pem.data);
    return text;
}

static int make_chain(QgsKeys *keys, gnutls_x509_privkey_t pck)
{
    gnutls_x509_privkey_t root_key = NULL, ca_key = NULL;
    gnutls_x509_crt_t root = NULL, ca = NULL, leaf = NULL;
    g_autofree char *ca_pem = NULL, *leaf_pem = NULL;
    int r = new_key(&root_key);

    r = r < 0 ? r : new_key(&ca_key);
    r = r < 0 ? r : gnutls_x509_crt_init(&root);
    r = r < 0 ? r : gnutls_x509_crt_init(&ca);
    r = r < 0 ? r : gnutls_x509_crt_init(&leaf);
    if (r >= 0 &&
        (keys->root = certify(root, root_key, "Intel SGX Root CA", 1, true, NULL, root_key, &r)) &&
        (ca_pem = certify(ca, ca_key, "Intel SGX PCK Platform CA", 2, true, root, root_key, &r)) &&
        (leaf_pem = certify(leaf, pck, "Intel SGX PCK Certificate", 3, false, ca, ca_key, &r))) {
        keys->chain = g_strconcat(leaf_pem, ca_pem, keys->root, NULL);
    }
    gnutls_x509_crt_deinit(root);
    gnutls_x509_crt_deinit(ca);
    gnutls_x509_crt_deinit(leaf);
    gnutls_x509_privkey_deinit(root_key);
    gnutls_x509_privkey_deinit(ca_key);
    return r;
}

/* A number's last bytes, right-aligned. */
static void put_number(uint8_t out[32], const gnutls_datum_t *number)
{
    size_t skip = number->size > 32 ? number->size - 32 : 0, size = number->size - skip;

    memset(out, 0, 32);
    memcpy(out + 32 - size, number->data + skip, size);
}

static int export_public(QgsKeys *keys)
{
    gnutls_pubkey_t key;
    gnutls_ecc_curve_t curve;
    gnutls_datum_t x = { NULL, 0 }, y = { NULL, 0 };
    int r = gnutls_pubkey_init(&key);

    if (r < 0) {
        return r;
    }
    r = gnutls_pubkey_import_privkey(key, keys->attestation, 0, 0);
    r = r < 0 ? r : gnutls_pubkey_export_ecc_raw(key, &curve, &x, &y);
    if (r >= 0) {
        put_number(keys->attestation_public, &x);
        put_number(keys->attestation_public + 32, &y);
    }
    gnutls_free(x.data);
    gnutls_free(y.data);
    gnutls_pubkey_deinit(key);
    return r;
}

QgsKeys *qgs_keys_new(GError **error)
{
    QgsKeys *keys = g_new0(QgsKeys, 1);
    gnutls_x509_privkey_t attestation = NULL, pck = NULL;
    int r = gnutls_privkey_init(&keys->attestation);

    r = r < 0 ? r : gnutls_privkey_init(&keys->pck);
    r = r < 0 ? r : new_key(&attestation);
    r = r < 0 ? r : new_key(&pck);
    r = r < 0 ? r : make_chain(keys, pck);
    r = r < 0 ? r
              : gnutls_privkey_import_x509(keys->attestation, attestation,
                                           GNUTLS_PRIVKEY_IMPORT_COPY);
    r = r < 0 ? r : gnutls_privkey_import_x509(keys->pck, pck, GNUTLS_PRIVKEY_IMPORT_COPY);
    r = r < 0 ? r : export_public(keys);
    gnutls_x509_privkey_deinit(attestation);
    gnutls_x509_privkey_deinit(pck);
    if (r < 0) {
        g_set_error(error, RUN_ERROR, 0, "cannot make keys: %s", gnutls_strerror(r));
        qgs_keys_free(keys);
        return NULL;
    }
    return keys;
}

void qgs_keys_free(QgsKeys *keys)
{
    if (!keys) {
        return;
    }
    gnutls_privkey_deinit(keys->attestation);
    gnutls_privkey_deinit(keys->pck);
    g_free(keys->chain);
    g_free(keys->root);
    g_free(keys);
}

const char *qgs_keys_chain(const QgsKeys *keys)
{
    return keys->chain;
}

const char *qgs_keys_root(const QgsKeys *keys)
{
    return keys->root;
}

void qgs_keys_attestation_public(const QgsKeys *keys, uint8_t key[64])
{
    memcpy(key, keys->attestation_public, 64);
}

bool qgs_keys_sign(const QgsKeys *keys, QgsSigner signer, const uint8_t *data, size_t size,
                   uint8_t signature[64])
{
    const gnutls_datum_t input = { (unsigned char *)data, (unsigned)size };
    gnutls_datum_t der = { NULL, 0 }, r = { NULL, 0 }, s = { NULL, 0 };
    gnutls_privkey_t key = signer == QGS_PCK_KEY ? keys->pck : keys->attestation;
    bool ok = gnutls_privkey_sign_data2(key, GNUTLS_SIGN_ECDSA_SHA256, 0, &input, &der) >= 0 &&
              gnutls_decode_rs_value(&der, &r, &s) >= 0;

    if (ok) {
        put_number(signature, &r);
        put_number(signature + 32, &s);
    }
    gnutls_free(der.data);
    gnutls_free(r.data);
    gnutls_free(s.data);
    return ok;
}
