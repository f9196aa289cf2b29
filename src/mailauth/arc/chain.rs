//! The sets of a header (RFC 8617 §4.2): which fields belong together, and whether they form a chain (§5.2, steps 1
//! to 3).

use std::collections::BTreeMap;

use super::ArcResult;
use crate::base::limits::ARC_SETS_MAX;
use crate::mailauth::dkim::Algorithm;
use crate::mailauth::results::tokens::Tokens;
use crate::mailauth::tags::{Tags, a_labels};
use crate::message::header::Field;

/// Names of a set's fields, in the order they are sealed in (§5.1.1).
pub(super) const NAMES: [&str; 3] = ["ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"];

/// The fields of a set.
#[derive(Debug, Clone, Copy)]
pub(super) struct SetFields<'a> {
    pub(super) results: Field<'a>,
    pub(super) message: Field<'a>,
    pub(super) seal: Field<'a>,
}

/// What of ARC a header has.
#[derive(Debug, Default)]
pub(super) struct Chain<'a> {
    /// The sets, oldest first; none where there is a fault.
    pub(super) sets: Vec<SetFields<'a>>,
    /// Highest instance there is, 0 for none; one above `ARC_SETS_MAX` stands for all those beyond.
    pub(super) instances: usize,
    /// Whether the newest seal says that the chain had failed before: nothing follows on that (§5.1, step 2).
    pub(super) has_ended: bool,
    /// Why it is no chain.
    pub(super) fault: Option<String>,
}

impl<'a> Chain<'a> {
    /// Reads the fields of a header.
    pub(super) fn read(fields: &[Field<'a>]) -> Chain<'a> {
        let mut chain = Chain::default();
        let mut slots: BTreeMap<usize, [Option<Field<'a>>; 3]> = BTreeMap::new();
        let mut fault = |why: String| {
            chain.fault.get_or_insert(why);
        };
        let mut newest_seals = (0, false);
        for field in fields {
            let Some(kind) = NAMES.iter().position(|name| field.is(name)) else { continue };
            let name = NAMES.get(kind).copied().unwrap_or_default();
            let Some(instance) = instance(field.body, kind) else {
                fault(format!("{name} without a readable i="));
                continue;
            };
            chain.instances = chain.instances.max(instance);
            if kind == 2 && instance >= newest_seals.0 {
                let says_fail = says_fail(field.body);
                newest_seals = (instance, says_fail || (newest_seals.1 && newest_seals.0 == instance));
            }
            if instance > ARC_SETS_MAX {
                fault(format!("more than {ARC_SETS_MAX} sets"));
                continue;
            }
            match slots.entry(instance).or_default().get_mut(kind) {
                Some(slot @ None) => *slot = Some(*field),
                _ => fault(format!("more than one {name} of instance {instance}")),
            }
        }
        chain.has_ended = newest_seals.1 && newest_seals.0 == chain.instances;
        if chain.has_ended {
            chain.fault = Some(format!("ARC-Seal {} says that the chain had already failed", chain.instances));
        }
        chain.arrange(&slots);
        chain
    }

    /// Whether there is anything of ARC in the header.
    pub(super) fn is_none(&self) -> bool {
        self.instances == 0 && self.fault.is_none()
    }

    /// Puts complete sets in order, and checks what each seal says of those before it.
    fn arrange(&mut self, slots: &BTreeMap<usize, [Option<Field<'a>>; 3]>) {
        for instance in 1..=self.instances.min(ARC_SETS_MAX) {
            if self.fault.is_some() {
                break;
            }
            let slot = slots.get(&instance).copied().unwrap_or_default();
            let [Some(results), Some(message), Some(seal)] = slot else {
                let missing = NAMES.iter().zip(slot).find(|(_, field)| field.is_none()).map_or("", |(name, _)| name);
                self.fault = Some(format!("{missing} of instance {instance} is missing"));
                break;
            };
            let wanted = if instance == 1 { ArcResult::None } else { ArcResult::Pass };
            let says = chain_status(seal.body);
            if says != Some(wanted) {
                let says = says.map_or_else(|| "no cv= that is known".to_owned(), |cv| format!("cv={cv}"));
                self.fault = Some(format!("ARC-Seal {instance} says {says} where it must say cv={wanted}"));
                break;
            }
            self.sets.push(SetFields { results, message, seal });
        }
        if self.fault.is_some() {
            self.sets.clear();
        }
    }
}

/// The instance of a field: of ARC-Authentication-Results in front of its value, of the others a tag (§4.2.1). What
/// is larger than any instance may be comes as one too many.
fn instance(value: &[u8], kind: usize) -> Option<usize> {
    let number = if kind == 0 {
        std::str::from_utf8(leading_instance(value)?.0).ok()?
    } else {
        Tags::parse(std::str::from_utf8(value).ok()?)?.get("i")?
    };
    let digits = number.trim_start_matches('0');
    let is_number = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    is_number.then(|| digits.parse().map_or(ARC_SETS_MAX + 1, |n: usize| n.min(ARC_SETS_MAX + 1)))
}

/// `i=1;` in front of the value of ARC-Authentication-Results: the number, and what follows the semicolon.
pub(super) fn leading_instance(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut tokens = Tokens::new(value);
    (tokens.take(b'i') && tokens.take(b'=')).then_some(())?;
    tokens.skip_blank();
    let number = tokens.take_while(|c| c.is_ascii_digit())?;
    tokens.take(b';').then(|| (number, tokens.rest()))
}

fn chain_status(seal: &[u8]) -> Option<ArcResult> {
    let tags = Tags::parse(std::str::from_utf8(seal).ok()?)?;
    let says = tags.get("cv")?;
    [ArcResult::None, ArcResult::Pass, ArcResult::Fail].into_iter().find(|r| says.eq_ignore_ascii_case(r.word()))
}

fn says_fail(seal: &[u8]) -> bool {
    chain_status(seal) == Some(ArcResult::Fail)
}

/// A parsed ARC-Seal (§4.1.3).
#[derive(Debug)]
pub(super) struct Seal {
    pub(super) algorithm: Algorithm,
    pub(super) signature: Vec<u8>,
    pub(super) domain: String,
    pub(super) selector: String,
}

impl Seal {
    /// Reads the value of an ARC-Seal field.
    pub(super) fn parse(value: &[u8]) -> Result<Seal, &'static str> {
        let text = std::str::from_utf8(value).map_err(|_| "it is not text")?;
        let tags = Tags::parse(text).ok_or("it is not a tag list")?;
        if tags.get("h").is_some() {
            return Err("h= is not allowed in a seal");
        }
        let algorithm = tags.get("a").ok_or("a= is missing")?;
        let algorithm = Algorithm::parse(algorithm).ok_or("the algorithm in a= is unknown or too weak")?;
        let signature = tags.base64("b").flatten().filter(|b| !b.is_empty()).ok_or("b= is missing or not base64")?;
        let domain = tags.domain("d").ok_or("d= is missing or not a domain")?;
        let selector = tags.get("s").and_then(a_labels).ok_or("s= is missing or not a name")?;
        if tags.number("t") == Some(None) {
            return Err("t= is not a number");
        }
        Ok(Seal { algorithm, signature, domain, selector })
    }
}
