//! From a SELECT of ksqlDB's dialect to operators.
//!
//! 1. [`Planner::from`] reads the relations and joins them ([`super::source`], [`super::join`]).
//! 2. References are qualified and items named ([`super::items`]), so that equal expressions are equal from here on.
//! 3. WHERE filters; PARTITION BY gives the rows another key ([`Planner::partition`]); EXPLODE and its like multiply them.
//! 4. GROUP BY folds them ([`super::group`]), HAVING filters what comes out.
//! 5. [`Planner::project`] computes the items, finds the key among them, and puts it first.

use std::sync::Arc;

use super::compute::{self, evaluator};
use super::expr::{self, Scope, Typed, rewrite};
use super::items::{self, Chosen, MADE, Output, check_columns, chosen, outputs, qualified, reference};
use super::names::Names;
use super::stage::{Role, Stage, StageColumn};
use crate::catalog::{Catalog, Properties, RelationId, Widths};
use crate::error::{Error, Result, code};
use crate::fold::ksql as fold;
use crate::func::ksql::{Type, list};
use crate::sql::ksql::ast::{Emit, Expr, ExprKind, Query};

/// Plans queries over one catalog.
pub struct Planner<'a> {
    pub catalog: &'a Catalog,
    /// The relation that is planned. A derived stream made before it is read as it is kept; what was made later is folded here again,
    /// so that nodes read older ones only.
    pub reader: RelationId,
    /// True for a query whose rows go to a client: its columns stand as they are written, and none need be a key.
    pub transient: bool,
    /// What a query that was replaced filtered by, before each position.
    pub earlier: Vec<(u64, Option<Expr>)>,
    /// What the query does not see of its relations.
    pub widths: Widths,
    /// What was set of [`QUERY_PROPERTIES`](crate::catalog::QUERY_PROPERTIES).
    pub properties: Properties,
    /// For each column of a client's query over a table its place in the key, if it is a part of it.
    pub told: Vec<Option<usize>>,
    /// What is read, in the order of the sources of the tree.
    pub inputs: Vec<super::source::SourceInput>,
}

/// Where a stage's rows have their key.
pub struct Keys {
    /// For each column of the key: the columns that may stand for it in the projection, the preferred first, and the one that holds it.
    pub parts: Vec<KeyPart>,
    /// True if a stream may be projected without its key, and then has none.
    pub lax: bool,
}

/// One column of a key.
pub struct KeyPart {
    pub accepts: Vec<usize>,
    pub holds: usize,
}

impl Keys {
    /// The columns that are keys, each for itself.
    pub fn of(stage: &Stage) -> Keys {
        Keys { parts: stage.of_role(Role::Key).map(|i| KeyPart { accepts: vec![i], holds: i }).collect(), lax: false }
    }
}

