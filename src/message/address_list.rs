//! Address lists of From, To and their like: RFC 5322 §3.4 with the obsolete syntax of §4.4, and what people
//! really send.
//!
//! Never fails: what is no address comes as one with an empty domain, so that nothing is silently lost. Encoded
//! words are left as they are, since ENVELOPE (RFC 9051 §7.5.2) wants them so.

use crate::base::limits::HEADER_ADDRESSES_MAX;
use crate::base::quoted;

/// One element of an address list, groups flattened as ENVELOPE shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListItem {
    /// An address.
    Mailbox(Mailbox),
    /// `name:` of a group; its members follow.
    GroupStart(Vec<u8>),
    /// `;` of a group, also where it was left out.
    GroupEnd,
}

/// `Display Name <local@domain>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mailbox {
    /// Display name, unquoted, encoded words as they stand; a comment where there was only that.
    pub name: Option<Vec<u8>>,
    /// Source route, `@a,@b` (RFC 5322 §4.4).
    pub route: Option<Vec<u8>>,
    /// Local part, unquoted.
    pub local: Vec<u8>,
    /// Domain; empty where there was none.
    pub domain: Vec<u8>,
}

/// Reads an address list, at most `HEADER_ADDRESSES_MAX` elements of it. Folding may be left in.
pub fn addresses(value: &[u8]) -> Vec<ListItem> {
    let mut parser = Parser { rest: value, items: Vec::new(), in_group: false, entry: Entry::default() };
    parser.run();
    parser.items
}

/// Only the mailboxes of [`addresses`].
pub fn mailboxes(value: &[u8]) -> impl Iterator<Item = Mailbox> {
    addresses(value).into_iter().filter_map(|item| match item {
        ListItem::Mailbox(mailbox) => Some(mailbox),
        _ => None,
    })
}

struct Parser<'a> {
    rest: &'a [u8],
    items: Vec<ListItem>,
    in_group: bool,
    entry: Entry,
}

/// What was read of the present element.
#[derive(Default)]
struct Entry {
    /// Words and dots not yet given a meaning.
    words: Vec<Word>,
    /// The last comment.
    comment: Option<Vec<u8>>,
    address: Option<Mailbox>,
    /// Whether the address stood in angle brackets.
    angled: bool,
    /// Words that were there before the address was complete: those behind it may begin another one, where a comma was
    /// forgotten.
    named: usize,
}

struct Word {
    text: Vec<u8>,
    is_dot: bool,
    /// Whether white space or a comment stood in front.
    spaced: bool,
}

