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

Handles. A handle is a number, not an address; 0 is none. A call with a closed
or wrong handle returns MAILCORE_E_HANDLE and does no harm. Every handle is
closed with mailcore_close(); closing an engine closes all that came from it. It is
safe to close a handle while another thread is inside a call on it.

Results. Functions return 0 (MAILCORE_OK), or a MAILCORE_E_ code below 0; those that
fetch return 1 for an item and 0 for the end. The last parameter, err, takes a
sentence that explains the code; the caller owns it, and it needs no freeing.

Pointers. Every pointer may be NULL: an output is then not wanted, an option is then
not set, and where a value is needed the answer is MAILCORE_E_NULL. Handles given
back are 0 after a failure; other outputs are written on success only. Texts are UTF-8
and end in NUL; messages are bytes with a length, with CRLF line ends. What you pass is
copied before the function returns. What you get in a mailcore_buf is yours: give it back
with mailcore_buf_free(); events and verdicts have a function of their own for that.
Nothing else needs freeing.

Structs. Set them up with their _INIT macro: it stores the size by which old programs
and new libraries (and the other way round) understand each other.

Threads. Every function may be called from any thread. The word in brackets says how
long it may take: [nowait] never waits, [disk] may wait for the disk, [wait] waits up
to timeout_ms (-1 for ever, 0 not at all), and mailcore_interrupt() ends it. [hook-ok]:
may be called from inside a hook. A process that has opened an engine cannot use the
library in a child of fork(): every call there answers MAILCORE_E_FORKED, checks and
signing too. Fork first, or exec a new program, and open the engine then.

Events. The engine tells what happens (mail filed, delivered, bounced) by events that
your program pulls with mailcore_events_next(). mailcore_events_fd() gives a descriptor for
poll() or an event loop: readable exactly while there is an event. Never read from it.

Hooks. mailcore_engine_set_hooks() lets your program decide about each message and each
recipient while the peer waits: by a function of its own, or by a request event that it
answers with mailcore_reply(). It sees the message, its envelope, the verdicts of SPF,
DKIM and DMARC, and what the engine would do; without an answer in time the peer is told
to try again later.

Checks. SPF, DKIM, DMARC and ARC need no engine: mailcore_resolver_open() says where names
are looked up, mailcore_verify() judges a message; mailcore_dkim_sign() needs a key only.
A resolver that has a zone and no server asks nobody: the same message, origin and time
then give the same verdicts again.

Failure. A fault inside the library is caught: MAILCORE_EVENT_FATAL names it, the call
that met it and all later calls return MAILCORE_E_PANIC, listeners close
and sessions end. Events can still be read, properties of the engine too, and
mailcore_close() works. Nothing acknowledged is lost: open the store again and go on. A
fault in one session ends that connection only, and is reported by
MAILCORE_EVENT_SESSION_BROKEN.

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

/** Octets of the file system that mail leaves free for changes and deletions; -1: a sixteenth, 64 MiB at most. */
#define MAILCORE_KEY_STORE_RESERVE_OCTETS "store.reserve_octets"

/** Messages that an account may have in all its mailboxes; more are refused as where its quota is used up. */
#define MAILCORE_KEY_STORE_ACCOUNT_MESSAGES_MAX "store.account_messages_max"

/** Events kept for a host that does not pull them. */
#define MAILCORE_KEY_EVENTS_CAPACITY "events.capacity"

/** What of the log becomes events: off, error, warn, info, debug or trace. */
#define MAILCORE_KEY_LOG_LEVEL "log.level"

/** Peers whose dialogs become events: addresses and networks (192.0.2.0/24), by commas, or all. */
#define MAILCORE_KEY_TRACE_PEERS "trace.peers"

/** How long the host may think about a question before the peer is told to try again, in milliseconds. */
#define MAILCORE_KEY_HOOK_TIMEOUT_MS "hook.timeout_ms"

/** Threads on which the host's hook functions run. */
#define MAILCORE_KEY_HOOK_THREADS "hook.threads"

/** Largest message taken, in octets. */
#define MAILCORE_KEY_MESSAGE_OCTETS_MAX "message.octets_max"

/** Recipients in one transaction. */
#define MAILCORE_KEY_SMTP_RECIPIENTS_MAX "smtp.recipients_max"

/** Sessions of one listener at a time. */
#define MAILCORE_KEY_SESSIONS_PER_LISTENER_MAX "sessions.per_listener_max"

/** Sessions of one listener from one peer address at a time. */
#define MAILCORE_KEY_SESSIONS_PER_PEER_MAX "sessions.per_peer_max"

/** Sessions from one peer address at a time, over all listeners. */
#define MAILCORE_KEY_SESSIONS_PER_PEER_TOTAL_MAX "sessions.per_peer_total_max"

/** Recipients that do not exist before their sender's address is put off for a time that grows; 0 for no limit. */
#define MAILCORE_KEY_SMTP_UNKNOWN_RECIPIENTS_PER_PEER_MAX "smtp.unknown_recipients_per_peer_max"

/** How late a recipient that does not exist is answered, but for the first three of a session, in ms. */
#define MAILCORE_KEY_SMTP_UNKNOWN_RECIPIENT_PAUSE_MS "smtp.unknown_recipient_pause_ms"

/** Octets of memory that sessions may take together; 0: half of what the machine, or the control group, has. */
#define MAILCORE_KEY_MEMORY_OCTETS_MAX "memory.octets_max"

/** Sessions of one account at a time, over all listeners. */
#define MAILCORE_KEY_SESSIONS_PER_ACCOUNT_MAX "sessions.per_account_max"

/** Passwords without TLS, on loopback listeners only. */
#define MAILCORE_KEY_LOGIN_ALLOW_PLAINTEXT "login.allow_plaintext"

/** Domain of login names without @; empty is the first local domain. */
#define MAILCORE_KEY_LOGIN_DOMAIN "login.domain"

/** For tests: take all mail and send none; each files by recipient, an address all there; empty is off. */
#define MAILCORE_KEY_SINK "sink"

/** Pause after a failed login; further ones from an address make it longer, up to 15 seconds. */
#define MAILCORE_KEY_LOGIN_FAILURE_PAUSE_SECONDS "login.failure_pause_seconds"

/** Failed logins of an address before it is blocked for a time that grows; 0 blocks nobody. */
#define MAILCORE_KEY_LOGIN_FAILURES_PER_PEER_MAX "login.failures_per_peer_max"

/** The same of a network (/24, of IPv6 /48); 0 for no limit. */
#define MAILCORE_KEY_LOGIN_FAILURES_PER_NETWORK_MAX "login.failures_per_network_max"

/** Failed logins to an account before addresses it never logged in from are kept out for a time; 0 for no limit. */
#define MAILCORE_KEY_LOGIN_FAILURES_PER_ACCOUNT_MAX "login.failures_per_account_max"

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

/** SMTP: time the data of one message may take in all. */
#define MAILCORE_KEY_SMTP_DATA_SECONDS "smtp.data_seconds"

/** SMTP: least octets of message data a second, over smtp.wait_seconds; 0 for none. */
#define MAILCORE_KEY_SMTP_DATA_RATE_MIN "smtp.data_rate_min"

/** POP3: wait for the next command, and for the login in all. */
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

/** Wait for a connection to another host. */
#define MAILCORE_KEY_OUTBOUND_CONNECT_SECONDS "outbound.connect_seconds"

/** Wait for another host's greeting. */
#define MAILCORE_KEY_OUTBOUND_GREETING_SECONDS "outbound.greeting_seconds"

/** Wait for another host's reply to a command. */
#define MAILCORE_KEY_OUTBOUND_REPLY_SECONDS "outbound.reply_seconds"

/** Wait for another host's reply to a message that was sent. */
#define MAILCORE_KEY_OUTBOUND_DATA_SECONDS "outbound.data_seconds"

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

/** Believe the DNS server that DNSSEC proves an answer (AD bit): for a server that validates, on a safe path. */
#define MAILCORE_KEY_DNS_TRUST_AD "dns.trust_ad"

/** DANE (RFC 7672): TLSA records that DNSSEC proves decide on TLS; needs dns.dnssec or dns.trust_ad. */
#define MAILCORE_KEY_OUTBOUND_DANE "outbound.dane"

/** MTA-STS (RFC 8461): policies of domains decide on TLS. */
#define MAILCORE_KEY_OUTBOUND_MTA_STS "outbound.mta_sts"

/** Port of the hosts that MTA-STS policies are fetched from. */
#define MAILCORE_KEY_OUTBOUND_MTA_STS_PORT "outbound.mta_sts_port"

/** How long attempts for finished messages are kept to be explained. */
#define MAILCORE_KEY_OUTBOUND_HISTORY_SECONDS "outbound.history_seconds"

/** TLS by domain, by commas: domain=tls, .domain for all below it; off, opportunistic, required, verified, \              verified:name, dane. */
#define MAILCORE_KEY_OUTBOUND_TLS_RULES "outbound.tls_rules"

/** Write Authentication-Results, and remove others' with our name. */
#define MAILCORE_KEY_AUTH_RESULTS "auth.results"

/** Our name in Authentication-Results; empty is the hostname. */
#define MAILCORE_KEY_AUTH_SERV_ID "auth.serv_id"

/** Clients whose mail is not checked: addresses and networks (192.0.2.0/24), by commas. */
#define MAILCORE_KEY_AUTH_TRUSTED "auth.trusted"

/** Check mail by LMTP too; usually the relay in front has done it. */
#define MAILCORE_KEY_AUTH_LMTP "auth.lmtp"

/** How long the checks of one message may ask DNS. */
#define MAILCORE_KEY_AUTH_DNS_SECONDS "auth.dns_seconds"

/** Check SPF. */
#define MAILCORE_KEY_SPF_CHECK "spf.check"

/** Refuse mail for a fail of SPF alone, whatever DMARC says. */
#define MAILCORE_KEY_SPF_REJECT "spf.reject"

/** Check DKIM signatures. */
#define MAILCORE_KEY_DKIM_CHECK "dkim.check"

/** Sign our mail where there is a key for its domain. */
#define MAILCORE_KEY_DKIM_SIGN "dkim.sign"

/** Evaluate DMARC. */
#define MAILCORE_KEY_DMARC_CHECK "dmarc.check"

/** Obey DMARC: reject refuses, quarantine files as junk. */
#define MAILCORE_KEY_DMARC_ENFORCE "dmarc.enforce"

/** Put mail off while DNS does not say whether DMARC has a policy, instead of taking it. */
#define MAILCORE_KEY_DMARC_DEFER_ON_TEMPERROR "dmarc.defer_on_temperror"

/** What becomes of mail whose From does not name its authors for certain: refuse, junk or take. */
#define MAILCORE_KEY_DMARC_UNCERTAIN_FROM "dmarc.uncertain_from"

/** Address that DMARC aggregate reports are sent from, each day to the domains that ask; empty sends none. */
#define MAILCORE_KEY_DMARC_REPORT_FROM "dmarc.report_from"

/** Local address whose mail is read for DMARC aggregate reports, beside being filed; empty reads none. */
#define MAILCORE_KEY_DMARC_REPORT_ADDRESS "dmarc.report_address"

/** How long DMARC aggregate reports that came are kept for queries. */
#define MAILCORE_KEY_DMARC_KEEP_SECONDS "dmarc.keep_seconds"

/** Check ARC chains. */
#define MAILCORE_KEY_ARC_CHECK "arc.check"

/** Domains whose ARC seal outweighs a failure of DMARC, by commas. */
#define MAILCORE_KEY_ARC_TRUSTED "arc.trusted"

/** Seal mail that an alias sends on, where there is a DKIM key to do it with. */
#define MAILCORE_KEY_ARC_SEAL "arc.seal"

/** Look the client's address up and back. */
#define MAILCORE_KEY_IPREV_CHECK "iprev.check"

/** Look up BIMI's record for mail that passes DMARC. */
#define MAILCORE_KEY_BIMI_CHECK "bimi.check"

/** From in an account's mail must name its own addresses only. */
#define MAILCORE_KEY_SUBMISSION_CHECK_FROM "submission.check_from"

/** For how many seconds users may have mail held (FUTURERELEASE); 0 does not offer it. */
#define MAILCORE_KEY_SUBMISSION_HOLD_SECONDS_MAX "submission.hold_seconds_max"

/** Classes of solicitation that are refused (NO-SOLICITING), like org.example:adv, by commas; empty: none. */
#define MAILCORE_KEY_SMTP_NO_SOLICITING "smtp.no_soliciting"

/** Who is told by VRFY and EXPN which addresses there are: nobody, users (who logged in) or anybody. */
#define MAILCORE_KEY_SMTP_VERIFY "smtp.verify"

/** Messages that one account may submit in an hour; 0 for no limit. */
#define MAILCORE_KEY_SUBMISSION_MESSAGES_PER_HOUR_MAX "submission.messages_per_hour_max"

/** Messages that one account may submit in a day; 0 for no limit. */
#define MAILCORE_KEY_SUBMISSION_MESSAGES_PER_DAY_MAX "submission.messages_per_day_max"

/** Different recipients that one account may write to in a day; 0 for no limit. */
#define MAILCORE_KEY_SUBMISSION_RECIPIENTS_PER_DAY_MAX "submission.recipients_per_day_max"

/** Peers that submit without a login, like printers: addresses and networks (192.0.2.0/24), by commas. */
#define MAILCORE_KEY_SUBMISSION_TRUSTED "submission.trusted"

/** Peers whose XCLIENT and XFORWARD are believed: addresses and networks (192.0.2.0/24), by commas. */
#define MAILCORE_KEY_XCLIENT_TRUSTED "xclient.trusted"

/** Proxies, whose connections to any listener begin with a PROXY header: addresses and networks, by commas. */
#define MAILCORE_KEY_PROXY_TRUSTED "proxy.trusted"

/** Address that TLS reports (RFC 8460) are sent from, each day to the domains that ask; empty sends none. */
#define MAILCORE_KEY_TLSRPT_REPORT_FROM "tlsrpt.report_from"

/** Local address whose mail is read for TLS reports, beside being filed; empty reads none. */
#define MAILCORE_KEY_TLSRPT_REPORT_ADDRESS "tlsrpt.report_address"

