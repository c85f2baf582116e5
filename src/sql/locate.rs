//! Where in a statement stands what an error is about: DataFusion plans a syntax tree and says names and values, not places.
//!
//! [`located`] reads from the words of an error what it is about, its [`Subject`], and looks for that in the tokens of the statement.
//! A literal, an operator or a clause is found only if there is one that can be meant.

mod clauses;
mod operands;

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use self::clauses::{keyword, sole};
use super::habits;
use super::split::char_position;
use crate::error::{Error, code};
use crate::func::jsonpath;

/// Errors whose message begins with the name of what is wrong.
const NAMING: [&str; 5] =
    [code::UNDEFINED_COLUMN, code::UNDEFINED_TABLE, code::UNDEFINED_FUNCTION, code::AMBIGUOUS_COLUMN, code::INVALID_SCHEMA_NAME];

/// What an error is about.
enum Subject<'a> {
    /// A relation, column, function or type.
    Name(&'a str),
    /// A relation as it stands before a column.
    Qualifier(&'a str),
    /// A column of a select list, perhaps one of a wildcard.
    Selected(&'a str),
    /// A name in a literal: `'name'::regclass`.
    NameInLiteral(&'a str),
    /// A value as it was written in a literal, or in one of an array.
    Literal(&'a str),
    /// The literal that is cast to one of these types.
    LiteralOf(&'static [&'static str]),
    /// A literal that is no jsonpath, by what is said of it.
    Path(&'a str),
    /// A literal of bits.
    Bits,
    /// An operator or a sign.
    Token(&'a str),
    Parameter(&'a str),
    /// A number in a clause that means a column.
    Ordinal(&'a str, &'a str),
    /// What a clause holds.
    Clause(&'a str),
    /// An aggregate in a clause.
    Aggregate(&'a str),
    /// A window function in a clause.
    Window(&'a str),
    /// The right query of a set operation.
    RightQuery,
    DistinctOn,
    Subquery,
    Values,
    /// An expression of INSERT by its number.
    Inserted(usize),
    /// A column that INSERT lists by its number.
    Target(usize),
    /// A column that is named twice.
    Doubled(&'a str),
    SecondKey,
}

/// The error with the position in `sql` of what it is about, if it has none yet and that is found, and with a hint at what was meant where
/// that is known. Cost O(length of `sql`).
pub fn located(sql: &str, error: Error) -> Error {
    habits::hinted(sql, placed(sql, error))
}

fn placed(sql: &str, error: Error) -> Error {
    // What has a context was said of another text: of a line that is copied, of the body of a function.
    if error.fields().position.is_some() || error.fields().context.is_some() {
        return error;
    }
    let (subject, of_operand) = (subject(&error), operands::place_is_known(error.message()));
    if subject.is_none() && !of_operand {
        return error;
    }
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location() else { return error };
    let is_solid = |t: &TokenWithSpan| !matches!(t.token, Token::Whitespace(_) | Token::EOF);
    let tokens: Vec<TokenWithSpan> = tokens.into_iter().filter(is_solid).collect();
    let sole = subject.and_then(|subject| tokens.get(find(&tokens, subject)?));
    let operand = || if of_operand { operands::find(&tokens, &error) } else { None };
    // IN and its like are operators of another name; a condition may begin behind brackets.
    let found = if operands::is_of_operator(&error) { operand().or(sole) } else { sole.or_else(operand) };
    match found {
        Some(token) => error.at(char_position(sql, token.span.start)),
        None => error,
    }
}

/// True for what is said of a text that is no jsonpath.
fn is_of_path(message: &str) -> bool {
    const MISPLACED: [&str; 2] = ["@ is not allowed in root expressions", "LAST is allowed only in array subscripts"];
    let is_of_type = message.starts_with("invalid input syntax for type jsonpath");
    is_of_type || message.ends_with(" of jsonpath input") || MISPLACED.contains(&message)
}

/// What an error is about, by its words.
fn subject(error: &Error) -> Option<Subject<'_>> {
    let (message, item) = (error.message(), error.fields().item);
    if is_of_path(message) {
        return Some(Subject::Path(message));
    }
    if let Some(rest) = message.strip_prefix("operator does not exist: ") {
        return rest.split(' ').find(|part| part.starts_with(is_operator)).map(Subject::Token);
    }
    if let Some(rest) = message.strip_prefix("syntax error at or near \"") {
        return rest.strip_suffix('"').map(Subject::Token);
    }
    if let Some(parameter) = message.strip_prefix("there is no parameter ") {
        return Some(Subject::Parameter(parameter));
    }
    if let Some(clause) = message.strip_prefix("aggregate functions are not allowed in ") {
        return Some(Subject::Aggregate(clause));
    }
    if let Some(clause) = message.strip_prefix("window functions are not allowed in ") {
        return Some(Subject::Window(clause));
    }
    if let Some((clause, _)) = message.strip_prefix("argument of ").and_then(|rest| rest.split_once(" must be type ")) {
        return Some(Subject::Clause(clause));
    }
    if let Some((clause, number)) = message.strip_suffix(" is not in select list").and_then(|rest| rest.split_once(" position ")) {
        return Some(Subject::Ordinal(clause, number));
    }
    match message {
        "SELECT DISTINCT ON expressions must match initial ORDER BY expressions" => Some(Subject::DistinctOn),
        "subquery has too many columns" | "subquery must return only one column" => Some(Subject::Subquery),
        "VALUES lists must all be the same length" => Some(Subject::Values),
        "INSERT has more expressions than target columns" => item.map(Subject::Inserted),
        "INSERT has more target columns than expressions" => item.map(Subject::Target),
        "invalid input syntax for type json" => Some(Subject::LiteralOf(&["json", "jsonb"])),
        "invalid input syntax for type bytea" => Some(Subject::LiteralOf(&["bytea"])),
        "bit strings are not supported" => Some(Subject::Bits),
        _ if message.ends_with("\" is not a valid hexadecimal digit") || message.ends_with("\" is not a valid binary digit") => {
            Some(Subject::Bits)
        }
        _ if message.starts_with("invalid hexadecimal d") => Some(Subject::LiteralOf(&["bytea"])),
        _ if message.ends_with(" query must have the same number of columns") => Some(Subject::RightQuery),
        _ if message.starts_with("multiple primary keys for table ") => Some(Subject::SecondKey),
        _ if error.is_of_data() => value(message).map(Subject::Literal),
        _ => by_code(error.code(), message),
    }
}

/// What is named in an error of a code whose messages name what is wrong.
fn by_code<'a>(code: &'static str, message: &'a str) -> Option<Subject<'a>> {
    match code {
        code::GROUPING_ERROR => named(message).map(Subject::Selected),
        code::UNDEFINED_TABLE if message.contains(" FROM-clause entry for table ") => named(message).map(Subject::Qualifier),
        code::DUPLICATE_COLUMN if message.ends_with("\" specified more than once") => named(message).map(Subject::Doubled),
        code::UNDEFINED_OBJECT if message.starts_with("type ") || message.starts_with("window ") => named(message).map(Subject::Name),
        code::UNDEFINED_OBJECT => named(message).map(Subject::NameInLiteral),
        // A function may be given what it does not take by another SQLSTATE too.
        code::DATATYPE_MISMATCH if message.starts_with("function ") => named(message).map(Subject::Name),
        code::WRONG_OBJECT_TYPE => called(message).map(Subject::Name),
        code::INVALID_COLUMN_REFERENCE if message.starts_with("WITH query ") => named(message).map(Subject::Name),
        code::AMBIGUOUS_FUNCTION if message.starts_with("function ") && message.contains('(') => named(message).map(Subject::Name),
        code::FEATURE_NOT_SUPPORTED if message.starts_with("function ") => named(message).map(Subject::Name),
        code::INVALID_RECURSION if message.starts_with("recursive query ") => named(message).map(Subject::Name),
        _ if NAMING.contains(&code) => named(message).map(Subject::Name),
        _ => None,
    }
}

fn is_operator(c: char) -> bool {
    "+-*/<>=~!@#%^&|?".contains(c)
}

/// The name that a message is about: in double quotes, or that of the function or the procedure.
fn named(message: &str) -> Option<&str> {
    match message.strip_prefix("function ").or_else(|| message.strip_prefix("procedure ")) {
        Some(rest) if !rest.starts_with('"') => rest.split(['(', ' ']).next(),
        _ => called(message).or_else(|| message.split('"').nth(1)),
    }
}

/// The function that is called as it cannot be.
fn called(message: &str) -> Option<&str> {
    if message.ends_with(" is a procedure") || message.ends_with(" is not a procedure") || message.ends_with(" is not a function") {
        return message.split('(').next();
    }
    let rest = message.strip_prefix("window function ").or_else(|| message.split_once(" specified, but ").map(|(_, rest)| rest))?;
    rest.split(' ').next()
}

/// The value that a message says could not be read.
fn value(message: &str) -> Option<&str> {
    if let Some((before, _)) = message.rsplit_once("\" is out of range for type ") {
        return before.strip_prefix("value \"");
    }
    message.split_once(": \"").and_then(|(_, rest)| rest.strip_suffix('"'))
}

/// The token where the subject begins.
fn find(tokens: &[TokenWithSpan], subject: Subject<'_>) -> Option<usize> {
    match subject {
        Subject::Name(name) => word(tokens, name).or_else(|| in_literal(tokens, name)),
        Subject::Qualifier(name) => {
            let qualifies = |i: &usize| is_name(&tokens[*i].token, name) && tokens.get(i + 1).is_some_and(|t| t.token == Token::Period);
            (0..tokens.len()).find(qualifies).or_else(|| word(tokens, name))
        }
        Subject::Selected(name) => {
            let from = (0..tokens.len()).find(|i| keyword(tokens, *i) == Some(Keyword::FROM)).unwrap_or(tokens.len());
            word(&tokens[..from], name).or_else(|| clauses::wildcard(tokens)).or_else(|| word(tokens, name))
        }
        Subject::NameInLiteral(name) => in_literal(tokens, name),
        Subject::Literal(value) => {
            // Where more than literals is cast, the value may be a row's, and stand elsewhere by chance.
            let all_may_be = !casts_more(tokens);
            let read = |i: usize, is: &dyn Fn(&str) -> bool| {
                literal(&tokens[i].token).is_some_and(is) && (all_may_be || is_cast_itself(tokens, i))
            };
            let of_array = |text: &str| text.starts_with('{') && text.contains(value);
            sole(tokens, |i| read(i, &|text| text == value)).or_else(|| sole(tokens, |i| read(i, &of_array)))
        }
        Subject::LiteralOf(types) => sole(tokens, |i| literal(&tokens[i].token).is_some() && is_cast(tokens, i, types)),
        Subject::Path(said) => {
            let refused = |text: &str| jsonpath::shown(text).is_err_and(|error| error.message() == said);
            sole(tokens, |i| literal(&tokens[i].token).is_some_and(refused))
        }
        Subject::Bits => sole(tokens, |i| matches!(tokens[i].token, Token::HexStringLiteral(_) | Token::SingleQuotedByteStringLiteral(_))),
        Subject::Token(text) => sole(tokens, |i| is_spelt(&tokens[i].token, text)),
        Subject::Parameter(name) => tokens.iter().position(|t| matches!(&t.token, Token::Placeholder(place) if place == name)),
        Subject::Ordinal(clause, number) => clauses::ordinal(tokens, clause, number),
        Subject::Clause(clause) => clauses::clause(tokens, clause),
        Subject::Aggregate(clause) => clauses::call(tokens, clause, false),
        Subject::Window(clause) => clauses::call(tokens, clause, true),
        Subject::RightQuery => clauses::right_query(tokens),
        Subject::DistinctOn => clauses::distinct_on(tokens),
        Subject::Subquery => clauses::wide_subquery(tokens),
        Subject::Values => clauses::uneven_values(tokens),
        Subject::Inserted(n) => clauses::inserted(tokens, n),
        Subject::Target(n) => clauses::target(tokens, n),
        Subject::Doubled(name) => clauses::doubled(tokens, |token| is_name(token, name)),
        Subject::SecondKey => clauses::second_key(tokens),
    }
}

/// The text of a string literal.
fn literal(token: &Token) -> Option<&str> {
    match token {
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) | Token::UnicodeStringLiteral(text) => Some(text),
        Token::DollarQuotedString(text) => Some(&text.value),
        _ => None,
    }
}

/// True for a literal before `::` and one of the types, or behind one of them.
fn is_cast(tokens: &[TokenWithSpan], i: usize, types: &[&str]) -> bool {
    let is_type = |at: usize| tokens.get(at).is_some_and(|t| types.iter().any(|ty| is_name(&t.token, ty)));
    let behind = |at: usize| tokens.get(at).is_some_and(|t| t.token == Token::DoubleColon) || keyword(tokens, at) == Some(Keyword::AS);
    i > 0 && is_type(i - 1) || behind(i + 1) && is_type(i + 2)
}

/// True for a literal before `::`, behind `CAST (`, or behind the name of a type that may stand there.
fn is_cast_itself(tokens: &[TokenWithSpan], i: usize) -> bool {
    let before = |n: usize| i.checked_sub(n).and_then(|at| keyword(tokens, at));
    let types = [Keyword::DATE, Keyword::TIME, Keyword::TIMESTAMP, Keyword::TIMESTAMPTZ, Keyword::INTERVAL, Keyword::JSON, Keyword::JSONB];
    tokens.get(i + 1).is_some_and(|t| t.token == Token::DoubleColon)
        || before(2) == Some(Keyword::CAST)
        || before(1).is_some_and(|word| types.contains(&word))
}

/// True if something is cast that is no literal: a column, or what a function answers.
fn casts_more(tokens: &[TokenWithSpan]) -> bool {
    let is_cast = |i: usize| match &tokens[i].token {
        Token::DoubleColon => i > 0 && matches!(tokens[i - 1].token, Token::Word(_) | Token::RParen),
        _ => keyword(tokens, i) == Some(Keyword::CAST) && tokens.get(i + 2).is_some_and(|t| literal(&t.token).is_none()),
    };
    (0..tokens.len()).any(is_cast)
}

/// True for an operator or sign as messages write it.
fn is_spelt(token: &Token, text: &str) -> bool {
    match (text, token) {
        ("~~", Token::Word(word)) => word.keyword == Keyword::LIKE,
        ("~~*", Token::Word(word)) => word.keyword == Keyword::ILIKE,
        ("<>", Token::Neq) => true,
        (_, Token::Word(_) | Token::SingleQuotedString(_)) => false,
        _ => token.to_string() == text,
    }
}

fn is_name(token: &Token, name: &str) -> bool {
    match token {
        Token::Word(w) if w.quote_style.is_some() => w.value == name,
        Token::Word(w) => w.value.eq_ignore_ascii_case(name),
        _ => false,
    }
}

/// The only literal that is a name, or begins with it as a schema.
fn in_literal(tokens: &[TokenWithSpan], name: &str) -> Option<usize> {
    let is_it = |text: &str| text.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    sole(tokens, |i| literal(&tokens[i].token).is_some_and(is_it))
}

/// The first token of the name, of all its parts if they stand together, else of its last. A label behind AS is not meant.
fn word(tokens: &[TokenWithSpan], name: &str) -> Option<usize> {
    let last = name.rsplit('.').next()?;
    let labels = |i: usize| i > 0 && keyword(tokens, i - 1) == Some(Keyword::AS);
    let at = (0..tokens.len()).find(|i| is_name(&tokens[*i].token, last) && !labels(*i))?;
    let qualified = at >= 2 && tokens[at - 1].token == Token::Period && matches!(tokens[at - 2].token, Token::Word(_));
    Some(if qualified { at - 2 } else { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a statement is marked with `^`, if it is.
    fn check(marked: &str, code: &'static str, message: &str) {
        check_item(marked, code, message, None);
    }

    fn check_item(marked: &str, code: &'static str, message: &str, item: Option<usize>) {
        let (sql, expected) = (marked.replacen('^', "", 1), marked.find('^').map(|at| marked[..at].chars().count() + 1));
        let mut error = Error::new(code, message);
        error.fields_mut().item = item;
        assert_eq!(located(&sql, error).fields().position, expected, "{marked}: {message}");
    }

    #[test]
    fn a_name_is_found_where_it_stands() {
        check("select é, ^aa from s", code::UNDEFINED_COLUMN, "column \"aa\" does not exist");
        check("select 'aa', ^s.AA from s", code::UNDEFINED_COLUMN, "column \"s.aa\" does not exist");
        check("select 1 as aa, ^aa from s", code::UNDEFINED_COLUMN, "column \"aa\" does not exist");
        check("select ^foo (1)", code::UNDEFINED_FUNCTION, "function foo(integer) does not exist");
        check("select \"Aa\" from s", code::UNDEFINED_COLUMN, "column \"aa\" does not exist");
        check("select a", code::DIVISION_BY_ZERO, "division by \"a\"");
        let alias = "invalid reference to FROM-clause entry for table \"s\"";
        check("select 1 from s c where ^s.a = 1", code::UNDEFINED_TABLE, alias);
        check("select nextval(^'s')", code::UNDEFINED_TABLE, "relation \"s\" does not exist");
        check("select ^'x.s'::regclass", code::INVALID_SCHEMA_NAME, "schema \"x\" does not exist");
        check("select ^'foo'::regproc", code::UNDEFINED_FUNCTION, "function \"foo\" does not exist");
    }

    #[test]
    fn a_column_of_a_wildcard_is_found_at_the_wildcard() {
        let message = "column \"t.a\" must appear in the GROUP BY clause or be used in an aggregate function";
        check("select ^* from t group by b", code::GROUPING_ERROR, message);
        check("select b, ^t.* from t where a > 1 group by b", code::GROUPING_ERROR, message);
        check("select b, ^a from t group by b", code::GROUPING_ERROR, message);
        check("select b from t group by b having ^a > 1", code::GROUPING_ERROR, message);
    }

    #[test]
    fn a_literal_is_found_if_there_is_one_of_its_text() {
        let message = "invalid input syntax for type integer: \"x\"";
        check("select ^'x'::int", code::INVALID_TEXT_REPRESENTATION, message);
        check("select ^E'x'::int, 'xx', x", code::INVALID_TEXT_REPRESENTATION, message);
        check("select 'x', 'x'::int", code::INVALID_TEXT_REPRESENTATION, message);
        check("select ^'{1,x}'::int[]", code::INVALID_TEXT_REPRESENTATION, message);
        check("select ^'99'::int2", code::NUMERIC_VALUE_OUT_OF_RANGE, "value \"99\" is out of range for type smallint");
        check("select 'a', ^'{'::jsonb", code::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json");
        check("select a::int from t where a = 'x'", code::INVALID_TEXT_REPRESENTATION, message);
        check("select cast(a as int) from t where a in ('x', 'y')", code::INVALID_TEXT_REPRESENTATION, message);
        check("select a::text from t where b = ^'x'::int", code::INVALID_TEXT_REPRESENTATION, message);
        check("select a::text from t where b = cast(^'x' as int)", code::INVALID_TEXT_REPRESENTATION, message);
        check("select '{}' @? ^'$..a'", code::SYNTAX_ERROR, "syntax error at or near \".\" of jsonpath input");
    }

    #[test]
    fn operators_parameters_and_signs_are_found() {
        check("select a ^- 1", code::UNDEFINED_FUNCTION, "operator does not exist: text - integer");
        check("select a - 1 - 2", code::UNDEFINED_FUNCTION, "operator does not exist: text - integer");
        check("select a ^like 1", code::UNDEFINED_FUNCTION, "operator does not exist: text ~~ integer");
        check("select ^$1", code::UNDEFINED_PARAMETER, "there is no parameter $1");
    }

    #[test]
    fn clauses_are_found() {
        let (aggregates, windows) = ("aggregate functions are not allowed in WHERE", "window functions are not allowed in WHERE");
        check("select 1 from t where lower(a) = 'x' and ^sum(b) > 1 group by a", code::GROUPING_ERROR, aggregates);
        check("select 1 from t where lower(a) = 'x' and ^rank() over (order by a) = 1", code::WINDOWING_ERROR, windows);
        check("select 1 where ((^a + 1))", code::DATATYPE_MISMATCH, "argument of WHERE must be type boolean, not type integer");
        check("select 5 from t order by a, ^5", code::INVALID_COLUMN_REFERENCE, "ORDER BY position 5 is not in select list");
        let widths = "each UNION query must have the same number of columns";
        check("select a, b from t union all select distinct ^1", code::SYNTAX_ERROR, widths);
        check("values (1, (2)), (^1)", code::SYNTAX_ERROR, "VALUES lists must all be the same length");
        let on = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
        check("select distinct on (^a) a, b from t order by b", code::INVALID_COLUMN_REFERENCE, on);
    }

    #[test]
    fn subqueries_that_are_too_wide_are_found() {
        let message = "subquery has too many columns";
        check("select 1 ^in (select a, b from t)", code::SYNTAX_ERROR, message);
        check("select a ^= any (select * from t)", code::SYNTAX_ERROR, message);
        check("select ^(select 1, 2) from u, (select 1, 2) v where exists (select 1, 2)", code::SYNTAX_ERROR, message);
    }

    #[test]
    fn columns_and_values_of_inserts_and_tables_are_found() {
        let (more, fewer) = ("INSERT has more expressions than target columns", "INSERT has more target columns than expressions");
        check_item("insert into t values (1, f(2, 3), ^4)", code::SYNTAX_ERROR, more, Some(3));
        check_item("insert into t (a) select 1, ^2 from u", code::SYNTAX_ERROR, more, Some(2));
        check_item("insert into t select *, 1 from u", code::SYNTAX_ERROR, more, Some(2));
        check_item("insert into t (a, ^b) values (1)", code::SYNTAX_ERROR, fewer, Some(2));
        check("insert into a (a, ^a) values (1, 2)", code::DUPLICATE_COLUMN, "column \"a\" specified more than once");
        let keys = "multiple primary keys for table \"t\" are not allowed";
        check("create table t (a int primary key, b int ^primary key)", code::INVALID_TABLE_DEFINITION, keys);
    }
}
