//! Sieve scripts and what they would do, as JSON.

use serde_json::{Map, Value, json};

use crate::sieve::{Deed, Letter, Outcome};
use crate::store::StoredScript;

/// The list of an owner's scripts.
pub(crate) fn json_of_list(scripts: &[StoredScript]) -> Value {
    scripts.iter().map(|s| json!({"name": s.name, "active": s.active, "size": s.script.len()})).collect()
}

/// What scripts would do.
pub(crate) fn json_of_outcome(outcome: &Outcome) -> Value {
    let actions: Value = outcome
        .done
        .iter()
        .map(|done| {
            let mut object = json_of_deed(&done.deed);
            if done.implicit {
                object.insert("implicit".to_owned(), true.into());
            } else {
                object.insert("script".to_owned(), (*done.script).into());
                object.insert("line".to_owned(), done.at.line.into());
                object.insert("column".to_owned(), done.at.column.into());
            }
            if let Some(header) = done.header.and_then(|header| outcome.headers.get(header)) {
                object.insert("header".to_owned(), String::from_utf8_lossy(header).into());
            }
            Value::Object(object)
        })
        .collect();
    let error = outcome.fault.as_ref().map(|(script, fault)| {
        json!({"script": **script, "line": fault.at.line, "column": fault.at.column, "text": fault.text})
    });
    let notes: Value = outcome
        .notes
        .iter()
        .map(|n| json!({"script": *n.script, "line": n.at.line, "column": n.at.column, "text": n.text}))
        .collect();
    json!({"actions": actions, "error": error, "notes": notes})
}

fn json_of_deed(deed: &Deed) -> Map<String, Value> {
    let value = match deed {
        Deed::File { mailbox: None, flags, .. } => json!({"action": "keep", "flags": flags}),
        Deed::File { mailbox: Some(mailbox), special_use, create, flags } => json!({"action": "fileinto",
            "mailbox": mailbox, "special_use": special_use, "create": create, "flags": flags}),
        Deed::Redirect(to) => json!({"action": "redirect", "to": to.to_string()}),
        Deed::Reject { reason, hard } => json!({"action": "reject", "reason": reason, "ereject": hard}),
        Deed::Reply(reply) => {
            let mut letter = json_of_letter("vacation", &reply.letter);
            letter.insert("seconds".to_owned(), reply.remember.seconds.into());
            return letter;
        }
        Deed::Notify(letter) => return json_of_letter("notify", letter),
    };
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn json_of_letter(action: &str, letter: &Letter) -> Map<String, Value> {
    let to: Vec<String> = letter.to.iter().map(ToString::to_string).collect();
    let copy = letter.copy.as_ref().map(|copy| Value::Object(json_of_deed(copy)));
    let members = [
        ("action", action.into()),
        ("to", to.into()),
        ("message", String::from_utf8_lossy(&letter.octets).into()),
        ("copy", copy.unwrap_or(Value::Null)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
