//! Look-ups by key: `SELECT .. FROM view WHERE key = $1`, past the planner.
//!
//! A statement of that form, also with an alias, names behind it and a LIMIT, as tools write it, is recognised once, when it is prepared. Running it is: decode the key, check that the view is current at
//! the log's head, probe its output. Where it is not current, the view is awaited first; everything else goes the general way.
//! Such a read sees the view at a position at least the head's when it began, and one view has one position: so it is strictly
//! serializable as any other. In a transaction that has changed a table, its own rows lie over those of the table.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use sqlparser::ast::{self, BinaryOperator, Expr, LimitClause, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor};

use super::database::Engine;
use super::dml::scalars;
use super::node::Node;
use super::session::{Column, Parameters, Prepared, Response};
use super::time::tells_time;
use crate::catalog::{Relation, Scope};
use crate::data::datetime::Reading;
use crate::data::{PgType, decode};
use crate::error::{Error, Result, code};
use crate::fold::RowKeys;
use crate::plan::origin::Origin;
use crate::serve::table::TableRows;
use crate::sql::convert::relation_name;
use crate::sql::fold_name;

/// A recognised look-up.
pub struct Lookup {
    node: Arc<Node>,
    /// For each key column, in the output's order: a literal, or the 0-based number of a parameter.
    key: Vec<KeyPart>,
    /// The columns of the key, as indices into the view's.
    key_columns: Vec<usize>,
    /// The columns answered, as indices into the view's.
    projection: Vec<usize>,
    pub(super) columns: Arc<[Column]>,
    /// Types of the parameters.
    pub(super) parameters: Vec<PgType>,
    /// The 0-based number of the parameter that LIMIT is.
    limit: Option<usize>,
}

/// The one relation of a look-up's FROM, and the name that stands before columns of it.
struct Sought {
    relation: Arc<Relation>,
    name: String,
}

enum KeyPart {
    Literal(ScalarValue),
    Parameter(usize),
}

impl Lookup {
    /// The look-up that a query is, if it is one.
    pub(super) fn recognise(engine: &Engine, scope: &Scope, query: &ast::Query, declared: &[Option<PgType>]) -> Option<Lookup> {
        let (select, sought) = plain_select(scope, query)?;
        let relation = &sought.relation;
        let node = engine.node(relation.id)?;
        let key_columns = node.with_output(|output| output.key().map(<[usize]>::to_vec))?;
        let mut equalities = Vec::new();
        split_equalities(&sought, select.selection.as_ref()?, &mut equalities)?;
        if equalities.len() != key_columns.len() {
            return None;
        }
        let mut parameters: Vec<PgType> = Vec::new();
        let mut key = Vec::with_capacity(key_columns.len());
        for column in &key_columns {
            let column = relation.columns.get(*column)?;
            let value = equalities.iter().find(|(name, _)| *name == column.name)?.1;
            key.push(key_part(column, value, declared, &mut parameters)?);
        }
        let limit = limited(query.limit_clause.as_ref(), declared, &mut parameters)?;
        let projection = projected(&sought, &select.projection)?;
        let column = |(i, name): &(usize, String)| Column {
            name: name.clone(),
            ty: relation.columns[*i].ty.clone(),
            precision: relation.columns[*i].precision,
            origin: Origin::of(relation.id, *i),
        };
        let columns = projection.iter().map(column).collect();
        let projection = projection.into_iter().map(|(i, _)| i).collect();
        Some(Lookup { node, key, key_columns, projection, columns, parameters, limit })
    }

    /// The columns that are read, as indices into the view's.
    pub(super) fn reads(&self) -> impl Iterator<Item = usize> {
        self.key_columns.iter().chain(&self.projection).copied()
    }

    /// The relation that is looked into.
    pub(super) fn relation(&self) -> &Relation {
        &self.node.relation
    }

    /// True if the relation was made in ksqlDB's dialect.
    pub(super) fn is_ksql(&self) -> bool {
        self.node.relation.ksql.is_some()
    }

    /// The answer, if the view is current right now; `None` if it has to be awaited.
    pub(super) fn try_now(&self, engine: &Engine, prepared: &Prepared, parameters: &Parameters) -> Option<Result<Response>> {
        let node = &self.node;
        if node.is_retired() || !node.is_current(&engine.log) || node.position() == 0 || tells_time(node) {
            return None;
        }
        Some(self.probe(node, prepared, parameters))
    }

    /// The answer, awaiting the view.
    pub(super) async fn run(&self, engine: &Engine, prepared: &Prepared, parameters: &Parameters) -> Result<Response> {
        let node = self.present(engine)?;
        engine.reach(&node).await?;
        self.probe(&node, prepared, parameters)
    }

