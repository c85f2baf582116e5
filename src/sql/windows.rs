//! TUMBLE, HOP and SESSION in FROM: the rows of a relation with the windows of time they fall into, `window_start` and `window_end`.
//!
//! They are sugar: [`expand`] replaces each by a subquery, so that everything behind the parser knows but projections, unnest and
//! window functions over the functions of [`crate::func`]:
//!
//! - `TUMBLE(relation, column, size [, offset])`: a projection with `tumble_start`, one window per row;
//! - `HOP(relation, column, slide, size [, offset])`: an unnest of `hop_starts`, as many windows per row as cover it;
//! - `SESSION(relation, column, gap [, key ..])`: `session_start` and `session_end` over the rows of each key.
//!
//! `relation` is a name, `TABLE name` or a subquery; Flink's spelling `TABLE(TUMBLE(TABLE t, DESCRIPTOR(c), ..))` means the same,
//! and [`spelled`] rewrites its `TABLE t PARTITION BY k` before parsing. Windows start at multiples of their size (HOP: slide) since
//! 1970-01-01 00:00 UTC, moved by the offset. Rows whose time is NULL are in no window. Two rows of a key are in one session if no more than
//! the gap lies between them and the rows between; it ends one gap after its last row.

use std::ops::ControlFlow;

use sqlparser::ast::{
    self, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, TableFactor, Value, VisitMut, VisitorMut,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::dialect::Postgres;
use super::is_word;
use super::split::char_position;
use crate::data::datetime::{US_PER_DAY, parse_interval};
use crate::error::{Error, Result, code};
use crate::limits;

/// What `PARTITION BY k` behind a table becomes, as an argument of its own.
const PARTITION_BY: &str = "partition_by";

#[derive(Clone, Copy, PartialEq)]
enum Window {
    Tumble,
    Hop,
    Session,
}

impl Window {
    fn of(name: &str) -> Option<Window> {
        match name.to_ascii_lowercase().as_str() {
            "tumble" => Some(Window::Tumble),
            "hop" => Some(Window::Hop),
            "session" => Some(Window::Session),
            _ => None,
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Window::Tumble => "TUMBLE(relation, column, size [, offset])",
            Window::Hop => "HOP(relation, column, slide, size [, offset])",
            Window::Session => "SESSION(relation, column, gap [, key ..])",
        }
    }
}

/// The tokens with Flink's arguments of such functions spelled as ours: `TABLE t PARTITION BY k` is `t, partition_by(k)`.
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let names_window = |token: &Token| matches!(token, Token::Word(w) if w.quote_style.is_none() && Window::of(&w.value).is_some());
    if !tokens.iter().any(|t| names_window(&t.token)) {
        return tokens;
    }
    let mut solid = tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).peekable();
    let mut out: Vec<TokenWithSpan> = Vec::new();
    // For each open parenthesis whether it is a window function's.
    let mut open: Vec<bool> = Vec::new();
    while let Some(token) = solid.next() {
        let inside = open.last().copied().unwrap_or(false);
        let before = out.last().map(|t| &t.token);
        match &token.token {
            Token::LParen => open.push(before.is_some_and(names_window)),
            Token::RParen => drop(open.pop()),
            t if inside && is_word(t, "table") && matches!(before, Some(Token::LParen | Token::Comma)) => continue,
            t if inside && is_word(t, "partition") && solid.peek().is_some_and(|next| is_word(&next.token, "by")) => {
                solid.next();
                let span = token.span;
                let put = |out: &mut Vec<_>, token| out.push(TokenWithSpan { token, span });
                put(&mut out, Token::Comma);
                put(&mut out, Token::make_word(PARTITION_BY, None));
                if solid.peek().is_none_or(|next| next.token != Token::LParen) {
                    put(&mut out, Token::LParen);
                    while let Some(part) = solid.next_if(|next| !matches!(next.token, Token::Comma | Token::RParen | Token::EOF)) {
                        out.push(part);
                    }
                    put(&mut out, Token::RParen);
                }
                continue;
            }
            _ => {}
        }
        out.push(token);
    }
    out
}

/// Replaces the window functions in FROM. Errors: 42883 for other arguments than they take, 0A000 for sizes that are no constant
/// or have months, 22008 for sizes that are not positive; all with their position in `sql`.
pub(super) fn expand(sql: &str, node: &mut impl VisitMut) -> Result<()> {
    VisitMut::visit(node, &mut Expander { sql }).break_value().map_or(Ok(()), Err)
}

struct Expander<'a> {
    sql: &'a str,
}

impl VisitorMut for Expander<'_> {
    type Break = Error;

    /// On the way up, so that what stands in the arguments is expanded already.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match self.replacement(factor) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(subquery)) => {
                *factor = subquery;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// The name of the relation that a window function in FROM is given, as it is written; `None` for other factors, and for a subquery.
pub(super) fn relation_of(factor: &TableFactor) -> Option<&ast::Ident> {
    let (name, args, _) = called(factor)?;
    let [ast::ObjectNamePart::Identifier(name)] = name.0.as_slice() else { return None };
    Window::of(&name.value).filter(|_| name.quote_style.is_none())?;
    match args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(relation))) => Some(relation),
        _ => None,
    }
}

