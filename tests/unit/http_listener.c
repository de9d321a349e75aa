/* How connections are sent to. */
#include "listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define NAME_SIZE 16 /* TCP_CA_NAME_MAX of Linux */

static void congestion_control_of(int fd, char name[NAME_SIZE])
{
    socklen_t len = NAME_SIZE;

    assert_return_code(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    name[NAME_SIZE - 1] = '\0';
}

static void connect_and_check(const struct listener *listener, const char *wanted)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    struct pollfd polled = {.fd = listener->fd, .events = POLLIN};
    char name[NAME_SIZE];
    int client, accepted;

    assert_return_code(getsockname(listener->fd, (struct sockaddr *)&address, &len), 0);
    client = socket(address.ss_family, SOCK_STREAM, 0);
    assert_return_code(client, 0);
    assert_return_code(connect(client, (struct sockaddr *)&address, len), 0);
    assert_int_equal(poll(&polled, 1, -1), 1);
    accepted = accept(listener->fd, NULL, NULL);
    assert_return_code(accepted, 0);
    congestion_control_of(accepted, name);
    assert_string_equal(name, wanted);
    close(accepted);
    close(client);
}

static void check(const char *address, const char *wanted)
{
    struct listener listener;

    assert_int_equal(listener_open(address, &listener), 0);
    connect_and_check(&listener, wanted);
    listener_free(&listener);
}

static bool has_ipv6(void)
{
    const struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

static void connections_within_the_machine_are_not_paced(void **state)
{
    (void)state;
    check("127.0.0.1:0", "reno");
    check("127.1.2.3:0", "reno");
    if (has_ipv6())
        check("[::1]:0", "reno");
}

static void others_are_as_the_system_wants_them(void **state)
{
    char name[NAME_SIZE];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    congestion_control_of(fd, name);
    close(fd);
    check("0.0.0.0:0", name);
    if (has_ipv6())
        check("[::]:0", name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_within_the_machine_are_not_paced),
        cmocka_unit_test(others_are_as_the_system_wants_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
