/*
 * Queues one mail and waits for its outcome.
 *
 *   cc examples/send.c -Iinclude -Ltarget/release -lmailcore -o send
 *   LD_LIBRARY_PATH=target/release ./send FOLDER FROM TO HOST:PORT < message.eml
 *
 * HOST:PORT is a smart host; without it the mail goes to the MX of the recipient's domain.
 */
#include <mailcore.h>
#include <stdio.h>

static char message[1 << 20];

int main(int count, char **arguments)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_open how = MAILCORE_OPEN_INIT;
    mailcore_delivery fate = MAILCORE_DELIVERY_INIT;
    mailcore_engine engine = 0;
    uint64_t id = 0;
    int done = 0;

    if (count < 4) {
        fprintf(stderr, "usage: send FOLDER FROM TO [HOST:PORT] < message.eml\n");
        return 2;
    }
    size_t length = fread(message, 1, sizeof(message), stdin);
    how.folder = arguments[1];
    if (mailcore_engine_open(&how, &engine, &err) == 0
        && (count < 5 || mailcore_set_str(engine, MAILCORE_KEY_OUTBOUND_SMART_HOST, arguments[4], &err) == 0)
        && mailcore_engine_start(engine, &err) == 0
        && mailcore_send(engine, arguments[2], arguments[3], message, length, &id, &err) == 0) {
        printf("queued as %llu\n", (unsigned long long)id);
        /* Queued is on disk: should this program end now, the next one goes on. 0 was filed here at once. */
        if (id == 0 || mailcore_queue_wait(engine, id, 60000, &fate, &err) == 0) {
            done = id == 0 || fate.state == MAILCORE_DELIVERY_DELIVERED;
            printf("%s after %u attempts: %s %s\n", done ? "delivered" : "failed", (unsigned)fate.attempts, fate.host,
                   fate.reply);
        } else if (err.code == MAILCORE_E_TIMEOUT) {
            printf("still queued: %s\n", fate.reply);
        }
    }
    if (err.code != MAILCORE_OK)
        fprintf(stderr, "send: %s\n", err.message);
    mailcore_close(engine);
    return done ? 0 : 1;
}
