//! GROUP BY: rows folded into groups, per window if there is one.
//!
//! What SELECT and HAVING may name are the grouping expressions as they stand, aggregates, and the window's bounds; each becomes a
//! reference to a column of the folded rows, which are the grouping expressions, the bounds, and the aggregates.

use super::compute::{evaluator, widened};
use super::expr::{Scope, columns_of, compile, rewrite, text_of};
use super::items::{MADE, Output, qualified, reference};
use super::query::{Keys, Planner, contains, filter, refuse_table_functions, texts};
use super::stage::{Role, Stage, StageColumn};
use crate::error::{Error, Result, code};
use crate::fold::ksql as fold;
use crate::func::ksql::signature::{Argument, Candidate, Signature, resolve};
use crate::func::ksql::{Type, Value, list};
use crate::limits;
use crate::sql::ksql::ast::{Emit, Expr, ExprKind, Query, Window, WindowKind};

const BOUNDS: [&str; 2] = ["WINDOWSTART", "WINDOWEND"];

fn is_aggregate(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Call { name, .. } if list::aggregate(name).is_some())
}

/// True if the query folds rows into groups.
pub fn is_grouped(query: &Query, outputs: &[Output]) -> bool {
    query.group_by.is_some()
        || outputs.iter().any(|o| contains(&o.expr, &is_aggregate))
        || query.having.as_ref().is_some_and(|h| contains(h, &is_aggregate))
}

/// The aggregates that expressions call, each once.
#[derive(Default)]
struct Calls(Vec<Expr>);

impl Calls {
    /// The expression with grouping expressions, bounds and aggregates replaced by references to the folded columns.
    fn fold(&mut self, expr: &Expr, by: &[Expr], bounds: bool) -> Result<Expr> {
        let mut nested = None;
        let folded = rewrite(expr.clone(), &mut |e| {
            if let Some(i) = by.iter().position(|b| b == e) {
                return Some(Expr { at: e.at, ..reference(Some(MADE), &text_of(&by[i])) });
            }
            if let (true, ExprKind::Column { name, .. }) = (bounds, &e.kind)
                && BOUNDS.contains(&name.as_str())
            {
                return Some(Expr { at: e.at, ..reference(Some(MADE), name) });
            }
            let ExprKind::Call { arguments, .. } = &e.kind else { return None };
            if !is_aggregate(e) {
                return None;
            }
            if arguments.iter().any(|a| contains(a, &is_aggregate)) {
                nested = Some(e.at);
            }
            if !self.0.contains(e) {
                self.0.push(e.clone());
            }
            Some(Expr { at: e.at, ..reference(Some(MADE), &text_of(e)) })
        });
        match nested {
            Some(at) => Err(Error::new(code::GROUPING_ERROR, "aggregate function calls cannot be nested").at(at)),
            None => Ok(folded),
        }
    }
}

