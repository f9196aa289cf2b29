//! French.

use super::{Cause, Words};

pub(super) static WORDS: Words = Words {
    tag: "fr",
    subjects: ["Message non remis", "Message retardé (d'autres essais suivront)", "Message remis"],
    system: "Ici le système de messagerie {}.",
    introductions: [
        "Votre message n'a pas pu être remis aux destinataires ci-dessous. Il n'y aura pas d'autre essai. La raison se \
         trouve sous chaque adresse.",
        "Votre message n'a pas encore été remis. Il n'est pas nécessaire de le renvoyer : d'autres essais suivront, et \
         vous serez averti en cas d'échec définitif.",
        "Votre message a été transmis pour les destinataires ci-dessous.",
    ],
    subject: "Objet : ",
    accepted: "Accepté : ",
    sent_to: "(envoyé à <{}>)",
    said: "{} a répondu : {}",
    their_system: "Le système de messagerie du destinataire",
    until: "Les essais continuent jusqu'au {}.",
    status: "(état {})",
    successes: [
        "Remis.",
        "Transmis à un système de messagerie qui n'envoie pas d'autres rapports.",
        "Transmis aux membres d'une liste.",
    ],
    causes: |cause| match cause {
        Cause::NoMailbox => ("Cette boîte aux lettres n'existe pas.", "Vérifiez l'orthographe de l'adresse."),
        Cause::NoDomain => ("Ce domaine n'existe pas.", "Vérifiez ce qui suit le @ dans l'adresse."),
        Cause::TakesNoMail => ("Ce domaine n'accepte pas de courrier.", "Demandez une autre adresse au destinataire."),
        Cause::BadAddress => ("L'adresse n'est pas valable.", "Vérifiez l'orthographe de l'adresse."),
        Cause::SenderRefused => {
            ("L'adresse de l'expéditeur a été refusée.", "Adressez-vous à l'administrateur de votre messagerie.")
        }
        Cause::AddressRefused => ("L'adresse a été refusée.", "Vérifiez l'orthographe de l'adresse."),
        Cause::SwitchedOff => ("La boîte aux lettres est désactivée.", "Demandez une autre adresse au destinataire."),
        Cause::Full => {
            ("La boîte aux lettres est pleine.", "Renvoyez le message quand le destinataire aura fait de la place.")
        }
        Cause::TooLarge => (
            "Le message est trop volumineux pour le destinataire.",
            "Envoyez-le en plusieurs parties, ou envoyez un lien vers les fichiers.",
        ),
        Cause::MailboxTrouble => {
            ("La boîte aux lettres n'a pas pu recevoir le message.", "Renvoyez le message plus tard.")
        }
        Cause::SystemTrouble => (
            "Le système de messagerie du destinataire n'a pas pu recevoir le message.",
            "Renvoyez le message plus tard.",
        ),
        Cause::Silent => ("Le système de messagerie du destinataire ne répond pas.", "Renvoyez le message plus tard."),
        Cause::Broke => (
            "La connexion au système de messagerie du destinataire a été interrompue.",
            "Renvoyez le message plus tard.",
        ),
        Cause::NoWay => (
            "Le système de messagerie du destinataire est introuvable.",
            "Vérifiez ce qui suit le @ dans l'adresse, et renvoyez le message plus tard.",
        ),
        Cause::Circle => {
            ("Le message tourne en boucle.", "Adressez-vous à l'administrateur de la messagerie du destinataire.")
        }
        Cause::NotInTime => ("Il n'a pas pu être remis à temps.", "Renvoyez le message plus tard."),
        Cause::Unfit => (
            "Le système de messagerie du destinataire ne peut pas recevoir un tel message.",
            "Envoyez-le en texte simple, sans pièces jointes.",
        ),
        Cause::Refused => (
            "Le système de messagerie du destinataire refuse le message.",
            "Lisez sa réponse ; si elle n'aide pas, adressez-vous à l'administrateur de votre messagerie.",
        ),
        Cause::Unknown => {
            ("La remise n'a pas réussi.", "Lisez la réponse ; si elle n'aide pas, renvoyez le message plus tard.")
        }
    },
};
