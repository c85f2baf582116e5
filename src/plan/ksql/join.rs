//! FROM: relations, and how they are joined.
//!
//! Joins are made in the order in which they are written. The rows of a join are those of its left side, those of its right side, and
//! the key that both have: which of its equal columns names it in the result, the projection decides ([`Keys`]).

use super::compute::evaluator;
use super::expr::{columns_of, text_of};
use super::items::qualified;
use super::names::Names;
use super::query::{KeyPart, Keys, Planner};
use super::stage::{Role, Stage, StageColumn};
use crate::error::{Error, Result, code};
use crate::fold::ksql as fold;
use crate::sql::ksql::ast::{BinaryOp, Expr, ExprKind, Join, JoinKind, Query, Within};

/// The left side of the next join: its stage, and what its rows are known by.
struct Left {
    stage: Stage,
    keys: Keys,
}

/// The sides of `ON a = b`.
struct Condition {
    left: Expr,
    right: Expr,
}

impl Planner<'_> {
    /// The relations of a query, joined, and the key of what they give.
    pub(super) fn from(&mut self, query: &Query) -> Result<(Stage, Keys)> {
        let stage = self.source(&query.from)?;
        let keys = Keys { lax: query.joins.is_empty() && query.partition_by.is_none(), ..Keys::of(&stage) };
        let mut left = Left { stage, keys };
        for (i, join) in query.joins.iter().enumerate() {
            let right = self.source(&join.source)?;
            let alias = right.columns.first().and_then(|c| c.source.clone());
            if left.stage.sources().iter().any(|s| Some(*s) == alias.as_deref()) {
                let message = format!("\"{}\" is joined more than once under one name", alias.unwrap_or_default());
                return Err(Error::new(code::DUPLICATE_TABLE, message).hint("Give each its own alias.").at(join.source.at));
            }
            left = self.join(left, right, join, i + 1 == query.joins.len())?;
        }
        Ok((left.stage, left.keys))
    }

    fn join(&mut self, left: Left, right: Stage, join: &Join, last: bool) -> Result<Left> {
        let Condition { left: on_left, right: on_right } = condition(&left.stage, &right, join)?;
        let left_code = self.code(&on_left, &left.stage)?;
        let right_code = self.code(&on_right, &right)?;
        if left_code.ty != right_code.ty {
            let message = format!("types of the join condition differ: {} and {}", left_code.ty, right_code.ty);
            return Err(Error::new(code::DATATYPE_MISMATCH, message).hint("CAST one side to the other's type.").at(join.on.at));
        }
        let place = |expr: &Expr, stage: &Stage| match &expr.kind {
            ExprKind::Column { source, name } => stage.resolve(source.as_deref(), name).ok(),
            _ => None,
        };
        let (left_place, right_place) = (place(&on_left, &left.stage), place(&on_right, &right));
        let widths = (left.stage.columns.len(), right.columns.len());
        let is_key = |stage: &Keys, place: Option<usize>| matches!(stage.parts.as_slice(), [only] if place.is_some_and(|p| only.holds == p || only.accepts.contains(&p)));
        let by_right_key = is_key(&Keys::of(&right), right_place);
        let by_left_key = is_key(&left.keys, left_place);
        let kind = join_kind(join.kind);
        check_within(join, left.stage.table, right.table)?;
        let ty = left_code.ty.clone();
        let (left_key, right_key) = (evaluator(left_code.code), evaluator(right_code.code));
        let detail = text_of(&join.on);
        let trees = vec![left.stage.tree, right.tree];
        let tree = match (left.stage.table, right.table) {
            (false, false) => {
                let Within { before_ms, after_ms, grace_ms } = join.within.ok_or_else(|| without_within(join))?;
                let spec = fold::StreamJoinSpec {
                    kind,
                    before: before_ms,
                    after: after_ms,
                    grace: grace_ms,
                    left_key,
                    right_key,
                    columns: widths,
                    keeps_null_keys: false,
                    detail,
                };
                fold::Tree::node(fold::StreamJoin::new(spec)?, trees)
            }
            (false, true) => {
                if matches!(join.kind, JoinKind::Right | JoinKind::Full) {
                    return Err(Error::new(code::WRONG_OBJECT_TYPE, "a stream is joined with a table by an inner or a left join only")
                        .hint("Rows of the table alone are no events; join two tables, or swap the sides.")
                        .at(join.at));
                }
                if !by_right_key {
                    return Err(not_by_key(join));
                }
                fold::Tree::node(fold::StreamTableJoin::new(join.kind == JoinKind::Left, left_key, widths, false, detail), trees)
            }
            (true, true) if by_left_key && by_right_key => fold::Tree::node(fold::TableTableJoin::new(kind, widths, detail), trees),
            (true, true) if by_right_key => {
                if matches!(join.kind, JoinKind::Right | JoinKind::Full) {
                    return Err(Error::new(code::WRONG_OBJECT_TYPE, "a join by a foreign key is an inner or a left join only").at(join.at));
                }
                fold::Tree::node(fold::ForeignKeyJoin::new(join.kind == JoinKind::Left, left_key, widths, detail), trees)
            }
            (true, true) => return Err(not_by_key(join)),
            (true, false) => {
                return Err(Error::new(code::WRONG_OBJECT_TYPE, "a table cannot be joined with a stream in this order")
                    .hint("Write the stream first.")
                    .at(join.at));
            }
        };
        let foreign = left.stage.table && right.table && !by_left_key;
        let table = left.stage.table && right.table;
        let mut columns: Vec<StageColumn> = left.stage.columns;
        columns.extend(right.columns);
        let stage = Stage { tree, columns, table, window: left.stage.window };
        if foreign {
            let right_keys = widths.0..widths.0 + widths.1;
            let mut stage = stage;
            stage.columns[right_keys].iter_mut().filter(|c| c.role == Role::Key).for_each(|c| c.role = Role::Value);
            return Ok(Left { stage, keys: left.keys });
        }
        let viable = viable(&left.keys, left_place, right_place.map(|p| p + widths.0), join.kind);
        Ok(with_key(stage, viable, ty, last))
    }
}

