//! What people write who know MySQL, Oracle or SQL Server, and slips that no grammar forgives: errors get a hint that says what to write.
//!
//! Hints only: a statement means what it means, and one that is right is not looked at. Each is a line in a table by what the error is
//! about, a function, a type, a column, or by the words that stand where the grammar ends.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::split::{char_position, location};
use crate::error::{Error, code, nearest};

/// A table of names and the hint to them.
type Names = &'static [(&'static [&'static str], &'static str)];

const FUNCTIONS: Names = &[
    (&["isnull", "zn"], "coalesce(a, b) gives the first that is not null."),
    (&["nvl2"], "CASE WHEN a IS NOT NULL THEN b ELSE c END"),
    (&["iif", "if"], "CASE WHEN condition THEN a ELSE b END"),
    (&["decode"], "CASE a WHEN b THEN c ELSE d END"),
    (&["getdate", "getutcdate", "sysdate", "sysdatetime", "systimestamp"], "now() is the time."),
    (&["curdate", "today"], "CURRENT_DATE is the day."),
    (&["curtime"], "CURRENT_TIME is the time of day."),
    (&["datediff", "timestampdiff"], "Subtract: a date from a date gives days, a timestamp from a timestamp an interval."),
    (&["dateadd", "date_sub", "adddate", "subdate", "timestampadd", "add_months"], "Add an interval: a + interval '1 day'."),
    (&["months_between"], "age(a, b) gives an interval."),
    (&["year", "month", "day", "hour", "minute", "second", "quarter", "datepart", "datename"], "extract(year from a)"),
    (&["dayofweek", "weekday"], "extract(dow from a) is 0 on Sundays, extract(isodow from a) 7."),
    (&["last_day", "eomonth"], "(date_trunc('month', a) + interval '1 month - 1 day')::date"),
    (&["charindex", "locate"], "strpos(text, part), or position(part in text)."),
    (&["mid"], "substr(text, from, length)"),
    (&["ucase"], "upper(text)"),
    (&["lcase"], "lower(text)"),
    (&["replicate"], "repeat(text, n)"),
    (&["space"], "repeat(' ', n)"),
    (&["stuff"], "overlay(text placing part from n for m)"),
    (&["group_concat", "listagg", "wm_concat"], "string_agg(text, ',' ORDER BY ..)"),
    (&["rand"], "random()"),
    (&["newid", "uuid_generate_v4"], "gen_random_uuid()"),
    (&["to_number"], "a::numeric, or to_number(text, '999D99')."),
    (&["last_insert_id", "scope_identity"], "INSERT .. RETURNING id tells it; lastval() is the last number of any sequence."),
    (&["json_extract", "json_value"], "a ->> 'key', or a #>> '{key,inner}'."),
    (&["database"], "current_database()"),
    (&["found_rows"], "count(*) OVER () is the number of rows before LIMIT."),
];

const TYPES: Names = &[
    (&["datetime", "datetime2", "smalldatetime", "datetimeoffset"], "timestamptz, or timestamp for one without a time zone."),
    (&["tinyint", "int1"], "smallint"),
    (&["mediumint", "int3"], "integer"),
    (&["varchar2", "nvarchar", "nvarchar2", "nchar", "clob", "nclob", "ntext"], "text, or varchar(n)."),
    (&["tinytext", "mediumtext", "longtext", "long"], "text"),
    (&["number"], "numeric(p, s), or bigint."),
    (&["double", "binary_double"], "double precision"),
    (&["binary_float"], "real"),
    (&["blob", "tinyblob", "mediumblob", "longblob", "binary", "varbinary", "image", "raw"], "bytea"),
    (&["uniqueidentifier", "guid"], "uuid"),
    (&["enum"], "CREATE TYPE name AS ENUM ('a', 'b') makes a type, which columns have by that name."),
    (&["set"], "text[]"),
    (&["money", "smallmoney"], "numeric(19,2)"),
    (&["xml"], "jsonb, or text."),
    (&["macaddr", "macaddr8"], "text"),
    (&["point", "box", "circle", "line", "lseg", "path", "polygon", "geometry", "geography"], "columns of numbers, or jsonb."),
    (&["int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"], "two columns, the bounds."),
];

/// Types that a misspelt name may be meant for.
const KNOWN_TYPES: &[&str] = &[
    "smallint",
    "integer",
    "int",
    "bigint",
    "real",
    "double precision",
    "numeric",
    "decimal",
    "boolean",
    "text",
    "varchar",
    "char",
    "bytea",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "inet",
    "cidr",
    "json",
    "jsonb",
];

const COLUMNS: Names = &[
    (&["rownum"], "LIMIT n ends the rows; row_number() OVER (ORDER BY ..) numbers them."),
    (&["sysdate", "systimestamp"], "now() is the time."),
];

