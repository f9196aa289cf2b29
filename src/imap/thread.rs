//! Threads: messages put together as replies (RFC 5256 §3, THREAD=REFERENCES, ORDEREDSUBJECT; THREAD=REFS as other
//! servers have it), and the THREAD response.
//!
//! Nothing here calls itself: a thread may be as deep as a mailbox is long.

use std::collections::BTreeMap;

use super::command::ThreadAlgorithm;
use super::response::number;

/// A message id, hashed: ids that are alike have hashes that are alike, and no others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(pub [u8; 16]);

/// A message to be threaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Member<'a> {
    /// Its Message-ID.
    pub id: Option<Id>,
    /// What it answers, the oldest first.
    pub references: &'a [Id],
    /// When it was sent.
    pub sent: i64,
    /// Its INTERNALDATE.
    pub arrived: i64,
    /// Its base subject as a key of the collation; empty for none.
    pub subject: &'a str,
    /// Whether its subject says that it is a reply or forwarded.
    pub is_reply: bool,
}

/// A forest over messages, which are known by their places in the list that was threaded, and over dummies, which stand
/// for messages that are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threads {
    /// How many of the nodes are messages: those that come first.
    messages: usize,
    /// For each node, its children in order.
    children: Vec<Vec<usize>>,
    /// The first of each thread, in order.
    roots: Vec<usize>,
}

/// Puts messages, which stand in the order of the mailbox, into threads.
pub fn threads(algorithm: ThreadAlgorithm, members: &[Member<'_>]) -> Threads {
    match algorithm {
        ThreadAlgorithm::OrderedSubject => ordered_subject(members),
        ThreadAlgorithm::References => Builder::linked(members).by_references(),
        ThreadAlgorithm::Refs => Builder::linked(members).by_arrival(),
    }
}

fn ordered_subject(members: &[Member<'_>]) -> Threads {
    let key = |place: &usize| members.get(*place).map(|member| (member.subject, member.sent));
    let mut sorted: Vec<usize> = (0..members.len()).collect();
    sorted.sort_by_key(key);
    let mut children = vec![Vec::new(); members.len()];
    let mut roots = Vec::new();
    for thread in sorted.chunk_by(|one, other| key(one).map(|key| key.0) == key(other).map(|key| key.0)) {
        let Some((first, rest)) = thread.split_first() else { continue };
        roots.push(*first);
        if let Some(to) = children.get_mut(*first) {
            to.extend_from_slice(rest);
        }
    }
    roots.sort_by_key(|place| (members.get(*place).map(|member| member.sent), *place));
    Threads { messages: members.len(), children, roots }
}

/// Threads being made: links first, then lists of children.
struct Builder<'a> {
    members: &'a [Member<'a>],
    parents: Vec<Option<usize>>,
    /// How many children each node has, while links are made.
    counts: Vec<usize>,
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
}

