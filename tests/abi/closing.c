/* Closing beside other threads: rows that are read stay, what is made meanwhile is closed too, ports are free, the end
 * of an engine is told for ever. */
#include "check.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 24
#define MESSAGES 20

static mailcore_engine engine;
static atomic_int made, wrong, rows_read;

static void pause_for(long microseconds)
{
    struct timespec pause = {0, microseconds * 1000};

    nanosleep(&pause, NULL);
}

/* Waits until the other threads are at work. */
static void until_above(atomic_int *count, int before)
{
    while (*count <= before)
        pause_for(100);
}

static int descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    CHECK(folder != NULL);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Reads rows until the engine is gone, and looks at each once more afterwards. */
static void *reads_rows(void *mailbox)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_cursor cursor = 0;
    mailcore_row row = MAILCORE_ROW_INIT;
    int got = 0;

    while (got >= 0) {
        got = mailcore_list(*(mailcore_mailbox *)mailbox, MAILCORE_LIST_MESSAGES, NULL, &cursor, &err);
        if (got < 0)
            break;
        while ((got = mailcore_next(cursor, &row, &err)) == 1) {
            rows_read++;
            pause_for(20);
            if (strcmp(row.text, "a subject to be read at leisure"))
                wrong++;
        }
        /* The last row stays when the engine has gone, until the cursor is closed: once. */
        if (got < 0 && row.text && strcmp(row.text, "a subject to be read at leisure"))
            wrong++;
        if (got < 0)
            CHECK(got == MAILCORE_E_HANDLE || got == MAILCORE_E_INTERRUPTED || got == MAILCORE_E_STORE_DOWN
                || got == MAILCORE_E_STATE);
        CHECK(mailcore_close(cursor) == 0);
        CHECK(mailcore_close(cursor) == MAILCORE_E_HANDLE);
        memset(&row, 0, sizeof row);
        row.struct_size = sizeof row;
    }
    return NULL;
}

/* Makes children of the engine until there is no engine. */
static void *makes_children(void *kind)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_handle child = 0;
    int got = 0;

    while (got != MAILCORE_E_HANDLE) {
        if (*(int *)kind == 0)
            got = mailcore_account_open(engine, "bob@example.org", &child, &err);
        else if (*(int *)kind == 1)
            got = mailcore_message_new(engine, &child, &err);
        else
            got = mailcore_list(engine, MAILCORE_LIST_ACCOUNTS, NULL, &child, &err);
        made += got == 0;
        /* Cursors outlive their engine; all others end with it. */
        if (got == 0 && *(int *)kind == 2)
            CHECK(mailcore_close(child) == 0);
    }
    return NULL;
}

static void rows_outlive_the_engine(void)
{
    static const char text[] = "Subject: a subject to be read at leisure\r\n\r\nx\r\n";
    mailcore_error err = MAILCORE_ERROR_INIT;
    int round, i;

    for (round = 0; round < ROUNDS; round++) {
        mailcore_account account = 0;
        mailcore_mailbox inbox = 0;
        pthread_t reader;
        int before = rows_read;

        engine = opened("rows.store", 0);
        if (round == 0) {
            CHECK(mailcore_engine_start(engine, &err) == 0);
            CHECK(mailcore_account_put(engine, "bob@example.org", NULL, &err) == 0);
            for (i = 0; i < MESSAGES; i++)
                CHECK(mailcore_send(engine, NULL, "bob@example.org", text, strlen(text), NULL, &err) == 0);
        }
        CHECK(mailcore_account_open(engine, "bob@example.org", &account, &err) == 0);
        CHECK(mailcore_mailbox_open(account, "INBOX", 0, &inbox, &err) == 0);
        CHECK(pthread_create(&reader, NULL, reads_rows, &inbox) == 0);
        until_above(&rows_read, before);
        pause_for(round % 7 * 400);
        CHECK(mailcore_close(engine) == 0);
        pthread_join(reader, NULL);
    }
    CHECK(wrong == 0);
}

