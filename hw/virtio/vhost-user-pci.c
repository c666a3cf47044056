/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all vhost-user-*-pci types have alike: the chardev that leads to the back end. */
#include "hw/virtio/vhost-user-device.h"

/* At the machine's start back ends may still be starting; a monitor's command waits for nobody. */
bool vhost_user_pci_realize(Device *device, GError **errp)
{
    const VhostUserPci *pci = (VhostUserPci *)device;

    return (device->hotplugged || vhost_user_await(chardev_of(&pci->chardev), errp)) &&
           pci_device_realize(device, errp);
}

void vhost_user_pci_free(VirtioPciDevice *device)
{
    VhostUserPci *pci = (VhostUserPci *)device;

    g_clear_pointer(&pci->user, vhost_user_device_free);
}

static const QomProperty properties[] = {
    QOM_PROPERTY_LINK("chardev", VhostUserPci, chardev, &chardev_type, CHARDEV_CONTAINER,
                      "id of the socket chardev at whose other end the back end is",
                      .flags = QOM_REQUIRED, .type_name = "str"),
    { NULL },
};

const QomType vhost_user_pci_type = {
    .name = "vhost-user-pci", .parent = &virtio_pci_type, .abstract = true,
    .size = sizeof(VhostUserPci), .properties = properties,
};
