/* The main job in C: mail from one engine to another, read back, listed, flagged; a bounce; days of retries. */
#include "check.h"
#include <errno.h>

static const char text[] = "From: alice@example.org\r\nTo: bob@example.net\r\nSubject: =?utf-8?q?H=C3=A9llo?=\r\n"
                           "\r\nHello Bob.\r\n.dot\r\n";
static mailcore_error err = MAILCORE_ERROR_INIT;

static mailcore_mailbox inbox(mailcore_engine engine, const char *address)
{
    mailcore_account account = 0;
    mailcore_mailbox mailbox = 0;

    CHECK(mailcore_account_open(engine, address, &account, &err) == 0);
    CHECK(mailcore_mailbox_open(account, "INBOX", 0, &mailbox, &err) == 0);
    CHECK(mailcore_close(account) == 0);
    return mailbox;
}

static void read_back(mailcore_mailbox mailbox)
{
    mailcore_row row = MAILCORE_ROW_INIT;
    mailcore_buf subject = {NULL, 0};
    mailcore_cursor cursor = 0;
    mailcore_message message = 0;
    uint64_t uid;
    int64_t size = 0;
    char octets[2048];
    size_t got = 0;

    CHECK(mailcore_list(mailbox, MAILCORE_LIST_MESSAGES, NULL, &cursor, &err) == 0);
    CHECK(mailcore_next(cursor, &row, &err) == 1);
    CHECK(strcmp(row.text, "H\xc3\xa9llo") == 0);
    uid = row.id;
    CHECK(mailcore_next(cursor, &row, &err) == 0);
    CHECK(mailcore_close(cursor) == 0);
    CHECK(mailcore_message_open(mailbox, uid, &message, &err) == 0);
    CHECK(mailcore_get_i64(message, "message.size", &size, &err) == 0);
    CHECK(mailcore_message_read(message, 0, octets, sizeof(octets), &got, &err) == 0);
    CHECK((int64_t)got == size && got > sizeof(text));
    CHECK(memcmp(octets + got - 20, "\r\nHello Bob.\r\n.dot\r\n", 20) == 0);
    CHECK(mailcore_message_header(message, "subject", 0, &subject, &err) == 1);
    CHECK(strcmp((char *)subject.data, "H\xc3\xa9llo") == 0);
    mailcore_buf_free(&subject);
    CHECK(mailcore_message_header(message, "X-None", 0, &subject, &err) == 0 && subject.data == NULL);
    CHECK(mailcore_mailbox_flag(mailbox, &uid, 1, MAILCORE_FLAG_SEEN, 0, &err) == 0);
    CHECK(mailcore_get_i64(mailbox, "mailbox.unseen", &size, &err) == 0 && size == 0);
    CHECK(mailcore_mailbox_expunge(mailbox, &uid, 1, &err) == 0);
    CHECK(mailcore_message_open(mailbox, uid, &message, &err) == MAILCORE_E_NOT_FOUND && message == 0);
}

static int32_t sign(const char *domain, const char *selector, const uint8_t *digest, uint8_t *signature, size_t size,
                    void *user)
{
    CHECK(strcmp(domain, "example.org") == 0 && strcmp(selector, "hsm") == 0 && size >= 512);
    memset(signature, digest[31], 64);
    ++*(int *)user;
    return 64;
}

/* Mail is signed by a key that was made and by one of the host's. */
static void keys(mailcore_engine engine, int *signatures)
{
    mailcore_buf record = {NULL, 0};
    mailcore_row row = MAILCORE_ROW_INIT;
    mailcore_cursor cursor = 0;

    CHECK(mailcore_dkim_generate(engine, "example.org", "s1", MAILCORE_ALGORITHM_RSA_SHA256, &record, &err) == 0);
    CHECK(strncmp((char *)record.data, "v=DKIM1; k=rsa; p=", 18) == 0);
    CHECK(mailcore_dkim_set_hook(engine, "example.org", "hsm", MAILCORE_ALGORITHM_ED25519_SHA256, sign, signatures, &err)
          == 0);
    CHECK(mailcore_list(engine, MAILCORE_LIST_DKIM_KEYS, NULL, &cursor, &err) == 0);
    CHECK(mailcore_next(cursor, &row, &err) == 1 && strcmp(row.text, "hsm") == 0);
    CHECK(row.state == MAILCORE_DKIM_ACTIVE && row.detail[0] == '\0');
    CHECK(mailcore_next(cursor, &row, &err) == 1 && strcmp(row.name, "example.org") == 0 && strcmp(row.text, "s1") == 0);
    CHECK(row.state == MAILCORE_DKIM_PENDING && row.code == MAILCORE_ALGORITHM_RSA_SHA256);
    CHECK(strcmp(row.detail, (char *)record.data) == 0);
    CHECK(mailcore_next(cursor, &row, &err) == 0 && mailcore_close(cursor) == 0);
    mailcore_buf_free(&record);
    CHECK(mailcore_dkim_set(engine, "example.org", "s1", "", &err) == 0);
    CHECK(mailcore_dkim_set(engine, "example.org", "s1", NULL, &err) == 0);
    CHECK(mailcore_dkim_set(engine, "example.org", "s1", NULL, &err) == MAILCORE_E_NOT_FOUND);
}