impl Planner<'_> {
    /// The rest of a query with GROUP BY, from its filtered rows.
    pub(super) fn grouped(&mut self, query: &Query, stage: Stage, outputs: Vec<Output>) -> Result<Stage> {
        let by = self.grouping(query, &stage, &outputs)?;
        let windowed = query.window.is_some();
        let mut calls = Calls::default();
        let mut folded = Vec::with_capacity(outputs.len());
        for output in &outputs {
            refuse_table_functions(&output.expr, "a query with GROUP BY")?;
            folded.push(Output { expr: calls.fold(&output.expr, &by, windowed)?, name: output.name.clone() });
        }
        let having = match &query.having {
            Some(having) => {
                refuse_table_functions(having, "HAVING")?;
                Some(calls.fold(&qualified(having, &stage)?, &by, false)?)
            }
            None => None,
        };
        if calls.0.is_empty() {
            return Err(Error::new(code::GROUPING_ERROR, "GROUP BY requires an aggregate function in SELECT or HAVING")
                .hint("Add one, such as COUNT(*)."));
        }
        for expr in folded.iter().map(|o| &o.expr).chain(&having) {
            refuse_ungrouped(expr)?;
        }
        self.check_keys(&by, &folded)?;
        let mut groups = self.aggregate(query, stage, &by, &calls.0)?;
        if let Some(having) = having {
            let code = self.condition(&having, &groups, "HAVING")?;
            groups = filter(groups, code, &having);
        }
        let keys = Keys::of(&groups);
        self.project(groups, folded, keys)
    }

    /// The grouping expressions. Errors: 42803.
    fn grouping(&self, query: &Query, stage: &Stage, outputs: &[Output]) -> Result<Vec<Expr>> {
        let Some(by) = &query.group_by else {
            if self.transient {
                return Ok(Vec::new());
            }
            let at = outputs.iter().find(|o| contains(&o.expr, &is_aggregate)).map_or(query.at, |o| o.expr.at);
            return Err(Error::new(code::GROUPING_ERROR, "use of an aggregate function requires GROUP BY")
                .hint("GROUP BY a constant folds all rows into one group; then select that constant too.")
                .at(at));
        };
        let mut grouping: Vec<Expr> = Vec::new();
        for expr in by {
            let expr = qualified(expr, stage)?;
            refuse_table_functions(&expr, "GROUP BY")?;
            if contains(&expr, &is_aggregate) {
                return Err(Error::new(code::GROUPING_ERROR, "aggregate functions are not allowed in GROUP BY").at(expr.at));
            }
            if !grouping.contains(&expr) {
                grouping.push(expr);
            }
        }
        Ok(grouping)
    }

    /// Each grouping expression must be an item of a query that is kept: it is a part of the key.
    fn check_keys(&self, by: &[Expr], folded: &[Output]) -> Result<()> {
        let selected = |expr: &&Expr| folded.iter().any(|f| f.expr == reference(Some(MADE), &text_of(expr)));
        match by.iter().find(|expr| !selected(expr)) {
            Some(missing) if !self.transient => Err(Error::new(code::GROUPING_ERROR, "key missing from projection")
                .detail("Each expression of GROUP BY must be an item of SELECT, as it stands.")
                .at(missing.at)),
            _ => Ok(()),
        }
    }

    fn aggregate(&mut self, query: &Query, stage: Stage, by: &[Expr], calls: &[Expr]) -> Result<Stage> {
        if query.window.is_some() && stage.table {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, "windows are for streams: a table has no events").at(query.at));
        }
        let (mut columns, mut keys) = (Vec::new(), Vec::new());
        let made = |name: String, ty: Type, role: Role| StageColumn { source: Some(MADE.to_string()), name, ty, role };
        for expr in by {
            let typed = self.code(expr, &stage)?;
            columns.push(made(text_of(expr), typed.ty, Role::Key));
            keys.push(evaluator(typed.code));
        }
        if query.window.is_some() {
            columns.extend(BOUNDS.map(|b| made(b.to_string(), Type::Bigint, Role::Bound)));
        }
        let mut aggregates = Vec::with_capacity(calls.len());
        for call in calls {
            let aggregate = self.aggregate_call(call, &stage)?;
            columns.push(made(text_of(call), aggregate.returns.clone(), Role::Value));
            aggregates.push(aggregate);
        }
        if let Some(window) = &query.window {
            check_retention(window, query.at)?;
            check_hops(window, query.at)?;
        }
        let is_final = query.emit == Some(Emit::Final);
        if is_final && query.window.is_none() {
            return Err(Error::unsupported("EMIT FINAL needs WINDOW").hint("Use EMIT CHANGES, or add a WINDOW."));
        }
        let spec = fold::AggregateSpec {
            keys,
            calls: aggregates,
            window: query.window.map(|w| window(w.kind)),
            grace: query.window.and_then(|w| w.grace_ms),
            retention: query.window.and_then(|w| w.retention_ms),
            emit_final: is_final,
            table: stage.table,
            detail: format!("by {}: {}", texts(by), texts(calls)),
        };
        let window = query.window.map(|w| w.kind);
        Ok(Stage { columns, table: true, window, tree: fold::Tree::boxed(spec.build()?, vec![stage.tree]) })
    }

    /// How many values a collecting aggregate keeps, if that was set.
    fn limit_of(&self, function: &str) -> Option<Value> {
        let limit = self.properties.get(&format!("ksql.functions.{}.limit", function.to_lowercase()))?;
        limit.trim().parse().ok().filter(|limit| *limit >= 0).map(Value::Bigint)
    }

    /// An aggregate with its arguments compiled. Errors: 42883 for arguments that no overload takes, 42803 for an argument that must be
    /// a constant and is none.
    fn aggregate_call(&self, call: &Expr, stage: &Stage) -> Result<fold::Aggregation> {
        let ExprKind::Call { name, arguments } = &call.kind else { return Err(Error::internal("not a call")) };
        let function = list::aggregate(name).ok_or_else(|| Error::internal("not an aggregate"))?;
        let typed = arguments.iter().map(|a| self.code(a, stage)).collect::<Result<Vec<_>>>()?;
        let candidates: Vec<Candidate> = function.overloads.iter().map(Candidate::from).collect();
        let given: Vec<Argument> = typed.iter().map(|t| Argument::Type(t.ty.clone())).collect();
        let resolved = resolve(name, &candidates, &given, true, &mut |_, _| Err(Error::internal("aggregates take no lambdas")))
            .map_err(|e| e.at(call.at))?;
        let overload = &function.overloads[resolved.overload];
        let signature = Signature::of(overload.signature)?;
        let (mut codes, mut constants) = (Vec::new(), Vec::new());
        for (((argument, code), parameter), ty) in arguments.iter().zip(typed).zip(&resolved.parameters).zip(&resolved.arguments) {
            let code = widened(code, ty);
            if signature.parameters.get(*parameter).is_some_and(|p| p.constant) {
                constants.push(constant(argument, name)?);
            } else {
                codes.push(evaluator(code.code));
            }
        }
        constants.extend(self.limit_of(name));
        if stage.table && overload.undo.is_none() {
            return Err(Error::unsupported(format!("{name} over a table is not supported: it cannot take rows back"))
                .hint("Make a materialized view with an aggregate of PostgreSQL's instead."));
        }
        Ok(fold::Aggregation {
            overload,
            arguments: codes,
            constants,
            argument_types: resolved.arguments,
            returns: resolved.returns,
            retracting: stage.table,
        })
    }
}

