//! The grammar of paths. A condition and a value are told apart as they are built: each operator takes one of the two, and the word behind
//! an operand of the other kind is where PostgreSQL's parser says that the syntax is wrong.

use super::lex::{Lexed, Lexer, Token, complaint};
use super::{
    Comparison, DEPTH_MAX, Flags, LEAVES, Levels, Method, Node, Operator, Path, Pattern, STACK_BYTES, STEPS_MAX, Sign, Step, number,
};
use crate::data::json::Json;
use crate::error::{Error, Result, code};
use crate::func::scalar::regexps;

const COMPARISONS: &[(&str, Comparison)] = &[
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<>", Comparison::NotEqual),
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
];

/// Reads a path. Errors: 42601; 22P02 for a blank text and for lone surrogates; 2201B and 0A000 for patterns and flags of like_regex; 22003
/// for a number that is no numeric; 54001 for what is nested too deeply.
pub(super) fn parse(text: &str) -> Result<Path> {
    let mut lexer = Lexer::new(text);
    let ahead = lexer.read()?;
    if ahead.token == Token::End {
        return Err(Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type jsonpath: \"{text}\"")));
    }
    let mut parser = Parser { lexer, ahead, depth: 0, steps: 0 };
    let strict = parser.takes_word("strict")?;
    if !strict {
        parser.takes_word("lax")?;
    }
    let part = parser.condition()?;
    if parser.ahead.token != Token::End {
        return Err(parser.unexpected());
    }
    check_places(&part.node, false, false)?;
    Ok(Path { lax: !strict, root: part.node })
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Value,
    Condition,
    /// A condition in parentheses, or exists(..): what `!` takes.
    Enclosed,
}

/// What is read so far.
struct Part {
    node: Node,
    kind: Kind,
    /// How deep its parts nest.
    depth: usize,
}

