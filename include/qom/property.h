/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Typed properties of objects. A property is constant data: its kind says which JSON values and
 * which texts it takes and how the instance stores it. Values are set from JSON (strict about
 * types, as QMP and JSON options are) or from text (key=value options); both end in the same
 * setter.
 */
#ifndef QOM_PROPERTY_H
#define QOM_PROPERTY_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qapi/qapi.h"
#include "util/json.h"
#include "util/keyval.h"

typedef struct QomType QomType;
typedef struct QomObject QomObject;
typedef struct QomProperty QomProperty;

typedef enum QomKind {
    QOM_BOOL,      /* bool */
    QOM_UINT8, QOM_UINT16, QOM_UINT32, QOM_UINT64, /* uintN_t; text in decimal or 0x hexadecimal */
    QOM_INT32, QOM_INT64, /* intN_t */
    QOM_SIZE,      /* uint64_t; text may have a suffix */
    QOM_STR,       /* char *; NULL = not set, reads as "" */
    QOM_ENUM,      /* int: index into `values` */
    QOM_ON_OFF_AUTO, /* QomOnOffAuto */
    QOM_MAC,       /* uint8_t[6]; all zero = not set */
    QOM_PCI_ADDR,  /* int32_t: device << 3 | function; -1 = chosen by the bus */
    QOM_LINK,      /* QomLink */
    QOM_QAPI,      /* JsonValue *, checked against `qapi`; NULL = not set */
} QomKind;

/* In this order the values of QOM_ON_OFF_AUTO: zeroed memory is auto. */
typedef enum QomOnOffAuto { QOM_AUTO, QOM_ON, QOM_OFF } QomOnOffAuto;

/* A reference to another object by its name. */
typedef struct QomLink {
    char *name;        /* as given: an id or a path; NULL = not set */
    /* a reference, from qom_object_complete() on; NULL before and when not set */
    QomObject *target;
} QomLink;

enum {
    QOM_READ_ONLY = 1,   /* users can't set it */
    QOM_RUNTIME = 2,     /* settable after the object is complete */
    /* complete fails without it: "Parameter 'x' is missing" (str, link, QAPI) */
    QOM_REQUIRED = 4,
    QOM_HIDDEN = 8,      /* in no help text */
};

struct QomProperty {
    const char *name;        /* NULL ends a table */
    const char *description; /* for help; NULL = none */
    const char *default_text; /* what an instance starts with, as text; NULL = zero, or not set */
    /* what help tells where the instance has no default to be given; NULL = default_text */
    const char *default_help;
    const char *type_name;   /* as qom-list shows it; NULL = after the kind */
    const char *const *values; /* QOM_ENUM: NULL terminated */
    const QomType *link_type;  /* QOM_LINK: what the target must be */
    const char *link_in;       /* QOM_LINK: path of the container whose names count, "/objects" */
    const QapiType *qapi;      /* QOM_QAPI */
    /*
     * In place of storing at `offset`. The value has been checked to be of the kind; borrowed.
     * False: *errp.
     */
    bool (*set)(QomObject *object, const QomProperty *property, JsonValue *value, GError **errp);
    /*
     * In place of reading at `offset`: a new value. *result is NULL (JSON's null) on entry. False:
     * *errp.
     */
    bool (*get)(QomObject *object, const QomProperty *property, JsonValue **result, GError **errp);
    /* In place of the kind's own reading of text: a new value. False: *errp. */
    bool (*parse)(const QomProperty *property, const char *text, JsonValue **value, GError **errp);
    const void *argument;      /* for set and get */
    size_t offset;             /* in the instance */
    QomKind kind;
    unsigned flags;
};

/* Another default than the inherited property's own. */
typedef struct QomDefault {
    const char *property, *text;
} QomDefault;

/*
 * Rows of tables: name, structure, field, default (text; NULL = zero or not set), description. More
 * fields may follow as .x = y.
 */
