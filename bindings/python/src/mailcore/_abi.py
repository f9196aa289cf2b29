"""The C interface as ctypes sees it. Written by bindings/generate.py from include/abi.json: do not edit."""

# fmt: off
from ctypes import (
    CDLL, POINTER, Structure, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p,
    sizeof,
)
from typing import Any

MAILCORE_VERSION_NUMBER = 1000
MAILCORE_KEY_HOSTNAME = "hostname"
MAILCORE_KEY_ENGINE_THREADS = "engine.threads"
MAILCORE_KEY_STORE_READERS = "store.readers"
MAILCORE_KEY_STORE_RESERVE_OCTETS = "store.reserve_octets"
MAILCORE_KEY_STORE_ACCOUNT_MESSAGES_MAX = "store.account_messages_max"
MAILCORE_KEY_EVENTS_CAPACITY = "events.capacity"
MAILCORE_KEY_LOG_LEVEL = "log.level"
MAILCORE_KEY_TRACE_PEERS = "trace.peers"
MAILCORE_KEY_HOOK_TIMEOUT_MS = "hook.timeout_ms"
MAILCORE_KEY_HOOK_THREADS = "hook.threads"
MAILCORE_KEY_MESSAGE_OCTETS_MAX = "message.octets_max"
MAILCORE_KEY_SMTP_RECIPIENTS_MAX = "smtp.recipients_max"
MAILCORE_KEY_SESSIONS_PER_LISTENER_MAX = "sessions.per_listener_max"
MAILCORE_KEY_SESSIONS_PER_PEER_MAX = "sessions.per_peer_max"
MAILCORE_KEY_SESSIONS_PER_PEER_TOTAL_MAX = "sessions.per_peer_total_max"
MAILCORE_KEY_SMTP_UNKNOWN_RECIPIENTS_PER_PEER_MAX = "smtp.unknown_recipients_per_peer_max"
MAILCORE_KEY_SMTP_UNKNOWN_RECIPIENT_PAUSE_MS = "smtp.unknown_recipient_pause_ms"
MAILCORE_KEY_MEMORY_OCTETS_MAX = "memory.octets_max"
MAILCORE_KEY_SESSIONS_PER_ACCOUNT_MAX = "sessions.per_account_max"
MAILCORE_KEY_LOGIN_ALLOW_PLAINTEXT = "login.allow_plaintext"
MAILCORE_KEY_LOGIN_DOMAIN = "login.domain"
MAILCORE_KEY_SINK = "sink"
MAILCORE_KEY_LOGIN_FAILURE_PAUSE_SECONDS = "login.failure_pause_seconds"
MAILCORE_KEY_LOGIN_FAILURES_PER_PEER_MAX = "login.failures_per_peer_max"
MAILCORE_KEY_LOGIN_FAILURES_PER_NETWORK_MAX = "login.failures_per_network_max"
MAILCORE_KEY_LOGIN_FAILURES_PER_ACCOUNT_MAX = "login.failures_per_account_max"
MAILCORE_KEY_LOGIN_ARGON2_KIB = "login.argon2_kib"
MAILCORE_KEY_LOGIN_ARGON2_PASSES = "login.argon2_passes"
MAILCORE_KEY_LOGIN_SCRAM_ITERATIONS = "login.scram_iterations"
MAILCORE_KEY_SUBMISSION_REPAIR_LINE_ENDS = "submission.repair_line_ends"
MAILCORE_KEY_ADDRESS_SUBADDRESS_SEPARATOR = "address.subaddress_separator"
MAILCORE_KEY_SMTP_WAIT_SECONDS = "smtp.wait_seconds"
MAILCORE_KEY_SMTP_DATA_SECONDS = "smtp.data_seconds"
MAILCORE_KEY_SMTP_DATA_RATE_MIN = "smtp.data_rate_min"
MAILCORE_KEY_POP3_WAIT_SECONDS = "pop3.wait_seconds"
MAILCORE_KEY_IMAP_WAIT_SECONDS = "imap.wait_seconds"
MAILCORE_KEY_IMAP_LOGIN_WAIT_SECONDS = "imap.login_wait_seconds"
MAILCORE_KEY_TLS_HANDSHAKE_SECONDS = "tls.handshake_seconds"
MAILCORE_KEY_TLS_SELF_SIGNED = "tls.self_signed"
MAILCORE_KEY_OUTBOUND_PORT = "outbound.port"
MAILCORE_KEY_OUTBOUND_SMART_HOST = "outbound.smart_host"
MAILCORE_KEY_OUTBOUND_RETRY_SECONDS = "outbound.retry_seconds"
MAILCORE_KEY_OUTBOUND_RETRY_JITTER_PERCENT = "outbound.retry_jitter_percent"
MAILCORE_KEY_OUTBOUND_LIFETIME_SECONDS = "outbound.lifetime_seconds"
MAILCORE_KEY_OUTBOUND_DELAY_REPORT_SECONDS = "outbound.delay_report_seconds"
MAILCORE_KEY_OUTBOUND_DELIVERIES_MAX = "outbound.deliveries_max"
MAILCORE_KEY_OUTBOUND_CONNECTIONS_PER_DESTINATION_MAX = "outbound.connections_per_destination_max"
MAILCORE_KEY_OUTBOUND_KEEP_CONNECTION_SECONDS = "outbound.keep_connection_seconds"
MAILCORE_KEY_OUTBOUND_CONNECT_SECONDS = "outbound.connect_seconds"
MAILCORE_KEY_OUTBOUND_GREETING_SECONDS = "outbound.greeting_seconds"
MAILCORE_KEY_OUTBOUND_REPLY_SECONDS = "outbound.reply_seconds"
MAILCORE_KEY_OUTBOUND_DATA_SECONDS = "outbound.data_seconds"
MAILCORE_KEY_OUTBOUND_IPV6 = "outbound.ipv6"
MAILCORE_KEY_OUTBOUND_TLS = "outbound.tls"
MAILCORE_KEY_DNS_SERVER = "dns.server"
MAILCORE_KEY_DNS_HOST_ONLY = "dns.host_only"
MAILCORE_KEY_DNS_DNSSEC = "dns.dnssec"
MAILCORE_KEY_DNS_TRUST_AD = "dns.trust_ad"
MAILCORE_KEY_OUTBOUND_DANE = "outbound.dane"
MAILCORE_KEY_OUTBOUND_MTA_STS = "outbound.mta_sts"
MAILCORE_KEY_OUTBOUND_MTA_STS_PORT = "outbound.mta_sts_port"
MAILCORE_KEY_OUTBOUND_HISTORY_SECONDS = "outbound.history_seconds"
MAILCORE_KEY_OUTBOUND_TLS_RULES = "outbound.tls_rules"
MAILCORE_KEY_AUTH_RESULTS = "auth.results"
MAILCORE_KEY_AUTH_SERV_ID = "auth.serv_id"
MAILCORE_KEY_AUTH_TRUSTED = "auth.trusted"
MAILCORE_KEY_AUTH_LMTP = "auth.lmtp"
MAILCORE_KEY_AUTH_DNS_SECONDS = "auth.dns_seconds"
MAILCORE_KEY_SPF_CHECK = "spf.check"
MAILCORE_KEY_SPF_REJECT = "spf.reject"
MAILCORE_KEY_DKIM_CHECK = "dkim.check"
MAILCORE_KEY_DKIM_SIGN = "dkim.sign"
MAILCORE_KEY_DMARC_CHECK = "dmarc.check"
MAILCORE_KEY_DMARC_ENFORCE = "dmarc.enforce"
MAILCORE_KEY_DMARC_DEFER_ON_TEMPERROR = "dmarc.defer_on_temperror"
MAILCORE_KEY_DMARC_UNCERTAIN_FROM = "dmarc.uncertain_from"
MAILCORE_KEY_DMARC_REPORT_FROM = "dmarc.report_from"
MAILCORE_KEY_DMARC_REPORT_ADDRESS = "dmarc.report_address"
MAILCORE_KEY_DMARC_KEEP_SECONDS = "dmarc.keep_seconds"
MAILCORE_KEY_ARC_CHECK = "arc.check"
MAILCORE_KEY_ARC_TRUSTED = "arc.trusted"
MAILCORE_KEY_ARC_SEAL = "arc.seal"
MAILCORE_KEY_IPREV_CHECK = "iprev.check"
MAILCORE_KEY_BIMI_CHECK = "bimi.check"
MAILCORE_KEY_SUBMISSION_CHECK_FROM = "submission.check_from"
MAILCORE_KEY_SUBMISSION_HOLD_SECONDS_MAX = "submission.hold_seconds_max"
MAILCORE_KEY_SMTP_NO_SOLICITING = "smtp.no_soliciting"
MAILCORE_KEY_SMTP_VERIFY = "smtp.verify"
MAILCORE_KEY_SUBMISSION_MESSAGES_PER_HOUR_MAX = "submission.messages_per_hour_max"
MAILCORE_KEY_SUBMISSION_MESSAGES_PER_DAY_MAX = "submission.messages_per_day_max"
MAILCORE_KEY_SUBMISSION_RECIPIENTS_PER_DAY_MAX = "submission.recipients_per_day_max"
MAILCORE_KEY_SUBMISSION_TRUSTED = "submission.trusted"
MAILCORE_KEY_XCLIENT_TRUSTED = "xclient.trusted"
MAILCORE_KEY_PROXY_TRUSTED = "proxy.trusted"
MAILCORE_KEY_TLSRPT_REPORT_FROM = "tlsrpt.report_from"
MAILCORE_KEY_TLSRPT_REPORT_ADDRESS = "tlsrpt.report_address"
MAILCORE_KEY_TLSRPT_KEEP_SECONDS = "tlsrpt.keep_seconds"
MAILCORE_KEY_OUTBOUND_REMEMBER_TLS = "outbound.remember_tls"
MAILCORE_KEY_OUTBOUND_REMEMBER_TLS_SECONDS = "outbound.remember_tls_seconds"
MAILCORE_KEY_BOUNCES_READ = "bounces.read"
MAILCORE_KEY_SUPPRESS_FAILED = "suppress.failed"
MAILCORE_KEY_SUPPRESS_SECONDS = "suppress.seconds"
MAILCORE_OK = 0
MAILCORE_E_HANDLE = -1
MAILCORE_E_NULL = -2
MAILCORE_E_UTF8 = -3
MAILCORE_E_VERSION = -4
MAILCORE_E_INVALID = -5
MAILCORE_E_KEY = -6
MAILCORE_E_TYPE = -7
MAILCORE_E_UNSUPPORTED = -8
MAILCORE_E_STATE = -20
MAILCORE_E_NOT_FOUND = -21
MAILCORE_E_EXISTS = -22
MAILCORE_E_BUSY = -23
MAILCORE_E_LIMIT = -24
MAILCORE_E_QUOTA = -25
MAILCORE_E_STORE = -40
MAILCORE_E_STORE_DOWN = -41
MAILCORE_E_DISK_FULL = -42
MAILCORE_E_CORRUPTION = -43
MAILCORE_E_NETWORK = -60
MAILCORE_E_DNS = -61
MAILCORE_E_TLS = -62
MAILCORE_E_PROTOCOL = -63
MAILCORE_E_LOGIN = -80
MAILCORE_E_POLICY = -81
MAILCORE_E_PANIC = -100
MAILCORE_E_NOMEM = -101
MAILCORE_E_FORKED = -102
MAILCORE_E_INTERRUPTED = -103
MAILCORE_E_TIMEOUT = -104
MAILCORE_TYPE_NUMBER = 1
MAILCORE_TYPE_SWITCH = 2
MAILCORE_TYPE_TEXT = 3
MAILCORE_ON_ENGINE = 1
MAILCORE_ON_ACCOUNT = 2
MAILCORE_ON_MAILBOX = 3
MAILCORE_ON_MESSAGE = 4
MAILCORE_ON_LISTENER = 5
MAILCORE_OPEN_CLOCK_BY_HOST = 1
MAILCORE_DIRECTORY_DRY_RUN = 1
MAILCORE_DIRECTORY_WHOLE = 2
MAILCORE_LIST_ACCOUNTS = 1
MAILCORE_LIST_DOMAINS = 2
MAILCORE_LIST_ALIASES = 3
MAILCORE_LIST_QUEUE = 4
MAILCORE_LIST_ATTEMPTS = 5
MAILCORE_LIST_MAILBOXES = 6
MAILCORE_LIST_MESSAGES = 7
MAILCORE_LIST_DMARC_REPORTS = 8
MAILCORE_LIST_DMARC_RECORDS = 9
MAILCORE_LIST_DKIM_KEYS = 10
MAILCORE_LIST_CHECK = 11
MAILCORE_LIST_SESSIONS = 12
MAILCORE_LIST_DESTINATIONS = 13
MAILCORE_LIST_SUPPRESSED = 20
MAILCORE_LIST_TLS_REPORTS = 21
MAILCORE_QUEUE_RETRY = 1
MAILCORE_QUEUE_HOLD = 2
MAILCORE_QUEUE_RELEASE = 3
MAILCORE_QUEUE_BOUNCE = 4
MAILCORE_QUEUE_DROP = 5
MAILCORE_QUEUE_EXPIRE = 6
MAILCORE_QUEUE_REROUTE = 7
MAILCORE_DELIVERY_WAITING = 0
MAILCORE_DELIVERY_DELIVERED = 1
MAILCORE_DELIVERY_DEFERRED = 2
MAILCORE_DELIVERY_FAILED = 3
MAILCORE_DELIVERY_EXPIRED = 4
MAILCORE_MAILBOX_CREATE = 1
MAILCORE_CONTROL_CREATE = 1
MAILCORE_CONTROL_DELETE = 2
MAILCORE_CONTROL_RENAME = 3
MAILCORE_CONTROL_SUBSCRIBE = 4
MAILCORE_CONTROL_UNSUBSCRIBE = 5
MAILCORE_FLAG_SEEN = 1
MAILCORE_FLAG_ANSWERED = 2
MAILCORE_FLAG_FLAGGED = 4
MAILCORE_FLAG_DELETED = 8
MAILCORE_FLAG_DRAFT = 16
MAILCORE_SERVICE_MX = 1
MAILCORE_SERVICE_SUBMISSION = 2
MAILCORE_SERVICE_SUBMISSIONS = 3
MAILCORE_SERVICE_LMTP = 4
MAILCORE_SERVICE_IMAP = 5
MAILCORE_SERVICE_IMAPS = 6
MAILCORE_SERVICE_POP3 = 7
MAILCORE_SERVICE_POP3S = 8
MAILCORE_SERVICE_MANAGESIEVE = 9
MAILCORE_LISTEN_TRACE = 1
MAILCORE_EVENT_STARTED = 1
MAILCORE_EVENT_STOPPED = 2
MAILCORE_EVENT_QUEUED = 3
MAILCORE_EVENT_FILED = 4
MAILCORE_EVENT_DELIVERED = 5
MAILCORE_EVENT_DEFERRED = 6
MAILCORE_EVENT_FAILED = 7
MAILCORE_EVENT_EXPIRED = 8
MAILCORE_EVENT_BOUNCED = 9
MAILCORE_EVENT_LOGIN = 10
MAILCORE_EVENT_STORE = 11
MAILCORE_EVENT_FATAL = 12
MAILCORE_EVENT_OVERFLOW = 13
MAILCORE_EVENT_OTHER = 14
MAILCORE_EVENT_REQUEST = 15
MAILCORE_EVENT_HOOK_FAILED = 16
MAILCORE_EVENT_SESSION_BROKEN = 17
MAILCORE_EVENT_DMARC_REPORT = 18
MAILCORE_EVENT_REFUSED = 19
MAILCORE_EVENT_WARNING = 20
MAILCORE_EVENT_PENALTY = 21
MAILCORE_EVENT_LOG = 22
MAILCORE_EVENT_CONNECTION_BROKEN = 23
MAILCORE_EVENT_DIALOG = 24
MAILCORE_EVENT_TLS_REPORT = 30
MAILCORE_EVENT_REPORTED = 31
MAILCORE_METHOD_SPF = 1
MAILCORE_METHOD_SPF_HELO = 2
MAILCORE_METHOD_DKIM = 3
MAILCORE_METHOD_DMARC = 4
MAILCORE_METHOD_ARC = 5
MAILCORE_METHOD_IPREV = 6
MAILCORE_METHOD_BIMI = 7
MAILCORE_RESULT_NONE = 0
MAILCORE_RESULT_PASS = 1
MAILCORE_RESULT_FAIL = 2
MAILCORE_RESULT_SOFTFAIL = 3
MAILCORE_RESULT_NEUTRAL = 4
MAILCORE_RESULT_TEMPERROR = 5
MAILCORE_RESULT_PERMERROR = 6
MAILCORE_RESULT_FOUND = 7
MAILCORE_RESULT_DECLINED = 8
MAILCORE_RESULT_SKIPPED = 9
MAILCORE_POLICY_NONE = 0
MAILCORE_POLICY_QUARANTINE = 1
MAILCORE_POLICY_REJECT = 2
MAILCORE_TESTING = 1
MAILCORE_ALIGNED_SPF = 2
MAILCORE_ALIGNED_DKIM = 4
MAILCORE_PREFERS_PERSON = 8
MAILCORE_CHECK_SPF = 1
MAILCORE_CHECK_SPF_HELO = 2
MAILCORE_CHECK_DKIM = 4
MAILCORE_CHECK_DMARC = 8
MAILCORE_CHECK_ARC = 16
MAILCORE_CHECK_IPREV = 32
MAILCORE_CHECK_BIMI = 64
MAILCORE_ALGORITHM_RSA_SHA256 = 1
MAILCORE_ALGORITHM_ED25519_SHA256 = 2
MAILCORE_DKIM_PENDING = 0
MAILCORE_DKIM_ACTIVE = 1
MAILCORE_DKIM_PUBLISHED = 2
MAILCORE_DKIM_RETIRED = 3
MAILCORE_HOOK_DATA = 1
MAILCORE_HOOK_RCPT = 2
MAILCORE_HOOK_CONNECT = 4
MAILCORE_HOOK_HELLO = 8
MAILCORE_HOOK_LOGIN = 16
MAILCORE_HOOK_SCRAM = 32
MAILCORE_HOOK_MAIL = 64
MAILCORE_HOOK_RCPT_REFUSED = 128
MAILCORE_DECISION_POLICY = 0
MAILCORE_DECISION_ACCEPT = 1
MAILCORE_DECISION_JUNK = 2
MAILCORE_DECISION_REJECT = 3
MAILCORE_DECISION_DEFER = 4
MAILCORE_DECISION_REDIRECT = 5
MAILCORE_STAGE_CONNECT = 1
MAILCORE_STAGE_HELLO = 2
MAILCORE_STAGE_LOGIN = 3
MAILCORE_STAGE_MAIL = 4
MAILCORE_STAGE_RCPT = 5
MAILCORE_STAGE_DATA = 6
MAILCORE_STAGE_MESSAGE = 7
MAILCORE_STAGE_ACCEPTED = 8
MAILCORE_STAGE_DELIVER = 9
MAILCORE_TROUBLE_DROP = 1

