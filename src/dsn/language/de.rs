//! German.

use super::{Cause, Words};

pub(super) static WORDS: Words = Words {
    tag: "de",
    subjects: ["Nachricht nicht zustellbar", "Nachricht verzögert (weitere Versuche folgen)", "Nachricht zugestellt"],
    system: "Hier ist das Mailsystem {}.",
    introductions: [
        "Ihre Nachricht konnte den folgenden Empfängern nicht zugestellt werden. Weitere Versuche gibt es nicht. Der \
         Grund steht unter jeder Adresse.",
        "Ihre Nachricht ist noch nicht zugestellt. Sie müssen sie nicht noch einmal senden: Es gibt weitere Versuche, \
         und Sie erfahren, wenn die Zustellung endgültig scheitert.",
        "Ihre Nachricht wurde für die folgenden Empfänger weitergegeben.",
    ],
    subject: "Betreff: ",
    accepted: "Angenommen: ",
    sent_to: "(gesendet an <{}>)",
    said: "{} antwortete: {}",
    their_system: "Das Mailsystem des Empfängers",
    until: "Zustellversuche gibt es bis {}.",
    status: "(Status {})",
    successes: [
        "Zugestellt.",
        "An ein Mailsystem weitergegeben, das keine weiteren Berichte sendet.",
        "An die Mitglieder einer Liste weitergegeben.",
    ],
    causes: |cause| match cause {
        Cause::NoMailbox => ("Dieses Postfach gibt es nicht.", "Prüfen Sie die Adresse auf Tippfehler."),
        Cause::NoDomain => ("Diese Maildomain gibt es nicht.", "Prüfen Sie den Teil der Adresse hinter dem @."),
        Cause::TakesNoMail => {
            ("Diese Domain nimmt keine Mail an.", "Fragen Sie den Empfänger nach einer anderen Adresse.")
        }
        Cause::BadAddress => ("Die Adresse ist ungültig.", "Prüfen Sie die Adresse auf Tippfehler."),
        Cause::SenderRefused => ("Die Absenderadresse wurde abgelehnt.", "Fragen Sie den Betreiber Ihres Mailsystems."),
        Cause::AddressRefused => ("Die Adresse wurde abgelehnt.", "Prüfen Sie die Adresse auf Tippfehler."),
        Cause::SwitchedOff => {
            ("Das Postfach ist abgeschaltet.", "Fragen Sie den Empfänger nach einer anderen Adresse.")
        }
        Cause::Full => {
            ("Das Postfach ist voll.", "Senden Sie die Nachricht noch einmal, wenn der Empfänger Platz geschaffen hat.")
        }
        Cause::TooLarge => (
            "Die Nachricht ist zu groß für den Empfänger.",
            "Senden Sie sie in kleineren Teilen, oder einen Link auf die Dateien.",
        ),
        Cause::MailboxTrouble => {
            ("Das Postfach konnte die Nachricht nicht annehmen.", "Senden Sie die Nachricht später noch einmal.")
        }
        Cause::SystemTrouble => (
            "Das Mailsystem des Empfängers konnte die Nachricht nicht annehmen.",
            "Senden Sie die Nachricht später noch einmal.",
        ),
        Cause::Silent => {
            ("Das Mailsystem des Empfängers antwortet nicht.", "Senden Sie die Nachricht später noch einmal.")
        }
        Cause::Broke => {
            ("Die Verbindung zum Mailsystem des Empfängers brach ab.", "Senden Sie die Nachricht später noch einmal.")
        }
        Cause::NoWay => (
            "Der Weg zum Mailsystem des Empfängers war nicht zu finden.",
            "Prüfen Sie den Teil der Adresse hinter dem @, und senden Sie die Nachricht später noch einmal.",
        ),
        Cause::Circle => ("Die Nachricht läuft im Kreis.", "Fragen Sie den Betreiber des Mailsystems des Empfängers."),
        Cause::NotInTime => {
            ("Sie konnte nicht rechtzeitig zugestellt werden.", "Senden Sie die Nachricht später noch einmal.")
        }
        Cause::Unfit => (
            "Das Mailsystem des Empfängers kann eine solche Nachricht nicht annehmen.",
            "Senden Sie sie als einfachen Text ohne Anhänge.",
        ),
        Cause::Refused => (
            "Das Mailsystem des Empfängers lehnt die Nachricht ab.",
            "Lesen Sie die Antwort; hilft sie nicht weiter, fragen Sie den Betreiber Ihres Mailsystems.",
        ),
        Cause::Unknown => (
            "Die Zustellung ist nicht gelungen.",
            "Lesen Sie die Antwort; hilft sie nicht weiter, versuchen Sie es später noch einmal.",
        ),
    },
};
