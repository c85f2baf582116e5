//! `'now'`, `'today'`, `'tomorrow'` and `'yesterday'` where a date or a time is read (manual, chapter 8.5.1.4).
//!
//! A literal of such a word is what now() makes of it. PostgreSQL takes it for a constant when it reads a definition, as few expect: a view's
//! `'today'` would be the day of its creation for ever. Here it moves on, as now() does, and is refused where that is.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, Values};

use super::arith::{self, Op};
use super::cast;
use super::unions::written;
use super::zone::now_function;
use crate::data::PgType;

/// What the literal means as a value of this type; `None` for another expression.
pub(super) fn of(expr: &Expr, target: &PgType) -> Option<Expr> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) = expr else { return None };
    let word = word(text, target)?;
    let now = now_function().call(vec![]);
    let days = match word {
        Word::Now => return Some(if *target == PgType::Timestamptz { now } else { cast::call(now, target.clone()) }),
        Word::Day(days) => Expr::Literal(ScalarValue::Int32(Some(days)), None),
    };
    let day = arith::binary(Op::Add, cast::call(now, PgType::Date), days);
    Some(if *target == PgType::Date { day } else { cast::call(day, target.clone()) })
}

/// What the literal that a query gives as its column `i` means as a value of this type; `None` where that is no such literal.
pub fn of_column(plan: &LogicalPlan, i: usize, target: &PgType) -> Option<Expr> {
    match plan {
        LogicalPlan::Values(Values { values, .. }) => match values.as_slice() {
            [row] => of(row.get(i)?, target),
            _ => None,
        },
        plan => of(&written(plan, i)?, target),
    }
}

/// True for such a word of this type.
pub(super) fn is_meant(text: &str, target: &PgType) -> bool {
    word(text, target).is_some()
}

enum Word {
    Now,
    /// So many days from today.
    Day(i32),
}

fn word(text: &str, target: &PgType) -> Option<Word> {
    let is = |word: &str| text.trim().eq_ignore_ascii_case(word);
    match target {
        PgType::Date | PgType::Time | PgType::Timestamp | PgType::Timestamptz if is("now") => Some(Word::Now),
        PgType::Date | PgType::Timestamp | PgType::Timestamptz => {
            let words = [("today", 0), ("tomorrow", 1), ("yesterday", -1)];
            words.into_iter().find(|(word, _)| is(word)).map(|(_, days)| Word::Day(days))
        }
        _ => None,
    }
}