/// The value of an argument that must be a constant.
fn constant(argument: &Expr, function: &str) -> Result<Value> {
    let none = |_: Option<&str>, name: &str| Err(Error::new(code::UNDEFINED_COLUMN, name.to_string()));
    let typed = compile(argument, &Scope { column: &none, custom: &|_| None });
    let value = typed.and_then(|t| t.code.eval(&[]));
    value.map_err(|_| Error::new(code::INVALID_PARAMETER_VALUE, format!("this argument of {function} must be a constant")).at(argument.at))
}

/// References to columns of single rows do not belong among groups.
fn refuse_ungrouped(expr: &Expr) -> Result<()> {
    for (source, name) in columns_of(expr) {
        let bound = source.is_none() && BOUNDS.contains(&name.as_str());
        if bound {
            return Err(Error::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist here"))
                .hint("A window's bounds are columns of SELECT in a query with WINDOW.")
                .at(expr.at));
        }
        if source.as_deref().is_some_and(|s| s != MADE) {
            let message = format!("column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function");
            return Err(Error::new(code::GROUPING_ERROR, message).at(expr.at));
        }
    }
    Ok(())
}

/// Windows are kept at least as long as they take events.
fn check_retention(window: &Window, at: usize) -> Result<()> {
    let size = match window.kind {
        WindowKind::Tumbling { size_ms } | WindowKind::Hopping { size_ms, .. } => size_ms,
        WindowKind::Session { gap_ms } => gap_ms,
    };
    let least = size.saturating_add(window.grace_ms.unwrap_or(0));
    match window.retention_ms {
        Some(retention) if retention < least => {
            let message = format!("RETENTION of {retention} ms is less than the window's size and grace period, {least} ms");
            Err(Error::new(code::INVALID_PARAMETER_VALUE, message).hint("Keep windows at least as long as they take events.").at(at))
        }
        _ => Ok(()),
    }
}

/// Errors: 54000 for windows of which a row would be in too many.
fn check_hops(window: &Window, at: usize) -> Result<()> {
    let WindowKind::Hopping { size_ms, advance_ms } = window.kind else { return Ok(()) };
    if size_ms / advance_ms.max(1) <= limits::HOP_WINDOWS_MAX {
        return Ok(());
    }
    let message = format!("each row would be in {} windows", size_ms / advance_ms.max(1));
    Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, message)
        .detail(format!("At most {} are taken.", limits::HOP_WINDOWS_MAX))
        .hint("ADVANCE BY a longer time.")
        .at(at))
}

fn window(kind: WindowKind) -> fold::WindowKind {
    match kind {
        WindowKind::Tumbling { size_ms } => fold::WindowKind::Tumbling { size: size_ms },
        WindowKind::Hopping { size_ms, advance_ms } => fold::WindowKind::Hopping { size: size_ms, advance: advance_ms },
        WindowKind::Session { gap_ms } => fold::WindowKind::Session { gap: gap_ms },
    }
}
