//! What PostgreSQL's analysis makes of an expression: the types of its parts, and the casts that they need.

use sqlparser::ast::{self, BinaryOperator, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value};

use super::Node;
use crate::catalog::Relation;
use crate::data::PgType;
use crate::data::decode::parse_text;
use crate::data::encode::{Style, cell_text};
use crate::data::quoting::{ident, literal};
use crate::serve::system::facts::PROCS;
use crate::sql::fold_name;

/// A part and its type: [`PgType::Unknown`] for a constant that has none yet, [`PgType::Void`] where nothing is known of it.
type Typed = (Node, PgType);

/// The expression over the columns of a relation.
pub(super) fn node(relation: &Relation, expr: &Expr) -> Typed {
    Reading { relation, rows: false }.node(expr)
}

/// The expression over the columns of several rows of a relation, each of which has a name.
pub(super) fn node_of_rows(relation: &Relation, expr: &Expr) -> Typed {
    Reading { relation, rows: true }.node(expr)
}

struct Reading<'a> {
    relation: &'a Relation,
    /// Columns are named with the row that they are of.
    rows: bool,
}

fn boxed((node, _): Typed) -> Box<Node> {
    Box::new(node)
}

/// Name of a type in a cast.
fn type_text(ty: &PgType) -> String {
    match ty {
        PgType::Bpchar(0) => "bpchar".into(),
        other => other.to_string(),
    }
}

/// A value made one of another type, if it is none.
fn coerced((node, from): Typed, to: &PgType) -> Node {
    match node {
        node if *to == PgType::Void => node,
        Node::Atom(text) if from == PgType::Unknown => Node::Atom(format!("{}::{}", value_text(&text, to), type_text(to))),
        node if from.base() == to.base() || *to == PgType::Unknown || matches!(from, PgType::Unknown | PgType::Void) => node,
        node => Node::Cast(Box::new(node), type_text(to)),
    }
}

/// A constant as its type shows it: a day is the beginning of it, for a timestamp.
fn value_text(quoted: &str, ty: &PgType) -> String {
    let shown = || {
        let text = quoted.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'");
        let value = parse_text(ty, &text).ok()?.to_array().ok()?;
        let mut shown = Vec::new();
        cell_text(&value, 0, ty, &Style::default(), &mut shown).ok()?;
        Some(literal(std::str::from_utf8(&shown).ok()?))
    };
    shown().unwrap_or_else(|| quoted.to_string())
}

fn is_whole(ty: &PgType) -> bool {
    matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8)
}

fn is_float(ty: &PgType) -> bool {
    matches!(ty, PgType::Float4 | PgType::Float8)
}

/// True for a literal of no type beside a value that is neither text nor concatenated as what it is.
fn is_literal_beside_other(left: &PgType, right: &PgType) -> bool {
    use PgType as T;
    let ((T::Unknown, other) | (other, T::Unknown)) = (left, right) else { return false };
    !matches!(other, T::Unknown | T::Array(_) | T::Jsonb | T::Text | T::Varchar(_) | T::Bpchar(_) | T::Name)
}

/// The types that an operator takes of operands of these types.
fn operands(left: &PgType, right: &PgType) -> (PgType, PgType) {
    let both = |ty: PgType| (ty.clone(), ty);
    let is_varchar = |ty: &PgType| matches!(ty, PgType::Varchar(_));
    let is_text = |ty: &PgType| is_varchar(ty) || matches!(ty, PgType::Text | PgType::Unknown);
    match (left, right) {
        (l, r) if is_text(l) && is_text(r) => both(PgType::Text),
        (PgType::Unknown, ty) | (ty, PgType::Unknown) => both(ty.base()),
        (PgType::Numeric(_), r) if is_whole(r) => both(PgType::Numeric(None)),
        (l, PgType::Numeric(_)) if is_whole(l) => both(PgType::Numeric(None)),
        (l, r) if is_float(l) && r.is_number() && !is_float(r) => (l.clone(), PgType::Float8),
        (l, r) if is_float(r) && l.is_number() && !is_float(l) => (PgType::Float8, r.clone()),
        (l, r) => {
            let one = |ty: &PgType| if is_varchar(ty) { PgType::Text } else { ty.clone() };
            (one(l), one(r))
        }
    }
}

fn operator(left: Typed, op: &str, right: Typed) -> Node {
    let (of_left, of_right) = operands(&left.1, &right.1);
    Node::Operator(Box::new(coerced(left, &of_left)), op.into(), Box::new(coerced(right, &of_right)))
}

