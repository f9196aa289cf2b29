/* How fast libopendkim signs and verifies the messages in a folder (benches/mailauth.py makes them and runs this).
 *
 * usage: opendkim FOLDER; for each *.msg in it, signed by rsa-sha256, one line an operation: who, operation, algorithm,
 * octets, seconds, between tabs. The key record comes from a file, not from DNS; the library is made ready once. What is
 * measured is what the filter does for each message, without its milter protocol.
 *
 * cc -O2 -o opendkim benches/opendkim.c -lopendkim      (Debian: libopendkim-dev) */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <opendkim/dkim.h>

#define ROUND_SECONDS 0.2

static char record[4096];

static char *contents(const char *folder, const char *name, size_t *size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *octets = malloc(*size + 1);
    if (!octets || fread(octets, 1, *size, file) != *size)
        exit(1);
    octets[*size] = 0;
    fclose(file);
    return octets;
}

static DKIM_CBSTAT key_record(DKIM *dkim, DKIM_SIGINFO *info, unsigned char *buffer, size_t size)
{
    (void)dkim;
    (void)info;
    snprintf((char *)buffer, size, "%s", record);
    return DKIM_CBSTAT_CONTINUE;
}

static void must(DKIM_STAT status, const char *what)
{
    if (status != DKIM_STAT_OK) {
        fprintf(stderr, "opendkim: %s: %s\n", what, dkim_getresultstr(status));
        exit(1);
    }
}

/* Feeds a message, field by field as a milter gets it. */
static void feed(DKIM *dkim, const char *message, size_t size)
{
    const char *at = message, *end = message + size;
    while (at[0] != '\r') {
        const char *line = at;
        do
            line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        while (*line == ' ' || *line == '\t');
        must(dkim_header(dkim, (unsigned char *)at, (size_t)(line - at) - 2), "header");
        at = line;
    }
    must(dkim_eoh(dkim), "end of header");
    must(dkim_body(dkim, (unsigned char *)at + 2, (size_t)(end - at) - 2), "body");
    must(dkim_eom(dkim, NULL), "end of message");
}

static void verify(DKIM_LIB *library, const char *message, size_t size)
{
    DKIM_STAT status;
    DKIM *dkim = dkim_verify(library, (unsigned char *)"id", NULL, &status);
    must(status, "verify");
    feed(dkim, message, size);
    dkim_free(dkim);
}

static void sign(DKIM_LIB *library, const char *key, const char *message, size_t size)
{
    DKIM_STAT status;
    unsigned char field[4096];
    DKIM *dkim = dkim_sign(library, (unsigned char *)"id", NULL, (unsigned char *)key, (unsigned char *)"sel",
                           (unsigned char *)"example.org", DKIM_CANON_RELAXED, DKIM_CANON_RELAXED, DKIM_SIGN_RSASHA256, -1,
                           &status);
    must(status, "sign");
    feed(dkim, message, size);
    must(dkim_getsighdr(dkim, field, sizeof field, strlen(DKIM_SIGNHEADER) + 2), "field");
    dkim_free(dkim);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: opendkim FOLDER\n");
        return 2;
    }
    const char *folder = arguments[1];
    size_t size;
    char *text = contents(folder, "rsa-sha256.dns", &size);
    snprintf(record, sizeof record, "%s", text);
    free(text);
    char *key = contents(folder, "rsa-sha256.pem", &size);
    DKIM_LIB *library = dkim_init(NULL, NULL);
    if (!library)
        return 1;
    must(dkim_set_key_lookup(library, key_record), "key lookup");
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        char *end = strrchr(entry->d_name, '.');
        long octets;
        if (!end || strcmp(end, ".msg") != 0 || sscanf(entry->d_name, "rsa-sha256-%ld.msg", &octets) != 1)
            continue;
        size_t signed_size, plain_size;
        char *signed_message = contents(folder, entry->d_name, &signed_size);
        strcpy(end, ".eml");
        char *plain = contents(folder, entry->d_name, &plain_size);
        for (int signs = 0; signs < 2; signs++) {
            double best = 1e9, begin = now();
            while (now() - begin < ROUND_SECONDS) {
                double start = now();
                if (signs)
                    sign(library, key, plain, plain_size);
                else
                    verify(library, signed_message, signed_size);
                double took = now() - start;
                best = took < best ? took : best;
            }
            printf("opendkim\t%s\trsa-sha256\t%ld\t%.9f\n", signs ? "sign" : "verify", octets, best);
        }
        free(signed_message);
        free(plain);
    }
    if (entries)
        closedir(entries);
    free(key);
    dkim_close(library);
    return 0;
}
