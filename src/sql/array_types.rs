//! `text ARRAY`, the standard's spelling of `text[]` (manual, chapter 8.15.1; TypeORM writes it).

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// The tokens with the word ARRAY behind a type as brackets. Before a bracket or a parenthesis it begins an expression, and stays.
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_array = |t: &TokenWithSpan| matches!(&t.token, Token::Word(w) if w.keyword == Keyword::ARRAY && w.quote_style.is_none());
    if !tokens.iter().any(is_array) {
        return tokens;
    }
    let mut spelled = Vec::with_capacity(tokens.len() + 1);
    for (i, token) in tokens.iter().enumerate() {
        let next = tokens[i + 1..].iter().find(|t| !matches!(t.token, Token::Whitespace(_))).map(|t| &t.token);
        if is_array(token) && !matches!(next, Some(Token::LBracket | Token::LParen)) {
            spelled.extend([Token::LBracket, Token::RBracket].map(|t| TokenWithSpan { token: t, span: token.span }));
        } else {
            spelled.push(token.clone());
        }
    }
    spelled
}

#[cfg(test)]
mod tests {
    use crate::catalog::RelationKind;
    use crate::sql::{Statement, parse};

    #[test]
    fn the_word_behind_a_type_is_brackets() {
        let Ok(Statement::CreateRelation(new)) = parse("CREATE TABLE t (a text array, b varchar(4) ARRAY NOT NULL, c int)") else {
            panic!("not a table")
        };
        assert_eq!(new.kind, RelationKind::Table);
        let types: Vec<String> = new.columns.iter().map(|c| c.ty.to_string()).collect();
        assert_eq!(types, ["text[]", "character varying(4)[]", "integer"]);
        for sql in ["SELECT ARRAY[1, 2]", "SELECT ARRAY (SELECT 1)", "SELECT CAST('{1}' AS int ARRAY)"] {
            assert!(matches!(parse(sql), Ok(Statement::Query(_))), "{sql}");
        }
    }
}
