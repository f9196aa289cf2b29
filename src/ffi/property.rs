//! Properties: rarely used settings, by name, on any handle. One interface in place of a hundred functions.

use std::ffi::{CString, c_char};
use std::sync::OnceLock;

use super::buf::mailcore_buf;
use super::error::mailcore_error;
use super::object::{self, Object, mailcore_handle};
use super::panic::wall;
use super::record::{self, Record};
use super::result::{Failure, MAILCORE_E_KEY, MAILCORE_E_TYPE};
use super::text::{give, give_buf, needed};
use crate::base::SpecialUse;
use crate::engine::Config;
use crate::engine::keys::{Kind, Value, find, keys};

/// A property that is a number.
pub const MAILCORE_TYPE_NUMBER: u32 = 1;
/// A property that is 0 or 1.
pub const MAILCORE_TYPE_SWITCH: u32 = 2;
/// A property that is a text.
pub const MAILCORE_TYPE_TEXT: u32 = 3;

/// The property belongs to engines.
pub const MAILCORE_ON_ENGINE: u32 = 1;
/// The property belongs to accounts.
pub const MAILCORE_ON_ACCOUNT: u32 = 2;
/// The property belongs to mailboxes.
pub const MAILCORE_ON_MAILBOX: u32 = 3;
/// The property belongs to messages.
pub const MAILCORE_ON_MESSAGE: u32 = 4;
/// The property belongs to listeners.
pub const MAILCORE_ON_LISTENER: u32 = 5;

/// A property, as mailcore_property_info() describes it. The texts belong to the library and are valid for ever.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_property {
    /// sizeof(mailcore_property), set by MAILCORE_PROPERTY_INIT.
    pub struct_size: u32,
    /// The kind of handle that has it: one of MAILCORE_ON_.
    pub on: u32,
    /// Its type: one of MAILCORE_TYPE_.
    pub r#type: u32,
    /// 1 where it can be set.
    pub writable: u32,
    /// Least number.
    pub min: i64,
    /// Greatest number.
    pub max: i64,
    /// Its name.
    pub name: *const c_char,
    /// The value in a new engine, as text; empty for other handles.
    pub initial: *const c_char,
    /// One line for a person.
    pub doc: *const c_char,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_property {
    const NAME: &'static str = "mailcore_property";
}

/// Describes a property; count `index` up from 0 to list all.
///
/// [nowait] [hook-ok]
///
/// @param index  which
/// @param property  takes the description, or NULL
/// @returns 1, 0 when there are no more, or MAILCORE_E_VERSION
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_property_info(index: u32, property: *mut mailcore_property) -> i32 {
    wall!(std::ptr::null_mut(), {
        // SAFETY: the caller gives NULL or a struct with its size.
        unsafe { record::check(property.cast_const()) }?;
        let Some(row) = rows().get(index as usize) else { return Ok(0) };
        let described = mailcore_property {
            struct_size: 0,
            on: row.on,
            r#type: row.kind,
            writable: u32::from(row.writable),
            min: row.range.0,
            max: row.range.1,
            name: row.name.as_ptr(),
            initial: row.initial.as_ptr(),
            doc: row.doc.as_ptr(),
        };
        // SAFETY: checked above.
        unsafe { record::write(property, &described) };
        Ok(1)
    })
}

/// Reads a property that is a number.
///
/// [disk] [hook-ok]
///
/// @param handle  an engine, account, mailbox, message or listener
/// @param key  its name, one of MAILCORE_KEY_
/// @param value  takes the number, or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_KEY (the message has the
/// nearest name), MAILCORE_E_TYPE
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_get_i64(
    handle: mailcore_handle,
    key: *const c_char,
    value: *mut i64,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let object = object::any(handle)?;
        // SAFETY: the caller's text.
        let key = unsafe { needed(key, "key") }?;
        match read(&object, key)? {
            Value::Number(number) => {
                // SAFETY: the caller's output.
                unsafe { give(value, number) };
                Ok(0)
            }
            Value::Text(_) => Err(Failure::new(MAILCORE_E_TYPE, format!("{key} is a text"))),
        }
    })
}

/// Reads any property as text.
///
/// [disk] [hook-ok] Passwords in it are replaced by stars.
///
/// @param handle  an engine, account, mailbox, message or listener
/// @param key  its name, one of MAILCORE_KEY_
/// @param value  takes the text, to be given back with mailcore_buf_free(), or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_KEY (the message has the
/// nearest name), MAILCORE_E_NOMEM
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_get_str(
    handle: mailcore_handle,
    key: *const c_char,
    value: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let object = object::any(handle)?;
        // SAFETY: the caller's text.
        let key = unsafe { needed(key, "key") }?;
        let text = match read(&object, key)? {
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text,
        };
        // SAFETY: the caller's output.
        unsafe { give_buf(value, text.as_bytes()) }?;
        Ok(0)
    })
}

