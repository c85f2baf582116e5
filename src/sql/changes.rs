//! From sqlparser's INSERT, UPDATE and DELETE to ours. What they carry that we do not honour is refused here.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{self, Expr, SetExpr, TableFactor, Visit, VisitMut, VisitorMut};

use super::convert::{call, last_name, relation_name};
use super::inference;
use super::locking::locking;
use super::locking::without_own_locks;
use super::parse::written_query;
use super::statement::{Change, ChangingCte, Conflict, ConflictTarget, ConflictUpdate, NewTable, OnCommit, Statement};
use super::{fold_name, placeholder};
use crate::catalog::Name;
use crate::error::{Error, Result};

/// A query; `WITH .. INSERT`, `UPDATE` and `DELETE` come as one too, and all of them may have changes of data in WITH.
pub(super) fn query_statement(mut query: Box<ast::Query>) -> Result<Statement> {
    let changes = changes_in(&mut query.with)?;
    let then = plain_statement(query)?;
    if changes.is_empty() { Ok(then) } else { Ok(Statement::WithChanges { changes, then: Box::new(then) }) }
}

/// Takes the changes of data out of WITH. Each sees the queries before it.
fn changes_in(with: &mut Option<ast::With>) -> Result<Vec<ChangingCte>> {
    let Some(all) = with.take() else { return Ok(vec![]) };
    let mut plain = ast::With { cte_tables: vec![], ..all.clone() };
    let mut changes = Vec::new();
    for cte in all.cte_tables {
        if !matches!(cte.query.body.as_ref(), SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_)) {
            plain.cte_tables.push(cte);
            continue;
        }
        let parameters = placeholders(&cte.query);
        let mut query = cte.query;
        prepend(&mut query, Some(plain.clone()).filter(|w| !w.cte_tables.is_empty()));
        let statement = query_statement(query)?;
        if let Statement::WithChanges { .. } = statement {
            return Err(Error::unsupported("WITH clause containing a data-modifying statement must be at the top level")
                .hint("Name each change of data in the first WITH of the statement."));
        }
        let columns = cte.alias.columns.iter().map(|c| fold_name(&c.name)).collect();
        changes.push(ChangingCte { name: fold_name(&cte.alias.name), columns, statement, parameters });
    }
    *with = Some(plain).filter(|w| !w.cte_tables.is_empty());
    Ok(changes)
}

/// The numbers of the parameters in a query.
fn placeholders(query: &ast::Query) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let _ = ast::visit_expressions(query, |expr| {
        found.extend(placeholder(expr));
        ControlFlow::<()>::Continue(())
    });
    found
}

fn plain_statement(mut query: Box<ast::Query>) -> Result<Statement> {
    let changes = matches!(query.body.as_ref(), SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_));
    let statement = match (changes, *query.body) {
        (true, SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement)) => statement,
        (_, mut body) => {
            let into = into_of(&mut body);
            query.body = Box::new(body);
            if let Some(into) = into {
                return select_into(into, query);
            }
            return locking(query);
        }
    };
    match statement {
        ast::Statement::Insert(insert) => insert_statement(insert, query.with),
        ast::Statement::Update(update) => update_statement(update, query.with),
        ast::Statement::Delete(delete) => delete_statement(delete, query.with),
        other => Err(Error::unsupported(format!("WITH is not supported before: {other}")).hint("Write it within the statement's query.")),
    }
}

/// Takes INTO out of the first SELECT of a query, where it may stand.
fn into_of(body: &mut SetExpr) -> Option<ast::SelectInto> {
    match body {
        SetExpr::Select(select) => select.into.take(),
        SetExpr::SetOperation { left, .. } => into_of(left),
        _ => None,
    }
}

