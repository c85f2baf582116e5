//! What is computed so soon that the thread of a connection does it, for which other sessions wait: operators, casts and a few functions, of
//! values that are not long. All else is computed aside, where it holds up nobody and can be given up: how long it takes the
//! statement decides (`repeat`), or it waits for others (`nextval`, `pg_current_xact_id`).

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion, TreeNodeVisitor};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, Operator};

/// Functions that take time in proportion to their arguments, give at most a few times as much, and wait for nobody.
const SOON: [&str; 108] = [
    "uuid",
    "random",
    "now",
    "clock_timestamp",
    "timeofday",
    "currval",
    "lastval",
    "statement_timestamp",
    "current_date",
    "current_time",
    "current_user",
    "current_role",
    "session_user",
    "user",
    "current_database",
    "current_catalog",
    "current_schema",
    "current_setting",
    "pg_backend_pid",
    "pg_is_in_recovery",
    "version",
    "inet_client_addr",
    "inet_server_addr",
    "sqrt",
    "partition_oid",
    "pg_cast",
    "pg_add",
    "pg_subtract",
    "pg_multiply",
    "pg_divide",
    "pg_modulo",
    "pg_negate",
    "pg_chain",
    "mod",
    "abs",
    "round",
    "trunc",
    "ceil",
    "ceiling",
    "floor",
    "sign",
    "signum",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "pg_greatest",
    "pg_least",
    "lower",
    "upper",
    "initcap",
    "btrim",
    "ltrim",
    "rtrim",
    "trim",
    "length",
    "char_length",
    "character_length",
    "octet_length",
    "substr",
    "substring",
    "left",
    "right",
    "strpos",
    "position",
    "split_part",
    "starts_with",
    "reverse",
    "translate",
    "concat",
    "ascii",
    "chr",
    "md5",
    "sha256",
    "to_char",
    "date_trunc",
    "extract",
    "date_part",
    "timezone",
    "age",
    "make_date",
    "make_timestamp",
    "make_timestamptz",
    "make_interval",
    "json_get",
    "json_get_text",
    "jsonb_get",
    "jsonb_get_text",
    "json_path",
    "json_path_text",
    "jsonb_path",
    "jsonb_path_text",
    "jsonb_contains",
    "jsonb_exists",
    "jsonb_typeof",
    "jsonb_set",
    "to_jsonb",
    "jsonb_build_object",
    "cardinality",
    "array_length",
    "array_element",
    "make_array",
    "textcat",
    "byteacat",
    "jsonb_concat",
    "domain_value",
    "enum_ranks",
    "time_precision",
];
/// Calls and casts within each other: each may double what it is given, as the text of a bytea does.
const DEPTH_MAX: usize = 16;
/// What is computed at once: parts of expressions, times rows.
const PARTS_MAX: usize = 512;
/// Bytes of the values that it is computed of.
const BYTES_MAX: usize = 16 << 10;

/// What computing expressions takes.
#[derive(Clone, Copy, Default)]
pub struct Effort {
    /// Parts for each row; what is only a column, a constant or a parameter is none.
    parts: usize,
    /// Bytes of their constants.
    bytes: usize,
    depth: usize,
    /// True where something is called that may take long.
    long: bool,
}

impl Effort {
    /// What these take.
    pub fn of<'a>(expressions: impl IntoIterator<Item = &'a Expr>) -> Effort {
        let mut effort = Effort::default();
        for expression in expressions {
            match expression {
                Expr::Column(_) | Expr::Placeholder(_) => {}
                Expr::Literal(value, _) => effort.bytes += value.size(),
                whole => effort.long |= whole.visit(&mut effort).is_err(),
            }
        }
        effort
    }

    /// True where nothing is called that may take long of values that are not long.
    pub fn is_short(&self) -> bool {
        !self.long
    }

    /// True if that takes no time to speak of, for so many rows made of nothing.
    pub fn is_little(&self, parameters: &[ScalarValue], rows: usize) -> bool {
        let bytes = self.bytes + parameters.iter().map(ScalarValue::size).sum::<usize>();
        !self.long && (self.parts == 0 || (bytes <= BYTES_MAX && self.parts.saturating_mul(rows) <= PARTS_MAX))
    }

    /// The same for rows that are there.
    pub fn is_little_of(&self, parameters: &[ScalarValue], rows: &RecordBatch) -> bool {
        let short = || rows.columns().iter().map(bytes_of).fold(0, usize::saturating_add) <= BYTES_MAX;
        self.is_little(parameters, rows.num_rows()) && (self.parts == 0 || short())
    }
}

impl<'n> TreeNodeVisitor<'n> for Effort {
    type Node = Expr;

    fn f_down(&mut self, node: &'n Expr) -> Result<TreeNodeRecursion> {
        self.parts += 1;
        self.depth += usize::from(nests(node));
        self.long |= self.depth > DEPTH_MAX;
        match node {
            Expr::ScalarFunction(call) => self.long |= !SOON.contains(&call.name()),
            Expr::BinaryExpr(binary) => self.long |= !is_plain(binary.op),
            Expr::SimilarTo(_) => self.long = true,
            Expr::Literal(value, _) => self.bytes += value.size(),
            _ => {}
        }
        Ok(if self.long { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    }

    fn f_up(&mut self, node: &'n Expr) -> Result<TreeNodeRecursion> {
        self.depth -= usize::from(nests(node));
        Ok(TreeNodeRecursion::Continue)
    }
}

fn nests(node: &Expr) -> bool {
    matches!(node, Expr::ScalarFunction(_) | Expr::Cast(_) | Expr::TryCast(_))
}

/// True for operators other than those of patterns.
fn is_plain(op: Operator) -> bool {
    use Operator::*;
    matches!(
        op,
        And | Or
            | Eq
            | NotEq
            | Lt
            | LtEq
            | Gt
            | GtEq
            | IsDistinctFrom
            | IsNotDistinctFrom
            | Plus
            | Minus
            | Multiply
            | Divide
            | Modulo
            | StringConcat
    )
}

/// Bytes of the values themselves: texts of one array may be slices of much longer buffers.
fn bytes_of(column: &ArrayRef) -> usize {
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().lengths().map(|length| length as usize).sum(),
        DataType::BinaryView => column.as_binary_view().lengths().map(|length| length as usize).sum(),
        _ => column.to_data().get_slice_memory_size().unwrap_or(usize::MAX),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::functions::expr_fn::{lower, repeat};
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn what_may_take_long_is_told_from_what_does_not() {
        let is_little = |e: Expr, rows| Effort::of([&e]).is_little(&[], rows);
        assert!(is_little(lower(col("a")), 1));
        assert!(is_little(col("a"), 1_000_000));
        assert!(!is_little(lower(col("a")), 1_000_000));
        assert!(!is_little(repeat(lit("x"), lit(1_000_000_000_i64)), 1));
        assert!(!is_little(lower(lit("x".repeat(1 << 20))), 1));
        assert!(!is_little((0..20).fold(col("a"), |within, _| lower(within)), 1));
        assert!(!Effort::of([&lower(col("a"))]).is_little(&[ScalarValue::from("x".repeat(1 << 20))], 1));
    }

    #[test]
    fn depth_is_that_of_calls_within_each_other() {
        let sum = (0..100).fold(lit("a"), |sum, _| sum.or(lower(col("a")).eq(lit("b"))));
        assert!(Effort::of([&sum]).is_short());
    }
}
