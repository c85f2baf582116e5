//! Table functions: they make several rows of one.

use super::function::Returns;
use super::value::Value;
use crate::error::{Error, Result, code};

/// A table function.
pub struct TableFunction {
    /// In upper case.
    pub name: &'static str,
    /// One or two sentences for DESCRIBE FUNCTION.
    pub about: &'static str,
    pub overloads: &'static [TableOverload],
}

/// One way of calling a table function.
pub struct TableOverload {
    /// As for scalar functions; the result is that of one row.
    pub signature: &'static str,
    /// The type of one row's value where the signature cannot tell; `None` refuses the arguments.
    pub returns: Option<Returns>,
    /// The values, one for each row.
    pub eval: fn(&[Value]) -> Result<Vec<Value>>,
}

/// The columns CUBE_EXPLODE takes at most: each one more doubles the rows.
const CUBE_COLUMNS_MAX: usize = 20;

/// The table functions.
pub const FUNCTIONS: &[TableFunction] = &[
    TableFunction {
        name: "EXPLODE",
        about: "One row for each element of the array, in order; no row for a NULL or an empty array.",
        overloads: &[TableOverload { signature: "EXPLODE(array ARRAY<T>) -> T", returns: None, eval: explode }],
    },
    TableFunction {
        name: "CUBE_EXPLODE",
        about: "One row for each combination of the array's elements, in which those left out are NULL; from the one of none to that of \
                all. Elements that are NULL already make no further combinations.",
        overloads: &[TableOverload { signature: "CUBE_EXPLODE(columns ARRAY<T>) -> ARRAY<T>", returns: None, eval: cube }],
    },
];

fn explode(arguments: &[Value]) -> Result<Vec<Value>> {
    Ok(arguments.first().and_then(Value::as_array).unwrap_or(&[]).to_vec())
}

fn cube(arguments: &[Value]) -> Result<Vec<Value>> {
    let Some(columns) = arguments.first().and_then(Value::as_array) else { return Ok(Vec::new()) };
    if columns.len() > CUBE_COLUMNS_MAX {
        let message = format!("CUBE_EXPLODE takes at most {CUBE_COLUMNS_MAX} columns, not {}", columns.len());
        return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, message));
    }
    // Bit by bit from the last column to the first, so that counting up lets the last column change fastest.
    let bit = |at: usize| 1_u32 << (columns.len() - 1 - at);
    let nulls: u32 = columns.iter().enumerate().filter(|(_, v)| v.is_null()).map(|(at, _)| bit(at)).sum();
    let masks = (0..1_u32 << columns.len()).filter(|mask| mask & nulls == 0);
    let row = |mask: u32| columns.iter().enumerate().map(|(at, v)| if mask & bit(at) == 0 { Value::Null } else { v.clone() }).collect();
    Ok(masks.map(|mask| Value::array(row(mask))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(text: &str) -> Value {
        Value::array(text.split_whitespace().map(|t| t.parse().map_or(Value::Null, Value::Int)).collect())
    }

    #[test]
    fn explode_gives_elements() {
        assert_eq!(explode(&[ints("1 . 3")]).unwrap(), [Value::Int(1), Value::Null, Value::Int(3)]);
        assert_eq!(explode(&[Value::Null]).unwrap(), []);
    }

    #[test]
    fn cube_counts_up_and_skips_nulls() {
        assert_eq!(cube(&[ints("1 2")]).unwrap(), [". .", ". 2", "1 .", "1 2"].map(ints));
        assert_eq!(cube(&[ints("1 . 3")]).unwrap(), [". . .", ". . 3", "1 . .", "1 . 3"].map(ints));
        assert_eq!(cube(&[ints("")]).unwrap(), [ints("")]);
        assert_eq!(cube(&[Value::Null]).unwrap(), []);
        assert!(cube(&[Value::array(vec![Value::Int(1); 21])]).is_err());
    }
}
