/*
 * A complete small mail server on the C interface of libmailcore.
 *
 *   cc examples/mailserver.c -Iinclude -Ltarget/release -lmailcore -o mailserver
 *   LD_LIBRARY_PATH=target/release ./mailserver --store mail --hostname mx.example.org
 *       --domain example.org --account alice@example.org:secret --mx 127.0.0.1:2525 --imap 127.0.0.1:1143
 *
 * The first line on stdout is a JSON object with the addresses that are listened on; each event after it is one
 * line. SIGTERM and SIGINT let sessions and deliveries end, then the program exits with 0. Wrong use exits with
 * 2, any other trouble with 1. Run it with --help for the options.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mailcore.h>

#define DRAIN_MS 10000

static const char usage[] =
    "usage: mailserver --store DIR --hostname NAME [option]...\n"
    "  --store DIR                  folder of the store; made where missing\n"
    "  --hostname NAME              our name in greetings, Received fields and reports\n"
    "  --domain DOMAIN              mail for it is ours; login names without @ mean the first one\n"
    "  --account ADDR:PASSWORD      makes an account, or changes its password\n"
    "  --alias ADDR=TARGET          mail for ADDR (or @DOMAIN) goes to TARGET\n"
    "  --mx ADDR:PORT               takes mail from the world; port 0 takes a free one\n"
    "  --submission ADDR:PORT       takes mail from accounts, STARTTLS\n"
    "  --submissions ADDR:PORT      the same, TLS from the first octet\n"
    "  --lmtp ADDR:PORT             takes mail by LMTP\n"
    "  --imap ADDR:PORT, --imaps ADDR:PORT, --pop3 ADDR:PORT, --pop3s ADDR:PORT\n"
    "  --tls-cert FILE, --tls-key FILE   certificate chain and key, PEM; without them one is made\n"
    "  --tls-ca FILE                further authorities trusted for outgoing TLS\n"
    "  --dns ADDR:PORT              DNS server in place of the system's\n"
    "  --remote-port PORT           port for outgoing SMTP in place of 25\n"
    "  --retry SECONDS[,SECONDS]... pauses between attempts; the last one repeats\n"
    "  --expire SECONDS             when a message is given up\n"
    "  --allow-plaintext-login      logins without TLS, on loopback listeners only\n"
    "  --smarthost [USER:PASSWORD@]HOST:PORT   all outgoing mail goes through it\n"
    "  --dkim DOMAIN:SELECTOR:KEYFILE   mail from DOMAIN is signed with this key\n"
    "  --set KEY=VALUE              any property of the engine\n"
    "  --help, --version\n";

/* -- services ---------------------------------------------------------------------------------------------- */

struct service {
    const char *option;
    uint32_t number;
    const char *where;
    char address[64];
    uint32_t port;
};

static struct service services[] = {
    {"mx", MAILCORE_SERVICE_MX, NULL, "", 0},
    {"submission", MAILCORE_SERVICE_SUBMISSION, NULL, "", 0},
    {"submissions", MAILCORE_SERVICE_SUBMISSIONS, NULL, "", 0},
    {"lmtp", MAILCORE_SERVICE_LMTP, NULL, "", 0},
    {"imap", MAILCORE_SERVICE_IMAP, NULL, "", 0},
    {"imaps", MAILCORE_SERVICE_IMAPS, NULL, "", 0},
    {"pop3", MAILCORE_SERVICE_POP3, NULL, "", 0},
    {"pop3s", MAILCORE_SERVICE_POP3S, NULL, "", 0},
};

#define SERVICES (sizeof(services) / sizeof(services[0]))

/* -- what the command line says ---------------------------------------------------------------------------- */

struct list {
    const char **items;
    size_t count;
};

struct options {
    const char *store, *hostname, *tls_cert, *tls_key, *tls_ca;
    struct list domains, accounts, aliases, keys;
    char *settings; /* properties, a line each */
    char *later;    /* those of --set: they win */
};

