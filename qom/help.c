/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people read about types and objects. */
#include <string.h>

#include "qom-internal.h"

static int compare_types(const void *a, const void *b)
{
    return strcmp((*(const QomType *const *)a)->name, (*(const QomType *const *)b)->name);
}

char *qom_types_help(QomTypes types)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    GString *text = g_string_new("List of user creatable objects:\n");

    for (; *types; types++) {
        if ((*types)->user_creatable && !(*types)->abstract) {
            g_ptr_array_add(sorted, (void *)*types);
        }
    }
    g_ptr_array_sort(sorted, compare_types);
    for (unsigned i = 0; i < sorted->len; i++) {
        g_string_append_printf(text, "  %s\n",
                               ((const QomType *)g_ptr_array_index(sorted, i))->name);
    }
    return g_string_free(text, FALSE);
}

static char *property_help(const QomType *type, const QomProperty *property)
{
    g_autofree char *shown = qom_property_type_name(property);
    g_autofree char *head = g_strdup_printf("%s=<%s>", property->name, shown);
    GString *line = g_string_new(NULL);

    g_string_append_printf(line, "  %-24s - %s", head,
                           property->description ? property->description : "");
    const char *default_text = property->default_help ? property->default_help
                                                      : property->default_text;
    if (default_text && property->kind != QOM_PCI_ADDR) {
        g_string_append_printf(line, " (default: %s)", default_text);
    }
    if (property->kind == QOM_ENUM) {
        g_autofree char *values = g_strjoinv("|", (char **)property->values);
        g_string_append_printf(line, " (%s)", values);
    }
    g_string_append_c(line, '\n');
    return g_string_free(line, FALSE);
}

char *qom_type_help(const QomType *type)
{
    GString *text = g_string_new(NULL);
    QomProperty property;
    bool any = false;

    for (unsigned i = 0; qom_type_property(type, i, &property); i++) {
        if (!(property.flags & (QOM_READ_ONLY | QOM_HIDDEN))) {
            g_autofree char *line = property_help(type, &property);
            g_string_append(text, line);
            any = true;
        }
    }
    g_autofree char *head = any ? g_strdup_printf("%s options:\n", type->name)
                                : g_strdup_printf("There are no options for %s.\n", type->name);
    g_string_prepend(text, head);
    return g_string_free(text, FALSE);
}

static void append_tree(GString *text, const QomObject *object, unsigned depth)
{
    g_string_append_printf(text, "%*s/%s (%s)\n", (int)depth * 2, "",
                           object->name ? object->name : "", object->type->name);
    for (unsigned i = 0; object->children && i < object->children->len; i++) {
        append_tree(text, g_ptr_array_index(object->children, i), depth + 1);
    }
}

char *qom_tree_text(QomObject *object)
{
    GString *text = g_string_new(NULL);

    append_tree(text, object, 0);
    return g_string_free(text, FALSE);
}
