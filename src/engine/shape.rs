//! The shape of a statement: its text with values taken out for parameters. Drivers that put values into the text they send (psycopg2,
//! the simple protocol in general) send the same few shapes over and over, and a plan of one serves for all its values.
//!
//! Only a value that stands as an operand of its own behind a comparison, BETWEEN, `+`, `-`, in an IN list or in VALUES is taken out, so that a
//! parameter of its type means there what the literal does: a whole number is declared as the integer that PostgreSQL takes it for (manual, "Numeric
//! Constants"), a text is left open as a literal's type is, and so is what VALUES gives a column. A statement with any other text in it, a
//! decimal number elsewhere or a comment has no shape: such texts would differ each time, and push out plans that serve.

use bytes::Bytes;

use crate::data::PgType;
use crate::limits::{CACHED_STATEMENT_BYTES_MAX, SHAPE_VALUES_MAX};

/// A statement with its values taken out.
pub(super) struct Shape {
    /// Its text with `$1`, `$2` .. in place of the values.
    pub text: String,
    pub kinds: Vec<Kind>,
    /// Their texts.
    pub values: Vec<Option<Bytes>>,
    /// True for a SELECT, false for a change.
    pub select: bool,
}

/// What a value is as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Text,
    /// A number in a row of VALUES: the column says of which type, if it is one of numbers.
    Number,
    Int4,
    Int8,
}

impl Kind {
    /// What is declared of it; `None` where that is left open.
    fn declared(self) -> Option<PgType> {
        match self {
            Kind::Text | Kind::Number => None,
            Kind::Int4 => Some(PgType::Int4),
            Kind::Int8 => Some(PgType::Int8),
        }
    }

    fn letter(self) -> char {
        match self {
            Kind::Text => 't',
            Kind::Number => 'n',
            Kind::Int4 => 'i',
            Kind::Int8 => 'l',
        }
    }
}

/// What a value stands behind.
#[derive(Clone, Copy, PartialEq)]
enum Behind {
    Compared,
    /// A `+` or `-`.
    Sign,
    /// The word IN or VALUES, or the comma between two rows.
    List,
    /// The parenthesis of a list or a comma in it.
    Listed,
    Other,
}

/// Words of a SELECT in which it may matter that two values are the same, or one is a constant.
const CONSTANT: [&str; 10] = ["group", "having", "distinct", "union", "intersect", "except", "case", "over", "window", "into"];

/// What values are compared by.
const COMPARISONS: [&str; 7] = ["=", "<", ">", "<=", ">=", "<>", "!="];

/// Words in VALUES that are values themselves.
const PLAIN: [&str; 3] = ["null", "true", "false"];

/// Words that make a query of what stands in the parentheses behind IN.
const QUERY: [&str; 4] = ["select", "values", "with", "table"];

/// Words behind which an operand begins.
const AWAITING: [&str; 20] = [
    "returning",
    "select",
    "distinct",
    "all",
    "from",
    "where",
    "and",
    "or",
    "not",
    "between",
    "symmetric",
    "case",
    "when",
    "then",
    "else",
    "by",
    "having",
    "on",
    "limit",
    "offset",
];

/// Words that end an operand.
const ENDING: [&str; 8] = ["and", "or", "where", "from", "returning", "order", "limit", "offset"];

impl Shape {
    /// The shape of a short SELECT, UPDATE, DELETE, or INSERT that is more than values, with values in it; `None` for any other text. One pass,
    /// no parser.
    pub fn of(text: &str) -> Option<Shape> {
        let word = text.as_bytes().get(..7).filter(|_| text.len() <= CACHED_STATEMENT_BYTES_MAX)?;
        let select = word.eq_ignore_ascii_case(b"select ");
        let insert = word.eq_ignore_ascii_case(b"insert ");
        if !select && !insert && !word.eq_ignore_ascii_case(b"update ") && !word.eq_ignore_ascii_case(b"delete ") {
            return None;
        }
        let shape = Shape { text: String::with_capacity(text.len() + 8), kinds: vec![], values: vec![], select };
        let (behind, nested, rows) = (Behind::Other, None, insert.then_some(false));
        let (bytes, planned, operand) = (text.as_bytes(), !insert, false);
        let (between, taking) = (None, !select);
        let scanner =
            Scanner { source: text, bytes, at: 0, copied: 0, depth: 0, behind, taking, between, operand, nested, rows, planned, shape };
        scanner.scan().filter(|shape| !shape.values.is_empty())
    }

    /// What its plan is kept by: no text of a client contains a zero byte.
    pub fn key(&self) -> String {
        let mut key = self.text.clone();
        key.push('\0');
        key.extend(self.kinds.iter().map(|kind| kind.letter()));
        key
    }

