//! WINDOW and WITHIN of ksqlDB's dialect: windows and their durations.

use super::ast::{Window, WindowKind, Within};
use super::parse::Parser;
use crate::error::{Error, Result, code};

impl Parser<'_> {
    /// What follows WINDOW; a name of the window is skipped.
    pub(super) fn window(&mut self) -> Result<Window> {
        if self.names(0) && matches!(self.word(1), "TUMBLING" | "HOPPING" | "SESSION") {
            self.skip(1);
        }
        let kind = if self.eat(&["TUMBLING"]) {
            self.expect_sign("(")?;
            self.expect(&["SIZE"])?;
            WindowKind::Tumbling { size_ms: self.duration("the size of a window", 1)? }
        } else if self.eat(&["HOPPING"]) {
            self.expect_sign("(")?;
            self.expect(&["SIZE"])?;
            let size_ms = self.duration("the size of a window", 1)?;
            self.expect_sign(",")?;
            self.expect(&["ADVANCE", "BY"])?;
            let at = self.place();
            let advance_ms = self.duration("the advance of a window", 1)?;
            if advance_ms > size_ms {
                let message = "the advance of a window must not be longer than its size";
                return Err(Error::new(code::INVALID_PARAMETER_VALUE, message).at(at));
            }
            WindowKind::Hopping { size_ms, advance_ms }
        } else {
            self.expect(&["SESSION"])?;
            self.expect_sign("(")?;
            WindowKind::Session { gap_ms: self.duration("the gap of a session", 1)? }
        };
        let (mut retention_ms, mut grace_ms) = (None, None);
        while self.eat_sign(",") {
            if retention_ms.is_none() && self.eat(&["RETENTION"]) {
                retention_ms = Some(self.duration("the retention of a window", 1)?);
            } else if grace_ms.is_none() && self.eat(&["GRACE", "PERIOD"]) {
                grace_ms = Some(self.duration("a grace period", 0)?);
            } else {
                return Err(self.unexpected());
            }
        }
        self.expect_sign(")")?;
        Ok(Window { kind, retention_ms, grace_ms })
    }

    /// What follows WITHIN.
    pub(super) fn within(&mut self) -> Result<Within> {
        const WHAT: &str = "the time between two rows that join";
        let (before_ms, after_ms) = if self.eat_sign("(") {
            let before = self.duration(WHAT, 0)?;
            self.expect_sign(",")?;
            let after = self.duration(WHAT, 0)?;
            self.expect_sign(")")?;
            (before, after)
        } else {
            let both = self.duration(WHAT, 0)?;
            (both, both)
        };
        let grace_ms = if self.eat(&["GRACE", "PERIOD"]) { Some(self.duration("a grace period", 0)?) } else { None };
        Ok(Within { before_ms, after_ms, grace_ms })
    }

    /// `n unit` in milliseconds, at least `least`.
    pub(super) fn duration(&mut self, what: &str, least: i64) -> Result<i64> {
        let at = self.place();
        let count = self.whole_number()?;
        let unit_ms = match self.word(0) {
            "DAY" | "DAYS" => 86_400_000,
            "HOUR" | "HOURS" => 3_600_000,
            "MINUTE" | "MINUTES" => 60_000,
            "SECOND" | "SECONDS" => 1_000,
            "MILLISECOND" | "MILLISECONDS" => 1,
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        match count.checked_mul(unit_ms) {
            Some(ms) if ms >= least => Ok(ms),
            Some(_) => {
                let bound = if least > 0 { "must be positive" } else { "must not be negative" };
                Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("{what} {bound}")).at(at))
            }
            None => Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("{what} is out of range")).at(at)),
        }
    }
}
