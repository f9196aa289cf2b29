/* Hooks from C: the same decisions by a function and by answers to events, and what either may not say. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static mailcore_error err = MAILCORE_ERROR_INIT;

/* What the host keeps: given to the hooks as `user`. */
struct host {
    int asked;
    char text[64];
};

static void say(int fd, const char *line)
{
    CHECK(write(fd, line, strlen(line)) == (ssize_t)strlen(line));
}

/* The last line of a reply. */
static const char *heard(int fd)
{
    static char line[600];
    size_t n = 0;

    for (;;) {
        CHECK(n < sizeof(line) - 1 && read(fd, line + n, 1) == 1);
        if (line[n++] != '\n')
            continue;
        line[n] = 0;
        if (line[3] != '-')
            return line;
        n = 0;
    }
}

static void expect(int fd, const char *beginning)
{
    const char *line = heard(fd);

    if (strncmp(line, beginning, strlen(beginning)) != 0)
        fprintf(stderr, "wanted %s, heard %s", beginning, line);
    CHECK(strncmp(line, beginning, strlen(beginning)) == 0);
}

static int called(uint32_t port)
{
    struct sockaddr_in at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&at, 0, sizeof(at));
    at.sin_family = AF_INET;
    at.sin_port = htons((uint16_t)port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0);
    expect(fd, "220");
    say(fd, "EHLO client.far.example\r\n");
    expect(fd, "250");
    return fd;
}

/* Hands a message in; its reply is still to be read. */
static void hand_in(int fd, const char *subject)
{
    say(fd, "MAIL FROM:<alice@far.example>\r\n");
    expect(fd, "250");
    say(fd, "RCPT TO:<bob@example.org>\r\n");
    expect(fd, "250");
    say(fd, "DATA\r\n");
    expect(fd, "354");
    say(fd, "From: alice@far.example\r\nSubject: ");
    say(fd, subject);
    say(fd, "\r\n\r\nbody\r\n.\r\n");
}

/* What the subject of a message asks for. */
static void decide(mailcore_message message, mailcore_verdict *verdict)
{
    mailcore_error why = MAILCORE_ERROR_INIT;
    mailcore_buf subject = {NULL, 0};
    char octets[9] = "";
    const char *word;
    size_t n = 0;

    CHECK(mailcore_message_read(message, 0, octets, 8, &n, &why) == 0 && n == 8 && strcmp(octets, "From: al") == 0);
    CHECK(mailcore_message_header(message, "Subject", 0, &subject, &why) == 1);
    word = (const char *)subject.data;
    if (strcmp(word, "junk") == 0) {
        verdict->action = MAILCORE_DECISION_JUNK;
    } else if (strcmp(word, "reject") == 0) {
        verdict->action = MAILCORE_DECISION_REJECT;
        verdict->smtp_code = 554;
        memcpy(verdict->enhanced, "5.6.0", 6);
        verdict->text = "not this\nnor that";
    } else if (strcmp(word, "defer") == 0) {
        verdict->action = MAILCORE_DECISION_DEFER;
    } else if (strcmp(word, "redirect") == 0) {
        verdict->action = MAILCORE_DECISION_REDIRECT;
        verdict->redirect = "carol@example.org";
    } else if (strcmp(word, "nonsense") == 0) {
        verdict->action = MAILCORE_DECISION_REJECT;
        verdict->smtp_code = 250;
    }
    mailcore_buf_free(&subject);
}

static int32_t on_data(const mailcore_question *question, mailcore_verdict *verdict, void *user)
{
    struct host *host = (struct host *)user;

    CHECK(question->struct_size >= sizeof(*question) && question->hook == MAILCORE_HOOK_DATA);
    CHECK(question->engine != 0 && question->service == MAILCORE_SERVICE_MX);
    CHECK(question->policy == MAILCORE_DECISION_ACCEPT && question->size >= 20);
    CHECK(strcmp(question->peer, "127.0.0.1") == 0 && strcmp(question->helo, "client.far.example") == 0);
    CHECK(question->tls == NULL && question->account == NULL);
    CHECK(strcmp(question->from, "alice@far.example") == 0);
    CHECK(question->to_count == 1 && strcmp(question->to[0], "bob@example.org") == 0);
    CHECK(strncmp(question->detail, "{\"hook\":\"data\",\"service\":\"mx\"", 29) == 0);
    CHECK(question->verdicts != NULL && question->verdicts->count > 0);
    CHECK(question->verdicts->checks[0]->method != 0 && strstr(question->detail, "\"verdicts\":{") != NULL);
    decide(question->message, verdict);
    host->asked++;
    return 0;
}