/** How long TLS reports that came are kept for queries. */
#define MAILCORE_KEY_TLSRPT_KEEP_SECONDS "tlsrpt.keep_seconds"

/** A host that did TLS gets no mail without it for outbound.remember_tls_seconds. */
#define MAILCORE_KEY_OUTBOUND_REMEMBER_TLS "outbound.remember_tls"

/** How long after a host did TLS last it must do it again. */
#define MAILCORE_KEY_OUTBOUND_REMEMBER_TLS_SECONDS "outbound.remember_tls_seconds"

/** Read mail that comes for bounces, receipts and complaints about mail of ours: event reported. */
#define MAILCORE_KEY_BOUNCES_READ "bounces.read"

/** Suppress addresses that fail for good, or whose owners complain. */
#define MAILCORE_KEY_SUPPRESS_FAILED "suppress.failed"

/** How long such an address gets no mail. */
#define MAILCORE_KEY_SUPPRESS_SECONDS "suppress.seconds"


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
 * The store is down after a failed write: reading goes on, changes are refused until it can be written again.
 */
#define MAILCORE_E_STORE_DOWN -41

/**
 * There is no room on the disk for this mail; reading, changing and deleting go on.
 */
#define MAILCORE_E_DISK_FULL -42

/**
 * What is stored is damaged: it is not what was written.
 */
#define MAILCORE_E_CORRUPTION -43

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
 * A property that is a number.
 */
#define MAILCORE_TYPE_NUMBER 1

/**
 * A property that is 0 or 1.
 */
#define MAILCORE_TYPE_SWITCH 2

/**
 * A property that is a text.
 */
#define MAILCORE_TYPE_TEXT 3

/**
 * The property belongs to engines.
 */
#define MAILCORE_ON_ENGINE 1

/**
 * The property belongs to accounts.
 */
#define MAILCORE_ON_ACCOUNT 2

/**
 * The property belongs to mailboxes.
 */
#define MAILCORE_ON_MAILBOX 3

/**
 * The property belongs to messages.
 */
#define MAILCORE_ON_MESSAGE 4

/**
 * The property belongs to listeners.
 */
#define MAILCORE_ON_LISTENER 5

/**
 * The engine's clock stands still from the beginning: only mailcore_clock_set() and mailcore_clock_advance() move it.
 */
#define MAILCORE_OPEN_CLOCK_BY_HOST 1

/**
 * For mailcore_directory_apply(): change nothing, only tell what would change.
 */
#define MAILCORE_DIRECTORY_DRY_RUN 1

/**
 * For mailcore_directory_apply(): remove domains, aliases and groups that the document does not name.
 */
#define MAILCORE_DIRECTORY_WHOLE 2

/**
 * Accounts of an engine. name: address; id.
 */
#define MAILCORE_LIST_ACCOUNTS 1

/**
 * Local domains of an engine. name.
 */
#define MAILCORE_LIST_DOMAINS 2

/**
 * Aliases of an engine. name: pattern; text: target, one row for each.
 */
#define MAILCORE_LIST_ALIASES 3

/**
 * Queued messages of an engine. id: queue id; name: reverse-path; text: recipients not finished, with commas
 * between them; detail: last reply; size; time_ms: accepted; due_ms: next attempt; state:
 * MAILCORE_DELIVERY_; attempts; code; flags: 1 while held.
 */
#define MAILCORE_LIST_QUEUE 4

/**
 * Attempts for a queued message, finished ones too; query.id says which. id; name: recipient; text: reply;
 * detail: host; time_ms; state: MAILCORE_DELIVERY_; code.
 */
#define MAILCORE_LIST_ATTEMPTS 5

/**
 * Mailboxes of an account. id; name; text: special use, "\Sent"; total; unseen; size; mod_seq; flags: 1 where
 * subscribed, 2 where it can be opened.
 */
#define MAILCORE_LIST_MAILBOXES 6

/**
 * Messages of a mailbox, oldest first. id: UID; name: From; text: Subject; detail: Message-ID; size; time_ms:
 * when it came; flags: MAILCORE_FLAG_; mod_seq.
 */
#define MAILCORE_LIST_MESSAGES 7

/**
 * DMARC aggregate reports that came to dmarc.report_address, in the order they were read. id; name: who reports;
 * text: the domain whose mail it is about; time_ms, due_ms: begin and end of the time it is about; total: messages;
 * unseen: those that failed DMARC; size: its records; state: MAILCORE_POLICY_ as published; detail: JSON with
 * report_id, email, extra_contact_info, errors, arrived_ms, p, sp, np, adkim, aspf, pct, testing and fo, null where
 * it is not told.
 */
#define MAILCORE_LIST_DMARC_REPORTS 8

/**
 * Records of such a report; query.id says which. id: place, 1 and up; name: address of the sender; text: domain in
 * From; total: messages; state: MAILCORE_POLICY_ as applied, 3 where it was none since they passed; flags: 1 where
 * DKIM passed and was aligned, 2 where SPF did; detail: JSON with envelope_from, envelope_to, reasons (type,
 * comment), dkim (domain, selector, result) and spf (domain, scope, result).
 */
#define MAILCORE_LIST_DMARC_RECORDS 9

/**
 * Keys of an engine that mail is signed with. name: domain; text: selector; detail: the TXT record to publish, empty
 * where the host signs; state: MAILCORE_DKIM_; code: MAILCORE_ALGORITHM_; time_ms: when it came into its state.
 */
#define MAILCORE_LIST_DKIM_KEYS 10

/**
 * A check of an engine's store: where its parts disagree. Each mailcore_next() that needs rows does one step, of a
 * bounded size, and other work goes on beside it. name: a disagreement, as a sentence, or empty where the step found
 * none; id: how much was looked at; size: how much there is to look at, as estimated at the beginning. In the last
 * row, id is size. A sound store gives no row with a name. Closing the cursor ends the check. One check runs at a
 * time: a second one is MAILCORE_E_BUSY. After an error of mailcore_next() the check has no result: begin another.
 */
#define MAILCORE_LIST_CHECK 11

/**
 * Sessions of an engine, oldest first: connections that clients have to its listeners. id: what mailcore_session_end()
 * takes; name: address of the account that has logged in, or empty; text: the service, "imap"; detail: address and
 * port of the client; time_ms: when it began.
 */
#define MAILCORE_LIST_SESSIONS 12

/**
 * Destinations of an engine that mail waits for, by name. name: a domain, host:port of the smart host, or empty for
 * what is not routed yet; text: reply to the last attempt; total: recipients that wait; time_ms: when the oldest
 * message was accepted; due_ms: next attempt; state: MAILCORE_DELIVERY_ of the last attempt, 0 before; attempts: most
 * for one recipient; code; flags: 1 while paused; detail: JSON with paused_ms, pause_reason, held, last_ms, last_host,
 * tls_policy, null where there is none; and since the engine was opened delivered and not_delivered (recipients of
 * attempts there) and success_rate, null before the first.
 */
#define MAILCORE_LIST_DESTINATIONS 13

/**
 * Addresses of an engine that get no mail. id: the account whose mail is meant, 0 for everybody's; name: address, or @
 * and a domain; text: why, as one word; detail: why, in words; time_ms: since when; due_ms: when it ends, 0 for never.
 */
#define MAILCORE_LIST_SUPPRESSED 20

/**
 * TLS reports (RFC 8460) that came to tlsrpt.report_address, in the order they were read. id; name: who reports; text:
 * the domains whose mail it is about, by commas; time_ms, due_ms: begin and end of the time it is about; total:
 * sessions; unseen: those that failed; detail: JSON with report_id, arrived_ms and report, the report as in RFC 8460.
 */
#define MAILCORE_LIST_TLS_REPORTS 21

/**
 * Due now.
 */
#define MAILCORE_QUEUE_RETRY 1

/**
 * Not due until released.
 */
#define MAILCORE_QUEUE_HOLD 2

/**
 * Ends a hold.
 */
#define MAILCORE_QUEUE_RELEASE 3

/**
 * Given up now; the sender gets a report.
 */
#define MAILCORE_QUEUE_BOUNCE 4

/**
 * Removed without a report.
 */
#define MAILCORE_QUEUE_DROP 5

/**
 * Given up at a time: for mailcore_queue_select() only.
 */
#define MAILCORE_QUEUE_EXPIRE 6

/**
 * Routed by the settings, accounts and aliases as they are, and due now.
 */
#define MAILCORE_QUEUE_REROUTE 7

/**
 * No attempt has ended yet; for a message that is no longer in the queue: it was removed.
 */
#define MAILCORE_DELIVERY_WAITING 0

/**
 * The next server of every recipient took the message.
 */
#define MAILCORE_DELIVERY_DELIVERED 1

/**
 * At least one recipient will be tried again.
 */
#define MAILCORE_DELIVERY_DEFERRED 2

/**
 * Finished, and at least one recipient was given up.
 */
#define MAILCORE_DELIVERY_FAILED 3

/**
 * Finished, and at least one recipient was given up since the queue lifetime was over.
 */
#define MAILCORE_DELIVERY_EXPIRED 4

/**
 * Makes the mailbox where there is none.
 */
#define MAILCORE_MAILBOX_CREATE 1

/**
 * Makes a mailbox and the levels above it.
 */
#define MAILCORE_CONTROL_CREATE 1

/**
 * Deletes a mailbox with its messages.
 */
#define MAILCORE_CONTROL_DELETE 2

/**
 * Renames a mailbox and those below it; argument: the new name.
 */
#define MAILCORE_CONTROL_RENAME 3

/**
 * Subscribes a name.
 */
#define MAILCORE_CONTROL_SUBSCRIBE 4

/**
 * Unsubscribes a name.
 */
#define MAILCORE_CONTROL_UNSUBSCRIBE 5

/**
 * The message was read.
 */
#define MAILCORE_FLAG_SEEN 1

/**
 * The message was answered.
 */
#define MAILCORE_FLAG_ANSWERED 2

/**
 * The message is marked.
 */
#define MAILCORE_FLAG_FLAGGED 4

/**
 * The message is to be expunged.
 */
#define MAILCORE_FLAG_DELETED 8

/**
 * The message is a draft.
 */
#define MAILCORE_FLAG_DRAFT 16

/**
 * SMTP from the world (usually port 25), STARTTLS.
 */
#define MAILCORE_SERVICE_MX 1

/**
 * Submission by accounts (587), STARTTLS.
 */
#define MAILCORE_SERVICE_SUBMISSION 2

/**
 * Submission by accounts (465), TLS from the first byte.
 */
#define MAILCORE_SERVICE_SUBMISSIONS 3

/**
 * LMTP.
 */
#define MAILCORE_SERVICE_LMTP 4

/**
 * IMAP (143), STARTTLS.
 */
#define MAILCORE_SERVICE_IMAP 5

/**
 * IMAP (993), TLS from the first byte.
 */
#define MAILCORE_SERVICE_IMAPS 6

/**
 * POP3 (110), STLS.
 */
#define MAILCORE_SERVICE_POP3 7

/**
 * POP3 (995), TLS from the first byte.
 */
#define MAILCORE_SERVICE_POP3S 8

/**
 * ManageSieve (4190), STARTTLS: accounts manage their Sieve scripts.
 */
#define MAILCORE_SERVICE_MANAGESIEVE 9

/**
 * The dialogs of all connections become events, secrets as stars.
 */
#define MAILCORE_LISTEN_TRACE 1

/**
 * The engine is ready: all that was asked for listens.
 */
#define MAILCORE_EVENT_STARTED 1

/**
 * The engine has drained and stopped.
 */
#define MAILCORE_EVENT_STOPPED 2

/**
 * A message was accepted into the queue. subject: queue id; count: recipients.
 */
#define MAILCORE_EVENT_QUEUED 3

/**
 * A message was filed into a mailbox. subject: UID.
 */
#define MAILCORE_EVENT_FILED 4

/**
 * A recipient's next host took the message. subject: queue id; code: SMTP reply code.
 */
#define MAILCORE_EVENT_DELIVERED 5

/**
 * An attempt failed for now and will be repeated. subject: queue id; code: SMTP reply code, or 0.
 */
#define MAILCORE_EVENT_DEFERRED 6

/**
 * A recipient was given up. subject: queue id; code: SMTP reply code, or 0.
 */
#define MAILCORE_EVENT_FAILED 7

/**
 * A recipient was given up since the queue lifetime is over. subject: queue id.
 */
#define MAILCORE_EVENT_EXPIRED 8

/**
 * A bounce was written. subject: queue id of the message that failed.
 */
#define MAILCORE_EVENT_BOUNCED 9

/**
 * A peer logged in (code 1) or failed to (code 0). count: how many attempts it stands for, mostly 1; those that come
 * too fast are counted.
 */
#define MAILCORE_EVENT_LOGIN 10

/**
 * The store failed (code 1) or came back (code 0).
 */
#define MAILCORE_EVENT_STORE 11

/**
 * Something inside broke: the engine has failed, takes nothing new and answers MAILCORE_E_PANIC. Close it and open it
 * again; nothing acknowledged is lost.
 */
#define MAILCORE_EVENT_FATAL 12

/**
 * The host was too slow. count: events that were dropped.
 */
#define MAILCORE_EVENT_OVERFLOW 13

/**
 * An event of a kind that this header does not name; detail has it.
 */
#define MAILCORE_EVENT_OTHER 14

/**
 * A peer waits for the host's answer by mailcore_reply(). subject: request id; code: MAILCORE_HOOK_ and where;
 * count: recipients. It is never dropped, but taken back when nobody waits any more.
 */
#define MAILCORE_EVENT_REQUEST 15

/**
 * A hook gave no answer, or none that can be used: the peer was told to try again later. code: MAILCORE_HOOK_ and
 * where.
 */
#define MAILCORE_EVENT_HOOK_FAILED 16

/**
 * A session ended by a fault of the library's: its peer lost the connection, nobody else is touched. detail says what
 * to report.
 */
#define MAILCORE_EVENT_SESSION_BROKEN 17

/**
 * A DMARC report that somebody sent was read: it and all its rows can be asked for. subject: its id.
 */
#define MAILCORE_EVENT_DMARC_REPORT 18

