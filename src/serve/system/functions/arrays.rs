//! Functions of arrays that clients use on the catalogs' array and vector columns.
//!
//! The vectors of PostgreSQL's catalogs (int2vector, oidvector) are text here, numbers apart by blanks; `pg_vector` makes
//! an array of one. It, `pg_subscripts`, `pg_expandarray`, `pg_array_any`, `pg_acl_zip` and `pg_each_zip` are not PostgreSQL's own: the rewrite rules of
//! [`super::super::rewrite`] introduce them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::plan_err;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::data::PgType;

type Returns = fn(&[DataType]) -> DfResult<DataType>;
type Run = fn(&[ArrayRef], usize) -> DfResult<ArrayRef>;

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrayFunction {
    name: &'static str,
    signature: Signature,
}

/// All functions of arrays.
pub fn functions() -> impl Iterator<Item = ScalarUDF> {
    LIST.iter()
        .map(|(name, ..)| ScalarUDF::new_from_impl(ArrayFunction { name, signature: Signature::variadic_any(Volatility::Immutable) }))
}

/// Name, number of arguments, type of the result, body.
const LIST: &[(&str, usize, Returns, Run)] = &[
    ("pg_vector", 1, vector_type, |a, _| vector(&a[0])),
    ("pg_subscripts", 2, |_| Ok(list_of(DataType::Int32)), subscripts),
    ("pg_expandarray", 1, |_| Ok(list_of(DataType::Struct(pair()))), |a, _| expand(&a[0])),
    ("pg_array_any", 2, |_| Ok(DataType::Boolean), any),
    ("pg_acl_zip", 4, |_| Ok(list_of(DataType::Struct(acl_line()))), |a, _| lines(a, acl_line())),
    ("pg_each_zip", 2, |types| Ok(list_of(DataType::Struct(member(types)?))), |a, _| lines(a, member(&types_of(a))?)),
];

impl ArrayFunction {
    fn line(&self) -> &'static (&'static str, usize, Returns, Run) {
        LIST.iter().find(|l| l.0 == self.name).expect("made from the list")
    }
}

impl ScalarUDFImpl for ArrayFunction {
    fn name(&self) -> &str {
        self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        let (name, arity, returns, _) = self.line();
        if types.len() != *arity {
            return plan_err!("function {name} takes {arity} arguments");
        }
        returns(types)
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let n = args.number_rows;
        let arrays = args.args.into_iter().map(|a| a.into_array(n)).collect::<DfResult<Vec<_>>>()?;
        Ok(ColumnarValue::Array((self.line().3)(&arrays, n)?))
    }
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// The fields of what information_schema._pg_expandarray() returns: element and 1-based number.
fn pair() -> Fields {
    vec![Field::new("x", DataType::Int64, true), Field::new("n", DataType::Int32, true)].into()
}

/// The fields of what aclexplode() returns.
fn acl_line() -> Fields {
    let [grantor, grantee] = ["grantor", "grantee"].map(|name| PgType::Oid.field(name, true));
    vec![grantor, grantee, PgType::Text.field("privilege_type", true), PgType::Bool.field("is_grantable", true)].into()
}

/// The fields of what json_each() and its kin return.
fn member(types: &[DataType]) -> DfResult<Fields> {
    match types {
        [_, DataType::List(value)] => Ok(vec![PgType::Text.field("key", true), value.as_ref().clone().with_name("value")].into()),
        _ => plan_err!("function pg_each_zip takes two arrays"),
    }
}

fn types_of(arrays: &[ArrayRef]) -> Vec<DataType> {
    arrays.iter().map(|array| array.data_type().clone()).collect()
}

/// Arrays side by side as one of rows.
fn lines(args: &[ArrayRef], fields: Fields) -> DfResult<ArrayRef> {
    let lists = args.iter().map(as_list).collect::<DfResult<Vec<_>>>()?;
    let values = lists.iter().zip(&fields).map(|(list, field)| cast(list.values(), field.data_type()));
    let lines = StructArray::try_new(fields.clone(), values.collect::<Result<Vec<_>, _>>()?, None)?;
    let field = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
    Ok(Arc::new(ListArray::try_new(field, lists[0].offsets().clone(), Arc::new(lines), lists[0].nulls().cloned())?))
}

fn is_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
}

