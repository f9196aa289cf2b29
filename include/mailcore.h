/*
libmailcore: an embeddable mail engine. One library makes any program a mail
system: it takes mail over SMTP, queues and delivers it to the world, keeps it in
one SQLite file, and gives it out over POP3, IMAP and this interface.

    #include <mailcore.h>
    #include <stdio.h>
    #include <string.h>

    int main(void)
    {
        static const char text[] = "From: alice@example.org\r\nTo: bob@example.org\r\n"
                                   "Subject: hello\r\n\r\nHello Bob.\r\n";
        mailcore_error err = MAILCORE_ERROR_INIT;
        mailcore_open how = MAILCORE_OPEN_INIT;
        mailcore_engine engine = 0;
        uint64_t id = 0;

        how.folder = "tutorial.store";
        how.hostname = "mx.example.org";
        if (mailcore_engine_open(&how, &engine, &err) < 0
            || mailcore_account_put(engine, "alice@example.org", "wonderland", &err) < 0
            || mailcore_account_put(engine, "bob@example.org", "builder", &err) < 0
            || mailcore_engine_start(engine, &err) < 0
            || mailcore_send(engine, "alice@example.org", "bob@example.org",
                             text, strlen(text), &id, &err) < 0) {
            fprintf(stderr, "mail: %s\n", err.message);
            return 1;
        }
        mailcore_close(engine);
        return 0;
    }

Handles. A handle is a number, not an address; 0 is none. A closed, wrong or
invented handle is answered with MAILCORE_E_HANDLE and does no harm. Every handle is
closed with mailcore_close(); closing an engine closes all that came from it. It is
safe to close a handle while another thread is inside a call on it.

Results. Functions return 0 (MAILCORE_OK), or a MAILCORE_E_ code below 0; those that
fetch return 1 for an item and 0 for the end. The last parameter, err, takes the
sentence that belongs to the code; it is the caller's, and needs no freeing.

Pointers. Every pointer may be NULL: an output is then not wanted, an option is then
not set, and where a value is needed the answer is MAILCORE_E_NULL. Handles given
back are 0 after a failure; other outputs are written on success only. Texts are UTF-8
and end in NUL; messages are octets with a length, with CRLF line ends. What you pass is
copied before the function returns. What you get in a mailcore_buf is yours: give it back
with mailcore_buf_free(). Nothing else needs freeing.

Structs. Set them up with their _INIT macro: it stores the size by which old programs
and new libraries (and the other way round) understand each other.

Threads. Every function may be called from any thread. The word in brackets says how
long it may take: [nowait] never waits, [disk] may wait for the disk, [wait] waits up
to timeout_ms (-1 for ever, 0 not at all), and mailcore_interrupt() ends it. [hook-ok]:
may be called from inside a hook. After fork() the child cannot use an engine of the
parent: every call answers MAILCORE_E_FORKED. Open the engine after the fork.

Events. The engine tells what happens (mail filed, delivered, bounced) by events that
the host pulls with mailcore_events_next(). mailcore_events_fd() gives a descriptor for
poll() or an event loop: readable exactly while there is an event. Never read from it.

The library prints nothing, handles no signals, never ends the process.
*/

#ifndef MAILCORE_H
#define MAILCORE_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header; mailcore_version() gives that of the library at run time. */
#define MAILCORE_VERSION_NUMBER 1000

#if defined(_WIN32) && !defined(MAILCORE_STATIC)
#define MAILCORE_API __declspec(dllimport)
#else
#define MAILCORE_API
#endif

/* Properties of an engine, for mailcore_get_* and mailcore_set_*; mailcore_key_info() tells types and ranges. */

/** Our name in greetings, EHLO, Received and reports. */
#define MAILCORE_KEY_HOSTNAME "hostname"

/** Threads that run sessions and deliveries. */
#define MAILCORE_KEY_ENGINE_THREADS "engine.threads"

/** Threads that read the store. */
#define MAILCORE_KEY_STORE_READERS "store.readers"

/** Events kept for a host that does not pull them. */
#define MAILCORE_KEY_EVENTS_CAPACITY "events.capacity"

/** Largest message taken, in octets. */
#define MAILCORE_KEY_MESSAGE_OCTETS_MAX "message.octets_max"

/** Recipients in one transaction. */
#define MAILCORE_KEY_SMTP_RECIPIENTS_MAX "smtp.recipients_max"

/** Sessions of one listener at a time. */
#define MAILCORE_KEY_SESSIONS_PER_LISTENER_MAX "sessions.per_listener_max"

/** Sessions from one peer address at a time. */
#define MAILCORE_KEY_SESSIONS_PER_PEER_MAX "sessions.per_peer_max"

/** Passwords without TLS, on loopback listeners only. */
#define MAILCORE_KEY_LOGIN_ALLOW_PLAINTEXT "login.allow_plaintext"

/** Domain of login names without @; empty is the first local domain. */
#define MAILCORE_KEY_LOGIN_DOMAIN "login.domain"

