/* Checks without an engine: a message, a zone and a time. */
#include "check.h"

/* What is signed verifies; what is sealed as well. */
static void sign_and_verify(void)
{
    static const char letter[] = "From: a@example.org\nSubject: x\n\nHello\n";
    static char whole[8192];
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_resolver_options options = MAILCORE_RESOLVER_OPTIONS_INIT;
    mailcore_signer signer = MAILCORE_SIGNER_INIT;
    mailcore_verdicts verdicts = MAILCORE_VERDICTS_INIT;
    mailcore_buf field = {NULL, 0}, set = {NULL, 0};
    mailcore_resolver resolver = 0;

    options.zone = "s1._domainkey.example.org TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    CHECK(mailcore_resolver_open(&options, &resolver, &err) == 0);
    signer.domain = "example.org";
    signer.selector = "s1";
    signer.key = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    signer.algorithm = MAILCORE_ALGORITHM_RSA_SHA256;
    CHECK(mailcore_dkim_sign(&signer, letter, sizeof letter - 1, &field, &err) == MAILCORE_E_INVALID);
    signer.algorithm = MAILCORE_ALGORITHM_ED25519_SHA256;
    signer.canonicalization = "simple/relaxed";
    CHECK(mailcore_dkim_sign(&signer, letter, sizeof letter - 1, &field, &err) == 0);
    CHECK(strncmp((char *)field.data, "DKIM-Signature: v=1; a=ed25519-sha256; c=simple/relaxed;", 55) == 0);
    CHECK(strchr((char *)field.data, '\r') == NULL);
    sprintf(whole, "%s%s", (char *)field.data, letter);
    CHECK(mailcore_arc_seal(resolver, &signer, whole, strlen(whole), &set, &err) == 1);
    sprintf(whole, "%s%s%s", (char *)set.data, (char *)field.data, letter);
    CHECK(mailcore_verify(resolver, NULL, whole, strlen(whole), &verdicts, &err) == 0 && verdicts.count == 2);
    CHECK(verdicts.checks[0]->method == MAILCORE_METHOD_DKIM && verdicts.checks[0]->result == MAILCORE_RESULT_PASS);
    CHECK(verdicts.checks[1]->method == MAILCORE_METHOD_ARC && verdicts.checks[1]->result == MAILCORE_RESULT_PASS);
    CHECK(strcmp(verdicts.checks[1]->domain, "example.org") == 0);
    mailcore_verdicts_clear(&verdicts);
    mailcore_buf_free(&field);
    mailcore_buf_free(&set);
    CHECK(mailcore_close(resolver) == 0);
}

/* A list checks a message before it changes it, and seals what it found then. */
static void seal_what_was_found(void)
{
    static const char letter[] = "From: a@example.org\r\n\r\nHello\r\n";
    static char whole[8192];
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_resolver_options options = MAILCORE_RESOLVER_OPTIONS_INIT;
    mailcore_origin origin = MAILCORE_ORIGIN_INIT;
    mailcore_signer signer = MAILCORE_SIGNER_INIT;
    mailcore_verdicts verdicts = MAILCORE_VERDICTS_INIT;
    mailcore_buf set = {NULL, 0};
    mailcore_resolver resolver = 0;

    options.zone = "s1._domainkey.example.org TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    CHECK(mailcore_resolver_open(&options, &resolver, &err) == 0);
    signer.domain = "example.org";
    signer.selector = "s1";
    signer.key = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    CHECK(mailcore_arc_seal(resolver, &signer, letter, sizeof letter - 1, &set, &err) == 1);
    sprintf(whole, "%s%s", (char *)set.data, letter);
    mailcore_buf_free(&set);
    origin.receiver = "mx.example.net";
    origin.checks = MAILCORE_CHECK_ARC;
    CHECK(mailcore_verify(resolver, &origin, whole, strlen(whole), &verdicts, &err) == 0);
    CHECK(strncmp(verdicts.results, "mx.example.net;", 15) == 0 && strstr(verdicts.results, "arc=pass") != NULL);
    /* Nobody said who the client was. */
    CHECK(strstr(verdicts.results, "remote-ip") == NULL);
    signer.results = verdicts.results;
    signer.chain = verdicts.checks[0]->result;
    strcat(whole, "-- the list\r\n");
    CHECK(mailcore_arc_seal(resolver, &signer, whole, strlen(whole), &set, &err) == 1);
    CHECK(strstr((char *)set.data, "ARC-Seal: i=2; a=ed25519-sha256; cv=pass;") != NULL);
    CHECK(strstr((char *)set.data, "ARC-Authentication-Results: i=2; mx.example.net;\r\n\tarc=pass") != NULL);
    mailcore_buf_free(&set);
    signer.chain = 0;
    CHECK(mailcore_arc_seal(resolver, &signer, whole, strlen(whole), &set, &err) == 1);
    CHECK(strstr((char *)set.data, "cv=fail") != NULL);
    mailcore_buf_free(&set);
    signer.chain = MAILCORE_RESULT_NEUTRAL;
    CHECK(mailcore_arc_seal(resolver, &signer, whole, strlen(whole), &set, &err) == MAILCORE_E_INVALID);
    signer.chain = 0;
    signer.results = "; spf=pass";
    CHECK(mailcore_arc_seal(resolver, &signer, whole, strlen(whole), &set, &err) == MAILCORE_E_INVALID);
    signer.results = NULL;
    signer.reserved = 1;
    CHECK(mailcore_arc_seal(resolver, &signer, whole, strlen(whole), &set, &err) == MAILCORE_E_VERSION);
    /* A caller of a header that knew none of it. */
    signer.struct_size = offsetof(mailcore_signer, results);
    CHECK(mailcore_arc_seal(resolver, &signer, whole, strlen(whole), &set, &err) == 1);
    CHECK(strstr((char *)set.data, "cv=fail") != NULL);
    mailcore_buf_free(&set);
    mailcore_verdicts_clear(&verdicts);
    verdicts.struct_size = offsetof(mailcore_verdicts, results);
    verdicts.results = "untouched";
    CHECK(mailcore_verify(resolver, &origin, whole, strlen(whole), &verdicts, &err) == 0 && verdicts.count == 1);
    CHECK(verdicts.memory.data != NULL && strcmp(verdicts.results, "untouched") == 0);
    mailcore_verdicts_clear(&verdicts);
    CHECK(mailcore_close(resolver) == 0);
}

