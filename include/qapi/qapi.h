/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A schema's types as data, and the check of a JSON value against one. qapi-types.h, generated from
 * the files of qapi/, declares this program's types, events and commands.
 */
#ifndef QAPI_QAPI_H
#define QAPI_QAPI_H

#include "util/json.h"

typedef enum QapiKind {
    QAPI_ANY, QAPI_NULL, QAPI_BOOL, QAPI_INT, QAPI_NUMBER, QAPI_STR, QAPI_ENUM, QAPI_ARRAY,
    QAPI_OBJECT,
} QapiKind;

typedef struct QapiType QapiType;

typedef struct QapiMember {
    const char *name; /* NULL ends a list */
    const QapiType *type;
    bool optional;
} QapiMember;

typedef struct QapiVariant {
    const char *value; /* NULL ends a list */
    const QapiType *type;
} QapiVariant;

struct QapiType {
    QapiKind kind;
    const char *name;                   /* of an integer type, for messages */
    int64_t min;                        /* QAPI_INT */
    uint64_t max;
    const char *const *values;          /* QAPI_ENUM, NULL terminated */
    const QapiType *element;            /* QAPI_ARRAY */
    const QapiMember *members;          /* QAPI_OBJECT */
    const char *tag;                    /* the member that chooses a variant, or NULL */
    const QapiVariant *variants;
};

typedef struct QapiEvent {
    const char *name;
    const QapiType *data; /* NULL: none */
} QapiEvent;

typedef struct QapiContext
    QapiContext; /* what handlers work on; the owner of the handlers defines it */

/*
 * A command's handler. arguments: checked, an object. *result: NULL on entry; a new value of the
 * type that the command returns; NULL stands for {}. False: *errp.
 */
typedef bool QapiCommandFn(QapiContext *context, JsonValue *arguments, JsonValue **result,
                           GError **errp);

typedef struct QapiCommand {
    const char *name;
    const QapiType *const *arguments, *const *returns; /* each may point to NULL: none */
    QapiCommandFn *run;
    bool allow_oob; /* may overtake commands that wait */
} QapiCommand;

/* NULL terminated: one JSON object in each string, as query-qmp-schema answers them. */
extern const char *const qapi_schema[];

/*
 * Is the value one of the type? type NULL: an object without members. name: of what is checked, for
 * messages, or NULL for the arguments themselves. False: "Parameter 'x' is missing", "Invalid
 * parameter type for 'x', expected: string" …
 */
bool qapi_check(const QapiType *type, JsonValue *value, const char *name, GError **errp);

/*
 * The type whose members the tag of an object chooses beside those of `type`; NULL: none, or it has
 * no members of its own.
 */
const QapiType *qapi_variant(const QapiType *type, JsonValue *value);

/*
 * Strings of keyval_to_json() to what the schema says they are: numbers, sizes with suffixes,
 * booleans, members of the variant that the tag chooses. A SocketAddress may stand in its short
 * text form, "unix:PATH". Only what cannot be read is an error here: qapi_check() does the rest.
 * name: of the value, for messages, or NULL. NULL: "Parameter 'x' expects …". Caller puts.
 */
JsonValue *qapi_from_keyval(const QapiType *type, JsonValue *text, const char *name, GError **errp);

#endif