/// `SELECT .. INTO table` is `CREATE TABLE table AS SELECT ..`.
fn select_into(into: ast::SelectInto, query: Box<ast::Query>) -> Result<Statement> {
    let temporary = into.temporary.then_some(OnCommit::PreserveRows);
    let new = NewTable { name: relation_name(&into.name)?, if_not_exists: false, temporary, told: vec![] };
    Ok(Statement::CreateTableAs { new, columns: vec![], query, data: true })
}

pub(super) fn insert_statement(insert: ast::Insert, with: Option<ast::With>) -> Result<Statement> {
    let ast::TableObject::TableName(name) = &insert.table else {
        return Err(Error::unsupported("INSERT takes a relation's name").hint("INSERT INTO name [(columns)] VALUES .. or SELECT .."));
    };
    let table = relation_name(name)?;
    let alias = insert.table_alias.as_ref().map(|a| fold_name(&a.alias));
    let qualified = qualified(name, alias.as_deref());
    let columns = insert.columns.iter().map(|name| target_column(name, &table)).collect::<Result<Vec<_>>>()?;
    let (mut on, mut returning) = (insert.on, insert.returning);
    if let Some(with) = &with {
        let _ = VisitMut::visit(&mut on, &mut Known { with, depth: 0 });
        let _ = VisitMut::visit(&mut returning, &mut Known { with, depth: 0 });
    }
    unqualify_items(&mut returning, &qualified);
    let conflict = match on {
        None => None,
        Some(ast::OnInsert::OnConflict(conflict)) => {
            Some(Box::new(conflict_clause(conflict, alias.as_deref().unwrap_or(&table.name), &qualified)?))
        }
        Some(_) => return Err(Error::syntax("ON DUPLICATE KEY is not SQL's").hint("Write ON CONFLICT (columns) DO UPDATE SET ..")),
    };
    let mut source = match insert.source {
        Some(source) => source,
        None if !insert.assignments.is_empty() => return Err(Error::syntax("INSERT needs VALUES or a query")),
        None if returning.is_none() && conflict.is_none() => return Ok(Statement::InsertDefaults { table }),
        // DEFAULT VALUES: the columns for which a row has no value take their defaults too.
        None => written_query("VALUES (DEFAULT)")?,
    };
    prepend(&mut source, with);
    Ok(Statement::Insert { table, alias, columns, overriding: None, source, conflict, returning, through: None })
}

/// Errors: 0A000 for a field of a column.
fn target_column(name: &ast::ObjectName, table: &Name) -> Result<String> {
    match name.0.first().and_then(|part| part.as_ident()).map(fold_name) {
        Some(first) if name.0.len() > 2 || name.0.len() == 2 && first != table.name => {
            Err(Error::unsupported(format!("INSERT into a field is not supported: {name}"))
                .hint("Name the column, and give it a row: ROW(value, ..)."))
        }
        _ => last_name(name),
    }
}

/// Puts the CTEs of an INSERT before the subqueries of its clauses, which know them too.
struct Known<'a> {
    with: &'a ast::With,
    depth: usize,
}