fn vector_type(types: &[DataType]) -> DfResult<DataType> {
    Ok(match types.first() {
        Some(t) if is_list(t) => t.clone(),
        _ => list_of(DataType::Int64),
    })
}

/// An array as it is, or one read from a vector's text: `1 2` or `{1,2}`.
fn vector(array: &ArrayRef) -> DfResult<ArrayRef> {
    if is_list(array.data_type()) {
        return Ok(array.clone());
    }
    let texts = cast(array, &DataType::Utf8)?;
    let numbers = |text: &str| text.split([' ', ',', '{', '}']).filter_map(|n| n.parse().ok()).collect::<Vec<i64>>();
    let lists: Vec<_> = texts.as_string::<i32>().iter().map(|t| t.map_or(Vec::new(), numbers)).collect();
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(Vec::len));
    let values = Int64Array::from(lists.concat());
    let field = Arc::new(Field::new_list_field(DataType::Int64, true));
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(values), texts.nulls().cloned())?))
}

/// A list array of whatever kind as `List`.
fn as_list(array: &ArrayRef) -> DfResult<ListArray> {
    let array = vector(array)?;
    let item = match array.data_type() {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => f.clone(),
        other => return plan_err!("{other} is not an array"),
    };
    Ok(cast(&array, &DataType::List(item))?.as_list::<i32>().clone())
}

fn length(list: &ListArray, i: usize) -> i32 {
    if list.is_valid(i) { list.value_length(i) } else { 0 }
}

/// generate_subscripts(array, 1) as an array: 1.. for arrays, 0.. for vectors.
fn subscripts(args: &[ArrayRef], n: usize) -> DfResult<ArrayRef> {
    let first = i32::from(is_list(args[0].data_type()));
    let list = as_list(&args[0])?;
    let offsets = OffsetBuffer::from_lengths((0..n).map(|i| length(&list, i) as usize));
    let values: Int32Array = (0..n).flat_map(|i| first..first + length(&list, i)).collect();
    let field = Arc::new(Field::new_list_field(DataType::Int32, true));
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(values), None)?))
}

fn expand(array: &ArrayRef) -> DfResult<ArrayRef> {
    let list = as_list(array)?;
    let n = list.len();
    let offsets = OffsetBuffer::from_lengths((0..n).map(|i| length(&list, i) as usize));
    let elements: Vec<_> =
        (0..n).filter(|i| list.is_valid(*i)).map(|i| cast(&list.value(i), &DataType::Int64)).collect::<Result<_, _>>()?;
    let elements: Int64Array = elements.iter().flat_map(|e| e.as_primitive::<arrow::datatypes::Int64Type>().iter()).collect();
    let numbers: Int32Array = (0..n).flat_map(|i| 1..=length(&list, i)).collect();
    let pairs = StructArray::try_new(pair(), vec![Arc::new(elements), Arc::new(numbers)], None)?;
    let field = Arc::new(Field::new_list_field(DataType::Struct(pair()), true));
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(pairs), None)?))
}

/// `x = ANY(array)`, compared as text, which is how the catalogs' names and numbers compare; null if nothing equals and something is null.
fn any(args: &[ArrayRef], n: usize) -> DfResult<ArrayRef> {
    let wanted = cast(&args[0], &DataType::Utf8)?;
    let wanted = wanted.as_string::<i32>();
    let list = as_list(&args[1])?;
    let values = cast(list.values(), &DataType::Utf8)?;
    let values = values.as_string::<i32>();
    let one = |i: usize| {
        if wanted.is_null(i) || list.is_null(i) {
            return None;
        }
        let range = list.value_offsets()[i] as usize..list.value_offsets()[i + 1] as usize;
        let found = range.clone().any(|j| values.is_valid(j) && values.value(j) == wanted.value(i));
        (found || range.into_iter().all(|j| values.is_valid(j))).then_some(found)
    };
    Ok(Arc::new((0..n).map(one).collect::<BooleanArray>()))
}
