//! Sentences of DataFusion with numbers and types in them that PostgreSQL says in other words.

use super::theirs::sql_name;
use super::{Error, code};

/// The error that PostgreSQL has for it.
pub fn reworded(text: &str) -> Option<Error> {
    let others = || position(text).or_else(|| nesting(text)).or_else(|| places(text)).or_else(|| field(text));
    condition(text).or_else(|| operator(text)).or_else(others)
}

/// What stands in a text between two others.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(found, _)| found)
}

/// What begins behind a text, up to the end of the line.
fn behind<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.split_once(start)?.1.lines().next().map(str::trim)
}

/// Conditions that are of another type than boolean.
fn condition(text: &str) -> Option<Error> {
    if let Some(predicate) = between(text, "non-boolean predicate '", "' returning ") {
        if let Some(literal) = between(predicate, "Utf8(\"", "\")").or_else(|| between(predicate, "Utf8View(\"", "\")")) {
            let message = format!("invalid input syntax for type boolean: \"{literal}\"");
            return Some(Error::new(code::INVALID_TEXT_REPRESENTATION, message));
        }
        // Whole numbers are read as bigint before they get their type.
        let number = predicate.strip_prefix("Int64(").and_then(|rest| rest.strip_suffix(')')).filter(|n| n.parse::<i32>().is_ok());
        let column = predicate.rsplit('.').next().filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
        let ty = if number.is_some() { "Int32" } else { behind(text, "' returning ")? };
        return Some(not_boolean("WHERE", ty).beside(number.or(column).map(str::to_string), None));
    }
    let negated = behind(text, "Unary operator 'NOT' requires a boolean expression, got ").map(|ty| ("NOT", ty));
    let joined = || behind(text, "Join condition must be boolean type, but got ").map(|ty| ("JOIN/ON", ty));
    negated.or_else(joined).map(|(clause, ty)| not_boolean(clause, ty))
}

/// Comparisons that there are not, and operands that are no conditions, where DataFusion asks for their types first.
fn operator(text: &str) -> Option<Error> {
    if let Some(operation) = behind(text, "Cannot infer common argument type for logical boolean operation ") {
        let of = |clause: &'static str| operation.split_once(&format!(" {clause} ")).map(|(left, right)| (clause, left, right));
        let (clause, left, right) = of("AND").or_else(|| of("OR"))?;
        return Some(not_boolean(clause, if left == "Boolean" { right } else { left }));
    }
    let operation = behind(text, "Cannot infer common argument type for comparison operation ")?;
    const SIGNS: &[(&str, &str)] = &[
        (" = ", "="),
        (" != ", "<>"),
        (" < ", "<"),
        (" <= ", "<="),
        (" > ", ">"),
        (" >= ", ">="),
        (" IS DISTINCT FROM ", "="),
        (" IS NOT DISTINCT FROM ", "="),
    ];
    let (left, sign, right) = SIGNS.iter().find_map(|(theirs, sign)| operation.split_once(theirs).map(|(l, r)| (l, sign, r)))?;
    Some(Error::no_operator(&format!("{} {sign} {}", sql_name(left)?, sql_name(right)?)))
}

/// A field that a row has not.
fn field(text: &str) -> Option<Error> {
    let name = between(text, "Field ", " not found in struct")?;
    Some(Error::new(code::UNDEFINED_COLUMN, format!("could not identify column \"{name}\" in record data type")))
}

fn not_boolean(clause: &str, arrow: &str) -> Error {
    let of = sql_name(arrow).map_or_else(String::new, |name| format!(", not type {name}"));
    Error::new(code::DATATYPE_MISMATCH, format!("argument of {clause} must be type boolean{of}"))
}

/// Positions in select lists, and names for columns, of which there are not so many.
fn position(text: &str) -> Option<Error> {
    let in_list = |clause: &str, number: &str| format!("{clause} position {number} is not in select list");
    let message = if let Some(number) = between(text, "Order by column out of bounds, specified: ", ",") {
        in_list("ORDER BY", number)
    } else if text.contains("Order by index starts at 1") {
        in_list("ORDER BY", "0")
    } else if let Some(number) = between(text, "Cannot find column with position ", " in SELECT clause") {
        in_list("GROUP BY", number)
    } else {
        let there = between(text, "Source table contains ", " columns")?;
        let named = between(text, "columns but only ", " names")?;
        format!("a table has {there} columns available but {named} columns specified")
    };
    Some(Error::new(code::INVALID_COLUMN_REFERENCE, message))
}

/// Calls within calls where there can be none.
fn nesting(text: &str) -> Option<Error> {
    const ALL: &[(&str, &str, &str)] = &[
        ("Aggregate function calls cannot be nested", code::GROUPING_ERROR, "aggregate function calls cannot be nested"),
        (
            "Aggregate function calls cannot contain window function calls",
            code::GROUPING_ERROR,
            "aggregate function calls cannot contain window function calls",
        ),
        ("Window function calls cannot be nested", code::WINDOWING_ERROR, "window function calls cannot be nested"),
        (
            "In an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
            code::INVALID_COLUMN_REFERENCE,
            "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
        ),
    ];
    ALL.iter().find(|(theirs, ..)| text.contains(theirs)).map(|(_, code, message)| Error::new(code, *message))
}

/// Numbers of parts of texts, and what stands where it cannot.
fn places(text: &str) -> Option<Error> {
    const ALL: &[(&str, &str, &str)] = &[
        ("field position must not be zero", code::INVALID_PARAMETER_VALUE, "field position must not be zero"),
        ("negative count not allowed", code::SUBSTRING_ERROR, "negative substring length not allowed"),
        ("Unnest should be rewritten", code::FEATURE_NOT_SUPPORTED, "set-returning functions are not supported in this place"),
        ("require unique expression names", code::FEATURE_NOT_SUPPORTED, "two columns of one name are not supported in this place"),
    ];
    ALL.iter().find(|(theirs, ..)| text.contains(theirs)).map(|(_, code, message)| Error::new(code, *message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<(&'static str, String)> {
        reworded(text).map(|error| (error.code(), error.message().to_string()))
    }

    #[test]
    fn what_is_no_condition_is_told_by_its_type() {
        let text = "Error during planning: Cannot create filter with non-boolean predicate 'Int64(5)' returning Int64";
        let message = "argument of WHERE must be type boolean, not type integer";
        assert_eq!(said(text), Some((code::DATATYPE_MISMATCH, message.to_string())));
        let text = "Error during planning: Unary operator 'NOT' requires a boolean expression, got Utf8View";
        assert_eq!(said(text), Some((code::DATATYPE_MISMATCH, "argument of NOT must be type boolean, not type text".to_string())));
    }

    #[test]
    fn positions_that_are_not_there_are_told() {
        let text = "Error during planning: Order by column out of bounds, specified: 5, max: 1";
        let message = "ORDER BY position 5 is not in select list";
        assert_eq!(said(text), Some((code::INVALID_COLUMN_REFERENCE, message.to_string())));
        let text = "Error during planning: Source table contains 1 columns but only 2 names given as column alias";
        let message = "a table has 1 columns available but 2 columns specified";
        assert_eq!(said(text), Some((code::INVALID_COLUMN_REFERENCE, message.to_string())));
    }
}
