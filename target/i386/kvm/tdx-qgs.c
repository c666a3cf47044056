/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Framing of requests to the quote generation service, and what its replies say. */
#include "target/i386/kvm/tdx-qgs.h"

#include <string.h>

#include "util/error.h"

#define QGS_MAJOR 1
#define QGS_MINOR 1

/* The message's header, and the fields of a reply with a quote */
enum { AT_MAJOR = 0, AT_MINOR = 2, AT_TYPE = 4, AT_SIZE = 8, AT_ERROR = 12, AT_ID_SIZE = 16,
       AT_QUOTE_SIZE = 20 };

static const char *const error_names[] = {
    "QGS_MSG_ERROR_UNEXPECTED", "QGS_MSG_ERROR_OUT_OF_MEMORY", "QGS_MSG_ERROR_INVALID_PARAMETER",
    "QGS_MSG_ERROR_INVALID_VERSION", "QGS_MSG_ERROR_INVALID_TYPE", "QGS_MSG_ERROR_INVALID_SIZE",
    "QGS_MSG_ERROR_INVALID_CODE",
};
#define FIRST_ERROR 0x12001u

/* "QGS_MSG_ERROR_UNEXPECTED", or NULL for a number that is none of the service's. */
static const char *qgs_error_name(uint32_t code)
{
    return code >= FIRST_ERROR && code - FIRST_ERROR < G_N_ELEMENTS(error_names)
               ? error_names[code - FIRST_ERROR]
               : NULL;
}

uint8_t *qgs_quote_request(Bytes report, size_t *size)
{
    size_t message = QGS_REPLY_HEADER_SIZE + report.size;
    uint8_t *request = g_malloc0(QGS_PREFIX_SIZE + message);
    uint8_t *m = request + QGS_PREFIX_SIZE;

    store_be32(request, (uint32_t)message);
    store_le16(m + AT_MAJOR, QGS_MAJOR);
    store_le16(m + AT_MINOR, QGS_MINOR);
    store_le32(m + AT_TYPE, QGS_GET_QUOTE_REQ);
    store_le32(m + AT_SIZE, (uint32_t)message);
    /* and a list of key ids of size 0: the service chooses */
    store_le32(m + 16, (uint32_t)report.size);
    if (report.size) {
        memcpy(m + QGS_REPLY_HEADER_SIZE, report.data, report.size);
    }
    *size = QGS_PREFIX_SIZE + message;
    return request;
}

bool qgs_is_framed(Bytes data)
{
    Bytes message;
    uint16_t major = 0;
    uint32_t type = 0;

    return data.size != QGS_REPORT_SIZE &&
           bytes_slice(data, QGS_PREFIX_SIZE, QGS_HEADER_SIZE, &message) &&
           load_be32(data.data) == data.size - QGS_PREFIX_SIZE &&
           bytes_u16(message, AT_MAJOR, &major) && major == QGS_MAJOR &&
           bytes_u32(message, AT_TYPE, &type) &&
           (type == QGS_GET_QUOTE_REQ || type == QGS_GET_COLLATERAL_REQ ||
            type == QGS_GET_PLATFORM_INFO_REQ);
}

bool qgs_reply_size(const uint8_t prefix[QGS_PREFIX_SIZE], size_t max, uint32_t *size,
                    GError **errp)
{
    *size = load_be32(prefix);
    if (*size < QGS_HEADER_SIZE) {
        return error_set(errp,
                         "malformed answer: it announces %u bytes, and its header alone has %d",
                         *size, QGS_HEADER_SIZE);
    }
    if (*size > max) {
        error_set(
            errp,
            "the answer of %u bytes is too large for the guest's buffer, which has room for %zu",
            *size, max);
        error_hint(errp, "The guest chooses the buffer: Linux 7.0 and later give 128 KiB, earlier "
                         "ones 8 KiB");
        return false;
    }
    return true;
}

static bool reported_error(uint32_t code, GError **errp)
{
    const char *name = qgs_error_name(code);

    error_set(errp, "the service answered error 0x%x%s%s", code, name ? " " : "",
              name ? name : " (a number it does not document)");
    error_hint(errp, "The cause stands in the service's log only: journalctl -u qgsd (often: the "
                     "platform is not registered, its PCK certificate cache is unreachable, or the "
                     "report is not of this host)");
    return false;
}

bool qgs_quote_in_reply(Bytes reply, Bytes *quote, GError **errp)
{
    uint16_t major, minor;
    uint32_t type, size, error, id_size, quote_size;

    if (!bytes_u16(reply, AT_MAJOR, &major) || !bytes_u16(reply, AT_MINOR, &minor) ||
        !bytes_u32(reply, AT_TYPE, &type) || !bytes_u32(reply, AT_SIZE, &size) ||
        !bytes_u32(reply, AT_ERROR, &error)) {
        return error_set(errp, "malformed answer: %zu bytes are less than its header", reply.size);
    }
    if (major != QGS_MAJOR) { /* any minor version of it has these fields */
        return error_set(errp, "malformed answer: version %u.%u, expected %d.%d", major, minor,
                         QGS_MAJOR, QGS_MINOR);
    }
    if (type != QGS_GET_QUOTE_RESP) {
        return error_set(errp, "malformed answer: message type %u, expected %d", type,
                         QGS_GET_QUOTE_RESP);
    }
    if (size != reply.size) {
        return error_set(errp, "malformed answer: its header says %u bytes, its frame %zu", size,
                         reply.size);
    }
    if (error) {
        return reported_error(error, errp);
    }
    if (!bytes_u32(reply, AT_ID_SIZE, &id_size) || !bytes_u32(reply, AT_QUOTE_SIZE, &quote_size)) {
        return error_set(errp, "malformed answer: %zu bytes hold no quote", reply.size);
    }
    if (id_size != 0) {
        return error_set(errp,
                         "malformed answer: it selects a key id of %u bytes, and none was offered",
                         id_size);
    }
    if (quote_size == 0) {
        return error_set(errp, "malformed answer: success, and an empty quote");
    }
    if (quote_size != reply.size - QGS_REPLY_HEADER_SIZE) {
        return error_set(errp, "malformed answer: a quote of %u bytes, where %zu bytes follow",
                         quote_size, reply.size - QGS_REPLY_HEADER_SIZE);
    }
    return bytes_slice(reply, QGS_REPLY_HEADER_SIZE, quote_size, quote);
}
