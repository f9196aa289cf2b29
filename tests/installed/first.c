/* The first mail of a program that was linked with the installed library: filed for Bob, and read again. */
#include <mailcore.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments)
{
    static const char mail[] = "From: alice@example.com\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello Bob.\r\n";
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_open how = MAILCORE_OPEN_INIT;
    mailcore_engine engine = 0;
    mailcore_account bob = 0;
    mailcore_mailbox inbox = 0;
    mailcore_cursor messages = 0;
    mailcore_row row = MAILCORE_ROW_INIT;
    int ok;

    how.folder = count > 1 ? arguments[1] : "first.store";
    how.hostname = "mx.example.org";
    how.settings = "login.argon2_kib=8\ndns.host_only=1\n";
    ok = mailcore_engine_open(&how, &engine, &err) == 0
        && mailcore_account_put(engine, "bob@example.org", "builder", &err) == 0
        && mailcore_engine_start(engine, &err) == 0
        && mailcore_send(engine, "alice@example.com", "bob@example.org", mail, strlen(mail), NULL, &err) == 0
        && mailcore_account_open(engine, "bob@example.org", &bob, &err) == 0
        && mailcore_mailbox_open(bob, "INBOX", 0, &inbox, &err) == 0
        && mailcore_list(inbox, MAILCORE_LIST_MESSAGES, NULL, &messages, &err) == 0
        && mailcore_next(messages, &row, &err) == 1;
    printf("%s\n", ok ? "Bob has the mail" : err.message);
    mailcore_close(engine);
    return !ok;
}