/// What arithmetic gives of two numbers.
fn wider(left: &PgType, right: &PgType) -> PgType {
    let rank = |ty: &PgType| match ty {
        PgType::Int2 => 0,
        PgType::Int4 => 1,
        PgType::Int8 => 2,
        PgType::Numeric(_) => 3,
        PgType::Float4 => 4,
        PgType::Float8 => 5,
        _ => 6,
    };
    if rank(right) > rank(left) { right.base() } else { left.base() }
}

impl Reading<'_> {
    fn node(&self, expr: &Expr) -> Typed {
        let truth = |node: Node| (node, PgType::Bool);
        match expr {
            Expr::Nested(inner) => self.node(inner),
            Expr::Identifier(name) => self.column(&fold_name(name)),
            Expr::CompoundIdentifier(parts) if self.rows => self.column_of_row(parts).unwrap_or_else(|| written(expr)),
            Expr::CompoundIdentifier(parts) => parts.last().map_or_else(|| written(expr), |name| self.column(&fold_name(name))),
            Expr::Value(value) => constant(&value.value),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => self.negative(inner),
            Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => truth(Node::Not(boxed(self.node(inner)))),
            Expr::BinaryOp { op: BinaryOperator::And, .. } => truth(Node::And(self.chain(expr, &BinaryOperator::And))),
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => truth(Node::Or(self.chain(expr, &BinaryOperator::Or))),
            Expr::BinaryOp { left, op, right } => self.operation(left, op, right),
            Expr::Like { negated, expr, pattern, escape_char: None, any: false } => truth(self.like(*negated, "~~", expr, pattern)),
            Expr::ILike { negated, expr, pattern, escape_char: None, any: false } => truth(self.like(*negated, "~~*", expr, pattern)),
            Expr::IsNull(inner) => truth(self.test(inner, "IS NULL")),
            Expr::IsNotNull(inner) => truth(self.test(inner, "IS NOT NULL")),
            Expr::IsTrue(inner) => truth(self.test(inner, "IS TRUE")),
            Expr::IsNotTrue(inner) => truth(self.test(inner, "IS NOT TRUE")),
            Expr::IsFalse(inner) => truth(self.test(inner, "IS FALSE")),
            Expr::IsNotFalse(inner) => truth(self.test(inner, "IS NOT FALSE")),
            Expr::IsUnknown(inner) => truth(self.test(inner, "IS UNKNOWN")),
            Expr::IsNotUnknown(inner) => truth(self.test(inner, "IS NOT UNKNOWN")),
            Expr::IsDistinctFrom(left, right) => truth(self.distinct(left, right)),
            Expr::IsNotDistinctFrom(left, right) => truth(Node::Not(Box::new(self.distinct(left, right)))),
            Expr::Between { expr, negated, low, high } => truth(self.between(expr, *negated, low, high)),
            Expr::InList { expr, list, negated } => truth(self.among(expr, list, *negated)),
            Expr::Cast { expr, data_type, .. } => self.cast(expr, data_type),
            Expr::TypedString(ast::TypedString { data_type, value, .. }) => self.cast(&Expr::Value(value.clone()), data_type),
            Expr::Function(f) => self.function(f).unwrap_or_else(|| written(expr)),
            Expr::Extract { field, expr, .. } => {
                let parts = vec![(format!("EXTRACT({} FROM ", field.to_string().to_lowercase()), self.node(expr).0)];
                (Node::Parts { call: true, parts, end: ")".into() }, PgType::Numeric(None))
            }
            Expr::Substring { expr, substring_from, substring_for, special: false, .. } => {
                let mut parts = vec![("SUBSTRING(".to_string(), coerced(self.node(expr), &PgType::Text))];
                for (word, place) in [(" FROM ", substring_from), (" FOR ", substring_for)] {
                    parts.extend(place.as_ref().map(|place| (word.to_string(), self.node(place).0)));
                }
                (Node::Parts { call: true, parts, end: ")".into() }, PgType::Text)
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                let (at, of) = self.node(timestamp);
                let zone = coerced(self.node(time_zone), &PgType::Text);
                let parts = vec![("(".to_string(), at), (" AT TIME ZONE ".to_string(), zone)];
                let ty = if of == PgType::Timestamptz { PgType::Timestamp } else { PgType::Timestamptz };
                (Node::Parts { call: true, parts, end: ")".into() }, ty)
            }
            Expr::Case { operand, conditions, else_result, .. } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Array(array) => {
                let items = array.elem.iter().map(|e| self.node(e)).collect();
                let (items, ty) = alike(items);
                (array_of(items), PgType::Array(Box::new(ty)))
            }
            other => written(other),
        }
    }

    /// `row.column`
    fn column_of_row(&self, parts: &[ast::Ident]) -> Option<Typed> {
        let [row, column] = parts else { return None };
        let (_, ty) = self.column(&fold_name(column));
        Some((Node::Atom(format!("{}.{}", ident(&fold_name(row)), ident(&fold_name(column)))), ty))
    }

    fn column(&self, name: &str) -> Typed {
        let ty = self.relation.column(name).map_or(PgType::Text, |c| self.relation.columns[c].ty.clone());
        (Node::Atom(ident(name)), ty)
    }

    /// A negative number is a constant.
    fn negative(&self, inner: &Expr) -> Typed {
        match (inner, self.node(inner)) {
            (Expr::Value(_), (Node::Atom(text), ty)) => (Node::Atom(format!("'-{}'::{}", text.trim_matches('\''), type_text(&ty))), ty),
            (_, (node, ty)) => (Node::Prefix("-".into(), Box::new(node)), ty),
        }
    }

    /// The operands of `a AND b AND c`.
    fn chain(&self, expr: &Expr, word: &BinaryOperator) -> Vec<Node> {
        match expr {
            Expr::Nested(inner) => self.chain(inner, word),
            Expr::BinaryOp { left, op, right } if op == word => {
                let mut all = self.chain(left, word);
                all.push(self.node(right).0);
                all
            }
            other => vec![self.node(other).0],
        }
    }

    fn operation(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Typed {
        use BinaryOperator as B;
        let (l, mut r) = (self.node(left), self.node(right));
        let text = op.to_string();
        let ty = match op {
            B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo => match (&l.1, &r.1) {
                (PgType::Unknown, ty) | (ty, PgType::Unknown) => ty.base(),
                (l, r) => wider(l, r),
            },
            // A literal beside what is no text is text, and that stays what it is.
            B::StringConcat if is_literal_beside_other(&l.1, &r.1) => {
                let text_of = |of: Typed| if of.1 == PgType::Unknown { coerced(of, &PgType::Text) } else { of.0 };
                return (Node::Operator(Box::new(text_of(l)), text, Box::new(text_of(r))), PgType::Text);
            }
            B::StringConcat => match (&l.1, &r.1) {
                (PgType::Array(_) | PgType::Jsonb, _) => l.1.clone(),
                _ => PgType::Text,
            },
            B::Arrow | B::LongArrow | B::HashArrow | B::HashLongArrow => {
                // The right side names what is taken out.
                if r.1 == PgType::Unknown {
                    let path = matches!(op, B::HashArrow | B::HashLongArrow);
                    r = (coerced(r, &if path { PgType::Array(Box::new(PgType::Text)) } else { PgType::Text }), PgType::Text);
                }
                let ty = if matches!(op, B::Arrow | B::HashArrow) { l.1.clone() } else { PgType::Text };
                return (Node::Operator(boxed(l), text, boxed(r)), ty);
            }
            // Comparisons, those with patterns among them.
            _ => PgType::Bool,
        };
        (operator(l, &text, r), ty)
    }

    fn like(&self, negated: bool, op: &str, expr: &Expr, pattern: &Expr) -> Node {
        let op = if negated { format!("!{op}") } else { op.to_string() };
        operator(self.node(expr), &op, self.node(pattern))
    }

    fn test(&self, inner: &Expr, behind: &str) -> Node {
        Node::Test(boxed(self.node(inner)), behind.into())
    }

    fn distinct(&self, left: &Expr, right: &Expr) -> Node {
        let (left, right) = (self.node(left), self.node(right));
        let (of_left, of_right) = operands(&left.1, &right.1);
        Node::Distinct(Box::new(coerced(left, &of_left)), Box::new(coerced(right, &of_right)))
    }

    fn between(&self, expr: &Expr, negated: bool, low: &Expr, high: &Expr) -> Node {
        let bound = |op: &str, to: &Expr| operator(self.node(expr), op, self.node(to));
        match negated {
            false => Node::And(vec![bound(">=", low), bound("<=", high)]),
            true => Node::Or(vec![bound("<", low), bound(">", high)]),
        }
    }

    /// IN is `= ANY` of an array, of one value `=`.
    fn among(&self, expr: &Expr, list: &[Expr], negated: bool) -> Node {
        let op = if negated { "<>" } else { "=" };
        let left = self.node(expr);
        if let [only] = list {
            return operator(left, op, self.node(only));
        }
        let of_column = left.1.base();
        let items: Vec<Node> = list.iter().map(|e| coerced(self.node(e), &of_column)).collect();
        let between = format!("{op} {}", if negated { "ALL" } else { "ANY" });
        let array = array_of(items);
        match of_column {
            PgType::Varchar(_) => {
                let array = Node::Cast(Box::new(array), "text[]".into());
                Node::Any(Box::new(coerced(left, &PgType::Text)), between, Box::new(array))
            }
            _ => Node::Any(boxed(left), between, Box::new(array)),
        }
    }

    fn cast(&self, expr: &Expr, data_type: &DataType) -> Typed {
        let known = PgType::parse(&data_type.to_string());
        let name = known.as_ref().map_or_else(|_| data_type.to_string(), type_text);
        let node = match self.node(expr) {
            (Node::Atom(text), PgType::Unknown) => {
                let text = known.as_ref().map_or_else(|_| text.clone(), |ty| value_text(&text, ty));
                Node::Atom(format!("{text}::{name}"))
            }
            // One to the type that it has is none.
            (node, from) if known.as_ref().is_ok_and(|to| from == *to) => node,
            (node, _) => Node::Cast(Box::new(node), name),
        };
        (node, known.unwrap_or(PgType::Void))
    }

    /// A call; `None` for a form that is none of a plain function.
    fn function(&self, f: &ast::Function) -> Option<Typed> {
        let name = fold_name(f.name.0.last()?.as_ident()?);
        let FunctionArguments::List(list) = &f.args else { return None };
        let plain = f.filter.is_none() && f.over.is_none() && list.duplicate_treatment.is_none() && list.clauses.is_empty();
        if !plain {
            return None;
        }
        // A whole row.
        if let ("row", true, [FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(row))]) =
            (name.as_str(), self.rows, list.args.as_slice())
        {
            return Some((Node::Atom(format!("{}.*", row.to_string().to_lowercase())), PgType::Void));
        }
        let argument = |argument: &FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(self.node(expr)),
            _ => None,
        };
        let arguments = list.args.iter().map(argument).collect::<Option<Vec<_>>>()?;
        if matches!(name.as_str(), "coalesce" | "greatest" | "least" | "nullif") {
            let (arguments, ty) = alike(arguments);
            return Some((call(&name.to_uppercase(), arguments), ty));
        }
        let types: Vec<PgType> = arguments.iter().map(|(_, ty)| ty.clone()).collect();
        let Some((wanted, returns)) = signature(&name, &types) else {
            let arguments = arguments.into_iter().map(|a| coerced(a, &PgType::Text)).collect();
            return Some((call(&ident(&name), arguments), PgType::Void));
        };
        let arguments = arguments.into_iter().zip(&wanted).map(|(a, ty)| coerced(a, ty)).collect();
        Some((call(&ident(&name), arguments), returns))
    }

    fn case(&self, operand: Option<&Expr>, conditions: &[ast::CaseWhen], otherwise: Option<&Expr>) -> Typed {
        let results = conditions.iter().map(|c| &c.result).chain(otherwise).map(|e| self.node(e)).collect();
        let (results, ty) = alike(results);
        let mut results = results.into_iter();
        let operand = operand.map(|e| self.node(e));
        let of_type = operand.as_ref().map(|(_, ty)| ty.clone());
        let mut parts: Vec<(String, Node)> = operand.into_iter().map(|(node, _)| ("\nCASE ".to_string(), node)).collect();
        for when in conditions {
            let condition = self.node(&when.condition);
            let condition = match &of_type {
                Some(ty) => coerced(condition, ty),
                None => condition.0,
            };
            let before = if parts.is_empty() { "\nCASE\n    WHEN " } else { "\n    WHEN " };
            parts.push((before.to_string(), condition));
            parts.extend(results.next().map(|result| (" THEN ".to_string(), result)));
        }
        let otherwise = results.next().unwrap_or_else(|| Node::Atom(format!("NULL::{}", type_text(&ty))));
        parts.push(("\n    ELSE ".to_string(), otherwise));
        (Node::Parts { call: false, parts, end: "\nEND".into() }, ty)
    }
}