/**
 * A peer was refused something: a recipient, a message, a command, the connection. code: SMTP reply code, or 0;
 * count: how many refusals it stands for, mostly 1; those of one peer that come too fast are counted.
 */
#define MAILCORE_EVENT_REFUSED 19

/**
 * Something will cause trouble if nobody looks after it, such as a certificate that is expired.
 */
#define MAILCORE_EVENT_WARNING 20

/**
 * Somebody is blocked for a time after failed logins or guessed recipients: the host may want to ban them further
 * out. count: failures that count against them; code: seconds that it lasts; detail: who.
 */
#define MAILCORE_EVENT_PENALTY 21

/**
 * What the library notes in passing, where the property log.level asks for it.
 */
#define MAILCORE_EVENT_LOG 22

/**
 * A connection ended before its session did: the TLS handshake failed, the peer went away. count: how many it stands
 * for.
 */
#define MAILCORE_EVENT_CONNECTION_BROKEN 23

/**
 * A line of a dialog that is traced: see MAILCORE_LISTEN_TRACE and the property trace.peers.
 */
#define MAILCORE_EVENT_DIALOG 24

/**
 * A TLS report (RFC 8460) that somebody sent was read. subject: its id.
 */
#define MAILCORE_EVENT_TLS_REPORT 30

/**
 * A mail that came tells what became of a message sent from here: a bounce, a receipt, a complaint. subject: queue id
 * of that message, or 0 where it is not known; code: SMTP reply code, or 0; detail: the recipient and what happened.
 */
#define MAILCORE_EVENT_REPORTED 31

/**
 * SPF (RFC 7208) of the reverse-path, or of the name in EHLO where that is null. domain: whose record was asked;
 * explanation: after a fail, the domain's own text.
 */
#define MAILCORE_METHOD_SPF 1

/**
 * SPF of the name in EHLO. As MAILCORE_METHOD_SPF.
 */
#define MAILCORE_METHOD_SPF_HELO 2

/**
 * A DKIM signature (RFC 6376). domain: d=; selector: s=; signature: how b= begins; flags.
 */
#define MAILCORE_METHOD_DKIM 3

/**
 * DMARC (RFC 7489). domain: where the policy was found; policy; percent; flags.
 */
#define MAILCORE_METHOD_DMARC 4

/**
 * ARC (RFC 8617): the chain of those who handled the message. domain and selector: of the newest seal.
 */
#define MAILCORE_METHOD_ARC 5

/**
 * iprev (RFC 8601 §3): does the client's address have a name that leads back to it? domain: that name.
 */
#define MAILCORE_METHOD_IPREV 6

/**
 * BIMI: which picture does the author's domain want shown? domain and selector: where the record was found;
 * indicator; evidence; flags. Only data: the picture was not fetched, nor is it proved to be the domain's.
 */
#define MAILCORE_METHOD_BIMI 7

/**
 * There is nothing to check: no record, no signature.
 */
#define MAILCORE_RESULT_NONE 0

/**
 * Proved.
 */
#define MAILCORE_RESULT_PASS 1

/**
 * Disproved.
 */
#define MAILCORE_RESULT_FAIL 2

/**
 * SPF: probably not, says the domain.
 */
#define MAILCORE_RESULT_SOFTFAIL 3

/**
 * The domain does not say, or not all is covered.
 */
#define MAILCORE_RESULT_NEUTRAL 4

/**
 * DNS did not answer; it may next time.
 */
#define MAILCORE_RESULT_TEMPERROR 5

/**
 * A record or signature cannot be used.
 */
#define MAILCORE_RESULT_PERMERROR 6

/**
 * BIMI: there is a record that names an indicator.
 */
#define MAILCORE_RESULT_FOUND 7

/**
 * BIMI: the record says that the domain wants nothing shown.
 */
#define MAILCORE_RESULT_DECLINED 8

/**
 * BIMI: the message or the domain's policy does not allow the question.
 */
#define MAILCORE_RESULT_SKIPPED 9

/**
 * DMARC: nothing is to be done.
 */
#define MAILCORE_POLICY_NONE 0

/**
 * DMARC: treat the message as suspicious.
 */
#define MAILCORE_POLICY_QUARANTINE 1

/**
 * DMARC: refuse the message.
 */
#define MAILCORE_POLICY_REJECT 2

/**
 * mailcore_check.flags of DKIM: the domain says that it is only testing.
 */
#define MAILCORE_TESTING 1

/**
 * mailcore_check.flags of DMARC: SPF passed for a domain that belongs to the author's.
 */
#define MAILCORE_ALIGNED_SPF 2

/**
 * mailcore_check.flags of DMARC: a DKIM signature passed whose domain belongs to the author's.
 */
#define MAILCORE_ALIGNED_DKIM 4

/**
 * mailcore_check.flags of BIMI: the domain would rather see a picture of the person than its own (avp=personal).
 */
#define MAILCORE_PREFERS_PERSON 8

/**
 * mailcore_origin.checks: SPF of the reverse-path, or of the name in EHLO where that is null. Needs ip.
 */
#define MAILCORE_CHECK_SPF 1

/**
 * mailcore_origin.checks: SPF of the name in EHLO. Needs ip.
 */
#define MAILCORE_CHECK_SPF_HELO 2

/**
 * mailcore_origin.checks: the DKIM signatures.
 */
#define MAILCORE_CHECK_DKIM 4

/**
 * mailcore_origin.checks: DMARC. Needs ip.
 */
#define MAILCORE_CHECK_DMARC 8

/**
 * mailcore_origin.checks: the ARC chain.
 */
#define MAILCORE_CHECK_ARC 16

/**
 * mailcore_origin.checks: whether the client's address has a name that leads back to it. Needs ip.
 */
#define MAILCORE_CHECK_IPREV 32

/**
 * mailcore_origin.checks: which picture the author's domain wants shown (BIMI). Data, not a verdict: looked up only
 * if DMARC passes, which is evaluated for it. Needs ip.
 */
#define MAILCORE_CHECK_BIMI 64

/**
 * mailcore_signer.algorithm: rsa-sha256 (RFC 6376).
 */
#define MAILCORE_ALGORITHM_RSA_SHA256 1

/**
 * mailcore_signer.algorithm: ed25519-sha256 (RFC 8463).
 */
#define MAILCORE_ALGORITHM_ED25519_SHA256 2

/**
 * A key that waits for its record to be seen in DNS.
 */
#define MAILCORE_DKIM_PENDING 0

/**
 * A key that signs.
 */
#define MAILCORE_DKIM_ACTIVE 1

/**
 * A key that no longer signs, but whose record must stay in DNS for a while.
 */
#define MAILCORE_DKIM_PUBLISHED 2

/**
 * A key whose record may be removed from DNS.
 */
#define MAILCORE_DKIM_RETIRED 3

/**
 * The hook at the end of a message: it is complete and judged, the peer waits for its reply.
 */
#define MAILCORE_HOOK_DATA 1

/**
 * The hook for each recipient that is taken: the peer waits for the reply to RCPT.
 */
#define MAILCORE_HOOK_RCPT 2

/**
 * The hook for each connection, before the greeting.
 */
#define MAILCORE_HOOK_CONNECT 4

/**
 * The hook for EHLO, HELO and LHLO.
 */
#define MAILCORE_HOOK_HELLO 8

/**
 * The hook for logins with a password, of any protocol: MAILCORE_DECISION_ACCEPT logs in to the account in redirect,
 * or to that of the user's name, which is made where it is missing. With this hook and without MAILCORE_HOOK_SCRAM,
 * SCRAM is not offered.
 */
#define MAILCORE_HOOK_LOGIN 16

/**
 * The hook for logins by SCRAM: MAILCORE_DECISION_ACCEPT needs the user's password in secret; the client's proof then
 * decides.
 */
#define MAILCORE_HOOK_SCRAM 32

/**
 * The hook for each sender that is taken: the peer waits for the reply to MAIL.
 */
#define MAILCORE_HOOK_MAIL 64

/**
 * The hook for each recipient that is refused: MAILCORE_DECISION_ACCEPT relays to it, or MAILCORE_DECISION_REDIRECT
 * takes it for another address.
 */
#define MAILCORE_HOOK_RCPT_REFUSED 128

/**
 * As the engine's own policy says: what a verdict is set up with.
 */
#define MAILCORE_DECISION_POLICY 0

/**
 * Accepted, whatever the engine's own policy says.
 */
#define MAILCORE_DECISION_ACCEPT 1

/**
 * Accepted, into the Junk mailbox of the recipients here. Messages only.
 */
#define MAILCORE_DECISION_JUNK 2

/**
 * Refused for good: reply code 550 where smtp_code is 0.
 */
#define MAILCORE_DECISION_REJECT 3

/**
 * Refused for now, the peer tries again: reply code 451 where smtp_code is 0.
 */
#define MAILCORE_DECISION_DEFER 4

/**
 * Accepted for the address in redirect in place of all recipients, or of the recipient in question. Messages and
 * recipients only.
 */
#define MAILCORE_DECISION_REDIRECT 5

/**
 * A connection, before the greeting. The address is the peer's IP address.
 */
#define MAILCORE_STAGE_CONNECT 1

/**
 * EHLO, HELO and LHLO. The address is the name given.
 */
#define MAILCORE_STAGE_HELLO 2

/**
 * A login, of any protocol. The address is the user name.
 */
#define MAILCORE_STAGE_LOGIN 3

/**
 * MAIL. The address is the sender.
 */
#define MAILCORE_STAGE_MAIL 4

/**
 * RCPT. The address is the recipient.
 */
#define MAILCORE_STAGE_RCPT 5

/**
 * DATA, before the message. The addresses are sender and recipients.
 */
#define MAILCORE_STAGE_DATA 6

/**
 * The message is complete and not accepted yet. The addresses are sender and recipients.
 */
#define MAILCORE_STAGE_MESSAGE 7

/**
 * The message is accepted and on disk, its reply not sent yet. The addresses are sender and recipients.
 */
#define MAILCORE_STAGE_ACCEPTED 8

/**
 * With the property sink: the delivery of a message, which is queued for it. 4yz puts it off, 5yz gives it up, and
 * both end in real reports. The address is the recipient.
 */
#define MAILCORE_STAGE_DELIVER 9

/**
 * The connection ends without a word, in place of a reply.
 */
#define MAILCORE_TROUBLE_DROP 1

/**
 * Bytes that the caller owns and frees with mailcore_buf_free. A NUL follows the last one, so that a text can be
 * used as a C string.
 */
typedef struct {
    /**
     * The bytes; NULL before first use and after mailcore_buf_free.
     */
    uint8_t *data;
    /**
     * How many bytes, without the NUL.
     */
    size_t len;
} mailcore_buf;

/**
 * A property, as mailcore_property_info() describes it. The texts belong to the library and are valid for ever.
 */
typedef struct {
    /**
     * sizeof(mailcore_property), set by MAILCORE_PROPERTY_INIT.
     */
    uint32_t struct_size;
    /**
     * The kind of handle that has it: one of MAILCORE_ON_.
     */
    uint32_t on;
    /**
     * Its type: one of MAILCORE_TYPE_.
     */
    uint32_t type;
    /**
     * 1 where it can be set.
     */
    uint32_t writable;
    /**
     * Least number.
     */
    int64_t min;
    /**
     * Greatest number.
     */
    int64_t max;
    /**
     * Its name.
     */
    const char *name;
    /**
     * The value in a new engine, as text; empty for other handles.
     */
    const char *initial;
    /**
     * One line for a person.
     */
    const char *doc;
} mailcore_property;

/** What a mailcore_property is set up with. */
#define MAILCORE_PROPERTY_INIT { (uint32_t)sizeof(mailcore_property), 0, 0, 0, 0, 0, NULL, NULL, NULL }

/**
 * Any handle; 0 is none. Closed with mailcore_close().
 */
typedef uint64_t mailcore_handle;

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
     * Reply code of SMTP: what a session of this server would have answered to a refused message, or what the last
     * server answered to a delivery that is waited for; 0 where there is none.
     */
    int32_t smtp_code;
    /**
     * Enhanced status code of that reply as text, "5.1.1"; empty where there is none.
     */
    char enhanced[12];
    /**
     * One sentence for a person, UTF-8, ends in NUL; cut between characters where it is too long.
     */
    char message[480];
} mailcore_error;

/** What a mailcore_error is set up with. */
#define MAILCORE_ERROR_INIT { (uint32_t)sizeof(mailcore_error), 0, 0, 0, { 0 }, { 0 } }

/**
 * How an engine is opened. Set it up with MAILCORE_OPEN_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_open), set by MAILCORE_OPEN_INIT.
     */
    uint32_t struct_size;
    /**
     * 0, or MAILCORE_OPEN_CLOCK_BY_HOST.
     */
    uint32_t flags;
    /**
     * Folder of the store; made where missing. This or `store` is needed.
     */
    const char *folder;
    /**
     * The engine's name in greetings and reports, "mx.example.org"; NULL for "localhost".
     */
    const char *hostname;
    /**
     * Properties to set before anything else, one "key=value" on each line, or NULL. Only here can engine.threads,
     * store.readers and events.capacity be set.
     */
    const char *settings;
    /**
     * A store on a PostgreSQL server in place of a folder: "postgres://user@host/db?schema=name". The schema and its
     * tables are made where missing. NULL for a store in a folder.
     */
    const char *store;
} mailcore_open;

/** What a mailcore_open is set up with. */
#define MAILCORE_OPEN_INIT { (uint32_t)sizeof(mailcore_open), 0, NULL, NULL, NULL, NULL }

/**
 * An engine: a store, its servers and its queue.
 */
typedef uint64_t mailcore_engine;

/**
 * An account of an engine.
 */
typedef uint64_t mailcore_account;

/**
 * What of a listing is wanted. Set it up with MAILCORE_QUERY_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_query), set by MAILCORE_QUERY_INIT.
     */
    uint32_t struct_size;
    /**
     * At most so many rows; 0 for all.
     */
    uint32_t limit;
    /**
     * Only rows with an id above this one: of messages, queued messages, DMARC reports and their records.
     */
    uint64_t after;
    /**
     * The queue id for MAILCORE_LIST_ATTEMPTS, the report for MAILCORE_LIST_DMARC_RECORDS.
     */
    uint64_t id;
} mailcore_query;

