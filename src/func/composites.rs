//! Composite types in expressions (manual, chapters 8.16 and 9.24), a part of [`super::rewrite::Meaning`].
//!
//! To DataFusion a row is a struct: it groups rows as they are, and finds their fields. What it cannot know is settled here, before it coerces
//! types: casts to and from composite types, literals and rows without a type beside a value of one, in which order rows are, and that a row
//! IS NULL if all that it has is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StructArray};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use sqlparser::ast::BinaryOperator;

use super::cast;
use super::enums::type_of;
use super::scalar::arrays;
use super::scalar::define::Function;
use crate::data::{Attribute, CompositeType, Enums, PgType};
use crate::error::{Error, Result, code};

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![all_null(), none_null(), with_fields()]
}

fn all_null() -> Arc<ScalarUDF> {
    Function::udf("pg_row_is_null", of_row, |args, _| {
        each_row(&args[0], |row, i| row.is_null(i) || row.columns().iter().all(|c| null(c, i)))
    })
}

fn none_null() -> Arc<ScalarUDF> {
    Function::udf("pg_row_is_not_null", of_row, |args, _| {
        each_row(&args[0], |row, i| row.is_valid(i) && !row.columns().iter().any(|c| null(c, i)))
    })
}

fn of_row(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    matches!(types, [DataType::Struct(_)]).then(|| (types.to_vec(), DataType::Boolean))
}

fn each_row(rows: &ArrayRef, is: impl Fn(&StructArray, usize) -> bool) -> Result<ArrayRef> {
    let rows = rows.as_struct_opt().ok_or_else(|| Error::internal("a row is a struct"))?;
    Ok(Arc::new((0..rows.len()).map(|i| Some(is(rows, i))).collect::<BooleanArray>()))
}

/// True for a value that is NULL; one without a type is not marked as one.
fn null(column: &ArrayRef, row: usize) -> bool {
    column.is_null(row) || column.data_type().is_null()
}

/// The expression with PostgreSQL's meaning where rows of composite types are in it. Its parts have theirs already. Errors: 42846, 42883 for
/// what there is not.
pub fn settle(expr: Expr, schema: &DFSchema, enums: &Enums) -> DfResult<Expr> {
    let settling = Settling { schema, enums };
    match expr {
        Expr::Cast(Cast { expr, field }) => settling.cast(*expr, field),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match sign_of(op) {
            Some(sign) => {
                let (left, right) = settling.compared(*left, sign, *right)?;
                let (left, right) = (settling.key(left), settling.key(right));
                Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
            }
            None => Ok(Expr::BinaryExpr(BinaryExpr { left, op, right })),
        },
        Expr::InList(InList { expr, list, negated }) => {
            let (mut value, mut settled) = (*expr, Vec::with_capacity(list.len()));
            for item in list {
                let (left, right) = settling.compared(value, "=", item)?;
                value = left;
                settled.push(right);
            }
            let list = settled.into_iter().map(|item| settling.key(item)).collect();
            Ok(Expr::InList(InList::new(Box::new(settling.key(value)), list, negated)))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let (value, low) = settling.compared(*expr, ">=", *low)?;
            let (value, high) = settling.compared(value, "<=", *high)?;
            let [value, low, high] = [value, low, high].map(|part| Box::new(settling.key(part)));
            Ok(Expr::Between(Between::new(value, negated, low, high)))
        }
        Expr::IsNull(row) if settling.is_row(&row) => Ok(all_null().call(vec![*row])),
        Expr::IsNotNull(row) if settling.is_row(&row) => Ok(none_null().call(vec![*row])),
        other => Ok(other),
    }
}

fn sign_of(op: Operator) -> Option<&'static str> {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    Some(match op {
        Eq | IsDistinctFrom | IsNotDistinctFrom => "=",
        NotEq => "<>",
        Lt => "<",
        LtEq => "<=",
        Gt => ">",
        GtEq => ">=",
        _ => return None,
    })
}

struct Settling<'a> {
    schema: &'a DFSchema,
    enums: &'a Enums,
}