/** Pause after a failed login. */
#define MAILCORE_KEY_LOGIN_FAILURE_PAUSE_SECONDS "login.failure_pause_seconds"

/** Argon2id memory of stored passwords, in KiB. */
#define MAILCORE_KEY_LOGIN_ARGON2_KIB "login.argon2_kib"

/** Argon2id passes of stored passwords. */
#define MAILCORE_KEY_LOGIN_ARGON2_PASSES "login.argon2_passes"

/** PBKDF2 iterations of SCRAM keys. */
#define MAILCORE_KEY_LOGIN_SCRAM_ITERATIONS "login.scram_iterations"

/** Bare LF in submitted mail becomes CRLF instead of being refused. */
#define MAILCORE_KEY_SUBMISSION_REPAIR_LINE_ENDS "submission.repair_line_ends"

/** Separator of plus-addressing; empty switches it off. */
#define MAILCORE_KEY_ADDRESS_SUBADDRESS_SEPARATOR "address.subaddress_separator"

/** SMTP: wait for the next command. */
#define MAILCORE_KEY_SMTP_WAIT_SECONDS "smtp.wait_seconds"

/** POP3: wait for the next command. */
#define MAILCORE_KEY_POP3_WAIT_SECONDS "pop3.wait_seconds"

/** IMAP: wait for the next command once logged in. */
#define MAILCORE_KEY_IMAP_WAIT_SECONDS "imap.wait_seconds"

/** IMAP: wait for the login. */
#define MAILCORE_KEY_IMAP_LOGIN_WAIT_SECONDS "imap.login_wait_seconds"

/** Wait for a TLS handshake. */
#define MAILCORE_KEY_TLS_HANDSHAKE_SECONDS "tls.handshake_seconds"

/** Mint a certificate where the host gives none. */
#define MAILCORE_KEY_TLS_SELF_SIGNED "tls.self_signed"

/** Port of the hosts mail goes to. */
#define MAILCORE_KEY_OUTBOUND_PORT "outbound.port"

/** host:port that takes all our mail; [user[:password]@] in front for a login; empty for delivery by MX. */
#define MAILCORE_KEY_OUTBOUND_SMART_HOST "outbound.smart_host"

/** Pauses between attempts in seconds, by commas; the last one repeats. */
#define MAILCORE_KEY_OUTBOUND_RETRY_SECONDS "outbound.retry_seconds"

/** Part of a pause by which it may be longer, at random. */
#define MAILCORE_KEY_OUTBOUND_RETRY_JITTER_PERCENT "outbound.retry_jitter_percent"

/** When a message is given up. */
#define MAILCORE_KEY_OUTBOUND_LIFETIME_SECONDS "outbound.lifetime_seconds"

/** When a sender is told that a message is delayed; 0 never. */
#define MAILCORE_KEY_OUTBOUND_DELAY_REPORT_SECONDS "outbound.delay_report_seconds"

/** Deliveries under way at a time. */
#define MAILCORE_KEY_OUTBOUND_DELIVERIES_MAX "outbound.deliveries_max"

/** Connections to one destination at a time. */
#define MAILCORE_KEY_OUTBOUND_CONNECTIONS_PER_DESTINATION_MAX "outbound.connections_per_destination_max"

/** How long an idle connection is kept for the next message. */
#define MAILCORE_KEY_OUTBOUND_KEEP_CONNECTION_SECONDS "outbound.keep_connection_seconds"

/** Whether IPv6 addresses are tried. */
#define MAILCORE_KEY_OUTBOUND_IPV6 "outbound.ipv6"

/** TLS towards other hosts: off, opportunistic, required or verified. */
#define MAILCORE_KEY_OUTBOUND_TLS "outbound.tls"

/** address:port of the DNS server to ask; empty for the system's. */
#define MAILCORE_KEY_DNS_SERVER "dns.server"

/** Names the host did not set do not exist: no server is asked. */
#define MAILCORE_KEY_DNS_HOST_ONLY "dns.host_only"

/** Validate DNSSEC here. */
#define MAILCORE_KEY_DNS_DNSSEC "dns.dnssec"


/**
 * Done. Functions that fetch one thing at a time return 1 for "here is one" and 0 for "there is none".
 */
#define MAILCORE_OK 0

/**
 * The handle is 0, closed, or of another type than the function takes.
 */
#define MAILCORE_E_HANDLE -1

/**
 * A pointer that is needed is NULL.
 */
#define MAILCORE_E_NULL -2

/**
 * A text is not UTF-8.
 */
#define MAILCORE_E_UTF8 -3

/**
 * A struct's struct_size is not set, or it has fields that this library does not know and that are not zero.
 */
#define MAILCORE_E_VERSION -4

/**
 * A value that cannot be: bad address, bad name, number out of range.
 */
#define MAILCORE_E_INVALID -5

/**
 * No such property, or not on this handle, or it cannot be written.
 */
#define MAILCORE_E_KEY -6

