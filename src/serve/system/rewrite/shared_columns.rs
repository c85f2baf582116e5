//! USING and NATURAL: joins that make one column of two (manual, chapter 7.2.1.1).
//!
//! The shared column has the value of the side that is always there, or of either in a full join, and in `*` it comes first. DataFusion takes
//! it from the side that may be NULL in places, and finds it ambiguous behind further joins. So such a join gets an ON, the name of a
//! shared column becomes what it is, and `*` the columns that it means. That needs the columns of all that FROM names ([`Columns`]); where
//! they are not known, the joins are DataFusion's, and refused where it is wrong.

use sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, Value, VisitMut, WildcardAdditionalOptions,
};

use super::build::{binary, call, column_of, derived, each_expression, factors, last_name, literal};
use super::columns::Columns;
use super::queries::{name_of_item, table_name};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::func::operands;
use crate::sql::fold_name;
use crate::sql::hidden::HIDDEN;

/// A column that `*` means.
#[derive(Clone)]
pub struct Shown {
    pub name: String,
    pub expr: Expr,
    /// Its type, where that is known without planning.
    ty: Option<PgType>,
    /// True if USING or NATURAL has made it.
    shared: bool,
}

/// Whose value a shared column has.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Either,
}

/// Rewrites the joins of a query that is one SELECT, and what names their columns, ORDER BY included. Errors: 42703, 42702, 0A000.
pub fn of_query(query: &mut Query, columns: Columns<'_>) -> Result<()> {
    let SetExpr::Select(select) = query.body.as_mut() else { return Ok(()) };
    let shown = of_select(select, columns)?;
    let Some(OrderByKind::Expressions(by)) = query.order_by.as_mut().map(|by| &mut by.kind) else { return Ok(()) };
    let named = |name: &Ident| {
        select.projection.iter().any(|item| match item {
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(of), _) => {
                has(&select.from, &last_name(of), name, columns)
            }
            other => name_of_item(other).is_some_and(|item| item == fold_name(name)),
        })
    };
    // A name alone is an output column's first.
    for one in by.iter_mut().filter(|one| !matches!(&one.expr, Expr::Identifier(name) if named(name))) {
        spell_out(&mut one.expr, &shown);
    }
    Ok(())
}

/// The same for any SELECT. Answers the columns that `*` means, if there was something to rewrite.
pub fn of_select(select: &mut Select, columns: Columns<'_>) -> Result<Vec<Shown>> {
    if !select.from.iter().any(shares) {
        return Ok(vec![]);
    }
    if names_twice(select) {
        return refuse_wrong(select).map(|()| vec![]);
    }
    let (mut from, mut shown) = (select.from.clone(), Vec::new());
    for table in &mut from {
        match columns.joined(table, 0)? {
            Some(more) => shown.extend(more),
            None => return refuse_wrong(select).map(|()| vec![]),
        }
    }
    select.from = from;
    let mut items = Vec::with_capacity(select.projection.len());
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(options) => items.extend(shown.iter().filter(|c| !excludes(&options, &c.name)).map(Shown::item)),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => {
                items.push(found(&shown, &name).map_or_else(|| SelectItem::UnnamedExpr(Expr::Identifier(name)), Shown::item));
            }
            other => items.push(other),
        }
    }
    select.projection = items;
    spell_out(select, &shown);
    Ok(shown)
}

impl Shown {
    fn item(&self) -> SelectItem {
        match &self.expr {
            Expr::CompoundIdentifier(_) => SelectItem::UnnamedExpr(self.expr.clone()),
            _ => SelectItem::ExprWithAlias { expr: self.expr.clone(), alias: Ident::with_quote('"', &self.name) },
        }
    }
}