fn written(expr: &Expr) -> Typed {
    (Node::Atom(expr.to_string()), PgType::Void)
}

fn constant(value: &Value) -> Typed {
    match value {
        Value::Number(digits, _) if digits.contains(['.', 'e', 'E']) => (Node::Atom(digits.to_string()), PgType::Numeric(None)),
        Value::Number(digits, _) => match digits.parse::<i64>() {
            Ok(n) if i32::try_from(n).is_ok() => (Node::Atom(digits.to_string()), PgType::Int4),
            Ok(_) => (Node::Atom(format!("'{digits}'::bigint")), PgType::Int8),
            Err(_) => (Node::Atom(format!("'{digits}'::numeric")), PgType::Numeric(None)),
        },
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => (Node::Atom(literal(text)), PgType::Unknown),
        Value::Boolean(truth) => (Node::Atom(truth.to_string()), PgType::Bool),
        Value::Null => (Node::Atom("NULL".into()), PgType::Unknown),
        other => (Node::Atom(other.to_string()), PgType::Void),
    }
}

fn parts_of(before: &str, items: Vec<Node>) -> Vec<(String, Node)> {
    items.into_iter().enumerate().map(|(i, item)| (if i == 0 { before.to_string() } else { ", ".into() }, item)).collect()
}