/** What a mailcore_query is set up with. */
#define MAILCORE_QUERY_INIT { (uint32_t)sizeof(mailcore_query), 0, 0, 0 }

/**
 * A listing, read with mailcore_next().
 */
typedef uint64_t mailcore_cursor;

/**
 * A row; what its fields mean stands at the MAILCORE_LIST_ values. The texts are never NULL. They belong to the
 * cursor and are valid until it is read again or closed, also where the engine is closed before.
 */
typedef struct {
    /**
     * sizeof(mailcore_row), set by MAILCORE_ROW_INIT.
     */
    uint32_t struct_size;
    /**
     * MAILCORE_LIST_ and what it is.
     */
    uint32_t kind;
    /**
     * Its number.
     */
    uint64_t id;
    /**
     * Octets.
     */
    uint64_t size;
    /**
     * Modification sequence.
     */
    uint64_t mod_seq;
    /**
     * A moment, in ms since 1970.
     */
    int64_t time_ms;
    /**
     * The next moment, in ms since 1970; 0 for none.
     */
    int64_t due_ms;
    /**
     * Flags.
     */
    uint32_t flags;
    /**
     * State.
     */
    uint32_t state;
    /**
     * Attempts.
     */
    uint32_t attempts;
    /**
     * Reply code.
     */
    uint32_t code;
    /**
     * Messages.
     */
    uint32_t total;
    /**
     * Messages not read.
     */
    uint32_t unseen;
    /**
     * First text.
     */
    const char *name;
    /**
     * Second text.
     */
    const char *text;
    /**
     * Third text.
     */
    const char *detail;
} mailcore_row;

/** What a mailcore_row is set up with. */
#define MAILCORE_ROW_INIT { (uint32_t)sizeof(mailcore_row), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL }

/**
 * A message: one that is being written, or one that is kept.
 */
typedef uint64_t mailcore_message;

/**
 * Who a message is from and for. Set it up with MAILCORE_ENVELOPE_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_envelope), set by MAILCORE_ENVELOPE_INIT.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t flags;
    /**
     * Where failures go; NULL or "" for the null reverse-path: no failure is reported then.
     */
    const char *from;
    /**
     * The recipients; needed.
     */
    const char *const *to;
    /**
     * How many recipients there are.
     */
    size_t to_count;
    /**
     * An id of the sender's that comes back in reports (RFC 3461 ENVID), or NULL.
     */
    const char *envelope_id;
    /**
     * What the program calls this submission, 1 to 255 bytes, or NULL. A second submission under the same key within a
     * week is not taken: it gets the queue id of the first.
     */
    const char *submit_key;
    /**
     * Nobody gets the message before this time, in ms since 1970, recipients here neither; 0 for at once.
     */
    int64_t not_before_ms;
} mailcore_envelope;

/** What a mailcore_envelope is set up with. */
#define MAILCORE_ENVELOPE_INIT { (uint32_t)sizeof(mailcore_envelope), 0, NULL, NULL, 0, NULL, NULL, 0 }

/**
 * The state of a queued message: that of the recipient whose state is worst.
 */
typedef struct {
    /**
     * sizeof(mailcore_delivery), set by MAILCORE_DELIVERY_INIT.
     */
    uint32_t struct_size;
    /**
     * The state: one of MAILCORE_DELIVERY_.
     */
    uint32_t state;
    /**
     * Attempts that came to an end.
     */
    uint32_t attempts;
    /**
     * Reply code of the last attempt; 0 where no server answered.
     */
    uint32_t smtp_code;
    /**
     * When it is tried again, in ms since 1970; 0 where it is not.
     */
    int64_t next_ms;
    /**
     * Enhanced status code, "5.1.1", or empty.
     */
    char enhanced[12];
    /**
     * Name of the server that was reached, or empty; cut if too long.
     */
    char host[256];
    /**
     * What it answered, or what went wrong; cut if too long.
     */
    char reply[508];
} mailcore_delivery;

/** What a mailcore_delivery is set up with. */
#define MAILCORE_DELIVERY_INIT { (uint32_t)sizeof(mailcore_delivery), 0, 0, 0, 0, { 0 }, { 0 }, { 0 } }

/**
 * Which queued messages are meant: those that all of it fits. Set it up with MAILCORE_QUEUE_FILTER_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_queue_filter), set by MAILCORE_QUEUE_FILTER_INIT.
     */
    uint32_t struct_size;
    /**
     * 1 for held ones, 2 for those that are not held, 0 for both.
     */
    uint32_t held;
    /**
     * This one; 0 for all.
     */
    uint64_t id;
    /**
     * Those with this reverse-path; "" for the null one, NULL for all.
     */
    const char *from;
    /**
     * Those with this recipient, which waits; NULL for all.
     */
    const char *to;
    /**
     * Those with a recipient of this domain, which waits; NULL for all.
     */
    const char *domain;
} mailcore_queue_filter;

/** What a mailcore_queue_filter is set up with. */
#define MAILCORE_QUEUE_FILTER_INIT { (uint32_t)sizeof(mailcore_queue_filter), 0, 0, NULL, NULL, NULL }

/**
 * A mailbox of an account.
 */
typedef uint64_t mailcore_mailbox;

/**
 * What to listen for and where. Set it up with MAILCORE_LISTEN_OPTIONS_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_listen_options), set by MAILCORE_LISTEN_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * The service: one of MAILCORE_SERVICE_.
     */
    uint32_t service;
    /**
     * Address to listen on, "127.0.0.1" or "::"; needed.
     */
    const char *address;
    /**
     * Port; 0 takes a free one, see property listener.port.
     */
    uint32_t port;
    /**
     * 0, or MAILCORE_LISTEN_TRACE.
     */
    uint32_t flags;
} mailcore_listen_options;

/** What a mailcore_listen_options is set up with. */
#define MAILCORE_LISTEN_OPTIONS_INIT { (uint32_t)sizeof(mailcore_listen_options), 0, NULL, 0, 0 }

/**
 * A listening socket.
 */
typedef uint64_t mailcore_listener;

/**
 * An event. Set it up with MAILCORE_EVENT_INIT, empty it with mailcore_event_clear().
 */
typedef struct {
    /**
     * sizeof(mailcore_event), set by MAILCORE_EVENT_INIT.
     */
    uint32_t struct_size;
    /**
     * MAILCORE_EVENT_ and what happened.
     */
    uint32_t type;
    /**
     * Counts up by one from 1; a gap means that events were dropped, or requests taken back.
     */
    uint64_t seq;
    /**
     * When, in milliseconds since 1970, UTC, on the engine's clock.
     */
    int64_t time_ms;
    /**
     * What it is about: see the type.
     */
    uint64_t subject;
    /**
     * See the type.
     */
    int32_t code;
    /**
     * See the type.
     */
    uint32_t count;
    /**
     * Everything there is to say, as a JSON object in UTF-8; `event` names the type.
     */
    mailcore_buf detail;
} mailcore_event;

/** What a mailcore_event is set up with. */
#define MAILCORE_EVENT_INIT { (uint32_t)sizeof(mailcore_event), 0, 0, 0, 0, 0, 0, { NULL, 0 } }

/**
 * One check and its result. The library makes it; its texts are never NULL.
 */
typedef struct {
    /**
     * Size of this struct in the library, in bytes; may grow in later versions.
     */
    uint32_t struct_size;
    /**
     * MAILCORE_METHOD_
     */
    uint32_t method;
    /**
     * MAILCORE_RESULT_
     */
    uint32_t result;
    /**
     * DMARC: MAILCORE_POLICY_, what to do with this message.
     */
    uint32_t policy;
    /**
     * DMARC: percentage of failing messages that the policy applies to (pct=); a milder policy applies to the others.
     */
    uint32_t percent;
    /**
     * MAILCORE_TESTING, MAILCORE_ALIGNED_SPF, MAILCORE_ALIGNED_DKIM, MAILCORE_PREFERS_PERSON.
     */
    uint32_t flags;
    /**
     * See the MAILCORE_METHOD_ values; may be empty.
     */
    const char *domain;
    /**
     * DKIM, ARC and BIMI: the selector.
     */
    const char *selector;
    /**
     * DKIM: the first characters of b=, by which signatures are told apart.
     */
    const char *signature;
    /**
     * SPF: the domain's own text about a fail. Trust it no more than the sender.
     */
    const char *explanation;
    /**
     * The reason in one sentence: which mechanism matched, which limit was exceeded, what failed.
     */
    const char *why;
    /**
     * BIMI: where the picture is, an https: URI (l=).
     */
    const char *indicator;
    /**
     * BIMI: where the evidence is that it is the domain's, an https: URI (a=); empty for none.
     */
    const char *evidence;
} mailcore_check;

/** What a mailcore_check is set up with. */
#define MAILCORE_CHECK_INIT { (uint32_t)sizeof(mailcore_check), 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/**
 * All verdicts on a message. Set it up with MAILCORE_VERDICTS_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_verdicts), set by MAILCORE_VERDICTS_INIT.
     */
    uint32_t struct_size;
    /**
     * How many checks there are.
     */
    uint32_t count;
    /**
     * The checks. DKIM has one for each signature, in the order of the fields, and none for an unsigned message.
     */
    const mailcore_check *const *checks;
    /**
     * Domain of the author (From), which DMARC is about; empty where there is none or DMARC was not asked for.
     */
    const char *from_domain;
    /**
     * The same as one JSON object, UTF-8: members spf, spf_helo, dkim (an array), dmarc, arc, iprev, bimi, as
     * far as they were asked for, from_domain, and results where it is not empty.
     */
    const char *json;
    /**
     * The memory of all this, freed by mailcore_verdicts_clear().
     */
    mailcore_buf memory;
    /**
     * The same as the value of an Authentication-Results field (RFC 8601) in the name of mailcore_origin.receiver,
     * folded with CRLF, BIMI apart. Empty without that name, and for hooks: the engine writes the field itself.
     */
    const char *results;
} mailcore_verdicts;

/** What a mailcore_verdicts is set up with. */
#define MAILCORE_VERDICTS_INIT { (uint32_t)sizeof(mailcore_verdicts), 0, NULL, NULL, NULL, { NULL, 0 }, NULL }

/**
 * Where names are looked up. Set it up with MAILCORE_RESOLVER_OPTIONS_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_resolver_options), set by MAILCORE_RESOLVER_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * Time for all questions of one call together, in ms; 0 for 20 seconds. A result that lacks an answer by then
     * is a temporary error.
     */
    uint32_t timeout_ms;
    /**
     * The DNS server to ask, "192.0.2.1", "192.0.2.1:5353" or "[::1]:53"; NULL for the system's, or for none
     * where there is a zone.
     */
    const char *server;
    /**
     * Records, a line "name type data" each ("example.org TXT v=spf1 -all", types as for mailcore_dns_set()), or
     * NULL. They are used before the server's answers. Without a server nothing else is used: checks are then
     * reproducible and need neither thread nor socket. Empty lines and lines that begin with # or ; are ignored.
     */
    const char *zone;
} mailcore_resolver_options;

/** What a mailcore_resolver_options is set up with. */
#define MAILCORE_RESOLVER_OPTIONS_INIT { (uint32_t)sizeof(mailcore_resolver_options), 0, NULL, NULL }

/**
 * Looks names up for checks without an engine.
 */
typedef uint64_t mailcore_resolver;

/**
 * Where a message came from, and what is to be checked about it. Set it up with MAILCORE_ORIGIN_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_origin), set by MAILCORE_ORIGIN_INIT.
     */
    uint32_t struct_size;
    /**
     * The MAILCORE_CHECK_ values of what is wanted; 0 for all but BIMI, without ip all of them that need none.
     */
    uint32_t checks;
    /**
     * Address of the client that gave the message, "192.0.2.1"; NULL where it is not known.
     */
    const char *ip;
    /**
     * The name it gave in EHLO or HELO; NULL for none.
     */
    const char *helo;
    /**
     * What it gave in MAIL FROM; NULL, "" or "<>" for the null reverse-path. A domain alone stands for its
     * postmaster.
     */
    const char *mail_from;
    /**
     * Our own name, for the explanations of SPF and for mailcore_verdicts.results; NULL for none.
     */
    const char *receiver;
    /**
     * The time of the check, in ms since 1970; 0 for now.
     */
    int64_t time_ms;
} mailcore_origin;

/** What a mailcore_origin is set up with. */
#define MAILCORE_ORIGIN_INIT { (uint32_t)sizeof(mailcore_origin), 0, NULL, NULL, NULL, NULL, 0 }

/**
 * What SPF and DKIM said about a message, as far as DMARC wants to know. Set it up with MAILCORE_EVIDENCE_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_evidence), set by MAILCORE_EVIDENCE_INIT.
     */
    uint32_t struct_size;
    /**
     * MAILCORE_RESULT_ of SPF for the reverse-path.
     */
    uint32_t spf_result;
    /**
     * The domain SPF was asked for; NULL or "" for none.
     */
    const char *spf_domain;
    /**
     * Domain of the author, from the From field; needed.
     */
    const char *from_domain;
    /**
     * MAILCORE_RESULT_ of each DKIM signature.
     */
    const uint32_t *dkim_results;
    /**
     * Signing domain of each.
     */
    const char *const *dkim_domains;
    /**
     * How many signatures there are.
     */
    size_t dkim_count;
} mailcore_evidence;

/** What a mailcore_evidence is set up with. */
#define MAILCORE_EVIDENCE_INIT { (uint32_t)sizeof(mailcore_evidence), 0, NULL, NULL, NULL, NULL, 0 }

