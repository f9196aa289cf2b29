//! Search keys combined by NOT, OR and AND, as a program for a stack in place of a tree: however deep a client nests
//! them (SEARCH knows only a binary OR, so a search for 500 senders is 499 deep), nothing here calls itself.
//!
//! Operands come before what combines them. In front of the second operand of AND and OR a skip says where to go on
//! when the first one has decided already.

/// One step of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term<T> {
    /// Puts on the stack whether this key holds.
    Key(T),
    /// Turns the top of the stack round.
    Not,
    /// Takes two from the stack, puts on it whether both hold.
    And,
    /// Takes two from the stack, puts on it whether one of them holds.
    Or,
    /// Goes on at this term where the top of the stack is no.
    SkipIfNo(usize),
    /// Goes on at this term where the top of the stack is yes.
    SkipIfYes(usize),
}

impl<T> Term<T> {
    /// The same step with its key made into another.
    pub fn map<U>(&self, make: impl FnOnce(&T) -> U) -> Term<U> {
        match self {
            Term::Key(key) => Term::Key(make(key)),
            Term::Not => Term::Not,
            Term::And => Term::And,
            Term::Or => Term::Or,
            Term::SkipIfNo(to) => Term::SkipIfNo(*to),
            Term::SkipIfYes(to) => Term::SkipIfYes(*to),
        }
    }
}

/// The program with some of its keys replaced by programs, none of them empty.
pub fn replaced<T: Clone>(program: &[Term<T>], with: impl Fn(&T) -> Option<Vec<Term<T>>>) -> Vec<Term<T>> {
    let parts: Vec<Vec<Term<T>>> = program
        .iter()
        .map(|term| match term {
            Term::Key(key) => with(key).unwrap_or_else(|| vec![term.clone()]),
            _ => vec![term.clone()],
        })
        .collect();
    // Where each term of the old program stands in the new one, and its end.
    let mut places = vec![0];
    for part in &parts {
        places.push(places.last().copied().unwrap_or(0) + part.len());
    }
    let place = |to: usize| places.get(to).or(places.last()).copied().unwrap_or(0);
    let mut whole = Vec::with_capacity(place(program.len()));
    for (term, part) in program.iter().zip(parts) {
        let base = whole.len();
        let is_own = !matches!(term, Term::Key(_));
        let moved = |to: usize| if is_own { place(to) } else { base + to };
        whole.extend(part.into_iter().map(|term| match term {
            Term::SkipIfNo(to) => Term::SkipIfNo(moved(to)),
            Term::SkipIfYes(to) => Term::SkipIfYes(moved(to)),
            term => term,
        }));
    }
    whole
}

/// What a program comes to, given what its keys come to; `None` while too little is known. An empty program holds.
pub fn decide<T>(program: &[Term<T>], holds: impl Fn(&T) -> Option<bool>) -> Option<bool> {
    if let [Term::Key(key)] = program {
        return holds(key);
    }
    // The top of the stack stands apart: most programs never have two on it, and so need no memory.
    let (mut top, mut below): (Option<Option<bool>>, Vec<Option<bool>>) = (None, Vec::new());
    let mut at = 0;
    while let Some(term) = program.get(at) {
        at += 1;
        match term {
            Term::Key(key) => below.extend(top.replace(holds(key))),
            Term::Not => top = Some(not(top.flatten())),
            Term::And => top = Some(both(below.pop().flatten(), top.flatten())),
            Term::Or => top = Some(not(both(not(below.pop().flatten()), not(top.flatten())))),
            Term::SkipIfNo(to) if top == Some(Some(false)) => at = at.max(*to),
            Term::SkipIfYes(to) if top == Some(Some(true)) => at = at.max(*to),
            Term::SkipIfNo(_) | Term::SkipIfYes(_) => {}
        }
    }
    top.unwrap_or(Some(true))
}

fn not(holds: Option<bool>) -> Option<bool> {
    holds.map(|holds| !holds)
}

