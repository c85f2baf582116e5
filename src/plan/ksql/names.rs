//! Names for columns that were given none (ksqlDB's reference, "SELECT": generated names).

use std::collections::BTreeMap;

/// Gives names: `KSQL_COL_0`, `KSQL_COL_1` .. to expressions, a field's own name to a dereference, all unlike the columns that there are.
///
/// Each base name has a counter of its own, which skips the numbers that columns of the relations have: a column `X` has number 0 of
/// the base `X`, a column `X_7` number 7.
pub struct Names {
    taken: Vec<(String, u64)>,
    next: BTreeMap<String, u64>,
}

impl Names {
    /// Names unlike those of these columns.
    pub fn new<'a>(columns: impl Iterator<Item = &'a str>) -> Names {
        let numbered = |name: &str| match name.rsplit_once('_').and_then(|(base, n)| Some((base.to_string(), n.parse().ok()?))) {
            Some(numbered) => numbered,
            None => (name.to_string(), 0),
        };
        Names { taken: columns.map(numbered).collect(), next: BTreeMap::new() }
    }

    fn number(&mut self, base: &str) -> u64 {
        let next = self.next.entry(base.to_string()).or_default();
        while self.taken.iter().any(|(b, n)| b == base && n == next) {
            *next += 1;
        }
        *next += 1;
        *next - 1
    }

    /// A name for an expression.
    pub fn expression(&mut self) -> String {
        format!("KSQL_COL_{}", self.number("KSQL_COL"))
    }

    /// A name for what stands for `name`: that name, or with the first free number behind it.
    pub fn like(&mut self, name: &str) -> String {
        match self.number(name) {
            0 => name.to_string(),
            n => format!("{name}_{n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn numbers_of_columns_are_skipped() {
        let mut names = Names::new(["KSQL_COL_3", "KSQL_COL_2", "KSQL_COL_4", "B"].into_iter());
        assert_eq!([(); 3].map(|()| names.expression()), ["KSQL_COL_0", "KSQL_COL_1", "KSQL_COL_5"]);
        assert_eq!([(); 2].map(|()| names.like("B")), ["B_1", "B_2"]);
        assert_eq!([(); 2].map(|()| names.like("C")), ["C", "C_1"]);
    }
}
