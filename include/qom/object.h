/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects: what users make with -object and -device, and what the machine is made of. They have a
 * type, typed properties (qom/property.h) and a place in one tree of names.
 *
 * A type is constant data. Its instances are plain structures that begin with the parent's
 * structure:
 *
 *     typedef struct RngRandom { Rng parent; char *filename; } RngRandom;
 *     static const QomProperty rng_random_properties[] = {
 *         QOM_PROPERTY_STR("filename", RngRandom, filename, "/dev/urandom",
 *                          "where the bytes are read"),
 *         { NULL },
 *     };
 *     const QomType rng_random_type = {
 *         .name = "rng-random", .parent = &rng_type, .size = sizeof(RngRandom),
 *         .user_creatable = true, .properties = rng_random_properties,
 *         .complete = rng_random_complete, .finalize = rng_random_finalize,
 *     };
 *
 * A program's types are one constant array, put together by the program and reached through the
 * tree's root: nothing is registered at run time. A new type is added to that array
 * (system/types.c).
 *
 * Life: qom_object_new() gives defaults; properties are set; qom_object_complete() resolves links,
 * checks and takes effect; from then on only properties marked so can be set. References are
 * counted; the last one to go finalizes.
 *
 * Main loop thread only. Messages are QEMU's.
 */
#ifndef QOM_OBJECT_H
#define QOM_OBJECT_H

#include "qom/property.h"
#include "util/json.h"

struct QomType {
    const char *name;
    const QomType *parent;   /* NULL: of qom_object_type, and of it alone */
    const char *description; /* one line, for help; NULL = none */
    bool abstract;           /* no instances of its own */
    bool user_creatable;     /* by -object and object-add */
    size_t size;             /* of an instance; 0 = as the parent's */
    const QomProperty *properties; /* its own; the last has name NULL. NULL = none */
    /*
     * Properties made by rule (the features of a CPU): fills in the index-th, false after the last.
     * What it points to is constant. NULL = none.
     */
    bool (*generate)(const QomType *type, unsigned index, QomProperty *property);
    /* other defaults for inherited properties; the last has name NULL. NULL = none */
    const QomDefault *defaults;
    /*
     * Adds to *errp what to write in place of a name that is no property (one that other versions
     * had). text: the value given with it, or NULL. False: it knows nothing of the name, and the
     * nearest one is told. NULL = always so. Parents are asked after it.
     */
    bool (*explain_unknown)(const char *name, const char *text, GError **errp);
    /* why properties can't be set once complete; NULL = as the parent's */
    const char *fixed_because;
    /* operations that a base type defines (DeviceOps …); NULL = as the parent's */
    const void *ops;
    /* after the parent's; memory is zero, defaults not yet there */
    void (*init)(QomObject *object);
    /*
     * Do the properties go together? Right after the option or command that sets them; nothing
     * takes effect. After the parent's. NULL = yes.
     */
    bool (*check)(QomObject *object, GError **errp);
    bool (*complete)(QomObject *object, GError **errp);  /* after the parent's */
    /* object-del; NULL = as the parent's, at the root: yes */
    bool (*may_delete)(const QomObject *object);
    /* before the parent's; properties' storage is freed after all */
    void (*finalize)(QomObject *object);
};

struct QomObject {
    const QomType *type;
    QomObject *parent;     /* in the tree; NULL = stands nowhere, or the root */
    char *name;            /* under the parent */
    GPtrArray *children;   /* of QomObject, references; NULL = none */
    gatomicrefcount refs;
    bool completing, complete;
    unsigned users;        /* links that lead here from complete objects */
};

extern const QomType qom_object_type;    /* "object", abstract */
extern const QomType qom_container_type; /* "container": a place for others */

/* Types ---------------------------------------------------------------------------------------- */

typedef const QomType *const *QomTypes; /* a program's types, NULL terminated */

/* NULL: there is none of that name. */
const QomType *qom_type_find(QomTypes types, const char *name);
bool qom_type_is(const QomType *type, const QomType *ancestor);
bool qom_type_is_named(const QomType *type, const char *ancestor);
/* The nearest operations up the line of types; NULL = none. */
const void *qom_type_ops(const QomType *type);

