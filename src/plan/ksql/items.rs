//! The items of SELECT: references qualified, `*` spelled out, names given.

use super::expr::{columns_of, rewrite};
use super::names::Names;
use super::stage::{Role, Stage};
use crate::error::{Error, Result, code};
use crate::sql::ksql::ast::{Expr, ExprKind, Item, Query};

/// The source of columns that the planner has made.
pub const MADE: &str = "\u{1}";

/// Names that are not a user's to give.
const RESERVED: [&str; 5] = ["ROWTIME", "ROWPARTITION", "ROWOFFSET", "WINDOWSTART", "WINDOWEND"];

/// A column of the result: what it is, and its name.
#[derive(Clone, Debug)]
pub struct Output {
    pub expr: Expr,
    pub name: String,
}

/// An item of SELECT before `*` is spelled out.
#[derive(Clone, Debug)]
pub enum Chosen {
    One(Output),
    All(Option<String>),
}

/// A reference to a column.
pub fn reference(source: Option<&str>, name: &str) -> Expr {
    Expr { kind: ExprKind::Column { source: source.map(str::to_string), name: name.to_string() }, at: 0 }
}

/// The expression with each reference bearing the relation that it is found in. What is found nowhere is left as it is: it may be
/// a lambda's parameter, a word such as DAYS, or a bound of the query's window.
pub fn qualified(expr: &Expr, stage: &Stage) -> Result<Expr> {
    let parameters = lambda_parameters(expr)?;
    if let Some(name) = parameters.iter().find(|name| stage.resolve(None, name).is_ok()) {
        return Err(Error::new(code::AMBIGUOUS_COLUMN, format!("lambda parameter \"{name}\" has the name of a column"))
            .hint("Give it another name.")
            .at(expr.at));
    }
    let mut failed = None;
    let rewritten = rewrite(expr.clone(), &mut |e| {
        let ExprKind::Column { source: None, name } = &e.kind else { return None };
        if parameters.contains(name) {
            return None;
        }
        match stage.resolve(None, name) {
            Ok(index) => {
                let source = stage.columns[index].source.clone();
                Some(Expr { kind: ExprKind::Column { source, name: name.clone() }, at: e.at })
            }
            Err(error) => {
                if error.code() == code::AMBIGUOUS_COLUMN && failed.is_none() {
                    failed = Some(error.at(e.at));
                }
                None
            }
        }
    });
    failed.map_or(Ok(rewritten), Err)
}

/// The names of all lambdas' parameters. Errors: 42712 for one that a lambda has from the lambda around it.
fn lambda_parameters(expr: &Expr) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut twice = None;
    rewrite(expr.clone(), &mut |e| {
        if let ExprKind::Lambda { parameters, body } = &e.kind {
            names.extend(parameters.iter().cloned());
            super::query::contains(body, &|inner| match &inner.kind {
                ExprKind::Lambda { parameters: own, .. } => own.iter().any(|name| parameters.contains(name)),
                _ => false,
            })
            .then(|| twice.get_or_insert(e.at));
        }
        None
    });
    match twice {
        Some(at) => {
            Err(Error::new(code::DUPLICATE_ALIAS, "a lambda has a parameter of the lambda around it").hint("Give it another name.").at(at))
        }
        None => Ok(names),
    }
}

/// The items of a query over its relations, with names.
pub fn chosen(query: &Query, stage: &Stage) -> Result<Vec<Chosen>> {
    let columns = stage.columns.iter().filter(|c| matches!(c.role, Role::Key | Role::Value));
    let mut names = Names::new(columns.map(|c| c.name.as_str()));
    let mut chosen = Vec::new();
    for item in &query.items {
        match item {
            Item::All { source, at } => {
                if let Some(source) = source.as_ref().filter(|s| !stage.sources().contains(&s.as_str())) {
                    let message = format!("\"{source}\" is not a relation of this query");
                    return Err(Error::new(code::UNDEFINED_TABLE, message).at(*at));
                }
                chosen.push(Chosen::All(source.clone()));
            }
            Item::Fields(of) => {
                let of = qualified(of, stage)?;
                for field in super::query::fields_of(&of, stage)? {
                    let expr = Expr { kind: ExprKind::Field(Box::new(of.clone()), field.to_string()), at: of.at };
                    let name = names.like(&field);
                    chosen.push(Chosen::One(Output { expr, name }));
                }
            }
            Item::Expr { expr, alias } => {
                let expr = qualified(expr, stage)?;
                let name = match alias {
                    Some(alias) => alias.clone(),
                    None => given_name(&expr, stage, &mut names),
                };
                check_reserved(&name, &expr)?;
                chosen.push(Chosen::One(Output { expr, name }));
            }
        }
    }
    Ok(chosen)
}