mailcore_handle = c_uint64
mailcore_engine = c_uint64
mailcore_account = c_uint64
mailcore_cursor = c_uint64
mailcore_message = c_uint64
mailcore_mailbox = c_uint64
mailcore_listener = c_uint64
mailcore_resolver = c_uint64
mailcore_sign_hook = c_void_p
mailcore_hook_function = c_void_p


class mailcore_buf(Structure):
    data: Any
    len: Any
    _fields_ = [
        ("data", POINTER(c_uint8)),
        ("len", c_size_t),
    ]


class mailcore_property(Structure):
    struct_size: Any
    on: Any
    type: Any
    writable: Any
    min: Any
    max: Any
    name: Any
    initial: Any
    doc: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("on", c_uint32),
        ("type", c_uint32),
        ("writable", c_uint32),
        ("min", c_int64),
        ("max", c_int64),
        ("name", c_char_p),
        ("initial", c_char_p),
        ("doc", c_char_p),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_error(Structure):
    struct_size: Any
    code: Any
    sys_errno: Any
    smtp_code: Any
    enhanced: Any
    message: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("code", c_int32),
        ("sys_errno", c_int32),
        ("smtp_code", c_int32),
        ("enhanced", c_char * 12),
        ("message", c_char * 480),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_open(Structure):
    struct_size: Any
    flags: Any
    folder: Any
    hostname: Any
    settings: Any
    store: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("folder", c_char_p),
        ("hostname", c_char_p),
        ("settings", c_char_p),
        ("store", c_char_p),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_query(Structure):
    struct_size: Any
    limit: Any
    after: Any
    id: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("limit", c_uint32),
        ("after", c_uint64),
        ("id", c_uint64),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_row(Structure):
    struct_size: Any
    kind: Any
    id: Any
    size: Any
    mod_seq: Any
    time_ms: Any
    due_ms: Any
    flags: Any
    state: Any
    attempts: Any
    code: Any
    total: Any
    unseen: Any
    name: Any
    text: Any
    detail: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_uint32),
        ("id", c_uint64),
        ("size", c_uint64),
        ("mod_seq", c_uint64),
        ("time_ms", c_int64),
        ("due_ms", c_int64),
        ("flags", c_uint32),
        ("state", c_uint32),
        ("attempts", c_uint32),
        ("code", c_uint32),
        ("total", c_uint32),
        ("unseen", c_uint32),
        ("name", c_char_p),
        ("text", c_char_p),
        ("detail", c_char_p),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_envelope(Structure):
    struct_size: Any
    flags: Any
    to: Any
    to_count: Any
    envelope_id: Any
    submit_key: Any
    not_before_ms: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("from", c_char_p),
        ("to", POINTER(c_char_p)),
        ("to_count", c_size_t),
        ("envelope_id", c_char_p),
        ("submit_key", c_char_p),
        ("not_before_ms", c_int64),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_delivery(Structure):
    struct_size: Any
    state: Any
    attempts: Any
    smtp_code: Any
    next_ms: Any
    enhanced: Any
    host: Any
    reply: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("state", c_uint32),
        ("attempts", c_uint32),
        ("smtp_code", c_uint32),
        ("next_ms", c_int64),
        ("enhanced", c_char * 12),
        ("host", c_char * 256),
        ("reply", c_char * 508),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_queue_filter(Structure):
    struct_size: Any
    held: Any
    id: Any
    to: Any
    domain: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("held", c_uint32),
        ("id", c_uint64),
        ("from", c_char_p),
        ("to", c_char_p),
        ("domain", c_char_p),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_listen_options(Structure):
    struct_size: Any
    service: Any
    address: Any
    port: Any
    flags: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("service", c_uint32),
        ("address", c_char_p),
        ("port", c_uint32),
        ("flags", c_uint32),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_event(Structure):
    struct_size: Any
    type: Any
    seq: Any
    time_ms: Any
    subject: Any
    code: Any
    count: Any
    detail: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("type", c_uint32),
        ("seq", c_uint64),
        ("time_ms", c_int64),
        ("subject", c_uint64),
        ("code", c_int32),
        ("count", c_uint32),
        ("detail", mailcore_buf),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_check(Structure):
    struct_size: Any
    method: Any
    result: Any
    policy: Any
    percent: Any
    flags: Any
    domain: Any
    selector: Any
    signature: Any
    explanation: Any
    why: Any
    indicator: Any
    evidence: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("method", c_uint32),
        ("result", c_uint32),
        ("policy", c_uint32),
        ("percent", c_uint32),
        ("flags", c_uint32),
        ("domain", c_char_p),
        ("selector", c_char_p),
        ("signature", c_char_p),
        ("explanation", c_char_p),
        ("why", c_char_p),
        ("indicator", c_char_p),
        ("evidence", c_char_p),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_verdicts(Structure):
    struct_size: Any
    count: Any
    checks: Any
    from_domain: Any
    json: Any
    memory: Any
    results: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("count", c_uint32),
        ("checks", POINTER(POINTER(mailcore_check))),
        ("from_domain", c_char_p),
        ("json", c_char_p),
        ("memory", mailcore_buf),
        ("results", c_char_p),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_resolver_options(Structure):
    struct_size: Any
    timeout_ms: Any
    server: Any
    zone: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("timeout_ms", c_uint32),
        ("server", c_char_p),
        ("zone", c_char_p),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_origin(Structure):
    struct_size: Any
    checks: Any
    ip: Any
    helo: Any
    mail_from: Any
    receiver: Any
    time_ms: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("checks", c_uint32),
        ("ip", c_char_p),
        ("helo", c_char_p),
        ("mail_from", c_char_p),
        ("receiver", c_char_p),
        ("time_ms", c_int64),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_evidence(Structure):
    struct_size: Any
    spf_result: Any
    spf_domain: Any
    from_domain: Any
    dkim_results: Any
    dkim_domains: Any
    dkim_count: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("spf_result", c_uint32),
        ("spf_domain", c_char_p),
        ("from_domain", c_char_p),
        ("dkim_results", POINTER(c_uint32)),
        ("dkim_domains", POINTER(c_char_p)),
        ("dkim_count", c_size_t),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_signer(Structure):
    struct_size: Any
    algorithm: Any
    domain: Any
    selector: Any
    key: Any
    canonicalization: Any
    headers: Any
    identity: Any
    authserv_id: Any
    time_ms: Any
    results: Any
    chain: Any
    reserved: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("algorithm", c_uint32),
        ("domain", c_char_p),
        ("selector", c_char_p),
        ("key", c_char_p),
        ("canonicalization", c_char_p),
        ("headers", c_char_p),
        ("identity", c_char_p),
        ("authserv_id", c_char_p),
        ("time_ms", c_int64),
        ("results", c_char_p),
        ("chain", c_uint32),
        ("reserved", c_uint32),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_question(Structure):
    struct_size: Any
    hook: Any
    engine: Any
    service: Any
    policy: Any
    message: Any
    size: Any
    peer: Any
    helo: Any
    tls: Any
    account: Any
    to: Any
    to_count: Any
    detail: Any
    verdicts: Any
    user: Any
    password: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("hook", c_uint32),
        ("engine", mailcore_engine),
        ("service", c_uint32),
        ("policy", c_uint32),
        ("message", mailcore_message),
        ("size", c_uint64),
        ("peer", c_char_p),
        ("helo", c_char_p),
        ("tls", c_char_p),
        ("account", c_char_p),
        ("from", c_char_p),
        ("to", POINTER(c_char_p)),
        ("to_count", c_size_t),
        ("detail", c_char_p),
        ("verdicts", POINTER(mailcore_verdicts)),
        ("user", c_char_p),
        ("password", c_char_p),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_verdict(Structure):
    struct_size: Any
    action: Any
    smtp_code: Any
    enhanced: Any
    text: Any
    redirect: Any
    secret: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("action", c_uint32),
        ("smtp_code", c_int32),
        ("enhanced", c_char * 12),
        ("text", c_char_p),
        ("redirect", c_char_p),
        ("secret", c_char_p),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_hooks(Structure):
    struct_size: Any
    as_events: Any
    data: Any
    rcpt: Any
    user: Any
    connect: Any
    hello: Any
    login: Any
    scram: Any
    mail: Any
    rcpt_refused: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("as_events", c_uint32),
        ("data", mailcore_hook_function),
        ("rcpt", mailcore_hook_function),
        ("user", c_void_p),
        ("connect", mailcore_hook_function),
        ("hello", mailcore_hook_function),
        ("login", mailcore_hook_function),
        ("scram", mailcore_hook_function),
        ("mail", mailcore_hook_function),
        ("rcpt_refused", mailcore_hook_function),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_trouble(Structure):
    struct_size: Any
    stage: Any
    flags: Any
    smtp_code: Any
    text: Any
    address: Any
    protocol: Any
    wait_ms: Any
    skip: Any
    times: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("stage", c_uint32),
        ("flags", c_uint32),
        ("smtp_code", c_int32),
        ("text", c_char_p),
        ("address", c_char_p),
        ("protocol", c_char_p),
        ("wait_ms", c_uint64),
        ("skip", c_uint32),
        ("times", c_uint32),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


