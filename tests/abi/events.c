/* The descriptor of events: readable exactly while there is one, by poll, select and edge-triggered epoll. */
#include "check.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

static mailcore_error err = MAILCORE_ERROR_INIT;

static int polled(int fd)
{
    struct pollfd watched = {fd, POLLIN, 0};

    return poll(&watched, 1, 0);
}

static int selected(int fd)
{
    struct timeval none = {0, 0};
    fd_set set;

    FD_ZERO(&set);
    FD_SET(fd, &set);
    return select(fd + 1, &set, NULL, NULL, &none);
}

int main(void)
{
    static const char text[] = "Subject: x\r\n\r\nx\r\n";
    mailcore_engine engine = opened("events.store", 0);
    mailcore_event event = MAILCORE_EVENT_INIT;
    struct epoll_event ready, edge = {EPOLLIN | EPOLLET, {0}};
    uint64_t last = 0;
    int32_t fd = -1;
    int epoll = epoll_create1(0), i, seen = 0;

    CHECK(mailcore_events_fd(engine, &fd, &err) == 0);
    CHECK(polled(fd) == 0 && selected(fd) == 0);
    CHECK(mailcore_events_next(engine, 0, &event, &err) == 0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &edge) == 0);
    CHECK(mailcore_account_put(engine, "bob@example.org", NULL, &err) == 0);
    CHECK(mailcore_engine_start(engine, &err) == 0);
    for (i = 0; i < 50; i++)
        CHECK(mailcore_send(engine, NULL, "bob@example.org", text, strlen(text), NULL, &err) == 0);
    CHECK(polled(fd) == 1 && selected(fd) == 1);
    while (epoll_wait(epoll, &ready, 1, 0) == 1)
        while (mailcore_events_next(engine, 0, &event, &err) == 1) {
            CHECK(event.seq == last + 1);
            last = event.seq;
            seen += event.type == MAILCORE_EVENT_FILED;
            CHECK(event.detail.data[0] == '{' && event.detail.data[event.detail.len] == 0);
        }
    CHECK(seen == 50);
    CHECK(polled(fd) == 0 && selected(fd) == 0);
    CHECK(mailcore_events_next(engine, 10, &event, &err) == 0);

    CHECK(mailcore_engine_stop(engine, 0, &err) == 0);
    CHECK(epoll_wait(epoll, &ready, 1, 0) == 1);
    CHECK(mailcore_events_next(engine, 0, &event, &err) == 1 && event.type == MAILCORE_EVENT_STOPPED);
    mailcore_event_clear(&event);
    mailcore_event_clear(&event);
    CHECK(event.struct_size == sizeof(event) && event.detail.data == NULL);
    CHECK(mailcore_close(engine) == 0);
    close(epoll);
    return 0;
}