/// The name and the arguments of a call in FROM, directly or in Flink's `TABLE(..)`.
fn called(factor: &TableFactor) -> Option<(&ObjectName, &[FunctionArg], &Option<ast::TableAlias>)> {
    match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => Some((name, &args.args, alias)),
        TableFactor::Function { name, args, alias, .. } => Some((name, args, alias)),
        TableFactor::TableFunction { expr: Expr::Function(f), alias } => match &f.args {
            FunctionArguments::List(list) => Some((&f.name, &list.args, alias)),
            _ => None,
        },
        _ => None,
    }
}

impl Expander<'_> {
    fn replacement(&self, factor: &TableFactor) -> Result<Option<TableFactor>> {
        let Some((name, args, alias)) = called(factor) else { return Ok(None) };
        let [ast::ObjectNamePart::Identifier(name)] = name.0.as_slice() else { return Ok(None) };
        let Some(window) = Window::of(&name.value).filter(|_| name.quote_style.is_none()) else { return Ok(None) };
        let call = Call { sql: self.sql, window, at: name.span };
        let text = call.subquery(args)?;
        let query = Parser::new(&Postgres).try_with_sql(&text).and_then(|mut p| p.parse_query());
        // A word of the grammar may stand where a relation or a column is wanted.
        let query = query.map_err(|_| call.misused())?;
        let alias = alias.clone().or_else(|| Some(alias_of(&args[0], name)));
        Ok(Some(TableFactor::Derived { lateral: false, subquery: query, alias, sample: None }))
    }
}

/// Without an alias the rows are called as their relation, or else as the function.
fn alias_of(relation: &FunctionArg, function: &ast::Ident) -> ast::TableAlias {
    let name = match relation {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name))) => name.clone(),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(parts))) => parts.last().unwrap_or(function).clone(),
        _ => function.clone(),
    };
    ast::TableAlias { explicit: true, name, columns: vec![], at: None }
}

/// One call, to say where in the statement something is wrong with it.
struct Call<'a> {
    sql: &'a str,
    window: Window,
    at: Span,
}

impl Call<'_> {
    fn subquery(&self, args: &[FunctionArg]) -> Result<String> {
        let mut exprs = Vec::with_capacity(args.len());
        let mut keys: Vec<String> = Vec::new();
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(f))) if f.name.to_string() == PARTITION_BY => {
                    keys.extend(arguments(f).map(ToString::to_string));
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
                _ => return Err(self.misused()),
            }
        }
        let [relation, column, sizes @ ..] = exprs.as_slice() else { return Err(self.misused()) };
        let from = match relation {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => relation.to_string(),
            Expr::Subquery(query) => format!("({query}) AS rows"),
            _ => return Err(self.misused()),
        };
        let column = match column {
            Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case("descriptor") => {
                arguments(f).next().ok_or_else(|| self.misused())?.to_string()
            }
            other => other.to_string(),
        };
        let micros = |us: i64| format!("INTERVAL '{us} microseconds'");
        match (self.window, sizes) {
            (Window::Tumble, [size, offset @ ..]) if offset.len() <= 1 && keys.is_empty() => {
                let (size, offset) = (self.size(size)?, self.offset(offset)?);
                Ok(format!(
                    "SELECT *, window_start + {} AS window_end FROM (SELECT *, tumble_start({column}, {size}, {offset}) AS window_start \
                     FROM {from} WHERE {column} IS NOT NULL) AS windows",
                    micros(size)
                ))
            }
            (Window::Hop, [slide, size, offset @ ..]) if offset.len() <= 1 && keys.is_empty() => {
                let (slide, size, offset) = (self.size(slide)?, self.size(size)?, self.offset(offset)?);
                if size / slide > limits::HOP_WINDOWS_MAX {
                    let message = format!("HOP puts each row into {} windows", size / slide);
                    let error = Error::new(code::PROGRAM_LIMIT_EXCEEDED, message);
                    return Err(self.placed(error.hint(format!("At most {} are taken; make the slide wider.", limits::HOP_WINDOWS_MAX))));
                }
                Ok(format!(
                    "SELECT *, window_start + {} AS window_end FROM (SELECT *, unnest(hop_starts({column}, {slide}, {size}, {offset})) \
                     AS window_start FROM {from}) AS windows",
                    micros(size)
                ))
            }
            (Window::Session, [gap, more @ ..]) => {
                let gap = self.size(gap)?;
                keys.extend(more.iter().map(ToString::to_string));
                let partition = if keys.is_empty() { String::new() } else { format!("PARTITION BY {} ", keys.join(", ")) };
                let over = format!("({column}, {gap}) OVER ({partition}ORDER BY {column})");
                Ok(format!(
                    "SELECT *, session_start{over} AS window_start, session_end{over} AS window_end FROM {from} WHERE {column} IS NOT NULL"
                ))
            }
            _ => Err(self.misused()),
        }
    }

    fn placed(&self, error: Error) -> Error {
        error.at(char_position(self.sql, self.at.start))
    }

    fn misused(&self) -> Error {
        let usage = self.window.usage();
        let name = usage.split('(').next().unwrap_or_default();
        self.placed(Error::new(code::UNDEFINED_FUNCTION, format!("{name} is called with other arguments than it takes")))
            .hint(format!("Write {usage}; relation is a name or a subquery, column its time."))
    }

    /// A positive constant interval, in microseconds.
    fn size(&self, expr: &Expr) -> Result<i64> {
        match self.interval(expr)? {
            us if us > 0 => Ok(us),
            _ => Err(self.placed(Error::new(code::DATETIME_FIELD_OVERFLOW, "the size of a window must be greater than zero"))),
        }
    }

    fn offset(&self, given: &[&Expr]) -> Result<i64> {
        given.first().map_or(Ok(0), |expr| self.interval(expr))
    }

    /// A constant interval without months, in microseconds.
    fn interval(&self, expr: &Expr) -> Result<i64> {
        let text = interval_text(expr).ok_or_else(|| {
            let error = Error::unsupported("the size of a window must be a constant interval");
            self.placed(error.hint("Write INTERVAL '10 minutes'."))
        })?;
        let interval = parse_interval(&text).map_err(|e| self.placed(e))?;
        if interval.months != 0 {
            let error = Error::unsupported("windows cannot have sizes in months or years");
            return Err(self.placed(error.hint("Group by date_trunc('month', column) for windows of calendar months.")));
        }
        let us = i64::from(interval.days).checked_mul(US_PER_DAY).and_then(|d| d.checked_add(interval.nanoseconds / 1_000));
        us.ok_or_else(|| self.placed(Error::new(code::DATETIME_FIELD_OVERFLOW, "interval out of range")))
    }
}