impl<'a> Planner<'a> {
    pub fn new(catalog: &'a Catalog, reader: RelationId, transient: bool) -> Planner<'a> {
        let (widths, properties) = (Widths::new(), Properties::new());
        Planner { catalog, reader, transient, earlier: Vec::new(), widths, properties, told: Vec::new(), inputs: Vec::new() }
    }

    /// The typed code of an expression over a stage's rows.
    pub fn code(&self, expr: &Expr, stage: &Stage) -> Result<Typed> {
        check_columns(expr, stage)?;
        let column = |source: Option<&str>, name: &str| {
            let index = stage.resolve(source, name)?;
            Ok((index, stage.columns[index].ty.clone()))
        };
        expr::compile(expr, &Scope { column: &column, custom: &|name| self.catalog.named_type(name).cloned() })
    }

    /// The code of a condition. Errors: 42804 if it is not BOOLEAN.
    pub fn condition(&self, expr: &Expr, stage: &Stage, clause: &str) -> Result<Typed> {
        let typed = self.code(expr, stage)?;
        if typed.ty != Type::Boolean {
            let message = format!("argument of {clause} must be type BOOLEAN, not type {}", typed.ty);
            return Err(Error::new(code::DATATYPE_MISMATCH, message).at(expr.at));
        }
        Ok(typed)
    }

    /// The operators of a query and what they give: columns in their order, those of the key first if it is kept.
    pub fn query(&mut self, query: &Query) -> Result<Stage> {
        let (mut stage, mut keys) = self.from(query)?;
        let mut chosen = chosen(query, &stage)?;
        stage = self.filtered(stage, query.condition.as_ref())?;
        if query.group_by.is_some() && query.partition_by.is_some() {
            return Err(Error::new(code::GROUPING_ERROR, "PARTITION BY cannot stand beside GROUP BY")
                .hint("GROUP BY gives the rows another key by itself."));
        }
        if let Some(by) = &query.partition_by {
            (stage, keys) = self.partition(stage, by, &mut chosen)?;
        }
        let mut outputs = outputs(chosen, &stage, self.transient && query.partition_by.is_none());
        if query.partition_by.is_some() && !query.joins.is_empty() {
            items::with_pseudo(&mut outputs, query, &stage);
        }
        self.check_pseudo(&outputs)?;
        if super::group::is_grouped(query, &outputs) {
            return self.grouped(query, stage, outputs);
        }
        if query.emit == Some(Emit::Final) {
            return Err(Error::unsupported("EMIT FINAL needs windows: a GROUP BY with WINDOW").hint("Use EMIT CHANGES."));
        }
        if query.window.is_some() {
            return Err(Error::new(code::GROUPING_ERROR, "WINDOW needs GROUP BY").hint("Add GROUP BY, or leave WINDOW out."));
        }
        if let Some(having) = &query.having {
            return Err(Error::new(code::GROUPING_ERROR, "HAVING needs GROUP BY").hint("Use WHERE.").at(having.at));
        }
        stage = self.explode(stage, &mut outputs)?;
        self.project(stage, outputs, keys)
    }

    /// WHERE, and what it was before the query was replaced.
    fn filtered(&mut self, stage: Stage, condition: Option<&Expr>) -> Result<Stage> {
        let mut filters: Vec<(u64, Option<fold::Filter>)> = Vec::new();
        let versions = std::mem::take(&mut self.earlier);
        let mut detail = String::new();
        for (until, condition) in versions.iter().map(|(until, c)| (*until, c.as_ref())).chain([(u64::MAX, condition)]) {
            let Some(condition) = condition else {
                filters.push((until, None));
                continue;
            };
            refuse_table_functions(condition, "WHERE")?;
            let condition = qualified(condition, &stage)?;
            let code = self.condition(&condition, &stage, "WHERE")?;
            detail = expr::text_of(&condition);
            filters.push((until, Some(filter_of(&stage, code, &condition))));
        }
        match filters.len() {
            1 => Ok(match filters.pop() {
                Some((_, Some(filter))) => stage.then(filter),
                _ => stage,
            }),
            _ => Ok(stage.then(fold::Versions::new(filters, detail))),
        }
    }

    /// A pseudo column that keeps its name is no column of a relation.
    fn check_pseudo(&self, outputs: &[Output]) -> Result<()> {
        if self.transient {
            return Ok(());
        }
        match outputs.iter().find(|o| items::is_reserved(&o.name)) {
            Some(output) => Err(items::reserved(&output.name).at(output.expr.at)),
            None => Ok(()),
        }
    }

    /// PARTITION BY: the rows with these keys before their other columns; what was the key goes behind.
    fn partition(&mut self, stage: Stage, by: &[Expr], chosen: &mut [Chosen]) -> Result<(Stage, Keys)> {
        if stage.table {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, "PARTITION BY is for streams: a table's key stays what it is")
                .hint("Use GROUP BY to make a table of another key."));
        }
        if by.is_empty() {
            return Err(Error::new(code::GROUPING_ERROR, "PARTITION BY needs an expression").hint("PARTITION BY NULL takes the key away."));
        }
        let by = by.iter().map(|e| qualified(e, &stage)).collect::<Result<Vec<_>>>()?;
        let nothing = matches!(by.as_slice(), [one] if is_null(one));
        let mut names = Names::new(stage.columns.iter().map(|c| c.name.as_str()));
        let (mut columns, mut exprs) = (Vec::new(), Vec::new());
        let mut moved = Vec::new();
        for key in by.iter().filter(|_| !nothing) {
            refuse_table_functions(key, "PARTITION BY")?;
            let typed = self.code(key, &stage)?;
            let column = match &key.kind {
                ExprKind::Column { source, name } => {
                    moved.push(stage.resolve(source.as_deref(), name)?);
                    StageColumn { source: source.clone(), name: name.clone(), ty: typed.ty.clone(), role: Role::Key }
                }
                other => {
                    let given = chosen.iter().find_map(|c| match c {
                        Chosen::One(output) if output.expr == *key => Some(output.name.clone()),
                        _ => None,
                    });
                    let name = given.unwrap_or_else(|| match other {
                        ExprKind::Field(_, field) => names.like(field),
                        _ => names.expression(),
                    });
                    let made = reference(Some(MADE), &name);
                    let replace = |e: Expr| rewrite(e, &mut |e| (e == key).then(|| made.clone()));
                    for item in chosen.iter_mut() {
                        if let Chosen::One(output) = item {
                            output.expr = replace(output.expr.clone());
                        }
                    }
                    StageColumn { source: Some(MADE.to_string()), name, ty: typed.ty.clone(), role: Role::Key }
                }
            };
            // A pseudo column as a key would hide behind the result's own.
            let renamed = items::is_reserved(&column.name);
            let column = if renamed { StageColumn { source: Some(MADE.to_string()), name: names.expression(), ..column } } else { column };
            if renamed {
                let made = reference(Some(MADE), &column.name);
                for item in chosen.iter_mut() {
                    if let Chosen::One(output) = item {
                        output.expr = rewrite(output.expr.clone(), &mut |e| (e == key).then(|| made.clone()));
                    }
                }
                moved.pop();
            }
            columns.push(column);
            exprs.push(typed.code);
        }
        let order = [Role::Value, Role::Key, Role::Bound, Role::Pseudo, Role::Hidden];
        for role in order {
            for index in stage.of_role(role).filter(|i| !moved.contains(i)) {
                let column = &stage.columns[index];
                let role = if role == Role::Key { Role::Value } else { role };
                exprs.push(compute::column(index, &column.name));
                columns.push(StageColumn { role, ..column.clone() });
            }
        }
        let keys: Vec<usize> = (0..columns.iter().filter(|c| c.role == Role::Key).count()).collect();
        let codes = exprs.into_iter().map(evaluator).collect();
        let detail = format!("partition by {}", texts(&by));
        let next = Stage { columns, ..stage.then(fold::Project::new(codes, keys, detail)) };
        let keys = Keys::of(&next);
        Ok((next, keys))
    }

    /// Rows multiplied by the table functions among the outputs, which become references to what these give.
    fn explode(&mut self, mut stage: Stage, outputs: &mut [Output]) -> Result<Stage> {
        let is_table = |e: &Expr| matches!(&e.kind, ExprKind::Call { name, .. } if list::table(name).is_some());
        let mut calls = Vec::new();
        for output in outputs.iter_mut() {
            let expr = std::mem::replace(&mut output.expr, reference(None, ""));
            let mut nested = None;
            output.expr = rewrite(expr, &mut |e| {
                if matches!(e.kind, ExprKind::Case { .. }) && contains(e, &is_table) {
                    nested = Some(e.at);
                }
                let ExprKind::Call { arguments, .. } = &e.kind else { return None };
                if !is_table(e) {
                    return None;
                }
                if arguments.iter().any(|a| contains(a, &is_table)) {
                    nested = Some(e.at);
                }
                calls.push(e.clone());
                Some(reference(Some(MADE), &format!("T{}", calls.len() - 1)))
            });
            if let Some(at) = nested {
                return Err(Error::new(code::GROUPING_ERROR, "table functions can be neither nested nor part of CASE").at(at));
            }
        }
        if calls.is_empty() {
            return Ok(stage);
        }
        if stage.table {
            return Err(Error::unsupported("table functions over a table are not supported")
                .hint("Use them over a stream, or unnest() in a materialized view."));
        }
        let mut columns = Vec::new();
        for (i, call) in calls.iter().enumerate() {
            let (ty, column) = compute::table_call(self, call, &stage)?;
            stage.columns.push(StageColumn { source: Some(MADE.to_string()), name: format!("T{i}"), ty, role: Role::Pseudo });
            columns.push(column);
        }
        let detail = texts(&calls);
        Ok(stage.then(fold::Explode::new(columns, detail)))
    }

    /// Computes the outputs, the key's first.
    pub fn project(&mut self, stage: Stage, outputs: Vec<Output>, keys: Keys) -> Result<Stage> {
        check_duplicates(&outputs)?;
        let place = |output: &Output| match &output.expr.kind {
            ExprKind::Column { source, name } => stage.resolve(source.as_deref(), name).ok(),
            _ => None,
        };
        let places: Vec<Option<usize>> = outputs.iter().map(place).collect();
        // A column that is not there is told of before a key that is missing.
        for (output, _) in outputs.iter().zip(&places).filter(|(_, place)| place.is_none()) {
            self.code(&output.expr, &stage)?;
        }
        let ordered =
            if self.transient { self.as_written(&stage, outputs, &places, &keys)? } else { self.keyed(&stage, outputs, &places, &keys)? };
        let (mut columns, mut codes) = (Vec::new(), Vec::new());
        for (output, role, holds) in ordered {
            let (code, ty) = match holds {
                Some(index) => (compute::column(index, &output.name), stage.columns[index].ty.clone()),
                None => {
                    let typed = self.code(&output.expr, &stage)?;
                    if typed.ty == Type::Null {
                        return Err(Error::new(code::INDETERMINATE_DATATYPE, format!("column \"{}\" has no type", output.name))
                            .hint("CAST(NULL AS type) has one.")
                            .at(output.expr.at));
                    }
                    (typed.code, typed.ty)
                }
            };
            columns.push(StageColumn { source: None, name: output.name, ty, role });
            codes.push(evaluator(code));
        }
        let values = columns.iter().any(|c| c.role == Role::Value);
        if !self.transient && !values {
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, "the projection contains no value columns")
                .hint("AS_VALUE(column) copies a column of the key among the values."));
        }
        let mut next = Stage { columns, table: stage.table, window: stage.window, tree: stage.tree };
        let identity = next.identity();
        let detail = next.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        next = next.then(fold::Project::new(codes, identity, detail));
        Ok(next)
    }

    /// The outputs as they stand; a table's key goes along hidden, so that its rows are told apart.
    fn as_written(
        &mut self,
        stage: &Stage,
        outputs: Vec<Output>,
        places: &[Option<usize>],
        keys: &Keys,
    ) -> Result<Vec<(Output, Role, Option<usize>)>> {
        let holds = |place: Option<usize>| place.and_then(|p| keys.parts.iter().find(|k| k.accepts.first() == Some(&p)).map(|k| k.holds));
        let mut ordered: Vec<_> = outputs.into_iter().zip(places).map(|(output, place)| (output, Role::Value, holds(*place))).collect();
        if stage.table {
            let parts: Vec<usize> = keys.parts.iter().map(|k| k.holds).chain(stage.of_role(Role::Bound)).collect();
            let told = |(output, place): (&(Output, Role, Option<usize>), &Option<usize>)| {
                parts.iter().position(|p| Some(*p) == output.2.or(*place))
            };
            self.told = ordered.iter().zip(places).map(told).collect();
            let identity = keys.parts.iter().map(|k| k.holds).chain(stage.of_role(Role::Bound));
            for (i, index) in identity.enumerate() {
                let output = Output { expr: reference(None, ""), name: format!("{MADE}{i}") };
                ordered.push((output, Role::Key, Some(index)));
            }
        }
        Ok(ordered)
    }

    /// The outputs with the key's columns first, then a window's bounds.
    fn keyed(
        &self,
        stage: &Stage,
        outputs: Vec<Output>,
        places: &[Option<usize>],
        keys: &Keys,
    ) -> Result<Vec<(Output, Role, Option<usize>)>> {
        let mut taken = vec![false; outputs.len()];
        let mut ordered = Vec::new();
        let missing: Vec<&KeyPart> = keys.parts.iter().filter(|k| !k.accepts.iter().any(|a| places.contains(&Some(*a)))).collect();
        let keyless = keys.lax && !stage.table && !missing.is_empty() && missing.len() == keys.parts.len();
        for part in keys.parts.iter().filter(|_| !keyless) {
            let chosen = part.accepts.iter().find(|a| places.contains(&Some(**a)));
            let Some(chosen) = chosen else {
                let name = |a: &usize| match &stage.columns[*a] {
                    StageColumn { source: Some(source), name, .. } if source != MADE => format!("{source}.{name}"),
                    column => column.name.clone(),
                };
                let names: Vec<String> = part.accepts.iter().map(name).collect();
                return Err(Error::new(code::GROUPING_ERROR, "key missing from projection")
                    .detail(format!("The query must select {} as it is, under any alias.", names.join(" or "))));
            };
            let mut found = (0..outputs.len()).filter(|i| places[*i] == Some(*chosen));
            let (first, second) = (found.next().unwrap_or(0), found.next());
            if let Some(second) = second {
                return Err(Error::new(code::DUPLICATE_COLUMN, "the projection contains a key column more than once")
                    .hint("AS_VALUE(column) makes a copy of it among the values.")
                    .at(outputs[second].expr.at));
            }
            taken[first] = true;
            ordered.push((outputs[first].clone(), Role::Key, Some(part.holds)));
        }
        for index in stage.of_role(Role::Bound).filter(|_| stage.window.is_some()) {
            let output = Output { expr: reference(None, ""), name: stage.columns[index].name.clone() };
            ordered.push((output, Role::Bound, Some(index)));
        }
        let others = outputs.into_iter().zip(taken).filter(|(_, taken)| !taken).map(|(output, _)| (output, Role::Value, None));
        ordered.extend(others);
        Ok(ordered)
    }
}