impl Settling<'_> {
    fn type_of(&self, expr: &Expr) -> Option<PgType> {
        type_of(expr, self.schema, self.enums)
    }

    /// By what a row of a composite type is compared: arrow takes a NULL within one for the smallest value.
    fn key(&self, expr: Expr) -> Expr {
        if self.is_row(&expr) { arrays::key().call(vec![expr]) } else { expr }
    }

    fn is_row(&self, expr: &Expr) -> bool {
        matches!(self.type_of(expr), Some(PgType::Composite(_)))
    }

    fn cast(&self, value: Expr, field: FieldRef) -> DfResult<Expr> {
        let target = self.enums.complete(PgType::of(&field));
        let source = self.type_of(&value);
        if !target.is_of_rows() && !source.as_ref().is_some_and(PgType::is_of_rows) {
            return Ok(Expr::Cast(Cast { expr: Box::new(value), field }));
        }
        // A literal is of no type.
        let source = source.unwrap_or(PgType::Text);
        if source == target && value.get_type(self.schema).is_ok_and(|ty| ty == target.arrow()) {
            return Ok(value);
        }
        if !castable(&source, &target) {
            let message = format!("cannot cast type {} to {}", source.base(), target.base());
            return Err(Error::new(code::CANNOT_COERCE, message).into());
        }
        Ok(cast::between(value, source, target))
    }

    /// Two operands that are compared: of one type, a literal or a row without a type beside one of a type is read as one of it.
    fn compared(&self, left: Expr, sign: &str, right: Expr) -> DfResult<(Expr, Expr)> {
        let (of_left, of_right) = (self.type_of(&left), self.type_of(&right));
        if ![&of_left, &of_right].into_iter().flatten().any(PgType::is_of_rows) {
            return Ok((left, right));
        }
        match (of_left, of_right) {
            (Some(a), None) => Ok((left, cast::between(right, PgType::Text, a))),
            (None, Some(b)) => Ok((cast::between(left, PgType::Text, b), right)),
            (Some(a), Some(b)) if a == b => Ok((left, right)),
            (Some(a @ PgType::Composite(_)), Some(PgType::Record)) => Ok((left, cast::between(right, PgType::Record, a))),
            (Some(PgType::Record), Some(b @ PgType::Composite(_))) => Ok((cast::between(left, PgType::Record, b), right)),
            (Some(a), Some(b)) => {
                let is_null = |expr: &Expr| expr.get_type(self.schema).is_ok_and(|ty| ty.is_null());
                if is_null(&left) || is_null(&right) {
                    return Ok((left, right));
                }
                Err(Error::no_operator(&format!("{} {sign} {}", a.base(), b.base())).into())
            }
            (None, None) => Ok((left, right)),
        }
    }
}

/// True if PostgreSQL has the cast, one of the two being a composite type or an array of one.
pub fn castable(source: &PgType, target: &PgType) -> bool {
    match (source, target) {
        (PgType::Array(source), PgType::Array(target)) => castable(source, target),
        (PgType::Record, PgType::Composite(_)) => true,
        // One of them may be as an assignment wants it, with texts of any length.
        (PgType::Composite(s), PgType::Composite(t)) => s.id() == t.id(),
        (s, t) => s == t || cast::is_text(s) || cast::is_text(t),
    }
}

/// Rows as rows of a type. `convert` makes values of one type those of another, as the kind of the cast wants. Errors: 42846 for rows of
/// another length, and those of the attributes.
pub fn of_type(
    rows: &StructArray,
    to: &CompositeType,
    convert: impl Fn(&ArrayRef, &PgType, &PgType) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let (found, wanted) = (rows.num_columns(), to.attributes().len());
    if found != wanted {
        let detail = if found < wanted { "Input has too few columns." } else { "Input has too many columns." };
        return Err(Error::new(code::CANNOT_COERCE, format!("cannot cast type record to {}", to.name())).detail(detail));
    }
    let columns = rows.fields().iter().zip(rows.columns()).zip(to.attributes()).map(|((field, column), attribute)| {
        let same = *column.data_type() == attribute.ty.arrow() && PgType::of(field) == attribute.ty;
        if same { Ok(column.clone()) } else { convert(column, &PgType::of(field), &attribute.ty) }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new_with_length(to.fields(), columns, rows.nulls().cloned(), rows.len())?))
}

/// The operands of a comparison while it is planned: what has no type beside a row of one gets it, or there would be no comparison.
/// Errors: 42883.
pub fn operands(left: Expr, op: &BinaryOperator, right: Expr, schema: &DFSchema) -> DfResult<(Expr, Expr)> {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    if !matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq) {
        return Ok((left, right));
    }
    Settling { schema, enums: &Enums::default() }.compared(left, &op.to_string(), right)
}

