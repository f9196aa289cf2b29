//! English.

use super::{Cause, Words};

pub(super) static WORDS: Words = Words {
    tag: "en",
    subjects: [
        "Undelivered mail returned to sender",
        "Delayed mail (still being retried)",
        "Successful mail delivery report",
    ],
    system: "This is the mail system at {}.",
    introductions: [
        "Your message could not be delivered to the recipients below. It will not be tried again. What went wrong is \
         written under each address.",
        "Your message has not been delivered yet. You need not send it again: delivery is still being tried, and you \
         will be told if it fails for good.",
        "Your message was passed on for the recipients below.",
    ],
    subject: "Subject: ",
    accepted: "Accepted: ",
    sent_to: "(sent to <{}>)",
    said: "{} said: {}",
    their_system: "The recipient's mail system",
    until: "It will be tried until {}.",
    status: "(status {})",
    successes: [
        "Delivered.",
        "Passed on to a mail system that sends no further reports.",
        "Passed on to the members of a list.",
    ],
    causes: |cause| match cause {
        Cause::NoMailbox => ("There is no such mailbox.", "Check the address for typing errors."),
        Cause::NoDomain => ("There is no such mail domain.", "Check what stands behind the @ of the address."),
        Cause::TakesNoMail => ("This domain does not take mail.", "Ask the recipient for another address."),
        Cause::BadAddress => ("The address is not valid.", "Check the address for typing errors."),
        Cause::SenderRefused => ("The sender's address was refused.", "Ask who runs your mail system."),
        Cause::AddressRefused => ("The address was refused.", "Check the address for typing errors."),
        Cause::SwitchedOff => ("The mailbox is switched off.", "Ask the recipient for another address."),
        Cause::Full => ("The mailbox is full.", "Send the message again when the recipient has made room."),
        Cause::TooLarge => {
            ("The message is too large for the recipient.", "Send it in smaller parts, or send a link to its files.")
        }
        Cause::MailboxTrouble => ("The mailbox could not take the message.", "Send the message again later."),
        Cause::SystemTrouble => {
            ("The recipient's mail system could not take the message.", "Send the message again later.")
        }
        Cause::Silent => ("The recipient's mail system does not answer.", "Send the message again later."),
        Cause::Broke => ("The connection to the recipient's mail system broke.", "Send the message again later."),
        Cause::NoWay => (
            "The way to the recipient's mail system could not be found.",
            "Check what stands behind the @ of the address, and send the message again later.",
        ),
        Cause::Circle => ("The message goes in a circle.", "Ask who runs the recipient's mail system."),
        Cause::NotInTime => ("It could not be delivered in time.", "Send the message again later."),
        Cause::Unfit => (
            "The recipient's mail system cannot take a message of this kind.",
            "Send it as plain text, without attachments.",
        ),
        Cause::Refused => (
            "The recipient's mail system refuses the message.",
            "Read what it said; if that does not help, ask who runs your mail system.",
        ),
        Cause::Unknown => ("Delivery did not succeed.", "Read what was said; if that does not help, try again later."),
    },
};
