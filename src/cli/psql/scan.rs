//! Cuts lines into statements and meta-commands, as psql's scanner does, and puts variables in.
//!
//! Only quotes, comments, parentheses and semicolons are looked at, never a grammar, so scripts of every dialect pass through. Names
//! in backticks, which only ksqlDB's dialect has, are quotes too.
//!
//! Manual: psql, "SQL Interpolation"; PostgreSQL, "Lexical Structure".

use super::variables::{Variables, quoted_identifier, quoted_literal};

/// A line of a script, and how far it has been read.
pub(super) struct Line {
    pub text: String,
    pub at: usize,
    /// Variables being put in, each with what is left of the line behind its value.
    expanding: Vec<(String, usize)>,
}

impl Line {
    pub fn new(text: &str) -> Line {
        Line { text: text.to_string(), at: 0, expanding: Vec::new() }
    }

    /// What is not read yet.
    pub fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Reads one character.
    pub fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Puts a value in the place of the `length` bytes ahead, to be read in turn. False if that name is being put in already.
    fn expand(&mut self, length: usize, name: &str, value: &str) -> bool {
        let left = self.rest().len();
        self.expanding.retain(|(_, behind)| left > *behind);
        if self.expanding.iter().any(|(known, _)| known == name) {
            return false;
        }
        self.text.replace_range(self.at..self.at + length, value);
        self.expanding.push((name.to_string(), self.rest().len() - value.len()));
        true
    }
}

/// A reference to a variable at the beginning of a text.
pub(super) enum Reference {
    /// `:x`
    Plain,
    /// `:'x'`
    Literal,
    /// `:"x"`
    Identifier,
    /// `:{?x}`
    Test,
}

/// The reference that a text begins with: its kind, the name, its length in bytes.
pub(super) fn reference(text: &str) -> Option<(Reference, &str, usize)> {
    let rest = text.strip_prefix(':')?;
    let name_of = |rest: &str| rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii())).unwrap_or(rest.len());
    let (kind, open, close) = match rest.chars().next()? {
        '\'' => (Reference::Literal, 1, "'"),
        '"' => (Reference::Identifier, 1, "\""),
        '{' if rest.starts_with("{?") => (Reference::Test, 2, "}"),
        _ => (Reference::Plain, 0, ""),
    };
    let n = name_of(&rest[open..]);
    let name = &rest[open..open + n];
    (n > 0 && rest[open + n..].starts_with(close)).then_some((kind, name, 1 + open + n + close.len()))
}

/// What a reference stands for; `None` if the variable is not set.
pub(super) fn value_of(kind: &Reference, name: &str, variables: &Variables) -> Option<String> {
    let value = variables.get(name);
    match kind {
        Reference::Test => Some(if value.is_some() { "TRUE" } else { "FALSE" }.to_string()),
        Reference::Plain => value.map(str::to_string),
        Reference::Literal => value.map(quoted_literal),
        Reference::Identifier => value.map(quoted_identifier),
    }
}

/// Where the scanner is between two characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    /// Quotes of this kind; a backslash escapes if true.
    Quotes(char, bool),
    /// A dollar-quoted string, with its tag.
    Dollars(String),
    /// Comments nested so deeply.
    Comment(usize),
}

/// What ended a part of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A statement is complete.
    Semicolon,
    /// A meta-command follows.
    Backslash,
    Line,
}

/// What is known of the text read so far.
#[derive(Default)]
pub(super) struct Scanner {
    inside: Inside,
    depth: usize,
}

impl Scanner {
    /// True within quotes, where an empty line counts.
    pub fn in_quotes(&self) -> bool {
        self.inside != Inside::Nothing
    }

    /// Forgets what it is inside of.
    pub fn reset(&mut self) {
        *self = Scanner::default();
    }

    /// Moves text from the line to the query, up to the end of a statement, a meta-command or the line. Variables are put in if given.
    pub fn scan(&mut self, line: &mut Line, query: &mut String, variables: Option<&Variables>) -> End {
        while !line.rest().is_empty() {
            match &mut self.inside {
                Inside::Nothing => {
                    if let Some(end) = self.outside(line, query, variables) {
                        return end;
                    }
                }
                Inside::Quotes(quote, escapes) => {
                    let (quote, escapes) = (*quote, *escapes);
                    let Some(c) = line.next() else { break };
                    query.push(c);
                    if c == '\\' && escapes {
                        query.extend(line.next());
                    } else if c == quote {
                        self.inside = Inside::Nothing;
                    }
                }
                Inside::Dollars(tag) => {
                    let length = line.rest().find(tag.as_str()).map(|i| i + tag.len());
                    let end = line.at + length.unwrap_or(line.rest().len());
                    query.push_str(&line.text[line.at..end]);
                    line.at = end;
                    if length.is_some() {
                        self.inside = Inside::Nothing;
                    }
                }
                Inside::Comment(depth) => {
                    let two = line.rest().get(..2).unwrap_or_default();
                    match two {
                        "*/" => *depth -= 1,
                        "/*" => *depth += 1,
                        _ => {}
                    }
                    let over = *depth == 0;
                    let step = if two == "*/" || two == "/*" { 2 } else { line.rest().chars().next().map_or(0, char::len_utf8) };
                    query.push_str(&line.text[line.at..line.at + step]);
                    line.at += step;
                    if over {
                        self.inside = Inside::Nothing;
                    }
                }
            }
        }
        End::Line
    }

