//! `include/abi.json`: the C interface as data, made by `build.rs` from the text of the header.
//!
//! It holds every constant, handle, callback, struct and function with its documentation, the layout of each struct,
//! and for each function its tags and the codes it can return; every property with its type, range and first value;
//! every event with the fields of its detail. `bindings/generate.py` makes parts of the bindings from it,
//! `bindings/c/man.py` the manual page, `docs/build` the tables of the book; the tests of the ABI call each function
//! that it names. One line holds one item, so that a change of the interface is a change of few lines.
//!
//! Properties come from `src/ffi/properties.json`, events from the tables of `docs/events.md`. Unit tests in `src/ffi`
//! compare both with the library.
//!
//! Layouts are given for pointers of 64 and of 32 bits, each type aligned to its size, as on x86-64, AArch64, ARM and
//! RISC-V. (On i386 an int64_t in a struct is aligned to 4 bytes.)

use serde_json::{Map, Value, json};

/// A parameter of a function, or a field of a struct.
struct Member {
    name: String,
    kind: String,
    /// Items of an array; 0 for anything else.
    length: u64,
    doc: String,
}

/// What the header does not say.
pub struct Beside {
    /// `src/ffi/properties.json`.
    pub properties: String,
    /// `docs/events.md`.
    pub events: String,
}

/// The whole file, from the text of the header and what stands beside it. Errors name the declaration that was not
/// understood.
pub fn json(header: &str, beside: &Beside, soname: &str) -> Result<String, String> {
    let mut reader = Reader { lines: header.lines().collect(), at: 0, doc: String::new(), abi: Abi::default() };
    while reader.step()? {}
    let abi = reader.abi;
    let properties = properties(&beside.properties, &abi.constants)?;
    let events = events(&beside.events, &abi.constants)?;
    let lists = [
        ("constants", abi.constants),
        ("handles", abi.handles),
        ("callbacks", abi.callbacks),
        ("structs", abi.structs),
        ("functions", abi.functions),
        ("properties", properties),
        ("events", events),
    ];
    let number = lists.first().and_then(|(_, constants)| constants.first()).map_or(Value::Null, |c| c["value"].clone());
    let mut text = format!("{{\n\"header\": \"mailcore.h\",\n\"soname\": {},\n\"version\": {number}", json!(soname));
    for (name, items) in lists {
        let items: Vec<String> = items.iter().map(Value::to_string).collect();
        text.push_str(&format!(",\n\"{name}\": [\n{}\n]", items.join(",\n")));
    }
    text.push_str("\n}\n");
    Ok(text)
}

/// What was read so far.
#[derive(Default)]
struct Abi {
    constants: Vec<Value>,
    handles: Vec<Value>,
    callbacks: Vec<Value>,
    structs: Vec<Value>,
    functions: Vec<Value>,
    /// Size and alignment of each struct, by name: for pointers of 64 bits, then of 32.
    sizes: Vec<(String, [(u64, u64); 2])>,
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
    /// The comment in front of the present line.
    doc: String,
    abi: Abi,
}

