//! Blocks: what is declared, what is done, which errors are taken.

use sqlparser::tokenizer::Token;

use super::scan::{Open, Reader};
use super::{Block, Condition, Conflict, Handler};
use crate::error::{Error, Result, code};
use crate::limits;

/// Reads a whole body. Errors: 42601 at a place in the body, 42704 for an unknown condition, 0A000, 54001.
pub fn body(text: &str) -> Result<Block> {
    let (text, conflict) = directives(text)?;
    let mut reader = Reader::new(&text)?;
    let label = reader.label()?;
    let mut block = reader.block(label, 0)?;
    reader.eat_token(&Token::SemiColon);
    if !reader.is(&Token::EOF) {
        return Err(reader.unexpected());
    }
    block.set_conflict(conflict);
    Ok(block)
}

/// Lines that begin with `#` before a body, blanked out, and what they say.
fn directives(text: &str) -> Result<(String, Conflict)> {
    let mut conflict = Conflict::default();
    let mut kept = text.to_string();
    loop {
        let Some(start) = kept.find(|c: char| !c.is_whitespace()).filter(|start| kept[*start..].starts_with('#')) else {
            return Ok((kept, conflict));
        };
        let end = kept[start..].find('\n').map_or(kept.len(), |n| start + n);
        let line = kept[start..end].to_lowercase();
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["#variable_conflict", "error"] => conflict = Conflict::Error,
            ["#variable_conflict", "use_variable"] => conflict = Conflict::Variable,
            ["#variable_conflict", "use_column"] => conflict = Conflict::Column,
            ["#print_strict_params", "on" | "off"] => {}
            _ => return Err(Error::syntax(format!("syntax error at or near \"{}\"", line.trim())).at(kept[..start].chars().count() + 1)),
        }
        kept.replace_range(start..end, &" ".repeat(line.chars().count()));
    }
}

impl Block {
    fn set_conflict(&mut self, conflict: Conflict) {
        self.conflict = conflict;
    }
}

impl Reader<'_> {
    /// `<<label>>`, if there is one.
    pub fn label(&mut self) -> Result<Option<String>> {
        if !self.eat_token(&Token::ShiftLeft) {
            return Ok(None);
        }
        let label = self.name()?;
        self.expect_token(&Token::ShiftRight)?;
        Ok(Some(label))
    }

    /// Behind END of something labelled, its label may stand again.
    pub fn end_label(&mut self, label: Option<&String>) -> Result<()> {
        if !matches!(self.piece(0).token, Token::Word(_)) {
            return Ok(());
        }
        let here = self.piece(0).token.to_string();
        let name = self.name()?;
        match label {
            Some(label) if *label == name => Ok(()),
            Some(label) => Err(Error::syntax(format!("end label \"{name}\" differs from block's label \"{label}\""))),
            None => Err(Error::syntax(format!("end label \"{here}\" specified for unlabeled block"))),
        }
    }

    /// A block from DECLARE or BEGIN to END.
    pub fn block(&mut self, label: Option<String>, depth: usize) -> Result<Block> {
        if depth > limits::PROCEDURE_DEPTH_MAX {
            return Err(Error::new(code::STATEMENT_TOO_COMPLEX, "blocks are nested too deeply")
                .hint(format!("At most {} levels are taken.", limits::PROCEDURE_DEPTH_MAX)));
        }
        self.open.push(Open { label: label.clone(), is_loop: false });
        let mut declarations = Vec::new();
        while self.eat("declare") {
            while !matches!(self.word(0).as_str(), "begin" | "declare") {
                declarations.push(self.declaration()?);
            }
        }
        self.expect("begin")?;
        let body = self.statements(&["exception", "end"], depth)?;
        let mut handlers = Vec::new();
        if self.eat("exception") {
            while self.eat("when") {
                handlers.push(self.handler(depth)?);
            }
            if handlers.is_empty() {
                return Err(self.unexpected());
            }
        }
        self.open.pop();
        self.expect("end")?;
        self.end_label(label.as_ref())?;
        Ok(Block { label, declarations, body, handlers, conflict: Conflict::default() })
    }

    /// `condition [OR condition ..] THEN ..`
    fn handler(&mut self, depth: usize) -> Result<Handler> {
        let mut conditions = Vec::new();
        loop {
            if self.eat("sqlstate") {
                conditions.push(Condition::Code(self.state()?));
            } else {
                let name = self.name()?;
                match name.as_str() {
                    "others" => conditions.push(Condition::Others),
                    _ => conditions.push(Condition::Code(of_condition(&name)?)),
                }
            }
            if !self.eat("or") {
                break;
            }
        }
        self.expect("then")?;
        Ok(Handler { conditions, body: self.statements(&["when", "end"], depth)? })
    }

    /// The literal of a SQLSTATE.
    pub fn state(&mut self) -> Result<String> {
        let state = self.text()?;
        if state.len() == 5 && state.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) {
            return Ok(state);
        }
        Err(Error::syntax("invalid SQLSTATE code"))
    }
}

/// The SQLSTATE of a condition. Errors: 42704.
pub fn of_condition(name: &str) -> Result<String> {
    match code::named(name) {
        Some(state) => Ok(state.to_string()),
        None => Err(Error::new(code::UNDEFINED_OBJECT, format!("unrecognized exception condition \"{name}\""))),
    }
}