/// What the planner says of syntax that it does not know: how that begins, what is meant, and the hint.
const UNREAD: Names = &[
    (&["TOP", "TOP"], "LIMIT n, at the end."),
    (&["MINUS", "MINUS"], "EXCEPT"),
    (&["Unsupported ast node in sqltorel: Convert {", "CONVERT"], "CAST(a AS type), or a::type."),
    (&["Unsupported SQL unary operator DoubleAt", "@@"], "SHOW name, or current_setting('name'); version()."),
    (&["Unsupported binary operator: Assignment", ":="], "psql has variables (\\set, :name), and so has a DO block (DECLARE)."),
];

/// How a statement begins that there is not.
const BEGINNINGS: Names = &[
    (&["use"], "A server has one database: SET search_path = schema chooses a schema."),
    (&["desc"], "DESCRIBE name; psql has \\d name."),
    (&["show", "databases"], "A server has one database; psql's \\dn lists its schemas."),
    (&["show", "columns"], "DESCRIBE name; psql has \\d name."),
    (&["show", "create"], "psql's \\d name shows a table, \\sv name the query of a view; pg_dump -s writes both."),
    (&["replace", "into"], "INSERT INTO .. ON CONFLICT (key) DO UPDATE SET .."),
    (&["insert", "ignore"], "INSERT INTO .. ON CONFLICT DO NOTHING"),
    (&["insert", "into", "_", "set"], "INSERT INTO name (columns) VALUES (values)"),
    (&["delete", "*"], "DELETE takes whole rows: DELETE FROM name WHERE .."),
    (&["delete", "_", "where"], "DELETE FROM name WHERE .."),
    (&["truncate", "_", "where"], "DELETE FROM name WHERE .. takes rows by a condition."),
    (&["go"], "Leave it out: a semicolon ends a statement."),
    (&["print"], "SELECT shows rows; RAISE NOTICE in a DO block, and psql's \\echo, show text."),
];

/// Words about where the grammar ends; `#` is a number.
const WRITTEN: Names = &[
    (&["`"], "Names stand in double quotes, or in none; text in single ones."),
    (&["limit", "#", ","], "LIMIT rows OFFSET rows to skip."),
    (&[",", "from"], "Take away the comma before FROM."),
    (&[",", "where"], "Take away the comma before WHERE."),
    (&[",", ")"], "Take away the comma before the parenthesis."),
    (&["auto_increment"], "bigint GENERATED ALWAYS AS IDENTITY"),
    (&["identity", "("], "bigint GENERATED ALWAYS AS IDENTITY"),
    (&[",", "key", "("], "CREATE INDEX ON name (columns), as a statement of its own."),
    (&["on", "update", "current_timestamp"], "UPDATE sets it, as any other column."),
    (&["value", "("], "VALUES (..)"),
    (&["in", "(", ")"], "A list has one item at least; = ANY (array) takes an empty one."),
    (&["in", "#"], "IN (1, 2)"),
    (&["like", "%"], "The pattern is a text: LIKE '%a%'."),
    (&["after"], "A new column is the last; a query names columns in any order."),
    (&["@"], "psql has variables (\\set, :name), and so has a DO block (DECLARE)."),
];

/// The error with a hint at what was probably meant. Cost O(text), for errors only.
pub(super) fn hinted(sql: &str, error: Error) -> Error {
    // What has a context was said of another text.
    if error.fields().context.is_some() {
        return error;
    }
    if let Some((what, hint)) = unread(error.message()) {
        let refused = Error::unsupported(format!("{what} is not supported")).hint(hint);
        let place = solid(sql).iter().find(|t| is(t, what)).map(|t| char_position(sql, t.span.start));
        return match place {
            Some(place) => refused.at(place),
            None => refused,
        };
    }
    match hint(sql, &error) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn unread(message: &str) -> Option<(&'static str, &'static str)> {
    let first = message.split(' ').next();
    let fits = |words: &[&str]| match words {
        // The word is all that is said, or that it is not implemented.
        [begins, what] if begins == what => first == Some(*begins) && message.len() <= "MINUS  not implemented".len(),
        [begins, _] => message.starts_with(*begins),
        _ => false,
    };
    UNREAD.iter().find(|(words, _)| fits(words)).map(|(words, hint)| (words[1], *hint))
}

fn hint(sql: &str, error: &Error) -> Option<String> {
    let (message, known) = (error.message(), error.fields().hint.as_deref());
    if error.code() == code::UNDEFINED_FUNCTION {
        return function(message).map(String::from);
    }
    if known.is_some_and(|known| !known.starts_with("The README")) || message.ends_with(" of jsonpath input") {
        return None;
    }
    match error.code() {
        code::UNDEFINED_TABLE => {
            (message == "relation \"dual\" does not exist").then(|| "Leave FROM dual out: SELECT without FROM gives one row.".to_string())
        }
        code::UNDEFINED_COLUMN => column(sql, error),
        code::UNDEFINED_OBJECT if message.starts_with("type ") => of_type(message),
        code::SYNTAX_ERROR | code::FEATURE_NOT_SUPPORTED | code::UNDEFINED_OBJECT => {
            let tokens = solid(sql);
            let begins = BEGINNINGS.iter().find(|(words, _)| stand(&tokens, 0, words));
            let found = begins.map(|(_, hint)| hint.to_string());
            found.or_else(|| if error.code() == code::SYNTAX_ERROR { written(&tokens, at(sql, &tokens, error)?) } else { None })
        }
        _ => None,
    }
}

fn named(names: Names, name: &str) -> Option<&'static str> {
    names.iter().find(|(all, _)| all.contains(&name)).map(|(_, hint)| *hint)
}