/* Life ----------------------------------------------------------------------------------------- */

/* A new object with its defaults; one reference, the caller's. The type is not abstract. */
QomObject *qom_object_new(const QomType *type);
QomObject *qom_object_ref(QomObject *object);
/* NULL is fine. The last reference takes the children along. */
void qom_object_unref(QomObject *object);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QomObject, qom_object_unref)
/* Runs the types' check functions, the oldest ancestor's first. */
bool qom_object_check(QomObject *object, GError **errp);
/*
 * Resolves links and runs the types' complete functions, the oldest ancestor's first. Users'
 * objects that links lead to are made complete before; going round in a circle is an error. False:
 * *errp; the object is to be thrown away. Nothing happens to an object that is complete.
 */
bool qom_object_complete(QomObject *object, GError **errp);

static inline bool qom_is(const QomObject *object, const QomType *type)
{
    return object && qom_type_is(object->type, type);
}

/*
 * The structure of a type that the object is known to have; ends the program if it has not, which
 * is a mistake in it.
 */
#define QOM_CAST(Struct, type, object) ((Struct *)qom_object_cast((QomObject *)(object), (type)))
QomObject *qom_object_cast(QomObject *object, const QomType *type);

/* The tree (qom/tree.c) ------------------------------------------------------------------------ */

/*
 * A root of types "container", with its own empty container for each of the NULL-terminated names.
 * One reference.
 */
QomObject *qom_root_new(QomTypes types, const char *const *containers);
/* NULL: the object stands in no tree. */
QomObject *qom_object_root(QomObject *object);
QomTypes qom_object_types(const QomObject *object);
/*
 * The parent takes a reference. False: the name is taken ("attempt to add duplicate property …").
 */
bool qom_object_add_child(QomObject *parent, const char *name, QomObject *child, GError **errp);
/* As "NAME[N]" with the first free N. */
void qom_object_add_numbered_child(QomObject *parent, const char *name, QomObject *child);
/* Out of the tree; the tree's reference goes. */
void qom_object_unparent(QomObject *object);
/* NULL: no such child. Borrowed. */
QomObject *qom_object_child(const QomObject *parent, const char *name);
/* The container at /NAME/NAME…, made where it is missing. Borrowed. */
QomObject *qom_container_get(QomObject *root, const char *path);
/* "/objects/tdx0"; "" for an object that stands in no tree. Caller frees. */
char *qom_object_path(const QomObject *object);
/*
 * The object at an absolute path, or the only one whose path ends in a relative one. Links are
 * followed. NULL: "Device 'x' not found" (of the class that QMP calls DeviceNotFound), or that the
 * path is ambiguous.
 */
QomObject *qom_resolve(QomObject *root, const char *path, GError **errp);
#define QOM_ERROR (qom_error_quark())
GQuark qom_error_quark(void);
typedef enum QomErrorCode { QOM_NOT_FOUND } QomErrorCode;

/* Every object under the tree's object, itself first, parents before children. */
typedef void QomVisitFn(QomObject *object, void *opaque);
void qom_visit(QomObject *object, QomVisitFn *visit, void *opaque);

/* User-creatable objects (qom/user-creatable.c) ------------------------------------------------ */

/*
 * Letters, digits, '-', '.', '_', starting with a letter. False: "Parameter 'id' expects an
 * identifier", with the hint.
 */
bool qom_check_id(const char *id, GError **errp);
/*
 * -object and object-add: makes the object at /objects/ID and sets its properties. Not complete
 * yet, so that it may name objects that come later. Borrowed; NULL: *errp, and nothing is left.
 */
QomObject *qom_user_create(QomObject *root, const char *type, const char *id,
                           const QomSettings *settings, GError **errp);
/* object-del. False: there is none, or it is in use. */
bool qom_user_delete(QomObject *root, const char *id, GError **errp);

/* For people (qom/help.c); callers free -------------------------------------------------------- */

/* -object help: "List of user creatable objects:" and their names. */
char *qom_types_help(QomTypes types);
/* "TYPE options:" and a line for each property that users set. */
char *qom_type_help(const QomType *type);
/* info qom-tree: the objects below path's, indented, with their types. */
char *qom_tree_text(QomObject *object);

#endif
