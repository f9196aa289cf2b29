/* What the C test programs share. */
#ifndef CHECK_H
#define CHECK_H

#include <mailcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
            exit(1); \
        } \
    } while (0)

/* An engine with cheap passwords and no DNS but ours. */
static inline mailcore_engine opened(const char *folder, uint32_t flags)
{
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_open how = MAILCORE_OPEN_INIT;
    mailcore_engine engine = 0;

    how.folder = folder;
    how.flags = flags;
    how.hostname = "mx.example.org";
    how.settings = "login.argon2_kib=8\nlogin.argon2_passes=1\ndns.host_only=1\n";
    if (mailcore_engine_open(&how, &engine, &err) < 0) {
        fprintf(stderr, "%s: %s\n", folder, err.message);
        exit(1);
    }
    return engine;
}

#endif