static void children_end_with_the_engine(void)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    int before = 0, kind, round;

    for (kind = 0; kind < 3; kind++)
        for (round = 0; round < ROUNDS; round++) {
            pthread_t threads[2];
            int before_it = made;

            engine = opened("children.store", 0);
            CHECK(mailcore_account_put(engine, "bob@example.org", NULL, &err) == 0);
            CHECK(pthread_create(&threads[0], NULL, makes_children, &kind) == 0);
            CHECK(pthread_create(&threads[1], NULL, makes_children, &kind) == 0);
            until_above(&made, before_it);
            pause_for(round * 131 % 700);
            CHECK(mailcore_close(engine) == 0);
            CHECK(mailcore_close(engine) == MAILCORE_E_HANDLE);
            pthread_join(threads[0], NULL);
            pthread_join(threads[1], NULL);
            if (kind == 0 && round == 4)
                before = descriptors();
        }
    /* An engine that is held by a forgotten child keeps its pipe and its store. */
    CHECK(descriptors() <= before);
}

static int dial(uint16_t port)
{
    struct sockaddr_in to = {0};
    int fd = socket(AF_INET, SOCK_STREAM, 0), got;

    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    got = connect(fd, (struct sockaddr *)&to, sizeof to);
    close(fd);
    return got;
}

static void ports_are_free(void)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_listen_options options = MAILCORE_LISTEN_OPTIONS_INIT;
    mailcore_listener listener = 0;
    int64_t port = 0;
    int round;

    engine = opened("ports.store", 0);
    CHECK(mailcore_engine_start(engine, &err) == 0);
    options.service = MAILCORE_SERVICE_MX;
    options.address = "127.0.0.1";
    for (round = 0; round < ROUNDS; round++) {
        CHECK(mailcore_listen(engine, &options, &listener, &err) == 0);
        CHECK(mailcore_get_i64(listener, "listener.port", &port, &err) == 0);
        CHECK(dial((uint16_t)port) == 0);
        CHECK(mailcore_close(listener) == 0);
        CHECK(dial((uint16_t)port) == -1);
        options.port = (uint32_t)port;
    }
    CHECK(mailcore_listen(engine, &options, &listener, &err) == 0);
    CHECK(mailcore_engine_stop(engine, 1000, &err) == 0);
    CHECK(dial((uint16_t)port) == -1);
    CHECK(mailcore_close(listener) == 0);
    CHECK(mailcore_close(engine) == 0);
}

/* After the last event: MAILCORE_E_STATE, at once and for ever, and a descriptor that says so. */
static void the_end_is_told(int started)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_event event = MAILCORE_EVENT_INIT;
    struct pollfd watched = {-1, POLLIN, 0};
    uint32_t last = 0;
    int i, got;

    engine = opened("end.store", 0);
    CHECK(mailcore_events_fd(engine, &watched.fd, &err) == 0);
    if (started)
        CHECK(mailcore_engine_start(engine, &err) == 0);
    CHECK(mailcore_engine_stop(engine, 0, &err) == 0);
    while ((got = mailcore_events_next(engine, -1, &event, &err)) == 1)
        last = event.type;
    CHECK(got == MAILCORE_E_STATE && last == (started ? MAILCORE_EVENT_STOPPED : 0u));
    for (i = 0; i < 3; i++) {
        CHECK(mailcore_events_next(engine, -1, &event, &err) == MAILCORE_E_STATE);
        CHECK(mailcore_requests_next(engine, -1, &event, &err) == MAILCORE_E_STATE);
        CHECK(poll(&watched, 1, 0) == 1);
        CHECK(mailcore_engine_stop(engine, -1, &err) == 0);
    }
    /* What needs no service still works. */
    CHECK(mailcore_account_put(engine, "bob@example.org", NULL, &err) == 0);
    mailcore_event_clear(&event);
    CHECK(mailcore_close(engine) == 0);
}

int main(void)
{
    rows_outlive_the_engine();
    children_end_with_the_engine();
    ports_are_free();
    the_end_is_told(1);
    the_end_is_told(0);
    return 0;
}
