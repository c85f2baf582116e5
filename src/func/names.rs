//! The names of result columns as PostgreSQL gives them (FigureColname in its parse_target.c): an alias, else the column, else
//! the function, else the type of a cast, else `?column?`.

use sqlparser::ast::{
    BinaryOperator, CeilFloorKind, DataType as Sql, Expr, Function, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    Subscript,
};

use super::types::pg_type;

/// The name of each select item of a query, `None` where a wildcard stands (the caller expands it). `None` for a query that is
/// no SELECT (VALUES, TABLE): its columns keep the names that they have. A set operation takes the names of its first branch.
pub fn output_names(query: &Query) -> Option<Vec<Option<String>>> {
    select_of(&query.body).map(|select| select.projection.iter().map(item_name).collect())
}

fn select_of(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => select_of(&query.body),
        SetExpr::SetOperation { left, .. } => select_of(left),
        _ => None,
    }
}

fn item_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(expression_name(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(identifier(alias)),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), _) | SelectItem::Wildcard(_) => None,
        _ => None,
    }
}

fn identifier(ident: &sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The name of an expression without an alias.
pub fn expression_name(expr: &Expr) -> String {
    named(expr).map_or_else(|| "?column?".to_string(), |(name, _)| name)
}

/// The name, and true if it is a strong one: a cast gives its type's name only where its operand has none or a weak one.
fn named(expr: &Expr) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_string(), true));
    match expr {
        Expr::Identifier(ident) => Some((identifier(ident), true)),
        Expr::CompoundIdentifier(parts) => parts.last().map(|i| (identifier(i), true)),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(sqlparser::ast::AccessExpr::Dot(field)) => named(field),
            Some(sqlparser::ast::AccessExpr::Subscript(Subscript::Index { .. } | Subscript::Slice { .. })) => named(root),
            None => named(root),
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => named(inner),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::BinaryOp { op: BinaryOperator::Overlaps, .. } => strong("overlaps"),
        Expr::Function(function) => function_name(function),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(named) {
            Some((name, true)) => Some((name, true)),
            _ => Some(("case".to_string(), false)),
        },
        Expr::Cast { expr, data_type, .. } => match named(expr) {
            Some((name, true)) => Some((name, true)),
            _ => Some((type_name(data_type), false)),
        },
        Expr::TypedString(typed) => Some((type_name(&typed.data_type), false)),
        Expr::Interval(_) => Some(("interval".to_string(), false)),
        Expr::Extract { .. } => strong("extract"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { shorthand, .. } => strong(if *shorthand { "substr" } else { "substring" }),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Trim { trim_where, .. } => match trim_where {
            Some(sqlparser::ast::TrimWhereField::Leading) => strong("ltrim"),
            Some(sqlparser::ast::TrimWhereField::Trailing) => strong("rtrim"),
            _ => strong("btrim"),
        },
        Expr::Ceil { field: CeilFloorKind::DateTimeField(_) | CeilFloorKind::Scale(_), .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::IsNormalized { negated: false, .. } => strong("is_normalized"),
        Expr::Exists { negated: false, .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Subquery(query) => match output_names(query)?.into_iter().next() {
            Some(Some(name)) if name != "?column?" => Some((name, true)),
            _ => None,
        },
        _ => None,
    }
}

fn function_name(function: &Function) -> Option<(String, bool)> {
    let ident = function.name.0.last()?.as_ident()?;
    Some((identifier(ident), true))
}

/// The name of a cast's type: pg_type's (int4, not integer).
fn type_name(ty: &Sql) -> String {
    let pg = pg_type(ty).map(|t| if let crate::data::PgType::Array(item) = t { item.typname() } else { t.typname() });
    let of_user = || match ty {
        Sql::Custom(name, _) => name.0.last().and_then(|part| part.as_ident()).map(identifier),
        _ => None,
    };
    pg.ok().or_else(of_user).unwrap_or_else(|| ty.to_string().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::ast::Statement;
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    #[test]
    fn columns_are_named_as_postgresql_names_them() {
        let sql = "SELECT a, t.B, count(*), 1 + 1, 'x'::text, a::text, CASE WHEN a THEN 1 END, coalesce(a, 1), true, extract(year from d),
                   interval '1 day', (SELECT max(x) FROM t), *, a AS \"Z\", -a, current_date, array[1], trim(a), date '2020-01-01', exists(select 1),
                   substr(a, 1), substring(a, 1), substring(a from 1)";
        let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
        let [Statement::Query(query)] = statements.as_slice() else { panic!("one query") };
        let names: Vec<String> = output_names(query).unwrap().into_iter().map(|n| n.unwrap_or("*".into())).collect();
        let expected = "a b count ?column? text a case coalesce ?column? extract interval max * Z ?column? current_date array btrim date exists substr substring substring";
        assert_eq!(names.join(" "), expected);
    }
}