    /// False if the relation is gone, or has other columns than when the statement was planned.
    pub(super) fn is_as_planned(&self, engine: &Engine) -> bool {
        !self.node.is_retired() || engine.node(self.node.relation.id).is_some_and(|node| node.schema() == self.node.schema())
    }

    /// The relation's node as it is now: the statement may be older than it. Errors: 42P01 if the relation is gone, 0A000 if it has
    /// other columns.
    pub(super) fn present(&self, engine: &Engine) -> Result<Arc<Node>> {
        if !self.node.is_retired() {
            return Ok(self.node.clone());
        }
        let relation = &self.node.relation;
        let node = engine.node(relation.id);
        let node = node.ok_or_else(|| Error::new(code::UNDEFINED_TABLE, format!("relation \"{}\" does not exist", relation.name)))?;
        if node.schema() != self.node.schema() {
            return Err(Error::unsupported("cached plan must not change result type").hint("Prepare the statement again."));
        }
        Ok(node)
    }

    /// True if the text of its key is read by what a session has set: then only one that has set nothing uses it.
    pub(super) fn reads_time(&self) -> bool {
        let time = |ty: &PgType| matches!(ty, PgType::Date | PgType::Timestamp | PgType::Timestamptz | PgType::Interval);
        let literal = |part: &KeyPart| matches!(part, KeyPart::Literal(value) if time(&PgType::of_arrow(&value.data_type())));
        self.parameters.iter().any(time) || self.key.iter().any(literal)
    }

    /// The answer among rows of the table.
    pub(super) fn among(&self, rows: &TableRows, prepared: &Prepared, parameters: &Parameters) -> Result<Response> {
        let (schema, columns) = (self.node.schema(), &self.node.relation.key);
        let typed = |(value, column): (ScalarValue, &usize)| Ok(value.cast_to(schema.field(*column).data_type())?.to_array()?);
        let key = self.values(prepared, parameters)?.into_iter().zip(columns).map(typed).collect::<Result<Vec<_>>>()?;
        self.answer(rows.of_keys(&RowKeys::Columns(columns.to_vec()), &key)?.into_iter().find(|found| found.num_rows() > 0), &self.node)
    }

    fn probe(&self, node: &Node, prepared: &Prepared, parameters: &Parameters) -> Result<Response> {
        let key = self.values(prepared, parameters)?;
        let found = if key.iter().any(ScalarValue::is_null) { None } else { node.with_output(|output| output.lookup(&key))? };
        self.answer(found, node)
    }

