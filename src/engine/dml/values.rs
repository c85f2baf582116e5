//! Parameters and literals as values of columns.

use std::borrow::Cow;

use datafusion::common::ScalarValue;
use sqlparser::ast::{self, Expr, SetExpr};

use super::columns::{check_assignable, check_row, check_width, target_columns};
use crate::catalog::{Column, Relation, TriggerEvent};
use crate::data::PgType;
use crate::data::datetime::Reading;
use crate::data::decode::{ColumnBuilder, invalid_utf8};
use crate::data::encode::Style;
use crate::data::numeric;
use crate::engine::session::{Parameters, Prepared, Session, TransactionStatus};
use crate::error::{Error, Result, code};
use crate::func::types::pg_type;
use crate::sql::{Statement, placeholder};

impl Session {
    /// Whether the values are such of their types as a statement is bound to. What takes long to read, as json and arrays, is read when the statement
    /// runs. Errors: as that would say, 22P02, 22003, 22007 and their kin.
    pub fn check_parameters(&self, prepared: &Prepared, parameters: &Parameters) -> Result<()> {
        if self.status() == TransactionStatus::Failed {
            return Ok(());
        }
        let reading = self.settings.reading();
        for (i, ty) in prepared.parameters.iter().enumerate().filter(|(_, ty)| is_soon_read(ty)) {
            if parameters.values.get(i).is_some_and(Option::is_some) {
                put_parameter(&mut ColumnBuilder::new(ty, 1).reading(reading), i, ty, ty, parameters)?;
            }
        }
        Ok(())
    }

    /// Types of the parameters of an INSERT .. VALUES whose values are all literals or parameters, as far as these tell them.
    pub(in crate::engine) fn insert_parameters(
        &self,
        statement: &Statement,
        declared: &[Option<PgType>],
    ) -> Result<Option<Vec<Option<PgType>>>> {
        let Statement::Insert { table, columns, source, .. } = statement else { return Ok(None) };
        let Some(rows) = literal_rows(source) else { return Ok(None) };
        let relation = self.written_on(table, TriggerEvent::Insert)?;
        let targets = target_columns(&relation, columns)?;
        let mut types: Vec<Option<PgType>> = declared.to_vec();
        let width = rows.first().map_or(0, |row| row.len());
        for row in rows {
            check_row(row.len(), width)?;
            check_width(row.len(), targets.len(), !columns.is_empty())?;
            for (value, target) in row.iter().zip(&targets) {
                if let Some(n) = placeholder(value) {
                    types.resize(types.len().max(n), None);
                    types[n - 1].get_or_insert_with(|| relation.columns[*target].ty.clone());
                }
            }
        }
        Ok(Some(types))
    }

    /// The types of parameters that an INSERT puts into columns as they are, besides those declared.
    pub(in crate::engine) fn target_types(&self, statement: &Statement, declared: &[Option<PgType>]) -> Result<Vec<Option<PgType>>> {
        let mut types = declared.to_vec();
        let Statement::Insert { table, columns, source, .. } = statement else { return Ok(types) };
        let relation = self.written_on(table, TriggerEvent::Insert)?;
        let targets = target_columns(&relation, columns)?;
        let mut note = |i: usize, value: &Expr| {
            if let (Some(n), Some(target)) = (placeholder(value), targets.get(i)) {
                types.resize(types.len().max(n), None);
                types[n - 1].get_or_insert_with(|| relation.columns[*target].ty.clone());
            }
        };
        match source.body.as_ref() {
            SetExpr::Values(values) => {
                values.rows.iter().for_each(|row| row.content.iter().enumerate().for_each(|(i, value)| note(i, value)));
            }
            SetExpr::Select(select) => select.projection.iter().enumerate().for_each(|(i, item)| match item {
                ast::SelectItem::UnnamedExpr(value) | ast::SelectItem::ExprWithAlias { expr: value, .. } => note(i, value),
                _ => {}
            }),
            _ => {}
        }
        Ok(types)
    }
}