impl Columns<'_> {
    /// The columns that `*` means over joined tables, `depth` queries further in; `None` if those of one of them are not known. Puts ON in
    /// the place of USING and NATURAL. Errors: 42703 and 42702 for a column of USING that is not once on each side.
    pub fn joined(&self, from: &mut TableWithJoins, depth: usize) -> Result<Option<Vec<Shown>>> {
        let Some(mut shown) = self.table(&mut from.relation, depth)? else { return Ok(None) };
        for join in &mut from.joins {
            use JoinOperator as J;
            let Some(right) = self.table(&mut join.relation, depth)? else { return Ok(None) };
            let (constraint, of) = match &mut join.join_operator {
                J::Join(c) | J::Inner(c) | J::Left(c) | J::LeftOuter(c) => (c, Side::Left),
                J::Right(c) | J::RightOuter(c) => (c, Side::Right),
                J::FullOuter(c) => (c, Side::Either),
                J::CrossJoin(_) => {
                    shown.extend(right);
                    continue;
                }
                _ => return Ok(None),
            };
            let names: Vec<String> = match constraint {
                JoinConstraint::Using(names) => names.iter().map(last_name).collect(),
                JoinConstraint::Natural => {
                    let both = shown.iter().filter(|l| right.iter().any(|r| r.name == l.name));
                    both.map(|l| l.name.clone()).collect()
                }
                JoinConstraint::On(condition) => {
                    shown.extend(right);
                    spell_out(condition, &shown);
                    continue;
                }
                JoinConstraint::None => {
                    shown.extend(right);
                    continue;
                }
            };
            if names.iter().any(|name| HIDDEN.contains(&name.as_str())) {
                return Ok(None);
            }
            if let Some(twice) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
                let message = format!("column name \"{}\" appears more than once in USING clause", twice.1);
                return Err(Error::new(code::DUPLICATE_COLUMN, message));
            }
            let condition;
            (condition, shown) = share(&names, shown, right, of)?;
            *constraint = JoinConstraint::On(condition);
        }
        Ok(Some(shown))
    }

    fn table(&self, factor: &mut TableFactor, depth: usize) -> Result<Option<Vec<Shown>>> {
        if let TableFactor::NestedJoin { table_with_joins, alias: None } = factor {
            return self.joined(table_with_joins, depth);
        }
        as_query(factor);
        let (Some(table), Some(columns)) = (name_of(factor), self.of_factor(factor, depth)) else { return Ok(None) };
        let types = self.types_of(factor);
        let ty = |i: usize| types.as_ref().and_then(|types| types.get(i)).cloned();
        let shown = |(i, name): (usize, String)| Shown { expr: column_of(&table, &name), ty: ty(i), name, shared: false };
        Ok(Some(columns.into_iter().enumerate().map(shown).collect()))
    }
}

/// `(a JOIN b USING (id)) AS q` is a table of its own.
pub fn as_query(factor: &mut TableFactor) {
    let TableFactor::NestedJoin { table_with_joins, alias: Some(alias) } = factor else { return };
    let sql = format!("SELECT * FROM {table_with_joins}");
    if let Ok(query) = derived(&sql, false, alias.clone()) {
        *factor = query;
    }
}

/// What a table of FROM is called.
fn name_of(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Function { alias, .. } | TableFactor::UNNEST { alias, .. } => alias.as_ref().map(|alias| fold_name(&alias.name)),
        other => table_name(other),
    }
}

/// True if FROM has two tables of one name, of different schemas: a column is not told by that name.
fn names_twice(select: &Select) -> bool {
    let mut names: Vec<String> = factors(&select.from).filter_map(name_of).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    names.len() < all
}

/// True if a table of FROM has a column of that name.
fn has(from: &[TableWithJoins], table: &str, column: &Ident, columns: Columns<'_>) -> bool {
    let mut of = factors(from).filter(|factor| name_of(factor).is_some_and(|name| name == table));
    of.any(|factor| columns.of_factor(factor, 0).is_some_and(|names| names.contains(&fold_name(column))))
}

