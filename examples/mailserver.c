/*
 * A complete small mail server on the C interface of libmailcore.
 *
 *   cc examples/mailserver.c -Iinclude -Ltarget/release -lmailcore -o mailserver
 *   LD_LIBRARY_PATH=target/release ./mailserver --store mail --hostname mx.example.org
 *       --domain example.org --account alice@example.org:secret --mx 127.0.0.1:2525 --imap 127.0.0.1:1143
 *
 * The first line on stdout is a JSON object with the addresses that are listened on. Each line after it is an event;
 * docs/events.md lists them. Warnings and errors go to stderr. SIGTERM and SIGINT let sessions and deliveries end, then
 * the program exits with 0. SIGHUP reads the certificate and its key again. Wrong use exits with 2, any other trouble
 * with 1. --help lists the options.
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
    "\n"
    "These are kept in the store: once given, they hold in later runs without the option too.\n"
    "  --domain DOMAIN              mail for this domain is kept here; login names without @ mean the first one given\n"
    "  --account ADDR:PASSWORD      makes an account, or changes its password. Other users of this machine can see a\n"
    "                               command line: better use one of the next two\n"
    "  --account-file FILE          the same, from a file with a line ADDR:PASSWORD for each; # begins a comment\n"
    "  --account-env NAME           the same, from an environment variable with such lines\n"
    "  --alias ADDR=TARGET          mail for ADDR (or @DOMAIN) goes to TARGET\n"
    "  --dkim DOMAIN:SELECTOR:KEYFILE   mail from DOMAIN is signed with this key\n"
    "\n"
    "These hold for this run only.\n"
    "  --store DIR                  folder of the store, made where missing; or postgres://user@host/db?schema=name\n"
    "  --hostname NAME              the server's name in greetings, Received fields and reports\n"
    "  --mx ADDR:PORT               takes mail from other servers; port 0 takes a free one\n"
    "  --submission ADDR:PORT       takes mail from accounts, STARTTLS\n"
    "  --submissions ADDR:PORT      the same, TLS from the first byte\n"
    "  --lmtp ADDR:PORT             takes mail by LMTP\n"
    "  --imap ADDR:PORT, --imaps ADDR:PORT, --pop3 ADDR:PORT, --pop3s ADDR:PORT   lets accounts read their mail\n"
    "  --managesieve ADDR:PORT      lets accounts manage their Sieve scripts\n"
    "  --tls-cert FILE, --tls-key FILE   certificate chain and key, PEM; without them one is made. SIGHUP reads both\n"
    "                               again\n"
    "  --tls-ca FILE                further authorities trusted for outgoing TLS\n"
    "  --dns ADDR:PORT              DNS server in place of the system's\n"
    "  --remote-port PORT           port for outgoing SMTP in place of 25\n"
    "  --retry SECONDS[,SECONDS]... pauses between attempts to deliver; the last one repeats\n"
    "  --expire SECONDS             when a message that cannot be delivered is returned\n"
    "  --allow-plaintext-login      allows logins without TLS, on loopback listeners only\n"
    "  --smarthost [USER:PASSWORD@]HOST:PORT   all outgoing mail goes through this server\n"
    "  --smarthost-file FILE, --smarthost-env NAME   the same, from a file or an environment variable\n"
    "  --set KEY=VALUE              sets any property of the engine\n"
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
    {"managesieve", MAILCORE_SERVICE_MANAGESIEVE, NULL, "", 0},
};

#define SERVICES (sizeof(services) / sizeof(services[0]))

/* -- what the command line says ---------------------------------------------------------------------------- */

struct list {
    const char **items;
    size_t count;
};

struct options {
    const char *store, *hostname, *tls_cert, *tls_key, *tls_ca;
    struct list domains, accounts, account_files, account_variables, aliases, keys;
    char *settings; /* properties, a line each */
    char *later;    /* those of --set: they win */
};