/// `pg_with_fields(row, column, field, value, ..)`: the row with these values in these fields, which is what `UPDATE .. SET column.field = value`
/// gives the column. A row that is NULL becomes one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WithFields {
    signature: Signature,
}

fn with_fields() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(WithFields { signature: Signature::variadic_any(Volatility::Immutable) }))
}

impl WithFields {
    /// The type of the row, and the place of each field that is given. Errors: 42804, 42703.
    fn places(fields: &[FieldRef], texts: impl Fn(usize) -> Option<String>) -> Result<(CompositeType, Vec<usize>)> {
        let text = |i: usize| texts(i).ok_or_else(|| Error::internal("the name of a field is a constant"));
        let (row, column) = (fields.first().ok_or_else(|| Error::internal("fields are of a row"))?, text(1)?);
        let ty = PgType::of(row);
        let mut places = Vec::with_capacity(fields.len() / 2);
        for i in (2..fields.len()).step_by(2) {
            let (field, what) = (text(i)?, "cannot assign to field");
            let PgType::Composite(of) = &ty else {
                let message = format!("{what} \"{field}\" of column \"{column}\" because its type {ty} is not a composite type");
                return Err(Error::new(code::DATATYPE_MISMATCH, message));
            };
            let place = of.attributes().iter().position(|attribute| attribute.name == field).ok_or_else(|| {
                let message = format!("{what} \"{field}\" of column \"{column}\" because there is no such column in data type {ty}");
                Error::new(code::UNDEFINED_COLUMN, message)
            })?;
            if places.contains(&place) {
                return Err(Error::syntax(format!("multiple assignments to same column \"{column}\"")));
            }
            places.push(place);
        }
        match ty {
            PgType::Composite(of) => Ok((of, places)),
            ty => Err(Error::internal(format!("{ty} has no fields"))),
        }
    }
}

/// Errors: 42804 for a value that is not assigned to an attribute.
fn check_assigned(attribute: &Attribute, value: &Field, is_constant: bool) -> Result<()> {
    let from = PgType::of(value);
    let untyped = value.data_type().is_null() || is_constant && cast::is_text(&from);
    let asked = cast::is_text(&from) && !cast::is_text(&attribute.ty);
    if untyped || !asked && cast::exists(&from, &attribute.ty) {
        return Ok(());
    }
    let message = format!("subfield \"{}\" is of type {} but expression is of type {from}", attribute.name, attribute.ty);
    Err(Error::new(code::DATATYPE_MISMATCH, message).hint("You will need to rewrite or cast the expression."))
}

impl ScalarUDFImpl for WithFields {
    fn name(&self) -> &str {
        "pg_with_fields"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        types.first().cloned().ok_or_else(|| Error::internal("fields are of a row").into())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let constant = |i: usize| args.scalar_arguments.get(i).copied().flatten();
        let (of, places) = WithFields::places(args.arg_fields, |i| constant(i)?.try_as_str()?.map(str::to_string))?;
        for (i, place) in places.into_iter().enumerate() {
            let at = 3 + 2 * i;
            let value = args.arg_fields.get(at).ok_or_else(|| Error::internal("a field has a value"))?;
            check_assigned(&of.attributes()[place], value, constant(at).is_some())?;
        }
        Ok(Arc::new(Field::new(self.name(), of.arrow(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let text = |i: usize| match args.args.get(i)? {
            ColumnarValue::Scalar(value) => value.try_as_str()?.map(str::to_string),
            ColumnarValue::Array(_) => None,
        };
        let (of, places) = WithFields::places(&args.arg_fields, text)?;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let rows = arrays[0].as_struct();
        let mut columns = rows.columns().to_vec();
        if let Some(nulls) = rows.nulls() {
            // What stands under a row that is NULL is nothing.
            let mask = BooleanArray::new(!nulls.inner(), None);
            columns = columns.iter().map(|column| nullif(column, &mask)).collect::<std::result::Result<_, _>>()?;
        }
        for (i, place) in places.into_iter().enumerate() {
            let at = 3 + 2 * i;
            columns[place] = cast::assigned(&arrays[at], &PgType::of(&args.arg_fields[at]), &of.attributes()[place].ty)?;
        }
        let length = arrays.get(1).map_or(0, |array| array.len());
        let row = StructArray::try_new_with_length(of.fields(), columns, None, length)?;
        Ok(ColumnarValue::Array(Arc::new(row)))
    }
}