impl<'a> Builder<'a> {
    /// Steps 1 to 3: links by references; dummies that are not needed go.
    fn linked(members: &'a [Member<'a>]) -> Builder<'a> {
        let count = members.len();
        let mut builder = Builder {
            members,
            parents: vec![None; count],
            counts: vec![0; count],
            children: Vec::new(),
            roots: Vec::new(),
        };
        let mut nodes: BTreeMap<Id, usize> = BTreeMap::new();
        for (place, member) in members.iter().enumerate() {
            if let Some(id) = member.id {
                nodes.entry(id).or_insert(place);
            }
        }
        for (place, member) in members.iter().enumerate() {
            let mut parent: Option<usize> = None;
            for id in member.references {
                let node = *nodes.entry(*id).or_insert_with(|| builder.add());
                if let Some(parent) = parent
                    && builder.parent(node).is_none()
                {
                    builder.link(parent, node);
                }
                parent = Some(node);
            }
            builder.cut(place);
            if let Some(parent) = parent {
                builder.link(parent, place);
            }
        }
        builder.gather();
        builder
    }

    fn add(&mut self) -> usize {
        self.parents.push(None);
        self.counts.push(0);
        self.parents.len() - 1
    }

    fn parent(&self, node: usize) -> Option<usize> {
        self.parents.get(node).copied().flatten()
    }

    fn cut(&mut self, child: usize) {
        if let Some(parent) = self.parents.get_mut(child).and_then(Option::take)
            && let Some(count) = self.counts.get_mut(parent)
        {
            *count -= 1;
        }
    }

    /// Makes one node the parent of another that has none, unless it is among its descendants.
    fn link(&mut self, parent: usize, child: usize) {
        let mut at = Some(parent);
        // A node without children has no descendants.
        let is_leaf = self.counts.get(child) == Some(&0) && parent != child;
        while let Some(node) = at.filter(|_| !is_leaf) {
            if node == child {
                return;
            }
            at = self.parent(node);
        }
        if let (Some(of), Some(count)) = (self.parents.get_mut(child), self.counts.get_mut(parent)) {
            *of = Some(parent);
            *count += 1;
        }
    }

    fn is_dummy(&self, node: usize) -> bool {
        node >= self.members.len()
    }

    /// Lists of children, without dummies but for those that hold several threads of the first level together.
    fn gather(&mut self) {
        self.children = vec![Vec::new(); self.parents.len()];
        let mut roots = Vec::new();
        for node in 0..self.parents.len() {
            match self.parent(node) {
                Some(parent) => push_to(&mut self.children, parent, node),
                None => roots.push(node),
            }
        }
        for node in bottom_up(&roots, &self.children) {
            let mut kept = Vec::new();
            for child in self.take_children(node) {
                if !self.is_dummy(child) {
                    kept.push(child);
                    continue;
                }
                let mut promoted = self.take_children(child);
                if promoted.len() > kept.len() {
                    std::mem::swap(&mut promoted, &mut kept);
                }
                kept.append(&mut promoted);
            }
            if let Some(children) = self.children.get_mut(node) {
                *children = kept;
            }
        }
        for root in roots {
            match self.children.get_mut(root) {
                Some(children) if root >= self.members.len() && children.len() < 2 => self.roots.append(children),
                _ => self.roots.push(root),
            }
        }
    }

    fn take_children(&mut self, node: usize) -> Vec<usize> {
        self.children.get_mut(node).map(std::mem::take).unwrap_or_default()
    }

    fn children_of(&self, node: usize) -> &[usize] {
        self.children.get(node).map_or(&[], Vec::as_slice)
    }

    /// The message that stands for a node of the first level: itself, or the first child of a dummy.
    fn head(&self, node: usize) -> Option<(usize, &Member<'a>)> {
        let node = if self.is_dummy(node) { *self.children_of(node).first()? } else { node };
        self.members.get(node).map(|member| (node, member))
    }

    /// Sorts siblings by the date sent, and by their order in the mailbox.
    fn sort_children(&mut self, node: usize) {
        let members = self.members;
        if let Some(children) = self.children.get_mut(node) {
            children.sort_by_key(|child| (members.get(*child).map(|member| member.sent), *child));
        }
    }

    /// Sorts the first level by the date sent.
    fn sort_roots(&mut self) {
        let mut roots = std::mem::take(&mut self.roots);
        for root in roots.iter().filter(|root| self.is_dummy(**root)).copied().collect::<Vec<_>>() {
            self.sort_children(root);
        }
        roots.sort_by_cached_key(|root| self.head(*root).map(|(place, member)| (member.sent, place)));
        self.roots = roots;
    }

    /// Steps 4 to 6 of REFERENCES: threads of one base subject come together; siblings are sorted.
    fn by_references(mut self) -> Threads {
        self.sort_roots();
        let mut table: BTreeMap<&'a str, usize> = BTreeMap::new();
        for root in &self.roots {
            let Some(subject) = self.subject(*root) else { continue };
            let known = *table.entry(subject).or_insert(*root);
            let is_better = self.is_dummy(*root) || (self.is_reply(known) && !self.is_reply(*root));
            if !self.is_dummy(known) && is_better {
                table.insert(subject, *root);
            }
        }
        let mut gone = vec![false; self.parents.len()];
        for root in self.roots.clone() {
            let Some(subject) = self.subject(root) else { continue };
            let Some(with) = table.get(subject).copied().filter(|with| *with != root) else { continue };
            self.merge(root, with, subject, &mut table, &mut gone);
        }
        let dummies = self.children.len();
        self.roots.retain(|root| gone.get(*root) != Some(&true));
        self.roots.extend((self.parents.len()..dummies).filter(|dummy| gone.get(*dummy) != Some(&true)));
        self.finished()
    }

    fn merge(
        &mut self,
        root: usize,
        with: usize,
        subject: &'a str,
        table: &mut BTreeMap<&'a str, usize>,
        gone: &mut Vec<bool>,
    ) {
        let mut leave = |node: usize| {
            if let Some(gone) = gone.get_mut(node) {
                *gone = true;
            }
        };
        if self.is_dummy(root) && self.is_dummy(with) {
            let mut children = self.children.get_mut(root).map(std::mem::take).unwrap_or_default();
            if let Some(to) = self.children.get_mut(with) {
                to.append(&mut children);
            }
            leave(root);
        } else if self.is_dummy(with) || (self.is_reply(root) && !self.is_reply(with)) {
            push_to(&mut self.children, with, root);
            leave(root);
        } else {
            let dummy = self.children.len();
            self.children.push(vec![with, root]);
            table.insert(subject, dummy);
            leave(root);
            leave(with);
            gone.push(false);
        }
    }

    /// The subject of a thread; `None` where it is empty.
    fn subject(&self, root: usize) -> Option<&'a str> {
        self.head(root).map(|(_, member)| member.subject).filter(|subject| !subject.is_empty())
    }

    fn is_reply(&self, node: usize) -> bool {
        self.members.get(node).is_some_and(|member| member.is_reply)
    }

    /// Step 6.
    fn finished(mut self) -> Threads {
        for node in bottom_up(&self.roots, &self.children) {
            self.sort_children(node);
        }
        self.sort_roots();
        Threads { messages: self.members.len(), children: self.children, roots: self.roots }
    }

    /// THREAD=REFS: threads stand in the order of their latest arrivals.
    fn by_arrival(self) -> Threads {
        let members = self.members;
        let mut threads = self.finished();
        let mut latest = vec![(i64::MIN, 0); threads.children.len()];
        for node in bottom_up(&threads.roots, &threads.children) {
            let own = members.get(node).map_or((i64::MIN, 0), |member| (member.arrived, node));
            let below = threads.children_of(node).iter().filter_map(|child| latest.get(*child)).max().copied();
            if let Some(to) = latest.get_mut(node) {
                *to = own.max(below.unwrap_or(own));
            }
        }
        threads.roots.sort_by_key(|root| latest.get(*root).copied());
        threads
    }
}