static int32_t on_rcpt(const mailcore_question *question, mailcore_verdict *verdict, void *user)
{
    struct host *host = (struct host *)user;

    CHECK(question->hook == MAILCORE_HOOK_RCPT && question->message == 0 && question->to_count == 1);
    CHECK(question->verdicts == NULL);
    if (strcmp(question->to[0], "bob@example.org") == 0)
        return 0;
    if (strcmp(question->to[0], "carol@example.org") != 0)
        return 1;
    snprintf(host->text, sizeof(host->text), "%s is away", question->to[0]);
    verdict->action = MAILCORE_DECISION_DEFER;
    verdict->text = host->text;
    return 0;
}

static uint32_t total(mailcore_engine engine, const char *address, const char *name)
{
    mailcore_account account = 0;
    mailcore_mailbox mailbox = 0;
    int64_t messages = 0;

    CHECK(mailcore_account_open(engine, address, &account, &err) == 0);
    CHECK(mailcore_mailbox_open(account, name, 0, &mailbox, &err) == 0);
    CHECK(mailcore_get_i64(mailbox, "mailbox.total", &messages, &err) == 0);
    CHECK(mailcore_close(mailbox) == 0 && mailcore_close(account) == 0);
    return (uint32_t)messages;
}

/* A started engine with hooks, and the port of its MX side. */
static mailcore_engine asking(const char *folder, const mailcore_hooks *hooks, uint32_t *port)
{
    mailcore_engine engine = opened(folder, 0);
    mailcore_listener listener = 0;
    mailcore_listen_options options = MAILCORE_LISTEN_OPTIONS_INIT;
    int64_t number = 0;

    CHECK(mailcore_engine_set_hooks(engine, hooks, &err) == 0);
    CHECK(mailcore_account_put(engine, "bob@example.org", NULL, &err) == 0);
    CHECK(mailcore_account_put(engine, "carol@example.org", NULL, &err) == 0);
    CHECK(mailcore_account_put(engine, "dan@example.org", NULL, &err) == 0);
    CHECK(mailcore_engine_start(engine, &err) == 0);
    CHECK(mailcore_engine_set_hooks(engine, hooks, &err) == MAILCORE_E_STATE);
    options.service = MAILCORE_SERVICE_MX;
    options.address = "127.0.0.1";
    CHECK(mailcore_listen(engine, &options, &listener, &err) == 0);
    CHECK(mailcore_get_i64(listener, "listener.port", &number, &err) == 0);
    *port = (uint32_t)number;
    return engine;
}

static void decisions_are_kept(mailcore_engine engine)
{
    CHECK(total(engine, "bob@example.org", "INBOX") == 1 && total(engine, "bob@example.org", "Junk") == 1);
    CHECK(total(engine, "carol@example.org", "INBOX") == 1);
}

static void by_function(void)
{
    struct host host = {0, ""};
    mailcore_hooks hooks = MAILCORE_HOOKS_INIT;
    mailcore_event event = MAILCORE_EVENT_INIT;
    mailcore_engine engine;
    uint32_t port = 0;
    int fd, failed = 0;

    hooks.data = on_data;
    hooks.rcpt = on_rcpt;
    hooks.user = &host;
    engine = asking("hooks-function.store", &hooks, &port);
    fd = called(port);
    hand_in(fd, "x");
    expect(fd, "250 2.0.0 Ok");
    hand_in(fd, "junk");
    expect(fd, "250 2.0.0 Ok");
    hand_in(fd, "reject");
    expect(fd, "554 5.6.0 nor that");
    hand_in(fd, "defer");
    expect(fd, "451 4.7.1 Refused for now");
    hand_in(fd, "redirect");
    expect(fd, "250 2.0.0 Ok");
    hand_in(fd, "nonsense");
    expect(fd, "451 4.3.0");
    CHECK(host.asked == 6);
    say(fd, "MAIL FROM:<>\r\n");
    expect(fd, "250");
    say(fd, "RCPT TO:<carol@example.org>\r\n");
    expect(fd, "451 4.7.1 carol@example.org is away");
    say(fd, "RCPT TO:<dan@example.org>\r\n");
    expect(fd, "451 4.3.0");
    while (failed < 2) {
        CHECK(mailcore_events_next(engine, 60000, &event, &err) == 1);
        if (event.type != MAILCORE_EVENT_HOOK_FAILED)
            continue;
        CHECK(event.code == (failed == 0 ? (int32_t)MAILCORE_HOOK_DATA : (int32_t)MAILCORE_HOOK_RCPT));
        failed++;
    }
    decisions_are_kept(engine);
    mailcore_event_clear(&event);
    CHECK(mailcore_close(engine) == 0);
    close(fd);
}