impl VisitorMut for Known<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        if self.depth == 0 {
            prepend(query, Some(self.with.clone()));
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// Puts the CTEs of a statement before those of its query, which sees both.
fn prepend(query: &mut ast::Query, with: Option<ast::With>) {
    query.with = match (with, query.with.take()) {
        (Some(mut outer), Some(inner)) => {
            outer.recursive |= inner.recursive;
            outer.cte_tables.extend(inner.cte_tables);
            Some(outer)
        }
        (outer, inner) => outer.or(inner),
    };
}

fn conflict_clause(conflict: ast::OnConflict, row: &str, tables: &[String]) -> Result<Conflict> {
    let target = match conflict.conflict_target {
        None => None,
        Some(ast::ConflictTarget::Columns(names)) => Some(inference::target(&names)?),
        Some(ast::ConflictTarget::OnConstraint(name)) => Some(ConflictTarget::Constraint(last_name(&name)?)),
    };
    let update = match conflict.action {
        ast::OnConflictAction::DoNothing => None,
        ast::OnConflictAction::DoUpdate(mut update) => {
            unqualify(&mut update.selection, tables);
            Some(ConflictUpdate { assignments: assignments(update.assignments, row, tables)?, selection: update.selection })
        }
    };
    if update.is_some() && target.is_none() {
        return Err(Error::syntax("ON CONFLICT DO UPDATE requires inference specification or constraint name")
            .hint("For example, ON CONFLICT (column_name)."));
    }
    Ok(Conflict { target, update })
}

pub(super) fn update_statement(mut update: ast::Update, mut with: Option<ast::With>) -> Result<Statement> {
    if update.limit.is_some() || !update.order_by.is_empty() {
        return Err(Error::unsupported("UPDATE .. ORDER BY and LIMIT are not supported").hint("Use a subquery in WHERE."));
    }
    let (table, alias, mut tables) = only_table(std::slice::from_ref(&update.table))?;
    without_own_locks(&table, &mut update);
    without_own_locks(&table, &mut with);
    let from = match update.from {
        None => vec![],
        Some(ast::UpdateTableFromKind::AfterSet(from)) => aliased(from, &mut tables)?,
        Some(ast::UpdateTableFromKind::BeforeSet(_)) => return Err(Error::syntax("FROM stands behind SET")),
    };
    let (mut selection, mut returning) = (update.selection, update.returning);
    unqualify(&mut selection, &tables);
    unqualify_items(&mut returning, &tables);
    let assignments = assignments(update.assignments, alias.as_deref().unwrap_or(&table.name), &tables)?;
    Ok(Statement::Update(Box::new(Change { with, table, alias, assignments, from, selection, returning, through: None })))
}

pub(super) fn delete_statement(mut delete: ast::Delete, mut with: Option<ast::With>) -> Result<Statement> {
    if delete.limit.is_some() || !delete.order_by.is_empty() || !delete.tables.is_empty() {
        return Err(Error::unsupported("DELETE .. ORDER BY and LIMIT are not supported").hint("Use a subquery in WHERE."));
    }
    let (ast::FromTable::WithFromKeyword(of) | ast::FromTable::WithoutKeyword(of)) = &delete.from;
    let (table, alias, mut tables) = only_table(of)?;
    without_own_locks(&table, &mut delete);
    without_own_locks(&table, &mut with);
    let from = aliased(delete.using.unwrap_or_default(), &mut tables)?;
    let (mut selection, mut returning) = (delete.selection, delete.returning);
    unqualify(&mut selection, &tables);
    unqualify_items(&mut returning, &tables);
    Ok(Statement::Delete(Box::new(Change { with, table, alias, assignments: vec![], from, selection, returning, through: None })))
}

/// The one plain relation that UPDATE and DELETE change, its alias, and the names by which it may be qualified with its schema.
fn only_table(tables: &[ast::TableWithJoins]) -> Result<(Name, Option<String>, Vec<String>)> {
    match tables {
        [ast::TableWithJoins { relation: TableFactor::Table { name, alias, args: None, .. }, joins }] if joins.is_empty() => {
            let alias = alias.as_ref().map(|a| fold_name(&a.name));
            Ok((relation_name(name)?, alias.clone(), qualified(name, alias.as_deref())))
        }
        _ => Err(Error::syntax("UPDATE and DELETE change one relation").hint("Name others behind FROM (UPDATE) or USING (DELETE).")),
    }
}

// Names ------------------------------------------------------------------------------------------------------------------------

/// A relation named with its schema, and without an alias, may be named so before a column too.
pub(super) fn qualified(name: &ast::ObjectName, alias: Option<&str>) -> Vec<String> {
    let last = name.0.last().and_then(|part| part.as_ident()).map(fold_name);
    last.filter(|_| alias.is_none() && name.0.len() > 1).into_iter().collect()
}

/// The relations with an alias each, their own name where none is given; `tables` gets the names of those qualified with a schema.
pub(super) fn aliased(mut from: Vec<ast::TableWithJoins>, tables: &mut Vec<String>) -> Result<Vec<ast::TableWithJoins>> {
    for item in &mut from {
        let joined = item.joins.iter_mut().map(|join| &mut join.relation);
        for factor in std::iter::once(&mut item.relation).chain(joined) {
            if let TableFactor::Table { name, alias: alias @ None, .. } = factor {
                tables.extend(qualified(name, None));
                let last = name.0.last().and_then(|part| part.as_ident()).ok_or_else(|| Error::syntax("a relation has a name"))?;
                *alias = Some(ast::TableAlias { explicit: true, name: last.clone(), columns: vec![], at: None });
            }
        }
    }
    unqualify(&mut from, tables);
    Ok(from)
}

/// Takes the schema off columns of these relations: `public.t.a` is `t.a`.
pub(super) fn unqualify(node: &mut (impl VisitMut + Visit), tables: &[String]) {
    if tables.is_empty() {
        return;
    }
    let _ = ast::visit_expressions_mut(node, |expr| {
        if let Expr::CompoundIdentifier(parts) = expr
            && parts.len() > 2
            && tables.contains(&fold_name(&parts[parts.len() - 2]))
        {
            parts.drain(..parts.len() - 2);
        }
        ControlFlow::<()>::Continue(())
    });
}

/// The same for RETURNING, where the name may stand before a star too.
fn unqualify_items(items: &mut Option<Vec<ast::SelectItem>>, tables: &[String]) {
    unqualify(items, tables);
    for item in items.iter_mut().flatten() {
        if let ast::SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
            && last_name(name).is_ok_and(|last| tables.contains(&last))
        {
            name.0.drain(..name.0.len() - 1);
        }
    }
}

// SET --------------------------------------------------------------------------------------------------------------------------

/// What SET assigns, one column each; `row` is the name by which the row is known that is changed.
pub(super) fn assignments(assignments: Vec<ast::Assignment>, row: &str, tables: &[String]) -> Result<Vec<(String, Expr)>> {
    let mut single = Vec::with_capacity(assignments.len());
    for mut assignment in assignments {
        unqualify(&mut assignment.value, tables);
        match assignment.target {
            ast::AssignmentTarget::ColumnName(target) => assign(&mut single, row, &target, assignment.value)?,
            ast::AssignmentTarget::Tuple(targets) => {
                let values = values_of_row(assignment.value, targets.len())?;
                for (target, value) in targets.iter().zip(values) {
                    assign(&mut single, row, target, value)?;
                }
            }
        }
    }
    Ok(single)
}

/// A column with its new value. One of a composite type may be told field by field, and gets its old row with all of these.
fn assign(all: &mut Vec<(String, Expr)>, row: &str, target: &ast::ObjectName, value: Expr) -> Result<()> {
    let named = |part: &ast::ObjectNamePart| part.as_ident().map(fold_name).ok_or_else(|| Error::syntax("SET takes a column"));
    let (column, field) = match target.0.as_slice() {
        [column] => {
            all.push((named(column)?, value));
            return Ok(());
        }
        [column, field] => (named(column)?, named(field)?),
        _ => {
            return Err(Error::unsupported(format!("SET of a field of a field is not supported: {target}"))
                .hint("Give the field a row: ROW(value, ..)."));
        }
    };
    let text = |text: String| Expr::Value(ast::Value::SingleQuotedString(text).into());
    let earlier = all.iter_mut().find(|(name, value)| *name == column && is_with_fields(value));
    if let Some((_, Expr::Function(with_fields))) = earlier
        && let ast::FunctionArguments::List(list) = &mut with_fields.args
    {
        list.args.extend([argument(text(field)), argument(value)]);
        return Ok(());
    }
    let quoted = |name: &str| ast::Ident::with_quote('"', name);
    let old = Expr::CompoundIdentifier(vec![quoted(row), quoted(&column)]);
    let with_field = call(WITH_FIELDS, vec![old, text(column.clone()), text(field), value]);
    all.push((column, with_field));
    Ok(())
}

/// The function that gives a row other values in some of its fields.
const WITH_FIELDS: &str = "pg_with_fields";

fn is_with_fields(value: &Expr) -> bool {
    matches!(value, Expr::Function(call) if call.name.to_string() == WITH_FIELDS)
}

/// The fields that a value of SET gives to a column of a composite type, each with its value; nothing for any other value.
pub fn fields_set(value: &Expr) -> Vec<(String, &Expr)> {
    let Expr::Function(ast::Function { args: ast::FunctionArguments::List(list), .. }) = value else { return vec![] };
    if !is_with_fields(value) {
        return vec![];
    }
    let told: Vec<&Expr> = list.args.iter().filter_map(unnamed).collect();
    // Behind the row and the name of the column.
    let pairs = told.get(2..).unwrap_or_default().chunks_exact(2);
    pairs.filter_map(|pair| Some((string(pair[0])?, pair[1]))).collect()
}

fn unnamed(argument: &ast::FunctionArg) -> Option<&Expr> {
    match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)) => Some(value),
        _ => None,
    }
}