/// Two columns of a result may not have one name.
fn check_duplicates(outputs: &[Output]) -> Result<()> {
    for (i, output) in outputs.iter().enumerate() {
        if outputs[..i].iter().any(|o| o.name == output.name) {
            let message = format!("column \"{}\" specified more than once", output.name);
            return Err(Error::new(code::DUPLICATE_COLUMN, message).hint("Give one of them another name with AS.").at(output.expr.at));
        }
    }
    Ok(())
}

/// A stage filtered by a condition.
pub fn filter(stage: Stage, condition: Typed, text: &Expr) -> Stage {
    let filter = filter_of(&stage, condition, text);
    stage.then(filter)
}

fn filter_of(stage: &Stage, condition: Typed, text: &Expr) -> fold::Filter {
    let (code, detail) = (evaluator(condition.code), expr::text_of(text));
    if stage.table { fold::Filter::table(code, detail) } else { fold::Filter::stream(code, detail) }
}

/// Expressions as text, for EXPLAIN.
pub fn texts(exprs: &[Expr]) -> String {
    exprs.iter().map(expr::text_of).collect::<Vec<_>>().join(", ")
}

/// True if some part of the expression holds.
pub fn contains(expr: &Expr, holds: &dyn Fn(&Expr) -> bool) -> bool {
    let mut found = false;
    rewrite(expr.clone(), &mut |e| {
        found |= holds(e);
        None
    });
    found
}

pub(super) fn refuse_table_functions(expr: &Expr, clause: &str) -> Result<()> {
    let is_table = |e: &Expr| matches!(&e.kind, ExprKind::Call { name, .. } if list::table(name).is_some());
    if contains(expr, &is_table) {
        return Err(Error::new(code::GROUPING_ERROR, format!("table functions cannot stand in {clause}")).at(expr.at));
    }
    Ok(())
}

/// True for NULL, also with a type.
fn is_null(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Null => true,
        ExprKind::Cast(inner, _) => is_null(inner),
        _ => false,
    }
}

/// The names of a struct's fields. Errors: 42804 for what is no struct.
pub(super) fn fields_of(expr: &Expr, stage: &Stage) -> Result<Vec<Arc<str>>> {
    let column = |source: Option<&str>, name: &str| {
        let index = stage.resolve(source, name)?;
        Ok((index, stage.columns[index].ty.clone()))
    };
    match expr::compile(expr, &Scope { column: &column, custom: &|_| None })?.ty {
        Type::Struct(fields) => Ok(fields.iter().map(|(name, _)| name.clone()).collect()),
        other => Err(Error::new(code::DATATYPE_MISMATCH, format!("only a STRUCT has fields, not {other}")).at(expr.at)),
    }
}