static int stop_pipe[2];

static void die(int status, const char *format, ...)
{
    va_list arguments;

    fputs("mailserver: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(status);
}

static void *grown(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (memory == NULL)
        die(1, "out of memory");
    return memory;
}

static void add(struct list *list, const char *item)
{
    list->items = grown(list->items, (list->count + 1) * sizeof(*list->items));
    list->items[list->count++] = item;
}

/* Adds a line "key=value" to a text of properties. */
static void set(char **lines, const char *key, const char *value)
{
    size_t before = *lines == NULL ? 0 : strlen(*lines);
    size_t size = strlen(key) + strlen(value) + 3;

    if (strchr(key, '\n') != NULL || strchr(value, '\n') != NULL)
        die(2, "%s: a value has one line", key);
    *lines = grown(*lines, before + size);
    snprintf(*lines + before, size, "%s=%s\n", key, value);
}

static void set_pair(char **lines, const char *pair)
{
    const char *equals = strchr(pair, '=');
    char *key;

    if (equals == NULL)
        die(2, "--set %s: want KEY=VALUE", pair);
    key = strdup(pair);
    if (key == NULL)
        die(1, "out of memory");
    key[equals - pair] = '\0';
    set(lines, key, equals + 1);
    free(key);
}

/* An option without value; 0 where it is none. */
static int take_switch(struct options *o, const char *name)
{
    if (strcmp(name, "help") == 0) {
        fputs(usage, stdout);
        exit(0);
    }
    if (strcmp(name, "version") == 0) {
        puts(mailcore_build_info());
        exit(0);
    }
    if (strcmp(name, "allow-plaintext-login") == 0) {
        set(&o->settings, MAILCORE_KEY_LOGIN_ALLOW_PLAINTEXT, "1");
        return 1;
    }
    return 0;
}

/* Where the value of an option goes. */
static void take(struct options *o, const char *name, const char *value)
{
    static const struct {
        const char *option, *key;
    } properties[] = {
        {"dns", MAILCORE_KEY_DNS_SERVER},
        {"remote-port", MAILCORE_KEY_OUTBOUND_PORT},
        {"retry", MAILCORE_KEY_OUTBOUND_RETRY_SECONDS},
        {"expire", MAILCORE_KEY_OUTBOUND_LIFETIME_SECONDS},
        {"smarthost", MAILCORE_KEY_OUTBOUND_SMART_HOST},
    };
    struct {
        const char *option;
        const char **value;
    } texts[] = {
        {"store", &o->store},       {"hostname", &o->hostname}, {"tls-cert", &o->tls_cert},
        {"tls-key", &o->tls_key},   {"tls-ca", &o->tls_ca},
    };
    struct {
        const char *option;
        struct list *list;
    } lists[] = {
        {"domain", &o->domains}, {"account", &o->accounts}, {"alias", &o->aliases}, {"dkim", &o->keys}};
    size_t i;

    for (i = 0; i < SERVICES; i++)
        if (strcmp(name, services[i].option) == 0) {
            services[i].where = value;
            return;
        }
    for (i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
        if (strcmp(name, properties[i].option) == 0) {
            set(&o->settings, properties[i].key, value);
            return;
        }
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(name, texts[i].option) == 0) {
            *texts[i].value = value;
            return;
        }
    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (strcmp(name, lists[i].option) == 0) {
            add(lists[i].list, value);
            return;
        }
    if (strcmp(name, "set") == 0)
        set_pair(&o->later, value);
    else
        die(2, "--%s takes no value", name); /* a switch: read_options() let only known names through */
}

static int known(const char *name)
{
    char line[80]; /* names have at most 63 octets, see read_options() */
    const char *at;

    snprintf(line, sizeof(line), "--%s", name);
    for (at = strstr(usage, line); at != NULL; at = strstr(at + 1, line))
        if (strchr(" ,\n", at[strlen(line)]) != NULL)
            return 1;
    return 0;
}

/* Takes ADDR:PORT apart; an IPv6 address may stand in brackets. */
static void read_place(struct service *service)
{
    const char *where = service->where, *colon = strrchr(where, ':');
    int bracketed = colon != NULL && colon > where + 1 && where[0] == '[' && colon[-1] == ']';
    size_t length = colon == NULL ? 0 : (size_t)(colon - where) - (bracketed ? 2 : 0);
    size_t digits = colon == NULL ? 0 : strspn(colon + 1, "0123456789");

    if (length == 0 || length >= sizeof(service->address) || digits == 0 || digits > 5 || colon[1 + digits] != '\0' ||
        strtoul(colon + 1, NULL, 10) > 65535)
        die(2, "--%s %s: want ADDR:PORT", service->option, where);
    memcpy(service->address, where + (bracketed ? 1 : 0), length);
    service->port = (uint32_t)strtoul(colon + 1, NULL, 10);
}

static void read_options(struct options *o, int count, char **arguments)
{
    char name[64];
    const char *value;
    size_t service;
    int i;

    for (i = 1; i < count; i++) {
        if (strncmp(arguments[i], "--", 2) != 0)
            die(2, "%s: not an option (--help lists them)", arguments[i]);
        value = strchr(arguments[i], '=');
        snprintf(name, sizeof(name), "%.*s",
                 (int)(value == NULL ? strlen(arguments[i]) : (size_t)(value - arguments[i])) - 2, arguments[i] + 2);
        if (value == NULL && take_switch(o, name))
            continue;
        if (!known(name))
            die(2, "unknown option --%s (--help lists them)", name);
        if (value != NULL)
            value++;
        else if (++i < count)
            value = arguments[i];
        else
            die(2, "--%s: value missing", name);
        take(o, name, value);
    }
    if (o->store == NULL || o->hostname == NULL)
        die(2, "--store and --hostname are needed (--help lists the options)");
    if ((o->tls_cert == NULL) != (o->tls_key == NULL))
        die(2, "--tls-cert and --tls-key go together");
    for (service = 0; service < SERVICES; service++)
        if (services[service].where != NULL)
            read_place(&services[service]);
    if (o->domains.count > 0)
        set(&o->settings, MAILCORE_KEY_LOGIN_DOMAIN, o->domains.items[0]);
}

/* -- setting the engine up --------------------------------------------------------------------------------- */

static void check(int32_t result, const char *what, const char *about, const mailcore_error *err)
{
    if (result < 0) /* what we were given makes no sense, or cannot be done */
        die(result == MAILCORE_E_INVALID || result == MAILCORE_E_KEY ? 2 : 1, "%s%s%s: %s", what,
            *about == '\0' ? "" : " ", about, err->message);
}

static char *file(const char *path)
{
    FILE *in = fopen(path, "rb");
    char *text = NULL;
    size_t length = 0, got;

    if (in == NULL)
        die(1, "%s: %s", path, strerror(errno));
    do {
        text = grown(text, length + 4097);
        got = fread(text + length, 1, 4096, in);
        length += got;
    } while (got > 0);
    if (ferror(in))
        die(1, "%s: %s", path, strerror(errno));
    fclose(in);
    text[length] = '\0';
    return text;
}

/* Splits "a:b" at the first separator; the parts are copies. */
static void split(const char *pair, char separator, const char *option, char **first, char **second)
{
    const char *at = strchr(pair, separator);

    if (at == NULL)
        die(2, "--%s %s: '%c' missing", option, pair, separator);
    *first = strdup(pair);
    *second = strdup(at + 1);
    if (*first == NULL || *second == NULL)
        die(1, "out of memory");
    (*first)[at - pair] = '\0';
}

static void put_account(mailcore_engine engine, const struct options *o, const char *pair)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    char *name, *password, *address;
    size_t size;

    split(pair, ':', "account", &name, &password);
    if (strchr(name, '@') == NULL && o->domains.count == 0)
        die(2, "--account %s: no @, and there is no --domain", name);
    size = strlen(name) + 2 + (o->domains.count > 0 ? strlen(o->domains.items[0]) : 0);
    address = grown(NULL, size);
    snprintf(address, size, strchr(name, '@') != NULL ? "%s" : "%s@%s", name, o->domains.count > 0 ? o->domains.items[0] : "");
    check(mailcore_account_put(engine, address, password, &err), "account", address, &err);
    memset(password, 0, strlen(password));
    free(name);
    free(password);
    free(address);
}