fn string(value: &Expr) -> Option<String> {
    match value {
        Expr::Value(ast::ValueWithSpan { value: ast::Value::SingleQuotedString(text), .. }) => Some(text.clone()),
        _ => None,
    }
}

fn argument(value: Expr) -> ast::FunctionArg {
    ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value))
}

/// The values of `ROW(..)`, `(a, b)` or a subquery of `width` columns.
fn values_of_row(value: Expr, width: usize) -> Result<Vec<Expr>> {
    let values = match value {
        Expr::Tuple(values) => values,
        Expr::Nested(one) if width == 1 => vec![*one],
        Expr::Function(row) if row.name.to_string().eq_ignore_ascii_case("row") => arguments(row)?,
        Expr::Subquery(query) => return (0..width).map(|i| column_of(&query, i, width)).collect(),
        _ => {
            return Err(Error::unsupported("source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression")
                .hint("Write SET (a, b) = (1, 2) or SET a = 1, b = 2."));
        }
    };
    if values.len() != width { Err(wrong_width()) } else { Ok(values) }
}

fn wrong_width() -> Error {
    Error::syntax("number of columns does not match number of values")
}

fn arguments(row: ast::Function) -> Result<Vec<Expr>> {
    let ast::FunctionArguments::List(list) = row.args else { return Err(wrong_width()) };
    let value = |argument| match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)) => Ok(value),
        _ => Err(Error::syntax("ROW takes values")),
    };
    list.args.into_iter().map(value).collect()
}

/// A subquery's column `i` of `width`, as a subquery of its own: each is one value of the same row, as the query has one row at most.
fn column_of(query: &ast::Query, i: usize, width: usize) -> Result<Expr> {
    let mut query = query.clone();
    let plain = query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    match query.body.as_mut() {
        SetExpr::Select(select) if plain && select.distinct.is_none() && !select.projection.iter().any(is_wild) => {
            if select.projection.len() != width {
                return Err(wrong_width());
            }
            select.projection = vec![select.projection.swap_remove(i)];
            Ok(Expr::Subquery(Box::new(query)))
        }
        _ => {
            let names: Vec<String> = (0..width).map(|i| format!("c{i}")).collect();
            let text = format!("SELECT c{i} FROM ({query}) AS assigned({})", names.join(", "));
            match super::parse(&text)? {
                Statement::Query(query) => Ok(Expr::Subquery(query)),
                _ => Err(Error::internal("a query stays one")),
            }
        }
    }
}

fn is_wild(item: &ast::SelectItem) -> bool {
    matches!(item, ast::SelectItem::Wildcard(_) | ast::SelectItem::QualifiedWildcard(..))
}