class mailcore_stats(Structure):
    struct_size: Any
    reserved: Any
    uptime_ms: Any
    smtp_sessions: Any
    lmtp_sessions: Any
    imap_sessions: Any
    pop3_sessions: Any
    smtp_open: Any
    lmtp_open: Any
    imap_open: Any
    pop3_open: Any
    logins: Any
    logins_failed: Any
    refused: Any
    connections_broken: Any
    queued: Any
    filed: Any
    filed_octets: Any
    delivered: Any
    deferred: Any
    failed: Any
    expired: Any
    bounced: Any
    events_dropped: Any
    events_waiting: Any
    accounts: Any
    queue_messages: Any
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("uptime_ms", c_uint64),
        ("smtp_sessions", c_uint64),
        ("lmtp_sessions", c_uint64),
        ("imap_sessions", c_uint64),
        ("pop3_sessions", c_uint64),
        ("smtp_open", c_uint64),
        ("lmtp_open", c_uint64),
        ("imap_open", c_uint64),
        ("pop3_open", c_uint64),
        ("logins", c_uint64),
        ("logins_failed", c_uint64),
        ("refused", c_uint64),
        ("connections_broken", c_uint64),
        ("queued", c_uint64),
        ("filed", c_uint64),
        ("filed_octets", c_uint64),
        ("delivered", c_uint64),
        ("deferred", c_uint64),
        ("failed", c_uint64),
        ("expired", c_uint64),
        ("bounced", c_uint64),
        ("events_dropped", c_uint64),
        ("events_waiting", c_uint64),
        ("accounts", c_uint64),
        ("queue_messages", c_uint64),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=sizeof(type(self)), **fields)


