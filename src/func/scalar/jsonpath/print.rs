//! A path as text, as PostgreSQL's jsonpath_out prints it.

use std::fmt::Write;

use super::{Flags, LEAVES, Levels, Node, Operator, Path, Step};
use crate::data::json::put_string;

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = String::new();
        if !self.lax {
            out.push_str("strict ");
        }
        put(&self.root, true, &mut out);
        f.write_str(&out)
    }
}

/// How close an operator binds its operands.
fn priority(node: &Node) -> u8 {
    match node {
        Node::Or(..) => 0,
        Node::And(..) => 1,
        Node::Comparison(..) | Node::StartsWith(..) => 2,
        Node::Arithmetic(Operator::Add | Operator::Subtract, ..) => 3,
        Node::Arithmetic(..) => 4,
        Node::Sign(..) => 5,
        Node::Steps(base, _) => priority(base),
        _ => 6,
    }
}

/// `enclosed`: in parentheses, if it is made by an operator.
fn put(node: &Node, enclosed: bool, out: &mut String) {
    let operand = |of: &Node, out: &mut String| put(of, priority(of) <= priority(node), out);
    let in_parentheses = |out: &mut String, body: &dyn Fn(&mut String)| {
        out.push_str(if enclosed { "(" } else { "" });
        body(out);
        out.push_str(if enclosed { ")" } else { "" });
    };
    let between = |left: &Node, sign: &str, right: &Node, out: &mut String| {
        in_parentheses(out, &|out| {
            operand(left, out);
            out.push_str(&format!(" {sign} "));
            operand(right, out);
        });
    };
    match node {
        Node::Root => out.push('$'),
        Node::Current => out.push('@'),
        Node::Last => out.push_str("last"),
        Node::Variable(name) => {
            out.push('$');
            put_string(name, out);
        }
        Node::Literal(json) => out.push_str(&json.to_text()),
        Node::And(left, right) => between(left, "&&", right, out),
        Node::Or(left, right) => between(left, "||", right, out),
        Node::Comparison(comparison, left, right) => between(left, comparison.text(), right, out),
        Node::Arithmetic(operator, left, right) => between(left, operator.text(), right, out),
        Node::StartsWith(left, right) => between(left, "starts with", right, out),
        Node::LikeRegex(of, pattern) => in_parentheses(out, &|out| {
            operand(of, out);
            out.push_str(" like_regex ");
            put_string(&pattern.text, out);
            put_flags(&pattern.flags, out);
        }),
        Node::Sign(sign, of) => in_parentheses(out, &|out| {
            out.push_str(sign.text());
            operand(of, out);
        }),
        Node::Not(of) => put_within("!(", of, ")", out),
        Node::IsUnknown(of) => put_within("(", of, ") is unknown", out),
        Node::Exists(of) => put_within("exists (", of, ")", out),
        Node::Steps(base, steps) => {
            match base.as_ref() {
                Node::Literal(json @ crate::data::json::Json::Number(_)) => out.push_str(&format!("({})", json.to_text())),
                base => put(base, enclosed, out),
            }
            steps.iter().for_each(|step| put_step(step, out));
        }
    }
}

fn put_within(before: &str, of: &Node, behind: &str, out: &mut String) {
    out.push_str(before);
    put(of, false, out);
    out.push_str(behind);
}

fn put_flags(flags: &Flags, out: &mut String) {
    let all = [(flags.ignore_case, 'i'), (flags.dot_is_all, 's'), (flags.multiline, 'm'), (flags.spaced, 'x'), (flags.quoted, 'q')];
    let letters: String = all.into_iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect();
    if !letters.is_empty() {
        out.push_str(&format!(" flag \"{letters}\""));
    }
}

fn put_step(step: &Step, out: &mut String) {
    match step {
        Step::Key(key) => {
            out.push('.');
            put_string(key, out);
        }
        Step::AnyKey => out.push_str(".*"),
        Step::AnyItem => out.push_str("[*]"),
        Step::Items(places) => {
            for (i, (from, to)) in places.iter().enumerate() {
                out.push(if i == 0 { '[' } else { ',' });
                put(from, false, out);
                if let Some(to) = to {
                    out.push_str(" to ");
                    put(to, false, out);
                }
            }
            out.push(']');
        }
        Step::Descend(levels) => put_levels(*levels, out),
        Step::Filter(condition) => put_within("?(", condition, ")", out),
        Step::Method(method) => out.push_str(&format!(".{}()", method.name())),
        Step::Datetime(template) => {
            out.push_str(".datetime(");
            template.iter().for_each(|template| put_string(template, out));
            out.push(')');
        }
    }
}

fn put_levels(Levels { first, last }: Levels, out: &mut String) {
    let level = |level: u32| if level == LEAVES { "last".to_string() } else { level.to_string() };
    // Writing to a string cannot fail.
    let _ = match (first, last) {
        (0, LEAVES) => write!(out, ".**"),
        (first, last) if first == last => write!(out, ".**{{{}}}", level(first)),
        (first, last) => write!(out, ".**{{{} to {}}}", level(first), level(last)),
    };
}
