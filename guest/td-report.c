/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * td-report: a TD's own measurements, from inside. Asks the TDX module for a TDREPORT through
 * Linux' /dev/tdx_guest (include/uapi/ linux/tdx-guest.h) and prints TDINFO (TDX module ABI
 * specification, TDREPORT_STRUCT). Built for the initramfs: no arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct ReportRequest {
    uint8_t reportdata[64];
    uint8_t tdreport[1024];
} ReportRequest;

#define TDX_CMD_GET_REPORT0 _IOWR('T', 1, ReportRequest)

enum { TDINFO = 512, ATTRIBUTES = 0, XFAM = 8, MRTD = 16, RTMR0 = 208, DIGEST_SIZE = 48,
       NUM_RTMRS = 4 };

static uint64_t le64(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)bytes[i] << 8 * i;
    }
    return value;
}

static void print_digest(const char *name, const uint8_t *digest)
{
    printf("  %-11s", name);
    for (unsigned i = 0; i < DIGEST_SIZE; i++) {
        printf("%02x", digest[i]);
    }
    printf("\n");
}

int main(void)
{
    static ReportRequest request;
    const uint8_t *info = request.tdreport + TDINFO;
    int fd = open("/dev/tdx_guest", O_RDWR);

    if (fd < 0 || ioctl(fd, TDX_CMD_GET_REPORT0, &request) < 0) {
        printf("  TDREPORT   not to be had: /dev/tdx_guest: %s\n", strerror(errno));
        return 1;
    }
    close(fd);
    printf("  attributes 0x%016llx, XFAM 0x%016llx\n", (unsigned long long)le64(info + ATTRIBUTES),
           (unsigned long long)le64(info + XFAM));
    print_digest("MRTD", info + MRTD);
    for (unsigned i = 0; i < NUM_RTMRS; i++) {
        char name[8];

        snprintf(name, sizeof(name), "RTMR%u", i);
        print_digest(name, info + RTMR0 + i * DIGEST_SIZE);
    }
    if (le64(info + RTMR0) == 0 && le64(info + RTMR0 + DIGEST_SIZE) == 0) {
        printf("             (zero: this firmware measures nothing into them)\n");
    }
    return 0;
}