/* Which picture the author's domain wants shown: only when asked for, and only where DMARC passes. */
static void indicator(void)
{
    static const char letter[] = "From: a@example.org\n\nHello\n";
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_resolver_options options = MAILCORE_RESOLVER_OPTIONS_INIT;
    mailcore_origin origin = MAILCORE_ORIGIN_INIT;
    mailcore_verdicts verdicts = MAILCORE_VERDICTS_INIT;
    mailcore_resolver resolver = 0;
    const mailcore_check *check;

    options.zone = "example.org TXT v=spf1 ip4:192.0.2.1 -all\n"
                   "_dmarc.example.org TXT v=DMARC1; p=reject\n"
                   "default._bimi.example.org TXT v=BIMI1; l=https://example.org/i.svg; a=https://example.org/e.pem;"
                   " avp=personal\n";
    CHECK(mailcore_resolver_open(&options, &resolver, &err) == 0);
    origin.ip = "192.0.2.1";
    origin.mail_from = "a@example.org";
    CHECK(mailcore_verify(resolver, &origin, letter, sizeof letter - 1, &verdicts, &err) == 0);
    CHECK(strstr(verdicts.json, "bimi") == NULL);
    origin.checks = MAILCORE_CHECK_BIMI;
    CHECK(mailcore_verify(resolver, &origin, letter, sizeof letter - 1, &verdicts, &err) == 0 && verdicts.count == 1);
    check = verdicts.checks[0];
    CHECK(check->method == MAILCORE_METHOD_BIMI && check->result == MAILCORE_RESULT_FOUND);
    CHECK(strcmp(check->domain, "example.org") == 0 && strcmp(check->selector, "default") == 0);
    CHECK(strcmp(check->indicator, "https://example.org/i.svg") == 0 && check->flags == MAILCORE_PREFERS_PERSON);
    CHECK(strcmp(check->evidence, "https://example.org/e.pem") == 0 && strcmp(check->why, "") == 0);
    CHECK(strstr(verdicts.json, "\"prefers_person\":true") != NULL);
    origin.checks = MAILCORE_CHECK_BIMI | MAILCORE_CHECK_DMARC;
    origin.ip = "192.0.2.2";
    CHECK(mailcore_verify(resolver, &origin, letter, sizeof letter - 1, &verdicts, &err) == 0 && verdicts.count == 2);
    CHECK(verdicts.checks[0]->method == MAILCORE_METHOD_DMARC && strcmp(verdicts.checks[0]->indicator, "") == 0);
    check = verdicts.checks[1];
    CHECK(check->result == MAILCORE_RESULT_SKIPPED && strcmp(check->why, "dmarc fail") == 0);
    origin.checks = 128;
    CHECK(mailcore_verify(resolver, &origin, letter, sizeof letter - 1, &verdicts, &err) == MAILCORE_E_INVALID);
    mailcore_verdicts_clear(&verdicts);
    CHECK(mailcore_close(resolver) == 0);
}

static const char message[] =
    "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=gone; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;"
    " b=AAAA\nFrom: a@example.org\n\nHello\n";