/* A script is stored, run, tried and removed. */
static void scripts(mailcore_engine engine, const char *owner)
{
    static const char discard[] = "discard;", wrong[] = "keep;\n  frob;", mail[] = "Subject: x\r\n\r\nbody\r\n";
    mailcore_buf got = {NULL, 0};

    CHECK(mailcore_sieve_set(engine, owner, "main", wrong, strlen(wrong), &err) == MAILCORE_E_INVALID);
    CHECK(strncmp(err.message, "line 2, column 3", 16) == 0);
    CHECK(mailcore_sieve_set(engine, owner, "main", discard, strlen(discard), &err) == 0);
    CHECK(mailcore_sieve_activate(engine, owner, "main", &err) == 0);
    CHECK(mailcore_sieve_get(engine, owner, "main", &got, &err) == 0 && strcmp((char *)got.data, discard) == 0);
    mailcore_buf_free(&got);
    CHECK(mailcore_sieve_get(engine, owner, NULL, &got, &err) == 0 && strstr((char *)got.data, "\"active\":true"));
    mailcore_buf_free(&got);
    CHECK(mailcore_sieve_test(engine, owner, NULL, 0, mail, strlen(mail), "", NULL, &got, &err) == 0);
    CHECK(strstr((char *)got.data, "\"actions\":[]") != NULL);
    mailcore_buf_free(&got);
    CHECK(mailcore_sieve_set(engine, owner, "main", NULL, 0, &err) == MAILCORE_E_STATE);
    CHECK(mailcore_sieve_activate(engine, owner, NULL, &err) == 0);
    CHECK(mailcore_sieve_set(engine, owner, "main", NULL, 0, &err) == 0);
    CHECK(mailcore_sieve_set(engine, owner, "main", NULL, 0, &err) == MAILCORE_E_NOT_FOUND);
}

/* A check of a sound store: progress, no disagreement; one at a time; it can be left in the middle. */
static void check_of_the_store(mailcore_engine engine)
{
    mailcore_row row = MAILCORE_ROW_INIT;
    mailcore_cursor cursor = 0, second = 0;
    uint64_t done = 0;
    int32_t got;
    int steps = 0;

    CHECK(mailcore_list(engine, MAILCORE_LIST_CHECK, NULL, &cursor, &err) == 0);
    CHECK(mailcore_next(cursor, &row, &err) == 1 && row.id < row.size);
    CHECK(mailcore_list(engine, MAILCORE_LIST_CHECK, NULL, &second, &err) == MAILCORE_E_BUSY && second == 0);
    CHECK(mailcore_close(cursor) == 0);
    CHECK(mailcore_list(engine, MAILCORE_LIST_CHECK, NULL, &cursor, &err) == 0);
    while ((got = mailcore_next(cursor, &row, &err)) == 1) {
        CHECK(row.kind == MAILCORE_LIST_CHECK && row.name[0] == '\0' && done <= row.id && row.id <= row.size);
        done = row.id;
        ++steps;
    }
    CHECK(got == 0 && done == row.size && steps > 2);
    /* It is over before its cursor is closed. */
    CHECK(mailcore_list(engine, MAILCORE_LIST_CHECK, NULL, &second, &err) == 0);
    CHECK(mailcore_close(second) == 0 && mailcore_close(cursor) == 0);
    CHECK(mailcore_list(cursor, MAILCORE_LIST_CHECK, NULL, &second, &err) == MAILCORE_E_HANDLE);
}