/* DOMAIN:SELECTOR:KEYFILE */
static void put_key(mailcore_engine engine, const char *option)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    char *domain, *rest, *selector, *path, *key;

    split(option, ':', "dkim", &domain, &rest);
    split(rest, ':', "dkim", &selector, &path);
    key = file(path);
    check(mailcore_dkim_set(engine, domain, selector, key, &err), "dkim", option, &err);
    memset(key, 0, strlen(key));
    free(key);
    free(path);
    free(selector);
    free(rest);
    free(domain);
}

static void set_up(mailcore_engine engine, const struct options *o)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    char *first, *second;
    size_t i;

    for (i = 0; i < o->domains.count; i++)
        check(mailcore_domain_put(engine, o->domains.items[i], &err), "domain", o->domains.items[i], &err);
    for (i = 0; i < o->accounts.count; i++)
        put_account(engine, o, o->accounts.items[i]);
    for (i = 0; i < o->keys.count; i++)
        put_key(engine, o->keys.items[i]);
    for (i = 0; i < o->aliases.count; i++) {
        split(o->aliases.items[i], '=', "alias", &first, &second);
        check(mailcore_alias_put(engine, first, second, &err), "alias", first, &err);
        free(first);
        free(second);
    }
    if (o->tls_cert != NULL) {
        first = file(o->tls_cert);
        second = file(o->tls_key);
        check(mailcore_tls_set(engine, NULL, first, second, &err), "certificate", o->tls_cert, &err);
        memset(second, 0, strlen(second));
        free(first);
        free(second);
    }
    if (o->tls_ca != NULL) {
        first = file(o->tls_ca);
        check(mailcore_tls_trust(engine, first, &err), "authority", o->tls_ca, &err);
        free(first);
    }
}

