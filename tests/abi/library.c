/* The library without an engine: version, texts, buffers. */
#include "check.h"

int main(void)
{
    mailcore_buf buf = {NULL, 0};

    CHECK(mailcore_version() == MAILCORE_VERSION_NUMBER);
    CHECK(strncmp(mailcore_build_info(), "libmailcore ", 12) == 0);
    CHECK(strcmp(mailcore_strerror(MAILCORE_OK), "no error") == 0);
    CHECK(strcmp(mailcore_strerror(MAILCORE_E_TIMEOUT), "timed out") == 0);
    CHECK(strcmp(mailcore_strerror(12345), "unknown error code") == 0);
    mailcore_buf_free(&buf);
    mailcore_buf_free(NULL);
    return 0;
}
