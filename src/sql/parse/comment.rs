//! COMMENT ON kind name IS 'text' | NULL.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::{Name, RelationKind};
use crate::error::{Error, Result};
use crate::sql::statement::{CommentOn, Statement};

impl Reader<'_> {
    pub(super) fn comment(&mut self) -> Result<Statement> {
        self.skip(1);
        self.expect("on")?;
        let kind = self.word(0);
        let on = match kind.as_str() {
            "table" => self.commented(1, RelationKind::Table)?,
            "stream" => self.commented(1, RelationKind::Stream)?,
            "view" => self.commented(1, RelationKind::View)?,
            "materialized" => self.commented(2, RelationKind::MaterializedView)?,
            "column" => {
                self.skip(1);
                self.commented_column()?
            }
            "type" | "domain" => {
                self.skip(1);
                CommentOn::Type(self.relation_name()?)
            }
            "function" | "procedure" | "routine" => CommentOn::Function(self.routine_word()?, self.signature()?),
            "trigger" | "policy" => {
                self.skip(1);
                let name = self.name()?;
                self.expect("on")?;
                let table = self.relation_name()?;
                if kind == "policy" { CommentOn::Policy { name, table } } else { CommentOn::Trigger { name, table } }
            }
            "schema" => {
                self.skip(1);
                CommentOn::Schema(self.name()?)
            }
            "database" => {
                self.skip(1);
                CommentOn::Database(self.name()?)
            }
            "role" => {
                self.skip(1);
                CommentOn::Role(self.role_name()?)
            }
            "index" => {
                self.skip(1);
                CommentOn::Index(self.relation_name()?)
            }
            "sequence" => {
                self.skip(1);
                CommentOn::Sequence(self.relation_name()?)
            }
            "constraint" => {
                self.skip(1);
                let name = self.name()?;
                self.expect("on")?;
                let domain = self.eat("domain");
                CommentOn::Constraint { name, of: self.relation_name()?, domain }
            }
            "extension" => return self.comment_on_extension(),
            "language" => return self.comment_on_language(),
            "" => return Err(self.unexpected()),
            other => {
                let error = Error::unsupported(format!("COMMENT ON {} is not supported", other.to_uppercase()));
                return Err(error.hint(
                    "Comment on a TABLE, STREAM, VIEW, MATERIALIZED VIEW, COLUMN, INDEX, SEQUENCE, CONSTRAINT, TRIGGER, POLICY, TYPE, DOMAIN, FUNCTION, \
                     PROCEDURE, SCHEMA, DATABASE or ROLE.",
                ));
            }
        };
        self.expect("is")?;
        let text = if self.eat("null") { None } else { Some(self.text()?) };
        // As in PostgreSQL, an empty comment is none.
        Ok(Statement::Comment { on, text: text.filter(|t| !t.is_empty()) })
    }

    fn commented(&mut self, words: usize, kind: RelationKind) -> Result<CommentOn> {
        self.skip(words - 1);
        self.expect(if kind == RelationKind::MaterializedView { "view" } else { kind.word() })?;
        Ok(CommentOn::Relation { kind, name: self.relation_name()? })
    }

    /// `[schema.]relation.column`
    fn commented_column(&mut self) -> Result<CommentOn> {
        let mut parts = vec![self.name()?];
        while self.parser.consume_token(&Token::Period) {
            parts.push(self.name()?);
        }
        let column = parts.pop().unwrap_or_default();
        match parts.as_slice() {
            [relation] => Ok(CommentOn::Column { relation: Name::bare(relation), column }),
            [schema, relation] | [_, schema, relation] => Ok(CommentOn::Column { relation: Name::qualified(schema, relation), column }),
            [] => Err(Error::syntax("column name must be qualified").hint("Write COMMENT ON COLUMN relation.column IS ..")),
            _ => Err(Error::syntax("improper column name: too many dotted names")),
        }
    }
}