impl Reader<'_> {
    /// Reads one declaration or comment; false at the end.
    fn step(&mut self) -> Result<bool, String> {
        let Some(line) = self.lines.get(self.at).copied() else { return Ok(false) };
        if line.starts_with("/**") {
            self.doc = self.comment();
            return Ok(true);
        }
        self.at += 1;
        if let Some(rest) = line.strip_prefix("#define MAILCORE_") {
            self.constant(rest);
        } else if let Some(name) = line.strip_prefix("typedef uint64_t ").and_then(|rest| rest.strip_suffix(';')) {
            self.abi.handles.push(json!({"name": name, "type": "uint64_t", "doc": self.doc}));
        } else if line == "typedef struct {" {
            self.structure()?;
        } else if let Some(rest) = line.strip_prefix("typedef int32_t (*") {
            let text = self.until(rest, ");");
            let (name, parameters) = text.split_once(")(").ok_or_else(|| format!("callback: {text}"))?;
            let parameters = parameters_of(parameters, &self.doc)?;
            self.abi
                .callbacks
                .push(json!({"name": name, "returns": "int32_t", "parameters": members(&parameters), "doc": self.doc}));
        } else if let Some(rest) = line.strip_prefix("MAILCORE_API") {
            let text = self.until(rest, ");");
            self.function(&text)?;
        }
        if !line.is_empty() {
            self.doc.clear();
        }
        Ok(true)
    }

    /// The text of a comment, without its stars.
    fn comment(&mut self) -> String {
        let mut lines = Vec::new();
        while let Some(line) = self.lines.get(self.at) {
            self.at += 1;
            let end = line.trim_end().ends_with("*/");
            let line = line.trim().trim_start_matches("/**").trim_end_matches("*/");
            let line = line.strip_prefix("* ").or_else(|| line.strip_prefix('*')).unwrap_or(line);
            lines.push(line.trim().to_owned());
            if end {
                break;
            }
        }
        lines.join("\n").trim().to_owned()
    }

    /// `first` and the lines behind it up to `end`, which is left out, with single spaces.
    fn until(&mut self, first: &str, end: &str) -> String {
        let mut text = first.to_owned();
        while !text.contains(end) {
            let Some(line) = self.lines.get(self.at) else { break };
            self.at += 1;
            text.push(' ');
            text.push_str(line);
        }
        let text = text.split(end).next().unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A number or a text; macros with another form, which only C can use, are left out.
    fn constant(&mut self, rest: &str) {
        let Some((name, value)) = rest.split_once(' ') else { return };
        let value = match (value.parse::<i64>(), value.strip_prefix('"').and_then(|v| v.strip_suffix('"'))) {
            (Ok(number), _) => json!(number),
            (_, Some(text)) => json!(text),
            _ => return,
        };
        self.abi.constants.push(json!({"name": format!("MAILCORE_{name}"), "value": value, "doc": self.doc}));
    }

    fn function(&mut self, text: &str) -> Result<(), String> {
        let (head, parameters) = text.split_once('(').ok_or_else(|| format!("function: {text}"))?;
        let head = member(head)?;
        let parameters = parameters_of(parameters, &self.doc)?;
        let tags: Vec<&str> = ["nowait", "disk", "wait", "hook-ok"]
            .into_iter()
            .filter(|tag| self.doc.contains(&format!("[{tag}]")))
            .collect();
        let returns = tagged(&self.doc, "@returns ").unwrap_or_default();
        let mut errors: Vec<&str> = Vec::new();
        for word in self.doc.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("MAILCORE_E_") && !errors.contains(&word) {
                errors.push(word);
            }
        }
        let text = self.doc.split("\n@").next().unwrap_or_default().trim();
        self.abi.functions.push(json!({
            "name": head.name, "returns": head.kind, "parameters": members(&parameters), "tags": tags,
            "errors": errors, "result": returns, "since": tagged(&self.doc, "@since "), "doc": text,
        }));
        Ok(())
    }

    fn structure(&mut self) -> Result<(), String> {
        let doc = std::mem::take(&mut self.doc);
        let mut fields: Vec<Member> = Vec::new();
        while let Some(line) = self.lines.get(self.at).map(|line| line.trim()) {
            if line.starts_with("/**") {
                self.doc = self.comment();
                continue;
            }
            self.at += 1;
            if let Some(name) = line.strip_prefix("} ").and_then(|rest| rest.strip_suffix(';')) {
                return self.lay_out(name, &doc, &fields);
            }
            let field = line.strip_suffix(';').ok_or_else(|| format!("field: {line}"))?;
            fields.push(Member { doc: std::mem::take(&mut self.doc), ..member(field)? });
        }
        Err("a struct does not end".to_owned())
    }

    /// Adds a struct with the place of each field.
    fn lay_out(&mut self, name: &str, doc: &str, fields: &[Member]) -> Result<(), String> {
        let mut ends = [(0_u64, 1_u64); 2];
        let mut list = Vec::new();
        for field in fields {
            let mut item = Map::new();
            for (width, (end, widest)) in ends.iter_mut().enumerate() {
                let (size, align) = self.size(&field.kind, width).ok_or_else(|| format!("type: {}", field.kind))?;
                let offset = end.next_multiple_of(align);
                *end = offset + size * field.length.max(1);
                *widest = align.max(*widest);
                item.insert(["offset64", "offset32"][width].to_owned(), json!(offset));
            }
            if field.length > 0 {
                item.insert("length".to_owned(), json!(field.length));
            }
            item.insert("name".to_owned(), json!(field.name));
            item.insert("type".to_owned(), json!(field.kind));
            item.insert("doc".to_owned(), json!(field.doc));
            list.push(Value::Object(item));
        }
        let sizes = ends.map(|(end, align)| (end.next_multiple_of(align), align));
        self.abi.structs.push(json!({
            "name": name, "size64": sizes[0].0, "size32": sizes[1].0, "fields": list, "doc": doc,
        }));
        self.abi.sizes.push((name.to_owned(), sizes));
        Ok(())
    }

    /// Size and alignment of a type, for pointers of 64 (`width` 0) or 32 bits.
    fn size(&self, kind: &str, width: usize) -> Option<(u64, u64)> {
        let is = |list: &[Value]| list.iter().any(|item| item["name"] == kind);
        let pointer = if width == 0 { 8 } else { 4 };
        let same = |size: u64| Some((size, size));
        match kind {
            "char" | "uint8_t" => same(1),
            "int32_t" | "uint32_t" => same(4),
            "int64_t" | "uint64_t" => same(8),
            "size_t" => same(pointer),
            _ if kind.ends_with('*') || is(&self.abi.callbacks) => same(pointer),
            _ if is(&self.abi.handles) => same(8),
            _ => self.abi.sizes.iter().find(|(name, _)| name == kind).and_then(|(_, sizes)| sizes.get(width).copied()),
        }
    }
}