int main(void)
{
    static const uint32_t results[] = {MAILCORE_RESULT_PASS};
    static const char *const domains[] = {"mail.example.org"};
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_resolver_options options = MAILCORE_RESOLVER_OPTIONS_INIT;
    mailcore_origin origin = MAILCORE_ORIGIN_INIT;
    mailcore_evidence evidence = MAILCORE_EVIDENCE_INIT;
    mailcore_verdicts verdicts = MAILCORE_VERDICTS_INIT;
    mailcore_resolver resolver = 0;
    const mailcore_check *check;

    options.zone = "# a zone\n"
                   "example.org TXT v=spf1 ip4:192.0.2.0/24 -all\n"
                   "_dmarc.example.org TXT v=DMARC1; p=quarantine\n";
    CHECK(mailcore_resolver_open(&options, &resolver, &err) == 0);
    origin.ip = "198.51.100.1";
    origin.helo = "example.org";
    origin.mail_from = "<a@example.org>";
    origin.time_ms = 1700000000000;
    CHECK(mailcore_verify(resolver, &origin, message, sizeof message - 1, &verdicts, &err) == 0);
    CHECK(verdicts.count == 6 && strcmp(verdicts.from_domain, "example.org") == 0);
    check = verdicts.checks[0];
    CHECK(check->method == MAILCORE_METHOD_SPF_HELO && check->result == MAILCORE_RESULT_FAIL);
    check = verdicts.checks[1];
    CHECK(check->method == MAILCORE_METHOD_SPF && strcmp(check->domain, "example.org") == 0);
    CHECK(strcmp(check->explanation, "") == 0 && strcmp(check->why, "-all of example.org matched") == 0);
    check = verdicts.checks[2];
    CHECK(check->method == MAILCORE_METHOD_DKIM && check->result == MAILCORE_RESULT_PERMERROR);
    CHECK(strcmp(check->selector, "gone") == 0 && check->struct_size == sizeof *check);
    check = verdicts.checks[3];
    CHECK(check->method == MAILCORE_METHOD_DMARC && check->result == MAILCORE_RESULT_FAIL);
    CHECK(check->policy == MAILCORE_POLICY_QUARANTINE && check->percent == 100);
    CHECK(strstr(verdicts.json, "\"policy\":\"quarantine\"") != NULL);

    /* The same struct again: what it held is freed. One check of all. */
    origin.checks = MAILCORE_CHECK_SPF;
    origin.ip = "192.0.2.7";
    CHECK(mailcore_verify(resolver, &origin, NULL, 0, &verdicts, &err) == 0);
    CHECK(verdicts.count == 1 && verdicts.checks[0]->result == MAILCORE_RESULT_PASS);
    origin.ip = NULL;
    CHECK(mailcore_verify(resolver, &origin, NULL, 0, &verdicts, &err) == MAILCORE_E_INVALID);
    CHECK(mailcore_verify(resolver, NULL, "A: b\n\nc", 7, &verdicts, &err) == 0 && verdicts.count == 1);
    CHECK(verdicts.checks[0]->method == MAILCORE_METHOD_ARC && verdicts.checks[0]->result == MAILCORE_RESULT_NONE);

    evidence.from_domain = "Example.ORG.";
    evidence.spf_result = MAILCORE_RESULT_FAIL;
    CHECK(mailcore_dmarc_evaluate(resolver, &evidence, &verdicts, &err) == 0);
    CHECK(verdicts.count == 1 && verdicts.checks[0]->policy == MAILCORE_POLICY_QUARANTINE);
    evidence.dkim_results = results;
    evidence.dkim_domains = domains;
    evidence.dkim_count = 1;
    CHECK(mailcore_dmarc_evaluate(resolver, &evidence, &verdicts, &err) == 0);
    CHECK(verdicts.checks[0]->result == MAILCORE_RESULT_PASS && verdicts.checks[0]->flags == MAILCORE_ALIGNED_DKIM);
    evidence.spf_result = 99;
    CHECK(mailcore_dmarc_evaluate(resolver, &evidence, &verdicts, &err) == MAILCORE_E_INVALID);

    mailcore_verdicts_clear(&verdicts);
    CHECK(verdicts.count == 0 && verdicts.memory.data == NULL && verdicts.struct_size == sizeof verdicts);
    mailcore_verdicts_clear(&verdicts);
    CHECK(mailcore_close(resolver) == 0 && mailcore_close(resolver) == MAILCORE_E_HANDLE);
    options.zone = "example.org NS ns.example.org\n";
    CHECK(mailcore_resolver_open(&options, &resolver, &err) == MAILCORE_E_INVALID && resolver == 0);
    sign_and_verify();
    seal_what_was_found();
    indicator();
    return 0;
}
