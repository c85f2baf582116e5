//! Conditions of a path: true, false or unknown. An error within one makes it unknown.

use std::cmp::Ordering;

use super::eval::{Found, Item, Place};
use super::{Comparison, Node, Outcome, Pattern, STACK_BYTES, Truth, moment};
use crate::data::datetime::Zone;
use crate::data::json::{Json, compare_numbers};
use crate::error::{Error, Result};

impl<'p> Place<'p> {
    /// What a condition is. Errors: those that silence does not hide.
    pub(super) fn truth(self, node: &Node, item: Item<'p>) -> Result<Truth> {
        stacker::maybe_grow(STACK_BYTES.0, STACK_BYTES.1, || self.truth_here(node, item))
    }

    fn truth_here(self, node: &Node, item: Item<'p>) -> Result<Truth> {
        Ok(match node {
            Node::And(left, right) => match self.truth(left, item)? {
                Truth::False => Truth::False,
                left => match self.truth(right, item)? {
                    Truth::True => left,
                    right => right,
                },
            },
            Node::Or(left, right) => match self.truth(left, item)? {
                Truth::True => Truth::True,
                left => match self.truth(right, item)? {
                    Truth::False => left,
                    right => right,
                },
            },
            Node::Not(of) => match self.truth(of, item)? {
                Truth::False => Truth::True,
                Truth::True => Truth::False,
                Truth::Unknown => Truth::Unknown,
            },
            Node::IsUnknown(of) => Truth::from(self.truth(of, item)? == Truth::Unknown),
            Node::Exists(of) => self.exists(of, item)?,
            Node::Comparison(comparison, left, right) => {
                let zone = self.run.zone.as_ref();
                self.any(left, Some((right.as_ref(), true)), item, |l, r| compared(*comparison, l, r, zone))?
            }
            Node::StartsWith(whole, initial) => self.any(whole, Some((initial.as_ref(), false)), item, |w, i| Ok(starts_with(w, i)))?,
            Node::LikeRegex(of, pattern) => self.any(of, None, item, |text, _| Ok(matches(text, pattern)))?,
            _ => return Err(Error::internal("a value of a jsonpath is no condition")),
        })
    }

    fn exists(self, of: &Node, item: Item<'p>) -> Result<Truth> {
        if self.is_lax() {
            return Ok(match self.silent_search(of, item)? {
                Outcome::Failed => Truth::Unknown,
                outcome => Truth::from(outcome == Outcome::Found),
            });
        }
        // In strict mode an error anywhere is one, so that all must be looked at.
        Ok(self.silent_sequence(of, item, false)?.map_or(Truth::Unknown, |all| Truth::from(!all.is_empty())))
    }

    /// True if it is for any pair of items, each from one side; for each item of the left side where there is no right one. In strict mode
    /// all pairs must be comparable. `right`: an expression, and whether its arrays are taken apart.
    fn any(
        self,
        left: &Node,
        right: Option<(&Node, bool)>,
        item: Item<'p>,
        test: impl Fn(&Found, &Found) -> Result<Truth>,
    ) -> Result<Truth> {
        let Some(left) = self.silent_sequence(left, item, true)? else { return Ok(Truth::Unknown) };
        let right = match right {
            Some((right, unwraps)) => self.silent_sequence(right, item, unwraps)?,
            None => Some(vec![Found::Json(Json::Null)]),
        };
        let Some(right) = right else { return Ok(Truth::Unknown) };
        let (mut is_true, mut is_unknown) = (false, false);
        for l in &left {
            for r in &right {
                match test(l, r)? {
                    Truth::Unknown if !self.is_lax() => return Ok(Truth::Unknown),
                    Truth::Unknown => is_unknown = true,
                    Truth::True if self.is_lax() => return Ok(Truth::True),
                    Truth::True => is_true = true,
                    Truth::False => {}
                }
            }
        }
        Ok(match (is_true, is_unknown) {
            (true, _) => Truth::True,
            (false, true) => Truth::Unknown,
            (false, false) => Truth::False,
        })
    }
}

/// Compares two items. Those of different types cannot be, but with null.
fn compared(comparison: Comparison, left: &Found, right: &Found, zone: Option<&Zone>) -> Result<Truth> {
    let order = match (left, right) {
        (Found::Json(Json::Null), Found::Json(Json::Null)) => Some(Ordering::Equal),
        (Found::Json(Json::Null), _) | (_, Found::Json(Json::Null)) => return Ok(Truth::from(comparison == Comparison::NotEqual)),
        (Found::Json(Json::Bool(l)), Found::Json(Json::Bool(r))) => Some(l.cmp(r)),
        (Found::Json(Json::Number(l)), Found::Json(Json::Number(r))) => Some(compare_numbers(l, r)),
        (Found::Json(Json::String(l)), Found::Json(Json::String(r))) => Some(l.cmp(r)),
        (Found::Moment(l), Found::Moment(r)) => moment::compared(l, r, zone)?,
        _ => None,
    };
    let Some(order) = order else { return Ok(Truth::Unknown) };
    Ok(Truth::from(match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }))
}

fn starts_with(whole: &Found, initial: &Found) -> Truth {
    match (whole, initial) {
        (Found::Json(Json::String(whole)), Found::Json(Json::String(initial))) => Truth::from(whole.starts_with(initial.as_str())),
        _ => Truth::Unknown,
    }
}

fn matches(text: &Found, pattern: &Pattern) -> Truth {
    match text {
        Found::Json(Json::String(text)) => Truth::from(pattern.regex.is_match(text)),
        _ => Truth::Unknown,
    }
}
