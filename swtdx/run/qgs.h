/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A software quote generation service: what Intel's service and its enclave do with a TDREPORT,
 * with keys that are made when it starts and forgotten when it ends. Quotes have the real format
 * and prove nothing.
 */
#ifndef SWTDX_QGS_H
#define SWTDX_QGS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Keys and certificates of one run. Read only once made: any thread. */
typedef struct QgsKeys QgsKeys;
/* Attestation key, PCK key, and the chain PCK <- Platform CA <- root. */
QgsKeys *qgs_keys_new(GError **error);
void qgs_keys_free(QgsKeys *keys); /* NULL is fine */
const char *qgs_keys_chain(const QgsKeys *keys); /* PEM: PCK, CA, root */
const char *qgs_keys_root(const QgsKeys *keys);  /* PEM */
void qgs_keys_attestation_public(const QgsKeys *keys, uint8_t key[64]); /* X and Y, big-endian */
typedef enum QgsSigner { QGS_ATTESTATION_KEY, QGS_PCK_KEY } QgsSigner;
/* ECDSA over SHA-256 of the data: r and s, big-endian. */
bool qgs_keys_sign(const QgsKeys *keys, QgsSigner signer, const uint8_t *data, size_t size,
                   uint8_t signature[64]);

/*
 * The quote for a report, after the checks that the real quoting enclave does: length, version,
 * reserved bytes, MAC, hashes. NULL: *why (static text) says which failed. Caller unrefs.
 */
GByteArray *qgs_quote(const QgsKeys *keys, const uint8_t *report, size_t size, const char **why);

/* swtdx qgs: serves until it is ended by a signal. Returns the exit status. */
int command_qgs(char **argv);

#endif