fn call(name: &str, arguments: Vec<Node>) -> Node {
    if arguments.is_empty() {
        return Node::Parts { call: true, parts: vec![], end: format!("{name}()") };
    }
    Node::Parts { call: true, parts: parts_of(&format!("{name}("), arguments), end: ")".into() }
}

fn array_of(items: Vec<Node>) -> Node {
    Node::Parts { call: false, parts: parts_of("ARRAY[", items), end: "]".into() }
}

/// Values made of one type: that of the first that has one, or the widest of numbers.
fn alike(values: Vec<Typed>) -> (Vec<Node>, PgType) {
    let known = values.iter().map(|(_, ty)| ty).filter(|ty| **ty != PgType::Unknown);
    let ty =
        known.cloned().reduce(|a, b| if a.is_number() && b.is_number() { wider(&a, &b) } else { a }).map_or(PgType::Text, |ty| ty.base());
    (values.into_iter().map(|value| coerced(value, &ty)).collect(), ty)
}

/// The types that a function takes of arguments of these types, and what it gives.
fn signature(name: &str, types: &[PgType]) -> Option<(Vec<PgType>, PgType)> {
    let of_argument = |oid: u32, given: &PgType| PgType::from_oid(oid).unwrap_or_else(|| given.clone());
    let fits = |wanted: &PgType, given: &PgType| match (given, wanted) {
        (PgType::Unknown, _) => true,
        (PgType::Varchar(_), PgType::Text) => true,
        (given, PgType::Numeric(_) | PgType::Float8) if is_whole(given) => true,
        (PgType::Int2 | PgType::Int4, PgType::Int8) | (PgType::Int2, PgType::Int4) => true,
        (PgType::Numeric(_) | PgType::Float4, PgType::Float8) => true,
        (given, wanted) => given.base() == wanted.base(),
    };
    let known: Vec<_> =
        PROCS.iter().filter(|p| p.name == name).map(|p| (p.types(), p.returns)).filter(|(o, _)| o.len() == types.len()).collect();
    let wanted = |oids: &[u32]| oids.iter().zip(types).map(|(oid, ty)| of_argument(*oid, ty)).collect::<Vec<_>>();
    // Of those that fit, what needs fewest casts, and where it needs them what casts to the types that PostgreSQL prefers.
    let closeness = |oids: &[u32]| {
        let wanted = wanted(oids);
        let exact = wanted.iter().zip(types).filter(|(w, t)| w.base() == t.base()).count();
        (exact, wanted.iter().filter(|w| matches!(w, PgType::Float8 | PgType::Text)).count())
    };
    let fitting = known.iter().filter(|(oids, _)| wanted(oids).iter().zip(types).all(|(w, t)| fits(w, t)));
    let (oids, returns) = fitting.max_by_key(|(oids, _)| closeness(oids))?;
    let returns = PgType::from_oid(*returns).or_else(|| types.first().cloned()).unwrap_or(PgType::Unknown);
    Some((wanted(oids), returns))
}
