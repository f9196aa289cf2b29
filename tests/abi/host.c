/* What a host must not notice: threads with signals open, threads and descriptors left over, a lock on the store;
 * and structs of another version, a fork, handles closed by one thread under another. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static mailcore_error err = MAILCORE_ERROR_INIT;

static int entries(const char *folder)
{
    DIR *open = opendir(folder);
    int count = 0;

    while (readdir(open) != NULL)
        count++;
    closedir(open);
    return count;
}

/* Every thread of the library has a name that says so, and all signals blocked. */
static int library_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int count = 0;

    while ((task = readdir(tasks)) != NULL) {
        char path[512], line[256], name[64] = "";
        unsigned long long blocked = 0;
        FILE *status;

        if (task->d_name[0] == '.' || atoi(task->d_name) == getpid())
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
        status = fopen(path, "r");
        if (status == NULL)
            continue;
        while (fgets(line, sizeof(line), status) != NULL) {
            sscanf(line, "Name: %63s", name);
            sscanf(line, "SigBlk: %llx", &blocked);
        }
        fclose(status);
        count++;
        CHECK((blocked >> (SIGTERM - 1) & 1) && (blocked >> (SIGCHLD - 1) & 1) && (blocked >> (SIGPIPE - 1) & 1));
        CHECK(strncmp(name, "mailcore-", 9) == 0 || strncmp(name, "async-io", 8) == 0);
    }
    closedir(tasks);
    return count;
}

/* A joined thread leaves /proc a moment later. */
static int threads_settle(int wanted)
{
    struct timespec moment = {0, 10000000};
    int i;

    for (i = 0; i < 500 && library_threads() > wanted; i++)
        nanosleep(&moment, NULL);
    return library_threads();
}

static void versions(void)
{
    struct {
        mailcore_open known;
        uint64_t unknown;
    } newer = {MAILCORE_OPEN_INIT, 0};
    mailcore_engine engine = 0;

    /* A newer program: what it does not use does not matter, what it wants and we do not know does. */
    newer.known.struct_size = sizeof(newer);
    newer.known.folder = "versions.store";
    newer.unknown = 1;
    CHECK(mailcore_engine_open(&newer.known, &engine, &err) == MAILCORE_E_VERSION && engine == 0);
    newer.unknown = 0;
    CHECK(mailcore_engine_open(&newer.known, &engine, &err) == 0);
    CHECK(mailcore_close(engine) == 0);
    /* An older program, whose struct ends in front of `hostname`: what stands behind it is not looked at. */
    newer.known.struct_size = offsetof(mailcore_open, hostname);
    newer.known.hostname = (const char *)8;
    newer.known.settings = (const char *)8;
    CHECK(mailcore_engine_open(&newer.known, &engine, &err) == 0);
    CHECK(mailcore_close(engine) == 0);
}

static void forked(mailcore_engine engine)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        mailcore_open how = MAILCORE_OPEN_INIT;
        mailcore_engine other = 0;
        int right = mailcore_domain_put(engine, "example.com", &err) == MAILCORE_E_FORKED
                    && err.code == MAILCORE_E_FORKED && mailcore_close(engine) == MAILCORE_E_FORKED;

        how.folder = "forked.store";
        _exit(right && mailcore_engine_open(&how, &other, NULL) == MAILCORE_E_FORKED ? 7 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void *waits(void *engine)
{
    mailcore_event event = MAILCORE_EVENT_INIT;
    int32_t result;

    do
        result = mailcore_events_next(*(mailcore_engine *)engine, -1, &event, NULL);
    while (result == 1);
    mailcore_event_clear(&event);
    return result == MAILCORE_E_INTERRUPTED || result == MAILCORE_E_HANDLE || result == MAILCORE_E_STATE ? NULL : engine;
}

static void *works(void *engine)
{
    static const char text[] = "Subject: x\r\n\r\nx\r\n";

    while (mailcore_send(*(mailcore_engine *)engine, NULL, "bob@example.org", text, strlen(text), NULL, NULL) == 0)
        ;
    return NULL;
}

static void closed_under_calls(void)
{
    int round, i;

    for (round = 0; round < 5; round++) {
        mailcore_engine engine = opened("races.store", 0);
        struct timespec moment = {0, 5000000};
        pthread_t threads[8];
        void *wrong;

        CHECK(mailcore_account_put(engine, "bob@example.org", NULL, &err) == 0);
        CHECK(mailcore_engine_start(engine, &err) == 0);
        for (i = 0; i < 8; i++)
            CHECK(pthread_create(&threads[i], NULL, i < 4 ? waits : works, &engine) == 0);
        nanosleep(&moment, NULL);
        CHECK(mailcore_close(engine) == 0);
        for (i = 0; i < 8; i++)
            CHECK(pthread_join(threads[i], &wrong) == 0 && wrong == NULL);
    }
}

int main(void)
{
    mailcore_engine engine, again = 0;
    mailcore_open how = MAILCORE_OPEN_INIT;
    int descriptors, threads;

    /* async-io's one helper thread and its descriptors stay: they are counted after the first engine. */
    engine = opened("host.store", 0);
    CHECK(mailcore_engine_start(engine, &err) == 0);
    CHECK(library_threads() > 2);
    how.folder = "host.store";
    CHECK(mailcore_engine_open(&how, &again, &err) == MAILCORE_E_BUSY && again == 0);
    CHECK(strlen(err.message) > 0);
    CHECK(mailcore_close(engine) == 0);
    CHECK(mailcore_close(engine) == MAILCORE_E_HANDLE);
    descriptors = entries("/proc/self/fd");
    threads = threads_settle(1);
    CHECK(threads <= 1);

    versions();
    closed_under_calls();
    engine = opened("host.store", 0);
    forked(engine);
    CHECK(mailcore_domain_put(engine, "example.com", &err) == 0);
    CHECK(mailcore_close(engine) == 0);
    CHECK(entries("/proc/self/fd") == descriptors);
    CHECK(threads_settle(threads) == threads);
    return 0;
}