int main(void)
{
    int signatures = 0;
    mailcore_engine one = opened("one.store", 0), two = opened("two.store", 0), three;
    mailcore_listen_options how = MAILCORE_LISTEN_OPTIONS_INIT;
    mailcore_delivery fate = MAILCORE_DELIVERY_INIT;
    mailcore_row row = MAILCORE_ROW_INIT;
    mailcore_listener listener = 0;
    mailcore_cursor cursor = 0;
    mailcore_account account;
    mailcore_mailbox mailbox;
    int64_t number = 0;
    uint64_t id = 0;
    int day;

    CHECK(mailcore_account_put(two, "bob@example.net", "builder", &err) == 0);
    CHECK(mailcore_engine_start(two, &err) == 0);
    how.service = MAILCORE_SERVICE_MX;
    how.address = "127.0.0.1";
    CHECK(mailcore_listen(two, &how, &listener, &err) == 0);
    CHECK(mailcore_get_i64(listener, "listener.port", &number, &err) == 0 && number > 0);
    how.port = (uint32_t)number;
    CHECK(mailcore_listen(two, &how, NULL, &err) == MAILCORE_E_BUSY && err.sys_errno == EADDRINUSE);

    CHECK(mailcore_set_i64(one, MAILCORE_KEY_OUTBOUND_PORT, number, &err) == 0);
    CHECK(mailcore_account_put(one, "alice@example.org", "wonderland", &err) == 0);
    CHECK(mailcore_dns_set(one, "example.net", "MX", "10 mx.example.net", 60, &err) == 0);
    CHECK(mailcore_dns_set(one, "mx.example.net", "A", "127.0.0.1", 60, &err) == 0);
    CHECK(mailcore_engine_start(one, &err) == 0);
    CHECK(mailcore_set_i64(one, MAILCORE_KEY_OUTBOUND_PORT, 25, &err) == MAILCORE_E_STATE);
    CHECK(mailcore_send(one, "alice@example.org", "nobody@example.org", text, strlen(text), &id, &err)
          == MAILCORE_E_NOT_FOUND);
    CHECK(err.smtp_code == 550 && strcmp(err.enhanced, "5.1.1") == 0 && err.sys_errno == 0);
    CHECK(mailcore_send(one, "alice@example.org", "bob@example.net", text, strlen(text), &id, &err) == 0 && id > 0);
    CHECK(err.smtp_code == 0 && err.enhanced[0] == '\0');
    CHECK(mailcore_queue_wait(one, id, 60000, &fate, &err) == 0);
    CHECK(fate.state == MAILCORE_DELIVERY_DELIVERED && fate.smtp_code == 250);
    mailbox = inbox(two, "bob@example.net");
    read_back(mailbox);

    keys(one, &signatures);
    scripts(one, "alice@example.org");
    CHECK(mailcore_send(one, "alice@example.org", "bob@example.net", text, strlen(text), &id, &err) == 0);
    CHECK(mailcore_queue_wait(one, id, 60000, &fate, &err) == 0 && fate.state == MAILCORE_DELIVERY_DELIVERED);
    CHECK(signatures == 1);

    /* To nobody: the sender has a report. */
    CHECK(mailcore_send(one, "alice@example.org", "nobody@example.net", text, strlen(text), &id, &err) == 0);
    CHECK(mailcore_queue_wait(one, id, 60000, &fate, &err) == 0 && fate.state == MAILCORE_DELIVERY_FAILED);
    CHECK(fate.smtp_code == 550 && fate.enhanced[0] == '5');
    mailbox = inbox(one, "alice@example.org");
    CHECK(mailcore_get_i64(mailbox, "mailbox.total", &number, &err) == 0 && number == 1);

    /* No room there for a second one: the error has what the other host said, for as long as it is waited for. */
    CHECK(mailcore_account_open(two, "bob@example.net", &account, &err) == 0);
    CHECK(mailcore_set_i64(account, "account.quota_octets", 1200, &err) == 0);
    CHECK(mailcore_send(one, "alice@example.org", "bob@example.net", text, strlen(text), &id, &err) == 0);
    for (fate.state = MAILCORE_DELIVERY_WAITING; fate.state == MAILCORE_DELIVERY_WAITING;)
        CHECK(mailcore_queue_wait(one, id, 20, &fate, &err) == MAILCORE_E_TIMEOUT);
    CHECK(fate.state == MAILCORE_DELIVERY_DEFERRED && fate.smtp_code == 452 && strcmp(fate.enhanced, "4.2.2") == 0);
    CHECK(err.smtp_code == 452 && strcmp(err.enhanced, "4.2.2") == 0);
    CHECK(mailcore_queue_control(one, id, MAILCORE_QUEUE_DROP, &err) == 0);

    /* Nobody listens there: retried for days, which the host makes pass. */
    three = opened("three.store", MAILCORE_OPEN_CLOCK_BY_HOST);
    CHECK(mailcore_set_i64(three, MAILCORE_KEY_OUTBOUND_PORT, 1, &err) == 0);
    CHECK(mailcore_account_put(three, "alice@example.org", NULL, &err) == 0);
    CHECK(mailcore_dns_set(three, "example.net", "A", "127.0.0.1", 60, &err) == 0);
    CHECK(mailcore_engine_start(three, &err) == 0);
    CHECK(mailcore_send(three, "alice@example.org", "bob@example.net", text, strlen(text), &id, &err) == 0);
    for (day = 0; mailcore_queue_wait(three, id, 200, &fate, &err) == MAILCORE_E_TIMEOUT && day < 60; day++)
        CHECK(mailcore_clock_advance(three, 12 * 3600 * 1000, &err) == 0);
    CHECK(fate.state == MAILCORE_DELIVERY_EXPIRED && fate.attempts > 3);

    check_of_the_store(two);
    CHECK(mailcore_list(one, MAILCORE_LIST_CHECK, NULL, &cursor, &err) == 0);
    CHECK(mailcore_next(cursor, &row, &err) == 1);

    CHECK(mailcore_close(three) == 0);
    CHECK(mailcore_close(one) == 0); /* with a check under way */
    CHECK(mailcore_next(cursor, &row, &err) == MAILCORE_E_HANDLE);
    CHECK(mailcore_close(mailbox) == MAILCORE_E_HANDLE); /* it went with its engine */
    CHECK(mailcore_close(two) == 0);
    return 0;
}