/// The columns that may name the key of a join, the preferred first.
fn viable(left: &Keys, on_left: Option<usize>, on_right: Option<usize>, kind: JoinKind) -> Vec<usize> {
    if kind == JoinKind::Full {
        return Vec::new();
    }
    let mut viable: Vec<usize> = Vec::new();
    // What named the key below goes on to name it if the same key is joined on again.
    if let ([part], Some(on)) = (left.parts.as_slice(), on_left)
        && (part.accepts.contains(&on) || part.holds == on)
    {
        viable.extend(&part.accepts);
    }
    for place in on_left.into_iter().chain(on_right) {
        if !viable.contains(&place) {
            viable.push(place);
        }
    }
    viable
}

/// The joined rows with their key behind them.
fn with_key(stage: Stage, viable: Vec<usize>, ty: crate::func::ksql::Type, last: bool) -> Left {
    let holds = stage.columns.len();
    let mut stage = stage.then(fold::WithKey);
    stage.columns.iter_mut().filter(|c| c.role == Role::Key).for_each(|c| c.role = Role::Value);
    // Which columns were a side's key is still told where `*` is spelled out: they come first.
    let synthetic = viable.is_empty();
    let name = if synthetic { Names::new(stage.columns.iter().map(|c| c.name.as_str())).like("ROWKEY") } else { String::new() };
    let role = if synthetic && last { Role::Key } else { Role::Hidden };
    stage.columns.push(StageColumn { source: None, name, ty, role });
    let accepts = if synthetic { vec![holds] } else { viable };
    Left { stage, keys: Keys { parts: vec![KeyPart { accepts, holds }], lax: false } }
}

