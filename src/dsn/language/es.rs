//! Spanish.

use super::{Cause, Words};

pub(super) static WORDS: Words = Words {
    tag: "es",
    subjects: ["Mensaje no entregado", "Mensaje retrasado (se seguirá intentando)", "Mensaje entregado"],
    system: "Este es el sistema de correo {}.",
    introductions: [
        "Su mensaje no se pudo entregar a los destinatarios siguientes. No habrá más intentos. El motivo figura debajo \
         de cada dirección.",
        "Su mensaje aún no se ha entregado. No es necesario volver a enviarlo: habrá más intentos, y se le avisará si \
         la entrega fracasa definitivamente.",
        "Su mensaje se transmitió para los destinatarios siguientes.",
    ],
    subject: "Asunto: ",
    accepted: "Aceptado: ",
    sent_to: "(enviado a <{}>)",
    said: "{} respondió: {}",
    their_system: "El sistema de correo del destinatario",
    until: "Se seguirá intentando hasta {}.",
    status: "(estado {})",
    successes: [
        "Entregado.",
        "Transmitido a un sistema de correo que no envía más informes.",
        "Transmitido a los miembros de una lista.",
    ],
    causes: |cause| match cause {
        Cause::NoMailbox => ("Este buzón no existe.", "Compruebe que la dirección esté bien escrita."),
        Cause::NoDomain => ("Este dominio no existe.", "Compruebe lo que sigue a la @ en la dirección."),
        Cause::TakesNoMail => ("Este dominio no acepta correo.", "Pida otra dirección al destinatario."),
        Cause::BadAddress => ("La dirección no es válida.", "Compruebe que la dirección esté bien escrita."),
        Cause::SenderRefused => {
            ("La dirección del remitente fue rechazada.", "Consulte al administrador de su correo.")
        }
        Cause::AddressRefused => ("La dirección fue rechazada.", "Compruebe que la dirección esté bien escrita."),
        Cause::SwitchedOff => ("El buzón está desactivado.", "Pida otra dirección al destinatario."),
        Cause::Full => ("El buzón está lleno.", "Vuelva a enviar el mensaje cuando el destinatario tenga espacio."),
        Cause::TooLarge => (
            "El mensaje es demasiado grande para el destinatario.",
            "Envíelo en partes más pequeñas, o envíe un enlace a los archivos.",
        ),
        Cause::MailboxTrouble => ("El buzón no pudo recibir el mensaje.", "Vuelva a enviar el mensaje más tarde."),
        Cause::SystemTrouble => (
            "El sistema de correo del destinatario no pudo recibir el mensaje.",
            "Vuelva a enviar el mensaje más tarde.",
        ),
        Cause::Silent => {
            ("El sistema de correo del destinatario no responde.", "Vuelva a enviar el mensaje más tarde.")
        }
        Cause::Broke => (
            "La conexión con el sistema de correo del destinatario se interrumpió.",
            "Vuelva a enviar el mensaje más tarde.",
        ),
        Cause::NoWay => (
            "No se encontró el sistema de correo del destinatario.",
            "Compruebe lo que sigue a la @ en la dirección, y vuelva a enviar el mensaje más tarde.",
        ),
        Cause::Circle => {
            ("El mensaje da vueltas en círculo.", "Consulte al administrador del correo del destinatario.")
        }
        Cause::NotInTime => ("No se pudo entregar a tiempo.", "Vuelva a enviar el mensaje más tarde."),
        Cause::Unfit => (
            "El sistema de correo del destinatario no puede recibir un mensaje de este tipo.",
            "Envíelo como texto simple, sin archivos adjuntos.",
        ),
        Cause::Refused => (
            "El sistema de correo del destinatario rechaza el mensaje.",
            "Lea su respuesta; si no ayuda, consulte al administrador de su correo.",
        ),
        Cause::Unknown => {
            ("La entrega no se logró.", "Lea la respuesta; si no ayuda, vuelva a enviar el mensaje más tarde.")
        }
    },
};