/// The source of an INSERT with the text literals of a VALUES list typed by the columns they are for: `(ARRAY['a']), ('{}')` are rows of one
/// type then, and so are rows of a composite type. Modifiers are left to the assignment, which checks them.
pub(in crate::engine) fn typed<'a>(source: &'a ast::Query, relation: &Relation, targets: &[usize]) -> Cow<'a, ast::Query> {
    let of_rows = targets.iter().any(|target| relation.columns[*target].ty.is_of_rows());
    if !matches!(source.body.as_ref(), SetExpr::Values(values) if values.rows.len() > 1 || of_rows) {
        return Cow::Borrowed(source);
    }
    let mut typed = source.clone();
    let SetExpr::Values(values) = typed.body.as_mut() else { return Cow::Borrowed(source) };
    for row in &mut values.rows {
        for (value, target) in row.content.iter_mut().zip(targets) {
            let ty = &relation.columns[*target].ty;
            if ty.is_of_rows() {
                if !is_default(value) && placeholder(value).is_none() {
                    cast_to(value, of_any_length(ty).kept_name());
                }
                continue;
            }
            // Beside a float the other numbers of the list would be floats too, and lose digits that the column takes; and beside a numeric a
            // float would be a numeric, of fewer digits than it has.
            let of_floats = matches!(ty.base(), PgType::Float4 | PgType::Float8) && !is_default(value) && placeholder(value).is_none();
            if is_text(value) && !ty.is_of_enum() || is_float(value) && ty.is_numeric() || of_floats {
                cast_to(value, ty.base().to_string());
            } else if is_name(value) && matches!(ty.base(), PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_)) {
                // A cast would stay a name to DataFusion, which wants the values of a column to be noted alike.
                let name = Box::new(std::mem::replace(value, Expr::Value(ast::Value::Null.into())));
                let nothing = Box::new(Expr::Value(ast::Value::SingleQuotedString(String::new()).into()));
                *value = Expr::BinaryOp { left: nothing, op: ast::BinaryOperator::StringConcat, right: name };
            }
        }
    }
    Cow::Owned(typed)
}

/// A type of rows with texts of any length in the place of those of a length, which the assignment checks and a cast would cut.
fn of_any_length(ty: &PgType) -> PgType {
    match ty {
        PgType::Composite(of) => PgType::Composite(of.with_types(|ty| of_any_length(&ty))),
        PgType::Array(item) => PgType::Array(Box::new(of_any_length(item))),
        PgType::Varchar(Some(_)) | PgType::Bpchar(_) => PgType::Text,
        other => other.clone(),
    }
}

/// A value as one of the type of that name.
fn cast_to(value: &mut Expr, name: String) {
    let name = ast::ObjectName::from(vec![ast::Ident::new(name)]);
    let untyped = Box::new(std::mem::replace(value, Expr::Value(ast::Value::Null.into())));
    let data_type = ast::DataType::Custom(name, vec![]);
    *value = Expr::Cast { kind: ast::CastKind::DoubleColon, expr: untyped, data_type, format: None, array: false };
}

fn is_text(value: &Expr) -> bool {
    matches!(value, Expr::Value(v) if matches!(v.value, ast::Value::SingleQuotedString(_) | ast::Value::EscapedStringLiteral(_)))
}

/// True for `current_user` and its like, which are of the type name.
fn is_name(value: &Expr) -> bool {
    let Expr::Function(call) = value else { return false };
    let plain = match &call.args {
        ast::FunctionArguments::None => true,
        ast::FunctionArguments::List(list) => list.args.is_empty(),
        ast::FunctionArguments::Subquery(_) => false,
    };
    plain
        && ["current_user", "session_user", "user", "current_role", "current_catalog"]
            .contains(&call.name.to_string().to_lowercase().as_str())
}

fn is_float(value: &Expr) -> bool {
    let Expr::Cast { data_type, .. } = value else { return false };
    matches!(pg_type(data_type), Ok(PgType::Float4 | PgType::Float8))
}

fn is_soon_read(ty: &PgType) -> bool {
    use PgType as T;
    let number = matches!(ty, T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8 | T::Numeric(None) | T::Oid);
    let time = matches!(ty, T::Date | T::Time | T::Timestamp | T::Timestamptz | T::Interval);
    number || time || matches!(ty, T::Bool | T::Uuid | T::Inet | T::Cidr)
}

/// The declared types of a statement's parameters.
pub fn declared(prepared: &Prepared) -> Vec<Option<PgType>> {
    prepared.parameters.iter().cloned().map(Some).collect()
}

/// Parameter values as scalars, whose text is read in that way.
pub fn scalars(types: &[PgType], parameters: &Parameters, reading: Reading) -> Result<Vec<ScalarValue>> {
    let mut values = Vec::with_capacity(types.len());
    for (i, ty) in types.iter().enumerate() {
        let mut builder = ColumnBuilder::new(ty, 1).reading(reading);
        put_parameter(&mut builder, i, ty, ty, parameters)?;
        values.push(ScalarValue::try_from_array(&builder.finish(), 0)?);
    }
    Ok(values)
}