fn arguments(f: &ast::Function) -> impl Iterator<Item = &Expr> {
    let list = if let FunctionArguments::List(list) = &f.args { list.args.as_slice() } else { &[] };
    list.iter().filter_map(|a| if let FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) = a { Some(e) } else { None })
}

/// The text of a constant interval: `INTERVAL '1 hour'`, spelled out by now, `'1 hour'`, `'1 hour'::interval`.
fn interval_text(expr: &Expr) -> Option<String> {
    let literal = |expr: &Expr| match expr {
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    match expr {
        Expr::Interval(i) => literal(&i.value),
        Expr::Cast { expr, data_type: DataType::Interval { .. }, .. } => literal(expr),
        Expr::Nested(inner) => interval_text(inner),
        other => literal(other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, parse};

    fn expanded(from: &str) -> Result<String, (&'static str, Option<usize>)> {
        match parse(&format!("SELECT * FROM {from}")) {
            Ok(Statement::Query(query)) => Ok(query.to_string().trim_start_matches("SELECT * FROM ").to_string()),
            Ok(_) => panic!("not a query"),
            Err(e) => Err((e.code(), e.fields().position)),
        }
    }

    #[test]
    fn other_spellings_mean_the_same() {
        let tumble = expanded("TUMBLE(t, at, INTERVAL '1 minute')").unwrap();
        for other in [
            "tumble(TABLE t, DESCRIPTOR(at), INTERVAL '1' MINUTE)",
            "TABLE(TUMBLE(TABLE t, DESCRIPTOR(at), '60 s'::interval))",
            "TUMBLE(t, at, '1 min', '0')",
        ] {
            assert_eq!(expanded(other).unwrap(), tumble, "{other}");
        }
        let session = expanded("SESSION(t, at, INTERVAL '5 minutes', a, b)").unwrap();
        for other in [
            "SESSION(TABLE t PARTITION BY (a, b), DESCRIPTOR(at), INTERVAL '5' MINUTE)",
            "TABLE(SESSION(TABLE t PARTITION BY (a, b), DESCRIPTOR(at), INTERVAL '5' MINUTE))",
        ] {
            assert_eq!(expanded(other).unwrap(), session, "{other}");
        }
        let one = expanded("SESSION(TABLE t PARTITION BY a, DESCRIPTOR(at), INTERVAL '5' MINUTE)").unwrap();
        assert_eq!(one, expanded("SESSION(t, at, INTERVAL '5 minutes', a)").unwrap());
    }

    #[test]
    fn what_is_no_window_is_refused_where_it_stands() {
        for (from, code) in [
            ("TUMBLE(t, at)", "42883"),
            ("TUMBLE(1, at, '1 s')", "42883"),
            ("TUMBLE(t, at, '1 s', '0', 3)", "42883"),
            ("TUMBLE(t, at, '0 s')", "22008"),
            ("HOP(t, at, '-1 s', '1 s')", "22008"),
            ("HOP(t, at, '1 us', '1 day')", "54000"),
            ("TUMBLE(t, at, '1 month')", "0A000"),
            ("TUMBLE(t, at, size)", "0A000"),
            ("SESSION(t, at, 'soon')", "22007"),
            ("HOP(LATERAL, at, '1 s', '1 s')", "42883"),
        ] {
            assert_eq!(expanded(from), Err((code, Some(15))), "{from}");
        }
    }
}