#define QOM_PROPERTY(kind_, type_check, name_, Struct, field, default_, description_, ...)         \
    { .name = (name_), .kind = (kind_), .default_text = (default_), .description = (description_), \
      .offset = offsetof(Struct, field) + 0 * sizeof((type_check *)0 == &((Struct *)0)->field),    \
      ##__VA_ARGS__ }
#define QOM_PROPERTY_BOOL(name, S, f, d, t, ...) \
    QOM_PROPERTY(QOM_BOOL, bool, name, S, f, d, t, ##__VA_ARGS__)
#define QOM_PROPERTY_UINT8(name, S, f, d, t, ...) \
    QOM_PROPERTY(QOM_UINT8, uint8_t, name, S, f, d, t, ##__VA_ARGS__)
#define QOM_PROPERTY_UINT16(name, S, f, d, t, ...) \
    QOM_PROPERTY(QOM_UINT16, uint16_t, name, S, f, d, t, ##__VA_ARGS__)
#define QOM_PROPERTY_UINT32(name, S, f, d, t, ...) \
    QOM_PROPERTY(QOM_UINT32, uint32_t, name, S, f, d, t, ##__VA_ARGS__)
#define QOM_PROPERTY_UINT64(name, S, f, d, t, ...) \
    QOM_PROPERTY(QOM_UINT64, uint64_t, name, S, f, d, t, ##__VA_ARGS__)
#define QOM_PROPERTY_INT32(name, S, f, d, t, ...) \
    QOM_PROPERTY(QOM_INT32, int32_t, name, S, f, d, t, ##__VA_ARGS__)
#define QOM_PROPERTY_INT64(name, S, f, d, t, ...) \
    QOM_PROPERTY(QOM_INT64, int64_t, name, S, f, d, t, ##__VA_ARGS__)
#define QOM_PROPERTY_SIZE(name, S, f, d, t, ...) \
    QOM_PROPERTY(QOM_SIZE, uint64_t, name, S, f, d, t, ##__VA_ARGS__)
#define QOM_PROPERTY_STR(name, S, f, d, t, ...) \
    QOM_PROPERTY(QOM_STR, char *, name, S, f, d, t, ##__VA_ARGS__)
#define QOM_PROPERTY_ENUM(name, S, f, values_, d, t, ...) \
    QOM_PROPERTY(QOM_ENUM, int, name, S, f, d, t, .values = (values_), ##__VA_ARGS__)
#define QOM_PROPERTY_ON_OFF_AUTO(name, S, f, d, t, ...) \
    QOM_PROPERTY(QOM_ON_OFF_AUTO, QomOnOffAuto, name, S, f, d, t, ##__VA_ARGS__)
#define QOM_PROPERTY_MAC(name_, S, f, t, ...)                                         \
    { .name = (name_), .kind = QOM_MAC, .description = (t), .offset = offsetof(S, f), \
      ##__VA_ARGS__ }
#define QOM_PROPERTY_PCI_ADDR(name, S, f, t, ...) \
    QOM_PROPERTY(QOM_PCI_ADDR, int32_t, name, S, f, "-1", t, ##__VA_ARGS__)
/* link_type_: address of a QomType; in: "/objects", "/chardevs", … */
#define QOM_PROPERTY_LINK(name, S, f, link_type_, in, t, ...)                       \
    QOM_PROPERTY(QOM_LINK, QomLink, name, S, f, NULL, t, .link_type = (link_type_), \
                 .link_in = (in), ##__VA_ARGS__)
/* qapi_: address of a QapiType, such as &qapi_SocketAddress; shown: its name. */
#define QOM_PROPERTY_QAPI(name, S, f, qapi_, shown, t, ...)                   \
    QOM_PROPERTY(QOM_QAPI, JsonValue *, name, S, f, NULL, t, .qapi = (qapi_), \
                 .type_name = (shown), ##__VA_ARGS__)

/* The index-th property of a type: its ancestors' first. False after the last. */
bool qom_type_property(const QomType *type, unsigned index, QomProperty *property);
/* False: there is none of that name. */
bool qom_type_find_property(const QomType *type, const char *name, QomProperty *property);
/* As qom-list shows it: "bool", "link<memory-backend>" … Caller frees. */
char *qom_property_type_name(const QomProperty *property);
/* The default as a JSON value; NULL: none is told. A new value. */
JsonValue *qom_property_default(const QomType *type, const QomProperty *property);

/*
 * Setting and reading. Errors: "Property 'TYPE.NAME' not found" with the nearest name, "Invalid
 * parameter type for 'NAME', expected: …", "Parameter 'NAME' expects …", a reason why it can't be
 * set any more. After an error the old value stands.
 */
bool qom_property_set(QomObject *object, const char *name, JsonValue *value, GError **errp);
bool qom_property_set_text(QomObject *object, const char *name, const char *text, GError **errp);
bool qom_property_get(QomObject *object, const char *name, JsonValue **result, GError **errp);
/*
 * The JSON value that a text stands for; a new value. QOM_QAPI: JSON in braces or brackets, else as
 * qapi_from_keyval() reads it. False: *errp.
 */
bool qom_property_parse(const QomProperty *property, const char *text, JsonValue **value,
                        GError **errp);
/* Checks and stores at the property's offset, for set functions that only check more. */
bool qom_property_store(QomObject *object, const QomProperty *property, JsonValue *value,
                        GError **errp);
/* Properties as an option or a command gives them: one of both. */
typedef struct QomSettings {
    JsonValue *json;      /* an object */
    const KeyVal *keyval;
    /* names that are no properties ("id", "qom-type"), NULL terminated; NULL = none */
    const char *const *skip;
    /* what an unknown name is told: QEMU has one text for objects and one for devices */
    bool is_device;
} QomSettings;
/*
 * All of them, in the order given; dotted keys lead into properties of a schema's type. False:
 * *errp; those before the bad one are set.
 */
bool qom_set_all(QomObject *object, const QomSettings *settings, GError **errp);
/* A value as people read it in `info qtree` and help. Caller frees. */
char *qom_value_text(JsonValue *value);

/*
 * A complete object's link leads to another target from now on; NULL: to none. Its name is the
 * target's.
 */
void qom_link_set(QomLink *link, QomObject *target);

/* Where an instance keeps a property. */
static inline void *qom_property_field(QomObject *object, const QomProperty *property)
{
    return (char *)object + property->offset;
}

#endif