/* Listens for one service and adds "name":"address:port" to the ready line. */
static void listen_for(mailcore_engine engine, const struct service *service, char **ready)
{
    mailcore_listen_options how = MAILCORE_LISTEN_OPTIONS_INIT;
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_buf where = {NULL, 0};
    mailcore_listener listener = 0;
    size_t before = strlen(*ready), size;

    how.service = service->number;
    how.address = service->address;
    how.port = service->port;
    check(mailcore_listen(engine, &how, &listener, &err), service->option, service->where, &err);
    check(mailcore_get_str(listener, "listener.address", &where, &err), service->option, service->where, &err);
    size = before + strlen(service->option) + where.len + 7;
    *ready = grown(*ready, size);
    snprintf(*ready + before, size - before, ",\"%s\":\"%s\"", service->option, (const char *)where.data);
    mailcore_buf_free(&where);
}

/* Opens every listener, then says so: whoever reads a ready line finds all of them. */
static void listen_for_all(mailcore_engine engine)
{
    char *ready = grown(NULL, sizeof("{\"event\":\"ready\""));
    size_t i;

    strcpy(ready, "{\"event\":\"ready\"");
    for (i = 0; i < SERVICES; i++)
        if (services[i].where != NULL)
            listen_for(engine, &services[i], &ready);
    printf("%s}\n", ready);
    fflush(stdout);
    free(ready);
}

/* -- running ----------------------------------------------------------------------------------------------- */

