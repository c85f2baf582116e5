//! `OVER (w ORDER BY a)` and `WINDOW b AS (w ORDER BY a)`: a window that begins as a named one does (manual, chapter 4.2.8). DataFusion
//! keeps what stands behind the name and drops the name, so windows are written out, by PostgreSQL's rules of what may be added to one.

use sqlparser::ast::{Expr, Ident, NamedWindowDefinition, NamedWindowExpr, Query, Select, SetExpr, VisitMut, WindowSpec, WindowType};

use super::build::each_expression;
use crate::error::{Error, Result, code};
use crate::sql::exclusions::is_exclusion;
use crate::sql::fold_name;

/// The windows of a WINDOW clause by name, each written out.
type Windows = Vec<(String, WindowSpec)>;

/// Writes out the windows of a SELECT, and its WINDOW clause is gone. Errors: 42704 for one that is not defined, 42P20.
pub fn of_select(select: &mut Select) -> Result<()> {
    let windows = defined(&std::mem::take(&mut select.named_window))?;
    written_out(select, &windows)
}

/// Writes out those that the ORDER BY of a query names: they are its SELECT's. To be called before [`of_select`]. Errors: as there.
pub fn of_order(query: &mut Query) -> Result<()> {
    let Query { body, order_by: Some(order), .. } = query else { return Ok(()) };
    let SetExpr::Select(select) = &**body else { return Ok(()) };
    written_out(order, &defined(&select.named_window)?)
}

fn written_out(node: &mut impl VisitMut, windows: &Windows) -> Result<()> {
    let mut done = Ok(());
    each_expression(node, |expr, subqueries| {
        // A subquery has windows of its own.
        if let Expr::Function(f) = expr
            && let Some(over) = &mut f.over
            && subqueries == 0
            && done.is_ok()
        {
            done = of_call(over, windows);
        }
    });
    done
}

fn of_call(over: &mut WindowType, windows: &Windows) -> Result<()> {
    let spec = match over {
        WindowType::NamedWindow(name) => find(name, windows)?.clone(),
        WindowType::WindowSpec(spec) if spec.window_name.is_some() => extended(spec, windows, true)?,
        WindowType::WindowSpec(_) => return Ok(()),
    };
    *over = WindowType::WindowSpec(spec);
    Ok(())
}

/// What a WINDOW clause defines; a window may begin as one to its left does.
fn defined(clause: &[NamedWindowDefinition]) -> Result<Windows> {
    let mut windows = Windows::new();
    for NamedWindowDefinition(name, window) in clause {
        let name = fold_name(name);
        if windows.iter().any(|(known, _)| *known == name) {
            return Err(Error::new(code::WINDOWING_ERROR, format!("window \"{name}\" is already defined")));
        }
        let spec = match window {
            NamedWindowExpr::NamedWindow(other) => find(other, &windows)?.clone(),
            NamedWindowExpr::WindowSpec(spec) => extended(spec, &windows, false)?,
        };
        windows.push((name, spec));
    }
    Ok(windows)
}

fn find<'a>(name: &Ident, windows: &'a Windows) -> Result<&'a WindowSpec> {
    let name = fold_name(name);
    match windows.iter().find(|(known, _)| *known == name) {
        Some((_, spec)) => Ok(spec),
        None => Err(Error::new(code::UNDEFINED_OBJECT, format!("window \"{name}\" does not exist"))),
    }
}

/// The window with what the one that it names has. `of_call` for one of an OVER clause.
fn extended(spec: &WindowSpec, windows: &Windows, of_call: bool) -> Result<WindowSpec> {
    let Some(name) = &spec.window_name else { return Ok(spec.clone()) };
    let base = find(name, windows)?;
    let refused = |why: String| Error::new(code::WINDOWING_ERROR, why);
    let name = fold_name(name);
    let (exclusion, partition_by): (Vec<Expr>, Vec<Expr>) = spec.partition_by.iter().cloned().partition(is_exclusion);
    if !partition_by.is_empty() {
        return Err(refused(format!("cannot override PARTITION BY clause of window \"{name}\"")));
    }
    if !spec.order_by.is_empty() && !base.order_by.is_empty() {
        return Err(refused(format!("cannot override ORDER BY clause of window \"{name}\"")));
    }
    if base.window_frame.is_some() {
        let error = refused(format!("cannot copy window \"{name}\" because it has a frame clause"));
        let adds_nothing = of_call && spec.order_by.is_empty() && spec.window_frame.is_none();
        return Err(if adds_nothing { error.hint("Omit the parentheses in this OVER clause.") } else { error });
    }
    let order_by = if spec.order_by.is_empty() { &base.order_by } else { &spec.order_by };
    Ok(WindowSpec {
        window_name: None,
        partition_by: [exclusion, base.partition_by.clone()].concat(),
        order_by: order_by.clone(),
        window_frame: spec.window_frame.clone(),
    })
}