/// The condition on which two sides share columns, and the columns of both: those shared, then the others of each.
fn share(names: &[String], mut left: Vec<Shown>, mut right: Vec<Shown>, of: Side) -> Result<(Expr, Vec<Shown>)> {
    let (mut condition, mut shared) = (None, Vec::with_capacity(left.len() + right.len()));
    for name in names {
        let (l, r) = (taken(&mut left, name, "left")?, taken(&mut right, name, "right")?);
        if let (Some(l), Some(r)) = (&l.ty, &r.ty) {
            let (l, r) = (l.field(name, true), r.field(name, true));
            if operands::differ(&l, &r) {
                return Err(operands::unlike_columns(&l, &r));
            }
        }
        // Of different types it has the one that both become.
        let alike = l.ty == r.ty || l.ty.is_none() || r.ty.is_none();
        let ty = if alike { l.ty.clone().or_else(|| r.ty.clone()) } else { None };
        let (l, r) = (l.expr, r.expr);
        let equal = binary(l.clone(), BinaryOperator::Eq, r.clone());
        condition = Some(match condition {
            Some(before) => binary(before, BinaryOperator::And, equal),
            None => equal,
        });
        let expr = match of {
            Side::Left if alike => l,
            Side::Right if alike => r,
            Side::Right => call("coalesce", vec![r, l]),
            Side::Left | Side::Either => call("coalesce", vec![l, r]),
        };
        shared.push(Shown { name: name.clone(), expr, ty, shared: true });
    }
    shared.extend(left);
    shared.extend(right);
    Ok((condition.unwrap_or_else(|| literal(Value::Boolean(true))), shared))
}

/// Takes the column of that name out of a side.
fn taken(side: &mut Vec<Shown>, name: &str, which: &str) -> Result<Shown> {
    let mut places = (0..side.len()).filter(|i| side[*i].name == name);
    match (places.next(), places.next()) {
        (Some(at), None) => Ok(side.remove(at)),
        (None, _) => {
            let message = format!("column \"{name}\" specified in USING clause does not exist in {which} table");
            Err(Error::new(code::UNDEFINED_COLUMN, message))
        }
        _ => Err(Error::new(code::AMBIGUOUS_COLUMN, format!("common column name \"{name}\" appears more than once in {which} table"))),
    }
}

/// The shared column that a name means.
fn found<'a>(shown: &'a [Shown], name: &Ident) -> Option<&'a Shown> {
    let mut found = shown.iter().filter(|column| column.name == fold_name(name));
    found.next().filter(|column| column.shared && found.next().is_none())
}

/// Puts what they are for the names of shared columns in expressions, but not in their subqueries.
fn spell_out(node: &mut impl VisitMut, shown: &[Shown]) {
    each_expression(node, |expr, queries| {
        if queries == 0
            && let Expr::Identifier(name) = &*expr
            && let Some(column) = found(shown, name)
        {
            *expr = column.expr.clone();
        }
    });
}

fn excludes(options: &WildcardAdditionalOptions, name: &str) -> bool {
    match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(one)) => last_name(one) == name,
        Some(ExcludeSelectItem::Multiple(several)) => several.iter().any(|one| last_name(one) == name),
        None => false,
    }
}

fn shares(from: &TableWithJoins) -> bool {
    let nested = |factor: &TableFactor| match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => shares(table_with_joins),
        _ => false,
    };
    nested(&from.relation) || from.joins.iter().any(|join| nested(&join.relation) || constraint(&join.join_operator).is_some_and(is_shared))
}

fn is_shared(constraint: &JoinConstraint) -> bool {
    matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
}

fn constraint(join: &JoinOperator) -> Option<&JoinConstraint> {
    use JoinOperator as J;
    match join {
        J::Join(c) | J::Inner(c) | J::Left(c) | J::LeftOuter(c) | J::Right(c) | J::RightOuter(c) | J::FullOuter(c) => Some(c),
        _ => None,
    }
}

/// Refuses outer joins whose shared column DataFusion takes from the side that may be NULL: from the left one for a name, and for `*` from
/// the one whose name comes first. Errors: 0A000.
fn refuse_wrong(select: &Select) -> Result<()> {
    let wild = select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_)));
    for from in &select.from {
        let mut before = vec![table_name(&from.relation)];
        for join in &from.joins {
            let name = table_name(&join.relation);
            let wrong = match &join.join_operator {
                JoinOperator::FullOuter(c) | JoinOperator::Right(c) | JoinOperator::RightOuter(c) => is_shared(c),
                JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => wild && is_shared(c) && before.iter().any(|b| name < *b),
                _ => false,
            };
            if wrong {
                let hint = "Write ON a.x = b.x, name the columns, and take coalesce(a.x, b.x) for the shared one.";
                return Err(Error::unsupported("this outer join with USING or NATURAL is not supported").hint(hint));
            }
            before.push(name);
        }
    }
    Ok(())
}