/* Properties that have an option of their own. */
static const struct {
    const char *option, *key;
} properties[] = {
    {"hostname", "hostname"},
    {"domain", MAILCORE_KEY_LOGIN_DOMAIN},
    {"allow-plaintext-login", MAILCORE_KEY_LOGIN_ALLOW_PLAINTEXT},
    {"dns", MAILCORE_KEY_DNS_SERVER},
    {"remote-port", MAILCORE_KEY_OUTBOUND_PORT},
    {"retry", MAILCORE_KEY_OUTBOUND_RETRY_SECONDS},
    {"expire", MAILCORE_KEY_OUTBOUND_LIFETIME_SECONDS},
    {"smarthost", MAILCORE_KEY_OUTBOUND_SMART_HOST},
};

#define PROPERTIES (sizeof(properties) / sizeof(properties[0]))

static int signal_pipe[2];

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

static void warn(const char *format, ...)
{
    va_list arguments;

    fputs("mailserver: warning: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
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
        die(2, "--set \"%s\": not of the form KEY=VALUE", pair);
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

/* The whole file as text, or NULL with errno set. */
static char *text_of(const char *path)
{
    FILE *in = fopen(path, "rb");
    char *text = NULL;
    size_t length = 0, got;

    if (in == NULL)
        return NULL;
    do {
        text = grown(text, length + 4097);
        got = fread(text + length, 1, 4096, in);
        length += got;
    } while (got > 0);
    text[length] = '\0';
    if (ferror(in)) {
        free(text);
        text = NULL;
    }
    fclose(in);
    return text;
}

static char *file(const char *option, const char *path)
{
    char *text = text_of(path);

    if (text == NULL)
        die(1, "--%s %s: %s", option, path, strerror(errno));
    return text;
}

static char *variable(const char *option, const char *name)
{
    const char *value = getenv(name);
    char *copy;

    if (value == NULL)
        die(2, "--%s %s: there is no such environment variable", option, name);
    copy = grown(NULL, strlen(value) + 1);
    return strcpy(copy, value);
}

/* The smart host from the first line of a secret text, which is freed. */
static void set_smart_host(struct options *o, char *text)
{
    text[strcspn(text, "\r\n")] = '\0';
    set(&o->settings, MAILCORE_KEY_OUTBOUND_SMART_HOST, text);
    memset(text, 0, strlen(text));
    free(text);
}

/* Where the value of an option goes. */
static void take(struct options *o, const char *name, const char *value)
{
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
        {"domain", &o->domains},          {"account", &o->accounts}, {"account-file", &o->account_files},
        {"account-env", &o->account_variables}, {"alias", &o->aliases},    {"dkim", &o->keys}};
    size_t i;

    if (strcmp(name, "allow-plaintext-login") == 0) /* take_switch() takes it without a value */
        die(2, "--%s takes no value", name);
    for (i = 0; i < SERVICES; i++)
        if (strcmp(name, services[i].option) == 0) {
            services[i].where = value;
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
    for (i = 0; i < PROPERTIES; i++)
        if (strcmp(name, properties[i].option) == 0) {
            set(&o->settings, properties[i].key, value);
            return;
        }
    if (strcmp(name, "set") == 0)
        set_pair(&o->later, value);
    else if (strcmp(name, "smarthost-file") == 0)
        set_smart_host(o, file(name, value));
    else if (strcmp(name, "smarthost-env") == 0)
        set_smart_host(o, variable(name, value));
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

/* Ends the program: there is no such option. Names the option that has most of its first letters. */
static void unknown(const char *name)
{
    const char *at, *nearest = NULL;
    size_t length, same, most = 0, nearest_length = 0;

    for (at = strstr(usage, "--"); at != NULL; at = strstr(at + 2, "--")) {
        length = strcspn(at + 2, " ,\n");
        for (same = 0; same < length && name[same] == at[2 + same]; same++)
            ;
        if (same > most || (same == most && same > 0 && length < nearest_length)) {
            most = same;
            nearest = at + 2;
            nearest_length = length;
        }
    }
    if (nearest == NULL)
        die(2, "unknown option --%s (--help lists the options)", name);
    die(2, "unknown option --%s; the nearest is --%.*s (--help lists the options)", name, (int)nearest_length, nearest);
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
        die(2, "--%s \"%s\": not of the form ADDR:PORT, like 127.0.0.1:25 or [::1]:25", service->option, where);
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
            unknown(name);
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

/* Wrong use, or trouble, by what a call returned. */
static int status(int32_t result)
{
    return result == MAILCORE_E_INVALID || result == MAILCORE_E_KEY ? 2 : 1;
}

static void check(int32_t result, const char *what, const mailcore_error *err)
{
    if (result < 0)
        die(status(result), "%s: %s", what, err->message);
}

/* The message without the value at its beginning, which the caller tells. */
static const char *without(const char *value, const char *message)
{
    size_t length = strlen(value);

    if (message[0] == '"' && strncmp(message + 1, value, length) == 0 && strncmp(message + 1 + length, "\": ", 3) == 0)
        return message + length + 4;
    return message;
}

static void check_option(int32_t result, const char *option, const char *value, const mailcore_error *err)
{
    if (result < 0)
        die(status(result), "--%s \"%s\": %s", option, value, without(value, err->message));
}

/* What a PEM file lacks. The message begins with which of the two files is meant. */
static const char *pem_trouble(const struct options *o, const char *message, const char **option, const char **path)
{
    int of_key = strncmp(message, "key: ", 5) == 0;

    *option = of_key ? "tls-key" : "tls-cert";
    *path = of_key ? o->tls_key : o->tls_cert;
    return of_key ? message + 5 : strncmp(message, "certificate: ", 13) == 0 ? message + 13 : message;
}

/* Whether a text of properties has this one. */
static int has(const char *lines, const char *key)
{
    size_t length = strlen(key);

    for (; lines != NULL && *lines != '\0'; lines += strcspn(lines, "\n") + 1)
        if (strncmp(lines, key, length) == 0 && lines[length] == '=')
            return 1;
    return 0;
}

/* Opens the engine; where a property is wrong, its option is told. */
static void open_engine(mailcore_engine *engine, const mailcore_open *how, const struct options *o)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    int32_t result = mailcore_engine_open(how, engine, &err);
    size_t length = strcspn(err.message, " "), i;

    if (result >= 0)
        return;
    for (i = 0; i < PROPERTIES; i++)
        if (status(result) == 2 && strlen(properties[i].key) == length &&
            strncmp(properties[i].key, err.message, length) == 0 &&
            (has(o->settings, properties[i].key) || !has(o->later, properties[i].key)))
            die(2, "--%s%s", properties[i].option, err.message + length);
    if (status(result) == 2)
        die(2, "--%s: %s", strncmp(err.message, "open the store", 14) == 0 ? "store" : "set", err.message);
    die(1, "--store %s: %s", how->folder != NULL ? how->folder : "postgres://", err.message);
}

/* Splits "a:b" at the first separator; the parts are copies. */
static void split(const char *pair, char separator, const char *option, char **first, char **second)
{
    const char *at = strchr(pair, separator);

    if (at == NULL) /* the value may be a password: not told */
        die(2, "--%s: no '%c' in its value (--help shows the form)", option, separator);
    *first = strdup(pair);
    *second = strdup(at + 1);
    if (*first == NULL || *second == NULL)
        die(1, "out of memory");
    (*first)[at - pair] = '\0';
}

static void put_account(mailcore_engine engine, const struct options *o, const char *option, const char *pair)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    const char *domain = o->domains.count > 0 ? o->domains.items[0] : "";
    char *name, *password, *address;
    size_t size;

    split(pair, ':', option, &name, &password);
    if (strchr(name, '@') == NULL && o->domains.count == 0)
        die(2, "--%s \"%s\": no @ in the address, and there is no --domain", option, name);
    size = strlen(name) + 2 + strlen(domain);
    address = grown(NULL, size);
    snprintf(address, size, strchr(name, '@') != NULL ? "%s" : "%s@%s", name, domain);
    check_option(mailcore_account_put(engine, address, password, &err), option, address, &err);
    memset(password, 0, strlen(password));
    free(name);
    free(password);
    free(address);
}

/* Accounts, a line each, from a secret text, which is freed. */
static void put_accounts(mailcore_engine engine, const struct options *o, const char *option, char *text)
{
    size_t length = strlen(text);
    char *line, *rest = NULL;

    for (line = strtok_r(text, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest))
        if (line[0] != '#' && line[strspn(line, " \t")] != '\0')
            put_account(engine, o, option, line);
    memset(text, 0, length);
    free(text);
}

/* DOMAIN:SELECTOR:KEYFILE */
static void put_key(mailcore_engine engine, const char *option)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    char *domain, *rest, *selector, *path, *key;

    split(option, ':', "dkim", &domain, &rest);
    split(rest, ':', "dkim", &selector, &path);
    key = file("dkim", path);
    /* A name that is wrong is told by the message, which begins with it. */
    if (mailcore_dkim_set(engine, domain, selector, key, &err) < 0)
        die(status(err.code), "--dkim %s: %s", err.message[0] == '"' ? option : path, err.message);
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
        check_option(mailcore_domain_put(engine, o->domains.items[i], &err), "domain", o->domains.items[i], &err);
    for (i = 0; i < o->accounts.count; i++)
        put_account(engine, o, "account", o->accounts.items[i]);
    for (i = 0; i < o->account_files.count; i++)
        put_accounts(engine, o, "account-file", file("account-file", o->account_files.items[i]));
    for (i = 0; i < o->account_variables.count; i++)
        put_accounts(engine, o, "account-env", variable("account-env", o->account_variables.items[i]));
    for (i = 0; i < o->keys.count; i++)
        put_key(engine, o->keys.items[i]);
    for (i = 0; i < o->aliases.count; i++) {
        split(o->aliases.items[i], '=', "alias", &first, &second);
        check_option(mailcore_alias_put(engine, first, second, &err), "alias", o->aliases.items[i], &err);
        free(first);
        free(second);
    }
    if (o->tls_cert != NULL) {
        const char *option, *path, *trouble;

        first = file("tls-cert", o->tls_cert);
        second = file("tls-key", o->tls_key);
        if (mailcore_tls_set(engine, NULL, first, second, &err) < 0) {
            trouble = pem_trouble(o, err.message, &option, &path);
            die(1, "--%s %s: %s", option, path, trouble);
        }
        memset(second, 0, strlen(second));
        free(first);
        free(second);
    }
    if (o->tls_ca != NULL) {
        const char *option, *path;

        first = file("tls-ca", o->tls_ca);
        if (mailcore_tls_trust(engine, first, &err) < 0)
            die(1, "--tls-ca %s: %s", o->tls_ca, pem_trouble(o, err.message, &option, &path));
        free(first);
    }
}

/* Reads certificate and key again. Where that fails, those before stay. */
static void reload(mailcore_engine engine, const struct options *o)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    const char *option = "tls-cert", *path = o->tls_cert, *trouble = NULL;
    char *certificate, *key = NULL;

    if (o->tls_cert == NULL) {
        warn("SIGHUP: nothing to reload, there is no --tls-cert");
        return;
    }
    certificate = text_of(o->tls_cert);
    if (certificate != NULL) {
        option = "tls-key";
        path = o->tls_key;
        key = text_of(o->tls_key);
    }
    if (key == NULL)
        trouble = strerror(errno);
    else if (mailcore_tls_set(engine, NULL, certificate, key, &err) < 0)
        trouble = pem_trouble(o, err.message, &option, &path);
    if (trouble != NULL)
        warn("certificate not reloaded, the one before stays: --%s %s: %s", option, path, trouble);
    else
        fputs("mailserver: certificate reloaded\n", stderr);
    if (key != NULL)
        memset(key, 0, strlen(key));
    free(certificate);
    free(key);
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
    check_option(mailcore_listen(engine, &how, &listener, &err), service->option, service->where, &err);
    check_option(mailcore_get_str(listener, "listener.address", &where, &err), service->option, service->where, &err);
    size = before + strlen(service->option) + where.len + 7;
    *ready = grown(*ready, size);
    snprintf(*ready + before, size - before, ",\"%s\":\"%s\"", service->option, (const char *)where.data);
    mailcore_buf_free(&where);
}

