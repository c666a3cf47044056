/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host memory for RAM: mapping, NUMA policy, preallocation. */
#include "backends/memory-backend.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/error.h"
#include "util/units.h"

#define MAX_NODES 128
/* So that the host can use its large pages. */
#define MAPPING_ALIGNMENT (2 * MiB)

static const char *const policies[] = { "default", "preferred", "bind", "interleave", NULL };
static const int policy_modes[] = { MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE };

static const QapiType node_type = { .kind = QAPI_INT, .name = "uint16", .max = UINT16_MAX };
static const QapiType nodes_type = { .kind = QAPI_ARRAY, .element = &node_type };

static void backend_init(QomObject *object)
{
    MemoryBackend *backend = (MemoryBackend *)object;

    backend->fd = -1;
    backend->host_nodes = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    backend->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
}

static void backend_finalize(QomObject *object)
{
    MemoryBackend *backend = (MemoryBackend *)object;

    if (backend->host) {
        munmap(backend->host, backend->mapped);
    }
    if (backend->fd >= 0) {
        close(backend->fd);
    }
    g_array_unref(backend->host_nodes);
}

/* Properties ----------------------------------------------------------------------------------- */

static bool set_size(QomObject *object, const QomProperty *property, JsonValue *value,
                     GError **errp)
{
    uint64_t size = 0;

    if (!json_value_u64(value, &size) || !size) {
        return error_set(errp, "property '%s' of %s doesn't take value '0'", property->name,
                         object->type->name);
    }
    return qom_property_store(object, property, value, errp);
}

/* A switch for which not given is a third state. */
static bool set_switch(QomObject *object, const QomProperty *property, JsonValue *value,
                       GError **errp)
{
    *(QomOnOffAuto *)qom_property_field(object, property) = json_object_get_boolean(value)
                                                                ? QOM_ON
                                                                : QOM_OFF;
    return true;
}

static bool get_switch(QomObject *object, const QomProperty *property, JsonValue **result,
                       GError **errp)
{
    *result = json_object_new_boolean(*(QomOnOffAuto *)qom_property_field(object, property) !=
                                      QOM_OFF);
    return true;
}