/**
 * Who signs a message, and how. Set it up with MAILCORE_SIGNER_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_signer), set by MAILCORE_SIGNER_INIT.
     */
    uint32_t struct_size;
    /**
     * What the key must be for, one of MAILCORE_ALGORITHM_; 0 for any.
     */
    uint32_t algorithm;
    /**
     * The signing domain, "example.org"; needed.
     */
    const char *domain;
    /**
     * The key's name in DNS, "s1" for s1._domainkey.example.org; needed.
     */
    const char *selector;
    /**
     * The private key: PEM (PKCS #1 or PKCS #8), or the base64 of an Ed25519 seed (32 bytes); needed.
     */
    const char *key;
    /**
     * How much the message may change on its way, header/body: "relaxed/relaxed", "simple/simple", "relaxed/simple",
     * "simple/relaxed". One word is for the header, and the body is "simple" then (RFC 6376 §3.5). NULL for
     * relaxed/relaxed. Not for seals.
     */
    const char *canonicalization;
    /**
     * Names of the fields to sign, "From:To:Subject"; a name given twice also forbids that another field of
     * that name is added. NULL for all fields that readers look at. Not for seals.
     */
    const char *headers;
    /**
     * The user or agent the signature is for (i=), "@sales.example.org"; NULL for the domain. Not for seals.
     */
    const char *identity;
    /**
     * Our name in Authentication-Results, for seals only; NULL for that in results, or the domain.
     */
    const char *authserv_id;
    /**
     * The time of the signature, in ms since 1970; 0 for now.
     */
    int64_t time_ms;
    /**
     * What was found when the message came in, as Authentication-Results has it ("mx.example.org; spf=pass"), such as
     * mailcore_verdicts.results; NULL for what the message's Authentication-Results fields of authserv_id say. For
     * seals only.
     */
    const char *results;
    /**
     * The result of the chain when the message came in: MAILCORE_RESULT_PASS or MAILCORE_RESULT_FAIL; 0 to check it
     * now. A program that changes the message must check it before. For seals only.
     */
    uint32_t chain;
    /**
     * 0.
     */
    uint32_t reserved;
} mailcore_signer;

/** What a mailcore_signer is set up with. */
#define MAILCORE_SIGNER_INIT { (uint32_t)sizeof(mailcore_signer), 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, 0 }

/**
 * Signs with a key that the program holds, as in an HSM.
 *
 * Called on a thread of the engine that holds no lock. It may block; other mail then waits for its signature. The
 * texts are valid until it returns.
 *
 * - domain, selector: the key's name
 * - digest: 32 bytes, the SHA-256 of what is signed. For MAILCORE_ALGORITHM_RSA_SHA256 the signature is
 *   RSASSA-PKCS1-v1_5 over the DigestInfo of it; for MAILCORE_ALGORITHM_ED25519_SHA256 it is Ed25519 over the 32
 *   bytes
 * - signature, size: takes the signature; its room in bytes
 * - user: what mailcore_dkim_set_hook() was given
 *
 * Returns the length of the signature in bytes; 0 or less when there is none: the mail is then refused for now.
 */
typedef int32_t (*mailcore_sign_hook)(const char *domain,
                                      const char *selector,
                                      const uint8_t *digest,
                                      uint8_t *signature,
                                      size_t size,
                                      void *user);

/**
 * What a hook is asked. All of it belongs to the library and is gone when the hook returns.
 */
typedef struct {
    /**
     * How many octets of this struct the library knows.
     */
    uint32_t struct_size;
    /**
     * MAILCORE_HOOK_ and where.
     */
    uint32_t hook;
    /**
     * The engine.
     */
    mailcore_engine engine;
    /**
     * MAILCORE_SERVICE_ and where the peer called.
     */
    uint32_t service;
    /**
     * What becomes of it with MAILCORE_DECISION_POLICY: MAILCORE_DECISION_ACCEPT, _JUNK or _REJECT.
     */
    uint32_t policy;
    /**
     * The message as the peer sent it, to be read like any other; 0 but with MAILCORE_HOOK_DATA.
     */
    mailcore_message message;
    /**
     * Octets of the message, or what the peer announced; 0 where it did not.
     */
    uint64_t size;
    /**
     * The peer's IP address.
     */
    const char *peer;
    /**
     * The name it gave itself.
     */
    const char *helo;
    /**
     * Version of TLS, "TLSv1.3", or NULL.
     */
    const char *tls;
    /**
     * The account that has logged in, or NULL.
     */
    const char *account;
    /**
     * The reverse-path; empty for the null one.
     */
    const char *from;
    /**
     * The recipients; with MAILCORE_HOOK_RCPT and MAILCORE_HOOK_RCPT_REFUSED the one in question.
     */
    const char *const *to;
    /**
     * How many recipients there are.
     */
    size_t to_count;
    /**
     * All of this and more as a JSON object, as in the detail of a request event.
     */
    const char *detail;
    /**
     * What the checks of the message came to; NULL but with MAILCORE_HOOK_DATA, and for mail that is not checked.
     */
    const mailcore_verdicts *verdicts;
    /**
     * The user name, with MAILCORE_HOOK_LOGIN and MAILCORE_HOOK_SCRAM; else NULL.
     */
    const char *user;
    /**
     * The password, with MAILCORE_HOOK_LOGIN; else NULL. It may have been cut at a NUL.
     */
    const char *password;
} mailcore_question;

/** What a mailcore_question is set up with. */
#define MAILCORE_QUESTION_INIT { (uint32_t)sizeof(mailcore_question), 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL }

/**
 * What the host decides. Set it up with MAILCORE_VERDICT_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_verdict), set by MAILCORE_VERDICT_INIT.
     */
    uint32_t struct_size;
    /**
     * MAILCORE_DECISION_ and what becomes of it.
     */
    uint32_t action;
    /**
     * Reply code of a refusal: 4yz to defer, 5yz to reject, not 421; 0 for the usual one.
     */
    int32_t smtp_code;
    /**
     * Enhanced status code of a refusal, "5.7.1", of the reply code's class; empty for the usual one.
     */
    char enhanced[12];
    /**
     * Text of a refusal, or NULL: at most 10 lines of 480 octets with LF between them, no control characters.
     * Peers that did not ask for UTF-8 get ? for what is not ASCII.
     */
    const char *text;
    /**
     * The address for MAILCORE_DECISION_REDIRECT; for logins the account that is logged in to, or NULL.
     */
    const char *redirect;
    /**
     * The user's password, with MAILCORE_HOOK_SCRAM; else NULL.
     */
    const char *secret;
} mailcore_verdict;

/** What a mailcore_verdict is set up with. */
#define MAILCORE_VERDICT_INIT { (uint32_t)sizeof(mailcore_verdict), 0, 0, { 0 }, NULL, NULL, NULL }

/**
 * A hook. It runs on a thread of the library's and under no lock; it may block until the property hook.timeout_ms
 * is over, and then counts as not answered. It sets *verdict, which is set up already, and returns 0; anything
 * else means that it cannot say. Texts it puts into *verdict must outlive its return: not on its own stack.
 * Without an answer that can be used the peer is told to try again later, and the host by an event. It may call the
 * functions marked [hook-ok], and must not leave by longjmp or exception.
 */
typedef int32_t (*mailcore_hook_function)(const mailcore_question *question, mailcore_verdict *verdict, void *user);

/**
 * Which decisions the host wants to make, and how it is asked. Set it up with MAILCORE_HOOKS_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_hooks), set by MAILCORE_HOOKS_INIT.
     */
    uint32_t struct_size;
    /**
     * Bits MAILCORE_HOOK_: asked by a MAILCORE_EVENT_REQUEST, answered by mailcore_reply().
     */
    uint32_t as_events;
    /**
     * Asked about messages, or NULL.
     */
    mailcore_hook_function data;
    /**
     * Asked about recipients, or NULL.
     */
    mailcore_hook_function rcpt;
    /**
     * Given to the functions as it is. Must be valid until mailcore_close() has returned, and the last function.
     */
    void *user;
    /**
     * Asked about connections, or NULL.
     */
    mailcore_hook_function connect;
    /**
     * Asked about names in EHLO, or NULL.
     */
    mailcore_hook_function hello;
    /**
     * Asked about logins with a password, or NULL.
     */
    mailcore_hook_function login;
    /**
     * Asked about logins by SCRAM, or NULL.
     */
    mailcore_hook_function scram;
    /**
     * Asked about senders, or NULL.
     */
    mailcore_hook_function mail;
    /**
     * Asked about recipients that are refused, or NULL.
     */
    mailcore_hook_function rcpt_refused;
} mailcore_hooks;

/** What a mailcore_hooks is set up with. */
#define MAILCORE_HOOKS_INIT { (uint32_t)sizeof(mailcore_hooks), 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/**
 * A rule of scripted trouble. Set it up with MAILCORE_TROUBLE_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_trouble), set by MAILCORE_TROUBLE_INIT.
     */
    uint32_t struct_size;
    /**
     * MAILCORE_STAGE_ and where it applies.
     */
    uint32_t stage;
    /**
     * 0, or MAILCORE_TROUBLE_DROP.
     */
    uint32_t flags;
    /**
     * Reply code, 400 to 599; 0 with MAILCORE_TROUBLE_DROP, or where it only waits. 421 ends the session.
     */
    int32_t smtp_code;
    /**
     * Text of the reply, one line, or NULL for a usual one.
     */
    const char *text;
    /**
     * Which addresses it is about: * stands for any characters, ? for one, in any case; NULL for all.
     */
    const char *address;
    /**
     * Which protocol it is about: "smtp", "lmtp", "imap", "pop3"; NULL for all.
     */
    const char *protocol;
    /**
     * How long it waits first, in milliseconds on the engine's clock; a day at most.
     */
    uint64_t wait_ms;
    /**
     * How many times it lets pass before it applies.
     */
    uint32_t skip;
    /**
     * How many times it applies; 0 for always.
     */
    uint32_t times;
} mailcore_trouble;

/** What a mailcore_trouble is set up with. */
#define MAILCORE_TROUBLE_INIT { (uint32_t)sizeof(mailcore_trouble), 0, 0, 0, NULL, NULL, NULL, 0, 0, 0 }

/**
 * What an engine has done since it was opened, and how it stands. Set it up with MAILCORE_STATS_INIT.
 */
typedef struct {
    /**
     * sizeof(mailcore_stats), set by MAILCORE_STATS_INIT.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Milliseconds of real time since the engine was opened.
     */
    uint64_t uptime_ms;
    /**
     * Sessions of SMTP begun.
     */
    uint64_t smtp_sessions;
    /**
     * Sessions of LMTP begun.
     */
    uint64_t lmtp_sessions;
    /**
     * Sessions of IMAP begun.
     */
    uint64_t imap_sessions;
    /**
     * Sessions of POP3 begun.
     */
    uint64_t pop3_sessions;
    /**
     * Sessions of SMTP open now.
     */
    uint64_t smtp_open;
    /**
     * Sessions of LMTP open now.
     */
    uint64_t lmtp_open;
    /**
     * Sessions of IMAP open now.
     */
    uint64_t imap_open;
    /**
     * Sessions of POP3 open now.
     */
    uint64_t pop3_open;
    /**
     * Logins that succeeded.
     */
    uint64_t logins;
    /**
     * Logins that failed.
     */
    uint64_t logins_failed;
    /**
     * Refusals.
     */
    uint64_t refused;
    /**
     * Connections that broke, failed TLS handshakes included.
     */
    uint64_t connections_broken;
    /**
     * Messages accepted into the queue.
     */
    uint64_t queued;
    /**
     * Messages filed, once for each mailbox.
     */
    uint64_t filed;
    /**
     * Octets of these.
     */
    uint64_t filed_octets;
    /**
     * Recipients whose next host took the message.
     */
    uint64_t delivered;
    /**
     * Attempts that were put off.
     */
    uint64_t deferred;
    /**
     * Recipients that were given up.
     */
    uint64_t failed;
    /**
     * Recipients that were given up since their time was over.
     */
    uint64_t expired;
    /**
     * Bounces written.
     */
    uint64_t bounced;
    /**
     * Events dropped since the program was too slow.
     */
    uint64_t events_dropped;
    /**
     * Events that wait for the program now.
     */
    uint64_t events_waiting;
    /**
     * Accounts there are.
     */
    uint64_t accounts;
    /**
     * Messages in the queue, a million at most.
     */
    uint64_t queue_messages;
} mailcore_stats;

/** What a mailcore_stats is set up with. */
#define MAILCORE_STATS_INIT { (uint32_t)sizeof(mailcore_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * Frees what a function stored in a mailcore_buf.
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
 * [nowait] [hook-ok] The text belongs to the library and is valid for ever. The message of the
 * mailcore_error given to the failed function says exactly what went wrong.
 *
 * @param code  what a function returned; any number
 * @returns a text, never NULL
 * @since 0.1.0
 */
MAILCORE_API const char *mailcore_strerror(int32_t code);