impl Parser<'_> {
    fn run(&mut self) {
        while self.items.len() < HEADER_ADDRESSES_MAX {
            let spaced = self.skip_white();
            let Some((&c, rest)) = self.rest.split_first() else { break };
            match c {
                b'(' => {
                    // A comment that never ends hides nothing.
                    self.entry.words.push(Word { text: rest.to_vec(), is_dot: false, spaced });
                    self.rest = &[];
                }
                b',' => {
                    self.rest = rest;
                    self.finish_entry();
                }
                b';' => {
                    self.rest = rest;
                    self.finish_entry();
                    self.finish_group();
                }
                b':' => {
                    self.rest = rest;
                    self.group_start();
                }
                b'<' => {
                    self.rest = rest;
                    self.angle();
                }
                b'@' => {
                    self.rest = rest;
                    self.bare_domain();
                }
                _ => {
                    let (text, is_dot) = self.word();
                    self.entry.words.push(Word { text, is_dot, spaced });
                }
            }
        }
        self.finish_entry();
        self.finish_group();
    }

    /// Skips white space and comments, keeping the last comment; says whether there was any.
    fn skip_white(&mut self) -> bool {
        let mut skipped = false;
        while let Some((&c, rest)) = self.rest.split_first() {
            match c {
                b' ' | b'\t' | b'\r' | b'\n' => self.rest = rest,
                b'(' => {
                    let Some((comment, rest)) = closed_comment(rest) else { break };
                    self.rest = rest;
                    self.entry.comment = Some(comment);
                }
                _ => break,
            }
            skipped = true;
        }
        skipped
    }

    /// A quoted string, a dot, an atom, or one octet that is none of them.
    fn word(&mut self) -> (Vec<u8>, bool) {
        match self.rest.split_first() {
            Some((b'"', rest)) => {
                let (text, rest) = quoted::take(rest);
                self.rest = rest;
                (text, false)
            }
            Some((b'.', rest)) => {
                self.rest = rest;
                (b".".to_vec(), true)
            }
            _ => {
                let len = self.rest.iter().take_while(|c| is_atom(**c)).count().max(1);
                let (text, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
                self.rest = rest;
                (text.to_vec(), false)
            }
        }
    }

    fn group_start(&mut self) {
        let name = join(&std::mem::take(&mut self.entry).words);
        self.finish_group();
        if name.is_empty() {
            return;
        }
        self.items.push(ListItem::GroupStart(name));
        self.in_group = true;
    }

    fn finish_group(&mut self) {
        if std::mem::take(&mut self.in_group) {
            self.items.push(ListItem::GroupEnd);
        }
    }

    /// Where the present element has its address already, that one ends here: a comma was forgotten. The words behind
    /// the address are the next one's.
    fn split_entry(&mut self) {
        let words = self.entry.words.split_off(self.entry.named.min(self.entry.words.len()));
        self.finish_entry();
        self.entry.words = words;
    }

    /// Behind `<`: `[route] addr-spec >`, the closing bracket or the domain possibly missing.
    fn angle(&mut self) {
        if self.entry.angled {
            self.split_entry();
        }
        let mut mailbox = Mailbox::default();
        let mut local: Vec<Word> = Vec::new();
        loop {
            let spaced = self.skip_white();
            match self.rest.split_first() {
                None | Some((b'<' | b';', _)) => break,
                Some((b',', rest)) => {
                    // Between the hosts of a route, or where a `>` is missing.
                    if mailbox.route.is_none() || !mailbox.domain.is_empty() || !local.is_empty() {
                        break;
                    }
                    self.rest = rest;
                }
                Some((b'>', rest)) => {
                    self.rest = rest;
                    break;
                }
                Some((b'@', rest)) => {
                    self.rest = rest;
                    let domain = self.domain();
                    if local.is_empty() && mailbox.local.is_empty() {
                        let route = mailbox.route.get_or_insert_default();
                        if !route.is_empty() {
                            route.push(b',');
                        }
                        route.push(b'@');
                        route.extend_from_slice(&domain);
                    } else if mailbox.domain.is_empty() {
                        mailbox.local = concat(&std::mem::take(&mut local));
                        mailbox.domain = domain;
                    } else {
                        mailbox.domain.push(b'@');
                        mailbox.domain.extend_from_slice(&domain);
                    }
                }
                // Behind a route; anywhere else it is a sign like others.
                Some((b':', rest)) if local.is_empty() && mailbox.route.is_some() => self.rest = rest,
                Some(_) => {
                    let (text, is_dot) = self.word();
                    local.push(Word { text, is_dot, spaced });
                }
            }
        }
        if mailbox.domain.is_empty() {
            mailbox.local.extend(concat(&local));
            if mailbox.local.is_empty()
                && let Some(route) = mailbox.route.take()
            {
                // `<@example.org>`: an address without local part rather than a route to nowhere.
                mailbox.domain = route.strip_prefix(b"@").unwrap_or(&route).to_vec();
            }
        }
        self.take_bare_as_name();
        self.entry.address = Some(mailbox);
        self.entry.angled = true;
        self.entry.named = self.entry.words.len();
    }

    /// `a@b <c@d>`: what looked like the address was the display name.
    fn take_bare_as_name(&mut self) {
        if let Some(bare) = self.entry.address.take().filter(|_| !self.entry.angled) {
            let text = [bare.local, bare.domain].join(&b'@');
            self.entry.words.insert(0, Word { text, is_dot: false, spaced: true });
        }
    }

    /// Behind an `@` outside angle brackets: the words in front of it, as far as dots join them, are the local
    /// part; those before them the display name.
    fn bare_domain(&mut self) {
        if self.entry.address.is_some() && self.entry.words.len() > self.entry.named {
            self.split_entry();
        }
        let domain = self.domain();
        if let Some(mailbox) = &mut self.entry.address {
            mailbox.domain.push(b'@');
            mailbox.domain.extend_from_slice(&domain);
            return;
        }
        let words = &mut self.entry.words;
        let mut start = words.len();
        let mut want_word = true;
        for word in words.iter().rev() {
            if !want_word && !word.is_dot {
                break;
            }
            want_word = word.is_dot;
            start -= 1;
        }
        let local = concat(&words.split_off(start));
        self.entry.named = words.len();
        self.entry.address = Some(Mailbox { local, domain, ..Mailbox::default() });
    }

    /// Atoms, dots and literals, comments between them left out.
    fn domain(&mut self) -> Vec<u8> {
        let mut domain = Vec::new();
        let mut want_atom = true;
        loop {
            let before = self.rest;
            let spaced = self.skip_white();
            match self.rest.split_first() {
                Some((b'.', rest)) => {
                    self.rest = rest;
                    domain.push(b'.');
                    want_atom = true;
                }
                Some((b'[', _)) => {
                    let end = self.rest.iter().position(|c| *c == b']').map_or(self.rest.len(), |n| n + 1);
                    let (literal, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
                    self.rest = rest;
                    domain.extend(literal.iter().filter(|c| !c.is_ascii_whitespace()));
                    want_atom = false;
                }
                Some((c, _)) if is_atom(*c) && (want_atom || !spaced) => {
                    let (text, _) = self.word();
                    domain.extend_from_slice(&text);
                    want_atom = false;
                }
                _ => {
                    if spaced && self.entry.comment.is_none() {
                        self.rest = before;
                    }
                    return domain;
                }
            }
        }
    }

    fn finish_entry(&mut self) {
        let entry = std::mem::take(&mut self.entry);
        if self.items.len() >= HEADER_ADDRESSES_MAX {
            return;
        }
        let words = join(&entry.words);
        let mailbox = match entry.address {
            Some(mailbox) => {
                // Behind a bare address words are rubbish; those in front of it were its name.
                let name = if words.is_empty() { entry.comment } else { Some(words) };
                Mailbox { name, ..mailbox }
            }
            None if entry.words.is_empty() => return,
            None => Mailbox { name: entry.comment, local: words, ..Mailbox::default() },
        };
        self.items.push(ListItem::Mailbox(mailbox));
    }
}

/// Words as a phrase: one space where there was white space.
fn join(words: &[Word]) -> Vec<u8> {
    let mut text = Vec::new();
    for word in words {
        if word.spaced && !text.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(&word.text);
    }
    text
}

/// Words as a local part: nothing between them.
fn concat(words: &[Word]) -> Vec<u8> {
    words.iter().flat_map(|word| word.text.iter().copied()).collect()
}

/// Behind `(`: the comment's text without outer parentheses, and what follows it. One that never ends ends with the
/// value.
pub fn comment(octets: &[u8]) -> (Vec<u8>, &[u8]) {
    let (text, rest, _) = read_comment(octets);
    (text, rest)
}

fn closed_comment(octets: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (text, rest, closed) = read_comment(octets);
    closed.then_some((text, rest))
}

fn read_comment(octets: &[u8]) -> (Vec<u8>, &[u8], bool) {
    let mut text = Vec::new();
    let mut depth = 1_usize;
    let mut rest = octets;
    while let Some((&c, behind)) = rest.split_first() {
        rest = behind;
        match c {
            b'\\' => {
                if let Some((&c, behind)) = rest.split_first() {
                    rest = behind;
                    text.push(c);
                }
                continue;
            }
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'\r' | b'\n' => continue,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        text.push(c);
    }
    (text.trim_ascii().to_vec(), rest, depth == 0)
}

/// Anything that separates nothing: atext, octets above ASCII, and stray characters.
fn is_atom(c: u8) -> bool {
    !c.is_ascii_whitespace() && !b"()<>@,;:\".[".contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> String {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let items: Vec<String> = addresses(value.as_bytes())
            .iter()
            .map(|item| match item {
                ListItem::GroupStart(name) => format!("{{{}", text(name)),
                ListItem::GroupEnd => "}".to_owned(),
                ListItem::Mailbox(m) => {
                    let name = m.name.as_deref().map_or(String::new(), |n| format!("{} ", text(n)));
                    let route = m.route.as_deref().map_or(String::new(), |r| format!("{}:", text(r)));
                    format!("{name}<{route}{}|{}>", text(&m.local), text(&m.domain))
                }
            })
            .collect();
        items.join(" ")
    }

    #[test]
    fn reads_lists() {
        for (value, want) in [
            ("", ""),
            ("a@b", "<a|b>"),
            ("Bob <bob@x.org>", "Bob <bob|x.org>"),
            ("\"Smith, Bob\" <bob@x.org>, c@d", "Smith, Bob <bob|x.org> <c|d>"),
            ("John Q. Public <j@p>", "John Q. Public <j|p>"),
            ("a.b.c@d.e", "<a.b.c|d.e>"),
            ("a . b @ c . d", "<a.b|c.d>"),
            ("\"a b\"@c", "<a b|c>"),
            ("\"a\\\"b\"@c", "<a\"b|c>"),
            ("jdoe@one.test (John Doe)", "John Doe <jdoe|one.test>"),
            ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete <pete|silly.test>"),
            ("A Group:Ed <e@f>,joe@w.test,John <j@o>;", "{A Group Ed <e|f> <joe|w.test> John <j|o> }"),
            ("Undisclosed recipients:;", "{Undisclosed recipients }"),
            ("g: a@b;, c@d", "{g <a|b> } <c|d>"),
            ("g: a@b; c@d", "{g <a|b> } <c|d>"),
            ("g: a@b", "{g <a|b> }"),
            ("<@a,@b:c@d>", "<@a,@b:c|d>"),
            ("Mary <@node.test:mary@x.test>, , jdoe@test", "Mary <@node.test:mary|x.test> <jdoe|test>"),
            (",, a@b ,,, c@d,", "<a|b> <c|d>"),
            ("a@[192.0.2.1], b@[IPv6: ::1]", "<a|[192.0.2.1]> <b|[IPv6:::1]>"),
            ("=?utf-8?q?J=C3=BC?= =?utf-8?q?rgen?= <j@x>", "=?utf-8?q?J=C3=BC?= =?utf-8?q?rgen?= <j|x>"),
            ("Jürgen <jürgen@münchen.example>", "Jürgen <jürgen|münchen.example>"),
        ] {
            assert_eq!(shown(value), want, "{value}");
        }
    }

    #[test]
    fn reads_broken_lists() {
        for (value, want) in [
            ("x@y (c1) , z", "c1 <x|y> <z|>"),
            ("Bob <bob@x, c@d", "Bob <bob|x> <c|d>"),
            ("Bob <bob@x", "Bob <bob|x>"),
            ("Bob bob@x", "Bob <bob|x>"),
            ("Bob", "<Bob|>"),
            ("<>", "<|>"),
            ("Bob <>", "Bob <|>"),
            ("Bob <local>", "Bob <local|>"),
            ("a@b@c", "<a|b@c>"),
            ("a@b <c@d>", "a@b <c|d>"),
            // A forgotten comma.
            ("<a@b> <c@d>", "<a|b> <c|d>"),
            ("A <a@b> C <c@d>", "A <a|b> C <c|d>"),
            ("A <a@b>C D <c@d>, e@f", "A <a|b> C D <c|d> <e|f>"),
            ("a@b c@d", "<a|b> <c|d>"),
            ("a@b c@d <e@f>", "<a|b> c@d <e|f>"),
            ("A <a@b> c@d", "A <a|b> <c|d>"),
            ("A <a@b> (x) c.d@e f", "A <a|b> f <c.d|e>"),
            ("A <a@b> @c", "A <a|b@c>"),
            ("<lost@>", "<lost|>"),
            ("<lost@, c@d", "<lost|> <c|d>"),
            ("<mailto:a@b>", "<mailto:a|b>"),
            ("<a:b>", "<a:b|>"),
            ("\"open <a@b>", "<open <a@b>|>"),
            ("(open <a@b>", "<open <a@b>|>"),
            ("a@b (open, c@d", "open, c@d <a|b>"),
            ("(nobody)", ""),
            ("@", "<|>"),
            ("@x.org", "<|x.org>"),
            ("<@x.org>", "<|x.org>"),
            (";;;:::", ""),
            ("a:b:c@d;", "{a } {b <c|d> }"),
            ("a@b.", "<a|b.>"),
            ("a\r\n @b,\r\n\tc@d\r\n", "<a|b> <c|d>"),
            ("]\\<a@b>", "]\\ <a|b>"),
        ] {
            assert_eq!(shown(value), want, "{value}");
        }
    }

    #[test]
    fn takes_so_many_and_no_more() {
        let list = |n: usize| addresses("a@b,".repeat(n).as_bytes()).len();
        assert_eq!(list(HEADER_ADDRESSES_MAX - 1), HEADER_ADDRESSES_MAX - 1);
        assert_eq!(list(HEADER_ADDRESSES_MAX), HEADER_ADDRESSES_MAX);
        assert_eq!(list(HEADER_ADDRESSES_MAX + 1), HEADER_ADDRESSES_MAX);
    }
}