/// Splits `const char *name[12]` into type, name and length.
fn member(text: &str) -> Result<Member, String> {
    let (text, length) = match text.trim().split_once('[') {
        Some((text, rest)) => (text, rest.trim_end_matches(']').parse().map_err(|e| format!("{text}[{rest}: {e}"))?),
        None => (text.trim(), 0),
    };
    let at = text.rfind([' ', '*']).map(|at| at + 1).ok_or_else(|| format!("declaration: {text}"))?;
    let (kind, name) = text.split_at(at);
    Ok(Member { name: name.to_owned(), kind: kind.trim().to_owned(), length, doc: String::new() })
}

fn parameters_of(text: &str, doc: &str) -> Result<Vec<Member>, String> {
    if text.trim() == "void" {
        return Ok(Vec::new());
    }
    let described = |parameter: Member| {
        let doc = tagged(doc, &format!("@param {} ", parameter.name)).unwrap_or_default();
        Member { doc, ..parameter }
    };
    text.split(',').map(|one| member(one).map(described)).collect()
}

fn members(list: &[Member]) -> Vec<Value> {
    list.iter().map(|m| json!({"name": m.name, "type": m.kind, "doc": m.doc})).collect()
}

/// What follows a tag, up to the next one.
fn tagged(doc: &str, tag: &str) -> Option<String> {
    let rest = doc.split(&format!("\n{tag}")).nth(1)?;
    Some(rest.split("\n@").next()?.trim().to_owned())
}

/// The properties, each with its constant where it has one.
fn properties(text: &str, constants: &[Value]) -> Result<Vec<Value>, String> {
    let mut list: Vec<Value> = serde_json::from_str(text).map_err(|e| format!("properties.json: {e}"))?;
    for property in &mut list {
        let of_it = |c: &&Value| {
            c["value"] == property["name"] && c["name"].as_str().is_some_and(|name| name.starts_with("MAILCORE_KEY_"))
        };
        if let Some(constant) = constants.iter().find(of_it) {
            property["constant"] = constant["name"].clone();
        }
    }
    Ok(list)
}

/// The events: the rows of the first table of the page, with the rows of the second as fields. Fields of all events
/// stand in front.
fn events(page: &str, constants: &[Value]) -> Result<Vec<Value>, String> {
    let plain = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rows = || page.lines().filter(|line| line.starts_with("| ")).map(|line| line.split('|').collect::<Vec<_>>());
    let mut list = Vec::new();
    for row in rows() {
        let [_, event, constant, subject, code, count, _] = row[..] else { continue };
        let (event, constant) = (plain(event), plain(constant));
        if !constant.starts_with("MAILCORE_EVENT_") {
            continue;
        }
        let known = constants.iter().find(|c| c["name"] == constant.as_str());
        let doc = &known.ok_or_else(|| format!("events.md: there is no {constant}"))?["doc"];
        let mut fields = Vec::new();
        for field in rows() {
            let [_, of, field, says, _] = field[..] else { continue };
            if plain(of) == event || plain(of) == "all" {
                let optional = says.contains("*optional*");
                fields.push(json!({"name": plain(field), "doc": says.trim(), "optional": optional}));
            }
        }
        list.push(json!({
            "name": event, "constant": constant, "doc": doc, "subject": subject.trim(), "code": code.trim(),
            "count": count.trim(), "fields": fields,
        }));
    }
    if list.is_empty() { Err("events.md has no table of events".to_owned()) } else { Ok(list) }
}