/// The name of an item without an alias.
fn given_name(expr: &Expr, stage: &Stage, names: &mut Names) -> String {
    match &expr.kind {
        ExprKind::Column { source, name } => match source {
            Some(source) if stage.sources().len() > 1 && stage.clashes(name) => format!("{source}_{name}"),
            _ => name.clone(),
        },
        ExprKind::Field(_, field) => names.like(field),
        _ => names.expression(),
    }
}

fn check_reserved(name: &str, expr: &Expr) -> Result<()> {
    let itself = matches!(&expr.kind, ExprKind::Column { name: of, .. } if of.eq_ignore_ascii_case(name));
    if itself || !RESERVED.iter().any(|r| r.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    Err(reserved(name).at(expr.at))
}

/// The error of a column that is named as only a pseudo column may be.
pub fn reserved(name: &str) -> Error {
    Error::new(code::RESERVED_NAME, format!("\"{name}\" is a reserved column name")).hint("Give the column another name.")
}

/// True for a name that only a pseudo column may have.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|r| r.eq_ignore_ascii_case(name))
}

/// The columns that the items are, `*` spelled out over the stage at which they are computed.
pub fn outputs(chosen: Vec<Chosen>, stage: &Stage, transient: bool) -> Vec<Output> {
    let several = stage.sources().iter().filter(|s| **s != MADE).count() > 1;
    let mut outputs = Vec::new();
    for item in chosen {
        match item {
            Chosen::One(output) => outputs.push(output),
            Chosen::All(of) => {
                // What the planner made of all relations comes first: a key that belongs to none of them.
                let sources = stage.sources().into_iter().map(Some);
                let wanted = std::iter::once(None).chain(sources).filter(|s| of.is_none() || of.as_deref() == *s);
                for source in wanted {
                    all_of(stage, source, several, transient, &mut outputs);
                }
            }
        }
    }
    outputs
}

fn all_of(stage: &Stage, source: Option<&str>, several: bool, transient: bool, outputs: &mut Vec<Output>) {
    let roles: &[Role] = if transient { &[Role::Key, Role::Bound, Role::Value] } else { &[Role::Key, Role::Value] };
    for role in roles {
        for column in stage.of_role(*role).map(|i| &stage.columns[i]).filter(|c| c.source.as_deref() == source) {
            let name = match source {
                Some(source) if several && source != MADE => format!("{source}_{}", column.name),
                _ => column.name.clone(),
            };
            outputs.push(Output { expr: reference(source, &column.name), name });
        }
    }
}

/// After PARTITION BY over a join `*` has the pseudo columns of each relation too, as ksqlDB has it: they bear the relation's name there.
pub fn with_pseudo(outputs: &mut Vec<Output>, query: &Query, stage: &Stage) {
    let all = |item: &Item| matches!(item, Item::All { .. });
    if !query.items.iter().any(all) {
        return;
    }
    for column in stage.of_role(Role::Pseudo).map(|i| &stage.columns[i]) {
        let Some(source) = &column.source else { continue };
        let name = format!("{source}_{}", column.name);
        let wanted = |item: &Item| matches!(item, Item::All { source: of, .. } if of.as_ref().is_none_or(|of| of == source));
        if query.items.iter().any(wanted) && !outputs.iter().any(|o| o.name == name) {
            outputs.push(Output { expr: reference(Some(source), &column.name), name });
        }
    }
}

/// Refuses references that no column answers. Errors: 42703, 42P01.
pub fn check_columns(expr: &Expr, stage: &Stage) -> Result<()> {
    for (source, name) in columns_of(expr) {
        if source.is_some() {
            stage.resolve(source.as_deref(), &name)?;
        }
    }
    Ok(())
}
