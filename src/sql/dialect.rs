//! PostgreSQL's grammar as sqlparser knows it, but for some things. Words that PostgreSQL does not reserve are names of tables in FROM
//! (`FROM recursion view`, in PostgREST's and Supabase's queries of the catalog). A sign binds tighter than all operators behind what it is
//! before: `-2 ^ 2` is 4 (manual, table 4.2). TRIM may leave out what it cuts off.
//! VALUES may be a subquery of an expression. A literal may have a type of any name before it: `inet '::1'`.
//! BETWEEN may be told whether its bounds have an order. `interval(0) '1.6 s'` has the precision that it is given.
//! `CURRENT OF cursor` is a condition.
//! `U&'..'` is left to [`super::unicode`].
//! And the name of an argument is an identifier, and no expression. Where it may be
//! an expression the parser reads each argument twice, to see whether `=>` follows, and calls in calls take time that doubles with each level:
//! PostgREST's queries of the catalog nest some thirty.

use std::any::TypeId;
use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, CastKind, DataType, Expr, Ident, TrimWhereField, UnaryOperator, visit_expressions};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::{Keyword, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_TABLE_ALIAS};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::is_word;
use super::statement::{CURRENT_OF, VARIADIC};
use crate::limits;

/// Words that other dialects have behind a table.
const FREE: [Keyword; 9] = [
    Keyword::CLUSTER,
    Keyword::FORMAT,
    Keyword::PIVOT,
    Keyword::SAMPLE,
    Keyword::SETTINGS,
    Keyword::SORT,
    Keyword::START,
    Keyword::TOP,
    Keyword::VIEW,
];

/// How tight a sign binds: tighter than `^`, AT TIME ZONE and COLLATE, and not as tight as `[` and `::`. The numbers are PostgreSqlDialect's.
const SIGN: u8 = 120;

const BASE: PostgreSqlDialect = PostgreSqlDialect {};

/// The dialect in which statements are read. All else that [`PostgreSqlDialect`] says for itself is handed on.
#[derive(Debug)]
pub(super) struct Postgres;

/// The keyword that stands so many tokens ahead.
fn keyword(parser: &Parser, n: usize) -> Keyword {
    match &parser.peek_nth_token_ref(n).token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

/// `x [NOT] BETWEEN SYMMETRIC a AND b`, whose bounds stand in either order, and `ASYMMETRIC`, which says what goes without saying.
fn between_in_some_order(parser: &mut Parser, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    let negated = keyword(parser, 0) == Keyword::NOT;
    let at = usize::from(negated);
    if keyword(parser, at) != Keyword::BETWEEN {
        return None;
    }
    let symmetric = match keyword(parser, at + 1) {
        Keyword::SYMMETRIC => true,
        Keyword::ASYMMETRIC => false,
        _ => return None,
    };
    (0..=at + 1).for_each(|_| parser.advance_token());
    let within = parser.parse_between(expr.clone(), negated).and_then(|within| match within {
        Expr::Between { expr, negated, low, high } if symmetric => either_way(*expr, negated, *low, *high),
        within => Ok(within),
    });
    Some(within)
}

/// `x BETWEEN a AND b OR x BETWEEN b AND a`, in parentheses; or neither. Errors: 54001 for operands that are too large to be written twice.
fn either_way(expr: Expr, negated: bool, low: Expr, high: Expr) -> Result<Expr, ParserError> {
    let mut count = 0;
    for operand in [&expr, &low, &high] {
        let _ = visit_expressions(operand, |_| {
            count += 1;
            ControlFlow::<()>::Continue(())
        });
    }
    if count > limits::SYMMETRIC_EXPRESSIONS_MAX {
        return Err(ParserError::RecursionLimitExceeded);
    }
    let between = |low: &Expr, high: &Expr| {
        let [expr, low, high] = [&expr, low, high].map(|operand| Box::new(operand.clone()));
        Box::new(Expr::Between { expr, negated, low, high })
    };
    let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
    Ok(Expr::Nested(Box::new(Expr::BinaryOp { left: between(&low, &high), op, right: between(&high, &low) })))
}

/// `TRIM(LEADING FROM s)` and `TRIM(FROM s)`, which cut off blanks; the parser wants to be told what is cut off before FROM.
fn trim_of_blanks(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    if keyword(parser, 0) != Keyword::TRIM || parser.peek_nth_token_ref(1).token != Token::LParen {
        return None;
    }
    let trim_where = match keyword(parser, 2) {
        Keyword::BOTH => Some(TrimWhereField::Both),
        Keyword::LEADING => Some(TrimWhereField::Leading),
        Keyword::TRAILING => Some(TrimWhereField::Trailing),
        _ => None,
    };
    let from = 2 + usize::from(trim_where.is_some());
    if keyword(parser, from) != Keyword::FROM {
        return None;
    }
    (0..=from).for_each(|_| parser.advance_token());
    let trimmed = parser.parse_expr().and_then(|expr| {
        parser.expect_token(&Token::RParen)?;
        Ok(Expr::Trim { expr: Box::new(expr), trim_where, trim_what: None, trim_characters: None })
    });
    Some(trimmed)
}

/// `interval(0) '1.6 s'` is `'1.6 s'::interval(0)`; the parser forgets the precision.
fn interval_of_precision(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let token = |n: usize| &parser.peek_nth_token_ref(n).token;
    let is_text = matches!(token(4), Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_));
    if keyword(parser, 0) != Keyword::INTERVAL || *token(1) != Token::LParen || *token(3) != Token::RParen || !is_text {
        return None;
    }
    parser.advance_token();
    parser.advance_token();
    let literal = parser.parse_literal_uint().and_then(|precision| {
        parser.expect_token(&Token::RParen)?;
        let data_type = DataType::Interval { fields: None, precision: Some(precision) };
        let expr = Box::new(Expr::Value(parser.parse_value()?));
        Ok(Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None })
    });
    Some(literal)
}

