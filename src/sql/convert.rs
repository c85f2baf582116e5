//! From sqlparser's statements to ours: names, types, column definitions. What they carry that we do not honour is refused here.

use std::ops::ControlFlow;

use sqlparser::ast::{self, Expr, Value, VisitMut, VisitorMut};

use super::fold_name;
use super::statement::{NamedType, SqlType};
use crate::catalog::{Column, Name};
use crate::data::{OFFSET, OP, POSITION, PgType, ROW, TIME};
use crate::error::{Error, Result, code};
use crate::limits;

/// A relation's name as it is written; there is one database, whatever a client calls it. Errors: 42601, 42622.
pub fn relation_name(name: &ast::ObjectName) -> Result<Name> {
    let parts: Vec<String> = name.0.iter().filter_map(|p| p.as_ident()).map(fold_name).collect();
    match parts.as_slice() {
        [name] => Ok(Name::bare(checked_name(name.clone())?)),
        [schema, name] | [_, schema, name] => Ok(Name::qualified(schema, checked_name(name.clone())?)),
        _ => Err(Error::syntax(format!("improper relation name: {name}"))),
    }
}

/// The last part of a name. Errors: 42601, 42622.
pub(super) fn last_name(name: &ast::ObjectName) -> Result<String> {
    relation_name(name).map(|name| name.name)
}

/// Splits `a.b` into its parts, folding what is not quoted to lower case. Errors: 42602's kin, as 42601, for an unclosed quote.
pub fn name_parts(text: &str) -> Result<Vec<String>> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => part.push(chars.next().expect("it was peeked")),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            c if quoted => part.push(c),
            // Blanks may stand around the dot.
            c if c.is_whitespace() && (part.is_empty() || chars.clone().find(|c| !c.is_whitespace()) == Some('.')) => {}
            c => part.extend(c.to_lowercase()),
        }
    }
    if quoted {
        return Err(Error::syntax("invalid name syntax"));
    }
    parts.push(part);
    Ok(parts)
}

pub(super) fn checked_name(name: String) -> Result<String> {
    if name.len() > limits::IDENTIFIER_BYTES_MAX {
        return Err(Error::new("42622", format!("identifier \"{name}\" is too long"))
            .hint(format!("At most {} bytes are taken.", limits::IDENTIFIER_BYTES_MAX)));
    }
    Ok(name)
}

/// `name(arguments)`.
pub fn call(name: &str, arguments: Vec<ast::Expr>) -> ast::Expr {
    let args = arguments.into_iter().map(|e| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e))).collect();
    ast::Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(ast::FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// The type that a type name of SQL stands for: one of PostgreSQL's, or by its name one of a user's. Errors: 42704.
pub fn sql_type(name: &ast::DataType) -> Result<SqlType> {
    match (known_type(name), name) {
        (Err(e), ast::DataType::Custom(user, modifiers)) if e.code() == code::UNDEFINED_OBJECT && modifiers.is_empty() => {
            // One that is known is refused for a reason.
            if PgType::parse(&user.to_string()).is_ok() {
                return Err(e);
            }
            Ok(SqlType::Named(NamedType { name: relation_name(user)?, array: false }))
        }
        (Err(e), ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(item, _))) if e.code() == code::UNDEFINED_OBJECT => {
            match sql_type(item)? {
                SqlType::Named(item) => Ok(SqlType::Named(NamedType { array: true, ..item })),
                SqlType::Known(_) => Err(e),
            }
        }
        (known, _) => known.map(SqlType::Known),
    }
}

/// The type of PostgreSQL's that a type name of SQL stands for. Errors: 42704.
pub fn known_type(name: &ast::DataType) -> Result<PgType> {
    if let ast::DataType::Timestamp(Some(0..6), _)
    | ast::DataType::Time(Some(0..6), _)
    | ast::DataType::Interval { precision: Some(0..6), .. } = name
    {
        return Err(Error::unsupported(format!(
            "type {} is not supported: times are kept to the microsecond",
            name.to_string().to_lowercase()
        ))
        .hint("Leave the precision out here; a cast to such a type rounds."));
    }
    if is_of_user(name) {
        return Err(Error::new(code::UNDEFINED_OBJECT, format!("type {name} does not exist")));
    }
    let text = name.to_string().to_lowercase();
    let text = text.strip_prefix("pg_catalog.").unwrap_or(&text).replace('"', "");
    // All times are kept so, and intervals: of other types it says something.
    let text = match text.as_str() {
        "timestamp(6) with time zone" => "timestamptz".to_string(),
        times if ["time", "interval"].iter().any(|head| times.starts_with(head)) => times.replace("(6)", ""),
        other => other.to_string(),
    };
    match PgType::parse(&text)? {
        PgType::Unknown | PgType::Void | PgType::Record | PgType::Id(_) | PgType::Opaque(_) => {
            Err(Error::new(code::UNDEFINED_OBJECT, format!("type \"{text}\" cannot be a column's")))
        }
        ty => Ok(ty),
    }
}