/**
 * Describes a property; count `index` up from 0 to list all.
 *
 * [nowait] [hook-ok]
 *
 * @param index  which
 * @param property  takes the description, or NULL
 * @returns 1, 0 when there are no more, or MAILCORE_E_VERSION
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_property_info(uint32_t index, mailcore_property *property);

/**
 * Reads a property that is a number.
 *
 * [disk] [hook-ok]
 *
 * @param handle  an engine, account, mailbox, message or listener
 * @param key  its name, one of MAILCORE_KEY_
 * @param value  takes the number, or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_KEY (the message has the
 * nearest name), MAILCORE_E_TYPE
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_get_i64(mailcore_handle handle, const char *key, int64_t *value, mailcore_error *err);

/**
 * Reads any property as text.
 *
 * [disk] [hook-ok] Passwords in it are replaced by stars.
 *
 * @param handle  an engine, account, mailbox, message or listener
 * @param key  its name, one of MAILCORE_KEY_
 * @param value  takes the text, to be given back with mailcore_buf_free(), or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_KEY (the message has the
 * nearest name), MAILCORE_E_NOMEM
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_get_str(mailcore_handle handle,
                         const char *key,
                         mailcore_buf *value,
                         mailcore_error *err);

/**
 * Sets a property that is a number or a switch.
 *
 * [disk] Properties of an engine can be set until mailcore_engine_start().
 *
 * @param handle  an engine or account
 * @param key  its name, one of MAILCORE_KEY_
 * @param value  the number
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_KEY (the message has the
 * nearest name), MAILCORE_E_INVALID, MAILCORE_E_STATE
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_set_i64(mailcore_handle handle, const char *key, int64_t value, mailcore_error *err);

/**
 * Sets any property; a text is read as a number where it is one.
 *
 * [disk] Properties of an engine can be set until mailcore_engine_start().
 *
 * @param handle  an engine or account
 * @param key  its name, one of MAILCORE_KEY_
 * @param value  the text
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_KEY (the message has the
 * nearest name), MAILCORE_E_INVALID, MAILCORE_E_STATE
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_set_str(mailcore_handle handle, const char *key, const char *value, mailcore_error *err);

/**
 * Opens an engine on a store.
 *
 * [disk] Makes the folder and the store where there are none. The engine does nothing by itself until
 * mailcore_engine_start(). Accounts and keys may be set before and after it, properties only before.
 *
 * @param open  how; needed
 * @param engine  takes the handle; needed. 0 after a failure
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_KEY,
 * MAILCORE_E_BUSY (the store is open elsewhere), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN (its server cannot be
 * reached), MAILCORE_E_LIMIT, MAILCORE_E_UNSUPPORTED (the system's SQLite can lose synced commits; PostgreSQL is left
 * out of this build)
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_engine_open(const mailcore_open *open, mailcore_engine *engine, mailcore_error *err);

/**
 * Starts the engine: it delivers the queue and serves its listeners.
 *
 * [disk] Listeners may be opened before and after it. An engine is started once.
 *
 * @param engine  the engine
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_STATE (started before, or stopped), MAILCORE_E_STORE,
 * MAILCORE_E_TLS, MAILCORE_E_DNS
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_engine_start(mailcore_engine engine, mailcore_error *err);

/**
 * Stops the engine: closes its listeners, lets sessions and deliveries end, then drops the rest.
 *
 * [wait] Everything accepted is in the store. The event STOPPED is the last one. Then call
 * mailcore_close().
 *
 * @param engine  the engine
 * @param timeout_ms  how long sessions may go on: -1 for ever, 0 not at all
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_STATE, MAILCORE_E_STORE
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_engine_stop(mailcore_engine engine, int32_t timeout_ms, mailcore_error *err);

/**
 * Makes an account, or gives one a new password.
 *
 * [disk] A new account has INBOX, Drafts, Sent, Junk, Trash and Archive; its domain becomes local.
 *
 * @param engine  the engine
 * @param address  "alice@example.org": also its login name
 * @param password  its password; NULL for an account that nobody can log in to
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_account_put(mailcore_engine engine,
                             const char *address,
                             const char *password,
                             mailcore_error *err);

/**
 * Opens an account, for its mailboxes.
 *
 * [disk]
 *
 * @param engine  the engine
 * @param address  its address
 * @param account  takes the handle; needed. 0 after a failure
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_account_open(mailcore_engine engine,
                              const char *address,
                              mailcore_account *account,
                              mailcore_error *err);

/**
 * Deletes an account with all its mail.
 *
 * [disk]
 *
 * @param engine  the engine
 * @param address  its address
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND,
 * MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_account_delete(mailcore_engine engine, const char *address, mailcore_error *err);

/**
 * Checks a password, as a login would.
 *
 * [disk] Takes as long as hashing a password: some tens of milliseconds.
 *
 * @param engine  the engine
 * @param address  the account's address
 * @param password  what to check
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_LOGIN (no such account, or another password), MAILCORE_E_HANDLE, MAILCORE_E_NULL,
 * MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_account_check(mailcore_engine engine,
                               const char *address,
                               const char *password,
                               mailcore_error *err);

/**
 * Adds a target to an alias, or removes the alias.
 *
 * [disk]
 *
 * @param engine  the engine
 * @param pattern  "sales@example.org", or "@example.org" for every address there that has no account
 * @param target  an address here or elsewhere; NULL removes the alias with all its targets
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND,
 * MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_alias_put(mailcore_engine engine,
                           const char *pattern,
                           const char *target,
                           mailcore_error *err);

/**
 * Makes a domain local: this server takes mail for it.
 *
 * [disk] Making an account does so too; this is for domains that have aliases only. A domain that is local already
 * is no error.
 *
 * @param engine  the engine
 * @param domain  "example.org"
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_domain_put(mailcore_engine engine, const char *domain, mailcore_error *err);

/**
 * Makes a domain foreign again: mail for it goes to its own server.
 *
 * [disk]
 *
 * @param engine  the engine
 * @param domain  "example.org"
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND,
 * MAILCORE_E_STATE (it has accounts), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_domain_delete(mailcore_engine engine, const char *domain, mailcore_error *err);

/**
 * Gives domains with their settings, accounts, aliases and groups as one JSON document. docs/directory.md lists the
 * members.
 *
 * [disk] Passwords are not in it. Free the document with mailcore_buf_free().
 *
 * @param engine  the engine
 * @param json  takes the document; needed
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_NOMEM, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_directory_export(mailcore_engine engine, mailcore_buf *json, mailcore_error *err);

/**
 * Changes domains with their settings, accounts, aliases and groups by one JSON document: all of it, or nothing.
 *
 * [disk] The document has the members of an exported one, those that are to be changed; null removes a domain, an
 * alias or a group. Where it has a version, the directory must still be of that version. Accounts are made and their
 * quotas set; none is removed. docs/directory.md lists the members.
 *
 * @param engine  the engine
 * @param document  the document
 * @param flags  MAILCORE_DIRECTORY_DRY_RUN, MAILCORE_DIRECTORY_WHOLE, both, or 0
 * @param json  takes what changes, as JSON; free it with mailcore_buf_free(); NULL where it is not wanted
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID (with the place),
 * MAILCORE_E_STATE (another version; a domain with accounts), MAILCORE_E_EXISTS, MAILCORE_E_NOT_FOUND,
 * MAILCORE_E_LIMIT, MAILCORE_E_NOMEM, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_directory_apply(mailcore_engine engine,
                                 const char *document,
                                 uint32_t flags,
                                 mailcore_buf *json,
                                 mailcore_error *err);

/**
 * Lists what there is many of: accounts, mailboxes, messages, the queue.
 *
 * [disk] The rows are read with mailcore_next(). Messages are those of the moment of this call, less those that
 * go meanwhile. Close the cursor with mailcore_close(), also after its engine was closed.
 *
 * @param from  an engine, account or mailbox: see the MAILCORE_LIST_ values
 * @param kind  MAILCORE_LIST_ and what is wanted
 * @param query  which of them; NULL for all
 * @param cursor  takes the handle; needed. 0 after a failure
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND,
 * MAILCORE_E_BUSY (the store is being checked already), MAILCORE_E_LIMIT, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN,
 * MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_list(mailcore_handle from,
                      uint32_t kind,
                      const mailcore_query *query,
                      mailcore_cursor *cursor,
                      mailcore_error *err);

/**
 * Copies the store into a folder, beside all other work: each mailcore_next() does one step.
 *
 * [disk] The copy is what was committed when the first row was read. It is read back and checked, and has its name
 * only when mailcore_next() has given 0: then the folder is a store, to be opened as any. In each row id is how many
 * octets are done, of size in all. Closing the cursor before gives the backup up. An error of mailcore_next() ends
 * it: MAILCORE_E_EXISTS where the folder has a store, MAILCORE_E_DISK_FULL, MAILCORE_E_STORE.
 *
 * @param engine  the engine
 * @param folder  where to; made where missing
 * @param cursor  takes the handle; needed. 0 after a failure
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_LIMIT
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_backup(mailcore_engine engine,
                        const char *folder,
                        mailcore_cursor *cursor,
                        mailcore_error *err);

/**
 * Reads the next row of a listing.
 *
 * [disk]
 *
 * @param cursor  from mailcore_list()
 * @param row  takes the row; its texts are valid until the cursor is read again or closed
 * @param err  takes what went wrong, or NULL
 * @returns 1 for a row, 0 at the end, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_next(mailcore_cursor cursor, mailcore_row *row, mailcore_error *err);

/**
 * Begins a new message.
 *
 * [nowait]
 *
 * @param engine  the engine
 * @param message  takes the handle; needed. 0 after a failure
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_LIMIT
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_message_new(mailcore_engine engine, mailcore_message *message, mailcore_error *err);

/**
 * Adds octets to a new message.
 *
 * [disk] Header, empty line, body; lines end in CRLF. Large messages are kept in a scratch file meanwhile.
 *
 * @param message  from mailcore_message_new(), not yet submitted or appended
 * @param data  the octets; NULL for none
 * @param len  how many they are
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_STATE, MAILCORE_E_LIMIT (property
 * message.octets_max), MAILCORE_E_STORE, MAILCORE_E_INVALID
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_message_write(mailcore_message message,
                               const void *data,
                               size_t len,
                               mailcore_error *err);

/**
 * Opens a message that is kept, for reading.
 *
 * [disk]
 *
 * @param from  a mailbox, or the engine for a message of the queue
 * @param id  its UID, or its queue id
 * @param message  takes the handle; needed. 0 after a failure
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_NOT_FOUND, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED, MAILCORE_E_LIMIT
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_message_open(mailcore_handle from,
                              uint64_t id,
                              mailcore_message *message,
                              mailcore_error *err);

/**
 * Reads octets of a message.
 *
 * [disk] [hook-ok] A new message can be read once it was submitted or appended.
 *
 * @param message  the message
 * @param offset  where to begin, 0 for its first octet
 * @param data  takes the octets
 * @param capacity  how many there is room for
 * @param read  takes how many were read: fewer than capacity only at the end. Needed
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_STATE, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN,
 * MAILCORE_E_NOT_FOUND (removed meanwhile), MAILCORE_E_INVALID, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_message_read(mailcore_message message,
                              uint64_t offset,
                              void *data,
                              size_t capacity,
                              size_t *read,
                              mailcore_error *err);

/**
 * Reads a header field.
 *
 * [disk] [hook-ok] Gives the value on one line, encoded words (RFC 2047) decoded, as UTF-8. It holds no NUL: U+FFFD
 * stands for one.
 *
 * @param message  the message
 * @param name  "Subject", in any case
 * @param index  0 for the first field of this name, 1 for the second
 * @param value  takes the value, to be given back with mailcore_buf_free(), or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 1, 0 where there is no such field, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8,
 * MAILCORE_E_STATE, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_NOT_FOUND, MAILCORE_E_NOMEM,
 * MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_message_header(mailcore_message message,
                                const char *name,
                                uint32_t index,
                                mailcore_buf *value,
                                mailcore_error *err);

/**
 * Submits a message: recipients here are filed at once, the others are queued.
 *
 * [disk] When it returns, the message is on disk and the engine is responsible for it. Missing Date and Message-ID
 * fields are added. The message can be read, appended and submitted again.
 *
 * @param message  the message
 * @param envelope  from whom and for whom; needed
 * @param id  takes the queue id, or 0 where all recipients are here; may be NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID,
 * MAILCORE_E_NOT_FOUND (no such recipient here), MAILCORE_E_LIMIT, MAILCORE_E_QUOTA, MAILCORE_E_POLICY,
 * MAILCORE_E_STATE (the engine is not started), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_submit(mailcore_message message,
                        const mailcore_envelope *envelope,
                        uint64_t *id,
                        mailcore_error *err);

/**
 * Submits a message in one call.
 *
 * [disk] As mailcore_message_new(), mailcore_message_write() and mailcore_submit().
 *
 * @param engine  the engine
 * @param from  where failures go; NULL or "" for the null reverse-path
 * @param to  the recipient, or several, separated by commas
 * @param data  header, empty line, body, with CRLF line ends
 * @param len  length of the message in bytes
 * @param id  takes the queue id, or 0 where all recipients are here; may be NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND
 * (no such recipient here), MAILCORE_E_LIMIT, MAILCORE_E_QUOTA, MAILCORE_E_POLICY, MAILCORE_E_STATE
 * (the engine is not started), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_send(mailcore_engine engine,
                      const char *from,
                      const char *to,
                      const void *data,
                      size_t len,
                      uint64_t *id,
                      mailcore_error *err);

/**
 * Acts on a queued message, or on all.
 *
 * [disk]
 *
 * @param engine  the engine
 * @param id  queue id; 0 for all
 * @param action  what to do: one of MAILCORE_QUEUE_
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_queue_control(mailcore_engine engine, uint64_t id, uint32_t action, mailcore_error *err);

/**
 * Waits until a queued message is finished: every recipient delivered or given up.
 *
 * [wait] The outcome is known for messages that finished before, too. After a timeout, `delivery` has the
 * state at that time.
 *
 * @param engine  the engine
 * @param id  queue id, as mailcore_submit() and mailcore_send() give it. 0 stands for a message whose recipients were
 * all here: it is delivered
 * @param timeout_ms  how long to wait: -1 for ever, 0 not at all
 * @param delivery  takes the state, also after MAILCORE_E_TIMEOUT; or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_TIMEOUT (it is still in the queue), MAILCORE_E_HANDLE, MAILCORE_E_VERSION,
 * MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_queue_wait(mailcore_engine engine,
                            uint64_t id,
                            int32_t timeout_ms,
                            mailcore_delivery *delivery,
                            mailcore_error *err);

/**
 * Tells why a queued message is where it is, as one JSON document: for each recipient its route, when it is tried
 * again and why; each attempt with its TLS policy and what was said, line by line with times. docs/queue.md lists the
 * members.
 *
 * [disk] Finished messages are known for outbound.history_seconds. Free the document with mailcore_buf_free().
 *
 * @param engine  the engine
 * @param id  queue id
 * @param json  takes the document; needed
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_NOMEM,
 * MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_queue_explain(mailcore_engine engine,
                               uint64_t id,
                               mailcore_buf *json,
                               mailcore_error *err);

/**
 * Acts on all queued messages that a filter fits.
 *
 * [disk] In steps: messages that come meanwhile may be touched or not.
 *
 * @param engine  the engine
 * @param filter  which messages; NULL for all
 * @param action  what to do: one of MAILCORE_QUEUE_
 * @param at_ms  for MAILCORE_QUEUE_EXPIRE: when, in ms since 1970; else ignored
 * @param count  takes how many were touched, or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_queue_select(mailcore_engine engine,
                              const mailcore_queue_filter *filter,
                              uint32_t action,
                              int64_t at_ms,
                              uint64_t *count,
                              mailcore_error *err);

/**
 * Lets a destination get no mail until mailcore_destination_resume(), also after a restart.
 *
 * [disk] What is under way is let end; what waits still expires.
 *
 * @param engine  the engine
 * @param destination  a domain, or host:port of the smart host
 * @param reason  why, for mailcore_queue_explain() and listings; or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_LIMIT,
 * MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_destination_pause(mailcore_engine engine,
                                   const char *destination,
                                   const char *reason,
                                   mailcore_error *err);

/**
 * Lets a destination get mail again.
 *
 * [disk]
 *
 * @param engine  the engine
 * @param destination  as given to mailcore_destination_pause()
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND (it was
 * not paused), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_destination_resume(mailcore_engine engine, const char *destination, mailcore_error *err);

/**
 * Writes the MTA-STS policy of a domain of ours (RFC 8461): what to serve at
 * https://mta-sts.DOMAIN/.well-known/mta-sts.txt as text/plain, and the TXT record for _mta-sts.DOMAIN, whose id
 * changes where the policy does.
 *
 * [nowait] Free both texts with mailcore_buf_free().
 *
 * @param engine  the engine
 * @param mode  "enforce", "testing" or "none"
 * @param hosts  names of the hosts that take the domain's mail, by commas; "*." in front stands for one label. NULL
 * for the engine's hostname
 * @param max_age_seconds  how long others may keep it
 * @param policy  takes the policy, or NULL
 * @param record  takes the record, or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOMEM
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_sts_policy(mailcore_engine engine,
                            const char *mode,
                            const char *hosts,
                            uint32_t max_age_seconds,
                            mailcore_buf *policy,
                            mailcore_buf *record,
                            mailcore_error *err);

/**
 * Lets an address get no mail from here: submissions for it are refused, and what is queued for it fails.
 *
 * [disk] What was set of the address before, for the same account or for everybody, is replaced.
 * MAILCORE_LIST_SUPPRESSED lists all of them.
 *
 * @param of  an engine: mail of everybody; an account: its own mail alone
 * @param address  "bob@example.net", or "@example.net" for all addresses of a domain
 * @param reason  one word of a-z, 0-9 and -: "manual", "complaint"; NULL for "manual"
 * @param detail  why, in words; or NULL
 * @param until_ms  when it ends, in ms since 1970; 0 for never
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_LIMIT,
 * MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_suppress(mailcore_handle of,
                          const char *address,
                          const char *reason,
                          const char *detail,
                          int64_t until_ms,
                          mailcore_error *err);

/**
 * Lets a suppressed address get mail again.
 *
 * [disk]
 *
 * @param of  as given to mailcore_suppress()
 * @param address  as given to mailcore_suppress()
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND (it was
 * not suppressed), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_unsuppress(mailcore_handle of, const char *address, mailcore_error *err);

/**
 * Tells what to publish in DNS for a domain of ours, each record compared with what is there, as one JSON document:
 * MX, address, PTR, SPF, DKIM, DMARC, MTA-STS, TLS-RPT, TLSA, autoconfig. docs/reports.md lists the members.
 *
 * [wait] Asks DNS, up to a minute where nobody answers. Free the document with mailcore_buf_free().
 *
 * @param engine  the engine
 * @param domain  "example.org"
 * @param json  takes the document; needed
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOMEM,
 * MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_dns_advice(mailcore_engine engine,
                            const char *domain,
                            mailcore_buf *json,
                            mailcore_error *err);

/**
 * Opens a mailbox, for its messages.
 *
 * [disk]
 *
 * @param account  the account
 * @param name  "INBOX", "Archive/2026": UTF-8, levels separated by "/"
 * @param flags  0, or MAILCORE_MAILBOX_CREATE
 * @param mailbox  takes the handle; needed. 0 after a failure
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_NOT_FOUND, MAILCORE_E_INVALID,
 * MAILCORE_E_LIMIT, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_mailbox_open(mailcore_account account,
                              const char *name,
                              uint32_t flags,
                              mailcore_mailbox *mailbox,
                              mailcore_error *err);

/**
 * Makes, deletes, renames or subscribes a mailbox.
 *
 * [disk]
 *
 * @param account  the account
 * @param action  MAILCORE_CONTROL_ and what to do
 * @param name  the mailbox's name
 * @param argument  the new name for MAILCORE_CONTROL_RENAME, else NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND,
 * MAILCORE_E_EXISTS, MAILCORE_E_LIMIT, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_mailbox_control(mailcore_account account,
                                 uint32_t action,
                                 const char *name,
                                 const char *argument,
                                 mailcore_error *err);

/**
 * Adds a message to a mailbox.
 *
 * [disk] The message may be new, or one that is kept elsewhere.
 *
 * @param mailbox  the mailbox
 * @param message  the message
 * @param flags  MAILCORE_FLAG_ values added up
 * @param time_ms  when it came, in ms since 1970; 0 for now
 * @param uid  takes its UID, or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_INVALID, MAILCORE_E_QUOTA, MAILCORE_E_NOT_FOUND, MAILCORE_E_STATE,
 * MAILCORE_E_LIMIT, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_mailbox_append(mailcore_mailbox mailbox,
                                mailcore_message message,
                                uint32_t flags,
                                int64_t time_ms,
                                uint64_t *uid,
                                mailcore_error *err);

/**
 * Sets and clears flags of messages.
 *
 * [disk] UIDs of messages that are gone are passed over.
 *
 * @param mailbox  the mailbox
 * @param uids  the messages
 * @param count  how many they are; 0 does nothing
 * @param add  MAILCORE_FLAG_ values added up: to set
 * @param remove  MAILCORE_FLAG_ values added up: to clear
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_mailbox_flag(mailcore_mailbox mailbox,
                              const uint64_t *uids,
                              size_t count,
                              uint32_t add,
                              uint32_t remove,
                              mailcore_error *err);

/**
 * Copies or moves messages to another mailbox of the same account.
 *
 * [disk] All or none. UIDs of messages that are gone are passed over.
 *
 * @param mailbox  where they are
 * @param uids  the messages
 * @param count  how many they are; 0 does nothing
 * @param destination  where they go
 * @param move  1 to move, 0 to copy
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_QUOTA,
 * MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_mailbox_copy(mailcore_mailbox mailbox,
                              const uint64_t *uids,
                              size_t count,
                              mailcore_mailbox destination,
                              uint32_t move,
                              mailcore_error *err);

/**
 * Removes messages for good, whatever their flags.
 *
 * [disk] UIDs of messages that are gone are passed over.
 *
 * @param mailbox  the mailbox
 * @param uids  the messages
 * @param count  how many they are; 0 does nothing
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_mailbox_expunge(mailcore_mailbox mailbox,
                                 const uint64_t *uids,
                                 size_t count,
                                 mailcore_error *err);

/**
 * Listens for a service.
 *
 * [nowait] After mailcore_engine_start(). mailcore_close() ends it: when it returns the port is free. Its sessions go
 * on. Services with TLS from the
 * first byte need a certificate: one from mailcore_tls_set(), or the one that the engine makes for itself.
 *
 * @param engine  the engine
 * @param options  what and where; needed
 * @param listener  takes the handle, or NULL: it then listens until the engine stops
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID,
 * MAILCORE_E_BUSY (the port is taken), MAILCORE_E_NETWORK, MAILCORE_E_STATE, MAILCORE_E_TLS, MAILCORE_E_UNSUPPORTED
 * (this build has no such service)
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_listen(mailcore_engine engine,
                        const mailcore_listen_options *options,
                        mailcore_listener *listener,
                        mailcore_error *err);

/**
 * Serves a connection that the program made or accepted: one end of a socketpair(), an inherited socket.
 *
 * [nowait] After mailcore_engine_start(). The whole session runs in the background, as behind a listener. A peer
 * without an Internet address counts as 127.0.0.1.
 *
 * @param engine  the engine
 * @param service  the service: one of MAILCORE_SERVICE_
 * @param fd  a connected stream socket. After success it belongs to the library; after a failure to the program
 * @param flags  0, or MAILCORE_LISTEN_TRACE
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_INVALID, MAILCORE_E_NETWORK (no connected stream socket),
 * MAILCORE_E_STATE, MAILCORE_E_TLS (there is no certificate), MAILCORE_E_UNSUPPORTED (this build has no such service,
 * or the system no such sockets)
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_serve_fd(mailcore_engine engine,
                          uint32_t service,
                          int32_t fd,
                          uint32_t flags,
                          mailcore_error *err);

/**
 * Gives a descriptor that is readable exactly while mailcore_events_next() would not wait.
 *
 * [nowait] [hook-ok] For poll(), select(), epoll and event loops. It belongs to the library: never read,
 * write or close it; it is closed with the engine.
 *
 * @param engine  the engine
 * @param fd  takes the descriptor
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UNSUPPORTED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_events_fd(mailcore_engine engine, int32_t *fd, mailcore_error *err);

/**
 * Takes the next event.
 *
 * [wait] Empties *event first, so that one struct serves a whole loop; the last one is emptied by
 * mailcore_event_clear().
 *
 * @param engine  the engine
 * @param timeout_ms  how long to wait: -1 for ever, 0 not at all
 * @param event  takes the event
 * @param err  takes what went wrong, or NULL
 * @returns 1 for an event, 0 when there was none in time, MAILCORE_E_STATE when the engine has stopped and
 * there will be none, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_events_next(mailcore_engine engine,
                             int32_t timeout_ms,
                             mailcore_event *event,
                             mailcore_error *err);

/**
 * Takes the next request, past the events in front of it, which stay.
 *
 * [wait] As mailcore_events_next(), for a thread of the host's that does nothing but answer.
 *
 * @param engine  the engine
 * @param timeout_ms  how long to wait: -1 for ever, 0 not at all
 * @param event  takes the request, a MAILCORE_EVENT_REQUEST
 * @param err  takes what went wrong, or NULL
 * @returns 1 for a request, 0 when there was none in time, MAILCORE_E_STATE when the engine has stopped and
 * there will be none, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_requests_next(mailcore_engine engine,
                               int32_t timeout_ms,
                               mailcore_event *event,
                               mailcore_error *err);

/**
 * Frees what an event holds and sets it to zero, its size apart.
 *
 * [nowait] [hook-ok] A second call does nothing. NULL is allowed.
 *
 * @param event  the event, or NULL
 * @since 0.1.0
 */
