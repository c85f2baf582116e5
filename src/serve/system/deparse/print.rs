//! How PostgreSQL prints an expression: `get_rule_expr` of its ruleutils, with and without the flag for few parentheses.

use super::Node;

/// How an expression is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// With all parentheses.
    Whole,
    /// With those that are needed to read it.
    Pretty,
}

/// What a node stands in.
#[derive(Clone, Copy)]
enum Around<'a> {
    Operator { op: &'a str, first: bool },
    And,
    Or,
    Not,
    Parts,
    Cast,
    Other,
}

/// A key of an index that is no column.
pub(super) fn key(node: &Node, style: Style) -> String {
    let text = print(node, style);
    if matches!(node, Node::Parts { call: true, .. }) { text } else { format!("({text})") }
}

/// An expression.
pub(super) fn print(node: &Node, style: Style) -> String {
    let text = bare(node, style);
    let closed = matches!(node, Node::Atom(_) | Node::Parts { .. } | Node::Cast(..));
    if style == Style::Pretty || closed { text } else { format!("({text})") }
}

/// The same within another: in the pretty style it may need parentheses there.
fn within(node: &Node, style: Style, around: Around<'_>) -> String {
    let text = print(node, style);
    if style == Style::Whole || is_simple(node, around) { text } else { format!("({text})") }
}

fn bare(node: &Node, style: Style) -> String {
    let list = |nodes: &[Node], word: &str, around: Around<'_>| {
        nodes.iter().map(|node| within(node, style, around)).collect::<Vec<_>>().join(word)
    };
    match node {
        Node::Atom(text) => text.clone(),
        Node::Parts { parts, end, .. } => {
            let parts = parts.iter().map(|(before, node)| format!("{before}{}", within(node, style, Around::Parts)));
            parts.collect::<String>() + end
        }
        Node::Cast(inner, ty) => match style {
            Style::Whole => format!("({})::{ty}", print(inner, style)),
            Style::Pretty => format!("{}::{ty}", within(inner, style, Around::Cast)),
        },
        Node::Operator(left, op, right) => {
            let side = |node, first| within(node, style, Around::Operator { op, first });
            format!("{} {op} {}", side(left, true), side(right, false))
        }
        Node::Prefix(op, inner) => format!("{op} {}", within(inner, style, Around::Operator { op, first: true })),
        Node::Any(left, between, array) => {
            format!("{} {between} ({})", within(left, style, Around::Other), within(array, style, Around::Other))
        }
        Node::Test(inner, behind) => format!("{} {behind}", within(inner, style, Around::Other)),
        Node::Distinct(left, right) => {
            format!("{} IS DISTINCT FROM {}", within(left, style, Around::Other), within(right, style, Around::Other))
        }
        Node::Not(inner) => format!("NOT {}", within(inner, style, Around::Not)),
        Node::And(nodes) => list(nodes, " AND ", Around::And),
        Node::Or(nodes) => list(nodes, " OR ", Around::Or),
    }
}

/// `isSimpleNode`: true if a node reads the same without parentheses where it stands.
fn is_simple(node: &Node, around: Around<'_>) -> bool {
    match node {
        Node::Atom(_) | Node::Parts { .. } => true,
        Node::Cast(inner, _) => is_simple(inner, Around::Cast),
        Node::Operator(_, op, _) | Node::Prefix(op, _) => match around {
            Around::Operator { op: outer, first } => binds_first(op, outer, first),
            _ => is_simple_test(around),
        },
        Node::Test(..) | Node::Distinct(..) => is_simple_test(around),
        Node::Any(..) => matches!(around, Around::Parts),
        Node::Not(_) | Node::And(_) => matches!(around, Around::And | Around::Or | Around::Parts),
        Node::Or(_) => matches!(around, Around::Or | Around::Parts),
    }
}

fn is_simple_test(around: Around<'_>) -> bool {
    matches!(around, Around::And | Around::Or | Around::Not | Around::Parts)
}

/// True if an operator's operand that is one of `op` is read so without parentheses.
fn binds_first(op: &str, outer: &str, first: bool) -> bool {
    let rank = |op: &str| match op {
        "+" | "-" => Some(0),
        "*" | "/" | "%" => Some(1),
        _ => None,
    };
    match (rank(op), rank(outer)) {
        (Some(inner), Some(outer)) => inner > outer || inner == outer && first,
        _ => false,
    }
}