def declare(library: CDLL) -> None:
    """Tells ctypes the type of every function. Raises AttributeError where the library lacks one."""
    library.mailcore_buf_free.argtypes = [POINTER(mailcore_buf)]
    library.mailcore_buf_free.restype = None
    library.mailcore_version.argtypes = []
    library.mailcore_version.restype = c_uint32
    library.mailcore_build_info.argtypes = []
    library.mailcore_build_info.restype = c_char_p
    library.mailcore_strerror.argtypes = [c_int32]
    library.mailcore_strerror.restype = c_char_p
    library.mailcore_property_info.argtypes = [c_uint32, POINTER(mailcore_property)]
    library.mailcore_property_info.restype = c_int32
    library.mailcore_get_i64.argtypes = [mailcore_handle, c_char_p, POINTER(c_int64), POINTER(mailcore_error)]
    library.mailcore_get_i64.restype = c_int32
    library.mailcore_get_str.argtypes = [mailcore_handle, c_char_p, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_get_str.restype = c_int32
    library.mailcore_set_i64.argtypes = [mailcore_handle, c_char_p, c_int64, POINTER(mailcore_error)]
    library.mailcore_set_i64.restype = c_int32
    library.mailcore_set_str.argtypes = [mailcore_handle, c_char_p, c_char_p, POINTER(mailcore_error)]
    library.mailcore_set_str.restype = c_int32
    library.mailcore_engine_open.argtypes = [POINTER(mailcore_open), POINTER(mailcore_engine), POINTER(mailcore_error)]
    library.mailcore_engine_open.restype = c_int32
    library.mailcore_engine_start.argtypes = [mailcore_engine, POINTER(mailcore_error)]
    library.mailcore_engine_start.restype = c_int32
    library.mailcore_engine_stop.argtypes = [mailcore_engine, c_int32, POINTER(mailcore_error)]
    library.mailcore_engine_stop.restype = c_int32
    library.mailcore_account_put.argtypes = [mailcore_engine, c_char_p, c_char_p, POINTER(mailcore_error)]
    library.mailcore_account_put.restype = c_int32
    library.mailcore_account_open.argtypes = [mailcore_engine, c_char_p, POINTER(mailcore_account), POINTER(mailcore_error)]
    library.mailcore_account_open.restype = c_int32
    library.mailcore_account_delete.argtypes = [mailcore_engine, c_char_p, POINTER(mailcore_error)]
    library.mailcore_account_delete.restype = c_int32
    library.mailcore_account_check.argtypes = [mailcore_engine, c_char_p, c_char_p, POINTER(mailcore_error)]
    library.mailcore_account_check.restype = c_int32
    library.mailcore_alias_put.argtypes = [mailcore_engine, c_char_p, c_char_p, POINTER(mailcore_error)]
    library.mailcore_alias_put.restype = c_int32
    library.mailcore_domain_put.argtypes = [mailcore_engine, c_char_p, POINTER(mailcore_error)]
    library.mailcore_domain_put.restype = c_int32
    library.mailcore_domain_delete.argtypes = [mailcore_engine, c_char_p, POINTER(mailcore_error)]
    library.mailcore_domain_delete.restype = c_int32
    library.mailcore_directory_export.argtypes = [mailcore_engine, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_directory_export.restype = c_int32
    library.mailcore_directory_apply.argtypes = [mailcore_engine, c_char_p, c_uint32, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_directory_apply.restype = c_int32
    library.mailcore_list.argtypes = [mailcore_handle, c_uint32, POINTER(mailcore_query), POINTER(mailcore_cursor), POINTER(mailcore_error)]
    library.mailcore_list.restype = c_int32
    library.mailcore_backup.argtypes = [mailcore_engine, c_char_p, POINTER(mailcore_cursor), POINTER(mailcore_error)]
    library.mailcore_backup.restype = c_int32
    library.mailcore_next.argtypes = [mailcore_cursor, POINTER(mailcore_row), POINTER(mailcore_error)]
    library.mailcore_next.restype = c_int32
    library.mailcore_message_new.argtypes = [mailcore_engine, POINTER(mailcore_message), POINTER(mailcore_error)]
    library.mailcore_message_new.restype = c_int32
    library.mailcore_message_write.argtypes = [mailcore_message, c_void_p, c_size_t, POINTER(mailcore_error)]
    library.mailcore_message_write.restype = c_int32
    library.mailcore_message_open.argtypes = [mailcore_handle, c_uint64, POINTER(mailcore_message), POINTER(mailcore_error)]
    library.mailcore_message_open.restype = c_int32
    library.mailcore_message_read.argtypes = [mailcore_message, c_uint64, c_void_p, c_size_t, POINTER(c_size_t), POINTER(mailcore_error)]
    library.mailcore_message_read.restype = c_int32
    library.mailcore_message_header.argtypes = [mailcore_message, c_char_p, c_uint32, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_message_header.restype = c_int32
    library.mailcore_submit.argtypes = [mailcore_message, POINTER(mailcore_envelope), POINTER(c_uint64), POINTER(mailcore_error)]
    library.mailcore_submit.restype = c_int32
    library.mailcore_send.argtypes = [mailcore_engine, c_char_p, c_char_p, c_void_p, c_size_t, POINTER(c_uint64), POINTER(mailcore_error)]
    library.mailcore_send.restype = c_int32
    library.mailcore_queue_control.argtypes = [mailcore_engine, c_uint64, c_uint32, POINTER(mailcore_error)]
    library.mailcore_queue_control.restype = c_int32
    library.mailcore_queue_wait.argtypes = [mailcore_engine, c_uint64, c_int32, POINTER(mailcore_delivery), POINTER(mailcore_error)]
    library.mailcore_queue_wait.restype = c_int32
    library.mailcore_queue_explain.argtypes = [mailcore_engine, c_uint64, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_queue_explain.restype = c_int32
    library.mailcore_queue_select.argtypes = [mailcore_engine, POINTER(mailcore_queue_filter), c_uint32, c_int64, POINTER(c_uint64), POINTER(mailcore_error)]
    library.mailcore_queue_select.restype = c_int32
    library.mailcore_destination_pause.argtypes = [mailcore_engine, c_char_p, c_char_p, POINTER(mailcore_error)]
    library.mailcore_destination_pause.restype = c_int32
    library.mailcore_destination_resume.argtypes = [mailcore_engine, c_char_p, POINTER(mailcore_error)]
    library.mailcore_destination_resume.restype = c_int32
    library.mailcore_sts_policy.argtypes = [mailcore_engine, c_char_p, c_char_p, c_uint32, POINTER(mailcore_buf), POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_sts_policy.restype = c_int32
    library.mailcore_suppress.argtypes = [mailcore_handle, c_char_p, c_char_p, c_char_p, c_int64, POINTER(mailcore_error)]
    library.mailcore_suppress.restype = c_int32
    library.mailcore_unsuppress.argtypes = [mailcore_handle, c_char_p, POINTER(mailcore_error)]
    library.mailcore_unsuppress.restype = c_int32
    library.mailcore_dns_advice.argtypes = [mailcore_engine, c_char_p, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_dns_advice.restype = c_int32
    library.mailcore_mailbox_open.argtypes = [mailcore_account, c_char_p, c_uint32, POINTER(mailcore_mailbox), POINTER(mailcore_error)]
    library.mailcore_mailbox_open.restype = c_int32
    library.mailcore_mailbox_control.argtypes = [mailcore_account, c_uint32, c_char_p, c_char_p, POINTER(mailcore_error)]
    library.mailcore_mailbox_control.restype = c_int32
    library.mailcore_mailbox_append.argtypes = [mailcore_mailbox, mailcore_message, c_uint32, c_int64, POINTER(c_uint64), POINTER(mailcore_error)]
    library.mailcore_mailbox_append.restype = c_int32
    library.mailcore_mailbox_flag.argtypes = [mailcore_mailbox, POINTER(c_uint64), c_size_t, c_uint32, c_uint32, POINTER(mailcore_error)]
    library.mailcore_mailbox_flag.restype = c_int32
    library.mailcore_mailbox_copy.argtypes = [mailcore_mailbox, POINTER(c_uint64), c_size_t, mailcore_mailbox, c_uint32, POINTER(mailcore_error)]
    library.mailcore_mailbox_copy.restype = c_int32
    library.mailcore_mailbox_expunge.argtypes = [mailcore_mailbox, POINTER(c_uint64), c_size_t, POINTER(mailcore_error)]
    library.mailcore_mailbox_expunge.restype = c_int32
    library.mailcore_listen.argtypes = [mailcore_engine, POINTER(mailcore_listen_options), POINTER(mailcore_listener), POINTER(mailcore_error)]
    library.mailcore_listen.restype = c_int32
    library.mailcore_serve_fd.argtypes = [mailcore_engine, c_uint32, c_int32, c_uint32, POINTER(mailcore_error)]
    library.mailcore_serve_fd.restype = c_int32
    library.mailcore_events_fd.argtypes = [mailcore_engine, POINTER(c_int32), POINTER(mailcore_error)]
    library.mailcore_events_fd.restype = c_int32
    library.mailcore_events_next.argtypes = [mailcore_engine, c_int32, POINTER(mailcore_event), POINTER(mailcore_error)]
    library.mailcore_events_next.restype = c_int32
    library.mailcore_requests_next.argtypes = [mailcore_engine, c_int32, POINTER(mailcore_event), POINTER(mailcore_error)]
    library.mailcore_requests_next.restype = c_int32
    library.mailcore_event_clear.argtypes = [POINTER(mailcore_event)]
    library.mailcore_event_clear.restype = None
    library.mailcore_tls_set.argtypes = [mailcore_engine, c_char_p, c_char_p, c_char_p, POINTER(mailcore_error)]
    library.mailcore_tls_set.restype = c_int32
    library.mailcore_tls_trust.argtypes = [mailcore_engine, c_char_p, POINTER(mailcore_error)]
    library.mailcore_tls_trust.restype = c_int32
    library.mailcore_dns_set.argtypes = [mailcore_engine, c_char_p, c_char_p, c_char_p, c_uint32, POINTER(mailcore_error)]
    library.mailcore_dns_set.restype = c_int32
    library.mailcore_clock_set.argtypes = [mailcore_engine, c_int64, POINTER(mailcore_error)]
    library.mailcore_clock_set.restype = c_int32
    library.mailcore_clock_advance.argtypes = [mailcore_engine, c_int64, POINTER(mailcore_error)]
    library.mailcore_clock_advance.restype = c_int32
    library.mailcore_verdicts_clear.argtypes = [POINTER(mailcore_verdicts)]
    library.mailcore_verdicts_clear.restype = None
    library.mailcore_resolver_open.argtypes = [POINTER(mailcore_resolver_options), POINTER(mailcore_resolver), POINTER(mailcore_error)]
    library.mailcore_resolver_open.restype = c_int32
    library.mailcore_verify.argtypes = [mailcore_resolver, POINTER(mailcore_origin), c_void_p, c_size_t, POINTER(mailcore_verdicts), POINTER(mailcore_error)]
    library.mailcore_verify.restype = c_int32
    library.mailcore_dmarc_evaluate.argtypes = [mailcore_resolver, POINTER(mailcore_evidence), POINTER(mailcore_verdicts), POINTER(mailcore_error)]
    library.mailcore_dmarc_evaluate.restype = c_int32
    library.mailcore_dkim_sign.argtypes = [POINTER(mailcore_signer), c_void_p, c_size_t, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_dkim_sign.restype = c_int32
    library.mailcore_arc_seal.argtypes = [mailcore_resolver, POINTER(mailcore_signer), c_void_p, c_size_t, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_arc_seal.restype = c_int32
    library.mailcore_dkim_set.argtypes = [mailcore_engine, c_char_p, c_char_p, c_char_p, POINTER(mailcore_error)]
    library.mailcore_dkim_set.restype = c_int32
    library.mailcore_dkim_generate.argtypes = [mailcore_engine, c_char_p, c_char_p, c_uint32, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_dkim_generate.restype = c_int32
    library.mailcore_dkim_set_hook.argtypes = [mailcore_engine, c_char_p, c_char_p, c_uint32, mailcore_sign_hook, c_void_p, POINTER(mailcore_error)]
    library.mailcore_dkim_set_hook.restype = c_int32
    library.mailcore_sieve_set.argtypes = [mailcore_engine, c_char_p, c_char_p, c_void_p, c_size_t, POINTER(mailcore_error)]
    library.mailcore_sieve_set.restype = c_int32
    library.mailcore_sieve_get.argtypes = [mailcore_engine, c_char_p, c_char_p, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_sieve_get.restype = c_int32
    library.mailcore_sieve_activate.argtypes = [mailcore_engine, c_char_p, c_char_p, POINTER(mailcore_error)]
    library.mailcore_sieve_activate.restype = c_int32
    library.mailcore_sieve_test.argtypes = [mailcore_engine, c_char_p, c_void_p, c_size_t, c_void_p, c_size_t, c_char_p, c_char_p, POINTER(mailcore_buf), POINTER(mailcore_error)]
    library.mailcore_sieve_test.restype = c_int32
    library.mailcore_engine_set_hooks.argtypes = [mailcore_engine, POINTER(mailcore_hooks), POINTER(mailcore_error)]
    library.mailcore_engine_set_hooks.restype = c_int32
    library.mailcore_reply.argtypes = [mailcore_engine, c_uint64, POINTER(mailcore_verdict), POINTER(mailcore_error)]
    library.mailcore_reply.restype = c_int32
    library.mailcore_request_open.argtypes = [mailcore_engine, c_uint64, POINTER(mailcore_message), POINTER(mailcore_error)]
    library.mailcore_request_open.restype = c_int32
    library.mailcore_trouble_add.argtypes = [mailcore_engine, POINTER(mailcore_trouble), POINTER(mailcore_error)]
    library.mailcore_trouble_add.restype = c_int32
    library.mailcore_engine_stats.argtypes = [mailcore_engine, POINTER(mailcore_stats), POINTER(mailcore_error)]
    library.mailcore_engine_stats.restype = c_int32
    library.mailcore_session_end.argtypes = [mailcore_engine, c_uint64, POINTER(mailcore_error)]
    library.mailcore_session_end.restype = c_int32
    library.mailcore_interrupt.argtypes = [mailcore_handle]
    library.mailcore_interrupt.restype = c_int32
    library.mailcore_close.argtypes = [mailcore_handle]
    library.mailcore_close.restype = c_int32
