//! Functions and operators of inet and cidr (manual, chapter 9.12), by the names that PostgreSQL's pg_proc has for them.
//!
//! An argument that is a text is read as an inet. To all of them a cidr is an inet, but for the two of [`of_cidr`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, LargeBinaryArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF};
use sqlparser::ast::BinaryOperator;

use super::concatenation::is_plain;
use super::define::{Function, TEXT, accepts, each, text, text_array};
use crate::data::{Network, PgType};
use crate::error::{Error, Result, code};

const NET: DataType = DataType::LargeBinary;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("host", one_text, |args, _| texts(args, Network::host_text)),
        Function::udf("abbrev", one_text, |args, _| texts(args, |n| n.text(false))),
        Function::udf("family", one_number, |args, _| integers(args, Network::family)),
        Function::udf("masklen", one_number, |args, _| integers(args, Network::bits)),
        Function::udf("broadcast", one, |args, _| of_each(args, |n| Ok(n.with_address(n.address() | n.host_mask())))),
        Function::udf("netmask", one, |args, _| of_each(args, |n| Ok(n.with_address(!n.host_mask()).host()))),
        Function::udf("hostmask", one, |args, _| of_each(args, |n| Ok(n.with_address(n.host_mask()).host()))),
        Function::typed("network", one, PgType::Cidr, |args, _| of_each(args, |n| Ok(n.network()))),
        Function::udf("set_masklen", with_length, |args, _| lengthened(args, |n| n)),
        Function::typed("inet_merge", two, PgType::Cidr, |args, _| of_two(args, merged)),
        Function::udf("inet_same_family", two_told, |args, _| told(args, |a, b| a.family() == b.family())),
        Function::udf("network_sub", two_told, |args, _| told(args, |a, b| a.bits() > b.bits() && a.agrees(b, b.bits()))),
        Function::udf("network_subeq", two_told, |args, _| told(args, |a, b| a.bits() >= b.bits() && a.agrees(b, b.bits()))),
        Function::udf("network_sup", two_told, |args, _| told(args, |a, b| a.bits() < b.bits() && a.agrees(b, a.bits()))),
        Function::udf("network_supeq", two_told, |args, _| told(args, |a, b| a.bits() <= b.bits() && a.agrees(b, a.bits()))),
        Function::udf("network_overlap", two_told, |args, _| told(args, |a, b| a.agrees(b, a.bits().min(b.bits())))),
        Function::udf("inetnot", one, |args, _| of_each(args, |n| Ok(n.with_address(!n.address())))),
        Function::udf("inetand", two, |args, _| of_two(args, |a, b| joined(a, "AND", b, a.address() & b.address()))),
        Function::udf("inetor", two, |args, _| of_two(args, |a, b| joined(a, "OR", b, a.address() | b.address()))),
        Function::udf("inetpl", with_offset, |args, _| moved(args, |by| by)),
        Function::udf("inetmi_int8", with_offset, |args, _| moved(args, |by| -by)),
        Function::udf("inetmi", two_number, distances),
    ]
}

/// The function of that name where its argument is a cidr, if it is another then.
pub fn of_cidr(name: &str) -> Option<Arc<ScalarUDF>> {
    match name {
        "abbrev" => Some(Function::udf("abbrev", one_text, |args, _| texts(args, Network::abbreviated))),
        "set_masklen" => Some(Function::typed("set_masklen", with_length, PgType::Cidr, |args, _| lengthened(args, Network::network))),
        _ => None,
    }
}