    /// What is declared of its values.
    pub fn types(&self) -> Vec<Option<PgType>> {
        self.kinds.iter().map(|kind| kind.declared()).collect()
    }
}

struct Scanner<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Up to here the text stands in the shape.
    copied: usize,
    /// Parentheses that are open.
    depth: u32,
    behind: Behind,
    /// True where a value says nothing of the columns of the result: behind WHERE, and in a change.
    taking: bool,
    /// Behind BETWEEN, up to its AND: the parentheses that were open.
    between: Option<u32>,
    /// True behind an operand: a sign is an operator's there, and else a number's own, which is then no parameter: what it means goes by its type.
    operand: bool,
    /// Within a list: how many parentheses are open in it.
    nested: Option<u32>,
    /// Within the VALUES of an INSERT; `None` in other statements, where no column says what its values are.
    rows: Option<bool>,
    /// False for what costs no planning: an INSERT of values and nothing else.
    planned: bool,
    shape: Shape,
}

impl Scanner<'_> {
    fn scan(mut self) -> Option<Shape> {
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'"' => self.quoted_name()?,
                b'\'' => self.string()?,
                b'0'..=b'9' => self.number(0)?,
                b'-' if self.peek(1) == Some(b'-') => return None,
                b'-' if self.takes() && self.peek(1).is_some_and(|b| b.is_ascii_digit()) => self.number(1)?,
                b'/' if self.peek(1) == Some(b'*') => return None,
                b'.' if self.peek(1).is_some_and(|b| b.is_ascii_digit()) => return None,
                b'$' | b'\\' | b'`' | b'[' | 0 => return None,
                b';' => {
                    let ends = self.bytes[self.at..].iter().all(|b| matches!(b, b';' | b' ' | b'\t' | b'\n' | b'\r'));
                    if !ends {
                        return None;
                    }
                    break;
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word()?,
                other if is_of_operator(other) => self.operator()?,
                other => self.mark(other),
            }
        }
        self.shape.text.push_str(self.source[self.copied..self.at].trim_end());
        self.planned.then_some(self.shape)
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// True where a value would be an operand of its own, if what follows ends it.
    fn takes(&self) -> bool {
        match self.behind {
            Behind::Compared | Behind::Listed => self.taking,
            // Of a sum the type is not that of its parts.
            Behind::Sign => !self.shape.select,
            Behind::List | Behind::Other => false,
        }
    }

    fn quoted_name(&mut self) -> Option<()> {
        let inside = &self.bytes[self.at + 1..];
        self.at += 1 + inside.iter().position(|b| *b == b'"')? + 1;
        (self.behind, self.operand) = (Behind::Other, true);
        Some(())
    }

    fn word(&mut self) -> Option<()> {
        let start = self.at;
        self.at += self.bytes[start..].iter().take_while(|b| is_of_word(**b)).count();
        // E'..', B'..' and their like.
        if self.peek(0) == Some(b'\'') {
            return None;
        }
        let word = &self.source[start..self.at];
        if self.shape.select && CONSTANT.iter().any(|other| word.eq_ignore_ascii_case(other)) {
            return None;
        }
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        // There a number behind a comma may be the place of a column to order by.
        if self.behind == Behind::Listed && QUERY.iter().any(|query| is(query)) {
            self.nested = None;
        }
        let values = self.rows.is_some() && self.depth == 0 && is("values");
        if self.nested.is_none() {
            self.rows = self.rows.map(|_| values);
        }
        self.planned |= is("returning") || is("conflict") || self.nested.is_some() && !PLAIN.iter().any(|plain| is(plain));
        self.taking |= is("where");
        let bound = is("between") || is("symmetric") && self.between.is_some() || is("and") && self.between == Some(self.depth);
        self.between = if is("between") { Some(self.depth) } else { self.between.filter(|_| !(bound && is("and"))) };
        self.behind = if bound {
            Behind::Compared
        } else if values || is("in") {
            Behind::List
        } else {
            Behind::Other
        };
        self.operand = !AWAITING.iter().any(|awaiting| is(awaiting));
        Some(())
    }

    fn operator(&mut self) -> Option<()> {
        let length = self.bytes[self.at..].iter().take_while(|b| is_of_operator(**b)).count();
        let whole = &self.source[self.at..self.at + length];
        if whole.contains("--") || whole.contains("/*") {
            return None;
        }
        // No operator of these bytes ends with a sign (manual, "Operators").
        let signed = whole.strip_suffix('-').filter(|operator| *operator != "!=" && COMPARISONS.contains(operator));
        let operator = signed.unwrap_or(whole);
        self.behind = match operator {
            "+" | "-" if self.operand => Behind::Sign,
            _ if COMPARISONS.contains(&operator) => Behind::Compared,
            _ => Behind::Other,
        };
        self.operand = false;
        self.at += operator.len();
        Some(())
    }

    /// Punctuation.
    fn mark(&mut self, byte: u8) {
        self.behind = match byte {
            b'(' if self.behind == Behind::List => Behind::Listed,
            b',' if self.nested == Some(0) => Behind::Listed,
            b',' if self.nested.is_none() && self.rows == Some(true) => Behind::List,
            _ => Behind::Other,
        };
        self.operand = byte == b')';
        match byte {
            b'(' => self.depth += 1,
            b')' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.nested = match (byte, self.nested) {
            (b'(', None) => (self.behind == Behind::Listed).then_some(0),
            (b'(', Some(open)) => Some(open + 1),
            (b')', Some(open)) => open.checked_sub(1),
            (_, nested) => nested,
        };
        self.at += 1;
    }

    fn string(&mut self) -> Option<()> {
        let start = self.at;
        let mut end = start + 1;
        let mut value = String::new();
        loop {
            let piece = self.bytes[end..].iter().position(|b| *b == b'\'')?;
            value.push_str(&self.source[end..end + piece]);
            end += piece + 1;
            if self.bytes.get(end) != Some(&b'\'') {
                break;
            }
            value.push('\'');
            end += 1;
        }
        // What a backslash means is a setting's to say.
        if self.behind == Behind::Sign || !self.takes() || !self.ends(end) || value.contains('\\') {
            return None;
        }
        self.take(start, end, Kind::Text, value)
    }

    /// A number behind `sign` bytes.
    fn number(&mut self, sign: usize) -> Option<()> {
        let start = self.at;
        let of_row = self.rows == Some(true) && self.behind == Behind::Listed;
        let digits = |from: usize| self.bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = start + sign + digits(start + sign);
        if of_row && self.bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
        }
        if self.bytes.get(end).is_some_and(|b| *b == b'.' || is_of_word(*b)) {
            return None;
        }
        if !self.takes() || !self.ends(end) {
            (self.at, self.behind, self.operand) = (end, Behind::Other, true);
            return Some(());
        }
        let value = self.source[start..end].to_string();
        if of_row {
            // No number but a float can be a zero with a sign.
            let zero = value.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
            return if sign > 0 && zero { None } else { self.take(start, end, Kind::Number, value) };
        }
        // The sign is an operator's, so the digits alone say the type.
        let kind = match self.source[start + sign..end].parse::<i64>().ok()? {
            n if n <= i32::MAX.into() => Kind::Int4,
            _ => Kind::Int8,
        };
        self.take(start, end, kind, value)
    }

    /// Takes the text in that range out, as a value.
    fn take(&mut self, start: usize, end: usize, kind: Kind, value: String) -> Option<()> {
        let shape = &mut self.shape;
        shape.text.push_str(&self.source[self.copied..start]);
        shape.values.push(Some(value.into()));
        shape.kinds.push(kind);
        shape.text.push('$');
        shape.text.push_str(&shape.values.len().to_string());
        (self.at, self.copied, self.behind, self.operand) = (end, end, Behind::Other, true);
        (shape.values.len() <= SHAPE_VALUES_MAX).then_some(())
    }

    /// True if an operand that ends there is not part of a larger one.
    fn ends(&self, end: usize) -> bool {
        let rest = self.source[end..].trim_start_matches([' ', '\t', '\n', '\r']);
        let word = rest.bytes().take_while(|b| is_of_word(*b)).count();
        match rest.as_bytes().first() {
            None | Some(b',' | b')' | b';') => true,
            Some(_) => ENDING.iter().any(|ending| rest[..word].eq_ignore_ascii_case(ending)),
        }
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

fn is_of_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|?:".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::Shape;

    fn of(text: &str) -> Option<(String, String, String)> {
        let shape = Shape::of(text)?;
        let values: Vec<String> = shape.values.iter().flatten().map(|v| String::from_utf8_lossy(v).into_owned()).collect();
        let kinds = shape.key().split('\0').nth(1)?.to_string();
        Some((shape.text, kinds, values.join("|")))
    }

    #[test]
    fn values_that_are_operands_are_taken_out() {
        for (text, shape, kinds, values) in [
            ("SELECT n FROM v WHERE a = 17;", "SELECT n FROM v WHERE a = $1", "i", "17"),
            ("select n from v where a=1 and b = 3000000000", "select n from v where a=$1 and b = $2", "il", "1|3000000000"),
            ("SELECT n FROM v WHERE a = 'it''s' LIMIT 21", "SELECT n FROM v WHERE a = $1 LIMIT 21", "t", "it's"),
            (
                "UPDATE t SET n = n + -5, s='x' WHERE \"t\".\"id\" = 7",
                "UPDATE t SET n = n + $1, s=$2 WHERE \"t\".\"id\" = $3",
                "iti",
                "-5|x|7",
            ),
            ("UPDATE t SET n = coalesce(n, 0) - 1 WHERE id = 2", "UPDATE t SET n = coalesce(n, 0) - $1 WHERE id = $2", "ii", "1|2"),
            ("DELETE FROM t WHERE id IN (1, 'b') AND x > 4", "DELETE FROM t WHERE id IN ($1, $2) AND x > $3", "iti", "1|b|4"),
            (
                "SELECT n FROM v JOIN w ON v.a = 5 WHERE a BETWEEN 3 AND '7' AND (b>=-2 OR c != 'x' OR n NOT IN (1)) ORDER BY 1 LIMIT 3",
                "SELECT n FROM v JOIN w ON v.a = 5 WHERE a BETWEEN $1 AND $2 AND (b>=$3 OR c != $4 OR n NOT IN ($5)) ORDER BY 1 LIMIT 3",
                "ititi",
                "3|7|-2|x|1",
            ),
            (
                "SELECT n FROM v WHERE a BETWEEN SYMMETRIC (b AND c) + 1 AND 9 AND d <> 8 OFFSET 2",
                "SELECT n FROM v WHERE a BETWEEN SYMMETRIC (b AND c) + 1 AND $1 AND d <> $2 OFFSET 2",
                "ii",
                "9|8",
            ),
            ("UPDATE t SET a =-2147483648 WHERE b = 1", "UPDATE t SET a =$1 WHERE b = $2", "li", "-2147483648|1"),
            (
                "insert into t values ('a', -1.5, now(), 2) returning id",
                "insert into t values ($1, $2, now(), $3) returning id",
                "tnn",
                "a|-1.5|2",
            ),
            (
                "INSERT INTO t (a, b) VALUES (1, NULL), (2, f(3, x)) ON CONFLICT (a) DO UPDATE SET b = t.b + 5",
                "INSERT INTO t (a, b) VALUES ($1, NULL), ($2, f(3, x)) ON CONFLICT (a) DO UPDATE SET b = t.b + $3",
                "nni",
                "1|2|5",
            ),
            (
                "UPDATE t SET n = abs(-3) + -4, m = m -5 WHERE a = - 6 RETURNING -7, (n) - 8",
                "UPDATE t SET n = abs(-3) + $1, m = m -$2 WHERE a = - 6 RETURNING -7, (n) - $3",
                "iii",
                "-4|5|8",
            ),
            (
                "DELETE FROM t WHERE (a, b) IN (SELECT a, b FROM w WHERE c = 5 ORDER BY c, 2 LIMIT 1)",
                "DELETE FROM t WHERE (a, b) IN (SELECT a, b FROM w WHERE c = $1 ORDER BY c, 2 LIMIT 1)",
                "i",
                "5",
            ),
        ] {
            assert_eq!(of(text), Some((shape.into(), kinds.into(), values.into())), "{text}");
        }
    }

    #[test]
    fn other_statements_have_no_shape() {
        for other in [
            "SELECT n FROM v WHERE a => 1",
            "SELECT n FROM v WHERE a !=-1",
            "SELECT n FROM v WHERE a =--1",
            "SELECT n FROM v WHERE a =/*b*/1",
            "SELECT n = 5, a + 1 FROM v",
            "SELECT n FROM v WHERE a = 5 GROUP BY n",
            "SELECT DISTINCT n = 5 FROM v ORDER BY n = 5",
            "SELECT 1",
            "SELECT n FROM v WHERE a = 1.5",
            "SELECT n FROM v WHERE a = 1e5",
            "SELECT n FROM v WHERE a = 'x' || b",
            "SELECT n FROM v WHERE a = E'x'",
            "SELECT n FROM v WHERE a = 'x\\'",
            "SELECT n FROM v WHERE a = 'x",
            "SELECT n FROM v -- a = 1",
            "SELECT n FROM v WHERE a = 1; SELECT 2",
            "UPDATE v SET a = date '2020-01-01' WHERE id = 1",
            "UPDATE v SET a = f('x') WHERE id = 1",
            "UPDATE v SET a = $1 WHERE id = 1",
            "UPDATE v SET a = 99999999999999999999 WHERE id = 1",
            "INSERT INTO v VALUES (1, 'a', NULL), (2, 'b', true)",
            "UPDATE v SET a = w.b FROM (VALUES ('a', 'b')) AS w (a, b) WHERE v.id = 1",
            "INSERT INTO v SELECT * FROM (VALUES ('a', 2)) AS w RETURNING id",
            "INSERT INTO v VALUES (1, f('a')) RETURNING id",
            "INSERT INTO v VALUES (1.2.3, now())",
            "INSERT INTO v VALUES (1., now())",
            "INSERT INTO v VALUES (-0, now())",
            "DELETE FROM v WHERE (a, b) IN (SELECT a, 'x' FROM w)",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
