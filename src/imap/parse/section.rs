//! Sections of a message: `[1.2.HEADER.FIELDS (FROM)]<0.512>` (RFC 9051 §6.4.5.1).

use crate::base::limits::{IMAP_HEADER_NAMES_MAX, MIME_NESTING_MAX};
use crate::imap::command::{Section, SectionText};
use crate::imap::grammar::{Bad, Cursor, Parse, is_astring_char};

/// Behind `BODY`: section and partial.
pub fn body(cursor: &mut Cursor<'_>, peek: bool) -> Parse<Section> {
    cursor.expect(b'[', "section expected")?;
    let mut part = Vec::new();
    let mut text = SectionText::All;
    loop {
        match cursor.peek() {
            Some(b'0'..=b'9') => part.push(number(cursor, part.len())?),
            Some(b']') if part.is_empty() => break,
            _ => {
                text = section_text(cursor, !part.is_empty())?;
                break;
            }
        }
        if !cursor.eat(b'.') {
            break;
        }
    }
    cursor.expect(b']', "end of the section expected")?;
    let partial = partial(cursor)?;
    let label = label("BODY", &part, &text, partial);
    Ok(Section { part, text, partial, peek, decoded: false, label })
}

/// Behind `BINARY`: part and partial.
pub fn binary(cursor: &mut Cursor<'_>, peek: bool) -> Parse<Section> {
    let part = part_only(cursor)?;
    let partial = partial(cursor)?;
    let label = label("BINARY", &part, &SectionText::All, partial);
    Ok(Section { part, text: SectionText::All, partial, peek, decoded: true, label })
}

/// `[1.2]`
pub fn part_only(cursor: &mut Cursor<'_>) -> Parse<Vec<u32>> {
    cursor.expect(b'[', "section expected")?;
    let mut part = Vec::new();
    while !cursor.eat(b']') {
        if !part.is_empty() {
            cursor.expect(b'.', "end of the section expected")?;
        }
        part.push(number(cursor, part.len())?);
    }
    Ok(part)
}

fn number(cursor: &mut Cursor<'_>, depth: usize) -> Parse<u32> {
    if depth >= MIME_NESTING_MAX {
        return Err(Bad::Syntax("section too deep"));
    }
    cursor.nz_number()
}

fn section_text(cursor: &mut Cursor<'_>, in_part: bool) -> Parse<SectionText> {
    let word = cursor.word(|c| c.is_ascii_alphabetic() || c == b'.', "section expected")?.to_ascii_uppercase();
    match word.as_str() {
        "HEADER" => Ok(SectionText::Header),
        "TEXT" => Ok(SectionText::Text),
        "MIME" if in_part => Ok(SectionText::Mime),
        "HEADER.FIELDS" => Ok(SectionText::Fields { names: names(cursor)?, not: false }),
        "HEADER.FIELDS.NOT" => Ok(SectionText::Fields { names: names(cursor)?, not: true }),
        _ => Err(Bad::Syntax("unknown section")),
    }
}

fn names(cursor: &mut Cursor<'_>) -> Parse<Vec<Vec<u8>>> {
    cursor.sp()?;
    cursor.expect(b'(', "field names expected")?;
    let mut names = Vec::new();
    loop {
        if names.len() >= IMAP_HEADER_NAMES_MAX {
            return Err(Bad::Syntax("too many field names"));
        }
        names.push(cursor.astring()?);
        if cursor.eat(b')') {
            return Ok(names);
        }
        cursor.sp()?;
    }
}

fn partial(cursor: &mut Cursor<'_>) -> Parse<Option<(u64, u64)>> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let first = cursor.number64()?;
    cursor.expect(b'.', "length of the partial expected")?;
    let octets = cursor.number64()?;
    if octets == 0 {
        return Err(Bad::Syntax("length of the partial must not be zero"));
    }
    cursor.expect(b'>', "end of the partial expected")?;
    Ok(Some((first, octets)))
}

/// How the answer names a section.
pub fn label(item: &str, part: &[u32], text: &SectionText, partial: Option<(u64, u64)>) -> Vec<u8> {
    let mut label = format!("{item}[").into_bytes();
    for (i, number) in part.iter().enumerate() {
        let dot = if i == 0 { "" } else { "." };
        label.extend_from_slice(format!("{dot}{number}").as_bytes());
    }
    let (word, names) = match text {
        SectionText::All => ("", None),
        SectionText::Header => ("HEADER", None),
        SectionText::Text => ("TEXT", None),
        SectionText::Mime => ("MIME", None),
        SectionText::Fields { names, not: false } => ("HEADER.FIELDS", Some(names)),
        SectionText::Fields { names, not: true } => ("HEADER.FIELDS.NOT", Some(names)),
    };
    if !part.is_empty() && !word.is_empty() {
        label.push(b'.');
    }
    label.extend_from_slice(word.as_bytes());
    for (i, name) in names.into_iter().flatten().enumerate() {
        label.extend_from_slice(if i == 0 { b" (" } else { b" " });
        let atom = !name.is_empty() && name.iter().all(|&c| is_astring_char(c));
        if atom { label.extend_from_slice(name) } else { crate::imap::response::string(&mut label, name) }
    }
    label.extend_from_slice(if names.is_some() { b")]" } else { b"]" });
    if let Some((first, _)) = partial {
        label.extend_from_slice(format!("<{first}>").as_bytes());
    }
    label
}