fn both(one: Option<bool>, two: Option<bool>) -> Option<bool> {
    match (one, two) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// The keys that must all hold for the program to hold: those only AND stands above.
pub fn must_hold<T>(program: &[Term<T>]) -> Vec<&T> {
    let mut stack: Vec<Vec<&T>> = Vec::new();
    for term in program {
        match term {
            Term::Key(key) => stack.push(vec![key]),
            Term::Not => {
                stack.pop();
                stack.push(Vec::new());
            }
            Term::And => {
                let two = stack.pop().unwrap_or_default();
                if let Some(one) = stack.last_mut() {
                    one.extend(two);
                }
            }
            Term::Or => {
                stack.pop();
                stack.pop();
                stack.push(Vec::new());
            }
            Term::SkipIfNo(_) | Term::SkipIfYes(_) => {}
        }
    }
    stack.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Term::{And, Key, Not, Or, SkipIfNo, SkipIfYes};

    /// Keys are named by what they come to: `y`, `n`, `?`.
    fn holds(key: &char) -> Option<bool> {
        match key {
            'y' => Some(true),
            'n' => Some(false),
            _ => None,
        }
    }

    #[test]
    fn a_program_in_the_place_of_a_key() {
        // (a or X) and b, where X is c and d.
        let outer = [
            Term::Key('a'),
            Term::SkipIfYes(4),
            Term::Key('X'),
            Term::Or,
            Term::SkipIfNo(7),
            Term::Key('b'),
            Term::And,
        ];
        let inner = vec![Term::Key('c'), Term::SkipIfNo(4), Term::Key('d'), Term::And];
        let whole = replaced(&outer, |key| (*key == 'X').then(|| inner.clone()));
        assert_eq!(whole.len(), 10);
        for bits in 0..16u8 {
            let is = |key: &char| bits >> (*key as u8 - b'a') & 1 == 1;
            let want = (is(&'a') || is(&'c') && is(&'d')) && is(&'b');
            assert_eq!(decide(&whole, |key| Some(is(key))), Some(want), "{bits:04b}");
        }
        assert_eq!(replaced(&outer, |_| None), outer);
    }

    #[test]
    fn three_answers() {
        for (one, two, and, or) in [
            ('y', 'y', Some(true), Some(true)),
            ('y', 'n', Some(false), Some(true)),
            ('n', 'y', Some(false), Some(true)),
            ('n', 'n', Some(false), Some(false)),
            ('y', '?', None, Some(true)),
            ('?', 'y', None, Some(true)),
            ('n', '?', Some(false), None),
            ('?', 'n', Some(false), None),
            ('?', '?', None, None),
        ] {
            let with_and = [Key(one), SkipIfNo(4), Key(two), And];
            let with_or = [Key(one), SkipIfYes(4), Key(two), Or];
            assert_eq!((decide(&with_and, holds), decide(&with_or, holds)), (and, or), "{one} {two}");
            assert_eq!(decide(&[with_and.to_vec(), vec![Not]].concat(), holds), not(and));
        }
        assert_eq!(decide(&[], holds), Some(true));
        assert_eq!(decide(&[Key('?')], holds), None);
    }

    #[test]
    fn what_is_decided_is_not_asked_further() {
        let asked = std::cell::Cell::new(0);
        let count = |key: &char| {
            asked.set(asked.get() + 1);
            holds(key)
        };
        assert_eq!(decide(&[Key('n'), SkipIfNo(4), Key('y'), And, SkipIfNo(7), Key('y'), And], count), Some(false));
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn keys_that_must_hold() {
        let program = [Key('a'), SkipIfNo(4), Key('b'), And, SkipIfNo(10), Key('c'), SkipIfYes(9), Key('d'), Or, And];
        assert_eq!(must_hold(&program), [&'a', &'b']);
        assert_eq!(must_hold(&[Key('a'), Not]), Vec::<&char>::new());
        assert_eq!(must_hold(&[Key('a')]), [&'a']);
    }
}