/// True for a name in quotes with capitals: none of PostgreSQL's types is called so.
fn is_of_user(name: &ast::DataType) -> bool {
    match name {
        ast::DataType::Custom(name, _) => {
            let last = name.0.last().and_then(|part| part.as_ident());
            last.is_some_and(|last| last.quote_style.is_some() && last.value.contains(char::is_uppercase))
        }
        ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(item, _)) => is_of_user(item),
        _ => false,
    }
}

pub fn check_columns(columns: &[Column]) -> Result<()> {
    if columns.len() > limits::COLUMNS_MAX {
        return Err(Error::new("54011", format!("a relation has at most {} columns", limits::COLUMNS_MAX)));
    }
    for (i, column) in columns.iter().enumerate() {
        if columns[..i].iter().any(|c| c.name == column.name) {
            return Err(Error::new(code::DUPLICATE_COLUMN, format!("column \"{}\" specified more than once", column.name)));
        }
        if [POSITION, OFFSET, TIME, OP, ROW].contains(&column.name.as_str()) {
            return Err(Error::new(code::DUPLICATE_COLUMN, format!("column name \"{}\" conflicts with a system column name", column.name)));
        }
    }
    check_kept(columns)
}

/// Errors: 42P16 for a column of rows, or of arrays of them, which queries make and nothing keeps.
pub fn check_kept(columns: &[Column]) -> Result<()> {
    let is_of_rows = |ty: &PgType| matches!(ty, PgType::Record) || matches!(ty, PgType::Array(item) if **item == PgType::Record);
    let Some(column) = columns.iter().find(|column| is_of_rows(&column.ty)) else { return Ok(()) };
    let error = Error::new(code::INVALID_TABLE_DEFINITION, format!("column \"{}\" has pseudo-type {}", column.name, column.ty));
    Err(error.hint("Select the columns of the row, or to_jsonb(..) of it."))
}

/// The text of a literal that is a plain value: number, string, boolean or NULL, with an optional sign.
pub fn literal(expr: &Expr) -> Option<Option<String>> {
    match expr {
        Expr::Value(v) => match &v.value {
            Value::Number(n, _) => Some(Some(n.to_string())),
            Value::SingleQuotedString(s) | Value::EscapedStringLiteral(s) => Some(Some(s.clone())),
            Value::DollarQuotedString(s) => Some(Some(s.value.clone())),
            Value::Boolean(b) => Some(Some(b.to_string())),
            Value::Null => Some(None),
            _ => None,
        },
        Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match expr.as_ref() {
            Expr::Value(v) => match &v.value {
                // Numbers have no -0, only texts that a float is read from have.
                Value::Number(n, _) if is_zero(&n.to_string()) => Some(Some(n.to_string())),
                Value::Number(n, _) => Some(Some(format!("-{n}"))),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn is_zero(number: &str) -> bool {
    number.bytes().take_while(|b| !b.eq_ignore_ascii_case(&b'e')).all(|b| matches!(b, b'0' | b'.' | b'_'))
}

/// "C", "POSIX" and the default collation are what text is compared by.
pub fn is_known_collation(name: &str) -> bool {
    ["c", "posix", "default", "ucs_basic"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Visits the expressions of a node from the innermost, each with the number of subqueries around it: those have tables and a SELECT list of
/// their own.
pub fn each_expression(node: &mut impl VisitMut, visit: impl FnMut(&mut Expr, usize)) {
    let _ = VisitMut::visit(node, &mut Expressions { queries: 0, visit });
}

struct Expressions<F> {
    queries: usize,
    visit: F,
}

impl<F: FnMut(&mut Expr, usize)> VisitorMut for Expressions<F> {
    type Break = ();
    fn pre_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }
    fn post_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        (self.visit)(expr, self.queries);
        ControlFlow::Continue(())
    }
}