    /// The values of the key's columns; NULL in place of them where LIMIT lets no row through. Errors: 2201W.
    fn values(&self, prepared: &Prepared, parameters: &Parameters) -> Result<Vec<ScalarValue>> {
        let values = scalars(&prepared.parameters, parameters, Reading::default())?;
        match self.limit.map(|i| &values[i]) {
            Some(ScalarValue::Int64(Some(0))) => return Ok(vec![ScalarValue::Null; self.key.len()]),
            Some(ScalarValue::Int64(Some(..0))) => {
                return Err(Error::new(code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT must not be negative"));
            }
            _ => {}
        }
        let value = |part: &KeyPart| match part {
            KeyPart::Literal(value) => value.clone(),
            KeyPart::Parameter(i) => values[*i].clone(),
        };
        Ok(self.key.iter().map(value).collect())
    }

    fn answer(&self, found: Option<RecordBatch>, node: &Node) -> Result<Response> {
        let batch = match found {
            Some(row) => row.project(&self.projection)?,
            None => RecordBatch::new_empty(Arc::new(node.schema().project(&self.projection)?)),
        };
        Ok(Response::Batch { word: "SELECT".into(), columns: self.columns.clone(), batch })
    }
}

/// SELECT .. FROM relation WHERE .., and nothing else but a LIMIT.
fn plain_select<'a>(scope: &Scope, query: &'a ast::Query) -> Option<(&'a ast::Select, Sought)> {
    if query.with.is_some() || query.order_by.is_some() || query.fetch.is_some() || !query.locks.is_empty() {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let grouped = !matches!(&select.group_by, ast::GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty());
    if grouped
        || select.having.is_some()
        || select.distinct.is_some()
        || select.qualify.is_some()
        || select.into.is_some()
        || select.top.is_some()
    {
        return None;
    }
    let [table] = select.from.as_slice() else { return None };
    let TableFactor::Table { name, alias, args: None, sample: None, version: None, .. } = &table.relation else { return None };
    let relation = scope.find(&relation_name(name).ok()?)?.clone();
    let name = match alias {
        Some(alias) if alias.columns.is_empty() => fold_name(&alias.name),
        Some(_) => return None,
        None => relation.name.clone(),
    };
    table.joins.is_empty().then(|| (select.as_ref(), Sought { relation, name }))
}

/// The parameter that LIMIT is, if it is one; the outer `None` for anything that a row found by its key may not pass.
fn limited(clause: Option<&LimitClause>, declared: &[Option<PgType>], parameters: &mut Vec<PgType>) -> Option<Option<usize>> {
    let Some(clause) = clause else { return Some(None) };
    let LimitClause::LimitOffset { limit: Some(Expr::Value(limit)), offset: None, limit_by } = clause else { return None };
    match &limit.value {
        ast::Value::Number(rows, _) if limit_by.is_empty() => rows.parse::<u32>().ok().filter(|rows| *rows > 0).map(|_| None),
        ast::Value::Placeholder(name) if limit_by.is_empty() => {
            let n: usize = name.strip_prefix('$')?.parse().ok()?;
            let open = declared.get(n.checked_sub(1)?).is_none_or(|ty| matches!(ty, None | Some(PgType::Int8 | PgType::Unknown)));
            (open && n == parameters.len() + 1).then(|| {
                parameters.push(PgType::Int8);
                Some(n - 1)
            })
        }
        _ => None,
    }
}

impl Sought {
    /// The name of a column of it; `None` for any other expression.
    fn column(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Identifier(name) => Some(fold_name(name)),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [before, name] if fold_name(before) == self.name => Some(fold_name(name)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The columns of `*`, by their places and names.
    fn all(&self) -> impl Iterator<Item = (usize, String)> {
        self.relation.columns.iter().enumerate().map(|(i, c)| (i, c.name.clone()))
    }
}

/// `a = x AND b = y ..` as pairs of column and value.
fn split_equalities<'a>(sought: &Sought, condition: &'a Expr, into: &mut Vec<(String, &'a Expr)>) -> Option<()> {
    match condition {
        Expr::Nested(inner) => split_equalities(sought, inner, into),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            split_equalities(sought, left, into)?;
            split_equalities(sought, right, into)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let found = sought.column(left).map(|name| (name, right.as_ref()));
            into.push(found.or_else(|| sought.column(right).map(|name| (name, left.as_ref())))?);
            Some(())
        }
        _ => None,
    }
}

fn key_part(column: &crate::catalog::Column, value: &Expr, declared: &[Option<PgType>], parameters: &mut Vec<PgType>) -> Option<KeyPart> {
    if let Expr::Value(v) = value
        && let ast::Value::Placeholder(name) = &v.value
    {
        let n: usize = name.strip_prefix('$')?.parse().ok()?;
        // Parameters in the order of their use only, so that every one of them has a type.
        if n != parameters.len() + 1 || n < 1 {
            return None;
        }
        match declared.get(n - 1).cloned().flatten() {
            Some(ty) if ty != PgType::Unknown && ty.base() != column.ty.base() => return None,
            _ => parameters.push(column.ty.clone()),
        }
        return Some(KeyPart::Parameter(n - 1));
    }
    // A quoted literal takes the column's type, a number only if it is of it: 1.5 is no bigint, and then the general way decides.
    let text = crate::sql::convert::literal(value)??;
    let number = matches!(value, Expr::Value(v) if matches!(v.value, ast::Value::Number(..))) || matches!(value, Expr::UnaryOp { .. });
    if number && !matches!(column.ty, PgType::Int2 | PgType::Int4 | PgType::Int8) {
        return None;
    }
    decode::parse_text(&column.ty, &text).ok().map(KeyPart::Literal)
}

/// The columns answered and their names, if they are all plain columns.
fn projected(sought: &Sought, items: &[SelectItem]) -> Option<Vec<(usize, String)>> {
    let place = |name: &str| sought.relation.columns.iter().position(|c| c.name == name);
    let mut projection = Vec::new();
    for item in items {
        match item {
            SelectItem::Wildcard(options) if plain_wildcard(options) => projection.extend(sought.all()),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) if plain_wildcard(options) => {
                let ast::ObjectName(parts) = name;
                let before = parts.as_slice().first().and_then(ast::ObjectNamePart::as_ident).filter(|_| parts.len() == 1)?;
                projection.extend((fold_name(before) == sought.name).then(|| sought.all())?);
            }
            SelectItem::UnnamedExpr(expr) => {
                let name = sought.column(expr)?;
                projection.push((place(&name)?, name));
            }
            SelectItem::ExprWithAlias { expr, alias } => projection.push((place(&sought.column(expr)?)?, fold_name(alias))),
            _ => return None,
        }
    }
    Some(projection)
}

fn plain_wildcard(options: &ast::WildcardAdditionalOptions) -> bool {
    options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_ilike.is_none()
}