/* Opens every listener, then says so: whoever reads a ready line finds all of them. */
static void listen_for_all(mailcore_engine engine)
{
    char *ready = grown(NULL, sizeof("{\"event\":\"ready\""));
    size_t i, listeners = 0;

    strcpy(ready, "{\"event\":\"ready\"");
    for (i = 0; i < SERVICES; i++)
        if (services[i].where != NULL) {
            listen_for(engine, &services[i], &ready);
            listeners++;
        }
    if (listeners == 0)
        warn("no listener: nobody can connect. Give --mx, --submission, --imap or another (--help lists them)");
    printf("%s}\n", ready);
    fflush(stdout);
    free(ready);
}

/* -- running ----------------------------------------------------------------------------------------------- */

static void on_signal(int number)
{
    char octet = number == SIGHUP ? 'h' : 's';
    int saved = errno;

    (void)!write(signal_pipe[1], &octet, 1);
    errno = saved;
}

static void catch_signals(void)
{
    struct sigaction action;

    if (pipe(signal_pipe) != 0)
        die(1, "pipe: %s", strerror(errno));
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
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

/* A warning of the engine's for a person: the text, which comes last in the event's JSON object. */
static void warn_of(const char *detail)
{
    const char *text = strstr(detail, "\"text\":\"");

    if (text != NULL)
        warn("%.*s", (int)strlen(text + 8) - 2, text + 8);
}

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
        if (event.type == MAILCORE_EVENT_WARNING)
            warn_of((const char *)event.detail.data);
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

/* Whether a signal asked for the end; others are obeyed. */
static int is_over(mailcore_engine engine, const struct options *o)
{
    char octet = 's';

    if (read(signal_pipe[0], &octet, 1) == 1 && octet == 'h') {
        reload(engine, o);
        return 0;
    }
    return 1;
}

static void run(mailcore_engine engine, const struct options *o)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    struct pollfd watched[2];
    int state = EMPTY;
    int32_t fd = -1;

    check(mailcore_events_fd(engine, &fd, &err), "events", &err);
    watched[1].fd = signal_pipe[0];
    watched[1].events = POLLIN;
    do {
        watched[0].fd = state == FULL ? STDOUT_FILENO : fd;
        watched[0].events = state == FULL ? POLLOUT : POLLIN;
        watched[0].revents = watched[1].revents = 0;
        if (poll(watched, 2, -1) < 0 && errno != EINTR)
            die(1, "poll: %s", strerror(errno));
        if (watched[1].revents != 0 && is_over(engine, o))
            break;
        state = write_events(engine);
    } while (state != OVER);
    check(mailcore_engine_stop(engine, DRAIN_MS, &err), "stop", &err);
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
    if (strncmp(o.store, "postgres://", 11) == 0 || strncmp(o.store, "postgresql://", 13) == 0) {
        how.store = o.store;
    } else {
        how.folder = o.store;
    }
    how.hostname = o.hostname;
    how.settings = settings;
    open_engine(&engine, &how, &o);
    set_up(engine, &o);
    check(mailcore_engine_start(engine, &err), "start", &err);
    listen_for_all(engine);

    run(engine, &o);
    if (mailcore_close(engine) < 0)
        die(1, "the store did not close cleanly");
    free(settings);
    free(o.settings);
    free(o.later);
    free(o.domains.items);
    free(o.accounts.items);
    free(o.account_files.items);
    free(o.account_variables.items);
    free(o.keys.items);
    free(o.aliases.items);
    return 0;
}