/* Answers the next request as the function would. */
static void answer(mailcore_engine engine, const char *said)
{
    mailcore_event event = MAILCORE_EVENT_INIT;
    mailcore_verdict verdict = MAILCORE_VERDICT_INIT;
    mailcore_message message = 0;

    CHECK(mailcore_requests_next(engine, 60000, &event, &err) == 1);
    CHECK(event.type == MAILCORE_EVENT_REQUEST && event.subject != 0 && event.count == 1);
    CHECK(event.code == (int32_t)MAILCORE_HOOK_DATA && strstr((const char *)event.detail.data, said) != NULL);
    CHECK(mailcore_request_open(engine, event.subject, &message, &err) == 0);
    decide(message, &verdict);
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == 0);
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == MAILCORE_E_STATE);
    /* It can still be read. */
    decide(message, &verdict);
    CHECK(mailcore_close(message) == 0);
    mailcore_event_clear(&event);
}

/* Answers that cannot be: the request waits on. */
static void answer_wrongly(mailcore_engine engine)
{
    mailcore_event event = MAILCORE_EVENT_INIT;
    mailcore_verdict verdict = MAILCORE_VERDICT_INIT;

    CHECK(mailcore_requests_next(engine, 60000, &event, &err) == 1);
    CHECK(mailcore_reply(engine, event.subject + 1, &verdict, &err) == MAILCORE_E_NOT_FOUND);
    verdict.action = 99;
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == MAILCORE_E_INVALID);
    verdict.action = MAILCORE_DECISION_REDIRECT;
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == MAILCORE_E_INVALID);
    verdict.redirect = "nobody@example.org";
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == MAILCORE_E_NOT_FOUND);
    verdict.action = MAILCORE_DECISION_REJECT;
    verdict.text = "a\tb";
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == MAILCORE_E_INVALID);
    verdict.text = "\xff";
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == MAILCORE_E_UTF8);
    verdict.text = NULL;
    verdict.smtp_code = 451;
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == MAILCORE_E_INVALID);
    verdict.smtp_code = 550;
    memcpy(verdict.enhanced, "4.7.1", 6);
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == MAILCORE_E_INVALID);
    memset(verdict.enhanced, 'x', sizeof(verdict.enhanced));
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == MAILCORE_E_INVALID);
    memcpy(verdict.enhanced, "5.7.1", 6);
    CHECK(mailcore_reply(engine, event.subject, &verdict, &err) == 0);
    mailcore_event_clear(&event);
}

static void by_event(void)
{
    mailcore_hooks hooks = MAILCORE_HOOKS_INIT;
    mailcore_event event = MAILCORE_EVENT_INIT;
    mailcore_engine engine;
    mailcore_message message = 0;
    uint32_t port = 0;
    int fd;

    hooks.as_events = MAILCORE_HOOK_DATA;
    engine = asking("hooks-event.store", &hooks, &port);
    fd = called(port);
    hand_in(fd, "x");
    answer(engine, "\"helo\":\"client.far.example\"");
    expect(fd, "250 2.0.0 Ok");
    hand_in(fd, "junk");
    answer(engine, "\"from\":\"alice@far.example\"");
    expect(fd, "250 2.0.0 Ok");
    hand_in(fd, "reject");
    answer(engine, "\"to\":[\"bob@example.org\"]");
    expect(fd, "554 5.6.0 nor that");
    hand_in(fd, "redirect");
    answer(engine, "\"policy\":\"accept\"");
    expect(fd, "250 2.0.0 Ok");
    hand_in(fd, "x");
    answer_wrongly(engine);
    expect(fd, "550 5.7.1 Refused");
    decisions_are_kept(engine);
    CHECK(mailcore_request_open(engine, 1, &message, &err) == MAILCORE_E_STATE && message == 0);

    /* Stopped while a peer waits. */
    hand_in(fd, "x");
    CHECK(mailcore_requests_next(engine, 60000, &event, &err) == 1);
    CHECK(mailcore_engine_stop(engine, 10000, &err) == 0);
    expect(fd, "451 4.3.2");
    mailcore_event_clear(&event);
    CHECK(mailcore_close(engine) == 0);
    close(fd);
}

int main(void)
{
    mailcore_engine engine = opened("hooks-none.store", 0);
    mailcore_hooks hooks = MAILCORE_HOOKS_INIT;
    mailcore_verdict verdict = MAILCORE_VERDICT_INIT;

    hooks.data = on_data;
    hooks.as_events = MAILCORE_HOOK_DATA;
    CHECK(mailcore_engine_set_hooks(engine, &hooks, &err) == MAILCORE_E_INVALID);
    hooks.as_events = 0x80000000u;
    CHECK(mailcore_engine_set_hooks(engine, &hooks, &err) == MAILCORE_E_INVALID);
    CHECK(mailcore_engine_set_hooks(engine, NULL, &err) == MAILCORE_E_NULL);
    CHECK(mailcore_reply(engine, 1, &verdict, &err) == MAILCORE_E_STATE);
    CHECK(mailcore_close(engine) == 0);

    by_function();
    by_event();
    return 0;
}