/// Appends parameter `i`, of type `from` on the wire, to a column of type `to`.
pub fn put_parameter(builder: &mut ColumnBuilder, i: usize, from: &PgType, to: &PgType, parameters: &Parameters) -> Result<()> {
    read_parameter(builder, i, from, to, parameters).map_err(|e| match parameters.place(i) {
        Some(place) => e.context(place),
        None => e,
    })
}

fn read_parameter(builder: &mut ColumnBuilder, i: usize, from: &PgType, to: &PgType, parameters: &Parameters) -> Result<()> {
    let Some(value) =
        parameters.values.get(i).ok_or_else(|| Error::new(code::UNDEFINED_PARAMETER, format!("there is no parameter ${}", i + 1)))?
    else {
        builder.append_null();
        return Ok(());
    };
    if !parameters.is_binary(i) {
        let text = std::str::from_utf8(value).map_err(|_| invalid_utf8(value))?;
        return builder.append_text(text);
    }
    if from.base() == to.base() {
        return builder.append_binary(value);
    }
    // A driver may send a bigint for an integer column: by way of text, so that the column's own checks apply.
    let array = crate::data::decode::parse_binary(from, value)?.to_array()?;
    let mut text = Vec::new();
    crate::data::encode::cell_text(&array, 0, from, &Style::default(), &mut text)?;
    builder.append_text(&String::from_utf8_lossy(&text))
}

pub fn put_value(builder: &mut ColumnBuilder, value: &Expr, prepared: &Prepared, parameters: &Parameters) -> Result<()> {
    if let Some(n) = placeholder(value) {
        let from =
            prepared.parameters.get(n - 1).ok_or_else(|| Error::new(code::UNDEFINED_PARAMETER, format!("there is no parameter ${n}")))?;
        let to = builder.ty().clone();
        return put_parameter(builder, n - 1, from, &to, parameters);
    }
    match crate::sql::convert::literal(value) {
        // A decimal number is assigned, and so rounded; a text must be what the type reads.
        Some(Some(text)) if is_decimal(value, &text) && matches!(builder.ty(), PgType::Int2 | PgType::Int4 | PgType::Int8) => {
            builder.append_text(&numeric::Parsed::read(&text)?.to_i128(38, 0)?.to_string())
        }
        Some(Some(text)) => builder.append_text(&text),
        Some(None) => {
            builder.append_null();
            Ok(())
        }
        None => Err(Error::internal("not a literal")),
    }
}

/// True for a number, with its text, that is no integer's.
fn is_decimal(value: &Expr, text: &str) -> bool {
    matches!(unsigned(value), Expr::Value(v) if matches!(v.value, ast::Value::Number(..))) && text.contains(['.', 'e', 'E'])
}

/// A literal without its sign.
fn unsigned(value: &Expr) -> &Expr {
    match value {
        Expr::UnaryOp { expr, .. } => expr.as_ref(),
        other => other,
    }
}

/// Errors: 42804 for a number or a boolean that the column does not take. A text is of no type, and takes the column's.
pub fn check_literal(value: &Expr, column: &Column) -> Result<()> {
    let Expr::Value(literal) = unsigned(value) else { return Ok(()) };
    let ty = match &literal.value {
        ast::Value::Number(text, _) if text.contains(['.', 'e', 'E']) => PgType::Numeric(None),
        ast::Value::Number(text, _) if text.parse::<i32>().is_ok() => PgType::Int4,
        ast::Value::Number(..) => PgType::Int8,
        ast::Value::Boolean(_) => PgType::Bool,
        _ => return Ok(()),
    };
    check_assignable(&ty, column)
}

/// True for the word DEFAULT in place of a value.
pub fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

/// The rows of `VALUES (..), ..` if each value is a literal or a parameter.
pub fn literal_rows(source: &ast::Query) -> Option<Vec<&[Expr]>> {
    let SetExpr::Values(values) = source.body.as_ref() else { return None };
    if source.with.is_some() || source.order_by.is_some() || source.limit_clause.is_some() || source.fetch.is_some() {
        return None;
    }
    let rows: Vec<&[Expr]> = values.rows.iter().map(|row| row.content.as_slice()).collect();
    let plain = |e: &Expr| placeholder(e).is_some() || crate::sql::convert::literal(e).is_some();
    rows.iter().all(|row| row.iter().all(plain)).then_some(rows)
}