/// What an operator between an inet and something else stands for; `None` where neither side is one, and for comparisons.
pub fn operation(op: &BinaryOperator, left: &Expr, right: &Expr, schema: &DFSchema) -> Option<Expr> {
    let is_untyped = |e: &Expr| is_plain(e) || matches!(e, Expr::Placeholder(Placeholder { field: None, .. }));
    let name = match op {
        BinaryOperator::PGBitwiseShiftLeft => "network_sub",
        BinaryOperator::PGBitwiseShiftRight => "network_sup",
        BinaryOperator::Custom(sign) if sign == "<<=" => "network_subeq",
        BinaryOperator::Custom(sign) if sign == ">>=" => "network_supeq",
        BinaryOperator::PGOverlap => "network_overlap",
        BinaryOperator::BitwiseAnd => "inetand",
        BinaryOperator::BitwiseOr => "inetor",
        // So `~ x` is read.
        BinaryOperator::PGBitwiseXor if matches!(right, Expr::Literal(ScalarValue::Int64(Some(-1)), None)) => "inetnot",
        BinaryOperator::Plus => "inetpl",
        BinaryOperator::Minus if is_untyped(right) || is_network(right, schema) => "inetmi",
        BinaryOperator::Minus => "inetmi_int8",
        _ => return None,
    };
    let is_behind = is_network(right, schema);
    if !is_behind && !is_network(left, schema) {
        return None;
    }
    let function = functions().into_iter().find(|function| function.name() == name)?;
    let mut operands = vec![left.clone(), right.clone()];
    match name {
        "inetnot" => operands.truncate(1),
        "inetpl" if is_behind => operands.reverse(),
        _ => {}
    }
    let other = if name == "inetpl" { PgType::Int8 } else { PgType::Inet };
    for operand in &mut operands {
        if let Expr::Placeholder(place @ Placeholder { field: None, .. }) = operand {
            place.field = Some(Arc::new(other.field("", true)));
        }
    }
    Some(function.call(operands))
}

/// True for an inet or a cidr. What operators of DataFusion's give is none, and need not be asked: a chain of them may be long.
fn is_network(expr: &Expr, schema: &DFSchema) -> bool {
    !matches!(expr, Expr::BinaryExpr(_)) && expr.get_type(schema).is_ok_and(|ty| ty == NET)
}

/// Each address as a cast to text tells it: always with the length of its prefix.
pub fn full_texts(array: &ArrayRef) -> Result<ArrayRef> {
    texts(std::slice::from_ref(array), Network::full_text)
}

/// Addresses as cidr.
pub fn without_hosts(array: &ArrayRef) -> Result<ArrayRef> {
    of_each(std::slice::from_ref(array), |n| Ok(n.network()))
}

type Types = Option<(Vec<DataType>, DataType)>;

/// The types of so many networks, and of what is behind them. A text is taken as it is, and read by the kernel.
fn networks(given: &[DataType], count: usize, others: &[DataType], output: DataType) -> Types {
    if given.len() != count + others.len() {
        return None;
    }
    let taken = |ty: &DataType| match ty {
        ty if ty.is_string() || ty.is_null() => Some(TEXT),
        ty => (*ty == NET).then_some(NET),
    };
    let mut wanted = given[..count].iter().map(taken).collect::<Option<Vec<_>>>()?;
    wanted.extend(given[count..].iter().zip(others).filter(|(given, wanted)| accepts(given, wanted)).map(|(_, wanted)| wanted.clone()));
    (wanted.len() == given.len()).then_some((wanted, output))
}

fn one(given: &[DataType]) -> Types {
    networks(given, 1, &[], NET)
}

fn one_text(given: &[DataType]) -> Types {
    networks(given, 1, &[], TEXT)
}

fn one_number(given: &[DataType]) -> Types {
    networks(given, 1, &[], DataType::Int32)
}

fn two(given: &[DataType]) -> Types {
    networks(given, 2, &[], NET)
}

fn two_told(given: &[DataType]) -> Types {
    networks(given, 2, &[], DataType::Boolean)
}

fn two_number(given: &[DataType]) -> Types {
    networks(given, 2, &[], DataType::Int64)
}

fn with_length(given: &[DataType]) -> Types {
    networks(given, 1, &[DataType::Int32], NET)
}

fn with_offset(given: &[DataType]) -> Types {
    networks(given, 1, &[DataType::Int64], NET)
}

/// Argument `i`, not NULL. Errors: 22P02 for a text that is no inet.
fn network(args: &[ArrayRef], i: usize, row: usize) -> Result<Network> {
    match args[i].data_type() {
        DataType::LargeBinary => Network::of_bytes(args[i].as_binary::<i64>().value(row)),
        _ => Network::parse(&PgType::Inet, text(args, i).value(row)),
    }
}