static int compare_nodes(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static bool set_nodes(QomObject *object, const QomProperty *property, JsonValue *value,
                      GError **errp)
{
    g_autoptr(GArray) nodes = g_array_new(FALSE, FALSE, sizeof(uint16_t));

    for (size_t i = 0; i < json_object_array_length(value); i++) {
        uint16_t node = (uint16_t)json_object_get_int(json_object_array_get_idx(value, i));
        if (node >= MAX_NODES) {
            return error_set(errp, "Invalid host-nodes value: %u; nodes go up to %d", node,
                             MAX_NODES - 1);
        }
        g_array_append_val(nodes, node);
    }
    g_array_sort(nodes, compare_nodes);
    g_array_set_size(((MemoryBackend *)object)->host_nodes, 0);
    if (nodes->len) {
        g_array_append_vals(((MemoryBackend *)object)->host_nodes, nodes->data, nodes->len);
    }
    return true;
}

static bool get_nodes(QomObject *object, const QomProperty *property, JsonValue **result,
                      GError **errp)
{
    const GArray *nodes = ((MemoryBackend *)object)->host_nodes;

    *result = json_object_new_array();
    for (unsigned i = 0; i < nodes->len; i++) {
        json_object_array_add(*result, json_object_new_int(g_array_index(nodes, uint16_t, i)));
    }
    return true;
}

/* "0", "0-3". */
static bool parse_nodes(const QomProperty *property, const char *text, JsonValue **value,
                        GError **errp)
{
    g_auto(GStrv) bounds = g_strsplit(text, "-", 2);
    guint64 first, last;

    if (!bounds[0] || !g_ascii_string_to_unsigned(bounds[0], 10, 0, MAX_NODES - 1, &first, NULL) ||
        !g_ascii_string_to_unsigned(bounds[1] ? bounds[1] : bounds[0], 10, first, MAX_NODES - 1,
                                    &last, NULL)) {
        return error_set(
            errp, "Parameter '%s' expects a NUMA node or a range of them, such as 0-1, not '%s'",
            property->name, text);
    }
    *value = json_object_new_array();
    for (; first <= last; first++) {
        json_object_array_add(*value, json_object_new_int((int)first));
    }
    return true;
}

static bool set_threads(QomObject *object, const QomProperty *property, JsonValue *value,
                        GError **errp)
{
    if (!json_object_get_int64(value)) {
        return error_set(errp, "Parameter '%s' expects a number from 1", property->name);
    }
    return qom_property_store(object, property, value, errp);
}

#define SWITCH(name_, field, description_)                                         \
    { .name = (name_), .kind = QOM_BOOL, .offset = offsetof(MemoryBackend, field), \
      .set = set_switch, .get = get_switch,                                        \
      .description = (description_), .default_help = "the machine's" }

static const QomProperty backend_properties[] = {
    QOM_PROPERTY_SIZE("size", MemoryBackend, size, NULL, "Size of the memory region (ex: 500M)",
                      .set = set_size),
    QOM_PROPERTY_BOOL("share", MemoryBackend, share, "off",
                      "Mark the memory as private to QEMU or shared with other processes, such as "
                      "vhost-user back ends"),
    QOM_PROPERTY_BOOL("prealloc", MemoryBackend, prealloc, "off",
                      "Preallocate memory; not for a TD"),
    QOM_PROPERTY_UINT32("prealloc-threads", MemoryBackend, prealloc_threads, "1",
                        "at most so many threads preallocate; there is one", .set = set_threads),
    QOM_PROPERTY_BOOL("reserve", MemoryBackend, reserve, "off",
                      "Reserve swap space (or huge pages) if applicable"),
    SWITCH("merge", merge, "Mark memory as mergeable"),
    SWITCH("dump", dump, "Set to 'off' to exclude from core dump"),
    { .name = "host-nodes", .kind = QOM_QAPI, .qapi = &nodes_type, .type_name = "int",
      .set = set_nodes, .get = get_nodes,
      .parse = parse_nodes, .description = "Binds memory to the list of NUMA host nodes" },
    QOM_PROPERTY_ENUM("policy", MemoryBackend, policy, policies, "default", "Set the NUMA policy",
                      .type_name = "HostMemPolicy"),
    { NULL },
};

/* Completion ----------------------------------------------------------------------------------- */

static bool check_policy(const MemoryBackend *backend, GError **errp)
{
    if (!backend->policy && backend->host_nodes->len) {
        return error_set(errp, "host-nodes must be empty for policy default, or you should "
                               "explicitly specify a policy other than default");
    }
    if (backend->policy && !backend->host_nodes->len) {
        return error_set(errp, "host-nodes must be set for policy %s", policies[backend->policy]);
    }
    return true;
}

static bool backend_check(QomObject *object, GError **errp)
{
    const MemoryBackend *backend = (MemoryBackend *)object;

    if (!backend->size) {
        error_set(errp, "can't create backend with size 0");
        error_hint(errp, "Give it a size, as in size=2G");
        return false;
    }
    return check_policy(backend, errp);
}

static bool cannot(const MemoryBackend *backend, const char *what, int error, GError **errp)
{
    g_autofree char *size = format_size(backend->size);

    return error_set(errp, "%s '%s': cannot %s %s: %s", backend->object.type->name,
                     backend->object.name ? backend->object.name : "", what, size,
                     g_strerror(error));
}

/* A larger piece of address space is taken and trimmed, for the alignment. */
static bool map(MemoryBackend *backend, GError **errp)
{
    uint64_t page = backend->page_size,
             alignment = MAX(page, backend->size >= MAPPING_ALIGNMENT ? MAPPING_ALIGNMENT : page);
    int flags = (backend->share ? MAP_SHARED : MAP_PRIVATE) |
                (backend->reserve ? 0 : MAP_NORESERVE);

    if (backend->size > UINT64_MAX / 2 || backend->offset % page) {
        return cannot(backend, "map", EINVAL, errp);
    }
    backend->mapped = (backend->size + page - 1) / page * page;
    uint8_t *space = mmap(NULL, backend->mapped + alignment, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) {
        cannot(backend, "find address space for", errno, errp);
        error_hint(errp, "Give the machine less memory, or raise the limit (ulimit -v)");
        return false;
    }
    uint8_t *start = space + (alignment - (uintptr_t)space % alignment) % alignment;
    uint8_t *host = mmap(start, backend->mapped, PROT_READ | PROT_WRITE,
                         flags | MAP_FIXED | (backend->fd < 0 ? MAP_ANONYMOUS : 0), backend->fd,
                         (off_t)backend->offset);
    int error = errno;
    if (host == MAP_FAILED) {
        munmap(space, backend->mapped + alignment);
        return cannot(backend, "map", error, errp);
    }
    if (start > space) {
        munmap(space, (size_t)(start - space));
    }
    if (start < space + alignment) {
        munmap(start + backend->mapped, (size_t)(space + alignment - start));
    }
    backend->host = host;
    return true;
}

static bool bind_to_nodes(MemoryBackend *backend, GError **errp)
{
    unsigned long mask[MAX_NODES / (8 * sizeof(unsigned long))] = { 0 };

    for (unsigned i = 0; i < backend->host_nodes->len; i++) {
        unsigned node = g_array_index(backend->host_nodes, uint16_t, i);
        mask[node / (8 * sizeof(*mask))] |= 1ul << node % (8 * sizeof(*mask));
    }
    /* One more than the number of bits: the kernel does not count the last one (mbind(2), BUGS). */
    if (backend->policy &&
        syscall(SYS_mbind, backend->host, backend->mapped, policy_modes[backend->policy], mask,
                MAX_NODES + 1, MPOL_MF_STRICT | MPOL_MF_MOVE)) {
        return cannot(backend, "bind to host-nodes", errno, errp);
    }
    return true;
}

/* All pages now, so that a shortage of memory shows at the start and not in the guest. */
static bool populate(MemoryBackend *backend, GError **errp)
{
#ifdef MADV_POPULATE_WRITE
    if (!madvise(backend->host, backend->mapped, MADV_POPULATE_WRITE)) {
        return true;
    }
    if (errno != EINVAL) { /* Linux before 5.14 */
        return cannot(backend, "preallocate", errno, errp);
    }
#endif
    for (uint64_t i = 0; i < backend->mapped; i += backend->page_size) {
        volatile uint8_t *p = backend->host + i;
        *p = *p;
    }
    return true;
}

static bool backend_complete(QomObject *object, GError **errp)
{
    MemoryBackend *backend = (MemoryBackend *)object;
    const MemoryBackendOps *ops = qom_type_ops(object->type);

    return (!ops->open || ops->open(backend, errp)) && map(backend, errp) &&
           bind_to_nodes(backend, errp) && (!backend->prealloc || populate(backend, errp));
}

bool memory_backend_advise(MemoryBackend *backend, bool dump, bool merge, GError **errp)
{
    dump = backend->dump == QOM_AUTO ? dump : backend->dump == QOM_ON;
    merge = backend->merge == QOM_AUTO ? merge : backend->merge == QOM_ON;
    if (!dump && madvise(backend->host, backend->mapped, MADV_DONTDUMP)) {
        return cannot(backend, "exclude from core dumps", errno, errp);
    }
    if (merge && madvise(backend->host, backend->mapped, MADV_MERGEABLE) &&
        backend->merge == QOM_ON) {
        return cannot(backend, "mark as mergeable", errno, errp);
    }
    return true;
}

static const MemoryBackendOps ram_ops;

static bool explain_unknown(const char *name, const char *text, GError **errp)
{
    if (strcmp(name, "private")) {
        return false;
    }
    error_hint(errp, "A TD's private memory is KVM's, and the backend the half that the guest "
                     "shares: leave the parameter out");
    return true;
}

const QomType memory_backend_type = {
    .name = "memory-backend", .parent = &qom_object_type, .abstract = true,
    .size = sizeof(MemoryBackend),
    .properties = backend_properties, .ops = &ram_ops, .init = backend_init, .check = backend_check,
    .complete = backend_complete, .explain_unknown = explain_unknown,
    .finalize = backend_finalize, .fixed_because = "the memory has been made with it",
};

const QomType memory_backend_ram_type = {
    .name = "memory-backend-ram", .parent = &memory_backend_type, .user_creatable = true,
    .description = "anonymous memory",
};