impl Part {
    fn value(node: Node) -> Part {
        Part { node, kind: Kind::Value, depth: 1 }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    ahead: Lexed,
    depth: usize,
    /// How many steps are read.
    steps: usize,
}

fn too_deep() -> Error {
    let hint = format!("The parts of a path may be nested {DEPTH_MAX} levels deep, and it may have {STEPS_MAX} steps.");
    Error::new(code::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint(hint)
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token> {
        let next = self.lexer.read()?;
        Ok(std::mem::replace(&mut self.ahead, next).token)
    }

    /// The word ahead cannot stand here.
    fn unexpected(&self) -> Error {
        complaint("syntax error", &self.ahead.near)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.ahead.token, Token::Sign(ahead) if ahead == sign)
    }

    fn takes_sign(&mut self, sign: &str) -> Result<bool> {
        let is_ahead = self.is_sign(sign);
        if is_ahead {
            self.advance()?;
        }
        Ok(is_ahead)
    }

    fn sign(&mut self, sign: &str) -> Result<()> {
        if self.takes_sign(sign)? { Ok(()) } else { Err(self.unexpected()) }
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(&self.ahead.token, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn takes_word(&mut self, keyword: &str) -> Result<bool> {
        let is_ahead = self.is_word(keyword);
        if is_ahead {
            self.advance()?;
        }
        Ok(is_ahead)
    }

    fn word(&mut self, keyword: &str) -> Result<()> {
        if self.takes_word(keyword)? { Ok(()) } else { Err(self.unexpected()) }
    }

    fn string(&mut self) -> Result<String> {
        match self.ahead.token {
            Token::String(_) => match self.advance()? {
                Token::String(text) => Ok(text),
                _ => Err(self.unexpected()),
            },
            _ => Err(self.unexpected()),
        }
    }

    /// The part, if it is a value.
    fn as_value(&self, part: Part) -> Result<Part> {
        if part.kind == Kind::Value { Ok(part) } else { Err(self.unexpected()) }
    }

    fn as_condition(&self, part: Part) -> Result<Part> {
        if part.kind == Kind::Value { Err(self.unexpected()) } else { Ok(part) }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Part>) -> Result<Part> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let part = stacker::maybe_grow(STACK_BYTES.0, STACK_BYTES.1, || read(self));
        self.depth -= 1;
        part
    }

    /// `a || b`, and whatever binds its parts closer.
    fn condition(&mut self) -> Result<Part> {
        self.conditions("||", Self::conjunction, Node::Or)
    }

    fn conjunction(&mut self) -> Result<Part> {
        self.conditions("&&", Self::negation, Node::And)
    }

    /// Parts with a sign between them, joined from the left.
    fn conditions(&mut self, sign: &str, part: fn(&mut Self) -> Result<Part>, node: fn(Box<Node>, Box<Node>) -> Node) -> Result<Part> {
        let mut left = part(self)?;
        while self.is_sign(sign) {
            left = self.as_condition(left)?;
            self.advance()?;
            let right = part(self)?;
            let right = self.as_condition(right)?;
            left = joined(left, right, Kind::Condition, node)?;
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Part> {
        if !self.takes_sign("!")? {
            return self.comparison();
        }
        let negated = if self.is_word("exists") {
            self.exists()?
        } else {
            self.sign("(")?;
            let inner = self.nested(Self::condition)?;
            let inner = self.as_condition(inner)?;
            self.sign(")")?;
            inner
        };
        around(negated, Kind::Condition, Node::Not)
    }

    fn comparison(&mut self) -> Result<Part> {
        let left = self.sum()?;
        if left.kind != Kind::Value {
            return Ok(left);
        }
        if let Token::Sign(sign) = self.ahead.token
            && let Some((_, comparison)) = COMPARISONS.iter().find(|(text, _)| *text == sign)
        {
            self.advance()?;
            let right = self.sum()?;
            let right = self.as_value(right)?;
            return joined(left, right, Kind::Condition, |l, r| Node::Comparison(*comparison, l, r));
        }
        if self.takes_word("starts")? {
            self.word("with")?;
            let initial = match &self.ahead.token {
                Token::String(text) => Node::Literal(Json::String(text.clone())),
                Token::Variable(name) => Node::Variable(name.clone()),
                _ => return Err(self.unexpected()),
            };
            self.advance()?;
            return joined(left, Part::value(initial), Kind::Condition, Node::StartsWith);
        }
        if self.takes_word("like_regex")? {
            let text = self.string()?;
            let letters = if self.takes_word("flag")? { self.string()? } else { String::new() };
            let pattern = Box::new(pattern(text, &letters)?);
            return around(left, Kind::Condition, |of| Node::LikeRegex(of, pattern));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Part> {
        self.chain(Self::product, &[("+", Operator::Add), ("-", Operator::Subtract)])
    }

    fn product(&mut self) -> Result<Part> {
        self.chain(Self::signed, &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)])
    }

    /// Operands between operators that bind alike, from the left.
    fn chain(&mut self, operand: fn(&mut Self) -> Result<Part>, operators: &[(&str, Operator)]) -> Result<Part> {
        let mut left = operand(self)?;
        loop {
            let Some((_, operator)) = operators.iter().find(|(sign, _)| self.is_sign(sign)) else { return Ok(left) };
            left = self.as_value(left)?;
            self.advance()?;
            let right = operand(self)?;
            let right = self.as_value(right)?;
            left = joined(left, right, Kind::Value, |l, r| Node::Arithmetic(*operator, l, r))?;
        }
    }

    fn signed(&mut self) -> Result<Part> {
        let sign = if self.is_sign("-") {
            Sign::Minus
        } else if self.is_sign("+") {
            Sign::Plus
        } else {
            return self.accessed();
        };
        self.advance()?;
        let operand = self.nested(Self::signed)?;
        let operand = self.as_value(operand)?;
        match (&operand.node, sign) {
            (Node::Literal(Json::Number(text)), Sign::Minus) => Ok(Part::value(Node::Literal(Json::Number(number::negated(text))))),
            (Node::Literal(Json::Number(_)), Sign::Plus) => Ok(operand),
            _ => around(operand, Kind::Value, |of| Node::Sign(sign, of)),
        }
    }

    fn exists(&mut self) -> Result<Part> {
        self.word("exists")?;
        self.sign("(")?;
        let of = self.nested(Self::condition)?;
        let of = self.as_value(of)?;
        self.sign(")")?;
        around(of, Kind::Enclosed, Node::Exists)
    }

    /// A value and the steps from there; a condition in parentheses.
    fn accessed(&mut self) -> Result<Part> {
        if self.is_word("exists") {
            return self.exists();
        }
        if !self.takes_sign("(")? {
            let primary = self.primary()?;
            return self.steps(primary);
        }
        let inner = self.nested(Self::condition)?;
        self.sign(")")?;
        if inner.kind == Kind::Value {
            return self.steps(inner);
        }
        if self.takes_word("is")? {
            self.word("unknown")?;
            return around(inner, Kind::Condition, Node::IsUnknown);
        }
        let is_accessed = [".", "[", "?"].iter().any(|sign| self.is_sign(sign));
        let enclosed = Part { kind: Kind::Enclosed, ..inner };
        if is_accessed { self.steps(enclosed) } else { Ok(enclosed) }
    }

    fn primary(&mut self) -> Result<Part> {
        let node = match &self.ahead.token {
            Token::Sign("$") => Node::Root,
            Token::Sign("@") => Node::Current,
            Token::String(text) => Node::Literal(Json::String(text.clone())),
            Token::Variable(name) => Node::Variable(name.clone()),
            Token::Number { text, .. } => Node::Literal(Json::Number(text.clone())),
            Token::Word(word) => match word.as_str() {
                "null" => Node::Literal(Json::Null),
                "true" => Node::Literal(Json::Bool(true)),
                "false" => Node::Literal(Json::Bool(false)),
                word if word.eq_ignore_ascii_case("last") => Node::Last,
                _ => return Err(self.unexpected()),
            },
            Token::Sign(_) | Token::End => return Err(self.unexpected()),
        };
        self.advance()?;
        Ok(Part::value(node))
    }

    /// The steps that follow, if there are any.
    fn steps(&mut self, from: Part) -> Result<Part> {
        let (mut steps, mut depth) = (Vec::new(), from.depth);
        while let Some((step, of)) = self.step()? {
            steps.push(step);
            depth = depth.max(of + 1);
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(too_deep());
            }
        }
        if steps.is_empty() {
            return Ok(from);
        }
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let node = match from.node {
            Node::Steps(base, before) => Node::Steps(base, before.into_iter().chain(steps).collect()),
            base => Node::Steps(Box::new(base), steps),
        };
        Ok(Part { node, kind: Kind::Value, depth: depth + 1 })
    }

    /// A step, and how deep its parts nest.
    fn step(&mut self) -> Result<Option<(Step, usize)>> {
        if self.takes_sign("?")? {
            self.sign("(")?;
            let condition = self.nested(Self::condition)?;
            let condition = self.as_condition(condition)?;
            self.sign(")")?;
            return Ok(Some((Step::Filter(condition.node), condition.depth)));
        }
        if self.takes_sign("[")? {
            return self.subscripts().map(Some);
        }
        if !self.takes_sign(".")? {
            return Ok(None);
        }
        let step = if self.takes_sign("*")? {
            Step::AnyKey
        } else if self.takes_sign("**")? {
            Step::Descend(self.levels()?)
        } else {
            self.key_or_method()?
        };
        Ok(Some((step, 0)))
    }

    fn key_or_method(&mut self) -> Result<Step> {
        let word = match self.ahead.token {
            Token::String(_) => return Ok(Step::Key(self.string()?)),
            Token::Word(_) => match self.advance()? {
                Token::Word(word) => word,
                _ => return Err(self.unexpected()),
            },
            _ => return Err(self.unexpected()),
        };
        if !self.is_sign("(") {
            return Ok(Step::Key(word));
        }
        let is_datetime = word.eq_ignore_ascii_case("datetime");
        let method = Method::ALL.into_iter().find(|method| word.eq_ignore_ascii_case(method.name()));
        if !is_datetime && method.is_none() {
            return Err(self.unexpected());
        }
        self.advance()?;
        let step = match method {
            Some(method) => Step::Method(method),
            None if matches!(self.ahead.token, Token::String(_)) => Step::Datetime(Some(self.string()?)),
            None => Step::Datetime(None),
        };
        self.sign(")")?;
        Ok(step)
    }

    /// What is in brackets, the first of which is read.
    fn subscripts(&mut self) -> Result<(Step, usize)> {
        if self.takes_sign("*")? {
            self.sign("]")?;
            return Ok((Step::AnyItem, 0));
        }
        let (mut places, mut depth) = (Vec::new(), 0);
        loop {
            let from = self.subscript(&mut depth)?;
            let to = if self.takes_word("to")? { Some(self.subscript(&mut depth)?) } else { None };
            places.push((from, to));
            if !self.takes_sign(",")? {
                break;
            }
        }
        self.sign("]")?;
        Ok((Step::Items(places), depth))
    }

    fn subscript(&mut self, depth: &mut usize) -> Result<Node> {
        let part = self.nested(Self::sum)?;
        let part = self.as_value(part)?;
        *depth = part.depth.max(*depth);
        Ok(part.node)
    }

    /// `{2}`, `{2 to last}`, or nothing: all of them.
    fn levels(&mut self) -> Result<Levels> {
        if !self.takes_sign("{")? {
            return Ok(Levels { first: 0, last: LEAVES });
        }
        let first = self.level()?;
        let last = if self.takes_word("to")? { self.level()? } else { first };
        self.sign("}")?;
        Ok(Levels { first, last })
    }

    fn level(&mut self) -> Result<u32> {
        let level = match &self.ahead.token {
            Token::Number { text, is_whole: true } => {
                let range = || {
                    let message = format!("value \"{text}\" is out of range for type integer");
                    Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message)
                };
                text.parse::<i32>().map_err(|_| range())?.unsigned_abs()
            }
            Token::Word(word) if word.eq_ignore_ascii_case("last") => LEAVES,
            _ => return Err(self.unexpected()),
        };
        self.advance()?;
        Ok(level)
    }
}

fn joined(left: Part, right: Part, kind: Kind, make: impl FnOnce(Box<Node>, Box<Node>) -> Node) -> Result<Part> {
    let depth = left.depth.max(right.depth) + 1;
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    Ok(Part { node: make(Box::new(left.node), Box::new(right.node)), kind, depth })
}

fn around(part: Part, kind: Kind, make: impl FnOnce(Box<Node>) -> Node) -> Result<Part> {
    let depth = part.depth + 1;
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    Ok(Part { node: make(Box::new(part.node)), kind, depth })
}

/// The pattern of like_regex with flags of XQuery's. Errors: 42601 for a flag that is none, 0A000 for one that is not supported, 2201B.
fn pattern(text: String, letters: &str) -> Result<Pattern> {
    let mut flags = Flags::default();
    for letter in letters.chars() {
        match letter {
            'i' => flags.ignore_case = true,
            's' => flags.dot_is_all = true,
            'm' => flags.multiline = true,
            'x' => flags.spaced = true,
            'q' => flags.quoted = true,
            other => {
                let detail = format!("Unrecognized flag character \"{other}\" in LIKE_REGEX predicate.");
                return Err(Error::syntax("invalid input syntax for type jsonpath").detail(detail));
            }
        }
    }
    if flags.spaced && !flags.quoted {
        let error = Error::unsupported("XQuery \"x\" flag (expanded regular expressions) is not implemented");
        return Err(error.hint("Write the pattern without blanks and comments."));
    }
    // The same in the letters of regexp_match() and its kin, where a dot takes the end of a line unless it is said.
    let mut options = String::from(match (flags.quoted, flags.dot_is_all, flags.multiline) {
        (true, ..) => "q",
        (_, false, false) => "p",
        (_, false, true) => "n",
        (_, true, false) => "s",
        (_, true, true) => "w",
    });
    options.extend(flags.ignore_case.then_some('i'));
    let regex = regexps::compile(&text, &options)?;
    Ok(Pattern { text, flags, regex })
}

/// Errors: 42601 for `@` outside of a filter, and for `last` outside of a subscript.
fn check_places(node: &Node, in_filter: bool, in_subscript: bool) -> Result<()> {
    let check = |node: &Node| check_places(node, in_filter, in_subscript);
    match node {
        Node::Current if !in_filter => Err(Error::syntax("@ is not allowed in root expressions")),
        Node::Last if !in_subscript => Err(Error::syntax("LAST is allowed only in array subscripts")),
        Node::Root | Node::Current | Node::Last | Node::Variable(_) | Node::Literal(_) => Ok(()),
        Node::Sign(_, of) | Node::Not(of) | Node::IsUnknown(of) | Node::Exists(of) | Node::LikeRegex(of, _) => check(of),
        Node::Arithmetic(_, left, right)
        | Node::Comparison(_, left, right)
        | Node::And(left, right)
        | Node::Or(left, right)
        | Node::StartsWith(left, right) => check(left).and_then(|()| check(right)),
        Node::Steps(base, steps) => {
            check(base)?;
            steps.iter().try_for_each(|step| match step {
                Step::Filter(condition) => check_places(condition, true, in_subscript),
                Step::Items(places) => places.iter().try_for_each(|(from, to)| {
                    check_places(from, in_filter, true)?;
                    to.iter().try_for_each(|to| check_places(to, in_filter, true))
                }),
                _ => Ok(()),
            })
        }
    }
}