/// Of `function name does not exist`, or `function name(types) does not exist`.
fn function(message: &str) -> Option<&'static str> {
    let rest = message.strip_prefix("function ")?;
    let name = rest.split(['(', ' ']).next()?;
    // Oracle's has more arguments than PostgreSQL's.
    if name == "decode" && rest.matches(',').count() < 2 {
        return None;
    }
    named(FUNCTIONS, name)
}

/// Of `type "name" does not exist`, which may have a length.
fn of_type(message: &str) -> Option<String> {
    let name = message.strip_prefix("type \"")?.strip_suffix("\" does not exist")?;
    if name.ends_with(" unsigned") {
        return Some("There are no unsigned numbers: take a larger type, with CHECK (name >= 0).".into());
    }
    let name = name.split(['(', '[']).next()?.trim();
    let meant = || nearest(name, KNOWN_TYPES.iter().copied()).map(|meant| format!("Perhaps you meant the type {meant}."));
    named(TYPES, name).map(|hint| format!("Write instead: {hint}")).or_else(meant)
}

fn column(sql: &str, error: &Error) -> Option<String> {
    let name = error.message().strip_prefix("column \"")?.strip_suffix("\" does not exist")?;
    if let Some(hint) = named(COLUMNS, name) {
        return Some(hint.into());
    }
    let tokens = solid(sql);
    let at = at(sql, &tokens, error)?;
    let before = |n: usize| at.checked_sub(n).and_then(|i| tokens.get(i));
    // A unit is no text there: DATEADD(day, 1, a).
    if let (Some(open), Some(called)) = (before(1), before(2))
        && open.token == Token::LParen
        && let Some(hint) = named(FUNCTIONS, &called.token.to_string().to_lowercase())
    {
        return Some(hint.into());
    }
    let in_quotes = matches!(&tokens.get(at)?.token, Token::Word(word) if word.quote_style == Some('"'));
    let compared = before(1).is_some_and(|t| ["=", "<>", "!=", "like", "ilike"].iter().any(|word| is(t, word)));
    let inserted = tokens.first().is_some_and(|t| is(t, "insert")) && before(1).is_some_and(|t| is(t, ",") || is(t, "("));
    (in_quotes && (compared || inserted)).then(|| format!("Double quotes are for names: the text is '{}'.", name.replace('\'', "''")))
}

/// What stands about the token that does not fit.
fn written(tokens: &[TokenWithSpan], at: usize) -> Option<String> {
    let near = at.saturating_sub(3)..=at;
    let fits = |words: &[&str]| near.clone().any(|start| start + words.len() > at.saturating_sub(2) && stand(tokens, start, words));
    if let Some((_, hint)) = WRITTEN.iter().find(|(words, _)| fits(words)) {
        return Some(hint.to_string());
    }
    let earlier = &tokens[..at.min(tokens.len())];
    if tokens.get(at).is_some_and(|t| is(t, "where")) && earlier.iter().any(|t| is(t, "group") || is(t, "order")) {
        return Some("WHERE comes before GROUP BY and ORDER BY.".into());
    }
    let selects = earlier.first().is_some_and(|t| is(t, "select")) && !earlier.iter().any(|t| is(t, "from"));
    let names = at.checked_sub(2).and_then(|start| tokens.get(start..=at))?;
    (selects && names.iter().all(is_name)).then(|| "Put commas between columns.".into())
}

/// True if these words stand there.
fn stand(tokens: &[TokenWithSpan], start: usize, words: &[&str]) -> bool {
    let fits = |(token, word): (&TokenWithSpan, &&str)| match *word {
        "_" => true,
        "#" => matches!(token.token, Token::Number(..)),
        word => is(token, word),
    };
    tokens.get(start..start + words.len()).is_some_and(|there| there.iter().zip(words).all(fits))
}

fn is(token: &TokenWithSpan, word: &str) -> bool {
    token.token.to_string().eq_ignore_ascii_case(word)
}

/// An unquoted word that may be a column's name, as most keywords may.
fn is_name(token: &TokenWithSpan) -> bool {
    const OTHERS: [&str; 9] = ["select", "distinct", "all", "as", "by", "case", "when", "then", "end"];
    let unquoted = matches!(&token.token, Token::Word(word) if word.quote_style.is_none());
    unquoted && !OTHERS.iter().any(|word| is(token, word))
}

/// The number of the token that an error points at.
fn at(sql: &str, tokens: &[TokenWithSpan], error: &Error) -> Option<usize> {
    let place = location(sql, error.fields().position?);
    Some(tokens.partition_point(|t| t.span.start < place))
}

fn solid(sql: &str) -> Vec<TokenWithSpan> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().unwrap_or_default();
    tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect()
}