/// `CURRENT OF cursor`, which is a condition of UPDATE and DELETE.
fn current_of(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    if keyword(parser, 0) != Keyword::CURRENT || keyword(parser, 1) != Keyword::OF {
        return None;
    }
    parser.advance_token();
    parser.advance_token();
    let prefix = Ident::new(CURRENT_OF);
    Some(parser.parse_identifier().map(|cursor| Expr::Prefixed { prefix, value: Box::new(Expr::Identifier(cursor)) }))
}

/// `VARIADIC array`, which is the last argument of a call.
fn variadic(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let is_name = matches!(parser.peek_nth_token_ref(1).token, Token::Comma | Token::RParen | Token::Period | Token::EOF);
    if keyword(parser, 0) != Keyword::VARIADIC || is_name {
        return None;
    }
    parser.advance_token();
    let prefix = Ident::new(VARIADIC);
    Some(parser.parse_expr().map(|array| Expr::Prefixed { prefix, value: Box::new(array) }))
}

/// `inet '::1'`, `mood 'happy'`: a literal of a type whose name is no keyword, which the parser would take for a column with an alias.
fn typed_literal(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let is_name = |n: usize| matches!(&parser.peek_nth_token_ref(n).token, Token::Word(word) if word.keyword == Keyword::NoKeyword);
    let mut last = 0;
    while is_name(last) && parser.peek_nth_token_ref(last + 1).token == Token::Period {
        last += 2;
    }
    if !is_name(last) || !matches!(parser.peek_nth_token_ref(last + 1).token, Token::SingleQuotedString(_)) {
        return None;
    }
    let literal = |name, value| {
        let expr = Box::new(Expr::Value(value));
        Expr::Cast { kind: CastKind::DoubleColon, expr, data_type: DataType::Custom(name, vec![]), array: false, format: None }
    };
    Some(parser.parse_object_name(false).and_then(|name| parser.parse_value().map(|value| literal(name, value))))
}

/// `(VALUES (1))` and `x = ANY (VALUES (1), (2))`, which the parser takes for a call.
fn values(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let is_values = keyword(parser, 0) == Keyword::VALUES && parser.peek_nth_token_ref(1).token == Token::LParen;
    is_values.then(|| parser.parse_query().map(Expr::Subquery))
}

