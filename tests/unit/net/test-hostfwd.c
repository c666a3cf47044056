/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host forwarding rules. */
#include <arpa/inet.h>
#include <string.h>

#include "hostfwd.h"

static void test_good(void)
{
    static const struct {
        const char *text, *host, *guest;
        bool udp;
        uint16_t host_port, guest_port;
    } rows[] = {
        { "tcp::5555-:22", "0.0.0.0", "0.0.0.0", false, 5555, 22 },
        { "::5555-:22", "0.0.0.0", "0.0.0.0", false, 5555, 22 },
        { "udp:127.0.0.1:53-10.0.2.20:5353", "127.0.0.1", "10.0.2.20", true, 53, 5353 },
        { "tcp::0-:65535", "0.0.0.0", "0.0.0.0", false, 0, 65535 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        HostForward f;
        char text[INET_ADDRSTRLEN];

        g_test_message("%s", rows[i].text);
        g_assert_true(host_forward_parse(rows[i].text, &f, NULL));
        g_assert_cmpint(f.udp, ==, rows[i].udp);
        g_assert_cmpuint(f.host_port, ==, rows[i].host_port);
        g_assert_cmpuint(f.guest_port, ==, rows[i].guest_port);
        g_assert_cmpstr(inet_ntop(AF_INET, &f.host, text, sizeof(text)), ==, rows[i].host);
        g_assert_cmpstr(inet_ntop(AF_INET, &f.guest, text, sizeof(text)), ==, rows[i].guest);
    }
}

static void test_bad(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "'-'" }, { "tcp::5555", "'-'" }, { "5555-:22", "host's side" },
        { "tcp:5555-:22", "host's side" },
        { "tcp:1:2:3-:22", "host's side" }, { "tcp::5555-22", "guest's side" },
        { "tcp::5555-1:2:3", "guest's side" },
        { "sctp::5555-:22", "tcp or udp" }, { "tcp:localhost:5555-:22", "bad host address" },
        { "tcp:1.2.3:5555-:22", "bad host address" },
        { "tcp::-:22", "bad host port" }, { "tcp::65536-:22", "bad host port" },
        { "tcp::-1-:22", "bad host port" },
        { "tcp::x-:22", "bad host port" }, { "tcp::5555-guest:22", "bad guest address" },
        { "tcp::5555-:0", "bad guest port" },
        { "tcp::5555-:", "bad guest port" }, { "tcp::5555-:65536", "bad guest port" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        HostForward f;
        g_autoptr(GError) err = NULL;

        g_test_message("%s", rows[i].text);
        g_assert_false(host_forward_parse(rows[i].text, &f, &err));
        g_assert_nonnull(strstr(err->message, rows[i].says));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hostfwd/good", test_good);
    g_test_add_func("/hostfwd/bad", test_bad);
    return g_test_run();
}