fn join_kind(kind: JoinKind) -> fold::JoinKind {
    match kind {
        JoinKind::Inner => fold::JoinKind::Inner,
        JoinKind::Left => fold::JoinKind::Left,
        JoinKind::Right => fold::JoinKind::Right,
        JoinKind::Full => fold::JoinKind::Full,
    }
}

fn without_within(join: &Join) -> Error {
    Error::new(code::INVALID_OBJECT_DEFINITION, "a join of two streams needs WITHIN")
        .hint("JOIN s WITHIN 1 HOUR ON ..: how far apart in time two events may be.")
        .at(join.at)
}

fn check_within(join: &Join, left_table: bool, right_table: bool) -> Result<()> {
    if join.within.is_some() && (left_table || right_table) {
        return Err(Error::new(code::INVALID_OBJECT_DEFINITION, "WITHIN is for joins of two streams").hint("Leave it out.").at(join.at));
    }
    Ok(())
}

fn not_by_key(join: &Join) -> Error {
    Error::unsupported("a table is joined on its primary key here, as a single column")
        .hint("CREATE MATERIALIZED VIEW joins on any condition.")
        .at(join.on.at)
}

/// The sides of a join's condition, the left one over the relations before it. Errors: 0A000 for anything but one equality.
fn condition(left: &Stage, right: &Stage, join: &Join) -> Result<Condition> {
    let ExprKind::Binary(BinaryOp::Equal, a, b) = &join.on.kind else {
        return Err(Error::unsupported("a join has one equality as its condition")
            .hint("CREATE MATERIALIZED VIEW joins on any condition.")
            .at(join.on.at));
    };
    let both = Both { left, right };
    let (a, b) = (both.qualified(a)?, both.qualified(b)?);
    match (both.side(&a)?, both.side(&b)?) {
        (Side::Left, Side::Right) => Ok(Condition { left: a, right: b }),
        (Side::Right, Side::Left) => Ok(Condition { left: b, right: a }),
        _ => Err(Error::new(code::INVALID_COLUMN_REFERENCE, "each side of the equality must name one of the joined relations")
            .hint("ON left.column = right.column")
            .at(join.on.at)),
    }
}

#[derive(PartialEq)]
enum Side {
    Left,
    Right,
}

struct Both<'a> {
    left: &'a Stage,
    right: &'a Stage,
}

impl Both<'_> {
    fn qualified(&self, expr: &Expr) -> Result<Expr> {
        for (source, name) in columns_of(expr) {
            if source.is_none() && self.left.resolve(None, &name).is_ok() && self.right.resolve(None, &name).is_ok() {
                let message = format!("column \"{name}\" is ambiguous");
                return Err(Error::new(code::AMBIGUOUS_COLUMN, message).hint("Write the relation's name or alias before it.").at(expr.at));
            }
        }
        qualified(&qualified(expr, self.left)?, self.right)
    }

    fn side(&self, expr: &Expr) -> Result<Side> {
        let mut sides: Vec<Side> = Vec::new();
        for (source, name) in columns_of(expr) {
            let Some(source) = source else {
                return Err(Error::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist")).at(expr.at));
            };
            let side = if self.right.sources().contains(&source.as_str()) { Side::Right } else { Side::Left };
            let stage = if side == Side::Right { self.right } else { self.left };
            stage.resolve(Some(&source), &name).map_err(|e| e.at(expr.at))?;
            sides.push(side);
        }
        let right = sides.iter().filter(|s| **s == Side::Right).count();
        match (right, sides.len()) {
            (0, n) if n > 0 => Ok(Side::Left),
            (r, n) if n > 0 && r == n => Ok(Side::Right),
            _ => Err(Error::new(code::INVALID_COLUMN_REFERENCE, "a side of a join's condition must name one relation").at(expr.at)),
        }
    }
}