/// `x::text COLLATE "C"`: the parser reads a collation behind what begins an operand only.
fn collated(parser: &mut Parser, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    let collate = parser.parse_keyword(Keyword::COLLATE);
    collate.then(|| parser.parse_object_name(false).map(|collation| Expr::Collate { expr: Box::new(expr.clone()), collation }))
}

/// PostgreSQL's own word for IS NULL, behind its operand; the parser takes it for a name that is given to that.
const ISNULL: &str = "isnull";

fn is_null(parser: &mut Parser, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    let is_meant = is_word(&parser.peek_token_ref().token, ISNULL);
    is_meant.then(|| {
        parser.advance_token();
        Ok(Expr::IsNull(Box::new(expr.clone())))
    })
}

/// Answers of yes or no that are PostgreSqlDialect's.
macro_rules! as_base {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            BASE.$name()
        })*
    };
}

impl Dialect for Postgres {
    /// The parser asks for the type of a dialect here and there.
    fn dialect(&self) -> TypeId {
        BASE.dialect()
    }
    fn is_table_alias(&self, word: &Keyword, _: &mut Parser) -> bool {
        FREE.contains(word) || !RESERVED_FOR_TABLE_ALIAS.contains(word)
    }
    /// ON is no name without AS: `INSERT INTO t SELECT 1 ON CONFLICT DO NOTHING`.
    fn is_column_alias(&self, word: &Keyword, _: &mut Parser) -> bool {
        *word != Keyword::ON && !RESERVED_FOR_COLUMN_ALIAS.contains(word)
    }
    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }
    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        true
    }
    /// It lets a WITH query be followed by FROM and a name, as which SEARCH and CYCLE are carried.
    fn supports_from_first_insert(&self) -> bool {
        true
    }
    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let own =
            trim_of_blanks(parser).or_else(|| interval_of_precision(parser)).or_else(|| current_of(parser)).or_else(|| variadic(parser));
        if let Some(read) = own.or_else(|| values(parser)).or_else(|| typed_literal(parser)) {
            return Some(read);
        }
        let (op, binds) = match &parser.peek_token_ref().token {
            Token::Minus => (UnaryOperator::Minus, SIGN),
            Token::Plus => (UnaryOperator::Plus, SIGN),
            // These bind as any operator that has no place of its own: `@ -5 + 3` is 2.
            Token::AtSign => (UnaryOperator::PGAbs, self.prec_value(Precedence::PgOther)),
            Token::Tilde => (UnaryOperator::BitwiseNot, self.prec_value(Precedence::PgOther)),
            Token::PGSquareRoot => (UnaryOperator::PGSquareRoot, self.prec_value(Precedence::PgOther)),
            Token::PGCubeRoot => (UnaryOperator::PGCubeRoot, self.prec_value(Precedence::PgOther)),
            _ => return None,
        };
        parser.advance_token();
        Some(parser.parse_subexpr(binds).map(|operand| Expr::UnaryOp { op, expr: Box::new(operand) }))
    }
    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        between_in_some_order(parser, expr).or_else(|| collated(parser, expr)).or_else(|| is_null(parser, expr))
    }
    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        BASE.identifier_quote_style(identifier)
    }
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        BASE.is_delimited_identifier_start(ch)
    }
    fn is_identifier_start(&self, ch: char) -> bool {
        BASE.is_identifier_start(ch)
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        BASE.is_identifier_part(ch)
    }
    fn is_custom_operator_part(&self, ch: char) -> bool {
        BASE.is_custom_operator_part(ch)
    }
    fn is_reserved_for_identifier(&self, word: Keyword) -> bool {
        BASE.is_reserved_for_identifier(word)
    }
    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        if is_word(&parser.peek_token_ref().token, ISNULL) {
            return Some(Ok(self.prec_value(Precedence::Is)));
        }
        BASE.get_next_precedence(parser)
    }
    fn prec_value(&self, precedence: Precedence) -> u8 {
        BASE.prec_value(precedence)
    }
    as_base!(
        supports_filter_during_aggregation,
        supports_group_by_expr,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_factorial_operator,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_set_names,
        supports_alter_column_type_using,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_comment_optimizer_hint,
    );
}