/// Sets a property that is a number or a switch.
///
/// [disk] Properties of an engine can be set until mailcore_engine_start().
///
/// @param handle  an engine or account
/// @param key  its name, one of MAILCORE_KEY_
/// @param value  the number
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_KEY (the message has the
/// nearest name), MAILCORE_E_INVALID, MAILCORE_E_STATE
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_set_i64(
    handle: mailcore_handle,
    key: *const c_char,
    value: i64,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let object = object::sound(handle)?;
        // SAFETY: the caller's text.
        let key = unsafe { needed(key, "key") }?;
        write(&object, key, Value::Number(value))
    })
}

/// Sets any property; a text is read as a number where it is one.
///
/// [disk] Properties of an engine can be set until mailcore_engine_start().
///
/// @param handle  an engine or account
/// @param key  its name, one of MAILCORE_KEY_
/// @param value  the text
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_KEY (the message has the
/// nearest name), MAILCORE_E_INVALID, MAILCORE_E_STATE
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_set_str(
    handle: mailcore_handle,
    key: *const c_char,
    value: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let object = object::sound(handle)?;
        // SAFETY: the caller's texts.
        let (key, value) = unsafe { (needed(key, "key")?, needed(value, "value")?) };
        write(&object, key, Value::Text(value.to_owned()))
    })
}

/// Properties that are no settings of engines: handle, name, type, whether it can be set, documentation.
const PROPERTIES: [(u32, &str, u32, bool, &str); 17] = [
    (
        MAILCORE_ON_ENGINE,
        "tls.certificate",
        MAILCORE_TYPE_TEXT,
        false,
        "The self-signed certificate that is shown, PEM.",
    ),
    (MAILCORE_ON_ACCOUNT, "account.address", MAILCORE_TYPE_TEXT, false, "Its address."),
    (MAILCORE_ON_ACCOUNT, "account.octets", MAILCORE_TYPE_NUMBER, false, "Octets it keeps."),
    (MAILCORE_ON_ACCOUNT, "account.quota_octets", MAILCORE_TYPE_NUMBER, true, "Octets it may keep; 0 is no limit."),
    (MAILCORE_ON_MAILBOX, "mailbox.name", MAILCORE_TYPE_TEXT, false, "Its name, levels separated by a slash."),
    (MAILCORE_ON_MAILBOX, "mailbox.uid_validity", MAILCORE_TYPE_NUMBER, false, "Changes when UIDs start anew."),
    (MAILCORE_ON_MAILBOX, "mailbox.uid_next", MAILCORE_TYPE_NUMBER, false, "UID of the next message."),
    (MAILCORE_ON_MAILBOX, "mailbox.mod_seq", MAILCORE_TYPE_NUMBER, false, "Rises with every change in it."),
    (MAILCORE_ON_MAILBOX, "mailbox.total", MAILCORE_TYPE_NUMBER, false, "Messages."),
    (MAILCORE_ON_MAILBOX, "mailbox.unseen", MAILCORE_TYPE_NUMBER, false, "Messages that were not read."),
    (MAILCORE_ON_MAILBOX, "mailbox.octets", MAILCORE_TYPE_NUMBER, false, "Octets of all messages."),
    (MAILCORE_ON_MAILBOX, "mailbox.special_use", MAILCORE_TYPE_TEXT, false, "What it is for, or empty."),
    (MAILCORE_ON_MESSAGE, "message.size", MAILCORE_TYPE_NUMBER, false, "Its octets."),
    (MAILCORE_ON_MESSAGE, "message.id", MAILCORE_TYPE_NUMBER, false, "Its UID or queue id; 0 while it is new."),
    (MAILCORE_ON_MESSAGE, "message.time_ms", MAILCORE_TYPE_NUMBER, false, "When it came, in ms since 1970."),
    (MAILCORE_ON_LISTENER, "listener.address", MAILCORE_TYPE_TEXT, false, "Where it listens, address:port."),
    (MAILCORE_ON_LISTENER, "listener.port", MAILCORE_TYPE_NUMBER, false, "The port it listens on."),
];

/// Sets one of an engine's properties before it is opened.
pub(crate) fn set(config: &mut Config, name: &str, value: Value) -> Result<(), Failure> {
    find(name).map_err(|e| Failure::new(MAILCORE_E_KEY, e.text()))?.set(config, value)?;
    Ok(())
}