MAILCORE_API void mailcore_event_clear(mailcore_event *event);

/**
 * Sets the server's certificate, also while it runs: new sessions use it.
 *
 * [nowait]
 *
 * @param engine  the engine
 * @param server_name  server name that clients ask for (SNI); NULL for all other clients
 * @param certificate_pem  the certificate, then those of its authorities, PEM; with a block OCSP RESPONSE, that is
 * served too while it holds (RFC 6066)
 * @param key_pem  its private key, PEM
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_TLS (not a certificate, or not
 * its key), MAILCORE_E_INVALID
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_tls_set(mailcore_engine engine,
                         const char *server_name,
                         const char *certificate_pem,
                         const char *key_pem,
                         mailcore_error *err);

/**
 * Adds certificate authorities to those that outgoing connections trust.
 *
 * [nowait]
 *
 * @param engine  the engine
 * @param authorities_pem  their certificates, PEM
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_TLS, MAILCORE_E_INVALID
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_tls_trust(mailcore_engine engine, const char *authorities_pem, mailcore_error *err);

/**
 * Sets a DNS record, which the engine uses in place of DNS.
 *
 * [nowait] Several records of one name and type may be set. With property dns.host_only no DNS server is asked at all.
 *
 * @param engine  the engine
 * @param name  "example.net"; NULL forgets all records that were set
 * @param type  "A", "AAAA", "MX", "TXT", "PTR", "CNAME", "TLSA"; NULL forgets the records of this name
 * @param rdata  as in a zone file: "192.0.2.1", "10 mx.example.net"; NULL says that there is no such record
 * @param ttl  seconds it may be kept
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_UTF8, MAILCORE_E_INVALID
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_dns_set(mailcore_engine engine,
                         const char *name,
                         const char *type,
                         const char *rdata,
                         uint32_t ttl,
                         mailcore_error *err);

/**
 * Sets the engine's clock, and stops it there.
 *
 * [nowait] What is due by then is done at once. If it goes back, only dates change: waits go on as they were.
 *
 * @param engine  the engine
 * @param unix_ms  milliseconds since 1970, UTC
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_INVALID
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_clock_set(mailcore_engine engine, int64_t unix_ms, mailcore_error *err);

/**
 * Stops the engine's clock, if it still runs, and moves it forward.
 *
 * [nowait] What is due by then is done at once: days of retries take milliseconds.
 *
 * @param engine  the engine
 * @param delta_ms  milliseconds, 0 and up
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_INVALID
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_clock_advance(mailcore_engine engine, int64_t delta_ms, mailcore_error *err);

/**
 * Frees verdicts and sets them to zero, except for their size.
 *
 * [nowait] [hook-ok] A second call does nothing. NULL is allowed.
 *
 * @param verdicts  what a function filled, or NULL
 * @since 0.1.0
 */
MAILCORE_API void mailcore_verdicts_clear(mailcore_verdicts *verdicts);