fn texts(args: &[ArrayRef], of: fn(Network) -> String) -> Result<ArrayRef> {
    Ok(text_array(each(args, |row| network(args, 0, row).map(of))?))
}

fn integers(args: &[ArrayRef], of: fn(Network) -> u8) -> Result<ArrayRef> {
    let rows = each(args, |row| network(args, 0, row).map(|n| i32::from(of(n))))?;
    Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
}

fn gathered(rows: Vec<Option<Network>>) -> Result<ArrayRef> {
    Ok(Arc::new(rows.into_iter().map(|row| row.map(Network::to_bytes)).collect::<LargeBinaryArray>()))
}

fn of_each(args: &[ArrayRef], of: impl Fn(Network) -> Result<Network>) -> Result<ArrayRef> {
    gathered(each(args, |row| of(network(args, 0, row)?))?)
}

fn of_two(args: &[ArrayRef], of: fn(Network, Network) -> Result<Network>) -> Result<ArrayRef> {
    gathered(each(args, |row| of(network(args, 0, row)?, network(args, 1, row)?))?)
}

fn told(args: &[ArrayRef], of: fn(Network, Network) -> bool) -> Result<ArrayRef> {
    let rows = each(args, |row| Ok(of(network(args, 0, row)?, network(args, 1, row)?)))?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

/// With another length of the prefix, -1 for all of the address. Errors: 22023.
fn lengthened(args: &[ArrayRef], of: fn(Network) -> Network) -> Result<ArrayRef> {
    gathered(each(args, |row| {
        let (network, length) = (network(args, 0, row)?, args[1].as_primitive::<Int32Type>().value(row));
        let bits = if length == -1 { Some(network.width()) } else { u8::try_from(length).ok() };
        let invalid = || Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid mask length: {length}"));
        bits.and_then(|bits| network.with_bits(bits)).map(of).ok_or_else(invalid)
    })?)
}

/// The smallest network that has both. Errors: 22023.
fn merged(a: Network, b: Network) -> Result<Network> {
    if a.family() != b.family() {
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, "cannot merge addresses from different families"));
    }
    let common = (0..=a.bits().min(b.bits())).rev().find(|bits| a.agrees(b, *bits)).unwrap_or(0);
    Ok(a.with_bits(common).unwrap_or(a).network())
}

/// What two addresses give bit by bit, with the longer prefix. Errors: 22023.
fn joined(a: Network, word: &str, b: Network, address: u128) -> Result<Network> {
    if a.family() != b.family() {
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("cannot {word} inet values of different sizes")));
    }
    let longer = if a.bits() < b.bits() { b } else { a };
    Ok(longer.with_address(address))
}

fn late() -> Error {
    Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "result is out of range")
}

/// The address so many further on. Errors: 22003.
fn moved(args: &[ArrayRef], by: fn(i128) -> i128) -> Result<ArrayRef> {
    gathered(each(args, |row| {
        let (network, offset) = (network(args, 0, row)?, by(i128::from(args[1].as_primitive::<Int64Type>().value(row))));
        let address = if offset < 0 {
            network.address().checked_sub(offset.unsigned_abs())
        } else {
            network.address().checked_add(offset.unsigned_abs())
        };
        let moved = address.map(|address| (address, network.with_address(address)));
        moved.filter(|(address, moved)| moved.address() == *address).map(|(_, moved)| moved).ok_or_else(late)
    })?)
}

/// How many addresses lie between two. Errors: 22023, 22003.
fn distances(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let (a, b) = (network(args, 0, row)?, network(args, 1, row)?);
        if a.family() != b.family() {
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, "cannot subtract inet values of different sizes"));
        }
        let distance = i128::try_from(a.address().abs_diff(b.address())).map_err(|_| late())?;
        i64::try_from(if a.address() < b.address() { -distance } else { distance }).map_err(|_| late())
    })?;
    Ok(Arc::new(rows.into_iter().collect::<Int64Array>()))
}
