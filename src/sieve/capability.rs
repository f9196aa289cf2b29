//! The extensions of Sieve that are known here, by the names that `require` and ManageSieve use.

/// An extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Capability {
    FileInto,
    Reject,
    Ereject,
    Envelope,
    Body,
    Vacation,
    VacationSeconds,
    Imap4Flags,
    Subaddress,
    Relational,
    Variables,
    Date,
    Index,
    EditHeader,
    Include,
    Mailbox,
    MboxMetadata,
    ServerMetadata,
    Environment,
    Duplicate,
    Enotify,
    SpamTest,
    SpamTestPlus,
    VirusTest,
    Ihave,
    EncodedCharacter,
    Fcc,
    Copy,
    SpecialUse,
    Octet,
    AsciiCasemap,
    AsciiNumeric,
    UnicodeCasemap,
    ForEveryPart,
    Mime,
    ExtractText,
}

use Capability as C;

/// All of them, in the order they are announced.
const ALL: [(&str, Capability); 36] = [
    ("fileinto", C::FileInto),
    ("reject", C::Reject),
    ("ereject", C::Ereject),
    ("envelope", C::Envelope),
    ("body", C::Body),
    ("vacation", C::Vacation),
    ("vacation-seconds", C::VacationSeconds),
    ("imap4flags", C::Imap4Flags),
    ("subaddress", C::Subaddress),
    ("relational", C::Relational),
    ("variables", C::Variables),
    ("date", C::Date),
    ("index", C::Index),
    ("editheader", C::EditHeader),
    ("include", C::Include),
    ("mailbox", C::Mailbox),
    ("mboxmetadata", C::MboxMetadata),
    ("servermetadata", C::ServerMetadata),
    ("environment", C::Environment),
    ("duplicate", C::Duplicate),
    ("enotify", C::Enotify),
    ("spamtest", C::SpamTest),
    ("spamtestplus", C::SpamTestPlus),
    ("virustest", C::VirusTest),
    ("ihave", C::Ihave),
    ("encoded-character", C::EncodedCharacter),
    ("fcc", C::Fcc),
    ("copy", C::Copy),
    ("special-use", C::SpecialUse),
    ("comparator-i;octet", C::Octet),
    ("comparator-i;ascii-casemap", C::AsciiCasemap),
    ("comparator-i;ascii-numeric", C::AsciiNumeric),
    ("comparator-i;unicode-casemap", C::UnicodeCasemap),
    ("foreverypart", C::ForEveryPart),
    ("mime", C::Mime),
    ("extracttext", C::ExtractText),
];

impl Capability {
    pub(super) fn of(name: &str) -> Option<Capability> {
        ALL.iter().find(|(known, _)| *known == name).map(|(_, capability)| *capability)
    }

    pub(super) fn name(self) -> &'static str {
        ALL.iter().find(|(_, capability)| *capability == self).map_or("", |(name, _)| name)
    }
}

/// Names of the extensions, in the order they are announced.
pub fn capabilities() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// A set of extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Capabilities(u64);

impl Capabilities {
    pub(super) fn add(&mut self, capability: Capability) {
        self.0 |= 1 << capability as u8;
        let with = match capability {
            C::SpamTestPlus => Some(C::SpamTest),
            C::VacationSeconds => Some(C::Vacation),
            _ => None,
        };
        if let Some(with) = with {
            self.0 |= 1 << with as u8;
        }
    }

    pub(super) fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u8) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_name() {
        let mut set = Capabilities::default();
        for (name, capability) in ALL {
            assert_eq!((Capability::of(name), capability.name()), (Some(capability), name));
            set.add(capability);
        }
        assert!(ALL.iter().all(|(_, capability)| set.has(*capability)));
        assert_eq!(Capability::of("regex"), None);
    }
}
