//! Windows of time, which PostgreSQL has not got, and filters by the time that it is.

use everfold::data::PgType;
use everfold::error::Result;

use super::{Grammar, Scope};
use crate::laws::law::values::{Class, class};

impl Grammar<'_> {
    /// TUMBLE, HOP or SESSION over a relation that has a time, its windows or what is in each.
    pub(super) fn timed(&mut self) -> Result<String> {
        let is_time = |ty: &PgType| matches!(class(ty), Class::Timestamp | Class::Timestamptz);
        let with_times: Vec<_> = self.sources.iter().filter(|s| s.columns.iter().any(|(_, ty)| is_time(ty))).cloned().collect();
        if with_times.is_empty() {
            return self.selection(0);
        }
        let source = self.random.pick(&with_times).clone();
        let times: Vec<&String> = source.columns.iter().filter(|(_, ty)| is_time(ty)).map(|(name, _)| name).collect();
        let (relation, time) = (&source.name, *self.random.pick(&times));
        let call = match self.random.below(4) {
            0 => format!("TUMBLE({relation}, {time}, INTERVAL '1 day')"),
            1 => format!("TUMBLE({relation}, {time}, INTERVAL '1 hour', INTERVAL '15 minutes')"),
            2 => format!("HOP({relation}, {time}, INTERVAL '1 hour', INTERVAL '3 hours')"),
            _ => format!("SESSION({relation}, {time}, INTERVAL '90 minutes')"),
        };
        let scope: Scope = source.columns.iter().map(|(name, ty)| (format!("a1.{name}"), ty.clone())).collect();
        let filter = self.filter(&scope);
        if self.random.chance(40) {
            return Ok(format!("SELECT a1.window_start, a1.window_end, {} FROM {call} AS a1{filter}", self.items(&scope, true)));
        }
        let (one, other) = (self.aggregate(&scope), self.aggregate(&scope));
        Ok(format!("SELECT window_start, window_end, {one} AS c0, {other} AS c1 FROM {call} AS a1{filter} GROUP BY 1, 2"))
    }

    /// A condition that comes to be true, or ceases to be, as time passes.
    pub(super) fn recent(&mut self, scope: &Scope) -> String {
        let times: Vec<&String> = scope.iter().filter(|(_, ty)| *ty == PgType::Timestamptz).map(|(name, _)| name).collect();
        if times.is_empty() {
            return self.expr(scope, Class::Bool, 2);
        }
        let time = *self.random.pick(&times);
        let hours = self.random.between(1, 30);
        match self.random.below(4) {
            0 => format!("{time} > now() - INTERVAL '{hours} hours'"),
            1 => format!("{time} <= now()"),
            2 => format!("{time} BETWEEN now() - INTERVAL '{hours} hours' AND now()"),
            _ => format!("now() < {time} + INTERVAL '{hours} hours'"),
        }
    }
}