/**
 * Makes a resolver, for checks without an engine.
 *
 * [disk] May read the system's DNS configuration. Any number of threads may use it at once. It remembers answers for
 * as long as DNS allows. If it asks a server, it starts two threads, which end when it is closed.
 *
 * @param options  where names are looked up; NULL for the system's DNS
 * @param resolver  takes the handle, to be closed with mailcore_close(); needed. 0 after a failure
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID (no address, or a line of
 * the zone is no record), MAILCORE_E_EXISTS (a CNAME stands alone), MAILCORE_E_DNS, MAILCORE_E_LIMIT,
 * MAILCORE_E_UNSUPPORTED (this build checks no mail)
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_resolver_open(const mailcore_resolver_options *options,
                               mailcore_resolver *resolver,
                               mailcore_error *err);

/**
 * Checks a message: who sent it, who signed it, and what its domain wants done with it.
 *
 * [wait] The message is read once and not copied: a large message may be a mapped file. Line ends may be LF, as in
 * files: it is checked with CRLF, as it would travel. If DNS does not answer within the resolver's time, the result
 * is MAILCORE_RESULT_TEMPERROR, and this call does not fail. The same message, origin with a time, and zone give the
 * same verdicts again.
 *
 * @param resolver  where names are looked up
 * @param origin  where the message came from, and what is wanted; NULL checks what needs no origin
 * @param message  header, empty line, body; NULL where only SPF is wanted
 * @param len  length of the message in bytes
 * @param verdicts  takes the verdicts, to be freed with mailcore_verdicts_clear(); verdicts it held before are freed
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID (not an
 * address, or a check that needs ip), MAILCORE_E_INTERRUPTED, MAILCORE_E_NOMEM
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_verify(mailcore_resolver resolver,
                        const mailcore_origin *origin,
                        const void *message,
                        size_t len,
                        mailcore_verdicts *verdicts,
                        mailcore_error *err);

/**
 * Evaluates DMARC for results of SPF and DKIM that are known already.
 *
 * [wait] The verdicts hold one check, MAILCORE_METHOD_DMARC.
 *
 * @param resolver  where names are looked up
 * @param evidence  the author's domain, and what SPF and DKIM said; needed
 * @param verdicts  takes the verdict, to be freed with mailcore_verdicts_clear(); verdicts it held before are freed
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID (no
 * domain, or no result), MAILCORE_E_INTERRUPTED, MAILCORE_E_NOMEM
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_dmarc_evaluate(mailcore_resolver resolver,
                                const mailcore_evidence *evidence,
                                mailcore_verdicts *verdicts,
                                mailcore_error *err);

/**
 * Signs a message (DKIM, RFC 6376).
 *
 * [nowait] Gives the DKIM-Signature field, to be put in front of the message; its line ends are those of the
 * message's first line. A message with LF line ends, as in files, is signed as it will travel, with CRLF. The
 * message is read once and not copied.
 *
 * @param signer  who signs, and how; needed
 * @param message  header, empty line, body
 * @param len  length of the message in bytes
 * @param field  takes the field, to be freed with mailcore_buf_free(), or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID (a key of another kind, or
 * not a name), MAILCORE_E_UNSUPPORTED, MAILCORE_E_NOMEM
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_dkim_sign(const mailcore_signer *signer,
                           const void *message,
                           size_t len,
                           mailcore_buf *field,
                           mailcore_error *err);

/**
 * Seals a message that is passed on (ARC, RFC 8617): says what was found when it came, and signs that.
 *
 * [wait] Gives the three fields of the next set, to be put in front of the outgoing message; their line ends are
 * those of its first line. The message's chain is checked, unless signer.chain has its result from when the message
 * came in. The set contains signer.results, or the content of the message's Authentication-Results fields of
 * signer.authserv_id, with the result of the chain. A broken chain is sealed as such (cv=fail), once.
 *
 * @param resolver  where names are looked up
 * @param signer  who seals; needed
 * @param message  header, empty line, body
 * @param len  length of the message in bytes
 * @param fields  takes the fields, to be freed with mailcore_buf_free(), or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 1, or 0 where there is nothing to add (an earlier server found the chain broken, or it has its greatest
 * length; fields are empty then), or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8,
 * MAILCORE_E_INVALID (a key of another kind, or not a name), MAILCORE_E_UNSUPPORTED, MAILCORE_E_INTERRUPTED,
 * MAILCORE_E_NOMEM
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_arc_seal(mailcore_resolver resolver,
                          const mailcore_signer *signer,
                          const void *message,
                          size_t len,
                          mailcore_buf *fields,
                          mailcore_error *err);

/**
 * Gives a key that mail of a domain is signed with, or removes one.
 *
 * [disk] The key signs from now on, in place of the domain's active key of the same algorithm; the record of that one
 * must stay in DNS for a week. An RSA key and an Ed25519 key sign side by side. Keys are kept in the store. Mail of a
 * subdomain is signed too, unless the subdomain has a key of its own.
 *
 * @param engine  the engine
 * @param domain  the domain that signs: that of From
 * @param selector  the key's name: its record stands at selector._domainkey.domain
 * @param key_pem  the private key, PEM (PKCS#1 or PKCS#8), or the base64 of an Ed25519 seed; empty for the key of that
 * name that mailcore_dkim_generate() made, which then need not be seen in DNS; NULL to remove the key
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID (no domain, no selector, no
 * key, one that is too short), MAILCORE_E_NOT_FOUND (no key of that name), MAILCORE_E_STATE (retired),
 * MAILCORE_E_LIMIT, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED,
 * MAILCORE_E_UNSUPPORTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_dkim_set(mailcore_engine engine,
                          const char *domain,
                          const char *selector,
                          const char *key_pem,
                          mailcore_error *err);

/**
 * Makes a key for a domain. It signs when its record is seen in DNS; from then on the previous key no longer signs,
 * and the record of that one must stay for a week.
 *
 * [disk] MAILCORE_LIST_DKIM_KEYS lists the state of each key. mailcore_dkim_set() with an empty key does not wait
 * for DNS.
 *
 * @param engine  the engine
 * @param domain  the domain that signs
 * @param selector  a name that has no key yet
 * @param algorithm  MAILCORE_ALGORITHM_RSA_SHA256 (2048 bits) or MAILCORE_ALGORITHM_ED25519_SHA256
 * @param dns_txt  takes the text of the TXT record to publish at selector._domainkey.domain, or NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_EXISTS,
 * MAILCORE_E_LIMIT, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED,
 * MAILCORE_E_UNSUPPORTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_dkim_generate(mailcore_engine engine,
                               const char *domain,
                               const char *selector,
                               uint32_t algorithm,
                               mailcore_buf *dns_txt,
                               mailcore_error *err);

/**
 * Signs with a key that only the program can use: in an HSM, a TPM or another process.
 *
 * [disk] Lasts until the engine is closed or mailcore_dkim_set() with NULL removes it; it is not kept. `sign` and what
 * `user` points to must be valid until the engine is closed.
 *
 * @param engine  the engine
 * @param domain  the domain that signs
 * @param selector  the key's name, whose record stands in DNS
 * @param algorithm  MAILCORE_ALGORITHM_RSA_SHA256 or MAILCORE_ALGORITHM_ED25519_SHA256
 * @param sign  makes the signatures
 * @param user  given to `sign`; may be NULL
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED,
 * MAILCORE_E_UNSUPPORTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_dkim_set_hook(mailcore_engine engine,
                               const char *domain,
                               const char *selector,
                               uint32_t algorithm,
                               mailcore_sign_hook sign,
                               void *user,
                               mailcore_error *err);

/**
 * Stores a Sieve script (RFC 5228), or removes one.
 *
 * [disk] The script is compiled first; where it is wrong, the error's message begins with line and column. A new
 * script of an account is not run before mailcore_sieve_activate(). Of a domain's scripts, and of those for all
 * domains, "before" is run before the active script of each account and "after" behind it; others can be included.
 *
 * @param engine  the engine
 * @param owner  address of an account, "@example.org" for a domain, "@" for all domains
 * @param name  the script's name; one of that name is replaced
 * @param script  the script, UTF-8; NULL to remove it
 * @param len  length of the script in bytes, at most 262144
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID (the script, its name, the
 * owner), MAILCORE_E_NOT_FOUND (no such owner, no script to remove), MAILCORE_E_STATE (it is active and cannot be
 * removed), MAILCORE_E_LIMIT (64 scripts are there), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_sieve_set(mailcore_engine engine,
                           const char *owner,
                           const char *name,
                           const void *script,
                           size_t len,
                           mailcore_error *err);

/**
 * Gives a Sieve script, or the list of them.
 *
 * [disk]
 *
 * @param engine  the engine
 * @param owner  address of an account, "@example.org" for a domain, "@" for all domains
 * @param name  the script's name; NULL for a list of all: JSON, [{"name": "a", "active": true, "size": 120}]
 * @param script  takes the script, or the list; free it with mailcore_buf_free()
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND (no
 * such owner, no such script), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_sieve_get(mailcore_engine engine,
                           const char *owner,
                           const char *name,
                           mailcore_buf *script,
                           mailcore_error *err);

/**
 * Makes a script of an account the one that is run for its mail, in place of the one before.
 *
 * [disk]
 *
 * @param engine  the engine
 * @param owner  address of an account
 * @param name  the script's name; NULL: none is run
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID (no account: the scripts of
 * domains need no activation), MAILCORE_E_NOT_FOUND (no such account, no such script), MAILCORE_E_STORE,
 * MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_sieve_activate(mailcore_engine engine,
                                const char *owner,
                                const char *name,
                                mailcore_error *err);

/**
 * Says what scripts would do with a message, and why. Nothing is done.
 *
 * [disk] The answer is a JSON object. "actions" is a list of objects in order: "action" is "keep", "fileinto",
 * "redirect", "reject", "vacation" or "notify"; "line" and "column" say where in "script" it stands ("implicit": true
 * where no script says it); the other members are what the action takes. An empty list: the message is discarded.
 * "error" is null, or an object with "script", "line", "column" and "text" (the message is then kept). "notes" is a
 * list of objects with "script", "line", "column" and "text": what each test found.
 *
 * @param engine  the engine
 * @param owner  address of an account
 * @param script  the script; NULL: all that are run for the account's mail now
 * @param script_len  length of the script in bytes
 * @param message  the message
 * @param message_len  length of the message in bytes
 * @param from  the reverse-path; NULL, "" or "<>" for the null reverse-path
 * @param to  the forward-path; NULL for the account's address
 * @param json  takes the answer; free it with mailcore_buf_free()
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID (the script, with line and
 * column; an address), MAILCORE_E_NOT_FOUND (no such account), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN,
 * MAILCORE_E_INTERRUPTED
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_sieve_test(mailcore_engine engine,
                            const char *owner,
                            const void *script,
                            size_t script_len,
                            const void *message,
                            size_t message_len,
                            const char *from,
                            const char *to,
                            mailcore_buf *json,
                            mailcore_error *err);

/**
 * Says which decisions the host wants to make. Before the start.
 *
 * [nowait] The host is asked about all mail that comes over SMTP, submission and LMTP, and about connections and
 * logins of IMAP and POP3; mail that it submits itself is its own decision. A second call takes the place of the
 * first.
 *
 * @param engine  the engine
 * @param hooks  which, and how; needed
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_INVALID (asked both ways, or
 * an unknown bit), MAILCORE_E_STATE (the engine has started)
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_engine_set_hooks(mailcore_engine engine,
                                  const mailcore_hooks *hooks,
                                  mailcore_error *err);

/**
 * Answers a request.
 *
 * [disk] [hook-ok] Once, and in the time of the property hook.timeout_ms: afterwards nobody waits for it. After
 * an error other than MAILCORE_E_STATE the request still waits.
 *
 * @param engine  the engine
 * @param request  the subject of a MAILCORE_EVENT_REQUEST
 * @param verdict  the answer; needed
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID (no
 * such action, not for a recipient, code or text that cannot be sent), MAILCORE_E_NOT_FOUND (no such request, or a
 * redirection to a user who is not here), MAILCORE_E_STATE (nobody waits any more, or the engine has no hooks)
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_reply(mailcore_engine engine,
                       uint64_t request,
                       const mailcore_verdict *verdict,
                       mailcore_error *err);

/**
 * Opens the message that a request is about, for reading: as the peer sent it, without fields of ours.
 *
 * [nowait] [hook-ok] It can be read until it is closed, also after the answer.
 *
 * @param engine  the engine
 * @param request  the subject of a MAILCORE_EVENT_REQUEST
 * @param message  takes the handle; needed. 0 after a failure
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_NOT_FOUND (no such request, or not about a message),
 * MAILCORE_E_STATE (nobody waits any more, or the engine has no hooks), MAILCORE_E_LIMIT
 * @since 0.1.0
 */
MAILCORE_API
int32_t mailcore_request_open(mailcore_engine engine,
                              uint64_t request,
                              mailcore_message *message,
                              mailcore_error *err);

/**
 * Has the engine refuse, wait or end connections, as a test wants it.
 *
 * [nowait] [hook-ok] At any time, also while it runs. The first rule that fits decides, and uses up one of its times.
 *
 * @param engine  the engine
 * @param rule  the rule; NULL removes all there are
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_LIMIT
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_trouble_add(mailcore_engine engine, const mailcore_trouble *rule, mailcore_error *err);

/**
 * Reads the counters and gauges of an engine.
 *
 * [disk] Counters begin at 0 when the engine is opened.
 *
 * @param engine  the engine
 * @param stats  takes them; needed
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_STORE
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_engine_stats(mailcore_engine engine, mailcore_stats *stats, mailcore_error *err);

/**
 * Ends a session: its client is told so in the words of its protocol, and the connection is closed within seconds.
 *
 * [nowait] Nothing that was acknowledged is lost. Sessions of an account that is deleted, or whose password is
 * changed, end by themselves.
 *
 * @param engine  the engine
 * @param id  the session, from MAILCORE_LIST_SESSIONS
 * @param err  takes what went wrong, or NULL
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_STATE (not started, or stopped), MAILCORE_E_NOT_FOUND (it has ended, or
 * was told to)
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_session_end(mailcore_engine engine, uint64_t id, mailcore_error *err);

/**
 * Wakes the calls of other threads that wait on this handle: they return MAILCORE_E_INTERRUPTED.
 *
 * [nowait] [hook-ok] Later calls wait as usual. Do not call it from a signal handler; write to a pipe there. Only
 * calls on engines and resolvers wait; on other handles nothing happens.
 *
 * @param handle  an engine, a resolver, or any other handle
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_FORKED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_interrupt(mailcore_handle handle);

/**
 * Closes a handle. For an engine: stops it at once if it runs, and closes everything that came from it, also what
 * other threads make meanwhile. Only the row that a cursor gave last stays, until the cursor is closed as well.
 *
 * [disk] Safe at any time, also while other threads are inside calls on the handle: those that wait return
 * MAILCORE_E_INTERRUPTED. To let sessions end first, call mailcore_engine_stop() before. A message that
 * was not submitted is lost.
 *
 * @param handle  any handle; 0 is allowed and does nothing
 * @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_STORE, MAILCORE_E_FORKED
 * @since 0.1.0
 */
MAILCORE_API int32_t mailcore_close(mailcore_handle handle);

#ifdef __cplusplus
} /* extern "C" */
#endif /* __cplusplus */

#endif /* MAILCORE_H */
