//! `(expression).*` in a SELECT list: the attributes of a composite type, or the columns of a table's row, each by itself. The expression is
//! repeated for each of them, as PostgreSQL repeats it.
//!
//! It goes before all else that is done with a query, since what the columns of the result are called is asked of the text too.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, DataType, Expr, Ident, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor,
    VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::super::SystemContext;
use super::Ctes;
use super::build::{arguments, bare, last_name, with_optional};
use super::casts::users_type;
use super::columns::Columns;
use super::queries::{name_of_item, table_name};
use crate::data::{CompositeType, PgType};
use crate::error::{Error, Result};
use crate::sql::fold_name;
use crate::sql::row_stars::ROW_STAR;

/// How deep the type of a subquery's column is looked for.
const DEPTH_MAX: usize = 8;

/// Puts columns for the stars of a query. Errors: 0A000 where the type of the row is not found, or the star is no item of a list.
pub fn expand_row_stars(query: &mut Query, context: &SystemContext) -> Result<()> {
    let found = sqlparser::ast::visit_expressions(&*query, |expr| match is_star(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    if found.is_continue() {
        return Ok(());
    }
    let spelled = VisitMut::visit(query, &mut Stars { context, ctes: Ctes::default() });
    spelled.break_value().map_or(Ok(()), Err)
}

/// True for such an item that no columns were put for yet.
pub fn is_row_star(item: &SelectItem) -> bool {
    matches!(item, SelectItem::UnnamedExpr(expr) if is_star(expr))
}

fn is_star(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(f) if last_name(&f.name) == ROW_STAR)
}

struct Stars<'a> {
    context: &'a SystemContext,
    ctes: Ctes,
}

impl VisitorMut for Stars<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.ctes.0.push(query.with.iter().flat_map(|with| &with.cte_tables).cloned().collect());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.ctes.0.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let types = Types { columns: Columns { ctes: &self.ctes, context: self.context } };
        let mut items = Vec::with_capacity(select.projection.len());
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) if is_star(expr) => match types.columns_of(expr.clone(), select) {
                    Ok(columns) => items.extend(columns),
                    Err(error) => return ControlFlow::Break(error),
                },
                other => items.push(other.clone()),
            }
        }
        select.projection = items;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match is_star(expr) {
            true => ControlFlow::Break(refused()),
            false => ControlFlow::Continue(()),
        }
    }
}

fn refused() -> Error {
    Error::unsupported("(row).* is not supported there").hint("Name the fields of the row one by one: (row).field.")
}

/// The composite types of expressions.
struct Types<'a> {
    columns: Columns<'a>,
}

impl Types<'_> {
    fn columns_of(&self, mut star: Expr, select: &Select) -> Result<Vec<SelectItem>> {
        let Expr::Function(f) = &mut star else { return Err(refused()) };
        let row = arguments(f).into_iter().next().map(|row| row.clone()).ok_or_else(refused)?;
        if let Expr::Identifier(name) = bare(&row)
            && self.column(&fold_name(name), None, select, 0).is_none()
            && select.from.iter().flat_map(with_optional).any(|(factor, _)| table_name(factor) == Some(fold_name(name)))
        {
            let table = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![name.clone()]));
            return Ok(vec![SelectItem::QualifiedWildcard(table, WildcardAdditionalOptions::default())]);
        }
        let ty = self.of(&row, select, 0).ok_or_else(refused)?;
        let item = |name: &str| {
            let field = Ident::with_quote('"', name);
            let access_chain = vec![AccessExpr::Dot(Expr::Identifier(field.clone()))];
            let expr = Expr::CompoundFieldAccess { root: Box::new(Expr::Nested(Box::new(row.clone()))), access_chain };
            SelectItem::ExprWithAlias { expr, alias: field }
        };
        Ok(ty.attributes().iter().map(|attribute| item(&attribute.name)).collect())
    }

    /// The type of an expression, `depth` queries further in; `None` if it is none of those or not known.
    fn of(&self, expr: &Expr, select: &Select, depth: usize) -> Option<CompositeType> {
        match expr {
            Expr::Nested(inner) => self.of(inner, select, depth),
            Expr::Identifier(name) => self.column(&fold_name(name), None, select, depth),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., table, name] => self.column(&fold_name(name), Some(&fold_name(table)), select, depth),
                _ => None,
            },
            Expr::CompoundFieldAccess { root, access_chain } => {
                access_chain.iter().try_fold(self.of(root, select, depth)?, |row, access| match access {
                    AccessExpr::Dot(Expr::Identifier(field)) => {
                        let name = fold_name(field);
                        composite(&row.attributes().iter().find(|attribute| attribute.name == name)?.ty)
                    }
                    _ => None,
                })
            }
            Expr::Cast { data_type: DataType::Custom(name, _), .. } => users_type(name, self.columns.context)?.composite(),
            _ => None,
        }
    }

    /// The type of a column of a table of FROM.
    fn column(&self, name: &str, table: Option<&str>, select: &Select, depth: usize) -> Option<CompositeType> {
        let factors = select.from.iter().flat_map(with_optional).map(|(factor, _)| factor);
        let mut wanted = factors.filter(|factor| table.is_none_or(|table| table_name(factor).as_deref() == Some(table)));
        wanted.find_map(|factor| self.column_of(factor, name, depth))
    }

    fn column_of(&self, factor: &TableFactor, name: &str, depth: usize) -> Option<CompositeType> {
        if depth > DEPTH_MAX {
            return None;
        }
        let place = self.columns.of_factor(factor, 0)?.iter().position(|column| column == name)?;
        match factor {
            TableFactor::Derived { subquery, .. } if subquery.with.is_none() => {
                let SetExpr::Select(inner) = subquery.body.as_ref() else { return None };
                // With a star among the items their places are not those of the columns.
                let named = inner.projection.iter().all(|item| name_of_item(item).is_some());
                match inner.projection.get(place).filter(|_| named)? {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => self.of(expr, inner, depth + 1),
                    _ => None,
                }
            }
            table => composite(self.columns.types_of(table)?.get(place)?),
        }
    }
}

fn composite(ty: &PgType) -> Option<CompositeType> {
    match ty {
        PgType::Composite(ty) => Some(ty.clone()),
        _ => None,
    }
}