/**
 * The property is of the other type.
 */
#define MAILCORE_E_TYPE -7

/**
 * This build or platform cannot do it.
 */
#define MAILCORE_E_UNSUPPORTED -8

/**
 * The call does not fit the present state.
 */
#define MAILCORE_E_STATE -20

/**
 * No such account, mailbox, message or queue entry.
 */
#define MAILCORE_E_NOT_FOUND -21

/**
 * It is there already.
 */
#define MAILCORE_E_EXISTS -22

/**
 * Somebody else holds it: the store is open elsewhere, the port is taken.
 */
#define MAILCORE_E_BUSY -23

/**
 * A limit was reached.
 */
#define MAILCORE_E_LIMIT -24

/**
 * The account's quota is used up.
 */
#define MAILCORE_E_QUOTA -25

/**
 * Disk or database failed; nothing was acknowledged.
 */
#define MAILCORE_E_STORE -40

/**
 * The store is down after a failed write and refuses work.
 */
#define MAILCORE_E_STORE_DOWN -41

/**
 * Sockets failed.
 */
#define MAILCORE_E_NETWORK -60

/**
 * Names could not be resolved.
 */
#define MAILCORE_E_DNS -61

/**
 * TLS handshake or certificate failed.
 */
#define MAILCORE_E_TLS -62

/**
 * The other side broke its protocol.
 */
#define MAILCORE_E_PROTOCOL -63

/**
 * Wrong address or password.
 */
#define MAILCORE_E_LOGIN -80

/**
 * Refused by policy.
 */
#define MAILCORE_E_POLICY -81

/**
 * A bug in the library, caught before it could harm the host.
 */
#define MAILCORE_E_PANIC -100

/**
 * Out of memory.
 */
#define MAILCORE_E_NOMEM -101

/**
 * The process was forked after the library had started threads: use it in the parent only, or fork first.
 */
#define MAILCORE_E_FORKED -102

/**
 * mailcore_interrupt was called, or the engine is being closed.
 */
#define MAILCORE_E_INTERRUPTED -103

/**
 * The time given was over.
 */
#define MAILCORE_E_TIMEOUT -104

/**
 * Octets that the caller owns and gives back with mailcore_buf_free. Behind the last one stands a NUL, so
 * that a text can be used as a C string.
 */
typedef struct {
    /**
     * The octets; NULL before first use and after mailcore_buf_free.
     */
    uint8_t *data;
    /**
     * How many they are, the NUL behind them not counted.
     */
    size_t len;
} mailcore_buf;

/**
 * Why a call failed. The caller owns it and may use it again and again; set it up with MAILCORE_ERROR_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_error), set by MAILCORE_ERROR_INIT. With 0 here nothing is written.
     */
    uint32_t struct_size;
    /**
     * The code the function returned; 0 after success.
     */
    int32_t code;
    /**
     * errno of the system call that failed; 0 where there is none.
     */
    int32_t sys_errno;
    /**
     * Reply code of a mail server; 0 where there is none.
     */
    int32_t smtp_code;
    /**
     * Enhanced status code as text, "5.1.1"; empty where there is none.
     */
    char enhanced[12];
    /**
     * One sentence for a person, UTF-8, ends in NUL; cut between characters where it is too long.
     */
    char message[480];
} mailcore_error;

/** What a mailcore_error is set up with. */
#define MAILCORE_ERROR_INIT { (uint32_t)sizeof(mailcore_error), 0, 0, 0, { 0 }, { 0 } }

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * Frees what a function gave in a mailcore_buf.
 *
 * [nowait] [hook-ok] Sets it to zero, so that a second call does nothing. NULL is allowed.
 *
 * @param buf  the buffer, or NULL
 * @since 0.1.0
 */
MAILCORE_API void mailcore_buf_free(mailcore_buf *buf);

/**
 * The version of the library at run time: major * 1000000 + minor * 1000 + patch.
 *
 * [nowait] [hook-ok] Compare it with MAILCORE_VERSION_NUMBER, the version of the header.
 *
 * @returns the number; 0.1.0 is 1000
 * @since 0.1.0
 */
MAILCORE_API uint32_t mailcore_version(void);

/**
 * Version, target and build options in one line, for bug reports.
 *
 * [nowait] [hook-ok] The text belongs to the library and is valid for ever.
 *
 * @returns a text, never NULL
 * @since 0.1.0
 */
MAILCORE_API const char *mailcore_build_info(void);

/**
 * What a result code means, in a few words.
 *
 * [nowait] [hook-ok] The text belongs to the library and is valid for ever. What exactly went wrong
 * stands in the message of the mailcore_error that was given to the failed function.
 *
 * @param code  what a function returned; any number
 * @returns a text, never NULL
 * @since 0.1.0
 */
MAILCORE_API const char *mailcore_strerror(int32_t code);

#ifdef __cplusplus
} /* extern "C" */
#endif /* __cplusplus */

#endif /* MAILCORE_H */