fn push_to(children: &mut [Vec<usize>], parent: usize, child: usize) {
    if let Some(list) = children.get_mut(parent) {
        list.push(child);
    }
}

/// The nodes under these, and they themselves: each behind its children.
fn bottom_up(roots: &[usize], children: &[Vec<usize>]) -> Vec<usize> {
    let mut order = roots.to_vec();
    let mut next = 0;
    while let Some(node) = order.get(next) {
        order.extend_from_slice(children.get(*node).map_or(&[], Vec::as_slice));
        next += 1;
    }
    order.reverse();
    order
}

/// What is still to be written of a THREAD response.
enum Left {
    Thread(usize),
    End,
}

impl Threads {
    fn children_of(&self, node: usize) -> &[usize] {
        self.children.get(node).map_or(&[], Vec::as_slice)
    }

    /// How many threads there are.
    pub fn count(&self) -> usize {
        self.roots.len()
    }

    /// Writes these threads (a range of those there are), without what stands around all of them. `name` gives the
    /// message number or UID of a message, by its place in the list that was threaded.
    pub fn write(&self, out: &mut Vec<u8>, range: std::ops::Range<usize>, name: impl Fn(usize) -> u32) {
        for root in self.roots.get(range).unwrap_or_default() {
            let mut left = vec![Left::Thread(*root)];
            while let Some(next) = left.pop() {
                match next {
                    Left::End => out.push(b')'),
                    Left::Thread(node) => {
                        out.push(b'(');
                        left.push(Left::End);
                        let branches = self.write_line(out, node, &name);
                        left.extend(branches.iter().rev().map(|branch| Left::Thread(*branch)));
                    }
                }
            }
        }
    }

    /// Writes a message and what follows it as long as there is one answer to each; gives the branches behind it.
    fn write_line(&self, out: &mut Vec<u8>, node: usize, name: &impl Fn(usize) -> u32) -> &[usize] {
        if node >= self.messages {
            return self.children_of(node);
        }
        let mut at = node;
        loop {
            number(out, name(at));
            match self.children_of(at) {
                [] => return &[],
                [one] => {
                    out.push(b' ');
                    at = *one;
                }
                many => {
                    out.push(b' ');
                    return many;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
