/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See scsi.h. */
#include "scsi.h"

#include <string.h>

void disks_start(Disks *d, PciAddress card, uint64_t features)
{
    driver_start(&d->driver, d->client, card, PCI_MMIO_BASE, VIRTIO_F_INDIRECT_DESC | features,
                 NUM_QUEUES);
    d->request = client_alloc(d->client, REQUEST_SIZE);
    d->response = client_alloc(d->client, RESPONSE_SIZE);
    d->data = client_alloc(d->client, DATA_SIZE);
}

void disks_put_lun(uint8_t *to, unsigned target, unsigned lun)
{
    const uint8_t address[8] = { 1, (uint8_t)target, (uint8_t)(0x40 | lun >> 8), (uint8_t)lun };

    memcpy(to, address, sizeof(address));
}

Reply disks_run(Disks *d, unsigned target, unsigned lun, const char *cdb, uint32_t out_size,
                uint32_t in_size)
{
    uint8_t *ram = d->client->ram, *request = ram + d->request, *response = ram + d->response;
    DriverBuffer buffers[4] = { { d->request, REQUEST_SIZE, false } };
    unsigned count = 1;
    Reply reply = { 0 };

    memset(request, 0, REQUEST_SIZE);
    memset(response, 0xee, RESPONSE_SIZE);
    disks_put_lun(request, target, lun);
    for (unsigned i = 0; cdb[0]; i++, cdb += 2 + (cdb[2] == ' ')) {
        request[19 + i] =
            (uint8_t)(g_ascii_xdigit_value(cdb[0]) << 4 | g_ascii_xdigit_value(cdb[1]));
    }
    if (out_size) {
        buffers[count++] = (DriverBuffer) { d->data, out_size, false };
    }
    buffers[count++] = (DriverBuffer) { d->response, RESPONSE_SIZE, true };
    if (in_size) {
        memset(ram + d->data, 0xcc, in_size);
        buffers[count++] = (DriverBuffer) { d->data, in_size, true };
    }
    reply.written = driver_run(&d->driver, &d->driver.queues[REQUESTS], buffers, count);
    reply.response = response[11];
    reply.status = response[10];
    memcpy(&reply.residual, response + 4, 4);
    if (response[0]) {
        reply.sense =
            (uint32_t)(response[12 + 2] << 16 | response[12 + 12] << 8 | response[12 + 13]);
    }
    return reply;
}