fn read(object: &Object, name: &str) -> Result<Value, Failure> {
    let number = |n: u64| Value::Number(i64::try_from(n).unwrap_or(i64::MAX));
    Ok(match object {
        Object::Engine(seat) if name == "tls.certificate" => Value::Text(seat.engine.own_certificate()),
        Object::Engine(seat) => {
            find(name).map_err(|e| Failure::new(MAILCORE_E_KEY, e.text()))?;
            seat.engine.get(name)?
        }
        Object::Account(seat) => match own(MAILCORE_ON_ACCOUNT, name)? {
            "account.address" => Value::Text(seat.address.clone()),
            "account.octets" => number(seat.engine.run(seat.engine.engine.account_octets(seat.id))?),
            _ => number(seat.engine.run(seat.engine.engine.account(&seat.address))?.quota_octets.unwrap_or(0)),
        },
        Object::Mailbox(seat) => {
            let name = own(MAILCORE_ON_MAILBOX, name)?;
            let info = seat.info()?;
            match name {
                "mailbox.name" => Value::Text(info.name),
                "mailbox.uid_validity" => number(info.uid_validity.into()),
                "mailbox.uid_next" => number(info.uid_next.into()),
                "mailbox.mod_seq" => number(info.mod_seq),
                "mailbox.total" => number(info.total.into()),
                "mailbox.unseen" => number(info.unseen.into()),
                "mailbox.octets" => number(info.octets),
                _ => Value::Text(info.special_use.map_or("", SpecialUse::attribute).to_owned()),
            }
        }
        Object::Message(seat) => {
            let (size, id, time_ms) = seat.facts();
            match own(MAILCORE_ON_MESSAGE, name)? {
                "message.size" => number(size),
                "message.id" => number(id),
                _ => Value::Number(time_ms),
            }
        }
        Object::Listener(seat) => match own(MAILCORE_ON_LISTENER, name)? {
            "listener.port" => Value::Number(seat.address.port().into()),
            _ => Value::Text(seat.address.to_string()),
        },
        Object::Cursor(_) | Object::Orphan { .. } => {
            return Err(Failure::new(MAILCORE_E_KEY, "a cursor has no properties"));
        }
        Object::Resolver(_) => return Err(Failure::new(MAILCORE_E_KEY, "a resolver has no properties")),
    })
}

fn write(object: &Object, name: &str, value: Value) -> Result<i32, Failure> {
    match object {
        Object::Engine(seat) => {
            find(name).map_err(|e| Failure::new(MAILCORE_E_KEY, e.text()))?;
            seat.engine.set(name, value)?;
        }
        Object::Account(seat) if own(MAILCORE_ON_ACCOUNT, name)? == "account.quota_octets" => {
            let octets = match value {
                Value::Number(n) => u64::try_from(n).ok(),
                Value::Text(text) => text.trim().parse().ok(),
            };
            let octets = octets.ok_or_else(|| Failure::invalid(format!("{name} takes octets, 0 and up")))?;
            let octets = (octets != 0).then_some(octets);
            seat.engine.run(seat.engine.engine.account_quota(&seat.address, octets))?;
        }
        _ => return Err(Failure::new(MAILCORE_E_KEY, format!("{name} cannot be set on this handle"))),
    }
    Ok(0)
}

/// The name as it stands in [`PROPERTIES`], for handles of the kind `on`.
fn own(on: u32, name: &str) -> Result<&'static str, Failure> {
    let mut names = PROPERTIES.iter().filter(|(of, ..)| *of == on).map(|(_, own, ..)| *own);
    names.clone().find(|own| *own == name).ok_or_else(|| {
        let all = names.by_ref().collect::<Vec<_>>().join(", ");
        Failure::new(MAILCORE_E_KEY, format!("no property {name:?} here; there are {all}"))
    })
}

/// A row for C, its texts ending in NUL.
struct Described {
    on: u32,
    kind: u32,
    writable: bool,
    range: (i64, i64),
    name: CString,
    initial: CString,
    doc: CString,
}

/// All properties: those of engines first.
fn rows() -> &'static [Described] {
    static ROWS: OnceLock<Vec<Described>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let config = Config::new("");
        let text = |text: &str| CString::new(text).unwrap_or_default();
        let engine = keys().map(|key| Described {
            on: MAILCORE_ON_ENGINE,
            kind: match key.kind {
                Kind::Number(..) => MAILCORE_TYPE_NUMBER,
                Kind::Switch => MAILCORE_TYPE_SWITCH,
                Kind::Text => MAILCORE_TYPE_TEXT,
            },
            writable: true,
            range: match key.kind {
                Kind::Number(min, max) => (min, max),
                Kind::Switch => (0, 1),
                Kind::Text => (0, 0),
            },
            name: text(key.name),
            initial: match key.get(&config) {
                Value::Number(number) => text(&number.to_string()),
                Value::Text(value) => text(&value),
            },
            doc: text(key.doc),
        });
        let others = PROPERTIES.iter().map(|(on, name, kind, writable, doc)| Described {
            on: *on,
            kind: *kind,
            writable: *writable,
            range: if *kind == MAILCORE_TYPE_NUMBER { (0, i64::MAX) } else { (0, 0) },
            name: text(name),
            initial: CString::default(),
            doc: text(doc),
        });
        engine.chain(others).collect()
    })
}

#[cfg(test)]
mod tests;
