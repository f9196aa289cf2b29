//! Where mail-auth 0.13.3 and `mailauth` are known to differ, and what the standards say about it. Whatever is not here
//! must not differ. A known case is not generated, or left out where chance makes it; how often is told at the end.

/// A known difference.
pub struct Known {
    /// `dmarc`, `spf`, `dkim` or `arc`.
    pub room: &'static str,
    /// Which case, in few words; by these it is left out and counted.
    pub what: &'static str,
    /// What either does, and what the standard says.
    pub why: &'static str,
}

const fn known(room: &'static str, what: &'static str, why: &'static str) -> Known {
    Known { room, what, why }
}

pub const WHITE_LAST_LINES: &str = "relaxed body ends in lines of white space";
pub const WHITE_FIRST_LINE: &str = "header begins with white space";
pub const WHITE_BEFORE_COLON: &str = "white space before a colon";
pub const NO_FIELD: &str = "line without a name among the fields";
pub const BEHIND_PADDING: &str = "base64 goes on behind its padding";
pub const NO_MESSAGE_SIGNATURE: &str = "chain without any ARC-Message-Signature";
pub const EXACT: &str = "the very domain in From beside a record that cannot be asked for";
pub const VOID_LOOKUPS: &str = "more than two void lookups";

pub const KNOWN: &[Known] = &[
    known(
        "dmarc",
        "value that is none",
        "`p=maybe`, `adkim=x`: permerror with mail-auth; RFC 9989 §4.7 has it ignored, §4.10.1 says what then applies",
    ),
    known("dmarc", "pct=", "RFC 9989 took it away, mail-auth does not read it; ours tells it beside the policy"),
    known("dmarc", "several records at a name", "mail-auth takes the first, RFC 9989 §4.10 says that there is none"),
    known("dmarc", "failing address lookup", "mail-auth takes the name as existing, ours has a temporary error"),
    known(
        "dmarc",
        EXACT,
        "mail-auth has a temperror; the domain itself is aligned in either mode, whatever that record says (RFC 9989 §4.4)",
    ),
    known("dmarc", "From of one label", "mail-auth does not walk from a top-level domain, ours does"),
    known(
        "spf",
        VOID_LOOKUPS,
        "mail-auth does not count them; RFC 7208 §4.6.4 has two as the limit, and a permerror behind it",
    ),
    known(
        "spf",
        "qualified include within an include",
        "mail-auth ends the check with the inner include's qualifier; RFC 7208 §5.2 has each include match only for a pass",
    ),
    known(
        "spf",
        "network out of range",
        "mail-auth takes ip4:192.0.2.256, ip4:192.0.2.0/33, ip4:192.0.2.0/; RFC 7208 §5.6 has ranges, §4.6 a permerror",
    ),
    known(
        "spf",
        "exists of a name without A",
        "mail-auth takes AAAA too, and its caches a name without addresses for one with; RFC 7208 §5.7 asks for A only",
    ),
    known(
        "spf",
        "ip6 network for an IPv4 client",
        "mail-auth maps the client into ::ffff:0:0/96, so that ip6:.../0 matches; RFC 7208 §5.6 compares within a family",
    ),
    known("spf", "ptr, %{p}", "mail-auth counts each name and takes the first for valid; not so RFC 7208 §5.5, §7.3"),
    known("spf", "several records at a name", "mail-auth takes the first; RFC 7208 §4.5 says permerror"),
    known("spf", "failing address lookup", "mail-auth's caches cannot say so; only TXT fails here"),
    known(
        "dkim",
        WHITE_LAST_LINES,
        "mail-auth keeps such lines; RFC 6376 §3.4.4 takes white space off first, then empty lines",
    ),
    known(
        "dkim",
        WHITE_FIRST_LINE,
        "mail-auth reads it as a field; by RFC 5322 §2.2.3 it goes on with one that is not there",
    ),
    known("dkim", WHITE_BEFORE_COLON, "mail-auth does not find the field; RFC 6376 §3.4.2 takes that space off"),
    known(
        "dkim",
        NO_FIELD,
        "mail-auth ends the header there; ours passes it over, as RFC 5322 §2.2 ends it with an empty line only",
    ),
    known("dkim", BEHIND_PADDING, "mail-auth reads up to it; RFC 6376 §2.10 has nothing behind `=`: not a signature"),
    known(
        "dkim",
        "l= that counts other octets than there are",
        "mail-auth signs and cuts the body as it came; RFC 6376 §3.4.5 counts canonical octets: only bodies that are both",
    ),
    known("dkim", "octets behind l=", "pass with mail-auth, neutral with ours (RFC 6376 §8.2): taken as equal"),
    known("dkim", "bare CR, bare LF", "mail-auth takes them for line ends; by RFC 5322 §2.3 they are none"),
    known(
        "dkim",
        "words for what is no pass",
        "fail, neutral, permerror, or nothing for what cannot be read (RFC 6376 §3.9, §6.1): taken as equal",
    ),
    known(
        "arc",
        NO_MESSAGE_SIGNATURE,
        "no chain to mail-auth, whatever else of a set there is; RFC 8617 §5.2 (step 3) has a set without one fail",
    ),
    known("arc", WHITE_LAST_LINES, "as for dkim"),
    known("arc", WHITE_FIRST_LINE, "as for dkim"),
    known("arc", WHITE_BEFORE_COLON, "as for dkim"),
    known("arc", NO_FIELD, "as for dkim"),
    known("arc", BEHIND_PADDING, "as for dkim"),
    known(
        "arc",
        "sets of mail-auth in simple form",
        "mail-auth seals its signature in the form that this names, and cannot verify it; RFC 8617 §5.1.1 has seals relaxed",
    ),
    known(
        "arc",
        "words for what is no pass",
        "mail-auth has neutral and temperror too; RFC 8617 §4.4 has none, pass and fail: taken as fail",
    ),
];