    /// One step outside of quotes and comments.
    fn outside(&mut self, line: &mut Line, query: &mut String, variables: Option<&Variables>) -> Option<End> {
        let rest = line.rest();
        let c = rest.chars().next()?;
        if rest.starts_with("--") {
            // As white space, it is left out before a statement begins.
            if !query.is_empty() {
                query.push_str(rest);
            }
            line.at = line.text.len();
            return None;
        }
        if rest.starts_with("/*") {
            self.inside = Inside::Comment(1);
            query.push_str("/*");
            line.at += 2;
            return None;
        }
        if c == ':' {
            self.colon(line, query, variables);
            return None;
        }
        if c == '\\' {
            if rest[1..].starts_with([';', ':']) {
                query.push_str(&rest[1..2]);
                line.at += 2;
                return None;
            }
            line.at += 1;
            return Some(End::Backslash);
        }
        if c == '$' && !ends_in_word(query) {
            let name = rest[1..].find(|c: char| !is_word(c)).map_or(rest.len(), |i| i + 1);
            if rest[name..].starts_with('$') && !rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
                let tag = rest[..=name].to_string();
                line.at += tag.len();
                query.push_str(&tag);
                self.inside = Inside::Dollars(tag);
                return None;
            }
        }
        line.at += c.len_utf8();
        match c {
            '\'' => self.inside = Inside::Quotes(c, begins_escapes(query)),
            '"' | '`' => self.inside = Inside::Quotes(c, false),
            '(' => self.depth += 1,
            ')' => self.depth = self.depth.saturating_sub(1),
            c if c.is_whitespace() && query.is_empty() => return None,
            _ => {}
        }
        query.push(c);
        (c == ';' && self.depth == 0).then_some(End::Semicolon)
    }

    fn colon(&mut self, line: &mut Line, query: &mut String, variables: Option<&Variables>) {
        let rest = line.rest();
        if rest.starts_with("::") || rest.starts_with(":=") {
            query.push_str(&rest[..2]);
            line.at += 2;
            return;
        }
        if let (Some(variables), Some((kind, name, length))) = (variables, reference(rest))
            && let Some(value) = value_of(&kind, name, variables)
        {
            let name = name.to_string();
            if matches!(kind, Reference::Plain) {
                if line.expand(length, &name, &value) {
                    return;
                }
            } else {
                query.push_str(&value);
                line.at += length;
                return;
            }
        }
        query.push(':');
        line.at += 1;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn ends_in_word(query: &str) -> bool {
    query.ends_with(|c| is_word(c) || c == '$')
}

/// True if a quote that follows opens an E'' string, where a backslash escapes.
fn begins_escapes(query: &str) -> bool {
    query.strip_suffix(['e', 'E']).is_some_and(|before| !ends_in_word(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements of a text, and its meta-commands with their backslash.
    fn pieces(text: &str, variables: &Variables) -> Vec<String> {
        let (mut scanner, mut query, mut found) = (Scanner::default(), String::new(), Vec::new());
        for text in text.split('\n') {
            if !query.is_empty() {
                query.push('\n');
            }
            let mut line = Line::new(text);
            loop {
                match scanner.scan(&mut line, &mut query, Some(variables)) {
                    End::Semicolon => found.push(std::mem::take(&mut query)),
                    End::Backslash => {
                        found.push(format!("\\{}", line.rest()));
                        break;
                    }
                    End::Line => break,
                }
            }
        }
        found.extend(Some(query).filter(|q| !q.trim().is_empty()));
        found
    }

    #[test]
    fn a_semicolon_inside_something_does_not_end_a_statement() {
        for text in [
            "SELECT 'a;''b;';",
            r"SELECT E'a\';b';",
            r"SELECT e'\\' || ';';",
            "SELECT \"a;\"\"b\";",
            "SELECT `a;b`;",
            "SELECT $$ a; $b$ ; $$;",
            "SELECT $f$ $$;$$ $f$;",
            "SELECT a$1, ';';",
            "SELECT $1, ';' FROM t$x$;",
            "SELECT 1 -- no; not yet\n + 1;",
            "SELECT /* ; /* ; */ ; */ 1;",
            "CREATE RULE r AS DO (SELECT 1; SELECT 2);",
            "SELECT 1 /* never closed ;",
            "SELECT 'never closed ;",
            "SELECT '\n\nlines';",
        ] {
            assert_eq!(pieces(text, &Variables::default()), [text], "{text}");
        }
        assert_eq!(pieces(r"SELECT type'\'; SELECT 2;", &Variables::default()).len(), 2, "a backslash escapes in E'' only");
        assert_eq!(pieces("SELECT 1 \\; SELECT 2;", &Variables::default()), ["SELECT 1 ; SELECT 2;"]);
        assert_eq!(pieces("-- first\n  SELECT 1\\gx", &Variables::default()), ["\\gx", "SELECT 1"]);
    }

    #[test]
    fn variables_are_put_in_outside_of_quotes() {
        let mut variables = Variables::default();
        for (name, value) in [("x", "5"), ("q", "it's \"it\""), ("s", "1; SELECT :x"), ("r", ":r + 1")] {
            variables.set(name, value).unwrap();
        }
        let of = |text: &str| pieces(text, &variables);
        assert_eq!(
            of("SELECT :x, :'q', :\"q\", ':x', a::x, :nope, :{?x}, :{?nope};"),
            ["SELECT 5, 'it''s \"it\"', \"it's \"\"it\"\"\", ':x', a::x, :nope, TRUE, FALSE;"]
        );
        assert_eq!(of("SELECT :s;"), ["SELECT 1;", "SELECT 5;"]);
        assert_eq!(of("SELECT :r;"), ["SELECT :r + 1;"], "a variable is not put into itself");
    }
}
