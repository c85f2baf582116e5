//! Functions that return sets: `FROM generate_series(1, 3) i` has a column `i`, and `SELECT generate_series(1, 3)` has three rows.

use sqlparser::ast::{Expr, Ident, Select, SelectItem, TableAlias, TableAliasColumnDef, TableFactor};

use super::build::{call, last_name, take};

/// A function of one column in FROM: the column is named as the alias is, or as the function.
pub fn column_of_alias(factor: &mut TableFactor) {
    let (function, alias) = match factor {
        TableFactor::Table { name, alias, args: Some(_), .. } | TableFactor::Function { name, alias, .. } => (last_name(name), alias),
        TableFactor::UNNEST { alias, array_exprs, with_offset: false, .. } if array_exprs.len() == 1 => ("unnest".to_string(), alias),
        _ => return,
    };
    if !matches!(function.as_str(), "generate_series" | "unnest") {
        return;
    }
    match alias {
        Some(alias) if alias.columns.is_empty() => {
            alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
        }
        None if function == "generate_series" => {
            let column = TableAliasColumnDef::from_name(&function);
            *alias = Some(TableAlias { explicit: true, name: Ident::new(function), columns: vec![column], at: None });
        }
        _ => {}
    }
}

/// `SELECT generate_series(..)`: a list in DataFusion, so it is expanded.
pub fn expanded(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
            && matches!(expr, Expr::Function(f) if f.over.is_none() && last_name(&f.name) == "generate_series")
        {
            *expr = call("unnest", vec![take(expr)]);
        }
    }
}