static void on_signal(int number)
{
    char octet = 's';
    int saved = errno;

    (void)number;
    (void)!write(stop_pipe[1], &octet, 1);
    errno = saved;
}

static void catch_signals(void)
{
    struct sigaction action;

    if (pipe(stop_pipe) != 0)
        die(1, "pipe: %s", strerror(errno));
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN; /* whoever reads our stdout may go; the mail does not stop for it */
    sigaction(SIGPIPE, &action, NULL);
}

/* Whether a line can be written without waiting for the reader of our stdout. */
static int can_write(void)
{
    struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};

    return poll(&out, 1, 0) == 1;
}

enum { EMPTY, FULL, OVER };

/* Lines are written together up to so many octets: a pipe that can be written at all takes twice as many. */
enum { WRITTEN_AT_ONCE = 2048 };

/* Writes events until there is none (EMPTY), nobody reads them (FULL), or there will be no more (OVER). Events that
 * nobody reads stay in the engine, which counts those it has to drop. */
static int write_events(mailcore_engine engine)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_event event = MAILCORE_EVENT_INIT;
    int32_t result = 1;
    size_t waiting = 0;

    while ((waiting > 0 || can_write()) && (result = mailcore_events_next(engine, 0, &event, &err)) == 1) {
        printf("%s\n", (const char *)event.detail.data);
        waiting += event.detail.len + 1;
        if (waiting >= WRITTEN_AT_ONCE) {
            fflush(stdout);
            waiting = 0;
        }
        if (event.type == MAILCORE_EVENT_FATAL) {
            fflush(stdout);
            mailcore_close(engine);
            die(1, "the engine failed; nothing acknowledged is lost");
        }
    }
    fflush(stdout);
    mailcore_event_clear(&event);
    if (result < 0 && result != MAILCORE_E_STATE)
        die(1, "events: %s", err.message);
    return result == 1 ? FULL : result == 0 ? EMPTY : OVER;
}

static void run(mailcore_engine engine)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    struct pollfd watched[2];
    int state = EMPTY;
    int32_t fd = -1;

    check(mailcore_events_fd(engine, &fd, &err), "events", "", &err);
    watched[1].fd = stop_pipe[0];
    watched[1].events = POLLIN;
    do {
        watched[0].fd = state == FULL ? STDOUT_FILENO : fd;
        watched[0].events = state == FULL ? POLLOUT : POLLIN;
        watched[0].revents = watched[1].revents = 0;
        if (poll(watched, 2, -1) < 0 && errno != EINTR)
            die(1, "poll: %s", strerror(errno));
        if (watched[1].revents != 0)
            break;
        state = write_events(engine);
    } while (state != OVER);
    check(mailcore_engine_stop(engine, DRAIN_MS, &err), "stop", "", &err);
    write_events(engine);
}

int main(int count, char **arguments)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_open how = MAILCORE_OPEN_INIT;
    mailcore_engine engine = 0;
    struct options o;
    char *settings = NULL;
    size_t size;

    memset(&o, 0, sizeof(o));
    read_options(&o, count, arguments);
    catch_signals();

    size = (o.settings == NULL ? 0 : strlen(o.settings)) + (o.later == NULL ? 0 : strlen(o.later)) + 1;
    settings = grown(NULL, size);
    snprintf(settings, size, "%s%s", o.settings == NULL ? "" : o.settings, o.later == NULL ? "" : o.later);
    how.folder = o.store;
    how.hostname = o.hostname;
    how.settings = settings;
    check(mailcore_engine_open(&how, &engine, &err), "open", "", &err);
    set_up(engine, &o);
    check(mailcore_engine_start(engine, &err), "start", "", &err);
    listen_for_all(engine);

    run(engine);
    if (mailcore_close(engine) < 0)
        die(1, "the store did not close cleanly");
    free(settings);
    free(o.settings);
    free(o.later);
    free(o.domains.items);
    free(o.accounts.items);
    free(o.aliases.items);
    return 0;
}
